//! `pdbak tag`, `pdbak pin` and `pdbak hold`: how a snapshot stands.

use std::io::{self, Write};

use chrono::{DateTime, Datelike, NaiveDate, NaiveTime, Utc};
use clap::Args;
use serde::Serialize;

use crate::archive::{Mark, Standing};
use crate::cli::complain::Failure;
use crate::cli::exit::Exit;
use crate::cli::session::Session;
use crate::cli::show::{View, moment};

pub(crate) const TAG_EXAMPLES: &str = "\
Examples:
  pdbak tag latest --add audit --add \"before the move\"
  pdbak tag 3fa9 --remove audit
  pdbak tag 3fa9                    how it stands";
pub(crate) const PIN_EXAMPLES: &str = "\
Examples:
  pdbak pin latest                  no rule forgets it
  pdbak pin 3fa9 --off              rules decide again";
pub(crate) const HOLD_EXAMPLES: &str = "\
Examples:
  pdbak hold 3fa9 --until 2033-12-31
  pdbak hold 3fa9 --off             rules decide again";

/// Arguments of `pdbak tag`.
#[derive(Args, Debug)]
pub(crate) struct Tag {
    /// An id, the begin of one, a date, or "latest~2"
    #[arg(value_name = "SNAPSHOT")]
    snapshot: String,
    /// A word it gets; may be repeated
    #[arg(long, value_name = "TAG", value_parser = tag)]
    add: Vec<String>,
    /// A word it loses; may be repeated
    #[arg(long, value_name = "TAG", value_parser = tag)]
    remove: Vec<String>,
}

/// Arguments of `pdbak pin`.
#[derive(Args, Debug)]
pub(crate) struct Pin {
    /// An id, the begin of one, a date, or "latest~2"
    #[arg(value_name = "SNAPSHOT")]
    snapshot: String,
    /// Unpin it
    #[arg(long)]
    off: bool,
}

/// Arguments of `pdbak hold`.
#[derive(Args, Debug)]
pub(crate) struct Hold {
    /// An id, the begin of one, a date, or "latest~2"
    #[arg(value_name = "SNAPSHOT")]
    snapshot: String,
    /// The last day (UTC) on which it has to stay
    #[arg(long, value_name = "DATE", value_parser = day, required_unless_present = "off", conflicts_with = "off")]
    until: Option<NaiveDate>,
    /// Let it go
    #[arg(long)]
    off: bool,
}

/// A tag: not empty, and without the comma that stands between tags.
pub(crate) fn tag(text: &str) -> Result<String, String> {
    match text.trim() {
        "" => Err("a tag is a word".to_owned()),
        tag if tag.contains(',') => Err("a tag has no comma; give --add once for each".to_owned()),
        tag => Ok(tag.to_owned()),
    }
}

/// The last year that everybody writes with four digits.
const LAST_YEAR: i32 = 9999;

fn day(text: &str) -> Result<NaiveDate, String> {
    let day = text.parse::<NaiveDate>().ok().filter(|day| day.year() <= LAST_YEAR);
    day.ok_or_else(|| "it is no day such as 2033-12-31".to_owned())
}

/// How a snapshot stands.
#[derive(Serialize)]
struct Stands {
    snapshot: String,
    tags: Vec<String>,
    pinned: bool,
    held_until: Option<DateTime<Utc>>,
    /// It raised an alarm that nobody has acknowledged.
    alarmed: bool,
}

impl View for Stands {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let mut words: Vec<String> = self.tags.iter().map(|tag| format!("tag {tag}")).collect();
        words.extend(self.pinned.then(|| "pinned".to_owned()));
        words.extend(self.held_until.map(|until| format!("held until {} UTC", moment(until))));
        words.extend(self.alarmed.then(|| "an alarm is open".to_owned()));
        let words = if words.is_empty() { "no tags, not pinned, not held".to_owned() } else { words.join(", ") };
        writeln!(out, "snapshot {}: {words}", self.snapshot.get(..8).unwrap_or(&self.snapshot))
    }
}

fn marked(session: &Session, snapshot: &str, mark: Option<Mark>) -> Result<Exit, Failure> {
    let archive = session.archive()?;
    let id = archive.resolve(snapshot)?;
    if let Some(mark) = mark {
        archive.mark(&[archive.snapshot(&id)?.manifest()], mark)?;
    }
    let Standing { tags, pinned, held, alarmed } = archive.standing(&id)?;
    let (snapshot, tags) = (id.to_string(), tags.into_iter().collect());
    session.show(&Stands { snapshot, tags, pinned, held_until: held, alarmed })?;
    Ok(Exit::Done)
}

impl Tag {
    pub(crate) fn run(self, session: &Session) -> Result<Exit, Failure> {
        let Tag { snapshot, add, remove } = self;
        let mark = (!add.is_empty() || !remove.is_empty()).then_some(Mark::Tagged { add, remove });
        marked(session, &snapshot, mark)
    }
}

impl Pin {
    pub(crate) fn run(self, session: &Session) -> Result<Exit, Failure> {
        marked(session, &self.snapshot, Some(Mark::Pinned { on: !self.off }))
    }
}

impl Hold {
    pub(crate) fn run(self, session: &Session) -> Result<Exit, Failure> {
        if let Some(past) = self.until.filter(|day| *day < session.clock().now().date_naive()) {
            return Err(Failure::usage(format!("{past} is over: a snapshot is held through a day to come"))
                .hint("give --off to let it go"));
        }
        // Held through the whole of the day: until the next begins.
        let day_after = self.until.and_then(|day| day.succ_opt());
        let until = day_after.map(|day| day.and_time(NaiveTime::MIN).and_utc());
        marked(session, &self.snapshot, Some(Mark::Held { until }))
    }
}
