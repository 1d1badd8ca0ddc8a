//! What a restore wrote, in numbers: for whoever wonders why so much changed.

use chrono::{DateTime, Utc};

use crate::restore::journal::{Journal, Was};
use crate::restore::plan::{Action, Plan};

/// What a restore wrote to the account.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Written {
    /// When its newest entry was made.
    pub ended: DateTime<Utc>,
    /// Records it made or brought back.
    pub made: u64,
    /// Records it deleted.
    pub deleted: u64,
    /// All writes that took place, or may have.
    pub writes: u64,
}

impl Journal {
    /// What was written so far by the plan that this is the journal of.
    pub fn written(&self, plan: &Plan) -> Written {
        let ended = self.report().map_or(self.touched(), |report| report.finished);
        let mut written = Written { ended, made: 0, deleted: 0, writes: 0 };
        for step in plan.steps() {
            let took_place = match self.ended(step.number) {
                Some(outcome) => matches!(outcome.was, Was::Done | Was::Adopted | Was::Revived),
                // Its answer was lost.
                None => self.has_sent(step.number),
            };
            if took_place {
                written.writes += 1;
                match &step.action {
                    Action::Create(_) | Action::Revive { .. } => written.made += 1,
                    Action::Delete { .. } | Action::Expel(_) => written.deleted += 1,
                    Action::Trim(_) => {
                        written.deleted += self.ended(step.number).map_or(0, |ended| ended.removed.len() as u64)
                    }
                    Action::Update(_) | Action::AddOptions(_) => {}
                }
            }
        }
        written
    }
}
