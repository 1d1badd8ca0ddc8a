//! Holder files: an archive's secrets, wrapped for a passphrase or for an age recipient.
//!
//! Each is an age file that the stock tool opens, named by the hash of its bytes.
//! One is enough to open the archive with; what is damaged or somebody else's costs
//! nothing while another opens.

use std::io::{Read, Write};
use std::path::Path;
use std::str::FromStr;

use age::secrecy::{ExposeSecret, SecretString};
use age::{scrypt, x25519};
use chrono::{DateTime, Utc};
use zeroize::Zeroizing;

use super::error::Error;
use super::header::{HEADER, HEADER_COPY, Header};
use super::keys::{Role, Secrets, Wrapped};
use super::store::Store;
use super::{Inner, Unlock, labels};

/// scrypt needs 2^16 · 1 KiB = 64 MiB and about 0.15 s: felt by who guesses, hardly by who knows.
const WORK_FACTOR: u8 = if cfg!(test) { 8 } else { 16 };
/// The most work a holder file may demand of whoever opens it (256 MiB).
const WORK_FACTOR_LIMIT: u8 = 18;
/// Where holder files lie.
pub(super) const HOLDERS: &str = "keys";
/// How the secret half of an age identity begins.
const IDENTITY: &str = "AGE-SECRET-KEY-";

/// For whom a holder file is made.
pub enum Holder {
    /// Whoever knows a passphrase.
    Passphrase(Zeroizing<String>),
    /// Whoever has the secret of this age recipient (`age1…`).
    Recipient(String),
}

/// Writes the holder file of an archive in which nothing is sealed.
pub(super) fn write_clear(store: &Store, header: &Header, secrets: &Secrets) -> Result<String, Error> {
    place(store, &secrets.wrap(Role::Restore, header)?)
}

/// The bytes of a holder file.
fn sealed(wrapped: &[u8], holder: &Holder) -> Result<Vec<u8>, Error> {
    match holder {
        Holder::Passphrase(passphrase) => {
            let mut recipient = scrypt::Recipient::new(SecretString::from(passphrase.as_str()));
            recipient.set_work_factor(WORK_FACTOR);
            wrap_for(&recipient, wrapped)
        }
        Holder::Recipient(recipient) => {
            let recipient = x25519::Recipient::from_str(recipient)
                .map_err(|fact| Error::Unlock(format!("no age recipient: {fact}")))?;
            wrap_for(&recipient, wrapped)
        }
    }
}

/// Puts a holder file in place; its name is the hash of what is stored.
fn place(store: &Store, bytes: &[u8]) -> Result<String, Error> {
    let mut draft = store.draft()?;
    draft.write_all(bytes).map_err(Error::file("write", &store.path(HOLDERS)))?;
    Ok(draft.place(HOLDERS, |_| Ok(()))?.name)
}

/// Writes a holder file and the label that says whose it is.
///
/// The label first: one without its holder says nothing, but a holder without its label is a key of nobody knows whom,
/// which no rotation could hand anything on to.
pub(super) fn hand_on(
    store: &Store,
    (header, secrets): (&Header, &Secrets),
    (role, holder): (Role, &Holder),
    (name, added): (Option<String>, DateTime<Utc>),
) -> Result<String, Error> {
    let bytes = sealed(&secrets.wrap(role, header)?, holder)?;
    let id = blake3::hash(&bytes).to_hex().to_string();
    if let Some(key) = secrets.label_keys().next() {
        labels::write(store, &key, &labels::line(header, (&id, holder), role, name, added))?;
    }
    place(store, &bytes)
}

fn wrap_for(recipient: &dyn age::Recipient, clear: &[u8]) -> Result<Vec<u8>, Error> {
    let refused = |error: String| Error::Unlock(error);
    let encryptor =
        age::Encryptor::with_recipients(std::iter::once(recipient)).map_err(|error| refused(error.to_string()))?;
    let mut writer = encryptor.wrap_output(Vec::new()).map_err(|error| refused(error.to_string()))?;
    writer.write_all(clear).and_then(|()| writer.finish()).map_err(|error| refused(error.to_string()))
}

/// The names of the holder files of an archive.
pub(super) fn holders(store: &Store) -> Result<Vec<String>, Error> {
    let mut names = store.list(HOLDERS)?;
    names.retain(|name| !HEADER_COPY.ends_with(name.as_str()));
    Ok(names)
}

/// Where a holder file lies.
pub(super) fn file_of(name: &str) -> String {
    format!("{HOLDERS}/{name}")
}

/// Whether a holder file is wrapped for a passphrase, as far as it says so.
pub(super) fn is_for_passphrase(bytes: &[u8]) -> Option<bool> {
    age::Decryptor::new(bytes).ok().map(|decryptor| decryptor.is_scrypt())
}

/// What opens holder files: a passphrase, or the identities in a file.
pub(super) enum Opener {
    Passphrase(Zeroizing<String>),
    Identities(Vec<x25519::Identity>),
}

impl Opener {
    /// Asks for what opens.
    pub(super) fn of(unlock: &dyn Unlock) -> Result<Opener, Error> {
        let Some(path) = unlock.identity_file() else { return Ok(Opener::Passphrase(unlock.passphrase()?)) };
        let text = Zeroizing::new(std::fs::read_to_string(&path).map_err(Error::file("read", &path))?);
        let secrets = text.lines().map(str::trim).filter(|line| line.starts_with(IDENTITY));
        let identities: Vec<x25519::Identity> = secrets
            .map(|secret| x25519::Identity::from_str(secret).map_err(|fact| Error::Unlock(fact.to_owned())))
            .collect::<Result<_, _>>()?;
        match identities.is_empty() {
            true => Err(Error::Unlock(format!("no age identity in {}", path.display()))),
            false => Ok(Opener::Identities(identities)),
        }
    }

