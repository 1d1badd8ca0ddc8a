//! What people set up comes back: filters, webhooks, labels, types, pipelines, stages, and what points to them.

use std::collections::BTreeMap;

use pdbak::restore::Policy;
use serde_json::{Map, Value, json};

use super::restore::{left, planned, replayed, total};
use crate::support::World;

/// The living rows of a kind by the field that people know them by.
fn rows(judge: &Value, kind: &str, by: &str) -> BTreeMap<String, Map<String, Value>> {
    let rows = judge[kind].as_array().expect("rows").iter().filter_map(Value::as_object);
    let living =
        rows.filter(|row| row.get("is_deleted") != Some(&json!(true)) && row.get("active_flag") != Some(&json!(false)));
    living.map(|row| (row[by].to_string(), row.clone())).collect()
}

/// Every fifth of a kind, at least one.
fn fifth(judge: &Value, kind: &str) -> Vec<Value> {
    rows(judge, kind, "id").into_values().step_by(5).map(|row| row["id"].clone()).collect()
}

/// The path of a row.
fn at(path: &str, id: &Value) -> String {
    format!("{path}/{}", id.as_str().map_or_else(|| id.to_string(), str::to_owned))
}

/// Filters that look at an option, at a user, at a stage and at a person, in two groups.
pub(super) fn make_filters(world: &World) {
    let fields = world.call("GET", "/v1/dealFields?limit=500", None);
    let number = |key: &str| {
        let fields = fields["data"].as_array().expect("fields").iter();
        fields.clone().find(|field| field["key"] == json!(key)).map(|field| field["id"].clone()).expect("a field")
    };
    let choice =
        fields["data"].as_array().expect("fields").iter().find(|field| {
            field["field_type"] == json!("enum") && field["key"].as_str().is_some_and(|key| key.len() == 40)
        });
    let judge = world.judge();
    let first = |kind: &str| rows(&judge, kind, "id").into_values().next().expect("a row")["id"].to_string();
    let test =
        |field: Value, value: Value| json!({"object": "deal", "field_id": field, "operator": "=", "value": value});
    let mut any = vec![test(number("stage_id"), json!(first("Stages")))];
    if let Some(choice) = choice {
        any.push(test(choice["id"].clone(), json!(choice["options"][0]["id"].to_string())));
    }
    let all = [test(number("owner_id"), json!(first("Users"))), test(number("person_id"), json!(first("Persons")))];
    let conditions = json!({"glue": "and", "conditions": [
        {"glue": "and", "conditions": all}, {"glue": "or", "conditions": any}]});
    for name in ["Mine", "Ours", "Yours"] {
        let body = json!({"name": name, "type": "deals", "conditions": conditions});
        world.call("POST", "/v1/filters", Some(&body));
    }
}

/// Deletes a fifth of everything that is set up, and of what is set up with it.
pub(crate) fn unsettle(world: &World) {
    let judge = world.judge();
    for (kind, path) in [
        ("Filters", "/v1/filters"),
        ("Webhooks", "/v1/webhooks"),
        ("LeadLabels", "/v1/leadLabels"),
        ("ActivityTypes", "/v1/activityTypes"),
        ("Notes", "/v1/notes"),
        ("Leads", "/v1/leads"),
        ("Stages", "/api/v2/stages"),
    ] {
        for id in fifth(&judge, kind) {
            // A stage with deals may be refused.
            let (status, answer) = world.attempt("DELETE", &at(path, &id), None);
            assert!(status < 300 || kind == "Stages", "{kind} {id}: {answer}");
        }
    }
    // Activities, some of them of the types that are gone.
    let activities = rows(&judge, "Activities", "id").into_values().step_by(5);
    for activity in activities {
        world.call("DELETE", &at("/api/v2/activities", &activity["id"]), None);
    }
}

/// What a row says, without what the service sets by itself and with names in place of ids.
pub(super) fn said(judge: &Value, kind: &str, fields: &[&str]) -> Vec<String> {
    let name = |kind: &str, id: &Value, by: &str| {
        let rows = judge[kind].as_array().expect("rows").iter();
        rows.clone().find(|row| row["id"] == *id).map_or(Value::Null, |row| row[by].clone())
    };
    let value = |row: &Map<String, Value>, field: &str| match (field, &row[field]) {
        (_, Value::Null) => Value::Null,
        ("person_id", id) => name("Persons", id, "name"),
        ("org_id" | "organization_id", id) => name("Organizations", id, "name"),
        ("deal_id", id) => name("Deals", id, "title"),
        ("lead_id", id) => name("Leads", id, "title"),
        ("stage_id", id) => name("Stages", id, "name"),
        ("pipeline_id", id) => name("Pipelines", id, "name"),
        ("label_ids", Value::Array(ids)) => {
            let mut labels: Vec<String> = ids.iter().map(|id| name("LeadLabels", id, "name").to_string()).collect();
            labels.sort();
            json!(labels)
        }
        ("type", Value::String(key)) if kind == "Activities" => {
            let types = judge["ActivityTypes"].as_array().expect("types").iter();
            let mut living = types.filter(|row| row["active_flag"] == json!(true));
            living.find(|row| row["key_string"] == json!(key)).map_or(Value::Null, |row| row["name"].clone())
        }
        (_, value) => value.clone(),
    };
    let customs = |row: &Map<String, Value>| -> Vec<String> {
        let own = row.iter().filter(|(name, value)| name.len() >= 40 && !value.is_null());
        own.map(|(name, value)| format!("{name}={value}")).collect()
    };
    let mut said: Vec<String> = rows(judge, kind, "id")
        .values()
        .map(|row| {
            let parts: Vec<String> = fields.iter().map(|field| format!("{field}={}", value(row, field))).collect();
            format!("{} {}", parts.join(" "), customs(row).join(" "))
        })
        .collect();
    said.sort();
    said
}

