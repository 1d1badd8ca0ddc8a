//! The index: where every version of every record is, in one SQLite file.
//!
//! Derived from segments and manifests; deleting it loses nothing but time, and
//! so it is never repaired: at the first sign of damage it is thrown away. What
//! it says is believed only as far as it can be proved: each row carries a
//! checksum of itself (SQLite has none), and whoever reads records through
//! it compares them with the content root of the manifest.

mod bad;
mod ledger;
mod memory;
mod mentions;
mod outlines;
mod pending;
mod seen;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, params};

use super::BlobRef;
use super::error::Error;
use super::map::Map;
use super::segment::{BlockFacts, Directory};
use crate::record::Digest;

pub(super) use self::bad::{Held, Place};
pub(super) use self::ledger::{Ledger, Sum};

/// The index's name in the archive.
pub(super) const INDEX: &str = "index.sqlite";
/// Raised when the tables change; an index of another number is made again.
const SCHEMA: i64 = 3;
const TABLES: &str = "
    CREATE TABLE about(archive TEXT NOT NULL);
    CREATE TABLE objects(number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
    CREATE TABLE segments(number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, tag BLOB NOT NULL);
    CREATE TABLE blocks(segment INTEGER NOT NULL, block INTEGER NOT NULL, object INTEGER NOT NULL, first INTEGER NOT NULL,
        lines INTEGER NOT NULL, raw INTEGER NOT NULL, facts TEXT NOT NULL, tag BLOB NOT NULL, PRIMARY KEY(segment, block)) WITHOUT ROWID;
    CREATE TABLE versions(object INTEGER NOT NULL, key BLOB NOT NULL, segment INTEGER NOT NULL, line INTEGER NOT NULL,
        digest BLOB NOT NULL, PRIMARY KEY(object, key, segment, line)) WITHOUT ROWID;
    CREATE TABLE outlines(object INTEGER NOT NULL, key BLOB NOT NULL, segment INTEGER NOT NULL, line INTEGER NOT NULL,
        facts TEXT NOT NULL, tag BLOB NOT NULL, PRIMARY KEY(object, key, segment, line)) WITHOUT ROWID;
    CREATE TABLE blobs(contents BLOB PRIMARY KEY, reference TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE snapshots(id TEXT PRIMARY KEY, sequence INTEGER NOT NULL, line TEXT, map BLOB) WITHOUT ROWID;
    CREATE TABLE unfinished(state TEXT NOT NULL);
";
/// Tables that came later: an index from before them is as good with them.
const LATER_TABLES: &str = "
    CREATE TABLE IF NOT EXISTS bad(segment INTEGER NOT NULL, first INTEGER NOT NULL, lines INTEGER NOT NULL, PRIMARY KEY(segment, first)) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS files(name TEXT PRIMARY KEY, bytes INTEGER NOT NULL, verified INTEGER) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS pending(segment INTEGER NOT NULL, block INTEGER NOT NULL, PRIMARY KEY(segment, block)) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS mentions(segment INTEGER NOT NULL, block INTEGER NOT NULL, found TEXT NOT NULL, tag BLOB NOT NULL, PRIMARY KEY(segment, block)) WITHOUT ROWID;
";
/// So long one waits for another that writes.
const PATIENCE: Duration = Duration::from_secs(10);
/// After this many rows in vain a page is looked up key by key: its keys lie far apart.
const RANGE_PATIENCE: usize = 4;

/// Where one version of one record is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Row {
    pub(super) key: Vec<u8>,
    pub(super) segment: u32,
    pub(super) line: u32,
    pub(super) digest: Digest,
}

/// A block as the index knows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct BlockRow {
    pub(super) first: u32,
    pub(super) facts: BlockFacts,
}

impl BlockRow {
    /// From the columns `first`, `facts` and `tag`, which begin at `column`.
    fn read(row: &rusqlite::Row<'_>, segment: u32, column: usize) -> Result<BlockRow, Error> {
        let (first, text): (u32, String) = (row.get(column)?, row.get(column + 1)?);
        if row.get::<_, Vec<u8>>(column + 2)? != block_tag(segment, first, &text) {
            return Err(damaged_row());
        }
        let facts = serde_json::from_str(&text).map_err(|error| Error::IndexDamaged(error.to_string()))?;
        Ok(BlockRow { first, facts })
    }
}

