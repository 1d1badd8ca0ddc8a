//! The judge: the whole truth of the account, as a stream.
//!
//! `{"Users":[…],"Currencies":[…],…}`: every kind, every row in store shape, deleted ones with `"is_deleted":true`, files with the
//! BLAKE3 of their contents. The lock is taken for a thousand rows at a time, so that a big company does not stand still.

use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Value, json};

use crate::sandbox::account::{Account, dies_with_parent};
use crate::sandbox::http::{Shared, locked};
use crate::sandbox::kinds::KINDS;
use crate::sandbox::pictures;
use crate::sandbox::row::Id;
use crate::sandbox::store::parsed;

const CHUNK: usize = 1_000;

/// Where the telling stands.
pub(super) struct Telling {
    shared: Arc<Shared>,
    kinds: Vec<usize>,
    at: usize,
    after: Option<Id>,
    opened: bool,
    finished: bool,
}

impl Telling {
    /// Begins; `only` names one object, as the judge calls it.
    pub(super) fn of(shared: Arc<Shared>, only: Option<&str>) -> Self {
        let named = |judge: &str| only.is_none_or(|only| only.eq_ignore_ascii_case(judge));
        let kinds = (0..KINDS.len()).filter(|at| named(KINDS[*at].judge)).collect();
        Self { shared, kinds, at: 0, after: None, opened: false, finished: false }
    }

    /// The next piece of the JSON text.
    pub(super) fn next_piece(&mut self) -> Option<Bytes> {
        if self.finished {
            return None;
        }
        let mut text = String::new();
        if !self.opened {
            text.push('{');
            self.opened = true;
        }
        let Some(kind) = self.kinds.get(self.at) else {
            self.finished = true;
            text.push('}');
            return Some(text.into());
        };
        let kind = &KINDS[*kind];
        let shared = Arc::clone(&self.shared);
        let account = locked(&shared.account);
        if self.after.is_none() {
            let comma = if self.at > 0 { "," } else { "" };
            text.push_str(&format!("{comma}\n\"{}\":[", kind.judge));
        }
        // Leads have the fields of deals: api/custom-fields.md.
        let table = account.store.table(if kind.name == "leadFields" { "dealFields" } else { kind.name });
        let from = self.after.clone().map_or(Bound::Unbounded, Bound::Excluded);
        let mut told = 0;
        for (id, row) in table.rows.range((from, Bound::Unbounded)).take(CHUNK) {
            if told > 0 || self.after.is_some() {
                text.push(',');
            }
            let mut row = parsed(kind, row);
            if orphaned(&account, kind.name, id) {
                row.insert("is_deleted".into(), Value::Bool(true));
            }
            if ["files", "productImages", "personPictures"].contains(&kind.name) {
                row.insert("content_blake3".into(), json!(hash(&account, kind.name, id)));
            }
            text.push_str(&Value::Object(row).to_string());
            told += 1;
            if told == CHUNK {
                self.after = Some(id.clone());
            }
        }
        if told < CHUNK {
            text.push(']');
            self.after = None;
            self.at += 1;
        }
        Some(text.into())
    }
}

/// The hash of what a download brings.
fn hash(account: &Account, kind: &'static str, id: &Id) -> Option<String> {
    let bytes = account.bytes(kind, id)?;
    let shown = if kind == "personPictures" { pictures::rendition(&bytes, pictures::LARGEST) } else { bytes };
    Some(blake3::hash(&shown).to_hex().to_string())
}

/// Whether a row hangs on a deleted one and is unseen with it.
fn orphaned(account: &Account, kind: &'static str, id: &Id) -> bool {
    if !dies_with_parent(kind) {
        return false;
    }
    let facts = crate::sandbox::account::facts(kind);
    // Both ends of a relationship must be there; a participant's person need not.
    let ends = if kind == "organizationRelationships" { 2 } else { 1 };
    facts.links[..ends].iter().any(|(member, target)| {
        let parent = match id {
            Id::Pair(parent, _) => Some(*parent),
            _ => account.store.table(kind).rows.get(id).and_then(|row| row.number(member)),
        };
        parent.is_some_and(|parent| !account.is_live(target, &Id::Number(parent)))
    })
}
