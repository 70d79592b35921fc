//! `/user_management/redirect_uris`

use std::sync::Arc;

use access::Kind;
use http::Method;
use serde_json::{Value, json};
use testkit::{Answer, CALLBACK, TestApp};
use tokio::task::JoinSet;

use crate::environment;

const PATH: &str = "/user_management/redirect_uris";

async fn create(app: &TestApp, key: &str, body: Value) -> Answer {
    app.request(Method::POST, PATH).key(key).json(&body).send().await
}

/// The URIs of an environment, oldest first, the default marked with an asterisk.
async fn list(app: &TestApp, key: &str) -> Vec<String> {
    let path = format!("{PATH}?limit=100&order=asc");
    let list = app.request(Method::GET, path).key(key).send().await.expect(200);
    let data = list["data"].as_array().unwrap().iter();
    data.map(|uri| {
        let mark = if uri["default"] == true { "*" } else { "" };
        format!("{}{mark}", uri["uri"].as_str().unwrap())
    })
    .collect()
}

#[tokio::test]
async fn create_answers_the_whole_resource() {
    let app = TestApp::new().await;
    app.advance(1000);
    let now = app.app.clock.now().to_string();
    let created =
        app.post(PATH, json!({ "uri": "https://example.com/cb", "unheard_of": 1 })).await.expect(201);
    let expected = json!({
        "object": "redirect_uri",
        "id": created["id"],
        "uri": "https://example.com/cb",
        "default": false,
        "created_at": now,
        "updated_at": now,
    });
    assert_eq!(created, expected);
    assert!(created["id"].as_str().unwrap().starts_with("redir_"));
    let list = app.get(format!("{PATH}?limit=1")).await.expect(200);
    let metadata = json!({ "before": null, "after": created["id"] });
    assert_eq!(list, json!({ "object": "list", "data": [expected], "list_metadata": metadata }));
    let next = app.get(format!("{PATH}?limit=1&after={}", created["id"].as_str().unwrap())).await.expect(200);
    assert_eq!(next["data"][0]["uri"], CALLBACK);
}

#[tokio::test]
async fn there_is_one_default_as_soon_as_there_can_be() {
    let app = TestApp::new().await;
    let (_, key) = environment(&app.app, "New", Kind::Staging).await;
    let key = key.secret.as_str();
    // A wildcard can't be it, so the first without one is.
    create(&app, key, json!({ "uri": "https://*.example.com/cb" })).await.expect(201);
    assert_eq!(list(&app, key).await, ["https://*.example.com/cb"]);
    app.advance(1000);
    let first =
        create(&app, key, json!({ "uri": "https://a.example/cb", "default": false })).await.expect(201);
    assert_eq!(first["default"], true);
    app.advance(1000);
    create(&app, key, json!({ "uri": "https://b.example/cb" })).await.expect(201);
    assert_eq!(
        list(&app, key).await,
        ["https://*.example.com/cb", "https://a.example/cb*", "https://b.example/cb"]
    );
    app.advance(1000);
    let last = create(&app, key, json!({ "uri": "https://c.example/cb", "default": true })).await.expect(201);
    assert_eq!(last["default"], true);
    assert_eq!(
        list(&app, key).await,
        ["https://*.example.com/cb", "https://a.example/cb", "https://b.example/cb", "https://c.example/cb*"]
    );
    let path = format!("{PATH}?order=asc");
    let listed = app.request(Method::GET, path).key(key).send().await.expect(200);
    assert_eq!(
        listed["data"][1]["updated_at"],
        app.app.clock.now().to_string(),
        "it changed when it lost the mark"
    );

    let before = list(&app, key).await;
    let refused =
        create(&app, key, json!({ "uri": "https://*.example.net/cb", "default": true })).await.expect(422);
    assert_eq!(refused, json!({ "message": "A redirect URI with a wildcard can't be the default." }));
    // A refused one takes the mark from nobody.
    create(&app, key, json!({ "uri": "https://a.example/cb", "default": true })).await.expect(422);
    assert_eq!(list(&app, key).await, before);
}

#[tokio::test]
async fn the_default_stays_and_others_go() {
    let app = TestApp::new().await;
    let other = app.post(PATH, json!({ "uri": "https://example.com/cb" })).await.expect(201);
    let all = app.get(format!("{PATH}?order=asc")).await.expect(200);
    let default = all["data"][0]["id"].as_str().unwrap();
    let path = format!("{PATH}/{default}");
    let expected = json!({ "message": "Cannot delete the default redirect URI." });
    assert_eq!(app.delete(&path).await.expect(409), expected);
    assert_eq!(app.get(format!("{PATH}?order=asc")).await.expect(200), all);

    let id = other["id"].as_str().unwrap();
    let path = format!("{PATH}/{id}");
    let foreign = app.request(Method::DELETE, &path).key(&app.b.secret).send().await;
    let not_found = json!({ "message": format!("Redirect URI not found: '{id}'.") });
    assert_eq!(foreign.expect(404), not_found);
    let answer = app.delete(&path).await;
    assert_eq!((answer.status, answer.body.len()), (204, 0));
    assert_eq!(app.delete(&path).await.expect(404), not_found);
    assert_eq!(list(&app, &app.a.secret).await, [format!("{CALLBACK}*")]);
    // Gone, it can come again.
    app.post(PATH, json!({ "uri": "https://example.com/cb" })).await.expect(201);
}

