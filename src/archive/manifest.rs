//! Manifests: what a snapshot says of itself.
//!
//! Written last; the name under which it is put in place is its hash, and from
//! that moment the snapshot exists. Each names its parent's hash and carries a
//! signature, so that one removed, replayed or forged is found.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::signed::{Kind, Signer};
use super::{BlobRef, Contents, SnapshotId, Source};

/// Where manifests lie.
pub(super) const SNAPSHOTS: &str = "snapshots";
/// How manifests are stored.
pub(super) const MANIFEST: Kind = Kind { folder: SNAPSHOTS, word: "manifest", signer: Signer::Snapshots };

/// The note of a manifest that says that its capture goes on.
pub(super) const UNFINISHED: &str = "unfinished";

/// What a snapshot says of itself; its position map is kept apart in memory.
#[derive(Clone, PartialEq, Debug)]
pub struct Manifest {
    /// The snapshot's id.
    pub id: SnapshotId,
    /// 1 for the first snapshot of the archive, then one more each time.
    pub sequence: u64,
    /// The snapshot it stands on.
    pub parent: Option<SnapshotId>,
    /// Whose data it is.
    pub source: Source,
    /// When the capture began.
    pub started: DateTime<Utc>,
    /// When the manifest was written.
    pub finished: DateTime<Utc>,
    /// What was seen of each object, in the order of the capture.
    pub contents: Vec<Contents>,
    /// Requests the capture made.
    pub requests: u64,
    /// Tokens they cost.
    pub tokens: u64,
    /// Bytes of segments and blobs this snapshot added.
    pub bytes_added: u64,
    /// The pdbak that wrote it.
    pub version: String,
    /// Free: for example the options of the capture.
    pub notes: Value,
}

impl Manifest {
    /// The note of a manifest whose capture read everything again: it also shows what increments could not see.
    pub const FULL: &'static str = "full";

    /// True where everything was read again.
    pub fn is_full(&self) -> bool {
        self.notes.get(Manifest::FULL).is_some_and(|note| *note == Value::Bool(true))
    }

    /// The note of a manifest that was taken on the way to a comparison, and not for its own sake.
    pub const ON_THE_WAY: &'static str = "on_the_way";

    /// True for what a diff, a restore or an undo read to compare with: it has an id and is never "latest", because
    /// the same command given again must mean the same snapshot.
    pub fn is_on_the_way(&self) -> bool {
        self.notes.get(Manifest::ON_THE_WAY).is_some_and(|note| *note == Value::Bool(true))
    }

    /// True for what a first capture had read when its budget was spent: the next snapshot has more.
    pub fn is_unfinished(&self) -> bool {
        self.notes.get(UNFINISHED).is_some_and(|note| *note == Value::Bool(true))
    }
}

/// The first line of a manifest file.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Line {
    pub(super) format: u32,
    pub(super) archive: String,
    pub(super) sequence: u64,
    pub(super) parent: Option<SnapshotId>,
    /// Snapshots known by name only, where the parent could not be read (a *put* key without its index).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) follows: Vec<SnapshotId>,
    pub(super) source: Source,
    pub(super) started: DateTime<Utc>,
    pub(super) finished: DateTime<Utc>,
    pub(super) version: String,
    pub(super) requests: u64,
    pub(super) tokens: u64,
    pub(super) bytes_added: u64,
    pub(super) notes: Value,
    pub(super) contents: Vec<Contents>,
    /// Contents stored by this snapshot.
    pub(super) blobs: Vec<BlobRef>,
    pub(super) map: MapLine,
}

/// The position map: whole, or against the parent's.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub(super) enum MapLine {
    Full { segments: Vec<AliveRuns> },
    Delta { chain: u32, segments: Vec<ChangedRuns> },
}

impl MapLine {
    /// The segments that it names.
    pub(super) fn names(&self) -> impl Iterator<Item = &String> {
        self.parts().map(|(segment, _)| segment)
    }

    /// What the directories of segments hash to, as far as it says so.
    pub(super) fn directories(&self) -> impl Iterator<Item = (&String, &String)> {
        self.parts().filter_map(|(segment, directory)| Some((segment, directory?)))
    }

    fn parts(&self) -> impl Iterator<Item = (&String, Option<&String>)> {
        let (full, delta): (&[AliveRuns], &[ChangedRuns]) = match self {
            MapLine::Full { segments } => (segments, &[]),
            MapLine::Delta { segments, .. } => (&[], segments),
        };
        let full = full.iter().map(|part| (&part.segment, part.directory.as_ref()));
        full.chain(delta.iter().map(|part| (&part.segment, part.directory.as_ref())))
    }

    /// Says of each segment of which lines are in, or came, what its directory hashes to.
    pub(super) fn say_directories<E>(&mut self, hash: impl Fn(&str) -> Result<Option<String>, E>) -> Result<(), E> {
        match self {
            MapLine::Full { segments } => {
                for part in segments {
                    part.directory = hash(&part.segment)?;
                }
            }
            MapLine::Delta { segments, .. } => {
                for part in segments.iter_mut().filter(|part| !part.added.is_empty()) {
                    part.directory = hash(&part.segment)?;
                }
            }
        }
        Ok(())
    }
}

/// Lines of a segment that are in: alternating lengths, in first.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(super) struct AliveRuns {
    pub(super) segment: String,
    pub(super) alive: Vec<u32>,
    /// Hex BLAKE3 of the segment's directory, so that it can be read without the rest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) directory: Option<String>,
}

/// Lines of a segment that came and went.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(super) struct ChangedRuns {
    pub(super) segment: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) added: Vec<u32>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) removed: Vec<u32>,
    /// Likewise, where lines came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) directory: Option<String>,
}

impl Line {
    /// The line without its map: of many manifests no more is held at a time than one's positions.
    pub(super) fn without_positions(self) -> Line {
        Line { map: MapLine::Full { segments: Vec::new() }, ..self }
    }

    /// The part that others see.
    pub(super) fn manifest(self, id: &SnapshotId) -> Manifest {
        let Line {
            sequence,
            parent,
            source,
            started,
            finished,
            version,
            requests,
            tokens,
            bytes_added,
            notes,
            contents,
            ..
        } = self;
        Manifest {
            id: id.clone(),
            sequence,
            parent,
            source,
            started,
            finished,
            contents,
            requests,
            tokens,
            bytes_added,
            version,
            notes,
        }
    }
}
