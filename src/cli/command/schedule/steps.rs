//! The steps of a run, each by the function that its command calls.

use chrono::{DateTime, Utc};
use tokio::task::block_in_place;

use crate::archive::{Archive, Manifest, Reading};
use crate::capture::{self, Outcome as Captured, Wanted};
use crate::cli::command::{brake, check, drill, forget, offsite, prune, snapshot};
use crate::cli::complain::Failure;
use crate::cli::config::allowance;
use crate::cli::exit::Exit;
use crate::cli::session::Session;
use crate::cli::show::alarms::told;
use crate::cli::show::snapshots::has_gaps;
use crate::cli::show::{count, moment, size};
use crate::schedule::{Outcome, Schedule, State, Step};

/// What a step did.
pub(super) struct Did {
    pub(super) outcome: Outcome,
    pub(super) says: String,
    pub(super) hint: Option<String>,
    /// When a budget that was spent is filled again.
    pub(super) resume: Option<DateTime<Utc>>,
}

impl Did {
    fn new(outcome: Outcome, says: String) -> Did {
        Did { outcome, says, hint: None, resume: None }
    }

    fn done(says: String) -> Did {
        Did::new(Outcome::Done, says)
    }

    /// What a failure means for a run.
    pub(super) fn failed(failure: &Failure) -> Did {
        let outcome = match failure.exit() {
            Exit::BudgetSpent => Outcome::Paused,
            // Told when it was raised; until somebody has looked, retention waits.
            Exit::Alarm => Outcome::Skipped,
            _ => Outcome::Failed,
        };
        Did { hint: failure.advice(), ..Did::new(outcome, failure.line()) }
    }

    /// It was not begun, for this reason.
    pub(super) fn skipped(why: &str) -> Did {
        Did::new(Outcome::Skipped, why.to_owned())
    }

    /// Somebody ended the run meanwhile.
    pub(super) fn stopped(begun: bool) -> Did {
        let says = if begun { "stopped; it goes on from here with the next run" } else { "not begun" };
        Did::new(Outcome::Stopped, says.to_owned())
    }
}

/// What the steps of a run need.
pub(super) struct Steps<'a> {
    pub(super) session: &'a Session,
    pub(super) schedule: &'a Schedule,
}

