//! What an event looks like, and which ones a request gets.

use http::Method;
use kernel::Timestamp;
use kernel::clock::{DAY, MINUTE};
use serde_json::{Value, json};
use testkit::TestApp;

use crate::{create, ids, types};

const UNKNOWN: &str = "event_01EHWNCE74X7JSDV0X3SZ3KJNY";

/// Creates this many organizations, one each minute; gives the ids of the events, oldest first.
async fn one_a_minute(app: &TestApp, count: usize) -> Vec<String> {
    for number in 0..count {
        create(app, &format!("Organization {number}")).await;
        app.advance(MINUTE);
    }
    ids(&app.get("/events?limit=100").await.expect(200))
}

#[tokio::test]
async fn an_event_is_its_envelope_with_the_resource_inside() {
    let app = TestApp::new().await;
    let now = app.app.clock.now().to_string();
    let organization = create(&app, "Foo Corp").await;
    let list = app.get("/events").await.expect(200);
    let key: Vec<(String, String)> = app
        .app
        .db
        .read("SELECT id, name FROM api_keys WHERE environment_id = $1", store::params![app.a.id])
        .await
        .unwrap();
    let event_id = ids(&list).remove(0);
    let expected = json!({
        "object": "list",
        "data": [{
            "object": "event",
            "id": event_id,
            "event": "organization.created",
            "data": {
                "object": "organization",
                "id": organization,
                "name": "Foo Corp",
                "domains": [],
                "metadata": {},
                "external_id": null,
                "created_at": now,
                "updated_at": now,
            },
            "created_at": now,
            "context": { "actor": { "id": key[0].0, "source": "api", "name": key[0].1 } },
        }],
        "list_metadata": { "before": null, "after": null },
    });
    assert_eq!(list, expected);
    assert!(event_id.starts_with("event_") && event_id.len() == 32, "{event_id}");
}

#[tokio::test]
async fn oldest_come_first_unless_another_order_is_asked_for() {
    let app = TestApp::new().await;
    let all = one_a_minute(&app, 12).await;
    let newest: Vec<String> = all.iter().rev().cloned().collect();
    for (query, onward, back, expected) in [
        ("", "after", "before", &all),
        ("&order=asc", "after", "before", &all),
        ("&order=desc", "after", "before", &newest),
        ("&order=normal", "before", "after", &newest),
    ] {
        let page = app.get(format!("/events?limit=5{query}")).await.expect(200);
        assert_eq!(ids(&page), expected[..5], "{query}");
        assert_eq!(page["list_metadata"][back], Value::Null, "{query}");
        assert_eq!(page["list_metadata"][onward], expected[4], "{query}");
        let next = app.get(format!("/events?limit=5{query}&{onward}={}", expected[4])).await.expect(200);
        assert_eq!(ids(&next), expected[5..10], "{query}");
        let last = app.get(format!("/events?limit=5{query}&{onward}={}", expected[9])).await.expect(200);
        assert_eq!(ids(&last), expected[10..], "{query}");
        assert_eq!(last["list_metadata"][onward], Value::Null, "{query}");
        let returned = app.get(format!("/events?limit=5{query}&{back}={}", expected[10])).await.expect(200);
        assert_eq!(ids(&returned), expected[5..10], "{query}");
        let none = app.get(format!("/events?limit=5{query}&{onward}={}", expected[11])).await.expect(200);
        assert_eq!(none["data"], json!([]), "{query}");
    }
    // A consumer that stored the last id it saw goes on from there.
    let seen = all.last().unwrap();
    create(&app, "Late").await;
    let late = app.get(format!("/events?after={seen}")).await.expect(200);
    assert_eq!(late["data"][0]["data"]["name"], "Late");
    assert_eq!(ids(&late).len(), 1);
    assert_eq!(ids(&app.get("/events").await.expect(200)), all[..10]);
}

