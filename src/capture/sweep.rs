//! The rolling sweep: which parents are looked at again although nothing says that their children changed.
//!
//! Comments, relationships, variations and the like have neither a counter nor a
//! filter, and one call for each parent costs more than all lists together. So a
//! capture looks at a share of the parents, those looked at longest ago first, and
//! carries the rest over. When each parent was looked at is kept in the snapshot:
//! parents are taken in the order of their keys, so a handful of key ranges, each
//! with a time, says it for millions of them.
//!
//! Where even the first look at all of them is more than a day's budget bears, it
//! goes by turns, too: parents never looked at come first, before all others, and
//! until none is left the object is known in part.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::archive::Manifest;
use crate::catalogue::ObjectName;
use crate::record::Key;

/// More ranges are joined; what is joined counts as looked at when the older was.
const RANGES: usize = 32;
/// With more parents that could not be read, all are asked again.
const OWED: usize = 1_000;
/// When a parent was looked at that never was.
const NEVER: DateTime<Utc> = DateTime::UNIX_EPOCH;
/// The place in a snapshot's notes.
const LOOKED: &str = "looked";

/// Parents up to a key, all looked at at a time or later.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
struct Range {
    /// The last key; none in the last range.
    through: Option<String>,
    at: DateTime<Utc>,
}

/// When the parents of one object were looked at.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Looked {
    ranges: Vec<Range>,
    /// Parents that could not be read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    owed: Vec<String>,
}

impl Looked {
    /// Every parent was looked at at this time.
    pub(super) fn all(at: DateTime<Utc>) -> Looked {
        Looked { ranges: vec![Range { through: None, at }], owed: Vec::new() }
    }

    /// No parent was looked at yet.
    pub(super) fn none() -> Looked {
        Looked::all(NEVER)
    }

    /// What a snapshot says of an object.
    pub(super) fn of(manifest: &Manifest, object: &str) -> Option<Looked> {
        serde_json::from_value(manifest.notes.get(LOOKED)?.get(object)?.clone()).ok()
    }

    /// The same with parents that could not be read; none when they are too many to be named.
    pub(super) fn owing(self, mut owed: Vec<String>) -> Option<Looked> {
        owed.sort_unstable();
        owed.dedup();
        (owed.len() <= OWED).then_some(Looked { owed, ..self })
    }

    /// Whether a parent could not be read last time.
    pub(super) fn owes(&self, parent: &Key) -> bool {
        !self.owed.is_empty() && self.owed.contains(&parent.to_string())
    }

    /// Since when every parent was looked at; none when one never was.
    pub(super) fn oldest(&self) -> Option<DateTime<Utc>> {
        self.ranges.iter().map(|range| range.at).min().filter(|oldest| *oldest != NEVER)
    }

    /// How many of these parents, which come in key order, were never looked at.
    pub(super) fn ahead(&self, parents: &[Key]) -> usize {
        let never = |(range, _): &(&Range, _)| range.at == NEVER;
        self.ranges.iter().zip(self.spans(parents)).filter(never).map(|(_, span)| span.len()).sum()
    }

    /// Takes `count` parents, looked at longest ago first, and notes that they are looked at now.
    ///
    /// `parents` come in key order; answers are in key order, too.
    pub(super) fn take(&mut self, parents: &[Key], count: usize, now: DateTime<Utc>) -> Vec<Key> {
        let mut taken = Vec::new();
        let mut order: Vec<usize> = (0..self.ranges.len()).collect();
        order.sort_by_key(|at| self.ranges[*at].at);
        let spans = self.spans(parents);
        let mut ranges: Vec<Vec<Range>> = self.ranges.iter().map(|range| vec![range.clone()]).collect();
        for at in order {
            let (span, range) = (&parents[spans[at].clone()], &self.ranges[at]);
            let left = count - taken.len();
            let part = &span[..span.len().min(left)];
            taken.extend_from_slice(part);
            if part.len() == span.len() {
                ranges[at] = vec![Range { through: range.through.clone(), at: now }];
                continue;
            }
            if let Some(last) = part.last() {
                ranges[at] = vec![Range { through: Some(last.to_string()), at: now }, range.clone()];
            }
            break;
        }
        self.ranges = ranges.into_iter().flatten().collect();
        self.join();
        taken.sort_unstable();
        taken
    }

    /// The parents of each range, as places in the list.
    fn spans(&self, parents: &[Key]) -> Vec<std::ops::Range<usize>> {
        let mut from = 0;
        let end = |range: &Range| match &range.through {
            Some(last) => {
                let last = Key::parse(last);
                parents.partition_point(|parent| *parent <= last)
            }
            None => parents.len(),
        };
        let mut span = |range| {
            let to = end(range).max(from);
            std::mem::replace(&mut from, to)..to
        };
        self.ranges.iter().map(&mut span).collect()
    }

