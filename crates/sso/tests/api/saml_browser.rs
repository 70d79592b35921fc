//! What browsers bring to the assertion consumer service: other people's answers, strange forms, late answers.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use serde_json::json;
use testkit::forge::{Form, swap};
use testkit::{Answer, Asked, Browser, Person, TestApp};

use crate::support::{
    Records, Saml, ada, assert_oauth_error, assert_refused, code, exchange, profile, token,
};

#[tokio::test]
async fn s26_an_answer_in_another_browser_is_refused_and_ends_nobodys_sign_in() {
    let saml = Saml::new().await;
    let (app, mut victim) = (&saml.app, Browser::new());
    let mut records = Records::watch(app).await;
    let asked = saml.begin(&mut victim).await;
    let xml = saml.answer(&asked, &ada());

    let mut stranger = Browser::new();
    let mut known = Browser::new();
    saml.begin(&mut known).await;
    for browser in [&mut stranger, &mut known] {
        let answer = asked.post(app, browser, &xml).await;
        assert_eq!(answer.header("set-cookie"), "");
        let record = records.refused(&answer, "/error/flow-other-browser", "other_browser").await;
        assert_eq!(record["email"], json!(null), "nothing of an answer that wasn't verified");
    }
    for cookie in ["portcullis=x", "__Host-portcullis-X=y", "=", ";;;", "a=\u{1}"] {
        let form = asked.form(&xml);
        let form = form.each_ref().map(|(name, value)| (*name, value.as_str()));
        let path = asked.acs_url.strip_prefix("https://auth.example.com").unwrap();
        let request = app.request(Method::POST, path).anonymous().form(&form);
        if let Ok(value) = cookie.parse::<http::HeaderValue>() {
            let request = request.header("cookie", value.to_str().unwrap());
            records.refused(&request.send().await, "/error/flow-other-browser", "other_browser").await;
        }
    }
    code(&asked.post(app, &mut victim, &xml).await);
}

#[tokio::test]
async fn s26_the_cookie_is_out_of_reach_of_other_hosts_and_of_scripts() {
    let saml = Saml::new().await;
    let mut browser = Browser::new();
    let answer = browser.authorize(&saml.app, &[("connection", &saml.connection)]).await;
    let cookie = answer.header("set-cookie").to_owned();
    assert!(cookie.starts_with("__Host-portcullis-"), "{cookie}");
    for attribute in ["Path=/", "HttpOnly", "Secure", "SameSite=None"] {
        assert!(cookie.split("; ").any(|part| part == attribute), "{cookie}");
    }
    assert!(!cookie.contains("Domain"), "{cookie}");
    let value = cookie.split(['=', ';']).nth(1).unwrap();
    assert!(value.len() >= 22, "128 bits");
    // The same browser keeps it, and another has another.
    let again = browser.authorize(&saml.app, &[("connection", &saml.connection)]).await;
    assert_eq!(again.header("set-cookie"), cookie);
    let other = Browser::new().authorize(&saml.app, &[("connection", &saml.connection)]).await;
    assert_ne!(other.header("set-cookie"), cookie);
}

#[tokio::test]
async fn s27_a_relay_state_that_is_not_ours_leads_nowhere() {
    let saml = Saml::new().await;
    let (app, mut browser) = (&saml.app, Browser::new());
    let mut records = Records::watch(app).await;
    let asked = saml.begin(&mut browser).await;
    let xml = saml.answer(&asked, &ada());
    let long = "https://evil.example/".repeat(50_000);
    let nearly = asked.relay_state.to_lowercase();
    for relay_state in [
        "https://evil.example",
        "//evil.example",
        "/\\evil.example",
        "javascript:alert(1)",
        "data:text/html,evil.example",
        "redirect_uri=https://evil.example",
        "redirect_uri=https%3A%2F%2Fapp.example.com%2Fcallback",
        "x\r\nLocation: https://evil.example",
        "\"><script src=//evil.example>",
        "' OR handle IS NOT NULL --",
        "%",
        "*",
        "\u{202e}evil.example",
        &asked.relay_state[1..],
        &format!("{} ", asked.relay_state),
        &nearly,
        &long,
    ] {
        let evil = Asked { relay_state: relay_state.to_owned(), ..asked.clone() };
        let answer = evil.post(app, &mut browser, &xml).await;
        assert_eq!(answer.location(), "https://auth.example.com/error/sign-in-failed", "{relay_state:.60}");
        records.refused(&answer, "/error/sign-in-failed", "unknown_flow").await;
    }
    code(&asked.post(app, &mut browser, &xml).await);
}

