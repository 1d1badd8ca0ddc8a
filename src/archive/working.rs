//! A folder on this machine behind which an object store stands: the disk of an archive that lives there.
//!
//! What an archive promises rests on the order in which a disk is asked to keep
//! things, and [`sync_folder`](super::disk::Disk::sync_folder) is where it waits. So that
//! is where files are sent: what the code above does for a power cut holds for a cut
//! connection, too. In the working folder lie
//! - under their own names the files that the store has not yet, and logs;
//! - under `fetched/` copies of files that the store has, each proven by its hash when it came; any may go at any time;
//! - the index, run files, drafts and quarantine, which are of this machine.
//!
//! What is not in the store is not shown, but for segments, contents and logs, which say
//! nothing until something in the store names them.

mod fetched;
mod pieces;
mod sending;
mod turn;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use self::fetched::FETCHED;
pub(super) use self::sending::BegunElsewhere;
use self::sending::LogOutput;
use self::turn::Beat;
pub(super) use self::turn::{FarTurn, TurnLost};
use super::disk::{Disk, Input, LocalDisk, Output, Partial};
use super::error::Error;
use super::header::{HEADER, HEADER_COPY};
use super::home::{Home, HomeContents};
use super::shelf::{FileName, Part, Shelf, StoredFile, belongs};
use super::store::DRAFTS;

/// The disk of an archive that lives in a store.
#[derive(Clone)]
pub(super) struct Working(Arc<Desk>);

/// What all that write and read through the folder share.
struct Desk {
    root: PathBuf,
    /// The folder as any other: what is not sent yet is read from it.
    here: Shelf,
    home: Arc<dyn Home>,
    /// The files of the store by their names, as of the last look and of what was done since.
    there: Mutex<BTreeMap<String, StoredFile>>,
    /// Files that have their names here and are not in the store yet, or not as they are here.
    unsent: Mutex<BTreeSet<String>>,
    /// Something in the store that no archive has.
    stranger: Mutex<Option<String>>,
    /// The right to write, as long as this process has it.
    beat: Mutex<Option<Arc<Beat>>>,
    /// Copies below [`FETCHED`] that this process has proven.
    proven: Mutex<BTreeSet<String>>,
    /// So many bytes of segments and contents are kept below [`FETCHED`].
    kept: u64,
    /// Bytes below [`FETCHED`] that came since anybody looked.
    came: AtomicU64,
}

impl Working {
    /// Looks at what the store has.
    pub(super) fn open(root: &Path, home: Arc<dyn Home>, kept: u64) -> Result<Working, Error> {
        let desk = Desk {
            root: root.to_owned(),
            here: Shelf::at(root),
            home,
            there: Mutex::default(),
            unsent: Mutex::default(),
            stranger: Mutex::default(),
            beat: Mutex::default(),
            proven: Mutex::default(),
            kept,
            // The limit may be a new one: the first that comes has somebody look.
            came: AtomicU64::new(kept / fetched::LOOK_AFTER),
        };
        desk.look()?;
        Ok(Working(Arc::new(desk)))
    }
}

impl Desk {
    fn look(&self) -> Result<(), Error> {
        self.knows(self.home.contents()?);
        self.fetch_small().map_err(Error::file("read", &self.root))
    }

    /// Takes in what the store has.
    fn knows(&self, contents: HomeContents) {
        *locked(&self.there) = contents.files.into_iter().map(|file| (file.name.to_string(), file)).collect();
        *locked(&self.stranger) = contents.stranger;
        // The only files that change under their names.
        for name in [HEADER, HEADER_COPY] {
            let _not_here = fs::remove_file(self.fetched(name));
        }
    }

    /// The name of a file that belongs into the store; `None` for what is of this machine.
    fn name(&self, path: &Path) -> Option<FileName> {
        FileName::at_home(&self.below(path)?)
    }

    /// A path below the root, with `/` between its parts.
    fn below(&self, path: &Path) -> Option<String> {
        let parts = path.strip_prefix(&self.root).ok()?.iter().map(|part| part.to_str());
        Some(parts.collect::<Option<Vec<_>>>()?.join("/"))
    }

    fn is_there(&self, name: &FileName) -> bool {
        locked(&self.there).contains_key(name.as_str())
    }

    fn is_unsent(&self, name: &FileName) -> bool {
        locked(&self.unsent).contains(name.as_str())
    }

    /// How many bytes the store has of a file.
    fn length_there(&self, name: &FileName) -> Option<u64> {
        locked(&self.there).get(name.as_str()).map(|file| file.bytes)
    }

