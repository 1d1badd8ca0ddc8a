//! What must hold after a restore, told from three tellings of the judge: the goal, the account before the restore, and after it.
//!
//! - In scope: what the goal had is there once, and equal; what was added since is gone if that was asked for, else as it was.
//! - Out of scope: as it was before the restore. A link that was lost may be there again.
//! - Nothing is there that was in neither.

use std::collections::BTreeSet;

use pdbak::restore::{Finding, Plan, Policy, Report};
use serde_json::{Map, Value};

use super::truth::{Different, Heirs, MEMBERS, PARTS, Places, by_id, is_of_the_same, kinds, target, text};

/// One restore, as far as others could see it.
pub(super) struct Seen<'a> {
    pub(super) goal: &'a Value,
    pub(super) before: &'a Value,
    pub(super) after: &'a Value,
    pub(super) policy: &'a Policy,
    pub(super) plan: &'a Plan,
    pub(super) report: &'a Report,
    /// What the restores before made again.
    pub(super) heirs: &'a Heirs,
}

/// Whether a lead had lost both of its links before the goal: the service takes no change of it.
pub(super) fn is_orphan(finding: &Finding) -> bool {
    finding.words.iter().any(|words| words.contains("must be linked to a person or an organization"))
}

/// The name of the client's object, of any list that shows a kind.
fn is_object(object: &str, kind: &str) -> bool {
    let flat = object.strip_prefix("archived").unwrap_or(object);
    flat.eq_ignore_ascii_case(kind)
}

