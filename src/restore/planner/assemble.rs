//! The drafts in their final order, with numbers and dependencies.

use std::collections::{BTreeSet, HashMap};

use crate::catalogue::{self, Object, ObjectName};
use crate::record::RecordId;
use crate::restore::cases::object_of;
use crate::restore::fill::{Body, BodyText, Fill, key_value, value_key};
use crate::restore::links::Links;
use crate::restore::past::Between;
use crate::restore::plan::{Action, FORMAT, Plan, SideEffects, Step, StepNumber};
use crate::restore::planner::price::{price, step_price};
use crate::restore::planner::{Draft, Phase, Planner, is_ordered};
use crate::restore::rules::{goes_with, rests_on};
use crate::restore::state::State;

impl<S: State> Planner<'_, S> {
    /// The plan.
    pub(super) fn assemble(mut self) -> Plan {
        self.drafts.sort_by(|one, other| one.rank().cmp(&other.rank()));
        // Decided upon; what is said of it from here on are steps.
        (self.links, self.chosen.records) = (Links::default(), BTreeSet::new());
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
            company: self.seen.manifest().source.company_id,
            from: self.mapping.map(|mapping| mapping.from),
            past: self.between.map(Between::past),
            policy: self.policy.clone(),
            side_effects: self.side_effects(&steps),
            price: price(&steps),
            steps,
            drawn: std::mem::take(&mut self.chosen.drawn),
            dangling: std::mem::take(&mut self.chosen.dangling),
            left_out: said.left_out.into(),
            by_nature: said.by_nature,
            kept: said.kept,
            conflicts: said.conflicts,
            keys: self.fields.moved().map(|(field, key)| (field.to_string(), key.clone())).collect(),
        }
    }

    fn side_effects(&self, steps: &[Step]) -> SideEffects {
        let name = ObjectName::known("webhooks");
        let silenced = |step: &&Step| matches!(&step.action, Action::Delete { live, .. } if live.0.object == name);
        let silenced = steps.iter().filter(|_| self.policy.pause_webhooks).filter(silenced).count() as u64;
        let webhooks = self.seen.contents(&name).map_or(0, |contents| contents.records.saturating_sub(silenced));
        let automations: BTreeSet<String> = steps.iter().map(|step| step.record().object.title()).collect();
        let invites = |step: &&Step| step.body().is_some_and(|body| body.contains_key("attendees"));
        SideEffects {
            webhooks,
            automations: automations.into_iter().collect(),
            invitations: steps.iter().filter(invites).count() as u64,
            new_users: steps.iter().filter(|step| invites_user(step)).count() as u64,
        }
    }
}

/// Whether a step makes a record that is otherwise only matched: a user.
pub(in crate::restore) fn invites_user(step: &Step) -> bool {
    let matched = |object: &Object| matches!(object.restore, catalogue::Restore::MatchBy(_));
    matches!(step.action, Action::Create(_)) && object_of(step.record()).is_some_and(matched)
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
    deleted: Option<ObjectName>,
}

