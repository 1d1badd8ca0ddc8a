//! Copies of an archive elsewhere: in folders, in object stores, on servers, in one file.
//!
//! A copy is the archive itself, file by file under the same names, so every
//! tool that reads an archive reads a copy, and `b3sum` proves it. What holds:
//! 1. only what is missing travels, and nothing is ever removed at a target;
//! 2. what names other files comes after them: segments and blobs, then keys and
//!    journals, then manifests, oldest first, and the header at the very end, so
//!    a copy that is not whole yet is no archive or is one without its newest snapshots;
//! 3. a file counts as sent when the store's checksum of what it received, or
//!    reading it back, says so;
//! 4. no key is needed: names are hashes of stored bytes.
//!
//! Whatever stops a run, the next one goes on with what is missing.

mod address;
#[cfg(feature = "object-store")]
mod bucket;
mod bundle;
mod compare;
mod error;
#[cfg(feature = "object-store")]
mod home;
#[cfg(feature = "object-store")]
mod line;
mod mend;
mod pace;
mod place;
mod pull;
mod push;
#[cfg(feature = "object-store")]
mod refusal;
#[cfg(feature = "sftp")]
mod server;
#[cfg(feature = "object-store")]
mod sign;
#[cfg(feature = "sftp")]
mod ssh;

use std::num::NonZeroU64;

use serde::Serialize;

pub use self::address::{Address, Kind, Lock, Target};
pub use self::bundle::{Bundled, Unbundled, bundle, unbundle};
pub use self::compare::{Compared, Held, check, list};
pub use self::error::Error;
#[cfg(feature = "object-store")]
pub use self::home::StoreHome;
pub use self::mend::{Mend, Mended, Origin, Wanted, mend, offers};
pub use self::pull::{Pulled, pull};
pub use self::push::{Pushed, push};

/// How files travel.
#[derive(Clone, Copy, Debug)]
pub struct Haul {
    /// How many at once.
    pub transfers: usize,
    /// Bytes a second to the target.
    pub upload: Option<NonZeroU64>,
    /// Bytes a second from the target.
    pub download: Option<NonZeroU64>,
}

impl Default for Haul {
    fn default() -> Haul {
        Haul { transfers: 4, upload: None, download: None }
    }
}

/// Hears how a run goes on.
pub trait Progress: Sync {
    /// So much is going to travel or to be read.
    fn expects(&self, amount: Amount);
    /// A file is done.
    fn did(&self, amount: Amount);
    /// Something that somebody should know.
    fn warned(&self, text: &str);
}

/// Files and their bytes together.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize)]
pub struct Amount {
    /// How many files.
    pub files: u64,
    /// How many bytes.
    pub bytes: u64,
}

impl Amount {
    /// One file of so many bytes.
    pub fn one(bytes: u64) -> Amount {
        Amount { files: 1, bytes }
    }

    /// Adds another amount.
    pub fn add(&mut self, other: Amount) {
        self.files += other.files;
        self.bytes += other.bytes;
    }
}

impl FromIterator<u64> for Amount {
    fn from_iter<T: IntoIterator<Item = u64>>(sizes: T) -> Amount {
        let mut all = Amount::default();
        sizes.into_iter().for_each(|bytes| all.add(Amount::one(bytes)));
        all
    }
}

/// What is wrong with one file.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
pub struct Fault {
    /// Its name below the root.
    pub file: String,
    /// What was found.
    pub problem: String,
}
