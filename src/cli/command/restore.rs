//! `pdbak restore`: plan, show, ask, write, verify.
//!
//! The account is read first, so that plan and check compare two immutable
//! states; the plan is kept in the archive before anybody is asked, so that going
//! on later replays exactly what was shown.

use std::collections::BTreeSet;

use clap::Args;

use crate::archive::{Coverage, Manifest, SnapshotId};
use crate::capture;
use crate::catalogue::{self, Object, ObjectName};
use crate::cli::command::ending::Ending;
use crate::cli::command::live;
use crate::cli::command::narrow::{Frame, Narrow};
use crate::cli::command::replay::Work;
use crate::cli::command::settle::Questions;
use crate::cli::command::show::SNAPSHOT_HELP;
use crate::cli::complain::Failure;
use crate::cli::exit::Exit;
use crate::cli::session::{Session, wait};
use crate::cli::show::conflicts::{AllConflicts, views};
use crate::cli::show::plans::short;
use crate::restore::{CannotPlan, Plan, Policy, StandIn};

mod choice;
mod elsewhere;

use choice::Choice;
pub(crate) use choice::FILTER_HELP;

pub(crate) const EXAMPLES: &str = r#"Examples:
  pdbak restore latest --record deals/42 --dry-run            what would be written; writes nothing
  pdbak restore latest~1 --object Deals --related             all deals, and what they need and what belongs to them
  pdbak restore latest --object Deals --filter 'value > 10000 and Stage = "Offer sent"'
                                                              deals as they were in the snapshot, by what is in them
  pdbak restore latest --object Deals --missing create        deals, and the deleted persons and so on that they refer to
  pdbak restore 1c02 --object Deals --conflicts               what was edited again since; writes nothing
  pdbak restore 2026-11-02 --delete-added                     everything, and delete what was added since
  pdbak restore latest --object Products --plan plan.json     write the plan to a file, to be read and kept
  pdbak restore latest~1 --object Deals --with-fields         values of deleted fields as well, in fields made again
  pdbak restore --since 1c02 --until 3fa9                     undo just what happened between two snapshots
  pdbak restore 1c02 --object Deals --field value --theirs    one field of all deals, also where it was edited again
  pdbak restore --from-plan plan.json --yes                   replay exactly that
  pdbak restore latest --to test --mapping map.jsonl --dry-run
                                                              into another company, and who stands for whom there
  pdbak restore latest --pause-webhooks                       with the webhooks out of the way meanwhile
  pdbak restore --resume                                      go on with a restore that was interrupted"#;

/// Arguments of `pdbak restore`.
#[derive(Args, Debug)]
pub(crate) struct Restore {
    #[arg(value_name = "SNAPSHOT", required_unless_present_any = ["from_plan", "resume", "since"], help = SNAPSHOT_HELP)]
    snapshot: Option<String>,
    #[command(flatten)]
    choice: Choice,
    #[command(flatten)]
    narrow: Narrow,
    /// Delete what was added since the snapshot
    ///
    /// A deal that was deleted comes back with what was added to it before: that is in no list while the plan is made. A step
    /// of the plan ("trim") looks at each such deal once it is back; what it removes is told at the end.
    #[arg(long)]
    delete_added: bool,
    /// Also make custom fields and options again that the account no longer has, and write their values under the new keys
    #[arg(long)]
    with_fields: bool,
    /// Invite users who are not in the account any more: each gets a mail and takes a paid seat
    #[arg(long)]
    invite_users: bool,
    /// Remove the account's webhooks before the first write and make them again, under new numbers, after the last
    #[arg(long, conflicts_with = "to")]
    pause_webhooks: bool,
    /// Who owns what belonged to a user who is not in the account: a user's id or e-mail, or "me"
    #[arg(long, value_name = "USER")]
    owner_fallback: Option<String>,
    #[command(flatten)]
    elsewhere: elsewhere::Elsewhere,
    /// Replay a plan: a file, or the beginning of the id of one that was kept
    #[arg(long, value_name = "PLAN", conflicts_with_all = ["snapshot", "since", "until", "field", "by_user", "theirs", "ours", "record", "object", "filter", "related", "depth", "missing", "conflicts", "delete_added", "pause_webhooks", "invite_users", "owner_fallback", "with_fields", "plan"])]
    from_plan: Option<String>,
    /// Go on with the newest restore that was interrupted
    #[arg(long, conflicts_with_all = ["snapshot", "since", "until", "field", "by_user", "theirs", "ours", "record", "object", "filter", "related", "depth", "missing", "conflicts", "delete_added", "pause_webhooks", "invite_users", "owner_fallback", "with_fields", "plan", "from_plan"])]
    resume: bool,
    /// Read the whole account again before planning, also what nothing says has changed
    #[arg(long, conflicts_with_all = ["from_plan", "resume"])]
    full: bool,
    /// List what was edited again since, field by field, and write nothing to the account
    #[arg(long, conflicts_with_all = ["plan", "expect"])]
    conflicts: bool,
    #[command(flatten)]
    ending: Ending,
}