impl Seen<'_> {
    /// Whether a row was asked for. With `related` more may come back than was named: then anything may.
    fn asked(&self, kind: &str, id: &str) -> bool {
        let scope = &self.policy.scope;
        scope.is_everything()
            || scope.objects.iter().any(|object| is_object(object.as_str(), kind))
            || scope
                .records
                .iter()
                .any(|record| is_object(record.object.as_str(), kind) && ends_with(&record.key.to_string(), id))
    }

    /// Whether the plan or the report says that a row, or a field of it, does not come back.
    fn is_told(&self, different: &Different, field: &str) -> bool {
        let code = field.strip_prefix("custom_fields.").unwrap_or(field);
        let planned = self.plan.left_out.iter().any(|left| {
            is_object(&left.object, different.kind)
                && left.key.as_ref().is_none_or(|key| ends_with(key, &different.id))
                && left.field.as_ref().is_none_or(|told| told.ends_with(code) || field.is_empty())
        });
        let kept = self.plan.kept.iter().any(|kept| ends_with(&kept.record.key.to_string(), &different.id));
        let mut orphans = self.report.findings.iter().filter(|finding| is_orphan(finding));
        planned || kept || orphans.any(|finding| finding.record.ends_with(&different.id))
    }

    /// Deals that a restore took back from the deleted ones with parts that nobody could see, because they were added, or
    /// came by a merge, after the goal and before the deletion; their value follows from them. Where what was added is to go, there are
    /// none.
    pub(super) fn surprises(&self) -> BTreeSet<String> {
        let mut deals = BTreeSet::new();
        if self.policy.delete_added && self.policy.scope.is_everything() {
            return deals;
        }
        for kind in PARTS {
            let (goal, before) = (by_id(self.goal, kind), by_id(self.before, kind));
            let hidden = |(id, now): &(&String, &Map<String, Value>)| {
                let mut rows = self.before[*kind].as_array().into_iter().flatten();
                let was_there = goal.get(*id).is_some_and(|row| row["deal_id"] == now["deal_id"]);
                !was_there && !before.contains_key(*id) && rows.any(|row| text(&row["id"]) == **id)
            };
            let after = by_id(self.after, kind);
            let shown = after.iter().filter(hidden);
            deals.extend(shown.map(|(_, row)| text(&row["deal_id"])));
        }
        deals
    }

    /// Where the rows of the goal are.
    pub(super) fn places(&self) -> Places {
        let wanted = |kind: &'static str, id: &str| {
            self.asked(kind, id)
                || self.policy.related
                || by_id(self.before, kind).contains_key(id)
                || !self.policy.scope.is_everything()
        };
        let twin = |kind: &'static str, id: &str| self.is_twin(kind, id);
        Places::find(self.goal, self.after, &wanted, &twin).with_heirs(self.heirs)
    }

    /// Everything that does not hold, in words.
    pub(super) fn faults(&self, places: &Places) -> Vec<String> {
        let mut faults = Vec::new();
        let surprises = self.surprises();
        for kind in kinds() {
            self.rows(kind, (places, &surprises), &mut faults);
        }
        for (kind, fields) in MEMBERS {
            self.members((kind, *fields), places, &mut faults);
        }
        faults
    }

    fn rows(&self, kind: &'static str, (places, surprises): (&Places, &BTreeSet<String>), faults: &mut Vec<String>) {
        let (goal, before, after) = (by_id(self.goal, kind), by_id(self.before, kind), by_id(self.after, kind));
        let everything = self.policy.scope.is_everything();
        for (id, row) in goal.iter().filter(|(id, _)| self.asked(kind, id)) {
            if is_out_of_sight(self.goal, kind, row) {
                continue;
            }
            let place = places.place(kind, id).and_then(|place| after.get(&place));
            let fields = place.map_or_else(Vec::new, |now| places.differences(kind, row, now));
            let different = Different { kind, id: id.clone(), fields };
            if place.is_none() && !self.is_told(&different, "") {
                faults.push(format!("{kind} {id} did not come back: {}", Value::Object(row.clone())));
            }
            let counted = |field: &str| (kind, field) == ("Deals", "value") && surprises.contains(id);
            let told = |field: &str| self.is_told(&different, field) || counted(field);
            for (field, words) in different.fields.iter().filter(|(field, _)| !told(field)) {
                faults.push(format!("{kind} {id} {field}: {words}"));
            }
        }
        let taken = places.taken(kind);
        for (id, row) in after.iter().filter(|(id, _)| !taken.contains(*id)) {
            let was = before.contains_key(id);
            let goes = self.policy.delete_added && everything;
            let different = Different { kind, id: id.clone(), fields: Vec::new() };
            if PARTS.contains(&kind) && surprises.contains(&text(&row["deal_id"]))
                || is_out_of_sight(self.before, kind, row)
            {
                continue;
            }
            if (!was && !self.is_twin(kind, id))
                || (was && goes && !self.is_told(&different, "") && !self.is_twin(kind, id))
            {
                faults.push(format!("{kind} {id} should not be there: {}", Value::Object(row.clone())));
            }
        }
        for (id, row) in before.iter().filter(|(id, _)| !(goal.contains_key(*id) && self.asked(kind, id))) {
            let known = goal.get(id).is_some_and(|then| is_of_the_same(kind, then, row));
            // A row that an earlier restore made stands for one of the goal.
            if taken.contains(id) && !known {
                continue;
            }
            match after.get(id) {
                None if self.policy.delete_added && !known => {}
                // What cannot be changed is made again, to be linked again.
                None if places.place(kind, id).is_some() || self.is_heir(kind, id, places) => {}
                None => faults
                    .push(format!("{kind} {id} was not in the scope, and is gone: {}", Value::Object(row.clone()))),
                Some(now) => {
                    let then = goal.get(id).map(|then| places.differences(kind, then, now));
                    let own = Places::find(self.before, self.after, &|_, _| false, &|_, _| false);
                    let different = Different { kind, id: id.clone(), fields: Vec::new() };
                    for (field, words) in own.differences(kind, row, now) {
                        let linked_again =
                            then.as_ref().is_some_and(|then| !then.iter().any(|(name, _)| *name == field));
                        // What its lines add up to follows from them.
                        let counted = (kind, field.as_str()) == ("Deals", "value");
                        if !linked_again && !counted && !self.is_told(&different, &field) {
                            faults.push(format!("{kind} {id} was not in the scope: {field}: {words}"));
                        }
                    }
                }
            }
        }
    }

    /// Whether a row stands for one of the goal, because an earlier restore made it, and that one is there.
    fn is_heir(&self, kind: &'static str, id: &str, places: &Places) -> bool {
        let mut heirs = self.heirs.iter().filter(|((of, _), now)| *of == kind && text(now) == id);
        heirs.any(|((_, old), _)| places.place(kind, old).is_some())
    }

    /// Rows that the report names as being there twice: `deals/42`.
    pub(super) fn twins(&self) -> impl Iterator<Item = &str> {
        let words = self.report.findings.iter().flat_map(|finding| &finding.words);
        words.filter_map(|words| words.split_once(" shows the same")).map(|(twin, _)| twin)
    }

    /// Whether the report names a row as one that is there twice.
    fn is_twin(&self, kind: &str, id: &str) -> bool {
        self.twins()
            .any(|twin| twin.split_once('/').is_some_and(|(object, key)| is_object(object, kind) && ends_with(key, id)))
    }

    fn members(&self, kind: (&'static str, [&'static str; 2]), places: &Places, faults: &mut Vec<String>) {
        let (goal, before, after) = (
            places.members(self.goal, kind),
            places.with_heirs_of(self.before, kind),
            places.with_heirs_of(self.after, kind),
        );
        let everything = self.policy.scope.is_everything();
        let named = self.policy.scope.objects.iter().any(|object| is_object(object.as_str(), kind.0));
        if everything || named {
            for member in goal.difference(&after) {
                if !self.plan.left_out.iter().any(|left| is_object(&left.object, kind.0)) {
                    faults.push(format!("{} {member:?} did not come back", kind.0));
                }
            }
        }
        let allowed: BTreeSet<_> = match everything && self.policy.delete_added {
            true => goal,
            false => goal.union(&before).cloned().collect(),
        };
        let goes = everything && self.policy.delete_added;
        let hidden = |member: &[String; 2]| {
            let mut rows = self.before[kind.0].as_array().into_iter().flatten();
            !goes && !before.contains(member) && rows.any(|row| kind.1.map(|field| text(&row[field])) == *member)
        };
        // What the service adds by itself beside a row that is there twice, and told as such.
        let of_a_twin = |member: &[String; 2]| {
            let twin = |(field, id): (&str, &String)| target(kind.0, field).is_some_and(|to| self.is_twin(to, id));
            kind.1.into_iter().zip(member).any(twin)
        };
        for member in after.difference(&allowed).filter(|member| !hidden(member) && !of_a_twin(member)) {
            faults.push(format!("{} {member:?} should not be there", kind.0));
        }
    }
}

/// Whether no capture looks for a row: of a deal without lines no discounts are looked for, as `pdbak objects` says.
fn is_out_of_sight(judge: &Value, kind: &str, row: &Map<String, Value>) -> bool {
    kind == "DealDiscounts" && by_id(judge, "DealProducts").values().all(|line| line["deal_id"] != row["deal_id"])
}

/// Whether a key of the client means this id: under a parent, the parent's stands before it.
fn ends_with(key: &str, id: &str) -> bool {
    key == id || key.rsplit(':').next() == Some(id)
}