/// What may happen to a connection while somebody is at its identity provider.
#[derive(Clone, Copy, Debug)]
enum Change {
    Disable,
    DeleteConnection,
    DeleteOrganization,
}

impl Change {
    const ALL: [Self; 3] = [Self::Disable, Self::DeleteConnection, Self::DeleteOrganization];

    async fn make(self, saml: &Saml) {
        let connection = format!("/connections/{}", saml.connection);
        let answer = match self {
            Self::Disable => saml.app.patch(connection, json!({ "state": "inactive" })).await,
            Self::DeleteConnection => saml.app.delete(connection).await,
            Self::DeleteOrganization => {
                saml.app.delete(format!("/organizations/{}", saml.organization)).await
            }
        };
        assert!((200..300).contains(&answer.status), "{answer:?}");
    }

    /// What the application is told, and what the record says.
    fn refusal(self) -> (&'static str, &'static str) {
        match self {
            Self::Disable => ("connection_unlinked", "connection_inactive"),
            _ => ("connection_invalid", "connection_deleted"),
        }
    }
}

#[tokio::test]
async fn s29_a_connection_that_went_away_accepts_no_answer() {
    for change in Change::ALL {
        let saml = Saml::new().await;
        let (app, mut browser) = (&saml.app, Browser::new());
        let mut records = Records::watch(app).await;
        let asked = saml.begin(&mut browser).await;
        let xml = saml.answer(&asked, &ada());
        change.make(&saml).await;
        // A stranger learns nothing, and ends nothing.
        let stranger = asked.post(app, &mut Browser::new(), &xml).await;
        match change {
            Change::Disable => {
                records.refused(&stranger, "/error/flow-other-browser", "other_browser").await;
            }
            _ => drop(stranger.expect(404)),
        }
        let (told, reason) = change.refusal();
        let answer = asked.post(app, &mut browser, &xml).await;
        records.refused(&answer, told, reason).await;
        // Nor is there a way to begin.
        let begun = browser.authorize(app, &[("connection", &saml.connection)]).await;
        assert_refused(&begun, told);
        records.nothing_more().await;
    }
}

#[tokio::test]
async fn s29_a_connection_that_went_away_gives_no_token() {
    for change in Change::ALL {
        let saml = Saml::new().await;
        let app = &saml.app;
        let mut records = Records::watch(app).await;
        let code = saml.code().await;
        change.make(&saml).await;
        // Whoever isn't the client changes nothing.
        let wrong = token(app, &[("client_id", &app.a.client_id), ("code", &code)]).await;
        assert_oauth_error(&wrong, "invalid_client");
        records.nothing_more().await;

        assert_oauth_error(&exchange(app, &code).await, "invalid_grant");
        records.failed(change.refusal().1).await;
        if let Change::Disable = change {
            let active = json!({ "state": "active" });
            app.patch(format!("/connections/{}", saml.connection), active).await.expect(200);
        }
        assert_oauth_error(&exchange(app, &code).await, "invalid_grant");
        records.nothing_more().await;
    }
}

#[tokio::test]
async fn s29_a_connection_that_went_away_takes_its_tokens_along() {
    for change in Change::ALL {
        let saml = Saml::new().await;
        let granted = exchange(&saml.app, &saml.code().await).await.expect(200);
        let access_token = granted["access_token"].as_str().unwrap();
        profile(&saml.app, access_token).await.expect(200);
        change.make(&saml).await;
        assert_eq!(profile(&saml.app, access_token).await.expect(401), json!({ "error": "Unauthorized" }));
    }
}

