//! SAML as it should go, and what every request and answer must be like.

use std::collections::HashSet;

use serde_json::{Value, json};
use testkit::forge::{FORMS, Form, swap};
use testkit::{Asked, Browser, CALLBACK, SamlIdp, TestApp};

use crate::support::{Records, Saml, ada, code, customer, exchange, profile};

#[tokio::test]
async fn s0_a_sign_in_leads_to_the_profile_whichever_part_is_signed() {
    for form in FORMS {
        let saml = Saml::new().await;
        let (app, mut browser) = (&saml.app, Browser::new());
        let asked = saml.begin(&mut browser).await;
        assert!(!asked.force_authn);
        let connection = app.get(format!("/connections/{}", saml.connection)).await.expect(200);
        assert_eq!(connection["state"], "validating");
        assert_eq!(connection["saml_options"]["acs_url"], asked.acs_url);
        assert_eq!(connection["saml_options"]["sp_entity_id"], asked.sp_entity_id);

        let xml = saml.idp.sign(&saml.idp.response(app, &asked, &ada()), form);
        let answer = asked.post(app, &mut browser, &xml).await;
        let code = code(&answer);
        assert_eq!(answer.location(), format!("{CALLBACK}?code={code}&state=s"), "{form:?}");

        let granted = exchange(app, &code).await.expect(200);
        let person = json!({
            "object": "profile", "id": granted["profile"]["id"],
            "organization_id": saml.organization, "connection_id": saml.connection,
            "connection_type": "GenericSAML", "idp_id": "ada-1815", "email": "ada@example.com",
            "first_name": "Ada", "last_name": "Lovelace", "name": "Ada Lovelace", "role": null, "roles": null,
            "groups": ["engineers", "mathematicians"], "custom_attributes": {},
            "raw_attributes": {
                "id": "ada-1815", "email": "ada@example.com", "firstName": "Ada", "lastName": "Lovelace",
                "groups": ["engineers", "mathematicians"],
            },
        });
        let access_token = granted["access_token"].as_str().unwrap();
        assert_eq!(
            granted,
            json!({
                "token_type": "Bearer", "access_token": access_token, "expires_in": 600, "profile": person,
            })
        );
        assert_eq!(profile(app, access_token).await.expect(200), person);

        let mut types = app.event_types().await;
        types.retain(|name| !name.starts_with("organization"));
        // Told within one millisecond, they come in any order.
        types.sort_unstable();
        assert_eq!(
            types,
            ["authentication.sso_started", "authentication.sso_succeeded", "connection.activated"]
        );
        let record = app.get("/_portcullis/sign_ins").await.expect(200)["data"][0].clone();
        assert_eq!((&record["status"], &record["failure"]), (&json!("succeeded"), &Value::Null));
        assert_eq!(record["profile_id"], person["id"]);
    }
}

#[tokio::test]
async fn s35_request_ids_are_unguessable_unique_and_expire() {
    let saml = Saml::new().await;
    let mut browser = Browser::new();
    let (mut ids, mut handles) = (HashSet::new(), HashSet::new());
    for _ in 0..200 {
        let asked = saml.begin(&mut browser).await;
        let random = asked.id.strip_prefix('_').unwrap();
        assert!(random.len() * 4 >= 128 && random.bytes().all(|byte| byte.is_ascii_hexdigit()), "{random}");
        assert!(asked.relay_state.len() >= 22, "letters and digits carry under 6 bits each");
        assert!(ids.insert(asked.id) && handles.insert(asked.relay_state), "repeated");
    }
    // No two have much in common: nothing counts up in them.
    let ids: Vec<Vec<u8>> = ids.iter().map(|id| id.as_bytes().to_vec()).collect();
    for pair in ids.windows(2) {
        let same = pair[0].iter().zip(&pair[1]).filter(|(a, b)| a == b).count();
        assert!(same < 20, "{pair:?}");
    }

    let mut records = Records::watch(&saml.app).await;
    let asked = saml.begin(&mut browser).await;
    saml.app.advance(15 * 60_000 - 1);
    let last = saml.begin(&mut browser).await;
    saml.app.advance(1);
    let answer = asked.post(&saml.app, &mut browser, &saml.answer(&asked, &ada())).await;
    records.refused(&answer, "/error/flow-expired", "flow_expired").await;
    code(&last.post(&saml.app, &mut browser, &saml.answer(&last, &ada())).await);
}

#[tokio::test]
async fn s43_who_must_sign_in_anew_may_not_come_with_an_old_sign_in() {
    let saml = Saml::new().await;
    let (app, mut browser) = (&saml.app, Browser::new());
    let mut records = Records::watch(app).await;
    let parameters = [("connection", saml.connection.as_str()), ("prompt", "login"), ("state", "s")];
    let now = app.app.clock.now();
    for (age, is_good) in [(0, true), (179_000, true), (181_000, false), (86_400_000, false)] {
        let asked = Asked::by(&browser.authorize(app, &parameters).await);
        assert!(asked.force_authn);
        let xml = saml.idp.response(app, &asked, &ada());
        let (instant, old) = (now.plus(-10_000).to_string(), now.plus(-age).to_string());
        let xml = swap(&xml, &format!("AuthnInstant=\"{instant}\""), &format!("AuthnInstant=\"{old}\""));
        let answer = asked.post(app, &mut browser, &saml.idp.sign(&xml, Form::Assertion)).await;
        match is_good {
            true => drop(code(&answer)),
            false => drop(records.refused(&answer, "server_error", "authentication_too_old").await),
        }
    }
    // Nobody asked for that: a session at the identity provider is what single sign-on is for.
    let asked = saml.begin(&mut browser).await;
    let old = now.plus(-86_400_000).to_string();
    let instant = now.plus(-10_000).to_string();
    let xml = swap(&saml.idp.response(app, &asked, &ada()), &instant, &old);
    code(&asked.post(app, &mut browser, &saml.idp.sign(&xml, Form::Assertion)).await);
}

#[tokio::test]
async fn s30_a_certificate_that_was_replaced_is_out_at_once_on_every_node() {
    let saml = Saml::new().await;
    let node = saml.app.another_node().await;
    let mut browser = Browser::new();
    code(&saml.idp.sign_in(&node, &mut browser, &saml.connection, &ada()).await);
    let next = SamlIdp { key: "other", ..SamlIdp::new() };
    let options = json!({ "saml_options": { "idp_signing_certs": next.options()["idp_signing_certs"] } });
    saml.app.patch(format!("/connections/{}", saml.connection), options).await.expect(200);
    for app in [&saml.app, &node] {
        let mut records = Records::watch(app).await;
        let answer = saml.idp.sign_in(app, &mut browser, &saml.connection, &ada()).await;
        records.refused(&answer, "server_error", "signature_invalid").await;
        code(&next.sign_in(app, &mut browser, &saml.connection, &ada()).await);
    }
}

#[tokio::test]
async fn s0_elliptic_keys_and_several_certificates_work() {
    let app = TestApp::new().await;
    let organization = customer(&app).await;
    let (first, second) = (SamlIdp::new(), SamlIdp { key: "p256", ..SamlIdp::new() });
    let mut options = first.options();
    let certificates = [&first, &second].map(|idp| idp.options()["idp_signing_certs"][0].clone());
    options["idp_signing_certs"] = json!(certificates);
    let connection = json!({ "organization_id": organization, "saml_options": options });
    let connection = app.post("/connections", connection).await.expect(201)["id"].clone();
    for idp in [first, second] {
        code(&idp.sign_in(&app, &mut Browser::new(), connection.as_str().unwrap(), &ada()).await);
    }
}
