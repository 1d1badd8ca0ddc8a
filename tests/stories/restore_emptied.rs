//! What was empty is empty again: a record that comes back may hold what somebody put in before it was deleted.

use serde_json::{Value, json};

use pdbak::restore::Policy;

use super::capture::ids;
use super::restore::{left, planned, replayed, total};
use crate::support::World;

fn made(world: &World, path: &str, body: &Value) -> u64 {
    world.call("POST", path, Some(body))["data"]["id"].as_u64().expect("an id")
}

/// A field of the living row that is called so.
fn field(world: &World, (kind, called, word): (&str, &str, &str), name: &str) -> Value {
    let judge = world.judge();
    let rows = judge[kind].as_array().expect("rows");
    let living = |one: &&Value| one[called] == json!(word) && one["is_deleted"] != json!(true);
    rows.iter().find(living).expect("a row")[name].clone()
}

fn is_empty(value: &Value) -> bool {
    value.is_null() || *value == json!("") || *value == json!([])
}

#[test]
fn what_somebody_filled_in_before_a_deletion_is_empty_again() {
    let world = World::of(200);
    let product = ids(&world, "Products")[0];
    let code = world.call(
        "POST",
        "/api/v2/dealFields",
        Some(&json!({"field_name": "Shoe size", "field_type": "varchar"})),
    )["data"]["field_code"]
        .as_str()
        .expect("a code")
        .to_owned();
    let person = made(&world, "/api/v2/persons", &json!({"name": "Ada Lovelace"}));
    let deal = made(&world, "/api/v2/deals", &json!({"title": "engine", "person_id": person}));
    let line = json!({"product_id": product, "item_price": 5, "quantity": 1});
    let line = made(&world, &format!("/api/v2/deals/{deal}/products"), &line);
    let note = made(&world, "/api/v2/activities", &json!({"subject": "look", "type": "call", "deal_id": deal}));
    let goal = world.snapshot();

    let change = json!({"phones": [{"value": "+1"}]});
    world.call("PATCH", &format!("/api/v2/persons/{person}"), Some(&change));
    let labels = world.judge()["DealFields"].clone();
    let label = labels.as_array().expect("fields").iter().find(|one| one["field_code"] == "label_ids").expect("labels");
    let change = json!({"label_ids": [label["options"][0]["id"]], "expected_close_date": "2030-01-01", "custom_fields": {code.as_str(): "44"}});
    world.call("PATCH", &format!("/api/v2/deals/{deal}"), Some(&change));
    world.call("PATCH", &format!("/api/v2/deals/{deal}/products/{line}"), Some(&json!({"comments": "spam"})));
    world.call("PATCH", &format!("/api/v2/activities/{note}"), Some(&json!({"note": "spam", "due_time": "10:00"})));
    for path in ["activities", "deals", "persons"].iter().zip([note, deal, person]) {
        world.call("DELETE", &format!("/api/v2/{}/{}", path.0, path.1), None);
    }

    let policy = Policy { delete_added: true, ..Policy::default() };
    let replayed = replayed(&world, &planned(&world, &goal, &policy));
    assert!(total(&replayed).is_clean(), "{:?}", replayed.report);
    assert_eq!(left(&world, &goal, &policy), Vec::<String>::new());
    let (ada, engine) = (("Persons", "name", "Ada Lovelace"), ("Deals", "title", "engine"));
    let look = ("Activities", "subject", "look");
    let emptied = [
        field(&world, ada, "phones"),
        field(&world, engine, "custom_fields")[code.as_str()].clone(),
        field(&world, engine, "label_ids"),
        field(&world, engine, "expected_close_date"),
        field(&world, look, "note"),
        field(&world, look, "due_time"),
    ];
    assert!(emptied.iter().all(is_empty), "{emptied:?}");
    let judge = world.judge();
    let lines = judge["DealProducts"].as_array().expect("lines");
    let own: Vec<&Value> = lines.iter().filter(|line| line["deal_id"] == json!(deal)).collect();
    assert!(own.len() == 1 && is_empty(&own[0]["comments"]), "{own:?}");
}
