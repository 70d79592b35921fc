use http::{StatusCode, header};
use kernel::ids::EnvironmentId;
use saml::certificate::Certificate;
use saml::metadata::parse_idp;
use saml::request::AuthnRequest;
use saml::response::{Expected, Refusal, Verified, verify};

use crate::fixture::{Answer, Fixture, connect_saml};
use crate::markup::{by_test_id, field, tags};

/// A request as our own side makes it.
fn request<'a>(fixture: &'a Fixture, destination: &'a str) -> AuthnRequest<'a> {
    AuthnRequest {
        id: "_request1",
        issue_instant: fixture.app.clock.now().0,
        issuer: fixture.sp_entity_id(),
        acs_url: fixture.acs_url(),
        destination,
        force_authn: false,
        name_id_format: None,
    }
}

async fn open(fixture: &Fixture) -> Answer {
    let sso_url = login::saml_sso_url(&fixture.app, fixture.environment);
    fixture.get(&request(fixture, &sso_url).redirect_url("relay \"1\"")).await
}

/// Opens the sign-in page and sends it, with `pairs` beside the sealed request.
async fn send(fixture: &Fixture, pairs: &[(&str, &str)]) -> Answer {
    let sealed = field(&open(fixture).await.body, "request").unwrap();
    let pairs: Vec<_> = [("request", sealed.as_str())].into_iter().chain(pairs.iter().copied()).collect();
    fixture.post(&fixture.provider("saml/sso"), &pairs).await
}

async fn certificates(fixture: &Fixture, environment: EnvironmentId) -> Vec<Certificate> {
    let metadata = login::saml_metadata(&fixture.app, environment).await.unwrap();
    parse_idp(metadata.as_bytes(), fixture.app.clock.now().0).unwrap().signing_certificates
}

async fn verified(fixture: &Fixture, page: &Answer) -> Result<Verified, Refusal> {
    let response = field(&page.body, "SAMLResponse").unwrap_or_else(|| panic!("{}", page.body));
    verify(
        &response,
        &Expected {
            idp_entity_id: &login::saml_entity_id(&fixture.app, fixture.environment),
            sp_entity_id: fixture.sp_entity_id(),
            acs_url: fixture.acs_url(),
            in_response_to: "_request1",
            now: fixture.app.clock.now().0,
            certificates: &certificates(fixture, fixture.environment).await,
            allow_sha1: false,
        },
    )
}

fn values(verified: &Verified, name: &str) -> Vec<String> {
    let found = verified.attributes.iter().find(|attribute| attribute.name == name);
    found.map(|attribute| attribute.values.clone()).unwrap_or_default()
}

#[tokio::test]
async fn metadata_is_what_the_endpoint_serves() {
    let fixture = Fixture::new().await;
    let answer = fixture.get(&fixture.provider("saml/metadata")).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.header(header::CONTENT_TYPE), "application/samlmetadata+xml; charset=utf-8");
    assert_eq!(answer.body, login::saml_metadata(&fixture.app, fixture.environment).await.unwrap());
    let metadata = parse_idp(answer.body.as_bytes(), fixture.app.clock.now().0).unwrap();
    assert_eq!(metadata.entity_id, login::saml_entity_id(&fixture.app, fixture.environment));
    let sso_url = login::saml_sso_url(&fixture.app, fixture.environment);
    assert_eq!(metadata.sso_redirect_url.as_ref(), Some(&sso_url));
    assert_eq!(metadata.sso_post_url.as_ref(), Some(&sso_url));
    let key = certificates(&fixture, fixture.other).await;
    assert_ne!(metadata.signing_certificates[0].der(), key[0].der(), "each environment has a key of its own");
}

