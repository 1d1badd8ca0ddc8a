//! A schedule and its runs, as people and scripts see them.

use std::io::{self, Write};

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use serde::{Serialize, Serializer};

use crate::cli::show::{View, print, table};
use crate::schedule::{Due, RunReport, Schedule, State, Step};

/// A run that ended.
#[derive(Serialize)]
pub(crate) struct Ran<'a> {
    #[serde(flatten)]
    pub(crate) report: &'a RunReport,
    #[serde(skip)]
    pub(crate) zone: Tz,
}

impl View for Ran<'_> {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        out.write_all(self.report.text(self.zone).as_bytes())
    }
}

/// A moment as people in a zone say it: `2026-11-28 02:15 EET`.
pub(crate) fn told(time: DateTime<Utc>, zone: Tz) -> String {
    time.with_timezone(&zone).format("%Y-%m-%d %H:%M %Z").to_string()
}

fn by_name<S: Serializer>(zone: &Tz, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(zone.name())
}

/// One step of the schedule, and how it stands.
#[derive(Serialize)]
struct StepLine {
    step: Step,
    every: String,
    tried: Option<DateTime<Utc>>,
    done: Option<DateTime<Utc>>,
    failures: u32,
    says: String,
    /// Not before this; none when it is done with the next run.
    not_before: Option<DateTime<Utc>>,
}

/// What is known of a schedule.
#[derive(Serialize)]
pub(crate) struct ScheduleView {
    cron: String,
    #[serde(serialize_with = "by_name")]
    time_zone: Tz,
    jitter_seconds: i64,
    catch_up: bool,
    check: String,
    /// When something is due next; none if it is now.
    next: Option<DateTime<Utc>>,
    due: bool,
    running_since: Option<DateTime<Utc>>,
    /// Times of the schedule to come, without jitter.
    times: Vec<DateTime<Utc>>,
    steps: Vec<StepLine>,
    undelivered: usize,
    runs: Vec<RunReport>,
}

impl ScheduleView {
    /// What is known, with the last runs.
    pub(crate) fn new(schedule: &Schedule, state: &State, runs: usize, now: DateTime<Utc>) -> ScheduleView {
        let when = &schedule.when;
        let (due, next) = match when.due(state, schedule.catch_up, false, now) {
            Due::Wait(next) => (false, next),
            _ => (true, None),
        };
        let steps = schedule.all_steps().into_iter().map(|(step, every)| {
            let standing = state.standing(&step);
            let not_before = standing.done.and_then(|done| every.after(done)).filter(|time| *time > now);
            StepLine {
                every: every.to_string(),
                tried: standing.tried,
                done: standing.done,
                failures: standing.failures,
                says: standing.says,
                not_before,
                step,
            }
        });
        ScheduleView {
            cron: when.pattern().to_owned(),
            time_zone: when.zone,
            jitter_seconds: when.jitter.num_seconds(),
            catch_up: schedule.catch_up,
            check: schedule.check.to_string(),
            next,
            due,
            running_since: state.running.as_ref().map(|running| running.so_far.started),
            times: std::iter::successors(when.after(now), |time| when.after(*time)).take(3).collect(),
            steps: steps.collect(),
            undelivered: state.undelivered.len(),
            runs: state.runs.iter().rev().take(runs).cloned().collect(),
        }
    }

    fn next_words(&self) -> String {
        match (self.running_since, self.due, self.next) {
            (Some(since), ..) => format!("under way since {}", told(since, self.time_zone)),
            (_, true, _) => "due now".to_owned(),
            (_, _, Some(next)) => told(next, self.time_zone),
            (_, _, None) => "never: the pattern does not come again".to_owned(),
        }
    }
}

impl View for ScheduleView {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "schedule  {}  in {}", self.cron, self.time_zone)?;
        if self.jitter_seconds > 0 {
            writeln!(out, "jitter    up to {} minutes later", (self.jitter_seconds + 59) / 60)?;
        }
        writeln!(out, "next run  {}", self.next_words())?;
        let times: Vec<String> = self.times.iter().map(|time| told(*time, self.time_zone)).collect();
        writeln!(out, "times     {}", times.join(", "))?;
        let mut steps = table(&["step", "how often", "last done", "how it ended"], &[]);
        let moment = |time: &Option<DateTime<Utc>>| time.map_or("—".to_owned(), |time| told(time, self.time_zone));
        for line in &self.steps {
            let every = if line.step == Step::Check { self.check.clone() } else { line.every.clone() };
            let says = match line.failures {
                0 => line.says.clone(),
                1 => format!("FAILED: {}", line.says),
                times => format!("FAILED {times} times: {}", line.says),
            };
            steps.add_row([line.step.to_string(), every, moment(&line.done), says]);
        }
        print(&steps, out)?;
        if self.undelivered > 0 {
            writeln!(out, "{} messages could not be delivered; the next run tries again", self.undelivered)?;
        }
        for run in &self.runs {
            out.write_all(run.text(self.time_zone).as_bytes())?;
        }
        Ok(())
    }
}
