//! What happened to each record since the goal: deleted, changed or added.
//!
//! Memory is proportional to what differs, never to the account; what was deleted,
//! which may be everything, is kept packed. A record that
//! moved to the archive, or that an earlier restore made again under a new id, is
//! the same record and counts as changed.

use std::collections::{BTreeMap, BTreeSet};

use crate::archive;
use crate::catalogue::{self, Listing, Object, ObjectName};
use crate::diff::Lineage;
use crate::record::{Key, Record, RecordId};
use crate::restore::fill::value_key;
use crate::restore::packed::{Packed, Place};
use crate::restore::request::is_deleted;
use crate::restore::rules;
use crate::restore::state::State;

/// What happened to one record.
#[derive(Clone, Debug)]
pub(super) enum Case {
    /// The goal has it, the account has not.
    Deleted(Place),
    /// Both have it, in different versions or places.
    Changed {
        /// As the goal has it.
        goal: Box<Record>,
        /// As the account has it.
        live: Box<Record>,
    },
    /// The account has it, the goal has not.
    Added(Box<Record>),
}

/// Everything that happened, by the identity in the goal; of what was added, by the account's.
#[derive(Default)]
pub(super) struct Cases {
    pub(super) all: BTreeMap<RecordId, Case>,
    deleted: Packed,
    /// Rows of the account that say of themselves that they are deleted.
    pub(super) ghosts: BTreeSet<RecordId>,
    /// Objects of which too little was seen to call a record deleted, and why.
    pub(super) blind: BTreeMap<ObjectName, (u64, String)>,
    /// Objects of which the goal saw too little to call a record added, and why.
    pub(super) unknown: BTreeMap<ObjectName, (u64, String)>,
}

impl Cases {
    /// Compares two states.
    pub(super) fn between<S: State>(goal: &S, seen: &S, lineage: &Lineage) -> Result<Cases, archive::Error> {
        let mut cases = Cases::default();
        for object in catalogue::ALL.iter().filter(|object| !matches!(object.listing, Listing::Derived { .. })) {
            cases.compare(goal, seen, &ObjectName::known(object.name))?;
        }
        cases.bury(goal, seen)?;
        cases.join(lineage);
        cases.meet();
        Ok(cases)
    }

    fn compare<S: State>(&mut self, goal: &S, seen: &S, object: &ObjectName) -> Result<(), archive::Error> {
        let Some(contents) = goal.contents(object) else { return Ok(()) };
        if seen.contents(object).is_none() {
            if contents.records > 0 {
                let why = seen.blind(object).unwrap_or_default();
                self.blind.insert(object.clone(), (contents.records, why));
            }
            return Ok(());
        }
        let (blind, unknown) = (seen.blind(object), goal.blind(object));
        for difference in goal.differences(seen, object)? {
            let difference = difference?;
            let (before, after) = (difference.before.filter(is_there), self.unghosted(difference.after));
            match (before, after) {
                (Some(goal), Some(live)) => self.change(goal, live),
                (Some(goal), None) => match &blind {
                    None => self.delete(&goal),
                    Some(why) => self.blind.entry(object.clone()).or_insert((0, why.clone())).0 += 1,
                },
                (None, Some(live)) => match &unknown {
                    None => drop(self.all.insert(live.id().clone(), Case::Added(live.into()))),
                    Some(why) => self.unknown.entry(object.clone()).or_insert((0, why.clone())).0 += 1,
                },
                (None, None) => {}
            }
        }
        Ok(())
    }

    /// What belongs to a row that only says that it is deleted is gone with it, though no list could show that.
    fn bury<S: State>(&mut self, goal: &S, seen: &S) -> Result<(), archive::Error> {
        let parts = catalogue::ALL
            .iter()
            .filter(|object| self.ghosts.iter().any(|id| object.parents().contains(&id.object.as_str())));
        for object in parts.collect::<Vec<_>>() {
            let name = ObjectName::known(object.name);
            if goal.contents(&name).is_none() || seen.contents(&name).is_none() {
                continue;
            }
            let parents: BTreeSet<&Key> = self
                .ghosts
                .iter()
                .filter(|id| object.parents().contains(&id.object.as_str()))
                .map(|id| &id.key)
                .collect();
            let mut gone = Vec::new();
            for record in goal.records(&name)? {
                let record = record?;
                if record.id().key.parent().is_some_and(|parent| parents.contains(&parent)) {
                    gone.push(record);
                }
            }
            for record in gone.into_iter().filter(is_there) {
                self.delete(&record);
            }
        }
        Ok(())
    }

    /// A row that only says that it is deleted is none (assumption: deleted stages and types stay in their lists).
    fn unghosted(&mut self, live: Option<Record>) -> Option<Record> {
        if let Some(ghost) = live.as_ref().filter(|live| !is_there(live)) {
            self.ghosts.insert(ghost.id().clone());
        }
        live.filter(is_there)
    }

    /// Takes note of a record that the account has not.
    pub(super) fn delete(&mut self, goal: &Record) {
        let place = self.deleted.put(goal);
        self.all.insert(goal.id().clone(), Case::Deleted(place));
    }

