//! JSON Web Keys (RFC 7517): reading a provider's, showing ours.

use aws_lc_rs::digest;
use aws_lc_rs::signature::{self, ParsedPublicKey, RsaParameters, RsaPublicKeyComponents};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use crate::algorithm::Algorithm;
use crate::base64url;
use crate::compact::MAX_KID_BYTES;
use crate::json::{self, JsonError};

/// Largest key set that is looked at, in bytes.
pub const MAX_BYTES: usize = 256 * 1024;
/// Most keys one set may hold.
pub const MAX_KEYS: usize = 100;

/// RSA modulus sizes that are accepted, in bits: NIST SP 800-131A below, the cost of verifying above.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// Why a key set was refused as a whole.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JwkError {
    /// More than [`MAX_BYTES`].
    #[error("the key set is larger than {MAX_BYTES} bytes")]
    TooLarge,
    /// More than [`MAX_KEYS`].
    #[error("the key set holds more than {MAX_KEYS} keys")]
    TooManyKeys,
    /// Not acceptable JSON.
    #[error("the key set is not acceptable JSON: {0}")]
    NotJson(JsonError),
    /// There is no array called `keys`.
    #[error("the key set has no list called \"keys\"")]
    NoKeys,
}

impl JwkError {
    /// A stable name for logs and timelines.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::TooLarge => "jwks_too_large",
            Self::TooManyKeys => "jwks_too_many_keys",
            Self::NotJson(_) => "jwks_not_json",
            Self::NoKeys => "jwks_no_keys",
        }
    }
}

/// Why one key of a set is not used (RFC 7517 §5 asks to pass over what is not understood).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// Not an object, a member of the wrong type, a missing or non-canonical number, or a bad curve point.
    #[error("it is malformed")]
    Malformed,
    /// A key type, curve or algorithm we don't have, symmetric keys among them.
    #[error("its type or algorithm is not supported")]
    Unsupported,
    /// For encryption (`use`, `key_ops`).
    #[error("it is not meant for verifying signatures")]
    NotForVerifying,
    /// It contains private members, so that whoever can read it can sign.
    #[error("its private part is published")]
    PrivateKeyPublished,
    /// RSA below 2048 or above 8192 bits, or an exponent that makes signatures forgeable.
    #[error("its size or exponent is not acceptable")]
    Weak,
}

/// A key of a set that is not used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IgnoredKey {
    /// Its `kid`, if that could be read.
    pub kid: Option<String>,
    /// Why it is not used.
    pub reason: Unusable,
}

/// A provider's keys for verifying signatures: parsed once, then used for many tokens.
#[derive(Debug, Default)]
pub struct KeySet {
    keys: Vec<Key>,
    ignored: Vec<IgnoredKey>,
}

/// One usable key.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Key {
    kid: Option<String>,
    /// `alg`, where the issuer bound the key to one algorithm.
    algorithm: Option<Algorithm>,
    material: Material,
}

#[derive(Debug)]
enum Material {
    /// Big-endian, without leading zeros. One RSA key serves six algorithms.
    Rsa { modulus: Vec<u8>, exponent: Vec<u8> },
    /// A key that serves exactly one algorithm: a point on its curve.
    Point { algorithm: Algorithm, key: ParsedPublicKey },
}

impl PartialEq for Material {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Rsa { modulus, exponent }, Self::Rsa { modulus: m, exponent: e }) => {
                modulus == m && exponent == e
            }
            (Self::Point { algorithm, key }, Self::Point { algorithm: a, key: k }) => {
                algorithm == a && key.as_ref() == k.as_ref()
            }
            _ => false,
        }
    }
}

impl Eq for Material {}

/// What looking for the key of a token came to.
#[derive(Debug)]
pub(crate) enum Selection<'k> {
    One(&'k Key),
    Unknown,
    Ignored(Unusable),
    /// The key is there, but not for this algorithm.
    OtherAlgorithm,
    Several,
}

impl KeySet {
    /// Parses a JWK Set. Keys that cannot or must not be used are passed over and listed in
    /// [`ignored`](Self::ignored); a set without any usable key is not an error here.
    ///
    /// # Errors
    /// The set as a whole is too large or not a set.
    pub fn parse(body: &[u8]) -> Result<Self, JwkError> {
        if body.len() > MAX_BYTES {
            return Err(JwkError::TooLarge);
        }
        let document = json::object(body).map_err(JwkError::NotJson)?;
        let Some(Value::Array(entries)) = document.get("keys") else {
            return Err(JwkError::NoKeys);
        };
        if entries.len() > MAX_KEYS {
            return Err(JwkError::TooManyKeys);
        }
        let mut set = Self::default();
        for entry in entries {
            match Key::parse(entry) {
                // The same key listed twice is one key. (Entra lists keys once per issuer that uses them.)
                Ok(key) if set.keys.contains(&key) => {}
                Ok(key) => set.keys.push(key),
                Err(reason) => {
                    let kid =
                        entry.get("kid").and_then(Value::as_str).filter(|kid| kid.len() <= MAX_KID_BYTES);
                    set.ignored.push(IgnoredKey { kid: kid.map(str::to_owned), reason });
                }
            }
        }
        Ok(set)
    }

