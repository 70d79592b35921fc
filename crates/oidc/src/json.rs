//! JSON read strictly: one meaning for every reader, bounded depth.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// How deep arrays and objects may nest. Tokens and metadata in the field use five levels.
const MAX_DEPTH: usize = 32;

/// Why a text was not accepted as JSON.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// Not JSON (RFC 8259), not UTF-8, an unpaired surrogate, a number too large, or data after the value.
    #[error("it is not valid JSON (line {line}, column {column})")]
    Syntax {
        /// Line of the first offending byte, from 1.
        line: usize,
        /// Column of the first offending byte.
        column: usize,
    },
    /// A member occurs twice in one object. Readers differ in which one they take.
    #[error("the member \"{0}\" occurs twice")]
    DuplicateMember(String),
    /// Arrays and objects nest too deep.
    #[error("it nests deeper than {MAX_DEPTH} levels")]
    TooDeep,
    /// A string contains U+0000, which no store accepts.
    #[error("a string in it contains the character U+0000")]
    NulCharacter,
    /// JSON, but not an object.
    #[error("it is not a JSON object")]
    NotAnObject,
}

/// Parses one JSON object and nothing after it.
pub(crate) fn object(bytes: &[u8]) -> Result<Map<String, Value>, JsonError> {
    match value(bytes)? {
        Value::Object(members) => Ok(members),
        _ => Err(JsonError::NotAnObject),
    }
}

fn value(bytes: &[u8]) -> Result<Value, JsonError> {
    let refusal = Cell::new(None);
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let seed = Strict { levels_left: MAX_DEPTH, refusal: &refusal };
    seed.deserialize(&mut deserializer).and_then(|value| deserializer.end().map(|()| value)).map_err(
        |error| {
            // The reason of our own, if there is one, travels beside serde's error, which carries only text.
            refusal.take().unwrap_or(JsonError::Syntax { line: error.line(), column: error.column() })
        },
    )
}

/// Reads any JSON value, refusing what [`JsonError`] lists.
#[derive(Clone, Copy)]
struct Strict<'a> {
    levels_left: usize,
    refusal: &'a Cell<Option<JsonError>>,
}

impl<'a> Strict<'a> {
    fn refuse<E: serde::de::Error>(self, reason: JsonError) -> E {
        self.refusal.set(Some(reason));
        E::custom("refused")
    }

    fn inner<E: serde::de::Error>(self) -> Result<Self, E> {
        match self.levels_left.checked_sub(1) {
            Some(levels_left) => Ok(Self { levels_left, ..self }),
            None => Err(self.refuse(JsonError::TooDeep)),
        }
    }

    fn checked<E: serde::de::Error>(self, text: String) -> Result<String, E> {
        if text.contains('\0') { Err(self.refuse(JsonError::NulCharacter)) } else { Ok(text) }
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("number"))
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<Value, E> {
        self.visit_string(value.to_owned())
    }

    fn visit_string<E: serde::de::Error>(self, value: String) -> Result<Value, E> {
        self.checked(value).map(Value::String)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Value, A::Error> {
        let inner = self.inner()?;
        let mut values = Vec::new();
        while let Some(value) = elements.next_element_seed(inner)? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let inner = self.inner()?;
        let mut members = Map::new();
        while let Some(name) = entries.next_key::<String>()? {
            let name = self.checked(name)?;
            if members.contains_key(&name) {
                return Err(self.refuse(JsonError::DuplicateMember(crate::text::printable(&name, 64))));
            }
            let value = entries.next_value_seed(inner)?;
            members.insert(name, value);
        }
        Ok(Value::Object(members))
    }
}
