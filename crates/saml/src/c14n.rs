//! Canonical XML 1.0 and Exclusive XML Canonicalization 1.0 of an element and what is in it.
//!
//! The tree keeps no prefixes, so names are taken from the source text that it was parsed from. Document types are
//! never parsed here, so there are no default attributes to add. The walk is iterative and the work is linear in
//! the input times the namespaces in force, which [`crate::xml::admit`] bounds.

use memchr::{memchr, memchr3};
use roxmltree::{Attribute, Node};

use crate::xml::is_absolute_uri;

/// Namespace of the `xml` prefix.
const XML: &str = "http://www.w3.org/XML/1998/namespace";

/// Which namespaces an element shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Those it uses (Exclusive XML Canonicalization 1.0).
    Exclusive,
    /// All in force, and the `xml:` attributes of its ancestors (Canonical XML 1.0).
    Inclusive,
}

/// How to canonicalise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Canonicalization<'a> {
    /// Exclusive or inclusive.
    pub mode: Mode,
    /// Whether comments stay.
    pub with_comments: bool,
    /// The `InclusiveNamespaces` `PrefixList`: white space between prefixes, `#default` for the default namespace.
    /// Without effect on [`Mode::Inclusive`].
    pub inclusive_prefixes: &'a str,
}

impl Canonicalization<'static> {
    /// Exclusive, without comments or a prefix list: what SAML recommends.
    pub const EXCLUSIVE: Self = Self { mode: Mode::Exclusive, with_comments: false, inclusive_prefixes: "" };
    /// Inclusive, without comments: what XML Signature assumes when no transform says otherwise.
    pub const INCLUSIVE: Self = Self { mode: Mode::Inclusive, with_comments: false, inclusive_prefixes: "" };
}

/// Why something has no canonical form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CanonicalizationError {
    /// A namespace name is not an absolute URI (Canonical XML 1.0 section 1.3).
    #[error("The namespace name \"{0}\" is relative.")]
    RelativeNamespace(String),
    /// The apex is not an element.
    #[error("Only elements are canonicalised here.")]
    NotAnElement,
}

/// Appends the canonical form of `apex` to `out`, leaving the subtree `without` out (the enveloped-signature
/// transform).
pub fn canonicalize<'a, 'i>(
    apex: Node<'a, 'i>,
    without: Option<Node<'a, 'i>>,
    how: &Canonicalization<'_>,
    out: &mut String,
) -> Result<(), CanonicalizationError> {
    if !apex.is_element() {
        return Err(CanonicalizationError::NotAnElement);
    }
    let mut writer = Writer {
        source: apex.document().input_text(),
        how,
        prefixes: how
            .inclusive_prefixes
            .split_ascii_whitespace()
            .map(|p| if p == "#default" { "" } else { p })
            .collect(),
        rendered: Vec::new(),
        open: Vec::new(),
        namespaces: Vec::new(),
        attributes: Vec::new(),
        out,
    };
    let mut node = apex;
    loop {
        let mut descend = None;
        if Some(node) != without {
            if node.is_element() {
                writer.start(node, node == apex)?;
                descend = node.first_child();
                if descend.is_none() {
                    writer.end();
                }
            } else {
                writer.leaf(node);
            }
        }
        // On to the first child, or the next sibling, or that of the nearest ancestor that has one.
        node = match descend {
            Some(child) => child,
            None => {
                let mut done = node;
                loop {
                    if done == apex {
                        return Ok(());
                    }
                    if let Some(sibling) = done.next_sibling() {
                        break sibling;
                    }
                    let Some(parent) = done.parent() else { return Ok(()) };
                    writer.end();
                    done = parent;
                }
            }
        };
    }
}

/// A namespace declaration: prefix (empty for the default) and name.
type Declaration<'a> = (&'a str, &'a str);

