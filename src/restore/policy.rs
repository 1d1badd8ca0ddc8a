//! What is asked of a restore.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::catalogue::ObjectName;
use crate::diff::Filter;
use crate::record::RecordId;

/// What is asked: which records, and what to do in the cases where opinions differ.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// Which records.
    pub scope: Scope,
    /// Also what the chosen records point to and what belongs to them, as far as it is missing.
    pub related: bool,
    /// How many links away from a chosen record something may be that comes along; any number when none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub depth: Option<u32>,
    /// Delete what was added since.
    pub delete_added: bool,
    /// Make fields and options again that the account no longer has.
    #[serde(default)]
    pub with_fields: bool,
    /// What to do about a reference to a record that is not there.
    pub missing: Missing,
    /// What to do instead about records of single objects.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub missing_of: BTreeMap<String, Missing>,
    /// Invite users who are not there any more: each gets a mail and takes a paid seat.
    #[serde(default)]
    pub invite_users: bool,
    /// Who owns what belonged to a user who is not there and is not invited; nobody in particular when none.
    #[serde(default)]
    pub owner_fallback: Option<StandIn>,
    /// In another company: also change what was matched, where it differs from the snapshot.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub change_matched: bool,
    /// In another company: also make webhooks, which call the receivers of the first one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub with_webhooks: bool,
    /// Remove the account's webhooks before the first write and make them again after the last.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub pause_webhooks: bool,
    /// Only these fields, by name or key, of records that are there; every field when empty.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub fields: BTreeSet<String>,
    /// Only what this user changed, where the data tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by_user: Option<StandIn>,
    /// Who wins where a value was edited again.
    #[serde(default, skip_serializing_if = "Side::is_account")]
    pub conflicts: Side,
    /// Who wins in single cases: by record, then by field.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub decided: BTreeMap<String, BTreeMap<String, Side>>,
}

/// A side of a conflict.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// What the account has stays.
    #[default]
    Account,
    /// What the snapshot has is written.
    Snapshot,
}

impl Side {
    fn is_account(&self) -> bool {
        *self == Side::Account
    }
}

/// A user of the account who takes over records.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StandIn {
    /// By the user's id in the account.
    Id(u64),
    /// By e-mail.
    Email(String),
}

/// Which records: all, or those of some objects and some by name.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(into = "Words", try_from = "Words")]
pub struct Scope {
    /// Whole objects.
    pub objects: BTreeSet<ObjectName>,
    /// Single records.
    pub records: BTreeSet<RecordId>,
    /// Of the whole objects only what it lets through; what was added since is looked at as the account has it.
    pub filter: Option<Filter>,
}

/// What to do about a reference to a record that is not there and does not come back.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Missing {
    /// The record comes back without it, and the plan says so.
    #[default]
    Empty,
    /// The record does not come back, and the plan says so.
    Skip,
    /// The other record comes back as well, with what it needs itself.
    Create,
}

impl Policy {
    /// What to do about a reference to a record of this object that is not there.
    pub(super) fn missing(&self, object: &str) -> Missing {
        self.missing_of.get(object).copied().unwrap_or(self.missing)
    }

    /// Whether it says so of any object.
    pub(super) fn says(&self, missing: Missing) -> bool {
        self.missing == missing || self.missing_of.values().any(|own| *own == missing)
    }

    /// Who wins the conflict about a record's field, or about the whole record when the field is `*`.
    pub(super) fn side(&self, record: &RecordId, field: &str) -> Side {
        let own = self.decided.get(&record.to_string()).and_then(|fields| fields.get(field));
        own.copied().unwrap_or(self.conflicts)
    }
}

impl Scope {
    /// Whether everything is asked for.
    pub fn is_everything(&self) -> bool {
        self.objects.is_empty() && self.records.is_empty()
    }
}

/// A scope as texts.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Words {
    objects: Vec<String>,
    records: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    filter: Option<String>,
}

impl From<Scope> for Words {
    fn from(scope: Scope) -> Words {
        Words {
            objects: scope.objects.iter().map(ToString::to_string).collect(),
            records: scope.records.iter().map(ToString::to_string).collect(),
            filter: scope.filter.map(|filter| filter.text().to_owned()),
        }
    }
}

impl TryFrom<Words> for Scope {
    type Error = String;

    fn try_from(words: Words) -> Result<Scope, String> {
        let record = |text: &String| RecordId::parse(text).ok_or_else(|| format!("no record id: {text}"));
        Ok(Scope {
            objects: words.objects.iter().map(|name| ObjectName::new(name)).collect(),
            records: words.records.iter().map(record).collect::<Result<_, _>>()?,
            filter: words.filter.as_deref().map(Filter::parse).transpose().map_err(|error| error.to_string())?,
        })
    }
}
