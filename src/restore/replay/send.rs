//! Sends one request and says what came of it.

use serde_json::{Map, Value};
use tempfile::NamedTempFile;

use crate::account::{Attached, Error};
use crate::catalogue::Removed;
use crate::record::{Key, RecordId};
use crate::restore::doubt;
use crate::restore::journal::Was;
use crate::restore::plan::{Action, Reason, Step, Upload};
use crate::restore::replay::{Row, Run, Sent, Stop, stop};
use crate::restore::request::{
    DELETED, Request, Verb, identity, is_archived, is_deleted, other_forms, plain_times, unlike,
};
use crate::restore::rules;

impl Run<'_> {
    pub(super) async fn send(&self, request: &Request) -> Sent {
        let object = request.object;
        let answer = match &request.verb {
            Verb::Create { .. } if object.options.is_some() => self.make_field(request).await,
            Verb::Create { under, upload } => match upload {
                None => {
                    let answer = self.site.writer.create(object, under.as_ref(), &request.body).await;
                    match (answer, plain_times(&request.body)) {
                        (Err(Error::Refused { status: 400, .. }), Some(plain)) => {
                            self.site.writer.create(object, under.as_ref(), &plain).await
                        }
                        (answer, _) => answer,
                    }
                }
                Some(upload) => match self.unpacked(upload) {
                    Ok(file) => {
                        let contents = Attached { name: &upload.name, path: file.path() };
                        self.site.writer.upload(object, under.as_ref(), &request.body, contents).await
                    }
                    Err(error) => return Sent::Ended(request.ended(Was::Refused, error.to_string())),
                },
            },
            Verb::Revive { under, mend } => return self.revive(request, under.as_ref(), mend).await,
            Verb::Update { live } => return self.update(request, live).await,
            Verb::AddOptions { live } => return self.options(request, live).await,
            Verb::Expel { .. } => return Sent::Ended(request.ended(Was::Equal, "")),
            Verb::Trim { added, .. } => return self.trim(request, added).await,
            Verb::Delete { live } => {
                match self.site.writer.delete(object, &live.key, &request.before.clone().unwrap_or_default()).await {
                    Ok(_) => return Sent::Ended(request.ended(Was::Done, "")),
                    Err(error) => Err(error),
                }
            }
        };
        self.answered(request, answer).await
    }

    /// Sends a change, in the next form when one is refused.
    async fn update(&self, request: &Request, live: &RecordId) -> Sent {
        let (writer, object) = (self.site.writer, request.object);
        let mut answer = writer.update(object, &live.key, &request.body).await;
        let refused = matches!(answer, Err(Error::Refused { status: 400, .. }));
        // Nearly every change is taken as it is: other forms are made when one is not.
        let forms = if refused { other_forms(request) } else { Vec::new() };
        for form in forms {
            let Err(Error::Refused { status: 400, message, .. }) = &answer else { break };
            let words = match form.unemptied.is_empty() {
                true => String::new(),
                false => format!("cannot empty {}: {message}", form.unemptied.join(", ")),
            };
            answer = writer.update(object, &live.key, &form.body).await;
            if answer.is_ok() {
                let mut sent = self.answered(request, answer).await;
                if let Sent::Ended(outcome) = &mut sent {
                    outcome.words = words;
                }
                return sent;
            }
        }
        self.answered(request, answer).await
    }

    async fn answered(&self, request: &Request, answer: Result<Map<String, Value>, Error>) -> Sent {
        let error = match answer {
            Ok(row) => {
                let live = match &request.verb {
                    Verb::Update { live } | Verb::Delete { live } | Verb::AddOptions { live } => Some(live.clone()),
                    Verb::Expel { .. } | Verb::Trim { .. } => None,
                    Verb::Create { under, .. } | Verb::Revive { under, .. } => {
                        identity(request.object, under.as_ref(), &row)
                    }
                };
                // An answer without an id is as good as none: only looking tells which record it was.
                return live.map_or(Sent::Lost, |live| Sent::Ended(request.done(Was::Done, live, row)));
            }
            Err(error) => error,
        };
        if let Error::InDoubt(_) | Error::Garbled(_) = error {
            return Sent::Lost;
        }
        if let Some(stop) = stop(&error) {
            return Sent::Stopped(stop);
        }
        let unknown = matches!(error, Error::Gone | Error::Refused { status: 404 | 405 | 410 | 501, .. });
        if request.object.removed != Removed::Nothing && unknown {
            return Sent::Ended(request.ended(Was::Refused, "not offered: the service has removed this call"));
        }
        if let (Error::Gone, Verb::Update { .. }) = (&error, &request.verb) {
            return Sent::Ended(request.ended(Was::Conflict, DELETED));
        }
        // Adding a follower who follows already is refused, and is what was wanted: api/restore-hazards.md 4.
        if let (Error::Refused { .. }, Verb::Create { under: Some(parent), .. }) = (&error, &request.verb)
            && request.object.update.is_none()
            && !request.body.is_empty()
            && let Ok(rows) = doubt::under(self.site.account, request.object, parent).await
            && let Some(row) = rows.into_iter().find(|row| unlike(row, &request.body).is_empty())
            && let Some(live) = identity(request.object, Some(parent), &row)
        {
            return Sent::Ended(request.done(Was::Adopted, live, row));
        }
        Sent::Ended(request.ended(Was::Refused, error.to_string()))
    }

    /// Tries each form once, reads back, and makes the record anew if it is still deleted.
    async fn revive(&self, request: &Request, under: Option<&Key>, mend: &Map<String, Value>) -> Sent {
        let (object, key) = (request.object, &request.record.key);
        let deleted = match self.site.account.one(object, key).await {
            Ok(row) => row.as_deref().and_then(doubt::fields),
            Err(Error::Refused { .. } | Error::Gone | Error::NotOffered(_)) => None,
            Err(error) => return stop(&error).map_or(Sent::Lost, Sent::Stopped),
        };
        let mut alive = deleted.clone().filter(|row| !is_deleted(object, row));
        let forms = if deleted.is_some() && alive.is_none() { object.undelete } else { &[] };
        for form in forms {
            if let Err(error) = self.site.writer.undelete(object, key, form).await
                && let Some(stop) = stop(&error)
            {
                return Sent::Stopped(stop);
            }
            match doubt::read(self.site.account, object, key).await {
                Ok(Some(row)) => {
                    alive = Some(row);
                    break;
                }
                Ok(None) => {}
                Err(error) => return stop(&error).map_or(Sent::Lost, Sent::Stopped),
            }
        }
        let Some(row) = alive else {
            let answer = self.site.writer.create(object, under, &request.body).await;
            return self.answered(request, answer).await;
        };
        let row = match self.taken_out(request, row).await {
            Ok(row) => row,
            Err(stop) => return Sent::Stopped(stop),
        };
        let mut differs = unlike(&row, mend);
        rules::together(object.name, &mut differs, mend);
        if differs.is_empty() {
            return Sent::Ended(request.done(Was::Revived, request.record.clone(), row));
        }
        match self.site.writer.update(object, key, &differs).await {
            Ok(row) => Sent::Ended(request.done(Was::Revived, request.record.clone(), row)),
            // Sent again it reads first, and writes what is not there yet.
            Err(Error::InDoubt(_) | Error::Garbled(_)) => Sent::Lost,
            Err(error) => match stop(&error) {
                Some(stop) => Sent::Stopped(stop),
                None => {
                    let mut outcome = request.done(Was::Revived, request.record.clone(), row);
                    outcome.words = format!("it came back, but its fields were not taken: {error}");
                    Sent::Ended(outcome)
                }
            },
        }
    }

    /// A record that came back archived takes no other change: where the plan has more to write to it, or rows to remove
    /// from it, it is taken out of the archive, and the plan's own step archives it again. A service that refuses leaves
    /// it as it is.
    async fn taken_out(&self, request: &Request, row: Row) -> Result<Row, Stop> {
        let (object, key) = (request.object, &request.record.key);
        let more = |step: &Step| {
            let writes = matches!(step.action, Action::Update(_) | Action::Trim(_)) && step.reason != Reason::Archive;
            writes && *step.record() == request.record
        };
        if !is_archived(&row) || !self.plan.steps.iter().any(more) {
            return Ok(row);
        }
        let out = Map::from_iter([("is_archived".to_owned(), Value::Bool(false))]);
        match self.site.writer.update(object, key, &out).await {
            Ok(row) => Ok(row),
            Err(error) => stop(&error).map_or(Ok(row), Err),
        }
    }

    /// The contents of a file, where the client can read them.
    fn unpacked(&self, upload: &Upload) -> Result<NamedTempFile, String> {
        let failed = |error: &dyn std::fmt::Display| format!("cannot unpack its contents: {error}");
        let mut file = NamedTempFile::new().map_err(|error| failed(&error))?;
        self.site.archive.read_blob(&upload.blob, &mut file).map_err(|error| failed(&error))?;
        Ok(file)
    }
}
