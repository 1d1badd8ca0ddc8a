//! How many requests may be sent, and when: a state machine without a clock.
//!
//! Two purses. The day's tokens belong to the whole company, so a run takes only a
//! share of what is left when it starts. The burst window belongs to the token: too
//! many requests in two seconds are answered with 429, and a client that ignores
//! those is locked out (api/wire.md, Rate limits). Both are learnt from the headers of
//! every answer. Until the first answer one request is under way at a time, and an
//! account whose answers carry no such headers is treated as the smallest plan.
//!
//! The caller asks, waits if told to, and asks again; it tells what came back. The
//! time is an argument, so that a test can tell a story of a whole day.

use std::collections::VecDeque;
use std::time::Duration;

use chrono::{DateTime, Days, NaiveTime, Utc};

/// Length of the burst window, with a margin for requests that travel at different speed.
const WINDOW: Duration = Duration::from_millis(2_100);

/// Requests in a window of the smallest plan; what is assumed when nothing is told.
const SMALLEST_BURST: u64 = 20;

/// How long to wait when the first answer is not there yet.
const POLL: Duration = Duration::from_millis(20);

/// How much of today's tokens a run may spend.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Allowance {
    /// This share of what is left when the run starts, 0 to 1.
    Share(f64),
    /// This many tokens.
    Tokens(u64),
    /// Whatever is left.
    Unlimited,
}

/// What was spent so far, counted: every request that was sent, at its price in the catalogue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spent {
    /// Requests sent, those that were tried again included.
    pub requests: u64,
    /// Their tokens.
    pub tokens: u64,
}

/// A moment, as the caller's clocks tell it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    /// Since the account was opened; never goes back.
    pub(super) running: Duration,
    /// The calendar.
    pub(super) wall: DateTime<Utc>,
}

/// What the headers of an answer say about limits; each may be missing.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Limits {
    /// Requests in a window.
    pub(super) burst: Option<u64>,
    /// Requests left in this window.
    pub(super) burst_left: Option<u64>,
    /// When the window is full again.
    pub(super) burst_reset: Option<Duration>,
    /// Tokens of a day.
    pub(super) day: Option<u64>,
    /// Tokens left today.
    pub(super) day_left: Option<u64>,
    /// POST and PUT requests left today.
    pub(super) writes_left: Option<u64>,
    /// How long a refused request should wait.
    pub(super) retry_after: Option<Duration>,
    /// What time the service believes it is.
    pub(super) date: Option<DateTime<Utc>>,
}

/// May a request be sent?
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Verdict {
    /// Send it; it is counted already.
    Go,
    /// Ask again after this time.
    Wait(Duration),
    /// Not before this time.
    SpentUntil(DateTime<Utc>),
}

/// The two purses.
#[derive(Debug)]
pub(super) struct Budget {
    allowance: Allowance,
    spent: Spent,
    /// What the run may spend in all; known when the day's tokens are.
    purse: Option<u64>,
    day: Option<Day>,
    /// Requests in a window; `None` until the first answer.
    burst: Option<u64>,
    /// Whether the service told, or the smallest plan is assumed.
    burst_told: bool,
    /// When the requests of the current window were sent.
    sent: VecDeque<Duration>,
    /// What the newest answer said of the window, less what was sent since.
    gate: Option<Gate>,
    /// Requests without an answer yet, and their tokens.
    open: Spent,
    /// POST and PUT requests left today, as the newest answer told.
    writes_left: Option<u64>,
    /// Those without an answer yet.
    open_writes: u64,
}

/// The day's tokens, as the newest answer told.
#[derive(Clone, Copy, Debug)]
struct Day {
    left: u64,
    limit: u64,
}

#[derive(Clone, Copy, Debug)]
struct Gate {
    left: u64,
    until: Duration,
}

impl Budget {
    pub(super) fn new(allowance: Allowance) -> Budget {
        let purse = match allowance {
            Allowance::Tokens(tokens) => Some(tokens),
            Allowance::Share(_) | Allowance::Unlimited => None,
        };
        let (day, burst, gate, open) = (None, None, None, Spent::default());
        let (spent, sent, burst_told) = (Spent::default(), VecDeque::new(), false);
        Budget { allowance, spent, purse, day, burst, burst_told, sent, gate, open, writes_left: None, open_writes: 0 }
    }

    pub(super) fn spent(&self) -> Spent {
        self.spent
    }

