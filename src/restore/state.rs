//! What a planner needs to know about the state of an account.
//!
//! A trait, so that the planner is a pure function of values: snapshots in an
//! archive, or a few rows in a test.

use crate::archive::{Contents, Coverage, Difference, Error, Manifest, Snapshot};
use crate::catalogue::ObjectName;
use crate::diff::Book;
use crate::record::{Key, Record, RecordId};

/// A sequence that may fail while it is read.
pub type Rows<'a, T> = Box<dyn Iterator<Item = Result<T, Error>> + 'a>;

/// The state of an account at one moment.
pub trait State {
    /// What it is and whose.
    fn manifest(&self) -> &Manifest;
    /// What it saw of an object.
    fn contents(&self, object: &ObjectName) -> Option<&Contents>;
    /// One record.
    fn find(&self, id: &RecordId) -> Result<Option<Record>, Error>;
    /// All records of an object, in key order.
    fn records(&self, object: &ObjectName) -> Result<Rows<'_, Record>, Error>;
    /// All keys of an object, in order.
    fn keys(&self, object: &ObjectName) -> Result<Rows<'_, Key>, Error>;
    /// Records that differ between this state and a later one.
    fn differences<'b>(&'b self, after: &'b Self, object: &ObjectName) -> Result<Rows<'b, Difference>, Error>;

    /// Whether the capture left this field of the object out on purpose: then its absence says nothing.
    fn left_out(&self, object: &ObjectName, field: &str) -> bool {
        self.contents(object).is_some_and(|contents| contents.without.iter().any(|without| without == field))
    }

    /// Why a record that is missing here may exist all the same; none when the whole object was seen.
    fn blind(&self, object: &ObjectName) -> Option<String> {
        match self.contents(object).map(|contents| &contents.coverage) {
            Some(Coverage::Whole) => None,
            Some(Coverage::Part { reason } | Coverage::NotOffered { reason } | Coverage::LeftOut { reason }) => {
                Some(reason.clone())
            }
            None => Some("it was not captured".to_owned()),
        }
    }
}

impl State for Snapshot<'_> {
    fn manifest(&self) -> &Manifest {
        Snapshot::manifest(self)
    }

    fn contents(&self, object: &ObjectName) -> Option<&Contents> {
        Snapshot::contents(self, object)
    }

    fn find(&self, id: &RecordId) -> Result<Option<Record>, Error> {
        Snapshot::find(self, id)
    }

    fn records(&self, object: &ObjectName) -> Result<Rows<'_, Record>, Error> {
        Snapshot::records(self, object)
    }

    fn keys(&self, object: &ObjectName) -> Result<Rows<'_, Key>, Error> {
        Snapshot::keys(self, object)
    }

    fn differences<'b>(&'b self, after: &'b Self, object: &ObjectName) -> Result<Rows<'b, Difference>, Error> {
        Snapshot::differences(self, after, object)
    }
}

/// A state as a book in which names are looked up.
pub(super) struct Pages<'s, S>(pub(super) &'s S);

impl<S: State> Book for Pages<'_, S> {
    fn objects(&self) -> Vec<ObjectName> {
        self.0.manifest().contents.iter().map(|contents| contents.object.clone()).collect()
    }

    fn rows(&self, object: &ObjectName) -> Result<Rows<'_, Record>, Error> {
        match self.0.contents(object) {
            Some(_) => self.0.records(object),
            None => Ok(Box::new(std::iter::empty())),
        }
    }

    fn row(&self, id: &RecordId) -> Result<Option<Record>, Error> {
        self.0.find(id)
    }
}
