//! Which requests deserve another try, and when. Pure.
//!
//! 1. What never left this machine can always be sent again, unless the reason
//!    lasts (a certificate does not become valid by asking twice).
//! 2. 429 means that nothing took place: every method may try again, after the time
//!    the service asks for.
//! 3. 408 and 5xx but 501 pass. Reading, changing and deleting may be repeated, for
//!    the second time does nothing more; creating may not: the service has no keys to
//!    recognise a repeated POST by (api/wire.md), and a record made twice is damage.
//! 4. Everything else is an answer.

use std::time::Duration;

use super::budget::Limits;

/// How long to go on trying.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// Requests in all, the first included.
    pub(super) tries: u32,
    /// The pause after the first; doubles with each.
    pub(super) first: Duration,
    /// No pause is longer, unless the service asks for it.
    pub(super) longest: Duration,
    /// The pauses of one request together.
    pub(super) total: Duration,
}

impl Patience {
    /// For work that runs by itself.
    pub(super) const LONG: Patience = Patience {
        tries: 6,
        first: Duration::from_millis(500),
        longest: Duration::from_secs(16),
        total: Duration::from_secs(120),
    };

    /// For the first request: somebody who mistyped the address is waiting.
    pub(super) const SHORT: Patience = Patience { tries: 3, total: Duration::from_secs(20), ..Patience::LONG };
}

/// What came of a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Seen {
    /// A whole answer.
    Status(u16),
    /// The request never left this machine.
    NeverLeft {
        /// Another try will end the same way.
        lasting: bool,
    },
    /// The request left, and no whole answer came.
    NoAnswer,
}

/// What to do next.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Next {
    /// It is an answer, good or bad.
    Take,
    /// Try again after this pause.
    Again(Duration),
    /// It is over; the reason is what was seen.
    Stop,
}

/// What has been tried so far for one request.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tried {
    pub(super) times: u32,
    pub(super) paused: Duration,
}

/// One try of a request that came to an end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attempt {
    pub(super) seen: Seen,
    /// Sent twice, it would make two records.
    pub(super) creates: bool,
}

/// Decides about another try. `luck` from 0 to 1 spreads clients that failed together.
pub(super) fn decide(attempt: Attempt, limits: &Limits, tried: Tried, luck: f64, patience: &Patience) -> Next {
    let Attempt { seen, creates } = attempt;
    let passing = match seen {
        Seen::NeverLeft { lasting } => !lasting,
        Seen::NoAnswer => !creates,
        Seen::Status(429) => true,
        Seen::Status(501) => return Next::Take,
        Seen::Status(408 | 500..) => !creates,
        Seen::Status(_) => return Next::Take,
    };
    let doubled = patience.first.saturating_mul(1 << tried.times.saturating_sub(1).min(16)).min(patience.longest);
    let spread = doubled.mul_f64(0.5 + luck.clamp(0.0, 1.0) / 2.0);
    let asked = match seen {
        Seen::Status(429) => limits.retry_after.or(limits.burst_reset),
        Seen::Status(_) => limits.retry_after,
        Seen::NeverLeft { .. } | Seen::NoAnswer => None,
    };
    let pause = asked.map_or(spread, |asked| asked.max(spread));
    let over = tried.times >= patience.tries || tried.paused + pause > patience.total;
    if passing && !over { Next::Again(pause) } else { Next::Stop }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONCE: Tried = Tried { times: 1, paused: Duration::ZERO };

    fn decided(seen: Seen, creates: bool) -> Next {
        decide(Attempt { seen, creates }, &Limits::default(), ONCE, 1.0, &Patience::LONG)
    }

    #[test]
    fn answers_are_taken() {
        for status in [200, 201, 204, 301, 400, 401, 402, 403, 404, 405, 409, 410, 413, 415, 422, 501] {
            for creates in [false, true] {
                assert_eq!(decided(Seen::Status(status), creates), Next::Take, "{status}");
            }
        }
    }

    #[test]
    fn what_passes_is_tried_again_unless_it_creates() {
        for seen in [408, 500, 502, 503, 504, 520].map(Seen::Status).into_iter().chain([Seen::NoAnswer]) {
            assert_eq!(decided(seen, false), Next::Again(Duration::from_millis(500)), "{seen:?}");
            assert_eq!(decided(seen, true), Next::Stop, "{seen:?}");
        }
    }

    #[test]
    fn what_did_not_take_place_may_be_created_again() {
        for seen in [Seen::Status(429), Seen::NeverLeft { lasting: false }] {
            assert_eq!(decided(seen, true), Next::Again(Duration::from_millis(500)), "{seen:?}");
        }
        assert_eq!(decided(Seen::NeverLeft { lasting: true }, false), Next::Stop);
    }

    #[test]
    fn the_service_says_how_long_to_wait() {
        let asked = |retry_after: Option<u64>, reset: Option<u64>, status| {
            let seconds = |value: Option<u64>| value.map(Duration::from_secs);
            let limits = Limits { retry_after: seconds(retry_after), burst_reset: seconds(reset), ..Limits::default() };
            decide(Attempt { seen: Seen::Status(status), creates: false }, &limits, ONCE, 1.0, &Patience::LONG)
        };
        assert_eq!(asked(Some(7), Some(2), 429), Next::Again(Duration::from_secs(7)));
        assert_eq!(asked(None, Some(2), 429), Next::Again(Duration::from_secs(2)));
        assert_eq!(asked(Some(9), None, 503), Next::Again(Duration::from_secs(9)));
        // A window that is full again does not make a server well.
        assert_eq!(asked(None, Some(2), 500), Next::Again(Duration::from_millis(500)));
        // Longer than anybody wants to wait.
        assert_eq!(asked(Some(3_600), None, 429), Next::Stop);
    }

    #[test]
    fn pauses_double_are_spread_and_end() {
        let mut tried = Tried::default();
        let mut pauses = Vec::new();
        loop {
            tried.times += 1;
            match decide(
                Attempt { seen: Seen::NoAnswer, creates: false },
                &Limits::default(),
                tried,
                0.0,
                &Patience::LONG,
            ) {
                Next::Again(pause) => pauses.push(pause.as_millis()),
                Next::Stop => break,
                Next::Take => panic!("nothing came"),
            }
            tried.paused += Duration::from_millis(pauses.last().copied().unwrap_or_default() as u64);
        }
        assert_eq!(pauses, [250, 500, 1_000, 2_000, 4_000]);
        let long = Tried { times: 2, paused: Duration::from_secs(120) };
        assert_eq!(
            decide(Attempt { seen: Seen::NoAnswer, creates: false }, &Limits::default(), long, 0.5, &Patience::LONG),
            Next::Stop
        );
    }
}