    /// Whether a usable key has this `kid`.
    #[must_use]
    pub fn contains(&self, kid: &str) -> bool {
        self.keys.iter().any(|key| key.kid.as_deref() == Some(kid))
    }

    /// How many keys are usable.
    #[must_use]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether no key is usable.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The keys that are not used, and why: what an operator needs to see when logins fail.
    #[must_use]
    pub fn ignored(&self) -> &[IgnoredKey] {
        &self.ignored
    }

    /// The one key for a token. A `kid` is only ever compared with the `kid`s of this set. Without one, the
    /// set must leave no choice: trying keys in turn would let the token choose (RFC 8725 §3.10).
    pub(crate) fn select(&self, kid: Option<&str>, algorithm: Algorithm) -> Selection<'_> {
        let named = |key: &&Key| kid.is_none() || key.kid.as_deref() == kid;
        let mut fitting = self.keys.iter().filter(named).filter(|key| key.serves(algorithm));
        match (fitting.next(), fitting.next()) {
            (Some(key), None) => Selection::One(key),
            (Some(_), Some(_)) => Selection::Several,
            (None, _) => {
                if kid.is_none() {
                    return Selection::Unknown;
                }
                if self.keys.iter().any(|key| named(&key)) {
                    return Selection::OtherAlgorithm;
                }
                match self.ignored.iter().find(|key| key.kid.as_deref() == kid) {
                    Some(key) => Selection::Ignored(key.reason),
                    None => Selection::Unknown,
                }
            }
        }
    }
}

impl Key {
    fn parse(entry: &Value) -> Result<Self, Unusable> {
        let members = entry.as_object().ok_or(Unusable::Malformed)?;
        let kty = text(members, "kty")?.ok_or(Unusable::Malformed)?;
        if ["d", "p", "q", "dp", "dq", "qi", "oth", "k"].into_iter().any(|name| members.contains_key(name)) {
            // "k" is what makes a symmetric key; the rest are private parts of RSA, EC and OKP keys.
            return Err(if kty == "oct" { Unusable::Unsupported } else { Unusable::PrivateKeyPublished });
        }
        if text(members, "use")?.is_some_and(|purpose| purpose != "sig") {
            return Err(Unusable::NotForVerifying);
        }
        match members.get("key_ops") {
            None => {}
            Some(Value::Array(operations)) if operations.iter().any(|name| name == "verify") => {}
            Some(Value::Array(_)) => return Err(Unusable::NotForVerifying),
            Some(_) => return Err(Unusable::Malformed),
        }
        let kid = text(members, "kid")?.map(str::to_owned);
        let algorithm = match text(members, "alg")? {
            Some(name) => Some(name.parse().map_err(|_| Unusable::Unsupported)?),
            None => None,
        };
        let material = match kty {
            "RSA" => Material::rsa(members)?,
            "EC" => Material::elliptic_curve(members)?,
            "OKP" => Material::edwards_curve(members)?,
            _ => return Err(Unusable::Unsupported),
        };
        let key = Self { kid, algorithm, material };
        // An `alg` that the key type cannot serve leaves nothing to use it for.
        if algorithm.is_some_and(|algorithm| !key.serves(algorithm)) {
            return Err(Unusable::Malformed);
        }
        Ok(key)
    }

    fn serves(&self, algorithm: Algorithm) -> bool {
        self.algorithm.is_none_or(|only| only == algorithm)
            && match &self.material {
                Material::Rsa { .. } => rsa_parameters(algorithm).is_some(),
                Material::Point { algorithm: only, .. } => *only == algorithm,
            }
    }

    /// Whether `signature` is one of `message` by this key. An algorithm of another key type is `false`.
    pub(crate) fn verifies(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        if !self.serves(algorithm) {
            return false;
        }
        match &self.material {
            Material::Rsa { modulus, exponent } => rsa_parameters(algorithm).is_some_and(|parameters| {
                RsaPublicKeyComponents { n: modulus, e: exponent }
                    .verify(parameters, message, signature)
                    .is_ok()
            }),
            Material::Point { key, .. } => key.verify_sig(message, signature).is_ok(),
        }
    }
}

impl Material {
    fn rsa(members: &Map<String, Value>) -> Result<Self, Unusable> {
        let modulus = without_leading_zeros(bytes(members, "n")?);
        let exponent = without_leading_zeros(bytes(members, "e")?);
        let is_odd = |number: &[u8]| number.last().is_some_and(|last| last & 1 == 1);
        // e = 1 makes every signature its own message; more than 32 bits is a way to burn our time.
        let exponent_is_sound = is_odd(&exponent) && exponent != [1] && exponent.len() <= 4;
        if !RSA_BITS.contains(&bits(&modulus)) || !is_odd(&modulus) || !exponent_is_sound {
            return Err(Unusable::Weak);
        }
        Ok(Self::Rsa { modulus, exponent })
    }