/// What is compared of each kind.
pub(super) const COMPARED: &[(&str, &[&str])] = &[
    ("Filters", &["name", "type"]),
    ("Webhooks", &["name", "subscription_url", "event_action", "event_object", "user_id", "version"]),
    ("LeadLabels", &["name", "color"]),
    ("ActivityTypes", &["name", "icon_key", "color"]),
    ("Stages", &["name", "pipeline_id", "deal_probability", "is_deal_rot_enabled", "days_to_rotten"]),
    ("Pipelines", &["name", "order_nr", "is_deal_probability_enabled"]),
    (
        "Notes",
        &[
            "content",
            "deal_id",
            "person_id",
            "org_id",
            "lead_id",
            "user_id",
            "add_time",
            "pinned_to_deal_flag",
            "pinned_to_person_flag",
            "pinned_to_organization_flag",
            "pinned_to_lead_flag",
        ],
    ),
    (
        "Leads",
        &[
            "title",
            "owner_id",
            "label_ids",
            "person_id",
            "organization_id",
            "value",
            "expected_close_date",
            "visible_to",
            "was_seen",
            "channel",
            "channel_id",
            "is_archived",
        ],
    ),
    ("Activities", &["subject", "type", "due_date", "due_time", "duration", "done", "deal_id", "org_id", "lead_id"]),
    ("Deals", &["title", "stage_id", "pipeline_id", "status", "value"]),
];

/// The conditions of a filter, by the names of what they look at.
fn conditions(judge: &Value, filter: &Map<String, Value>) -> Value {
    let named = |value: &Value| {
        let kinds = [("Stages", "name"), ("Persons", "name"), ("Organizations", "name")];
        let found = kinds.iter().find_map(|(kind, by)| {
            let rows = judge[*kind].as_array().expect("rows").iter();
            rows.clone().find(|row| json!(row["id"].to_string()) == *value).map(|row| row[*by].clone())
        });
        found.unwrap_or_else(|| value.clone())
    };
    let mut conditions = filter["conditions"].clone();
    for group in conditions["conditions"].as_array_mut().expect("groups") {
        for condition in group["conditions"].as_array_mut().expect("conditions") {
            condition["value"] = named(&condition["value"]);
        }
    }
    conditions
}

#[test]
fn filters_come_back_with_both_groups_of_their_conditions() {
    let world = World::of(400);
    make_filters(&world);
    let goal = world.snapshot();
    let truth = world.judge();
    let before = rows(&truth, "Filters", "name");
    for (name, row) in &before {
        if name == "\"Mine\"" {
            let body = json!({"name": "Nobody's", "conditions": {"glue": "and", "conditions": [
                {"glue": "and", "conditions": []}, {"glue": "or", "conditions": []}]}});
            world.call("PUT", &at("/v1/filters", &row["id"]), Some(&body));
        } else if name != "\"Ours\"" {
            world.call("DELETE", &at("/v1/filters", &row["id"]), None);
        }
    }
    // What they look at is made again under other ids; the filter that survived has to follow.
    let first = |kind: &str| rows(&truth, kind, "id").into_values().next().expect("a row")["id"].clone();
    world.call("DELETE", &at("/api/v2/persons", &first("Persons")), None);
    world.call("DELETE", &at("/api/v2/stages", &first("Stages")), None);
    let plan = planned(&world, &goal, &Policy::default());
    let replayed = replayed(&world, &plan);
    assert!(total(&replayed).is_clean());
    let truth_now = world.judge();
    let after = rows(&truth_now, "Filters", "name");
    assert_eq!(after.keys().collect::<Vec<_>>(), before.keys().collect::<Vec<_>>());
    for (name, row) in before {
        assert_eq!(after[&name]["type"], row["type"], "{name}");
        assert_eq!(conditions(&truth_now, &after[&name]), conditions(&truth, &row), "{name}");
    }
    assert_eq!(left(&world, &goal, &Policy::default()), Vec::<String>::new());
}

#[test]
fn a_fifth_of_everything_that_is_set_up_comes_back() {
    let world = World::of(400);
    make_filters(&world);
    let goal = world.snapshot();
    let before = world.judge();
    unsettle(&world);
    let plan = planned(&world, &goal, &Policy::default());
    let replayed = replayed(&world, &plan);
    assert!(total(&replayed).is_clean());
    let after = world.judge();
    for (kind, fields) in COMPARED {
        assert_eq!(said(&after, kind, fields), said(&before, kind, fields), "{kind}");
    }
    assert_eq!(left(&world, &goal, &Policy::default()), Vec::<String>::new());
}
