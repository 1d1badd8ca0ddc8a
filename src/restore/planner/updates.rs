//! What is written to records that are still there: just the writable fields that differ.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::catalogue::{Object, ObjectName, Reference, Restore, Write};
use crate::record::{Record, RecordId};
use crate::restore::cases::{Case, object_of, places};
use crate::restore::fill::{Body, Fill};
use crate::restore::links::{Link, Pointer, pointers};
use crate::restore::plan::{Action, Create, Kept, LeftOut, LiveId, Look, Reason, Stamp, Update};
use crate::restore::planner::bodies::writable;
use crate::restore::planner::{Draft, Phase, Planner, home, is_archive, is_last, order_of, place};
use crate::restore::rules::{self, Pair};
use crate::restore::same::{is_empty, same};
use crate::restore::state::State;
use crate::restore::translate::Lost;

/// What differs between a record of the goal and the account's.
pub(super) struct Delta {
    pub(super) body: Body,
    pub(super) lost: Vec<(String, Lost)>,
}

impl<S: State> Planner<'_, S> {
    /// Drafts the steps for changed records.
    pub(super) fn update_changed(&mut self) {
        let cases = self.cases;
        let changed = self.chosen.records.iter().filter_map(|id| match cases.all.get(id) {
            Some(Case::Changed { goal, live }) => Some((goal, live)),
            _ => None,
        });
        for (goal, live) in changed.collect::<Vec<_>>() {
            self.update_one(goal, live);
        }
    }

    fn update_one(&mut self, goal: &Record, live: &Record) {
        let (Some(object), Some(there)) = (object_of(goal.id()), object_of(live.id())) else { return };
        // Fields are made again, never changed: what differs is somebody's wish.
        if matches!(object.restore, Restore::Mirror(_) | Restore::OnRequest(_)) {
            return;
        }
        let home = home(object);
        let (then, now) = (goal.fields(), live.fields());
        if home.update.is_none() || !object.dml.update {
            if !self.may_replace(home, goal, live) {
                return;
            }
            return self.replace(home, goal, &then, live, &now);
        }
        if self.needs_upload(home, goal, live) && self.may_replace(home, goal, live) {
            return self.replace(home, goal, &then, live, &now);
        }
        let object = self.list_wanted((goal, object), (live, there));
        let mut delta = self.delta(home, goal.id(), &then, &now);
        self.withhold(home, goal, live, &mut delta);
        let Delta { mut body, lost } = delta;
        self.lose(goal.id(), lost);
        self.stuck(home, (goal, live), &then, &now);
        let closed_at = body.remove("close_time").and_then(|_| rules::closed_at(home.name, &then));
        let (notes, kept) = self.settle(home, goal.id(), (&then, &now), &mut body);
        self.said.kept.extend(kept.into_iter().map(|why| Kept { record: goal.id().clone(), why }));
        let moves = is_archive(object) != is_archive(there);
        let phase = self.phase(home, &body);
        let stays = home.archive.is_some() && is_archive(there);
        if stays && moves {
            let why = "it was archived since, and no call takes it out of the archive";
            self.said.left_out.push(LeftOut::field(goal.id(), "archive_time", why));
        }
        let writes = !body.is_empty() || closed_at.is_some();
        if is_archive(there) && !stays && (moves || writes) {
            self.draft_open(home, goal.id(), live, &body);
        }
        let closes = is_archive(object) && !stays && (moves || writes);
        if !body.is_empty() {
            let fields = body.keys().flat_map(|name| named(name, &body)).collect();
            self.draft_update(home, (goal.id(), live), body, (Reason::Edited(fields), notes), phase);
        }
        if let Some(time) = closed_at {
            let body = Body::from([("close_time".to_owned(), Fill::Is(time))]);
            // Not before the step that closes it.
            let phase = phase.max(Phase::Circle);
            self.draft_update(home, (goal.id(), live), body, (Reason::Completes, Vec::new()), phase);
        }
        if closes {
            self.draft_close(home, goal.id(), Some(live), &then);
        }
    }

    /// Object rules over the body of an update: what to say about the step, and what stays different.
    fn settle(
        &mut self,
        home: &'static Object,
        id: &RecordId,
        (then, now): (&Map<String, Value>, &Map<String, Value>),
        body: &mut Body,
    ) -> (Vec<String>, Vec<String>) {
        let translator = self.translator();
        let fill = |name: &str| translator.field(home, name, &writable(then.get(name)?)).fill;
        let said =
            rules::for_update(home.name, &Pair { key: &id.key, goal: then, live: now }, body, &self.facts, &fill);
        // A call that wants certain fields wants them in every update (filters: conditions).
        if !body.is_empty() {
            for required in home.update.map_or(&[][..], |write| write.required) {
                if !body.contains_key(*required) {
                    body.extend(fill(required).map(|fill| ((*required).to_owned(), fill)));
                }
            }
        }
        self.said.left_out.extend(said.lost.into_iter().map(|(field, why)| LeftOut::field(id, &field, why)));
        (said.notes, said.kept)
    }

    /// Links that only a creation takes stay as they are, and the plan says so: a file that a merge has moved.
    fn stuck(
        &mut self,
        home: &'static Object,
        (goal, live): (&Record, &Record),
        then: &Map<String, Value>,
        now: &Map<String, Value>,
    ) {
        let left = self.left_behind(home, goal, live);
        for field in home.references.iter().map(Reference::top).filter(|field| is_fixed(home, field)) {
            let moved = then.get(field).is_some_and(|before| !same(before, now.get(field).unwrap_or(&Value::Null)));
            if moved || left.contains(field) {
                let why = match moved {
                    true => "the link has changed since, and the service takes it only when the record is made",
                    false => "its link to a record that comes back cannot be written again",
                };
                self.said.left_out.push(LeftOut::field(goal.id(), field, why));
            }
        }
    }

    /// Links that only a creation takes and that lead to records which are made again.
    fn left_behind(&self, home: &'static Object, goal: &Record, live: &Record) -> BTreeSet<String> {
        let now = live.fields();
        let made = |pointer: &Pointer| matches!(self.links.find(pointer.objects, &pointer.key), Link::Made(_));
        let own = pointers(home, goal.id(), &goal.fields(), &self.then).into_iter().filter(made);
        let fixed = own.map(|pointer| pointer.field).filter(|field| is_fixed(home, field));
        fixed.filter(|field| self.is_lost((home, live.id()), field, &now)).collect()
    }

    /// Whether a record has to be uploaded once more to hang where it hung: a file whose deal is made again. Its contents
    /// are in the snapshot, and nothing else keeps the service from taking it.
    pub(super) fn needs_upload(&self, home: &'static Object, goal: &Record, live: &Record) -> bool {
        let Some(contents) = home.contents else { return false };
        let then = goal.fields();
        let whole = self.mapping.is_none() && self.policy.fields.is_empty() && self.policy.by_user.is_none();
        whole
            && home.dml.insert
            && home.delete.is_some_and(|_| home.dml.delete)
            && !self.left_behind(home, goal, live).is_empty()
            && rules::cannot_make(home.name, &then).is_none()
            && self.upload(contents.object, goal.id(), &then).is_ok()
    }

    /// The writable fields that differ.
    pub(super) fn delta(
        &self,
        home: &'static Object,
        id: &RecordId,
        then: &Map<String, Value>,
        now: &Map<String, Value>,
    ) -> Delta {
        let mut delta = Delta { body: Body::new(), lost: Vec::new() };
        let fields = home.update.map_or(&[][..], |write| write.fields);
        for name in fields.iter().filter(|name| !rules::is_move(name)) {
            // A row that never had the field says nothing about it.
            if (!then.contains_key(*name) && !now.contains_key(*name)) || self.is_unknown(id, name) {
                continue;
            }
            let (before, after) = (then.get(*name).unwrap_or(&Value::Null), now.get(*name).unwrap_or(&Value::Null));
            let translated = self.translator().field(home, name, &writable(before));
            delta.compare((name, before, after), translated.fill, translated.lost);
        }
        if let Some(custom) = home.custom.filter(|_| !self.is_unknown(id, "custom_fields")) {
            self.custom_delta(custom, then, now, &mut delta);
        }
        // Its own link back to itself is no difference.
        delta.body.retain(|_, fill| !matches!(fill, Fill::IdOf(record) if record == id));
        delta
    }

    /// Whether one of the two states left this field out on purpose.
    pub(super) fn is_unknown(&self, id: &RecordId, field: &str) -> bool {
        let places = places(id);
        places.iter().any(|place| self.goal.left_out(&place.object, field) || self.seen.left_out(&place.object, field))
    }

    pub(super) fn lose(&mut self, id: &RecordId, lost: Vec<(String, Lost)>) {
        self.said.left_out.extend(lost.into_iter().map(|(field, lost)| LeftOut::field(id, &field, lost.words())));
    }

    /// A change of a record that the service cannot change: it is deleted and made again.
    pub(super) fn replace(
        &mut self,
        home: &'static Object,
        goal: &Record,
        then: &Map<String, Value>,
        live: &Record,
        now: &Map<String, Value>,
    ) {
        let Some(write) = home.create else {
            return self.read_only(goal.id(), then, now, home);
        };
        let differ = |name: &&&str| {
            let (then, now) = (then.get(**name).unwrap_or(&Value::Null), now.get(**name).unwrap_or(&Value::Null));
            // Today's id of what the goal means is no difference; a record that is made again is one. What no creation can
            // write, a link to what is neither there nor comes back, is no reason to delete anything.
            match self.translator().field(home, name, then).fill {
                Some(Fill::Is(then)) => !same(&then, now),
                Some(_) => true,
                None => false,
            }
        };
        let fields: Vec<String> = write.fields.iter().filter(differ).map(|name| (*name).to_owned()).collect();
        let contents = home.contents.map(|contents| self.upload(contents.object, goal.id(), then));
        if fields.is_empty() && !self.shows_another(home, goal.id(), live.id()) {
            return;
        }
        let contents = match contents.transpose() {
            Ok(contents) => contents,
            Err(why) => return self.said.left_out.push(LeftOut::record(goal.id(), why)),
        };
        if !home.dml.insert || !home.dml.delete || home.delete.is_none() {
            return self.read_only(goal.id(), then, now, home);
        }
        if let Some(why) = rules::cannot_replace(home.name, now) {
            return self.said.kept.push(Kept { record: goal.id().clone(), why: why.to_owned() });
        }
        let body = self.body_of(home, goal.id(), then).into();
        let under = self.under(home, goal.id()).and_then(Result::ok).map(Box::new);
        let look = if rules::added_beside(home.name).is_some() { Look::UnderParent } else { Look::No };
        let create = Create { record: goal.id().clone(), under, body, look, contents };
        self.draft_delete(home, live, Reason::Replaced);
        let later = self.completing(home, goal.id(), then);
        if !later.is_empty() {
            self.draft_later((home, goal.id(), 1), later, Reason::Completes);
        }
        self.drafts.push(Draft {
            phase: if is_last(home) { Phase::Last } else { Phase::Circle },
            object: place(home),
            order: 0,
            key: goal.id().key.clone(),
            action: Action::Create(create),
            reason: Reason::Replaced,
            clears: Vec::new(),
            notes: vec![match fields.as_slice() {
                [] => "cannot be changed, only uploaded again".to_owned(),
                fields => format!("cannot be changed, only made again: {}", fields.join(", ")),
            }],
        });
    }

    /// What makes a record again as the goal has it.
    fn body_of(&mut self, home: &'static Object, id: &RecordId, then: &Map<String, Value>) -> Body {
        let wanted = rules::for_create(home.name, &id.key, then, &self.facts);
        let takes = home.create.map_or(&[][..], |write| write.fields);
        let mut body = Body::new();
        for (name, value) in wanted.iter().filter(|(name, _)| takes.contains(&name.as_str())) {
            let translated = self.translator().field(home, name, value);
            if let Some(fill) = translated.fill {
                body.insert(name.clone(), fill);
            }
            self.lose(id, translated.lost.into_iter().map(|lost| (name.clone(), lost)).collect());
        }
        body
    }

    /// Whether a record stands for other contents than it did.
    fn shows_another(&self, home: &'static Object, goal: &RecordId, live: &RecordId) -> bool {
        let Some(contents) = home.contents else { return false };
        let name = ObjectName::known(contents.object);
        let hash = |found: Option<Record>| found?.fields().get("blake3").cloned();
        let then = hash(self.goal.find(&RecordId::new(name.clone(), goal.key.clone())).ok().flatten());
        let now = hash(self.seen.find(&RecordId::new(name, live.key.clone())).ok().flatten());
        then.is_some() && then != now
    }

    fn read_only(&mut self, id: &RecordId, then: &Map<String, Value>, now: &Map<String, Value>, home: &'static Object) {
        // What stands for it in another company was never the same record.
        if self.mapping.is_some() {
            return;
        }
        let ignored = |name: &str| name.ends_with("_time") || home.volatile.contains(&name);
        let changed: Vec<&str> = then
            .iter()
            .filter(|(name, value)| !ignored(name) && !same(value, now.get(*name).unwrap_or(&Value::Null)))
            .map(|(name, _)| name.as_str())
            .collect();
        if !changed.is_empty() {
            let why = format!("changed since ({}), and the service does not let it be changed", changed.join(", "));
            self.said.left_out.push(LeftOut::record(id, why));
        }
    }

    /// A change that needs a record made later waits for it.
    pub(super) fn phase(&self, home: &'static Object, body: &Body) -> Phase {
        let later = |id: &RecordId| object_of(id).is_some_and(|object| place(object) >= place(home));
        if is_last(home) {
            Phase::Last
        } else if body.values().flat_map(Fill::needs).any(later) {
            Phase::Circle
        } else {
            Phase::Write
        }
    }

    pub(super) fn draft_update(
        &mut self,
        home: &'static Object,
        (id, live): (&RecordId, &Record),
        body: Body,
        (reason, notes): (Reason, Vec<String>),
        phase: Phase,
    ) {
        let now = live.fields();
        // Lines written before it change a deal's value.
        let by_lines = home.name == "deals" && self.facts.by_lines.contains(&id.key);
        let without = if by_lines { vec!["value".to_owned()] } else { Vec::new() };
        let clears = body.iter().flat_map(|(name, fill)| cleared(name, fill)).collect();
        let update = Update {
            record: id.clone(),
            live: Some(LiveId(live.id().clone())),
            through: home.name.to_owned(),
            body: body.into(),
            seen: Some(Box::new(Stamp::of(home, &now, &without))),
        };
        self.drafts.push(Draft {
            phase,
            object: place(home),
            order: order_of(&now),
            key: id.key.clone(),
            action: Action::Update(update),
            reason,
            clears,
            notes,
        });
    }
}

