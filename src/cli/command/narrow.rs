//! Which of the differences a restore undoes: only some fields, only what happened in between, only what one user did.
//!
//! Without any of this a restore goes back to the snapshot as a whole. Even then
//! the archive may know more than two states: a value that was something else in a
//! snapshot in between was edited again since. It is kept unless the person
//! restoring decides otherwise, because somebody may have put right by hand what
//! the restore is about.

use clap::Args;

use crate::archive::{self, Archive, Snapshot, SnapshotId};
use crate::cli::command::restore::stand_in;
use crate::cli::complain::Failure;
use crate::cli::session::Session;
use crate::restore::{self, Between, Journal, Past, Plan, Policy, Side, Standing};

/// Arguments that narrow a restore.
#[derive(Args, Debug)]
pub(crate) struct Narrow {
    /// Undo just what happened between this snapshot and that of --until; what happened later stays
    #[arg(long, value_name = "SNAPSHOT", conflicts_with = "snapshot", requires = "until")]
    since: Option<String>,
    /// The end of what is undone: values edited after this snapshot are kept
    #[arg(long, value_name = "SNAPSHOT")]
    until: Option<String>,
    /// Only this field of records that are there, by its name or key; may be repeated
    #[arg(long, value_name = "FIELD")]
    field: Vec<String>,
    /// Only what this user changed, where the account or captured changelogs tell: a user's id or e-mail, or "me"
    #[arg(long, value_name = "USER")]
    by_user: Option<String>,
    /// Where a value was edited again, write that of the snapshot over the later edit
    #[arg(long, conflicts_with = "ours")]
    theirs: bool,
    /// Where a value was edited again, keep what the account has (so it is without this flag, too)
    #[arg(long)]
    ours: bool,
}

/// The snapshots a restore is planned from, besides the account.
pub(crate) struct Frame {
    /// To go back to.
    pub(crate) goal: SnapshotId,
    past: Past,
}

impl Narrow {
    /// Finds the snapshots; before the account is read, afterwards `latest` would mean the state to get away from.
    pub(crate) fn frame(&self, session: &Session, archive: &Archive, snapshot: Option<&str>) -> Result<Frame, Failure> {
        let goal = archive.resolve(self.since.as_deref().or(snapshot).unwrap_or("latest"))?;
        let past = match &self.until {
            Some(until) => {
                let until = archive.resolve(until)?;
                let number = |id: &SnapshotId| Ok::<_, Failure>(archive.snapshot(id)?.manifest().sequence);
                if number(&until)? <= number(&goal)? {
                    let (goal, until) = (goal.short(), until.short());
                    return Err(Failure::usage(format!("snapshot {until} is not later than {goal}"))
                        .hint("give the earlier one first; \"pdbak snapshots\" lists them in order"));
                }
                Past::Until(until)
            }
            None => Past::Between(later(session, archive, &goal)?),
        };
        Ok(Frame { goal, past })
    }

    /// Whether conflicts are decided beforehand.
    pub(crate) fn decides(&self) -> bool {
        self.theirs || self.ours
    }

    /// What is asked for, in the planner's words.
    pub(crate) fn apply(&self, policy: &mut Policy, me: u64) {
        policy.fields = self.field.iter().cloned().collect();
        policy.by_user = self.by_user.as_deref().map(|user| stand_in(user, me));
        policy.conflicts = if self.theirs { Side::Snapshot } else { Side::Account };
    }
}

impl Frame {
    /// The frame of a plan that was made before.
    pub(crate) fn of(plan: &Plan) -> Result<Frame, Failure> {
        if plan.from.is_some() {
            return Err(Failure::usage("a plan for another company cannot be edited")
                .hint("edit the file of --mapping instead and plan again"));
        }
        let past = match &plan.past {
            Some(Past::Undone(_)) => {
                return Err(Failure::usage("a plan that takes a restore back cannot be edited")
                    .hint("run \"pdbak undo RESTORE\" with --theirs or --ours instead"));
            }
            Some(past) => past.clone(),
            None => Past::Between(Vec::new()),
        };
        Ok(Frame { goal: plan.goal.clone(), past })
    }

    /// Plans with what is known of the time in between.
    pub(crate) fn plan(
        &self,
        archive: &Archive,
        goal: &Snapshot<'_>,
        seen: &Snapshot<'_>,
        policy: &Policy,
    ) -> Result<Plan, Failure> {
        let lineage = restore::lineage(archive, goal.manifest().source.company_id)?;
        let names = match &self.past {
            Past::Between(names) => names.as_slice(),
            Past::Until(end) => std::slice::from_ref(end),
            Past::Undone(_) => &[],
        };
        let states: Vec<Snapshot<'_>> = names.iter().map(|id| archive.snapshot(id)).collect::<Result<_, _>>()?;
        let between = match (&self.past, states.as_slice()) {
            (_, []) => None,
            (Past::Between(names), states) => Some(Between::Through(names.clone(), states)),
            (past, [end, ..]) => Some(Between::End(past.clone(), end)),
        };
        Ok(restore::plan_with(goal, between.as_ref(), seen, policy, &lineage)?)
    }
}

/// The snapshots that show the same company later than the goal and later than the last restore: what a restore wrote is
/// no edit, so an older state would call it one.
fn later(session: &Session, archive: &Archive, goal: &SnapshotId) -> Result<Vec<SnapshotId>, Failure> {
    let mut manifests = archive.snapshots()?;
    let Some(goal) = manifests.iter().find(|manifest| manifest.id == *goal).cloned() else { return Ok(Vec::new()) };
    let (after, company) = (goal.sequence, goal.source.company_id);
    manifests.retain(|other| other.sequence > after && other.source.company_id == company);
    if manifests.is_empty() {
        return Ok(Vec::new());
    }
    for journal in Journal::all(archive, session.clock())? {
        let (journal, plan) = journal?;
        if plan.company == company && journal.standing() != Standing::Fresh {
            match archive.snapshot(&plan.seen) {
                Ok(seen) => manifests.retain(|manifest| manifest.sequence > seen.manifest().sequence),
                // Forgotten and pruned since: what was captured before the restore was planned is no later.
                Err(archive::Error::Missing(_)) => manifests.retain(|manifest| manifest.finished > journal.begun()),
                Err(error) => return Err(error.into()),
            }
        }
    }
    manifests.sort_by_key(|manifest| manifest.sequence);
    Ok(manifests.into_iter().map(|manifest| manifest.id).collect())
}
