//! Turns the rows read back after a replay into the fidelity report.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::archive::{Error, Snapshot};
use crate::catalogue::Object;
use crate::diff::Lineage;
use crate::record::{Key, Record, RecordId};
use crate::restore::cases::{object_of, places};
use crate::restore::definitions::Definitions;
use crate::restore::fill::Known;
use crate::restore::journal::{Journal, Outcome, Was};
use crate::restore::plan::{Action, Conflict, LiveId, Plan, Reason, Step};
use crate::restore::planner::home;
use crate::restore::report::{Bill, Cost, Difference, Differences, FieldTally, Finding, Report, Tally, Verdict};
use crate::restore::request::is_deleted;
use crate::restore::row::RowText;
use crate::restore::state::State;
use crate::restore::verify::{Compared, Expected, Told, compare};

/// The records that are in the account after the replay, by object: as the goal names them, and their keys now.
pub(super) fn touched(plan: &Plan, journal: &Journal) -> BTreeMap<&'static str, Vec<(RecordId, Key)>> {
    let mut touched: BTreeMap<&'static str, BTreeMap<RecordId, Key>> = BTreeMap::new();
    for step in &plan.steps {
        let record = step.record();
        if let (Some(object), Some(now), false) =
            (object_of(record), journal.id(record), matches!(step.action, Action::Delete { .. }))
        {
            touched.entry(object.name).or_default().insert(record.clone(), now);
        }
    }
    touched.into_iter().map(|(name, records)| (name, records.into_iter().collect())).collect()
}

/// Whether an answered row shows every writable field that the goal has, so that reading again would bring nothing.
pub(super) fn is_whole(
    goal: &Snapshot<'_>,
    object: &'static Object,
    record: &RecordId,
    row: &Map<String, Value>,
) -> bool {
    let Ok(Some(then)) = State::find(goal, record) else { return true };
    let then = then.fields();
    let mut fields = object.writable().filter(|field| then.get(*field).is_some_and(|value| !value.is_null()));
    object.extended.is_empty() && !row.is_empty() && fields.all(|field| row.contains_key(field))
}

/// What is known of the goal's records: what this restore made, and what earlier ones had made again before it began.
struct Heirs<'a> {
    journal: &'a Journal,
    lineage: &'a Lineage,
    seen: &'a Snapshot<'a>,
}

impl Heirs<'_> {
    fn was_there(&self, id: &RecordId) -> bool {
        places(id).iter().any(|place| matches!(State::find(self.seen, place), Ok(Some(_))))
    }
}

impl Known for Heirs<'_> {
    fn id(&self, record: &RecordId) -> Option<Key> {
        let earlier = || {
            let heir = self.lineage.newest(record, |heir| self.was_there(heir))?;
            // A number that is alive again means what it meant.
            (!self.was_there(record)).then(|| heir.key.clone())
        };
        self.journal.id(record).or_else(earlier)
    }

    fn field(&self, record: &RecordId, field: &str) -> Option<Value> {
        self.journal.field(record, field)
    }
}

