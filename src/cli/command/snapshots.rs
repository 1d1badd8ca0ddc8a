//! `pdbak snapshots`: what is in the archive.

use std::collections::BTreeMap;

use clap::Args;

use crate::archive::{Archive, Error, Manifest, SnapshotId};
use crate::cli::complain::Failure;
use crate::cli::exit::Exit;
use crate::cli::session::Session;
use crate::cli::show::drills::Drill;
use crate::cli::show::snapshots::{SnapshotList, SnapshotView};

pub(crate) const EXAMPLES: &str = "\
Examples:
  pdbak snapshots                                       oldest first
  pdbak snapshots --json | jq -r '.[-1].snapshot'       the id of the newest";

/// Arguments of `pdbak snapshots`.
#[derive(Args, Debug)]
pub(crate) struct Snapshots {}

impl Snapshots {
    pub(crate) fn run(self, session: &Session) -> Result<Exit, Failure> {
        let archive = session.archive()?;
        let ((manifests, damaged), drills, now) = (archive.listed()?, drills(&archive)?, session.clock().now());
        let drills = drills.iter().map(|drill| (drill.snapshot.as_str(), drill)).collect::<BTreeMap<_, _>>();
        let standings = archive.standings()?;
        let page = |manifest: &Manifest| {
            let page = SnapshotView::page(manifest).standing(standings.get(&manifest.id), now);
            page.drilled(drills.get(manifest.id.0.as_str()).copied(), now)
        };
        session.show(&SnapshotList(manifests.iter().map(page).collect()))?;
        match damaged.as_slice() {
            [] => Ok(Exit::Done),
            damaged => Err(unreadable(damaged)),
        }
    }
}

/// The snapshots that are there and cannot be listed.
fn unreadable(damaged: &[(SnapshotId, Error)]) -> Failure {
    let each: Vec<String> = damaged.iter().map(|(id, error)| format!("snapshot {}: {error}", id.short())).collect();
    Failure::new(Exit::Gaps, format!("not listed, because it cannot be read: {}", each.join("; ")))
        .hint("\"pdbak check\" says what is hurt, \"pdbak repair --dry-run\" what can be brought back from a copy")
}

/// What drills found, oldest first; nothing to a key that may not read it.
fn drills(archive: &Archive) -> Result<Vec<Drill>, Failure> {
    match archive.drills() {
        // What a later version wrote is no reason to show no snapshots.
        Ok(results) => Ok(results.into_iter().filter_map(|result| serde_json::from_value(result).ok()).collect()),
        Err(Error::NeedsKey { .. }) => Ok(Vec::new()),
        Err(error) => Err(error.into()),
    }
}
