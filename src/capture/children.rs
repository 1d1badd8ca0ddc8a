//! Lists under parents: read only where there is something new to read.
//!
//! Which parents are asked is decided before (`family.rs`).
//!
//! A record of two parents (a relationship) is gone when the service says so: that one of them does not show it may
//! mean that it moved.

use std::collections::{BTreeSet, HashSet};

use futures_util::stream::{self, StreamExt};
use serde_json::value::RawValue;

use super::Error;
use super::desk::Desk;
use super::family::{Family, parents_a_call};
use super::held::Held;
use super::lists::Row;
use super::notes::Failure;
use super::run::{Run, Stop, Trouble};
use crate::account::{AT_ONCE, Ask, Page, Position};
use crate::catalogue::{KeyIn, Listing, Object, ObjectName};
use crate::record::{Key, Record, RecordId};

/// Rows stored together: a look-up in the index serves them all.
const ROWS_TOGETHER: usize = 500;
/// So many failures without one success, and the rest is not asked for.
const FUTILE: u64 = 20;
/// No record has so many pages of children; such a list does not end.
const PAGES_OF_ONE_CALL: usize = 1_000;

/// What one call shows: the keys of all its records, and the records that are to be stored.
struct Shown {
    keys: Vec<Key>,
    rows: Vec<Row>,
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
    shown: HashSet<Key>,
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
            Ok(mut family) => {
                let looked = family.looked.take();
                self.read_family(object, family).await.map(|()| looked)
            }
            Err(error) => Err(error.into()),
        };
        if let Ok(looked) = &end {
            let mut desk = self.desk();
            desk.notes.heads.remove(object.name);
            let progress = desk.notes.progress(object.name);
            // A row that was no record may be any parent's: then nothing is known of when they were looked at.
            let looked = looked.clone().filter(|_| progress.bad == 0);
            progress.looked = looked.and_then(|looked| looked.owing(std::mem::take(&mut progress.owed)));
        }
        self.arrive(object, end.map(drop))
    }

    async fn read_family(&self, object: &'static Object, family: Family) -> Result<(), Trouble> {
        let Family { ask, held, gone, widowed, carried, looked: _ } = family;
        let mut met = HashSet::new();
        let after = {
            let mut desk = self.desk();
            for key in gone.iter().filter(|_| self.sees(object)) {
                lose(&mut desk, object, key)?;
            }
            let progress = desk.notes.progress(object.name);
            progress.carried = carried;
            if progress.after.is_none() {
                progress.missing = widowed.iter().map(Key::to_string).collect();
            }
            progress.after.as_deref().map(Key::parse)
        };
        let ask: Vec<Key> = ask.into_iter().filter(|key| after.as_ref().is_none_or(|after| key > after)).collect();
        let held = &held;
        let read = |parents| async move { (parents, self.shown(object, parents, held).await) };
        let together = parents_a_call(object);
        // The first alone: what is not offered is known after one question.
        let (first, others) = ask.split_at(together.min(ask.len()));
        let first = stream::iter(first.chunks(together).map(read)).buffered(1);
        let mut lists = first.chain(stream::iter(others.chunks(together).map(read)).buffered(AT_ONCE));
        let (mut batch, mut roaming) = (Batch::default(), Roaming::default());
        while let Some((parents, shown)) = lists.next().await {
            match shown {
                Ok(Shown { keys, rows }) => {
                    met.extend(keys.iter().filter(|_| object.is_shared()).cloned());
                    batch.shown.extend(keys);
                    batch.rows.extend(rows);
                    batch.parents.extend_from_slice(parents);
                }
                Err(Trouble::Stop(stop)) => {
                    self.settle(object, std::mem::take(&mut batch), held, &mut roaming)?;
                    return Err(Trouble::Stop(stop));
                }
                // It says that this parent has none.
                Err(Trouble::Gone) if object.is_removed() => batch.parents.extend_from_slice(parents),
                Err(Trouble::Gone) => self.unread(object, parents, "the parent is gone")?,
                Err(Trouble::Object(failure)) => self.unread_or_futile(object, parents, failure)?,
            }
            if batch.rows.len() >= ROWS_TOGETHER || batch.parents.len() >= ROWS_TOGETHER {
                self.settle(object, std::mem::take(&mut batch), held, &mut roaming)?;
            }
        }
        self.settle(object, batch, held, &mut roaming)?;
        self.let_go(object, roaming)?;
        self.seek(object, &met).await
    }

    /// Asks for the records of two parents that one of them did not show, one by one.
    async fn seek(&self, object: &'static Object, met: &HashSet<Key>) -> Result<(), Trouble> {
        let missing: BTreeSet<String> = self.desk().notes.progress(object.name).missing.iter().cloned().collect();
        for key in missing.iter().map(|text| Key::parse(text)).filter(|key| !met.contains(key)) {
            match self.judged(self.account.one(object, &key).await) {
                Ok(Some(row)) => {
                    let read = self.read_rows(object, None, &[row]);
                    self.store(object, read)?;
                }
                Ok(None) | Err(Trouble::Gone) if self.sees(object) => {
                    lose(&mut self.desk(), object, &key)?;
                }
                Ok(None) | Err(Trouble::Gone) => {}
                Err(Trouble::Stop(stop)) => return Err(Trouble::Stop(stop)),
                Err(Trouble::Object(failure)) => {
                    let mut desk = self.desk();
                    let progress = desk.notes.progress(object.name);
                    progress.unread += 1;
                    progress.gap(format!("{key}: {}", failure.reason()));
                }
            }
        }
        self.desk().notes.progress(object.name).missing.clear();
        Ok(())
    }

    /// What no parent showed is gone, if what was shown can be believed.
    fn let_go(&self, object: &'static Object, roaming: Roaming) -> Result<(), Trouble> {
        let mut desk = self.desk();
        let progress = desk.notes.progress(object.name);
        if object.is_removed() && roaming.shown.is_empty() && !roaming.missing.is_empty() {
            // Deleted one and all, or no longer answered for: the words of a refusal do not tell.
            progress.unread += roaming.missing.len() as u64;
            progress.gap("none is shown any more, which may mean that they are no longer offered".to_owned());
            return Ok(());
        }
        let sure = self.sees(object) && progress.bad == 0;
        for key in roaming.missing.into_iter().filter(|key| sure && !roaming.shown.contains(key)) {
            lose(&mut desk, object, &key)?;
        }
        Ok(())
    }

    /// Stores what came for a number of parents; what they held before and do not show any more is gone.
    fn settle(&self, object: &'static Object, batch: Batch, held: &Held, roaming: &mut Roaming) -> Result<(), Trouble> {
        let Batch { shown, rows, parents } = batch;
        let Some(last) = parents.last().cloned() else { return Ok(()) };
        let count = rows.len();
        self.store(object, rows)?;
        {
            let mut desk = self.desk();
            // A row that was no record may be any of those that seem to be missing.
            // History is never taken back: what was read of it once stays.
            let lasts = object.key == KeyIn::ParentAndDigest;
            let sure = self.sees(object) && !lasts && desk.notes.progress(object.name).bad == 0;
            for key in parents.iter().filter(|_| sure).flat_map(|parent| held.under(parent)) {
                if shown.contains(&key) {
                    continue;
                } else if object.is_shared() {
                    desk.notes.progress(object.name).missing.push(key.to_string());
                } else if object.parent_field().is_some() {
                    roaming.missing.push(key);
                } else {
                    lose(&mut desk, object, &key)?;
                }
            }
            if object.parent_field().is_some() {
                roaming.shown.extend(shown);
            }
            desk.notes.progress(object.name).after = Some(last.to_string());
        }
        self.turn_page(object, None, count)
    }

    /// The records of one call's list, with what only a request for each of them brings.
    async fn shown(&self, object: &'static Object, parents: &[Key], held: &Held) -> Result<Shown, Trouble> {
        let rows = self.judged_rows(object, parents, held).await?;
        let parent = parents.first().filter(|_| matches!(object.listing, Listing::Under { .. }));
        let rows = self.read_rows(object, parent, &rows);
        let keys = rows.iter().map(|row| row.record.id().key.clone()).collect();
        let rows = if object.extended.is_empty() { rows } else { self.extend(object, rows).await? };
        Ok(Shown { keys, rows })
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
        progress.owed.extend(parents.iter().map(Key::to_string));
        let under = match parents {
            [only] => format!("{only}"),
            [first, .., last] => format!("{} parents from {first} to {last}", parents.len()),
            [] => return Ok(()),
        };
        progress.gap(format!("under {under}: {reason}"));
        Ok(())
    }
}

/// Marks a record as gone, and the contents it stands for.
fn lose(desk: &mut Desk<'_>, object: &Object, key: &Key) -> Result<(), Error> {
    let contents = object.contents.map(|contents| contents.object);
    for name in std::iter::once(object.name).chain(contents) {
        desk.gone(&RecordId::new(ObjectName::known(name), key.clone()))?;
    }
    Ok(())
}
