//! Performs the steps of a plan, several at a time where they do not depend on each other.
//!
//! No step is decided here. Steps begin in the order of the plan, each when those it
//! waits for have ended: it is looked at what is there (`look`, `reads`), the intents
//! are put on disk together, the requests leave (`turns`, `send`), and the outcomes
//! go to disk with the next intents. A record that moved since the plan stays as it
//! is; a refused step is recorded with the server's words and the rest goes on; what
//! depended on it is skipped and said so. At last what was touched is read back
//! (`back`).

mod back;
mod fields;
mod look;
mod lost;
mod reads;
mod send;
mod trim;
mod turns;

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use crate::account::{self, Account, Spent, Writer};
use crate::archive::{self, Archive, Snapshot};
use crate::diff::Lineage;
use crate::monitor::Monitor;
use crate::restore::doubt::{self, Truth};
use crate::restore::journal::{Journal, Outcome, Was};
use crate::restore::lineage::lineage;
use crate::restore::plan::Plan;
use crate::restore::readback;
use crate::restore::report::{Cost, Report};
use crate::restore::request::{Request, request};

use lost::Lost;
use reads::Reads;
use turns::Turns;

/// How often a request is sent whose answer keeps getting lost.
const TRIES: u32 = 3;

/// Why a replay cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The journal is another plan's.
    #[error("journal {journal} belongs to another plan")]
    OtherPlan {
        /// The journal's name.
        journal: String,
    },
    /// Ids of another company mean other records.
    #[error("plan is for company {plan}, the account is company {account}")]
    OtherAccount {
        /// The company the plan was made for.
        plan: u64,
        /// The company of the account.
        account: u64,
    },
    /// Another process went on with the journal after it was opened here.
    #[error("another run has gone on with restore {journal} meanwhile")]
    WentOn {
        /// The journal's name.
        journal: String,
    },
    /// The archive cannot be read or written.
    #[error(transparent)]
    Archive(#[from] archive::Error),
}

/// How a replay ended.
#[derive(Debug)]
pub struct Replayed {
    /// Steps that have ended, of this and earlier runs.
    pub done: usize,
    /// Steps of the plan.
    pub steps: usize,
    /// Why it stopped before the end; the journal can be resumed.
    pub stopped: Option<Stop>,
    /// What came of it, once every step has ended.
    pub report: Option<Arc<Report>>,
}

/// Why a replay stopped before its end.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Stop {
    /// Today's tokens are spent.
    BudgetSpent(DateTime<Utc>),
    /// The token is not accepted any more.
    Unauthorised(String),
    /// The account does not answer.
    Unreachable(String),
}

/// Where a plan is replayed, and from what.
#[derive(Clone, Copy)]
pub struct Site<'s> {
    /// The account, to look at.
    pub account: &'s Account,
    /// Its writer, which somebody consented to.
    pub writer: &'s Writer<'s>,
    /// The archive that holds the goal.
    pub archive: &'s Archive,
}

/// Performs what is left of a plan and reports. Nobody else writes meanwhile: two that replay would each look, find
/// nothing, and make every record twice.
pub async fn replay(
    plan: &Plan,
    journal: &mut Journal,
    site: &Site<'_>,
    monitor: &dyn Monitor,
) -> Result<Replayed, Error> {
    let (goal, seen) = (site.archive.snapshot(&plan.goal)?, site.archive.snapshot(&plan.seen)?);
    replay_between(plan, journal, site, [&goal, &seen], monitor).await
}

/// The same with the two states at hand: the one that the account was seen in may lie in an archive of its own.
pub async fn replay_between(
    plan: &Plan,
    journal: &mut Journal,
    site: &Site<'_>,
    [goal, seen]: [&Snapshot<'_>; 2],
    monitor: &dyn Monitor,
) -> Result<Replayed, Error> {
    let account = site.account;
    if journal.plan() != plan.digest() {
        return Err(Error::OtherPlan { journal: journal.name().to_owned() });
    }
    if account.identity().company_id != plan.company {
        return Err(Error::OtherAccount { plan: plan.company, account: account.identity().company_id });
    }
    let _turn = site.archive.turn()?;
    if !journal.is_current()? {
        return Err(Error::WentOn { journal: journal.name().to_owned() });
    }
    let run = Run { plan, site, monitor, seen, reads: Reads::new(account), before: (journal.spent(), account.spent()) };
    let mut stopped = run.settle_doubts(journal).await?;
    if stopped.is_none() {
        stopped = Turns::new(&run).perform(journal).await?;
    }
    let mut report = journal.shared_report();
    if stopped.is_none() && report.is_none() {
        let read = async { Ok((run.read_back(journal, goal).await?, run.twins(journal).await?)) };
        match read.await {
            Ok((rows, twins)) => {
                run.spend(journal);
                // In another company the numbers of this one mean nothing.
                let lineage = match plan.from {
                    None => lineage(site.archive, plan.company)?,
                    Some(_) => Lineage::default(),
                };
                let made = Arc::new(readback::report(plan, (journal, &lineage), [goal, seen], &rows, &twins)?);
                journal.seal(&made, rows)?;
                report = Some(made);
            }
            Err(stop) => stopped = Some(stop),
        }
    }
    Ok(Replayed { done: journal.done(), steps: plan.steps.len(), stopped, report })
}

/// One run over the steps.
struct Run<'r> {
    plan: &'r Plan,
    site: &'r Site<'r>,
    monitor: &'r dyn Monitor,
    seen: &'r Snapshot<'r>,
    reads: Reads<'r>,
    /// What earlier runs have cost, and what the account had spent when this one began.
    before: (Cost, Spent),
}

