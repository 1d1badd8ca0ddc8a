//! Lines that cannot be read: nothing new may count on them.
//!
//! A block that is damaged keeps its rows, because they say which records were in it; it is only
//! no longer believed to hold them. The same version stored again elsewhere stands in for it.

use std::collections::HashMap;

use rusqlite::params;

use super::{Index, Proven, proven};
use crate::archive::error::Error;
use crate::archive::map::Map;
use crate::record::Digest;

/// A line with what it held.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::archive) struct Held {
    pub(in crate::archive) object: String,
    pub(in crate::archive) key: Vec<u8>,
    pub(in crate::archive) line: u32,
    pub(in crate::archive) digest: Digest,
}

/// Segment and line.
pub(in crate::archive) type Place = (u32, u32);

impl Index {
    /// Notes that lines of a segment cannot be read.
    pub(in crate::archive) fn mark_bad(&self, segment: u32, first: u32, lines: u32) -> Result<(), Error> {
        let mut statement = self.db.prepare_cached("INSERT OR REPLACE INTO bad VALUES (?1, ?2, ?3)")?;
        statement.execute(params![segment, first, lines])?;
        Ok(())
    }

    /// The number under which a segment is entered: a new one, or the one it had, of which all else is forgotten.
    pub(in crate::archive) fn number_for(&mut self, known: Option<u32>) -> Result<u32, Error> {
        let Some(number) = known else { return self.next_segment() };
        self.forget_segment(number)?;
        Ok(number)
    }

    /// How many lines a segment has by its blocks.
    pub(in crate::archive) fn lines_in(&self, segment: u32) -> Result<u32, Error> {
        let mut statement = self.db.prepare_cached("SELECT coalesce(sum(lines), 0) FROM blocks WHERE segment=?1")?;
        let lines: i64 = statement.query_row([segment], |row| row.get(0))?;
        u32::try_from(lines).map_err(|_| Error::IndexDamaged("a segment of impossible length".to_owned()))
    }

    /// Notes that all of a segment can be read.
    pub(in crate::archive) fn clear_bad(&self, segment: u32) -> Result<(), Error> {
        self.db.execute("DELETE FROM bad WHERE segment=?1", [segment])?;
        Ok(())
    }

    /// All lines that cannot be read.
    pub(in crate::archive) fn bad(&self) -> Result<Map, Error> {
        let mut map = Map::default();
        let mut statement = self.db.prepare_cached("SELECT segment, first, lines FROM bad")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let (first, lines): (u32, u32) = (row.get(1)?, row.get(2)?);
            if first.checked_add(lines).is_none() {
                return Err(Error::IndexDamaged("bad lines of impossible number".to_owned()));
            }
            map.insert_range(row.get(0)?, first, lines);
        }
        Ok(map)
    }

    /// For each of these lines a good one with the same version of the same record, and those of which nobody knows what they held.
    pub(in crate::archive) fn twins(&self, bad: &Map) -> Result<(HashMap<Place, Place>, Map), Error> {
        let (mut twins, mut blank) = (HashMap::new(), bad.clone());
        for object in self.objects_in(bad)? {
            let mut statement = self.db.prepare_cached(
                "SELECT key, segment, line, digest FROM versions WHERE object=?1 ORDER BY key, segment, line",
            )?;
            let mut rows = statement.query([object])?;
            let (mut key, mut versions): (Vec<u8>, Vec<(Place, Digest)>) = (Vec::new(), Vec::new());
            let mut settle = |versions: &mut Vec<(Place, Digest)>| {
                for (place, digest) in versions.iter().filter(|(place, _)| bad.contains(place.0, place.1)) {
                    blank.remove(place.0, place.1);
                    let good = versions.iter().find(|(other, same)| same == digest && !bad.contains(other.0, other.1));
                    good.map(|(other, _)| twins.insert(*place, *other));
                }
                versions.clear();
            };
            while let Some(row) = rows.next()? {
                let Proven { segment, line, digest, .. } = proven(row)?;
                let own = row.get_ref(0)?.as_blob().map_err(super::wrong_type)?;
                if own != key {
                    settle(&mut versions);
                    key = own.to_vec();
                }
                versions.push(((segment, line), digest));
            }
            settle(&mut versions);
        }
        Ok((twins, blank))
    }

    /// Numbers of the objects that have lines in these segments.
    fn objects_in(&self, map: &Map) -> Result<Vec<u32>, Error> {
        let mut objects = Vec::new();
        for (segment, _) in map.segments() {
            let mut statement = self.db.prepare_cached("SELECT DISTINCT object FROM blocks WHERE segment=?1")?;
            for object in statement.query_map([segment], |row| row.get(0))? {
                objects.push(object?);
            }
        }
        objects.sort_unstable();
        objects.dedup();
        Ok(objects)
    }

    /// The objects that have lines in a segment.
    pub(in crate::archive) fn objects_of(&self, segment: u32) -> Result<Vec<String>, Error> {
        let mut statement = self.db.prepare_cached(
            "SELECT DISTINCT name FROM blocks JOIN objects ON number=object WHERE segment=?1 ORDER BY name",
        )?;
        let rows = statement.query_map([segment], |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// What the lines of a segment held, as far as it is known, in order.
    pub(in crate::archive) fn held(&self, segment: u32) -> Result<Vec<Held>, Error> {
        let mut one = Map::default();
        one.insert(segment, 0);
        let mut held = Vec::new();
        for object in self.objects_in(&one)? {
            let name: String =
                self.db.query_row("SELECT name FROM objects WHERE number=?1", [object], |row| row.get(0))?;
            let mut statement = self
                .db
                .prepare_cached("SELECT key, segment, line, digest FROM versions WHERE object=?1 AND segment=?2")?;
            let mut rows = statement.query(params![object, segment])?;
            while let Some(row) = rows.next()? {
                let Proven { line, digest, .. } = proven(row)?;
                let key = row.get_ref(0)?.as_blob().map_err(super::wrong_type)?.to_vec();
                held.push(Held { object: name.clone(), key, line, digest });
            }
        }
        held.sort_by_key(|held| held.line);
        Ok(held)
    }
}
