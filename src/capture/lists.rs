//! Flat lists: page after page into records, with what their rows say of children and contents.

use serde_json::value::RawValue;

use super::contents;
use super::newest::Part;
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
pub(super) enum Rows {
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

/// What a page of records was.
pub(super) struct Listed {
    pub(super) keys: Vec<Key>,
    /// Those of them that are as the snapshot below has them and were not met before.
    pub(super) same: Vec<Key>,
    /// How many of them this capture had not met.
    pub(super) fresh: usize,
    pub(super) next: Option<crate::account::Position>,
}

/// What is looked up in the rows of an object besides its records.
struct Watch {
    /// The objects that are listed under its records.
    children: Vec<&'static Object>,
    fields: Vec<&'static str>,
    has_contents: bool,
}

impl Run<'_> {
    /// Reads a flat list from where it was left to its end.
    pub(super) async fn read_list(&self, object: &'static Object) -> Result<(), Stop> {
        if !self.set_out(object) {
            return Ok(());
        }
        let end = match self.walk(object).await {
            Ok(()) => self.keep_foreign(object),
            trouble => trouble,
        };
        self.arrive(object, end)
    }

    async fn walk(&self, object: &'static Object) -> Result<(), Trouble> {
        let (way, phase) = {
            let mut desk = self.desk();
            let progress = desk.notes.progress(object.name);
            (progress.way.unwrap_or(Way::Walk), progress.phase)
        };
        let since = match way {
            Way::Walk | Way::Top => None,
            Way::Since(since) => Some(since),
        };
        if phase == Phase::Rows {
            match object.parts {
                Some(_) => self.read_newest(object, way).await?,
                None => self.read_questions(object, since).await?,
            }
        }
        if since.is_some() && matches!(object.deletions, Deletions::Listed(..)) {
            self.desk().notes.progress(object.name).phase = Phase::Deleted;
            self.read_pages(object, since, Rows::Deleted, None).await?;
        }
        Ok(())
    }

