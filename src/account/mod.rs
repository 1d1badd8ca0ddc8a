//! The live service. Reading is the default; writing must be asked for.
//!
//! `exchange` sends one request and knows the token; `budget` and `retry` decide when
//! and how often, as pure functions; `answer` and `page` say what came back. An
//! [`Account`] puts them together: every call waits for its turn in the budget, is
//! tried again if that can help, and ends in records or in an error named by what the
//! caller can do. It has no method that writes: those are the [`Writer`]'s, which only
//! a [`Consent`] opens.

mod address;
mod answer;
mod budget;
mod download;
mod endpoint;
mod error;
mod exchange;
pub mod oauth;
mod page;
mod pass;
mod probe;
mod purse;
mod retry;
#[cfg(test)]
mod scripted;
mod shape;
#[cfg(test)]
mod tests;
mod write;

use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use reqwest::Method;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use tokio::sync::Semaphore;

pub use budget::{Allowance, Spent, WRITES_A_DAY};
pub use endpoint::{Endpoint, Token};
pub use error::Error;
pub use page::{Ask, Page, Position, Walk};
pub use pass::Credential;
pub use probe::Offer;
pub use write::{Attached, Consent, Writer};

use answer::{Asked, Envelope};
use budget::{Budget, Limits, Moment, Verdict};
use exchange::{Answer, Broken, Payload, Request, Wire};
use pass::Pass;
use purse::Ticket;
use retry::{Attempt, Next, Patience, Seen, Tried};

use crate::catalogue::{Extended, Listing, Object, Paging, Version};
use crate::clock::Clock;
use crate::record::Key;

/// Requests under way at once: over a line on which an answer takes a quarter of a second, enough for the 60 requests a
/// second that the largest plan allows an API token (api/wire.md, Rate limits).
pub const AT_ONCE: usize = 16;

/// Who the token is, as the service says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Identity {
    /// The company's id; ids of another company mean other records.
    pub company_id: u64,
    /// The company's name.
    pub company_name: String,
    /// The company's part of the host name.
    pub company_domain: String,
    /// The user's id.
    pub user_id: u64,
    /// The user's name.
    pub user_name: String,
    /// Whether the user administrates the company; others do not see everything.
    pub is_admin: bool,
}

/// A company's account, open for reading.
pub struct Account {
    wire: Wire,
    budget: Mutex<Budget>,
    turns: Semaphore,
    patience: Patience,
    clock: Clock,
    opened: Instant,
    /// What time the service said it was, and when it said so.
    told: Mutex<Option<(DateTime<Utc>, Instant)>>,
    identity: Identity,
}

impl Account {
    /// Asks who the token is (2 tokens). Retries and budget as everywhere.
    pub async fn connect(
        endpoint: Endpoint,
        credential: impl Into<Credential>,
        allowance: Allowance,
        clock: Clock,
    ) -> Result<Account, Error> {
        let wire = Wire::new(endpoint, Pass::new(credential.into(), clock)?)?;
        Account::over(wire, allowance, clock, (Patience::SHORT, Patience::LONG)).await
    }

    /// As [`Account::connect`], with one patience for the first request and one for the others.
    async fn over(
        wire: Wire,
        allowance: Allowance,
        clock: Clock,
        (first, later): (Patience, Patience),
    ) -> Result<Account, Error> {
        let nobody = Identity {
            company_id: 0,
            company_name: String::new(),
            company_domain: String::new(),
            user_id: 0,
            user_name: String::new(),
            is_admin: false,
        };
        let budget = Mutex::new(Budget::new(allowance));
        let turns = Semaphore::new(AT_ONCE);
        let opened = Instant::now();
        let mut account =
            Account { wire, budget, turns, patience: first, clock, opened, told: Mutex::new(None), identity: nobody };
        account.identity = account.ask_who().await?;
        account.patience = later;
        Ok(account)
    }

    /// Who the token is.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// What this run has spent so far.
    pub fn spent(&self) -> Spent {
        self.purses().spent()
    }

    /// Tokens left today and the limit of today, if the service told.
    pub fn tokens_today(&self) -> Option<(u64, u64)> {
        self.purses().today()
    }

    /// POST and PUT requests left today, if the service told.
    pub fn writes_today(&self) -> Option<u64> {
        self.purses().writes_today()
    }

    /// Requests in two seconds, if the service told.
    pub fn burst(&self) -> Option<u64> {
        self.purses().burst()
    }

    /// Tokens this run may still spend, if that is known: what is left of its share or of the day.
    pub fn may_spend(&self) -> Option<u64> {
        self.purses().may_spend()
    }

