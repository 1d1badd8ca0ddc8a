//! Makes the index again from segments and manifests.

use super::error::Error;
use super::index::{INDEX, Index};
use super::manifest::SNAPSHOTS;
use super::segment::SEGMENTS;
use super::shelf::Shelf;
use super::{Archive, Role, SnapshotId, Unlock};
use crate::clock::Clock;

/// What an index was made from.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Reindexed {
    /// Manifests read.
    pub snapshots: u64,
    /// Segments read.
    pub segments: u64,
    /// Record versions entered.
    pub versions: u64,
    /// Files that could not be read, below the root; the rest is entered without them.
    pub unreadable: Vec<String>,
}

impl Archive {
    /// Throws the index away and makes it again from segments and manifests.
    ///
    /// Which snapshots were seen here before is carried over as long as the old file can be read,
    /// so that one removed meanwhile is still missed.
    pub fn reindex(place: impl Into<Shelf>, unlock: &dyn Unlock, clock: Clock) -> Result<Reindexed, Error> {
        let archive = Archive::open(place, unlock, clock)?;
        let inner = &archive.inner;
        if !inner.reads_data() || !inner.reads_manifests() {
            return Err(inner.secrets.needs("make the index again", Role::Restore));
        }
        let _turn = inner.turn()?;
        *inner.index() = Index::recreate(&inner.store.path(INDEX), archive.id())?;
        inner.forget_numbers();
        let mut done = Reindexed::default();
        inner.index().begin()?;
        for (file, name) in inner.store.list_spread(SEGMENTS)? {
            match inner.absorb(&name) {
                Ok(_) => done.segments += 1,
                Err(Error::Damaged { .. } | Error::Missing(_) | Error::File { .. }) => done.unreadable.push(file),
                Err(error) => return Err(error),
            }
        }
        for name in inner.store.list(SNAPSHOTS)? {
            let id = SnapshotId(name);
            let line = match inner.line(&id) {
                Err(Error::Damaged { .. } | Error::Missing(_) | Error::File { .. }) => {
                    done.unreadable.push(format!("{SNAPSHOTS}/{}", id.0));
                    continue;
                }
                line => line?,
            };
            let index = inner.index();
            index.saw_snapshot(&id, line.sequence)?;
            for blob in &line.blobs {
                index.put_blob(&inner.blob_key(&blob.blake3), blob)?;
            }
            done.snapshots += 1;
        }
        inner.index().commit()?;
        done.versions = inner.index().count()?;
        Ok(done)
    }
}
