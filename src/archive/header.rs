//! `archive.json`: what an archive is and what it demands of its reader.
//!
//! The only file that may ever change, and the only one that must be readable
//! without a key. A second copy lies in `keys/`, because in engines that have
//! one such file a single bad sector there costs everything.

use std::path::Path;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::error::Error;
use super::store::Store;

/// The newest format this version knows; documented in `FORMAT.md`.
pub(super) const FORMAT: u32 = 1;
/// The header's name.
pub(super) const HEADER: &str = "archive.json";
/// Its second copy.
pub(super) const HEADER_COPY: &str = "keys/archive.json";
/// The feature of an archive whose keys were replaced: holder files have the keys from before as well.
pub(super) const ROTATION: &str = "rotation";
/// Features this version knows beyond format 1.
const KNOWN_FEATURES: &[&str] = &[ROTATION];

/// What `archive.json` says.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Header {
    pub(super) format: u32,
    pub(super) archive: String,
    pub(super) created: DateTime<Utc>,
    pub(super) requires: Requires,
    /// `None` in an archive without encryption.
    pub(super) recipients: Option<Recipients>,
    /// Hex Ed25519 public key that signs manifests.
    pub(super) signing_key: String,
    /// Hex Ed25519 public key that signs decisions about them; the same where none is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) marking_key: Option<String>,
    /// How often the keys were replaced.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(super) rotation: u64,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// Features without which an operation must not be tried.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(super) struct Requires {
    pub(super) read: Vec<String>,
    pub(super) write: Vec<String>,
    pub(super) prune: Vec<String>,
    pub(super) check: Vec<String>,
}

/// Public halves of the key pairs, in age's text form.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Recipients {
    pub(super) data: String,
    pub(super) manifest: String,
}

/// What every format's header has, read before the rest is believed.
#[derive(Deserialize)]
struct Preface {
    format: u32,
}

impl Header {
    /// Reads the header, or its copy where the header itself cannot be read.
    pub(super) fn read(store: &Store) -> Result<Header, Error> {
        match Header::parse(store, HEADER) {
            Err(Error::Missing(_)) if !store.exists(HEADER_COPY) => Err(Error::NotAnArchive(store.label())),
            // A folder whose header is gone is still an archive as long as the copy says so.
            Err(error @ (Error::Damaged { .. } | Error::Missing(_) | Error::File { .. })) => {
                Header::parse(store, HEADER_COPY).map_err(|_| error)
            }
            read => read,
        }
    }

    /// Reads one of the two files.
    pub(super) fn parse(store: &Store, name: &str) -> Result<Header, Error> {
        Header::from_bytes(&store.read(name)?, &store.path(name))
    }

    /// Reads the bytes of a header; `path` is for messages.
    pub(super) fn from_bytes(bytes: &[u8], path: &Path) -> Result<Header, Error> {
        let garbled = |error: serde_json::Error| Error::damaged(path, error.to_string());
        let preface: Preface = serde_json::from_slice(bytes).map_err(garbled)?;
        if preface.format > FORMAT {
            return Err(Error::NewerFormat { path: path.to_owned(), found: preface.format, known: FORMAT });
        }
        let header: Header = serde_json::from_slice(bytes).map_err(garbled)?;
        known("read", &header.requires.read)?;
        Ok(header)
    }

    /// Refuses to write where a feature is demanded that this version does not know.
    pub(super) fn writable(&self) -> Result<(), Error> {
        known("write", &self.requires.write)
    }

    /// Refuses to check where a feature is demanded that this version does not know.
    pub(super) fn checkable(&self) -> Result<(), Error> {
        known("check", &self.requires.check)
    }

    /// Refuses to prune where a feature is demanded that this version does not know.
    pub(super) fn prunable(&self) -> Result<(), Error> {
        known("prune", &self.requires.prune)
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut text = serde_json::to_vec_pretty(self).expect("a header always serialises");
        text.push(b'\n');
        text
    }
}

/// What a header says to somebody who only copies.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HeaderFacts {
    /// The archive's id.
    pub archive: String,
    /// Whether its files are sealed.
    pub encrypted: bool,
    /// How often its keys were replaced.
    pub rotation: u64,
}

impl From<Header> for HeaderFacts {
    fn from(header: Header) -> HeaderFacts {
        let Header { archive, recipients, rotation, .. } = header;
        HeaderFacts { archive, encrypted: recipients.is_some(), rotation }
    }
}

impl HeaderFacts {
    /// Reads the bytes of an `archive.json`.
    pub fn parse(bytes: &[u8], path: &Path) -> Result<HeaderFacts, Error> {
        Header::from_bytes(bytes, path).map(HeaderFacts::from)
    }
}

fn known(doing: &'static str, features: &[String]) -> Result<(), Error> {
    match features.iter().find(|feature| !KNOWN_FEATURES.contains(&feature.as_str())) {
        Some(feature) => Err(Error::UnknownFeature { doing, feature: feature.clone() }),
        None => Ok(()),
    }
}
