//! Rows that belong to one record alone, and come back with it when it is brought back.
//!
//! What the planner keeps of them, the check looks for, and the replay compares with
//! what it finds must mean the same row; so it is said here once.

use serde_json::{Map, Value};

use crate::catalogue::Object;
use crate::record::{Key, RecordId};
use crate::restore::fill::{key_value, value_key};
use crate::restore::rules;

/// Whether such rows belong to one record alone and may be removed from it.
pub(super) fn may_be_trimmed(part: &Object) -> bool {
    let own = part.is_under_parent() && !part.is_single() && !part.is_shared();
    own && part.dml.delete && part.delete.is_some()
}

/// The field with whom a row names, where that and not its number makes it the row it is: a member who left and came
/// again has another number.
pub(super) fn names_member(part: &Object) -> Option<&'static str> {
    rules::member_field(part).filter(|_| part.update.is_none())
}

/// Whether a row that was added would have others refused that are brought back beside it: installments and lines that are
/// billed again and again exclude each other (api/restore-hazards.md 4, Deal products).
pub(super) fn stands_in_the_way(part: &Object, row: &Map<String, Value>) -> bool {
    match part.name {
        "dealInstallments" => true,
        "dealProducts" => row.get("billing_frequency").and_then(Value::as_str).is_some_and(|how| how != "one-time"),
        _ => false,
    }
}

/// What a row is known by: whom it names, or its own number.
pub(super) fn known_by(part: &Object, id: &RecordId, fields: &Map<String, Value>) -> Option<Key> {
    let named = names_member(part).and_then(|field| value_key(fields.get(field)?));
    named.or_else(|| value_key(&key_value(&id.key)))
}
