//! The values of deals whose lines a plan writes: written after the lines, where the service does not count them itself.
//!
//! Whether a value is its own or the sum of its lines is not confirmed
//! (api/restore-hazards.md 4, Value), so the replay looks first. Where not all
//! lines come back, a counted value cannot be what it was: that is said, and it
//! is not tried again and again.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::archive;
use crate::catalogue::ObjectName;
use crate::record::{Key, Record, RecordId};
use crate::restore::cases::{Case, Cases, object_of};
use crate::restore::fill::{Body, Fill};
use crate::restore::plan::{Action, LeftOut, LiveId, Reason, Update};
use crate::restore::planner::{Draft, Phase, Planner, home, is_archive, place};
use crate::restore::rules::{self, Facts};
use crate::restore::same::{is_empty, same};
use crate::restore::scope::Chosen;
use crate::restore::state::State;

/// Half of the smallest coin: sums of amounts differ by less.
const ROUNDING: f64 = 0.005;

impl<S: State> Planner<'_, S> {
    /// Drafts the steps that write values after the lines.
    pub(super) fn settle_values(&mut self) -> Result<(), archive::Error> {
        let mut values: BTreeMap<RecordId, (Option<LiveId>, Value)> = BTreeMap::new();
        let torn = self.torn();
        let sums = self.sums(&torn)?;
        let trimmed = self.trimmed();
        for id in &self.chosen.records {
            let by_lines = object_of(id).is_some_and(|object| self::home(object).name == "deals")
                && self.facts.by_lines.contains(&id.key);
            let live = match self.cases.all.get(id) {
                // What is trimmed may come back with lines that the goal had not.
                Some(Case::Deleted(_)) if (by_lines || trimmed.contains(id)) && self.links.is_made(id) => None,
                Some(Case::Changed { goal, live })
                    if by_lines && !self.is_withheld(id, "value") && !same(&value_of(goal), &value_of(live)) =>
                {
                    Some(live)
                }
                _ => continue,
            };
            let value = self.cases.goal(id).and_then(|goal| goal.fields().remove("value"));
            let Some(value) = value.filter(|value| !is_empty(value)) else { continue };
            if torn.contains(&id.key) {
                let why = "the service counts it from the deal's lines, and these will not all be as they were";
                self.said.left_out.push(LeftOut::field(id, "value", why));
                // Nothing opens the archive for a value that would not be taken, and none is tried that is counted.
                if live.is_some_and(|live| is_archived(live) || is_counted(live, &sums)) {
                    continue;
                }
            }
            values.insert(id.clone(), (live.map(|live| LiveId(live.id().clone())), value));
        }
        for (record, (live, value)) in values {
            let body = Body::from([("value".to_owned(), Fill::Is(value))]);
            let home = object_of(&record).map(self::home).expect("it is a deal");
            let key = record.key.clone();
            let update = Update { record, live, through: home.name.to_owned(), body: body.into(), seen: None };
            self.drafts.push(Draft {
                phase: Phase::Settle,
                object: place(home),
                order: 0,
                key,
                action: Action::Update(update),
                reason: Reason::AfterLines,
                clears: Vec::new(),
                notes: Vec::new(),
            });
        }
        Ok(())
    }

    /// Deals whose lines will not be what they were: some are not asked for, or cannot be made.
    fn torn(&self) -> BTreeSet<Key> {
        let then = names_then(self.cases);
        let stays = |(id, case): &(&RecordId, &Case)| match case {
            Case::Deleted(_) => !self.links.is_made(id),
            Case::Changed { .. } => !self.chosen.records.contains(id),
            Case::Added(_) => !self.removes(id),
        };
        let lines = self.cases.all.iter().filter(|(id, _)| rules::decides_value(id.object.as_str()));
        lines.filter(stays).filter_map(|(id, case)| deal_of(id, case, &then)).collect()
    }

    /// Whether a record that was added is deleted.
    pub(super) fn removes(&self, added: &RecordId) -> bool {
        self.policy.delete_added && self.chosen.records.contains(added)
    }

    /// What the lines of these deals of the goal add up to in the account, by the deal's number there.
    fn sums(&self, deals: &BTreeSet<Key>) -> Result<BTreeMap<Key, f64>, archive::Error> {
        let lines = ObjectName::known("dealProducts");
        let mut sums = BTreeMap::new();
        if deals.is_empty() || self.seen.contents(&lines).is_none() {
            return Ok(sums);
        }
        let changed = deals.iter().filter_map(|deal| {
            match self.cases.all.get(&RecordId::new(ObjectName::known("deals"), deal.clone())) {
                Some(Case::Changed { live, .. }) => Some(live.id().key.clone()),
                _ => None,
            }
        });
        let live: BTreeSet<Key> = changed.collect();
        for line in self.seen.records(&lines)? {
            let line = line?;
            let Some(deal) = line.id().key.parent().filter(|deal| live.contains(deal)) else { continue };
            let fields = line.fields();
            if fields.get("is_enabled") != Some(&Value::Bool(false)) {
                *sums.entry(deal).or_insert(0.0) += number(&fields, "sum");
            }
        }
        self.discount(&mut sums)?;
        Ok(sums)
    }

    /// Takes the deals' discounts from what their lines add up to.
    fn discount(&self, sums: &mut BTreeMap<Key, f64>) -> Result<(), archive::Error> {
        let discounts = ObjectName::known("dealDiscounts");
        if sums.is_empty() || self.seen.contents(&discounts).is_none() {
            return Ok(());
        }
        let whole = sums.clone();
        for discount in self.seen.records(&discounts)? {
            let discount = discount?;
            let Some(deal) = discount.id().key.parent() else { continue };
            if let (Some(whole), Some(sum)) = (whole.get(&deal), sums.get_mut(&deal)) {
                let fields = discount.fields();
                let amount = number(&fields, "amount");
                let share = fields.get("type").and_then(Value::as_str) == Some("percentage");
                *sum -= if share { whole * amount / 100.0 } else { amount };
            }
        }
        Ok(())
    }
}

