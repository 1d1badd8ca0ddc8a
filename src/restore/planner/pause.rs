//! Webhooks that are out of the way while a restore writes.
//!
//! No parameter keeps a write from being delivered (api/restore-hazards.md 5), so
//! whoever asks for silence has the webhooks removed before the first write and made
//! again after the last, as they are now and under new numbers. One that could not be
//! made again stays and is named.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::archive;
use crate::catalogue::{self, Object, ObjectName};
use crate::record::{Record, RecordId};
use crate::restore::fill::{Body, Fill};
use crate::restore::plan::{Action, Create, Kept, LeftOut, Look, Reason};
use crate::restore::planner::{Draft, Phase, Planner, place};
use crate::restore::rules;
use crate::restore::same::is_empty;
use crate::restore::state::State;

const WEBHOOKS: &str = "webhooks";
const NOTE: &str = "removed before the first write and made again after the last, under a new number; \
                    its address must answer then";

impl<S: State> Planner<'_, S> {
    /// Drafts the removal and the return of every webhook that listens.
    pub(super) fn pause_webhooks(&mut self) -> Result<(), archive::Error> {
        let name = ObjectName::known(WEBHOOKS);
        let is_webhook = |draft: &Draft| draft.object_name() == WEBHOOKS;
        if !self.policy.pause_webhooks || self.drafts.iter().all(is_webhook) {
            return Ok(());
        }
        let Some(object) = catalogue::find(&name).filter(|_| self.seen.contents(&name).is_some()) else {
            self.said.left_out.push(LeftOut::object(&name, "they were not read and are not paused"));
            return Ok(());
        };
        if let Some(why) = self.seen.blind(&name) {
            self.said.left_out.push(LeftOut::object(&name, format!("those that were not seen are not paused: {why}")));
        }
        // What goes anyway goes first.
        let mut gone = BTreeSet::new();
        for draft in &mut self.drafts {
            if let Action::Delete { live, .. } = &draft.action
                && live.0.object == name
            {
                draft.phase = Phase::First;
                gone.insert(live.0.clone());
            }
        }
        for webhook in self.seen.records(&name)? {
            let webhook = webhook?;
            if !gone.contains(webhook.id()) && listens(&webhook.fields()) {
                self.pause(object, &webhook);
            }
        }
        Ok(())
    }

    fn pause(&mut self, object: &'static Object, webhook: &Record) {
        let body = match again(object, webhook.id(), &webhook.fields(), &self.facts) {
            Ok(body) => body,
            Err(why) => {
                let why = format!("not paused: {why}");
                return self.said.kept.push(Kept { record: webhook.id().clone(), why });
            }
        };
        self.draft_delete(object, webhook, Reason::Paused);
        let create =
            Create { record: webhook.id().clone(), under: None, body: body.into(), look: Look::No, contents: None };
        self.drafts.push(Draft {
            phase: Phase::Last,
            object: place(object),
            order: 0,
            key: webhook.id().key.clone(),
            action: Action::Create(create),
            reason: Reason::Paused,
            clears: Vec::new(),
            notes: vec![NOTE.to_owned()],
        });
    }
}

impl Draft {
    fn object_name(&self) -> &str {
        match &self.action {
            Action::Create(create) | Action::Revive { create, .. } => create.record.object.as_str(),
            Action::Update(update) => update.record.object.as_str(),
            Action::Delete { live, .. } => live.0.object.as_str(),
            Action::AddOptions(added) => added.record.object.as_str(),
            Action::Expel(expel) => &expel.part,
            Action::Trim(trim) => trim.host.object.as_str(),
        }
    }
}

/// Whether anything is delivered to a webhook; one that the service has switched off is left alone.
fn listens(webhook: &Map<String, Value>) -> bool {
    !matches!(webhook.get("is_active"), Some(Value::Bool(false))) && webhook.get("is_active") != Some(&Value::from(0))
}

/// What makes a webhook again as it is.
fn again(object: &Object, id: &RecordId, row: &Map<String, Value>, facts: &rules::Facts) -> Result<Body, String> {
    let Some(write) = object.create else { return Err("the service has no call that makes one".to_owned()) };
    let secret = |name: &str| row.get(name).is_none_or(is_empty);
    if !secret("http_auth_user") && secret("http_auth_password") {
        return Err("the API does not show its password, and without it it would not come back as it is".to_owned());
    }
    let wanted = rules::for_create(object.name, &id.key, row, facts);
    let body: Body = wanted
        .into_iter()
        .filter(|(name, _)| write.fields.contains(&name.as_str()))
        .map(|(name, value)| (name, Fill::Is(value)))
        .collect();
    match write.required.iter().find(|name| !body.contains_key(**name)) {
        Some(missing) => Err(format!("it has no {missing}, without which none can be made")),
        None => Ok(body),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::diff::Lineage;
    use crate::restore::plan::{Action, Plan};
    use crate::restore::planner::specimen::World;
    use crate::restore::{Policy, check, plan};

    fn webhook() -> Value {
        json!({"name": "erp", "subscription_url": "https://erp.example/", "event_action": "*", "event_object": "*",
            "is_active": 1, "http_auth_user": null, "http_auth_password": null})
    }

    /// The plan that brings a deal's title back in an account with this webhook.
    fn planned(webhook: Value) -> Plan {
        let then = World::of(&[("deals/1", json!({"title": "then"}))]);
        let now = World::of(&[("deals/1", json!({"title": "now"})), ("webhooks/7", webhook)]);
        let policy = Policy { pause_webhooks: true, ..Policy::default() };
        plan(&then, &now, &policy, &Lineage::default()).expect("a plan")
    }

    #[test]
    fn what_listens_goes_first_and_comes_back_last() {
        let plan = planned(webhook());
        let word = |action: &Action| match action {
            Action::Delete { .. } => "delete",
            Action::Create(_) => "create",
            _ => "write",
        };
        let words: Vec<&str> = plan.steps().iter().map(|step| word(&step.action)).collect();
        assert_eq!(words, ["delete", "write", "create"]);
        assert_eq!(check(&plan), []);
        // Taken apart by an edit, it is refused.
        let mut half = plan;
        half.steps.pop();
        assert!(check(&half)[0].why.contains("no later step makes it"));
    }

    #[test]
    fn one_that_would_not_come_back_as_it_is_stays() {
        let mut hidden = webhook();
        hidden["http_auth_user"] = json!("me");
        let plan = planned(hidden);
        assert_eq!((plan.steps().len(), plan.kept.len()), (1, 1));
        assert!(plan.kept[0].why.contains("password"), "{}", plan.kept[0].why);
    }

    #[test]
    fn one_that_is_switched_off_is_left_alone() {
        let mut off = webhook();
        off["is_active"] = json!(0);
        assert_eq!(planned(off).steps().len(), 1);
    }
}
