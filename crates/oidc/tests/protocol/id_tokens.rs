//! ID tokens: rows O1 to O5, O7, O16, O18 and O21. (O6 is in `times`, O13 in `keys`.)

use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
use aws_lc_rs::signature::{self, RsaPublicKeyComponents};
use aws_lc_rs::{digest, hmac};
use oidc::id_token::{self, Expected, half_hash};
use oidc::{Algorithm, FormatError};
use serde_json::{Value, json};

use crate::issuer::*;

/// `header.payload` with any signature.
fn assemble(header: &Value, claims: &Value, signature: impl AsRef<[u8]>) -> String {
    format!("{}.{}.{}", b64(header.to_string()), b64(claims.to_string()), b64(signature))
}

#[test]
fn verify_reads_the_claims() {
    let issuer = Issuer::new("k1");
    let claims = verify(&issuer.token(&claims()), &issuer.keys()).unwrap();
    assert_eq!(claims.identity(), (ISSUER, "248289761001"));
    assert_eq!(claims.email.as_deref(), Some("ada@example.com"));
    assert_eq!(claims.email_verified, Some(true));
    assert_eq!(claims.given_name.as_deref(), Some("Ada"));
    assert_eq!(claims.family_name.as_deref(), Some("Lovelace"));
    assert_eq!((claims.name, claims.preferred_username, claims.sid), (None, None, None));
    assert_eq!(claims.auth_time, Some(SECONDS - 30));
    assert_eq!(Value::Object(claims.all), crate::issuer::claims());
}

#[test]
fn o1_verify_rejects_alg_none_and_unsigned_tokens() {
    let issuer = Issuer::new("k1");
    let keys = issuer.keys();
    let genuine = issuer.token(&claims());
    verify(&genuine, &keys).unwrap();

    for alg in ["none", "None", "NONE", "nOnE", ""] {
        let header = json!({ "alg": alg, "typ": "JWT", "kid": "k1" });
        assert_refused(
            alg,
            verify(&assemble(&header, &claims(), ""), &keys),
            "id_token_algorithm_not_allowed",
        );
        let signed = issuer.sign(&header, claims().to_string().as_bytes());
        assert_refused(alg, verify(&signed, &keys), "id_token_algorithm_not_allowed");
    }
    let (input, signature) = genuine.rsplit_once('.').unwrap();
    for (what, token, code) in [
        ("empty signature", format!("{input}."), "id_token_signature_invalid"),
        ("no signature", input.to_owned(), "id_token_malformed"),
        ("zero signature", format!("{input}.{}", b64([0; 256])), "id_token_signature_invalid"),
        (
            "short signature",
            format!("{input}.{}", b64(&unb64(signature)[..255])),
            "id_token_signature_invalid",
        ),
        (
            "signature of other claims",
            {
                let other = issuer.token(&claims_with("sub", json!("somebody-else")));
                format!("{input}.{}", other.rsplit_once('.').unwrap().1)
            },
            "id_token_signature_invalid",
        ),
    ] {
        assert_refused(what, verify(&token, &keys), code);
    }
}

#[test]
fn o1_verify_rejects_hmac_with_public_material() {
    let issuer = Issuer::new("k1");
    let keys = issuer.keys();
    verify(&issuer.token(&claims()), &keys).unwrap();

    let (n, e) = issuer.components();
    let spki: PublicKeyX509Der<'_> = RsaPublicKeyComponents { n: &n, e: &e }.as_der().unwrap();
    let spki = spki.as_ref().to_vec();
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", {
        use base64::Engine as _;
        base64::engine::general_purpose::STANDARD.encode(&spki)
    });
    let secrets: [(&str, Vec<u8>); 6] = [
        ("modulus", n),
        ("SubjectPublicKeyInfo", spki),
        ("PEM", pem.into_bytes()),
        ("JWK", issuer.jwk().to_string().into_bytes()),
        ("client id", CLIENT.into()),
        ("empty", Vec::new()),
    ];
    for (alg, mac) in
        [("HS256", hmac::HMAC_SHA256), ("HS384", hmac::HMAC_SHA384), ("HS512", hmac::HMAC_SHA512)]
    {
        for (what, secret) in &secrets {
            let header = json!({ "alg": alg, "typ": "JWT", "kid": "k1" });
            let input = format!("{}.{}", b64(header.to_string()), b64(claims().to_string()));
            let tag = hmac::sign(&hmac::Key::new(mac, secret), input.as_bytes());
            let token = format!("{input}.{}", b64(tag));
            let allowed = Expected { algorithms: Algorithm::ALL, ..expected(&keys) };
            assert_refused(what, id_token::verify(&token, &allowed), "id_token_algorithm_not_allowed");
        }
    }
}

