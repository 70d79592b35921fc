//! Callbacks: only to the browser that began, only from the provider that was asked.

use serde_json::json;
use testkit::{Answer, Browser, OidcProvider, Person};
use url::Url;

use crate::support::{Oidc, Records, ada, code};

/// A callback's address with some of its parameters changed; `None` removes one.
fn changed(callback: &str, changes: &[(&str, Option<&str>)]) -> String {
    let mut url = Url::parse(callback).unwrap();
    let kept: Vec<(String, String)> = url
        .query_pairs()
        .into_owned()
        .filter(|(name, _)| changes.iter().all(|(changed, _)| changed != name))
        .collect();
    let added = changes.iter().filter_map(|(name, value)| Some(((*name).to_owned(), (*value)?.to_owned())));
    url.query_pairs_mut().clear().extend_pairs(kept).extend_pairs(added);
    url.into()
}

/// How often the provider was asked for tokens.
fn asked(provider: &OidcProvider) -> usize {
    provider.seen("token").len()
}

#[tokio::test]
async fn o8_a_code_never_goes_to_another_provider() {
    let honest = Oidc::new().await;
    let app = &honest.app;
    let hostile = OidcProvider::start().await;
    let organization = app.organization("Hostile", &["hostile.example"]).await;
    let connection = hostile.connect(app, &organization).await;
    let mut records = Records::watch(app).await;
    let mut browser = Browser::new();

    // Somebody begins at the hostile provider, which sends them on to the honest one with its own request's
    // state: the honest one answers at its own address, where that state is unknown.
    let there = browser.authorize(app, &[("connection", &connection)]).await;
    let here = honest.begin(&mut browser).await;
    let genuine = honest.provider.approve(app, &here, &ada());
    let state = there.location_parameter("state").unwrap();
    let relayed = changed(&genuine, &[("state", Some(&state))]);
    let answer = browser.get(app, &relayed).await;
    records.refused(&answer, "/error/sign-in-failed", "unknown_flow").await;

    // The honest code at the hostile connection's address: its provider gets it only as an answer to a sign-in
    // of its own, which in this browser was never begun with that state.
    let hostile_address = there.location_parameter("redirect_uri").unwrap();
    let query = Url::parse(&genuine).unwrap().query().unwrap().to_owned();
    let answer = browser.get(app, &format!("{hostile_address}?{query}")).await;
    records.refused(&answer, "/error/sign-in-failed", "unknown_flow").await;
    assert_eq!((asked(&honest.provider), asked(&hostile)), (0, 0));

    // Both sign-ins are as good as ever.
    code(&browser.get(app, &genuine).await);
    let person = Person::new("h", "h@hostile.example");
    code(&browser.get(app, &hostile.approve(app, &there, &person)).await);
}

#[tokio::test]
async fn o8_the_issuer_of_a_callback_is_checked_before_the_code_is_used() {
    let oidc = Oidc::new().await;
    let (app, provider) = (&oidc.app, &oidc.provider);
    let mut records = Records::watch(app).await;
    let mut browser = Browser::new();
    let issuer = provider.issuer();
    for iss in ["https://evil.example", &format!("{issuer}/"), "", &issuer.to_uppercase()] {
        let redirect = oidc.begin(&mut browser).await;
        let callback = provider.approve(app, &redirect, &ada());
        let answer = browser.get(app, &changed(&callback, &[("iss", Some(iss))])).await;
        match iss {
            // Nothing was promised, and nothing is said.
            "" => drop(code(&answer)),
            _ => drop(records.refused(&answer, "server_error", "callback_issuer_mismatch").await),
        }
        // An error under a wrong name isn't believed either.
        let redirect = oidc.begin(&mut browser).await;
        let state = redirect.location_parameter("state").unwrap();
        let address = redirect.location_parameter("redirect_uri").unwrap();
        let error = [("error", "access_denied"), ("state", &state), ("iss", "https://evil.example")];
        let answer = browser.get(app, Url::parse_with_params(&address, error).unwrap().as_str()).await;
        records.refused(&answer, "server_error", "callback_issuer_mismatch").await;
    }
    assert_eq!(asked(provider), 1, "only the one good sign-in");
    let redirect = oidc.begin(&mut browser).await;
    let callback = provider.approve(app, &redirect, &ada());
    code(&browser.get(app, &changed(&callback, &[("iss", Some(&issuer))])).await);
}

#[tokio::test]
async fn o8_a_provider_that_always_names_itself_must() {
    let oidc = Oidc::new().await;
    let mut records = Records::watch(&oidc.app).await;
    oidc.provider.edit("discovery", |document| {
        document["authorization_response_iss_parameter_supported"] = json!(true);
    });
    records.refused(&oidc.sign_in().await, "server_error", "callback_issuer_missing").await;
    assert_eq!(asked(&oidc.provider), 0);
    let mut browser = Browser::new();
    let redirect = oidc.begin(&mut browser).await;
    let callback = oidc.provider.approve(&oidc.app, &redirect, &ada());
    let named = changed(&callback, &[("iss", Some(&oidc.provider.issuer()))]);
    code(&browser.get(&oidc.app, &named).await);
}

