//! How many requests may be sent, and when: a state machine without a clock.
//!
//! Two purses. The day's tokens belong to the whole company, so a run takes only a
//! share of what is left when it starts (`purse.rs`). The burst window belongs to the
//! token: too many requests in two seconds are answered with 429, and a client that
//! ignores those is locked out (api/wire.md, Rate limits). When the service counted a
//! request nobody tells, but it was before its answer came: two seconds after that its
//! place is free. That needs no margin, however long requests travel. Both purses are
//! learnt from the headers of every answer. Until the first answer one request is under way at a time, and an
//! account whose answers carry no such headers is treated as the smallest plan.
//!
//! The caller asks, waits if told to, and asks again; it tells what came back. The
//! time is an argument, so that a test can tell a story of a whole day.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use chrono::{DateTime, Days, NaiveTime, Utc};

use super::purse::{Purse, Room, Ticket};

/// Length of the burst window (api/wire.md, Rate limits).
const WINDOW: Duration = Duration::from_secs(2);

/// Requests in a window of the smallest plan; what is assumed when nothing is told.
const SMALLEST_BURST: u64 = 20;

/// How long to wait for the answer to a request under way.
const POLL: Duration = Duration::from_millis(5);

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
    Go(Ticket),
    /// Ask again after this time.
    Wait(Duration),
    /// Not before this time.
    SpentUntil(DateTime<Utc>),
}

/// POST and PUT requests that a user has a day: api/wire.md, Rate limits (fair use, since 2019-06-25).
pub const WRITES_A_DAY: u64 = 10_000;

/// The two purses.
#[derive(Debug)]
pub(super) struct Budget {
    spent: Spent,
    purse: Purse,
    /// Requests in a window; `None` until the first answer.
    burst: Option<u64>,
    /// Whether the service told, or the smallest plan is assumed.
    burst_told: bool,
    /// When the answers came whose requests may still be in the window, or were when a request under way was sent: what
    /// its answer says is left, was left then.
    answered: VecDeque<Duration>,
    /// When the requests under way were sent, in the order of their tickets.
    sent_at: BTreeMap<Ticket, Duration>,
    /// What the newest answer said of the window, less what was sent since, when somebody else uses the token, too.
    gate: Option<Gate>,
    /// POST and PUT requests left today, as the newest answer told.
    writes_left: Option<u64>,
    /// Those without an answer yet.
    open_writes: u64,
}

#[derive(Clone, Copy, Debug)]
struct Gate {
    left: u64,
    until: Duration,
}

impl Budget {
    pub(super) fn new(allowance: Allowance) -> Budget {
        Budget {
            spent: Spent::default(),
            purse: Purse::new(allowance),
            burst: None,
            burst_told: false,
            answered: VecDeque::new(),
            sent_at: BTreeMap::new(),
            gate: None,
            writes_left: None,
            open_writes: 0,
        }
    }

    pub(super) fn spent(&self) -> Spent {
        self.spent
    }

    /// Tokens left today and the day's limit, if the service told.
    pub(super) fn today(&self) -> Option<(u64, u64)> {
        self.purse.today()
    }

    /// Tokens that a run may spend of a whole day, if that is known.
    pub(super) fn a_day(&self) -> Option<u64> {
        self.purse.a_day()
    }

    /// POST and PUT requests left today, if the service told.
    pub(super) fn writes_today(&self) -> Option<u64> {
        self.writes_left
    }

    /// Requests in a window, if the service told.
    pub(super) fn burst(&self) -> Option<u64> {
        self.burst.filter(|_| self.burst_told)
    }

    /// Tokens this run may still spend, if that is known.
    pub(super) fn may_spend(&self) -> Option<u64> {
        self.purse.may_spend()
    }

    /// May a request of this price be sent now? After [`Verdict::Go`] it is counted; tell what came of it.
    pub(super) fn ask(&mut self, price: u32, now: Moment) -> Verdict {
        let price = u64::from(price);
        match self.purse.room(price) {
            Room::Enough => {}
            Room::Unclear => return Verdict::Wait(POLL),
            Room::None => return Verdict::SpentUntil(next_midnight(now.wall)),
        }
        if let Some(wait) = self.burst_wait(now.running) {
            return Verdict::Wait(wait);
        }
        self.spent.requests += 1;
        self.spent.tokens += price;
        if let Some(gate) = &mut self.gate {
            gate.left = gate.left.saturating_sub(1);
        }
        let ticket = self.purse.take(price);
        self.sent_at.insert(ticket, now.running);
        Verdict::Go(ticket)
    }

