//! One pass over raw text, before any parser sees it.

use memchr::{memchr, memchr_iter, memchr2};

use super::{
    MAX_ATTRIBUTES, MAX_ATTRIBUTES_IN_ALL, MAX_COMMENTS, MAX_DEPTH, MAX_ELEMENTS, MAX_NAMESPACES,
    MAX_NAMESPACES_IN_SCOPE, MAX_TAG_BYTES, XmlError,
};

/// Cuts a leading XML declaration off, once it is known to say version 1.0 and UTF-8.
pub(super) fn skip_declaration(text: &str) -> Result<&str, XmlError> {
    let Some(rest) = text.strip_prefix("<?xml") else { return Ok(text) };
    if !rest.starts_with([' ', '\t', '\r', '\n']) {
        return Err(XmlError::ProcessingInstruction);
    }
    let (declaration, after) = rest.split_once("?>").ok_or(XmlError::UnsupportedDeclaration)?;
    let mut rest = declaration;
    let mut seen = 0;
    while !rest.trim_ascii().is_empty() {
        let spaced = rest.trim_ascii_start();
        if spaced.len() == rest.len() {
            return Err(XmlError::UnsupportedDeclaration);
        }
        let (name, value, tail) = pseudo_attribute(spaced).ok_or(XmlError::UnsupportedDeclaration)?;
        // The order is fixed: version, then encoding, then standalone (XML 1.0, production 23).
        seen = match (name, seen) {
            ("version", 0) if value == "1.0" => 1,
            ("encoding", 1) if value.eq_ignore_ascii_case("utf-8") => 2,
            ("standalone", 1 | 2) if value == "yes" || value == "no" => 3,
            _ => return Err(XmlError::UnsupportedDeclaration),
        };
        rest = tail;
    }
    if seen == 0 { Err(XmlError::UnsupportedDeclaration) } else { Ok(after) }
}

/// Splits `name="value"` off the front.
fn pseudo_attribute(text: &str) -> Option<(&str, &str, &str)> {
    let (name, rest) = text.split_once('=')?;
    let rest = rest.trim_ascii_start();
    let quote = rest.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
    let (value, tail) = rest.get(1..)?.split_once(quote)?;
    Some((name.trim_ascii_end(), value, tail))
}

/// Refuses everything that [`super::admit`] promises to refuse, short of well-formedness.
pub(super) fn check(text: &str) -> Result<(), XmlError> {
    let bytes = text.as_bytes();
    // The parser reserves a node per `<` and an attribute per `=` before it reads.
    if memchr_iter(b'=', bytes).count() > MAX_ATTRIBUTES_IN_ALL {
        return Err(XmlError::TooManyAttributes);
    }
    if memchr_iter(b'<', bytes).count() > 3 * MAX_ELEMENTS {
        return Err(XmlError::TooManyElements);
    }
    let mut scan = Scan { rest: bytes, ..Scan::default() };
    while let Some(at) = memchr2(b'<', b'&', scan.rest) {
        scan.advance(at);
        match scan.rest {
            [b'&', ..] => {
                let length = reference(scan.rest)?;
                scan.advance(length);
            }
            [b'<', b'!', ..] => scan.comment()?,
            [b'<', b'?', ..] => return Err(XmlError::ProcessingInstruction),
            [b'<', b'/', ..] => scan.end_tag()?,
            _ => scan.start_tag()?,
        }
    }
    Ok(())
}

/// What the pass knows so far.
#[derive(Default)]
struct Scan<'a> {
    /// What is still to be read.
    rest: &'a [u8],
    /// For each open element, how many namespaces it declared.
    open: Vec<usize>,
    /// The sum of `open`.
    in_scope: usize,
    elements: usize,
    namespaces: usize,
    comments: usize,
}

impl<'a> Scan<'a> {
    fn advance(&mut self, count: usize) {
        self.rest = self.rest.get(count..).unwrap_or_default();
    }

