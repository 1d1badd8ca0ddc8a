//! A plan file that a person has edited: what may be changed in it, and what comes of it.
//!
//! Steps and fields may be taken out, and conflicts decided. The plan is then made anew
//! from the states it names, with those decisions, and what was taken out is taken out
//! again: so nothing reaches the account that the planner would not have written, and
//! a step cannot lose what it depends on without anybody noticing.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::restore::check::role;
use crate::restore::fill::{Body, Fill};
use crate::restore::plan::{Action, Plan, Step, StepNumber};
use crate::restore::planner::price::price;
use crate::restore::policy::Policy;

/// Why an edited plan is not replayed.
#[derive(Debug, thiserror::Error)]
pub enum Unfit {
    /// It is not for what pdbak made it for.
    #[error("the plan's {0} was changed; only steps and fields can be taken out, and conflicts decided")]
    Changed(&'static str),
    /// A step that no planner made.
    #[error("step {step}: {record}: {why}")]
    Step {
        /// Its number in the file.
        step: StepNumber,
        /// Its record.
        record: String,
        /// What is wrong with it.
        why: String,
    },
}

/// What was taken out of a step's fields.
type Taken = BTreeSet<String>;

/// Turns an edited plan into one that may be checked and replayed; `plan` makes the plan anew with a policy.
pub fn review<E: From<Unfit>>(edited: &Plan, plan: impl Fn(&Policy) -> Result<Plan, E>) -> Result<Plan, E> {
    let original = plan(&edited.policy)?;
    let head = |plan: &Plan| (plan.goal.clone(), plan.seen.clone(), plan.company, plan.past.clone());
    if head(edited) != head(&original) {
        return Err(Unfit::Changed("snapshots or company").into());
    }
    let mut policy = edited.policy.clone();
    for conflict in &edited.conflicts {
        let known = original.conflicts.iter().any(|own| own.record == conflict.record && own.field == conflict.field);
        if !known {
            return Err(Unfit::Changed("list of conflicts").into());
        }
        let fields = policy.decided.entry(conflict.record.to_string()).or_default();
        fields.insert(conflict.field.clone(), conflict.winner);
    }
    let own: BTreeMap<_, &Step> = original.steps.iter().map(|step| (key(step), step)).collect();
    let mut taken: BTreeMap<_, Taken> = BTreeMap::new();
    for step in &edited.steps {
        let Some(own) = own.get(&key(step)) else { return Err(unfit(step, "pdbak did not plan it").into()) };
        taken.insert(key(step), taken_out(step, own).map_err(|why| unfit(step, &why))?);
    }
    let mut decided = plan(&policy)?;
    let gone = |step: &Step| own.contains_key(&key(step)) && !taken.contains_key(&key(step));
    let mut numbers: BTreeMap<StepNumber, StepNumber> = BTreeMap::new();
    let mut steps = Vec::new();
    let mut after_all = false;
    for mut step in std::mem::take(&mut decided.steps) {
        after_all |= step.after_all;
        if gone(&step) {
            continue;
        }
        for field in taken.get(&key(&step)).into_iter().flatten() {
            take_out(&mut step, field);
        }
        numbers.insert(step.number, steps.len() as StepNumber);
        step.number = steps.len() as StepNumber;
        step.after = step.after.iter().filter_map(|after| numbers.get(after).copied()).collect();
        step.after_all = std::mem::take(&mut after_all);
        steps.push(step);
    }
    decided.price = price(&steps);
    decided.steps = steps;
    Ok(decided)
}

/// What a step is known by, whatever its number.
fn key(step: &Step) -> (String, String) {
    (step.record().to_string(), role(step))
}

fn unfit(step: &Step, why: &str) -> Unfit {
    Unfit::Step { step: step.number, record: step.record().to_string(), why: why.to_owned() }
}

/// The fields that an edited step has no longer; anything else that differs is refused.
fn taken_out(edited: &Step, own: &Step) -> Result<Taken, String> {
    let (was, is) = (fields(own), fields(edited));
    if let Some(field) = is.iter().find(|(name, fill)| was.get(*name) != Some(*fill)).map(|(name, _)| name) {
        return Err(format!("{field} is not what pdbak planned; fields can only be taken out"));
    }
    let taken: Taken = was.keys().filter(|name| !is.contains_key(*name)).cloned().collect();
    if !taken.is_empty() && !matches!(own.action, Action::Update(_)) {
        return Err("only fields of updates can be taken out; take out the whole step".to_owned());
    }
    let mut same = own.clone();
    taken.iter().for_each(|field| take_out(&mut same, field));
    match same.action == edited.action && same.reason == edited.reason {
        true => Ok(taken),
        false => Err("it is not what pdbak planned; fields can only be taken out".to_owned()),
    }
}

/// The fields of a step, custom ones one by one.
fn fields(step: &Step) -> BTreeMap<String, Fill> {
    let Action::Update(update) = &step.action else { return BTreeMap::new() };
    let mut fields = BTreeMap::new();
    for (name, fill) in update.body.fields() {
        let custom = |code: String| format!("custom_fields.{code}");
        match fill {
            Fill::Fields(parts) if name == "custom_fields" => {
                fields.extend(parts.into_iter().map(|(code, fill)| (custom(code), fill)));
            }
            Fill::Is(Value::Object(parts)) if name == "custom_fields" => {
                fields.extend(parts.into_iter().map(|(code, value)| (custom(code), Fill::Is(value))));
            }
            fill => _ = fields.insert(name, fill),
        }
    }
    fields
}

fn take_out(step: &mut Step, field: &str) {
    let Action::Update(update) = &mut step.action else { return };
    let mut body = update.body.fields();
    drop_fields(&mut body, &[field.to_owned()]);
    update.body = body.into();
    step.clears.retain(|cleared| cleared != field);
}

/// Takes fields out of a body, custom ones as `custom_fields.<code>`.
pub(super) fn drop_fields(body: &mut Body, stays: &[String]) {
    for field in stays {
        let Some(code) = field.strip_prefix("custom_fields.") else {
            body.remove(field);
            continue;
        };
        match body.get_mut("custom_fields") {
            Some(Fill::Fields(parts)) => drop(parts.remove(code)),
            Some(Fill::Is(Value::Object(parts))) => drop(parts.remove(code)),
            _ => {}
        }
    }
    let empty = |fill: &Fill| match fill {
        Fill::Fields(parts) => parts.is_empty(),
        Fill::Is(Value::Object(parts)) => parts.is_empty(),
        _ => false,
    };
    if body.get("custom_fields").is_some_and(empty) {
        body.remove("custom_fields");
    }
}