#[tokio::test]
async fn o9_a_callback_without_the_state_of_this_browser_is_refused() {
    let oidc = Oidc::new().await;
    let (app, provider) = (&oidc.app, &oidc.provider);
    let mut records = Records::watch(app).await;
    let mut victim = Browser::new();
    let redirect = oidc.begin(&mut victim).await;
    let callback = provider.approve(app, &redirect, &ada());
    // The attacker's own sign-in, and a code of theirs, in a browser that has begun nothing or something else.
    let mut other = Browser::new();
    oidc.begin(&mut other).await;
    for browser in [&mut Browser::new(), &mut other] {
        let answer = browser.get(app, &callback).await;
        records.refused(&answer, "/error/flow-other-browser", "other_browser").await;
    }
    for state in [None, Some(""), Some("unheard-of"), Some("https://evil.example"), Some("' OR ''='")] {
        for browser in [&mut Browser::new(), &mut victim] {
            let answer = browser.get(app, &changed(&callback, &[("state", state)])).await;
            records.refused(&answer, "/error/sign-in-failed", "unknown_flow").await;
        }
    }
    for (query, reason) in [
        ("code=1&code=2", "callback_duplicate_parameter"),
        ("code=1&error=access_denied", "callback_contradiction"),
        ("state=x", "callback_empty"),
        ("", "callback_empty"),
        ("code=%ff", "callback_malformed"),
    ] {
        let address = redirect.location_parameter("redirect_uri").unwrap();
        let answer = victim.get(app, &format!("{address}?{query}")).await;
        records.refused(&answer, "/error/sign-in-failed", reason).await;
    }
    assert_eq!(asked(provider), 0);
    // The victim's sign-in goes on, once.
    code(&victim.get(app, &callback).await);
    let again = victim.get(app, &callback).await;
    records.refused(&again, "/error/flow-expired", "flow_already_used").await;
    assert_eq!(asked(provider), 1);
}

#[tokio::test]
async fn o10_a_code_of_another_sign_in_is_refused() {
    let oidc = Oidc::new().await;
    let (app, provider) = (&oidc.app, &oidc.provider);
    let mut records = Records::watch(app).await;
    // With PKCE the provider refuses it; where it doesn't know PKCE, the nonce does.
    for (pkce, reason) in [(true, "token_endpoint_refused"), (false, "id_token_nonce_mismatch")] {
        let options = json!({ "oidc_options": { "pkce": pkce } });
        app.patch(format!("/connections/{}", oidc.connection), options).await.expect(200);
        let (mut victim, mut attacker) = (Browser::new(), Browser::new());
        let victims = oidc.begin(&mut victim).await;
        let attackers = oidc.begin(&mut attacker).await;
        let stolen = provider.approve(app, &victims, &ada());
        let stolen = Url::parse(&stolen).unwrap();
        let (_, stolen) = stolen.query_pairs().find(|(name, _)| name == "code").unwrap();
        let own = provider.approve(app, &attackers, &Person::new("mallory", "mallory@example.com"));
        let answer = attacker.get(app, &changed(&own, &[("code", Some(&stolen))])).await;
        records.refused(&answer, "server_error", reason).await;
    }
}

const MARK: &str = "<script>mark()</script>\"'><img src=x onerror=mark()>";

fn assert_repeats_nothing(answer: &Answer) {
    let shown = format!("{:?} {}", answer.headers, String::from_utf8_lossy(&answer.body));
    let decoded = percent_encoding::percent_decode_str(&shown).decode_utf8_lossy().into_owned();
    assert!(!decoded.contains("mark()"), "{shown}");
}

#[tokio::test]
async fn o20_what_a_provider_says_of_an_error_is_for_the_operator() {
    let oidc = Oidc::new().await;
    let (app, mut browser) = (&oidc.app, Browser::new());
    let mut records = Records::watch(app).await;
    for (error, told, reason) in [
        ("access_denied", "access_denied", "access_denied"),
        ("server_error", "server_error", "identity_provider_error"),
        (MARK, "server_error", "identity_provider_error"),
    ] {
        let redirect = oidc.begin(&mut browser).await;
        let state = redirect.location_parameter("state").unwrap();
        let address = redirect.location_parameter("redirect_uri").unwrap();
        let query = [("error", error), ("error_description", MARK), ("error_uri", MARK), ("state", &state)];
        let answer = browser.get(app, Url::parse_with_params(&address, query).unwrap().as_str()).await;
        let record = records.refused(&answer, told, reason).await;
        assert_repeats_nothing(&answer);
        let message = record["failure"]["message"].as_str().unwrap();
        assert!(message.contains("mark()") && message.len() < 800, "{message}");
    }
    // Without a sign-in there is only our own page.
    let redirect = oidc.begin(&mut browser).await;
    let address = redirect.location_parameter("redirect_uri").unwrap();
    let query = [("error", MARK), ("error_description", MARK), ("state", MARK)];
    let answer = browser.get(app, Url::parse_with_params(&address, query).unwrap().as_str()).await;
    records.refused(&answer, "/error/sign-in-failed", "unknown_flow").await;
    assert_repeats_nothing(&answer);
    assert_repeats_nothing(&browser.get(app, &answer.location()).await);
    assert_eq!(asked(&oidc.provider), 0);
}

#[tokio::test]
async fn s29_a_connection_that_went_away_accepts_no_callback() {
    for delete in [false, true] {
        let oidc = Oidc::new().await;
        let (app, mut browser) = (&oidc.app, Browser::new());
        let mut records = Records::watch(app).await;
        let redirect = oidc.begin(&mut browser).await;
        let callback = oidc.provider.approve(app, &redirect, &ada());
        let path = format!("/connections/{}", oidc.connection);
        let (told, reason) = match delete {
            true => {
                app.delete(path).await.expect(204);
                ("connection_invalid", "connection_deleted")
            }
            false => {
                app.patch(path, json!({ "state": "inactive" })).await.expect(200);
                ("connection_unlinked", "connection_inactive")
            }
        };
        let answer = browser.get(app, &callback).await;
        records.refused(&answer, told, reason).await;
        assert_eq!(asked(&oidc.provider), 0, "the code was sent nowhere");
    }
}
