//! The files of an archive as they lie there, for whoever copies them.
//!
//! Copying wants no key: names are hashes of stored bytes, so a file can be
//! proven by whoever sees it. What has no place in an archive has no
//! [`FileName`], and so nothing that a target or a bundle says can lead outside
//! the folder. The index, running writers, drafts and what a prune is about to remove
//! are not copied.

use std::fmt;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use chrono::{DateTime, Utc};

use super::blob::BLOBS;
use super::disk::LocalDisk;
use super::drills::DRILLS;
use super::error::Error;
use super::excerpt::EXCERPTS;
use super::header::{HEADER, HEADER_COPY, Header, HeaderFacts};
use super::holders::HOLDERS;
use super::index::INDEX;
use super::labels::LABELS;
use super::log::{LOGS, is_log_name, whole_entries};
use super::losses::LOSSES;
use super::manifest::SNAPSHOTS;
use super::marks::MARKS;
use super::moves::MOVES;
use super::prune::DOOMED;
use super::run::{RUNS, Turn};
use super::segment::SEGMENTS;
use super::store::{DRAFTS, Draft, QUARANTINE, Store};

/// Where the state of the schedule lies: it is of this machine, and is not copied.
pub const SCHEDULE: &str = "schedule";

/// What a file is for; in the order in which files are copied, so that what names others comes after them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Part {
    /// Record versions.
    Segment,
    /// Contents of files.
    Blob,
    /// A wrapped secret key, or the label that says whose it is.
    Holder,
    /// A journal, or what a drill found: the only files that grow.
    Log,
    /// A decision about snapshots, a note on where they came from, or on lines packed anew: a copy that lacks one would
    /// show again what was forgotten, miss what was never there, and look for records where they no longer lie.
    Mark,
    /// A list of what a prune is about to remove; not copied, but part of an archive that lives in a store.
    Doomed,
    /// A manifest.
    Snapshot,
    /// The copy of the header.
    HeaderCopy,
    /// The header: with it a folder is an archive.
    Header,
}

/// The name of a file below the root of an archive; nothing else can be one.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct FileName {
    pub(super) part: Part,
    pub(super) path: String,
}

impl FileName {
    /// Reads a path below the root; `None` for what no archive has, or does not share.
    pub fn parse(path: &str) -> Option<FileName> {
        let of = |part| Some(FileName { part, path: path.to_owned() });
        match path.split('/').collect::<Vec<_>>()[..] {
            [HEADER] => of(Part::Header),
            _ if path == HEADER_COPY => of(Part::HeaderCopy),
            [HOLDERS | LABELS, name] if is_hash(name) => of(Part::Holder),
            [SNAPSHOTS, name] if is_hash(name) => of(Part::Snapshot),
            [MARKS | EXCERPTS | LOSSES | MOVES, name] if is_hash(name) => of(Part::Mark),
            [LOGS | DRILLS, name] if is_log_name(name) => of(Part::Log),
            [SEGMENTS, folder, name] if is_hash(name) && name.starts_with(folder) && folder.len() == 2 => {
                of(Part::Segment)
            }
            [BLOBS, folder, name] if is_hash(name) && name.starts_with(folder) && folder.len() == 2 => of(Part::Blob),
            _ => None,
        }
    }

    /// The header of an archive.
    pub fn header() -> FileName {
        FileName { part: Part::Header, path: HEADER.to_owned() }
    }

    /// The copy of the header.
    pub fn header_copy() -> FileName {
        FileName { part: Part::HeaderCopy, path: HEADER_COPY.to_owned() }
    }

    /// What the file is for.
    pub fn part(&self) -> Part {
        self.part
    }

    /// The path below the root, with `/` between its parts.
    pub fn as_str(&self) -> &str {
        &self.path
    }

    /// The hex BLAKE3 of the file's bytes, if that is its name.
    pub fn hash(&self) -> Option<&str> {
        match self.part {
            Part::Segment | Part::Blob | Part::Holder | Part::Mark | Part::Doomed | Part::Snapshot => {
                self.path.rsplit('/').next()
            }
            Part::Log | Part::HeaderCopy | Part::Header => None,
        }
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.path)
    }
}

