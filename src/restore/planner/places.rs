//! Every place that holds an id (api/restore-hazards.md 2), one by one: the record that it points to is made again under
//! another number, and the place gets that number, whether its own record is made again too or has only lost its link.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::catalogue::{ALL, KeyIn, Listing, Object, ObjectName, Reference, Restore, Target, find};
use crate::diff::Lineage;
use crate::record::{Key, RecordId};
use crate::restore::fill::Body;
use crate::restore::links::segments;
use crate::restore::plan::{Action, Step};
use crate::restore::planner::home;
use crate::restore::planner::specimen::World;
use crate::restore::{Plan, Policy, plan, rules};

/// The number of every record in these worlds.
const ID: u64 = 7;
const PEOPLE: &str = "0123456789abcdef0123456789abcdef01234567";
const ORGANIZATION: &str = "fedcba9876543210fedcba9876543210fedcba98";

/// The places of the hazards' list whose records a restore makes; users and currencies are matched, never made.
const LISTED: &[(&str, &[&str])] = &[
    ("deals", &["person_id", "org_id", "pipeline_id", "stage_id"]),
    ("leads", &["person_id", "organization_id", "label_ids[]"]),
    ("persons", &["org_id"]),
    (
        "activities",
        &["type", "deal_id", "lead_id", "org_id", "project_id", "participants[].person_id", "attendees[].person_id"],
    ),
    ("notes", &["lead_id", "deal_id", "person_id", "org_id", "project_id", "task_id"]),
    ("files", &["deal_id", "person_id", "org_id", "product_id", "activity_id", "lead_id", "project_id"]),
    ("callLogs", &["activity_id", "person_id", "org_id", "deal_id", "lead_id"]),
    ("mailThreads", &["deal_id", "lead_id"]),
    ("dealProducts", &["product_id", "product_variation_id"]),
    ("dealParticipants", &["person_id"]),
    ("organizationRelationships", &["rel_owner_org_id", "rel_linked_org_id"]),
    ("projects", &["deal_ids[]", "person_ids[]", "org_ids[]", "board_id", "phase_id"]),
    ("projectPhases", &["board_id"]),
    ("tasks", &["project_id", "parent_task_id"]),
    ("stages", &["pipeline_id"]),
    ("roles", &["parent_role_id"]),
    ("roleAssignments", &["role_id"]),
    ("rolePipelines", &["pipeline_id"]),
    ("goals", &["assignee", "type.params.pipeline_id[]", "type.params.stage_id", "type.params.activity_type_id[]"]),
    ("dealFields", &["important_fields.stage_ids[]", "required_fields.stage_ids[]"]),
];

fn of(name: &str) -> &'static Object {
    find(&ObjectName::new(name)).expect("an object")
}

/// Its record in these worlds; a task is not its own parent, a role not its own child.
fn id(object: &Object, key: u64) -> RecordId {
    let key = match object.key {
        KeyIn::Field("field_code") => Key::Text(format!("{key:040}").into()),
        KeyIn::Field(_) => Key::Number(key),
        KeyIn::ParentAndAll(_) | KeyIn::ParentAndDigest => Key::Text(format!("{ID}:seven").into()),
        KeyIn::ParentAnd(_) | KeyIn::Both { .. } => Key::Pair(ID, key),
    };
    RecordId::new(ObjectName::known(object.name), key)
}

/// Whether a restore makes such records by itself or when it is asked to.
fn is_made(object: &Object) -> bool {
    let makes = matches!(object.restore, Restore::Recreate | Restore::OnRequest(_));
    let here = home(of(object.name));
    makes && object.dml.insert && here.create.is_some()
}

/// A value that holds the id at the end of the path.
fn at(path: &[&str], leaf: Value) -> Value {
    match path.split_first() {
        None => leaf,
        Some((&"[]", rest)) => json!([at(rest, leaf)]),
        Some((name, rest)) => json!({*name: at(rest, leaf)}),
    }
}

/// What a place says of the record: its number, or the word that it goes by.
fn pointed(reference: &Reference) -> (Vec<&'static Object>, Value) {
    match reference.to {
        Target::Record(objects) => (objects.iter().map(|name| of(name)).collect(), json!(ID)),
        Target::Named { object, .. } => (vec![of(object)], json!("a")),
        Target::Typed(types) => (types.iter().map(|(_, object)| of(object)).collect(), json!(ID)),
        Target::Choice { .. } | Target::Conditions => (Vec::new(), Value::Null),
    }
}

