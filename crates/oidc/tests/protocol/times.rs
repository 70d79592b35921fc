//! Times: row O6 for ID tokens. (J6 and J7 are in `own_tokens`.)

use oidc::id_token::{self, Expected};
use serde_json::{Value, json};

use crate::issuer::*;

/// Values that are no times, whatever a lenient reader would make of them.
pub fn not_times() -> Vec<Value> {
    vec![
        json!("9999"),
        json!(SECONDS.to_string()),
        json!(""),
        json!(null),
        json!(true),
        json!(false),
        json!([]),
        json!([SECONDS]),
        json!({}),
        json!({ "seconds": SECONDS }),
        json!(1.8e9),
        json!(1_800_000_000.5),
        json!(-1),
        json!(-9_007_199_254_740_993_i64),
        json!(i64::MIN),
        json!(i64::MAX),
        json!(u64::MAX),
        json!(1e300),
        json!(253_402_300_800_i64),
    ]
}

#[test]
fn o6_verify_rejects_times_of_the_wrong_type() {
    let issuer = Issuer::new("k1");
    let keys = issuer.keys();
    verify(&issuer.token(&claims()), &keys).unwrap();
    for name in ["exp", "nbf", "iat", "auth_time"] {
        for value in not_times() {
            let token = issuer.token(&claims_with(name, value.clone()));
            assert_refused(&format!("{name} {value}"), verify(&token, &keys), "id_token_claim_invalid");
        }
    }
}

#[test]
fn o6_verify_needs_exp_and_iat_only() {
    let issuer = Issuer::new("k1");
    let keys = issuer.keys();
    for name in ["exp", "iat"] {
        assert_refused(
            name,
            verify(&issuer.token(&claims_with(name, None)), &keys),
            "id_token_claim_missing",
        );
    }
    for name in ["nbf", "auth_time"] {
        verify(&issuer.token(&claims_with(name, None)), &keys).unwrap();
    }
}

#[test]
fn o6_verify_allows_sixty_seconds_of_skew_and_no_more() {
    let issuer = Issuer::new("k1");
    let keys = issuer.keys();
    for (name, seconds, outcome) in [
        ("exp", 1, Ok(())),
        ("exp", 0, Ok(())),
        ("exp", -59, Ok(())),
        ("exp", -60, Err("id_token_expired")),
        ("exp", -61, Err("id_token_expired")),
        ("exp", -SECONDS, Err("id_token_expired")),
        ("nbf", 60, Ok(())),
        ("nbf", 61, Err("id_token_not_yet_valid")),
        ("nbf", 86_400, Err("id_token_not_yet_valid")),
        ("iat", 60, Ok(())),
        ("iat", 61, Err("id_token_issued_in_future")),
        ("iat", -SECONDS, Ok(())),
    ] {
        let result = verify(&issuer.token(&claims_with(name, json!(SECONDS + seconds))), &keys);
        match outcome {
            Ok(()) => assert!(result.is_ok(), "{name} {seconds}: {result:?}"),
            Err(code) => assert_refused(&format!("{name} {seconds}"), result, code),
        }
    }
    // To the millisecond: one before the end of the leeway, and at it.
    let token = issuer.token(&claims_with("exp", json!(SECONDS)));
    id_token::verify(&token, &Expected { now: NOW + 59_999, ..expected(&keys) }).unwrap();
    assert_refused(
        "at the end",
        id_token::verify(&token, &Expected { now: NOW + 60_000, ..expected(&keys) }),
        "id_token_expired",
    );
}

#[test]
fn o6_verify_survives_extreme_clocks() {
    let issuer = Issuer::new("k1");
    let keys = issuer.keys();
    let token = issuer.token(&claims());
    for now in [i64::MIN, -1, 0, i64::MAX] {
        assert!(id_token::verify(&token, &Expected { now, ..expected(&keys) }).is_err(), "{now}");
    }
    // The year 2038 is nothing special.
    let later = 2_147_483_648_i64 + 10;
    let mut claims = claims();
    for (name, seconds) in [("iat", later - 5), ("nbf", later - 5), ("exp", later + 300)] {
        claims[name] = json!(seconds);
    }
    id_token::verify(&issuer.token(&claims), &Expected { now: later * 1000, ..expected(&keys) }).unwrap();
}

#[test]
fn verify_enforces_max_age() {
    let issuer = Issuer::new("k1");
    let keys = issuer.keys();
    let at = |auth_time: Value, max_age: i64| {
        let token = issuer.token(&claims_with("auth_time", auth_time));
        id_token::verify(&token, &Expected { max_age: Some(max_age), ..expected(&keys) })
    };
    at(json!(SECONDS - 300), 300).unwrap();
    at(json!(SECONDS), 0).unwrap();
    assert_refused("a day old", at(json!(SECONDS - 86_400), 300), "id_token_authentication_too_old");
    assert_refused("past the leeway", at(json!(SECONDS - 60), 0), "id_token_authentication_too_old");
    at(json!(SECONDS - 86_400), i64::MAX).unwrap();
    let token = issuer.token(&claims_with("auth_time", None));
    let expected = Expected { max_age: Some(300), ..expected(&keys) };
    assert_refused("missing", id_token::verify(&token, &expected), "id_token_claim_missing");
}
