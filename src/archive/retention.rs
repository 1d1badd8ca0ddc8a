//! Which snapshots stay: restic's rules, as a pure function.
//!
//! Each rule counts on its own, and a snapshot that any rule keeps stays; the newest
//! of an hour, a day, an ISO week, a month, a year (UTC) stands for it, and times in
//! which nothing was captured use nothing up. Times count from the newest snapshot and
//! not from now, so that a schedule that stopped cannot empty the archive.
//!
//! A snapshot that saw less than usual pushes nothing out: it uses up no count, and
//! stays only where no complete one stands for the same time. Usual is what at least
//! half of the snapshots saw whole, since some objects no token ever sees whole.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use chrono::{DateTime, Datelike, Days, Months, TimeDelta, Timelike, Utc};

use super::{Coverage, Manifest, SnapshotId, Standing};

/// How many of each are kept; `u32::MAX` is all.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Policy {
    /// The newest.
    pub last: u32,
    /// The newest of as many hours.
    pub hourly: u32,
    /// The newest of as many days.
    pub daily: u32,
    /// The newest of as many ISO weeks.
    pub weekly: u32,
    /// The newest of as many months.
    pub monthly: u32,
    /// The newest of as many years.
    pub yearly: u32,
    /// All that are not older than this, counted from the newest.
    pub within: Option<Span>,
    /// Those that have all tags of one of these lists.
    pub tags: Vec<Vec<String>>,
}

/// What snapshots that stand for each other have in common, by place and time.
type Bucket = fn(usize, DateTime<Utc>) -> String;

/// A length of time as people say it: `2y5m7d3h`.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Span {
    months: u32,
    days: u32,
    hours: u32,
}

/// What becomes of a snapshot, and why.
#[derive(Clone, PartialEq, Debug)]
pub struct Decision {
    /// The snapshot.
    pub snapshot: SnapshotId,
    /// What keeps it; nothing does when this is empty.
    pub reasons: Vec<String>,
    /// It saw less than usual.
    pub incomplete: bool,
}

impl std::str::FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Span, String> {
        let wrong = || format!("\"{text}\" is no length of time; write it like 2y5m7d3h");
        let (mut span, mut digits) = (Span::default(), String::new());
        for letter in text.chars() {
            if letter.is_ascii_digit() {
                digits.push(letter);
                continue;
            }
            let amount: u32 = std::mem::take(&mut digits).parse().map_err(|_| wrong())?;
            let (unit, factor) = match letter {
                'y' => (&mut span.months, 12),
                'm' => (&mut span.months, 1),
                'w' => (&mut span.days, 7),
                'd' => (&mut span.days, 1),
                'h' => (&mut span.hours, 1),
                _ => return Err(wrong()),
            };
            *unit = amount.checked_mul(factor).and_then(|more| unit.checked_add(more)).ok_or_else(wrong)?;
        }
        if digits.is_empty() && span != Span::default() { Ok(span) } else { Err(wrong()) }
    }
}

impl Span {
    /// The moment this long before; the beginning of time when there is none.
    pub fn before(self, time: DateTime<Utc>) -> DateTime<Utc> {
        time.checked_sub_months(Months::new(self.months))
            .and_then(|time| time.checked_sub_days(Days::new(self.days.into())))
            .and_then(|time| time.checked_sub_signed(TimeDelta::hours(self.hours.into())))
            .unwrap_or(DateTime::<Utc>::MIN_UTC)
    }
}

impl Policy {
    /// Whether no rule keeps anything.
    pub fn is_empty(&self) -> bool {
        *self == Policy::default()
    }

    /// What becomes of each snapshot, newest first. Snapshots of different companies are no versions of each other.
    pub fn decide(&self, snapshots: &[(&Manifest, Standing)], now: DateTime<Utc>) -> Vec<Decision> {
        let mut groups: BTreeMap<(u64, &str), Vec<&(&Manifest, Standing)>> = BTreeMap::new();
        for snapshot in snapshots {
            let source = &snapshot.0.source;
            groups.entry((source.company_id, &source.kind)).or_default().push(snapshot);
        }
        let newest = snapshots.iter().map(|(manifest, _)| (manifest.sequence, &manifest.id)).max();
        let mut decisions = Vec::new();
        for mut group in groups.into_values() {
            group.sort_by_key(|(manifest, _)| std::cmp::Reverse((manifest.sequence, manifest.id.clone())));
            decisions.extend(self.decide_group(&group, now));
        }
        // The next snapshot stands on it, whichever company it is of.
        if let Some((_, id)) = newest
            && let Some(decision) = decisions.iter_mut().find(|decision| decision.snapshot == *id)
            && decision.reasons.is_empty()
        {
            decision.reasons.push("newest".to_owned());
        }
        decisions
    }

