//! Codes: for one client, once, soon, and with the verifier if there was a challenge.

use access::{Kind, api_keys};
use futures_util::future::join_all;
use http::Method;
use serde_json::{Value, json};
use testkit::{Answer, Asked, Browser, TestApp};

use crate::support::{Records, Saml, ada, assert_oauth_error, code, exchange, profile, token};

/// A whole sign-in with these further parameters: the code.
async fn code_with(saml: &Saml, parameters: &[(&str, &str)]) -> String {
    let mut browser = Browser::new();
    let parameters = [&[("connection", saml.connection.as_str())], parameters].concat();
    let asked = Asked::by(&browser.authorize(&saml.app, &parameters).await);
    code(&asked.post(&saml.app, &mut browser, &saml.answer(&asked, &ada())).await)
}

const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

#[tokio::test]
async fn a3_a_challenge_must_be_answered_and_only_a_challenge() {
    let saml = Saml::new().await;
    let app = &saml.app;
    let challenge = oidc::pkce::challenge(VERIFIER);
    let with = [("code_challenge", challenge.as_str()), ("code_challenge_method", "S256")];
    let (client, secret) =
        (("client_id", app.a.client_id.as_str()), ("client_secret", app.a.secret.as_str()));

    let bound = code_with(&saml, &with).await;
    let other =
        code_with(&saml, &[("code_challenge", &oidc::pkce::challenge(&"o".repeat(43))), with[1]]).await;
    let (short, long) = ("v".repeat(42), "v".repeat(129));
    for verifier in [
        None,
        Some(""),
        Some(challenge.as_str()),
        Some(&VERIFIER[..42]),
        Some(&VERIFIER.to_lowercase()),
        Some(&format!("{VERIFIER} ")),
        Some(&"o".repeat(43)),
        Some(&short),
        Some(&long),
        Some("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjX/"),
    ] {
        for authentication in [vec![], vec![secret]] {
            let mut fields = vec![client, ("code", &bound)];
            fields.extend(verifier.map(|verifier| ("code_verifier", verifier)));
            fields.extend(authentication);
            assert_oauth_error(&token(app, &fields).await, "invalid_grant");
        }
    }
    // None of that used the code up, and the other one is for the other verifier.
    assert_oauth_error(
        &token(app, &[client, ("code", &other), ("code_verifier", VERIFIER)]).await,
        "invalid_grant",
    );
    token(app, &[client, ("code", &bound), ("code_verifier", VERIFIER)]).await.expect(200);

    // With the secret besides; with a challenge of 43 and of 128 characters' verifiers.
    for verifier in ["a".repeat(43), "~.-_".repeat(32)] {
        let challenge = oidc::pkce::challenge(&verifier);
        let code = code_with(&saml, &[("code_challenge", &challenge), with[1]]).await;
        token(app, &[client, secret, ("code", &code), ("code_verifier", &verifier)]).await.expect(200);
    }

    // No challenge: no verifier, but the secret.
    let plain = code_with(&saml, &[]).await;
    for authentication in [vec![], vec![secret]] {
        let mut fields = vec![client, ("code", &plain), ("code_verifier", VERIFIER)];
        fields.extend(authentication);
        assert_oauth_error(&token(app, &fields).await, "invalid_grant");
    }
    assert_oauth_error(&token(app, &[client, ("code", &plain)]).await, "invalid_client");
    token(app, &[client, secret, ("code", &plain)]).await.expect(200);
}

#[tokio::test]
async fn a3_only_s256_challenges_are_taken() {
    let saml = Saml::new().await;
    let challenge = oidc::pkce::challenge(VERIFIER);
    let padded = format!("{challenge}=");
    for (challenge, method) in [
        (Some(challenge.as_str()), None),
        (Some(&challenge), Some("plain")),
        (Some(&challenge), Some("s256")),
        (Some(&challenge), Some("S512")),
        (Some(&challenge), Some("")),
        (Some(VERIFIER), Some("plain")),
        (None, Some("S256")),
        (Some(""), Some("S256")),
        (Some(&challenge[1..]), Some("S256")),
        (Some(&padded), Some("S256")),
        (Some(&"+".repeat(43)), Some("S256")),
        (Some(&"a".repeat(10_000)), Some("S256")),
    ] {
        let mut parameters = vec![("connection", saml.connection.as_str())];
        parameters.extend(challenge.map(|challenge| ("code_challenge", challenge)));
        parameters.extend(method.map(|method| ("code_challenge_method", method)));
        let answer = Browser::new().authorize(&saml.app, &parameters).await;
        let error = answer.location_parameter("error");
        assert_eq!(error.as_deref(), Some("invalid_request"), "{challenge:?} {method:?}");
    }
}

