//! ID tokens: only those made by this provider, for this client, in this sign-in.

use std::sync::{Arc, Mutex};

use aws_lc_rs::hmac;
use serde_json::{Value, json};
use testkit::oidc_provider::{Issuer, b64, unb64};
use testkit::{Browser, Canary, OidcProvider};

use crate::support::{Oidc, Records, ada, code};

/// Makes the provider's next ID tokens, and asserts that they are refused.
async fn refuse(
    oidc: &Oidc,
    records: &mut Records<'_>,
    code: &str,
    make: impl Fn(&Issuer, Value) -> String + Send + 'static,
) {
    oidc.provider.id_tokens(make);
    let answer = oidc.sign_in().await;
    records.refused(&answer, "server_error", code).await;
}

/// After all attacks, an honest sign-in.
async fn still_works(oidc: &Oidc) {
    oidc.provider.repent();
    code(&oidc.sign_in().await);
}

#[tokio::test]
async fn o1_only_the_providers_own_algorithm_counts() {
    let oidc = Oidc::new().await;
    let mut records = Records::watch(&oidc.app).await;
    let not_allowed = "id_token_algorithm_not_allowed";
    let unsigned = |alg: &'static str, signature: &'static str| {
        move |_: &Issuer, claims: Value| {
            let header = json!({ "alg": alg, "typ": "JWT", "kid": "key-1" });
            format!("{}.{}.{signature}", b64(header.to_string()), b64(claims.to_string()))
        }
    };
    for alg in ["none", "None", "NONE", "nOnE", ""] {
        for signature in ["", "AAAA"] {
            refuse(&oidc, &mut records, not_allowed, unsigned(alg, signature)).await;
        }
    }
    // HMAC under whatever is public about the key.
    let jwk = oidc.provider.key().jwk();
    let (n, e) = oidc.provider.key().components();
    let secrets = [
        jwk.to_string().into_bytes(),
        json!({ "keys": [jwk] }).to_string().into_bytes(),
        jwk["n"].as_str().unwrap().as_bytes().to_vec(),
        n,
        e,
        b"key-1".to_vec(),
        testkit::oidc_provider::CLIENT_SECRET.as_bytes().to_vec(),
        Vec::new(),
    ];
    for secret in secrets {
        refuse(&oidc, &mut records, not_allowed, move |_, claims| {
            let header = json!({ "alg": "HS256", "typ": "JWT", "kid": "key-1" });
            let input = format!("{}.{}", b64(header.to_string()), b64(claims.to_string()));
            let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &secret), input.as_bytes());
            format!("{input}.{}", b64(tag))
        })
        .await;
    }
    // Signed, but labelled otherwise; not announced; or with extensions nobody has.
    for alg in ["RS384", "PS256", "ES256", "EdDSA", "rs256", "RS256 "] {
        refuse(&oidc, &mut records, not_allowed, move |issuer, claims| {
            issuer.sign(&json!({ "alg": alg, "kid": "key-1" }), claims.to_string().as_bytes())
        })
        .await;
    }
    for (name, value) in [("crit", json!(["exp"])), ("b64", json!(false)), ("zip", json!("DEF"))] {
        refuse(&oidc, &mut records, "id_token_malformed", move |issuer, claims| {
            let mut header = issuer.header();
            header[name] = value.clone();
            issuer.sign(&header, claims.to_string().as_bytes())
        })
        .await;
    }
    // Signatures that are missing, cut or changed.
    refuse(&oidc, &mut records, "id_token_signature_invalid", unsigned("RS256", "")).await;
    refuse(&oidc, &mut records, "id_token_signature_invalid", |issuer, claims| {
        let token = issuer.token(&claims);
        let (input, signature) = token.rsplit_once('.').unwrap();
        let mut signature = unb64(signature);
        signature[0] ^= 1;
        format!("{input}.{}", b64(signature))
    })
    .await;
    refuse(&oidc, &mut records, "id_token_signature_invalid", |issuer, mut claims| {
        let genuine = issuer.token(&claims);
        claims["sub"] = json!("somebody-else");
        let signature = genuine.rsplit('.').next().unwrap();
        format!("{}.{}.{signature}", b64(issuer.header().to_string()), b64(claims.to_string()))
    })
    .await;
    refuse(&oidc, &mut records, "id_token_malformed", |issuer, claims| format!("{}=", issuer.token(&claims)))
        .await;
    still_works(&oidc).await;
}

