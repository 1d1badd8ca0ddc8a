//! Lists under parents: read only where there is something new to read.
//!
//! The parents' counters, noted while they were listed (`heads.rs`), decide:
//!
//! 1. A parent that counts no children is not asked; what was held under it is gone.
//! 2. A parent that is new or changed is asked.
//! 3. A parent whose counter differs from what the snapshot below holds is asked.
//! 4. Every other parent's children are carried over, and the snapshot says how many were not looked at again.
//!
//! If asking all parents that have children is cheap (`way.rs`), all are asked.

use std::collections::HashSet;

use futures_util::stream::{self, StreamExt};
use serde_json::Value;
use serde_json::value::RawValue;

use super::Error;
use super::heads::{Head, Heads};
use super::held::Held;
use super::lists::Row;
use super::notes::Failure;
use super::run::{Run, Stop, Trouble};
use super::way::{self, Way};
use crate::account::{Ask, Page, Position};
use crate::archive::Snapshot;
use crate::catalogue::{KeyIn, Listing, Object, ObjectName};
use crate::record::{Key, Record, RecordId};

/// Parents asked at once.
const AT_ONCE: usize = 8;
/// Rows stored together: a look-up in the index serves them all.
const ROWS_TOGETHER: usize = 500;
/// So many failures without one success, and the rest is not asked for.
const FUTILE: u64 = 20;
/// No record has so many pages of children; such a list does not end.
const PAGES_OF_ONE_CALL: usize = 1_000;

/// What is done about the children of one object.
struct Family {
    /// The parents to ask, in key order.
    ask: Vec<Key>,
    /// What the snapshot below holds under each of them.
    held: Held,
    /// Held children that are gone because their parent is, or has none.
    gone: Vec<Key>,
    /// Held children that are carried over without being looked at.
    carried: u64,
}

/// Children with a number of their own, which may move from one parent to another while both are read: which of them
/// is gone is known at the end only.
#[derive(Default)]
struct Roaming {
    shown: HashSet<Key>,
    missing: Vec<Key>,
}

/// Rows that wait to be stored, and the parents they complete.
#[derive(Default)]
struct Batch {
    rows: Vec<Row>,
    parents: Vec<Key>,
}

