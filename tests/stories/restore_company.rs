//! What hangs together comes back together: a pipeline with its stages and deals, a pinned note, those who take part in a deal.

use pdbak::restore::Policy;
use serde_json::{Value, json};

use super::capture::ids;
use super::restore::{left, planned, replayed, total};
use super::restore_settings::{COMPARED, said};
use crate::support::World;

/// Goes back, in full.
fn back(world: &World, goal: &pdbak::archive::Manifest) {
    let policy = Policy { delete_added: true, ..Policy::default() };
    let replayed = replayed(world, &planned(world, goal, &policy));
    assert_eq!(replayed.stopped, None);
    assert!(total(&replayed).is_clean());
    assert_eq!(left(world, goal, &policy), Vec::<String>::new());
}

/// The fields of a kind that people see, row by row, with names in place of ids.
fn told(world: &World, kind: &str) -> Vec<String> {
    let judge = world.judge();
    let fields = COMPARED.iter().find(|(compared, _)| *compared == kind).expect("a kind that is compared").1;
    said(&judge, kind, fields)
}

/// The living pipelines in their order; the number of each is the service's own business.
fn pipelines(world: &World) -> Vec<(Value, Value)> {
    let judge = world.judge();
    let mut rows = judge["Pipelines"].as_array().expect("pipelines").clone();
    rows.retain(|row| row["is_deleted"] != json!(true));
    rows.sort_by_key(|row| row["order_nr"].as_u64());
    rows.iter().map(|row| (row["name"].clone(), row["is_deal_probability_enabled"].clone())).collect()
}

/// Makes a record and answers its id.
fn made(world: &World, path: &str, body: &Value) -> u64 {
    world.call("POST", path, Some(body))["data"]["id"].as_u64().expect("an id")
}

#[test]
fn a_pipeline_that_was_deleted_comes_back_with_its_stages_and_its_deals_in_them() {
    let world = World::of(200);
    let pipeline = made(&world, "/api/v2/pipelines", &json!({"name": "Renewals", "is_deal_probability_enabled": true}));
    let stages: Vec<u64> = ["Asked", "Offered", "Signed"]
        .iter()
        .map(|name| made(&world, "/api/v2/stages", &json!({"name": name, "pipeline_id": pipeline})))
        .collect();
    let deals: Vec<u64> = (0..6)
        .map(|at| {
            let stage = stages[at % stages.len()];
            made(&world, "/api/v2/deals", &json!({"title": format!("renewal {at}"), "stage_id": stage}))
        })
        .collect();
    let goal = world.snapshot();
    let kinds = ["Stages", "Deals"];
    let before = (pipelines(&world), kinds.map(|kind| told(&world, kind)));
    // Half of the deals are moved elsewhere, the others deleted; then everything they stood in goes.
    let elsewhere = world.judge()["Stages"].as_array().expect("stages").iter().find_map(|row| {
        (row["pipeline_id"] != json!(pipeline) && row["is_deleted"] != json!(true)).then(|| row["id"].clone())
    });
    for (at, deal) in deals.iter().enumerate() {
        let path = format!("/api/v2/deals/{deal}");
        match at % 2 {
            0 => world.call("PATCH", &path, Some(&json!({"stage_id": elsewhere}))),
            _ => world.call("DELETE", &path, None),
        };
    }
    for stage in &stages {
        world.call("DELETE", &format!("/api/v2/stages/{stage}"), None);
    }
    world.call("DELETE", &format!("/api/v2/pipelines/{pipeline}"), None);
    assert_ne!(kinds.map(|kind| told(&world, kind)), before.1);
    back(&world, &goal);
    assert_eq!((pipelines(&world), kinds.map(|kind| told(&world, kind))), before);
}

#[test]
fn a_pinned_note_comes_back_pinned() {
    let world = World::of(200);
    let (deal, person) = (ids(&world, "Deals")[0], ids(&world, "Persons")[0]);
    let deleted = made(&world, "/v1/notes", &json!({"content": "kept", "deal_id": deal, "pinned_to_deal_flag": 1}));
    let loosened =
        made(&world, "/v1/notes", &json!({"content": "read me", "person_id": person, "pinned_to_person_flag": 1}));
    let goal = world.snapshot();
    let before = told(&world, "Notes");
    assert_eq!(before.iter().filter(|note| note.contains("pinned_to_deal_flag=true")).count(), 1, "{before:?}");
    world.call("DELETE", &format!("/v1/notes/{deleted}"), None);
    world.call("PUT", &format!("/v1/notes/{loosened}"), Some(&json!({"pinned_to_person_flag": 0})));
    assert_ne!(told(&world, "Notes"), before);
    back(&world, &goal);
    assert_eq!(told(&world, "Notes"), before);
}

/// Who takes part in a deal, by name.
fn participants(world: &World, deal: u64) -> Vec<String> {
    let judge = world.judge();
    let persons = judge["Persons"].as_array().expect("persons");
    let rows = judge["DealParticipants"].as_array().expect("participants").iter();
    let mut names: Vec<String> = rows
        .filter(|row| row["deal_id"] == json!(deal))
        .map(|row| {
            let person = persons.iter().find(|person| person["id"] == row["person_id"]).expect("a person");
            assert_ne!(person["is_deleted"], json!(true), "{person}");
            person["name"].to_string()
        })
        .collect();
    names.sort();
    names
}

#[test]
fn who_takes_part_in_a_deal_does_so_again_and_nobody_else() {
    for answer in ["undelete=yes", "undelete=no"] {
        let assume = answer.parse().expect("an answer");
        let world = World::with(pdbak::sandbox::Options { records: 200, assume, ..Default::default() });
        let person = |name: &str| made(&world, "/api/v2/persons", &json!({"name": name}));
        let (removed, deleted, stays, stranger) =
            (person("Removed"), person("Deleted"), person("Stays"), person("Stranger"));
        let deal = made(&world, "/api/v2/deals", &json!({"title": "together"}));
        let path = format!("/v1/deals/{deal}/participants");
        for one in [removed, deleted, stays] {
            world.call("POST", &path, Some(&json!({"person_id": one})));
        }
        let goal = world.snapshot();
        assert_eq!(participants(&world, deal), ["\"Deleted\"", "\"Removed\"", "\"Stays\""]);
        world.advance_seconds(3_600);
        let rows = world.judge()["DealParticipants"].clone();
        let row = rows.as_array().expect("rows").iter().find(|row| row["person_id"] == json!(removed)).expect("a row");
        world.call("DELETE", &format!("{path}/{}", row["id"]), None);
        // Two, for a deal whose number of participants stays as it was shows nothing to an increment.
        for one in [stranger, person("Another")] {
            world.call("POST", &path, Some(&json!({"person_id": one})));
        }
        world.call("DELETE", &format!("/api/v2/persons/{deleted}"), None);
        back(&world, &goal);
        assert_eq!(participants(&world, deal), ["\"Deleted\"", "\"Removed\"", "\"Stays\""], "{answer}");
    }
}
