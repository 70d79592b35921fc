//! The compact serialization of JWS (RFC 7515 §7.1), taken apart but not yet verified.

use serde_json::{Map, Value};

use crate::base64url;
use crate::json::{self, JsonError};

/// Longest token that is looked at, in bytes. Entra tokens with 200 groups stay under 16 KB.
pub(crate) const MAX_TOKEN_BYTES: usize = 64 * 1024;

/// Longest `kid` that is looked at, in bytes. Some issuers use the address of a certificate.
pub(crate) const MAX_KID_BYTES: usize = 1024;

/// Header parameters that change how the rest is to be read. `crit` names extensions we don't have
/// (RFC 7515 §4.1.11), `b64` changes what was signed (RFC 7797), the others belong to encryption.
const REFUSED_PARAMETERS: [&str; 4] = ["crit", "b64", "enc", "zip"];

/// Why a text could not be taken apart as a signed token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// More than 64 KB.
    #[error("the token is longer than {MAX_TOKEN_BYTES} bytes")]
    TooLarge,
    /// Five segments: a JWE (RFC 7516). Nothing is decrypted, so nothing can be made to inflate or to run
    /// a key derivation for hours.
    #[error("the token is encrypted; only signed tokens are accepted")]
    Encrypted,
    /// Not three segments separated by dots.
    #[error("the token does not have the three segments of a signed JWT")]
    NotCompact,
    /// A segment is not canonical base64url without padding.
    #[error("the {part} of the token is not canonical base64url")]
    NotBase64Url {
        /// `header`, `payload` or `signature`.
        part: &'static str,
    },
    /// The header or the payload is not acceptable JSON.
    #[error("the {part} of the token is not acceptable JSON: {reason}")]
    NotJson {
        /// `header` or `payload`.
        part: &'static str,
        /// What is wrong with it.
        reason: JsonError,
    },
    /// `alg` is missing, or `alg`, `kid` or `typ` is not a string of a sensible length.
    #[error("the header parameter \"{parameter}\" of the token is missing or not a usable string")]
    InvalidParameter {
        /// The parameter.
        parameter: &'static str,
    },
    /// A header parameter that changes the meaning of the token is present.
    #[error("the token uses the header parameter \"{parameter}\", which is not accepted")]
    RefusedParameter {
        /// The parameter.
        parameter: &'static str,
    },
}

/// A token whose header has been read and whose signature has *not* been verified.
pub(crate) struct Compact<'t> {
    /// All header parameters. Those that carry or locate keys are never used.
    pub(crate) header: Map<String, Value>,
    /// `alg`, as it stands there.
    pub(crate) algorithm: String,
    pub(crate) kid: Option<String>,
    pub(crate) typ: Option<String>,
    /// The octets that were signed: header and payload with the dot between them.
    pub(crate) signing_input: &'t [u8],
    pub(crate) signature: Vec<u8>,
    payload: &'t str,
}

impl<'t> Compact<'t> {
    pub(crate) fn parse(token: &'t str) -> Result<Self, FormatError> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(FormatError::TooLarge);
        }
        match token.bytes().filter(|&b| b == b'.').count() {
            2 => {}
            4 => return Err(FormatError::Encrypted),
            _ => return Err(FormatError::NotCompact),
        }
        let (signing_input, signature) = token.rsplit_once('.').ok_or(FormatError::NotCompact)?;
        let (header, payload) = signing_input.split_once('.').ok_or(FormatError::NotCompact)?;

        let header = members(header, "header")?;
        if let Some(parameter) = REFUSED_PARAMETERS.into_iter().find(|name| header.contains_key(*name)) {
            return Err(FormatError::RefusedParameter { parameter });
        }
        let algorithm =
            parameter(&header, "alg")?.ok_or(FormatError::InvalidParameter { parameter: "alg" })?;
        let kid = parameter(&header, "kid")?;
        let typ = parameter(&header, "typ")?;
        let signature =
            base64url::decode(signature).ok_or(FormatError::NotBase64Url { part: "signature" })?;
        Ok(Self { header, algorithm, kid, typ, signing_input: signing_input.as_bytes(), signature, payload })
    }

    /// Reads the payload. To be called once the signature has been verified.
    pub(crate) fn claims(&self) -> Result<Map<String, Value>, FormatError> {
        members(self.payload, "payload")
    }
}

fn members(segment: &str, part: &'static str) -> Result<Map<String, Value>, FormatError> {
    let bytes = base64url::decode(segment).ok_or(FormatError::NotBase64Url { part })?;
    json::object(&bytes).map_err(|reason| FormatError::NotJson { part, reason })
}

fn parameter(header: &Map<String, Value>, name: &'static str) -> Result<Option<String>, FormatError> {
    match header.get(name) {
        None => Ok(None),
        Some(Value::String(text)) if text.len() <= MAX_KID_BYTES => Ok(Some(text.clone())),
        Some(_) => Err(FormatError::InvalidParameter { parameter: name }),
    }
}
