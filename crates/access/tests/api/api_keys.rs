//! Secret keys: what they open, and when they stop. Publishable keys: what they don't open.

use access::{Kind, api_keys, environments};
use http::{Method, StatusCode};
use kernel::clock::MINUTE;
use kernel::ids::{ApiKeyId, EnvironmentId};
use serde_json::json;
use store::Engine;
use testkit::{CALLBACK, TestApp};

use crate::environment;

async fn status(app: &TestApp, secret: &str) -> u16 {
    app.request(Method::GET, "/organizations").key(secret).send().await.status
}

async fn created(app: &TestApp, name: &str) -> api_keys::NewApiKey {
    let made: kernel::Result<_> = kernel::transaction!(app.app, |tx| {
        api_keys::create(tx, &app.app, app.a.id, Kind::Staging, name).await
    });
    made.unwrap()
}

async fn rotated(
    app: &TestApp,
    environment: EnvironmentId,
    id: ApiKeyId,
    overlap: i64,
) -> kernel::Result<api_keys::NewApiKey> {
    kernel::transaction!(app.app, |tx| {
        api_keys::rotate(tx, &app.app, environment, Kind::Staging, id, overlap).await
    })
}

async fn revoked(app: &TestApp, environment: EnvironmentId, id: ApiKeyId) -> kernel::Result<()> {
    kernel::transaction!(app.app, |tx| { api_keys::revoke(tx, &app.app, environment, id).await })
}

#[tokio::test]
async fn t8_a_key_works_at_once_and_stops_at_once() {
    let app = TestApp::new().await;
    let key = created(&app, "Deploy").await;
    let secret = key.secret.as_str();
    assert!(secret.starts_with("sk_test_") && secret.len() == 48, "8 of prefix, 40 of secret");
    assert_eq!(status(&app, secret).await, 200);
    revoked(&app, app.a.id, key.id).await.unwrap();
    assert_eq!(status(&app, secret).await, 401);
    assert_eq!(status(&app, &app.a.secret).await, 200);
    // Once is enough, and another environment's is none of ours.
    assert_eq!(revoked(&app, app.a.id, key.id).await.unwrap_err().status(), StatusCode::NOT_FOUND);
    let other = created(&app, "Other").await;
    assert_eq!(revoked(&app, app.b.id, other.id).await.unwrap_err().status(), StatusCode::NOT_FOUND);
    assert_eq!(status(&app, &other.secret).await, 200);
}

#[tokio::test]
async fn a_rotated_key_goes_on_for_the_overlap_and_no_longer() {
    let app = TestApp::new().await;
    let old = created(&app, "Deploy").await;
    let new = rotated(&app, app.a.id, old.id, 60 * MINUTE).await.unwrap();
    assert_ne!(*old.secret, *new.secret);
    assert_eq!((status(&app, &old.secret).await, status(&app, &new.secret).await), (200, 200));
    // Rotated once more, it ends no later than it would have.
    app.advance(30 * MINUTE);
    let newer = rotated(&app, app.a.id, old.id, 60 * MINUTE).await.unwrap();
    app.advance(30 * MINUTE - 1);
    assert_eq!(status(&app, &old.secret).await, 200);
    app.advance(1);
    assert_eq!(status(&app, &old.secret).await, 401);
    assert_eq!((status(&app, &new.secret).await, status(&app, &newer.secret).await), (200, 200));
    // Sooner is possible: without an overlap it stops with the rotation.
    let newest = rotated(&app, app.a.id, new.id, 0).await.unwrap();
    assert_eq!((status(&app, &new.secret).await, status(&app, &newest.secret).await), (401, 200));

    // What has stopped can't be brought back by rotating it, nor what is another environment's.
    revoked(&app, app.a.id, newer.id).await.unwrap();
    for (environment, id) in [(app.a.id, old.id), (app.a.id, newer.id), (app.b.id, newest.id)] {
        let refused = rotated(&app, environment, id, MINUTE).await.unwrap_err();
        assert_eq!(refused.status(), StatusCode::NOT_FOUND);
    }
    let names: Vec<(String, String)> = api_keys::list(&app.app.db, app.a.id)
        .await
        .unwrap()
        .into_iter()
        .map(|key| (key.name, key.suffix))
        .collect();
    assert_eq!(names.len(), 5);
    assert!(names.iter().filter(|(name, _)| name == "Deploy").count() == 4, "{names:?}");
    assert!(names.contains(&("Deploy".to_owned(), old.secret[44..].to_owned())));
}

