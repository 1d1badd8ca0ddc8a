//! An archive that somebody can forget about: when a run is due, what it consists of, and what became of it.
//!
//! Values and decisions only: nothing here captures, copies or sends. The command
//! line asks what is due, does the steps with the same functions as its commands,
//! and tells the outcome; a test does the same with a clock of its own. What holds:
//! 1. times are compared with the wall clock, never counted by waiting, so a machine that slept knows it;
//! 2. a time of the schedule at which nothing ran is told, by name, at the next start, and made up for once;
//! 3. one step that fails stops only what would do harm without it: nothing is forgotten after a
//!    snapshot that failed;
//! 4. what is known between runs is one small file that nobody needs: a broken one costs no run.

mod due;
mod every;
mod report;
mod settings;
mod state;
mod steps;
mod timers;

pub use self::due::{Due, LATE_AFTER, Missed, When};
pub use self::every::Every;
pub use self::report::{Outcome, RunReport, StepReport, Verdict};
pub use self::settings::{Checks, Schedule, Settings, Unfit};
pub use self::state::{Again, Lock, Running, Standing, State};
pub use self::steps::Step;
pub use self::timers::{Call, MARK, timer};
