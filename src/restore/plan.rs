//! The plan: which writes turn the account seen into the goal. Values only.
//!
//! A plan can be printed, stored, read back, checked and priced without an
//! account, and replaying it needs no decision: whatever could be decided was
//! decided by the planner. It names the two snapshots it was made from, so that
//! it cannot be replayed over something else, and it is as honest about what
//! will not come back as about what will.

mod said;

use std::collections::BTreeMap;
use std::io::{self, BufReader, Read, Seek, Write};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::archive::{BlobRef, SnapshotId};
use crate::catalogue::{self, Object, ObjectName};
use crate::record::RecordId;
use crate::restore::fill::{Body, BodyText, Fill, text};
use crate::restore::past::Past;
use crate::restore::policy::{Policy, Side};

pub use said::{ByNature, Conflict, Dangling, Drawn, Kept, LeftOut};

/// The version of the plan's JSON form.
pub(super) const FORMAT: u32 = 1;

/// Requests a second that every plan of the service allows a token: 20 in a window of 2 seconds (api/wire.md).
const REQUESTS_A_SECOND: u64 = 10;

/// The number of a step in its plan, counted from 0.
pub type StepNumber = u32;

/// An identity in the target account: read from it, or answered by it.
///
/// Kept apart from [`RecordId`], which names a record as the goal knows it: a
/// record that was created again has another one.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LiveId(#[serde(with = "text")] pub RecordId);

/// The writes that turn the account seen into the goal.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    pub(super) format: u32,
    /// The snapshot to go back to.
    pub goal: SnapshotId,
    /// The state of the account that the plan was made from.
    pub seen: SnapshotId,
    /// The company that is written to, and to which both belong unless the next line says otherwise.
    pub company: u64,
    /// The company of the goal, where it is another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<u64>,
    /// A state between the two that tells what happened when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub past: Option<Past>,
    /// What was asked.
    pub policy: Policy,
    /// The writes, in the order in which they are sent.
    pub steps: Vec<Step>,
    /// How records came to be in the plan, by object, where more than whole objects and single records was asked for.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub drawn: BTreeMap<String, Drawn>,
    /// Missing records that do not come back, though others refer to them, by object.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub dangling: BTreeMap<String, Dangling>,
    /// What will not come back, and why.
    pub left_out: Arc<[LeftOut]>,
    /// What will come back differently, by the nature of the service.
    pub by_nature: Vec<ByNature>,
    /// What looks different and is kept on purpose.
    pub kept: Vec<Kept>,
    /// Values that were edited again after what is undone, and who wins.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conflicts: Vec<Conflict>,
    /// Keys of today by the fields of the goal that have another one now: `dealFields/<key>`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub keys: BTreeMap<String, String>,
    /// What the writes may set off.
    pub side_effects: SideEffects,
    /// What it costs.
    pub price: Price,
}

/// One write.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Its place in the plan.
    pub number: StepNumber,
    /// What is sent.
    pub action: Action,
    /// Why.
    pub reason: Reason,
    /// Steps that must have ended before this one begins: what it refers to, or what must come before it in a list.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<StepNumber>,
    /// Whether every earlier step must have ended: the first of those that rely on all that came before.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub after_all: bool,
    /// Fields whose value is taken away.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub clears: Vec<String>,
    /// What a person should know about this step.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// Tokens, at most.
    pub price: u64,
}

/// What a step sends.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub enum Action {
    /// Makes the record; it gets a new id.
    Create(Create),
    /// Brings a deleted record back with its id, by the forms of the catalogue, each tried once; when the service takes
    /// none of them the record is made again. What the service answers decides, not the replay.
    Revive {
        /// How the record is made if it cannot be brought back.
        create: Create,
        /// Everything that can be written to it once it is back; what it has already is not sent.
        mend: BodyText,
    },
    /// Writes some fields of a record that is there.
    Update(Update),
    /// Deletes a record.
    Delete {
        /// Which.
        live: LiveId,
        /// What it looked like.
        seen: Box<Stamp>,
    },
    /// Adds options to a field that is there.
    AddOptions(AddOptions),
    /// Removes a row that the service added by itself beside an earlier step, if it did.
    Expel(Expel),
    /// Removes what came back with a record that an earlier step brings back, and was added since the goal.
    Trim(Trim),
}

