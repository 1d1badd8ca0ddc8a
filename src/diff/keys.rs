//! Which custom field and which option of today is which of then.
//!
//! A field that a restore made again has another key, and its options have other
//! numbers; the journal knows the key and the labels tell the options. An option
//! that was deleted and added again has another number too. To a reader nothing
//! changed, so the earlier version is told with the keys of the later one.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Map, Value};

use super::Lineage;
use crate::archive::{Error, Snapshot};
use crate::catalogue::{self, ObjectName};
use crate::record::{Key, RecordId};

/// Where v2 rows keep custom fields.
const CUSTOM: &str = "custom_fields";

/// One field of a snapshot.
pub(super) struct Field {
    pub(super) kind: String,
    /// Number as text, label.
    pub(super) options: Vec<(String, String)>,
}

/// Keys and options of custom fields that are others in the later snapshot.
#[derive(Default)]
pub(super) struct Keys {
    codes: HashMap<String, String>,
    /// By the earlier key: earlier option to later one.
    options: HashMap<String, HashMap<String, String>>,
    /// By the earlier key: the objects that values of the field point to.
    links: HashMap<String, &'static [&'static str]>,
}

impl Keys {
    /// Compares the definitions of the fields that records of the object carry.
    pub(super) fn between(
        before: &Snapshot<'_>,
        after: &Snapshot<'_>,
        object: &ObjectName,
        lineage: &Lineage,
    ) -> Result<Keys, Error> {
        let Some(custom) = catalogue::find(object).and_then(|object| object.custom) else { return Ok(Keys::default()) };
        let fields = ObjectName::known(custom.fields);
        let (then, now) = (definitions(before, &fields)?, definitions(after, &fields)?);
        let mut keys = Keys::default();
        for (code, Field { kind, options }) in then {
            keys.links.extend(linked(&kind).map(|objects| (code.clone(), objects)));
            let id = RecordId::new(fields.clone(), Key::parse(&code));
            let heirs = lineage.after(&id).map(|heir| heir.key.to_string());
            let today = heirs.filter(|heir| now.contains_key(heir)).last().filter(|_| !now.contains_key(&code));
            let Some(new) = now.get(today.as_ref().unwrap_or(&code)) else { continue };
            let moved = |(id, label): (String, String)| {
                let kept = new.options.iter().any(|(own, _)| *own == id);
                let twin = new.options.iter().find(|(_, own)| *own == label).filter(|_| !kept)?;
                Some((id, twin.0.clone()))
            };
            let options: HashMap<String, String> = options.into_iter().filter_map(moved).collect();
            if !options.is_empty() {
                keys.options.insert(code.clone(), options);
            }
            keys.codes.extend(today.map(|today| (code, today)));
        }
        Ok(keys)
    }

    /// Whether every field and option is what it was.
    pub(super) fn is_empty(&self) -> bool {
        self.codes.is_empty() && self.options.is_empty()
    }

    /// The objects that the value of a custom field points to.
    pub(super) fn linked(&self, code: &str) -> Option<&'static [&'static str]> {
        self.links.get(code).copied()
    }

    /// The row with the keys and options of the later snapshot.
    pub(super) fn follow(&self, row: &mut Map<String, Value>) {
        if let Some(Value::Object(custom)) = row.get_mut(CUSTOM) {
            *custom = std::mem::take(custom).into_iter().map(|(name, value)| self.renewed(name, value)).collect();
        }
        *row = std::mem::take(row).into_iter().map(|(name, value)| self.renewed(name, value)).collect();
    }

    fn renewed(&self, name: String, mut value: Value) -> (String, Value) {
        // A part of a flat value follows its field: api/custom-fields.md, "Where they live".
        let Some((code, ending)) = name.split_at_checked(40) else { return (name, value) };
        if let Some(options) = self.options.get(code).filter(|_| ending.is_empty()) {
            renew(&mut value, options);
        }
        match self.codes.get(code) {
            Some(today) => (format!("{today}{ending}"), value),
            None => (name, value),
        }
    }
}

/// The objects that a field of this type points to.
fn linked(kind: &str) -> Option<&'static [&'static str]> {
    match kind {
        "user" => Some(&["users"]),
        "org" => Some(&["organizations"]),
        "people" => Some(&["persons"]),
        _ => None,
    }
}

/// Every field that the snapshot defines, by key.
pub(super) fn definitions(snapshot: &Snapshot<'_>, fields: &ObjectName) -> Result<BTreeMap<String, Field>, Error> {
    let mut found = BTreeMap::new();
    if snapshot.contents(fields).is_none() {
        return Ok(found);
    }
    for record in snapshot.records(fields)? {
        let record = record?;
        let row = record.fields();
        let options = row.get("options").and_then(Value::as_array).into_iter().flatten();
        let option = |option: &Value| Some((text(option.get("id")?), text(option.get("label")?)));
        let kind = row.get("field_type").and_then(Value::as_str).unwrap_or_default().to_owned();
        let field = Field { kind, options: options.filter_map(option).collect() };
        found.insert(record.id().key.to_string(), field);
    }
    Ok(found)
}

/// Replaces option numbers: one, a list, or several in one text as flat rows hold them.
fn renew(value: &mut Value, options: &HashMap<String, String>) {
    match value {
        Value::Array(ids) => ids.iter_mut().for_each(|id| renew(id, options)),
        Value::Number(id) => {
            if let Some(new) = options.get(&id.to_string()).and_then(|new| new.parse::<u64>().ok()) {
                *value = Value::from(new);
            }
        }
        Value::String(ids) => {
            let new: Vec<&str> = ids.split(',').map(|id| options.get(id).map_or(id, String::as_str)).collect();
            *value = Value::String(new.join(","));
        }
        _ => {}
    }
}

/// A value without quotes.
fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
