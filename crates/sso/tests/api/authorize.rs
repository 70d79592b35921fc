//! `GET /sso/authorize`: which connection is meant, and what the application hears if none is.

use http::Method;
use serde_json::{Value, json};
use testkit::{Answer, Asked, Browser, CALLBACK, OidcProvider, SamlIdp, TestApp};

use crate::support::{Saml, ada};

/// What the application heard: the error, or nothing if the browser is on its way to a provider.
#[track_caller]
fn told(answer: &Answer) -> Option<String> {
    assert_eq!(answer.status, 302, "{answer:?}");
    let location = answer.location();
    if location.starts_with(CALLBACK) {
        assert_eq!(answer.location_parameter("state").as_deref(), Some("s"), "{location}");
        assert!(!answer.location_parameter("error_description").unwrap().is_empty());
        assert_eq!(answer.header("set-cookie"), "");
        answer.location_parameter("error")
    } else {
        assert!(!location.contains("/error/"), "{location}");
        None
    }
}

async fn select(app: &TestApp, parameters: &[(&str, &str)]) -> Option<String> {
    let parameters = [parameters, &[("state", "s")]].concat();
    told(&Browser::new().authorize(app, &parameters).await)
}

async fn set_state(app: &TestApp, connection: &str, state: &str) {
    app.patch(format!("/connections/{connection}"), json!({ "state": state })).await.expect(200);
}

#[tokio::test]
async fn a12_connections_are_selected_by_id() {
    let saml = Saml::new().await;
    let app = &saml.app;
    assert_eq!(select(app, &[("connection", &saml.connection)]).await, None);
    let draft = json!({ "organization_id": saml.organization, "connection_type": "OktaSAML" });
    let draft = app.post("/connections", draft).await.expect(201);
    assert_eq!(draft["state"], "draft");
    let draft = draft["id"].as_str().unwrap();
    let deleted = saml.idp.connect(app, &saml.organization).await;
    app.delete(format!("/connections/{deleted}")).await.expect(204);
    let foreign = {
        let post =
            |path: &str, body: Value| app.request(Method::POST, path).key(&app.b.secret).json(&body).send();
        let organization = post("/organizations", json!({ "name": "B" })).await.expect(201)["id"].clone();
        let body = json!({ "organization_id": organization, "saml_options": saml.idp.options() });
        post("/connections", body).await.expect(201)["id"].as_str().unwrap().to_owned()
    };
    for (id, error) in [
        ("conn_01EHWNCE74X7JSDV0X3SZ3KJNY", "connection_invalid"),
        ("nonsense", "connection_invalid"),
        (&saml.connection.to_lowercase(), "connection_invalid"),
        (&format!("{} ", saml.connection), "connection_invalid"),
        (&saml.organization, "connection_invalid"),
        (&deleted, "connection_invalid"),
        (&foreign, "connection_invalid"),
        (draft, "connection_unlinked"),
        ("", "invalid_connection_selector"),
    ] {
        assert_eq!(select(app, &[("connection", id)]).await.as_deref(), Some(error), "{id}");
    }
    set_state(app, &saml.connection, "inactive").await;
    assert_eq!(
        select(app, &[("connection", &saml.connection)]).await.as_deref(),
        Some("connection_unlinked")
    );
    set_state(app, &saml.connection, "active").await;
    assert_eq!(select(app, &[("connection", &saml.connection)]).await, None);
}

