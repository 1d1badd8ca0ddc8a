//! A finished snapshot, open for reading.
//!
//! Records come in key order, a window at a time. Whoever reads an object to
//! its end has also verified it: count and content root must be those of the
//! manifest, so that nothing can be missing without being noticed.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use super::error::Error;
use super::index::Row;
use super::manifest::Manifest;
use super::map::Map;
use super::merkle::Merkle;
use super::{Archive, Contents, Inner};
use crate::catalogue::ObjectName;
use crate::record::{Key, Record, RecordId};

/// Raw bytes of records held at a time.
const WINDOW_BYTES: u64 = 4 << 20;
/// Rows of the index held at a time.
const WINDOW_ROWS: u64 = 4096;

/// One finished snapshot, open for reading.
pub struct Snapshot<'a> {
    archive: &'a Archive,
    manifest: Manifest,
    map: Mutex<Option<(u64, Arc<Map>)>>,
    lenient: bool,
}

/// A record version that is in one of two snapshots and not in the other.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Difference {
    /// What the earlier snapshot has.
    pub before: Option<Record>,
    /// What the later snapshot has.
    pub after: Option<Record>,
}

impl<'a> Snapshot<'a> {
    pub(super) fn new(archive: &'a Archive, manifest: Manifest) -> Snapshot<'a> {
        Snapshot { archive, manifest, map: Mutex::new(None), lenient: false }
    }

    /// Passes over records that cannot be read any more, for whoever is about to read them from the account again.
    pub fn leniently(self) -> Snapshot<'a> {
        Snapshot { lenient: true, ..self }
    }

    /// What the snapshot says of itself.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// What it says of one object.
    pub fn contents(&self, object: &ObjectName) -> Option<&Contents> {
        self.manifest.contents.iter().find(|contents| contents.object == *object)
    }

    pub(super) fn inner(&self) -> &'a Inner {
        &self.archive.inner
    }

    /// The position map; read again when the index was made anew, since its numbers are the index's.
    pub(super) fn map(&self) -> Result<Arc<Map>, Error> {
        let mut map = self.map.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let generation = self.inner().generation();
        if let Some((_, map)) = map.as_ref().filter(|(made, _)| *made == generation) {
            return Ok(Arc::clone(map));
        }
        self.inner().glance(&self.manifest.id)?;
        let fresh = Arc::new(self.inner().map(&self.manifest.id)?);
        // Reading the map may itself have made the index anew.
        *map = Some((self.inner().generation(), Arc::clone(&fresh)));
        Ok(fresh)
    }

    /// Has the index know of the lines that a record of the snapshot may stand in.
    fn bring_in(&self, id: &RecordId, map: &Map) -> Result<(), Error> {
        self.inner().bring_in(&id.object, &|segment, block| {
            let (first, last) = (Key::parse(&block.facts.first), Key::parse(&block.facts.last));
            first <= id.key && id.key <= last && block.has_any(map.lines(segment))
        })
    }

    /// The positions of one object.
    pub(super) fn map_of(&self, object: &ObjectName) -> Result<Map, Error> {
        let map = self.map()?;
        let extent = self.inner().index().extent(object.as_str())?;
        Ok(map.and(&extent))
    }

    /// All records of an object in key order; flat in memory, and verified against the manifest at the end.
    pub fn records(&self, object: &ObjectName) -> Result<Box<dyn Iterator<Item = Result<Record, Error>> + '_>, Error> {
        let Some(contents) = self.contents(object) else { return Ok(Box::new(std::iter::empty())) };
        Ok(Box::new(Records {
            snapshot: self,
            contents,
            rows: Rows::new(self.inner(), object),
            window: VecDeque::new(),
            merkle: Some(Merkle::default()),
            count: 0,
        }))
    }

    /// Keys only, in key order, without reading any record.
    pub fn keys(&self, object: &ObjectName) -> Result<Box<dyn Iterator<Item = Result<Key, Error>> + '_>, Error> {
        let Some(contents) = self.contents(object) else { return Ok(Box::new(std::iter::empty())) };
        Ok(Box::new(Keys {
            snapshot: self,
            contents,
            rows: Rows::new(self.inner(), object),
            window: VecDeque::new(),
            count: 0,
            ended: false,
        }))
    }

    /// One record.
    pub fn find(&self, id: &RecordId) -> Result<Option<Record>, Error> {
        self.inner().healing(|inner| {
            let map = self.map()?;
            self.bring_in(id, &map)?;
            let row = {
                let index = inner.index();
                let Some(object) = index.known_object(id.object.as_str())? else { return Ok(None) };
                index.versions(object, &id.key.to_bytes())?.into_iter().find(|row| map.contains(row.segment, row.line))
            };
            let Some(row) = row else { return Ok(None) };
            if self.lenient && !inner.mending()?.trusts(row.segment, row.line) {
                return Ok(None);
            }
            let record = inner.records_at(&id.object, std::slice::from_ref(&row))?.pop();
            match record {
                Some(record) if record.digest(&inner.secrets.digest) == row.digest => Ok(Some(record)),
                _ => Err(inner.damaged_segment(
                    row.segment,
                    format!("line {} is not the version that the index expects", row.line),
                )),
            }
        })
    }

    /// Whether it has just this version of a record; nothing is read for it.
    pub fn holds(&self, record: &Record) -> Result<bool, Error> {
        self.inner().healing(|inner| {
            let map = self.map()?;
            self.bring_in(record.id(), &map)?;
            let index = inner.index();
            let Some(object) = index.known_object(record.id().object.as_str())? else { return Ok(false) };
            let digest = record.digest(&inner.secrets.digest);
            let versions = index.versions(object, &record.id().key.to_bytes())?;
            Ok(versions.iter().any(|row| row.digest == digest && map.contains(row.segment, row.line)))
        })
    }

    /// Record versions that are in one of the two and not in the other, by position: nothing equal is read.
    /// In key order; `before` or `after` is `None` when the record is only in one.
    pub fn differences<'b>(
        &'b self,
        after: &'b Snapshot<'a>,
        object: &ObjectName,
    ) -> Result<Box<dyn Iterator<Item = Result<Difference, Error>> + 'b>, Error> {
        Ok(Box::new(Differences {
            before: self,
            after,
            rows: Rows::new(self.inner(), object),
            window: VecDeque::new(),
            ended: false,
        }))
    }
}

