//! Tokens of our own: rows J1, J4, J5, J6, J7.

use aws_lc_rs::hmac;
use oidc::jws::{KeyError, OwnToken, SignError, SigningKey, TokenError, VerificationKey, verify_own};
use serde_json::{Map, Value, json};

use crate::issuer::*;
use crate::times::not_times;

const OURS: &str = "https://auth.example.com/user_management/client_01";
const TYPE: &str = "JWT";

fn own_claims() -> Value {
    json!({ "iss": OURS, "aud": "client_01", "sub": "user_01", "iat": SECONDS - 5, "exp": SECONDS + 300 })
}

fn own_claims_with(name: &str, value: Option<Value>) -> Value {
    let mut claims = own_claims();
    match value {
        Some(value) => claims[name] = value,
        None => {
            claims.as_object_mut().unwrap().remove(name);
        }
    }
    claims
}

fn at(typ: &str) -> OwnToken<'_> {
    OwnToken { typ, issuer: OURS, audience: Some("client_01"), now: NOW }
}

/// Our key, and the same key in the hands of the raw signer.
fn ours() -> (SigningKey, Issuer) {
    let raw = Issuer::new("key_01");
    (SigningKey::from_pkcs8_der("key_01".into(), &raw.pkcs8()).unwrap(), raw)
}

fn code(result: Result<Map<String, Value>, TokenError>) -> &'static str {
    result.map_or_else(|error| error.code(), |_| "accepted")
}

#[test]
fn sign_and_verify_round_trip() {
    let (key, raw) = ours();
    let token = key.sign(TYPE, &own_claims()).unwrap();
    assert_eq!(Value::Object(verify_own(&token, &[&key], &at(TYPE)).unwrap()), own_claims());
    // PKCS #1 v1.5 is deterministic: the signature equals one made beside the code under test.
    let header = unb64(token.split('.').next().unwrap());
    let again = raw.sign_with(
        &aws_lc_rs::signature::RSA_PKCS1_SHA256,
        std::str::from_utf8(&header).unwrap(),
        own_claims().to_string().as_bytes(),
    );
    assert_eq!(token, again);
    assert_eq!(
        serde_json::from_slice::<Value>(&header).unwrap(),
        json!({ "alg": "RS256", "typ": "JWT", "kid": "key_01" })
    );

    // The retired half verifies on; so does a list of keys, in any form.
    let public = key.verification_key().clone();
    verify_own(&token, &[&public], &at(TYPE)).unwrap();
    verify_own(&token, &[public], &at(TYPE)).unwrap();
    let other = SigningKey::from_pkcs8_der("key_02".into(), &Issuer::new("key_02").pkcs8()).unwrap();
    verify_own(&token, &[other.clone(), key.clone()], &at(TYPE)).unwrap();
    let (n, e) = raw.components();
    verify_own(&token, &[VerificationKey::from_rsa_components("key_01", &n, &e).unwrap()], &at(TYPE))
        .unwrap();
    assert_eq!(code(verify_own(&token, &[other], &at(TYPE))), "token_unknown_key");
    assert_eq!(code(verify_own::<SigningKey>(&token, &[], &at(TYPE))), "token_unknown_key");
    assert!(key_set(&[key.public_jwk(None)]).contains("key_01"));
}

#[test]
fn signing_key_refuses_unusable_keys_and_never_shows_itself() {
    let (key, raw) = ours();
    assert_eq!(SigningKey::from_pkcs8_der("k".into(), b"junk").unwrap_err(), KeyError::Key);
    assert_eq!(SigningKey::from_pkcs8_der("k".into(), &raw.pkcs8()[1..]).unwrap_err(), KeyError::Key);
    for kid in ["", "a b", "a\n", "é", &"k".repeat(1025)] {
        assert_eq!(SigningKey::from_pkcs8_der(kid.into(), &raw.pkcs8()).unwrap_err(), KeyError::KeyId);
    }
    let longest = SigningKey::from_pkcs8_der("k".repeat(1024), &raw.pkcs8()).unwrap();
    assert_eq!((longest.kid().len(), longest.verification_key().kid()), (1024, longest.kid()));
    assert_eq!(format!("{key:?}"), "SigningKey { kid: \"key_01\", .. }");
    assert_eq!(format!("{:?}", key.verification_key()), "VerificationKey { kid: \"key_01\", .. }");
    assert!(matches!(key.sign(TYPE, &json!([1])), Err(SignError::NotAnObject)));
    assert!(matches!(key.sign(TYPE, &"text"), Err(SignError::NotAnObject)));
}

