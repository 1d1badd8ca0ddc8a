//! `pdbak restores`: the restores of the archive, and how they ended.

use clap::Args;

use crate::cli::complain::Failure;
use crate::cli::exit::Exit;
use crate::cli::session::Session;
use crate::cli::show::restores::{RestoreList, RestoreView};
use crate::restore::Journal;

pub(crate) const EXAMPLES: &str = "\
Examples:
  pdbak restores                                    oldest first, plans that were only shown included
  pdbak restores --json | jq -r '.[-1].restore'     the id of the newest";

/// Arguments of `pdbak restores`.
#[derive(Args, Debug)]
pub(crate) struct Restores {}

impl Restores {
    pub(crate) fn run(self, session: &Session) -> Result<Exit, Failure> {
        let archive = session.archive()?;
        let mut views = Vec::new();
        for name in archive.logs()? {
            let (journal, plan) = Journal::read(&archive, &name, session.clock())?;
            views.push(RestoreView::of(&journal, &plan));
        }
        views.sort_by(|one, other| (one.begun, &one.restore).cmp(&(other.begun, &other.restore)));
        session.show(&RestoreList(views))?;
        Ok(Exit::Done)
    }
}
