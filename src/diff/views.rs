//! Views: lists of a snapshot that follow from other objects of it.
//!
//! Made when they are looked at: two passes over what the snapshot holds anyway, and pairs of ids in memory.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use crate::archive::{Error, Snapshot};
use crate::catalogue::{Edge, ObjectName, View};
use crate::record::{Key, Record, RecordId, peek};

/// The records of a view, in the order of their keys.
pub fn view(snapshot: &Snapshot<'_>, view: &'static View) -> Result<impl Iterator<Item = Record>, Error> {
    let mut pairs: BTreeSet<(u64, u64)> = BTreeSet::new();
    for Edge { object, parent, person } in view.from {
        for record in snapshot.records(&ObjectName::known(object))? {
            let record = record?;
            let found = peek(record.text(), &[parent.unwrap_or_default(), person]);
            let parent = match (&record.id().key, parent) {
                (Key::Pair(parent, _), None) => Some(*parent),
                _ => number(found[0]),
            };
            pairs.extend(parent.zip(number(found[1])));
        }
    }
    let shown: BTreeSet<u64> = pairs.iter().map(|(_, person)| *person).collect();
    let mut names: BTreeMap<u64, Value> = BTreeMap::new();
    for record in snapshot.records(&ObjectName::known("persons"))? {
        let record = record?;
        if let Key::Number(id) = record.id().key
            && shown.contains(&id)
        {
            let name = peek(record.text(), &["name"])[0].and_then(|name| serde_json::from_str(name.get()).ok());
            names.insert(id, name.unwrap_or_default());
        }
    }
    Ok(pairs.into_iter().map(move |(parent, person)| {
        let name = names.get(&person).cloned().unwrap_or_default();
        let fields = [(view.parent, json!(parent)), ("person_id", json!(person)), ("name", name)];
        let body: Map<String, Value> = fields.into_iter().map(|(field, value)| (field.to_owned(), value)).collect();
        Record::new(RecordId::new(ObjectName::known(view.name), Key::Pair(parent, person)), &body)
    }))
}

fn number(value: Option<&RawValue>) -> Option<u64> {
    serde_json::from_str(value?.get()).ok()
}