    /// Tokens that a run with this budget may spend of a day that has just begun, if that is known.
    pub fn may_spend_a_day(&self) -> Option<u64> {
        self.purses().a_day()
    }

    /// When the day's tokens are believed to come back.
    pub fn next_day(&self) -> DateTime<Utc> {
        budget::next_midnight(self.now())
    }

    /// What time it is where records get their times: the service's clock, or this machine's until the service told.
    ///
    /// A watermark made of anything else would lose changes to a clock that goes wrong.
    pub fn now(&self) -> DateTime<Utc> {
        let told = *self.told.lock().expect("nothing panics while it holds the time");
        let since = |at: Instant| chrono::Duration::from_std(at.elapsed()).unwrap_or_default();
        told.map_or_else(|| self.clock.now(), |(date, at)| date + since(at))
    }

    /// One page of a list.
    ///
    /// [`Error::NotOffered`] means that this account or token does not get the list; [`Error::Gone`], of a list under
    /// a parent, that the parent is not there any more.
    pub async fn page(&self, ask: &Ask<'_>) -> Result<Page, Error> {
        let request = ask.request()?;
        if !shape::is_plain(ask.object) {
            let envelope = shape::listed(ask.object, ask.parents.first(), self.fetch(&request, ask.asked()).await?)?;
            return ask.page(envelope);
        }
        if !ask.is_of_one() {
            let envelope = self.fetch(&request, ask.asked()).await?;
            return ask.page(envelope);
        }
        let answer: Result<Envelope<Box<RawValue>>, Error> = self.fetch(&request, ask.asked()).await;
        Page::of_one(present(answer)?)
    }

    /// One record by its id through `object.single`; `None` when the service says it is not there.
    pub async fn one(&self, object: &'static Object, key: &Key) -> Result<Option<Box<RawValue>>, Error> {
        let no_call = |why| Error::NoSuchCall { doing: "read one of", object: object.name, why };
        let single = object.single.ok_or_else(|| no_call("it has no call for one record"))?;
        let (parent, own) = address::split(object, key);
        let Some(segments) = address::segments(single.path, parent.as_deref(), Some(&own)) else { return Ok(None) };
        // Of the list's parameters only this one is known to the call for one record.
        let query = object.query.iter().filter(|(name, _)| *name == "include_fields");
        let query = query.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let request = reading(single.version, segments, query, single.price);
        match present(self.fetch(&request, Asked::One).await)? {
            Some(row) => shape::one(object, key, row),
            None => Ok(None),
        }
    }

    /// The rows that a page of another object's list holds of an object without a list of its own.
    pub fn within(&self, object: &'static Object, page: &Page) -> Result<Vec<Box<RawValue>>, Error> {
        shape::within(object, &page.rows)
    }

    /// Up to 100 records by id through `object.bulk_ids`; what is gone or out of sight is left out.
    pub async fn many(&self, object: &'static Object, keys: &[Key]) -> Result<Vec<Box<RawValue>>, Error> {
        let why = "it cannot be asked for several ids";
        let no_call = || Error::NoSuchCall { doing: "read some of", object: object.name, why };
        let (Some(parameter), Listing::Flat(Paging::Cursor { .. })) = (object.bulk_ids, object.listing) else {
            return Err(no_call());
        };
        let mut rows = Vec::with_capacity(keys.len());
        for batch in keys.chunks(100) {
            let extra = [(parameter, address::joined(batch))];
            let mut walk = Walk::default();
            while let Some(position) = walk.position() {
                let page = self.page(&Ask { extra: &extra, position, ..Ask::first(object) }).await?;
                rows.extend(page.rows);
                walk.turn(page.next)?;
            }
        }
        Ok(rows)
    }

    /// The fields an extended request brings; [`Error::Gone`] when the record is not there any more.
    ///
    /// What the answer leaves out is null: it was asked for, and there is nothing.
    pub async fn extended(
        &self,
        object: &Object,
        extended: &'static Extended,
        key: &Key,
    ) -> Result<Map<String, Value>, Error> {
        let (_, own) = address::split(object, key);
        let segments = address::segments(extended.path, None, Some(&own)).ok_or(Error::Gone)?;
        let query = extended.query.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let request = reading(extended.version, segments, query, extended.price);
        let envelope: Envelope<Value> = self.fetch(&request, Asked::One).await?;
        let mut fields = envelope.data.flatten().and_then(shape::lone).ok_or(Error::Gone)?;
        fields.retain(|name, _| extended.fields.contains(&name.as_str()));
        for field in extended.fields {
            fields.entry(*field).or_insert(Value::Null);
        }
        Ok(fields)
    }

