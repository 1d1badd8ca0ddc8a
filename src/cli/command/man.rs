//! `pdbak man`: the manual, as files or on stdout.

use std::fs;
use std::io::{Write, stdout};
use std::path::PathBuf;

use clap::Args;

use crate::cli::complain::Failure;
use crate::cli::exit::Exit;
use crate::cli::manual;
use crate::cli::session::Session;

pub(crate) const EXAMPLES: &str = "\
Examples:
  pdbak man | man -l -                       read the overview
  pdbak man ~/.local/share/man               write all pages, then: man pdbak-archive";

/// Arguments of `pdbak man`.
#[derive(Args, Debug)]
pub(crate) struct Man {
    /// Write every page into this folder; without it the overview goes to stdout
    #[arg(value_name = "DIR")]
    folder: Option<PathBuf>,
}

impl Man {
    pub(crate) fn run(self, session: &Session) -> Result<Exit, Failure> {
        let pages = manual::pages();
        let Some(folder) = &self.folder else {
            match session.json() {
                true => session.document(&pages)?,
                false => stdout().write_all(pages["pdbak.1"].as_bytes())?,
            }
            return Ok(Exit::Done);
        };
        let refuse = |error| Failure::from(error).while_doing(format_args!("write the manual to {}", folder.display()));
        fs::create_dir_all(folder).map_err(refuse)?;
        for (name, page) in &pages {
            fs::write(folder.join(name), page).map_err(refuse)?;
        }
        let names: Vec<&String> = pages.keys().collect();
        match session.json() {
            true => session.document(&names)?,
            false => session.say(&format!("{} pages written to {}", names.len(), folder.display())),
        }
        Ok(Exit::Done)
    }
}
