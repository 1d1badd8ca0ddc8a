//! A Pipedrive account that exists only on this machine and is met over HTTP only.
//!
//! For the demo, for drills, for tests and for people who script against pdbak. It shares nothing with the client, not even the list of
//! objects: it is driven by `fixtures/contract/contract.json`, boiled down from the published API descriptions, and by the rules that the
//! API notes tell. What nobody could confirm is an [assumption](ASSUMPTIONS) with either answer.
//!
//! # Its own endpoints, never metered, without token
//!
//! | request | what it does |
//! |---|---|
//! | `GET /sandbox/judge[?object=Deals]` | the whole truth: object name → array of rows in store shape; deleted ones carry `"is_deleted":true`, files `content_blake3`. Archived deals and leads are among the others, marked `is_archived` |
//! | `GET /sandbox/meter`, `DELETE` | requests and tokens, in all and by endpoint; `DELETE` resets, budget included |
//! | `GET /sandbox/log`, `DELETE` | the last 100,000 requests: method, path, query, status (0: connection dropped); no secrets |
//! | `POST /sandbox/faults` | orders faults: `{"method","path","after","times","fault":"status=503"}`, the text form of [`FaultOrder`] as a string, or an array of either |
//! | `GET /sandbox/faults`, `DELETE` | what is left of them; `DELETE` clears |
//! | `POST /sandbox/mail` | `{"count":N}` delivers so many new threads to the mailbox of the token's user, `{"thread_id":N}` one more message |
//! | `POST /sandbox/user` | `{"id":N}` makes the token that user's: another mailbox, another author |
//! | `POST /sandbox/oauth` | `{"revoke":"access"}` or `{"revoke":"all"}` makes what was given out to the OAuth application worthless |
//! | `POST /sandbox/clock` | `{"advance_seconds":N}` or `{"now":"2026-01-01T00:00:00Z"}` moves its clock; `GET` reads it |
//!
//! # Limits
//!
//! Objects outside the kinds of `kinds.rs` answer 501. `related_*` counters stay as the company was made; search and
//! webhooks' deliveries are not imitated. Nothing is kept on disk.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use chrono::{DateTime, Utc};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

mod account;
mod activities;
mod admin;
mod answer;
mod assume;
mod boards;
mod call;
mod call_logs;
mod check;
mod clock;
mod comments;
pub mod company;
mod contacts;
mod contract;
mod counters;
mod cursor;
mod custom;
mod deals;
mod delivery;
mod discounts;
mod fault;
mod fields;
mod files;
mod filters;
mod followers;
mod goals;
mod history;
mod http;
mod installments;
mod judge;
mod kinds;
mod leads;
mod legacy;
mod lines;
mod list;
mod mail;
mod merge;
mod meter;
mod notes;
mod oauth;
mod offset;
mod own;
mod participants;
mod permissions;
mod pictures;
mod pipelines;
mod products;
mod projects;
mod records;
mod relationships;
mod roles;
pub mod row;
mod scan;
mod serve;
mod settings;
mod show;
mod signed;
mod store;
mod teams;
mod variations;
mod webhooks;

#[cfg(test)]
mod tests;

pub use assume::{ASSUMPTIONS, Assumption, AssumptionError, Assumptions};
pub use fault::{Fault, FaultError, FaultOrder};

pub use company::{Count, CountError};

use company::{Size, fill, made_bytes};

/// The number of the company of a sandbox that was not told another one.
const COMPANY: u64 = 54_235_233;

/// How a sandbox is started.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where it listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The API token that it takes.
    pub token: String,
    /// An OAuth access token that it takes as Bearer.
    pub bearer: Option<String>,
    /// `client_id:client_secret` of the OAuth application it knows, and a refresh token given out before (may be empty).
    pub oauth: Option<(String, String)>,
    /// Decides everything that is left to chance.
    pub seed: u64,
    /// How many records its company has; 0 is an account that was just made.
    pub records: u64,
    /// The number of its company: what is restored from one into another has two.
    pub company: u64,
    /// How many rows of single kinds, instead of their shares of the records.
    pub counts: Vec<Count>,
    /// Faults from the start.
    pub faults: Vec<FaultOrder>,
    /// Answers to the open questions.
    pub assume: Assumptions,
    /// Takes what real clients send against the description.
    pub tolerant: bool,
    /// Also answers calls that the service has taken away, as accounts do that still have them.
    pub legacy: bool,
    /// Where its clock starts; otherwise at the system's time.
    pub now: Option<DateTime<Utc>>,
    /// Tokens a day; 0 is without limit.
    pub daily_tokens: u64,
    /// Requests in two seconds; 0 is without limit.
    pub burst: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            token: "sandbox-token".to_owned(),
            bearer: None,
            oauth: None,
            seed: 7,
            records: 0,
            company: COMPANY,
            counts: Vec::new(),
            faults: Vec::new(),
            assume: Assumptions::default(),
            tolerant: false,
            legacy: false,
            now: None,
            daily_tokens: 0,
            burst: 0,
        }
    }
}

