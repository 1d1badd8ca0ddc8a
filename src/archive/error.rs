//! What can go wrong with an archive, by what happened.
//!
//! Paths and ids are facts a person can act on; keys, passphrases and contents
//! never enter a message.

use std::io;
use std::path::{Path, PathBuf};

use super::home::Unreached;
use super::working::{BegunElsewhere, TurnLost};
use crate::catalogue::ObjectName;

/// Why an archive did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The folder has no `archive.json`.
    #[error("no archive in {0}")]
    NotAnArchive(PathBuf),
    /// The folder is an archive already, or holds something else.
    #[error("cannot create an archive in {folder}: {fact}")]
    CannotCreate {
        /// The folder.
        folder: PathBuf,
        /// What is in the way.
        fact: String,
    },
    /// No holder file opens with the passphrase or identity that was given.
    #[error("wrong key")]
    WrongKey,
    /// The passphrase or identity could not be had.
    #[error("cannot unlock the archive: {0}")]
    Unlock(String),
    /// The archive was opened with a key whose role does not allow this.
    #[error("cannot {doing}: this takes a {needs} key, and the archive was opened with a {role} key")]
    NeedsKey {
        /// What was asked.
        doing: &'static str,
        /// The role of the key in use.
        role: &'static str,
        /// The least role that may.
        needs: &'static str,
    },
    /// The key opens a holder file from before a rotation.
    #[error(
        "this key is no longer one of the archive: {0} names others. Either they were replaced by a rotation, or somebody replaced that file"
    )]
    Superseded(PathBuf),
    /// The keys were replaced by another process since the archive was opened.
    #[error("the keys of the archive were replaced a moment ago")]
    KeysReplaced,
    /// Keys of an archive that has none.
    #[error("the archive is not encrypted: whoever has the folder reads it, and no key guards it")]
    NotEncrypted,
    /// No key has this id.
    #[error("no key \"{0}\"")]
    NoKey(String),
    /// More than one key has an id that begins so.
    #[error("key \"{0}\" is ambiguous: more than one id begins so")]
    AmbiguousKey(String),
    /// Without this key nothing would be left that may restore.
    #[error("cannot remove key {id}: no other key is known to restore, and without one nothing can ever be read again", id = .0.get(..8).unwrap_or(.0))]
    LastKey(String),
    /// Another run is writing.
    #[error("locked: {0}")]
    Busy(String),
    /// The archive was made by a later pdbak.
    #[error("cannot read {path}: format {found}, and this version knows {known}")]
    NewerFormat {
        /// The file that says so.
        path: PathBuf,
        /// The format found.
        found: u32,
        /// The newest format this version knows.
        known: u32,
    },
    /// The archive demands something this version does not know.
    #[error("cannot {doing} this archive: it requires the feature \"{feature}\", which this version does not know")]
    UnknownFeature {
        /// `read` or `write`.
        doing: &'static str,
        /// The feature's name.
        feature: String,
    },
    /// The operating system refused a file operation.
    #[error("cannot {doing} {path}: {source}")]
    File {
        /// The operation.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// A restore is gone on with where it began: only there is it known which requests were made last.
    #[error(
        "restore {0} was begun on another machine, which may have made requests that the store does not know of yet"
    )]
    BegunElsewhere(String),
    /// The store that the archive lives in did not do what it was asked.
    #[error(transparent)]
    Home(#[from] Unreached),
    /// A file does not hold what its name, its seal or a manifest says.
    #[error("damaged file {path}: {fact}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Expected and found.
        fact: String,
    },
    /// A file that a manifest names is not there.
    #[error("missing file {0}")]
    Missing(PathBuf),
    /// A snapshot's records are not what its manifest says.
    #[error("cannot read {object} of snapshot {snapshot}: {fact}")]
    Incomplete {
        /// The object.
        object: ObjectName,
        /// The snapshot's id.
        snapshot: String,
        /// Expected and found.
        fact: String,
    },
    /// No snapshot has this name.
    #[error("no snapshot \"{0}\"")]
    NoSnapshot(String),
    /// More than one snapshot has a name that begins so.
    #[error("snapshot \"{name}\" is ambiguous: {matches}")]
    AmbiguousSnapshot {
        /// What was asked for.
        name: String,
        /// The candidates.
        matches: String,
    },
    /// A snapshot that is pinned, held or the newest was to be forgotten.
    #[error("cannot forget snapshot {snapshot}: it has to stay ({reason})")]
    HasToStay {
        /// The snapshot's id.
        snapshot: String,
        /// What keeps it.
        reason: String,
    },
    /// An alarm is open: nothing may be let go.
    #[error("cannot {doing}: far more changed than usual in snapshot {snapshots}, and nobody has acknowledged it")]
    Alarmed {
        /// The operation.
        doing: &'static str,
        /// The snapshots.
        snapshots: String,
    },
    /// A log of this name exists, or none does.
    #[error("cannot {doing} log \"{name}\": {fact}")]
    Log {
        /// The operation.
        doing: &'static str,
        /// The log.
        name: String,
        /// What is in the way.
        fact: &'static str,
    },
    /// The derived index is unreadable and was thrown away; the next run makes it again.
    #[error("the index was damaged and has been thrown away: {0}")]
    IndexDamaged(String),
    /// The derived index could not be used.
    #[error("cannot use the index: {0}")]
    Index(#[from] rusqlite::Error),
    /// Records of an object were taken and the object was never closed.
    #[error("cannot finish the snapshot: {0} was not closed")]
    NotClosed(ObjectName),
    /// What was to be entered in the index together is not any more: an earlier error undid it.
    #[error("cannot enter records in the index: an earlier error undid what belongs to them")]
    TransactionLost,
    /// The thread that compresses and seals is gone.
    #[error("cannot write segments: the packing thread ended")]
    PackerEnded,
    /// The folder of an import cannot be read.
    #[error("cannot import {path}: {fact}")]
    Import {
        /// The folder or file.
        path: PathBuf,
        /// What is in the way.
        fact: String,
    },
}

