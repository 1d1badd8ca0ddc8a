//! Several steps under way at once, without losing what makes each of them happen once.
//!
//! - Steps begin in the order of the plan; one whose predecessors are under way holds
//!   up those behind it. So the journal's intents stand in the order of the plan.
//! - A turn ends whenever answers came in: their outcomes and the intents of the steps
//!   that leave next are put on disk in one entry, then those steps leave. While the
//!   disk is waited for, the requests of earlier turns go on.
//! - A lost answer stops the steps behind it until everything under way has come in:
//!   only then can a row that nobody claims be told from one whose answer is still on
//!   its way.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::pin::Pin;

use futures_util::FutureExt;
use futures_util::stream::{FuturesUnordered, StreamExt};

use crate::archive;
use crate::restore::doubt::{self, Truth};
use crate::restore::journal::{Journal, Outcome, Was};
use crate::restore::plan::{Step, StepNumber};
use crate::restore::replay::look::Brief;
use crate::restore::replay::lost::Lost;
use crate::restore::replay::{Ready, Run, Sent, Stop, TRIES, stop};
use crate::restore::request::{Request, Verb, missing, plain};

/// Something under way.
type Under<'t> = Pin<Box<dyn Future<Output = Event> + 't>>;

/// Something came in.
enum Event {
    Looked(StepNumber, Result<Ready, Stop>),
    Sent(Box<Request>, Sent),
}

/// The steps under way.
pub(super) struct Turns<'t, 'r> {
    run: &'t Run<'r>,
    /// The next step to begin.
    next: usize,
    /// Steps that have begun and not ended.
    open: BTreeSet<StepNumber>,
    /// Of these the ones that have not left, in the order of the plan; with their request once it is known.
    waiting: VecDeque<(StepNumber, Option<Request>)>,
    under: FuturesUnordered<Under<'t>>,
    lost: Vec<Lost>,
    tries: HashMap<StepNumber, u32>,
    stopped: Option<Stop>,
}

impl<'t, 'r> Turns<'t, 'r> {
    pub(super) fn new(run: &'t Run<'r>) -> Turns<'t, 'r> {
        Turns {
            run,
            next: 0,
            open: BTreeSet::new(),
            waiting: VecDeque::new(),
            under: FuturesUnordered::new(),
            lost: Vec::new(),
            tries: HashMap::new(),
            stopped: None,
        }
    }

    /// Performs every step that has not ended; says why, if it stops before.
    pub(super) async fn perform(mut self, journal: &mut Journal) -> Result<Option<Stop>, archive::Error> {
        loop {
            self.begin(journal);
            self.leave(journal)?;
            match self.under.next().await {
                Some(event) => {
                    self.take(journal, event);
                    // What else has come in shares the turn.
                    while let Some(Some(event)) = self.under.next().now_or_never() {
                        self.take(journal, event);
                    }
                }
                None if !self.lost.is_empty() => self.settle(journal).await?,
                None if self.stopped.is_some() || self.next == self.run.plan.steps.len() => {
                    self.run.spend(journal);
                    journal.commit(Vec::new())?;
                    return Ok(self.stopped);
                }
                None => {}
            }
        }
    }

    /// Begins the steps that may.
    fn begin(&mut self, journal: &mut Journal) {
        let run = self.run;
        let at_once = run.site.writer.at_once();
        while let Some(step) = run.plan.steps.get(self.next) {
            if self.stopped.is_some() || !self.lost.is_empty() || self.open.len() >= at_once {
                return;
            }
            if journal.ended(step.number).is_some() {
                self.next += 1;
                continue;
            }
            if !self.may_begin(journal, step) {
                return;
            }
            let brief = run.brief(journal, step);
            // What it needs may be on its way, whatever an edited plan says of the order.
            if matches!(brief, Brief::Lacks) && !self.open.is_empty() {
                return;
            }
            self.next += 1;
            self.open.insert(step.number);
            match brief {
                Brief::Lacks => {
                    let words = missing(step, journal).map_or_else(
                        || "this version cannot perform it".to_owned(),
                        |record| format!("it needs {record}, which was not made"),
                    );
                    self.ended(journal, plain(step, Was::Skipped, words));
                }
                Brief::Ended(outcome) => self.ended(journal, outcome),
                Brief::Send(request) => self.waiting.push_back((step.number, Some(*request))),
                Brief::Look(glance) => {
                    self.waiting.push_back((step.number, None));
                    self.under.push(Box::pin(async move { Event::Looked(step.number, run.look(*glance).await) }));
                }
            }
        }
    }

