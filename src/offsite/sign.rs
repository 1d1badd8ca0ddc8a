//! The way of a request to S3: asks for an object lock, and hears whether there is one.
//!
//! `object_store` has no word for object locks. Their headers must be signed
//! like the rest, so they are put in here, on the last step before the wire, and
//! the request is signed again with the same credentials.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use chrono::{TimeDelta, Utc};
use object_store::ClientOptions;
use object_store::aws::{AwsAuthorizer, AwsCredentialProvider};
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpService, ReqwestConnector,
};
use reqwest::header::HeaderValue;

use crate::offsite::Lock;
use crate::offsite::place::RUNS;

const MODE: &str = "x-amz-object-lock-mode";
const UNTIL: &str = "x-amz-object-lock-retain-until-date";

/// What the last answer said of a lock.
pub(super) type LockedUntil = Arc<Mutex<Option<String>>>;

/// Makes clients that ask for the lock.
#[derive(Clone)]
pub(super) struct Signing {
    lock: Option<Lock>,
    region: String,
    locked_until: LockedUntil,
    /// Known only after the store was made, which wants its connector first.
    credentials: Arc<OnceLock<AwsCredentialProvider>>,
}

impl Signing {
    /// A connector for a region.
    pub(super) fn new(lock: Option<Lock>, region: String, locked_until: LockedUntil) -> Signing {
        Signing { lock, region, locked_until, credentials: Arc::default() }
    }

    /// Whose signature stands under what is sent.
    pub(super) fn knows(&self, credentials: AwsCredentialProvider) {
        // A second store made with the same connector would have the same credentials.
        let _known = self.credentials.set(credentials);
    }

    /// Adds the lock to what makes an object, and signs again.
    async fn lock(&self, request: &mut HttpRequest) -> Result<(), HttpError> {
        let (Some(lock), Some(credentials)) = (self.lock, self.credentials.get()) else { return Ok(()) };
        if !makes_object(request) || is_run(request.uri().path()) {
            return Ok(());
        }
        let until = Utc::now() + TimeDelta::days(i64::from(lock.days));
        let until = HeaderValue::from_str(&until.format("%Y-%m-%dT%H:%M:%SZ").to_string())
            .expect("a time is made of plain letters");
        let mode = HeaderValue::from_static(if lock.compliance { "COMPLIANCE" } else { "GOVERNANCE" });
        request.headers_mut().insert(MODE, mode);
        request.headers_mut().insert(UNTIL, until);
        if request.headers().contains_key("x-amz-checksum-sha256") {
            // Locked uploads are refused unless they say how they can be checked.
            request.headers_mut().insert("x-amz-sdk-checksum-algorithm", HeaderValue::from_static("SHA256"));
        }
        request.headers_mut().remove("authorization");
        // The hash of the body was made for the first signature and still holds.
        let body = request.headers().get("x-amz-content-sha256").and_then(|hash| hex::decode(hash.as_bytes()).ok());
        let unsigned = |error| HttpError::new(HttpErrorKind::Unknown, error);
        let credential = credentials.get_credential().await.map_err(unsigned)?;
        AwsAuthorizer::new(&credential, "s3", &self.region).try_authorize(request, body.as_deref()).map_err(unsigned)
    }
}

fn makes_object(request: &HttpRequest) -> bool {
    let query = request.uri().query().unwrap_or_default();
    match request.method().as_str() {
        "PUT" => query.is_empty(),
        "POST" => query.starts_with("uploads") && !query.contains("uploadId"),
        _ => false,
    }
}

/// Whether it is what a writer says of itself, every minute: nobody wants to keep that.
fn is_run(path: &str) -> bool {
    path.rsplit('/').nth(1) == Some(RUNS.trim_end_matches('/'))
}

impl fmt::Debug for Signing {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Signing").field("region", &self.region).field("lock", &self.lock).finish_non_exhaustive()
    }
}

impl HttpConnector for Signing {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let inner = ReqwestConnector::default().connect(options)?;
        Ok(HttpClient::new(Signed { inner, signing: self.clone() }))
    }
}

/// One client.
#[derive(Debug)]
struct Signed {
    inner: HttpClient,
    signing: Signing,
}

impl HttpService for Signed {
    fn call<'own, 'answer>(
        &'own self,
        mut request: HttpRequest,
    ) -> Pin<Box<dyn Future<Output = Result<HttpResponse, HttpError>> + Send + 'answer>>
    where
        'own: 'answer,
        Self: 'answer,
    {
        Box::pin(async move {
            self.signing.lock(&mut request).await?;
            let answer = self.inner.execute(request).await?;
            let told = |name: &str| answer.headers().get(name).and_then(|value| value.to_str().ok());
            if let (Some(mode), Some(until)) = (told(MODE), told(UNTIL)) {
                let lock = format!("{until} ({})", mode.to_lowercase());
                *self.signing.locked_until.lock().unwrap_or_else(PoisonError::into_inner) = Some(lock);
            }
            Ok(answer)
        })
    }
}
