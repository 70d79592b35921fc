//! Nobody answers for another connection, and nobody brings an address of somebody else's domain.

use http::Method;
use serde_json::json;
use testkit::forge::{Form, swap};
use testkit::{Asked, Browser, Person, SamlIdp, TestApp};

use crate::support::{Records, ada, code, customer, exchange};

/// Begins a sign-in through a connection of environment A.
async fn begin(app: &TestApp, browser: &mut Browser, connection: &str) -> Asked {
    Asked::by(&browser.authorize(app, &[("connection", connection)]).await)
}

/// The refusals of an answer that was made for another connection, whichever rule comes first.
const FOREIGN: [&str; 4] =
    ["issuer_mismatch", "destination_mismatch", "audience_mismatch", "signature_invalid"];

#[tokio::test]
async fn s23_one_connections_answer_is_no_answer_at_anothers_address() {
    let app = TestApp::new().await;
    let (victim, hostile) = (customer(&app).await, app.organization("Hostile", &["hostile.example"]).await);
    let honest = SamlIdp::new();
    let target = honest.connect(&app, &victim).await;
    // Another tenant's own provider; one that calls itself like the victim's; and the victim's own provider,
    // of which another tenant is a customer too.
    let own = SamlIdp::named("https://idp.hostile.example/metadata", "attacker");
    let pretender = SamlIdp { key: "attacker", ..SamlIdp::new() };
    for idp in [own, pretender, honest.clone()] {
        let connection = idp.connect(&app, &hostile).await;
        let mut browser = Browser::new();
        let mut records = Records::watch(&app).await;
        let there = begin(&app, &mut browser, &connection).await;
        let here = begin(&app, &mut browser, &target).await;
        let person = Person::new("mallory", "ada@example.com");
        for form in [Form::Assertion, Form::Response, Form::Both] {
            let xml = idp.sign(&idp.response(&app, &there, &person), form);

            // With its own RelayState: there is no such sign-in at this address.
            let astray = Asked { acs_url: here.acs_url.clone(), ..there.clone() };
            let answer = astray.post(&app, &mut browser, &xml).await;
            let record = records.refused(&answer, "/error/sign-in-failed", "unknown_flow").await;
            assert_eq!(record["connection_id"], target.as_str());

            // With the RelayState of a sign-in that was begun here, and as the answer to its request.
            let mine = begin(&app, &mut browser, &target).await;
            let meant = Asked { id: mine.id.clone(), ..there.clone() };
            let xml = idp.sign(&idp.response(&app, &meant, &person), form);
            let answer = mine.post(&app, &mut browser, &xml).await;
            let (record, _) = records.failed_with(&FOREIGN).await;
            crate::support::assert_refused(&answer, "server_error");
            assert_eq!(record["organization_id"], victim.as_str());
        }
        // The hostile provider says everything the victim's would say, but can't sign it.
        if idp.key == "attacker" {
            let mine = begin(&app, &mut browser, &target).await;
            let xml = idp.sign(&honest.response(&app, &mine, &person), Form::Both);
            let answer = mine.post(&app, &mut browser, &xml).await;
            records.refused(&answer, "server_error", "signature_invalid").await;
        }
        // Neither sign-in suffered.
        code(
            &here
                .post(&app, &mut browser, &honest.sign(&honest.response(&app, &here, &ada()), Form::Both))
                .await,
        );
        let xml = idp.sign(&idp.response(&app, &there, &Person::new("m", "m@hostile.example")), Form::Both);
        code(&there.post(&app, &mut browser, &xml).await);
    }
}

#[tokio::test]
async fn s23_environments_do_not_answer_for_each_other() {
    let app = TestApp::new().await;
    let idp = SamlIdp::new();
    let ours = idp.connect(&app, &customer(&app).await).await;
    let theirs = {
        let request =
            |path: &str, body| app.request(Method::POST, path).key(&app.b.secret).json(&body).send();
        let data = json!({ "name": "B", "domain_data": [{ "domain": "example.com", "state": "verified" }] });
        let organization = request("/organizations", data).await.expect(201)["id"].clone();
        let data = json!({ "organization_id": organization, "saml_options": idp.options() });
        let made = request("/connections", data).await.expect(201);
        made["saml_options"]["acs_url"].as_str().unwrap().to_owned()
    };
    let mut browser = Browser::new();
    let asked = begin(&app, &mut browser, &ours).await;
    let xml = idp.sign(&idp.response(&app, &asked, &ada()), Form::Both);
    let astray = Asked { acs_url: theirs, ..asked.clone() };
    let answer = astray.post(&app, &mut browser, &xml).await;
    assert_eq!(answer.location(), "https://auth.example.com/error/sign-in-failed");
    // It is on B's record, where B's operator looks; A's has nothing of it.
    Records::watch(&app).await.nothing_more().await;
    let request = app.request(Method::GET, "/_portcullis/sign_ins").key(&app.b.secret);
    assert_eq!(request.send().await.expect(200)["data"][0]["failure"]["code"], "unknown_flow");
    code(&asked.post(&app, &mut browser, &xml).await);
    // B's connection can't be named with A's client.
    let id = {
        let request = app.request(Method::GET, "/connections").key(&app.b.secret);
        request.send().await.expect(200)["data"][0]["id"].as_str().unwrap().to_owned()
    };
    let answer = browser.authorize(&app, &[("connection", &id)]).await;
    assert_eq!(answer.location_parameter("error").as_deref(), Some("connection_invalid"));
}

