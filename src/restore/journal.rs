//! Append-only: the intent before the request, the outcome after the answer.
//!
//! A step whose intent is on disk and whose outcome is not is in doubt: the
//! process died or the answer was lost, and only looking at the account tells
//! whether the write took place (`doubt.rs`). The disk is waited for once a turn,
//! not once a request: the outcomes that came in and the intents that leave next
//! share one entry. So no intent is on disk before the outcomes it relies on, and
//! an outcome that did not get there is a doubt like any other.
//! Each intent holds the row as it was before: what a restore changed can be told,
//! and taken back, from its journal alone.

mod written;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::archive::{self, Archive, Log};
use crate::clock::Clock;
use crate::record::{Key, RecordId};
use crate::restore::fill::{Known, text};
use crate::restore::plan::{LiveId, Plan, StepNumber};
use crate::restore::report::{Cost, Finding, Report};
use crate::restore::row::RowText;

/// Why a journal cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum NoJournal {
    /// The archive cannot write or read it.
    #[error(transparent)]
    Archive(#[from] archive::Error),
    /// Its entries do not read as a journal.
    #[error("journal {name} is damaged: {fact}")]
    Damaged {
        /// The journal's name.
        name: String,
        /// What is wrong.
        fact: String,
    },
    /// The plan was replayed before, or at least begun.
    #[error("plan {0} was begun before")]
    Begun(String),
    /// A crash has cut it while its plan was written down: nothing was sent.
    #[error("journal {0} does not hold its whole plan: nothing of it was sent")]
    Cut(String),
}

/// Where a replay stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Standing {
    /// Nothing was sent.
    Fresh,
    /// Some steps have ended.
    Partly {
        /// How many.
        done: usize,
    },
    /// A step was sent and its answer is not known.
    InDoubt(StepNumber),
    /// Every step has ended and the report is written.
    Complete,
    /// It was taken back before its end: nobody goes on with it.
    TakenBack,
}

/// What is about to be sent.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(super) struct Intent {
    pub(super) step: StepNumber,
    /// The body.
    pub(super) sent: Map<String, Value>,
    /// The parent a record is made under.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) under: Option<String>,
    /// The row as it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) before: Option<Map<String, Value>>,
}

/// How a step ended.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(super) struct Outcome {
    pub(super) step: StepNumber,
    pub(super) was: Was,
    /// The record as the goal names it; none of deletions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) record: Option<GoalId>,
    /// Its identity in the account now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) live: Option<LiveId>,
    /// The row as the service answered it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) row: Option<Map<String, Value>>,
    /// What it removed from a record that was brought back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) removed: Vec<LiveId>,
    /// The server's words, or ours.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) words: String,
}

/// A record as the goal names it, as text.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct GoalId(#[serde(with = "text")] pub(super) RecordId);

/// The ways a step can end.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Was {
    /// Written.
    Done,
    /// The account had it already, or took it before an answer was lost.
    Adopted,
    /// It came back with its id.
    Revived,
    /// There was nothing to write any more.
    Equal,
    /// The service refused it.
    Refused,
    /// The record moved since the plan.
    Conflict,
    /// Something it needs was not made.
    Skipped,
    /// It never left: to be sent when the replay goes on.
    Unsent,
}

/// The record of one replay.
pub struct Journal {
    /// None while it is only looked at.
    log: Option<Log>,
    clock: Clock,
    name: String,
    digest: String,
    ended: BTreeMap<StepNumber, Outcome>,
    doubt: BTreeMap<StepNumber, (DateTime<Utc>, Intent)>,
    /// Steps whose request left more than once: the first may yet take place.
    again: BTreeSet<StepNumber>,
    sent: BTreeSet<StepNumber>,
    /// Outcomes that are known and not on disk yet.
    unwritten: Vec<Outcome>,
    now: HashMap<RecordId, Key>,
    /// Every record of the account that a step made or found.
    claimed: HashSet<RecordId>,
    rows: HashMap<RecordId, RowText>,
    /// Findings that were read, of a report that was not yet.
    findings: Vec<Finding>,
    report: Option<Arc<Report>>,
    /// The journal of the restore that took this one back.
    undone: Option<String>,
    /// When it was begun.
    begun: DateTime<Utc>,
    /// When its newest entry was made, as far as it was read.
    touched: DateTime<Utc>,
    /// What all runs have cost so far.
    spent: Cost,
}

impl Journal {
    /// Opens the journal of an earlier replay; answers its plan too.
    pub fn resume(archive: &Archive, name: &str, clock: Clock) -> Result<(Journal, Plan), NoJournal> {
        // Opened before it is read: what another run appends meanwhile shows by its length.
        let log = archive.open_log(name)?;
        let (mut journal, plan) = Journal::read(archive, name, clock)?;
        journal.log = Some(log);
        Ok((journal, plan))
    }

