//! Looks for damage, reports what it finds, changes nothing that is not derived.
//!
//! Without reading data: names, headers, directories, signatures, the chain of
//! snapshots and whatever it names. With it: every stored byte, every line and
//! every content root again from the records themselves. A logged problem must
//! never end as a success, so every finding goes through one counter. What the
//! index may learn of it (which lines can be trusted, what was here) it is told at the end.

mod blobs;
mod chain;
mod memory;
mod pool;
mod problem;
mod roots;
mod segments;

use std::collections::{HashMap, HashSet};
use std::time::{Duration, UNIX_EPOCH};

pub use self::problem::{Checked, Kind, Problem, Reading, Remedy};

use self::memory::Memo;
use self::roots::{Whole, read_index};
use super::blob::BLOBS;
use super::drills::DRILLS;
use super::error::Error;
use super::header::{HEADER, HEADER_COPY, Header};
use super::holders::{file_of, holders};
use super::index::INDEX;
use super::labels::LABELS;
use super::log::LOGS;
use super::losses::LossLine;
use super::manifest::{Line, SNAPSHOTS};
use super::map::Map;
use super::marks::MARKS;
use super::moves::MOVES;
use super::prune::DOOMED;
use super::run::Turn;
use super::segment::SEGMENTS;
use super::shelf::belongs;
use super::store::{QUARANTINE, hash_of};
use super::subset::Candidate;
use super::{Archive, Inner, SnapshotId};

/// How long another one's turn is waited for before the archive is looked at again.
const MOMENT: Duration = Duration::from_secs(1);

/// How often an archive is looked at that is pruned meanwhile.
const LOOKS: u32 = 5;

impl Archive {
    /// Checks the structure, and reads as much as is asked for. The report counts what was looked at; problems are told
    /// at the end, because what a prune moved or removed meanwhile is no damage and is looked at again.
    pub fn check(&self, reading: impl Into<Reading>, problem: &mut dyn FnMut(Problem)) -> Result<Checked, Error> {
        self.inner.header.checkable()?;
        let reading = reading.into();
        let mut turn = None;
        for _ in 0..LOOKS {
            let before = self.inner.arrangement()?;
            let mut problems = Vec::new();
            let mut tell = |problem| problems.push(problem);
            let mut check = Check::begin(&self.inner, reading, &mut tell)?;
            let looked = check.look(turn.is_some());
            let (sound, done) = (check.done.problems == 0, check.done);
            if looked.is_err() || !sound {
                self.inner.store.look_again()?;
                if self.inner.arrangement()? != before {
                    self.inner.forget_numbers();
                    continue;
                }
                self.inner.still_opens()?;
            }
            // Whoever prunes or captures changes the index and the segments one after the other: the index is judged while
            // nobody does.
            if !looked? && turn.is_none() {
                turn = self.inner.turn_or_wait()?;
                self.inner.forget_numbers();
                continue;
            }
            check.remember()?;
            let read_as_of = check.read_as_of()?;
            problems.into_iter().for_each(problem);
            return Ok(Checked { read_as_of, ..done });
        }
        Err(Error::Busy("snapshots were forgotten or pruned again and again while they were checked".to_owned()))
    }
}

/// A snapshot under check; without a map once a problem with it was told.
struct Seen {
    id: SnapshotId,
    line: Line,
    readable: bool,
}

struct Check<'c> {
    inner: &'c Inner,
    reading: Reading,
    /// The files that are read whole, where not all are.
    chosen: Option<HashSet<String>>,
    tell: &'c mut dyn FnMut(Problem),
    done: Checked,
    snapshots: Vec<Seen>,
    /// Snapshots by the name of a segment they need.
    needs: HashMap<String, Vec<SnapshotId>>,
    /// What the directories of segments hash to, as manifests and lists of what moved say.
    directories: HashMap<String, String>,
    /// Numbers of snapshots that were forgotten: these may be gone.
    forgotten: HashMap<SnapshotId, u64>,
    /// Snapshots that came without those before them.
    alone: HashSet<SnapshotId>,
    /// What is known to be lost.
    losses: Vec<LossLine>,
    /// What the index is told at the end.
    memos: Vec<Memo>,
    /// Files with problems, below the root.
    hurt: HashSet<String>,
}

