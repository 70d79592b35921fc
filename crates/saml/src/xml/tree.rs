//! Reading a parsed tree without surprises: namespaces always compared, text never truncated.

use roxmltree::Node;

use super::SCHEMA_INSTANCE;

/// An element that should have held one thing held another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ambiguous;

/// Whether `node` is the element `{namespace}name`.
pub(crate) fn is_element(node: Node<'_, '_>, namespace: &str, name: &str) -> bool {
    node.is_element() && node.tag_name().name() == name && node.tag_name().namespace() == Some(namespace)
}

/// The child elements in order.
pub(crate) fn child_elements<'a, 'i>(node: Node<'a, 'i>) -> impl Iterator<Item = Node<'a, 'i>> {
    node.children().filter(Node::is_element)
}

/// The child `{namespace}name`, if there is one; an error if there are several.
pub(crate) fn only_child<'a, 'i>(
    node: Node<'a, 'i>,
    namespace: &str,
    name: &str,
) -> Result<Option<Node<'a, 'i>>, Ambiguous> {
    let mut found = node.children().filter(|child| is_element(*child, namespace, name));
    match (found.next(), found.next()) {
        (first, None) => Ok(first),
        (_, Some(_)) => Err(Ambiguous),
    }
}

/// The value of the attribute `name` that is in no namespace.
pub(crate) fn attribute<'a>(node: Node<'a, '_>, name: &str) -> Option<&'a str> {
    node.attributes()
        .find(|attribute| attribute.namespace().is_none() && attribute.name() == name)
        .map(|a| a.value())
}

/// The whole text of an element that holds text alone; an error if it holds an element or a comment, in front of
/// which a careless reader would stop.
pub(crate) fn text<'a>(node: Node<'a, '_>) -> Result<&'a str, Ambiguous> {
    let Some(first) = node.first_child() else { return Ok("") };
    if !first.is_text() || first.next_sibling().is_some() {
        return Err(Ambiguous);
    }
    first.text().ok_or(Ambiguous)
}

/// [`text`] as a value: nothing if `xsi:nil`, and without the layout that a pretty-printer put around it.
///
/// Layout is white space on both sides that holds a line break on both sides. Anything less is part of the value:
/// cutting white space off identifiers would let `"admin "` sign in as `"admin"`.
pub(crate) fn value_text<'a>(node: Node<'a, '_>) -> Result<&'a str, Ambiguous> {
    let nil = node.attributes().any(|attribute| {
        attribute.namespace() == Some(SCHEMA_INSTANCE)
            && attribute.name() == "nil"
            && matches!(attribute.value(), "true" | "1")
    });
    if nil {
        return Ok("");
    }
    let text = text(node)?;
    let trimmed = text.trim_matches(is_space);
    let begins = text.len() - text.trim_start_matches(is_space).len();
    let ends = text.trim_end_matches(is_space).len();
    let broken = |part: Option<&str>| part.is_some_and(|space| space.contains('\n'));
    if broken(text.get(..begins)) && broken(text.get(ends..)) { Ok(trimmed) } else { Ok(text) }
}

/// Whether an element's own text is nothing but white space.
pub(crate) fn has_only_layout_text(node: Node<'_, '_>) -> bool {
    node.children()
        .filter(Node::is_text)
        .all(|child| child.text().is_none_or(|text| text.chars().all(is_space)))
}

/// Whether `id` is usable as an XML `ID`: at most 256 ASCII letters, digits and the punctuation names have. A leading
/// digit, which XML does not allow, is let pass: some identity providers begin so.
pub(crate) fn is_plain_id(id: &str) -> bool {
    const LONGEST: usize = 256;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b':');
    !id.is_empty() && id.len() <= LONGEST && id.bytes().all(is_plain)
}

/// XML white space (production 3).
fn is_space(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\n' | '\r')
}
