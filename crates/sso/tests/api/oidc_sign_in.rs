//! OpenID Connect as it should go, and whom it makes of what a provider says.

use serde_json::{Value, json};
use testkit::oidc_provider::{CLIENT_ID, CLIENT_SECRET};
use testkit::{Browser, CALLBACK, OidcProvider, Person};

use crate::support::{Oidc, Records, ada, code, customer, exchange, profile};

#[tokio::test]
async fn o0_a_sign_in_leads_to_the_profile() {
    let oidc = Oidc::new().await;
    let (app, provider) = (&oidc.app, &oidc.provider);
    let mut browser = Browser::new();
    let redirect = oidc.begin(&mut browser).await;
    let parameter = |name| redirect.location_parameter(name);
    assert!(redirect.location().starts_with(&format!("{}/authorize?", provider.issuer())));
    assert_eq!(parameter("response_type").as_deref(), Some("code"));
    assert_eq!(parameter("client_id").as_deref(), Some(CLIENT_ID));
    assert_eq!(parameter("scope").as_deref(), Some("openid profile email"));
    assert_eq!(parameter("code_challenge_method").as_deref(), Some("S256"));
    for secret in ["state", "nonce", "code_challenge"] {
        assert!(parameter(secret).unwrap().len() >= 32, "{secret}");
    }
    let connection = app.get(format!("/connections/{}", oidc.connection)).await.expect(200);
    assert_eq!(connection["oidc_options"]["redirect_uri"], parameter("redirect_uri").unwrap());

    let answer = browser.get(app, &provider.approve(app, &redirect, &ada())).await;
    let code = code(&answer);
    assert_eq!(answer.location(), format!("{CALLBACK}?code={code}&state=s"));
    let [request] = provider.seen("token").try_into().unwrap();
    assert!(request.authorization.unwrap().starts_with("Basic "));
    assert!(request.body.contains("code_verifier=") && !request.body.contains(CLIENT_SECRET));
    assert_eq!(provider.seen("userinfo").len(), 0, "the ID token had it all");

    let granted = exchange(app, &code).await.expect(200);
    let person = json!({
        "object": "profile", "id": granted["profile"]["id"],
        "organization_id": connection["organization_id"], "connection_id": oidc.connection,
        "connection_type": "GenericOIDC", "idp_id": "ada-1815", "email": "ada@example.com",
        "first_name": "Ada", "last_name": "Lovelace", "name": "Ada Lovelace", "role": null, "roles": null,
        "groups": ["engineers", "mathematicians"], "custom_attributes": {},
        "raw_attributes": {
            "sub": "ada-1815", "email": "ada@example.com", "email_verified": true, "given_name": "Ada",
            "family_name": "Lovelace", "groups": ["engineers", "mathematicians"],
            "auth_time": granted["profile"]["raw_attributes"]["auth_time"],
        },
    });
    assert_eq!(granted["profile"], person);
    let token = granted["access_token"].as_str().unwrap();
    assert_eq!(profile(app, token).await.expect(200), person);
    let connection = app.get(format!("/connections/{}", oidc.connection)).await.expect(200);
    assert_eq!(connection["state"], "active");
}

