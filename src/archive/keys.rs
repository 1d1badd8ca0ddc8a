//! The secrets of an archive, and what of them each role holds.
//!
//! Two key pairs, two signing keys and a secret for keyed hashes. A holder file
//! (`holders.rs`) carries the part of them that its role needs, so that the machine
//! which takes snapshots every night need not be able to read a single old record,
//! nor to say of one that it may go. After a rotation the holder files carry the
//! secrets from before it as well, so that everything old still reads.

use std::path::Path;
use std::str::FromStr;

use age::secrecy::ExposeSecret;
use age::x25519;
use ed25519_dalek::{SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

use super::error::Error;
use super::header::{Header, Recipients};
use crate::record::DigestKey;

/// What a proof of a label is keyed with, so that no other use of the data key has the same key.
const LABEL_PROOFS: &str = "pdbak 2026-11 proofs of labels of keys";
/// A holder of a dozen rotations takes less: while it is written, no copy of it is left behind by growing.
const ROOM: usize = 16 << 10;

/// What the owner of a key may do.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Take snapshots; reads nothing old.
    Put,
    /// Read manifests, and decide what stays: what there is, how much, since when.
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

/// Opens and signs, as far as the role of the key allows.
pub(super) struct Secrets {
    pub(super) role: Role,
    /// Opens records and contents; the newest first, none where the role has none or nothing is sealed.
    pub(super) data: Vec<x25519::Identity>,
    /// Opens manifests and marks, likewise.
    pub(super) manifest: Vec<x25519::Identity>,
    /// Signs manifests.
    pub(super) signing: Option<SigningKey>,
    /// Signs decisions about snapshots.
    pub(super) marking: Option<SigningKey>,
    pub(super) digest: DigestKey,
    /// What signed before each rotation, the newest first.
    pub(super) retired: Vec<Retired>,
}

/// Public halves that sign nothing any more, and the last that they signed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Retired {
    pub(super) signing_key: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) marking_key: Option<String>,
    /// The number of the newest snapshot then.
    pub(super) snapshots: u64,
    /// The number of the newest mark then.
    pub(super) marks: u64,
}

/// The inside of a holder file.
#[derive(Serialize, Deserialize)]
pub(super) struct Wrapped {
    pub(super) archive: String,
    pub(super) role: Role,
    data: Option<String>,
    manifest: Option<String>,
    signing: Option<String>,
    #[serde(default)]
    marking: Option<String>,
    digest: String,
    /// The public halves again: whoever swaps them in `archive.json` is found out here.
    recipients: Option<Recipients>,
    signing_key: String,
    #[serde(default)]
    marking_key: Option<String>,
    /// How many rotations there were before.
    #[serde(default)]
    pub(super) rotation: u64,
    /// The secrets from before each of them, the newest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    earlier: Vec<Earlier>,
}

/// Secrets that a rotation replaced.
#[derive(Serialize, Deserialize)]
struct Earlier {
    data: Option<String>,
    manifest: Option<String>,
    #[serde(flatten)]
    retired: Retired,
}

impl Drop for Earlier {
    fn drop(&mut self) {
        self.data.zeroize();
        self.manifest.zeroize();
    }
}

impl Drop for Wrapped {
    fn drop(&mut self) {
        self.data.zeroize();
        self.manifest.zeroize();
        self.signing.zeroize();
        self.marking.zeroize();
        self.digest.zeroize();
    }
}

impl Wrapped {
    /// Reads the inside of a holder file; `path` is for messages.
    pub(super) fn parse(bytes: &[u8], path: &Path) -> Result<Wrapped, Error> {
        serde_json::from_slice(bytes).map_err(|_| Error::damaged(path, "no holder of keys"))
    }

    /// Whether it has the keys that the header names.
    pub(super) fn fits(&self, header: &Header) -> bool {
        self.recipients == header.recipients
            && self.signing_key == header.signing_key
            && self.marking_key == header.marking_key
    }

    /// The secrets in it; `path` is for messages.
    pub(super) fn secrets(&self, path: &Path) -> Result<Secrets, Error> {
        let garbled = |fact: &str| Error::damaged(path, fact.to_owned());
        let identities = |newest: &Option<String>, older: &dyn Fn(&Earlier) -> Option<&String>| {
            let all = newest.iter().chain(self.earlier.iter().filter_map(older));
            all.map(|text| x25519::Identity::from_str(text).map_err(garbled)).collect::<Result<Vec<_>, _>>()
        };
        let signer = |text: &Option<String>| match text {
            Some(text) => bytes_32(text).map(|bytes| Some(SigningKey::from_bytes(&bytes))),
            None => Some(None),
        };
        Ok(Secrets {
            role: self.role,
            data: identities(&self.data, &|earlier| earlier.data.as_ref())?,
            manifest: identities(&self.manifest, &|earlier| earlier.manifest.as_ref())?,
            signing: signer(&self.signing).ok_or_else(|| garbled("no signing key"))?,
            marking: signer(&self.marking).ok_or_else(|| garbled("no marking key"))?,
            digest: DigestKey(*bytes_32(&self.digest).ok_or_else(|| garbled("no digest secret"))?),
            retired: self.earlier.iter().map(|earlier| earlier.retired.clone()).collect(),
        })
    }
}

