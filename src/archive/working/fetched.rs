//! Files of the store that were fetched: proven when they come, and gone whenever room is wanted.

use std::fs;
use std::io::{self, Read, Seek};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::SystemTime;

use super::{Desk, locked};
use crate::archive::blob::BLOBS;
use crate::archive::disk::{Disk, Input, LocalDisk};
use crate::archive::segment::SEGMENTS;
use crate::archive::shelf::{FileName, Part};
use crate::archive::store::QUARANTINE;

/// Where copies of files lie that the store has.
pub(super) const FETCHED: &str = "fetched";
/// So many requests are under way where many files are wanted or sent at once. One that is sent may be in memory whole.
const AT_ONCE: usize = 4;
/// Somebody looks how many bytes there are after this share of what may be kept has come.
pub(super) const LOOK_AFTER: u64 = 16;

impl Desk {
    /// Where a copy of a file lies.
    pub(super) fn fetched(&self, name: &str) -> PathBuf {
        self.root.join(FETCHED).join(name)
    }

    /// Fetches a file and opens it; what is not what its name says is damaged, and is not kept.
    pub(super) fn fetch(&self, name: &FileName) -> io::Result<Box<dyn Input>> {
        let (draft, target) = (self.draft()?, self.fetched(name.as_str()));
        let came = self.home.fetch(name, &draft);
        let kept = came.map_err(io::Error::from).and_then(|hash| self.proven(name, hash)).and_then(|()| {
            // Opened before it has its name: from then on it may go.
            let (opened, bytes) = (LocalDisk.open(&draft)?, fs::metadata(&draft)?.len());
            self.keep_copy(&draft, &target);
            locked(&self.proven).insert(name.to_string());
            Ok((opened, bytes))
        });
        match kept {
            Ok((opened, bytes)) => {
                self.make_room(bytes);
                Ok(opened)
            }
            Err(error) => {
                let _not_there = fs::remove_file(&draft);
                Err(error)
            }
        }
    }

