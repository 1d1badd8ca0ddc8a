//! Into another company: what is there already is found, everything else is made.
//!
//! No id of the first company means anything in the second, so every record of the
//! goal is missing there unless the [`Mapping`] says which one it is. Beyond that the
//! planner has nothing to learn: references, circles and order are those of records
//! that were deleted. What the mapping matches is linked to, and changed only when
//! that was asked for; nothing is ever brought back from a deletion or deleted.

mod mapping;
mod matching;

use std::collections::BTreeMap;

use serde_json::Value;

use crate::archive;
use crate::catalogue::{self, Listing, Object, ObjectName, Target};
use crate::record::{Key, RecordId};
use crate::restore::cases::{Cases, is_there};
use crate::restore::definitions::Definitions;
use crate::restore::fields::{Fields, field_id};
use crate::restore::links::{Links, is_custom, named_objects, note_whole, pointers_of};
use crate::restore::policy::Policy;
use crate::restore::state::State;

pub use mapping::{Entry, Fate, Mapping, NotAMapping};
pub use matching::propose;

impl Cases {
    /// Every record of the goal that is to be made, and those of the matched ones that may be changed.
    pub(super) fn elsewhere<S: State>(
        goal: &S,
        seen: &S,
        mapping: &Mapping,
        policy: &Policy,
    ) -> Result<Cases, archive::Error> {
        let mut cases = Cases::default();
        for object in catalogue::ALL.iter().filter(|object| !matches!(object.listing, Listing::Derived { .. })) {
            let name = ObjectName::known(object.name);
            let Some(contents) = goal.contents(&name).filter(|contents| contents.records > 0) else { continue };
            if let Some(why) = not_offered(object, seen) {
                cases.blind.insert(name, (contents.records, why));
                continue;
            }
            for record in goal.records(&name)? {
                let record = record?;
                if is_the_services_own(record.id())
                    && seen.contents(&name).is_some()
                    && seen.find(record.id())?.is_some()
                {
                    continue;
                }
                match mapping.fate(record.id()) {
                    Fate::Skip(_) => {}
                    Fate::Create => {
                        if is_there(&record) {
                            cases.delete(&record);
                        }
                    }
                    Fate::Is(live) if policy.change_matched => {
                        if let Some(live) = seen.find(live)? {
                            cases.change(record, live);
                        }
                    }
                    Fate::Is(_) => {}
                }
            }
        }
        Ok(cases)
    }
}

/// Whether it is a field that the service has in every account, under the same code.
pub(super) fn is_the_services_own(id: &RecordId) -> bool {
    id.object.as_str().ends_with("Fields") && !is_custom(&id.key.to_string())
}

/// Why nothing of an object can be made in an account that does not have it at all.
fn not_offered<S: State>(object: &Object, seen: &S) -> Option<String> {
    // An archived record is made in the list it was archived from.
    let home = ObjectName::known(crate::restore::planner::home(object_of(object)).name);
    match seen.contents(&home).map(|contents| &contents.coverage) {
        Some(archive::Coverage::NotOffered { reason }) => Some(format!("the account does not offer it: {reason}")),
        _ => None,
    }
}

fn object_of(object: &Object) -> &'static Object {
    catalogue::find(&ObjectName::new(object.name)).expect("it stands in the catalogue")
}

impl Links<'_> {
    /// Where records are in another company: made by a step, matched, or nowhere.
    pub(super) fn elsewhere<S: State>(
        (goal, seen): (&S, &S),
        cases: &Cases,
        definitions: &Definitions,
        mapping: &Mapping,
    ) -> Result<Self, archive::Error> {
        let mut links = Links::strict();
        for pointer in pointers_of(cases, definitions) {
            note_whole(&mut links.whole, pointer.objects, &pointer.key);
        }
        for (id, live) in mapping.matched() {
            note_whole(&mut links.whole, std::slice::from_ref(&object_name(&id.object)), &id.key);
            links.matched.insert(id.clone(), live.key.clone());
        }
        for (object, by) in named_objects() {
            let name = ObjectName::known(object);
            if goal.contents(&name).is_none() {
                continue;
            }
            links.words.insert((object, by));
            for record in goal.records(&name)? {
                let record = record?;
                let word = record.fields().get(by).and_then(Value::as_str).map(str::to_owned);
                let live = mapping.live(record.id()).map(|live| seen.find(live)).transpose()?.flatten();
                let today = live.and_then(|live| live.fields().get(by).cloned());
                if let (Some(word), Some(today)) = (word, today) {
                    links.renamed.insert((object, by, word), today);
                }
            }
        }
        Ok(links)
    }
}

fn object_name(name: &ObjectName) -> &'static str {
    catalogue::find(name).map_or("", |object| object.name)
}

impl Fields {
    /// The fields that the mapping matches; every other custom field of the goal is not there.
    pub(super) fn elsewhere(then: &Definitions, mapping: &Mapping) -> Fields {
        let mut keys = BTreeMap::new();
        for (fields, definitions) in then.all() {
            for code in definitions.keys().filter(|code| is_custom(code)) {
                let id = field_id(fields, code);
                if let Some(live) = mapping.live(&id) {
                    keys.insert(id, live.key.to_string());
                }
            }
        }
        Fields::strict(keys)
    }
}

/// The key that a row under a parent has in the other company, once the parent and whom it names are known there.
fn moved_key(object: &Object, id: &RecordId, live: &dyn Fn(&RecordId) -> Option<Key>) -> Option<Key> {
    let record = |objects: &[&'static str], key: Key| {
        objects.iter().find_map(|name| live(&RecordId::new(ObjectName::known(name), key.clone())))
    };
    let own_field = match object.key {
        catalogue::KeyIn::Both { own, .. } | catalogue::KeyIn::ParentAnd(own) => own,
        _ => return None,
    };
    let own_objects = object.references.iter().find_map(|reference| match reference.to {
        Target::Record(objects) if reference.field == own_field => Some(objects),
        _ => None,
    });
    match &id.key {
        Key::Pair(parent, own) => {
            let parent = record(object.parents(), Key::Number(*parent))?;
            let own = record(own_objects?, Key::Number(*own))?;
            Some(Key::parse(&format!("{parent}:{own}")))
        }
        Key::Text(text) => {
            let (parent, own) = text.split_once(':')?;
            let parent = record(object.parents(), Key::parse(parent))?;
            let own = match own_objects {
                Some(objects) => record(objects, Key::parse(own))?,
                // A word of the service, such as the name of a setting, is the same in every account.
                None => Key::parse(own),
            };
            Some(Key::parse(&format!("{parent}:{own}")))
        }
        Key::Number(_) => None,
    }
}
