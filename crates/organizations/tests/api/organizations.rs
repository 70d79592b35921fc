//! The six organization operations.

use http::Method;
use serde_json::{Map, Value, json};
use testkit::TestApp;

use crate::{assert_fields, id, newest, state, verified};

#[tokio::test]
async fn create_answers_the_whole_resource() {
    let app = TestApp::new().await;
    let now = app.app.clock.now().to_string();
    let created = app
        .post(
            "/organizations",
            json!({
                "name": "Foo Corp",
                "allow_profiles_outside_organization": true,
                "domain_data": [{ "domain": "Foo-Corp.com", "state": "verified" }],
                "metadata": { "tier": "diamond" },
                "external_id": "2fe01467-f7ea-4dd2-8b79-c2b4f56d0191",
            }),
        )
        .await
        .expect(201);

    let domain = &created["domains"][0];
    let expected = json!({
        "object": "organization",
        "id": id(&created),
        "name": "Foo Corp",
        "allow_profiles_outside_organization": true,
        "domains": [{
            "object": "organization_domain",
            "id": id(domain),
            "organization_id": id(&created),
            "domain": "foo-corp.com",
            "state": "verified",
            "verification_strategy": "manual",
            "verification_prefix": domain["verification_prefix"],
            "verification_token": domain["verification_token"],
            "created_at": now,
            "updated_at": now,
        }],
        "metadata": { "tier": "diamond" },
        "external_id": "2fe01467-f7ea-4dd2-8b79-c2b4f56d0191",
        "created_at": now,
        "updated_at": now,
    });
    assert_eq!(created, expected);
    assert!(id(&created).starts_with("org_") && id(&created).len() == 30);
    assert_eq!(app.get(format!("/organizations/{}", id(&created))).await.expect(200), expected);
    let by_external_id = "/organizations/external_id/2fe01467-f7ea-4dd2-8b79-c2b4f56d0191";
    assert_eq!(app.get(by_external_id).await.expect(200), expected);
    assert_eq!(app.get("/organizations").await.expect(200)["data"], json!([expected]));
}

#[tokio::test]
async fn create_needs_no_more_than_a_name() {
    let app = TestApp::new().await;
    let now = app.app.clock.now().to_string();
    let created = app.post("/organizations", json!({ "name": "Foo Corp" })).await.expect(201);
    assert_eq!(
        created,
        json!({
            "object": "organization",
            "id": id(&created),
            "name": "Foo Corp",
            "allow_profiles_outside_organization": false,
            "domains": [],
            "metadata": {},
            "external_id": null,
            "created_at": now,
            "updated_at": now,
        })
    );
    // Null is as good as absent where absent is good.
    let nulls = json!({
        "name": "Bar Corp", "allow_profiles_outside_organization": null, "domain_data": null, "domains": null,
        "metadata": null, "external_id": null,
    });
    let with_nulls = app.post("/organizations", nulls).await.expect(201);
    assert_eq!(with_nulls["metadata"], json!({}));
    assert_eq!(with_nulls["external_id"], Value::Null);
}

#[tokio::test]
async fn events_show_the_organization_without_the_deprecated_switch() {
    let app = TestApp::new().await;
    let created = app
        .post("/organizations", json!({ "name": "Foo Corp", "domain_data": verified(&["foo-corp.com"]) }))
        .await
        .expect(201);
    let mut payload = created.clone();
    payload.as_object_mut().unwrap().remove("allow_profiles_outside_organization");
    let domain = created["domains"][0].clone();
    assert_eq!(
        app.events().await,
        [
            ("organization.created".to_owned(), payload.clone()),
            ("organization_domain.created".to_owned(), domain.clone()),
            ("organization_domain.verified".to_owned(), domain),
        ]
    );
    app.delete(format!("/organizations/{}", id(&created))).await.expect(202);
    assert_eq!(newest(&app, "organization.deleted").await["data"], payload);
    assert_eq!(app.event_types().await.len(), 4, "the domains of a deleted organization have no events");
}

