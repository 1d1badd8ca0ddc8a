//! Which files a snapshot cannot be read without.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::blob::BLOBS;
use super::losses::LOSSES;
use super::manifest::{MapLine, SNAPSHOTS};
use super::marks::MARKS;
use super::mentions::blobs_in;
use super::moves::MOVES;
use super::positions::CHAIN_SANITY;
use super::segment::SEGMENTS;
use super::store::Store;
use super::{Archive, Error, FileName, SnapshotId};

impl Archive {
    /// The manifest of a snapshot, those its map stands on, the segments and blobs of all of them, and where lines moved.
    ///
    /// The others are whole as well, so that whoever has these files has whole snapshots only. Those that were forgotten
    /// are not: what they alone needed may be gone, and the marks that say so come along.
    pub fn files_of(&self, id: &SnapshotId) -> Result<Vec<FileName>, Error> {
        let moves = self.inner.store.list(MOVES)?;
        let mut files: BTreeSet<String> = moves.into_iter().map(|name| format!("{MOVES}/{name}")).collect();
        let on_disk: HashSet<String> = self.inner.store.list_spread(BLOBS)?.into_iter().map(|(_, name)| name).collect();
        let forgotten = self.inner.readable_standings()?.forgotten;
        for id in self.standing_on(id)? {
            files.insert(format!("{SNAPSHOTS}/{}", id.0));
            if forgotten.contains_key(&id) {
                files.extend(self.inner.store.list(MARKS)?.into_iter().map(|name| format!("{MARKS}/{name}")));
                continue;
            }
            let map = self.inner.healing(|inner| inner.map(&id))?;
            let names: HashMap<u32, String> = self.inner.index().segments()?.into_iter().collect();
            files.extend(
                map.segments().filter_map(|(number, _)| names.get(&number)).map(|name| Store::spread(SEGMENTS, name)),
            );
            let blobs = self.inner.line(&id)?.blobs.into_iter().map(|blob| blob.blob);
            files.extend(blobs.map(|name| Store::spread(BLOBS, &name)));
            if !on_disk.is_empty() {
                let used = self.blobs_in(&id, &on_disk)?;
                files.extend(used.iter().map(|name| Store::spread(BLOBS, name)));
            }
        }
        // What stands in for lost lines is found by the notes that say what these held.
        files.extend(self.inner.store.list(LOSSES)?.into_iter().map(|name| format!("{LOSSES}/{name}")));
        Ok(files.iter().filter_map(|path| FileName::parse(path)).collect())
    }

    /// The snapshot, and those before it down to one with a full map.
    fn standing_on(&self, id: &SnapshotId) -> Result<Vec<SnapshotId>, Error> {
        let mut chain = vec![id.clone()];
        loop {
            let id = chain.last().expect("it begins with one");
            let line = self.inner.line(id)?;
            match (line.map, line.parent) {
                (MapLine::Delta { .. }, Some(parent)) if chain.len() < CHAIN_SANITY => chain.push(parent),
                _ => return Ok(chain),
            }
        }
    }

    /// The blobs that records of a snapshot name: contents that were not fetched again stand in no newer manifest.
    fn blobs_in(&self, id: &SnapshotId, on_disk: &HashSet<String>) -> Result<HashSet<String>, Error> {
        let snapshot = self.snapshot(id)?;
        let mut used = HashSet::new();
        for contents in &snapshot.manifest().contents {
            for record in snapshot.records(&contents.object)? {
                let record = record?;
                used.extend(blobs_in(record.text()).filter_map(|name| on_disk.get(name).cloned()));
            }
        }
        Ok(used)
    }
}
