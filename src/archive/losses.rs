//! Notes of loss: what was found damaged, and no copy had.
//!
//! Signed as marks are, so that a later check tells what is known to be lost from new damage.
//! A note says which records the lost lines held and their digests: with them the content roots
//! of a snapshot can still be proven, and the same version stored again anywhere ends the loss.
//! It excuses nothing but the state in which the repair left the file.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::error::Error;
use super::header::FORMAT;
use super::index::Held;
use super::segment::Directory;
use super::signed::{Kind, Signer};
use super::{Archive, Inner, SnapshotId};
use crate::catalogue::ObjectName;
use crate::record::{Digest, Key};

/// Where notes of loss lie.
pub(super) const LOSSES: &str = "losses";
/// How they are stored.
pub(super) const LOSS: Kind = Kind { folder: LOSSES, word: "loss", signer: Signer::Marking };

/// The line of a note.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(super) struct LossLine {
    pub(super) format: u32,
    pub(super) archive: String,
    pub(super) made: DateTime<Utc>,
    /// The file below the root.
    pub(super) file: String,
    /// Hex BLAKE3 of what was left there; nothing where the file is gone.
    pub(super) left: Option<String>,
    /// What was wrong with it.
    pub(super) fact: String,
    /// Of a manifest: the snapshot's number, as far as it was known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) sequence: Option<u64>,
    /// Of a segment: its blocks, as far as they were known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) directory: Option<Directory>,
    /// Of a segment: what the lines held that cannot be read, as far as it was known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) lines: Vec<LostLine>,
}

/// What a lost line held.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct LostLine {
    pub(super) line: u32,
    pub(super) object: String,
    pub(super) id: String,
    digest: String,
}

impl LostLine {
    pub(super) fn of(held: Held) -> LostLine {
        let id = Key::from_bytes(&held.key).map(|key| key.to_string()).unwrap_or_default();
        LostLine { line: held.line, object: held.object, id, digest: hex::encode(held.digest.0) }
    }

    pub(super) fn digest(&self) -> Option<Digest> {
        hex::decode(&self.digest).ok()?.try_into().ok().map(Digest)
    }
}

/// Records of one object that a snapshot has and nobody can read any more.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Lost {
    /// The snapshot.
    pub snapshot: SnapshotId,
    /// The object.
    pub object: ObjectName,
    /// Ids of the records, in their order.
    pub ids: Vec<String>,
    /// Further records of which nothing is known.
    pub unknown: u64,
}

impl Inner {
    /// All notes; one that cannot be read excuses nothing, and a check tells of it.
    pub(super) fn losses(&self) -> Result<Vec<LossLine>, Error> {
        let mut notes = Vec::new();
        if self.reads_manifests() {
            for name in self.store.list(LOSSES)? {
                match self.read_signed::<LossLine>(&LOSS, &name) {
                    Ok(note) => notes.push(note),
                    Err(Error::Damaged { .. } | Error::Missing(_) | Error::File { .. }) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        notes.sort_by_key(|note| note.made);
        Ok(notes)
    }

    /// The newest note on a file.
    pub(super) fn loss_of(&self, file: &str) -> Result<Option<LossLine>, Error> {
        Ok(self.losses()?.into_iter().rev().find(|note| note.file == file))
    }

    /// Puts a note in place, unless the same is noted already.
    pub(super) fn note_loss(&self, note: LossLine) -> Result<(), Error> {
        let known = self.loss_of(&note.file)?;
        if known.is_some_and(|known| LossLine { made: note.made, ..known } == note) {
            return Ok(());
        }
        self.place_signed(&LOSS, &note).map(drop)
    }

    /// The beginning of a note.
    pub(super) fn loss(&self, file: &str, left: Option<String>, fact: &str) -> LossLine {
        LossLine {
            format: FORMAT,
            archive: self.header.archive.clone(),
            made: self.clock.now(),
            file: file.to_owned(),
            left,
            fact: fact.to_owned(),
            sequence: None,
            directory: None,
            lines: Vec::new(),
        }
    }
}

impl Archive {
    /// Which records of which snapshots cannot be read any more, oldest snapshot first.
    ///
    /// What a check or a reader has met counts; snapshots whose manifest is damaged are not among them.
    pub fn lost(&self) -> Result<Vec<Lost>, Error> {
        let inner = &self.inner;
        let mending = inner.mending()?;
        let mut all = Vec::new();
        if mending.bad.is_empty() {
            return Ok(all);
        }
        for manifest in self.listed()?.0 {
            let lost = match inner.map(&manifest.id) {
                Ok(map) => mending.lost(&map),
                Err(Error::Damaged { .. } | Error::Missing(_) | Error::File { .. }) => continue,
                Err(error) => return Err(error),
            };
            for contents in &manifest.contents {
                let here = lost.and(&inner.index().extent(contents.object.as_str())?);
                if here.is_empty() {
                    continue;
                }
                let mut keys: Vec<Vec<u8>> = Vec::new();
                for (segment, lines) in here.segments() {
                    let held = inner.index().held(segment)?;
                    keys.extend(held.into_iter().filter(|held| lines.contains(held.line)).map(|held| held.key));
                }
                keys.sort();
                let unknown = here.len() - keys.len() as u64;
                let ids = keys.iter().filter_map(|key| Key::from_bytes(key)).map(|key| key.to_string()).collect();
                all.push(Lost { snapshot: manifest.id.clone(), object: contents.object.clone(), ids, unknown });
            }
        }
        Ok(all)
    }
}
