//! Flat lists: page after page into records, with what their rows say of children and contents.

use serde_json::value::RawValue;

use super::contents;
use super::notes::{Download, Failure, Phase};
use super::run::{Run, Stop, Trouble, follows_twin};
use super::shape;
use super::trail::Trail;
use super::way::{self, Way};
use crate::account::{Ask, Page};
use crate::archive::Took;
use crate::catalogue::{self, Deletions, Listing, Object, ObjectName, Paging};
use crate::record::{Key, Malformed, Record, RecordId, peek};
use chrono::{DateTime, Utc};

/// What the rows of a list are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rows {
    /// Records.
    Records,
    /// Records that were deleted.
    Deleted,
}

/// A row as it is stored, and what it says beyond its record.
pub(super) struct Row {
    pub(super) record: Record,
    /// The counters of what hangs on it, in the order of [`Watch::children`].
    counts: Vec<Option<u32>>,
    contents: Option<Download>,
}

impl Row {
    /// The same row with another form of its record.
    pub(super) fn with(self, record: Record) -> Row {
        Row { record, ..self }
    }
}

/// What is looked up in the rows of an object besides its records.
struct Watch {
    /// The objects that are listed under its records, and the counter of each.
    children: Vec<(&'static str, Option<&'static str>)>,
    fields: Vec<&'static str>,
    has_contents: bool,
}

