//! What a capture will cost and when it is done, told before it begins.
//!
//! The price comes from a rehearsal (`rehearsal.rs`): as if nothing had changed since the last snapshot, so that what did
//! change comes on top. Of an account without a snapshot the large lists are counted by their ends (`counting.rs`),
//! and where nothing tells how much there is, that is said.

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;

use super::counting::{Bound, Counted};
use super::rehearsal::{Basis, Expected};
use super::run::{Run, Stop};
use super::{Error, Wanted};
use crate::account::Account;
use crate::archive::{Archive, SnapshotId};
use crate::clock::Clock;
use crate::monitor::Silent;

/// Price of the next capture, and what it is made of.
#[derive(Clone, PartialEq, Debug)]
pub struct Forecast {
    /// Tokens in all, as far as they are known or likely.
    pub tokens: u64,
    /// Requests in all.
    pub requests: u64,
    /// It does not cost less than this many tokens.
    pub at_least: u64,
    /// It does not cost more; none where that cannot be known.
    pub at_most: Option<u64>,
    /// Object by object, in the order of the catalogue; objects that certainly cost nothing are left out.
    pub objects: Vec<Expected>,
    /// The snapshot that says how much there was.
    pub below: Option<SnapshotId>,
    /// It is what is left of a capture that is not at its end.
    pub goes_on: bool,
    /// When it is done; none when it never is, because nothing may be spent.
    pub course: Option<Course>,
}

/// How long a capture takes under its budget.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct Course {
    /// Days on which it runs, today included.
    pub days: u64,
    /// When it is done, if it runs as soon as there are tokens.
    pub ends: DateTime<Utc>,
}

/// What there is to spend.
#[derive(Clone, Copy, Debug)]
struct Means {
    now: DateTime<Utc>,
    /// When the day's tokens come back.
    tomorrow: DateTime<Utc>,
    /// Tokens that may be spent today, when known.
    today: Option<u64>,
    /// Tokens that may be spent of a whole day, when known.
    a_day: Option<u64>,
    /// Requests in two seconds, when known.
    burst: Option<u64>,
}

impl Means {
    fn of(account: &Account) -> Means {
        Means {
            now: account.now(),
            tomorrow: account.next_day(),
            today: account.may_spend(),
            a_day: account.may_spend_a_day(),
            burst: account.burst(),
        }
    }

    /// When a capture of this price is done; none when it never is.
    fn course(&self, tokens: u64, requests: u64) -> Option<Course> {
        let seconds = |requests: u64| {
            let burst = self.burst.filter(|burst| *burst > 0);
            TimeDelta::seconds(burst.map_or(0, |burst| (requests * 2).div_ceil(burst)).min(1 << 40) as i64)
        };
        let over = tokens.saturating_sub(self.today.unwrap_or(u64::MAX));
        if over == 0 {
            return Some(Course { days: 1, ends: self.now + seconds(requests) });
        }
        let a_day = self.a_day.filter(|tokens| *tokens > 0)?;
        let further = over.div_ceil(a_day);
        let on_the_last = over - (further - 1) * a_day;
        let day = TimeDelta::days(i64::try_from(further - 1).ok()?.min(1 << 20));
        let rest = (u128::from(requests) * u128::from(on_the_last) / u128::from(tokens)) as u64;
        Some(Course { days: 1 + further, ends: self.tomorrow + day + seconds(rest) })
    }
}

/// Price of the next capture by what is known; asks the service nothing.
pub fn forecast(account: &Account, archive: &Archive, wanted: &Wanted, clock: Clock) -> Result<Forecast, Error> {
    let run = Run::begin(account, archive, wanted, clock, &Silent)?;
    of(&run, &Counted::new())
}

/// The same; large lists of which nothing is known are counted first, in two calls each.
pub async fn forecast_counted(
    account: &Account,
    archive: &Archive,
    wanted: &Wanted,
    clock: Clock,
) -> Result<Forecast, Error> {
    let run = Run::begin(account, archive, wanted, clock, &Silent)?;
    let counted = run.count_lists().await;
    match counted {
        Ok(counted) => of(&run, &counted),
        Err(Stop::Failed(error)) => Err(error),
        Err(Stop::BudgetSpent(_)) => of(&run, &Counted::new()),
    }
}

fn of(run: &Run<'_>, counted: &Counted) -> Result<Forecast, Error> {
    let objects = run.rehearse(counted, Bound::Likely)?;
    let sum = |objects: &[Expected]| objects.iter().map(|expected| expected.tokens).sum::<u64>();
    let surely = |objects: &[Expected]| {
        let sure = objects.iter().filter(|expected| expected.basis != Basis::AtMost);
        sure.map(|expected| expected.tokens).sum::<u64>()
    };
    let (at_least, at_most) = match counted.is_empty() {
        true => (surely(&objects), sum(&objects)),
        false => {
            let (least, most) = (run.rehearse(counted, Bound::AtLeast)?, run.rehearse(counted, Bound::AtMost)?);
            (surely(&least), sum(&most))
        }
    };
    let open = objects.iter().any(|expected| matches!(expected.basis, Basis::AtLeast | Basis::Snapshot));
    let (tokens, requests) = (sum(&objects), objects.iter().map(|expected| expected.requests).sum());
    Ok(Forecast {
        tokens,
        requests,
        at_least,
        at_most: Some(at_most).filter(|_| !open),
        objects,
        below: run.base.as_ref().map(|base| base.manifest().id.clone()),
        goes_on: run.taken_up,
        course: Means::of(run.account).course(tokens, requests),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().expect("a time")
    }

    fn means(today: Option<u64>, a_day: Option<u64>) -> Means {
        let (now, tomorrow) = (at("2026-11-27T18:00:00Z"), at("2026-11-28T00:00:00Z"));
        Means { now, tomorrow, today, a_day, burst: Some(20) }
    }

    #[test]
    fn what_today_bears_is_done_today_at_the_burst_rate() {
        let course = means(Some(5_000), Some(15_000)).course(5_000, 500).expect("an end");
        assert_eq!(course, Course { days: 1, ends: at("2026-11-27T18:00:50Z") });
        let unknown = means(None, None).course(1 << 40, 10).expect("an end");
        assert_eq!(unknown, Course { days: 1, ends: at("2026-11-27T18:00:01Z") });
    }

    #[test]
    fn more_than_a_day_bears_ends_on_the_day_on_which_its_last_token_is_spent() {
        let means = means(Some(5_000), Some(15_000));
        let (second, third) = (means.course(5_001, 500), means.course(20_001, 2_000));
        assert_eq!(second, Some(Course { days: 2, ends: at("2026-11-28T00:00:00Z") }));
        assert_eq!(
            third.map(|course| (course.days, course.ends.date_naive().to_string())),
            Some((3, "2026-11-29".into()))
        );
        assert_eq!(means.course(20_000, 2_000).map(|course| course.days), Some(2));
    }

    #[test]
    fn without_anything_to_spend_there_is_no_end() {
        assert_eq!(means(Some(0), Some(0)).course(1, 1), None);
    }
}