    /// As [`Budget::ask`], for a request that counts as a write; tell when it is over, too.
    ///
    /// A user has [`WRITES_A_DAY`]. UNCONFIRMED: whether v2 PATCH and DELETE count; they are let through, and shown in what
    /// is left if they do.
    pub(super) fn ask_write(&mut self, price: u32, now: Moment) -> Verdict {
        if self.writes_left.is_some_and(|left| self.open_writes >= left) {
            return Verdict::SpentUntil(next_midnight(now.wall));
        }
        let verdict = self.ask(price, now);
        self.open_writes += u64::from(matches!(verdict, Verdict::Go(_)));
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
        self.gate = self.gate.filter(|gate| gate.until > now);
        let under_way = self.purse.under_way() as u64;
        let Some(burst) = self.burst else {
            return (under_way > 0).then_some(POLL);
        };
        if let Some(gate) = self.gate.filter(|gate| gate.left == 0) {
            return Some(gate.until - now);
        }
        let first = self.first_in_window(now);
        if under_way + ((self.answered.len() - first) as u64) < burst {
            return None;
        }
        Some(self.answered.get(first).map_or(POLL, |answered| *answered + WINDOW - now))
    }

    /// From which answer on the requests may be in the window at this time.
    fn first_in_window(&self, at: Duration) -> usize {
        self.answered.partition_point(|answered| *answered + WINDOW <= at)
    }

    /// A request came back. Answers when it was sent.
    fn ended(&mut self, ticket: Ticket, now: Duration) -> Duration {
        self.answered.push_back(now);
        let sent = self.sent_at.remove(&ticket).unwrap_or(now);
        let oldest = self.sent_at.values().next().copied().unwrap_or(now);
        let forgotten = self.first_in_window(oldest.min(sent));
        self.answered.drain(..forgotten);
        sent
    }

    /// A request came back with these headers. Its reservation ends.
    pub(super) fn learn(&mut self, ticket: Ticket, limits: &Limits, now: Moment) {
        self.purse.end(ticket, limits.day_left, limits.day);
        let sent = self.ended(ticket, now.running);
        self.burst_told |= limits.burst.is_some_and(|burst| burst > 0);
        let burst = limits.burst.filter(|burst| *burst > 0).or(self.burst).unwrap_or(SMALLEST_BURST);
        self.burst = Some(burst);
        if let (Some(left), Some(reset)) = (limits.burst_left, limits.burst_reset) {
            let under_way = self.purse.under_way() as u64;
            // The service told it when it counted the request, not when the answer came: what was in the window then.
            let ours = under_way + (self.answered.len() - self.first_in_window(sent)) as u64;
            if left + ours < burst {
                // Requests under way may or may not be counted in what the service says is left.
                let left = left.saturating_sub(under_way);
                self.gate = Some(Gate { left, until: now.running + reset });
            }
        }
        self.writes_left = limits.writes_left.or(self.writes_left);
    }

