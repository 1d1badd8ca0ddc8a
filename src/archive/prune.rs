//! Gives back the room of what no snapshot needs: pack anew, mark, wait, sweep.
//!
//! Two looks, because a copy or a restore may be reading what was forgotten a moment
//! ago: the first lists what is not needed, a later one removes what is listed for long
//! enough and is still not needed. What is needed is worked out anew each time from the
//! manifests alone, so the list can only ever delay a removal. Manifests go before
//! what they name: a crash in between leaves files that nobody names.

use std::collections::{BTreeMap, HashMap, HashSet};

use chrono::{DateTime, TimeDelta, Utc};
use roaring::RoaringBitmap;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::blob::BLOBS;
use super::error::Error;
use super::header::FORMAT;
use super::manifest::{Line, MapLine, SNAPSHOTS};
use super::map::Map;
use super::moves::MOVES;
use super::repack::{Packed, Worth};
use super::segment::SEGMENTS;
use super::signed::{Kind, Signer};
use super::store::Store;
use super::writer::Unfinished;
use super::{Archive, Inner, Role, SnapshotId};

/// Where the list of files that are not needed lies.
pub(super) const DOOMED: &str = "doomed";
/// How it is stored.
pub(super) const LIST: Kind = Kind { folder: DOOMED, word: "doomed", signer: Signer::Marking };
/// Files that are not needed, and since when that is known.
type Since = BTreeMap<String, DateTime<Utc>>;

/// Files, and their bytes.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Amount {
    /// How many.
    pub files: u64,
    /// Their stored bytes.
    pub bytes: u64,
}

/// What a prune removed, or would.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Pruned {
    /// Removed: listed for long enough.
    pub removed: Amount,
    /// Listed, and removed by a prune after `next`.
    pub waiting: Amount,
    /// Stays.
    pub needed: Amount,
    /// When the first of those that wait may be removed.
    pub next: Option<DateTime<Utc>>,
    /// Segments of which little was needed: the rest of them waits, too.
    pub packed: Packed,
    /// Contents of files were left as they are: which are needed stands in records, and the key may not read these.
    pub contents_stay: bool,
}

/// The line of a list.
#[derive(Serialize, Deserialize)]
struct Doomed {
    format: u32,
    archive: String,
    files: Since,
}

/// What snapshots need.
struct Needed {
    manifests: HashSet<SnapshotId>,
    segments: BTreeMap<String, RoaringBitmap>,
    blobs: HashSet<String>,
    /// Lists of moved lines.
    moves: HashSet<String>,
}

/// What a manifest says, without its positions: these are many, and one manifest's are in memory at a time.
struct Said {
    sequence: u64,
    /// The manifest that its map stands on.
    stands_on: Option<SnapshotId>,
    segments: Vec<String>,
    blobs: Vec<String>,
}

impl From<Line> for Said {
    fn from(line: Line) -> Said {
        let stands_on = line.parent.filter(|_| matches!(line.map, MapLine::Delta { .. }));
        let segments = line.map.names().cloned().collect();
        let blobs = line.blobs.into_iter().map(|blob| blob.blob).collect();
        Said { sequence: line.sequence, stands_on, segments, blobs }
    }
}

impl Archive {
    /// Packs anew what is worth it, lists what no snapshot needs, and removes what was listed at least `grace` ago. A dry run
    /// changes nothing.
    pub fn prune(&self, grace: TimeDelta, worth: Worth, dry_run: bool) -> Result<Pruned, Error> {
        let inner = &self.inner;
        inner.header.prunable()?;
        if !inner.reads_manifests() || inner.signer(Signer::Marking).is_none() {
            return Err(inner.secrets.needs("prune", Role::List));
        }
        let _turn = if dry_run { None } else { Some(inner.turn()?) };
        if !dry_run {
            inner.nothing_is_alarming("prune")?;
        }
        // What is needed of a segment is copied by whoever reads it.
        let packed = match inner.reads_data() {
            true => inner.repack(&inner.needed()?.segments, worth, !dry_run)?,
            false => Packed::default(),
        };
        let dead = inner.dead()?;
        let now = inner.clock.now();
        let (lists, listed) = inner.listed()?;
        let waiting: Since = dead.keys().map(|file| (file.clone(), listed.get(file).copied().unwrap_or(now))).collect();
        let ripe = |since: &DateTime<Utc>| *since + grace <= now;
        let mut done = Pruned { needed: inner.all()?, packed, contents_stay: !inner.reads_data(), ..Pruned::default() };
        for (file, since) in &waiting {
            let part = if ripe(since) { &mut done.removed } else { &mut done.waiting };
            *part = Amount { files: part.files + 1, bytes: part.bytes + dead[file] };
            done.needed.files = done.needed.files.saturating_sub(1);
            done.needed.bytes = done.needed.bytes.saturating_sub(dead[file]);
        }
        done.next = waiting.values().filter(|since| !ripe(since)).min().map(|since| *since + grace);
        if dry_run {
            return Ok(done);
        }
        // Listed before anything goes, and taken from the list only when it is gone.
        let list = inner.list_doomed(&waiting)?;
        for folder in [SNAPSHOTS, MOVES, SEGMENTS, BLOBS] {
            let of_folder = waiting.iter().filter(|(file, _)| file.split('/').next() == Some(folder));
            for (file, _) in of_folder.filter(|(_, since)| ripe(since)) {
                inner.store.remove(file)?;
            }
        }
        for old in lists.into_iter().filter(|old| Some(old) != list.as_ref()) {
            inner.store.remove(&format!("{DOOMED}/{old}"))?;
        }
        inner.forget_gone_segments()?;
        Ok(done)
    }
}

