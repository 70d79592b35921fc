//! S33: identity providers' metadata, and ours.

use saml::metadata::{
    BuiltInIdp, IdpMetadata, MetadataError, SpMetadata, idp_metadata, parse_idp, sp_metadata,
};

use crate::forge::keys::{certificate, certificate_base64};
use crate::forge::{ACS, IDP, NOW, SP, swap};

const PROTOCOL: &str = "urn:oasis:names:tc:SAML:2.0:protocol";
const REDIRECT: &str = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect";
const POST: &str = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST";

fn key(usage: &str, name: &str) -> String {
    format!(
        "<md:KeyDescriptor{usage}><ds:KeyInfo xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\"><ds:X509Data><ds:X509Certificate>{}</ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor>",
        certificate_base64(name)
    )
}

fn service(binding: &str, url: &str) -> String {
    format!("<md:SingleSignOnService Binding=\"{binding}\" Location=\"{url}\"/>")
}

/// Metadata as most identity providers have it.
fn template() -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<md:EntityDescriptor xmlns:md=\"urn:oasis:names:tc:SAML:2.0:metadata\" entityID=\"{IDP}\"><md:IDPSSODescriptor WantAuthnRequestsSigned=\"false\" protocolSupportEnumeration=\"{PROTOCOL}\">{}<md:NameIDFormat>urn:f1</md:NameIDFormat><md:NameIDFormat>urn:f2</md:NameIDFormat>{}{}</md:IDPSSODescriptor></md:EntityDescriptor>",
        key(" use=\"signing\"", "idp"),
        service(POST, "https://idp.example.com/post"),
        service(REDIRECT, "https://idp.example.com/redirect?x=1&amp;y=2"),
    )
}

fn parse(xml: &str) -> Result<IdpMetadata, MetadataError> {
    parse_idp(xml.as_bytes(), NOW)
}

#[track_caller]
fn refused(code: &str, xml: &str) {
    match parse(xml) {
        Ok(metadata) => panic!("accepted: {metadata:?}"),
        Err(error) => {
            assert_eq!(error.code(), code, "{error}\n{xml}");
            assert!(!error.to_string().is_empty());
        }
    }
}

#[test]
fn everything_is_read() {
    let metadata = parse(&template()).unwrap();
    assert_eq!(metadata.entity_id, IDP);
    assert_eq!(metadata.sso_post_url.as_deref(), Some("https://idp.example.com/post"));
    assert_eq!(metadata.sso_redirect_url.as_deref(), Some("https://idp.example.com/redirect?x=1&y=2"));
    assert_eq!(metadata.signing_certificates, [certificate("idp")]);
    assert_eq!(metadata.valid_until, None);
    assert!(!metadata.want_authn_requests_signed);
    assert_eq!(metadata.name_id_formats, ["urn:f1", "urn:f2"]);
    for yes in ["true", "1"] {
        let xml = swap(
            &template(),
            "WantAuthnRequestsSigned=\"false\"",
            &format!("WantAuthnRequestsSigned=\"{yes}\""),
        );
        assert!(parse(&xml).unwrap().want_authn_requests_signed);
    }
}

#[test]
fn keys_are_those_for_signing_without_duplicates() {
    let names = |keys: &str| -> Vec<String> {
        let xml = swap(&template(), &key(" use=\"signing\"", "idp"), keys);
        parse(&xml)
            .unwrap()
            .signing_certificates
            .iter()
            .map(saml::certificate::Certificate::fingerprint_sha256)
            .collect()
    };
    let prints =
        |names: &[&str]| names.iter().map(|name| certificate(name).fingerprint_sha256()).collect::<Vec<_>>();
    let signing = " use=\"signing\"";
    assert_eq!(names(&[key(signing, "idp"), key(signing, "other")].concat()), prints(&["idp", "other"]));
    assert_eq!(names(&[key(" use=\"encryption\"", "other"), key(signing, "idp")].concat()), prints(&["idp"]));
    assert_eq!(names(&key("", "p256")), prints(&["p256"]));
    assert_eq!(names(&[key(signing, "idp"), key("", "idp"), key(signing, "idp")].concat()), prints(&["idp"]));
    // An unusable key for encryption is none of our business, an expired one is the caller's.
    assert_eq!(
        names(&[key(" use=\"encryption\"", "rsa1024"), key(signing, "expired")].concat()),
        prints(&["expired"])
    );
    // A chain in one X509Data: the key's own certificate alone.
    let chain = key(signing, "attacker-leaf").replace(
        "</ds:X509Data>",
        &format!("<ds:X509Certificate>{}</ds:X509Certificate></ds:X509Data>", certificate_base64("idp")),
    );
    assert_eq!(names(&chain), prints(&["attacker-leaf"]));
}

