//! `POST /sso/token` in every shape that SDKs send, and in those nobody should.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use serde_json::json;

use crate::support::{Saml, assert_oauth_error, exchange, token};

const FORM: &str = "application/x-www-form-urlencoded";

#[tokio::test]
async fn a5_parameters_come_as_form_as_json_as_query_or_with_basic() {
    let saml = Saml::new().await;
    let app = &saml.app;
    let (id, secret) = (app.a.client_id.as_str(), app.a.secret.as_str());
    let pairs = |code: &str| {
        url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs([("grant_type", "authorization_code"), ("code", code)])
            .extend_pairs([("client_id", id), ("client_secret", secret)])
            .finish()
    };
    let object = |code: &str| json!({ "grant_type": "authorization_code", "code": code, "client_id": id, "client_secret": secret });
    let post = |path: String| app.request(Method::POST, path).anonymous();
    let basic = format!("Basic {}", STANDARD.encode(format!("{id}:{secret}")));
    let short = |code: &str| format!("grant_type=authorization_code&code={code}");

    let code = saml.code().await;
    post("/sso/token".into()).raw(FORM, pairs(&code)).send().await.expect(200);
    let code = saml.code().await;
    let charset = "application/x-www-form-urlencoded;charset=utf-8";
    // The Node SDK shows its key besides.
    post("/sso/token".into()).key(secret).raw(charset, pairs(&code)).send().await.expect(200);
    let code = saml.code().await;
    post("/sso/token".into()).json(&object(&code)).send().await.expect(200);
    let code = saml.code().await;
    post(format!("/sso/token?{}", pairs(&code))).json(&object(&code)).send().await.expect(200);
    let code = saml.code().await;
    post(format!("/sso/token?{}", pairs(&code))).send().await.expect(200);
    let code = saml.code().await;
    post(format!("/sso/token?{}", pairs(&code))).raw("application/json", "null").send().await.expect(200);
    let code = saml.code().await;
    post("/sso/token".into())
        .header("authorization", &basic)
        .raw(FORM, short(&code))
        .send()
        .await
        .expect(200);
    let code = saml.code().await;
    let lower = basic.replace("Basic", "basic");
    post("/sso/token".into())
        .header("authorization", &lower)
        .raw(FORM, short(&code))
        .send()
        .await
        .expect(200);
    // The client by its publishable key; unknown and empty fields don't matter.
    let code = saml.code().await;
    let keys: Vec<String> = app
        .app
        .db
        .read("SELECT publishable_key FROM environments WHERE id = $1", store::params![app.a.id])
        .await
        .unwrap();
    let fields = [
        ("client_id", keys[0].as_str()),
        ("client_secret", secret),
        ("code", &code),
        ("code_verifier", ""),
        ("redirect_uri", "https://elsewhere.example"),
        ("scope", "x"),
    ];
    token(app, &fields).await.expect(200);
}

#[tokio::test]
async fn a14_what_is_said_twice_must_be_the_same() {
    let saml = Saml::new().await;
    let app = &saml.app;
    let code = saml.code().await;
    let (id, secret) = (app.a.client_id.as_str(), app.a.secret.as_str());
    let good = [
        ("grant_type", "authorization_code"),
        ("client_id", id),
        ("client_secret", secret),
        ("code", code.as_str()),
    ];
    let encode = |pairs: &[(&str, &str)]| {
        url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
    };
    let send = async |path: &str, content_type: &'static str, body: String| {
        app.request(Method::POST, path).anonymous().raw(content_type, body).send().await
    };
    for (name, value) in good.into_iter().chain([("code_verifier", "v")]) {
        for other in [value, "other", ""] {
            let twice = encode(&[&good[..], &[(name, value), (name, other)]].concat());
            assert_oauth_error(&send("/sso/token", FORM, twice.clone()).await, "invalid_request");
            assert_oauth_error(
                &send(&format!("/sso/token?{twice}"), FORM, String::new()).await,
                "invalid_request",
            );
        }
        // One thing in the body, another in the query.
        if name != "code_verifier" {
            let path = format!("/sso/token?{}", encode(&[(name, "other")]));
            assert_oauth_error(&send(&path, FORM, encode(&good)).await, "invalid_request");
            let body = json!(std::collections::HashMap::from(good)).to_string();
            assert_oauth_error(&send(&path, "application/json", body.clone()).await, "invalid_request");
            let doubled = body.replacen('{', &format!("{{\"{name}\":\"other\","), 1);
            assert_oauth_error(&send("/sso/token", "application/json", doubled).await, "invalid_request");
        }
    }
    exchange(app, &code).await.expect(200);
}

#[tokio::test]
async fn a12_other_grants_are_not_given() {
    let saml = Saml::new().await;
    let app = &saml.app;
    let code = saml.code().await;
    let fields = [
        ("client_id", app.a.client_id.as_str()),
        ("client_secret", &app.a.secret),
        ("code", &code),
        ("refresh_token", "x"),
        ("username", "ada@example.com"),
        ("password", "x"),
    ];
    for grant in [
        "refresh_token",
        "password",
        "client_credentials",
        "implicit",
        "urn:ietf:params:oauth:grant-type:jwt-bearer",
        "urn:ietf:params:oauth:grant-type:device_code",
        "Authorization_Code",
        "authorization_code ",
    ] {
        let fields = [&[("grant_type", grant)], &fields[..]].concat();
        let answer = app.request(Method::POST, "/sso/token").anonymous().form(&fields).send().await;
        assert_oauth_error(&answer, "unsupported_grant_type");
    }
    let answer = app.request(Method::POST, "/sso/token").anonymous().form(&fields).send().await;
    assert_oauth_error(&answer, "invalid_request");
    let fields = [("client_id", app.a.client_id.as_str()), ("client_secret", &app.a.secret)];
    assert_oauth_error(&token(app, &fields).await, "invalid_request");
    exchange(app, &code).await.expect(200);
}

#[tokio::test]
async fn a12_requests_that_cannot_be_read_answer_as_oauth_does() {
    let saml = Saml::new().await;
    let app = &saml.app;
    for (content_type, body) in [
        (FORM, b"grant_type=%ff".to_vec()),
        (FORM, b"grant_type=%00".to_vec()),
        (FORM, vec![b'x'; 3 << 20]),
        (FORM, b"a&".repeat(100_000)),
        (FORM, Vec::new()),
        ("application/json", b"{".to_vec()),
        ("application/json", b"[]".to_vec()),
        ("application/json", b"\"code\"".to_vec()),
        ("application/json", b"{\"code\":1}".to_vec()),
        ("application/json", b"{\"code\":[\"a\"]}".to_vec()),
        ("application/json", b"{\"code\":\"\\u0000\"}".to_vec()),
        ("application/json", [b"{\"code\":".to_vec(), b"[".repeat(100_000)].concat()),
        ("text/plain", b"grant_type=authorization_code".to_vec()),
        ("multipart/form-data; boundary=b", b"--b\r\n\r\n--b--".to_vec()),
        ("", b"\xff\xfe".to_vec()),
    ] {
        let request = app.request(Method::POST, "/sso/token").anonymous().raw(content_type, body);
        assert_oauth_error(&request.send().await, "invalid_request");
    }
    let request = app.request(Method::POST, "/sso/token?code=%ff").anonymous();
    assert_oauth_error(&request.send().await, "invalid_request");
    for method in [Method::GET, Method::PUT, Method::DELETE] {
        let answer = app.request(method, "/sso/token").anonymous().send().await;
        assert_eq!(answer.status, 405);
        answer.json();
    }
}
