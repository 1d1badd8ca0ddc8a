//! One tar file with one snapshot or all, and the way back.
//!
//! A bundle is the archive's own files under their own names in plain tar, so
//! `tar`, `age`, `zstd` and `jq` read it. It may come from anybody: an import
//! takes nothing but regular files with names of an archive, in the order of
//! copying, each proven by its hash before it gets its name.

use std::collections::{BTreeSet, HashSet};
use std::fs::{File, OpenOptions};
use std::io::{BufReader, BufWriter, ErrorKind, Read, Write};
use std::path::Path;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tar::{Builder, EntryType, Header};
use tempfile::NamedTempFile;

use crate::archive::{FileName, HeaderFacts, Part, Shelf, StoredFile};
use crate::offsite::{Amount, Error, Fault, Progress};

/// The first entry: what the bundle holds, so that one that was cut is not taken for a whole one.
const CONTENTS: &str = "bundle.json";
/// The newest form of a bundle that this version knows.
const FORMAT: u32 = 1;
/// Headers and lists of contents of more are not read into memory.
const SMALL: u64 = 16 << 20;
/// What tar has room for in a plain name.
const NAME_LIMIT: usize = 100;

/// How the name of a bundle that is being written begins and ends.
const DRAFT: (&str, &str) = (".pdbak-bundle-", ".part");

/// The first entry.
#[derive(Serialize, Deserialize)]
struct Contents {
    bundle: u32,
    archive: String,
    files: u64,
    bytes: u64,
    /// The snapshots in it, where those before them may not be in it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    excerpt: Vec<String>,
}

/// What a bundle got.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize)]
pub struct Bundled {
    /// The archive's id.
    pub archive: String,
    /// Files of the archive in it.
    pub packed: Amount,
    /// Snapshots in it.
    pub snapshots: u64,
    /// Files that are damaged or missing, and not in it.
    pub faults: Vec<Fault>,
}

/// What an import brought.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize)]
pub struct Unbundled {
    /// The archive's id.
    pub archive: String,
    /// Whether the folder became an archive by it.
    pub created: bool,
    /// What was taken out.
    pub added: Amount,
    /// What was here already.
    pub there: Amount,
    /// Snapshots that are new here.
    pub snapshots: u64,
}

/// Writes a bundle of all files, or of some and what opens the archive; the file must not exist.
pub fn bundle(
    from: &Shelf,
    into: &Path,
    only: Option<Vec<FileName>>,
    progress: &dyn Progress,
) -> Result<Bundled, Error> {
    let header = from.header()?.ok_or_else(|| crate::archive::Error::NotAnArchive(from.root().to_owned()))?;
    let failed = |source| crate::archive::Error::File { doing: "write", path: into.to_owned(), source };
    if into.exists() {
        return Err(failed(ErrorKind::AlreadyExists.into()).into());
    }
    let mut done = Bundled { archive: header.archive, ..Bundled::default() };
    let whole_archive = only.is_none();
    let files = chosen(from, only, &mut done)?;
    done.packed = files.iter().map(|file| file.bytes).collect();
    done.snapshots = files.iter().filter(|file| file.name.part() == Part::Snapshot).count() as u64;
    progress.expects(done.packed);
    // A bundle gets its name when it is whole.
    let draft = draft_beside(into).map_err(failed)?;
    let mut tar = Builder::new(BufWriter::new(draft));
    let snapshots = files.iter().filter(|file| file.name.part() == Part::Snapshot && !whole_archive);
    let contents = Contents {
        bundle: FORMAT,
        archive: done.archive.clone(),
        files: done.packed.files,
        bytes: done.packed.bytes,
        excerpt: snapshots.map(|file| file.name.to_string()).collect(),
    };
    let contents = serde_json::to_vec(&contents).expect("a list of contents always serialises");
    append(&mut tar, CONTENTS, contents.len() as u64, &contents[..]).map_err(failed)?;
    for file in &files {
        let input = from.open(&file.name)?.take(file.bytes);
        append(&mut tar, file.name.as_str(), file.bytes, input).map_err(failed)?;
        progress.did(Amount::one(file.bytes));
    }
    let draft =
        tar.into_inner().and_then(|out| out.into_inner().map_err(|error| error.into_error())).map_err(failed)?;
    draft.as_file().sync_all().map_err(failed)?;
    draft.persist_noclobber(into).map_err(|error| failed(error.error))?;
    Ok(done)
}