/// A row that the service may add by itself when a record is written, and that neither the goal nor the account had.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expel {
    /// The record that an earlier step writes, as the goal names it.
    #[serde(with = "text")]
    pub host: RecordId,
    /// The object of the row.
    pub part: String,
    /// The record in the account.
    pub under: Box<Fill>,
    /// Whom the row names.
    pub member: BodyText,
    /// How many such rows the record had when the plan was made; those that the plan makes come on top.
    #[serde(default)]
    pub were: u64,
}

/// What a record may keep that is brought back: everything else that comes back with it was added since.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trim {
    /// The record that an earlier step brings back, as the goal names it.
    #[serde(with = "text")]
    pub host: RecordId,
    /// By object of the rows that belong to it, a list with one for each row of the goal: its id, or whom it names where
    /// it is known by that; a list of two where that has another number now.
    pub keeps: BodyText,
}

/// Options that a field of the goal has and the account's has not.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AddOptions {
    /// The field as the goal names it.
    #[serde(with = "text")]
    pub record: RecordId,
    /// The field in the account.
    pub live: LiveId,
    /// Their labels, in their order.
    pub labels: Vec<String>,
}

/// How a record is made.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Create {
    /// The record as the goal names it.
    #[serde(with = "text")]
    pub record: RecordId,
    /// The parent it is made under.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub under: Option<Box<Fill>>,
    /// The fields sent.
    pub body: BodyText,
    /// Whether it may be there already.
    #[serde(default, skip_serializing_if = "Look::is_no")]
    pub look: Look,
    /// Contents sent with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contents: Option<Box<Upload>>,
}

/// Contents sent with a record.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Upload {
    /// The name of the file.
    pub name: String,
    /// Where the archive keeps the contents.
    pub blob: BlobRef,
}

/// Whether a record that is to be made may be there already.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Look {
    /// It cannot be.
    #[default]
    No,
    /// It may have come back with its parent: ask for it by its old id.
    ById,
    /// The service may have added it with its parent: look at the parent's list.
    UnderParent,
}

impl Look {
    fn is_no(&self) -> bool {
        *self == Look::No
    }
}

/// How a record is changed.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Update {
    /// The record as the goal names it.
    #[serde(with = "text")]
    pub record: RecordId,
    /// The record in the account; none when an earlier step makes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub live: Option<LiveId>,
    /// The object whose call is used; an archived record is changed through its twin.
    pub through: String,
    /// The fields sent.
    pub body: BodyText,
    /// What the record looked like; none when an earlier step makes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<Box<Stamp>>,
}

/// What a live record looked like when the plan was made, so that a later edit is not overwritten.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stamp {
    /// Its `update_time`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
    /// A digest of its writable fields. It decides when the times differ: writing one record may touch another.
    pub fields: String,
    /// Fields that steps of this plan change as a side effect, and that are therefore not in the digest.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub without: Vec<String>,
}

/// Why a step is taken.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The record was deleted.
    Deleted,
    /// These fields were edited.
    Edited(Vec<String>),
    /// The record lost its link to a record that comes back; these fields are linked again.
    LostLink(Vec<String>),
    /// Fields that could not be written when the record was made.
    Completes,
    /// A reference to a record that is made later: the second pass of a circle.
    CompletesCircle,
    /// The value of a deal, once its lines are there: where the service counts it from them nothing is sent.
    AfterLines,
    /// The record was archived, or is taken out of the archive to be changed.
    Unarchive,
    /// The record was archived in the goal.
    Archive,
    /// The service cannot change such a record: it is deleted and made again.
    Replaced,
    /// A webhook is out of the way while the steps in between write.
    Paused,
    /// The record was added since.
    Added,
    /// The service adds it by itself when an earlier step writes.
    AddedByItself,
}

/// What the writes may set off in the account.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SideEffects {
    /// Webhooks in the account that are not out of the way: each write is delivered to those that listen.
    pub webhooks: u64,
    /// Objects whose writes may start automations and notifications.
    pub automations: Vec<String>,
    /// Activities with attendees, which may be sent invitations.
    pub invitations: u64,
    /// Users who are invited: each gets a mail and takes a paid seat.
    #[serde(default)]
    pub new_users: u64,
}

/// What a plan is likely to cost, and the most.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// Tokens of the writes.
    pub writes: u64,
    /// Tokens of reading before and after.
    pub reads: u64,
    /// Requests in all.
    pub requests: u64,
    /// Tokens, if the service decides everything the dear way.
    pub most: u64,
    /// Requests that count against a user's writes of a day.
    #[serde(default, skip_serializing_if = "is_nothing")]
    pub counted: u64,
}

/// Not written down, as in the plans of before it was counted: these keep their digest.
fn is_nothing(counted: &u64) -> bool {
    *counted == 0
}