/// A walk over the rows of an object, a window at a time.
struct Rows<'s> {
    inner: &'s Inner,
    object: ObjectName,
    after: Vec<u8>,
}

impl<'s> Rows<'s> {
    fn new(inner: &'s Inner, object: &ObjectName) -> Rows<'s> {
        Rows { inner, object: object.clone(), after: Vec::new() }
    }

    /// The next rows that are wanted; none at the end.
    fn next(&mut self, wanted: &mut dyn FnMut(u32, u32) -> bool) -> Result<Vec<Row>, Error> {
        let index = self.inner.index();
        let Some(object) = index.known_object(self.object.as_str())? else { return Ok(Vec::new()) };
        let line_bytes = index.line_bytes(self.object.as_str())?.max(1);
        let enough = (WINDOW_BYTES / line_bytes).clamp(8, WINDOW_ROWS) as usize;
        let rows = index.scan(object, &self.after, enough, wanted)?;
        Ok(rows)
    }

    fn passed(&mut self, rows: &[Row]) {
        if let Some(last) = rows.last() {
            self.after.clone_from(&last.key);
        }
    }
}

struct Records<'s> {
    snapshot: &'s Snapshot<'s>,
    contents: &'s Contents,
    rows: Rows<'s>,
    window: VecDeque<Record>,
    /// Gone once the end was reached and told.
    merkle: Option<Merkle>,
    count: u64,
}

impl Records<'_> {
    fn refill(&mut self) -> Result<(), Error> {
        let (snapshot, rows) = (self.snapshot, &mut self.rows);
        let records = snapshot.inner().healing(|inner| {
            let map = snapshot.map()?;
            inner.bring_in(&rows.object, &|segment, block| block.has_any(map.lines(segment)))?;
            let mending = if snapshot.lenient { inner.mending()? } else { Arc::default() };
            let wanted = |segment, line| map.contains(segment, line) && mending.trusts(segment, line);
            let window = rows.next(&mut { wanted })?;
            let records = inner.records_at(&rows.object, &window)?;
            rows.passed(&window);
            Ok(records)
        })?;
        if let Some(merkle) = &mut self.merkle {
            let versions = records.iter().map(|record| (record.id().key.to_bytes(), record.text()));
            let digests = snapshot.inner().secrets.digest.digests(&rows.object, versions);
            digests.iter().for_each(|digest| merkle.push(digest));
        }
        self.count += records.len() as u64;
        self.window = records.into();
        Ok(())
    }

    fn verify(&mut self) -> Result<(), Error> {
        let Some(merkle) = self.merkle.take().filter(|_| !self.snapshot.lenient) else { return Ok(()) };
        expect_count(self.snapshot, self.contents, self.count)?;
        if merkle.root() != self.contents.root {
            return Err(incomplete(
                self.snapshot,
                self.contents,
                "the records read have another root than the manifest".to_owned(),
            ));
        }
        Ok(())
    }
}

