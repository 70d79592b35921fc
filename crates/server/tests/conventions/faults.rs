//! Faults of ours: told to the operator with their cause, to the caller as nothing but a fault.

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use http::Request;
use http_body_util::BodyExt;
use kernel::{App, Error, Result};
use testkit::{Answer, Logs, TestApp};
use tower::ServiceExt;

use crate::{HOST, assert_refusal};

async fn ask(app: &App, path: &str) -> Answer {
    let routes: Router<App> = Router::new()
        .route("/fault/{id}", get(|| async { Err::<(), _>(Error::internal("the cause: hunter2")) }))
        .route("/panic", get(broken));
    let request = Request::builder().uri(path).header("host", HOST).header("x-request-id", "request-1");
    let request = request.body(Body::empty()).unwrap();
    let answer = kernel::http::assemble(app.clone(), routes).oneshot(request).await.unwrap();
    let (parts, body) = answer.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Answer { status: parts.status.as_u16(), headers: parts.headers, body }
}

async fn broken() -> Result<()> {
    panic!("as asked");
}

#[tokio::test]
async fn a_fault_shows_its_cause_in_the_log_alone() {
    let app = TestApp::new().await;
    let logs = Logs::capture();
    let answer = ask(&app.app, "/fault/secret-id?code=secret-code").await;
    assert_refusal(&answer, 500);
    assert_eq!(answer.json(), serde_json::json!({ "message": "Internal server error." }));
    let text = logs.text();
    assert!(text.contains("the cause: hunter2") && text.contains("request-1"), "{text}");
    // The route, not what stands in it.
    assert!(text.contains("/fault/{id}"), "{text}");
    assert!(!text.contains("secret-id") && !text.contains("secret-code"), "{text}");
}

#[tokio::test]
async fn a_panic_is_a_fault_of_one_request() {
    let app = TestApp::new().await;
    let logs = Logs::capture();
    let answer = ask(&app.app, "/panic").await;
    assert_refusal(&answer, 500);
    assert_eq!(answer.header("x-request-id"), "request-1");
    assert!(logs.text().contains("a handler panicked"), "{}", logs.text());
    app.get("/organizations").await.expect(200);
}

#[tokio::test]
async fn log_lines_hold_no_key_and_no_query() {
    let app = TestApp::new().await;
    let logs = Logs::capture();
    let made =
        app.post("/organizations?code=canary-query", serde_json::json!({ "name": "canary-name" })).await;
    let id = made.expect(201)["id"].as_str().unwrap().to_owned();
    app.get(format!("/organizations/{id}?token=canary-query")).await.expect(200);
    app.get("/organizations/external_id/canary-path").await.expect(404);
    app.get("/canary-path?canary-query").await.expect(404);
    app.request(http::Method::GET, "/organizations").key("sk_test_canary").send().await.expect(401);
    let text = logs.text();
    let requests = text.lines().filter(|line| line.contains("request_id")).count();
    assert_eq!(requests, 5, "{text}");
    for line in text.lines().filter(|line| line.contains("request_id")) {
        for secret in ["canary", app.a.secret.as_str(), &id] {
            assert!(!line.contains(secret), "{line}");
        }
    }
    // Nor does any other line, at any level.
    for secret in ["canary-query", "sk_test_canary", &app.a.secret] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
}
