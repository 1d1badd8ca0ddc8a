//! An object store that an archive lives in, as far as an archive has to know it.
//!
//! Whoever talks to stores fills this in; the archive only asks for files by their
//! names. Nothing here waits for anything but the store, and nothing is retried
//! here: an error means that trying for a while has not helped.

use std::fmt;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use super::error::Error;
use super::header::{HEADER, HEADER_COPY, Header};
use super::prune::DOOMED;
use super::shelf::{FileName, Part, Shelf, StoredFile, is_hash};
use super::store::Store;
use super::working::Working;

/// A store that an archive lives in.
pub trait Home: Send + Sync {
    /// What people call it: its address.
    fn label(&self) -> String;
    /// Something that came to light meanwhile and that somebody should know.
    fn remark(&self) -> Option<String> {
        None
    }
    /// Everything of the archive that lies there.
    fn contents(&self) -> Result<HomeContents, Unreached>;
    /// Writes the bytes of a file to a path, and returns their hex BLAKE3; `None` if it is not there.
    fn fetch(&self, name: &FileName, to: &Path) -> Result<Option<String>, Unreached>;
    /// Some bytes of a file, one after the other, which it must have; `None` if it is not there.
    fn fetch_part(&self, name: &FileName, range: Range<u64>) -> Result<Option<Vec<u8>>, Unreached>;
    /// Sends a file of a folder and makes sure of what arrived; `create` where its name must be free.
    fn send(&self, from: &Shelf, file: &StoredFile, create: bool) -> Result<(), Unreached>;
    /// Removes a file; one that is not there is no error.
    fn remove(&self, name: &FileName) -> Result<(), Unreached>;
    /// What a machine says of its writer; `None` if it has none.
    fn run(&self, machine: &str) -> Result<Option<Vec<u8>>, Unreached>;
    /// Says that a machine's writer lives.
    fn put_run(&self, machine: &str, about: &[u8]) -> Result<(), Unreached>;
    /// Says that a machine has no writer any more.
    fn remove_run(&self, machine: &str) -> Result<(), Unreached>;
}

/// What lies in a store.
#[derive(Clone, Default, Debug)]
pub struct HomeContents {
    /// Files of the archive.
    pub files: Vec<StoredFile>,
    /// Machines that have a writer, and when it was last heard of by the store's own clock.
    pub runs: Vec<(String, SystemTime)>,
    /// Something that no archive has.
    pub stranger: Option<String>,
}

/// A store did not do what it was asked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unreached {
    /// The operation.
    pub doing: &'static str,
    /// The store, with the file if one was meant.
    pub what: String,
    /// What it said.
    pub fact: String,
    /// What has to be looked at before it is tried again.
    pub cause: Cause,
}

/// Why a store does not do what it is asked, as far as it says so.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cause {
    /// The way there, or the store itself.
    Line,
    /// Who is asking.
    Credentials,
    /// Which bucket or region is asked.
    Address,
    /// It is full.
    Room,
    /// The clocks differ.
    Clock,
}

impl fmt::Display for Unreached {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "cannot {} {}: {}", self.doing, self.what, self.fact)
    }
}

impl std::error::Error for Unreached {}

impl From<Unreached> for io::Error {
    fn from(error: Unreached) -> io::Error {
        io::Error::other(error)
    }
}

impl FileName {
    /// The same where the archive itself lies, not a copy: lists of what a prune is about to remove are files of it, too.
    pub fn at_home(path: &str) -> Option<FileName> {
        match path.split_once('/') {
            Some((DOOMED, name)) if is_hash(name) => Some(FileName { part: Part::Doomed, path: path.to_owned() }),
            _ => FileName::parse(path),
        }
    }
}

impl Shelf {
    /// The files of an archive that lives in a store; what of them is on this machine lies below `folder`, by the
    /// archive's id: whatever lies in the store tomorrow, one is never taken for another. Of segments and contents that
    /// were fetched at most `kept` bytes stay there.
    pub fn of_home(home: Arc<dyn Home>, folder: &Path, kept: u64) -> Result<Shelf, Error> {
        private_folder(folder)?;
        let header = header_of(&*home, folder)?;
        Shelf::to_home(home, &folder.join(header.archive), kept)
    }

    /// The files of a store in which an archive is going to live, or does; `root` is the folder for what is on this machine.
    pub fn to_home(home: Arc<dyn Home>, root: &Path, kept: u64) -> Result<Shelf, Error> {
        private_folder(root)?;
        Ok(Shelf { store: Store::new(root, Arc::new(Working::open(root, home, kept)?)) })
    }

    /// What people call the place: the folder, or the address of the store that stands behind it.
    pub fn label(&self) -> PathBuf {
        self.store.label()
    }

    /// Looks again at what the store has that stands behind it.
    pub fn look_again(&self) -> Result<(), Error> {
        self.store.look_again()
    }

    /// Something about the store that somebody should know.
    pub fn remark(&self) -> Option<String> {
        self.store.remark()
    }

    /// Files that are on this machine only, and belong into the store.
    pub fn unsent(&self) -> Vec<String> {
        self.store.unsent()
    }
}

/// What a store says of the archive in it, without anything that was known before.
fn header_of(home: &dyn Home, folder: &Path) -> Result<Header, Error> {
    let draft = tempfile::NamedTempFile::new_in(folder).map_err(Error::file("write", folder))?;
    let mut damaged = None;
    for name in [HEADER, HEADER_COPY] {
        let shown = PathBuf::from(format!("{}/{name}", home.label()));
        let name = FileName::parse(name).expect("both headers have names");
        if home.fetch(&name, draft.path())?.is_some() {
            let bytes = std::fs::read(draft.path()).map_err(Error::file("read", &shown))?;
            match Header::from_bytes(&bytes, &shown) {
                Err(error @ Error::Damaged { .. }) => damaged = Some(error),
                header => return header,
            }
        }
    }
    if let Some(error) = damaged {
        return Err(error);
    }
    // Some stores say of a file in a bucket that does not exist only that the file is not there.
    home.contents()?;
    Err(Error::NotAnArchive(home.label().into()))
}

/// Makes a folder that nobody else on this machine can look into.
fn private_folder(path: &Path) -> Result<(), Error> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(Error::file("create", path))
}