#[test]
fn vendor_layouts_are_accepted() {
    let plain = template();
    let line_broken = swap(
        &plain,
        &certificate_base64("idp"),
        &format!("\n{}\n", crate::forge::sign::break_lines(&certificate_base64("idp"), "\r\n")),
    );
    let default_namespace = plain.replace("md:", "").replace(":md", "");
    // ADFS describes its other roles too, with keys of their own, and signs the whole.
    let adfs = swap(
        &plain,
        "<md:IDPSSODescriptor",
        &format!(
            "<ds:Signature xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\"><ds:SignedInfo/></ds:Signature><md:RoleDescriptor xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xmlns:fed=\"http://docs.oasis-open.org/wsfed/federation/200706\" xsi:type=\"fed:SecurityTokenServiceType\" protocolSupportEnumeration=\"urn:x\">{}</md:RoleDescriptor><md:SPSSODescriptor protocolSupportEnumeration=\"{PROTOCOL}\">{}</md:SPSSODescriptor><md:IDPSSODescriptor",
            key("", "other"),
            key("", "p384")
        ),
    );
    let both_versions = swap(
        &plain,
        &format!("\"{PROTOCOL}\""),
        &format!("\"urn:oasis:names:tc:SAML:1.1:protocol urn:mace:shibboleth:1.0 {PROTOCOL}\""),
    );
    let commented = swap(&plain, "<md:NameIDFormat>urn:f1", "<!-- a comment -->\n<md:NameIDFormat>urn:f1");
    let (_, entity) = plain.split_once('\n').unwrap();
    let wrapped = format!(
        "<md:EntitiesDescriptor xmlns:md=\"urn:oasis:names:tc:SAML:2.0:metadata\">{entity}</md:EntitiesDescriptor>"
    );
    let nested = format!(
        "<md:EntitiesDescriptor xmlns:md=\"urn:oasis:names:tc:SAML:2.0:metadata\"><md:EntityDescriptor entityID=\"sp\"><md:SPSSODescriptor protocolSupportEnumeration=\"{PROTOCOL}\"/></md:EntityDescriptor><md:EntitiesDescriptor>{entity}</md:EntitiesDescriptor></md:EntitiesDescriptor>"
    );
    let with_mark = format!("\u{feff}{plain}");
    for xml in [line_broken, default_namespace, adfs, both_versions, commented, wrapped, nested, with_mark] {
        let metadata = parse(&xml).unwrap_or_else(|error| panic!("{error}: {xml}"));
        assert_eq!(metadata.entity_id, IDP, "{xml}");
        assert_eq!(metadata.signing_certificates, [certificate("idp")], "{xml}");
    }
}

#[test]
fn s33_bombs_and_external_entities_are_refused() {
    let xml = template();
    let (declaration, entity) = xml.split_once('\n').unwrap();
    refused(
        "markup_declaration",
        &format!("{declaration}<!DOCTYPE x [<!ENTITY x SYSTEM \"file:///etc/passwd\">]>{entity}"),
    );
    refused(
        "markup_declaration",
        &format!("{declaration}<!DOCTYPE x [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;\">]>{entity}"),
    );
    refused("entity_reference", &swap(&xml, "urn:f1", "&x;"));
    refused(
        "too_deep",
        &swap(
            &xml,
            "<md:NameIDFormat>urn:f1",
            &format!("{}{}<md:NameIDFormat>urn:f1", "<a>".repeat(1000), "</a>".repeat(1000)),
        ),
    );
    refused("too_large", &format!("{xml}{}", " ".repeat(1024 * 1024)));
    refused(
        "too_many_elements",
        &swap(&xml, "<md:NameIDFormat>urn:f1", &format!("{}<md:NameIDFormat>urn:f1", "<a/>".repeat(50_000))),
    );
    refused("malformed_xml", "");
    refused("malformed_xml", &xml.replace("</md:IDPSSODescriptor>", ""));
    refused("not_metadata", "<html><body>Sign in</body></html>");
    refused("not_metadata", &crate::forge::template());
}

