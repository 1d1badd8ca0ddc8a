//! `pdbak bundle`: one tar file of one snapshot or all, and the way back.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde::Serialize;

use crate::archive::Shelf;
use crate::cli::command::show::SNAPSHOT_HELP;
use crate::cli::complain::Failure;
use crate::cli::exit::Exit;
use crate::cli::home::Dwelling;
use crate::cli::session::Session;
use crate::cli::show::{View, count, size};
use crate::offsite::{self, Bundled, Unbundled};

pub(crate) const EXAMPLES: &str = "\
Examples:
  pdbak bundle create acme.tar                the newest snapshot in one file
  pdbak bundle create acme.tar --all          the whole archive; needs no key
  pdbak bundle import acme.tar --archive new  out of it again, into a new folder or the same archive";

/// Arguments of `pdbak bundle`.
#[derive(Args, Debug)]
pub(crate) struct Bundle {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand, Debug)]
enum What {
    /// Write one snapshot, with all that its reading needs, or all of them to a tar file
    Create {
        /// The file, which must not exist
        file: PathBuf,
        #[arg(value_name = "SNAPSHOT", default_value = "latest", help = SNAPSHOT_HELP)]
        snapshot: String,
        /// Everything in the archive
        #[arg(long, conflicts_with = "snapshot")]
        all: bool,
    },
    /// Take what is in a bundle into the archive it is of, or into a new folder
    Import {
        /// The file
        file: PathBuf,
    },
}

/// A bundle that was written.
#[derive(Serialize)]
struct Written {
    file: PathBuf,
    #[serde(flatten)]
    bundled: Bundled,
}

impl View for Written {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let Bundled { packed, snapshots, faults, .. } = &self.bundled;
        for fault in faults {
            writeln!(out, "problem: {}: {}", fault.file, fault.problem)?;
        }
        let what =
            [count(*snapshots, "snapshot", "snapshots"), count(packed.files, "file", "files"), size(packed.bytes)];
        writeln!(out, "{}: {}", self.file.display(), what.join(", "))
    }
}

/// A bundle that was taken in.
#[derive(Serialize)]
struct Taken {
    folder: PathBuf,
    #[serde(flatten)]
    unbundled: Unbundled,
}

impl View for Taken {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let Unbundled { archive, created, added, there, snapshots } = &self.unbundled;
        let made = if *created { format!("archive {archive} made in ") } else { String::new() };
        let what = [
            count(*snapshots, "new snapshot", "new snapshots"),
            count(added.files, "file", "files"),
            size(added.bytes),
        ];
        let had = count(there.files, "file", "files");
        writeln!(out, "{made}{}: {}  ·  here already: {had}", self.folder.display(), what.join(", "))
    }
}

impl Bundle {
    pub(crate) fn run(self, session: &Session) -> Result<Exit, Failure> {
        match self.what {
            What::Create { file, snapshot, all } => {
                let (shelf, traffic) = (session.shelf()?, session.traffic());
                let only = if all {
                    None
                } else {
                    let archive = session.archive()?;
                    Some(archive.files_of(&archive.resolve(&snapshot)?)?)
                };
                let bundled = offsite::bundle(&shelf, &file, only, &traffic)?;
                drop(traffic);
                let whole = bundled.faults.is_empty();
                session.show(&Written { file, bundled })?;
                Ok(if whole { Exit::Done } else { Exit::Gaps })
            }
            What::Import { file } => {
                let Dwelling::Folder(folder) = session.dwelling()? else {
                    return Err(Failure::usage("a bundle is taken into a folder, and this archive lives in a store")
                        .hint("give --archive DIR; \"pdbak offsite push s3://…\" from there brings it to a store, where it can live"));
                };
                let (shelf, traffic) = (Shelf::at(&folder), session.traffic());
                let unbundled = offsite::unbundle(&file, &shelf, session.clock().now(), &traffic)?;
                drop(traffic);
                session.show(&Taken { folder, unbundled })?;
                Ok(Exit::Done)
            }
        }
    }
}
