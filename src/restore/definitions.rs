//! What a field was on the day of a snapshot: its type and its options.

use std::collections::HashMap;

use serde_json::{Map, Value};

use crate::archive;
use crate::catalogue::{self, ObjectName, Target};
use crate::restore::state::State;

/// The definitions of one state, by the object that holds them and the field's code.
#[derive(Default)]
pub(super) struct Definitions(HashMap<&'static str, HashMap<String, Definition>>);

/// One field.
pub(super) struct Definition {
    /// Its type, in the service's word.
    pub(super) kind: String,
    options: Vec<(Value, String)>,
}

impl Definitions {
    /// Reads the definitions that the catalogue's objects refer to.
    pub(super) fn of<S: State>(state: &S) -> Result<Definitions, archive::Error> {
        let mut definitions = Definitions::default();
        for name in definers() {
            let object = ObjectName::known(name);
            if state.contents(&object).is_none() {
                continue;
            }
            let fields = definitions.0.entry(name).or_default();
            for record in state.records(&object)? {
                let row = record?.fields();
                if let Some((code, definition)) = Definition::read(&row) {
                    fields.insert(code, definition);
                }
            }
        }
        Ok(definitions)
    }

    /// Whether anything is known about the fields that this object defines.
    pub(super) fn know(&self, fields: &str) -> bool {
        self.0.contains_key(fields)
    }

    /// One field.
    pub(super) fn find(&self, fields: &str, code: &str) -> Option<&Definition> {
        self.0.get(fields)?.get(code)
    }
}

impl Definition {
    fn read(row: &Map<String, Value>) -> Option<(String, Definition)> {
        // v2 says field_code, v1 says key.
        let code = row.get("field_code").or_else(|| row.get("key"))?.as_str()?;
        let kind = row.get("field_type").and_then(Value::as_str).unwrap_or_default();
        let options = row.get("options").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let option = |option: &Value| {
            Some((
                option.get("id")?.clone(),
                option.get("label").and_then(Value::as_str).unwrap_or_default().to_owned(),
            ))
        };
        let options = options.iter().filter_map(option).collect();
        Some((code.to_owned(), Definition { kind: kind.to_owned(), options }))
    }

    /// Whether the option exists, by id.
    pub(super) fn has(&self, id: &Value) -> bool {
        self.options.iter().any(|(own, _)| plain(own) == plain(id))
    }

    /// The label of an option.
    pub(super) fn label(&self, id: &Value) -> Option<&str> {
        self.options.iter().find(|(own, _)| plain(own) == plain(id)).map(|(_, label)| label.as_str())
    }

    /// The id of the option with the label; the first one, as labels need not be unique.
    pub(super) fn labelled(&self, label: &str) -> Option<&Value> {
        self.options.iter().find(|(_, own)| own == label).map(|(id, _)| id)
    }

    /// Whether it has options at all.
    pub(super) fn has_options(&self) -> bool {
        !self.options.is_empty()
    }
}

/// An option id as text: v1 writes `"12"` where v2 writes `12`.
fn plain(id: &Value) -> String {
    id.as_str().map_or_else(|| id.to_string(), str::to_owned)
}

/// Every object that defines fields some other object refers to.
fn definers() -> Vec<&'static str> {
    let mut names: Vec<&'static str> = Vec::new();
    for object in catalogue::ALL {
        names.extend(object.custom.map(|custom| custom.fields));
        names.extend(object.references.iter().filter_map(|reference| match reference.to {
            Target::Choice { fields, .. } => Some(fields),
            _ => None,
        }));
    }
    names.sort_unstable();
    names.dedup();
    names
}