impl Steps<'_> {
    /// Does a step, as the configuration wants it. What is not waiting for the network is done to its end.
    pub(super) async fn perform(&self, step: &Step, state: &mut State) -> Result<Did, Failure> {
        match step {
            Step::Snapshot => self.snapshot().await,
            Step::Forget => block_in_place(|| self.forget()),
            Step::Prune => block_in_place(|| self.prune()),
            Step::Check => block_in_place(|| self.check(state)),
            Step::Drill => self.drill().await,
            Step::Push(target) => self.push(target).await,
        }
    }

    async fn snapshot(&self) -> Result<Did, Failure> {
        let settings = self.session.schedule()?;
        let budget = settings.budget.as_deref().map(allowance).transpose().map_err(Failure::usage)?;
        let sweep = settings.sweep.or(self.session.sweep()).unwrap_or(capture::SWEEP);
        let wanted = Wanted { sweep, ..Wanted::default() };
        let archive = self.session.archive()?;
        Ok(match snapshot::take(self.session, &archive, &wanted, budget, &settings.tags).await? {
            Captured::Finished(manifest) => self.braked(&archive, captured(&manifest))?,
            Captured::Paused { until, done, partial } => {
                let read = count(done.len() as u64, "object", "objects");
                let kept = if partial.is_some() { "; what it has is kept as a partial snapshot" } else { "" };
                let says =
                    format!("the tokens it may spend are spent after {read}{kept}; goes on {} UTC", moment(until));
                Did { resume: Some(until), ..Did::new(Outcome::Paused, says) }
            }
        })
    }

    /// Looks whether far more changed than usual.
    fn braked(&self, archive: &Archive, did: Did) -> Result<Did, Failure> {
        let raised = brake::look(self.session, archive, None)?.raised;
        if raised.is_empty() {
            return Ok(did);
        }
        let what: Vec<String> = raised.iter().flat_map(|alarm| &alarm.excesses).map(told).collect();
        let says = format!("{}; far more changed than usual: {}", did.says, what.join(", "));
        let hint = "nothing is forgotten or pruned until somebody has looked: \"pdbak brake\" shows what changed";
        Ok(Did { hint: Some(hint.to_owned()), ..Did::new(Outcome::Alarm, says) })
    }

    fn forget(&self) -> Result<Did, Failure> {
        let Some(policy) = &self.schedule.forget else { return Ok(Did::skipped("no rule says what to keep")) };
        let archive = self.session.archive()?;
        brake::before_letting_go(self.session, &archive, false)?;
        let report = forget::by_rules(&archive, policy, false)?;
        Ok(Did::done(count(report.forgotten, "snapshot forgotten", "snapshots forgotten")))
    }

    fn prune(&self) -> Result<Did, Failure> {
        let report = prune::prune(self.session, &self.session.archive()?, prune::GRACE, prune::REPACK, false)?;
        Ok(Did::done(format!(
            "{} removed, {} wait for the next",
            size(report.removed.bytes),
            size(report.waiting.bytes)
        )))
    }

    /// Reads the share of the data whose turn it is; with the last of them all was read within one round.
    fn check(&self, state: &mut State) -> Result<Did, Failure> {
        let share = self.schedule.check.share(state, self.session.clock().now());
        let all = share.is_some_and(|(turn, of)| turn == of);
        let turn = share.map(|(turn, of)| format!("{turn}/{of}"));
        let reading = turn.as_deref().map(str::parse).transpose().map_err(Failure::usage)?;
        let reading = reading.map_or(Reading::Structure, Reading::Some);
        let report = check::look(self.session, &self.session.archive()?, reading)?;
        if !report.sound {
            return Err(check::damaged());
        }
        if share.is_some() {
            state.share_read = state.share_read.wrapping_add(1);
        }
        if all {
            state.all_read = Some(self.session.clock().now());
        }
        let depth = turn.map_or_else(|| "structure".to_owned(), |turn| format!("share {turn} of the data read back"));
        Ok(Did::done(format!("sound: {depth}, {} read", size(report.bytes_read))))
    }

    async fn drill(&self) -> Result<Did, Failure> {
        let score = drill::newest(self.session, &self.session.archive()?).await?;
        match score.restorable {
            true => Ok(Did::done(format!("everything that can be written came back, in {} s", score.seconds))),
            false => Err(Failure::new(Exit::LeftOver, "not everything that can be written came back")
                .hint("run \"pdbak drill\" to see what")),
        }
    }

    async fn push(&self, target: &str) -> Result<Did, Failure> {
        let pushed = offsite::send_to(self.session, target).await?;
        let sent = format!("{} sent, {}", size(pushed.sent.bytes), count(pushed.sent.files, "file", "files"));
        Ok(match pushed.is_whole() {
            true => Did::done(sent),
            false => {
                let first = pushed.faults.first().map(|fault| format!("; {}: {}", fault.file, fault.problem));
                let left = count(pushed.faults.len() as u64, "problem", "problems");
                let hint = format!("run \"pdbak offsite push {target}\" to see all of them");
                let says = format!("not whole: {left}{}; {sent}", first.unwrap_or_default());
                Did { hint: Some(hint), ..Did::new(Outcome::Gaps, says) }
            }
        })
    }
}

/// A snapshot in a line.
fn captured(manifest: &Manifest) -> Did {
    let records = count(manifest.contents.iter().map(|contents| contents.records).sum(), "record", "records");
    let tokens = count(manifest.tokens, "token", "tokens");
    let says = format!("{}: {records}, {tokens}, {} added", manifest.id.short(), size(manifest.bytes_added));
    match has_gaps(manifest) {
        false => Did::done(says),
        true => {
            let hint = Some(format!("run \"pdbak show {}\" to see what could not be read", manifest.id.short()));
            Did { hint, ..Did::new(Outcome::Gaps, says + ", with gaps") }
        }
    }
}