/// The report.
pub(super) fn report(
    plan: &Plan,
    (journal, lineage): (&Journal, &Lineage),
    [goal, seen]: [&Snapshot<'_>; 2],
    rows: &HashMap<RecordId, RowText>,
    twins: &BTreeMap<RecordId, Vec<RecordId>>,
) -> Result<Report, Error> {
    let mut report = Report {
        journal: journal.name().to_owned(),
        goal: plan.goal.clone(),
        finished: journal.now(),
        objects: BTreeMap::new(),
        total: Tally::default(),
        findings: Vec::new(),
        left_out: Arc::clone(&plan.left_out),
        kept: plan.kept.clone(),
        expelled: expelled(plan, journal),
        trimmed: trimmed(plan, journal),
        bill: Bill {
            planned: Cost { tokens: plan.price().tokens(), requests: plan.price().requests },
            spent: journal.spent(),
        },
        fields: BTreeMap::new(),
        names: BTreeMap::new(),
    };
    let definitions = Definitions::of(goal)?;
    let expected = Expected::of(plan);
    let heirs = Heirs { journal, lineage, seen };
    let paused = remade(plan, &[Reason::Paused]);
    for (record, outcomes) in by_record(plan, journal) {
        // A webhook that was out of the way is to be as it was in the account.
        let goal = if paused.contains(record) { seen } else { goal };
        let (mut finding, equal) = match trouble(record, &outcomes) {
            Some(finding) => (finding, Vec::new()),
            None => judged(record, goal, rows, &expected, (&heirs, &definitions))?,
        };
        if finding.verdict == Verdict::Failed && finding.words.is_empty() {
            finding.words = words(&outcomes);
        }
        for twin in twins.get(record).into_iter().flatten() {
            finding.verdict = Verdict::Failed;
            finding.words.push(format!("{twin} shows the same and was not made by an answered request: it is a twin"));
        }
        let title = record.object.title();
        report.objects.entry(title.clone()).or_default().count(finding.verdict);
        report.total.count(finding.verdict);
        let sent = || expected.sent(record);
        count_fields(report.fields.entry(title).or_default(), &finding, (&equal, &sent));
        finding.live = finding.live.or_else(|| outcomes.iter().rev().find_map(|outcome| outcome.live.clone()));
        if !matches!(finding.verdict, Verdict::Equal | Verdict::Deleted) {
            report.findings.push(finding);
        }
    }
    contested(plan, &mut report);
    report.fields.retain(|_, fields| !fields.is_empty());
    let told = report.fields.values().flat_map(BTreeMap::keys).filter_map(|field| field.strip_prefix("custom_fields."));
    let told: BTreeSet<&str> = told.collect();
    let named = definitions.all().flat_map(|(_, fields)| fields).filter(|(code, _)| told.contains(code.as_str()));
    report.names = named.map(|(code, field)| (code.clone(), field.name.clone())).collect();
    Ok(report)
}

/// Records of which the account keeps a value that was edited again: they are not as the goal had them.
fn contested(plan: &Plan, report: &mut Report) {
    let mut kept: BTreeMap<&RecordId, Vec<&Conflict>> = BTreeMap::new();
    plan.conflicts_kept().for_each(|conflict| kept.entry(&conflict.record).or_default().push(conflict));
    let touched: BTreeSet<&RecordId> = plan.steps.iter().map(Step::record).collect();
    for (record, conflicts) in kept {
        let name = record.to_string();
        let place = report.findings.iter().position(|finding| finding.record == name);
        let tally = report.objects.entry(record.object.title()).or_default();
        let before = place.map(|at| report.findings[at].verdict);
        // What failed or was found moved says more.
        if matches!(before, Some(Verdict::Failed | Verdict::Conflict)) {
            continue;
        }
        if let Some(before) = before.or(touched.contains(record).then_some(Verdict::Equal)) {
            tally.uncount(before);
            report.total.uncount(before);
        }
        tally.count(Verdict::Conflict);
        report.total.count(Verdict::Conflict);
        let own = report.fields.entry(record.object.title()).or_default();
        conflicts.iter().for_each(|conflict| own.entry(conflict.field.clone()).or_default().conflicts += 1);
        let fields = conflicts.iter().map(|conflict| Difference {
            field: conflict.field.clone(),
            wanted: conflict.goal.clone(),
            found: conflict.account.clone(),
            by_nature: false,
        });
        let fields: Vec<Difference> = fields.collect();
        let finding = Finding {
            record: name,
            live: None,
            verdict: Verdict::Conflict,
            fields: Differences::of(&fields),
            words: vec!["edited again since, and kept".to_owned()],
        };
        match place {
            Some(at) => report.findings[at] = finding,
            None => report.findings.push(finding),
        }
    }
}

/// Counts the fields of one record: the compared ones, or those that were sent in vain.
fn count_fields(
    fields: &mut BTreeMap<String, FieldTally>,
    finding: &Finding,
    (equal, sent): (&[String], &dyn Fn() -> BTreeSet<String>),
) {
    equal.iter().for_each(|field| fields.entry(field.clone()).or_default().equal += 1);
    for difference in finding.fields.list() {
        let tally = fields.entry(difference.field).or_default();
        *(if difference.by_nature { &mut tally.by_nature } else { &mut tally.failed }) += 1;
    }
    let compared = !equal.is_empty() || !finding.fields.is_empty();
    for field in if compared { BTreeSet::new() } else { sent() } {
        let tally = fields.entry(field).or_default();
        match finding.verdict {
            Verdict::Failed => tally.failed += 1,
            Verdict::Conflict => tally.conflicts += 1,
            Verdict::Equal | Verdict::ByNature | Verdict::Deleted => {}
        }
    }
}

/// How many rows were removed that the service had added by itself.
fn expelled(plan: &Plan, journal: &Journal) -> u64 {
    let expels = plan.steps.iter().filter(|step| matches!(step.action, Action::Expel(_)));
    let done = |step: &&Step| journal.ended(step.number).is_some_and(|outcome| outcome.was == Was::Done);
    expels.filter(done).count() as u64
}

/// What was removed from records that were brought back.
fn trimmed(plan: &Plan, journal: &Journal) -> Vec<LiveId> {
    let trims = plan.steps.iter().filter(|step| matches!(step.action, Action::Trim(_)));
    trims.filter_map(|step| journal.ended(step.number)).flat_map(|outcome| outcome.removed.clone()).collect()
}

/// The outcomes of every record the plan touches; a deletion that only makes room for the same record anew is part of it.
fn by_record<'j>(plan: &'j Plan, journal: &'j Journal) -> BTreeMap<&'j RecordId, Vec<&'j Outcome>> {
    let mut outcomes: BTreeMap<&RecordId, Vec<&Outcome>> = BTreeMap::new();
    let replaced = remade(plan, &[Reason::Replaced, Reason::Paused]);
    for step in &plan.steps {
        let Some(outcome) = journal.ended(step.number) else { continue };
        let making_room = matches!(step.action, Action::Delete { .. }) && replaced.contains(step.record());
        if !making_room || !matches!(outcome.was, Was::Done) {
            outcomes.entry(step.record()).or_default().push(outcome);
        }
    }
    outcomes
}

