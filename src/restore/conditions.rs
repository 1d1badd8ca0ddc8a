//! The conditions of filters: ids and options inside them, found by the field that they look at.
//!
//! A condition names its field by number, and reading adds the field's code
//! (`include_field_code`); the code tells what its value means. Values are texts,
//! ids as well (api/restore-hazards.md 4, Filters).

use serde_json::{Map, Value};

use crate::record::Key;
use crate::restore::definitions::Definitions;
use crate::restore::links::{is_custom, linked};

/// What the value of a condition means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Meaning<'c> {
    /// The id of a record of one of these objects.
    Id(&'static [&'static str]),
    /// An option of a field.
    Option { fields: &'static str, code: &'c str },
    /// Itself.
    Plain,
}

/// Whether a part of the conditions is a condition and not a group of them.
pub(super) fn is_condition(part: &Map<String, Value>) -> bool {
    part.contains_key("field_id") || part.contains_key("field_code")
}

/// What the value of this condition means.
pub(super) fn meaning<'c>(condition: &'c Map<String, Value>, definitions: &Definitions) -> Meaning<'c> {
    let text = |name: &str| condition.get(name).and_then(Value::as_str).unwrap_or_default();
    let code = text("field_code");
    if let Some(objects) = built_in(code) {
        return Meaning::Id(objects);
    }
    let Some(fields) = definers(text("object")) else { return Meaning::Plain };
    let Some(definition) = definitions.find(fields, code) else { return Meaning::Plain };
    match linked(&definition.kind).filter(|_| is_custom(code)) {
        Some(objects) => Meaning::Id(objects),
        None if definition.has_options() => Meaning::Option { fields, code },
        None => Meaning::Plain,
    }
}

/// Every condition in the groups.
pub(super) fn each(value: &Value, look: &mut dyn FnMut(&Map<String, Value>)) {
    match value {
        Value::Array(list) => list.iter().for_each(|value| each(value, look)),
        Value::Object(part) if is_condition(part) => look(part),
        Value::Object(group) => group.values().for_each(|value| each(value, look)),
        _ => {}
    }
}

/// Every id inside the conditions.
pub(super) fn ids(value: &Value, definitions: &Definitions, found: &mut dyn FnMut(&'static [&'static str], Key)) {
    each(value, &mut |condition| {
        if let (Meaning::Id(objects), Some(key)) = (meaning(condition, definitions), key(condition.get("value"))) {
            found(objects, key);
        }
    });
}

/// The field that a condition looks at, as the object that defines it and its code.
pub(super) fn field(condition: &Map<String, Value>) -> Option<(&'static str, &str)> {
    let text = |name: &str| condition.get(name).and_then(Value::as_str);
    Some((definers(text("object")?)?, text("field_code")?))
}

/// The id that a value is.
pub(super) fn key(value: Option<&Value>) -> Option<Key> {
    let value = value?;
    value.as_str().filter(|text| !text.is_empty()).map(Key::parse).or_else(|| value.as_u64().map(Key::Number))
}

/// The object that defines the fields of what conditions call an object.
pub(super) fn definers(object: &str) -> Option<&'static str> {
    match object {
        "deal" | "lead" => Some("dealFields"),
        "person" => Some("personFields"),
        "organization" => Some("organizationFields"),
        "product" => Some("productFields"),
        "activity" => Some("activityFields"),
        _ => None,
    }
}

/// The objects whose ids a condition on this field compares with.
fn built_in(code: &str) -> Option<&'static [&'static str]> {
    match code {
        "owner_id" | "user_id" | "creator_user_id" | "owner" => Some(&["users"]),
        "org_id" | "organization_id" => Some(&["organizations"]),
        "person_id" => Some(&["persons"]),
        "deal_id" => Some(&["deals"]),
        "lead_id" => Some(&["leads"]),
        "product_id" => Some(&["products"]),
        "pipeline" | "pipeline_id" => Some(&["pipelines"]),
        "stage" | "stage_id" => Some(&["stages"]),
        _ => None,
    }
}
