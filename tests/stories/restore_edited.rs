//! What was only edited in the set-up comes back: names, options of fields of every list, and a role that somebody got since.

use std::collections::{BTreeMap, BTreeSet};

use pdbak::restore::Policy;
use serde_json::{Value, json};

use super::custom_values::{Field, custom_fields};
use super::restore::{left, planned, replayed, total};
use crate::support::World;

/// The living rows of a kind.
fn rows<'j>(judge: &'j Value, kind: &str) -> impl Iterator<Item = &'j Value> {
    judge[kind].as_array().expect("rows").iter().filter(|row| row["is_deleted"] != true)
}

fn names(judge: &Value, kind: &str) -> BTreeMap<String, String> {
    rows(judge, kind).map(|row| (row["id"].to_string(), row["name"].to_string())).collect()
}

#[test]
fn what_was_renamed_in_the_set_up_gets_its_name_back() {
    let world = World::of(200);
    let goal = world.snapshot();
    let before = world.judge();
    let renamed = [
        ("Pipelines", "PATCH", "/api/v2/pipelines"),
        ("Stages", "PATCH", "/api/v2/stages"),
        ("LeadLabels", "PATCH", "/v1/leadLabels"),
    ];
    for (kind, method, path) in renamed {
        let id = &rows(&before, kind).next().expect("one")["id"];
        let id = id.as_str().map_or_else(|| id.to_string(), str::to_owned);
        world.call(method, &format!("{path}/{id}"), Some(&json!({"name": "Renamed"})));
        assert_ne!(names(&world.judge(), kind), names(&before, kind));
    }
    let plan = planned(&world, &goal, &Policy::default());
    assert_eq!(plan.steps.len(), 3, "{:?}", plan.steps);
    assert!(total(&replayed(&world, &plan)).is_clean());
    for (kind, ..) in renamed {
        assert_eq!(names(&world.judge(), kind), names(&before, kind));
    }
    assert_eq!(left(&world, &goal, &Policy::default()), Vec::<String>::new());
}

/// The labels that the living rows of a kind have in a field.
fn labels(world: &World, (kind, judged): (&str, &str), field: &str) -> BTreeMap<String, Vec<String>> {
    let judge = world.judge();
    let fields = rows(&judge, judged).filter(|row| row["field_name"] == field);
    let fields: Vec<&Value> = fields.filter(|row| row["is_custom_field"] == true).collect();
    let label = |field: &Value, id: &Value| {
        let options = field["options"].as_array().expect("options").iter();
        options
            .clone()
            .find(|option| option["id"] == *id)
            .map_or_else(|| id.to_string(), |found| found["label"].to_string())
    };
    let of = |row: &Value| {
        let one = |field: &&Value| {
            let value = &row["custom_fields"][field["field_code"].as_str()?];
            let ids = value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]);
            Some(ids.iter().filter(|id| !id.is_null()).map(|id| label(field, id)).collect::<BTreeSet<_>>())
        };
        (row["id"].to_string(), fields.iter().filter_map(one).flatten().collect())
    };
    rows(&judge, kind).filter(|row| row["archive_time"].is_null()).map(of).collect()
}

/// A filter that looks at a choice of a person, of an organization or of a product; filters know fields by numbers of v1.
fn make_filter(world: &World, object: &str, field: &Field) {
    let fields = world.call("GET", &format!("/v1/{object}Fields?limit=500"), None);
    let mut fields = fields["data"].as_array().expect("fields").iter();
    let number = fields.find(|row| row["key"] == field.code).expect("the field")["id"].clone();
    let value = field.options[0].to_string();
    let condition = json!({"object": object, "field_id": number, "operator": "=", "value": value});
    let conditions = json!({"glue": "and", "conditions": [
        {"glue": "and", "conditions": [condition]}, {"glue": "or", "conditions": []}]});
    let body = json!({"name": format!("By {object}"), "type": "deals", "conditions": conditions});
    world.call("POST", "/v1/filters", Some(&body));
}

