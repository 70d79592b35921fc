//! Access tokens: only ours, only this kind, only while they hold; and the keys that let others check them.

use access::signing_keys::{self, Purpose, SigningKey};
use http::Method;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use testkit::oidc_provider::{b64, unb64};
use testkit::{Browser, TestApp};

use crate::support::{Saml, assert_oauth_error, code, exchange, profile, token};

/// A customer's token, what it says, and the keys of its environment.
struct Granted {
    saml: Saml,
    token: String,
    claims: Value,
    key: SigningKey,
}

impl Granted {
    async fn new() -> Self {
        let saml = Saml::new().await;
        let granted = exchange(&saml.app, &saml.code().await).await.expect(200);
        let token = granted["access_token"].as_str().unwrap().to_owned();
        let claims = unb64(token.split('.').nth(1).unwrap());
        let claims = serde_json::from_slice(&claims).unwrap();
        let key = signing_keys::active(&saml.app.app, saml.app.a.id, Purpose::Sso).await.unwrap();
        Self { saml, token, claims, key }
    }

    /// Signs claims as our own tokens are signed.
    fn sign(&self, claims: &Value) -> String {
        self.key.jwt.sign("sso+jwt", claims).unwrap()
    }

    async fn assert_good(&self, token: &str) {
        profile(&self.saml.app, token).await.expect(200);
    }

    async fn assert_refused(&self, what: &str, token: &str) {
        let request = self.saml.app.request(Method::GET, "/sso/profile");
        let Ok(value) = format!("Bearer {token}").parse::<http::HeaderValue>() else { return };
        let Ok(value) = value.to_str() else { return };
        let answer = request.header("authorization", value).send().await;
        assert_eq!(answer.status, 401, "{what}: {answer:?}");
        assert_eq!(answer.json(), json!({ "error": "Unauthorized" }), "{what}");
    }
}

#[tokio::test]
async fn j1_nothing_else_of_ours_is_an_access_token() {
    let granted = Granted::new().await;
    let app = &granted.saml.app;
    let code = granted.saml.code().await;
    let publishable: Vec<String> =
        app.app.db.read("SELECT publishable_key FROM environments", store::params![]).await.unwrap();
    let profile_id = granted.claims["sub"].as_str().unwrap();
    for (what, token) in [
        ("the API key", app.a.secret.as_str()),
        ("the other API key", &app.b.secret),
        ("the client id", &app.a.client_id),
        ("the publishable key", &publishable[0]),
        ("a code", &code),
        ("the profile", profile_id),
        ("the sign-in", granted.claims["sid"].as_str().unwrap()),
        ("nothing", ""),
        ("null", "null"),
    ] {
        granted.assert_refused(what, token).await;
    }
    for header in ["", "Bearer", &granted.token, &format!("Basic {}", granted.token)] {
        let request = app.request(Method::GET, "/sso/profile").header("authorization", header);
        assert_eq!(request.send().await.status, 401, "{header:.20}");
    }
    assert_eq!(app.request(Method::GET, "/sso/profile").anonymous().send().await.status, 401);
    let query = app.request(Method::GET, format!("/sso/profile?access_token={}", granted.token)).anonymous();
    assert_eq!(query.send().await.status, 401);
    granted.assert_good(&granted.token).await;
}

#[tokio::test]
async fn j1_tokens_signed_for_other_uses_are_no_access_tokens() {
    let granted = Granted::new().await;
    let app = &granted.saml.app;
    for typ in ["JWT", "at+jwt", "SSO+JWT", "application/sso+jwt", "logout+jwt", ""] {
        let token = granted.key.jwt.sign(typ, &granted.claims).unwrap();
        granted.assert_refused(typ, &token).await;
    }
    // An ID token of the built-in identity provider, and one of its key that says it is ours.
    let idp = signing_keys::active(&app.app, app.a.id, Purpose::BuiltInIdp).await.unwrap();
    for typ in ["JWT", "sso+jwt"] {
        granted.assert_refused("built-in", &idp.jwt.sign(typ, &granted.claims).unwrap()).await;
    }
    // The other environment's key, for its own client and for ours.
    let other = signing_keys::active(&app.app, app.b.id, Purpose::Sso).await.unwrap();
    for audience in [&app.a.client_id, &app.b.client_id] {
        let mut claims = granted.claims.clone();
        claims["aud"] = json!(audience);
        granted.assert_refused("B's key", &other.jwt.sign("sso+jwt", &claims).unwrap()).await;
    }
    // Our key over somebody else's sign-in or profile.
    let answer = granted
        .saml
        .idp
        .sign_in(
            app,
            &mut Browser::new(),
            &granted.saml.connection,
            &testkit::Person::new("b", "b@example.com"),
        )
        .await;
    let second = exchange(app, &code(&answer)).await.expect(200);
    let mut mixed = granted.claims.clone();
    mixed["sub"] = second["profile"]["id"].clone();
    granted.assert_refused("another profile", &granted.sign(&mixed)).await;
    let mut mixed = granted.claims.clone();
    mixed["sid"] = json!("saml_session_01EHWNCE74X7JSDV0X3SZ3KJNY");
    granted.assert_refused("no sign-in", &granted.sign(&mixed)).await;
    granted.assert_good(&granted.sign(&granted.claims)).await;
}