impl Iterator for Records<'_> {
    type Item = Result<Record, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.window.is_empty() && self.merkle.is_some() {
            if let Err(error) = self.refill() {
                self.merkle = None;
                return Some(Err(error));
            }
            if self.window.is_empty() {
                return self.verify().err().map(Err);
            }
        }
        self.window.pop_front().map(Ok)
    }
}

struct Keys<'s> {
    snapshot: &'s Snapshot<'s>,
    contents: &'s Contents,
    rows: Rows<'s>,
    window: VecDeque<Key>,
    count: u64,
    ended: bool,
}

impl Keys<'_> {
    fn refill(&mut self) -> Result<(), Error> {
        let (snapshot, rows) = (self.snapshot, &mut self.rows);
        let window = snapshot.inner().healing(|inner| {
            let map = snapshot.map()?;
            inner.bring_in(&rows.object, &|segment, block| block.has_any(map.lines(segment)))?;
            let window = rows.next(&mut |segment, line| map.contains(segment, line))?;
            rows.passed(&window);
            Ok(window)
        })?;
        self.count += window.len() as u64;
        let keys = window
            .iter()
            .map(|row| Key::from_bytes(&row.key).ok_or_else(|| Error::IndexDamaged("a key that is none".to_owned())));
        self.window = keys.collect::<Result<_, _>>()?;
        self.ended = self.window.is_empty();
        if self.ended && !snapshot.lenient { expect_count(snapshot, self.contents, self.count) } else { Ok(()) }
    }
}

impl Iterator for Keys<'_> {
    type Item = Result<Key, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.window.is_empty()
            && !self.ended
            && let Err(error) = self.refill()
        {
            self.ended = true;
            return Some(Err(error));
        }
        self.window.pop_front().map(Ok)
    }
}

fn expect_count(snapshot: &Snapshot<'_>, contents: &Contents, found: u64) -> Result<(), Error> {
    if found == contents.records {
        return Ok(());
    }
    Err(incomplete(snapshot, contents, format!("{} records counted in the manifest, {found} found", contents.records)))
}

fn incomplete(snapshot: &Snapshot<'_>, contents: &Contents, fact: String) -> Error {
    Error::Incomplete { object: contents.object.clone(), snapshot: snapshot.manifest.id.short().to_owned(), fact }
}

struct Differences<'s, 'a> {
    before: &'s Snapshot<'a>,
    after: &'s Snapshot<'a>,
    rows: Rows<'s>,
    window: VecDeque<Difference>,
    ended: bool,
}

impl Differences<'_, '_> {
    fn refill(&mut self) -> Result<(), Error> {
        let (before, after, rows) = (self.before, self.after, &mut self.rows);
        let window = before.inner().healing(|inner| {
            let (old, new) = (before.map()?, after.map()?);
            inner.bring_in(&rows.object, &|segment, block| match (old.lines(segment), new.lines(segment)) {
                (Some(old), Some(new)) => block.has_any(Some(&(old ^ new))),
                (only, or) => block.has_any(only.or(or)),
            })?;
            let window = rows.next(&mut |segment, line| old.contains(segment, line) != new.contains(segment, line))?;
            let records = inner.records_at(&rows.object, &window)?;
            rows.passed(&window);
            let pairs = pair(&window, records, |row| old.contains(row.segment, row.line));
            Ok((!window.is_empty()).then_some(pairs))
        })?;
        self.ended = window.is_none();
        self.window = window.unwrap_or_default();
        // The same version in two places, of which one is packed anew, is no difference.
        self.window.retain(|difference| difference.before != difference.after);
        Ok(())
    }
}

/// Puts the versions of each key side by side.
fn pair(rows: &[Row], records: Vec<Record>, is_old: impl Fn(&Row) -> bool) -> VecDeque<Difference> {
    let mut window: VecDeque<Difference> = VecDeque::new();
    for (at, (row, record)) in rows.iter().zip(records).enumerate() {
        if at == 0 || rows[at - 1].key != row.key {
            window.push_back(Difference { before: None, after: None });
        }
        let difference = window.back_mut().expect("one was pushed for the first row of each key");
        if is_old(row) {
            difference.before = Some(record);
        } else {
            difference.after = Some(record);
        }
    }
    window
}

impl Iterator for Differences<'_, '_> {
    type Item = Result<Difference, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.window.is_empty() && !self.ended {
            let Err(error) = self.refill() else { continue };
            self.ended = true;
            return Some(Err(error));
        }
        self.window.pop_front().map(Ok)
    }
}
