//! Write once, read for years.
//!
//! An archive is a folder of immutable files. Record versions lie in *segments*,
//! contents in *blobs*; a *manifest* says which lines of which segments a
//! snapshot consists of, and is written last. Everything but `archive.json` is
//! named by the hash of its stored bytes and sealed with age, so that any copy
//! can be checked without a key and any machine can read it without pdbak.
//! `FORMAT.md` beside this file is the format for strangers.
//!
//! What holds at any moment, and after a crash at any moment:
//! 1. a name under `segments`, `blobs` and `snapshots` stands for whole contents, on disk;
//! 2. a manifest is in place only when all it names is;
//! 3. the index holds nothing that cannot be made again;
//! 4. nothing that a manifest names is ever changed or removed.

mod absorb;
mod alarms;
mod begin;
mod blob;
mod certificate;
mod check;
mod contents;
mod custody;
mod disk;
mod drills;
mod error;
mod excerpt;
mod facts;
mod forget;
mod glance;
mod header;
mod holders;
mod home;
mod import;
mod index;
mod inspect;
mod keys;
mod labels;
mod log;
mod losses;
mod manifest;
mod map;
mod marks;
mod mending;
mod mentions;
mod merkle;
mod moves;
mod needs;
mod outline;
mod packer;
mod positions;
mod press;
mod progress;
mod prune;
mod reader;
mod reindex;
mod repack;
mod repair;
mod resolve;
mod retention;
mod rotate;
mod run;
mod seal;
mod segment;
mod shelf;
mod signed;
mod snapshot;
mod store;
mod subset;
mod witness;
mod working;
mod writer;

#[cfg(test)]
pub(crate) mod tests;

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use age::x25519;
use zeroize::Zeroizing;

pub use self::alarms::{Alarm, Excess, What};
pub use self::certificate::Certificate;
pub use self::check::{Checked, Kind, Problem, Reading, Remedy};
pub use self::contents::{BlobRef, Contents, Coverage, Ending, SnapshotId, Source, Tally};
pub use self::custody::{KeyCheck, KeyFacts, OpenedKey, keys_in};
pub use self::error::Error;
pub use self::header::HeaderFacts;
pub use self::holders::Holder;
pub use self::home::{Cause, Home, HomeContents, Unreached};
pub use self::import::import;
pub use self::inspect::{Form, inspect};
pub use self::keys::Role;
pub use self::labels::KeyKind;
pub use self::log::{Log, LogEntries};
pub use self::losses::Lost;
pub use self::manifest::Manifest;
pub use self::marks::{Mark, Standing};
pub use self::outline::{Outline, Outlined};
pub use self::progress::Took;
pub use self::prune::{Amount, Pruned};
pub use self::reindex::Reindexed;
pub use self::repack::{Packed, Worth};
pub use self::repair::Repaired;
pub use self::retention::{Decision, Policy, Span};
pub use self::rotate::{Heir, Succession};
pub use self::run::Turn;
pub use self::shelf::{Arrival, FileName, Part, SCHEDULE, Shelf, StoredFile, in_order_of_copying};
pub use self::snapshot::{Difference, Snapshot};
#[cfg(feature = "sftp")]
pub(crate) use self::store::DRAFT_IS_DEAD_AFTER;
pub use self::subset::{Share, Subset, bytes_in};
pub use self::writer::SnapshotWriter;

use self::header::{FORMAT, HEADER, HEADER_COPY, Header, Requires};
use self::index::{INDEX, Index};
use self::keys::Secrets;
use self::labels::LABELS;
use self::manifest::SNAPSHOTS;
use self::mending::Mending;
use self::moves::Moves;
use self::reader::{Cache, Files};
use self::segment::SegmentFile;
use self::signed::Trusted;
use self::store::Store;
use crate::clock::Clock;
use crate::record::DigestKey;

/// How a new archive is protected.
pub enum Protection {
    /// Everything is sealed.
    Encrypted {
        /// What opens it every day.
        passphrase: Zeroizing<String>,
        /// Where to write an identity that opens it without the passphrase.
        recovery: Option<PathBuf>,
    },
    /// Whoever has the folder reads it.
    Clear,
}

/// Where the secret comes from; asked only when it is needed.
pub trait Unlock {
    /// The passphrase.
    fn passphrase(&self) -> Result<Zeroizing<String>, Error>;
    /// An age identity file to use in place of the passphrase.
    fn identity_file(&self) -> Option<PathBuf> {
        None
    }
}