/// Why a sandbox did not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address is taken, or not ours.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why not.
        source: std::io::Error,
    },
    /// It serves this machine only.
    #[error("cannot listen on {0}: a sandbox listens on a loopback address only")]
    NotLoopback(SocketAddr),
}

/// Starts sandboxes.
#[derive(Clone, Copy, Debug)]
pub struct Sandbox;

impl Sandbox {
    /// Makes the company and begins to answer.
    pub async fn start(options: Options) -> Result<Running, Error> {
        if !options.listen.ip().is_loopback() {
            return Err(Error::NotLoopback(options.listen));
        }
        let failed = |source| Error::Listen { address: options.listen, source };
        let listener = TcpListener::bind(options.listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let token = options.token.clone();
        let url = format!("http://{address}");
        let making = {
            let url = url.clone();
            tokio::task::spawn_blocking(move || shared(options, url))
        };
        let shared = Arc::new(making.await.unwrap_or_else(|stopped| std::panic::resume_unwind(stopped.into_panic())));
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn(accept(listener, shared, stopped));
        Ok(Running { url, token, stop, task })
    }
}

/// A sandbox that answers. It stops when it is dropped.
#[derive(Debug)]
pub struct Running {
    url: String,
    token: String,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Running {
    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        self.url.clone()
    }

    /// The API token that it takes.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Waits until it ends by itself, which it does not: for the command that serves until it is interrupted.
    pub async fn wait(&mut self) {
        // The task ends only when it is told to; a panic in it is an end as well.
        let _ = (&mut self.task).await;
    }

    /// Ends it; connections that are open are closed.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        let _ = (&mut self.task).await;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.send_replace(true);
    }
}

/// The account and everything around it.
fn shared(options: Options, url: String) -> http::Shared {
    let contract = contract::Contract::load(options.legacy);
    let now = options.now.unwrap_or_else(Utc::now);
    let mut account = account::Account::empty(&contract, options.seed, now, options.assume);
    account.tolerant = options.tolerant;
    account.legacy = options.legacy;
    account.company = options.company;
    account.url = url;
    let size = Size { records: options.records, counts: options.counts };
    fill(options.seed, &size, now, &mut account);
    account.sign_in();
    http::Shared {
        contract,
        meter: Mutex::new(meter::Meter::new(options.daily_tokens, options.burst, now)),
        account: Mutex::new(account),
        faults: Mutex::new(fault::Faults { orders: options.faults }),
        late: Mutex::default(),
        log: Mutex::new(VecDeque::new()),
        token: options.token,
        bearer: options.bearer,
        oauth: oauth::Desk::new(options.oauth, now),
    }
}

async fn accept(listener: TcpListener, shared: Arc<http::Shared>, mut stopped: watch::Receiver<bool>) {
    loop {
        let stream = tokio::select! {
            _ = stopped.changed() => return,
            accepted = listener.accept() => accepted,
        };
        // A connection that failed before it was accepted is the client's loss, not the end of the sandbox.
        let Ok((stream, _)) = stream else { continue };
        // Answers are written whole; waiting to fill a packet would only add delay.
        let _ = stream.set_nodelay(true);
        let (shared, mut stopped) = (Arc::clone(&shared), stopped.clone());
        tokio::spawn(async move {
            let service = service_fn(move |request| http::reply(Arc::clone(&shared), request));
            let mut server = http1::Builder::new();
            // Answers carry the sandbox's own date.
            server.timer(TokioTimer::new()).auto_date_header(false);
            let connection = server.serve_connection(TokioIo::new(stream), service);
            tokio::select! {
                // An error here is a connection that was ordered to drop, or a client that went away.
                _ = connection => {}
                _ = stopped.changed() => {}
            }
        });
    }
}
