//! How fast bytes may travel.
//!
//! Whoever moves bytes books them first and waits until the line would be free.
//! Several transfers share one pace, so the limit is one of the whole run.
//! What a store takes in one request goes in one piece: the limit holds on
//! average over a file (at most 16 MiB), not within it.

use std::num::NonZeroU64;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A limit on bytes a second; shared by all transfers of a run.
#[derive(Debug)]
pub(super) struct Pace {
    limit: Option<NonZeroU64>,
    free: Mutex<Instant>,
}

impl Pace {
    /// So many bytes a second, or as fast as it goes.
    pub(super) fn new(limit: Option<NonZeroU64>) -> Pace {
        Pace { limit, free: Mutex::new(Instant::now()) }
    }

    /// Books bytes; they may travel after the wait that is returned.
    fn book(&self, bytes: u64, now: Instant) -> Duration {
        let Some(limit) = self.limit else { return Duration::ZERO };
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let begins = (*free).max(now);
        *free = begins + Duration::from_secs_f64(bytes as f64 / limit.get() as f64);
        begins - now
    }

    /// Waits until so many bytes may travel.
    pub(super) async fn allow(&self, bytes: u64) {
        let wait = self.book(bytes, Instant::now());
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
    }

    /// The same on a thread that may block.
    pub(super) fn allow_blocking(&self, bytes: u64) {
        let wait = self.book(bytes, Instant::now());
        if !wait.is_zero() {
            std::thread::sleep(wait);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU64;
    use std::time::{Duration, Instant};

    use super::Pace;

    #[test]
    fn bytes_wait_for_those_before_them_and_time_that_passed_counts() {
        let pace = Pace::new(NonZeroU64::new(1000));
        let now = Instant::now() + Duration::from_secs(1);
        assert_eq!(pace.book(500, now), Duration::ZERO);
        assert_eq!(pace.book(1000, now), Duration::from_millis(500));
        assert_eq!(pace.book(1, now + Duration::from_secs(1)), Duration::from_millis(500));
        assert_eq!(pace.book(1, now + Duration::from_secs(9)), Duration::ZERO);
    }

    #[test]
    fn without_a_limit_nothing_waits() {
        let pace = Pace::new(None);
        let now = Instant::now();
        assert_eq!((pace.book(u64::MAX, now), pace.book(1, now)), (Duration::ZERO, Duration::ZERO));
    }
}
