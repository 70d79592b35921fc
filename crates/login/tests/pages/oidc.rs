use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{Method, StatusCode, header};
use oidc::Algorithm;
use oidc::id_token::{Claims, Expected, verify};
use oidc::jwk::KeySet;
use oidc::{discovery, pkce};
use serde_json::{Value, json};

use crate::fixture::{Answer, CLIENT_SECRET, Fixture, encoded, value};
use crate::markup::{by_test_id, field};

const VERIFIER: &str = "0123456789abcdefghijklmnopqrstuvwxyz0123456789";

/// The parameters of a good authorization request, with `changes` made: a new value, or none.
fn request(fixture: &Fixture, changes: &[(&str, Option<&str>)]) -> String {
    let challenge = pkce::challenge(VERIFIER);
    let good = [
        ("response_type", "code"),
        ("client_id", fixture.client_id()),
        ("redirect_uri", fixture.client_redirect_uri()),
        ("scope", "openid email profile"),
        ("state", "st & +%"),
        ("nonce", "n-1"),
        ("code_challenge", &challenge),
        ("code_challenge_method", "S256"),
    ];
    let mut pairs: Vec<(&str, &str)> =
        good.into_iter().filter(|(name, _)| changes.iter().all(|(changed, _)| changed != name)).collect();
    pairs.extend(changes.iter().filter_map(|(name, value)| Some((*name, (*value)?))));
    encoded(&pairs)
}

async fn open(fixture: &Fixture, changes: &[(&str, Option<&str>)]) -> Answer {
    fixture.get(&format!("{}?{}", fixture.provider("oidc/authorize"), request(fixture, changes))).await
}

/// Signs somebody in and gives the code.
async fn code(fixture: &Fixture, changes: &[(&str, Option<&str>)]) -> String {
    let page = open(fixture, changes).await;
    let sealed = field(&page.body, "request").unwrap_or_else(|| panic!("{}", page.body));
    let pairs = [("request", sealed.as_str()), ("user", "tomas@acme.test")];
    let answer = fixture.post(&fixture.provider("oidc/authorize"), &pairs).await;
    let parameters = answer.redirected_to(fixture.client_redirect_uri());
    value(&parameters, "code").unwrap().to_owned()
}

/// A token request like the client's, with `changes` made.
async fn exchange(fixture: &Fixture, code: &str, changes: &[(&str, Option<&str>)]) -> Answer {
    let good = [
        ("grant_type", "authorization_code"),
        ("client_id", fixture.client_id()),
        ("client_secret", CLIENT_SECRET),
        ("redirect_uri", fixture.client_redirect_uri()),
        ("code", code),
        ("code_verifier", VERIFIER),
    ];
    let mut pairs: Vec<(&str, &str)> =
        good.into_iter().filter(|(name, _)| changes.iter().all(|(changed, _)| changed != name)).collect();
    pairs.extend(changes.iter().filter_map(|(name, value)| Some((*name, (*value)?))));
    fixture.post(&fixture.provider("oidc/token"), &pairs).await
}

fn is_refused(answer: &Answer, status: StatusCode, error: &str) {
    assert_eq!(answer.status, status, "{}", answer.body);
    assert_eq!(answer.json()["error"], error);
    assert!(answer.json()["error_description"].is_string());
    assert_eq!(answer.header(header::CACHE_CONTROL), "no-store");
}

async fn claims(fixture: &Fixture, tokens: &Value) -> Claims {
    let keys = fixture.get(&fixture.provider("oidc/jwks")).await;
    let expected = Expected {
        issuer: &login::oidc_issuer(&fixture.app, fixture.environment),
        client_id: fixture.client_id(),
        nonce: "n-1",
        now: fixture.app.clock.now().0,
        keys: &KeySet::parse(keys.body.as_bytes()).unwrap(),
        algorithms: &[Algorithm::Rs256],
        access_token: tokens["access_token"].as_str(),
        code: None,
        max_age: None,
    };
    verify(tokens["id_token"].as_str().unwrap(), &expected).unwrap()
}

