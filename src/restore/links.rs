//! Where records point to, and where those records are now.
//!
//! Every place that holds an id is found from the catalogue and from the
//! definitions of custom fields, never from a list of field names here
//! (api/restore-hazards.md section 2).

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use serde_json::{Map, Value};

use crate::archive;
use crate::catalogue::{self, KeyIn, Object, ObjectName, Restore, Shape, Target};
use crate::diff::Lineage;
use crate::record::{Key, Record, RecordId};
use crate::restore::cases::{Cases, is_there, places, present};
use crate::restore::conditions;
use crate::restore::definitions::Definitions;
use crate::restore::fill::value_key;
use crate::restore::state::State;

/// One id found in a record.
#[derive(Clone)]
pub(super) struct Pointer {
    /// The top-level field or the custom field's code; empty for the parent a row is listed under.
    pub(super) field: String,
    /// The objects it may belong to.
    pub(super) objects: &'static [&'static str],
    /// The id.
    pub(super) key: Key,
}

/// Every id in a record.
pub(super) fn pointers(
    object: &'static Object,
    id: &RecordId,
    fields: &Map<String, Value>,
    definitions: &Definitions,
) -> Vec<Pointer> {
    let mut found = Vec::new();
    if let Some(key) = id.key.parent().filter(|_| !object.parents().is_empty()) {
        found.push(Pointer { field: String::new(), objects: object.parents(), key });
    }
    for reference in object.references {
        let Some(value) = fields.get(reference.top()) else { continue };
        let field = || reference.top().to_owned();
        if reference.to == Target::Conditions {
            conditions::ids(value, definitions, &mut |objects, key| {
                found.push(Pointer { field: field(), objects, key });
            });
        }
        if let Target::Typed(types) = reference.to {
            let parts = value.as_object();
            let object = parts.and_then(|parts| typed(parts, types));
            if let (Some(object), Some(key)) = (object, parts.and_then(|parts| value_key(parts.get("id")?))) {
                found.push(Pointer { field: field(), objects: one(object), key });
            }
        }
        let Target::Record(objects) = reference.to else { continue };
        let path: Vec<&str> = segments(reference.field).skip(1).collect();
        leaves(value, &path, &mut |leaf| {
            if let Some(key) = value_key(leaf) {
                found.push(Pointer { field: field(), objects, key: whole_key(objects, key, fields) });
            }
        });
    }
    for (code, kind, value) in custom_values(object, fields, definitions) {
        if let (Some(objects), Some(key)) = (linked(kind), value_key(value)) {
            found.push(Pointer { field: code.to_owned(), objects, key });
        }
    }
    found
}

/// The key of a row that is known by its parent and an id of its own: who points to it names the parent in a field of
/// the same name.
fn whole_key(objects: &[&'static str], key: Key, fields: &Map<String, Value>) -> Key {
    let parent = objects.first().and_then(|object| parent_field(&ObjectName::known(object)));
    match (parent.and_then(|parent| value_key(fields.get(parent)?)), key) {
        (Some(Key::Number(parent)), Key::Number(own)) => Key::Pair(parent, own),
        (_, key) => key,
    }
}

fn parent_field(object: &ObjectName) -> Option<&'static str> {
    match catalogue::find(object)?.key {
        KeyIn::Both { parent, .. } => Some(parent),
        KeyIn::Field(_) | KeyIn::ParentAnd(_) | KeyIn::ParentAndAll(_) | KeyIn::ParentAndDigest => None,
    }
}

