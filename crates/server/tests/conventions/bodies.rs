//! Bodies that can't be read, are too large, or of another kind.

use axum::body::Body;
use bytes::Bytes;
use futures_util::stream;
use http::Method;
use serde_json::{Value, json};
use testkit::TestApp;

use crate::{Objects, assert_refusal, request, send, state};

const MEGABYTE: usize = 1 << 20;

#[tokio::test]
async fn h2_what_is_no_sound_json_object_is_400_and_changes_nothing() {
    let app = TestApp::new().await;
    let objects = Objects::create(&app).await;
    let before = state(&app).await;
    let texts: Vec<Vec<u8>> = vec![
        br#"{"name":"New""#.to_vec(),
        br#"{"name":"New"#.to_vec(),
        br#"{"name":"New","#.to_vec(),
        br#"{"name""#.to_vec(),
        br#"{"name":"New"} trailing"#.to_vec(),
        br#"{"name":"New"}}"#.to_vec(),
        br#"{"name":"New"}{"name":"New"}"#.to_vec(),
        br#"{"name":"New","name":"Newer"}"#.to_vec(),
        br#"{"name":"New","\u006eame":"Newer"}"#.to_vec(),
        br#"{"name":"New","metadata":{"a":"1","a":"2"}}"#.to_vec(),
        br#"{"name":"New","unknown":[{"a":1,"a":2}]}"#.to_vec(),
        b"{\"name\":\"N\xffew\"}".to_vec(),
        b"{\"name\":\"N\xed\xa0\x80ew\"}".to_vec(),
        b"{\"name\":\"New\",\"\xc0\xaf\":1}".to_vec(),
        b"\xef\xbb\xbf{\"name\":\"New\"}".to_vec(),
        b"\xff\xfe{\0\"\0n\0a\0m\0e\0\"\0:\x00\x31\0}\0".to_vec(),
        br#"{"name":NaN}"#.to_vec(),
        br#"{"name":"New","number":Infinity}"#.to_vec(),
        br#"{"name":"New","number":1e400}"#.to_vec(),
        br#"{"name":"New","number":+1}"#.to_vec(),
        br#"{'name':'New'}"#.to_vec(),
        br#"{name:"New"}"#.to_vec(),
        br#"{"name":"New",/* why */"a":1}"#.to_vec(),
        b"{\"name\":\"N\new\"}".to_vec(),
        br#"{"name":"\ud800"}"#.to_vec(),
        b"[]".to_vec(),
        br#"["New"]"#.to_vec(),
        br#""New""#.to_vec(),
        b"1".to_vec(),
        b"true".to_vec(),
        b"nul".to_vec(),
        b"name=New".to_vec(),
        b"<name>New</name>".to_vec(),
        "[".repeat(100_000).into_bytes(),
        format!("{{\"name\":{}", "[".repeat(100_000)).into_bytes(),
        format!("{{\"name\":\"New\",\"unknown\":{}1{}}}", "[".repeat(100_000), "]".repeat(100_000))
            .into_bytes(),
        format!("{}1{}", "{\"a\":".repeat(100_000), "}".repeat(100_000)).into_bytes(),
    ];
    for (method, path) in objects.json_operations() {
        for text in &texts {
            let answer =
                app.request(method.clone(), &path).raw("application/json", text.clone()).send().await;
            let shown: String = String::from_utf8_lossy(text).chars().take(60).collect();
            assert_eq!(answer.status, 400, "{method} {path} with {shown}: {answer:?}");
            assert_refusal(&answer, 400);
            assert_eq!(answer.json()["error"], "Bad Request");
        }
    }
    assert_eq!(state(&app).await, before);
}

#[tokio::test]
async fn wrong_types_are_422_with_the_field() {
    let app = TestApp::new().await;
    let objects = Objects::create(&app).await;
    let before = state(&app).await;
    for (path, body, field) in [
        ("/organizations", json!({ "name": 1 }), "name"),
        ("/organizations", json!({ "name": "New", "metadata": [] }), "metadata"),
        (
            "/organizations",
            json!({ "name": "New", "domain_data": [{ "domain": 1 }] }),
            "domain_data[0].domain",
        ),
        (
            "/organization_domains",
            json!({ "organization_id": 1, "domain": "new.example" }),
            "organization_id",
        ),
        ("/user_management/redirect_uris", json!({ "uri": {} }), "uri"),
        ("/connections", json!({ "organization_id": [] }), "organization_id"),
        (
            "/connections",
            json!({ "organization_id": objects.organization, "saml_options": 1 }),
            "saml_options",
        ),
    ] {
        let answer = app.post(path, body).await;
        assert_refusal(&answer, 422);
        let errors = answer.json()["errors"].clone();
        assert_eq!(errors, json!([{ "code": "invalid_type", "field": field }]), "{path}");
    }
    assert_eq!(state(&app).await, before);
}

