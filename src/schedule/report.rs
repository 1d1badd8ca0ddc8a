//! What became of a run: told on the terminal, kept in the state, sent to whoever wants to know.
//!
//! Words and numbers only, no record of anybody: a report leaves this machine.

use std::fmt::Write;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use crate::schedule::due::Missed;
use crate::schedule::steps::Step;

/// How a step ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It did what it should.
    Done,
    /// It did, and something could not be read or sent.
    Gaps,
    /// It did, and found far more changed than usual.
    Alarm,
    /// It has spent its budget and goes on later.
    Paused,
    /// It failed.
    Failed,
    /// It was not begun: another step has to succeed first.
    Skipped,
    /// Somebody stopped the run meanwhile, and it goes on with the next.
    Stopped,
}

impl Outcome {
    /// As it is called in words.
    pub fn word(self) -> &'static str {
        match self {
            Outcome::Done => "done",
            Outcome::Gaps => "gaps",
            Outcome::Alarm => "ALARM",
            Outcome::Paused => "paused",
            Outcome::Failed => "FAILED",
            Outcome::Skipped => "skipped",
            Outcome::Stopped => "stopped",
        }
    }

    /// Whether the step has done what it is there for.
    pub fn is_good(self) -> bool {
        matches!(self, Outcome::Done | Outcome::Gaps | Outcome::Alarm)
    }
}

/// What became of a step.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct StepReport {
    /// The step.
    pub step: Step,
    /// How it ended.
    pub outcome: Outcome,
    /// When it ended.
    pub at: DateTime<Utc>,
    /// How long it took.
    pub seconds: f64,
    /// In a line, what it did or why it failed.
    pub says: String,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// How good a run was.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// All of it.
    Success,
    /// There is something that somebody should know.
    Warning,
    /// Something is not as it should be.
    Failure,
}

impl Verdict {
    /// As it is called in the configuration.
    pub fn word(self) -> &'static str {
        match self {
            Verdict::Success => "success",
            Verdict::Warning => "warning",
            Verdict::Failure => "failure",
        }
    }
}

/// What became of a run.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct RunReport {
    /// The time of the schedule that it was for; none for one that somebody asked for or that goes on.
    pub time: Option<DateTime<Utc>>,
    /// When it began.
    pub started: DateTime<Utc>,
    /// When it ended; none if it was killed.
    pub finished: Option<DateTime<Utc>>,
    /// Times before it at which nothing ran.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missed: Option<Missed>,
    /// Its steps, in order.
    pub steps: Vec<StepReport>,
    /// What else somebody should know.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// How good it was.
    pub verdict: Verdict,
}

impl RunReport {
    /// A run that begins.
    pub fn begun(time: Option<DateTime<Utc>>, started: DateTime<Utc>) -> RunReport {
        RunReport {
            time,
            started,
            finished: None,
            missed: None,
            steps: Vec::new(),
            warnings: Vec::new(),
            verdict: Verdict::Success,
        }
    }

    /// The same at its end, with its verdict.
    pub fn ended(mut self, finished: Option<DateTime<Utc>>) -> RunReport {
        let of_step = |step: &StepReport| match step.outcome {
            Outcome::Done => Verdict::Success,
            Outcome::Failed | Outcome::Alarm => Verdict::Failure,
            // A copy that is not whole is none.
            Outcome::Gaps if matches!(step.step, Step::Push(_)) => Verdict::Failure,
            Outcome::Gaps | Outcome::Paused | Outcome::Skipped | Outcome::Stopped => Verdict::Warning,
        };
        let steps = self.steps.iter().map(of_step).max().unwrap_or(Verdict::Success);
        let told = self.missed.is_some() || !self.warnings.is_empty();
        let killed = finished.is_none();
        self.finished = finished;
        self.verdict = match (killed, told) {
            (true, _) => Verdict::Failure,
            (false, true) => steps.max(Verdict::Warning),
            (false, false) => steps,
        };
        self
    }

    /// Whether a snapshot was to be taken and none was.
    pub fn lacks_its_snapshot(&self) -> bool {
        self.steps.iter().any(|one| one.step == Step::Snapshot && !one.outcome.is_good())
    }

    /// Whether far more changed than usual.
    pub fn alarms(&self) -> bool {
        self.steps.iter().any(|one| one.outcome == Outcome::Alarm)
    }

    /// Which run it is.
    pub fn name(&self, zone: Tz) -> String {
        match self.time {
            Some(time) => format!("run of {}", told(time, zone)),
            None => format!("run begun {}", told(self.started, zone)),
        }
    }

