//! Key sets: row O13, and the keys we show.

use aws_lc_rs::digest;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{self, EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use oidc::Algorithm;
use oidc::id_token::{self, Expected};
use oidc::jwk::{JwkError, KeySet, MAX_BYTES, MAX_KEYS, Unusable, rsa_public_jwk};
use serde_json::{Value, json};

use crate::issuer::*;

/// The JWK of a fresh key on this curve.
fn ec_jwk(algorithm: &'static EcdsaSigningAlgorithm, curve: &str) -> Value {
    let pair = EcdsaKeyPair::generate(algorithm).unwrap();
    let (x, y) = pair.public_key().as_ref()[1..].split_at(pair.public_key().as_ref().len() / 2);
    json!({ "kty": "EC", "crv": curve, "kid": "ec", "x": b64(x), "y": b64(y) })
}

fn with(mut jwk: Value, name: &str, value: Value) -> Value {
    jwk[name] = value;
    jwk
}

fn without(mut jwk: Value, name: &str) -> Value {
    jwk.as_object_mut().unwrap().remove(name);
    jwk
}

#[test]
fn o13_parse_bounds_size_and_count() {
    let issuer = Issuer::new("k1");
    let many = |count: usize| json!({ "keys": vec![json!({ "kty": "future" }); count] }).to_string();
    assert_eq!(KeySet::parse(many(MAX_KEYS).as_bytes()).unwrap().len(), 0);
    assert_eq!(KeySet::parse(many(MAX_KEYS + 1).as_bytes()).unwrap_err(), JwkError::TooManyKeys);
    assert!(matches!(KeySet::parse(many(10_000).as_bytes()), Err(JwkError::TooManyKeys)));

    let mut body = json!({ "keys": [issuer.jwk()] }).to_string();
    assert_eq!(KeySet::parse(body.as_bytes()).unwrap().len(), 1);
    body.push_str(&" ".repeat(MAX_BYTES - body.len()));
    assert_eq!(KeySet::parse(body.as_bytes()).unwrap().len(), 1);
    body.push(' ');
    assert_eq!(KeySet::parse(body.as_bytes()).unwrap_err(), JwkError::TooLarge);
    assert_eq!(KeySet::parse(&vec![b'['; 10 * 1024 * 1024]).unwrap_err(), JwkError::TooLarge);
}

#[test]
fn o13_parse_rejects_what_is_no_key_set() {
    let issuer = Issuer::new("k1");
    assert!(
        KeySet::parse(json!({ "keys": [issuer.jwk()], "x": 1 }).to_string().as_bytes())
            .unwrap()
            .contains("k1")
    );
    for body in [
        "",
        "<html>",
        "[]",
        "null",
        "{",
        "{\"keys\":[]}x",
        "{\"keys\":[],\"keys\":[]}",
        "{\"keys\":[{\"kty\":\"RSA\",\"kty\":\"EC\"}]}",
    ] {
        assert_eq!(KeySet::parse(body.as_bytes()).unwrap_err().code(), "jwks_not_json", "{body}");
    }
    for body in ["{}", "{\"keys\":{}}", "{\"keys\":null}", "{\"keys\":\"\"}"] {
        assert_eq!(KeySet::parse(body.as_bytes()).unwrap_err().code(), "jwks_no_keys", "{body}");
    }
}

#[test]
fn o13_parse_passes_over_keys_that_must_not_be_used() {
    let issuer = Issuer::new("k1");
    let rsa = issuer.jwk();
    let (n, e) = issuer.components();
    let p256 = ec_jwk(&signature::ECDSA_P256_SHA256_FIXED_SIGNING, "P-256");
    let ed25519 = json!({
        "kty": "OKP", "crv": "Ed25519", "kid": "ed",
        "x": b64(Ed25519KeyPair::generate().unwrap().public_key()),
    });
    for (what, good) in [
        ("RSA", rsa.clone()),
        ("RSA with long kid", with(rsa.clone(), "kid", json!("k".repeat(1024)))),
        ("RSA for RS512", with(rsa.clone(), "alg", json!("RS512"))),
        ("RSA without use", without(rsa.clone(), "use")),
        ("RSA without kid", without(rsa.clone(), "kid")),
        ("RSA with key_ops", with(rsa.clone(), "key_ops", json!(["verify"]))),
        ("RSA with leading zero", with(rsa.clone(), "n", json!(b64([&[0], n.as_slice()].concat())))),
        ("P-256", p256.clone()),
        ("P-384", ec_jwk(&signature::ECDSA_P384_SHA384_FIXED_SIGNING, "P-384")),
        ("P-521", ec_jwk(&signature::ECDSA_P521_SHA512_FIXED_SIGNING, "P-521")),
        ("Ed25519", ed25519.clone()),
    ] {
        let set = key_set(&[good]);
        assert_eq!((set.len(), set.ignored().len()), (1, 0), "{what}: {:?}", set.ignored());
        assert!(!set.is_empty(), "{what}");
    }

    let bits = |bits: usize| {
        let mut modulus = vec![0xff_u8; bits.div_ceil(8)];
        modulus[0] = 0xff >> ((8 - bits % 8) % 8);
        modulus
    };
    let mut even = n.clone();
    *even.last_mut().unwrap() &= 0xfe;
    let mut off_curve = unb64(p256["y"].as_str().unwrap());
    off_curve[31] ^= 1;
    let short = unb64(p256["x"].as_str().unwrap())[..31].to_vec();
    let rsa_with = |name: &str, value: Value| with(rsa.clone(), name, value);
    let ec_with = |name: &str, value: Value| with(p256.clone(), name, value);
    for (what, bad, reason) in [
        ("RSA 512", rsa_with("n", json!(b64(bits(512)))), Unusable::Weak),
        ("RSA 1024", rsa_with("n", json!(b64(bits(1024)))), Unusable::Weak),
        ("RSA 2047", rsa_with("n", json!(b64(bits(2047)))), Unusable::Weak),
        ("RSA 8193", rsa_with("n", json!(b64(bits(8193)))), Unusable::Weak),
        (
            "RSA 512 padded to 2048",
            rsa_with("n", json!(b64([vec![0; 192], bits(512)].concat()))),
            Unusable::Weak,
        ),
        ("even modulus", rsa_with("n", json!(b64(even))), Unusable::Weak),
        ("zero modulus", rsa_with("n", json!(b64([0]))), Unusable::Weak),
        ("exponent 0", rsa_with("e", json!(b64([0]))), Unusable::Weak),
        ("exponent 1", rsa_with("e", json!(b64([1]))), Unusable::Weak),
        ("exponent 2", rsa_with("e", json!(b64([2]))), Unusable::Weak),
        ("exponent of 33 bits", rsa_with("e", json!(b64([1, 0, 0, 0, 1]))), Unusable::Weak),
        ("exponent as large as n", rsa_with("e", json!(b64(&n))), Unusable::Weak),
        ("no modulus", without(rsa.clone(), "n"), Unusable::Malformed),
        ("no exponent", without(rsa.clone(), "e"), Unusable::Malformed),
        ("modulus with padding", rsa_with("n", json!(b64(&n) + "==")), Unusable::Malformed),
        ("modulus as a number", rsa_with("n", json!(12345)), Unusable::Malformed),
        ("exponent as a number", rsa_with("e", json!(65537)), Unusable::Malformed),
        ("private d", rsa_with("d", json!(b64(&e))), Unusable::PrivateKeyPublished),
        ("private p", rsa_with("p", json!(null)), Unusable::PrivateKeyPublished),
        ("private EC", ec_with("d", json!("AA")), Unusable::PrivateKeyPublished),
        ("private OKP", with(ed25519.clone(), "d", json!("AA")), Unusable::PrivateKeyPublished),
        (
            "symmetric",
            json!({ "kty": "oct", "kid": "s", "k": "AAAA", "alg": "HS256" }),
            Unusable::Unsupported,
        ),
        ("symmetric without k", json!({ "kty": "oct", "kid": "s" }), Unusable::Unsupported),
        ("RSA with k", rsa_with("k", json!("AAAA")), Unusable::PrivateKeyPublished),
        ("use=enc", rsa_with("use", json!("enc")), Unusable::NotForVerifying),
        ("use of another type", rsa_with("use", json!(["sig"])), Unusable::Malformed),
        ("key_ops encrypt", rsa_with("key_ops", json!(["encrypt"])), Unusable::NotForVerifying),
        ("key_ops of another type", rsa_with("key_ops", json!("verify")), Unusable::Malformed),
        ("alg for encryption", rsa_with("alg", json!("RSA-OAEP")), Unusable::Unsupported),
        ("alg HS256 on RSA", rsa_with("alg", json!("HS256")), Unusable::Unsupported),
        ("alg none", rsa_with("alg", json!("none")), Unusable::Unsupported),
        ("alg ES256 on RSA", rsa_with("alg", json!("ES256")), Unusable::Malformed),
        ("alg ES384 on P-256", ec_with("alg", json!("ES384")), Unusable::Malformed),
        ("kid of another type", rsa_with("kid", json!(1)), Unusable::Malformed),
        ("off curve", ec_with("y", json!(b64(off_curve))), Unusable::Malformed),
        ("origin", with(ec_with("x", json!(b64([0; 32]))), "y", json!(b64([0; 32]))), Unusable::Malformed),
        ("coordinate above the field", ec_with("x", json!(b64([0xff; 32]))), Unusable::Malformed),
        ("short coordinate", ec_with("x", json!(b64(short))), Unusable::Malformed),
        ("short second coordinate", ec_with("y", json!(b64([7; 31]))), Unusable::Malformed),
        ("long kid", rsa_with("kid", json!("k".repeat(1025))), Unusable::Malformed),
        ("coordinates of another curve", ec_with("crv", json!("P-384")), Unusable::Malformed),
        ("secp256k1", ec_with("crv", json!("secp256k1")), Unusable::Unsupported),
        ("no curve", without(p256.clone(), "crv"), Unusable::Malformed),
        ("Ed448", with(ed25519.clone(), "crv", json!("Ed448")), Unusable::Unsupported),
        ("X25519", with(ed25519.clone(), "crv", json!("X25519")), Unusable::Unsupported),
        ("short Ed25519", with(ed25519.clone(), "x", json!(b64([7; 31]))), Unusable::Malformed),
        (
            "key type of the future",
            json!({ "kty": "AKP", "alg": "ML-DSA-65", "pub": "AA" }),
            Unusable::Unsupported,
        ),
        ("no key type", without(rsa.clone(), "kty"), Unusable::Malformed),
        ("no object", json!("key"), Unusable::Malformed),
    ] {
        // Beside a good key, so that one bad entry doesn't cost the others.
        let set = key_set(&[bad, with(ed25519.clone(), "kid", json!("beside"))]);
        assert_eq!(set.len(), 1, "{what}");
        assert!(set.contains("beside") && !set.contains("k1"), "{what}");
        assert_eq!(set.ignored()[0].reason, reason, "{what}");
    }
}

#[test]
fn o13_verify_says_why_a_key_is_not_used() {
    let issuer = Issuer::new("k1");
    let token = issuer.token(&claims());
    verify(&token, &issuer.keys()).unwrap();
    let set = key_set(&[with(issuer.jwk(), "d", json!("AA"))]);
    assert!(!set.contains("k1") && set.is_empty());
    let error = verify(&token, &set).unwrap_err();
    assert_eq!(error.code(), "id_token_unusable_key");
    assert!(error.to_string().contains("its private part is published"), "{error}");
}

#[test]
fn o13_duplicate_kid_leaves_no_choice_to_the_token() {
    let (first, second) = (Issuer::new("k1"), Issuer::new("k1"));
    let token = first.token(&claims());
    verify(&token, &first.keys()).unwrap();
    // Different keys under one name, in either order.
    assert_refused("two", verify(&token, &key_set(&[first.jwk(), second.jwk()])), "id_token_ambiguous_key");
    assert_refused("two", verify(&token, &key_set(&[second.jwk(), first.jwk()])), "id_token_ambiguous_key");
    // The same key twice is one key.
    let twice = key_set(&[first.jwk(), first.jwk()]);
    assert_eq!(twice.len(), 1);
    verify(&token, &twice).unwrap();
    let point = || with(ec_jwk(&signature::ECDSA_P256_SHA256_FIXED_SIGNING, "P-256"), "kid", json!("k1"));
    let (one, other) = (point(), point());
    assert_eq!(key_set(&[one.clone(), one.clone()]).len(), 1);
    assert_eq!(key_set(&[one, other]).len(), 2);
    // One name for keys of different types: the algorithm decides (RFC 7517 §4.5).
    let mixed = key_set(&[point(), first.jwk()]);
    verify(&token, &mixed).unwrap();
    let all = Expected { algorithms: Algorithm::ALL, ..expected(&mixed) };
    id_token::verify(&token, &all).unwrap();
}

#[test]
fn ecdsa_signatures_have_exactly_one_encoding() {
    let pair = EcdsaKeyPair::generate(&signature::ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let der_pair = EcdsaKeyPair::from_pkcs8(
        &signature::ECDSA_P256_SHA256_ASN1_SIGNING,
        pair.to_pkcs8v1().unwrap().as_ref(),
    )
    .unwrap();
    let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
    let keys = key_set(&[json!({ "kty": "EC", "crv": "P-256", "kid": "ec", "x": b64(x), "y": b64(y) })]);
    let allowed = Expected { algorithms: &[Algorithm::Es256], ..expected(&keys) };
    let input = format!("{}.{}", b64(r#"{"alg":"ES256","kid":"ec"}"#), b64(claims().to_string()));
    let token = |signature: &[u8]| format!("{input}.{}", b64(signature));

    let random = SystemRandom::new();
    let good = pair.sign(&random, input.as_bytes()).unwrap();
    id_token::verify(&token(good.as_ref()), &allowed).unwrap();
    let der = der_pair.sign(&random, input.as_bytes()).unwrap();
    for (what, bad) in [
        ("DER", der.as_ref().to_vec()),
        // r = s = 0, which a verifier that skips the range check accepts for any message.
        ("zero", vec![0; 64]),
        ("r only", good.as_ref()[..32].to_vec()),
        ("longer", [good.as_ref(), &[0]].concat()),
        ("empty", Vec::new()),
    ] {
        assert_refused(what, id_token::verify(&token(&bad), &allowed), "id_token_signature_invalid");
    }
}

#[test]
fn rsa_public_jwk_shows_certificate_and_thumbprint() {
    let issuer = Issuer::new("k1");
    let (n, e) = issuer.components();
    let certificate = b"not a certificate, but some bytes of DER";
    let jwk = rsa_public_jwk("k1", &n, &e, Some(certificate));
    let standard = base64::engine::general_purpose::STANDARD;
    assert_eq!(
        jwk,
        json!({
            "alg": "RS256", "kty": "RSA", "use": "sig", "kid": "k1", "n": b64(&n), "e": "AQAB",
            "x5c": [standard.encode(certificate)],
            "x5t#S256": b64(digest::digest(&digest::SHA256, certificate)),
        })
    );
    // Leading zeros, as some key formats have them, don't change the key.
    let padded = rsa_public_jwk("k1", &[&[0, 0], n.as_slice()].concat(), &[0, 1, 0, 1], None);
    assert_eq!(
        padded,
        json!({ "alg": "RS256", "kty": "RSA", "use": "sig", "kid": "k1", "n": b64(&n), "e": "AQAB" })
    );
    assert!(key_set(&[jwk]).contains("k1"));
}
