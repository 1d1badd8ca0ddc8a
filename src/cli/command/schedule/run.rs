//! `pdbak schedule run`: waits for the next time, runs, and remembers what became of it.
//!
//! It looks at the clock every minute at the latest: a machine that slept has not
//! waited. What a run has done is on disk after each step, so that a kill at any
//! moment is noticed by the next start, which goes on with the rest.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use clap::Args;

use crate::archive::Error;
use crate::cli::command::schedule::endpoint::Endpoint;
use crate::cli::command::schedule::steps::{Did, Steps};
use crate::cli::command::schedule::stop::Stop;
use crate::cli::command::schedule::tell::Teller;
use crate::cli::complain::Failure;
use crate::cli::exit::Exit;
use crate::cli::notify::Signal;
use crate::cli::session::{Session, wait};
use crate::cli::show::schedules::{Ran, told};
use crate::cli::status::Status;
use crate::schedule::{Due, Lock, Missed, Outcome, RunReport, Schedule, State, Step, StepReport, Verdict};

/// The longest wait before the clock is looked at again.
const LOOK: Duration = Duration::from_secs(60);

/// Arguments of `pdbak schedule run`.
#[derive(Args, Debug)]
pub(super) struct Run {
    /// Do what is due now, then end: for timers and cron
    #[arg(long)]
    once: bool,
    /// Run now, whatever the time is; with --once, end afterwards
    #[arg(long)]
    now: bool,
}

impl Run {
    pub(super) fn run(self, session: &Session) -> Result<Exit, Failure> {
        self.serve(session).inspect_err(|failure| {
            // Of two that run, one does what is to be done.
            if failure.exit() != Exit::Locked {
                Run::cry(session, failure);
            }
        })
    }

    fn serve(&self, session: &Session) -> Result<Exit, Failure> {
        let schedule = super::read(session)?;
        if schedule.when.next(session.clock().now()).is_none() {
            return Err(Failure::usage(format!("the time {} never comes", schedule.when.pattern()))
                .hint("write another cron pattern to [schedule] in pdbak.toml, such as \"15 2 * * *\""));
        }
        wait(async { Service::open(session, &schedule)?.serve(self).await })
    }

    /// Tells whoever wants to know that not even a run could begin.
    fn cry(session: &Session, failure: &Failure) {
        let zone = super::read(session).map_or(Tz::UTC, |schedule| schedule.when.zone);
        let told = wait(async { Teller { session, zone }.cry(failure).await });
        if let Err(also) = told {
            session.say(also.text().trim_end());
        }
    }
}

/// The schedule of one archive, while it is this process's.
struct Service<'a> {
    session: &'a Session,
    schedule: &'a Schedule,
    folder: PathBuf,
    state: State,
    /// What is to be told with the next run.
    warnings: Vec<String>,
    stop: Stop,
    endpoint: Option<Endpoint>,
    _lock: Lock,
}