impl<'c> Check<'c> {
    fn begin(inner: &'c Inner, reading: Reading, tell: &'c mut dyn FnMut(Problem)) -> Result<Check<'c>, Error> {
        Ok(Check {
            inner,
            reading,
            chosen: None,
            tell,
            done: Checked::default(),
            snapshots: Vec::new(),
            needs: HashMap::new(),
            directories: HashMap::new(),
            forgotten: HashMap::new(),
            alone: HashSet::new(),
            losses: inner.losses()?,
            memos: Vec::new(),
            hurt: HashSet::new(),
        })
    }

    /// Everything once; what was learnt is not remembered yet. False when the index does not agree with the segments and
    /// somebody may be changing either.
    fn look(&mut self, nobody_writes: bool) -> Result<bool, Error> {
        self.choose()?;
        // A copy on this machine proves nothing of what lies in a store.
        self.inner.store.read_anew(&|file| self.reads(file))?;
        if self.reading != Reading::Structure {
            self.inner.enter_all()?;
        }
        self.headers()?;
        self.marks()?;
        self.notes()?;
        self.moves()?;
        self.manifests()?;
        let whole = self.maps()?;
        let rereads = self.reading != Reading::Structure && self.inner.reads_data() && self.inner.reads_manifests();
        let whole = rereads.then_some(whole);
        let told = self.segments(whole.as_ref())?;
        self.blobs()?;
        self.logs()?;
        self.strangers()?;
        self.missed_files()?;
        match (whole, told) {
            (Some(whole), Some(told)) => self.roots(&whole, &told),
            (Some(_), None) if nobody_writes => {
                let text = "does not agree with the segments; it has been thrown away and is made again";
                self.found(Problem::of(INDEX, Remedy::None, text));
                self.inner.discard_index()?;
                let whole = self.whole()?;
                let told = read_index(self.inner, &whole)?;
                self.roots(&whole, &told);
            }
            (Some(_), None) => return Ok(false),
            (None, _) => {}
        }
        Ok(true)
    }
}

impl Inner {
    /// Segments and blobs, and how the last reading of each went.
    fn read_whole(&self) -> Result<Vec<Candidate>, Error> {
        let verified = self.index().verified()?;
        let mut candidates = Vec::new();
        for folder in [SEGMENTS, BLOBS] {
            for (file, _) in self.store.list_spread(folder)? {
                let bytes = self.store.length(&file).unwrap_or(0);
                let since = self.store.modified(&file).and_then(|at| at.duration_since(UNIX_EPOCH).ok());
                let written = since.map(|since| since.as_secs().cast_signed());
                candidates.push(Candidate { verified: verified.get(&file).copied(), written, bytes, file });
            }
        }
        Ok(candidates)
    }