#[tokio::test]
async fn a12_organizations_lead_to_their_one_connection() {
    let app = TestApp::new().await;
    let idp = SamlIdp::new();
    let organization = app.organization("Acme", &["acme.example"]).await;
    let selected = async || select(&app, &[("organization", &organization)]).await;
    assert_eq!(selected().await.as_deref(), Some("organization_invalid"), "no connection");
    let first = idp.connect(&app, &organization).await;
    assert_eq!(selected().await, None);
    let second = idp.connect(&app, &organization).await;
    assert_eq!(selected().await.as_deref(), Some("ambiguous_connection_selector"), "both validating");
    set_state(&app, &first, "active").await;
    assert_eq!(selected().await, None, "the active one");
    set_state(&app, &second, "active").await;
    assert_eq!(selected().await.as_deref(), Some("ambiguous_connection_selector"));
    set_state(&app, &second, "inactive").await;
    assert_eq!(selected().await, None);
    set_state(&app, &first, "inactive").await;
    assert_eq!(selected().await.as_deref(), Some("connection_unlinked"));
    app.delete(format!("/connections/{first}")).await.expect(204);
    app.delete(format!("/connections/{second}")).await.expect(204);
    assert_eq!(selected().await.as_deref(), Some("organization_invalid"));
    idp.connect(&app, &organization).await;
    app.delete(format!("/organizations/{organization}")).await;
    assert_eq!(selected().await.as_deref(), Some("organization_invalid"));
    for id in ["org_01EHWNCE74X7JSDV0X3SZ3KJNY", "nonsense", &organization.to_lowercase()] {
        let error = select(&app, &[("organization", id)]).await;
        assert_eq!(error.as_deref(), Some("organization_invalid"), "{id}");
    }
    assert_eq!(select(&app, &[("organization", "")]).await.as_deref(), Some("invalid_connection_selector"));
}

#[tokio::test]
async fn a12_providers_are_those_of_the_environment() {
    let app = TestApp::new().await;
    let provider = OidcProvider::start().await;
    for (name, error) in [
        ("GoogleOAuth", "connection_invalid"),
        ("GithubOAuth", "connection_invalid"),
        ("authkit", "invalid_connection_selector"),
        ("GenericSAML", "invalid_connection_selector"),
        ("GenericOIDC", "invalid_connection_selector"),
        ("googleoauth", "invalid_connection_selector"),
        ("nonsense", "invalid_connection_selector"),
        ("", "invalid_connection_selector"),
    ] {
        assert_eq!(select(&app, &[("provider", name)]).await.as_deref(), Some(error), "{name}");
    }
    let body = json!({ "connection_type": "GitHubOAuth", "oidc_options": provider.options() });
    let id = app.post("/connections", body.clone()).await.expect(201)["id"].clone();
    assert_eq!(select(&app, &[("provider", "GithubOAuth")]).await, None);
    assert_eq!(select(&app, &[("provider", "GitHubOAuth")]).await, None);
    app.post("/connections", body).await.expect(201);
    let error = select(&app, &[("provider", "GitHubOAuth")]).await;
    assert_eq!(error.as_deref(), Some("ambiguous_connection_selector"));
    set_state(&app, id.as_str().unwrap(), "inactive").await;
    assert_eq!(select(&app, &[("provider", "GitHubOAuth")]).await, None);
}

#[tokio::test]
async fn a12_without_a_selector_the_verified_owner_of_the_hinted_domain_decides() {
    let app = TestApp::new().await;
    let idp = SamlIdp::new();
    let domains = json!([
        { "domain": "acme.example", "state": "verified" }, { "domain": "pending.example", "state": "pending" },
    ]);
    let made =
        app.post("/organizations", json!({ "name": "Acme", "domain_data": domains })).await.expect(201);
    idp.connect(&app, made["id"].as_str().unwrap()).await;
    app.organization("Without connection", &["lonely.example"]).await;
    let invalid = Some("invalid_connection_selector");
    for (parameters, error) in [
        (vec![("domain_hint", "acme.example")], None),
        (vec![("domain_hint", "ACME.example")], None),
        (vec![("login_hint", "ada@acme.example")], None),
        (vec![("login_hint", "ada@evil.example"), ("domain_hint", "acme.example")], None),
        (vec![("domain_hint", ""), ("login_hint", "ada@acme.example")], None),
        (vec![], invalid),
        (vec![("domain_hint", "pending.example")], invalid),
        (vec![("domain_hint", "sub.acme.example")], invalid),
        (vec![("domain_hint", "example")], invalid),
        (vec![("domain_hint", "' OR 1=1 --")], invalid),
        (vec![("domain_hint", "evil.example"), ("login_hint", "ada@acme.example")], invalid),
        (vec![("login_hint", "ada")], invalid),
        (vec![("login_hint", "acme.example")], invalid),
        (vec![("domain_hint", "lonely.example")], Some("organization_invalid")),
        (vec![("domain", "acme.example")], Some("domain_connection_selector_not_allowed")),
    ] {
        assert_eq!(select(&app, &parameters).await.as_deref(), error, "{parameters:?}");
    }
}

