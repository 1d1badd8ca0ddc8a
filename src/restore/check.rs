//! A second opinion on a plan, which shares no reasoning with the planner.
//!
//! The planner derives steps from states; this reads steps and asks whether each
//! may be sent at all: is it in the DML matrix, are its fields writable, is what
//! it refers to there, is anything deleted that nobody asked to delete. It also
//! reads plan files that a person has edited. An empty list of objections means go.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::Value;

use crate::archive;
use crate::catalogue::{self, Object, ObjectName, Restore, Shape};
use crate::record::{Key, Record, RecordId};
use crate::restore::fill::{Body, Fill, value_key};
use crate::restore::parts::{known_by, may_be_trimmed};
use crate::restore::plan::{Action, Create, Expel, Plan, Reason, Step, StepNumber, Trim};
use crate::restore::request::is_deleted;
use crate::restore::state::State;

/// Something about a plan that should not be done.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("step {step}: {record}: {why}")]
pub struct Objection {
    /// The step.
    pub step: StepNumber,
    /// The record it is about.
    pub record: String,
    /// What is wrong.
    pub why: String,
}

/// Looks at the plan alone.
pub fn check(plan: &Plan) -> Vec<Objection> {
    let mut checker = Checker::default();
    for (at, step) in plan.steps.iter().enumerate() {
        checker.step(plan, at, step);
    }
    checker.objections
}

/// Looks at the plan beside the two states it was made from.
pub fn check_against<S: State>(plan: &Plan, goal: &S, seen: &S) -> Result<Vec<Objection>, archive::Error> {
    let mut checker = Checker { objections: check(plan), ..Checker::default() };
    for step in &plan.steps {
        checker.states((plan, step), goal, seen)?;
    }
    checker.keeps(plan, goal)?;
    Ok(checker.objections)
}

#[derive(Default)]
struct Checker {
    objections: Vec<Objection>,
    made: BTreeSet<RecordId>,
    deleted: BTreeSet<RecordId>,
    /// Records that an earlier step writes.
    wrote: BTreeSet<RecordId>,
    /// Records that an earlier step brings back.
    back: BTreeSet<RecordId>,
    roles: BTreeSet<(RecordId, String)>,
}

impl Checker {
    fn object(&mut self, step: &Step, why: impl Into<String>) {
        let record = step.record().to_string();
        self.objections.push(Objection { step: step.number, record, why: why.into() });
    }

    fn step(&mut self, plan: &Plan, at: usize, step: &Step) {
        if step.number as usize != at {
            self.object(step, format!("it stands at place {at}"));
        }
        if let Some(late) = step.after.iter().find(|after| **after >= step.number) {
            self.object(step, format!("it waits for step {late}, which comes later"));
        }
        if !self.roles.insert((step.record().clone(), role(step))) {
            self.object(step, "another step does the same to this record");
        }
        let Some(object) = catalogue::find(&step.record().object) else {
            return self.object(step, "its object is not known");
        };
        match &step.action {
            Action::Create(create) => {
                match object.restore {
                    Restore::MatchBy(_) if !plan.policy.invite_users => {
                        self.object(step, "nobody asked for users to be invited");
                    }
                    Restore::OnRequest(_) if !plan.policy.with_fields => {
                        self.object(step, "nobody asked for fields to be made again");
                    }
                    _ => {}
                }
                self.create(step, object, create);
            }
            Action::Revive { create, mend } => {
                if plan.from.is_some() {
                    self.object(step, "a number of the snapshot's company means another record in this one");
                }
                self.back.insert(create.record.clone());
                if object.undelete.is_empty() {
                    self.object(step, "no form is known that brings such a record back");
                }
                self.create(step, object, create);
                self.fields(step, object, &mend.fields(), object.update.map_or(&[], |write| write.fields));
            }
            Action::Update(update) => {
                self.update(step, object, update.live.is_some(), &update.through, &update.body.fields())
            }
            Action::Delete { live, .. } => self.delete(plan, step, object, &live.0),
            Action::AddOptions(added) => self.options(plan, step, object, &added.live.0, &added.labels),
            Action::Expel(expel) => self.expel(step, expel),
            Action::Trim(trim) => self.trim(plan, step, trim),
        }
        if step.body().is_some() {
            self.wrote.insert(step.record().clone());
        }
    }