#[tokio::test]
async fn names_have_1_to_255_characters() {
    let app = TestApp::new().await;
    let kept = app.post("/organizations", json!({ "name": "Kept" })).await.expect(201);
    let before = state(&app).await;
    assert_fields(&app.post("/organizations", json!({})).await, &["required name"]);
    for name in [json!(""), json!(" \t"), json!("é".repeat(256))] {
        assert_fields(&app.post("/organizations", json!({ "name": name })).await, &["invalid name"]);
        let path = format!("/organizations/{}", id(&kept));
        assert_fields(&app.put(path, json!({ "name": name })).await, &["invalid name"]);
    }
    assert_eq!(state(&app).await, before);
    for name in ["é".repeat(255), "a".to_owned(), "名前 <script>\u{202e}".to_owned()] {
        let created = app.post("/organizations", json!({ "name": name })).await.expect(201);
        assert_eq!(created["name"], name);
    }
}

#[tokio::test]
async fn values_of_the_wrong_type_are_named_and_change_nothing() {
    let app = TestApp::new().await;
    let kept = app.post("/organizations", json!({ "name": "Kept", "external_id": "kept" })).await.expect(201);
    let before = state(&app).await;
    for (field, value, named) in [
        ("name", json!(1), "invalid_type name"),
        ("name", json!(["a"]), "invalid_type name"),
        ("name", json!({ "a": "b" }), "invalid_type name"),
        (
            "allow_profiles_outside_organization",
            json!("true"),
            "invalid_type allow_profiles_outside_organization",
        ),
        ("metadata", json!("a"), "invalid_type metadata"),
        ("metadata", json!(["a"]), "invalid_type metadata"),
        ("external_id", json!(7), "invalid_type external_id"),
        ("domains", json!("a.example"), "invalid_type domains"),
        ("domains", json!([1]), "invalid_type domains[0]"),
        ("domain_data", json!({}), "invalid_type domain_data"),
        ("domain_data", json!(["a.example"]), "invalid_type domain_data[0]"),
        ("domain_data", json!([{ "domain": "a.example" }]), "required domain_data[0].state"),
        ("domain_data", json!([{ "state": "pending" }]), "required domain_data[0].domain"),
        (
            "domain_data",
            json!([{ "domain": "a.example", "state": "sold" }]),
            "invalid_type domain_data[0].state",
        ),
        ("domain_data", json!([{ "domain": "a.example", "state": "failed" }]), "invalid domain_data.state"),
    ] {
        let mut body = json!({ "name": "New" });
        body[field] = value.clone();
        assert_fields(&app.post("/organizations", body.clone()).await, &[named]);
        assert_fields(&app.put(format!("/organizations/{}", id(&kept)), body).await, &[named]);
    }
    assert_eq!(state(&app).await, before);
}

