//! Who holds keys of the archive: listed, added, removed, checked.
//!
//! Listing asks for nothing, since whoever lost a passphrase must still see what else
//! opens the archive. Adding and removing wants a key that may restore: only it has all
//! secrets to hand on, and only it is proof that something is left that reads everything.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use chrono::{DateTime, Utc};

use super::error::Error;
use super::header::Header;
use super::holders::{self, HOLDERS, Holder, Opener, file_of, holders, is_for_passphrase};
use super::keys::Role;
use super::labels::{self, KeyKind, LABELS, Label};
use super::shelf::Shelf;
use super::store::Store;
use super::{Archive, Inner, Unlock};

/// What is known of one key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeyFacts {
    /// The name of its holder file.
    pub id: String,
    /// What opens it; none where the file cannot be read.
    pub kind: Option<KeyKind>,
    /// What it may, as far as its label says.
    pub role: Option<Role>,
    /// For whom it is wrapped, as far as its label says.
    pub recipient: Option<String>,
    /// What its owner calls it.
    pub name: Option<String>,
    /// When it was added.
    pub added: Option<DateTime<Utc>>,
}

/// A key that opens the archive, as a check found it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OpenedKey {
    /// The name of its holder file.
    pub id: String,
    /// What it may.
    pub role: Role,
}

/// What a check of the keys found.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct KeyCheck {
    /// For each key that was given: what it opens; none where it opens nothing.
    pub opened: Vec<Option<OpenedKey>>,
    /// Holder files that none of the given keys is for.
    pub not_tried: Vec<String>,
    /// Files and what is wrong with them.
    pub problems: Vec<(String, String)>,
}

impl KeyFacts {
    fn of(id: String, bytes: Option<&[u8]>, label: Option<&Label>) -> KeyFacts {
        let kind = bytes.and_then(is_for_passphrase).map(|passphrase| match passphrase {
            true => KeyKind::Passphrase,
            false => KeyKind::Recipient,
        });
        let line = label.map(|label| &label.line);
        KeyFacts {
            id,
            kind,
            role: line.map(|line| line.role),
            recipient: line.and_then(|line| line.recipient.clone()),
            name: line.and_then(|line| line.name.clone()),
            added: line.map(|line| line.added),
        }
    }
}

/// The keys of an archive, without opening it, the oldest first.
///
/// What labels say is not proven here; holder files of another rotation are left out where their label says so.
pub fn keys_in(place: impl Into<Shelf>) -> Result<Vec<KeyFacts>, Error> {
    let store = place.into().store;
    let header = Header::read(&store)?;
    if header.recipients.is_none() {
        return Err(Error::NotEncrypted);
    }
    facts(&store, &header)
}

fn facts(store: &Store, header: &Header) -> Result<Vec<KeyFacts>, Error> {
    let (current, other): (Vec<Label>, Vec<Label>) =
        labels::labels(store, &header.archive)?.into_iter().partition(|label| label.line.rotation == header.rotation);
    let others: BTreeSet<&str> = other.iter().map(|label| label.line.holder.as_str()).collect();
    let current: BTreeMap<&str, &Label> = current.iter().map(|label| (label.line.holder.as_str(), label)).collect();
    let mut keys = Vec::new();
    for id in holders(store)? {
        let label = current.get(id.as_str()).copied();
        if label.is_none() && others.contains(id.as_str()) {
            continue;
        }
        let bytes = store.read(&file_of(&id)).ok();
        keys.push(KeyFacts::of(id, bytes.as_deref(), label));
    }
    keys.sort_by(|left, right| (left.added, &left.id).cmp(&(right.added, &right.id)));
    Ok(keys)
}

impl Archive {
    /// The keys of this archive, the oldest first.
    pub fn keys(&self) -> Result<Vec<KeyFacts>, Error> {
        facts(&self.inner.store, &self.inner.header)
    }

    /// Refuses what reads records to a key that may not, before anything is spent on it.
    pub fn may_read(&self, doing: &'static str) -> Result<(), Error> {
        match self.inner.reads_data() && self.inner.reads_manifests() {
            true => Ok(()),
            false => Err(self.inner.secrets.needs(doing, Role::Restore)),
        }
    }

    /// Adds a key; it is on disk when this returns.
    pub fn add_key(&self, role: Role, holder: &Holder, name: Option<String>) -> Result<KeyFacts, Error> {
        let inner = &self.inner;
        inner.may_hand_on("add a key")?;
        let _turn = inner.turn()?;
        let id = inner.hand_on(role, holder, name)?;
        let keys = self.keys()?;
        keys.into_iter().find(|key| key.id == id).ok_or_else(|| Error::Missing(inner.store.path(&file_of(&id))))
    }

    /// Writes a new age identity to a file that must not exist, and adds it as a key.
    pub fn add_identity(&self, role: Role, path: &Path, name: Option<String>) -> Result<KeyFacts, Error> {
        // Before anything is written: a file with a secret that opens nothing only misleads.
        self.inner.may_hand_on("add a key")?;
        let recipient = holders::write_identity(path, role)?;
        self.add_key(role, &Holder::Recipient(recipient), name)
    }

