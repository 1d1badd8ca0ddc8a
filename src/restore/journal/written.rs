//! How a plan stands in its journal: what it is about in the first entry, then what it leaves out and its steps, some
//! hundred an entry; and how the journal ends, with what was read back, the findings, and the report.
//!
//! So a plan of any length is written and read in little memory, and a crash while it
//! is written down leaves a journal that says so: nothing was sent, and the same plan
//! is written to its end the next time.

use std::collections::BTreeMap;
use std::sync::Arc;

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
use crate::restore::report::{Finding, Report};
use crate::restore::row::RowText;

/// Steps, or rows, that one entry holds.
pub(super) const AN_ENTRY: usize = 500;

/// The first entry.
#[derive(Serialize)]
struct Begins<'p> {
    entry: &'static str,
    at: DateTime<Utc>,
    digest: &'p str,
    left_out: usize,
    steps: usize,
    plan: Head<'p>,
}

/// Everything of a plan but its steps and what does not come back, which can be as long as they are.
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
    left_out: [LeftOut; 0],
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
            left_out: _,
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
            left_out: [],
            by_nature,
            kept,
            conflicts,
            keys,
            side_effects,
            price,
        }
    }
}

/// An entry with more of the plan.
#[derive(Serialize)]
#[serde(tag = "entry", rename_all = "snake_case")]
enum More<'p> {
    /// What does not come back.
    LeftOut { left_out: &'p [LeftOut] },
    /// Steps.
    Steps { steps: &'p [Step] },
}

impl More<'_> {
    /// Everything of a plan that its first entry lacks.
    fn of(plan: &Plan) -> impl Iterator<Item = More<'_>> {
        let left_out = plan.left_out.chunks(AN_ENTRY).map(|left_out| More::LeftOut { left_out });
        left_out.chain(plan.steps.chunks(AN_ENTRY).map(|steps| More::Steps { steps }))
    }
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

/// An entry with findings of the report, from this one on.
#[derive(Serialize)]
pub(super) struct Findings<'r> {
    entry: &'static str,
    from: usize,
    findings: &'r [Finding],
}

impl<'r> Findings<'r> {
    pub(super) fn of(report: &'r Report) -> impl Iterator<Item = Findings<'r>> {
        let pieces = report.findings.chunks(AN_ENTRY).enumerate();
        pieces.map(|(at, findings)| Findings { entry: "findings", from: at * AN_ENTRY, findings })
    }
}

/// The last entry: the report without what stands elsewhere in the journal, its findings and what the plan left out.
#[derive(Serialize)]
pub(super) struct Ends {
    entry: &'static str,
    findings: usize,
    report: Report,
}

impl Ends {
    pub(super) fn with(report: &Report) -> Ends {
        // Taken apart, so that nothing is copied that can be long.
        let Report { journal, goal, objects, kept, trimmed, fields, names, .. } = report;
        let short = Report {
            journal: journal.clone(),
            goal: goal.clone(),
            objects: objects.clone(),
            findings: Vec::new(),
            left_out: Arc::default(),
            kept: kept.clone(),
            trimmed: trimmed.clone(),
            fields: fields.clone(),
            names: names.clone(),
            ..*report
        };
        Ends { entry: "report", findings: report.findings.len(), report: short }
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
            let (left_out, steps) = (plan.left_out.len(), plan.steps.len());
            log.append(&Begins { entry: "plan", at, digest: &digest, left_out, steps, plan: Head::of(plan) })?;
        }
        let written = log.entries() as usize - 1;
        for more in More::of(plan).skip(written) {
            log.append(&more)?;
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
    /// Its plan is to leave out so much, and to have so many steps.
    Plan {
        plan: Box<Plan>,
        begun: DateTime<Utc>,
        left_out: Vec<LeftOut>,
        whole: [usize; 2],
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
                // In older journals it stands in the first entry.
                let left_out = plan.left_out.to_vec();
                let mut number = |field: &str, own: usize| part(field).as_u64().map_or(own, |number| number as usize);
                let whole = [number("left_out", left_out.len()), number("steps", plan.steps.len())];
                let begun = serde_json::from_value(part("at")).map_err(words)?;
                Ok(Reading::Plan { plan, begun, left_out, whole }.once_whole(own))
            }
            Reading::Plan { mut plan, begun, mut left_out, whole } => {
                match part("left_out") {
                    Value::Null => {
                        let steps: Vec<Step> = serde_json::from_value(part("steps")).map_err(words)?;
                        plan.steps.extend(steps);
                    }
                    more => left_out.extend(serde_json::from_value::<Vec<LeftOut>>(more).map_err(words)?),
                }
                Ok(Reading::Plan { plan, begun, left_out, whole }.once_whole(own))
            }
            Reading::Journal(mut journal, plan) => {
                journal.learn(&entry, &plan).map_err(words)?;
                Ok(Reading::Journal(journal, plan))
            }
        }
    }

    /// A plan with all of its steps is followed by what became of them.
    fn once_whole(self, (name, clock): (&str, Clock)) -> Reading {
        match self {
            Reading::Plan { mut plan, begun, left_out, whole: [left, steps] }
                if left_out.len() >= left && plan.steps.len() >= steps =>
            {
                plan.left_out = left_out.into();
                let journal = Journal::new(None, clock, (name.to_owned(), String::new()), begun);
                Reading::Journal(Box::new(journal), plan)
            }
            other => other,
        }
    }
}
