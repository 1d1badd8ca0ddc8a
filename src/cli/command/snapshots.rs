//! `pdbak snapshots`: what is in the archive.

use clap::Args;

use crate::cli::complain::Failure;
use crate::cli::exit::Exit;
use crate::cli::session::Session;
use crate::cli::show::snapshots::{SnapshotList, SnapshotView};

pub(crate) const EXAMPLES: &str = "\
Examples:
  pdbak snapshots                                       oldest first
  pdbak snapshots --json | jq -r '.[-1].snapshot'       the id of the newest";

/// Arguments of `pdbak snapshots`.
#[derive(Args, Debug)]
pub(crate) struct Snapshots {}

impl Snapshots {
    pub(crate) fn run(self, session: &Session) -> Result<Exit, Failure> {
        let manifests = session.archive()?.snapshots()?;
        session.show(&SnapshotList(manifests.iter().map(SnapshotView::page).collect()))?;
        Ok(Exit::Done)
    }
}