/// The open index.
pub(super) struct Index {
    db: Connection,
    objects: HashMap<String, u32>,
}

impl Index {
    /// Opens the index of the archive, or an empty one where there is none that can be used.
    pub(super) fn open(path: &Path, archive: &str) -> Result<Index, Error> {
        match Index::open_as_it_is(path, archive) {
            Ok(Some(index)) => Ok(index),
            Ok(None) => Index::recreate(path, archive),
            Err(error) if error.is_index_damage() => Index::recreate(path, archive),
            // A folder that cannot be written is still readable, through an index that lives as long as this run.
            Err(Error::Index(_)) => Index::fresh(Connection::open("")?, archive),
            Err(error) => Err(error),
        }
    }

    /// `None` when it is of another schema or another archive.
    fn open_as_it_is(path: &Path, archive: &str) -> Result<Option<Index>, Error> {
        if !path.exists() {
            return Index::fresh(Connection::open(path)?, archive).map(Some);
        }
        let Some((index, SCHEMA)) = Index::of_any_schema(path, archive)? else { return Ok(None) };
        if !index.db.table_exists(None, "mentions")? {
            index.db.execute_batch(LATER_TABLES)?;
        }
        Ok(Some(index))
    }

    /// With the number of its schema; `None` when it is of another archive.
    fn of_any_schema(path: &Path, archive: &str) -> Result<Option<(Index, i64)>, Error> {
        let db = Connection::open(path)?;
        configure(&db)?;
        let schema: i64 = db.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        let found: String = db.query_row("SELECT archive FROM about", [], |row| row.get(0))?;
        Ok((found == archive).then(|| (Index { db, objects: HashMap::new() }, schema)))
    }

    fn fresh(db: Connection, archive: &str) -> Result<Index, Error> {
        configure(&db)?;
        db.execute_batch(&format!("BEGIN; {TABLES} {LATER_TABLES} PRAGMA user_version={SCHEMA}; COMMIT;"))?;
        db.execute("INSERT INTO about VALUES (?1)", [archive])?;
        Ok(Index { db, objects: HashMap::new() })
    }

