//! What a check found and what is lost, for people and for scripts.

use std::io::{self, Write};

use serde::Serialize;

use crate::archive::{Lost, Problem, Remedy};
use crate::cli::show::{count, number};

/// So many ids are told; a script gets all.
const TOLD: usize = 10;

/// What is wrong in one place.
#[derive(Serialize)]
pub(crate) struct ProblemView {
    kind: &'static str,
    file: Option<String>,
    problem: String,
    snapshots: Vec<String>,
    objects: Vec<String>,
    next: &'static str,
}

impl From<Problem> for ProblemView {
    fn from(problem: Problem) -> ProblemView {
        let next = if problem.known { "nothing: it is known to be lost" } else { next(problem.remedy) };
        ProblemView {
            kind: problem.kind.as_str(),
            file: problem.file.map(|file| file.display().to_string()),
            problem: problem.text,
            snapshots: problem.snapshots.iter().map(|id| id.short().to_owned()).collect(),
            objects: problem.objects.iter().map(|object| object.as_str().to_owned()).collect(),
            next,
        }
    }
}

fn next(remedy: Remedy) -> &'static str {
    match remedy {
        Remedy::Fetch | Remedy::FetchMarks => "run \"pdbak repair\": it fetches the file from a copy",
        Remedy::Header => "run \"pdbak repair\": it writes the header again from its copy",
        Remedy::Log => "run \"pdbak repair\": it takes a whole copy, or cuts the log behind its last whole entry",
        Remedy::Drop => "run \"pdbak repair\": it takes the file away, which holds nothing that cannot be made again",
        Remedy::MoveOut => "move the file out of the archive",
        Remedy::None => "nothing by itself: it follows from another problem, or is mended already",
    }
}

impl ProblemView {
    /// One line.
    pub(crate) fn line(&self, word: &str, out: &mut dyn Write) -> io::Result<()> {
        let place = self.file.as_ref().map(|file| format!("{file}: ")).unwrap_or_default();
        let mut needed = Vec::new();
        if !self.snapshots.is_empty() {
            needed.push(format!("needed by {}", self.snapshots.join(", ")));
        }
        if !self.objects.is_empty() {
            needed.push(format!("records of {}", self.objects.join(", ")));
        }
        let needed = if needed.is_empty() { String::new() } else { format!("  ({})", needed.join("; ")) };
        writeln!(out, "{word}: {place}{}{needed}", self.problem)
    }
}

/// Records that nobody can read any more.
#[derive(Serialize)]
pub(crate) struct LostView {
    snapshot: String,
    object: String,
    records: u64,
    ids: Vec<String>,
    unknown: u64,
}

impl From<Lost> for LostView {
    fn from(Lost { snapshot, object, ids, unknown }: Lost) -> LostView {
        let records = ids.len() as u64 + unknown;
        LostView { snapshot: snapshot.to_string(), object: object.as_str().to_owned(), records, ids, unknown }
    }
}

impl LostView {
    /// One line.
    pub(crate) fn line(&self, out: &mut dyn Write) -> io::Result<()> {
        let snapshot = self.snapshot.get(..8).unwrap_or(&self.snapshot);
        let records = count(self.records, "record", "records");
        let mut told: Vec<String> = self.ids.iter().take(TOLD).cloned().collect();
        let more = self.ids.len().saturating_sub(TOLD) as u64;
        if more > 0 {
            told.push(format!("and {} more (--json names them)", number(more)));
        }
        if self.unknown > 0 {
            told.push(format!("{} of which nobody knows the id", number(self.unknown)));
        }
        writeln!(out, "lost: snapshot {snapshot}: {records} of {}: {}", self.object, told.join(", "))
    }
}
