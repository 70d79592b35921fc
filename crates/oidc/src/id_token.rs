//! ID tokens of an upstream provider (OpenID Connect Core §2, §3.1.3.7).

use std::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest;
use serde_json::{Map, Value};

use crate::algorithm::Algorithm;
use crate::base64url;
use crate::claims::{self, ClaimError, TimeError};
use crate::compact::{Compact, FormatError};
use crate::jwk::{KeySet, Selection, Unusable};
use crate::text::printable;

/// Longest subject, in bytes (OpenID Connect Core §2 says 255 ASCII characters).
const MAX_SUBJECT_BYTES: usize = 255;

/// What an ID token must agree with. All of it comes from the connection and the login in progress,
/// nothing from the token.
#[derive(Clone, Copy)]
pub struct Expected<'a> {
    /// The issuer the connection's discovery document gave ([`crate::discovery::Provider::issuer`]).
    pub issuer: &'a str,
    /// The connection's client id.
    pub client_id: &'a str,
    /// The `nonce` of the authorization request. An empty one is never met.
    pub nonce: &'a str,
    /// The time, in milliseconds since the Unix epoch.
    pub now: i64,
    /// The provider's keys.
    pub keys: &'a KeySet,
    /// The algorithms the connection allows; see [`crate::discovery::Provider::algorithms`].
    pub algorithms: &'a [Algorithm],
    /// The access token that came along, for `at_hash`.
    pub access_token: Option<&'a str>,
    /// The authorization code that was exchanged, for `c_hash`.
    pub code: Option<&'a str>,
    /// The `max_age` of the authorization request, in seconds, if it had one.
    pub max_age: Option<i64>,
}

impl fmt::Debug for Expected<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Expected")
            .field("issuer", &self.issuer)
            .field("client_id", &self.client_id)
            .field("now", &self.now)
            .field("algorithms", &self.algorithms)
            .field("max_age", &self.max_age)
            .finish_non_exhaustive()
    }
}

/// The claims of a verified ID token.
///
/// Who this is is the pair ([`issuer`](Self::issuer), [`subject`](Self::sub)), see
/// [`identity`](Self::identity): a `sub` means nothing outside its issuer, and an email address is a
/// description that the issuer can set to anything.
#[derive(Clone, PartialEq)]
pub struct Claims {
    /// `iss`, which equals the expected issuer.
    pub issuer: String,
    /// `sub`: 1 to 255 bytes, unique within the issuer only.
    pub sub: String,
    /// `email`.
    pub email: Option<String>,
    /// `email_verified`; `None` is "not said", which is not "yes".
    pub email_verified: Option<bool>,
    /// `name`.
    pub name: Option<String>,
    /// `given_name`.
    pub given_name: Option<String>,
    /// `family_name`.
    pub family_name: Option<String>,
    /// `preferred_username`.
    pub preferred_username: Option<String>,
    /// `auth_time`, in seconds since the Unix epoch.
    pub auth_time: Option<i64>,
    /// `sid`, the provider's session, for logout.
    pub sid: Option<String>,
    /// Every claim, as sent.
    pub all: Map<String, Value>,
}

impl Claims {
    /// The key of this identity: issuer and subject together, never one of them alone.
    #[must_use]
    pub fn identity(&self) -> (&str, &str) {
        (&self.issuer, &self.sub)
    }
}

