//! One request and its answer: the only place where the token meets the network.
//!
//! Everything that must never get out is kept in here: the token goes into one header
//! of requests to the account's own address, redirects are not followed, and what a
//! library says about a failure loses its URL. What comes back is bounded: an answer
//! in JSON larger than [`JSON_LIMIT`] is refused before it fills the memory.

use std::error::Error as _;
use std::io;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use reqwest::header::{CONTENT_TYPE, DATE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Client, ClientBuilder, Method, Response, StatusCode, Url, multipart};

use super::budget::Limits;
use super::endpoint::is_this_machine;
use super::pass::Pass;
use super::{Endpoint, Error};
use crate::catalogue::Version;

/// The largest answer in JSON; a page of 500 records with every field filled is about 5 MiB.
pub(super) const JSON_LIMIT: usize = 64 << 20;

const CONNECT: Duration = Duration::from_secs(10);
const IDLE: Duration = Duration::from_secs(30);
const WHOLE: Duration = Duration::from_secs(60);

/// What is sent with a request; made anew for each try.
#[derive(Debug)]
pub(super) enum Payload<'a> {
    Nothing,
    Json(Bytes),
    Form(Bytes),
    /// A file with a name and some fields, streamed from disk.
    File {
        path: &'a Path,
        /// The part that holds the contents.
        part: &'static str,
        name: &'a str,
        fields: Vec<(String, String)>,
    },
}

/// A request, ready to be sent as often as it takes.
#[derive(Debug)]
pub(super) struct Request<'a> {
    pub(super) method: Method,
    pub(super) version: Version,
    pub(super) segments: Vec<String>,
    pub(super) query: Vec<(String, String)>,
    pub(super) payload: Payload<'a>,
    pub(super) price: u32,
}

impl Request<'_> {
    /// Whether sending it twice would make two records.
    pub(super) fn creates(&self) -> bool {
        self.method == Method::POST
    }
}

/// A whole answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) limits: Limits,
    pub(super) html: bool,
    pub(super) body: Bytes,
}

/// Why there is no whole answer.
#[derive(Debug)]
pub(super) enum Broken {
    /// The request never left this machine.
    NeverLeft { lasting: bool, why: String },
    /// It left, and nothing came back.
    NoAnswer { why: String },
    /// The answer began and did not end.
    Cut { why: String },
    /// The answer would not end.
    TooLarge { why: String },
    /// A file to be sent could not be read.
    Local(io::Error),
    /// There is nothing (any more) that opens the account.
    NoPass(Error),
}

/// The way to the service.
pub(super) struct Wire {
    client: Client,
    endpoint: Endpoint,
    pass: Pass,
}

/// A client that tells nobody where it came from, follows nobody and repeats nothing by itself.
pub(super) fn client(builder: ClientBuilder, local: bool) -> Result<Client, Error> {
    // Fails only when somebody installed a provider before, and then that one serves.
    let _already_there = rustls::crypto::ring::default_provider().install_default();
    let builder = builder
        .user_agent(concat!("pdbak/", env!("CARGO_PKG_VERSION")))
        .redirect(Policy::none())
        .referer(false)
        .retry(reqwest::retry::never())
        .connect_timeout(CONNECT)
        .read_timeout(IDLE)
        .tcp_nodelay(true);
    // A proxy in the environment must not see what goes to a sandbox on this machine.
    let builder = if local { builder.no_proxy() } else { builder };
    builder.build().map_err(|error| Error::Unreachable(explain(&error)))
}

impl Wire {
    pub(super) fn new(endpoint: Endpoint, pass: Pass) -> Result<Wire, Error> {
        Wire::over(Client::builder(), endpoint, pass)
    }

    /// As [`Wire::new`], from a builder that already trusts what the caller wants trusted.
    pub(super) fn over(builder: ClientBuilder, endpoint: Endpoint, pass: Pass) -> Result<Wire, Error> {
        Ok(Wire { client: client(builder, endpoint.is_local())?, endpoint, pass })
    }

    /// Takes the token out of the service's words.
    pub(super) fn redact(&self, text: &str) -> String {
        self.pass.redact(text)
    }

    /// Sends a request once and reads the whole answer.
    pub(super) async fn send(&self, request: &Request<'_>) -> Result<Answer, Broken> {
        let response = self.begin(request, Some(WHOLE)).await?;
        read_whole(response).await
    }

    /// Sends a request once; the answer's body is left to the caller.
    ///
    /// Once more when the service does not know a token that can be renewed: a request that is 401 did not take place.
    pub(super) async fn begin(&self, request: &Request<'_>, within: Option<Duration>) -> Result<Response, Broken> {
        let (name, value) = self.pass.header().await.map_err(Broken::NoPass)?;
        let response = self.begin_with(request, within, (&name, &value)).await?;
        if response.status() != StatusCode::UNAUTHORIZED {
            return Ok(response);
        }
        match self.pass.header_instead_of(&value).await.map_err(Broken::NoPass)? {
            Some(other) if other != value => self.begin_with(request, within, (&name, &other)).await,
            _ => Ok(response),
        }
    }

