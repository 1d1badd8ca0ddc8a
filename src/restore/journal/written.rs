//! How a plan stands in its journal: what it is about in the first entry, then its steps, some hundred an entry; and how
//! the journal ends, with what was read back and the report.
//!
//! So a plan of any length is written and read in little memory, and a crash while it
//! is written down leaves a journal that says so: nothing was sent, and the same plan
//! is written to its end the next time.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;

use crate::archive::{Archive, SnapshotId};
use crate::clock::Clock;
use crate::record::RecordId;
use crate::restore::journal::{Journal, NoJournal};
use crate::restore::past::Past;
use crate::restore::plan::{ByNature, Conflict, Dangling, Drawn, Kept, LeftOut, Plan, Price, SideEffects, Step};
use crate::restore::policy::Policy;
use crate::restore::report::Report;
use crate::restore::row::RowText;

/// Steps, or rows, that one entry holds.
pub(super) const AN_ENTRY: usize = 500;

/// The first entry.
#[derive(Serialize)]
struct Begins<'p> {
    entry: &'static str,
    at: DateTime<Utc>,
    digest: &'p str,
    steps: usize,
    plan: Head<'p>,
}

/// Everything of a plan but its steps. Borrowed: what does not come back can be as long as they are.
#[derive(Serialize)]
struct Head<'p> {
    format: u32,
    goal: &'p SnapshotId,
    seen: &'p SnapshotId,
    company: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    past: Option<&'p Past>,
    policy: &'p Policy,
    steps: [Step; 0],
    drawn: &'p BTreeMap<String, Drawn>,
    dangling: &'p BTreeMap<String, Dangling>,
    left_out: &'p [LeftOut],
    by_nature: &'p [ByNature],
    kept: &'p [Kept],
    conflicts: &'p [Conflict],
    keys: &'p BTreeMap<String, String>,
    side_effects: &'p SideEffects,
    price: Price,
}

impl<'p> Head<'p> {
    fn of(plan: &'p Plan) -> Head<'p> {
        // Taken apart, so that no field can be forgotten.
        let Plan {
            format,
            goal,
            seen,
            company,
            from,
            past,
            policy,
            steps: _,
            drawn,
            dangling,
            left_out,
            by_nature,
            kept,
            conflicts,
            keys,
            side_effects,
            price,
        } = plan;
        let (format, company, from, past, price) = (*format, *company, *from, past.as_ref(), *price);
        Head {
            format,
            goal,
            seen,
            company,
            from,
            past,
            policy,
            steps: [],
            drawn,
            dangling,
            left_out,
            by_nature,
            kept,
            conflicts,
            keys,
            side_effects,
            price,
        }
    }
}

/// An entry with the next steps of the plan.
#[derive(Serialize)]
struct Steps<'p> {
    entry: &'static str,
    steps: &'p [Step],
}

/// An entry with rows as they were read back, where a later step had changed what was answered.
#[derive(Serialize)]
pub(super) struct After<'r> {
    entry: &'static str,
    rows: BTreeMap<String, &'r RowText>,
}

impl<'r> After<'r> {
    pub(super) fn of(rows: &'r [(RecordId, RowText)]) -> After<'r> {
        After { entry: "after", rows: rows.iter().map(|(record, row)| (record.to_string(), row)).collect() }
    }
}

/// The last entry.
#[derive(Serialize)]
pub(super) struct Ends<'r> {
    entry: &'static str,
    report: &'r Report,
}

