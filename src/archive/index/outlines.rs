//! What is remembered of records: a few fields of a few objects, beside their versions.

use rusqlite::params;

use super::{Index, damaged_row, tag_of};
use crate::archive::error::Error;

impl Index {
    /// Remembers this of a version, unless it is remembered already.
    pub(in crate::archive) fn put_outline(
        &self,
        object: u32,
        key: &[u8],
        (segment, line): (u32, u32),
        facts: &str,
    ) -> Result<(), Error> {
        self.open_transaction()?;
        let mut statement = self.db.prepare_cached("INSERT OR IGNORE INTO outlines VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?;
        statement.execute(params![object, key, segment, line, facts, tag(key, (segment, line), facts)])?;
        Ok(())
    }

    /// Of how many of the wanted versions something is remembered.
    pub(in crate::archive) fn count_outlines(
        &self,
        object: u32,
        wanted: &mut dyn FnMut(u32, u32) -> bool,
    ) -> Result<u64, Error> {
        let mut statement = self.db.prepare_cached("SELECT segment, line FROM outlines WHERE object=?1")?;
        let mut rows = statement.query([object])?;
        let mut count = 0;
        while let Some(row) = rows.next()? {
            count += u64::from(wanted(row.get(0)?, row.get(1)?));
        }
        Ok(count)
    }

    /// What is remembered of the wanted versions in key order after a key, up to so many.
    pub(in crate::archive) fn outlines(
        &self,
        object: u32,
        after: &[u8],
        most: usize,
        wanted: &mut dyn FnMut(u32, u32) -> bool,
    ) -> Result<Vec<(Vec<u8>, String)>, Error> {
        let mut statement = self.db.prepare_cached(
            "SELECT key, segment, line, facts, tag FROM outlines WHERE object=?1 AND key>?2 ORDER BY key, segment, line",
        )?;
        let mut rows = statement.query(params![object, after])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let place = (row.get(1)?, row.get(2)?);
            if !wanted(place.0, place.1) {
                continue;
            }
            let (key, facts): (Vec<u8>, String) = (row.get(0)?, row.get(3)?);
            if row.get::<_, Vec<u8>>(4)? != tag(&key, place, &facts) {
                return Err(damaged_row());
            }
            found.push((key, facts));
            if found.len() == most {
                break;
            }
        }
        Ok(found)
    }
}

/// What a damaged row does not match.
fn tag(key: &[u8], (segment, line): (u32, u32), facts: &str) -> [u8; 4] {
    tag_of(&[&segment.to_le_bytes(), &line.to_le_bytes(), key, b"\0", facts.as_bytes()])
}