    /// Reads a list to its end, once for each question it is asked.
    async fn read_questions(&self, object: &'static Object, since: Option<DateTime<Utc>>) -> Result<(), Trouble> {
        self.read_pages(object, since, Rows::Records, None).await?;
        while self.desk().notes.progress(object.name).question + 1 < object.questions.len() {
            self.desk().notes.progress(object.name).question += 1;
            self.read_pages(object, since, Rows::Records, None).await?;
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
        match self.read_pages(object, Some(since), Rows::Records, None).await {
            Ok(_) => {
                self.desk().notes.progress(object.name).started = Some(now);
                Ok(())
            }
            Err(Trouble::Stop(stop)) => Err(stop),
            // The list itself is complete; its watermark stays, so that the next increment asks again.
            Err(Trouble::Gone | Trouble::Object(_)) => Ok(()),
        }
    }

    /// Reads a list, or one part of it, from where it was left to its end; answers how many pages that took.
    pub(super) async fn read_pages(
        &self,
        object: &'static Object,
        since: Option<DateTime<Utc>>,
        rows: Rows,
        part: Part,
    ) -> Result<usize, Trouble> {
        let mut extra: Vec<(&str, String)> = match (rows, object.deletions) {
            (Rows::Deleted, Deletions::Listed(name, value)) => vec![(name, value.to_owned())],
            _ => part.iter().map(|(name, value)| (*name, (*value).to_owned())).collect(),
        };
        let question = object.questions.get(self.desk().notes.progress(object.name).question);
        let asked = question.into_iter().flat_map(|asked| asked.iter());
        extra.extend(asked.map(|(name, value)| (*name, (*value).to_owned())));
        let mut pages = 0;
        let left = self.desk().notes.progress(object.name).position.clone();
        let mut trail = Trail::from(left.as_ref(), limit(object));
        while let Some(position) = trail.position().cloned() {
            let ask = Ask { object, parents: &[], since, extra: &extra, position };
            let page = self.judged(self.account.page(&ask).await)?;
            if rows == Rows::Records {
                self.take_within(object, &page)?;
            }
            let Page { rows: found, next } = page;
            let (keys, fresh) = match rows {
                Rows::Records => {
                    let Listed { keys, fresh, .. } = self.absorb(object, &found).await?;
                    (keys, fresh)
                }
                Rows::Deleted => self.forget(object, &found)?,
            };
            trail.learn(keys, fresh, next).map_err(|reason| Trouble::Object(Failure::Part(reason.into())))?;
            self.turn_page(object, trail.position().cloned(), found.len())?;
            pages += 1;
        }
        Ok(pages)
    }

    /// Reads one page of a part of a list and stores what it shows.
    pub(super) async fn read_page(
        &self,
        object: &'static Object,
        part: Part,
        position: crate::account::Position,
    ) -> Result<Listed, Trouble> {
        let extra: Vec<(&str, String)> = part.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        let ask = Ask { extra: &extra, position, ..Ask::first(object) };
        let Page { rows, next } = self.judged(self.account.page(&ask).await)?;
        let listed = self.absorb(object, &rows).await?;
        self.turn_page(object, None, rows.len())?;
        Ok(Listed { next, ..listed })
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

    /// Stores the rows of one page.
    async fn absorb(&self, object: &'static Object, rows: &[Box<RawValue>]) -> Result<Listed, Trouble> {
        let read = self.read_rows(object, None, rows);
        let keys: Vec<Key> = read.iter().map(|row| row.record.id().key.clone()).collect();
        let read = if object.extended.is_empty() { read } else { self.extend(object, read).await? };
        let stored: Vec<Key> = read.iter().map(|row| row.record.id().key.clone()).collect();
        let took = self.store(object, read)?;
        let fresh = took.iter().filter(|took| **took != Took::Again).count();
        let same = stored.into_iter().zip(took).filter(|(_, took)| *took == Took::Same).map(|(key, _)| key);
        Ok(Listed { keys, same: same.collect(), fresh, next: None })
    }

    /// Stores the rows of other objects that stand inside these: they cost nothing more.
    fn take_within(&self, object: &'static Object, page: &Page) -> Result<(), Trouble> {
        let stands_here =
            |other: &&Object| matches!(other.listing, Listing::Within { from, .. } if from == object.name);
        for other in catalogue::ALL.iter().copied().filter(stands_here).filter(|other| self.wants(other)) {
            let rows = self.judged(self.account.within(other, page))?;
            let read = self.read_rows(other, None, &rows);
            self.store(other, read)?;
        }
        Ok(())
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
        let value = |name: &str| {
            let at = watch.fields.iter().position(|field| *field == name)?;
            found[at]
        };
        let count = |child: &Object| match (child.counter(), child.gate) {
            (Some(counter), _) => number(value(counter)),
            (None, Some(gate)) => value(gate).filter(|value| matches!(value.get(), "null" | "0")).map(|_| 0),
            (None, None) => None,
        };
        let counts = watch.children.iter().map(|child| count(child)).collect();
        let contents = object.contents.filter(|_| watch.has_contents);
        let contents = contents.map(|of| contents::download(of, &record.id().key, &watch.fields, &found));
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
            let touched = match took {
                Took::Same => false,
                // In one of several parts, the same row is met again in the next.
                Took::Again if object.parts.is_some() => !self.is_as_below(record)?,
                // What is met again was new, or has changed since it was first met.
                Took::New | Took::Changed | Took::Again => true,
            };
            for (child, count) in watch.children.iter().zip(counts) {
                let heads = desk.notes.heads.entry(child.name.to_owned()).or_default();
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

    /// Whether the snapshot below has just this version of a record.
    fn is_as_below(&self, record: &Record) -> Result<bool, Trouble> {
        let Some(base) = &self.base else { return Ok(false) };
        Ok(base.holds(record).map_err(super::Error::from)?)
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
            for child in self.watch(object).children {
                let heads = desk.notes.heads.entry(child.name.to_owned()).or_default();
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
            Malformed::Illegible(what) => format!("has {what}"),
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

    /// What rows of a list count of each object under them.
    pub(super) fn counts_in(
        &self,
        object: &'static Object,
        rows: &[Box<RawValue>],
    ) -> Vec<(&'static str, Vec<Option<u32>>)> {
        let read = self.read_rows(object, None, rows);
        let children = self.watch(object).children.into_iter().enumerate();
        children.map(|(at, child)| (child.name, read.iter().map(|row| row.counts[at]).collect())).collect()
    }

    fn watch(&self, object: &Object) -> Watch {
        let wanted = |child: &&&Object| child.parents().contains(&object.name) && self.wants(child);
        let children: Vec<&'static Object> = catalogue::ALL.iter().filter(wanted).copied().collect();
        let has_contents = object.contents.is_some() && self.wanted.contents;
        let mut fields: Vec<_> = children.iter().filter_map(|child| child.counter().or(child.gate)).collect();
        fields.sort_unstable();
        fields.dedup();
        fields.extend(object.contents.iter().filter(|_| has_contents).flat_map(contents::fields));
        Watch { children, fields, has_contents }
    }
}

/// A counter's value; `None` when the field is missing or holds no count.
fn number(value: Option<&RawValue>) -> Option<u32> {
    serde_json::from_str(value?.get()).ok()
}

fn limit(object: &Object) -> u64 {
    match way::paging(object) {
        Paging::Whole | Paging::One => 0,
        Paging::Cursor { limit } | Paging::Offset { limit } => u64::from(limit),
    }
}
