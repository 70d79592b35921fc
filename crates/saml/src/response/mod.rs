//! Verification of a `Response` to the Web Browser SSO profile (SAML profiles 4.1), and who it says signed in.
//!
//! The order is what makes it safe:
//! 1. raw bytes are held to limits and to plain XML ([`crate::xml::admit`]), then parsed once;
//! 2. the structural allow-list leaves one assertion in one place, with signatures only where SAML puts them;
//! 3. every signature present must verify, with a pinned key and allow-listed algorithms, over its own parent;
//! 4. the octets that were digested are parsed anew, and everything is read from them. Only where the assertion
//!    alone is signed do the response's own fields come from the document as received; they can only refuse;
//! 5. the profile's checks compare exactly and fail closed.

mod attributes;
mod profile;
mod refusal;
mod signature;
mod structure;

use crate::certificate::Certificate;
use crate::encoding::{DecodeError, decode_base64};
use crate::xml;

pub use attributes::Attribute;
pub use refusal::{EmbeddedCertificate, Moment, Quoted, Refusal, StatusDetail};
use structure::Envelope;

/// How far the identity provider's clock may be off, in milliseconds.
pub const CLOCK_SKEW: i64 = 180_000;

/// What the response must match.
#[derive(Debug, Clone)]
pub struct Expected<'a> {
    /// The identity provider's entity id.
    pub idp_entity_id: &'a str,
    /// Our entity id, which the assertion must be meant for.
    pub sp_entity_id: &'a str,
    /// The assertion consumer service URL that the response was posted to.
    pub acs_url: &'a str,
    /// The id of the request that the response must answer.
    pub in_response_to: &'a str,
    /// Now, in epoch milliseconds.
    pub now: i64,
    /// The connection's pinned certificates. No other key is ever used.
    pub certificates: &'a [Certificate],
    /// Whether RSA signatures and digests with SHA-1 are accepted.
    pub allow_sha1: bool,
}

/// Who signed in, read from what was signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// The assertion's id. It must be remembered until `replay_until` and never accepted again from this issuer.
    pub assertion_id: String,
    /// The response's id. It is signed only if the response is.
    pub response_id: String,
    /// The assertion's issuer: the expected entity id.
    pub issuer: String,
    /// The subject, if it is named.
    pub name_id: Option<NameId>,
    /// The session's index at the identity provider.
    pub session_index: Option<String>,
    /// When the person authenticated, in epoch milliseconds; the earliest if there are several statements.
    pub authn_instant: Option<i64>,
    /// The attributes in document order, one entry per name.
    pub attributes: Vec<Attribute>,
    /// Until when the assertion could be accepted again, in epoch milliseconds, clock skew included.
    pub replay_until: i64,
    /// The index in [`Expected::certificates`] of the certificate whose key signed what was read.
    pub signing_certificate: usize,
}

/// A subject identifier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameId {
    /// The identifier.
    pub value: String,
    /// The URI of its format.
    pub format: Option<String>,
}

/// Verifies a `SAMLResponse` form field and extracts who signed in.
pub fn verify(saml_response_base64: &str, expected: &Expected<'_>) -> Result<Verified, Refusal> {
    let bytes = decode_base64(saml_response_base64, xml::MAX_BYTES).map_err(|error| match error {
        DecodeError::TooLarge => Refusal::TooLarge { limit: xml::MAX_BYTES },
        DecodeError::NotBase64 => Refusal::NotBase64,
    })?;
    let text = xml::admit(&bytes)?;
    let document = xml::parse(&text)?;
    let envelope = Envelope::examine(&document)?;
    // Decryption belongs here: an EncryptedAssertion's plaintext is admitted, parsed and examined by the same rules.
    let check = |signature, signed, id| {
        signature::verify(signature, signed, id, expected.certificates, expected.allow_sha1)
    };
    let response = envelope
        .response_signature
        .map(|signature| check(signature, envelope.response, envelope.response_id))
        .transpose()?;
    let assertion = envelope
        .assertion_signature
        .map(|signature| check(signature, envelope.assertion, envelope.assertion_id))
        .transpose()?;
    match (response, assertion) {
        (Some((octets, certificate)), _) => {
            let signed = xml::parse(&octets)?;
            profile::check_response(signed.root_element(), true, expected)?;
            let assertion = structure::only(signed.root_element(), xml::ASSERTION, "Assertion")?;
            let assertion = assertion.ok_or(Refusal::AssertionMissing)?;
            profile::read_assertion(assertion, envelope.response_id, certificate, expected)
        }
        (None, Some((octets, certificate))) => {
            profile::check_response(envelope.response, false, expected)?;
            let signed = xml::parse(&octets)?;
            profile::read_assertion(signed.root_element(), envelope.response_id, certificate, expected)
        }
        (None, None) => Err(Refusal::SignatureMissing),
    }
}
