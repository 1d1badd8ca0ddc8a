//! The line to a store: what is waited for, and what is told at once.
//!
//! A line that was there and is cut is waited for, because hours of reading an account may hang
//! on it; one that never was there is a slip of the pen, and nobody wants to wait for that. What
//! a store answers is left to `object_store`, which asks a busy one again. But a store that
//! is full says so with 507, which counts as one of the failures that pass: nobody makes room
//! in half a minute, so it is told like any other refusal.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpService,
};
use reqwest::StatusCode;

use crate::offsite::refusal::FULL;

/// So long a line is waited for that was there before.
const PATIENCE: Duration = Duration::from_secs(120);
/// So long one that never was there.
const FIRST_PATIENCE: Duration = Duration::from_secs(2);
/// So long between two tries.
const AGAIN: Duration = Duration::from_secs(1);

/// Makes clients that know how long to wait.
#[derive(Debug)]
pub(super) struct Line<C>(pub(super) C);

impl<C: HttpConnector> HttpConnector for Line<C> {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(Patient { inner: self.0.connect(options)?, answered: AtomicBool::new(false) }))
    }
}

/// One client.
#[derive(Debug)]
struct Patient {
    inner: HttpClient,
    /// Somebody answered before.
    answered: AtomicBool,
}

impl HttpService for Patient {
    fn call<'own, 'answer>(
        &'own self,
        request: HttpRequest,
    ) -> Pin<Box<dyn Future<Output = Result<HttpResponse, HttpError>> + Send + 'answer>>
    where
        'own: 'answer,
        Self: 'answer,
    {
        Box::pin(self.ask(request))
    }
}

impl Patient {
    async fn ask(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let begun = Instant::now();
        loop {
            match self.inner.execute(request.clone()).await {
                Ok(answer) => {
                    self.answered.store(true, Ordering::Relaxed);
                    return told_at_once(answer).await;
                }
                Err(error) if error.kind() != HttpErrorKind::Connect => return Err(error),
                // It never left this machine, so it may be sent again whatever it is.
                Err(_) if begun.elapsed() < self.patience() => tokio::time::sleep(AGAIN).await,
                // Nobody above here need try any longer.
                Err(error) => return Err(HttpError::new(HttpErrorKind::Unknown, error)),
            }
        }
    }

    fn patience(&self) -> Duration {
        if self.answered.load(Ordering::Relaxed) { PATIENCE } else { FIRST_PATIENCE }
    }
}

/// The same answer, but for that of a store that is full: as a refusal, with a word for it.
async fn told_at_once(answer: HttpResponse) -> Result<HttpResponse, HttpError> {
    if answer.status() != StatusCode::INSUFFICIENT_STORAGE {
        return Ok(answer);
    }
    let (mut parts, body) = answer.into_parts();
    parts.status = StatusCode::PAYLOAD_TOO_LARGE;
    let said = String::from_utf8_lossy(&body.bytes().await?).into_owned();
    let body = match FULL.iter().any(|code| said.contains(code)) {
        true => said,
        false => format!("<Error><Code>{}</Code><Message>507 Insufficient Storage</Message></Error>", FULL[0]),
    };
    Ok(HttpResponse::from_parts(parts, body.into()))
}
