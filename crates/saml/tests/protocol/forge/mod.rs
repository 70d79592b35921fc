//! Forges responses: text templates, a signer that signs whatever it is told to, and the expectations of one
//! connection.

pub mod keys;
pub mod oracle;
pub mod random;
pub mod sign;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use saml::certificate::Certificate;
use saml::response::{Expected, Refusal, Verified, verify};

use sign::{Spec, sign};

pub const IDP: &str = "https://idp.example.com/metadata";
pub const SP: &str = "https://auth.example.com/saml/conn_01";
pub const ACS: &str = "https://auth.example.com/sso/saml/acs/conn_01";
pub const REQUEST: &str = "_request-0001";
pub const USER: &str = "alice@example.com";
pub const EVIL: &str = "admin@example.com";
pub const RESPONSE_ID: &str = "_response-0001";
pub const ASSERTION_ID: &str = "_assertion-0001";
/// 2026-11-20T10:00:00Z
pub const NOW: i64 = 1_795_168_800_000;

/// Which parts are signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    Assertion,
    Response,
    Both,
}

pub const FORMS: [Form; 3] = [Form::Assertion, Form::Response, Form::Both];

/// An unsigned response, in the shape most identity providers give it.
pub fn template() -> String {
    format!(
        r#"<saml2p:Response xmlns:saml2p="urn:oasis:names:tc:SAML:2.0:protocol" Destination="{ACS}" ID="{RESPONSE_ID}" InResponseTo="{REQUEST}" IssueInstant="2026-11-20T09:59:58.123Z" Version="2.0"><saml2:Issuer xmlns:saml2="urn:oasis:names:tc:SAML:2.0:assertion" Format="urn:oasis:names:tc:SAML:2.0:nameid-format:entity">{IDP}</saml2:Issuer><saml2p:Status><saml2p:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Success"/></saml2p:Status><saml2:Assertion xmlns:saml2="urn:oasis:names:tc:SAML:2.0:assertion" ID="{ASSERTION_ID}" IssueInstant="2026-11-20T09:59:58.123Z" Version="2.0"><saml2:Issuer Format="urn:oasis:names:tc:SAML:2.0:nameid-format:entity">{IDP}</saml2:Issuer><saml2:Subject><saml2:NameID Format="urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress">{USER}</saml2:NameID><saml2:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer"><saml2:SubjectConfirmationData InResponseTo="{REQUEST}" NotOnOrAfter="2026-11-20T10:05:00.000Z" Recipient="{ACS}"/></saml2:SubjectConfirmation></saml2:Subject><saml2:Conditions NotBefore="2026-11-20T09:55:00.000Z" NotOnOrAfter="2026-11-20T10:05:00.000Z"><saml2:AudienceRestriction><saml2:Audience>{SP}</saml2:Audience></saml2:AudienceRestriction></saml2:Conditions><saml2:AuthnStatement AuthnInstant="2026-11-20T09:59:50.000Z" SessionIndex="_session-0001"><saml2:AuthnContext><saml2:AuthnContextClassRef>urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport</saml2:AuthnContextClassRef></saml2:AuthnContext></saml2:AuthnStatement><saml2:AttributeStatement><saml2:Attribute Name="id" NameFormat="urn:oasis:names:tc:SAML:2.0:attrname-format:basic"><saml2:AttributeValue xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="xs:string">00u1</saml2:AttributeValue></saml2:Attribute><saml2:Attribute Name="email"><saml2:AttributeValue>{USER}</saml2:AttributeValue></saml2:Attribute><saml2:Attribute FriendlyName="Groups" Name="groups"><saml2:AttributeValue>engineering</saml2:AttributeValue><saml2:AttributeValue>everyone</saml2:AttributeValue></saml2:Attribute></saml2:AttributeStatement></saml2:Assertion></saml2p:Response>"#
    )
}

/// Replaces every `from`; there must be one.
#[track_caller]
pub fn swap(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "nothing to replace: {from} in {text}");
    text.replace(from, to)
}

/// Replaces the first `from`; there must be one.
#[track_caller]
pub fn swap_first(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "nothing to replace: {from} in {text}");
    text.replacen(from, to, 1)
}

/// Replaces the last `from`; there must be one.
#[track_caller]
pub fn swap_last(text: &str, from: &str, to: &str) -> String {
    let (before, after) =
        text.rsplit_once(from).unwrap_or_else(|| panic!("nothing to replace: {from} in {text}"));
    format!("{before}{to}{after}")
}

/// Signs the parts that `form` says, the assertion first.
pub fn sign_form(xml: &str, form: Form, spec: &Spec) -> String {
    let mut xml = xml.to_owned();
    if form != Form::Response {
        xml = sign(&xml, ASSERTION_ID, spec);
    }
    if form != Form::Assertion {
        xml = sign(&xml, RESPONSE_ID, spec);
    }
    xml
}

