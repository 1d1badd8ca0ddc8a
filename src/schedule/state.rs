//! What is known between runs: one small file beside the index, never copied, that nobody needs.
//!
//! It is replaced as a whole by a rename, so a crash leaves the old or the new one.
//! What cannot be read is told and begun anew: a broken file may cost a run that
//! was not necessary, never one that was. One process has the schedule of an
//! archive at a time, by a lock of the operating system that dies with it.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::archive::SCHEDULE;
use crate::schedule::report::{Outcome, RunReport, StepReport};
use crate::schedule::steps::Step;

/// The form of the file that this version writes.
const FORM: u32 = 1;
/// How many runs are remembered.
const REMEMBERED: usize = 100;
/// How often what failed is tried again before the next time of the schedule, and after how long.
const ATTEMPTS: u32 = 3;
const TRY_AGAIN_AFTER: TimeDelta = TimeDelta::hours(1);

/// All that is known.
#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize)]
pub struct State {
    pub(super) form: u32,
    /// When somebody first asked what is due.
    #[serde(default)]
    pub since: Option<DateTime<Utc>>,
    /// The newest time of the schedule that has had its run.
    #[serde(default)]
    pub time: Option<DateTime<Utc>>,
    /// What the last run left to do.
    #[serde(default)]
    pub again: Option<Again>,
    /// The run that is under way, or was killed.
    #[serde(default)]
    pub running: Option<Running>,
    /// How each step stands.
    #[serde(default)]
    pub(super) steps: BTreeMap<Step, Standing>,
    /// How many shares of the data were read again, one after the other.
    #[serde(default)]
    pub share_read: u32,
    /// When all of the data was last read again.
    #[serde(default)]
    pub all_read: Option<DateTime<Utc>>,
    /// The last runs, the newest last.
    #[serde(default)]
    pub runs: Vec<RunReport>,
    /// Messages that did not arrive, the oldest first; what they are, their sender knows.
    #[serde(default)]
    pub undelivered: Vec<serde_json::Value>,
}

/// How a step stands.
#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize)]
pub struct Standing {
    /// When it was last tried.
    pub tried: Option<DateTime<Utc>>,
    /// When it last did what it is there for.
    pub done: Option<DateTime<Utc>>,
    /// How often it has not since then.
    pub failures: u32,
    /// How it ended the last time, in a line.
    pub says: String,
}

/// What a run left to do.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Again {
    /// Not before this.
    pub at: DateTime<Utc>,
    /// These steps.
    pub steps: Vec<Step>,
    /// How often they were tried for this time of the schedule.
    pub attempt: u32,
}

/// A run that is under way.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Running {
    /// The process.
    pub process: u32,
    /// The steps it wants to do.
    pub steps: Vec<Step>,
    /// How far it is.
    pub so_far: RunReport,
}

/// The right to run the schedule of an archive, until dropped or dead.
#[derive(Debug)]
#[must_use = "it lasts as long as this is held"]
pub struct Lock {
    _file: File,
}

fn folder(archive: &Path) -> PathBuf {
    archive.join(SCHEDULE)
}

