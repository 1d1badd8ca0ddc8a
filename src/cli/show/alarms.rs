//! How alarms look: what changed against what is usual, and what to do next.

use std::io::{self, Write};

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::archive::{Alarm, Excess, SnapshotId, What};
use crate::cli::show::{View, count, moment, number};

/// More of an object changed than usual.
#[derive(Serialize)]
struct ExcessView {
    object: String,
    what: What,
    records: u64,
    of: u64,
    usual: Option<u64>,
    allowed: u64,
    #[serde(skip)]
    words: String,
}

/// One alarm.
#[derive(Serialize)]
pub(crate) struct AlarmView {
    snapshot: String,
    taken: Option<DateTime<Utc>>,
    raised: DateTime<Utc>,
    /// The last snapshot before the changes, which is pinned.
    last_good: Option<String>,
    objects: Vec<ExcessView>,
    acknowledged: Option<DateTime<Utc>>,
    /// Such changes raise no alarm any more.
    usual: bool,
}

/// Alarms, and what holds while they are open.
#[derive(Serialize)]
pub(crate) struct AlarmList {
    open: u64,
    alarms: Vec<AlarmView>,
    #[serde(skip)]
    just_acknowledged: bool,
}

/// What is too much, in words: `412 of 1,014 Deals changed`.
pub(crate) fn told(excess: &Excess) -> String {
    let what = match excess.what {
        What::Changed => "changed",
        What::Deleted => "deleted",
        What::Added => "added",
    };
    match excess.what {
        What::Added => format!("{} {} added to {}", number(excess.count), excess.object.title(), number(excess.of)),
        _ => format!("{} of {} {} {what}", number(excess.count), number(excess.of), excess.object.title()),
    }
}

impl From<&Excess> for ExcessView {
    fn from(excess: &Excess) -> ExcessView {
        let Excess { object, what, count, of, allowed, usual } = excess;
        let usually = usual.map(|usual| format!("usually up to {}, ", number(usual))).unwrap_or_default();
        let words = format!("{}  ({usually}alarm above {})", told(excess), number(*allowed));
        let (what, records, of, usual, allowed) = (*what, *count, *of, *usual, *allowed);
        ExcessView { object: object.title(), what, records, of, usual, allowed, words }
    }
}

impl AlarmView {
    pub(crate) fn of(alarm: &Alarm, taken: Option<DateTime<Utc>>) -> AlarmView {
        AlarmView {
            snapshot: alarm.snapshot.0.clone(),
            taken,
            raised: alarm.raised,
            last_good: alarm.good.as_ref().map(|good| good.0.clone()),
            objects: alarm.excesses.iter().map(ExcessView::from).collect(),
            acknowledged: alarm.acknowledged.map(|(at, _)| at),
            usual: alarm.is_usual(),
        }
    }

    fn good(&self) -> Option<String> {
        self.last_good.clone().map(|good| SnapshotId(good).short().to_owned())
    }

    fn next_steps(&self, out: &mut dyn Write) -> io::Result<()> {
        let bad = SnapshotId(self.snapshot.clone());
        let bad = bad.short();
        let Some(good) = self.good() else {
            return writeln!(out, "  there is no earlier whole snapshot to go back to");
        };
        writeln!(out, "  last good snapshot {good}, pinned")?;
        writeln!(out, "  look   pdbak diff {good} {bad} --stat")?;
        if let Some(first) = self.objects.first() {
            writeln!(out, "         pdbak diff {good} {bad} --object {}", first.object)?;
        }
        writeln!(out, "  undo   pdbak restore --since {good} --until {bad} --dry-run")
    }
}

impl View for AlarmView {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let bad = SnapshotId(self.snapshot.clone());
        let taken = self.taken.map(|taken| format!(" of {} UTC", moment(taken))).unwrap_or_default();
        writeln!(out, "ALARM: far more changed than usual in snapshot {}{taken}", bad.short())?;
        for object in &self.objects {
            writeln!(out, "  {}", object.words)?;
        }
        if let Some(at) = self.acknowledged {
            let usual = if self.usual { ", as usual from then on" } else { "" };
            return writeln!(out, "  acknowledged {} UTC{usual}", moment(at));
        }
        self.next_steps(out)?;
        writeln!(out, "  forget and prune wait until   pdbak brake --acknowledge")
    }
}

impl AlarmList {
    pub(crate) fn of(alarms: Vec<AlarmView>) -> AlarmList {
        let open = alarms.iter().filter(|alarm| alarm.acknowledged.is_none()).count() as u64;
        AlarmList { open, alarms, just_acknowledged: false }
    }

    /// Those that somebody has just acknowledged.
    pub(crate) fn acknowledged(alarms: Vec<AlarmView>) -> AlarmList {
        AlarmList { just_acknowledged: true, ..AlarmList::of(alarms) }
    }
}

impl View for AlarmList {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        if self.just_acknowledged {
            writeln!(out, "{} acknowledged", count(self.alarms.len() as u64, "alarm", "alarms"))?;
            for good in self.alarms.iter().filter_map(AlarmView::good) {
                writeln!(out, "snapshot {good} stays pinned until   pdbak pin {good} --off")?;
            }
            return Ok(());
        }
        if self.alarms.is_empty() {
            return writeln!(out, "no alarm is open");
        }
        self.alarms.iter().try_for_each(|alarm| alarm.text(out))
    }
}
