//! What this machine last did with the archive: checked it, pushed it, looked at its alarms.
//!
//! These facts are nobody else's business, so they are not part of the archive: they
//! lie in the index beside it, and a machine that lost them merely does not know.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::Error;
use super::header::Header;
use super::index::{INDEX, Index};
use super::shelf::Shelf;
use super::{Archive, Inner};

impl Archive {
    /// Notes a fact in place of the one that had its name.
    pub fn note(&self, name: &str, fact: &impl Serialize) -> Result<(), Error> {
        self.inner.healing(|inner: &Inner| inner.index().note_fact(name, &written(fact)))
    }

    /// The same for who has no key and needs none.
    pub fn note_at(place: impl Into<Shelf>, name: &str, fact: &impl Serialize) -> Result<(), Error> {
        let store = place.into().store;
        let header = Header::read(&store)?;
        Index::open(&store.path(INDEX), &header.archive)?.note_fact(name, &written(fact))
    }

    /// Whether a capture waits on this machine to be gone on with.
    pub fn has_unfinished(&self) -> Result<bool, Error> {
        self.inner.healing(|inner| Ok(inner.index().unfinished()?.is_some()))
    }

    /// What was noted under names that begin so, with the rest of each name; what reads as something else is passed over.
    pub fn noted<T: DeserializeOwned>(&self, prefix: &str) -> Result<Vec<(String, T)>, Error> {
        let facts = self.inner.healing(|inner| inner.index().facts())?;
        let of_prefix = facts.iter().filter_map(|(name, text)| Some((name.strip_prefix(prefix)?, text)));
        Ok(of_prefix.filter_map(|(rest, text)| Some((rest.to_owned(), serde_json::from_str(text).ok()?))).collect())
    }
}

fn written(fact: &impl Serialize) -> String {
    serde_json::to_string(fact).expect("a fact always serialises")
}
