//! Methods, paths, queries, and the headers of every answer.

use std::collections::BTreeSet;

use axum::body::Body;
use http::{Method, Request};
use serde_json::{Value, json};
use testkit::TestApp;

use crate::{HOST, Objects, assert_refusal, assert_security_headers, request, send, state};

#[tokio::test]
async fn what_is_not_routed_is_404_with_and_without_a_key() {
    let app = TestApp::new().await;
    for path in
        ["/nothing", "/organizations/a/b/c", "/admin", "/.env", "/api/organizations", "/v1/organizations"]
    {
        for method in [Method::GET, Method::POST, Method::DELETE, Method::PATCH] {
            for request in [app.request(method.clone(), path), app.request(method.clone(), path).anonymous()]
            {
                let answer = request.send().await;
                assert_refusal(&answer, 404);
                assert_eq!(answer.json(), json!({ "message": "Not Found" }), "{method} {path}");
            }
        }
    }
}

#[tokio::test]
async fn methods_an_operation_does_not_have_are_405() {
    let app = TestApp::new().await;
    let objects = Objects::create(&app).await;
    let before = state(&app).await;
    let organization = format!("/organizations/{}", objects.organization);
    for (path, allowed) in [
        ("/organizations", "GET,HEAD,POST"),
        (&organization, "DELETE,GET,HEAD,PUT"),
        ("/events", "GET,HEAD"),
        ("/sso/token", "POST"),
        ("/health", "GET,HEAD"),
    ] {
        let known: BTreeSet<&str> = allowed.split(',').collect();
        for method in
            ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "get"]
        {
            if known.contains(method) {
                continue;
            }
            let answer =
                app.request(method.parse().unwrap(), path).json(&json!({ "name": "Taken" })).send().await;
            assert_refusal(&answer, 405);
            assert_eq!(answer.json(), json!({ "message": "Method Not Allowed" }));
            let told: BTreeSet<&str> = answer.header("allow").split(',').collect();
            assert_eq!(told, known, "{method} {path}");
        }
    }
    assert_eq!(state(&app).await, before);
}

#[tokio::test]
async fn t5_no_other_way_to_ask_passes_the_lock() {
    let app = TestApp::new().await;
    let objects = Objects::create(&app).await;
    let before = state(&app).await;
    let organization = objects.organization.as_str();
    // HEAD is GET without the body: with the same lock.
    let answer = app.request(Method::HEAD, "/organizations").anonymous().send().await;
    assert_eq!((answer.status, answer.body.len()), (401, 0));
    let answer = app.request(Method::HEAD, "/organizations").send().await;
    assert_eq!((answer.status, answer.body.len()), (200, 0));

    for method in [Method::GET, Method::POST, Method::PUT, Method::DELETE, Method::HEAD, Method::OPTIONS] {
        for path in [
            "//organizations",
            "///organizations",
            "/organizations/",
            "/organizations//",
            "/Organizations",
            "/ORGANIZATIONS",
            "/./organizations",
            "/x/../organizations",
            "/%6Frganizations",
            "/organizations%2f",
            "/organizations%20",
            "/organizations;key=1",
            "/organizations.json",
            "/organizations\\",
            "/health/../organizations",
            "/health/organizations",
            "/health;/../organizations",
        ] {
            let body = json!({ "name": "Taken" });
            let uri = path.replace('\\', "%5c");
            for key in [true, false] {
                let request = app.request(method.clone(), &uri).json(&body);
                let answer = if key { request.send().await } else { request.anonymous().send().await };
                assert_eq!(answer.status, 404, "{method} {path}: {answer:?}");
            }
        }
        for path in [
            format!("/organizations/{organization}/"),
            format!("/organizations//{organization}"),
            format!("//organizations/{organization}"),
            format!("/organizations/./{organization}"),
            format!("/organizations/%2e%2e/organizations/{organization}"),
            format!("/organizations/{organization}%2f"),
            format!("/organizations/{organization};x"),
            format!("/organizations/{}", organization.to_lowercase()),
        ] {
            for key in [true, false] {
                let request = app.request(method.clone(), &path).json(&json!({ "name": "Taken" }));
                let answer = if key { request.send().await } else { request.anonymous().send().await };
                let refused = matches!(answer.status, 401 | 404 | 405);
                assert!(refused && (key || answer.status != 200), "{method} {path}: {answer:?}");
            }
        }
    }
    assert_eq!(state(&app).await, before);
}

#[tokio::test]
async fn t5_headers_and_parameters_do_not_change_the_method() {
    let app = TestApp::new().await;
    let objects = Objects::create(&app).await;
    let before = state(&app).await;
    for path in objects.deletions() {
        for header in ["x-http-method-override", "x-http-method", "x-method-override"] {
            let answer = app.request(Method::GET, &path).header(header, "DELETE").send().await;
            assert!(matches!(answer.status, 200 | 405), "{path}: {answer:?}");
            let answer =
                app.request(Method::POST, &path).header(header, "DELETE").json(&json!({})).send().await;
            assert_refusal(&answer, 405);
        }
        let answer =
            app.request(Method::POST, format!("{path}?_method=DELETE")).form(&[("_method", "DELETE")]);
        assert_refusal(&answer.send().await, 405);
        // Who stands behind a proxy can't claim to be it.
        for (header, value) in
            [("x-original-url", path.as_str()), ("x-rewrite-url", &path), ("x-forwarded-for", "127.0.0.1")]
        {
            let answer =
                app.request(Method::DELETE, "/health").anonymous().header(header, value).send().await;
            assert_refusal(&answer, 405);
            let answer = app.request(Method::DELETE, &path).anonymous().header(header, value).send().await;
            assert_refusal(&answer, 401);
        }
    }
    assert_eq!(state(&app).await, before);
}

