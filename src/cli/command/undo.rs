//! `pdbak undo`: takes a restore back, as far as nobody has gone on from it.

use clap::Args;

use crate::archive::{self, Snapshot, SnapshotId};
use crate::catalogue::{self, Object};
use crate::cli::command::ending::Ending;
use crate::cli::command::live::{self, Looking};
use crate::cli::command::replay::Work;
use crate::cli::complain::Failure;
use crate::cli::exit::Exit;
use crate::cli::session::{Session, wait};
use crate::restore::{self, Journal, Plan, Side, Standing, Undone};

pub(crate) const EXAMPLES: &str = "\
Examples:
  pdbak undo 7f3c9a10 --dry-run      what taking the restore back would write; writes nothing
  pdbak undo latest                  take the newest restore back: shows the plan, asks, writes, verifies
  pdbak undo 7f3c9a10 --theirs       also over what was edited since the restore
  pdbak restores                     the restores of this archive, with their ids";

/// Arguments of `pdbak undo`.
#[derive(Args, Debug)]
pub(crate) struct Undo {
    /// The beginning of a restore's id, or "latest"
    #[arg(value_name = "RESTORE")]
    restore: String,
    /// Where a value was edited again since the restore, write what was there before it over the later edit
    #[arg(long, conflicts_with = "ours")]
    theirs: bool,
    /// Where a value was edited again since the restore, keep what the account has (so it is without this flag, too)
    #[arg(long)]
    ours: bool,
    #[command(flatten)]
    ending: Ending,
}

impl Undo {
    pub(crate) fn run(self, session: &Session) -> Result<Exit, Failure> {
        let archive = session.archive()?;
        archive.may_read("undo a restore")?;
        wait(async {
            let account = session.account(self.ending.budget()).await?;
            let one_at_a_time = self.ending.one_at_a_time();
            let work = Work { session, archive: &archive, account: &account, one_at_a_time };
            let (journal, done) = work.begun(&self.restore)?;
            let Some(plan) = self.make(&work, &journal, &done).await? else {
                session.say("there is nothing to take back: nothing of what the restore wrote is there any more");
                return Ok(Exit::Done);
            };
            let (plan, own) = work.keep(plan)?;
            let unfinished = journal.standing() != Standing::Complete;
            let name = journal.name().to_owned();
            drop(journal);
            let begins = |own: &Journal| match unfinished {
                // Nobody may go on with what is taken back.
                true => Ok(Journal::resume(&archive, &name, session.clock())?.0.take_back(own.name())?),
                false => Ok(()),
            };
            self.ending.go_on(&work, &plan, own, begins).await
        })
    }

    /// Reads the account and plans.
    async fn make(&self, work: &Work<'_>, journal: &Journal, done: &Plan) -> Result<Option<Plan>, Failure> {
        let at = work.account.identity().company_id;
        if done.company != at {
            return Err(restore::CannotPlan::OtherAccount { goal: done.company, seen: at }.into());
        }
        let mut anew: Vec<&'static Object> =
            done.steps().iter().filter_map(|step| catalogue::find(&step.record().object)).collect();
        anew.dedup_by_key(|object| object.name);
        // Before the account is read, which costs tokens.
        let (goal, before) = (stood_on(work, &done.goal)?, stood_on(work, &done.seen)?);
        let looking = Looking { anew, aside: done.from.is_some(), ..Looking::default() };
        let seen = live::capture_from(work.session, work.archive, work.account, looking).await?;
        let seen = work.archive.snapshot(&seen.id)?;
        let side = if self.theirs { Side::Snapshot } else { Side::Account };
        let lineage = restore::lineage(work.archive, at)?;
        let states = Undone { goal: &goal, before: &before, seen: &seen };
        let Some(plan) = restore::undo((journal, done), &states, side, &lineage)? else { return Ok(None) };
        work.check(&plan, &before, &seen)?;
        Ok(Some(plan))
    }
}

/// A snapshot that a restore was planned with.
fn stood_on<'a>(work: &Work<'a>, id: &SnapshotId) -> Result<Snapshot<'a>, Failure> {
    work.archive.snapshot(id).map_err(|error| match error {
        archive::Error::Missing(_) => Failure::new(
            Exit::Failed,
            format!(
                "the restore cannot be taken back: snapshot {}, from which it was planned, was forgotten",
                id.short()
            ),
        )
        .hint("restore an older or newer snapshot instead; \"pdbak snapshots\" lists them"),
        error => error.into(),
    })
}
