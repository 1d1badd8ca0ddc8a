//! Finds what is there already: by what people recognise it by, never by its number.
//!
//! Only what a company is set up with is matched: who works there, how its sales are
//! organised, what its fields and labels are called. Deals and customers are not: two
//! companies may know the same person, and nobody asked to merge them.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use serde_json::{Map, Value};

use crate::archive;
use crate::catalogue::{self, KeyIn, ObjectName};
use crate::record::{Key, RecordId};
use crate::restore::cases::{is_there, places};
use crate::restore::elsewhere::mapping::{Entry, Fate, Mapping};
use crate::restore::elsewhere::{is_the_services_own, moved_key};
use crate::restore::fill::value_key;
use crate::restore::lineage::Carried;
use crate::restore::state::State;

/// How the records of one object are recognised.
struct Marks {
    object: &'static str,
    /// Fields that must say the same, the first of these lists that finds something.
    by: &'static [&'static [&'static str]],
    /// The record it must stand within, and the field that names that.
    within: Option<(&'static str, &'static str)>,
}

const fn marks(object: &'static str, by: &'static [&'static [&'static str]]) -> Marks {
    Marks { object, by, within: None }
}

/// What is recognised, in an order in which what others stand within comes first.
const MARKS: &[Marks] = &[
    marks("users", &[&["email"]]),
    marks("roles", &[&["name"]]),
    marks("permissionSets", &[&["app", "name"]]),
    marks("legacyTeams", &[&["name"]]),
    marks("currencies", &[&["code"]]),
    marks("activityTypes", &[&["key_string"], &["name"]]),
    marks("leadLabels", &[&["name"]]),
    marks("leadSources", &[&["name"]]),
    marks("pipelines", &[&["name"]]),
    Marks { object: "stages", by: &[&["name"]], within: Some(("pipelines", "pipeline_id")) },
    marks("projectBoards", &[&["name"]]),
    Marks { object: "projectPhases", by: &[&["name"]], within: Some(("projectBoards", "board_id")) },
    marks("projectTemplates", &[&["title"]]),
    marks("dealFields", FIELD),
    marks("personFields", FIELD),
    marks("organizationFields", FIELD),
    marks("productFields", FIELD),
    marks("projectFields", FIELD),
    marks("activityFields", FIELD),
    marks("filters", &[&["type", "name"]]),
];

/// A field is what it is called and of which type; its key is another one in each company.
const FIELD: &[&[&str]] = &[&["field_name", "field_type"]];

const NO_WEBHOOKS: &str = "its deliveries would go to the receivers of the first company; ask with --with-webhooks";

/// Whether several records may become one: what is only linked to, and what only links it.
pub(super) fn may_become_one(object: &ObjectName) -> bool {
    let links = |object: &catalogue::Object| object.is_under_parent() || is_by_user(object);
    has_marks(object) || catalogue::find(object).is_some_and(links)
}

/// Whether rows are known by the user whom they are about.
fn is_by_user(object: &catalogue::Object) -> bool {
    matches!(object.key, KeyIn::Field("user_id"))
}

/// Whether records of the object are recognised by what they say.
fn has_marks(object: &ObjectName) -> bool {
    MARKS.iter().any(|marks| marks.object == object.as_str())
}

/// Object, the object its records stand within, and the field that names that.
pub(super) fn within() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    MARKS.iter().filter_map(|marks| marks.within.map(|(parent, field)| (marks.object, parent, field)))
}

/// What becomes of each record that can be recognised, and of those that an earlier restore carried across.
///
/// What `mapping` says already stands.
pub fn propose<S: State>(
    (goal, seen): (&S, &S),
    mut mapping: Mapping,
    carried: &Carried,
    with_webhooks: bool,
) -> Result<Mapping, archive::Error> {
    // First: what was made there may have been renamed since.
    follow(goal, seen, carried, &mut mapping)?;
    for marks in MARKS {
        recognise(marks, (goal, seen), &mut mapping)?;
    }
    parts(goal, seen, &mut mapping)?;
    if !with_webhooks {
        let name = ObjectName::known("webhooks");
        if goal.contents(&name).is_some() {
            for record in goal.records(&name)? {
                let (record, fate) = (record?, Fate::Skip(NO_WEBHOOKS.to_owned()));
                if mapping.says(record.id()) {
                    continue;
                }
                mapping.set(record.id().clone(), Entry { name: said(&record.fields(), &["name"]), fate });
            }
        }
    }
    Ok(mapping)
}

