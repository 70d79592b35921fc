//! Tokens of our own: signing them, and verifying the ones that come back.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa;
use aws_lc_rs::signature::{self, KeyPair as _, ParsedPublicKey, RsaPublicKeyComponents};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::algorithm::Algorithm;
use crate::base64url;
use crate::claims::{self, ClaimError, TimeError};
use crate::compact::{Compact, FormatError, MAX_KID_BYTES};
use crate::jwk;

/// A private or public key that cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Empty, too long, or with characters that are not visible ASCII.
    #[error("the key id is empty, too long or not visible ASCII")]
    KeyId,
    /// Not a key of that form, not RSA, or not of 2048 to 8192 bits.
    #[error("the key is not an RSA key of 2048 to 8192 bits in the expected encoding")]
    Key,
}

/// Signing failed.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// The claims could not be serialized.
    #[error("the claims of a token could not be serialized")]
    Claims(#[from] serde_json::Error),
    /// The claims serialize to something else than a JSON object.
    #[error("the claims of a token are not a JSON object")]
    NotAnObject,
    /// The cryptographic library failed (out of memory, damaged key).
    #[error("the signature of a token could not be made")]
    Signature,
}

/// An RS256 key for signing tokens. Parsed once; clones share it.
#[derive(Clone)]
pub struct SigningKey(Arc<Inner>);

struct Inner {
    key_pair: rsa::KeyPair,
    components: RsaPublicKeyComponents<Vec<u8>>,
    public: VerificationKey,
}

/// The public half of a [`SigningKey`], which remains when the private half has been retired.
#[derive(Clone)]
pub struct VerificationKey {
    kid: Arc<str>,
    key: ParsedPublicKey,
}

impl SigningKey {
    /// Parses a PKCS #8 private key (RFC 5208, DER). `kid` goes into the header of each token.
    ///
    /// # Errors
    /// The key is not RSA of 2048 to 8192 bits, or the `kid` is unusable.
    pub fn from_pkcs8_der(kid: String, der: &[u8]) -> Result<Self, KeyError> {
        let key_pair = rsa::KeyPair::from_pkcs8(der).map_err(|_| KeyError::Key)?;
        let components = RsaPublicKeyComponents::<Vec<u8>>::from(key_pair.public_key());
        let public = VerificationKey::from_rsa_components(&kid, &components.n, &components.e)?;
        Ok(Self(Arc::new(Inner { key_pair, components, public })))
    }

    /// The key id.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.0.public.kid
    }

    /// Signs claims as a compact JWT whose header is `alg`, `typ` and `kid`.
    ///
    /// `typ` says what kind of token it is (RFC 8725 §3.11); [`verify_own`] demands it back.
    ///
    /// # Errors
    /// The claims don't serialize to an object, or the cryptographic library failed.
    pub fn sign(&self, typ: &str, claims: &impl Serialize) -> Result<String, SignError> {
        let header = json!({ "alg": Algorithm::Rs256.as_str(), "typ": typ, "kid": self.kid() });
        let claims = serde_json::to_vec(claims)?;
        if claims.first() != Some(&b'{') {
            return Err(SignError::NotAnObject);
        }
        let mut signature = vec![0; self.0.key_pair.public_modulus_len()];
        let mut token = String::with_capacity((claims.len() + signature.len() + 256) * 4 / 3);
        base64url::encode_to(header.to_string(), &mut token);
        token.push('.');
        base64url::encode_to(&claims, &mut token);
        // PKCS #1 v1.5 signatures are deterministic; the generator is only part of the signature of the function.
        self.0
            .key_pair
            .sign(&signature::RSA_PKCS1_SHA256, &SystemRandom::new(), token.as_bytes(), &mut signature)
            .map_err(|_| SignError::Signature)?;
        token.push('.');
        base64url::encode_to(&signature, &mut token);
        Ok(token)
    }

    /// The public key for a `jwks_uri`, with `x5c` and `x5t#S256` when there is a certificate for it.
    #[must_use]
    pub fn public_jwk(&self, certificate_der: Option<&[u8]>) -> Value {
        jwk::rsa_public_jwk(self.kid(), &self.0.components.n, &self.0.components.e, certificate_der)
    }

    /// The public half.
    #[must_use]
    pub fn verification_key(&self) -> &VerificationKey {
        &self.0.public
    }
}

impl VerificationKey {
    /// A public key from its modulus and exponent, big-endian without leading zeros.
    ///
    /// # Errors
    /// They don't form a key, or the `kid` is unusable.
    pub fn from_rsa_components(kid: &str, n: &[u8], e: &[u8]) -> Result<Self, KeyError> {
        if kid.is_empty() || kid.len() > MAX_KID_BYTES || !kid.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(KeyError::KeyId);
        }
        let key = RsaPublicKeyComponents { n, e }
            .to_parsed_public_key(&signature::RSA_PKCS1_2048_8192_SHA256)
            .map_err(|_| KeyError::Key)?;
        Ok(Self { kid: kid.into(), key })
    }

    /// The key id.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }
}