struct Writer<'a, 'h, 'o> {
    source: &'a str,
    how: &'h Canonicalization<'h>,
    prefixes: Vec<&'h str>,
    /// The declarations written by elements that are open.
    rendered: Vec<Declaration<'a>>,
    /// Open elements: qualified name, and how long `rendered` was before.
    open: Vec<(&'a str, usize)>,
    /// Scratch: what the current element declares.
    namespaces: Vec<Declaration<'a>>,
    /// Scratch: the current element's attributes as namespace, local name, qualified name and value.
    attributes: Vec<(&'a str, &'a str, &'a str, &'a str)>,
    out: &'o mut String,
}

impl<'a> Writer<'a, '_, '_> {
    fn start(&mut self, element: Node<'a, '_>, is_apex: bool) -> Result<(), CanonicalizationError> {
        let name = self.name_at(element.range().start + 1);
        self.open.push((name, self.rendered.len()));
        self.collect_attributes(element, is_apex);
        match self.how.mode {
            Mode::Exclusive => self.collect_used_namespaces(element, name),
            Mode::Inclusive => self.collect_all_namespaces(element),
        }
        self.out.push('<');
        self.out.push_str(name);
        self.namespaces.sort_unstable();
        for (prefix, namespace) in &self.namespaces {
            if !namespace.is_empty() && !is_absolute_uri(namespace.as_bytes()) {
                return Err(CanonicalizationError::RelativeNamespace((*namespace).to_owned()));
            }
            self.out.push_str(if prefix.is_empty() { " xmlns" } else { " xmlns:" });
            self.out.push_str(prefix);
            self.out.push_str("=\"");
            push_escaped_attribute(self.out, namespace);
            self.out.push('"');
        }
        self.rendered.append(&mut self.namespaces);
        self.attributes.sort_unstable();
        for (_, _, name, value) in self.attributes.drain(..) {
            self.out.push(' ');
            self.out.push_str(name);
            self.out.push_str("=\"");
            push_escaped_attribute(self.out, value);
            self.out.push('"');
        }
        self.out.push('>');
        Ok(())
    }

    fn end(&mut self) {
        if let Some((name, rendered)) = self.open.pop() {
            self.rendered.truncate(rendered);
            self.out.push_str("</");
            self.out.push_str(name);
            self.out.push('>');
        }
    }

    /// Text, a comment or a processing instruction.
    fn leaf(&mut self, node: Node<'a, '_>) {
        if node.is_text() {
            push_escaped_text(self.out, node.text().unwrap_or_default());
        } else if node.is_comment() && self.how.with_comments {
            self.out.push_str("<!--");
            push_escaping_carriage_returns(self.out, node.text().unwrap_or_default());
            self.out.push_str("-->");
        } else if let Some(instruction) = node.pi() {
            self.out.push_str("<?");
            self.out.push_str(instruction.target);
            if let Some(value) = instruction.value {
                self.out.push(' ');
                push_escaping_carriage_returns(self.out, value);
            }
            self.out.push_str("?>");
        }
    }

    fn collect_attributes(&mut self, element: Node<'a, '_>, is_apex: bool) {
        for attribute in element.attributes() {
            self.collect_attribute(&attribute);
        }
        if is_apex && self.how.mode == Mode::Inclusive {
            // Canonical XML 1.0 section 2.4: the apex takes its ancestors' `xml:` attributes, the nearest first.
            for ancestor in element.ancestors().skip(1) {
                for attribute in ancestor.attributes().filter(|attribute| attribute.namespace() == Some(XML))
                {
                    let known = self
                        .attributes
                        .iter()
                        .any(|(namespace, local, ..)| *namespace == XML && *local == attribute.name());
                    if !known {
                        self.collect_attribute(&attribute);
                    }
                }
            }
        }
    }

    fn collect_attribute(&mut self, attribute: &Attribute<'a, '_>) {
        let name = self.name_at(attribute.range().start);
        self.attributes.push((
            attribute.namespace().unwrap_or_default(),
            attribute.name(),
            name,
            attribute.value(),
        ));
    }

