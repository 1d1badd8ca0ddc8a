//! `pdbak reindex`: makes the index again from what it is derived from.

use std::io::{self, Write};

use clap::Args;
use serde::Serialize;

use crate::archive::{Archive, Reindexed};
use crate::cli::complain::Failure;
use crate::cli::exit::Exit;
use crate::cli::session::Session;
use crate::cli::show::{View, count};

pub(crate) const EXAMPLES: &str = "\
Examples:
  pdbak reindex       after index.sqlite was lost or damaged; nothing else is touched";

/// Arguments of `pdbak reindex`.
#[derive(Args, Debug)]
pub(crate) struct Reindex {}

/// What the new index holds.
#[derive(Serialize)]
struct Made {
    snapshots: u64,
    segments: u64,
    versions: u64,
    unreadable: Vec<String>,
}

impl View for Made {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let parts = [
            count(self.versions, "record version", "record versions"),
            count(self.segments, "segment", "segments"),
            count(self.snapshots, "snapshot", "snapshots"),
        ];
        for file in &self.unreadable {
            writeln!(out, "problem: {file}: cannot be read, and is not in the index")?;
        }
        writeln!(out, "index made again: {} of {} in {}", parts[0], parts[1], parts[2])
    }
}

impl Reindex {
    pub(crate) fn run(self, session: &Session) -> Result<Exit, Failure> {
        let keyring = session.keyring();
        let made = Archive::reindex(session.shelf()?, &keyring, session.clock());
        let Reindexed { snapshots, segments, versions, unreadable } = made.map_err(|error| keyring.explain(error))?;
        let whole = unreadable.is_empty();
        session.show(&Made { snapshots, segments, versions, unreadable })?;
        match whole {
            true => Ok(Exit::Done),
            false => Err(Failure::new(Exit::Gaps, "the index is made again without the files above")
                .hint("run \"pdbak check --read-data\" to see what is damaged, and \"pdbak repair\" to mend it")),
        }
    }
}
