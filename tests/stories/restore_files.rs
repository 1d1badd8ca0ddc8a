//! Deleted files come back with their contents, their parents, their name and their description.

use pdbak::restore::Policy;
use serde_json::{Value, json};

use super::capture::ids;
use super::restore::{left, planned, replayed, total};
use crate::support::World;

/// The living files that carry this name.
fn named(world: &World, name: &str) -> Vec<Value> {
    let judge = world.judge();
    let files = judge["Files"].as_array().expect("files").iter();
    files.filter(|row| row["active_flag"] == json!(true) && row["name"] == json!(name)).cloned().collect()
}

#[test]
fn a_deleted_file_comes_back_with_its_contents_its_parents_and_its_description() {
    let world = World::of(1_000);
    let files: Vec<u64> = ids(&world, "Files").into_iter().step_by(3).take(5).collect();
    assert!(files.len() >= 3);
    for file in &files {
        let body = json!({"name": format!("kept {file}.bin"), "description": format!("about {file}")});
        world.call("PUT", &format!("/v1/files/{file}"), Some(&body));
    }
    let goal = world.snapshot();
    let before: Vec<(Value, Vec<u8>)> = files
        .iter()
        .map(|file| (named(&world, &format!("kept {file}.bin"))[0].clone(), world.download(*file)))
        .collect();
    for file in &files {
        world.call("DELETE", &format!("/v1/files/{file}"), None);
    }
    let plan = planned(&world, &goal, &Policy::default());
    assert_eq!(plan.left_out(), []);
    let replayed = replayed(&world, &plan);
    assert!(total(&replayed).is_clean());
    for (file, contents) in before {
        let now = named(&world, file["name"].as_str().expect("a name"));
        assert_eq!(now.len(), 1, "{}", file["name"]);
        assert_eq!(world.download(now[0]["id"].as_u64().expect("an id")), contents, "{}", file["name"]);
        for field in ["description", "file_size", "content_blake3", "deal_id", "person_id", "org_id", "lead_id"] {
            assert_eq!(now[0][field], file[field], "{} {field}", file["name"]);
        }
    }
    assert_eq!(left(&world, &goal, &Policy::default()), Vec::<String>::new());
}

#[test]
fn a_file_of_a_record_that_comes_back_comes_back_with_it_under_its_new_id() {
    let world = World::of(400);
    let deal = ids(&world, "Deals")[0];
    world.call("POST", "/v1/notes", Some(&json!({"content": "with it", "deal_id": deal})));
    let goal = world.snapshot();
    let judge = world.judge();
    let files = judge["Files"].as_array().expect("files").iter();
    let file = files.filter(|row| row["active_flag"] == json!(true)).find(|row| row["org_id"].is_u64());
    let file = file.expect("a file of an organization").clone();
    world.call("DELETE", &format!("/v1/files/{}", file["id"]), None);
    world.call("DELETE", &format!("/api/v2/organizations/{}", file["org_id"]), None);
    let replayed = replayed(&world, &planned(&world, &goal, &Policy::default()));
    assert!(total(&replayed).is_clean());
    let now = &named(&world, file["name"].as_str().expect("a name"))[0];
    assert_eq!(now["content_blake3"], file["content_blake3"]);
    let name = |world: &World, id: &Value| {
        let judge = world.judge();
        let rows = judge["Organizations"].as_array().expect("organizations").iter();
        rows.clone().find(|row| row["id"] == *id).expect("it is there")["name"].clone()
    };
    assert_eq!(name(&world, &now["org_id"]), name(&world, &file["org_id"]));
}

#[test]
fn a_file_that_stayed_while_its_organization_was_made_again_hangs_there_again() {
    let assume = "undelete=no".parse().expect("answers");
    let world = World::with(pdbak::sandbox::Options { records: 400, assume, ..Default::default() });
    let judge = world.judge();
    let mut files = judge["Files"].as_array().expect("files").iter();
    let here = |row: &&Value| {
        row["active_flag"] == json!(true)
            && row["org_id"].is_u64()
            && row["mail_message_id"] == json!("")
            && row["remote_location"] != json!("googledocs")
    };
    let file = files.find(here).expect("a file of an organization").clone();
    let (id, organization) = (file["id"].as_u64().expect("an id"), file["org_id"].clone());
    let body = json!({"name": "offer.bin", "description": "as agreed"});
    world.call("PUT", &format!("/v1/files/{id}"), Some(&body));
    for edited in [false, true] {
        let goal = world.snapshot();
        let file = named(&world, "offer.bin")[0].clone();
        let contents = world.download(file["id"].as_u64().expect("an id"));
        world.call("DELETE", &format!("/api/v2/organizations/{}", file["org_id"]), None);
        if edited {
            world.call("PUT", &format!("/v1/files/{}", file["id"]), Some(&json!({"description": "oops"})));
        }
        let replayed = replayed(&world, &planned(&world, &goal, &Policy::default()));
        assert!(total(&replayed).is_clean());
        let now = named(&world, "offer.bin");
        assert_eq!(now.len(), 1, "{now:?}");
        assert_eq!(world.download(now[0]["id"].as_u64().expect("an id")), contents);
        assert_eq!(now[0]["description"], body["description"]);
        assert_ne!((&now[0]["org_id"], &now[0]["id"]), (&organization, &file["id"]));
        let judge = world.judge();
        let mut organizations = judge["Organizations"].as_array().expect("organizations").iter();
        let host = organizations.find(|row| row["id"] == now[0]["org_id"]).expect("it is there");
        assert_ne!(host["is_deleted"], json!(true));
        assert_eq!(left(&world, &goal, &Policy::default()), Vec::<String>::new());
    }
}
