//! When is the next run? A pure function of the pattern, the zone, what ran so far, and the wall clock.
//!
//! A *time* of the schedule is what the cron pattern says; a run for it begins up
//! to `jitter` later, always as much for the same time, so that a restart does not
//! begin it twice. Times are never counted by waiting: whoever asks says what the
//! clock shows, and a clock that jumped over some times makes them missed.

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use serde::{Deserialize, Serialize};

use crate::schedule::state::{Again, State};

/// A run that begins this much after its time was missed, and is made up for; what only asks once an hour is in time.
pub const LATE_AFTER: TimeDelta = TimeDelta::minutes(90);
/// More missed times than these are not counted one by one.
const COUNTED: usize = 1000;
/// What lies further ahead than this was written by a clock that was wrong.
const NOT_YET: TimeDelta = TimeDelta::days(1);
/// Nothing that a run left waits longer than this.
const LONGEST_PAUSE: TimeDelta = TimeDelta::days(40);

/// The times of a schedule.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct When {
    cron: Cron,
    /// The zone in which the pattern is meant.
    pub zone: Tz,
    /// The most by which a run begins later.
    pub jitter: TimeDelta,
    /// What makes the jitter of this archive another than that of others.
    seed: String,
}

/// Times of the schedule at which nothing ran.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Missed {
    /// How many; with `more`, at least as many.
    pub count: u64,
    /// The first.
    pub first: DateTime<Utc>,
    /// The last.
    pub last: DateTime<Utc>,
    /// There were more than anybody counts.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub more: bool,
}

/// What there is to do.
#[derive(Clone, PartialEq, Debug)]
pub enum Due {
    /// A run for this time of the schedule; and these before it were missed, with it if it is `late`.
    Run {
        /// The time.
        time: DateTime<Utc>,
        /// Times at which nothing ran, `time` included if this run makes up for it.
        missed: Option<Missed>,
    },
    /// These times were missed, and nobody wants them made up for.
    Skip(Missed),
    /// What the last run left.
    Again(Again),
    /// Nothing before this moment; `None` if the pattern never comes again.
    Wait(Option<DateTime<Utc>>),
}

impl When {
    /// Reads a pattern of five fields, or a word such as `@daily`; the error says what is wrong with it.
    pub fn new(pattern: &str, zone: Tz, jitter: TimeDelta) -> Result<When, String> {
        let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
        let cron = parser.parse(pattern).map_err(|error| error.to_string())?;
        Ok(When { cron, zone, jitter, seed: String::new() })
    }

    /// The same times with a jitter of its own.
    pub fn seeded(self, seed: &str) -> When {
        When { seed: seed.to_owned(), ..self }
    }

    /// The pattern, taken apart.
    pub(super) fn cron(&self) -> &Cron {
        &self.cron
    }

    /// The pattern.
    pub fn pattern(&self) -> &str {
        self.cron.as_str()
    }

    /// The next time after this one.
    pub fn after(&self, time: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let next = self.cron.find_next_occurrence(&time.with_timezone(&self.zone), false);
        next.ok().map(|next| next.to_utc())
    }

    /// The newest time that is not after this one.
    pub fn until(&self, time: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let last = self.cron.find_previous_occurrence(&time.with_timezone(&self.zone), true);
        last.ok().map(|last| last.to_utc())
    }

    /// When the run of a time begins.
    pub fn begins(&self, time: DateTime<Utc>) -> DateTime<Utc> {
        let most = u64::try_from(self.jitter.num_seconds()).unwrap_or(0);
        let hash = blake3::hash(format!("{} {}", self.seed, time.timestamp()).as_bytes());
        let dice = u64::from_le_bytes(hash.as_bytes()[..8].try_into().expect("a hash has more bytes"));
        let later = dice.checked_rem(most + 1).and_then(|seconds| i64::try_from(seconds).ok()).unwrap_or(0);
        time + TimeDelta::seconds(later)
    }

    /// The next moment after this one at which a run begins.
    pub fn next(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let waiting = self.until(now).map(|time| self.begins(time)).filter(|begins| *begins > now);
        waiting.or_else(|| self.after(now).map(|time| self.begins(time)))
    }

    /// The newest time whose run may have begun.
    fn begun(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let newest = self.until(now)?;
        if self.begins(newest) <= now { Some(newest) } else { self.until(newest - TimeDelta::seconds(1)) }
    }

    /// The times between two moments, both left out.
    fn between(&self, from: DateTime<Utc>, to: DateTime<Utc>) -> Option<Missed> {
        let times = std::iter::successors(self.after(from), |time| self.after(*time)).take_while(|time| *time < to);
        let times: Vec<DateTime<Utc>> = times.take(COUNTED + 1).collect();
        let (first, last) = (times.first().copied()?, times.last().copied()?);
        let more = times.len() > COUNTED;
        let last = if more { self.until(to - TimeDelta::seconds(1)).unwrap_or(last) } else { last };
        Some(Missed { count: times.len().min(COUNTED) as u64, first, last, more })
    }

