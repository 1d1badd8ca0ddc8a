//! Decides everything: a pure function of two states, the catalogue and a policy.
//!
//! In this order: what happened (`cases`), what of it is acted upon (`scope`),
//! which records are made again (`makes`), what is sent for them (`bodies`), what
//! is written to those that are still there (`updates`), what lost its link
//! (`relink`), what the archive flags need (`archive`), and at last the order of
//! steps (`assemble`) and their price (`price`).

mod archive;
mod assemble;
mod authors;
mod bodies;
mod conflicts;
mod custom;
mod definitions;
mod expel;
#[cfg(test)]
mod laws;
mod makes;
mod pause;
#[cfg(test)]
mod places;
pub(super) mod price;
mod relink;
#[cfg(test)]
mod specimen;
mod testimony;
#[cfg(test)]
mod tests;
mod trim;
mod updates;
mod values;

pub(super) use self::updates::named;

use std::collections::{BTreeSet, HashMap};

use serde_json::{Map, Value};

use crate::catalogue::{self, Listing, Object, ObjectName, Restore};
use crate::diff::{self, Lineage};
use crate::record::{Key, Record, RecordId};
use crate::restore::cases::{Case, Cases, object_of};
use crate::restore::definitions::Definitions;
use crate::restore::elsewhere::Mapping;
use crate::restore::fields::Fields;
use crate::restore::links::{Links, pointers_of};
use crate::restore::parts::stands_in_the_way;
use crate::restore::past::Between;
use crate::restore::plan::{Action, ByNature, Conflict, Kept, LeftOut, LiveId, Plan, Reason, Stamp};
use crate::restore::planner::authors::Authors;
use crate::restore::policy::{Policy, StandIn};
use crate::restore::rules::Facts;
use crate::restore::scope::{self, Chosen};
use crate::restore::state::State;
use crate::restore::translate::Translator;

