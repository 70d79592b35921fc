//! Where a sign-in may end: only at what is registered, to the letter, and until that is certain nowhere but here.

use http::Method;
use serde_json::json;
use testkit::{Answer, Asked, Browser, CALLBACK, TestApp};

use crate::support::{Saml, ada};

/// Near misses of [`CALLBACK`].
const NEARLY: [&str; 69] = [
    "https://app.example.com/callback/",
    "https://app.example.com/callback/x",
    "https://app.example.com/callback/..",
    "https://app.example.com/callback/../callback",
    "https://app.example.com/./callback",
    "https://app.example.com//callback",
    "https://app.example.com/x/../callback",
    "https://app.example.com/%63allback",
    "https://app.example.com/callback%2f",
    "https://app.example.com/callback%00",
    "https://app.example.com/callback%20",
    "https://app.example.com/callback%0d%0aSet-Cookie:x=y",
    "https://app.example.com/callback\r\nSet-Cookie: x=y",
    "https://app.example.com/callback\t",
    "https://app.example.com/callback ",
    " https://app.example.com/callback",
    "https://app.example.com/callback;",
    "https://app.example.com/callback;x",
    "https://app.example.com/callback?",
    "https://app.example.com/callback?x=y",
    "https://app.example.com/callback&x=y",
    "https://app.example.com/callback#",
    "https://app.example.com/callback#x",
    "https://app.example.com/CALLBACK",
    "https://app.example.com/Callback",
    "https://app.example.com/callbackx",
    "https://app.example.com/callbac",
    "https://app.example.com/",
    "https://app.example.com",
    "https://APP.example.com/callback",
    "HTTPS://app.example.com/callback",
    "http://app.example.com/callback",
    "ftp://app.example.com/callback",
    "https:app.example.com/callback",
    "https:/app.example.com/callback",
    "https:///app.example.com/callback",
    "//app.example.com/callback",
    "/callback",
    "callback",
    "https://app.example.com:443/callback",
    "https://app.example.com:8443/callback",
    "https://app.example.com:/callback",
    "https://app.example.com./callback",
    "https://.app.example.com/callback",
    "https://x.app.example.com/callback",
    "https://app.example.com.evil.example/callback",
    "https://app.example.comevil.example/callback",
    "https://evil.example/https://app.example.com/callback",
    "https://evil.example/?https://app.example.com/callback",
    "https://evil.example#https://app.example.com/callback",
    "https://evil.example\\@app.example.com/callback",
    "https://evil.example%2f@app.example.com/callback",
    "https://evil.example%00.app.example.com/callback",
    "https://evil.example\\.app.example.com/callback",
    "https://app.example.com@evil.example/callback",
    "https://app.example.com%40evil.example/callback",
    "https://app.example.com:x@evil.example/callback",
    "https://user@app.example.com/callback",
    "https://user:pw@app.example.com/callback",
    "https://@app.example.com/callback",
    "https://app。example。com/callback",
    "https://аpp.example.com/callback",
    "https://xn--pp-7cd.example.com/callback",
    "https://app.example.com\u{0}/callback",
    "https://app.example.com\u{200b}/callback",
    "https://[::1]/callback",
    "https://127.0.0.1/callback",
    "javascript:alert(1)//app.example.com/callback",
    "data:text/html,https://app.example.com/callback",
];

/// Near misses of the wildcards that [`register`] registers.
const NEARLY_WILD: [&str; 28] = [
    "https://preview.example.com/cb",
    "https://.preview.example.com/cb",
    "https://a.b.preview.example.com/cb",
    "https://a/.preview.example.com/cb",
    "https://a?.preview.example.com/cb",
    "https://a#.preview.example.com/cb",
    "https://a:1@b.preview.example.com/cb",
    "https://a%2e.preview.example.com/cb",
    "https://*.preview.example.com/cb",
    "https://a.preview.example.com/cb/",
    "https://a.preview.example.com/cb?x",
    "https://a.preview.example.com:8443/cb",
    "https://a.preview.example.com.evil.example/cb",
    "https://evil.example/a.preview.example.com/cb",
    "http://a.preview.example.com/cb",
    "http://localhost/cb",
    "http://localhost:/cb",
    "http://localhost:0/cb",
    "http://localhost:65536/cb",
    "http://localhost:080/cb",
    "http://localhost:+80/cb",
    "http://localhost:80@evil.example/cb",
    "http://localhost.evil.example:80/cb",
    "http://localhost:3000/cb/x",
    "https://localhost:3000/cb",
    "http://127.0.0.1:3000/cb",
    "http://[::1]:3000/cb",
    "http://LOCALHOST:3000/cb",
];

async fn register(app: &TestApp) {
    for uri in ["https://*.preview.example.com/cb", "http://localhost:*/cb", "https://app.example.com/q?a=b"]
    {
        app.post("/user_management/redirect_uris", json!({ "uri": uri })).await.expect(201);
    }
}

/// Asserts that the browser was sent to our own page, with nothing of the request.
#[track_caller]
fn assert_kept_here(answer: &Answer, page: &str) {
    assert_eq!(answer.status, 302, "{answer:?}");
    assert_eq!(answer.location(), format!("https://auth.example.com/error/{page}"));
    assert_eq!(answer.header("set-cookie"), "");
    assert!(answer.body.is_empty());
}

async fn sign_ins(app: &TestApp) -> usize {
    app.get("/_portcullis/sign_ins").await.expect(200)["data"].as_array().unwrap().len()
}