#[tokio::test]
async fn identity_provider_exists_for_staging_environments_alone() {
    let fixture = Fixture::new().await;
    let unknown = "environment_01EHWNCE74X7JSDV0X3SZ3KJNY".to_owned();
    for id in [fixture.production.to_string(), unknown, "environment_x".to_owned(), "%00".to_owned()] {
        for path in [
            "saml/metadata",
            "saml/sso",
            "oidc/jwks",
            "oidc/authorize",
            "oidc/.well-known/openid-configuration",
        ] {
            let answer = fixture.get(&format!("/_idp/{id}/{path}")).await;
            assert_eq!(answer.status, StatusCode::NOT_FOUND, "{id} {path}");
        }
    }
}

#[tokio::test]
async fn sign_in_page_says_where_it_leads_and_suggests_people() {
    let fixture = Fixture::new().await;
    let page = open(&fixture).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.body.contains("<h1>Test identity provider</h1>"));
    assert!(page.body.contains(">Acme</bdi>") && page.body.contains(">Acme SSO</bdi>"));
    let suggested: Vec<String> = tags(&page.body)
        .iter()
        .filter_map(|tag| tag.get("data-testid")?.strip_prefix("user-").map(ToOwned::to_owned))
        .collect();
    assert_eq!(suggested, ["marta@acme.test", "tomas@acme.test", "priya@acme.test", "guest@example.net"]);
    let policy = page.header(header::CONTENT_SECURITY_POLICY);
    assert!(policy.ends_with("form-action 'self'"), "{policy}");
    for form in tags(&page.body).iter().filter(|tag| tag.name == "form") {
        assert_eq!(form.get("action"), Some(fixture.provider("saml/sso").as_str()));
        assert_eq!(form.get("method"), Some("post"));
    }
}

#[tokio::test]
async fn suggested_person_is_signed_in_with_a_response_that_verifies() {
    let fixture = Fixture::new().await;
    let page = send(&fixture, &[("user", "marta@acme.test")]).await;
    assert_eq!(page.status, StatusCode::OK);
    let form = tags(&page.body).into_iter().find(|tag| tag.name == "form").unwrap();
    assert_eq!(form.get("action"), Some(fixture.acs_url()));
    assert!(by_test_id(&page.body, "continue").is_some());
    assert_eq!(field(&page.body, "RelayState").as_deref(), Some("relay \"1\""));
    let policy = page.header(header::CONTENT_SECURITY_POLICY);
    let places =
        "form-action http://localhost:4100 https://app.example.com http://localhost:* http://127.0.0.1:*";
    assert!(policy.ends_with(places), "{policy}");

    let signed_in = verified(&fixture, &page).await.unwrap();
    assert_eq!(values(&signed_in, "email"), ["marta@acme.test"]);
    assert_eq!(values(&signed_in, "firstName"), ["Marta"]);
    assert_eq!(values(&signed_in, "lastName"), ["Kessler"]);
    assert_eq!(values(&signed_in, "groups"), ["engineering", "admins"]);
    assert_eq!(values(&signed_in, "id")[0].len(), 32);
    assert_eq!(signed_in.name_id.unwrap().value, "marta@acme.test");
}

#[tokio::test]
async fn anybody_can_be_typed_in_with_any_name() {
    let fixture = Fixture::new().await;
    let name = "<Ann> & \"Åsa\" ]]> 'x' \u{202e}";
    let fields =
        [("email", "ann@else.test"), ("first_name", name), ("last_name", ""), ("groups", "a&b, <c>,,")];
    let first = verified(&fixture, &send(&fixture, &fields).await).await.unwrap();
    assert_eq!(values(&first, "firstName"), [name]);
    assert!(values(&first, "lastName").is_empty(), "what isn't known isn't sent");
    assert_eq!(values(&first, "groups"), ["a&b", "<c>"]);
    let again = verified(&fixture, &send(&fixture, &[("email", "ANN@else.test")]).await).await.unwrap();
    assert_eq!(values(&first, "id"), values(&again, "id"), "the same address is the same person");
    assert_ne!(first.assertion_id, again.assertion_id);
}

