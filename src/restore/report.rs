//! What a restore brought back, and what it did not: the fidelity report.
//!
//! Data only; how it reads is the command line's business.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use crate::archive::SnapshotId;
use crate::restore::plan::{Kept, LeftOut, LiveId};

/// The result of a replay: every touched record, read back and compared with the goal.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Report {
    /// The journal that holds every step.
    pub journal: String,
    /// The snapshot gone back to.
    pub goal: SnapshotId,
    /// When the last record was read back.
    pub finished: DateTime<Utc>,
    /// By object, as people read its name.
    pub objects: BTreeMap<String, Tally>,
    /// All objects together.
    pub total: Tally,
    /// Records that are not simply equal.
    #[serde(default)]
    pub findings: Vec<Finding>,
    /// What the plan said would not come back.
    #[serde(default)]
    pub left_out: Arc<[LeftOut]>,
    /// Differences the plan kept on purpose.
    pub kept: Vec<Kept>,
    /// Followers and participants removed that the service had added by itself.
    #[serde(default)]
    pub expelled: u64,
    /// What came back with records that were brought back, had been added since, and was removed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trimmed: Vec<LiveId>,
    /// What it cost.
    #[serde(default)]
    pub bill: Bill,
    /// Every field that was compared, by object: custom ones as `custom_fields.<code>`.
    #[serde(default)]
    pub fields: BTreeMap<String, BTreeMap<String, FieldTally>>,
    /// What people call the custom fields in it, by their code.
    #[serde(default)]
    pub names: BTreeMap<String, String>,
}

/// Records by how one field of theirs came out.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct FieldTally {
    /// As the goal had it.
    pub equal: u64,
    /// What the service sets itself, or what the plan announced.
    pub by_nature: u64,
    /// Not as the goal had it, or not written because a step was refused.
    pub failed: u64,
    /// Edited since; left as it is.
    pub conflicts: u64,
}

/// What a restore has cost, beside what its plan said.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Bill {
    /// What the plan said.
    pub planned: Cost,
    /// What was spent, in all of its runs.
    pub spent: Cost,
}

/// Tokens and requests.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Cost {
    /// Tokens.
    pub tokens: u64,
    /// Requests.
    pub requests: u64,
}

/// Records by how they came out.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Tally {
    /// As the goal had them.
    pub equal: u64,
    /// Equal but for what the service sets itself, or what the plan announced.
    pub by_nature: u64,
    /// Not as the goal had them.
    pub failed: u64,
    /// Moved since the plan; left as they are.
    pub conflicts: u64,
    /// Deleted, because they were added since.
    pub deleted: u64,
}

/// One record that is not simply equal.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Finding {
    /// The record as the goal names it.
    pub record: String,
    /// Where it is now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub live: Option<LiveId>,
    /// How it came out.
    pub verdict: Verdict,
    /// Fields that differ.
    #[serde(default, skip_serializing_if = "Differences::is_empty")]
    pub fields: Differences,
    /// The server's words, or ours.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub words: Vec<String>,
}

/// The fields of a record that differ, kept as text: where very many records were made again, each has some.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Differences(Box<str>);

impl Differences {
    pub(super) fn of(differences: &[Difference]) -> Differences {
        match differences {
            [] => Differences::default(),
            some => Differences(serde_json::to_string(some).expect("differences have only text keys").into()),
        }
    }

    /// One by one. Parses; keep the result when it is needed twice.
    pub fn list(&self) -> Vec<Difference> {
        if self.is_empty() {
            Vec::new()
        } else {
            serde_json::from_str(&self.0).expect("it was written from differences")
        }
    }

    /// Whether no field differs.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for Differences {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.list().serialize(to)
    }
}

impl<'de> Deserialize<'de> for Differences {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Differences, D::Error> {
        Vec::deserialize(from).map(|list| Differences::of(&list))
    }
}

/// How a record came out.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Equal in everything that can be written.
    Equal,
    /// Equal but for what the service sets itself, or what the plan announced.
    ByNature,
    /// Not as the goal had it.
    Failed,
    /// Moved since the plan; left as it is.
    Conflict,
    /// Deleted, because it was added since.
    Deleted,
}

/// One field that differs.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Difference {
    /// The field; custom ones as `custom_fields.<code>`.
    pub field: String,
    /// What the goal has, in today's ids.
    pub wanted: Value,
    /// What the account has.
    pub found: Value,
    /// Whether that was to be expected.
    pub by_nature: bool,
}

impl Tally {
    pub(super) fn count(&mut self, verdict: Verdict) {
        *self.of(verdict) += 1;
    }

    /// Takes one back that was counted.
    pub(super) fn uncount(&mut self, verdict: Verdict) {
        *self.of(verdict) -= 1;
    }

    fn of(&mut self, verdict: Verdict) -> &mut u64 {
        match verdict {
            Verdict::Equal => &mut self.equal,
            Verdict::ByNature => &mut self.by_nature,
            Verdict::Failed => &mut self.failed,
            Verdict::Conflict => &mut self.conflicts,
            Verdict::Deleted => &mut self.deleted,
        }
    }

    /// Whether nothing is left to be looked at.
    pub fn is_clean(&self) -> bool {
        self.failed == 0 && self.conflicts == 0
    }
}
