//! The meter: token budget of the day, burst window, and the headers that tell of both.
//!
//! api/wire.md, "Rate limits". Requests to the sandbox's own endpoints never come here.

use std::collections::{BTreeMap, VecDeque};

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use serde_json::{Value, json};

/// The burst window.
const WINDOW_SECONDS: i64 = 2;
/// Fair use: POST and PUT a day.
const WRITES_A_DAY: u64 = 10_000;

/// What a request may do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Verdict {
    /// Go on.
    Go,
    /// Too fast: wait so many seconds.
    TooFast(u64),
    /// The budget of the day is spent: so many seconds until midnight.
    Spent(u64),
}

/// The meter of the one token.
#[derive(Debug)]
pub(super) struct Meter {
    /// Tokens a day; 0 is without limit.
    daily_tokens: u64,
    /// Requests in two seconds; 0 is without limit.
    burst: u32,
    day: NaiveDate,
    spent: u64,
    writes: u64,
    recent: VecDeque<DateTime<Utc>>,
    counts: BTreeMap<String, (u64, u64)>,
    refused: u64,
}

impl Meter {
    /// A meter with nothing on it.
    pub(super) fn new(daily_tokens: u64, burst: u32, now: DateTime<Utc>) -> Self {
        Self {
            daily_tokens,
            burst,
            day: now.date_naive(),
            spent: 0,
            writes: 0,
            recent: VecDeque::new(),
            counts: BTreeMap::new(),
            refused: 0,
        }
    }

    /// Counts a request, or says why it may not go on.
    pub(super) fn take(&mut self, name: &str, tokens: u64, is_write: bool, now: DateTime<Utc>) -> Verdict {
        if now.date_naive() != self.day {
            (self.day, self.spent, self.writes) = (now.date_naive(), 0, 0);
        }
        let window = TimeDelta::seconds(WINDOW_SECONDS);
        // A clock that was moved back leaves moments that have not been yet.
        self.recent.retain(|moment| now - *moment < window && *moment <= now);
        if self.daily_tokens > 0 && self.spent + tokens > self.daily_tokens {
            self.refused += 1;
            self.spent = self.daily_tokens;
            return Verdict::Spent(until_midnight(now));
        }
        if self.burst > 0 && self.recent.len() >= self.burst as usize {
            self.refused += 1;
            let first = self.recent.front().copied().unwrap_or(now);
            return Verdict::TooFast(((first + window - now).num_milliseconds().max(1) as u64).div_ceil(1000));
        }
        if self.burst > 0 {
            self.recent.push_back(now);
        }
        self.spent += tokens;
        self.writes += u64::from(is_write);
        let count = self.counts.entry(name.to_owned()).or_default();
        *count = (count.0 + 1, count.1 + tokens);
        Verdict::Go
    }

    /// The headers of an answer.
    pub(super) fn headers(&self) -> Vec<(&'static str, String)> {
        let burst = if self.burst == 0 { 100_000 } else { self.burst as usize };
        let mut headers = vec![
            ("x-ratelimit-limit", burst.to_string()),
            ("x-ratelimit-remaining", burst.saturating_sub(self.recent.len()).to_string()),
            ("x-ratelimit-reset", WINDOW_SECONDS.to_string()),
            ("x-daily-requests-left", WRITES_A_DAY.saturating_sub(self.writes).to_string()),
        ];
        // Without a limit there is nothing to tell; answers of the service lack these at times, too (api/wire.md).
        if self.daily_tokens > 0 {
            let left = self.daily_tokens.saturating_sub(self.spent);
            headers.push(("x-daily-ratelimit-token-limit", self.daily_tokens.to_string()));
            headers.push(("x-daily-ratelimit-token-remaining", left.to_string()));
        }
        headers
    }

    /// What was used, in all and by endpoint.
    pub(super) fn told(&self) -> Value {
        let (requests, tokens) = self.counts.values().fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
        let one = |(name, (requests, tokens)): (&String, &(u64, u64))| {
            (name.clone(), json!({"requests": requests, "tokens": tokens}))
        };
        let by_endpoint: serde_json::Map<String, Value> = self.counts.iter().map(one).collect();
        json!({"requests": requests, "tokens": tokens, "refused": self.refused, "spent_today": self.spent, "by_endpoint": by_endpoint})
    }

    /// Forgets what was counted; the day's budget is whole again.
    pub(super) fn reset(&mut self) {
        self.counts.clear();
        self.recent.clear();
        (self.spent, self.writes, self.refused) = (0, 0, 0);
    }
}

fn until_midnight(now: DateTime<Utc>) -> u64 {
    let midnight = (now.date_naive() + TimeDelta::days(1)).and_time(chrono::NaiveTime::MIN).and_utc();
    (midnight - now).num_seconds().max(1) as u64
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::{Meter, Verdict};
    use crate::sandbox::clock;

    #[test]
    fn the_burst_window_rolls() {
        let now = clock::read("2026-01-01T10:00:00Z").unwrap();
        let mut meter = Meter::new(0, 2, now);
        assert_eq!(meter.take("a", 10, false, now), Verdict::Go);
        assert_eq!(meter.take("a", 10, false, now), Verdict::Go);
        assert_eq!(meter.take("a", 10, false, now), Verdict::TooFast(2));
        assert_eq!(meter.take("a", 10, false, now + TimeDelta::seconds(2)), Verdict::Go);
    }

    #[test]
    fn a_spent_budget_comes_back_at_midnight() {
        let now = clock::read("2026-01-01T23:00:00Z").unwrap();
        let mut meter = Meter::new(15, 0, now);
        assert_eq!(meter.take("a", 10, false, now), Verdict::Go);
        assert_eq!(meter.take("a", 10, false, now), Verdict::Spent(3600));
        assert!(meter.headers().contains(&("x-daily-ratelimit-token-remaining", "0".to_owned())));
        assert_eq!(meter.take("a", 10, false, now + TimeDelta::hours(1)), Verdict::Go);
        assert_eq!(meter.told()["requests"], 2);
    }
}
