//! Changing, switching, deleting and listing connections.

use futures_util::future::join_all;
use http::Method;
use serde_json::{Value, json};
use testkit::forge::keys;
use testkit::{Browser, OidcProvider, SamlIdp, TestApp};

use crate::support::{Oidc, Saml, ada, code, customer, exchange};

fn path(connection: &str) -> String {
    format!("/connections/{connection}")
}

/// The events about connections so far.
async fn connection_events(app: &TestApp) -> Vec<(String, Value)> {
    let events = app.events().await;
    events.into_iter().filter(|(name, _)| name.starts_with("connection.")).collect()
}

#[tokio::test]
async fn absent_stays_and_null_reverts() {
    let saml = Saml::new().await;
    let (app, path) = (&saml.app, path(&saml.connection));
    let before = app.get(&path).await.expect(200);
    let unchanged = app.patch(&path, json!({})).await.expect(200);
    assert_eq!(unchanged, before);
    app.advance(1);
    let options = json!({ "acs_url": "https://proxy.example/acs", "sp_entity_id": "urn:old:sp" });
    let body = json!({
        "name": "Renamed", "external_id": "x-1", "connection_type": "GenericSAML", "saml_options": options,
        "attribute_maps": { "standard_attributes": { "email": "mail", "name": null } },
    });
    let changed = app.patch(&path, body).await.expect(200);
    let mut expected = before.clone();
    expected["name"] = json!("Renamed");
    expected["external_id"] = json!("x-1");
    expected["saml_options"]["acs_url"] = json!("https://proxy.example/acs");
    expected["saml_options"]["sp_entity_id"] = json!("urn:old:sp");
    expected["attribute_maps"]["standard_attributes"]["email"] = json!("mail");
    expected["updated_at"] = changed["updated_at"].clone();
    assert_eq!(changed, expected);
    assert_ne!(changed["updated_at"], before["updated_at"]);
    assert_eq!(app.get(&path).await.expect(200), changed);

    let nulls = json!({
        "external_id": null, "saml_options": { "acs_url": null, "sp_entity_id": null, "idp_metadata_url": null },
        "attribute_maps": { "standard_attributes": { "email": null } },
    });
    let reverted = app.patch(&path, nulls).await.expect(200);
    let mut expected = before;
    expected["name"] = json!("Renamed");
    expected["updated_at"] = reverted["updated_at"].clone();
    assert_eq!(reverted, expected);
}

#[tokio::test]
async fn new_metadata_replaces_the_certificates_and_a_failed_change_changes_nothing() {
    let saml = Saml::new().await;
    let (app, path) = (&saml.app, path(&saml.connection));
    let next = SamlIdp::named("https://next.example/metadata", "other");
    let body = json!({ "saml_options": { "idp_metadata_xml": next.metadata() } });
    let changed = app.patch(&path, body).await.expect(200);
    let options = &changed["saml_options"];
    assert_eq!(options["idp_entity_id"], next.entity_id);
    assert_eq!(options["idp_signing_certs"], json!([keys::certificate_pem("other")]));
    code(&next.sign_in(app, &mut Browser::new(), &saml.connection, &ada()).await);

    let changed = app.get(&path).await.expect(200);
    let bad_certificate = json!({ "idp_signing_certs": [keys::certificate_pem("expired")] });
    for (body, status) in [
        (json!({ "name": "New", "saml_options": bad_certificate }), 400),
        (json!({ "name": "New", "saml_options": { "idp_metadata_xml": "<x/>" } }), 400),
        (json!({ "name": "New", "saml_options": { "idp_metadata_url": "http://127.0.0.1:1/" } }), 400),
        (json!({ "name": "New", "saml_options": { "idp_sso_url": "x" } }), 422),
        (json!({ "name": "New", "oidc_options": {} }), 422),
        (json!({ "name": "New", "connection_type": "OktaSAML" }), 422),
        (json!({ "name": "New", "connection_type": "nonsense" }), 422),
        (json!({ "name": "New", "state": "draft" }), 422),
        (json!({ "name": "New", "state": "validating" }), 422),
        (json!({ "name": "New", "state": "deleting" }), 422),
        (json!({ "name": "" }), 422),
        (json!({ "name": "New", "attribute_maps": { "standard_attributes": { "x": "y" } } }), 422),
        (json!({ "name": "New", "attribute_maps": { "custom_attributes": { "x": "y" } } }), 400),
    ] {
        let refused = app.patch(&path, body.clone()).await;
        assert_eq!(refused.status, status, "{body}: {refused:?}");
        assert_eq!(app.get(&path).await.expect(200), changed, "{body}");
    }
    let immutable = app.patch(&path, json!({ "connection_type": "OktaSAML" })).await.expect(422);
    assert_eq!(immutable["errors"], json!([{ "code": "immutable", "field": "connection_type" }]));
}