#[tokio::test]
async fn o2_a_token_brings_no_key_of_its_own() {
    let oidc = Oidc::new().await;
    let canary = Canary::listen().await;
    let mut records = Records::watch(&oidc.app).await;
    let attacker = Arc::new(Issuer::new("attacker"));
    let url = format!("http://{}/key", canary.authority());
    for (name, value) in [
        ("jku", json!(url)),
        ("x5u", json!(url)),
        ("jwk", attacker.jwk()),
        ("x5c", json!(["MIIB"])),
        ("x5t#S256", json!("AAAA")),
    ] {
        for (kid, code) in [("key-1", "id_token_signature_invalid"), ("attacker", "id_token_unknown_key")] {
            let (attacker, value) = (attacker.clone(), value.clone());
            refuse(&oidc, &mut records, code, move |_, claims| {
                let mut header = json!({ "alg": "RS256", "typ": "JWT", "kid": kid });
                header[name] = value.clone();
                attacker.sign(&header, claims.to_string().as_bytes())
            })
            .await;
        }
    }
    for kid in ["../../../dev/null", "' OR 1=1 --", "key-1'; DROP TABLE connections; --", "", &url, "KEY-1"] {
        let (attacker, kid) = (attacker.clone(), kid.to_owned());
        refuse(&oidc, &mut records, "id_token_unknown_key", move |_, claims| {
            attacker.sign(&json!({ "alg": "RS256", "kid": kid }), claims.to_string().as_bytes())
        })
        .await;
    }
    assert_eq!(canary.hits().await, 0);
    still_works(&oidc).await;
}

#[tokio::test]
async fn o2_a_key_that_another_issuer_publishes_under_the_same_name_does_not_count() {
    let oidc = Oidc::new().await;
    let other = OidcProvider::start().await;
    let mut records = Records::watch(&oidc.app).await;
    let organization = oidc.app.organization("Other", &["other.example"]).await;
    let connection = other.connect(&oidc.app, &organization).await;
    let person = testkit::Person::new("o", "o@other.example");
    code(&other.sign_in(&oidc.app, &mut Browser::new(), &connection, &person).await);
    let pkcs8 = other.key().pkcs8();
    refuse(&oidc, &mut records, "id_token_signature_invalid", move |issuer, claims| {
        let key = oidc::jws::SigningKey::from_pkcs8_der(issuer.kid.to_owned(), &pkcs8).unwrap();
        key.sign("JWT", &claims).unwrap()
    })
    .await;
    still_works(&oidc).await;
}

/// Changes one claim of an otherwise good token (`null` removes it), and asserts that it is refused.
async fn refuse_claim(oidc: &Oidc, records: &mut Records<'_>, code: &str, name: &'static str, value: Value) {
    refuse(oidc, records, code, move |issuer, mut claims| {
        match &value {
            Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
            value => claims[name] = value.clone(),
        }
        issuer.token(&claims)
    })
    .await;
}

#[tokio::test]
async fn o3_the_issuer_is_this_connections_to_the_letter() {
    let oidc = Oidc::new().await;
    let other = OidcProvider::start().await;
    let mut records = Records::watch(&oidc.app).await;
    let issuer = oidc.provider.issuer();
    for other in [
        other.issuer(),
        format!("{issuer}/"),
        format!("{issuer}/tenant"),
        issuer.to_uppercase(),
        issuer.replace("127.0.0.1", "localhost"),
        issuer.replace("http:", "https:"),
        format!(" {issuer}"),
        issuer[..issuer.len() - 1].to_owned(),
        String::new(),
    ] {
        refuse_claim(&oidc, &mut records, "id_token_issuer_mismatch", "iss", json!(other)).await;
    }
    refuse_claim(&oidc, &mut records, "id_token_claim_missing", "iss", Value::Null).await;
    refuse_claim(&oidc, &mut records, "id_token_claim_invalid", "iss", json!([issuer])).await;
    still_works(&oidc).await;
}

