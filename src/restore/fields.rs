//! Where a field of the goal is today: under its key, under another one, made by this plan, or nowhere.
//!
//! A field that was deleted and made again has another key (api/custom-fields.md,
//! "Where they live"). It is known by its key; else by the journal of the restore
//! that made it; else by its name and type, where those say which one it is.

use std::collections::{BTreeMap, BTreeSet};

use crate::catalogue::{self, ObjectName};
use crate::diff::Lineage;
use crate::record::{Key, RecordId};
use crate::restore::definitions::{Definition, Definitions};
use crate::restore::links::is_custom;

/// Where a field of the goal is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Place {
    /// In the account, under this key.
    Live(String),
    /// This plan makes it.
    Made(RecordId),
    /// Nowhere.
    Gone,
}

/// Knows where the fields of the goal are.
#[derive(Default)]
pub(super) struct Fields {
    /// Keys of today by the fields of the goal that have another one now.
    keys: BTreeMap<RecordId, String>,
    /// Fields that steps make.
    making: BTreeSet<RecordId>,
    /// Labels that steps add to fields of the account, by the field as the goal names it.
    adding: BTreeMap<RecordId, Vec<String>>,
    /// The account is another company's: a code or the number of an option means nothing there by itself.
    strict: bool,
}

/// The field that an object defines under a code.
pub(super) fn field_id(fields: &str, code: &str) -> RecordId {
    RecordId::new(ObjectName::new(fields), Key::parse(code))
}

impl Fields {
    /// Finds the fields of the goal that have another key today.
    pub(super) fn between(then: &Definitions, now: &Definitions, lineage: &Lineage) -> Fields {
        let mut keys = BTreeMap::new();
        for (fields, old) in then.all().filter(|(fields, _)| now.know(fields)) {
            let (gone, added): (Vec<_>, Vec<_>) = (
                old.iter().filter(|(code, _)| is_custom(code) && now.find(fields, code).is_none()).collect(),
                now.of_object(fields).filter(|(code, _)| is_custom(code) && !old.contains_key(*code)).collect(),
            );
            let mut taken: BTreeSet<&str> = BTreeSet::new();
            for (code, _) in &gone {
                let heirs = lineage.after(&field_id(fields, code)).map(|heir| heir.key.to_string());
                let live = |key: &String| added.iter().find(|(code, _)| *code == key).map(|(code, _)| *code);
                if let Some(heir) = heirs.filter_map(|key| live(&key)).last() {
                    taken.insert(heir);
                    keys.insert(field_id(fields, code), heir.clone());
                }
            }
            for (code, field) in &gone {
                let id = field_id(fields, code);
                if !keys.contains_key(&id)
                    && let Some(twin) = alike(field, (&gone, &added), &taken)
                {
                    keys.insert(id, twin.to_owned());
                }
            }
        }
        Fields { keys, ..Fields::default() }
    }

    /// Fields of another company, of which only these are known.
    pub(super) fn strict(keys: BTreeMap<RecordId, String>) -> Fields {
        Fields { keys, strict: true, ..Fields::default() }
    }

    /// Whether codes and numbers mean nothing in the account by themselves.
    pub(super) fn is_strict(&self) -> bool {
        self.strict
    }

    /// Where a field is.
    pub(super) fn place(&self, now: &Definitions, fields: &str, code: &str) -> Place {
        let id = field_id(fields, code);
        if self.making.contains(&id) {
            return Place::Made(id);
        }
        match self.keys.get(&id) {
            Some(today) => Place::Live(today.clone()),
            // What the service has itself is always there, and nothing is known of fields that were not read.
            None if !is_custom(code) => Place::Live(code.to_owned()),
            None if !self.strict && (now.find(fields, code).is_some() || !now.know(fields)) => {
                Place::Live(code.to_owned())
            }
            None => Place::Gone,
        }
    }

    /// Whether a field of the goal is in the account under another key.
    pub(super) fn has_moved(&self, id: &RecordId) -> bool {
        self.keys.contains_key(id)
    }

    /// Whether a field of the account is one that the goal has under another key.
    pub(super) fn is_heir(&self, id: &RecordId) -> bool {
        let key = id.key.to_string();
        self.keys.iter().any(|(old, today)| old.object == id.object && *today == key)
    }

    /// Keys of today by the fields of the goal that have another one now.
    pub(super) fn moved(&self) -> impl Iterator<Item = (&RecordId, &String)> {
        self.keys.iter()
    }

    /// A step makes this field.
    pub(super) fn make(&mut self, id: &RecordId) {
        if catalogue::find(&id.object).is_some_and(|object| object.options.is_some()) {
            self.making.insert(id.clone());
        }
    }

    /// No step makes this field after all.
    pub(super) fn unmake(&mut self, id: &RecordId) {
        self.making.remove(id);
    }

    /// Asks for the options that the goal's field has and the account's has not.
    pub(super) fn add_options(&mut self, then: &Definitions, now: &Definitions, id: &RecordId) {
        let (fields, code) = (id.object.as_str(), id.key.to_string());
        let can = catalogue::find(&id.object).is_some_and(|object| object.options.is_some());
        let (Some(old), Place::Live(today)) = (then.find(fields, &code), self.place(now, fields, &code)) else {
            return;
        };
        let Some(new) = now.find(fields, &today).filter(|_| can) else { return };
        let missing: Vec<String> = old.missing_in(new, self.strict).map(str::to_owned).collect();
        if !missing.is_empty() {
            self.adding.insert(id.clone(), missing);
        }
    }

    /// Whether a step adds this option.
    pub(super) fn adds(&self, fields: &str, code: &str, label: &str) -> Option<RecordId> {
        let id = field_id(fields, code);
        self.adding.get(&id).is_some_and(|labels| labels.iter().any(|own| own == label)).then_some(id)
    }

    /// Options that steps add, by the field as the goal names it.
    pub(super) fn added_options(&self) -> impl Iterator<Item = (&RecordId, &Vec<String>)> {
        self.adding.iter()
    }
}

type Pair<'d> = (&'d String, &'d Definition);

/// The one added field that has the name and type of a field that is gone; of several, the one with its options.
fn alike<'d>(field: &Definition, (gone, added): (&[Pair<'_>], &[Pair<'d>]), taken: &BTreeSet<&str>) -> Option<&'d str> {
    let twin = |other: &Definition| other.name == field.name && other.kind == field.kind;
    let same = |other: &Definition| twin(other) && other.labels().eq(field.labels());
    let among = |wanted: &dyn Fn(&Definition) -> bool| -> Vec<&'d str> {
        let free = added.iter().filter(|(code, other)| !taken.contains(code.as_str()) && wanted(other));
        free.map(|(code, _)| code.as_str()).collect()
    };
    let alone = |wanted: &dyn Fn(&Definition) -> bool| gone.iter().filter(|(_, other)| wanted(other)).count() == 1;
    match (among(&twin).as_slice(), among(&same).as_slice()) {
        ([only], _) if alone(&twin) => Some(only),
        (_, [only]) if alone(&same) => Some(only),
        _ => None,
    }
}
