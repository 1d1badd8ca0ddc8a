//! A disk that forgets, when the power is cut, every name whose folder was not synced, or not in truth.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use super::*;
use crate::archive::disk::{Input, Output};

/// What happens at the n-th operation.
#[derive(Clone, Copy, PartialEq)]
enum Fault {
    /// Of all that name, sync or remove something: nothing works from there on.
    PowerCut,
    /// Of all that sync a folder: it fails once, later ones succeed, and what it should have kept is not kept by them.
    NotKept,
}

/// Works until something happens.
struct ForgetfulDisk {
    fault: Fault,
    at: u64,
    done: AtomicU64,
    /// Names that no sync of their folder keeps any more.
    doubtful: Mutex<BTreeSet<PathBuf>>,
    /// Names that are not on disk yet.
    unsettled: Mutex<BTreeSet<PathBuf>>,
    /// What names stood for that were given to other files or taken away, and are not so on disk yet.
    former: Mutex<BTreeMap<PathBuf, Vec<u8>>>,
}

impl ForgetfulDisk {
    fn new(fault: Fault, at: u64) -> Arc<ForgetfulDisk> {
        Arc::new(ForgetfulDisk {
            fault,
            at,
            done: AtomicU64::new(0),
            doubtful: Mutex::default(),
            unsettled: Mutex::default(),
            former: Mutex::default(),
        })
    }

    fn step(&self) -> io::Result<()> {
        if self.fault == Fault::NotKept {
            return Ok(());
        }
        let now = self.done.fetch_add(1, Ordering::SeqCst) + 1;
        if now >= self.at { Err(io::Error::other("there is no power")) } else { Ok(()) }
    }

    /// A name was given anew.
    fn named(&self, path: &Path) {
        self.doubtful.lock().unwrap().remove(path);
        self.unsettled.lock().unwrap().insert(path.to_owned());
    }

    /// Whether a sync of a folder fails, after which nobody knows what of it is on disk.
    fn refuses(&self, folder: &Path) -> bool {
        if self.fault != Fault::NotKept || self.done.fetch_add(1, Ordering::SeqCst) + 1 != self.at {
            return false;
        }
        let (unsettled, former) = (self.unsettled.lock().unwrap(), self.former.lock().unwrap());
        let lost = unsettled.iter().chain(former.keys()).filter(|path| path.parent() == Some(folder));
        self.doubtful.lock().unwrap().extend(lost.cloned());
        true
    }

    /// What the machine finds when it is on again.
    fn forget(&self) {
        for path in self.unsettled.lock().unwrap().iter().filter(|path| path.exists()) {
            if path.is_dir() {
                std::fs::remove_dir_all(path).unwrap();
            } else {
                std::fs::remove_file(path).unwrap();
            }
        }
        for (path, bytes) in self.former.lock().unwrap().iter().filter(|(path, _)| path.parent().unwrap().exists()) {
            let _ = std::fs::remove_file(path);
            std::fs::write(path, bytes).unwrap();
        }
    }
}

impl Disk for ForgetfulDisk {
    fn create(&self, path: &Path) -> io::Result<Box<dyn Output>> {
        self.step()?;
        LocalDisk.create(path)
    }

    fn append(&self, path: &Path) -> io::Result<Box<dyn Output>> {
        self.step()?;
        LocalDisk.append(path)
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
        LocalDisk.rename(from, to)?;
        self.named(to);
        Ok(())
    }

    fn replace(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step()?;
        // A file that is replaced comes back with a power cut, and one that was not there is not there then.
        if let Ok(former) = std::fs::read(to) {
            self.former.lock().unwrap().entry(to.to_owned()).or_insert(former);
        } else {
            self.named(to);
        }
        LocalDisk.replace(from, to)
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step()?;
        LocalDisk.link(from, to)?;
        self.named(to);
        Ok(())
    }

    fn create_folder(&self, path: &Path) -> io::Result<bool> {
        self.step()?;
        let created = LocalDisk.create_folder(path)?;
        if created {
            self.named(path);
        }
        Ok(created)
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        self.step()?;
        if self.refuses(folder) {
            return Err(io::Error::other("it is not kept"));
        }
        let doubtful = self.doubtful.lock().unwrap();
        let stays = |path: &PathBuf| path.parent() != Some(folder) || doubtful.contains(path);
        self.unsettled.lock().unwrap().retain(&stays);
        self.former.lock().unwrap().retain(|path, _| stays(path));
        Ok(())
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
        let bytes = std::fs::read(path)?;
        LocalDisk.remove(path)?;
        // A draft that was never named is nobody's loss; keys come back until their folder is synced.
        if path.parent().and_then(Path::file_name).is_some_and(|folder| folder == "keys" || folder == "labels") {
            self.former.lock().unwrap().insert(path.to_owned(), bytes);
        }
        Ok(())
    }
}

const CONTENTS: [&[u8]; 3] = [b"before a checkpoint", b"after it", b"right before the end"];

/// A capture whose contents lie before and after a checkpoint, and that saves what it has when something fails.
fn capture(archive: &Archive) -> Result<Manifest, Error> {
    let mut writer = archive.begin(source())?;
    if let Err(error) = fill(&mut writer) {
        let _ = writer.checkpoint(&Value::Null);
        return Err(error);
    }
    writer.finish(tally())
}

