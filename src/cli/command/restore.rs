//! `pdbak restore`: plan, show, ask, write, verify.
//!
//! The account is read first, so that plan and check compare two immutable
//! states; the plan is kept in the archive before anybody is asked, so that going
//! on later replays exactly what was shown.

use std::collections::BTreeSet;

use clap::Args;

use crate::archive::{Manifest, SnapshotId};
use crate::capture;
use crate::catalogue::{self, Object, ObjectName};
use crate::cli::command::ending::Ending;
use crate::cli::command::get::record_id;
use crate::cli::command::live;
use crate::cli::command::live::Looking;
use crate::cli::command::narrow::{Frame, Narrow};
use crate::cli::command::replay::Work;
use crate::cli::command::show::SNAPSHOT_HELP;
use crate::cli::command::snapshot::object;
use crate::cli::complain::Failure;
use crate::cli::exit::Exit;
use crate::cli::session::{Session, wait};
use crate::record::RecordId;
use crate::restore::{CannotPlan, Missing, Plan, Policy, Scope, StandIn};

mod elsewhere;

pub(crate) const EXAMPLES: &str = "\
Examples:
  pdbak restore latest --record deals/42 --dry-run            what would be written; writes nothing
  pdbak restore latest~1 --object Deals --related             all deals, and what they need and what belongs to them
  pdbak restore 2026-11-02 --delete-added                     everything, and delete what was added since
  pdbak restore latest --object Products --plan plan.json     write the plan to a file, to be read and kept
  pdbak restore latest~1 --object Deals --with-fields         values of deleted fields as well, in fields made again
  pdbak restore --since 1c02 --until 3fa9                     undo just what happened between two snapshots
  pdbak restore 1c02 --object Deals --field value --theirs    one field of all deals, also where it was edited again
  pdbak restore --from-plan plan.json --yes                   replay exactly that
  pdbak restore latest --to test --mapping map.jsonl --dry-run
                                                              into another company, and who stands for whom there
  pdbak restore latest --pause-webhooks                       with the webhooks out of the way meanwhile
  pdbak restore --resume                                      go on with a restore that was interrupted";

/// Arguments of `pdbak restore`.
#[derive(Args, Debug)]
pub(crate) struct Restore {
    #[arg(value_name = "SNAPSHOT", required_unless_present_any = ["from_plan", "resume", "since"], help = SNAPSHOT_HELP)]
    snapshot: Option<String>,
    /// Only this record, such as deals/42; may be repeated
    #[arg(long, value_name = "RECORD", value_parser = record_id)]
    record: Vec<RecordId>,
    /// Only this object; may be repeated
    #[arg(long, value_name = "OBJECT", value_parser = object)]
    object: Vec<&'static Object>,
    #[command(flatten)]
    narrow: Narrow,
    /// Also what the chosen records point to and what belongs to them, as far as it is missing
    #[arg(long)]
    related: bool,
    /// Delete what was added since the snapshot
    #[arg(long)]
    delete_added: bool,
    /// Also make custom fields and options again that the account no longer has, and write their values under the new keys
    #[arg(long)]
    with_fields: bool,
    /// Leave records out that refer to something that is not there, instead of leaving the reference empty
    #[arg(long)]
    skip_incomplete: bool,
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
    #[arg(long, value_name = "PLAN", conflicts_with_all = ["snapshot", "since", "until", "field", "by_user", "theirs", "ours", "record", "object", "related", "delete_added", "pause_webhooks", "invite_users", "owner_fallback", "with_fields", "plan"])]
    from_plan: Option<String>,
    /// Go on with the newest restore that was interrupted
    #[arg(long, conflicts_with_all = ["snapshot", "since", "until", "field", "by_user", "theirs", "ours", "record", "object", "related", "delete_added", "pause_webhooks", "invite_users", "owner_fallback", "with_fields", "plan", "from_plan"])]
    resume: bool,
    /// Read the whole account again before planning, also what nothing says has changed
    #[arg(long, conflicts_with_all = ["from_plan", "resume"])]
    full: bool,
    #[command(flatten)]
    ending: Ending,
}