    /// Throws the file away and begins an empty one; what cannot be made again is carried over while it can be read.
    pub(super) fn recreate(path: &Path, archive: &str) -> Result<Index, Error> {
        let old = if path.exists() { Index::of_any_schema(path, archive).ok().flatten() } else { None };
        let memory = old.map(|(old, _)| old.memory()).unwrap_or_default();
        for suffix in ["", "-wal", "-shm"] {
            let file = PathBuf::from(format!("{}{suffix}", path.display()));
            match std::fs::remove_file(&file) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(Error::file("remove", &file)(error));
                }
                _ => {}
            }
        }
        let mut index = Index::fresh(Connection::open(path)?, archive)?;
        index.begin()?;
        index.remember(&memory)?;
        index.commit()?;
        Ok(index)
    }

    pub(super) fn begin(&mut self) -> Result<(), Error> {
        Ok(self.db.execute_batch("BEGIN IMMEDIATE")?)
    }

    /// Fails when SQLite rolled the transaction back by itself, as it does on a full disk.
    pub(super) fn commit(&mut self) -> Result<(), Error> {
        self.open_transaction()?;
        Ok(self.db.execute_batch("COMMIT")?)
    }

    /// Forgets what the open transaction did, if one is open.
    pub(super) fn roll_back(&mut self) {
        if !self.db.is_autocommit() {
            // A failed rollback leaves the journal, which SQLite rolls back at the next opening.
            let _ = self.db.execute_batch("ROLLBACK");
        }
        self.objects.clear();
    }

    pub(super) fn in_transaction(&self) -> bool {
        !self.db.is_autocommit()
    }

    /// What is entered together must not be entered alone.
    fn open_transaction(&self) -> Result<(), Error> {
        if self.in_transaction() { Ok(()) } else { Err(Error::TransactionLost) }
    }

    /// The object's number, given at first use.
    pub(super) fn object(&mut self, name: &str) -> Result<u32, Error> {
        if let Some(number) = self.objects.get(name) {
            return Ok(*number);
        }
        self.db.prepare_cached("INSERT OR IGNORE INTO objects(name) VALUES (?1)")?.execute([name])?;
        let number = self.known_object(name)?.ok_or_else(|| Error::IndexDamaged(format!("no number for {name}")))?;
        self.objects.insert(name.to_owned(), number);
        Ok(number)
    }

    /// The object's number, if any of its records is in a segment.
    pub(super) fn known_object(&self, name: &str) -> Result<Option<u32>, Error> {
        Ok(self
            .db
            .prepare_cached("SELECT number FROM objects WHERE name=?1")?
            .query_row([name], |row| row.get(0))
            .optional()?)
    }

    /// All versions of the keys, which must be sorted. `each` gets the place of the key in `keys`.
    pub(super) fn look_up(&self, object: u32, keys: &[Vec<u8>], each: &mut dyn FnMut(usize, Row)) -> Result<(), Error> {
        let (Some(first), Some(last)) = (keys.first(), keys.last()) else { return Ok(()) };
        let mut statement = self.db.prepare_cached("SELECT key, segment, line, digest FROM versions WHERE object=?1 AND key BETWEEN ?2 AND ?3 ORDER BY key, segment, line")?;
        let mut rows = statement.query(params![object, first, last])?;
        let (mut at, mut vain) = (0, 0);
        while let Some(row) = rows.next()? {
            let key = row.get_ref(0)?.as_blob().map_err(wrong_type)?;
            while at < keys.len() && keys[at].as_slice() < key {
                at += 1;
            }
            match keys.get(at) {
                Some(wanted) if wanted.as_slice() == key => each(at, read_row(row)?),
                _ => vain += 1,
            }
            if vain > RANGE_PATIENCE * (at + 64) {
                break;
            }
        }
        let reached = if rows.next()?.is_some() { at } else { keys.len() };
        for (at, key) in keys.iter().enumerate().skip(reached) {
            self.versions(object, key)?.into_iter().for_each(|row| each(at, row));
        }
        Ok(())
    }

    /// All versions of one key.
    pub(super) fn versions(&self, object: u32, key: &[u8]) -> Result<Vec<Row>, Error> {
        let mut statement =
            self.db.prepare_cached("SELECT key, segment, line, digest FROM versions WHERE object=?1 AND key=?2")?;
        let mut rows = statement.query(params![object, key])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.push(read_row(row)?);
        }
        Ok(found)
    }

    /// Rows in key order after a key, those that are wanted; ends between two keys once there are `enough`.
    pub(super) fn scan(
        &self,
        object: u32,
        after: &[u8],
        enough: usize,
        wanted: &mut dyn FnMut(u32, u32) -> bool,
    ) -> Result<Vec<Row>, Error> {
        let mut statement = self.db.prepare_cached(
            "SELECT key, segment, line, digest FROM versions WHERE object=?1 AND key>?2 ORDER BY key, segment, line",
        )?;
        let mut rows = statement.query(params![object, after])?;
        let mut found: Vec<Row> = Vec::new();
        while let Some(row) = rows.next()? {
            if found.len() >= enough
                && found
                    .last()
                    .is_some_and(|last| row.get_ref(0).and_then(|key| Ok(key.as_blob()? != last.key)).unwrap_or(true))
            {
                break;
            }
            if wanted(row.get(1)?, row.get(2)?) {
                found.push(read_row(row)?);
            }
        }
        Ok(found)
    }

    pub(super) fn insert(&self, object: u32, row: &Row) -> Result<(), Error> {
        self.open_transaction()?;
        let mut digest = [0; 36];
        digest[..32].copy_from_slice(&row.digest.0);
        digest[32..].copy_from_slice(&version_tag(&row.key, row.segment, row.line, &row.digest));
        // A line that was found in its segment before (an interrupted run) is there already.
        let mut statement = self.db.prepare_cached("INSERT OR REPLACE INTO versions VALUES (?1, ?2, ?3, ?4, ?5)")?;
        statement.execute(params![object, row.key, row.segment, row.line, digest])?;
        Ok(())
    }

    /// The number for the next segment.
    pub(super) fn next_segment(&self) -> Result<u32, Error> {
        Ok(self.db.query_row("SELECT coalesce(max(number), 0) + 1 FROM segments", [], |row| row.get(0))?)
    }

    pub(super) fn segment(&self, name: &str) -> Result<Option<u32>, Error> {
        Ok(self
            .db
            .prepare_cached("SELECT number FROM segments WHERE name=?1")?
            .query_row([name], |row| row.get(0))
            .optional()?)
    }

    pub(super) fn segment_name(&self, number: u32) -> Result<Option<String>, Error> {
        let mut statement = self.db.prepare_cached("SELECT name, tag FROM segments WHERE number=?1")?;
        let found: Option<(String, Vec<u8>)> =
            statement.query_row([number], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
        match found {
            Some((name, tag)) if tag != tag_of(&[&number.to_le_bytes(), name.as_bytes()]) => Err(damaged_row()),
            found => Ok(found.map(|(name, _)| name)),
        }
    }

    /// Names and numbers of all segments.
    pub(super) fn segments(&self) -> Result<Vec<(u32, String)>, Error> {
        let mut statement = self.db.prepare("SELECT number, name FROM segments ORDER BY number")?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Enters a segment that is on disk, with its directory; one of the same number is replaced.
    pub(super) fn put_segment(&mut self, number: u32, name: &str, directory: &Directory) -> Result<(), Error> {
        self.open_transaction()?;
        self.db.execute(
            "INSERT OR REPLACE INTO segments VALUES (?1, ?2, ?3)",
            params![number, name, tag_of(&[&number.to_le_bytes(), name.as_bytes()])],
        )?;
        self.db.execute("DELETE FROM blocks WHERE segment=?1", [number])?;
        let mut first = 0;
        for (at, facts) in directory.blocks.iter().enumerate() {
            let object = self.object(&facts.object)?;
            let text = serde_json::to_string(facts).expect("facts always serialise");
            let mut statement = self.db.prepare_cached("INSERT INTO blocks VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")?;
            statement.execute(params![
                number,
                at.cast_signed(),
                object,
                first,
                facts.lines,
                facts.raw.cast_signed(),
                text,
                block_tag(number, first, &text)
            ])?;
            first += facts.lines;
        }
        Ok(())
    }

    /// Forgets a segment that is not on disk any more, so that its records are stored again.
    pub(super) fn forget_segment(&mut self, number: u32) -> Result<(), Error> {
        for table in ["versions", "blocks", "bad", "outlines", "pending", "mentions"] {
            self.db.execute(&format!("DELETE FROM {table} WHERE segment=?1"), [number])?;
        }
        self.db.execute("DELETE FROM segments WHERE number=?1", [number])?;
        Ok(())
    }

    /// The blocks of a segment in order.
    pub(super) fn blocks(&self, segment: u32) -> Result<Vec<BlockRow>, Error> {
        let mut statement =
            self.db.prepare_cached("SELECT first, facts, tag FROM blocks WHERE segment=?1 ORDER BY block")?;
        let mut rows = statement.query([segment])?;
        let mut blocks = Vec::new();
        while let Some(row) = rows.next()? {
            blocks.push(BlockRow::read(row, segment, 0)?);
        }
        Ok(blocks)
    }

    /// All lines of an object in all segments.
    pub(super) fn extent(&self, object: &str) -> Result<Map, Error> {
        let mut map = Map::default();
        let Some(object) = self.known_object(object)? else { return Ok(map) };
        let mut statement = self.db.prepare_cached("SELECT segment, first, lines FROM blocks WHERE object=?1")?;
        let mut rows = statement.query([object])?;
        while let Some(row) = rows.next()? {
            let (first, lines): (u32, u32) = (row.get(1)?, row.get(2)?);
            if first.checked_add(lines).is_none() {
                return Err(Error::IndexDamaged("a block of impossible length".to_owned()));
            }
            map.insert_range(row.get(0)?, first, lines);
        }
        Ok(map)
    }

    /// Raw bytes of an average line of the object.
    pub(super) fn line_bytes(&self, object: &str) -> Result<u64, Error> {
        let Some(object) = self.known_object(object)? else { return Ok(0) };
        let mut statement =
            self.db.prepare_cached("SELECT coalesce(sum(raw) / max(sum(lines), 1), 0) FROM blocks WHERE object=?1")?;
        Ok(statement.query_row([object], |row| row.get(0).map(i64::cast_unsigned))?)
    }

    /// Every version of every record of an object in key order: segment, line and digest.
    pub(super) fn walk(&self, object: u32, each: &mut dyn FnMut(u32, u32, &Digest)) -> Result<(), Error> {
        let mut statement = self.db.prepare_cached(
            "SELECT key, segment, line, digest FROM versions WHERE object=?1 ORDER BY key, segment, line",
        )?;
        let mut rows = statement.query([object])?;
        while let Some(row) = rows.next()? {
            let Proven { segment, line, digest, .. } = proven(row)?;
            each(segment, line, &digest);
        }
        Ok(())
    }

    /// How many versions it knows.
    pub(super) fn count(&self) -> Result<u64, Error> {
        Ok(self.db.query_row("SELECT count(*) FROM versions", [], |row| row.get(0).map(i64::cast_unsigned))?)
    }

    pub(super) fn blob(&self, contents: &[u8; 32]) -> Result<Option<BlobRef>, Error> {
        let found: Option<String> = self
            .db
            .query_row("SELECT reference FROM blobs WHERE contents=?1", [contents], |row| row.get(0))
            .optional()?;
        found
            .map(|text| serde_json::from_str(&text).map_err(|error| Error::IndexDamaged(error.to_string())))
            .transpose()
    }

    pub(super) fn put_blob(&self, contents: &[u8; 32], blob: &BlobRef) -> Result<(), Error> {
        let text = serde_json::to_string(blob).expect("a reference always serialises");
        self.db.execute("INSERT OR REPLACE INTO blobs VALUES (?1, ?2)", params![contents, text])?;
        Ok(())
    }
}

fn configure(db: &Connection) -> Result<(), Error> {
    db.busy_timeout(PATIENCE)?;
    db.set_prepared_statement_cache_capacity(32);
    // A cache that can be made again needs no fsync at each step, and no more memory than a few pages.
    db.execute_batch(
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA cache_size=-8000; PRAGMA temp_store=FILE;",
    )?;
    Ok(())
}

fn wrong_type(error: rusqlite::types::FromSqlError) -> Error {
    Error::IndexDamaged(error.to_string())
}

fn read_row(row: &rusqlite::Row<'_>) -> Result<Row, Error> {
    let Proven { segment, line, digest, .. } = proven(row)?;
    let key = row.get_ref(0)?.as_blob().map_err(wrong_type)?;
    Ok(Row { key: key.to_vec(), segment, line, digest })
}

/// What a row says that matches its own checksum.
struct Proven {
    segment: u32,
    line: u32,
    digest: Digest,
}

fn proven(row: &rusqlite::Row<'_>) -> Result<Proven, Error> {
    let key = row.get_ref(0)?.as_blob().map_err(wrong_type)?;
    let (segment, line) = (row.get(1)?, row.get(2)?);
    let sealed = row.get_ref(3)?.as_blob().map_err(wrong_type)?;
    let digest = sealed.get(..32).and_then(|digest| digest.try_into().ok()).map(Digest).ok_or_else(damaged_row)?;
    if sealed[32..] == version_tag(key, segment, line, &digest) {
        Ok(Proven { segment, line, digest })
    } else {
        Err(damaged_row())
    }
}

fn damaged_row() -> Error {
    Error::IndexDamaged("a row that does not match its own checksum".to_owned())
}

/// A wrong position must never be taken for a record's.
fn version_tag(key: &[u8], segment: u32, line: u32, digest: &Digest) -> [u8; 4] {
    tag_of(&[&digest.0, &segment.to_le_bytes(), &line.to_le_bytes(), key])
}

fn block_tag(segment: u32, first: u32, facts: &str) -> [u8; 4] {
    tag_of(&[&segment.to_le_bytes(), &first.to_le_bytes(), facts.as_bytes()])
}

/// Four bytes that a damaged row does not match: a checksum, for they are no more than a guard against a bad disk.
fn tag_of(parts: &[&[u8]]) -> [u8; 4] {
    let mut sum = crc32fast::Hasher::new();
    parts.iter().for_each(|part| sum.update(part));
    sum.finalize().to_le_bytes()
}
