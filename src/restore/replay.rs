//! Performs the steps of a plan, in batches of steps that do not depend on each other.
//!
//! For each batch: look at what is there, put the intents on disk, send, put the
//! outcomes on disk. No step is decided here. A record that moved since the plan
//! stays as it is; a refused step is recorded with the server's words and the rest
//! goes on; what depended on it is skipped and said so.

mod look;
mod lost;
mod send;

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use futures_util::future::join_all;
use serde_json::{Map, Value};

use crate::account::{self, Account, Writer};
use crate::archive::{self, Archive, Snapshot};
use crate::monitor::Monitor;
use crate::record::{Key, RecordId};
use crate::restore::doubt::{self, Truth};
use crate::restore::journal::{Journal, Outcome, Was};
use crate::restore::plan::{Plan, Step};
use crate::restore::readback;
use crate::restore::report::Report;
use crate::restore::request::{Request, Verb, request};

/// Writes in flight at one time. The service serialises what it must; the burst limit is the client's business.
const IN_FLIGHT: usize = 8;
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
    pub report: Option<Report>,
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

/// Performs what is left of a plan and reports.
pub async fn replay(
    plan: &Plan,
    journal: &mut Journal,
    site: &Site<'_>,
    monitor: &dyn Monitor,
) -> Result<Replayed, Error> {
    let Site { account, archive, .. } = *site;
    if journal.plan() != plan.digest() {
        return Err(Error::OtherPlan { journal: journal.name().to_owned() });
    }
    if account.identity().company_id != plan.company {
        return Err(Error::OtherAccount { plan: plan.company, account: account.identity().company_id });
    }
    let (goal, seen) = (archive.snapshot(&plan.goal)?, archive.snapshot(&plan.seen)?);
    let mut run = Run { plan, site, monitor, seen: &seen, fresh: HashMap::new(), lists: HashMap::new() };
    let mut stopped = run.settle_doubts(journal).await?;
    let mut at = 0;
    while stopped.is_none() && at < plan.steps.len() {
        let (batch, next) = run.batch(journal, at);
        stopped = run.perform(journal, &batch).await?;
        at = next;
    }
    let mut report = journal.report().cloned();
    if stopped.is_none() && report.is_none() {
        let read = async { Ok((run.read_back(journal, &goal).await?, run.twins(journal).await?)) };
        match read.await {
            Ok((rows, twins)) => {
                let made = readback::report(plan, journal, &goal, &rows, &twins)?;
                journal.seal(&made)?;
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
    /// Rows read just before they are changed; none when the record is gone.
    fresh: HashMap<RecordId, Option<Map<String, Value>>>,
    /// Rows under parents, for children the service may have added itself.
    lists: HashMap<(&'static str, Key), Vec<Map<String, Value>>>,
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

impl<'r> Run<'r> {
    /// The next steps that wait for nothing in their own batch, and where the one after begins.
    fn batch(&self, journal: &Journal, from: usize) -> (Vec<&'r Step>, usize) {
        let mut batch: Vec<&Step> = Vec::new();
        let mut at = from;
        while let Some(step) = self.plan.steps.get(at) {
            let waits = batch.iter().any(|earlier| step.after.contains(&earlier.number));
            if waits || batch.len() == IN_FLIGHT {
                break;
            }
            if journal.ended(step.number).is_none() {
                batch.push(step);
            }
            at += 1;
        }
        (batch, at)
    }

    /// Requests of an earlier run whose outcome is not known.
    async fn settle_doubts(&mut self, journal: &mut Journal) -> Result<Option<Stop>, Error> {
        for (at, intent) in journal.in_doubt() {
            let Some(step) = self.plan.steps.get(intent.step as usize) else { continue };
            let known: &Journal = journal;
            let Some(mut request) = request(step, known, intent.before.clone()) else { continue };
            request.body = intent.sent;
            let settled = at + doubt::WAITED + doubt::SETTLING;
            match self.truth(journal, &request, settled).await {
                Ok(Truth::Took(was, live, row)) => journal.conclude(vec![request.done(was, live, row)])?,
                Ok(Truth::NotTaken) => journal.conclude(vec![request.ended(Was::Unsent, "")])?,
                Err(error) => match stop(&error) {
                    Some(stop) => return Ok(Some(stop)),
                    // The list itself cannot be read: the step ends as refused rather than being sent twice.
                    None => journal.conclude(vec![request.ended(Was::Refused, error.to_string())])?,
                },
            }
        }
        Ok(None)
    }

    async fn perform(&mut self, journal: &mut Journal, batch: &[&'r Step]) -> Result<Option<Stop>, Error> {
        let mut requests = Vec::new();
        for step in batch {
            match self.ready(journal, step).await {
                Ok(Ready::Send(request)) => requests.push(*request),
                Ok(Ready::Ended(outcome)) => self.conclude(journal, vec![outcome])?,
                Err(stop) => return Ok(Some(stop)),
            }
        }
        let mut stopped = None;
        for _ in 0..TRIES {
            if requests.is_empty() || stopped.is_some() {
                break;
            }
            journal.intend(requests.iter().map(Request::intent).collect())?;
            let run: &Run<'_> = self;
            let sent = join_all(requests.iter().map(|request| run.send(request))).await;
            (requests, stopped) = self.take(journal, requests, sent).await?;
        }
        // What keeps getting lost stays in doubt: the next run looks again.
        if !requests.is_empty() && stopped.is_none() {
            stopped = Some(Stop::Unreachable("answers keep getting lost".to_owned()));
        }
        Ok(stopped)
    }

    /// Writes down what came of the requests; answers those that must be sent again.
    async fn take(
        &mut self,
        journal: &mut Journal,
        requests: Vec<Request>,
        sent: Vec<Sent>,
    ) -> Result<(Vec<Request>, Option<Stop>), Error> {
        let (mut ended, mut lost, mut stopped) = (Vec::new(), Vec::new(), None);
        for (request, sent) in requests.into_iter().zip(sent) {
            match sent {
                Sent::Ended(outcome) => ended.push(outcome),
                Sent::Lost => lost.push(request),
                Sent::Stopped(stop) => {
                    // An earlier try of an update may have taken place unanswered: it stays in doubt.
                    if !matches!((&request.verb, &stop), (Verb::Update { .. }, Stop::Unreachable(_))) {
                        ended.push(request.ended(Was::Unsent, ""));
                    }
                    stopped = Some(stop);
                }
            }
        }
        self.conclude(journal, ended)?;
        let (mut again, settled) = (Vec::new(), journal.now() + doubt::SETTLING);
        for request in lost {
            match self.truth(journal, &request, settled).await {
                Ok(Truth::Took(was, live, row)) => self.conclude(journal, vec![request.done(was, live, row)])?,
                Ok(Truth::NotTaken) => again.push(request),
                // Stays in doubt.
                Err(error) => stopped = Some(stop(&error).unwrap_or_else(|| Stop::Unreachable(error.to_string()))),
            }
        }
        Ok((again, stopped))
    }

    fn conclude(&self, journal: &mut Journal, outcomes: Vec<Outcome>) -> Result<(), archive::Error> {
        for outcome in &outcomes {
            let Some(step) = self.plan.steps.get(outcome.step as usize).filter(|_| outcome.was != Was::Unsent) else {
                continue;
            };
            self.monitor.advanced(&step.record().object, 1, step.price);
            if matches!(outcome.was, Was::Refused | Was::Conflict | Was::Skipped) {
                self.monitor.warned(&format!("{}: {}", step.record(), outcome.words));
            }
        }
        journal.conclude(outcomes)
    }
}

/// What ends the run: everything else is about one record.
fn stop(error: &account::Error) -> Option<Stop> {
    match error {
        account::Error::BudgetSpent(until) => Some(Stop::BudgetSpent(*until)),
        account::Error::Unauthorised(words) => Some(Stop::Unauthorised(words.clone())),
        account::Error::Unreachable(words) => Some(Stop::Unreachable(words.clone())),
        _ => None,
    }
}

/// A record that the service does not show is not there; an answer that cannot be read says nothing.
fn unseen<T: Default>(error: account::Error) -> Result<T, Stop> {
    match stop(&error) {
        Some(stop) => Err(stop),
        None if matches!(error, account::Error::Garbled(_)) => Err(Stop::Unreachable(error.to_string())),
        None => Ok(T::default()),
    }
}