    fn new(log: Option<Log>, clock: Clock, (name, digest): (String, String), begun: DateTime<Utc>) -> Journal {
        Journal {
            log,
            clock,
            name,
            digest,
            ended: BTreeMap::new(),
            doubt: BTreeMap::new(),
            again: BTreeSet::new(),
            sent: BTreeSet::new(),
            unwritten: Vec::new(),
            claimed: HashSet::new(),
            now: HashMap::new(),
            rows: HashMap::new(),
            findings: Vec::new(),
            report: None,
            undone: None,
            begun,
            touched: begun,
            spent: Cost::default(),
        }
    }

    /// Whether nobody else has gone on with it since it was opened.
    pub(super) fn is_current(&self) -> Result<bool, archive::Error> {
        self.log.as_ref().map_or(Ok(true), Log::is_current)
    }

    /// The name under which it can be resumed.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The digest of the plan it belongs to.
    pub fn plan(&self) -> &str {
        &self.digest
    }

    /// The report, once every step has ended.
    pub fn report(&self) -> Option<&Report> {
        self.report.as_deref()
    }

    /// The same, to be kept: of a large restore it is long.
    pub(super) fn shared_report(&self) -> Option<Arc<Report>> {
        self.report.clone()
    }

    /// Where the replay stands.
    pub fn standing(&self) -> Standing {
        match (self.doubt.keys().next(), &self.report, self.ended.len()) {
            (_, None, _) if self.undone.is_some() => Standing::TakenBack,
            (Some(step), _, _) => Standing::InDoubt(*step),
            (None, Some(_), _) => Standing::Complete,
            (None, None, 0) => Standing::Fresh,
            (None, None, done) => Standing::Partly { done },
        }
    }

    /// When it was begun.
    pub fn begun(&self) -> DateTime<Utc> {
        self.begun
    }

    /// When its newest entry was made, as far as it was read.
    pub(super) fn touched(&self) -> DateTime<Utc> {
        self.touched
    }

    /// The restore that took this one back, if one did.
    pub fn undone(&self) -> Option<&str> {
        self.undone.as_deref()
    }

    /// Writes down that a restore takes this one back: nobody goes on with it.
    pub fn take_back(&mut self, by: &str) -> Result<(), archive::Error> {
        self.append(&json!({"entry": "undone", "at": self.clock.now(), "by": by}))?;
        self.undone = Some(by.to_owned());
        Ok(())
    }

    /// How many steps have ended.
    pub fn done(&self) -> usize {
        self.ended.len()
    }

    pub(super) fn ended(&self, step: StepNumber) -> Option<&Outcome> {
        self.ended.get(&step)
    }

    /// Whether a request of the step ever left.
    pub(super) fn has_sent(&self, step: StepNumber) -> bool {
        self.sent.contains(&step)
    }

    /// Requests whose outcome is not known, and when they were about to leave.
    pub(super) fn in_doubt(&self) -> Vec<(DateTime<Utc>, Intent)> {
        self.doubt.values().cloned().collect()
    }

    /// Steps whose request left more than once.
    pub(super) fn sent_again(&self) -> impl Iterator<Item = StepNumber> {
        self.again.iter().copied()
    }

    /// The last row the service answered for a record.
    pub(super) fn row(&self, record: &RecordId) -> Option<&RowText> {
        self.rows.get(record)
    }

    /// Whether the account's record is one that this replay made or found.
    pub(super) fn claims(&self, live: &RecordId) -> bool {
        self.claimed.contains(live)
    }

    /// Takes note of an outcome; it is on disk with the next entry, which every step that relies on it waits for.
    pub(super) fn note(&mut self, outcome: Outcome) {
        self.unwritten.push(outcome.clone());
        self.take(outcome);
    }

    /// Puts the noted outcomes and these intents on disk; the intents' requests may leave afterwards.
    pub(super) fn commit(&mut self, intents: Vec<Intent>) -> Result<(), archive::Error> {
        if intents.is_empty() && self.unwritten.is_empty() {
            return Ok(());
        }
        let at = self.clock.now();
        let entry = json!({
            "entry": "turn", "at": at, "spent": self.spent, "outcomes": self.unwritten, "intents": intents,
        });
        self.append(&entry)?;
        self.unwritten.clear();
        self.expect(at, intents);
        Ok(())
    }

    /// What all runs have cost so far; a run that was killed told it with its last entry.
    pub(super) fn spent(&self) -> Cost {
        self.spent
    }

    /// Takes note of what all runs have cost; it is on disk with the next entry.
    pub(super) fn spend(&mut self, spent: Cost) {
        self.spent = spent;
    }

