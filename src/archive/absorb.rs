//! How the index learns of a segment: from the segment itself, block by block.
//!
//! A block that cannot be read costs its own lines and no others. What they held is known where a
//! note of loss says it; the rest of them stay without rows, so that whoever counts finds them missing.

use std::collections::HashSet;

use super::error::Error;
use super::index::{Index, Row};
use super::losses::LossLine;
use super::reader::parse_line;
use super::segment::{BlockFacts, Directory, SegmentFile};
use super::{Inner, Role, segment};
use crate::catalogue::ObjectName;
use crate::record::{Digest, DigestKey, Key, Versions};

impl Inner {
    /// Enters a stored segment in the index.
    pub(super) fn absorb(&self, name: &str) -> Result<u32, Error> {
        self.absorb_as(name, None)
    }

    /// Enters a segment that came back under the number it had, which an unfinished capture may name.
    pub(super) fn absorb_again(&self, name: &str) -> Result<(), Error> {
        let known = self.index().segment(name)?;
        known.map_or(Ok(()), |number| self.absorb_as(name, Some(number)).map(drop))
    }

    /// Enters every stored segment that the index does not know, or not wholly; those that cannot be read are passed over.
    pub(super) fn absorb_the_rest(&self) -> Result<(), Error> {
        self.enter_all()?;
        let known: HashSet<String> = self.index().segments()?.into_iter().map(|(_, name)| name).collect();
        for (_, name) in self.store.list_spread(segment::SEGMENTS)? {
            if known.contains(&name) {
                continue;
            }
            match self.absorb(&name) {
                // What cannot be read is of no use here; a check says more about it.
                Ok(_) | Err(Error::NeedsKey { .. } | Error::Damaged { .. } | Error::Missing(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn absorb_as(&self, name: &str, known: Option<u32>) -> Result<u32, Error> {
        if !self.reads_data() {
            return Err(self.secrets.needs("index segments", Role::Restore));
        }
        let noted = self.loss_of(&super::store::Store::spread(segment::SEGMENTS, name))?;
        let opened = SegmentFile::open(&self.store, name, &self.header.archive, self.secrets.data.as_ref());
        let opened = opened.and_then(|mut file| file.directory().map(|directory| (file, directory)));
        let (mut file, directory) = match (opened, noted.as_ref().and_then(|note| note.directory.clone())) {
            (Ok((file, directory)), _) => (Some(file), directory),
            (Err(_), Some(directory)) => (None, directory),
            (Err(error), None) => return Err(error),
        };
        let mut index = self.index();
        let own_transaction = !index.in_transaction();
        if own_transaction {
            index.begin()?;
        }
        let entered = index.number_for(known).and_then(|number| {
            self.enter(&mut index, (number, name), &directory, file.as_mut(), noted.as_ref()).map(|()| number)
        });
        match &entered {
            Ok(_) if own_transaction => index.commit()?,
            Err(_) if own_transaction => index.roll_back(),
            _ => {}
        }
        drop(index);
        self.look_again();
        entered
    }

    fn enter(
        &self,
        index: &mut Index,
        (number, name): (u32, &str),
        directory: &Directory,
        mut file: Option<&mut SegmentFile>,
        noted: Option<&LossLine>,
    ) -> Result<(), Error> {
        index.put_segment(number, name, directory)?;
        let mut line: u32 = 0;
        for facts in &directory.blocks {
            let end = line.checked_add(facts.lines).ok_or_else(|| self.damaged_name(name, "more lines than can be"))?;
            let object = index.object(&facts.object)?;
            match file.as_mut().and_then(|file| rows_in(file, facts, (number, line), &self.secrets.digest)) {
                Some(rows) => rows.iter().try_for_each(|row| index.insert(object, row))?,
                None => {
                    index.mark_bad(number, line, facts.lines)?;
                    let held =
                        noted.iter().flat_map(|note| &note.lines).filter(|held| (line..end).contains(&held.line));
                    for held in held.filter(|held| held.object == facts.object) {
                        let digest =
                            held.digest().ok_or_else(|| self.damaged_name(name, "a noted digest that is none"))?;
                        let key = Key::parse(&held.id).to_bytes();
                        index.insert(object, &Row { key, segment: number, line: held.line, digest })?;
                    }
                }
            }
            line = end;
        }
        Ok(())
    }

    fn damaged_name(&self, name: &str, fact: &str) -> Error {
        Error::damaged(&self.store.path(&super::store::Store::spread(segment::SEGMENTS, name)), fact)
    }
}

/// The rows of a block that is whole.
fn rows_in(file: &mut SegmentFile, facts: &BlockFacts, at: (u32, u32), digest: &DigestKey) -> Option<Vec<Row>> {
    let text = file.block(facts).ok()?;
    let rows = rows_of(&text, &ObjectName::new(&facts.object), at, digest)?;
    (rows.len() == facts.lines as usize).then_some(rows)
}

/// The index rows of a block's lines; `None` if one of them is no record.
pub(super) fn rows_of(
    text: &[u8],
    object: &ObjectName,
    (segment, first): (u32, u32),
    digest: &DigestKey,
) -> Option<Vec<Row>> {
    let mut scratch = Scratch::default();
    let versions = versions_of(text, object, digest, &mut scratch)?.zip(first..);
    Some(versions.map(|((key, digest), line)| Row { key: key.to_vec(), segment, line, digest }).collect())
}

/// Memory in which blocks are taken apart, one after the other.
#[derive(Default)]
pub(super) struct Scratch {
    /// Bytes of keys, and where each ends.
    keys: Vec<u8>,
    ends: Vec<usize>,
    versions: Versions,
}

/// The bytes of the key and the digest of each of a block's lines; `None` if one of them is no record.
pub(super) fn versions_of<'s>(
    text: &[u8],
    object: &ObjectName,
    digest: &DigestKey,
    scratch: &'s mut Scratch,
) -> Option<impl Iterator<Item = (&'s [u8], Digest)>> {
    let Scratch { keys, ends, versions } = scratch;
    keys.clear();
    ends.clear();
    versions.clear();
    for record in records_in(text, object) {
        let ((key, body), begin) = (record?, keys.len());
        key.append_to(keys);
        ends.push(keys.len());
        versions.push(object, &keys[begin..], body);
    }
    let begins = std::iter::once(&0).chain(ends.iter());
    let keys = begins.zip(ends.iter()).map(|(begin, end)| &keys[*begin..*end]);
    Some(keys.zip(digest.digests_of(versions)))
}

/// Key and body of each of a block's lines; `None` for what is no record.
pub(super) fn records_in<'t>(
    text: &'t [u8],
    object: &'t ObjectName,
) -> impl Iterator<Item = Option<(Key, &'t str)>> + 't {
    let (text, illegible) = std::str::from_utf8(text).map_or(("", Some(None)), |text| (text, None));
    lines_of(text).map(|line| parse_line(line?, object)).chain(illegible)
}

/// The lines of a text; `None` for a last one without its end.
fn lines_of(text: &str) -> impl Iterator<Item = Option<&str>> {
    let mut begin = 0;
    let ends = memchr::memchr_iter(b'\n', text.as_bytes());
    let lines = ends.map(move |end| Some(&text[std::mem::replace(&mut begin, end + 1)..end]));
    let is_torn = !text.is_empty() && !text.ends_with('\n');
    lines.chain(is_torn.then_some(None))
}