    /// What there is to do. `eager` is for whoever is called when a run is wanted: it does not wait for the first time.
    pub fn due(&self, state: &State, catch_up: bool, eager: bool, now: DateTime<Utc>) -> Due {
        if eager && self.jitter > TimeDelta::zero() {
            // Whoever calls has waited as long as it wanted to.
            return When { jitter: TimeDelta::zero(), ..self.clone() }.due(state, catch_up, eager, now);
        }
        let known = |time: &DateTime<Utc>| *time <= now + NOT_YET;
        let served = state.time.filter(known);
        let is_over = |again: &Again| again.at <= now || again.at > now + LONGEST_PAUSE;
        let again = state.again.clone().filter(is_over);
        let Some(from) = served.or(state.since.filter(known)) else {
            let never_ran = Due::Run { time: self.begun(now).unwrap_or(now), missed: None };
            return if eager || state.time.is_some() { never_ran } else { Due::Wait(self.next(now)) };
        };
        let Some(time) = self.begun(now).filter(|time| *time > from) else {
            let next = self.next(now).into_iter().chain(state.again.iter().map(|again| again.at)).min();
            return again.map_or(Due::Wait(next), Due::Again);
        };
        let missed = self.between(from, time);
        if now - self.begins(time) <= LATE_AFTER {
            return Due::Run { time, missed };
        }
        let missed = match missed {
            Some(missed) => Missed { count: missed.count + 1, last: time, ..missed },
            None => Missed { count: 1, first: time, last: time, more: false },
        };
        if catch_up { Due::Run { time, missed: Some(missed) } } else { Due::Skip(missed) }
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, TimeDelta, Utc};

    use super::{Due, Missed, When};
    use crate::schedule::{Again, State, Step};

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn when(pattern: &str, zone: &str) -> When {
        When::new(pattern, zone.parse().unwrap(), TimeDelta::zero()).unwrap()
    }

    /// The times from a moment on, as UTC.
    fn times(when: &When, from: &str, count: usize) -> Vec<String> {
        let first = when.after(at(from));
        let times = std::iter::successors(first, |time| when.after(*time)).take(count);
        times.map(|time| time.format("%m-%d %H:%M").to_string()).collect()
    }

    fn ran(time: &str) -> State {
        State { time: Some(at(time)), ..State::default() }
    }

    #[test]
    fn a_pattern_is_meant_in_its_zone_and_stays_there_when_the_clock_changes() {
        let nightly = when("15 2 * * *", "Europe/Tallinn");
        // Summer time ends on 2026-10-25 at 04:00: from UTC+3 to UTC+2.
        let expected = ["10-23 23:15", "10-24 23:15", "10-26 00:15", "10-27 00:15"];
        assert_eq!(times(&nightly, "2026-10-23T12:00:00Z", 4), expected);
    }

    #[test]
    fn a_time_that_the_clock_skips_runs_once_right_after() {
        // On 2026-03-29 the clock jumps from 03:00 to 04:00.
        let skipped = when("30 3 * * *", "Europe/Tallinn");
        assert_eq!(times(&skipped, "2026-03-28T12:00:00Z", 2), ["03-29 01:00", "03-30 00:30"]);
    }

    #[test]
    fn a_time_that_comes_twice_runs_once() {
        // On 2026-10-25 the hour from 03:00 to 04:00 comes twice.
        let twice = when("30 3 * * *", "Europe/Tallinn");
        assert_eq!(times(&twice, "2026-10-24T12:00:00Z", 2), ["10-25 00:30", "10-26 01:30"]);
        let state = ran("2026-10-25T00:30:00Z");
        assert!(matches!(twice.due(&state, true, true, at("2026-10-25T01:30:00Z")), Due::Wait(_)));
        // An hourly one runs in both.
        let hourly = when("30 * * * *", "Europe/Tallinn");
        assert_eq!(times(&hourly, "2026-10-24T23:45:00Z", 3), ["10-25 00:30", "10-25 01:30", "10-25 02:30"]);
    }

    #[test]
    fn nonsense_is_refused_with_a_reason() {
        for pattern in ["", "15 2", "61 2 * * *", "15 2 * * * *", "often", "15 2 32 * *"] {
            assert!(When::new(pattern, chrono_tz::UTC, TimeDelta::zero()).is_err(), "{pattern}");
        }
        assert!(When::new("@daily", chrono_tz::UTC, TimeDelta::zero()).is_ok());
        // Read without complaint, and never comes: it is said, not waited for.
        assert_eq!(when("0 0 30 2 *", "UTC").after(at("2026-01-01T00:00:00Z")), None);
    }

