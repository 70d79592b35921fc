//! The one way XML gets in: [`admit`] checks raw bytes against limits and against everything SAML has no use for,
//! then [`parse`] builds one tree.
//!
//! `admit` is deliberately stricter than XML. What it lets through means the same to every parser: no document type,
//! no entities but the five predefined ones, no CDATA, no processing instructions, no names whose namespace
//! reading differs between parsers, no relative namespaces (over which Canonical XML is undefined). It is linear in
//! the input and allocates only when line ends need normalising.

mod scan;
mod tree;

use std::borrow::Cow;

use roxmltree::{Document, ParsingOptions};

pub(crate) use scan::is_absolute_uri;
pub(crate) use tree::{
    attribute, child_elements, has_only_layout_text, is_element, is_plain_id, only_child, text, value_text,
};

/// Longest document, in bytes.
pub const MAX_BYTES: usize = 1024 * 1024;
/// Deepest nesting of elements.
pub const MAX_DEPTH: usize = 64;
/// Most elements in a document.
pub const MAX_ELEMENTS: usize = 40_000;
/// Longest tag, in bytes.
pub const MAX_TAG_BYTES: usize = 20 * 1024;
/// Most attributes on one element, namespace declarations not counted.
pub const MAX_ATTRIBUTES: usize = 64;
/// Most attributes in a document, namespace declarations counted.
pub const MAX_ATTRIBUTES_IN_ALL: usize = 100_000;
/// Most namespace declarations in force at one element.
pub const MAX_NAMESPACES_IN_SCOPE: usize = 64;
/// Most namespace declarations in a document.
pub const MAX_NAMESPACES: usize = 20_000;
/// Most comments in a document.
pub const MAX_COMMENTS: usize = 1000;

/// `urn:oasis:names:tc:SAML:2.0:protocol`
pub(crate) const PROTOCOL: &str = "urn:oasis:names:tc:SAML:2.0:protocol";
/// `urn:oasis:names:tc:SAML:2.0:assertion`
pub(crate) const ASSERTION: &str = "urn:oasis:names:tc:SAML:2.0:assertion";
/// `urn:oasis:names:tc:SAML:2.0:metadata`
pub(crate) const METADATA: &str = "urn:oasis:names:tc:SAML:2.0:metadata";
/// XML Signature.
pub(crate) const SIGNATURE: &str = "http://www.w3.org/2000/09/xmldsig#";
/// Exclusive Canonical XML, both the algorithm and the namespace of its parameters.
pub(crate) const EXCLUSIVE: &str = "http://www.w3.org/2001/10/xml-exc-c14n#";
/// XML Schema instance (`xsi:nil`).
pub(crate) const SCHEMA_INSTANCE: &str = "http://www.w3.org/2001/XMLSchema-instance";