#[tokio::test]
async fn events_filters_by_type_in_every_encoding() {
    let app = TestApp::new().await;
    let organization = create(&app, "Foo Corp").await;
    let path = format!("/organizations/{organization}");
    app.put(&path, json!({ "domains": ["foo-corp.com"] })).await.expect(200);
    app.put(&path, json!({ "name": "Foo Inc" })).await.expect(200);
    app.delete(&path).await.expect(202);
    let deleted = "organization.deleted";
    let (created, updated) = ("organization.created", "organization.updated");
    for (query, expected) in [
        ("", vec![created, updated, "organization_domain.created", updated, deleted]),
        ("events=", vec![created, updated, "organization_domain.created", updated, deleted]),
        ("events=organization.created", vec![created]),
        ("events=organization.created,organization.deleted", vec![created, deleted]),
        ("events=organization.created&events=organization.deleted", vec![created, deleted]),
        ("events[]=organization.created&events[]=organization.deleted", vec![created, deleted]),
        ("events%5B0%5D=organization.created&events%5B1%5D=organization.deleted", vec![created, deleted]),
        ("events=organization.updated,organization.updated", vec![updated, updated]),
        ("events=dsync.user.created,vault.data.read", vec![]),
    ] {
        let list = app.get(format!("/events?{query}")).await.expect(200);
        assert_eq!(types(&list), expected, "{query}");
    }
    // A cursor need not be of the type that is asked for.
    let first = ids(&app.get("/events").await.expect(200)).remove(0);
    let list =
        app.get(format!("/events?events=organization.updated&limit=1&after={first}")).await.expect(200);
    assert_eq!(types(&list), [updated]);
    assert!(list["list_metadata"]["after"].is_string());
}

#[tokio::test]
async fn unknown_types_are_named() {
    let app = TestApp::new().await;
    let answer = app.get("/events?events=organization.created,nonsense,organization.*").await.expect(422);
    assert_eq!(
        answer,
        json!({
            "message": "Validation failed",
            "code": "invalid_request_parameters",
            "errors": [
                { "code": "unknown_event_type", "field": "nonsense" },
                { "code": "unknown_event_type", "field": "organization.*" },
            ],
        })
    );
    let many: Vec<String> = (0..5000).map(|number| format!("x{number}")).collect();
    let answer = app.get(format!("/events?events={}", many.join(","))).await.expect(422);
    assert_eq!(answer["errors"].as_array().unwrap().len(), 10);
    for spelling in ["Organization.created", "organization.created%20x", "ORGANIZATION.CREATED", "*"] {
        app.get(format!("/events?events={spelling}")).await.expect(422);
    }
    for name in webhooks::EVENT_TYPES {
        app.get(format!("/events?events={name}")).await.expect(200);
    }
}

#[tokio::test]
async fn ranges_begin_with_their_start_and_end_before_their_end() {
    let app = TestApp::new().await;
    let first = app.app.clock.now();
    let all = one_a_minute(&app, 6).await;
    let at = |minutes: i64| first.plus(minutes * MINUTE).to_string();
    let list = async |query: String| ids(&app.get(format!("/events?{query}")).await.expect(200));
    assert_eq!(list(format!("range_start={}", at(2))).await, all[2..]);
    assert_eq!(list(format!("range_end={}", at(2))).await, all[..2]);
    assert_eq!(list(format!("range_start={}&range_end={}", at(1), at(4))).await, all[1..4]);
    assert_eq!(list(format!("range_start={}&range_end={}", at(3), at(3))).await, [""; 0]);
    assert_eq!(list(format!("range_start={}", at(60))).await, [""; 0]);
    // Other ways to write an instant.
    let day = first.to_string()[..10].to_owned();
    assert_eq!(list(format!("range_start={day}")).await, all);
    assert_eq!(list(format!("range_end={day}")).await, [""; 0]);
    let whole = Timestamp(first.0 / 1000 * 1000).to_string().replace(".000Z", "%2B00:00");
    assert_eq!(list(format!("range_start={whole}")).await, all);
    // A cursor from before the range is known, and the range holds all the same.
    assert_eq!(list(format!("after={}&range_start={}", all[0], at(3))).await, all[3..]);
    assert_eq!(list(format!("after={}&range_end={}", all[0], at(3))).await, all[1..3]);
    let newest_first: Vec<String> = all[1..4].iter().rev().cloned().collect();
    let query = format!("range_start={}&range_end={}&order=desc", at(1), at(4));
    assert_eq!(list(query).await, newest_first);
}