#[tokio::test]
async fn h6_long_targets_and_many_parameters_are_refused() {
    let app = TestApp::new().await;
    let most = 32 * 1024;
    let padded = |length: usize| {
        let start = "/organizations?unknown=";
        format!("{start}{}", "a".repeat(length - start.len()))
    };
    app.get(padded(most)).await.expect(200);
    let answer = app.get(padded(most + 1)).await;
    assert_refusal(&answer, 414);
    assert_eq!(answer.json(), json!({ "message": "URI Too Long" }));
    assert_refusal(&app.request(Method::GET, padded(60_000)).anonymous().send().await, 414);
    assert_refusal(&app.get(format!("/{}", "a/".repeat(20_000))).await, 414);

    let many = |count: usize| format!("/organizations?{}", "a=1&".repeat(count));
    app.get(many(1000)).await.expect(200);
    assert_refusal(&app.get(many(1001)).await, 400);
    let form: Vec<(&str, &str)> = vec![("a", "1"); 1001];
    assert_eq!(app.request(Method::POST, "/sso/token").form(&form).send().await.status, 400);
}

#[tokio::test]
async fn text_that_is_no_utf_8_is_refused() {
    let app = TestApp::new().await;
    assert_refusal(&app.get("/organizations?search=%ff").await, 400);
    assert_refusal(&app.get("/organizations?%c0%af=1").await, 400);
    assert_refusal(&app.get("/organizations/%ff").await, 404);
    assert_refusal(&app.get("/organizations/external_id/%ed%a0%80").await, 404);
    // A percent sign that begins nothing is itself.
    app.get("/organizations?search=100%").await.expect(200);
    let raw = request(&app, &Method::GET, "/organizations").header("x-odd", &b"\xff\xfe"[..]);
    assert_eq!(send(&app, raw.body(Body::empty()).unwrap()).await.status, 200);
    let odd = Request::builder().uri("/organizations").header("host", HOST);
    let odd = odd.header("authorization", &b"Bearer \xff"[..]).body(Body::empty()).unwrap();
    assert_refusal(&send(&app, odd).await, 401);
    let twice = request(&app, &Method::GET, "/organizations").header("authorization", "Bearer sk_test_x");
    assert_refusal(&send(&app, twice.body(Body::empty()).unwrap()).await, 401);
}

#[tokio::test]
async fn request_ids_come_back_if_they_are_harmless() {
    let app = TestApp::new().await;
    let longest = "a".repeat(128);
    for id in ["2fe01467-f7ea-4dd2-8b79-c2b4f56d0191", "req_01EHWNCE74X7.JSDV", "12345678", &longest] {
        let answer = app.request(Method::GET, "/organizations").header("x-request-id", id).send().await;
        assert_eq!(answer.header("x-request-id"), id);
        let answer = app.request(Method::GET, "/nothing").header("x-request-id", id).send().await;
        assert_eq!(answer.header("x-request-id"), id);
    }
    let too_long = "a".repeat(129);
    let mut seen = BTreeSet::new();
    for id in [
        "",
        "1234567",
        &too_long,
        "with space",
        "<script>alert(1)</script>",
        "a,b,c,d,e,f",
        "../../etc/passwd",
        "12345678\t",
        "${jndi:ldap://evil.test}",
        "%0d%0aset-cookie:a=b",
    ] {
        let answer = app.request(Method::GET, "/organizations").header("x-request-id", id).send().await;
        let given = answer.header("x-request-id").to_owned();
        assert!(given.len() == 32 && given.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id:?}: {given}");
        assert!(seen.insert(given));
    }
    let odd = request(&app, &Method::GET, "/organizations")
        .header("x-request-id", &b"\xe9\xe9\xe9\xe9\xe9\xe9\xe9\xe9"[..]);
    let answer = send(&app, odd.body(Body::empty()).unwrap()).await;
    assert_eq!(answer.header("x-request-id").len(), 32);
}

#[tokio::test]
async fn every_answer_has_the_security_headers() {
    let app = TestApp::new().await;
    let objects = Objects::create(&app).await;
    let organization = format!("/organizations/{}", objects.organization);
    let new = json!({ "name": "New" });
    let taken = json!({ "name": "New", "domains": ["kept.example", "kept.example"] });
    let mut seen = BTreeSet::new();
    for (method, path, body) in [
        (Method::GET, "/health", Value::Null),
        (Method::GET, "/ready", Value::Null),
        (Method::POST, "/organizations", new.clone()),
        (Method::DELETE, &format!("/organization_domains/{}", objects.domain), Value::Null),
        (Method::DELETE, &organization, Value::Null),
        (Method::GET, &organization, Value::Null),
        (Method::POST, "/organizations", taken),
        (Method::POST, "/organizations", json!({ "name": "New", "metadata": { "": "" } })),
        (Method::PATCH, "/organizations", new),
        (Method::GET, "/nothing", Value::Null),
        (Method::POST, "/sso/token", json!({})),
    ] {
        let answer = app.request(method, path).json(&body).send().await;
        seen.insert(answer.status);
        assert_security_headers(&answer);
    }
    for answer in [
        app.request(Method::GET, "/organizations").anonymous().send().await,
        app.request(Method::GET, "/organizations").header("host", "evil.test").send().await,
        app.request(Method::POST, "/organizations").form(&[("a", "b")]).send().await,
        app.get(format!("/{}", "a".repeat(40_000))).await,
    ] {
        seen.insert(answer.status);
        assert_security_headers(&answer);
    }
    let expected = [200, 201, 202, 204, 400, 401, 404, 405, 414, 415, 421, 422];
    assert_eq!(seen, BTreeSet::from(expected));
}
