//! Attribute statements.

use roxmltree::Node;

use super::refusal::Refusal;
use crate::xml::{ASSERTION, attribute, child_elements, is_element, value_text};

/// An attribute and its values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribute {
    /// The attribute's name.
    pub name: String,
    /// Its friendly name, which identifies nothing.
    pub friendly_name: Option<String>,
    /// Its text values in document order; empty ones included.
    pub values: Vec<String>,
}

/// Reads all attribute statements. Attributes of the same name are one, with the values of all in order. A value that
/// holds elements, such as the NameID in an eduPersonTargetedID, is no text and is left out.
pub(super) fn read(assertion: Node<'_, '_>) -> Result<Vec<Attribute>, Refusal> {
    let elements = child_elements(assertion)
        .filter(|statement| is_element(*statement, ASSERTION, "AttributeStatement"))
        .flat_map(child_elements)
        .filter(|element| is_element(*element, ASSERTION, "Attribute"));
    let mut attributes: Vec<Attribute> = Vec::new();
    let mut positions = std::collections::HashMap::new();
    for element in elements {
        let name = attribute(element, "Name")
            .filter(|name| !name.is_empty())
            .ok_or(Refusal::AttributeWithoutName)?;
        let friendly_name = attribute(element, "FriendlyName");
        let position = *positions.entry(name).or_insert_with(|| {
            attributes.push(Attribute { name: name.to_owned(), friendly_name: None, values: Vec::new() });
            attributes.len() - 1
        });
        let Some(known) = attributes.get_mut(position) else { continue };
        if known.friendly_name.is_none() {
            known.friendly_name = friendly_name.map(str::to_owned);
        }
        let values = child_elements(element).filter(|value| is_element(*value, ASSERTION, "AttributeValue"));
        known.values.extend(values.filter_map(|value| value_text(value).ok()).map(str::to_owned));
    }
    Ok(attributes)
}
