//! Signatures by `xmlsec1` are accepted here; ours are accepted by `xmlsec1` and bergshamra; and no changed document
//! gets through that says another identity.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use saml::issue::{IssueError, IssueResponse, SignedPart, SigningKey};
use saml::response::{Expected, verify};

use crate::forge::oracle::{bergshamra_verifies, xmlsec1_sign, xmlsec1_verifies};
use crate::forge::random::{Random, rounds};
use crate::forge::sign::{EXCLUSIVE, INCLUSIVE, Spec, signature_xml};
use crate::forge::{
    ACS, ASSERTION_ID, FORMS, Form, IDP, NOW, REQUEST, RESPONSE_ID, SP, USER, assert_is_alice, expected,
    keys, sign_form, signed, template,
};
use crate::vendors::shapes;

/// Signs like [`sign_form`], but with `xmlsec1`.
fn sign_with_xmlsec1(xml: &str, form: Form, spec: &Spec) -> String {
    let mut xml = xml.to_owned();
    if form != Form::Response {
        xml = xmlsec1_sign(&insert_template(&xml, ASSERTION_ID, spec), "Assertion", spec.key);
    }
    if form != Form::Assertion {
        xml = xmlsec1_sign(&insert_template(&xml, RESPONSE_ID, spec), "Response", spec.key);
    }
    xml
}

/// Puts a signature with neither digest nor value after the issuer of the element `id`.
fn insert_template(xml: &str, id: &str, spec: &Spec) -> String {
    let document = roxmltree::Document::parse(xml).unwrap();
    let node = crate::forge::element_with_id(&document, id);
    let issuer = node.first_element_child().filter(|child| child.tag_name().name() == "Issuer");
    let at = issuer.map_or_else(|| node.first_child().unwrap().range().start, |issuer| issuer.range().end);
    // With an X509Data of ours, xmlsec1 would put its own certificates into it.
    let spec = Spec { key_info: None, ..spec.clone() };
    let signature = signature_xml(&spec, id, "").replace("UNSIGNED", "");
    format!("{}{signature}{}", &xml[..at], &xml[at..])
}

#[test]
fn responses_signed_by_xmlsec1_are_accepted_in_every_shape() {
    for shape in shapes() {
        for form in FORMS {
            if shape.name == "minimal" && form != Form::Assertion {
                continue;
            }
            let xml = sign_with_xmlsec1(&shape.xml, form, &shape.spec);
            crate::forge::assert_accepted(&format!("{} / {form:?}", shape.name), &xml);
        }
    }
}

#[test]
fn responses_signed_by_xmlsec1_are_accepted_with_every_algorithm() {
    let signatures = ["sha256", "sha384", "sha512"];
    let digests = [
        "http://www.w3.org/2001/04/xmlenc#sha256",
        "http://www.w3.org/2001/04/xmldsig-more#sha384",
        "http://www.w3.org/2001/04/xmlenc#sha512",
    ];
    for (key, family) in [("idp", "rsa"), ("rsa4096", "rsa"), ("p256", "ecdsa"), ("p384", "ecdsa")] {
        for (hash, digest_method) in signatures.into_iter().zip(digests) {
            let signature_method = format!("http://www.w3.org/2001/04/xmldsig-more#{family}-{hash}").leak();
            let forms = [Some(EXCLUSIVE), Some(INCLUSIVE), None];
            for content_form in forms {
                let spec = Spec { key, signature_method, digest_method, content_form, ..Spec::default() };
                let xml = sign_with_xmlsec1(&template(), Form::Both, &spec);
                let verified = verify(&STANDARD.encode(xml), &expected(&[keys::certificate(key)]));
                assert_is_alice(signature_method, &verified.unwrap());
            }
        }
    }
}

