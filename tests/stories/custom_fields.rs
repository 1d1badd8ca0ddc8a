//! Custom fields and options that were deleted, made again or renamed since, and the values in them.

use std::collections::BTreeMap;

use pdbak::archive::Manifest;
use pdbak::diff::{self, Names};
use pdbak::restore::{Plan, Policy};
use pdbak::sandbox::Options;
use serde_json::{Map, Value, json};

use super::custom_values::{Field, custom_fields};
use super::restore::{left, planned, replayed, total};
use super::restore_settings::make_filters;
use crate::support::World;

/// What records are restored with their fields.
fn with_fields() -> Policy {
    Policy { with_fields: true, ..Policy::default() }
}

fn world(answer: &str) -> World {
    World::with(Options { records: 300, assume: answer.parse().expect("answers"), ..Options::default() })
}

/// A field by what people know of it: two may have one name, and then differ in their options.
fn known_as(field: &Value) -> String {
    let labels = field["options"].as_array().into_iter().flatten().map(|option| option["label"].to_string());
    let mut labels: Vec<String> = labels.collect();
    labels.sort();
    format!("{} {} {}", field["field_name"], field["field_type"], labels.join(","))
}

/// Living custom fields of a list: code to row.
fn living(judge: &Value, list: &str) -> BTreeMap<String, Value> {
    let rows = judge[list].as_array().expect("fields").iter();
    let rows = rows.filter(|row| row["is_custom_field"] == true && row["is_deleted"] != true);
    rows.map(|row| (row["field_code"].as_str().expect("a code").to_owned(), row.clone())).collect()
}

/// Every custom value of every living row of a kind, with names for keys and labels for options.
fn named_values(judge: &Value, kind: &str, list: &str) -> BTreeMap<String, BTreeMap<String, Value>> {
    let fields = living(judge, list);
    let rows = judge[kind].as_array().expect("rows").iter().filter(|row| row["is_deleted"] != true);
    rows.map(|row| {
        let nested = row["custom_fields"].as_object().into_iter().flatten();
        let flat = row.as_object().into_iter().flatten().filter(|(name, _)| name.len() >= 40);
        let values = nested.chain(flat).filter(|(_, value)| !value.is_null()).map(|(name, value)| {
            let field = fields.get(&name[..40]).unwrap_or_else(|| panic!("{kind}: {name} is the key of no field"));
            (format!("{}{}", known_as(field), &name[40..]), labelled(field, value))
        });
        (row["id"].to_string(), values.collect())
    })
    .collect()
}

/// A value with labels for the numbers of options.
fn labelled(field: &Value, value: &Value) -> Value {
    if !field["options"].is_array() {
        return value.clone();
    }
    let label = |id: &str| {
        let options = field["options"].as_array().expect("options").iter();
        options.clone().find(|option| json!(option["id"].to_string()) == *id).map(|option| option["label"].to_string())
    };
    let ids = match value {
        Value::Array(ids) => ids.iter().map(Value::to_string).collect(),
        Value::String(text) => text.split(',').map(str::to_owned).collect(),
        one => vec![one.to_string()],
    };
    // An archived record keeps the number of an option that was deleted.
    let mut labels: Vec<String> = ids.into_iter().map(|id| label(&id).unwrap_or(id)).collect();
    labels.sort();
    json!(labels)
}

/// What every record says in its custom fields.
fn everything(world: &World) -> BTreeMap<&'static str, BTreeMap<String, BTreeMap<String, Value>>> {
    let judge = world.judge();
    let kinds = [
        ("Deals", "DealFields"),
        ("Leads", "DealFields"),
        ("Persons", "PersonFields"),
        ("Organizations", "OrganizationFields"),
        ("Products", "ProductFields"),
    ];
    kinds.into_iter().map(|(kind, list)| (kind, named_values(&judge, kind, list))).collect()
}

const LISTS: [&str; 4] = ["dealFields", "personFields", "organizationFields", "productFields"];

