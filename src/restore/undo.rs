//! Takes a restore back: the plan the other way, with conflicts.
//!
//! The state to go back to is the one the restore was planned from, which the archive
//! holds; what the restore did is told by its journal. Taking it back is undoing what
//! happened between those two, as between any two snapshots: what it wrote is written
//! back where it is still as the restore left it, what it made is deleted, what it
//! deleted is made again, and whatever somebody has edited since stays and is listed.
//!
//! A restore that was killed may not know of its last requests whether they took place.
//! The account as it is now tells: a record shows what was sent, or it does not.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value};

use crate::archive::Error;
use crate::catalogue::{self, Object, ObjectName};
use crate::diff::Lineage;
use crate::record::{Key, Record, RecordId};
use crate::restore::cases::{object_of, places};
use crate::restore::fill::{Body, BodyText, values};
use crate::restore::journal::{Intent, Journal, Outcome, Was};
use crate::restore::past::{Between, Past, Witness};
use crate::restore::plan::{Action, Plan, Step};
use crate::restore::planner::home;
use crate::restore::policy::{Policy, Scope, Side};
use crate::restore::readback::as_archived;
use crate::restore::request::{Verb, request, shows};
use crate::restore::state::{Rows, State};
use crate::restore::{CannotPlan, plan_with};

/// The states that a restore is taken back with.
pub struct Undone<'s, S> {
    /// What the restore went back to.
    pub goal: &'s S,
    /// The account as it was before the restore.
    pub before: &'s S,
    /// The account as it is now.
    pub seen: &'s S,
}

/// Plans to take a restore back; none if it changed nothing that is left to take back.
pub fn undo<S: State>(
    (journal, done): (&Journal, &Plan),
    states: &Undone<'_, S>,
    conflicts: Side,
    lineage: &Lineage,
) -> Result<Option<Plan>, CannotPlan> {
    let Undone { goal, before, seen } = *states;
    let mut left = Left { goal, before, touched: HashMap::new(), revived: HashSet::new() };
    left.by(journal, done, seen)?;
    let mut scope = Scope::default();
    for id in left.touched.keys() {
        for id in places(id) {
            if before.find(&id)?.is_some() || seen.find(&id)?.is_some() {
                scope.records.insert(id);
            }
        }
    }
    if scope.records.is_empty() {
        return Ok(None);
    }
    // Whoever wanted silence for the restore wants it for taking it back.
    let pause_webhooks = done.policy.pause_webhooks;
    let policy = Policy { scope, related: true, delete_added: true, conflicts, pause_webhooks, ..Policy::default() };
    let between = Between::End(Past::Undone(journal.name().to_owned()), &left);
    plan_with(before, Some(&between), seen, &policy, lineage).map(Some)
}

/// The account as a restore left it: as it was before, but for what the restore touched.
struct Left<'s, S> {
    goal: &'s S,
    before: &'s S,
    /// By identity in the object where records are made and changed; none where the restore deleted.
    touched: HashMap<RecordId, Option<Record>>,
    /// Those that came back with their number, and with what belongs to them.
    revived: HashSet<RecordId>,
}