    /// How many bytes are here of a file that is not sent, or of a log.
    fn length_here(&self, name: &FileName) -> Option<u64> {
        fs::metadata(self.here.path(name)).ok().map(|facts| facts.len())
    }

    fn length(&self, name: &FileName) -> io::Result<u64> {
        let (here, there) = (self.length_here(name), self.length_there(name));
        let length = match name.part() {
            _ if self.is_unsent(name) => here,
            Part::Log => here.max(there),
            _ => there,
        };
        length.ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn open(&self, name: &FileName) -> io::Result<Box<dyn Input>> {
        if name.part() == Part::Log {
            self.bring_log(name)?;
            return LocalDisk.open(&self.here.path(name));
        }
        if self.is_unsent(name) {
            // Sent a moment ago, it has moved.
            match LocalDisk.open(&self.here.path(name)) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                opened => return opened,
            }
        }
        if !self.is_there(name) {
            return Err(io::ErrorKind::NotFound.into());
        }
        match self.open_copy(name)? {
            Some(copy) => Ok(copy),
            None => self.fetch(name),
        }
    }

    /// The names in a folder of the archive, or in its root.
    fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        let mut names = BTreeSet::new();
        let before = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        let mut enter = |name: &str| {
            let first = name.strip_prefix(&before).and_then(|rest| rest.split('/').next());
            names.extend(first.map(str::to_owned));
        };
        let beyond = |name: &&String| name.starts_with(&before);
        locked(&self.there)
            .range(before.clone()..)
            .map(|(name, _)| name)
            .take_while(beyond)
            .for_each(|name| enter(name));
        let shown = |name: &&String| FileName::at_home(name).is_some_and(|name| name.part() <= Part::Blob);
        locked(&self.unsent).iter().filter(shown).for_each(|name| enter(name));
        // Logs are here before they are there; of the rest only what is no part of the archive itself.
        let is_log = |name: &str| FileName::at_home(name).is_some_and(|name| name.part() == Part::Log);
        let own = |name: &str| belongs(name) && FileName::at_home(name).is_none() && !self.root.join(name).is_dir();
        let own = |name: &str| folder.is_empty() && (OF_THIS_MACHINE.contains(&name) || own(name));
        let here = LocalDisk.list(&self.root.join(folder))?.into_iter();
        names.extend(here.filter(|name| is_log(&format!("{before}{name}")) || own(name)));
        if folder.is_empty() {
            names.extend(locked(&self.stranger).iter().filter_map(|name| name.split('/').next()).map(str::to_owned));
        }
        Ok(names.into_iter().collect())
    }

    /// Removes a file here and in the store, there first: what is gone here only comes again.
    fn remove(&self, name: &FileName) -> io::Result<()> {
        let mut found = false;
        if self.is_there(name) {
            self.still_ours()?;
            self.home.remove(name)?;
            locked(&self.there).remove(name.as_str());
            found = true;
        }
        locked(&self.unsent).remove(name.as_str());
        for path in [self.here.path(name), self.fetched(name.as_str())] {
            match fs::remove_file(path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                removed => {
                    removed?;
                    found = true;
                }
            }
        }
        if found { Ok(()) } else { Err(io::ErrorKind::NotFound.into()) }
    }

    /// Gives bytes of the archive another name on this machine, as they lie in the store: they may be damaged.
    fn copy_out(&self, name: &FileName, to: &Path) -> io::Result<()> {
        let draft = self.draft()?;
        self.home.fetch(name, &draft)?.ok_or(io::ErrorKind::NotFound)?;
        LocalDisk.rename(&draft, to)
    }

    /// A path for a file that comes.
    fn draft(&self) -> io::Result<PathBuf> {
        let folder = self.root.join(DRAFTS);
        fs::create_dir_all(&folder)?;
        Ok(folder.join(uuid::Uuid::new_v4().to_string()))
    }
}

/// Folders that stand beside the archive.
const OF_THIS_MACHINE: &[&str] = &[DRAFTS, super::run::RUNS, super::store::QUARANTINE, super::shelf::SCHEDULE];

impl Disk for Working {
    fn create(&self, path: &Path) -> io::Result<Box<dyn Output>> {
        match self.0.name(path) {
            Some(name) if self.0.is_there(&name) => Err(io::ErrorKind::AlreadyExists.into()),
            Some(name) => {
                self.0.note_begun(&name)?;
                LocalDisk.create(path)
            }
            None => LocalDisk.create(path),
        }
    }