#[tokio::test]
async fn a1_only_the_registered_uri_will_do() {
    let saml = Saml::new().await;
    let app = &saml.app;
    register(app).await;
    let begin = async |uri: &str| {
        let parameters = [("connection", saml.connection.as_str()), ("redirect_uri", uri), ("state", "s")];
        Browser::new().authorize(app, &parameters).await
    };
    for uri in NEARLY.into_iter().chain(NEARLY_WILD) {
        let answer = begin(uri).await;
        if uri.contains('\u{0}') {
            answer.expect(422);
            continue;
        }
        assert_kept_here(&answer, "redirect-uri-invalid");
    }
    assert_eq!(sign_ins(app).await, 0);
    for uri in [
        CALLBACK,
        "https://app.example.com/q?a=b",
        "https://a.preview.example.com/cb",
        "https://a_b-C9.preview.example.com/cb",
        "http://localhost:3000/cb",
    ] {
        assert!(begin(uri).await.location().starts_with("https://idp.example.com/"), "{uri}");
    }
}

#[tokio::test]
async fn a1_a_query_of_the_uri_is_kept() {
    let saml = Saml::new().await;
    let app = &saml.app;
    register(app).await;
    let mut browser = Browser::new();
    let uri = "https://app.example.com/q?a=b";
    let parameters = [("connection", saml.connection.as_str()), ("redirect_uri", uri), ("state", "s")];
    let asked = Asked::by(&browser.authorize(app, &parameters).await);
    let answer = asked.post(app, &mut browser, &saml.answer(&asked, &ada())).await;
    let code = answer.location_parameter("code").unwrap();
    assert_eq!(answer.location(), format!("{uri}&code={code}&state=s"));
}

#[tokio::test]
async fn a1_a2_nothing_is_sent_anywhere_until_client_and_uri_belong_together() {
    let saml = Saml::new().await;
    let app = &saml.app;
    // Of environment B alone.
    let theirs = "https://b.example.com/callback";
    let request = app.request(Method::POST, "/user_management/redirect_uris").key(&app.b.secret);
    request.json(&json!({ "uri": theirs })).send().await.expect(201);
    let (a, b) = (app.a.client_id.as_str(), app.b.client_id.as_str());
    let connection = saml.connection.as_str();
    let query = |pairs: &[(&str, &str)]| {
        url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs([("response_type", "code"), ("connection", connection), ("state", "s")])
            .extend_pairs(pairs)
            .finish()
    };
    let id = "client-id-invalid";
    let uri = "redirect-uri-invalid";
    for (pairs, page) in [
        (vec![("redirect_uri", CALLBACK)], id),
        (vec![("client_id", ""), ("redirect_uri", CALLBACK)], id),
        (vec![("client_id", "client_01EHWNCE74X7JSDV0X3SZ3KJNY"), ("redirect_uri", CALLBACK)], id),
        (vec![("client_id", "x"), ("redirect_uri", "https://evil.example")], id),
        (vec![("client_id", &app.a.secret), ("redirect_uri", CALLBACK)], id),
        (vec![("client_id", &a.to_lowercase()), ("redirect_uri", CALLBACK)], id),
        (vec![("client_id", a), ("client_id", a), ("redirect_uri", CALLBACK)], id),
        (vec![("client_id", a), ("client_id", b), ("redirect_uri", CALLBACK)], id),
        (vec![("client_id", a)], uri),
        (vec![("client_id", a), ("redirect_uri", "")], uri),
        (vec![("client_id", a), ("redirect_uri", theirs)], uri),
        (vec![("client_id", a), ("redirect_uri", "https://evil.example")], uri),
        (vec![("client_id", a), ("redirect_uri", CALLBACK), ("redirect_uri", CALLBACK)], uri),
        (vec![("client_id", a), ("redirect_uri", CALLBACK), ("redirect_uri", "https://evil.example")], uri),
        (vec![("client_id", a), ("redirect_uri", "https://evil.example"), ("redirect_uri", CALLBACK)], uri),
        (vec![("client_id", a), ("redirect_uri[]", CALLBACK)], uri),
        (vec![("client_id", a), ("REDIRECT_URI", CALLBACK)], uri),
    ] {
        // Other mistakes don't open the door either.
        for more in ["", "&error=x", "&response_type=token", "&prompt=none"] {
            let answer = Browser::new().get(app, &format!("/sso/authorize?{}{more}", query(&pairs))).await;
            assert_kept_here(&answer, page);
        }
    }
    assert_eq!(sign_ins(app).await, 0);
    let page = Browser::new().get(app, "/error/redirect-uri-invalid").await;
    assert_eq!((page.status, page.header("content-type")), (400, "text/html; charset=utf-8"));
}

#[tokio::test]
async fn a1_a_uri_that_was_removed_is_out_and_its_sign_ins_end_where_they_began() {
    let saml = Saml::new().await;
    let app = &saml.app;
    let uri = "https://old.example.com/callback";
    let made = app.post("/user_management/redirect_uris", json!({ "uri": uri })).await.expect(201);
    let mut browser = Browser::new();
    let parameters = [("connection", saml.connection.as_str()), ("redirect_uri", uri)];
    let asked = Asked::by(&browser.authorize(app, &parameters).await);
    app.delete(format!("/user_management/redirect_uris/{}", made["id"].as_str().unwrap())).await.expect(204);
    assert_kept_here(&browser.authorize(app, &parameters).await, "redirect-uri-invalid");
    // The one under way was allowed when it began.
    let answer = asked.post(app, &mut browser, &saml.answer(&asked, &ada())).await;
    assert!(answer.location().starts_with(uri));
    assert!(answer.location_parameter("code").is_some());
}
