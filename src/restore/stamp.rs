//! What a live record looked like, so that an edit made since is seen.

use serde_json::{Map, Value};

use crate::catalogue::{Object, Reference, Shape, Target};
use crate::restore::fill::{key_value, value_key};
use crate::restore::links::is_custom;
use crate::restore::plan::Stamp;
use crate::restore::same::digest;

impl Stamp {
    /// The stamp of a row, leaving out fields that the plan's own steps change.
    pub(super) fn of(object: &'static Object, fields: &Map<String, Value>, without: &[String]) -> Stamp {
        let time = fields.get("update_time").and_then(Value::as_str).map(str::to_owned);
        // The account nests records that the archive names by their id.
        let bare = |name: &str| fields.get(name).filter(|value| value.is_object()).and_then(value_key);
        let ids = object.nested.iter().filter_map(|name| Some((*name, key_value(&bare(name)?))));
        let ids: Vec<(&str, Value)> = ids.collect();
        let id = |name: &str| ids.iter().find(|(nested, _)| *nested == name).map(|(_, id)| id);
        let named = object.writable().filter_map(|name| Some((name, id(name).or_else(|| fields.get(name))?)));
        let custom: Vec<(&str, &Value)> = match object.custom.map(|custom| custom.shape) {
            Some(Shape::Nested) => {
                fields.get("custom_fields").map(|value| ("custom_fields", value)).into_iter().collect()
            }
            Some(Shape::Flat) => {
                fields.iter().filter(|(name, _)| is_custom_part(name)).map(|(n, v)| (n.as_str(), v)).collect()
            }
            None => Vec::new(),
        };
        // A link may be shown with what it leads to, whose name is not this record's.
        let links: Vec<(&str, Value)> = named
            .chain(custom)
            .filter(|(name, _)| !without.iter().any(|other| other == name))
            .map(|(name, value)| (name, link(object, name, value).unwrap_or_else(|| value.clone())))
            .collect();
        let all = links.iter().map(|(name, value)| (*name, value));
        Stamp { time, fields: digest(all), without: without.to_vec() }
    }

    /// Whether the row is still what it was. The same time says so; another time alone says nothing, because writing
    /// one record touches others.
    pub(super) fn holds(&self, object: &'static Object, fields: &Map<String, Value>) -> bool {
        let now = Stamp::of(object, fields, &self.without);
        (self.time.is_some() && self.time == now.time) || self.fields == now.fields
    }
}

/// The id alone of a link that is shown as an object.
fn link(object: &'static Object, name: &str, value: &Value) -> Option<Value> {
    let is_link = |reference: &&Reference| reference.field == name && matches!(reference.to, Target::Record(_));
    let key = value_key(value).filter(|_| value.is_object())?;
    object.references.iter().find(is_link).map(|_| key_value(&key))
}

/// Whether a flat field belongs to a custom one: `<40 hex>` or `<40 hex>_currency`, less what no write takes.
pub(super) fn is_custom_part(name: &str) -> bool {
    name.get(..40).is_some_and(is_custom)
        && name.get(40..).is_some_and(|rest| rest.is_empty() || rest.starts_with('_'))
        && !name.ends_with("_timezone_id")
        && !name.ends_with("_formatted_address")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::catalogue::{ObjectName, find};

    #[test]
    fn a_record_that_the_account_nests_is_the_one_that_the_archive_names() {
        let relations = find(&ObjectName::known("organizationRelationships")).expect("relationships");
        let row = |owner: Value| {
            let row = json!({"id": 7, "type": "related", "rel_owner_org_id": owner, "rel_linked_org_id": 2, "update_time": null});
            row.as_object().cloned().expect("an object")
        };
        let stamp = Stamp::of(relations, &row(json!(1)), &[]);
        assert!(stamp.holds(relations, &row(json!({"name": "Acme", "people_count": 3, "value": 1}))));
        assert!(!stamp.holds(relations, &row(json!({"name": "Acme", "people_count": 3, "value": 4}))));
    }
}