/// Finds the records of one object by their marks; of several alike, the first for the first.
fn recognise<S: State>(marks: &Marks, (goal, seen): (&S, &S), mapping: &mut Mapping) -> Result<(), archive::Error> {
    let name = ObjectName::known(marks.object);
    if goal.contents(&name).is_none() {
        return Ok(());
    }
    let mut free: BTreeMap<RecordId, Map<String, Value>> = BTreeMap::new();
    if seen.contents(&name).is_some() {
        for record in seen.records(&name)? {
            let record = record?;
            if is_there(&record) {
                free.insert(record.id().clone(), record.fields());
            }
        }
    }
    let mut open = Vec::new();
    mapping.matched().for_each(|(_, live)| drop(free.remove(live)));
    for record in goal.records(&name)? {
        let record = record?;
        if mapping.says(record.id()) {
            continue;
        }
        // A field of the service's own has the same code everywhere and needs no line.
        if is_there(&record) && !is_the_services_own(record.id()) {
            open.push((record.id().clone(), record.fields()));
        }
    }
    let parent = |row: &Map<String, Value>, field: &str| value_key(row.get(field)?);
    for by in marks.by {
        let mut known: HashMap<Vec<String>, VecDeque<RecordId>> = HashMap::new();
        for (id, row) in &free {
            let home = marks.within.and_then(|(_, field)| parent(row, field));
            known.entry(words(row, by, home)).or_default().push_back(id.clone());
        }
        let mut left = Vec::new();
        for (id, row) in open {
            let home = marks.within.map(|(object, field)| {
                let parent = RecordId::new(ObjectName::known(object), parent(&row, field)?);
                mapping.live(&parent).map(|live| live.key.clone())
            });
            let wanted = match home {
                Some(None) => None,
                home => Some(words(&row, by, home.flatten())),
            };
            let found = wanted.filter(|words| words.iter().any(|word| !word.is_empty()));
            match found.and_then(|words| known.get_mut(&words)?.pop_front()) {
                Some(live) => {
                    free.remove(&live);
                    mapping.set(id, Entry { name: said(&row, by), fate: Fate::Is(live) });
                }
                None => left.push((id, row)),
            }
        }
        open = left;
    }
    for (id, row) in open {
        mapping.set(id, Entry { name: said(&row, marks.by[0]), fate: Fate::Create });
    }
    Ok(())
}

/// What a row says in these fields, as people compare it.
fn words(row: &Map<String, Value>, by: &[&str], home: Option<Key>) -> Vec<String> {
    let word = |name: &&str| row.get(*name).and_then(Value::as_str).unwrap_or_default().trim().to_lowercase();
    by.iter().map(word).chain(home.map(|key| key.to_string())).collect()
}

/// What people call it.
fn said(row: &Map<String, Value>, by: &[&str]) -> String {
    let word = |name: &&str| row.get(*name).and_then(Value::as_str);
    by.iter().filter_map(word).collect::<Vec<_>>().join(", ")
}

/// Records that an earlier restore made there.
fn follow<S: State>(goal: &S, seen: &S, carried: &Carried, mapping: &mut Mapping) -> Result<(), archive::Error> {
    let objects: BTreeSet<&ObjectName> = carried.records().map(|id| &id.object).collect();
    for object in objects.into_iter().filter(|object| goal.contents(object).is_some()) {
        for key in goal.keys(object)? {
            let id = RecordId::new(object.clone(), key?);
            if mapping.says(&id) {
                continue;
            }
            for heir in carried.heirs(&id).into_iter().rev().flat_map(places) {
                let live = if seen.contents(&heir.object).is_some() { seen.find(&heir)? } else { None };
                if let Some(live) = live.filter(is_there) {
                    let fate = Fate::Is(live.id().clone());
                    mapping.set(id, Entry { name: said(&live.fields(), &["title", "name", "subject"]), fate });
                    break;
                }
            }
        }
    }
    Ok(())
}

/// Rows that hang on matched records and are there already, such as who has which role.
fn parts<S: State>(goal: &S, seen: &S, mapping: &mut Mapping) -> Result<(), archive::Error> {
    for object in catalogue::ALL {
        let name = ObjectName::known(object.name);
        if goal.contents(&name).is_none() || seen.contents(&name).is_none() || has_marks(&name) {
            continue;
        }
        let user_as_key = is_by_user(object);
        if !user_as_key && !object.is_under_parent() {
            continue;
        }
        let mut found = Vec::new();
        for key in goal.keys(&name)? {
            let id = RecordId::new(name.clone(), key?);
            if mapping.says(&id) {
                continue;
            }
            let live = |id: &RecordId| mapping.live(id).map(|live| live.key.clone());
            let key = match user_as_key {
                true => live(&RecordId::new(ObjectName::known("users"), id.key.clone())),
                false => moved_key(object, &id, &live),
            };
            let there = key.map(|key| RecordId::new(name.clone(), key));
            if let Some(there) = there
                && seen.find(&there)?.is_some()
            {
                found.push((id, there));
            }
        }
        for (id, there) in found {
            mapping.set(id, Entry { name: String::new(), fate: Fate::Is(there) });
        }
    }
    Ok(())
}
