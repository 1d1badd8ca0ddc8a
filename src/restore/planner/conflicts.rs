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
use crate::catalogue::{self, Object, ObjectName, Restore};
use crate::record::{Record, RecordId};
use crate::restore::CannotPlan;
use crate::restore::cases::{Case, object_of, places};
use crate::restore::fill::{Body, Fill};
use crate::restore::links::is_custom;
use crate::restore::past::{Between, Witness};
use crate::restore::plan::{Conflict, Kept, LeftOut};
use crate::restore::planner::updates::Delta;
use crate::restore::planner::{Planner, home, is_archive};
use crate::restore::policy::Side;
use crate::restore::same::same;
use crate::restore::state::State;

/// A conflict about a whole record.
const WHOLE: &str = "*";

/// Fields that only make sense together: one that stays keeps the others.
const TOGETHER: &[(&str, &[&str])] = &[
    ("deals", &["pipeline_id", "stage_id"]),
    ("deals", &["close_time", "lost_reason", "lost_time", "status", "won_time"]),
    ("deals", &["currency", "value"]),
    ("activities", &["deal_id", "lead_id", "project_id"]),
    ("activities", &["due_date", "due_time"]),
];

/// What is done about one field that differs.
#[derive(Clone, PartialEq, Debug)]
enum Fate {
    Write,
    /// Nobody asked for it.
    Leave,
    /// Nothing tells who changed it.
    Untold,
    /// It was edited again; what it was in between.
    Contested(Value),
}

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
            Case::Deleted(goal) => self.was_deleted(goal),
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
    fn was_deleted(&mut self, goal: &Record) -> Result<bool, archive::Error> {
        let Some(end) = self.end() else { return Ok(true) };
        let then = std::iter::once(goal.id()).chain(self.lineage.after(goal.id())).flat_map(places);
        for id in then {
            if let Some(then) = end.find(&id)? {
                if let Some(home) = object_of(goal.id()).map(home)
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
        self.withheld.extend(stays.into_iter().map(|field| (goal.id().clone(), field)));
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
        self.said.conflicts.push(Conflict { record: record.clone(), field, goal, between, account, winner });
        winner
    }

    /// Whether a field of a record that is there stays as it is.
    pub(super) fn is_withheld(&self, record: &RecordId, field: &str) -> bool {
        self.withheld.contains(&(record.clone(), field.to_owned()))
    }

    /// Whether a field was asked for, by its key or by the name people know it by.
    fn is_named(&self, home: &'static Object, field: &str) -> bool {
        let wanted = &self.policy.fields;
        if wanted.is_empty() {
            return true;
        }
        let key = field.strip_prefix("custom_fields.").unwrap_or(field);
        let code = key.get(..40).filter(|code| is_custom(code)).unwrap_or(key);
        let code = self.code_then(home, code);
        let name = home.custom.and_then(|custom| self.then.find(custom.fields, &code)).map(|field| &field.name);
        wanted.iter().any(|wanted| {
            *wanted == key || *wanted == code || name.is_some_and(|name| name.to_lowercase() == wanted.to_lowercase())
        })
    }

    /// The key under which the goal has a custom field that may have another one today.
    fn code_then(&self, home: &'static Object, today: &str) -> String {
        let mut moved = self.fields.moved();
        let old = home.custom.and_then(|custom| {
            moved.find(|(id, key)| id.object.as_str() == custom.fields && *key == today).map(|(id, _)| id)
        });
        old.map_or_else(|| today.to_owned(), |id| id.key.to_string())
    }
}

/// What is known of one record at three times.
struct Testimony {
    /// Its identity in the account.
    id: RecordId,
    home: &'static Object,
    goal: Map<String, Value>,
    /// As it was in between: at the end of the window, or its versions.
    then: Vec<Map<String, Value>>,
    now: Map<String, Value>,
    /// Whether there is a window.
    end: bool,
}

impl Testimony {
    fn fate<S: State>(&self, planner: &Planner<'_, S>, field: &str) -> Fate {
        if !planner.is_named(self.home, field) {
            return Fate::Leave;
        }
        match planner.is_edit_of_user(&self.id, self.then.last().filter(|_| self.end).unwrap_or(&self.now), field) {
            Some(true) => {}
            Some(false) => return Fate::Leave,
            None => return Fate::Untold,
        }
        let (goal, now) = (self.goal(planner, field), self.live(field));
        let mut changed = false;
        for then in &self.then {
            let between = self.then(planner, then, field);
            let stands = same(&between, &now) || self.is_today(planner, field, &between, &now);
            let edited = !same(&goal, &between);
            if edited && !stands {
                return Fate::Contested(between);
            }
            changed |= edited;
        }
        // What changed only after the window is not what is undone.
        if self.end && !changed { Fate::Leave } else { Fate::Write }
    }

    fn then<S: State>(&self, planner: &Planner<'_, S>, then: &Map<String, Value>, field: &str) -> Value {
        match value(then, field) {
            Value::Null => value(then, &self.renamed(planner, field)),
            value => value,
        }
    }

    /// Whether the value in between only means the same by another number.
    fn is_today<S: State>(&self, planner: &Planner<'_, S>, field: &str, between: &Value, now: &Value) -> bool {
        if field.starts_with("custom_fields.") {
            return false;
        }
        let translated = planner.translator().field(self.home, field, between);
        matches!(translated.fill, Some(Fill::Is(between)) if same(&between, now))
    }

    fn goal<S: State>(&self, planner: &Planner<'_, S>, field: &str) -> Value {
        match value(&self.goal, field) {
            Value::Null => value(&self.goal, &self.renamed(planner, field)),
            value => value,
        }
    }

    fn live(&self, field: &str) -> Value {
        value(&self.now, field)
    }

    /// The field under the key it had in the goal.
    fn renamed<S: State>(&self, planner: &Planner<'_, S>, field: &str) -> String {
        let (before, key) = match field.strip_prefix("custom_fields.") {
            Some(key) => ("custom_fields.", key),
            None => ("", field),
        };
        let (code, rest) = key.split_at_checked(40).filter(|(code, _)| is_custom(code)).unwrap_or((key, ""));
        format!("{before}{}{rest}", planner.code_then(self.home, code))
    }
}

fn custom(code: &str) -> String {
    format!("custom_fields.{code}")
}

fn value(fields: &Map<String, Value>, field: &str) -> Value {
    let found = match field.strip_prefix("custom_fields.") {
        Some(code) => fields.get("custom_fields").and_then(|custom| custom.get(code)),
        None => fields.get(field),
    };
    found.cloned().unwrap_or_default()
}

/// Fields that only make sense together share the fate of the one that was edited again.
fn bind(object: &str, fates: &mut BTreeMap<String, Fate>, witness: &Testimony) {
    let contested = |fate: Option<&Fate>| matches!(fate, Some(Fate::Contested(_)));
    for (_, fields) in TOGETHER.iter().filter(|(name, _)| *name == object) {
        if fields.iter().any(|field| contested(fates.get(*field))) {
            for field in *fields {
                if let Some(fate) = fates.get_mut(*field).filter(|fate| **fate == Fate::Write) {
                    *fate = Fate::Contested(witness.then.last().map_or(Value::Null, |then| value(then, field)));
                }
            }
        }
    }
    // The parts of a flat custom field are one value.
    let codes: Vec<String> = fates
        .iter()
        .filter(|(_, fate)| contested(Some(fate)))
        .filter_map(|(field, _)| field.get(..40).filter(|code| is_custom(code)).map(str::to_owned))
        .collect();
    for (field, fate) in fates.iter_mut().filter(|(_, fate)| **fate == Fate::Write) {
        if codes.iter().any(|code| field.starts_with(code.as_str())) {
            *fate = Fate::Contested(witness.then.last().map_or(Value::Null, |then| value(then, field)));
        }
    }
}

/// Takes fields out of a body.
fn drop_fields(body: &mut Body, stays: &[String]) {
    for field in stays {
        let Some(code) = field.strip_prefix("custom_fields.") else {
            body.remove(field);
            continue;
        };
        match body.get_mut("custom_fields") {
            Some(Fill::Fields(parts)) => drop(parts.remove(code)),
            Some(Fill::Is(Value::Object(parts))) => drop(parts.remove(code)),
            _ => {}
        }
    }
    let empty = |fill: &Fill| match fill {
        Fill::Fields(parts) => parts.is_empty(),
        Fill::Is(Value::Object(parts)) => parts.is_empty(),
        _ => false,
    };
    if body.get("custom_fields").is_some_and(empty) {
        body.remove("custom_fields");
    }
}

/// Whether two versions of a record differ in something that can be written.
fn differs(home: &'static Object, before: &Map<String, Value>, after: &Map<String, Value>) -> bool {
    if matches!(home.restore, Restore::Mirror(_)) {
        return false;
    }
    let own = home.writable().any(|name| !same(&value(before, name), &value(after, name)));
    let flat = |fields: &Map<String, Value>| -> Vec<(String, Value)> {
        let custom = fields.iter().filter(|(name, value)| name.get(..40).is_some_and(is_custom) && !value.is_null());
        custom.map(|(name, value)| (name.clone(), value.clone())).collect()
    };
    own || !same(&value(before, "custom_fields"), &value(after, "custom_fields")) || flat(before) != flat(after)
}
