//! Contents of files: those that a snapshot names are there.
//!
//! A manifest lists what its own run stored, so that a snapshot on top of others needs
//! contents that only theirs list. While all of them are here their lists are complete;
//! once one was forgotten or is gone, what the records themselves mention is looked up.

use std::collections::{BTreeMap, HashMap, HashSet};

use roaring::RoaringBitmap;

use super::memory::Memo;
use super::pool::side_by_side;
use super::{Check, Problem, Remedy};
use crate::archive::blob::BLOBS;
use crate::archive::error::Error;
use crate::archive::store::{Store, hash_of};
use crate::archive::{BlobRef, Inner, SnapshotId};

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
        let inner = self.inner;
        let files = inner.store.list_spread(BLOBS)?;
        let (read, rest): (Vec<_>, Vec<_>) = files.iter().partition(|(file, _)| self.reads(file));
        let on_disk: HashSet<&String> = files.iter().map(|(_, name)| name).collect();
        for (file, name) in read.iter().chain(&rest) {
            self.done.blobs += 1;
            if *file != Store::spread(BLOBS, name) {
                let snapshots = needs.get(name).map(|(_, snapshots)| snapshots.clone()).unwrap_or_default();
                let text = "lies in the wrong folder";
                self.found(Problem::of(file, Remedy::MoveOut, text).hurting(&snapshots));
            }
        }
        side_by_side(
            &read,
            |(file, name), ()| examine(inner, file, name),
            |(file, name), examined| {
                let (known, snapshots) = needs.get(name).cloned().unwrap_or_default();
                self.blob(file, examined, known, &snapshots)
            },
        )?;
        for (name, (_, snapshots)) in needs.iter().filter(|(name, _)| !on_disk.contains(name)) {
            self.missing(&Store::spread(BLOBS, name), snapshots);
        }
        Ok(())
    }

    /// Tells what is wrong with contents that were read.
    fn blob(
        &mut self,
        file: &str,
        examined: Result<(u64, Inside), Error>,
        known: Option<BlobRef>,
        snapshots: &[SnapshotId],
    ) -> Result<(), Error> {
        let Some((bytes, inside)) = self.damage(file, examined, snapshots)? else {
            self.memos.push(Memo::Failed(file.to_owned()));
            return Ok(());
        };
        self.done.bytes_read += bytes;
        self.done.read += 1;
        if inside.zip(known).is_some_and(|(inside, known)| inside != (known.bytes, known.blake3)) {
            let text = "holds other contents than the manifest says";
            self.found(Problem::of(file, Remedy::None, text).hurting(snapshots));
            self.memos.push(Memo::Failed(file.to_owned()));
        } else {
            self.memos.push(Memo::Verified(file.to_owned(), bytes));
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
            let read = self.inner.mentions(&segment, &any, &mut |mention| {
                if mention.is_name {
                    mentions.entry(mention.hash.clone()).or_default().insert(mention.line);
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

/// Length and hash of contents, where the key at hand opens them.
type Inside = Option<(u64, String)>;

/// Reads contents whole: stored length, and what is inside.
fn examine(inner: &Inner, file: &str, name: &str) -> Result<(u64, Inside), Error> {
    let path = inner.store.path(file);
    let bytes = inner.store.length(file)?;
    let hash = inner.store.open(file).and_then(|input| hash_of(input, &path))?;
    if hash != *name {
        return Err(Error::damaged(&path, format!("its bytes hash to {}", &hash[..16])));
    }
    if !inner.reads_data() {
        return Ok((bytes, None));
    }
    let mut context = zstd::zstd_safe::DCtx::create();
    let (inside, _) = inner.copy_blob(inner.store.open(file)?, &path, &mut std::io::sink(), &mut context)?;
    Ok((bytes, Some(inside)))
}
