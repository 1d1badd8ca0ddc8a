//! Segments: every one that a snapshot needs is there and holds what its directory says.
//!
//! Files are read once each, several at a time: hashed, unsealed, unpacked, and every record's digest
//! made anew, to be compared with the index. Of a damaged one it is found out which blocks still can be read.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::io::Cursor;

use bytes::Bytes;

use super::memory::Memo;
use super::pool::{side_by_side, threads};
use super::{Check, Problem, Remedy, fact_of};
use crate::archive::absorb::rows_of;
use crate::archive::error::Error;
use crate::archive::index::Row;
use crate::archive::segment::{BlockFacts, Directory, SEGMENTS, SegmentFile};
use crate::archive::store::{Store, hash_of};
use crate::archive::{Inner, Role, SnapshotId};
use crate::catalogue::ObjectName;

/// Files of more are not held in memory; none that this program wrote is as long.
const HELD: u64 = 64 << 20;

/// Of files of more the blocks are read by several threads: a first snapshot is one large file.
const LARGE: u64 = 4 << 20;

/// A segment to look at.
struct Job {
    file: String,
    name: String,
    number: Option<u32>,
    read: bool,
    /// How many threads read its blocks.
    hands: usize,
}

/// What was found in a segment.
struct Examined {
    /// Bytes read, and their hash; nothing where only the directory was read.
    hash: Option<Result<(u64, String), Error>>,
    directory: Result<Directory, Error>,
    /// The blocks that can be read.
    rows: Vec<Good>,
    /// Those that cannot.
    bad: Vec<Bad>,
}

/// A block's object and rows.
type Good = (String, Vec<Row>);

/// A block's first line, lines, object, and why it cannot be read.
type Bad = (u32, u32, String, String);

