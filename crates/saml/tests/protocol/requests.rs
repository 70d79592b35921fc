//! Authentication requests: what we send and what the built-in identity provider reads.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use saml::request::{AuthnRequest, ParsedAuthnRequest, parse_post, parse_redirect};

use crate::forge::{ACS, NOW, REQUEST, SP};

const DESTINATION: &str = "https://idp.example.com/sso";

fn request() -> AuthnRequest<'static> {
    AuthnRequest {
        id: REQUEST,
        issue_instant: NOW,
        issuer: SP,
        acs_url: ACS,
        destination: DESTINATION,
        force_authn: false,
        name_id_format: None,
    }
}

fn parsed() -> ParsedAuthnRequest {
    ParsedAuthnRequest {
        id: REQUEST.to_owned(),
        issuer: SP.to_owned(),
        acs_url: Some(ACS.to_owned()),
        destination: Some(DESTINATION.to_owned()),
        force_authn: false,
        name_id_format: None,
    }
}

/// The decoded parameters of a URL's query.
fn parameters(url: &str) -> Vec<(String, String)> {
    let (_, query) = url.split_once('?').unwrap();
    query
        .split('&')
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap();
            (name.to_owned(), percent_decode(value))
        })
        .collect()
}

fn percent_decode(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digits = [rest.next().unwrap(), rest.next().unwrap()];
            bytes.push(u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap());
        } else {
            assert_ne!(byte, b'+');
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).unwrap()
}

#[test]
fn request_says_what_it_must() {
    let xml = request().to_xml();
    let document = roxmltree::Document::parse(&xml).unwrap();
    let root = document.root_element();
    assert_eq!(root.tag_name().namespace(), Some("urn:oasis:names:tc:SAML:2.0:protocol"));
    assert_eq!(root.tag_name().name(), "AuthnRequest");
    for (name, value) in [
        ("ID", REQUEST),
        ("Version", "2.0"),
        ("IssueInstant", "2026-11-20T10:00:00.000Z"),
        ("Destination", DESTINATION),
        ("AssertionConsumerServiceURL", ACS),
        ("ProtocolBinding", "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST"),
    ] {
        assert_eq!(root.attribute(name), Some(value), "{name}");
    }
    assert_eq!(root.attribute("ForceAuthn"), None);
    let issuer = root.first_element_child().unwrap();
    assert_eq!((issuer.tag_name().name(), issuer.text()), ("Issuer", Some(SP)));
    let policy = root.last_element_child().unwrap();
    assert_eq!((policy.tag_name().name(), policy.attribute("Format")), ("NameIDPolicy", None));
}

#[test]
fn redirect_and_post_are_read_back() {
    let full = AuthnRequest { force_authn: true, name_id_format: Some("urn:x:format"), ..request() };
    let parsed_full =
        ParsedAuthnRequest { force_authn: true, name_id_format: Some("urn:x:format".to_owned()), ..parsed() };
    let odd = AuthnRequest { issuer: "urn:<\"&'>é", acs_url: "https://x/?a=1&b=<2>", ..request() };
    let parsed_odd = ParsedAuthnRequest {
        issuer: odd.issuer.to_owned(),
        acs_url: Some(odd.acs_url.to_owned()),
        ..parsed()
    };
    for (request, parsed) in [(request(), parsed()), (full, parsed_full), (odd, parsed_odd)] {
        assert_eq!(parse_post(&request.post_value()), Ok(parsed.clone()));
        let url = request.redirect_url("state & more=é");
        let parameters = parameters(&url);
        assert_eq!(parameters[0].0, "SAMLRequest");
        assert_eq!(parse_redirect(&parameters[0].1), Ok(parsed));
        assert_eq!(parameters[1], ("RelayState".to_owned(), "state & more=é".to_owned()));
        assert_eq!(parameters.len(), 2);
    }
}

#[test]
fn redirect_url_fits_any_destination() {
    for (destination, start) in [
        ("https://idp.example.com/sso", "https://idp.example.com/sso?SAMLRequest="),
        ("https://idp.example.com/sso?idpid=C0", "https://idp.example.com/sso?idpid=C0&SAMLRequest="),
        ("https://idp.example.com/sso?", "https://idp.example.com/sso?&SAMLRequest="),
        ("https://idp.example.com/sso#top", "https://idp.example.com/sso?SAMLRequest="),
        ("https://idp.example.com/sso?a=b#top", "https://idp.example.com/sso?a=b&SAMLRequest="),
    ] {
        let url = AuthnRequest { destination, ..request() }.redirect_url("");
        assert!(url.starts_with(start), "{url}");
        assert!(!url.contains("RelayState") && !url.contains('#'), "{url}");
    }
}

#[test]
fn requests_of_other_service_providers_are_read() {
    let xml = "<?xml version=\"1.0\"?>\n<samlp:AuthnRequest xmlns:samlp=\"urn:oasis:names:tc:SAML:2.0:protocol\" ID=\"a1\" Version=\"2.0\" IssueInstant=\"2026-11-20T10:00:00Z\">\n <saml:Issuer xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\">\n  urn:sp\n </saml:Issuer>\n</samlp:AuthnRequest>";
    let parsed = parse_post(&STANDARD.encode(xml)).unwrap();
    assert_eq!((parsed.id.as_str(), parsed.issuer.as_str()), ("a1", "urn:sp"));
    assert_eq!((parsed.acs_url, parsed.destination, parsed.force_authn), (None, None, false));
}

#[test]
fn bad_requests_are_refused_by_name() {
    let xml = request().to_xml();
    for (code, changed) in [
        ("not_an_authn_request", xml.replace("AuthnRequest", "LogoutRequest")),
        ("not_an_authn_request", xml.replace("Version=\"2.0\"", "Version=\"1.1\"")),
        ("not_an_authn_request", xml.replace("SAML:2.0:protocol", "SAML:1.0:protocol")),
        ("bad_id", xml.replace(REQUEST, "")),
        ("bad_id", xml.replace(REQUEST, "a b")),
        ("issuer_missing", xml.replace(SP, "")),
        ("issuer_missing", xml.replace("<saml:Issuer>", "<saml:Issuer><!---->")),
        ("markup_declaration", format!("<!DOCTYPE x>{xml}")),
        ("malformed_xml", xml.replace("</saml:Issuer>", "")),
        ("malformed_xml", String::new()),
    ] {
        assert_eq!(parse_post(&STANDARD.encode(&changed)).unwrap_err().code(), code, "{changed}");
    }
    assert_eq!(parse_post("*").unwrap_err().code(), "not_base64");
    assert_eq!(parse_post(&"A".repeat(1_000_000)).unwrap_err().code(), "too_large");
    assert_eq!(parse_redirect("*").unwrap_err().code(), "not_base64");
    assert_eq!(parse_redirect(&STANDARD.encode("not deflate")).unwrap_err().code(), "not_deflate");
    assert_eq!(parse_redirect(&request().post_value()).unwrap_err().code(), "not_deflate");
}

#[test]
fn s12_a_deflate_bomb_is_not_inflated() {
    // 200 MB of spaces in 200 kB, and a smaller one that fits the input limit.
    for size in [200_000_000_usize, 40_000_000] {
        let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
        let block = vec![b' '; 1_000_000];
        for _ in 0..size / block.len() {
            std::io::Write::write_all(&mut encoder, &block).unwrap();
        }
        let bomb = STANDARD.encode(encoder.finish().unwrap());
        let started = std::time::Instant::now();
        assert_eq!(parse_redirect(&bomb).unwrap_err().code(), "too_large");
        assert!(started.elapsed().as_secs() < 10);
    }
}
