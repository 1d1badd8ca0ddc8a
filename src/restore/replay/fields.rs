//! Fields and options that are made again: what their calls ask for beyond those of records.

use serde_json::{Map, Value};

use crate::account::{Ask, Error, Position};
use crate::catalogue::{self, Object};
use crate::record::RecordId;
use crate::restore::doubt;
use crate::restore::journal::{Outcome, Was};
use crate::restore::plan::Step;
use crate::restore::replay::{Row, Run, Sent, Stop, stop, unseen};
use crate::restore::request::{DELETED, Request, as_made};

impl Run<'_> {
    /// Makes a field; without its settings where the service refuses them: they may name stages that nobody may use.
    pub(super) async fn make_field(&self, request: &Request) -> Result<Map<String, Value>, Error> {
        let bare = as_made(&request.body);
        match self.site.writer.create(request.object, None, &request.body).await {
            Err(Error::Refused { .. }) if bare != request.body => {
                self.site.writer.create(request.object, None, &bare).await
            }
            answer => answer,
        }
    }

    /// Options that somebody added meanwhile are not added twice.
    pub(super) async fn options_left(&self, live: &RecordId, request: &mut Request) -> Result<Option<Outcome>, Stop> {
        let row = doubt::read(self.site.account, request.object, &live.key).await.or_else(unseen)?;
        let Some(row) = row else {
            return Ok(Some(request.ended(Was::Conflict, DELETED)));
        };
        let known: Vec<String> = doubt::labels(&row).map(str::to_owned).collect();
        if let Some(Value::Array(options)) = request.body.get_mut("options") {
            options
                .retain(|option| !known.iter().any(|label| option.get("label") == Some(&Value::from(label.as_str()))));
            if options.is_empty() {
                return Ok(Some(request.done(Was::Adopted, live.clone(), row)));
            }
        }
        request.before = Some(row);
        Ok(None)
    }

    /// Adds the options that the request still asks for, and reads the field for their ids.
    pub(super) async fn options(&self, request: &Request, live: &RecordId) -> Sent {
        let labels: Vec<&str> = doubt::labels(&request.body).collect();
        match self.site.writer.add_options(request.object, &live.key, &labels).await {
            Ok(()) => {}
            Err(Error::InDoubt(_) | Error::Garbled(_)) => return Sent::Lost,
            Err(error) => {
                return match stop(&error) {
                    Some(stop) => Sent::Stopped(stop),
                    None => Sent::Ended(request.ended(Was::Refused, error.to_string())),
                };
            }
        }
        match doubt::read(self.site.account, request.object, &live.key).await {
            Ok(Some(row)) => Sent::Ended(request.done(Was::Done, live.clone(), row)),
            Ok(None) => Sent::Lost,
            Err(error) => stop(&error).map_or(Sent::Lost, Sent::Stopped),
        }
    }

    /// How a request ended that took place although its answer was lost.
    pub(super) async fn took(&self, request: &Request, (was, live, row): (Was, RecordId, Row)) -> Outcome {
        let mut outcome = request.done(was, live, row);
        self.number(&mut outcome).await;
        outcome
    }

    /// Finds the number by which filters know a field that was just made, if a later step asks for it.
    pub(super) async fn number(&self, outcome: &mut Outcome) {
        let (Some(record), Some(live), Some(row)) = (&outcome.record, &outcome.live, &mut outcome.row) else { return };
        let mut later = self.plan.steps.iter().filter(|later| later.after.contains(&outcome.step));
        let asks = |step: &Step| step.body().is_some_and(|body| body.values().any(|fill| fill.asks(&record.0, "id")));
        let Some(list) = catalogue::numbers(&record.0.object) else { return };
        if row.contains_key("id") || !later.any(asks) {
            return;
        }
        // Without it the steps that need it are skipped and say so.
        if let Ok(Some(number)) = self.look_up(list, &live.0.key.to_string()).await {
            row.insert("id".to_owned(), number);
        }
    }

    async fn look_up(&self, list: &'static Object, key: &str) -> Result<Option<Value>, Error> {
        let mut position = Position::Start;
        loop {
            let page = self.site.account.page(&Ask { position, ..Ask::first(list) }).await?;
            let mut rows = page.rows.iter().filter_map(|row| doubt::fields(row));
            if let Some(row) = rows.find(|row| row.get("key").and_then(Value::as_str) == Some(key)) {
                return Ok(row.get("id").filter(|id| !id.is_null()).cloned());
            }
            match page.next {
                Some(next) => position = next,
                None => return Ok(None),
            }
        }
    }
}