#[tokio::test]
async fn h1_too_much_is_413_declared_or_not() {
    let app = TestApp::new().await;
    let objects = Objects::create(&app).await;
    let before = state(&app).await;
    let chunks = |length: usize| {
        let full = (0..length / 1024).map(|_| Bytes::from(vec![b' '; 1024]));
        let rest = Bytes::from(vec![b' '; length % 1024]);
        Body::from_stream(stream::iter(full.chain([rest]).map(Ok::<_, std::io::Error>)))
    };
    for (method, path) in objects.json_operations() {
        let post = || request(&app, &method, &path).header("content-type", "application/json");
        let declared = post().header("content-length", (100 * MEGABYTE).to_string());
        assert_refusal(&send(&app, declared.body(Body::from("{}")).unwrap()).await, 413);
        // A length that is no number counts as none.
        let endless = post().header("content-length", "99999999999999999999");
        assert_refusal(&send(&app, endless.body(chunks(2 * MEGABYTE)).unwrap()).await, 413);
        assert_refusal(&send(&app, post().body(chunks(MEGABYTE + 1)).unwrap()).await, 413);
        assert_refusal(&send(&app, post().body(chunks(20 * MEGABYTE)).unwrap()).await, 413);
    }
    assert_eq!(state(&app).await, before);
    // A megabyte to the byte is read, and blank space is nothing.
    let answer =
        send(&app, request(&app, &Method::POST, "/organizations").body(chunks(MEGABYTE)).unwrap()).await;
    assert_eq!(answer.expect(422)["errors"][0]["code"], "required");
    let form = request(&app, &Method::POST, "/sso/token")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(chunks(MEGABYTE + 1))
        .unwrap();
    // The errors of OAuth are always 400 (RFC 6749 §5.2).
    assert_eq!(send(&app, form).await.expect(400)["error"], "invalid_request");
}

#[tokio::test]
async fn a_body_that_breaks_off_is_400() {
    let app = TestApp::new().await;
    let before = state(&app).await;
    let broken = stream::iter([
        Ok(Bytes::from_static(b"{\"name\":\"New\"}")),
        Err(std::io::Error::other("connection reset")),
    ]);
    let request = request(&app, &Method::POST, "/organizations").body(Body::from_stream(broken)).unwrap();
    assert_refusal(&send(&app, request).await, 400);
    assert_eq!(state(&app).await, before);
}

#[tokio::test]
async fn a_form_is_no_json() {
    let app = TestApp::new().await;
    let objects = Objects::create(&app).await;
    let before = state(&app).await;
    for (method, path) in objects.json_operations() {
        for kind in [
            "application/x-www-form-urlencoded",
            "application/x-www-form-urlencoded;charset=utf-8",
            "Application/X-WWW-Form-URLEncoded ; charset=UTF-8",
        ] {
            for body in ["name=New", r#"{"name":"New"}"#] {
                assert_refusal(&app.request(method.clone(), &path).raw(kind, body).send().await, 415);
            }
        }
    }
    assert_eq!(state(&app).await, before);
}

#[tokio::test]
async fn bodies_where_none_is_expected_are_ignored() {
    let app = TestApp::new().await;
    let objects = Objects::create(&app).await;
    // SDKs declare JSON on every request; proxies and old clients add bodies of all kinds.
    for (kind, body) in [
        ("application/json", ""),
        ("application/json", "null"),
        ("application/json", "{}"),
        ("application/json", "{\"name\":"),
        ("application/x-www-form-urlencoded", "a=b"),
        ("text/plain", "\0\u{1}"),
    ] {
        for path in ["/organizations".to_owned(), format!("/organizations/{}", objects.organization)] {
            app.request(Method::GET, path).raw(kind, body).send().await.expect(200);
        }
        let verify = format!("/organization_domains/{}/verify", objects.domain);
        app.request(Method::POST, verify).raw(kind, body).send().await.expect(201);
        let made = app.post("/organizations", json!({ "name": "Gone" })).await.expect(201);
        let path = format!("/organizations/{}", made["id"].as_str().unwrap());
        let answer = app.request(Method::DELETE, path).raw(kind, body).send().await;
        assert_eq!(answer.status, 202, "{kind} {body}");
    }
}