#[tokio::test]
async fn j1_an_access_token_is_nothing_else_of_ours() {
    let granted = Granted::new().await;
    let app = &granted.saml.app;
    for path in ["/organizations", "/connections", "/events", "/_portcullis/sign_ins"] {
        app.request(Method::GET, path).key(&granted.token).send().await.expect(401);
    }
    let delete = app.request(Method::DELETE, format!("/connections/{}", granted.saml.connection));
    delete.key(&granted.token).send().await.expect(401);
    let code = granted.saml.code().await;
    let as_secret =
        [("client_id", app.a.client_id.as_str()), ("client_secret", &granted.token), ("code", &code)];
    assert_oauth_error(&token(app, &as_secret).await, "invalid_client");
    assert_oauth_error(&exchange(app, &granted.token).await, "invalid_grant");
    exchange(app, &code).await.expect(200);
}

#[tokio::test]
async fn j4_claims_and_headers_that_can_be_read_two_ways_are_refused() {
    let granted = Granted::new().await;
    let text = granted.claims.to_string();
    let raw = |text: String| {
        let raw = RawValue::from_string(text).unwrap();
        granted.key.jwt.sign("sso+jwt", &raw).unwrap()
    };
    granted.assert_good(&raw(text.clone())).await;
    for (name, value) in
        [("sub", "prof_x"), ("exp", "99999999999"), ("aud", "x"), ("unheard", "1\",\"unheard\":\"2")]
    {
        let twice = text.replacen('{', &format!("{{\"{name}\":\"{value}\","), 1);
        granted.assert_refused(name, &raw(twice)).await;
    }
    let deep = text.replacen('{', &format!("{{\"x\":{}1{},", "[".repeat(200), "]".repeat(200)), 1);
    granted.assert_refused("deep", &raw(deep)).await;
    let surrogate = text.replacen('{', "{\"x\":\"\\ud800\",", 1);
    granted.assert_refused("unpaired surrogate", &raw(surrogate)).await;
    let huge = text.replacen('{', "{\"x\":1e999,", 1);
    granted.assert_refused("huge number", &raw(huge)).await;

    let [header, payload, signature] = granted.token.split('.').collect::<Vec<_>>().try_into().unwrap();
    let header: Value = serde_json::from_slice(&unb64(header)).unwrap();
    for (name, value) in [
        ("alg", json!("none")),
        ("alg", json!("HS256")),
        ("alg", json!("RS512")),
        ("kid", json!("")),
        ("kid", json!("../../x")),
        ("kid", json!("key_01EHWNCE74X7JSDV0X3SZ3KJNY")),
        ("kid", json!(["x"])),
        ("kid", Value::Null),
        ("crit", json!(["exp"])),
        ("jwk", json!({})),
        ("jku", json!("http://127.0.0.1:1/")),
        ("zip", json!("DEF")),
    ] {
        let mut changed = header.clone();
        changed[name] = value;
        for signature in [signature, ""] {
            let token = format!("{}.{payload}.{signature}", b64(changed.to_string()));
            granted.assert_refused(name, &token).await;
        }
    }
    let twice = header.to_string().replacen('{', "{\"alg\":\"none\",", 1);
    granted.assert_refused("alg twice", &format!("{}.{payload}.{signature}", b64(twice))).await;
}

#[tokio::test]
async fn j5_only_the_one_spelling_of_a_token_is_good() {
    let granted = Granted::new().await;
    let token = &granted.token;
    let [header, payload, signature] = token.split('.').collect::<Vec<_>>().try_into().unwrap();
    let last = signature.chars().last().unwrap();
    let before = &signature[..signature.len() - 1];
    // 256 octets leave four bits of the last letter unused: fifteen other letters mean the same octets.
    for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".chars() {
        if letter != last {
            granted.assert_refused("last letter", &format!("{header}.{payload}.{before}{letter}")).await;
        }
    }
    for (what, changed) in [
        ("padding", format!("{token}=")),
        ("two of it", format!("{token}==")),
        ("padded header", format!("{header}=.{payload}.{signature}")),
        ("space", format!("{header}.{payload}. {signature}")),
        ("tab", format!("{header}.{payload}.{signature}\t.")),
        ("plus", format!("{header}.{payload}.{}", signature.replace(['-', '_'], "+"))),
        ("cut", format!("{header}.{payload}.{before}")),
        ("a dot more", format!("{token}.")),
        ("a dot less", format!("{header}{payload}.{signature}")),
        ("five parts", format!("{token}.AAAA.AAAA")),
        ("no signature", format!("{header}.{payload}.")),
        ("twice", format!("{token}{token}")),
        ("long", "A".repeat(7_000)),
    ] {
        if changed != *token {
            granted.assert_refused(what, &changed).await;
        }
    }
    granted.assert_good(token).await;
}

