//! A place in an object store, through `object_store`.
//!
//! What a store promises is not taken for granted: several that speak S3 ignore
//! `If-None-Match` without a word, so whether a name can be replaced is tried
//! out, and what arrived is proven by the store's own MD5 of it or by reading
//! it back.

use std::io::Read;
use std::ops::Range;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use md5::{Digest, Md5};
use object_store::aws::{AmazonS3Builder, Checksum};
use object_store::azure::MicrosoftAzureBuilder;
use object_store::client::ReqwestConnector;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::path::Path;
use object_store::{
    BackoffConfig, ClientOptions, Error as StoreError, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload,
    RetryConfig, WriteMultipart,
};

use crate::archive::{FileName, Part, StoredFile};
use crate::offsite::line::{Line, SLOWEST};
use crate::offsite::place::{CLAIM, Listing, Proof, RUNS};
use crate::offsite::refusal::{is_gone, is_unknown_condition, is_whole, refusal, tidy};
use crate::offsite::sign::{LockedUntil, Signing};
use crate::offsite::{Address, Error, Kind, Target};

/// Up to here a file travels in one request, which can be conditional and answers with the MD5 of what arrived.
pub(super) const ONE_REQUEST: u64 = 16 << 20;
/// A server that is busy is asked again for about half a minute.
const RETRIES: usize = 8;
/// A whole request on the slowest line, with what is waited for an answer.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60 + ONE_REQUEST / SLOWEST);

/// A bucket and what stands before every name in it.
#[derive(Clone)]
pub(super) struct Bucket {
    store: Arc<dyn ObjectStore>,
    prefix: String,
    label: String,
    locked_until: LockedUntil,
}

impl Bucket {
    /// Opens a bucket; nothing is asked of it yet.
    pub(super) fn open(target: &Target) -> Result<Bucket, Error> {
        let Address::Bucket { kind, bucket, prefix } = &target.address else {
            return Err(Error::Address { address: target.address.to_string(), fact: "it is no bucket".to_owned() });
        };
        // Whoever connected to an account before has installed it already.
        let _already_there = rustls::crypto::ring::default_provider().install_default();
        let locked_until = LockedUntil::default();
        let refused =
            |error: StoreError| Error::Address { address: target.address.to_string(), fact: tidy(&error.to_string()) };
        let store: Arc<dyn ObjectStore> = match kind {
            Kind::S3 => s3(target, bucket, &locked_until)?,
            Kind::Google => Arc::new(google(target, bucket)?.build().map_err(refused)?),
            Kind::Azure => Arc::new(azure(target, bucket)?.build().map_err(refused)?),
        };
        Ok(Bucket { store, prefix: prefix.clone(), label: target.address.to_string(), locked_until })
    }

    fn path(&self, name: &str) -> Path {
        if self.prefix.is_empty() { Path::from(name) } else { Path::from(format!("{}/{name}", self.prefix)) }
    }

