//! Reading single claims by type: absent, right, or an error. Never "wrong, so absent".
//!
//! That distinction is the point: a verifier that takes `"nbf": "9999999999"` for a missing `nbf` accepts a
//! token that is not valid yet.

use serde_json::{Map, Value};

use crate::LEEWAY_SECONDS;

/// The last second of the year 9999, in seconds since the Unix epoch. Later dates cannot be shown and
/// are not meant seriously.
const LAST_SECOND: i64 = 253_402_300_799;

/// A claim that is missing or cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClaimError {
    /// A required claim is not there.
    #[error("\"{claim}\" is missing")]
    Missing {
        /// The claim.
        claim: String,
    },
    /// The claim has another JSON type than the specification gives it.
    #[error("\"{claim}\" is not {expected}")]
    WrongType {
        /// The claim.
        claim: String,
        /// What it should have been.
        expected: &'static str,
    },
}

impl ClaimError {
    pub(crate) fn missing(claim: &str) -> Self {
        Self::Missing { claim: crate::text::printable(claim, 64) }
    }

    pub(crate) fn wrong_type(claim: &str, expected: &'static str) -> Self {
        Self::WrongType { claim: crate::text::printable(claim, 64), expected }
    }
}

/// A string claim, if there is one.
///
/// # Errors
/// The claim is something else than a string (`null` included).
pub fn string<'m>(claims: &'m Map<String, Value>, name: &str) -> Result<Option<&'m str>, ClaimError> {
    match claims.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(ClaimError::wrong_type(name, "a string")),
    }
}

/// A string claim that must be there.
///
/// # Errors
/// It is not there, or something else than a string.
pub fn required_string<'m>(claims: &'m Map<String, Value>, name: &str) -> Result<&'m str, ClaimError> {
    string(claims, name)?.ok_or_else(|| ClaimError::missing(name))
}

/// A time (RFC 7519 `NumericDate`), in seconds since the Unix epoch.
///
/// # Errors
/// It is anything but a whole number between 1970 and 9999. The RFC would allow fractions; no issuer of ID
/// tokens is known to send them, and readers differ in what they make of them.
pub fn numeric_date(claims: &Map<String, Value>, name: &str) -> Result<Option<i64>, ClaimError> {
    match claims.get(name) {
        None => Ok(None),
        Some(value) => match value.as_i64() {
            Some(seconds) if (0..=LAST_SECOND).contains(&seconds) => Ok(Some(seconds)),
            _ => Err(ClaimError::wrong_type(name, "a time in whole seconds since 1970")),
        },
    }
}

/// A time that must be there.
///
/// # Errors
/// It is not there, or not as [`numeric_date`] wants it.
pub fn required_numeric_date(claims: &Map<String, Value>, name: &str) -> Result<i64, ClaimError> {
    numeric_date(claims, name)?.ok_or_else(|| ClaimError::missing(name))
}

/// The audiences: `aud` is a string or an array of strings (RFC 7519 §4.1.3).
///
/// # Errors
/// It is anything else, or an empty array.
pub fn audiences(claims: &Map<String, Value>) -> Result<Option<Vec<&str>>, ClaimError> {
    let wrong = || ClaimError::wrong_type("aud", "a string or a list of strings");
    match claims.get("aud") {
        None => Ok(None),
        Some(Value::String(audience)) => Ok(Some(vec![audience])),
        Some(Value::Array(list)) if !list.is_empty() => {
            list.iter().map(Value::as_str).collect::<Option<Vec<_>>>().map(Some).ok_or_else(wrong)
        }
        Some(_) => Err(wrong()),
    }
}

/// A describing string such as a name. `null` counts as absent here, and only in the describing claims:
/// issuers that fill a template from their directory send it, and it grants nothing.
///
/// # Errors
/// It is neither a string nor `null`.
pub fn profile_string<'m>(claims: &'m Map<String, Value>, name: &str) -> Result<Option<&'m str>, ClaimError> {
    if claims.get(name).is_some_and(Value::is_null) { Ok(None) } else { string(claims, name) }
}

/// A describing boolean such as `email_verified`. `null` counts as absent.
///
/// # Errors
/// It is neither a boolean nor `null`; the string `"true"` is an error.
pub fn profile_boolean(claims: &Map<String, Value>, name: &str) -> Result<Option<bool>, ClaimError> {
    match claims.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Bool(value)) => Ok(Some(*value)),
        Some(_) => Err(ClaimError::wrong_type(name, "true or false")),
    }
}

/// What is wrong with `exp`, `nbf` or `iat`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TimeError {
    Claim(ClaimError),
    Expired,
    NotYetValid,
    IssuedInTheFuture,
}

impl From<ClaimError> for TimeError {
    fn from(error: ClaimError) -> Self {
        Self::Claim(error)
    }
}

/// Judges `exp` (required), `nbf` and `iat` (where present) at `now`, in milliseconds since the Unix epoch.
pub(crate) fn check_times(claims: &Map<String, Value>, now: i64) -> Result<(), TimeError> {
    // All three are read before one is judged, so that a wrong type is reported as such.
    let expires = required_numeric_date(claims, "exp")?;
    let not_before = numeric_date(claims, "nbf")?;
    let issued = numeric_date(claims, "iat")?;
    if is_past(expires, now) {
        return Err(TimeError::Expired);
    }
    if not_before.is_some_and(|time| is_future(time, now)) {
        return Err(TimeError::NotYetValid);
    }
    if issued.is_some_and(|time| is_future(time, now)) {
        return Err(TimeError::IssuedInTheFuture);
    }
    Ok(())
}

/// Whether `now` (milliseconds) is at or after the second `time`, with the leeway added.
pub(crate) fn is_past(time: i64, now: i64) -> bool {
    now >= time.saturating_add(LEEWAY_SECONDS).saturating_mul(1000)
}

/// Whether the second `time` lies after `now` (milliseconds) by more than the leeway.
fn is_future(time: i64, now: i64) -> bool {
    time.saturating_sub(LEEWAY_SECONDS).saturating_mul(1000) > now
}
