//! What of the differences is undone, where a state in between tells, and what was edited again.
//!
//! A value is left alone when nobody asked for it: it changed outside the window, it
//! is none of the named fields, another user changed it. A value that was edited
//! again after what is undone is a conflict: the account keeps it unless somebody
//! decides otherwise, and the plan lists it. Bringing back what was deleted
//! overwrites nothing, so it never is one.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::archive;
use crate::catalogue::{self, Object, ObjectName};
use crate::record::{Record, RecordId};
use crate::restore::CannotPlan;
use crate::restore::cases::{Case, object_of, places};
use crate::restore::edited::drop_fields;
use crate::restore::fill::Fill;
use crate::restore::links::{candidates, is_custom, pointers};
use crate::restore::past::{Between, Witness};
use crate::restore::plan::{Conflict, Kept, LeftOut};
use crate::restore::planner::testimony::{Fate, Testimony, bind, custom, differs};
use crate::restore::planner::updates::Delta;
use crate::restore::planner::{Planner, home, is_archive};
use crate::restore::policy::Side;
use crate::restore::rules;
use crate::restore::same::is_empty;
use crate::restore::state::State;

/// A conflict about a whole record.
const WHOLE: &str = "*";

impl<'a, S: State> Planner<'a, S> {
    /// Takes records off the list that nobody asked for, as far as a look at the whole record tells.
    pub(super) fn leave_alone(&mut self) -> Result<(), archive::Error> {
        if self.between.is_none() && self.policy.fields.is_empty() && self.policy.by_user.is_none() {
            return Ok(());
        }
        let cases = self.cases;
        for id in std::mem::take(&mut self.chosen.records) {
            let wanted = match cases.all.get(&id) {
                Some(case) => self.is_wanted(&id, case)?,
                None => true,
            };
            if wanted {
                self.chosen.records.insert(id);
            }
        }
        self.spare()
    }

    /// Spares what was added and is to be deleted, where somebody has attached something to it later.
    fn spare(&mut self) -> Result<(), archive::Error> {
        let (Some(end), cases) = (self.end().filter(|_| self.policy.delete_added), self.cases) else { return Ok(()) };
        let goes = |id: &&RecordId| matches!(cases.all.get(*id), Some(Case::Added(_)));
        let going: BTreeSet<RecordId> = self.chosen.records.iter().filter(goes).cloned().collect();
        let mut spared: BTreeMap<RecordId, RecordId> = BTreeMap::new();
        for (id, case) in &cases.all {
            let (Case::Added(live) | Case::Changed { live, .. }) = case else { continue };
            // Who follows and who takes part is often the service's own doing, and means nothing alone.
            let Some(object) = object_of(live.id()).filter(|object| object.update.is_some()) else { continue };
            if self.chosen.records.contains(id) {
                continue;
            }
            let then = self.then_at(end, live.id())?;
            let old = then.map(|then| pointers(object, then.id(), &then.fields(), &self.now)).unwrap_or_default();
            for new in pointers(object, live.id(), &live.fields(), &self.now) {
                let later = !old.iter().any(|old| old.field == new.field && old.key == new.key);
                let to = candidates(new.objects, &new.key).into_iter().find(|to| going.contains(to));
                if let Some(to) = to.filter(|_| later) {
                    spared.insert(to, live.id().clone());
                }
            }
        }
        for (id, by) in spared {
            let attached = Value::String(format!("{by} was attached to it later"));
            if self.contest(&id, WHOLE, [Value::Null, Value::Null, attached]) == Side::Account {
                self.chosen.records.remove(&id);
            }
        }
        Ok(())
    }

    /// A field that nobody has is a slip of the pen, and must not look like a restore with nothing to do.
    pub(super) fn know_fields(&self) -> Result<(), CannotPlan> {
        let asked = |object: &&&Object| {
            let name = ObjectName::known(object.name);
            self.asked(&name) || self.policy.scope.records.iter().any(|id| id.object == name)
        };
        let has = |object: &&Object, wanted: &str| {
            let custom = object.custom.map(|custom| self.then.of_object(custom.fields));
            let defined = custom
                .into_iter()
                .flatten()
                .any(|(code, field)| code == wanted || field.name.to_lowercase() == wanted.to_lowercase());
            defined || object.writable().any(|name| name == wanted)
        };
        for wanted in &self.policy.fields {
            if !catalogue::ALL.iter().filter(asked).any(|object| has(object, wanted)) {
                return Err(CannotPlan::NoSuchField(wanted.clone()));
            }
        }
        Ok(())
    }

