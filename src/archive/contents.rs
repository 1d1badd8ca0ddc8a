//! What a manifest says of objects, contents and the account: values only.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Certificate;
use crate::catalogue::ObjectName;

/// Hex BLAKE3 of the stored bytes of a manifest; prints whole.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct SnapshotId(pub String);

impl SnapshotId {
    /// The first eight letters, for people.
    pub fn short(&self) -> &str {
        self.0.get(..8).unwrap_or(&self.0)
    }
}

impl std::fmt::Display for SnapshotId {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&self.0)
    }
}

/// Contents that are stored, and what is inside.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct BlobRef {
    /// Hex BLAKE3 of the stored bytes.
    pub blob: String,
    /// How long the contents are.
    pub bytes: u64,
    /// Hex BLAKE3 of the contents themselves.
    pub blake3: String,
}

/// How much of an object a snapshot saw.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Coverage {
    /// All of it.
    Whole,
    /// Some of it.
    Part {
        /// What could not be seen.
        reason: String,
    },
    /// The account has no such thing.
    NotOffered {
        /// How it said so.
        reason: String,
    },
    /// It was not asked for.
    LeftOut {
        /// By which option.
        reason: String,
    },
}

/// One object of one snapshot.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Contents {
    /// The object.
    #[serde(with = "object_name")]
    pub object: ObjectName,
    /// How many records the snapshot has of it.
    pub records: u64,
    /// Records that the parent snapshot has not.
    pub new: u64,
    /// Records of which the parent snapshot has another version.
    pub changed: u64,
    /// Records of the parent snapshot that are gone.
    pub deleted: u64,
    /// Hex root over the record versions in key order.
    pub root: String,
    /// How much of it was seen.
    pub coverage: Coverage,
    /// Rows that were no records, contents that could not be read, and the like.
    pub gaps: Vec<String>,
    /// When the list was last read, wholly or since a time.
    pub seen_at: DateTime<Utc>,
    /// When the whole list was last walked, so that a missing row is a deletion.
    pub deletions_seen_at: Option<DateTime<Utc>>,
    /// `changed since` of the next increment.
    pub watermark: Option<DateTime<Utc>>,
    /// Fields that were left out on purpose.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub without: Vec<String>,
    /// How it was counted; none in snapshots of a time before it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<Certificate>,
}

/// How the reading of an object ended.
#[derive(Clone, Debug)]
pub struct Ending {
    /// How much of it was seen.
    pub coverage: Coverage,
    /// The whole list was walked, so that what did not show is deleted.
    pub unseen_is_deleted: bool,
    /// Distinct records that the service handed out, as far as somebody counted.
    pub listed: Option<u64>,
    /// Rows that were no records, contents that could not be read, and the like.
    pub gaps: Vec<String>,
    /// When the list was last read.
    pub seen_at: DateTime<Utc>,
    /// When the whole list was last walked.
    pub deletions_seen_at: Option<DateTime<Utc>>,
    /// `changed since` of the next increment.
    pub watermark: Option<DateTime<Utc>>,
    /// Fields that were left out on purpose.
    pub without: Vec<String>,
}

/// What a capture cost.
#[derive(Clone, Debug)]
pub struct Tally {
    /// When it began.
    pub started: DateTime<Utc>,
    /// Requests it made.
    pub requests: u64,
    /// Tokens they cost.
    pub tokens: u64,
    /// Free: for example the options of the capture.
    pub notes: Value,
}

/// Whose data it is. Ids of another company mean other records.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Source {
    /// The company's id.
    pub company_id: u64,
    /// Its name.
    pub company_name: String,
    /// The first part of its address.
    pub company_domain: String,
    /// The user whose token read it.
    pub user_id: u64,
    /// That user's name.
    pub user_name: String,
    /// Whether the token sees everything.
    pub is_admin: bool,
    /// `api`, `import`, or `target`: read only to restore another company's snapshot into it.
    pub kind: String,
}

impl Source {
    /// What [`Source::kind`] says of an account that was read only to restore into it.
    pub const TARGET: &'static str = "target";

    /// Whether the account was read only to restore another company's snapshot into it.
    pub fn is_aside(&self) -> bool {
        self.kind == Source::TARGET
    }
}

/// Names of objects as plain words.
pub(super) mod object_name {
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::catalogue::ObjectName;

    pub(in crate::archive) fn serialize<S: Serializer>(name: &ObjectName, out: S) -> Result<S::Ok, S::Error> {
        out.serialize_str(name.as_str())
    }

    pub(in crate::archive) fn deserialize<'de, D: Deserializer<'de>>(input: D) -> Result<ObjectName, D::Error> {
        String::deserialize(input).map(|name| ObjectName::new(&name))
    }
}
