//! Which way an object's list is read: walked whole, or only what changed since.
//!
//! Only a walk sees deletions, so it is taken whenever it is cheap; the rule is
//! one line long so that a person can foretell what a capture will do:
//!
//! - walk when there is nothing to stand on, when everything is wanted, when the
//!   service cannot be asked for changes, or when the last walk is over a week old;
//! - walk when its price is at most 200 tokens or 2 % of what may be spent today;
//! - else ask for what changed since the watermark, and carry the rest over.

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
/// Lists under single parents are read again for the sake of certainty only below this share: one in two hundred.
const NEGLIGIBLE_SHARE: u64 = 200;

/// How a list is read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) enum Way {
    /// From the first record to the last: what is missing is gone.
    Walk,
    /// Only what changed since; the rest is carried over unseen.
    Since(DateTime<Utc>),
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
    let (Some(_), Some(watermark), Some(walked)) = (object.since, base.watermark, base.deletions_seen_at) else {
        return Way::Walk;
    };
    let stale = terms.now - walked > WALKED_AT_LEAST_EVERY;
    if terms.full || stale || cheap(list_price(object, base.records), terms.spendable) {
        return Way::Walk;
    }
    Way::Since(watermark)
}

/// True when an increment can stand on what the snapshot below has: all of it, with the same fields left out.
pub(super) fn stands(base: &Contents, without: &[String]) -> bool {
    base.coverage == Coverage::Whole && base.without == without
}

/// True for a price that is paid for certainty without asking further.
pub(super) fn cheap(tokens: u64, spendable: Option<u64>) -> bool {
    tokens <= spendable.map_or(CHEAP_TOKENS, |spendable| CHEAP_TOKENS.max(spendable / CHEAP_SHARE))
}

/// True for lists under single parents whose counters say nothing new, when reading them again is next to nothing.
///
/// Only a swap behind an equal counter can be found there, so what is cheap for a list is not cheap for these.
pub(super) fn negligible(tokens: u64, spendable: Option<u64>) -> bool {
    spendable.is_some_and(|spendable| tokens <= spendable / NEGLIGIBLE_SHARE)
}

/// Tokens of walking a list of so many records.
pub(super) fn list_price(object: &Object, records: u64) -> u64 {
    pages(object, records) * u64::from(object.price)
}

/// Pages of a list of so many records, the empty one included.
pub(super) fn pages(object: &Object, records: u64) -> u64 {
    match paging(object) {
        Paging::Whole | Paging::One => 1,
        Paging::Cursor { limit } | Paging::Offset { limit } => records.div_ceil(u64::from(limit).max(1)).max(1),
    }
}

/// How the object's list is cut; what has no list has no pages.
pub(super) fn paging(object: &Object) -> Paging {
    match object.listing {
        Listing::Derived { .. } => Paging::Whole,
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
    fn a_watermark_is_a_minute_early_and_has_no_fraction() {
        assert_eq!(watermark(at("2026-11-02T02:00:00.750Z")), at("2026-11-02T01:59:00Z"));
    }
}