#[tokio::test]
async fn update_leaves_alone_what_it_does_not_name() {
    let app = TestApp::new().await;
    let created = app
        .post(
            "/organizations",
            json!({
                "name": "Foo Corp", "external_id": "foo", "metadata": { "tier": "gold" },
                "domain_data": verified(&["foo-corp.com"]),
            }),
        )
        .await
        .expect(201);
    let path = format!("/organizations/{}", id(&created));
    let mut expected = created.clone();
    for (body, field, previous) in [
        (json!({}), None, json!({})),
        (json!({ "name": null }), None, json!({})),
        (json!({ "name": "Foo Corp" }), None, json!({})),
        (json!({ "name": "Foo Inc" }), Some(("name", json!("Foo Inc"))), json!({ "name": "Foo Corp" })),
        (
            json!({ "external_id": "bar" }),
            Some(("external_id", json!("bar"))),
            json!({ "external_id": "foo" }),
        ),
        (json!({ "external_id": null }), Some(("external_id", json!(null))), json!({ "external_id": "bar" })),
        (
            json!({ "metadata": { "region": "eu" } }),
            Some(("metadata", json!({ "tier": "gold", "region": "eu" }))),
            json!({ "metadata": { "tier": "gold" } }),
        ),
        (
            json!({ "metadata": { "tier": null, "absent": null } }),
            Some(("metadata", json!({ "region": "eu" }))),
            json!({ "metadata": { "tier": "gold", "region": "eu" } }),
        ),
        (
            json!({ "metadata": null }),
            Some(("metadata", json!({}))),
            json!({ "metadata": { "region": "eu" } }),
        ),
        (
            json!({ "stripe_customer_id": "cus_1" }),
            Some(("stripe_customer_id", json!("cus_1"))),
            json!({ "stripe_customer_id": null }),
        ),
        (
            json!({ "allow_profiles_outside_organization": true }),
            Some(("allow_profiles_outside_organization", json!(true))),
            json!({ "allow_profiles_outside_organization": false }),
        ),
    ] {
        app.advance(1000);
        if let Some((field, value)) = field {
            expected[field] = value;
        }
        expected["updated_at"] = json!(app.app.clock.now().to_string());
        assert_eq!(app.put(&path, body.clone()).await.expect(200), expected, "{body}");
        assert_eq!(app.get(&path).await.expect(200), expected, "{body}");
        let event = newest(&app, "organization.updated").await;
        assert_eq!(event["context"]["previous_attributes"], previous, "{body}");
        assert_eq!(event["data"]["updated_at"], expected["updated_at"]);
    }
    // An absent key, not a null one.
    app.put(&path, json!({ "stripe_customer_id": null })).await.expect(200);
    let cleared = app.get(&path).await.expect(200);
    assert!(!cleared.as_object().unwrap().contains_key("stripe_customer_id"), "{cleared}");
    let event = newest(&app, "organization.updated").await;
    assert_eq!(event["context"]["previous_attributes"], json!({ "stripe_customer_id": "cus_1" }));
    assert_eq!(
        app.events().await.iter().filter(|(name, _)| name.starts_with("organization_domain")).count(),
        2
    );
}

#[tokio::test]
async fn metadata_is_refused_past_its_limits_as_a_whole() {
    let app = TestApp::new().await;
    let keys = |count: usize| -> Value {
        (0..count).map(|n| (format!("key{n}"), json!("v"))).collect::<Map<_, _>>().into()
    };
    let full = app.post("/organizations", json!({ "name": "Full", "metadata": keys(50) })).await.expect(201);
    let path = format!("/organizations/{}", id(&full));
    let before = state(&app).await;
    let refused = |metadata: Value| json!({ "name": "New", "metadata": metadata });
    for metadata in [
        keys(51),
        json!({ "k".repeat(41): "v" }),
        json!({ "": "v" }),
        json!({ "k": "v".repeat(601) }),
        json!({ "k": 1 }),
        json!({ "k": true }),
        json!({ "k": { "nested": "v" } }),
        json!({ "k": ["v"] }),
    ] {
        let body = app.post("/organizations", refused(metadata.clone())).await.expect(400);
        assert_eq!(body["code"], "invalid_metadata", "{metadata}");
        assert_eq!(app.put(&path, refused(metadata)).await.expect(400)["code"], "invalid_metadata");
    }
    // The limit counts what would be there afterwards.
    let one_more = json!({ "metadata": { "another": "v" } });
    assert_eq!(app.put(&path, one_more).await.expect(400)["code"], "invalid_metadata");
    assert_eq!(state(&app).await, before);
    app.put(&path, json!({ "metadata": { "another": "v", "key0": null } })).await.expect(200);

    let widest = json!({ "k".repeat(40): "é".repeat(600), "empty": "", "ключ": "значение" });
    let created = app.post("/organizations", refused(widest.clone())).await.expect(201);
    assert_eq!(created["metadata"], widest);
}