impl fmt::Debug for Claims {
    /// Without what describes the person: that has no place in a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Claims").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

/// Why an ID token was refused. `Display` is for the operator; the person at the browser sees none of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdTokenError {
    /// It is not a signed token at all.
    #[error("the identity provider sent an unusable ID token: {0}")]
    Format(#[from] FormatError),
    /// `typ` says that it is another kind of token (RFC 8725 §3.11).
    #[error("the identity provider sent a token of type \"{typ}\" where an ID token belongs")]
    WrongType {
        /// The `typ` it has.
        typ: String,
    },
    /// `alg` is not one the connection allows. `none` and the HMAC family never are.
    #[error("the ID token is signed with \"{algorithm}\", which this connection does not allow")]
    AlgorithmNotAllowed {
        /// The `alg` it has.
        algorithm: String,
    },
    /// No key has the token's `kid`. The provider may have rotated: fetch its keys again, once.
    #[error("the identity provider's key set has no key {} for the ID token", shown(kid.as_deref()))]
    UnknownKey {
        /// The `kid` of the token, as it stands there; `None` when the token has none.
        kid: Option<String>,
    },
    /// The key is published, but must not be used.
    #[error("the identity provider's key {} for the ID token cannot be used: {reason}", shown(Some(kid)))]
    UnusableKey {
        /// The `kid` of the token.
        kid: String,
        /// What is wrong with the key.
        reason: Unusable,
    },
    /// The key of that `kid` is for another algorithm.
    #[error("the identity provider's key {} is not for the algorithm {algorithm} of the ID token", shown(kid.as_deref()))]
    KeyOfOtherAlgorithm {
        /// The `kid` of the token.
        kid: Option<String>,
        /// The algorithm of the token.
        algorithm: Algorithm,
    },
    /// More than one key would do.
    #[error("the identity provider's key set leaves open which key {} signed the ID token", shown(kid.as_deref()))]
    AmbiguousKey {
        /// The `kid` of the token.
        kid: Option<String>,
    },
    /// The signature is not by that key.
    #[error("the signature of the ID token is wrong")]
    Signature,
    /// A claim is missing or of the wrong type.
    #[error("in the ID token {0}")]
    Claim(#[from] ClaimError),
    /// `iss` is another issuer.
    #[error("the ID token was issued by \"{found}\", not by the issuer of this connection")]
    Issuer {
        /// The `iss` it has.
        found: String,
    },
    /// `aud` does not name our client.
    #[error("the ID token is for another client than that of this connection")]
    Audience,
    /// `azp` names another client, or is missing where several audiences need it.
    #[error(
        "the ID token was requested by another client, or has several audiences and does not say by which"
    )]
    AuthorizedParty,
    /// `exp` has passed.
    #[error("the ID token has expired; the clocks may differ")]
    Expired,
    /// `nbf` is yet to come.
    #[error("the ID token is not valid yet; the clocks may differ")]
    NotYetValid,
    /// `iat` is yet to come.
    #[error("the ID token was issued in the future; the clocks differ by more than a minute")]
    IssuedInTheFuture,
    /// `nonce` is not that of this login.
    #[error("the ID token belongs to another login (its nonce differs)")]
    Nonce,
    /// `at_hash` is not that of the access token.
    #[error("the ID token belongs to another access token (its at_hash differs)")]
    AccessTokenHash,
    /// `c_hash` is not that of the code.
    #[error("the ID token belongs to another authorization code (its c_hash differs)")]
    CodeHash,
    /// `sub` is empty, too long, or has control characters.
    #[error("the subject of the ID token is empty, longer than 255 bytes or has control characters")]
    Subject,
    /// The person authenticated longer ago than `max_age` allows.
    #[error("the person signed in at the identity provider longer ago than was asked for")]
    AuthenticationTooOld,
}