impl Error {
    /// Turns an operating system's answer into an error that names operation and file.
    pub(super) fn file(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
        let path = path.to_owned();
        move |source| match source.kind() {
            io::ErrorKind::Other if source.get_ref().is_some_and(|inner| inner.is::<Unreached>()) => {
                Error::of_home(source)
            }
            io::ErrorKind::Other if source.get_ref().is_some_and(|inner| inner.is::<BegunElsewhere>()) => {
                Error::BegunElsewhere(source.to_string())
            }
            io::ErrorKind::Other if source.get_ref().is_some_and(|inner| inner.is::<TurnLost>()) => {
                Error::Busy(source.to_string())
            }
            io::ErrorKind::NotFound if doing == "read" => Error::Missing(path),
            // age reports what it could not authenticate with these kinds.
            io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => {
                Error::Damaged { path, fact: source.to_string() }
            }
            _ => Error::File { doing, path, source },
        }
    }

    /// What the store said; the path that was meant says nothing to a person then.
    fn of_home(source: io::Error) -> Error {
        let inner = source.downcast::<Unreached>();
        inner.map_or_else(|source| Error::File { doing: "reach", path: PathBuf::new(), source }, Error::Home)
    }

    /// A file that holds something else than it should.
    pub(super) fn damaged(path: &Path, fact: impl Into<String>) -> Error {
        Error::Damaged { path: path.to_owned(), fact: fact.into() }
    }

    /// True when the disk has no room left for the index.
    pub fn is_disk_full(&self) -> bool {
        matches!(self, Error::Index(rusqlite::Error::SqliteFailure(failure, _)) if failure.code == rusqlite::ErrorCode::DiskFull)
    }

    /// Whether the index is what failed, so that making it again may help.
    pub(super) fn is_index_damage(&self) -> bool {
        match self {
            Error::IndexDamaged(_) => true,
            Error::Index(rusqlite::Error::SqliteFailure(failure, _)) => {
                matches!(failure.code, rusqlite::ErrorCode::DatabaseCorrupt | rusqlite::ErrorCode::NotADatabase)
            }
            Error::Index(
                rusqlite::Error::InvalidColumnType(..)
                | rusqlite::Error::FromSqlConversionFailure(..)
                | rusqlite::Error::IntegralValueOutOfRange(..),
            ) => true,
            _ => false,
        }
    }
}
