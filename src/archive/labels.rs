//! Labels: what is known of each key without opening anything.
//!
//! A holder file says nothing of itself but whether it is for a passphrase. So a plain
//! file beside it says whose it is and what it may. What is plain can be forged: each
//! label carries a proof that only whoever may restore can make, and a rotation wraps
//! the new secrets for nobody whose label it cannot prove.

use std::io::Write;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::Inner;
use super::error::Error;
use super::header::Header;
use super::holders::Holder;
use super::keys::Role;
use super::store::Store;

/// Where labels lie.
pub(super) const LABELS: &str = "labels";

/// What opens a holder file.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyKind {
    /// A passphrase.
    Passphrase,
    /// The secret of an age recipient.
    Recipient,
}

/// The first line of a label.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct LabelLine {
    pub(super) archive: String,
    /// The holder file it is about.
    pub(super) holder: String,
    pub(super) kind: KeyKind,
    pub(super) role: Role,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) recipient: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<String>,
    pub(super) added: DateTime<Utc>,
    /// How many rotations there were before the holder file was written.
    pub(super) rotation: u64,
}

/// The second line.
#[derive(Serialize, Deserialize)]
struct ProofLine {
    /// Hex BLAKE3 of the first, keyed.
    proof: String,
}

/// A label that was read; believed only if it is proven.
pub(super) struct Label {
    /// The name of its own file.
    pub(super) file: String,
    pub(super) line: LabelLine,
    text: String,
    proof: String,
}

impl Label {
    pub(super) fn parse(file: &str, bytes: &[u8]) -> Option<Label> {
        let text = str::from_utf8(bytes).ok()?;
        let (text, proof) = text.split_once('\n')?;
        let ProofLine { proof } = serde_json::from_str(proof).ok()?;
        let line = serde_json::from_str(text).ok()?;
        (blake3::hash(bytes).to_hex().as_str() == file).then(|| Label {
            file: file.to_owned(),
            line,
            text: text.to_owned(),
            proof,
        })
    }

    /// Whether it was made by somebody who has this key.
    pub(super) fn is_proven_by(&self, key: &[u8; 32]) -> bool {
        // Compared in constant time by the hash itself.
        blake3::Hash::from_hex(&self.proof).is_ok_and(|proof| proof == blake3::keyed_hash(key, self.text.as_bytes()))
    }
}

/// Writes a label and returns the name of its file.
pub(super) fn write(store: &Store, key: &Zeroizing<[u8; 32]>, line: &LabelLine) -> Result<String, Error> {
    let text = serde_json::to_string(line).expect("a label always serialises");
    let proof = ProofLine { proof: blake3::keyed_hash(key, text.as_bytes()).to_hex().to_string() };
    let proof = serde_json::to_string(&proof).expect("a proof always serialises");
    let mut draft = store.draft()?;
    writeln!(draft, "{text}\n{proof}").map_err(Error::file("write", &store.path(LABELS)))?;
    Ok(draft.place(LABELS, |_| Ok(()))?.name)
}

/// The label of a holder file that is being made.
pub(super) fn line(
    header: &Header,
    holder: (&str, &Holder),
    role: Role,
    name: Option<String>,
    added: DateTime<Utc>,
) -> LabelLine {
    let (kind, recipient) = match holder.1 {
        Holder::Passphrase(_) => (KeyKind::Passphrase, None),
        Holder::Recipient(recipient) => (KeyKind::Recipient, Some(recipient.clone())),
    };
    let (archive, holder, rotation) = (header.archive.clone(), holder.0.to_owned(), header.rotation);
    LabelLine { archive, holder, kind, role, recipient, name, added, rotation }
}

/// All labels of an archive that can be read; what is damaged labels nothing.
pub(super) fn labels(store: &Store, archive: &str) -> Result<Vec<Label>, Error> {
    let mut labels = Vec::new();
    for file in store.list(LABELS)? {
        let bytes = match store.read(&format!("{LABELS}/{file}")) {
            Err(Error::Missing(_) | Error::Damaged { .. } | Error::File { .. }) => continue,
            bytes => bytes?,
        };
        labels.extend(Label::parse(&file, &bytes).filter(|label| label.line.archive == archive));
    }
    Ok(labels)
}

impl Inner {
    /// The labels that the key in use can prove to be of the keys as they are now.
    pub(super) fn proven_labels(&self) -> Result<Vec<Label>, Error> {
        let mut labels = labels(&self.store, &self.header.archive)?;
        let Some(key) = self.secrets.label_keys().next() else { return Ok(Vec::new()) };
        labels.retain(|label| label.line.rotation == self.header.rotation && label.is_proven_by(&key));
        Ok(labels)
    }
}
