//! What stands in for lines that cannot be read.
//!
//! A record version is known by its digest: wherever the same version of the same record is
//! stored again, it is as good as the line that was lost. So nothing has to be rewritten when
//! a later snapshot or a repair stores it anew; whoever asks for a snapshot's positions gets
//! those that can be read. Lines without such a twin stay where they are, and reading them fails.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError};

use super::error::Error;
use super::index::{Index, Place};
use super::map::Map;
use super::{Archive, Inner, SnapshotId};
use crate::catalogue::ObjectName;

/// Lines that cannot be read, and what is known of them.
#[derive(Default, Debug)]
pub(super) struct Mending {
    /// All of them.
    pub(super) bad: Map,
    /// Those of which nobody knows what they held.
    pub(super) blank: Map,
    twins: HashMap<Place, Place>,
}

impl Mending {
    fn of(index: &Index) -> Result<Mending, Error> {
        let bad = index.bad()?;
        if bad.is_empty() {
            return Ok(Mending::default());
        }
        let (twins, blank) = index.twins(&bad)?;
        Ok(Mending { bad, blank, twins })
    }

    /// Whether a line can be read.
    pub(super) fn trusts(&self, segment: u32, line: u32) -> bool {
        !self.bad.contains(segment, line)
    }

    /// The line that stands in for a bad one.
    pub(super) fn twin(&self, place: Place) -> Option<Place> {
        self.twins.get(&place).copied()
    }

    /// Puts twins in the place of bad lines.
    pub(super) fn mend(&self, mut map: Map) -> Map {
        if self.bad.is_empty() {
            return map;
        }
        for (segment, lines) in map.and(&self.bad).segments() {
            for line in lines {
                if let Some(twin) = self.twin((segment, line)) {
                    map.remove(segment, line);
                    map.insert(twin.0, twin.1);
                }
            }
        }
        map
    }

    /// Lines of a map that cannot be read and have no twin.
    pub(super) fn lost(&self, map: &Map) -> Map {
        let mut lost = map.and(&self.bad);
        for place in self.twins.keys() {
            lost.remove(place.0, place.1);
        }
        lost
    }
}

impl Inner {
    /// What is known of lines that cannot be read.
    pub(super) fn mending(&self) -> Result<Arc<Mending>, Error> {
        let mut known = self.mending.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known.as_ref() {
            return Ok(Arc::clone(known));
        }
        let fresh = Arc::new(Mending::of(&self.index())?);
        *known = Some(Arc::clone(&fresh));
        Ok(fresh)
    }

    /// Looks anew at what can be read: something was stored, or found damaged.
    pub(super) fn look_again(&self) {
        *self.mending.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl Archive {
    /// Objects of which a snapshot has records that cannot be read any more: a capture on top of it reads them whole.
    pub fn hurt(&self, id: &SnapshotId) -> Result<Vec<ObjectName>, Error> {
        let mending = self.inner.mending()?;
        if mending.bad.is_empty() {
            return Ok(Vec::new());
        }
        let lost = mending.lost(&self.inner.map(id)?);
        let mut hurt = Vec::new();
        for contents in self.inner.line(id)?.contents {
            if !lost.and(&self.inner.index().extent(contents.object.as_str())?).is_empty() {
                hurt.push(contents.object);
            }
        }
        Ok(hurt)
    }
}