impl Restore {
    pub(crate) fn run(self, session: &Session) -> Result<Exit, Failure> {
        let archive = session.archive()?;
        archive.may_read("restore")?;
        wait(async {
            let other = self.elsewhere.session(session)?;
            let account = other.as_ref().unwrap_or(session).account(self.ending.budget()).await?;
            let work =
                Work { session, archive: &archive, account: &account, one_at_a_time: self.ending.one_at_a_time() };
            let (plan, journal) = match (&self.from_plan, self.resume) {
                (Some(name), _) => work.kept(name)?,
                (None, true) => work.interrupted()?,
                (None, false) => work.keep(self.make(&work).await?)?,
            };
            if self.conflicts {
                session.show(&AllConflicts { plan: short(&plan), conflicts: views(&archive, &plan)? })?;
                return Ok(Exit::Done);
            }
            self.ending.go_on(&work, &plan, journal, |_| Ok(())).await
        })
    }

    /// Reads the account and plans.
    async fn make(&self, work: &Work<'_>) -> Result<Plan, Failure> {
        // Before the account is read: afterwards `latest` would mean the state to get away from.
        let frame = self.narrow.frame(work.session, work.archive, self.snapshot.as_deref())?;
        let goal = work.archive.snapshot(&frame.goal)?;
        if let Some(lacks) = lacks(goal.manifest()) {
            work.session.say(&lacks);
        }
        self.choice.check(&goal)?;
        let policy = self.policy(work.account.identity().user_id);
        if self.elsewhere.to.is_some() {
            if self.choice.asks() {
                return Err(
                    Failure::usage("--missing ask does not go with --to").hint("give --missing empty, skip or create")
                );
            }
            return self.elsewhere.make(work, &frame.goal, &policy, self.full).await;
        }
        // Before the account is read: what is not this company's must not become its newest snapshot.
        let of = goal.manifest().source.company_id;
        let at = work.account.identity().company_id;
        if of != at {
            return Err(CannotPlan::OtherAccount { goal: of, seen: at }.into());
        }
        let looking = || self.choice.looking(self.full);
        let mut seen = live::capture_from(work.session, work.archive, work.account, looking()).await?;
        let mut plan = between(work, &frame, &seen.id, &policy)?;
        let unsure = carried_over(&plan, &seen);
        if !unsure.is_empty() {
            // What the sweep carried over may be there again, by another restore or by hand: it would be made twice.
            let mut looking = looking();
            looking.anew.extend(unsure);
            seen = live::capture_from(work.session, work.archive, work.account, looking).await?;
            plan = between(work, &frame, &seen.id, &policy)?;
        }
        self.questions().settle(work.archive, plan, |policy| between(work, &frame, &seen.id, policy))
    }

    /// What is asked at a terminal before anybody consents: nothing that a flag has answered.
    fn questions(&self) -> Questions {
        let conflicts = !self.conflicts && !self.narrow.decides() && !self.ending.goes_on_unasked();
        Questions { missing: self.choice.asks(), conflicts }
    }

    fn policy(&self, me: u64) -> Policy {
        let mut policy = Policy {
            delete_added: self.delete_added,
            // Another company has none of the fields yet.
            with_fields: self.with_fields || self.elsewhere.to.is_some(),
            invite_users: self.invite_users,
            owner_fallback: self.owner_fallback.as_deref().map(|user| stand_in(user, me)),
            change_matched: self.elsewhere.change_matched,
            with_webhooks: self.elsewhere.with_webhooks,
            pause_webhooks: self.pause_webhooks,
            ..self.choice.policy()
        };
        self.narrow.apply(&mut policy, me);
        policy
    }
}

/// Plans the way from the account as it was seen back to the goal, and has the plan checked.
fn between(work: &Work<'_>, frame: &Frame, seen: &SnapshotId, policy: &Policy) -> Result<Plan, Failure> {
    let (goal, seen) = (work.archive.snapshot(&frame.goal)?, work.archive.snapshot(seen)?);
    let plan = frame.plan(work.archive, &goal, &seen, policy)?;
    work.check(&plan, &goal, &seen)?;
    Ok(plan)
}

/// The objects that a plan would write without anybody having looked at all of their records just now.
fn carried_over(plan: &Plan, seen: &Manifest) -> Vec<&'static Object> {
    let written: BTreeSet<&ObjectName> = plan.steps().iter().map(|step| &step.record().object).collect();
    let carried = written.into_iter().filter(|object| capture::carried(seen, object).is_some());
    carried.filter_map(catalogue::find).collect()
}

/// What a partial snapshot cannot bring back, in words.
fn lacks(goal: &Manifest) -> Option<String> {
    let in_part = goal.contents.iter().filter(|contents| matches!(contents.coverage, Coverage::Part { .. }));
    let titles: Vec<String> = in_part.map(|contents| contents.object.title()).collect();
    let text = || format!("snapshot {} is partial; not or not wholly read: {}", goal.id.short(), titles.join(", "));
    goal.is_unfinished().then(text)
}

/// The user a person means.
pub(crate) fn stand_in(user: &str, me: u64) -> StandIn {
    match user.parse() {
        _ if user == "me" => StandIn::Id(me),
        Ok(id) => StandIn::Id(id),
        Err(_) => StandIn::Email(user.to_owned()),
    }
}
