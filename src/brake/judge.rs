//! Is this far more than usual? A pure function of what manifests count.
//!
//! Usual is what nine of ten of the last sixty snapshots stay below, as a share of the
//! records there were: a quantile and not a mean, so that the Mondays of a week are
//! within it and a single mishap that nobody noticed is not. The limit lies well above
//! it, and never below a floor, so that small objects and quiet ones raise no alarm over
//! a handful of records. Deletions have a lower floor than changes, additions a much
//! higher one: what was added can be deleted, and nothing old is lost by it.
//!
//! A snapshot after a longer time, or one that sees the deletions of a week at once,
//! may show as much more; but however long it was, what lies beyond a cap is told. While
//! there is too little to learn from, that cap holds for deletions alone: whoever has just
//! begun edits a lot, and no rule of retention lets anything go yet.

use std::cmp::Ordering;

use chrono::TimeDelta;

use super::Restored;
use super::limits::{Limit, Limits, Measure};
use crate::archive::{Alarm, Contents, Coverage, Excess, Manifest, What};
use crate::catalogue::ObjectName;

/// Snapshots that are learned from.
const WINDOW: usize = 60;
/// Fewer teach nothing: a week has seven days.
const ENOUGH: usize = 7;
/// Usual is what this share of snapshots stays below.
const USUAL: f64 = 0.9;
/// Deletions of fewer records raise no alarm while there is too little to learn from.
const UNLEARNED: u64 = 20;
/// Two snapshots are never taken to lie closer than this.
const SHORTEST_GAP: TimeDelta = TimeDelta::hours(1);
/// A capture that took longer was one of several days.
const LONG_CAPTURE: TimeDelta = TimeDelta::days(1);
/// What was acknowledged as usual may be exceeded by a quarter.
const SLACK: f64 = 1.25;

/// What is too much of a kind of change.
struct Terms {
    /// How many times the usual.
    factor: f64,
    /// The least share …
    floor: f64,
    /// … and the least number of records.
    records: u64,
    /// The share that raises an alarm however much time went by.
    cap: f64,
}

const fn terms(what: What) -> Terms {
    match what {
        What::Changed => Terms { factor: 3.0, floor: 0.10, records: 20, cap: 0.60 },
        What::Deleted => Terms { factor: 2.0, floor: 0.02, records: 5, cap: 0.30 },
        What::Added => Terms { factor: 3.0, floor: 1.0, records: 100, cap: 3.0 },
    }
}

/// The snapshots before the one that is judged, and what was said of them.
pub struct History<'a> {
    /// Of the same company, oldest first.
    earlier: &'a [&'a Manifest],
    alarms: &'a [Alarm],
    /// How far apart snapshots usually are.
    usual_gap: Option<TimeDelta>,
}

/// What happened to an object between two snapshots.
struct Happened {
    count: u64,
    of: u64,
    /// How many times the usual time it had.
    scale: f64,
}

impl<'a> History<'a> {
    /// The snapshots of a company before the one that is judged, oldest first, and all alarms.
    pub fn new(earlier: &'a [&'a Manifest], alarms: &'a [Alarm]) -> History<'a> {
        let mut gaps: Vec<TimeDelta> = (1..earlier.len()).filter_map(|at| gap(earlier[at], earlier[at - 1])).collect();
        gaps.sort_unstable();
        History { earlier, alarms, usual_gap: gaps.get(gaps.len() / 2).copied() }
    }

    /// What usually happens to an object in the usual time, as a share of its records; `None` if too little is known.
    fn usual(&self, object: &ObjectName, what: What) -> Option<f64> {
        let mut shares: Vec<f64> = Vec::new();
        for at in (0..self.earlier.len()).rev() {
            let (manifest, before) = (self.earlier[at], at.checked_sub(1).map(|at| self.earlier[at]));
            let before = before.filter(|before| manifest.parent.as_ref() == Some(&before.id));
            if shares.len() == WINDOW {
                break;
            }
            if !teaches(manifest) || before.is_some_and(Manifest::is_unfinished) || self.was_alarming(manifest) {
                continue;
            }
            let happened = happened(manifest, before, object, what, self.usual_gap);
            shares.extend(happened.map(|Happened { count, of, scale }| count as f64 / of as f64 / scale));
        }
        if shares.len() < ENOUGH {
            return None;
        }
        shares.sort_by(|one, other| one.partial_cmp(other).unwrap_or(Ordering::Equal));
        let place = (shares.len() as f64 * USUAL).ceil() as usize;
        shares.get(place.saturating_sub(1)).copied()
    }

    /// Whether what it shows was out of the ordinary.
    fn was_alarming(&self, manifest: &Manifest) -> bool {
        self.alarms.iter().any(|alarm| alarm.snapshot == manifest.id && !alarm.is_usual())
    }

    /// The largest share that somebody acknowledged as usual.
    fn acknowledged(&self, object: &ObjectName, what: What) -> f64 {
        let usual = self.alarms.iter().filter(|alarm| alarm.is_usual()).flat_map(|alarm| &alarm.excesses);
        let same = usual.filter(|excess| excess.object == *object && excess.what == what && excess.of > 0);
        same.map(|excess| excess.count as f64 / excess.of as f64 * SLACK).fold(0.0, f64::max)
    }
}

