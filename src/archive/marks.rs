//! What people decide about snapshots: tags, pins, holds, and that one is forgotten.
//!
//! Manifests are never rewritten, so each decision is a small signed file of its own,
//! and the sum of them is how a snapshot stands. They are numbered without a gap:
//! one that was taken away is missed, unless it was the last. A forgotten snapshot
//! is one that a mark says so of; one that merely is not there was removed.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::alarms::{Alarm, Excess};
use super::error::Error;
use super::header::FORMAT;
use super::manifest::Manifest;
use super::run::Turn;
use super::signed::{Kind, Signer};
use super::{Archive, Inner, Role, SnapshotId};

/// Where marks lie.
pub(super) const MARKS: &str = "marks";
/// How they are stored.
pub(super) const MARK: Kind = Kind { folder: MARKS, word: "mark", signer: Signer::Marking };

/// One decision.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Mark {
    /// Words are added and removed.
    Tagged {
        /// Words it gets.
        add: Vec<String>,
        /// Words it loses.
        remove: Vec<String>,
    },
    /// It stays until it is unpinned.
    Pinned {
        /// Whether it is from now on.
        on: bool,
    },
    /// It stays until then; `None` lets it go.
    Held {
        /// The first moment at which it may go.
        until: Option<DateTime<Utc>>,
    },
    /// It is not wanted any more.
    Forgotten,
    /// Far more changed in it than usual: nothing is let go until that is acknowledged.
    Alarmed {
        /// The last snapshot before the changes, pinned by this mark.
        good: Option<SnapshotId>,
        /// What changed.
        excesses: Vec<Excess>,
    },
    /// Its alarm is over.
    Acknowledged {
        /// Whether such changes raise none from now on.
        usual: bool,
    },
    /// A later pdbak decided something that this one does not know: it may not decide anything here.
    #[serde(other)]
    Unknown,
}

/// The line of a mark's file.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(super) struct MarkLine {
    pub(super) format: u32,
    pub(super) archive: String,
    /// 1 for the archive's first mark, then one more each time.
    pub(super) number: u64,
    pub(super) made: DateTime<Utc>,
    pub(super) snapshots: Vec<Marked>,
    pub(super) mark: Mark,
}

/// A snapshot that a mark is about: the number tells its place in the chain once its manifest is gone.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Marked {
    pub(super) snapshot: SnapshotId,
    pub(super) sequence: u64,
}

/// How a snapshot stands.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Standing {
    /// Its tags.
    pub tags: BTreeSet<String>,
    /// Whether it is pinned.
    pub pinned: bool,
    /// Until when it is held.
    pub held: Option<DateTime<Utc>>,
    /// Whether it raised an alarm that nobody has acknowledged.
    pub alarmed: bool,
}

/// How all snapshots stand.
#[derive(Default, Debug)]
pub(super) struct Standings {
    standings: HashMap<SnapshotId, Standing>,
    /// Numbers of forgotten snapshots.
    pub(super) forgotten: HashMap<SnapshotId, u64>,
    /// The numbers of the marks that were read.
    pub(super) numbers: Vec<u64>,
    /// Every alarm, oldest first.
    pub(super) alarms: Vec<Alarm>,
    /// Whether there is a mark of a kind that this version does not know.
    later: bool,
}

impl Standings {
    pub(super) fn of(&self, id: &SnapshotId) -> Standing {
        self.standings.get(id).cloned().unwrap_or_default()
    }

    fn apply(&mut self, line: MarkLine) {
        self.numbers.push(line.number);
        self.later |= line.mark == Mark::Unknown;
        for about in line.snapshots {
            self.decide(about, &line.mark, line.made);
        }
    }

