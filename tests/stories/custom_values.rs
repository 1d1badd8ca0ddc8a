//! Values of custom fields of every type and in both shapes: set, changed and cleared since, and back again.

use std::collections::BTreeMap;

use pdbak::archive::Manifest;
use pdbak::restore::Policy;
use pdbak::sandbox::Options;
use serde_json::{Map, Value, json};

use super::capture::ids;
use super::restore::{left, planned, replayed, total};
use crate::support::World;

/// A custom field as the account shows it.
pub(super) struct Field {
    pub(super) code: String,
    pub(super) name: String,
    pub(super) kind: String,
    /// Its options' numbers.
    pub(super) options: Vec<u64>,
}

/// The custom fields that a list of v2 shows.
pub(super) fn custom_fields(world: &World, list: &str) -> Vec<Field> {
    let mut fields = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = world.call("GET", &format!("/api/v2/{list}?limit=100{cursor}"), None);
        let text = |field: &Value, name: &str| field[name].as_str().expect("a text").to_owned();
        for field in page["data"].as_array().expect("fields").iter().filter(|field| field["is_custom_field"] == true) {
            let options = field["options"].as_array().into_iter().flatten();
            fields.push(Field {
                code: text(field, "field_code"),
                name: text(field, "field_name"),
                kind: text(field, "field_type"),
                options: options.filter_map(|option| option["id"].as_u64()).collect(),
            });
        }
        match page["additional_data"]["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return fields,
        }
    }
}

/// Whom values of the types user, org and people may name.
struct People {
    users: Vec<u64>,
    organizations: Vec<u64>,
    persons: Vec<u64>,
}

impl People {
    fn of(world: &World) -> People {
        let living = |kind: &str| ids(world, kind);
        People { users: living("Users"), organizations: living("Organizations"), persons: living("Persons") }
    }
}

/// Two different values of a type, as v2 takes them.
fn two_values(field: &Field, people: &People) -> [Value; 2] {
    let address = |city: &str| {
        json!({"value": format!("12 Kirchgasse, {city}"), "street_number": "12", "route": "Kirchgasse", "subpremise": null,
               "sublocality": "Altstadt", "locality": city, "admin_area_level_1": null, "admin_area_level_2": "Kreis 1",
               "country": "Schweiz", "postal_code": "8001"})
    };
    match field.kind.as_str() {
        "varchar" => [json!("§".repeat(255)), json!("\u{1F469}\u{200D}\u{1F680} \"quoted\" \\ 日本語")],
        "varchar_auto" => [json!("Messe Köln"), json!("0012")],
        "text" => [json!(format!("{}\r\n\tend", "ß\n".repeat(30_000))), json!("<b>not bold</b> & so on")],
        "double" => [json!(1e20), json!(1_234_567_890.12)],
        "monetary" => [json!({"value": 0.1, "currency": "USD"}), json!({"value": 0.1, "currency": "EUR"})],
        "enum" => [json!(field.options[0]), json!(field.options[1])],
        "set" => [json!([field.options[2], field.options[0]]), json!([field.options[1]])],
        "user" => [json!(people.users[0]), json!(people.users[1])],
        "org" => [json!(people.organizations[0]), json!(people.organizations[1])],
        "people" => [json!(people.persons[0]), json!(people.persons[1])],
        "phone" => [json!("+372 5555 0100 ext. 7"), json!("000")],
        "date" => [json!("2024-02-29"), json!("1899-12-31")],
        "daterange" => [
            json!({"value": "2024-02-29", "until": "2024-03-01"}),
            json!({"value": "2024-02-29", "until": "2025-01-01"}),
        ],
        "time" => [
            json!({"value": "23:59:59", "timezone_name": "Pacific/Kiritimati"}),
            json!({"value": "23:59:59", "timezone_name": "Asia/Kathmandu"}),
        ],
        "timerange" => [
            json!({"value": "09:00:00", "until": "17:30:00", "timezone_name": "America/St_Johns"}),
            json!({"value": "09:00:00", "until": "18:00:00", "timezone_name": "America/St_Johns"}),
        ],
        "address" => [address("Zürich"), address("Genève")],
        other => panic!("{other} is no type that can be made"),
    }
}

/// The same value in the keys of a flat row.
fn flat(code: &str, value: &Value) -> Map<String, Value> {
    let mut row = Map::new();
    match value {
        Value::Object(parts) => {
            for (name, part) in parts {
                // v1 knows zones by number only.
                let (part, name) = match (part.as_str(), name.as_str()) {
                    (Some(zone), "timezone_name") => (json!(1_000 + zone.len()), "timezone_id"),
                    _ => (part.clone(), name.as_str()),
                };
                let key = if name == "value" { code.to_owned() } else { format!("{code}_{name}") };
                row.insert(key, part);
            }
        }
        plain => drop(row.insert(code.to_owned(), plain.clone())),
    }
    row
}

/// The custom values of a row, in either shape and without those that are not set.
pub(super) fn values(judge: &Value, kind: &str, id: &Value) -> BTreeMap<String, Value> {
    let rows = judge[kind].as_array().expect("rows");
    let row = rows.iter().find(|row| row["id"] == *id).and_then(Value::as_object).expect("the row");
    let nested = row.get("custom_fields").and_then(Value::as_object).into_iter().flatten();
    let own = row.iter().filter(|(name, _)| name.len() >= 40).chain(nested);
    own.filter(|(_, value)| !value.is_null()).map(|(name, value)| (name.clone(), sorted(value))).collect()
}

