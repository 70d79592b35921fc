//! One error type: what the caller may see, or what only we may see.
//!
//! The public API answers in several families (a bare message, a coded message, validation errors, OAuth
//! errors); each constructor belongs to one of them and they are never mixed, because SDKs choose the
//! exception by the keys that are present.

use std::fmt;

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use serde_json::{Value, json};

/// The result of anything that can answer a request with an error.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a request was not done.
#[derive(Debug)]
pub enum Error {
    /// The caller's fault or limit: shown as it stands.
    Api(Box<ApiError>),
    /// Ours: logged once with its causes, shown as a bare 500.
    Internal(anyhow::Error),
}

/// An error answer of the API.
#[derive(Debug)]
pub struct ApiError {
    pub status: StatusCode,
    pub body: Value,
    /// Seconds for `Retry-After`.
    pub retry_after: Option<u32>,
}

/// One wrong field of a request.
#[derive(Debug, Clone, Serialize)]
pub struct FieldError {
    pub code: &'static str,
    pub field: String,
}

impl FieldError {
    /// A field that must be there and isn't.
    pub fn required(field: impl Into<String>) -> Self {
        Self { code: "required", field: field.into() }
    }

    /// A field whose value can't be used.
    pub fn invalid(field: impl Into<String>) -> Self {
        Self { code: "invalid", field: field.into() }
    }
}

impl Error {
    /// `{"message"}` with any status: the default family.
    pub fn message(status: StatusCode, message: impl Into<String>) -> Self {
        Self::api(status, json!({ "message": message.into() }))
    }

    /// `{"code", "message"}`: a domain error with a stable code.
    pub fn coded(status: StatusCode, code: &str, message: impl Into<String>) -> Self {
        Self::api(status, json!({ "code": code, "message": message.into() }))
    }

    /// 400 `{"message", "error": "Bad Request"}`: the body can't be read at all.
    pub fn malformed(message: impl Into<String>) -> Self {
        Self::api(StatusCode::BAD_REQUEST, json!({ "message": message.into(), "error": "Bad Request" }))
    }

    /// 400 with a code.
    pub fn bad_request(code: &str, message: impl Into<String>) -> Self {
        Self::coded(StatusCode::BAD_REQUEST, code, message)
    }

    /// 401 `{"message": "Unauthorized"}`.
    pub fn unauthorized() -> Self {
        Self::message(StatusCode::UNAUTHORIZED, "Unauthorized")
    }

    /// 404 for an id, known or not: a foreign object answers exactly as an absent one.
    pub fn not_found(noun: &str, id: impl fmt::Display) -> Self {
        Self::message(StatusCode::NOT_FOUND, format!("{noun} not found: '{id}'."))
    }

    /// 409 `{"message"}`.
    pub fn conflict(message: impl Into<String>) -> Self {
        Self::message(StatusCode::CONFLICT, message)
    }

    /// 422 with a plain message.
    pub fn unprocessable(message: impl Into<String>) -> Self {
        Self::message(StatusCode::UNPROCESSABLE_ENTITY, message)
    }

    /// 422 naming the wrong fields.
    pub fn validation(errors: Vec<FieldError>) -> Self {
        Self::api(
            StatusCode::UNPROCESSABLE_ENTITY,
            json!({ "message": "Validation failed", "code": "invalid_request_parameters", "errors": errors }),
        )
    }

    /// 422 for one wrong field.
    pub fn invalid(field: impl Into<String>) -> Self {
        Self::validation(vec![FieldError::invalid(field)])
    }

    /// 422 for U+0000, which PostgreSQL can't store.
    pub fn nul(field: impl Into<String>) -> Self {
        Self::validation(vec![FieldError { code: "invalid_character", field: field.into() }])
    }

    /// An OAuth error, always 400 here (RFC 6749 §5.2).
    pub fn oauth(error: &str, description: impl Into<String>) -> Self {
        Self::api(StatusCode::BAD_REQUEST, json!({ "error": error, "error_description": description.into() }))
    }

    /// 503 with `Retry-After`: a dependency is away or we are overloaded.
    pub fn unavailable() -> Self {
        let mut error = ApiError::new(
            StatusCode::SERVICE_UNAVAILABLE,
            json!({ "message": "The service is temporarily unavailable. Please try again." }),
        );
        error.retry_after = Some(1);
        Self::Api(Box::new(error))
    }

    /// An answer with a body of its own shape.
    pub fn api(status: StatusCode, body: Value) -> Self {
        Self::Api(Box::new(ApiError::new(status, body)))
    }

    /// A fault of ours; the text goes to the log, never to the caller.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::Internal(anyhow::Error::msg(message.into()))
    }

    /// The HTTP status this error answers with.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Api(error) => error.status,
            Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl ApiError {
    fn new(status: StatusCode, body: Value) -> Self {
        Self { status, body, retry_after: None }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Api(error) => write!(f, "{} {}", error.status, error.body),
            Self::Internal(error) => write!(f, "{error:#}"),
        }
    }
}

impl std::error::Error for Error {}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        match error {
            store::Error::Unavailable(reason) => {
                tracing::warn!(%reason, "database unavailable");
                Self::unavailable()
            }
            // Too much contention for all attempts: load, not a fault.
            store::Error::Serialization => {
                tracing::warn!("a transaction collided with others at every attempt");
                Self::unavailable()
            }
            store::Error::UnknownCursor => {
                Self::validation(vec![FieldError { code: "invalid_cursor", field: "before/after".into() }])
            }
            other => Self::Internal(anyhow::Error::new(other)),
        }
    }
}

impl From<anyhow::Error> for Error {
    fn from(error: anyhow::Error) -> Self {
        Self::Internal(error)
    }
}

/// Rides on a 500 so that the request's log line can say why.
#[derive(Clone, Debug)]
pub(crate) struct Cause(pub std::sync::Arc<str>);

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        match self {
            Self::Api(error) => {
                let mut response = (error.status, Json(error.body)).into_response();
                if let Some(seconds) = error.retry_after {
                    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
                }
                response
            }
            Self::Internal(error) => {
                let body = Json(json!({ "message": "Internal server error." }));
                let mut response = (StatusCode::INTERNAL_SERVER_ERROR, body).into_response();
                response.extensions_mut().insert(Cause(format!("{error:#}").into()));
                response
            }
        }
    }
}
