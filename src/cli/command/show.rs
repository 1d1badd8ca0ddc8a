//! `pdbak show`: one snapshot, with how much of each object it saw and how that was counted.

use clap::Args;

use crate::cli::complain::Failure;
use crate::cli::exit::Exit;
use crate::cli::session::Session;
use crate::cli::show::certificate::Verified;
use crate::cli::show::snapshots::SnapshotView;

pub(crate) const EXAMPLES: &str = "\
Examples:
  pdbak show latest           the newest one that \"pdbak snapshot\" took; what diff and restore read goes by its id
  pdbak show latest~2         the third newest
  pdbak show 2026-11-02       the newest that is not younger than that day
  pdbak show 3fa9             by the beginning of its id
  pdbak show --verify         read all of the newest again, and compare";

/// How a snapshot is named, for help texts.
pub(crate) const SNAPSHOT_HELP: &str = "The snapshot: latest, latest~2, the beginning of its id, or a date";

/// Arguments of `pdbak show`.
#[derive(Args, Debug)]
pub(crate) struct Show {
    #[arg(value_name = "SNAPSHOT", default_value = "latest", help = SNAPSHOT_HELP)]
    snapshot: String,
    /// Read every record of it again and compare number and root of each object
    #[arg(long)]
    verify: bool,
}

impl Show {
    pub(crate) fn run(self, session: &Session) -> Result<Exit, Failure> {
        let archive = session.archive()?;
        let snapshot = archive.snapshot(&archive.resolve(&self.snapshot)?)?;
        let mut view = SnapshotView::page(snapshot.manifest());
        if self.verify {
            view = view.verified(Verified::of(&snapshot)?);
        }
        session.show(&view)?;
        Ok(if view.is_contradictory() { Exit::Gaps } else { Exit::Done })
    }
}