#[test]
fn o1_verify_pins_the_algorithm() {
    let issuer = Issuer::new("k1");
    let keys = issuer.keys();
    let payload = claims().to_string();
    verify(&issuer.token(&claims()), &keys).unwrap();

    // Genuinely signed by the right key, with an algorithm that this connection does not allow.
    let ps256 = json!({ "alg": "PS256", "kid": "k1" }).to_string();
    let token = issuer.sign_with(&signature::RSA_PSS_SHA256, &ps256, payload.as_bytes());
    assert_refused("PS256", verify(&token, &keys), "id_token_algorithm_not_allowed");
    let both = Expected { algorithms: &[Algorithm::Rs256, Algorithm::Ps256], ..expected(&keys) };
    id_token::verify(&token, &both).unwrap();

    // The same, where the key itself is bound to RS256.
    let mut bound = issuer.jwk();
    bound["alg"] = json!("RS256");
    let bound = key_set(&[bound]);
    verify(&issuer.token(&claims()), &bound).unwrap();
    let both = Expected { keys: &bound, ..both };
    assert_refused("bound key", id_token::verify(&token, &both), "id_token_key_of_other_algorithm");

    // The header says one thing, the signature is another.
    let all = Expected { algorithms: Algorithm::ALL, ..expected(&keys) };
    let signature = issuer.token(&claims()).rsplit_once('.').unwrap().1.to_owned();
    for (alg, code) in [
        ("RS384", "id_token_signature_invalid"),
        ("RS512", "id_token_signature_invalid"),
        ("PS256", "id_token_signature_invalid"),
        ("ES256", "id_token_key_of_other_algorithm"),
        ("EdDSA", "id_token_key_of_other_algorithm"),
        ("rs256", "id_token_algorithm_not_allowed"),
        ("RS256 ", "id_token_algorithm_not_allowed"),
        ("RS1", "id_token_algorithm_not_allowed"),
    ] {
        let token = assemble(&json!({ "alg": alg, "kid": "k1" }), &claims(), unb64(&signature));
        assert_refused(alg, id_token::verify(&token, &all), code);
    }
    assert_refused(
        "none allowed",
        id_token::verify(&issuer.token(&claims()), &Expected { algorithms: &[], ..all }),
        "id_token_algorithm_not_allowed",
    );
}

#[test]
fn o1_verify_rejects_headers_that_change_the_meaning() {
    let issuer = Issuer::new("k1");
    let keys = issuer.keys();
    let payload = claims().to_string();
    verify(&issuer.sign(&issuer.header(), payload.as_bytes()), &keys).unwrap();

    let with = |name: &str, value: Value| {
        let mut header = issuer.header();
        header[name] = value;
        issuer.sign(&header, payload.as_bytes())
    };
    for (name, value) in [
        ("crit", json!(["b64"])),
        ("crit", json!(["exp"])),
        ("crit", json!([])),
        ("crit", json!(null)),
        ("b64", json!(false)),
        ("b64", json!(true)),
        ("zip", json!("DEF")),
        ("enc", json!("A256GCM")),
        ("alg", json!(null)),
        ("alg", json!(["RS256"])),
        ("alg", json!(256)),
        ("kid", json!(1)),
        ("kid", json!(["k1"])),
        ("kid", json!(null)),
        ("kid", json!("k".repeat(1025))),
        ("typ", json!(7)),
    ] {
        assert_refused(&format!("{name} {value}"), verify(&with(name, value), &keys), "id_token_malformed");
    }
    for typ in ["at+jwt", "logout+jwt", "application/at+jwt", "JWE", "dpop+jwt", ""] {
        assert_refused(typ, verify(&with("typ", json!(typ)), &keys), "id_token_wrong_type");
    }
    for typ in ["JWT", "jwt", "application/jwt", "id_token+jwt"] {
        verify(&with("typ", json!(typ)), &keys).unwrap();
    }
    let no_alg = issuer.sign(&json!({ "kid": "k1" }), payload.as_bytes());
    assert_refused("no alg", verify(&no_alg, &keys), "id_token_malformed");
    verify(&issuer.sign(&json!({ "alg": "RS256", "kid": "k1" }), payload.as_bytes()), &keys).unwrap();
}