#[tokio::test]
async fn discovery_document_is_one_that_we_accept() {
    let fixture = Fixture::new().await;
    let url = login::oidc_discovery_url(&fixture.app, fixture.environment);
    let answer = fixture.get(&url).await;
    let provider = discovery::parse(answer.body.as_bytes(), &url).unwrap();
    assert_eq!(provider.issuer, login::oidc_issuer(&fixture.app, fixture.environment));
    assert!(provider.authorization_response_iss_parameter_supported);
    for endpoint in
        [&provider.authorization_endpoint, &provider.jwks_uri, &provider.userinfo_endpoint.unwrap()]
    {
        assert_ne!(fixture.get(endpoint).await.status, StatusCode::NOT_FOUND, "{endpoint}");
    }
}

#[tokio::test]
async fn somebody_signs_in_and_the_client_learns_who() {
    let fixture = Fixture::new().await;
    let page = open(&fixture, &[("login_hint", Some("ann@acme.test"))]).await;
    assert_eq!(page.status, StatusCode::OK);
    assert_eq!(field(&page.body, "email").as_deref(), Some("ann@acme.test"));
    assert!(by_test_id(&page.body, "user-guest@example.net").is_some());
    let policy = page.header(header::CONTENT_SECURITY_POLICY);
    let places = "form-action 'self' https://app.example.com http://localhost:* http://127.0.0.1:*";
    assert!(policy.ends_with(places), "{policy}");

    let sealed = field(&page.body, "request").unwrap();
    let pairs = [
        ("request", sealed.as_str()),
        ("email", "Ann@acme.test"),
        ("first_name", "Ann"),
        ("last_name", "Åström"),
        ("groups", "a, b"),
    ];
    let answer = fixture.post(&fixture.provider("oidc/authorize"), &pairs).await;
    let parameters = answer.redirected_to(fixture.client_redirect_uri());
    assert_eq!(value(&parameters, "state"), Some("st & +%"));
    let issuer = login::oidc_issuer(&fixture.app, fixture.environment);
    assert_eq!(value(&parameters, "iss"), Some(issuer.as_str()));

    let answer = exchange(&fixture, value(&parameters, "code").unwrap(), &[]).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    assert_eq!(answer.header(header::CACHE_CONTROL), "no-store");
    let tokens = answer.json();
    assert_eq!(tokens["token_type"], "Bearer");
    assert_eq!(tokens["expires_in"], 300);
    let claims = claims(&fixture, &tokens).await;
    assert_eq!(claims.email.as_deref(), Some("Ann@acme.test"));
    assert_eq!(claims.email_verified, Some(true));
    assert_eq!(claims.name.as_deref(), Some("Ann Åström"));
    assert_eq!(claims.given_name.as_deref(), Some("Ann"));
    assert_eq!(claims.family_name.as_deref(), Some("Åström"));
    assert_eq!(claims.all["groups"], json!(["a", "b"]));
    assert_eq!(claims.auth_time, Some(fixture.app.clock.now().seconds()));

    let bearer = format!("Bearer {}", tokens["access_token"].as_str().unwrap());
    let userinfo = fixture.provider("oidc/userinfo");
    let said =
        fixture.send(Method::GET, &userinfo, &[("authorization", &bearer)], String::new()).await.json();
    assert_eq!(said["sub"], claims.sub);
    assert_eq!(said["groups"], json!(["a", "b"]));
    fixture.app.clock.advance(5 * 60_000);
    let late = fixture.send(Method::GET, &userinfo, &[("authorization", &bearer)], String::new()).await;
    assert_eq!(late.status, StatusCode::UNAUTHORIZED);
    assert!(late.header(header::WWW_AUTHENTICATE).starts_with("Bearer "));
}

#[tokio::test]
async fn client_authenticates_by_header_too() {
    let fixture = Fixture::new().await;
    let form = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let header = |secret: &str| {
        format!("Basic {}", STANDARD.encode(format!("{}:{}", form(fixture.client_id()), form(secret))))
    };
    let code = code(&fixture, &[]).await;
    let body = encoded(&[
        ("grant_type", "authorization_code"),
        ("redirect_uri", fixture.client_redirect_uri()),
        ("code", &code),
        ("code_verifier", VERIFIER),
    ]);
    let path = fixture.provider("oidc/token");
    let wrong = header("wrong");
    let refused = fixture.send(Method::POST, &path, &[("authorization", &wrong)], body.clone()).await;
    is_refused(&refused, StatusCode::UNAUTHORIZED, "invalid_client");
    assert!(refused.header(header::WWW_AUTHENTICATE).starts_with("Basic "));
    let right = header(CLIENT_SECRET);
    let answer = fixture.send(Method::POST, &path, &[("authorization", &right)], body).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
}