    fn may_begin(&self, journal: &Journal, step: &Step) -> bool {
        let all_before = !step.after_all || self.open.is_empty();
        all_before && step.after.iter().all(|earlier| journal.ended(*earlier).is_some())
    }

    /// Puts on disk what is known and what leaves, and lets it leave.
    fn leave(&mut self, journal: &mut Journal) -> Result<(), archive::Error> {
        if self.stopped.is_some() {
            for (number, _) in self.waiting.drain(..).filter(|(_, request)| request.is_some()) {
                self.open.remove(&number);
            }
        }
        let mut leaving = Vec::new();
        while let Some((_, Some(_))) = self.waiting.front() {
            leaving.extend(self.waiting.pop_front().and_then(|(_, request)| request));
        }
        if leaving.is_empty() {
            // Outcomes are written with the next intents; nothing relies on them before.
            return Ok(());
        }
        self.run.spend(journal);
        journal.commit(leaving.iter().map(Request::intent).collect())?;
        let run = self.run;
        for request in leaving {
            self.under.push(Box::pin(async move {
                let mut sent = run.send(&request).await;
                if let Sent::Ended(outcome) = &mut sent {
                    run.number(outcome).await;
                }
                Event::Sent(Box::new(request), sent)
            }));
        }
        Ok(())
    }

    /// Takes what came in.
    fn take(&mut self, journal: &mut Journal, event: Event) {
        match event {
            Event::Looked(number, Ok(Ready::Send(request))) => {
                let place = self.waiting.iter_mut().find(|(waiting, _)| *waiting == number);
                match place {
                    Some((_, place)) => *place = Some(*request),
                    // Nothing leaves any more.
                    None => _ = self.open.remove(&number),
                }
            }
            Event::Looked(number, looked) => {
                self.waiting.retain(|(waiting, _)| *waiting != number);
                match looked {
                    Ok(Ready::Ended(outcome)) => self.ended(journal, outcome),
                    Ok(Ready::Send(_)) => {}
                    Err(stop) => self.stop(number, stop),
                }
            }
            Event::Sent(_, Sent::Ended(outcome)) => self.ended(journal, outcome),
            Event::Sent(request, Sent::Lost) => {
                self.lost.push(Lost { request: *request, settled: journal.now() + doubt::SETTLING });
            }
            Event::Sent(request, Sent::Stopped(stop)) => {
                // An earlier try of an update may have taken place unanswered: it stays in doubt.
                if matches!((&request.verb, &stop), (Verb::Update { .. }, Stop::Unreachable(_))) {
                    self.open.remove(&request.step);
                } else {
                    self.ended(journal, request.ended(Was::Unsent, ""));
                }
                self.stop(request.step, stop);
            }
        }
    }

    fn ended(&mut self, journal: &mut Journal, outcome: Outcome) {
        self.open.remove(&outcome.step);
        self.run.note(journal, outcome);
    }

    fn stop(&mut self, number: StepNumber, stop: Stop) {
        self.open.remove(&number);
        self.stopped.get_or_insert(stop);
    }

    /// Finds out about the lost ones, once nothing is under way; sends again what did not take place.
    async fn settle(&mut self, journal: &mut Journal) -> Result<(), archive::Error> {
        // It may take a while: what is known is put on disk before.
        self.run.spend(journal);
        journal.commit(Vec::new())?;
        let lost = std::mem::take(&mut self.lost);
        for (request, truth) in self.run.truths(journal, lost).await {
            let number = request.step;
            match truth {
                Ok(Truth::Took(was, live, row)) => {
                    let outcome = self.run.took(&request, (was, live, row)).await;
                    self.ended(journal, outcome);
                }
                Ok(Truth::NotTaken) => {
                    let tries = self.tries.entry(number).or_insert(1);
                    *tries += 1;
                    if *tries > TRIES {
                        // It stays in doubt: the next run looks again.
                        self.stop(number, Stop::Unreachable("answers keep getting lost".to_owned()));
                        continue;
                    }
                    let place = self.waiting.partition_point(|(waiting, _)| *waiting < number);
                    self.waiting.insert(place, (number, Some(request)));
                }
                Err(error) => {
                    let why = stop(&error).unwrap_or_else(|| Stop::Unreachable(error.to_string()));
                    self.stop(number, why);
                }
            }
        }
        Ok(())
    }
}
