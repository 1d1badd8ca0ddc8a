//! One write, ready to leave: everything in it is known.

use serde_json::{Map, Value, json};

use crate::catalogue::{self, Object, ObjectName, Restore};
use crate::record::{Key, Record, RecordId};
use crate::restore::cases::object_of;
use crate::restore::fill::{Fill, Known, value_key, values};
use crate::restore::journal::{GoalId, Intent, Journal, Outcome, Was};
use crate::restore::plan::{Action, Create, Expel, LiveId, Step, StepNumber, Upload};
use crate::restore::planner::home;
use crate::restore::same::{is_empty, plain_text, same};

/// What one step sends.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) step: StepNumber,
    /// The record as the goal names it; of a deletion, as the account does.
    pub(super) record: RecordId,
    /// The object whose call is used.
    pub(super) object: &'static Object,
    pub(super) verb: Verb,
    pub(super) body: Map<String, Value>,
    /// The row as it was.
    pub(super) before: Option<Map<String, Value>>,
}

/// What is done.
#[derive(Clone, Debug)]
pub(super) enum Verb {
    Create {
        under: Option<Key>,
        upload: Option<Upload>,
    },
    /// Bring it back, else make it; then write what differs.
    Revive {
        under: Option<Key>,
        mend: Map<String, Value>,
    },
    Update {
        live: RecordId,
    },
    Delete {
        live: RecordId,
    },
    /// Add the options of the body to a field.
    AddOptions {
        live: RecordId,
    },
    /// Delete the row under the parent that shows the body, if there is one.
    Expel {
        under: Key,
    },
    /// Delete these rows under a record that was brought back; which, looking tells.
    Trim {
        live: RecordId,
        added: Vec<RecordId>,
    },
}

impl Request {
    /// What the journal holds of it before it leaves.
    pub(super) fn intent(&self) -> Intent {
        let under = match &self.verb {
            Verb::Create { under, .. } | Verb::Revive { under, .. } => under.as_ref().map(Key::to_string),
            _ => None,
        };
        Intent { step: self.step, sent: self.body.clone(), under, before: self.before.clone() }
    }

    /// It ended well, with the row the service answered.
    pub(super) fn done(&self, was: Was, live: RecordId, row: Map<String, Value>) -> Outcome {
        let removes = matches!(self.verb, Verb::Delete { .. } | Verb::Expel { .. } | Verb::Trim { .. });
        let record = (!removes).then(|| GoalId(self.record.clone()));
        Outcome { record, live: Some(LiveId(live)), row: Some(row), ..self.ended(was, "") }
    }

    /// It ended otherwise.
    pub(super) fn ended(&self, was: Was, words: impl Into<String>) -> Outcome {
        ended(self.step, was, words.into())
    }
}

/// The identity of an answered row, under the name of the object the goal has it in.
pub(super) fn identity(object: &'static Object, under: Option<&Key>, row: &Map<String, Value>) -> Option<RecordId> {
    let raw = serde_json::value::to_raw_value(row).ok()?;
    Record::read(object, under, &raw).ok().map(|record| record.id().clone())
}

/// Whether a row says of itself that it is deleted: v2 answers deleted records by id, v1 clears their active flag.
/// Users and currencies are switched off by that flag and are there all the same.
pub(super) fn is_deleted(object: &Object, row: &Map<String, Value>) -> bool {
    if !matches!(object.restore, Restore::Recreate) {
        return false;
    }
    let is = |name: &str, flag: bool| row.get(name).and_then(Value::as_bool) == Some(flag);
    // Teams write it as a number.
    let flagged = row.get("deleted_flag").and_then(Value::as_u64) == Some(1);
    is("is_deleted", true) || is("deleted", true) || is("active_flag", false) || flagged
}

/// Whether every field that was sent is what the row shows. Fields that the row does not show say nothing, but
/// something must.
pub(super) fn shows(row: &Map<String, Value>, sent: &Map<String, Value>) -> bool {
    let mut shown = 0;
    for (name, value) in sent {
        let equal = match (name.as_str(), value, row.get(name)) {
            (_, _, None) if is_empty(value) => continue,
            (_, _, None) => continue,
            ("custom_fields", Value::Object(sent), Some(Value::Object(row))) => {
                sent.iter().all(|(code, value)| same(value, row.get(code).unwrap_or(&Value::Null)))
            }
            ("options", Value::Array(sent), Some(Value::Array(found))) => {
                sent.iter().map(|one| one.get("label")).eq(found.iter().map(|one| one.get("label")))
            }
            (_, value, Some(found)) => alike(value, found),
        };
        if !equal {
            return false;
        }
        shown += 1;
    }
    shown > 0
}

