//! Reading what a token endpoint answers.

use std::fmt;

use serde_json::{Map, Value};

use crate::claims::{self, ClaimError};
use crate::response::{self, ResponseError};
use crate::text::printable;

/// A successful answer (RFC 6749 §5.1).
#[derive(Clone, PartialEq, Eq)]
pub struct TokenResponse {
    /// For the UserInfo endpoint and other calls on the person's behalf.
    pub access_token: String,
    /// The ID token, not verified yet.
    pub id_token: Option<String>,
    /// `Bearer`, in whatever case the provider writes it.
    pub token_type: String,
    /// Seconds until the access token expires.
    pub expires_in: Option<i64>,
    /// The refresh token.
    pub refresh_token: Option<String>,
    /// The scopes granted, separated by spaces, if they differ from those asked for.
    pub scope: Option<String>,
}

impl fmt::Debug for TokenResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenResponse")
            .field("token_type", &self.token_type)
            .field("expires_in", &self.expires_in)
            .field("scope", &self.scope)
            .finish_non_exhaustive()
    }
}

/// Why there are no tokens.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenEndpointError {
    /// The provider refused, in the words of RFC 6749 §5.2.
    #[error("the identity provider refused the code exchange: {error}{}", described(description.as_deref()))]
    Refused {
        /// The error code, made printable.
        error: String,
        /// The explanation, made printable, up to 512 characters.
        description: Option<String>,
    },
    /// Another status than success, and no error code.
    #[error("the identity provider's token endpoint answered with status {status}")]
    Status {
        /// The HTTP status.
        status: u16,
    },
    /// Not a JSON object.
    #[error("the answer of the identity provider's token endpoint is unusable: {0}")]
    Response(#[from] ResponseError),
    /// A member is missing or of the wrong type.
    #[error("in the answer of the identity provider's token endpoint {0}")]
    Member(#[from] ClaimError),
    /// An access token of a type that is not understood must not be used (RFC 6749 §7.1).
    #[error("the identity provider issued an access token of the type \"{found}\", not \"Bearer\"")]
    TokenType {
        /// The type.
        found: String,
    },
}

fn described(description: Option<&str>) -> String {
    description.map(|text| format!(" ({text})")).unwrap_or_default()
}

impl TokenEndpointError {
    /// A stable name for logs and timelines.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Refused { .. } => "token_endpoint_refused",
            Self::Status { .. } => "token_endpoint_status",
            Self::Response(ResponseError::TooLarge) => "token_endpoint_too_large",
            Self::Response(ResponseError::Redirect { .. }) => "token_endpoint_redirect",
            Self::Response(ResponseError::NotJson { .. }) => "token_endpoint_not_json",
            Self::Response(ResponseError::Malformed { .. }) => "token_endpoint_malformed",
            Self::Member(_) => "token_endpoint_member_invalid",
            Self::TokenType { .. } => "token_endpoint_token_type",
        }
    }
}

/// Reads an answer. Redirects are errors here, so the HTTP client must not follow them on its own.
///
/// # Errors
/// Anything but a success with a usable access token, see [`TokenEndpointError`].
pub fn parse_response(
    status: u16,
    content_type: Option<&str>,
    body: &[u8],
) -> Result<TokenResponse, TokenEndpointError> {
    let is_success = (200..300).contains(&status);
    let members = match response::json_object(status, content_type, body) {
        Ok(members) => members,
        // A gateway's error page says less than its status.
        Err(ResponseError::NotJson { .. } | ResponseError::Malformed { .. }) if !is_success => {
            return Err(TokenEndpointError::Status { status });
        }
        Err(error) => return Err(error.into()),
    };
    // Whatever the status: GitHub and Slack refuse with status 200.
    if let Some(Value::String(error)) = members.get("error")
        && !error.is_empty()
    {
        let description = members.get("error_description").and_then(Value::as_str);
        return Err(TokenEndpointError::Refused {
            error: printable(error, 64),
            description: description.map(|text| printable(text, 512)),
        });
    }
    if !is_success {
        return Err(TokenEndpointError::Status { status });
    }
    let text = |name| claims::profile_string(&members, name).map(|text| text.map(str::to_owned));
    // Required by RFC 6749 §5.1, yet LinkedIn leaves it out; there is only one type in use.
    let token_type = text("token_type")?.unwrap_or_else(|| "Bearer".to_owned());
    if !token_type.eq_ignore_ascii_case("Bearer") {
        return Err(TokenEndpointError::TokenType { found: printable(&token_type, 64) });
    }
    let access_token = claims::required_string(&members, "access_token")?;
    if access_token.is_empty() || !access_token.bytes().all(|b| b.is_ascii_graphic()) {
        // It goes into a header (RFC 6750 §2.1).
        return Err(ClaimError::wrong_type("access_token", "a usable token").into());
    }
    Ok(TokenResponse {
        access_token: access_token.to_owned(),
        id_token: text("id_token")?,
        token_type,
        expires_in: lifetime(&members)?,
        refresh_token: text("refresh_token")?,
        scope: text("scope")?,
    })
}

/// `expires_in`: a number of seconds, or the same as a string, as Entra's older endpoint sends it.
fn lifetime(members: &Map<String, Value>) -> Result<Option<i64>, ClaimError> {
    let seconds = match members.get("expires_in") {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(digits)) if digits.bytes().all(|b| b.is_ascii_digit()) => digits.parse().ok(),
        Some(value) => value.as_i64(),
    };
    match seconds {
        Some(seconds) if seconds >= 0 => Ok(Some(seconds)),
        _ => Err(ClaimError::wrong_type("expires_in", "a number of seconds")),
    }
}