impl Run<'_> {
    /// Reads the children of every parent that has to be asked.
    pub(super) async fn read_children(&self, object: &'static Object) -> Result<(), Stop> {
        if !self.set_out(object) {
            return Ok(());
        }
        let end = match self.family(object) {
            Ok(family) => self.read_family(object, family).await,
            Err(error) => Err(error.into()),
        };
        if end.is_ok() {
            self.desk().notes.heads.remove(object.name);
        }
        self.arrive(object, end)
    }

    async fn read_family(&self, object: &'static Object, family: Family) -> Result<(), Trouble> {
        let Family { ask, held, gone, carried } = family;
        let after = {
            let mut desk = self.desk();
            for key in gone.iter().filter(|_| self.same_eyes) {
                desk.gone(&RecordId::new(ObjectName::known(object.name), key.clone()))?;
            }
            let progress = desk.notes.progress(object.name);
            progress.carried = carried;
            progress.after.as_deref().map(Key::parse)
        };
        let ask: Vec<Key> = ask.into_iter().filter(|key| after.as_ref().is_none_or(|after| key > after)).collect();
        let held = &held;
        let read = |parents| async move { (parents, self.judged_rows(object, parents, held).await) };
        let together = parents_a_call(object);
        // The first alone: what is not offered is known after one question.
        let (first, others) = ask.split_at(together.min(ask.len()));
        let first = stream::iter(first.chunks(together).map(read)).buffered(1);
        let mut lists = first.chain(stream::iter(others.chunks(together).map(read)).buffered(AT_ONCE));
        let (mut batch, mut roaming) = (Batch::default(), Roaming::default());
        while let Some((parents, rows)) = lists.next().await {
            match rows {
                Ok(rows) => {
                    let parent = parents.first().filter(|_| matches!(object.listing, Listing::Under { .. }));
                    batch.rows.extend(self.read_rows(object, parent, &rows));
                    batch.parents.extend_from_slice(parents);
                }
                Err(Trouble::Stop(stop)) => {
                    self.settle(object, std::mem::take(&mut batch), held, &mut roaming)?;
                    return Err(Trouble::Stop(stop));
                }
                // It says that this parent has none.
                Err(Trouble::Gone) if object.retired => batch.parents.extend_from_slice(parents),
                Err(Trouble::Gone) => self.unread(object, parents, "the parent is gone")?,
                Err(Trouble::Object(failure)) => self.unread_or_futile(object, parents, failure)?,
            }
            if batch.rows.len() >= ROWS_TOGETHER || batch.parents.len() >= ROWS_TOGETHER {
                self.settle(object, std::mem::take(&mut batch), held, &mut roaming)?;
            }
        }
        self.settle(object, batch, held, &mut roaming)?;
        self.lose(object, roaming)
    }

    /// What no parent showed is gone, if what was shown can be believed.
    fn lose(&self, object: &'static Object, roaming: Roaming) -> Result<(), Trouble> {
        let mut desk = self.desk();
        let progress = desk.notes.progress(object.name);
        if object.retired && roaming.shown.is_empty() && !roaming.missing.is_empty() {
            // Deleted one and all, or no longer answered for: the words of a refusal do not tell.
            progress.unread += roaming.missing.len() as u64;
            progress.gap("none is shown any more, which may mean that they are no longer offered".to_owned());
            return Ok(());
        }
        let sure = self.same_eyes && progress.bad == 0;
        for key in roaming.missing.into_iter().filter(|key| sure && !roaming.shown.contains(key)) {
            desk.gone(&RecordId::new(ObjectName::known(object.name), key))?;
        }
        Ok(())
    }

    /// Stores what came for a number of parents; what they held before and do not show any more is gone.
    fn settle(&self, object: &'static Object, batch: Batch, held: &Held, roaming: &mut Roaming) -> Result<(), Trouble> {
        let Batch { rows, parents } = batch;
        let Some(last) = parents.last().cloned() else { return Ok(()) };
        let count = rows.len();
        let shown: HashSet<Key> = rows.iter().map(|row| row.record.id().key.clone()).collect();
        self.store(object, rows)?;
        {
            let mut desk = self.desk();
            // A row that was no record may be any of those that seem to be missing.
            // History is never taken back: what was read of it once stays.
            let lasts = object.key == KeyIn::ParentAndDigest;
            let sure = self.same_eyes && !lasts && desk.notes.progress(object.name).bad == 0;
            for key in parents.iter().filter(|_| sure).flat_map(|parent| held.under(parent)) {
                if object.parent_field().is_some() {
                    roaming.missing.push(key);
                } else if !shown.contains(&key) {
                    desk.gone(&RecordId::new(ObjectName::known(object.name), key))?;
                }
            }
            if object.parent_field().is_some() {
                roaming.shown.extend(shown);
            }
            desk.notes.progress(object.name).after = Some(last.to_string());
        }
        self.turn_page(object, None, count)
    }

    /// All rows of one call's list.
    async fn judged_rows(
        &self,
        object: &'static Object,
        parents: &[Key],
        held: &Held,
    ) -> Result<Vec<Box<RawValue>>, Trouble> {
        let (mut rows, mut position) = (Vec::new(), Some(Position::Start));
        // History is told newest first and never changes: what is known begins what is known.
        let known: HashSet<Key> = match object.key {
            KeyIn::ParentAndDigest => parents.iter().flat_map(|parent| held.under(parent)).collect(),
            _ => HashSet::new(),
        };
        for _ in 0..PAGES_OF_ONE_CALL {
            let Some(at) = position else { return Ok(rows) };
            let ask = Ask { object, parents, since: None, extra: &[], position: at };
            let Page { rows: found, next } = self.judged(self.account.page(&ask).await)?;
            let parent = parents.first();
            let meets =
                |row: &RawValue| Record::read(object, parent, row).is_ok_and(|record| known.contains(&record.id().key));
            let met = next.is_some() && !known.is_empty() && found.iter().any(|row| meets(row));
            rows.extend(found);
            position = next.filter(|_| !met);
        }
        Err(Trouble::Object(Failure::Part("a list under a parent does not end".into())))
    }

    fn unread_or_futile(&self, object: &'static Object, parents: &[Key], failure: Failure) -> Result<(), Trouble> {
        let (listed, unread) = {
            let mut desk = self.desk();
            let progress = desk.notes.progress(object.name);
            (progress.listed, progress.unread)
        };
        let refused = matches!(failure, Failure::NotOffered(_)) && unread == 0;
        if listed == 0 && (refused || unread >= FUTILE) {
            return Err(Trouble::Object(failure));
        }
        self.unread(object, parents, failure.reason())
    }

    /// Parents whose lists could not be read: their children are carried over.
    fn unread(&self, object: &'static Object, parents: &[Key], reason: &str) -> Result<(), Trouble> {
        let mut desk = self.desk();
        let progress = desk.notes.progress(object.name);
        progress.unread += parents.len() as u64;
        let under = match parents {
            [only] => format!("{only}"),
            [first, .., last] => format!("{} parents from {first} to {last}", parents.len()),
            [] => return Ok(()),
        };
        progress.gap(format!("under {under}: {reason}"));
        Ok(())
    }

    /// The parent that a held record belongs to: its key names it, or the field that points to it.
    fn parent_in(&self, object: &'static Object, base: &Snapshot<'_>) -> Result<Vec<(Option<Key>, Key)>, Error> {
        let name = ObjectName::known(object.name);
        let mut found = Vec::new();
        let Some(field) = object.parent_field() else {
            for key in base.keys(&name)? {
                let key = key?;
                found.push((parent_of(&key), key));
            }
            return Ok(found);
        };
        for record in base.records(&name)? {
            let record = record?;
            let parent = record.fields().get(field).and_then(|value| match value {
                Value::Number(number) => number.as_u64().map(Key::Number),
                Value::String(text) => Some(Key::parse(text)),
                _ => None,
            });
            found.push((parent, record.id().key.clone()));
        }
        Ok(found)
    }

    /// Decides which parents are asked and what becomes of the children held.
    fn family(&self, object: &'static Object) -> Result<Family, Error> {
        let (heads, complete) = self.heads(object);
        let stands = self.held(object.name).is_some_and(|base| way::stands(base, &self.without(object)));
        let mut held = Held::default();
        let (mut orphans, mut strays) = (Vec::new(), 0);
        if let Some(base) = self.base.as_ref().filter(|base| base.contents(&ObjectName::known(object.name)).is_some()) {
            for (parent, key) in self.parent_in(object, base)? {
                match parent {
                    Some(parent) if heads.find(&parent).is_some() => held.note(parent, key),
                    Some(_) if complete => orphans.push(key),
                    _ => strays += 1,
                }
            }
        }
        let with_children = heads.iter().filter(|head| head.count != Some(0)).count() as u64;
        let price = with_children.div_ceil(parents_a_call(object) as u64) * u64::from(object.price);
        let again = match object.listing {
            Listing::Bulk { .. } => way::cheap(price, self.spendable()),
            _ => way::negligible(price, self.spendable()),
        };
        let all = !stands || self.wanted.full || again;
        held.settle();
        let mut family = Family { ask: Vec::new(), held, gone: orphans, carried: strays };
        for head in heads.iter() {
            let children = family.held.count(&head.key);
            if head.count == Some(0) {
                family.gone.extend(family.held.under(&head.key));
            } else if all || must_ask(&head, children) {
                family.ask.push(head.key);
            } else {
                family.carried += children as u64;
            }
        }
        Ok(family)
    }

    /// What is known of the parents, and whether that is all of them.
    fn heads(&self, object: &'static Object) -> (Heads, bool) {
        let mut desk = self.desk();
        let mut all = Heads::default();
        let mut complete = true;
        for parent in object.parents() {
            let progress = desk.notes.progress(parent);
            complete &= progress.way == Some(Way::Walk) && progress.failure.is_none() && progress.bad == 0;
        }
        for heads in desk.notes.heads.get(object.name).into_iter().flat_map(|by_parent| by_parent.values()) {
            all.join(heads.clone());
        }
        all.settle();
        (all, complete)
    }
}

