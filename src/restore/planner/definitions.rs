//! Fields and options that are made again, when that was asked for.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::archive;
use crate::catalogue::{self, Object, ObjectName, Target};
use crate::record::{Record, RecordId};
use crate::restore::cases::{Cases, object_of};
use crate::restore::conditions;
use crate::restore::definitions::{Definition, Definitions};
use crate::restore::fields::{Fields, Place, field_id};
use crate::restore::links::{custom_values, is_custom};
use crate::restore::plan::{Action, AddOptions, LeftOut, LiveId, Reason};
use crate::restore::planner::updates::Delta;
use crate::restore::planner::{Draft, Phase, Planner, place};
use crate::restore::policy::Policy;
use crate::restore::same::is_empty;
use crate::restore::scope::Chosen;
use crate::restore::state::State;

/// Adds to what is chosen the fields it needs, and asks for the options it needs: those of everything, or those that
/// the chosen records have values in.
pub(super) fn want(
    fields: &mut Fields,
    policy: &Policy,
    cases: &Cases,
    chosen: &mut Chosen,
    (then, now): (&Definitions, &Definitions),
) {
    let used: BTreeSet<RecordId> = if policy.scope.is_everything() {
        let every = |(name, fields): (&'static str, _)| -> Vec<RecordId> { ids(name, fields) };
        then.all().flat_map(every).collect()
    } else {
        let goals = chosen.records.iter().filter_map(|id| Some((object_of(id)?, cases.goal(id)?)));
        goals.flat_map(|(object, goal)| used(object, &goal, then)).collect()
    };
    for id in used {
        match fields.place(now, id.object.as_str(), &id.key.to_string()) {
            Place::Gone if cases.all.contains_key(&id) => drop(chosen.records.insert(id)),
            Place::Gone | Place::Made(_) => {}
            Place::Live(_) => fields.add_options(then, now, &id),
        }
    }
}

/// The fields of an object whose options people made: custom ones, and built-in ones that records refer to.
fn ids(name: &'static str, fields: &BTreeMap<String, Definition>) -> Vec<RecordId> {
    let references = catalogue::ALL.iter().flat_map(|object| object.references);
    let chosen: BTreeSet<&str> = references
        .filter_map(|reference| match reference.to {
            Target::Choice { fields, code } if fields == name => Some(code),
            _ => None,
        })
        .collect();
    let theirs = |code: &&String| is_custom(code) || chosen.contains(code.as_str());
    fields.keys().filter(theirs).map(|code| field_id(name, code)).collect()
}

/// The fields that a record of the goal has values in, and those that its conditions look at.
fn used(object: &'static Object, goal: &Record, then: &Definitions) -> Vec<RecordId> {
    let row = goal.fields();
    let set = |name: &str| row.get(name).is_some_and(|value| !is_empty(value));
    let mut found: Vec<RecordId> = Vec::new();
    if let Some(custom) = object.custom {
        let values = custom_values(object, &row, then).filter(|(_, _, value)| !is_empty(value));
        found.extend(values.map(|(code, ..)| field_id(custom.fields, code)));
    }
    for reference in object.references.iter().filter(|reference| set(reference.top())) {
        match reference.to {
            Target::Choice { fields, code } => found.push(field_id(fields, code)),
            Target::Conditions => conditions::each(&row[reference.top()], &mut |condition| {
                found.extend(conditions::field(condition).map(|(fields, code)| field_id(fields, code)));
            }),
            _ => {}
        }
    }
    found
}

impl<S: State> Planner<'_, S> {
    /// Drafts the steps for filters that survived, and look at a field which has another number now or gets one.
    ///
    /// The service keeps their conditions as they were, so nothing about such a filter differs from the goal.
    pub(super) fn relink_conditions(&mut self) -> Result<(), archive::Error> {
        let changed = |draft: &Draft| match &draft.action {
            Action::Update(update) => Some(update.record.clone()),
            _ => None,
        };
        let drafted: BTreeSet<RecordId> = self.drafts.iter().filter_map(changed).collect();
        for object in catalogue::ALL.iter().copied() {
            let name = ObjectName::known(object.name);
            let conditions = object.references.iter().find(|reference| reference.to == Target::Conditions);
            let (Some(conditions), Some(_)) = (conditions, self.seen.contents(&name)) else { continue };
            for record in self.seen.records(&name)? {
                let record = record?;
                let row = record.fields();
                let value = row.get(conditions.top()).unwrap_or(&Value::Null);
                let known = self.cases.all.contains_key(record.id()) || drafted.contains(record.id());
                if known || !self.look_elsewhere(value) {
                    continue;
                }
                let Delta { mut body, lost } = self.delta(object, record.id(), &row, &row);
                body.retain(|name, _| name == conditions.top());
                self.said
                    .left_out
                    .extend(lost.into_iter().map(|(field, lost)| LeftOut::field(record.id(), &field, lost.words())));
                if body.is_empty() {
                    continue;
                }
                let phase = self.phase(object, &body);
                let reason = Reason::LostLink(vec![conditions.top().to_owned()]);
                self.draft_update(object, (record.id(), &record), body, (reason, Vec::new()), phase);
            }
        }
        Ok(())
    }

    /// Whether one of the conditions looks at a field that is made, or that has another key now.
    fn look_elsewhere(&self, value: &Value) -> bool {
        let mut found = false;
        conditions::each(value, &mut |condition| {
            let place =
                conditions::field(condition).map(|(fields, code)| (self.fields.place(&self.now, fields, code), code));
            found |= match place {
                Some((Place::Made(_), _)) => true,
                Some((Place::Live(today), code)) => today != code,
                _ => false,
            };
        });
        found
    }

    /// Drafts the steps that add options to fields of the account.
    pub(super) fn add_options(&mut self) {
        let added: Vec<(RecordId, Vec<String>)> =
            self.fields.added_options().map(|(id, labels)| (id.clone(), labels.clone())).collect();
        for (record, labels) in added {
            let Some(object) = object_of(&record) else { continue };
            let Place::Live(today) = self.fields.place(&self.now, object.name, &record.key.to_string()) else {
                continue;
            };
            let field = self.then.find(object.name, &record.key.to_string()).map_or("", |field| field.name.as_str());
            let told: Vec<String> = labels.iter().map(|label| format!("\"{label}\"")).collect();
            let notes = vec![format!("adds to \"{field}\" the options {}", told.join(", "))];
            let live = LiveId(field_id(object.name, &today));
            let key = record.key.clone();
            self.drafts.push(Draft {
                phase: Phase::Write,
                object: place(object),
                order: 0,
                key,
                action: Action::AddOptions(AddOptions { record, live, labels }),
                reason: Reason::Deleted,
                clears: Vec::new(),
                notes,
            });
        }
    }
}
