//! The secrets of an archive, and the holder files that wrap them.
//!
//! Two key pairs, a signing key and a secret for keyed hashes. A holder file
//! carries the part of them that its role needs, so that the machine which
//! takes snapshots every night need not be able to read a single old record.

use std::io::{Read, Write};
use std::path::Path;
use std::str::FromStr;

use age::secrecy::{ExposeSecret, SecretString};
use age::{scrypt, x25519};
use ed25519_dalek::SigningKey;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

use super::error::Error;
use super::header::{HEADER_COPY, Header, Recipients};
use super::store::Store;
use crate::record::DigestKey;

/// scrypt needs 2^16 · 1 KiB = 64 MiB and about 0.15 s: felt by who guesses, hardly by who knows.
const WORK_FACTOR: u8 = if cfg!(test) { 8 } else { 16 };
/// The most work a holder file may demand of whoever opens it (256 MiB).
const WORK_FACTOR_LIMIT: u8 = 18;
pub(super) const HOLDERS: &str = "keys";

/// What the owner of a holder file may do.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Take snapshots; reads nothing old.
    Put,
    /// Read manifests: what there is, how much, since when.
    List,
    /// Everything.
    Restore,
}

impl Role {
    /// The word for people.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Put => "put",
            Role::List => "list",
            Role::Restore => "restore",
        }
    }
}

/// For whom a holder file is made.
pub enum Holder {
    /// Whoever knows a passphrase.
    Passphrase(Zeroizing<String>),
    /// Whoever has the secret of this age recipient (`age1…`).
    Recipient(String),
}

/// Opens and signs, as far as the role of the key allows.
pub(super) struct Secrets {
    pub(super) role: Role,
    pub(super) data: Option<x25519::Identity>,
    pub(super) manifest: Option<x25519::Identity>,
    pub(super) signing: Option<SigningKey>,
    pub(super) digest: DigestKey,
}

/// The inside of a holder file.
#[derive(Serialize, Deserialize)]
struct Wrapped {
    archive: String,
    role: Role,
    data: Option<String>,
    manifest: Option<String>,
    signing: Option<String>,
    digest: String,
    /// The public halves again: whoever swaps them in `archive.json` is found out here.
    recipients: Option<Recipients>,
    signing_key: String,
}

impl Drop for Wrapped {
    fn drop(&mut self) {
        self.data.zeroize();
        self.manifest.zeroize();
        self.signing.zeroize();
        self.digest.zeroize();
    }
}

impl Secrets {
    /// New secrets, and the public halves for the header.
    pub(super) fn generate(encrypted: bool) -> (Secrets, Option<Recipients>, String) {
        let pair = || encrypted.then(x25519::Identity::generate);
        let (data, manifest) = (pair(), pair());
        let recipients = data.as_ref().zip(manifest.as_ref()).map(|(data, manifest)| Recipients {
            data: data.to_public().to_string(),
            manifest: manifest.to_public().to_string(),
        });
        let signing = SigningKey::from_bytes(&random());
        let signing_key = hex::encode(signing.verifying_key().as_bytes());
        let secrets =
            Secrets { role: Role::Restore, data, manifest, signing: Some(signing), digest: DigestKey(random()) };
        (secrets, recipients, signing_key)
    }

    fn wrap(&self, role: Role, header: &Header) -> Result<Zeroizing<Vec<u8>>, Error> {
        let text = |identity: &Option<x25519::Identity>| {
            identity.as_ref().map(|identity| identity.to_string().expose_secret().to_owned())
        };
        if self.role != Role::Restore && self.role != role {
            return Err(Error::NeedsKey { doing: "make a key of another role", role: self.role.as_str() });
        }
        let wrapped = Wrapped {
            archive: header.archive.clone(),
            role,
            data: text(&self.data).filter(|_| role == Role::Restore),
            manifest: text(&self.manifest).filter(|_| role != Role::Put),
            signing: self.signing.as_ref().map(|key| hex::encode(key.as_bytes())).filter(|_| role != Role::List),
            digest: hex::encode(self.digest.0),
            recipients: header.recipients.clone(),
            signing_key: header.signing_key.clone(),
        };
        Ok(Zeroizing::new(serde_json::to_vec(&wrapped).expect("a holder always serialises")))
    }

    fn unwrap(bytes: &[u8], path: &Path) -> Result<(Secrets, Wrapped), Error> {
        let garbled = |fact: &str| Error::damaged(path, fact.to_owned());
        let wrapped: Wrapped = serde_json::from_slice(bytes).map_err(|_| garbled("no holder of keys"))?;
        let identity =
            |text: &Option<String>| text.as_deref().map(x25519::Identity::from_str).transpose().map_err(garbled);
        let signing = wrapped
            .signing
            .as_deref()
            .map(bytes_32)
            .map(|bytes| bytes.ok_or_else(|| garbled("no signing key")))
            .transpose()?;
        let secrets = Secrets {
            role: wrapped.role,
            data: identity(&wrapped.data)?,
            manifest: identity(&wrapped.manifest)?,
            signing: signing.map(|bytes| SigningKey::from_bytes(&bytes)),
            digest: DigestKey(bytes_32(&wrapped.digest).ok_or_else(|| garbled("no digest secret"))?),
        };
        Ok((secrets, wrapped))
    }
}