fn put(row: &mut Map<String, Value>, reference: &Reference, target: Option<&Object>) {
    let (_, leaf) = pointed(reference);
    let path: Vec<&str> = segments(reference.field).skip(1).collect();
    let value = match reference.to {
        Target::Typed(types) => {
            let named = |(_, object): &&(&str, &str)| target.is_none_or(|target| target.name == *object);
            json!({"type": types.iter().find(named).map(|(word, _)| word), "id": leaf})
        }
        _ => at(&path, leaf),
    };
    row.insert(reference.top().to_owned(), value);
}

/// A row with something in every plain field, the links without which it cannot be made, and this one.
fn row(object: &'static Object, wanted: Option<(&Reference, &Object)>) -> Value {
    let links: BTreeSet<&str> = object.references.iter().map(Reference::top).collect();
    let plain = object.writable().filter(|field| !links.contains(field) && *field != "order_nr");
    let mut row: Map<String, Value> = plain.map(|field| (field.to_owned(), json!("a"))).collect();
    row.insert("key_string".to_owned(), json!("a"));
    if object.options.is_some() {
        let own = [("field_code", format!("{:040}", ID + 1)), ("field_type", "varchar".to_owned())];
        row.extend(own.map(|(name, value)| (name.to_owned(), json!(value))));
        row.insert("is_custom_field".to_owned(), json!(true));
    }
    let needed: BTreeSet<&str> = home(object).create.map_or(&[][..], |write| write.required).iter().copied().collect();
    for reference in object.references {
        if needed.contains(reference.top())
            || rules::beside_which_another_is_made(object.name).contains(&reference.top())
        {
            put(&mut row, reference, None);
        }
    }
    if let KeyIn::Both { parent, own } = object.key {
        row.extend([(parent.to_owned(), json!(ID)), (own.to_owned(), json!(ID))]);
    }
    let one_of = rules::one_of(home(object).name);
    let has_one = |row: &Map<String, Value>| one_of.iter().any(|field| row.contains_key(*field));
    wanted.iter().for_each(|(reference, target)| put(&mut row, reference, Some(target)));
    if let Some(first) = one_of.iter().find(|_| !has_one(&row)) {
        row.insert((*first).to_owned(), json!(ID));
    }
    Value::Object(row)
}

/// One record of every object that stands by itself.
fn world() -> World {
    let rows = ALL.iter().filter(|object| !matches!(object.listing, Listing::Derived { .. }));
    let mut rows: Vec<(String, Value)> = rows.map(|object| (id(object, ID).to_string(), row(object, None))).collect();
    // A file is made with its contents.
    let contents = ALL.iter().filter_map(|object| object.contents).map(|contents| contents.object);
    let blob = json!({"blake3": "0".repeat(64), "blob": "0".repeat(64), "bytes": 1});
    rows.extend(contents.map(|name| (id(of(name), ID + 1).to_string(), blob.clone())));
    let world = World::of(&rows.iter().map(|(id, row)| (id.as_str(), row.clone())).collect::<Vec<_>>());
    let field = |code: &str, kind: &str| json!({"field_code": code, "field_type": kind, "field_name": kind});
    ["dealFields", "personFields", "organizationFields", "productFields"].into_iter().fold(world, |world, fields| {
        let world = world.with(&format!("{fields}/{PEOPLE}"), field(PEOPLE, "people"));
        world.with(&format!("{fields}/{ORGANIZATION}"), field(ORGANIZATION, "org"))
    })
}

fn planned(goal: &World, seen: &World) -> Plan {
    let policy = Policy { with_fields: true, ..Policy::default() };
    plan(goal, seen, &policy, &Lineage::default()).expect("a plan")
}

/// Whether a step of the record asks for the id, or the word, that the target gets.
fn asks(plan: &Plan, record: &RecordId, target: &RecordId) -> bool {
    let mend = |step: &Step| match &step.action {
        Action::Revive { mend, .. } => Some(mend.fields()),
        _ => None,
    };
    plan.steps.iter().filter(|step| step.record() == record).any(|step| {
        let bodies = step.body().into_iter().chain(mend(step));
        bodies.flat_map(Body::into_values).any(|fill| fill.needs().contains(&target))
    })
}

/// The places of one object that can be written and whose records can be made.
fn places(object: &'static Object) -> impl Iterator<Item = (&'static Reference, &'static Object)> {
    let writable: BTreeSet<&str> = object.writable().filter(|field| !object.computed.contains(field)).collect();
    let places = object.references.iter().filter(move |reference| writable.contains(reference.top()));
    places
        .flat_map(|reference| pointed(reference).0.into_iter().map(move |target| (reference, target)))
        .filter(|(_, target)| is_made(target))
}

