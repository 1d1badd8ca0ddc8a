//! Writing, once somebody agreed.
//!
//! Every method sends what one step of a plan says and nothing else. A request that
//! creates is sent again only if the first certainly did nothing; if that cannot be
//! known the answer is [`Error::InDoubt`], and whoever keeps the journal looks for the
//! record before anything else (api/restore-hazards.md 7).

use std::path::Path;

use bytes::Bytes;
use form_urlencoded::Serializer;
use reqwest::Method as Verb;
use serde_json::{Map, Value, json};

use super::answer::{self, Asked, Envelope};
use super::exchange::{Answer, Payload, Request};
use super::{AT_ONCE, Account, Error, address};
use crate::catalogue::{Call, Encoding, KeyIn, Method, Object, Undelete};
use crate::record::Key;

/// Proof that a person (or `--yes`) agreed to a plan.
pub struct Consent {
    _given: (),
}

impl Consent {
    /// Says that somebody saw a plan and agreed. Only the command line may say so; a test reads the sources.
    pub fn given() -> Consent {
        Consent { _given: () }
    }
}

/// Contents to be sent along, streamed from a file of this machine.
#[derive(Clone, Copy, Debug)]
pub struct Attached<'a> {
    /// What the service calls them.
    pub name: &'a str,
    /// Where they are.
    pub path: &'a Path,
}

/// An account, open for writing.
pub struct Writer<'a> {
    account: &'a Account,
    at_once: usize,
}

impl<'a> Writer<'a> {
    pub(super) fn new(account: &'a Account, consent: &Consent) -> Writer<'a> {
        let Consent { _given: () } = consent;
        Writer { account, at_once: AT_ONCE }
    }

    /// The same, but no write leaves before the one before it was answered: slower, and easier to follow in a log.
    pub fn one_at_a_time(self) -> Writer<'a> {
        Writer { at_once: 1, ..self }
    }

    /// How many writes may be under way at once.
    pub fn at_once(&self) -> usize {
        self.at_once
    }

    /// Creates a record, under `parent` if its call needs one. Answers the row as the service now shows it.
    pub async fn create(
        &self,
        object: &'static Object,
        parent: Option<&Key>,
        body: &Map<String, Value>,
    ) -> Result<Map<String, Value>, Error> {
        let no_call = |why| Error::NoSuchCall { doing: "create a record of", object: object.name, why };
        let write = object.create.ok_or_else(|| no_call("it has no call for that"))?;
        if write.encoding == Encoding::Multipart {
            return Err(no_call("it is made with contents"));
        }
        let parent = parent.map(Key::to_string);
        let segments = address::segments(write.call.path, parent.as_deref(), None);
        let segments = segments.ok_or_else(|| no_call("the parent has no id"))?;
        self.made(request(write.call, segments, payload(write.encoding, body))).await
    }

    /// Creates a record with contents, under `parent` if its call needs one.
    pub async fn upload(
        &self,
        object: &'static Object,
        parent: Option<&Key>,
        body: &Map<String, Value>,
        contents: Attached<'_>,
    ) -> Result<Map<String, Value>, Error> {
        let no_call = |why| Error::NoSuchCall { doing: "upload to", object: object.name, why };
        let write = object.create.filter(|write| write.encoding == Encoding::Multipart);
        let write = write.ok_or_else(|| no_call("it has no call that takes contents"))?;
        let parent = parent.map(Key::to_string);
        let segments = address::segments(write.call.path, parent.as_deref(), None);
        let segments = segments.ok_or_else(|| no_call("its path needs an id"))?;
        let part = object.contents.map_or("file", |contents| contents.part);
        let Attached { name, path } = contents;
        let fields = pairs(body).filter(|(_, value)| !value.is_empty()).collect();
        self.made(request(write.call, segments, Payload::File { path, part, name, fields })).await
    }

    /// Changes the given fields of a record. Answers the row as the service now shows it.
    pub async fn update(
        &self,
        object: &'static Object,
        key: &Key,
        body: &Map<String, Value>,
    ) -> Result<Map<String, Value>, Error> {
        let no_call = |why| Error::NoSuchCall { doing: "update a record of", object: object.name, why };
        let write = object.update.ok_or_else(|| no_call("it has no call for that"))?;
        self.changed(object, write.call, key, payload(write.encoding, body)).await
    }