/// Writes a holder file; its name is the hash of what is stored.
pub(super) fn add_holder(
    store: &Store,
    header: &Header,
    secrets: &Secrets,
    role: Role,
    holder: Option<&Holder>,
) -> Result<(), Error> {
    let wrapped = secrets.wrap(role, header)?;
    let sealed = match holder {
        None => wrapped.to_vec(),
        Some(Holder::Passphrase(passphrase)) => {
            let mut recipient = scrypt::Recipient::new(SecretString::from(passphrase.to_string()));
            recipient.set_work_factor(WORK_FACTOR);
            wrap_for(&recipient, &wrapped)?
        }
        Some(Holder::Recipient(recipient)) => {
            let recipient = x25519::Recipient::from_str(recipient).map_err(|fact| Error::Unlock(fact.to_owned()))?;
            wrap_for(&recipient, &wrapped)?
        }
    };
    let mut draft = store.draft()?;
    draft.write_all(&sealed).map_err(Error::file("write", &store.path(HOLDERS)))?;
    draft.place(HOLDERS, |_| Ok(()))?;
    Ok(())
}

fn wrap_for(recipient: &dyn age::Recipient, clear: &[u8]) -> Result<Vec<u8>, Error> {
    let refused = |error: String| Error::Unlock(error);
    let encryptor =
        age::Encryptor::with_recipients(std::iter::once(recipient)).map_err(|error| refused(error.to_string()))?;
    let mut writer = encryptor.wrap_output(Vec::new()).map_err(|error| refused(error.to_string()))?;
    writer.write_all(clear).and_then(|()| writer.finish()).map_err(|error| refused(error.to_string()))
}

/// The holder files of an archive, by path below its root.
pub(super) fn holders(store: &Store) -> Result<Vec<String>, Error> {
    let names = store.list(HOLDERS)?.into_iter().map(|name| format!("{HOLDERS}/{name}"));
    Ok(names.filter(|name| name != HEADER_COPY).collect())
}

/// Tries the key at hand on every holder file.
pub(super) fn unlock(store: &Store, header: &Header, unlock: &dyn super::Unlock) -> Result<Secrets, Error> {
    let files = holders(store)?;
    let mut key: Option<Box<dyn age::Identity>> = None;
    if header.recipients.is_some() {
        key = Some(identity(unlock)?);
    }
    let mut damage = None;
    for name in files {
        let path = store.path(&name);
        // A holder that cannot be read, or is another's, costs nothing while one opens.
        let opened = match (store.read(&name), &key) {
            (Ok(bytes), None) => Ok(Some(Zeroizing::new(bytes))),
            (Ok(bytes), Some(key)) => unwrap_for(key.as_ref(), &bytes, &path),
            (Err(error), _) => Err(error),
        };
        match opened.and_then(|clear| clear.map(|clear| Secrets::unwrap(&clear, &path)).transpose()) {
            Ok(Some((secrets, wrapped))) if wrapped.archive == header.archive => {
                if wrapped.recipients != header.recipients || wrapped.signing_key != header.signing_key {
                    return Err(Error::damaged(
                        &store.path("archive.json"),
                        "public keys that do not belong to the secret ones",
                    ));
                }
                return Ok(secrets);
            }
            Ok(_) => {}
            Err(error) => damage = Some(error),
        }
    }
    Err(damage.unwrap_or(Error::WrongKey))
}

fn identity(unlock: &dyn super::Unlock) -> Result<Box<dyn age::Identity>, Error> {
    let Some(path) = unlock.identity_file() else {
        let passphrase = unlock.passphrase()?;
        let mut identity = scrypt::Identity::new(SecretString::from(passphrase.to_string()));
        identity.set_max_work_factor(WORK_FACTOR_LIMIT);
        return Ok(Box::new(identity));
    };
    let text = Zeroizing::new(std::fs::read_to_string(&path).map_err(Error::file("read", &path))?);
    let secret = text.lines().find(|line| line.starts_with("AGE-SECRET-KEY-"));
    let secret = secret.ok_or_else(|| Error::Unlock(format!("no age identity in {}", path.display())))?;
    Ok(Box::new(x25519::Identity::from_str(secret.trim()).map_err(|fact| Error::Unlock(fact.to_owned()))?))
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
    let mut clear = Zeroizing::new(Vec::new());
    reader.read_to_end(&mut clear).map_err(|error| garbled(error.to_string()))?;
    Ok(Some(clear))
}

/// Writes a new age identity that only its owner may read, and returns its recipient.
pub(super) fn write_recovery_identity(path: &Path) -> Result<String, Error> {
    let identity = x25519::Identity::generate();
    let recipient = identity.to_public().to_string();
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path).map_err(Error::file("write", path))?;
    let text = Zeroizing::new(format!(
        "# opens a pdbak archive without its passphrase; keep it away from the archive\n# public key: {recipient}\n{}\n",
        identity.to_string().expose_secret()
    ));
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(Error::file("write", path))?;
    Ok(recipient)
}

pub(super) fn random() -> [u8; 32] {
    let mut bytes = [0; 32];
    rand::fill(&mut bytes);
    bytes
}

pub(super) fn bytes_32(text: &str) -> Option<[u8; 32]> {
    hex::decode(text).ok()?.try_into().ok()
}
