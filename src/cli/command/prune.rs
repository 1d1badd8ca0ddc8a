//! `pdbak prune`: gives back the room of what was forgotten.

use std::io::{self, Write};

use chrono::TimeDelta;
use clap::Args;
use serde::Serialize;

use crate::archive::{Amount, Archive, Packed, Pruned, Worth};
use crate::cli::command::brake;
use crate::cli::complain::Failure;
use crate::cli::exit::Exit;
use crate::cli::session::Session;
use crate::cli::show::{View, count, moment, size};

pub(crate) const EXAMPLES: &str = "\
Examples:
  pdbak prune --dry-run       how much room there is to give back
  pdbak prune                 list what nothing needs, remove what was listed a day ago
  pdbak prune --repack 25     also pack segments anew of which a quarter is not needed
  pdbak prune --grace 0       remove it at once: no copy and no restore may be running";

/// Hours for which a file is listed before it is removed, unless somebody says otherwise.
pub(crate) const GRACE: u32 = 24;
/// What is packed anew, unless somebody says otherwise.
pub(crate) const REPACK: Worth = Worth::Dead(50);

/// Arguments of `pdbak prune`.
#[derive(Args, Debug)]
pub(crate) struct Prune {
    /// Say what would be removed and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Hours for which a file has to be listed before it is removed
    #[arg(long, value_name = "HOURS", default_value_t = GRACE)]
    grace: u32,
    /// Pack segments anew of whose bytes at least this percentage is not needed, and many small ones into one; or "off"
    #[arg(long, value_name = "PERCENT", default_value = "50", value_parser = worth)]
    repack: Worth,
}

/// What is worth packing anew.
fn worth(text: &str) -> Result<Worth, String> {
    let percent = || text.parse().ok().filter(|percent| (1..=100).contains(percent)).map(Worth::Dead);
    let worth = if text == "off" { Some(Worth::Nothing) } else { percent() };
    worth.ok_or_else(|| "a number from 1 to 100, or \"off\", is expected".to_owned())
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

/// Segments packed anew, their bytes, and what these become.
#[derive(Serialize)]
struct Repack {
    files: u64,
    bytes: u64,
    needed: u64,
}

/// What was packed anew, removed, waits and stays.
#[derive(Serialize)]
pub(crate) struct Report {
    dry_run: bool,
    packed: Repack,
    pub(crate) removed: Part,
    pub(crate) waiting: Part,
    needed: Part,
    next: Option<String>,
    /// Which contents of files are needed, the key in use may not read.
    contents_stay: bool,
}

impl View for Report {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let told = |part: &Part| format!("{} in {}", size(part.bytes), count(part.files, "file", "files"));
        let would = if self.dry_run { "would be " } else { "" };
        let Repack { files, bytes, needed } = self.packed;
        if files > 0 {
            let about = if self.dry_run { "about " } else { "" };
            let segments = count(files, "segment", "segments");
            writeln!(out, "{would}packed anew  {segments} of {}, into {about}{}", size(bytes), size(needed))?;
        }
        writeln!(out, "{would}removed  {}", told(&self.removed))?;
        if let Some(next) = &self.next {
            writeln!(out, "waiting  {}; from {next} UTC a prune removes them", told(&self.waiting))?;
        }
        writeln!(out, "needed   {}", told(&self.needed))?;
        match self.contents_stay {
            true => writeln!(
                out,
                "contents of files stay as they are: which are needed stands in records, and takes a restore key"
            ),
            false => Ok(()),
        }
    }
}

impl Prune {
    pub(crate) fn run(self, session: &Session) -> Result<Exit, Failure> {
        session.show(&prune(session, &session.archive()?, self.grace, self.repack, self.dry_run)?)?;
        Ok(Exit::Done)
    }
}

/// Packs anew what is worth it, and removes what nothing needs and was listed so many hours ago; or says what that would be.
pub(crate) fn prune(
    session: &Session,
    archive: &Archive,
    grace_hours: u32,
    repack: Worth,
    dry_run: bool,
) -> Result<Report, Failure> {
    brake::before_letting_go(session, archive, dry_run)?;
    let done = archive.prune(TimeDelta::hours(grace_hours.into()), repack, dry_run)?;
    let Pruned { removed, waiting, needed, next, packed: Packed { files, bytes, needed: becomes }, contents_stay } =
        done;
    let packed = Repack { files, bytes, needed: becomes };
    let (removed, waiting, needed) = (removed.into(), waiting.into(), needed.into());
    Ok(Report { dry_run, packed, removed, waiting, needed, next: next.map(moment), contents_stay })
}