impl Check<'_> {
    /// Returns whether the index agrees with all that was read.
    pub(super) fn segments(&mut self) -> Result<bool, Error> {
        let inner = self.inner;
        let on_disk = inner.store.list_spread(SEGMENTS)?;
        let there: HashSet<String> = on_disk.iter().map(|(_, name)| name.clone()).collect();
        let missing: BTreeSet<String> = self.needs.keys().filter(|name| !there.contains(*name)).cloned().collect();
        for name in missing {
            let (file, snapshots) = (Store::spread(SEGMENTS, &name), self.needs[&name].clone());
            self.missing(&file, &snapshots);
            let number = inner.index().segment(&name)?;
            if let Some(number) = number {
                let lines = inner.index().lines_in(number)?;
                self.memos.push(Memo::Bad(number, vec![(0, lines)]));
            }
        }
        let mut jobs = Vec::new();
        for (file, name) in on_disk {
            // A running capture replaces its growing segment by a longer one, which no snapshot needs yet.
            if !self.needs.contains_key(&name) && !inner.store.exists(&file) {
                continue;
            }
            self.done.segments += 1;
            if file != Store::spread(SEGMENTS, &name) {
                let snapshots = self.needs.get(&name).cloned().unwrap_or_default();
                let text = "lies in the wrong folder";
                self.found(Problem::of(&file, Remedy::MoveOut, text).hurting(&snapshots));
            }
            let (number, read) = (inner.index().segment(&name)?, self.reads(&file));
            let large = inner.store.length(&file).is_ok_and(|length| length > LARGE);
            jobs.push(Job { file, name, number, read, hands: if large { threads() } else { 1 } });
        }
        let rows = if jobs.iter().any(|job| job.read) { inner.index().versions_of_segment()? } else { HashMap::new() };
        let mut index_is_right = true;
        side_by_side(
            &jobs,
            |job| examine(inner, job),
            |job, examined| {
                index_is_right &= self.judge(job, examined, &rows)?;
                Ok(())
            },
        )?;
        Ok(index_is_right)
    }

    /// Tells what is wrong with a segment; returns whether the index agrees with what was read.
    fn judge(&mut self, job: &Job, examined: Examined, rows: &HashMap<u32, u64>) -> Result<bool, Error> {
        let snapshots = self.needs.get(&job.name).cloned().unwrap_or_default();
        let hash = match examined.hash.transpose() {
            Ok(hash) => hash,
            Err(error) => {
                self.hurt(job, &examined.directory, &examined.bad, (fact_of(error)?, None), &snapshots)?;
                return Ok(true);
            }
        };
        let bytes = hash.as_ref().map_or(0, |(bytes, _)| *bytes);
        self.done.bytes_read += bytes;
        self.done.read += u64::from(job.read);
        let wrong = hash
            .as_ref()
            .filter(|(_, hash)| *hash != job.name)
            .map(|(_, hash)| format!("its bytes hash to {}", &hash[..16]));
        let fact = match (wrong, &examined.directory, examined.bad.first()) {
            (Some(wrong), ..) => Some(wrong),
            (None, Err(Error::NeedsKey { .. }), _) => None,
            (None, Err(error), _) => Some(fact_of(again(error))?),
            (None, _, Some((.., fact))) => Some(fact.clone()),
            (None, Ok(_), None) => None,
        };
        if let Some(fact) = fact {
            let left = hash.map(|(_, hash)| hash);
            self.hurt(job, &examined.directory, &examined.bad, (fact, left), &snapshots)?;
        } else if job.read {
            self.memos.push(Memo::Verified(job.file.clone(), bytes));
            job.number.into_iter().for_each(|number| self.memos.push(Memo::Bad(number, Vec::new())));
        }
        let Ok(directory) = examined.directory else { return Ok(true) };
        if !job.read {
            return Ok(true);
        }
        // A segment that no snapshot needs may not have been entered yet.
        let Some(number) = job.number else {
            self.done.records += examined.rows.iter().map(|(_, rows)| rows.len() as u64).sum::<u64>();
            return Ok(true);
        };
        let blank = self.inner.mending()?.blank.lines(number).map_or(0, |lines| lines.len());
        let mut agrees = rows.get(&number).copied().unwrap_or(0) + blank == directory.lines();
        for (object, rows) in examined.rows {
            self.done.records += rows.len() as u64;
            agrees &= self.index_has(&object, rows)?;
        }
        Ok(agrees)
    }

    /// Tells that a segment is damaged, and which of its lines can be trusted.
    fn hurt(
        &mut self,
        job: &Job,
        directory: &Result<Directory, Error>,
        bad: &[Bad],
        (fact, left): (String, Option<String>),
        snapshots: &[SnapshotId],
    ) -> Result<(), Error> {
        let known = self.loss_of(&job.file).is_some_and(|note| left.is_some() && note.left == left);
        let (mut objects, mut text) = (BTreeSet::new(), fact);
        match directory {
            Ok(directory) if job.read => {
                objects.extend(bad.iter().map(|(_, _, object, _)| ObjectName::new(object)));
                let blocks = directory.blocks.len();
                text.push_str(&format!("; {} of {blocks} blocks cannot be read", bad.len()));
                let lines = bad.iter().map(|(first, lines, ..)| (*first, *lines)).collect();
                self.memos.extend(job.number.map(|number| Memo::Bad(number, lines)));
            }
            Ok(_) => {}
            Err(_) => {
                if let Some(number) = job.number {
                    objects.extend(self.inner.index().objects_of(number)?.iter().map(|object| ObjectName::new(object)));
                    let lines = self.inner.index().lines_in(number)?;
                    self.memos.push(Memo::Bad(number, vec![(0, lines)]));
                }
            }
        }
        let problem = Problem::of(&job.file, Remedy::Fetch, text).hurting(snapshots);
        self.found(Problem { known, objects: objects.into_iter().collect(), ..problem });
        Ok(())
    }

    fn index_has(&self, object: &str, mut rows: Vec<Row>) -> Result<bool, Error> {
        rows.sort_by(|left, right| left.key.cmp(&right.key));
        let mut keys: Vec<Vec<u8>> = rows.iter().map(|row| row.key.clone()).collect();
        keys.dedup();
        let index = self.inner.index();
        let Some(number) = index.known_object(object)? else { return Ok(false) };
        let mut found = 0;
        let looked_up = index.look_up(number, &keys, &mut |at, row| {
            let of_key = rows.partition_point(|own| own.key < keys[at]);
            found += usize::from(rows[of_key..].iter().take_while(|own| own.key == row.key).any(|own| *own == row));
        });
        match looked_up {
            Err(error) if error.is_index_damage() => Ok(false),
            looked_up => looked_up.map(|()| found == rows.len()),
        }
    }
}

/// The same damage once more: an error is told where it is met, and its text elsewhere.
fn again(error: &Error) -> Error {
    match error {
        Error::Damaged { path, fact } => Error::damaged(path, fact.clone()),
        Error::Missing(path) => Error::Missing(path.clone()),
        other => Error::damaged(std::path::Path::new(SEGMENTS), other.to_string()),
    }
}

