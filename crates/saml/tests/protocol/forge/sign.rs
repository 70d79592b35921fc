//! Signs an element of a document, as strangely as a test wants it.

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use saml::c14n::{Canonicalization, Mode, canonicalize};

use super::keys;

pub const EXCLUSIVE: &str = "http://www.w3.org/2001/10/xml-exc-c14n#";
pub const EXCLUSIVE_WITH_COMMENTS: &str = "http://www.w3.org/2001/10/xml-exc-c14n#WithComments";
pub const INCLUSIVE: &str = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315";
pub const INCLUSIVE_WITH_COMMENTS: &str = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315#WithComments";
pub const ENVELOPED: &str = "http://www.w3.org/2000/09/xmldsig#enveloped-signature";
pub const RSA_SHA256: &str = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256";
pub const SHA256: &str = "http://www.w3.org/2001/04/xmlenc#sha256";

/// How a signature is made.
#[derive(Debug, Clone)]
pub struct Spec {
    pub key: &'static str,
    /// Prefix of the signature's elements; empty for a default namespace.
    pub prefix: &'static str,
    pub signed_info_form: &'static str,
    /// `None` leaves the canonicalization transform out.
    pub content_form: Option<&'static str>,
    /// `PrefixList` of the content's exclusive canonicalization.
    pub prefix_list: Option<&'static str>,
    pub signature_method: &'static str,
    pub digest_method: &'static str,
    /// What stands in `KeyInfo`, or all of it; `None` leaves it out.
    pub key_info: Option<String>,
    /// White space between the elements of the signature, and line breaks in base64.
    pub pretty: bool,
    /// Replacements in the signature's text before its `SignedInfo` is signed, so that what is strange is genuine.
    pub edits: Vec<(String, String)>,
}

impl Spec {
    /// The usual signature, edited before it is signed.
    pub fn edited(from: &str, to: &str) -> Self {
        Self { edits: vec![(from.to_owned(), to.to_owned())], ..Self::default() }
    }
}

impl Default for Spec {
    fn default() -> Self {
        Self {
            key: "idp",
            prefix: "ds",
            signed_info_form: EXCLUSIVE,
            content_form: Some(EXCLUSIVE),
            prefix_list: None,
            signature_method: RSA_SHA256,
            digest_method: SHA256,
            key_info: Some(x509_data("idp")),
            pretty: false,
            edits: Vec::new(),
        }
    }
}

/// An `X509Data` with the certificate `name`; `ds:` becomes the signature's prefix.
pub fn x509_data(name: &str) -> String {
    let certificate = keys::certificate_base64(name);
    format!("<ds:X509Data><ds:X509Certificate>{certificate}</ds:X509Certificate></ds:X509Data>")
}

/// Signs the element with the ID `id` and puts the signature after its issuer, or first if it has none.
pub fn sign(xml: &str, id: &str, spec: &Spec) -> String {
    let document = roxmltree::Document::parse(xml).unwrap();
    let node = super::element_with_id(&document, id);
    let issuer = node.first_element_child().filter(|child| child.tag_name().name() == "Issuer");
    let at = issuer.map_or_else(|| node.first_child().unwrap().range().start, |issuer| issuer.range().end);
    let mut canonical = String::new();
    let form = form_of(spec.content_form.unwrap_or(INCLUSIVE), spec.prefix_list.unwrap_or_default());
    canonicalize(node, None, &form, &mut canonical).unwrap();
    let digest = STANDARD.encode(digest_of(spec.digest_method, canonical.as_bytes()));
    let mut signature = signature_xml(spec, id, &digest);
    if spec.pretty {
        signature = signature.replace("><", ">\n  <");
    }
    for (from, to) in &spec.edits {
        signature = super::swap_first(&signature, from, to);
    }
    let (before, after) = xml.split_at(at);
    complete(&format!("{before}{signature}{after}"), spec)
}

/// The `SignatureValue` that [`complete`] fills in.
const UNSIGNED: &str = "UNSIGNED";

