//! A place for copies: a folder, a bucket or a server, with the same few operations.
//!
//! Nothing here removes anything but what copies that died were writing a day
//! ago. A claim, a small file under `tmp/`, says whose copy is on its way while
//! there is no header yet; in a bucket and on a server it is also what is tried out
//! whether names can be kept from being replaced.

use std::io::Write;
use std::path::Path;
use std::time::SystemTime;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;

use crate::archive::{FileName, HeaderFacts, Part, Shelf, StoredFile};
#[cfg(feature = "object-store")]
use crate::offsite::bucket::{Bucket, ONE_REQUEST};
use crate::offsite::error::Trouble;
use crate::offsite::pace::Pace;
#[cfg(feature = "sftp")]
use crate::offsite::server::Server;
use crate::offsite::{Address, Error, Target};

/// Where drafts and claims lie.
pub(super) const DRAFTS: &str = "tmp/";
/// Where an archive that lives there has the notes of its writers.
pub(super) const RUNS: &str = "runs/";
/// What a claim begins with; the archive's id follows.
pub(super) const CLAIM: &str = "tmp/claim-";
/// A piece of a file on its way.
pub(super) const PIECE: usize = 256 << 10;

/// How it was made sure that a file arrived.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Proof {
    /// The store's MD5 of what it received is that of what was sent.
    #[cfg_attr(not(feature = "object-store"), expect(dead_code, reason = "only stores have checksums"))]
    Checksum,
    /// It was read back and hashed.
    ReadBack,
}

/// What lies in a place.
#[derive(Debug, Default)]
pub(super) struct Listing {
    /// Files of an archive.
    pub(super) files: Vec<StoredFile>,
    /// What an archive that lives there has besides, and no copy.
    #[cfg_attr(not(feature = "object-store"), expect(dead_code, reason = "only stores are lived in"))]
    pub(super) of_home: Vec<StoredFile>,
    /// Machines that have a writer there, and when it was last heard of.
    #[cfg_attr(not(feature = "object-store"), expect(dead_code, reason = "only stores are lived in"))]
    pub(super) runs: Vec<(String, SystemTime)>,
    /// Archives whose copies were begun here.
    pub(super) claims: Vec<String>,
    /// Something that no archive has.
    pub(super) stranger: Option<String>,
}

impl Listing {
    /// Enters what is no file of an archive.
    pub(super) fn other(&mut self, name: &str) {
        match name.strip_prefix(CLAIM) {
            Some(archive) => self.claims.push(archive.to_owned()),
            None if name.starts_with(DRAFTS) || name.starts_with(RUNS) => {}
            None => self.stranger = Some(name.to_owned()),
        }
    }
}

/// A place, opened.
pub(super) enum Place {
    /// A folder.
    Folder(Shelf),
    /// A bucket.
    #[cfg(feature = "object-store")]
    Bucket(Bucket),
    /// A folder on a server.
    #[cfg(feature = "sftp")]
    Server(Server),
}

impl Place {
    /// Opens a place; nothing is asked of it yet.
    pub(super) fn open(target: &Target) -> Result<Place, Error> {
        match &target.address {
            Address::Folder(path) => Ok(Place::Folder(Shelf::at(path))),
            #[cfg(feature = "object-store")]
            Address::Bucket { .. } => Ok(Place::Bucket(Bucket::open(target)?)),
            #[cfg(not(feature = "object-store"))]
            Address::Bucket { .. } => Err(Error::Address {
                address: target.address.to_string(),
                fact: "this pdbak was built without object stores".to_owned(),
            }),
            #[cfg(feature = "sftp")]
            Address::Server { .. } => Ok(Place::Server(Server::open(target)?)),
            #[cfg(not(feature = "sftp"))]
            Address::Server { .. } => Err(Error::Address {
                address: target.address.to_string(),
                fact: "this pdbak was built without SFTP".to_owned(),
            }),
        }
    }

    /// Everything that lies there.
    pub(super) async fn list(&self) -> Result<Listing, Error> {
        match self {
            Place::Folder(shelf) => {
                let mut listing = Listing { files: shelf.files()?, stranger: shelf.stranger()?, ..Listing::default() };
                shelf.drafts()?.iter().for_each(|name| listing.other(&format!("{DRAFTS}{name}")));
                Ok(listing)
            }
            #[cfg(feature = "object-store")]
            Place::Bucket(bucket) => bucket.list().await,
            #[cfg(feature = "sftp")]
            Place::Server(server) => server.list().await,
        }
    }

