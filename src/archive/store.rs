//! Files that are written once, under the name of what they hold.
//!
//! The order is restic's, because each step guards against something that has
//! happened: a temporary name (nothing half-written is ever visible), the
//! length and the contents read back (a bad cable, a full disk that lied),
//! fsync before the rename (a name without contents after a power cut), a
//! rename that cannot replace, fsync of the folder (contents without a name).
//! Blobs are many and small: their folders are synced together, before anything
//! that names them is written.

mod far;

use std::collections::BTreeSet;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use super::disk::{Disk, Input, Output};
use super::error::Error;
use super::witness::Witnessed;

/// Where files are written before they have their names.
pub(super) const DRAFTS: &str = "tmp";
/// Where damaged files are kept that whole ones took the place of; nothing here is ever removed.
pub(super) const QUARANTINE: &str = "quarantine";
/// How drafts begin whose writer had the right to write: they end with it. Others belong to copies that are under way.
const OF_A_TURN: &str = "turn-";
/// A draft of this age belongs to nobody any more: no file takes that long to write.
pub(crate) const DRAFT_IS_DEAD_AFTER: Duration = Duration::from_secs(24 * 3600);

/// The folder of an archive.
#[derive(Clone)]
pub(super) struct Store {
    root: PathBuf,
    disk: Arc<dyn Disk>,
    /// Folders with new names that may not be on disk yet.
    unsettled: Arc<Mutex<BTreeSet<PathBuf>>>,
    /// Whether whoever writes here has the right to.
    has_turn: Arc<AtomicBool>,
}

/// A file that has got its name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Placed {
    /// Hex BLAKE3 of the stored bytes.
    pub(super) name: String,
    /// How many bytes are stored.
    pub(super) bytes: u64,
}

