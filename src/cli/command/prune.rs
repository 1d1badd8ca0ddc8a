//! `pdbak prune`: gives back the room of what was forgotten.

use std::io::{self, Write};

use chrono::TimeDelta;
use clap::Args;
use serde::Serialize;

use crate::archive::{Amount, Archive, Pruned};
use crate::cli::command::brake;
use crate::cli::complain::Failure;
use crate::cli::exit::Exit;
use crate::cli::session::Session;
use crate::cli::show::{View, count, moment, size};

pub(crate) const EXAMPLES: &str = "\
Examples:
  pdbak prune --dry-run       how much room there is to give back
  pdbak prune                 list what nothing needs, remove what was listed a day ago
  pdbak prune --grace 0       remove it at once: no copy and no restore may be running";

/// Hours for which a file is listed before it is removed, unless somebody says otherwise.
pub(crate) const GRACE: u32 = 24;

/// Arguments of `pdbak prune`.
#[derive(Args, Debug)]
pub(crate) struct Prune {
    /// Say what would be removed and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Hours for which a file has to be listed before it is removed
    #[arg(long, value_name = "HOURS", default_value_t = GRACE)]
    grace: u32,
}

/// Files and their bytes.
#[derive(Serialize)]
pub(crate) struct Part {
    files: u64,
    pub(crate) bytes: u64,
}

impl From<Amount> for Part {
    fn from(Amount { files, bytes }: Amount) -> Part {
        Part { files, bytes }
    }
}

/// What was removed, waits and stays.
#[derive(Serialize)]
pub(crate) struct Report {
    dry_run: bool,
    pub(crate) removed: Part,
    pub(crate) waiting: Part,
    needed: Part,
    next: Option<String>,
}

impl View for Report {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let told = |part: &Part| format!("{} in {}", size(part.bytes), count(part.files, "file", "files"));
        let would = if self.dry_run { "would be " } else { "" };
        writeln!(out, "{would}removed  {}", told(&self.removed))?;
        if let Some(next) = &self.next {
            writeln!(out, "waiting  {}; from {next} UTC a prune removes them", told(&self.waiting))?;
        }
        writeln!(out, "needed   {}", told(&self.needed))
    }
}

impl Prune {
    pub(crate) fn run(self, session: &Session) -> Result<Exit, Failure> {
        session.show(&prune(session, &session.archive()?, self.grace, self.dry_run)?)?;
        Ok(Exit::Done)
    }
}

/// Removes what nothing needs and was listed so many hours ago, or says what that would be.
pub(crate) fn prune(session: &Session, archive: &Archive, grace_hours: u32, dry_run: bool) -> Result<Report, Failure> {
    brake::before_letting_go(session, archive, dry_run)?;
    let Pruned { removed, waiting, needed, next } = archive.prune(TimeDelta::hours(grace_hours.into()), dry_run)?;
    let (removed, waiting, needed) = (removed.into(), waiting.into(), needed.into());
    Ok(Report { dry_run, removed, waiting, needed, next: next.map(moment) })
}