#[test]
fn s33_several_or_no_providers_are_refused() {
    let xml = template();
    let (_, entity) = xml.split_once('\n').unwrap();
    let group = |entities: &str| {
        format!(
            "<md:EntitiesDescriptor xmlns:md=\"urn:oasis:names:tc:SAML:2.0:metadata\">{entities}</md:EntitiesDescriptor>"
        )
    };
    let second = entity.replace(IDP, "https://second.example");
    refused("several_identity_providers", &group(&format!("{entity}{second}")));
    refused("several_identity_providers", &group(&format!("{entity}{}", group(&second))));
    refused("no_identity_provider", &group(""));
    refused("no_identity_provider", &xml.replace("IDPSSODescriptor", "SPSSODescriptor"));
    refused(
        "no_identity_provider",
        &swap(&xml, &format!("\"{PROTOCOL}\""), "\"urn:oasis:names:tc:SAML:1.1:protocol\""),
    );
    refused("no_identity_provider", &swap(&xml, &format!(" protocolSupportEnumeration=\"{PROTOCOL}\""), ""));
    refused(
        "no_identity_provider",
        &swap(
            &xml,
            "urn:oasis:names:tc:SAML:2.0:metadata\" entityID",
            "urn:oasis:names:tc:SAML:2.0:metadata\" xmlns:x=\"urn:x\" entityID",
        )
        .replace("md:IDPSSODescriptor", "x:IDPSSODescriptor"),
    );
    assert_eq!(
        parse(&group(&format!("{entity}{second}"))).unwrap_err(),
        MetadataError::SeveralIdentityProviders { count: 2 }
    );
}

#[test]
fn s33_expired_metadata_is_refused() {
    let with =
        |element: &str, until: &str| swap(&template(), element, &format!("{element} validUntil=\"{until}\""));
    for element in ["<md:EntityDescriptor", "<md:IDPSSODescriptor"] {
        refused("metadata_expired", &with(element, "2026-11-20T10:00:00Z"));
        refused("metadata_expired", &with(element, "2020-01-01T00:00:00Z"));
        refused("malformed_time", &with(element, "soon"));
        assert_eq!(parse(&with(element, "2026-11-20T10:00:00.001Z")).unwrap().valid_until, Some(NOW + 1));
    }
    let both = with("<md:EntityDescriptor", "2027-01-01T00:00:00Z")
        .replace("<md:IDPSSODescriptor", "<md:IDPSSODescriptor validUntil=\"2026-12-01T00:00:00Z\"");
    assert_eq!(parse(&both).unwrap().valid_until, Some(1_796_083_200_000));
    let text = parse(&with("<md:EntityDescriptor", "2020-01-01T00:00:00Z")).unwrap_err().to_string();
    assert!(text.contains("2020-01-01T00:00:00.000Z"), "{text}");
}

