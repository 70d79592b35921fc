//! An assertion counts once, and only as the answer to the request it was made for.

use std::collections::HashMap;

use futures_util::future::join_all;
use http::Method;
use testkit::forge::{Form, element_text, swap};
use testkit::{Answer, Asked, Browser, TestApp};

use crate::support::{Records, Saml, ada, code, exchange};

/// The ID of the assertion in a response.
fn assertion_id(xml: &str) -> String {
    let document = roxmltree::Document::parse(xml).unwrap();
    let assertion = document.descendants().find(|node| node.tag_name().name() == "Assertion").unwrap();
    assertion.attribute("ID").unwrap().to_owned()
}

/// A genuine answer whose assertion has an id that was used before.
fn answer_with_id(saml: &Saml, asked: &Asked, id: &str) -> String {
    let xml = saml.idp.response(&saml.app, asked, &ada());
    saml.idp.sign(&swap(&xml, &assertion_id(&xml), id), Form::Assertion)
}

#[tokio::test]
async fn s21_the_same_answer_twice_is_refused() {
    let saml = Saml::new().await;
    let (app, mut browser) = (&saml.app, Browser::new());
    let mut records = Records::watch(app).await;
    let asked = saml.begin(&mut browser).await;
    let xml = saml.answer(&asked, &ada());
    let code = code(&asked.post(app, &mut browser, &xml).await);
    for _ in 0..2 {
        let again = asked.post(app, &mut browser, &xml).await;
        records.refused(&again, "/error/flow-expired", "flow_already_used").await;
    }
    exchange(app, &code).await.expect(200);
    let again = asked.post(app, &mut browser, &xml).await;
    records.refused(&again, "/error/flow-expired", "flow_already_used").await;
}

#[tokio::test]
async fn s21_a_used_assertion_in_a_fresh_response_to_a_new_request_is_refused() {
    let saml = Saml::new().await;
    let (app, mut browser) = (&saml.app, Browser::new());
    let mut records = Records::watch(app).await;
    let asked = saml.begin(&mut browser).await;
    let xml = saml.answer(&asked, &ada());
    code(&asked.post(app, &mut browser, &xml).await);

    // Its confirmation still answers the old request.
    let next = saml.begin(&mut browser).await;
    let fresh = saml.idp.response(app, &next, &ada());
    let wrapped =
        swap(&fresh, &element_text(&fresh, &assertion_id(&fresh)), &element_text(&xml, &assertion_id(&xml)));
    let answer = next.post(app, &mut browser, &wrapped).await;
    records.refused(&answer, "server_error", "in_response_to_mismatch").await;

    // Even if the provider itself says the same once more, or after a failed try.
    for _ in 0..2 {
        let next = saml.begin(&mut browser).await;
        let again = answer_with_id(&saml, &next, &assertion_id(&xml));
        let answer = next.post(app, &mut browser, &again).await;
        records.refused(&answer, "server_error", "assertion_replayed").await;
    }
}

#[tokio::test]
async fn s21_another_process_knows_what_was_used() {
    let saml = Saml::new().await;
    let mut browser = Browser::new();
    let asked = saml.begin(&mut browser).await;
    let xml = saml.answer(&asked, &ada());
    code(&asked.post(&saml.app, &mut browser, &xml).await);

    let node = saml.app.another_node().await;
    let mut records = Records::watch(&node).await;
    let again = asked.post(&node, &mut browser, &xml).await;
    records.refused(&again, "/error/flow-expired", "flow_already_used").await;
    let next = saml.begin(&mut browser).await;
    let xml = answer_with_id(&saml, &next, &assertion_id(&xml));
    let answer = next.post(&node, &mut browser, &xml).await;
    records.refused(&answer, "server_error", "assertion_replayed").await;
    // A sign-in begun on one node ends on another.
    let next = saml.begin(&mut browser).await;
    code(&next.post(&node, &mut browser, &saml.answer(&next, &ada())).await);
}