#[tokio::test]
async fn a4_the_second_use_of_a_code_ends_what_the_first_gave() {
    let saml = Saml::new().await;
    let app = &saml.app;
    let code = saml.code().await;
    let granted = exchange(app, &code).await.expect(200);
    let access_token = granted["access_token"].as_str().unwrap();
    profile(app, access_token).await.expect(200);
    // Whoever can't prove to be the client ends nothing.
    let client = ("client_id", app.a.client_id.as_str());
    assert_oauth_error(&token(app, &[client, ("code", &code)]).await, "invalid_client");
    assert_oauth_error(
        &token(app, &[client, ("code", &code), ("code_verifier", VERIFIER)]).await,
        "invalid_grant",
    );
    let theirs = [("client_id", app.b.client_id.as_str()), ("client_secret", &app.b.secret), ("code", &code)];
    assert_oauth_error(&token(app, &theirs).await, "invalid_grant");
    profile(app, access_token).await.expect(200);

    assert_oauth_error(&exchange(app, &code).await, "invalid_grant");
    profile(app, access_token).await.expect(401);
    let node = app.another_node().await;
    profile(&node, access_token).await.expect(401);
    assert_oauth_error(&exchange(&node, &code).await, "invalid_grant");
    // Another sign-in of the same person goes on.
    let other = exchange(app, &saml.code().await).await.expect(200);
    profile(app, other["access_token"].as_str().unwrap()).await.expect(200);
    profile(app, access_token).await.expect(401);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a4_of_twenty_exchanges_at_once_one_succeeds_and_the_connection_is_activated_once() {
    let saml = Saml::new().await;
    let node = saml.app.another_node().await;
    let code = saml.code().await;
    let answers = join_all((0..20).map(|number| {
        let app = [&saml.app, &node][number % 2];
        let fields = [
            ("grant_type", "authorization_code"),
            ("client_id", app.a.client_id.as_str()),
            ("client_secret", &app.a.secret),
            ("code", &code),
        ];
        let request = app.request(Method::POST, "/sso/token").anonymous().form(&fields);
        async move { tokio::spawn(request.send()).await.unwrap() }
    }))
    .await;
    let (won, lost): (Vec<Answer>, Vec<Answer>) =
        answers.into_iter().partition(|answer| answer.status == 200);
    assert_eq!((won.len(), lost.len()), (1, 19));
    for answer in &lost {
        assert_oauth_error(answer, "invalid_grant");
    }
    let access_token = won[0].json()["access_token"].as_str().unwrap().to_owned();
    profile(&saml.app, &access_token).await.expect(401);
    assert_eq!(activations(&saml.app).await, 1);
    let succeeded = saml.app.event_types().await;
    assert_eq!(succeeded.iter().filter(|name| *name == "authentication.sso_succeeded").count(), 1);
}

async fn activations(app: &TestApp) -> usize {
    app.event_types().await.iter().filter(|name| *name == "connection.activated").count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a4_first_sign_ins_that_end_at_once_activate_the_connection_once() {
    let saml = Saml::new().await;
    let node = saml.app.another_node().await;
    let mut codes = Vec::new();
    for _ in 0..12 {
        codes.push(saml.code().await);
    }
    let answers = join_all(codes.iter().enumerate().map(|(number, code)| {
        let app = [&saml.app, &node][number % 2];
        let fields = json!({
            "grant_type": "authorization_code", "client_id": app.a.client_id, "client_secret": app.a.secret,
            "code": code,
        });
        let request = app.request(Method::POST, "/sso/token").anonymous().json(&fields);
        async move { tokio::spawn(request.send()).await.unwrap() }
    }))
    .await;
    for answer in answers {
        answer.expect(200);
    }
    assert_eq!(activations(&saml.app).await, 1);
    let connection = saml.app.get(format!("/connections/{}", saml.connection)).await.expect(200);
    assert_eq!(connection["state"], "active");
}

#[tokio::test]
async fn a5_a_code_is_for_its_own_client() {
    let saml = Saml::new().await;
    let app = &saml.app;
    let code = saml.code().await;
    let (a, b) = (&app.a, &app.b);
    for (client_id, client_secret, error) in [
        (&b.client_id, &b.secret, "invalid_grant"),
        (&a.client_id, &b.secret, "invalid_client"),
        (&b.client_id, &a.secret, "invalid_client"),
    ] {
        let fields = [("client_id", client_id.as_str()), ("client_secret", client_secret), ("code", &code)];
        assert_oauth_error(&token(app, &fields).await, error);
    }
    for wrong in [
        code.to_lowercase(),
        code.to_uppercase(),
        format!("{code} "),
        format!(" {code}"),
        code[1..].to_owned(),
        "x".repeat(10_000),
        format!("{code}' OR '1'='1"),
        "%".to_owned(),
    ] {
        let answer = exchange(app, &wrong).await;
        assert_oauth_error(&answer, "invalid_grant");
        assert!(answer.body.len() < 300, "{answer:?}");
    }
    Records::watch(app).await.nothing_more().await;
    exchange(app, &code).await.expect(200);
}

#[tokio::test]
async fn a6_a_code_lives_ten_minutes_and_cannot_be_guessed() {
    let saml = Saml::new().await;
    let app = &saml.app;
    let mut codes = Vec::new();
    for _ in 0..50 {
        let code = saml.code().await;
        assert!(code.len() >= 26 && code.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{code}");
        assert!(!codes.contains(&code));
        codes.push(code);
    }
    for pair in codes.windows(2) {
        let same = pair[0].bytes().zip(pair[1].bytes()).filter(|(a, b)| a == b).count();
        assert!(same < 8, "{pair:?}");
    }
    app.advance(10 * 60_000 - 1);
    exchange(app, &codes[0]).await.expect(200);
    app.advance(1);
    assert_oauth_error(&exchange(app, &codes[1]).await, "invalid_grant");
    // Nothing that was stored lets anybody exchange one.
    let db = &app.app.db;
    let stored: Vec<String> = db
        .read("SELECT code_hash FROM sign_ins WHERE code_hash IS NOT NULL", store::params![])
        .await
        .unwrap();
    assert_eq!(stored.len(), 50);
    assert!(stored.iter().all(|hash| codes.iter().all(|code| !hash.contains(code.as_str()))));
    let stored: Vec<Value> = stored.into_iter().map(Value::from).collect();
    assert!(!json!(stored).to_string().contains(&codes[3]));
}

#[tokio::test]
async fn a11_the_client_shows_its_secret_in_one_way() {
    let saml = Saml::new().await;
    let app = &saml.app;
    let code = saml.code().await;
    let (id, secret) = (app.a.client_id.as_str(), app.a.secret.as_str());
    let publishable: Vec<String> = app
        .app
        .db
        .read("SELECT publishable_key FROM environments ORDER BY created_at", store::params![])
        .await
        .unwrap();
    for wrong in [
        "",
        "x",
        id,
        &secret[..secret.len() - 1],
        &format!("{secret}x"),
        &format!("{secret} "),
        &secret.to_lowercase(),
        &app.b.secret,
        &publishable[0],
        "null",
        "undefined",
        "' OR ''='",
        &"x".repeat(100_000),
    ] {
        let fields = [("client_id", id), ("client_secret", wrong), ("code", &code)];
        assert_oauth_error(&token(app, &fields).await, "invalid_client");
    }
    for client in ["", "client_01EHWNCE74X7JSDV0X3SZ3KJNY", "x", secret] {
        let fields = [("client_id", client), ("client_secret", secret), ("code", &code)];
        assert_oauth_error(&token(app, &fields).await, "invalid_client");
    }
    assert_oauth_error(&token(app, &[("client_secret", secret), ("code", &code)]).await, "invalid_client");

    let basic = |text: String| {
        use base64::Engine;
        format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(text))
    };
    let send = async |authorization: &str, fields: &[(&str, &str)]| {
        let fields = [&[("grant_type", "authorization_code"), ("code", code.as_str())], fields].concat();
        let request = app.request(Method::POST, "/sso/token").form(&fields);
        request.header("authorization", authorization).send().await
    };
    let good = basic(format!("{id}:{secret}"));
    assert_oauth_error(&send(&good, &[("client_secret", secret)]).await, "invalid_request");
    assert_oauth_error(&send(&good, &[("client_id", &app.b.client_id)]).await, "invalid_client");
    for header in [
        basic(format!("{id}:")),
        basic(format!("{id}:{}", app.b.secret)),
        basic(format!("{}:{secret}", app.b.client_id)),
        basic(id.to_owned()),
        basic(String::new()),
        "Basic".to_owned(),
        "Basic *".to_owned(),
        format!("Bearer {secret}"),
    ] {
        let error = send(&header, &[("client_id", id)]).await;
        assert_oauth_error(&error, "invalid_client");
    }
    // A public client that shows a secret must show the right one.
    let challenge = oidc::pkce::challenge(VERIFIER);
    let public = code_with(&saml, &[("code_challenge", &challenge), ("code_challenge_method", "S256")]).await;
    let fields = [("client_id", id), ("client_secret", "x"), ("code", &public), ("code_verifier", VERIFIER)];
    assert_oauth_error(&token(app, &fields).await, "invalid_client");

    let answer = send(&good, &[("client_id", id)]).await;
    answer.expect(200);
    assert_eq!((answer.header("cache-control"), answer.header("pragma")), ("no-store", "no-cache"));
}

#[tokio::test]
async fn a11_a_key_that_was_revoked_or_replaced_is_no_secret_any_more() {
    let saml = Saml::new().await;
    let app = &saml.app;
    let code = saml.code().await;
    let keys = api_keys::list(&app.app.db, app.a.id).await.unwrap();
    let rotated: kernel::Result<_> = kernel::transaction!(app.app, |tx| {
        api_keys::rotate(tx, &app.app, app.a.id, Kind::Staging, keys[0].id, 60_000).await
    });
    let next = rotated.unwrap().secret;
    app.advance(60_000);
    assert_oauth_error(&exchange(app, &code).await, "invalid_client");
    let fields = [("client_id", app.a.client_id.as_str()), ("client_secret", &next), ("code", &code)];
    token(app, &fields).await.expect(200);
}
