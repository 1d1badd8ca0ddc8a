//! Changes a capture makes to a record before it is stored: fields left out, fields added.
//!
//! Values are moved as text, never parsed into numbers and back, so that a
//! record stays exactly what the service wrote.

use std::collections::BTreeMap;

use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::catalogue::{Custom, Extended, Shape};
use crate::record::Record;

/// The letters of a custom field's key (api/custom-fields.md: 40 hex characters).
const CUSTOM_KEY_LETTERS: usize = 40;
/// The member under which nested custom fields sit, and the word for all of them in a snapshot's `without`.
pub(super) const CUSTOM_FIELDS: &str = "custom_fields";

type Members = BTreeMap<String, Box<RawValue>>;

/// The record without its custom fields.
pub(super) fn without_custom(record: &Record, custom: Custom) -> Record {
    let mut members = members(record);
    match custom.shape {
        Shape::Nested => {
            members.remove(CUSTOM_FIELDS);
        }
        Shape::Flat => members.retain(|name, _| !is_custom(name)),
    }
    written(record, &members)
}

/// The record without the fields of its extended requests: what its list alone shows.
pub(super) fn without_extended(record: &Record, extended: &[Extended]) -> Record {
    let mut members = members(record);
    for field in fields(extended) {
        members.remove(field);
    }
    written(record, &members)
}

/// The record with the fields an extended request brought.
pub(super) fn with(record: &Record, fields: &Map<String, Value>) -> Record {
    let mut members = members(record);
    for (name, value) in fields {
        // A Map is sorted at every depth: its text is canonical.
        let text = serde_json::value::to_raw_value(value).expect("a value always serialises");
        members.insert(name.clone(), text);
    }
    written(record, &members)
}

/// The record with the extended fields another version of it holds.
pub(super) fn with_those_of(record: &Record, held: &Record, extended: &[Extended]) -> Record {
    let mut from = members(held);
    let mut members = members(record);
    for field in fields(extended) {
        if let Some(value) = from.remove(field) {
            members.insert(field.to_owned(), value);
        }
    }
    written(record, &members)
}

/// True when the record holds every field its extended requests bring.
pub(super) fn is_extended(record: &Record, extended: &[Extended]) -> bool {
    let members = members(record);
    fields(extended).all(|field| members.contains_key(field))
}

fn fields(extended: &[Extended]) -> impl Iterator<Item = &'static str> + '_ {
    extended.iter().flat_map(|extended| extended.fields.iter().copied())
}

fn members(record: &Record) -> Members {
    serde_json::from_str(record.text()).expect("a record's body is a JSON object")
}

fn written(record: &Record, members: &Members) -> Record {
    let text = serde_json::to_string(members).expect("members with text keys always serialise");
    Record::stored(record.id().clone(), text.into())
}

fn is_custom(name: &str) -> bool {
    name.split_at_checked(CUSTOM_KEY_LETTERS).is_some_and(|(key, suffix)| {
        let hex = key.bytes().all(|letter| letter.is_ascii_digit() || (b'a'..=b'f').contains(&letter));
        hex && (suffix.is_empty() || suffix.starts_with('_'))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::capture::specimen;
    use crate::catalogue::ObjectName;

    const KEY: &str = "dcf558aac1ae4e8c4f849ba5e668430d8df9be12";

    fn record(body: &str) -> Record {
        Record::import(ObjectName::known("filters"), "id", body).expect("a record")
    }

    #[test]
    fn nested_custom_fields_are_left_out_as_one_member() {
        let custom = Custom { fields: "dealFields", shape: Shape::Nested };
        let left =
            without_custom(&record(r#"{"id":1,"custom_fields":{"a":1},"value":12345678901234567890.10}"#), custom);
        assert_eq!(left.text(), r#"{"id":1,"value":12345678901234567890.10}"#);
    }

    #[test]
    fn flat_custom_fields_are_left_out_with_their_suffixes() {
        let custom = Custom { fields: "dealFields", shape: Shape::Flat };
        let left =
            without_custom(&record(&format!(r#"{{"id":1,"{KEY}":1,"{KEY}_currency":"EUR","title":"x"}}"#)), custom);
        assert_eq!(left.text(), r#"{"id":1,"title":"x"}"#);
    }

    #[test]
    fn extended_fields_join_the_record_in_canonical_order_and_leave_it_again() {
        let plain = record(r#"{"id":1,"name":"x"}"#);
        let fields = json!({"conditions": {"glue": "and", "b": [1.50]}});
        let full = with(&plain, fields.as_object().expect("an object"));
        assert_eq!(full.text(), r#"{"conditions":{"b":[1.5],"glue":"and"},"id":1,"name":"x"}"#);
        assert!(
            is_extended(&full, specimen::object("filters").extended)
                && !is_extended(&plain, specimen::object("filters").extended)
        );
        assert_eq!(without_extended(&full, specimen::object("filters").extended), plain);
        assert_eq!(with_those_of(&plain, &full, specimen::object("filters").extended), full);
    }
}