    /// Deletes a record; `false` when it was gone already.
    pub async fn delete(&self, object: &'static Object, key: &Key) -> Result<bool, Error> {
        let no_call = |why| Error::NoSuchCall { doing: "delete a record of", object: object.name, why };
        let call = object.delete.ok_or_else(|| no_call("it has no call for that"))?;
        let segments = self.addressed(object, call, key)?;
        match self.account.exchange(&request(call, segments, Payload::Nothing), Asked::Change).await {
            Ok(_) => Ok(true),
            Err(Error::Gone) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Adds options with these labels to a field: all of them or none.
    pub async fn add_options(&self, object: &'static Object, key: &Key, labels: &[&str]) -> Result<(), Error> {
        let no_call = |why| Error::NoSuchCall { doing: "add options to a field of", object: object.name, why };
        let call = object.options.ok_or_else(|| no_call("it has no call for that"))?;
        let segments = self.addressed(object, call, key)?;
        let options: Vec<Value> = labels.iter().map(|label| json!({"label": label})).collect();
        let text = serde_json::to_vec(&options).expect("labels always serialise");
        let request = request(call, segments, Payload::Json(Bytes::from(text)));
        self.account.exchange(&request, Asked::Create).await.map(drop)
    }

    /// Tries one form of bringing a deleted record back with its id. Answers the row as the service now shows it,
    /// which may still say that it is deleted: read it.
    pub async fn undelete(
        &self,
        object: &'static Object,
        key: &Key,
        form: &'static Undelete,
    ) -> Result<Map<String, Value>, Error> {
        let (field, value) = form.body;
        let value = serde_json::from_str(value).expect("the catalogue's values are JSON: a test reads them all");
        let body = Map::from_iter([(field.to_owned(), value)]);
        self.changed(object, form.call, key, payload(Encoding::Json, &body)).await
    }

    /// Sends a request that creates. Once the service says it did, nothing but the row will do.
    async fn made(&self, request: Request<'_>) -> Result<Map<String, Value>, Error> {
        let answer = self.account.exchange(&request, Asked::Create).await?;
        row(&answer).map_err(|error| match error {
            Error::Garbled(why) => Error::InDoubt(format!("created, but the answer cannot be read: {why}")),
            other => self.account.redacted(other),
        })
    }

    async fn changed(
        &self,
        object: &'static Object,
        call: Call,
        key: &Key,
        payload: Payload<'static>,
    ) -> Result<Map<String, Value>, Error> {
        let segments = self.addressed(object, call, key)?;
        let answer = self.account.exchange(&request(call, segments, payload), Asked::Change).await?;
        row(&answer).map_err(|error| self.account.redacted(error))
    }

    fn addressed(&self, object: &'static Object, call: Call, key: &Key) -> Result<Vec<String>, Error> {
        let (parent, own) = address::split(object, key);
        let why = match object.key {
            KeyIn::Field(_) => "the record has no id",
            KeyIn::ParentAnd(_) | KeyIn::Both { .. } => "the key names no parent",
        };
        let none = Error::NoSuchCall { doing: "reach a record of", object: object.name, why };
        address::segments(call.path, parent.as_deref(), Some(&own)).ok_or(none)
    }
}

fn request<'p>(call: Call, segments: Vec<String>, payload: Payload<'p>) -> Request<'p> {
    let method = match call.method {
        Method::Post => Verb::POST,
        Method::Put => Verb::PUT,
        Method::Patch => Verb::PATCH,
        Method::Delete => Verb::DELETE,
    };
    Request { method, version: call.version, segments, query: Vec::new(), payload, price: call.price }
}

fn payload(encoding: Encoding, body: &Map<String, Value>) -> Payload<'static> {
    match encoding {
        Encoding::Json => {
            let text = serde_json::to_vec(body).expect("a map with text keys always serialises");
            Payload::Json(Bytes::from(text))
        }
        Encoding::Form | Encoding::Multipart => {
            Payload::Form(Serializer::new(String::new()).extend_pairs(pairs(body)).finish().into())
        }
    }
}

/// Fields as forms take them: flags are 0 and 1, nothing is the empty text.
fn pairs(body: &Map<String, Value>) -> impl Iterator<Item = (String, String)> {
    body.iter().map(|(name, value)| {
        let text = match value {
            Value::Null => String::new(),
            Value::Bool(flag) => u8::from(*flag).to_string(),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        (name.clone(), text)
    })
}

/// The row in an answer.
fn row(answer: &Answer) -> Result<Map<String, Value>, Error> {
    let envelope: Envelope<Map<String, Value>> = answer::open(answer)?;
    envelope.data.flatten().ok_or_else(|| Error::Garbled("the answer has no record".to_owned()))
}
