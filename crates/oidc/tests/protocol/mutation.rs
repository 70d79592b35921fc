//! Random damage, from fixed seeds: nothing panics, and no altered token is accepted.
//!
//! `OIDC_MUTATIONS` sets how many inputs each test makes.

use oidc::authorization::{self, Callback};
use oidc::discovery;
use oidc::jwk::KeySet;
use oidc::jws::{OwnToken, SigningKey, verify_own};
use oidc::{token, userinfo};
use serde_json::{Value, json};

use crate::issuer::*;

/// xorshift64*: small, seeded, and no dependency.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }
}

fn rounds() -> usize {
    std::env::var("OIDC_MUTATIONS").ok().and_then(|count| count.parse().ok()).unwrap_or(20_000)
}

/// Pieces that mean something to one of the readers.
const PIECES: [&str; 40] = [
    "\"",
    "\\u0000",
    "\\ud800",
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "null",
    "true",
    "-1",
    "1e999",
    "0",
    "9999999999999",
    "\"sub\":\"x\",",
    "\"exp\":9999999999,",
    "\"aud\":[],",
    "\"alg\":\"none\",",
    "\"crit\":[],",
    "\"kid\":1,",
    "\"d\":\"\",",
    "\"keys\":[],",
    ".",
    "..",
    "=",
    "&",
    "%",
    "%00",
    "%ff",
    "+",
    "#",
    "?",
    "https://",
    "http://",
    "code=1&",
    "\n",
    "\0",
    "é",
    "\u{202e}",
];

