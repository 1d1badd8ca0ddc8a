//! Where a copy lies: a folder, or a place in an object store.
//!
//! An address is written in configurations and on command lines, so it never
//! carries a secret: one that does is refused before anything prints it.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

use reqwest::Url;
use zeroize::Zeroizing;

use crate::offsite::Error;

/// Where a copy lies.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Address {
    /// A folder, perhaps on another disk or mounted from another machine.
    Folder(PathBuf),
    /// An object store.
    Bucket {
        /// Which kind.
        kind: Kind,
        /// Bucket or container.
        bucket: String,
        /// What stands before every name in it; may be empty.
        prefix: String,
    },
}

/// The kinds of object stores.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Amazon S3 and what speaks its language.
    S3,
    /// Google Cloud Storage.
    Google,
    /// Azure Blob Storage.
    Azure,
}

impl Address {
    /// Reads `s3://BUCKET/PREFIX`, `gs://…`, `az://…`, `file:///PATH` or a path.
    pub fn parse(text: &str) -> Result<Address, Error> {
        // What comes behind an @ or a ? may be a secret and is not repeated.
        let shown = text.split(['?', '#']).next().unwrap_or_default().rsplit('@').next().unwrap_or_default();
        let refused = |fact: &str| Error::Address { address: shown.to_owned(), fact: fact.to_owned() };
        let Some((scheme, _)) = text.split_once("://") else {
            return match text {
                "" => Err(refused("it is empty")),
                path => Ok(Address::Folder(PathBuf::from(path))),
            };
        };
        let url = Url::parse(text).map_err(|error| refused(&error.to_string()))?;
        if !url.username().is_empty() || url.password().is_some() || url.query().is_some() || url.fragment().is_some() {
            return Err(refused("credentials and options do not belong into an address"));
        }
        let kind = match scheme {
            "file" => {
                let path = url.to_file_path().map_err(|()| refused("it names no folder of this machine"))?;
                return Ok(Address::Folder(path));
            }
            "s3" => Kind::S3,
            "gs" => Kind::Google,
            "az" => Kind::Azure,
            _ => return Err(refused("pdbak copies to s3://, gs://, az://, file:// and folders")),
        };
        let bucket = url.host_str().filter(|host| !host.is_empty()).ok_or_else(|| refused("it names no bucket"))?;
        let prefix = url.path().trim_matches('/').to_owned();
        Ok(Address::Bucket { kind, bucket: bucket.to_owned(), prefix })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Address::Bucket { kind, bucket, prefix } = self else {
            let Address::Folder(path) = self else { return Ok(()) };
            return write!(out, "{}", path.display());
        };
        let scheme = match kind {
            Kind::S3 => "s3",
            Kind::Google => "gs",
            Kind::Azure => "az",
        };
        write!(out, "{scheme}://{bucket}")?;
        if prefix.is_empty() { Ok(()) } else { write!(out, "/{prefix}") }
    }
}

/// How long the store itself refuses to remove or replace what was sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Lock {
    /// Nobody can shorten it, not even the account's owner.
    pub compliance: bool,
    /// From the moment of sending.
    pub days: u32,
}

/// A place for copies, with what is needed to get in.
#[derive(Clone)]
pub struct Target {
    /// Where it is.
    pub address: Address,
    /// The server, where it is not the one everybody means.
    pub endpoint: Option<String>,
    /// The region, where the store wants one.
    pub region: Option<String>,
    /// The storage account, for Azure.
    pub account: Option<String>,
    /// `ID:SECRET[:SESSION]` for S3, a service account's JSON for Google, an access key for Azure;
    /// without it what the store's own tools read from the environment.
    pub credentials: Option<Zeroizing<String>>,
    /// Asks the store to hold on to what is sent.
    pub lock: Option<Lock>,
}

impl Target {
    /// A target that needs nothing but its address.
    pub fn at(address: Address) -> Target {
        Target { address, endpoint: None, region: None, account: None, credentials: None, lock: None }
    }

    /// Whether the endpoint may be spoken to without encryption; refuses one that may not.
    #[cfg_attr(all(not(feature = "object-store"), not(test)), expect(dead_code, reason = "only stores have endpoints"))]
    pub(super) fn in_the_clear(&self) -> Result<bool, Error> {
        let Some(endpoint) = &self.endpoint else { return Ok(false) };
        let refused = |fact: &str| Error::Address { address: self.address.to_string(), fact: fact.to_owned() };
        let url = Url::parse(endpoint).map_err(|_| refused("its endpoint is no address"))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(refused("credentials do not belong into an endpoint"));
        }
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
        let here = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
        match url.scheme() {
            "https" => Ok(false),
            "http" if here => Ok(true),
            _ => Err(refused("its endpoint must be https, except on this machine")),
        }
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.address)
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::{Address, Kind, Target};

    #[test]
    fn an_address_is_a_store_or_a_folder() {
        let bucket = |kind, prefix: &str| Address::Bucket { kind, bucket: "acme".into(), prefix: prefix.into() };
        assert_eq!(Address::parse("s3://acme/crm/daily/").unwrap(), bucket(Kind::S3, "crm/daily"));
        assert_eq!(Address::parse("gs://acme").unwrap(), bucket(Kind::Google, ""));
        assert_eq!(Address::parse("az://acme/x").unwrap().to_string(), "az://acme/x");
        assert_eq!(Address::parse("file:///mnt/usb").unwrap(), Address::Folder(PathBuf::from("/mnt/usb")));
        assert_eq!(Address::parse("copies/acme").unwrap(), Address::Folder(PathBuf::from("copies/acme")));
        for text in ["", "s3://", "ftp://acme/x", "file://other/x"] {
            assert!(Address::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_secret_in_an_address_is_refused_and_not_repeated() {
        for text in ["s3://AKIA:hunter2@acme/x", "s3://acme/x?secret=hunter2", "az://acme/x#hunter2"] {
            let told = Address::parse(text).unwrap_err().to_string();
            assert!(!told.contains("hunter2"), "{told}");
        }
    }

    #[test]
    fn only_this_machine_is_spoken_to_without_encryption() {
        let clear = |endpoint: &str| {
            let address = Address::parse("s3://acme").unwrap();
            Target { endpoint: Some(endpoint.to_owned()), ..Target::at(address) }.in_the_clear().ok()
        };
        assert_eq!((clear("http://127.0.0.1:9000"), clear("http://localhost:9000")), (Some(true), Some(true)));
        assert_eq!((clear("https://s3.example.com"), clear("http://s3.example.com")), (Some(false), None));
        assert_eq!(clear("https://id:secret@s3.example.com"), None);
    }
}