    /// In a line: how the run ended, and at what it failed.
    pub fn headline(&self, zone: Tz) -> String {
        let of = self.name(zone);
        let bad: Vec<String> =
            self.steps.iter().filter(|one| one.outcome == Outcome::Failed).map(|one| one.step.to_string()).collect();
        match (self.verdict, self.finished) {
            (_, None) => format!("{of} was interrupted: it never came to its end"),
            (Verdict::Success, _) => format!("{of} succeeded"),
            (_, Some(_)) if self.steps.is_empty() && self.missed.is_some() => "runs were missed".to_owned(),
            (Verdict::Warning, _) => format!("{of} ended with warnings"),
            (Verdict::Failure, _) if bad.is_empty() && self.alarms() => {
                format!("{of} raised an alarm: far more changed than usual")
            }
            (Verdict::Failure, _) if bad.is_empty() => format!("{of} left a copy that is not whole"),
            (Verdict::Failure, _) => format!("{of} failed: {}", bad.join(", ")),
        }
    }

    /// The whole of it, in lines.
    pub fn text(&self, zone: Tz) -> String {
        let mut text = self.headline(zone) + "\n";
        let mut line = |parts: std::fmt::Arguments<'_>| writeln!(text, "{parts}").expect("a text takes every word");
        if let Some(missed) = &self.missed {
            line(format_args!("  warning  {}", missed_words(missed, zone)));
        }
        for warning in &self.warnings {
            line(format_args!("  warning  {warning}"));
        }
        for one in &self.steps {
            line(format_args!("  {:8} {:12} {}", one.outcome.word(), one.step.to_string(), one.says));
            if let Some(hint) = &one.hint {
                line(format_args!("  {:8} {:12} {hint}", "", "hint:"));
            }
        }
        text
    }
}

/// A moment as people in a zone say it.
pub(super) fn told(time: DateTime<Utc>, zone: Tz) -> String {
    time.with_timezone(&zone).format("%Y-%m-%d %H:%M %Z").to_string()
}

/// What was missed, in words.
fn missed_words(missed: &Missed, zone: Tz) -> String {
    let Missed { count, first, last, more } = missed;
    let why = "pdbak did not run at that time (machine off or asleep, or another run took that long)";
    match (count, more) {
        (1, _) => format!("the run of {} was missed: {why}", told(*first, zone)),
        (_, false) => format!("{count} runs were missed, from {} to {}: {why}", told(*first, zone), told(*last, zone)),
        (_, true) => {
            format!("more than {count} runs were missed, from {} to {}: {why}", told(*first, zone), told(*last, zone))
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};
    use chrono_tz::Tz;

    use super::{Outcome, RunReport, StepReport, Verdict};
    use crate::schedule::{Missed, Step};

    const NOW: DateTime<Utc> = DateTime::<Utc>::UNIX_EPOCH;

    fn run(steps: &[(Step, Outcome)]) -> RunReport {
        let steps = steps.iter().cloned().map(|(step, outcome)| StepReport {
            step,
            outcome,
            at: NOW,
            seconds: 1.0,
            says: "as it says".to_owned(),
            hint: None,
        });
        RunReport { steps: steps.collect(), ..RunReport::begun(Some(NOW), NOW) }
    }

    #[test]
    fn the_worst_step_decides() {
        let verdict = |steps: &[(Step, Outcome)]| run(steps).ended(Some(NOW)).verdict;
        let (done, push) = ((Step::Snapshot, Outcome::Done), Step::Push("disk".into()));
        assert_eq!(verdict(std::slice::from_ref(&done)), Verdict::Success);
        assert_eq!(verdict(&[(Step::Snapshot, Outcome::Gaps)]), Verdict::Warning);
        assert_eq!(verdict(&[done.clone(), (push.clone(), Outcome::Failed)]), Verdict::Failure);
        assert_eq!(verdict(&[done, (push, Outcome::Gaps)]), Verdict::Failure);
        assert_eq!(verdict(&[(Step::Snapshot, Outcome::Paused), (Step::Forget, Outcome::Skipped)]), Verdict::Warning);
    }

    #[test]
    fn a_run_that_missed_some_or_never_ended_is_no_success() {
        let missed = Missed { count: 2, first: NOW, last: NOW, more: false };
        let late = RunReport { missed: Some(missed), ..run(&[(Step::Snapshot, Outcome::Done)]) }.ended(Some(NOW));
        assert_eq!(late.verdict, Verdict::Warning);
        assert!(late.text(Tz::UTC).contains("2 runs were missed, from 1970-01-01 00:00 UTC"), "{}", late.text(Tz::UTC));
        let killed = run(&[(Step::Snapshot, Outcome::Done)]).ended(None);
        assert_eq!(killed.verdict, Verdict::Failure);
        assert!(killed.headline(Tz::UTC).contains("interrupted"));
    }

    #[test]
    fn the_headline_names_what_failed() {
        let failed = run(&[(Step::Snapshot, Outcome::Failed), (Step::Forget, Outcome::Skipped)]).ended(Some(NOW));
        assert_eq!(failed.headline(chrono_tz::Europe::Tallinn), "run of 1970-01-01 03:00 MSK failed: snapshot");
    }
}