impl Inner {
    /// Files that no snapshot needs, and their lengths.
    fn dead(&self) -> Result<BTreeMap<String, u64>, Error> {
        let mut needed = self.needed()?;
        let mut dead: Vec<String> = Vec::new();
        for name in self.store.list(SNAPSHOTS)? {
            if !needed.manifests.contains(&SnapshotId(name.clone())) {
                dead.push(format!("{SNAPSHOTS}/{name}"));
            }
        }
        let moves = self.store.list(MOVES)?.into_iter().filter(|name| !needed.moves.contains(name));
        dead.extend(moves.map(|name| format!("{MOVES}/{name}")));
        let segments = self.store.list_spread(SEGMENTS)?;
        dead.extend(segments.into_iter().filter(|(_, name)| !needed.segments.contains_key(name)).map(|(file, _)| file));
        // Without the records nobody knows which contents they mention.
        let blobs = if self.reads_data() { self.store.list_spread(BLOBS)? } else { Vec::new() };
        let mut blobs: HashMap<String, String> = blobs
            .into_iter()
            .filter(|(_, name)| !needed.blobs.contains(name))
            .map(|(file, name)| (name, file))
            .collect();
        if !blobs.is_empty() {
            self.spare_mentioned(&std::mem::take(&mut needed.segments), &mut blobs)?;
        }
        dead.extend(blobs.into_values());
        self.lengths(dead)
    }

    /// Lengths of files; one that a running capture has just replaced is left out.
    fn lengths(&self, files: Vec<String>) -> Result<BTreeMap<String, u64>, Error> {
        let mut lengths = BTreeMap::new();
        for file in files {
            match self.store.length(&file) {
                Err(Error::Missing(_)) => {}
                length => drop(lengths.insert(file, length?)),
            }
        }
        Ok(lengths)
    }

    /// All that manifests name. One that cannot be read may need anything, so it is an error.
    fn needed(&self) -> Result<Needed, Error> {
        let forgotten = self.standings()?.forgotten;
        let mut said: HashMap<SnapshotId, Said> = HashMap::new();
        for name in self.store.list(SNAPSHOTS)? {
            let id = SnapshotId(name);
            let line = self.line(&id)?;
            said.insert(id, line.into());
        }
        let mut kept: Vec<&SnapshotId> = said.keys().filter(|id| !forgotten.contains_key(id)).collect();
        kept.sort_by_key(|id| (said[*id].sequence, *id));
        let (manifests, segments, blobs, moves) = (HashSet::new(), BTreeMap::new(), HashSet::new(), HashSet::new());
        let mut needed = Needed { manifests, segments, blobs, moves };
        let mut below = None;
        for id in kept {
            let lines = self.lines_upon(below.as_ref(), id)?;
            for (segment, alive) in &lines {
                *needed.segments.entry(segment.clone()).or_default() |= alive;
            }
            below = Some((id.clone(), lines));
            needed.blobs.extend(said[id].blobs.iter().cloned());
            // A map that says what changed needs the manifests below it, forgotten or not.
            let mut at = Some(id);
            while let Some(said) = at.and_then(|id| said.get(id)) {
                needed.manifests.extend(at.cloned());
                at = said.stands_on.as_ref();
            }
        }
        let maps = needed.manifests.iter().map(|id| &said[id].segments);
        needed.moves = self.needed_moves(maps.flatten().cloned().collect())?;
        self.need_of_unfinished(&mut needed)?;
        self.need_of_mending(&mut needed)?;
        Ok(needed)
    }