/// Looks at the lines of the deals that differ: their value follows from them.
pub(super) fn facts<S: State>(
    (goal, seen): (&S, Option<&S>),
    cases: &Cases,
    chosen: &Chosen,
) -> Result<Facts, archive::Error> {
    let is_deal = |id: &&RecordId| object_of(id).is_some_and(|object| home(object).name == "deals");
    let deals: BTreeSet<&Key> = cases.all.keys().filter(is_deal).map(|id| &id.key).collect();
    let mut facts = Facts::default();
    let lines = ObjectName::known("dealProducts");
    if deals.is_empty() {
        return Ok(facts);
    }
    let mut before = BTreeSet::new();
    if goal.contents(&lines).is_some() {
        for key in goal.keys(&lines)? {
            let id = RecordId::new(lines.clone(), key?);
            // A line that is missing and does not come back decides nothing.
            let lost = matches!(cases.all.get(&id), Some(Case::Deleted(_))) && !chosen.records.contains(&id);
            if let Some(deal) = id.key.parent().filter(|deal| deals.contains(deal) && !lost) {
                before.insert(deal);
            }
        }
    }
    let then = names_then(cases);
    let mut after = BTreeSet::new();
    if let Some(seen) = seen.filter(|seen| seen.contents(&lines).is_some()) {
        for key in seen.keys(&lines)? {
            let deal = key?.parent().map(|deal| then.get(&deal).cloned().unwrap_or(deal));
            after.extend(deal.filter(|deal| deals.contains(deal)));
        }
    }
    // Where the lines are what they were and the value is not, the value was evidently its own.
    let decides = |(id, _): &(&RecordId, &Case)| rules::decides_value(id.object.as_str());
    let moved = cases.all.iter().filter(decides).filter_map(|(id, case)| deal_of(id, case, &then));
    let moved: BTreeSet<Key> = moved.collect();
    facts.by_lines = before.union(&after).filter(|deal| moved.contains(*deal)).cloned().collect();
    Ok(facts)
}

/// The numbers in the goal of deals that an earlier restore made again, by those they have now.
fn names_then(cases: &Cases) -> BTreeMap<Key, Key> {
    let moved = cases.all.iter().filter_map(|(id, case)| Some((id, case.elsewhere()?)));
    let deals = moved.filter(|(id, _)| object_of(id).is_some_and(|object| home(object).name == "deals"));
    deals.map(|(id, now)| (now.key.clone(), id.key.clone())).collect()
}

/// The deal of a line, as the goal names it; what was added stands under the number of now.
fn deal_of(line: &RecordId, case: &Case, then: &BTreeMap<Key, Key>) -> Option<Key> {
    let deal = line.key.parent()?;
    let added = matches!(case, Case::Added(_));
    Some(then.get(&deal).filter(|_| added).cloned().unwrap_or(deal))
}

fn number(fields: &Map<String, Value>, name: &str) -> f64 {
    fields.get(name).and_then(Value::as_f64).unwrap_or(0.0)
}

