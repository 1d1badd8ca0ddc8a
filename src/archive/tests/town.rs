//! A store in memory, the line to it, and machines that share it and nothing else.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, SystemTime};

use super::*;

/// So much of what was fetched stays on a machine.
pub(super) const KEPT: u64 = 1 << 30;

/// Files of a store with the time when they came.
type Objects = BTreeMap<String, (Vec<u8>, SystemTime)>;

/// A store in memory, and its clock.
#[derive(Default)]
pub(super) struct Bucket {
    pub(super) objects: Mutex<Objects>,
    /// How far its clock has gone since it began.
    pub(super) later: Mutex<Duration>,
}

/// What happens to a request.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// It never arrives.
    Cut,
    /// It is done, and nobody hears of it.
    AnswerLost,
}

/// The line to a store, which from some request on is not there any more.
pub(super) struct Line {
    bucket: Arc<Bucket>,
    fault: Fault,
    at: AtomicU64,
    pub(super) done: AtomicU64,
    /// Bytes that were fetched.
    pub(super) came: AtomicU64,
}

impl Bucket {
    pub(super) fn objects(&self) -> MutexGuard<'_, Objects> {
        self.objects.lock().unwrap()
    }

    pub(super) fn put(&self, name: &str, bytes: &[u8]) {
        let now = SystemTime::UNIX_EPOCH + *self.later.lock().unwrap();
        self.objects().insert(name.to_owned(), (bytes.to_owned(), now));
    }

    pub(super) fn names(&self, folder: &str) -> Vec<String> {
        self.objects().keys().filter(|name| name.starts_with(folder)).cloned().collect()
    }

    /// The only name below a folder.
    pub(super) fn only(&self, folder: &str) -> String {
        let names = self.names(folder);
        assert_eq!(names.len(), 1, "{names:?}");
        names[0].clone()
    }
}

impl Line {
    /// From now on nothing comes through.
    pub(super) fn cut(&self) {
        self.at.store(0, Ordering::SeqCst);
    }

    pub(super) fn request<T>(&self, what: &str, mut work: impl FnMut(&Bucket) -> T) -> Result<T, Unreached> {
        let (number, at) = (self.done.fetch_add(1, Ordering::SeqCst) + 1, self.at.load(Ordering::SeqCst));
        let cut = || Unreached {
            doing: "reach",
            what: what.to_owned(),
            fact: "the line is cut".to_owned(),
            cause: Cause::Line,
        };
        if number > at || (number == at && self.fault == Fault::Cut) {
            return Err(cut());
        }
        let answer = work(&self.bucket);
        if number == at { Err(cut()) } else { Ok(answer) }
    }
}

impl Home for Line {
    fn label(&self) -> String {
        "memory://acme".to_owned()
    }

    fn contents(&self) -> Result<HomeContents, Unreached> {
        self.request("list", |bucket| {
            let mut contents = HomeContents::default();
            for (name, (bytes, since)) in bucket.objects().iter() {
                match (FileName::at_home(name), name.strip_prefix("runs/")) {
                    (Some(name), _) => {
                        contents.files.push(StoredFile { name, bytes: bytes.len() as u64, since: Some(*since) })
                    }
                    (None, Some(machine)) => contents.runs.push((machine.to_owned(), *since)),
                    (None, None) => contents.stranger = Some(name.clone()),
                }
            }
            contents
        })
    }

    fn fetch(&self, name: &FileName, to: &Path) -> Result<Option<String>, Unreached> {
        self.request(name.as_str(), |bucket| {
            let (bytes, _) = bucket.objects().get(name.as_str()).cloned()?;
            std::fs::write(to, &bytes).unwrap();
            self.came.fetch_add(bytes.len() as u64, Ordering::SeqCst);
            Some(blake3::hash(&bytes).to_hex().to_string())
        })
    }

    fn fetch_part(&self, name: &FileName, range: Range<u64>) -> Result<Option<Vec<u8>>, Unreached> {
        self.request(name.as_str(), |bucket| {
            let (bytes, _) = bucket.objects().get(name.as_str()).cloned()?;
            self.came.fetch_add(range.end - range.start, Ordering::SeqCst);
            Some(bytes[range.start as usize..range.end as usize].to_owned())
        })
    }

    fn send(&self, from: &Shelf, file: &StoredFile, create: bool) -> Result<(), Unreached> {
        let bytes = std::fs::read(from.path(&file.name)).unwrap();
        let there = self.request(file.name.as_str(), |bucket| {
            let there = bucket.objects().get(file.name.as_str()).map(|(bytes, _)| bytes.clone()).filter(|_| create);
            if there.is_none() {
                bucket.put(file.name.as_str(), &bytes);
            }
            there
        })?;
        let other = |_| Unreached {
            doing: "write",
            what: file.name.to_string(),
            fact: "another is there".to_owned(),
            cause: Cause::Line,
        };
        there.filter(|there| *there != bytes).map_or(Ok(()), |there| Err(other(there)))
    }

    fn remove(&self, name: &FileName) -> Result<(), Unreached> {
        self.request(name.as_str(), |bucket| drop(bucket.objects().remove(name.as_str())))
    }

    fn run(&self, machine: &str) -> Result<Option<Vec<u8>>, Unreached> {
        let name = format!("runs/{machine}");
        self.request(&name, |bucket| bucket.objects().get(&name).map(|(bytes, _)| bytes.clone()))
    }

    fn put_run(&self, machine: &str, about: &[u8]) -> Result<(), Unreached> {
        let name = format!("runs/{machine}");
        self.request(&name, |bucket| bucket.put(&name, about))
    }

    fn remove_run(&self, machine: &str) -> Result<(), Unreached> {
        let name = format!("runs/{machine}");
        self.request(&name, |bucket| drop(bucket.objects().remove(&name)))
    }
}

/// A store, and machines with a folder each.
pub(super) struct Town {
    pub(super) bucket: Arc<Bucket>,
    pub(super) machines: tempfile::TempDir,
}

impl Town {
    /// A store with an archive in it.
    pub(super) fn new() -> Town {
        Town::protected(Protection::Clear)
    }

    /// The same with an archive that is protected so.
    pub(super) fn protected(protection: Protection) -> Town {
        let town = Town { bucket: Arc::default(), machines: tempfile::tempdir().unwrap() };
        let shelf = Shelf::to_home(town.line(Fault::Cut, u64::MAX), &town.machines.path().join("maker"), KEPT).unwrap();
        drop(Archive::create(shelf, protection, Clock::Fixed(noon())).unwrap());
        town
    }

    pub(super) fn line(&self, fault: Fault, at: u64) -> Arc<Line> {
        let (at, done, came) = (AtomicU64::new(at), AtomicU64::new(0), AtomicU64::new(0));
        Arc::new(Line { bucket: Arc::clone(&self.bucket), fault, at, done, came })
    }

    /// Opens the archive on a machine.
    pub(super) fn on(&self, machine: &str) -> Archive {
        self.over(machine, self.line(Fault::Cut, u64::MAX)).unwrap()
    }

    pub(super) fn over(&self, machine: &str, line: Arc<Line>) -> Result<Archive, Error> {
        let shelf = Shelf::of_home(line, &self.machines.path().join(machine), KEPT)?;
        Archive::open(shelf, &Passphrase("none needed"), Clock::Fixed(noon()))
    }

    /// The folder in which a machine works.
    pub(super) fn folder(&self, machine: &str) -> PathBuf {
        let mut folders = std::fs::read_dir(self.machines.path().join(machine)).unwrap();
        folders.next().unwrap().unwrap().path()
    }
}
