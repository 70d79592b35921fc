//! The provider's endpoints: asked seldom, believed only in part, and never led elsewhere by.

use std::time::Duration;

use futures_util::future::join_all;
use http::Method;
use serde_json::{Value, json};
use testkit::oidc_provider::{Issuer, Reply};
use testkit::{Answer, Browser, Canary, OidcProvider, TestApp};

use crate::support::{Oidc, Records, ada, code, customer};

/// What a sign-in that can't even begin tells the application.
#[track_caller]
fn assert_unreachable(answer: &Answer) {
    let expected = "https://app.example.com/callback?error=server_error\
                    &error_description=The%20identity%20provider%20could%20not%20be%20reached.&state=s";
    assert_eq!(answer.location(), expected);
}

/// Addresses nobody may make us ask.
const PRIVATE: [&str; 9] = [
    "http://10.0.0.1/",
    "http://169.254.169.254/latest/meta-data/",
    "http://192.168.0.1/",
    "http://172.16.0.1/",
    "http://[fd00::1]/",
    "http://[fe80::1]/",
    "http://0.0.0.0/",
    "http://100.64.0.1/",
    "http://[::ffff:10.0.0.1]/",
];

#[tokio::test]
async fn o11_a_discovery_endpoint_in_a_private_network_cannot_be_saved() {
    let app = TestApp::guarded().await;
    let organization = customer(&app).await;
    let canary = Canary::listen().await;
    let suffix = "/.well-known/openid-configuration";
    let create = |endpoint: String| {
        let options = json!({ "discovery_endpoint": endpoint, "client_id": "c", "client_secret": "s" });
        app.post("/connections", json!({ "organization_id": organization, "oidc_options": options }))
    };
    for address in PRIVATE {
        let address = address.trim_end_matches('/').replace("http:", "https:");
        let refused = create(format!("{address}{suffix}")).await.expect(400);
        assert_eq!(refused["code"], "address_not_allowed", "{address}");
        assert!(refused["message"].as_str().unwrap().contains("outbound.allow"), "{refused}");
    }
    for (endpoint, code) in [
        (format!("https://{}{suffix}", canary.authority()), "address_not_allowed"),
        (format!("http://idp.example{suffix}"), "plain_http_not_allowed"),
        ("file:///etc/passwd".to_owned(), "url_not_allowed"),
        (format!("gopher://idp.example{suffix}"), "url_not_allowed"),
        (format!("https://user:pw@idp.example{suffix}"), "url_not_allowed"),
        ("https://idp.example/".to_owned(), "discovery_address_invalid"),
        (format!("https://idp.example{suffix}#x"), "discovery_address_invalid"),
    ] {
        assert_eq!(create(endpoint.clone()).await.expect(400)["code"], code, "{endpoint}");
    }
    assert_eq!(app.get("/connections").await.expect(200)["data"], json!([]));

    // A name is looked up when it is used; what it leads to is refused then, and the browser learns nothing.
    let made =
        create(format!("https://localhost:{}{suffix}", canary.authority().rsplit(':').next().unwrap()));
    let connection = made.await.expect(201)["id"].as_str().unwrap().to_owned();
    let mut records = Records::watch(&app).await;
    let answer = Browser::new().authorize(&app, &[("connection", &connection), ("state", "s")]).await;
    assert_unreachable(&answer);
    let (record, _) = records.failed("address_not_allowed").await;
    assert!(record["failure"]["message"].as_str().unwrap().contains("outbound.allow"), "{record}");
    assert_eq!(canary.hits().await, 0);
}

#[tokio::test]
async fn o11_endpoints_that_discovery_names_are_checked_when_used() {
    for (number, private) in PRIVATE.into_iter().enumerate() {
        for member in ["token_endpoint", "jwks_uri", "userinfo_endpoint"] {
            // All of them with one address, one of them with all.
            if number > 0 && member != "jwks_uri" {
                continue;
            }
            let oidc = Oidc::new().await;
            let mut records = Records::watch(&oidc.app).await;
            let fetch = json!({ "oidc_options": { "fetch_user_info": true } });
            oidc.app.patch(format!("/connections/{}", oidc.connection), fetch).await.expect(200);
            oidc.provider.edit("discovery", move |document| document[member] = json!(private));
            let answer = oidc.sign_in().await;
            records.refused(&answer, "server_error", "address_not_allowed").await;
        }
    }
}