    fn create(&mut self, step: &Step, object: &'static Object, create: &Create) {
        if step.reason == Reason::Paused && !self.deleted.contains(&create.record) {
            self.object(step, "it is made again, but no earlier step removes it");
        }
        let Some(write) = object.create.or_else(|| twin(object).and_then(|twin| twin.create)) else {
            return self.object(step, "the service has no call that makes such a record");
        };
        if !object.dml.insert {
            self.object(step, "a restore never makes such a record");
        }
        let body = create.body.fields();
        self.fields(step, object, &body, write.fields);
        for required in write.required {
            let given = body.get(*required).is_some_and(|fill| *fill != Fill::Is(Value::Null));
            if !given {
                self.object(step, format!("it is made without {required}"));
            }
        }
        let alone = object.parents().is_empty() || object.is_shared() || !object.is_under_parent();
        match (&create.under, alone) {
            (None, false) => self.object(step, "it is made without its parent"),
            (Some(_), true) => self.object(step, "it is made under a parent, but has none"),
            _ => {}
        }
        if object.contents.is_some() != create.contents.is_some() {
            self.object(step, "it is made without the contents it stands for, or with contents it cannot have");
        }
        let needed: Vec<&Fill> = body.values().chain(create.under.as_deref()).collect();
        self.refers(step, &needed);
        self.made.insert(create.record.clone());
    }

    fn options(&mut self, plan: &Plan, step: &Step, object: &'static Object, live: &RecordId, labels: &[String]) {
        if object.options.is_none() || live.object != step.record().object {
            self.object(step, "the service has no call that adds options to such a field");
        }
        if !plan.policy.with_fields {
            self.object(step, "nobody asked for options to be made again");
        }
        if labels.is_empty() || labels.iter().any(String::is_empty) {
            self.object(step, "it adds nothing, or an option without a label");
        }
        self.made.insert(step.record().clone());
    }

    fn update(&mut self, step: &Step, object: &'static Object, lives: bool, through: &str, body: &Body) {
        let Some(call) = catalogue::find(&ObjectName::new(through)) else {
            return self.object(step, format!("it is changed through {through}, which is not known"));
        };
        let moved = object.archive.is_some() && step.reason == Reason::Archive;
        if call.name != object.name && object.twin != Some(call.name) {
            self.object(step, format!("it is changed through {through}, which is another object"));
        }
        let Some(write) = call.update else {
            return self.object(step, "the service has no call that changes such a record");
        };
        if !object.dml.update {
            self.object(step, "a restore never changes such a record");
        }
        if body.is_empty() {
            self.object(step, "it changes nothing");
        }
        if let Some(missing) = write.required.iter().find(|field| !body.contains_key(**field)) {
            self.object(step, format!("it is changed without {missing}, which the call wants"));
        }
        self.fields(step, call, body, if moved { &["is_archived"] } else { write.fields });
        if !lives && !self.made.contains(step.record()) {
            self.object(step, "no earlier step makes it");
        }
        let moves = matches!(step.reason, Reason::Archive | Reason::Unarchive);
        if !moves && body.contains_key("is_archived") {
            self.object(step, "it moves the record to or from the archive without saying so");
        }
        let needed: Vec<&Fill> = body.values().collect();
        self.refers(step, &needed);
    }

    fn delete(&mut self, plan: &Plan, step: &Step, object: &'static Object, live: &RecordId) {
        if !object.dml.delete || object.delete.is_none() {
            self.object(step, "a restore never deletes such a record");
        }
        match step.reason {
            Reason::Added if !plan.policy.delete_added => {
                self.object(step, "nobody asked for what was added to be deleted")
            }
            Reason::Replaced => {
                let again = plan.steps.iter().skip(step.number as usize + 1).any(|later| {
                    matches!(later.action, Action::Create(_))
                        && later.reason == Reason::Replaced
                        && later.record().object == live.object
                });
                if !again {
                    self.object(step, "it is deleted to be made again, but no later step makes it");
                }
            }
            Reason::Paused => {
                let again = |later: &Step| matches!(later.action, Action::Create(_)) && later.reason == Reason::Paused;
                let own = |later: &&Step| later.number > step.number && *later.record() == *live;
                if !plan.policy.pause_webhooks {
                    self.object(step, "nobody asked for webhooks to be paused");
                } else if !plan.steps.iter().filter(own).any(again) {
                    self.object(step, "it is removed to be made again, but no later step makes it");
                }
            }
            Reason::Added => {}
            _ => self.object(step, "a deletion needs a reason"),
        }
        // Children go before their parents.
        let parent = match &live.key {
            Key::Pair(parent, _) => Some(Key::Number(*parent)),
            _ => None,
        };
        let late = object.parents().iter().any(|name| {
            parent
                .as_ref()
                .is_some_and(|key| self.deleted.contains(&RecordId::new(ObjectName::known(name), key.clone())))
        });
        if late {
            self.object(step, "its parent is deleted before it");
        }
        self.deleted.insert(live.clone());
    }

