//! Rotation: new keys for everything written from now on, the old ones kept for what there is.
//!
//! Old segments and manifests are named by their hashes in signed manifests that stand on
//! each other, so sealing them anew would mean a new archive. What was exposed remains
//! exposed; what is written after a rotation is not.
//!
//! Order of what reaches the disk: for each key its new label and its new holder file, the
//! header, its copy; then the old holder files go. Before the header is replaced the archive
//! opens with the old keys, afterwards with the new ones, and whoever holds a key of either
//! holds the same passphrase or identity. An interrupted rotation is cleared up by the next.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use super::custody::KeyFacts;
use super::error::Error;
use super::header::{HEADER, HEADER_COPY, ROTATION};
use super::holders::{self, HOLDERS, Holder, Opener, file_of};
use super::keys::{Retired, Role};
use super::labels::LABELS;
use super::manifest::SNAPSHOTS;
use super::shelf::Shelf;
use super::{Archive, Inner, SnapshotId, Unlock};

/// A key that goes on after a rotation.
pub struct Heir {
    /// What was known of it before.
    pub facts: KeyFacts,
    /// What it may.
    pub role: Role,
    holder: Holder,
}

/// What a rotation would do with each key.
pub struct Succession {
    /// These go on: what opens them now opens them afterwards.
    pub heirs: Vec<Heir>,
    /// Nobody said what opens these: they end.
    pub left: Vec<KeyFacts>,
}

impl Archive {
    /// Which keys can go on after a rotation: those whose recipient is known, and those that one of `known` opens.
    pub fn succession(&self, known: &[&dyn Unlock]) -> Result<Succession, Error> {
        let inner = &self.inner;
        inner.may_hand_on("rotate the keys")?;
        let labels = inner.proven_labels()?;
        let openers = known.iter().map(|unlock| Opener::of(*unlock)).collect::<Result<Vec<_>, _>>()?;
        let mut succession = Succession { heirs: Vec::new(), left: Vec::new() };
        for facts in self.keys()? {
            let label = labels.iter().find(|label| label.line.holder == facts.id).map(|label| &label.line);
            let recipient = label.and_then(|line| Some((line.role, Holder::Recipient(line.recipient.clone()?))));
            let found = match recipient {
                Some(recipient) => Some(recipient),
                None => inner.opened_by(&openers, &facts.id)?,
            };
            match found {
                Some((role, holder)) => succession.heirs.push(Heir { facts, role, holder }),
                None => succession.left.push(facts),
            }
        }
        Ok(succession)
    }

    /// Replaces the keys of the archive: from here on only these heirs open what is written. This handle has the old
    /// ones and ends with it.
    pub fn rotate(self, heirs: &[Heir]) -> Result<Vec<KeyFacts>, Error> {
        let inner = &self.inner;
        inner.may_hand_on("rotate the keys")?;
        if !heirs.iter().any(|heir| heir.role == Role::Restore) {
            return Err(Error::LastKey(inner.holder.clone()));
        }
        let _turn = inner.turn()?;
        let mut header = inner.header.clone();
        let secrets = inner.secrets.succeeded(&mut header, inner.retiring()?);
        if !header.requires.read.iter().any(|feature| feature == ROTATION) {
            header.requires.read.push(ROTATION.to_owned());
        }
        let mut fresh = BTreeSet::new();
        for Heir { facts, role, holder } in heirs {
            let about: (Option<String>, DateTime<Utc>) =
                (facts.name.clone(), facts.added.unwrap_or_else(|| inner.clock.now()));
            fresh.insert(holders::hand_on(&inner.store, (&header, &secrets), (*role, holder), about)?);
        }
        // From here on the new keys are the archive's.
        inner.store.replace(HEADER, &header.to_bytes())?;
        inner.store.replace(HEADER_COPY, &header.to_bytes())?;
        inner.clear_other_holders(&fresh)?;
        super::custody::keys_in(Shelf::over(inner.store.clone()))
    }
}

impl Inner {
    /// The role of a holder file that one of these opens, and for whom it is.
    fn opened_by(&self, openers: &[Opener], id: &str) -> Result<Option<(Role, Holder)>, Error> {
        let Ok(bytes) = self.holder_bytes(id) else { return Ok(None) };
        let path = self.store.path(&file_of(id));
        for opener in openers {
            match opener.open(&bytes, &path) {
                Ok(Some((wrapped, holder))) if wrapped.archive == self.header.archive && wrapped.fits(&self.header) => {
                    return Ok(Some((wrapped.role, holder)));
                }
                Ok(_) | Err(Error::Damaged { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// What signs now, and the last that it has signed: nothing later is believed to be of it.
    fn retiring(&self) -> Result<Retired, Error> {
        let mut snapshots = self.index().snapshots()?.iter().map(|(_, sequence)| *sequence).max().unwrap_or(0);
        for name in self.store.list(SNAPSHOTS)? {
            snapshots = snapshots.max(self.line(&SnapshotId(name))?.sequence);
        }
        let marks = self.standings()?.numbers.last().copied().unwrap_or(0);
        let (signing_key, marking_key) = (self.header.signing_key.clone(), self.header.marking_key.clone());
        Ok(Retired { signing_key, marking_key, snapshots, marks })
    }

    /// Removes all holder files but these, and the labels of others.
    fn clear_other_holders(&self, keep: &BTreeSet<String>) -> Result<(), Error> {
        for id in holders::holders(&self.store)?.into_iter().filter(|id| !keep.contains(id)) {
            self.store.remove(&file_of(&id))?;
        }
        self.store.settle_folder(HOLDERS)?;
        for label in super::labels::labels(&self.store, &self.header.archive)? {
            if !keep.contains(&label.line.holder) {
                self.store.remove(&format!("{LABELS}/{}", label.file))?;
            }
        }
        self.store.settle_folder(LABELS)
    }
}