#[tokio::test]
async fn o0_the_options_of_a_connection_decide_how_the_provider_is_asked() {
    let oidc = Oidc::new().await;
    let (app, provider) = (&oidc.app, &oidc.provider);
    let options = json!({
        "pkce": false, "token_authentication_method": "client_secret_post", "fetch_user_info": true,
    });
    let path = format!("/connections/{}", oidc.connection);
    app.patch(path, json!({ "oidc_options": options })).await.expect(200);
    // UserInfo adds, and never replaces.
    provider.edit("userinfo", |claims| {
        claims["email"] = json!("mallory@example.com");
        claims["department"] = json!("Analysis");
    });
    let mut browser = Browser::new();
    let parameters = [
        ("connection", oidc.connection.as_str()),
        ("login_hint", "ada@example.com"),
        ("domain_hint", "example.com"),
        ("prompt", "login"),
        ("provider_scopes", "groups openid,offline_access"),
        ("provider_query_params[audience]", "api"),
    ];
    let redirect = browser.authorize(app, &parameters).await;
    for (name, value) in [
        ("code_challenge", None),
        ("login_hint", Some("ada@example.com")),
        ("domain_hint", Some("example.com")),
        ("prompt", Some("login")),
        ("scope", Some("openid profile email groups offline_access")),
        ("audience", Some("api")),
    ] {
        assert_eq!(redirect.location_parameter(name).as_deref(), value, "{name}");
    }
    let answer = browser.get(app, &provider.approve(app, &redirect, &ada())).await;
    let granted = exchange(app, &code(&answer)).await.expect(200);
    assert_eq!(granted["profile"]["email"], "ada@example.com");
    assert_eq!(granted["profile"]["raw_attributes"]["department"], "Analysis");
    let [request] = provider.seen("token").try_into().unwrap();
    assert_eq!(request.authorization, None);
    assert!(request.body.contains(&format!("client_secret={CLIENT_SECRET}")));
    assert_eq!(provider.seen("userinfo").len(), 1);
}

#[tokio::test]
async fn o0_the_application_cannot_replace_a_parameter_of_the_protocol() {
    let oidc = Oidc::new().await;
    let mut records = Records::watch(&oidc.app).await;
    for name in ["redirect_uri", "state", "nonce", "client_id", "response_type", "scope", "request_uri"] {
        let name = format!("provider_query_params[{name}]");
        let parameters = [("connection", oidc.connection.as_str()), (name.as_str(), "evil")];
        let answer = Browser::new().authorize(&oidc.app, &parameters).await;
        assert_eq!(answer.location_parameter("error").as_deref(), Some("server_error"), "{name}");
        assert!(!answer.location().contains("evil"));
        records.failed("authorization_request_invalid").await;
    }
}

#[tokio::test]
async fn s43_a_provider_that_says_when_must_have_asked_anew() {
    let oidc = Oidc::new().await;
    let (app, mut browser) = (&oidc.app, Browser::new());
    let mut records = Records::watch(app).await;
    let now = app.app.clock.now().seconds();
    for (auth_time, is_good) in
        [(json!(now), true), (json!(now - 59), true), (json!(now - 120), false), (Value::Null, true)]
    {
        let parameters = [("connection", oidc.connection.as_str()), ("prompt", "login")];
        let redirect = browser.authorize(app, &parameters).await;
        let said = auth_time.clone();
        oidc.provider.id_tokens(move |issuer, mut claims| {
            match &said {
                Value::Null => drop(claims.as_object_mut().unwrap().remove("auth_time")),
                time => claims["auth_time"] = time.clone(),
            }
            issuer.token(&claims)
        });
        let answer = browser.get(app, &oidc.provider.approve(app, &redirect, &ada())).await;
        match is_good {
            true => drop(code(&answer)),
            false => drop(records.refused(&answer, "server_error", "authentication_too_old").await),
        }
    }
}

/// Signs a person in and gives the profile.
async fn signed_in(oidc: &Oidc, connection: &str, provider: &OidcProvider, person: &Person) -> Value {
    let answer = provider.sign_in(&oidc.app, &mut Browser::new(), connection, person).await;
    exchange(&oidc.app, &code(&answer)).await.expect(200)["profile"].clone()
}