    /// Tokens left today and the day's limit, if the service told.
    pub(super) fn today(&self) -> Option<(u64, u64)> {
        self.day.map(|day| (day.left, day.limit))
    }

    /// Requests in a window, if the service told.
    pub(super) fn burst(&self) -> Option<u64> {
        self.burst.filter(|_| self.burst_told)
    }

    /// Tokens this run may still spend, if that is known.
    pub(super) fn may_spend(&self) -> Option<u64> {
        let purse = self.purse.map(|purse| purse.saturating_sub(self.spent.tokens));
        let day = self.day.map(|day| day.left.saturating_sub(self.open.tokens));
        match (purse, day) {
            (Some(purse), Some(day)) => Some(purse.min(day)),
            (purse, day) => purse.or(day),
        }
    }

    /// May a request of this price be sent now? After [`Verdict::Go`] it is counted; tell what came of it.
    pub(super) fn ask(&mut self, price: u32, now: Moment) -> Verdict {
        let price = u64::from(price);
        let over_purse = self.purse.is_some_and(|purse| self.spent.tokens + price > purse);
        let over_day = self.day.is_some_and(|day| self.open.tokens + price > day.left);
        if over_purse || over_day {
            return Verdict::SpentUntil(next_midnight(now.wall));
        }
        if let Some(wait) = self.burst_wait(now.running) {
            return Verdict::Wait(wait);
        }
        self.sent.push_back(now.running);
        self.open.requests += 1;
        self.open.tokens += price;
        self.spent.requests += 1;
        self.spent.tokens += price;
        if let Some(gate) = &mut self.gate {
            gate.left = gate.left.saturating_sub(1);
        }
        Verdict::Go
    }

    /// As [`Budget::ask`], for a request that counts as a write; tell when it is over, too.
    ///
    /// A user has 10,000 POST and PUT a day (api/wire.md, Rate limits). UNCONFIRMED: whether v2 PATCH and DELETE count;
    /// they are let through, and shown in what is left if they do.
    pub(super) fn ask_write(&mut self, price: u32, now: Moment) -> Verdict {
        if self.writes_left.is_some_and(|left| self.open_writes >= left) {
            return Verdict::SpentUntil(next_midnight(now.wall));
        }
        let verdict = self.ask(price, now);
        self.open_writes += u64::from(verdict == Verdict::Go);
        verdict
    }

    /// A write came back, with or without an answer; without one it stays counted.
    pub(super) fn close_write(&mut self, left: Option<u64>) {
        self.open_writes = self.open_writes.saturating_sub(1);
        if left.is_none() {
            self.writes_left = self.writes_left.map(|left| left.saturating_sub(1));
        }
    }

    /// How long the burst window is closed, if it is.
    fn burst_wait(&mut self, now: Duration) -> Option<Duration> {
        self.sent.retain(|sent| *sent + WINDOW > now);
        self.gate = self.gate.filter(|gate| gate.until > now);
        let Some(burst) = self.burst else {
            return (self.open.requests > 0).then_some(POLL);
        };
        if let Some(gate) = self.gate.filter(|gate| gate.left == 0) {
            return Some(gate.until - now);
        }
        // One in twenty is left over, for requests that overtake each other on the way.
        let usable = (burst - burst / 20).max(1);
        let oldest = self.sent.front().filter(|_| self.sent.len() as u64 >= usable)?;
        Some(*oldest + WINDOW - now)
    }

    /// A request came back with these headers. Its reservation ends.
    pub(super) fn learn(&mut self, price: u32, limits: &Limits, now: Moment) {
        self.close(price);
        self.burst_told |= limits.burst.is_some_and(|burst| burst > 0);
        self.burst = Some(limits.burst.filter(|burst| *burst > 0).or(self.burst).unwrap_or(SMALLEST_BURST));
        if let (Some(left), Some(reset)) = (limits.burst_left, limits.burst_reset) {
            // Requests under way may or may not be counted in what the service says is left.
            let left = left.saturating_sub(self.open.requests);
            self.gate = Some(Gate { left, until: now.running + reset });
        }
        self.writes_left = limits.writes_left.or(self.writes_left);
        let Some(left) = limits.day_left else { return };
        let limit = limits.day.or(self.day.map(|day| day.limit)).unwrap_or(left);
        self.day = Some(Day { left, limit });
        if let (Allowance::Share(share), None) = (self.allowance, self.purse) {
            let before = self.spent.tokens - self.open.tokens;
            // A share is rounded down: never more than was said.
            let granted = (left as f64 * share.clamp(0.0, 1.0)) as u64;
            self.purse = Some(before + granted);
        }
    }

