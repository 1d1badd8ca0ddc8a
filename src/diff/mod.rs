//! Walks two snapshots in key order and yields changes.
//!
//! Positions are compared first, so that only record versions that differ are
//! ever read. A record is called deleted only where the later snapshot walked
//! the whole list, and added only where the earlier one could have seen it:
//! what was not looked at is told as such, never guessed.

mod fields;
mod filter;
mod keys;
mod lineage;
mod names;
mod remade;
mod views;

pub use self::fields::FieldChange;
pub use self::filter::{Filter, NotAFilter, Sieve, Unbound};
pub use self::lineage::Lineage;
pub use self::names::{Book, Names, Rows};
pub use self::remade::{Off, Pairs, Remade, Remaking};
pub use self::views::view;

use crate::archive::{Contents, Coverage, Difference, Error, Snapshot};
use crate::catalogue::{self, ObjectName};
use crate::record::{Record, RecordId};

/// What happened to one record between two snapshots.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Change {
    /// It is only in the later one.
    Insert(Record),
    /// It is in both, with different fields.
    Update {
        /// As it was.
        before: Record,
        /// As it became.
        after: Record,
    },
    /// It is only in the earlier one.
    Delete(Record),
}

impl Change {
    /// Whose change it is.
    pub fn id(&self) -> &RecordId {
        match self {
            Change::Insert(record) | Change::Delete(record) | Change::Update { before: record, .. } => record.id(),
        }
    }

    /// Fields that differ, in the order of their paths; a missing field counts as null.
    pub fn fields(&self) -> Vec<FieldChange> {
        match self {
            Change::Insert(after) => fields::changed(None, Some(after)),
            Change::Update { before, after } => fields::changed(Some(before), Some(after)),
            Change::Delete(before) => fields::changed(Some(before), None),
        }
    }
}

/// What can be said of one object of two snapshots.
pub struct Comparison<'a> {
    /// Changes in key order.
    pub changes: Box<dyn Iterator<Item = Result<Change, Error>> + 'a>,
    /// Why a record missing in the later snapshot is not called deleted here, if so.
    pub unseen: Option<String>,
    /// Why a record missing in the earlier snapshot may be older than it, if so; where the earlier
    /// snapshot did not look at the object at all, no record is called added.
    pub unseen_before: Option<String>,
}

/// Objects of both snapshots, in the order of the catalogue and then by name.
pub fn objects(before: &Snapshot<'_>, after: &Snapshot<'_>) -> Vec<ObjectName> {
    let contents = before.manifest().contents.iter().chain(&after.manifest().contents);
    let mut objects: Vec<ObjectName> = contents.map(|contents| contents.object.clone()).collect();
    let place =
        |name: &ObjectName| catalogue::ALL.iter().position(|object| object.name == name.as_str()).unwrap_or(usize::MAX);
    objects.sort_by_cached_key(|name| (place(name), name.clone()));
    objects.dedup();
    objects
}

/// Compares one object of two snapshots; a record that a restore made again counts as the same one.
pub fn compare<'a>(
    before: &'a Snapshot<'a>,
    after: &'a Snapshot<'a>,
    object: &ObjectName,
    lineage: &'a Lineage,
) -> Result<Comparison<'a>, Error> {
    let (old, new) = (before.contents(object), after.contents(object));
    let unseen = unseen_after(old, new);
    // Where parents were never looked at, what is there now may have been there before.
    let ahead = before.manifest().notes["ahead"][object.as_str()].is_u64();
    let (inserts, unseen_before) = seen_before(old);
    let inserts = inserts && !ahead;
    let deletes = unseen.is_none();
    let without: Vec<String> = old.iter().chain(&new).flat_map(|contents| contents.without.clone()).collect();
    let keys = keys::Keys::between(before, after, object, lineage)?;
    let differences = before.differences(after, object)?;
    let changes = differences.filter_map(move |difference| match difference {
        Err(error) => Some(Err(error)),
        Ok(Difference { before: Some(before), after: Some(after) }) => {
            fields::seen_by_both(before, after, &without).map(|(before, after)| Ok(Change::Update { before, after }))
        }
        Ok(Difference { before: Some(before), after: None }) => deletes.then_some(Ok(Change::Delete(before))),
        Ok(Difference { before: None, after: Some(after) }) => inserts.then_some(Ok(Change::Insert(after))),
        Ok(Difference { before: None, after: None }) => None,
    });
    let changes = changes.filter_map(move |change| {
        change.and_then(|change| lineage::told(change, (lineage, &keys), before, after)).transpose()
    });
    Ok(Comparison { changes: Box::new(changes), unseen, unseen_before })
}

/// Why a record that `after` lacks need not be deleted.
fn unseen_after(before: Option<&Contents>, after: Option<&Contents>) -> Option<String> {
    let Some(after) = after else { return Some("the later snapshot did not look at it".to_owned()) };
    match &after.coverage {
        Coverage::Whole => None,
        // A part may be missing now, and the list may still have been walked after `before` was taken.
        Coverage::Part { reason } => {
            let walked =
                after.deletions_seen_at.is_some_and(|walked| before.is_none_or(|before| walked >= before.seen_at));
            (!walked).then(|| format!("the later snapshot saw it in part: {reason}"))
        }
        Coverage::NotOffered { reason } => Some(format!("the account did not offer it: {reason}")),
        Coverage::LeftOut { reason } => Some(format!("the later snapshot left it out: {reason}")),
    }
}

/// Whether records that `before` lacks are told as added, and what is to be said about it.
fn seen_before(before: Option<&Contents>) -> (bool, Option<String>) {
    let Some(before) = before else { return (false, Some("the earlier snapshot did not look at it".to_owned())) };
    match &before.coverage {
        Coverage::Whole => (true, None),
        // Never walked to its end: what is missing is what was not read.
        Coverage::Part { reason } => {
            let known = before.deletions_seen_at.is_some();
            (known, Some(format!("the earlier snapshot saw it in part: {reason}")))
        }
        Coverage::NotOffered { reason } => (false, Some(format!("the account did not offer it: {reason}"))),
        Coverage::LeftOut { reason } => (false, Some(format!("the earlier snapshot left it out: {reason}"))),
    }
}

#[cfg(test)]
mod tests;
