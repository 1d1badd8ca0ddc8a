//! `pdbak ls`: the objects of a snapshot, or the records of one object.

use std::io::{self, Write};

use clap::Args;
use serde::Serialize;

use crate::archive::Snapshot;
use crate::catalogue::{self, ObjectName};
use crate::cli::command::show::SNAPSHOT_HELP;
use crate::cli::complain::Failure;
use crate::cli::exit::Exit;
use crate::cli::session::Session;
use crate::cli::show::records::RecordLine;
use crate::cli::show::{View, number};
use crate::diff::{self, Names};
use crate::record::Record;

pub(crate) const EXAMPLES: &str = "\
Examples:
  pdbak ls latest                          the objects, with how many records each has
  pdbak ls latest Deals                    the deals, a line each
  pdbak ls latest Deals --json             the deals whole, one JSON document a line
  pdbak ls latest DealPersons              who takes part in which deal, from what deals and participants say
  pdbak ls latest Deals Persons --json     the records of several objects, one after the other";

/// Arguments of `pdbak ls`.
#[derive(Args, Debug)]
pub(crate) struct Ls {
    #[arg(value_name = "SNAPSHOT", default_value = "latest", help = SNAPSHOT_HELP)]
    snapshot: String,
    /// List the records of these objects
    #[arg(value_name = "OBJECT")]
    objects: Vec<String>,
}

/// What a typed name means.
enum Listed {
    Object(ObjectName),
    View(&'static catalogue::View),
}

/// An object with its number of records.
#[derive(Serialize)]
struct ObjectCount {
    object: String,
    records: u64,
}

impl View for ObjectCount {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{:26} {:>12}", ObjectName::new(&self.object).title(), number(self.records))
    }
}

impl Ls {
    pub(crate) fn run(self, session: &Session) -> Result<Exit, Failure> {
        let archive = session.archive()?;
        let snapshot = archive.snapshot(&archive.resolve(&self.snapshot)?)?;
        if self.objects.is_empty() {
            let counts = snapshot.manifest().contents.iter();
            session.stream(counts.map(|contents| {
                Ok(ObjectCount { object: contents.object.as_str().to_owned(), records: contents.records })
            }))?;
        }
        // A name that the snapshot does not hold is told before the first line.
        let named = |name: &String| match catalogue::find_view(&ObjectName::new(name)) {
            Some(view) => Ok(Listed::View(view)),
            None => held(&snapshot, name).map(Listed::Object),
        };
        let listed = self.objects.iter().map(named).collect::<Result<Vec<_>, Failure>>()?;
        if listed.is_empty() {
            return Ok(Exit::Done);
        }
        let names = Names::of(&snapshot)?;
        let line = |record: Record| RecordLine { derived: names.id_columns(&record), record };
        for object in listed {
            let object = match object {
                Listed::View(view) => {
                    session.stream(diff::view(&snapshot, view)?.map(|record| Ok(line(record))))?;
                    continue;
                }
                Listed::Object(object) => object,
            };
            session.stream(snapshot.records(&object)?.map(|record| Ok(line(record?))))?;
        }
        Ok(Exit::Done)
    }
}

/// An object that the snapshot holds, by the name a person typed.
pub(crate) fn held(snapshot: &Snapshot<'_>, name: &str) -> Result<ObjectName, Failure> {
    let object = ObjectName::new(name);
    match snapshot.contents(&object) {
        Some(_) => Ok(object),
        None => {
            let id = snapshot.manifest().id.short().to_owned();
            Err(Failure::new(Exit::Failed, format!("snapshot {id} holds no object {name}"))
                .hint(format!("run \"pdbak ls {id}\" to see which objects it holds")))
        }
    }
}
