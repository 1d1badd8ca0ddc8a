//! A small S3 that misbehaves on order: forgets conditions, is busy or full, hangs up, has another clock, holds a request for ever.
//!
//! It believes every signature; the real servers of `tests/offsite/run.sh` do not.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

/// What the server does wrong, and what it has.
#[derive(Default)]
pub(crate) struct State {
    pub(crate) objects: BTreeMap<String, Bytes>,
    /// Takes no notice of `If-None-Match`.
    pub(crate) forgets_conditions: bool,
    /// Answers so many requests with 503 first.
    pub(crate) busy: u32,
    /// Hangs up after so many uploads were stored, before it answers.
    pub(crate) hangs_up: u32,
    /// Denies uploads below this folder.
    pub(crate) denies: Option<&'static str>,
    /// Has no room left and says so as Ceph does.
    pub(crate) full: bool,
    /// Has no room left and says so by the status alone.
    pub(crate) full_by_status: bool,
    /// The bucket lies in another region than is said.
    pub(crate) other_region: bool,
    /// Gives all of a file whatever part of it is asked for.
    pub(crate) gives_all: bool,
    /// Its clock is another.
    pub(crate) other_clock: bool,
    /// Keeps object locks; otherwise it refuses them.
    pub(crate) locks: bool,
    /// Takes object locks without a word, and keeps none.
    pub(crate) forgets_locks: bool,
    /// Names that carry a lock, and until when.
    pub(crate) locked: BTreeMap<String, String>,
    /// The number of uploads, or downloads, at which it holds the request and never answers.
    pub(crate) holds: Option<(Method, u32)>,
    /// Uploads that it has answered.
    pub(crate) uploads: u32,
    /// Downloads that it was asked for: of what, and how many bytes left.
    pub(crate) downloads: Vec<(String, usize)>,
    /// Requests that came, of whatever kind.
    pub(crate) requests: u32,
}

/// The server; gone when dropped.
pub(crate) struct S3 {
    state: Arc<Mutex<State>>,
    held: Mutex<Receiver<()>>,
    port: u16,
    _runtime: Runtime,
}