#[test]
fn j1_verify_own_keeps_kinds_of_tokens_apart() {
    let (key, _) = ours();
    let kinds =
        ["JWT", "at+jwt", "logout+jwt", "portal+jwt", "widget+jwt", "magic+jwt", "invitation+jwt", ""];
    for issued in kinds {
        let token = key.sign(issued, &own_claims()).unwrap();
        for used in kinds {
            let outcome = code(verify_own(&token, &[&key], &at(used)));
            assert_eq!(
                outcome,
                if issued == used { "accepted" } else { "token_wrong_type" },
                "{issued} as {used}"
            );
        }
    }
    // Not even in another spelling: we wrote it, so we know how.
    let token = key.sign("at+jwt", &own_claims()).unwrap();
    for near in ["AT+JWT", "application/at+jwt", "at+jwt "] {
        assert_eq!(code(verify_own(&token, &[&key], &at(near))), "token_wrong_type");
    }
}

#[test]
fn j1_verify_own_keeps_audiences_and_issuers_apart() {
    let (key, _) = ours();
    let verify = |claims: Value, expected: OwnToken<'_>| {
        code(verify_own(&key.sign(TYPE, &claims).unwrap(), &[&key], &expected))
    };
    assert_eq!(verify(own_claims(), at(TYPE)), "accepted");
    for (name, value, outcome) in [
        ("aud", Some(json!("client_02")), "token_audience_mismatch"),
        ("aud", Some(json!(["client_02", "client_03"])), "token_audience_mismatch"),
        ("aud", Some(json!(["client_02", "client_01"])), "accepted"),
        ("aud", None, "token_audience_mismatch"),
        ("aud", Some(json!(null)), "token_claim_invalid"),
        ("aud", Some(json!(1)), "token_claim_invalid"),
        ("aud", Some(json!([])), "token_claim_invalid"),
        ("iss", Some(json!(format!("{OURS}/"))), "token_issuer_mismatch"),
        ("iss", Some(json!("https://auth.example.com/user_management/client_02")), "token_issuer_mismatch"),
        ("iss", None, "token_claim_invalid"),
        ("iss", Some(json!([OURS])), "token_claim_invalid"),
    ] {
        assert_eq!(verify(own_claims_with(name, value.clone()), at(TYPE)), outcome, "{name} {value:?}");
    }
    // Where no audience is expected, customers may set one, but it has to be one.
    let open = OwnToken { audience: None, ..at(TYPE) };
    assert_eq!(verify(own_claims(), open), "accepted");
    assert_eq!(verify(own_claims_with("aud", None), open), "accepted");
    assert_eq!(verify(own_claims_with("aud", Some(json!(1))), open), "token_claim_invalid");
}

#[test]
fn j1_verify_own_accepts_nothing_that_it_did_not_make() {
    let (key, raw) = ours();
    let payload = own_claims().to_string();
    let make = |header: Value| raw.sign(&header, payload.as_bytes());
    let good = json!({ "alg": "RS256", "typ": TYPE, "kid": "key_01" });
    assert_eq!(code(verify_own(&make(good.clone()), &[&key], &at(TYPE))), "accepted");

    let changed = |name: &str, value: Option<Value>| {
        let mut header = good.clone();
        match value {
            Some(value) => header[name] = value,
            None => {
                header.as_object_mut().unwrap().remove(name);
            }
        }
        code(verify_own(&make(header), &[&key], &at(TYPE)))
    };
    for (name, value, outcome) in [
        ("alg", Some(json!("none")), "token_foreign_header"),
        ("alg", Some(json!("HS256")), "token_foreign_header"),
        ("alg", Some(json!("PS256")), "token_foreign_header"),
        ("alg", Some(json!("RS512")), "token_foreign_header"),
        ("alg", None, "token_malformed"),
        ("typ", None, "token_foreign_header"),
        ("typ", Some(json!(null)), "token_malformed"),
        ("kid", None, "token_foreign_header"),
        ("kid", Some(json!("key_02")), "token_unknown_key"),
        ("kid", Some(json!("' or 1=1 --")), "token_unknown_key"),
        ("jku", Some(json!("https://canary.example.net")), "token_foreign_header"),
        ("x5u", Some(json!("https://canary.example.net")), "token_foreign_header"),
        ("jwk", Some(raw.jwk()), "token_foreign_header"),
        ("x5c", Some(json!([])), "token_foreign_header"),
        ("cty", Some(json!("JWT")), "token_foreign_header"),
        ("crit", Some(json!(["exp"])), "token_malformed"),
        ("b64", Some(json!(false)), "token_malformed"),
    ] {
        assert_eq!(changed(name, value.clone()), outcome, "{name} {value:?}");
    }

    // HMAC with the public key, and another key under our name.
    let input = format!(
        "{}.{}",
        b64(json!({ "alg": "HS256", "typ": TYPE, "kid": "key_01" }).to_string()),
        b64(&payload)
    );
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &raw.components().0), input.as_bytes());
    assert_eq!(
        code(verify_own(&format!("{input}.{}", b64(tag)), &[&key], &at(TYPE))),
        "token_foreign_header"
    );
    let impostor = Issuer::new("key_01").sign(&good, payload.as_bytes());
    assert_eq!(code(verify_own(&impostor, &[&key], &at(TYPE))), "token_signature_invalid");
}

