//! Which of the records that differ are acted upon.
//!
//! `related` closes over the missing ones: up to what the chosen records point
//! to, and down to what points to them. What was only brought along as a target
//! brings its own parts, notes and files, but not everything else that ever
//! pointed to it: one deal should not bring back a customer's whole history.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use serde_json::Value;

use crate::archive;
use crate::catalogue::{self, ObjectName, Target};
use crate::record::RecordId;
use crate::restore::CannotPlan;
use crate::restore::cases::{Case, Cases, object_of, places};
use crate::restore::definitions::Definitions;
use crate::restore::links::{candidates, pointers};
use crate::restore::policy::Policy;
use crate::restore::state::State;

/// Objects that belong to a record without being listed under it.
const ATTACHED: &[&str] = &["notes", "files"];

/// What is acted upon.
pub(super) struct Chosen {
    /// Identities as in [`Cases`].
    pub(super) records: BTreeSet<RecordId>,
    /// Missing parts of chosen records that were not asked for: by object, how many.
    pub(super) left_behind: BTreeMap<ObjectName, u64>,
}

/// Picks what the policy asks for.
pub(super) fn choose<S: State>(
    policy: &Policy,
    cases: &Cases,
    goal: &S,
    seen: &S,
    definitions: &Definitions,
) -> Result<Chosen, CannotPlan> {
    let mut records = BTreeSet::new();
    if policy.scope.is_everything() {
        records.extend(cases.all.keys().cloned());
        return Ok(Chosen { records, left_behind: BTreeMap::new() });
    }
    let objects = objects(policy)?;
    records.extend(cases.all.keys().filter(|id| objects.contains(&id.object)).cloned());
    for id in &policy.scope.records {
        records.extend(record(id, cases, goal, seen)?);
    }
    let below = Below::of(cases, definitions);
    let mut asked: BTreeSet<RecordId> = policy.scope.records.iter().flat_map(places).collect();
    asked.extend(records.iter().cloned());
    let mut left_behind = BTreeMap::new();
    if policy.related {
        below.close(&mut records, asked, cases, definitions);
    } else {
        // A part names its parent in its key and in its row, and the parent may stand in two lists.
        let children: BTreeSet<&RecordId> = asked.iter().flat_map(|id| below.of.get(id)).flatten().collect();
        for id in children.into_iter().filter(|id| !records.contains(*id)) {
            if is_part(id) && matches!(cases.all.get(id), Some(Case::Deleted(_))) {
                *left_behind.entry(id.object.clone()).or_default() += 1;
            }
        }
    }
    Ok(Chosen { records, left_behind })
}

fn objects(policy: &Policy) -> Result<BTreeSet<ObjectName>, CannotPlan> {
    let mut objects = BTreeSet::new();
    for name in &policy.scope.objects {
        let object = catalogue::find(name).ok_or_else(|| CannotPlan::UnknownObject(name.clone()))?;
        objects.insert(ObjectName::known(object.name));
        // A record that was archived since stands in the other list.
        objects.extend(object.twin.map(ObjectName::known));
    }
    Ok(objects)
}

/// The case a named record is filed under; none when it did not change.
fn record<S: State>(id: &RecordId, cases: &Cases, goal: &S, seen: &S) -> Result<Option<RecordId>, CannotPlan> {
    let object = object_of(id).ok_or_else(|| CannotPlan::UnknownObject(id.object.clone()))?;
    let id = RecordId::new(ObjectName::known(object.name), id.key.clone());
    if let Some(place) = places(&id).into_iter().find(|place| cases.all.contains_key(place)) {
        return Ok(Some(place));
    }
    let known = |state: &S| -> Result<bool, archive::Error> {
        Ok(places(&id)
            .iter()
            .map(|place| state.find(place))
            .collect::<Result<Vec<_>, _>>()?
            .iter()
            .any(Option::is_some))
    };
    if known(goal)? || known(seen)? { Ok(None) } else { Err(CannotPlan::NoSuchRecord(id)) }
}