impl Lock {
    /// Takes the right; `Ok(None)` if another process has it.
    pub fn take(archive: &Path) -> io::Result<Option<Lock>> {
        let folder = folder(archive);
        fs::create_dir_all(&folder)?;
        let file = OpenOptions::new().create(true).append(true).open(folder.join("lock"))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Lock { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

impl State {
    /// Reads what is known of the archive in this folder; with it, what was wrong with the file if it was broken.
    pub fn load(archive: &Path) -> (State, Option<String>) {
        let path = folder(archive).join("state.json");
        let broken = |fact: String| {
            let unknown = State { time: Some(DateTime::<Utc>::MAX_UTC), ..State::default() };
            (unknown, Some(format!("what was known of earlier runs is lost: {}: {fact}", path.display())))
        };
        let text = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return (State::default(), None),
            Err(error) => return broken(error.to_string()),
            Ok(text) => text,
        };
        match serde_json::from_slice::<State>(&text) {
            Ok(state) if state.form == FORM => (state, None),
            Ok(state) => broken(format!("it has the form {}, and this version knows {FORM}", state.form)),
            Err(error) => broken(error.to_string()),
        }
    }

    /// Writes what is known, as a whole or not at all.
    pub fn save(&mut self, archive: &Path) -> io::Result<()> {
        let folder = folder(archive);
        fs::create_dir_all(&folder)?;
        self.form = FORM;
        let mut draft = tempfile::Builder::new().prefix("draft").tempfile_in(&folder)?;
        draft.write_all(&serde_json::to_vec_pretty(self)?)?;
        draft.as_file().sync_all()?;
        draft.persist(folder.join("state.json")).map_err(|failed| failed.error)?;
        // Windows opens no folders as files and needs no such call.
        if cfg!(unix) { File::open(&folder)?.sync_all() } else { Ok(()) }
    }

    /// Removes drafts that a kill left behind; whoever holds the lock may.
    pub fn clear_drafts(archive: &Path, _lock: &Lock) {
        let entries = fs::read_dir(folder(archive)).into_iter().flatten().flatten();
        for entry in entries.filter(|entry| entry.file_name().to_string_lossy().starts_with("draft")) {
            // One that cannot be removed disturbs nobody.
            let _ = fs::remove_file(entry.path());
        }
    }

    /// How a step stands.
    pub fn standing(&self, step: &Step) -> Standing {
        self.steps.get(step).cloned().unwrap_or_default()
    }

    /// How all steps stand that were ever tried.
    pub fn standings(&self) -> &BTreeMap<Step, Standing> {
        &self.steps
    }

    /// Takes in how a step ended.
    pub fn learn(&mut self, report: &StepReport, now: DateTime<Utc>) {
        if report.outcome == Outcome::Skipped {
            return;
        }
        let standing = self.steps.entry(report.step.clone()).or_default();
        // A copy that is not whole is none.
        let good =
            report.outcome == Outcome::Done || report.outcome == Outcome::Gaps && !matches!(report.step, Step::Push(_));
        standing.tried = Some(now);
        standing.says.clone_from(&report.says);
        if good {
            standing.done = Some(now);
            standing.failures = 0;
        } else {
            standing.failures += 1;
        }
    }

    /// A run begins: from here on it is known that it did.
    pub fn begin(&mut self, so_far: RunReport, steps: &[Step]) {
        // A time that a clock showed which was wrong is not kept.
        self.time = so_far.time.or(self.time.filter(|time| *time <= so_far.started + TimeDelta::days(1)));
        self.since = self.since.or(Some(so_far.started));
        self.again = None;
        self.running = Some(Running { process: std::process::id(), steps: steps.to_vec(), so_far });
    }

    /// A run ended, or was found dead.
    pub fn end(&mut self, report: RunReport) {
        self.running = None;
        self.runs.push(report);
        let many = self.runs.len().saturating_sub(REMEMBERED);
        self.runs.drain(..many);
    }

    /// The run that was under way when its process died, as it is told; what it had left is due now.
    pub fn bury(&mut self, now: DateTime<Utc>) -> Option<RunReport> {
        let Running { steps, so_far, .. } = self.running.take()?;
        let done = |step: &Step| so_far.steps.iter().any(|one| one.step == *step && one.outcome.is_good());
        let left: Vec<Step> = steps.into_iter().filter(|step| !done(step)).collect();
        if !left.is_empty() {
            self.again = Some(Again { at: now, steps: left, attempt: 1 });
        }
        let report = so_far.ended(None);
        self.end(report.clone());
        Some(report)
    }

    /// What a run leaves to do: `resume` is when a spent budget is filled again, `attempt` how often it was tried.
    pub fn leave(&mut self, report: &RunReport, resume: Option<DateTime<Utc>>, attempt: u32, all: &[Step]) {
        let is = |wanted: &[Outcome]| report.steps.iter().any(|one| wanted.contains(&one.outcome));
        let ended = report.finished.unwrap_or(report.started);
        let at = match (is(&[Outcome::Stopped]), resume) {
            (true, _) => Some(ended),
            (_, Some(resume)) => Some(resume),
            _ if is(&[Outcome::Failed]) && attempt < ATTEMPTS => Some(ended + TRY_AGAIN_AFTER),
            _ => None,
        };
        let good = |step: &Step| report.steps.iter().any(|one| one.step == *step && one.outcome.is_good());
        let snapshot_is_left = report.lacks_its_snapshot();
        // What is captured later has to travel as well.
        let left = |step: &&Step| !good(step) || snapshot_is_left && matches!(step, Step::Push(_));
        let steps: Vec<Step> = all.iter().filter(left).cloned().collect();
        let attempt = if is(&[Outcome::Failed]) { attempt + 1 } else { attempt };
        self.again = at.filter(|_| !steps.is_empty()).map(|at| Again { at, steps, attempt });
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use chrono::{DateTime, TimeDelta, Utc};

    use super::{Lock, State};
    use crate::schedule::{Outcome, RunReport, Step, StepReport};

    const NOW: DateTime<Utc> = DateTime::<Utc>::UNIX_EPOCH;

    fn step(step: Step, outcome: Outcome) -> StepReport {
        StepReport { step, outcome, at: NOW, seconds: 0.5, says: "so".into(), hint: None }
    }

    fn run(steps: &[(Step, Outcome)]) -> RunReport {
        let steps = steps.iter().map(|(which, outcome)| step(which.clone(), *outcome)).collect();
        RunReport { steps, ..RunReport::begun(Some(NOW), NOW) }.ended(Some(NOW))
    }

    #[test]
    fn what_is_written_is_read_back() {
        let archive = tempfile::tempdir().unwrap();
        assert_eq!(State::load(archive.path()), (State::default(), None));
        let mut state = State::default();
        state.learn(&step(Step::Push("disk".into()), Outcome::Done), NOW);
        state.end(run(&[(Step::Snapshot, Outcome::Gaps)]));
        state.save(archive.path()).unwrap();
        state.save(archive.path()).unwrap();
        assert_eq!(State::load(archive.path()), (state, None));
        let names = fs::read_dir(archive.path().join("schedule")).unwrap().count();
        assert_eq!(names, 1, "no draft stays");
    }

    #[test]
    fn a_broken_file_is_told_and_makes_a_run_due() {
        let archive = tempfile::tempdir().unwrap();
        State::default().save(archive.path()).unwrap();
        let path = archive.path().join("schedule/state.json");
        for text in ["", "{", "[]", "{\"form\": 2}", "{\"form\": 1, \"runs\": 7}", "\u{0}\u{0}"] {
            fs::write(&path, text).unwrap();
            let (state, told) = State::load(archive.path());
            assert!(told.is_some_and(|told| told.contains("state.json")), "{text}");
            let nightly = crate::schedule::When::new("15 2 * * *", chrono_tz::UTC, TimeDelta::zero()).unwrap();
            let due = nightly.due(&state, true, false, NOW + TimeDelta::hours(12));
            assert!(matches!(due, crate::schedule::Due::Run { .. }), "{text}: {due:?}");
        }
    }

    #[test]
    fn one_process_at_a_time_has_the_schedule() {
        let archive = tempfile::tempdir().unwrap();
        let first = Lock::take(archive.path()).unwrap().expect("it is free");
        assert!(Lock::take(archive.path()).unwrap().is_none());
        drop(first);
        assert!(Lock::take(archive.path()).unwrap().is_some());
    }

    #[test]
    fn a_spent_budget_is_gone_on_with_when_it_is_filled_again_and_then_all_is_sent() {
        let all = [Step::Snapshot, Step::Forget, Step::Check, Step::Push("disk".into())];
        let report = run(&[
            (Step::Snapshot, Outcome::Paused),
            (Step::Forget, Outcome::Skipped),
            (Step::Check, Outcome::Done),
            (Step::Push("disk".into()), Outcome::Done),
        ]);
        let mut state = State::default();
        state.leave(&report, Some(NOW + TimeDelta::hours(9)), 1, &all);
        let again = state.again.expect("something is left");
        assert_eq!((again.at, again.attempt), (NOW + TimeDelta::hours(9), 1));
        assert_eq!(again.steps, [Step::Snapshot, Step::Forget, Step::Push("disk".into())]);
    }

    #[test]
    fn what_failed_is_tried_again_a_few_times_and_nothing_else_is() {
        let all = [Step::Snapshot, Step::Push("disk".into()), Step::Push("vault".into())];
        let report = run(&[
            (Step::Snapshot, Outcome::Done),
            (Step::Push("disk".into()), Outcome::Failed),
            (Step::Push("vault".into()), Outcome::Done),
        ]);
        let (mut state, mut attempts, mut attempt) = (State::default(), 0, 1);
        loop {
            state.leave(&report, None, attempt, &all);
            let Some(again) = &state.again else { break };
            assert_eq!((again.at, &again.steps[..]), (NOW + TimeDelta::hours(1), &all[1..2]));
            (attempt, attempts) = (again.attempt, attempts + 1);
        }
        assert_eq!(attempts, 2);
    }

    #[test]
    fn a_run_that_was_killed_is_found_and_its_rest_is_due_at_once() {
        let mut state = State::default();
        let so_far = RunReport { steps: vec![step(Step::Snapshot, Outcome::Done)], ..RunReport::begun(Some(NOW), NOW) };
        state.begin(so_far, &[Step::Snapshot, Step::Forget]);
        let later = NOW + TimeDelta::hours(3);
        let report = state.bury(later).expect("it was under way");
        assert_eq!((report.finished, state.runs.len()), (None, 1));
        let again = state.again.clone().expect("something is left");
        assert_eq!((again.at, again.steps), (later, vec![Step::Forget]));
        assert_eq!((state.bury(later), state.time), (None, Some(NOW)));
    }

    #[test]
    fn old_runs_are_forgotten() {
        let mut state = State::default();
        (0..130).for_each(|_| state.end(run(&[])));
        assert_eq!(state.runs.len(), 100);
    }
}
