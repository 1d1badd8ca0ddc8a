//! Manifests: what a snapshot says of itself.
//!
//! Written last; the name under which it is put in place is its hash, and from
//! that moment the snapshot exists. Each names its parent's hash and carries a
//! signature, so that one removed, replayed or forged is found.

use std::io::Write;
use std::path::Path;

use chrono::{DateTime, Utc};
use ed25519_dalek::{Signature, Signer, SigningKey, Verifier, VerifyingKey};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::error::Error;
use super::header::FORMAT;
use super::store::Store;
use super::{BlobRef, Contents, SnapshotId, Source, seal};
use age::x25519;

/// Where manifests lie.
pub(super) const SNAPSHOTS: &str = "snapshots";
/// Manifests of more are not unpacked into memory.
const MANIFEST_LIMIT: u64 = 256 << 20;
/// Manifests are small and read often: the best level that is still quick.
const LEVEL: i32 = 12;

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

/// Lines of a segment that are in: alternating lengths, in first.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(super) struct AliveRuns {
    pub(super) segment: String,
    pub(super) alive: Vec<u32>,
}

/// Lines of a segment that came and went.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(super) struct ChangedRuns {
    pub(super) segment: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) added: Vec<u32>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) removed: Vec<u32>,
}

#[derive(Serialize, Deserialize)]
struct SignatureLine {
    signature: String,
}

impl Line {
    /// The part that others see.
    pub(super) fn manifest(&self, id: &SnapshotId) -> Manifest {
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
        } = self.clone();
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

    /// Signs, packs, seals and puts the manifest in place; returns id, stored bytes and the line's text.
    pub(super) fn store(
        &self,
        store: &Store,
        signing: &SigningKey,
        recipient: Option<&x25519::Recipient>,
        identity: Option<&x25519::Identity>,
    ) -> Result<SnapshotId, Error> {
        let path = store.path(SNAPSHOTS);
        let line = serde_json::to_string(self).expect("a manifest always serialises");
        let signature = hex::encode(signing.sign(signed_text(&line).as_bytes()).to_bytes());
        let signature = serde_json::to_string(&SignatureLine { signature }).expect("a signature always serialises");
        let text = format!("{line}\n{signature}\n");
        let packed = zstd::bulk::compress(text.as_bytes(), LEVEL).map_err(Error::file("write", &path))?;
        let unpacked = zstd::bulk::decompress(&packed, text.len()).map_err(Error::file("write", &path))?;
        if unpacked != text.as_bytes() {
            return Err(Error::damaged(&path, "a manifest does not unpack to what was packed"));
        }
        let sealed = seal::seal(recipient, &packed).map_err(Error::file("write", &path))?;
        let mut draft = store.draft()?;
        draft.write_all(&sealed).map_err(Error::file("write", &path))?;
        let placed = draft.place(SNAPSHOTS, |mut input| {
            if recipient.is_some() && identity.is_none() {
                return Ok(());
            }
            let mut stored = Vec::new();
            input.read_to_end(&mut stored).map_err(Error::file("write", &path))?;
            let opened = seal::open(identity, stored).map_err(Error::file("write", &path))?;
            if opened == packed {
                Ok(())
            } else {
                Err(Error::damaged(&path, "a manifest does not unseal to what was sealed"))
            }
        })?;
        Ok(SnapshotId(placed.name))
    }

    /// Reads a manifest and proves that it is what its name and its signature say.
    pub(super) fn read(
        store: &Store,
        id: &SnapshotId,
        archive: &str,
        verifying: &VerifyingKey,
        identity: Option<&x25519::Identity>,
    ) -> Result<Line, Error> {
        let name = format!("{SNAPSHOTS}/{}", id.0);
        let path = store.path(&name);
        let stored = store.read(&name)?;
        let found = blake3::hash(&stored).to_hex();
        if found.as_str() != id.0 {
            return Err(Error::damaged(&path, format!("its bytes hash to {}", &found[..16])));
        }
        let packed = seal::open(identity, stored).map_err(Error::file("read", &path))?;
        let text = unpack(&packed, &path)?;
        let mut lines = text.lines();
        let (line, signature) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
        let garbled = |error: serde_json::Error| Error::damaged(&path, error.to_string());
        let signature: SignatureLine = serde_json::from_str(signature).map_err(garbled)?;
        let signature = hex::decode(&signature.signature).ok().and_then(|bytes| Signature::from_slice(&bytes).ok());
        let genuine =
            signature.is_some_and(|signature| verifying.verify(signed_text(line).as_bytes(), &signature).is_ok());
        if !genuine {
            return Err(Error::damaged(&path, "its signature is not this archive's"));
        }
        let line: Line = serde_json::from_str(line).map_err(garbled)?;
        if line.format > FORMAT {
            return Err(Error::NewerFormat { path, found: line.format, known: FORMAT });
        }
        if line.archive != archive {
            return Err(Error::damaged(&path, format!("a manifest of archive {}", line.archive)));
        }
        Ok(line)
    }
}

fn unpack(packed: &[u8], path: &Path) -> Result<String, Error> {
    use std::io::Read;
    let mut text = String::new();
    let decoder = zstd::Decoder::with_buffer(packed).map_err(|error| Error::damaged(path, error.to_string()))?;
    decoder.take(MANIFEST_LIMIT).read_to_string(&mut text).map_err(|error| Error::damaged(path, error.to_string()))?;
    Ok(text)
}

/// What is signed: a word that no other signed text begins with, and the hash of the line.
fn signed_text(line: &str) -> String {
    format!("pdbak manifest {}", blake3::hash(line.as_bytes()).to_hex())
}
