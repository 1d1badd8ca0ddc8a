//! What lies in the archive of the account: an archived deal takes no change but to leave it, and nobody's restore stops there.

use pdbak::restore::Policy;
use serde_json::{Value, json};

use super::restore::{left, planned, replayed, total};
use crate::support::World;

/// A row of the judge.
fn row(world: &World, kind: &str, id: &Value) -> Value {
    let judge = world.judge();
    let rows = judge[kind].as_array().expect("rows");
    rows.iter().find(|row| row["id"] == *id).unwrap_or_else(|| panic!("{kind} {id}")).clone()
}

/// What of a deal comes back.
fn told(deal: &Value) -> Vec<Value> {
    let fields = ["is_archived", "archive_time", "is_deleted", "value", "close_time", "status", "person_id", "title"];
    fields.iter().map(|field| deal[*field].clone()).collect()
}

fn back(world: &World, goal: &pdbak::archive::Manifest) {
    let policy = Policy { delete_added: true, ..Policy::default() };
    let replayed = replayed(world, &planned(world, goal, &policy));
    assert_eq!(replayed.stopped, None);
    assert!(total(&replayed).is_clean(), "{:?}", replayed.report);
    assert_eq!(left(world, goal, &policy), Vec::<String>::new());
}

/// An archived deal that is closed, belongs to a person and is not deleted.
fn archived(world: &World) -> Value {
    let judge = world.judge();
    let fits = |deal: &&Value| {
        let is = |field: &str, value: bool| deal[field] == json!(value);
        is("is_archived", true)
            && is("is_deleted", false)
            && !deal["close_time"].is_null()
            && !deal["person_id"].is_null()
    };
    judge["Deals"].as_array().expect("deals").iter().find(fits).expect("an archived deal").clone()
}

#[test]
fn the_lines_of_an_archived_deal_come_back_with_its_value_and_nobody_is_told_of_a_conflict() {
    let world = World::of(600);
    let judge = world.judge();
    let lines = judge["DealProducts"].as_array().expect("lines");
    let line = lines
        .iter()
        .find(|line| row(&world, "Deals", &line["deal_id"])["is_archived"] == json!(true))
        .expect("a line of an archived deal");
    let before = row(&world, "Deals", &line["deal_id"]);
    let goal = world.snapshot();
    let path = format!("/api/v2/deals/{}/products/{}", line["deal_id"], line["id"]);
    world.call("PATCH", &path, Some(&json!({"quantity": 99})));
    assert_ne!(row(&world, "Deals", &line["deal_id"])["value"], before["value"]);

    back(&world, &goal);
    assert_eq!(told(&row(&world, "Deals", &line["deal_id"])), told(&before));
}

#[test]
fn an_archived_deal_that_was_deleted_is_in_the_archive_again() {
    let world = World::of(300);
    let before = archived(&world);
    let goal = world.snapshot();
    world.call("DELETE", &format!("/api/v2/deals/{}", before["id"]), None);

    back(&world, &goal);
    assert_eq!(told(&row(&world, "Deals", &before["id"])), told(&before));
}

#[test]
fn an_archived_deal_that_was_changed_and_deleted_comes_back_as_it_was() {
    let world = World::of(300);
    let before = archived(&world);
    let goal = world.snapshot();
    let path = format!("/api/v2/deals/{}", before["id"]);
    world.call("PATCH", &path, Some(&json!({"is_archived": false})));
    world.call("PATCH", &path, Some(&json!({"title": "IMPORT", "person_id": null})));
    world.call("PATCH", &path, Some(&json!({"is_archived": true})));
    world.call("DELETE", &path, None);

    back(&world, &goal);
    assert_eq!(told(&row(&world, "Deals", &before["id"])), told(&before));
}