impl<'r> Ends<'r> {
    pub(super) fn with(report: &'r Report) -> Ends<'r> {
        Ends { entry: "report", report }
    }
}

impl Journal {
    /// Begins the journal of a plan, which becomes its first entries. A journal that was cut before its plan was whole is
    /// written to its end.
    pub fn create(archive: &Archive, plan: &Plan, clock: Clock) -> Result<Journal, NoJournal> {
        let digest = plan.digest();
        let name = digest[..16].to_owned();
        let mut log = match archive.logs()?.contains(&name) {
            false => archive.create_log(&name)?,
            true => match Journal::read(archive, &name, clock) {
                Err(NoJournal::Cut(_)) => archive.open_log(&name)?,
                Err(error) => return Err(error),
                Ok(_) => return Err(NoJournal::Begun(name)),
            },
        };
        let at = clock.now();
        if log.entries() == 0 {
            let (steps, plan) = (plan.steps.len(), Head::of(plan));
            log.append(&Begins { entry: "plan", at, digest: &digest, steps, plan })?;
        }
        let written = log.entries() as usize - 1;
        for steps in plan.steps.chunks(AN_ENTRY).skip(written) {
            log.append(&Steps { entry: "steps", steps })?;
        }
        Ok(Journal::new(Some(log), clock, (name, digest), at))
    }

    /// Every journal of the archive with its plan, one after the other; one that a crash has cut before its plan was whole
    /// is nobody's.
    pub fn all(
        archive: &Archive,
        clock: Clock,
    ) -> Result<impl Iterator<Item = Result<(Journal, Plan), NoJournal>>, NoJournal> {
        let names = archive.logs()?.into_iter();
        let whole = |read: &Result<_, NoJournal>| !matches!(read, Err(NoJournal::Cut(_)));
        Ok(names.map(move |name| Journal::read(archive, &name, clock)).filter(whole))
    }

    /// Reads the journal of an earlier replay, to look at it.
    pub fn read(archive: &Archive, name: &str, clock: Clock) -> Result<(Journal, Plan), NoJournal> {
        let mut reading = Ok(Reading::Nothing);
        archive.walk_log(name, &mut |entry| {
            let read = std::mem::replace(&mut reading, Ok(Reading::Nothing));
            reading = read.and_then(|read| read.and(entry, (name, clock)));
        })?;
        match reading {
            Ok(Reading::Journal(mut journal, plan)) => {
                journal.digest = plan.digest();
                Ok((*journal, *plan))
            }
            Ok(Reading::Nothing | Reading::Plan { .. }) => Err(NoJournal::Cut(name.to_owned())),
            Err(fact) => Err(NoJournal::Damaged { name: name.to_owned(), fact }),
        }
    }
}

/// A journal as far as it was read.
enum Reading {
    Nothing,
    /// Its plan is to have so many steps.
    Plan {
        plan: Box<Plan>,
        begun: DateTime<Utc>,
        steps: usize,
    },
    Journal(Box<Journal>, Box<Plan>),
}

impl Reading {
    /// The same with the next entry; what is wrong with that one, if so.
    fn and(self, mut entry: Value, own: (&str, Clock)) -> Result<Reading, String> {
        let words = |error: serde_json::Error| error.to_string();
        let mut part = |field: &str| entry.get_mut(field).map(Value::take).unwrap_or_default();
        match self {
            Reading::Nothing => {
                let plan = part("plan");
                if plan.is_null() {
                    return Err("it does not begin with a plan".to_owned());
                }
                let plan: Box<Plan> = serde_json::from_value(plan).map_err(words)?;
                let steps = part("steps").as_u64().map_or(plan.steps.len(), |steps| steps as usize);
                let begun = serde_json::from_value(part("at")).map_err(words)?;
                Ok(Reading::Plan { plan, begun, steps }.once_whole(own))
            }
            Reading::Plan { mut plan, begun, steps } => {
                let more: Vec<Step> = serde_json::from_value(part("steps")).map_err(words)?;
                plan.steps.extend(more);
                Ok(Reading::Plan { plan, begun, steps }.once_whole(own))
            }
            Reading::Journal(mut journal, plan) => {
                journal.learn(&entry).map_err(words)?;
                Ok(Reading::Journal(journal, plan))
            }
        }
    }

    /// A plan with all of its steps is followed by what became of them.
    fn once_whole(self, (name, clock): (&str, Clock)) -> Reading {
        match self {
            Reading::Plan { plan, begun, steps } if plan.steps.len() >= steps => {
                let journal = Journal::new(None, clock, (name.to_owned(), String::new()), begun);
                Reading::Journal(Box::new(journal), plan)
            }
            other => other,
        }
    }
}