    /// Takes note of a record that both have.
    pub(super) fn change(&mut self, goal: Record, live: Record) {
        self.all.insert(goal.id().clone(), Case::Changed { goal: goal.into(), live: live.into() });
    }

    /// Finds the records that are deleted in one place and added in another, and are the same.
    fn join(&mut self, lineage: &Lineage) {
        for id in self.deleted().cloned().collect::<Vec<_>>() {
            let now = std::iter::once(&id).chain(lineage.after(&id)).flat_map(places);
            let Some(now) = now.filter(|now| matches!(self.all.get(now), Some(Case::Added(_)))).last() else {
                continue;
            };
            if let (Some(Case::Added(live)), Some(Case::Deleted(place))) = (self.all.remove(&now), self.all.remove(&id))
            {
                self.change(self.deleted.record(&id, place), *live);
            }
        }
    }

    /// Who left and came again belongs there as before. His row only says that he does, and its number means nothing: made
    /// once more it would be found to be there, and then be deleted as what was added.
    fn meet(&mut self) {
        let came = self.all.iter().filter_map(|(id, case)| match case {
            Case::Added(live) => Some((membership(live)?, id.clone())),
            Case::Deleted(_) | Case::Changed { .. } => None,
        });
        let mut came: BTreeMap<Membership, RecordId> = came.collect();
        if came.is_empty() {
            return;
        }
        let left = self.deleted().filter(|id| rules::added_beside(id.object.as_str()).is_some());
        for id in left.cloned().collect::<Vec<_>>() {
            let place = self.goal(&id).and_then(|goal| membership(&goal));
            let Some(now) = place.and_then(|place| came.remove(&place)) else { continue };
            if let (Some(Case::Added(live)), Some(Case::Deleted(place))) = (self.all.remove(&now), self.all.remove(&id))
            {
                self.change(self.deleted.record(&id, place), *live);
            }
        }
    }

    /// The records that were deleted.
    pub(super) fn deleted(&self) -> impl Iterator<Item = &RecordId> {
        self.all.iter().filter(|(_, case)| matches!(case, Case::Deleted(_))).map(|(id, _)| id)
    }

    /// Whether a record was deleted.
    pub(super) fn is_deleted(&self, id: &RecordId) -> bool {
        matches!(self.all.get(id), Some(Case::Deleted(_)))
    }

    /// A record as the goal has it; none where nothing happened to it, and of what was added.
    pub(super) fn goal(&self, id: &RecordId) -> Option<Record> {
        match self.all.get(id)? {
            Case::Deleted(place) => Some(self.deleted.record(id, *place)),
            Case::Changed { goal, .. } => Some(Record::clone(goal)),
            Case::Added(_) => None,
        }
    }

    /// The same; of what was added, as the account has it.
    pub(super) fn either(&self, id: &RecordId) -> Option<Record> {
        match self.all.get(id)? {
            Case::Added(live) => Some(Record::clone(live)),
            Case::Deleted(_) | Case::Changed { .. } => self.goal(id),
        }
    }
}

impl Case {
    /// Where the account has a record that an earlier restore made again; none for what has the number it had.
    pub(super) fn elsewhere(&self) -> Option<&RecordId> {
        match self {
            Case::Changed { goal, live } if goal.id() != live.id() => Some(live.id()),
            _ => None,
        }
    }
}

/// Who belongs to what: the object of a row that says nothing else, what it is listed under, and the member.
type Membership = (ObjectName, Key, Key);

fn membership(row: &Record) -> Option<Membership> {
    let id = row.id();
    rules::added_beside(id.object.as_str())?;
    let member = rules::member_field(object_of(id)?)?;
    Some((id.object.clone(), id.key.parent()?, value_key(row.fields().get(member)?)?))
}

/// Whether a row stands for a record that is there.
pub(super) fn is_there(record: &Record) -> bool {
    !object_of(record.id()).is_some_and(|object| is_deleted(object, &record.fields()))
}

/// The lists in which one record may stand: its object's and that of the object's twin.
pub(super) fn places(id: &RecordId) -> Vec<RecordId> {
    let twin = catalogue::find(&id.object).and_then(|object| object.twin);
    let twin = twin.map(|twin| RecordId::new(ObjectName::known(twin), id.key.clone()));
    std::iter::once(id.clone()).chain(twin).collect()
}

/// The entry of a record's object.
pub(super) fn object_of(id: &RecordId) -> Option<&'static Object> {
    catalogue::find(&id.object)
}

/// Which of the keys exist, found in one walk over the object's keys.
pub(super) fn present<S: State>(
    state: &S,
    object: &ObjectName,
    wanted: &BTreeSet<Key>,
) -> Result<BTreeSet<Key>, archive::Error> {
    let mut found = BTreeSet::new();
    if wanted.is_empty() || state.contents(object).is_none() {
        return Ok(found);
    }
    for key in state.keys(object)? {
        let key = key?;
        if wanted.contains(&key) {
            found.insert(key);
        }
    }
    Ok(found)
}