    /// Opens the account for writing. `Consent` is made by the command line alone, after a plan was shown.
    pub fn writer(&self, consent: &Consent) -> Writer<'_> {
        Writer::new(self, consent)
    }

    async fn ask_who(&self) -> Result<Identity, Error> {
        let request = reading(Version::V1, vec!["users".to_owned(), "me".to_owned()], Vec::new(), 2);
        // A service that does not know who asks is no Pipedrive, or not one this token opens.
        let envelope: Envelope<Me> = self.fetch(&request, Asked::List).await?;
        let me = envelope.data.flatten().ok_or_else(|| Error::Garbled("the service does not say who we are".into()))?;
        let is_admin = me.is_admin == Some(Value::from(1))
            || me.is_admin == Some(Value::Bool(true))
            || me.access.iter().flatten().any(|access| access.admin);
        Ok(Identity {
            company_id: me.company_id,
            company_name: me.company_name.unwrap_or_default(),
            company_domain: me.company_domain.unwrap_or_default(),
            user_id: me.id,
            user_name: me.name.unwrap_or_default(),
            is_admin,
        })
    }

    /// Sends a request that reads, and opens its answer; a garbled one gets a second chance.
    async fn fetch<T: DeserializeOwned>(&self, request: &Request<'_>, asked: Asked) -> Result<Envelope<T>, Error> {
        let first = self.exchange(request, asked).await?;
        match answer::open(&first) {
            Err(Error::Garbled(_)) => answer::open(&self.exchange(request, asked).await?),
            opened => opened,
        }
        .map_err(|error| self.redacted(error))
    }

    /// Sends a request, again and again while that can help, until an answer says that it went well.
    async fn exchange(&self, request: &Request<'_>, asked: Asked) -> Result<Answer, Error> {
        let _turn = self.turn().await;
        let mut tried = Tried::default();
        loop {
            let reserved = self.admit(request).await?;
            let came = self.wire.send(request).await;
            match &came {
                Ok(answer) => reserved.learn(&answer.limits),
                Err(_) => drop(reserved),
            }
            if let Some(verdict) = self.settle(came, request.creates(), &mut tried, asked).await {
                return verdict;
            }
        }
    }

    /// Decides what a try means: an answer, an error, or (`None`, after a pause) another try.
    async fn settle(
        &self,
        came: Result<Answer, Broken>,
        creates: bool,
        tried: &mut Tried,
        asked: Asked,
    ) -> Option<Result<Answer, Error>> {
        tried.times += 1;
        let (seen, limits) = match &came {
            Ok(answer) => (Seen::Status(answer.status), answer.limits),
            Err(Broken::NeverLeft { lasting, .. }) => (Seen::NeverLeft { lasting: *lasting }, Limits::default()),
            // Whether a renewed login can be had may pass; that there is none will not.
            Err(Broken::NoPass(why)) => {
                let lasting = !matches!(why, Error::Unreachable(_));
                (Seen::NeverLeft { lasting }, Limits::default())
            }
            Err(Broken::Local(_)) => (Seen::NeverLeft { lasting: true }, Limits::default()),
            // It would be as large the next time.
            Err(Broken::TooLarge { .. }) => (Seen::Status(200), Limits::default()),
            Err(Broken::NoAnswer { .. } | Broken::Cut { .. }) => (Seen::NoAnswer, Limits::default()),
        };
        let spent_today = matches!(seen, Seen::Status(429)) && limits.day_left == Some(0);
        if spent_today {
            return Some(Err(Error::BudgetSpent(budget::next_midnight(self.now()))));
        }
        match retry::decide(Attempt { seen, creates }, &limits, *tried, rand::random(), &self.patience) {
            Next::Again(pause) => {
                tried.paused += pause;
                tokio::time::sleep(pause).await;
                None
            }
            Next::Take | Next::Stop => Some(self.verdict(came, creates, tried.times, asked)),
        }
    }

    fn verdict(&self, came: Result<Answer, Broken>, creates: bool, times: u32, asked: Asked) -> Result<Answer, Error> {
        let error = match came {
            Ok(answer) if (200..300).contains(&answer.status) => return Ok(answer),
            // The service still says no after all the waiting it asked for: the day is spent, whether it says so or not.
            Ok(answer) if answer.status == 429 => {
                let now = self.now();
                let asked = answer.limits.retry_after.and_then(|pause| chrono::Duration::from_std(pause).ok());
                let long = asked.filter(|pause| pause.num_seconds() > 600);
                Error::BudgetSpent(long.map_or_else(|| budget::next_midnight(now), |pause| now + pause))
            }
            Ok(answer) => answer::failure(&answer, asked),
            Err(Broken::NeverLeft { why, .. }) => Error::Unreachable(why),
            Err(Broken::NoPass(error)) => error,
            Err(Broken::Local(source)) => Error::Local { doing: "read the file to be sent", source },
            Err(Broken::NoAnswer { why } | Broken::Cut { why } | Broken::TooLarge { why }) if creates => {
                Error::InDoubt(why)
            }
            Err(Broken::NoAnswer { why }) => Error::Unreachable(format!("{why}, {times} times")),
            Err(Broken::Cut { why }) => Error::Garbled(format!("{why}, {times} times")),
            Err(Broken::TooLarge { why }) => Error::Garbled(why),
        };
        Err(self.redacted(error))
    }

    /// The service's words could repeat the token, if somebody put it where it does not belong.
    fn redacted(&self, error: Error) -> Error {
        let clean = |text: String| self.wire.redact(&text);
        match error {
            Error::Unauthorised(text) => Error::Unauthorised(clean(text)),
            Error::LoggedOut(text) => Error::LoggedOut(clean(text)),
            Error::NotOffered(text) => Error::NotOffered(clean(text)),
            Error::Unreachable(text) => Error::Unreachable(clean(text)),
            Error::InDoubt(text) => Error::InDoubt(clean(text)),
            Error::Refused { status, code, message, field } => {
                Error::Refused { status, code, message: clean(message), field }
            }
            other => other,
        }
    }

    async fn turn(&self) -> tokio::sync::SemaphorePermit<'_> {
        self.turns.acquire().await.expect("the semaphore is never closed")
    }

    /// Waits until the budget lets a request go.
    async fn admit(&self, request: &Request<'_>) -> Result<Reserved<'_>, Error> {
        let (price, writes) = (request.price, matches!(request.method, Method::POST | Method::PUT));
        loop {
            let now = self.moment();
            let verdict = match writes {
                true => self.purses().ask_write(price, now),
                false => self.purses().ask(price, now),
            };
            match verdict {
                Verdict::Go(ticket) => return Ok(Reserved { account: self, ticket, writes, open: true }),
                Verdict::Wait(pause) => tokio::time::sleep(pause.max(Duration::from_millis(1))).await,
                Verdict::SpentUntil(until) => return Err(Error::BudgetSpent(until)),
            }
        }
    }

    fn moment(&self) -> Moment {
        Moment { running: self.opened.elapsed(), wall: self.now() }
    }

    fn purses(&self) -> MutexGuard<'_, Budget> {
        self.budget.lock().expect("nothing panics while it holds the budget")
    }
}