#[tokio::test]
async fn o11_redirects_are_checked_again_and_carry_nothing_elsewhere() {
    let canary = Canary::listen().await;
    for endpoint in ["discovery", "jwks", "userinfo"] {
        let oidc = Oidc::new().await;
        let mut records = Records::watch(&oidc.app).await;
        let fetch = json!({ "oidc_options": { "fetch_user_info": true } });
        oidc.app.patch(format!("/connections/{}", oidc.connection), fetch).await.expect(200);
        oidc.provider.reply(endpoint, Reply::redirect("http://169.254.169.254/"));
        if endpoint == "discovery" {
            let answer = oidc.begin(&mut Browser::new()).await;
            assert_unreachable(&answer);
            records.failed("address_not_allowed").await;
        } else {
            records.refused(&oidc.sign_in().await, "server_error", "address_not_allowed").await;
        }
    }
    // Another origin gets no token of ours.
    let other = OidcProvider::start().await;
    let oidc = Oidc::new().await;
    let mut records = Records::watch(&oidc.app).await;
    let fetch = json!({ "oidc_options": { "fetch_user_info": true } });
    oidc.app.patch(format!("/connections/{}", oidc.connection), fetch).await.expect(200);
    oidc.provider.reply("userinfo", Reply::redirect(&format!("{}/userinfo", other.issuer())));
    records.refused(&oidc.sign_in().await, "server_error", "userinfo_status").await;
    let [seen] = other.seen("userinfo").try_into().unwrap();
    assert_eq!(seen.authorization, None);
    assert_eq!(canary.hits().await, 0);
}

#[tokio::test]
async fn o12_a_discovery_document_must_be_the_providers_own() {
    let oidc = Oidc::new().await;
    let mut records = Records::watch(&oidc.app).await;
    let issuer = oidc.provider.issuer();
    for (found, code) in [
        (json!("https://evil.example"), "discovery_issuer_mismatch"),
        (json!(format!("{issuer}/tenant")), "discovery_issuer_mismatch"),
        (json!(issuer.to_uppercase()), "discovery_issuer_mismatch"),
        (json!(issuer.replace("127.0.0.1", "localhost")), "discovery_issuer_mismatch"),
        (json!("https://login.microsoftonline.com/{tenantid}/v2.0"), "discovery_issuer_templated"),
        (json!(""), "discovery_issuer_mismatch"),
        (Value::Null, "discovery_member_invalid"),
        (json!([issuer]), "discovery_member_invalid"),
    ] {
        oidc.provider.edit("discovery", move |document| document["issuer"] = found.clone());
        assert_unreachable(&oidc.begin(&mut Browser::new()).await);
        records.failed(code).await;
    }
    for (reply, code) in [
        (Reply::raw(404, "text/html", "no"), "discovery_status"),
        (Reply::raw(200, "application/json", "{"), "discovery_not_json"),
        (Reply::raw(200, "text/html", "<html>"), "discovery_not_json"),
        (Reply::raw(200, "application/json", vec![b' '; 300_000]), "discovery_too_large"),
        (Reply::raw(200, "application/json", vec![b' '; 3_000_000]), "response_too_large"),
        (Reply::json(&json!({ "issuer": issuer })), "discovery_member_invalid"),
    ] {
        oidc.provider.reply("discovery", reply);
        assert_unreachable(&oidc.begin(&mut Browser::new()).await);
        records.failed(code).await;
    }
    oidc.provider.repent();
    code(&oidc.sign_in().await);
}

