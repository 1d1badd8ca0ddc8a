//! Records that survived but lost their link to one that is made again.
//!
//! The account either emptied the link when it deleted the record, or kept an id
//! that means nothing any more. Both are written again, and nothing else of the
//! record; a link that somebody has put elsewhere since is left alone.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::archive;
use crate::catalogue::{self, Object, ObjectName, Reference, Target};
use crate::record::{Key, Record, RecordId};
use crate::restore::cases::{Case, object_of};
use crate::restore::fill::{Body, Fill};
use crate::restore::links::{Link, Pointer, linked, pointers};
use crate::restore::plan::{LeftOut, Reason};
use crate::restore::planner::updates::{Delta, named};
use crate::restore::planner::{Planner, home, is_archive};
use crate::restore::rules;
use crate::restore::same::is_empty;
use crate::restore::state::State;

/// Where a record points to.
struct Pointing<'r> {
    goal: &'r Record,
    live: &'r Record,
    /// The fields of both.
    then: Map<String, Value>,
    now: Map<String, Value>,
    /// The list in which it is changed.
    home: &'static Object,
    /// The ids in the goal.
    all: Vec<Pointer>,
    /// The fields whose link is lost.
    lost: BTreeSet<String>,
}

/// Below so many ids, looking for their text is quicker than reading every record.
const FEW: usize = 64;