/// In which objects of a snapshot far more changed than usual, or than the limits allow.
pub fn judge(manifest: &Manifest, history: &History<'_>, limits: &Limits, restored: &[Restored]) -> Vec<Excess> {
    let Some(before) = history.earlier.last() else { return Vec::new() };
    if manifest.is_unfinished() || before.is_unfinished() {
        return Vec::new();
    }
    let meanwhile: Vec<&Restored> = restored
        .iter()
        .filter(|restore| restore.company == manifest.source.company_id)
        .filter(|restore| restore.begun <= manifest.finished && restore.ended >= before.started)
        .collect();
    let mut excesses = Vec::new();
    for contents in &manifest.contents {
        for what in [What::Changed, What::Deleted, What::Added] {
            let (limit, named) = limits.of(&contents.object);
            // Everything read again also shows what changed unseen over a long time, and in how long nobody knows.
            if *limit == Limit::Off || (manifest.is_full() && what == What::Changed) {
                continue;
            }
            let happened = happened(manifest, Some(before), &contents.object, what, history.usual_gap);
            let Some(happened) = happened else { continue };
            let count = happened.count.saturating_sub(by_restores(&meanwhile, what));
            let usual = history.usual(&contents.object, what).filter(|_| !manifest.is_full());
            let (allowed, usual) = match limit.measure(what) {
                Some(measure) => (set(measure, happened.of, (!named).then_some(what)), None),
                None => {
                    let share = history.acknowledged(&contents.object, what);
                    let allowed = learned(usual, &happened, what).max(part(happened.of, share));
                    (allowed, usual.map(|usual| part(happened.of, usual)))
                }
            };
            if count > allowed {
                let (object, of) = (contents.object.clone(), happened.of);
                excesses.push(Excess { object, what, count, of, allowed, usual });
            }
        }
    }
    excesses
}

/// The most that a set limit allows; the floor of records holds for objects that nobody named.
fn set(measure: Measure, of: u64, floor: Option<What>) -> u64 {
    match measure {
        Measure::Records(records) => records,
        Measure::Share(share) => ((of as f64 * share).floor() as u64).max(floor.map_or(0, |what| terms(what).records)),
    }
}

/// The most that what was learned allows.
fn learned(usual: Option<f64>, happened: &Happened, what: What) -> u64 {
    let Terms { factor, floor, records, cap } = terms(what);
    let Some(usual) = usual else {
        return if what == What::Deleted { part(happened.of, cap).max(UNLEARNED) } else { u64::MAX };
    };
    let base = (usual * factor).max(floor);
    part(happened.of, base.max((base * happened.scale).min(cap))).max(records)
}

fn part(of: u64, share: f64) -> u64 {
    (of as f64 * share).ceil() as u64
}

/// What restores in the same time may have done.
fn by_restores(meanwhile: &[&Restored], what: What) -> u64 {
    let of_one = |restore: &&Restored| match what {
        What::Changed => restore.writes,
        What::Deleted => restore.deleted,
        What::Added => restore.made,
    };
    meanwhile.iter().map(of_one).sum()
}

/// Whether a snapshot is one of a usual capture.
fn teaches(manifest: &Manifest) -> bool {
    !manifest.is_unfinished() && !manifest.is_full() && manifest.finished - manifest.started < LONG_CAPTURE
}

/// What happened to an object; `None` where the counts tell nothing of the account: a first look, or one at other fields.
fn happened(
    manifest: &Manifest,
    before: Option<&Manifest>,
    object: &ObjectName,
    what: What,
    usual_gap: Option<TimeDelta>,
) -> Option<Happened> {
    let now = contents_of(manifest, object)?;
    let then = before.map(|before| contents_of(before, object));
    let looks_ahead = |manifest: &Manifest| !manifest.notes["ahead"][object.as_str()].is_null();
    let first_look = looks_ahead(manifest) || before.is_some_and(looks_ahead);
    let comparable = match then {
        None => true,
        Some(then) => then.is_some_and(|then| was_seen(then) && then.without == now.without),
    };
    let of = (now.records + now.deleted).saturating_sub(now.new);
    if !was_seen(now) || first_look || !comparable || of == 0 {
        return None;
    }
    let count = match what {
        What::Changed => now.changed,
        What::Deleted => now.deleted,
        What::Added => now.new,
    };
    let gap = before.and_then(|before| gap(manifest, before));
    let unseen = then.flatten().and_then(|then| Some(now.deletions_seen_at? - then.deletions_seen_at?));
    let gap = if what == What::Deleted { gap.max(unseen) } else { gap };
    let scale = gap.zip(usual_gap).map_or(1.0, |(gap, usual)| gap.num_seconds() as f64 / usual.num_seconds() as f64);
    Some(Happened { count, of, scale: scale.max(1.0) })
}

/// The time between two snapshots of which one stands on the other.
fn gap(manifest: &Manifest, before: &Manifest) -> Option<TimeDelta> {
    (manifest.parent.as_ref() == Some(&before.id)).then(|| (manifest.finished - before.finished).max(SHORTEST_GAP))
}

fn contents_of<'m>(manifest: &'m Manifest, object: &ObjectName) -> Option<&'m Contents> {
    manifest.contents.iter().find(|contents| contents.object == *object)
}

fn was_seen(contents: &Contents) -> bool {
    matches!(contents.coverage, Coverage::Whole | Coverage::Part { .. })
}