    /// Exclusive: the prefixes that the element and its attributes use, and those of the prefix list.
    fn collect_used_namespaces(&mut self, element: Node<'a, '_>, name: &'a str) {
        self.declare(prefix_of(name), element.tag_name().namespace().unwrap_or_default());
        for at in 0..self.attributes.len() {
            if let Some((namespace, _, name, _)) = self.attributes.get(at).copied() {
                // An attribute without a prefix is in no namespace and uses none.
                if !prefix_of(name).is_empty() {
                    self.declare(prefix_of(name), namespace);
                }
            }
        }
        if !self.prefixes.is_empty() {
            for namespace in element.namespaces() {
                let prefix = namespace.name().unwrap_or_default();
                if self.prefixes.contains(&prefix) {
                    self.declare(prefix, namespace.uri());
                }
            }
        }
    }

    /// Inclusive: every namespace in force.
    fn collect_all_namespaces(&mut self, element: Node<'a, '_>) {
        for namespace in element.namespaces() {
            self.declare(namespace.name().unwrap_or_default(), namespace.uri());
        }
    }

    /// Notes a declaration unless an open element has already written the same.
    fn declare(&mut self, prefix: &'a str, namespace: &'a str) {
        if prefix == "xml" || self.namespaces.iter().any(|(declared, _)| *declared == prefix) {
            return;
        }
        let in_force = self.rendered.iter().rev().find(|(declared, _)| *declared == prefix);
        let in_force = in_force.map_or("", |(_, namespace)| *namespace);
        // No declaration means the empty namespace, so `xmlns=""` is written only where it takes a default away.
        if in_force != namespace {
            self.namespaces.push((prefix, namespace));
        }
    }

    /// The qualified name that begins at `start` in the source.
    fn name_at(&self, start: usize) -> &'a str {
        let rest = self.source.get(start..).unwrap_or_default();
        let end =
            rest.bytes().position(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | b'=' | b'/' | b'>'));
        rest.get(..end.unwrap_or(rest.len())).unwrap_or_default()
    }
}

/// The prefix of a qualified name; empty if it has none.
fn prefix_of(name: &str) -> &str {
    name.split_once(':').map_or("", |(prefix, _)| prefix)
}

/// Appends text content in canonical form.
pub(crate) fn push_escaped_text(out: &mut String, text: &str) {
    if memchr(b'\r', text.as_bytes()).is_none() {
        push_escaped(out, text, |rest| memchr3(b'&', b'<', b'>', rest));
    } else {
        push_escaped(out, text, |rest| {
            rest.iter().position(|byte| matches!(byte, b'&' | b'<' | b'>' | b'\r'))
        });
    }
}

/// Appends an attribute value in canonical form.
pub(crate) fn push_escaped_attribute(out: &mut String, value: &str) {
    push_escaped(out, value, |rest| {
        rest.iter().position(|byte| matches!(byte, b'&' | b'<' | b'"' | b'\t' | b'\n' | b'\r'))
    });
}

fn push_escaping_carriage_returns(out: &mut String, text: &str) {
    push_escaped(out, text, |rest| memchr(b'\r', rest));
}

/// Appends `text`, replacing the bytes that `next` finds, all of them ASCII.
fn push_escaped(out: &mut String, text: &str, next: impl Fn(&[u8]) -> Option<usize>) {
    let mut rest = text;
    while let Some(at) = next(rest.as_bytes()) {
        let (before, after) = rest.split_at_checked(at).unwrap_or_default();
        out.push_str(before);
        let special = after.as_bytes().first().copied().unwrap_or_default();
        out.push_str(match special {
            b'&' => "&amp;",
            b'<' => "&lt;",
            b'>' => "&gt;",
            b'"' => "&quot;",
            b'\t' => "&#x9;",
            b'\n' => "&#xA;",
            _ => "&#xD;",
        });
        rest = after.get(1..).unwrap_or_default();
    }
    out.push_str(rest);
}