    fn comment(&mut self) -> Result<(), XmlError> {
        if self.rest.starts_with(b"<![CDATA[") {
            return Err(XmlError::Cdata);
        }
        let inside = self.rest.strip_prefix(b"<!--").ok_or(XmlError::MarkupDeclaration)?;
        self.comments += 1;
        if self.comments > MAX_COMMENTS {
            return Err(XmlError::TooManyComments);
        }
        // The first `--` must be the end: XML allows none inside a comment.
        let dashes =
            memchr::memmem::find(inside, b"--").ok_or_else(|| malformed("a comment does not end"))?;
        self.rest = inside
            .get(dashes + 2..)
            .and_then(|after| after.strip_prefix(b">"))
            .ok_or_else(|| malformed("a comment holds two hyphens"))?;
        Ok(())
    }

    fn end_tag(&mut self) -> Result<(), XmlError> {
        let window = self.rest.get(..MAX_TAG_BYTES).unwrap_or(self.rest);
        let Some(end) = memchr(b'>', window) else { return Err(self.unended_tag()) };
        let declared = self.open.pop().ok_or_else(|| malformed("an end tag without a start tag"))?;
        self.in_scope -= declared;
        self.advance(end + 1);
        Ok(())
    }

    fn start_tag(&mut self) -> Result<(), XmlError> {
        self.elements += 1;
        if self.elements > MAX_ELEMENTS {
            return Err(XmlError::TooManyElements);
        }
        let window = self.rest.get(..MAX_TAG_BYTES).unwrap_or(self.rest);
        let mut tag = Tag { rest: window.get(1..).unwrap_or_default() };
        let Some(declared) = tag.read()? else { return Err(self.unended_tag()) };
        self.namespaces += declared.namespaces;
        if self.namespaces > MAX_NAMESPACES || self.in_scope + declared.namespaces > MAX_NAMESPACES_IN_SCOPE {
            return Err(XmlError::TooManyNamespaces);
        }
        if !declared.empty {
            if self.open.len() >= MAX_DEPTH {
                return Err(XmlError::TooDeep);
            }
            self.open.push(declared.namespaces);
            self.in_scope += declared.namespaces;
        }
        let length = window.len() - tag.rest.len();
        self.advance(length);
        Ok(())
    }

    fn unended_tag(&self) -> XmlError {
        if self.rest.len() > MAX_TAG_BYTES { XmlError::TagTooLong } else { malformed("a tag does not end") }
    }
}

/// A start tag being read.
struct Tag<'a> {
    rest: &'a [u8],
}

/// What a start tag said.
struct Declared {
    /// `<a/>`
    empty: bool,
    /// How many namespace declarations it has.
    namespaces: usize,
}

impl<'a> Tag<'a> {
    /// Reads up to and with `>`; `None` if the tag does not end.
    fn read(&mut self) -> Result<Option<Declared>, XmlError> {
        let name = self.name();
        if let ("xmlns", _) = split_name(name)? {
            return Err(XmlError::AmbiguousName);
        }
        let mut declared = Declared { empty: false, namespaces: 0 };
        let mut attributes = 0;
        let mut default_declared = false;
        loop {
            self.skip_space();
            match self.rest {
                [] | [b'/'] => return Ok(None),
                [b'>', after @ ..] => {
                    self.rest = after;
                    return Ok(Some(declared));
                }
                [b'/', b'>', after @ ..] => {
                    self.rest = after;
                    declared.empty = true;
                    return Ok(Some(declared));
                }
                _ => {}
            }
            let name = self.name();
            let Some(value) = self.value()? else { return Ok(None) };
            match split_name(name)? {
                ("", "xmlns") => {
                    if std::mem::replace(&mut default_declared, true) {
                        return Err(XmlError::BadNamespace);
                    }
                    // `xmlns=""` takes the default away again, which is sound.
                    if !value.is_empty() {
                        check_namespace(value)?;
                    }
                    declared.namespaces += 1;
                }
                ("xmlns", "xmlns" | "xml") => return Err(XmlError::BadNamespace),
                ("xmlns", _) => {
                    check_namespace(value)?;
                    declared.namespaces += 1;
                }
                // Some parsers take any `p:xmlns` for a default namespace declaration.
                (_, "xmlns") => return Err(XmlError::AmbiguousName),
                _ => {
                    attributes += 1;
                    if attributes > MAX_ATTRIBUTES {
                        return Err(XmlError::TooManyAttributes);
                    }
                }
            }
        }
    }

