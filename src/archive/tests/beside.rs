//! What a look at the archive sees while somebody prunes it.

use std::sync::Mutex;

use chrono::TimeDelta;

use super::*;

type Deed = Box<dyn FnMut() + Send>;

/// A disk on which something happens whenever the segments are listed.
#[derive(Default)]
struct Meddled(Mutex<Option<Deed>>);

impl Disk for Meddled {
    fn create(&self, path: &Path) -> io::Result<Box<dyn disk::Output>> {
        Swift.create(path)
    }

    fn append(&self, path: &Path) -> io::Result<Box<dyn disk::Output>> {
        Swift.append(path)
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn disk::Input>> {
        Swift.open(path)
    }

    fn length(&self, path: &Path) -> io::Result<u64> {
        Swift.length(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        if path.ends_with(segment::SEGMENTS)
            && let Some(deed) = self.0.lock().unwrap().as_mut()
        {
            deed();
        }
        Swift.list(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        Swift.rename(from, to)
    }

    fn replace(&self, from: &Path, to: &Path) -> io::Result<()> {
        Swift.replace(from, to)
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        Swift.link(from, to)
    }

    fn create_folder(&self, path: &Path) -> io::Result<bool> {
        Swift.create_folder(path)
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        Swift.sync_folder(path)
    }

    fn protect(&self, path: &Path) -> io::Result<()> {
        Swift.protect(path)
    }

    fn truncate(&self, path: &Path, length: u64) -> io::Result<()> {
        Swift.truncate(path, length)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        Swift.remove(path)
    }
}

/// An archive of many versions, opened twice: whoever looks, on a disk that the other changes under his hands.
fn opened_twice() -> (World, Archive, Arc<Meddled>, Archive) {
    let (world, archive) = World::encrypted();
    for version in 0..12 {
        let records: Vec<Record> = (1..=40).map(|number| deal(number, &format!("{}", number % 4 * version))).collect();
        snapshot_of(&archive, &records);
    }
    let disk = Arc::new(Meddled::default());
    let unlock = Passphrase("open sesame");
    let looking = Archive::open_on(Arc::<Meddled>::clone(&disk), &world.root, &unlock, world.clock).unwrap();
    (world, looking, disk, archive)
}

fn keep_and_prune(archive: &Archive, last: u32) {
    archive.forget(&Policy { last, ..Policy::default() }).unwrap();
    archive.prune(TimeDelta::zero(), Worth::Dead(1), false).unwrap();
}

#[test]
fn what_a_prune_removes_beside_a_check_is_no_damage() {
    let (_world, looking, disk, other) = opened_twice();
    let mut left = vec![2, 4, 6];
    *disk.0.lock().unwrap() = Some(Box::new(move || {
        if let Some(last) = left.pop() {
            keep_and_prune(&other, last);
        }
    }));
    let done = looking.check(true, &mut |problem| panic!("{problem:?}")).unwrap();
    assert_eq!((done.problems, done.snapshots), (0, 2));
    // Nothing was written down of what seemed to be missing.
    disk.0.lock().unwrap().take();
    let records = (1..=40).map(|number| deal(number, &format!("{}", number % 4 * 11))).collect::<Vec<_>>();
    let next = snapshot_of(&looking, &records);
    assert_eq!((next.contents[0].new, next.contents[0].changed, next.bytes_added), (0, 0, 0));
}

#[test]
fn a_check_that_is_overtaken_again_and_again_says_so() {
    let (_world, looking, disk, other) = opened_twice();
    let mut last = 11;
    *disk.0.lock().unwrap() = Some(Box::new(move || {
        last -= 1;
        keep_and_prune(&other, last);
    }));
    let done = looking.check(true, &mut |problem| panic!("{problem:?}"));
    assert!(matches!(done, Err(Error::Busy(_))), "{done:?}");
}
