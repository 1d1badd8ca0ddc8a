//! What this machine last did with the archive: checked it, pushed it, looked at its alarms.
//!
//! These facts are nobody else's business, so they are not part of the archive: they
//! lie in the index beside it, and a machine that lost them merely does not know.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Archive;
use super::error::Error;

impl Archive {
    /// Notes a fact in place of the one that had its name.
    pub fn note(&self, name: &str, fact: &impl Serialize) -> Result<(), Error> {
        let text = serde_json::to_string(fact).expect("a fact always serialises");
        self.inner.healing(|inner| inner.index().note_fact(name, &text))
    }

    /// What was noted under names that begin so, with the rest of each name; what reads as something else is passed over.
    pub fn noted<T: DeserializeOwned>(&self, prefix: &str) -> Result<Vec<(String, T)>, Error> {
        let facts = self.inner.healing(|inner| inner.index().facts())?;
        let of_prefix = facts.iter().filter_map(|(name, text)| Some((name.strip_prefix(prefix)?, text)));
        Ok(of_prefix.filter_map(|(rest, text)| Some((rest.to_owned(), serde_json::from_str(text).ok()?))).collect())
    }
}
