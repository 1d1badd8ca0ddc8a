//! `pdbak check`: is everything in the archive still what was written?

use std::io::{self, Write};

use clap::Args;
use serde::Serialize;

use crate::archive::{Archive, Checked, Problem};
use crate::cli::complain::Failure;
use crate::cli::exit::Exit;
use crate::cli::session::Session;
use crate::cli::show::{View, count, size};
use crate::cli::status::facts;

pub(crate) const EXAMPLES: &str = "\
Examples:
  pdbak check                  manifests, names and lengths: seconds
  pdbak check --read-data      every byte of every record and file";

/// Arguments of `pdbak check`.
#[derive(Args, Debug)]
pub(crate) struct Check {
    /// Read and re-hash every byte
    #[arg(long)]
    read_data: bool,
}

/// What is wrong in one place.
#[derive(Serialize)]
struct ProblemView {
    file: Option<String>,
    problem: String,
    snapshots: Vec<String>,
}

/// What was looked at, and what was found.
#[derive(Serialize)]
pub(crate) struct Report {
    pub(crate) sound: bool,
    read_data: bool,
    snapshots: u64,
    segments: u64,
    blobs: u64,
    /// Came in a bundle without the ones before them.
    alone: u64,
    records: u64,
    pub(crate) bytes_read: u64,
    problems: Vec<ProblemView>,
}

impl From<Problem> for ProblemView {
    fn from(problem: Problem) -> ProblemView {
        let Problem { file, text, snapshots } = problem;
        let snapshots = snapshots.iter().map(|id| id.short().to_owned()).collect();
        ProblemView { file: file.map(|file| file.display().to_string()), problem: text, snapshots }
    }
}

impl View for Report {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        for one in &self.problems {
            let place = one.file.as_ref().map(|file| format!("{file}: ")).unwrap_or_default();
            let needed = match one.snapshots.len() {
                0 => String::new(),
                _ => format!("  (needed by {})", one.snapshots.join(", ")),
            };
            writeln!(out, "problem: {place}{}{needed}", one.problem)?;
        }
        if self.alone > 0 {
            let came = count(self.alone, "snapshot", "snapshots");
            writeln!(out, "{came} came here in a bundle, without the ones before")?;
        }
        let looked = [
            count(self.snapshots, "snapshot", "snapshots"),
            count(self.segments, "segment", "segments"),
            count(self.blobs, "file of contents", "files of contents"),
            count(self.records, "record version", "record versions"),
        ];
        let depth =
            if self.read_data { "every byte read back" } else { "structure only; --read-data reads every byte" };
        let verdict = match self.problems.len() {
            0 => "sound".to_owned(),
            problems => count(problems as u64, "problem", "problems"),
        };
        writeln!(out, "{verdict}: {}  ·  {} read, {depth}", looked.join(", "), size(self.bytes_read))
    }
}

impl Check {
    pub(crate) fn run(self, session: &Session) -> Result<Exit, Failure> {
        let report = look(session, &session.archive()?, self.read_data)?;
        session.show(&report)?;
        if report.sound { Ok(Exit::Done) } else { Err(damaged()) }
    }
}

/// Checks the archive.
pub(crate) fn look(session: &Session, archive: &Archive, read_data: bool) -> Result<Report, Failure> {
    let mut problems = Vec::new();
    let checked = archive.check(read_data, &mut |problem| problems.push(ProblemView::from(problem)))?;
    let Checked { snapshots, segments, blobs, alone, records, bytes_read, problems: found } = checked;
    let sound = found == 0 && problems.is_empty();
    let look = facts::Look { at: session.clock().now(), problems: found.max(problems.len() as u64) };
    look.note(session, archive, read_data);
    Ok(Report { sound, read_data, snapshots, segments, blobs, alone, records, bytes_read, problems })
}

/// What to say of an archive that is not sound.
pub(crate) fn damaged() -> Failure {
    Failure::new(Exit::Failed, "the archive is damaged")
        .hint("snapshots that are not named above are intact; restore the named files from a copy, then run \"pdbak check --read-data\"")
}