impl S3 {
    /// Starts one that does everything right.
    pub(crate) fn start() -> S3 {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let (holds, held) = channel();
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Arc::clone(&state);
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (state, holds) = (Arc::clone(&shared), holds.clone());
                tokio::spawn(async move {
                    let service = service_fn(move |request| answer(Arc::clone(&state), holds.clone(), request));
                    // A connection that a fault cut is what was ordered.
                    let _cut = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        S3 { state, held: Mutex::new(held), port, _runtime: runtime }
    }

    /// Where it answers.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// What it has, and what it does wrong.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no test panicked with it")
    }

    /// Returns when the ordered request is held.
    pub(crate) fn wait_until_it_holds(&self) {
        self.held.lock().expect("one waits at a time").recv().expect("the server runs");
    }
}

type Answer = Response<Full<Bytes>>;

fn say(status: u16, body: impl Into<Bytes>) -> Answer {
    Response::builder().status(status).body(Full::new(body.into())).expect("an answer")
}

fn fault(status: u16, code: &str) -> Answer {
    say(status, format!("<Error><Code>{code}</Code><Message>as ordered</Message></Error>"))
}

async fn answer(
    state: Arc<Mutex<State>>,
    holds: Sender<()>,
    request: Request<Incoming>,
) -> Result<Answer, Box<dyn std::error::Error + Send + Sync>> {
    let (head, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let held = {
        let mut state = state.lock().expect("no panic");
        match &mut state.holds {
            Some((method, left))
                if *method == head.method && !head.uri.path().ends_with('/') && head.uri.query().is_none() =>
            {
                // One is held; what comes after it is answered.
                let held = *left == 1;
                *left = left.saturating_sub(1);
                held
            }
            _ => false,
        }
    };
    if held {
        holds.send(())?;
        std::future::pending::<Infallible>().await;
    }
    let mut state = state.lock().expect("no panic");
    state.requests += 1;
    if !head.uri.path().starts_with("/acme") {
        // As some do: what is asked for by name is not there, for whatever reason.
        let is_listed = head.uri.query().is_some();
        return Ok(fault(404, if is_listed { "NoSuchBucket" } else { "NoSuchKey" }));
    }
    if state.other_region {
        return Ok(fault(400, "AuthorizationHeaderMalformed"));
    }
    if state.other_clock {
        return Ok(fault(403, "RequestTimeTooSkewed"));
    }
    if state.busy > 0 {
        state.busy -= 1;
        return Ok(fault(503, "SlowDown"));
    }
    let key = head.uri.path().trim_start_matches("/acme").trim_start_matches('/').to_owned();
    if head.method == Method::PUT {
        return put(&mut state, &head.headers, key, body);
    }
    if key.is_empty() {
        return Ok(list(&state));
    }
    if head.method == Method::DELETE {
        state.objects.remove(&key);
        return Ok(say(204, Bytes::new()));
    }
    let Some(bytes) = state.objects.get(&key).cloned() else { return Ok(fault(404, "NoSuchKey")) };
    let mut found =
        Response::builder().header("last-modified", "Tue, 24 Nov 2026 02:00:00 GMT").header("etag", "\"none\"");
    if let Some(until) = state.locked.get(&key) {
        found =
            found.header("x-amz-object-lock-mode", "GOVERNANCE").header("x-amz-object-lock-retain-until-date", until);
    }
    let body = match (&head.method, head.headers.get("range")) {
        (&Method::HEAD, _) => {
            return Ok(found.header("content-length", bytes.len()).body(Full::default())?);
        }
        (_, Some(range)) if !state.gives_all => {
            let (first, last) = range.to_str()?.trim_start_matches("bytes=").split_once('-').ok_or("an open range")?;
            let (first, last) = (first.parse::<usize>()?, last.parse::<usize>()?.min(bytes.len() - 1));
            found = found.status(206).header("content-range", format!("bytes {first}-{last}/{}", bytes.len()));
            bytes.slice(first..=last)
        }
        _ => bytes,
    };
    state.downloads.push((key, body.len()));
    Ok(found.body(Full::new(body))?)
}

fn put(
    state: &mut State,
    headers: &hyper::HeaderMap,
    key: String,
    body: Bytes,
) -> Result<Answer, Box<dyn std::error::Error + Send + Sync>> {
    if state.denies.is_some_and(|folder| key.contains(folder)) {
        return Ok(fault(403, "AccessDenied"));
    }
    if state.full_by_status {
        return Ok(say(507, Bytes::new()));
    }
    if state.full {
        return Ok(fault(403, "QuotaExceeded"));
    }
    if let Some(until) = headers.get("x-amz-object-lock-retain-until-date") {
        if !state.locks && !state.forgets_locks {
            return Ok(fault(400, "InvalidRequest"));
        }
        if state.locks {
            state.locked.insert(key.clone(), until.to_str()?.to_owned());
        }
    }
    if headers.contains_key("if-none-match") && !state.forgets_conditions && state.objects.contains_key(&key) {
        return Ok(fault(412, "PreconditionFailed"));
    }
    state.objects.insert(key, body);
    state.uploads += 1;
    if state.hangs_up > 0 {
        state.hangs_up -= 1;
        return Err("hung up".into());
    }
    Ok(Response::builder().header("etag", "\"none\"").body(Full::default())?)
}

fn list(state: &State) -> Answer {
    let contents = state.objects.iter().map(|(key, bytes)| {
        format!(
            "<Contents><Key>{key}</Key><LastModified>2026-11-24T02:00:00.000Z</LastModified><ETag>\"none\"</ETag><Size>{}</Size></Contents>",
            bytes.len()
        )
    });
    let contents: String = contents.collect();
    say(200, format!("<ListBucketResult><IsTruncated>false</IsTruncated>{contents}</ListBucketResult>"))
}