#[tokio::test]
async fn o13_key_sets_are_bounded_and_weak_keys_are_not_used() {
    type Change = fn(&mut Value);
    let cases: [(Change, &str); 6] = [
        (|set| set["keys"] = json!([]), "id_token_unknown_key"),
        (|set| set["keys"][0]["use"] = json!("enc"), "id_token_unusable_key"),
        (|set| set["keys"][0]["d"] = json!("AQAB"), "id_token_unusable_key"),
        (|set| set["keys"][0]["n"] = json!("AQAB"), "id_token_unusable_key"),
        (|set| set["keys"] = json!(vec![set["keys"][0].clone(); 101]), "jwks_too_many_keys"),
        (|set| set["keys"] = json!({}), "jwks_no_keys"),
    ];
    for (change, reason) in cases {
        let oidc = Oidc::new().await;
        let mut records = Records::watch(&oidc.app).await;
        oidc.provider.edit("jwks", change);
        records.refused(&oidc.sign_in().await, "server_error", reason).await;
    }
    for (reply, reason) in [
        (Reply::raw(200, "application/json", vec![b' '; 300_000]), "jwks_too_large"),
        (Reply::raw(200, "application/json", vec![b' '; 10_000_000]), "response_too_large"),
        (Reply::raw(500, "text/plain", "no"), "jwks_status"),
        (Reply::raw(200, "application/json", "no"), "jwks_not_json"),
    ] {
        let oidc = Oidc::new().await;
        let mut records = Records::watch(&oidc.app).await;
        oidc.provider.reply("jwks", reply);
        records.refused(&oidc.sign_in().await, "server_error", reason).await;
        // It was only that once.
        oidc.provider.repent();
        code(&oidc.sign_in().await);
    }
}

