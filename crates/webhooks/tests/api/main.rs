//! `GET /events`, through the front door.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod events;
mod order;

use serde_json::{Value, json};
use testkit::TestApp;

/// Makes an organization and gives its id.
async fn create(app: &TestApp, name: &str) -> String {
    let created = app.post("/organizations", json!({ "name": name })).await.expect(201);
    created["id"].as_str().unwrap().to_owned()
}

fn ids(list: &Value) -> Vec<String> {
    let data = list["data"].as_array().unwrap().iter();
    data.map(|event| event["id"].as_str().unwrap().to_owned()).collect()
}

fn types(list: &Value) -> Vec<&str> {
    list["data"].as_array().unwrap().iter().map(|event| event["event"].as_str().unwrap()).collect()
}