#[tokio::test]
async fn an_environment_has_a_uri_once_and_shares_none() {
    let app = TestApp::new().await;
    for uri in ["https://example.com/cb", "https://*.example.com/cb"] {
        app.post(PATH, json!({ "uri": uri })).await.expect(201);
        let message = format!("Redirect URI '{uri}' already exists.");
        assert_eq!(app.post(PATH, json!({ "uri": uri })).await.expect(422), json!({ "message": message }));
    }
    assert_eq!(list(&app, &app.b.secret).await, [format!("{CALLBACK}*")]);
    create(&app, &app.b.secret, json!({ "uri": "https://example.com/cb", "default": true }))
        .await
        .expect(201);
    assert_eq!(list(&app, &app.b.secret).await, [CALLBACK, "https://example.com/cb*"]);
    let in_a = [&format!("{CALLBACK}*"), "https://example.com/cb", "https://*.example.com/cb"];
    let mut found = list(&app, &app.a.secret).await;
    found.sort();
    let mut expected = in_a.map(ToOwned::to_owned);
    expected.sort();
    assert_eq!(found, expected);
}

#[tokio::test]
async fn production_is_stricter_than_staging() {
    let app = TestApp::new().await;
    let (_, staging) = environment(&app.app, "Strict A", Kind::Staging).await;
    let (_, production) = environment(&app.app, "Strict B", Kind::Production).await;
    assert!(staging.secret.starts_with("sk_test_") && production.secret.starts_with("sk_live_"));
    for (uri, in_staging, in_production) in [
        ("https://example.com/cb", 201, 201),
        ("http://127.0.0.1:3000/cb", 201, 201),
        ("http://127.0.0.1:*/cb", 201, 201),
        ("https://*.example.com/cb", 201, 201),
        ("https://pre-*-post.example.com/cb", 201, 201),
        ("http://localhost:3000/cb", 201, 422),
        ("http://localhost:*/cb", 201, 422),
        ("http://example.com/cb", 201, 422),
        ("http://*.example.com/cb", 201, 422),
        ("https://example.com:*/cb", 422, 422),
        ("https://sub.*.example.com/cb", 422, 422),
        ("https://*.ngrok-free.app/cb", 422, 422),
        ("https://*.com/cb", 422, 422),
        ("https://example.com/*", 422, 422),
        ("https://example.com/cb#fragment", 422, 422),
        ("https://user:pass@example.com/cb", 422, 422),
        ("javascript:alert(1)", 422, 422),
        ("", 422, 422),
    ] {
        for (key, expected) in [(&staging, in_staging), (&production, in_production)] {
            let answer = create(&app, &key.secret, json!({ "uri": uri })).await;
            assert_eq!(answer.status, expected, "{uri}: {answer:?}");
            if expected == 422 {
                let message = answer.json()["message"].as_str().unwrap().to_owned();
                assert!(message.contains(&format!("Redirect URI '{uri}'")), "{message}");
            }
        }
    }
    let long = format!("https://example.com/{}", "a".repeat(2048));
    let refused = create(&app, &staging.secret, json!({ "uri": long })).await.expect(422);
    assert_eq!(refused, json!({ "message": "The redirect URI is too long." }));
}

#[tokio::test]
async fn bodies_that_cannot_be_meant_are_refused() {
    let app = TestApp::new().await;
    let before = list(&app, &app.a.secret).await;
    for (body, code, field) in [
        (json!({}), "required", "uri"),
        (json!({ "uri": null }), "invalid_type", "uri"),
        (json!({ "uri": ["https://example.com/cb"] }), "invalid_type", "uri"),
        (json!({ "uri": "https://example.com/cb", "default": "true" }), "invalid_type", "default"),
        (json!({ "uri": "https://example.com/cb", "default": 1 }), "invalid_type", "default"),
    ] {
        let answer = app.post(PATH, body).await.expect(422);
        assert_eq!(answer["errors"], json!([{ "code": code, "field": field }]));
    }
    assert_eq!(list(&app, &app.a.secret).await, before);
    app.post(PATH, json!({ "uri": "https://example.com/cb", "default": null })).await.expect(201);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_at_once_one_is_the_default_and_one_is_new() {
    let app = Arc::new(TestApp::new().await);
    let mut running = JoinSet::new();
    for number in 0..20 {
        let app = app.clone();
        running.spawn(async move {
            let mine = json!({ "uri": format!("https://n{number}.example/cb"), "default": true });
            app.post(PATH, mine).await.expect(201);
            app.post(PATH, json!({ "uri": "https://shared.example/cb" })).await.status
        });
    }
    let mut statuses = running.join_all().await;
    statuses.sort_unstable();
    assert_eq!(statuses[0], 201);
    assert_eq!(statuses[1..], [422; 19]);
    let all = list(&app, &app.a.secret).await;
    assert_eq!(all.len(), 22);
    assert_eq!(all.iter().filter(|uri| uri.ends_with('*')).count(), 1);
}