    fn decide_group(&self, group: &[&(&Manifest, Standing)], now: DateTime<Utc>) -> Vec<Decision> {
        let incomplete = incomplete(group);
        let complete = |at: usize| !incomplete.contains(&at);
        let mut reasons: Vec<Vec<String>> = vec![Vec::new(); group.len()];
        reasons[0].push("newest".to_owned());
        if let Some(at) = (0..group.len()).find(|at| complete(*at)).filter(|at| *at > 0) {
            reasons[at].push("newest complete".to_owned());
        }
        let present = (0..group.len()).filter(|at| group[*at].0.finished <= now);
        let newest = present.map(|at| group[at].0.finished).max();
        for (at, (manifest, standing)) in group.iter().enumerate() {
            let mut keep = |reason: &str| reasons[at].push(reason.to_owned());
            if manifest.finished > now {
                keep("from the future");
            }
            if standing.pinned {
                keep("pinned");
            }
            if standing.held.is_some_and(|until| until > now) {
                keep("held");
            }
            if self.within.zip(newest).is_some_and(|(span, newest)| manifest.finished >= span.before(newest)) {
                keep("within");
            }
            for tags in self.tags.iter().filter(|tags| tags.iter().all(|tag| standing.tags.contains(tag))) {
                keep(&format!("tag {}", tags.join(",")));
            }
        }
        for (name, count, bucket) in self.rules() {
            // Among the last ones, the next complete one stands for those that saw less before it.
            let place = |at: usize| (0..=at).rev().find(|at| complete(*at)).unwrap_or(at);
            let times: Vec<(String, bool)> =
                (0..group.len()).map(|at| (bucket(place(at), group[at].0.finished), complete(at))).collect();
            for at in chosen(&times, count) {
                reasons[at].push(name.to_owned());
            }
        }
        let decided = group.iter().zip(reasons).enumerate();
        decided
            .map(|(at, ((manifest, _), reasons))| Decision {
                snapshot: manifest.id.clone(),
                reasons,
                incomplete: !complete(at),
            })
            .collect()
    }

    fn rules(&self) -> [(&'static str, u32, Bucket); 6] {
        [
            ("last", self.last, |at, _| at.to_string()),
            ("hourly", self.hourly, |_, time| format!("{} {}", time.date_naive(), time.hour())),
            ("daily", self.daily, |_, time| time.date_naive().to_string()),
            ("weekly", self.weekly, |_, time| format!("{:?}", time.iso_week())),
            ("monthly", self.monthly, |_, time| format!("{}-{}", time.year(), time.month())),
            ("yearly", self.yearly, |_, time| time.year().to_string()),
        ]
    }
}

/// The places, newest first, that a rule keeps: the newest complete one of each time until the count is used up,
/// then of each time in between that has no complete one the newest. Where there are fewer times than asked for,
/// the oldest complete one stays as well.
fn chosen(times: &[(String, bool)], count: u32) -> Vec<usize> {
    let mut kept = Vec::new();
    let with_complete: HashSet<&String> =
        times.iter().filter(|(_, complete)| *complete).map(|(time, _)| time).collect();
    let (mut seen, mut used) = (HashSet::new(), 0);
    let oldest_complete = times.iter().rposition(|(_, complete)| *complete);
    for (at, (time, complete)) in times.iter().enumerate() {
        if used == count {
            break;
        }
        if *complete {
            if seen.insert(time) || Some(at) == oldest_complete {
                kept.push(at);
                used += 1;
            }
        } else if !with_complete.contains(time) && seen.insert(time) {
            kept.push(at);
        }
    }
    kept
}

/// Snapshots that did not see whole what at least half of their group did.
fn incomplete(group: &[&(&Manifest, Standing)]) -> BTreeSet<usize> {
    let mut seen: HashMap<&str, usize> = HashMap::new();
    let whole = |manifest: &'_ Manifest| -> Vec<String> {
        let whole = manifest.contents.iter().filter(|contents| contents.coverage == Coverage::Whole);
        whole.map(|contents| contents.object.as_str().to_owned()).collect()
    };
    let each: Vec<Vec<String>> = group.iter().map(|(manifest, _)| whole(manifest)).collect();
    each.iter().flatten().for_each(|object| *seen.entry(object).or_default() += 1);
    let usual: BTreeSet<&str> =
        seen.into_iter().filter(|(_, times)| times * 2 >= group.len()).map(|(object, _)| object).collect();
    let lacks = |objects: &Vec<String>| usual.iter().any(|usual| !objects.iter().any(|object| object == usual));
    (0..group.len()).filter(|at| lacks(&each[*at])).collect()
}

#[cfg(test)]
mod tests;