    /// A request came back with nothing. It stays counted: the service may have seen it.
    pub(super) fn close(&mut self, price: u32) {
        self.open.requests = self.open.requests.saturating_sub(1);
        self.open.tokens = self.open.tokens.saturating_sub(u64::from(price));
    }
}

/// When the day's tokens are believed to come back.
///
/// The service does so at midnight of its server's zone (api/wire.md), which no answer names. UNCONFIRMED: that it is
/// UTC. A run that goes on too early is told 429 again and nothing is lost.
pub(super) fn next_midnight(now: DateTime<Utc>) -> DateTime<Utc> {
    let tomorrow = now.date_naive().checked_add_days(Days::new(1)).unwrap_or(now.date_naive());
    tomorrow.and_time(NaiveTime::MIN).and_utc()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Moment {
        let wall = DateTime::parse_from_rfc3339("2026-11-23T18:00:00Z").expect("a time").to_utc();
        Moment { running: Duration::from_millis(millis), wall: wall + chrono::Duration::milliseconds(millis as i64) }
    }

    fn midnight() -> DateTime<Utc> {
        DateTime::parse_from_rfc3339("2026-11-24T00:00:00Z").expect("a time").to_utc()
    }

    fn day(left: u64) -> Limits {
        Limits { day: Some(30_000), day_left: Some(left), ..burst(20, 19) }
    }

    fn burst(limit: u64, left: u64) -> Limits {
        Limits {
            burst: Some(limit),
            burst_left: Some(left),
            burst_reset: Some(Duration::from_secs(2)),
            ..Limits::default()
        }
    }

    /// A budget that has met its first answer, long ago.
    fn met(allowance: Allowance, limits: Limits) -> Budget {
        let mut budget = Budget::new(allowance);
        assert_eq!(budget.ask(2, at(0)), Verdict::Go);
        budget.learn(2, &limits, at(10));
        budget
    }

    #[test]
    fn before_the_first_answer_one_request_is_under_way() {
        let mut budget = Budget::new(Allowance::Unlimited);
        assert_eq!(budget.ask(2, at(0)), Verdict::Go);
        assert_eq!(budget.ask(2, at(1)), Verdict::Wait(POLL));
        budget.close(2);
        // No answer came, so still nothing is known.
        assert_eq!(budget.ask(2, at(2)), Verdict::Go);
        assert_eq!(budget.ask(2, at(3)), Verdict::Wait(POLL));
    }

    #[test]
    fn a_share_is_of_what_was_left_at_the_start() {
        let mut budget = met(Allowance::Share(0.5), day(998));
        // Half of 998, on top of the 2 that the first request cost.
        let mut spent = 0;
        for turn in 0.. {
            let now = at(10_000 * (turn + 1));
            match budget.ask(20, now) {
                Verdict::Go => budget.learn(20, &day(998 - spent - 20), now),
                Verdict::SpentUntil(until) => {
                    assert_eq!(until, midnight());
                    break;
                }
                Verdict::Wait(wait) => panic!("{wait:?}"),
            }
            spent += 20;
        }
        assert_eq!(spent, 480);
        assert_eq!(budget.may_spend(), Some(19));
        assert_eq!(budget.today(), Some((518, 30_000)));
    }

    #[test]
    fn the_day_s_last_tokens_are_not_overdrawn_by_requests_under_way() {
        let mut budget = met(Allowance::Unlimited, day(45));
        assert_eq!(budget.ask(20, at(5_000)), Verdict::Go);
        assert_eq!(budget.ask(20, at(5_000)), Verdict::Go);
        assert_eq!(budget.ask(20, at(5_000)), Verdict::SpentUntil(midnight()));
        assert_eq!(budget.may_spend(), Some(5));
        assert_eq!(budget.ask(5, at(5_000)), Verdict::Go);
    }

    #[test]
    fn a_new_day_opens_the_purse_of_the_day_again() {
        let mut budget = met(Allowance::Unlimited, day(10));
        assert_eq!(budget.ask(20, at(5_000)), Verdict::SpentUntil(midnight()));
        assert_eq!(budget.ask(2, at(5_000)), Verdict::Go);
        budget.learn(2, &day(29_998), at(6_000));
        assert_eq!(budget.ask(20, at(6_000)), Verdict::Go);
    }

    #[test]
    fn a_number_of_tokens_needs_no_header() {
        let mut budget = met(Allowance::Tokens(25), Limits::default());
        assert_eq!(budget.ask(20, at(5_000)), Verdict::Go);
        assert_eq!(budget.ask(10, at(5_000)), Verdict::SpentUntil(midnight()));
        assert_eq!(budget.spent(), Spent { requests: 2, tokens: 22 });
    }

    #[test]
    fn an_account_that_tells_no_limits_is_treated_as_the_smallest_plan() {
        let mut budget = met(Allowance::Unlimited, Limits::default());
        let sent = (0..100).filter(|_| budget.ask(1, at(3_000)) == Verdict::Go).count();
        assert_eq!(sent, 19);
        assert_eq!(budget.ask(1, at(4_000)), Verdict::Wait(Duration::from_millis(1_100)));
        assert_eq!(budget.ask(1, at(5_100)), Verdict::Go);
    }

    #[test]
    fn the_burst_window_is_never_overdrawn_whenever_the_answers_come() {
        // The service counts what it sees in any two seconds; answers take between 5 ms and 800 ms.
        let mut budget = met(Allowance::Unlimited, burst(40, 39));
        let (mut sent, mut answers): (Vec<u64>, Vec<u64>) = (vec![0], Vec::new());
        let mut now = 3_000;
        while now < 60_000 {
            answers.retain(|answer| {
                let arrived = *answer <= now;
                if arrived {
                    let seen = sent.iter().filter(|when| **when + 2_000 > now).count() as u64;
                    budget.learn(1, &burst(40, 40 - seen), at(now));
                }
                !arrived
            });
            match budget.ask(1, at(now)) {
                Verdict::Go => {
                    sent.push(now);
                    answers.push(now + 5 + now * 7_919 % 796);
                }
                Verdict::Wait(wait) => now += (wait.as_millis() as u64).clamp(1, 50),
                Verdict::SpentUntil(_) => panic!("nothing is spent"),
            }
        }
        let most =
            sent.iter().map(|from| sent.iter().filter(|when| (*from..from + 2_000).contains(when)).count()).max();
        assert!(most <= Some(40), "{most:?} requests in two seconds");
        // And the plan is used: a client that waits for ever would be safe, too.
        assert!(sent.len() > 700, "{} requests in 57 seconds", sent.len());
    }

    #[test]
    fn somebody_else_with_the_same_token_closes_the_window_for_us_too() {
        let mut budget = met(Allowance::Unlimited, burst(40, 0));
        assert_eq!(budget.ask(1, at(500)), Verdict::Wait(Duration::from_millis(1_510)));
        assert_eq!(budget.ask(1, at(2_010)), Verdict::Go);
    }

    #[test]
    fn the_day_s_last_writes_are_not_overdrawn_by_requests_under_way() {
        let mut budget = met(Allowance::Unlimited, Limits { writes_left: Some(2), ..burst(20, 19) });
        assert_eq!(budget.ask_write(5, at(5_000)), Verdict::Go);
        assert_eq!(budget.ask_write(5, at(5_000)), Verdict::Go);
        assert_eq!(budget.ask_write(5, at(5_000)), Verdict::SpentUntil(midnight()));
        // Reading goes on.
        assert_eq!(budget.ask(5, at(5_000)), Verdict::Go);
        // One was answered, of the other nothing is known: the service may have counted it.
        budget.learn(5, &Limits { writes_left: Some(1), ..burst(20, 17) }, at(5_100));
        budget.close_write(Some(1));
        budget.close(5);
        budget.close_write(None);
        assert_eq!(budget.ask_write(5, at(9_000)), Verdict::SpentUntil(midnight()));
        // A new day, as the next answer tells.
        budget.learn(5, &Limits { writes_left: Some(9_999), ..burst(20, 17) }, at(9_100));
        assert_eq!(budget.ask_write(5, at(12_000)), Verdict::Go);
    }

    #[test]
    fn midnight_is_the_next_one_in_utc() {
        assert_eq!(next_midnight(at(0).wall), midnight());
        assert_eq!(next_midnight(midnight()), midnight() + chrono::Duration::days(1));
    }
}
