//! `pdbak import`: a snapshot from one NDJSON file an object.

use std::path::PathBuf;

use clap::Args;

use crate::archive;
use crate::brake::Limit;
use crate::cli::command::brake;
use crate::cli::complain::Failure;
use crate::cli::exit::Exit;
use crate::cli::session::Session;

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
    /// Raise an alarm when more than this of an object changed or is gone: a share (5%), a number of records, "learned" (more
    /// than usual), or "off" [default: as [brake] in pdbak.toml says, else learned]
    #[arg(long, value_name = "LIMIT", value_parser = brake::limit)]
    brake: Option<Limit>,
}

impl Import {
    pub(crate) fn run(self, session: &Session) -> Result<Exit, Failure> {
        let archive = session.archive()?;
        let manifest = archive::import(&archive, &self.folder, &session.monitor())?;
        brake::close(session, &archive, &manifest, self.brake)
    }
}