    /// The time now.
    pub(super) fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// The clock that times are written by.
    pub(super) fn clock(&self) -> Clock {
        self.clock
    }

    /// Ends the journal. Rows that were read back otherwise than they were answered are kept: a later step may have
    /// changed them, and taking the restore back begins there.
    pub(super) fn seal(
        &mut self,
        report: &Arc<Report>,
        rows: HashMap<RecordId, RowText>,
    ) -> Result<(), archive::Error> {
        let other: Vec<(RecordId, RowText)> =
            rows.into_iter().filter(|(record, row)| self.rows.get(record) != Some(row)).collect();
        for rows in other.chunks(written::AN_ENTRY) {
            self.append(&written::After::of(rows))?;
        }
        for findings in written::Findings::of(report) {
            self.append(&findings)?;
        }
        self.append(&written::Ends::with(report))?;
        self.rows.extend(other);
        self.report = Some(Arc::clone(report));
        Ok(())
    }

    fn append(&mut self, entry: &impl Serialize) -> Result<(), archive::Error> {
        self.log.as_mut().expect("who only looks at a journal writes nothing").append(entry)
    }

    fn learn(&mut self, entry: &Value, plan: &Plan) -> Result<(), serde_json::Error> {
        let field = |name: &str| entry.get(name).cloned().unwrap_or_default();
        match entry.get("entry").and_then(Value::as_str) {
            Some("turn") => {
                let at: DateTime<Utc> = serde_json::from_value(field("at"))?;
                let outcomes: Vec<Outcome> = serde_json::from_value(field("outcomes"))?;
                let intents: Vec<Intent> = serde_json::from_value(field("intents"))?;
                self.spent = serde_json::from_value(field("spent"))?;
                self.touched = at;
                outcomes.into_iter().for_each(|outcome| self.take(outcome));
                self.expect(at, intents);
            }
            Some("after") => self.learn_rows(field("rows"))?,
            Some("findings") => {
                // A crash before the report leaves findings that the next run finds anew.
                self.findings.truncate(serde_json::from_value(field("from"))?);
                self.findings.extend(serde_json::from_value::<Vec<Finding>>(field("findings"))?);
            }
            Some("report") => {
                let mut report: Report = serde_json::from_value(field("report"))?;
                // In older journals everything stands here, rows that were read back as well.
                if let Some(findings) = entry.get("findings").and_then(Value::as_u64) {
                    self.findings.truncate(findings as usize);
                    report.findings = std::mem::take(&mut self.findings);
                }
                report.left_out = Arc::clone(&plan.left_out);
                self.report = Some(Arc::new(report));
                self.learn_rows(field("after"))?;
            }
            Some("undone") => self.undone = field("by").as_str().map(str::to_owned),
            _ => {}
        }
        Ok(())
    }

    fn learn_rows(&mut self, rows: Value) -> Result<(), serde_json::Error> {
        let rows: Option<BTreeMap<String, Map<String, Value>>> = serde_json::from_value(rows)?;
        let rows = rows.into_iter().flatten();
        self.rows.extend(rows.filter_map(|(id, row)| Some((RecordId::parse(&id)?, RowText::of(&row)))));
        Ok(())
    }

    fn expect(&mut self, at: DateTime<Utc>, intents: Vec<Intent>) {
        for intent in intents {
            if !self.sent.insert(intent.step) {
                self.again.insert(intent.step);
            }
            self.doubt.insert(intent.step, (at, intent));
        }
    }

    fn take(&mut self, mut outcome: Outcome) {
        self.doubt.remove(&outcome.step);
        if outcome.was == Was::Unsent {
            return;
        }
        self.claimed.extend(outcome.live.iter().map(|live| live.0.clone()));
        // The row is kept once, under its record; of what is deleted nobody asks for it.
        let row = outcome.row.take();
        if let (Some(GoalId(record)), Some(live)) = (&outcome.record, &outcome.live) {
            self.now.insert(record.clone(), live.0.key.clone());
            if let Some(row) = row {
                self.rows.insert(record.clone(), RowText::of(&row));
            }
        }
        self.ended.insert(outcome.step, outcome);
    }
}

impl Known for Journal {
    fn id(&self, record: &RecordId) -> Option<Key> {
        self.now.get(record).cloned()
    }

    fn field(&self, record: &RecordId, field: &str) -> Option<Value> {
        self.rows.get(record)?.fields().remove(field)
    }
}

/// Old and new identities that an entry tells.
pub(super) fn identities(entry: &Value) -> Vec<(RecordId, RecordId)> {
    let outcomes = entry.get("outcomes").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let pair = |outcome: &Value| {
        let id = |name: &str| RecordId::parse(outcome.get(name)?.as_str()?);
        Some((id("record")?, id("live")?))
    };
    outcomes.iter().filter_map(pair).collect()
}
