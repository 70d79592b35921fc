//! Single sign-on with the official Rust SDK and a browser that has no JavaScript.

use portcullis_client_checks::{Browser, REDIRECT_URI, Server};
use workos::sso::{GetAuthorizationUrlParams, GetProfileAndTokenParams};
use workos::{
    Client, Error, ProfileConnectionType, SSOTokenResponse, SsoAuthorizationUrlParams,
    SsoPkceCodeExchangeParams, TokenQuery, TokenQueryGrantType,
};

/// Everything a query string, a form or a header could mangle.
const AWKWARD_STATE: &str = "a+b %2B c/d?e=f&g=ü✓\"<'>";
const ALICE: [(&str, &str); 4] = [
    ("email", "alice@example.com"),
    ("first_name", "Alice"),
    ("last_name", "Ångström"),
    ("groups", "engineering, admins"),
];

fn authorization_url(client: &Client, connection: &str, state: Option<&str>) -> String {
    let mut params = GetAuthorizationUrlParams::new(REDIRECT_URI);
    params.connection = Some(connection.to_owned());
    params.state = state.map(str::to_owned);
    client.sso().get_authorization_url(params).unwrap()
}

/// Walks from `url` through the built-in identity provider to the application.
async fn sign_in(url: &str, person: &[(&str, &str)]) -> Browser {
    let mut browser = Browser::open(url).await;
    browser.press("sign-in", person).await;
    if !browser.arrived() {
        browser.press("continue", &[]).await;
    }
    browser
}

async fn exchange(client: &Client, code: &str) -> Result<SSOTokenResponse, Error> {
    let body = TokenQuery {
        client_id: client.client_id().to_owned(),
        client_secret: client.api_key().into(),
        code: Some(code.into()),
        grant_type: TokenQueryGrantType::AuthorizationCode,
        code_verifier: None,
        subject_token: None,
        subject_token_type: None,
        organization_id: None,
    };
    client.sso().get_profile_and_token(GetProfileAndTokenParams::new(body)).await
}

#[tokio::test]
async fn a_person_signs_in_through_every_kind_of_connection() {
    let server = Server::start().await;
    let client = server.client();
    for (connection, connection_type) in [
        (&server.saml_connection_id, ProfileConnectionType::GenericSAML),
        (&server.oidc_connection_id, ProfileConnectionType::GenericOidc),
        (&server.test_idp_connection_id, ProfileConnectionType::TestIdp),
    ] {
        let url = authorization_url(&client, connection, Some(AWKWARD_STATE));
        let query = sign_in(&url, &ALICE).await.query();
        assert_eq!(query["state"], AWKWARD_STATE);

        let answer = exchange(&client, &query["code"]).await.unwrap();
        assert_eq!(answer.token_type, "Bearer");
        assert_eq!(answer.expires_in, 600);
        let profile = answer.profile;
        assert!(profile.id.starts_with("prof_"));
        assert_eq!(&profile.connection_id, connection);
        assert_eq!(profile.connection_type, connection_type);
        assert_eq!(profile.organization_id.as_ref(), Some(&server.organization_id));
        assert_eq!(profile.email, "alice@example.com");
        assert_eq!(profile.first_name.as_deref(), Some("Alice"));
        assert_eq!(profile.last_name.as_deref(), Some("Ångström"));
        assert_eq!(profile.groups, Some(vec!["engineering".to_owned(), "admins".to_owned()]));

        let again = client.sso().get_profile(answer.access_token.expose()).await.unwrap();
        assert_eq!(serde_json::to_value(&again).unwrap(), serde_json::to_value(&profile).unwrap());
    }
}

#[tokio::test]
async fn a_code_works_once_and_only_with_the_secret() {
    let server = Server::start().await;
    let client = server.client();
    let url = authorization_url(&client, &server.saml_connection_id, None);
    let query = sign_in(&url, &ALICE).await.query();
    assert!(!query.contains_key("state"), "no state was given, none comes back");

    let stranger = server.client_with_key("sk_test_not_a_key");
    let error = exchange(&stranger, &query["code"]).await.unwrap_err();
    assert_eq!((error.status(), error.code()), (Some(400), Some("invalid_client")));
    exchange(&client, &query["code"]).await.unwrap();
    let error = exchange(&client, &query["code"]).await.unwrap_err();
    assert_eq!((error.status(), error.code()), (Some(400), Some("invalid_grant")));
    assert!(error.request_id().is_some());
}

#[tokio::test]
async fn pkce_works_for_public_and_for_confidential_clients() {
    let server = Server::start().await;
    // This SDK sends an empty `client_secret` where it knows no key.
    for client in [server.public_client(), server.client()] {
        let started = client
            .sso_helpers()
            .pkce_authorization_url(SsoAuthorizationUrlParams {
                redirect_uri: REDIRECT_URI.to_owned(),
                connection: Some(server.oidc_connection_id.clone()),
                ..Default::default()
            })
            .unwrap();
        let query = sign_in(&started.url, &ALICE).await.query();
        assert_eq!(query["state"], started.state);
        let wrong = SsoPkceCodeExchangeParams { code: query["code"].clone(), code_verifier: "x".repeat(43) };
        let error = client.sso_helpers().pkce_code_exchange(wrong).await.unwrap_err();
        assert_eq!((error.status(), error.code()), (Some(400), Some("invalid_grant")));

        let query = sign_in(&started.url, &ALICE).await.query();
        let right =
            SsoPkceCodeExchangeParams { code: query["code"].clone(), code_verifier: started.code_verifier };
        let answer = client.sso_helpers().pkce_code_exchange(right).await.unwrap();
        assert_eq!(answer.profile.email, "alice@example.com");
    }
}

#[tokio::test]
async fn people_from_outside_and_unknown_addresses_are_turned_away() {
    let server = Server::start().await;
    let client = server.client();
    let url = authorization_url(&client, &server.saml_connection_id, Some(AWKWARD_STATE));
    let mallory = [("email", "mallory@elsewhere-corp.com"), ("first_name", "Mallory"), ("last_name", "M")];
    let query = sign_in(&url, &mallory).await.query();
    assert_eq!(query["error"], "profile_not_allowed_outside_organization");
    assert_eq!(query["state"], AWKWARD_STATE);
    assert!(!query.contains_key("code"));

    let mut params = GetAuthorizationUrlParams::new("https://elsewhere-corp.com/callback");
    params.connection = Some(server.saml_connection_id.clone());
    let browser = Browser::open(&client.sso().get_authorization_url(params).unwrap()).await;
    assert!(browser.url().as_str().starts_with(&server.url), "{}", browser.url());
    assert!(browser.text("error-code").is_some_and(|code| !code.is_empty()));
}

#[tokio::test]
async fn a_profile_is_refused_to_a_token_that_is_none() {
    let server = Server::start().await;
    let client = server.client();
    for token in ["none", &server.api_key] {
        let error = client.sso().get_profile(token).await.unwrap_err();
        assert!(error.is_unauthorized(), "{error}");
    }
}