#[tokio::test]
async fn s23_an_answer_at_nobodys_address_ends_nothing() {
    let app = TestApp::new().await;
    let idp = SamlIdp::new();
    let organization = customer(&app).await;
    let (connection, gone) = (idp.connect(&app, &organization).await, idp.connect(&app, &organization).await);
    let mut browser = Browser::new();
    let there = begin(&app, &mut browser, &gone).await;
    app.delete(format!("/connections/{gone}")).await.expect(204);
    let asked = begin(&app, &mut browser, &connection).await;
    let xml = idp.sign(&idp.response(&app, &asked, &ada()), Form::Both);
    let nowhere =
        asked.acs_url.replace(asked.acs_url.rsplit('/').next().unwrap(), "0123456789abcdefghijklmno");
    for acs_url in [there.acs_url, nowhere] {
        let astray = Asked { acs_url, ..asked.clone() };
        astray.post(&app, &mut browser, &xml).await.expect(404);
    }
    Records::watch(&app).await.nothing_more().await;
    code(&asked.post(&app, &mut browser, &xml).await);
}

#[tokio::test]
async fn s25_an_address_outside_the_verified_domains_is_refused() {
    let app = TestApp::new().await;
    let idp = SamlIdp::new();
    let domains = json!([
        { "domain": "example.com", "state": "verified" }, { "domain": "pending.example", "state": "pending" },
    ]);
    let organization =
        app.post("/organizations", json!({ "name": "Guarded", "domain_data": domains })).await.expect(201);
    app.organization("Other", &["other.example"]).await;
    let connection = idp.connect(&app, organization["id"].as_str().unwrap()).await;
    let mut records = Records::watch(&app).await;
    let told = "profile_not_allowed_outside_organization";
    for email in [
        "ada@evil.example",
        "ada@sub.example.com",
        "ada@com",
        "ada@xample.com",
        "ada@notexample.com",
        "ada@example.com.evil.example",
        "ada@pending.example",
        "ada@other.example",
        "example.com@evil.example",
    ] {
        let (told, reason) =
            if email == "ada@com" { ("server_error", "invalid_attributes") } else { (told, told) };
        let answer = idp.sign_in(&app, &mut Browser::new(), &connection, &Person::new("ada", email)).await;
        let record = records.refused(&answer, told, reason).await;
        assert_eq!(record["profile_id"], json!(null));
    }
    // Two readings of one address.
    for email in [
        "ada@evil.example@example.com",
        "ada@example.com@evil.example",
        "ada@example.com,eve@evil.example",
        "ada@evil.example <ada@example.com>",
        "\"ada@evil.example\"@example.com",
        "ada@example.com\u{3002}evil.example",
        "ada@ex\u{430}mple.com",
        "ada@example.com/.evil.example",
        "ada@[127.0.0.1]",
        "ada",
        "@example.com",
    ] {
        let answer = idp.sign_in(&app, &mut Browser::new(), &connection, &Person::new("ada", email)).await;
        records.refused(&answer, "server_error", "invalid_attributes").await;
    }
    // Names of hosts don't know capitals.
    let answer =
        idp.sign_in(&app, &mut Browser::new(), &connection, &Person::new("ada", "Ada@Example.COM")).await;
    let granted = exchange(&app, &code(&answer)).await.expect(200);
    assert_eq!(granted["profile"]["email"], "Ada@Example.COM");
}

#[tokio::test]
async fn s25_without_a_verified_domain_nobody_may_in_unless_the_organization_says_so() {
    let app = TestApp::new().await;
    let idp = SamlIdp::new();
    let organization = app.organization("No domains", &[]).await;
    let connection = idp.connect(&app, &organization).await;
    let mut records = Records::watch(&app).await;
    let told = "profile_not_allowed_outside_organization";
    let answer = idp.sign_in(&app, &mut Browser::new(), &connection, &ada()).await;
    records.refused(&answer, told, told).await;

    let path = format!("/organizations/{organization}");
    app.put(&path, json!({ "allow_profiles_outside_organization": true })).await.expect(200);
    for email in ["ada@example.com", "guest@elsewhere.example"] {
        let answer = idp.sign_in(&app, &mut Browser::new(), &connection, &Person::new(email, email)).await;
        exchange(&app, &code(&answer)).await.expect(200);
    }
    // It counts what holds when the answer comes, not what held when the sign-in began.
    let mut browser = Browser::new();
    let asked = begin(&app, &mut browser, &connection).await;
    app.put(&path, json!({ "allow_profiles_outside_organization": false })).await.expect(200);
    let xml = idp.sign(&idp.response(&app, &asked, &ada()), Form::Assertion);
    records.refused(&asked.post(&app, &mut browser, &xml).await, told, told).await;
}

#[tokio::test]
async fn s18_s19_an_answer_for_another_service_provider_is_refused() {
    // The provider's answer to another of its customers' applications, forwarded by that application.
    let app = TestApp::new().await;
    let idp = SamlIdp::new();
    let connection = idp.connect(&app, &customer(&app).await).await;
    let mut browser = Browser::new();
    let mut records = Records::watch(&app).await;
    for (reason, from, to) in [
        ("audience_mismatch", "sp", "https://another-app.example"),
        ("recipient_mismatch", "recipient", "https://another-app.example/acs"),
        ("destination_mismatch", "destination", "https://another-app.example/acs"),
    ] {
        let asked = begin(&app, &mut browser, &connection).await;
        let xml = idp.response(&app, &asked, &ada());
        let xml = match from {
            "sp" => swap(&xml, &asked.sp_entity_id, to),
            "recipient" => {
                swap(&xml, &format!("Recipient=\"{}\"", asked.acs_url), &format!("Recipient=\"{to}\""))
            }
            _ => swap(&xml, &format!("Destination=\"{}\"", asked.acs_url), &format!("Destination=\"{to}\"")),
        };
        let answer = asked.post(&app, &mut browser, &idp.sign(&xml, Form::Both)).await;
        records.refused(&answer, "server_error", reason).await;
    }
}