    fn elliptic_curve(members: &Map<String, Value>) -> Result<Self, Unusable> {
        let (algorithm, parameters, length) = match text(members, "crv")?.ok_or(Unusable::Malformed)? {
            "P-256" => (Algorithm::Es256, &signature::ECDSA_P256_SHA256_FIXED, 32),
            "P-384" => (Algorithm::Es384, &signature::ECDSA_P384_SHA384_FIXED, 48),
            "P-521" => (Algorithm::Es512, &signature::ECDSA_P521_SHA512_FIXED, 66),
            _ => return Err(Unusable::Unsupported),
        };
        let (x, y) = (bytes(members, "x")?, bytes(members, "y")?);
        // Coordinates have the full length of the field (RFC 7518 §6.2.1.2).
        if x.len() != length || y.len() != length {
            return Err(Unusable::Malformed);
        }
        // Uncompressed point (SEC 1 §2.3.3). Parsing it checks that it lies on the curve.
        let point = [&[4], x.as_slice(), y.as_slice()].concat();
        let key = ParsedPublicKey::new(parameters, point).map_err(|_| Unusable::Malformed)?;
        Ok(Self::Point { algorithm, key })
    }

    fn edwards_curve(members: &Map<String, Value>) -> Result<Self, Unusable> {
        if text(members, "crv")?.ok_or(Unusable::Malformed)? != "Ed25519" {
            return Err(Unusable::Unsupported);
        }
        let x = bytes(members, "x")?;
        if x.len() != 32 {
            return Err(Unusable::Malformed);
        }
        let key = ParsedPublicKey::new(&signature::ED25519, x).map_err(|_| Unusable::Malformed)?;
        Ok(Self::Point { algorithm: Algorithm::EdDsa, key })
    }
}

/// The parameters of an RSA algorithm; `None` for the others. PSS salts have the length of the hash
/// (RFC 7518 §3.5).
fn rsa_parameters(algorithm: Algorithm) -> Option<&'static RsaParameters> {
    match algorithm {
        Algorithm::Rs256 => Some(&signature::RSA_PKCS1_2048_8192_SHA256),
        Algorithm::Rs384 => Some(&signature::RSA_PKCS1_2048_8192_SHA384),
        Algorithm::Rs512 => Some(&signature::RSA_PKCS1_2048_8192_SHA512),
        Algorithm::Ps256 => Some(&signature::RSA_PSS_2048_8192_SHA256),
        Algorithm::Ps384 => Some(&signature::RSA_PSS_2048_8192_SHA384),
        Algorithm::Ps512 => Some(&signature::RSA_PSS_2048_8192_SHA512),
        Algorithm::Es256 | Algorithm::Es384 | Algorithm::Es512 | Algorithm::EdDsa => None,
    }
}

fn text<'m>(members: &'m Map<String, Value>, name: &str) -> Result<Option<&'m str>, Unusable> {
    match members.get(name) {
        None => Ok(None),
        Some(Value::String(text)) if text.len() <= MAX_KID_BYTES => Ok(Some(text)),
        Some(_) => Err(Unusable::Malformed),
    }
}

fn bytes(members: &Map<String, Value>, name: &str) -> Result<Vec<u8>, Unusable> {
    match members.get(name) {
        Some(Value::String(text)) => base64url::decode(text).ok_or(Unusable::Malformed),
        _ => Err(Unusable::Malformed),
    }
}

/// Numbers are meant to come without leading zeros (RFC 7518 §2), but Java's `BigInteger` adds one.
fn without_leading_zeros(mut number: Vec<u8>) -> Vec<u8> {
    let zeros = number.iter().take_while(|&&byte| byte == 0).count();
    number.drain(..zeros);
    number
}

/// Length in bits of a number without leading zeros.
fn bits(number: &[u8]) -> usize {
    let unused = number.first().map_or(0, |first| first.leading_zeros());
    (number.len() * 8).saturating_sub(unused as usize)
}

/// The JWK of an RS256 public key for a `jwks_uri`: `alg`, `kty`, `use`, `kid`, `n`, `e` and, with a
/// certificate, `x5c` and `x5t#S256` (RFC 7517 §4.7, §4.9). `n` and `e` are big-endian.
#[must_use]
pub fn rsa_public_jwk(kid: &str, n: &[u8], e: &[u8], certificate_der: Option<&[u8]>) -> Value {
    let mut jwk = json!({
        "alg": Algorithm::Rs256.as_str(),
        "kty": "RSA",
        "use": "sig",
        "kid": kid,
        "n": base64url::encode(without_leading_zeros(n.to_vec())),
        "e": base64url::encode(without_leading_zeros(e.to_vec())),
    });
    if let (Some(members), Some(der)) = (jwk.as_object_mut(), certificate_der) {
        members.insert("x5c".to_owned(), json!([STANDARD.encode(der)]));
        let thumbprint = digest::digest(&digest::SHA256, der);
        members.insert("x5t#S256".to_owned(), json!(base64url::encode(thumbprint)));
    }
    jwk
}
