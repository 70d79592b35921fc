//! The UserInfo endpoint (OpenID Connect Core §5.3).

use serde_json::{Map, Value};

use crate::claims::{self, ClaimError};
use crate::response::{self, ResponseError};

/// Why the answer of the UserInfo endpoint was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UserinfoError {
    /// The endpoint refused, or failed.
    #[error("the identity provider's UserInfo endpoint answered with status {status}")]
    Status {
        /// The HTTP status.
        status: u16,
    },
    /// A signed or encrypted answer. Only plain JSON over TLS is read: a JWT here would have to be verified
    /// like an ID token, and one with `alg: none` looks the same to a reader that does not.
    #[error("the identity provider's UserInfo endpoint answered with a JWT; set it to answer with JSON")]
    Jwt,
    /// Not a JSON object.
    #[error("the answer of the identity provider's UserInfo endpoint is unusable: {0}")]
    Response(#[from] ResponseError),
    /// `sub` is missing or not a string.
    #[error("in the answer of the identity provider's UserInfo endpoint {0}")]
    Claim(#[from] ClaimError),
    /// `sub` is not that of the ID token: the claims are somebody else's (OpenID Connect Core §5.3.2).
    #[error("the identity provider's UserInfo endpoint answered about another person")]
    SubjectMismatch,
}

impl UserinfoError {
    /// A stable name for logs and timelines.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Status { .. } => "userinfo_status",
            Self::Jwt => "userinfo_jwt",
            Self::Response(_) => "userinfo_unusable",
            Self::Claim(_) => "userinfo_claim_invalid",
            Self::SubjectMismatch => "userinfo_subject_mismatch",
        }
    }
}

/// Reads the answer. `expected_sub` is the subject of the verified ID token.
///
/// # Errors
/// The answer is not a plain JSON object about that subject. Then none of it may be used.
pub fn parse(
    status: u16,
    content_type: Option<&str>,
    body: &[u8],
    expected_sub: &str,
) -> Result<Map<String, Value>, UserinfoError> {
    if content_type.is_some_and(|sent| response::essence(sent) == "application/jwt") {
        return Err(UserinfoError::Jwt);
    }
    if !(200..400).contains(&status) {
        return Err(UserinfoError::Status { status });
    }
    let claims = response::json_object(status, content_type, body)?;
    if claims::required_string(&claims, "sub")? != expected_sub {
        return Err(UserinfoError::SubjectMismatch);
    }
    Ok(claims)
}