impl AsRef<VerificationKey> for VerificationKey {
    fn as_ref(&self) -> &VerificationKey {
        self
    }
}

impl AsRef<VerificationKey> for SigningKey {
    fn as_ref(&self) -> &VerificationKey {
        &self.0.public
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("kid", &self.kid()).finish_non_exhaustive()
    }
}

impl fmt::Debug for VerificationKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerificationKey").field("kid", &self.kid).finish_non_exhaustive()
    }
}

/// What a token of ours must say to be accepted in one place.
#[derive(Clone, Copy, Debug)]
pub struct OwnToken<'a> {
    /// The `typ` it was signed with, compared exactly.
    pub typ: &'a str,
    /// The issuer it names, compared exactly.
    pub issuer: &'a str,
    /// The audience it must name. `None` where the kind of token has none, or one that customers set (the
    /// access token of a session, through a template); then `typ` and the keys say what it is for.
    pub audience: Option<&'a str>,
    /// The time, in milliseconds since the Unix epoch.
    pub now: i64,
}

/// Why a token of ours was not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It is not a signed token at all.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// The header is not the one our own tokens have.
    #[error("the token was not made by this issuer")]
    ForeignHeader,
    /// It is of another kind: its `typ` is not the one expected here.
    #[error("the token is of another kind")]
    WrongType,
    /// No key has its `kid`: it was made by someone else, or before the last but one rotation.
    #[error("the key of the token is not known")]
    UnknownKey,
    /// The signature is not by that key.
    #[error("the signature of the token is wrong")]
    Signature,
    /// A claim is missing or of the wrong type.
    #[error("in the token {0}")]
    Claim(#[from] ClaimError),
    /// Another issuer.
    #[error("the token names another issuer")]
    Issuer,
    /// Another audience, or none.
    #[error("the token is not for this audience")]
    Audience,
    /// `exp` has passed.
    #[error("the token has expired")]
    Expired,
    /// `nbf` is yet to come.
    #[error("the token is not valid yet")]
    NotYetValid,
    /// `iat` is yet to come.
    #[error("the token was issued in the future")]
    IssuedInTheFuture,
}

impl TokenError {
    /// A stable name for logs and timelines.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Format(_) => "token_malformed",
            Self::ForeignHeader => "token_foreign_header",
            Self::WrongType => "token_wrong_type",
            Self::UnknownKey => "token_unknown_key",
            Self::Signature => "token_signature_invalid",
            Self::Claim(_) => "token_claim_invalid",
            Self::Issuer => "token_issuer_mismatch",
            Self::Audience => "token_audience_mismatch",
            Self::Expired => "token_expired",
            Self::NotYetValid => "token_not_yet_valid",
            Self::IssuedInTheFuture => "token_issued_in_future",
        }
    }
}

impl From<TimeError> for TokenError {
    fn from(error: TimeError) -> Self {
        match error {
            TimeError::Claim(error) => Self::Claim(error),
            TimeError::Expired => Self::Expired,
            TimeError::NotYetValid => Self::NotYetValid,
            TimeError::IssuedInTheFuture => Self::IssuedInTheFuture,
        }
    }
}

/// Verifies a token that [`SigningKey::sign`] made and returns its claims.
///
/// `keys` are all keys that may still be in use, as [`SigningKey`]s, [`VerificationKey`]s or references to
/// either. The header must be exactly `alg` (RS256), `typ` and `kid`; `exp` is required.
///
/// # Errors
/// The token is not one of ours, or not for this use, or not now. The caller answers all of them alike.
pub fn verify_own<K: AsRef<VerificationKey>>(
    token: &str,
    keys: &[K],
    expected: &OwnToken<'_>,
) -> Result<Map<String, Value>, TokenError> {
    let token = Compact::parse(token)?;
    if token.header.len() != 3 || token.algorithm != Algorithm::Rs256.as_str() {
        return Err(TokenError::ForeignHeader);
    }
    let (Some(typ), Some(kid)) = (&token.typ, &token.kid) else {
        return Err(TokenError::ForeignHeader);
    };
    if typ != expected.typ {
        return Err(TokenError::WrongType);
    }
    let mut named = keys.iter().map(AsRef::as_ref).filter(|key| *key.kid == **kid).peekable();
    if named.peek().is_none() {
        return Err(TokenError::UnknownKey);
    }
    if !named.any(|key| key.key.verify_sig(token.signing_input, &token.signature).is_ok()) {
        return Err(TokenError::Signature);
    }

    let claims = token.claims()?;
    if claims::required_string(&claims, "iss")? != expected.issuer {
        return Err(TokenError::Issuer);
    }
    let audiences = claims::audiences(&claims)?;
    if let Some(audience) = expected.audience
        && !audiences.is_some_and(|named| named.contains(&audience))
    {
        return Err(TokenError::Audience);
    }
    claims::check_times(&claims, expected.now)?;
    Ok(claims)
}