#[test]
fn o2_verify_never_takes_a_key_from_the_token() {
    let issuer = Issuer::new("k1");
    let attacker = Issuer::new("k1");
    let keys = issuer.keys();
    let payload = claims().to_string();
    verify(&issuer.token(&claims()), &keys).unwrap();

    let sources = [
        ("jwk", attacker.jwk()),
        ("jku", json!("https://canary.example.net/jwks")),
        ("x5u", json!("https://canary.example.net/cert.pem")),
        ("x5c", json!(["MIIB"])),
        ("x5t#S256", json!("AAAA")),
    ];
    for (name, value) in sources {
        let mut header = issuer.header();
        header[name] = value;
        // Signed by whoever the parameter points to: refused. Signed by the issuer: the parameter is ignored.
        assert_refused(
            name,
            verify(&attacker.sign(&header, payload.as_bytes()), &keys),
            "id_token_signature_invalid",
        );
        verify(&issuer.sign(&header, payload.as_bytes()), &keys).unwrap();
    }
}

#[test]
fn o2_verify_only_compares_kid() {
    let issuer = Issuer::new("k1");
    let other_issuer = Issuer::new("k2");
    let keys = issuer.keys();
    verify(&issuer.token(&claims()), &keys).unwrap();

    for kid in ["../../../../dev/null", "' or 1=1 --", "k2", "K1", "k1 ", "", "http://canary.example.net/k1"]
    {
        let token = issuer.sign(&json!({ "alg": "RS256", "kid": kid }), claims().to_string().as_bytes());
        match verify(&token, &keys).unwrap_err() {
            // The caller gets the text unchanged and decides about fetching the keys again.
            id_token::IdTokenError::UnknownKey { kid: Some(reported) } => assert_eq!(reported, kid),
            other => panic!("{kid}: {other}"),
        }
    }
    // The other issuer's own genuine token, against this issuer's keys.
    assert_refused("foreign key", verify(&other_issuer.token(&claims()), &keys), "id_token_unknown_key");
    // What an operator reads of a hostile kid is one line.
    let token = issuer.sign(&json!({ "alg": "RS256", "kid": "a\nb\u{202e}c" }), b"{}");
    let shown = verify(&token, &keys).unwrap_err().to_string();
    assert!(shown.contains("\"a\u{fffd}b\u{fffd}c\""), "{shown}");
    assert!(!shown.contains(['\n', '\u{202e}']), "{shown}");
}

#[test]
fn verify_without_kid_needs_a_single_compatible_key() {
    let (first, second) = (Issuer::new("k1"), Issuer::new("k2"));
    let token = first.sign(&json!({ "alg": "RS256" }), claims().to_string().as_bytes());
    verify(&token, &first.keys()).unwrap();
    assert_refused(
        "two keys",
        verify(&token, &key_set(&[first.jwk(), second.jwk()])),
        "id_token_ambiguous_key",
    );
    let error = verify(&token, &key_set(&[])).unwrap_err();
    assert!(matches!(error, id_token::IdTokenError::UnknownKey { kid: None }), "{error}");
    assert!(error.to_string().contains("(the token names none)"), "{error}");
    // A key for another algorithm leaves no choice.
    let mut bound = second.jwk();
    bound["alg"] = json!("RS512");
    verify(&token, &key_set(&[bound, first.jwk()])).unwrap();
}