#[test]
fn s33_incomplete_metadata_is_refused() {
    let xml = template();
    refused("entity_id_missing", &swap(&xml, &format!(" entityID=\"{IDP}\""), ""));
    refused("entity_id_missing", &swap(&xml, &format!("entityID=\"{IDP}\""), "entityID=\"\""));
    refused("signing_certificate_missing", &swap(&xml, &key(" use=\"signing\"", "idp"), ""));
    refused("signing_certificate_missing", &swap(&xml, "use=\"signing\"", "use=\"encryption\""));
    let without = swap(&swap(&xml, "HTTP-POST", "SOAP"), "HTTP-Redirect", "HTTP-Artifact");
    refused("sign_on_url_missing", &without);
    for url in [
        "",
        "javascript:alert(1)",
        "ftp://idp.example.com/",
        "file:///etc/passwd",
        "//idp.example.com/",
        "/sso",
        "https://",
        "https:///sso",
        "http://?x",
        "https://idp.example.com/ x",
        "https://idp.example.com/&#10;x",
        "https://idp.example.com/&quot;&gt;",
        "https:\\\\idp.example.com",
        "data:text/html,x",
        "https://idp.example.com/é",
    ] {
        refused("bad_sign_on_url", &swap(&xml, "https://idp.example.com/post", url));
    }
    assert_eq!(
        parse(&swap(&xml, "https://idp.example.com/post", "http://localhost:8080/sso"))
            .unwrap()
            .sso_post_url
            .as_deref(),
        Some("http://localhost:8080/sso")
    );
    let post_only = swap(&xml, &service(REDIRECT, "https://idp.example.com/redirect?x=1&amp;y=2"), "");
    assert_eq!(parse(&post_only).unwrap().sso_redirect_url, None);
}

#[test]
fn s33_weak_and_damaged_certificates_are_refused_by_name() {
    let own = certificate_base64("idp");
    for (name, code) in [
        ("rsa1024", "rsa_key_too_short"),
        ("rsa512", "rsa_key_too_short"),
        ("dsa", "dsa_key"),
        ("explicit-ec", "explicit_parameters_ec"),
        ("p521", "unsupported_key"),
    ] {
        refused(code, &swap(&template(), &own, &certificate_base64(name)));
        // Beside a good one, too: what is listed is meant.
        let two = [key(" use=\"signing\"", "idp"), key(" use=\"signing\"", name)].concat();
        refused(code, &swap(&template(), &key(" use=\"signing\"", "idp"), &two));
    }
    for damaged in ["", "AAAA", "not base64", &format!("<x/>{own}"), &format!("<!-- x -->{own}")] {
        refused("malformed_certificate", &swap(&template(), &own, damaged));
    }
    let many: String = ["idp", "other", "attacker", "p256", "p384", "rsa4096", "expired", "attacker-leaf"]
        .iter()
        .map(|name| key("", name))
        .collect();
    assert_eq!(
        parse(&swap(&template(), &key(" use=\"signing\"", "idp"), &many)).unwrap().signing_certificates.len(),
        8
    );
}

#[test]
fn our_own_metadata_says_what_it_must() {
    let xml = sp_metadata(&SpMetadata { entity_id: "https://x/?a=1&b=\"2\"", acs_url: ACS });
    let document = roxmltree::Document::parse(&xml).unwrap();
    let root = document.root_element();
    assert_eq!(root.attribute("entityID"), Some("https://x/?a=1&b=\"2\""));
    let role = root.first_element_child().unwrap();
    assert_eq!(role.tag_name().name(), "SPSSODescriptor");
    assert_eq!(role.attribute("protocolSupportEnumeration"), Some(PROTOCOL));
    assert_eq!(role.attribute("WantAssertionsSigned"), Some("true"));
    let service = role.last_element_child().unwrap();
    assert_eq!(service.tag_name().name(), "AssertionConsumerService");
    assert_eq!((service.attribute("Binding"), service.attribute("Location")), (Some(POST), Some(ACS)));
    assert_eq!(service.attribute("index"), Some("0"));
    assert_eq!(
        parse(&sp_metadata(&SpMetadata { entity_id: SP, acs_url: ACS })).unwrap_err().code(),
        "no_identity_provider"
    );
}

#[test]
fn the_built_in_providers_metadata_is_read_back() {
    let certificate = certificate("idp");
    let sso_url = "https://auth.example.com/_portcullis/idp/sso?a=1&b=2";
    let metadata =
        parse(&idp_metadata(&BuiltInIdp { entity_id: IDP, sso_url, certificate: &certificate })).unwrap();
    assert_eq!(metadata.entity_id, IDP);
    assert_eq!(
        (metadata.sso_redirect_url.as_deref(), metadata.sso_post_url.as_deref()),
        (Some(sso_url), Some(sso_url))
    );
    assert_eq!(metadata.signing_certificates, [certificate]);
}