#[test]
fn j4_verify_own_rejects_json_with_two_readings() {
    let (key, raw) = ours();
    let header = json!({ "alg": "RS256", "typ": TYPE, "kid": "key_01" });
    let good = own_claims().to_string();
    let outcome =
        |payload: &str| code(verify_own(&raw.sign(&header, payload.as_bytes()), &[&key], &at(TYPE)));
    assert_eq!(outcome(&good), "accepted");

    let plus = |members: &str| good.replacen('{', &format!("{{{members},"), 1);
    assert_eq!(outcome(&plus("\"x\":1,\"y\":{\"x\":1}")), "accepted");
    for (what, payload) in [
        ("duplicate sub", plus("\"sub\":\"user_02\"")),
        ("duplicate by escape", plus("\"s\\u0075b\":\"user_02\"")),
        ("duplicate inside", plus("\"org\":{\"id\":1,\"id\":2}")),
        ("duplicate in a list", plus("\"orgs\":[{\"id\":1,\"id\":1}]")),
        ("unpaired high surrogate", plus("\"x\":\"\\ud800\"")),
        ("unpaired low surrogate", plus("\"x\":\"\\udc00\"")),
        ("reversed surrogates", plus("\"x\":\"\\udc00\\ud800\"")),
        ("huge number", plus("\"x\":1e400")),
        ("huge negative number", plus("\"x\":-1e400")),
        ("leading zero", plus("\"x\":01")),
        ("hexadecimal", plus("\"x\":0x10")),
        ("NaN", plus("\"x\":NaN")),
        ("Infinity", plus("\"x\":Infinity")),
        ("NUL", plus("\"x\":\"\\u0000\"")),
        ("NUL in a name", plus("\"a\\u0000\":1")),
        ("raw control character", plus("\"x\":\"\u{1}\"")),
        ("deep list", plus(&format!("\"x\":{}{}", "[".repeat(33), "]".repeat(33)))),
        ("deep object", plus(&format!("\"x\":{}1{}", "{\"x\":".repeat(9_000), "}".repeat(9_000)))),
        ("comment", plus("/* */ \"x\":1")),
        ("single quotes", plus("'x':1")),
        ("trailing comma", good.replace('}', ",}")),
        ("two objects", format!("{good}{good}")),
        ("trailing text", format!("{good}x")),
        ("byte order mark", format!("\u{feff}{good}")),
        ("list", format!("[{good}]")),
        ("string", json!(good).to_string()),
        ("null", "null".into()),
        ("empty", String::new()),
    ] {
        assert_eq!(outcome(&payload), "token_malformed", "{what}");
    }
    let not_utf8 = [plus("\"x\":\"").as_bytes(), &[0xff], b"\"}"].concat();
    assert_eq!(code(verify_own(&raw.sign(&header, &not_utf8), &[&key], &at(TYPE))), "token_malformed");
    // The same for the header.
    for text in [
        r#"{"alg":"RS256","typ":"JWT","kid":"key_01","kid":"key_01"}"#,
        r#"{"alg":"none","typ":"JWT","kid":"key_01","alg":"RS256"}"#,
    ] {
        let token = raw.sign_with(&aws_lc_rs::signature::RSA_PKCS1_SHA256, text, good.as_bytes());
        assert_eq!(code(verify_own(&token, &[&key], &at(TYPE))), "token_malformed");
    }
}

