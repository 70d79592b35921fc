//! Discovery: row O12, and the document we serve.

use oidc::Algorithm;
use oidc::discovery::{Document, Provider, SUFFIX, document, issuer_of, parse};
use serde_json::{Value, json};

const BASE: &str = "https://idp.example.com/tenant-1";

fn metadata() -> Value {
    json!({
        "issuer": BASE,
        "authorization_endpoint": format!("{BASE}/authorize"),
        "token_endpoint": format!("{BASE}/token"),
        "jwks_uri": format!("{BASE}/keys"),
        "userinfo_endpoint": format!("{BASE}/userinfo"),
        "response_types_supported": ["code", "id_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["HS256", "ES256", "none", "RS256"],
        "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt"],
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": true,
    })
}

fn with(name: &str, value: Option<Value>) -> Value {
    let mut metadata = metadata();
    match value {
        Some(value) => metadata[name] = value,
        None => {
            metadata.as_object_mut().unwrap().remove(name);
        }
    }
    metadata
}

fn read(metadata: &Value) -> Result<Provider, &'static str> {
    parse(metadata.to_string().as_bytes(), &format!("{BASE}{SUFFIX}")).map_err(|error| error.code())
}

#[test]
fn parse_reads_the_metadata() {
    let provider = read(&metadata()).unwrap();
    assert_eq!(provider.issuer, BASE);
    assert_eq!(provider.token_endpoint, format!("{BASE}/token"));
    assert_eq!(provider.userinfo_endpoint, Some(format!("{BASE}/userinfo")));
    assert_eq!((provider.end_session_endpoint.clone(), provider.revocation_endpoint.clone()), (None, None));
    assert!(provider.authorization_response_iss_parameter_supported);
    // HMAC and none cannot be chosen, whatever the provider offers.
    assert_eq!(provider.algorithms(), [Algorithm::Es256, Algorithm::Rs256]);

    let mut least = metadata();
    for name in [
        "userinfo_endpoint",
        "id_token_signing_alg_values_supported",
        "token_endpoint_auth_methods_supported",
        "code_challenge_methods_supported",
        "authorization_response_iss_parameter_supported",
    ] {
        least.as_object_mut().unwrap().remove(name);
    }
    let provider = read(&least).unwrap();
    assert_eq!(provider.algorithms(), [Algorithm::Rs256]);
    assert_eq!(provider.token_endpoint_auth_methods_supported, ["client_secret_basic"]);
    assert!(provider.code_challenge_methods_supported.is_empty());
    assert!(!provider.authorization_response_iss_parameter_supported);
}

#[test]
fn o12_parse_binds_the_issuer_to_the_address() {
    read(&metadata()).unwrap();
    // One terminating slash has the same address (OpenID Connect Discovery §4.1); it stays part of the issuer.
    assert_eq!(read(&with("issuer", Some(json!(format!("{BASE}/"))))).unwrap().issuer, format!("{BASE}/"));

    for (issuer, code) in [
        (json!("https://idp.example.com/tenant-2"), "discovery_issuer_mismatch"),
        (json!("https://idp.example.com"), "discovery_issuer_mismatch"),
        (json!("https://idp.example.com/tenant-11"), "discovery_issuer_mismatch"),
        (json!("https://idp.example.com/tenant-1//"), "discovery_issuer_mismatch"),
        (json!("https://IDP.example.com/tenant-1"), "discovery_issuer_mismatch"),
        (json!("http://idp.example.com/tenant-1"), "discovery_issuer_mismatch"),
        (json!("https://idp.example.com:443/tenant-1"), "discovery_issuer_mismatch"),
        (json!("https://evil.example/tenant-1"), "discovery_issuer_mismatch"),
        (json!("https://idp.example.com/tenant-1?x"), "discovery_issuer_mismatch"),
        (json!(format!("{BASE}{SUFFIX}")), "discovery_issuer_mismatch"),
        (json!(""), "discovery_issuer_mismatch"),
        (json!("https://idp.example.com/{tenantid}"), "discovery_issuer_templated"),
        (json!(null), "discovery_member_invalid"),
        (json!([BASE]), "discovery_member_invalid"),
        (json!(1), "discovery_member_invalid"),
    ] {
        assert_eq!(read(&with("issuer", Some(issuer.clone()))).unwrap_err(), code, "{issuer}");
    }
    assert_eq!(read(&with("issuer", None)).unwrap_err(), "discovery_member_invalid");
}

