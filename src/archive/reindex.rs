//! Makes the index again from segments and manifests.

use std::path::Path;

use super::error::Error;
use super::index::{INDEX, Index};
use super::manifest::SNAPSHOTS;
use super::segment::SEGMENTS;
use super::{Archive, SnapshotId, Unlock};
use crate::clock::Clock;

/// What an index was made from.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Reindexed {
    /// Manifests read.
    pub snapshots: u64,
    /// Segments read.
    pub segments: u64,
    /// Record versions entered.
    pub versions: u64,
}

impl Archive {
    /// Throws the index away and makes it again from segments and manifests.
    ///
    /// Which snapshots were seen here before is carried over as long as the old file can be read,
    /// so that one removed meanwhile is still missed.
    pub fn reindex(root: &Path, unlock: &dyn Unlock, clock: Clock) -> Result<Reindexed, Error> {
        let archive = Archive::open(root, unlock, clock)?;
        let inner = &archive.inner;
        if !inner.reads_data() || !inner.reads_manifests() {
            return Err(Error::NeedsKey { doing: "make the index again", role: inner.secrets.role.as_str() });
        }
        let _run = super::run::Run::begin(&inner.store, clock.now())?;
        *inner.index() = Index::recreate(&inner.store.path(INDEX), archive.id())?;
        inner.forget_numbers();
        let mut done = Reindexed::default();
        inner.index().begin()?;
        for (_, name) in inner.store.list_spread(SEGMENTS)? {
            inner.absorb(&name)?;
            done.segments += 1;
        }
        for name in inner.store.list(SNAPSHOTS)? {
            let id = SnapshotId(name);
            let line = inner.line(&id)?;
            let index = inner.index();
            index.saw_snapshot(&id, line.sequence)?;
            for blob in &line.blobs {
                index.put_blob(&inner.blob_key(&blob.blake3), blob)?;
            }
            done.snapshots += 1;
        }
        inner.index().commit()?;
        done.versions = inner.index().versions_of_segment()?.values().sum();
        Ok(done)
    }
}
