//! `pdbak restore`: plan, show, ask, write, verify.
//!
//! The account is read first, so that plan and check compare two immutable
//! states; the plan is kept in the archive before anybody is asked, so that going
//! on later replays exactly what was shown.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::account::Allowance;
use crate::archive::{Manifest, SnapshotId};
use crate::capture;
use crate::catalogue::{self, Object, ObjectName};
use crate::cli::command::get::record_id;
use crate::cli::command::live::Looking;
use crate::cli::command::narrow::{Frame, Narrow};
use crate::cli::command::replay::Work;
use crate::cli::command::show::SNAPSHOT_HELP;
use crate::cli::command::snapshot::object;
use crate::cli::command::{consent, live};
use crate::cli::complain::Failure;
use crate::cli::config::allowance;
use crate::cli::exit::Exit;
use crate::cli::session::{Session, wait};
use crate::cli::show::plans::short;
use crate::record::RecordId;
use crate::restore::{self, Journal, Missing, Plan, Policy, Scope, StandIn, Standing};

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
    /// Who owns what belonged to a user who is not in the account: a user's id or e-mail, or "me"
    #[arg(long, value_name = "USER")]
    owner_fallback: Option<String>,
    /// Show the plan and keep it, but write nothing to the account
    #[arg(long)]
    dry_run: bool,
    /// Write the plan to FILE, but nothing to the account
    #[arg(long, value_name = "FILE")]
    plan: Option<PathBuf>,
    /// Replay a plan: a file, or the beginning of the id of one that was kept
    #[arg(long, value_name = "PLAN", conflicts_with_all = ["snapshot", "since", "until", "field", "by_user", "theirs", "ours", "record", "object", "related", "delete_added", "invite_users", "owner_fallback", "with_fields", "plan"])]
    from_plan: Option<String>,
    /// Go on with the newest restore that was interrupted
    #[arg(long, conflicts_with_all = ["snapshot", "since", "until", "field", "by_user", "theirs", "ours", "record", "object", "related", "delete_added", "invite_users", "owner_fallback", "with_fields", "plan", "from_plan"])]
    resume: bool,
    /// Read the whole account again before planning, also what nothing says has changed
    #[arg(long, conflicts_with_all = ["from_plan", "resume"])]
    full: bool,
    /// Consent beforehand; for scripts
    #[arg(long, short = 'y')]
    yes: bool,
    /// Send no write before the one before it was answered: slower, and easier to follow
    #[arg(long)]
    one_at_a_time: bool,
    /// How much to spend: a share of the tokens left today, a number of tokens, or "all" [default: 50%]
    #[arg(long, value_name = "SHARE", value_parser = allowance)]
    budget: Option<Allowance>,
}

impl Restore {
    pub(crate) fn run(self, session: &Session) -> Result<Exit, Failure> {
        let archive = session.archive()?;
        wait(async {
            let account = session.account(self.budget).await?;
            let work = Work { session, archive: &archive, account: &account, one_at_a_time: self.one_at_a_time };
            let (plan, journal) = match (&self.from_plan, self.resume) {
                (Some(name), _) => work.kept(name)?,
                (None, true) => work.interrupted()?,
                (None, false) => work.keep(self.make(&work).await?)?,
            };
            self.go_on(&work, &plan, journal).await
        })
    }

    /// Reads the account and plans.
    async fn make(&self, work: &Work<'_>) -> Result<Plan, Failure> {
        // Before the account is read: afterwards `latest` would mean the state to get away from.
        let frame = self.narrow.frame(work.session, work.archive, self.snapshot.as_deref())?;
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
        let objections = restore::check_against(&plan, &goal, &seen)?;
        match objections.first() {
            None => Ok(plan),
            Some(first) => Err(Failure::new(
                Exit::Failed,
                "the plan did not pass its own check; nothing has been written",
            )
            .because(first)
            .hint("this is a fault of pdbak: please report it with the output of \"pdbak restore --dry-run --json\"")),
        }
    }

    /// What is named is looked at whatever it costs: a comment that was edited or deleted shows nowhere else.
    fn looking(&self) -> Looking {
        let of_records = self.record.iter().filter_map(|record| catalogue::find(&record.object));
        Looking { full: self.full, anew: self.object.iter().copied().chain(of_records).collect() }
    }

    fn policy(&self, me: u64) -> Policy {
        let objects = self.object.iter().map(|object| ObjectName::known(object.name)).collect();
        let mut policy = Policy {
            scope: Scope { objects, records: self.record.iter().cloned().collect() },
            related: self.related,
            delete_added: self.delete_added,
            with_fields: self.with_fields,
            missing: if self.skip_incomplete { Missing::Skip } else { Missing::Empty },
            invite_users: self.invite_users,
            owner_fallback: self.owner_fallback.as_deref().map(|user| stand_in(user, me)),
            ..Policy::default()
        };
        self.narrow.apply(&mut policy, me);
        policy
    }

    /// Shows the plan, and unless only that was asked for, writes it.
    async fn go_on(&self, work: &Work<'_>, plan: &Plan, mut journal: Journal) -> Result<Exit, Failure> {
        let only_shown = self.dry_run || self.plan.is_some();
        work.show(plan, only_shown || !self.yes)?;
        if let Some(path) = &self.plan {
            write_plan(plan, path)?;
        }
        if only_shown {
            let name = self.plan.as_ref().map_or_else(|| short(plan), |path| path.display().to_string());
            work.session.say(&format!("nothing has been written.  To go on: pdbak restore --from-plan {name}"));
            return Ok(Exit::Done);
        }
        if let Standing::Partly { done } = journal.standing() {
            work.session.say(&format!("going on after {done} of {} steps", plan.steps().len()));
        }
        // A plan without writes needs no consent to them.
        let consent = consent::ask(plan, self.yes || plan.is_empty())?;
        work.replay(plan, &mut journal, &consent).await
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

/// Writes a plan to a new file.
fn write_plan(plan: &Plan, path: &Path) -> Result<(), Failure> {
    fs::write(path, plan.to_json() + "\n")
        .map_err(|error| Failure::from(error).while_doing(format_args!("write {}", path.display())))
}
