//! Many at once: what one transaction decides, another may not undo.

use std::sync::Arc;

use http::Method;
use serde_json::{Value, json};
use testkit::{Answer, TestApp};
use tokio::task::JoinSet;

use crate::{id, verified};

/// Sends requests at once and gives their answers in any order.
async fn together(
    app: &Arc<TestApp>,
    requests: impl IntoIterator<Item = (Method, String, Value)>,
) -> Vec<Answer> {
    let mut running = JoinSet::new();
    for (method, path, body) in requests {
        let app = app.clone();
        running.spawn(async move { app.request(method, path).json(&body).send().await });
    }
    running.join_all().await
}

fn count(answers: &[Answer], status: u16) -> usize {
    answers.iter().filter(|answer| answer.status == status).count()
}

async fn events(app: &TestApp, name: &str) -> usize {
    app.event_types().await.iter().filter(|found| *found == name).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn r48_one_of_many_gets_a_verified_domain() {
    let app = Arc::new(TestApp::new().await);
    let claim = json!({ "name": "Claim", "domain_data": verified(&["prize.example"]) });
    let answers =
        together(&app, (0..20).map(|_| (Method::POST, "/organizations".to_owned(), claim.clone()))).await;
    assert_eq!((count(&answers, 201), count(&answers, 409)), (1, 19));
    assert_eq!(events(&app, "organization.created").await, 1);
    assert_eq!(events(&app, "organization_domain.verified").await, 1);
    let list = app.get("/organizations?limit=100").await.expect(200);
    assert_eq!(list["data"].as_array().unwrap().len(), 1);

    // The same among organizations that exist.
    let mut paths = Vec::new();
    for number in 0..10 {
        let made = app.post("/organizations", json!({ "name": format!("O{number}") })).await.expect(201);
        paths.push(format!("/organizations/{}", id(&made)));
    }
    let claim = json!({ "domain_data": verified(&["second.example"]) });
    let answers = together(&app, paths.into_iter().map(|path| (Method::PUT, path, claim.clone()))).await;
    assert_eq!((count(&answers, 200), count(&answers, 409)), (1, 9));
    assert_eq!(events(&app, "organization_domain.verified").await, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_of_many_gets_an_external_id() {
    let app = Arc::new(TestApp::new().await);
    let body = json!({ "name": "Claim", "external_id": "prize" });
    let answers =
        together(&app, (0..20).map(|_| (Method::POST, "/organizations".to_owned(), body.clone()))).await;
    assert_eq!((count(&answers, 201), count(&answers, 400)), (1, 19));
    assert_eq!(events(&app, "organization.created").await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_organization_gets_a_domain_once() {
    let app = Arc::new(TestApp::new().await);
    let organization = app.organization("One", &[]).await;
    let body = json!({ "organization_id": organization, "domain": "prize.example" });
    let requests = (0..20).map(|_| (Method::POST, "/organization_domains".to_owned(), body.clone()));
    let answers = together(&app, requests).await;
    assert_eq!((count(&answers, 201), count(&answers, 409)), (1, 19));
    assert_eq!(events(&app, "organization_domain.created").await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn updates_at_once_lose_nothing() {
    let app = Arc::new(TestApp::new().await);
    let path = format!("/organizations/{}", app.organization("One", &[]).await);
    let requests = (0..20)
        .map(|number| (Method::PUT, path.clone(), json!({ "metadata": { format!("key{number}"): "set" } })));
    let answers = together(&app, requests).await;
    assert_eq!(count(&answers, 200), 20);
    let metadata = app.get(&path).await.expect(200)["metadata"].clone();
    assert_eq!(metadata.as_object().unwrap().len(), 20, "{metadata}");
    // Each event tells of its own step: previous values grow by one key at a time.
    let list = app.get("/events?events=organization.updated&limit=100").await.expect(200);
    for (number, event) in list["data"].as_array().unwrap().iter().enumerate() {
        let previous = event["context"]["previous_attributes"]["metadata"].as_object().unwrap();
        assert_eq!(previous.len(), number, "{event}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_domain_is_deleted_once_whoever_deletes_it() {
    let app = Arc::new(TestApp::new().await);
    for round in 0..5 {
        let organization = app.organization("One", &["prize.example"]).await;
        let path = format!("/organizations/{organization}");
        let domain = app.get(&path).await.expect(200)["domains"][0].clone();
        let domain = format!("/organization_domains/{}", id(&domain));
        let delete = (Method::DELETE, domain.clone(), json!({}));
        let replace = (Method::PUT, path.clone(), json!({ "domain_data": [] }));
        let verify = (Method::POST, format!("{domain}/verify"), json!({}));
        let requests = [&delete, &replace, &verify].into_iter().cycle().take(12).cloned();
        let answers = together(&app, requests).await;
        assert_eq!(count(&answers, 200), 4);
        assert_eq!(events(&app, "organization_domain.deleted").await, round + 1);
        assert_eq!(app.get(&path).await.expect(200)["domains"], json!([]));
        app.delete(&path).await.expect(202);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn r46_nothing_is_added_to_an_organization_that_goes() {
    let app = Arc::new(TestApp::new().await);
    let mut paths = Vec::new();
    for number in 0..5 {
        let organization = app.organization(&format!("O{number}"), &[&format!("d{number}.example")]).await;
        paths.push((organization.clone(), format!("/organizations/{organization}")));
    }
    for (organization, path) in &paths {
        let delete = (Method::DELETE, path.clone(), json!({}));
        let requests = (0..10).map(|number| {
            let body = json!({ "organization_id": organization, "domain": format!("late{number}.example") });
            (Method::POST, "/organization_domains".to_owned(), body)
        });
        let answers = together(&app, requests.chain([delete.clone(), delete])).await;
        assert_eq!(count(&answers, 202), 1);
        assert_eq!(count(&answers, 201) + count(&answers, 404), 11);
        app.get(path).await.expect(404);
    }
    let left = app.get("/organizations?limit=100").await.expect(200);
    assert_eq!(left["data"], json!([]));
    // Whatever was added before went with the organization: its domains are free.
    let all: Vec<String> = (0..10).map(|number| format!("late{number}.example")).collect();
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    app.organization("Heir", &all).await;
    assert_eq!(events(&app, "organization.deleted").await, 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn organizations_that_swap_domains_never_fail() {
    let app = Arc::new(TestApp::new().await);
    let left = format!("/organizations/{}", app.organization("Left", &["x.example"]).await);
    let right = format!("/organizations/{}", app.organization("Right", &["y.example"]).await);
    for _ in 0..10 {
        let requests =
            [(&left, "x.example"), (&left, "y.example"), (&right, "x.example"), (&right, "y.example")]
                .into_iter()
                .map(|(path, domain)| {
                    (Method::PUT, path.clone(), json!({ "domain_data": verified(&[domain]) }))
                });
        let answers = together(&app, requests).await;
        assert_eq!(count(&answers, 200) + count(&answers, 409), 4, "{answers:?}");
        let held = |answer: Answer| answer.expect(200)["domains"][0]["domain"].clone();
        let (one, other) = (held(app.get(&left).await), held(app.get(&right).await));
        assert_ne!(one, other);
    }
}