fn delete(world: &World, list: &str, field: &Field) {
    world.call("DELETE", &format!("/api/v2/{list}/{}", field.code), None);
}

/// The first custom field of a type.
fn of_kind(world: &World, list: &str, kind: &str) -> Field {
    custom_fields(world, list).into_iter().find(|field| field.kind == kind).expect("a field of this type")
}

/// The conditions of the living filters, each with the name of its field and of its option.
fn conditions(world: &World) -> Vec<String> {
    let judge = world.judge();
    let lists = [("deal", "DealFields"), ("person", "PersonFields"), ("organization", "OrganizationFields")];
    let mut told = Vec::new();
    for filter in judge["Filters"].as_array().expect("filters").iter().filter(|row| row["active_flag"] == true) {
        for group in filter["conditions"]["conditions"].as_array().expect("groups") {
            for condition in group["conditions"].as_array().expect("conditions") {
                let list = lists.iter().find(|(object, _)| condition["object"] == *object).map(|(_, list)| *list);
                let fields = list.and_then(|list| judge[list].as_array()).into_iter().flatten();
                let mut living = fields.filter(|field| field["is_deleted"] != true);
                let number = condition["field_id"].as_str().expect("a number");
                let field = living.find(|field| json!(field["id"].to_string()) == *number);
                let name = field.map_or_else(|| format!("nothing {number}"), known_as);
                let options = field.and_then(|field| field["options"].as_array()).into_iter().flatten();
                let value = &condition["value"];
                let label = options.clone().find(|option| json!(option["id"].to_string()) == *value);
                let value = label.map_or_else(|| value.clone(), |option| option["label"].clone());
                told.push(format!("{} {name} {} {value}", filter["name"], condition["operator"]));
            }
        }
    }
    told.sort();
    told
}

/// Changes of one object between two snapshots, as `pdbak diff` tells them.
fn told(world: &World, before: &Manifest, after: &Manifest, object: &str) -> Vec<String> {
    let archive = world.archive();
    let (before, after) =
        (archive.snapshot(&before.id).expect("a snapshot"), archive.snapshot(&after.id).expect("one"));
    let lineage = pdbak::restore::lineage(&archive, before.manifest().source.company_id).expect("the journals");
    let object = pdbak::catalogue::ObjectName::new(object);
    let comparison = diff::compare(&before, &after, &object, &lineage).expect("a comparison");
    let changes = comparison.changes.map(|change| change.expect("a change"));
    let fields = changes.flat_map(|change| {
        let id = change.id().clone();
        change.fields().into_iter().map(move |field| format!("{id} {} {} {}", field.field, field.before, field.after))
    });
    fields.filter(|told| !told.contains("update_time")).collect()
}

fn words(plan: &Plan) -> String {
    plan.left_out.iter().map(|left| format!("{left:?}\n")).collect()
}

#[test]
fn every_field_that_was_deleted_is_made_again_with_its_values_in_records_leads_and_filters() {
    for answer in ["", "unset-custom=absent", "undelete=no,references=unchecked"] {
        let world = world(answer);
        make_filters(&world);
        let (before, filters) = (everything(&world), conditions(&world));
        let goal = world.snapshot();
        for list in LISTS {
            custom_fields(&world, list).iter().for_each(|field| delete(&world, list, field));
        }
        assert_ne!(conditions(&world), filters);
        let plan = planned(&world, &goal, &with_fields());
        assert_eq!(words(&plan), "", "{answer}");
        assert!(total(&replayed(&world, &plan)).is_clean());
        assert_eq!(everything(&world), before, "{answer}");
        assert_eq!(conditions(&world), filters, "{answer}");
        assert_eq!(left(&world, &goal, &with_fields()), Vec::<String>::new());
        // The journals know the new keys, whether fields are asked for or not.
        assert_eq!(left(&world, &goal, &Policy::default()), Vec::<String>::new());
        let now = world.snapshot();
        for object in ["deals", "leads", "persons", "organizations", "products"] {
            assert_eq!(told(&world, &goal, &now, object), Vec::<String>::new(), "{object}");
        }
    }
}