#[test]
fn o3_verify_rejects_another_issuer() {
    let issuer = Issuer::new("k1");
    let keys = issuer.keys();
    verify(&issuer.token(&claims()), &keys).unwrap();

    for (iss, code) in [
        (json!("https://idp.example.com/tenant-1/"), "id_token_issuer_mismatch"),
        (json!("https://idp.example.com/tenant-2"), "id_token_issuer_mismatch"),
        (json!("https://idp.example.com/tenant-"), "id_token_issuer_mismatch"),
        (json!("https://idp.example.com/tenant-11"), "id_token_issuer_mismatch"),
        (json!("https://IDP.example.com/tenant-1"), "id_token_issuer_mismatch"),
        (json!("https://idp.example.com:443/tenant-1"), "id_token_issuer_mismatch"),
        (json!("http://idp.example.com/tenant-1"), "id_token_issuer_mismatch"),
        (json!("idp.example.com/tenant-1"), "id_token_issuer_mismatch"),
        (json!(" https://idp.example.com/tenant-1"), "id_token_issuer_mismatch"),
        (json!(""), "id_token_issuer_mismatch"),
        (json!(null), "id_token_claim_invalid"),
        (json!([ISSUER]), "id_token_claim_invalid"),
        (json!({ "iss": ISSUER }), "id_token_claim_invalid"),
        (json!(1), "id_token_claim_invalid"),
    ] {
        let token = issuer.token(&claims_with("iss", iss.clone()));
        assert_refused(&iss.to_string(), verify(&token, &keys), code);
    }
    assert_refused(
        "missing",
        verify(&issuer.token(&claims_with("iss", None)), &keys),
        "id_token_claim_missing",
    );
}

#[test]
fn o4_verify_rejects_another_audience() {
    let issuer = Issuer::new("k1");
    let keys = issuer.keys();
    verify(&issuer.token(&claims()), &keys).unwrap();
    verify(&issuer.token(&claims_with("aud", json!([CLIENT]))), &keys).unwrap();

    for (aud, code) in [
        (json!("client-2"), "id_token_audience_mismatch"),
        (json!("client-"), "id_token_audience_mismatch"),
        (json!("client-11"), "id_token_audience_mismatch"),
        (json!("CLIENT-1"), "id_token_audience_mismatch"),
        (json!("client-1 client-2"), "id_token_audience_mismatch"),
        (json!(["client-2"]), "id_token_audience_mismatch"),
        (json!(["client-2", "client-3"]), "id_token_audience_mismatch"),
        (json!([CLIENT, "client-2"]), "id_token_authorized_party_mismatch"),
        (json!(["client-2", CLIENT]), "id_token_authorized_party_mismatch"),
        (json!([]), "id_token_claim_invalid"),
        (json!([CLIENT, 1]), "id_token_claim_invalid"),
        (json!([[CLIENT]]), "id_token_claim_invalid"),
        (json!({ "0": CLIENT }), "id_token_claim_invalid"),
        (json!(null), "id_token_claim_invalid"),
        (json!(true), "id_token_claim_invalid"),
    ] {
        let token = issuer.token(&claims_with("aud", aud.clone()));
        assert_refused(&aud.to_string(), verify(&token, &keys), code);
    }
    assert_refused(
        "missing",
        verify(&issuer.token(&claims_with("aud", None)), &keys),
        "id_token_claim_missing",
    );
}

#[test]
fn o4_verify_rejects_another_authorized_party() {
    let issuer = Issuer::new("k1");
    let keys = issuer.keys();
    let with = |aud: Value, azp: Value| {
        let mut claims = claims_with("aud", aud);
        claims["azp"] = azp;
        verify(&issuer.token(&claims), &keys)
    };
    with(json!(CLIENT), json!(CLIENT)).unwrap();
    with(json!([CLIENT, "client-2"]), json!(CLIENT)).unwrap();

    assert_refused("other azp", with(json!(CLIENT), json!("client-2")), "id_token_authorized_party_mismatch");
    assert_refused(
        "other azp of several",
        with(json!([CLIENT, "client-2"]), json!("client-2")),
        "id_token_authorized_party_mismatch",
    );
    assert_refused("empty azp", with(json!(CLIENT), json!("")), "id_token_authorized_party_mismatch");
    for wrong in [json!(null), json!([CLIENT]), json!(1)] {
        assert_refused("azp type", with(json!(CLIENT), wrong), "id_token_claim_invalid");
    }
    assert_refused(
        "azp alone is no audience",
        with(json!("client-2"), json!(CLIENT)),
        "id_token_audience_mismatch",
    );
}

