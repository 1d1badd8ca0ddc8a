//! An object store as the home of an archive, not as a place for its copies.
//!
//! The archive asks one thing after the other and waits, as it does with a disk; the
//! store is asked by a runtime of its own, so that it does not matter whether whoever
//! waits belongs to another one.

use std::fs::File;
use std::future::Future;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::sync_channel;

use tokio::runtime::{Builder, Runtime};

use crate::archive::{Cause, FileName, Home, HomeContents, Part, Shelf, StoredFile, Unreached};
use crate::offsite::bucket::Bucket;
use crate::offsite::error::Trouble;
use crate::offsite::pace::Pace;
use crate::offsite::place::{Listing, Place, RUNS, upload};
use crate::offsite::{Error, Haul, Target};

/// Threads that talk to the store.
const THREADS: usize = 2;

/// A place in an object store that an archive lives in.
pub struct StoreHome {
    bucket: Bucket,
    upload: Arc<Pace>,
    download: Arc<Pace>,
    /// Whether the store is to hold on to what it is given.
    locks: bool,
    /// It was given a snapshot and does not hold on to it.
    lets_go: AtomicBool,
    /// Gone only when this is dropped.
    runtime: Option<Runtime>,
}

impl StoreHome {
    /// Opens a place, and keeps to the limits of the haul on the way there and back; nothing is asked of it yet.
    pub fn open(target: &Target, haul: Haul) -> Result<StoreHome, Error> {
        let bucket = Bucket::open(target)?;
        let runtime = Builder::new_multi_thread().worker_threads(THREADS).enable_all().build();
        let runtime = runtime.map_err(|error| Error::Store {
            doing: "reach",
            target: bucket.label().to_owned(),
            fact: error.to_string(),
        })?;
        Ok(StoreHome {
            bucket,
            upload: Arc::new(Pace::new(haul.upload)),
            download: Arc::new(Pace::new(haul.download)),
            locks: target.lock.is_some(),
            lets_go: AtomicBool::new(false),
            runtime: Some(runtime),
        })
    }

    /// Leaves a note of whose archive this is; true when no name there can be replaced by a second writer.
    pub fn claim(&self, archive: &str) -> Result<bool, Error> {
        let (bucket, archive) = (self.bucket.clone(), archive.to_owned());
        self.wait(async move { bucket.claim(&archive).await })
    }

    /// Until when the store holds on to a file, if it does.
    pub fn locked_until(&self, name: &FileName) -> Result<Option<String>, Error> {
        let (bucket, name) = (self.bucket.clone(), name.clone());
        self.wait(async move { bucket.locked_until(name.as_str()).await })
    }

    /// Waits for the store, on any thread.
    fn wait<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> T {
        let (tell, told) = sync_channel(1);
        let runtime = self.runtime.as_ref().expect("it is there until this is dropped");
        runtime.spawn(async move {
            // Whoever waits does so until it is told.
            let _heard = tell.send(work.await);
        });
        told.recv().expect("work at a store does not panic")
    }

    /// The same for what fails as a store does.
    fn ask<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) -> Result<T, Unreached> {
        self.wait(work).map_err(|error| self.unreached(error))
    }

    fn unreached(&self, error: Error) -> Unreached {
        let cause = match &error {
            Error::Full { .. } => Cause::Room,
            Error::Denied { .. } | Error::NoCredentials { .. } => Cause::Credentials,
            Error::NoBucket { .. } | Error::OtherRegion { .. } => Cause::Address,
            Error::ClockIsOff { .. } => Cause::Clock,
            _ => Cause::Line,
        };
        let fact = match error {
            Error::Store { doing, target, fact } => return Unreached { doing, what: target, fact, cause },
            Error::Full { fact, .. } => format!("there is no room left: {fact}"),
            Error::Denied { doing, fact, .. } => format!("it refuses the credentials when asked to {doing}: {fact}"),
            Error::NoCredentials { .. } => "no credentials were given, and this machine has none of its own".to_owned(),
            Error::NoBucket { fact, .. } => format!("there is no such bucket: {fact}"),
            Error::OtherRegion { fact, .. } => format!("it lies in another region: {fact}"),
            Error::ClockIsOff { .. } => "this machine's clock and its own differ too much".to_owned(),
            error => error.to_string(),
        };
        Unreached { doing: "use", what: self.label(), fact, cause }
    }
}