#[tokio::test]
async fn persistent_name_id_is_given_when_asked_for() {
    let fixture = Fixture::new().await;
    let sso_url = login::saml_sso_url(&fixture.app, fixture.environment);
    let mut request = request(&fixture, &sso_url);
    request.name_id_format = Some("urn:oasis:names:tc:SAML:2.0:nameid-format:persistent");
    // By post this time.
    let page = fixture.post(&fixture.provider("saml/sso"), &[("SAMLRequest", &request.post_value())]).await;
    let sealed = field(&page.body, "request").unwrap();
    let pairs = [("request", sealed.as_str()), ("user", "marta@acme.test")];
    let page = fixture.post(&fixture.provider("saml/sso"), &pairs).await;
    assert_eq!(field(&page.body, "RelayState"), None);
    let signed_in = verified(&fixture, &page).await.unwrap();
    assert_eq!(signed_in.name_id.as_ref().unwrap().value, values(&signed_in, "id")[0]);
}

#[tokio::test]
async fn refusing_answers_with_a_status_and_no_assertion() {
    let fixture = Fixture::new().await;
    let page = send(&fixture, &[("deny", "1"), ("user", "marta@acme.test")]).await;
    assert_eq!(field(&page.body, "RelayState").as_deref(), Some("relay \"1\""));
    let Err(Refusal::StatusNotSuccess { status, detail }) = verified(&fixture, &page).await else {
        panic!("not refused");
    };
    assert_eq!(status.to_string(), "\"urn:oasis:names:tc:SAML:2.0:status:Responder\"");
    let detail = detail.to_string();
    assert!(detail.contains("urn:oasis:names:tc:SAML:2.0:status:RequestDenied"), "{detail}");
    assert!(detail.contains("The person refused to sign in."), "{detail}");
}

#[tokio::test]
async fn form_that_cannot_be_used_is_shown_again_as_it_was_typed() {
    let fixture = Fixture::new().await;
    let fields = [("email", "no address"), ("first_name", "Ann \"x\""), ("groups", "a, b")];
    let page = send(&fixture, &fields).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(field(&page.body, "email").as_deref(), Some("no address"));
    assert_eq!(field(&page.body, "first_name").as_deref(), Some("Ann \"x\""));
    assert_eq!(field(&page.body, "groups").as_deref(), Some("a, b"));
    let invalid: Vec<_> = tags(&page.body)
        .into_iter()
        .filter(|tag| tag.get("aria-invalid") == Some("true"))
        .filter_map(|tag| tag.get("name").map(ToOwned::to_owned))
        .collect();
    assert_eq!(invalid, ["email"]);
    // And can then be sent.
    let sealed = field(&page.body, "request").unwrap();
    let pairs = [("request", sealed.as_str()), ("email", "ann@acme.test")];
    let page = fixture.post(&fixture.provider("saml/sso"), &pairs).await;
    assert!(verified(&fixture, &page).await.is_ok());
}