    async fn begin_with(
        &self,
        request: &Request<'_>,
        within: Option<Duration>,
        (name, value): (&HeaderName, &HeaderValue),
    ) -> Result<Response, Broken> {
        let url = self.endpoint.url(request.version, &request.segments, &request.query);
        let mut builder = self.client.request(request.method.clone(), url).header(name, value);
        if let Some(within) = within {
            builder = builder.timeout(within);
        }
        let builder = match &request.payload {
            Payload::Nothing => builder,
            Payload::Json(body) => builder.header(CONTENT_TYPE, "application/json").body(body.clone()),
            Payload::Form(body) => builder.header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(body.clone()),
            Payload::File { path, part: called, name, fields } => {
                let part = multipart::Part::file(path).await.map_err(Broken::Local)?.file_name((*name).to_owned());
                let form = multipart::Form::new();
                let form = fields.iter().fold(form, |form, (name, value)| form.text(name.clone(), value.clone()));
                builder.multipart(form.part(*called, part))
            }
        };
        builder.send().await.map_err(|error| broken(&error))
    }

    /// Fetches an address that the service named, without the token: it need not be the service's own.
    pub(super) async fn follow(&self, url: Url) -> Result<Response, Broken> {
        if url.scheme() != "https" && !is_this_machine(&url) {
            return Err(Broken::NeverLeft { lasting: true, why: "redirected to an address without TLS".to_owned() });
        }
        self.client.get(url).send().await.map_err(|error| broken(&error))
    }
}

/// Reads an answer to its end, within the limit.
pub(super) async fn read_whole(mut response: Response) -> Result<Answer, Broken> {
    let status = response.status().as_u16();
    let limits = limits(response.headers());
    let kind = response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let says_html = kind.starts_with("text/html");
    let expected = response.content_length().unwrap_or(0).min(JSON_LIMIT as u64) as usize;
    let mut body = Vec::with_capacity(expected);
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if body.len() + chunk.len() > JSON_LIMIT => {
                return Err(Broken::TooLarge { why: format!("the answer is larger than {} MiB", JSON_LIMIT >> 20) });
            }
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) => break,
            Err(error) => {
                let why = format!("the answer ended after {} bytes: {}", body.len(), explain(&error));
                return Err(Broken::Cut { why });
            }
        }
    }
    let html = says_html || body.trim_ascii_start().first() == Some(&b'<');
    Ok(Answer { status, limits, html, body: body.into() })
}

/// Reads the headers of api/wire.md; what is missing or odd is unknown, not an error.
pub(super) fn limits(headers: &HeaderMap) -> Limits {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let number = |name: &str| text(name).and_then(|value| value.parse::<u64>().ok());
    let time = |name: &str| text(name).and_then(|value| DateTime::parse_from_rfc2822(value).ok()).map(|at| at.to_utc());
    let date = time(DATE.as_str());
    // Either seconds or a moment by the service's own clock.
    let until = |at: DateTime<Utc>| (at - date?).to_std().ok().map(|pause| pause.as_secs());
    let retry_after = number(RETRY_AFTER.as_str()).or_else(|| time(RETRY_AFTER.as_str()).and_then(until));
    // Neither a day nor a window lasts longer, whatever a header says.
    let seconds = |value: u64| Duration::from_secs(value.min(86_400));
    Limits {
        burst: number("x-ratelimit-limit"),
        burst_left: number("x-ratelimit-remaining"),
        burst_reset: number("x-ratelimit-reset").map(seconds),
        day: number("x-daily-ratelimit-token-limit"),
        day_left: number("x-daily-ratelimit-token-remaining"),
        writes_left: number("x-daily-requests-left"),
        retry_after: retry_after.map(seconds),
        date,
    }
}

fn broken(error: &reqwest::Error) -> Broken {
    let why = explain(error);
    if error.is_connect() || error.is_builder() {
        return Broken::NeverLeft { lasting: error.is_builder() || tls_error(error).is_some(), why };
    }
    Broken::NoAnswer { why }
}

/// Says in plain words what a library said, without any address.
fn explain(error: &reqwest::Error) -> String {
    if let Some(tls) = tls_error(error) {
        return explain_tls(&tls);
    }
    if error.is_dns() {
        return "unknown host".to_owned();
    }
    if error.is_timeout() {
        return if error.is_connect() { "no connection in time".to_owned() } else { "no answer in time".to_owned() };
    }
    let mut innermost: &dyn std::error::Error = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    // The library's own outermost words hold the URL, its sources do not.
    if error.source().is_some() { innermost.to_string() } else { "the request failed".to_owned() }
}

/// The TLS library's error, wherever it hides.
fn tls_error(error: &reqwest::Error) -> Option<rustls::Error> {
    let mut next = error.source();
    while let Some(error) = next {
        if let Some(tls) = error.downcast_ref::<rustls::Error>() {
            return Some(tls.clone());
        }
        // An io::Error names the source of what it wraps, not what it wraps.
        let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        if let Some(tls) = wrapped.and_then(|wrapped| wrapped.downcast_ref::<rustls::Error>()) {
            return Some(tls.clone());
        }
        next = match wrapped {
            Some(wrapped) => Some(wrapped),
            None => error.source(),
        };
    }
    None
}

fn explain_tls(error: &rustls::Error) -> String {
    use rustls::CertificateError as Certificate;
    let rustls::Error::InvalidCertificate(reason) = error else { return format!("no secure connection: {error}") };
    let reason = match reason {
        Certificate::Expired | Certificate::ExpiredContext { .. } => "has expired",
        Certificate::NotValidYet | Certificate::NotValidYetContext { .. } => "is not valid yet: is the clock right?",
        Certificate::UnknownIssuer => "was issued by nobody this machine trusts",
        Certificate::NotValidForName | Certificate::NotValidForNameContext { .. } => "is for another host",
        Certificate::Revoked => "was revoked",
        _ => "is not valid",
    };
    format!("the certificate of the service {reason}")
}
