//! The DML matrix is law: whatever happened to a record of whatever object, no plan holds an operation outside it.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::catalogue::{ALL, Dml, KeyIn, Listing, Object, ObjectName, Restore, find};
use crate::diff::Lineage;
use crate::restore::plan::{Action, LiveId, Plan, Reason, Update};
use crate::restore::planner::specimen::World;
use crate::restore::{Body, Policy, check, plan};

/// A record of the object, known by the right number of ids, with something in every field a restore may send.
fn record(object: &Object, value: &str) -> (String, Value) {
    let id = match object.key {
        KeyIn::Field(_) => format!("{}/7", object.name),
        KeyIn::ParentAndAll(_) | KeyIn::ParentAndDigest => format!("{}/5:seven", object.name),
        KeyIn::ParentAnd(_) | KeyIn::Both { .. } => format!("{}/5:7", object.name),
    };
    let pointers: BTreeSet<&str> = object.references.iter().map(|reference| reference.top()).collect();
    let plain = object.writable().filter(|field| !pointers.contains(field));
    let mut fields: Map<String, Value> = plain.map(|field| (field.to_owned(), json!(value))).collect();
    fields.insert("subject".to_owned(), json!(value));
    if let KeyIn::Both { parent, own } = object.key {
        fields.extend([(parent.to_owned(), json!(5)), (own.to_owned(), json!(7))]);
    }
    (id, Value::Object(fields))
}

/// The account in which only this record is, and perhaps its parent.
fn world(object: &Object, value: Option<&str>) -> World {
    let parent = object.parents().first().map(|parent| (format!("{parent}/5"), json!({"title": "parent"})));
    let own = value.map(|value| record(object, value));
    let rows: Vec<(String, Value)> = parent.into_iter().chain(own).collect();
    World::of(&rows.iter().map(|(id, row)| (id.as_str(), row.clone())).collect::<Vec<_>>())
}

fn planned(object: &Object, then: Option<&str>, now: Option<&str>) -> Plan {
    let policy = Policy { delete_added: true, ..Policy::default() };
    plan(&world(object, then), &world(object, now), &policy, &Lineage::default()).expect("a plan")
}

/// What a plan does to records of the object.
fn done(object: &Object, plan: &Plan) -> (bool, bool, bool) {
    let own = plan.steps.iter().filter(|step| step.record().object.as_str() == object.name);
    own.fold((false, false, false), |(insert, update, delete), step| match step.action {
        Action::Create(_) | Action::Revive { .. } => (true, update, delete),
        Action::Update(_) | Action::AddOptions(_) => (insert, true, delete),
        Action::Delete { .. } => (insert, update, true),
        Action::Expel(_) | Action::Trim(_) => (insert, update, delete),
    })
}

#[test]
fn no_plan_holds_an_operation_outside_the_matrix() {
    let (mut breaches, mut seen) = (Vec::new(), 0);
    for object in ALL {
        for (then, now) in [(Some("a"), None), (Some("a"), Some("b")), (None, Some("b"))] {
            let plan = planned(object, then, now);
            let (insert, update, delete) = done(object, &plan);
            seen += usize::from(insert) + usize::from(update) + usize::from(delete);
            let dml = object.dml;
            if (insert && !dml.insert) || (update && !dml.update) || (delete && !dml.delete) {
                breaches.push(format!("{}: {then:?} → {now:?}: {:?}", object.name, plan.steps));
            }
            // What happened is acted upon or said; contents come and go with their file, and what shows records once
            // more with those records, which say it.
            let silent = plan.steps.is_empty() && plan.left_out.is_empty() && plan.kept.is_empty();
            let shown =
                matches!(object.listing, Listing::Derived { .. }) || matches!(object.restore, Restore::Mirror(_));
            if silent && dml == Dml::NOTHING && then.is_some() && !shown {
                breaches.push(format!("{}: {then:?} → {now:?}: nothing is done and nothing is said", object.name));
            }
        }
    }
    assert!(breaches.is_empty(), "\n{}", breaches.join("\n"));
    assert!(seen > 30, "only {seen} operations were planned at all");
}

#[test]
fn a_thread_is_changed_and_deleted_and_never_made_and_a_message_is_left_alone() {
    let of = |name: &'static str| find(&ObjectName::known(name)).expect("an object");
    let thread = of("mailThreads");
    assert_eq!(done(thread, &planned(thread, Some("1"), None)), (false, false, false));
    assert_eq!(done(thread, &planned(thread, Some("1"), Some("0"))), (false, true, false));
    assert_eq!(done(thread, &planned(thread, None, Some("0"))), (false, false, true));
    for name in ["mailMessages", "dealMailMessages", "personMailMessages", "organizationMailMessages"] {
        let gone = planned(of(name), Some("a"), None);
        assert!(gone.steps.is_empty());
        assert_eq!(gone.left_out[0].why, "a message comes from the mail provider only");
    }
}

#[test]
fn a_plan_that_was_edited_to_do_more_than_the_matrix_allows_is_refused() {
    let mut breaches = Vec::new();
    for object in ALL {
        let (id, _) = record(object, "a");
        let id = crate::record::RecordId::parse(&id).expect("an id");
        let mut edited = planned(find(&ObjectName::known("deals")).expect("deals"), Some("a"), Some("b"));
        let step = edited.steps.first_mut().expect("a step");
        let live = Some(LiveId(id.clone()));
        let change =
            Update { record: id.clone(), live, through: object.name.to_owned(), body: Body::new().into(), seen: None };
        step.action = Action::Update(change);
        let refused = |edited: &Plan| check(edited).iter().any(|objection| objection.why.contains("such a record"));
        if refused(&edited) == object.dml.update {
            breaches.push(format!("{}: change", object.name));
        }
        let step = edited.steps.first_mut().expect("a step");
        step.reason = Reason::Added;
        let seen = crate::restore::plan::Stamp { time: None, fields: String::new(), without: Vec::new() };
        step.action = Action::Delete { live: LiveId(id), seen: Box::new(seen) };
        if refused(&edited) == object.dml.delete {
            breaches.push(format!("{}: delete", object.name));
        }
    }
    assert!(breaches.is_empty(), "\n{}", breaches.join("\n"));
}
