//! Which names this server answers to, and what it says of its health.

use axum::body::Body;
use http::{Method, Request};
use testkit::TestApp;

use crate::{HOST, assert_refusal, send};

fn get(path: &str, hosts: &[&str]) -> http::request::Builder {
    hosts.iter().fold(Request::builder().uri(path), |request, host| request.header("host", *host))
}

#[tokio::test]
async fn production_answers_to_its_own_name_alone() {
    let app = TestApp::new().await;
    for host in ["auth.example.com", "auth.example.com:443", "AUTH.Example.COM"] {
        app.request(Method::GET, "/organizations").header("host", host).send().await.expect(200);
    }
    for host in [
        "evil.test",
        "auth.example.com.evil.test",
        "evil.auth.example.com",
        "auth.example.com:80",
        "auth.example.com:4100",
        "auth.example.com.",
        "auth.example.com@evil.test",
        "localhost",
        "127.0.0.1",
        "127.0.0.1:4100",
        "[::1]",
        "auth.example.com, evil.test",
        "auth.example.com/",
        "",
    ] {
        for path in ["/organizations", "/nothing", "/sso/authorize", "/error/not-found"] {
            let answer = app.request(Method::GET, path).header("host", host).send().await;
            assert_refusal(&answer, 421);
            let browser = app.request(Method::GET, path).header("host", host).header("accept", "text/html");
            assert_refusal(&browser.send().await, 421);
        }
    }
    // What a proxy says it was called decides nothing.
    for header in ["x-forwarded-host", "forwarded", "x-host", "x-original-host"] {
        app.request(Method::GET, "/organizations").header(header, "evil.test").send().await.expect(200);
    }
}

#[tokio::test]
async fn a_request_names_exactly_one_host() {
    let app = TestApp::new().await;
    let key = format!("Bearer {}", app.a.secret);
    for (path, hosts, expected) in [
        ("/organizations", vec![], 400),
        ("/organizations", vec![HOST, HOST], 400),
        ("/organizations", vec![HOST, "evil.test"], 400),
        ("https://auth.example.com/organizations", vec![HOST], 200),
        ("https://auth.example.com/organizations", vec![], 200),
        ("https://evil.test/organizations", vec![HOST], 421),
        ("https://auth.example.com/organizations", vec!["evil.test"], 421),
        ("https://evil.test/organizations", vec![], 421),
        ("https://user@auth.example.com/organizations", vec![], 421),
    ] {
        let request = get(path, &hosts).header("authorization", &key).body(Body::empty()).unwrap();
        let answer = send(&app, request).await;
        assert_eq!(answer.status, expected, "{path} {hosts:?}: {answer:?}");
        if expected != 200 {
            assert_refusal(&answer, expected);
        }
    }
    let odd = Request::builder().uri("/organizations").header("host", &b"auth\xff.example.com"[..]);
    assert_refusal(&send(&app, odd.body(Body::empty()).unwrap()).await, 400);
}

#[tokio::test]
async fn development_sends_browsers_to_the_name_their_cookies_are_at() {
    let app = TestApp::dev().await;
    for host in
        ["127.0.0.1:4100", "[::1]:4100", "127.1.2.3:4100", "acme.localhost:4100", "localhost", "localhost:80"]
    {
        let browser = app.request(Method::GET, "/demo?a=b%20c").header("accept", "text/html,*/*;q=0.8");
        let answer = browser.header("host", host).send().await;
        assert_eq!(answer.status, 307, "{host}: {answer:?}");
        assert_eq!(answer.header("location"), "http://localhost:4100/demo?a=b%20c");
        // Programs are answered where they are.
        app.request(Method::GET, "/organizations").header("host", host).send().await.expect(200);
        let post =
            app.request(Method::POST, "/organizations").header("host", host).header("accept", "text/html");
        post.json(&serde_json::json!({ "name": "Acme" })).send().await.expect(201);
    }
    let browser = app.request(Method::GET, "//evil.test/%5c").header("accept", "text/html");
    let answer = browser.header("host", "127.0.0.1:4100").send().await;
    assert_eq!(answer.header("location"), "http://localhost:4100//evil.test/%5c");
    // A name that someone else's DNS made point here is none of ours.
    for host in
        ["evil.test", "evil.test:4100", "localhost.evil.test", "127.0.0.1.nip.io", "notlocalhost", "10.0.0.1"]
    {
        let answer = app.request(Method::GET, "/organizations").header("host", host).send().await;
        assert_refusal(&answer, 421);
        let browser = app.request(Method::GET, "/demo").header("host", host).header("accept", "text/html");
        assert_refusal(&browser.send().await, 421);
    }
}

#[tokio::test]
async fn probes_are_answered_by_any_name() {
    let app = TestApp::new().await;
    for hosts in [vec![], vec!["10.0.0.7:4100"], vec!["localhost"], vec!["a", "b"]] {
        for path in ["/health", "/ready"] {
            let answer = send(&app, get(path, &hosts).body(Body::empty()).unwrap()).await;
            assert_eq!(answer.expect(200), serde_json::json!({ "status": "ok" }));
        }
    }
    assert_eq!(app.request(Method::HEAD, "/health").anonymous().send().await.status, 200);
}

#[tokio::test]
async fn without_its_database_the_process_is_up_and_not_ready() {
    let app = TestApp::new().await;
    app.request(Method::GET, "/ready").anonymous().send().await.expect(200);
    app.app.db.close().await;
    for path in
        ["/ready", "/organizations", "/events", "/sso/authorize?client_id=client_01EHWNCE74X7JSDV0X3SZ3KJNY"]
    {
        let answer = app.request(Method::GET, path).may_fail().send().await;
        assert_eq!(answer.status, 503, "{path}: {answer:?}");
        assert_eq!(answer.header("retry-after"), "1", "{path}");
    }
    for path in ["/ready", "/organizations"] {
        assert_refusal(&app.request(Method::GET, path).may_fail().send().await, 503);
    }
    let post = app.request(Method::POST, "/organizations").json(&serde_json::json!({ "name": "Acme" }));
    assert_refusal(&post.may_fail().send().await, 503);
    assert_eq!(app.request(Method::GET, "/health").send().await.status, 200);
}
