//! What a field was on the day of a snapshot: its name, its type and its options.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::archive;
use crate::catalogue::{self, ObjectName, Target};
use crate::restore::conditions;
use crate::restore::links::is_custom;
use crate::restore::state::State;

/// The object whose fields leads carry, and the list that shows them with numbers and deleted options.
const OF_LEADS: (&str, &str) = ("dealFields", "leadFields");

/// The fields that one object defines, by code.
type OfObject = BTreeMap<String, Definition>;

/// The definitions of one state, by the object that holds them and the field's code.
#[derive(Default)]
pub(super) struct Definitions(BTreeMap<&'static str, OfObject>);

/// One field.
#[derive(Default)]
pub(super) struct Definition {
    /// What people call it.
    pub(super) name: String,
    /// Its type, in the service's word.
    pub(super) kind: String,
    /// The number by which filters know it, where something in the state tells.
    pub(super) number: Option<String>,
    options: Vec<(Value, String)>,
    /// Options that were deleted before the state was seen.
    gone: Vec<(Value, String)>,
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
        definitions.read_v1(state)?;
        definitions.read_numbers(state)?;
        Ok(definitions)
    }

    /// What only the fields of leads show of those of deals.
    fn read_v1<S: State>(&mut self, state: &S) -> Result<(), archive::Error> {
        let (deals, leads) = (OF_LEADS.0, ObjectName::known(OF_LEADS.1));
        let Some(fields) = self.0.get_mut(deals).filter(|_| state.contents(&leads).is_some()) else { return Ok(()) };
        for record in state.records(&leads)? {
            let row = record?.fields();
            let field = row.get("key").and_then(Value::as_str).and_then(|key| fields.get_mut(key));
            if let Some(field) = field {
                field.number = row.get("id").filter(|id| !id.is_null()).map(plain);
                field.gone = options(row.get("options_deleted"));
            }
        }
        Ok(())
    }

    /// Filters name fields by number, and reading adds the code.
    fn read_numbers<S: State>(&mut self, state: &S) -> Result<(), archive::Error> {
        let filters = ObjectName::known("filters");
        if state.contents(&filters).is_none() {
            return Ok(());
        }
        for record in state.records(&filters)? {
            let row = record?.fields();
            conditions::each(row.get("conditions").unwrap_or(&Value::Null), &mut |condition| {
                let text = |name: &str| condition.get(name).and_then(Value::as_str).unwrap_or_default();
                let fields = conditions::definers(text("object")).and_then(|fields| self.0.get_mut(fields));
                if let (Some(field), Some(number)) =
                    (fields.and_then(|fields| fields.get_mut(text("field_code"))), condition.get("field_id"))
                {
                    field.number.get_or_insert_with(|| plain(number));
                }
            });
        }
        Ok(())
    }

    /// Whether anything is known about the fields that this object defines.
    pub(super) fn know(&self, fields: &str) -> bool {
        self.0.contains_key(fields)
    }

    /// One field.
    pub(super) fn find(&self, fields: &str, code: &str) -> Option<&Definition> {
        self.0.get(fields)?.get(code)
    }

    /// The fields of every object that defines some.
    pub(super) fn all(&self) -> impl Iterator<Item = (&'static str, &OfObject)> {
        self.0.iter().map(|(name, fields)| (*name, fields))
    }

    /// The fields that one object defines.
    pub(super) fn of_object(&self, fields: &str) -> impl Iterator<Item = (&String, &Definition)> {
        self.0.get(fields).into_iter().flatten()
    }

    /// Whether a custom field was not there yet: its values are younger than the state.
    pub(super) fn lack(&self, fields: &str, code: &str) -> bool {
        self.know(fields) && is_custom(code) && self.find(fields, code).is_none()
    }
}

impl Definition {
    fn read(row: &Map<String, Value>) -> Option<(String, Definition)> {
        // v2 says field_code and field_name, v1 says key and name.
        let text = |names: &[&str]| names.iter().find_map(|name| row.get(*name)?.as_str()).map(str::to_owned);
        let definition = Definition {
            name: text(&["field_name", "name"]).unwrap_or_default(),
            kind: text(&["field_type"]).unwrap_or_default(),
            options: options(row.get("options")),
            ..Definition::default()
        };
        Some((text(&["field_code", "key"])?, definition))
    }

    /// Whether the option exists, by id.
    pub(super) fn has(&self, id: &Value) -> bool {
        self.options.iter().any(|(own, _)| plain(own) == plain(id))
    }

    /// The label of an option, also of one that was deleted before.
    pub(super) fn label(&self, id: &Value) -> Option<&str> {
        let mut known = self.options.iter().chain(&self.gone);
        known.find(|(own, _)| plain(own) == plain(id)).map(|(_, label)| label.as_str())
    }

    /// The label of an option, and how many before it have the same: labels need not be unique.
    pub(super) fn labelled_place(&self, id: &Value) -> Option<(&str, usize)> {
        let at = self.options.iter().position(|(own, _)| plain(own) == plain(id))?;
        let label = self.options[at].1.as_str();
        Some((label, self.options[..at].iter().filter(|(_, other)| other == label).count()))
    }

    /// The id of the option with the label; the first one, as labels need not be unique.
    pub(super) fn labelled(&self, label: &str) -> Option<&Value> {
        self.options.iter().find(|(_, own)| own == label).map(|(id, _)| id)
    }

    /// The labels in their order.
    pub(super) fn labels(&self) -> impl Iterator<Item = &str> {
        self.options.iter().map(|(_, label)| label.as_str())
    }

    /// The labels of options that another version of the field has neither under their id nor under their label; in
    /// another company an id says nothing.
    pub(super) fn missing_in<'d>(&'d self, other: &'d Definition, foreign: bool) -> impl Iterator<Item = &'d str> {
        let known = move |id: &Value| !foreign && other.has(id);
        let missing = self.options.iter().filter(move |(id, label)| !known(id) && other.labelled(label).is_none());
        missing.map(|(_, label)| label.as_str())
    }

    /// Whether it has options at all.
    pub(super) fn has_options(&self) -> bool {
        !self.options.is_empty() || matches!(self.kind.as_str(), "enum" | "set")
    }
}

fn options(list: Option<&Value>) -> Vec<(Value, String)> {
    let label = |option: &Value| option.get("label").and_then(Value::as_str).unwrap_or_default().to_owned();
    let options = list.and_then(Value::as_array).into_iter().flatten();
    options.filter_map(|option| Some((option.get("id")?.clone(), label(option)))).collect()
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