/// Records that are deleted and made again, for one of these reasons.
fn remade<'p>(plan: &'p Plan, reasons: &[Reason]) -> BTreeSet<&'p RecordId> {
    let again = |step: &&Step| matches!(step.action, Action::Create(_)) && reasons.contains(&step.reason);
    plan.steps.iter().filter(again).map(Step::record).collect()
}

/// A record of which a step was refused, skipped or found moved.
fn trouble(record: &RecordId, outcomes: &[&Outcome]) -> Option<Finding> {
    let verdict = if outcomes.iter().any(|outcome| outcome.was == Was::Conflict) {
        Verdict::Conflict
    } else if outcomes.iter().any(|outcome| matches!(outcome.was, Was::Refused | Was::Skipped)) {
        Verdict::Failed
    } else if outcomes.iter().all(|outcome| outcome.record.is_none()) {
        Verdict::Deleted
    } else {
        return None;
    };
    let fields = Differences::default();
    Some(Finding { record: record.to_string(), live: None, verdict, fields, words: words(outcomes) })
}

/// What was said on the way.
fn words(outcomes: &[&Outcome]) -> Vec<String> {
    outcomes.iter().map(|outcome| outcome.words.clone()).filter(|words| !words.is_empty()).collect()
}

/// What became of a record that was written, and the fields of it that are equal.
fn judged(
    record: &RecordId,
    goal: &Snapshot<'_>,
    rows: &HashMap<RecordId, RowText>,
    expected: &Expected<'_>,
    (heirs, definitions): (&Heirs<'_>, &Definitions),
) -> Result<(Finding, Vec<String>), Error> {
    let found = |verdict, words: &str| {
        let words = if words.is_empty() { Vec::new() } else { vec![words.to_owned()] };
        let fields = Differences::default();
        (Finding { record: record.to_string(), live: None, verdict, fields, words }, Vec::new())
    };
    let Some(object) = object_of(record) else { return Ok(found(Verdict::Failed, "its object is not known")) };
    // A parent that was only taken out of the archive for its parts is the goal's record too.
    let Some(then) = State::find(goal, record)? else { return Ok(found(Verdict::Equal, "")) };
    let Some(row) = rows.get(record).map(RowText::fields).filter(|row| !is_deleted(object, row)) else {
        return Ok(found(Verdict::Failed, "it cannot be read back"));
    };
    let row = as_archived(object, record, &row);
    let goal = then.fields();
    let one = Compared { object, record, goal: &goal, row: &row };
    let told = compare(&one, expected, heirs, definitions);
    let now = heirs.journal.id(record).map(|key| LiveId(RecordId::new(record.object.clone(), key)));
    // Another number is the nature of a record that was made again.
    let moved = now.as_ref().is_some_and(|now| now.0 != *record);
    let verdict = told.verdict();
    let verdict = if moved && verdict == Verdict::Equal { Verdict::ByNature } else { verdict };
    let Told { equal, differences } = told;
    let fields = Differences::of(&differences);
    Ok((Finding { record: record.to_string(), live: now, verdict, fields, words: Vec::new() }, equal))
}

/// A row in the form in which the archive keeps it.
pub(super) fn as_archived(object: &'static Object, record: &RecordId, row: &Map<String, Value>) -> Map<String, Value> {
    let parent = record.key.parent();
    let raw = serde_json::value::to_raw_value(row).ok();
    let read = raw.and_then(|raw| Record::read(home(object), parent.as_ref(), &raw).ok());
    read.map_or_else(|| row.clone(), |record| record.fields())
}
