//! The error page, for problems the application can't be told about, and for our own pages when they fail.

use askama::Template;
use axum::Router;
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::StatusCode;
use kernel::http::{Path, RequestId};
use kernel::{App, Error, Result};

use crate::page::{FormAction, html};

macro_rules! problems {
    ($($problem:ident $code:literal $status:ident $template:literal;)*) => {
        /// What a page says went wrong; the texts are in `templates/errors/`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Problem {
            $($problem,)*
        }

        impl Problem {
            /// The stable name, which is also the end of the page's address.
            pub(crate) fn code(self) -> &'static str {
                match self {
                    $(Self::$problem => $code,)*
                }
            }

            fn from_code(code: &str) -> Option<Self> {
                match code {
                    $($code => Some(Self::$problem),)*
                    _ => None,
                }
            }

            fn status(self) -> StatusCode {
                match self {
                    $(Self::$problem => StatusCode::$status,)*
                }
            }

            /// The page, with the status it goes with.
            fn page(self, request_id: Option<&str>) -> Result<Response> {
                let code = self.code();
                match self {
                    $(Self::$problem => {
                        #[derive(Template)]
                        #[template(path = $template)]
                        struct Text<'a> {
                            code: &'static str,
                            request_id: Option<&'a str>,
                        }
                        html(self.status(), &Text { code, request_id }, &FormAction::none())
                    })*
                }
            }
        }
    };
}

problems! {
    RedirectUriInvalid "redirect-uri-invalid" BAD_REQUEST "errors/redirect_uri_invalid.html";
    ClientIdInvalid "client-id-invalid" BAD_REQUEST "errors/client_id_invalid.html";
    InvalidConnectionSelector "invalid-connection-selector" BAD_REQUEST "errors/invalid_connection_selector.html";
    ResponseTypeInvalid "response-type-invalid" BAD_REQUEST "errors/response_type_invalid.html";
    MissingParameter "missing-parameter" BAD_REQUEST "errors/missing_parameter.html";
    FlowExpired "flow-expired" BAD_REQUEST "errors/flow_expired.html";
    FlowOtherBrowser "flow-other-browser" BAD_REQUEST "errors/flow_other_browser.html";
    SignInFailed "sign-in-failed" BAD_REQUEST "errors/sign_in_failed.html";
    TestRequestInvalid "test-request-invalid" BAD_REQUEST "errors/test_request_invalid.html";
    TestApplicationUnknown "test-application-unknown" BAD_REQUEST "errors/test_application_unknown.html";
    TestRequestExpired "test-request-expired" BAD_REQUEST "errors/test_request_expired.html";
    RequestRefused "request-refused" BAD_REQUEST "errors/request_refused.html";
    NotFound "not-found" NOT_FOUND "errors/not_found.html";
    Unavailable "unavailable" SERVICE_UNAVAILABLE "errors/unavailable.html";
    Internal "internal-error" INTERNAL_SERVER_ERROR "errors/internal.html";
}

impl IntoResponse for Problem {
    /// An answer that [`render`] turns into the page.
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// How a page fails: with a problem of its own, or with an [`Error`] that would be JSON for a program.
#[derive(Debug)]
pub(crate) enum PageError {
    Problem(Problem),
    Error(Error),
}

/// The answer of a page.
pub(crate) type PageResult = Result<Response, PageError>;

impl From<Problem> for PageError {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl From<Error> for PageError {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

impl From<store::Error> for PageError {
    fn from(error: store::Error) -> Self {
        Self::Error(error.into())
    }
}

impl IntoResponse for PageError {
    fn into_response(self) -> Response {
        let error = match self {
            Self::Problem(problem) => return problem.into_response(),
            Self::Error(error) => error,
        };
        let status = error.status();
        // The error's own answer carries its cause for the log and its headers.
        let mut response = error.into_response();
        response.extensions_mut().insert(match status {
            StatusCode::NOT_FOUND => Problem::NotFound,
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => Problem::Unavailable,
            status if status.is_server_error() => Problem::Internal,
            _ => Problem::RequestRefused,
        });
        response
    }
}

/// The layer that puts the page in the place of a failed answer.
pub(crate) async fn render(request: Request, next: Next) -> Response {
    let request_id = request.extensions().get::<RequestId>().cloned();
    let mut response = next.run(request).await;
    let Some(problem) = response.extensions_mut().remove::<Problem>() else {
        return response;
    };
    let page = match problem.page(request_id.as_ref().map(|id| id.0.as_str())) {
        Ok(page) => page,
        Err(error) => return error.into_response(),
    };
    let (mut parts, _) = response.into_parts();
    let (page, body) = page.into_parts();
    parts.headers.remove(http::header::CONTENT_LENGTH);
    parts.headers.extend(page.headers);
    Response::from_parts(parts, body)
}

pub(crate) fn router() -> Router<App> {
    Router::new().route("/error/{code}", get(error))
}

/// `GET /error/{code}`
async fn error(Path(code): Path) -> Problem {
    // Nothing of the request is shown, only what the code names.
    Problem::from_code(&code)
        .filter(|problem| problem.status() == StatusCode::BAD_REQUEST)
        .unwrap_or(Problem::NotFound)
}
