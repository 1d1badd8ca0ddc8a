//! One record at three times, and what that says of each of its fields.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::catalogue::{Object, Restore};
use crate::record::RecordId;
use crate::restore::fill::Fill;
use crate::restore::links::is_custom;
use crate::restore::planner::Planner;
use crate::restore::same::same;
use crate::restore::state::State;

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
pub(super) enum Fate {
    Write,
    /// Nobody asked for it.
    Leave,
    /// Nothing tells who changed it.
    Untold,
    /// It was edited again; what it was in between.
    Contested(Value),
}

/// What is known of one record at three times.
pub(super) struct Testimony {
    /// Its identity in the account.
    pub(super) id: RecordId,
    pub(super) home: &'static Object,
    pub(super) goal: Map<String, Value>,
    /// As it was in between: at the end of the window, or its versions.
    pub(super) then: Vec<Map<String, Value>>,
    pub(super) now: Map<String, Value>,
    /// Whether there is a window.
    pub(super) end: bool,
}

impl Testimony {
    pub(super) fn fate<S: State>(&self, planner: &Planner<'_, S>, field: &str) -> Fate {
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

    pub(super) fn goal<S: State>(&self, planner: &Planner<'_, S>, field: &str) -> Value {
        match value(&self.goal, field) {
            Value::Null => value(&self.goal, &self.renamed(planner, field)),
            value => value,
        }
    }

    pub(super) fn live(&self, field: &str) -> Value {
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

pub(super) fn custom(code: &str) -> String {
    format!("custom_fields.{code}")
}

pub(super) fn value(fields: &Map<String, Value>, field: &str) -> Value {
    let found = match field.strip_prefix("custom_fields.") {
        Some(code) => fields.get("custom_fields").and_then(|custom| custom.get(code)),
        None => fields.get(field),
    };
    found.cloned().unwrap_or_default()
}

/// Fields that only make sense together share the fate of the one that was edited again.
pub(super) fn bind(object: &str, fates: &mut BTreeMap<String, Fate>, witness: &Testimony) {
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

/// Whether two versions of a record differ in something that can be written.
pub(super) fn differs(home: &'static Object, before: &Map<String, Value>, after: &Map<String, Value>) -> bool {
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

impl<S: State> Planner<'_, S> {
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