#[test]
fn o5_verify_rejects_another_nonce() {
    let issuer = Issuer::new("k1");
    let keys = issuer.keys();
    verify(&issuer.token(&claims()), &keys).unwrap();

    for (nonce, code) in [
        (json!("nonce-of-another-login"), "id_token_nonce_mismatch"),
        (json!("NONCE-4E1F"), "id_token_nonce_mismatch"),
        (json!("nonce-4e1"), "id_token_nonce_mismatch"),
        (json!("nonce-4e1f "), "id_token_nonce_mismatch"),
        (json!(""), "id_token_nonce_mismatch"),
        (json!(null), "id_token_claim_invalid"),
        (json!([NONCE]), "id_token_claim_invalid"),
        (json!(0), "id_token_claim_invalid"),
    ] {
        let token = issuer.token(&claims_with("nonce", nonce.clone()));
        assert_refused(&nonce.to_string(), verify(&token, &keys), code);
    }
    assert_refused(
        "missing",
        verify(&issuer.token(&claims_with("nonce", None)), &keys),
        "id_token_claim_missing",
    );
    // A flow that lost its nonce is not met by a token that has an empty one.
    let token = issuer.token(&claims_with("nonce", json!("")));
    assert_refused(
        "both empty",
        id_token::verify(&token, &Expected { nonce: "", ..expected(&keys) }),
        "id_token_nonce_mismatch",
    );
}

#[test]
fn o7_verify_rejects_wrong_hashes() {
    let issuer = Issuer::new("k1");
    let keys = issuer.keys();
    // Samples of OpenID Connect Core 1.0, appendices A.3 and A.4.
    let (access_token, at_hash) = ("jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y", "77QmUPtjPfzWtF2AnpK9RQ");
    let (code, c_hash) =
        ("Qcb0Orv1zh30vL1MPRsbm-diHiMwcLyZvn1arpZv-Jxf_11jnpEX3Tgfvk", "LDktKdoQak3Pk0cnXxCltA");
    let bound = Expected { access_token: Some(access_token), code: Some(code), ..expected(&keys) };
    let mut baseline = claims_with("at_hash", json!(at_hash));
    baseline["c_hash"] = json!(c_hash);
    id_token::verify(&issuer.token(&baseline), &bound).unwrap();
    id_token::verify(&issuer.token(&claims()), &bound).unwrap();

    let full_hash = b64(digest::digest(&digest::SHA256, access_token.as_bytes()));
    for (name, value, code) in [
        ("at_hash", json!(c_hash), "id_token_access_token_hash_mismatch"),
        ("at_hash", json!("77QmUPtjPfzWtF2AnpK9RR"), "id_token_access_token_hash_mismatch"),
        ("at_hash", json!("77QmUPtjPfzWtF2AnpK9RQ=="), "id_token_access_token_hash_mismatch"),
        ("at_hash", json!(full_hash), "id_token_access_token_hash_mismatch"),
        ("at_hash", json!(""), "id_token_access_token_hash_mismatch"),
        ("at_hash", json!(null), "id_token_claim_invalid"),
        ("at_hash", json!(7), "id_token_claim_invalid"),
        ("c_hash", json!(at_hash), "id_token_code_hash_mismatch"),
        ("c_hash", json!([c_hash]), "id_token_claim_invalid"),
    ] {
        let mut claims = baseline.clone();
        claims[name] = value.clone();
        assert_refused(&format!("{name} {value}"), id_token::verify(&issuer.token(&claims), &bound), code);
    }
    // With nothing to compare, a hash of the wrong type is still an error.
    assert_refused(
        "type",
        verify(&issuer.token(&claims_with("at_hash", json!(1))), &keys),
        "id_token_claim_invalid",
    );
}

#[test]
fn o7_half_hash_follows_the_algorithm() {
    for (algorithm, bytes) in
        [(Algorithm::Rs256, 16), (Algorithm::Es384, 24), (Algorithm::Ps512, 32), (Algorithm::EdDsa, 32)]
    {
        assert_eq!(unb64(&half_hash(algorithm, "token")).len(), bytes, "{algorithm}");
        assert_eq!(algorithm.to_string().parse(), Ok(algorithm));
    }
    let issuer = Issuer::new("k1");
    let keys = issuer.keys();
    let claims = claims_with("at_hash", json!(half_hash(Algorithm::Rs512, "token")));
    let header = json!({ "alg": "RS512", "kid": "k1" }).to_string();
    let token = issuer.sign_with(&signature::RSA_PKCS1_SHA512, &header, claims.to_string().as_bytes());
    let expected =
        Expected { algorithms: &[Algorithm::Rs512], access_token: Some("token"), ..expected(&keys) };
    id_token::verify(&token, &expected).unwrap();
}

