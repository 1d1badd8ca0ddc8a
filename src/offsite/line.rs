//! The line to a store: what is waited for, and what is told at once.
//!
//! A line that was there and is cut is waited for, because hours of reading an account may hang
//! on it; one that never was there is a slip of the pen, and nobody wants to wait for that. What
//! a store answers is left to `object_store`, which asks a busy one again. But a store that
//! is full says so with 507, which counts as one of the failures that pass: nobody makes room
//! in half a minute, so it is told like any other refusal. A line that swallows what is sent
//! and answers nothing is given up after a minute more than the slowest line would need.

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
/// So long an answer is waited for once everything can have been sent.
const SILENCE: Duration = Duration::from_secs(60);
/// Bytes that the slowest line sends in a second.
pub(super) const SLOWEST: u64 = 30_000;

/// Makes clients that know how long to wait.
#[derive(Debug)]
pub(super) struct Line<C>(pub(super) C);

impl<C: HttpConnector> HttpConnector for Line<C> {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let inner = self.0.connect(options)?;
        Ok(HttpClient::new(Patient { inner, answered: AtomicBool::new(false), silence: SILENCE }))
    }
}

/// One client.
#[derive(Debug)]
struct Patient {
    inner: HttpClient,
    /// Somebody answered before.
    answered: AtomicBool,
    silence: Duration,
}

/// Why a request was given up.
#[derive(Debug, thiserror::Error)]
#[error("no answer came")]
struct Silent;

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
        let sending = Duration::from_secs(request.body().content_length() as u64 / SLOWEST);
        loop {
            let answer = tokio::time::timeout(self.silence + sending, self.inner.execute(request.clone()));
            match answer.await.unwrap_or_else(|_| Err(HttpError::new(HttpErrorKind::Timeout, Silent))) {
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

#[cfg(test)]
mod tests {
    use object_store::client::HttpRequestBody;

    use super::*;

    /// Takes everything and answers nothing.
    #[derive(Debug)]
    struct Hole;

    impl HttpService for Hole {
        fn call<'own, 'answer>(
            &'own self,
            _: HttpRequest,
        ) -> Pin<Box<dyn Future<Output = Result<HttpResponse, HttpError>> + Send + 'answer>>
        where
            'own: 'answer,
            Self: 'answer,
        {
            Box::pin(std::future::pending())
        }
    }

    #[tokio::test]
    async fn a_line_that_swallows_everything_is_given_up() {
        let (inner, silence) = (HttpClient::new(Hole), Duration::from_millis(20));
        let patient = Patient { inner, answered: AtomicBool::new(true), silence };
        let error = patient.ask(HttpRequest::new(HttpRequestBody::empty())).await.expect_err("nobody answers");
        assert_eq!(error.kind(), HttpErrorKind::Timeout);
    }
}
