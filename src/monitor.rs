//! How long work reports its progress and its trouble.
//!
//! Library code never prints: it tells a monitor, and the command line decides
//! whether that becomes a progress bar, plain lines or nothing.

use crate::catalogue::ObjectName;

/// What long work tells while it runs. Every method may be called from several tasks.
pub trait Monitor: Send + Sync {
    /// Work on an object begins; `expected` records if that can be known.
    fn began(&self, object: &ObjectName, expected: Option<u64>);
    /// `records` more of the object are done, for `tokens` more.
    fn advanced(&self, object: &ObjectName, records: u64, tokens: u64);
    /// Work on the object ended; one line says how.
    fn ended(&self, object: &ObjectName, outcome: &str);
    /// Something a person should know, though the work goes on.
    fn warned(&self, text: &str);
}

/// A monitor that tells nobody.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Monitor for Silent {
    fn began(&self, _object: &ObjectName, _expected: Option<u64>) {}
    fn advanced(&self, _object: &ObjectName, _records: u64, _tokens: u64) {}
    fn ended(&self, _object: &ObjectName, _outcome: &str) {}
    fn warned(&self, _text: &str) {}
}