#[test]
fn o12_parse_handles_the_addresses_in_the_field() {
    let at = |issuer: &str, address: &str| {
        let metadata = with("issuer", Some(json!(issuer))).to_string();
        parse(metadata.as_bytes(), address).map(|provider| provider.issuer).map_err(|error| error.code())
    };
    let suffixed = |base: &str| format!("{base}{SUFFIX}");
    for base in [
        "https://accounts.google.com",
        "https://acme.okta.com",
        "https://acme.okta.com/oauth2/default",
        "http://127.0.0.1:9000/realms/acme",
    ] {
        assert_eq!(at(base, &suffixed(base)), Ok(base.to_owned()));
    }
    // Auth0 ends its issuer with a slash.
    assert_eq!(
        at("https://acme.eu.auth0.com/", &suffixed("https://acme.eu.auth0.com")),
        Ok("https://acme.eu.auth0.com/".into())
    );
    assert_eq!(
        at("https://idp.example/", &suffixed("https://idp.example/")),
        Ok("https://idp.example/".into())
    );
    // Entra: one tenant by its id is exact, with or without the query for an application's own key.
    let tenant = "https://login.microsoftonline.com/11111111-2222-3333-4444-555555555555/v2.0";
    assert_eq!(at(tenant, &suffixed(tenant)), Ok(tenant.to_owned()));
    assert_eq!(at(tenant, &format!("{}?appid=66666666", suffixed(tenant))), Ok(tenant.to_owned()));
    let template = "https://login.microsoftonline.com/{tenantid}/v2.0";
    for many in ["common", "organizations", "consumers"] {
        let address = suffixed(&format!("https://login.microsoftonline.com/{many}/v2.0"));
        assert_eq!(at(template, &address), Err("discovery_issuer_templated"), "{many}");
    }
    // The tenant by its domain, and the old endpoint, answer with other issuers.
    assert_eq!(
        at(tenant, &suffixed("https://login.microsoftonline.com/acme.example/v2.0")),
        Err("discovery_issuer_mismatch")
    );
    let old = suffixed("https://login.microsoftonline.com/11111111-2222-3333-4444-555555555555");
    assert_eq!(
        at("https://sts.windows.net/11111111-2222-3333-4444-555555555555/", &old),
        Err("discovery_issuer_mismatch")
    );
}

#[test]
fn o12_parse_rejects_addresses_that_are_none() {
    assert_eq!(issuer_of(&format!("{BASE}{SUFFIX}")).unwrap(), BASE);
    assert_eq!(issuer_of(&format!("{BASE}{SUFFIX}?appid=1")).unwrap(), BASE);
    for address in [
        "",
        SUFFIX,
        BASE,
        "https://idp.example.com/.well-known/openid-configuration/",
        "https://idp.example.com/.well-known/openid-configuration#x",
        "https://idp.example.com/.well-known/oauth-authorization-server",
        "https://idp.example.com/?x=/.well-known/openid-configuration",
        "ftp://idp.example.com/.well-known/openid-configuration",
        "file:///.well-known/openid-configuration",
        "//idp.example.com/.well-known/openid-configuration",
        "https:/idp.example.com/.well-known/openid-configuration",
        "https:///.well-known/openid-configuration",
        "https://user@idp.example.com/.well-known/openid-configuration",
        "https://user:password@idp.example.com/.well-known/openid-configuration",
        "https://@idp.example.com/.well-known/openid-configuration",
        " https://idp.example.com/.well-known/openid-configuration",
        "https://idp.example.com\\@evil.example/.well-known/openid-configuration",
        "https://idp.exa\tmple.com/.well-known/openid-configuration",
        "https://idp.example.com:99999/.well-known/openid-configuration",
        "https://ídp.example.com/.well-known/openid-configuration",
    ] {
        assert_eq!(issuer_of(address).unwrap_err().code(), "discovery_address_invalid", "{address}");
        assert_eq!(
            parse(metadata().to_string().as_bytes(), address).unwrap_err().code(),
            "discovery_address_invalid"
        );
    }
}