#[test]
fn without_being_asked_to_a_restore_makes_no_field_and_says_which_values_do_not_come_back() {
    let world = world("");
    make_filters(&world);
    let goal = world.snapshot();
    let choice = of_kind(&world, "dealFields", "enum");
    delete(&world, "dealFields", &choice);
    let deal = super::capture::ids(&world, "Deals")[0];
    world.call("DELETE", &format!("/api/v2/deals/{deal}"), None);
    let judge = world.judge();
    let filter =
        judge["Filters"].as_array().expect("filters").iter().find(|row| row["name"] == "Mine").expect("it")["id"]
            .clone();
    world.call("DELETE", &format!("/v1/filters/{filter}"), None);
    let plan = planned(&world, &goal, &Policy::default());
    let words = words(&plan);
    assert!(words.contains(&format!("the field \\\"{}\\\" does not exist any more", choice.name)), "{words}");
    assert!(words.contains("--with-fields"), "{words}");
    assert!(words.contains(&format!("the custom field \\\"{}\\\" does not exist any more", choice.name)), "{words}");
    assert!(words.contains("it looks at the custom field"), "{words}");
    assert!(total(&replayed(&world, &plan)).is_clean());
    assert_eq!(custom_fields(&world, "dealFields").iter().filter(|field| field.name == choice.name).count(), 1);
}

#[test]
fn one_record_brings_back_the_fields_it_has_values_in_and_no_others() {
    let world = world("");
    let goal = world.snapshot();
    let judge = world.judge();
    let fields = custom_fields(&world, "dealFields");
    let has = |row: &Value, field: &Field| !row["custom_fields"][&field.code].is_null();
    let rows = judge["Deals"].as_array().expect("deals");
    let row = rows.iter().filter(|row| row["is_archived"] == false && row["is_deleted"] == false);
    let row = row.clone().find(|row| fields.iter().any(|one| has(row, one)) && !fields.iter().all(|one| has(row, one)));
    let row = row.expect("a deal with some values");
    let id = row["id"].as_u64().expect("a number");
    fields.iter().for_each(|field| delete(&world, "dealFields", field));
    let mut policy = with_fields();
    policy.scope.records.insert(pdbak::record::RecordId::parse(&format!("deals/{id}")).expect("an id"));
    let plan = planned(&world, &goal, &policy);
    assert!(total(&replayed(&world, &plan)).is_clean());
    let wanted = fields.iter().filter(|field| has(row, field)).count();
    assert_eq!(custom_fields(&world, "dealFields").len(), wanted);
    let values = |judge: &Value| named_values(judge, "Deals", "DealFields").remove(&id.to_string());
    assert_eq!(values(&world.judge()), values(&judge));
}

#[test]
fn a_field_that_somebody_made_again_is_known_by_its_name_and_type() {
    let world = world("");
    let (before, goal) = (everything(&world), world.snapshot());
    for field in custom_fields(&world, "dealFields") {
        delete(&world, "dealFields", &field);
        let labels = world.judge()["DealFields"]
            .as_array()
            .expect("fields")
            .iter()
            .find(|row| row["field_code"] == field.code)
            .and_then(|row| row["options"].as_array().cloned());
        let labels =
            labels.map(|options| options.iter().map(|option| json!({"label": option["label"]})).collect::<Vec<_>>());
        let mut body = Map::from_iter([
            ("field_name".to_owned(), json!(field.name)),
            ("field_type".to_owned(), json!(field.kind)),
        ]);
        body.extend(labels.map(|labels| ("options".to_owned(), json!(labels))));
        world.call("POST", "/api/v2/dealFields", Some(&Value::Object(body)));
    }
    let plan = planned(&world, &goal, &Policy::default());
    assert_eq!(words(&plan), "");
    assert!(total(&replayed(&world, &plan)).is_clean());
    assert_eq!(everything(&world), before);
    assert_eq!(left(&world, &goal, &Policy::default()), Vec::<String>::new());
}