impl<'a> Service<'a> {
    /// Takes the right to run the schedule, and reads what is known.
    fn open(session: &'a Session, schedule: &'a Schedule) -> Result<Service<'a>, Failure> {
        let folder = session.folder()?;
        if session.shelf()?.header()?.is_none() {
            return Err(Error::NotAnArchive(folder).into());
        }
        let lock = Lock::take(&folder).map_err(|error| Failure::from(error).while_doing("take the schedule's lock"))?;
        let lock = lock.ok_or_else(|| {
            Failure::new(Exit::Locked, "another process runs the schedule of this archive")
                .hint("\"pdbak schedule show\" tells what it does; one is enough")
        })?;
        State::clear_drafts(&folder, &lock);
        let (state, broken) = State::load(&folder);
        let warnings = broken.into_iter().collect();
        Ok(Service { session, schedule, folder, state, warnings, stop: Stop::listen(), endpoint: None, _lock: lock })
    }

    async fn serve(mut self, wanted: &Run) -> Result<Exit, Failure> {
        if !wanted.once {
            self.listen().await?;
        }
        self.look_back().await?;
        let mut exit = Exit::Done;
        if wanted.now {
            exit = self.run(None, None).await?;
        }
        let (mut announced, mut ran) = (None, wanted.now);
        while !(self.stop.is_asked() || wanted.once && ran) {
            let (when, now) = (&self.schedule.when, self.now());
            match when.due(&self.state, self.schedule.catch_up, wanted.once, now) {
                Due::Run { time, missed } => exit = self.run(Some(time), missed).await?,
                Due::Again(again) => exit = self.round(RunReport::begun(None, now), again.steps, again.attempt).await?,
                Due::Skip(missed) => {
                    self.skip(missed).await?;
                    continue;
                }
                Due::Wait(next) => {
                    self.announce(next, &mut announced);
                    if wanted.once {
                        self.send_again().await;
                        break;
                    }
                    self.sleep(next).await;
                    continue;
                }
            }
            ran = true;
        }
        // A service that somebody stops has done what it should.
        Ok(if wanted.once || wanted.now && !self.stop.is_asked() { exit } else { Exit::Done })
    }

    fn now(&self) -> DateTime<Utc> {
        self.session.clock().now()
    }

    /// Tells of a run whose process died.
    async fn look_back(&mut self) -> Result<(), Failure> {
        let before = self.state.runs.last().map(|run| run.verdict);
        match self.state.bury(self.now()) {
            Some(report) => self.tell(&report, before).await,
            None => Ok(()),
        }
    }

    fn announce(&self, next: Option<DateTime<Utc>>, announced: &mut Option<DateTime<Utc>>) {
        if next != *announced {
            let when = next.map_or("never".to_owned(), |next| told(next, self.schedule.when.zone));
            self.session.say(&format!("nothing is due before {when}"));
            *announced = next;
        }
    }

    /// Waits, but not longer than until the clock has to be looked at again.
    async fn sleep(&mut self, next: Option<DateTime<Utc>>) {
        if self.state.since.is_none() && self.state.time.is_none() {
            // From now on a time that comes and goes is missed.
            self.state.since = Some(self.now());
            self.keep();
        }
        let left = next.and_then(|next| (next - self.now()).to_std().ok()).unwrap_or(LOOK);
        tokio::select! {
            biased;
            () = self.stop.asked() => {}
            () = tokio::time::sleep(left.min(LOOK)) => {}
        }
        if self.endpoint.is_some() {
            self.measure();
        }
    }

    /// A whole run, for a time of the schedule or because somebody asked.
    async fn run(&mut self, time: Option<DateTime<Utc>>, missed: Option<Missed>) -> Result<Exit, Failure> {
        let now = self.now();
        let steps = self.schedule.steps(&self.state, now);
        self.round(RunReport { missed, ..RunReport::begun(time, now) }, steps, 1).await
    }

    /// Times that nobody wants made up for are told.
    async fn skip(&mut self, missed: Missed) -> Result<(), Failure> {
        let (last, now) = (missed.last, self.now());
        let mut report = RunReport { missed: Some(missed), ..RunReport::begun(Some(last), now) };
        report.warnings.append(&mut self.warnings);
        let report = report.ended(Some(now));
        self.state.begin(report.clone(), &[]);
        self.end(report).await
    }

    /// Does steps one after the other.
    async fn round(&mut self, begun: RunReport, steps: Vec<Step>, attempt: u32) -> Result<Exit, Failure> {
        let (mut report, mut resume) = (begun, None);
        self.send_again().await;
        report.warnings.append(&mut self.warnings);
        self.state.begin(report.clone(), &steps);
        self.keep();
        let begins = format!("{} begins", report.name(self.teller().zone));
        self.teller().sign(Signal::Start, &begins).await;
        for step in &steps {
            let begun = Instant::now();
            let did = self.step(step).await;
            resume = resume.or(did.resume);
            let seconds = (begun.elapsed().as_secs_f64() * 10.0).round() / 10.0;
            let Did { outcome, says, hint, .. } = did;
            let one = StepReport { step: step.clone(), outcome, at: self.now(), seconds, says, hint };
            self.state.learn(&one, one.at);
            report.steps.push(one);
            if let Some(running) = &mut self.state.running {
                running.so_far = report.clone();
            }
            self.keep();
        }
        report.warnings.append(&mut self.warnings);
        let report = report.ended(Some(self.now()));
        self.state.leave(&report, resume, attempt, &steps);
        let exit = exit(&report);
        self.end(report).await?;
        Ok(exit)
    }

    /// One step, unless it has to wait for another or somebody ends the run.
    async fn step(&mut self, step: &Step) -> Did {
        if self.stop.is_asked() {
            return Did::stopped(false);
        }
        if let Some(why) = step.waits(&self.state) {
            return Did::skipped(why);
        }
        self.session.say(&format!("{step}: begins"));
        let (steps, stop) = (Steps { session: self.session, schedule: self.schedule }, self.stop.clone());
        let did = tokio::select! {
            biased;
            // What waits for the network ends here as by a kill, which harms nothing and costs little.
            () = stop.asked() => Ok(Did::stopped(true)),
            did = steps.perform(step, &mut self.state) => did,
        };
        did.unwrap_or_else(|failure| Did::failed(&failure))
    }

    /// Remembers a run and tells of it.
    async fn end(&mut self, report: RunReport) -> Result<(), Failure> {
        let before = self.state.runs.last().map(|run| run.verdict);
        self.state.end(report.clone());
        self.keep();
        self.measure();
        self.tell(&report, before).await
    }

    /// Opens the endpoint of the configuration.
    async fn listen(&mut self) -> Result<(), Failure> {
        if let Some(address) = self.session.metrics().listen {
            let opened = Endpoint::open(address).await;
            let failed = |error| Failure::from(error).while_doing(format_args!("serve metrics at {address}"));
            self.endpoint = Some(opened.map_err(failed)?);
            self.session.say(&format!("metrics at http://{address}/metrics"));
            self.measure();
        }
        Ok(())
    }

    /// Tells monitors how everything stands, where the configuration wants it. One that hears nothing knows that, too.
    fn measure(&self) {
        let file = self.session.metrics().file.as_deref();
        if file.is_none() && self.endpoint.is_none() {
            return;
        }
        let told = Status::gather(self.session, self.session.tolerance()).and_then(|status| {
            if let Some(endpoint) = &self.endpoint {
                endpoint.show(status.metrics());
            }
            file.map_or(Ok(()), |file| status.write_metrics(file)).map_err(Failure::from)
        });
        if let Err(failure) = told {
            self.session.warn(&failure.while_doing("write metrics").line());
        }
    }

    fn teller(&self) -> Teller<'a> {
        Teller { session: self.session, zone: self.schedule.when.zone }
    }

    /// Tells of a run here and elsewhere; `before` is how the one before it ended.
    async fn tell(&mut self, report: &RunReport, before: Option<Verdict>) -> Result<(), Failure> {
        let teller = self.teller();
        teller.tell(&mut self.state, report, before).await?;
        self.keep();
        self.session.show(&Ran { report, zone: teller.zone })
    }

    /// Sends what did not arrive before.
    async fn send_again(&mut self) {
        if self.state.undelivered.is_empty() {
            return;
        }
        let warnings = self.teller().send_again(&mut self.state).await;
        self.warnings.extend(warnings);
        self.keep();
    }

    /// Writes down what is known; where that fails, the run goes on and says so.
    fn keep(&mut self) {
        if let Err(error) = self.state.save(&self.folder) {
            let text = format!("cannot write down what was done: {error}");
            if !self.warnings.contains(&text) {
                self.session.warn(&text);
                self.warnings.push(text);
            }
        }
    }
}

/// What a script sees of a run.
fn exit(report: &RunReport) -> Exit {
    let is = |outcome: Outcome| report.steps.iter().any(|one| one.outcome == outcome);
    match report.verdict {
        _ if is(Outcome::Failed) => Exit::Failed,
        Verdict::Failure if report.alarms() => Exit::Alarm,
        Verdict::Failure => Exit::Failed,
        _ if is(Outcome::Stopped) => Exit::Failed,
        _ if is(Outcome::Paused) => Exit::BudgetSpent,
        _ if is(Outcome::Gaps) => Exit::Gaps,
        _ => Exit::Done,
    }
}
