//! Signed responses of the built-in test identity provider: real ones, which any service provider can verify.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair};

use crate::algorithm::Hash;
use crate::c14n::{Canonicalization, canonicalize};
use crate::certificate::Certificate;
use crate::encoding::encode_base64;
use crate::time::format_datetime;
use crate::xml::{self, ASSERTION, EXCLUSIVE, PROTOCOL, SIGNATURE, push_attribute, push_text};

/// An RSA signing key and its certificate.
pub struct SigningKey {
    key: RsaKeyPair,
    certificate: Certificate,
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("SigningKey").field("certificate", &self.certificate).finish_non_exhaustive()
    }
}

/// Which part of a response is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignedPart {
    /// The assertion.
    Assertion,
    /// The response around it.
    Response,
    /// Both, the assertion first.
    Both,
}

/// A response about to be issued.
#[derive(Debug, Clone)]
pub struct IssueResponse<'a> {
    /// The response's id: an XML `ID`, so it starts with a letter or `_`.
    pub response_id: &'a str,
    /// The assertion's id: another XML `ID`.
    pub assertion_id: &'a str,
    /// Now, in epoch milliseconds: also when the person authenticated and when the assertion becomes valid.
    pub issue_instant: i64,
    /// The identity provider's entity id.
    pub issuer: &'a str,
    /// The service provider's entity id.
    pub audience: &'a str,
    /// The assertion consumer service URL that the response is posted to.
    pub acs_url: &'a str,
    /// The id of the request that is answered; `None` if there was none.
    pub in_response_to: Option<&'a str>,
    /// The subject.
    pub name_id: &'a str,
    /// The URI of the subject's format.
    pub name_id_format: &'a str,
    /// The session's index.
    pub session_index: &'a str,
    /// Attribute names and their values.
    pub attributes: &'a [(&'a str, &'a [&'a str])],
    /// Until when the assertion may be used, in epoch milliseconds.
    pub not_on_or_after: i64,
    /// Which part is signed.
    pub sign: SignedPart,
}

/// Why a response could not be issued.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IssueError {
    /// Not an RSA key in PKCS#8.
    #[error("The signing key is not an RSA key in PKCS#8.")]
    BadKey,
    /// The certificate is another key's.
    #[error("The certificate does not belong to the signing key.")]
    CertificateMismatch,
    /// An id or a text that XML cannot hold.
    #[error("An id is not an XML ID, or a value has a character that XML cannot hold.")]
    Unrepresentable,
    /// Signing failed.
    #[error("The signature could not be made.")]
    Signing,
}

impl SigningKey {
    /// Reads an RSA key in PKCS#8 DER and checks that it is the `certificate`'s.
    pub fn from_pkcs8(pkcs8: &[u8], certificate: Certificate) -> Result<Self, IssueError> {
        let key = RsaKeyPair::from_pkcs8(pkcs8).map_err(|_| IssueError::BadKey)?;
        if key.public_key().as_ref() != certificate.public_key() {
            return Err(IssueError::CertificateMismatch);
        }
        Ok(Self { key, certificate })
    }

    /// The certificate.
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// RSA PKCS#1 v1.5 with SHA-256, which is the same every time: the randomness only blinds the computation.
    fn sign(&self, message: &[u8]) -> Result<String, IssueError> {
        let mut signature = vec![0; self.key.public_modulus_len()];
        self.key
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature)
            .map_err(|_| IssueError::Signing)?;
        Ok(encode_base64(&signature))
    }

    /// The `ds:Signature` of an element given in canonical form.
    fn signature_of(&self, canonical: &str, id: &str) -> Result<String, IssueError> {
        let digest = encode_base64(Hash::Sha256.digest(canonical.as_bytes()).as_ref());
        // Written in canonical form, so that what is signed is what stands in the document.
        let signed_info = format!(
            "<ds:SignedInfo xmlns:ds=\"{SIGNATURE}\">\
             <ds:CanonicalizationMethod Algorithm=\"{EXCLUSIVE}\"></ds:CanonicalizationMethod>\
             <ds:SignatureMethod Algorithm=\"http://www.w3.org/2001/04/xmldsig-more#rsa-sha256\"></ds:SignatureMethod>\
             <ds:Reference URI=\"#{id}\"><ds:Transforms>\
             <ds:Transform Algorithm=\"http://www.w3.org/2000/09/xmldsig#enveloped-signature\"></ds:Transform>\
             <ds:Transform Algorithm=\"{EXCLUSIVE}\"></ds:Transform></ds:Transforms>\
             <ds:DigestMethod Algorithm=\"http://www.w3.org/2001/04/xmlenc#sha256\"></ds:DigestMethod>\
             <ds:DigestValue>{digest}</ds:DigestValue></ds:Reference></ds:SignedInfo>"
        );
        let value = self.sign(signed_info.as_bytes())?;
        let certificate = self.certificate.base64();
        Ok(format!(
            "<ds:Signature xmlns:ds=\"{SIGNATURE}\">{signed_info}<ds:SignatureValue>{value}</ds:SignatureValue>\
             <ds:KeyInfo><ds:X509Data><ds:X509Certificate>{certificate}</ds:X509Certificate></ds:X509Data></ds:KeyInfo>\
             </ds:Signature>"
        ))
    }

    /// Signs an element: `xml` is it without signature, and its issuer is its first child.
    fn sign_element(&self, element: &str, id: &str) -> Result<String, IssueError> {
        const END_OF_ISSUER: &str = "</saml:Issuer>";
        let document = xml::parse(element).map_err(|_| IssueError::Unrepresentable)?;
        let mut canonical = String::with_capacity(element.len());
        canonicalize(document.root_element(), None, &Canonicalization::EXCLUSIVE, &mut canonical)
            .map_err(|_| IssueError::Unrepresentable)?;
        let signature = self.signature_of(&canonical, id)?;
        let (issuer, rest) = element.split_once(END_OF_ISSUER).ok_or(IssueError::Unrepresentable)?;
        Ok(format!("{issuer}{END_OF_ISSUER}{signature}{rest}"))
    }
}