/// The template, signed as `form` says with the pinned key.
pub fn signed(form: Form) -> String {
    sign_form(&template(), form, &Spec::default())
}

/// What the connection under attack expects.
pub fn expected(certificates: &[Certificate]) -> Expected<'_> {
    Expected {
        idp_entity_id: IDP,
        sp_entity_id: SP,
        acs_url: ACS,
        in_response_to: REQUEST,
        now: NOW,
        certificates,
        allow_sha1: false,
    }
}

/// Posts a document to the connection that pins the key `idp`.
pub fn post(xml: &str) -> Result<Verified, Refusal> {
    post_bytes(xml.as_bytes())
}

pub fn post_bytes(bytes: &[u8]) -> Result<Verified, Refusal> {
    verify(&STANDARD.encode(bytes), &expected(&[keys::certificate("idp")]))
}

/// Asserts that a document is accepted, with the right person.
#[track_caller]
pub fn assert_accepted(name: &str, xml: &str) -> Verified {
    let verified = post(xml).unwrap_or_else(|refusal| panic!("{name}: {} {refusal}\n{xml}", refusal.code()));
    assert_is_alice(name, &verified);
    verified
}

#[track_caller]
pub fn assert_is_alice(name: &str, verified: &Verified) {
    assert_eq!(verified.name_id.as_ref().unwrap().value, USER, "{name}");
    assert_eq!(verified.assertion_id, ASSERTION_ID, "{name}");
    assert_eq!(verified.issuer, IDP, "{name}");
    let email = verified.attributes.iter().find(|attribute| attribute.name == "email").unwrap();
    assert_eq!(email.values, [USER], "{name}");
}

/// Asserts that a document is refused, for one of the reasons in `codes` (separated by `|`), at once.
#[track_caller]
pub fn assert_refused(name: &str, codes: &str, xml: &str) {
    assert_refused_bytes(name, codes, xml.as_bytes());
}

#[track_caller]
pub fn assert_refused_bytes(name: &str, codes: &str, bytes: &[u8]) {
    let started = std::time::Instant::now();
    let refusal = match post_bytes(bytes) {
        Ok(verified) => panic!("{name}: accepted as {verified:?}\n{}", String::from_utf8_lossy(bytes)),
        Err(refusal) => refusal,
    };
    let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(10_000)]);
    assert!(
        codes.split('|').any(|code| code == refusal.code()),
        "{name}: {} {refusal}\n{shown}",
        refusal.code()
    );
    assert!(!refusal.to_string().is_empty());
    assert!(started.elapsed().as_millis() < 1000, "{name} took {:?}", started.elapsed());
}

/// For each form: the unchanged document is accepted and the changed one refused.
#[track_caller]
pub fn attack(name: &str, codes: &str, change: impl Fn(&str) -> String) {
    attack_forms(name, [codes; 3], change);
}

/// Like [`attack`], with the reasons for each of [`FORMS`].
#[track_caller]
pub fn attack_forms(name: &str, codes: [&str; 3], change: impl Fn(&str) -> String) {
    for (form, codes) in FORMS.into_iter().zip(codes) {
        let original = signed(form);
        let name = format!("{name} / {form:?}");
        assert_accepted(&name, &original);
        let changed = change(&original);
        assert_ne!(changed, original, "{name} changes nothing");
        assert_refused(&name, codes, &changed);
    }
}

/// For each form: signed after the change, so that only what it says can be wrong.
#[track_caller]
pub fn attack_before_signing(name: &str, codes: &str, change: impl Fn(&str) -> String) {
    for form in FORMS {
        assert_accepted(name, &signed(form));
        let changed = change(&template());
        assert_ne!(changed, template(), "{name} changes nothing");
        assert_refused(&format!("{name} / {form:?}"), codes, &sign_form(&changed, form, &Spec::default()));
    }
}

/// The element with this ID; roxmltree's own look-up by name takes an attribute of any namespace.
pub fn element_with_id<'a, 'i>(document: &'a roxmltree::Document<'i>, id: &str) -> roxmltree::Node<'a, 'i> {
    let is_own =
        |a: &roxmltree::Attribute<'_, '_>| a.namespace().is_none() && a.name() == "ID" && a.value() == id;
    document.descendants().find(|node| node.attributes().any(|a| is_own(&a))).expect("an element with the id")
}

/// The text of the element with this ID, and of the parts that attacks move about.
pub fn element_text(xml: &str, id: &str) -> String {
    let document = roxmltree::Document::parse(xml).unwrap();
    let node = element_with_id(&document, id);
    xml[node.range()].to_owned()
}

/// The text of the signature that is a child of the element with this ID.
pub fn signature_text(xml: &str, id: &str) -> Option<String> {
    let document = roxmltree::Document::parse(xml).unwrap();
    let node = element_with_id(&document, id);
    let signature = node.children().find(|child| child.tag_name().name() == "Signature")?;
    Some(xml[signature.range()].to_owned())
}
