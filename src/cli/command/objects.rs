//! `pdbak objects`: what pdbak knows of a Pipedrive account.

use clap::Args;

use crate::cli::complain::Failure;
use crate::cli::exit::Exit;
use crate::cli::session::Session;
use crate::cli::show::objects::{Catalogue, ObjectView, everything};

pub(crate) const EXAMPLES: &str = "\
Examples:
  pdbak objects                             every object, in the order of a capture
  pdbak objects Deals Webhooks              these: where they are read, at which price, and what a restore may and cannot do
  pdbak objects --json | jq '.[].title'     for scripts";

/// Arguments of `pdbak objects`.
#[derive(Args, Debug)]
pub(crate) struct Objects {
    /// Only these objects
    #[arg(value_name = "OBJECT")]
    objects: Vec<String>,
}

impl Objects {
    pub(crate) fn run(self, session: &Session) -> Result<Exit, Failure> {
        let mut all = everything();
        for name in &self.objects {
            let wanted = |one: &ObjectView| one.object.eq_ignore_ascii_case(name);
            if !all.iter().any(wanted) {
                return Err(
                    Failure::usage(format!("there is no object {name}")).hint("\"pdbak objects\" lists them all")
                );
            }
        }
        all.retain(|one| {
            self.objects.is_empty() || self.objects.iter().any(|name| one.object.eq_ignore_ascii_case(name))
        });
        session.show(&Catalogue(all))?;
        Ok(Exit::Done)
    }
}