#[tokio::test]
async fn options_of_the_other_protocol_are_refused() {
    let oidc = Oidc::new().await;
    let refused = oidc.app.patch(path(&oidc.connection), json!({ "saml_options": {} })).await.expect(422);
    assert_eq!(refused["errors"], json!([{ "code": "invalid", "field": "saml_options" }]));
}

#[tokio::test]
async fn a_new_client_secret_counts_at_once_and_an_absent_one_stays() {
    let oidc = Oidc::new().await;
    let (app, path) = (&oidc.app, path(&oidc.connection));
    app.patch(&path, json!({ "oidc_options": { "pkce": false } })).await.expect(200);
    code(&oidc.sign_in().await);
    app.patch(&path, json!({ "oidc_options": { "client_secret": "wrong" } })).await.expect(200);
    let answer = oidc.sign_in().await;
    assert_eq!(answer.location_parameter("error").as_deref(), Some("server_error"));
    let right = oidc.provider.options()["client_secret"].clone();
    app.patch(&path, json!({ "oidc_options": { "client_secret": right } })).await.expect(200);
    code(&oidc.sign_in().await);
}

#[tokio::test]
async fn a_draft_becomes_usable_when_it_is_complete() {
    let app = TestApp::new().await;
    let organization = customer(&app).await;
    let body = json!({ "organization_id": organization, "connection_type": "OktaSAML" });
    let draft = app.post("/connections", body).await.expect(201);
    let path = path(draft["id"].as_str().unwrap());
    app.patch(&path, json!({ "state": "active" })).await.expect(422);
    let idp = SamlIdp::new();
    let mut options = idp.options();
    let certificates = options.as_object_mut().unwrap().remove("idp_signing_certs").unwrap();
    let half = app.patch(&path, json!({ "saml_options": options })).await.expect(200);
    assert_eq!(half["state"], "draft");
    let whole = json!({ "saml_options": { "idp_signing_certs": certificates } });
    let whole = app.patch(&path, whole).await.expect(200);
    assert_eq!((&whole["state"], &whole["status"]), (&json!("validating"), &json!("linked")));
    assert_eq!(connection_events(&app).await, []);
    let answer = idp.sign_in(&app, &mut Browser::new(), draft["id"].as_str().unwrap(), &ada()).await;
    exchange(&app, &code(&answer)).await.expect(200);
    let events = connection_events(&app).await;
    let names: Vec<&str> = events.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["connection.activated"]);
    assert_eq!(app.get(&path).await.expect(200)["state"], "active");
}

