//! Values for the unit tests of this module.

use chrono::{DateTime, Utc};

use crate::archive::{Contents, Coverage};
use crate::catalogue::{self, Object, ObjectName};

/// An entry of the catalogue.
pub(super) fn object(name: &'static str) -> &'static Object {
    catalogue::find(&ObjectName::known(name)).expect("an entry of the catalogue")
}

/// What a snapshot says of an object that was read whole at this time.
pub(super) fn contents(records: u64, at: DateTime<Utc>) -> Contents {
    Contents {
        object: ObjectName::known("deals"),
        records,
        new: 0,
        changed: 0,
        deleted: 0,
        root: String::new(),
        coverage: Coverage::Whole,
        without: Vec::new(),
        certificate: None,
        gaps: Vec::new(),
        seen_at: at,
        deletions_seen_at: Some(at),
        watermark: Some(super::way::watermark(at)),
    }
}
