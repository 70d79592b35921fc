//! Published vectors, and an implementation that is not ours on the other side.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{self, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _};
use jsonwebtoken as peer;
use oidc::Algorithm;
use oidc::id_token::{self, Expected, half_hash};
use oidc::jwk::KeySet;
use oidc::jws::SigningKey;
use oidc::pkce;
use serde_json::{Map, Value, json};

use crate::issuer::*;

/// Verifies a vector whose payload can be no ID token: that it fails for the payload and not before shows that
/// the signature was found good. The same with one bit of the signature changed must fail for that.
fn assert_signature_is_good(what: &str, algorithm: Algorithm, jwk: &Value, token: &str, later: &str) {
    let keys = key_set(std::slice::from_ref(jwk));
    let expected = Expected { algorithms: &[algorithm], issuer: "joe", ..expected(&keys) };
    assert_refused(what, id_token::verify(token, &expected), later);

    let (input, signature) = token.rsplit_once('.').unwrap();
    let mut signature = unb64(signature);
    signature[10] ^= 1;
    let altered = format!("{input}.{}", b64(signature));
    assert_refused(what, id_token::verify(&altered, &expected), "id_token_signature_invalid");
}

#[test]
fn rfc_7515_appendix_a2_rs256() {
    let jwk = json!({
        "kty": "RSA", "e": "AQAB",
        "n": "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ",
    });
    let token = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";
    assert_signature_is_good("A.2", Algorithm::Rs256, &jwk, token, "id_token_claim_missing");
}

#[test]
fn rfc_7515_appendix_a3_es256() {
    let jwk = json!({
        "kty": "EC", "crv": "P-256",
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
    });
    let token = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
    assert_signature_is_good("A.3", Algorithm::Es256, &jwk, token, "id_token_claim_missing");
}

#[test]
fn rfc_7515_appendix_a4_es512() {
    let jwk = json!({
        "kty": "EC", "crv": "P-521",
        "x": "AekpBQ8ST8a8VcfVOTNl353vSrDCLLJXmPk06wTjxrrjcBpXp5EOnYG_NjFZ6OvLFV1jSfS9tsz4qUxcWceqwQGk",
        "y": "ADSmRA43Z1DSNx_RvcLI87cdL07l6jQyyBXMoxVg_l2Th-x3S1WDhjDly79ajL4Kkd0AZMaZmh9ubmf63e3kyMj2",
    });
    let token = "eyJhbGciOiJFUzUxMiJ9.UGF5bG9hZA.AdwMgeerwtHoh-l192l60hp9wAHZFVJbLfD_UxMi70cwnZOYaRI1bKPWROc-mZZqwqT2SI-KGDKB34XO0aw_7XdtAG8GaSwFKdCAPZgoXD2YBJZCPEX3xKpRwcdOO8KpEHwJjyqOgzDO7iKvU8vcnwNrmxYbSW9ERBXukOXolLzeO_Jn";
    assert_signature_is_good("A.4", Algorithm::Es512, &jwk, token, "id_token_malformed");
}

#[test]
fn rfc_8037_appendix_a4_eddsa() {
    let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" });
    let token = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
    assert_signature_is_good("A.4", Algorithm::EdDsa, &jwk, token, "id_token_malformed");
}

