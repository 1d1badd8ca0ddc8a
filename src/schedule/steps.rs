//! What a run consists of, and which step has to wait for which.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::schedule::settings::Schedule;
use crate::schedule::state::State;

/// One step of a run; in the order in which they are done.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Step {
    /// The account is captured.
    Snapshot,
    /// Snapshots that no rule keeps are let go.
    Forget,
    /// The room of what was forgotten is given back.
    Prune,
    /// The archive is checked.
    Check,
    /// The newest snapshot is restored into an account on this machine.
    Drill,
    /// What is new is sent to this target.
    Push(String),
}

impl fmt::Display for Step {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::Snapshot => out.write_str("snapshot"),
            Step::Forget => out.write_str("forget"),
            Step::Prune => out.write_str("prune"),
            Step::Check => out.write_str("check"),
            Step::Drill => out.write_str("drill"),
            Step::Push(target) => write!(out, "push {target}"),
        }
    }
}

impl FromStr for Step {
    type Err = String;

    fn from_str(text: &str) -> Result<Step, String> {
        Ok(match text {
            "snapshot" => Step::Snapshot,
            "forget" => Step::Forget,
            "prune" => Step::Prune,
            "check" => Step::Check,
            "drill" => Step::Drill,
            other => match other.strip_prefix("push ") {
                Some(target) => Step::Push(target.to_owned()),
                None => return Err(format!("{other} is no step")),
            },
        })
    }
}

impl From<Step> for String {
    fn from(step: Step) -> String {
        step.to_string()
    }
}

impl TryFrom<String> for Step {
    type Error = String;

    fn try_from(text: String) -> Result<Step, String> {
        text.parse()
    }
}

impl Schedule {
    /// Every step that a run may have, with how often it is done.
    pub fn all_steps(&self) -> Vec<(Step, crate::schedule::Every)> {
        use crate::schedule::Every;
        let forget = if self.forget.is_some() { Every::RUN } else { Every::NEVER };
        let mut steps = vec![
            (Step::Snapshot, Every::RUN),
            (Step::Forget, forget),
            (Step::Prune, self.prune),
            (Step::Check, self.check.every()),
            (Step::Drill, self.drill),
        ];
        steps.extend(self.targets.iter().map(|target| (Step::Push(target.clone()), Every::RUN)));
        steps.retain(|(_, every)| !every.is_never());
        steps
    }

    /// The steps of a run that begins now.
    pub fn steps(&self, state: &State, now: DateTime<Utc>) -> Vec<Step> {
        let due = self.all_steps().into_iter().filter(|(step, every)| every.is_due(state.standing(step).done, now));
        due.map(|(step, _)| step).collect()
    }
}

impl Step {
    /// Why the step must not be done as things stand.
    pub fn waits(&self, state: &State) -> Option<&'static str> {
        let snapshot = state.standing(&Step::Snapshot);
        match self {
            // What was kept so far may be the last good one.
            Step::Forget if snapshot.failures > 0 || snapshot.done.is_none() => {
                Some("nothing is forgotten before a snapshot has succeeded")
            }
            Step::Drill if snapshot.done.is_none() => Some("there is no snapshot to restore yet"),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, TimeDelta, Utc};

    use super::Step;
    use crate::schedule::{Outcome, Settings, State, StepReport};

    fn words(steps: &[Step]) -> String {
        steps.iter().map(Step::to_string).collect::<Vec<_>>().join(", ")
    }

    fn did(state: &mut State, step: Step, outcome: Outcome, at: DateTime<Utc>) {
        state.learn(&StepReport { step, outcome, at, seconds: 0.0, says: String::new(), hint: None }, at);
    }

    #[test]
    fn a_run_has_the_steps_that_are_due() {
        let text = "cron = \"15 2 * * *\"\nprune = \"weekly\"\ncheck = \"1/7\"\ndrill = \"monthly\"\n[forget]\nkeep_daily = 7\n";
        let settings: Settings = toml::from_str(text).unwrap();
        let schedule = settings.read(&["disk".to_owned(), "vault".to_owned()]).unwrap();
        let (mut state, mut now) = (State::default(), DateTime::<Utc>::UNIX_EPOCH);
        let all = "snapshot, forget, prune, check, drill, push disk, push vault";
        assert_eq!(words(&schedule.steps(&state, now)), all);
        for step in schedule.steps(&state, now) {
            did(&mut state, step, Outcome::Done, now);
        }
        let mut seen = Vec::new();
        for _ in 0..31 {
            now += TimeDelta::days(1);
            let steps = schedule.steps(&state, now);
            seen.push(words(&steps));
            steps.into_iter().for_each(|step| did(&mut state, step, Outcome::Done, now));
        }
        let with = |word: &str| seen.iter().filter(|steps| steps.contains(word)).count();
        assert_eq!((with("snapshot"), with("prune"), with("drill"), with("push vault")), (31, 4, 1, 31), "{seen:?}");
    }

    #[test]
    fn nothing_is_forgotten_after_a_snapshot_that_failed() {
        let (mut state, now) = (State::default(), DateTime::<Utc>::UNIX_EPOCH);
        assert!(Step::Forget.waits(&state).is_some() && Step::Drill.waits(&state).is_some());
        did(&mut state, Step::Snapshot, Outcome::Gaps, now);
        assert_eq!(Step::Forget.waits(&state), None);
        for bad in [Outcome::Failed, Outcome::Paused, Outcome::Stopped] {
            did(&mut state, Step::Snapshot, bad, now);
            assert!(Step::Forget.waits(&state).is_some(), "{bad:?}");
            assert!(Step::Drill.waits(&state).is_none() && Step::Push("disk".into()).waits(&state).is_none());
            did(&mut state, Step::Snapshot, Outcome::Done, now);
        }
        assert_eq!(Step::Forget.waits(&state), None);
    }
}
