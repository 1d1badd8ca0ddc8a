//! One writer at a time among machines that share a store.
//!
//! Each machine has a note of its own there, so none is ever replaced by another's:
//! first the own note, then a look at the others, all by the store's clock. Of two
//! that begin together at least one sees the other, with conditional writes or
//! without. Whoever was not heard of for ten minutes has lost its turn, and finds
//! that out before it sends what names other files, or removes any.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use super::{Desk, locked};
use crate::archive::error::Error;
use crate::archive::home::{Home, HomeContents};
use crate::archive::run::{DEAD_AFTER, HEARTBEAT, told_of};
use crate::archive::shelf::{FileName, Part};

/// The file that says which machine this is.
const MACHINE: &str = "machine";
/// After so long without a beat nobody believes that the turn is still its owner's before asking.
const DOUBTED_AFTER: Duration = Duration::from_secs(if cfg!(test) { 0 } else { 240 });

/// The right to write in the store, until dropped.
pub(in crate::archive) struct FarTurn {
    desk: Arc<Desk>,
    beat: Arc<Beat>,
    stop: Option<Sender<()>>,
    heart: Option<JoinHandle<()>>,
}

impl std::fmt::Debug for FarTurn {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "the turn of {}", self.beat.machine)
    }
}

/// What says that a writer lives.
pub(super) struct Beat {
    home: Arc<dyn Home>,
    machine: String,
    about: Vec<u8>,
    last: Mutex<SystemTime>,
}

impl Beat {
    fn beat(&self) -> io::Result<()> {
        if self.home.run(&self.machine)?.as_ref() != Some(&self.about) {
            return Err(io::Error::other(TurnLost));
        }
        self.home.put_run(&self.machine, &self.about)?;
        *locked(&self.last) = SystemTime::now();
        Ok(())
    }
}

/// Another machine took the turn of one that was silent.
#[derive(Debug)]
pub(in crate::archive) struct TurnLost;

impl std::fmt::Display for TurnLost {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "this machine was not heard of for ten minutes, and another one went on")
    }
}

impl std::error::Error for TurnLost {}

/// Whether another machine has taken the turn.
pub(super) fn is_lost(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<TurnLost>())
}

impl Desk {
    /// Refuses what another machine may have gone on with meanwhile.
    pub(super) fn still_ours(&self) -> io::Result<()> {
        let Some(beat) = locked(&self.beat).clone() else { return Ok(()) };
        // A clock that went back, or a machine that slept, is reason enough to ask.
        let silent = SystemTime::now().duration_since(*locked(&beat.last));
        if silent.is_ok_and(|silent| silent < DOUBTED_AFTER) { Ok(()) } else { beat.beat() }
    }

    /// Which machine this is: a word that only this folder has.
    fn machine(&self) -> io::Result<String> {
        let path = self.root.join(MACHINE);
        if let Ok(word) = fs::read_to_string(&path)
            && uuid::Uuid::parse_str(&word).is_ok()
        {
            return Ok(word);
        }
        let word = uuid::Uuid::new_v4().to_string();
        let draft = self.draft()?;
        fs::write(&draft, &word)?;
        fs::rename(&draft, &path)?;
        Ok(word)
    }

    /// Whether a file that is not sent is what its name says.
    fn is_whole(&self, name: &FileName) -> bool {
        self.here.hash(name).is_ok_and(|hash| Some(hash.as_str()) == name.hash())
    }

    /// What an earlier writer on this machine left behind: what it stored is sent, what it was about to say is not said.
    fn take_up(&self) -> io::Result<()> {
        let mut left = Vec::new();
        files_in(&self.root, &mut |path| left.extend(self.name(path)));
        for name in left {
            let (here, there) = (self.length_here(&name).unwrap_or(0), self.length_there(&name));
            match name.part() {
                Part::Log => {
                    self.bring_log(&name)?;
                    if here > there.unwrap_or(0) && self.length_here(&name) == Some(here) {
                        locked(&self.unsent).insert(name.to_string());
                    }
                }
                // One that a power cut has torn is no segment.
                Part::Segment | Part::Blob if there.is_none() && self.is_whole(&name) => {
                    locked(&self.unsent).insert(name.to_string());
                }
                // A manifest, a decision, a header: what it rests on may have gone since, and its maker was told that it failed.
                _ => fs::remove_file(self.here.path(&name))?,
            }
        }
        self.send_up_to(Part::Log)
    }
}

/// Every file of the folders that an archive has.
fn files_in(folder: &Path, found: &mut dyn FnMut(&Path)) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        match path.is_dir() {
            true if path.ends_with(super::FETCHED) => {}
            true => files_in(&path, found),
            false => found(&path),
        }
    }
}

impl FarTurn {
    pub(super) fn take(desk: &Arc<Desk>, about: &[u8]) -> Result<FarTurn, Error> {
        let refused = |error: io::Error| Error::file("write", &desk.root)(error);
        let machine = desk.machine().map_err(refused)?;
        // Another process of this machine had it before, and is gone: the folder's own lock says so.
        desk.home.put_run(&machine, about).map_err(|error| refused(error.into()))?;
        let beat = Arc::new(Beat {
            home: Arc::clone(&desk.home),
            machine,
            about: about.to_owned(),
            last: Mutex::new(SystemTime::now()),
        });
        *locked(&desk.beat) = Some(Arc::clone(&beat));
        // From here on what goes wrong gives it back.
        let mut turn = FarTurn { desk: Arc::clone(desk), beat, stop: None, heart: None };
        let contents = desk.home.contents().map_err(|error| refused(error.into()))?;
        turn.yield_or_bury(&contents)?;
        desk.knows(contents);
        desk.take_up().map_err(refused)?;
        turn.live();
        Ok(turn)
    }

    /// Refuses if another machine's writer lives, and removes the notes of those that are dead.
    fn yield_or_bury(&self, contents: &HomeContents) -> Result<(), Error> {
        let refused = |error: io::Error| Error::file("read", &self.desk.root)(error);
        let own = contents.runs.iter().find(|(machine, _)| *machine == self.beat.machine);
        let now = own.map_or_else(SystemTime::now, |(_, at)| *at);
        for (machine, at) in contents.runs.iter().filter(|(machine, _)| *machine != self.beat.machine) {
            if now.duration_since(*at).is_ok_and(|silent| silent > DEAD_AFTER) {
                self.beat.home.remove_run(machine).map_err(|error| refused(error.into()))?;
                continue;
            }
            if let Some(about) = self.beat.home.run(machine).map_err(|error| refused(error.into()))? {
                return Err(Error::Busy(told_of(&about)));
            }
        }
        Ok(())
    }

    fn live(&mut self) {
        let (stop, stopped) = channel();
        let beat = Arc::clone(&self.beat);
        self.heart = Some(std::thread::spawn(move || {
            while stopped.recv_timeout(HEARTBEAT) == Err(RecvTimeoutError::Timeout) {
                // A missed beat is made good by the next; a turn that is lost is found out by who wants to use it.
                let _missed = beat.beat();
            }
        }));
        self.stop = Some(stop);
    }
}

impl Drop for FarTurn {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(heart) = self.heart.take() {
            let _ended = heart.join();
        }
        *locked(&self.desk.beat) = None;
        let own = self.beat.home.run(&self.beat.machine).ok().flatten();
        if own.as_ref() == Some(&self.beat.about) {
            // What stays behind is this machine's own, or found dead by another.
            let _stays = self.beat.home.remove_run(&self.beat.machine);
        }
    }
}