impl<S: State> Planner<'_, S> {
    /// Drafts the steps that link surviving records again.
    pub(super) fn relink(&mut self) -> Result<(), archive::Error> {
        let mut made: BTreeSet<RecordId> = self.cases.deleted().filter(|id| self.links.is_made(id)).cloned().collect();
        // An earlier restore that did not come to its end, or was not to, has linked nothing to what it made.
        if self.policy.scope.is_everything() {
            made.extend(self.lineage.replaced().cloned());
        }
        if made.is_empty() {
            return Ok(());
        }
        for (id, case) in &self.cases.all {
            if let Case::Changed { goal, live } = case
                && !self.chosen.records.contains(id)
                && let Some(links) = self.links_of(goal, live)
            {
                self.link_again(&links);
            }
        }
        self.relink_unchanged(&made)
    }

    /// Drafts the same for records that are as they were in the goal.
    fn relink_unchanged(&mut self, made: &BTreeSet<RecordId>) -> Result<(), archive::Error> {
        let few: Option<Vec<String>> = (made.len() <= FEW).then(|| {
            let names = self.links.names().map(str::to_owned);
            // A row under a parent is known to others by its own id.
            let own = |id: &RecordId| match &id.key {
                Key::Pair(_, own) => own.to_string(),
                key => key.to_string(),
            };
            made.iter().map(own).chain(names).collect()
        });
        let elsewhere: BTreeSet<&RecordId> = self.cases.all.values().filter_map(Case::elsewhere).collect();
        let targets: BTreeSet<&str> = made.iter().map(|id| id.object.as_str()).collect();
        let (mut unknown, mut later) = (Vec::new(), Vec::new());
        for object in catalogue::ALL.iter().filter(|object| points_to(object, &targets)) {
            let name = ObjectName::known(object.name);
            if self.seen.contents(&name).is_none() {
                continue;
            }
            for record in self.seen.records(&name)? {
                let record = record?;
                let likely =
                    few.as_ref().is_none_or(|keys| keys.iter().any(|key| record.text().contains(key.as_str())));
                // What differs from the goal was looked at as a case; what was added has nothing to do with it.
                if !likely || self.cases.all.contains_key(record.id()) || elsewhere.contains(record.id()) {
                    continue;
                }
                if !self.relink_known(&record, &mut unknown) {
                    later.push(record.id().clone());
                }
            }
        }
        // In one go: to look for a few ids costs a walk over all.
        while !later.is_empty() {
            self.links.ask(std::mem::take(&mut unknown).into_iter(), self.cases, (self.goal, self.seen))?;
            for id in std::mem::take(&mut later) {
                let Some(record) = self.seen.find(&id)? else { continue };
                if !self.relink_known(&record, &mut unknown) {
                    later.push(id);
                }
            }
        }
        Ok(())
    }

    /// Drafts the steps that link this record again, if all is known that decides upon them; otherwise adds what is not.
    fn relink_known(&mut self, record: &Record, unknown: &mut Vec<Pointer>) -> bool {
        let Some(links) = self.links_of(record, record) else { return true };
        let known = unknown.len();
        // What an earlier restore made again; what a list names beside what is lost, because it is sent whole, and one id in
        // it that means nothing any more would have it refused; what is sent beside it; and all that is written where the row
        // is made again.
        let whole = self.policy.scope.is_everything();
        let anew = !links.lost.is_empty() && self.is_replaced(links.home, record, record);
        let along = |field: &str| {
            let pairs = rules::pairs(links.home.name).iter();
            pairs.filter(|(_, other)| *other == field).any(|(one, _)| links.lost.contains(*one))
        };
        let matters = |pointer: &&Pointer| {
            let old = whole && self.links.is_old(pointer.objects, &pointer.key);
            old || anew || links.lost.contains(&pointer.field) || along(&pointer.field)
        };
        let is_known = |pointer: &&Pointer| self.links.is_known(pointer.objects, &pointer.key);
        unknown.extend(links.all.iter().filter(matters).filter(|pointer| !is_known(pointer)).cloned());
        let all_known = unknown.len() == known;
        if all_known {
            self.link_again(&links);
        }
        all_known
    }

    /// Where a record points to, and which of that it lost; none of an object that is not known.
    fn links_of<'r>(&self, goal: &'r Record, live: &'r Record) -> Option<Pointing<'r>> {
        let object = object_of(goal.id())?;
        let (then, now) = (goal.fields(), live.fields());
        let all = pointers(object, goal.id(), &then, &self.then);
        let lost = all
            .iter()
            .filter(|pointer| self.is_anew(pointer.objects, &pointer.key))
            .map(|pointer| pointer.field.clone())
            .filter(|field| !field.is_empty() && self.is_lost((object, live.id()), field, &now))
            .chain(self.names_lost(object, &then, &now))
            .collect();
        Some(Pointing { goal, live, then, now, home: home(object), all, lost })
    }

    /// Whether a row is linked by making it again: whom it names is all there is of it, or it can hang there only when it is
    /// uploaded once more.
    fn is_replaced(&self, home: &'static Object, goal: &Record, live: &Record) -> bool {
        home.update.is_none() || self.needs_upload(home, goal, live)
    }

    fn link_again(&mut self, links: &Pointing<'_>) {
        let Pointing { goal, live, then, now, home, all, lost: fields } = links;
        let (goal, live, home) = (*goal, *live, *home);
        if fields.is_empty() {
            return;
        }
        if self.is_replaced(home, goal, live) {
            match self.loses_more(home, all, fields) {
                true => self.say_unlinked(home, goal.id(), fields, &BTreeSet::new()),
                false => self.replace(home, goal, then, live, now),
            }
            return;
        }
        let Delta { body, mut lost } = self.delta(home, goal.id(), then, now);
        // What else the record lacks was so before, and is not written.
        lost.retain(|(field, _)| fields.contains(field));
        self.lose(goal.id(), lost);
        let mut body: Body =
            body.into_iter().filter_map(|(name, fill)| Some((name.clone(), only(&name, fill, fields)?))).collect();
        let written: BTreeSet<String> = body.keys().flat_map(|name| named(name, &body)).collect();
        self.say_unlinked(home, goal.id(), fields, &written);
        if body.is_empty() {
            return;
        }
        self.part_from_variation(goal.id(), now, &mut body);
        if body.contains_key("stage_id") || body.contains_key("pipeline_id") {
            // A stage goes with its pipeline: the rule of deals, applied by the rules themselves.
            let translator = self.translator();
            let fill = |name: &str| translator.field(home, name, then.get(name)?).fill;
            let pair = rules::Pair { key: &goal.id().key, goal: then, live: now };
            rules::for_update(home.name, &pair, &mut body, &self.facts, &fill);
            let lost = |field: &&str| !body.contains_key(*field) && !is_empty(then.get(*field).unwrap_or(&Value::Null));
            for field in rules::pairs(home.name).iter().map(|(one, _)| *one).filter(lost) {
                let why = "it was gone before, and what it goes with is made again: the service chooses another";
                self.said.left_out.push(LeftOut::field(goal.id(), field, why));
            }
        }
        // A project is changed where it is: `archive`.
        let archived = home.archive.is_none() && object_of(live.id()).is_some_and(is_archive);
        if archived {
            self.draft_open(home, goal.id(), live, &body);
        }
        let phase = self.phase(home, &body);
        let reason = Reason::LostLink(written.into_iter().collect());
        self.draft_update(home, (goal.id(), live), body, (reason, Vec::new()), phase);
        if archived {
            self.draft_close(home, goal.id(), Some(live), now);
        }
    }

    /// Whether a record that is made again, only to be linked, would lose another link that it still shows: what that
    /// pointed to is nowhere, the service may refuse to name it, or make another by itself.
    fn loses_more(&self, home: &'static Object, all: &[Pointer], fields: &BTreeSet<String>) -> bool {
        let written = |field: &str| home.create.is_some_and(|write| write.fields.contains(&field));
        let mut kept = all.iter().filter(|pointer| written(&pointer.field) && !fields.contains(&pointer.field));
        kept.any(|pointer| matches!(self.links.find(pointer.objects, &pointer.key), Link::Missing))
    }

    /// Lists the lost links that no update writes.
    fn say_unlinked(
        &mut self,
        home: &'static Object,
        id: &RecordId,
        fields: &BTreeSet<String>,
        written: &BTreeSet<String>,
    ) {
        for field in fields {
            let writable = written.contains(field) || written.contains(&format!("custom_fields.{field}"));
            // Stamps of the service and copies of another field have no link of their own to lose.
            if !writable && !home.computed.contains(&field.as_str()) && home.writable().any(|name| name == field) {
                let why = "its link to a record that comes back cannot be written again";
                self.said.left_out.push(LeftOut::field(id, field, why));
            }
        }
    }

    /// A variation of the product that is gone is none of the one made again, and would have the link refused.
    fn part_from_variation(&mut self, id: &RecordId, now: &Map<String, Value>, body: &mut Body) {
        let variation = "product_variation_id";
        let has_one = !is_empty(now.get(variation).unwrap_or(&Value::Null));
        if has_one && body.contains_key("product_id") && !body.contains_key(variation) {
            body.insert(variation.to_owned(), Fill::Is(Value::Null));
            let why = "its variation belonged to the product that was deleted, and does not come back";
            self.said.left_out.push(LeftOut::field(id, variation, why));
        }
    }

    /// Fields that hold the name of a record which is made again, and will have the name that the service gives it.
    fn names_lost(&self, object: &'static Object, then: &Map<String, Value>, now: &Map<String, Value>) -> Vec<String> {
        let lost = |reference: &&Reference| {
            let Target::Named { object, by } = reference.to else { return false };
            let name = then.get(reference.field).and_then(Value::as_str);
            let here = now.get(reference.field).and_then(Value::as_str);
            here == name && name.is_some_and(|name| self.links.named(object, by, name).is_some())
        };
        object.references.iter().filter(lost).map(|reference| reference.field.to_owned()).collect()
    }

    /// Whether the live record points nowhere in this field, or to an id that means nothing any more.
    pub(super) fn is_lost(
        &self,
        (object, live): (&'static Object, &RecordId),
        field: &str,
        now: &Map<String, Value>,
    ) -> bool {
        let custom = now.get("custom_fields").and_then(|fields| fields.get(field));
        let value = now.get(field).or(custom).unwrap_or(&Value::Null);
        if is_empty(value) {
            return true;
        }
        // A list (participants, labels) lost a part of itself; of conditions one may mean nothing any more.
        if value.is_array()
            || value.is_object() && object.references.iter().any(|reference| is_conditions(reference, field))
        {
            return true;
        }
        // Ids deep inside, such as those of what a goal counts, mean nothing any more when what they meant is made again.
        if value.is_object() {
            let own = pointers(object, live, now, &self.then);
            let mut own = own.into_iter().filter(|pointer| pointer.field == field);
            return own.any(|pointer| self.is_anew(pointer.objects, &pointer.key));
        }
        let objects = object.references.iter().find(|reference| reference.top() == field).and_then(|reference| {
            match reference.to {
                Target::Record(objects) => Some(objects),
                _ => None,
            }
        });
        let kind =
            object.custom.and_then(|custom| self.then.find(custom.fields, field)).map(|field| field.kind.as_str());
        let objects = objects.or_else(|| linked(kind?));
        let key = crate::restore::fill::value_key(value);
        objects.zip(key).is_some_and(|(objects, key)| self.is_anew(objects, &key))
    }

    /// Whether a step makes the record again that has this id in the goal, or an earlier restore did.
    fn is_anew(&self, objects: &[&'static str], key: &Key) -> bool {
        let made = matches!(self.links.find(objects, key), Link::Made(_));
        made || self.policy.scope.is_everything() && self.links.has_moved(objects, key)
    }
}

fn is_conditions(reference: &Reference, field: &str) -> bool {
    reference.to == Target::Conditions && reference.top() == field
}

/// Of a body's field, only what was lost.
fn only(name: &str, fill: Fill, fields: &BTreeSet<String>) -> Option<Fill> {
    match fill {
        Fill::Fields(parts) if name == "custom_fields" => {
            let parts: BTreeMap<String, Fill> = parts.into_iter().filter(|(code, _)| fields.contains(code)).collect();
            (!parts.is_empty()).then(|| Fill::fields(parts))
        }
        fill => fields.contains(name).then_some(fill),
    }
}

/// Whether rows of this object may point to one of these.
fn points_to(object: &Object, targets: &BTreeSet<&str>) -> bool {
    let referenced = object.references.iter().any(|reference| match reference.to {
        Target::Record(objects) => objects.iter().any(|name| {
            let twin = catalogue::find(&ObjectName::known(name)).and_then(|object| object.twin);
            targets.contains(name) || twin.is_some_and(|twin| targets.contains(twin))
        }),
        Target::Conditions => true,
        Target::Typed(types) => types.iter().any(|(_, object)| targets.contains(object)),
        Target::Named { object, .. } => targets.contains(object),
        _ => false,
    });
    let linked =
        object.custom.is_some() && ["users", "organizations", "persons"].iter().any(|name| targets.contains(name));
    let writable = object.update.is_some() || (object.dml.insert && object.dml.delete && object.create.is_some());
    (referenced || linked) && writable
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::diff::Lineage;
    use crate::record::RecordId;
    use crate::restore::Policy;
    use crate::restore::planner::plan;
    use crate::restore::planner::specimen::World;
    use crate::restore::planner::tests::{company, planned, told};

    #[test]
    fn what_an_earlier_restore_made_again_is_linked_by_one_step() {
        let deal = json!({"title": "Edited", "org_id": 5, "person_id": 8, "owner_id": 2, "value": 90, "currency": "EUR", "stage_id": 1, "pipeline_id": 1, "status": "open"});
        let seen = company().without("persons/8").without("deals/42").with("deals/420", deal).set(
            "notes/11",
            "deal_id",
            json!(420),
        );
        let seen =
            seen.without("dealProducts/42:7").without("dealFollowers/42:2").set("notes/11", "person_id", Value::Null);
        let id = |text: &str| RecordId::parse(text).expect("an id");
        let lineage: Lineage = [(id("deals/42"), id("deals/420"))].into_iter().collect();
        let told = told(&plan(&company(), &seen, &Policy::default(), &lineage).expect("a plan"));
        let of_deals: Vec<&String> = told.iter().filter(|step| step.contains(" deals/")).collect();
        assert_eq!(of_deals, ["update deals/42"], "{told:?}");
    }

    #[test]
    fn a_stage_that_was_gone_before_the_goal_is_not_sent_with_its_pipeline() {
        let goal = company().without("stages/1");
        let seen = company().without("stages/1").without("pipelines/1");
        let plan = planned(&goal, &seen, &Policy::default());
        let deal = plan.steps.iter().find(|step| step.record().to_string() == "deals/42").expect("a step");
        assert_eq!(deal.body().expect("a body").into_keys().collect::<Vec<_>>(), ["pipeline_id"]);
        assert!(plan.left_out.iter().any(|left| left.field.as_deref() == Some("stage_id")), "{:?}", plan.left_out);
    }

    #[test]
    fn a_list_is_sent_without_those_who_were_gone_before_the_goal() {
        let people = json!([{"person_id": 8, "primary": true}, {"person_id": 7, "primary": false}]);
        let goal = World::of(&[
            ("persons/8", json!({"name": "Ann Lee"})),
            ("activities/4", json!({"subject": "call", "participants": people})),
        ]);
        let seen = goal.clone().without("persons/8");
        let plan = planned(&goal, &seen, &Policy::default());
        assert_eq!(told(&plan), ["revive persons/8", "update activities/4"]);
        let body: Value = serde_json::to_value(plan.steps[1].body().expect("a body")).expect("JSON");
        assert_eq!(body["participants"]["list"].as_array().map(Vec::len), Some(1), "{body}");
        let lost = plan.left_out.iter().any(|left| left.why.contains("persons/7 is not in the account"));
        assert!(lost, "{:?}", plan.left_out);
    }
}