/// Begins a file beside the one that it becomes, and removes what killed runs were writing there.
fn draft_beside(into: &Path) -> std::io::Result<NamedTempFile> {
    let folder = into.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    for entry in std::fs::read_dir(folder)?.flatten() {
        let name = entry.file_name();
        let is_draft = name.to_str().is_some_and(|name| name.starts_with(DRAFT.0) && name.ends_with(DRAFT.1));
        // Whoever lives holds its lock, and where nothing can be locked nobody is known to be dead.
        let is_dead = |file: File| file.try_lock().is_ok();
        if is_draft && OpenOptions::new().write(true).open(entry.path()).is_ok_and(is_dead) {
            std::fs::remove_file(entry.path())?;
        }
    }
    let draft = tempfile::Builder::new().prefix(DRAFT.0).suffix(DRAFT.1).tempfile_in(folder)?;
    let _held_where_there_are_locks = draft.as_file().try_lock();
    Ok(draft)
}

/// The files to pack: hashed first, so that what is damaged here never leaves it; the header before all others.
fn chosen(from: &Shelf, only: Option<Vec<FileName>>, done: &mut Bundled) -> Result<Vec<StoredFile>, Error> {
    let wanted: Option<BTreeSet<FileName>> = only.map(|names| names.into_iter().collect());
    let mut files = from.files()?;
    if let Some(wanted) = &wanted {
        let there: HashSet<&FileName> = files.iter().map(|file| &file.name).collect();
        for name in wanted.iter().filter(|name| !there.contains(name)) {
            done.faults.push(Fault { file: name.to_string(), problem: "is missing".to_owned() });
        }
        files.retain(|file| wanted.contains(&file.name) || opens(file.name.part()));
    }
    let mut whole = Vec::with_capacity(files.len());
    for file in files {
        let problem = match file.name.hash() {
            _ if file.name.as_str().len() >= NAME_LIMIT => "has a name that is too long for a bundle".to_owned(),
            Some(hash) if from.hash(&file.name)? != hash => "is damaged".to_owned(),
            _ => {
                whole.push(file);
                continue;
            }
        };
        done.faults.push(Fault { file: file.name.to_string(), problem });
    }
    whole.sort_by_key(|file| rank(file.name.part()));
    Ok(whole)
}

/// Whether a part opens an archive.
fn opens(part: Part) -> bool {
    matches!(part, Part::Header | Part::HeaderCopy | Part::Holder)
}

/// The order in a bundle: whose it is, then contents, then what names them.
fn rank(part: Part) -> u8 {
    match part {
        Part::Header => 0,
        Part::HeaderCopy => 1,
        Part::Holder => 2,
        Part::Segment | Part::Blob => 3,
        Part::Log => 4,
        Part::Mark | Part::Doomed => 5,
        Part::Snapshot => 6,
    }
}

fn append(tar: &mut Builder<impl Write>, name: &str, bytes: u64, contents: impl Read) -> std::io::Result<()> {
    let mut header = Header::new_ustar();
    header.set_path(name)?;
    header.set_entry_type(EntryType::Regular);
    header.set_size(bytes);
    header.set_mode(0o444);
    header.set_cksum();
    tar.append(&header, contents)
}

pub(super) fn refused(bundle: &Path, fact: impl Into<String>) -> Error {
    Error::Bundle { bundle: bundle.display().to_string(), fact: fact.into() }
}

