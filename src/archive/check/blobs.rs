//! Contents of files: those that a snapshot names are there.
//!
//! A manifest lists what its own run stored, so that a snapshot on top of others needs
//! contents that only theirs list. While all of them are here their lists are complete;
//! once one was forgotten or is gone, what the records themselves mention is looked up.

use std::collections::{BTreeMap, HashMap, HashSet};

use roaring::RoaringBitmap;

use super::Check;
use crate::archive::blob::BLOBS;
use crate::archive::error::Error;
use crate::archive::store::Store;
use crate::archive::{BlobRef, SnapshotId};

/// Who needs contents, by the name of their file, and what a manifest says of them.
type Needs = BTreeMap<String, (Option<BlobRef>, Vec<SnapshotId>)>;

impl Check<'_> {
    pub(super) fn blobs(&mut self) -> Result<(), Error> {
        let mut needs = Needs::new();
        for seen in &self.snapshots {
            for blob in &seen.line.blobs {
                let (known, snapshots) = needs.entry(blob.blob.clone()).or_default();
                known.get_or_insert_with(|| blob.clone());
                snapshots.push(seen.id.clone());
            }
        }
        if !self.lists_are_complete() && self.inner.reads_data() && self.inner.reads_manifests() {
            self.mentioned(&mut needs)?;
        }
        let mut on_disk = HashSet::new();
        for (file, name) in self.inner.store.list_spread(BLOBS)? {
            let (known, snapshots) = needs.get(&name).cloned().unwrap_or_default();
            self.blob(&file, &name, known, snapshots)?;
            on_disk.insert(name);
        }
        for (name, (_, snapshots)) in needs.into_iter().filter(|(name, _)| !on_disk.contains(name)) {
            self.found(Some(&Store::spread(BLOBS, &name)), "is missing".to_owned(), snapshots);
        }
        Ok(())
    }

    fn blob(
        &mut self,
        file: &str,
        name: &str,
        known: Option<BlobRef>,
        snapshots: Vec<SnapshotId>,
    ) -> Result<(), Error> {
        self.done.blobs += 1;
        if file != Store::spread(BLOBS, name) {
            self.found(Some(file), "lies in the wrong folder".to_owned(), snapshots.clone());
        }
        if !self.read_data || !self.name_is_hash(file, &snapshots)? || !self.inner.reads_data() {
            return Ok(());
        }
        let inner = self.inner;
        let path = inner.store.path(file);
        let mut context = zstd::zstd_safe::DCtx::create();
        let read =
            inner.store.open(file).and_then(|input| inner.copy_blob(input, &path, &mut std::io::sink(), &mut context));
        let read = self.damage(file, read.map(|(read, _)| read), &snapshots)?;
        if read.zip(known).is_some_and(|(read, known)| read != (known.bytes, known.blake3)) {
            self.found(Some(file), "holds other contents than the manifest says".to_owned(), snapshots);
        }
        Ok(())
    }

    /// Whether every snapshot from the first on is here and wanted: then what one needs is listed by it or by one before it.
    fn lists_are_complete(&self) -> bool {
        self.forgotten.is_empty() && self.snapshots.iter().zip(1..).all(|(seen, number)| seen.line.sequence == number)
    }

    /// Adds what records mention. A snapshot or a segment that cannot be read has been told of before.
    fn mentioned(&self, needs: &mut Needs) -> Result<(), Error> {
        let mut alive: BTreeMap<String, Vec<(&SnapshotId, RoaringBitmap)>> = BTreeMap::new();
        for seen in self.snapshots.iter().filter(|seen| seen.readable) {
            for (segment, lines) in self.inner.lines_by_name(&seen.id)? {
                alive.entry(segment).or_default().push((&seen.id, lines));
            }
        }
        for (segment, snapshots) in alive {
            let mut any = RoaringBitmap::new();
            snapshots.iter().for_each(|(_, lines)| any |= lines);
            let mut mentions: HashMap<String, RoaringBitmap> = HashMap::new();
            let read = self.inner.lines_of(&segment, &any, &mut |number, line| {
                for name in crate::archive::needs::blobs_in(line) {
                    mentions.entry(name.to_owned()).or_default().insert(number);
                }
            });
            match read {
                Ok(()) | Err(Error::Damaged { .. } | Error::Missing(_) | Error::File { .. }) => {}
                Err(error) => return Err(error),
            }
            for (name, at) in mentions {
                let needing = &mut needs.entry(name).or_default().1;
                for (id, _) in snapshots.iter().filter(|(_, lines)| !lines.is_disjoint(&at)) {
                    if !needing.contains(id) {
                        needing.push((*id).clone());
                    }
                }
            }
        }
        Ok(())
    }
}
