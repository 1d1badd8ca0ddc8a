//! What of it all somebody has to know: a pure function of the facts and of how old they may become.

use chrono::{DateTime, Utc};

use super::{Level, Problem, Status, Tolerance};
use crate::archive::{SnapshotId, Span};
use crate::cli::show::count;
use crate::cli::show::snapshots::ago;
use crate::schedule::Verdict;

/// How old the last good snapshot of a schedule, the last check, the last drill, and the last push of what a copy lacks may become by themselves.
const SCHEDULED_AGE: &str = "26h";
const CHECK_AGE: &str = "35d";
const DRILL_AGE: &str = "100d";
const PUSH_AGE: &str = "26h";

impl Status {
    /// Judges what was gathered; `first` is when the first snapshot was taken.
    pub(super) fn judge(&mut self, tolerance: Tolerance, first: Option<DateTime<Utc>>) {
        let scheduled = self.schedule.as_ref().and_then(|_| SCHEDULED_AGE.parse().ok());
        self.judge_snapshots(tolerance.max_age.or(scheduled));
        self.judge_schedule();
        self.judge_keys();
        self.judge_proofs(tolerance, first);
        self.judge_copies();
        self.problems.sort_by_key(|problem| std::cmp::Reverse(problem.level));
        self.level = self.problems.first().map_or(Level::Fine, |problem| problem.level);
    }

    fn tell(&mut self, level: Level, text: String) {
        self.problems.push(Problem { level, text });
    }

    /// Whether a moment lies further back than is borne.
    fn is_older(&self, at: DateTime<Utc>, than: Span) -> bool {
        at < than.before(self.at)
    }

    fn judge_snapshots(&mut self, max_age: Option<Span>) {
        if let Some(open @ 1..) = self.alarms {
            let text = count(open, "alarm is open", "alarms are open");
            self.tell(Level::Critical, format!("{text}, forget and prune wait: \"pdbak brake\" shows what changed"));
        }
        if self.archive.snapshots == Some(0) {
            self.tell(Level::Critical, "there is no snapshot yet: \"pdbak snapshot\" takes one".to_owned());
        }
        let mut found = Vec::new();
        for company in &self.companies {
            let whose = if company.name.is_empty() { String::new() } else { format!(" of {}", company.name) };
            match &company.last_good {
                None => found.push((Level::Critical, format!("no snapshot{whose} is whole and free of alarms"))),
                Some(good) => {
                    if max_age.is_some_and(|max_age| self.is_older(good.at, max_age)) {
                        let old = ago(self.at - good.at);
                        found.push((Level::Critical, format!("the last good snapshot{whose} was taken {old}")));
                    }
                    if good.gaps > 0 {
                        let (gaps, id) = (count(good.gaps, "object", "objects"), SnapshotId(good.snapshot.clone()));
                        let show = format!("\"pdbak show {}\" says why", id.short());
                        found.push((Level::Warning, format!("{gaps}{whose} could not be read wholly: {show}")));
                    }
                }
            }
            if company.partial {
                found.push((
                    Level::Warning,
                    format!("the newest snapshot{whose} is partial: \"pdbak snapshot\" goes on"),
                ));
            }
        }
        found.into_iter().for_each(|(level, text)| self.tell(level, text));
        if self.unfinished && !self.companies.iter().any(|company| company.partial) {
            self.tell(Level::Warning, "a capture is not at its end: \"pdbak snapshot\" goes on with it".to_owned());
        }
    }

    fn judge_schedule(&mut self) {
        let Some(schedule) = &self.schedule else { return };
        let (missed, verdict) = (schedule.missed, schedule.verdict);
        if missed > 0 {
            let times = count(missed, "time of the schedule has", "times of the schedule have");
            let text = format!("{times} passed without a run: is \"pdbak schedule run\" running?");
            self.tell(Level::Warning, text);
        }
        if verdict == Some(Verdict::Failure) {
            self.tell(Level::Warning, "the last run failed: \"pdbak schedule show\" tells why".to_owned());
        }
    }

    fn judge_keys(&mut self) {
        if self.archive.encrypted && self.archive.restoring == 1 {
            let text = "only one key can restore: whoever loses it loses everything (\"pdbak key add\" makes another)";
            self.tell(Level::Warning, text.to_owned());
        }
    }

    /// Checks and drills: what was never done is minded once the archive is old enough for it.
    fn judge_proofs(&mut self, tolerance: Tolerance, first: Option<DateTime<Utc>>) {
        if let Some(bad) = self.check.filter(|check| check.problems > 0) {
            let found = count(bad.problems, "problem", "problems");
            self.tell(Level::Critical, format!("the last check found {found}: \"pdbak check\" names them"));
        }
        if let Some(bad) = self.drill.filter(|drill| drill.wrong > 0) {
            let wrong = count(bad.wrong, "record", "records");
            self.tell(
                Level::Warning,
                format!("{wrong} did not come back in the last drill: \"pdbak drill\" names them"),
            );
        }
        let usual = |text: &str| text.parse::<Span>().unwrap_or_default();
        let limits =
            (tolerance.max_check_age.unwrap_or(usual(CHECK_AGE)), tolerance.max_drill_age.unwrap_or(usual(DRILL_AGE)));
        let checked = self.check_data.or(self.check).map(|check| check.at);
        let proofs = [
            (checked, limits.0, "checked: \"pdbak check --read-data\" does"),
            (self.drill.map(|drill| drill.at), limits.1, "restored for trial: \"pdbak drill\" does"),
        ];
        for (at, limit, what) in proofs {
            match (at, first) {
                (Some(at), _) if self.is_older(at, limit) => {
                    self.tell(Level::Warning, format!("the archive was last {} {what}", ago(self.at - at)));
                }
                (None, Some(first)) if self.is_older(first, limit) => {
                    self.tell(Level::Warning, format!("the archive was never {what}"));
                }
                _ => {}
            }
        }
    }

    fn judge_copies(&mut self) {
        let late = PUSH_AGE.parse::<Span>().unwrap_or_default();
        let mut found = Vec::new();
        for (name, copy) in &self.offsite {
            let push = format!("\"pdbak offsite push {name}\" sends it");
            match copy.pushed {
                None => found.push(format!("nothing was ever copied to {name}: {push}")),
                Some(_) if !copy.whole => found.push(format!("the copy in {name} is not whole: {push}")),
                Some(at) if copy.behind.is_some_and(|behind| behind > 0) && self.is_older(at, late) => {
                    found.push(format!("the last copy to {name} was made {}: {push}", ago(self.at - at)));
                }
                Some(_) => {}
            }
        }
        found.into_iter().for_each(|text| self.tell(Level::Warning, text));
    }
}
