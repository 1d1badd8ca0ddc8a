//! Small files that say something of the archive: one line of JSON, signed, packed, sealed.
//!
//! Manifests and the marks on them share this shape. The name is the hash of the
//! stored bytes, so any copy can be checked without a key; the signature is under
//! the seal, so that nobody without the archive's secret can have written it.

use std::io::{Read, Write};
use std::path::Path;

use ed25519_dalek::{Signature, Signer as _, SigningKey, Verifier, VerifyingKey};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::error::Error;
use super::header::{FORMAT, Header};
use super::keys::{self, Retired, Role};
use super::{Inner, seal};

/// Files of more are not unpacked into memory.
const LIMIT: u64 = 256 << 20;
/// These files are small and read often: the best level that is still quick.
const LEVEL: i32 = 12;

/// Where files of a kind lie, and the word that their signed text begins with.
pub(super) struct Kind {
    pub(super) folder: &'static str,
    pub(super) word: &'static str,
    pub(super) signer: Signer,
}

/// Which key signs: whoever takes snapshots must not be able to forget any.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Signer {
    /// Says what a snapshot holds.
    Snapshots,
    /// Says what becomes of snapshots.
    Marking,
}

/// Keys that are believed; those from before a rotation up to the last number that they signed.
pub(super) struct Trusted {
    signing: VerifyingKey,
    marking: VerifyingKey,
    snapshots: u64,
    marks: u64,
}

impl Trusted {
    /// The keys of a header, and then those that it had before; `None` for a key that is none.
    pub(super) fn all(header: &Header, retired: &[Retired]) -> Option<Vec<Trusted>> {
        let keys = |signing: &str, marking: Option<&String>| {
            Some((keys::verifying(signing)?, keys::verifying(marking.map_or(signing, String::as_str))?))
        };
        let (signing, marking) = keys(&header.signing_key, header.marking_key.as_ref())?;
        let mut trusted = vec![Trusted { signing, marking, snapshots: u64::MAX, marks: u64::MAX }];
        for Retired { signing_key, marking_key, snapshots, marks } in retired {
            let (signing, marking) = keys(signing_key, marking_key.as_ref())?;
            trusted.push(Trusted { signing, marking, snapshots: *snapshots, marks: *marks });
        }
        Some(trusted)
    }

    /// Whether it signed this text, which has this number in its kind.
    fn signed(&self, kind: &Kind, text: &str, signature: &Signature, number: Option<u64>) -> bool {
        let (key, last) = match kind.signer {
            Signer::Snapshots => (&self.signing, self.snapshots),
            Signer::Marking => (&self.marking, self.marks),
        };
        number.is_none_or(|number| number <= last) && key.verify(text.as_bytes(), signature).is_ok()
    }
}

#[derive(Serialize, Deserialize)]
struct SignatureLine {
    signature: String,
}

/// What every line says first, read before the rest is believed.
#[derive(Deserialize)]
struct Preface {
    format: u32,
    archive: String,
    /// The number of a snapshot.
    sequence: Option<u64>,
    /// The number of a mark.
    number: Option<u64>,
}

impl Inner {
    /// The key that signs, if the key in use has it.
    pub(super) fn signer(&self, signer: Signer) -> Option<&SigningKey> {
        match signer {
            Signer::Marking if self.header.marking_key.is_some() => self.secrets.marking.as_ref(),
            Signer::Snapshots | Signer::Marking => self.secrets.signing.as_ref(),
        }
    }

    pub(super) fn signing(&self, signer: Signer) -> Result<&SigningKey, Error> {
        let (doing, needs) = match signer {
            Signer::Snapshots => ("take snapshots", Role::Put),
            Signer::Marking => ("decide what is kept", Role::List),
        };
        self.signer(signer).ok_or_else(|| self.secrets.needs(doing, needs))
    }

