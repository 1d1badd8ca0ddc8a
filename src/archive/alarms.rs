//! Alarms: that far more changed than usual, and that somebody has looked at it.
//!
//! Who changes everything, by mistake or not, does no harm to old snapshots; the rules
//! of retention do, a few weeks later, if nobody noticed. So an alarm is a mark like
//! any other decision: every machine that lets go of something reads it first, and
//! nothing goes until a person has acknowledged it. The mark also pins the last good
//! snapshot, in one file, so that there is no alarm without its pin.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::contents::object_name;
use super::error::Error;
use super::marks::{Mark, Marked};
use super::{Archive, Inner, Manifest, Role, SnapshotId};
use crate::catalogue::ObjectName;

/// What happened to records.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// They have another version.
    Changed,
    /// They are gone.
    Deleted,
    /// They were not there before.
    Added,
}

/// More of an object changed than usual.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Excess {
    /// The object.
    #[serde(with = "object_name")]
    pub object: ObjectName,
    /// What happened.
    pub what: What,
    /// To how many records.
    pub count: u64,
    /// Of how many that were there before.
    pub of: u64,
    /// The most that raises no alarm.
    pub allowed: u64,
    /// What nine of ten earlier snapshots stay below; `None` where too little was known, or a limit was set.
    pub usual: Option<u64>,
}

/// One alarm.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Alarm {
    /// The snapshot that shows the changes.
    pub snapshot: SnapshotId,
    /// Its number.
    pub sequence: u64,
    /// When the alarm was raised.
    pub raised: DateTime<Utc>,
    /// The last snapshot before the changes, pinned; none where there is none left.
    pub good: Option<SnapshotId>,
    /// What changed.
    pub excesses: Vec<Excess>,
    /// When somebody acknowledged it, and whether such changes are usual from then on.
    pub acknowledged: Option<(DateTime<Utc>, bool)>,
}

impl Alarm {
    /// Whether nobody has acknowledged it yet.
    pub fn is_open(&self) -> bool {
        self.acknowledged.is_none()
    }

    /// Whether somebody said that such changes are usual.
    pub fn is_usual(&self) -> bool {
        self.acknowledged.is_some_and(|(_, usual)| usual)
    }
}

impl Archive {
    /// Every alarm that was ever raised, oldest first. One that cannot be read is an error: it may be the open one.
    pub fn alarms(&self) -> Result<Vec<Alarm>, Error> {
        if !self.inner.reads_manifests() {
            return Err(self.inner.secrets.needs("read alarms", Role::List));
        }
        Ok(self.inner.standings()?.alarms)
    }

    /// Raises an alarm about a snapshot and pins the last good one.
    pub fn raise(&self, snapshot: &Manifest, good: Option<&Manifest>, excesses: Vec<Excess>) -> Result<(), Error> {
        let good = good.map(|good| good.id.clone());
        self.mark(&[snapshot], Mark::Alarmed { good, excesses })
    }

    /// Acknowledges alarms; `usual` if such changes raise none from now on.
    pub fn acknowledge(&self, alarms: &[&Alarm], usual: bool) -> Result<(), Error> {
        if alarms.is_empty() {
            return Ok(());
        }
        let _turn = self.inner.may_decide()?;
        let about = |alarm: &&Alarm| Marked { snapshot: alarm.snapshot.clone(), sequence: alarm.sequence };
        self.inner.place_mark_on(alarms.iter().map(about).collect(), Mark::Acknowledged { usual })
    }
}

impl Inner {
    /// Refuses to let go of anything while an alarm is open.
    pub(super) fn nothing_is_alarming(&self, doing: &'static str) -> Result<(), Error> {
        let alarms = self.standings()?.alarms;
        let open: Vec<&str> =
            alarms.iter().filter(|alarm| alarm.is_open()).map(|alarm| alarm.snapshot.short()).collect();
        if open.is_empty() { Ok(()) } else { Err(Error::Alarmed { doing, snapshots: open.join(", ") }) }
    }
}
