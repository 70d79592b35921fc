use http::{Method, StatusCode, header};

use crate::fixture::{Fixture, ORIGIN, value};
use crate::markup::by_test_id;

/// Begins a sign-in; gives the parameters of the request and the cookie.
async fn begin(fixture: &Fixture) -> (Vec<(String, String)>, String) {
    let answer = fixture.get(&format!("/demo/login?connection={}&login_hint=a%2Bb@c", fixture.saml.id)).await;
    let cookie = answer.header(header::SET_COOKIE).to_owned();
    (answer.redirected_to(&format!("{ORIGIN}/sso/authorize")), cookie)
}

#[tokio::test]
async fn demo_links_to_both_ways_of_signing_in() {
    let fixture = Fixture::new().await;
    fixture.settle_demo("client_x");
    assert!(fixture.get("/").await.redirected_to_path("/demo"));
    let home = fixture.get("/demo").await;
    for (test_id, connection) in [("sign-in-saml", fixture.saml.id), ("sign-in-oidc", fixture.oidc.id)] {
        let link = by_test_id(&home.body, test_id).unwrap();
        assert_eq!(link.get("href"), Some(format!("/demo/login?connection={connection}").as_str()));
    }
    assert!(!home.body.contains("sk_test_secret"), "the key stays on the server");
}

#[tokio::test]
async fn sign_in_begins_with_a_state_that_a_sealed_cookie_keeps() {
    let fixture = Fixture::new().await;
    fixture.settle_demo("client_x");
    let (request, cookie) = begin(&fixture).await;
    assert_eq!(value(&request, "client_id"), Some("client_x"));
    assert_eq!(value(&request, "response_type"), Some("code"));
    assert_eq!(value(&request, "redirect_uri"), Some("http://localhost:4100/demo/callback"));
    assert_eq!(value(&request, "redirect_uri"), Some(login::demo_redirect_uri(&fixture.app).as_str()));
    assert_eq!(value(&request, "login_hint"), Some("a+b@c"));
    let state = value(&request, "state").unwrap();
    assert_eq!(state.len(), 32);
    assert!(!cookie.contains(state));
    assert!(cookie.ends_with("; Path=/demo; Max-Age=600; HttpOnly; SameSite=Lax"), "{cookie}");
    let (again, _) = begin(&fixture).await;
    assert_ne!(value(&again, "state"), Some(state));

    let elsewhere = fixture.get("/demo/login?connection=conn_01EHWNCE74X7JSDV0X3SZ3KJNY").await;
    assert_eq!(elsewhere.status, StatusCode::BAD_REQUEST);
    assert_eq!(elsewhere.header(header::SET_COOKIE), "");
}

#[tokio::test]
async fn callback_takes_only_the_state_of_this_browser() {
    let fixture = Fixture::new().await;
    fixture.settle_demo("client_x");
    let (request, cookie) = begin(&fixture).await;
    let state = value(&request, "state").unwrap();
    let cookie = cookie.split(';').next().unwrap();
    let call = async |state: &str, cookie: &str| {
        let path = format!("/demo/callback?state={state}&error=access_denied&error_description=No%20way");
        fixture.send(Method::GET, &path, &[("cookie", cookie)], String::new()).await
    };
    for (state, cookie) in [
        (state, ""),
        (state, "portcullis_demo_flow=x"),
        (state, cookie.trim_end_matches(|c| c != '=')),
        ("other", cookie),
        ("", cookie),
    ] {
        let page = call(state, cookie).await;
        assert_eq!(page.status, StatusCode::BAD_REQUEST, "{state} {cookie}");
        assert!(by_test_id(&page.body, "error").is_none() && page.body.contains("wasn’t meant for you"));
    }
    let page = call(state, &format!("a=b; {cookie}; c=d")).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.body.contains("<code data-testid=\"error\">access_denied</code>"));
    assert!(page.body.contains("No way"));
    assert!(page.header(header::SET_COOKIE).starts_with("portcullis_demo_flow=; Path=/demo; Max-Age=0"));

    fixture.app.clock.advance(10 * 60_000);
    assert_eq!(call(state, cookie).await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn callback_says_when_the_token_endpoint_cannot_be_reached() {
    let fixture = Fixture::new().await;
    fixture.settle_demo("client_x");
    let (request, cookie) = begin(&fixture).await;
    let state = value(&request, "state").unwrap();
    let cookie = cookie.split(';').next().unwrap();
    // Nothing listens there in this test, or something that isn't Portcullis and knows no such code.
    let path = format!("/demo/callback?state={state}&code=01J00000000000000000000000");
    let page = fixture.send(Method::GET, &path, &[("cookie", cookie)], String::new()).await;
    assert!(page.status == StatusCode::BAD_GATEWAY || page.status == StatusCode::BAD_REQUEST);
    assert!(by_test_id(&page.body, "error-description").is_some());
    assert!(!page.body.contains("sk_test_secret"));
}

#[tokio::test]
async fn signing_out_forgets_the_session() {
    let fixture = Fixture::new().await;
    let answer = fixture.get("/demo/logout").await;
    assert!(answer.redirected_to_path("/demo"));
    assert!(answer.header(header::SET_COOKIE).starts_with("portcullis_demo_session=; Path=/demo; Max-Age=0"));
}
