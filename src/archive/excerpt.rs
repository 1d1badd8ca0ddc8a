//! Snapshots that came here alone: a bundle of one has not those before it.
//!
//! Whoever takes such a bundle in leaves a note, so that a check does not miss what was
//! never there. The note is not signed, since it is made without any key; it excuses
//! nothing but the snapshots before those it names, and a check tells how many these are.
//! One that a capture on this machine has met is missed in spite of it.

use std::collections::HashSet;
use std::io::Write;

use serde::{Deserialize, Serialize};

use super::error::Error;
use super::{FileName, Inner, Part, Shelf, SnapshotId};

/// Where the notes lie.
pub(super) const EXCERPTS: &str = "excerpts";

#[derive(Serialize, Deserialize)]
struct Note {
    archive: String,
    snapshots: Vec<SnapshotId>,
}

impl Shelf {
    /// Notes that these snapshots come without those before them; what is here already has its own past.
    pub fn note_excerpt(&self, archive: &str, snapshots: &[FileName]) -> Result<(), Error> {
        let mut alone = Vec::new();
        for name in snapshots.iter().filter(|name| name.part() == Part::Snapshot) {
            if self.file(name)?.is_none() {
                alone.extend(name.hash().map(|hash| SnapshotId(hash.to_owned())));
            }
        }
        if alone.is_empty() {
            return Ok(());
        }
        let note = Note { archive: archive.to_owned(), snapshots: alone };
        let bytes = serde_json::to_vec(&note).expect("a list of names always serialises");
        let path = format!("{EXCERPTS}/{}", blake3::hash(&bytes).to_hex());
        let mut arrival = self.receive()?;
        arrival.write_all(&bytes).map_err(Error::file("write", &self.root().join(&path)))?;
        arrival.shelve(&FileName::parse(&path).expect("a hash under the folder of notes is a name"))
    }
}

impl Inner {
    /// The snapshots that a note names.
    pub(super) fn excerpt(&self, file: &str) -> Result<HashSet<SnapshotId>, Error> {
        let (path, bytes) = (self.store.path(file), self.store.read(file)?);
        let found = blake3::hash(&bytes).to_hex();
        if !file.ends_with(found.as_str()) {
            return Err(Error::damaged(&path, format!("its bytes hash to {}", &found[..16])));
        }
        let note: Note = serde_json::from_slice(&bytes).map_err(|error| Error::damaged(&path, error.to_string()))?;
        if note.archive != self.header.archive {
            return Err(Error::damaged(&path, format!("a note of archive {}", note.archive)));
        }
        Ok(note.snapshots.into_iter().collect())
    }
}
