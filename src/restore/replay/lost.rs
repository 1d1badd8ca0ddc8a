//! Requests whose answer was lost: when they are looked for, and what is done about those that come too late.
//!
//! Those lost together wait together and are looked for together, both times: a row that was given to one of them may
//! turn out to be the other's once that one has taken place too.

use std::collections::{BTreeMap, HashMap, HashSet};

use chrono::{DateTime, Utc};

use crate::account;
use crate::record::RecordId;
use crate::restore::doubt::{self, Place, Truth};
use crate::restore::journal::Journal;
use crate::restore::plan::StepNumber;
use crate::restore::replay::{Run, Stop, unseen};
use crate::restore::request::{Request, request};

/// A request whose answer was lost.
pub(super) struct Lost {
    pub(super) request: Request,
    /// When it is taken to have settled.
    pub(super) settled: DateTime<Utc>,
}

/// Requests, and what came of each.
pub(super) type Truths = Vec<(Request, Result<Truth, account::Error>)>;

impl Run<'_> {
    /// What came of requests. Those that may make a record and are not found are looked for again when they have settled.
    pub(super) async fn truths(&self, journal: &Journal, lost: Vec<Lost>) -> Truths {
        let settled: HashMap<StepNumber, DateTime<Utc>> =
            lost.iter().map(|lost| (lost.request.step, lost.settled)).collect();
        let look = |requests| doubt::truths(requests, self.site.account, journal, self.seen);
        let first = look(lost.into_iter().map(|lost| lost.request).collect()).await;
        let now = journal.now();
        let mut open: HashSet<Place> = HashSet::new();
        let mut longest = None;
        for (request, _) in first.iter().filter(|(_, truth)| matches!(truth, Ok(Truth::NotTaken))) {
            // A journal from a clock that ran ahead keeps nobody longer than a journal of this moment.
            let left = (settled[&request.step] - now).min(doubt::WAITED + doubt::SETTLING);
            let Some(place) = doubt::place(request).filter(|_| left.num_milliseconds() > 0) else { continue };
            open.insert(place);
            longest = longest.max(Some(left));
            let (record, seconds) = (&request.record, left.num_seconds().max(1));
            self.monitor
                .warned(&format!("{record}: no answer came; looking again in {seconds} s before it is sent again"));
        }
        let Some(left) = longest else { return first };
        journal.clock().wait_until(now + left).await;
        let (again, mut truths): (Truths, Truths) = first
            .into_iter()
            .partition(|(request, _)| doubt::place(request).is_some_and(|place| open.contains(&place)));
        let mut found = HashMap::new();
        let mut requests = Vec::new();
        for (request, truth) in again {
            found.insert(request.step, truth);
            requests.push(request);
        }
        truths.extend(look(requests).await.into_iter().map(|(request, truth)| {
            let before = found.remove(&request.step);
            match (truth, before) {
                // What was there is there, even if the list cannot be read now.
                (Err(_), Some(Ok(Truth::Took(was, live, row)))) => (request, Ok(Truth::Took(was, live, row))),
                (truth, _) => (request, truth),
            }
        }));
        truths
    }

    /// Records that the account has twice, because a request took place after it was sent again; with their twins.
    pub(super) async fn twins(&self, journal: &Journal) -> Result<BTreeMap<RecordId, Vec<RecordId>>, Stop> {
        let step = |number: StepNumber| self.plan.steps.get(number as usize);
        let sent_again = journal.sent_again().filter_map(|number| request(step(number)?, journal, None)).collect();
        let found = doubt::twins(sent_again, self.site.account, journal, self.seen).await.or_else(unseen)?;
        let mut twins: BTreeMap<RecordId, Vec<RecordId>> = BTreeMap::new();
        for (record, twin) in found {
            twins.entry(record).or_default().push(twin);
        }
        Ok(twins)
    }
}