#[tokio::test]
async fn switching_off_and_on_tells_of_it_once() {
    let saml = Saml::new().await;
    let (app, path) = (&saml.app, path(&saml.connection));
    for state in ["inactive", "inactive", "active", "active", "inactive"] {
        app.advance(1);
        let changed = app.patch(&path, json!({ "state": state })).await.expect(200);
        let status = if state == "active" { "linked" } else { "unlinked" };
        assert_eq!((&changed["state"], &changed["status"]), (&json!(state), &json!(status)));
    }
    let events = connection_events(app).await;
    let names: Vec<&str> = events.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["connection.deactivated", "connection.activated", "connection.deactivated"]);
    let shown = app.get(&path).await.expect(200);
    let key = shown["saml_options"]["acs_url"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
    for (name, data) in &events {
        let state = if name == "connection.activated" { "active" } else { "inactive" };
        assert_eq!((&data["object"], &data["id"]), (&json!("connection"), &shown["id"]));
        assert_eq!((&data["state"], &data["external_key"]), (&json!(state), &json!(key)));
        assert_eq!(data["organization_id"], saml.organization);
        assert_eq!(data["domains"][0]["domain"], "example.com");
        assert!(data.get("saml_options").is_none());
    }
    // What is switched off stays so, whatever else changes.
    let renamed = json!({ "name": "Renamed", "saml_options": saml.idp.options() });
    assert_eq!(app.patch(&path, renamed).await.expect(200)["state"], "inactive");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_changes_at_once_each_event_is_told_once() {
    let saml = Saml::new().await;
    let node = saml.app.another_node().await;
    let send = async |method: Method, body: Value| {
        let requests = (0..10).map(|number| {
            let app = [&saml.app, &node][number % 2];
            let request = app.request(method.clone(), path(&saml.connection)).json(&body);
            async move { tokio::spawn(request.send()).await.unwrap().status }
        });
        join_all(requests).await
    };
    let statuses = send(Method::PATCH, json!({ "state": "inactive" })).await;
    assert!(statuses.iter().all(|status| *status == 200), "{statuses:?}");
    let statuses = send(Method::DELETE, json!({})).await;
    assert_eq!(statuses.iter().filter(|status| **status == 204).count(), 1, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| **status == 404).count(), 9, "{statuses:?}");
    let events = connection_events(&saml.app).await;
    // Told within one millisecond, they come in any order.
    let mut names: Vec<&str> = events.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["connection.deactivated", "connection.deleted"]);
}

#[tokio::test]
async fn an_external_id_of_another_connection_is_refused() {
    let saml = Saml::new().await;
    let app = &saml.app;
    let second = saml.idp.connect(app, &saml.organization).await;
    app.patch(path(&saml.connection), json!({ "external_id": "x-1" })).await.expect(200);
    let refused = app.patch(path(&second), json!({ "external_id": "x-1" })).await.expect(409);
    assert_eq!(refused["code"], "external_id_already_used");
    app.patch(path(&second), json!({ "external_id": "x-2" })).await.expect(200);
}