#[test]
fn sha1_signatures_by_xmlsec1_are_accepted_only_where_allowed() {
    let spec = Spec {
        signature_method: "http://www.w3.org/2000/09/xmldsig#rsa-sha1",
        digest_method: "http://www.w3.org/2000/09/xmldsig#sha1",
        ..Spec::default()
    };
    let pinned = [keys::certificate("idp")];
    for form in FORMS {
        let encoded = STANDARD.encode(sign_with_xmlsec1(&template(), form, &spec));
        assert_eq!(verify(&encoded, &expected(&pinned)).unwrap_err().code(), "sha1_not_allowed");
        let allowing = Expected { allow_sha1: true, ..expected(&pinned) };
        assert_is_alice("SHA-1", &verify(&encoded, &allowing).unwrap());
    }
    let spec = Spec {
        key: "p256",
        signature_method: "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha1",
        ..Spec::default()
    };
    let xml = sign_with_xmlsec1(&template(), Form::Assertion, &spec);
    let pinned = [keys::certificate("p256")];
    let allowing = Expected { allow_sha1: true, ..expected(&pinned) };
    assert_eq!(verify(&STANDARD.encode(xml), &allowing).unwrap_err().code(), "algorithm_not_allowed");
}

fn signing_key() -> SigningKey {
    SigningKey::from_pkcs8(&keys::pkcs8("idp"), keys::certificate("idp")).unwrap()
}