#[tokio::test]
async fn errors_of_the_request_go_to_the_client() {
    let fixture = Fixture::new().await;
    let long = "x".repeat(4096);
    for (change, error) in [
        (("response_type", Some("token")), "unsupported_response_type"),
        (("response_type", None), "invalid_request"),
        (("response_mode", Some("fragment")), "invalid_request"),
        (("request", Some("e30.e30.")), "request_not_supported"),
        (("code_challenge_method", Some("plain")), "invalid_request"),
        (("code_challenge_method", None), "invalid_request"),
        (("nonce", Some(long.as_str())), "invalid_request"),
        (("scope", Some("email")), "invalid_scope"),
        (("scope", None), "invalid_scope"),
        (("prompt", Some("none")), "login_required"),
    ] {
        let parameters = open(&fixture, &[change]).await.redirected_to(fixture.client_redirect_uri());
        assert_eq!(value(&parameters, "error"), Some(error), "{change:?}");
        assert_eq!(value(&parameters, "state"), Some("st & +%"), "{change:?}");
        assert_eq!(value(&parameters, "code"), None);
    }
}

#[tokio::test]
async fn refusing_tells_the_client() {
    let fixture = Fixture::new().await;
    let page = open(&fixture, &[("state", None)]).await;
    let sealed = field(&page.body, "request").unwrap();
    let pairs = [("request", sealed.as_str()), ("deny", "1")];
    let answer = fixture.post(&fixture.provider("oidc/authorize"), &pairs).await;
    let parameters = answer.redirected_to(fixture.client_redirect_uri());
    assert_eq!(value(&parameters, "error"), Some("access_denied"));
    assert_eq!(value(&parameters, "state"), None);
}