    /// Signs, packs, seals and puts a line in place; returns the file's name.
    pub(super) fn place_signed(&self, kind: &Kind, line: &impl Serialize) -> Result<String, Error> {
        let (path, signing) = (self.store.path(kind.folder), self.signing(kind.signer)?);
        let (recipient, identities) = (self.manifest_recipient.as_ref(), &self.secrets.manifest);
        let line = serde_json::to_string(line).expect("a line of values always serialises");
        let signature = hex::encode(signing.sign(signed_text(kind, &line).as_bytes()).to_bytes());
        let signature = serde_json::to_string(&SignatureLine { signature }).expect("a signature always serialises");
        let text = format!("{line}\n{signature}\n");
        let packed = zstd::bulk::compress(text.as_bytes(), LEVEL).map_err(Error::file("write", &path))?;
        let unpacked = zstd::bulk::decompress(&packed, text.len()).map_err(Error::file("write", &path))?;
        if unpacked != text.as_bytes() {
            return Err(Error::damaged(&path, format!("a {} does not unpack to what was packed", kind.word)));
        }
        let sealed = seal::seal(recipient, &packed).map_err(Error::file("write", &path))?;
        let mut draft = self.store.draft()?;
        draft.write_all(&sealed).map_err(Error::file("write", &path))?;
        let placed = draft.place(kind.folder, |mut input| {
            if recipient.is_some() && identities.is_empty() {
                return Ok(());
            }
            let mut stored = Vec::new();
            input.read_to_end(&mut stored).map_err(Error::file("write", &path))?;
            let opened = seal::open(identities, stored).map_err(Error::file("write", &path))?;
            if opened == packed {
                Ok(())
            } else {
                Err(Error::damaged(&path, format!("a {} does not unseal to what was sealed", kind.word)))
            }
        })?;
        Ok(placed.name)
    }

    /// Reads a file and proves that it is what its name and its signature say.
    pub(super) fn read_signed<T: DeserializeOwned>(&self, kind: &Kind, name: &str) -> Result<T, Error> {
        let file = format!("{}/{name}", kind.folder);
        let path = self.store.path(&file);
        let stored = self.store.read(&file)?;
        let found = blake3::hash(&stored).to_hex();
        if found.as_str() != name {
            return Err(Error::damaged(&path, format!("its bytes hash to {}", &found[..16])));
        }
        let packed = seal::open(&self.secrets.manifest, stored).map_err(Error::file("read", &path))?;
        let Parted { line, preface, signature } = part(&packed, &path)?;
        let (signed, number) = (signed_text(kind, &line), preface.sequence.or(preface.number));
        let by = |signature: &Signature| self.trusted.iter().any(|key| key.signed(kind, &signed, signature, number));
        if !signature.is_some_and(|signature| by(&signature)) {
            return Err(Error::damaged(&path, "its signature is not this archive's"));
        }
        let Preface { format, archive, .. } = preface;
        if format > FORMAT {
            return Err(Error::NewerFormat { path, found: format, known: FORMAT });
        }
        if archive != self.header.archive {
            return Err(Error::damaged(&path, format!("a {} of archive {archive}", kind.word)));
        }
        parse(&line, &path)
    }
}

/// Reads the line in the unsealed bytes of a file; proves nothing.
pub(super) fn read_unproven<T: DeserializeOwned>(packed: &[u8], path: &Path) -> Result<T, Error> {
    parse(&part(packed, path)?.line, path)
}

/// What lies under the seal.
struct Parted {
    line: String,
    preface: Preface,
    /// None where it cannot be one.
    signature: Option<Signature>,
}

fn part(packed: &[u8], path: &Path) -> Result<Parted, Error> {
    let mut line = unpack(packed, path)?;
    let end = line.find('\n').unwrap_or(line.len());
    let signature: SignatureLine = parse(line[end..].trim(), path)?;
    let signature = hex::decode(&signature.signature).ok().and_then(|bytes| Signature::from_slice(&bytes).ok());
    line.truncate(end);
    Ok(Parted { preface: parse(&line, path)?, line, signature })
}

fn parse<T: DeserializeOwned>(line: &str, path: &Path) -> Result<T, Error> {
    serde_json::from_str(line).map_err(|error| Error::damaged(path, error.to_string()))
}

fn unpack(packed: &[u8], path: &Path) -> Result<String, Error> {
    let mut text = String::new();
    let decoder = zstd::Decoder::with_buffer(packed).map_err(|error| Error::damaged(path, error.to_string()))?;
    decoder.take(LIMIT).read_to_string(&mut text).map_err(|error| Error::damaged(path, error.to_string()))?;
    Ok(text)
}

/// What is signed: words that no other signed text begins with, and the hash of the line.
fn signed_text(kind: &Kind, line: &str) -> String {
    format!("pdbak {} {}", kind.word, blake3::hash(line.as_bytes()).to_hex())
}
