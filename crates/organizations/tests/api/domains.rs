//! The four domain operations, and domains as part of an organization.

use http::Method;
use serde_json::{Value, json};
use testkit::{Answer, TestApp};

use crate::{assert_fields, id, newest, state, verified};

async fn organization(app: &TestApp, name: &str) -> String {
    id(&app.post("/organizations", json!({ "name": name })).await.expect(201)).to_owned()
}

async fn add(app: &TestApp, organization: &str, domain: &str) -> Answer {
    app.post("/organization_domains", json!({ "organization_id": organization, "domain": domain })).await
}

/// The domains of an organization, as `domain state`.
async fn held(app: &TestApp, organization: &str) -> Vec<String> {
    let organization = app.get(format!("/organizations/{organization}")).await.expect(200);
    let domains = organization["domains"].as_array().unwrap().iter();
    domains
        .map(|domain| format!("{} {}", domain["domain"].as_str().unwrap(), domain["state"].as_str().unwrap()))
        .collect()
}

#[tokio::test]
async fn create_answers_a_pending_domain() {
    let app = TestApp::new().await;
    let organization = organization(&app, "Foo Corp").await;
    let now = app.app.clock.now().to_string();
    let created = add(&app, &organization, " Foo-Corp.COM. ").await.expect(201);
    let expected = json!({
        "object": "organization_domain",
        "id": id(&created),
        "organization_id": organization,
        "domain": "foo-corp.com",
        "state": "pending",
        "verification_strategy": "dns",
        "verification_prefix": created["verification_prefix"],
        "verification_token": created["verification_token"],
        "created_at": now,
        "updated_at": now,
    });
    assert_eq!(created, expected);
    assert!(id(&created).starts_with("org_domain_"));
    let token = created["verification_token"].as_str().unwrap();
    assert!(token.len() == 25 && token.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{token}");
    let suffix = created["verification_prefix"].as_str().unwrap();
    let suffix = suffix.strip_prefix("portcullis-domain-verification-").unwrap();
    assert!(suffix.len() == 6 && suffix.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9')));

    assert_eq!(app.get(format!("/organization_domains/{}", id(&created))).await.expect(200), expected);
    let event = newest(&app, "organization_domain.created").await;
    assert_eq!(event["data"], expected);
    assert_eq!(held(&app, &organization).await, ["foo-corp.com pending"]);
    // No two domains share what proves them.
    let second = add(&app, &organization, "foo-corp.net").await.expect(201);
    assert_ne!(second["verification_token"], created["verification_token"]);
    assert_ne!(second["verification_prefix"], created["verification_prefix"]);
}

#[tokio::test]
async fn k7_domains_nobody_owns_are_refused_in_every_way_to_add_them() {
    let app = TestApp::new().await;
    let organization = organization(&app, "Foo Corp").await;
    let path = format!("/organizations/{organization}");
    let before = state(&app).await;
    for (domain, message) in [
        ("gmail.com", "gmail.com is a consumer mail domain and can't be added."),
        ("GMail.COM.", "gmail.com is a consumer mail domain and can't be added."),
        ("outlook.com", "outlook.com is a consumer mail domain and can't be added."),
        ("co.uk", "co.uk is a public suffix and can't be added."),
        ("github.io", "github.io is a public suffix and can't be added."),
        ("xn--55qx5d.cn", "xn--55qx5d.cn is a public suffix and can't be added."),
        ("公司.cn", "xn--55qx5d.cn is a public suffix and can't be added."),
        ("com", "'com' is not a valid domain."),
        ("", "'' is not a valid domain."),
        ("localhost", "'localhost' is not a valid domain."),
        ("127.0.0.1", "'127.0.0.1' is not a valid domain."),
        ("0x7f.1", "'0x7f.1' is not a valid domain."),
        ("[::1]", "'[::1]' is not a valid domain."),
        ("*.foo-corp.com", "'*.foo-corp.com' is not a valid domain."),
        ("https://foo-corp.com", "'https://foo-corp.com' is not a valid domain."),
        ("foo-corp.com/path", "'foo-corp.com/path' is not a valid domain."),
        ("foo-corp.com:443", "'foo-corp.com:443' is not a valid domain."),
        ("user@foo-corp.com", "'user@foo-corp.com' is not a valid domain."),
        ("foo..corp.com", "'foo..corp.com' is not a valid domain."),
        (".foo-corp.com", "'.foo-corp.com' is not a valid domain."),
        ("-foo.com", "'-foo.com' is not a valid domain."),
        ("foo corp.com", "'foo corp.com' is not a valid domain."),
        ("foo_corp.com", "'foo_corp.com' is not a valid domain."),
        ("foo,bar.com", "'foo,bar.com' is not a valid domain."),
    ] {
        let expected = json!({ "message": message });
        assert_eq!(add(&app, &organization, domain).await.expect(422), expected);
        let data = json!({ "name": "New", "domain_data": [{ "domain": domain, "state": "pending" }] });
        assert_eq!(app.post("/organizations", data.clone()).await.expect(422), expected);
        assert_eq!(app.put(&path, data).await.expect(422), expected);
        let deprecated = json!({ "name": "New", "domains": [domain] });
        assert_eq!(app.post("/organizations", deprecated).await.expect(422), expected);
    }
    // Labels of 64, names of 254 characters; the message stays short.
    for domain in
        [format!("{}.com", "a".repeat(64)), format!("{}com", "abcdefghi.".repeat(26)), "a".repeat(9000)]
    {
        let message = add(&app, &organization, &domain).await.expect(422)["message"].clone();
        assert!(message.as_str().unwrap().len() < 150, "{message}");
    }
    assert_eq!(state(&app).await, before);
    for domain in ["mail.foo-corp.co.uk", "foo.github.io", "bücher.example", "a-1.example"] {
        add(&app, &organization, domain).await.expect(201);
    }
}

#[tokio::test]
async fn create_says_what_is_missing_or_unknown() {
    let app = TestApp::new().await;
    let organization = organization(&app, "Foo Corp").await;
    let before = state(&app).await;
    for (body, named) in [
        (json!({}), "required domain"),
        (json!({ "domain": "a.example" }), "required organization_id"),
        (json!({ "domain": 1, "organization_id": organization }), "invalid_type domain"),
        (json!({ "domain": "a.example", "organization_id": null }), "invalid_type organization_id"),
    ] {
        assert_fields(&app.post("/organization_domains", body).await, &[named]);
    }
    for unknown in ["org_01EHWNCE74X7JSDV0X3SZ3KJNY", "conn_01EHWNCE74X7JSDV0X3SZ3KJNY", "", "x"] {
        let message = format!("Organization not found: '{unknown}'.");
        assert_eq!(add(&app, unknown, "a.example").await.expect(404), json!({ "message": message }));
    }
    assert_eq!(state(&app).await, before);
}

#[tokio::test]
async fn an_organization_has_a_domain_once() {
    let app = TestApp::new().await;
    let organization = organization(&app, "Foo Corp").await;
    add(&app, &organization, "foo-corp.com").await.expect(201);
    let before = state(&app).await;
    let message = "Domain already exists for this organization.";
    let expected = json!({ "code": "domain_already_exists", "message": message });
    for spelling in ["foo-corp.com", "FOO-CORP.com."] {
        assert_eq!(add(&app, &organization, spelling).await.expect(409), expected);
    }
    let twice = json!({ "name": "New", "domains": ["a.example", "A.example"] });
    let twice = app.post("/organizations", twice).await.expect(422);
    assert_eq!(twice, json!({ "message": "The domain a.example is given twice." }));
    let many: Vec<String> = (0..101).map(|number| format!("d{number}.example")).collect();
    let answer = app.post("/organizations", json!({ "name": "New", "domains": many })).await;
    assert_fields(&answer, &["invalid domain_data"]);
    assert_eq!(state(&app).await, before);
}

#[tokio::test]
async fn an_organization_has_100_domains_at_most() {
    let app = TestApp::new().await;
    let many: Vec<String> = (0..100).map(|number| format!("d{number}.example")).collect();
    let made = app.post("/organizations", json!({ "name": "Many", "domains": many })).await.expect(201);
    let before = state(&app).await;
    let expected = json!({ "message": "An organization can have 100 domains at most." });
    assert_eq!(add(&app, id(&made), "one-more.example").await.expect(422), expected);
    assert_eq!(state(&app).await, before);
    app.delete(format!("/organization_domains/{}", id(&made["domains"][0]))).await;
    add(&app, id(&made), "one-more.example").await.expect(201);
}

#[tokio::test]
async fn verify_begins_again_unless_verified() {
    let app = TestApp::new().await;
    let organization = organization(&app, "Foo Corp").await;
    let created = add(&app, &organization, "foo-corp.com").await.expect(201);
    let path = format!("/organization_domains/{}", id(&created));
    app.advance(5000);
    let restarted = app.post(format!("{path}/verify"), json!(null)).await.expect(201);
    let mut expected = created.clone();
    expected["updated_at"] = json!(app.app.clock.now().to_string());
    assert_eq!(restarted, expected, "the token stays: it may be in the DNS already");
    assert_eq!(newest(&app, "organization_domain.updated").await["data"], expected);

    app.put(format!("/organizations/{organization}"), json!({ "domain_data": verified(&["foo-corp.com"]) }))
        .await
        .expect(200);
    let before = state(&app).await;
    let refused = app.post(format!("{path}/verify"), json!({})).await.expect(400);
    assert_eq!(
        refused,
        json!({ "code": "domain_already_verified", "message": "Domain is already verified." })
    );
    let absent = "org_domain_01EHWNCE74X7JSDV0X3SZ3KJNY";
    let message = format!("Organization Domain not found: '{absent}'.");
    let answer = app.post(format!("/organization_domains/{absent}/verify"), json!({})).await;
    assert_eq!(answer.expect(404), json!({ "message": message }));
    assert_eq!(state(&app).await, before);
}

#[tokio::test]
async fn delete_frees_a_domain_once() {
    let app = TestApp::new().await;
    let organization = organization(&app, "Foo Corp").await;
    let created = add(&app, &organization, "foo-corp.com").await.expect(201);
    let path = format!("/organization_domains/{}", id(&created));
    let answer = app.delete(&path).await;
    assert_eq!((answer.status, answer.body.len()), (204, 0));
    assert_eq!(newest(&app, "organization_domain.deleted").await["data"], created);
    let before = state(&app).await;
    let expected = json!({ "message": format!("Organization Domain not found: '{}'.", id(&created)) });
    assert_eq!(app.get(&path).await.expect(404), expected);
    assert_eq!(app.delete(&path).await.expect(404), expected);
    assert_eq!(state(&app).await, before);
    assert_eq!(held(&app, &organization).await, [""; 0]);
    let again = add(&app, &organization, "foo-corp.com").await.expect(201);
    assert_ne!(again["verification_token"], created["verification_token"]);
}

#[tokio::test]
async fn put_replaces_the_set_of_domains() {
    let app = TestApp::new().await;
    let organization = organization(&app, "Foo Corp").await;
    let path = format!("/organizations/{organization}");
    let pending = |domain: &str| json!({ "domain": domain, "state": "pending" });
    let proven = |domain: &str| json!({ "domain": domain, "state": "verified" });
    let steps: [(Value, &[&str], &[&str]); 9] = [
        (
            json!({ "domain_data": [pending("a.example"), proven("b.example")] }),
            &["a.example pending", "b.example verified"],
            &["organization_domain.created", "organization_domain.created", "organization_domain.verified"],
        ),
        (json!({ "name": "Foo Inc" }), &["a.example pending", "b.example verified"], &[]),
        (json!({ "domain_data": null }), &["a.example pending", "b.example verified"], &[]),
        (
            json!({ "domain_data": [proven("A.example"), pending("b.example")] }),
            &["a.example verified", "b.example verified"],
            &["organization_domain.verified"],
        ),
        (
            json!({ "domain_data": [pending("c.example"), proven("b.example")] }),
            &["b.example verified", "c.example pending"],
            &["organization_domain.deleted", "organization_domain.created"],
        ),
        (
            json!({ "domains": ["b.example", "d.example"] }),
            &["b.example verified", "d.example pending"],
            &["organization_domain.deleted", "organization_domain.created"],
        ),
        (
            json!({ "domains": ["ignored.example"], "domain_data": [proven("b.example")] }),
            &["b.example verified"],
            &["organization_domain.deleted"],
        ),
        (json!({ "domain_data": [] }), &[], &["organization_domain.deleted"]),
        (json!({ "domains": [] }), &[], &[]),
    ];
    for (body, domains, events) in steps {
        app.advance(1000);
        let before = app.event_types().await.len();
        let answered = app.put(&path, body.clone()).await.expect(200);
        let found = held(&app, &organization).await;
        assert_eq!(found, domains, "{body}");
        assert_eq!(answered["domains"].as_array().unwrap().len(), found.len());
        let emitted = app.event_types().await.split_off(before);
        let (first, rest) = emitted.split_first().unwrap();
        assert_eq!(first, "organization.updated", "{body}");
        assert_eq!(rest, events, "{body}");
        // The event of the organization shows the set as it is now.
        let event = newest(&app, "organization.updated").await;
        assert_eq!(event["data"]["domains"], answered["domains"]);
    }
}

#[tokio::test]
async fn k7_a_domain_has_one_verified_owner_in_an_environment() {
    let app = TestApp::new().await;
    let owner = app.organization("Owner", &["foo-corp.com"]).await;
    let other = organization(&app, "Other").await;
    let claim = json!({ "name": "Rival", "domain_data": verified(&["Foo-Corp.com."]) });
    let before = state(&app).await;
    let expected = json!({ "message": "An Organization with the domain foo-corp.com already exists." });
    assert_eq!(app.post("/organizations", claim.clone()).await.expect(409), expected);
    assert_eq!(app.put(format!("/organizations/{other}"), claim.clone()).await.expect(409), expected);
    assert_eq!(state(&app).await, before);

    // Who hasn't proven it may wait beside the owner, and beside others, and gains nothing by it.
    let waiting = add(&app, &other, "foo-corp.com").await.expect(201);
    assert_eq!(waiting["state"], "pending");
    app.post("/organizations", json!({ "name": "Third", "domains": ["foo-corp.com"] })).await.expect(201);
    let restarted = app.post(format!("/organization_domains/{}/verify", id(&waiting)), json!({})).await;
    assert_eq!(restarted.expect(201)["state"], "pending");
    assert_eq!(app.put(format!("/organizations/{other}"), claim.clone()).await.expect(409), expected);
    // A part of it is another domain.
    app.organization("Part", &["mail.foo-corp.com"]).await;
    // Another environment is another world.
    app.request(Method::POST, "/organizations").key(&app.b.secret).json(&claim).send().await.expect(201);

    app.put(format!("/organizations/{owner}"), json!({ "domain_data": [] })).await.expect(200);
    app.put(format!("/organizations/{other}"), claim.clone()).await.expect(200);
    app.delete(format!("/organizations/{other}")).await.expect(202);
    app.post("/organizations", claim).await.expect(201);
}
