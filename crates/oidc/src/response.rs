//! What the JSON endpoints of a provider answer, before it is known what the JSON says.

use serde_json::{Map, Value};

use crate::json::{self, JsonError};
use crate::text::printable;

/// Largest body that is looked at, in bytes.
const MAX_BYTES: usize = 1024 * 1024;

/// Why an answer is not the JSON object it should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResponseError {
    /// More than 1 MB.
    #[error("it is larger than {MAX_BYTES} bytes")]
    TooLarge,
    /// A redirect. Following one would hand the credentials of the request to another address.
    #[error("it is a redirect (status {status}), which is not followed")]
    Redirect {
        /// The HTTP status.
        status: u16,
    },
    /// Another media type, most often an HTML error page.
    #[error("it is {content_type} (status {status}), not JSON")]
    NotJson {
        /// The HTTP status.
        status: u16,
        /// The media type that was sent.
        content_type: String,
    },
    /// The media type is JSON, the body is not.
    #[error("it is not acceptable JSON (status {status}): {reason}")]
    Malformed {
        /// The HTTP status.
        status: u16,
        /// What is wrong with it.
        reason: JsonError,
    },
}

/// Reads the body of any answer as a JSON object, whatever its status but a redirect.
pub(crate) fn json_object(
    status: u16,
    content_type: Option<&str>,
    body: &[u8],
) -> Result<Map<String, Value>, ResponseError> {
    if (300..400).contains(&status) {
        return Err(ResponseError::Redirect { status });
    }
    if body.len() > MAX_BYTES {
        return Err(ResponseError::TooLarge);
    }
    if let Some(sent) = content_type
        && !is_json(sent)
    {
        return Err(ResponseError::NotJson { status, content_type: printable(sent, 64) });
    }
    json::object(body).map_err(|reason| ResponseError::Malformed { status, reason })
}

/// The media type without its parameters, in lower case.
pub(crate) fn essence(content_type: &str) -> String {
    content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// `application/json` or a type built on it (RFC 6839 §3.1).
fn is_json(content_type: &str) -> bool {
    let essence = essence(content_type);
    essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
}