impl IssueResponse<'_> {
    /// Builds and signs the response: the value of the `SAMLResponse` form field.
    pub fn to_base64(&self, key: &SigningKey) -> Result<String, IssueError> {
        let ids_are_plain = xml::is_plain_id(self.response_id) && xml::is_plain_id(self.assertion_id);
        if !ids_are_plain || self.response_id == self.assertion_id {
            return Err(IssueError::Unrepresentable);
        }
        let mut assertion = self.assertion();
        if matches!(self.sign, SignedPart::Assertion | SignedPart::Both) {
            assertion = key.sign_element(&assertion, self.assertion_id)?;
        }
        let mut response = self.response(&assertion);
        if matches!(self.sign, SignedPart::Response | SignedPart::Both) {
            response = key.sign_element(&response, self.response_id)?;
        }
        // What is sent, every parser must take.
        let admitted = xml::admit(response.as_bytes()).map_err(|_| IssueError::Unrepresentable)?;
        xml::parse(&admitted).map_err(|_| IssueError::Unrepresentable)?;
        Ok(encode_base64(response.as_bytes()))
    }

    fn response(&self, assertion: &str) -> String {
        let mut xml = String::with_capacity(assertion.len() + 1024);
        xml.push_str("<samlp:Response");
        push_attribute(&mut xml, "xmlns:samlp", PROTOCOL);
        push_attribute(&mut xml, "Destination", self.acs_url);
        push_attribute(&mut xml, "ID", self.response_id);
        if let Some(request) = self.in_response_to {
            push_attribute(&mut xml, "InResponseTo", request);
        }
        push_attribute(&mut xml, "IssueInstant", &format_datetime(self.issue_instant));
        push_attribute(&mut xml, "Version", "2.0");
        xml.push_str("><saml:Issuer");
        push_attribute(&mut xml, "xmlns:saml", ASSERTION);
        xml.push('>');
        push_text(&mut xml, self.issuer);
        xml.push_str("</saml:Issuer><samlp:Status><samlp:StatusCode");
        push_attribute(&mut xml, "Value", "urn:oasis:names:tc:SAML:2.0:status:Success");
        xml.push_str("></samlp:StatusCode></samlp:Status>");
        xml.push_str(assertion);
        xml.push_str("</samlp:Response>");
        xml
    }

    fn assertion(&self) -> String {
        let mut xml = String::with_capacity(4096);
        let now = format_datetime(self.issue_instant);
        let end = format_datetime(self.not_on_or_after);
        xml.push_str("<saml:Assertion");
        push_attribute(&mut xml, "xmlns:saml", ASSERTION);
        push_attribute(&mut xml, "ID", self.assertion_id);
        push_attribute(&mut xml, "IssueInstant", &now);
        push_attribute(&mut xml, "Version", "2.0");
        xml.push_str("><saml:Issuer>");
        push_text(&mut xml, self.issuer);
        xml.push_str("</saml:Issuer><saml:Subject><saml:NameID");
        push_attribute(&mut xml, "Format", self.name_id_format);
        xml.push('>');
        push_text(&mut xml, self.name_id);
        xml.push_str("</saml:NameID><saml:SubjectConfirmation");
        push_attribute(&mut xml, "Method", "urn:oasis:names:tc:SAML:2.0:cm:bearer");
        xml.push_str("><saml:SubjectConfirmationData");
        if let Some(request) = self.in_response_to {
            push_attribute(&mut xml, "InResponseTo", request);
        }
        push_attribute(&mut xml, "NotOnOrAfter", &end);
        push_attribute(&mut xml, "Recipient", self.acs_url);
        xml.push_str(
            "></saml:SubjectConfirmationData></saml:SubjectConfirmation></saml:Subject><saml:Conditions",
        );
        push_attribute(&mut xml, "NotBefore", &now);
        push_attribute(&mut xml, "NotOnOrAfter", &end);
        xml.push_str("><saml:AudienceRestriction><saml:Audience>");
        push_text(&mut xml, self.audience);
        xml.push_str("</saml:Audience></saml:AudienceRestriction></saml:Conditions><saml:AuthnStatement");
        push_attribute(&mut xml, "AuthnInstant", &now);
        push_attribute(&mut xml, "SessionIndex", self.session_index);
        xml.push_str("><saml:AuthnContext><saml:AuthnContextClassRef>");
        xml.push_str("urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport");
        xml.push_str("</saml:AuthnContextClassRef></saml:AuthnContext></saml:AuthnStatement>");
        self.push_attributes(&mut xml);
        xml.push_str("</saml:Assertion>");
        xml
    }

    fn push_attributes(&self, xml: &mut String) {
        if self.attributes.is_empty() {
            return;
        }
        xml.push_str("<saml:AttributeStatement>");
        for (name, values) in self.attributes {
            xml.push_str("<saml:Attribute");
            push_attribute(xml, "Name", name);
            push_attribute(xml, "NameFormat", "urn:oasis:names:tc:SAML:2.0:attrname-format:basic");
            xml.push('>');
            for value in *values {
                xml.push_str("<saml:AttributeValue>");
                push_text(xml, value);
                xml.push_str("</saml:AttributeValue>");
            }
            xml.push_str("</saml:Attribute>");
        }
        xml.push_str("</saml:AttributeStatement>");
    }
}
