//! What a JSON text must be before its meaning matters (RFC 8259, I-JSON RFC 7493 §2.3).
//!
//! Well-formed to its end, an object at the top, nested no deeper than a parser takes without recursion
//! trouble, no key twice in an object (parsers differ in which one counts, so that a proxy may check one and
//! we use the other), and without U+0000, which PostgreSQL can't store. Fields that no operation reads are
//! held to it too: the typed deserializer would skip them unseen.

use std::cell::RefCell;
use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use crate::{Error, Result};

/// What the walk found that is more than bad syntax.
#[derive(Debug)]
enum Found {
    Nothing,
    RepeatedKey,
    /// Where: the keys that lead there, innermost first.
    Nul(Vec<String>),
}

/// Refuses a text that isn't such JSON: 400, and 422 for U+0000.
pub(super) fn check(text: &[u8]) -> Result<()> {
    let found = RefCell::new(Found::Nothing);
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let walked = Walk { found: &found }.deserialize(&mut deserializer).and_then(|()| deserializer.end());
    match (walked, found.into_inner()) {
        (_, Found::Nul(mut keys)) => {
            keys.reverse();
            Err(Error::nul(keys.join(".")))
        }
        (_, Found::RepeatedKey) => Err(Error::malformed("An object in the body has the same key twice.")),
        (Err(_), Found::Nothing) => Err(Error::malformed("The body is not valid JSON.")),
        (Ok(()), Found::Nothing) if text.first() != Some(&b'{') => {
            Err(Error::malformed("The body must be a JSON object."))
        }
        (Ok(()), Found::Nothing) => Ok(()),
    }
}

/// Visits a value and keeps nothing of it.
#[derive(Clone, Copy)]
struct Walk<'a> {
    found: &'a RefCell<Found>,
}

impl Walk<'_> {
    fn stop<E: serde::de::Error>(self, found: Found) -> E {
        self.found.replace(found);
        E::custom("refused")
    }

    /// On the way back from what was found: one key further out.
    fn within(self, key: &str) {
        if let Found::Nul(keys) = &mut *self.found.borrow_mut() {
            keys.push(key.to_owned());
        }
    }
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<(), E> {
        if text.contains('\0') { Err(self.stop(Found::Nul(Vec::new()))) } else { Ok(()) }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_element_seed(self)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let mut keys = HashSet::new();
        while let Some(key) = entries.next_key::<String>()? {
            self.visit_str::<A::Error>(&key)?;
            entries.next_value_seed(self).inspect_err(|_| self.within(&key))?;
            if !keys.insert(key) {
                return Err(self.stop(Found::RepeatedKey));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(text: impl AsRef<[u8]>) -> u16 {
        check(text.as_ref()).map_or_else(|error| error.status().as_u16(), |()| 200)
    }

    #[test]
    fn h2_only_a_sound_object_passes() {
        for text in ["{}", r#"{"a":[1,-2.5e3,true,null,"\ud83d\ude00"],"b":{"a":1}}"#, r#"{"a":"\\u0000"}"#] {
            assert_eq!(status(text), 200, "{text}");
        }
        for text in [
            "",
            "{",
            r#"{"a":1"#,
            r#"{"a":1} x"#,
            r#"{"a":1}{}"#,
            r#"{"a":1,}"#,
            r#"{"a":NaN}"#,
            r#"{"a":Infinity}"#,
            r#"{"a":1e999}"#,
            r#"{"a":01}"#,
            r#"{'a':1}"#,
            r#"{"a":"\ud800"}"#,
            "{\"a\":\"\n\"}",
            "{/**/}",
            "\u{feff}{}",
            r#"{"a":1,"a":1}"#,
            r#"{"x":[{"a":1,"\u0061":2}]}"#,
            "[]",
            "1",
            r#""a""#,
            "true",
        ] {
            assert_eq!(status(text), 400, "{text}");
        }
        assert_eq!(status(b"{\"a\":\"\xff\"}"), 400);
        assert_eq!(status(b"{\"\xc0\x80\":1}"), 400);
        for depth in [200, 100_000] {
            assert_eq!(status(format!("{{\"unknown\":{}{}}}", "[".repeat(depth), "]".repeat(depth))), 400);
            assert_eq!(status(format!("{}1{}", "{\"a\":".repeat(depth), "}".repeat(depth))), 400);
        }
    }

    #[test]
    fn nul_is_refused_with_its_place_however_it_is_written() {
        for (text, field) in [
            (r#"{"a":"b\u0000"}"#, "a"),
            (r#"{"a":"\\\u0000"}"#, "a"),
            (r#"{"a":{"b\u0000":1}}"#, "a"),
            (r#"{"a\u0000":1}"#, ""),
            (r#"{"z":{"y":1},"a":[{"b":["\u0000"]}]}"#, "a.b"),
        ] {
            let Err(Error::Api(error)) = check(text.as_bytes()) else { panic!("{text}") };
            assert_eq!(error.status.as_u16(), 422, "{text}");
            let expected = serde_json::json!([{ "code": "invalid_character", "field": field }]);
            assert_eq!(error.body["errors"], expected, "{text}");
        }
    }
}
