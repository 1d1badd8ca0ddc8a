//! Segments: every one that a snapshot needs is there and holds what its directory says.
//!
//! Files are read once each, several at a time: hashed, unsealed, unpacked, and every record's digest
//! made anew. Beside that the index is read once in order; what both say of each block is compared by its
//! sum. Of a damaged file it is found out which blocks still can be read.

use std::collections::{BTreeSet, HashSet};
use std::io::Cursor;

use bytes::Bytes;

use super::memory::Memo;
use super::pool::{side_by_side, threads};
use super::roots::{Told, Whole, read_index};
use super::{Check, Problem, Remedy, fact_of};
use crate::archive::absorb::{Scratch, versions_of};
use crate::archive::error::Error;
use crate::archive::index::{Ledger, Sum};
use crate::archive::segment::{BlockFacts, Directory, SEGMENTS, SegmentFile};
use crate::archive::store::{Store, hash_of};
use crate::archive::{Inner, Role, SnapshotId};
use crate::catalogue::ObjectName;
use crate::record::Key;

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
    /// What manifests say that its directory hashes to.
    said: Option<String>,
    /// How many threads read its blocks.
    hands: usize,
}

/// What was found in a segment.
struct Examined {
    /// Bytes read, and their hash; nothing where only the directory was read.
    hash: Option<Result<(u64, String), Error>>,
    directory: Result<Directory, Error>,
    /// The blocks that can be read.
    good: Vec<Good>,
    /// Those that cannot.
    bad: Vec<Bad>,
}

/// What a thread reads files in, one after the other: memory that is there already costs nothing.
#[derive(Default)]
struct Desk {
    bytes: Vec<u8>,
    /// One for each thread that reads blocks.
    hands: Vec<Hand>,
}

#[derive(Default)]
struct Hand {
    text: Vec<u8>,
    scratch: Scratch,
}

/// A block's first line, and its versions.
type Good = (u32, Sum);

/// A block's first line, lines, object, and why it cannot be read.
type Bad = (u32, u32, String, String);

/// What was read of a segment that the index knows.
struct Heard {
    number: u32,
    directory: Directory,
    good: Vec<Good>,
    /// Lines of which nobody knows what they held.
    blank: u64,
}

impl Heard {
    /// Whether the index has the same blocks, in those that could be read the same versions, and a row for each other line.
    fn agrees(&self, ledger: &Ledger) -> bool {
        let Some(blocks) = ledger.blocks_of(self.number) else { return false };
        let same = blocks.iter().zip(placed(&self.directory)).all(|((object, block), (first, facts))| {
            (*object, block.first, block.lines) == (&facts.object, first, facts.lines)
        });
        let mut known = blocks.iter().map(|(_, block)| block);
        let found = |(first, sum): &Good| known.any(|block| block.first == *first && block.sum == *sum);
        let rows: u64 = blocks.iter().map(|(_, block)| block.sum.versions).sum();
        same && blocks.len() == self.directory.blocks.len()
            && self.good.iter().all(found)
            && rows + self.blank == self.directory.lines()
    }
}