    /// Joins neighbours of one time, and then those nearest in time until there are few enough.
    fn join(&mut self) {
        loop {
            let gaps = self.ranges.windows(2).map(|pair| (pair[0].at - pair[1].at).abs());
            let nearest = gaps.enumerate().min_by_key(|(_, gap)| *gap);
            let Some((at, gap)) = nearest else { return };
            if gap > TimeDelta::zero() && self.ranges.len() <= RANGES {
                return;
            }
            let first = self.ranges.remove(at);
            self.ranges[at].at = self.ranges[at].at.min(first.at);
        }
    }
}

/// What a snapshot holds of an object without having looked at it again.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct Carried {
    /// Records carried over.
    pub records: u64,
    /// Every parent was looked at then or later.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oldest_looked_at: Option<DateTime<Utc>>,
}

/// What a snapshot holds of an object without having looked at it again; none when everything was looked at.
pub fn carried(manifest: &Manifest, object: &ObjectName) -> Option<Carried> {
    let records =
        manifest.notes.get("carried")?.get(object.as_str()).and_then(Value::as_u64).filter(|count| *count > 0);
    let oldest = Looked::of(manifest, object.as_str()).and_then(|looked| looked.oldest());
    Some(Carried { records: records?, oldest_looked_at: oldest })
}

/// The notes of the next snapshot: what this capture looked at, else what the snapshot below says.
pub(super) fn notes(looked: Vec<(&'static str, Looked)>, below: Option<&Manifest>) -> Value {
    let mut all =
        below.and_then(|below| below.notes.get(LOOKED)).and_then(Value::as_object).cloned().unwrap_or_default();
    for (object, looked) in looked {
        all.insert(object.to_owned(), serde_json::to_value(looked).expect("ranges are plain data"));
    }
    Value::Object(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(number: u32) -> DateTime<Utc> {
        format!("2026-11-{number:02}T02:00:00Z").parse().expect("a time")
    }

    fn parents(count: u64) -> Vec<Key> {
        (1..=count).map(|number| Key::Number(number * 10)).collect()
    }

    #[test]
    fn every_parent_has_its_turn_and_the_oldest_come_first() {
        let parents = parents(10);
        let mut looked = Looked::all(day(1));
        assert_eq!(looked.take(&parents, 4, day(2)), parents[..4]);
        assert_eq!(looked.oldest(), Some(day(1)));
        assert_eq!(looked.take(&parents, 4, day(3)), parents[4..8]);
        assert_eq!(looked.take(&parents, 4, day(4)), [&parents[..2], &parents[8..]].concat());
        assert_eq!(looked.oldest(), Some(day(2)));
        assert_eq!(looked.take(&parents, 3, day(5)), parents[2..5]);
    }

    #[test]
    fn parents_never_looked_at_come_before_all_others_and_are_counted() {
        let parents = parents(10);
        let mut looked = Looked::none();
        assert_eq!((looked.ahead(&parents), looked.oldest()), (10, None));
        assert_eq!(looked.take(&parents, 4, day(1)), parents[..4]);
        assert_eq!((looked.ahead(&parents), looked.oldest()), (6, None));
        assert_eq!(looked.take(&parents, 5, day(2)), parents[4..9]);
        assert_eq!(looked.take(&parents, 2, day(3)), [&parents[..1], &parents[9..]].concat());
        assert_eq!((looked.ahead(&parents), looked.oldest()), (0, Some(day(1))));
    }

    #[test]
    fn parents_that_come_and_go_disturb_no_other() {
        let mut looked = Looked::all(day(1));
        looked.take(&parents(10), 5, day(2));
        let fewer: Vec<Key> = parents(10).into_iter().skip(3).collect();
        assert_eq!(looked.take(&fewer, 4, day(3)), fewer[2..6]);
        let more = parents(12);
        assert_eq!(looked.take(&more, 3, day(4)), more[9..12]);
        assert_eq!(looked.oldest(), Some(day(2)));
    }

    #[test]
    fn a_sweep_that_covers_everything_leaves_one_range() {
        let mut looked = Looked::all(day(1));
        looked.take(&parents(10), 4, day(2));
        assert_eq!(looked.take(&parents(10), 10, day(3)), parents(10));
        assert_eq!(looked, Looked::all(day(3)));
        assert_eq!(Looked::all(day(1)).take(&[], 3, day(2)), []);
    }

    #[test]
    fn there_are_never_many_ranges_and_joining_never_makes_a_parent_younger() {
        let parents = parents(1_000);
        let mut looked = Looked::all(day(1));
        for number in 0..200 {
            let before = looked.oldest();
            looked.take(&parents, 7, day(2) + TimeDelta::hours(number));
            assert!(looked.ranges.len() <= RANGES && looked.oldest() >= before);
        }
        assert!(looked.oldest() > Some(day(1)), "each of 1,000 had its turn in 200 times 7");
    }

    #[test]
    fn parents_that_could_not_be_read_are_owed_unless_they_are_too_many() {
        let looked = Looked::all(day(1)).owing(vec!["7".into()]).expect("few");
        assert!(looked.owes(&Key::Number(7)) && !looked.owes(&Key::Number(8)));
        let many = (0..=OWED).map(|parent| parent.to_string()).collect();
        assert_eq!(Looked::all(day(1)).owing(many), None);
    }
}