fn issue<'a>(sign: SignedPart, attributes: &'a [(&'a str, &'a [&'a str])]) -> IssueResponse<'a> {
    IssueResponse {
        response_id: RESPONSE_ID,
        assertion_id: ASSERTION_ID,
        issue_instant: NOW,
        issuer: IDP,
        audience: SP,
        acs_url: ACS,
        in_response_to: Some(REQUEST),
        name_id: USER,
        name_id_format: "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress",
        session_index: "_session",
        attributes,
        not_on_or_after: NOW + 300_000,
        sign,
    }
}

#[test]
fn issued_responses_are_accepted_by_us_xmlsec1_and_bergshamra() {
    let odd = ["<&>\"'", "é😀", " spaces ", "two\nlines", "tab\t", "carriage\rreturn", "", "]]>"];
    let attributes: [(&str, &[&str]); 3] =
        [("email", &[USER]), ("groups", &odd), ("a \"name\" & more", &["x"])];
    for (sign, signed) in [
        (SignedPart::Assertion, &["Assertion"][..]),
        (SignedPart::Response, &["Response"]),
        (SignedPart::Both, &["Assertion", "Response"]),
    ] {
        for attributes in [&attributes[..1], &attributes[..]] {
            let encoded = issue(sign, attributes).to_base64(&signing_key()).unwrap();
            let verified = verify(&encoded, &expected(&[keys::certificate("idp")])).unwrap();
            assert_is_alice("issued", &verified);
            for ((name, values), attribute) in attributes.iter().zip(&verified.attributes) {
                assert_eq!(
                    (attribute.name.as_str(), attribute.values.as_slice()),
                    (*name, &values.iter().map(|value| (*value).to_owned()).collect::<Vec<_>>()[..])
                );
            }
            let xml = String::from_utf8(STANDARD.decode(&encoded).unwrap()).unwrap();
            for parent in signed {
                assert!(xmlsec1_verifies(&xml, parent, "idp"), "{parent} of {xml}");
                assert!(!xmlsec1_verifies(&xml, parent, "other"), "the oracle tells keys apart");
            }
            assert_eq!(bergshamra_verifies(&xml, "idp"), Ok(()));
            assert!(bergshamra_verifies(&xml, "other").is_err());
        }
    }
}

#[test]
fn an_unsolicited_response_is_issued_without_a_request_and_refused() {
    let response = IssueResponse { in_response_to: None, ..issue(SignedPart::Both, &[("email", &[USER])]) };
    let encoded = response.to_base64(&signing_key()).unwrap();
    let refusal = verify(&encoded, &expected(&[keys::certificate("idp")])).unwrap_err();
    assert_eq!(refusal.code(), "unsolicited_response");
}

#[test]
fn what_cannot_be_issued_is_an_error() {
    let key = signing_key();
    let good = issue(SignedPart::Both, &[]);
    for response in [
        IssueResponse { assertion_id: RESPONSE_ID, ..good.clone() },
        IssueResponse { assertion_id: "a b", ..good.clone() },
        IssueResponse { response_id: "", ..good.clone() },
        IssueResponse { name_id: "nul\0", ..good.clone() },
        IssueResponse { acs_url: "https://x/\u{1}", sign: SignedPart::Assertion, ..good.clone() },
    ] {
        assert_eq!(response.to_base64(&key), Err(IssueError::Unrepresentable), "{response:?}");
    }
    let pkcs8 = keys::pkcs8("idp");
    let error = |pkcs8: &[u8], certificate| {
        SigningKey::from_pkcs8(pkcs8, keys::certificate(certificate)).unwrap_err()
    };
    assert_eq!(error(&pkcs8, "other"), IssueError::CertificateMismatch);
    assert_eq!(error(&keys::pkcs8("p256"), "p256"), IssueError::BadKey);
    assert_eq!(error(b"", "idp"), IssueError::BadKey);
}

#[test]
fn what_we_accept_the_others_accept() {
    for shape in shapes() {
        for form in FORMS {
            let xml = sign_form(&shape.xml, form, &shape.spec);
            let parents = match form {
                Form::Assertion => &["Assertion"][..],
                Form::Response => &["Response"],
                Form::Both => &["Assertion", "Response"],
            };
            for parent in parents {
                assert!(xmlsec1_verifies(&xml, parent, "idp"), "{} / {form:?}: {xml}", shape.name);
            }
            assert_eq!(bergshamra_verifies(&xml, "idp"), Ok(()), "{} / {form:?}: {xml}", shape.name);
        }
    }
}

/// Changes a document at random: bytes, pieces, tags, whole elements.
fn mutate(random: &mut Random, xml: &str) -> Vec<u8> {
    const PIECES: [&str; 22] = [
        "<",
        ">",
        "/>",
        "&",
        "\"",
        "'",
        "=",
        " ",
        "\r\n",
        "<!---->",
        "<!--",
        "-->",
        "<?x?>",
        "<![CDATA[",
        "&#97;",
        "xmlns=\"\"",
        "xmlns:saml2=\"urn:x\"",
        " ID=\"_assertion-0001\"",
        "<x/>",
        "é",
        "\u{feff}",
        "</saml2:Assertion>",
    ];
    let mut bytes = xml.as_bytes().to_vec();
    for _ in 0..=random.below(3) {
        let at = random.below(bytes.len());
        match random.below(10) {
            0 => bytes[at] = u8::try_from(random.below(256)).unwrap(),
            1 => {
                bytes.remove(at);
            }
            2 => {
                let piece = random.pick(&PIECES);
                bytes.splice(at..at, piece.bytes());
            }
            3 => {
                let end = (at + random.below(200)).min(bytes.len());
                bytes.drain(at..end);
            }
            4 => {
                let end = (at + random.below(400)).min(bytes.len());
                let piece = bytes[at..end].to_vec();
                let to = random.below(bytes.len());
                bytes.splice(to..to, piece);
            }
            5..=8 => {
                // An element moved or doubled, which keeps the document well-formed more often.
                if let Some(changed) = move_element(random, &bytes) {
                    bytes = changed;
                }
            }
            _ => bytes[at] ^= 1 << random.below(8),
        }
        if bytes.is_empty() {
            bytes.push(b'<');
        }
    }
    bytes
}

/// Copies one element, changed or not, to before or inside another, and sometimes removes the first.
fn move_element(random: &mut Random, bytes: &[u8]) -> Option<Vec<u8>> {
    let xml = std::str::from_utf8(bytes).ok()?;
    let document = roxmltree::Document::parse(xml).ok()?;
    let ranges: Vec<_> = document
        .root_element()
        .descendants()
        .filter(|node| node.is_element())
        .map(|node| node.range())
        .collect();
    let (from, to) = (ranges[random.below(ranges.len())].clone(), ranges[random.below(ranges.len())].clone());
    let mut piece = xml[from.clone()].to_owned();
    if random.once_in(2) {
        piece = piece.replace(USER, crate::forge::EVIL);
    }
    let at = if random.once_in(2) { to.start } else { to.start + xml[to.clone()].find('>')? + 1 };
    let mut changed = xml.to_owned();
    if random.once_in(2) && at <= from.start {
        changed.replace_range(from, "");
    }
    changed.insert_str(at.min(changed.len()), &piece);
    Some(changed.into_bytes())
}

#[test]
fn no_changed_document_is_accepted_as_somebody_else() {
    let (at_form, originals): (Vec<Form>, Vec<String>) = shapes()
        .into_iter()
        .map(|shape| (shape.form, (shape.finish)(sign_form(&shape.xml, shape.form, &shape.spec))))
        .chain(FORMS.map(|form| (form, signed(form))))
        .unzip();
    let pinned = [keys::certificate("idp")];
    let expected = expected(&pinned);
    let genuine: Vec<_> =
        originals.iter().map(|xml| verify(&STANDARD.encode(xml), &expected).unwrap()).collect();
    let mut random = Random::new(7);
    let (mut accepted, mut refused, mut disputed) = (0, 0, 0);
    let mut codes = std::collections::BTreeMap::new();
    for round in 0..rounds(6000) {
        let at = round % originals.len();
        let bytes = mutate(&mut random, &originals[at]);
        match verify(&STANDARD.encode(&bytes), &expected) {
            Ok(verified) => {
                accepted += 1;
                let (mut ours, mut theirs) = (verified, genuine[at].clone());
                // The envelope of a signed assertion is not signed; nor does it say who anybody is.
                ours.response_id.clear();
                theirs.response_id.clear();
                let text = String::from_utf8_lossy(&bytes);
                assert_eq!(ours, theirs, "round {round}: {text}");
                // What changes nothing that was signed, another implementation accepts too.
                let others = bergshamra_verifies(&text, "idp");
                if others.is_err() {
                    disputed += 1;
                    let is_response_signed = at_form[at] == Form::Response;
                    let parent = if is_response_signed { "Response" } else { "Assertion" };
                    assert!(xmlsec1_verifies(&text, parent, "idp"), "round {round}: {others:?} {text}");
                }
            }
            Err(refusal) => {
                refused += 1;
                *codes.entry(refusal.code()).or_insert(0) += 1;
            }
        }
    }
    // The changes are neither all harmless nor all plain damage.
    eprintln!("{accepted} accepted, {disputed} of them disputed, {refused} refused: {codes:?}");
    assert!(accepted > 10 && refused > 1000, "{accepted} {refused}");
    assert!(codes.len() > 15, "{codes:?}");
}

#[test]
fn noise_never_panics() {
    let mut random = Random::new(8);
    let pinned = [keys::certificate("idp")];
    let original = signed(Form::Both);
    for _ in 0..rounds(2000) {
        let length = random.below(300);
        let noise: Vec<u8> = (0..length).map(|_| u8::try_from(random.below(256)).unwrap()).collect();
        assert!(verify(&STANDARD.encode(&noise), &expected(&pinned)).is_err());
        let text: String = noise.iter().map(|byte| char::from(*byte)).collect();
        assert!(verify(&text, &expected(&pinned)).is_err());
        let markup: String = noise
            .iter()
            .map(|byte| *b"<>/=\"' axm:lns!-?&;#[]".get(usize::from(*byte) % 24).unwrap_or(&b'x') as char)
            .collect();
        assert!(verify(&STANDARD.encode(&markup), &expected(&pinned)).is_err());
        let cut = random.below(original.len());
        assert!(verify(&STANDARD.encode(&original[..cut]), &expected(&pinned)).is_err());
    }
}