#[tokio::test]
async fn o4_the_audience_is_this_client() {
    let oidc = Oidc::new().await;
    let mut records = Records::watch(&oidc.app).await;
    let client = testkit::oidc_provider::CLIENT_ID;
    for audience in [
        json!("another-client"),
        json!(""),
        json!(["another-client"]),
        json!([""]),
        json!(format!("{client} ")),
        json!(client.to_uppercase()),
        json!(format!("x,{client}")),
    ] {
        refuse_claim(&oidc, &mut records, "id_token_audience_mismatch", "aud", audience).await;
    }
    for (name, value) in [("aud", json!({})), ("aud", json!([])), ("aud", json!(1)), ("azp", json!([client]))]
    {
        refuse_claim(&oidc, &mut records, "id_token_claim_invalid", name, value).await;
    }
    refuse_claim(&oidc, &mut records, "id_token_claim_missing", "aud", Value::Null).await;
    // Several audiences need to say who asked, and it must be us.
    let party = "id_token_authorized_party_mismatch";
    refuse_claim(&oidc, &mut records, party, "aud", json!([client, "another-client"])).await;
    refuse_claim(&oidc, &mut records, party, "azp", json!("another-client")).await;
    oidc.provider.id_tokens(move |issuer, mut claims| {
        claims["aud"] = json!(["another-client", client]);
        claims["azp"] = json!(client);
        issuer.token(&claims)
    });
    code(&oidc.sign_in().await);
}

#[tokio::test]
async fn o5_a_nonce_is_good_for_its_own_sign_in_alone() {
    let oidc = Oidc::new().await;
    let mut records = Records::watch(&oidc.app).await;
    for nonce in [json!("other"), json!("")] {
        refuse_claim(&oidc, &mut records, "id_token_nonce_mismatch", "nonce", nonce).await;
    }
    refuse_claim(&oidc, &mut records, "id_token_claim_missing", "nonce", Value::Null).await;
    refuse_claim(&oidc, &mut records, "id_token_claim_invalid", "nonce", json!(1)).await;
    // A token that was good once, sent again.
    let kept = Arc::new(Mutex::new(String::new()));
    let keep = kept.clone();
    oidc.provider.id_tokens(move |issuer, claims| {
        let token = issuer.token(&claims);
        keep.lock().unwrap().clone_from(&token);
        token
    });
    code(&oidc.sign_in().await);
    let token = kept.lock().unwrap().clone();
    refuse(&oidc, &mut records, "id_token_nonce_mismatch", move |_, _| token.clone()).await;
    still_works(&oidc).await;
}

#[tokio::test]
async fn o6_o7_times_hashes_and_subjects_of_the_wrong_value_or_type_are_refused() {
    let oidc = Oidc::new().await;
    let mut records = Records::watch(&oidc.app).await;
    let now = oidc.app.app.clock.now().seconds();
    for (name, value, code) in [
        ("exp", json!(now - 61), "id_token_expired"),
        ("nbf", json!(now + 120), "id_token_not_yet_valid"),
        ("iat", json!(now + 120), "id_token_issued_in_future"),
        ("exp", Value::Null, "id_token_claim_missing"),
        ("iat", Value::Null, "id_token_claim_missing"),
        ("exp", json!((now + 300).to_string()), "id_token_claim_invalid"),
        ("nbf", json!("9999999999"), "id_token_claim_invalid"),
        ("exp", json!(1e300), "id_token_claim_invalid"),
        ("exp", json!([now + 300]), "id_token_claim_invalid"),
        ("exp", json!(-1), "id_token_claim_invalid"),
        ("at_hash", json!("AAAAAAAAAAAAAAAAAAAAAA"), "id_token_access_token_hash_mismatch"),
        ("at_hash", json!(1), "id_token_claim_invalid"),
        ("sub", Value::Null, "id_token_claim_missing"),
        ("sub", json!(""), "id_token_subject_invalid"),
        ("sub", json!("x".repeat(256)), "id_token_subject_invalid"),
        ("sub", json!("a\u{1}b"), "id_token_subject_invalid"),
        ("sub", json!("a\u{0}b"), "id_token_malformed"),
        ("sub", json!(7), "id_token_claim_invalid"),
    ] {
        refuse_claim(&oidc, &mut records, code, name, value).await;
    }
    // J4: one name, two values.
    refuse(&oidc, &mut records, "id_token_malformed", |issuer, claims| {
        let twice = claims.to_string().replacen('{', "{\"sub\":\"somebody-else\",", 1);
        issuer.sign(&issuer.header(), twice.as_bytes())
    })
    .await;
    still_works(&oidc).await;
}