/// Whose bundle it is, and the files of an archive in it; nothing is taken out.
pub(super) fn files(from: &Path) -> Result<(String, Vec<StoredFile>), Error> {
    let failed = |error: std::io::Error| refused(from, error.to_string());
    let mut tar = tar::Archive::new(BufReader::with_capacity(256 << 10, File::open(from).map_err(failed)?));
    let (mut contents, mut files): (Option<Contents>, Vec<StoredFile>) = (None, Vec::new());
    for entry in tar.entries().map_err(failed)?.raw(true) {
        // What follows a place that cannot be read is out of reach; what came before it is whole.
        let Ok(mut entry) = entry else { break };
        if contents.is_none() {
            let mut bytes = Vec::new();
            (&mut entry).take(SMALL).read_to_end(&mut bytes).map_err(failed)?;
            let read = serde_json::from_slice(&bytes).map_err(|error| refused(from, format!("{CONTENTS}: {error}")))?;
            contents = Some(read);
            continue;
        }
        let name = FileName::parse(&String::from_utf8_lossy(&entry.path_bytes()));
        let regular = entry.header().entry_type() == EntryType::Regular;
        if let Some(name) = name.filter(|_| regular) {
            files.push(StoredFile { name, bytes: entry.header().entry_size().unwrap_or(0), since: None });
        }
    }
    let contents = contents.ok_or_else(|| refused(from, "it is empty"))?;
    Ok((contents.archive, files))
}

/// Takes a bundle's files into the archive it is of, or into a folder that becomes it.
pub fn unbundle(from: &Path, to: &Shelf, now: DateTime<Utc>, progress: &dyn Progress) -> Result<Unbundled, Error> {
    let opened = File::open(from).map_err(|error| refused(from, error.to_string()))?;
    let mut tar = tar::Archive::new(BufReader::with_capacity(256 << 10, opened));
    // Raw: long names, links and sparse files come as what they are, and are refused.
    let entries = tar.entries().map_err(|error| refused(from, error.to_string()))?.raw(true);
    let mut import =
        Import { from, to, own: to.header()?, header: None, seen: HashSet::new(), done: Unbundled::default() };
    let mut turn = None;
    let (mut contents, mut last): (Option<Contents>, u8) = (None, 0);
    for entry in entries {
        let mut entry = entry.map_err(|error| refused(from, error.to_string()))?;
        let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let shown: String =
            path.chars().take(NAME_LIMIT).map(|letter| if letter.is_control() { '?' } else { letter }).collect();
        if entry.header().entry_type() != EntryType::Regular {
            return Err(refused(from, format!("{shown:?} is no regular file")));
        }
        let Some(promised) = &contents else {
            let found = import.contents(&path, &mut entry)?;
            progress.expects(Amount { files: found.files, bytes: found.bytes });
            contents = Some(found);
            to.prepare()?;
            turn = Some(to.turn(now)?);
            continue;
        };
        let name =
            FileName::parse(&path).ok_or_else(|| refused(from, format!("{shown:?} has no place in an archive")))?;
        let (rank, size) = (rank(name.part()), entry.header().entry_size().unwrap_or(u64::MAX));
        if rank < last || (last == 0 && import.header.is_none() && name.part() != Part::Header) {
            return Err(refused(from, format!("{shown:?} is out of order")));
        }
        if rank > 3 && last <= 3 {
            to.settle()?;
            let alone: Vec<FileName> = promised.excerpt.iter().filter_map(|name| FileName::parse(name)).collect();
            to.note_excerpt(&promised.archive, &alone)?;
        }
        last = rank;
        import.take(&name, size, &promised.archive, &mut entry)?;
        progress.did(Amount::one(size));
    }
    let contents = contents.ok_or_else(|| refused(from, "it is empty"))?;
    let done = import.end(&contents)?;
    drop(turn);
    Ok(done)
}

struct Import<'a> {
    from: &'a Path,
    to: &'a Shelf,
    /// The header of the archive that is here already.
    own: Option<HeaderFacts>,
    header: Option<Vec<u8>>,
    seen: HashSet<FileName>,
    done: Unbundled,
}