#[test]
fn o15_verify_never_reads_email_verified_from_a_string() {
    let issuer = Issuer::new("k1");
    let keys = issuer.keys();
    assert_eq!(verify(&issuer.token(&claims()), &keys).unwrap().email_verified, Some(true));
    for (value, outcome) in [(None, None), (Some(json!(null)), None), (Some(json!(false)), Some(false))] {
        let token = issuer.token(&claims_with("email_verified", value));
        assert_eq!(verify(&token, &keys).unwrap().email_verified, outcome);
    }
    for value in [json!("true"), json!("false"), json!(1), json!([true]), json!({})] {
        let token = issuer.token(&claims_with("email_verified", value.clone()));
        assert_refused(&value.to_string(), verify(&token, &keys), "id_token_claim_invalid");
    }
    for name in ["email", "name", "given_name", "family_name", "preferred_username"] {
        for value in
            [json!(1), json!(["ada@example.com"]), json!({ "email": "ada@example.com" }), json!(true)]
        {
            let token = issuer.token(&claims_with(name, value));
            assert_refused(name, verify(&token, &keys), "id_token_claim_invalid");
        }
        let read = verify(&issuer.token(&claims_with(name, json!(null))), &keys).unwrap();
        let field = match name {
            "email" => read.email,
            "name" => read.name,
            "given_name" => read.given_name,
            "family_name" => read.family_name,
            _ => read.preferred_username,
        };
        assert_eq!(field, None, "{name}");
        let read = verify(&issuer.token(&claims_with(name, json!("Text"))), &keys).unwrap();
        assert_eq!(read.all[name], json!("Text"));
    }
}

#[test]
fn o16_same_subject_of_two_issuers_is_two_identities() {
    let (first, second) = (Issuer::new("k1"), Issuer::new("k1"));
    let second_issuer = "https://idp.example.com/tenant-2";
    let of_first = first.token(&claims());
    let of_second = second.token(&claims_with("iss", json!(second_issuer)));
    let (first_keys, second_keys) = (first.keys(), second.keys());
    let at_first = expected(&first_keys);
    let at_second = Expected { issuer: second_issuer, keys: &second_keys, ..at_first };

    let one = id_token::verify(&of_first, &at_first).unwrap();
    let other = id_token::verify(&of_second, &at_second).unwrap();
    assert_eq!(one.sub, other.sub);
    assert_ne!(one.identity(), other.identity());
    // Neither connection accepts the other's token, although kid, audience and nonce are the same.
    assert_refused("1 at 2", id_token::verify(&of_first, &at_second), "id_token_signature_invalid");
    assert_refused("2 at 1", id_token::verify(&of_second, &at_first), "id_token_signature_invalid");
}

#[test]
fn verify_bounds_the_subject() {
    let issuer = Issuer::new("k1");
    let keys = issuer.keys();
    verify(&issuer.token(&claims_with("sub", json!("s".repeat(255)))), &keys).unwrap();
    for sub in ["", &"s".repeat(256), &"é".repeat(128), "a\nb", "a\u{7f}", "a\u{85}b"] {
        let token = issuer.token(&claims_with("sub", json!(sub)));
        assert_refused(sub, verify(&token, &keys), "id_token_subject_invalid");
    }
    assert_refused(
        "NUL",
        verify(&issuer.token(&claims_with("sub", json!("a\0b"))), &keys),
        "id_token_malformed",
    );
    for sub in [json!(null), json!(12), json!(["a"]), json!({})] {
        assert_refused(
            "type",
            verify(&issuer.token(&claims_with("sub", sub)), &keys),
            "id_token_claim_invalid",
        );
    }
    assert_refused(
        "missing",
        verify(&issuer.token(&claims_with("sub", None)), &keys),
        "id_token_claim_missing",
    );
}