#[tokio::test]
async fn events_name_the_key_that_acted() {
    let app = TestApp::new().await;
    let key = created(&app, "Deploy").await;
    let request = app.request(Method::POST, "/organizations").key(&key.secret);
    request.json(&json!({ "name": "Acme" })).send().await.expect(201);
    let list = app.get("/events").await.expect(200);
    let actor = json!({ "id": key.id.to_string(), "source": "api", "name": "Deploy" });
    assert_eq!(list["data"][0]["context"], json!({ "actor": actor }));
}

#[tokio::test]
async fn keys_of_a_deleted_environment_open_nothing() {
    let app = TestApp::new().await;
    let (gone, key) = environment(&app.app, "Gone", Kind::Staging).await;
    assert_eq!(status(&app, &key.secret).await, 200);
    let sql = format!("UPDATE environments SET deleted_at = 1 WHERE id = '{}'", gone.id);
    app.app.db.run_script(&sql).await.unwrap();
    assert_eq!(status(&app, &key.secret).await, 401);
    for client in [gone.client_id.to_string(), gone.publishable_key] {
        assert!(environments::by_client(&app.app, &client).await.unwrap().is_none());
    }
}

#[tokio::test]
async fn only_one_plain_bearer_header_is_a_credential() {
    let app = TestApp::new().await;
    let secret = &app.a.secret;
    for (value, expected) in [
        (format!("Bearer {secret}"), 200),
        (format!("bearer {secret}"), 200),
        (format!("BEARER  {secret} "), 200),
        (format!("Bearer{secret}"), 401),
        (format!("Bearer\t{secret}"), 401),
        (format!("Token {secret}"), 401),
        (secret.clone(), 401),
        (format!("Bearer {secret},{secret}"), 401),
        (format!("Bearer {secret} x"), 401),
        (format!("Bearer {}", &secret[..secret.len() - 1]), 401),
        (format!("Bearer {}", secret.to_uppercase()), 401),
        ("Bearer undefined".to_owned(), 401),
        ("Bearer '; DROP TABLE api_keys; --".to_owned(), 401),
    ] {
        let request = app.request(Method::GET, "/organizations").anonymous();
        assert_eq!(request.header("authorization", &value).send().await.status, expected, "{value}");
    }
    for (name, value) in [
        ("x-api-key", secret.as_str()),
        ("cookie", &format!("api_key={secret}")),
        ("proxy-authorization", secret),
    ] {
        let request = app.request(Method::GET, "/organizations").anonymous();
        assert_eq!(request.header(name, value).send().await.status, 401, "{name}");
    }
    let body = json!({ "name": "Acme", "api_key": secret, "client_secret": secret });
    app.request(Method::POST, "/organizations").anonymous().json(&body).send().await.expect(401);
}

#[tokio::test]
async fn t8_the_database_holds_no_secret() {
    let app = TestApp::new().await;
    let old = created(&app, "Old").await;
    let new = rotated(&app, app.a.id, old.id, MINUTE).await.unwrap();
    let revoked_key = created(&app, "Revoked").await;
    revoked(&app, app.a.id, revoked_key.id).await.unwrap();
    for secret in [&*old.secret, &*new.secret, &app.a.secret] {
        status(&app, secret).await;
        let body = json!({ "name": "Acme", "api_key": secret });
        let path = format!("/organizations?api_key={secret}");
        app.request(Method::POST, path).key(secret).json(&body).send().await.expect(201);
    }
    let dump = dump(&app).await;
    let stored = kernel::crypto::hash_token(&new.secret);
    assert!(contains(&dump, stored.as_bytes()), "the dump would have shown it");
    for secret in [&*old.secret, &*new.secret, &*revoked_key.secret, &app.a.secret, &app.b.secret] {
        assert!(!contains(&dump, secret.as_bytes()));
        assert!(!contains(&dump, &secret.as_bytes()[8..]), "without its prefix");
    }
    for debug in [format!("{old:?}"), format!("{:?}", api_keys::list(&app.app.db, app.a.id).await.unwrap())] {
        assert!(!debug.contains(&old.secret[8..44]), "{debug}");
    }
}