impl Store {
    pub(super) fn new(root: &Path, disk: Arc<dyn Disk>) -> Store {
        Store { root: root.to_owned(), disk, unsettled: Arc::default(), has_turn: Arc::default() }
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// What people call it.
    pub(super) fn label(&self) -> PathBuf {
        self.disk.label().map_or_else(|| self.root.clone(), PathBuf::from)
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// Where a file of `segments` or `blobs` lies: spread over 256 folders.
    pub(super) fn spread(folder: &str, name: &str) -> String {
        format!("{folder}/{}/{name}", name.get(..2).unwrap_or("--"))
    }

    /// When a file came there, as far as anybody knows.
    pub(super) fn modified(&self, name: &str) -> Option<SystemTime> {
        self.disk.modified(&self.path(name))
    }

    pub(super) fn open(&self, name: &str) -> Result<Box<dyn Input>, Error> {
        let path = self.path(name);
        self.disk.open(&path).map_err(Error::file("read", &path))
    }

    pub(super) fn read(&self, name: &str) -> Result<Vec<u8>, Error> {
        let mut bytes = Vec::new();
        self.read_into(name, &mut bytes)?;
        Ok(bytes)
    }

    /// Reads a whole file in the place of what was read before: memory that is there already costs nothing.
    pub(super) fn read_into(&self, name: &str, bytes: &mut Vec<u8>) -> Result<(), Error> {
        bytes.clear();
        self.open(name)?.read_to_end(bytes).map_err(Error::file("read", &self.path(name)))?;
        Ok(())
    }

    pub(super) fn length(&self, name: &str) -> Result<u64, Error> {
        let path = self.path(name);
        self.disk.length(&path).map_err(Error::file("read", &path))
    }

    pub(super) fn exists(&self, name: &str) -> bool {
        self.disk.length(&self.path(name)).is_ok()
    }

    pub(super) fn list(&self, folder: &str) -> Result<Vec<String>, Error> {
        let path = self.path(folder);
        self.disk.list(&path).map_err(Error::file("list", &path))
    }

    /// The files of `segments` or `blobs`: path below the root, and name.
    pub(super) fn list_spread(&self, folder: &str) -> Result<Vec<(String, String)>, Error> {
        let mut files = Vec::new();
        for part in self.list(folder)? {
            for name in self.list(&format!("{folder}/{part}"))? {
                files.push((format!("{folder}/{part}/{name}"), name));
            }
        }
        Ok(files)
    }

    pub(super) fn remove(&self, name: &str) -> Result<(), Error> {
        let path = self.path(name);
        self.disk.remove(&path).map_err(Error::file("remove", &path))
    }

    pub(super) fn append(&self, name: &str) -> Result<Box<dyn Output>, Error> {
        let path = self.path(name);
        self.disk.append(&path).map_err(Error::file("write", &path))
    }

    pub(super) fn truncate(&self, name: &str, length: u64) -> Result<(), Error> {
        let path = self.path(name);
        self.disk.truncate(&path, length).map_err(Error::file("write", &path))
    }

    /// Creates an empty file that will be appended to.
    pub(super) fn create_log_file(&self, name: &str) -> Result<(), Error> {
        let path = self.path(name);
        let folder = path.parent().expect("a file lies in a folder");
        self.create_folder(Path::new(name).parent().and_then(Path::to_str).unwrap_or_default())?;
        self.disk.create(&path).and_then(|mut file| file.sync()).map_err(Error::file("write", &path))?;
        self.disk.sync_folder(folder).map_err(Error::file("write", folder))
    }

    /// Makes a folder below the root together with those above it, each on disk before the next.
    pub(super) fn create_folder(&self, folder: &str) -> Result<(), Error> {
        let mut path = self.root.clone();
        for part in folder.split('/').filter(|part| !part.is_empty()) {
            let parent = path.clone();
            path.push(part);
            if self.disk.create_folder(&path).map_err(Error::file("create", &path))? {
                self.disk.sync_folder(&parent).map_err(Error::file("write", &parent))?;
            }
        }
        Ok(())
    }

    /// Begins a file that will be named later.
    pub(super) fn draft(&self) -> Result<Draft, Error> {
        self.create_folder(DRAFTS)?;
        let of_whom = if self.has_turn.load(Ordering::SeqCst) { OF_A_TURN } else { "" };
        let path = self.path(&format!("{DRAFTS}/{of_whom}{}", uuid::Uuid::new_v4()));
        let output = self.disk.create(&path).map_err(Error::file("write", &path))?;
        Ok(Draft { store: self.clone(), path, output: Some(output), hasher: blake3::Hasher::new(), bytes: 0 })
    }

    /// Writes a whole file under a name of its own choice, in the same order of steps.
    pub(super) fn place_as(&self, name: &str, bytes: &[u8]) -> Result<(), Error> {
        let mut draft = self.draft()?;
        draft.write_all(bytes).map_err(Error::file("write", &self.path(name)))?;
        draft.place_at(|_| name.to_owned(), |_| Ok(()))?;
        Ok(())
    }

    /// Writes a whole file over the one that has the name; at any moment one of the two is there.
    pub(super) fn replace(&self, name: &str, bytes: &[u8]) -> Result<(), Error> {
        let mut draft = self.draft()?;
        draft.write_all(bytes).map_err(Error::file("write", &self.path(name)))?;
        draft.replace(name)
    }

    /// Returns when what was named and removed in a folder is so on disk.
    pub(super) fn settle_folder(&self, folder: &str) -> Result<(), Error> {
        let path = self.path(folder);
        match self.disk.sync_folder(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            synced => synced.map_err(Error::file("write", &path)),
        }
    }

    /// Moves a file among the drafts, where it stays for a day.
    pub(super) fn set_aside(&self, name: &str) -> Result<(), Error> {
        self.create_folder(DRAFTS)?;
        let aside = self.path(&format!("{DRAFTS}/{}", uuid::Uuid::new_v4()));
        let path = self.path(name);
        self.disk.rename(&path, &aside).map_err(Error::file("move", &path))
    }

    /// Keeps what a file holds under [`QUARANTINE`] and returns where; the file itself stays. `None` if there is none.
    ///
    /// A second name costs nothing and is given at once; where there is no such thing the file is copied, and one that
    /// cannot be read to its end is moved.
    pub(super) fn quarantine(&self, name: &str) -> Result<Option<String>, Error> {
        if !self.exists(name) {
            return Ok(None);
        }
        self.create_folder(QUARANTINE)?;
        let (path, flat) = (self.path(name), name.replace('/', "-"));
        let taken = self.list(QUARANTINE)?;
        let free = (0..).map(|number| if number == 0 { flat.clone() } else { format!("{flat}.{number}") });
        let free = free.map(|name| format!("{QUARANTINE}/{name}"));
        let kept = free.into_iter().find(|kept| !taken.iter().any(|name| kept.ends_with(&format!("/{name}"))));
        let kept = kept.expect("there is always a next number");
        let target = self.path(&kept);
        match self.disk.link(&path, &target) {
            Ok(()) => {
                let folder = folder_of(&target);
                self.disk.sync_folder(folder).map_err(Error::file("write", folder))?;
            }
            Err(error) if error.kind() == io::ErrorKind::StorageFull => {
                return Err(Error::file("write", &target)(error));
            }
            Err(_) => match self.read(name) {
                Ok(bytes) => self.place_as(&kept, &bytes)?,
                Err(_) => self.disk.rename(&path, &target).map_err(Error::file("move", &path))?,
            },
        }
        Ok(Some(kept))
    }

    /// Takes a file out of the way; it is kept under [`QUARANTINE`], and where is returned.
    pub(super) fn banish(&self, name: &str) -> Result<Option<String>, Error> {
        let kept = self.quarantine(name)?;
        if self.exists(name) {
            self.remove(name)?;
        }
        let path = self.path(name);
        let folder = folder_of(&path);
        if kept.is_some() {
            self.disk.sync_folder(folder).map_err(Error::file("write", folder))?;
        }
        Ok(kept)
    }

    /// Makes sure that the names of all blobs so far are on disk; before it nothing may count on them.
    pub(super) fn settle(&self) -> Result<(), Error> {
        let folders: Vec<PathBuf> = self.unsettled().iter().cloned().collect();
        for folder in folders {
            self.disk.sync_folder(&folder).map_err(Error::file("write", &folder))?;
            self.unsettled().remove(&folder);
        }
        Ok(())
    }

    fn unsettled(&self) -> MutexGuard<'_, BTreeSet<PathBuf>> {
        self.unsettled.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The right to write was taken: what was being written under it before is nobody's any more.
    pub(super) fn begin_turn(&self) {
        self.clear_drafts(|name| name.starts_with(OF_A_TURN));
        self.has_turn.store(true, Ordering::SeqCst);
    }

    /// Whether whoever reads here has the right to write.
    pub(super) fn has_turn(&self) -> bool {
        self.has_turn.load(Ordering::SeqCst)
    }

    /// The right to write is given back.
    pub(super) fn end_turn(&self) {
        self.has_turn.store(false, Ordering::SeqCst);
    }

    /// Removes drafts of the dead: those that are old, and those that whoever calls knows to be nobody's.
    pub(super) fn clear_drafts(&self, is_dead: impl Fn(&str) -> bool) {
        // Best effort, all of it: nothing depends on it, and what stays behind is removed by a later run.
        for name in self.list(DRAFTS).unwrap_or_default() {
            let path = self.path(&format!("{DRAFTS}/{name}"));
            let modified = std::fs::metadata(&path).and_then(|facts| facts.modified());
            let age = modified.ok().and_then(|modified| SystemTime::now().duration_since(modified).ok());
            let is_draft = uuid::Uuid::parse_str(name.strip_prefix(OF_A_TURN).unwrap_or(&name)).is_ok();
            if is_draft && (is_dead(&name) || age.is_some_and(|age| age > DRAFT_IS_DEAD_AFTER)) {
                let _ = self.disk.remove(&path);
            }
        }
    }
}

/// A file being written under a temporary name; gone when dropped before it is placed.
pub(super) struct Draft {
    store: Store,
    path: PathBuf,
    output: Option<Box<dyn Output>>,
    hasher: blake3::Hasher,
    bytes: u64,
}

impl Write for Draft {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // All of it: not everybody who seals goes on where a write stopped half-way.
        self.output.as_mut().expect("a draft has its file until it is placed").write_all(bytes)?;
        self.hasher.update(bytes);
        self.bytes += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.output.as_mut().expect("a draft has its file until it is placed").flush()
    }
}

impl Draft {
    /// Names the file after what it holds, in `folder`; `decode` reads back what was written.
    pub(super) fn place(
        self,
        folder: &str,
        decode: impl FnOnce(Box<dyn Input>) -> Result<(), Error>,
    ) -> Result<Placed, Error> {
        let spread = matches!(folder, "segments" | "blobs");
        self.place_at(|name| if spread { Store::spread(folder, name) } else { format!("{folder}/{name}") }, decode)
    }

