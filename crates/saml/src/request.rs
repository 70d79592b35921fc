//! `AuthnRequest`: made for identity providers, read for the built-in test one.

use std::io::{Read as _, Write as _};

use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;

use crate::encoding::{DecodeError, decode_base64, encode_base64, push_query_value};
use crate::time::format_datetime;
use crate::xml::{self, ASSERTION, PROTOCOL, XmlError, attribute, is_element, push_attribute, push_text};

/// Longest request that is read, in bytes of XML: a request is a few hundred.
const MAX_REQUEST_BYTES: usize = 64 * 1024;
/// The HTTP-POST binding.
pub(crate) const POST_BINDING: &str = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST";

/// An authentication request about to be sent (SAML core 3.4.1).
#[derive(Debug, Clone)]
pub struct AuthnRequest<'a> {
    /// Unique, unguessable id: an XML `ID`, so it starts with a letter or `_`.
    pub id: &'a str,
    /// When the request is made, in epoch milliseconds.
    pub issue_instant: i64,
    /// Our entity id.
    pub issuer: &'a str,
    /// The assertion consumer service URL that the response is to be posted to.
    pub acs_url: &'a str,
    /// The identity provider's sign-on URL; it may have a query.
    pub destination: &'a str,
    /// Whether the person must authenticate anew.
    pub force_authn: bool,
    /// The NameID format asked for; none leaves it to the identity provider.
    pub name_id_format: Option<&'a str>,
}

impl AuthnRequest<'_> {
    /// The request as XML.
    pub fn to_xml(&self) -> String {
        let mut xml = String::with_capacity(1024);
        xml.push_str("<samlp:AuthnRequest");
        push_attribute(&mut xml, "xmlns:samlp", PROTOCOL);
        push_attribute(&mut xml, "xmlns:saml", ASSERTION);
        push_attribute(&mut xml, "ID", self.id);
        push_attribute(&mut xml, "Version", "2.0");
        push_attribute(&mut xml, "IssueInstant", &format_datetime(self.issue_instant));
        push_attribute(&mut xml, "Destination", self.destination);
        if self.force_authn {
            push_attribute(&mut xml, "ForceAuthn", "true");
        }
        push_attribute(&mut xml, "ProtocolBinding", POST_BINDING);
        push_attribute(&mut xml, "AssertionConsumerServiceURL", self.acs_url);
        xml.push_str("><saml:Issuer>");
        push_text(&mut xml, self.issuer);
        xml.push_str("</saml:Issuer><samlp:NameIDPolicy");
        if let Some(format) = self.name_id_format {
            push_attribute(&mut xml, "Format", format);
        }
        push_attribute(&mut xml, "AllowCreate", "true");
        xml.push_str("></samlp:NameIDPolicy></samlp:AuthnRequest>");
        xml
    }

    /// The URL to redirect the browser to (SAML bindings 3.4.4.1). `relay_state` is left out if empty.
    pub fn redirect_url(&self, relay_state: &str) -> String {
        // A fragment would swallow the query behind it; it means nothing to a server.
        let destination = self.destination.split_once('#').map_or(self.destination, |(before, _)| before);
        let mut url = String::with_capacity(1024);
        url.push_str(destination);
        url.push(match destination.split_once('?') {
            None => '?',
            Some(_) => '&',
        });
        url.push_str("SAMLRequest=");
        push_query_value(&mut url, &encode_base64(&deflate(self.to_xml().as_bytes())));
        if !relay_state.is_empty() {
            url.push_str("&RelayState=");
            push_query_value(&mut url, relay_state);
        }
        url
    }

    /// The value of the `SAMLRequest` form field (SAML bindings 3.5.4).
    pub fn post_value(&self) -> String {
        encode_base64(self.to_xml().as_bytes())
    }
}

/// Raw DEFLATE (RFC 1951).
fn deflate(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::with_capacity(bytes.len()), Compression::default());
    // Writing to memory does not fail.
    let written = encoder.write_all(bytes).and_then(|()| encoder.finish());
    written.unwrap_or_default()
}