#[test]
fn o18_verify_never_decrypts_or_inflates() {
    let issuer = Issuer::new("k1");
    let keys = issuer.keys();
    verify(&issuer.token(&claims()), &keys).unwrap();

    for header in [
        json!({ "alg": "PBES2-HS256+A128KW", "enc": "A128CBC-HS256", "p2c": 2_147_483_648_i64, "p2s": "AAAA" }),
        json!({ "alg": "dir", "enc": "A256GCM", "zip": "DEF" }),
        json!({ "alg": "RSA-OAEP", "enc": "A256GCM", "kid": "k1" }),
    ] {
        let five = format!(
            "{}.{}.{}.{}.{}",
            b64(header.to_string()),
            b64("key"),
            b64("iv"),
            b64("text"),
            b64("tag")
        );
        assert_refused("JWE", verify(&five, &keys), "id_token_encrypted");
        let three = issuer.sign(&header, claims().to_string().as_bytes());
        assert_refused("JWE header on a JWS", verify(&three, &keys), "id_token_malformed");
    }
    let no_enc = json!({ "alg": "PBES2-HS256+A128KW", "p2c": 2_147_483_648_i64, "kid": "k1" });
    let token = issuer.sign(&no_enc, claims().to_string().as_bytes());
    assert_refused("PBES2 in a JWS", verify(&token, &keys), "id_token_algorithm_not_allowed");

    // Deep nesting, in the header and under a valid signature.
    let deep = |levels: usize| {
        format!("{{\"alg\":\"RS256\",\"kid\":\"k1\",\"x\":{}{}}}", "[".repeat(levels), "]".repeat(levels))
    };
    let payload = claims().to_string();
    verify(&issuer.sign_with(&signature::RSA_PKCS1_SHA256, &deep(31), payload.as_bytes()), &keys).unwrap();
    for levels in [32, 1_000, 20_000] {
        let token = issuer.sign_with(&signature::RSA_PKCS1_SHA256, &deep(levels), payload.as_bytes());
        assert_refused("deep header", verify(&token, &keys), "id_token_malformed");
        let nested = format!("{}{}", "{\"a\":".repeat(levels), "1".to_owned() + &"}".repeat(levels));
        let claims = payload.replacen('{', &format!("{{\"x\":{nested},"), 1);
        assert_refused(
            "deep claims",
            verify(&issuer.sign(&issuer.header(), claims.as_bytes()), &keys),
            if levels > 8000 { "id_token_too_large" } else { "id_token_malformed" },
        );
    }
    assert_refused(
        "nested JWS",
        verify(&issuer.sign(&issuer.header(), issuer.token(&claims()).as_bytes()), &keys),
        "id_token_malformed",
    );
}

#[test]
fn verify_bounds_the_size() {
    let issuer = Issuer::new("k1");
    let keys = issuer.keys();
    let filled = |bytes: usize| issuer.token(&claims_with("x", json!("x".repeat(bytes))));
    verify(&filled(47_000), &keys).unwrap();
    assert_refused("above", verify(&filled(50_000), &keys), "id_token_too_large");
    for (what, text) in [
        ("none", String::new()),
        ("dots", ".".repeat(64 * 1024)),
        ("two dots", "..".into()),
        ("one", "a.b".into()),
    ] {
        assert_refused(what, verify(&text, &keys), "id_token_malformed");
    }
    assert_eq!(FormatError::TooLarge.to_string(), "the token is longer than 65536 bytes");
}

#[test]
fn o21_verify_rejects_unsigned_json() {
    let issuer = Issuer::new("k1");
    let keys = issuer.keys();
    verify(&issuer.token(&claims()), &keys).unwrap();
    assert_refused("bare JSON", verify(&claims().to_string(), &keys), "id_token_malformed");
    assert_refused("base64 JSON", verify(&b64(claims().to_string()), &keys), "id_token_malformed");
    let unsecured = format!("{}.{}.", b64(r#"{"alg":"none"}"#), b64(claims().to_string()));
    assert_refused("unsecured", verify(&unsecured, &keys), "id_token_algorithm_not_allowed");
    // The JSON serialization of JWS (RFC 7515 §7.2) has room for two readings; only the compact one is read.
    let token = issuer.token(&claims());
    let parts: Vec<_> = token.split('.').collect();
    let flattened = json!({ "protected": parts[0], "payload": parts[1], "signature": parts[2] }).to_string();
    assert_refused("JSON serialization", verify(&flattened, &keys), "id_token_malformed");
}

#[test]
fn debug_output_has_no_tokens_and_no_personal_data() {
    let issuer = Issuer::new("k1");
    let keys = issuer.keys();
    let asked = Expected { access_token: Some("secret-at"), code: Some("secret-code"), ..expected(&keys) };
    let read = id_token::verify(&issuer.token(&claims()), &asked).unwrap();
    let shown = format!("{asked:?} {read:?}");
    assert_eq!(shown.matches(ISSUER).count(), 2, "{shown}");
    for hidden in [NONCE, "secret-at", "secret-code", "ada@example.com", "Lovelace", "248289761001"] {
        assert!(!shown.contains(hidden), "{shown}");
    }
}
