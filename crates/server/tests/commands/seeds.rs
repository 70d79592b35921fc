//! `portcullis dev --seed FILE`

use std::path::Path;

use serde_json::{Value, json};

use crate::dev::{Dev, kept};
use crate::process::run;

const YAML: &str = "
organizations:
  - name: Acme
    external_id: acme-1
    metadata:
      tier: gold
    domains:
      - domain: acme.example
      - domain: acme.test
        state: pending
  - name: Beta
connections:
  - name: Acme Okta
    organization: Acme
    connection_type: OktaSAML
  - name: Beta OIDC
    organization: Beta
    connection_type: GenericOIDC
    state: inactive
apiKeys:
  sk_test_seeded:
    environment: staging
redirectUris:
  - http://localhost:3000/callback
  - https://*.preview.acme.example/callback
";

fn as_json() -> String {
    json!({
        "organizations": [
            {
                "name": "Acme", "external_id": "acme-1", "metadata": { "tier": "gold" },
                "domains": [{ "domain": "acme.example" }, { "domain": "acme.test", "state": "pending" }],
            },
            { "name": "Beta" },
        ],
        "connections": [
            { "name": "Acme Okta", "organization": "Acme", "connection_type": "OktaSAML" },
            { "name": "Beta OIDC", "organization": "Beta", "connection_type": "GenericOIDC", "state": "inactive" },
        ],
        "apiKeys": [{ "name": "Seeded key", "value": "sk_test_seeded" }],
        "redirectUris": ["http://localhost:3000/callback", "https://*.preview.acme.example/callback"],
    })
    .to_string()
}

fn start(folder: &Path, seed: &str) -> Dev {
    let file = folder.join("seed.yaml");
    std::fs::write(&file, seed).unwrap();
    Dev::start(kept(&folder.join("data"), 0).args(["--seed", file.to_str().unwrap()]))
}

fn refused(folder: &Path, seed: &str) -> String {
    let file = folder.join("seed.yaml");
    std::fs::write(&file, seed).unwrap();
    run(kept(&folder.join("data"), 0).args(["--seed", file.to_str().unwrap()])).refusal()
}

/// The names of a list, sorted.
fn names(list: &Value, field: &str) -> Vec<String> {
    let data = list["data"].as_array().unwrap().iter();
    let mut names: Vec<String> = data.map(|item| item[field].as_str().unwrap().to_owned()).collect();
    names.sort();
    names
}

#[test]
fn yaml_and_json_seed_the_same() {
    for seed in [YAML.to_owned(), as_json()] {
        let folder = tempfile::tempdir().unwrap();
        let dev = start(folder.path(), &seed);
        let list = dev.client.get("/organizations").expect(200);
        assert_eq!(names(&list, "name"), ["Acme", "Beta", "Test Organization"]);
        let acme = dev.client.get("/organizations/external_id/acme-1").expect(200);
        assert_eq!(acme["metadata"], json!({ "tier": "gold" }));
        let domains = acme["domains"].as_array().unwrap();
        let mut domains: Vec<(&str, &str)> = domains
            .iter()
            .map(|domain| (domain["domain"].as_str().unwrap(), domain["state"].as_str().unwrap()))
            .collect();
        domains.sort_unstable();
        assert_eq!(domains, [("acme.example", "verified"), ("acme.test", "pending")]);

        let connections = dev.client.get("/connections?search=acme").expect(200);
        let okta = &connections["data"][0];
        assert_eq!((&okta["connection_type"], &okta["state"]), (&json!("OktaSAML"), &json!("active")));
        assert_eq!(okta["organization_id"], acme["id"]);
        let connections = dev.client.get("/connections?search=beta").expect(200);
        assert_eq!(connections["data"][0]["state"], "inactive");
        assert_eq!(connections["data"][0]["connection_type"], "GenericOIDC");

        dev.client.with_key("sk_test_seeded").get("/organizations/external_id/acme-1").expect(200);
        let uris = names(&dev.client.get("/user_management/redirect_uris").expect(200), "uri");
        for uri in ["http://localhost:3000/callback", "https://*.preview.acme.example/callback"] {
            assert!(uris.contains(&uri.to_owned()), "{uris:?}");
        }
        dev.stop("TERM");
    }
}

#[test]
fn a_file_is_applied_once_and_who_names_it_again_is_told() {
    let folder = tempfile::tempdir().unwrap();
    start(folder.path(), YAML).stop("TERM");
    let dev = start(folder.path(), "organizations: [{ name: Late }]");
    let list = dev.client.get("/organizations").expect(200);
    assert_eq!(names(&list, "name"), ["Acme", "Beta", "Test Organization"]);
    dev.process.signal("TERM");
    let ended = dev.process.end();
    assert!(ended.errors.contains("the seed file is applied at the first start only"), "{}", ended.errors);
}

#[test]
fn a_file_that_cannot_be_applied_leaves_nothing_and_can_be_mended() {
    let folder = tempfile::tempdir().unwrap();
    for (seed, expected) in [
        ("customers: []", "unknown field `customers`"),
        ("organizations: [{ external_id: x }]", "missing field `name`"),
        ("organizations: 7", "the seed file"),
        ("organizations: [", "the seed file"),
        (
            "organizations: [{ name: Acme, domains: [{ domain: gmail.com }] }]",
            "seeding the organization Acme: ",
        ),
        (
            "organizations: [{ name: A }, { name: A, domains: [{ domain: example.com }] }]",
            "seeding the organization A: ",
        ),
        (
            "connections: [{ name: Okta, organization: Nobody }]",
            "the connection Okta names no seeded organization",
        ),
        (
            "organizations: [{ name: Acme }]\nconnections: [{ name: X, organization: Acme, connection_type: Nonsense }]",
            "seeding the connection X: ",
        ),
        ("apiKeys: [{ name: Bad, value: pk_test_x }]", "the API key Bad must begin with sk_"),
        ("redirectUris: ['nonsense']", "Redirect URI 'nonsense' is not a URL."),
    ] {
        let line = refused(folder.path(), seed);
        assert!(line.contains(expected), "{line}");
        assert!(!line.contains("{\"message\""), "{line}");
    }
    let missing = run(kept(&folder.path().join("data"), 0).args(["--seed", "/nowhere.yaml"])).refusal();
    assert!(missing.starts_with("the seed file /nowhere.yaml: "), "{missing}");
    // Mended, it is applied whole.
    let dev = start(folder.path(), YAML);
    assert_eq!(
        names(&dev.client.get("/organizations").expect(200), "name"),
        ["Acme", "Beta", "Test Organization"]
    );
    dev.stop("TERM");
}

#[test]
fn sections_without_a_counterpart_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let seed = "
users: [{ email: a@acme.example }]
roles: [{ slug: admin }, { slug: member }]
permissions: []
organizations: [{ name: Acme, memberships: [{ user: a@acme.example }] }]
";
    let dev = start(folder.path(), seed);
    assert_eq!(names(&dev.client.get("/organizations").expect(200), "name"), ["Acme", "Test Organization"]);
    dev.process.signal("TERM");
    let ended = dev.process.end();
    assert_eq!(ended.code, Some(0));
    for (section, named) in [
        ("users", true),
        ("roles", true),
        ("organizations[].memberships", true),
        ("permissions", false),
        ("invitations", false),
    ] {
        let found = ended
            .errors
            .lines()
            .any(|line| line.contains("WARN") && line.contains(&format!("\"{section}\"")));
        assert_eq!(found, named, "{section}: {}", ended.errors);
    }
}
