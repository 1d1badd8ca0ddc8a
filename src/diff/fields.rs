//! Which fields of two versions of a record differ.
//!
//! Objects are opened (`address.value`), so that a changed postal code does not
//! read as a changed address; lists are compared whole. A custom field is one
//! value however many parts it has, because that is how people and the service
//! write it.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::record::Record;

/// Where v2 rows keep custom fields.
const CUSTOM: &str = "custom_fields";

/// One field that differs.
#[derive(Clone, PartialEq, Debug)]
pub struct FieldChange {
    /// Path: `title`, `custom_fields.<key>`, `address.value`.
    pub field: String,
    /// The value before; null if there was none.
    pub before: Value,
    /// The value after; null if there is none.
    pub after: Value,
}

pub(super) fn changed(before: Option<&Record>, after: Option<&Record>) -> Vec<FieldChange> {
    let leaves = |record: Option<&Record>| {
        let mut leaves = BTreeMap::new();
        if let Some(record) = record {
            open(record.fields(), "", &mut leaves);
        }
        leaves
    };
    let (mut old, mut new) = (leaves(before), leaves(after));
    let paths: Vec<String> = old.keys().chain(new.keys().filter(|path| !old.contains_key(*path))).cloned().collect();
    let mut changes = Vec::new();
    for field in paths {
        let (before, after) = (old.remove(&field).unwrap_or_default(), new.remove(&field).unwrap_or_default());
        if before != after {
            changes.push(FieldChange { field, before, after });
        }
    }
    changes.sort_by(|left, right| left.field.cmp(&right.field));
    changes
}

/// Both versions without the fields that one of the two captures left out on purpose; `None` if nothing else differs.
pub(super) fn seen_by_both(before: Record, after: Record, without: &[String]) -> Option<(Record, Record)> {
    if without.is_empty() {
        return Some((before, after));
    }
    let custom = without.iter().any(|field| field == CUSTOM);
    let rest = |record: &Record| {
        let mut fields = record.fields();
        fields.retain(|name, _| !(without.contains(name) || custom && is_custom_key(name)));
        Record::new(record.id().clone(), &fields)
    };
    let (before, after) = (rest(&before), rest(&after));
    (before != after).then_some((before, after))
}

/// Whether a field of a flat row is a custom one: 40 hex digits, perhaps with a suffix (api/custom-fields.md).
fn is_custom_key(name: &str) -> bool {
    let (key, suffix) = name.split_at_checked(40).unwrap_or(("", name));
    !key.is_empty()
        && key.bytes().all(|byte| byte.is_ascii_hexdigit())
        && (suffix.is_empty() || suffix.starts_with('_'))
}

fn open(fields: Map<String, Value>, above: &str, leaves: &mut BTreeMap<String, Value>) {
    for (name, value) in fields {
        let path = if above.is_empty() { name } else { format!("{above}.{name}") };
        match value {
            Value::Object(fields) if above != CUSTOM => open(fields, &path, leaves),
            value => {
                leaves.insert(path, value);
            }
        }
    }
}