/// Whether the service takes a field only when the record is made.
fn is_fixed(home: &'static Object, field: &str) -> bool {
    let takes = |write: Option<Write>| write.is_some_and(|write| write.fields.contains(&field));
    takes(home.create) && !takes(home.update)
}

impl Delta {
    pub(super) fn compare(
        &mut self,
        (name, before, after): (&str, &Value, &Value),
        fill: Option<Fill>,
        lost: Vec<Lost>,
    ) {
        // What was lost before the accident is no difference.
        let made = fill.as_ref().is_some_and(|fill| !fill.needs().is_empty());
        if !lost.is_empty() && !made && same(before, after) {
            return;
        }
        let differs = match &fill {
            None => false,
            Some(Fill::Is(value)) => !same(value, after),
            Some(_) => true,
        };
        self.lost.extend(lost.into_iter().map(|lost| (name.to_owned(), lost)));
        if let Some(fill) = fill.filter(|_| differs) {
            self.body.insert(name.to_owned(), emptied(fill, after));
        }
    }
}

/// Empties a list with a list: null is no list to the service.
fn emptied(fill: Fill, after: &Value) -> Fill {
    match (&fill, after) {
        (Fill::Is(Value::Null), Value::Array(_)) => Fill::Is(Value::Array(Vec::new())),
        _ => fill,
    }
}

