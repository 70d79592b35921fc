//! Organizations and their domains, through the front door.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod domains;
mod lists;
mod organizations;
mod races;

use serde_json::{Value, json};
use testkit::{Answer, TestApp};

/// A 422 that names these fields, as `code field`.
#[track_caller]
fn assert_fields(answer: &Answer, expected: &[&str]) {
    let body = answer.expect(422);
    assert_eq!(body["code"], "invalid_request_parameters", "{body}");
    let errors = body["errors"].as_array().unwrap().iter();
    let found: Vec<String> = errors
        .map(|error| format!("{} {}", error["code"].as_str().unwrap(), error["field"].as_str().unwrap()))
        .collect();
    assert_eq!(found, expected);
}

/// A list and the events: what a refusal must leave as it was.
async fn state(app: &TestApp) -> (Value, Vec<(String, Value)>) {
    (app.get("/organizations?limit=100").await.expect(200), app.events().await)
}

/// The whole envelope of the newest event of this type.
async fn newest(app: &TestApp, name: &str) -> Value {
    let list = app.get(format!("/events?order=desc&limit=1&events={name}")).await.expect(200);
    list["data"][0].clone()
}

/// `domain_data` of verified domains.
fn verified(domains: &[&str]) -> Value {
    domains.iter().map(|domain| json!({ "domain": domain, "state": "verified" })).collect()
}

fn id(resource: &Value) -> &str {
    resource["id"].as_str().unwrap()
}