impl Drop for StoreHome {
    fn drop(&mut self) {
        // Dropped as it is, it would wait, which a thread of another runtime may not.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Fetches a file to a path; `None` if it is not there.
async fn fetch(bucket: Bucket, name: FileName, to: PathBuf, pace: Arc<Pace>) -> Result<Option<String>, Error> {
    let refused = |error: std::io::Error| Error::Store {
        doing: "write",
        target: to.display().to_string(),
        fact: error.to_string(),
    };
    let mut file = File::create(&to).map_err(refused)?;
    match Place::Bucket(bucket).fetch(&name, &mut file, &pace).await {
        Ok(hash) => Ok(Some(hash)),
        Err(Trouble::Gone) => Ok(None),
        Err(Trouble::Failed(error)) => Err(error),
        Err(Trouble::Damaged(fact)) => Err(Error::Store { doing: "read", target: name.to_string(), fact }),
    }
}

/// Sends a file.
async fn send(bucket: Bucket, from: Shelf, file: StoredFile, create: bool, pace: Arc<Pace>) -> Result<(), Error> {
    match upload(&bucket, &from, &file, create, &pace).await {
        Ok(_proven) => Ok(()),
        Err(Trouble::Failed(error)) => Err(error),
        Err(Trouble::Damaged(fact)) => Err(Error::Store { doing: "send", target: file.name.to_string(), fact }),
        Err(Trouble::Gone) => {
            let fact = "it is gone from this machine".to_owned();
            Err(Error::Store { doing: "send", target: file.name.to_string(), fact })
        }
    }
}

impl Home for StoreHome {
    fn label(&self) -> String {
        self.bucket.label().to_owned()
    }

    fn remark(&self) -> Option<String> {
        let told = "the archive's store took the object lock without an error, and does not hold it";
        self.lets_go.load(Ordering::Relaxed).then(|| told.to_owned())
    }

    fn contents(&self) -> Result<HomeContents, Unreached> {
        let bucket = self.bucket.clone();
        let Listing { mut files, of_home, runs, stranger, .. } = self.ask(async move { bucket.list().await })?;
        files.extend(of_home);
        Ok(HomeContents { files, runs, stranger })
    }

    fn fetch(&self, name: &FileName, to: &Path) -> Result<Option<String>, Unreached> {
        self.ask(fetch(self.bucket.clone(), name.clone(), to.to_owned(), Arc::clone(&self.download)))
    }

    fn fetch_part(&self, name: &FileName, range: Range<u64>) -> Result<Option<Vec<u8>>, Unreached> {
        let (bucket, name, pace) = (self.bucket.clone(), name.clone(), Arc::clone(&self.download));
        self.ask(async move {
            pace.allow(range.end - range.start).await;
            Ok(bucket.read_part(name.as_str(), range).await?.map(Vec::from))
        })
    }

    fn send(&self, from: &Shelf, file: &StoredFile, create: bool) -> Result<(), Unreached> {
        self.ask(send(self.bucket.clone(), from.clone(), file.clone(), create, Arc::clone(&self.upload)))?;
        if self.locks && file.name.part() == Part::Snapshot {
            let until = self.locked_until(&file.name).map_err(|error| self.unreached(error))?;
            self.lets_go.fetch_or(until.is_none(), Ordering::Relaxed);
        }
        Ok(())
    }

    fn remove(&self, name: &FileName) -> Result<(), Unreached> {
        let (bucket, name) = (self.bucket.clone(), name.clone());
        self.ask(async move { bucket.remove(name.as_str()).await })
    }

    fn run(&self, machine: &str) -> Result<Option<Vec<u8>>, Unreached> {
        let (bucket, name) = (self.bucket.clone(), format!("{RUNS}{machine}"));
        self.ask(async move { Ok(bucket.read(&name).await?.map(|text| text.to_vec())) })
    }

    fn put_run(&self, machine: &str, about: &[u8]) -> Result<(), Unreached> {
        let (bucket, name, about) = (self.bucket.clone(), format!("{RUNS}{machine}"), about.to_owned());
        self.ask(async move { bucket.note(&name, about).await })
    }

    fn remove_run(&self, machine: &str) -> Result<(), Unreached> {
        let (bucket, name) = (self.bucket.clone(), format!("{RUNS}{machine}"));
        self.ask(async move { bucket.remove(&name).await })
    }
}