    fn append(&self, path: &Path) -> io::Result<Box<dyn Output>> {
        let Some(name) = self.0.name(path) else { return LocalDisk.append(path) };
        self.0.begun_here(&name)?;
        self.0.bring_log(&name)?;
        Ok(Box::new(LogOutput::new(LocalDisk.append(path)?, Arc::clone(&self.0), name)))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn Input>> {
        self.0.name(path).map_or_else(|| LocalDisk.open(path), |name| self.0.open(&name))
    }

    fn open_in_part(&self, path: &Path) -> io::Result<Partial> {
        match self.0.name(path) {
            Some(name) => self.0.open_in_part(&name),
            None => Ok(Partial { input: LocalDisk.open(path)?, ahead: None }),
        }
    }

    fn fetch_ahead(&self, paths: &[PathBuf], whole: bool) -> io::Result<()> {
        let names: Vec<FileName> = paths.iter().filter_map(|path| self.0.name(path)).collect();
        self.0.fetch_ahead(&names, whole)
    }

    fn length(&self, path: &Path) -> io::Result<u64> {
        self.0.name(path).map_or_else(|| LocalDisk.length(path), |name| self.0.length(&name))
    }

    fn modified(&self, path: &Path) -> Option<SystemTime> {
        let name = self.0.name(path)?;
        locked(&self.0.there).get(name.as_str()).and_then(|file| file.since)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        let below = self.0.below(path).unwrap_or_default();
        match OF_THIS_MACHINE.contains(&below.as_str()) {
            true => LocalDisk.list(path),
            false => self.0.list(&below),
        }
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        match (self.0.name(from), self.0.name(to)) {
            (None, Some(name)) => {
                if self.0.is_there(&name) || self.0.is_unsent(&name) {
                    return Err(io::ErrorKind::AlreadyExists.into());
                }
                LocalDisk.replace(from, to)?;
                locked(&self.0.unsent).insert(name.to_string());
                Ok(())
            }
            (Some(name), None) if self.0.is_there(&name) => {
                self.0.copy_out(&name, to)?;
                self.0.remove(&name)
            }
            (Some(name), None) => {
                LocalDisk.rename(from, to)?;
                locked(&self.0.unsent).remove(name.as_str());
                Ok(())
            }
            _ => LocalDisk.rename(from, to),
        }
    }

    fn replace(&self, from: &Path, to: &Path) -> io::Result<()> {
        LocalDisk.replace(from, to)?;
        locked(&self.0.unsent).extend(self.0.name(to).map(|name| name.to_string()));
        Ok(())
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        match self.0.name(from) {
            Some(name) if self.0.is_there(&name) && !self.0.is_unsent(&name) => self.0.copy_out(&name, to),
            _ => LocalDisk.link(from, to),
        }
    }

    fn create_folder(&self, path: &Path) -> io::Result<bool> {
        LocalDisk.create_folder(path)
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        match LocalDisk.sync_folder(path) {
            // What was removed was in the store only.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            synced => synced?,
        }
        self.0.send_folder(&self.0.below(path).unwrap_or_default())
    }

    fn protect(&self, path: &Path) -> io::Result<()> {
        match LocalDisk.protect(path) {
            // It was in the store already.
            Err(error) if error.kind() == io::ErrorKind::NotFound && self.0.name(path).is_some() => Ok(()),
            protected => protected,
        }
    }

    fn truncate(&self, path: &Path, length: u64) -> io::Result<()> {
        let name = self.0.name(path);
        if let Some(name) = &name {
            self.0.bring_log(name)?;
        }
        LocalDisk.truncate(path, length)?;
        locked(&self.0.unsent).extend(name.map(|name| name.to_string()));
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.0.name(path).map_or_else(|| LocalDisk.remove(path), |name| self.0.remove(&name))
    }

    fn turn(&self, about: &[u8]) -> Result<Option<FarTurn>, Error> {
        FarTurn::take(&self.0, about).map(Some)
    }

    fn read_anew(&self, is_meant: &dyn Fn(&str) -> bool) -> io::Result<()> {
        self.0.forget_fetched(is_meant)
    }

    fn look_again(&self) -> Result<(), Error> {
        self.0.look()
    }

    fn label(&self) -> Option<String> {
        Some(self.0.home.label())
    }

    fn remark(&self) -> Option<String> {
        self.0.home.remark()
    }

    fn unsent(&self) -> Vec<String> {
        locked(&self.0.unsent).iter().cloned().collect()
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
