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
use crate::restore::planner::updates::named;
use crate::restore::planner::{Planner, home, is_archive};
use crate::restore::rules;
use crate::restore::same::is_empty;
use crate::restore::state::State;

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
            {
                self.relink_one(goal, live)?;
            }
        }
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
                let is_case = self.cases.all.contains_key(record.id()) || elsewhere.contains(record.id());
                if likely && !is_case {
                    self.relink_one(&record, &record)?;
                }
            }
        }
        Ok(())
    }

    fn relink_one(&mut self, goal: &Record, live: &Record) -> Result<(), archive::Error> {
        let Some(object) = object_of(goal.id()) else { return Ok(()) };
        let (then, now) = (goal.fields(), live.fields());
        let all = pointers(object, goal.id(), &then, &self.then);
        self.ask_old(&all)?;
        let fields: BTreeSet<String> = all
            .iter()
            .filter(|pointer| self.is_anew(pointer.objects, &pointer.key))
            .map(|pointer| pointer.field.clone())
            .filter(|field| !field.is_empty() && self.is_lost((object, live.id()), field, &now))
            .chain(self.names_lost(object, &then, &now))
            .collect();
        if fields.is_empty() {
            return Ok(());
        }
        let home = home(object);
        // Whom it names is all there is of it, or it can hang there only when it is uploaded once more.
        if home.update.is_none() || self.needs_upload(home, goal, live) {
            self.links.ask(all.iter().cloned(), self.cases, (self.goal, self.seen))?;
            match self.loses_more(home, &all, &fields) {
                true => self.say_unlinked(home, goal.id(), &fields, &BTreeSet::new()),
                false => self.replace(home, goal, &then, live, &now),
            }
            return Ok(());
        }
        let delta = self.delta(home, goal.id(), &then, &now);
        let mut body: Body = delta
            .body
            .into_iter()
            .filter_map(|(name, fill)| Some((name.clone(), only(&name, fill, &fields)?)))
            .collect();
        let written: BTreeSet<String> = body.keys().flat_map(|name| named(name, &body)).collect();
        self.say_unlinked(home, goal.id(), &fields, &written);
        if body.is_empty() {
            return Ok(());
        }
        self.part_from_variation(goal.id(), &now, &mut body);
        if body.contains_key("stage_id") || body.contains_key("pipeline_id") {
            // A stage goes with its pipeline: the rule of deals, applied by the rules themselves.
            let translator = self.translator();
            let fill = |name: &str| translator.field(home, name, then.get(name)?).fill;
            let pair = rules::Pair { key: &goal.id().key, goal: &then, live: &now };
            rules::for_update(home.name, &pair, &mut body, &self.facts, &fill);
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
            self.draft_close(home, goal.id(), Some(live), &now);
        }
        Ok(())
    }

    /// Looks up what earlier restores made again of what these point to.
    fn ask_old(&mut self, all: &[Pointer]) -> Result<(), archive::Error> {
        let whole = self.policy.scope.is_everything();
        let old = |pointer: &&Pointer| whole && self.links.is_old(pointer.objects, &pointer.key);
        let old: Vec<Pointer> = all.iter().filter(old).cloned().collect();
        self.links.ask(old.into_iter(), self.cases, (self.goal, self.seen))
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
    use crate::restore::planner::tests::{company, told};

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
}
