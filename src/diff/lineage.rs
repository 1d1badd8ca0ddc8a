//! Which record of today is which record of then.
//!
//! A restore that had to create a record again gave it a new number; its journal
//! knows both. To a reader it is the same record, so a comparison tells it as one
//! change, and a link that followed it to the new number as none.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::Change;
use super::keys::Keys;
use crate::archive::{Error, Snapshot};
use crate::catalogue::{self, ObjectName, Target};
use crate::record::{Key, Record, RecordId};

/// Old identities and the new ones that restores gave.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Lineage {
    /// A record that was deleted and restored again and again has several, and which restore was the later one only
    /// clocks tell: whoever asks looks which of them is alive.
    heirs: HashMap<RecordId, Vec<RecordId>>,
    ancestors: HashMap<RecordId, RecordId>,
}

impl Lineage {
    /// Learns that a record was made again; what kept its number is no news.
    pub fn learn(&mut self, old: RecordId, new: RecordId) {
        if old != new {
            self.ancestors.insert(new.clone(), old.clone());
            let heirs = self.heirs.entry(old).or_default();
            heirs.retain(|heir| *heir != new);
            heirs.push(new);
        }
    }

    /// The later identities of a record, the next one first; of several restores, the one learnt last comes last.
    pub fn after<'a>(&'a self, id: &RecordId) -> impl Iterator<Item = &'a RecordId> + use<'a> {
        self.walk(id, |id| self.heirs.get(id).into_iter().flatten().rev())
    }

    /// The newest of the later identities that is there.
    pub fn newest<'a>(&'a self, id: &RecordId, is_there: impl Fn(&RecordId) -> bool) -> Option<&'a RecordId> {
        self.after(id).filter(|heir| is_there(heir)).last()
    }

    /// The earlier identities of a record, the last one first.
    pub fn before<'a>(&'a self, id: &RecordId) -> impl Iterator<Item = &'a RecordId> + use<'a> {
        self.walk(id, |id| self.ancestors.get(id).into_iter())
    }

    /// Follows identities to the next ones, the last of which is followed first.
    fn walk<'a, I: Iterator<Item = &'a RecordId>, F: Fn(&RecordId) -> I>(
        &self,
        id: &RecordId,
        next: F,
    ) -> impl Iterator<Item = &'a RecordId> + use<'a, I, F> {
        let mut ahead: Vec<&RecordId> = next(id).collect();
        // No way is longer than all that was learnt; a damaged journal could make it a circle.
        let mut left = self.ancestors.len();
        std::iter::from_fn(move || {
            let current = ahead.pop().filter(|_| left > 0)?;
            left -= 1;
            ahead.extend(next(current));
            Some(current)
        })
    }

    /// Every identity that a restore replaced.
    pub fn replaced(&self) -> impl Iterator<Item = &RecordId> {
        self.heirs.keys()
    }

    /// Whether no restore gave any record a new number.
    pub fn is_empty(&self) -> bool {
        self.heirs.is_empty()
    }
}

impl FromIterator<(RecordId, RecordId)> for Lineage {
    fn from_iter<I: IntoIterator<Item = (RecordId, RecordId)>>(pairs: I) -> Lineage {
        let mut lineage = Lineage::default();
        pairs.into_iter().for_each(|(old, new)| lineage.learn(old, new));
        lineage
    }
}

/// What a change is once the lineage is known; `None` where nothing is left of it.
///
/// A record made again is told where its old number was, its creation not again.
/// The earlier version is shown with the numbers its links have today.
pub(super) fn told(
    change: Change,
    (lineage, keys): (&Lineage, &Keys),
    before: &Snapshot<'_>,
    after: &Snapshot<'_>,
) -> Result<Option<Change>, Error> {
    if lineage.is_empty() && keys.is_empty() {
        return Ok(Some(change));
    }
    let change = match change {
        Change::Delete(old) => match heir(old.id(), lineage, after)? {
            Some(new) => Change::Update { before: old, after: new },
            None => return Ok(Some(Change::Delete(old))),
        },
        Change::Insert(new) => {
            for id in lineage.before(new.id()) {
                // A number that both have was no deletion, so the new one is an addition.
                if before.find(id)?.is_some() && after.find(id)?.is_none() {
                    return Ok(None);
                }
            }
            return Ok(Some(Change::Insert(new)));
        }
        update => update,
    };
    let Change::Update { before, after } = change else { return Ok(Some(change)) };
    let before = renumbered(&before, lineage, keys);
    let change = Change::Update { before, after };
    Ok((!change.fields().is_empty()).then_some(change))
}

/// The record as the later snapshot has it under its newest number.
fn heir(id: &RecordId, lineage: &Lineage, after: &Snapshot<'_>) -> Result<Option<Record>, Error> {
    let mut found = None;
    for id in lineage.after(id) {
        found = after.find(id)?.or(found);
    }
    Ok(found)
}

/// The record with its links under the numbers of today.
fn renumbered(record: &Record, lineage: &Lineage, keys: &Keys) -> Record {
    let Some(object) = catalogue::find(&record.id().object) else { return record.clone() };
    let mut fields = record.fields();
    for reference in object.references {
        if let (Target::Record(targets), Some(value)) = (reference.to, fields.get_mut(reference.top())) {
            follow(value, targets, lineage);
        }
    }
    follow_custom(&mut fields, lineage, keys);
    if let Some(Value::Object(custom)) = fields.get_mut("custom_fields") {
        follow_custom(custom, lineage, keys);
    }
    keys.follow(&mut fields);
    Record::new(record.id().clone(), &fields)
}

/// Values of custom fields that point to records; other numbers mean themselves.
fn follow_custom(values: &mut Map<String, Value>, lineage: &Lineage, keys: &Keys) {
    for (code, value) in values.iter_mut() {
        if let Some(targets) = keys.linked(code) {
            follow(value, targets, lineage);
        }
    }
}

/// Replaces ids of the targets wherever they stand in a value.
fn follow(value: &mut Value, targets: &[&'static str], lineage: &Lineage) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| follow(item, targets, lineage)),
        Value::Object(members) => {
            members.values_mut().for_each(|member| follow(member, targets, lineage));
        }
        Value::Number(_) | Value::String(_) => {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let key = Key::parse(&text);
            let newest = targets
                .iter()
                .find_map(|target| lineage.after(&RecordId::new(ObjectName::known(target), key.clone())).last());
            match newest.map(|id| &id.key) {
                Some(Key::Number(number)) => *value = Value::from(*number),
                Some(key) => *value = Value::from(key.to_string()),
                None => {}
            }
        }
        Value::Null | Value::Bool(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(pairs: &[(&str, &str)]) -> Vec<String> {
        let id = |text: &str| RecordId::parse(text).expect("an id");
        let lineage: Lineage = pairs.iter().map(|(old, new)| (id(old), id(new))).collect();
        lineage.after(&id("notes/1")).map(ToString::to_string).collect()
    }

    #[test]
    fn what_two_restores_made_of_one_record_is_both_known_and_the_later_one_comes_last() {
        let pairs = [("notes/1", "notes/2"), ("notes/2", "notes/3"), ("notes/1", "notes/4"), ("notes/1", "notes/2")];
        assert_eq!(after(&pairs[..3]), ["notes/2", "notes/3", "notes/4"]);
        // Learnt again, it is the later one.
        assert_eq!(after(&pairs), ["notes/4", "notes/2", "notes/3"]);
    }

    #[test]
    fn a_circle_ends() {
        assert_eq!(after(&[("notes/1", "notes/2"), ("notes/2", "notes/1")]), ["notes/2", "notes/1"]);
    }
}