    /// Only what an earlier step of this plan brings about may be removed without being asked for.
    fn expel(&mut self, step: &Step, expel: &Expel) {
        let part = catalogue::find(&ObjectName::new(&expel.part));
        let Some(part) = part.filter(|part| part.dml.delete && part.delete.is_some() && part.update.is_none()) else {
            return self.object(step, format!("{} are never removed by a restore", expel.part));
        };
        if !self.wrote.contains(&expel.host) {
            self.object(step, "no earlier step writes the record it was added to");
        }
        let body = expel.member.fields();
        let member = part.create.is_some_and(|write| body.keys().eq(write.required.iter()));
        if !member || step.reason != Reason::AddedByItself {
            self.object(step, "it does not say whom to remove, or not why");
        }
        let needed: Vec<&Fill> = body.values().chain([expel.under.as_ref()]).collect();
        self.refers(step, &needed);
    }

    /// Only what an earlier step brings back may be looked through, and only if what was added is to go.
    fn trim(&mut self, plan: &Plan, step: &Step, trim: &Trim) {
        if !self.back.contains(&trim.host) {
            self.object(step, "no earlier step brings it back");
        }
        if !plan.policy.delete_added || step.reason != Reason::Added {
            self.object(step, "nobody asked to delete what was added");
        }
        let fields = trim.keeps.fields();
        let known = |(part, _): &(&Object, Vec<Vec<Fill>>)| may_be_trimmed(part);
        if fields.is_empty() || trim.parts().filter(known).count() != fields.len() {
            self.object(step, "it does not say what to keep of what may be removed");
        }
        let kept: Vec<Fill> = trim.parts().flat_map(|(_, kept)| kept).flatten().collect();
        self.refers(step, &kept.iter().collect::<Vec<_>>());
    }

    /// Every field must be one that the call takes.
    fn fields(&mut self, step: &Step, object: &'static Object, body: &Body, takes: &[&str]) {
        for (name, fill) in body {
            let known = takes.contains(&name.as_str());
            let custom = match object.custom.map(|custom| custom.shape) {
                Some(Shape::Nested) => name == "custom_fields",
                Some(Shape::Flat) => hex(name),
                None => false,
            };
            if !known && !custom {
                self.object(step, format!("{name} is not a field that the call takes"));
            }
            if name == "custom_fields" && custom {
                let codes: Vec<&String> = match fill {
                    Fill::Is(Value::Object(fields)) => fields.keys().collect(),
                    Fill::Fields(fields) => fields.keys().collect(),
                    _ => Vec::new(),
                };
                if codes.is_empty() || codes.iter().any(|code| !hex(code)) {
                    self.object(step, "custom_fields holds something that is no custom field");
                }
            }
        }
    }

    /// Everything referred to must be made by an earlier step that this one waits for.
    fn refers(&mut self, step: &Step, fills: &[&Fill]) {
        let unknown: BTreeSet<&RecordId> =
            fills.iter().flat_map(|fill| fill.needs()).filter(|id| !self.made.contains(*id)).collect();
        for id in unknown {
            self.object(step, format!("it refers to {id}, which no earlier step makes"));
        }
    }

    fn states<S: State>(&mut self, (plan, step): (&Plan, &Step), goal: &S, seen: &S) -> Result<(), archive::Error> {
        match &step.action {
            Action::Create(create) | Action::Revive { create, .. } => {
                let state = if step.reason == Reason::Paused { seen } else { goal };
                if state.find(&create.record)?.is_none() {
                    self.object(step, "the snapshot does not have it");
                }
                if step.reason == Reason::Deleted
                    && plan.from.is_none()
                    && seen.find(&create.record)?.is_some_and(|record| is_there(&record))
                    && !is_orphan(seen, &create.record)?
                {
                    self.object(step, "it is still there and would be made twice");
                }
            }
            Action::Update(update) => {
                let Some(live) = &update.live else { return Ok(()) };
                let Some(live) = seen.find(&live.0)? else {
                    self.object(step, "it was not there when the plan was made");
                    return Ok(());
                };
                self.prices(step, &update.body.fields(), &live.fields());
            }
            Action::AddOptions(added) => {
                if goal.find(&added.record)?.is_none() || seen.find(&added.live.0)?.is_none() {
                    self.object(step, "the field is not in both states");
                }
            }
            Action::Delete { live, .. } => {
                if seen.find(&live.0)?.is_none() {
                    self.object(step, "it was not there when the plan was made");
                }
                if step.reason == Reason::Added && goal.find(&live.0)?.is_some() {
                    self.object(step, "the snapshot has it: it was not added since");
                }
            }
            Action::Expel(expel) => {
                let body = expel.member.fields();
                let member = body.values().next();
                if let (Fill::Is(under), Some(Fill::Is(member))) = (expel.under.as_ref(), member)
                    && let (Some(parent), Some(user)) = (under.as_u64(), member.as_u64())
                    && seen.find(&RecordId::new(ObjectName::new(&expel.part), Key::Pair(parent, user)))?.is_some()
                    && expel.part != "dealParticipants"
                {
                    self.object(step, "it was there before: the service did not add it");
                }
            }
            // Looked at for all of them at once.
            Action::Trim(_) => {}
        }
        Ok(())
    }

