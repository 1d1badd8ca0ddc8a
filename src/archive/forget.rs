//! Forgetting snapshots: one signed mark names them all, and nothing else changes.
//!
//! The bytes stay until a prune takes them, and its first look at them takes none;
//! so whoever reads, checks or copies meanwhile is not disturbed.

use std::collections::HashSet;

use super::error::Error;
use super::marks::Mark;
use super::retention::{Decision, Policy};
use super::{Archive, Manifest, SnapshotId, Standing};

impl Archive {
    /// What would become of each snapshot, newest first.
    pub fn judge(&self, policy: &Policy) -> Result<Vec<Decision>, Error> {
        let standings = self.inner.standings()?;
        let manifests = self.snapshots()?;
        let standing: Vec<(&Manifest, Standing)> =
            manifests.iter().map(|manifest| (manifest, standings.of(&manifest.id))).collect();
        Ok(policy.decide(&standing, self.inner.clock.now()))
    }

    /// Forgets snapshots that no rule keeps; what became of each is returned as it was decided.
    pub fn forget(&self, policy: &Policy) -> Result<Vec<Decision>, Error> {
        let _turn = self.inner.may_decide()?;
        self.inner.nothing_is_alarming("forget snapshots")?;
        // Decided anew under the right to write: a snapshot may have come since somebody looked.
        let decisions = self.judge(policy)?;
        self.bury(decisions.iter().filter(|decision| decision.reasons.is_empty()).map(|decision| &decision.snapshot))?;
        Ok(decisions)
    }

    /// Forgets these snapshots; one that has to stay is an error, and then none is forgotten.
    pub fn forget_these(&self, ids: &[SnapshotId], dry_run: bool) -> Result<(), Error> {
        let _turn = if dry_run { None } else { Some(self.inner.may_decide()?) };
        if !dry_run {
            self.inner.nothing_is_alarming("forget snapshots")?;
        }
        let decisions = self.judge(&Policy::default())?;
        for id in ids {
            let decision = decisions.iter().find(|decision| decision.snapshot == *id);
            let decision = decision.ok_or_else(|| Error::NoSnapshot(id.0.clone()))?;
            if !decision.reasons.is_empty() {
                return Err(Error::HasToStay { snapshot: id.short().to_owned(), reason: decision.reasons.join(", ") });
            }
        }
        if dry_run { Ok(()) } else { self.bury(ids.iter()) }
    }

    fn bury<'i>(&self, ids: impl Iterator<Item = &'i SnapshotId>) -> Result<(), Error> {
        let ids: HashSet<&SnapshotId> = ids.collect();
        if ids.is_empty() {
            return Ok(());
        }
        let manifests = self.snapshots()?;
        let forgotten: Vec<&Manifest> = manifests.iter().filter(|manifest| ids.contains(&manifest.id)).collect();
        self.inner.place_mark(&forgotten, Mark::Forgotten)
    }
}
