//! `pdbak import`: a snapshot from one NDJSON file an object.

use std::path::PathBuf;

use clap::Args;

use crate::archive;
use crate::cli::complain::Failure;
use crate::cli::exit::Exit;
use crate::cli::session::Session;
use crate::cli::show::snapshots::{SnapshotView, has_gaps};

pub(crate) const EXAMPLES: &str = "\
Examples:
  pdbak import export/            one snapshot of all export/*.ndjson
  pdbak import export/ --json     the same, told to a script";

/// Arguments of `pdbak import`.
#[derive(Args, Debug)]
pub(crate) struct Import {
    /// The folder with the files: deals.ndjson becomes the object deals, a line a record, known by its id
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

impl Import {
    pub(crate) fn run(self, session: &Session) -> Result<Exit, Failure> {
        let manifest = archive::import(&session.archive()?, &self.folder, &session.monitor())?;
        session.show(&SnapshotView::closing(&manifest))?;
        Ok(if has_gaps(&manifest) { Exit::Gaps } else { Exit::Done })
    }
}