#[tokio::test]
async fn j6_times_parties_and_types_are_held_to() {
    let granted = Granted::new().await;
    let app = &granted.saml.app;
    let now = app.app.clock.now().seconds();
    for (name, value) in [
        ("exp", Value::Null),
        ("exp", json!((now + 300).to_string())),
        ("exp", json!(1e300)),
        ("exp", json!(-1)),
        ("exp", json!([now + 300])),
        ("exp", json!(now - 60)),
        ("nbf", json!(now + 3600)),
        ("nbf", json!("9999999999")),
        ("iat", json!(now + 3600)),
        ("iat", json!("x")),
        ("iss", json!("https://evil.example")),
        ("iss", json!("https://auth.example.com/")),
        ("iss", Value::Null),
        ("aud", json!(app.b.client_id)),
        ("aud", Value::Null),
        ("aud", json!([])),
        ("sub", json!("x")),
        ("sub", Value::Null),
        ("sub", json!(7)),
        ("sid", Value::Null),
        ("sid", json!({})),
    ] {
        let mut claims = granted.claims.clone();
        match &value {
            Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
            value => claims[name] = value.clone(),
        }
        granted.assert_refused(&format!("{name} {value}"), &granted.sign(&claims)).await;
    }
    // Ten minutes, and a minute for clocks that differ.
    app.advance(600_000 + 59_000);
    granted.assert_good(&granted.token).await;
    app.advance(2_000);
    granted.assert_refused("expired", &granted.token).await;
}

#[tokio::test]
async fn a25_keys_are_public_halves_of_one_environment() {
    let saml = Saml::new().await;
    let app = &saml.app;
    let granted = exchange(app, &saml.code().await).await.expect(200);
    let keys = |client: &str| app.request(Method::GET, format!("/sso/jwks/{client}")).anonymous().send();
    let answer = keys(&app.a.client_id).await;
    assert_eq!(answer.header("cache-control"), "public, max-age=300");
    let (ours, theirs) = (answer.expect(200), keys(&app.b.client_id).await.expect(200));
    let mut seen = Vec::new();
    for set in [&ours, &theirs] {
        assert_eq!(set.as_object().unwrap().keys().collect::<Vec<_>>(), ["keys"]);
        let [key] = set["keys"].as_array().unwrap().as_slice() else { panic!("{set}") };
        let mut members: Vec<&str> = key.as_object().unwrap().keys().map(String::as_str).collect();
        members.sort_unstable();
        assert_eq!(members, ["alg", "e", "kid", "kty", "n", "use", "x5c", "x5t#S256"]);
        assert_eq!((&key["alg"], &key["kty"], &key["use"]), (&json!("RS256"), &json!("RSA"), &json!("sig")));
        for member in ["n", "kid", "x5t#S256"] {
            assert!(!seen.contains(&key[member]), "shared {member}");
            seen.push(key[member].clone());
        }
        assert!(unb64(key["n"].as_str().unwrap()).len() >= 256);
    }
    // It is the key the token names, and the token is good by it.
    let token = granted["access_token"].as_str().unwrap();
    let header: Value = serde_json::from_slice(&unb64(token.split('.').next().unwrap())).unwrap();
    assert_eq!(header, json!({ "alg": "RS256", "typ": "sso+jwt", "kid": ours["keys"][0]["kid"] }));
    let part = |name| unb64(ours["keys"][0][name].as_str().unwrap());
    let kid = header["kid"].as_str().unwrap();
    let key = oidc::jws::VerificationKey::from_rsa_components(kid, &part("n"), &part("e")).unwrap();
    let expected = oidc::jws::OwnToken {
        typ: "sso+jwt",
        issuer: "https://auth.example.com",
        audience: Some(&app.a.client_id),
        now: app.app.clock.now().0,
    };
    let claims = oidc::jws::verify_own(token, &[key], &expected).unwrap();
    assert_eq!(claims["sub"], granted["profile"]["id"]);
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 600);

    for client in ["client_01EHWNCE74X7JSDV0X3SZ3KJNY", "x", "..%2f..", &app.a.secret] {
        let answer = keys(client).await;
        assert_eq!(answer.status, 404, "{client}");
        answer.json();
    }
    let node = app.another_node().await;
    let path = format!("/sso/jwks/{}", app.a.client_id);
    assert_eq!(node.request(Method::GET, path).anonymous().send().await.expect(200), ours);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a25_the_first_key_is_made_once() {
    let app = TestApp::new().await;
    let node = app.another_node().await;
    let path = format!("/sso/jwks/{}", app.a.client_id);
    let requests = (0..8).map(|number| {
        let request = [&app, &node][number % 2].request(Method::GET, path.as_str()).anonymous();
        async move { tokio::spawn(request.send()).await.unwrap().expect(200) }
    });
    let sets = futures_util::future::join_all(requests).await;
    assert!(sets.windows(2).all(|pair| pair[0] == pair[1]), "{sets:?}");
}
