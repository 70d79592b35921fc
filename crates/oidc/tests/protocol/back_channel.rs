//! The token and UserInfo endpoints: rows O17, O19, O21, O22, and the server half.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use oidc::jws::{OwnToken, SigningKey, verify_own};
use oidc::token::*;
use oidc::userinfo;
use serde_json::{Value, json};

use crate::issuer::{Issuer, NOW, SECONDS, unb64};

const JSON: Option<&str> = Some("application/json");

fn code_request(authentication: ClientAuthentication<'_>) -> TokenRequest<'_> {
    TokenRequest {
        client_id: "client:1 ü",
        authentication,
        grant: Grant::AuthorizationCode {
            code: "SplxlO/+BeZ QQYbYS6WxSbIA",
            redirect_uri: "https://auth.example.com/cb?x=1",
            code_verifier: Some("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"),
        },
    }
}

#[test]
fn into_parts_puts_the_secret_where_it_belongs() {
    let grant = "grant_type=authorization_code&code=SplxlO%2F%2BBeZ%20QQYbYS6WxSbIA\
                 &redirect_uri=https%3A%2F%2Fauth.example.com%2Fcb%3Fx%3D1\
                 &code_verifier=dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    let secret = "s3cr:et+ &~%";

    let basic = code_request(ClientAuthentication::ClientSecretBasic { secret }).into_parts();
    assert_eq!(basic.body, grant);
    let header = basic.authorization.clone().unwrap();
    let decoded = STANDARD.decode(header.strip_prefix("Basic ").unwrap()).unwrap();
    assert_eq!(String::from_utf8(decoded).unwrap(), "client%3A1%20%C3%BC:s3cr%3Aet%2B%20%26~%25");

    let post = code_request(ClientAuthentication::ClientSecretPost { secret }).into_parts();
    assert_eq!(post.authorization, None);
    assert_eq!(
        post.body,
        format!("{grant}&client_id=client%3A1%20%C3%BC&client_secret=s3cr%3Aet%2B%20%26~%25")
    );

    let none = code_request(ClientAuthentication::None).into_parts();
    assert_eq!((none.authorization, none.body), (None, format!("{grant}&client_id=client%3A1%20%C3%BC")));

    let shown = format!("{:?} {basic:?}", code_request(ClientAuthentication::ClientSecretPost { secret }));
    assert_eq!(
        shown,
        "TokenRequest { client_id: \"client:1 ü\", authentication: ClientSecretPost { .. }, \
         grant: AuthorizationCode { .. } } HttpRequestParts { .. }"
    );

    let refresh = TokenRequest {
        client_id: "c",
        authentication: ClientAuthentication::None,
        grant: Grant::RefreshToken { refresh_token: "r&1", scope: Some("openid email") },
    };
    assert_eq!(
        refresh.into_parts().body,
        "grant_type=refresh_token&refresh_token=r%261&scope=openid%20email&client_id=c"
    );
}

#[test]
fn o22_client_assertion_is_addressed_to_the_issuer_alone() {
    let key = SigningKey::from_pkcs8_der("k1".into(), &Issuer::new("k1").pkcs8()).unwrap();
    let assertion = ClientAssertion {
        client_id: "client-1",
        issuer: "https://idp.example.com",
        jwt_id: "jti-1",
        now: NOW + 999,
    };
    let signed = assertion.sign(&key).unwrap();
    let expected =
        OwnToken { typ: "JWT", issuer: "client-1", audience: Some("https://idp.example.com"), now: NOW };
    assert_eq!(
        Value::Object(verify_own(&signed, &[&key], &expected).unwrap()),
        json!({
            "iss": "client-1", "sub": "client-1", "aud": "https://idp.example.com", "jti": "jti-1",
            "iat": SECONDS, "exp": SECONDS + 120,
        })
    );
    let parts = code_request(ClientAuthentication::PrivateKeyJwt { assertion: &signed }).into_parts();
    assert_eq!(parts.authorization, None);
    assert!(parts.body.ends_with(&format!(
        "&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer&client_assertion={signed}"
    )));
    let header: Value = serde_json::from_slice(&unb64(signed.split('.').next().unwrap())).unwrap();
    assert_eq!(header, json!({ "alg": "RS256", "typ": "JWT", "kid": "k1" }));
}

#[test]
fn parse_response_reads_tokens() {
    let body = json!({
        "access_token": "at-1", "id_token": "a.b.c", "token_type": "bearer", "expires_in": 3600,
        "refresh_token": "rt-1", "scope": "openid", "something": {"else": [1]},
    });
    for content_type in [
        JSON,
        Some("application/json; charset=utf-8"),
        Some("Application/JSON"),
        Some("application/vnd.x+json"),
        None,
    ] {
        let tokens = parse_response(200, content_type, body.to_string().as_bytes()).unwrap();
        assert_eq!((tokens.access_token.as_str(), tokens.id_token.as_deref()), ("at-1", Some("a.b.c")));
        assert_eq!((tokens.token_type.as_str(), tokens.expires_in), ("bearer", Some(3600)));
        assert_eq!(
            (tokens.refresh_token.as_deref(), tokens.scope.as_deref()),
            (Some("rt-1"), Some("openid"))
        );
        let shown = format!("{tokens:?}");
        assert!(!shown.contains("at-1") && !shown.contains("rt-1") && !shown.contains("a.b.c"), "{shown}");
        assert_eq!(
            shown,
            r#"TokenResponse { token_type: "bearer", expires_in: Some(3600), scope: Some("openid"), .. }"#
        );
    }
    for (body, expires_in) in [
        (json!({ "access_token": "a" }), None),
        (json!({ "access_token": "a", "expires_in": "3599", "token_type": "Bearer" }), Some(3599)),
        (
            json!({ "access_token": "a", "expires_in": null, "refresh_token": null, "id_token": null, "scope": null }),
            None,
        ),
    ] {
        let tokens = parse_response(200, JSON, body.to_string().as_bytes()).unwrap();
        assert_eq!(
            (tokens.expires_in, tokens.id_token, tokens.token_type.as_str()),
            (expires_in, None, "Bearer")
        );
    }
}

#[test]
fn o19_parse_response_rejects_unusable_answers() {
    let good = json!({ "access_token": "a", "token_type": "Bearer" }).to_string();
    parse_response(200, JSON, good.as_bytes()).unwrap();
    let html = "<!doctype html><title>Sign in</title>";
    let full = good.clone() + &" ".repeat(1024 * 1024 - good.len());
    parse_response(200, JSON, full.as_bytes()).unwrap();
    let huge = format!("{{\"access_token\":\"{}\"}}", "a".repeat(1024 * 1024));
    for (status, content_type, body, code) in [
        (200, JSON, huge.as_str(), "token_endpoint_too_large"),
        (200, JSON, &(full + " "), "token_endpoint_too_large"),
        (301, JSON, &good, "token_endpoint_redirect"),
        (302, Some("text/html"), html, "token_endpoint_redirect"),
        (307, None, "", "token_endpoint_redirect"),
        (308, None, "", "token_endpoint_redirect"),
        (200, Some("text/html"), html, "token_endpoint_not_json"),
        (200, Some("text/html; charset=utf-8"), &good, "token_endpoint_not_json"),
        (200, Some("text/plain"), &good, "token_endpoint_not_json"),
        (
            200,
            Some("application/x-www-form-urlencoded"),
            "access_token=a&token_type=bearer",
            "token_endpoint_not_json",
        ),
        (200, Some("application/jwt"), "a.b.c", "token_endpoint_not_json"),
        (200, Some(""), &good, "token_endpoint_not_json"),
        (200, JSON, html, "token_endpoint_malformed"),
        (200, JSON, "", "token_endpoint_malformed"),
        (200, JSON, "[]", "token_endpoint_malformed"),
        (200, JSON, "{\"access_token\":\"a\",\"access_token\":\"b\"}", "token_endpoint_malformed"),
        (204, None, "", "token_endpoint_malformed"),
        (500, Some("text/html"), html, "token_endpoint_status"),
        (502, None, "Bad gateway", "token_endpoint_status"),
        (429, JSON, "", "token_endpoint_status"),
        (400, JSON, "{\"message\":\"no\"}", "token_endpoint_status"),
        (400, JSON, "{\"error\":{\"message\":\"no\"}}", "token_endpoint_status"),
        (400, JSON, &good, "token_endpoint_status"),
        (100, JSON, &good, "token_endpoint_status"),
        (0, JSON, &good, "token_endpoint_status"),
    ] {
        let error = parse_response(status, content_type, body.as_bytes()).unwrap_err();
        assert_eq!(error.code(), code, "{status} {content_type:?}");
    }
    for (body, code) in [
        (json!({}), "token_endpoint_member_invalid"),
        (json!({ "token_type": "Bearer" }), "token_endpoint_member_invalid"),
        (json!({ "access_token": "" }), "token_endpoint_member_invalid"),
        (json!({ "access_token": null }), "token_endpoint_member_invalid"),
        (json!({ "access_token": 1 }), "token_endpoint_member_invalid"),
        (json!({ "access_token": "a\r\nX-Injected: 1" }), "token_endpoint_member_invalid"),
        (json!({ "access_token": "a b" }), "token_endpoint_member_invalid"),
        (json!({ "access_token": "a", "id_token": {} }), "token_endpoint_member_invalid"),
        (json!({ "access_token": "a", "refresh_token": 1 }), "token_endpoint_member_invalid"),
        (json!({ "access_token": "a", "scope": ["openid"] }), "token_endpoint_member_invalid"),
        (json!({ "access_token": "a", "token_type": 1 }), "token_endpoint_member_invalid"),
        (json!({ "access_token": "a", "expires_in": -1 }), "token_endpoint_member_invalid"),
        (json!({ "access_token": "a", "expires_in": 1.5 }), "token_endpoint_member_invalid"),
        (json!({ "access_token": "a", "expires_in": "" }), "token_endpoint_member_invalid"),
        (json!({ "access_token": "a", "expires_in": "1h" }), "token_endpoint_member_invalid"),
        (json!({ "access_token": "a", "expires_in": "+5" }), "token_endpoint_member_invalid"),
        (
            json!({ "access_token": "a", "expires_in": "99999999999999999999" }),
            "token_endpoint_member_invalid",
        ),
        (json!({ "access_token": "a", "expires_in": true }), "token_endpoint_member_invalid"),
        (json!({ "access_token": "a", "token_type": "mac" }), "token_endpoint_token_type"),
        (json!({ "access_token": "a", "token_type": "DPoP" }), "token_endpoint_token_type"),
    ] {
        assert_eq!(
            parse_response(200, JSON, body.to_string().as_bytes()).unwrap_err().code(),
            code,
            "{body}"
        );
    }
}

#[test]
fn parse_response_reports_refusals_in_the_providers_words() {
    let body = json!({ "error": "invalid_grant", "error_description": format!("expired\u{1b}[2J{}", "x".repeat(1000)) });
    // GitHub and Slack refuse with 200.
    for status in [200, 400, 401, 500] {
        match parse_response(status, JSON, body.to_string().as_bytes()).unwrap_err() {
            TokenEndpointError::Refused { error, description } => {
                assert_eq!(error, "invalid_grant");
                let description = description.unwrap();
                assert!(description.starts_with("expired\u{fffd}[2J") && description.chars().count() == 513);
            }
            other => panic!("{status}: {other}"),
        }
    }
    // Some say that there is no error.
    for nothing in [json!(null), json!("")] {
        let body = json!({ "error": nothing, "access_token": "a" }).to_string();
        assert_eq!(parse_response(200, JSON, body.as_bytes()).unwrap().access_token, "a");
    }
    let described = json!({ "error": "invalid_grant", "error_description": "Code expired." }).to_string();
    assert_eq!(
        parse_response(400, JSON, described.as_bytes()).unwrap_err().to_string(),
        "the identity provider refused the code exchange: invalid_grant (Code expired.)"
    );
    let with_tokens = json!({ "error": "server_error", "access_token": "a" }).to_string();
    let error = parse_response(200, JSON, with_tokens.as_bytes()).unwrap_err();
    assert_eq!(error.code(), "token_endpoint_refused");
    assert_eq!(error.to_string(), "the identity provider refused the code exchange: server_error");
}

#[test]
fn o17_userinfo_must_be_about_the_same_subject() {
    let body = |sub: Value| json!({ "sub": sub, "email": "ada@example.com", "groups": ["a"] }).to_string();
    let good = userinfo::parse(200, JSON, body(json!("sub-1")).as_bytes(), "sub-1").unwrap();
    assert_eq!(good["groups"], json!(["a"]));
    for (sub, code) in [
        (json!("sub-2"), "userinfo_subject_mismatch"),
        (json!("SUB-1"), "userinfo_subject_mismatch"),
        (json!("sub-1 "), "userinfo_subject_mismatch"),
        (json!(""), "userinfo_subject_mismatch"),
        (json!(null), "userinfo_claim_invalid"),
        (json!(["sub-1"]), "userinfo_claim_invalid"),
        (json!(1), "userinfo_claim_invalid"),
    ] {
        let error = userinfo::parse(200, JSON, body(sub.clone()).as_bytes(), "sub-1").unwrap_err();
        assert_eq!(error.code(), code, "{sub}");
    }
    assert_eq!(userinfo::parse(200, JSON, b"{}", "sub-1").unwrap_err().code(), "userinfo_claim_invalid");
    let twice = br#"{"sub":"sub-2","sub":"sub-1"}"#;
    assert_eq!(userinfo::parse(200, JSON, twice, "sub-1").unwrap_err().code(), "userinfo_unusable");
}

#[test]
fn o21_userinfo_is_never_read_from_a_jwt() {
    let good = json!({ "sub": "sub-1" }).to_string();
    userinfo::parse(200, JSON, good.as_bytes(), "sub-1").unwrap();
    let unsecured = format!("{}.{}.", crate::issuer::b64(r#"{"alg":"none"}"#), crate::issuer::b64(&good));
    for (status, content_type, body, code) in [
        (200, Some("application/jwt"), unsecured.as_str(), "userinfo_jwt"),
        (200, Some("Application/JWT; charset=utf-8"), &good, "userinfo_jwt"),
        (200, JSON, &unsecured, "userinfo_unusable"),
        (200, JSON, &json!(unsecured).to_string(), "userinfo_unusable"),
        (200, None, &unsecured, "userinfo_unusable"),
        (200, Some("text/html"), "<html>", "userinfo_unusable"),
        (200, Some("text/plain"), &good, "userinfo_unusable"),
        (302, JSON, &good, "userinfo_unusable"),
        (401, JSON, &good, "userinfo_status"),
        (500, None, "", "userinfo_status"),
        (0, JSON, &good, "userinfo_status"),
    ] {
        let error = userinfo::parse(status, content_type, body.as_bytes(), "sub-1").unwrap_err();
        assert_eq!(error.code(), code, "{status} {content_type:?} {body}");
    }
}

#[test]
fn parse_request_reads_what_into_parts_makes() {
    for (authentication, credentials, shown_as) in [
        (
            ClientAuthentication::ClientSecretBasic { secret: "a:b &+" },
            Credentials::Basic { secret: "a:b &+".into() },
            "credentials: Basic { .. }",
        ),
        (
            ClientAuthentication::ClientSecretPost { secret: "a:b &+" },
            Credentials::Post { secret: "a:b &+".into() },
            "credentials: Post { .. }",
        ),
        (ClientAuthentication::None, Credentials::None, "credentials: None"),
    ] {
        let parts = code_request(authentication).into_parts();
        let incoming = parse_request(parts.authorization.as_deref(), &parts.body).unwrap();
        assert_eq!(incoming.credentials, credentials);
        assert_eq!(
            (incoming.client_id.as_str(), incoming.grant_type.as_str()),
            ("client:1 ü", "authorization_code")
        );
        assert_eq!(incoming.code.as_deref(), Some("SplxlO/+BeZ QQYbYS6WxSbIA"));
        assert_eq!(incoming.redirect_uri.as_deref(), Some("https://auth.example.com/cb?x=1"));
        assert_eq!(incoming.code_verifier.as_deref(), Some("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"));
        let shown = format!("{incoming:?}");
        assert!(shown.contains("authorization_code") && shown.contains(shown_as), "{shown}");
        assert!(!shown.contains("a:b") && !shown.contains("Splx") && !shown.contains("dBjft"), "{shown}");
    }
}

#[test]
fn parse_request_accepts_one_way_of_authenticating() {
    let basic = |text: &str| format!("Basic {}", STANDARD.encode(text));
    let good = "grant_type=authorization_code&code=c";
    parse_request(Some(&basic("client:secret")), good).unwrap();
    parse_request(Some(&basic("client:secret").replace("Basic", "bAsIc")), good).unwrap();
    parse_request(Some(&basic("client:secret")), &format!("{good}&client_id=client")).unwrap();
    let empty = parse_request(Some(&basic("client:")), good).unwrap();
    assert_eq!(empty.credentials, Credentials::Basic { secret: String::new() });

    let header = basic("client:secret");
    for (header, body, error) in [
        (Some(header.as_str()), format!("{good}&client_secret=secret"), "invalid_request"),
        (Some(&header), format!("{good}&client_id=client&client_secret=secret"), "invalid_request"),
        (Some(&header), format!("{good}&client_assertion=x.y.z&client_assertion_type=y"), "invalid_request"),
        (None, format!("{good}&client_id=client&client_secret=s&client_assertion=x"), "invalid_request"),
        (
            None,
            format!("{good}&client_id=client&client_assertion=x.y.z&client_assertion_type=y"),
            "invalid_client",
        ),
        (Some(&header), format!("{good}&client_id=other"), "invalid_request"),
        (None, good.to_owned(), "invalid_request"),
        (None, format!("{good}&client_secret=s"), "invalid_request"),
        (None, "client_id=client&code=c".to_owned(), "invalid_request"),
        (None, format!("{good}&client_id=a&client_id=b"), "invalid_request"),
        (None, format!("{good}&client_id=a&code=d"), "invalid_request"),
        (None, format!("{good}&client_id=%ff"), "invalid_request"),
        (None, format!("{good}&client_id=a&code_verifier=short"), "invalid_grant"),
        (None, format!("{good}&client_id=a&code_verifier={}", "+".repeat(43)), "invalid_grant"),
        (Some("Bearer token"), good.to_owned(), "invalid_client"),
        (Some("Basic"), good.to_owned(), "invalid_client"),
        (Some("Basic !!!"), good.to_owned(), "invalid_client"),
        (Some("Basic Y2xpZW50"), good.to_owned(), "invalid_client"),
        (Some(&basic(":secret")), good.to_owned(), "invalid_client"),
        (Some(&basic("client:%zz")), good.to_owned(), "invalid_client"),
        (Some(""), good.to_owned(), "invalid_client"),
    ] {
        assert_eq!(parse_request(header, &body).unwrap_err().oauth_error(), error, "{header:?} {body}");
    }
}