    /// The bytes of a small file; `None` if it is not there.
    pub(super) async fn read(&self, name: &FileName) -> Result<Option<Bytes>, Error> {
        match self {
            Place::Folder(shelf) => match shelf.file(name)? {
                Some(_) => {
                    let mut bytes = Vec::new();
                    std::io::copy(&mut shelf.open(name)?, &mut bytes).map_err(|error| broken("read", name, &error))?;
                    Ok(Some(bytes.into()))
                }
                None => Ok(None),
            },
            #[cfg(feature = "object-store")]
            Place::Bucket(bucket) => bucket.read(name.as_str()).await,
            #[cfg(feature = "sftp")]
            Place::Server(server) => server.read(name.as_str()).await,
        }
    }

    /// What the header there says, or its copy.
    pub(super) async fn header(&self) -> Result<Option<HeaderFacts>, Error> {
        for name in [FileName::header(), FileName::header_copy()] {
            if let Some(bytes) = self.read(&name).await? {
                match HeaderFacts::parse(&bytes, Path::new(name.as_str())) {
                    Err(crate::archive::Error::Damaged { .. }) => {}
                    facts => return Ok(Some(facts?)),
                }
            }
        }
        Ok(None)
    }

    /// Says whose copy this is going to be; true when nothing there can be replaced by a second writer.
    pub(super) async fn claim(&self, archive: &str) -> Result<bool, Error> {
        match self {
            Place::Folder(shelf) => {
                shelf.prepare()?;
                shelf.clear_old_drafts();
                shelf.draft_named(&format!("{CLAIM}{archive}")[DRAFTS.len()..], archive)?;
                Ok(true)
            }
            #[cfg(feature = "object-store")]
            Place::Bucket(bucket) => bucket.claim(archive).await,
            #[cfg(feature = "sftp")]
            Place::Server(server) => server.claim(archive).await,
        }
    }

    /// How names come to be replaced in a place that does not keep them from it.
    pub(super) fn weakness(&self) -> &'static str {
        match self {
            #[cfg(feature = "sftp")]
            Place::Server(_) => "renames files over others, against its protocol",
            _ => "ignores \"If-None-Match\"",
        }
    }

    /// Until when the place holds on to a file, if it does; a folder never says so.
    #[cfg_attr(not(feature = "object-store"), expect(unused_variables, reason = "only stores have locks"))]
    pub(super) async fn locked_until(&self, name: &str) -> Result<Option<String>, Error> {
        match self {
            Place::Folder(_) => Ok(None),
            #[cfg(feature = "object-store")]
            Place::Bucket(bucket) => bucket.locked_until(name).await,
            #[cfg(feature = "sftp")]
            Place::Server(_) => Ok(None),
        }
    }

    /// Sends a file and makes sure of what arrived; `create` where the name must be free.
    pub(super) async fn send(
        &self,
        from: &Shelf,
        file: &StoredFile,
        create: bool,
        pace: &Pace,
    ) -> Result<Proof, Trouble> {
        match self {
            Place::Folder(to) => {
                let (from, to, file) = (from.clone(), to.clone(), file.clone());
                tokio::task::block_in_place(|| shelve(&from, &to, &file, create, pace)).map(|()| Proof::ReadBack)
            }
            #[cfg(feature = "object-store")]
            Place::Bucket(bucket) => upload(bucket, from, file, create, pace).await,
            #[cfg(feature = "sftp")]
            Place::Server(server) => server.send(from, file, create, pace).await,
        }
    }

    /// Returns when all segments and blobs are where nothing can lose them.
    pub(super) fn settle(&self) -> Result<(), Error> {
        match self {
            Place::Folder(shelf) => Ok(shelf.settle()?),
            #[cfg(feature = "object-store")]
            Place::Bucket(_) => Ok(()),
            #[cfg(feature = "sftp")]
            Place::Server(_) => Ok(()),
        }
    }

    /// A file in pieces.
    async fn pieces<'a>(&'a self, name: &'a FileName) -> Result<BoxStream<'a, Result<Bytes, Error>>, Trouble> {
        match self {
            Place::Folder(shelf) => {
                let (mut input, name) = (shelf.open(name)?, name.clone());
                let pieces = std::iter::from_fn(move || {
                    let mut piece = vec![0; PIECE];
                    match input.read(&mut piece) {
                        Ok(0) => None,
                        Ok(read) => {
                            piece.truncate(read);
                            Some(Ok(Bytes::from(piece)))
                        }
                        Err(error) => Some(Err(broken("read", &name, &error))),
                    }
                });
                Ok(futures_util::stream::iter(pieces).boxed())
            }
            #[cfg(feature = "object-store")]
            Place::Bucket(bucket) => bucket.stream(name).await?.ok_or(Trouble::Gone),
            #[cfg(feature = "sftp")]
            Place::Server(server) => server.stream(name).await?.ok_or(Trouble::Gone),
        }
    }

    /// Copies a file into something, as fast as the pace allows; returns the hex BLAKE3 of its bytes.
    pub(super) async fn fetch(
        &self,
        name: &FileName,
        into: &mut (dyn Write + Send),
        pace: &Pace,
    ) -> Result<String, Trouble> {
        let mut pieces = self.pieces(name).await?;
        let mut hasher = blake3::Hasher::new();
        while let Some(piece) = pieces.next().await {
            let piece = piece?;
            pace.allow(piece.len() as u64).await;
            hasher.update(&piece);
            into.write_all(&piece).map_err(|error| broken("write", name, &error))?;
        }
        Ok(hasher.finalize().to_hex().to_string())
    }
}

