//! Verification of a `Response`.

use crate::certificate::Certificate;

/// What the response must match.
#[derive(Debug, Clone)]
pub struct Expected<'a> {
    /// The identity provider's entity id.
    pub idp_entity_id: &'a str,
    /// Our entity id.
    pub sp_entity_id: &'a str,
    /// The URL the response was posted to.
    pub acs_url: &'a str,
    /// The id of the request this must answer.
    pub in_response_to: &'a str,
    /// Now, epoch milliseconds.
    pub now: i64,
    /// The pinned certificates.
    pub certificates: &'a [Certificate],
    /// Accept SHA-1 signatures and digests (RSA only).
    pub allow_sha1: bool,
}

/// Who signed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// The assertion's id: remember it until `replay_until`.
    pub assertion_id: String,
    /// The response's id.
    pub response_id: String,
    /// The assertion's issuer.
    pub issuer: String,
    /// The subject.
    pub name_id: Option<NameId>,
    /// The session index at the identity provider.
    pub session_index: Option<String>,
    /// When the person authenticated, epoch milliseconds.
    pub authn_instant: Option<i64>,
    /// The attributes, in document order, one entry per name.
    pub attributes: Vec<Attribute>,
    /// Until when the assertion id must be remembered, epoch milliseconds.
    pub replay_until: i64,
    /// Which of the pinned certificates signed it.
    pub signing_certificate: usize,
}

/// A subject identifier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameId {
    /// The identifier.
    pub value: String,
    /// Its format.
    pub format: Option<String>,
}

/// An attribute and its values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribute {
    /// The attribute's name.
    pub name: String,
    /// Its friendly name.
    pub friendly_name: Option<String>,
    /// Its text values.
    pub values: Vec<String>,
}

/// Why a response was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Not base64.
    #[error("The response is not base64.")]
    NotBase64,
}

impl Refusal {
    /// A stable name for the reason.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotBase64 => "not_base64",
        }
    }
}

/// Verifies the `SAMLResponse` form field and extracts who signed in.
pub fn verify(_saml_response_base64: &str, _expected: &Expected<'_>) -> Result<Verified, Refusal> {
    Err(Refusal::NotBase64)
}