#[test]
fn j5_verify_own_accepts_one_text_per_token() {
    let (key, _) = ours();
    let token = key.sign(TYPE, &own_claims()).unwrap();
    verify_own(&token, &[&key], &at(TYPE)).unwrap();
    let parts: Vec<&str> = token.split('.').collect();

    // 256 bytes leave two unused bits in the last character of the signature: fifteen texts decode to the
    // same bytes in a lenient reader.
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let last = token.chars().last().unwrap();
    let position = alphabet.find(last).unwrap();
    for (index, other) in alphabet.chars().enumerate().filter(|(index, _)| *index != position) {
        let altered = format!("{}{other}", &token[..token.len() - 1]);
        let outcome = code(verify_own(&altered, &[&key], &at(TYPE)));
        let same_bytes = index / 16 == position / 16;
        assert_eq!(outcome, if same_bytes { "token_malformed" } else { outcome }, "{other}");
        assert_ne!(outcome, "accepted", "{other}");
    }
    for (index, part) in parts.iter().enumerate() {
        for (what, altered) in [
            ("padding", format!("{part}=")),
            ("more padding", format!("{part}==")),
            ("space after", format!("{part} ")),
            ("space before", format!(" {part}")),
            ("line break", format!("{}\n{}", &part[..8], &part[8..])),
            ("escape", format!("{part}%3D")),
            ("one character more", format!("{part}A")),
            ("standard alphabet", format!("{}+/", &part[..part.len() - 2])),
            ("not ASCII", format!("{}é", &part[..part.len() - 1])),
            ("NUL", format!("{part}\0")),
        ] {
            let mut altered_parts = parts.clone();
            altered_parts[index] = &altered;
            let outcome = code(verify_own(&altered_parts.join("."), &[&key], &at(TYPE)));
            assert!(
                outcome == "token_malformed" || outcome == "token_signature_invalid",
                "{what} in {index}: {outcome}"
            );
        }
    }
    for altered in [
        format!("{token}."),
        format!(".{token}"),
        format!("{token}\n"),
        format!("Bearer {token}"),
        token.replace('.', ".."),
    ] {
        assert_ne!(code(verify_own(&altered, &[&key], &at(TYPE))), "accepted");
    }
}

#[test]
fn j5_payload_must_be_canonical_even_when_signed() {
    let (key, raw) = ours();
    let header = b64(json!({ "alg": "RS256", "typ": TYPE, "kid": "key_01" }).to_string());
    let sign_text = |payload: &str| raw.sign_text(&format!("{header}.{payload}"));
    let payload = b64(own_claims().to_string());
    verify_own(&sign_text(&payload), &[&key], &at(TYPE)).unwrap();
    assert_eq!(code(verify_own(&sign_text(&format!("{payload}=")), &[&key], &at(TYPE))), "token_malformed");
    assert_eq!(
        code(verify_own(&sign_text(&payload.replace('_', "/").replace('-', "+")), &[&key], &at(TYPE))),
        if payload.contains(['_', '-']) { "token_malformed" } else { "accepted" }
    );
}

#[test]
fn j6_verify_own_rejects_times_of_the_wrong_type() {
    let (key, _) = ours();
    let outcome = |claims: Value| code(verify_own(&key.sign(TYPE, &claims).unwrap(), &[&key], &at(TYPE)));
    assert_eq!(outcome(own_claims()), "accepted");
    for name in ["exp", "nbf", "iat"] {
        for value in not_times() {
            assert_eq!(
                outcome(own_claims_with(name, Some(value.clone()))),
                "token_claim_invalid",
                "{name} {value}"
            );
        }
    }
    assert_eq!(outcome(own_claims_with("exp", None)), "token_claim_invalid");
    assert_eq!(outcome(own_claims_with("iat", None)), "accepted");
    assert_eq!(outcome(own_claims_with("nbf", Some(json!(SECONDS)))), "accepted");
}

#[test]
fn j7_verify_own_allows_at_most_sixty_seconds_of_skew() {
    let (key, _) = ours();
    for (name, seconds, outcome) in [
        ("exp", 1, "accepted"),
        ("exp", -59, "accepted"),
        ("exp", -60, "token_expired"),
        ("exp", -61, "token_expired"),
        ("nbf", 60, "accepted"),
        ("nbf", 61, "token_not_yet_valid"),
        ("iat", 60, "accepted"),
        ("iat", 61, "token_issued_in_future"),
    ] {
        let token = key.sign(TYPE, &own_claims_with(name, Some(json!(SECONDS + seconds)))).unwrap();
        assert_eq!(code(verify_own(&token, &[&key], &at(TYPE))), outcome, "{name} {seconds}");
    }
}