#[tokio::test]
async fn s39_a_response_counts_only_as_the_one_field_of_a_form() {
    let saml = Saml::new().await;
    let (app, mut browser) = (&saml.app, Browser::new());
    let mut records = Records::watch(app).await;
    let asked = saml.begin(&mut browser).await;
    let xml = saml.answer(&asked, &ada());
    let [(_, response), (_, relay_state)] = &asked.form(&xml);
    let (response, relay_state) = (response.as_str(), relay_state.as_str());
    let encoded = url::form_urlencoded::byte_serialize(response.as_bytes()).collect::<String>();
    let path = asked.acs_url.strip_prefix("https://auth.example.com").unwrap();
    let good = ("SAMLResponse", response);
    let state = ("RelayState", relay_state);

    for (query, form) in [
        (String::new(), vec![good, good, state]),
        (String::new(), vec![good, ("SAMLResponse", "AAAA"), state]),
        (String::new(), vec![("SAMLResponse", ""), good, state]),
        (String::new(), vec![good, state, state]),
        (String::new(), vec![good, state, ("RelayState", "other")]),
        (format!("?SAMLResponse={encoded}"), vec![good, state]),
        (format!("?RelayState={relay_state}"), vec![good, state]),
        (format!("?RelayState={relay_state}"), vec![good]),
        (format!("?SAMLResponse={encoded}&RelayState={relay_state}"), vec![]),
        ("?SAMLResponse=".to_owned(), vec![good, state]),
    ] {
        let answer = browser.post(app, &format!("{path}{query}"), &form).await;
        records.refused(&answer, "/error/sign-in-failed", "response_ambiguous").await;
    }
    for form in
        [vec![], vec![state], vec![("SAMLResponse", ""), state], vec![("samlresponse", response), state]]
    {
        let answer = browser.post(app, path, &form).await;
        records.refused(&answer, "/error/sign-in-failed", "response_missing").await;
    }
    // S44: an artifact is fetched from nobody.
    let answer = browser.post(app, path, &[("SAMLart", "AAQAAA"), state]).await;
    records.refused(&answer, "/error/sign-in-failed", "response_missing").await;

    let body = json!({ "SAMLResponse": response, "RelayState": relay_state }).to_string();
    let multipart = format!(
        "--b\r\nContent-Disposition: form-data; name=\"SAMLResponse\"\r\n\r\n{response}\r\n--b--\r\n"
    );
    let form = format!("SAMLResponse={encoded}&RelayState={relay_state}");
    for (content_type, body) in [
        ("application/json", body.clone()),
        ("multipart/form-data; boundary=b", multipart),
        ("text/plain", form.clone()),
        ("application/xml", xml.clone()),
        ("application/soap+xml", xml.clone()),
        ("", form.clone()),
    ] {
        let request = app.request(Method::POST, path).anonymous().raw(content_type, body);
        let answer = browser.send(request).await;
        assert_eq!(answer.status, 415, "{content_type}: {answer:?}");
    }
    for method in [Method::GET, Method::PUT, Method::PATCH, Method::DELETE] {
        let request = app.request(method.clone(), format!("{path}?{form}")).anonymous();
        assert_eq!(browser.send(request).await.status, 405, "{method}");
    }
    records.nothing_more().await;

    // After all that, the one right way still works; a charset does no harm.
    let content_type = "application/x-www-form-urlencoded; charset=UTF-8";
    code(&browser.send(app.request(Method::POST, path).anonymous().raw(content_type, form)).await);
}

#[tokio::test]
async fn s39_bodies_that_are_no_form_at_all_are_refused() {
    let saml = Saml::new().await;
    let (app, mut browser) = (&saml.app, Browser::new());
    let asked = saml.begin(&mut browser).await;
    let path = asked.acs_url.strip_prefix("https://auth.example.com").unwrap();
    let form = "application/x-www-form-urlencoded";
    for (body, status) in [
        (b"SAMLResponse=%ff".to_vec(), 400),
        (b"SAMLResponse=%00".to_vec(), 422),
        (b"SAMLResponse=\xff".to_vec(), 400),
        (b"a=b&".repeat(200_000), 400),
        (b"SAMLResponse=".iter().chain(&vec![b'A'; 4 << 20]).copied().collect(), 413),
    ] {
        let request = app.request(Method::POST, path).anonymous().raw(form, body);
        let answer = browser.send(request).await;
        assert_eq!(answer.status, status, "{answer:?}");
        answer.json();
    }
    code(&asked.post(app, &mut browser, &saml.answer(&asked, &ada())).await);
}

/// What nobody but an operator may ever see.
const MARK: &str = "<script>mark()</script>\"'><img src=x onerror=mark()>";

