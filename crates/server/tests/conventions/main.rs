//! What holds for every request, whichever operation it means: bodies, headers, methods, paths, hosts.
//!
//! A refusal is JSON, carries the request's id and the security headers, and changes nothing.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod bodies;
mod faults;
mod hosts;
mod requests;

use axum::body::Body;
use http::{Method, Request};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use testkit::{Answer, TestApp};
use tower::ServiceExt;

const HOST: &str = "auth.example.com";

/// One object of each kind in environment A, for operations to aim at.
struct Objects {
    organization: String,
    domain: String,
    redirect_uri: String,
    connection: String,
}

impl Objects {
    async fn create(app: &TestApp) -> Self {
        let domains = json!([{ "domain": "kept.example", "state": "pending" }]);
        let organization =
            app.post("/organizations", json!({ "name": "Kept", "domain_data": domains })).await.expect(201);
        let connection = json!({ "organization_id": organization["id"], "connection_type": "GenericSAML", "name": "Kept" });
        let connection = app.post("/connections", connection).await.expect(201);
        let redirect_uri =
            app.post("/user_management/redirect_uris", json!({ "uri": "https://kept.example/cb" })).await;
        let id = |resource: &Value| resource["id"].as_str().unwrap().to_owned();
        Self {
            organization: id(&organization),
            domain: id(&organization["domains"][0]),
            redirect_uri: id(&redirect_uri.expect(201)),
            connection: id(&connection),
        }
    }

    /// The operations that take a JSON body.
    fn json_operations(&self) -> Vec<(Method, String)> {
        vec![
            (Method::POST, "/organizations".into()),
            (Method::PUT, format!("/organizations/{}", self.organization)),
            (Method::POST, "/organization_domains".into()),
            (Method::POST, "/user_management/redirect_uris".into()),
            (Method::POST, "/connections".into()),
            (Method::PATCH, format!("/connections/{}", self.connection)),
        ]
    }

    /// The operations that delete.
    fn deletions(&self) -> Vec<String> {
        vec![
            format!("/organizations/{}", self.organization),
            format!("/organization_domains/{}", self.domain),
            format!("/user_management/redirect_uris/{}", self.redirect_uri),
            format!("/connections/{}", self.connection),
        ]
    }
}

/// All that a refused request might have changed.
async fn state(app: &TestApp) -> Vec<Value> {
    let mut state = Vec::new();
    for path in ["/organizations", "/connections", "/user_management/redirect_uris", "/_portcullis/sign_ins"]
    {
        state.push(app.get(format!("{path}?limit=100")).await.expect(200));
    }
    state.extend(app.events().await.into_iter().map(|(name, data)| json!([name, data])));
    state
}

/// Sends a request as it is, past the conveniences of the test kit.
async fn send(app: &TestApp, request: Request<Body>) -> Answer {
    let answer = server::assembly::router(app.app.clone()).oneshot(request).await.unwrap();
    let (parts, body) = answer.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Answer { status: parts.status.as_u16(), headers: parts.headers, body }
}

/// A request with environment A's key and our host.
fn request(app: &TestApp, method: &Method, path: &str) -> http::request::Builder {
    let request = Request::builder().method(method).uri(path).header("host", HOST);
    request.header("authorization", format!("Bearer {}", app.a.secret))
}

/// Whether an answer is an error as all are: JSON with a message, an id, the headers, and nothing internal.
#[track_caller]
fn assert_refusal(answer: &Answer, status: u16) {
    let body = answer.expect(status);
    assert!(body["message"].is_string(), "{answer:?}");
    assert_eq!(answer.header("content-type"), "application/json", "{answer:?}");
    let text = body.to_string();
    for internal in ["sqlite", "postgres", "SELECT", "panicked", "src/", "serde"] {
        assert!(!text.contains(internal), "{text}");
    }
    assert_security_headers(answer);
}

#[track_caller]
fn assert_security_headers(answer: &Answer) {
    for (name, value) in [
        ("cache-control", "no-store"),
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("referrer-policy", "no-referrer"),
        ("strict-transport-security", "max-age=31536000; includeSubDomains"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
    ] {
        assert_eq!(answer.header(name), value, "{name} of {answer:?}");
    }
    let policy = answer.header("content-security-policy");
    assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{policy}");
    assert!(!answer.header("x-request-id").is_empty());
    for telltale in ["server", "x-powered-by", "access-control-allow-origin"] {
        assert!(!answer.headers.contains_key(telltale), "{telltale} of {answer:?}");
    }
}
