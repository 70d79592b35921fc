//! Just enough HTML to see what a browser would see in our own pages.

/// An element's start (or end) tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tag {
    pub name: String,
    pub attributes: Vec<(String, String)>,
}

impl Tag {
    pub fn get(&self, attribute: &str) -> Option<&str> {
        self.attributes.iter().find(|(name, _)| name == attribute).map(|(_, value)| value.as_str())
    }
}

/// All tags in order. Attribute values are unescaped, and end at the quote that ends them.
pub fn tags(html: &str) -> Vec<Tag> {
    let mut tags = Vec::new();
    let mut rest = html;
    while let Some((_, after)) = rest.split_once('<') {
        if after.starts_with('!') {
            rest = after;
            continue;
        }
        let (tag, after) = tag(after);
        tags.push(tag);
        rest = after;
    }
    tags
}

fn tag(text: &str) -> (Tag, &str) {
    let end = text.find(|c: char| c.is_whitespace() || c == '>').expect("a tag that ends");
    let (name, mut rest) = text.split_at(end);
    let mut attributes = Vec::new();
    loop {
        rest = rest.trim_start();
        if let Some(after) = rest.strip_prefix("/>").or_else(|| rest.strip_prefix('>')) {
            return (Tag { name: name.to_owned(), attributes }, after);
        }
        let end =
            rest.find(|c: char| c.is_whitespace() || c == '>' || c == '=').expect("an attribute that ends");
        let (attribute, after) = rest.split_at(end);
        match after.strip_prefix('=') {
            None => {
                attributes.push((attribute.to_owned(), String::new()));
                rest = after;
            }
            Some(after) => {
                let after = after.strip_prefix('"').expect("values stand in double quotes");
                let (value, after) = after.split_once('"').expect("a value that ends");
                attributes.push((attribute.to_owned(), unescape(value)));
                rest = after;
            }
        }
    }
}

fn unescape(text: &str) -> String {
    let mut plain = text.to_owned();
    for (escape, character) in
        [("&#60;", "<"), ("&#62;", ">"), ("&#34;", "\""), ("&#39;", "'"), ("&#38;", "&"), ("&amp;", "&")]
    {
        plain = plain.replace(escape, character);
    }
    plain
}

/// What can't change with what pages say: elements and the names of their attributes.
pub fn skeleton(html: &str) -> Vec<(String, Vec<String>)> {
    tags(html)
        .into_iter()
        .map(|tag| (tag.name, tag.attributes.into_iter().map(|(name, _)| name).collect()))
        .collect()
}

/// The value of the form field `name`.
pub fn field(html: &str, name: &str) -> Option<String> {
    let found = tags(html).into_iter().find(|tag| tag.name == "input" && tag.get("name") == Some(name))?;
    found.get("value").map(ToOwned::to_owned)
}

/// The element with that `data-testid`.
pub fn by_test_id(html: &str, test_id: &str) -> Option<Tag> {
    tags(html).into_iter().find(|tag| tag.get("data-testid") == Some(test_id))
}
