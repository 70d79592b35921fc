use http::{Method, StatusCode, header};

use crate::fixture::Fixture;
use crate::markup::by_test_id;

#[tokio::test]
async fn error_pages_name_their_code() {
    let fixture = Fixture::new().await;
    for code in [
        "redirect-uri-invalid",
        "client-id-invalid",
        "invalid-connection-selector",
        "response-type-invalid",
        "flow-expired",
        "flow-other-browser",
        "sign-in-failed",
        "missing-parameter",
    ] {
        let page = fixture.get(&format!("/error/{code}")).await;
        assert_eq!(page.status, StatusCode::BAD_REQUEST, "{code}");
        assert!(page.body.contains(&format!("<code data-testid=\"error-code\">{code}</code>")), "{code}");
        assert!(page.body.contains(&format!("docs/sign-in-errors.md#{code}")), "{code}");
        assert_eq!(page.header(header::CONTENT_TYPE), "text/html; charset=utf-8");
        assert_eq!(page.header(header::CACHE_CONTROL), "no-store");
    }
}

#[tokio::test]
async fn error_page_shows_the_request_id_and_nothing_else_of_the_request() {
    let fixture = Fixture::new().await;
    let headers =
        [("x-request-id", "from-the-proxy-1"), ("user-agent", "MARKER"), ("referer", "http://MARKER/")];
    let page = fixture
        .send(Method::GET, "/error/flow-expired?error=MARKER&x=%3Cscript%3E", &headers, String::new())
        .await;
    assert!(page.body.contains("<code data-testid=\"request-id\">from-the-proxy-1</code>"));
    assert!(!page.body.contains("MARKER"));
    assert!(!page.body.contains("<script"));
}

#[tokio::test]
async fn unknown_codes_answer_as_a_missing_page() {
    let fixture = Fixture::new().await;
    for code in ["MARKER", "%3Cscript%3Ealert(1)%3C%2Fscript%3E", "internal-error", "unavailable", "%20"] {
        let page = fixture.get(&format!("/error/{code}")).await;
        assert_eq!(page.status, StatusCode::NOT_FOUND, "{code}");
        assert!(by_test_id(&page.body, "error-code").is_some());
        assert!(!page.body.contains("MARKER") && !page.body.contains("script"), "{code}");
    }
}