    fn is_wanted(&mut self, id: &RecordId, case: &Case) -> Result<bool, archive::Error> {
        if let (Case::Deleted(_) | Case::Added(_), false) = (case, self.policy.fields.is_empty()) {
            if matches!(case, Case::Deleted(_)) {
                let why = "it is gone, and only fields of records that are there were asked for";
                self.said.left_out.push(LeftOut::record(id, why));
            }
            return Ok(false);
        }
        if self.is_untold(id, case) || !self.is_by_user(id, case) {
            return Ok(false);
        }
        match case {
            Case::Deleted(_) => self.was_deleted(id),
            Case::Added(live) => self.was_added(live),
            Case::Changed { live, .. } => self.was_there(id, live),
        }
    }

    /// Whether the window's end cannot tell about the record's object.
    fn is_untold(&mut self, id: &RecordId, case: &Case) -> bool {
        let Some(end) = self.end() else { return false };
        let object = match case {
            Case::Changed { live, .. } => &live.id().object,
            Case::Deleted(_) | Case::Added(_) => &id.object,
        };
        let Some(why) = end.blind(object) else { return false };
        let why = format!("nothing tells what happened to it until then: {why}");
        self.said.left_out.push(LeftOut::record(id, why));
        true
    }

    /// Whether a record that is gone was deleted within the window.
    fn was_deleted(&mut self, goal: &RecordId) -> Result<bool, archive::Error> {
        let Some(end) = self.end() else { return Ok(true) };
        let then = std::iter::once(goal).chain(self.lineage.after(goal)).flat_map(places);
        for id in then {
            if let Some(then) = end.find(&id)? {
                if let (Some(home), Some(goal)) = (object_of(goal).map(home), self.cases.goal(goal))
                    && differs(home, &goal.fields(), &then.fields())
                {
                    let why = "it was changed, and deleted later: it stays deleted";
                    self.said.kept.push(Kept { record: goal.id().clone(), why: why.to_owned() });
                }
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether a record that is new is to be deleted: added within the window, and not edited again.
    fn was_added(&mut self, live: &Record) -> Result<bool, archive::Error> {
        let Some(end) = self.end() else { return Ok(true) };
        let Some(then) = self.then_at(end, live.id())? else { return Ok(false) };
        let Some(home) = object_of(live.id()).map(home).filter(|_| self.policy.delete_added) else { return Ok(true) };
        if !differs(home, &then.fields(), &live.fields()) {
            return Ok(true);
        }
        let (then, now) = (Value::Object(then.fields()), Value::Object(live.fields()));
        Ok(self.contest(live.id(), WHOLE, [Value::Null, then, now]) == Side::Snapshot)
    }

    /// Whether a changed record was there at the window's end: one that was not has come back since.
    fn was_there(&mut self, id: &RecordId, live: &Record) -> Result<bool, archive::Error> {
        let Some(end) = self.end() else { return Ok(true) };
        if self.then_at(end, live.id())?.is_some() {
            return Ok(true);
        }
        let why = "it was deleted and has come back since: it stays as it is";
        self.said.kept.push(Kept { record: id.clone(), why: why.to_owned() });
        Ok(false)
    }

    fn end(&self) -> Option<&'a dyn Witness> {
        self.between.and_then(Between::end)
    }

    /// The record at the end of the window, wherever it stood; before it was made again it had another number.
    fn then_at(&self, end: &dyn Witness, live: &RecordId) -> Result<Option<Record>, archive::Error> {
        for id in std::iter::once(live).chain(self.lineage.before(live)).flat_map(places) {
            if let Some(found) = end.find(&id)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// Takes out of a change what nobody asked for, and what was edited again.
    pub(super) fn withhold(&mut self, home: &'static Object, goal: &Record, live: &Record, delta: &mut Delta) {
        let Some(witness) = self.testimony(home, goal, live) else { return };
        let mut fates: BTreeMap<String, Fate> = BTreeMap::new();
        for (name, fill) in &delta.body {
            match fill {
                Fill::Fields(parts) if name == "custom_fields" => {
                    fates.extend(parts.keys().map(|code| (custom(code), witness.fate(self, &custom(code)))));
                }
                Fill::Is(Value::Object(parts)) if name == "custom_fields" => {
                    fates.extend(parts.keys().map(|code| (custom(code), witness.fate(self, &custom(code)))));
                }
                _ => _ = fates.insert(name.clone(), witness.fate(self, name)),
            }
        }
        bind(home.name, &mut fates, &witness);
        let mut stays = Vec::new();
        for (field, fate) in fates {
            let written = match fate {
                Fate::Write => true,
                Fate::Leave => false,
                Fate::Untold => {
                    let why = "nothing tells who changed it; changelogs do, where they are captured";
                    self.said.left_out.push(LeftOut::field(goal.id(), &field, why));
                    false
                }
                Fate::Contested(then) => {
                    let values = [witness.goal(self, &field), then, witness.live(&field)];
                    self.contest(goal.id(), &field, values) == Side::Snapshot
                }
            };
            if !written {
                stays.push(field);
            }
        }
        drop_fields(&mut delta.body, &stays);
        delta.lost.retain(|(field, _)| {
            let field = if is_custom(field) { custom(field) } else { field.clone() };
            witness.fate(self, &field) == Fate::Write
        });
        self.leave_linked(home, (goal.id(), live), delta);
        self.withheld.extend(stays.into_iter().map(|field| (goal.id().clone(), field)));
    }

    /// Leaves one link where a record must have one: what it points to goes with this plan, and takes the link along.
    fn leave_linked(&mut self, home: &'static Object, (id, live): (&RecordId, &Record), delta: &mut Delta) {
        let (links, now) = (rules::one_of(home.name), live.fields());
        let stays = |name: &&str| match delta.body.get(*name) {
            Some(fill) => !fill.clears(),
            None => now.get(*name).is_some_and(|value| !is_empty(value)),
        };
        let clears = links.iter().any(|name| delta.body.get(*name).is_some_and(Fill::clears));
        if !clears || links.iter().any(stays) {
            return;
        }
        delta.body.retain(|name, _| !links.contains(&name.as_str()));
        let why = format!("it must have one of {}: what it has stays until that is deleted", links.join(", "));
        self.said.kept.push(Kept { record: id.clone(), why });
    }

    /// Whether a record that cannot be changed may be replaced.
    pub(super) fn may_replace(&mut self, home: &'static Object, goal: &Record, live: &Record) -> bool {
        let Some(witness) = self.testimony(home, goal, live) else { return true };
        if !self.policy.fields.is_empty() || self.is_edit_of_user(live.id(), &witness.now, WHOLE) != Some(true) {
            return false;
        }
        let whole = |fields: &Map<String, Value>| Value::Object(fields.clone());
        let (mut edited, mut again) = (witness.then.is_empty(), None);
        for then in &witness.then {
            let (by_it, later) = (differs(home, &witness.goal, then), differs(home, then, &witness.now));
            edited |= by_it;
            again = again.or((by_it && later).then_some(then));
        }
        match again {
            Some(then) => {
                let values = [&witness.goal, then, &witness.now].map(whole);
                self.contest(goal.id(), WHOLE, values) == Side::Snapshot
            }
            None => edited || self.end().is_none(),
        }
    }

    /// The list in which a record is to stand: the goal's, unless it was moved outside the window or again.
    pub(super) fn list_wanted(
        &self,
        (goal, object): (&Record, &'static Object),
        (live, there): (&Record, &'static Object),
    ) -> &'static Object {
        if is_archive(object) == is_archive(there) {
            return object;
        }
        if !self.policy.fields.is_empty() || self.policy.by_user.is_some() {
            return there;
        }
        let Some(end) = self.end() else { return object };
        let then = self.then_at(end, live.id()).ok().flatten();
        let Some(then) = then.as_ref().and_then(|then| object_of(then.id())) else { return object };
        let stands = is_archive(then) == is_archive(there);
        if stands || self.policy.side(goal.id(), "is_archived") == Side::Snapshot { object } else { there }
    }

    fn testimony(&self, home: &'static Object, goal: &Record, live: &Record) -> Option<Testimony> {
        if self.between.is_none() && self.policy.fields.is_empty() && self.policy.by_user.is_none() {
            return None;
        }
        let then: Vec<Map<String, Value>> = match self.end() {
            Some(end) => self.then_at(end, live.id()).ok().flatten().iter().map(Record::fields).collect(),
            None => {
                let ids: BTreeSet<RecordId> = places(live.id()).into_iter().chain(places(goal.id())).collect();
                let versions = ids.iter().filter_map(|id| self.versions.get(id)).flatten();
                versions.map(Record::fields).collect()
            }
        };
        Some(Testimony {
            id: live.id().clone(),
            home,
            goal: goal.fields(),
            then,
            now: live.fields(),
            end: self.end().is_some(),
        })
    }

    /// Writes down a conflict; says who wins.
    fn contest(&mut self, record: &RecordId, field: &str, [goal, between, account]: [Value; 3]) -> Side {
        let winner = self.policy.side(record, field);
        let field = field.to_owned();
        let (record, when, who) = (record.clone(), None, None);
        self.said.conflicts.push(Conflict { record, field, goal, between, account, when, who, winner });
        winner
    }

    /// Whether a field of a record that is there stays as it is.
    pub(super) fn is_withheld(&self, record: &RecordId, field: &str) -> bool {
        self.withheld.contains(&(record.clone(), field.to_owned()))
    }
}