#[tokio::test]
async fn o15_an_address_makes_nobody_somebody_else() {
    let oidc = Oidc::new().await;
    let (app, provider) = (&oidc.app, &oidc.provider);
    let victim = signed_in(&oidc, &oidc.connection, provider, &ada()).await;
    let mut profiles = vec![victim["id"].clone()];
    // nOAuth: another account that claims the address, verified or not or without saying.
    for (sub, verified) in [("m1", json!(true)), ("m2", json!(false)), ("m3", Value::Null)] {
        let mut browser = Browser::new();
        let redirect = oidc.begin(&mut browser).await;
        let mut claims = Person::new(sub, "ada@example.com").claims();
        claims["email_verified"] = verified;
        let answer = browser.get(app, &provider.approve_claims(app, &redirect, claims)).await;
        let granted = exchange(app, &code(&answer)).await.expect(200);
        assert_eq!(
            (&granted["profile"]["idp_id"], &granted["profile"]["email"]),
            (&json!(sub), &victim["email"])
        );
        assert!(!profiles.contains(&granted["profile"]["id"]), "{granted}");
        profiles.push(granted["profile"]["id"].clone());
    }
    // Subjects that differ only a little are different people.
    for sub in ["ADA-1815", "ada-1815 ", " ada-1815", "ada-1815\u{a0}", "ada\u{2010}1815"] {
        let other = signed_in(&oidc, &oidc.connection, provider, &Person::new(sub, "ada@example.com")).await;
        assert_eq!(other["idp_id"], sub);
        assert!(!profiles.contains(&other["id"]), "{sub:?}");
        profiles.push(other["id"].clone());
    }
    // The victim is still who they were.
    let again = signed_in(&oidc, &oidc.connection, provider, &ada()).await;
    assert_eq!(again["id"], victim["id"]);

    let mut records = Records::watch(app).await;
    let mut browser = Browser::new();
    let redirect = oidc.begin(&mut browser).await;
    let mut claims = ada().claims();
    claims["email_verified"] = json!("true");
    let answer = browser.get(app, &provider.approve_claims(app, &redirect, claims)).await;
    records.refused(&answer, "server_error", "id_token_claim_invalid").await;
}

#[tokio::test]
async fn o16_one_subject_at_two_providers_is_two_people() {
    let oidc = Oidc::new().await;
    let app = &oidc.app;
    let other = OidcProvider::start().await;
    let organization = customer_of(&oidc).await;
    let second = other.connect(app, &organization).await;
    // And one provider that serves two connections: what it says at one counts there alone.
    let third = oidc.provider.connect(app, &organization).await;
    let mut profiles = Vec::new();
    for (connection, provider) in
        [(&oidc.connection, &oidc.provider), (&second, &other), (&third, &oidc.provider)]
    {
        let profile = signed_in(&oidc, connection, provider, &ada()).await;
        assert_eq!((&profile["idp_id"], &profile["connection_id"]), (&json!("ada-1815"), &json!(connection)));
        assert!(!profiles.contains(&profile["id"]));
        profiles.push(profile["id"].clone());
    }
}

/// The organization of the connection.
async fn customer_of(oidc: &Oidc) -> String {
    let connection = oidc.app.get(format!("/connections/{}", oidc.connection)).await.expect(200);
    connection["organization_id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn o15_a_provider_of_the_environment_knows_no_organization() {
    let app = testkit::TestApp::new().await;
    let provider = OidcProvider::start().await;
    let body = json!({ "connection_type": "GoogleOAuth", "oidc_options": provider.options() });
    let connection = app.post("/connections", body).await.expect(201);
    assert_eq!(connection["organization_id"], Value::Null);
    customer(&app).await;
    let mut browser = Browser::new();
    let redirect = browser.authorize(&app, &[("provider", "GoogleOAuth")]).await;
    // The address is in the domain of an organization; that makes nobody its member.
    let answer = browser.get(&app, &provider.approve(&app, &redirect, &ada())).await;
    let granted = exchange(&app, &code(&answer)).await.expect(200);
    assert_eq!(granted["profile"]["organization_id"], Value::Null);
    assert_eq!(granted["profile"]["connection_type"], "GoogleOAuth");
    let types = app.event_types().await;
    assert!(types.contains(&"authentication.oauth_succeeded".to_owned()), "{types:?}");
    assert!(types.iter().all(|name| !name.starts_with("authentication.sso")), "{types:?}");
}