#[tokio::test]
async fn external_ids_are_ascii_of_1_to_128_characters() {
    let app = TestApp::new().await;
    let before = state(&app).await;
    for external_id in ["".to_owned(), "x".repeat(129), "é".to_owned(), "a\u{200b}".to_owned()] {
        let answer = app.post("/organizations", json!({ "name": "New", "external_id": external_id })).await;
        assert_fields(&answer, &["invalid external_id"]);
    }
    assert_eq!(state(&app).await, before);
    for external_id in
        ["x".repeat(128), "a/b?c#d%2f &=+".to_owned(), "..".to_owned(), "\u{1}\u{7f}".to_owned()]
    {
        let created = app
            .post("/organizations", json!({ "name": "New", "external_id": external_id }))
            .await
            .expect(201);
        let encoded: String = external_id.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let found = app.get(format!("/organizations/external_id/{encoded}")).await.expect(200);
        assert_eq!(found, created, "{external_id:?}");
    }
    let absent = app.get("/organizations/external_id/absent").await.expect(404);
    assert_eq!(absent, json!({ "message": "Organization not found: 'absent'." }));
}

#[tokio::test]
async fn external_and_stripe_ids_are_unique_in_an_environment() {
    let app = TestApp::new().await;
    let holder =
        app.post("/organizations", json!({ "name": "Holder", "external_id": "one" })).await.expect(201);
    let holder = format!("/organizations/{}", id(&holder));
    app.put(&holder, json!({ "stripe_customer_id": "cus_1" })).await.expect(200);
    let other = app.post("/organizations", json!({ "name": "Other" })).await.expect(201);
    let other = format!("/organizations/{}", id(&other));
    let taken = json!({ "name": "New", "external_id": "one" });

    let before = state(&app).await;
    for answer in [app.post("/organizations", taken.clone()).await, app.put(&other, taken.clone()).await] {
        let message = "That external_id is already in use.";
        assert_eq!(answer.expect(400), json!({ "code": "external_id_already_used", "message": message }));
    }
    let answer = app.put(&other, json!({ "stripe_customer_id": "cus_1" })).await;
    assert_eq!(answer.expect(400)["code"], "stripe_customer_id_already_used");
    let answer = app.put(&other, json!({ "stripe_customer_id": "x".repeat(256) })).await;
    assert_fields(&answer, &["invalid stripe_customer_id"]);
    assert_eq!(state(&app).await, before);

    // Its own is no conflict; another environment is another world.
    app.put(&holder, json!({ "external_id": "one", "stripe_customer_id": "cus_1" })).await.expect(200);
    app.request(Method::POST, "/organizations").key(&app.b.secret).json(&taken).send().await.expect(201);
    // Cleared, it is free; deleted, it is free again.
    app.put(&holder, json!({ "external_id": null, "stripe_customer_id": null })).await.expect(200);
    app.put(&other, json!({ "external_id": "one", "stripe_customer_id": "cus_1" })).await.expect(200);
    app.delete(&other).await.expect(202);
    let recreated = app.post("/organizations", taken).await.expect(201);
    let found = app.get("/organizations/external_id/one").await.expect(200);
    assert_eq!(id(&found), id(&recreated));
}

#[tokio::test]
async fn deleted_organizations_are_404_everywhere() {
    let app = TestApp::new().await;
    let data = json!({ "name": "Gone", "external_id": "gone", "domain_data": verified(&["gone.example"]) });
    let gone = app.post("/organizations", data.clone()).await.expect(201);
    let kept = app.post("/organizations", json!({ "name": "Kept" })).await.expect(201);
    let path = format!("/organizations/{}", id(&gone));
    let answer = app.delete(&path).await;
    assert_eq!((answer.status, answer.body.len()), (202, 0));

    let events = app.events().await;
    let not_found = json!({ "message": format!("Organization not found: '{}'.", id(&gone)) });
    assert_eq!(app.get(&path).await.expect(404), not_found);
    assert_eq!(app.put(&path, json!({ "name": "Back" })).await.expect(404), not_found);
    assert_eq!(app.delete(&path).await.expect(404), not_found);
    app.get("/organizations/external_id/gone").await.expect(404);
    let domain = format!("/organization_domains/{}", id(&gone["domains"][0]));
    app.get(&domain).await.expect(404);
    app.delete(&domain).await.expect(404);
    app.post(format!("{domain}/verify"), json!({})).await.expect(404);
    let new_domain = json!({ "organization_id": id(&gone), "domain": "late.example" });
    assert_eq!(app.post("/organization_domains", new_domain).await.expect(404), not_found);
    assert_eq!(app.get("/organizations").await.expect(200)["data"], json!([kept]));
    assert_eq!(app.get("/organizations?domains=gone.example").await.expect(200)["data"], json!([]));
    // As a cursor it is unknown, too.
    assert_eq!(app.get(format!("/organizations?after={}", id(&gone))).await.status, 422);
    assert_eq!(app.events().await, events);

    // What it held is free again, for a new organization that inherits nothing.
    let again = app.post("/organizations", data).await.expect(201);
    assert_ne!(id(&again), id(&gone));
    assert_ne!(again["domains"][0]["verification_token"], gone["domains"][0]["verification_token"]);
}