#[tokio::test]
async fn o18_encrypted_tokens_are_not_opened() {
    let oidc = Oidc::new().await;
    let mut records = Records::watch(&oidc.app).await;
    for header in [
        json!({ "alg": "RSA-OAEP", "enc": "A256GCM", "zip": "DEF" }),
        json!({ "alg": "PBES2-HS256+A128KW", "enc": "A128GCM", "p2c": 2_147_483_647, "p2s": "AAAA" }),
        json!({ "alg": "dir", "enc": "A128GCM" }),
    ] {
        refuse(&oidc, &mut records, "id_token_encrypted", move |_, claims| {
            format!("{}.AAAA.AAAA.{}.AAAA", b64(header.to_string()), b64(claims.to_string()))
        })
        .await;
    }
    refuse(&oidc, &mut records, "id_token_too_large", |_, _| "A".repeat(70_000)).await;
    let deep = format!("{}1{}", "[".repeat(50_000), "]".repeat(50_000));
    refuse(&oidc, &mut records, "id_token_too_large", move |issuer, _| {
        issuer.sign(&issuer.header(), deep.as_bytes())
    })
    .await;
    let deep = format!("{{\"a\":{}1{}}}", "[".repeat(5_000), "]".repeat(5_000));
    refuse(&oidc, &mut records, "id_token_malformed", move |issuer, _| {
        issuer.sign(&issuer.header(), deep.as_bytes())
    })
    .await;
    still_works(&oidc).await;
}

#[tokio::test]
async fn o21_what_is_not_signed_says_nothing() {
    let oidc = Oidc::new().await;
    let mut records = Records::watch(&oidc.app).await;
    let bare = json!({ "sub": "ada-1815" }).to_string();
    refuse(&oidc, &mut records, "id_token_malformed", move |_, _| bare.clone()).await;
    refuse(&oidc, &mut records, "id_token_malformed", |_, claims| b64(claims.to_string())).await;
    oidc.provider.repent();
    oidc.provider.edit("token", |answer| drop(answer.as_object_mut().unwrap().remove("id_token")));
    records.refused(&oidc.sign_in().await, "server_error", "id_token_missing").await;
    oidc.provider.edit("token", |answer| answer["id_token"] = json!({ "sub": "ada-1815" }));
    records.refused(&oidc.sign_in().await, "server_error", "token_endpoint_member_invalid").await;

    // UserInfo as a JWT, signed or not.
    oidc.provider.repent();
    let fetch = json!({ "oidc_options": { "fetch_user_info": true } });
    oidc.app.patch(format!("/connections/{}", oidc.connection), fetch).await.expect(200);
    let claims = ada().claims();
    let none = format!("{}.{}.", b64(r#"{"alg":"none"}"#), b64(claims.to_string()));
    for jwt in [none, oidc.provider.key().token(&claims)] {
        let reply = testkit::oidc_provider::Reply::raw(200, "application/jwt", jwt.clone());
        oidc.provider.reply("userinfo", reply);
        records.refused(&oidc.sign_in().await, "server_error", "userinfo_jwt").await;
        let reply = testkit::oidc_provider::Reply::raw(200, "application/json", jwt);
        oidc.provider.reply("userinfo", reply);
        records.refused(&oidc.sign_in().await, "server_error", "userinfo_unusable").await;
    }
    still_works(&oidc).await;
}