#[tokio::test]
async fn answers_never_go_to_a_url_that_is_not_stored() {
    let fixture = Fixture::new().await;
    let sso_url = login::saml_sso_url(&fixture.app, fixture.environment);
    let attempt = async |issuer: &str, acs_url: &str, destination: &str| {
        let request = AuthnRequest { issuer, acs_url, destination, ..request(&fixture, &sso_url) };
        // Whatever the destination says, it is sent to us.
        let url = request.redirect_url("x");
        let query = url.split_once('?').unwrap().1;
        fixture.get(&format!("{}?{query}", fixture.provider("saml/sso"))).await
    };
    let (issuer, acs_url) = (fixture.sp_entity_id(), fixture.acs_url());
    assert_eq!(attempt(issuer, acs_url, &sso_url).await.status, StatusCode::OK);
    let longer = format!("{acs_url}/x");
    for (issuer, acs_url, destination, code) in [
        (issuer, "https://evil.example/acs", sso_url.as_str(), "test-application-unknown"),
        (issuer, longer.as_str(), sso_url.as_str(), "test-application-unknown"),
        ("https://evil.example", "https://evil.example/acs", sso_url.as_str(), "test-application-unknown"),
        (issuer, acs_url, "https://other.example/sso", "test-request-invalid"),
    ] {
        let page = attempt(issuer, acs_url, destination).await;
        assert_eq!(page.status, StatusCode::BAD_REQUEST, "{acs_url}");
        assert!(page.body.contains(&format!(">{code}<")), "{acs_url}: {}", page.body);
        assert!(!page.body.contains("<form") && !page.body.contains("evil.example"));
    }
    // Another connection's request is answered at that connection's own URL.
    let second = connect_saml(&fixture.app, fixture.environment, fixture.organization, "Second", None).await;
    let page = attempt(issuer, crate::fixture::acs_url(&second), &sso_url).await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn connection_that_is_gone_meanwhile_gets_no_answer() {
    let fixture = Fixture::new().await;
    let sealed = field(&open(&fixture).await.body, "request").unwrap();
    let id = fixture.saml.id;
    let now = fixture.app.clock.now();
    kernel::transaction!(fixture.app, |tx| {
        tx.execute("UPDATE connections SET deleted_at = $1 WHERE id = $2", store::params![now, id]).await?;
        Ok(())
    })
    .unwrap();
    let pairs = [("request", sealed.as_str()), ("user", "marta@acme.test")];
    let page = fixture.post(&fixture.provider("saml/sso"), &pairs).await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST);
    assert!(page.body.contains(">test-application-unknown<"));
}

#[tokio::test]
async fn unreadable_requests_are_refused() {
    let fixture = Fixture::new().await;
    let path = fixture.provider("saml/sso");
    let sso_url = login::saml_sso_url(&fixture.app, fixture.environment);
    let good = request(&fixture, &sso_url).redirect_url(&"r".repeat(1025));
    for url in [
        path.clone(),
        format!("{path}?SAMLRequest="),
        format!("{path}?SAMLRequest=%3Cscript%3E"),
        format!("{path}?SAMLRequest=AAAA"),
        good,
    ] {
        let page = fixture.get(&url).await;
        assert_eq!(page.status, StatusCode::BAD_REQUEST, "{url}");
        assert!(page.body.contains(">test-request-invalid<"));
    }
    let twice = fixture.get(&format!("{path}?SAMLRequest=a&SAMLRequest=b")).await;
    assert_eq!(twice.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(twice.body.contains(">request-refused<"));
    let page = fixture.post(&path, &[("email", "ann@acme.test")]).await;
    assert!(page.body.contains(">test-request-invalid<"), "nothing without a sealed request");
}

#[tokio::test]
async fn sealed_request_cannot_be_altered_moved_or_kept() {
    let fixture = Fixture::new().await;
    let sealed = field(&open(&fixture).await.body, "request").unwrap();
    let attempt = async |path: &str, sealed: &str| {
        fixture.post(path, &[("request", sealed), ("user", "marta@acme.test")]).await
    };
    let path = fixture.provider("saml/sso");
    let refused = |page: &Answer| {
        assert_eq!(page.status, StatusCode::BAD_REQUEST);
        assert!(page.body.contains(">test-request-expired<"), "{}", page.body);
    };
    for index in 0..sealed.len() {
        let mut altered = sealed.clone().into_bytes();
        altered[index] = if altered[index] == b'A' { b'B' } else { b'A' };
        refused(&attempt(&path, std::str::from_utf8(&altered).unwrap()).await);
    }
    refused(&attempt(&path, &sealed[1..]).await);
    refused(&attempt(&path, &format!("{sealed}=")).await);
    refused(&attempt(&path, "%").await);
    // Not at another environment, not at the other protocol.
    refused(&attempt(&format!("/_idp/{}/saml/sso", fixture.other), &sealed).await);
    refused(&attempt(&fixture.provider("oidc/authorize"), &sealed).await);

    fixture.app.clock.advance(15 * 60_000 - 1);
    assert_eq!(attempt(&path, &sealed).await.status, StatusCode::OK);
    fixture.app.clock.advance(1);
    refused(&attempt(&path, &sealed).await);
}
