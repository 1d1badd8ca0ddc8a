//! `pdbak get`: one record, or the contents of one file.

use std::fs::OpenOptions;
use std::io::{Write, stdout};
use std::path::{Path, PathBuf};

use clap::Args;

use crate::archive::{Archive, BlobRef, Snapshot};
use crate::catalogue::{self, ObjectName};
use crate::cli::command::show::SNAPSHOT_HELP;
use crate::cli::complain::Failure;
use crate::cli::exit::Exit;
use crate::cli::session::Session;
use crate::cli::show::records::RecordView;
use crate::cli::show::size;
use crate::diff::{self, Names};
use crate::record::{Record, RecordId};

pub(crate) const EXAMPLES: &str = "\
Examples:
  pdbak get deals/42                               as it is in the newest snapshot
  pdbak get deals/42 --snapshot latest~3           as it was then
  pdbak get deals/42 --json | jq .record.value     as the API gave it
  pdbak get files/7 --output offer.pdf             the contents of a file; - is stdout";

/// Arguments of `pdbak get`.
#[derive(Args, Debug)]
pub(crate) struct Get {
    /// The record, such as deals/42
    #[arg(value_name = "RECORD", value_parser = record_id)]
    record: RecordId,
    #[arg(long, short = 's', value_name = "SNAPSHOT", default_value = "latest", help = SNAPSHOT_HELP)]
    snapshot: String,
    /// Write the contents of the file that the record stands for to FILE
    #[arg(long, short = 'o', value_name = "FILE")]
    output: Option<PathBuf>,
}

/// A record as it is typed.
pub(crate) fn record_id(text: &str) -> Result<RecordId, String> {
    RecordId::parse(text).ok_or_else(|| format!("{text} is no record; write it as deals/42"))
}

impl Get {
    pub(crate) fn run(self, session: &Session) -> Result<Exit, Failure> {
        let archive = session.archive()?;
        let snapshot = archive.snapshot(&archive.resolve(&self.snapshot)?)?;
        let record = find(&snapshot, &self.record)?;
        match &self.output {
            Some(path) => contents(session, &archive, &snapshot, &record, path)?,
            None => {
                let names = Names::of(&snapshot)?;
                session.show(&RecordView::new(&record, &snapshot.manifest().id.0, &names)?)?;
            }
        }
        Ok(Exit::Done)
    }
}

fn find(snapshot: &Snapshot<'_>, id: &RecordId) -> Result<Record, Failure> {
    let found = match catalogue::find_view(&id.object) {
        Some(view) => diff::view(snapshot, view)?.find(|record| record.id().key == id.key),
        None => snapshot.find(id)?,
    };
    found.ok_or_else(|| {
        Failure::new(Exit::Failed, format!("snapshot {} holds no record {id}", snapshot.manifest().id.short())).hint(
            format!("run \"pdbak ls {} {}\" to see what it holds", snapshot.manifest().id.short(), id.object.title()),
        )
    })
}

/// Writes the contents that a record stands for.
fn contents(
    session: &Session,
    archive: &Archive,
    snapshot: &Snapshot<'_>,
    record: &Record,
    to: &Path,
) -> Result<(), Failure> {
    let id = record.id();
    let missing = |why: &str| {
        Failure::new(Exit::Failed, format!("there are no contents of {id} in this snapshot: {why}"))
            .hint(format!("run \"pdbak get {id}\" to see the record itself"))
    };
    let facts = catalogue::find(&id.object).and_then(|object| object.contents.as_ref());
    let facts = facts.ok_or_else(|| missing("records of this object have none"))?;
    let held = snapshot.find(&RecordId::new(ObjectName::known(facts.object), id.key.clone()))?;
    let held = held.ok_or_else(|| missing("they were not captured"))?;
    let blob: BlobRef = serde_json::from_str(held.text())?;
    let written = if to == Path::new("-") {
        archive.read_blob(&blob, &mut stdout().lock())?
    } else {
        let refuse = |error| Failure::from(error).while_doing(format_args!("write {}", to.display()));
        // What lies there already stays: somebody may be looking for exactly that file.
        let mut file = OpenOptions::new().write(true).create_new(true).open(to).map_err(refuse)?;
        let written = archive.read_blob(&blob, &mut file)?;
        file.flush().and_then(|()| file.sync_all()).map_err(refuse)?;
        written
    };
    session.say(&format!("{} written to {}", size(written), to.display()));
    Ok(())
}