/// Asserts that neither this answer nor the page it leads to repeats anything of the mark.
async fn assert_repeats_nothing(app: &TestApp, answer: &Answer) {
    let mut shown = format!("{:?} {}", answer.headers, String::from_utf8_lossy(&answer.body));
    let location = answer.location();
    if location.starts_with("https://auth.example.com/") {
        let page = Browser::new().get(app, &location).await;
        assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
        shown.push_str(&String::from_utf8_lossy(&page.body));
    }
    let decoded = percent_encoding::percent_decode_str(&shown).decode_utf8_lossy().into_owned();
    assert!(!shown.contains("mark()") && !decoded.contains("mark()"), "{shown}");
}

#[tokio::test]
async fn s40_nothing_of_an_answer_is_shown() {
    let saml = Saml::new().await;
    let (app, mut browser) = (&saml.app, Browser::new());
    let mut records = Records::watch(app).await;
    let escaped = MARK.replace('<', "&lt;").replace('"', "&quot;");
    let success = "<saml2p:StatusCode Value=\"urn:oasis:names:tc:SAML:2.0:status:Success\"/>";
    let failure = format!(
        "<saml2p:StatusCode Value=\"urn:oasis:names:tc:SAML:2.0:status:Responder\"/><saml2p:StatusMessage>{escaped}</saml2p:StatusMessage>"
    );
    let issuer = format!(">{}<", saml.idp.entity_id);
    let evil = Person { id: MARK.to_owned(), email: format!("{MARK}@example.com"), ..ada() };
    type Make<'a> = Box<dyn Fn(&Asked) -> String + 'a>;
    let cases: [(&str, Make<'_>); 6] = [
        (
            "status_not_success",
            Box::new(|asked| swap(&saml.idp.response(app, asked, &ada()), success, &failure)),
        ),
        (
            "issuer_mismatch",
            Box::new(|asked| swap(&saml.idp.response(app, asked, &ada()), &issuer, &format!(">{escaped}<"))),
        ),
        ("invalid_attributes", Box::new(|asked| saml.idp.response(app, asked, &evil))),
        (
            "invalid_attributes",
            Box::new(|asked| saml.idp.response_with(app, asked, MARK, &[(MARK, vec![MARK.to_owned()])])),
        ),
        (
            "audience_mismatch",
            Box::new(|asked| {
                swap(
                    &saml.idp.response(app, asked, &ada()),
                    &format!(">{}<", asked.sp_entity_id),
                    &format!(">{escaped}<"),
                )
            }),
        ),
        (
            "in_response_to_mismatch",
            Box::new(|asked| {
                let xml = saml.idp.response(app, asked, &ada());
                swap(&xml, &format!("InResponseTo=\"{}\"", asked.id), &format!("InResponseTo=\"{escaped}\""))
            }),
        ),
    ];
    for (reason, make) in cases {
        let asked = saml.begin(&mut browser).await;
        let xml = saml.idp.sign(&make(&asked), Form::Both);
        let answer = asked.post(app, &mut browser, &xml).await;
        records.refused(&answer, "server_error", reason).await;
        assert_repeats_nothing(app, &answer).await;
    }
    // What isn't verified, or not even XML, neither.
    let asked = saml.begin(&mut browser).await;
    for (response, relay_state) in [
        (STANDARD.encode(MARK), MARK),
        (MARK.to_owned(), MARK),
        (MARK.to_owned(), asked.relay_state.as_str()),
    ] {
        let form = [("SAMLResponse", response.as_str()), ("RelayState", relay_state)];
        assert_repeats_nothing(app, &browser.post(app, &asked.acs_url, &form).await).await;
    }
}

#[tokio::test]
async fn s40_pages_of_other_codes_repeat_nothing_either() {
    let app = TestApp::new().await;
    let mark = url::form_urlencoded::byte_serialize(MARK.as_bytes()).collect::<String>();
    let mark = mark.replace('+', "%20");
    for path in [format!("/error/{mark}"), format!("/error/sign-in-failed?error_description={mark}")] {
        let page = Browser::new().get(&app, &path).await;
        assert!(!String::from_utf8_lossy(&page.body).contains("mark()"), "{page:?}");
        assert!(page.header("content-security-policy").contains("default-src"), "{path}");
    }
}
