//! Which files were seen here and when each was read: what only the index remembers.
//!
//! A copy of the archive knows nothing of it; so it is what tells that somebody removed the newest
//! snapshot, the last mark or the end of a journal, which leaves no trace in the archive itself.

use std::collections::BTreeMap;
use std::time::Duration;

use rusqlite::params;

use super::{Index, PATIENCE};
use crate::archive::error::Error;

impl Index {
    /// Writes down together what may as well be written down another time: beside a writer nothing is.
    pub(in crate::archive) fn when_free(
        &mut self,
        work: impl FnOnce(&Index) -> Result<(), Error>,
    ) -> Result<bool, Error> {
        if self.in_transaction() {
            return Ok(false);
        }
        self.db.busy_timeout(Duration::ZERO)?;
        let begun = self.begin();
        self.db.busy_timeout(PATIENCE)?;
        if begun.is_err() {
            return Ok(false);
        }
        match work(self).and_then(|()| self.commit()) {
            Ok(()) => Ok(true),
            Err(error) => {
                self.roll_back();
                Err(error)
            }
        }
    }

    /// Files that were seen here before, with their lengths then.
    pub(in crate::archive) fn seen_files(&self) -> Result<BTreeMap<String, u64>, Error> {
        let mut statement = self.db.prepare("SELECT name, bytes FROM files")?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?.cast_unsigned())))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Remembers a file.
    pub(in crate::archive) fn saw_file(&self, name: &str, bytes: u64) -> Result<(), Error> {
        let mut statement = self.db.prepare_cached(
            "INSERT INTO files(name, bytes) VALUES (?1, ?2) ON CONFLICT(name) DO UPDATE SET bytes=excluded.bytes",
        )?;
        statement.execute(params![name, bytes.cast_signed()])?;
        Ok(())
    }

    /// Forgets a file that is gone for a reason.
    pub(in crate::archive) fn forget_file(&self, name: &str) -> Result<(), Error> {
        self.db.execute("DELETE FROM files WHERE name=?1", [name])?;
        Ok(())
    }

    /// When each file was last read whole and found right, in seconds since 1970, or `FAILED`.
    pub(in crate::archive) fn verified(&self) -> Result<BTreeMap<String, i64>, Error> {
        let mut statement = self.db.prepare("SELECT name, verified FROM files WHERE verified IS NOT NULL")?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Notes that a file was read whole and found right, or that it `FAILED`.
    pub(in crate::archive) fn verify(&self, name: &str, bytes: u64, at: i64) -> Result<(), Error> {
        let mut statement = self.db.prepare_cached("INSERT OR REPLACE INTO files VALUES (?1, ?2, ?3)")?;
        statement.execute(params![name, bytes.cast_signed(), at])?;
        Ok(())
    }
}
