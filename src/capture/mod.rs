//! The loop: pages become records, records become a snapshot; gaps are recorded, not hidden.
//!
//! What is read, in which order and at which price follows from the catalogue;
//! no object has a line of code of its own here. Flat lists are read first, a few
//! at a time, with the counters of what hangs on their records; lists into which
//! records move from another (archived ones) come after that other; then one pass
//! catches up with what changed meanwhile; then children, only under parents that
//! have some, and of parents that say nothing a share (`sweep.rs`); then contents.
//! What all this will cost is told by going through it in thought (`rehearsal.rs`, `forecast.rs`).
//!
//! Three promises decide every doubtful case:
//!
//! - What was not seen is not gone. A record is deleted when a complete list does
//!   not show it, or when the service says so; else it is carried over, and the
//!   object's coverage says since when deletions are not known.
//! - A watermark never passes a record that failed, so that the next increment
//!   meets it again.
//! - A run that is killed, or that has spent its budget, goes on where it stood:
//!   notes are kept with each checkpoint (`notes.rs`, `desk.rs`).
//! - A first capture that has spent its budget leaves what it has so far as a
//!   snapshot that says so, and goes on on top of it (`ending.rs`).

mod children;
mod contents;
mod counting;
mod desk;
mod ending;
mod extended;
mod family;
mod forecast;
mod heads;
mod held;
mod lists;
mod newest;
mod notes;
mod outline;
mod own;
mod rehearsal;
mod run;
mod shape;
#[cfg(test)]
mod specimen;
mod sweep;
mod trail;
mod way;

use chrono::{DateTime, Utc};

pub use ending::NOT_READ;
pub use forecast::{Course, Forecast, forecast, forecast_counted};
pub use rehearsal::{Basis, Expected};
pub use sweep::{Carried, carried};

use crate::account::Account;
use crate::archive::{Archive, Manifest};
use crate::catalogue::Object;
use crate::clock::Clock;
use crate::monitor::Monitor;
use run::{Run, Stop};

/// The share of a sweep: everything is looked at again in fifty captures.
pub const SWEEP: u8 = 2;

/// What a capture is asked to do.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// These objects and those whose records are their parents; all when empty.
    pub objects: Vec<&'static Object>,
    /// Of these objects every child is read again, whatever it costs.
    pub anew: Vec<&'static Object>,
    /// And these, which cost a call for each record of another object and are read only when asked for.
    pub also: Vec<&'static Object>,
    /// Walk every list and read every child again, whatever it costs.
    pub full: bool,
    /// The share of parents, in percent, whose children are looked at again although nothing says that they changed.
    pub sweep: u8,
    /// Custom fields, too.
    pub custom_fields: bool,
    /// The requests that bring what a list leaves out, too.
    pub extended: bool,
    /// The contents of files, too.
    pub contents: bool,
    /// It is read only to restore into it: the snapshot is kept apart from those of the archive's own company.
    pub aside: bool,
    /// It is read to compare with, and not kept for its own sake.
    pub on_the_way: bool,
}

impl Default for Wanted {
    fn default() -> Wanted {
        let (objects, anew, also) = (Vec::new(), Vec::new(), Vec::new());
        Wanted {
            objects,
            anew,
            also,
            full: false,
            sweep: SWEEP,
            custom_fields: true,
            extended: true,
            contents: true,
            aside: false,
            on_the_way: false,
        }
    }
}

/// How a capture ended.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "there is one of it in a run, and it is taken apart at once")]
pub enum Outcome {
    /// The snapshot exists; whether it has gaps, its contents say.
    Finished(Manifest),
    /// The budget is spent; the next run goes on.
    Paused {
        /// When there are tokens again.
        until: DateTime<Utc>,
        /// The objects that are read already.
        done: Vec<String>,
        /// What a first capture has so far, as a snapshot; none where nothing new was read, and none of a later
        /// capture, which has a whole snapshot below it.
        partial: Option<Box<Manifest>>,
    },
}

/// Why a capture made no snapshot; what it had is kept for the next run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The account cannot be read.
    #[error(transparent)]
    Account(#[from] crate::account::Error),
    /// The archive cannot be written.
    #[error(transparent)]
    Archive(#[from] crate::archive::Error),
    /// The place for files that wait to be stored cannot be used.
    #[error("cannot read back a downloaded file: {0}")]
    Scratch(String),
    /// The account refuses every list: a snapshot would say that there is nothing.
    #[error("cannot read the account: none of its lists is offered to this login ({0})")]
    NothingOffered(String),
}

/// Reads the account into a new snapshot of the archive.
pub async fn capture(
    account: &Account,
    archive: &Archive,
    wanted: &Wanted,
    clock: Clock,
    monitor: &dyn Monitor,
) -> Result<Outcome, Error> {
    let run = Run::begin(account, archive, wanted, clock, monitor)?;
    match run.read_everything().await {
        Ok(()) => match run.refused_everything() {
            // Not kept for the next run, which has to ask again.
            Some(reason) => Err(Error::NothingOffered(reason)),
            None => run.finish().map(Outcome::Finished),
        },
        Err(Stop::BudgetSpent(until)) => {
            let done = run.pause()?;
            let partial = if run.is_worth_publishing() { Some(Box::new(run.publish()?)) } else { None };
            Ok(Outcome::Paused { until, done, partial })
        }
        Err(Stop::Failed(error)) => {
            // The reason counts more than a checkpoint that cannot be written either.
            match run.pause() {
                Ok(_) => Err(error),
                Err(also) => {
                    monitor.warned(&format!("cannot keep what was read so far: {also}"));
                    Err(error)
                }
            }
        }
    }
}
