//! Requests whose answer was lost: when they are looked for, and what is done about those that come too late.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use crate::account;
use crate::record::RecordId;
use crate::restore::doubt::{self, Truth};
use crate::restore::journal::Journal;
use crate::restore::replay::{Run, Stop, unseen};
use crate::restore::request::{Request, request};

impl Run<'_> {
    /// What came of a request. One that may make a record and is not found is looked for again when it has settled.
    pub(super) async fn truth(
        &self,
        journal: &Journal,
        request: &Request,
        settled: DateTime<Utc>,
    ) -> Result<Truth, account::Error> {
        let look = || doubt::truth(request, self.site.account, journal, self.seen);
        let truth = look().await?;
        // A journal from a clock that ran ahead keeps nobody longer than a journal of this moment.
        let left = (settled - journal.now()).min(doubt::WAITED + doubt::SETTLING);
        if !request.makes() || matches!(truth, Truth::Took(..)) || left.num_milliseconds() <= 0 {
            return Ok(truth);
        }
        let (record, seconds) = (&request.record, left.num_seconds().max(1));
        self.monitor.warned(&format!("{record}: no answer came; looking again in {seconds} s before it is sent again"));
        journal.clock().wait_until(journal.now() + left).await;
        look().await
    }

    /// Records that the account has twice, because a request took place after it was sent again; with their twins.
    pub(super) async fn twins(&self, journal: &Journal) -> Result<BTreeMap<RecordId, Vec<RecordId>>, Stop> {
        let mut twins: BTreeMap<RecordId, Vec<RecordId>> = BTreeMap::new();
        for number in journal.sent_again() {
            let step = self.plan.steps.get(number as usize);
            let Some(request) = step.and_then(|step| request(step, journal, None)).filter(Request::makes) else {
                continue;
            };
            let found = doubt::twins(&request, self.site.account, journal, self.seen).await.or_else(unseen)?;
            if !found.is_empty() {
                twins.entry(request.record).or_default().extend(found.into_iter().map(|(id, _)| id));
            }
        }
        Ok(twins)
    }
}
