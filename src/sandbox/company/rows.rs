//! Building rows cheaply.
//!
//! A row is a sorted map with up to eighty members. One map is kept for each kind and its values are replaced from row to row: the keys
//! are allocated once, which is half of the time a row costs.

use serde_json::{Map, Value};

/// Sets a member, reusing its key if it is there.
pub(super) fn set(row: &mut Map<String, Value>, key: &str, value: impl Into<Value>) {
    match row.get_mut(key) {
        Some(place) => *place = value.into(),
        None => {
            row.insert(key.to_owned(), value.into());
        }
    }
}

/// The object inside a member, made empty if it is not there yet.
pub(super) fn inner<'a>(row: &'a mut Map<String, Value>, key: &str) -> &'a mut Map<String, Value> {
    if !row.contains_key(key) {
        row.insert(key.to_owned(), Value::Object(Map::new()));
    }
    row.get_mut(key).and_then(Value::as_object_mut).expect("the member was just made, or made so before, as an object")
}

/// A literal object as a row.
pub(super) fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        other => unreachable!("rows are written as objects, not as {other}"),
    }
}

/// Hundredths as the number the service shows: whole when it is whole.
pub(super) fn money(hundredths: i64) -> Value {
    if hundredths % 100 == 0 { (hundredths / 100).into() } else { (hundredths as f64 / 100.0).into() }
}