    /// The inside of a holder file and for whom it is wrapped; `None` when it is for somebody else.
    pub(super) fn open(&self, bytes: &[u8], path: &Path) -> Result<Option<(Wrapped, Holder)>, Error> {
        match self {
            Opener::Passphrase(passphrase) => {
                let mut identity = scrypt::Identity::new(SecretString::from(passphrase.as_str()));
                identity.set_max_work_factor(WORK_FACTOR_LIMIT);
                let clear = unwrap_for(&identity, bytes, path)?;
                let wrapped = clear.map(|clear| Wrapped::parse(&clear, path)).transpose()?;
                Ok(wrapped.map(|wrapped| (wrapped, Holder::Passphrase(passphrase.clone()))))
            }
            Opener::Identities(identities) => {
                for identity in identities {
                    if let Some(clear) = unwrap_for(identity, bytes, path)? {
                        let holder = Holder::Recipient(identity.to_public().to_string());
                        return Ok(Some((Wrapped::parse(&clear, path)?, holder)));
                    }
                }
                Ok(None)
            }
        }
    }
}

/// `None` when the file is wrapped for somebody else.
fn unwrap_for(key: &dyn age::Identity, bytes: &[u8], path: &Path) -> Result<Option<Zeroizing<Vec<u8>>>, Error> {
    let garbled = |error: String| Error::damaged(path, error);
    let decryptor = age::Decryptor::new(bytes).map_err(|error| garbled(error.to_string()))?;
    let mut reader = match decryptor.decrypt(std::iter::once(key)) {
        Ok(reader) => reader,
        Err(
            age::DecryptError::NoMatchingKeys
            | age::DecryptError::KeyDecryptionFailed
            | age::DecryptError::DecryptionFailed,
        ) => return Ok(None),
        Err(error) => return Err(garbled(error.to_string())),
    };
    // As much room as the file is long: a buffer that grows leaves copies of secrets behind.
    let mut clear = Zeroizing::new(Vec::with_capacity(bytes.len()));
    reader.read_to_end(&mut clear).map_err(|error| garbled(error.to_string()))?;
    Ok(Some(clear))
}

/// Tries the key at hand on every holder file; returns the secrets and the name of the file they were in.
pub(super) fn unlock(store: &Store, header: &Header, unlock: &dyn Unlock) -> Result<(Secrets, String), Error> {
    let opener = header.recipients.as_ref().map(|_| Opener::of(unlock)).transpose()?;
    let (mut damage, mut other) = (None, None);
    for name in holders(store)? {
        let path = store.path(&file_of(&name));
        let opened = store.read(&file_of(&name)).and_then(|bytes| match &opener {
            // Nothing else would tell that it is damaged: it is not sealed.
            None if blake3::hash(&bytes).to_hex().as_str() != name => {
                Err(Error::damaged(&path, "its bytes have another hash"))
            }
            None => Wrapped::parse(&bytes, &path).map(Some),
            Some(opener) => Ok(opener.open(&bytes, &path)?.map(|(wrapped, _)| wrapped)),
        });
        // A holder that cannot be read, or is another's, costs nothing while one opens.
        match opened {
            Ok(Some(wrapped)) if wrapped.archive == header.archive && wrapped.fits(header) => {
                return Ok((wrapped.secrets(&path)?, name));
            }
            // An interrupted rotation leaves holders of the keys before and after it side by side.
            Ok(Some(wrapped)) if wrapped.archive == header.archive => other = Some(wrapped.rotation),
            Ok(_) => {}
            Err(error) => damage = Some(error),
        }
    }
    Err(match (other, damage) {
        (Some(rotation), _) if rotation < header.rotation => Error::Superseded(store.path(HEADER)),
        (Some(_), _) => Error::damaged(&store.path(HEADER), "public keys that do not belong to the secret ones"),
        (None, Some(damage)) => damage,
        (None, None) => Error::WrongKey,
    })
}

impl Inner {
    /// Reads a holder file whose bytes are what its name says.
    pub(super) fn holder_bytes(&self, name: &str) -> Result<Vec<u8>, Error> {
        let bytes = self.store.read(&file_of(name))?;
        let found = blake3::hash(&bytes).to_hex();
        match found.as_str() == name {
            true => Ok(bytes),
            false => {
                Err(Error::damaged(&self.store.path(&file_of(name)), format!("its bytes hash to {}", &found[..16])))
            }
        }
    }
}

/// Writes a new age identity that only its owner may read, and returns its recipient.
pub(super) fn write_identity(path: &Path, role: Role) -> Result<String, Error> {
    let identity = x25519::Identity::generate();
    let recipient = identity.to_public().to_string();
    let use_of_it = match role {
        Role::Put => "takes snapshots into a pdbak archive and reads nothing in it",
        Role::List => "lists and forgets snapshots of a pdbak archive and reads no record",
        Role::Restore => "opens a pdbak archive without its passphrase; keep it away from the archive",
    };
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path).map_err(Error::file("write", path))?;
    let text =
        Zeroizing::new(format!("# {use_of_it}\n# public key: {recipient}\n{}\n", identity.to_string().expose_secret()));
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    written.map_err(Error::file("write", path))?;
    // A key whose name is lost in a power cut is a lost key.
    if cfg!(unix) {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        std::fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(Error::file("write", folder))?;
    }
    Ok(recipient)
}