#[tokio::test]
async fn t4_fields_that_are_ours_cannot_be_set() {
    let app = TestApp::new().await;
    let other = app.post("/organizations", json!({ "name": "Other" })).await.expect(201);
    let ours = json!({
        "id": "org_01EHWNCE74X7JSDV0X3SZ3KJNY", "object": "user", "created_at": "2001-01-01T00:00:00.000Z",
        "updated_at": "2001-01-01T00:00:00.000Z", "deleted_at": "2001-01-01T00:00:00.000Z",
        "environment_id": app.b.id.to_string(), "state": "deleted", "organization_id": id(&other),
        "name": "Mine", "unheard_of": { "deep": [1, 2, 3] },
        "domain_data": [{
            "domain": "mine.example", "state": "pending", "id": "org_domain_01EHWNCE74X7JSDV0X3SZ3KJNY",
            "organization_id": id(&other), "verification_token": "mine", "verification_strategy": "manual",
            "verification_prefix": "mine",
        }],
    });
    let created = app.post("/organizations", ours.clone()).await.expect(201);
    let path = format!("/organizations/{}", id(&created));
    let updated = app.put(&path, ours).await.expect(200);
    for resource in [&created, &updated] {
        assert_ne!(id(resource), "org_01EHWNCE74X7JSDV0X3SZ3KJNY");
        assert_eq!(resource["object"], "organization");
        assert_eq!(resource["created_at"], app.app.clock.now().to_string());
        assert_eq!(resource["updated_at"], app.app.clock.now().to_string());
        let known = [
            "object",
            "id",
            "name",
            "allow_profiles_outside_organization",
            "domains",
            "metadata",
            "external_id",
            "created_at",
            "updated_at",
        ];
        assert!(resource.as_object().unwrap().keys().all(|key| known.contains(&key.as_str())), "{resource}");
        let domain = &resource["domains"][0];
        assert_eq!(domain["organization_id"], created["id"]);
        assert_eq!(domain["verification_strategy"], "dns");
        assert_eq!(domain["verification_token"].as_str().unwrap().len(), 25);
    }
    let in_b = app.request(Method::GET, "/organizations").key(&app.b.secret).send().await.expect(200);
    assert_eq!(in_b["data"], json!([]));
    // A stripe id belongs to PUT alone.
    let created = app.post("/organizations", json!({ "name": "New", "stripe_customer_id": "cus_9" })).await;
    assert!(!created.expect(201).as_object().unwrap().contains_key("stripe_customer_id"));
}

#[tokio::test]
async fn what_sdks_add_to_requests_is_tolerated() {
    let app = TestApp::new().await;
    let body = json!({ "name": "Foo Corp" }).to_string();
    for content_type in ["application/json", "application/json; charset=utf-8", "text/plain", ""] {
        let request = app.request(Method::POST, "/organizations?utm_source=sdk");
        let request = request.raw("application/json", body.clone()).header("content-type", content_type);
        let request = request.header("idempotency-key", "retry-2fe01467-f7ea-4dd2-8b79-c2b4f56d0191");
        request.header("accept", "application/json, text/plain, */*").send().await.expect(201);
    }
}