    /// The same for one of many: its contents are on disk, its name is after [`Store::settle`].
    pub(super) fn place_one_of_many(
        mut self,
        folder: &str,
        decode: impl FnOnce(Box<dyn Input>) -> Result<(), Error>,
    ) -> Result<Placed, Error> {
        let store = self.store.clone();
        let (placed, target) = self.name_it(|name| Store::spread(folder, name), decode)?;
        store.unsettled().insert(folder_of(&target).to_owned());
        Ok(placed)
    }

    /// Hex BLAKE3 of what was written so far.
    pub(super) fn hash(&self) -> String {
        self.hasher.finalize().to_hex().to_string()
    }

    /// Names the file as somebody says who knows what it holds.
    pub(super) fn place_under(self, name: &str) -> Result<(), Error> {
        self.place_at(|_| name.to_owned(), |_| Ok(())).map(drop)
    }

    /// Gives the file a name that another may have, which is gone then.
    fn replace(mut self, name: &str) -> Result<(), Error> {
        let (store, target) = (self.store.clone(), self.store.path(name));
        self.finish_writing(&self.hash(), &target, |_| Ok(()))?;
        let refused = || Error::file("write", &target);
        // Before it has the name: nobody may have to write to it afterwards.
        store.disk.protect(&self.path).map_err(refused())?;
        store.disk.replace(&self.path, &target).map_err(refused())?;
        store.disk.sync_folder(folder_of(&target)).map_err(refused())
    }

