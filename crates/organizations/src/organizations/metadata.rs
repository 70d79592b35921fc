//! Metadata: up to 50 string pairs a customer keeps with a resource.

use kernel::{Error, Result};
use serde_json::{Map, Value};

const MAX_KEYS: usize = 50;
const MAX_KEY: usize = 40;
const MAX_VALUE: usize = 600;

/// Applies a patch: a string sets its key, `null` deletes it.
pub fn merge(mut metadata: Map<String, Value>, patch: Map<String, Value>) -> Result<Map<String, Value>> {
    for (key, value) in patch {
        match value {
            Value::Null => {
                metadata.remove(&key);
            }
            Value::String(text) if is_key(&key) && text.chars().count() <= MAX_VALUE => {
                metadata.insert(key, Value::String(text));
            }
            _ => return Err(invalid(&format!("the value of '{}' can't be used", shown(&key)))),
        }
    }
    if metadata.len() > MAX_KEYS {
        return Err(invalid("there are more than 50 keys"));
    }
    Ok(metadata)
}

fn is_key(key: &str) -> bool {
    !key.is_empty() && key.chars().count() <= MAX_KEY
}

fn shown(key: &str) -> String {
    key.chars().take(MAX_KEY).collect()
}

fn invalid(why: &str) -> Error {
    let rule = "Metadata holds up to 50 keys of up to 40 characters with string values of up to 600";
    Error::bad_request("invalid_metadata", format!("{rule}: {why}."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn map(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn null_deletes_one_key_and_leaves_the_rest() {
        let merged = merge(map(json!({"a": "1", "b": "2"})), map(json!({"a": null, "c": "3"}))).unwrap();
        assert_eq!(Value::Object(merged), json!({"b": "2", "c": "3"}));
    }

    #[test]
    fn limits_hold_to_the_character() {
        let keys = |count: usize| (0..count).map(|n| (n.to_string(), json!("x"))).collect::<Map<_, _>>();
        assert!(merge(Map::new(), keys(50)).is_ok());
        assert!(merge(Map::new(), keys(51)).is_err());
        for (patch, good) in [
            (json!({"k".repeat(40): "v"}), true),
            (json!({"k".repeat(41): "v"}), false),
            (json!({"": "v"}), false),
            (json!({"k": "é".repeat(600)}), true),
            (json!({"k": "v".repeat(601)}), false),
            (json!({"k": 1}), false),
            (json!({"k": {"nested": "v"}}), false),
        ] {
            assert_eq!(merge(Map::new(), map(patch.clone())).is_ok(), good, "{patch}");
        }
    }
}
