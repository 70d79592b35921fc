//! The authorization endpoint: the request we make, the callback we read (rows O8, O20), the request we receive.

use oidc::authorization::*;
use oidc::discovery::{self, Provider, SUFFIX};
use oidc::pkce;
use serde_json::json;
use url::Url;

const ENDPOINT: &str = "https://idp.example.com/authorize";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

fn request<'a>() -> AuthorizationRequest<'a> {
    AuthorizationRequest {
        authorization_endpoint: ENDPOINT,
        client_id: "client-1",
        redirect_uri: "https://auth.example.com/sso/oidc/abc/callback",
        scope: "openid profile email",
        state: "state-1",
        nonce: Some("nonce-1"),
        code_challenge: Some("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"),
        login_hint: None,
        prompt: None,
        domain_hint: None,
        extra: &[],
    }
}

/// The query as another implementation reads it.
fn pairs(url: &str) -> Vec<(String, String)> {
    Url::parse(url).unwrap().query_pairs().into_owned().collect()
}

fn pair(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

#[test]
fn url_carries_the_code_flow() {
    assert_eq!(
        request().url().unwrap(),
        "https://idp.example.com/authorize?response_type=code&client_id=client-1\
         &redirect_uri=https%3A%2F%2Fauth.example.com%2Fsso%2Foidc%2Fabc%2Fcallback\
         &scope=openid%20profile%20email&state=state-1&nonce=nonce-1\
         &code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256"
    );
    let hints = AuthorizationRequest {
        code_challenge: None,
        login_hint: Some("ada+test@exämple.com"),
        prompt: Some("login"),
        domain_hint: Some("example.com"),
        ..request()
    };
    let pairs = pairs(&hints.url().unwrap());
    assert!(pairs.contains(&pair("login_hint", "ada+test@exämple.com")));
    assert!(pairs.contains(&pair("prompt", "login")) && pairs.contains(&pair("domain_hint", "example.com")));
    assert!(!pairs.iter().any(|(name, _)| name.starts_with("code_challenge")));
}

#[test]
fn url_keeps_the_query_of_the_endpoint() {
    for (endpoint, start) in [
        (
            "https://idp.example.com/a?tenant=1&p=B2C_1",
            "https://idp.example.com/a?tenant=1&p=B2C_1&response_type=code&",
        ),
        ("https://idp.example.com/a?", "https://idp.example.com/a?response_type=code&"),
        ("https://idp.example.com/a?x&", "https://idp.example.com/a?x&response_type=code&"),
        ("https://idp.example.com", "https://idp.example.com?response_type=code&"),
    ] {
        let url = AuthorizationRequest { authorization_endpoint: endpoint, ..request() }.url().unwrap();
        assert!(url.starts_with(start), "{url}");
        assert!(pairs(&url).contains(&pair("state", "state-1")));
    }
}

#[test]
fn url_escapes_every_value() {
    let hostile = "&state=evil#frag?x=1+2%20\r\n\"<>é";
    let extra = [pair("a&b", hostile), pair("resource", "1"), pair("resource", "2")];
    let url = AuthorizationRequest { state: hostile, login_hint: Some(hostile), extra: &extra, ..request() }
        .url()
        .unwrap();
    assert!(url.is_ascii() && !url.contains(['#', '\r', '\n', '"', '<', '+']));
    let pairs = pairs(&url);
    assert_eq!(
        pairs.iter().filter(|(name, _)| name == "state").collect::<Vec<_>>(),
        [&pair("state", hostile)]
    );
    assert!(pairs.contains(&pair("a&b", hostile)) && pairs.contains(&pair("login_hint", hostile)));
    assert!(pairs.contains(&pair("resource", "1")) && pairs.contains(&pair("resource", "2")));
}

#[test]
fn url_lets_nothing_replace_protocol_parameters() {
    let names = [
        "response_type",
        "response_mode",
        "client_id",
        "client_secret",
        "redirect_uri",
        "scope",
        "state",
        "nonce",
        "code_challenge",
        "code_challenge_method",
        "request",
        "request_uri",
    ];
    for name in names {
        let extra = [pair("hd", "example.com"), pair(name, "x")];
        let error = AuthorizationRequest { extra: &extra, ..request() }.url().unwrap_err();
        assert_eq!(error, AuthorizationRequestError::ReservedParameter { name: name.into() });
        // A discovery document could say it too, with escapes or without.
        for query in [format!("{name}=x"), name.to_owned(), name.replacen('e', "%65", 1) + "=x"] {
            let endpoint = format!("{ENDPOINT}?{query}");
            let result = AuthorizationRequest { authorization_endpoint: &endpoint, ..request() }.url();
            assert!(matches!(result, Err(AuthorizationRequestError::ReservedParameter { .. })), "{query}");
        }
    }
    // Hints may come as extra parameters, but not twice.
    for name in ["login_hint", "prompt", "domain_hint"] {
        let extra = [pair(name, "x")];
        assert!(
            AuthorizationRequest { extra: &extra, ..request() }
                .url()
                .unwrap()
                .ends_with(&format!("&{name}=x"))
        );
        let set = AuthorizationRequest {
            extra: &extra,
            login_hint: Some("a"),
            prompt: Some("b"),
            domain_hint: Some("c"),
            ..request()
        };
        assert!(set.url().is_err(), "{name}");
    }
}

#[test]
fn url_refuses_unsound_requests() {
    request().url().unwrap();
    let plain_oauth = AuthorizationRequest { nonce: None, scope: "read:user", ..request() };
    assert!(!plain_oauth.url().unwrap().contains("nonce"));
    let no_nonce = AuthorizationRequest { nonce: None, ..request() };
    assert_eq!(no_nonce.url().unwrap_err(), AuthorizationRequestError::NonceMissing);
    let plain = AuthorizationRequest { code_challenge: Some("short"), ..request() };
    assert_eq!(plain.url().unwrap_err(), AuthorizationRequestError::CodeChallenge);
    for endpoint in [
        "",
        "/authorize",
        "javascript:alert(1)//",
        "https://u:p@idp.example.com/",
        "https://idp.example.com/#x",
        "https://idp.example.com/?%zz=1",
    ] {
        let result = AuthorizationRequest { authorization_endpoint: endpoint, ..request() }.url();
        assert!(matches!(result, Err(AuthorizationRequestError::Endpoint { .. })), "{endpoint}");
    }
}

#[test]
fn callback_reads_success_and_failure() {
    let callback =
        Callback::parse("code=a%2Fb+c&state=s%2B1&iss=https%3A%2F%2Fidp.example.com&session_state=x")
            .unwrap();
    assert_eq!(callback.code.as_deref(), Some("a/b c"));
    assert_eq!(callback.state.as_deref(), Some("s+1"));
    assert_eq!(callback.iss.as_deref(), Some("https://idp.example.com"));
    assert_eq!((&callback.error, &callback.error_description), (&None, &None));
    // A code in a log is a code in other hands.
    let shown = format!("{callback:?}");
    assert!(
        shown.contains("https://idp.example.com") && !shown.contains("a/b c") && !shown.contains("s+1"),
        "{shown}"
    );

    let callback = Callback::parse("error=access_denied&error_description=No+way&state=s").unwrap();
    assert_eq!(
        (callback.error.as_deref(), callback.error_description.as_deref()),
        (Some("access_denied"), Some("No way"))
    );
    assert_eq!(callback.code, None);
}

#[test]
fn callback_parse_rejects_what_can_be_read_in_two_ways() {
    Callback::parse("code=1&state=2").unwrap();
    let full = format!("code=1&x={}", "x".repeat(64 * 1024 - 9));
    Callback::parse(&full).unwrap();
    let long = full + "x";
    Callback::parse(&(0..99).map(|n| format!("n{n}=1&")).chain(["code=1".into()]).collect::<String>())
        .unwrap();
    let many = (0..101).map(|n| format!("n{n}=1")).collect::<Vec<_>>().join("&");
    for (query, code) in [
        ("code=1&code=2&state=s", "callback_duplicate_parameter"),
        ("code=1&code=1&state=s", "callback_duplicate_parameter"),
        ("code=1&state=s&state=s", "callback_duplicate_parameter"),
        ("code=1&c%6Fde=2", "callback_duplicate_parameter"),
        ("code=1&iss=a&iss=b", "callback_duplicate_parameter"),
        ("code=1&x=1&x=2", "callback_duplicate_parameter"),
        ("code=1&code=", "callback_duplicate_parameter"),
        ("code=1&error=access_denied", "callback_contradiction"),
        ("state=s", "callback_empty"),
        ("code=&state=s", "callback_empty"),
        ("error=&state=s", "callback_empty"),
        ("id_token=x.y.z&state=s", "callback_empty"),
        ("", "callback_empty"),
        ("code=%", "callback_malformed"),
        ("code=%2", "callback_malformed"),
        ("code=%zz", "callback_malformed"),
        ("code=%+1", "callback_malformed"),
        ("code=%ff", "callback_malformed"),
        ("code=%00", "callback_malformed"),
        ("%ff=1&code=1", "callback_malformed"),
        (&long, "callback_malformed"),
        (&many, "callback_malformed"),
    ] {
        assert_eq!(Callback::parse(query).unwrap_err().code(), code, "{}", &query[..query.len().min(60)]);
    }
}

#[test]
fn o20_callback_texts_are_made_printable_and_short() {
    let query = format!("error=%1b[31mred%0d%0aX&error_description=%E2%80%AE{}", "<script>".repeat(1000));
    let callback = Callback::parse(&query).unwrap();
    assert_eq!(callback.error.as_deref(), Some("\u{fffd}[31mred\u{fffd}\u{fffd}X"));
    let description = callback.error_description.unwrap();
    assert_eq!(description.chars().count(), 513);
    assert!(description.starts_with("\u{fffd}<script>") && description.ends_with('…'));
}

fn provider(issuer: &str, announces: bool) -> Provider {
    let metadata = json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/authorize"),
        "token_endpoint": format!("{issuer}/token"),
        "jwks_uri": format!("{issuer}/keys"),
        "authorization_response_iss_parameter_supported": announces,
    });
    discovery::parse(metadata.to_string().as_bytes(), &format!("{issuer}{SUFFIX}")).unwrap()
}