    fn skip_space(&mut self) {
        self.rest = self.rest.trim_ascii_start();
    }

    /// Takes what stands before white space, `=`, `/`, `>` or a quote. The parser checks that it is a name.
    fn name(&mut self) -> &'a [u8] {
        let length = self
            .rest
            .iter()
            .position(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'=' | b'/' | b'>' | b'"' | b'\''))
            .unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at_checked(length).unwrap_or_default();
        self.rest = rest;
        name
    }

    /// Takes `="value"`; `None` if the tag ends too early.
    fn value(&mut self) -> Result<Option<&'a [u8]>, XmlError> {
        self.skip_space();
        match self.rest {
            [] => return Ok(None),
            [b'=', after @ ..] => self.rest = after,
            _ => return Err(malformed("an attribute has no value")),
        }
        self.skip_space();
        let (quote, after) = match self.rest {
            [] => return Ok(None),
            [quote @ (b'"' | b'\''), after @ ..] => (*quote, after),
            _ => return Err(malformed("an attribute value has no quotes")),
        };
        let Some(end) = memchr2(quote, b'<', after) else { return Ok(None) };
        let (value, rest) = after.split_at_checked(end).unwrap_or_default();
        if rest.first() == Some(&b'<') {
            return Err(malformed("an attribute value holds '<'"));
        }
        let mut unread = value;
        while let Some(at) = memchr(b'&', unread) {
            unread = unread.get(at..).unwrap_or_default();
            let length = reference(unread)?;
            unread = unread.get(length..).unwrap_or_default();
        }
        self.rest = rest.get(1..).unwrap_or_default();
        Ok(Some(value))
    }
}

/// Splits a qualified name into prefix and local part; colons anywhere else are refused.
fn split_name(name: &[u8]) -> Result<(&str, &str), XmlError> {
    let name = std::str::from_utf8(name).map_err(|_| XmlError::NotUtf8)?;
    match name.split_once(':') {
        None => Ok(("", name)),
        Some((prefix, local)) if prefix.is_empty() || local.is_empty() || local.contains(':') => {
            Err(XmlError::AmbiguousName)
        }
        Some(parts) => Ok(parts),
    }
}

/// A namespace name must be an absolute URI, written without references: over relative ones Canonical XML fails, and
/// some implementations then digest nothing at all.
fn check_namespace(value: &[u8]) -> Result<(), XmlError> {
    let plain =
        value.iter().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'&' | b'<' | b'>' | b'"'));
    if plain && is_absolute_uri(value) { Ok(()) } else { Err(XmlError::BadNamespace) }
}

/// Whether a URI begins with a scheme (RFC 3986 section 3.1).
pub(crate) fn is_absolute_uri(uri: &[u8]) -> bool {
    let scheme = memchr(b':', uri).and_then(|colon| uri.get(..colon)).unwrap_or_default();
    scheme.first().is_some_and(u8::is_ascii_alphabetic)
        && scheme.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
}

/// The length of the reference at the start of `text`, which must be one of the five predefined entities or a
/// character that XML 1.0 has.
fn reference(text: &[u8]) -> Result<usize, XmlError> {
    // `&#x10FFFF;` is ten bytes; leading zeros make it longer, but not sensibly so.
    let window = text.get(..16).unwrap_or(text);
    let end = memchr(b';', window).ok_or(XmlError::EntityReference)?;
    let name = window.get(1..end).and_then(|name| std::str::from_utf8(name).ok());
    let known = match name {
        Some("amp" | "lt" | "gt" | "quot" | "apos") => true,
        Some(name) => name.strip_prefix('#').and_then(character).is_some(),
        None => false,
    };
    if known { Ok(end + 1) } else { Err(XmlError::EntityReference) }
}

/// The character that `65` or `x41` names, if XML 1.0 allows it (production 2).
fn character(number: &str) -> Option<char> {
    let (digits, radix) = number.strip_prefix('x').map_or((number, 10), |hex| (hex, 16));
    if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let character = u32::from_str_radix(digits, radix).ok().and_then(char::from_u32)?;
    let allowed = !matches!(character, '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}');
    allowed.then_some(character)
}

fn malformed(reason: &str) -> XmlError {
    XmlError::Malformed(reason.to_owned())
}
