//! A plan in numbers: how many steps of which kind an object has, and what will not come back.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::catalogue::ObjectName;
use crate::restore::links::is_custom;
use crate::restore::plan::{Action, Plan, Reason};

/// How many steps of which kind an object has.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Counts {
    /// Records made again.
    pub create: u64,
    /// Records that may come back with their id.
    pub revive: u64,
    /// Records whose fields are written back.
    pub update: u64,
    /// Records linked again.
    pub relink: u64,
    /// Second passes over records that the plan makes.
    pub complete: u64,
    /// Records moved to or from the archive.
    pub archive: u64,
    /// Webhooks that are removed meanwhile.
    #[serde(default)]
    pub pause: u64,
    /// Records deleted.
    pub delete: u64,
    /// Rows that the service may add by itself and that are removed then.
    #[serde(default)]
    pub expel: u64,
    /// Records that are looked at once they are back, for what was added to them since.
    #[serde(default)]
    pub trim: u64,
}

/// The plan in numbers.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Summary {
    /// By object, in the order of their names.
    pub objects: BTreeMap<String, Counts>,
    /// Things that will not come back: object, why, how many.
    pub left_out: Vec<(String, String, u64)>,
}

impl Plan {
    /// The plan in numbers.
    pub fn summary(&self) -> Summary {
        let mut summary = Summary::default();
        for step in &self.steps {
            let title = match &step.action {
                Action::Expel(expel) => ObjectName::new(&expel.part).title(),
                _ => step.record().object.title(),
            };
            let counts = summary.objects.entry(title).or_default();
            *match (&step.action, &step.reason) {
                (Action::Delete { .. }, Reason::Replaced | Reason::Paused) => continue,
                (Action::Create(_), Reason::Paused) => &mut counts.pause,
                (Action::Create(_), _) => &mut counts.create,
                (Action::Revive { .. }, _) => &mut counts.revive,
                (Action::Delete { .. }, _) => &mut counts.delete,
                (Action::Expel(_), _) => &mut counts.expel,
                (Action::Trim(_), _) => &mut counts.trim,
                (_, Reason::LostLink(_)) => &mut counts.relink,
                (_, Reason::Completes | Reason::CompletesCircle | Reason::AfterLines) => &mut counts.complete,
                (_, Reason::Archive | Reason::Unarchive) => &mut counts.archive,
                _ => &mut counts.update,
            } += 1;
        }
        let mut left_out: BTreeMap<(String, String), u64> = BTreeMap::new();
        for left in self.left_out.iter() {
            // The key of a custom field says nothing to a person, and the reason names the field.
            let field = left.field.as_ref().filter(|field| !field.get(..40).is_some_and(is_custom));
            let why = field.map_or_else(|| left.why.clone().into_owned(), |field| format!("{field}: {}", left.why));
            *left_out.entry((ObjectName::new(&left.object).title(), why)).or_default() += 1;
        }
        summary.left_out = left_out.into_iter().map(|((object, why), count)| (object, why, count)).collect();
        summary
    }
}