impl IdTokenError {
    /// A stable name for logs and timelines.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Format(FormatError::TooLarge) => "id_token_too_large",
            Self::Format(FormatError::Encrypted) => "id_token_encrypted",
            Self::Format(_) => "id_token_malformed",
            Self::WrongType { .. } => "id_token_wrong_type",
            Self::AlgorithmNotAllowed { .. } => "id_token_algorithm_not_allowed",
            Self::UnknownKey { .. } => "id_token_unknown_key",
            Self::UnusableKey { .. } => "id_token_unusable_key",
            Self::KeyOfOtherAlgorithm { .. } => "id_token_key_of_other_algorithm",
            Self::AmbiguousKey { .. } => "id_token_ambiguous_key",
            Self::Signature => "id_token_signature_invalid",
            Self::Claim(ClaimError::Missing { .. }) => "id_token_claim_missing",
            Self::Claim(ClaimError::WrongType { .. }) => "id_token_claim_invalid",
            Self::Issuer { .. } => "id_token_issuer_mismatch",
            Self::Audience => "id_token_audience_mismatch",
            Self::AuthorizedParty => "id_token_authorized_party_mismatch",
            Self::Expired => "id_token_expired",
            Self::NotYetValid => "id_token_not_yet_valid",
            Self::IssuedInTheFuture => "id_token_issued_in_future",
            Self::Nonce => "id_token_nonce_mismatch",
            Self::AccessTokenHash => "id_token_access_token_hash_mismatch",
            Self::CodeHash => "id_token_code_hash_mismatch",
            Self::Subject => "id_token_subject_invalid",
            Self::AuthenticationTooOld => "id_token_authentication_too_old",
        }
    }
}

impl From<TimeError> for IdTokenError {
    fn from(error: TimeError) -> Self {
        match error {
            TimeError::Claim(error) => Self::Claim(error),
            TimeError::Expired => Self::Expired,
            TimeError::NotYetValid => Self::NotYetValid,
            TimeError::IssuedInTheFuture => Self::IssuedInTheFuture,
        }
    }
}

/// A `kid` in an operator's sentence.
fn shown(kid: Option<&str>) -> String {
    kid.map_or_else(|| "(the token names none)".to_owned(), |kid| format!("\"{}\"", printable(kid, 64)))
}

/// Verifies an ID token and returns its claims.
///
/// # Errors
/// Any rule of OpenID Connect Core §3.1.3.7 or RFC 8725 is broken. On [`IdTokenError::UnknownKey`] the caller
/// may fetch the key set once more and try again; on any other error the login has failed.
pub fn verify(token: &str, expected: &Expected<'_>) -> Result<Claims, IdTokenError> {
    let token = Compact::parse(token)?;
    let algorithm = verify_signature(&token, expected)?;
    let claims = token.claims()?;
    check_parties(&claims, expected)?;
    // OpenID Connect makes `iat` mandatory, RFC 7519 does not.
    claims::required_numeric_date(&claims, "iat")?;
    claims::check_times(&claims, expected.now)?;
    check_binding(&claims, algorithm, expected)?;
    read(claims, expected)
}

/// Chooses algorithm and key without trusting the token, and verifies the signature.
fn verify_signature(token: &Compact<'_>, expected: &Expected<'_>) -> Result<Algorithm, IdTokenError> {
    if let Some(typ) = &token.typ
        && !["JWT", "application/jwt", "id_token+jwt"]
            .iter()
            .any(|accepted| typ.eq_ignore_ascii_case(accepted))
    {
        return Err(IdTokenError::WrongType { typ: printable(typ, 64) });
    }
    let algorithm =
        token.algorithm.parse().ok().filter(|algorithm| expected.algorithms.contains(algorithm)).ok_or_else(
            || IdTokenError::AlgorithmNotAllowed { algorithm: printable(&token.algorithm, 64) },
        )?;
    let kid = token.kid.clone();
    let key = match expected.keys.select(kid.as_deref(), algorithm) {
        Selection::One(key) => key,
        Selection::Unknown => return Err(IdTokenError::UnknownKey { kid }),
        Selection::Ignored(reason) => {
            return Err(IdTokenError::UnusableKey { kid: kid.unwrap_or_default(), reason });
        }
        Selection::OtherAlgorithm => return Err(IdTokenError::KeyOfOtherAlgorithm { kid, algorithm }),
        Selection::Several => return Err(IdTokenError::AmbiguousKey { kid }),
    };
    if key.verifies(algorithm, token.signing_input, &token.signature) {
        Ok(algorithm)
    } else {
        Err(IdTokenError::Signature)
    }
}