/// Why a document was not let in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum XmlError {
    /// Longer than [`MAX_BYTES`].
    #[error("The document is longer than {MAX_BYTES} bytes.")]
    TooLarge,
    /// Not UTF-8.
    #[error("The document is not UTF-8.")]
    NotUtf8,
    /// The XML declaration names another encoding.
    #[error("The XML declaration must say version 1.0 and, if it names an encoding, UTF-8.")]
    UnsupportedDeclaration,
    /// A document type or another markup declaration.
    #[error("The document holds a document type or another markup declaration.")]
    MarkupDeclaration,
    /// A CDATA section.
    #[error("The document holds a CDATA section.")]
    Cdata,
    /// A processing instruction.
    #[error("The document holds a processing instruction.")]
    ProcessingInstruction,
    /// A reference to an entity that is not predefined, or to a character XML does not have.
    #[error(
        "The document holds an entity reference other than the five predefined ones, or a bad character reference."
    )]
    EntityReference,
    /// Deeper than [`MAX_DEPTH`].
    #[error("The document nests elements deeper than {MAX_DEPTH}.")]
    TooDeep,
    /// More than [`MAX_ELEMENTS`].
    #[error("The document has more than {MAX_ELEMENTS} elements.")]
    TooManyElements,
    /// A tag longer than [`MAX_TAG_BYTES`].
    #[error("The document has a tag longer than {MAX_TAG_BYTES} bytes.")]
    TagTooLong,
    /// More than [`MAX_ATTRIBUTES`] or [`MAX_ATTRIBUTES_IN_ALL`].
    #[error("The document has too many attributes.")]
    TooManyAttributes,
    /// More than [`MAX_NAMESPACES_IN_SCOPE`] or [`MAX_NAMESPACES`].
    #[error("The document declares too many namespaces.")]
    TooManyNamespaces,
    /// More than [`MAX_COMMENTS`].
    #[error("The document has more than {MAX_COMMENTS} comments.")]
    TooManyComments,
    /// A name that parsers read differently, such as `a:xmlns` or `a:b:c`.
    #[error("The document has a name whose namespace is ambiguous.")]
    AmbiguousName,
    /// A namespace declaration that is repeated, empty, relative or redefines a reserved prefix.
    #[error("The document has a namespace declaration that is repeated, relative, empty or reserved.")]
    BadNamespace,
    /// Not well-formed.
    #[error("The document is not well-formed XML: {0}.")]
    Malformed(String),
}

impl XmlError {
    /// A stable name for the reason.
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooLarge => "too_large",
            Self::NotUtf8 => "not_utf8",
            Self::UnsupportedDeclaration => "unsupported_xml_declaration",
            Self::MarkupDeclaration => "markup_declaration",
            Self::Cdata => "cdata",
            Self::ProcessingInstruction => "processing_instruction",
            Self::EntityReference => "entity_reference",
            Self::TooDeep => "too_deep",
            Self::TooManyElements => "too_many_elements",
            Self::TagTooLong => "tag_too_long",
            Self::TooManyAttributes => "too_many_attributes",
            Self::TooManyNamespaces => "too_many_namespaces",
            Self::TooManyComments => "too_many_comments",
            Self::AmbiguousName => "ambiguous_name",
            Self::BadNamespace => "bad_namespace",
            Self::Malformed(_) => "malformed_xml",
        }
    }
}

/// Checks raw bytes and returns the text to parse: without byte order mark and XML declaration, line ends normalised
/// as XML 1.0 section 2.11 says.
pub fn admit(bytes: &[u8]) -> Result<Cow<'_, str>, XmlError> {
    if bytes.len() > MAX_BYTES {
        return Err(XmlError::TooLarge);
    }
    let text = std::str::from_utf8(bytes).map_err(|_| XmlError::NotUtf8)?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let text = scan::skip_declaration(text)?;
    let text = if memchr::memchr(b'\r', text.as_bytes()).is_some() {
        // The parser keeps a carriage return that stands before a character reference; normalising first is what
        // XML asks for and leaves it nothing to do.
        Cow::Owned(text.replace("\r\n", "\n").replace('\r', "\n"))
    } else {
        Cow::Borrowed(text)
    };
    scan::check(&text)?;
    Ok(text)
}

/// Parses text that [`admit`] let in, or that was canonicalised from it.
pub fn parse(text: &str) -> Result<Document<'_>, XmlError> {
    let options =
        ParsingOptions { allow_dtd: false, nodes_limit: 4 * MAX_ELEMENTS as u32, entity_resolver: None };
    Document::parse_with_options(text, options).map_err(|error| XmlError::Malformed(error.to_string()))
}

/// Appends `text` escaped so that it is text content in canonical form.
pub(crate) fn push_text(out: &mut String, text: &str) {
    crate::c14n::push_escaped_text(out, text);
}

/// Appends ` name="value"` with the value escaped in canonical form.
pub(crate) fn push_attribute(out: &mut String, name: &str, value: &str) {
    out.push(' ');
    out.push_str(name);
    out.push_str("=\"");
    crate::c14n::push_escaped_attribute(out, value);
    out.push('"');
}