/// An opened archive.
pub struct Archive {
    inner: Arc<Inner>,
}

/// What the archive and its packing thread share.
struct Inner {
    store: Store,
    header: Header,
    secrets: Secrets,
    data_recipient: Option<x25519::Recipient>,
    manifest_recipient: Option<x25519::Recipient>,
    /// Signed with these, a file is this archive's.
    trusted: Vec<Trusted>,
    /// The name of the holder file that was opened.
    holder: String,
    clock: Clock,
    index: Mutex<Index>,
    /// Raised whenever segments may have got other numbers.
    generation: AtomicU64,
    cache: Mutex<Cache>,
    files: Files,
    moves: Mutex<Option<Arc<Moves>>>,
    mending: Mutex<Option<Arc<Mending>>>,
}

impl Archive {
    /// Makes an archive in a folder or store that is empty or not there.
    pub fn create(place: impl Into<Shelf>, protection: Protection, clock: Clock) -> Result<Archive, Error> {
        let place: Shelf = place.into();
        let refused = |fact: &str| Error::CannotCreate { folder: place.label(), fact: fact.to_owned() };
        place.prepare()?;
        let store = place.store.clone();
        let found = store.list("")?;
        if found.iter().any(|name| name == HEADER) {
            return Err(refused("it is an archive already"));
        }
        if !found.iter().all(|name| ["keys", LABELS, "tmp"].contains(&name.as_str())) {
            return Err(refused("it is not empty"));
        }
        // What an interrupted creation left behind opens nothing.
        for folder in ["keys", LABELS] {
            for leftover in store.list(folder)? {
                store.remove(&format!("{folder}/{leftover}"))?;
            }
        }
        let mut header = Header {
            format: FORMAT,
            archive: hex::encode(&keys::random()[..16]),
            created: clock.now(),
            requires: Requires::default(),
            recipients: None,
            signing_key: String::new(),
            marking_key: None,
            rotation: 0,
        };
        let encrypted = matches!(protection, Protection::Encrypted { .. });
        let secrets = Secrets::generate(&mut header, DigestKey(*keys::random()), encrypted);
        let hand_on = |holder: &Holder| {
            holders::hand_on(&store, (&header, &secrets), (Role::Restore, holder), (None, header.created))
        };
        let holder = match protection {
            Protection::Clear => holders::write_clear(&store, &header, &secrets)?,
            Protection::Encrypted { passphrase, recovery } => {
                let holder = hand_on(&Holder::Passphrase(passphrase))?;
                if let Some(path) = recovery {
                    hand_on(&Holder::Recipient(holders::write_identity(&path, Role::Restore)?))?;
                }
                holder
            }
        };
        store.place_as(HEADER_COPY, &header.to_bytes())?;
        // The header last: before it the folder is no archive.
        store.place_as(HEADER, &header.to_bytes())?;
        Archive::assemble(store, header, (secrets, holder), clock)
    }

    /// Opens an archive.
    pub fn open(place: impl Into<Shelf>, unlock: &dyn Unlock, clock: Clock) -> Result<Archive, Error> {
        let store = place.into().store;
        let header = Header::read(&store)?;
        let secrets = holders::unlock(&store, &header, unlock)?;
        Archive::assemble(store, header, secrets, clock)
    }

    fn assemble(
        store: Store,
        header: Header,
        (secrets, holder): (Secrets, String),
        clock: Clock,
    ) -> Result<Archive, Error> {
        let path = store.path(HEADER);
        let garbled = || Error::damaged(&path, "a public key that is none");
        let recipient = |text: &String| x25519::Recipient::from_str(text).map_err(|_| garbled());
        let data_recipient = header.recipients.as_ref().map(|keys| recipient(&keys.data)).transpose()?;
        let manifest_recipient = header.recipients.as_ref().map(|keys| recipient(&keys.manifest)).transpose()?;
        let trusted = Trusted::all(&header, &secrets.retired).ok_or_else(garbled)?;
        let index = Mutex::new(Index::open(&store.path(INDEX), &header.archive)?);
        let (cache, files, moves) = (Mutex::default(), Mutex::new(VecDeque::new()), Mutex::default());
        let generation = AtomicU64::new(0);
        let inner = Inner {
            store,
            header,
            secrets,
            data_recipient,
            manifest_recipient,
            trusted,
            holder,
            clock,
            index,
            generation,
            cache,
            files,
            moves,
            mending: Mutex::default(),
        };
        Ok(Archive { inner: Arc::new(inner) })
    }

