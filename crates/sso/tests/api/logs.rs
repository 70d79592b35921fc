//! S41: the log tells what happened, never to whom or with what.

use http::Method;
use serde_json::json;
use testkit::forge::{Form, swap};
use testkit::oidc_provider::{CLIENT_SECRET, Reply};
use testkit::{Browser, Logs, OidcProvider, Person, SamlIdp, TestApp};

use crate::support::{code, customer, exchange, profile, token};

/// What is secret or personal, as it goes by.
#[derive(Default)]
struct Secrets(Vec<(&'static str, String)>);

impl Secrets {
    fn note(&mut self, what: &'static str, value: impl Into<String>) {
        let value = value.into();
        assert!(value.len() >= 6, "{what} is too short to look for: {value}");
        self.0.push((what, value));
    }

    fn assert_absent(&self, text: &str) {
        for (what, value) in &self.0 {
            let escaped = percent_encoding::utf8_percent_encode(value, percent_encoding::NON_ALPHANUMERIC);
            for form in [value.clone(), escaped.to_string(), value.replace('@', "%40")] {
                let found = text.find(&form);
                let around = found.map(|at| &text[at.saturating_sub(300)..(at + 100).min(text.len())]);
                assert_eq!(around, None, "{what} is in the log");
            }
        }
    }
}

/// A person whose every detail can be found again.
fn person() -> Person {
    let mut person = Person::new("canary-idp-id-1815", "canary-mail@example.com");
    person.first_name = "CanaryFirst".to_owned();
    person.last_name = "CanaryLast".to_owned();
    person.groups = vec!["canary-group".to_owned()];
    person
}

fn note_person(secrets: &mut Secrets) {
    let person = person();
    secrets.note("id", person.id);
    secrets.note("e-mail", person.email);
    secrets.note("first name", person.first_name);
    secrets.note("last name", person.last_name);
    secrets.note("group", person.groups[0].clone());
}

#[tokio::test]
async fn s41_a_saml_sign_in_leaves_no_names_and_no_secrets_in_the_log() {
    let logs = Logs::capture();
    let app = TestApp::new().await;
    let mut secrets = Secrets::default();
    note_person(&mut secrets);
    secrets.note("API key", app.a.secret.as_str());
    let idp = SamlIdp::new();
    let connection = idp.connect(&app, &customer(&app).await).await;
    let state = "canary-state-of-the-application";
    secrets.note("state", state);
    // Once good, and refused in many ways.
    for change in ["", "signature", "audience", "attributes", "replay", "browser", "garbage"] {
        let mut browser = Browser::new();
        let parameters = [
            ("connection", connection.as_str()),
            ("state", state),
            ("login_hint", "canary-hint@example.com"),
        ];
        let begun = browser.authorize(&app, &parameters).await;
        let cookie = begun.header("set-cookie").split(['=', ';']).nth(1).unwrap().to_owned();
        secrets.note("cookie", cookie);
        let asked = testkit::Asked::by(&begun);
        secrets.note("RelayState", asked.relay_state.as_str());
        let xml = idp.response_with(&app, &asked, "canary-name-id", &person().attributes());
        let xml = match change {
            "audience" => swap(&xml, &format!(">{}<", asked.sp_entity_id), ">https://other.example<"),
            "attributes" => swap(&xml, "Name=\"firstName\"", "Name=\"canary-attribute\""),
            _ => xml,
        };
        let xml = idp.sign(&xml, Form::Both);
        let xml = match change {
            "signature" => swap(&xml, "canary-group", "canary-grout"),
            "garbage" => format!("<!DOCTYPE canary-doctype>{xml}"),
            _ => xml,
        };
        let [(_, response), _] = asked.form(&xml);
        secrets.note("SAMLResponse", &response[..200]);
        if change == "browser" {
            browser = Browser::new();
        }
        let answer = asked.post(&app, &mut browser, &xml).await;
        if matches!(change, "" | "replay") {
            let code = code(&answer);
            secrets.note("code", code.as_str());
            if change == "replay" {
                asked.post(&app, &mut browser, &xml).await;
            }
            let wrong = [
                ("client_id", app.a.client_id.as_str()),
                ("client_secret", "canary-wrong-secret"),
                ("code", &code),
            ];
            token(&app, &wrong).await;
            let granted = exchange(&app, &code).await.expect(200);
            let access_token = granted["access_token"].as_str().unwrap();
            secrets.note("access token", access_token);
            profile(&app, access_token).await.expect(200);
            exchange(&app, &code).await.expect(400);
            profile(&app, access_token).await.expect(401);
        }
    }
    for (what, value) in [
        ("NameID", "canary-name-id"),
        ("attribute", "canary-attribute"),
        ("doctype", "canary-doctype"),
        ("login_hint", "canary-hint"),
        ("wrong secret", "canary-wrong-secret"),
    ] {
        secrets.note(what, value);
    }
    // In the address, where one SDK puts them.
    let path = format!("/sso/token?client_id=x&client_secret={}&code=canary-query-code", app.a.secret);
    app.request(Method::POST, path).anonymous().send().await;
    secrets.note("code in the query", "canary-query-code");

    let text = logs.text();
    assert!(
        text.contains("/sso/saml/acs/{external_key}") && text.contains("/sso/token"),
        "nothing was captured"
    );
    secrets.assert_absent(&text);
}

#[tokio::test]
async fn s41_an_openid_sign_in_leaves_no_names_and_no_secrets_in_the_log() {
    let logs = Logs::capture();
    let app = TestApp::new().await;
    let mut secrets = Secrets::default();
    note_person(&mut secrets);
    secrets.note("client secret", CLIENT_SECRET);
    let provider = OidcProvider::start().await;
    let connection = provider.connect(&app, &customer(&app).await).await;
    let fetch = json!({ "oidc_options": { "fetch_user_info": true } });
    app.patch(format!("/connections/{connection}"), fetch).await.expect(200);
    for change in ["", "id_token", "token", "userinfo", "denied", "browser"] {
        provider.repent();
        let mut browser = Browser::new();
        let begun = browser.authorize(&app, &[("connection", &connection)]).await;
        for name in ["state", "nonce", "code_challenge"] {
            secrets.note(name, begun.location_parameter(name).unwrap());
        }
        match change {
            "id_token" => provider.id_tokens(|issuer, mut claims| {
                claims["aud"] = json!("another");
                issuer.token(&claims)
            }),
            "token" => {
                let refusal = "{\"error\":\"canary-answer\"}";
                provider.reply("token", Reply::raw(400, "application/json", refusal));
            }
            "userinfo" => provider.edit("userinfo", |claims| claims["sub"] = json!("canary-other")),
            _ => {}
        }
        let mut callback = provider.approve(&app, &begun, &person());
        if change == "denied" {
            callback = callback.replace("code=", "error=access_denied&error_description=canary-");
        }
        if change == "browser" {
            browser = Browser::new();
        }
        let answer = browser.get(&app, &callback).await;
        if change.is_empty() {
            let code = code(&answer);
            secrets.note("code", code.as_str());
            let granted = exchange(&app, &code).await.expect(200);
            secrets.note("access token", granted["access_token"].as_str().unwrap());
        }
    }
    for seen in provider.seen("token") {
        let form: Vec<(String, String)> =
            url::form_urlencoded::parse(seen.body.as_bytes()).into_owned().collect();
        for (name, value) in form {
            match name.as_str() {
                "code" => secrets.note("upstream code", value),
                "code_verifier" => secrets.note("verifier", value),
                _ => {}
            }
        }
        secrets.note("authorization", seen.authorization.unwrap());
    }
    secrets.note("upstream token", "upstream-access-token");
    secrets.note("upstream answer", "canary-answer");
    secrets.note("upstream subject", "canary-other");

    let text = logs.text();
    assert!(text.contains("/sso/oidc/{external_key}/callback"), "nothing was captured");
    secrets.assert_absent(&text);
}
