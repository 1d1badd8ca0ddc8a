//! Rules of the sandbox, met the way a client meets them.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::sandbox::answer::Answer;
use crate::sandbox::call::{Body, Call, Upload};
use crate::sandbox::contract::Version;
use crate::sandbox::http::{Shared, locked};
use crate::sandbox::{Options, serve};

mod children;
mod company;
mod described;
mod fields;
mod lists;
mod mail;
mod records;
mod wire;

/// An account without sockets.
struct Desk {
    shared: Arc<Shared>,
}

impl Desk {
    fn new() -> Self {
        Self::assuming("odd=no")
    }

    fn assuming(assume: &str) -> Self {
        Self::with(Options { assume: assume.parse().unwrap(), ..Options::default() })
    }

    fn tolerant() -> Self {
        Self::with(Options { assume: "odd=no".parse().unwrap(), tolerant: true, ..Options::default() })
    }

    /// A company of so many records.
    fn of_company(records: u64) -> Self {
        Self::with(Options { assume: "odd=no".parse().unwrap(), records, ..Options::default() })
    }

    fn with(options: Options) -> Self {
        let options = Options { now: Some("2026-03-01T12:00:00Z".parse().unwrap()), ..options };
        Self { shared: Arc::new(crate::sandbox::shared(options, "http://127.0.0.1:1".to_owned())) }
    }

    /// Status and body of a request below `/api/v2` or `/v1`.
    fn ask(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        let answer = self.answer(method, path, body);
        (answer.status, answer.value())
    }

    fn answer(&self, method: &str, path: &str, body: Value) -> Answer {
        self.send(method, path, if body.is_null() { Body::Empty } else { Body::Json(body) })
    }

    /// A file, uploaded with these parts beside it.
    fn upload(&self, name: &str, bytes: &'static [u8], parts: &[(&str, &str)]) -> Value {
        let parts = parts.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let file = Some((name.to_owned(), bytes::Bytes::from_static(bytes)));
        let upload = Upload { part: "file".to_owned(), file, parts };
        let answer = self.send("POST", "/v1/files", Body::Upload(upload));
        assert_eq!(answer.status, 200);
        answer.value()["data"].clone()
    }

    fn send(&self, method: &str, path: &str, body: Body) -> Answer {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let (version, path) = match path.strip_prefix("/api/v2") {
            Some(rest) => (Version::V2, rest),
            None => (Version::V1, path.strip_prefix("/v1").expect("a path of the API")),
        };
        let found = self.shared.contract.find(version, method, path).expect("a known path");
        let call = Call {
            operation: found.operation.expect("a known verb"),
            values: found.values,
            query: form_urlencoded::parse(query.as_bytes()).into_owned().collect(),
            body,
        };
        let outcome = serve::serve(&mut locked(&self.shared.account), &self.shared.contract, &call);
        outcome.unwrap_or_else(|answer| answer)
    }

    /// The data of a request that succeeds.
    fn ok(&self, method: &str, path: &str, body: Value) -> Value {
        let (status, answer) = self.ask(method, path, body);
        assert!(status < 300, "{method} {path}: {status} {answer}");
        answer["data"].clone()
    }

    fn get(&self, path: &str) -> Value {
        self.ok("GET", path, Value::Null)
    }

    /// The error of a request that is refused with this status.
    fn refused(&self, status: u16, method: &str, path: &str, body: Value) -> String {
        let (found, answer) = self.ask(method, path, body);
        assert_eq!(found, status, "{method} {path}: {answer}");
        answer["error"].as_str().unwrap_or_default().to_owned()
    }

    fn later(&self, days: i64) {
        let mut account = locked(&self.shared.account);
        let now = account.clock.now() + chrono::TimeDelta::days(days);
        account.clock.set(now);
    }

    fn person(&self, name: &str) -> u64 {
        self.ok("POST", "/api/v2/persons", json!({"name": name}))["id"].as_u64().unwrap()
    }

    fn deal(&self, body: Value) -> u64 {
        self.ok("POST", "/api/v2/deals", body)["id"].as_u64().unwrap()
    }
}
