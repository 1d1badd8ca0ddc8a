//! States between the goal and the account as it is: they tell what happened when.
//!
//! Two states say that a value differs, not how often it was edited. What the
//! archive saw in between does: a value that was something else meanwhile was edited
//! again. And the end of a window tells what happened until then from what happened
//! later.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::{Deserialize, Serialize};

use crate::archive::{Error, SnapshotId};
use crate::catalogue::ObjectName;
use crate::record::{Record, RecordId};
use crate::restore::cases::{Case, Cases};
use crate::restore::state::{Rows, State};

/// Which states a plan was made with, besides the goal and the account.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Past {
    /// Snapshots in between, in order: everything goes back to the goal but what was edited twice.
    Between(Vec<SnapshotId>),
    /// The end of what is undone: what happened later stays.
    Until(SnapshotId),
    /// The account as a restore left it, by the restore's name: what it did is undone, what happened later stays.
    Undone(String),
}

/// The end of what is undone, as far as a planner looks at it.
pub trait Witness {
    /// A record by its identity in the account.
    fn find(&self, live: &RecordId) -> Result<Option<Record>, Error>;
    /// Why it does not tell about an object.
    fn blind(&self, object: &ObjectName) -> Option<String>;
    /// All records of an object that is read as a whole.
    fn records(&self, object: &ObjectName) -> Result<Rows<'_, Record>, Error>;
}

impl<S: State> Witness for S {
    fn find(&self, live: &RecordId) -> Result<Option<Record>, Error> {
        State::find(self, live)
    }

    fn blind(&self, object: &ObjectName) -> Option<String> {
        State::blind(self, object)
    }

    fn records(&self, object: &ObjectName) -> Result<Rows<'_, Record>, Error> {
        match self.contents(object) {
            Some(_) => State::records(self, object),
            None => Ok(Box::new(std::iter::empty())),
        }
    }
}

/// What a planner is told of the time between goal and account.
pub enum Between<'a, S> {
    /// States in between, in order, and their names.
    Through(Vec<SnapshotId>, &'a [S]),
    /// The end of what is undone, and its name.
    End(Past, &'a dyn Witness),
}

impl<'a, S: State> Between<'a, S> {
    /// As the plan names it.
    pub(super) fn past(&self) -> Past {
        match self {
            Between::Through(names, _) => Past::Between(names.clone()),
            Between::End(past, _) => past.clone(),
        }
    }

    /// The end of what is undone; none if everything goes back to the goal.
    pub(super) fn end(&self) -> Option<&'a dyn Witness> {
        match self {
            Between::Through(..) => None,
            Between::End(_, witness) => Some(*witness),
        }
    }

    /// The versions that changed records had in between: only what differs from one state to the next is read.
    pub(super) fn versions(&self, goal: &S, cases: &Cases) -> Result<HashMap<RecordId, Vec<Record>>, Error> {
        let mut versions: HashMap<RecordId, Vec<Record>> = HashMap::new();
        let Between::Through(_, states) = self else { return Ok(versions) };
        let mut wanted: BTreeMap<&ObjectName, BTreeSet<&RecordId>> = BTreeMap::new();
        for case in cases.all.values() {
            if let Case::Changed { goal, live } = case {
                for id in [goal.id(), live.id()] {
                    wanted.entry(&id.object).or_default().insert(id);
                }
            }
        }
        for (object, ids) in wanted {
            let mut before = goal;
            for after in states.iter().filter(|state| state.contents(object).is_some()) {
                for difference in before.differences(after, object)? {
                    if let Some(version) = difference?.after.filter(|version| ids.contains(version.id())) {
                        versions.entry(version.id().clone()).or_default().push(version);
                    }
                }
                before = after;
            }
        }
        Ok(versions)
    }
}
