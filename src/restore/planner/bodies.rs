//! What is sent to make a record, and what has to wait for a second call.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Map, Value};

use crate::archive;
use crate::catalogue::{Object, ObjectName, Shape};
use crate::record::RecordId;
use crate::restore::cases::{Case, places};
use crate::restore::fill::{Body, Fill};
use crate::restore::plan::{Action, ByNature, Create, LeftOut, Look, Reason, Update};
use crate::restore::planner::makes::Make;
use crate::restore::planner::{Draft, Phase, Planner, is_archive, is_last, place};
use crate::restore::rules;
use crate::restore::same::is_empty;
use crate::restore::state::State;
use crate::restore::translate::{Lost, Translated};

impl<S: State> Planner<'_, S> {
    /// Drafts the steps that make records.
    pub(super) fn create(&mut self, makes: Vec<Make<'_>>) -> Result<(), archive::Error> {
        let position: HashMap<&RecordId, usize> = makes.iter().enumerate().map(|(at, make)| (&make.id, at)).collect();
        // A number of the goal is somebody else's in another company.
        let home = self.mapping.is_none();
        let revived = |id: &RecordId| home && position.get(id).is_some_and(|at| can_revive(&makes[*at]));
        let mut by_nature: BTreeMap<&'static str, (u64, Vec<String>)> = BTreeMap::new();
        for (at, make) in makes.iter().enumerate() {
            let fields = make.fields();
            let mut body = self.body(make, &fields);
            let late = |fill: &Fill| fill.needs().iter().any(|id| position.get(id).is_some_and(|other| *other >= at));
            let mut later = split(&mut body, &late);
            let circle = !later.is_empty();
            for (name, fill) in self.completing(make.home, &make.id, &fields) {
                later.entry(name).or_insert(fill);
            }
            let under = self.under(make.home, &make.id).and_then(Result::ok).map(Box::new);
            let look = look(make, under.as_deref(), &body, &revived);
            if let (false, Some(create), Some(update)) = (look == Look::No, make.home.create, make.home.update) {
                // A record that is there already may hold what the goal has empty; one that is made is made without.
                let both: Vec<&str> =
                    create.fields.iter().copied().filter(|name| update.fields.contains(name)).collect();
                body.extend(self.emptied(make.home, &fields, &both, &body));
            }
            let mut mend = (home && can_revive(make)).then(|| self.mend(make.home, &make.id, &fields));
            mend.iter_mut().for_each(|mend| drop(split(mend, &late)));
            let (record, contents) = (make.id.clone(), make.contents.clone());
            let create = Create { record, under, body: body.into(), look, contents };
            let action = match mend {
                Some(mend) => Action::Revive { create, mend: mend.into() },
                None => Action::Create(create),
            };
            self.say_taken(make, &fields)?;
            self.draft_make(make, action);
            if !later.is_empty() {
                let reason = if circle { Reason::CompletesCircle } else { Reason::Completes };
                self.draft_later((make.home, &make.id, make.order), later, reason);
            }
            if crate::restore::cases::object_of(&make.id).is_some_and(is_archive) {
                self.draft_close(make.home, &make.id, None, &fields);
            }
            let nature = by_nature.entry(make.home.name).or_default();
            nature.0 += 1;
            let lost =
                make.home.computed.iter().filter(|name| fields.get(**name).is_some_and(|value| !is_empty(value)));
            let lost =
                lost.filter(|name| !make.home.writable().any(|field| field == **name)).map(|name| (*name).to_owned());
            for name in lost {
                if !nature.1.contains(&name) {
                    nature.1.push(name);
                }
            }
        }
        for (object, (records, mut fields)) in by_nature {
            fields.sort_unstable();
            let why = makes.iter().find(|make| make.home.name == object).map_or("", |make| make.home.limits);
            self.said.by_nature.push(ByNature { object: object.to_owned(), records, fields, why: why.to_owned() });
        }
        Ok(())
    }

    /// Lists a field that will be another one because the row takes it from its parent: a merge moves lines to a deal
    /// of another currency as they are.
    fn say_taken(&mut self, make: &Make<'_>, fields: &Map<String, Value>) -> Result<(), archive::Error> {
        let Some(field) = rules::taken_from_parent(make.home.name) else { return Ok(()) };
        let Some((parent, key)) = make.home.parents().first().zip(make.id.key.parent()) else { return Ok(()) };
        for id in places(&RecordId::new(ObjectName::known(parent), key)) {
            let parent = match self.cases.all.get(&id) {
                Some(Case::Changed { live, .. }) if !self.chosen.records.contains(&id) => Some(live.fields()),
                Some(Case::Deleted(_) | Case::Changed { .. }) => self.cases.goal(&id).map(|goal| goal.fields()),
                _ => self.goal.find(&id)?.map(|record| record.fields()),
            };
            let Some(now) = parent.and_then(|mut parent| parent.remove(field)) else { continue };
            if fields.get(field).is_some_and(|then| *then != now) {
                let why = format!("it takes the {field} of what it belongs to");
                self.said.left_out.push(LeftOut::field(&make.id, field, why));
            }
        }
        Ok(())
    }

    fn draft_make(&mut self, make: &Make<'_>, action: Action) {
        self.drafts.push(Draft {
            phase: if is_last(make.home) { Phase::Last } else { Phase::Write },
            object: place(make.home),
            order: make.order,
            key: make.id.key.clone(),
            action,
            reason: Reason::Deleted,
            clears: Vec::new(),
            notes: Vec::new(),
        });
    }

    pub(super) fn draft_later(
        &mut self,
        (home, id, order): (&'static Object, &RecordId, i64),
        body: Body,
        reason: Reason,
    ) {
        let update =
            Update { record: id.clone(), live: None, through: home.name.to_owned(), body: body.into(), seen: None };
        self.drafts.push(Draft {
            phase: if is_last(home) { Phase::Last } else { Phase::Circle },
            object: place(home),
            order,
            key: id.key.clone(),
            action: Action::Update(update),
            reason,
            clears: Vec::new(),
            notes: Vec::new(),
        });
    }

    /// The body that makes a record; what gets lost is listed.
    fn body(&mut self, make: &Make<'_>, goal: &Map<String, Value>) -> Body {
        let wanted = rules::for_create(make.home.name, &make.id.key, goal, &self.facts);
        let fields = make.home.create.map_or(&[][..], |write| write.fields);
        let (mut body, lost) = self.filled(make.home, &wanted, fields);
        self.said.left_out.extend(lost.into_iter().map(|(field, lost)| LeftOut::field(&make.id, &field, lost.words())));
        let loose = rules::unpinned(&mut body);
        self.said.left_out.extend(loose.into_iter().map(|flag| LeftOut::field(&make.id, flag, rules::UNPINNED)));
        body
    }

    /// Everything an update can write to a record that came back, cleared fields included.
    fn mend(&self, home: &'static Object, id: &RecordId, goal: &Map<String, Value>) -> Body {
        let Some(write) = home.update else { return Body::new() };
        let wanted = rules::for_create(home.name, &id.key, goal, &self.facts);
        let (mut body, _) = self.filled_named(home, &wanted, write.fields);
        body.extend(self.emptied(home, goal, write.fields, &body));
        rules::unpinned(&mut body);
        let Some(custom) = home.custom else { return body };
        let (mut values, _) = self.filled_custom(custom, &wanted);
        match custom.shape {
            Shape::Flat => body.extend(values),
            Shape::Nested => {
                values.extend(self.empty_customs(id, custom, goal));
                if !values.is_empty() {
                    body.insert("custom_fields".to_owned(), Fill::fields(values));
                }
            }
        }
        body
    }

    /// Those of these fields that the goal has empty, in the form that empties them.
    fn emptied(&self, home: &'static Object, goal: &Map<String, Value>, fields: &[&'static str], body: &Body) -> Body {
        let required = home.update.map_or(&[][..], |write| write.required);
        let wanted =
            |field: &&&'static str| !body.contains_key(**field) && !required.contains(*field) && !rules::is_move(field);
        let emptied = fields.iter().filter(wanted).filter_map(|field| {
            let value = goal.get(*field).filter(|value| is_empty(value))?;
            let fill = self.translator().field(home, field, &writable(value)).fill?;
            Some(((*field).to_owned(), fill))
        });
        emptied.collect()
    }

    /// Fields that only an update takes.
    pub(super) fn completing(&self, home: &'static Object, id: &RecordId, goal: &Map<String, Value>) -> Body {
        let (Some(create), Some(update)) = (home.create, home.update) else { return Body::new() };
        let only: Vec<&'static str> =
            update.fields.iter().copied().filter(|field| !create.fields.contains(field)).collect();
        let wanted = rules::for_create(home.name, &id.key, goal, &self.facts);
        let named: Map<String, Value> = wanted.into_iter().filter(|(name, _)| only.contains(&name.as_str())).collect();
        let (mut body, _) = self.filled_named(home, &named, &only);
        let closed_at = rules::closed_at(home.name, goal);
        body.extend(closed_at.map(|time| ("close_time".to_owned(), Fill::Is(time))));
        // A product made without prices gets one of 0 by itself: api/restore-hazards.md 4, Products.
        let priceless = goal.get("prices").is_some_and(is_empty);
        if home.name == "products" && priceless {
            body.insert("prices".to_owned(), Fill::Is(Value::Array(Vec::new())));
        }
        body
    }

    /// The given fields and all custom ones.
    fn filled(
        &self,
        object: &'static Object,
        wanted: &Map<String, Value>,
        fields: &[&'static str],
    ) -> (Body, Vec<(String, Lost)>) {
        let (mut body, mut lost) = self.filled_named(object, wanted, fields);
        if let Some(custom) = object.custom {
            let (values, gone) = self.filled_custom(custom, wanted);
            lost.extend(gone);
            match custom.shape {
                Shape::Nested if values.is_empty() => {}
                Shape::Nested => {
                    body.insert("custom_fields".to_owned(), Fill::fields(values));
                }
                Shape::Flat => body.extend(values),
            }
        }
        (body, lost)
    }

    fn filled_named(
        &self,
        object: &'static Object,
        wanted: &Map<String, Value>,
        fields: &[&'static str],
    ) -> (Body, Vec<(String, Lost)>) {
        let (mut body, mut lost) = (Body::new(), Vec::new());
        for (name, value) in wanted.iter().filter(|(name, _)| fields.contains(&name.as_str())) {
            let Translated { fill, lost: gone } = self.translator().field(object, name, &writable(value));
            lost.extend(gone.into_iter().map(|gone| (name.clone(), gone)));
            if let Some(fill) = fill.filter(|fill| !fill.clears()) {
                body.insert(name.clone(), fill);
            }
        }
        (body, lost)
    }
}

/// A composite value without the parts that no write takes.
pub(super) fn writable(value: &Value) -> Value {
    match value {
        Value::Object(parts) => Value::Object(crate::restore::translate::without_derived(parts)),
        other => other.clone(),
    }
}

/// Whether the catalogue knows a way to bring the record back with its id.
fn can_revive(make: &Make<'_>) -> bool {
    !make.home.undelete.is_empty() && make.home.single.is_some()
}

/// Whether the record may be there already when its turn comes.
fn look(make: &Make<'_>, under: Option<&Fill>, body: &Body, revived: &dyn Fn(&RecordId) -> bool) -> Look {
    if let Some(Fill::IdOf(parent)) = under {
        // Followers and participants may be added by the service itself: api/restore-hazards.md 4.
        let by_itself = make.home.update.is_none();
        return if by_itself || revived(parent) { Look::UnderParent } else { Look::No };
    }
    // What was deleted with a record may come back with it.
    let with = body.values().flat_map(Fill::needs).any(revived);
    if with && make.home.single.is_some() && !can_revive(make) { Look::ById } else { Look::No }
}

/// Takes out what cannot be filled yet; of custom fields, only the ones concerned.
fn split(body: &mut Body, late: &dyn Fn(&Fill) -> bool) -> Body {
    let mut later = Body::new();
    let names: Vec<String> = body.iter().filter(|(_, fill)| late(fill)).map(|(name, _)| name.clone()).collect();
    for name in names {
        let Some(fill) = body.remove(&name) else { continue };
        match fill {
            Fill::Fields(fields) if name == "custom_fields" => {
                let (wait, go): (BTreeMap<_, _>, BTreeMap<_, _>) = fields.into_iter().partition(|(_, fill)| late(fill));
                later.insert(name.clone(), Fill::fields(wait));
                if !go.is_empty() {
                    body.insert(name, Fill::fields(go));
                }
            }
            fill => {
                later.insert(name, fill);
            }
        }
    }
    later
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::restore::planner::specimen::World;
    use crate::restore::planner::tests::{company, planned};
    use crate::restore::{Action, Plan, Policy};

    fn told(plan: &Plan, record: &str) -> Vec<String> {
        let of = plan
            .left_out
            .iter()
            .filter(|left| format!("{}/{}", left.object, left.key.as_deref().unwrap_or_default()) == record);
        of.map(|left| format!("{}: {}", left.field.as_deref().unwrap_or_default(), left.why)).collect()
    }

    #[test]
    fn a_line_in_another_currency_than_its_deal_is_told_before_it_is_made() {
        let goal = |currency: &str| company().set("dealProducts/42:7", "currency", json!(currency));
        let plan =
            |currency: &str| planned(&goal(currency), &goal(currency).without("dealProducts/42:7"), &Policy::default());
        assert_eq!(told(&plan("USD"), "dealProducts/42:7"), ["currency: it takes the currency of what it belongs to"]);
        assert_eq!(told(&plan("EUR"), "dealProducts/42:7"), Vec::<String>::new());
    }

    #[test]
    fn the_first_who_is_left_is_the_primary_one_when_that_one_does_not_come_back() {
        let people = json!([{"person_id": 9, "primary": true}, {"person_id": 8, "primary": false}]);
        let goal = company().with("activities/4", json!({"subject": "Call", "type": "call", "participants": people}));
        // Person 9 was gone before the snapshot.
        let plan = planned(&goal, &company(), &Policy::default());
        let sent: Vec<Value> =
            plan.steps.iter().filter_map(|step| serde_json::to_value(step.body()?.get("participants")?).ok()).collect();
        assert_eq!(sent, [json!({"is": [{"person_id": 8, "primary": true}]})]);
    }

    #[test]
    fn a_note_that_was_pinned_to_what_is_gone_comes_back_without_the_pin() {
        let note = json!({"content": "x", "deal_id": 42, "lead_id": "1f0c", "pinned_to_lead_flag": true, "pinned_to_deal_flag": true});
        let plan = planned(&company().with("notes/12", note), &company(), &Policy::default());
        let body = plan.steps[0].body().expect("a body");
        assert_eq!((body.get("pinned_to_lead_flag"), body.contains_key("pinned_to_deal_flag")), (None, true));
        assert!(
            told(&plan, "notes/12").contains(&"pinned_to_lead_flag: what it was pinned to is not there".to_owned()),
            "{:?}",
            told(&plan, "notes/12")
        );
    }

    #[test]
    fn a_discount_comes_back_with_a_product_under_it_and_not_alone() {
        let goal = company().with(
            "dealDiscounts/42:d1",
            json!({"deal_id": 42, "description": "Fair", "amount": 5, "type": "percentage"}),
        );
        let steps = |seen: &World| planned(&goal, seen, &Policy::default()).steps.len();
        let alone = || company().without("dealProducts/42:7").without("products/3");
        let without = goal.clone().without("dealProducts/42:7").without("products/3");
        // The line stands, the line comes back, and neither.
        assert_eq!(steps(&company()), 1);
        assert_eq!(steps(&company().without("dealProducts/42:7")), 2);
        let plan = planned(&without, &alone(), &Policy::default());
        assert!(plan.is_empty(), "{:?}", plan.steps);
        assert_eq!(told(&plan, "dealDiscounts/42:d1"), [": its deal has no products, on which it rests"]);
    }

    #[test]
    fn an_activity_of_a_type_that_was_gone_before_comes_back_without_it() {
        let call = ("activityTypes/1", json!({"name": "Call", "key_string": "call"}));
        let activity = |key: &str| json!({"subject": "Ask", "type": key});
        let goal = World::of(&[call, ("activities/4", activity("call")), ("activities/5", activity("long_gone"))]);
        let seen = goal.clone().without("activities/4").without("activities/5");
        let plan = planned(&goal, &seen, &Policy::default());
        let typed = |at: usize| match &plan.steps[at].action {
            Action::Revive { create, .. } => create.body.fields().contains_key("type"),
            other => panic!("{other:?}"),
        };
        assert_eq!((plan.steps.len(), typed(0), typed(1)), (2, true, false));
        let why = "type: activityTypes \"long_gone\" is not in the account and does not come back";
        assert_eq!((told(&plan, "activities/4"), told(&plan, "activities/5")), (Vec::new(), vec![why.to_owned()]));
    }
}
