//! A repair: what it would do, and what it did.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde::Serialize;

use crate::archive::{Problem, Remedy, Shelf, StoredFile};
use crate::cli::show::damage::{LostView, ProblemView};
use crate::cli::show::{View, count, size};
use crate::offsite::{Fault, Mend};

/// What one copy has of what is wanted.
pub(crate) struct Offer {
    pub(crate) from: String,
    pub(crate) files: Vec<StoredFile>,
}

/// What is going to be done to one file.
#[derive(Serialize)]
struct Step {
    file: String,
    problem: String,
    does: String,
}

/// What is going to be done.
#[derive(Serialize, Default)]
pub(crate) struct Plan {
    steps: Vec<Step>,
    live: bool,
}

impl Plan {
    /// Says for each problem what becomes of it.
    pub(crate) fn of(problems: &[Problem], offers: Vec<Offer>, shelf: &Shelf, live: bool) -> Plan {
        let mut steps: BTreeMap<String, Step> = BTreeMap::new();
        for problem in problems {
            let name = problem.name(shelf.root());
            let has = |offer: &&Offer| offer.files.iter().any(|file| Some(&file.name) == name.as_ref());
            let from = offers.iter().find(has).map(|offer| offer.from.clone());
            let does = match (problem.remedy, from) {
                (Remedy::Fetch, Some(from)) => format!("fetched from {from}"),
                (Remedy::Log, Some(from)) => format!("fetched from {from} if it has more there, else cut"),
                // What was given up before stays as it is unless a copy turned up.
                _ if problem.known => continue,
                (Remedy::Fetch, None) => "no copy has it: written down as lost".to_owned(),
                (Remedy::FetchMarks, _) => {
                    let marks: u64 = offers.iter().map(|offer| offer.files.len() as u64).sum();
                    format!(
                        "copies have {} that are not here; a gap that stays is written down",
                        count(marks, "file", "files")
                    )
                }
                (Remedy::Header, _) => "written again from its copy".to_owned(),
                (Remedy::Log, None) => "cut behind its last whole entry".to_owned(),
                (Remedy::Drop, _) => "taken away: it holds nothing that cannot be made again".to_owned(),
                (Remedy::MoveOut, _) => "left alone: move it out of the archive yourself".to_owned(),
                (Remedy::None, _) => continue,
            };
            let file = problem.file.as_ref().map(|file| file.display().to_string()).unwrap_or_default();
            steps.entry(file.clone()).or_insert(Step { file, problem: problem.text.clone(), does });
        }
        Plan { steps: steps.into_values().collect(), live }
    }

    /// Whether there is anything to do.
    pub(crate) fn goes_on(&self) -> bool {
        !self.steps.is_empty() || self.live
    }
}

impl View for Plan {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        for step in &self.steps {
            writeln!(out, "{}: {}  →  {}", step.file, step.problem, step.does)?;
        }
        if self.live {
            writeln!(out, "a snapshot is taken that reads the hurt objects from the account again")?;
        }
        if self.goes_on() { writeln!(out, "what is replaced is kept in quarantine/") } else { Ok(()) }
    }
}

/// A file that came from a copy.
#[derive(Serialize)]
pub(crate) struct Fetched {
    pub(crate) from: String,
    #[serde(flatten)]
    pub(crate) mend: Mend,
}

/// What was done, and what is left.
#[derive(Serialize, Default)]
pub(crate) struct Report {
    pub(crate) dry_run: bool,
    pub(crate) sound: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) plan: Option<Plan>,
    pub(crate) fetched: Vec<Fetched>,
    pub(crate) rewritten: Vec<String>,
    pub(crate) noted: Vec<String>,
    pub(crate) quarantined: Vec<String>,
    /// The snapshot that read hurt objects from the account again.
    pub(crate) snapshot: Option<String>,
    pub(crate) faults: Vec<Fault>,
    pub(crate) problems: Vec<ProblemView>,
    pub(crate) known: Vec<ProblemView>,
    pub(crate) lost: Vec<LostView>,
}

impl View for Report {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        if let Some(plan) = &self.plan {
            plan.text(out)?;
            self.lost.iter().try_for_each(|lost| lost.line(out))?;
            let verdict = if plan.goes_on() { "nothing has been changed" } else { "nothing to repair" };
            return writeln!(out, "{verdict}");
        }
        for fault in &self.faults {
            writeln!(out, "problem: {}: {}", fault.file, fault.problem)?;
        }
        for Fetched { from, mend } in &self.fetched {
            writeln!(out, "fetched: {} ({}) from {from}", mend.file, size(mend.bytes))?;
        }
        self.rewritten.iter().try_for_each(|file| writeln!(out, "written again: {file}"))?;
        self.noted.iter().try_for_each(|file| writeln!(out, "written down as lost: {file}"))?;
        if let Some(snapshot) = &self.snapshot {
            writeln!(out, "read from the account again: snapshot {}", snapshot.get(..8).unwrap_or(snapshot))?;
        }
        self.problems.iter().try_for_each(|problem| problem.line("problem", out))?;
        self.known.iter().try_for_each(|problem| problem.line("known", out))?;
        self.lost.iter().try_for_each(|lost| lost.line(out))?;
        if !self.quarantined.is_empty() {
            let kept = count(self.quarantined.len() as u64, "file", "files");
            writeln!(out, "what was replaced is kept in quarantine/: {kept}")?;
        }
        let done = self.fetched.len() + self.rewritten.len() + self.noted.len() + usize::from(self.snapshot.is_some());
        let verdict = match (self.sound, self.lost.is_empty() && self.known.is_empty(), done) {
            (true, true, 0) => "sound: nothing to repair",
            (true, true, _) => "sound: everything is whole again",
            (true, false, _) => "sound but for what is known to be lost",
            (false, ..) => "still damaged",
        };
        writeln!(out, "{verdict}")
    }
}