/// Looks at one segment.
fn examine(inner: &Inner, job: &Job) -> Examined {
    let path = inner.store.path(&job.file);
    let mut examined = Examined { hash: None, directory: Err(Error::PackerEnded), rows: Vec::new(), bad: Vec::new() };
    let mut bytes: Option<Bytes> = None;
    if job.read {
        let held = inner.store.length(&job.file).is_ok_and(|length| length <= HELD);
        if held {
            let read = inner.store.read(&job.file);
            examined.hash = Some(read.as_ref().map_err(again).map(|bytes| (bytes.len() as u64, hash(bytes))));
            bytes = read.ok().map(Bytes::from);
        } else {
            let read = inner.store.open(&job.file).and_then(|input| hash_of(input, &path));
            let length = inner.store.length(&job.file).unwrap_or(0);
            examined.hash = Some(read.map(|hash| (length, hash)));
        }
    }
    if !inner.reads_data() {
        examined.directory = Err(inner.secrets.needs("read segments", Role::Restore));
        return examined;
    }
    let open = || {
        let input = match &bytes {
            Some(bytes) => Box::new(Cursor::new(bytes.clone())) as Box<dyn crate::archive::disk::Input>,
            None => inner.store.open(&job.file)?,
        };
        SegmentFile::over(input, path.clone(), &inner.header.archive, inner.secrets.data.as_ref())
    };
    examined.directory = open().and_then(|mut opened| opened.directory());
    if let (Ok(directory), true) = (&examined.directory, job.read) {
        (examined.rows, examined.bad) = blocks(inner, job, &open, directory);
    }
    examined
}

/// Reads all blocks, several at a time.
fn blocks(
    inner: &Inner,
    job: &Job,
    open: &(impl Fn() -> Result<SegmentFile, Error> + Sync),
    directory: &Directory,
) -> (Vec<Good>, Vec<Bad>) {
    let mut first: u32 = 0;
    let mut placed = Vec::with_capacity(directory.blocks.len());
    for facts in &directory.blocks {
        placed.push((first, facts));
        first = first.saturating_add(facts.lines);
    }
    let share = |placed: &[(u32, &BlockFacts)]| {
        let mut opened = open();
        let (mut good, mut bad) = (Vec::new(), Vec::new());
        for (first, facts) in placed {
            let read = match &mut opened {
                Ok(opened) => block(inner, opened, facts, (job.number.unwrap_or(0), *first)),
                Err(error) => Err(fact_of(again(error)).unwrap_or_else(|error| error.to_string())),
            };
            match read {
                Ok(rows) => good.push((facts.object.clone(), rows)),
                Err(fact) => bad.push((*first, facts.lines, facts.object.clone(), fact)),
            }
        }
        (good, bad)
    };
    let shares: Vec<&[(u32, &BlockFacts)]> = placed.chunks(placed.len().div_ceil(job.hands).max(1)).collect();
    let read: Vec<(Vec<Good>, Vec<Bad>)> = match shares.as_slice() {
        [whole] => vec![share(whole)],
        shares => std::thread::scope(|scope| {
            let hands: Vec<_> = shares.iter().map(|placed| scope.spawn(|| share(placed))).collect();
            hands.into_iter().map(|hand| hand.join().expect("reading does not panic")).collect()
        }),
    };
    let (good, bad): (Vec<_>, Vec<_>) = read.into_iter().unzip();
    (good.into_iter().flatten().collect(), bad.into_iter().flatten().collect())
}

fn hash(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex().to_string()
}

/// Reads one block and compares it with what the directory says.
fn block(inner: &Inner, opened: &mut SegmentFile, facts: &BlockFacts, at: (u32, u32)) -> Result<Vec<Row>, String> {
    let text = opened.block(facts).map_err(|error| fact_of(error).unwrap_or_else(|error| error.to_string()))?;
    let object = ObjectName::new(&facts.object);
    let rows: Option<Vec<Row>> = rows_of(&text, &object, at.0, at.1, &inner.secrets.digest).collect();
    let rows = rows.ok_or_else(|| "a line that is no record".to_owned())?;
    let range = rows.iter().map(|row| &row.key).min().zip(rows.iter().map(|row| &row.key).max());
    let ends = range.map(|(least, greatest)| (key_text(least), key_text(greatest)));
    let right = blake3::hash(&text).to_hex().as_str() == facts.blake3
        && rows.len() as u64 == u64::from(facts.lines)
        && ends == Some((facts.first.clone(), facts.last.clone()));
    if right { Ok(rows) } else { Err(format!("the block at {} is not what the directory says", facts.offset)) }
}

fn key_text(key: &[u8]) -> String {
    crate::record::Key::from_bytes(key).map(|key| key.to_string()).unwrap_or_default()
}
