//! What a plan says besides its steps: what does not come back, what comes back differently, what was edited again, and how
//! records came to be in it.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::catalogue::ObjectName;
use crate::record::RecordId;
use crate::restore::fill::text;
use crate::restore::policy::Side;

/// Something that will not come back.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeftOut {
    /// The object.
    pub object: Cow<'static, str>,
    /// The record, if it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The field, if the rest of the record comes back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// Why, in words.
    pub why: Cow<'static, str>,
}

// Where everything was lost there are as many of these as there are records.
impl LeftOut {
    /// A record that does not come back.
    pub(in crate::restore) fn record(id: &RecordId, why: impl Into<Cow<'static, str>>) -> LeftOut {
        LeftOut { object: id.object.word(), key: Some(id.key.to_string()), field: None, why: why.into() }
    }

    /// A field that does not come back.
    pub(in crate::restore) fn field(id: &RecordId, field: &str, why: impl Into<Cow<'static, str>>) -> LeftOut {
        LeftOut { field: Some(field.to_owned()), ..LeftOut::record(id, why) }
    }

    /// Something about a whole object.
    pub(in crate::restore) fn object(object: &ObjectName, why: impl Into<Cow<'static, str>>) -> LeftOut {
        LeftOut { object: object.word(), key: None, field: None, why: why.into() }
    }
}

/// What will come back differently.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ByNature {
    /// The object.
    pub object: String,
    /// How many of its records.
    pub records: u64,
    /// The fields that the service sets itself.
    pub fields: Vec<String>,
    /// The catalogue's words on it.
    pub why: String,
}

/// A difference that is left as it is on purpose.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kept {
    /// The record.
    #[serde(with = "text")]
    pub record: RecordId,
    /// What is kept, in words.
    pub why: String,
}

/// A value that was edited again after what is undone.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conflict {
    /// The record as the goal names it; of an added one, as the account does.
    #[serde(with = "text")]
    pub record: RecordId,
    /// The field; custom ones as `custom_fields.<code>`; `*` for the whole record.
    pub field: String,
    /// What the goal has.
    pub goal: Value,
    /// What it was in between.
    pub between: Value,
    /// What the account has.
    pub account: Value,
    /// When the account's value was written; of the whole record where nothing tells more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<String>,
    /// The number of the user who wrote it, where anything tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub who: Option<String>,
    /// Who wins.
    pub winner: Side,
}

/// How records of one object came to be acted upon: counted among those that differ from the goal.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Drawn {
    /// Asked for.
    pub chosen: u64,
    /// Of an object that was asked for, and not what the filter lets through.
    pub passed_over: u64,
    /// Missing, and needed by one that was drawn in before.
    pub needed: u64,
    /// Belonging to one that was drawn in before.
    pub belonging: u64,
    /// Missing, and further away than was asked for.
    pub beyond: u64,
}

/// Records of one object that are missing and do not come back, though others refer to them that were asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dangling {
    /// How many.
    pub records: u64,
    /// How many refer to them.
    pub from: u64,
}