    /// Everything below the prefix.
    pub(super) async fn list(&self) -> Result<Listing, Error> {
        let prefix = (!self.prefix.is_empty()).then(|| Path::from(self.prefix.as_str()));
        let mut found = self.store.list(prefix.as_ref());
        let mut listing = Listing::default();
        while let Some(object) = found.next().await {
            let object = object.map_err(|error| self.error("list", None, error))?;
            let whole = object.location.as_ref();
            let name = match self.prefix.as_str() {
                "" => whole,
                prefix => whole.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('/')).unwrap_or(whole),
            };
            let since = object.last_modified.into();
            match FileName::at_home(name) {
                Some(name) => {
                    let of = if name.part() == Part::Doomed { &mut listing.of_home } else { &mut listing.files };
                    of.push(StoredFile { name, bytes: object.size, since: Some(since) });
                }
                None => match name.strip_prefix(RUNS) {
                    Some(machine) => listing.runs.push((machine.to_owned(), since)),
                    None => listing.other(name),
                },
            }
        }
        Ok(listing)
    }

    /// A small file as a whole; `None` if it is not there.
    pub(super) async fn read(&self, name: &str) -> Result<Option<Bytes>, Error> {
        let read = match self.store.get(&self.path(name)).await {
            Ok(found) => found.bytes().await,
            Err(error) => Err(error),
        };
        match read {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if is_gone(&error) => Ok(None),
            Err(error) => Err(self.error("read", Some(name), error)),
        }
    }

    /// Some bytes of a file; `None` if it is not there.
    pub(super) async fn read_part(&self, name: &str, range: Range<u64>) -> Result<Option<Bytes>, Error> {
        match self.store.get_range(&self.path(name), range.clone()).await {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if is_gone(&error) => Ok(None),
            // It gives whole files only.
            Err(error) if is_whole(&error) => {
                let (from, until) = (range.start as usize, range.end as usize);
                Ok(self.read(name).await?.filter(|all| until <= all.len()).map(|all| all.slice(from..until)))
            }
            Err(error) => Err(self.error("read", Some(name), error)),
        }
    }

    /// Puts a note there, in the place of one that has its name.
    pub(super) async fn note(&self, name: &str, text: Vec<u8>) -> Result<(), Error> {
        let put = self.store.put(&self.path(name), PutPayload::from(text)).await;
        put.map(drop).map_err(|error| self.error("write", Some(name), error))
    }

    /// Removes a file or a note; one that is not there is no error.
    pub(super) async fn remove(&self, name: &str) -> Result<(), Error> {
        match self.store.delete(&self.path(name)).await {
            Ok(()) => Ok(()),
            Err(error) if is_gone(&error) => Ok(()),
            Err(error) => Err(self.error("remove", Some(name), error)),
        }
    }

    /// What people call it.
    pub(super) fn label(&self) -> &str {
        &self.label
    }

    /// A file in pieces; `None` if it is not there.
    pub(super) async fn stream(
        &self,
        name: &FileName,
    ) -> Result<Option<BoxStream<'static, Result<Bytes, Error>>>, Error> {
        match self.store.get(&self.path(name.as_str())).await {
            Ok(found) => {
                let (bucket, name) = (self.clone(), name.clone());
                let pieces = found.into_stream();
                Ok(Some(
                    pieces
                        .map(move |piece| piece.map_err(|error| bucket.error("read", Some(name.as_str()), error)))
                        .boxed(),
                ))
            }
            Err(error) if is_gone(&error) => Ok(None),
            Err(error) => Err(self.error("read", Some(name.as_str()), error)),
        }
    }

    /// Writes the claim twice; true when the store kept the second from replacing the first.
    pub(super) async fn claim(&self, archive: &str) -> Result<bool, Error> {
        let path = self.path(&format!("{CLAIM}{archive}"));
        let text = || PutPayload::from(archive.to_owned());
        for _ in 0..2 {
            match self.store.put_opts(&path, text(), PutMode::Create.into()).await {
                Ok(_) => {}
                Err(StoreError::AlreadyExists { .. } | StoreError::Precondition { .. }) => return Ok(true),
                Err(error) if is_unknown_condition(&error) => {
                    let put = self.store.put(&path, text()).await;
                    return put.map(|_| false).map_err(|error| self.error("write", None, error));
                }
                Err(error) => return Err(self.error("write", None, error)),
            }
        }
        Ok(false)
    }

    /// Until when the store holds on to a file, if it does.
    pub(super) async fn locked_until(&self, name: &str) -> Result<Option<String>, Error> {
        self.locked_until.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.store.head(&self.path(name)).await.map_err(|error| self.error("read", Some(name), error))?;
        Ok(self.locked_until.lock().unwrap_or_else(PoisonError::into_inner).take())
    }

    /// Sends a file in one request.
    pub(super) async fn put(&self, name: &FileName, bytes: Bytes, create: bool) -> Result<Proof, Error> {
        let mode = if create { PutMode::Create } else { PutMode::Overwrite };
        let sent = blake3::hash(&bytes).to_hex();
        let md5 = hex::encode(Md5::digest(&bytes));
        let sent_bytes = bytes.clone();
        let put =
            self.store.put_opts(&self.path(name.as_str()), PutPayload::from_bytes(bytes), PutOptions::from(mode)).await;
        match put {
            Ok(answer) if answer.e_tag.as_deref().map(|tag| tag.trim_matches('"')) == Some(md5.as_str()) => {
                Ok(Proof::Checksum)
            }
            // Then it is as replaceable as anything there, which is told where the place is claimed.
            Err(error) if create && is_unknown_condition(&error) => Box::pin(self.put(name, sent_bytes, false)).await,
            // Somebody else sent it meanwhile, or the answer to an earlier try was lost.
            Ok(_) | Err(StoreError::AlreadyExists { .. }) => self.read_back(name, &sent).await,
            Err(error) => Err(self.error("write", Some(name.as_str()), error)),
        }
    }

    /// Sends a long file in parts; it gets its name when all have arrived.
    pub(super) async fn put_long(&self, name: &FileName, mut from: Box<dyn Read + Send>) -> Result<Proof, Error> {
        let failed = |error| self.error("write", Some(name.as_str()), error);
        let unread =
            |error: std::io::Error| Error::Store { doing: "read", target: name.to_string(), fact: error.to_string() };
        let upload = self.store.put_multipart(&self.path(name.as_str())).await.map_err(failed)?;
        let mut parts = WriteMultipart::new_with_chunk_size(upload, ONE_REQUEST as usize / 2);
        let mut hasher = blake3::Hasher::new();
        loop {
            let mut piece = Vec::new();
            (&mut from).take(ONE_REQUEST / 4).read_to_end(&mut piece).map_err(unread)?;
            if piece.is_empty() {
                break;
            }
            hasher.update(&piece);
            parts.wait_for_capacity(2).await.map_err(failed)?;
            parts.put(piece.into());
        }
        parts.finish().await.map_err(failed)?;
        self.read_back(name, &hasher.finalize().to_hex()).await
    }

    async fn read_back(&self, name: &FileName, sent: &str) -> Result<Proof, Error> {
        let mut hasher = blake3::Hasher::new();
        if let Some(mut pieces) = self.stream(name).await? {
            while let Some(piece) = pieces.next().await {
                hasher.update(&piece?);
            }
        }
        if hasher.finalize().to_hex().as_str() == sent {
            return Ok(Proof::ReadBack);
        }
        let fact = "what is there is not what was sent".to_owned();
        Err(Error::Store { doing: "write", target: format!("{}/{name}", self.label), fact })
    }

    fn error(&self, doing: &'static str, name: Option<&str>, error: StoreError) -> Error {
        refusal(&self.label, doing, name, &error)
    }
}