#[tokio::test]
async fn a_deleted_connection_is_gone_everywhere() {
    let saml = Saml::new().await;
    let (app, path) = (&saml.app, path(&saml.connection));
    let shown = app.get(&path).await.expect(200);
    let key = shown["saml_options"]["acs_url"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
    let deleted = app.delete(&path).await;
    assert_eq!((deleted.status, deleted.body.len()), (204, 0));
    let missing = json!({ "message": format!("Connection not found: '{}'.", saml.connection) });
    for answer in [
        app.get(&path).await,
        app.delete(&path).await,
        app.patch(&path, json!({ "name": "x" })).await,
        app.patch(&path, json!({ "saml_options": { "idp_metadata_url": "http://127.0.0.1:1/" } })).await,
    ] {
        assert_eq!(answer.expect(404), missing);
    }
    assert_eq!(app.get("/connections").await.expect(200)["data"], json!([]));
    let at = |method: Method, path: String| app.request(method, path).anonymous();
    at(Method::GET, format!("/sso/saml/{key}/metadata.xml")).send().await.expect(404);
    let form = [("SAMLResponse", "AAAA"), ("RelayState", "x")];
    at(Method::POST, format!("/sso/saml/acs/{key}")).form(&form).send().await.expect(404);
    let [(name, data)] = connection_events(app).await.try_into().unwrap();
    assert_eq!(name, "connection.deleted");
    assert_eq!(
        data,
        json!({
            "object": "connection", "id": saml.connection, "state": "validating", "name": "GenericSAML",
            "connection_type": "GenericSAML", "organization_id": saml.organization,
            "created_at": shown["created_at"], "updated_at": shown["updated_at"],
        })
    );
    // Nothing of it is left that could be used again.
    let left: Vec<String> =
        app.app.db.read("SELECT value FROM saml_idp_certificates", store::params![]).await.unwrap();
    assert_eq!(left, Vec::<String>::new());
}

#[tokio::test]
async fn lists_are_narrowed_and_paged() {
    let app = TestApp::new().await;
    let provider = OidcProvider::start().await;
    let (acme, other) = (
        app.organization("Acme", &["acme.example"]).await,
        app.organization("Other", &["other.example"]).await,
    );
    let make = async |body: Value| app.post("/connections", body).await.expect(201)["id"].clone();
    let saml = |organization: &str, kind: &str, name: &str| json!({ "organization_id": organization, "connection_type": kind, "name": name });
    let okta = make(saml(&acme, "OktaSAML", "Acme's Okta 100%")).await;
    let entra = make(saml(&acme, "AzureSAML", "Acme_Entra")).await;
    let google = make(saml(&other, "GoogleSAML", "Other")).await;
    let github = make(json!({ "connection_type": "GitHubOAuth", "oidc_options": provider.options() })).await;
    for (query, expected) in [
        (String::new(), vec![&github, &google, &entra, &okta]),
        ("order=asc".to_owned(), vec![&okta, &entra, &google, &github]),
        ("connection_type=OktaSAML".to_owned(), vec![&okta]),
        ("connection_type=GitHubOAuth".to_owned(), vec![&github]),
        ("connection_type=GithubOAuth".to_owned(), vec![&github]),
        ("connection_type=KeycloakSAML".to_owned(), vec![]),
        (format!("organization_id={acme}"), vec![&entra, &okta]),
        ("organization_id=org_01EHWNCE74X7JSDV0X3SZ3KJNY".to_owned(), vec![]),
        ("organization_id=nonsense".to_owned(), vec![]),
        ("domain=acme.example".to_owned(), vec![&entra, &okta]),
        ("domain=ACME.example".to_owned(), vec![&entra, &okta]),
        ("domain=nobody.example".to_owned(), vec![]),
        ("domain=%25".to_owned(), vec![]),
        ("search=acme".to_owned(), vec![&entra, &okta]),
        ("search=100%25".to_owned(), vec![&okta]),
        ("search=_".to_owned(), vec![&entra]),
        ("search=%27%3B--".to_owned(), vec![]),
        (format!("organization_id={acme}&connection_type=AzureSAML&search=entra"), vec![&entra]),
        ("connection_type=&search=&domain=".to_owned(), vec![&github, &google, &entra, &okta]),
    ] {
        let mut found = ids(&app.get(format!("/connections?{query}")).await.expect(200));
        let mut expected: Vec<Value> = expected.into_iter().cloned().collect();
        // Made in one instant, they have no order but their ids'.
        found.sort_by_key(Value::to_string);
        expected.sort_by_key(Value::to_string);
        assert_eq!(found, expected, "{query}");
    }
    for query in [
        "connection_type=nonsense",
        "limit=0",
        "limit=101",
        "order=x",
        "connection_type=OktaSAML&connection_type=OktaSAML",
    ] {
        app.get(format!("/connections?{query}")).await.expect(422);
    }
    let listed = app.get("/connections?connection_type=GitHubOAuth").await.expect(200);
    let item = &listed["data"][0];
    assert!(item.get("oidc_options").is_none() && item.get("organization_id").is_none(), "{item}");

    let mut seen = Vec::new();
    let mut path = "/connections?limit=3".to_owned();
    loop {
        let page = app.get(&path).await.expect(200);
        seen.extend(ids(&page));
        let Some(after) = page["list_metadata"]["after"].as_str() else { break };
        path = format!("/connections?limit=3&after={after}");
    }
    assert_eq!(seen, ids(&app.get("/connections").await.expect(200)));
}

fn ids(page: &Value) -> Vec<Value> {
    page["data"].as_array().unwrap().iter().map(|connection| connection["id"].clone()).collect()
}

#[tokio::test]
async fn sign_ins_are_listed_by_connection_and_status() {
    let saml = Saml::new().await;
    let app = &saml.app;
    exchange(app, &saml.code().await).await.expect(200);
    saml.code().await;
    saml.begin(&mut Browser::new()).await;
    for (query, count) in [
        ("", 3),
        ("status=started", 1),
        ("status=authorized", 1),
        ("status=succeeded", 1),
        ("status=failed", 0),
        (&format!("connection_id={}", saml.connection), 3),
        (&format!("connection_id={}&status=succeeded", saml.connection), 1),
        ("connection_id=conn_01EHWNCE74X7JSDV0X3SZ3KJNY", 0),
    ] {
        let page = app.get(format!("/_portcullis/sign_ins?{query}")).await.expect(200);
        assert_eq!(page["data"].as_array().unwrap().len(), count, "{query}");
    }
    for query in ["status=x", "connection_id=x", "limit=1000"] {
        app.get(format!("/_portcullis/sign_ins?{query}")).await.expect(422);
    }
}