/// The object that the type in an object names.
pub(super) fn typed(parts: &Map<String, Value>, types: &[(&str, &'static str)]) -> Option<&'static str> {
    let named = parts.get("type").and_then(Value::as_str)?;
    types.iter().find(|(name, _)| *name == named).map(|(_, object)| *object)
}

/// One object as a list of candidates.
fn one(object: &'static str) -> &'static [&'static str] {
    let entry = catalogue::find(&ObjectName::known(object));
    entry.map_or(&[], |entry| std::slice::from_ref(&entry.name))
}

/// The objects that a custom field of this type points to.
pub(super) fn linked(kind: &str) -> Option<&'static [&'static str]> {
    match kind {
        "user" => Some(&["users"]),
        "org" => Some(&["organizations"]),
        "people" => Some(&["persons"]),
        _ => None,
    }
}

/// Values of custom fields with their code and their type.
pub(super) fn custom_values<'a>(
    object: &'static Object,
    fields: &'a Map<String, Value>,
    definitions: &'a Definitions,
) -> impl Iterator<Item = (&'a str, &'a str, &'a Value)> {
    let custom = object.custom;
    let values = match custom.map(|custom| custom.shape) {
        Some(Shape::Nested) => fields.get("custom_fields").and_then(Value::as_object),
        Some(Shape::Flat) => Some(fields),
        None => None,
    };
    values.into_iter().flatten().filter_map(move |(code, value)| {
        let kind = &definitions.find(custom?.fields, code)?.kind;
        is_custom(code).then_some((code.as_str(), kind.as_str(), value))
    })
}

/// Whether a code is that of a custom field: 40 hex letters (api/custom-fields.md).
pub(super) fn is_custom(code: &str) -> bool {
    code.len() == 40 && code.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// `participants[].person_id` → `participants`, `[]`, `person_id`.
pub(super) fn segments(path: &str) -> impl Iterator<Item = &str> {
    path.split('.')
        .flat_map(|part| match part.strip_suffix("[]") {
            Some(name) => [Some(name), Some("[]")],
            None => [Some(part), None],
        })
        .flatten()
}

fn leaves(value: &Value, path: &[&str], found: &mut dyn FnMut(&Value)) {
    match (path.split_first(), value) {
        (None, leaf) => found(leaf),
        (Some((&"[]", rest)), Value::Array(list)) => list.iter().for_each(|value| leaves(value, rest, found)),
        (Some((name, rest)), Value::Object(fields)) => {
            if let Some(value) = fields.get(*name) {
                leaves(value, rest, found);
            }
        }
        _ => {}
    }
}

/// Where a record of the goal is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Link {
    /// In the account, under this id.
    Live(Key),
    /// This plan makes it.
    Made(RecordId),
    /// Nowhere, and the plan does not make it.
    Missing,
}

/// An object, the field by which others refer to its records, and what that field said in the goal.
type Name = (&'static str, &'static str, String);

/// Knows where the records are that others point to.
#[derive(Default)]
pub(super) struct Links<'a> {
    /// What earlier restores made again in the same company.
    lineage: Option<&'a Lineage>,
    /// Records that steps make, as the goal names them.
    making: HashSet<RecordId>,
    /// Names of records that steps make, for references by name.
    named: HashMap<Name, RecordId>,
    /// Names that records have now which an earlier restore made again.
    pub(super) renamed: HashMap<Name, Value>,
    /// Records that somebody has looked for; of others only what differs is known.
    asked: BTreeMap<ObjectName, BTreeSet<Key>>,
    /// What happened since the goal.
    cases: Option<&'a Cases>,
    /// Which of the records asked about are in the account.
    live: BTreeMap<ObjectName, BTreeSet<Key>>,
    /// Records that are not made but have a counterpart with the same mark (users by e-mail).
    pub(super) matched: HashMap<RecordId, Key>,
    /// Whole keys of rows under a parent that others know by their own id alone.
    pub(super) whole: HashMap<(ObjectName, Key), Key>,
    /// Objects whose records cannot be called missing.
    blind: HashSet<ObjectName>,
    /// The account is another company's: what is neither made nor matched is missing, whatever has its number.
    strict: bool,
    /// Objects that others know by this field, of which the account has what is named here or renamed, and nothing else.
    pub(super) words: HashSet<(&'static str, &'static str)>,
    /// Names of records that are in the account.
    here: HashSet<Name>,
}

impl<'a> Links<'a> {
    /// Knows of nothing in another company.
    pub(super) fn strict() -> Links<'a> {
        Links { strict: true, ..Links::default() }
    }

    /// Looks up everything that the pointers point to: one walk over the keys of each object.
    pub(super) fn to<S: State>(
        pointers: impl Iterator<Item = Pointer>,
        cases: &'a Cases,
        goal: &S,
        seen: &S,
        lineage: &'a Lineage,
    ) -> Result<Links<'a>, archive::Error> {
        let mut links = Links {
            lineage: Some(lineage),
            cases: Some(cases),
            renamed: renamed(goal, seen, lineage)?,
            ..Links::default()
        };
        links.ask(pointers, cases, (goal, seen))?;
        links.know_names(seen)?;
        Ok(links)
    }

    /// Takes note of the names by which others know the account's own records: the type of an activity. What nobody can make
    /// is sent whatever it says: without its currency an amount would be another one.
    fn know_names<S: State>(&mut self, seen: &S) -> Result<(), archive::Error> {
        for (object, by) in named_objects() {
            let name = ObjectName::known(object);
            let is_made = catalogue::find(&name).is_some_and(|object| matches!(object.restore, Restore::Recreate));
            if !is_made || seen.contents(&name).is_none() || seen.blind(&name).is_some() {
                continue;
            }
            self.words.insert((object, by));
            for record in seen.records(&name)? {
                let record = record?;
                let word = record.fields().get(by).and_then(Value::as_str).map(str::to_owned);
                self.here.extend(word.filter(|_| is_there(&record)).map(|word| (object, by, word)));
            }
        }
        Ok(())
    }

    /// Looks up what these point to as well, as far as nobody has: of a record that is made again every link is written,
    /// also one that nothing happened to and that points to nothing.
    pub(super) fn ask<S: State>(
        &mut self,
        pointers: impl Iterator<Item = Pointer>,
        cases: &Cases,
        (goal, seen): (&S, &S),
    ) -> Result<(), archive::Error> {
        if self.strict {
            return Ok(());
        }
        let mut wanted: BTreeMap<ObjectName, BTreeSet<Key>> = BTreeMap::new();
        for pointer in pointers {
            note_whole(&mut self.whole, pointer.objects, &pointer.key);
            for id in candidates(pointer.objects, &pointer.key) {
                let heirs = self.lineage.into_iter().flat_map(|lineage| lineage.after(&id));
                for now in std::iter::once(&id).chain(heirs).flat_map(places) {
                    if self.asked.entry(now.object.clone()).or_default().insert(now.key.clone()) {
                        wanted.entry(now.object.clone()).or_default().insert(now.key.clone());
                    }
                }
            }
        }
        for (object, keys) in &wanted {
            let mut found = present(seen, object, keys)?;
            found.retain(|key| !cases.ghosts.contains(&RecordId::new(object.clone(), key.clone())));
            if seen.blind(object).is_some() {
                self.blind.insert(object.clone());
            }
            match_by_mark(goal, seen, object, keys.difference(&found), &mut self.matched)?;
            self.live.entry(object.clone()).or_default().extend(found);
        }
        Ok(())
    }

    /// A step makes this record.
    pub(super) fn make(&mut self, id: &RecordId, fields: &Map<String, Value>) {
        self.making.insert(id.clone());
        if let Key::Pair(_, own) = id.key {
            self.whole.insert((id.object.clone(), Key::Number(own)), id.key.clone());
        }
        for reference in catalogue::ALL.iter().flat_map(|object| object.references) {
            let Target::Named { object, by } = reference.to else { continue };
            if let Some(name) = fields.get(by).and_then(Value::as_str).filter(|_| id.object.as_str() == object) {
                self.named.insert((object, by, name.to_owned()), id.clone());
            }
        }
    }

    /// No step makes this record after all.
    pub(super) fn unmake(&mut self, id: &RecordId) {
        self.making.remove(id);
        self.named.retain(|_, made| made != id);
    }

    /// Whether a step makes this record.
    pub(super) fn is_made(&self, id: &RecordId) -> bool {
        self.making.contains(id)
    }

    /// Where the record with this id is.
    pub(super) fn find(&self, objects: &[&'static str], key: &Key) -> Link {
        let whole = objects.iter().find_map(|object| self.whole.get(&(ObjectName::known(object), key.clone())));
        let key = whole.unwrap_or(key);
        let candidates = candidates(objects, key);
        if let Some(id) = candidates.iter().find(|id| self.making.contains(id)) {
            return Link::Made(id.clone());
        }
        if self.strict {
            let matched = candidates.iter().find_map(|id| self.matched.get(id));
            return matched.map_or(Link::Missing, |key| Link::Live(key.clone()));
        }
        let is_live = |id: &RecordId| self.live.get(&id.object).is_some_and(|keys| keys.contains(&id.key));
        if candidates.iter().any(is_live) {
            return Link::Live(key.clone());
        }
        for id in &candidates {
            // Made again, it may stand in the twin's list by now: an archived lead is made as a lead.
            let newest = |lineage: &'a Lineage| lineage.newest(id, |now| places(now).iter().any(is_live));
            if let Some(now) = self.lineage.and_then(newest) {
                return Link::Live(now.key.clone());
            }
            if let Some(key) = self.matched.get(id) {
                return Link::Live(key.clone());
            }
        }
        let missing = match candidates.iter().any(|id| self.was_asked(id)) {
            true => candidates.iter().any(|id| !self.blind.contains(&id.object)),
            // What points to it did not change: it is as much there as it was.
            false => {
                let is_deleted = |cases: &Cases| candidates.iter().any(|id| cases.is_deleted(id));
                self.cases.is_some_and(is_deleted)
            }
        };
        if missing { Link::Missing } else { Link::Live(key.clone()) }
    }

    /// Whether somebody has looked for a record.
    fn was_asked(&self, id: &RecordId) -> bool {
        self.asked.get(&id.object).is_some_and(|keys| keys.contains(&id.key))
    }

    /// Whether it was found out where the record with this id is; of others only what differs is known.
    pub(super) fn is_known(&self, objects: &[&'static str], key: &Key) -> bool {
        self.strict || candidates(objects, key).iter().any(|id| self.making.contains(id) || self.was_asked(id))
    }

    /// Whether an earlier restore gave the record of this id a new number; whatever names the old one names nothing.
    pub(super) fn has_moved(&self, objects: &[&'static str], key: &Key) -> bool {
        self.is_old(objects, key) && matches!(self.find(objects, key), Link::Live(now) if now != *key)
    }

    /// Whether an earlier restore made a record of this id again; the id may be alive again all the same.
    pub(super) fn is_old(&self, objects: &[&'static str], key: &Key) -> bool {
        let has_heir = |lineage: &Lineage| candidates(objects, key).iter().any(|id| lineage.after(id).next().is_some());
        self.lineage.is_some_and(has_heir)
    }

    /// The record that a step makes and that was known by this name.
    pub(super) fn named(&self, object: &'static str, by: &'static str, name: &str) -> Option<&RecordId> {
        self.named.get(&(object, by, name.to_owned()))
    }

    /// The names of all of them.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.named.keys().map(|(_, _, name)| name.as_str())
    }

    /// Whether no record goes by this word, neither in the account nor after the plan.
    pub(super) fn is_unknown(&self, object: &'static str, by: &'static str, name: &str) -> bool {
        let made = || self.named(object, by, name).is_some() || self.renamed(object, by, name).is_some();
        let here = || self.here.contains(&(object, by, name.to_owned()));
        self.words.contains(&(object, by)) && !made() && !here()
    }

    /// The name that the record has today, if an earlier restore made it again under another one.
    pub(super) fn renamed(&self, object: &'static str, by: &'static str, name: &str) -> Option<&Value> {
        self.renamed.get(&(object, by, name.to_owned()))
    }
}

pub(super) fn note_whole(whole: &mut HashMap<(ObjectName, Key), Key>, objects: &[&'static str], key: &Key) {
    if let (Some(object), Key::Pair(_, own)) = (objects.first(), key) {
        whole.insert((ObjectName::known(object), Key::Number(*own)), key.clone());
    }
}

/// The records an id may mean.
pub(super) fn candidates(objects: &[&'static str], key: &Key) -> Vec<RecordId> {
    let mut found: Vec<RecordId> = Vec::new();
    for object in objects {
        for id in places(&RecordId::new(ObjectName::known(object), key.clone())) {
            if !found.contains(&id) {
                found.push(id);
            }
        }
    }
    found
}

/// Objects whose records others know by a name, and the field that holds it.
pub(super) fn named_objects() -> BTreeSet<(&'static str, &'static str)> {
    let references = catalogue::ALL.iter().flat_map(|object| object.references);
    let named = references.filter_map(|reference| match reference.to {
        Target::Named { object, by } => Some((object, by)),
        _ => None,
    });
    named.collect()
}

/// Finds the names of records that an earlier restore made again: the service may have chosen others.
fn renamed<S: State>(goal: &S, seen: &S, lineage: &Lineage) -> Result<HashMap<Name, Value>, archive::Error> {
    let mut renamed = HashMap::new();
    for (name, by) in named_objects() {
        let object = ObjectName::known(name);
        let known = goal.contents(&object).is_some() && seen.contents(&object).is_some();
        if !known || lineage.is_empty() {
            continue;
        }
        for record in goal.records(&object)? {
            let record = record?;
            let mut now = None;
            for after in lineage.after(record.id()) {
                now = seen.find(after)?.or(now);
            }
            let field = |record: &Record| record.fields().get(by).cloned();
            if let (Some(Value::String(then)), Some(now)) = (field(&record), now.as_ref().and_then(field)) {
                renamed.insert((name, by, then), now);
            }
        }
    }
    Ok(renamed)
}

/// Finds counterparts of missing records that are never made: a user with the same e-mail.
fn match_by_mark<'k, S: State>(
    goal: &S,
    seen: &S,
    object: &ObjectName,
    missing: impl Iterator<Item = &'k Key>,
    matched: &mut HashMap<RecordId, Key>,
) -> Result<(), archive::Error> {
    let Some(Restore::MatchBy(mark)) = catalogue::find(object).map(|object| object.restore) else { return Ok(()) };
    let mut marks: HashMap<String, RecordId> = HashMap::new();
    for key in missing {
        let id = RecordId::new(object.clone(), key.clone());
        let record = goal.find(&id)?.map(|record| record.fields());
        if let Some(value) = record.as_ref().and_then(|fields| fields.get(mark)).and_then(Value::as_str) {
            marks.insert(value.to_lowercase(), id);
        }
    }
    if marks.is_empty() {
        return Ok(());
    }
    for record in seen.records(object)? {
        let record = record?;
        let value = record.fields().get(mark).and_then(Value::as_str).map(str::to_lowercase);
        if let Some(id) = value.and_then(|value| marks.remove(&value)) {
            matched.insert(id, record.id().key.clone());
        }
    }
    Ok(())
}

/// Every pointer of the goal's side of the cases.
pub(super) fn pointers_of<'c>(cases: &'c Cases, definitions: &'c Definitions) -> impl Iterator<Item = Pointer> + 'c {
    let records = cases.all.keys().filter_map(|id| cases.goal(id));
    records.flat_map(move |record| {
        let object = catalogue::find(&record.id().object);
        object.map(|object| pointers(object, record.id(), &record.fields(), definitions)).unwrap_or_default()
    })
}