/// A step that was looked at.
enum Ready {
    Send(Box<Request>),
    Ended(Outcome),
}

/// What a request came to.
enum Sent {
    Ended(Outcome),
    /// The answer was lost.
    Lost,
    /// It came to nothing, as far as anybody knows, and no other will leave.
    Stopped(Stop),
}

/// A row of the account.
type Row = Map<String, Value>;

impl Run<'_> {
    /// Requests of an earlier run whose outcome is not known.
    async fn settle_doubts(&self, journal: &mut Journal) -> Result<Option<Stop>, archive::Error> {
        let mut lost = Vec::new();
        for (at, intent) in journal.in_doubt() {
            let Some(step) = self.plan.steps.get(intent.step as usize) else { continue };
            if let Some(mut request) = request(step, journal, intent.before.clone()) {
                request.body = intent.sent;
                lost.push(Lost { request, settled: at + doubt::WAITED + doubt::SETTLING });
            }
        }
        let mut stopped = None;
        for (request, truth) in self.truths(journal, lost).await {
            match truth {
                Ok(Truth::Took(was, live, row)) => self.note(journal, self.took(&request, (was, live, row)).await),
                Ok(Truth::NotTaken) => self.note(journal, request.ended(Was::Unsent, "")),
                Err(error) => match halt(&error) {
                    Some(stop) => stopped = Some(stop),
                    // The list itself is not shown: the step ends as refused rather than being sent twice.
                    None => self.note(journal, request.ended(Was::Refused, error.to_string())),
                },
            }
        }
        self.spend(journal);
        journal.commit(Vec::new())?;
        Ok(stopped)
    }

    /// Writes up what all runs have cost so far.
    fn spend(&self, journal: &mut Journal) {
        let ((earlier, begun), now) = (self.before, self.site.account.spent());
        journal.spend(Cost {
            tokens: earlier.tokens + now.tokens - begun.tokens,
            requests: earlier.requests + now.requests - begun.requests,
        });
    }

    /// Takes note of an outcome, and tells.
    fn note(&self, journal: &mut Journal, outcome: Outcome) {
        let step = self.plan.steps.get(outcome.step as usize).filter(|_| outcome.was != Was::Unsent);
        if let Some(step) = step {
            self.monitor.advanced(&step.record().object, 1, step.price);
            if matches!(outcome.was, Was::Refused | Was::Conflict | Was::Skipped) {
                self.monitor.warned(&format!("{}: {}", step.record(), outcome.words));
            }
        }
        journal.note(outcome);
    }
}

/// What ends the run: everything else is about one record.
fn stop(error: &account::Error) -> Option<Stop> {
    match error {
        account::Error::BudgetSpent(until) => Some(Stop::BudgetSpent(*until)),
        account::Error::Unauthorised(words) | account::Error::LoggedOut(words) => {
            Some(Stop::Unauthorised(words.clone()))
        }
        account::Error::Unreachable(words) => Some(Stop::Unreachable(words.clone())),
        _ => None,
    }
}

/// The same where something was looked for: an answer that cannot be read says nothing, and the next run asks again.
fn halt(error: &account::Error) -> Option<Stop> {
    let garbled = matches!(error, account::Error::Garbled(_));
    stop(error).or_else(|| garbled.then(|| Stop::Unreachable(error.to_string())))
}

/// A record that the service does not show is not there.
fn unseen<T: Default>(error: account::Error) -> Result<T, Stop> {
    halt(&error).map_or_else(|| Ok(T::default()), Err)
}
