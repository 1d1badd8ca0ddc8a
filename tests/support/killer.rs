//! A monitor that ends a capture after a number of pages, as a kill would: between two of its steps, without any farewell.

use std::sync::atomic::{AtomicU64, Ordering};

use pdbak::catalogue::ObjectName;
use pdbak::monitor::Monitor;
use tokio::sync::Notify;

/// Counts pages; [`Killer::strikes`] returns when there were enough.
pub(crate) struct Killer {
    left: AtomicU64,
    strike: Notify,
}

impl Killer {
    /// Strikes after so many pages.
    pub(crate) fn after(pages: u64) -> Killer {
        Killer { left: AtomicU64::new(pages), strike: Notify::new() }
    }

    /// Waits for the last page; whoever drops the capture then has killed it.
    pub(crate) async fn strikes(&self) {
        self.strike.notified().await;
    }
}

impl Monitor for Killer {
    fn began(&self, _object: &ObjectName, _expected: Option<u64>) {}

    fn advanced(&self, _object: &ObjectName, _records: u64, _tokens: u64) {
        if self.left.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.strike.notify_one();
        }
    }

    fn ended(&self, _object: &ObjectName, _outcome: &str) {}

    fn warned(&self, _text: &str) {}
}