    fn decide(&mut self, about: Marked, mark: &Mark, made: DateTime<Utc>) {
        let Marked { snapshot, sequence } = about;
        let standing = self.standings.entry(snapshot.clone()).or_default();
        match mark {
            Mark::Tagged { add, remove } => {
                standing.tags.extend(add.iter().cloned());
                standing.tags.retain(|tag| !remove.contains(tag));
            }
            Mark::Pinned { on } => standing.pinned = *on,
            Mark::Held { until } => standing.held = *until,
            Mark::Forgotten => drop(self.forgotten.insert(snapshot, sequence)),
            Mark::Alarmed { good, excesses } => {
                standing.alarmed = true;
                if let Some(good) = good {
                    self.standings.entry(good.clone()).or_default().pinned = true;
                }
                let (good, excesses) = (good.clone(), excesses.clone());
                self.alarms.push(Alarm { snapshot, sequence, raised: made, good, excesses, acknowledged: None });
            }
            Mark::Acknowledged { usual } => {
                standing.alarmed = false;
                let of_it = self.alarms.iter_mut().filter(|alarm| alarm.snapshot == snapshot && alarm.is_open());
                of_it.for_each(|alarm| alarm.acknowledged = Some((made, *usual)));
            }
            Mark::Unknown => {}
        }
    }
}

impl Archive {
    /// How a snapshot stands.
    pub fn standing(&self, id: &SnapshotId) -> Result<Standing, Error> {
        Ok(self.inner.standings()?.of(id))
    }

    /// How all snapshots stand about which something was decided, as far as the key in use and the marks can be read.
    pub fn standings(&self) -> Result<HashMap<SnapshotId, Standing>, Error> {
        Ok(self.inner.readable_standings()?.standings)
    }

    /// Writes down a decision about snapshots.
    pub fn mark(&self, snapshots: &[&Manifest], mark: Mark) -> Result<(), Error> {
        let _turn = self.inner.may_decide()?;
        self.inner.place_mark(snapshots, mark)
    }
}

impl Inner {
    /// Takes the right to write, for a key that may decide what stays.
    pub(super) fn may_decide(&self) -> Result<Turn, Error> {
        self.header.writable()?;
        if !self.reads_manifests() || self.signer(Signer::Marking).is_none() {
            return Err(self.secrets.needs("decide what is kept", Role::List));
        }
        self.turn()
    }

    /// Puts a mark in place: from here on it holds. The caller has the right to write.
    pub(super) fn place_mark(&self, snapshots: &[&Manifest], mark: Mark) -> Result<(), Error> {
        let about = |manifest: &&Manifest| Marked { snapshot: manifest.id.clone(), sequence: manifest.sequence };
        self.place_mark_on(snapshots.iter().map(about).collect(), mark)
    }

    /// The same for snapshots that may be gone.
    pub(super) fn place_mark_on(&self, snapshots: Vec<Marked>, mark: Mark) -> Result<(), Error> {
        let number = self.standings()?.numbers.last().map_or(1, |last| last + 1);
        let archive = self.header.archive.clone();
        let line = MarkLine { format: FORMAT, archive, number, made: self.clock.now(), snapshots, mark };
        self.place_signed(&MARK, &line).map(drop)
    }

    /// The sum of all marks. Whoever decides by it must not miss one: a mark that cannot be read, or whose kind is not
    /// known, is an error.
    pub(super) fn standings(&self) -> Result<Standings, Error> {
        let mut lines = Vec::new();
        for name in self.store.list(MARKS)? {
            lines.push(self.read_signed::<MarkLine>(&MARK, &name)?);
        }
        let standings = sum(lines);
        match standings.later {
            true => Err(Error::UnknownFeature { doing: "decide what is kept in", feature: "later marks".to_owned() }),
            false => Ok(standings),
        }
    }

    /// The same for whoever only reads: a mark that cannot be read costs no snapshot, and a check tells of it.
    pub(super) fn readable_standings(&self) -> Result<Standings, Error> {
        let mut lines = Vec::new();
        if self.reads_manifests() {
            for name in self.store.list(MARKS)? {
                match self.read_signed::<MarkLine>(&MARK, &name) {
                    Ok(line) => lines.push(line),
                    Err(Error::Damaged { .. } | Error::Missing(_) | Error::File { .. }) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(sum(lines))
    }
}

fn sum(mut lines: Vec<MarkLine>) -> Standings {
    lines.sort_by_key(|line| (line.number, line.made));
    let mut standings = Standings::default();
    lines.into_iter().for_each(|line| standings.apply(line));
    standings
}