    /// The archive's id.
    pub fn id(&self) -> &str {
        &self.inner.header.archive
    }

    /// The folder.
    pub fn root(&self) -> &Path {
        self.inner.store.root()
    }

    /// Its files, wherever they lie.
    pub fn shelf(&self) -> Shelf {
        Shelf::over(self.inner.store.clone())
    }

    /// Whether its files are sealed.
    pub fn is_encrypted(&self) -> bool {
        self.inner.header.recipients.is_some()
    }

    /// What the key in use allows.
    pub fn role(&self) -> Role {
        self.inner.secrets.role
    }

    /// All snapshots that were not forgotten, oldest first. A manifest that cannot be read is an error.
    pub fn snapshots(&self) -> Result<Vec<Manifest>, Error> {
        let (manifests, mut damaged) = self.listed()?;
        match damaged.pop() {
            None => Ok(manifests),
            Some((_, error)) => Err(error),
        }
    }

    /// Snapshots that were not forgotten, oldest first, and those whose manifest cannot be read, with the reason.
    #[expect(clippy::type_complexity, reason = "two lists, and a reader takes them apart at once")]
    pub fn listed(&self) -> Result<(Vec<Manifest>, Vec<(SnapshotId, Error)>), Error> {
        let forgotten = self.inner.readable_standings()?.forgotten;
        let (mut manifests, mut damaged) = (Vec::new(), Vec::new());
        for name in self.inner.store.list(SNAPSHOTS)? {
            let id = SnapshotId(name);
            if forgotten.contains_key(&id) {
                continue;
            }
            match self.inner.line(&id) {
                Ok(line) => manifests.push(line.manifest(&id)),
                Err(error @ (Error::Damaged { .. } | Error::Missing(_) | Error::File { .. })) => {
                    damaged.push((id, error))
                }
                Err(error) => return Err(error),
            }
        }
        manifests.sort_by(|left, right| {
            (left.sequence, left.finished, &left.id).cmp(&(right.sequence, right.finished, &right.id))
        });
        Ok((manifests, damaged))
    }

    /// One snapshot, open for reading.
    pub fn snapshot(&self, id: &SnapshotId) -> Result<Snapshot<'_>, Error> {
        Ok(Snapshot::new(self, self.inner.line(id)?.manifest(id)))
    }

    /// The secret of this archive's keyed hashes, also for digests of other things (plans).
    pub fn digest_key(&self) -> &DigestKey {
        &self.inner.secrets.digest
    }
}

impl Inner {
    fn index(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn cache(&self) -> MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn files(&self) -> MutexGuard<'_, VecDeque<(u32, SegmentFile)>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn known_moves(&self) -> MutexGuard<'_, Option<Arc<Moves>>> {
        self.moves.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn generation(&self) -> u64 {
        self.generation.load(Ordering::SeqCst)
    }

    /// Whether what is sealed for the data key can be read.
    fn reads_data(&self) -> bool {
        self.header.recipients.is_none() || !self.secrets.data.is_empty()
    }

    /// Whether manifests can be read.
    fn reads_manifests(&self) -> bool {
        self.header.recipients.is_none() || !self.secrets.manifest.is_empty()
    }

    /// Forgets what the open transaction did, and every number it may have given out.
    fn roll_back(&self) {
        let mut index = self.index();
        if index.in_transaction() {
            index.roll_back();
            drop(index);
            self.forget_numbers();
        }
    }

    fn forget_numbers(&self) {
        self.generation.fetch_add(1, Ordering::SeqCst);
        *self.cache() = Cache::default();
        self.files().clear();
        self.look_again();
    }

    /// Throws the index away; what is needed of it is read from segments again.
    fn discard_index(&self) -> Result<(), Error> {
        self.roll_back();
        *self.index() = Index::recreate(&self.store.path(INDEX), &self.header.archive)?;
        self.forget_numbers();
        Ok(())
    }

    /// Does something with the index, and once more with a new one if it turns out to be damaged.
    fn healing<T>(&self, mut work: impl FnMut(&Inner) -> Result<T, Error>) -> Result<T, Error> {
        match work(self) {
            Err(error) if error.is_index_damage() && !self.index().in_transaction() => {
                self.discard_index()?;
                work(self)
            }
            done => done,
        }
    }

    /// The number of a segment in the index, which learns it from the segment itself if it has to.
    fn segment_number(&self, name: &str) -> Result<u32, Error> {
        let known = self.index().segment(name)?;
        known.map_or_else(|| self.absorb(name), Ok)
    }
}
