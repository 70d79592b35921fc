//! The promise to readers: who pages by `after` misses nothing, whoever writes meanwhile.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::Method;
use serde_json::{Value, json};
use testkit::TestApp;
use tokio::task::JoinSet;

use crate::types;

const WRITERS: usize = 32;
const ORGANIZATIONS: usize = 6;
/// The organization, two domains, and that both are verified.
const EVENTS: usize = 5;

/// Creates an organization; tries again where the server asks for it, as SDKs do.
async fn write(app: &TestApp, writer: usize, number: usize) {
    let domains: Vec<Value> = ["a", "b"]
        .map(|name| json!({ "domain": format!("{name}{number}.w{writer}.example"), "state": "verified" }))
        .into();
    let body = json!({ "name": format!("{writer}.{number}"), "domain_data": domains });
    for _ in 0..20 {
        let request = app.request(Method::POST, "/organizations").json(&body).may_fail();
        let answer = request.send().await;
        if answer.status != 503 {
            answer.expect(201);
            return;
        }
    }
    panic!("writer {writer} was refused every time");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_reader_who_pages_by_after_misses_nothing() {
    let app = Arc::new(TestApp::new().await);
    // A place to begin at.
    let first = app.organization("First", &[]).await;
    let running = Arc::new(AtomicUsize::new(WRITERS));
    let mut tasks = JoinSet::new();
    for writer in 0..WRITERS {
        let (app, running) = (app.clone(), running.clone());
        tasks.spawn(async move {
            for number in 0..ORGANIZATIONS {
                write(&app, writer, number).await;
            }
            running.fetch_sub(1, Ordering::SeqCst);
        });
    }

    let start = app.get("/events").await.expect(200);
    assert_eq!(start["data"][0]["data"]["id"], first);
    let mut after = start["data"][0]["id"].as_str().unwrap().to_owned();
    let mut read: Vec<Value> = Vec::new();
    let mut pages = 0;
    loop {
        // Looked at before the page: when nobody wrote any more and the page is empty, all has been read.
        let writers = running.load(Ordering::SeqCst);
        let page = app.get(format!("/events?limit=7&after={after}")).await.expect(200);
        let data = page["data"].as_array().unwrap();
        match data.last() {
            Some(last) => after = last["id"].as_str().unwrap().to_owned(),
            None if writers == 0 => break,
            None => tokio::task::yield_now().await,
        }
        pages += 1;
        read.extend(data.iter().cloned());
    }
    while let Some(writer) = tasks.join_next().await {
        writer.unwrap();
    }

    assert!(pages > WRITERS * ORGANIZATIONS * EVENTS / 7);
    assert_eq!(read.len(), WRITERS * ORGANIZATIONS * EVENTS);
    let ids: BTreeSet<&str> = read.iter().map(|event| event["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), read.len(), "an event came twice");
    // The same from the beginning, and nothing else.
    let mut all = app.events().await;
    all.remove(0);
    let again: Vec<(String, Value)> = read
        .iter()
        .map(|event| (event["event"].as_str().unwrap().to_owned(), event["data"].clone()))
        .collect();
    assert_eq!(all, again);
    // Within a transaction: first the organization, then what it has.
    let organizations: Vec<&Value> =
        read.iter().filter(|event| event["event"] == "organization.created").collect();
    assert_eq!(organizations.len(), WRITERS * ORGANIZATIONS);
    for organization in organizations {
        let id = &organization["data"]["id"];
        let of_it: Vec<&str> = read
            .iter()
            .filter(|event| event["data"]["id"] == *id || event["data"]["organization_id"] == *id)
            .map(|event| event["event"].as_str().unwrap())
            .collect();
        let (created, verified) = ("organization_domain.created", "organization_domain.verified");
        assert_eq!(of_it, ["organization.created", created, created, verified, verified]);
    }
}

#[tokio::test]
async fn events_of_a_transaction_come_in_the_order_they_were_made() {
    let app = TestApp::new().await;
    let domains: Vec<Value> =
        (0..20).map(|number| json!({ "domain": format!("d{number}.example"), "state": "pending" })).collect();
    app.post("/organizations", json!({ "name": "Many", "domain_data": domains })).await.expect(201);
    let list = app.get("/events?limit=100").await.expect(200);
    assert_eq!(types(&list)[0], "organization.created");
    let found: Vec<&str> = list["data"].as_array().unwrap()[1..]
        .iter()
        .map(|event| event["data"]["domain"].as_str().unwrap())
        .collect();
    let expected: Vec<String> = (0..20).map(|number| format!("d{number}.example")).collect();
    assert_eq!(found, expected);
}