#[test]
fn o8_check_issuer_detects_a_mix_up() {
    let honest = "https://honest.example";
    for announces in [false, true] {
        let provider = provider(honest, announces);
        assert_eq!(check_issuer(Some(honest), &provider), Ok(()));
        for other in [
            "https://hostile.example",
            "https://honest.example/",
            "https://HONEST.example",
            "http://honest.example",
            "",
        ] {
            assert_eq!(
                check_issuer(Some(other), &provider).unwrap_err().code(),
                "callback_issuer_mismatch",
                "{other}"
            );
        }
    }
    assert_eq!(check_issuer(None, &provider(honest, false)), Ok(()));
    assert_eq!(check_issuer(None, &provider(honest, true)).unwrap_err().code(), "callback_issuer_missing");
}

#[test]
fn parse_request_reads_what_url_makes() {
    let url =
        AuthorizationRequest { login_hint: Some("ada@example.com"), prompt: Some("login"), ..request() }
            .url()
            .unwrap();
    let incoming = parse_request(url.split_once('?').unwrap().1).unwrap();
    assert_eq!(
        incoming,
        IncomingAuthorization {
            client_id: "client-1".into(),
            redirect_uri: "https://auth.example.com/sso/oidc/abc/callback".into(),
            scope: "openid profile email".into(),
            state: Some("state-1".into()),
            nonce: Some("nonce-1".into()),
            code_challenge: Some("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM".into()),
            code_challenge_method: Some("S256".into()),
            login_hint: Some("ada@example.com".into()),
            prompt: Some("login".into()),
        }
    );
    for shown in [format!("{incoming:?}"), format!("{:?}", request())] {
        assert!(
            shown.contains("client-1") && !shown.contains("state-1") && !shown.contains("nonce-1"),
            "{shown}"
        );
    }
    assert!(pkce::verify(incoming.code_challenge.as_deref().unwrap(), VERIFIER));
}