impl Price {
    /// Tokens that are likely to be spent, in all.
    pub fn tokens(&self) -> u64 {
        self.writes + self.reads
    }

    /// How long it takes where the service allows least.
    pub fn seconds(&self) -> u64 {
        self.requests.div_ceil(REQUESTS_A_SECOND)
    }
}

/// Why a text is no plan.
#[derive(Debug, thiserror::Error)]
pub enum NotAPlan {
    /// It is not the JSON of a plan.
    #[error("cannot read plan: {0}")]
    Malformed(#[from] serde_json::Error),
    /// It was written by a later version.
    #[error("plan has format {found}, this version reads format {FORMAT}")]
    Newer {
        /// The format it has.
        found: u32,
    },
}

impl Plan {
    /// The plan as a file.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("a plan has only text keys")
    }

    /// Writes the plan's file, without holding the whole of it.
    pub fn write(&self, to: impl Write) -> io::Result<()> {
        Ok(serde_json::to_writer_pretty(to, self)?)
    }

    /// Reads the text of a plan's file.
    pub fn from_json(text: &str) -> Result<Plan, NotAPlan> {
        Plan::read(io::Cursor::new(text))
    }

    /// Reads a plan's file, without holding the whole of it.
    pub fn read(mut from: impl Read + Seek) -> Result<Plan, NotAPlan> {
        #[derive(Deserialize)]
        struct Format {
            format: u32,
        }
        let Format { format: found } = serde_json::from_reader(BufReader::new(&mut from))?;
        if found != FORMAT {
            return Err(NotAPlan::Newer { found });
        }
        from.rewind().map_err(serde_json::Error::io)?;
        Ok(serde_json::from_reader(BufReader::new(from))?)
    }

    /// What the plan is known by: a journal belongs to exactly one plan.
    pub fn digest(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        serde_json::to_writer(io::BufWriter::new(&mut hasher), self).expect("a plan has only text keys");
        hasher.finalize().to_hex().to_string()
    }

    /// Tokens and time.
    pub fn price(&self) -> Price {
        self.price
    }

    /// The writes.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// What will not come back.
    pub fn left_out(&self) -> &[LeftOut] {
        &self.left_out
    }

    /// What the writes may set off.
    pub fn side_effects(&self) -> &SideEffects {
        &self.side_effects
    }

    /// Conflicts in which the account keeps what it has.
    pub fn conflicts_kept(&self) -> impl Iterator<Item = &Conflict> {
        self.conflicts.iter().filter(|conflict| conflict.winner == Side::Account)
    }

    /// Whether only some of what differs from the goal was asked for: then the rest says nothing about the restore.
    pub(super) fn is_partial(&self) -> bool {
        let policy = &self.policy;
        let window = matches!(self.past, Some(Past::Until(_) | Past::Undone(_)));
        window || !policy.fields.is_empty() || policy.by_user.is_some()
    }

    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }
}

impl Step {
    /// The record the step is about, as the goal names it; of a deletion, as the account does; of rows that are
    /// removed because the service added them or brought them back, the record they belong to.
    pub fn record(&self) -> &RecordId {
        match &self.action {
            Action::Create(create) | Action::Revive { create, .. } => &create.record,
            Action::Update(update) => &update.record,
            Action::AddOptions(added) => &added.record,
            Action::Delete { live, .. } => &live.0,
            Action::Expel(expel) => &expel.host,
            Action::Trim(trim) => &trim.host,
        }
    }

    /// The fields sent, if the step sends any. Parses; keep the result when it is needed twice.
    pub fn body(&self) -> Option<Body> {
        match &self.action {
            Action::Create(create) | Action::Revive { create, .. } => Some(create.body.fields()),
            Action::Update(update) => Some(update.body.fields()),
            Action::Delete { .. } | Action::Expel(_) | Action::Trim(_) | Action::AddOptions(_) => None,
        }
    }
}

impl Trim {
    /// The objects of the rows, and what each row of the goal is known by. Parses.
    pub(super) fn parts(&self) -> impl Iterator<Item = (&'static Object, Vec<Vec<Fill>>)> {
        let listed = |fill| match fill {
            Fill::List(list) => list,
            one => vec![one],
        };
        let fields = self.keeps.fields().into_iter();
        fields.filter_map(move |(name, kept)| {
            let kept = listed(kept).into_iter().map(listed).collect();
            Some((catalogue::find(&ObjectName::new(&name))?, kept))
        })
    }
}
