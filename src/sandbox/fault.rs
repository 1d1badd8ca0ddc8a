//! Faults that a story can order: what goes wrong, for which requests, when and how often.
//!
//! As text: `METHOD PATH [after=N] [times=N] FAULT`, for example `GET /api/v2/deals after=2 times=3 status=503 retry-after=1` or
//! `POST /api/v2/deals lose-answer`. `*` stands for any method, and in a path for anything.

use std::fmt;
use std::str::FromStr;

use serde_json::{Value, json};

use crate::sandbox::answer::{self, Answer};

/// What goes wrong.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Fault {
    /// `status=503 [retry-after=SECONDS]`: nothing happens but this answer.
    Status {
        /// The status.
        code: u16,
        /// The header `Retry-After`.
        retry_after: Option<u64>,
    },
    /// `cut=BYTES`: the stream ends after so many bytes of the body.
    Cut(usize),
    /// `lose-answer`: the write takes place, the connection ends without an answer.
    LoseAnswer,
    /// `late=REQUESTS`: the connection ends without an answer, and the write takes place once so many more requests were answered.
    Late(u64),
    /// `drop`: the connection ends and nothing took place.
    Drop,
    /// `lose-field=NAME`: the write takes place without this field, and is answered as if nothing were wrong.
    LoseField(String),
    /// `forget`: what the request made is answered, and gone with the next one.
    Forget,
    /// `slow=MILLISECONDS`: the answer waits.
    Slow(u64),
    /// `html`: the block page of the gateway, 403.
    Html,
    /// `malformed`: a body that stops being JSON half way, whole by its length.
    Malformed,
    /// `repeat-page`: the first record of a page comes twice.
    RepeatPage,
    /// `no-id`: the first record has no id.
    NoId,
    /// `wrong-type`: the id of the first record is an object.
    WrongType,
}

/// A fault, and when it strikes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FaultOrder {
    /// The verb, or `*`.
    pub method: String,
    /// The path, with `*` for anything.
    pub path: String,
    /// Requests that pass before it strikes.
    pub after: u64,
    /// How often it strikes.
    pub times: u64,
    /// What goes wrong.
    pub fault: Fault,
}

/// Why an order could not be read.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum FaultError {
    /// Method or path is missing.
    #[error("cannot read fault `{0}`: it does not begin with METHOD PATH")]
    NoPlace(String),
    /// No fault is named.
    #[error("cannot read fault `{0}`: it names no fault")]
    NoFault(String),
    /// A word means nothing.
    #[error("cannot read fault `{order}`: `{word}` means nothing")]
    Word {
        /// The whole order.
        order: String,
        /// The word.
        word: String,
    },
}

impl FaultOrder {
    /// Whether a request is meant.
    pub(super) fn is_meant(&self, method: &str, path: &str) -> bool {
        (self.method == "*" || self.method.eq_ignore_ascii_case(method)) && matches(&self.path, path)
    }

    /// Reads the JSON form: `{"method":…,"path":…,"after":…,"times":…,"fault":"status=503"}`, or the text form as a string.
    pub(super) fn of_json(value: &Value) -> Result<Self, FaultError> {
        if let Some(text) = value.as_str() {
            return text.parse();
        }
        let word = |name: &str, first: &str| value.get(name).and_then(Value::as_str).unwrap_or(first).to_owned();
        let number = |name: &str, first: u64| value.get(name).and_then(Value::as_u64).unwrap_or(first);
        let (after, times) = (number("after", 0), number("times", 1));
        format!("{} {} after={after} times={times} {}", word("method", "*"), word("path", "*"), word("fault", ""))
            .parse()
    }

    /// The JSON form.
    pub(super) fn to_json(&self) -> Value {
        json!({"method": self.method, "path": self.path, "after": self.after, "times": self.times, "fault": self.fault.to_string()})
    }
}