impl Run<'_> {
    /// Reads a flat list from where it was left to its end.
    pub(super) async fn read_list(&self, object: &'static Object) -> Result<(), Stop> {
        if !self.set_out(object) {
            return Ok(());
        }
        let end = self.walk(object).await;
        self.arrive(object, end)
    }

    async fn walk(&self, object: &'static Object) -> Result<(), Trouble> {
        let (way, phase) = {
            let mut desk = self.desk();
            let progress = desk.notes.progress(object.name);
            (progress.way.unwrap_or(Way::Walk), progress.phase)
        };
        let since = match way {
            Way::Walk => None,
            Way::Since(since) => Some(since),
        };
        if phase == Phase::Rows {
            self.read_pages(object, since, Rows::Records).await?;
        }
        if since.is_some() && matches!(object.deletions, Deletions::Listed(..)) {
            self.desk().notes.progress(object.name).phase = Phase::Deleted;
            self.read_pages(object, since, Rows::Deleted).await?;
        }
        Ok(())
    }

    /// Reads again what changed since a time, after the list was read.
    pub(super) async fn reread_since(
        &self,
        object: &'static Object,
        since: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Result<(), Stop> {
        match self.read_pages(object, Some(since), Rows::Records).await {
            Ok(()) => {
                self.desk().notes.progress(object.name).started = Some(now);
                Ok(())
            }
            Err(Trouble::Stop(stop)) => Err(stop),
            // The list itself is complete; its watermark stays, so that the next increment asks again.
            Err(Trouble::Gone | Trouble::Object(_)) => Ok(()),
        }
    }

    async fn read_pages(
        &self,
        object: &'static Object,
        since: Option<DateTime<Utc>>,
        rows: Rows,
    ) -> Result<(), Trouble> {
        let extra = match (rows, object.deletions) {
            (Rows::Deleted, Deletions::Listed(name, value)) => vec![(name, value.to_owned())],
            _ => Vec::new(),
        };
        let left = self.desk().notes.progress(object.name).position.clone();
        let mut trail = Trail::from(left.as_ref(), limit(object));
        while let Some(position) = trail.position().cloned() {
            let ask = Ask { object, parents: &[], since, extra: &extra, position };
            let Page { rows: found, next } = self.judged(self.account.page(&ask).await)?;
            let (keys, fresh) = match rows {
                Rows::Records => self.absorb(object, &found).await?,
                Rows::Deleted => self.forget(object, &found)?,
            };
            trail.learn(keys, fresh, next).map_err(|reason| Trouble::Object(Failure::Part(reason.into())))?;
            self.turn_page(object, trail.position().cloned(), found.len())?;
        }
        Ok(())
    }

    /// Notes that a page is done.
    pub(super) fn turn_page(
        &self,
        object: &'static Object,
        next: Option<crate::account::Position>,
        rows: usize,
    ) -> Result<(), Trouble> {
        let mut desk = self.desk();
        let progress = desk.notes.progress(object.name);
        progress.position = next;
        progress.pages += 1;
        drop(desk);
        self.save_if_due()?;
        self.monitor.advanced(&ObjectName::known(object.name), rows as u64, u64::from(object.price));
        Ok(())
    }

    /// Stores the rows of one page; answers their keys and how many of them this capture had not met.
    async fn absorb(&self, object: &'static Object, rows: &[Box<RawValue>]) -> Result<(Vec<Key>, usize), Trouble> {
        let read = self.read_rows(object, None, rows);
        let keys = read.iter().map(|row| row.record.id().key.clone()).collect();
        let read = if object.extended.is_empty() { read } else { self.extend(object, read).await? };
        let took = self.store(object, read)?;
        Ok((keys, took.iter().filter(|took| **took != Took::Again).count()))
    }

    /// Reads rows as records; what is none becomes a gap.
    pub(super) fn read_rows(&self, object: &'static Object, parent: Option<&Key>, rows: &[Box<RawValue>]) -> Vec<Row> {
        let watch = self.watch(object);
        let mut read = Vec::with_capacity(rows.len());
        for (at, row) in rows.iter().enumerate() {
            match Record::read(object, parent, row) {
                Ok(record) => read.push(self.noticed(object, &watch, record, row)),
                Err(malformed) => self.bad_row(object, parent, at, &malformed),
            }
        }
        read
    }

    fn noticed(&self, object: &Object, watch: &Watch, record: Record, row: &RawValue) -> Row {
        let record = match object.custom.filter(|_| !self.wanted.custom_fields) {
            Some(custom) => shape::without_custom(&record, custom),
            None => record,
        };
        if watch.fields.is_empty() && watch.children.is_empty() {
            return Row { record, counts: Vec::new(), contents: None };
        }
        let found = if watch.fields.is_empty() { Vec::new() } else { peek(row.get(), &watch.fields) };
        let count = |counter: Option<&str>| {
            let at = watch.fields.iter().position(|field| Some(*field) == counter)?;
            number(found[at])
        };
        let counts = watch.children.iter().map(|(_, counter)| count(*counter)).collect();
        let contents = watch.has_contents.then(|| contents::download(&record.id().key, &watch.fields, &found));
        Row { record, counts, contents }
    }

    /// Stores rows and notes what they say of their children, their contents and their twins.
    pub(super) fn store(&self, object: &'static Object, rows: Vec<Row>) -> Result<Vec<Took>, Trouble> {
        let watch = self.watch(object);
        let (mut records, mut rest) = (Vec::with_capacity(rows.len()), Vec::with_capacity(rows.len()));
        for Row { record, counts, contents } in rows {
            records.push(record);
            rest.push((counts, contents));
        }
        let mut desk = self.desk();
        let took = desk.take(object.name, &records)?;
        for ((record, took), (counts, contents)) in records.iter().zip(&took).zip(rest) {
            let key = &record.id().key;
            // What is met again was new, or has changed since it was first met.
            let touched = *took != Took::Same;
            for ((child, _), count) in watch.children.iter().zip(counts) {
                let heads = desk.notes.heads.entry((*child).to_owned()).or_default();
                heads.entry(object.name.to_owned()).or_default().note(key, count, touched);
            }
            if let Some(twin) = object.twin.filter(|_| *took == Took::New && self.may_be_held_twice(object)) {
                // It came from the other list: a record is in one of the two.
                desk.gone(&RecordId::new(ObjectName::known(twin), key.clone()))?;
            }
            if let Some(contents) = contents.filter(|_| *took != Took::Again) {
                desk.notes.downloads.entry(object.name.to_owned()).or_default().push_back(contents);
            }
        }
        Ok(took)
    }

    /// True when a record that is new in this list may still stand in the twin.
    fn may_be_held_twice(&self, object: &Object) -> bool {
        self.base.is_some() || follows_twin(object)
    }

    /// Marks the rows of a list of deleted records as gone.
    fn forget(&self, object: &'static Object, rows: &[Box<RawValue>]) -> Result<(Vec<Key>, usize), Trouble> {
        let mut keys = Vec::with_capacity(rows.len());
        for (at, row) in rows.iter().enumerate() {
            match Record::read(object, None, row) {
                Ok(record) => keys.push(record.id().key.clone()),
                Err(malformed) => self.bad_row(object, None, at, &malformed),
            }
        }
        let mut desk = self.desk();
        for key in &keys {
            if self.same_eyes {
                desk.gone(&RecordId::new(ObjectName::known(object.name), key.clone()))?;
            }
            for (child, _) in self.watch(object).children {
                let heads = desk.notes.heads.entry(child.to_owned()).or_default();
                heads.entry(object.name.to_owned()).or_default().note(key, Some(0), true);
            }
        }
        let fresh = keys.len();
        Ok((keys, fresh))
    }

    /// A row that is no record is told by its place, never by what it holds.
    fn bad_row(&self, object: &'static Object, parent: Option<&Key>, at: usize, malformed: &Malformed) {
        let what = match malformed {
            Malformed::NotAnObject(_) => "is not a JSON object".to_owned(),
            Malformed::NoKey(field) => format!("has no {field}"),
            Malformed::OddKey { field, found } => format!("has a {field} that is no id: {found}"),
        };
        let mut desk = self.desk();
        let progress = desk.notes.progress(object.name);
        progress.bad += 1;
        let page = match parent {
            Some(parent) => format!("under {parent}"),
            None => format!("of page {}", progress.pages + 1),
        };
        progress.gap(format!("row {} {page} {what}", at + 1));
    }

    fn watch(&self, object: &Object) -> Watch {
        let children =
            || catalogue::ALL.iter().filter(|child| child.parents().contains(&object.name) && self.wants(child));
        let children: Vec<_> = children().map(|child| (child.name, counter(child))).collect();
        let has_contents = object.contents.is_some() && self.wanted.contents;
        let mut fields: Vec<_> = children.iter().filter_map(|(_, counter)| *counter).collect();
        fields.sort_unstable();
        fields.dedup();
        fields.extend(contents::STAMP.iter().filter(|_| has_contents));
        Watch { children, fields, has_contents }
    }
}

/// A counter's value; `None` when the field is missing or holds no count.
fn number(value: Option<&RawValue>) -> Option<u32> {
    serde_json::from_str(value?.get()).ok()
}

fn counter(object: &Object) -> Option<&'static str> {
    match object.listing {
        Listing::Under { counter, .. } | Listing::Bulk { counter, .. } => counter,
        Listing::Flat(_) | Listing::Derived { .. } => None,
    }
}

fn limit(object: &Object) -> u64 {
    match way::paging(object) {
        Paging::Whole | Paging::One => 0,
        Paging::Cursor { limit } | Paging::Offset { limit } => u64::from(limit),
    }
}
