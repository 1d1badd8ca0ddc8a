//! One object of a snapshot being made, as three sets of positions.
//!
//! What the parent has, which of these are settled (seen again, changed, kept
//! or gone), and what the new snapshot has: all counting falls out of these.

use super::Contents;
use super::error::Error;
use super::index::{Index, Row};
use super::map::Map;
use super::merkle::Merkle;
use crate::catalogue::ObjectName;

/// What became of a record that was taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Took {
    /// The parent has no record of this key.
    New,
    /// The parent has another version of it.
    Changed,
    /// The parent has this version.
    Same,
    /// The same key was taken before in this capture: the last one counts.
    Again,
}

/// One object so far.
#[derive(Default)]
pub(super) struct Progress {
    pub(super) parent: Map,
    /// Positions of the parent of which nobody knows any more what they held.
    pub(super) blank: Map,
    pub(super) settled: Map,
    pub(super) seen: Map,
    /// Those seen that were carried over, not handed out.
    pub(super) kept: Map,
    /// How many were handed out and then dropped.
    pub(super) withdrawn: u64,
    pub(super) new: u64,
    pub(super) changed: u64,
    pub(super) closed: Option<Contents>,
}

impl Progress {
    pub(super) fn position_in_parent(&self, versions: &[Row]) -> Option<(u32, u32)> {
        versions.iter().map(|row| (row.segment, row.line)).find(|&(segment, line)| self.parent.contains(segment, line))
    }

    /// Carries a position of the parent over, unless something is known of it.
    pub(super) fn keep(&mut self, segment: u32, line: u32) {
        if self.settled.insert(segment, line) {
            self.seen.insert(segment, line);
            self.kept.insert(segment, line);
        }
    }

    /// Forgets that the key was seen; says whether it had been handed out.
    fn unsee(&mut self, versions: &[Row]) -> bool {
        let seen = versions
            .iter()
            .map(|row| (row.segment, row.line))
            .find(|&(segment, line)| self.seen.contains(segment, line));
        let Some(position) = seen else { return false };
        self.seen.remove(position.0, position.1);
        if self.kept.remove(position.0, position.1) {
            return false;
        }
        match self.position_in_parent(versions) {
            None => self.new -= 1,
            Some(parent) if parent != position => self.changed -= 1,
            Some(_) => {}
        }
        true
    }

    pub(super) fn see(&mut self, versions: &[Row], position: (u32, u32)) -> Took {
        let again = self.unsee(versions);
        self.seen.insert(position.0, position.1);
        let parent = self.position_in_parent(versions);
        if let Some((segment, line)) = parent {
            self.settled.insert(segment, line);
        }
        let took = match parent {
            None => Took::New,
            Some(parent) if parent == position => Took::Same,
            Some(_) => Took::Changed,
        };
        self.new += u64::from(took == Took::New);
        self.changed += u64::from(took == Took::Changed);
        if again { Took::Again } else { took }
    }

    /// The same version was stored again, because where it was it cannot be read.
    pub(super) fn stand_in(&mut self, bad: (u32, u32), good: (u32, u32)) {
        for map in [&mut self.parent, &mut self.settled, &mut self.seen, &mut self.kept] {
            if map.remove(bad.0, bad.1) {
                map.insert(good.0, good.1);
            }
        }
    }

    pub(super) fn drop_record(&mut self, versions: &[Row]) {
        self.withdrawn += u64::from(self.unsee(versions));
        if let Some((segment, line)) = self.position_in_parent(versions) {
            self.settled.insert(segment, line);
        }
    }

    /// The content root over what was seen.
    pub(super) fn root(&self, object: &ObjectName, index: &mut Index) -> Result<String, Error> {
        let (mut merkle, mut leaves) = (Merkle::default(), 0);
        let number = index.object(object.as_str())?;
        if !self.seen.is_empty() {
            index.walk(number, &mut |segment, line, digest| {
                if self.seen.contains(segment, line) {
                    merkle.push(digest);
                    leaves += 1;
                }
            })?;
        }
        if leaves != self.seen.len() {
            return Err(Error::IndexDamaged(format!("{leaves} versions of {object}, expected {}", self.seen.len())));
        }
        Ok(merkle.root())
    }

    pub(super) fn keep_rest(&mut self) -> u64 {
        let rest = self.parent.minus(&self.settled);
        self.seen.add(&rest);
        self.kept.add(&rest);
        self.settled.add(&rest);
        rest.len()
    }
}
