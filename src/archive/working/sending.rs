//! How files come to the store: what names others after them, and nothing twice.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use super::fetched::at_once;
use super::turn::is_lost;
use super::{Desk, locked};
use crate::archive::disk::Output;
use crate::archive::shelf::{FileName, Part, StoredFile};

/// A log is sent at most so often while it grows, because it travels as a whole; on this machine's disk it is at once.
const LOG_EVERY: Duration = Duration::from_secs(5);

impl Desk {
    /// Sends what has got its name in a folder, and before it everything that it may name.
    pub(super) fn send_folder(&self, folder: &str) -> io::Result<()> {
        let of_folder = |name: &FileName| name.as_str().rsplit_once('/').map_or("", |(folder, _)| folder) == folder;
        let last = self.unsent_names().into_iter().filter(of_folder).map(|name| name.part()).max();
        last.map_or(Ok(()), |part| self.send_up_to(part))
    }

    /// Sends all files up to a part, part by part.
    pub(super) fn send_up_to(&self, last: Part) -> io::Result<()> {
        let names = self.unsent_names();
        let parts: BTreeSet<Part> = names.iter().map(|name| name.part()).filter(|part| *part <= last).collect();
        for part in parts {
            if part >= Part::Mark {
                self.still_ours()?;
            }
            let of_part: Vec<FileName> = names.iter().filter(|name| name.part() == part).cloned().collect();
            at_once(&of_part, |name| self.send(name))?;
        }
        Ok(())
    }

    fn unsent_names(&self) -> Vec<FileName> {
        locked(&self.unsent).iter().filter_map(|name| FileName::at_home(name)).collect()
    }

    /// Sends one file; from then on what is here is a copy.
    pub(super) fn send(&self, name: &FileName) -> io::Result<()> {
        let path = self.here.path(name);
        let bytes = match fs::metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                locked(&self.unsent).remove(name.as_str());
                return Ok(());
            }
            facts => facts?.len(),
        };
        let is_log = name.part() == Part::Log;
        // A log that was begun and says nothing yet is nothing yet.
        if !(is_log && bytes == 0) {
            let file = StoredFile { name: name.clone(), bytes, since: Some(SystemTime::now()) };
            self.home.send(&self.here, &file, !self.is_there(name))?;
            locked(&self.there).insert(name.to_string(), file);
        }
        if is_log {
            // What was appended meanwhile goes with the next.
            if self.length_here(name) == Some(bytes) {
                locked(&self.unsent).remove(name.as_str());
            }
            return Ok(());
        }
        self.keep_copy(&path, &self.fetched(name.as_str()));
        locked(&self.unsent).remove(name.as_str());
        self.make_room(bytes);
        Ok(())
    }
}

/// Where it is noted which logs were begun on this machine.
const BEGUN: &str = "begun";

/// A log was begun on another machine. What that one did last stands in its folder before it stands in the store, and
/// whoever goes on without knowing of it might do it twice.
#[derive(Debug)]
pub(in crate::archive) struct BegunElsewhere(String);

impl std::fmt::Display for BegunElsewhere {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}", self.0)
    }
}

impl std::error::Error for BegunElsewhere {}

impl Desk {
    /// Notes that a log is begun here.
    pub(super) fn note_begun(&self, log: &FileName) -> io::Result<()> {
        let note = self.begun(log);
        fs::create_dir_all(note.parent().expect("a note lies in a folder"))?;
        fs::write(&note, "")?;
        fs::File::open(&note)?.sync_all()
    }

    /// Refuses a log that was begun on another machine.
    pub(super) fn begun_here(&self, log: &FileName) -> io::Result<()> {
        let name = log.as_str().rsplit('/').next().unwrap_or_default();
        if self.begun(log).exists() { Ok(()) } else { Err(io::Error::other(BegunElsewhere(name.to_owned()))) }
    }

    fn begun(&self, log: &FileName) -> PathBuf {
        self.root.join(BEGUN).join(log.as_str())
    }
}

/// A log that grows here first and in the store a little later.
pub(super) struct LogOutput {
    file: Box<dyn Output>,
    desk: Arc<Desk>,
    name: FileName,
    /// Not before this.
    again: Option<Instant>,
}

impl LogOutput {
    pub(super) fn new(file: Box<dyn Output>, desk: Arc<Desk>, name: FileName) -> LogOutput {
        LogOutput { file, desk, name, again: None }
    }

    /// What cannot be sent now stays unsent, and is told at the end; the entry is on this machine's disk. Only who has
    /// lost the right to write must not go on.
    fn send(&mut self) -> io::Result<()> {
        let begun = Instant::now();
        let sent = self.desk.still_ours().and_then(|()| self.desk.send(&self.name));
        // Whoever waits in vain for a store that is away waits a tenth of the time at most.
        self.again = Some(Instant::now() + LOG_EVERY.max(begun.elapsed() * 10));
        match sent {
            Err(error) if is_lost(&error) => Err(error),
            _ => Ok(()),
        }
    }
}

impl Write for LogOutput {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Output for LogOutput {
    fn sync(&mut self) -> io::Result<()> {
        self.file.sync()?;
        locked(&self.desk.unsent).insert(self.name.to_string());
        if self.again.is_none_or(|again| Instant::now() >= again) { self.send() } else { Ok(()) }
    }
}

impl Drop for LogOutput {
    fn drop(&mut self) {
        if self.desk.is_unsent(&self.name) {
            let _told_at_the_end = self.send();
        }
    }
}