/// The fields of a body that the row does not show yet.
pub(super) fn unlike(row: &Map<String, Value>, body: &Map<String, Value>) -> Map<String, Value> {
    let differs = |name: &str, value: &Value| {
        let one: Map<String, Value> = Map::from_iter([(name.to_owned(), value.clone())]);
        let empty = is_empty(value) && row.get(name).is_none_or(is_empty);
        !empty && !shows(row, &one)
    };
    body.iter().filter(|(name, value)| differs(name, value)).map(|(n, v)| (n.clone(), v.clone())).collect()
}

/// The same, or the same text in HTML that the service has sanitised; ids may be nested in the answer.
fn alike(sent: &Value, found: &Value) -> bool {
    if same(sent, found) {
        return true;
    }
    match (sent, found) {
        (Value::String(sent), Value::String(found)) => plain_text(sent) == plain_text(found),
        (Value::Number(_) | Value::String(_), Value::Object(_)) => {
            value_key(found).is_some_and(|key| key.to_string() == bare(sent))
        }
        _ => false,
    }
}

fn bare(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Of a field's body, what makes it the field it is: the settings can be refused, and the answer adds to them.
pub(super) fn as_made(body: &Map<String, Value>) -> Map<String, Value> {
    let own = ["field_name", "field_type", "options", "description"];
    body.iter().filter(|(name, _)| own.contains(&name.as_str())).map(|(n, v)| (n.clone(), v.clone())).collect()
}

/// The same body with times in the plain form, for a service that refused the other one
/// (api/wire.md: the form of won_time and lost_time in v2 is not stated).
pub(super) fn plain_times(body: &Map<String, Value>) -> Option<Map<String, Value>> {
    let mut plain = body.clone();
    let mut changed = false;
    for name in ["won_time", "lost_time", "add_time"] {
        if let Some(Value::String(time)) = plain.get_mut(name)
            && time.len() >= 20
            && time.as_bytes()[10] == b'T'
        {
            *time = time[..19].replace('T', " ");
            changed = true;
        }
    }
    changed.then_some(plain)
}

/// A body that a service may take which refused the one before, and the fields that it gives up.
pub(super) struct Form {
    pub(super) body: Map<String, Value>,
    pub(super) unemptied: Vec<String>,
}

/// The forms of a change after the first: times in the plain form; then, as far as it empties fields, "" where the row
/// has a text, and at last without what cannot be emptied, so that the rest is written.
///
/// UNCONFIRMED: whether null empties a field whose description does not allow it; read in the descriptions, 2026-11-27.
pub(super) fn other_forms(request: &Request) -> Vec<Form> {
    let body = plain_times(&request.body).unwrap_or_else(|| request.body.clone());
    let before = |name: &str| request.before.as_ref().and_then(|row| row.get(name));
    let nulls = || body.iter().filter(|(_, value)| value.is_null()).map(|(name, _)| name.clone());
    let (texts, others): (Vec<String>, Vec<String>) =
        nulls().partition(|name| before(name).is_some_and(Value::is_string));
    let with = |blank: &[String], unemptied: Vec<String>| {
        let mut body = body.clone();
        body.retain(|name, _| !unemptied.contains(name));
        for name in blank {
            body.insert(name.clone(), Value::String(String::new()));
        }
        Form { body, unemptied }
    };
    let mut forms = vec![with(&[], Vec::new()), with(&texts, Vec::new())];
    forms.push(with(&texts, others));
    forms.push(with(&[], nulls().collect()));
    forms.dedup_by(|next, before| next.body == before.body);
    forms.retain(|form| form.body != request.body && !form.body.is_empty());
    forms
}

/// The entry of an object by the name in a plan.
pub(super) fn entry(name: &str) -> Option<&'static Object> {
    catalogue::find(&ObjectName::new(name))
}

/// Where a record stands while it is written through this object: what was archived has been taken out before.
pub(super) fn at_home(through: &'static Object, live: &RecordId) -> RecordId {
    RecordId::new(ObjectName::known(through.name), live.key.clone())
}

/// Whether a row says of itself that it is archived.
pub(super) fn is_archived(row: &Map<String, Value>) -> bool {
    row.get("is_archived") == Some(&Value::Bool(true))
}

/// What is said of a record that somebody deleted meanwhile.
pub(super) const DELETED: &str = "it was deleted since the plan was made";

/// What is said of a record that somebody edited meanwhile.
pub(super) const MOVED: &str = "it was edited since the plan was made";

