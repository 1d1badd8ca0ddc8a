//! From a snapshot's id to its lines: the manifest, and the maps it stands on.

use std::collections::BTreeMap;

use roaring::RoaringBitmap;

use super::error::Error;
use super::manifest::{Line, MANIFEST, MapLine, SNAPSHOTS};
use super::map::{Map, from_runs};
use super::{Inner, Role, SnapshotId};

/// Maps standing on each other deeper than this are no maps this program wrote.
pub(super) const CHAIN_SANITY: usize = 64;
/// Nor do they say of more lines that these came, stayed or went.
const LINES_SANITY: u64 = 1 << 32;

/// Lines by the name of their segment.
pub(super) type Named = BTreeMap<String, RoaringBitmap>;

impl Inner {
    /// A manifest's line: from its file, or from the index where this machine wrote it and may not read it.
    pub(super) fn line(&self, id: &SnapshotId) -> Result<Line, Error> {
        if self.reads_manifests() {
            return self.read_signed(&MANIFEST, &id.0);
        }
        let line = self.index().snapshot_line(id)?.ok_or_else(|| self.secrets.needs("read manifests", Role::List))?;
        serde_json::from_str(&line).map_err(|error| Error::IndexDamaged(error.to_string()))
    }

    /// The positions of a snapshot, with what stands in for those that cannot be read.
    pub(super) fn map(&self, id: &SnapshotId) -> Result<Map, Error> {
        self.mended(self.raw_map(id)?)
    }

    /// The same of positions that are known by name.
    pub(super) fn map_of(&self, named: &Named) -> Result<Map, Error> {
        self.mended(self.numbered(named)?)
    }

    fn mended(&self, map: Map) -> Result<Map, Error> {
        let mending = self.mending()?;
        if mending.lost(&map).is_empty() {
            return Ok(mending.mend(map));
        }
        // What stands in for lost lines may lie in a segment that no snapshot named to this index so far.
        self.absorb_the_rest()?;
        Ok(self.mending()?.mend(map))
    }

    /// The positions of a snapshot as its manifest has them.
    pub(super) fn raw_map(&self, id: &SnapshotId) -> Result<Map, Error> {
        if !self.reads_manifests() {
            return self.index().snapshot_map(id)?.ok_or_else(|| self.secrets.needs("read manifests", Role::List));
        }
        self.numbered(&self.lines_by_name(id)?)
    }

    fn numbered(&self, named: &Named) -> Result<Map, Error> {
        let mut map = Map::default();
        for (segment, lines) in named {
            map.set(self.segment_number(segment)?, lines.clone());
        }
        Ok(map)
    }

    /// The positions of a snapshot, without asking the index: only segments that it has lines of.
    ///
    /// Lines that a prune packed anew are where they lie today. Segments that a map below it names and it does not need may have been pruned with the snapshots that did.
    pub(super) fn lines_by_name(&self, id: &SnapshotId) -> Result<Named, Error> {
        self.lines_upon(None, id)
    }

    /// The same beside those of another snapshot: where the map stands on it, nothing below is read again. Whoever goes
    /// through all snapshots, the oldest first, reads each manifest once.
    pub(super) fn lines_upon(&self, known: Option<&(SnapshotId, Named)>, id: &SnapshotId) -> Result<Named, Error> {
        let path = self.store.path(&format!("{SNAPSHOTS}/{}", id.0));
        let garbled = |fact: &str| Error::damaged(&path, fact.to_owned());
        let (mut deltas, mut line) = (Vec::new(), self.line(id)?);
        let (full, mut map) = loop {
            match line.map {
                MapLine::Full { segments } => break (segments, Named::new()),
                MapLine::Delta { segments, .. } => deltas.push(segments),
            }
            let parent = line
                .parent
                .filter(|_| deltas.len() < CHAIN_SANITY)
                .ok_or_else(|| garbled("its map stands on nothing"))?;
            if let Some((_, map)) = known.filter(|(known, _)| *known == parent) {
                break (Vec::new(), map.clone());
            }
            line = self.line(&parent)?;
        };
        let moves = self.moves()?;
        let mut left = LINES_SANITY;
        // Each part where it lies today: maps from before and after a move stand on each other.
        let mut today = |segment: &str, runs: &[u32], tell: &mut dyn FnMut(&str, RoaringBitmap)| {
            let lines = from_runs(runs).ok_or_else(|| garbled("runs beyond the last line"))?;
            left = left.checked_sub(lines.len()).ok_or_else(|| garbled("more lines than can be"))?;
            moves.today(segment, lines, tell)
        };
        for part in full {
            today(&part.segment, &part.alive, &mut |segment, lines| {
                *map.entry(segment.to_owned()).or_default() |= lines
            })?;
        }
        for part in deltas.into_iter().rev().flatten() {
            today(&part.segment, &part.removed, &mut |segment, lines| {
                *map.entry(segment.to_owned()).or_default() -= lines;
            })?;
            today(&part.segment, &part.added, &mut |segment, lines| {
                *map.entry(segment.to_owned()).or_default() |= lines;
            })?;
        }
        map.retain(|_, lines| !lines.is_empty());
        Ok(map)
    }
}