pub(super) fn is_hash(name: &str) -> bool {
    name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

/// Whether a name at the top of an archive's folder is one that an archive has.
pub(super) fn belongs(name: &str) -> bool {
    let own = [
        HEADER, HOLDERS, LABELS, SEGMENTS, BLOBS, SNAPSHOTS, MARKS, MOVES, DOOMED, EXCERPTS, LOSSES, LOGS, DRILLS,
        RUNS, DRAFTS, QUARANTINE, SCHEDULE,
    ];
    own.contains(&name) || name.starts_with(INDEX)
}

/// A file that is there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StoredFile {
    /// Its name.
    pub name: FileName,
    /// Its length.
    pub bytes: u64,
    /// When it came there, as far as anybody knows: manifests are copied in this order.
    pub since: Option<SystemTime>,
}

/// Brings files into the order in which they are copied.
pub fn in_order_of_copying(files: &mut [StoredFile]) {
    files.sort_by(|left, right| {
        let key = |file: &StoredFile| (file.name.part(), file.since.filter(|_| file.name.part() == Part::Snapshot));
        (key(left), &left.name).cmp(&(key(right), &right.name))
    });
}

/// The folder of an archive, or one that becomes it.
#[derive(Clone)]
pub struct Shelf {
    pub(super) store: Store,
}

impl<P: AsRef<Path> + ?Sized> From<&P> for Shelf {
    fn from(root: &P) -> Shelf {
        Shelf::at(root.as_ref())
    }
}

impl Shelf {
    /// The files of a folder, whatever is in it.
    pub fn at(root: &Path) -> Shelf {
        Shelf { store: Store::new(root, Arc::new(LocalDisk)) }
    }

    /// The files that an open archive has.
    pub(super) fn over(store: Store) -> Shelf {
        Shelf { store }
    }

    /// The same on a disk that fails where it is told to.
    #[cfg(test)]
    pub(super) fn on(disk: Arc<dyn super::disk::Disk>, root: &Path) -> Shelf {
        Shelf { store: Store::new(root, disk) }
    }

    /// The folder.
    pub fn root(&self) -> &Path {
        self.store.root()
    }