/// True when a parent's children may be others than those held.
fn must_ask(head: &Head, held: usize) -> bool {
    head.touched || head.count.is_some_and(|count| u64::from(count) != held as u64)
}

/// How many parents one call takes.
fn parents_a_call(object: &Object) -> usize {
    match object.listing {
        Listing::Bulk { batch, .. } => batch.max(1),
        Listing::Under { .. } | Listing::Flat(_) | Listing::Derived { .. } => 1,
    }
}

/// The parent that a child's key names.
fn parent_of(key: &Key) -> Option<Key> {
    match key {
        Key::Pair(parent, _) => Some(Key::Number(*parent)),
        Key::Text(text) => text.split_once(':').map(|(parent, _)| Key::parse(parent)),
        Key::Number(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parent_is_asked_when_it_changed_or_its_counter_differs() {
        let head = |count, touched| Head { key: Key::Number(1), count, touched };
        assert!(must_ask(&head(Some(2), true), 2));
        assert!(must_ask(&head(Some(3), false), 2));
        assert!(!must_ask(&head(Some(2), false), 2));
        assert!(must_ask(&head(None, true), 0));
        assert!(!must_ask(&head(None, false), 5));
    }

    #[test]
    fn a_child_names_its_parent() {
        assert_eq!(parent_of(&Key::Pair(7, 9)), Some(Key::Number(7)));
        assert_eq!(parent_of(&Key::parse("a-b:9")), Some(Key::parse("a-b")));
        assert_eq!(parent_of(&Key::Number(9)), None);
    }
}
