//! What others write must never become markup, on any page (SECURITY.md X1, X5, S40).

use http::{Method, StatusCode, header};
use saml::request::AuthnRequest;

use crate::fixture::{Answer, Fixture, encoded};
use crate::markup::{field, skeleton};

/// Breaks out of elements, attributes, comments, scripts and templates wherever it isn't escaped.
const POLYGLOT: &str = "\"'></title></textarea></style></script><script>alert(1)</script><img src=x onerror=alert(1)>\
                        <svg/onload=alert(1)>--><!--{{7*7}}{% raw %}${7*7}javascript:alert(1)&lt;\u{202e}\u{2028}";

fn policy(page: &Answer) {
    let policy = page.header(header::CONTENT_SECURITY_POLICY);
    assert!(
        policy.starts_with("default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; ")
    );
    for directive in
        ["base-uri 'none'", "frame-ancestors 'none'", "require-trusted-types-for 'script'", "form-action "]
    {
        assert!(policy.contains(directive), "{policy}");
    }
    assert!(!policy.contains("unsafe-"), "{policy}");
    assert_eq!(page.header(header::CACHE_CONTROL), "no-store");
    assert_eq!(page.header(header::X_CONTENT_TYPE_OPTIONS), "nosniff");
    assert_eq!(page.header(header::CONTENT_TYPE), "text/html; charset=utf-8");
}

/// All pages that show something somebody else wrote, with `text` in every place.
async fn pages(text: &str) -> Vec<(&'static str, Answer)> {
    let fixture = Fixture::named(text, text).await;
    fixture.settle_demo(text);
    let sso_url = login::saml_sso_url(&fixture.app, fixture.environment);
    let request = AuthnRequest {
        id: "_request1",
        issue_instant: 0,
        issuer: fixture.sp_entity_id(),
        acs_url: fixture.acs_url(),
        destination: &sso_url,
        force_authn: false,
        name_id_format: None,
    };
    let saml = fixture.get(&request.redirect_url(text)).await;
    let sealed = field(&saml.body, "request").unwrap();
    let authorization = encoded(&[
        ("response_type", "code"),
        ("client_id", fixture.client_id()),
        ("redirect_uri", fixture.client_redirect_uri()),
        ("scope", "openid"),
        ("state", text),
        ("nonce", text),
        ("login_hint", text),
    ]);
    let oidc = fixture.get(&format!("{}?{authorization}", fixture.provider("oidc/authorize"))).await;
    let typed = [
        ("request", sealed.as_str()),
        ("email", text),
        ("first_name", text),
        ("last_name", text),
        ("groups", text),
    ];
    let again = fixture.post(&fixture.provider("saml/sso"), &typed).await;
    let posted = fixture
        .post(&fixture.provider("saml/sso"), &[("request", &sealed), ("user", "marta@acme.test")])
        .await;
    let login = fixture.get(&format!("/demo/login?connection={}", fixture.oidc.id)).await;
    let state = login.redirected_to("http://localhost:4100/sso/authorize");
    let state = crate::fixture::value(&state, "state").unwrap().to_owned();
    let cookie = login.header(header::SET_COOKIE).split(';').next().unwrap().to_owned();
    let error = encoded(&[("state", &state), ("error", text), ("error_description", text)]);
    let callback = format!("/demo/callback?{error}");
    let refused = fixture.send(Method::GET, &callback, &[("cookie", &cookie)], String::new()).await;
    let foreign = fixture.get(&callback).await;
    let error = encoded(&[("error", text), (text, text)]);
    vec![
        ("the SAML sign-in page", saml),
        ("the OIDC sign-in page", oidc),
        ("the form, again", again),
        ("the page that posts", posted),
        ("the demo", fixture.get("/demo").await),
        ("an error for the demo", refused),
        ("a foreign state", foreign),
        (
            "an unknown connection",
            fixture.get(&format!("/demo/login?{}", encoded(&[("connection", text)]))).await,
        ),
        ("an error page", fixture.get(&format!("/error/sign-in-failed?{error}")).await),
        (
            "a page that isn't there",
            fixture.get(&format!("/error/{}", encoded(&[("", text)]).replace('+', "%20"))).await,
        ),
    ]
}

#[tokio::test]
async fn x1_hostile_text_changes_no_page() {
    let hostile = pages(POLYGLOT).await;
    let plain = pages("plain").await;
    for ((page, hostile), (_, plain)) in hostile.iter().zip(&plain) {
        assert_eq!(hostile.status, plain.status, "{page}");
        assert_eq!(skeleton(&hostile.body), skeleton(&plain.body), "{page}");
        assert!(!hostile.body.contains("<img") && !hostile.body.contains("<script>"), "{page}");
        policy(hostile);
    }
    // It was there, and reads as it was written.
    let shown = |index: usize, name: &str| field(&hostile[index].1.body, name);
    assert_eq!(shown(1, "email").as_deref(), Some(POLYGLOT));
    assert_eq!(shown(2, "groups").as_deref(), Some(POLYGLOT));
    assert_eq!(shown(3, "RelayState").as_deref(), Some(POLYGLOT));
    for index in [0, 1, 2, 4, 5] {
        assert!(hostile[index].1.body.contains("&#60;script&#62;alert(1)"), "{}", hostile[index].0);
    }
    // A page of ours that refuses shows nothing of what it refused.
    for index in [6, 7, 8, 9] {
        assert!(!hostile[index].1.body.contains("alert(1)"), "{}", hostile[index].0);
    }
}

#[tokio::test]
async fn names_are_isolated_from_the_text_around_them() {
    for (page, answer) in pages("\u{202e}evil").await {
        for (at, _) in answer.body.match_indices("\u{202e}evil") {
            let before = &answer.body[..at];
            // In an attribute or an element of its own, the direction ends with it.
            let opened = before.rfind('<').unwrap();
            let inside = &before[opened..];
            let is_attribute = !inside.contains('>');
            let is_isolated = inside.starts_with("<bdi") || inside.starts_with("<code");
            assert!(is_attribute || is_isolated, "{page}: {inside}");
        }
    }
}

#[tokio::test]
async fn demo_without_a_seed_says_so() {
    let fixture = Fixture::new().await;
    for path in ["/demo", "/demo/login", "/demo/callback?code=x&state=y"] {
        let page = fixture.get(path).await;
        assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE, "{path}");
        policy(&page);
        assert!(page.body.contains("The demo isn’t set up here"));
    }
}