/// Why no plan can be made.
#[derive(Debug, thiserror::Error)]
pub enum CannotPlan {
    /// Ids of another company mean other records.
    #[error("snapshot is of company {goal}, the account is company {seen}: ids mean other records there")]
    OtherAccount {
        /// The company of the snapshot.
        goal: u64,
        /// The company of the account.
        seen: u64,
    },
    /// The scope names an object that does not exist.
    #[error("no object is called {0}")]
    UnknownObject(ObjectName),
    /// The scope names a record that neither state has.
    #[error("neither the snapshot nor the account has {0}")]
    NoSuchRecord(RecordId),
    /// A filter and no object whose records it could look at.
    #[error("a filter looks at the records of objects, and none was named")]
    FilterOfNothing,
    /// The filter makes no sense for an object.
    #[error("{0}")]
    Filter(#[from] diff::NotAFilter),
    /// No object that was asked for has such a field.
    #[error("no field that a restore writes is called {0}")]
    NoSuchField(String),
    /// Nobody in the account can take over.
    #[error("no user of the account is {0}")]
    NoSuchUser(String),
    /// The archive cannot be read.
    #[error("cannot read snapshot: {0}")]
    Archive(#[from] crate::archive::Error),
}

impl From<diff::Unbound> for CannotPlan {
    fn from(error: diff::Unbound) -> CannotPlan {
        match error {
            diff::Unbound::Field(error) => error.into(),
            diff::Unbound::Archive(error) => error.into(),
        }
    }
}

/// Plans the writes that turn the account seen into the goal, as far as the policy asks for it.
pub fn plan<S: State>(goal: &S, seen: &S, policy: &Policy, lineage: &Lineage) -> Result<Plan, CannotPlan> {
    plan_with(goal, None, seen, policy, lineage)
}

/// The same, knowing a state in between: what was edited again after it is a conflict, or only what happened until then
/// is undone.
pub fn plan_with<S: State>(
    goal: &S,
    between: Option<&Between<'_, S>>,
    seen: &S,
    policy: &Policy,
    lineage: &Lineage,
) -> Result<Plan, CannotPlan> {
    let (of, at) = (goal.manifest().source.company_id, seen.manifest().source.company_id);
    if of != at {
        return Err(CannotPlan::OtherAccount { goal: of, seen: at });
    }
    plan_along((goal, between, seen), policy, Way::Home(lineage))
}

/// Plans the writes that make what the policy asks for in another company, beside what is there.
pub fn plan_elsewhere<S: State>(goal: &S, seen: &S, policy: &Policy, mapping: &Mapping) -> Result<Plan, CannotPlan> {
    plan_along((goal, None, seen), policy, Way::Elsewhere(mapping))
}

/// What tells which record of the account is which of the goal.
#[derive(Clone, Copy)]
enum Way<'a> {
    /// The same company: its number, or the one that an earlier restore gave it.
    Home(&'a Lineage),
    /// Another company: what was matched.
    Elsewhere(&'a Mapping),
}

fn plan_along<S: State>(
    (goal, between, seen): (&S, Option<&Between<'_, S>>, &S),
    policy: &Policy,
    way: Way<'_>,
) -> Result<Plan, CannotPlan> {
    let (then, now) = (Definitions::of(goal)?, Definitions::of(seen)?);
    let cases = match way {
        Way::Home(lineage) => Cases::between(goal, seen, lineage)?,
        Way::Elsewhere(mapping) => Cases::elsewhere(goal, seen, mapping, policy)?,
    };
    let mut chosen = scope::choose(policy, &cases, goal, seen, &then)?;
    let mut fields = match way {
        Way::Home(lineage) => Fields::between(&then, &now, lineage),
        Way::Elsewhere(mapping) => Fields::elsewhere(&then, mapping),
    };
    if policy.with_fields {
        definitions::want(&mut fields, policy, &cases, &mut chosen, (&then, &now));
    }
    let none = Lineage::default();
    let (lineage, mapping) = match way {
        Way::Home(lineage) => (lineage, None),
        Way::Elsewhere(mapping) => (&none, Some(mapping)),
    };
    let links = match way {
        Way::Home(lineage) => Links::to(pointers_of(&cases, &then), &cases, goal, seen, lineage)?,
        Way::Elsewhere(mapping) => Links::elsewhere((goal, seen), &cases, &then, mapping)?,
    };
    let mut planner = Planner {
        goal,
        seen,
        policy,
        mapping,
        then,
        now,
        between,
        versions: between.map_or_else(|| Ok(HashMap::new()), |between| between.versions(goal, &cases))?,
        lineage,
        cases: &cases,
        chosen,
        fields,
        links,
        stand_in: user(seen, policy.owner_fallback.as_ref())?,
        by_user: user(seen, policy.by_user.as_ref())?,
        authors: Authors::default(),
        facts: Facts::default(),
        drafts: Vec::new(),
        said: Said::default(),
        withheld: BTreeSet::new(),
    };
    if planner.by_user.is_some() {
        planner.authors = Authors::since(goal, between, seen)?;
    }
    planner.know_fields()?;
    planner.leave_alone()?;
    let facts = values::facts((goal, mapping.is_none().then_some(seen)), &cases, &planner.chosen)?;
    planner.facts = Facts { is_admin: seen.manifest().source.is_admin, ..facts };
    planner.draft()?;
    Ok(planner.assemble())
}

/// What the plan says besides its steps.
#[derive(Default)]
struct Said {
    left_out: Vec<LeftOut>,
    by_nature: Vec<ByNature>,
    kept: Vec<Kept>,
    conflicts: Vec<Conflict>,
}

/// A plan in the making.
struct Planner<'a, S> {
    goal: &'a S,
    seen: &'a S,
    policy: &'a Policy,
    /// What is matched, where the account is another company's.
    mapping: Option<&'a Mapping>,
    then: Definitions,
    now: Definitions,
    /// A state that tells what happened when.
    between: Option<&'a Between<'a, S>>,
    /// Versions that changed records had in between.
    versions: HashMap<RecordId, Vec<Record>>,
    lineage: &'a Lineage,
    cases: &'a Cases,
    chosen: Chosen,
    fields: Fields,
    links: Links<'a>,
    /// The user who takes over what belonged to users who are gone.
    stand_in: Option<Key>,
    /// Only what this user changed.
    by_user: Option<Key>,
    authors: Authors,
    facts: Facts,
    drafts: Vec<Draft>,
    said: Said,
    /// Fields of records that are there and stay as they are.
    withheld: BTreeSet<(RecordId, String)>,
}

/// When a step is taken, as far as references leave it open.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Phase {
    /// What would tell the world about every step after.
    First,
    /// Out of the archive, to be changed.
    Open,
    /// What was added and would have what is written refused.
    Clear,
    /// Records made and changed, object by object.
    Write,
    /// Changes that need a record which is made in [`Phase::Write`] of a later object; second passes.
    Circle,
    /// What the service added by itself beside the phases before.
    Expel,
    /// What was added.
    Delete,
    /// Values that only hold once parts are gone.
    Settle,
    /// Into the archive.
    Close,
    /// What would tell the world about every step before.
    Last,
}

/// A step without its number.
struct Draft {
    phase: Phase,
    /// The object's place in the restore order.
    object: usize,
    /// The place within the object.
    order: i64,
    key: Key,
    action: Action,
    reason: Reason,
    clears: Vec<String>,
    notes: Vec<String>,
}

impl<'a, S: State> Planner<'a, S> {
    fn translator(&self) -> Translator<'_, 'a> {
        Translator {
            then: &self.then,
            now: &self.now,
            fields: &self.fields,
            links: &self.links,
            stand_in: self.stand_in.as_ref(),
        }
    }

    /// Drafts every step.
    fn draft(&mut self) -> Result<(), CannotPlan> {
        self.unseen();
        let makes = self.makes()?;
        self.create(makes)?;
        self.add_options();
        self.update_changed();
        self.delete_added();
        // What another company has of its own has lost nothing, and none of its records bears a number of the goal.
        if self.mapping.is_none() {
            self.relink()?;
            self.relink_conditions()?;
        }
        self.trim()?;
        self.settle_values()?;
        self.expel()?;
        if self.mapping.is_none() {
            self.open_archived_parents()?;
        }
        self.pause_webhooks()?;
        self.attribute()?;
        Ok(())
    }

    /// Says what could not be compared, as far as it was asked for.
    fn unseen(&mut self) {
        for (object, (records, why)) in &self.cases.blind {
            if self.asked(object) {
                let verb = if self.mapping.is_some() { "carried into" } else { "compared with" };
                let why = format!("{records} records cannot be {verb} the account: {why}");
                self.said.left_out.push(LeftOut::object(object, why));
            }
        }
        for (object, (records, why)) in &self.cases.unknown {
            if self.asked(object) && self.policy.delete_added {
                let why =
                    format!("{records} records may have been added since, but the snapshot did not see all: {why}");
                self.said.left_out.push(LeftOut::object(object, why));
            }
        }
        for (id, why) in self.mapping.into_iter().flat_map(Mapping::skipped) {
            if self.asked(&id.object) || self.policy.scope.records.contains(id) {
                self.said.left_out.push(LeftOut::record(id, why.to_owned()));
            }
        }
        for (object, records) in &self.chosen.left_behind {
            let why = format!("{records} of the chosen records' own are missing and were not asked for");
            self.said.left_out.push(LeftOut::object(object, why));
        }
    }

    fn asked(&self, object: &ObjectName) -> bool {
        self.policy.scope.is_everything() || self.policy.scope.objects.contains(object)
    }

    fn delete_added(&mut self) {
        let mut gone: BTreeSet<RecordId> = BTreeSet::new();
        for id in &self.chosen.records {
            let Some(Case::Added(live)) = self.cases.all.get(id) else { continue };
            let Some(object) = object_of(id) else { continue };
            if matches!(object.restore, Restore::Mirror(_)) || self.fields.is_heir(id) {
                continue;
            }
            if !self.policy.delete_added {
                self.said.left_out.push(LeftOut::record(id, "it was added since and stays"));
            } else if !object.dml.delete || object.delete.is_none() {
                self.said
                    .left_out
                    .push(LeftOut::record(id, "it was added since and cannot be deleted through the API"));
            } else {
                gone.insert(live.id().clone());
            }
        }
        for id in &gone {
            let object = object_of(id).expect("only records of known objects are deleted");
            // A deleted parent takes its parts with it.
            let parent = |name: &'static str| {
                id.key.parent().is_some_and(|key| gone.contains(&RecordId::new(ObjectName::known(name), key)))
            };
            if !object.parents().iter().any(|name| parent(name)) {
                let Some(Case::Added(live)) = self.cases.all.get(id) else { continue };
                self.draft_delete(object, live, Reason::Added);
            }
        }
    }

    fn draft_delete(&mut self, object: &'static Object, live: &Record, reason: Reason) {
        let (phase, place) = match reason {
            Reason::Added if stands_in_the_way(object, &live.fields()) => (Phase::Clear, usize::MAX - place(object)),
            // Children stand later in the restore order than their parents, and go first.
            Reason::Added if !is_last(object) => (Phase::Delete, usize::MAX - place(object)),
            Reason::Paused => (Phase::First, place(object)),
            _ if is_last(object) => (Phase::Last, place(object)),
            // Made again in the same phase.
            _ => (Phase::Circle, place(object)),
        };
        let seen = Box::new(Stamp::of(object, &live.fields(), &[]));
        let action = Action::Delete { live: LiveId(live.id().clone()), seen };
        self.drafts.push(Draft {
            phase,
            object: place,
            order: -1,
            key: live.id().key.clone(),
            action,
            reason,
            clears: Vec::new(),
            notes: Vec::new(),
        });
    }
}

/// Finds the user whom the policy names.
fn user<S: State>(seen: &S, named: Option<&StandIn>) -> Result<Option<Key>, CannotPlan> {
    let Some(named) = named else { return Ok(None) };
    let users = ObjectName::known("users");
    let nobody = |who: String| CannotPlan::NoSuchUser(who);
    match named {
        StandIn::Id(id) => {
            let key = Key::Number(*id);
            let there = seen.contents(&users).is_some() && seen.find(&RecordId::new(users, key.clone()))?.is_some();
            if there { Ok(Some(key)) } else { Err(nobody(id.to_string())) }
        }
        StandIn::Email(email) => {
            if seen.contents(&users).is_some() {
                for user in seen.records(&users)? {
                    let user = user?;
                    let found = user.fields().get("email").and_then(Value::as_str).map(str::to_lowercase);
                    if found.as_deref() == Some(email.to_lowercase().as_str()) {
                        return Ok(Some(user.id().key.clone()));
                    }
                }
            }
            Err(nobody(email.clone()))
        }
    }
}

/// The list in which a record is made and changed: of an archived one, the list it was archived from.
///
/// The archived list stands after that in the catalogue.
pub(super) fn home(object: &'static Object) -> &'static Object {
    let position = |object: &Object| catalogue::ALL.iter().position(|other| other.name == object.name);
    let twin = object.twin.and_then(|name| catalogue::find(&ObjectName::known(name)));
    twin.filter(|twin| position(twin) < position(object)).unwrap_or(object)
}

/// Whether records of this object stand in an archive.
pub(super) fn is_archive(object: &'static Object) -> bool {
    home(object).name != object.name
}

/// The object's place in the restore order.
pub(super) fn place(object: &'static Object) -> usize {
    let home = home(object);
    let order = catalogue::in_restore_order();
    order.iter().position(|other| other.name == home.name).unwrap_or(order.len())
}

/// Webhooks listen: made earlier, they would deliver every step of the restore to somebody.
fn is_last(object: &Object) -> bool {
    object.name == "webhooks"
}

/// Whether the service keeps an order of these records that only follows from the order in which they are made.
pub(super) fn is_ordered(object: &Object) -> bool {
    !matches!(object.listing, Listing::Flat(_)) || object.computed.contains(&"order_nr")
}

fn order_of(fields: &Map<String, Value>) -> i64 {
    fields.get("order_nr").and_then(Value::as_i64).unwrap_or(0)
}
