//! The drafts in their final order, with numbers, dependencies and a price.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::catalogue::{self, Object, ObjectName};
use crate::record::RecordId;
use crate::restore::cases::object_of;
use crate::restore::fill::Fill;
use crate::restore::plan::{Action, FORMAT, Look, Plan, Price, Reason, SideEffects, Step, StepNumber};
use crate::restore::planner::{Draft, Phase, Planner, is_ordered};
use crate::restore::state::State;

/// How many records one read by ids brings (api/objects.md: `ids=` with up to 100).
const BULK: u64 = 100;

impl<S: State> Planner<'_, S> {
    /// The plan.
    pub(super) fn assemble(mut self) -> Plan {
        self.drafts.sort_by(|one, other| one.rank().cmp(&other.rank()));
        let drafts = std::mem::take(&mut self.drafts);
        let mut order = Order::default();
        let steps: Vec<Step> = drafts.into_iter().map(|draft| order.step(draft)).collect();
        let mut said = std::mem::take(&mut self.said);
        said.left_out.sort();
        said.left_out.dedup();
        Plan {
            format: FORMAT,
            goal: self.goal.manifest().id.clone(),
            seen: self.seen.manifest().id.clone(),
            company: self.goal.manifest().source.company_id,
            policy: self.policy.clone(),
            side_effects: self.side_effects(&steps),
            price: price(&steps),
            steps,
            left_out: said.left_out,
            by_nature: said.by_nature,
            kept: said.kept,
            keys: self.fields.moved().map(|(field, key)| (field.to_string(), key.clone())).collect(),
        }
    }

    fn side_effects(&self, steps: &[Step]) -> SideEffects {
        let webhooks = self.seen.contents(&ObjectName::known("webhooks")).map_or(0, |contents| contents.records);
        let automations: BTreeSet<String> = steps.iter().map(|step| step.record().object.title()).collect();
        let invites = |step: &&Step| step.body().is_some_and(|body| body.contains_key("attendees"));
        SideEffects {
            webhooks,
            automations: automations.into_iter().collect(),
            invitations: steps.iter().filter(invites).count() as u64,
        }
    }
}

impl Draft {
    fn rank(&self) -> (Phase, usize, u8, i64, &crate::record::Key, u8) {
        // Within an object records are made before others are changed; of one record, the deletion comes before the new one.
        let made = u8::from(matches!(self.action, Action::Update(_)) && self.phase == Phase::Write);
        let again = u8::from(!matches!(self.action, Action::Delete { .. }));
        (self.phase, self.object, made, self.order, &self.key, again)
    }
}

/// What the steps so far have brought, for the steps that depend on it.
#[derive(Default)]
struct Order {
    next: StepNumber,
    phase: Option<Phase>,
    made: HashMap<RecordId, StepNumber>,
    last_of: HashMap<RecordId, StepNumber>,
    siblings: HashMap<(String, String), StepNumber>,
    deleted: Option<(ObjectName, StepNumber)>,
}

impl Order {
    fn step(&mut self, draft: Draft) -> Step {
        let number = self.next;
        self.next += 1;
        let mut after = BTreeSet::new();
        // Phases do not overlap: each relies on the whole of the one before.
        if self.phase.is_some_and(|phase| phase != draft.phase) {
            after.extend(number.checked_sub(1));
        }
        self.phase = Some(draft.phase);
        self.needs(&draft.action, &mut after);
        let step = Step {
            number,
            price: step_price(&draft.action),
            action: draft.action,
            reason: draft.reason,
            after: Vec::new(),
            clears: draft.clears,
            notes: draft.notes,
        };
        for id in identities(&step.action) {
            after.extend(self.last_of.insert(id, number));
        }
        self.siblings(&step, &mut after);
        if let (Action::Create(_) | Action::Revive { .. } | Action::AddOptions(_), id) = (&step.action, step.record()) {
            self.made.insert(id.clone(), number);
        }
        Step { after: after.into_iter().collect(), ..step }
    }

    /// What the step refers to.
    fn needs(&self, action: &Action, after: &mut BTreeSet<StepNumber>) {
        let (body, under) = match action {
            Action::Create(create) | Action::Revive { create, .. } => (Some(&create.body), create.under.as_ref()),
            Action::Update(update) => {
                if update.live.is_none() {
                    after.extend(self.made.get(&update.record));
                }
                (Some(&update.body), None)
            }
            Action::Delete { .. } | Action::AddOptions(_) => (None, None),
            Action::Expel(expel) => {
                after.extend(self.last_of.get(&expel.host));
                (Some(&expel.member), Some(&expel.under))
            }
        };
        let fills = body.into_iter().flat_map(|body| body.values()).chain(under);
        after.extend(fills.flat_map(Fill::needs).filter_map(|id| self.made.get(id)));
        if let Action::Revive { mend, .. } = action {
            after.extend(mend.values().flat_map(Fill::needs).filter_map(|id| self.made.get(id)));
        }
    }