    /// A request came back with nothing. It stays counted: the service may have seen it.
    pub(super) fn close(&mut self, ticket: Ticket, now: Moment) {
        self.purse.end(ticket, None, None);
        self.ended(ticket, now.running);
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

    fn goes(verdict: Verdict) -> Ticket {
        let Verdict::Go(ticket) = verdict else { panic!("{verdict:?}") };
        ticket
    }

    /// A budget that has met its first answer, long ago.
    fn met(allowance: Allowance, limits: Limits) -> Budget {
        let mut budget = Budget::new(allowance);
        let first = goes(budget.ask(2, at(0)));
        budget.learn(first, &limits, at(10));
        budget
    }

    #[test]
    fn before_the_first_answer_one_request_is_under_way() {
        let mut budget = Budget::new(Allowance::Unlimited);
        let first = goes(budget.ask(2, at(0)));
        assert_eq!(budget.ask(2, at(1)), Verdict::Wait(POLL));
        budget.close(first, at(2));
        // No answer came, so still nothing is known.
        goes(budget.ask(2, at(2)));
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
                Verdict::Go(ticket) => budget.learn(ticket, &day(998 - spent - 20), now),
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
        let first = goes(budget.ask(20, at(5_000)));
        // It may cost more than the catalogue says: the last tokens are spent by one request at a time.
        assert_eq!(budget.ask(20, at(5_000)), Verdict::Wait(POLL));
        budget.learn(first, &day(25), at(5_100));
        let second = goes(budget.ask(20, at(5_100)));
        budget.learn(second, &day(5), at(5_200));
        assert_eq!(budget.ask(20, at(5_200)), Verdict::SpentUntil(midnight()));
        assert_eq!(budget.may_spend(), Some(5));
        goes(budget.ask(5, at(5_200)));
    }

    #[test]
    fn a_new_day_opens_the_purse_of_the_day_again() {
        let mut budget = met(Allowance::Unlimited, day(10));
        assert_eq!(budget.ask(20, at(5_000)), Verdict::SpentUntil(midnight()));
        let small = goes(budget.ask(2, at(5_000)));
        budget.learn(small, &day(29_998), at(6_000));
        goes(budget.ask(20, at(6_000)));
    }

    #[test]
    fn a_number_of_tokens_needs_no_header() {
        let mut budget = met(Allowance::Tokens(25), Limits::default());
        let large = goes(budget.ask(20, at(5_000)));
        budget.learn(large, &Limits::default(), at(5_000));
        assert_eq!(budget.ask(10, at(5_000)), Verdict::SpentUntil(midnight()));
        assert_eq!(budget.spent(), Spent { requests: 2, tokens: 22 });
    }

    #[test]
    fn an_account_that_tells_no_limits_is_treated_as_the_smallest_plan() {
        let mut budget = met(Allowance::Unlimited, Limits::default());
        let mut sent: Vec<Ticket> = Vec::new();
        while let Verdict::Go(ticket) = budget.ask(1, at(3_000)) {
            sent.push(ticket);
        }
        assert_eq!(sent.len(), 20);
        // Nobody knows when they are counted until they are answered.
        assert_eq!(budget.ask(1, at(4_000)), Verdict::Wait(POLL));
        budget.learn(sent[7], &Limits::default(), at(4_000));
        assert_eq!(budget.ask(1, at(4_000)), Verdict::Wait(Duration::from_secs(2)));
        goes(budget.ask(1, at(6_000)));
    }

    /// A minute of requests of which the service counts each at some moment between its way there and back.
    fn minute(there_and_back: impl Fn(u64) -> (u64, u64)) -> Vec<u64> {
        let mut budget = met(Allowance::Unlimited, burst(40, 39));
        let (mut counted, mut answers): (Vec<u64>, Vec<(Ticket, u64)>) = (vec![5], Vec::new());
        for now in 3_000..63_000 {
            let seen = counted.iter().rev().filter(|when| (now - 1_999..=now).contains(*when)).count() as u64;
            let (arrived, rest) = answers.into_iter().partition(|(_, answer)| *answer <= now);
            answers = rest;
            let arrived: Vec<(Ticket, u64)> = arrived;
            arrived.iter().for_each(|(ticket, _)| budget.learn(*ticket, &burst(40, 40 - seen.min(40)), at(now)));
            while answers.len() < 16 {
                let Verdict::Go(ticket) = budget.ask(1, at(now)) else { break };
                let (there, back) = there_and_back(now + counted.len() as u64 * 31);
                counted.push(now + there);
                answers.push((ticket, now + there + back));
            }
        }
        counted.sort_unstable();
        counted
    }

    #[test]
    fn the_burst_window_is_never_overdrawn_whenever_requests_are_counted() {
        let counted = minute(|at| (2 + at * 7_919 % 397, 2 + at * 104_729 % 397));
        let most =
            counted.iter().map(|from| counted.iter().filter(|when| (*from..from + 2_000).contains(when)).count()).max();
        assert!(most <= Some(40), "{most:?} requests in two seconds");
    }

    #[test]
    fn nine_tenths_of_the_burst_rate_are_used() {
        // 40 requests in two seconds are 1,200 in a minute.
        let counted = minute(|at| (20 + at * 7_919 % 30, 20 + at * 104_729 % 30));
        assert!(counted.len() >= 1_080, "{} requests in a minute", counted.len());
    }

    #[test]
    fn somebody_else_with_the_same_token_closes_the_window_for_us_too() {
        let mut budget = met(Allowance::Unlimited, burst(40, 0));
        assert_eq!(budget.ask(1, at(500)), Verdict::Wait(Duration::from_millis(1_510)));
        goes(budget.ask(1, at(2_010)));
    }

    #[test]
    fn nobody_else_is_suspected_when_an_answer_tells_of_requests_that_left_the_window_meanwhile() {
        let mut budget = met(Allowance::Unlimited, burst(20, 19));
        for left in (10..20).rev() {
            let ticket = goes(budget.ask(1, at(5_000)));
            budget.learn(ticket, &burst(20, left), at(5_010));
        }
        let first = goes(budget.ask(1, at(7_005)));
        // Counted at 7,008, beside the ten before; read when those had left the window.
        budget.learn(first, &burst(20, 9), at(7_030));
        for _ in 1..20 {
            goes(budget.ask(1, at(7_031)));
        }
    }

    #[test]
    fn the_day_s_last_writes_are_not_overdrawn_by_requests_under_way() {
        let mut budget = met(Allowance::Unlimited, Limits { writes_left: Some(2), ..burst(20, 19) });
        let first = goes(budget.ask_write(5, at(5_000)));
        let second = goes(budget.ask_write(5, at(5_000)));
        assert_eq!(budget.ask_write(5, at(5_000)), Verdict::SpentUntil(midnight()));
        // Reading goes on.
        let read = goes(budget.ask(5, at(5_000)));
        // One was answered, of the other nothing is known: the service may have counted it.
        budget.learn(first, &Limits { writes_left: Some(1), ..burst(20, 17) }, at(5_100));
        budget.close_write(Some(1));
        budget.close(second, at(5_200));
        budget.close_write(None);
        assert_eq!(budget.ask_write(5, at(9_000)), Verdict::SpentUntil(midnight()));
        // A new day, as the next answer tells.
        budget.learn(read, &Limits { writes_left: Some(9_999), ..burst(20, 17) }, at(9_100));
        goes(budget.ask_write(5, at(12_000)));
    }

    #[test]
    fn midnight_is_the_next_one_in_utc() {
        assert_eq!(next_midnight(at(0).wall), midnight());
        assert_eq!(next_midnight(midnight()), midnight() + chrono::Duration::days(1));
    }
}
