//! Answers as the published description has them: what tests/contract found to be otherwise, each with its rule.

use serde_json::{Value, json};

use super::Desk;

#[test]
fn nothing_inside_an_object_of_v2_is_null() {
    let desk = Desk::new();
    let address = json!({"value": "Tartu mnt 1", "locality": "Tallinn", "subpremise": null});
    desk.refused(400, "POST", "/api/v2/organizations", json!({"name": "Acme", "address": address}));
    let attendees = json!([{"email": "a@b.example", "user_id": null}]);
    desk.refused(400, "POST", "/api/v2/activities", json!({"subject": "x", "type": "call", "attendees": attendees}));
}

#[test]
fn projects_and_tasks_are_made_with_201() {
    let desk = Desk::of_company(100);
    let board = desk.get("/api/v2/boards")[0]["id"].clone();
    let phase = desk.get(&format!("/api/v2/phases?board_id={board}"))[0]["id"].clone();
    let (status, project) =
        desk.ask("POST", "/api/v2/projects", json!({"title": "Move", "board_id": board, "phase_id": phase}));
    assert_eq!(status, 201, "{project}");
    let task = json!({"title": "Pack", "project_id": project["data"]["id"]});
    assert_eq!(desk.ask("POST", "/api/v2/tasks", task).0, 201);
}

#[test]
fn a_participant_s_person_is_one_of_v1() {
    let desk = Desk::new();
    let organization = desk.ok("POST", "/api/v2/organizations", json!({"name": "Acme"}))["id"].clone();
    let person = desk.person("Ada");
    desk.ok("PATCH", &format!("/api/v2/persons/{person}"), json!({"org_id": organization}));
    let deal = desk.deal(json!({"title": "a", "person_id": person}));
    let shown = desk.get(&format!("/v1/deals/{deal}/participants"))[0]["person"].clone();
    assert_eq!((&shown["org_id"]["value"], &shown["org_id"]["name"]), (&organization, &json!("Acme")));
    assert!(shown["owner_id"]["email"].is_string() && shown["visible_to"].is_string(), "{shown}");
    assert!(shown["email"].is_array() && shown.get("emails").is_none() && shown.get("custom_fields").is_none());
}

#[test]
fn who_changed_something_last_is_known_from_the_beginning() {
    let desk = Desk::of_company(100);
    let me = desk.get("/v1/users/me")["id"].clone();
    let note = desk.get("/v1/notes")[0]["id"].clone();
    assert_eq!(desk.ok("POST", &format!("/v1/notes/{note}/comments"), json!({"content": "yes"}))["updater_id"], me);
    let deal = desk.deal(json!({"title": "a"}));
    let discount = json!({"description": "early", "amount": 5, "type": "amount"});
    let made = desk.ok("POST", &format!("/api/v2/deals/{deal}/discounts"), discount);
    assert_eq!((&made["updated_by"], &made["updated_at"]), (&me, &made["created_at"]));
}

#[test]
fn fields_show_the_settings_that_their_list_describes() {
    let desk = Desk::of_company(100);
    let first = |path: &str| desk.get(path)[0].clone();
    let has = |field: &Value, names: &[&str]| names.iter().all(|name| field.get(*name).is_some());
    assert!(has(&first("/api/v2/projectFields"), &["ui_visibility", "important_fields", "required_fields"]));
    assert!(!has(&first("/api/v2/activityFields"), &["ui_visibility"]));
    assert!(has(&first("/api/v2/activityFields?include_fields=ui_visibility"), &["ui_visibility", "description"]));
    assert!(first("/api/v2/organizationFields").get("description").is_none());
}