    #[test]
    fn the_jitter_is_the_same_for_the_same_time_and_stays_in_its_bounds() {
        let of = |seed: &str| When::new("0 2 * * *", chrono_tz::UTC, TimeDelta::minutes(20)).unwrap().seeded(seed);
        let (one, other) = (of("a"), of("b"));
        let mut differ = 0;
        for day in 0..40 {
            let time = at("2026-01-01T02:00:00Z") + TimeDelta::days(day);
            let later = one.begins(time) - time;
            assert!(later >= TimeDelta::zero() && later <= TimeDelta::minutes(20));
            assert_eq!(one.begins(time), of("a").begins(time));
            differ += usize::from(one.begins(time) != other.begins(time));
            // Until it begins it is waited for; then it is due, once.
            let state = State { time: Some(time - TimeDelta::days(1)), ..State::default() };
            let before = one.begins(time) - TimeDelta::seconds(1);
            assert_eq!(one.due(&state, true, false, before), Due::Wait(Some(one.begins(time))));
            assert_eq!(one.due(&state, true, false, one.begins(time)), Due::Run { time, missed: None });
        }
        assert!(differ > 30);
    }

    #[test]
    fn the_first_run_waits_for_its_time_unless_somebody_calls_for_it() {
        let (nightly, now) = (when("15 2 * * *", "UTC"), at("2026-05-05T12:00:00Z"));
        let next = Some(at("2026-05-06T02:15:00Z"));
        let fresh = State { since: Some(now), ..State::default() };
        assert_eq!(nightly.due(&fresh, true, true, now), Due::Wait(next));
        assert_eq!(nightly.due(&State::default(), true, false, now), Due::Wait(next));
        let due = nightly.due(&State::default(), true, true, now);
        assert_eq!(due, Due::Run { time: at("2026-05-05T02:15:00Z"), missed: None });
    }

    #[test]
    fn what_was_slept_through_is_made_up_for_once_and_named() {
        let nightly = when("15 2 * * *", "UTC");
        let (state, woke) = (ran("2026-05-05T02:15:00Z"), at("2026-05-08T09:00:00Z"));
        let missed =
            Missed { count: 3, first: at("2026-05-06T02:15:00Z"), last: at("2026-05-08T02:15:00Z"), more: false };
        let time = missed.last;
        assert_eq!(nightly.due(&state, true, false, woke), Due::Run { time, missed: Some(missed.clone()) });
        assert_eq!(nightly.due(&state, false, false, woke), Due::Skip(missed));
        assert_eq!(
            nightly.due(&State { time: Some(time), ..state }, true, false, woke),
            Due::Wait(Some(at("2026-05-09T02:15:00Z")))
        );
    }

    #[test]
    fn a_timer_that_asks_once_an_hour_is_in_time() {
        let nightly = when("15 2 * * *", "UTC");
        let due = nightly.due(&ran("2026-05-05T02:15:00Z"), false, true, at("2026-05-06T03:14:00Z"));
        assert_eq!(due, Due::Run { time: at("2026-05-06T02:15:00Z"), missed: None });
    }

    #[test]
    fn a_year_of_minutes_is_not_counted_one_by_one() {
        let minutely = when("* * * * *", "UTC");
        let now = at("2027-05-05T00:00:30Z");
        let Due::Run { time, missed: Some(missed) } = minutely.due(&ran("2026-05-05T00:00:00Z"), true, false, now)
        else {
            panic!("it is due")
        };
        assert_eq!((time, missed.more, missed.count), (at("2027-05-05T00:00:00Z"), true, 1000));
        assert_eq!(missed.last, at("2027-05-04T23:59:00Z"));
    }

    #[test]
    fn a_clock_that_was_wrong_for_a_while_stops_nothing() {
        let nightly = when("15 2 * * *", "UTC");
        let now = at("2026-05-05T12:00:00Z");
        let due = nightly.due(&ran("2036-01-01T02:15:00Z"), true, false, now);
        assert_eq!(due, Due::Run { time: at("2026-05-05T02:15:00Z"), missed: None });
        // A few minutes back make no second run.
        let back = nightly.due(&ran("2026-05-05T02:15:00Z"), true, false, at("2026-05-05T02:13:00Z"));
        assert!(matches!(back, Due::Wait(_)), "{back:?}");
    }

    #[test]
    fn what_a_run_left_is_gone_on_with_at_its_time_unless_a_new_run_is_due() {
        let nightly = when("15 2 * * *", "UTC");
        let again = Again { at: at("2026-05-05T10:00:00Z"), steps: vec![Step::Snapshot], attempt: 1 };
        let state = State { again: Some(again.clone()), ..ran("2026-05-05T02:15:00Z") };
        assert_eq!(nightly.due(&state, true, false, at("2026-05-05T09:00:00Z")), Due::Wait(Some(again.at)));
        assert_eq!(nightly.due(&state, true, false, at("2026-05-05T10:00:00Z")), Due::Again(again));
        let next = nightly.due(&state, true, false, at("2026-05-06T02:20:00Z"));
        assert!(matches!(next, Due::Run { .. }), "{next:?}");
    }
}
