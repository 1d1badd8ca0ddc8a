//! What is remembered of records that the key in use may not read.
//!
//! A capture compares with the snapshot below by position and digest, which the index
//! has. Of a few objects it must also know some fields: the parent under which a child
//! was listed, the version of a file's contents. A machine whose key only puts cannot
//! read them back, so the index keeps them as they pass by.

use std::collections::VecDeque;

use serde_json::{Map, Value};

use super::error::Error;
use super::snapshot::Snapshot;
use super::{Inner, Role};
use crate::catalogue::ObjectName;
use crate::record::{Key, Record};

/// The fields of an object's records that a capture has to know later; none of most.
pub type Outlined = fn(&ObjectName) -> Vec<&'static str>;
/// Rows of the index held at a time.
const WINDOW: usize = 4096;

/// A record as far as it is remembered.
#[derive(Clone, PartialEq, Debug)]
pub struct Outline {
    /// Its key.
    pub key: Key,
    /// All fields where the key in use reads records, else those that were to be remembered.
    pub fields: Map<String, Value>,
}

/// What to remember of a record; `None` when it has nothing of it.
pub(super) fn of(record: &Record, fields: &[&str]) -> String {
    let mut all = record.fields();
    let kept = fields.iter().filter_map(|name| Some(((*name).to_owned(), all.remove(*name)?)));
    Value::Object(kept.collect()).to_string()
}

impl Snapshot<'_> {
    /// The records of an object in key order, as far as the key in use reads or the index remembers them.
    pub fn outlines(
        &self,
        object: &ObjectName,
    ) -> Result<Box<dyn Iterator<Item = Result<Outline, Error>> + '_>, Error> {
        if self.inner().reads_data() {
            let records = self.records(object)?;
            let outline = |record: Record| Outline { key: record.id().key.clone(), fields: record.fields() };
            return Ok(Box::new(records.map(move |record| record.map(outline))));
        }
        let Some(contents) = self.contents(object) else { return Ok(Box::new(std::iter::empty())) };
        if self.remembered(object)? != contents.records {
            return Err(self.inner().secrets.needs("read records", Role::Restore));
        }
        let remembered = Remembered {
            snapshot: self,
            object: object.clone(),
            after: Vec::new(),
            window: VecDeque::new(),
            ended: false,
        };
        Ok(Box::new(remembered))
    }

    /// Whether all that a capture has to know of this snapshot can be read or is remembered.
    pub(super) fn is_remembered(&self, outlined: Outlined) -> Result<bool, Error> {
        if self.inner().reads_data() {
            return Ok(true);
        }
        for contents in &self.manifest().contents {
            if !outlined(&contents.object).is_empty() && self.remembered(&contents.object)? != contents.records {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Of how many records of an object something is remembered.
    fn remembered(&self, object: &ObjectName) -> Result<u64, Error> {
        let map = self.map()?;
        let index = self.inner().index();
        let Some(number) = index.known_object(object.as_str())? else { return Ok(0) };
        index.count_outlines(number, &mut |segment, line| map.contains(segment, line))
    }
}

struct Remembered<'s, 'a> {
    snapshot: &'s Snapshot<'a>,
    object: ObjectName,
    after: Vec<u8>,
    window: VecDeque<Outline>,
    ended: bool,
}

impl Remembered<'_, '_> {
    fn refill(&mut self) -> Result<(), Error> {
        let map = self.snapshot.map()?;
        let inner: &Inner = self.snapshot.inner();
        let index = inner.index();
        let number = index.known_object(self.object.as_str())?;
        let rows = match number {
            Some(number) => {
                index.outlines(number, &self.after, WINDOW, &mut |segment, line| map.contains(segment, line))?
            }
            None => Vec::new(),
        };
        self.ended = rows.is_empty();
        for (key, facts) in rows {
            let garbled = || Error::IndexDamaged("an outline that is none".to_owned());
            let outline = Outline {
                key: Key::from_bytes(&key).ok_or_else(garbled)?,
                fields: serde_json::from_str(&facts).map_err(|_| garbled())?,
            };
            self.after = key;
            self.window.push_back(outline);
        }
        Ok(())
    }
}

impl Iterator for Remembered<'_, '_> {
    type Item = Result<Outline, Error>;

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