    /// What the header says; `None` where the folder is no archive.
    pub fn header(&self) -> Result<Option<HeaderFacts>, Error> {
        match Header::read(&self.store) {
            Ok(header) => Ok(Some(header.into())),
            Err(Error::NotAnArchive(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Makes the folder if it is not there.
    pub fn prepare(&self) -> Result<(), Error> {
        std::fs::create_dir_all(self.root()).map_err(Error::file("create", self.root()))
    }

    /// Takes the right to write.
    pub fn turn(&self, now: DateTime<Utc>) -> Result<Turn, Error> {
        Turn::take(&self.store, now)
    }

    /// Every file that is copied, in the order of copying.
    ///
    /// Manifests are listed before what they name, so that a list made beside a
    /// running writer never has a manifest without its segments.
    pub fn files(&self) -> Result<Vec<StoredFile>, Error> {
        let mut names = Vec::new();
        for folder in [SNAPSHOTS, MARKS, EXCERPTS, LOSSES, MOVES, LOGS, DRILLS, HOLDERS, LABELS] {
            names.extend(self.listed(folder)?);
        }
        for folder in [SEGMENTS, BLOBS] {
            names.extend(self.store.list_spread(folder)?.into_iter().filter_map(|(path, _)| FileName::parse(&path)));
        }
        names.extend(self.store.exists(HEADER).then(FileName::header));
        let mut files = Vec::with_capacity(names.len());
        for name in names {
            // A growing segment is replaced by a longer one, and retention removes: what is gone is not there.
            if let Some(file) = self.file(&name)? {
                files.push(file);
            }
        }
        in_order_of_copying(&mut files);
        Ok(files)
    }

    fn listed(&self, folder: &str) -> Result<Vec<FileName>, Error> {
        let names = self.store.list(folder)?;
        Ok(names.iter().filter_map(|name| FileName::parse(&format!("{folder}/{name}"))).collect())
    }

    /// One file, if it is there.
    pub fn file(&self, name: &FileName) -> Result<Option<StoredFile>, Error> {
        let path = self.path(name);
        if std::fs::symlink_metadata(&path).is_ok_and(|facts| !facts.is_file()) {
            return Err(Error::damaged(&path, "is no file"));
        }
        match self.store.length(name.as_str()) {
            Ok(bytes) => Ok(Some(StoredFile { name: name.clone(), bytes, since: self.store.modified(name.as_str()) })),
            Err(Error::Missing(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The name of something in the folder that no archive has, if there is any.
    pub fn stranger(&self) -> Result<Option<String>, Error> {
        Ok(self.store.list("")?.into_iter().find(|name| !belongs(name)))
    }

    /// What lies among the drafts.
    pub fn drafts(&self) -> Result<Vec<String>, Error> {
        self.store.list(DRAFTS)
    }

    /// Removes drafts that copies left behind a day ago or longer.
    pub fn clear_old_drafts(&self) {
        self.store.clear_drafts(|_| false);
    }

    /// Puts a small note among the drafts; one that is there stays.
    pub fn draft_named(&self, name: &str, text: &str) -> Result<(), Error> {
        match self.drafts()?.iter().any(|draft| draft == name) {
            true => Ok(()),
            false => self.store.place_as(&format!("{DRAFTS}/{name}"), text.as_bytes()),
        }
    }

    /// Where a file lies or will lie.
    pub fn path(&self, name: &FileName) -> PathBuf {
        self.store.path(name.as_str())
    }

    /// Reads a file as it is stored.
    pub fn open(&self, name: &FileName) -> Result<Box<dyn Read + Send>, Error> {
        Ok(Box::new(self.store.open(name.as_str())?))
    }

    /// Hex BLAKE3 of a file as it is stored.
    pub fn hash(&self, name: &FileName) -> Result<String, Error> {
        super::store::hash_of(self.store.open(name.as_str())?, &self.path(name))
    }

    /// Begins a file under a temporary name.
    pub fn receive(&self) -> Result<Arrival, Error> {
        Ok(Arrival { draft: self.store.draft()?, store: self.store.clone() })
    }

    /// Returns when the names of all segments and blobs that arrived are on disk: the barrier before manifests.
    pub fn settle(&self) -> Result<(), Error> {
        self.store.settle()
    }

    /// Moves a file that is not what its name says out of the way; it is not deleted at once, somebody may want to see it.
    pub fn set_aside(&self, name: &FileName) -> Result<(), Error> {
        self.store.set_aside(name.as_str())
    }

    /// Puts a header, and its copy, in the place of what is there; returns where that is kept.
    pub fn mend_header(&self, bytes: &[u8]) -> Result<Vec<String>, Error> {
        let mut kept = Vec::new();
        for name in [HEADER, HEADER_COPY] {
            let mut arrival = self.receive()?;
            arrival.write_all(bytes).map_err(Error::file("write", &self.store.path(name)))?;
            kept.extend(arrival.draft.place_over(name)?);
        }
        Ok(kept)
    }

    /// Puts another copy of a log in the place of the one here if it has more whole entries: `None` if it has not,
    /// else where the old one is kept, if there was one.
    pub fn mend_log(&self, name: &FileName, bytes: &[u8]) -> Result<Option<Option<String>>, Error> {
        let here = match self.store.read(name.as_str()) {
            Ok(here) => whole_entries(&here).0,
            Err(Error::NotAnArchive(_)) => return Ok(None),
            Err(_) => 0,
        };
        let (theirs, length) = whole_entries(bytes);
        if theirs <= here || length != bytes.len() {
            return Ok(None);
        }
        let mut arrival = self.receive()?;
        arrival.write_all(bytes).map_err(Error::file("write", &self.path(name)))?;
        arrival.draft.place_over(name.as_str()).map(Some)
    }

    /// Begins or continues a log: `from` must begin with what is there already, and what follows is appended.
    pub fn extend_log(&self, name: &FileName, mut from: impl Read) -> Result<u64, Error> {
        let (path, wanted) = (self.path(name), |part: Part| part == Part::Log);
        if !wanted(name.part()) {
            return Err(Error::damaged(&path, "only logs grow"));
        }
        let there = match self.file(name)? {
            Some(file) => file.bytes,
            None => {
                self.store.create_log_file(name.as_str())?;
                0
            }
        };
        let mut beginning = blake3::Hasher::new();
        let same = beginning.update_reader((&mut from).take(there)).map_err(Error::file("read", &path))?.finalize();
        if same.to_hex().as_str() != self.hash(name)? {
            return Err(Error::damaged(&path, "holds other entries than its copy"));
        }
        let mut output = self.store.append(name.as_str())?;
        let appended = std::io::copy(&mut from, &mut output).map_err(Error::file("write", &path))?;
        output.flush().and_then(|()| output.sync()).map_err(Error::file("write", &path))?;
        Ok(appended)
    }
}

/// A file on its way to its name; gone when dropped before.
pub struct Arrival {
    draft: Draft,
    store: Store,
}

impl Write for Arrival {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.draft.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.draft.flush()
    }
}

impl Arrival {
    /// Hex BLAKE3 of what has arrived so far.
    pub fn hash(&self) -> String {
        self.draft.hash()
    }

    /// Reads the file back and puts it in the place of a damaged one; returns where that is kept, if there was one.
    pub fn mend(self, name: &FileName) -> Result<Option<String>, Error> {
        let found = self.draft.hash();
        if name.hash().is_none_or(|hash| hash != found) {
            return Err(Error::damaged(&self.store.path(name.as_str()), format!("its bytes hash to {}", &found[..16])));
        }
        self.draft.place_over(name.as_str())
    }

    /// Reads the file back and gives it its name, if its bytes are what the name says.
    ///
    /// The names of segments and blobs are on disk after [`Shelf::settle`], others at once.
    pub fn shelve(self, name: &FileName) -> Result<(), Error> {
        let found = self.draft.hash();
        if name.hash().is_some_and(|hash| hash != found) {
            return Err(Error::damaged(&self.store.path(name.as_str()), format!("its bytes hash to {}", &found[..16])));
        }
        match name.part() {
            Part::Segment => self.draft.place_one_of_many(SEGMENTS, |_| Ok(())).map(drop),
            Part::Blob => self.draft.place_one_of_many(BLOBS, |_| Ok(())).map(drop),
            _ => self.draft.place_under(name.as_str()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::{FileName, Part, Shelf};

    fn hash() -> String {
        "0123456789abcdef".repeat(4)
    }

    #[test]
    fn only_names_of_an_archive_are_names() {
        let hash = hash();
        for (path, part) in [
            ("archive.json".to_owned(), Part::Header),
            ("keys/archive.json".to_owned(), Part::HeaderCopy),
            (format!("keys/{hash}"), Part::Holder),
            (format!("labels/{hash}"), Part::Holder),
            (format!("segments/01/{hash}"), Part::Segment),
            (format!("blobs/01/{hash}"), Part::Blob),
            (format!("snapshots/{hash}"), Part::Snapshot),
            (format!("marks/{hash}"), Part::Mark),
            (format!("excerpts/{hash}"), Part::Mark),
            ("restores/20261124-7f3c".to_owned(), Part::Log),
            ("drills/20261124-7f3c".to_owned(), Part::Log),
        ] {
            assert_eq!(FileName::parse(&path).map(|name| name.part()), Some(part), "{path}");
        }
        for path in [
            "",
            "/archive.json",
            "./archive.json",
            "archive.json/",
            "../archive.json",
            "index.sqlite",
            "keys/x",
            "runs/1",
            "schedule/state.json",
            "marks/x",
            &format!("doomed/{hash}"),
            "tmp/1",
            "restores/..",
            "restores/a/b",
            "restores/",
            "segments/01/../../../etc/passwd",
            "keys\\archive.json",
            &format!("segments/02/{hash}"),
            &format!("segments//{hash}"),
            &format!("segments/{hash}"),
            &format!("segments/012/{hash}"),
            &format!("snapshots/{}", hash.to_uppercase()),
            &format!("blobs/01/{hash}/"),
        ] {
            assert_eq!(FileName::parse(path), None, "{path}");
        }
    }

    #[test]
    fn a_file_that_is_not_what_its_name_says_is_not_shelved() {
        let folder = tempfile::tempdir().unwrap();
        let shelf = Shelf::at(folder.path());
        let mut arrival = shelf.receive().unwrap();
        arrival.write_all(b"other").unwrap();
        let name = FileName::parse(&format!("snapshots/{}", hash())).unwrap();
        assert!(arrival.shelve(&name).unwrap_err().to_string().contains("its bytes hash to"));
        assert_eq!((shelf.file(&name).unwrap(), shelf.files().unwrap()), (None, Vec::new()));
    }

    #[test]
    fn a_log_grows_by_what_is_missing_and_never_changes_what_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let shelf = Shelf::at(folder.path());
        let name = FileName::parse("restores/one").unwrap();
        assert_eq!(shelf.extend_log(&name, &b"first "[..]).unwrap(), 6);
        assert_eq!(shelf.extend_log(&name, &b"first second"[..]).unwrap(), 6);
        assert!(shelf.extend_log(&name, &b"other second third"[..]).is_err());
        assert!(shelf.extend_log(&name, &b"first"[..]).is_err(), "a shorter copy is another one");
        assert_eq!(std::fs::read(shelf.path(&name)).unwrap(), b"first second");
    }
}
