//! `pdbak ls`: the objects of a snapshot, or the records of one object.

use std::io::{self, Write};

use clap::Args;
use serde::Serialize;

use crate::archive::Snapshot;
use crate::catalogue::{self, ObjectName};
use crate::cli::command::restore::FILTER_HELP;
use crate::cli::command::show::SNAPSHOT_HELP;
use crate::cli::complain::Failure;
use crate::cli::exit::Exit;
use crate::cli::session::Session;
use crate::cli::show::records::RecordLine;
use crate::cli::show::{View, number};
use crate::diff::{self, Filter, Names};
use crate::record::Record;
use crate::restore::CannotPlan;

pub(crate) const EXAMPLES: &str = r#"Examples:
  pdbak ls latest                          the objects, with how many records each has
  pdbak ls latest Deals                    the deals, a line each
  pdbak ls latest Deals --json             the deals whole, one JSON document a line
  pdbak ls latest Deals --filter 'value > 10000 and Stage = "Offer sent"'
                                           the deals that are like this
  pdbak ls latest DealPersons              who takes part in which deal, from what deals and participants say
  pdbak ls latest Deals Persons --json     the records of several objects, one after the other"#;

/// Arguments of `pdbak ls`.
#[derive(Args, Debug)]
pub(crate) struct Ls {
    #[arg(value_name = "SNAPSHOT", default_value = "latest", help = SNAPSHOT_HELP)]
    snapshot: String,
    /// List the records of these objects
    #[arg(value_name = "OBJECT")]
    objects: Vec<String>,
    #[arg(long, value_name = "EXPR", value_parser = Filter::parse, requires = "objects", help = FILTER_HELP)]
    filter: Option<Filter>,
}

/// What a typed name means.
enum Listed {
    Object(ObjectName),
    View(&'static catalogue::View),
}

impl Listed {
    /// The object whose fields its records have.
    fn name(&self) -> ObjectName {
        match self {
            Listed::Object(object) => object.clone(),
            Listed::View(view) => ObjectName::known(view.name),
        }
    }
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
        if let (Some(_), Some(Listed::View(view))) =
            (&self.filter, listed.iter().find(|listed| matches!(listed, Listed::View(_))))
        {
            let title = ObjectName::known(view.name).title();
            return Err(Failure::usage(format!(
                "{title} is derived from other objects, and a filter looks at records"
            ))
            .hint("give --filter with the objects that \"pdbak ls SNAPSHOT\" lists"));
        }
        // So is a field that one of them does not have.
        let sieve = |listed: &Listed| self.filter.as_ref().map(|filter| filter.on(&names, &listed.name())).transpose();
        let sieves = listed.iter().map(sieve).collect::<Result<Vec<_>, _>>().map_err(CannotPlan::from)?;
        let line = |record: Record| RecordLine { derived: names.id_columns(&record), record };
        for (object, sieve) in listed.iter().zip(&sieves) {
            let wanted = |record: &Record| sieve.as_ref().is_none_or(|sieve| sieve.passes(&names, record));
            match object {
                Listed::View(view) => {
                    let records = diff::view(&snapshot, view)?.filter(wanted);
                    session.stream(records.map(|record| Ok(line(record))))?;
                }
                Listed::Object(object) => {
                    let records = snapshot.records(object)?;
                    let records = records.filter(|record| record.as_ref().map_or(true, wanted));
                    session.stream(records.map(|record| Ok(line(record?))))?;
                }
            }
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
