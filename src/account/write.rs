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
use super::{AT_ONCE, Account, Error, address, shape};
use crate::catalogue::{Call, Encoding, KeyIn, Method, Object, Otherwise, Undelete};
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
        let path = other_path(object, body).map_or(write.call.path, |otherwise| otherwise.create);
        let segments = address::filled(path, parent.as_deref(), None, body);
        let segments = segments.ok_or_else(|| no_call("the parent has no id"))?;
        let call = Call { path, ..write.call };
        let answer =
            self.in_some_form((call, Some(write.encoding)), &segments, &flagged(object, body), Asked::Create).await?;
        let parent = parent.as_deref().map(Key::parse);
        row(object, parent.as_ref(), body, &answer).map_err(|error| self.unread(error))
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
        let request = request(write.call, segments, Payload::File { path, part, name, fields });
        let answer = self.account.exchange(&request, Asked::Create).await?;
        row(object, parent.as_deref().map(Key::parse).as_ref(), body, &answer).map_err(|error| self.unread(error))
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
        match object.archive.filter(|_| body.get("is_archived") == Some(&Value::Bool(true))) {
            // Into the archive leads a call of its own, which takes no other change along.
            Some(archive) => self.changed(object, (archive, None), key, &Map::new()).await,
            None => {
                let path = other_path(object, body).map_or(write.call.path, |otherwise| otherwise.update);
                let call = Call { path, ..write.call };
                self.changed(object, (call, Some(write.encoding)), key, &flagged(object, body)).await
            }
        }
    }

    /// Deletes a record; `false` when it was gone already. What its call says of it besides its key is in `row`.
    pub async fn delete(&self, object: &'static Object, key: &Key, row: &Map<String, Value>) -> Result<bool, Error> {
        let no_call = |why| Error::NoSuchCall { doing: "delete a record of", object: object.name, why };
        let call = object.delete.ok_or_else(|| no_call("it has no call for that"))?;
        let mut known = row.clone();
        if let KeyIn::Field(own) | KeyIn::ParentAnd(own) | KeyIn::Both { own, .. } = object.key {
            known.entry(own).or_insert_with(|| shape::id(&Key::parse(&address::split(object, key).1)));
        }
        let segments = self.addressed(object, call, key, &known)?;
        match self.in_some_form((call, None), &segments, &known, Asked::Change).await {
            Ok(_) => Ok(true),
            Err(Error::Gone) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Adds options with these labels to a field: all of them or none.
    pub async fn add_options(&self, object: &'static Object, key: &Key, labels: &[&str]) -> Result<(), Error> {
        let no_call = |why| Error::NoSuchCall { doing: "add options to a field of", object: object.name, why };
        let call = object.options.ok_or_else(|| no_call("it has no call for that"))?;
        let segments = self.addressed(object, call, key, &Map::new())?;
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
        self.changed(object, (form.call, Some(Encoding::Json)), key, &body).await
    }

    /// Once the service says that it created something, nothing but the row will do.
    fn unread(&self, error: Error) -> Error {
        match error {
            Error::Garbled(why) => Error::InDoubt(format!("created, but the answer cannot be read: {why}")),
            other => self.account.redacted(other),
        }
    }

    /// Sends the body in the forms the catalogue has for it, the next one when one is refused; none without an encoding.
    async fn in_some_form(
        &self,
        (call, encoding): (Call, Option<Encoding>),
        segments: &[String],
        fields: &Map<String, Value>,
        asked: Asked,
    ) -> Result<Answer, Error> {
        let mut forms = call.forms.iter();
        loop {
            let form = forms.next();
            let body = match (form, encoding) {
                (Some(form), _) => Payload::Json(Bytes::from(address::rendered(form, fields).to_string())),
                (None, Some(encoding)) => payload(encoding, &unaddressed(call, fields)),
                (None, None) => Payload::Nothing,
            };
            let answer = self.account.exchange(&request(call, segments.to_vec(), body), asked).await;
            match answer {
                Err(Error::Refused { status: 400, .. }) if form.is_some() && !forms.as_slice().is_empty() => {}
                answer => return answer,
            }
        }
    }

    async fn changed(
        &self,
        object: &'static Object,
        (call, encoding): (Call, Option<Encoding>),
        key: &Key,
        body: &Map<String, Value>,
    ) -> Result<Map<String, Value>, Error> {
        let segments = self.addressed(object, call, key, body)?;
        let answer = self.in_some_form((call, encoding), &segments, body, Asked::Change).await?;
        let parent = address::split(object, key).0.as_deref().map(Key::parse);
        row(object, parent.as_ref(), body, &answer).map_err(|error| self.account.redacted(error))
    }

    fn addressed(
        &self,
        object: &'static Object,
        call: Call,
        key: &Key,
        fields: &Map<String, Value>,
    ) -> Result<Vec<String>, Error> {
        let (parent, own) = address::split(object, key);
        let why = match object.key {
            KeyIn::Field(_) => "the record has no id",
            KeyIn::ParentAnd(_) | KeyIn::ParentAndAll(_) | KeyIn::ParentAndDigest | KeyIn::Both { .. } => {
                "the key names no parent"
            }
        };
        let none = Error::NoSuchCall { doing: "reach a record of", object: object.name, why };
        address::filled(call.path, parent.as_deref(), Some(&own), fields).ok_or(none)
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

/// The other paths, if the body lacks what the first ones are for.
fn other_path(object: &Object, body: &Map<String, Value>) -> Option<Otherwise> {
    object.otherwise.filter(|otherwise| otherwise.lacking.iter().all(|field| !body.contains_key(*field)))
}

/// The body with flags under the names and in the form in which they are written.
fn flagged(object: &Object, body: &Map<String, Value>) -> Map<String, Value> {
    let written = |(name, value): (&String, &Value)| {
        let flag = object.flags.iter().find(|(read, _)| read == name);
        match (flag, value) {
            (Some((_, written)), Value::Bool(flag)) => ((*written).to_owned(), Value::from(u8::from(*flag))),
            (Some((_, written)), other) => ((*written).to_owned(), other.clone()),
            (None, other) => (name.clone(), other.clone()),
        }
    };
    body.iter().map(written).collect()
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

/// The fields that go into the body: those that the path names stay out of it.
fn unaddressed(call: Call, fields: &Map<String, Value>) -> Map<String, Value> {
    let addressed = |name: &str| call.path.contains(&format!("{{{name}}}"));
    fields.iter().filter(|(name, _)| !addressed(name)).map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// The row in an answer.
fn row(
    object: &'static Object,
    parent: Option<&Key>,
    sent: &Map<String, Value>,
    answer: &Answer,
) -> Result<Map<String, Value>, Error> {
    let envelope: Envelope<Value> = answer::open(answer)?;
    let none = || Error::Garbled("the answer has no record".to_owned());
    shape::written(object, parent, envelope.data.flatten().ok_or_else(none)?, sent).ok_or_else(none)
}