#[test]
fn rfc_7520_section_4_2_ps384() {
    let jwk = json!({
        "kty": "RSA", "kid": "bilbo.baggins@hobbiton.example", "use": "sig", "e": "AQAB",
        "n": "n4EPtAOCc9AlkeQHPzHStgAbgs7bTZLwUBZdR8_KuKPEHLd4rHVTeT-O-XV2jRojdNhxJWTDvNd7nqQ0VEiZQHz_AJmSCpMaJMRBSFKrKb2wqVwGU_NsYOYL-QtiWN2lbzcEe6XC0dApr5ydQLrHqkHHig3RBordaZ6Aj-oBHqFEHYpPe7Tpe-OfVfHd1E6cS6M1FZcD1NNLYD5lFHpPI9bTwJlsde3uhGqC0ZCuEHg8lhzwOHrtIQbS0FVbb9k3-tVTU4fg_3L_vniUFAKwuCLqKnS2BYwdq_mzSnbLY7h_qixoR7jig3__kRhuaxwUkRz5iaiQkqgc5gHdrNP5zw",
    });
    let token = "eyJhbGciOiJQUzM4NCIsImtpZCI6ImJpbGJvLmJhZ2dpbnNAaG9iYml0b24uZXhhbXBsZSJ9.SXTigJlzIGEgZGFuZ2Vyb3VzIGJ1c2luZXNzLCBGcm9kbywgZ29pbmcgb3V0IHlvdXIgZG9vci4gWW91IHN0ZXAgb250byB0aGUgcm9hZCwgYW5kIGlmIHlvdSBkb24ndCBrZWVwIHlvdXIgZmVldCwgdGhlcmXigJlzIG5vIGtub3dpbmcgd2hlcmUgeW91IG1pZ2h0IGJlIHN3ZXB0IG9mZiB0by4.cu22eBqkYDKgIlTpzDXGvaFfz6WGoz7fUDcfT0kkOy42miAh2qyBzk1xEsnk2IpN6-tPid6VrklHkqsGqDqHCdP6O8TTB5dDDItllVo6_1OLPpcbUrhiUSMxbbXUvdvWXzg-UD8biiReQFlfz28zGWVsdiNAUf8ZnyPEgVFn442ZdNqiVJRmBqrYRXe8P_ijQ7p8Vdz0TTrxUeT3lm8d9shnr2lfJT8ImUjvAA2Xez2Mlp8cBE5awDzT0qI0n6uiP1aCN_2_jLAeQTlqRHtfa64QQSUmFAAjVKPbByi7xho0uTOcbH510a6GYmJUAfmWjwZ6oD4ifKo8DYM-X72Eaw";
    assert_signature_is_good("4.2", Algorithm::Ps384, &jwk, token, "id_token_malformed");
}

#[test]
fn rfc_7636_appendix_b_pkce() {
    let (verifier, challenge) =
        ("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    assert_eq!(pkce::challenge(verifier), challenge);
    assert!(pkce::verify(challenge, verifier));
    for (challenge, verifier) in [
        (challenge, "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXl"),
        (challenge, "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjX"),
        (challenge, ""),
        // `plain`, by confusion of the two methods.
        (challenge, challenge),
        (verifier, verifier),
        ("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM=", verifier),
        ("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cN", verifier),
        ("", verifier),
    ] {
        assert!(!pkce::verify(challenge, verifier), "{challenge} {verifier}");
    }
}

#[test]
fn pkce_verifiers_and_challenges_have_bounds() {
    for verifier in ["a".repeat(43), "-._~".repeat(32)] {
        assert!(pkce::is_valid_verifier(&verifier));
        assert!(pkce::verify(&pkce::challenge(&verifier), &verifier));
    }
    for verifier in [
        "a".repeat(42),
        "a".repeat(129),
        "a".repeat(42) + "+",
        "a".repeat(42) + " ",
        "a".repeat(42) + "\0",
        "é".repeat(30),
    ] {
        assert!(!pkce::is_valid_verifier(&verifier));
        // Refused although the challenge would match.
        assert!(!pkce::verify(&pkce::challenge(&verifier), &verifier), "{verifier}");
    }
    for challenge in [
        "",
        "a",
        &"A".repeat(42),
        &"A".repeat(44),
        &format!("{}+", "A".repeat(42)),
        &format!("{}B", "A".repeat(42)),
    ] {
        assert!(!pkce::is_valid_challenge(challenge), "{challenge}");
    }
    assert!(pkce::is_valid_challenge(&"A".repeat(43)));
}

#[test]
fn at_hash_sample_of_openid_connect_core() {
    assert_eq!(
        half_hash(Algorithm::Rs256, "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y"),
        "77QmUPtjPfzWtF2AnpK9RQ"
    );
}

/// An ID token by jsonwebtoken, read by us.
fn assert_interoperates(algorithm: Algorithm, theirs: peer::Algorithm, key: &peer::EncodingKey, jwk: &Value) {
    let mut claims = claims();
    claims["at_hash"] = json!(half_hash(algorithm, "access-token"));
    let mut header = peer::Header::new(theirs);
    header.kid = Some(jwk["kid"].as_str().unwrap().to_owned());
    let token = peer::encode(&header, &claims, key).unwrap();

    let keys = KeySet::parse(json!({ "keys": [jwk] }).to_string().as_bytes()).unwrap();
    let expected =
        Expected { algorithms: &[algorithm], access_token: Some("access-token"), ..expected(&keys) };
    let read = id_token::verify(&token, &expected).unwrap();
    assert_eq!(Value::Object(read.all), claims, "{algorithm}");

    let mut mutated = token.into_bytes();
    let middle = mutated.len() / 2;
    mutated[middle] = if mutated[middle] == b'A' { b'B' } else { b'A' };
    assert!(id_token::verify(std::str::from_utf8(&mutated).unwrap(), &expected).is_err(), "{algorithm}");
}

#[test]
fn verify_accepts_tokens_of_another_implementation() {
    let issuer = Issuer::new("rsa");
    // jsonwebtoken wants PKCS #1; for 2048 bits PKCS #8 puts 26 bytes before it.
    let rsa = peer::EncodingKey::from_rsa_der(&issuer.pkcs8()[26..]);
    for (ours, theirs) in [
        (Algorithm::Rs256, peer::Algorithm::RS256),
        (Algorithm::Rs384, peer::Algorithm::RS384),
        (Algorithm::Rs512, peer::Algorithm::RS512),
        (Algorithm::Ps256, peer::Algorithm::PS256),
        (Algorithm::Ps384, peer::Algorithm::PS384),
        (Algorithm::Ps512, peer::Algorithm::PS512),
    ] {
        assert_interoperates(ours, theirs, &rsa, &issuer.jwk());
    }
    for (ours, theirs, curve, parameters) in [
        (Algorithm::Es256, peer::Algorithm::ES256, "P-256", &signature::ECDSA_P256_SHA256_FIXED_SIGNING),
        (Algorithm::Es384, peer::Algorithm::ES384, "P-384", &signature::ECDSA_P384_SHA384_FIXED_SIGNING),
    ] {
        let pair = EcdsaKeyPair::generate(parameters).unwrap();
        let key = peer::EncodingKey::from_ec_der(pair.to_pkcs8v1().unwrap().as_ref());
        let point = &pair.public_key().as_ref()[1..];
        let (x, y) = point.split_at(point.len() / 2);
        let jwk = json!({ "kty": "EC", "crv": curve, "kid": "ec", "x": b64(x), "y": b64(y) });
        assert_interoperates(ours, theirs, &key, &jwk);
    }
    let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
    let pair = Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).unwrap();
    let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "kid": "ed", "x": b64(pair.public_key()) });
    assert_interoperates(
        Algorithm::EdDsa,
        peer::Algorithm::EdDSA,
        &peer::EncodingKey::from_ed_der(pkcs8.as_ref()),
        &jwk,
    );
}

