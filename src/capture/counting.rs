//! How much an account holds that was never read: told by the two ends of a list.
//!
//! No call counts records (openapi v1 and v2, August 2026; of deals alone there is a summary, `GET /v1/deals/summary`,
//! which costs as much as four pages). But some lists can be shown from either end by number: a page of the highest
//! and a page of the lowest cost two calls, whatever lies between. The numbers at the ends bound how many there can
//! be, how close they lie tells how many there are likely to be, and the rows count what hangs on them. A list that
//! fits one page is known by the first.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::value::RawValue;

use super::notes::{Failure, Phase};
use super::run::{Run, Stop, Trouble};
use crate::account::{Ask, Page};
use crate::catalogue::{self, Object};
use crate::record::{Key, Record};

/// Which of the numbers a forecast is made with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Bound {
    AtLeast,
    Likely,
    AtMost,
}

/// What the ends of one list told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Ends {
    at_least: u64,
    likely: u64,
    at_most: u64,
    /// What the rows that were seen count of each object under them.
    pub(super) counts: Vec<(&'static str, Vec<Option<u32>>)>,
}

/// The lists that were counted.
pub(super) type Counted = BTreeMap<&'static str, Ends>;

impl Ends {
    /// How many records the list has.
    pub(super) fn records(&self, bound: Bound) -> u64 {
        match bound {
            Bound::AtLeast => self.at_least,
            Bound::Likely => self.likely,
            Bound::AtMost => self.at_most,
        }
    }

    /// Judges by the numbers at both ends; one end is all when there is no other.
    fn of(high: &BTreeSet<u64>, low: Option<&BTreeSet<u64>>) -> Ends {
        let exactly = |count: u64| Ends { at_least: count, likely: count, at_most: count, counts: Vec::new() };
        let seen: BTreeSet<u64> = high.iter().chain(low.into_iter().flatten()).copied().collect();
        let (Some(low), Some(first), Some(last)) = (low, seen.first(), seen.last()) else {
            return exactly(high.len() as u64);
        };
        let span = |ids: &BTreeSet<u64>| ids.last().zip(ids.first()).map_or(0, |(last, first)| last - first + 1);
        let (at_least, at_most) = (seen.len() as u64, last - first + 1);
        let (rows, spans) = ((high.len() + low.len()) as u128, u128::from(span(high) + span(low)).max(1));
        let likely = (u128::from(at_most) * rows / spans) as u64;
        Ends { at_least, likely: likely.clamp(at_least, at_most), at_most, counts: Vec::new() }
    }
}

impl Run<'_> {
    /// Counts the lists of which nothing is known: two calls each, one where a page is all.
    pub(super) async fn count_lists(&self) -> Result<Counted, Stop> {
        let mut counted = Counted::new();
        for object in catalogue::ALL.iter().copied().filter(|object| self.wants(object) && self.is_unknown(object)) {
            match self.ends(object).await {
                Ok(ends) => {
                    counted.insert(object.name, ends);
                }
                // Refused: one request will tell the capture as much.
                Err(Trouble::Object(Failure::NotOffered(_)) | Trouble::Gone) => {
                    counted.insert(object.name, Ends::of(&BTreeSet::new(), None));
                }
                // What cannot be counted, or not any more today, is told as unknown.
                Err(Trouble::Object(_) | Trouble::Stop(Stop::BudgetSpent(_))) => {}
                Err(Trouble::Stop(stop)) => return Err(stop),
            }
        }
        Ok(counted)
    }

    fn is_unknown(&self, object: &Object) -> bool {
        let untouched = self.desk().notes.progress(object.name).phase != Phase::Read;
        !object.from_the_end.is_empty() && untouched && self.held(object.name).is_none()
    }

    async fn ends(&self, object: &'static Object) -> Result<Ends, Trouble> {
        let extra: Vec<(&str, String)> =
            object.from_the_end.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        let Page { mut rows, next } =
            self.judged(self.account.page(&Ask { extra: &extra, ..Ask::first(object) }).await)?;
        let high = numbers(object, &rows);
        let low = match next {
            None => None,
            Some(_) => Some(self.judged(self.account.page(&Ask::first(object)).await)?.rows),
        };
        let ends = Ends::of(&high, low.as_ref().map(|low| numbers(object, low)).as_ref());
        rows.extend(low.into_iter().flatten());
        Ok(Ends { counts: self.counts_in(object, &rows), ..ends })
    }
}

fn numbers(object: &Object, rows: &[Box<RawValue>]) -> BTreeSet<u64> {
    let keys = rows.iter().filter_map(|row| Record::read(object, None, row).ok());
    let number = |record: Record| match record.id().key {
        Key::Number(number) => Some(number),
        Key::Pair(..) | Key::Text(_) => None,
    };
    keys.filter_map(number).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_ends_bound_how_many_there_are_and_their_density_tells_how_many_are_likely() {
        let every = |step: usize, from: u64, to: u64| (from..to).step_by(step).collect::<BTreeSet<u64>>();
        // 100 of 200 numbers at the one end, 100 of 400 at the other: one in three of 10,000.
        let ends = Ends::of(&every(2, 9_801, 10_001), Some(&every(4, 1, 401)));
        assert_eq!((ends.at_least, ends.at_most), (200, 9_999));
        assert!((3_300..3_400).contains(&ends.likely), "{ends:?}");
    }

    #[test]
    fn a_list_of_one_page_is_counted_and_ends_that_overlap_count_each_row_once() {
        let ids: BTreeSet<u64> = [3, 7, 9].into();
        assert_eq!(Ends::of(&ids, None).records(Bound::AtMost), 3);
        assert_eq!(Ends::of(&ids, None).records(Bound::AtLeast), 3);
        let both = Ends::of(&ids, Some(&[1, 3, 7].into()));
        assert_eq!((both.at_least, both.at_most), (4, 9));
    }
}