#[test]
fn parse_request_refuses_unsound_requests() {
    let good = "response_type=code&client_id=c&redirect_uri=https%3A%2F%2Fa.example%2Fcb";
    let challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
    parse_request(good).unwrap();
    parse_request(&format!(
        "{good}&response_mode=query&code_challenge={challenge}&code_challenge_method=S256"
    ))
    .unwrap();
    for (query, error) in [
        (good.replace("client_id=c&", ""), "invalid_request"),
        (good.replace("client_id=c", "client_id="), "invalid_request"),
        (good.replace("&redirect_uri=https%3A%2F%2Fa.example%2Fcb", ""), "invalid_request"),
        (good.replace("response_type=code&", ""), "invalid_request"),
        (good.replace("=code&", "=token&"), "unsupported_response_type"),
        (good.replace("=code&", "=code+id_token&"), "unsupported_response_type"),
        (format!("{good}&client_id=d"), "invalid_request"),
        (format!("{good}&redirect_uri=https%3A%2F%2Fevil.example"), "invalid_request"),
        (format!("{good}&state=1&state=2"), "invalid_request"),
        (format!("{good}&response_mode=fragment"), "invalid_request"),
        (format!("{good}&request=e30"), "request_not_supported"),
        (format!("{good}&request_uri=https%3A%2F%2Fcanary.example"), "request_not_supported"),
        (format!("{good}&code_challenge={challenge}"), "invalid_request"),
        (format!("{good}&code_challenge={challenge}&code_challenge_method=plain"), "invalid_request"),
        (format!("{good}&code_challenge_method=S256"), "invalid_request"),
        (format!("{good}&code_challenge=short&code_challenge_method=S256"), "invalid_request"),
        (format!("{good}&state=%zz"), "invalid_request"),
    ] {
        assert_eq!(parse_request(&query).unwrap_err().oauth_error(), error, "{query}");
    }
}