impl Import<'_> {
    /// Reads the first entry, and refuses a bundle that does not belong here before anything is written.
    fn contents(&mut self, path: &str, entry: &mut impl Read) -> Result<Contents, Error> {
        if path != CONTENTS {
            return Err(refused(self.from, format!("it does not begin with {CONTENTS}")));
        }
        let bytes = self.small(entry)?;
        let contents: Contents =
            serde_json::from_slice(&bytes).map_err(|error| refused(self.from, format!("{CONTENTS}: {error}")))?;
        if contents.bundle > FORMAT {
            return Err(refused(
                self.from,
                format!("form {} is newer than this pdbak, which knows {FORMAT}", contents.bundle),
            ));
        }
        match &self.own {
            Some(own) if own.archive != contents.archive => {
                return Err(Error::OtherArchive {
                    target: self.from.display().to_string(),
                    found: contents.archive,
                    expected: own.archive.clone(),
                });
            }
            Some(_) => {}
            None => {
                if let Some(found) = self.to.stranger()? {
                    return Err(Error::Occupied { target: self.to.root().display().to_string(), found });
                }
            }
        }
        self.done.archive.clone_from(&contents.archive);
        self.done.created = self.own.is_none();
        Ok(contents)
    }

    fn small(&self, entry: &mut impl Read) -> Result<Vec<u8>, Error> {
        let mut bytes = Vec::new();
        entry.take(SMALL + 1).read_to_end(&mut bytes).map_err(|error| refused(self.from, error.to_string()))?;
        if bytes.len() as u64 > SMALL {
            return Err(refused(self.from, "a header of absurd length"));
        }
        Ok(bytes)
    }

    fn take(&mut self, name: &FileName, size: u64, archive: &str, entry: &mut impl Read) -> Result<(), Error> {
        if !self.seen.insert(name.clone()) {
            return Err(refused(self.from, format!("{name} is in it twice")));
        }
        match name.part() {
            Part::Header => {
                let bytes = self.small(entry)?;
                let facts = HeaderFacts::parse(&bytes, Path::new(name.as_str()));
                let facts = facts.map_err(|error| refused(self.from, error.to_string()))?;
                if facts.archive != archive {
                    return Err(refused(self.from, "its header is of another archive"));
                }
                if self.own.as_ref().is_some_and(|own| own.rotation < facts.rotation) {
                    return Err(Error::NewerKeys(self.from.display().to_string()));
                }
                self.header = Some(bytes);
                Ok(())
            }
            // An archive that is here has its own header and its own keys; strangers' are not added to it.
            Part::HeaderCopy => Ok(()),
            Part::Holder if self.own.is_some() => Ok(()),
            Part::Log => {
                // A journal that was carried on here is the newer one.
                if self.to.file(name)?.is_none_or(|file| file.bytes < size) {
                    self.to.extend_log(name, entry)?;
                    self.done.added.add(Amount::one(size));
                } else {
                    self.done.there.add(Amount::one(size));
                }
                Ok(())
            }
            _ => self.shelve(name, size, entry),
        }
    }

    fn shelve(&mut self, name: &FileName, size: u64, entry: &mut impl Read) -> Result<(), Error> {
        let here = self.to.file(name)?;
        if here.as_ref().is_some_and(|file| file.bytes == size) {
            self.done.there.add(Amount::one(size));
            return Ok(());
        }
        let mut arrival = self.to.receive()?;
        std::io::copy(entry, &mut arrival).map_err(|error| refused(self.from, error.to_string()))?;
        if Some(arrival.hash().as_str()) != name.hash() {
            return Err(refused(self.from, format!("{name} is not what its name says")));
        }
        if here.is_some() {
            self.to.set_aside(name)?;
        }
        arrival.shelve(name)?;
        self.done.added.add(Amount::one(size));
        self.done.snapshots += u64::from(name.part() == Part::Snapshot);
        Ok(())
    }

    /// The header last, when all that was promised is there.
    fn end(mut self, promised: &Contents) -> Result<Unbundled, Error> {
        self.to.settle()?;
        let found = self.seen.len() as u64;
        if found != promised.files {
            return Err(refused(self.from, format!("it holds {found} files and promises {}", promised.files)));
        }
        let Some(header) = self.header.take() else { return Err(refused(self.from, "it has no header")) };
        if self.own.is_none() {
            for name in [FileName::header_copy(), FileName::header()] {
                let mut arrival = self.to.receive()?;
                arrival.write_all(&header).map_err(|error| refused(self.from, error.to_string()))?;
                arrival.shelve(&name)?;
            }
        }
        Ok(self.done)
    }
}
