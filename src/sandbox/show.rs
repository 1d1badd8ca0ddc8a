//! How a stored row becomes text of an answer.

use std::collections::BTreeSet;
use std::fmt::Write;

use serde_json::Value;

use crate::sandbox::account::Account;
use crate::sandbox::answer::{Answer, invalid};
use crate::sandbox::call::Call;
use crate::sandbox::custom;
use crate::sandbox::kinds::{Gone, Kind};
use crate::sandbox::row::Id;
use crate::sandbox::scan::Members;
use crate::sandbox::store::{Row, id_hash};

/// One row in so many gets a member that nobody knows: new members are not a breaking change (api/wire.md).
const ODD_ROWS: u64 = 41;
/// The API lets a list choose at most so many custom fields.
const CHOSEN_FIELDS: usize = 15;

/// What a v2 answer shows of each row.
#[derive(Debug, Default)]
pub(super) struct Show {
    optional: BTreeSet<String>,
    custom: Option<BTreeSet<String>>,
    /// Keys shown as null where a row has no value for them.
    unset: BTreeSet<String>,
    labels: Vec<custom::Field>,
    odd: bool,
}

impl Show {
    /// Reads `include_fields` and `custom_fields`.
    pub(super) fn asked(account: &Account, call: &Call<'_>, kind: &'static Kind) -> Result<Self, Answer> {
        let listed = |name: &str| -> Option<BTreeSet<String>> {
            Some(call.asked_list(name)?.into_iter().map(str::to_owned).collect())
        };
        let custom = if kind.fields.is_some() { listed("custom_fields") } else { None };
        if custom.as_ref().is_some_and(|chosen| chosen.len() > CHOSEN_FIELDS) {
            return Err(invalid("custom_fields", "at most 15 keys"));
        }
        let fields = kind.fields.map(|fields| custom::fields(account, fields)).unwrap_or_default();
        let unset = account.assume.is("unset-custom", "null");
        let codes = fields.iter().filter(|field| unset && field.is_custom).map(|field| field.code.clone());
        let labels =
            call.asked("include_option_labels") == Some("true") || call.asked("include_labels") == Some("true");
        Ok(Self {
            optional: listed("include_fields").unwrap_or_default(),
            custom,
            unset: codes.collect(),
            labels: if labels { fields } else { Vec::new() },
            odd: account.assume.yes("odd"),
        })
    }

    /// Everything that a write answers: no optional members, all custom fields.
    pub(super) fn whole(account: &Account, kind: &'static Kind) -> Self {
        let unset = account.assume.is("unset-custom", "null");
        let fields = kind.fields.filter(|_| unset).map(|fields| custom::fields(account, fields)).unwrap_or_default();
        let unset = fields.into_iter().filter(|field| field.is_custom).map(|field| field.code).collect();
        Self { unset, odd: account.assume.yes("odd"), ..Self::default() }
    }

    /// Writes a row as an object.
    pub(super) fn write(&self, out: &mut String, kind: &Kind, id: &Id, row: &Row) {
        out.push('{');
        out.push_str(row.main());
        if kind.fields.is_some() {
            out.push_str(",\"custom_fields\":{");
            self.write_custom(out, row.custom());
            out.push('}');
        }
        if !self.optional.is_empty() {
            for (key, value) in Members::new(row.optional()).filter(|(key, _)| self.optional.contains(*key)) {
                let _ = write!(out, ",\"{key}\":{value}");
            }
        }
        if self.odd && id_hash(id).wrapping_mul(0x9e37_79b9_7f4a_7c15).is_multiple_of(ODD_ROWS) {
            out.push_str(",\"preview_score\":{\"version\":3,\"value\":null}");
        }
        out.push('}');
    }

    fn write_custom(&self, out: &mut String, text: &str) {
        if self.custom.is_none() && self.unset.is_empty() && self.labels.is_empty() {
            out.push_str(text);
            return;
        }
        let mut comma = "";
        let mut push = |out: &mut String, key: &str, value: &str| {
            out.push_str(comma);
            out.push('"');
            out.push_str(key);
            out.push_str("\":");
            out.push_str(value);
            comma = ",";
        };
        let wanted = |key: &str| self.custom.as_ref().is_none_or(|chosen| chosen.contains(key));
        // Both sides are sorted, so one walk finds what is unset: a search for each key would take longer than the rest of the page.
        let mut unset = self.unset.iter().filter(|key| wanted(key)).peekable();
        for (key, value) in Members::new(text).filter(|(key, _)| wanted(key)) {
            while let Some(missing) = unset.next_if(|missing| missing.as_str() < key) {
                push(out, missing, "null");
            }
            unset.next_if(|missing| *missing == key);
            let labelled = self.labels.iter().find(|field| field.code == key).and_then(|field| field.labelled(value));
            push(out, key, labelled.map(|labelled| labelled.to_string()).as_deref().unwrap_or(value));
        }
        unset.for_each(|missing| push(out, missing, "null"));
    }
}

/// A row as v1 shows it: every member, with the mark of deletion only where the kind has one.
pub(super) fn write_v1(out: &mut String, row: &Row) {
    out.push('{');
    out.push_str(row.main());
    out.push('}');
}

/// A row of a v2 kind as a JSON value, as a write answers it.
pub(super) fn value(account: &Account, kind: &'static Kind, id: &Id) -> Value {
    let Some(row) = account.store.table(kind.name).rows.get(id) else { return Value::Null };
    let mut text = String::new();
    if (kind.gone == Gone::Marked && kind.name != "users") || kind.name == "projects" {
        Show::whole(account, kind).write(&mut text, kind, id, row);
    } else {
        write_v1(&mut text, row);
    }
    serde_json::from_str(&text).unwrap_or(Value::Null)
}
