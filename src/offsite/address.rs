//! Where a copy lies: a folder here or on a server, or a place in an object store.
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
    /// A folder on a machine that speaks SFTP.
    Server {
        /// Who goes there, where it is not whom `ssh` means.
        user: Option<String>,
        /// The machine, by a name that `ssh` knows.
        host: String,
        /// Where it listens, likewise.
        port: Option<u16>,
        /// The folder; what begins with `/~/` is below the user's own.
        path: String,
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
    /// Reads `s3://BUCKET/PREFIX`, `gs://…`, `az://…`, `sftp://[USER@]HOST[:PORT]/PATH`, `file:///PATH` or a path.
    pub fn parse(text: &str) -> Result<Address, Error> {
        // What comes behind an @ or a ? may be a secret and is not repeated.
        let shown = text.split(['?', '#']).next().unwrap_or_default().rsplit('@').next().unwrap_or_default();
        let refused = |fact: &str| Error::Address { address: shown.to_owned(), fact: fact.to_owned() };
        let Some((scheme, rest)) = text.split_once("://") else {
            return match text {
                "" => Err(refused("it is empty")),
                path => Ok(Address::Folder(PathBuf::from(path))),
            };
        };
        if scheme == "sftp" {
            return server(rest).map_err(refused);
        }
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
            _ => return Err(refused("pdbak copies to s3://, gs://, az://, sftp://, file:// and folders")),
        };
        let bucket = url.host_str().filter(|host| !host.is_empty()).ok_or_else(|| refused("it names no bucket"))?;
        let prefix = url.path().trim_matches('/').to_owned();
        Ok(Address::Bucket { kind, bucket: bucket.to_owned(), prefix })
    }
}

/// What stands behind `sftp://`, as it is written: `ssh` gets the words, and the server the path.
fn server(rest: &str) -> Result<Address, &'static str> {
    let (machine, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
    let (user, machine) = machine.rsplit_once('@').map_or((None, machine), |(user, machine)| (Some(user), machine));
    let (host, port) = match machine.rsplit_once(':').filter(|(host, _)| !host.contains(':') || host.ends_with(']')) {
        Some((host, port)) => (host, Some(port.parse().map_err(|_| "its port is no number")?)),
        None => (machine, None),
    };
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    if user.is_some_and(|user| user.contains(':')) {
        return Err("a password does not belong into an address; ssh wants a key");
    }
    // Whatever begins with a dash is an option to somebody.
    let is_word = |word: &str, more: &str| {
        let fits = |letter: char| letter.is_alphanumeric() || more.contains(letter);
        !word.is_empty() && !word.starts_with('-') && word.chars().all(fits)
    };
    if !is_word(host, "-._:%") || !user.is_none_or(|user| is_word(user, "-._@+")) {
        return Err("it names no machine, or nobody who could go there");
    }
    let path = path.trim_end_matches('/');
    if path.is_empty() || path.chars().any(char::is_control) {
        return Err("it names no folder; sftp://HOST/~/FOLDER is one below the user's own");
    }
    Ok(Address::Server { user: user.map(str::to_owned), host: host.to_owned(), port, path: path.to_owned() })
}

impl fmt::Display for Address {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Folder(path) => write!(out, "{}", path.display()),
            Address::Bucket { kind, bucket, prefix } => {
                let scheme = match kind {
                    Kind::S3 => "s3",
                    Kind::Google => "gs",
                    Kind::Azure => "az",
                };
                write!(out, "{scheme}://{bucket}")?;
                if prefix.is_empty() { Ok(()) } else { write!(out, "/{prefix}") }
            }
            Address::Server { user, host, port, path } => {
                let user = user.iter().map(|user| format!("{user}@")).collect::<String>();
                let port = port.iter().map(|port| format!(":{port}")).collect::<String>();
                let host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
                write!(out, "sftp://{user}{host}{port}{path}")
            }
        }
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
    /// In place of `ssh`, for a server: the command and its first options.
    pub ssh_command: Option<String>,
}

impl Target {
    /// A target that needs nothing but its address.
    pub fn at(address: Address) -> Target {
        Target {
            address,
            endpoint: None,
            region: None,
            account: None,
            credentials: None,
            lock: None,
            ssh_command: None,
        }
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
        let server = |user: Option<&str>, host: &str, port, path: &str| Address::Server {
            user: user.map(str::to_owned),
            host: host.to_owned(),
            port,
            path: path.to_owned(),
        };
        for (text, address) in [
            ("sftp://nas/srv/my backups", server(None, "nas", None, "/srv/my backups")),
            ("sftp://kim@nas.example.com:2222/~/crm", server(Some("kim"), "nas.example.com", Some(2222), "/~/crm")),
            ("sftp://[fe80::1%eth0]:22/crm", server(None, "fe80::1%eth0", Some(22), "/crm")),
        ] {
            assert_eq!(Address::parse(text).unwrap(), address);
            assert_eq!(address.to_string(), text);
        }
        for text in ["sftp://nas", "sftp://nas/", "sftp:///srv", "sftp://nas:x/srv", "sftp://-oProxyCommand=x/srv"] {
            assert!(Address::parse(text).is_err(), "{text}");
        }
        for text in ["", "s3://", "ftp://acme/x", "file://other/x"] {
            assert!(Address::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_secret_in_an_address_is_refused_and_not_repeated() {
        for text in [
            "s3://AKIA:hunter2@acme/x",
            "s3://acme/x?secret=hunter2",
            "az://acme/x#hunter2",
            "sftp://kim:hunter2@nas/crm",
        ] {
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