impl FromStr for FaultOrder {
    type Err = FaultError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut words = text.split_whitespace();
        let (Some(method), Some(path)) = (words.next(), words.next()) else {
            return Err(FaultError::NoPlace(text.to_owned()));
        };
        if !path.starts_with('/') && path != "*" {
            return Err(FaultError::NoPlace(text.to_owned()));
        }
        let (mut after, mut times, mut retry_after, mut fault) = (0, 1, None, None);
        for word in words {
            let meaningless = || FaultError::Word { order: text.to_owned(), word: word.to_owned() };
            let (name, value) = word.split_once('=').unwrap_or((word, ""));
            let number = || value.parse::<u64>().map_err(|_| meaningless());
            match name {
                "after" => after = number()?,
                "times" => times = number()?,
                "retry-after" => retry_after = Some(number()?),
                "status" => {
                    let code = number()?.try_into().ok().filter(|code| (200..600).contains(code));
                    fault = Some(Fault::Status { code: code.ok_or_else(meaningless)?, retry_after: None });
                }
                "cut" => fault = Some(Fault::Cut(number()? as usize)),
                "slow" => fault = Some(Fault::Slow(number()?)),
                "late" => fault = Some(Fault::Late(number()?)),
                "lose-answer" => fault = Some(Fault::LoseAnswer),
                "drop" => fault = Some(Fault::Drop),
                "forget" => fault = Some(Fault::Forget),
                "lose-field" if !value.is_empty() => fault = Some(Fault::LoseField(value.to_owned())),
                "html" => fault = Some(Fault::Html),
                "malformed" => fault = Some(Fault::Malformed),
                "repeat-page" => fault = Some(Fault::RepeatPage),
                "no-id" => fault = Some(Fault::NoId),
                "wrong-type" => fault = Some(Fault::WrongType),
                _ => return Err(meaningless()),
            }
        }
        let mut fault = fault.ok_or_else(|| FaultError::NoFault(text.to_owned()))?;
        if let Fault::Status { retry_after: wait, .. } = &mut fault {
            *wait = retry_after;
        }
        Ok(Self { method: method.to_owned(), path: path.to_owned(), after, times, fault })
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status { code, retry_after: None } => write!(f, "status={code}"),
            Self::Status { code, retry_after: Some(wait) } => write!(f, "status={code} retry-after={wait}"),
            Self::Cut(bytes) => write!(f, "cut={bytes}"),
            Self::Slow(milliseconds) => write!(f, "slow={milliseconds}"),
            Self::Late(requests) => write!(f, "late={requests}"),
            Self::LoseAnswer => f.write_str("lose-answer"),
            Self::Drop => f.write_str("drop"),
            Self::Forget => f.write_str("forget"),
            Self::LoseField(name) => write!(f, "lose-field={name}"),
            Self::Html => f.write_str("html"),
            Self::Malformed => f.write_str("malformed"),
            Self::RepeatPage => f.write_str("repeat-page"),
            Self::NoId => f.write_str("no-id"),
            Self::WrongType => f.write_str("wrong-type"),
        }
    }
}

impl fmt::Display for FaultOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} after={} times={} {}", self.method, self.path, self.after, self.times, self.fault)
    }
}

/// Orders that have not struck out yet.
#[derive(Debug, Default)]
pub(super) struct Faults {
    pub(super) orders: Vec<FaultOrder>,
}

impl Faults {
    /// The fault that strikes this request, if one does. Every order that means the request counts it.
    pub(super) fn strike(&mut self, method: &str, path: &str) -> Option<Fault> {
        let mut struck = None;
        for order in self.orders.iter_mut().filter(|order| order.is_meant(method, path)) {
            if order.after > 0 {
                order.after -= 1;
            } else if struck.is_none() && order.times > 0 {
                order.times -= 1;
                struck = Some(order.fault.clone());
            }
        }
        self.orders.retain(|order| order.times > 0);
        struck
    }
}

