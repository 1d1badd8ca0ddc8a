//! `pdbak init`: makes an archive.

use std::io::{self, Write};
use std::path::PathBuf;
#[cfg(feature = "object-store")]
use std::sync::Arc;

use clap::Args;
use serde::Serialize;

use crate::archive::{Archive, Protection};
#[cfg(feature = "object-store")]
use crate::archive::{FileName, Home, Shelf};
use crate::cli::command::key::ONE_LEFT;
use crate::cli::complain::Failure;
use crate::cli::exit::Exit;
use crate::cli::home::{self, Dwelling, InStore};
use crate::cli::session::Session;
use crate::cli::show::View;
#[cfg(feature = "object-store")]
use crate::offsite::StoreHome;

pub(crate) const EXAMPLES: &str = "\
Examples:
  pdbak init --archive acme                               asks for a passphrase
  pdbak init --archive acme --recovery-key acme.key       also writes a key to keep elsewhere
  PDBAK_PASSPHRASE_FILE=pass pdbak init --archive acme    for scripts
  pdbak init --archive s3://acme-crm/daily                lives in an object store; credentials from the environment";

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
        let (named, dwelling) = (session.named()?, session.dwelling()?);
        let protection = match self.no_encryption {
            true => Protection::Clear,
            false => Protection::Encrypted {
                passphrase: session.passphrase().read_or_choose()?,
                recovery: self.recovery_key.clone(),
            },
        };
        let doing = |failure: Failure| failure.while_doing(format_args!("make an archive in {}", named.display()));
        let archive = match &dwelling {
            Dwelling::Folder(folder) => {
                Archive::create(folder, protection, session.clock()).map_err(|error| doing(error.into()))?
            }
            Dwelling::Store(place) => in_store(session, place, protection).map_err(doing)?,
        };
        session.show(&Made {
            archive: named.clone(),
            id: archive.id().to_owned(),
            encrypted: archive.is_encrypted(),
            recovery_key: self.recovery_key.clone(),
        })?;
        session.say(&self.advice(archive.is_encrypted()));
        session.say(&format!("next: pdbak snapshot --archive {}", named.display()));
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

/// Makes an archive in an object store.
#[cfg(feature = "object-store")]
fn in_store(session: &Session, place: &InStore, protection: Protection) -> Result<Archive, Failure> {
    let InStore { target, haul, kept } = place;
    let home = Arc::new(StoreHome::open(target, *haul)?);
    let folder = home::working_folder(target)?;
    std::fs::create_dir_all(&folder)?;
    // What is made is in the store; the next command gives it a folder under its own id.
    let folder = tempfile::Builder::new().prefix("new-").tempdir_in(&folder)?;
    let shelf = Shelf::to_home(Arc::clone(&home) as Arc<dyn Home>, folder.path(), *kept)?;
    let archive = Archive::create(shelf, protection, session.clock())?;
    if !home.claim(archive.id())? {
        session.say(
            "warning: the store ignores \"If-None-Match\": it lets whoever has the credentials replace what is there, also by mistake",
        );
    }
    if target.lock.is_some() {
        session.say(&match home.locked_until(&FileName::header())? {
            Some(until) => format!("The store holds on to what it is given: this until {until}."),
            None => "warning: the store took the object lock without an error, and does not hold it".to_owned(),
        });
    }
    Ok(archive)
}

#[cfg(not(feature = "object-store"))]
fn in_store(_session: &Session, _place: &InStore, _protection: Protection) -> Result<Archive, Failure> {
    Err(home::unbuilt())
}
