//! Where the archive lives: in a folder, or in an object store behind a folder of this machine.

use std::env;
use std::path::{Path, PathBuf};
#[cfg(feature = "object-store")]
use std::sync::Arc;

use crate::archive::Shelf;
use crate::cli::complain::Failure;
use crate::cli::config::{self, Profile};
use crate::cli::secret::Source;
use crate::cli::way;
#[cfg(feature = "object-store")]
use crate::offsite::StoreHome;
use crate::offsite::{Address, Haul, Target};

/// Where an archive lives.
pub(crate) enum Dwelling {
    /// A folder.
    Folder(PathBuf),
    /// A place in a store.
    Store(Box<InStore>),
}

/// A place in a store that an archive lives in.
#[cfg_attr(not(feature = "object-store"), expect(dead_code, reason = "then nobody goes there"))]
pub(crate) struct InStore {
    /// Where it is, and what is needed to get in.
    pub(crate) target: Target,
    /// How files travel there and back.
    pub(crate) haul: Haul,
    /// How many bytes of what was fetched stay on this machine.
    pub(crate) kept: u64,
}

/// So much of what was fetched stays on this machine unless somebody says otherwise.
const KEPT: u64 = 4_000_000_000;

impl Dwelling {
    /// Reads what somebody called the archive.
    pub(crate) fn of(named: &Path, profile: &Profile) -> Result<Dwelling, Failure> {
        if !config::is_address(named) {
            return Ok(Dwelling::Folder(named.to_owned()));
        }
        let address = Address::parse(&named.to_string_lossy()).map_err(Failure::from)?;
        if let Address::Folder(path) = address {
            return Ok(Dwelling::Folder(path));
        }
        if let Address::Server { .. } = address {
            return Err(Failure::usage(format!("an archive cannot live in {address}: only copies of one can")).hint(
                "keep it in a folder and copy it there with \"pdbak offsite push\", or mount the folder of the server",
            ));
        }
        let access = profile.store.clone().unwrap_or_default();
        let word =
            |name: &str, written: Option<String>| env::var(name).ok().filter(|word| !word.is_empty()).or(written);
        Ok(Dwelling::Store(Box::new(InStore {
            target: Target {
                endpoint: word("PDBAK_ARCHIVE_ENDPOINT", access.endpoint.clone()),
                region: word("PDBAK_ARCHIVE_REGION", access.region.clone()),
                account: word("PDBAK_ARCHIVE_ACCOUNT", access.account.clone()),
                credentials: Source::store_credentials(&access).read()?,
                lock: way::lock("the archive's store", access.lock.as_deref(), access.lock_days)?,
                ..Target::at(address)
            },
            haul: Haul {
                upload: way::limit(access.limit_upload.as_deref())?,
                download: way::limit(access.limit_download.as_deref())?,
                ..Haul::default()
            },
            kept: access.cache.as_deref().map_or(Ok(KEPT), way::size).map_err(Failure::usage)?,
        })))
    }

    /// The files of the archive.
    pub(crate) fn shelf(&self) -> Result<Shelf, Failure> {
        match self {
            Dwelling::Folder(path) => Ok(Shelf::at(path)),
            Dwelling::Store(place) => in_store(place),
        }
    }
}

#[cfg(feature = "object-store")]
fn in_store(InStore { target, haul, kept }: &InStore) -> Result<Shelf, Failure> {
    Ok(Shelf::of_home(Arc::new(StoreHome::open(target, *haul)?), &working_folder(target)?, *kept)?)
}

#[cfg(not(feature = "object-store"))]
fn in_store(_place: &InStore) -> Result<Shelf, Failure> {
    Err(unbuilt())
}

/// What a pdbak says that knows folders only.
#[cfg(not(feature = "object-store"))]
pub(crate) fn unbuilt() -> Failure {
    Failure::usage("this pdbak was built without object stores").hint("give --archive DIR, a folder of this machine")
}

/// The folder below which lies what is on this machine of an archive in a store.
#[cfg(feature = "object-store")]
pub(crate) fn working_folder(target: &Target) -> Result<PathBuf, Failure> {
    let caches = config::cache_folder().ok_or_else(|| {
        Failure::usage("an archive in a store wants a folder of this machine to work in, and nobody says where")
            .hint("set XDG_CACHE_HOME, or HOME")
    })?;
    let address = format!("{} {}", target.address, target.endpoint.as_deref().unwrap_or_default());
    Ok(caches.join("archives").join(&blake3::hash(address.as_bytes()).to_hex()[..16]))
}