impl Secrets {
    /// New secrets of an archive with these keys for hashes, and the public halves in its header.
    pub(super) fn generate(header: &mut Header, digest: DigestKey, encrypted: bool) -> Secrets {
        let pair = || encrypted.then(x25519::Identity::generate);
        let (data, manifest) = (pair(), pair());
        header.recipients = data.as_ref().zip(manifest.as_ref()).map(|(data, manifest)| Recipients {
            data: data.to_public().to_string(),
            manifest: manifest.to_public().to_string(),
        });
        let signer = || SigningKey::from_bytes(&random());
        let (signing, marking) = (signer(), signer());
        header.signing_key = public_half(&signing);
        header.marking_key = Some(public_half(&marking));
        Secrets {
            role: Role::Restore,
            data: data.into_iter().collect(),
            manifest: manifest.into_iter().collect(),
            signing: Some(signing),
            marking: Some(marking),
            digest,
            retired: Vec::new(),
        }
    }

    /// The same archive's next secrets: new ones for what is written from now on, these for what there is.
    pub(super) fn succeeded(&self, header: &mut Header, retired: Retired) -> Secrets {
        let mut next = Secrets::generate(header, self.digest.clone(), !self.data.is_empty());
        header.rotation += 1;
        next.data.extend(self.data.iter().cloned());
        next.manifest.extend(self.manifest.iter().cloned());
        next.retired = std::iter::once(retired).chain(self.retired.iter().cloned()).collect();
        next
    }

    /// The inside of a holder file of this or a lesser role.
    pub(super) fn wrap(&self, role: Role, header: &Header) -> Result<Zeroizing<Vec<u8>>, Error> {
        if self.role != Role::Restore && self.role != role {
            return Err(self.needs("make a key of another role", Role::Restore));
        }
        let text = |identity: &x25519::Identity| identity.to_string().expose_secret().to_owned();
        let data = |at: usize| self.data.get(at).filter(|_| role == Role::Restore).map(text);
        let manifest = |at: usize| self.manifest.get(at).filter(|_| role != Role::Put).map(text);
        let signer = |key: &Option<SigningKey>, not: Role| {
            key.as_ref().filter(|_| role != not).map(|key| hex::encode(key.as_bytes()))
        };
        let earlier = self.retired.iter().zip(1..).map(|(retired, at)| Earlier {
            data: data(at),
            manifest: manifest(at),
            retired: retired.clone(),
        });
        let wrapped = Wrapped {
            archive: header.archive.clone(),
            role,
            data: data(0),
            manifest: manifest(0),
            signing: signer(&self.signing, Role::List),
            marking: signer(&self.marking, Role::Put),
            digest: hex::encode(self.digest.0),
            recipients: header.recipients.clone(),
            signing_key: header.signing_key.clone(),
            marking_key: header.marking_key.clone(),
            rotation: header.rotation,
            earlier: earlier.collect(),
        };
        let mut bytes = Zeroizing::new(Vec::with_capacity(ROOM));
        serde_json::to_writer(&mut *bytes, &wrapped).expect("a holder always serialises");
        Ok(bytes)
    }

    /// What says which key is asked for, where this one's role is not enough.
    pub(super) fn needs(&self, doing: &'static str, needs: Role) -> Error {
        Error::NeedsKey { doing, role: self.role.as_str(), needs: needs.as_str() }
    }

    /// What labels are proven with: known to whoever may restore, and of each rotation another.
    pub(super) fn label_keys(&self) -> impl Iterator<Item = Zeroizing<[u8; 32]>> + '_ {
        self.data.iter().map(|identity| {
            let text = identity.to_string();
            Zeroizing::new(blake3::derive_key(LABEL_PROOFS, text.expose_secret().as_bytes()))
        })
    }

    /// Whether the secret halves are those of the public ones that the header names.
    pub(super) fn are_of(&self, header: &Header) -> bool {
        let recipients = header.recipients.as_ref();
        let pair = |mine: &[x25519::Identity], public: Option<&String>| {
            mine.first().is_none_or(|mine| public.is_some_and(|public| mine.to_public().to_string() == *public))
        };
        let signer =
            |mine: &Option<SigningKey>, public: &str| mine.as_ref().is_none_or(|mine| public_half(mine) == public);
        pair(&self.data, recipients.map(|keys| &keys.data))
            && pair(&self.manifest, recipients.map(|keys| &keys.manifest))
            && signer(&self.signing, &header.signing_key)
            && header.marking_key.as_ref().is_none_or(|public| signer(&self.marking, public))
    }
}

fn public_half(key: &SigningKey) -> String {
    hex::encode(key.verifying_key().as_bytes())
}

/// Reads a public half.
pub(super) fn verifying(text: &str) -> Option<VerifyingKey> {
    VerifyingKey::from_bytes(&*bytes_32(text)?).ok()
}

pub(super) fn random() -> Zeroizing<[u8; 32]> {
    let mut bytes = Zeroizing::new([0; 32]);
    rand::fill(&mut *bytes);
    bytes
}

fn bytes_32(text: &str) -> Option<Zeroizing<[u8; 32]>> {
    let mut bytes = Zeroizing::new([0; 32]);
    hex::decode_to_slice(text, &mut *bytes).ok().map(|()| bytes)
}