/// The request of a step; none when it needs a record that was not made.
pub(super) fn request(step: &Step, known: &dyn Known, before: Option<Map<String, Value>>) -> Option<Request> {
    let (object, verb, body) = match &step.action {
        Action::Create(create) => {
            let verb = Verb::Create { under: parent(create, known)?, upload: create.contents.as_deref().cloned() };
            (home(object_of(&create.record)?), verb, values(&create.body.fields(), known).ok()?)
        }
        Action::Revive { create, mend } => {
            let verb = Verb::Revive { under: parent(create, known)?, mend: values(&mend.fields(), known).ok()? };
            (home(object_of(&create.record)?), verb, values(&create.body.fields(), known).ok()?)
        }
        Action::Update(update) => {
            let object = entry(&update.through)?;
            let made = || Some(RecordId::new(ObjectName::known(object.name), known.id(&update.record)?));
            let live = update.live.as_ref().map(|live| live.0.clone()).or_else(made)?;
            (object, Verb::Update { live }, values(&update.body.fields(), known).ok()?)
        }
        Action::AddOptions(added) => {
            let options: Vec<Value> = added.labels.iter().map(|label| json!({"label": label})).collect();
            let body = Map::from_iter([("options".to_owned(), Value::Array(options))]);
            (object_of(&added.live.0)?, Verb::AddOptions { live: added.live.0.clone() }, body)
        }
        Action::Delete { live, .. } => (object_of(&live.0)?, Verb::Delete { live: live.0.clone() }, Map::new()),
        Action::Expel(expel) => {
            let under = expel.under.value(known).ok().and_then(|value| value_key(&value))?;
            (entry(&expel.part)?, Verb::Expel { under }, values(&expel.member.fields(), known).ok()?)
        }
        Action::Trim(trim) => {
            let object = home(object_of(&trim.host)?);
            let live = RecordId::new(ObjectName::known(object.name), known.id(&trim.host)?);
            // Of what was not made there is nothing to keep.
            let row = |row: Vec<Fill>| row.iter().filter_map(|fill| fill.value(known).ok()).collect();
            let known = |(part, kept): (&Object, Vec<Vec<Fill>>)| {
                (part.name.to_owned(), Value::Array(kept.into_iter().map(row).collect()))
            };
            (object, Verb::Trim { live, added: Vec::new() }, trim.parts().map(known).collect())
        }
    };
    Some(Request { step: step.number, record: step.record().clone(), object, verb, body, before })
}

/// The parent a record is made under: none for a flat list; the outer none when it is not known.
fn parent(create: &Create, known: &dyn Known) -> Option<Option<Key>> {
    match &create.under {
        None => Some(None),
        Some(under) => under.value(known).ok().and_then(|value| value_key(&value)).map(Some),
    }
}

/// The record that a step needs and that was not made.
pub(super) fn missing(step: &Step, known: &dyn Known) -> Option<RecordId> {
    let under = match &step.action {
        Action::Create(create) | Action::Revive { create, .. } => create.under.as_deref(),
        Action::Update(update) if update.live.is_none() && known.id(&update.record).is_none() => {
            return Some(update.record.clone());
        }
        _ => None,
    };
    let body = step.body().unwrap_or_default();
    let mut fills = body.values().chain(under);
    fills.find_map(|fill| fill.value(known).err())
}

/// A step that ended without a request.
pub(super) fn plain(step: &Step, was: Was, words: impl Into<String>) -> Outcome {
    ended(step.number, was, words.into())
}

fn ended(step: StepNumber, was: Was, words: String) -> Outcome {
    Outcome { step, was, record: None, live: None, row: None, removed: Vec::new(), words }
}

/// The live record that a step changes and that must be as it was.
pub(super) fn changes(step: &Step) -> Option<RecordId> {
    match &step.action {
        Action::Update(update) => update.seen.as_ref().and(update.live.as_ref()).map(|live| live.0.clone()),
        Action::Delete { live, .. } => Some(live.0.clone()),
        _ => None,
    }
}

/// Whether this replay has written the record already, so that it is no longer as the plan saw it.
pub(super) fn touched(journal: &Journal, record: &RecordId) -> bool {
    journal.id(record).is_some()
}

/// The object whose record it is added to, and the field that counts such rows; none where nothing counts them.
pub(super) fn host(expel: &Expel) -> Option<(&'static Object, &'static str)> {
    let part = entry(&expel.part)?;
    let object = home(object_of(&expel.host)?);
    part.counter().filter(|_| object.bulk_ids.is_some()).map(|counter| (object, counter))
}