fn is_archived(deal: &Record) -> bool {
    object_of(deal.id()).is_some_and(is_archive)
}

/// Whether the value of a deal is what its lines add up to.
fn is_counted(deal: &Record, sums: &BTreeMap<Key, f64>) -> bool {
    let value = value_of(deal).as_f64();
    value.zip(sums.get(&deal.id().key)).is_some_and(|(value, sum)| (value - sum).abs() < ROUNDING)
}

fn value_of(deal: &Record) -> Value {
    deal.fields().remove("value").unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::diff::Lineage;
    use crate::record::RecordId;
    use crate::restore::planner::specimen::World;
    use crate::restore::planner::tests::{company, planned, told};
    use crate::restore::{Missing, Plan, Policy, plan};

    /// Two lines, one of which names a variation that is gone and was gone before.
    fn goal() -> World {
        let line = |variation| json!({"id": 8, "deal_id": 42, "product_id": 3, "item_price": 10, "quantity": 1, "sum": 10, "order_nr": 2, "product_variation_id": variation});
        company()
            .set("dealProducts/42:7", "sum", json!(90))
            .set("deals/42", "value", json!(100))
            .with("dealProducts/42:8", line(5))
    }

    fn careful(seen: &World) -> Plan {
        planned(&goal(), seen, &Policy { missing: Missing::Skip, ..Policy::default() })
    }

    fn says_the_value(plan: &Plan) -> bool {
        plan.left_out.iter().any(|left| left.field.as_deref() == Some("value") && left.why.contains("counts it"))
    }

    #[test]
    fn a_value_is_tried_once_where_not_all_lines_come_back_and_not_again_once_it_is_counted() {
        let gone =
            goal().without("deals/42").without("dealProducts/42:7").without("dealProducts/42:8").without("notes/11");
        let first = careful(&gone);
        assert_eq!(told(&first).last().map(String::as_str), Some("update deals/42"), "{:?}", told(&first));
        assert!(says_the_value(&first));
        // What the restore leaves: the deal, the line that came back, and their sum.
        let counted = goal().without("dealProducts/42:8").set("deals/42", "value", json!(90));
        let next = careful(&counted);
        assert_eq!((told(&next), says_the_value(&next)), (Vec::new(), true));
        // A discount is counted, too.
        let fair = json!({"deal_id": 42, "amount": 10, "type": "percentage"});
        let discounted = |world: World| world.with("dealDiscounts/42:d1", fair.clone());
        let less = discounted(counted).set("deals/42", "value", json!(81));
        let policy = Policy { missing: Missing::Skip, ..Policy::default() };
        assert_eq!(told(&planned(&discounted(goal()), &less, &policy)), Vec::<String>::new());
        // A value that is no sum may be its own.
        let own = careful(&goal().without("dealProducts/42:8").set("deals/42", "value", json!(70)));
        assert_eq!(told(&own), ["update deals/42"]);
    }

    #[test]
    fn a_line_that_was_added_to_a_deal_that_was_made_again_decides_its_value() {
        let (mut lineage, id) = (Lineage::default(), |text: &str| RecordId::parse(text).expect("an id"));
        lineage.learn(id("deals/42"), id("deals/50"));
        lineage.learn(id("dealProducts/42:7"), id("dealProducts/50:9"));
        lineage.learn(id("dealFollowers/42:2"), id("dealFollowers/50:2"));
        let gone = company().without("deals/42").without("dealProducts/42:7").without("dealFollowers/42:2");
        let deal = company().records.remove(&id("deals/42")).expect("a deal");
        let line = |id: u64| json!({"id": id, "deal_id": 50, "product_id": 3, "item_price": 90, "quantity": 1, "sum": 90, "order_nr": 1, "comments": ""});
        let seen = gone
            .with("deals/50", Value::Object(deal))
            .set("deals/50", "value", json!(180))
            .set("notes/11", "deal_id", json!(50))
            .with("dealProducts/50:9", line(9))
            .with("dealProducts/50:10", line(10))
            .with("dealFollowers/50:2", json!({"user_id": 2}));
        let kept = plan(&company(), &seen, &Policy::default(), &lineage).expect("a plan");
        assert_eq!((told(&kept), says_the_value(&kept)), (Vec::new(), true));
        let all = Policy { delete_added: true, ..Policy::default() };
        let gone = plan(&company(), &seen, &all, &lineage).expect("a plan");
        assert_eq!(told(&gone), ["delete dealProducts/50:10", "update deals/42"]);
    }
}
