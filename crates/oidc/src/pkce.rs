//! Proof Key for Code Exchange (RFC 7636), method S256 only.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest;

use crate::base64url;

/// The one `code_challenge_method` in use. `plain` shows the verifier to whoever sees the authorization
/// request, which is what PKCE is there to survive (RFC 9700 §2.1.1).
pub const METHOD: &str = "S256";

/// The S256 challenge of a verifier: base64url of its SHA-256 (RFC 7636 §4.2).
#[must_use]
pub fn challenge(verifier: &str) -> String {
    base64url::encode(digest::digest(&digest::SHA256, verifier.as_bytes()))
}

/// Whether `verifier` is well formed and `challenge` is its S256 challenge. Compares in constant time.
#[must_use]
pub fn verify(challenge: &str, verifier: &str) -> bool {
    is_valid_challenge(challenge)
        && is_valid_verifier(verifier)
        && verify_slices_are_equal(challenge.as_bytes(), self::challenge(verifier).as_bytes()).is_ok()
}

/// Whether the text can be an S256 challenge: the canonical base64url of 32 bytes, 43 characters.
#[must_use]
pub fn is_valid_challenge(challenge: &str) -> bool {
    challenge.len() == 43 && base64url::decode(challenge).is_some()
}

/// Whether the text can be a verifier: 43 to 128 characters of `A-Z a-z 0-9 - . _ ~` (RFC 7636 §4.1).
#[must_use]
pub fn is_valid_verifier(verifier: &str) -> bool {
    (43..=128).contains(&verifier.len())
        && verifier.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~'))
}
