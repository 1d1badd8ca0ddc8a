//! How a snapshot begins, and what its manifest says in the end.
//!
//! Before the first page the index is brought in line with the disk: segments
//! that are gone are forgotten (their records are stored again), segments of an
//! interrupted run are entered (their records are not).

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use super::blob::BlobPacker;
use super::error::Error;
use super::manifest::{AliveRuns, ChangedRuns, Line, MapLine, SNAPSHOTS};
use super::map::{Map, to_runs};
use super::marks::MARKS;
use super::outline::Outlined;
use super::packer::Packer;
use super::progress::Progress;
use super::segment::{Effort, SEGMENTS};
use super::signed::Signer;
use super::snapshot::Snapshot;
use super::writer::{Head, Packing, SnapshotWriter, Unfinished};
use super::{Archive, Inner, SnapshotId, Source, Tally};
use crate::catalogue::ObjectName;

/// Deltas stand on each other at most this deep, so that any snapshot is readable from a handful of files.
const CHAIN_LIMIT: u32 = 16;

impl Archive {
    /// Begins a snapshot of records that are at hand, on top of the newest one, or takes up an unfinished one of the same
    /// source.
    pub fn begin(&self, source: Source) -> Result<SnapshotWriter<'_>, Error> {
        self.begin_with(source, |_| Vec::new(), Effort::Quick)
    }

    /// The same for a capture, whose records come over a line, and which has to know some of their fields later, whoever may
    /// read them then.
    pub fn begin_outlining(&self, source: Source, outlined: Outlined) -> Result<SnapshotWriter<'_>, Error> {
        self.begin_with(source, outlined, Effort::Thorough)
    }

    fn begin_with(&self, source: Source, outlined: Outlined, effort: Effort) -> Result<SnapshotWriter<'_>, Error> {
        self.inner.header.writable()?;
        self.inner.signing(Signer::Snapshots)?;
        let turn = self.inner.turn()?;
        let head = self.inner.healing(|inner| {
            inner.index().begin()?;
            let head = inner.reconcile().and_then(|()| self.head(&source, outlined));
            match &head {
                Ok(_) => inner.index().commit()?,
                Err(_) => inner.roll_back(),
            }
            head
        })?;
        let segment = {
            let mut index = self.inner.index();
            index.begin()?;
            index.next_segment()?
        };
        let packing = Packing {
            packer: Packer::start(&self.inner, effort)?,
            block: None,
            segment,
            lines: 0,
            lines_stored: 0,
            provisional: None,
            superseded: Vec::new(),
        };
        let mut writer = SnapshotWriter {
            archive: self,
            head,
            source,
            outlined,
            objects: HashMap::new(),
            order: Vec::new(),
            blobs: BTreeMap::new(),
            blob_packer: BlobPacker::default(),
            resumed: None,
            bytes_added: 0,
            first_segment: segment,
            packing,
            _turn: turn,
        };
        writer.take_up()?;
        Ok(writer)
    }

    fn head(&self, source: &Source, outlined: Outlined) -> Result<Head<'_>, Error> {
        let on_disk: Vec<SnapshotId> = self.inner.store.list(SNAPSHOTS)?.into_iter().map(SnapshotId).collect();
        let known: HashMap<SnapshotId, u64> = self.inner.index().snapshots()?.into_iter().collect();
        let (mut chain, mut follows): (Vec<(u64, SnapshotId)>, Vec<SnapshotId>) = (Vec::new(), Vec::new());
        // What a key that may not read knows of the numbers given out: not more than there were snapshots and marks.
        let beyond = (on_disk.len() + self.inner.store.list(MARKS)?.len()) as u64;
        let mut last = 0;
        for id in on_disk {
            let sequence = match known.get(&id) {
                // Seen here, and no more than that: what it holds this key may not read.
                Some(sequence) if self.inner.knows_by_name_only(&id)? => {
                    last = last.max(*sequence);
                    follows.push(id);
                    continue;
                }
                Some(sequence) => *sequence,
                None => match self.inner.line(&id) {
                    Ok(line) => line.sequence,
                    // Made by another machine, and this one may not read it: known by name only.
                    Err(error) if is_unreadable(&error) => {
                        follows.push(id);
                        continue;
                    }
                    Err(error) => return Err(error),
                },
            };
            self.inner.index().saw_snapshot(&id, sequence)?;
            chain.push((sequence, id));
        }
        chain.sort();
        last = chain.last().map_or(last, |(sequence, _)| last.max(*sequence));
        let newest = self.newest_of(&mut chain, &mut follows)?;
        let sequence = if follows.is_empty() { last } else { last.max(beyond) } + 1;
        let below = self.parent_of(source, &chain)?;
        let parent = match below {
            Some(below) => below.is_remembered(outlined)?.then_some(below),
            None => None,
        };
        // Snapshots there are and none to stand on: what this key has to know of them, it does not.
        let forgot = parent.is_none() && !self.inner.reads_data() && !(chain.is_empty() && follows.is_empty());
        Ok(Head { newest, parent, sequence, follows, forgot })
    }

    /// The newest snapshot that can be read; newer ones are known by name only.
    fn newest_of(
        &self,
        chain: &mut Vec<(u64, SnapshotId)>,
        follows: &mut Vec<SnapshotId>,
    ) -> Result<Option<Snapshot<'_>>, Error> {
        while let Some((_, id)) = chain.last() {
            match self.snapshot(id) {
                Err(error) if is_unreadable(&error) => follows.extend(chain.pop().map(|(_, id)| id)),
                newest => return newest.map(Some),
            }
        }
        Ok(None)
    }

    /// The newest snapshot of the same account: ids of another mean other records.
    fn parent_of(&self, source: &Source, chain: &[(u64, SnapshotId)]) -> Result<Option<Snapshot<'_>>, Error> {
        for (_, id) in chain.iter().rev() {
            let snapshot = match self.snapshot(id) {
                Err(error) if is_unreadable(&error) => continue,
                snapshot => snapshot?,
            };
            let from = &snapshot.manifest().source;
            if from.company_id == source.company_id && from.kind == source.kind {
                match snapshot.map() {
                    Ok(_) => return Ok(Some(snapshot)),
                    // A key that may not read knows positions only of what it wrote last.
                    Err(Error::NeedsKey { .. }) => return Ok(None),
                    // Backups go on over a damaged snapshot: an older one is as good to compare with.
                    Err(error) if is_unreadable(&error) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(None)
    }
}

impl Inner {
    /// Whether neither the key in use nor the index says what a snapshot holds.
    fn knows_by_name_only(&self, id: &SnapshotId) -> Result<bool, Error> {
        Ok(!self.reads_manifests() && self.index().snapshot_line(id)?.is_none())
    }

    /// Brings the index in line with the segments on disk.
    pub(super) fn reconcile(&self) -> Result<(), Error> {
        let on_disk: HashSet<String> = self.store.list_spread(SEGMENTS)?.into_iter().map(|(_, name)| name).collect();
        let known = self.index().segments()?;
        let gone: Vec<&(u32, String)> = known.iter().filter(|(_, name)| !on_disk.contains(name)).collect();
        let needed = if gone.is_empty() { HashSet::new() } else { self.named_segments()? };
        for (number, name) in gone {
            if needed.contains(name) {
                // Lost, not pruned: its rows say which records were in it.
                let lines = self.index().lines_in(*number)?;
                self.index().mark_bad(*number, 0, lines)?;
                self.look_again();
            } else {
                self.index().forget_segment(*number)?;
            }
        }
        self.absorb_the_rest()
    }
}

impl Inner {
    /// Segments that a snapshot which is not forgotten has lines of, as far as manifests can be read.
    fn named_segments(&self) -> Result<HashSet<String>, Error> {
        let mut named = HashSet::new();
        if !self.reads_manifests() {
            return Ok(named);
        }
        let forgotten = self.readable_standings()?.forgotten;
        for id in self.store.list(SNAPSHOTS)?.into_iter().map(SnapshotId).filter(|id| !forgotten.contains_key(id)) {
            match self.lines_by_name(&id) {
                Ok(lines) => named.extend(lines.into_keys()),
                Err(error) if is_unreadable(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(named)
    }
}

/// Whether a manifest, or one that its map stands on, cannot be read here.
fn is_unreadable(error: &Error) -> bool {
    matches!(error, Error::NeedsKey { .. } | Error::Damaged { .. } | Error::Missing(_) | Error::File { .. })
}

impl SnapshotWriter<'_> {
    /// True when there are snapshots to stand on, and the key in use neither reads them nor are they remembered here.
    pub fn has_forgotten(&self) -> bool {
        self.head.forgot
    }

    /// Takes up the unfinished capture in the index, if it is of the same source and stands on the same parent.
    fn take_up(&mut self) -> Result<(), Error> {
        let state = self.archive.inner.index().unfinished()?;
        let state = state.and_then(|state| serde_json::from_str::<Unfinished<serde_json::Value>>(&state).ok());
        let parent = self.head.parent.as_ref().map(|parent| &parent.manifest().id);
        let Some(state) = state.filter(|state| state.source == self.source && state.parent.as_ref() == parent) else {
            return Ok(());
        };
        let known: HashSet<u32> =
            self.archive.inner.index().segments()?.into_iter().map(|(number, _)| number).collect();
        let mut objects = Vec::new();
        for object in state.objects {
            let map = |text: &str| hex::decode(text).ok().and_then(|bytes| Map::from_bytes(&bytes));
            let maps = (map(&object.settled), map(&object.seen), map(&object.kept));
            let (Some(settled), Some(seen), Some(kept)) = maps else { return Ok(()) };
            let mending = self.archive.inner.mending()?;
            // Positions that a damaged archive lost meanwhile would be counted as seen.
            if !seen.segments().all(|(segment, _)| known.contains(&segment)) || !seen.and(&mending.bad).is_empty() {
                return Ok(());
            }
            let name = ObjectName::new(&object.object);
            let parent = self.head.parent.as_ref().map(|parent| parent.map_of(&name)).transpose()?.unwrap_or_default();
            let blank = parent.and(&mending.blank);
            objects.push((
                name,
                Progress {
                    parent: parent.minus(&blank),
                    blank,
                    settled,
                    seen,
                    kept,
                    withdrawn: object.withdrawn,
                    new: object.new,
                    changed: object.changed,
                    closed: object.closed,
                },
            ));
        }
        self.order = objects.iter().map(|(name, _)| name.clone()).collect();
        self.objects = objects.into_iter().collect();
        self.blobs = state.blobs.into_iter().map(|blob| (blob.blob.clone(), blob)).collect();
        self.bytes_added = state.bytes_added;
        self.resumed = Some(state.notes);
        Ok(())
    }

    /// The manifest's line and the map it stands for.
    pub(super) fn line(&self, tally: Tally) -> Result<(Line, Map), Error> {
        let inner = Arc::clone(&self.archive.inner);
        let mut map = Map::default();
        self.objects.values().for_each(|progress| map.add(&progress.seen));
        let names: HashMap<u32, String> = inner.index().segments()?.into_iter().collect();
        let mending = inner.mending()?;
        for (segment, _) in map.segments() {
            let name = names.get(&segment).ok_or_else(|| Error::IndexDamaged(format!("no segment {segment}")))?;
            // What is lost already may be carried over as lost; anything else has to be there.
            let lost = mending.bad.lines(segment).is_some_and(|bad| bad.contains(0));
            match inner.store.length(&super::store::Store::spread(SEGMENTS, name)) {
                Err(Error::Missing(_)) if lost => {}
                length => length.map(drop)?,
            }
        }
        let parent = self.head.newest.as_ref().map(|newest| newest.manifest().id.clone());
        let line = Line {
            format: super::header::FORMAT,
            archive: inner.header.archive.clone(),
            sequence: self.head.sequence,
            parent,
            follows: self.head.follows.clone(),
            source: self.source.clone(),
            started: tally.started,
            finished: inner.clock.now(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            requests: tally.requests,
            tokens: tally.tokens,
            bytes_added: self.bytes_added,
            notes: tally.notes,
            contents: self.order.iter().filter_map(|object| self.objects[object].closed.clone()).collect(),
            blobs: self.blobs.values().cloned().collect(),
            map: self.map_with_directories(&map, &names)?,
        };
        Ok((line, map))
    }

    fn map_with_directories(&self, map: &Map, names: &HashMap<u32, String>) -> Result<MapLine, Error> {
        let mut line = self.map_line(map, names)?;
        let numbers: HashMap<&str, u32> = names.iter().map(|(number, name)| (name.as_str(), *number)).collect();
        line.say_directories(|segment| {
            let Some(number) = numbers.get(segment) else { return Ok(None) };
            self.archive.inner.directory_known(*number).map(|known| Some(known.hash()))
        })?;
        Ok(line)
    }

    /// Against the parent's map where that is shorter, whole where the chain is long or the delta large.
    fn map_line(&self, map: &Map, names: &HashMap<u32, String>) -> Result<MapLine, Error> {
        let full = map.segments().map(|(segment, lines)| AliveRuns {
            segment: names[&segment].clone(),
            alive: to_runs(lines),
            directory: None,
        });
        let full = MapLine::Full { segments: full.collect() };
        let Some(newest) = &self.head.newest else { return Ok(full) };
        let chain = match self.archive.inner.line(&newest.manifest().id)?.map {
            MapLine::Full { .. } => 1,
            MapLine::Delta { chain, .. } => chain + 1,
        };
        // As it stands in the manifest: what stands in for lost lines there is added here.
        let old = match self.archive.inner.raw_map(&newest.manifest().id) {
            Err(error) if is_unreadable(&error) => return Ok(full),
            map => map?,
        };
        let (added, removed) = (map.minus(&old), old.minus(map));
        let touched: BTreeSet<u32> = added.segments().chain(removed.segments()).map(|(segment, _)| segment).collect();
        let runs = |map: &Map, segment| map.lines(segment).map(to_runs).unwrap_or_default();
        let mut segments = Vec::new();
        for segment in touched {
            let name =
                names.get(&segment).cloned().ok_or_else(|| Error::IndexDamaged(format!("no segment {segment}")))?;
            segments.push(ChangedRuns {
                segment: name,
                added: runs(&added, segment),
                removed: runs(&removed, segment),
                directory: None,
            });
        }
        let delta = MapLine::Delta { chain, segments };
        let length = |line: &MapLine| serde_json::to_string(line).map_or(usize::MAX, |text| text.len());
        let short = chain < CHAIN_LIMIT && length(&delta) <= length(&full) / 2;
        Ok(if short { delta } else { full })
    }
}
