use http::{StatusCode, header};

use crate::fixture::{Fixture, connect_saml, encoded};
use crate::markup::{by_test_id, field, tags};

/// Metadata of an identity provider that takes requests by post alone.
async fn metadata(fixture: &Fixture) -> String {
    let own = login::saml_metadata(&fixture.app, fixture.environment).await.unwrap();
    let (before, rest) = own.split_once("<md:SingleSignOnService").unwrap();
    let (_, rest) = rest.split_once("</md:SingleSignOnService>").unwrap();
    let sso_url = login::saml_sso_url(&fixture.app, fixture.environment);
    format!("{before}{rest}").replace(&sso_url, "https://idp.example.com:8443/sso?a=1&amp;b=%22%3E")
}

#[tokio::test]
async fn request_page_posts_to_the_identity_provider_and_nowhere_else() {
    let fixture = Fixture::new().await;
    let metadata = metadata(&fixture).await;
    let connection =
        connect_saml(&fixture.app, fixture.environment, fixture.organization, "Post", Some(metadata)).await;
    let environment = access::environments::queries::get(&fixture.app.db, fixture.environment).await.unwrap();
    let query = encoded(&[
        ("response_type", "code"),
        ("client_id", &environment.unwrap().client_id.to_string()),
        ("redirect_uri", "https://app.example.com/callback"),
        ("connection", &connection.id.to_string()),
    ]);
    let authorize = fixture.get(&format!("/sso/authorize?{query}")).await;
    assert_eq!(authorize.status, StatusCode::FOUND, "{}", authorize.body);
    let page = fixture.get(authorize.header(header::LOCATION)).await;

    assert_eq!(page.status, StatusCode::OK);
    let form = tags(&page.body).into_iter().find(|tag| tag.name == "form").unwrap();
    assert_eq!(form.get("action"), Some("https://idp.example.com:8443/sso?a=1&b=%22%3E"));
    assert_eq!(form.get("method"), Some("post"));
    let request = field(&page.body, "SAMLRequest").unwrap();
    let request = saml::request::parse_post(&request).unwrap();
    assert_eq!(request.acs_url.as_deref(), Some(crate::fixture::acs_url(&connection)));
    assert!(authorize.header(header::LOCATION).ends_with(&field(&page.body, "RelayState").unwrap()));
    assert!(by_test_id(&page.body, "continue").is_some());
    let policy = page.header(header::CONTENT_SECURITY_POLICY);
    assert!(policy.ends_with("form-action https://idp.example.com:8443 https:"), "{policy}");

    // Ten minutes later the flow is over, and so is its page.
    fixture.app.clock.advance(60 * 60_000);
    let page = fixture.get(authorize.header(header::LOCATION)).await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST);
    assert!(page.body.contains(">flow-expired<"));
}

#[tokio::test]
async fn request_page_of_an_unknown_flow_says_so() {
    let fixture = Fixture::new().await;
    let page = fixture.get("/sso/saml/request/%3Cscript%3E").await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST);
    assert!(page.body.contains(">flow-expired<"));
    assert!(!page.body.contains("<script"));
}
