//! What an index holds that cannot be made again: it is what this machine has seen and done.
//!
//! Which snapshots it saw, so that one that was removed is missed; the capture it
//! has not finished; and small facts such as when the archive was last checked. They
//! outlive a new index as long as the old one can be read; losing them loses no record.

use std::collections::BTreeMap;

use rusqlite::{OptionalExtension, params};

use super::Index;
use crate::archive::SnapshotId;
use crate::archive::error::Error;
use crate::archive::map::Map;

/// Made when the first fact is noted, so that an index from before there were any stays as it is.
const FACTS: &str = "CREATE TABLE IF NOT EXISTS facts(name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID";

/// What outlives a new index.
#[derive(Default)]
pub(super) struct Memory {
    snapshots: Vec<(SnapshotId, u64)>,
    facts: Vec<(String, String)>,
    files: BTreeMap<String, u64>,
}

impl Index {
    /// What outlives this index, as far as it can be read.
    pub(super) fn memory(&self) -> Memory {
        Memory {
            snapshots: self.snapshots().unwrap_or_default(),
            facts: self.facts().unwrap_or_default(),
            files: self.seen_files().unwrap_or_default(),
        }
    }

    /// Takes over what an older index knew.
    pub(super) fn remember(&self, memory: &Memory) -> Result<(), Error> {
        for (id, sequence) in &memory.snapshots {
            self.saw_snapshot(id, *sequence)?;
        }
        for (name, value) in &memory.facts {
            self.note_fact(name, value)?;
        }
        memory.files.iter().try_for_each(|(name, bytes)| self.saw_file(name, *bytes))
    }

    /// Notes a fact in place of the one that had its name.
    pub(in crate::archive) fn note_fact(&self, name: &str, value: &str) -> Result<(), Error> {
        self.db.execute(FACTS, [])?;
        self.db.execute("INSERT OR REPLACE INTO facts VALUES (?1, ?2)", [name, value])?;
        Ok(())
    }

    /// All facts, by name.
    pub(in crate::archive) fn facts(&self) -> Result<Vec<(String, String)>, Error> {
        if !self.db.table_exists(None, "facts")? {
            return Ok(Vec::new());
        }
        let mut statement = self.db.prepare("SELECT name, value FROM facts ORDER BY name")?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Remembers that a snapshot exists, so that its removal is noticed.
    pub(in crate::archive) fn saw_snapshot(&self, id: &SnapshotId, sequence: u64) -> Result<(), Error> {
        let mut statement = self.db.prepare_cached("INSERT OR IGNORE INTO snapshots(id, sequence) VALUES (?1, ?2)")?;
        statement.execute(params![id.0, sequence.cast_signed()])?;
        Ok(())
    }

    /// Keeps a snapshot's own line and map, for a machine that may not read manifests; older ones need not stay.
    pub(in crate::archive) fn keep_snapshot(
        &self,
        id: &SnapshotId,
        sequence: u64,
        line: &str,
        map: &Map,
    ) -> Result<(), Error> {
        self.open_transaction()?;
        self.db.execute("UPDATE snapshots SET map=NULL WHERE map IS NOT NULL", [])?;
        self.db.execute(
            "INSERT OR REPLACE INTO snapshots VALUES (?1, ?2, ?3, ?4)",
            params![id.0, sequence.cast_signed(), line, map.to_bytes()],
        )?;
        Ok(())
    }

    /// Every snapshot ever seen, oldest first.
    pub(in crate::archive) fn snapshots(&self) -> Result<Vec<(SnapshotId, u64)>, Error> {
        let mut statement = self.db.prepare("SELECT id, sequence FROM snapshots ORDER BY sequence, id")?;
        let rows =
            statement.query_map([], |row| Ok((SnapshotId(row.get(0)?), row.get::<_, i64>(1)?.cast_unsigned())))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// A snapshot's line, if this machine wrote it.
    pub(in crate::archive) fn snapshot_line(&self, id: &SnapshotId) -> Result<Option<String>, Error> {
        let line = self.db.query_row("SELECT line FROM snapshots WHERE id=?1", [&id.0], |row| row.get(0)).optional()?;
        Ok(line.flatten())
    }

    /// The map of the newest snapshot this machine wrote.
    pub(in crate::archive) fn snapshot_map(&self, id: &SnapshotId) -> Result<Option<Map>, Error> {
        let bytes: Option<Option<Vec<u8>>> =
            self.db.query_row("SELECT map FROM snapshots WHERE id=?1", [&id.0], |row| row.get(0)).optional()?;
        let map = bytes
            .flatten()
            .map(|bytes| Map::from_bytes(&bytes).ok_or_else(|| Error::IndexDamaged("a map that is none".to_owned())));
        map.transpose()
    }

    pub(in crate::archive) fn unfinished(&self) -> Result<Option<String>, Error> {
        Ok(self.db.query_row("SELECT state FROM unfinished", [], |row| row.get(0)).optional()?)
    }

    pub(in crate::archive) fn set_unfinished(&self, state: Option<&str>) -> Result<(), Error> {
        self.open_transaction()?;
        self.db.execute("DELETE FROM unfinished", [])?;
        if let Some(state) = state {
            self.db.execute("INSERT INTO unfinished VALUES (?1)", [state])?;
        }
        Ok(())
    }
}
