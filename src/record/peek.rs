//! A few fields of a row, without reading the rest of it.
//!
//! Counters on parents are volatile and do not become part of a record, and a
//! list of records shows little more than their names: such fields are looked up
//! in the text; everything else there is skipped, not built.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

/// The values of the named fields, in the order of the names; all `None` when the text is no JSON object.
pub fn peek<'a>(text: &'a str, names: &[&str]) -> Vec<Option<&'a RawValue>> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    deserializer.deserialize_map(Peek(names)).unwrap_or_else(|_| vec![None; names.len()])
}

struct Peek<'n>(&'n [&'n str]);

impl<'de> Visitor<'de> for Peek<'_> {
    type Value = Vec<Option<&'de RawValue>>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = vec![None; self.0.len()];
        while let Some(at) = map.next_key_seed(Which(self.0))? {
            match at {
                Some(at) => found[at] = Some(map.next_value()?),
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(found)
    }
}

/// Reads a field's name as its place among the wanted ones.
#[derive(Clone, Copy)]
struct Which<'n>(&'n [&'n str]);

impl<'de> DeserializeSeed<'de> for Which<'_> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Which<'_> {
    type Value = Option<usize>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a field name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        Ok(self.0.iter().position(|wanted| *wanted == name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wanted_fields_are_found_whatever_stands_around_them() {
        let row = r#"{"a":{"n_count":9},"n_count":3,"text":"\"n_count\":4","m_count":null}"#;
        let found = peek(row, &["m_count", "n_count", "gone"]);
        let texts: Vec<_> = found.iter().map(|value| value.map(RawValue::get)).collect();
        assert_eq!(texts, [Some("null"), Some("3"), None]);
    }

    #[test]
    fn a_row_that_is_no_object_has_no_fields() {
        assert_eq!(peek("[1]", &["a"]).len(), 1);
        assert!(peek("{\"a\":", &["a"])[0].is_none());
    }
}