#[tokio::test]
async fn ranges_that_cannot_be_meant_are_refused() {
    let app = TestApp::new().await;
    let now = app.app.clock.now();
    let start = now.plus(-40 * DAY);
    for (query, field) in [
        ("range_start=yesterday".to_owned(), "range_start"),
        ("range_end=1768478400000".to_owned(), "range_end"),
        ("range_start=2026-13-01T00:00:00Z".to_owned(), "range_start"),
        ("range_start=2026-02-30".to_owned(), "range_start"),
        (format!("range_start={now}&range_end={}", now.plus(-1)), "range_end"),
        (format!("range_start={start}&range_end={}", start.plus(30 * DAY + 1)), "range_end"),
        ("organization_id=conn_01EHWNCE74X7JSDV0X3SZ3KJNY".to_owned(), "organization_id"),
        ("organization_id=x".to_owned(), "organization_id"),
        ("limit=0".to_owned(), "limit"),
        ("limit=101".to_owned(), "limit"),
        ("order=oldest".to_owned(), "order"),
    ] {
        let answer = app.get(format!("/events?{query}")).await.expect(422);
        assert_eq!(answer["errors"], json!([{ "code": "invalid", "field": field }]), "{query}");
    }
    app.get(format!("/events?range_start={start}&range_end={}", start.plus(30 * DAY))).await.expect(200);
}

#[tokio::test]
async fn cursors_must_name_an_event_of_the_environment() {
    let app = TestApp::new().await;
    create(&app, "Foo Corp").await;
    let seen = ids(&app.get("/events").await.expect(200)).remove(0);
    let in_b = app.request(Method::POST, "/organizations").key(&app.b.secret).json(&json!({ "name": "B" }));
    in_b.send().await.expect(201);
    let list = app.request(Method::GET, "/events").key(&app.b.secret).send().await.expect(200);
    let foreign = ids(&list).remove(0);
    assert_eq!(ids(&list).len(), 1);
    for cursor in [UNKNOWN, &foreign, "org_01EHWNCE74X7JSDV0X3SZ3KJNY", "garbage", "0", "%27%3B--"] {
        for name in ["after", "before"] {
            let answer = app.get(format!("/events?{name}={cursor}")).await;
            let message = "No event has the id given as cursor.";
            assert_eq!(answer.expect(400), json!({ "message": message }), "{name}={cursor}");
        }
    }
    let both = app.get(format!("/events?before={seen}&after={seen}")).await.expect(422);
    assert_eq!(both["errors"][0], json!({ "code": "exclusive", "field": "before" }));
}

#[tokio::test]
async fn organization_id_filters_also_what_is_gone() {
    let app = TestApp::new().await;
    let one = create(&app, "One").await;
    let two = create(&app, "Two").await;
    app.delete(format!("/organizations/{one}")).await.expect(202);
    for (organization, expected) in [
        (one.as_str(), vec!["organization.created", "organization.deleted"]),
        (&two, vec!["organization.created"]),
        ("org_01EHWNCE74X7JSDV0X3SZ3KJNY", vec![]),
    ] {
        let list = app.get(format!("/events?organization_id={organization}")).await.expect(200);
        assert_eq!(types(&list), expected);
    }
    let list =
        app.get(format!("/events?organization_id={one}&events=organization.deleted")).await.expect(200);
    assert_eq!(types(&list), ["organization.deleted"]);
}

#[tokio::test]
async fn events_can_be_read_for_90_days() {
    let app = TestApp::new().await;
    create(&app, "Old").await;
    let old = ids(&app.get("/events").await.expect(200)).remove(0);
    app.advance(90 * DAY);
    create(&app, "New").await;
    assert_eq!(ids(&app.get("/events").await.expect(200)).len(), 2);
    app.advance(DAY);
    let list = app.get("/events").await.expect(200);
    assert_eq!(list["data"][0]["data"]["name"], "New");
    assert_eq!(ids(&list).len(), 1);
    // No range reaches further back, and who stored an older cursor is told.
    let start = app.app.clock.now().plus(-100 * DAY);
    let list = app.get(format!("/events?range_start={start}")).await.expect(200);
    assert_eq!(ids(&list).len(), 1);
    assert_eq!(app.get(format!("/events?after={old}")).await.status, 400);
}

#[tokio::test]
async fn what_is_rolled_back_leaves_no_event() {
    let app = TestApp::new().await;
    app.organization("Owner", &["foo-corp.com"]).await;
    let before = app.events().await;
    let claim = json!({ "name": "Rival", "domain_data": [
        { "domain": "other.example", "state": "verified" }, { "domain": "foo-corp.com", "state": "verified" },
    ]});
    app.post("/organizations", claim).await.expect(409);
    assert_eq!(app.events().await, before);
}