/// Posts all answers at once, the even ones to one process and the odd ones to another.
async fn race(nodes: [&TestApp; 2], browser: &Browser, answers: &[(Asked, String)]) -> Vec<Answer> {
    join_all(answers.iter().enumerate().map(|(number, (asked, xml))| {
        let form = asked.form(xml);
        let form = form.each_ref().map(|(name, value)| (*name, value.as_str()));
        let path = url::Url::parse(&asked.acs_url).unwrap().path().to_owned();
        let request = nodes[number % 2].request(Method::POST, path).anonymous().form(&form);
        let request = browser.with_cookies(request);
        async move { tokio::spawn(request.send()).await.unwrap() }
    }))
    .await
}

/// Asserts that one answer was accepted, all others refused, and that the records say so.
async fn assert_one_winner(app: &TestApp, answers: &[Answer], codes: &[&str]) {
    let winners: Vec<_> = answers.iter().filter_map(|answer| answer.location_parameter("code")).collect();
    let [code] = winners.as_slice() else { panic!("{} codes", winners.len()) };
    let mut counts = HashMap::new();
    let page = app.get("/_portcullis/sign_ins?limit=100").await.expect(200);
    for record in page["data"].as_array().unwrap() {
        let status = record["status"].as_str().unwrap().to_owned();
        *counts.entry(status).or_insert(0) += 1;
        let failure = &record["failure"]["code"];
        assert!(failure.is_null() || codes.iter().any(|code| failure == code), "{record}");
    }
    assert_eq!((counts["authorized"], counts["failed"]), (1, answers.len() - 1), "{counts:?}");
    let failed = app.event_types().await;
    let failed = failed.iter().filter(|name| *name == "authentication.sso_failed").count();
    assert_eq!(failed, answers.len() - 1);
    exchange(app, code).await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn s21_of_twenty_equal_answers_at_once_one_counts() {
    let saml = Saml::new().await;
    let node = saml.app.another_node().await;
    let mut browser = Browser::new();
    let asked = saml.begin(&mut browser).await;
    let xml = saml.answer(&asked, &ada());
    let answers = vec![(asked, xml); 20];
    let answers = race([&saml.app, &node], &browser, &answers).await;
    assert_one_winner(&saml.app, &answers, &["flow_already_used"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn s21_of_twenty_sign_ins_with_one_assertion_id_one_counts() {
    let saml = Saml::new().await;
    let node = saml.app.another_node().await;
    let mut browser = Browser::new();
    let mut answers = Vec::new();
    for _ in 0..20 {
        let asked = saml.begin(&mut browser).await;
        let xml = answer_with_id(&saml, &asked, "_the-same");
        answers.push((asked, xml));
    }
    let answers = race([&saml.app, &node], &browser, &answers).await;
    assert_one_winner(&saml.app, &answers, &["assertion_replayed"]).await;
}

#[tokio::test]
async fn s22_what_was_not_asked_for_is_refused() {
    let saml = Saml::new().await;
    let (app, mut browser) = (&saml.app, Browser::new());
    let mut records = Records::watch(app).await;
    let asked = saml.begin(&mut browser).await;

    // Begun by the identity provider: without our RelayState, and without a request.
    let unasked = saml.idp.response(app, &asked, &ada());
    let unasked = swap(&unasked, &format!(" InResponseTo=\"{}\"", asked.id), "");
    let unasked = saml.idp.sign(&unasked, Form::Assertion);
    let without = Asked { relay_state: String::new(), ..asked.clone() };
    let answer = without.post(app, &mut browser, &unasked).await;
    records.refused(&answer, "/error/sign-in-failed", "unsolicited_response").await;
    let response = without.form(&unasked)[0].1.clone();
    let answer = browser.post(app, &asked.acs_url, &[("SAMLResponse", &response)]).await;
    records.refused(&answer, "/error/sign-in-failed", "unsolicited_response").await;

    // Two sign-ins in one browser, their answers exchanged: the one that was answered wrongly fails.
    let other = saml.begin(&mut browser).await;
    let answer = other.post(app, &mut browser, &saml.answer(&asked, &ada())).await;
    records.refused(&answer, "server_error", "in_response_to_mismatch").await;
    code(&asked.post(app, &mut browser, &saml.answer(&asked, &ada())).await);

    // With a running flow's RelayState, too.
    let next = saml.begin(&mut browser).await;
    let answer = next.post(app, &mut browser, &unasked).await;
    records.refused(&answer, "server_error", "unsolicited_response").await;
}
