//! Which way an object's list is read: walked whole, or only what changed since.
//!
//! Only a walk sees deletions, so it is taken whenever it is cheap; the rule is
//! one line long so that a person can foretell what a capture will do:
//!
//! - walk when there is nothing to stand on, when everything is wanted, when the
//!   service cannot be asked for changes, or when the last walk is over a week old;
//! - walk when its price is at most 200 tokens or 2 % of what may be spent today;
//! - else ask for what changed since the watermark, and carry the rest over;
//! - or, of a list that shows the newest first and cannot be asked, look at its top and its tail (`newest.rs`).

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::archive::{Contents, Coverage};
use crate::catalogue::{Listing, Object, Paging};

/// A watermark stands this far before the start of a list: clocks and indexes of the service lag.
const MARGIN: TimeDelta = TimeDelta::seconds(60);
/// After this time a list is walked whatever it costs, so that deletions are seen.
const WALKED_AT_LEAST_EVERY: TimeDelta = TimeDelta::days(7);
/// What costs no more than this many tokens is cheap on every plan.
const CHEAP_TOKENS: u64 = 200;
/// … and so is what costs no more than this share of what may be spent today: one in fifty.
const CHEAP_SHARE: u64 = 50;
/// Lists under single parents are read again for the sake of certainty only up to this many tokens …
const NEGLIGIBLE_TOKENS: u64 = 100;
/// … and this share of what may be spent today: one in two hundred.
const NEGLIGIBLE_SHARE: u64 = 200;

/// How a list is read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) enum Way {
    /// From the first record to the last: what is missing is gone.
    Walk,
    /// Only what changed since; the rest is carried over unseen.
    Since(DateTime<Utc>),
    /// From the newest down to what is known; the rest is carried over if the tail is where it was.
    Top,
}

/// What the choice depends on besides the object.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    /// Everything is to be read again.
    pub(super) full: bool,
    /// What time it is.
    pub(super) now: DateTime<Utc>,
    /// Tokens that may be spent today, when known.
    pub(super) spendable: Option<u64>,
}

/// Chooses the way for one object, given what the snapshot below says of it.
pub(super) fn choose(object: &Object, base: Option<&Contents>, without: &[String], terms: Terms) -> Way {
    let Some(base) = base.filter(|base| stands(base, without)) else { return Way::Walk };
    let Some(walked) = base.deletions_seen_at else { return Way::Walk };
    let stale = terms.now - walked > WALKED_AT_LEAST_EVERY;
    if terms.full || stale || cheap(list_price(object, base.records), terms.spendable) {
        return Way::Walk;
    }
    match (object.since, base.watermark) {
        (Some(_), Some(watermark)) => Way::Since(watermark),
        _ if object.newest_first => Way::Top,
        _ => Way::Walk,
    }
}

/// True when an increment can stand on what the snapshot below has: all of it, with the same fields left out.
pub(super) fn stands(base: &Contents, without: &[String]) -> bool {
    base.coverage == Coverage::Whole && base.without == without
}

/// True for a price that is paid for certainty without asking further.
pub(super) fn cheap(tokens: u64, spendable: Option<u64>) -> bool {
    tokens <= spendable.map_or(CHEAP_TOKENS, |spendable| CHEAP_TOKENS.max(spendable / CHEAP_SHARE))
}

/// Tokens that may be spent on looking again at the children of parents that say nothing new.
///
/// `price` is that of all of them. What is next to nothing is paid whole: for lists of many parents at once as for any
/// list, for lists under single parents only what is a trifle on every plan. Else the sweep takes its share
/// of the parents, but never more than the same share of what may be spent today.
pub(super) fn sweep(object: &Object, price: u64, spendable: Option<u64>, percent: u8) -> u64 {
    let whole = match object.listing {
        Listing::Bulk { .. } => cheap(price, spendable),
        _ => price <= spendable.map_or(NEGLIGIBLE_TOKENS, |tokens| NEGLIGIBLE_TOKENS.min(tokens / NEGLIGIBLE_SHARE)),
    };
    if whole {
        return price;
    }
    let share = |tokens: u64| (tokens * u64::from(percent)).div_ceil(100);
    spendable.map_or(share(price), |spendable| share(price).min(share(spendable)))
}

/// Tokens that may be spent on a first look at the children of parents that were never asked.
///
/// `price` is that of all of these parents. At least half of what may be spent today is left to the lists and
/// contents that come after; the rest of the parents have their turn in the next captures. A sweep of everything
/// takes all at once, over several days if need be.
pub(super) fn first_look(price: u64, spendable: Option<u64>, percent: u8) -> u64 {
    match spendable {
        Some(spendable) if percent < 100 => price.min(spendable / 2),
        _ => price,
    }
}

/// Tokens of walking a list of so many records.
pub(super) fn list_price(object: &Object, records: u64) -> u64 {
    pages(object, records) * u64::from(object.price)
}

