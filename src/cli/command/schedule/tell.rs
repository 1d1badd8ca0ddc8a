//! Tells whoever wants to know how a run ended, and does not forget what did not arrive.

use chrono_tz::Tz;
use serde_json::Value;

use crate::cli::complain::Failure;
use crate::cli::notify::{Letter, Message, Notify, Signal};
use crate::cli::session::Session;
use crate::schedule::{RunReport, State, Verdict};

/// How many messages wait at most; of more the oldest are given up.
const WAITING: usize = 20;

/// Who tells.
#[derive(Clone, Copy)]
pub(super) struct Teller<'a> {
    pub(super) session: &'a Session,
    pub(super) zone: Tz,
}

impl<'a> Teller<'a> {
    fn notify(&self) -> Option<&'a Notify> {
        self.session.notify().filter(|notify| !notify.is_silent())
    }

    /// What a run has to say.
    fn message(&self, report: &RunReport) -> Result<Message, Failure> {
        let archive = self.session.title()?;
        Ok(Message {
            event: report.verdict.word().to_owned(),
            at: self.session.clock().now(),
            title: format!("pdbak {archive}: {}", report.headline(self.zone)),
            text: report.text(self.zone),
            run: Some(report.clone()),
            archive,
        })
    }

    /// Gives the dead man's switch a sign; that it was not heard is told here, and its silence elsewhere.
    pub(super) async fn sign(&self, signal: Signal, words: &str) {
        if let Some(notify) = self.notify()
            && let Err(failure) = notify.ping(signal, words).await
        {
            self.session.warn(&failure.line());
        }
    }

    /// Sends what did not arrive before; what still does not is told with the run.
    pub(super) async fn send_again(&self, state: &mut State) -> Vec<String> {
        let letters: Vec<Letter> =
            state.undelivered.drain(..).filter_map(|letter| serde_json::from_value(letter).ok()).collect();
        let (Some(notify), mut warnings) = (self.notify(), Vec::new()) else { return Vec::new() };
        for mut letter in letters {
            // The rest of a way that is closed is not tried one by one.
            let closed = |waiting: &Value| waiting["channel"] == letter.channel.word();
            let is_closed = state.undelivered.iter().any(closed);
            let sent = if is_closed { None } else { Some(notify.send_by(letter.channel, &letter.message).await) };
            match sent {
                Some(Ok(())) => continue,
                Some(Err(failure)) => {
                    letter.why = failure.line();
                    let way = letter.channel.word();
                    warnings.push(format!("an earlier message still does not arrive by {way}: {}", letter.why));
                }
                None => {}
            }
            state.undelivered.extend(serde_json::to_value(&letter).ok());
        }
        warnings
    }

    /// Tells how a run ended; `before` is how the one before it did.
    pub(super) async fn tell(
        &self,
        state: &mut State,
        report: &RunReport,
        before: Option<Verdict>,
    ) -> Result<(), Failure> {
        let Some(notify) = self.notify() else { return Ok(()) };
        let headline = report.headline(self.zone);
        match report.verdict {
            Verdict::Failure => self.sign(Signal::Fail, &headline).await,
            // The switch waits for snapshots: a run without one says nothing, and its patience ends some day.
            _ if report.steps.is_empty() || report.lacks_its_snapshot() => {}
            _ => self.sign(Signal::Success, &headline).await,
        }
        if notify.wants(report.verdict, before) {
            self.send(notify, state, &self.message(report)?).await;
        }
        Ok(())
    }

    async fn send(&self, notify: &Notify, state: &mut State, message: &Message) {
        for letter in notify.send(message).await {
            let way = letter.channel.word();
            self.session.warn(&format!("{}; the next run sends it again by {way}", letter.why));
            state.undelivered.extend(serde_json::to_value(&letter).ok());
        }
        let many = state.undelivered.len().saturating_sub(WAITING);
        state.undelivered.drain(..many);
    }

    /// Tells that the schedule could not even begin.
    pub(super) async fn cry(&self, failure: &Failure) -> Result<(), Failure> {
        let Some(notify) = self.notify() else { return Ok(()) };
        let archive = self.session.title().unwrap_or_else(|_| "an archive that is not named".to_owned());
        let title = format!("pdbak {archive}: the schedule cannot run");
        let text = format!("{title}\n{}", failure.text());
        let (event, at) = (Verdict::Failure.word().to_owned(), self.session.clock().now());
        self.sign(Signal::Fail, &title).await;
        for letter in notify.send(&Message { event, archive, at, title, text, run: None }).await {
            self.session.warn(&letter.why);
        }
        Ok(())
    }
}