/// An authentication request that was received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParsedAuthnRequest {
    /// The request's id, which the response answers.
    pub id: String,
    /// The service provider's entity id.
    pub issuer: String,
    /// The assertion consumer service URL that is asked for. It must be checked against a known one before anything is
    /// sent there.
    pub acs_url: Option<String>,
    /// The URL the request was meant for.
    pub destination: Option<String>,
    /// Whether the person must authenticate anew.
    pub force_authn: bool,
    /// The NameID format asked for.
    pub name_id_format: Option<String>,
}

/// Why a request cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// Longer than a request can sensibly be.
    #[error("The request is longer than {MAX_REQUEST_BYTES} bytes.")]
    TooLarge,
    /// Not base64.
    #[error("The request is not base64.")]
    NotBase64,
    /// Not DEFLATE data.
    #[error("The request is not compressed with DEFLATE.")]
    NotDeflate,
    /// Not acceptable XML.
    #[error(transparent)]
    Xml(#[from] XmlError),
    /// Another document.
    #[error("This is not a SAML 2.0 authentication request.")]
    NotAnAuthnRequest,
    /// No usable id.
    #[error("The request has no id, or one that is not an XML ID.")]
    BadId,
    /// No issuer.
    #[error("The request names no issuer.")]
    IssuerMissing,
}

impl RequestError {
    /// A stable name for the reason.
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooLarge => "too_large",
            Self::NotBase64 => "not_base64",
            Self::NotDeflate => "not_deflate",
            Self::Xml(error) => error.code(),
            Self::NotAnAuthnRequest => "not_an_authn_request",
            Self::BadId => "bad_id",
            Self::IssuerMissing => "issuer_missing",
        }
    }
}

impl From<DecodeError> for RequestError {
    fn from(error: DecodeError) -> Self {
        match error {
            DecodeError::TooLarge => Self::TooLarge,
            DecodeError::NotBase64 => Self::NotBase64,
        }
    }
}

/// Reads the `SAMLRequest` parameter of the HTTP-Redirect binding, percent-decoded already.
pub fn parse_redirect(saml_request: &str) -> Result<ParsedAuthnRequest, RequestError> {
    let compressed = decode_base64(saml_request, MAX_REQUEST_BYTES)?;
    let mut bytes = Vec::with_capacity(2048);
    // One byte beyond the limit tells too long from just right; a bomb is never inflated further.
    let mut inflate = DeflateDecoder::new(compressed.as_slice()).take(MAX_REQUEST_BYTES as u64 + 1);
    inflate.read_to_end(&mut bytes).map_err(|_| RequestError::NotDeflate)?;
    if bytes.len() > MAX_REQUEST_BYTES { Err(RequestError::TooLarge) } else { parse(&bytes) }
}

/// Reads the `SAMLRequest` form field of the HTTP-POST binding.
pub fn parse_post(saml_request: &str) -> Result<ParsedAuthnRequest, RequestError> {
    parse(&decode_base64(saml_request, MAX_REQUEST_BYTES)?)
}

fn parse(bytes: &[u8]) -> Result<ParsedAuthnRequest, RequestError> {
    let text = xml::admit(bytes)?;
    let document = xml::parse(&text)?;
    let request = document.root_element();
    if !is_element(request, PROTOCOL, "AuthnRequest") || attribute(request, "Version") != Some("2.0") {
        return Err(RequestError::NotAnAuthnRequest);
    }
    let id = attribute(request, "ID").filter(|id| xml::is_plain_id(id)).ok_or(RequestError::BadId)?;
    let issuer = xml::only_child(request, ASSERTION, "Issuer").ok().flatten();
    let issuer = issuer.and_then(|issuer| xml::value_text(issuer).ok()).filter(|issuer| !issuer.is_empty());
    let policy =
        xml::only_child(request, PROTOCOL, "NameIDPolicy").map_err(|_| RequestError::NotAnAuthnRequest)?;
    Ok(ParsedAuthnRequest {
        id: id.to_owned(),
        issuer: issuer.ok_or(RequestError::IssuerMissing)?.to_owned(),
        acs_url: attribute(request, "AssertionConsumerServiceURL").map(str::to_owned),
        destination: attribute(request, "Destination").map(str::to_owned),
        force_authn: matches!(attribute(request, "ForceAuthn"), Some("true" | "1")),
        name_id_format: policy.and_then(|policy| attribute(policy, "Format")).map(str::to_owned),
    })
}
