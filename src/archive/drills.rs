//! Results of drills under `drills/`: one sealed entry a file, written once.
//!
//! A backup that was never restored is a hope. What the last drill found is kept
//! beside the snapshots, in the form of a log with one entry, so that whoever may
//! restore can read it and nobody else, and so that a check covers it.

use serde_json::Value;

use super::Archive;
use super::error::Error;

/// Where results of drills lie.
pub(super) const DRILLS: &str = "drills";

impl Archive {
    /// Keeps what a drill found; a name is given once.
    pub fn keep_drill(&self, name: &str, result: &Value) -> Result<(), Error> {
        self.create_in(DRILLS, name)?.append(result)
    }

    /// What drills found, in the order of their names; a file that a crash left without its entry is passed over.
    pub fn drills(&self) -> Result<Vec<Value>, Error> {
        let mut results = Vec::new();
        for name in self.inner.store.list(DRILLS)? {
            results.extend(self.inner.read_in(DRILLS, &name)?.entries.into_iter().next());
        }
        Ok(results)
    }
}