fn broken(doing: &'static str, name: &FileName, error: &std::io::Error) -> Error {
    Error::Store { doing, target: name.to_string(), fact: error.to_string() }
}

/// Copies a file from folder to folder.
fn shelve(from: &Shelf, to: &Shelf, file: &StoredFile, create: bool, pace: &Pace) -> Result<(), Trouble> {
    let name = &file.name;
    // A log may grow while it is copied: what is copied is what it was when it was listed.
    let mut input = std::io::Read::take(from.open(name)?, file.bytes);
    if name.part() == Part::Log {
        pace.allow_blocking(file.bytes);
        to.extend_log(name, input)?;
        return Ok(());
    }
    let mut arrival = to.receive()?;
    let mut piece = vec![0; PIECE];
    loop {
        let read = std::io::Read::read(&mut input, &mut piece).map_err(|error| broken("read", name, &error))?;
        if read == 0 {
            break;
        }
        pace.allow_blocking(read as u64);
        arrival.write_all(&piece[..read]).map_err(|error| broken("write", name, &error))?;
    }
    whole(name, &arrival.hash())?;
    if !create {
        to.set_aside(name)?;
    }
    Ok(arrival.shelve(name)?)
}

/// Refuses bytes that are not what their name says.
pub(super) fn whole(name: &FileName, found: &str) -> Result<(), Trouble> {
    match name.hash() {
        Some(hash) if hash != found => {
            Err(Trouble::Damaged(format!("is damaged here: its bytes hash to {}", &found[..16])))
        }
        _ => Ok(()),
    }
}

#[cfg(feature = "object-store")]
pub(super) async fn upload(
    bucket: &Bucket,
    from: &Shelf,
    file: &StoredFile,
    create: bool,
    pace: &Pace,
) -> Result<Proof, Trouble> {
    let name = &file.name;
    pace.allow(file.bytes).await;
    if file.bytes > ONE_REQUEST {
        // Read twice, so that nothing is sent that is not what its name says.
        whole(name, &tokio::task::block_in_place(|| from.hash(name))?)?;
        return Ok(bucket.put_long(name, from.open(name)?).await?);
    }
    let mut bytes = Vec::with_capacity(file.bytes as usize);
    let mut input = std::io::Read::take(from.open(name)?, file.bytes);
    std::io::Read::read_to_end(&mut input, &mut bytes).map_err(|error| broken("read", name, &error))?;
    let bytes = Bytes::from(bytes);
    whole(name, &blake3::hash(&bytes).to_hex())?;
    match bucket.put(name, bytes.clone(), create).await {
        // A lost answer is no reason to give up: if the file arrived, the second try finds it there.
        Err(Error::Store { .. }) => Ok(bucket.put(name, bytes, create).await?),
        sent => Ok(sent?),
    }
}
