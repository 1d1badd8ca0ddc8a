//! What can go wrong with a copy elsewhere, by what happened.

use crate::archive;

/// Why something was not copied, or not compared.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The archive on this machine did not do what it was asked.
    #[error(transparent)]
    Archive(#[from] archive::Error),
    /// An address that leads nowhere.
    #[error("cannot use the target {address}: {fact}")]
    Address {
        /// The address as it was written.
        address: String,
        /// What is wrong with it.
        fact: String,
    },
    /// The store did not do what it was asked.
    #[error("cannot {doing} {target}: {fact}")]
    Store {
        /// The operation.
        doing: &'static str,
        /// The target, with the file if one was meant.
        target: String,
        /// What it said.
        fact: String,
    },
    /// There is no way to the server.
    #[error("cannot reach {target}: {fact}")]
    Unreached {
        /// The target.
        target: String,
        /// What was said of it.
        fact: String,
    },
    /// The store does not believe who is asking.
    #[error("{target} refuses the credentials when asked to {doing}: {fact}")]
    Denied {
        /// The target.
        target: String,
        /// The operation.
        doing: &'static str,
        /// What it said.
        fact: String,
    },
    /// Nobody said who is asking, and the machine has nothing to say of its own.
    #[error("{target} was given no credentials, and this machine has none of its own")]
    NoCredentials {
        /// The target.
        target: String,
    },
    /// There is no such place.
    #[error("there is no such bucket: {target}: {fact}")]
    NoBucket {
        /// The target.
        target: String,
        /// What the store said.
        fact: String,
    },
    /// The place is somewhere else.
    #[error("{target} lies in another region: {fact}")]
    OtherRegion {
        /// The target.
        target: String,
        /// What the store said.
        fact: String,
    },
    /// The store takes nothing more.
    #[error("{target} has no room left: {fact}")]
    Full {
        /// The target.
        target: String,
        /// What it said.
        fact: String,
    },
    /// Signed requests carry the time, and the store's is another.
    #[error("{target} refuses requests because this machine's clock and its own differ too much")]
    ClockIsOff {
        /// The target.
        target: String,
    },
    /// The target has a copy of something else.
    #[error("{target} holds a copy of archive {found}, and this is archive {expected}")]
    OtherArchive {
        /// The target.
        target: String,
        /// The id found there.
        found: String,
        /// The id of the archive here.
        expected: String,
    },
    /// The target is in use for something else.
    #[error("{target} is no copy of an archive and not empty: it holds {found}")]
    Occupied {
        /// The target.
        target: String,
        /// One of the things in it.
        found: String,
    },
    /// The keys of what is there were replaced, and those of the archive here were not.
    #[error("{0} has newer keys than this archive: they were rotated in another copy of it")]
    NewerKeys(String),
    /// There is nothing to fetch.
    #[error("there is no copy of an archive in {0}")]
    NoCopy(String),
    /// The first push never came to its end.
    #[error("the copy in {0} was begun and never finished: it has no header yet")]
    HalfCopy(String),
    /// A bundle that no pdbak wrote.
    #[error("refused bundle {bundle}: {fact}")]
    Bundle {
        /// The file.
        bundle: String,
        /// What is wrong with it.
        fact: String,
    },
}

/// What happened to one file; the others go on.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The bytes are not what their name says: trying again does not help, and waiting for them helps nobody.
    Damaged(String),
    /// It is not there any more.
    Gone,
    /// The way there is broken; what names this file has to wait.
    Failed(Error),
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Trouble {
        Trouble::Failed(error)
    }
}

impl From<archive::Error> for Trouble {
    fn from(error: archive::Error) -> Trouble {
        match error {
            archive::Error::Damaged { .. } => Trouble::Damaged(error.to_string()),
            archive::Error::Missing(_) => Trouble::Gone,
            error => Trouble::Failed(error.into()),
        }
    }
}