#[tokio::test]
async fn browsers_are_sent_to_the_registered_redirect_uri_alone() {
    let fixture = Fixture::new().await;
    let longer = format!("{}/x", fixture.client_redirect_uri());
    let query = format!("{}?x", fixture.client_redirect_uri());
    for changes in [
        [("redirect_uri", Some("https://evil.example/cb"))],
        [("redirect_uri", Some(longer.as_str()))],
        [("redirect_uri", Some(query.as_str()))],
        [("redirect_uri", None)],
        [("client_id", Some("client two"))],
        [("client_id", None)],
    ] {
        // Also when there is something else to complain of.
        for also in [("state", Some("s")), ("response_type", Some("token"))] {
            let page = open(&fixture, &[changes[0], also]).await;
            assert_eq!(page.status, StatusCode::BAD_REQUEST, "{changes:?}");
            assert!(page.body.contains(">test-"), "{changes:?}: {}", page.body);
            assert!(!page.body.contains("evil.example"));
        }
    }
    let twice = format!("{}&redirect_uri=https://evil.example", request(&fixture, &[]));
    let page = fixture.get(&format!("{}?{twice}", fixture.provider("oidc/authorize"))).await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn authorization_request_may_be_posted() {
    let fixture = Fixture::new().await;
    let path = fixture.provider("oidc/authorize");
    let page = fixture.send(Method::POST, &path, &[], request(&fixture, &[])).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(field(&page.body, "request").is_some());
}

#[tokio::test]
async fn code_works_once() {
    let fixture = Fixture::new().await;
    let code = code(&fixture, &[]).await;
    assert_eq!(exchange(&fixture, &code, &[]).await.status, StatusCode::OK);
    is_refused(&exchange(&fixture, &code, &[]).await, StatusCode::BAD_REQUEST, "invalid_grant");
}

#[tokio::test]
async fn code_works_for_a_minute() {
    let fixture = Fixture::new().await;
    let (first, second) = (code(&fixture, &[]).await, code(&fixture, &[]).await);
    fixture.app.clock.advance(60_000 - 1);
    assert_eq!(exchange(&fixture, &first, &[]).await.status, StatusCode::OK);
    fixture.app.clock.advance(1);
    is_refused(&exchange(&fixture, &second, &[]).await, StatusCode::BAD_REQUEST, "invalid_grant");
}

#[tokio::test]
async fn code_works_for_the_client_it_was_made_for_alone() {
    let fixture = Fixture::new().await;
    let code = code(&fixture, &[]).await;
    let bad = StatusCode::BAD_REQUEST;
    let other = "x".repeat(43);
    for (change, status, error) in [
        (("client_secret", Some("wrong")), StatusCode::UNAUTHORIZED, "invalid_client"),
        (("client_secret", None), StatusCode::UNAUTHORIZED, "invalid_client"),
        (("client_id", Some("client two")), StatusCode::UNAUTHORIZED, "invalid_client"),
        (("client_id", None), bad, "invalid_request"),
        (("client_assertion", Some("x")), bad, "invalid_request"),
        (("grant_type", Some("refresh_token")), bad, "unsupported_grant_type"),
        (("grant_type", None), bad, "invalid_request"),
        (("redirect_uri", Some("https://evil.example")), bad, "invalid_grant"),
        (("redirect_uri", None), bad, "invalid_grant"),
        (("code_verifier", Some(other.as_str())), bad, "invalid_grant"),
        (("code_verifier", Some("short")), bad, "invalid_grant"),
        (("code_verifier", None), bad, "invalid_grant"),
        (("code", Some("none")), bad, "invalid_grant"),
        (("code", None), bad, "invalid_request"),
    ] {
        is_refused(&exchange(&fixture, &code, &[change]).await, status, error);
    }
    let other = format!("/_idp/{}/oidc/token", fixture.other);
    let pairs = [
        ("grant_type", "authorization_code"),
        ("client_id", fixture.client_id()),
        ("client_secret", CLIENT_SECRET),
    ];
    is_refused(&fixture.post(&other, &pairs).await, StatusCode::UNAUTHORIZED, "invalid_client");
    // None of that used the code up.
    assert_eq!(exchange(&fixture, &code, &[]).await.status, StatusCode::OK);
}

#[tokio::test]
async fn verifier_without_a_challenge_is_refused() {
    let fixture = Fixture::new().await;
    let without = [("code_challenge", None), ("code_challenge_method", None)];
    let code = code(&fixture, &without).await;
    is_refused(&exchange(&fixture, &code, &[]).await, StatusCode::BAD_REQUEST, "invalid_grant");
    let answer = exchange(&fixture, &code, &[("code_verifier", None)]).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
}

#[tokio::test]
async fn each_sealed_text_is_good_for_one_purpose() {
    let fixture = Fixture::new().await;
    let sealed = field(&open(&fixture, &[]).await.body, "request").unwrap();
    let code = code(&fixture, &[]).await;
    let tokens = exchange(&fixture, &code, &[]).await.json();
    let access_token = tokens["access_token"].as_str().unwrap();
    let id_token = tokens["id_token"].as_str().unwrap();
    let userinfo = fixture.provider("oidc/userinfo");
    for token in [&sealed, &code, id_token, ""] {
        let bearer = format!("Bearer {token}");
        let answer = fixture.send(Method::GET, &userinfo, &[("authorization", &bearer)], String::new()).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{token}");
    }
    let elsewhere = format!("/_idp/{}/oidc/userinfo", fixture.other);
    let bearer = format!("Bearer {access_token}");
    let answer = fixture.send(Method::GET, &elsewhere, &[("authorization", &bearer)], String::new()).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "another environment's provider");
    for code in [&sealed, access_token, id_token] {
        is_refused(&exchange(&fixture, code, &[]).await, StatusCode::BAD_REQUEST, "invalid_grant");
    }
    for request in [&code, access_token, id_token] {
        for path in ["oidc/authorize", "saml/sso"] {
            let pairs = [("request", request), ("user", "tomas@acme.test")];
            let page = fixture.post(&fixture.provider(path), &pairs).await;
            assert!(page.body.contains(">test-request-expired<"), "{path}");
        }
    }
}