    /// Everything that the goal had under a record must be kept.
    fn keeps<S: State>(&mut self, plan: &Plan, goal: &S) -> Result<(), archive::Error> {
        let trims = plan.steps.iter().filter_map(|step| match &step.action {
            Action::Trim(trim) => Some((&trim.host.key, (step, trim))),
            _ => None,
        });
        let trims: HashMap<&Key, (&Step, &Trim)> = trims.collect();
        let kinds = trims.values().flat_map(|(_, trim)| trim.parts()).map(|(part, _)| part.name);
        for name in kinds.collect::<BTreeSet<&str>>() {
            let name = ObjectName::new(name);
            let Some(part) = catalogue::find(&name) else { continue };
            for record in goal.records(&name)? {
                let record = record?;
                let trim = record.id().key.parent().and_then(|parent| trims.get(&parent));
                let Some((step, trim)) = trim else { continue };
                let Some((_, kept)) = trim.parts().find(|(own, _)| own.name == part.name) else { continue };
                let key = known_by(part, record.id(), &record.fields());
                if !kept.iter().flatten().any(|fill| matches!(fill, Fill::Is(value) if value_key(value) == key)) {
                    self.object(step, format!("it would remove {}, which the snapshot has", record.id()));
                }
            }
        }
        Ok(())
    }

    /// A price in a currency that was added since must never be lost.
    fn prices(&mut self, step: &Step, body: &Body, live: &serde_json::Map<String, Value>) {
        let Some(Fill::Is(sent)) = body.get("prices") else { return };
        let currencies = |prices: Option<&Value>| -> BTreeMap<String, ()> {
            let prices = prices.and_then(Value::as_array).into_iter().flatten();
            prices.filter_map(|price| Some((price.get("currency")?.as_str()?.to_owned(), ()))).collect()
        };
        let sent = currencies(Some(sent));
        for currency in currencies(live.get("prices")).keys().filter(|currency| !sent.contains_key(*currency)) {
            self.object(step, format!("it would remove the price in {currency}"));
        }
    }
}

/// Whether a row stands for a record, and does not only say that it is deleted.
fn is_there(record: &Record) -> bool {
    !catalogue::find(&record.id().object).is_some_and(|object| is_deleted(object, &record.fields()))
}

/// Whether the record hangs on a row that only says that it is deleted: it is gone with that row.
fn is_orphan<S: State>(seen: &S, id: &RecordId) -> Result<bool, archive::Error> {
    let Some(key) = id.key.parent() else { return Ok(false) };
    for name in catalogue::find(&id.object).map_or(&[][..], Object::parents) {
        let parent = seen.find(&RecordId::new(ObjectName::known(name), key.clone()))?;
        if parent.is_some_and(|parent| !is_there(&parent)) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// What a step does to its record: each may be done once.
pub(super) fn role(step: &Step) -> String {
    let role = match (&step.action, &step.reason) {
        (Action::Create(_) | Action::Revive { .. }, _) => "make",
        (Action::Delete { .. }, _) => "delete",
        (Action::AddOptions(_), _) => "add options",
        (Action::Trim(_), _) => "trim",
        (Action::Expel(expel), _) => {
            let text = |value: serde_json::Result<String>| value.unwrap_or_default();
            let (under, member) =
                (text(serde_json::to_string(&expel.under)), text(serde_json::to_string(&expel.member)));
            return format!("expel {} {under} {member}", expel.part);
        }
        (Action::Update(_), Reason::AfterLines) => "settle",
        (Action::Update(_), Reason::Archive) => "archive",
        (Action::Update(_), Reason::Unarchive) => "unarchive",
        (Action::Update(_), Reason::Completes | Reason::CompletesCircle) => "complete",
        (Action::Update(_), _) => "change",
    };
    role.to_owned()
}

fn twin(object: &Object) -> Option<&'static Object> {
    catalogue::find(&ObjectName::known(object.twin?))
}

/// A custom field's code, or a part of a flat one's.
fn hex(name: &str) -> bool {
    name.len() >= 40
        && name.as_bytes()[..40].iter().all(u8::is_ascii_hexdigit)
        && (name.len() == 40 || name.as_bytes()[40] == b'_')
}