    /// The key whose id begins so.
    pub fn key(&self, name: &str) -> Result<KeyFacts, Error> {
        let mut found = self.keys()?.into_iter().filter(|key| !name.is_empty() && key.id.starts_with(name));
        match (found.next(), found.next()) {
            (Some(key), None) => Ok(key),
            (None, _) => Err(Error::NoKey(name.to_owned())),
            (Some(_), Some(_)) => Err(Error::AmbiguousKey(name.to_owned())),
        }
    }

    /// How many keys that may restore would be left without this one, as far as that can be proven.
    pub fn restorers_without(&self, id: &str) -> Result<usize, Error> {
        self.inner.may_hand_on("remove a key")?;
        Ok(self.inner.restorers()?.iter().filter(|restorer| *restorer != id).count())
    }

    /// Removes a key; the last one that may restore stays.
    pub fn remove_key(&self, id: &str) -> Result<(), Error> {
        let inner = &self.inner;
        inner.may_hand_on("remove a key")?;
        let _turn = inner.turn()?;
        if self.restorers_without(id)? == 0 {
            return Err(Error::LastKey(id.to_owned()));
        }
        // The label last: as long as the holder is there, the list says whose it is.
        inner.store.remove(&file_of(id))?;
        inner.store.settle_folder(HOLDERS)?;
        for label in labels::labels(&inner.store, self.id())? {
            if label.line.holder == id {
                inner.store.remove(&format!("{LABELS}/{}", label.file))?;
            }
        }
        inner.store.settle_folder(LABELS)
    }

    /// Tries keys on the holder files: each has to open this archive, with the secrets that its header names.
    pub fn check_keys(place: impl Into<Shelf>, given: &[&dyn Unlock]) -> Result<KeyCheck, Error> {
        let store = place.into().store;
        let header = Header::read(&store)?;
        if header.recipients.is_none() {
            return Err(Error::NotEncrypted);
        }
        let openers = given.iter().map(|unlock| Opener::of(*unlock)).collect::<Result<Vec<_>, _>>()?;
        let mut done = KeyCheck { opened: vec![None; openers.len()], ..KeyCheck::default() };
        for key in facts(&store, &header)? {
            let (file, path) = (file_of(&key.id), store.path(&file_of(&key.id)));
            let bytes = match store.read(&file) {
                Ok(bytes) if blake3::hash(&bytes).to_hex().as_str() == key.id => bytes,
                Ok(_) => {
                    done.problems.push((file, "its bytes are not what its name says".to_owned()));
                    continue;
                }
                Err(error) => {
                    done.problems.push((file, error.to_string()));
                    continue;
                }
            };
            let mut tried = false;
            for (opener, opened) in openers.iter().zip(&mut done.opened) {
                let wrapped = match opener.open(&bytes, &path) {
                    Ok(None) => continue,
                    Ok(Some((wrapped, _))) => wrapped,
                    Err(error) => {
                        done.problems.push((file.clone(), error.to_string()));
                        tried = true;
                        break;
                    }
                };
                tried = true;
                let fits = wrapped.archive == header.archive && wrapped.fits(&header);
                match wrapped.secrets(&path) {
                    Ok(secrets) if fits && secrets.are_of(&header) => {
                        if key.role.is_some_and(|role| role != secrets.role) {
                            let fact = format!("its label says another role than {}", secrets.role.as_str());
                            done.problems.push((file.clone(), fact));
                        }
                        *opened = Some(OpenedKey { id: key.id.clone(), role: secrets.role });
                    }
                    _ => done.problems.push((file.clone(), "holds other keys than archive.json names".to_owned())),
                }
            }
            if !tried {
                done.not_tried.push(key.id);
            }
        }
        Ok(done)
    }
}

impl Inner {
    /// Refuses where there are no keys, and to a key that has not all of them.
    pub(super) fn may_hand_on(&self, doing: &'static str) -> Result<(), Error> {
        match self.header.recipients {
            None => Err(Error::NotEncrypted),
            Some(_) if self.secrets.role != Role::Restore => Err(self.secrets.needs(doing, Role::Restore)),
            Some(_) => self.header.writable(),
        }
    }

    /// Writes a holder file and its label; the caller has the right to write.
    pub(super) fn hand_on(&self, role: Role, holder: &Holder, name: Option<String>) -> Result<String, Error> {
        holders::hand_on(&self.store, (&self.header, &self.secrets), (role, holder), (name, self.clock.now()))
    }

    /// The keys that may restore: the one in use, and those that their labels prove.
    pub(super) fn restorers(&self) -> Result<BTreeSet<String>, Error> {
        let there: BTreeSet<String> = holders(&self.store)?.into_iter().collect();
        let labels = self.proven_labels()?.into_iter().filter(|label| label.line.role == Role::Restore);
        let mut restorers: BTreeSet<String> = labels.map(|label| label.line.holder).collect();
        if self.secrets.role == Role::Restore {
            restorers.insert(self.holder.clone());
        }
        // One that cannot be read any more restores nothing.
        restorers.retain(|id| there.contains(id) && self.holder_bytes(id).is_ok());
        Ok(restorers)
    }
}
