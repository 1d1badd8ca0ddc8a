//! The brake: when far more changed than usual, nothing old is let go until somebody has looked.
//!
//! A backup is of most use after a mistake that nobody noticed: a bulk edit, an import
//! gone wrong, a departing colleague. Retention then works for the mistake, since every
//! day one more snapshot from before it goes. So each new snapshot is compared with
//! what the ones before it have taught (`judge.rs`), or with limits that were set
//! (`limits.rs`); one that goes beyond raises an alarm in the archive itself, where
//! every machine that forgets or prunes meets it.
//!
//! Only counts of manifests are looked at, so it costs no reading of records and no
//! data key. What a restore of pdbak wrote is no surprise: its journals are asked, and
//! only once there is something to explain.

mod judge;
mod limits;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

pub use self::judge::{History, judge};
pub use self::limits::{Limit, Limits, Measure};

use crate::archive::{Alarm, Archive, Error, Excess, Manifest, SnapshotId};

/// The fact that tells up to which number snapshots were looked at on this machine.
const LOOKED: &str = "brake";

/// What a restore of pdbak wrote to the account.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Restored {
    /// The company that it wrote to.
    pub company: u64,
    /// When it was planned.
    pub begun: DateTime<Utc>,
    /// When its last step ended.
    pub ended: DateTime<Utc>,
    /// Records it made.
    pub made: u64,
    /// Records it deleted.
    pub deleted: u64,
    /// Every write: also those that change other records, such as counters of a person whose deals came back.
    pub writes: u64,
}

/// What came of a look.
#[derive(Default, Debug)]
pub struct Looked {
    /// Alarms that were raised.
    pub raised: Vec<Alarm>,
    /// Snapshots that are beyond the limits only by what restores of pdbak wrote, with what that was.
    pub explained: Vec<(SnapshotId, Vec<Excess>)>,
}

/// Looks at every snapshot that this machine has not looked at yet, and raises the alarms.
///
/// A machine that never looked begins with the newest snapshot: what others let pass long ago is past. `restores`
/// is asked at most once, and only when something is beyond the limits.
pub fn look(archive: &Archive, limits: &Limits, restores: &dyn Fn() -> Vec<Restored>) -> Result<Looked, Error> {
    let manifests = archive.snapshots()?;
    let Some(newest) = manifests.last().map(|manifest| manifest.sequence) else { return Ok(Looked::default()) };
    let known = archive.noted::<u64>(LOOKED)?.into_iter().find(|(rest, _)| rest.is_empty()).map(|(_, number)| number);
    let from = known.unwrap_or(newest.saturating_sub(1));
    let mut looked = Looked::default();
    let mut restored: Option<Vec<Restored>> = None;
    for group in by_company(&manifests).values() {
        for at in 0..group.len() {
            let (earlier, manifest) = (&group[..at], group[at]);
            let alarms = archive.alarms()?;
            if manifest.sequence <= from || alarms.iter().any(|alarm| alarm.snapshot == manifest.id) {
                continue;
            }
            let history = History::new(earlier, &alarms);
            let excesses = judge(manifest, &history, limits, &[]);
            if excesses.is_empty() {
                continue;
            }
            let unexplained = judge(manifest, &history, limits, restored.get_or_insert_with(restores));
            if unexplained.is_empty() {
                looked.explained.push((manifest.id.clone(), excesses));
                continue;
            }
            archive.raise(manifest, last_good(earlier, &alarms), unexplained)?;
            looked.raised.extend(archive.alarms()?.into_iter().find(|alarm| alarm.snapshot == manifest.id));
        }
    }
    archive.note(LOOKED, &newest.max(from))?;
    Ok(looked)
}

/// Snapshots of the same company, oldest first; what was read only to restore into it is nobody's history.
fn by_company(manifests: &[Manifest]) -> BTreeMap<(u64, &str), Vec<&Manifest>> {
    let mut groups: BTreeMap<(u64, &str), Vec<&Manifest>> = BTreeMap::new();
    for manifest in manifests.iter().filter(|manifest| !manifest.source.is_aside()) {
        groups.entry((manifest.source.company_id, &manifest.source.kind)).or_default().push(manifest);
    }
    groups
}

/// The newest snapshot of a whole capture that no open alarm is about.
fn last_good<'m>(earlier: &[&'m Manifest], alarms: &[Alarm]) -> Option<&'m Manifest> {
    let alarming = |manifest: &&&Manifest| alarms.iter().any(|alarm| alarm.is_open() && alarm.snapshot == manifest.id);
    earlier.iter().rev().find(|manifest| !manifest.is_unfinished() && !alarming(manifest)).copied()
}

#[cfg(test)]
mod tests;