    /// What must come before it in a list, and what must be gone before it.
    fn siblings(&mut self, step: &Step, after: &mut BTreeSet<StepNumber>) {
        let id = step.record();
        match &step.action {
            Action::Create(create) | Action::Revive { create, .. } if object_of(id).is_some_and(is_ordered) => {
                let under = create.under.as_ref().map(|under| serde_json::to_string(under).unwrap_or_default());
                let list = (id.object.to_string(), under.unwrap_or_default());
                after.extend(self.siblings.insert(list, step.number));
            }
            Action::Delete { .. } => {
                if let Some((object, last)) = &self.deleted
                    && *object != id.object
                {
                    after.insert(*last);
                }
                self.deleted = Some((id.object.clone(), step.number));
            }
            _ => {}
        }
    }
}

/// Every name a step's record goes by.
fn identities(action: &Action) -> Vec<RecordId> {
    match action {
        Action::Create(create) | Action::Revive { create, .. } => vec![create.record.clone()],
        Action::Update(update) => {
            let live = update.live.as_ref().map(|live| live.0.clone()).filter(|live| *live != update.record);
            std::iter::once(update.record.clone()).chain(live).collect()
        }
        Action::Delete { live, .. } => vec![live.0.clone()],
        Action::AddOptions(added) => vec![added.record.clone()],
        // It changes nothing about the record it was added to.
        Action::Expel(_) => Vec::new(),
    }
}

fn tokens(call: Option<catalogue::Call>) -> u64 {
    call.map_or(0, |call| u64::from(call.price))
}

/// The most that one step's writes can cost.
pub(in crate::restore) fn step_price(action: &Action) -> u64 {
    let object = |id: &RecordId| object_of(id);
    match action {
        Action::Create(create) => {
            object(&create.record).map_or(0, |object| tokens(object.create.map(|write| write.call)))
        }
        Action::Revive { create, .. } => object(&create.record).map_or(0, |object| {
            let forms: u64 = object.undelete.iter().map(|form| u64::from(form.call.price)).sum();
            let make = tokens(object.create.map(|write| write.call));
            forms + make.max(tokens(object.update.map(|write| write.call)))
        }),
        Action::Update(update) => catalogue::find(&ObjectName::new(&update.through))
            .map_or(0, |object| tokens(object.update.map(|write| write.call))),
        Action::Delete { live, .. } => object(&live.0).map_or(0, |object| tokens(object.delete)),
        Action::Expel(expel) => catalogue::find(&ObjectName::new(&expel.part)).map_or(0, |part| tokens(part.delete)),
        Action::AddOptions(added) => object(&added.record).map_or(0, |object| tokens(object.options)),
    }
}

/// What the plan costs at most: writes, a look at each record before it is changed, and the reading back.
pub(in crate::restore) fn price(steps: &[Step]) -> Price {
    let mut price = Price { writes: steps.iter().map(|step| step.price).sum(), reads: 0, requests: steps.len() as u64 };
    let mut before: BTreeMap<&'static str, u64> = BTreeMap::new();
    let mut after: BTreeMap<&'static str, BTreeSet<&RecordId>> = BTreeMap::new();
    let mut lists: BTreeSet<(&'static str, String)> = BTreeSet::new();
    for step in steps {
        let Some(object) = object_of(step.record()) else { continue };
        if let Action::Expel(expel) = &step.action {
            let part = catalogue::find(&ObjectName::new(&expel.part)).map_or("", |part| part.name);
            // Looked at after the write, and never from what was read before it.
            price.reads += page(part);
            price.requests += 1;
            continue;
        }
        let looks = !matches!(step.reason, Reason::Completes | Reason::CompletesCircle);
        match &step.action {
            Action::Create(create) if create.look == Look::UnderParent => {
                let under = create.under.as_ref().map(|under| serde_json::to_string(under).unwrap_or_default());
                lists.insert((object.name, under.unwrap_or_default()));
            }
            Action::Create(create) if create.look == Look::No => {}
            Action::Update(update) if update.live.is_none() || !looks => {}
            // Brought back or not: the record is asked for before and after each form.
            Action::Revive { .. } => *before.entry(object.name).or_default() += 2,
            _ => *before.entry(object.name).or_default() += 1,
        }
        if !matches!(step.action, Action::Delete { .. }) {
            after.entry(object.name).or_default().insert(step.record());
        }
    }
    for (name, count) in before.into_iter().chain(after.iter().map(|(name, records)| (*name, records.len() as u64))) {
        let (tokens, requests) = reading(name, count);
        price.reads += tokens;
        price.requests += requests;
    }
    for (name, _) in lists {
        price.reads += page(name);
        price.requests += 1;
    }
    price
}

/// Tokens of one page of an object.
fn page(name: &'static str) -> u64 {
    catalogue::find(&ObjectName::known(name)).map_or(0, |object| u64::from(object.price))
}

/// Tokens and requests of reading so many records of an object by id.
fn reading(name: &'static str, count: u64) -> (u64, u64) {
    let Some(object) = catalogue::find(&ObjectName::known(name)) else { return (0, 0) };
    match object {
        Object { bulk_ids: Some(_), .. } => (count.div_ceil(BULK) * u64::from(object.price), count.div_ceil(BULK)),
        Object { single: Some(single), .. } => (count * u64::from(single.price), count),
        // The answer to the write is all there is to compare with.
        _ => (0, 0),
    }
}
