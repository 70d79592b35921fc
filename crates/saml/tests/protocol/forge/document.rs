//! Documents: text templates, and the parts of them that attacks move about.

use super::sign::{Spec, sign};

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
