//! `pdbak objects`: what pdbak knows of a Pipedrive account.

use clap::Args;

use crate::cli::complain::Failure;
use crate::cli::exit::Exit;
use crate::cli::session::Session;
use crate::cli::show::objects::{Catalogue, everything};

pub(crate) const EXAMPLES: &str = "\
Examples:
  pdbak objects                             every object, in the order of a capture
  pdbak objects --json | jq '.[].title'     for scripts";

/// Arguments of `pdbak objects`.
#[derive(Args, Debug)]
pub(crate) struct Objects {}

impl Objects {
    pub(crate) fn run(self, session: &Session) -> Result<Exit, Failure> {
        session.show(&Catalogue(everything()))?;
        Ok(Exit::Done)
    }
}
