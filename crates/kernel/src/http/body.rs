//! JSON in and out.

use axum::extract::{FromRequest, Request};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};

use super::{MAX_BODY, strict};
use crate::error::FieldError;
use crate::{Error, Result};

/// A JSON body, as extractor and as answer.
///
/// As extractor it takes whatever SDKs send: any content type but a form's, an empty or `null` body as `{}`.
/// Unreadable JSON (see [`strict`]) is 400, a value of the wrong type 422 with the field's name.
#[derive(Clone, Copy, Debug)]
pub struct Json<T>(pub T);

impl<T, S> FromRequest<S> for Json<T>
where
    T: DeserializeOwned,
    S: Send + Sync,
{
    type Rejection = Error;

    async fn from_request(request: Request, _state: &S) -> Result<Self> {
        if is_form(request.headers()) {
            return Err(Error::message(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "The body must be JSON (content-type: application/json).",
            ));
        }
        let bytes = body_bytes(request, MAX_BODY).await?;
        parse(&bytes).map(Self)
    }
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        axum::Json(self.0).into_response()
    }
}

/// 204 with an empty body.
#[derive(Clone, Copy, Debug)]
pub struct NoContent;

impl IntoResponse for NoContent {
    fn into_response(self) -> Response {
        StatusCode::NO_CONTENT.into_response()
    }
}

/// Reads a body of at most `limit` bytes; more is 413.
pub async fn body_bytes(request: Request, limit: usize) -> Result<Bytes> {
    let too_large =
        || Error::message(StatusCode::PAYLOAD_TOO_LARGE, format!("The body is larger than {limit} bytes."));
    let declared = request.headers().get(header::CONTENT_LENGTH);
    let declared = declared.and_then(|value| value.to_str().ok()).and_then(|value| value.parse::<u64>().ok());
    if declared.is_some_and(|length| length > limit as u64) {
        return Err(too_large());
    }
    match Limited::new(request.into_body(), limit).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(too_large()),
        Err(_) => Err(Error::malformed("The body could not be read.")),
    }
}

/// For `Option<Option<T>>` fields of an update: absent is `None`, `null` is `Some(None)`. Use with
/// `#[serde(default, deserialize_with = "kernel::http::nullable")]`.
pub fn nullable<'de, T, D>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    Option::deserialize(deserializer).map(Some)
}

pub(super) fn is_form(headers: &HeaderMap) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/x-www-form-urlencoded"))
}

pub(super) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    let trimmed = bytes.trim_ascii();
    let text = if trimmed.is_empty() || trimmed == b"null" { b"{}".as_slice() } else { trimmed };
    strict::check(text)?;
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let field = error.path().to_string();
        refuse(&error.into_inner(), field)
    })
}

/// A body that is good JSON and not what the operation takes.
fn refuse(error: &serde_json::Error, path: String) -> Error {
    // serde tells a missing field only by its words; the name stands in backticks.
    let message = error.to_string();
    let missing = message.strip_prefix("missing field `").and_then(|rest| rest.split('`').next());
    let path = if path == "." { String::new() } else { path };
    Error::validation(vec![match missing {
        Some(name) if path.is_empty() => FieldError::required(name),
        Some(name) => FieldError::required(format!("{path}.{name}")),
        None => FieldError { code: "invalid_type", field: path },
    }])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only parsed")]
    struct Body {
        name: String,
        inner: Option<Inner>,
    }

    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only parsed")]
    struct Inner {
        value: u32,
    }

    fn answer(text: &str) -> (u16, String) {
        match parse::<Body>(text.as_bytes()).unwrap_err() {
            Error::Api(error) => (error.status.as_u16(), error.body.to_string()),
            Error::Internal(error) => panic!("{error}"),
        }
    }

    #[test]
    fn broken_json_is_400_and_wrong_values_422_with_the_field() {
        // Also where the wrong value comes before the place that is broken.
        assert_eq!(answer(&format!("{{\"name\":{}", "[".repeat(100_000))).0, 400);
        assert_eq!(answer("{\"name\":1").0, 400);
        let (status, body) = answer("");
        assert_eq!(status, 422);
        assert!(body.contains(r#"{"code":"required","field":"name"}"#), "{body}");
        let (_, body) = answer(r#"{"name":"a","inner":{"value":"x"}}"#);
        assert!(body.contains(r#"{"code":"invalid_type","field":"inner.value"}"#), "{body}");
        let (_, body) = answer(r#"{"name":"a","inner":{}}"#);
        assert!(body.contains(r#"{"code":"required","field":"inner.value"}"#), "{body}");
    }
}