/// One to four edits of the text, which stays UTF-8.
fn damage(text: &str, random: &mut Random) -> String {
    let mut bytes = text.as_bytes().to_vec();
    for _ in 0..=random.below(4) {
        let at = random.below(bytes.len() + 1);
        let end = (at + random.below(12)).min(bytes.len());
        match random.below(6) {
            0 if at < bytes.len() => bytes[at] ^= 1 << random.below(7),
            1 if at < bytes.len() => bytes[at] = b' ' + random.below(95) as u8,
            2 => drop(bytes.drain(at..end)),
            3 => drop(bytes.splice(at..at, PIECES[random.below(PIECES.len())].bytes())),
            4 => {
                let copied = bytes[at..end].to_vec();
                let to = random.below(bytes.len() + 1);
                drop(bytes.splice(to..to, copied));
            }
            _ => drop(bytes.splice(at..end, PIECES[random.below(PIECES.len())].bytes())),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[test]
fn no_altered_token_is_accepted() {
    let issuer = Issuer::new("k1");
    let keys = issuer.keys();
    let own = SigningKey::from_pkcs8_der("k1".into(), &issuer.pkcs8()).unwrap();
    let ours = OwnToken { typ: "JWT", issuer: ISSUER, audience: Some(CLIENT), now: NOW };
    let genuine = issuer.token(&claims());
    verify(&genuine, &keys).unwrap();
    verify_own(&genuine, &[&own], &ours).unwrap();

    let mut random = Random(0x0001_D70C);
    for round in 0..rounds() {
        let altered = damage(&genuine, &mut random);
        if altered != genuine {
            assert!(verify(&altered, &keys).is_err(), "round {round}: {altered}");
            assert!(verify_own(&altered, &[&own], &ours).is_err(), "round {round}: {altered}");
        }
    }
}

/// Damage under a valid signature: whatever is still accepted keeps every rule, as another reader sees it.
#[test]
fn signed_nonsense_is_accepted_only_within_the_rules() {
    let issuer = Issuer::new("k1");
    let keys = issuer.keys();
    let (header, payload) = (issuer.header().to_string(), claims().to_string());
    let mut random = Random(0x0002_D70C);
    let mut accepted = 0;
    // Each round signs, which is the slow part.
    for round in 0..(rounds() / 20).max(300) {
        let altered_payload = damage(&payload, &mut random);
        let altered_header = if round % 4 == 0 { damage(&header, &mut random) } else { header.clone() };
        let token = issuer.sign_with(
            &aws_lc_rs::signature::RSA_PKCS1_SHA256,
            &altered_header,
            altered_payload.as_bytes(),
        );
        let Ok(read) = verify(&token, &keys) else { continue };
        accepted += 1;
        let header: Value = serde_json::from_str(&altered_header).unwrap();
        let seen: Value = serde_json::from_str(&altered_payload).unwrap();
        assert_eq!((&header["alg"], header.get("crit")), (&json!("RS256"), None), "round {round}");
        assert_eq!(seen, Value::Object(read.all), "round {round}");
        assert_eq!((&seen["iss"], &seen["nonce"]), (&json!(ISSUER), &json!(NONCE)), "round {round}");
        assert!(seen["aud"] == json!(CLIENT) || seen["aud"] == json!([CLIENT]), "round {round}");
        assert!(seen["exp"].as_i64().unwrap() > SECONDS - 60, "round {round}");
        assert!(seen["iat"].as_i64().unwrap() <= SECONDS + 60, "round {round}");
        assert_eq!(seen["sub"].as_str(), Some(read.sub.as_str()), "round {round}");
        assert!(!read.sub.is_empty() && read.sub.len() <= 255, "round {round}");
    }
    // Changed names and groups are fine, so a loop that accepts nothing tests nothing.
    assert!(accepted > 0);
}

#[test]
fn no_reader_panics() {
    let issuer = Issuer::new("k1");
    let base = "https://idp.example.com";
    let address = format!("{base}{}", discovery::SUFFIX);
    let metadata = json!({
        "issuer": base, "authorization_endpoint": format!("{base}/a"), "token_endpoint": format!("{base}/t"),
        "jwks_uri": format!("{base}/k"), "id_token_signing_alg_values_supported": ["RS256"],
    })
    .to_string();
    let key_set = json!({ "keys": [issuer.jwk(), { "kty": "EC", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0" }] }).to_string();
    let tokens =
        json!({ "access_token": "a", "id_token": "b", "token_type": "Bearer", "expires_in": 5 }).to_string();
    let person = json!({ "sub": "s", "email": "ada@example.com" }).to_string();
    let callback = "code=abc&state=def&iss=https%3A%2F%2Fidp.example.com";
    let request = "response_type=code&client_id=c&redirect_uri=https%3A%2F%2Fa.example&code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256";
    let exchange = "grant_type=authorization_code&code=c&client_id=c&client_secret=s";
    let basic = "Basic Y2xpZW50OnNlY3JldA==";

    let mut random = Random(0x0003_D70C);
    for round in 0..rounds() {
        let body = damage(&metadata, &mut random);
        if let Ok(provider) = discovery::parse(body.as_bytes(), &address) {
            assert!(provider.issuer == base || provider.issuer == format!("{base}/"), "round {round}");
            assert!(provider.token_endpoint.to_ascii_lowercase().starts_with("https://"), "round {round}");
        }
        let _ = discovery::issuer_of(&damage(&address, &mut random));
        if let Ok(set) = KeySet::parse(damage(&key_set, &mut random).as_bytes()) {
            assert!(set.len() + set.ignored().len() <= 100);
        }
        let _ = token::parse_response(200, Some("application/json"), damage(&tokens, &mut random).as_bytes());
        if let Ok(person) =
            userinfo::parse(200, Some("application/json"), damage(&person, &mut random).as_bytes(), "s")
        {
            assert_eq!(person["sub"], json!("s"));
        }
        if let Ok(callback) = Callback::parse(&damage(callback, &mut random)) {
            assert!(callback.code.is_some() != callback.error.is_some(), "round {round}");
        }
        if let Ok(request) = authorization::parse_request(&damage(request, &mut random)) {
            assert!(!request.client_id.is_empty() && !request.redirect_uri.is_empty(), "round {round}");
        }
        let _ = token::parse_request(Some(&damage(basic, &mut random)), "grant_type=x");
        let _ = token::parse_request(None, &damage(exchange, &mut random));
    }
}
