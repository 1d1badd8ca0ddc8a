//! The few file operations that write an archive, behind a small interface.
//!
//! Tests put a scripted disk here that fails or stops at the n-th operation,
//! so that a full disk and a crash can be tried at every single step.
//! Nothing above this file opens, renames or removes archive files itself; the
//! index and the run files, which hold nothing that cannot be lost, stand apart.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use super::error::Error;
use super::working::FarTurn;

/// A file being written.
pub(super) trait Output: Write + Send {
    /// Returns when the contents are on disk.
    fn sync(&mut self) -> io::Result<()>;
}

/// A file being read.
pub(super) trait Input: Read + Seek + Send {}
impl<T: Read + Seek + Send> Input for T {}

/// How many bytes somebody is going to read from the next place on.
#[derive(Clone, Default, Debug)]
pub(super) struct Ahead(Arc<AtomicU64>);

impl Ahead {
    /// So many are going to be read.
    pub(super) fn set(&self, bytes: u64) {
        self.0.store(bytes, Ordering::Relaxed);
    }

    /// What was said last; nothing the second time.
    pub(super) fn take(&self) -> u64 {
        self.0.swap(0, Ordering::Relaxed)
    }
}

/// A file of which only some is going to be read.
pub(super) struct Partial {
    pub(super) input: Box<dyn Input>,
    /// Where to say what is going to be read. With it nobody has proven that the file is what its name says; without it
    /// the file is here as a whole, as any other.
    pub(super) ahead: Option<Ahead>,
}

/// What an archive asks of a disk.
pub(super) trait Disk: Send + Sync {
    /// Creates a file that must not exist.
    fn create(&self, path: &Path) -> io::Result<Box<dyn Output>>;
    /// Opens a file for writing at its end.
    fn append(&self, path: &Path) -> io::Result<Box<dyn Output>>;
    /// Opens a file for reading.
    fn open(&self, path: &Path) -> io::Result<Box<dyn Input>>;
    /// The same where only some of it is going to be read.
    fn open_in_part(&self, path: &Path) -> io::Result<Partial> {
        Ok(Partial { input: self.open(path)?, ahead: None })
    }
    /// These are going to be opened one after the other, as a whole or in part.
    fn fetch_ahead(&self, _paths: &[PathBuf], _whole: bool) -> io::Result<()> {
        Ok(())
    }
    /// How many bytes a file holds.
    fn length(&self, path: &Path) -> io::Result<u64>;
    /// The names in a folder, sorted; none if there is no such folder.
    fn list(&self, path: &Path) -> io::Result<Vec<String>>;
    /// Gives a file its final name; fails with `AlreadyExists` rather than replace one.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Gives a file its final name in the place of what has it; there is no moment without either.
    fn replace(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Gives a file a second name; fails with `AlreadyExists` rather than replace one.
    fn link(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Creates one folder; false if it was there.
    fn create_folder(&self, path: &Path) -> io::Result<bool>;
    /// Returns when names in a folder are on disk.
    fn sync_folder(&self, path: &Path) -> io::Result<()>;
    /// Takes away the permission to write a file.
    fn protect(&self, path: &Path) -> io::Result<()>;
    /// Cuts a file that ends in the middle of something.
    fn truncate(&self, path: &Path, length: u64) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// When a file came where it lies, as far as anybody knows.
    fn modified(&self, path: &Path) -> Option<SystemTime> {
        fs::symlink_metadata(path).and_then(|facts| facts.modified()).ok()
    }
    /// Takes the right to write among machines that share the disk without sharing its locks; `about` says who takes it.
    fn turn(&self, _about: &[u8]) -> Result<Option<FarTurn>, Error> {
        Ok(None)
    }
    /// Lets copies go of what lies elsewhere, so that what is read next is what lies there; of segments and contents only
    /// those that are meant, by their names below the root.
    fn read_anew(&self, _is_meant: &dyn Fn(&str) -> bool) -> io::Result<()> {
        Ok(())
    }
    /// Looks again at what lies elsewhere: other machines may have written.
    fn look_again(&self) -> Result<(), Error> {
        Ok(())
    }
    /// What people call the place, where it is not the path.
    fn label(&self) -> Option<String> {
        None
    }
    /// Something about the place that somebody should know.
    fn remark(&self) -> Option<String> {
        None
    }
    /// Files that are on this machine only, and do not belong there.
    fn unsent(&self) -> Vec<String> {
        Vec::new()
    }
}

/// The machine's own file system.
#[derive(Debug)]
pub(super) struct LocalDisk;

impl Output for File {
    fn sync(&mut self) -> io::Result<()> {
        self.sync_all()
    }
}

impl Disk for LocalDisk {
    fn create(&self, path: &Path) -> io::Result<Box<dyn Output>> {
        Ok(Box::new(File::create_new(path)?))
    }

    fn append(&self, path: &Path) -> io::Result<Box<dyn Output>> {
        Ok(Box::new(OpenOptions::new().append(true).open(path)?))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn Input>> {
        Ok(Box::new(File::open(path)?))
    }

    fn length(&self, path: &Path) -> io::Result<u64> {
        Ok(fs::metadata(path)?.len())
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        let folder = match fs::read_dir(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            folder => folder?,
        };
        let mut names = Vec::new();
        for entry in folder {
            names.push(entry?.file_name().to_string_lossy().into_owned());
        }
        names.sort();
        Ok(names)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut from = tempfile::TempPath::try_from_path(from)?;
        // A failed rename must leave the file to its owner, who may still need it.
        from.disable_cleanup(true);
        from.persist_noclobber(to).map_err(|failed| failed.error)
    }

    fn replace(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::hard_link(from, to)
    }

    fn create_folder(&self, path: &Path) -> io::Result<bool> {
        match fs::create_dir(path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        // Windows opens no folders as files and needs no such call.
        if cfg!(unix) { File::open(path)?.sync_all() } else { Ok(()) }
    }

    fn protect(&self, path: &Path) -> io::Result<()> {
        let mut permissions = fs::metadata(path)?.permissions();
        permissions.set_readonly(true);
        fs::set_permissions(path, permissions)
    }

    fn truncate(&self, path: &Path, length: u64) -> io::Result<()> {
        let file = OpenOptions::new().write(true).open(path)?;
        file.set_len(length)?;
        file.sync_all()
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }
}
