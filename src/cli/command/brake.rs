//! `pdbak brake`: alarms about far more changes than usual; and the look at the end of every capture.

use std::collections::BTreeMap;

use clap::Args;

use crate::archive::{Alarm, Archive, Error, Manifest, SnapshotId};
use crate::brake::{self, Limit, Looked, Restored};
use crate::cli::complain::Failure;
use crate::cli::exit::Exit;
use crate::cli::session::Session;
use crate::cli::show::alarms::{AlarmList, AlarmView, told};
use crate::cli::show::snapshots::{SnapshotView, has_gaps};
use crate::restore::Journal;

pub(crate) const EXAMPLES: &str = "\
Examples:
  pdbak brake                       what is alarming, and what to do about it
  pdbak brake --acknowledge         somebody has looked: forget and prune go on
  pdbak brake --acknowledge --usual such changes raise no alarm from now on
  pdbak brake --history             alarms that were acknowledged, too

In pdbak.toml, in place of what was learned (several snapshots, at least a week of them):
  [brake]
  default = \"5%\"                     of any object, or \"off\"
  Deals = { changed = \"20%\", deleted = 50 }
  MailThreads = \"off\"";

/// Arguments of `pdbak brake`.
#[derive(Args, Debug)]
pub(crate) struct Brake {
    /// Only alarms about these snapshots, by id, date or "latest"
    #[arg(value_name = "SNAPSHOT")]
    snapshots: Vec<String>,
    /// Say that somebody has looked at them: forget and prune go on, what was pinned stays pinned
    #[arg(long)]
    acknowledge: bool,
    /// Let changes such as these raise no alarm any more
    #[arg(long, requires = "acknowledge")]
    usual: bool,
    /// Show acknowledged alarms as well
    #[arg(long, conflicts_with = "acknowledge")]
    history: bool,
}

/// A limit on the command line.
pub(crate) fn limit(text: &str) -> Result<Limit, String> {
    text.parse()
}

impl Brake {
    pub(crate) fn run(self, session: &Session) -> Result<Exit, Failure> {
        let archive = session.archive()?;
        let named = archive.resolve_all(&self.snapshots)?;
        let of_named = |alarm: &&Alarm| named.is_empty() || named.contains(&alarm.snapshot);
        if self.acknowledge {
            let open = archive.alarms()?;
            let open: Vec<&Alarm> = open.iter().filter(|alarm| alarm.is_open()).filter(of_named).collect();
            archive.acknowledge(&open, self.usual)?;
            let ids: Vec<SnapshotId> = open.iter().map(|alarm| alarm.snapshot.clone()).collect();
            let done = archive.alarms()?;
            let done = done.iter().filter(|alarm| ids.contains(&alarm.snapshot));
            session.show(&AlarmList::acknowledged(views(&archive, done)?))?;
        } else {
            let alarms = archive.alarms()?;
            let wanted = alarms.iter().filter(|alarm| self.history || alarm.is_open()).filter(of_named);
            session.show(&AlarmList::of(views(&archive, wanted)?))?;
        }
        Ok(if archive.alarms()?.iter().any(Alarm::is_open) { Exit::Alarm } else { Exit::Done })
    }
}

/// Alarms as they are shown; of a snapshot that is gone the time is not known.
fn views<'a>(archive: &Archive, alarms: impl Iterator<Item = &'a Alarm>) -> Result<Vec<AlarmView>, Failure> {
    let mut alarms = alarms.peekable();
    if alarms.peek().is_none() {
        // Without any, a key that may not read manifests need not.
        return Ok(Vec::new());
    }
    let taken: BTreeMap<SnapshotId, _> =
        archive.snapshots()?.into_iter().map(|manifest| (manifest.id, manifest.finished)).collect();
    Ok(alarms.map(|alarm| AlarmView::of(alarm, taken.get(&alarm.snapshot).copied())).collect())
}

/// The end of every capture: the brake looks, then the snapshot is shown with what it found.
pub(crate) fn close(
    session: &Session,
    archive: &Archive,
    manifest: &Manifest,
    limit: Option<Limit>,
) -> Result<Exit, Failure> {
    let looked = look(session, archive, limit);
    let raised = looked.as_ref().map_or(&[][..], |looked| &looked.raised);
    session.show(&SnapshotView::closing(manifest).alarming(views(archive, raised.iter())?))?;
    let looked = looked.map_err(|failure| failure.hint("the snapshot is complete; the next command looks again"))?;
    if looked.raised.is_empty() && archive.standings()?.values().any(|standing| standing.alarmed) {
        session.say("an earlier alarm is still open, and forget and prune wait: \"pdbak brake\" shows what changed");
    }
    Ok(match (looked.raised.is_empty(), has_gaps(manifest)) {
        (false, _) => Exit::Alarm,
        (true, true) => Exit::Gaps,
        (true, false) => Exit::Done,
    })
}

/// Looks before anything is let go: snapshots may have come from a machine that cannot look.
pub(crate) fn before_letting_go(session: &Session, archive: &Archive, dry_run: bool) -> Result<(), Failure> {
    if !dry_run {
        look(session, archive, None)?;
    } else if archive.standings()?.values().any(|standing| standing.alarmed) {
        session.say("an alarm is open: without --dry-run this is refused; \"pdbak brake\" shows what changed");
    }
    Ok(())
}

/// Looks at every snapshot that nobody has looked at on this machine.
pub(crate) fn look(session: &Session, archive: &Archive, limit: Option<Limit>) -> Result<Looked, Failure> {
    let looked = match brake::look(archive, &session.limits(limit), &|| restores(session, archive)) {
        Err(Error::NeedsKey { .. }) => {
            session.say("far more changes than usual would go unnoticed: this key cannot read what was there before");
            return Ok(Looked::default());
        }
        looked => looked.map_err(|error| Failure::from(error).while_doing("look for far more changes than usual"))?,
    };
    for (snapshot, excesses) in &looked.explained {
        let what: Vec<String> = excesses.iter().map(told).collect();
        session.say(&format!("no alarm about {}, since a restore wrote it: {}", snapshot.short(), what.join(", ")));
    }
    Ok(looked)
}

/// What restores wrote; a journal that cannot be read explains nothing.
fn restores(session: &Session, archive: &Archive) -> Vec<Restored> {
    let read = |name: &String| {
        let (journal, plan) = Journal::read(archive, name, session.clock()).ok()?;
        let written = journal.written(&plan);
        Some(Restored {
            company: plan.company,
            begun: journal.begun(),
            ended: written.ended,
            made: written.made,
            deleted: written.deleted,
            writes: written.writes,
        })
    };
    archive.logs().unwrap_or_default().iter().filter_map(read).filter(|restore| restore.writes > 0).collect()
}
