//! The second half of a restore: keeping plans, finding them again, replaying them, and saying how it went.

use std::fs::File;
use std::path::Path;

use crate::account::{Account, Consent};
use crate::archive::{Archive, Snapshot};
use crate::cli::command::narrow::Frame;
use crate::cli::complain::Failure;
use crate::cli::exit::Exit;
use crate::cli::session::Session;
use crate::cli::show::moment;
use crate::cli::show::plans::{PlanView, short};
use crate::cli::show::reports::ReportView;
use crate::restore::{self, Journal, NoJournal, Plan, Replayed, Site, Standing, Stop};

/// What a restore works with.
pub(crate) struct Work<'a> {
    pub(crate) session: &'a Session,
    pub(crate) archive: &'a Archive,
    pub(crate) account: &'a Account,
    /// No write leaves before the one before it was answered.
    pub(crate) one_at_a_time: bool,
}

impl Work<'_> {
    /// Keeps a plan in the archive, as the journal that its replay will fill.
    pub(crate) fn keep(&self, plan: Plan) -> Result<(Plan, Journal), Failure> {
        match Journal::create(self.archive, &plan, self.session.clock()) {
            Ok(journal) => Ok((plan, journal)),
            // The same plan was shown before, or even begun: its journal knows how far it went.
            Err(NoJournal::Begun(name)) => {
                drop(plan);
                self.open(&name)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// A plan by its file, or by the beginning of its id.
    pub(crate) fn kept(&self, name: &str) -> Result<(Plan, Journal), Failure> {
        if Path::new(name).is_file() {
            let reading = || format!("read {name}");
            let file = File::open(name).map_err(|error| Failure::from(error).while_doing(reading()))?;
            let plan = Plan::read(file).map_err(|error| Failure::usage(error).while_doing(reading()))?;
            let kept = plan.digest()[..16].to_owned();
            // What pdbak has written itself is kept; anything else was edited.
            return match self.archive.logs()?.contains(&kept) {
                true => self.keep(plan),
                false => self.keep(self.reviewed(&plan)?),
            };
        }
        let mut found = self.archive.logs()?;
        found.retain(|log| log.starts_with(name));
        match found.as_slice() {
            [one] => self.open(one),
            [] => Err(Failure::usage(format!("there is no file and no kept plan {name}"))
                .hint("run \"pdbak restore SNAPSHOT --dry-run\" to make one")),
            _ => Err(Failure::usage(format!("{} kept plans begin with {name}", found.len()))
                .hint("give more letters of the plan's id to \"pdbak restore --from-plan\"")),
        }
    }

    /// A plan that somebody has edited, as far as it may be replayed.
    fn reviewed(&self, edited: &Plan) -> Result<Plan, Failure> {
        let (goal, seen) = (self.archive.snapshot(&edited.goal)?, self.archive.snapshot(&edited.seen)?);
        let frame = Frame::of(edited)?;
        let plan = restore::review(edited, |policy| frame.plan(self.archive, &goal, &seen, policy))?;
        self.check(&plan, &goal, &seen)?;
        Ok(plan)
    }

    /// The newest restore that was begun and not ended.
    pub(crate) fn interrupted(&self) -> Result<(Plan, Journal), Failure> {
        let open = |standing: Standing| matches!(standing, Standing::Partly { .. } | Standing::InDoubt(_));
        let newest = self.journals(open)?.pop().map(|(journal, _)| journal.name().to_owned());
        match newest {
            Some(name) => self.open(&name),
            None => Err(Failure::usage("no restore was interrupted")
                .hint("run \"pdbak restore --from-plan PLAN\" to replay a plan that was only shown")),
        }
    }

    /// A restore that has written something, by the beginning of its id, or the newest.
    pub(crate) fn begun(&self, name: &str) -> Result<(Journal, Plan), Failure> {
        let mut found = self.journals(|standing| standing != Standing::Fresh)?;
        if name != "latest" {
            found.retain(|(journal, _)| journal.name().starts_with(name));
            if found.len() > 1 {
                return Err(Failure::usage(format!("{} restores begin with {name}", found.len()))
                    .hint("give more letters of the restore's id; \"pdbak restores\" lists them"));
            }
        }
        let found = found.pop();
        found.ok_or_else(|| {
            Failure::usage(format!("no restore {name} has written anything"))
                .hint("\"pdbak restores\" lists the restores of the archive")
        })
    }

    /// The journals that stand in a certain way, oldest first.
    fn journals(&self, wanted: impl Fn(Standing) -> bool) -> Result<Vec<(Journal, Plan)>, Failure> {
        let mut found = Vec::new();
        for journal in Journal::all(self.archive, self.session.clock())? {
            let (journal, plan) = journal?;
            if wanted(journal.standing()) {
                found.push((journal, plan));
            }
        }
        found.sort_by_key(|(journal, _)| journal.begun());
        Ok(found)
    }

    /// Has a plan checked beside the states it was made from.
    pub(crate) fn check(&self, plan: &Plan, goal: &Snapshot<'_>, seen: &Snapshot<'_>) -> Result<(), Failure> {
        let objections = restore::check_against(plan, goal, seen)?;
        match objections.first() {
            None => Ok(()),
            Some(first) => Err(Failure::new(
                Exit::Failed,
                "the plan did not pass the check; nothing has been written",
            )
            .because(first)
            .hint(
                "this is a fault of pdbak: please report it with the output of the same command with --dry-run --json",
            )),
        }
    }

    fn open(&self, name: &str) -> Result<(Plan, Journal), Failure> {
        let (journal, plan) = Journal::resume(self.archive, name, self.session.clock())?;
        Ok((plan, journal))
    }

    /// Shows a plan: on stdout if it is what was asked for, else as talk.
    pub(crate) fn show(&self, plan: &Plan, asked_for: bool) -> Result<(), Failure> {
        let view = PlanView::new(plan, self.archive, self.account)?;
        if self.session.json() && !asked_for {
            return self.session.tell(&view);
        }
        self.session.show(&view)?;
        if let Some(days) = view.days().filter(|_| self.session.json()) {
            self.session.say(&format!("this takes {days}"));
        }
        Ok(())
    }

    /// Replays what is left of a plan that was consented to, and shows what came of it.
    pub(crate) async fn replay(&self, plan: &Plan, journal: &mut Journal, consent: &Consent) -> Result<Exit, Failure> {
        let writer = self.account.writer(consent);
        let writer = if self.one_at_a_time { writer.one_at_a_time() } else { writer };
        let site = Site { account: self.account, writer: &writer, archive: self.archive };
        let monitor = self.session.monitor();
        let replayed = restore::replay(plan, journal, &site, &monitor).await?;
        let Replayed { done, steps, stopped, report } = replayed;
        if let Some(report) = report {
            self.session.show(&ReportView::brief(&report))?;
            return Ok(if report.total.is_clean() { Exit::Done } else { Exit::LeftOver });
        }
        let again = format!("pdbak restore --from-plan {} --yes", short(plan));
        // Before its first step it was not interrupted.
        let on = if done > 0 { "pdbak restore --resume --yes" } else { again.as_str() };
        let progress = format!("{done} of {steps} steps are done and stay done");
        Err(match stopped {
            Some(Stop::BudgetSpent(until)) => Failure::new(
                Exit::BudgetSpent,
                format!("the tokens or writes this run may spend are spent; {progress}"),
            )
            .hint(format!("run \"{on}\" after {} UTC, or give it more with --budget", moment(until))),
            Some(Stop::Unauthorised(why)) => {
                Failure::new(Exit::Failed, format!("the account does not accept the token any more; {progress}"))
                    .because(why)
                    .hint(format!("set PDBAK_API_TOKEN to a valid token, then run \"{again}\""))
            }
            Some(Stop::Unreachable(why)) => {
                Failure::new(Exit::Failed, format!("the account does not answer; {progress}"))
                    .because(why)
                    .hint(format!("run \"{again}\" when it does: nothing is written twice"))
            }
            None => Failure::new(Exit::Failed, format!("the replay ended without a report; {progress}"))
                .hint(format!("run \"{again}\"")),
        })
    }
}
