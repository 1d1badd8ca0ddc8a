//! Which of the records that differ are acted upon.
//!
//! `related` closes over the missing ones: up to what the chosen records point
//! to, and down to what points to them. What was only brought along as a target
//! brings its own parts, notes and files, but not everything else that ever
//! pointed to it: one deal should not bring back a customer's whole history. Where
//! only references are to be satisfied ([`Missing::Create`]), it closes upwards alone.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use serde_json::Value;

use crate::archive;
use crate::catalogue::{self, ObjectName, Restore, Target};
use crate::record::RecordId;
use crate::restore::CannotPlan;
use crate::restore::cases::{Case, Cases, object_of, places};
use crate::restore::definitions::Definitions;
use crate::restore::links::{candidates, pointers};
use crate::restore::plan::{Dangling, Drawn};
use crate::restore::policy::{Missing, Policy};
use crate::restore::sift::Sift;
use crate::restore::state::{Pages, State};

/// Objects that belong to a record without being listed under it.
const ATTACHED: &[&str] = &["notes", "files"];

/// What is acted upon.
#[derive(Default)]
pub(super) struct Chosen {
    /// Identities as in [`Cases`].
    pub(super) records: BTreeSet<RecordId>,
    /// Missing parts of chosen records that were not asked for: by object, how many.
    pub(super) left_behind: BTreeMap<ObjectName, u64>,
    /// How records came to be among them; empty where nothing but objects and records was asked for.
    pub(super) drawn: BTreeMap<String, Drawn>,
    /// Missing records that chosen ones refer to and that do not come along.
    pub(super) dangling: BTreeMap<String, Dangling>,
}

/// Picks what the policy asks for.
pub(super) fn choose<S: State>(
    policy: &Policy,
    cases: &Cases,
    goal: &S,
    seen: &S,
    definitions: &Definitions,
) -> Result<Chosen, CannotPlan> {
    let mut chosen = Chosen::default();
    let (then, now) = (Pages(goal), Pages(seen));
    let sift = Sift::of(policy, &then, &now)?;
    if policy.scope.is_everything() {
        chosen.records.extend(cases.all.keys().cloned());
        return Ok(chosen);
    }
    let objects = objects(policy)?;
    for id in cases.all.keys().filter(|id| objects.contains(&id.object)) {
        match sift.as_ref().is_none_or(|sift| sift.passes(cases, id)) {
            true => drop(chosen.records.insert(id.clone())),
            false => chosen.drawn(id).passed_over += 1,
        }
    }
    for id in &policy.scope.records {
        chosen.records.extend(record(id, cases, goal, seen)?);
    }
    let draws = policy.related || policy.says(Missing::Create);
    if draws || sift.is_some() {
        for id in chosen.records.clone() {
            chosen.drawn(&id).chosen += 1;
        }
    }
    let below = Below::of(cases, definitions);
    let mut asked: BTreeSet<RecordId> = policy.scope.records.iter().flat_map(places).collect();
    asked.extend(chosen.records.iter().cloned());
    if !policy.related {
        // A part names its parent in its key and in its row, and the parent may stand in two lists.
        let children: BTreeSet<&RecordId> = asked.iter().flat_map(|id| below.of.get(id)).flatten().collect();
        for id in children.into_iter().filter(|id| !chosen.records.contains(*id)) {
            if is_part(id) && matches!(cases.all.get(id), Some(Case::Deleted(_))) {
                *chosen.left_behind.entry(id.object.clone()).or_default() += 1;
            }
        }
    }
    let closing = Closing { policy, below: &below, cases, definitions };
    if draws {
        closing.close(&mut chosen, asked);
    }
    closing.find_dangling(&mut chosen);
    Ok(chosen)
}

impl Chosen {
    fn drawn(&mut self, id: &RecordId) -> &mut Drawn {
        self.drawn.entry(id.object.to_string()).or_default()
    }
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
            let (Some(object), Some(record)) = (object_of(id), cases.either(id)) else { continue };
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
}

/// How far what is chosen reaches.
struct Closing<'c> {
    policy: &'c Policy,
    below: &'c Below,
    cases: &'c Cases,
    definitions: &'c Definitions,
}

impl Closing<'_> {
    /// Adds what is missing and the chosen records need, and, where that was asked for, what belongs to them.
    fn close(&self, chosen: &mut Chosen, asked: BTreeSet<RecordId>) {
        let mut beyond: BTreeSet<RecordId> = BTreeSet::new();
        let mut waiting: VecDeque<(RecordId, bool, u32)> = asked.into_iter().map(|id| (id, true, 0)).collect();
        while let Some((id, asked, away)) = waiting.pop_front() {
            let far = self.policy.depth.is_some_and(|depth| away >= depth);
            let children = self.below.of.get(&id).filter(|_| self.policy.related).into_iter().flatten();
            for child in children {
                let belongs = asked || is_part_of(child, &id) || ATTACHED.contains(&child.object.as_str());
                if belongs && far {
                    beyond.insert(child.clone());
                } else if belongs && chosen.records.insert(child.clone()) {
                    chosen.drawn(child).belonging += 1;
                    waiting.push_back((child.clone(), asked, away + 1));
                }
            }
            for target in self.needed(&id) {
                let wanted = self.policy.missing(target.object.as_str()) == Missing::Create;
                if wanted || self.policy.related && !far {
                    if chosen.records.insert(target.clone()) {
                        chosen.drawn(&target).needed += 1;
                        waiting.push_back((target, false, away + 1));
                    }
                } else if self.policy.related {
                    beyond.insert(target);
                }
            }
        }
        for id in beyond.difference(&chosen.records.clone()) {
            chosen.drawn(id).beyond += 1;
        }
    }

    /// Counts what is missing, does not come along, and could.
    fn find_dangling(&self, chosen: &mut Chosen) {
        let mut found: BTreeMap<String, (BTreeSet<RecordId>, u64)> = BTreeMap::new();
        for id in &chosen.records {
            let mut objects: BTreeSet<String> = BTreeSet::new();
            for target in self.needed(id).into_iter().filter(|target| !chosen.records.contains(target)) {
                if object_of(&target).is_some_and(|object| matches!(object.restore, Restore::Recreate)) {
                    let object = target.object.to_string();
                    found.entry(object.clone()).or_default().0.insert(target);
                    objects.insert(object);
                }
            }
            for object in objects {
                found.entry(object).or_default().1 += 1;
            }
        }
        let counted = |(records, from): (BTreeSet<RecordId>, u64)| Dangling { records: records.len() as u64, from };
        chosen.dangling = found.into_iter().map(|(object, found)| (object, counted(found))).collect();
    }

    /// Missing records that a record points to.
    fn needed(&self, id: &RecordId) -> Vec<RecordId> {
        let (Some(object), Some(goal)) = (object_of(id), self.cases.goal(id)) else {
            return Vec::new();
        };
        let fields = goal.fields();
        let missing = |id: &RecordId| matches!(self.cases.all.get(id), Some(Case::Deleted(_)));
        let ids = pointers(object, id, &fields, self.definitions)
            .into_iter()
            .flat_map(|pointer| candidates(pointer.objects, &pointer.key));
        let mut needed: Vec<RecordId> = ids.filter(missing).collect();
        for reference in object.references {
            let Target::Named { object, .. } = reference.to else { continue };
            let name = fields.get(reference.top()).and_then(Value::as_str);
            needed.extend(name.and_then(|name| self.below.named.get(&(object, name.to_owned()))).cloned());
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
