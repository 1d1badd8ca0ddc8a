//! The sandbox on the wire: connections, authentication, metering, faults, and the way from a request to a handler and back.
//!
//! hyper is used directly because a service that fails drops the connection without an answer, which is the one thing that a story about
//! a lost answer needs and no framework offers.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::{Method, Request, Response};
use serde_json::{Value, json};

use crate::sandbox::account::Account;
use crate::sandbox::answer::{self, Answer, refusal};
use crate::sandbox::call::{Body, Call, Upload};
use crate::sandbox::contract::{Contract, Found, Operation, Sent, Version};
use crate::sandbox::fault::{self, Fault, Faults};
use crate::sandbox::meter::{Meter, Verdict};
use crate::sandbox::{admin, oauth, serve, signed};

/// Longest log of requests.
const LOG_LINES: usize = 100_000;
/// Largest body that is read.
const LARGEST_BODY: usize = 64 << 20;

/// The connection ends without an answer.
#[derive(Debug, thiserror::Error)]
#[error("the connection was ordered to end here")]
pub(super) struct Dropped;

pub(super) type Reply = Response<UnsyncBoxBody<Bytes, std::io::Error>>;

/// What all connections share.
pub(super) struct Shared {
    pub(super) contract: Contract,
    pub(super) account: Mutex<Account>,
    pub(super) meter: Mutex<Meter>,
    pub(super) faults: Mutex<Faults>,
    /// Requests that take place once so many more were answered.
    pub(super) late: Mutex<Vec<(u64, Asked)>>,
    pub(super) log: Mutex<VecDeque<Value>>,
    pub(super) token: String,
    pub(super) bearer: Option<String>,
    pub(super) oauth: oauth::Desk,
}

/// One request, read whole.
pub(super) struct Asked {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) query: Vec<(String, String)>,
    headers: hyper::HeaderMap,
    pub(super) body: Bytes,
}