impl Restore {
    pub(crate) fn run(self, session: &Session) -> Result<Exit, Failure> {
        let archive = session.archive()?;
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
            self.ending.go_on(&work, &plan, journal, |_| Ok(())).await
        })
    }

    /// Reads the account and plans.
    async fn make(&self, work: &Work<'_>) -> Result<Plan, Failure> {
        // Before the account is read: afterwards `latest` would mean the state to get away from.
        let frame = self.narrow.frame(work.session, work.archive, self.snapshot.as_deref())?;
        if self.elsewhere.to.is_some() {
            let policy = self.policy(work.account.identity().user_id);
            return self.elsewhere.make(work, &frame.goal, &policy, self.full).await;
        }
        // Before the account is read: what is not this company's must not become its newest snapshot.
        let of = work.archive.snapshot(&frame.goal)?.manifest().source.company_id;
        let at = work.account.identity().company_id;
        if of != at {
            return Err(CannotPlan::OtherAccount { goal: of, seen: at }.into());
        }
        let seen = live::capture_from(work.session, work.archive, work.account, self.looking()).await?;
        let plan = self.between(work, &frame, &seen.id)?;
        let unsure = carried_over(&plan, &seen);
        if unsure.is_empty() {
            return Ok(plan);
        }
        // What the sweep carried over may be there again, by another restore or by hand: it would be made twice.
        let mut looking = self.looking();
        looking.anew.extend(unsure);
        let seen = live::capture_from(work.session, work.archive, work.account, looking).await?;
        self.between(work, &frame, &seen.id)
    }

    /// Plans the way from the account as it was seen back to the goal, and has the plan checked.
    fn between(&self, work: &Work<'_>, frame: &Frame, seen: &SnapshotId) -> Result<Plan, Failure> {
        let (goal, seen) = (work.archive.snapshot(&frame.goal)?, work.archive.snapshot(seen)?);
        let plan = frame.plan(work.archive, &goal, &seen, &self.policy(work.account.identity().user_id))?;
        work.check(&plan, &goal, &seen)?;
        Ok(plan)
    }

    /// What is named is looked at whatever it costs: a comment that was edited or deleted shows nowhere else.
    fn looking(&self) -> Looking {
        let of_records = self.record.iter().filter_map(|record| catalogue::find(&record.object));
        let anew = self.object.iter().copied().chain(of_records).collect();
        Looking { full: self.full, anew, ..Looking::default() }
    }

    fn policy(&self, me: u64) -> Policy {
        let objects = self.object.iter().map(|object| ObjectName::known(object.name)).collect();
        let mut policy = Policy {
            scope: Scope { objects, records: self.record.iter().cloned().collect() },
            related: self.related,
            delete_added: self.delete_added,
            // Another company has none of the fields yet.
            with_fields: self.with_fields || self.elsewhere.to.is_some(),
            missing: if self.skip_incomplete { Missing::Skip } else { Missing::Empty },
            invite_users: self.invite_users,
            owner_fallback: self.owner_fallback.as_deref().map(|user| stand_in(user, me)),
            change_matched: self.elsewhere.change_matched,
            with_webhooks: self.elsewhere.with_webhooks,
            pause_webhooks: self.pause_webhooks,
            ..Policy::default()
        };
        self.narrow.apply(&mut policy, me);
        policy
    }
}

/// The objects that a plan would write without anybody having looked at all of their records just now.
fn carried_over(plan: &Plan, seen: &Manifest) -> Vec<&'static Object> {
    let written: BTreeSet<&ObjectName> = plan.steps().iter().map(|step| &step.record().object).collect();
    let carried = written.into_iter().filter(|object| capture::carried(seen, object).is_some());
    carried.filter_map(catalogue::find).collect()
}

/// The user a person means.
pub(crate) fn stand_in(user: &str, me: u64) -> StandIn {
    match user.parse() {
        _ if user == "me" => StandIn::Id(me),
        Ok(id) => StandIn::Id(id),
        Err(_) => StandIn::Email(user.to_owned()),
    }
}