    /// The turn, or none after a moment in which somebody else had it.
    fn turn_or_wait(&self) -> Result<Option<Turn>, Error> {
        match self.turn() {
            Ok(turn) => Ok(Some(turn)),
            Err(Error::Busy(_)) => {
                std::thread::sleep(MOMENT);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// What a prune or a decision about snapshots changes: where a look at the archive that spans a change of it goes wrong.
    fn arrangement(&self) -> Result<Vec<Vec<String>>, Error> {
        // Another machine may have pruned.
        self.store.look_again()?;
        [SNAPSHOTS, MARKS, MOVES, DOOMED].iter().map(|folder| self.store.list(folder)).collect()
    }
}

impl Check<'_> {
    fn found(&mut self, problem: Problem) {
        let known = problem.known;
        self.hurt.extend(problem.file.as_ref().and_then(|file| file.to_str()).map(str::to_owned));
        self.done.problems += u64::from(!known);
        self.done.known += u64::from(known);
        let file = problem.file.map(|name| self.inner.store.path(&name.to_string_lossy()));
        (self.tell)(Problem { file, ..problem });
    }

    /// Tells damage as a problem of the file; anything else ends the check.
    fn damage<T>(
        &mut self,
        file: &str,
        result: Result<T, Error>,
        snapshots: &[SnapshotId],
    ) -> Result<Option<T>, Error> {
        let text = match result {
            Ok(value) => return Ok(Some(value)),
            Err(error) => fact_of(error)?,
        };
        self.found(Problem::of(file, Remedy::Fetch, text).hurting(snapshots));
        Ok(None)
    }

    /// The newest note of loss on a file.
    fn loss_of(&self, file: &str) -> Option<&LossLine> {
        self.losses.iter().rev().find(|note| note.file == file)
    }

    /// Whether it is known that a file is gone.
    fn is_known_gone(&self, file: &str) -> bool {
        self.loss_of(file).is_some_and(|note| note.left.is_none())
    }

    /// Tells of a file that is not there.
    fn missing(&mut self, file: &str, snapshots: &[SnapshotId]) {
        let known = self.is_known_gone(file);
        self.found(Problem { known, ..Problem::of(file, Remedy::Fetch, "is missing").hurting(snapshots) });
    }

    /// Which files are read whole.
    fn choose(&mut self) -> Result<(), Error> {
        let Reading::Some(subset) = self.reading else { return Ok(()) };
        let candidates = self.inner.read_whole()?;
        self.done.to_read = candidates.len() as u64;
        self.chosen = Some(subset.choose(candidates).into_iter().map(|one| one.file).collect());
        Ok(())
    }

    /// Whether every byte of a file is read.
    fn reads(&self, file: &str) -> bool {
        match (self.reading, &self.chosen) {
            (Reading::Structure, _) => false,
            (_, Some(chosen)) => chosen.contains(file),
            (_, None) => true,
        }
    }

    fn headers(&mut self) -> Result<(), Error> {
        let store = &self.inner.store;
        let mut whole = 0;
        for name in [HEADER, HEADER_COPY] {
            match Header::parse(store, name) {
                Ok(_) => whole += 1,
                Err(error) => {
                    let text = fact_of(error)?;
                    self.found(Problem::of(name, Remedy::Header, text));
                }
            }
        }
        if whole == 2 && store.read(HEADER)? != store.read(HEADER_COPY)? {
            self.found(Problem::of(HEADER, Remedy::Header, format!("differs from its copy {HEADER_COPY}")));
        }
        for name in holders(store)? {
            self.name_is_hash(&file_of(&name), &[])?;
        }
        for name in store.list(LABELS)? {
            self.name_is_hash(&format!("{LABELS}/{name}"), &[])?;
        }
        Ok(())
    }

    /// Reads a whole file and compares its hash with its name.
    fn name_is_hash(&mut self, file: &str, snapshots: &[SnapshotId]) -> Result<bool, Error> {
        let path = self.inner.store.path(file);
        let found = self.inner.store.open(file).and_then(|input| hash_of(input, &path));
        self.done.bytes_read += self.inner.store.length(file).unwrap_or(0);
        let Some(found) = self.damage(file, found, snapshots)? else { return Ok(false) };
        let right = file.rsplit('/').next() == Some(found.as_str());
        if !right {
            let text = format!("its bytes hash to {}", &found[..16]);
            self.found(Problem::of(file, Remedy::Fetch, text).hurting(snapshots));
        }
        Ok(right)
    }

    /// Positions exist and are as many as the manifest counts; returns them where each is known.
    fn maps(&mut self) -> Result<Whole, Error> {
        let (numbers, mut whole, mut below) = (self.inner.generation(), Whole::new(), None);
        for at in 0..self.snapshots.len() {
            let (id, file) = (self.snapshots[at].id.clone(), format!("{SNAPSHOTS}/{}", self.snapshots[at].id.0));
            if self.inner.reads_manifests() {
                let named = self.inner.lines_upon(below.as_ref(), &id);
                let Some(named) = self.beneath(&file, named, &id)? else {
                    self.snapshots[at].readable = false;
                    continue;
                };
                named.keys().for_each(|segment| self.need(segment, &id));
                if self.reading == Reading::Structure {
                    self.inner.glance_at(&id, named.keys())?;
                }
                below = Some((id.clone(), named));
            }
            if !self.inner.reads_data() {
                continue;
            }
            let map = self.inner.healing(|inner| match &below {
                Some((_, named)) => inner.map_of(named),
                None => inner.map(&id),
            });
            let Some(map) = self.beneath(&file, map, &id)? else {
                self.snapshots[at].readable = false;
                continue;
            };
            self.counts(at, &map)?;
            whole.push((at, map));
        }
        // With another index the segments have other numbers.
        if self.inner.generation() == numbers { self.known(whole) } else { self.whole() }
    }

    /// Tells damage as a problem of the file that a snapshot stands on.
    fn beneath<T>(&mut self, file: &str, result: Result<T, Error>, id: &SnapshotId) -> Result<Option<T>, Error> {
        let error = match result {
            Ok(value) => return Ok(Some(value)),
            Err(error) => error,
        };
        let root = self.inner.store.root();
        let below = match &error {
            Error::Damaged { path, .. } | Error::Missing(path) | Error::File { path, .. } => {
                path.strip_prefix(root).ok()
            }
            _ => None,
        };
        let file = below.and_then(|below| below.to_str()).unwrap_or(file).replace('\\', "/");
        let known = self.is_known_gone(&file);
        let text = fact_of(error)?;
        self.found(Problem { known, ..Problem::of(&file, Remedy::Fetch, text).hurting(std::slice::from_ref(id)) });
        Ok(None)
    }

    fn need(&mut self, segment: &str, id: &SnapshotId) {
        let needing = self.needs.entry(segment.to_owned()).or_default();
        if needing.last() != Some(id) {
            needing.push(id.clone());
        }
    }

    fn counts(&mut self, at: usize, map: &Map) -> Result<(), Error> {
        let mut in_objects = 0;
        let mut problems = Vec::new();
        for contents in &self.snapshots[at].line.contents {
            let found = map.and(&self.inner.index().extent(contents.object.as_str())?).len();
            in_objects += found;
            if found != contents.records {
                problems.push(format!("{} {} counted, {found} found", contents.records, contents.object));
            }
        }
        if in_objects != map.len() {
            problems.push(format!("{} positions, {in_objects} of them in its objects", map.len()));
        }
        let id = self.snapshots[at].id.clone();
        for text in problems {
            self.found(
                Problem::of(&format!("{SNAPSHOTS}/{}", id.0), Remedy::None, text).hurting(std::slice::from_ref(&id)),
            );
        }
        Ok(())
    }

    fn logs(&mut self) -> Result<(), Error> {
        if !self.inner.reads_data() {
            return Ok(());
        }
        for folder in [LOGS, DRILLS] {
            for name in self.inner.store.list(folder)? {
                let file = format!("{folder}/{name}");
                let read = self.inner.walk_in(folder, &name, &mut |_| {});
                match read {
                    Ok(read) if read.torn => {
                        self.found(Problem::of(&file, Remedy::Log, "its last entry is torn"));
                    }
                    Ok(_) => self.memos.push(Memo::Saw(file.clone(), self.inner.store.length(&file).unwrap_or(0))),
                    Err(error) => {
                        let text = fact_of(error)?;
                        self.found(Problem::of(&file, Remedy::Log, text));
                    }
                }
            }
        }
        Ok(())
    }

    /// Files that no archive has.
    fn strangers(&mut self) -> Result<(), Error> {
        for name in self.inner.store.list("")? {
            if !belongs(&name) {
                self.found(Problem::of(&name, Remedy::MoveOut, "does not belong to an archive"));
            }
        }
        self.done.quarantined = self.inner.store.list(QUARANTINE)?.len() as u64;
        Ok(())
    }
}

/// What an error says of a file; one that says nothing of it is an error of the check.
fn fact_of(error: Error) -> Result<String, Error> {
    match error {
        Error::Damaged { fact, .. } => Ok(fact),
        Error::Missing(_) => Ok("is missing".to_owned()),
        Error::File { source, .. } => Ok(source.to_string()),
        error @ (Error::NewerFormat { .. } | Error::UnknownFeature { .. }) => Ok(error.to_string()),
        error => Err(error),
    }
}
