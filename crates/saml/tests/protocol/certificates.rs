//! S31: certificates as people paste them and as metadata holds them.

use saml::certificate::{Certificate, CertificateError, KeyKind};

use crate::forge::keys::{certificate, certificate_base64, certificate_pem};

#[test]
fn s31_certificates_are_read_however_they_are_written() {
    let expected = certificate("idp");
    let pem = certificate_pem("idp");
    let base64 = certificate_base64("idp");
    for text in [
        pem.clone(),
        pem.replace('\n', "\r\n"),
        format!("\n  {pem}\n"),
        format!("subject=CN = idp\nissuer=CN = idp\n{pem}trailing"),
        base64.clone(),
        format!(" {base64}\n"),
        base64
            .as_bytes()
            .chunks(64)
            .map(|line| String::from_utf8(line.to_vec()).unwrap())
            .collect::<Vec<_>>()
            .join("\n\t"),
    ] {
        assert_eq!(Certificate::parse_base64(&text).unwrap(), expected);
    }
    assert_eq!(Certificate::parse_pem(&pem).unwrap(), expected);
    assert_eq!(Certificate::parse_der(expected.der()).unwrap(), expected);
    assert_eq!(expected.pem(), pem);
    assert_eq!(Certificate::parse_pem(&base64).unwrap_err(), CertificateError::Malformed);
}

#[test]
fn s31_what_a_certificate_says_is_read() {
    let idp = certificate("idp");
    assert_eq!(idp.subject(), "CN=idp.example.com, O=Example");
    assert_eq!(idp.key(), KeyKind::Rsa { bits: 2048 });
    // A validity beyond 2049 is a GeneralizedTime, one before a UTCTime.
    assert!(idp.not_after() > 4_900_000_000_000, "{}", idp.not_after());
    let expired = certificate("expired");
    assert_eq!((expired.not_before(), expired.not_after()), (1_577_836_800_000, 1_609_459_200_000));
    assert_eq!(
        expired.subject(),
        "DC=example, C=DE, ST=Berlin, L=Berlin, O=Müller & Söhne, CN=Größe, emailAddress=a@example.com"
    );
    assert_eq!(certificate("rsa4096").key(), KeyKind::Rsa { bits: 4096 });
    assert_eq!(certificate("p256").key(), KeyKind::EcdsaP256);
    assert_eq!(certificate("p384").key(), KeyKind::EcdsaP384);
}

#[test]
fn s31_fingerprints_are_those_of_openssl() {
    // openssl x509 -in expired.cert.pem -noout -fingerprint -sha256
    let expected = include_str!("../keys/expired.sha256").trim();
    assert_eq!(certificate("expired").fingerprint_sha256(), expected);
}

#[test]
fn s31_weak_and_odd_keys_are_refused_by_name() {
    for (name, code) in [
        ("rsa512", "rsa_key_too_short"),
        ("rsa1024", "rsa_key_too_short"),
        ("rsa2047", "rsa_key_too_short"),
        ("dsa", "dsa_key"),
        ("explicit-ec", "explicit_parameters_ec"),
        ("p521", "unsupported_key"),
        ("secp256k1", "unsupported_key"),
        ("ed25519", "unsupported_key"),
        ("rsa-pss", "unsupported_key"),
    ] {
        let error = Certificate::parse_pem(&certificate_pem(name)).unwrap_err();
        assert_eq!(error.code(), code, "{name}");
        assert!(!error.to_string().is_empty());
    }
    assert_eq!(
        Certificate::parse_pem(&certificate_pem("rsa1024")).unwrap_err(),
        CertificateError::RsaKeyTooShort { bits: 1024 }
    );
}

#[test]
fn s31_bundles_are_refused() {
    let bundle =
        format!("{}{}{}", certificate_pem("attacker-leaf"), certificate_pem("idp"), certificate_pem("other"));
    for parse in [Certificate::parse_pem, Certificate::parse_base64] {
        assert_eq!(parse(&bundle).unwrap_err(), CertificateError::SeveralCertificates { count: 3 });
    }
}

#[test]
fn s31_what_is_no_certificate_is_refused() {
    let key = std::fs::read_to_string(crate::forge::keys::path("idp.key.pem")).unwrap();
    let pem = certificate_pem("idp");
    for text in [
        "",
        " ",
        "hello",
        "AAAA",
        "-----BEGIN CERTIFICATE-----",
        "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----",
        &key,
        &pem[..pem.len() / 2],
        &pem.replace("MII", "MIJ"),
        &"A".repeat(1_000_000),
    ] {
        assert_eq!(Certificate::parse_base64(text).unwrap_err(), CertificateError::Malformed, "{text}");
    }
}

#[test]
fn s31_damaged_certificates_never_panic() {
    let names = ["idp", "p256", "p384", "expired", "dsa", "explicit-ec", "rsa-pss"];
    for name in names {
        let pem = certificate_pem(name);
        let base64: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
        let der = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, base64).unwrap();
        for cut in 0..der.len() {
            assert!(Certificate::parse_der(&der[..cut]).is_err(), "{name} cut at {cut}");
        }
        for at in 0..der.len() {
            for flip in [0x01, 0x80, 0xff] {
                let mut changed = der.clone();
                changed[at] ^= flip;
                // Not all of it is looked at, so that some of these are still certificates.
                drop(Certificate::parse_der(&changed));
            }
        }
        assert!(Certificate::parse_der(&[der, vec![0]].concat()).is_err(), "{name} with a byte too much");
    }
}

#[test]
fn debug_shows_no_more_than_needed() {
    let shown = format!("{:?}", certificate("idp"));
    assert!(shown.contains("CN=idp.example.com") && shown.len() < 300, "{shown}");
}