/// Signs the `SignedInfo` of the signature whose value is still missing.
pub fn complete(xml: &str, spec: &Spec) -> String {
    let document = roxmltree::Document::parse(xml).unwrap();
    let value = document.descendants().find(|node| node.is_text() && node.text() == Some(UNSIGNED)).unwrap();
    let signature = value.parent().unwrap().parent().unwrap();
    let signed_info = signature.children().find(|child| child.tag_name().name() == "SignedInfo").unwrap();
    let mut octets = String::new();
    canonicalize(signed_info, None, &form_of(spec.signed_info_form, ""), &mut octets).unwrap();
    let signed = STANDARD.encode(keys::sign(spec.key, spec.signature_method, octets.as_bytes()));
    let signed = if spec.pretty { format!("\n{}\n", break_lines(&signed, "\n")) } else { signed };
    xml.replacen(UNSIGNED, &signed, 1)
}

/// The signature over a digest, with its value still missing.
pub fn signature_xml(spec: &Spec, id: &str, digest: &str) -> String {
    let prefix_list = spec.prefix_list.map_or_else(String::new, |list| {
        format!("<ec:InclusiveNamespaces xmlns:ec=\"{EXCLUSIVE}\" PrefixList=\"{list}\"/>")
    });
    let content_form = spec.content_form.map_or_else(String::new, |form| {
        format!("<ds:Transform Algorithm=\"{form}\">{prefix_list}</ds:Transform>")
    });
    let key_info = match &spec.key_info {
        Some(info) if info.starts_with("<KeyInfo") => info.clone(),
        Some(info) => format!("<ds:KeyInfo>{info}</ds:KeyInfo>"),
        None => String::new(),
    };
    let xml = format!(
        "<ds:Signature xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\"><ds:SignedInfo>\
         <ds:CanonicalizationMethod Algorithm=\"{}\"/><ds:SignatureMethod Algorithm=\"{}\"/>\
         <ds:Reference URI=\"#{id}\"><ds:Transforms><ds:Transform Algorithm=\"{ENVELOPED}\"/>{content_form}\
         </ds:Transforms><ds:DigestMethod Algorithm=\"{}\"/><ds:DigestValue>{digest}</ds:DigestValue></ds:Reference>\
         </ds:SignedInfo><ds:SignatureValue>{UNSIGNED}</ds:SignatureValue>{key_info}</ds:Signature>",
        spec.signed_info_form, spec.signature_method, spec.digest_method
    );
    match spec.prefix {
        "ds" => xml,
        "" => xml.replace("<ds:", "<").replace("</ds:", "</").replace("xmlns:ds", "xmlns"),
        prefix => xml
            .replace("<ds:", &format!("<{prefix}:"))
            .replace("</ds:", &format!("</{prefix}:"))
            .replace("xmlns:ds", &format!("xmlns:{prefix}")),
    }
}

/// Breaks base64 into lines of 76.
pub fn break_lines(base64: &str, line_end: &str) -> String {
    let lines: Vec<&str> =
        base64.as_bytes().chunks(76).map(|line| std::str::from_utf8(line).unwrap()).collect();
    lines.join(line_end)
}

pub fn form_of<'a>(uri: &str, inclusive_prefixes: &'a str) -> Canonicalization<'a> {
    let mode = if uri.contains("exc-c14n") { Mode::Exclusive } else { Mode::Inclusive };
    // References by fragment cover no comments, whatever the algorithm says.
    Canonicalization { mode, with_comments: false, inclusive_prefixes }
}

/// The digest of `octets`; SHA-256 for a method that must be refused.
pub fn digest_of(uri: &str, octets: &[u8]) -> Vec<u8> {
    let algorithm = match uri.rsplit('#').next() {
        Some("sha384") => &digest::SHA384,
        Some("sha512") => &digest::SHA512,
        Some("sha1") => &digest::SHA1_FOR_LEGACY_USE_ONLY,
        _ => &digest::SHA256,
    };
    digest::digest(algorithm, octets).as_ref().to_vec()
}