#[test]
fn options_that_were_deleted_come_back_with_their_fields_or_are_told() {
    let world = world("");
    let before = everything(&world);
    let goal = world.snapshot();
    for (list, kind) in [("dealFields", "enum"), ("dealFields", "set"), ("personFields", "enum")] {
        let field = of_kind(&world, list, kind);
        let gone: Vec<Value> = field.options.iter().map(|id| json!({"id": id})).collect();
        // All but one, and that one under another name.
        world.call("DELETE", &format!("/api/v2/{list}/{}/options", field.code), Some(&json!(gone[1..])));
        let renamed = json!([{"id": field.options[0], "label": "Renamed"}]);
        world.call("PATCH", &format!("/api/v2/{list}/{}/options", field.code), Some(&renamed));
    }
    // The service keeps the numbers of deleted options in the records; people empty them.
    let judge = world.judge();
    for (kind, path, list) in [("Deals", "deals", "dealFields"), ("Persons", "persons", "personFields")] {
        for row in judge[kind].as_array().expect("rows") {
            if row["is_deleted"] == true || row["is_archived"] == true {
                continue;
            }
            for kind in ["enum", "set"] {
                let field = of_kind(&world, list, kind);
                if !row["custom_fields"][&field.code].is_null() {
                    let body = json!({"custom_fields": {field.code: null}});
                    world.call("PATCH", &format!("/api/v2/{path}/{}", row["id"]), Some(&body));
                }
            }
        }
    }
    let silent = planned(&world, &goal, &Policy::default());
    let words = words(&silent);
    assert!(words.contains("the option \\\"Nordics\\\" of \\\"Region\\\" does not exist any more"), "{words}");
    let plan = planned(&world, &goal, &with_fields());
    assert!(total(&replayed(&world, &plan)).is_clean());
    let renamed: BTreeMap<_, _> = everything(&world);
    for kind in ["Deals", "Persons"] {
        for (id, values) in &before[kind] {
            let lengths = |values: &BTreeMap<String, Value>| -> usize {
                values.values().map(|value| value.as_array().map_or(1, Vec::len)).sum()
            };
            assert_eq!(lengths(&renamed[kind][id]), lengths(values), "{kind} {id}");
        }
    }
    assert_eq!(left(&world, &goal, &with_fields()), Vec::<String>::new());
}

#[test]
fn a_renamed_field_keeps_its_values_and_each_snapshot_its_names() {
    let world = world("");
    let field = of_kind(&world, "dealFields", "varchar");
    let goal = world.snapshot();
    world.call("PATCH", &format!("/api/v2/dealFields/{}", field.code), Some(&json!({"field_name": "Vertragsnummer"})));
    let deal = super::capture::ids(&world, "Deals")[0];
    world.call(
        "PATCH",
        &format!("/api/v2/deals/{deal}"),
        Some(&json!({"custom_fields": {field.code.as_str(): "new"}})),
    );
    let after = world.snapshot();
    let object = pdbak::catalogue::ObjectName::new("deals");
    let name = |manifest: &Manifest| {
        world.read(manifest, |snapshot| {
            Names::of(snapshot).expect("names").field(&object, &format!("custom_fields.{}", field.code))
        })
    };
    assert_eq!([name(&goal), name(&after)], [field.name.clone(), "Vertragsnummer".to_owned()]);
    let plan = planned(&world, &goal, &with_fields());
    assert_eq!(plan.steps.len(), 1, "{:?}", plan.steps);
    assert!(total(&replayed(&world, &plan)).is_clean());
    assert_eq!(of_kind(&world, "dealFields", "varchar").name, "Vertragsnummer");
}
