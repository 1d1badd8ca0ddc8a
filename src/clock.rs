//! What time it is: the system's answer, or another one for tests.
//!
//! Everything that writes a time asks here, so that a test can tell a story
//! whose output is the same on every machine.

use chrono::{DateTime, TimeDelta, Utc};

/// A source of the current time.
#[derive(Clone, Copy, Debug, Default)]
pub enum Clock {
    /// The machine's clock.
    #[default]
    System,
    /// The machine's clock and so much more: it ticks, in another time.
    Shifted(TimeDelta),
    /// Always the same moment.
    Fixed(DateTime<Utc>),
}

impl Clock {
    /// The current time.
    pub fn now(&self) -> DateTime<Utc> {
        match self {
            Clock::System => Utc::now(),
            Clock::Shifted(shift) => Utc::now() + *shift,
            Clock::Fixed(now) => *now,
        }
    }

    /// Waits until it shows this time. A fixed one never will, and does not keep anybody waiting.
    pub async fn wait_until(&self, time: DateTime<Utc>) {
        if let (Clock::System | Clock::Shifted(_), Ok(left)) = (self, (time - self.now()).to_std()) {
            tokio::time::sleep(left).await;
        }
    }
}