    /// Takes the place of what has this name, which is kept under [`QUARANTINE`] before; returns where.
    pub(super) fn place_over(self, name: &str) -> Result<Option<String>, Error> {
        self.store.create_folder(Path::new(name).parent().and_then(Path::to_str).unwrap_or_default())?;
        let kept = self.store.quarantine(name)?;
        self.replace(name)?;
        Ok(kept)
    }

    /// At every moment the name stands for the old file or for this one.
    fn take_over(&self, name: &str, target: &Path) -> Result<Option<String>, Error> {
        let kept = self.store.quarantine(name)?;
        self.store.disk.replace(&self.path, target).map_err(Error::file("write", target))?;
        Ok(kept)
    }

    /// Brings the draft to the disk and reads it back.
    fn finish_writing(
        &mut self,
        hash: &str,
        target: &Path,
        decode: impl FnOnce(Box<dyn Input>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut output = self.output.take().expect("a draft has its file until it is placed");
        output.flush().map_err(Error::file("write", target))?;
        self.read_back(hash, target, decode)?;
        output.sync().map_err(Error::file("write", target))
    }

    fn place_at(
        mut self,
        name: impl FnOnce(&str) -> String,
        decode: impl FnOnce(Box<dyn Input>) -> Result<(), Error>,
    ) -> Result<Placed, Error> {
        let store = self.store.clone();
        let (placed, target) = self.name_it(name, decode)?;
        let folder = folder_of(&target);
        store.disk.sync_folder(folder).map_err(Error::file("write", folder))?;
        Ok(placed)
    }

    /// Every step but the last: the name may not be on disk yet.
    fn name_it(
        &mut self,
        name: impl FnOnce(&str) -> String,
        decode: impl FnOnce(Box<dyn Input>) -> Result<(), Error>,
    ) -> Result<(Placed, PathBuf), Error> {
        let store = self.store.clone();
        let hash = self.hasher.finalize().to_hex().to_string();
        let name = name(&hash);
        let target = store.path(&name);
        self.finish_writing(&hash, &target, decode)?;
        store.create_folder(Path::new(&name).parent().and_then(Path::to_str).unwrap_or_default())?;
        match store.disk.rename(&self.path, &target) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let there = store.open(&name).and_then(|input| hash_of(input, &target));
                match there.is_ok_and(|there| there == hash) {
                    // The same bytes are there already.
                    true => store.disk.remove(&self.path).map_err(Error::file("remove", &self.path))?,
                    // What has the name is damaged, and these are the bytes it should have.
                    false if name.ends_with(&hash) => self.take_over(&name, &target).map(drop)?,
                    false => return Err(Error::damaged(&target, "another file has this name")),
                }
            }
            renamed => renamed.map_err(Error::file("write", &target))?,
        }
        store.disk.protect(&target).map_err(Error::file("write", &target))?;
        Ok((Placed { name: hash, bytes: self.bytes }, target))
    }

    /// Reads what was written once: whoever decodes it sees the bytes that are hashed.
    fn read_back(
        &self,
        hash: &str,
        target: &Path,
        decode: impl FnOnce(Box<dyn Input>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let length = self.store.disk.length(&self.path).map_err(Error::file("write", target))?;
        if length != self.bytes {
            return Err(Error::damaged(target, format!("{} bytes written, {length} found", self.bytes)));
        }
        let input = self.store.disk.open(&self.path).map_err(Error::file("write", target))?;
        let read = Witnessed::new(input);
        let decoded = decode(Box::new(read.again()));
        // Bytes that changed are the reason why they do not decode, so they are told first.
        if read.hash().map_err(Error::file("write", target))? != hash {
            return Err(Error::damaged(target, "what was written does not read back the same"));
        }
        decoded
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // Best effort: what stays behind is removed by a later run.
        self.output = None;
        let _ = self.store.disk.remove(&self.path);
    }
}

fn folder_of(file: &Path) -> &Path {
    file.parent().expect("a file lies in a folder")
}

/// Hex BLAKE3 of all that is left to read.
pub(super) fn hash_of(input: Box<dyn Input>, path: &Path) -> Result<String, Error> {
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(input).map_err(Error::file("read", path))?;
    Ok(hasher.finalize().to_hex().to_string())
}
