//! `pdbak init`: makes an archive.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use crate::archive::{Archive, Protection};
use crate::cli::command::key::ONE_LEFT;
use crate::cli::complain::Failure;
use crate::cli::exit::Exit;
use crate::cli::session::Session;
use crate::cli::show::View;

pub(crate) const EXAMPLES: &str = "\
Examples:
  pdbak init --archive acme                               asks for a passphrase
  pdbak init --archive acme --recovery-key acme.key       also writes a key to keep elsewhere
  PDBAK_PASSPHRASE_FILE=pass pdbak init --archive acme    for scripts";

/// Arguments of `pdbak init`.
#[derive(Args, Debug)]
pub(crate) struct Init {
    /// Store everything readable by whoever can read the folder
    #[arg(long, conflicts_with = "recovery_key")]
    no_encryption: bool,
    /// Also write a key to this file that opens the archive when the passphrase is lost
    #[arg(long, value_name = "FILE")]
    recovery_key: Option<PathBuf>,
}

/// What was made.
#[derive(Serialize)]
struct Made {
    archive: PathBuf,
    id: String,
    encrypted: bool,
    recovery_key: Option<PathBuf>,
}

impl View for Made {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let folder = self.archive.display();
        writeln!(
            out,
            "archive {} made in {folder}, {}",
            self.id,
            if self.encrypted { "encrypted" } else { "not encrypted" }
        )
    }
}

impl Init {
    pub(crate) fn run(self, session: &Session) -> Result<Exit, Failure> {
        let folder = session.folder()?;
        let protection = match self.no_encryption {
            true => Protection::Clear,
            false => Protection::Encrypted {
                passphrase: session.passphrase().read_or_choose()?,
                recovery: self.recovery_key.clone(),
            },
        };
        let archive = Archive::create(&folder, protection, session.clock()).map_err(|error| {
            Failure::from(error).while_doing(format_args!("make an archive in {}", folder.display()))
        })?;
        session.show(&Made {
            archive: folder.clone(),
            id: archive.id().to_owned(),
            encrypted: archive.is_encrypted(),
            recovery_key: self.recovery_key.clone(),
        })?;
        session.say(&self.advice(archive.is_encrypted()));
        session.say(&format!("next: pdbak snapshot --archive {}", folder.display()));
        Ok(Exit::Done)
    }

    /// What the choice means on the day of need.
    fn advice(&self, encrypted: bool) -> String {
        match (&self.recovery_key, encrypted) {
            (_, false) => {
                "Everything in it can be read by whoever can read the folder: every name, note and file.".to_owned()
            }
            (Some(path), true) => format!(
                "Keep {} away from this machine: it opens the archive when the passphrase is lost, and for whoever finds it.",
                path.display()
            ),
            (None, true) => format!("Write the passphrase down. {ONE_LEFT}"),
        }
    }
}
