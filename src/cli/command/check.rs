//! `pdbak check`: is everything in the archive still what was written?

use std::io::{self, Write};

use chrono::DateTime;
use clap::Args;
use serde::Serialize;

use crate::archive::{Archive, Checked, Problem, Reading, Subset};
use crate::cli::complain::Failure;
use crate::cli::exit::Exit;
use crate::cli::session::Session;
use crate::cli::show::damage::{LostView, ProblemView};
use crate::cli::show::{View, count, size};
use crate::cli::status::facts;

pub(crate) const EXAMPLES: &str = "\
Examples:
  pdbak check                           manifests, names and lengths: seconds
  pdbak check --read-data               every byte of every record and file
  pdbak check --read-data-subset 1/7    a seventh of the files; 1/7 to 7/7 in a week read them all
  pdbak check --read-data-subset 10%    a tenth of the bytes: what was not read for the longest
  pdbak check --read-data-subset 5G --json

With damage it ends with 1, with nothing but losses that \"pdbak repair\" wrote down with 3.";

/// Arguments of `pdbak check`.
#[derive(Args, Debug)]
pub(crate) struct Check {
    /// Read and re-hash every byte
    #[arg(long)]
    read_data: bool,
    /// Read and re-hash some files: a share by name such as 1/7, or 10% or 5G of those not read for the longest
    #[arg(long, value_name = "N/M|P%|SIZE", conflicts_with = "read_data")]
    read_data_subset: Option<Subset>,
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
    /// Segments and files of contents that were read whole, and of how many they were chosen.
    files_read: u64,
    chosen_of: Option<u64>,
    quarantined: u64,
    problems: Vec<ProblemView>,
    known: Vec<ProblemView>,
    lost: Vec<LostView>,
}

impl View for Report {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        self.problems.iter().try_for_each(|problem| problem.line("problem", out))?;
        self.known.iter().try_for_each(|problem| problem.line("known", out))?;
        self.lost.iter().try_for_each(|lost| lost.line(out))?;
        if self.alone > 0 {
            let came = count(self.alone, "snapshot", "snapshots");
            writeln!(out, "{came} came here in a bundle, without the ones before")?;
        }
        if self.quarantined > 0 {
            let kept = count(self.quarantined, "damaged file is", "damaged files are");
            writeln!(out, "{kept} kept in quarantine/, for whoever wants to look; nothing needs them")?;
        }
        let looked = [
            count(self.snapshots, "snapshot", "snapshots"),
            count(self.segments, "segment", "segments"),
            count(self.blobs, "file of contents", "files of contents"),
            count(self.records, "record version", "record versions"),
        ];
        let depth = match self.chosen_of {
            _ if self.read_data => "every byte read back".to_owned(),
            Some(all) => format!("{} of {} read back", self.files_read, count(all, "file", "files")),
            None => "structure only; --read-data reads every byte".to_owned(),
        };
        let verdict = match (self.problems.len(), self.lost.len() + self.known.len()) {
            (0, 0) => "sound".to_owned(),
            (0, _) => "sound but for what is known to be lost".to_owned(),
            (problems, _) => count(problems as u64, "problem", "problems"),
        };
        writeln!(out, "{verdict}: {}  ·  {} read, {depth}", looked.join(", "), size(self.bytes_read))
    }
}

impl Check {
    pub(crate) fn run(self, session: &Session) -> Result<Exit, Failure> {
        let archive = session.archive()?;
        let reading = match self.read_data_subset {
            Some(subset) => Reading::Some(subset),
            None => Reading::from(self.read_data),
        };
        let report = look(session, &archive, reading)?;
        session.show(&report)?;
        match (report.sound, report.known.is_empty() && report.lost.is_empty()) {
            (true, true) => Ok(Exit::Done),
            (true, false) => Ok(Exit::Gaps),
            (false, _) => Err(damaged()),
        }
    }
}

/// Checks the archive.
pub(crate) fn look(session: &Session, archive: &Archive, reading: Reading) -> Result<Report, Failure> {
    let (checked, problems) = problems(archive, reading)?;
    let (now, found) = (session.clock().now(), checked.problems.max(problems.len() as u64));
    let every_byte = match reading {
        Reading::Structure => None,
        Reading::All => Some(now),
        Reading::Some(_) if checked.read == checked.to_read => Some(now),
        // Shares that follow one another come to every byte as well.
        Reading::Some(_) => checked.read_as_of.and_then(|at| DateTime::from_timestamp(at, 0)),
    };
    facts::Look { at: now, problems: found }.note(session, archive, every_byte);
    let Checked { snapshots, segments, blobs, alone, records, bytes_read, read, to_read, quarantined, .. } = checked;
    let (known, problems): (Vec<Problem>, Vec<Problem>) = problems.into_iter().partition(|problem| problem.known);
    Ok(Report {
        sound: checked.problems == 0 && problems.is_empty(),
        read_data: reading == Reading::All,
        snapshots,
        segments,
        blobs,
        alone,
        records,
        bytes_read,
        files_read: read,
        chosen_of: matches!(reading, Reading::Some(_)).then_some(to_read),
        quarantined,
        problems: problems.into_iter().map(ProblemView::from).collect(),
        known: known.into_iter().map(ProblemView::from).collect(),
        lost: archive.lost()?.into_iter().map(LostView::from).collect(),
    })
}

/// Checks, and keeps what was found.
pub(crate) fn problems(archive: &Archive, reading: Reading) -> Result<(Checked, Vec<Problem>), Failure> {
    let mut problems = Vec::new();
    let checked = archive.check(reading, &mut |problem| problems.push(problem))?;
    Ok((checked, problems))
}

/// What to say of an archive that is not sound.
pub(crate) fn damaged() -> Failure {
    Failure::new(Exit::Failed, "the archive is damaged")
        .hint("snapshots that are not named above are intact; \"pdbak repair --dry-run\" says what can be mended")
}