/// From now on the provider signs with a key that nobody has heard of, another for each token.
fn storm(provider: &OidcProvider) {
    let count = std::sync::atomic::AtomicUsize::new(0);
    provider.id_tokens(move |issuer, claims| {
        let number = count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        issuer.sign(&json!({ "alg": "RS256", "kid": format!("k{number}") }), claims.to_string().as_bytes())
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn o14_unknown_keys_make_for_one_request_a_minute() {
    let oidc = Oidc::new().await;
    let (app, provider) = (&oidc.app, &oidc.provider);
    let fetches = || provider.seen("jwks").len();
    code(&oidc.sign_in().await);
    assert_eq!(fetches(), 1);
    storm(provider);
    for _ in 0..10 {
        oidc.sign_in().await;
    }
    assert_eq!(fetches(), 2);
    // All at once, and a failing provider isn't asked more often.
    for broken in [false, true] {
        app.advance(61_000);
        if broken {
            provider.reply("jwks", Reply::raw(503, "text/plain", "busy").after(Duration::from_millis(50)));
        }
        let before = fetches();
        let mut callbacks = Vec::new();
        for _ in 0..20 {
            let mut browser = Browser::new();
            let redirect = oidc.begin(&mut browser).await;
            let callback = provider.approve(app, &redirect, &ada());
            let path = callback.strip_prefix("https://auth.example.com").unwrap();
            callbacks.push(browser.with_cookies(app.request(Method::GET, path).anonymous()));
        }
        let answers = join_all(callbacks.into_iter().map(|request| tokio::spawn(request.send()))).await;
        for answer in answers {
            crate::support::assert_refused(&answer.unwrap(), "server_error");
        }
        assert_eq!(fetches() - before, 1, "broken: {broken}");
    }
    // Honest tokens were never in the way of it.
    provider.repent();
    code(&oidc.sign_in().await);
}

#[tokio::test]
async fn o14_a_new_key_is_taken_at_once() {
    let oidc = Oidc::new().await;
    let provider = &oidc.provider;
    code(&oidc.sign_in().await);
    let next = Issuer::new("key-2");
    let jwk = next.jwk();
    provider.edit("jwks", move |set| set["keys"].as_array_mut().unwrap().push(jwk.clone()));
    provider.id_tokens(move |_, claims| next.token(&claims));
    code(&oidc.sign_in().await);
    code(&oidc.sign_in().await);
    assert_eq!(provider.seen("jwks").len(), 2);
    // Known documents are used for an hour, and then looked at again.
    assert_eq!(provider.seen("discovery").len(), 1);
    oidc.app.advance(3_600_000);
    code(&oidc.sign_in().await);
    assert_eq!((provider.seen("discovery").len(), provider.seen("jwks").len()), (2, 3));
}

#[tokio::test]
async fn o17_userinfo_is_about_the_same_person_or_nobody() {
    let oidc = Oidc::new().await;
    let (app, provider) = (&oidc.app, &oidc.provider);
    let mut records = Records::watch(app).await;
    let fetch = json!({ "oidc_options": { "fetch_user_info": true } });
    app.patch(format!("/connections/{}", oidc.connection), fetch).await.expect(200);
    for (sub, reason) in [
        (json!("somebody-else"), "userinfo_subject_mismatch"),
        (json!("ADA-1815"), "userinfo_subject_mismatch"),
        (json!(""), "userinfo_subject_mismatch"),
        (json!(1), "userinfo_claim_invalid"),
        (Value::Null, "userinfo_claim_invalid"),
    ] {
        provider.edit("userinfo", move |claims| claims["sub"] = sub.clone());
        records.refused(&oidc.sign_in().await, "server_error", reason).await;
    }
    provider.edit("userinfo", |claims| drop(claims.as_object_mut().unwrap().remove("sub")));
    records.refused(&oidc.sign_in().await, "server_error", "userinfo_claim_invalid").await;
    provider.reply("userinfo", Reply::raw(401, "application/json", "{}"));
    records.refused(&oidc.sign_in().await, "server_error", "userinfo_status").await;
    provider.repent();
    code(&oidc.sign_in().await);
}

#[tokio::test]
async fn o19_a_token_endpoint_that_misbehaves_ends_the_sign_in() {
    let oidc = Oidc::new().await;
    let canary = Canary::listen().await;
    let mut records = Records::watch(&oidc.app).await;
    let huge = format!("{{\"access_token\":\"{}\"}}", "a".repeat(2 << 20));
    for (reply, reason) in [
        (Reply::raw(200, "application/json", huge), "response_too_large"),
        (Reply::raw(200, "text/html", "<html>"), "token_endpoint_not_json"),
        (Reply::raw(502, "text/html", "<html>"), "token_endpoint_status"),
        (Reply::raw(200, "application/json", "{"), "token_endpoint_malformed"),
        (Reply::raw(200, "application/json", "[]"), "token_endpoint_malformed"),
        (Reply::json(&json!({})), "token_endpoint_member_invalid"),
        (
            Reply::json(&json!({ "access_token": "a\nb", "token_type": "Bearer" })),
            "token_endpoint_member_invalid",
        ),
        (Reply::json(&json!({ "access_token": "a", "token_type": "mac" })), "token_endpoint_token_type"),
        (Reply::json(&json!({ "error": "invalid_grant" })), "token_endpoint_refused"),
        (
            Reply::raw(400, "application/json", json!({ "error": "invalid_client" }).to_string()),
            "token_endpoint_refused",
        ),
        (Reply::redirect(&format!("http://{}/", canary.authority())), "token_endpoint_redirect"),
    ] {
        oidc.provider.reply("token", reply);
        records.refused(&oidc.sign_in().await, "server_error", reason).await;
    }
    assert_eq!(canary.hits().await, 0, "the secret went along with a redirect");
    oidc.provider.repent();
    code(&oidc.sign_in().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn o19_a_token_endpoint_that_is_slow_is_given_up() {
    let oidc = Oidc::new().await;
    let mut records = Records::watch(&oidc.app).await;
    oidc.provider.reply("token", Reply::json(&json!({})).after(Duration::from_secs(30)));
    let started = std::time::Instant::now();
    let answer = oidc.sign_in().await;
    let took = started.elapsed();
    records.refused(&answer, "server_error", "timeout").await;
    assert!(took < Duration::from_secs(25), "{took:?}");
}
