//! Stories about archives on a real folder, and on a disk that fails where it is told to.

mod basics;
mod beside;
mod damage;
mod faults;
pub(crate) mod faulty;
mod glance;
mod home;
mod keys;
mod opening;
mod power;
mod repack;
mod repair;
mod retention;
mod town;

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use chrono::{DateTime, TimeZone, Utc};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::disk::{Disk, LocalDisk};
use super::*;
use crate::catalogue::ObjectName;
use crate::record::{Key, Record, RecordId};

impl Archive {
    /// Makes an archive on a disk that is not the machine's own.
    fn create_on(disk: Arc<dyn Disk>, root: &Path, protection: Protection, clock: Clock) -> Result<Archive, Error> {
        Archive::create(Shelf::on(disk, root), protection, clock)
    }

    /// Opens one there.
    fn open_on(disk: Arc<dyn Disk>, root: &Path, unlock: &dyn Unlock, clock: Clock) -> Result<Archive, Error> {
        Archive::open(Shelf::on(disk, root), unlock, clock)
    }
}

/// A folder, and how its archive is opened.
pub(crate) struct World {
    _folder: tempfile::TempDir,
    pub(super) root: PathBuf,
    pub(super) clock: Clock,
}

/// The machine's own disk, which is not waited for: most stories are not about power cuts.
pub(super) struct Swift;

/// A file that is not waited for.
struct Hasty(Box<dyn disk::Output>);

impl Write for Hasty {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl disk::Output for Hasty {
    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Disk for Swift {
    fn create(&self, path: &Path) -> io::Result<Box<dyn disk::Output>> {
        Ok(Box::new(Hasty(LocalDisk.create(path)?)))
    }

    fn append(&self, path: &Path) -> io::Result<Box<dyn disk::Output>> {
        Ok(Box::new(Hasty(LocalDisk.append(path)?)))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn disk::Input>> {
        LocalDisk.open(path)
    }

    fn length(&self, path: &Path) -> io::Result<u64> {
        LocalDisk.length(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        LocalDisk.list(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        LocalDisk.rename(from, to)
    }

    fn replace(&self, from: &Path, to: &Path) -> io::Result<()> {
        LocalDisk.replace(from, to)
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        LocalDisk.link(from, to)
    }

    fn create_folder(&self, path: &Path) -> io::Result<bool> {
        LocalDisk.create_folder(path)
    }

    fn sync_folder(&self, _path: &Path) -> io::Result<()> {
        Ok(())
    }

    fn protect(&self, path: &Path) -> io::Result<()> {
        LocalDisk.protect(path)
    }

    fn truncate(&self, path: &Path, length: u64) -> io::Result<()> {
        LocalDisk.truncate(path, length)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        LocalDisk.remove(path)
    }
}

pub(super) struct Passphrase(pub(super) &'static str);

impl Unlock for Passphrase {
    fn passphrase(&self) -> Result<Zeroizing<String>, Error> {
        Ok(Zeroizing::new(self.0.to_owned()))
    }
}

pub(super) struct IdentityFile(pub(super) PathBuf);

impl Unlock for IdentityFile {
    fn passphrase(&self) -> Result<Zeroizing<String>, Error> {
        Err(Error::Unlock("asked for a passphrase in spite of an identity file".to_owned()))
    }

    fn identity_file(&self) -> Option<PathBuf> {
        Some(self.0.clone())
    }
}

pub(super) fn noon() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 11, 2, 12, 0, 0).unwrap()
}

impl World {
    pub(super) fn new() -> World {
        let folder = tempfile::tempdir().unwrap();
        World { root: folder.path().join("archive"), _folder: folder, clock: Clock::Fixed(noon()) }
    }

    pub(super) fn encrypted() -> (World, Archive) {
        let world = World::new();
        let protection = Protection::Encrypted { passphrase: Zeroizing::new("open sesame".to_owned()), recovery: None };
        let archive = Archive::create_on(Arc::new(Swift), &world.root, protection, world.clock).unwrap();
        (world, archive)
    }

    pub(crate) fn clear() -> (World, Archive) {
        let world = World::new();
        let archive = Archive::create_on(Arc::new(Swift), &world.root, Protection::Clear, world.clock).unwrap();
        (world, archive)
    }

    /// The archive without encryption in any folder.
    pub(crate) fn at(root: &Path) -> Archive {
        Archive::open_on(Arc::new(Swift), root, &Passphrase("none needed"), Clock::Fixed(noon())).unwrap()
    }

    pub(super) fn open(&self) -> Archive {
        Archive::open_on(Arc::new(Swift), &self.root, &Passphrase("open sesame"), self.clock).unwrap()
    }
}

pub(super) fn source() -> Source {
    Source {
        company_id: 4711,
        company_name: "Acme".to_owned(),
        company_domain: "acme".to_owned(),
        user_id: 1,
        user_name: "Kim".to_owned(),
        is_admin: true,
        kind: "api".to_owned(),
    }
}

pub(super) fn deals() -> ObjectName {
    ObjectName::known("deals")
}

pub(super) fn id(number: u64) -> RecordId {
    RecordId::new(deals(), Key::Number(number))
}

pub(crate) fn deal(number: u64, title: &str) -> Record {
    record("deals", number, json!({ "title": title }))
}

pub(super) fn record(object: &'static str, number: u64, body: Value) -> Record {
    let mut fields = body.as_object().unwrap().clone();
    fields.insert("id".to_owned(), number.into());
    Record::new(RecordId::new(ObjectName::known(object), Key::Number(number)), &fields)
}

pub(super) fn whole() -> Ending {
    Ending {
        coverage: Coverage::Whole,
        unseen_is_deleted: true,
        listed: None,
        gaps: Vec::new(),
        seen_at: noon(),
        deletions_seen_at: Some(noon()),
        watermark: None,
        without: Vec::new(),
    }
}

pub(super) fn in_part() -> Ending {
    Ending {
        coverage: Coverage::Part { reason: "cut off".to_owned() },
        unseen_is_deleted: false,
        deletions_seen_at: None,
        ..whole()
    }
}

pub(super) fn tally() -> Tally {
    Tally { started: noon(), requests: 3, tokens: 30, notes: Value::Null }
}

/// A snapshot of these deals and nothing else.
pub(crate) fn snapshot_of(archive: &Archive, records: &[Record]) -> Manifest {
    let mut writer = archive.begin(source()).unwrap();
    writer.take(records).unwrap();
    writer.close(&deals(), whole()).unwrap();
    writer.finish(tally()).unwrap()
}

pub(super) fn records_of(archive: &Archive, id: &SnapshotId) -> Vec<Record> {
    let snapshot = archive.snapshot(id).unwrap();
    let records = snapshot.records(&deals()).unwrap();
    records.collect::<Result<_, _>>().unwrap()
}

/// Every file of the archive that somebody may rely on, below its root.
pub(super) fn files(root: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if !path.file_name().unwrap().to_string_lossy().starts_with(index::INDEX) {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

/// A folder with everything in it.
pub(crate) fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        match entry.path().is_dir() {
            true => copy(&entry.path(), &target),
            false => drop(std::fs::copy(entry.path(), target).unwrap()),
        }
    }
}