    /// Opens a copy that is here; `None` if there is none, or only one that has decayed on this machine.
    pub(super) fn open_copy(&self, name: &FileName) -> io::Result<Option<Box<dyn Input>>> {
        let path = self.fetched(name.as_str());
        let mut copy = match fs::File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            copy => copy?,
        };
        let Some(expected) = name.hash().filter(|_| !locked(&self.proven).contains(name.as_str())) else {
            return Ok(Some(Box::new(copy)));
        };
        let mut hasher = blake3::Hasher::new();
        if hasher.update_reader(&mut copy).is_err() || hasher.finalize().to_hex().as_str() != expected {
            fs::remove_file(&path)?;
            return Ok(None);
        }
        locked(&self.proven).insert(name.to_string());
        copy.rewind()?;
        Ok(Some(Box::new(copy)))
    }

    /// Makes a file a copy of what the store has; one that cannot be kept, or not read by others, is fetched again.
    pub(super) fn keep_copy(&self, file: &Path, copy: &Path) {
        let folder = copy.parent().expect("a file lies in a folder");
        if fs::create_dir_all(folder).and_then(|()| fs::rename(file, copy)).is_err() {
            let _is_gone = fs::remove_file(file);
        }
    }

    fn proven(&self, name: &FileName, hash: Option<String>) -> io::Result<()> {
        let Some(hash) = hash else {
            self.miss(name)?;
            return Err(io::ErrorKind::NotFound.into());
        };
        match name.hash() {
            Some(expected) if expected != hash => {
                let fact = format!("its bytes in {} hash to {}", self.home.label(), &hash[..16]);
                Err(io::Error::new(io::ErrorKind::InvalidData, fact))
            }
            _ => Ok(()),
        }
    }

    /// A file that was there is gone. Whoever only reads looks again: another machine has pruned, and there may be more.
    pub(super) fn miss(&self, name: &FileName) -> io::Result<()> {
        locked(&self.there).remove(name.as_str());
        let writes = locked(&self.beat).is_some();
        if !writes {
            self.knows(self.home.contents()?);
        }
        Ok(())
    }

    /// Fetches everything small that is not here, many at a time: one by one each would cost a way there and back.
    ///
    /// A damaged or missing one is met again by whoever reads it.
    pub(super) fn fetch_small(&self) -> io::Result<()> {
        let small = |name: &FileName| !matches!(name.part(), Part::Segment | Part::Blob | Part::Log);
        let names: Vec<FileName> = locked(&self.there).values().map(|file| file.name.clone()).collect();
        let wanted: Vec<FileName> =
            names.into_iter().filter(|name| small(name) && !self.fetched(name.as_str()).exists()).collect();
        at_once(&wanted, |name| match self.fetch(name) {
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::InvalidData) => Ok(()),
            fetched => fetched.map(drop),
        })
    }

    /// Brings what is here of a log to the length that it has in the store.
    pub(super) fn bring_log(&self, name: &FileName) -> io::Result<()> {
        let (here, there) = (self.length_here(name), self.length_there(name));
        if self.is_unsent(name) || there.is_none() || here == there {
            return Ok(());
        }
        let (draft, target) = (self.draft()?, self.here.path(name));
        self.home.fetch(name, &draft)?.ok_or(io::ErrorKind::NotFound)?;
        if here > there && begins_with(&target, &draft)? {
            // What follows here has not been sent yet.
            return fs::remove_file(&draft);
        }
        if here.is_some() && !begins_with(&draft, &target)? {
            // What was written here never arrived, and what is there is something else.
            fs::create_dir_all(self.root.join(QUARANTINE))?;
            let kept = format!("{}-{}", name.as_str().replace('/', "-"), uuid::Uuid::new_v4());
            fs::rename(&target, self.root.join(QUARANTINE).join(kept))?;
        }
        fs::create_dir_all(target.parent().expect("a file lies in a folder"))?;
        fs::rename(&draft, &target)
    }

    /// Lets copies go, so that what is read next is what the store has: of segments and contents those that are meant.
    pub(super) fn forget_fetched(&self, is_meant: &dyn Fn(&str) -> bool) -> io::Result<()> {
        let (mut copies, root) = (Vec::new(), self.root.join(FETCHED));
        copies_in(&root, &mut copies);
        let stays = |path: &Path| {
            let is_large = [SEGMENTS, BLOBS].iter().any(|folder| path.starts_with(folder));
            // A piece is called by its file and a number.
            is_large && !path.with_extension("").to_str().is_some_and(|file| is_meant(&file.replace('\\', "/")))
        };
        // Folders stay: somebody may be about to put a copy there.
        for (_, _, path) in copies.iter().filter(|(_, _, path)| !path.strip_prefix(&root).is_ok_and(stays)) {
            match fs::remove_file(path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                removed => removed?,
            }
        }
        self.fetch_small()
    }

    /// Lets the copies go that came first, where there are too many of them.
    pub(super) fn make_room(&self, came: u64) {
        if self.came.fetch_add(came, Ordering::Relaxed).saturating_add(came) < self.kept / LOOK_AFTER {
            return;
        }
        self.came.store(0, Ordering::Relaxed);
        let mut copies = Vec::new();
        for folder in [SEGMENTS, BLOBS] {
            copies_in(&self.fetched(folder), &mut copies);
        }
        copies.sort();
        let mut bytes: u64 = copies.iter().map(|(_, bytes, _)| bytes).sum();
        for (_, length, path) in copies {
            if bytes <= self.kept {
                return;
            }
            // One that is being read on another system than this stays until it is not.
            let _stays = fs::remove_file(path);
            bytes -= length;
        }
    }
}

/// Files below a folder: since when, how long, and where.
fn copies_in(folder: &Path, found: &mut Vec<(SystemTime, u64, PathBuf)>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let Ok(facts) = entry.metadata() else { continue };
        match facts.is_dir() {
            true => copies_in(&entry.path(), found),
            false => found.push((facts.modified().unwrap_or(SystemTime::UNIX_EPOCH), facts.len(), entry.path())),
        }
    }
}

/// Whether one file begins with all bytes of another.
fn begins_with(long: &Path, short: &Path) -> io::Result<bool> {
    let (mut beginning, mut whole) = (blake3::Hasher::new(), blake3::Hasher::new());
    whole.update_reader(fs::File::open(short)?)?;
    beginning.update_reader(fs::File::open(long)?.take(fs::metadata(short)?.len()))?;
    Ok(beginning.finalize() == whole.finalize())
}

/// Does something for many files, several at a time; the first error ends it.
pub(super) fn at_once(names: &[FileName], work: impl Fn(&FileName) -> io::Result<()> + Sync) -> io::Result<()> {
    let (next, failed) = (AtomicUsize::new(0), Mutex::new(None));
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE.min(names.len()) {
            scope.spawn(|| {
                while let Some(name) = names.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(error) = work(name) {
                        next.store(names.len(), Ordering::Relaxed);
                        locked(&failed).get_or_insert(error);
                    }
                }
            });
        }
    });
    failed.into_inner().ok().flatten().map_or(Ok(()), Err)
}