    /// What stands in for lost lines is needed as these are.
    fn need_of_mending(&self, needed: &mut Needed) -> Result<(), Error> {
        let mending = self.mending()?;
        let names: HashMap<u32, String> = self.index().segments()?.into_iter().collect();
        for (segment, lines) in mending.bad.segments() {
            let Some(alive) = names.get(&segment).and_then(|name| needed.segments.get(name)) else { continue };
            let twins: Vec<(u32, u32)> =
                (lines & alive).iter().filter_map(|line| mending.twin((segment, line))).collect();
            for (other, line) in twins {
                if let Some(name) = names.get(&other) {
                    needed.segments.entry(name.clone()).or_default().insert(line);
                }
            }
        }
        Ok(())
    }

    /// A capture that goes on tomorrow needs what it has stored so far.
    fn need_of_unfinished(&self, needed: &mut Needed) -> Result<(), Error> {
        let state = self.index().unfinished()?;
        let Some(state) = state.and_then(|state| serde_json::from_str::<Unfinished<Value>>(&state).ok()) else {
            return Ok(());
        };
        needed.blobs.extend(state.blobs.into_iter().map(|blob| blob.blob));
        let names: HashMap<u32, String> = self.index().segments()?.into_iter().collect();
        for object in state.objects {
            let seen = hex::decode(&object.seen).ok().and_then(|bytes| Map::from_bytes(&bytes));
            for (number, lines) in seen.iter().flat_map(Map::segments) {
                if let Some(name) = names.get(&number) {
                    *needed.segments.entry(name.clone()).or_default() |= lines;
                }
            }
        }
        Ok(())
    }

    /// Takes from the candidates every blob that a needed record mentions: manifests list only what their own run stored.
    fn spare_mentioned(
        &self,
        needed: &BTreeMap<String, RoaringBitmap>,
        candidates: &mut HashMap<String, String>,
    ) -> Result<(), Error> {
        for (name, alive) in needed {
            let read = self.mentions(name, alive, &mut |mention| drop(candidates.remove(&mention.hash)));
            match read {
                // What is noted as lost cannot say which contents it needs: all stay.
                Err(Error::Damaged { .. } | Error::Missing(_))
                    if self.loss_of(&Store::spread(SEGMENTS, name))?.is_some() =>
                {
                    candidates.clear();
                }
                read => read?,
            }
        }
        Ok(())
    }

    /// Lists on disk, and since when each file is on one.
    fn listed(&self) -> Result<(Vec<String>, Since), Error> {
        let names = self.store.list(DOOMED)?;
        let mut files: Since = BTreeMap::new();
        for name in &names {
            for (file, since) in self.read_signed::<Doomed>(&LIST, name)?.files {
                files.entry(file).and_modify(|known| *known = since.max(*known)).or_insert(since);
            }
        }
        Ok((names, files))
    }

    /// Puts the list in place, if there is anything to list.
    fn list_doomed(&self, files: &Since) -> Result<Option<String>, Error> {
        if files.is_empty() {
            return Ok(None);
        }
        let line = Doomed { format: FORMAT, archive: self.header.archive.clone(), files: files.clone() };
        self.place_signed(&LIST, &line).map(Some)
    }

    fn all(&self) -> Result<Amount, Error> {
        let mut files: Vec<String> = Vec::new();
        for folder in [SNAPSHOTS, MOVES] {
            files.extend(self.store.list(folder)?.into_iter().map(|name| format!("{folder}/{name}")));
        }
        for folder in [SEGMENTS, BLOBS] {
            files.extend(self.store.list_spread(folder)?.into_iter().map(|(file, _)| file));
        }
        let lengths = self.lengths(files)?;
        Ok(Amount { files: lengths.len() as u64, bytes: lengths.values().sum() })
    }

    /// Takes segments that are gone out of the index, so that their records are stored again when they come back.
    fn forget_gone_segments(&self) -> Result<(), Error> {
        self.healing(|inner| {
            inner.index().begin()?;
            match inner.reconcile() {
                Ok(()) => inner.index().commit(),
                Err(error) => {
                    inner.roll_back();
                    Err(error)
                }
            }
        })?;
        self.forget_numbers();
        Ok(())
    }
}