/// The options of a set have no order.
fn sorted(value: &Value) -> Value {
    let Value::Array(ids) = value else { return value.clone() };
    let mut ids = ids.clone();
    ids.sort_by_key(Value::to_string);
    Value::Array(ids)
}

/// What became of a value between the snapshot and the restore.
const FATES: [&str; 4] = ["set", "changed", "cleared", "deleted"];

/// Whether a value was there in the snapshot, and which of the two it is afterwards.
fn before_and_after(fate: &str, [one, other]: &[Value; 2]) -> [Value; 2] {
    match fate {
        "set" => [Value::Null, one.clone()],
        "changed" => [one.clone(), other.clone()],
        "deleted" => [one.clone(), one.clone()],
        _ => [one.clone(), Value::Null],
    }
}

/// The custom values of the living row that people know by this name.
fn values_of(judge: &Value, kind: &str, name: &str) -> BTreeMap<String, Value> {
    let rows = judge[kind].as_array().expect("rows").iter();
    let mut living = rows.filter(|row| row["is_deleted"] != json!(true));
    let row = living.find(|row| row["title"] == name || row["name"] == name).expect("a living row of this name");
    values(judge, kind, &row["id"])
}

/// Open questions that touch custom values, and both answers to each.
const ANSWERS: [&str; 6] =
    ["", "unset-custom=absent", "references=unchecked", "null-clears=no", "odd=no", "undelete=no,lead-zone=no"];

/// A world in which every story of this page can happen.
fn world(answer: &str) -> World {
    World::with(Options { records: 300, assume: answer.parse().expect("answers"), ..Options::default() })
}

/// Goes back and makes sure that there is nothing left to do.
fn back(world: &World, goal: &Manifest, answer: &str) {
    let plan = planned(world, goal, &Policy::default());
    assert!(!plan.is_empty());
    assert!(total(&replayed(world, &plan)).is_clean());
    let mut left = left(world, goal, &Policy::default());
    // A service that stamps its user's zone on every write stamps it on every restore.
    left.retain(|step| !(answer.contains("lead-zone=no") && step.contains("_timezone_id")));
    assert_eq!(left, Vec::<String>::new());
}

#[test]
fn values_of_every_type_that_were_set_changed_or_cleared_come_back_in_the_nested_shape() {
    for answer in ANSWERS {
        let world = world(answer);
        let people = People::of(&world);
        for (list, kind, path) in [("dealFields", "Deals", "deals"), ("personFields", "Persons", "persons")] {
            let fields = custom_fields(&world, list);
            let pairs: Vec<_> = fields.iter().map(|field| (&field.code, two_values(field, &people))).collect();
            let records = &ids(&world, kind)[2..2 + FATES.len()];
            let write = |at: usize| {
                for (fate, id) in FATES.iter().zip(records) {
                    let values =
                        pairs.iter().map(|(code, pair)| ((*code).clone(), before_and_after(fate, pair)[at].clone()));
                    let name = if kind == "Deals" { "title" } else { "name" };
                    let body = json!({"custom_fields": Value::Object(values.collect()), name: fate});
                    world.call("PATCH", &format!("/api/v2/{path}/{id}"), Some(&body));
                }
            };
            write(0);
            let (goal, truth) = (world.snapshot(), world.judge());
            write(1);
            world.call("DELETE", &format!("/api/v2/{path}/{}", records[3]), None);
            back(&world, &goal, answer);
            let now = world.judge();
            for fate in FATES {
                assert_eq!(values_of(&now, kind, fate), values_of(&truth, kind, fate), "{kind} {fate} {answer}");
            }
            assert_eq!(values(&truth, kind, &json!(records[1])).len(), fields.len(), "{kind}: a type is missing");
        }
    }
}

#[test]
fn values_of_every_type_that_were_set_changed_or_cleared_come_back_in_the_flat_shape() {
    for answer in ANSWERS {
        let world = world(answer);
        let people = People::of(&world);
        let fields = custom_fields(&world, "dealFields");
        let pairs: Vec<_> = fields.iter().map(|field| (&field.code, two_values(field, &people))).collect();
        let judge = world.judge();
        let rows = judge["Leads"].as_array().expect("leads").iter().filter(|lead| lead["is_archived"] == false);
        let leads: Vec<Value> = rows.map(|lead| lead["id"].clone()).take(FATES.len()).collect();
        assert_eq!(leads.len(), FATES.len());
        let path = |id: &Value| format!("/v1/leads/{}", id.as_str().expect("a word"));
        let write = |at: usize| {
            for (fate, id) in FATES.iter().zip(&leads) {
                let parts = pairs.iter().flat_map(|(code, pair)| flat(code, &before_and_after(fate, pair)[at]));
                let mut body: Map<String, Value> = parts.collect();
                body.insert("title".to_owned(), json!(fate));
                world.call("PATCH", &path(id), Some(&Value::Object(body)));
            }
        };
        write(0);
        let (goal, truth) = (world.snapshot(), world.judge());
        write(1);
        world.call("DELETE", &path(&leads[3]), None);
        back(&world, &goal, answer);
        let now = world.judge();
        for fate in FATES {
            assert_eq!(values_of(&now, "Leads", fate), values_of(&truth, "Leads", fate), "{fate} {answer}");
        }
        assert!(values(&truth, "Leads", &leads[1]).len() > fields.len(), "parts are keys of their own");
    }
}