/// A place in the budget, given back when the request ends, however it ends.
struct Reserved<'a> {
    account: &'a Account,
    ticket: Ticket,
    /// Whether it counts against the writes of a day.
    writes: bool,
    open: bool,
}

impl Reserved<'_> {
    fn learn(mut self, limits: &Limits) {
        let now = self.account.moment();
        let mut purses = self.account.purses();
        purses.learn(self.ticket, limits, now);
        if self.writes {
            purses.close_write(limits.writes_left);
        }
        drop(purses);
        if let Some(date) = limits.date {
            *self.account.told.lock().expect("nothing panics while it holds the time") = Some((date, Instant::now()));
        }
        self.open = false;
    }
}

impl Drop for Reserved<'_> {
    fn drop(&mut self) {
        if self.open {
            let now = self.account.moment();
            let mut purses = self.account.purses();
            purses.close(self.ticket, now);
            if self.writes {
                purses.close_write(None);
            }
        }
    }
}

fn reading(version: Version, segments: Vec<String>, query: Vec<(String, String)>, price: u32) -> Request<'static> {
    Request { method: Method::GET, version, segments, query, payload: Payload::Nothing, price }
}

/// A record that may not be there.
fn present(fetched: Result<Envelope<Box<RawValue>>, Error>) -> Result<Option<Box<RawValue>>, Error> {
    match fetched {
        Ok(envelope) => match envelope.data {
            Some(row) => Ok(row),
            None => Err(Error::Garbled("the answer has no data".to_owned())),
        },
        Err(Error::Gone) => Ok(None),
        Err(error) => Err(error),
    }
}

/// What `GET /v1/users/me` tells that is needed here.
#[derive(Deserialize)]
struct Me {
    id: u64,
    name: Option<String>,
    company_id: u64,
    company_name: Option<String>,
    company_domain: Option<String>,
    is_admin: Option<Value>,
    access: Option<Vec<Access>>,
}

#[derive(Deserialize)]
struct Access {
    #[serde(default)]
    admin: bool,
}