/// Everything the database holds.
async fn dump(app: &TestApp) -> Vec<u8> {
    match (&app.app.config.database, app.app.db.engine()) {
        (store::Config::Sqlite { path }, Engine::Sqlite) => {
            let log = path.with_extension("db-wal");
            [path.clone(), log].iter().flat_map(|file| std::fs::read(file).unwrap()).collect()
        }
        _ => {
            let sql = "SELECT CAST(schema_to_xml(current_schema(), true, false, '') AS TEXT)";
            app.app.db.read_one::<String>(sql, store::params![]).await.unwrap().unwrap().into_bytes()
        }
    }
}

fn contains(dump: &[u8], text: &[u8]) -> bool {
    dump.windows(text.len()).any(|window| window == text)
}

#[tokio::test]
async fn a_publishable_key_stands_for_a_client_id_and_for_nothing_else() {
    let app = TestApp::new().await;
    let of_a = environments::queries::get(&app.app.db, app.a.id).await.unwrap().unwrap();
    let key = of_a.publishable_key;
    assert!(key.starts_with("pk_test_") && key.len() == 40);
    let authorize = async |client: &str| {
        let query = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs([("client_id", client), ("redirect_uri", CALLBACK), ("response_type", "code")])
            .append_pair("state", "s")
            .append_pair("connection", "conn_01EHWNCE74X7JSDV0X3SZ3KJNY")
            .finish();
        app.request(Method::GET, format!("/sso/authorize?{query}")).anonymous().send().await
    };
    let by_id = authorize(&app.a.client_id).await;
    let by_key = authorize(&key).await;
    assert_eq!((by_key.status, by_key.header("location")), (by_id.status, by_id.header("location")));
    assert!(by_key.location().starts_with(CALLBACK), "the redirect URI of its environment was found");
    // What is no client is shown an error page of ours.
    for stranger in ["pk_test_0000000000000000000000000000000000", &key.to_uppercase(), &key[..39], "pk_"] {
        let answer = authorize(stranger).await;
        assert!(!answer.header("location").starts_with(CALLBACK), "{stranger}");
    }

    assert_eq!(status(&app, &key).await, 401);
    assert_eq!(status(&app, &app.a.client_id).await, 401);
    let as_secret = [
        ("grant_type", "authorization_code"),
        ("client_id", app.a.client_id.as_str()),
        ("client_secret", &key),
        ("code", "01EHWNCE74X7JSDV0X3SZ3KJNY"),
    ];
    let answer = app.request(Method::POST, "/sso/token").anonymous().form(&as_secret).send().await;
    assert_eq!(answer.expect(400)["error"], "invalid_client");
    let key_of_b = environments::queries::get(&app.app.db, app.b.id).await.unwrap().unwrap().publishable_key;
    assert_ne!(key, key_of_b);
}

#[tokio::test]
async fn environments_have_names_of_their_own() {
    let app = TestApp::new().await;
    let (first, _) = environment(&app.app, "Same", Kind::Staging).await;
    let again: kernel::Result<_> = kernel::transaction!(app.app, |tx| {
        environments::create(tx, &app.app, "Same", Kind::Production).await
    });
    assert_eq!(again.unwrap_err().status(), StatusCode::CONFLICT);
    let all = environments::queries::list(&app.app.db).await.unwrap();
    assert_eq!(all.iter().filter(|environment| environment.name == "Same").count(), 1);
    assert!(all.iter().all(|environment| environment.project_id == first.project_id));
    let (live, _) = environment(&app.app, "Live", Kind::Production).await;
    assert!(live.publishable_key.starts_with("pk_live_"));
}