/// Pages of a list of so many records, the empty one included; of a list in parts, each part has at least one.
pub(super) fn pages(object: &Object, records: u64) -> u64 {
    let further = object.parts.map_or(0, |parts| parts.values.len().saturating_sub(1)) as u64;
    match paging(object) {
        Paging::Whole | Paging::One => object.questions.len().max(1) as u64 + further,
        Paging::Cursor { limit } | Paging::Offset { limit } => {
            records.div_ceil(u64::from(limit).max(1)).max(1) + further
        }
    }
}

/// How the object's list is cut; what has no list has no pages.
pub(super) fn paging(object: &Object) -> Paging {
    match object.listing {
        Listing::Derived { .. } | Listing::Within { .. } => Paging::Whole,
        Listing::Flat(paging) | Listing::Under { paging, .. } | Listing::Bulk { paging, .. } => paging,
    }
}

/// Where the next increment begins when a list was begun at this moment.
///
/// Whole seconds: the service refuses fractions (api/objects.md: two independent field reports).
pub(super) fn watermark(started: DateTime<Utc>) -> DateTime<Utc> {
    let since = started - MARGIN;
    DateTime::from_timestamp(since.timestamp(), 0).unwrap_or(since)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::specimen;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().expect("a time")
    }

    fn terms() -> Terms {
        Terms { full: false, now: at("2026-11-02T02:00:00Z"), spendable: Some(15_000) }
    }

    fn base(records: u64) -> Contents {
        specimen::contents(records, at("2026-11-01T02:00:00Z"))
    }

    #[test]
    fn a_list_that_is_cheap_is_walked_because_only_that_shows_deletions() {
        assert_eq!(choose(specimen::object("deals"), Some(&base(10_000)), &[], terms()), Way::Walk);
    }

    #[test]
    fn a_dear_list_is_asked_for_what_changed_since_the_watermark() {
        let base = base(20_000);
        assert_eq!(
            choose(specimen::object("deals"), Some(&base), &[], terms()),
            Way::Since(base.watermark.expect("one"))
        );
    }

    #[test]
    fn the_same_list_is_walked_where_the_account_may_spend_more() {
        let terms = Terms { spendable: Some(900_000), ..terms() };
        assert_eq!(choose(specimen::object("deals"), Some(&base(20_000)), &[], terms), Way::Walk);
    }

    #[test]
    fn a_dear_list_is_walked_once_a_week_all_the_same() {
        let terms = Terms { now: at("2026-11-08T02:00:01Z"), ..terms() };
        assert_eq!(choose(specimen::object("deals"), Some(&base(20_000)), &[], terms), Way::Walk);
    }

    #[test]
    fn nothing_stands_on_a_list_that_was_read_in_part_or_without_fields() {
        let part = Contents { coverage: Coverage::Part { reason: "cut".into() }, ..base(20_000) };
        assert_eq!(choose(specimen::object("deals"), Some(&part), &[], terms()), Way::Walk);
        let less = Contents { without: vec!["custom_fields".into()], ..base(20_000) };
        assert_eq!(choose(specimen::object("deals"), Some(&less), &[], terms()), Way::Walk);
        assert_eq!(choose(specimen::object("deals"), None, &[], terms()), Way::Walk);
    }

    #[test]
    fn a_list_that_cannot_be_asked_for_changes_is_always_walked() {
        assert_eq!(choose(specimen::object("files"), Some(&base(2_000_000)), &[], terms()), Way::Walk);
    }

    #[test]
    fn a_dear_list_of_the_newest_first_is_looked_at_from_both_ends_and_walked_once_a_week() {
        let threads = specimen::object("mailThreads");
        assert_eq!(choose(threads, Some(&base(3_000)), &[], terms()), Way::Walk);
        assert_eq!(choose(threads, Some(&base(20_000)), &[], terms()), Way::Top);
        let later = Terms { now: at("2026-11-08T02:00:01Z"), ..terms() };
        assert_eq!(choose(threads, Some(&base(20_000)), &[], later), Way::Walk);
        assert_eq!(list_price(threads, 900), 5 * 20);
    }

    #[test]
    fn a_sweep_takes_its_share_of_the_parents_and_never_more_than_that_share_of_the_day() {
        let comments = specimen::object("noteComments");
        assert_eq!(sweep(comments, 400_000, None, 2), 8_000);
        assert_eq!(sweep(comments, 400_000, Some(15_000), 2), 300);
        assert_eq!(sweep(comments, 60, Some(15_000), 2), 60, "next to nothing is paid whole");
        assert_eq!(sweep(comments, 400_000, Some(15_000), 0), 0);
        assert_eq!(sweep(specimen::object("dealProducts"), 200, Some(1_000), 2), 200);
    }

    #[test]
    fn a_first_look_takes_at_most_half_of_the_day_unless_everything_is_asked_for() {
        assert_eq!(first_look(400_000, Some(30_000), 2), 15_000);
        assert_eq!(first_look(400_000, Some(30_000), 100), 400_000);
        assert_eq!((first_look(9_000, Some(30_000), 0), first_look(400_000, None, 2)), (9_000, 400_000));
    }

    #[test]
    fn a_watermark_is_a_minute_early_and_has_no_fraction() {
        assert_eq!(watermark(at("2026-11-02T02:00:00.750Z")), at("2026-11-02T01:59:00Z"));
    }
}