#[tokio::test]
async fn a12_two_selectors_are_one_too_many() {
    let saml = Saml::new().await;
    let app = &saml.app;
    let all = [
        ("connection", saml.connection.as_str()),
        ("organization", &saml.organization),
        ("provider", "GoogleOAuth"),
        ("domain", "example.com"),
    ];
    for first in all {
        for second in all.iter().filter(|second| second.0 != first.0) {
            let error = select(app, &[first, *second]).await;
            assert_eq!(error.as_deref(), Some("invalid_connection_selector"), "{first:?} {second:?}");
        }
        // An empty one is none.
        let empty = all.iter().find(|other| other.0 != first.0).unwrap().0;
        let alone = select(app, &[first]).await;
        assert_eq!(select(app, &[first, (empty, "")]).await, alone, "{first:?}");
    }
}

#[tokio::test]
async fn a12_only_codes_by_query_are_given() {
    let saml = Saml::new().await;
    let app = &saml.app;
    let connection = ("connection", saml.connection.as_str());
    for kind in
        ["token", "id_token", "id_token token", "code token", "code id_token", "none", "CODE", "code ", ""]
    {
        let error = select(app, &[connection, ("response_type", kind)]).await;
        assert_eq!(error.as_deref(), Some("unsupported_response_type"), "{kind:?}");
    }
    for mode in ["fragment", "form_post", "web_message", "jwt", "Query"] {
        let error = select(app, &[connection, ("response_mode", mode)]).await;
        assert_eq!(error.as_deref(), Some("invalid_request"), "{mode}");
    }
    assert_eq!(select(app, &[connection, ("response_mode", "query")]).await, None);
    let long = format!("{}@example.com", "a".repeat(1024));
    assert_eq!(select(app, &[connection, ("login_hint", &long)]).await.as_deref(), Some("invalid_request"));
    assert_eq!(app.get("/_portcullis/sign_ins").await.expect(200)["data"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a14_a_parameter_sent_twice_makes_the_request_invalid() {
    let saml = Saml::new().await;
    let app = &saml.app;
    let challenge = oidc::pkce::challenge(&"v".repeat(43));
    let base = format!(
        "/sso/authorize?client_id={}&redirect_uri={CALLBACK}&response_type=code&connection={}",
        app.a.client_id, saml.connection
    );
    for (name, value) in [
        ("connection", saml.connection.as_str()),
        ("organization", ""),
        ("provider", ""),
        ("domain", ""),
        ("response_type", "code"),
        ("response_mode", "query"),
        ("code_challenge", &challenge),
        ("code_challenge_method", "S256"),
        ("login_hint", "ada@example.com"),
        ("domain_hint", "example.com"),
        ("prompt", "login"),
        ("nonce", "n"),
        ("state", "s"),
    ] {
        for other in [value, "other", ""] {
            let answer = Browser::new().get(app, &format!("{base}&{name}={value}&{name}={other}")).await;
            assert!(answer.location().starts_with(CALLBACK), "{name}: {}", answer.location());
            let error = answer.location_parameter("error");
            assert_eq!(error.as_deref(), Some("invalid_request"), "{name} {other:?}");
            // Which state is meant is as unclear as anything said twice.
            assert_eq!(answer.location_parameter("state"), None);
        }
    }
    assert_eq!(app.get("/_portcullis/sign_ins").await.expect(200)["data"], json!([]));
}

#[tokio::test]
async fn a12_the_state_comes_back_byte_for_byte() {
    let saml = Saml::new().await;
    let app = &saml.app;
    let long = "0123456789abcdef".repeat(128);
    let all: String = (1..=255_u8).map(char::from).collect();
    for state in [
        "s",
        "a+b",
        "a%2Bb",
        "a%b%",
        "%25",
        "a b",
        " ",
        "a&b=c#d?e;f",
        "\"<>'\\",
        "{\"path\":\"/a?b=c&d\",\"n\":1}",
        "eyJhIjoiYiJ9==",
        "ünïcödé 🔑 \u{202e}",
        "https://app.example.com/next?x=y",
        "a\tb",
        "a\nb\r\nSet-Cookie: x=y",
        &all,
        &long,
    ] {
        let mut browser = Browser::new();
        let parameters = [("connection", saml.connection.as_str()), ("state", state)];
        let asked = Asked::by(&browser.authorize(app, &parameters).await);
        let answer = asked.post(app, &mut browser, &saml.answer(&asked, &ada())).await;
        let mistake = browser.authorize(app, &[("connection", "none"), ("state", state)]).await;
        for answer in [answer, mistake] {
            assert!(answer.location().starts_with(CALLBACK));
            assert_eq!(answer.location_parameter("state").as_deref(), Some(state));
            // Whatever reads the address decodes it alike: nothing stands bare that some take for a space.
            let (_, raw) =
                answer.location().split_once("&state=").map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
            let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~%".contains(&byte);
            assert!(raw.bytes().all(is_plain), "{raw}");
            assert!(!answer.header("set-cookie").contains("x=y"));
        }
    }
    // Sent raw, as some SDKs do.
    for (raw, state) in [("a+b", "a b"), ("a%2Bb", "a+b"), ("a%2bb", "a+b"), ("a=b", "a=b"), ("", "")] {
        let path = format!(
            "/sso/authorize?client_id={}&redirect_uri={CALLBACK}&response_type=code&state={raw}",
            app.a.client_id
        );
        let answer = Browser::new().get(app, &path).await;
        assert_eq!(answer.location_parameter("state").as_deref(), Some(state), "{raw}");
    }
    let answer = Browser::new().authorize(app, &[("connection", "none")]).await;
    assert_eq!(answer.location_parameter("state"), None, "none was given");
    let parameters = [("connection", saml.connection.as_str()), ("state", &"x".repeat(8193))];
    let answer = Browser::new().authorize(app, &parameters).await;
    assert_eq!(answer.location_parameter("error").as_deref(), Some("invalid_request"));
    let answer = app.request(Method::GET, format!("/sso/authorize?state={}", "x".repeat(40_000))).anonymous();
    assert_eq!(answer.send().await.status, 414);
}

#[tokio::test]
async fn a15_the_answer_is_the_same_for_browsers_that_know_us_and_those_that_do_not() {
    let saml = Saml::new().await;
    let mut known = Browser::new();
    saml.idp.sign_in(&saml.app, &mut known, &saml.connection, &ada()).await;
    for prompt in ["none", "select_account", "consent", ""] {
        let parameters = [("connection", saml.connection.as_str()), ("prompt", prompt)];
        for browser in [&mut known, &mut Browser::new()] {
            let answer = browser.authorize(&saml.app, &parameters).await;
            let asked = Asked::by(&answer);
            assert!(!asked.force_authn, "{prompt}");
        }
    }
}

#[tokio::test]
async fn a6_addresses_with_secrets_are_told_to_nobody_else() {
    let saml = Saml::new().await;
    let mut browser = Browser::new();
    let begun = browser.authorize(&saml.app, &[("connection", &saml.connection)]).await;
    let ended = {
        let asked = Asked::by(&begun);
        asked.post(&saml.app, &mut browser, &saml.answer(&asked, &ada())).await
    };
    for answer in [begun, ended] {
        assert_eq!(answer.header("referrer-policy"), "no-referrer");
        assert_eq!(answer.header("cache-control"), "no-store");
        assert_eq!(answer.header("access-control-allow-origin"), "", "browsers go there, scripts don't");
    }
}