impl<S: State> Left<'_, S> {
    fn by(&mut self, journal: &Journal, done: &Plan, seen: &S) -> Result<(), Error> {
        for step in &done.steps {
            if let Some(outcome) = journal.ended(step.number).filter(|outcome| is_ours(journal, outcome)) {
                self.learn(journal, step, outcome)?;
            }
        }
        let steps: HashMap<u32, &Step> = done.steps.iter().map(|step| (step.number, step)).collect();
        for (_, intent) in journal.in_doubt() {
            if let Some(step) = steps.get(&intent.step) {
                self.guess(journal, step, &intent, seen)?;
            }
        }
        // Bringing a record back takes several requests, of which the first may have been the last.
        for step in done.steps.iter().filter(|step| journal.has_sent(step.number)) {
            if let (Action::Revive { create, .. }, None) = (&step.action, journal.ended(step.number)) {
                let back = find_in(seen, &create.record)?.filter(|back| !self.touched.contains_key(&stem(back.id())));
                if let Some(back) = back
                    && find_in(self.before, &create.record)?.is_none()
                {
                    self.revived.insert(stem(back.id()));
                    self.touched.insert(stem(back.id()), Some(back));
                }
            }
        }
        Ok(())
    }

    /// What a step that ended has left.
    fn learn(&mut self, journal: &Journal, step: &Step, outcome: &Outcome) -> Result<(), Error> {
        let (record, sent) = match &step.action {
            Action::Delete { live, .. } => {
                self.touched.insert(stem(&live.0), None);
                return Ok(());
            }
            // What the service had added by itself, or brought back, was not there before, either.
            Action::Expel(_) | Action::Trim(_) => return Ok(()),
            Action::Create(create) => (&create.record, body(&create.body, journal)),
            Action::Revive { create, mend } => {
                (&create.record, body(&create.body, journal).into_iter().chain(body(mend, journal)).collect())
            }
            Action::Update(update) => (&update.record, body(&update.body, journal)),
            Action::AddOptions(added) => (&added.record, Map::new()),
        };
        let (Some(live), Some(object)) = (&outcome.live, object_of(record)) else { return Ok(()) };
        if outcome.was == Was::Revived {
            self.revived.insert(stem(&live.0));
        }
        let mut fields = match self.touched.get(&stem(&live.0)) {
            Some(Some(touched)) => touched.fields(),
            _ => find_in(self.before, &live.0)?.map(|record| record.fields()).unwrap_or_default(),
        };
        overlay(&mut fields, sent);
        if let Some(row) = journal.row(record) {
            overlay(&mut fields, as_archived(object, record, &row.fields()));
        }
        self.touched.insert(stem(&live.0), Some(placed(&live.0, &fields)));
        Ok(())
    }

    /// What a step has left whose answer is not known.
    fn guess(&mut self, journal: &Journal, step: &Step, intent: &Intent, seen: &S) -> Result<(), Error> {
        let took = match &step.action {
            Action::Delete { live, .. } => {
                if find_in(seen, &live.0)?.is_none() {
                    self.touched.insert(stem(&live.0), None);
                }
                None
            }
            Action::Update(_) => {
                let sent = request(step, journal, None).map(|request| request.verb);
                match sent {
                    Some(Verb::Update { live }) => {
                        find_in(seen, &live)?.filter(|row| shows(&row.fields(), &intent.sent))
                    }
                    _ => None,
                }
            }
            Action::Create(create) => self.made(journal, &create.record, intent, seen)?,
            Action::Revive { create, .. } => self.made(journal, &create.record, intent, seen)?,
            Action::Expel(_) | Action::Trim(_) | Action::AddOptions(_) => None,
        };
        self.touched.extend(took.map(|row| (stem(row.id()), Some(row))));
        Ok(())
    }

    /// The record that a request made whose answer is not known: it is new, nobody else's, and shows what was sent.
    fn made(&self, journal: &Journal, record: &RecordId, intent: &Intent, seen: &S) -> Result<Option<Record>, Error> {
        let Some(home) = object_of(record).map(home) else { return Ok(None) };
        let names = [Some(home.name), home.twin].into_iter().flatten().map(ObjectName::known);
        for name in names.filter(|name| seen.contents(name).is_some()) {
            for row in State::records(seen, &name)? {
                let row = row?;
                let id = stem(row.id());
                let other = self.touched.contains_key(&id) || journal.claims(&id);
                if !other && find_in(self.before, &id)?.is_none() && shows(&row.fields(), &intent.sent) {
                    return Ok(Some(row));
                }
            }
        }
        Ok(None)
    }

    /// Whether one of a row's parents is among these.
    fn is_under(id: &RecordId, among: impl Fn(&RecordId) -> bool) -> bool {
        let parents = object_of(id).map_or(&[][..], Object::parents);
        let under =
            |key: &Key| parents.iter().any(|name| among(&stem(&RecordId::new(ObjectName::known(name), key.clone()))));
        id.key.parent().as_ref().is_some_and(under)
    }
}

impl<S: State> Witness for Left<'_, S> {
    fn find(&self, live: &RecordId) -> Result<Option<Record>, Error> {
        match self.touched.get(&stem(live)) {
            Some(touched) => Ok(touched.clone().filter(|record| record.id() == live)),
            // It went with what the restore deleted, or came back with what it brought back.
            None if Self::is_under(live, |id| matches!(self.touched.get(id), Some(None))) => Ok(None),
            None if Self::is_under(live, |id| self.revived.contains(id)) => State::find(self.goal, live),
            None => State::find(self.before, live),
        }
    }

    fn blind(&self, object: &ObjectName) -> Option<String> {
        State::blind(self.before, object)
    }

    fn records(&self, object: &ObjectName) -> Result<Rows<'_, Record>, Error> {
        Witness::records(self.before, object)
    }
}

/// Whether the restore did it, and not somebody before it.
fn is_ours(journal: &Journal, outcome: &Outcome) -> bool {
    match outcome.was {
        Was::Done => outcome.words.is_empty() || journal.has_sent(outcome.step),
        Was::Adopted | Was::Revived => true,
        // Sent before, and found to be there when it was looked at again.
        Was::Equal => journal.has_sent(outcome.step),
        Was::Refused | Was::Conflict | Was::Skipped | Was::Unsent => false,
    }
}

/// A record in whichever of its two lists it stands.
fn find_in<S: State>(state: &S, id: &RecordId) -> Result<Option<Record>, Error> {
    for id in places(id) {
        if let Some(found) = State::find(state, &id)? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// The identity in the object where such records are made and changed: one for both lists of an archived one.
fn stem(id: &RecordId) -> RecordId {
    match object_of(id) {
        Some(object) => RecordId::new(ObjectName::known(home(object).name), id.key.clone()),
        None => id.clone(),
    }
}

/// The record in the list in which its row says that it stands.
fn placed(live: &RecordId, fields: &Map<String, Value>) -> Record {
    let archived = fields.get("is_archived").and_then(Value::as_bool) == Some(true);
    let stem = stem(live);
    let twin = catalogue::find(&stem.object).and_then(|object| object.twin).filter(|_| archived);
    let id = twin.map_or(stem.clone(), |twin| RecordId::new(ObjectName::known(twin), stem.key));
    Record::new(id, fields)
}

/// What was sent, as far as it is known.
fn body(body: &BodyText, journal: &Journal) -> Map<String, Value> {
    let known: Body = body.fields().into_iter().filter(|(_, fill)| fill.value(journal).is_ok()).collect();
    values(&known, journal).unwrap_or_default()
}

/// Writes fields over others; of custom fields only those that are there.
fn overlay(fields: &mut Map<String, Value>, over: Map<String, Value>) {
    for (name, value) in over {
        match (fields.get_mut(&name), value) {
            (Some(Value::Object(own)), Value::Object(value)) if name == "custom_fields" => own.extend(value),
            (_, value) => drop(fields.insert(name, value)),
        }
    }
}
