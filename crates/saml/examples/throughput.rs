//! How many responses one core verifies and reads per second, by size and signing form. Run it by hand:
//! `cargo run --release -p saml --example throughput`

use std::hint::black_box;
use std::time::{Duration, Instant};

use saml::certificate::Certificate;
use saml::issue::{IssueResponse, SignedPart, SigningKey};
use saml::response::{Expected, verify};

const IDP: &str = "https://idp.example.com/metadata";
const SP: &str = "https://auth.example.com/saml/conn_01";
const ACS: &str = "https://auth.example.com/sso/saml/acs/conn_01";
const NOW: i64 = 1_795_168_800_000;
const BATCH: u32 = 100;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/keys");
    let certificate = Certificate::parse_pem(&std::fs::read_to_string(format!("{directory}/idp.cert.pem"))?)?;
    let pem = std::fs::read_to_string(format!("{directory}/idp.key.pem"))?;
    let base64: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    let pkcs8 = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, base64)?;
    let key = SigningKey::from_pkcs8(&pkcs8, certificate.clone())?;
    let expected = Expected {
        idp_entity_id: IDP,
        sp_entity_id: SP,
        acs_url: ACS,
        in_response_to: "_request",
        now: NOW,
        certificates: std::slice::from_ref(&certificate),
        allow_sha1: false,
    };
    let names: Vec<String> = (0..200).map(|number| format!("group-{number:03}")).collect();
    let groups: Vec<&str> = names.iter().map(String::as_str).collect();
    for group_count in [3, 200] {
        for sign in [SignedPart::Assertion, SignedPart::Response, SignedPart::Both] {
            let attributes: &[(&str, &[&str])] = &[
                ("id", &["00u1abcdefghijklmnop"]),
                ("email", &["alice@example.com"]),
                ("firstName", &["Alice"]),
                ("lastName", &["Example"]),
                ("groups", groups.get(..group_count).unwrap_or_default()),
            ];
            let response = IssueResponse {
                response_id: "_8e8dc5f69a98cc4c1ff3427e5ce34606fd672f91e6",
                assertion_id: "_d71a3a8e9fcc45c9e9d248ef7049393fc8f04e5f75",
                issue_instant: NOW,
                issuer: IDP,
                audience: SP,
                acs_url: ACS,
                in_response_to: Some("_request"),
                name_id: "alice@example.com",
                name_id_format: "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress",
                session_index: "_session",
                attributes,
                not_on_or_after: NOW + 300_000,
                sign,
            };
            let encoded = response.to_base64(&key)?;
            // Batches, of which the median tells what an undisturbed core does.
            let mut batches = Vec::new();
            let started = Instant::now();
            while started.elapsed() < Duration::from_secs(3) {
                let batch = Instant::now();
                for _ in 0..BATCH {
                    black_box(verify(black_box(&encoded), &expected)?);
                }
                batches.push(batch.elapsed() / BATCH);
            }
            batches.sort_unstable();
            let median = batches.get(batches.len() / 2).copied().unwrap_or_default();
            let best = batches.first().copied().unwrap_or_default();
            let bytes = encoded.len() / 4 * 3;
            println!(
                "{group_count:3} groups, {sign:?} signed, {bytes:6} bytes: {:6.0}/s, median {median:?}, best {best:?}",
                1.0 / median.as_secs_f64()
            );
        }
    }
    Ok(())
}