/// What each filter that was made looks at: the code of its field, by the filter's name.
fn looked_at(world: &World) -> BTreeMap<String, Value> {
    let judge = world.judge();
    let made =
        rows(&judge, "Filters").filter(|filter| filter["name"].as_str().is_some_and(|name| name.starts_with("By ")));
    let code = |filter: &Value| {
        let condition = &filter["conditions"]["conditions"][0]["conditions"][0];
        let list = match condition["object"].as_str() {
            Some("person") => "PersonFields",
            Some("organization") => "OrganizationFields",
            _ => "ProductFields",
        };
        let number: u64 = condition["field_id"].as_str().and_then(|text| text.parse().ok()).expect("a number");
        let mut fields = rows(&judge, list);
        fields.find(|field| field["id"] == number).map_or(Value::Null, |field| field["field_name"].clone())
    };
    made.map(|filter| (filter["name"].to_string(), code(filter))).collect()
}

#[test]
fn options_and_fields_of_every_list_come_back_with_their_values() {
    let world = World::of(600);
    let lists = [
        ("Organizations", "OrganizationFields", "organizations"),
        ("Persons", "PersonFields", "persons"),
        ("Products", "ProductFields", "products"),
        ("Projects", "ProjectFields", "projects"),
    ];
    let choices: Vec<Field> = lists
        .iter()
        .map(|(_, judged, _)| {
            let list = format!("{}{}", judged[..1].to_lowercase(), &judged[1..]);
            custom_fields(&world, &list).into_iter().find(|field| field.kind == "enum").expect("a field with options")
        })
        .collect();
    let told = || -> Vec<_> {
        let each = lists.iter().zip(&choices);
        each.map(|((kind, judged, _), field)| labels(&world, (kind, judged), &field.name)).collect()
    };
    for (object, field) in ["organization", "person", "product"].iter().zip(&choices) {
        make_filter(&world, object, field);
    }
    let (before, filters, goal) = (told(), looked_at(&world), world.snapshot());
    assert_eq!(filters.len(), 3);
    assert!(before.iter().all(|rows| rows.values().any(|labels| !labels.is_empty())), "{before:?}");
    for ((kind, judged, path), field) in lists.iter().zip(&choices) {
        let list = format!("{}{}", judged[..1].to_lowercase(), &judged[1..]);
        let gone: Vec<Value> = field.options.iter().skip(1).map(|id| json!({"id": id})).collect();
        world.call("DELETE", &format!("/api/v2/{list}/{}/options", field.code), Some(&json!(gone)));
        let judge = world.judge();
        for row in rows(&judge, kind).filter(|row| !row["custom_fields"][&field.code].is_null()) {
            let body = json!({"custom_fields": {field.code.as_str(): null}});
            // An archived project may take no change.
            let (status, answer) = world.attempt("PATCH", &format!("/api/v2/{path}/{}", row["id"]), Some(&body));
            assert!(status < 300 || row["archive_time"].is_string(), "{kind} {}: {answer}", row["id"]);
        }
    }
    assert_ne!(told(), before);
    let policy = Policy { with_fields: true, ..Policy::default() };
    let plan = planned(&world, &goal, &policy);
    assert!(total(&replayed(&world, &plan)).is_clean());
    assert_eq!(told(), before);

    // The same fields, this time gone as a whole.
    for ((_, judged, _), field) in lists.iter().zip(&choices) {
        let list = format!("{}{}", judged[..1].to_lowercase(), &judged[1..]);
        world.call("DELETE", &format!("/api/v2/{list}/{}", field.code), None);
    }
    let plan = planned(&world, &goal, &policy);
    assert!(total(&replayed(&world, &plan)).is_clean());
    assert_eq!(told(), before);
    assert_eq!(looked_at(&world), filters);
    assert_eq!(left(&world, &goal, &policy), Vec::<String>::new());
}

#[test]
fn a_role_that_a_new_colleague_got_since_is_taken_away_again() {
    let world = World::of(150);
    let goal = world.snapshot();
    let judge = world.judge();
    let role = rows(&judge, "Roles").find(|role| role["name"] == "Sales").expect("a role")["id"].clone();
    let user = world.call("POST", "/v1/users", Some(&json!({"email": "new@example.com"})))["data"]["id"].clone();
    world.call("POST", &format!("/v1/roles/{role}/assignments"), Some(&json!({"user_id": user})));
    let of_user = || {
        let judge = world.judge();
        let found = judge["Users"].as_array().expect("users").iter().find(|row| row["id"] == user);
        found.expect("the user")["role_id"].clone()
    };
    assert_eq!(of_user(), role);
    let policy = Policy { delete_added: true, ..Policy::default() };
    let plan = planned(&world, &goal, &policy);
    assert!(total(&replayed(&world, &plan)).is_clean());
    assert_eq!(of_user(), json!(1));
}