impl Order {
    fn step(&mut self, draft: Draft) -> Step {
        let number = self.next;
        self.next += 1;
        let mut after = BTreeSet::new();
        // Phases do not overlap: each relies on the whole of the one before.
        let new_phase = self.phase.is_some_and(|phase| phase != draft.phase);
        self.phase = Some(draft.phase);
        self.needs(&draft.action, &mut after);
        let after_all = self.deletes_another(&draft.action) || new_phase;
        let step = Step {
            number,
            price: step_price(&draft.action),
            action: draft.action,
            reason: draft.reason,
            after: Vec::new(),
            after_all,
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
        let (bodies, under) = match action {
            Action::Create(create) => (vec![&create.body], create.under.as_deref()),
            Action::Revive { create, mend } => (vec![&create.body, mend], create.under.as_deref()),
            Action::Update(update) => {
                if update.live.is_none() {
                    after.extend(self.made.get(&update.record));
                }
                (vec![&update.body], None)
            }
            Action::Delete { .. } | Action::AddOptions(_) => (Vec::new(), None),
            Action::Expel(expel) => {
                after.extend(self.last_of.get(&expel.host));
                (vec![&expel.member], Some(expel.under.as_ref()))
            }
            Action::Trim(trim) => {
                after.extend(self.last_of.get(&trim.host));
                (vec![&trim.keeps], None)
            }
        };
        let bodies: Vec<Body> = bodies.into_iter().map(BodyText::fields).collect();
        for (name, fill) in bodies.iter().flatten() {
            self.moved_before(name, fill, after);
        }
        let fills = bodies.iter().flat_map(Body::values).chain(under);
        after.extend(fills.flat_map(Fill::needs).filter_map(|id| self.made.get(id)));
    }

    /// A stage that is there is brought back to its pipeline before anything names both.
    fn moved_before(&self, name: &str, fill: &Fill, after: &mut BTreeSet<StepNumber>) {
        match fill {
            Fill::Fields(parts) => parts.iter().for_each(|(name, fill)| self.moved_before(name, fill, after)),
            Fill::Is(value) => {
                let id = goes_with(name).zip(value_key(value));
                let id = id.map(|(object, key)| RecordId::new(ObjectName::known(object), key));
                after.extend(id.and_then(|id| self.last_of.get(&id)));
            }
            _ => {}
        }
    }

    /// Whether the deletions reach another object: parts are gone before what they belong to.
    fn deletes_another(&mut self, action: &Action) -> bool {
        let Action::Delete { live, .. } = action else { return false };
        let before = self.deleted.replace(live.0.object.clone());
        before.is_some_and(|before| before != live.0.object)
    }

    /// What must come before it in a list.
    fn siblings(&mut self, step: &Step, after: &mut BTreeSet<StepNumber>) {
        let id = step.record();
        match &step.action {
            Action::Create(create) | Action::Revive { create, .. } if object_of(id).is_some_and(is_ordered) => {
                let under = create.under.as_ref().map(|under| serde_json::to_string(under).unwrap_or_default());
                let under = under.unwrap_or_default();
                if let Some(below) = rests_on(id.object.as_str()) {
                    after.extend(self.siblings.get(&(below.to_owned(), under.clone())));
                }
                let list = (id.object.to_string(), under);
                after.extend(self.siblings.insert(list, step.number));
            }
            // What rests on lines waits for what becomes of them.
            Action::Update(update) if bears_others(id.object.as_str()) => {
                let parent = update.live.as_ref().and_then(|live| live.0.key.parent());
                let Some(under) = parent.map(|parent| Fill::Is(key_value(&parent))) else { return };
                let list = (id.object.to_string(), serde_json::to_string(&under).unwrap_or_default());
                after.extend(self.siblings.insert(list, step.number));
            }
            _ => {}
        }
    }
}

/// Whether rows of another object rest on rows of this one.
fn bears_others(object: &str) -> bool {
    catalogue::ALL.iter().any(|part| rests_on(part.name) == Some(object))
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
        // They change nothing about the record that the rows belong to.
        Action::Expel(_) | Action::Trim(_) => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::restore::Policy;
    use crate::restore::planner::tests::{company, planned, told};

    #[test]
    fn a_deal_goes_to_a_stage_once_that_is_back_in_its_pipeline() {
        // The pipeline is gone; its stages and the deal are there and name it still.
        let seen = company().without("pipelines/1").set("deals/42", "title", json!("Edited"));
        let plan = planned(&company(), &seen, &Policy::default());
        let number = |id: &str| plan.steps.iter().find(|step| step.record().to_string() == id).expect("a step").number;
        let deal = &plan.steps[number("deals/42") as usize];
        assert!(deal.after.contains(&number("pipelines/1")), "{:?}", deal.after);
        assert!(deal.after.contains(&number("stages/1")), "{:?}", deal.after);
    }

    #[test]
    fn what_was_added_and_stands_in_the_way_goes_before_what_comes_back_and_what_rests_on_lines_waits_for_them() {
        let line = |how: &str| json!({"id": 7, "deal_id": 42, "product_id": 3, "item_price": 90, "quantity": 1, "order_nr": 1, "comments": "", "billing_frequency": how});
        let installment = json!({"deal_id": 42, "description": "half", "amount": 45, "billing_date": "2026-12-01"});
        let (yearly, once) = (
            company().with("dealProducts/42:7", line("annually")),
            company().with("dealProducts/42:7", line("one-time")).with("dealInstallments/42:3", installment),
        );
        let policy = Policy { delete_added: true, ..Policy::default() };
        // The installment would have the line refused.
        assert_eq!(
            told(&planned(&yearly, &once, &policy)),
            ["delete dealInstallments/42:3", "update dealProducts/42:7"]
        );
        // The line would have the installment refused.
        let back = planned(&once, &yearly, &policy);
        assert_eq!(told(&back), ["update dealProducts/42:7", "create dealInstallments/42:3"]);
        assert_eq!(back.steps[1].after, [0]);
    }
}