fn fill(writer: &mut SnapshotWriter<'_>) -> Result<(), Error> {
    writer.take(&[deal(1, "a"), deal(2, "b")])?;
    writer.blob(&mut &CONTENTS[0][..])?;
    writer.checkpoint(&Value::Null)?;
    writer.blob(&mut &CONTENTS[1][..])?;
    writer.close(&deals(), whole())?;
    writer.blob(&mut &CONTENTS[2][..])?;
    Ok(())
}

/// Everything that a finished snapshot names is there.
fn expect_whole(archive: &Archive, cut_at: u64) {
    archive.check(true, &mut |problem| panic!("power cut at operation {cut_at}: {problem:?}")).unwrap();
    for manifest in archive.snapshots().unwrap() {
        let line = archive.inner.line(&manifest.id).unwrap();
        assert_eq!(line.blobs.len(), CONTENTS.len(), "power cut at operation {cut_at}");
        for blob in &line.blobs {
            archive.read_blob(blob, &mut io::sink()).unwrap();
        }
    }
}

/// Lets a capture meet the fault at every operation, and then the power be cut: no manifest is there without its contents.
fn capture_at_every_operation(fault: Fault) -> u64 {
    for cut_at in 1.. {
        let (world, archive) = World::clear();
        drop(archive);
        let open =
            |disk: Arc<dyn Disk>| Archive::open_on(disk, &world.root, &Passphrase("none needed"), world.clock).unwrap();
        let disk = ForgetfulDisk::new(fault, cut_at);
        let outcome = capture(&open(Arc::clone(&disk) as Arc<dyn Disk>));
        disk.forget();
        let archive = open(Arc::new(LocalDisk));
        expect_whole(&archive, cut_at);
        if let Ok(finished) = &outcome {
            assert!(archive.snapshots().unwrap().iter().any(|manifest| manifest.id == finished.id));
        }
        capture(&archive).unwrap_or_else(|error| panic!("the run after a cut at operation {cut_at}: {error}"));
        expect_whole(&archive, cut_at);
        if disk.done.load(Ordering::SeqCst) < cut_at {
            assert!(outcome.is_ok());
            return cut_at;
        }
    }
    unreachable!("the loop ends when no operation is left to fail")
}

/// The same for forgetting and pruning: what stays is whole.
fn forget_and_prune_at_every_operation(fault: Fault) -> u64 {
    for cut_at in 1.. {
        let (world, archive) = World::clear();
        let all = super::retention::grown(&archive);
        drop(archive);
        let open =
            |disk: Arc<dyn Disk>| Archive::open_on(disk, &world.root, &Passphrase("none needed"), world.clock).unwrap();
        let forget_and_prune = |archive: &Archive| -> Result<(), Error> {
            archive.forget(&Policy { last: 2, ..Policy::default() })?;
            archive.prune(chrono::TimeDelta::zero(), Worth::Dead(1), false).map(drop)
        };
        let disk = ForgetfulDisk::new(fault, cut_at);
        let outcome = forget_and_prune(&open(Arc::clone(&disk) as Arc<dyn Disk>));
        disk.forget();
        let archive = open(Arc::new(LocalDisk));
        for _ in 0..2 {
            super::retention::expect_sound(&archive);
            for (manifest, records) in &all[8..] {
                assert_eq!(records_of(&archive, &manifest.id), *records, "power cut at operation {cut_at}");
            }
            forget_and_prune(&archive).unwrap_or_else(|error| panic!("the run after operation {cut_at}: {error}"));
        }
        if disk.done.load(Ordering::SeqCst) < cut_at {
            assert!(outcome.is_ok());
            return cut_at;
        }
    }
    unreachable!("the loop ends when no operation is left to fail")
}

/// The same for a change of keys: the archive opens.
fn change_of_keys_at_every_operation(fault: Fault) -> u64 {
    let first = super::keys::Story::begin();
    for cut_at in 1.. {
        let story = first.again();
        let disk = ForgetfulDisk::new(fault, cut_at);
        let outcome = story.play(Arc::clone(&disk) as Arc<dyn Disk>);
        disk.forget();
        story.expect_whole(&format!("after a power cut at operation {cut_at}"));
        if outcome.is_ok() {
            story.expect_changed();
        }
        story.play(Arc::new(LocalDisk)).unwrap_or_else(|error| panic!("after operation {cut_at}: {error}"));
        story.expect_changed();
        if disk.done.load(Ordering::SeqCst) < cut_at {
            assert!(outcome.is_ok());
            return cut_at;
        }
    }
    unreachable!("the loop ends when no operation is left to fail")
}

#[test]
fn a_power_cut_at_any_operation_leaves_no_manifest_whose_contents_are_gone() {
    assert!(capture_at_every_operation(Fault::PowerCut) > 40);
}

#[test]
fn a_power_cut_at_any_operation_of_forget_and_prune_loses_nothing_that_is_kept() {
    assert!(forget_and_prune_at_every_operation(Fault::PowerCut) > 25);
}

#[test]
fn a_power_cut_at_any_operation_of_a_change_of_keys_leaves_an_archive_that_opens() {
    assert!(change_of_keys_at_every_operation(Fault::PowerCut) > 40);
}

#[test]
fn names_that_a_disk_did_not_keep_and_said_so_once_are_not_counted_on() {
    assert!(capture_at_every_operation(Fault::NotKept) > 10);
    assert!(forget_and_prune_at_every_operation(Fault::NotKept) > 5);
    assert!(change_of_keys_at_every_operation(Fault::NotKept) > 10);
}
