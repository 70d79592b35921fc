//! Measures how many RS256 tokens one thread signs and verifies per second, beside jsonwebtoken on the same key.
//!
//! `cargo run --release -p oidc --example token_rates`

use std::time::{Duration, Instant};

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rsa;
use jsonwebtoken as peer;
use oidc::jws::{OwnToken, SigningKey, verify_own};
use oidc::{Algorithm, id_token, jwk::KeySet};
use serde_json::{Map, Value, json};

type Failure = Box<dyn std::error::Error>;

const NOW: i64 = 1_800_000_000_000;

fn main() -> Result<(), Failure> {
    let pair = rsa::KeyPair::generate(rsa::KeySize::Rsa2048)?;
    let pkcs8 = pair.as_der()?;
    let pkcs8: &[u8] = pkcs8.as_ref();
    let key = SigningKey::from_pkcs8_der("key_1".to_owned(), pkcs8)?;
    let claims = json!({
        "iss": "https://auth.example.com/user_management/client_01", "sub": "user_01", "sid": "session_01",
        "jti": "01", "org_id": "org_01", "role": "member", "permissions": ["posts:read", "posts:write"],
        "aud": "client_01", "nonce": "n", "iat": 1_799_999_990, "exp": 1_800_000_290,
    });
    let token = key.sign("JWT", &claims)?;
    let expected = OwnToken {
        typ: "JWT",
        issuer: "https://auth.example.com/user_management/client_01",
        audience: Some("client_01"),
        now: NOW,
    };
    let jwks = json!({ "keys": [key.public_jwk(None)] });
    let keys = KeySet::parse(jwks.to_string().as_bytes())?;
    let expected_id = id_token::Expected {
        issuer: expected.issuer,
        client_id: "client_01",
        nonce: "n",
        now: NOW,
        keys: &keys,
        algorithms: &[Algorithm::Rs256],
        access_token: None,
        code: None,
        max_age: None,
    };

    // PKCS #1, which is what the peer signs with: for 2048 bits PKCS #8 puts 26 bytes before it.
    let peer_private = peer::EncodingKey::from_rsa_der(pkcs8.get(26..).ok_or("short key")?);
    let jwk = key.public_jwk(None);
    let part = |name: &str| jwk.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let peer_public = peer::DecodingKey::from_rsa_components(&part("n"), &part("e"))?;
    let header = peer::Header::new(peer::Algorithm::RS256);
    let mut validation = peer::Validation::new(peer::Algorithm::RS256);
    validation.set_audience(&["client_01"]);
    validation.validate_exp = false;

    rate("sign", || key.sign("JWT", &claims).is_ok());
    rate("sign, jsonwebtoken", || peer::encode(&header, &claims, &peer_private).is_ok());
    rate("verify_own", || verify_own(&token, &[&key], &expected).is_ok());
    rate("id_token::verify", || id_token::verify(&token, &expected_id).is_ok());
    rate("verify, jsonwebtoken", || {
        peer::decode::<Map<String, Value>>(&token, &peer_public, &validation).is_ok()
    });
    Ok(())
}

/// Runs `work` for two seconds after a short warm-up and prints the rate; a failing run counts as none.
fn rate(name: &str, mut work: impl FnMut() -> bool) {
    for _ in 0..50 {
        work();
    }
    let (start, mut done) = (Instant::now(), 0_u32);
    while start.elapsed() < Duration::from_secs(2) {
        done += u32::from(work());
    }
    println!("{name:24} {:9.0} per second", f64::from(done) / start.elapsed().as_secs_f64());
}