/// `iss`, `aud` and `azp`: who made it, for whom.
fn check_parties(claims: &Map<String, Value>, expected: &Expected<'_>) -> Result<(), IdTokenError> {
    let issuer = claims::required_string(claims, "iss")?;
    if issuer != expected.issuer {
        return Err(IdTokenError::Issuer { found: printable(issuer, 256) });
    }
    let audiences = claims::audiences(claims)?.ok_or_else(|| ClaimError::missing("aud"))?;
    if !audiences.contains(&expected.client_id) {
        return Err(IdTokenError::Audience);
    }
    match claims::string(claims, "azp")? {
        Some(party) if party != expected.client_id => Err(IdTokenError::AuthorizedParty),
        None if audiences.len() > 1 => Err(IdTokenError::AuthorizedParty),
        _ => Ok(()),
    }
}

/// `nonce`, `at_hash`, `c_hash` and `auth_time`: that it belongs to this very login.
fn check_binding(
    claims: &Map<String, Value>,
    algorithm: Algorithm,
    expected: &Expected<'_>,
) -> Result<(), IdTokenError> {
    let nonce = claims::required_string(claims, "nonce")?;
    if expected.nonce.is_empty() || !is_same(nonce, expected.nonce) {
        return Err(IdTokenError::Nonce);
    }
    let hashes = [
        ("at_hash", expected.access_token, IdTokenError::AccessTokenHash),
        ("c_hash", expected.code, IdTokenError::CodeHash),
    ];
    for (claim, hashed, mismatch) in hashes {
        // Read even when there is nothing to compare with: a wrong type is an error either way.
        if let (Some(hash), Some(hashed)) = (claims::string(claims, claim)?, hashed)
            && !is_same(hash, &half_hash(algorithm, hashed))
        {
            return Err(mismatch);
        }
    }
    let authenticated = claims::numeric_date(claims, "auth_time")?;
    if let Some(max_age) = expected.max_age {
        let authenticated = authenticated.ok_or_else(|| ClaimError::missing("auth_time"))?;
        if claims::is_past(authenticated.saturating_add(max_age), expected.now) {
            return Err(IdTokenError::AuthenticationTooOld);
        }
    }
    Ok(())
}

/// The typed view of claims that have passed every check.
fn read(claims: Map<String, Value>, expected: &Expected<'_>) -> Result<Claims, IdTokenError> {
    let sub = claims::required_string(&claims, "sub")?;
    if sub.is_empty() || sub.len() > MAX_SUBJECT_BYTES || sub.chars().any(char::is_control) {
        return Err(IdTokenError::Subject);
    }
    let text = |name| claims::profile_string(&claims, name).map(|text| text.map(str::to_owned));
    Ok(Claims {
        issuer: expected.issuer.to_owned(),
        sub: sub.to_owned(),
        email: text("email")?,
        email_verified: claims::profile_boolean(&claims, "email_verified")?,
        name: text("name")?,
        given_name: text("given_name")?,
        family_name: text("family_name")?,
        preferred_username: text("preferred_username")?,
        auth_time: claims::numeric_date(&claims, "auth_time")?,
        sid: text("sid")?,
        all: claims,
    })
}

/// base64url of the left half of the hash (OpenID Connect Core §3.1.3.6, §3.3.2.11). Also for making
/// `at_hash` when issuing.
#[must_use]
pub fn half_hash(algorithm: Algorithm, hashed: &str) -> String {
    let hash = digest::digest(algorithm.claim_hash(), hashed.as_bytes());
    let hash = hash.as_ref();
    base64url::encode(hash.get(..hash.len() / 2).unwrap_or_default())
}

fn is_same(left: &str, right: &str) -> bool {
    verify_slices_are_equal(left.as_bytes(), right.as_bytes()).is_ok()
}