impl Check<'_> {
    /// Returns what the index says of all versions, if that is asked for and agrees with all that was read.
    pub(super) fn segments(&mut self, whole: Option<&Whole>) -> Result<Option<Told>, Error> {
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
            let said = self.directories.get(&name).cloned();
            jobs.push(Job { file, name, number, read, said, hands: if large { threads() } else { 1 } });
        }
        let mut heard = Vec::new();
        let told = std::thread::scope(|scope| {
            let index = whole.map(|whole| scope.spawn(|| read_index(inner, whole)));
            let each = |job: &Job, examined| {
                heard.extend(self.judge(job, examined)?);
                Ok(())
            };
            side_by_side(&jobs, |job, desk| examine(inner, job, desk), each)?;
            index.map(|index| index.join().expect("reading does not panic")).transpose()
        });
        match told {
            Err(error) if error.is_index_damage() => Ok(None),
            told => Ok(told?.filter(|told| heard.iter().all(|heard| heard.agrees(&told.ledger)))),
        }
    }

    /// Tells what is wrong with a segment, and returns what the index must say of it.
    fn judge(&mut self, job: &Job, examined: Examined) -> Result<Option<Heard>, Error> {
        let snapshots = self.needs.get(&job.name).cloned().unwrap_or_default();
        let hash = match examined.hash.transpose() {
            Ok(hash) => hash,
            Err(error) => {
                self.hurt(job, &examined.directory, &examined.bad, (fact_of(error)?, None), &snapshots)?;
                return Ok(None);
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
        let (Ok(directory), true) = (examined.directory, job.read) else { return Ok(None) };
        self.done.records += examined.good.iter().map(|(_, sum)| sum.versions).sum::<u64>();
        // A segment that no snapshot needs may not have been entered yet.
        let Some(number) = job.number else { return Ok(None) };
        let blank = self.inner.mending()?.blank.lines(number).map_or(0, |lines| lines.len());
        Ok(Some(Heard { number, directory, good: examined.good, blank }))
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
        if job.read {
            self.memos.push(Memo::Failed(job.file.clone()));
        }
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
fn examine(inner: &Inner, job: &Job, Desk { bytes: held, hands }: &mut Desk) -> Examined {
    let path = inner.store.path(&job.file);
    let mut examined = Examined { hash: None, directory: Err(Error::PackerEnded), good: Vec::new(), bad: Vec::new() };
    let mut bytes: Option<Bytes> = None;
    if job.read {
        if inner.store.length(&job.file).is_ok_and(|length| length <= HELD) {
            let read = inner.store.read_into(&job.file, held).map(|()| (held.len() as u64, hash(held)));
            bytes = read.is_ok().then(|| Bytes::from(std::mem::take(held)));
            examined.hash = Some(read);
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
    examined.directory = match job.read {
        true => open().and_then(|mut opened| opened.directory()),
        false => glanced(inner, job),
    };
    if let (Ok(directory), true) = (&examined.directory, job.read) {
        hands.resize_with(hands.len().max(job.hands), Hand::default);
        (examined.good, examined.bad) = blocks(inner, job, &open, directory, &mut hands[..job.hands]);
    }
    *held = bytes.and_then(|bytes| bytes.try_into_mut().ok()).map(Vec::from).unwrap_or_default();
    examined
}

/// The directory alone, which the manifests vouch for.
fn glanced(inner: &Inner, job: &Job) -> Result<Directory, Error> {
    let path = inner.store.path(&job.file);
    let input = inner.store.open_in_part(&job.file)?.input;
    let mut opened = SegmentFile::over(input, path, &inner.header.archive, inner.secrets.data.as_ref())?;
    match &job.said {
        Some(said) => opened.directory_named(said),
        None => opened.directory(),
    }
}

/// Reads all blocks, several at a time.
fn blocks(
    inner: &Inner,
    job: &Job,
    open: &(impl Fn() -> Result<SegmentFile, Error> + Sync),
    directory: &Directory,
    hands: &mut [Hand],
) -> (Vec<Good>, Vec<Bad>) {
    let placed: Vec<_> = placed(directory).collect();
    let share = |placed: &[(u32, &BlockFacts)], hand: &mut Hand| {
        let mut opened = open().and_then(SegmentFile::without_checksums);
        let (mut good, mut bad) = (Vec::new(), Vec::new());
        for (first, facts) in placed {
            let read = match &mut opened {
                Ok(opened) => block(inner, opened, facts, (job.number.unwrap_or(0), *first), hand),
                Err(error) => Err(fact_of(again(error)).unwrap_or_else(|error| error.to_string())),
            };
            match read {
                Ok(sum) => good.push((*first, sum)),
                Err(fact) => bad.push((*first, facts.lines, facts.object.clone(), fact)),
            }
        }
        (good, bad)
    };
    let shares = placed.chunks(placed.len().div_ceil(hands.len()).max(1));
    let read: Vec<(Vec<Good>, Vec<Bad>)> = match hands {
        [hand] => vec![share(&placed, hand)],
        hands => std::thread::scope(|scope| {
            let threads: Vec<_> = shares.zip(hands).map(|(placed, hand)| scope.spawn(|| share(placed, hand))).collect();
            threads.into_iter().map(|thread| thread.join().expect("reading does not panic")).collect()
        }),
    };
    let (good, bad): (Vec<_>, Vec<_>) = read.into_iter().unzip();
    (good.into_iter().flatten().collect(), bad.into_iter().flatten().collect())
}

fn hash(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex().to_string()
}

/// Reads one block and compares it with what the directory says.
fn block(
    inner: &Inner,
    opened: &mut SegmentFile,
    facts: &BlockFacts,
    (segment, first): (u32, u32),
    Hand { text, scratch }: &mut Hand,
) -> Result<Sum, String> {
    opened.block_into(text, facts).map_err(|error| fact_of(error).unwrap_or_else(|error| error.to_string()))?;
    let object = ObjectName::new(&facts.object);
    let versions = versions_of(text, &object, &inner.secrets.digest, scratch);
    let versions = versions.ok_or_else(|| "a line that is no record".to_owned())?;
    let (mut sum, mut ends) = (Sum::default(), None);
    for (line, (key, digest)) in (first..).zip(versions) {
        sum.add(key, (segment, line), &digest);
        // The order of their bytes is the order of keys.
        ends = ends.map_or(Some((key, key)), |(least, most): (&[u8], _)| Some((least.min(key), key.max(most))));
    }
    let text_of = |key| Key::from_bytes(key).map(|key| key.to_string());
    let ends = ends.and_then(|(least, most)| text_of(least).zip(text_of(most)));
    let right = blake3::hash(text).to_hex().as_str() == facts.blake3
        && sum.versions == u64::from(facts.lines)
        && ends == Some((facts.first.clone(), facts.last.clone()));
    if right { Ok(sum) } else { Err(format!("the block at {} is not what the directory says", facts.offset)) }
}

/// The blocks, each with its first line.
fn placed(directory: &Directory) -> impl Iterator<Item = (u32, &BlockFacts)> {
    directory.blocks.iter().scan(0u32, |next, facts| {
        let first = *next;
        *next = first.saturating_add(facts.lines);
        Some((first, facts))
    })
}
