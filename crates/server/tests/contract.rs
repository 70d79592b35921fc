//! Every operation is in the contract, and the contract holds: routed, authorized, isolated.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use testkit::{Answer, Browser, TestApp};

#[derive(Debug, Deserialize)]
struct Contract {
    operation: Vec<Operation>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Operation {
    method: String,
    path: String,
    status: u16,
    auth: String,
    why: Option<String>,
    foreign: Option<String>,
}

/// Operations with an id in their path whose isolation isn't a matter of environments. May only shrink.
const NOT_ISOLATED_BY_KEY: [&str; 6] = [
    "/sso/saml/acs/{external_key}",
    "/sso/saml/{external_key}/metadata.xml",
    "/sso/saml/request/{handle}",
    "/sso/oidc/{external_key}/callback",
    "/sso/jwks/{client_id}",
    "/error/{code}",
];

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn contract() -> Vec<Operation> {
    let text = std::fs::read_to_string(workspace().join("contract/operations.toml")).unwrap();
    toml::from_str::<Contract>(&text).unwrap().operation
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The routes that stand in the sources, as `METHOD path`; pages and development doors aside.
fn routed() -> BTreeSet<String> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(workspace().join("crates")).unwrap() {
        let folder = entry.unwrap().path();
        let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
        if !["testkit", "login"].contains(&name.as_str()) {
            sources(&folder.join("src"), &mut files);
        }
    }
    let mut found = BTreeSet::new();
    for file in files {
        let text = std::fs::read_to_string(file).unwrap();
        for route in text.split(".route(").skip(1) {
            let path = route.split('"').nth(1).unwrap();
            let handlers = route.split_once(',').unwrap().1;
            let handlers = handlers.split("\n        .").next().unwrap().split("\n}").next().unwrap();
            for method in ["get", "post", "put", "patch", "delete"] {
                if handlers.contains(&format!(" {method}(")) || handlers.contains(&format!(".{method}(")) {
                    found.insert(format!("{} {path}", method.to_uppercase()));
                }
            }
        }
    }
    found
}

#[test]
fn every_route_is_in_the_contract_and_every_promise_is_routed() {
    // Pages that browsers are sent to by the API are promised too; they are routed by `login`.
    let pages = ["GET /sso/saml/request/{handle}"];
    let promised: BTreeSet<String> =
        contract().iter().map(|operation| format!("{} {}", operation.method, operation.path)).collect();
    let mut routed = routed();
    routed.extend(pages.map(ToOwned::to_owned));
    let missing: Vec<_> = routed.difference(&promised).collect();
    let extra: Vec<_> = promised.difference(&routed).collect();
    assert!(missing.is_empty() && extra.is_empty(), "not promised: {missing:?}; not routed: {extra:?}");
}

#[test]
fn open_operations_say_why_and_ids_say_what_they_name() {
    for operation in contract() {
        assert_eq!(operation.auth == "none", operation.why.is_some(), "{}", operation.path);
        assert!((200..400).contains(&operation.status), "{}", operation.path);
        if operation.path.contains('{') && !NOT_ISOLATED_BY_KEY.contains(&operation.path.as_str()) {
            assert!(operation.foreign.is_some(), "{} has no isolation test", operation.path);
        }
    }
}

fn method(operation: &Operation) -> Method {
    operation.method.parse().unwrap()
}

fn body(answer: &Answer) -> Value {
    answer.json()
}

#[tokio::test]
async fn t3_without_the_right_credential_there_is_only_401() {
    let app = TestApp::new().await;
    let id = "01EHWNCE74X7JSDV0X3SZ3KJNY";
    for operation in contract().iter().filter(|operation| operation.auth == "key") {
        let path = operation.path.replace("{id}", id).replace("{external_id}", "x");
        let credentials = [
            None,
            Some("Bearer null".to_owned()),
            Some("Bearer ".to_owned()),
            Some(format!("Bearer {}", app.a.client_id)),
            Some(format!("Basic {}", app.a.secret)),
            Some(format!("Bearer {}x", app.a.secret)),
            Some(format!("Bearer {}", app.a.secret.to_lowercase())),
        ];
        for credential in credentials {
            let request = app.request(method(operation), &path).anonymous().json(&json!({}));
            let request = match &credential {
                Some(value) => request.header("authorization", value),
                None => request,
            };
            let answer = request.send().await;
            assert_eq!(answer.status, 401, "{} {path} with {credential:?}", operation.method);
            assert_eq!(body(&answer), json!({ "message": "Unauthorized" }));
        }
        // A key in the URL is none.
        let answer = app.request(method(operation), format!("{path}?api_key={}", app.a.secret)).anonymous();
        assert_eq!(answer.json(&json!({})).send().await.status, 401, "{path}");
    }
}

/// One object of every kind in environment A.
struct Objects {
    organization: String,
    organization_domain: String,
    redirect_uri: String,
    connection: String,
    sign_in: String,
}

async fn objects(app: &TestApp) -> Objects {
    let created = app
        .post(
            "/organizations",
            json!({
                "name": "Foreign", "external_id": "foreign-external-id",
                "domain_data": [{ "domain": "foreign.example", "state": "verified" }],
            }),
        )
        .await
        .expect(201);
    let organization = created["id"].as_str().unwrap().to_owned();
    let redirect = app.post("/user_management/redirect_uris", json!({ "uri": "https://foreign.example/cb" }));
    let certificate = include_str!("../../saml/tests/keys/idp.cert.pem");
    let connection = app.post(
        "/connections",
        json!({
            "organization_id": organization, "connection_type": "GenericSAML",
            "saml_options": {
                "idp_entity_id": "https://idp.example", "idp_sso_url": "https://idp.example/sso",
                "idp_signing_certs": [certificate],
            },
        }),
    );
    let redirect_uri = redirect.await.expect(201)["id"].as_str().unwrap().to_owned();
    let connection = connection.await.expect(201)["id"].as_str().unwrap().to_owned();
    Browser::new().authorize(app, &[("connection", &connection)]).await.location();
    let sign_ins = app.get("/_portcullis/sign_ins").await.expect(200);
    Objects {
        organization,
        organization_domain: created["domains"][0]["id"].as_str().unwrap().to_owned(),
        redirect_uri,
        connection,
        sign_in: sign_ins["data"][0]["id"].as_str().unwrap().to_owned(),
    }
}

/// An id of the same kind that nobody has.
fn absent(id: &str) -> String {
    match id.rsplit_once('_') {
        Some((prefix, _)) if id != "foreign-external-id" => format!("{prefix}_01EHWNCE74X7JSDV0X3SZ3KJNY"),
        _ => "absent-external-id".to_owned(),
    }
}

#[tokio::test]
async fn t1_a_foreign_object_answers_exactly_as_an_absent_one() {
    let app = TestApp::new().await;
    let objects = objects(&app).await;
    let before = app.events().await;
    for operation in contract() {
        let Some(foreign) = &operation.foreign else { continue };
        let id = match foreign.as_str() {
            "organization" => objects.organization.as_str(),
            "organization_domain" => &objects.organization_domain,
            "external_id" => "foreign-external-id",
            "redirect_uri" => &objects.redirect_uri,
            "connection" => &objects.connection,
            "sign_in" => &objects.sign_in,
            other => panic!("no such object: {other}"),
        };
        let ask = |id: String| {
            let path = operation.path.replace("{id}", &id).replace("{external_id}", &id);
            app.request(method(&operation), path).key(&app.b.secret).json(&json!({ "name": "Taken" })).send()
        };
        let foreign = ask(id.to_owned()).await;
        let absent_id = absent(id);
        let absent = ask(absent_id.clone()).await;
        assert_eq!(foreign.status, 404, "{} {}", operation.method, operation.path);
        assert_eq!(absent.status, 404);
        let text = |answer: &Answer, id: &str| body(answer).to_string().replace(id, "ID");
        assert_eq!(text(&foreign, id), text(&absent, &absent_id), "{}", operation.path);
        let garbage = ask("..%2f..".to_owned()).await;
        assert_eq!(garbage.status, 404, "{} {}", operation.method, operation.path);
    }
    assert_eq!(app.events().await, before, "a foreign key changed something");
}

#[tokio::test]
async fn t2_lists_never_show_another_environments_objects() {
    let app = TestApp::new().await;
    let objects = objects(&app).await;
    for path in [
        "/organizations".to_owned(),
        "/organizations?domains=foreign.example".to_owned(),
        "/organizations?search=Foreign".to_owned(),
        "/connections".to_owned(),
        format!("/connections?organization_id={}", objects.organization),
        "/connections?domain=foreign.example".to_owned(),
        "/events".to_owned(),
        format!("/events?organization_id={}", objects.organization),
        "/_portcullis/sign_ins".to_owned(),
        format!("/_portcullis/sign_ins?connection_id={}", objects.connection),
    ] {
        let answer = app.request(Method::GET, &path).key(&app.b.secret).send().await.expect(200);
        assert_eq!(answer["data"], json!([]), "{path}");
    }
    for cursor in [&objects.organization, "garbage", "'; DROP TABLE organizations; --"] {
        let path = url::Url::parse_with_params("https://x/organizations", [("after", cursor)]).unwrap();
        let path = &path[url::Position::BeforePath..];
        let answer = app.request(Method::GET, path).key(&app.b.secret).send().await;
        assert_eq!(answer.status, 422, "{cursor}");
    }
    // Writing what names a foreign organization.
    for (path, request) in [
        ("/organization_domains", json!({ "organization_id": objects.organization, "domain": "b.example" })),
        (
            "/connections",
            json!({ "organization_id": objects.organization, "connection_type": "GenericSAML" }),
        ),
    ] {
        let answer = app.request(Method::POST, path).key(&app.b.secret).json(&request).send().await;
        assert_eq!(answer.status, 404, "{path}");
    }
}