fn client(clear: bool) -> ClientOptions {
    ClientOptions::new()
        .with_timeout(REQUEST_TIMEOUT)
        .with_connect_timeout(Duration::from_secs(10))
        .with_allow_http(clear)
}

fn retry() -> RetryConfig {
    // From a tenth of a second on about twice as long each time.
    let backoff = BackoffConfig { base: 4.0, ..BackoffConfig::default() };
    RetryConfig { max_retries: RETRIES, retry_timeout: Duration::from_secs(120), backoff }
}

fn s3(target: &Target, bucket: &str, locked_until: &LockedUntil) -> Result<Arc<dyn ObjectStore>, Error> {
    let refused = |fact: String| Error::Address { address: target.address.to_string(), fact };
    let mut builder = AmazonS3Builder::from_env()
        .with_bucket_name(bucket)
        .with_client_options(client(target.in_the_clear()?))
        .with_retry(retry())
        .with_checksum_algorithm(Checksum::SHA256)
        // Not every store that speaks S3 knows how to remove many at once.
        .with_disable_bulk_delete(true);
    if let Some(endpoint) = &target.endpoint {
        builder = builder.with_endpoint(endpoint.trim_end_matches('/')).with_virtual_hosted_style_request(false);
    }
    if let Some(region) = &target.region {
        builder = builder.with_region(region);
    }
    if let Some(credentials) = &target.credentials {
        let mut words = credentials.trim().splitn(3, ':');
        let (Some(id), Some(secret)) = (words.next(), words.next()) else {
            return Err(refused("credentials are written ID:SECRET or ID:SECRET:SESSION".to_owned()));
        };
        builder = builder.with_access_key_id(id).with_secret_access_key(secret);
        if let Some(session) = words.next() {
            builder = builder.with_token(session);
        }
    }
    let region = builder.get_config_value(&object_store::aws::AmazonS3ConfigKey::Region);
    let signing = Signing::new(target.lock, region.unwrap_or_else(|| "us-east-1".to_owned()), locked_until.clone());
    let store = builder
        .with_http_connector(Line(signing.clone()))
        .build()
        .map_err(|error| refused(tidy(&error.to_string())))?;
    signing.knows(store.credentials().clone());
    Ok(Arc::new(store))
}

fn google(target: &Target, bucket: &str) -> Result<GoogleCloudStorageBuilder, Error> {
    let builder = GoogleCloudStorageBuilder::from_env()
        .with_bucket_name(bucket)
        .with_client_options(client(target.in_the_clear()?))
        .with_http_connector(Line(ReqwestConnector::default()))
        .with_retry(retry());
    Ok(match &target.credentials {
        Some(credentials) => builder.with_service_account_key(credentials.as_str()),
        None => builder,
    })
}

fn azure(target: &Target, container: &str) -> Result<MicrosoftAzureBuilder, Error> {
    let mut builder = MicrosoftAzureBuilder::from_env()
        .with_container_name(container)
        .with_client_options(client(target.in_the_clear()?))
        .with_http_connector(Line(ReqwestConnector::default()))
        .with_retry(retry());
    if let Some(account) = &target.account {
        builder = builder.with_account(account);
    }
    if let Some(endpoint) = &target.endpoint {
        builder = builder.with_endpoint(endpoint.clone());
    }
    if let Some(credentials) = &target.credentials {
        builder = builder.with_access_key(credentials.trim());
    }
    Ok(builder)
}