#[test]
fn o12_parse_rejects_unusable_endpoints() {
    for name in ["authorization_endpoint", "token_endpoint", "jwks_uri"] {
        assert_eq!(read(&with(name, None)).unwrap_err(), "discovery_member_invalid", "{name}");
        assert_eq!(read(&with(name, Some(json!(null)))).unwrap_err(), "discovery_member_invalid", "{name}");
    }
    for name in ["userinfo_endpoint", "end_session_endpoint", "revocation_endpoint"] {
        read(&with(name, None)).unwrap();
        read(&with(name, Some(json!(null)))).unwrap();
    }
    for name in [
        "authorization_endpoint",
        "token_endpoint",
        "jwks_uri",
        "userinfo_endpoint",
        "end_session_endpoint",
        "revocation_endpoint",
    ] {
        // Another host is fine: Google and Entra use several.
        read(&with(name, Some(json!("https://elsewhere.example/x?y=z")))).unwrap();
        let longest = format!("https://idp.example.com/{}", "x".repeat(2048 - 24));
        read(&with(name, Some(json!(longest)))).unwrap();
        for (value, code) in [
            (json!("http://idp.example.com/x"), "discovery_endpoint_invalid"),
            (json!("/x"), "discovery_endpoint_invalid"),
            (json!("x"), "discovery_endpoint_invalid"),
            (json!(""), "discovery_endpoint_invalid"),
            (json!("//idp.example.com/x"), "discovery_endpoint_invalid"),
            (json!("https://user:password@idp.example.com/x"), "discovery_endpoint_invalid"),
            (json!("https://idp.example.com/x#y"), "discovery_endpoint_invalid"),
            (json!("https://"), "discovery_endpoint_invalid"),
            (json!("javascript:alert(1)"), "discovery_endpoint_invalid"),
            (json!("file:///etc/passwd"), "discovery_endpoint_invalid"),
            (json!("gopher://127.0.0.1:6379/x"), "discovery_endpoint_invalid"),
            (json!("https://idp.example.com/\r\nx"), "discovery_endpoint_invalid"),
            (json!(longest + "x"), "discovery_endpoint_invalid"),
            (json!(["https://idp.example.com/x"]), "discovery_member_invalid"),
            (json!(1), "discovery_member_invalid"),
        ] {
            assert_eq!(read(&with(name, Some(value.clone()))).unwrap_err(), code, "{name} {value}");
        }
    }
}

#[test]
fn parse_accepts_plain_http_only_from_plain_http() {
    let metadata = metadata().to_string().replace("https://idp.example.com", "http://localhost:8080");
    parse(metadata.as_bytes(), &format!("http://localhost:8080/tenant-1{SUFFIX}")).unwrap();
}

#[test]
fn parse_rejects_members_of_the_wrong_type_and_unusable_bodies() {
    for (name, value) in [
        ("id_token_signing_alg_values_supported", json!("RS256")),
        ("id_token_signing_alg_values_supported", json!([1])),
        ("token_endpoint_auth_methods_supported", json!({})),
        ("code_challenge_methods_supported", json!(true)),
        ("authorization_response_iss_parameter_supported", json!("true")),
    ] {
        assert_eq!(read(&with(name, Some(value))).unwrap_err(), "discovery_member_invalid", "{name}");
    }
    let address = format!("{BASE}{SUFFIX}");
    let good = metadata().to_string();
    parse(good.as_bytes(), &address).unwrap();
    for body in [
        String::new(),
        "<!doctype html>".into(),
        format!("[{good}]"),
        good.replacen('{', "{\"issuer\":\"https://evil.example\",", 1),
    ] {
        assert_eq!(parse(body.as_bytes(), &address).unwrap_err().code(), "discovery_not_json", "{body}");
    }
    let full = good.clone() + &" ".repeat(256 * 1024 - good.len());
    parse(full.as_bytes(), &address).unwrap();
    let padded = full + " ";
    assert_eq!(parse(padded.as_bytes(), &address).unwrap_err().code(), "discovery_too_large");
}

#[test]
fn document_is_what_parse_reads() {
    let served = document(&Document {
        issuer: BASE,
        authorization_endpoint: &format!("{BASE}/authorize"),
        token_endpoint: &format!("{BASE}/token"),
        jwks_uri: &format!("{BASE}/jwks"),
        userinfo_endpoint: Some(&format!("{BASE}/userinfo")),
        end_session_endpoint: None,
        revocation_endpoint: Some(&format!("{BASE}/revoke")),
        scopes: &["openid", "profile", "email"],
        client_authentication_methods: &["client_secret_basic", "client_secret_post"],
        claims: &["sub", "email"],
        sends_issuer_in_response: true,
    });
    // The members that OpenID Connect Discovery §3 requires.
    for name in [
        "issuer",
        "authorization_endpoint",
        "token_endpoint",
        "jwks_uri",
        "response_types_supported",
        "subject_types_supported",
        "id_token_signing_alg_values_supported",
    ] {
        assert!(served.get(name).is_some(), "{name}");
    }
    assert!(served.get("end_session_endpoint").is_none());
    let provider = read(&served).unwrap();
    assert_eq!(provider.revocation_endpoint, Some(format!("{BASE}/revoke")));
    assert_eq!(provider.code_challenge_methods_supported, ["S256"]);
    assert_eq!(provider.token_endpoint_auth_methods_supported, ["client_secret_basic", "client_secret_post"]);
    assert!(provider.authorization_response_iss_parameter_supported);
}