/// jsonwebtoken has no P-521.
#[test]
fn verify_accepts_es512() {
    let pair = EcdsaKeyPair::generate(&signature::ECDSA_P521_SHA512_FIXED_SIGNING).unwrap();
    let (x, y) = pair.public_key().as_ref()[1..].split_at(66);
    let keys = key_set(&[json!({ "kty": "EC", "crv": "P-521", "kid": "ec", "x": b64(x), "y": b64(y) })]);
    let input = format!("{}.{}", b64(r#"{"alg":"ES512","kid":"ec"}"#), b64(claims().to_string()));
    let signed = pair.sign(&SystemRandom::new(), input.as_bytes()).unwrap();
    let expected = Expected { algorithms: &[Algorithm::Es512], ..expected(&keys) };
    id_token::verify(&format!("{input}.{}", b64(signed)), &expected).unwrap();
}

#[test]
fn another_implementation_accepts_our_tokens() {
    let issuer = Issuer::new("key_01");
    let key = SigningKey::from_pkcs8_der("key_01".into(), &issuer.pkcs8()).unwrap();
    let token = key.sign("at+jwt", &claims()).unwrap();
    let header = peer::decode_header(&token).unwrap();
    assert_eq!(
        (header.alg, header.kid.as_deref(), header.typ.as_deref()),
        (peer::Algorithm::RS256, Some("key_01"), Some("at+jwt"))
    );

    let jwk: peer::jwk::Jwk = serde_json::from_value(key.public_jwk(None)).unwrap();
    let mut validation = peer::Validation::new(peer::Algorithm::RS256);
    validation.set_audience(&[CLIENT]);
    validation.set_issuer(&[ISSUER]);
    // Our clock stands still.
    validation.validate_exp = false;
    let decoded =
        peer::decode::<Map<String, Value>>(&token, &peer::DecodingKey::from_jwk(&jwk).unwrap(), &validation)
            .unwrap();
    assert_eq!(Value::Object(decoded.claims), claims());
}