/// Whether rows of the object are parts of the record they are listed under.
fn is_part(id: &RecordId) -> bool {
    object_of(id).is_some_and(|object| !object.parents().is_empty())
}

/// Whether a row belongs to this record, and not only names it: who takes part in a deal is the deal's, not the person's.
fn is_part_of(child: &RecordId, id: &RecordId) -> bool {
    let Some(object) = object_of(child).filter(|_| is_part(child)) else { return false };
    let listed = match child.key.parent() {
        Some(parent) => parent == id.key,
        None => true,
    };
    let parents = places(id);
    listed && parents.iter().any(|place| object.parents().contains(&place.object.as_str()))
}

/// What points to a record: missing records, and parts whatever happened to them.
struct Below {
    of: HashMap<RecordId, Vec<RecordId>>,
    named: HashMap<(&'static str, String), RecordId>,
}

impl Below {
    fn of(cases: &Cases, definitions: &Definitions) -> Below {
        let mut below = Below { of: HashMap::new(), named: HashMap::new() };
        for (id, case) in &cases.all {
            let (Some(object), Case::Deleted(record) | Case::Changed { goal: record, .. } | Case::Added(record)) =
                (object_of(id), case)
            else {
                continue;
            };
            let fields = record.fields();
            let deleted = matches!(case, Case::Deleted(_));
            for pointer in pointers(object, record.id(), &fields, definitions) {
                if deleted || pointer.field.is_empty() {
                    for parent in candidates(pointer.objects, &pointer.key) {
                        below.of.entry(parent).or_default().push(id.clone());
                    }
                }
            }
            if let Some(name) = name_of(id, &fields).filter(|_| deleted) {
                below.named.insert(name, id.clone());
            }
        }
        below
    }

    /// Adds everything missing that the chosen records need or that belongs to them.
    fn close(
        &self,
        records: &mut BTreeSet<RecordId>,
        asked: BTreeSet<RecordId>,
        cases: &Cases,
        definitions: &Definitions,
    ) {
        let mut waiting: VecDeque<(RecordId, bool)> = asked.into_iter().map(|id| (id, true)).collect();
        while let Some((id, asked)) = waiting.pop_front() {
            for child in self.of.get(&id).into_iter().flatten() {
                let belongs = asked || is_part_of(child, &id) || ATTACHED.contains(&child.object.as_str());
                if belongs && records.insert(child.clone()) {
                    waiting.push_back((child.clone(), asked));
                }
            }
            for target in self.needed(&id, cases, definitions) {
                if records.insert(target.clone()) {
                    waiting.push_back((target, false));
                }
            }
        }
    }

    /// Missing records that a record points to.
    fn needed(&self, id: &RecordId, cases: &Cases, definitions: &Definitions) -> Vec<RecordId> {
        let (Some(object), Some(goal)) = (object_of(id), cases.all.get(id).and_then(Case::goal)) else {
            return Vec::new();
        };
        let fields = goal.fields();
        let missing = |id: &RecordId| matches!(cases.all.get(id), Some(Case::Deleted(_)));
        let ids = pointers(object, id, &fields, definitions)
            .into_iter()
            .flat_map(|pointer| candidates(pointer.objects, &pointer.key));
        let mut needed: Vec<RecordId> = ids.filter(missing).collect();
        for reference in object.references {
            let Target::Named { object, .. } = reference.to else { continue };
            let name = fields.get(reference.top()).and_then(Value::as_str);
            needed.extend(name.and_then(|name| self.named.get(&(object, name.to_owned()))).cloned());
        }
        needed
    }
}

/// The word by which others refer to this record, if they do not use its id.
fn name_of(id: &RecordId, fields: &serde_json::Map<String, Value>) -> Option<(&'static str, String)> {
    let references = catalogue::ALL.iter().flat_map(|object| object.references);
    references.into_iter().find_map(|reference| match reference.to {
        Target::Named { object, by } if object == id.object.as_str() => {
            Some((object, fields.get(by)?.as_str()?.to_owned()))
        }
        _ => None,
    })
}