impl Asked {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// Answers one request with the date of the sandbox's own clock, or fails to drop the connection.
pub(super) async fn reply(shared: Arc<Shared>, request: Request<Incoming>) -> Result<Reply, Dropped> {
    let mut reply = undated(Arc::clone(&shared), request).await?;
    let now = locked(&shared.account).clock.now().format("%a, %d %b %Y %H:%M:%S GMT").to_string();
    reply.headers_mut().insert("date", now.parse().expect("a date is a valid header"));
    let correlation = uuid::Uuid::new_v4().to_string();
    reply.headers_mut().insert("x-correlation-id", correlation.parse().expect("a UUID is a valid header"));
    Ok(reply)
}

async fn undated(shared: Arc<Shared>, request: Request<Incoming>) -> Result<Reply, Dropped> {
    let mut asked = match read(request).await {
        Ok(asked) => asked,
        Err(answer) => return Ok(written(answer, None)),
    };
    if asked.path.starts_with("/sandbox") {
        return Ok(admin::reply(&shared, &asked));
    }
    let struck = locked(&shared.faults).strike(asked.method.as_str(), &asked.path);
    if let Some(fault) = &struck {
        if let Fault::Slow(milliseconds) = fault {
            tokio::time::sleep(Duration::from_millis(*milliseconds)).await;
        }
        if *fault == Fault::Drop {
            log(&shared, &asked, 0);
            return Err(Dropped);
        }
        if let Fault::LoseField(name) = fault
            && let Some(body) = fault::without(name, &asked.body)
        {
            asked.body = body.into();
        }
        if let Fault::Late(requests) = fault {
            log(&shared, &asked, 0);
            locked(&shared.late).push((*requests, asked));
            return Err(Dropped);
        }
    }
    let answer = match struck.as_ref().and_then(fault::in_place) {
        Some(answer) => metered(&shared, answer),
        None => answer(&shared, &asked).await,
    };
    log(&shared, &asked, answer.status);
    if struck == Some(Fault::Forget) {
        forget(&shared, &mut asked, &answer).await;
    }
    arrive_late(&shared).await;
    match struck {
        Some(Fault::LoseAnswer) => Err(Dropped),
        Some(Fault::Cut(bytes)) => Ok(written(answer, Some(bytes))),
        Some(fault) => Ok(written(fault::spoil(&fault, answer), None)),
        None => Ok(written(answer, None)),
    }
}

/// Deletes what a request has just made; nobody is told.
async fn forget(shared: &Shared, asked: &mut Asked, made: &Answer) {
    if let Some(id) = fault::made(made) {
        asked.method = Method::DELETE;
        asked.path = format!("{}/{id}", asked.path);
        asked.body = Bytes::new();
        answer(shared, asked).await;
    }
}

/// Serves the requests whose time has come; nobody waits for their answers.
async fn arrive_late(shared: &Shared) {
    let mut due = Vec::new();
    {
        let mut late = locked(&shared.late);
        for (requests, asked) in std::mem::take(&mut *late) {
            if requests > 1 { late.push((requests - 1, asked)) } else { due.push(asked) }
        }
    }
    for asked in due {
        let answer = answer(shared, &asked).await;
        log(shared, &asked, answer.status);
    }
}

async fn read(request: Request<Incoming>) -> Result<Asked, Answer> {
    let (head, body) = request.into_parts();
    let limited = http_body_util::Limited::new(body, LARGEST_BODY);
    let body = limited.collect().await.map_err(|_| refusal(413, "Request Entity Too Large"))?.to_bytes();
    let query = form_urlencoded::parse(head.uri.query().unwrap_or_default().as_bytes()).into_owned().collect();
    Ok(Asked { method: head.method, path: head.uri.path().to_owned(), query, headers: head.headers, body })
}

/// Routes, authenticates, meters and serves.
async fn answer(shared: &Shared, asked: &Asked) -> Answer {
    if let Some(answer) = oauth::reply(shared, asked).or_else(|| signed::reply(shared, asked)) {
        return answer;
    }
    let Some((version, path)) = version_of(&asked.path) else { return refusal(404, "Not found") };
    if !is_known(shared, asked) {
        return answer::unauthorized();
    }
    let Some(Found { operation, values }) = shared.contract.find(version, asked.method.as_str(), path) else {
        return refusal(404, "Not found");
    };
    let Some(operation) = operation else { return answer::unknown_method() };
    if let Err(answer) = pay(shared, operation) {
        return metered(shared, answer);
    }
    let body = match body_of(operation, asked).await {
        Ok(body) => body,
        Err(answer) => return metered(shared, answer),
    };
    let call = Call { operation, values, query: asked.query.clone(), body };
    let outcome = serve::serve(&mut locked(&shared.account), &shared.contract, &call);
    metered(shared, outcome.unwrap_or_else(|answer| answer))
}

/// api/wire.md: v1 answers under `/v1` and `/api/v1`, v2 under `/api/v2` only.
fn version_of(path: &str) -> Option<(Version, &str)> {
    let of = |prefix: &str, version| {
        path.strip_prefix(prefix).filter(|rest| rest.starts_with('/')).map(|rest| (version, rest))
    };
    of("/api/v2", Version::V2).or_else(|| of("/api/v1", Version::V1)).or_else(|| of("/v1", Version::V1))
}

/// The token in its header; a Bearer must be an access token. api/wire.md: an API token as Bearer is 401.
fn is_known(shared: &Shared, asked: &Asked) -> bool {
    if let Some(token) = asked.header("x-api-token") {
        return token == shared.token;
    }
    if let Some(bearer) = asked.header("authorization").and_then(|value| value.strip_prefix("Bearer ")) {
        let now = locked(&shared.account).clock.now();
        return shared.bearer.as_deref() == Some(bearer) || shared.oauth.is_access(bearer, now);
    }
    let by_query = {
        let account = locked(&shared.account);
        account.assume.yes("query-token") || account.tolerant
    };
    by_query && asked.query.iter().any(|(name, value)| name == "api_token" && *value == shared.token)
}

/// Puts the call on the meter.
fn pay(shared: &Shared, operation: &Operation) -> Result<(), Answer> {
    let (now, told, patches) = {
        let account = locked(&shared.account);
        (account.clock.now(), account.assume.yes("retry-after"), account.assume.yes("fair-use-patch"))
    };
    let writes: &[&str] = if patches { &["POST", "PUT", "PATCH", "DELETE"] } else { &["POST", "PUT"] };
    let is_write = writes.contains(&operation.method.as_str());
    match locked(&shared.meter).take(&operation.name(), operation.tokens, is_write, now) {
        Verdict::Go => Ok(()),
        Verdict::TooFast(wait) => Err(answer::too_many(told.then_some(wait))),
        Verdict::Spent(_) => Err(answer::too_many(None)),
    }
}

fn metered(shared: &Shared, mut answer: Answer) -> Answer {
    answer.headers.extend(locked(&shared.meter).headers());
    answer
}

async fn body_of(operation: &Operation, asked: &Asked) -> Result<Body, Answer> {
    if asked.body.is_empty() {
        return Ok(Body::Empty);
    }
    let mime = asked.header("content-type").unwrap_or_default();
    let form = operation.body.as_ref().map(|body| body.form);
    if mime.starts_with("multipart/form-data") {
        return upload(mime, asked.body.clone()).await.map(Body::Upload);
    }
    if mime.starts_with("application/x-www-form-urlencoded") && form != Some(Sent::Upload) {
        return Ok(Body::Form(form_urlencoded::parse(&asked.body).into_owned().collect()));
    }
    let malformed = |_| refusal(400, "Request body is not valid JSON");
    serde_json::from_slice(&asked.body).map(Body::Json).map_err(malformed)
}

async fn upload(mime: &str, body: Bytes) -> Result<Upload, Answer> {
    let malformed = |_| refusal(400, "Request body is not a valid upload");
    let boundary = multer::parse_boundary(mime).map_err(malformed)?;
    let stream = futures_util::stream::once(async move { Ok::<_, Infallible>(body) });
    let mut parts = multer::Multipart::new(stream, boundary);
    let mut upload = Upload::default();
    while let Some(part) = parts.next_field().await.map_err(malformed)? {
        let name = part.name().unwrap_or_default().to_owned();
        if name == "file" || name == "data" {
            upload.part = name;
            let file_name = part.file_name().unwrap_or("file").to_owned();
            upload.file = Some((file_name, part.bytes().await.map_err(malformed)?));
        } else {
            upload.parts.push((name, part.text().await.map_err(malformed)?));
        }
    }
    Ok(upload)
}

/// The request in the log: no header, no body, no secret in the query.
fn log(shared: &Shared, asked: &Asked, status: u16) {
    let query = asked.query.iter().filter(|(name, _)| !["api_token", "code", "state"].contains(&name.as_str()));
    let query: Vec<String> = query.map(|(name, value)| format!("{name}={value}")).collect();
    let line = json!({"method": asked.method.as_str(), "path": asked.path, "query": query.join("&"), "status": status});
    let mut log = locked(&shared.log);
    if log.len() == LOG_LINES {
        log.pop_front();
    }
    log.push_back(line);
}

/// The answer on the wire; with `cut`, its stream fails after so many bytes of what the length announces.
fn written(answer: Answer, cut: Option<usize>) -> Reply {
    let mut builder = Response::builder().status(answer.status).header("content-type", answer.mime);
    for (name, value) in &answer.headers {
        builder = builder.header(*name, value);
    }
    let body = match cut {
        None => Full::new(answer.body).map_err(|never| match never {}).boxed_unsync(),
        Some(bytes) => {
            builder = builder.header("content-length", answer.body.len());
            let kept = answer.body.slice(..bytes.min(answer.body.len().saturating_sub(1)));
            let pieces = [Ok(Frame::data(kept)), Err(std::io::Error::other(Dropped))];
            StreamBody::new(futures_util::stream::iter(pieces)).boxed_unsync()
        }
    };
    builder.body(body).expect("statuses and headers of answers are valid")
}

/// The lock; a handler that panicked has left the account as it was before or after its one write.
pub(super) fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
