//! One writer at a time, without a lock that outlives it.
//!
//! A writer holds a file under `runs/`, locked by the operating system and
//! touched every minute. Readers and checks never look at it. When a writer
//! dies its lock is gone at once on the same machine, and on another machine
//! its file is dead after ten minutes of silence; nobody has to unlock anything.

use std::fs::{File, TryLockError};
use std::io::{Read, Write};
use std::path::PathBuf;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::error::Error;
use super::header::{HEADER, HEADER_COPY, Header};
use super::store::Store;
use super::working::FarTurn;
use super::{Archive, Inner};

/// Where run files lie.
pub(super) const RUNS: &str = "runs";
pub(super) const HEARTBEAT: Duration = Duration::from_secs(60);
pub(super) const DEAD_AFTER: Duration = Duration::from_secs(600);

#[derive(Serialize, Deserialize)]
struct About {
    host: String,
    process: u32,
    since: DateTime<Utc>,
    /// No two writers say the same.
    turn: Option<String>,
}

/// The right to write, until dropped.
#[derive(Debug)]
pub(super) struct Run {
    path: PathBuf,
    stop: Option<Sender<()>>,
    heart: Option<JoinHandle<()>>,
    /// The same right where other machines write, too.
    far: Option<FarTurn>,
}

/// The right to write to an archive and to the account it keeps: nobody captures, restores or adds files beside its
/// holder.
#[must_use = "it lasts as long as this is held"]
pub struct Turn {
    store: Store,
    run: Run,
}

impl std::fmt::Debug for Turn {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.run.fmt(out)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.store.end_turn();
    }
}

impl Turn {
    /// Takes the right to write, which one process has at a time.
    pub(super) fn take(store: &Store, now: DateTime<Utc>) -> Result<Turn, Error> {
        let run = Run::begin(store, now)?;
        store.begin_turn();
        Ok(Turn { store: store.clone(), run })
    }
}

impl Archive {
    /// Takes the right to write.
    pub fn turn(&self) -> Result<Turn, Error> {
        self.inner.turn()
    }
}

impl Inner {
    /// Takes the right to write with the keys that the archive was opened with.
    ///
    /// Whoever waited while a rotation replaced them would go on sealing for the old ones. A rotation that was
    /// interrupted between the header and its copy is ended here.
    pub(super) fn turn(&self) -> Result<Turn, Error> {
        let turn = Turn::take(&self.store, self.clock.now())?;
        // Where the header cannot be read its copy was opened, and nothing is written over either.
        if let Ok(header) = Header::parse(&self.store, HEADER) {
            if header != self.header {
                return Err(Error::KeysReplaced);
            }
            let copy = Header::parse(&self.store, HEADER_COPY);
            if copy.is_ok_and(|copy| copy.archive == header.archive && copy.rotation < header.rotation) {
                self.store.replace(HEADER_COPY, &header.to_bytes())?;
            }
        }
        Ok(turn)
    }

    /// Fails when a rotation replaced the keys since the archive was opened: what was written since takes the new ones.
    pub(super) fn still_opens(&self) -> Result<(), Error> {
        match Header::parse(&self.store, HEADER) {
            Ok(now) if now.archive == self.header.archive && now.rotation > self.header.rotation => {
                Err(Error::KeysReplaced)
            }
            _ => Ok(()),
        }
    }
}

impl Run {
    /// Takes the right to write; whoever died with it loses it.
    pub(super) fn begin(store: &Store, now: DateTime<Utc>) -> Result<Run, Error> {
        store.create_folder(RUNS)?;
        let name = uuid::Uuid::new_v4().to_string();
        let path = store.path(&format!("{RUNS}/{name}"));
        let refused = || Error::file("write", &path);
        let file = File::create_new(&path).map_err(refused())?;
        // Own file first, then a look at the others: of two that begin together at least one sees the other.
        let mut run = Run { path: path.clone(), stop: None, heart: None, far: None };
        file.try_lock().map_err(|error| Error::Busy(error.to_string()))?;
        let about = About { host: host(), process: std::process::id(), since: now, turn: Some(name.clone()) };
        let about = serde_json::to_vec(&about).map_err(|error| refused()(error.into()))?;
        (&file).write_all(&about).map_err(refused())?;
        let store_time = file.metadata().and_then(|facts| facts.modified()).map_err(refused())?;
        for other in store.list(RUNS)?.into_iter().filter(|other| *other != name) {
            yield_or_bury(&store.path(&format!("{RUNS}/{other}")), store_time)?;
        }
        run.far = store.far_turn(&about)?;
        let (stop, stopped) = channel();
        run.heart = Some(std::thread::spawn(move || {
            while stopped.recv_timeout(HEARTBEAT) == Err(RecvTimeoutError::Timeout) {
                // A missed beat is made good by the next; ten must fail before anybody minds.
                let _ = file.set_modified(SystemTime::now());
            }
        }));
        run.stop = Some(stop);
        Ok(run)
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        // Others first: whoever takes it here needs it there, too.
        self.far = None;
        self.stop = None;
        if let Some(heart) = self.heart.take() {
            let _ = heart.join();
        }
        // What stays behind is found dead by the next writer.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Refuses if the run file belongs to a living writer, else removes it.
fn yield_or_bury(path: &std::path::Path, store_time: SystemTime) -> Result<(), Error> {
    let Ok(file) = File::open(path) else { return Ok(()) };
    let mut text = Vec::new();
    (&file).read_to_end(&mut text).map_err(Error::file("read", path))?;
    let about: Option<About> = serde_json::from_slice(&text).ok();
    let silent =
        file.metadata().and_then(|facts| facts.modified()).ok().and_then(|beat| store_time.duration_since(beat).ok());
    let silent_for_long = silent.is_some_and(|silent| silent > DEAD_AFTER);
    let here = about.as_ref().is_none_or(|about| about.host == host());
    let held = matches!(file.try_lock(), Err(TryLockError::WouldBlock));
    if !held && (here || silent_for_long) {
        let _ = std::fs::remove_file(path);
        return Ok(());
    }
    Err(Error::Busy(told_of(&text)))
}

/// Who is writing, by what a writer says of itself.
pub(super) fn told_of(about: &[u8]) -> String {
    match serde_json::from_slice::<About>(about) {
        Ok(about) => format!(
            "process {} on {} has been writing since {}",
            about.process,
            about.host,
            about.since.format("%Y-%m-%d %H:%M:%S")
        ),
        Err(_) => "another process is writing".to_owned(),
    }
}

fn host() -> String {
    let kernel = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let name = kernel.or_else(|| std::env::var("COMPUTERNAME").ok()).or_else(|| std::env::var("HOSTNAME").ok());
    name.map_or_else(|| "this machine".to_owned(), |name| name.trim().to_owned())
}