#[test]
fn every_place_of_the_hazards_list_is_one_that_is_translated() {
    for (object, fields) in LISTED {
        let known: BTreeSet<&str> = places(of(object)).map(|(reference, _)| reference.field).collect();
        for field in *fields {
            assert!(known.contains(field), "{object}.{field} is not among {known:?}");
        }
    }
}

#[test]
fn a_record_made_again_beside_what_it_points_to_gets_the_new_number_in_every_place() {
    let (mut wrong, mut tried) = (Vec::new(), 0);
    for object in ALL.iter().copied().filter(|object| is_made(object)) {
        for (reference, target) in places(object) {
            let (own, gone) = (id(object, ID + 1), id(target, ID));
            let own = if matches!(object.key, KeyIn::ParentAndAll(_) | KeyIn::ParentAndDigest) {
                id(object, ID)
            } else {
                own
            };
            let goal = world().with(&own.to_string(), row(object, Some((reference, target))));
            let seen = world().without(&gone.to_string()).without(&own.to_string());
            let plan = planned(&goal, &seen);
            tried += 1;
            if !asks(&plan, &own, &gone) {
                wrong.push(format!("{}.{} → {gone}: {:?}", object.name, reference.field, plan.left_out));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {tried}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(tried > 50, "only {tried} places were tried");
}

#[test]
fn a_record_that_lost_its_link_is_linked_again_in_every_place() {
    let (mut wrong, mut tried) = (Vec::new(), 0);
    for object in ALL.iter().copied().filter(|object| object.twin.is_none() || home(object).name == object.name) {
        // A link under a parent is the row itself.
        let changes =
            |reference: &Reference| home(object).update.is_some_and(|write| write.fields.contains(&reference.top()));
        for (reference, target) in places(object).filter(|(reference, _)| changes(reference)) {
            let (own, gone) = (id(object, ID + 1), id(target, ID));
            let then = row(object, Some((reference, target)));
            let mut now = then.clone();
            now[reference.top()] = if then[reference.top()].is_array() { json!([]) } else { Value::Null };
            let goal = world().with(&own.to_string(), then);
            let seen = world().with(&own.to_string(), now).without(&gone.to_string());
            let plan = planned(&goal, &seen);
            tried += 1;
            if !asks(&plan, &own, &gone) {
                wrong.push(format!("{}.{} → {gone}: {:?}", object.name, reference.field, plan.left_out));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {tried}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(tried > 30, "only {tried} places were tried");
}

#[test]
fn custom_fields_that_point_to_people_and_organizations_follow_them() {
    for object in ["deals", "persons", "organizations", "products"].map(of) {
        for (code, target) in [(PEOPLE, "persons"), (ORGANIZATION, "organizations")] {
            let (own, gone) = (id(object, ID + 1), id(of(target), ID));
            let mut then = row(object, None);
            then["custom_fields"] = json!({code: ID});
            let mut now = then.clone();
            now["custom_fields"] = json!({code: null});
            let goal = world().with(&own.to_string(), then);
            for seen in [world().without(&own.to_string()), world().with(&own.to_string(), now)] {
                let plan = planned(&goal, &seen.without(&gone.to_string()));
                assert!(asks(&plan, &own, &gone), "{own} {code}: {:?}", plan.left_out);
            }
        }
    }
}

#[test]
fn a_call_log_whose_activity_is_nowhere_is_not_made_again_to_be_linked() {
    let log = |organization: Value| {
        json!({
            "id": "CA1", "org_id": organization, "activity_id": 77, "outcome": "busy", "to_phone_number": "+1",
            "start_time": "2026-01-11T22:13:57Z", "end_time": "2026-01-11T22:36:22Z"
        })
    };
    let goal = super::tests::company().with("callLogs/CA1", log(json!(5)));
    let seen = super::tests::company().without("organizations/5").with("callLogs/CA1", log(Value::Null));
    let mut policy = Policy::default();
    policy.scope.records.insert(RecordId::parse("organizations/5").expect("an id"));
    let plan = super::tests::planned(&goal, &seen, &policy);
    // The service refuses a call of an activity that is not there, or makes one; the old row would be deleted by then.
    assert!(!plan.steps.iter().any(|step| step.record().object.as_str() == "callLogs"), "{:?}", plan.steps);
    let mut left = plan.left_out.iter().filter(|left| left.object == "callLogs");
    assert!(left.any(|left| left.field.as_deref() == Some("org_id")), "{:?}", plan.left_out);
}
