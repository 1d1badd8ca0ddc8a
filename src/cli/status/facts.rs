//! What commands note of what they did, so that a status can tell it without doing it again.
//!
//! A fact that cannot be noted is told and costs the command nothing: it did its work.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::archive::{Archive, Error, Shelf};
use crate::cli::session::Session;
use crate::cli::show::drills;

/// What stands before the name of a target.
pub(super) const PUSH: &str = "push ";
/// A look at the structure, and at every byte.
pub(super) const CHECK: &str = "check";
pub(super) const CHECK_DATA: &str = "check data";
pub(super) const DRILL: &str = "drill";
pub(super) const PAUSE: &str = "pause";

/// A copy was brought up to date.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Push {
    /// Snapshots that were there then have arrived.
    pub(crate) begun: DateTime<Utc>,
    /// Whether everything has.
    pub(crate) whole: bool,
}

/// The archive was checked.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Look {
    /// When.
    pub(crate) at: DateTime<Utc>,
    /// How many problems were found.
    pub(crate) problems: u64,
}

/// A snapshot was restored into an empty account.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Drill {
    /// When.
    pub(crate) at: DateTime<Utc>,
    /// Records that came back.
    pub(crate) came_back: u64,
    /// Records that did not, and should have.
    pub(crate) wrong: u64,
}

/// A capture has spent its budget.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Pause {
    /// When it can go on.
    pub(crate) until: DateTime<Utc>,
}

impl Push {
    /// Notes it; no key is needed.
    pub(crate) fn note(self, session: &Session, archive: &Shelf, target: &str) {
        tell(session, Archive::note_at(archive.clone(), &format!("{PUSH}{target}"), &self));
    }
}

impl Look {
    /// Notes it, and as of when every byte was read, if it was.
    pub(crate) fn note(self, session: &Session, archive: &Archive, every_byte: Option<DateTime<Utc>>) {
        tell(session, archive.note(CHECK, &self));
        if let Some(at) = every_byte {
            tell(session, archive.note(CHECK_DATA, &Look { at, ..self }));
        }
    }
}

impl Drill {
    pub(crate) fn of(drill: &drills::Drill) -> Drill {
        Drill { at: drill.at, came_back: drill.total.came_back(), wrong: drill.total.wrong() }
    }

    /// Notes it, for keys that cannot read what it found.
    pub(crate) fn note(self, session: &Session, archive: &Archive) {
        tell(session, archive.note(DRILL, &self));
    }
}

impl Pause {
    /// Notes it.
    pub(crate) fn note(self, session: &Session, archive: &Archive) {
        tell(session, archive.note(PAUSE, &self));
    }
}

fn tell(session: &Session, noted: Result<(), Error>) {
    if let Err(error) = noted {
        session.say(&format!("\"pdbak status\" will not know of this: {error}"));
    }
}
