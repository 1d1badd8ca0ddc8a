//! A disk that does at its n-th operation what a script says.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::archive::Error;
use crate::archive::disk::{Disk, Input, LocalDisk, Output};
use crate::archive::shelf::Shelf;

/// What happens at the n-th operation that changes the disk.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Script {
    /// It fails, and later ones work.
    Fail(io::ErrorKind),
    /// It fails, and so do all later ones.
    Stick(io::ErrorKind),
    /// It writes half of what it should; it and all later ones fail, as if the process had died.
    Crash,
    /// The n-th write takes half of what it is given and says so.
    Short,
    /// The n-th write is interrupted before it takes anything.
    Interrupt,
    /// The n-th wait for the disk fails and later ones succeed, as on Linux; what was written to the file since the last
    /// one is gone.
    LoseAtSync,
}

impl Script {
    /// Whether the program makes it good by itself.
    pub(super) fn is_no_fault(self) -> bool {
        matches!(self, Script::Short | Script::Interrupt)
    }

    /// Whether a run that meets it has to fail: what is only to be removed may also stay.
    pub(super) fn must_be_told(self) -> bool {
        self == Script::LoseAtSync
    }

    fn counts(self, operation: Operation) -> bool {
        match self {
            Script::Short | Script::Interrupt => operation == Operation::Write,
            Script::LoseAtSync => operation == Operation::Sync,
            Script::Fail(_) | Script::Stick(_) | Script::Crash => true,
        }
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Operation {
    Write,
    Sync,
    Name,
}

/// A script and how far it is.
#[derive(Clone)]
struct Play {
    script: Script,
    at: u64,
    done: Arc<AtomicU64>,
}

impl Play {
    fn step(&self, operation: Operation) -> io::Result<()> {
        if !self.script.counts(operation) {
            return Ok(());
        }
        let now = self.done.fetch_add(1, Ordering::SeqCst) + 1;
        let told = |kind| Err(io::Error::new(kind, "as the script says"));
        match self.script {
            Script::Fail(kind) if now == self.at => told(kind),
            Script::Stick(kind) if now >= self.at => told(kind),
            Script::Crash if now >= self.at => Err(io::Error::other("the process is gone")),
            Script::Short if now == self.at => told(io::ErrorKind::WriteZero),
            Script::Interrupt if now == self.at => told(io::ErrorKind::Interrupted),
            Script::LoseAtSync if now == self.at => told(io::ErrorKind::Other),
            _ => Ok(()),
        }
    }
}

/// The machine's own disk under a script.
pub(super) struct FaultyDisk(Play);

impl FaultyDisk {
    /// One on which the script strikes at this operation, and how many there were.
    pub(super) fn new(script: Script, at: u64) -> (Arc<FaultyDisk>, Arc<AtomicU64>) {
        let done = Arc::new(AtomicU64::new(0));
        (Arc::new(FaultyDisk(Play { script, at, done: Arc::clone(&done) })), done)
    }

    fn step(&self) -> io::Result<()> {
        self.0.step(Operation::Name)
    }

    fn wrap(&self, file: Box<dyn Output>, path: &Path) -> io::Result<Box<dyn Output>> {
        let kept = LocalDisk.length(path)?;
        Ok(Box::new(FaultyFile { file, play: self.0.clone(), path: path.to_owned(), kept }))
    }
}

/// A folder on such a disk, for whoever knows no disks.
pub(crate) fn faulty_shelf(root: &Path, script: Script, at: u64) -> (Shelf, Arc<AtomicU64>) {
    let (disk, done) = FaultyDisk::new(script, at);
    (Shelf::on(disk, root), done)
}

/// The error of a run that met a fault says what was being done, to which file, and what the system said.
pub(crate) fn expect_told(script: Script, error: &Error, root: &Path) {
    let text = error.to_string();
    assert!(!script.is_no_fault(), "{text}");
    assert!(text.starts_with("cannot ") && text.contains(&*root.to_string_lossy()), "{text}");
    let said = if script == Script::Crash { "the process is gone" } else { "as the script says" };
    assert!(text.contains(said), "{text}");
}

struct FaultyFile {
    file: Box<dyn Output>,
    play: Play,
    path: PathBuf,
    /// What of it is on disk.
    kept: u64,
}

impl Write for FaultyFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let half = &bytes[..bytes.len().div_ceil(2)];
        match (self.play.step(Operation::Write), self.play.script) {
            (Ok(()), _) => self.file.write(bytes),
            (Err(_), Script::Short) => self.file.write(half),
            (Err(error), Script::Interrupt | Script::LoseAtSync) => Err(error),
            (Err(error), Script::Fail(_) | Script::Stick(_) | Script::Crash) => {
                // A torn write: half of it reached the disk.
                self.file.write_all(&bytes[..bytes.len() / 2])?;
                Err(error)
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Output for FaultyFile {
    fn sync(&mut self) -> io::Result<()> {
        // The process dies here, not the machine: what was written stays, and waiting for the disk would prove nothing.
        let synced = self.play.step(Operation::Sync);
        match (&synced, self.play.script) {
            (Ok(()), _) => self.kept = LocalDisk.length(&self.path)?,
            (Err(_), Script::LoseAtSync) => LocalDisk.truncate(&self.path, self.kept)?,
            (Err(_), _) => {}
        }
        synced
    }
}

impl Disk for FaultyDisk {
    fn create(&self, path: &Path) -> io::Result<Box<dyn Output>> {
        self.step()?;
        self.wrap(LocalDisk.create(path)?, path)
    }

    fn append(&self, path: &Path) -> io::Result<Box<dyn Output>> {
        self.wrap(LocalDisk.append(path)?, path)
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn Input>> {
        LocalDisk.open(path)
    }

    fn length(&self, path: &Path) -> io::Result<u64> {
        LocalDisk.length(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        LocalDisk.list(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step()?;
        LocalDisk.rename(from, to)
    }

    fn replace(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step()?;
        LocalDisk.replace(from, to)
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step()?;
        LocalDisk.link(from, to)
    }

    fn create_folder(&self, path: &Path) -> io::Result<bool> {
        self.step()?;
        LocalDisk.create_folder(path)
    }

    fn sync_folder(&self, _path: &Path) -> io::Result<()> {
        self.0.step(Operation::Sync)
    }

    fn protect(&self, path: &Path) -> io::Result<()> {
        self.step()?;
        LocalDisk.protect(path)
    }

    fn truncate(&self, path: &Path, length: u64) -> io::Result<()> {
        self.step()?;
        LocalDisk.truncate(path, length)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.step()?;
        LocalDisk.remove(path)
    }
}