/// Answers that a fault gives in place of the account.
pub(super) fn in_place(fault: &Fault) -> Option<Answer> {
    match fault {
        Fault::Status { code: 429, retry_after } => Some(answer::too_many(*retry_after)),
        Fault::Status { code, retry_after } => {
            let answer = answer::refusal(*code, "Something went wrong");
            Some(match retry_after {
                Some(seconds) => answer.with("retry-after", seconds.to_string()),
                None => answer,
            })
        }
        Fault::Html => Some(answer::block_page()),
        _ => None,
    }
}

/// The body without a field.
pub(super) fn without(name: &str, body: &[u8]) -> Option<Vec<u8>> {
    let mut body: Value = serde_json::from_slice(body).ok()?;
    body.as_object_mut()?.remove(name)?;
    Some(body.to_string().into_bytes())
}

/// The number of what a request made.
pub(super) fn made(answer: &Answer) -> Option<String> {
    let id = answer.value().get("data")?.get("id")?.clone();
    id.as_str().map(str::to_owned).or_else(|| id.as_u64().map(|id| id.to_string()))
}

/// Spoils an answer of the account.
pub(super) fn spoil(fault: &Fault, answer: Answer) -> Answer {
    match fault {
        Fault::Malformed => {
            let mut bytes = answer.body.to_vec();
            let half = bytes.len() / 2;
            bytes[half..].iter_mut().for_each(|byte| *byte = b'#');
            Answer { body: bytes.into(), ..answer }
        }
        Fault::RepeatPage | Fault::NoId | Fault::WrongType => {
            let mut value = answer.value();
            if let Some(rows) = value.get_mut("data").and_then(Value::as_array_mut).filter(|rows| !rows.is_empty()) {
                match fault {
                    Fault::RepeatPage => rows.push(rows[0].clone()),
                    Fault::NoId => drop(rows[0].as_object_mut().map(|row| row.remove("id"))),
                    _ => rows[0]["id"] = json!({"value": "not a number"}),
                }
            }
            Answer { body: value.to_string().into(), ..answer }
        }
        _ => answer,
    }
}

/// Whether the pattern, with `*` for anything, is the whole path.
fn matches(pattern: &str, path: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = path.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let parts: Vec<&str> = parts.collect();
    for (at, part) in parts.iter().enumerate() {
        if at + 1 == parts.len() {
            return rest.ends_with(part);
        }
        match rest.find(part) {
            Some(found) => rest = &rest[found + part.len()..],
            None => return false,
        }
    }
    rest.is_empty()
}

#[cfg(test)]
mod tests {
    use super::{Fault, FaultOrder, Faults, matches};

    #[test]
    fn an_order_is_printed_as_it_is_read() {
        let text = "GET /api/v2/deals after=2 times=3 status=503 retry-after=1";
        let order: FaultOrder = text.parse().unwrap();
        assert_eq!(order.to_string(), text);
        assert_eq!(FaultOrder::of_json(&order.to_json()), Ok(order));
    }

    #[test]
    fn orders_without_sense_are_refused() {
        for text in ["", "GET", "GET deals drop", "GET /x", "GET /x status=abc", "GET /x explode"] {
            assert!(text.parse::<FaultOrder>().is_err(), "`{text}` was read");
        }
    }

    #[test]
    fn a_fault_waits_strikes_and_is_gone() {
        let mut faults = Faults { orders: vec!["* /v1/* after=1 times=2 drop".parse().unwrap()] };
        assert_eq!(faults.strike("GET", "/api/v2/deals"), None);
        let struck: Vec<_> = (0..4).map(|_| faults.strike("GET", "/v1/notes")).collect();
        assert_eq!(struck, [None, Some(Fault::Drop), Some(Fault::Drop), None]);
        assert!(faults.orders.is_empty());
    }

    #[test]
    fn a_star_stands_for_anything() {
        assert!(matches("/v1/files/*/download", "/v1/files/7/download"));
        assert!(!matches("/v1/files/*/download", "/v1/files/7"));
        assert!(matches("*", "/v1/files/7") && matches("/v1/*", "/v1/notes") && !matches("/v1", "/v1/notes"));
    }
}