#[tokio::test]
async fn null_and_nothing_are_an_empty_object() {
    let app = TestApp::new().await;
    let objects = Objects::create(&app).await;
    for body in ["", "null", " null\n", "{}", "  "] {
        let answer = app.request(Method::POST, "/organizations").raw("application/json", body).send().await;
        assert_eq!(
            answer.expect(422)["errors"],
            json!([{ "code": "required", "field": "name" }]),
            "{body:?}"
        );
        let path = format!("/organizations/{}", objects.organization);
        let answer = app.request(Method::PUT, path).raw("application/json", body).send().await;
        assert_eq!(answer.expect(200)["name"], "Kept");
    }
}

#[tokio::test]
async fn u0000_is_422_wherever_it_stands() {
    let app = TestApp::new().await;
    let objects = Objects::create(&app).await;
    let before = state(&app).await;
    let errors = |field: &str| json!([{ "code": "invalid_character", "field": field }]);
    for (body, field) in [
        (r#"{"name":"N\u0000ew"}"#, "name"),
        (r#"{"name":"New","external_id":"\u0000"}"#, "external_id"),
        (r#"{"name":"New","metadata":{"k":"\u0000"}}"#, "metadata.k"),
        (r#"{"name":"New","metadata":{"\u0000":"v"}}"#, "metadata"),
        (r#"{"name":"New","domains":["a\u0000.example"]}"#, "domains"),
        (r#"{"name":"New","unknown":[["\u0000"]]}"#, "unknown"),
    ] {
        let organization = format!("/organizations/{}", objects.organization);
        for (method, path) in [(Method::POST, "/organizations"), (Method::PUT, &organization)] {
            let answer = app.request(method, path).raw("application/json", body).send().await;
            assert_refusal(&answer, 422);
            assert_eq!(answer.json()["errors"], errors(field), "{body}");
        }
    }
    for (path, field) in [
        ("/organizations?search=%00", "search"),
        ("/organizations?limit=1&search=a%00b", "search"),
        ("/organizations?a%00=a", "a"),
        ("/organizations?after=%00", "after"),
        ("/organizations?domains=a%00.example", "domains"),
        ("/events?events=%00", "events"),
        ("/organizations/%00", "(path)"),
        ("/organizations/org_01EHWNCE74X7JSDV0X3SZ3KJNY%00", "(path)"),
        ("/organizations/external_id/a%00b", "(path)"),
        ("/connections/%00", "(path)"),
    ] {
        let answer = app.get(path).await;
        assert_refusal(&answer, 422);
        assert_eq!(answer.json()["errors"], errors(field), "{path}");
    }
    assert_eq!(state(&app).await, before);
    // Escaped once more it is only text.
    let body = r#"{"name":"N\\u0000ew"}"#;
    let answer = app.request(Method::POST, "/organizations").raw("application/json", body).send().await;
    assert_eq!(answer.expect(201)["name"], "N\\u0000ew");
}

#[tokio::test]
async fn wide_bodies_are_read_without_harm() {
    let app = TestApp::new().await;
    let unknown: serde_json::Map<String, Value> =
        (0..60_000).map(|number| (format!("k{number}"), json!(0))).collect();
    let mut body = json!({ "name": "Wide" });
    body.as_object_mut().unwrap().extend(unknown);
    app.post("/organizations", body).await.expect(201);
    let number = format!("{{\"name\":\"Wide\",\"number\":{}}}", "9".repeat(300));
    app.request(Method::POST, "/organizations").raw("application/json", number).send().await.expect(201);
    let number = format!("{{\"name\":\"Wide\",\"number\":{}}}", "9".repeat(900_000));
    let answer = app.request(Method::POST, "/organizations").raw("application/json", number).send().await;
    assert_refusal(&answer, 400);
}
