//! An identity provider that signs whatever it is told to, with the cryptographic library directly, so that
//! nothing under test takes part in making the inputs.

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa;
use aws_lc_rs::signature::{self, KeyPair as _, RsaEncoding, RsaPublicKeyComponents};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use oidc::Algorithm;
use oidc::id_token::{self, Claims, Expected, IdTokenError};
use oidc::jwk::KeySet;
use serde_json::{Value, json};

/// The time of all tests, in milliseconds and in seconds.
pub const NOW: i64 = 1_800_000_000_000;
pub const SECONDS: i64 = NOW / 1000;

pub const ISSUER: &str = "https://idp.example.com/tenant-1";
pub const CLIENT: &str = "client-1";
pub const NONCE: &str = "nonce-4e1f";

pub struct Issuer {
    pub kid: &'static str,
    pair: rsa::KeyPair,
}

impl Issuer {
    pub fn new(kid: &'static str) -> Self {
        Self { kid, pair: rsa::KeyPair::generate(rsa::KeySize::Rsa2048).unwrap() }
    }

    pub fn pkcs8(&self) -> Vec<u8> {
        self.pair.as_der().unwrap().as_ref().to_vec()
    }

    /// Modulus and exponent.
    pub fn components(&self) -> (Vec<u8>, Vec<u8>) {
        let components = RsaPublicKeyComponents::<Vec<u8>>::from(self.pair.public_key());
        (components.n, components.e)
    }

    /// The public key as this provider publishes it: without `alg`, as Entra does.
    pub fn jwk(&self) -> Value {
        let (n, e) = self.components();
        json!({ "kty": "RSA", "use": "sig", "kid": self.kid, "n": b64(n), "e": b64(e) })
    }

    pub fn keys(&self) -> KeySet {
        key_set(&[self.jwk()])
    }

    pub fn header(&self) -> Value {
        json!({ "alg": "RS256", "typ": "JWT", "kid": self.kid })
    }

    /// Signs exactly these octets, whatever they are.
    pub fn sign_with(&self, encoding: &'static dyn RsaEncoding, header: &str, payload: &[u8]) -> String {
        self.sign_input(encoding, &format!("{}.{}", b64(header), b64(payload)))
    }

    /// Signs this signing input, well formed or not, with RS256.
    pub fn sign_text(&self, input: &str) -> String {
        self.sign_input(&signature::RSA_PKCS1_SHA256, input)
    }

    fn sign_input(&self, encoding: &'static dyn RsaEncoding, input: &str) -> String {
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair.sign(encoding, &SystemRandom::new(), input.as_bytes(), &mut signature).unwrap();
        format!("{input}.{}", b64(signature))
    }

    pub fn sign(&self, header: &Value, payload: &[u8]) -> String {
        self.sign_with(&signature::RSA_PKCS1_SHA256, &header.to_string(), payload)
    }

    /// A token with the usual header.
    pub fn token(&self, claims: &Value) -> String {
        self.sign(&self.header(), claims.to_string().as_bytes())
    }
}

pub fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

pub fn unb64(text: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text).unwrap()
}

pub fn key_set(keys: &[Value]) -> KeySet {
    KeySet::parse(json!({ "keys": keys }).to_string().as_bytes()).unwrap()
}

/// Claims that [`expected`] accepts.
pub fn claims() -> Value {
    json!({
        "iss": ISSUER,
        "sub": "248289761001",
        "aud": CLIENT,
        "nonce": NONCE,
        "iat": SECONDS - 5,
        "nbf": SECONDS - 5,
        "exp": SECONDS + 300,
        "auth_time": SECONDS - 30,
        "email": "ada@example.com",
        "email_verified": true,
        "given_name": "Ada",
        "family_name": "Lovelace",
        "groups": ["engineers", "mathematicians"],
    })
}

/// The usual claims with one set to something else, or removed with `None`.
pub fn claims_with(name: &str, value: impl Into<Option<Value>>) -> Value {
    let mut claims = claims();
    match value.into() {
        Some(value) => claims[name] = value,
        None => {
            claims.as_object_mut().unwrap().remove(name);
        }
    }
    claims
}

pub fn expected(keys: &KeySet) -> Expected<'_> {
    Expected {
        issuer: ISSUER,
        client_id: CLIENT,
        nonce: NONCE,
        now: NOW,
        keys,
        algorithms: &[Algorithm::Rs256],
        access_token: None,
        code: None,
        max_age: None,
    }
}

pub fn verify(token: &str, keys: &KeySet) -> Result<Claims, IdTokenError> {
    id_token::verify(token, &expected(keys))
}

/// Asserts that the token is refused with this code.
#[track_caller]
pub fn assert_refused(what: &str, result: Result<Claims, IdTokenError>, code: &str) {
    match result {
        Ok(_) => panic!("{what}: accepted"),
        Err(error) => assert_eq!(error.code(), code, "{what}: {error}"),
    }
}
