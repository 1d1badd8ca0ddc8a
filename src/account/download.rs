//! Contents of files.
//!
//! The service may answer with the bytes or send us to a storage of its own choice
//! (UNCONFIRMED today, api/objects.md File contents); the token does not go along.
//! What arrives is spooled first, so that a broken connection is tried again and the
//! receiver gets everything or nothing.

use std::io::{self, Read, Seek, Write as Sink};

use reqwest::header::LOCATION;
use reqwest::{Response, Url};
use tempfile::SpooledTempFile;

use super::answer::{self, Asked};
use super::exchange::{self, Broken, Request};
use super::retry::Tried;
use super::{Account, Error, address, reading};
use crate::catalogue::{Contents, Version};
use crate::record::Key;

/// Larger contents are spooled on disk.
const IN_MEMORY: usize = 4 << 20;

/// Redirects in a row.
const HOPS: usize = 5;

/// What a try at a download came to.
enum Arrived {
    Whole(SpooledTempFile),
    /// An answer that is no download.
    Else(exchange::Answer),
}

impl Account {
    /// Downloads contents into `into`, which gets all of them or nothing; answers their length.
    ///
    /// [`Error::Gone`] when the service has none (any more).
    pub async fn download(
        &self,
        contents: &'static Contents,
        key: &Key,
        into: &mut (dyn Sink + Send),
    ) -> Result<u64, Error> {
        let segments = address::segments(contents.path, None, Some(&key.to_string())).ok_or(Error::Gone)?;
        let request = reading(Version::V1, segments, Vec::new(), contents.price);
        hand_over(self.spooled(&request).await?, into)
    }

    /// Takes contents from an address that the service named in a row; the token does not go along, and nothing is paid.
    pub async fn download_from(&self, address: &str, into: &mut (dyn Sink + Send)) -> Result<u64, Error> {
        let url = Url::parse(address).map_err(|_| Error::Garbled("the row names no address of its contents".into()))?;
        let _turn = self.turn().await;
        let mut tried = Tried::default();
        loop {
            let begun = self.wire.follow(url.clone()).await;
            if let Some(ended) = self.arrived(begun, &mut tried).await {
                return ended.and_then(|spool| hand_over(spool, into));
            }
        }
    }

    async fn spooled(&self, request: &Request<'_>) -> Result<SpooledTempFile, Error> {
        let _turn = self.turn().await;
        let mut tried = Tried::default();
        loop {
            let reserved = self.admit(request).await?;
            let begun = self.wire.begin(request, None).await;
            match &begun {
                Ok(response) => reserved.learn(&exchange::limits(response.headers())),
                Err(_) => drop(reserved),
            }
            if let Some(ended) = self.arrived(begun, &mut tried).await {
                return ended;
            }
        }
    }

    /// How a try ended; `None` when it is worth another.
    async fn arrived(
        &self,
        begun: Result<Response, Broken>,
        tried: &mut Tried,
    ) -> Option<Result<SpooledTempFile, Error>> {
        let came = match begun {
            Ok(response) => self.receive(response).await,
            Err(broken) => Err(broken),
        };
        let came = match came {
            Ok(Arrived::Whole(spool)) => return Some(Ok(spool)),
            Ok(Arrived::Else(answer)) => Ok(answer),
            Err(broken) => Err(broken),
        };
        let settled = self.settle(came, false, tried, Asked::One).await?;
        // A success that is no download has been taken as one before.
        Some(Err(settled.map_or_else(|error| error, |answer| answer::failure(&answer, Asked::One))))
    }

    /// Follows an answer to where the bytes are, and takes them in.
    async fn receive(&self, mut response: Response) -> Result<Arrived, Broken> {
        for _hop in 0..HOPS {
            if !response.status().is_redirection() {
                break;
            }
            let Some(target) = target(&response) else {
                return Err(Broken::Cut { why: "redirected to nowhere".to_owned() });
            };
            response = self.wire.follow(target).await?;
        }
        if !response.status().is_success() {
            return exchange::read_whole(response).await.map(Arrived::Else);
        }
        let mut spool = SpooledTempFile::new(IN_MEMORY);
        let mut received = 0_u64;
        loop {
            match response.chunk().await {
                Ok(Some(chunk)) => {
                    spool.write_all(&chunk).map_err(Broken::Local)?;
                    received += chunk.len() as u64;
                }
                Ok(None) => return Ok(Arrived::Whole(spool)),
                Err(_) => return Err(Broken::Cut { why: format!("the download ended after {received} bytes") }),
            }
        }
    }
}

fn target(response: &Response) -> Option<Url> {
    let location = response.headers().get(LOCATION)?.to_str().ok()?;
    response.url().join(location).ok()
}

fn hand_over(spool: SpooledTempFile, into: &mut (dyn Sink + Send)) -> Result<u64, Error> {
    pour(spool, into).map_err(|source| Error::Local { doing: "hand over what was downloaded", source })
}

fn pour(mut spool: SpooledTempFile, into: &mut (dyn Sink + Send)) -> io::Result<u64> {
    spool.rewind()?;
    let mut buffer = vec![0; 64 << 10];
    let mut handed = 0;
    loop {
        let read = spool.read(&mut buffer)?;
        if read == 0 {
            return Ok(handed);
        }
        into.write_all(&buffer[..read])?;
        handed += read as u64;
    }
}
