//! The metadata we publish.

use super::REDIRECT_BINDING;
use crate::certificate::Certificate;
use crate::request::POST_BINDING;
use crate::xml::{METADATA, PROTOCOL, SIGNATURE, push_attribute, push_text};

/// Our side of one connection.
#[derive(Debug, Clone)]
pub struct SpMetadata<'a> {
    /// Our entity id.
    pub entity_id: &'a str,
    /// The assertion consumer service URL that responses are posted to.
    pub acs_url: &'a str,
}

/// The built-in test identity provider.
#[derive(Debug, Clone)]
pub struct BuiltInIdp<'a> {
    /// Its entity id.
    pub entity_id: &'a str,
    /// Its sign-on URL, for HTTP-Redirect and HTTP-POST.
    pub sso_url: &'a str,
    /// The certificate of its signing key.
    pub certificate: &'a Certificate,
}

/// Writes the metadata that an identity provider reads about us.
pub fn sp_metadata(metadata: &SpMetadata<'_>) -> String {
    let mut xml = String::with_capacity(1024);
    open_entity(&mut xml, metadata.entity_id);
    xml.push_str("<md:SPSSODescriptor");
    push_attribute(&mut xml, "AuthnRequestsSigned", "false");
    push_attribute(&mut xml, "WantAssertionsSigned", "true");
    push_attribute(&mut xml, "protocolSupportEnumeration", PROTOCOL);
    xml.push_str("><md:NameIDFormat>urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified</md:NameIDFormat>");
    xml.push_str("<md:AssertionConsumerService");
    push_attribute(&mut xml, "Binding", POST_BINDING);
    push_attribute(&mut xml, "Location", metadata.acs_url);
    push_attribute(&mut xml, "index", "0");
    push_attribute(&mut xml, "isDefault", "true");
    xml.push_str("></md:AssertionConsumerService></md:SPSSODescriptor></md:EntityDescriptor>\n");
    xml
}

/// Writes the built-in identity provider's metadata.
pub fn idp_metadata(idp: &BuiltInIdp<'_>) -> String {
    let mut xml = String::with_capacity(4096);
    open_entity(&mut xml, idp.entity_id);
    xml.push_str("<md:IDPSSODescriptor");
    push_attribute(&mut xml, "WantAuthnRequestsSigned", "false");
    push_attribute(&mut xml, "protocolSupportEnumeration", PROTOCOL);
    xml.push_str("><md:KeyDescriptor use=\"signing\"><ds:KeyInfo");
    push_attribute(&mut xml, "xmlns:ds", SIGNATURE);
    xml.push_str("><ds:X509Data><ds:X509Certificate>");
    push_text(&mut xml, &idp.certificate.base64());
    xml.push_str("</ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor>");
    xml.push_str("<md:NameIDFormat>urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress</md:NameIDFormat>");
    for binding in [REDIRECT_BINDING, POST_BINDING] {
        xml.push_str("<md:SingleSignOnService");
        push_attribute(&mut xml, "Binding", binding);
        push_attribute(&mut xml, "Location", idp.sso_url);
        xml.push_str("></md:SingleSignOnService>");
    }
    xml.push_str("</md:IDPSSODescriptor></md:EntityDescriptor>\n");
    xml
}

fn open_entity(xml: &mut String, entity_id: &str) {
    xml.push_str("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<md:EntityDescriptor");
    push_attribute(xml, "xmlns:md", METADATA);
    push_attribute(xml, "entityID", entity_id);
    xml.push('>');
}
