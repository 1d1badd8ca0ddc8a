//! Decide everything, check it, write it down, then do it.
//!
//! What a restore promises:
//!
//! - **The plan decides.** [`plan`] is a pure function of two snapshots, the catalogue and a policy. It says what
//!   will be written, what will not come back and why, what it costs and what it may set off. [`check()`] gives a
//!   second opinion that shares nothing with the planner. [`replay`] has no choices left.
//! - **Exactly once.** The [`Journal`] has an intent on disk before each request and an outcome after the answer. A
//!   lost answer is resolved by looking (`doubt.rs`), never by sending again in hope and never by search.
//! - **Nothing is overwritten unseen.** A record that moved since the plan is a conflict and stays as it is.
//! - **It says how it went.** What was touched is read back and compared with the goal: the [`Report`].

mod cases;
mod check;
mod conditions;
mod definitions;
mod doubt;
mod edited;
mod elsewhere;
mod fields;
mod fill;
mod journal;
mod lineage;
mod links;
mod packed;
mod parts;
mod past;
mod plan;
mod planner;
mod policy;
mod readback;
mod replay;
mod report;
mod request;
mod row;
mod rules;
mod same;
mod scope;
mod sift;
mod stamp;
mod state;
mod summary;
mod translate;
mod undo;
mod verify;
mod written;

pub use check::{Objection, check, check_against};
pub use edited::{Unfit, review};
pub use elsewhere::{Entry, Fate, Mapping, NotAMapping, propose};
pub use fill::{Body, BodyText, Fill};
pub use journal::{Journal, NoJournal, Standing};
pub use lineage::{Carried, carried, lineage};
pub use past::{Between, Past, Witness};
pub use plan::{
    Action, AddOptions, ByNature, Conflict, Create, Dangling, Drawn, Expel, Kept, LeftOut, LiveId, Look, NotAPlan,
    Plan, Price, Reason, SideEffects, Stamp, Step, StepNumber, Trim, Update, Upload,
};
pub use planner::{CannotPlan, plan, plan_elsewhere, plan_with};
pub use policy::{Missing, Policy, Scope, Side, StandIn};
pub use replay::{Error, Replayed, Site, Stop, replay, replay_between};
pub use report::{Bill, Cost, Difference, FieldTally, Finding, Report, Tally, Verdict};
pub use state::{Rows, State};
pub use summary::{Counts, Summary};
pub use undo::{Undone, undo};
pub use written::Written;