/// The names of the fields a body writes, custom ones as `custom_fields.<code>`.
pub(in crate::restore) fn named(name: &str, body: &Body) -> Vec<String> {
    match body.get(name) {
        Some(Fill::Is(Value::Object(parts))) if name == "custom_fields" => {
            parts.keys().map(|code| format!("custom_fields.{code}")).collect()
        }
        Some(Fill::Fields(parts)) if name == "custom_fields" => {
            parts.keys().map(|code| format!("custom_fields.{code}")).collect()
        }
        _ => vec![name.to_owned()],
    }
}

fn cleared(name: &str, fill: &Fill) -> Vec<String> {
    match fill {
        Fill::Is(Value::Object(parts)) if name == "custom_fields" => {
            let empty = parts.iter().filter(|(_, value)| is_empty(value));
            empty.map(|(code, _)| format!("custom_fields.{code}")).collect()
        }
        Fill::Fields(parts) if name == "custom_fields" => {
            parts.iter().filter(|(_, fill)| fill.clears()).map(|(code, _)| format!("custom_fields.{code}")).collect()
        }
        fill if fill.clears() => vec![name.to_owned()],
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::restore::plan::{Action, Step};
    use crate::restore::planner::specimen::World;
    use crate::restore::planner::tests::planned;
    use crate::restore::{Policy, Reason};

    #[test]
    fn only_the_value_waits_until_added_lines_are_gone() {
        let goal = World::of(&[
            ("persons/8", json!({"name": "Ann Lee"})),
            ("persons/9", json!({"name": "Bo Lee"})),
            ("products/3", json!({"name": "Pencil"})),
            ("deals/42", json!({"title": "Big", "person_id": 8, "value": 90})),
            ("deals/43", json!({"title": "Other", "person_id": 9, "value": 90})),
            ("dealProducts/43:6", json!({"id": 6, "deal_id": 43, "product_id": 3, "item_price": 90, "quantity": 1})),
            ("dealParticipants/43:9", json!({"person_id": 9})),
        ]);
        let seen = goal.clone().set("deals/42", "person_id", json!(9)).set("deals/42", "value", json!(300)).with(
            "dealProducts/42:7",
            json!({"id": 7, "deal_id": 42, "product_id": 3, "item_price": 300, "quantity": 1}),
        );
        let plan = planned(&goal, &seen, &Policy { delete_added: true, ..Policy::default() });
        let told = |step: &Step| match &step.action {
            Action::Update(update) => {
                format!("{} of {}", update.body.fields().into_keys().collect::<Vec<_>>().join(", "), update.record)
            }
            Action::Expel(expel) => format!("keep {} out of {}", expel.part, expel.host),
            Action::Delete { live, .. } => format!("delete {}", live.0),
            _ => format!("{:?}", step.action),
        };
        let steps: Vec<String> = plan.steps.iter().map(told).collect();
        assert_eq!(
            steps,
            [
                "person_id of deals/42",
                "keep dealParticipants out of deals/42",
                "delete dealProducts/42:7",
                "value of deals/42"
            ]
        );
        assert_eq!(plan.steps[3].reason, Reason::AfterLines);
    }
}
