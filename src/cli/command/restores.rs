//! `pdbak restores`: the restores of the archive, how they ended, and the whole report of one.

use clap::Args;

use crate::cli::complain::Failure;
use crate::cli::exit::Exit;
use crate::cli::session::Session;
use crate::cli::show::restores::{OneRestore, RestoreList, RestoreView};
use crate::restore::Journal;

pub(crate) const EXAMPLES: &str = "\
Examples:
  pdbak restores                                    oldest first, plans that were only shown included
  pdbak restores 7f3c                               what came of one: its fidelity report, field by field
  pdbak restores latest --json | jq .report.fields  the same for scripts, of the newest
  pdbak restores --json | jq -r '.[-1].restore'     the id of the newest";

/// Arguments of `pdbak restores`.
#[derive(Args, Debug)]
pub(crate) struct Restores {
    /// The beginning of a restore's id, or "latest": its whole fidelity report
    #[arg(value_name = "RESTORE")]
    restore: Option<String>,
}

impl Restores {
    pub(crate) fn run(self, session: &Session) -> Result<Exit, Failure> {
        let archive = session.archive()?;
        let wanted = self.restore.as_deref().filter(|name| *name != "latest");
        let mut views = Vec::new();
        for journal in Journal::all(&archive, session.clock())? {
            let (journal, plan) = journal?;
            if wanted.is_none_or(|wanted| journal.name().starts_with(wanted)) {
                views.push(RestoreView::of(&journal, &plan));
            }
        }
        views.sort_by(|one, other| (one.begun, &one.restore).cmp(&(other.begun, &other.restore)));
        let Some(asked) = &self.restore else {
            session.show(&RestoreList(views))?;
            return Ok(Exit::Done);
        };
        if wanted.is_some() && views.len() > 1 {
            return Err(Failure::usage(format!("{} restores begin with {asked}", views.len()))
                .hint("give more letters of the restore's id; \"pdbak restores\" lists them"));
        }
        let Some(restore) = views.pop() else {
            return Err(Failure::usage(format!("the archive has no restore {asked}"))
                .hint("\"pdbak restores\" lists the restores of the archive"));
        };
        let (journal, _) = Journal::read(&archive, &restore.restore, session.clock())?;
        session.show(&OneRestore { restore, report: journal.report() })?;
        Ok(Exit::Done)
    }
}
