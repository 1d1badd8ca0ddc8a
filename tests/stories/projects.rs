//! Projects, their boards, phases and tasks: captured, damaged, brought back, and judged.

use std::collections::BTreeMap;

use pdbak::archive::{Coverage, Manifest};
use pdbak::capture::Wanted;
use pdbak::catalogue::{self, ObjectName};
use pdbak::restore::Policy;
use pdbak::sandbox::Options;
use serde_json::{Map, Value, json};

use super::restore::{left, planned, replayed, total};
use crate::support::{World, assert_holds_the_truth, contents};

/// Everything that the add-on brings.
const OBJECTS: &[&str] =
    &["projectFields", "projectBoards", "projectTemplates", "projects", "tasks", "archivedProjects", "projectPhases"];

fn with_plans() -> Wanted {
    let also = ["projectGroups", "projectPlans"].map(|name| catalogue::find(&ObjectName::new(name)).expect("an entry"));
    Wanted { also: also.to_vec(), ..Wanted::default() }
}

fn alive(judge: &Value, kind: &str) -> Vec<Map<String, Value>> {
    let rows = judge[kind].as_array().expect("rows").iter().filter_map(Value::as_object);
    rows.filter(|row| row.get("is_deleted") != Some(&json!(true)) && row.get("active_flag") != Some(&json!(false)))
        .cloned()
        .collect()
}

/// Makes what hangs on projects and tasks: a note on each, an activity, and a template's worth of order.
fn attach(world: &World) {
    let judge = world.judge();
    let (projects, tasks) = (alive(&judge, "Projects"), alive(&judge, "Tasks"));
    for (at, project) in projects.iter().enumerate() {
        let id = &project["id"];
        world.call("POST", "/v1/notes", Some(&json!({"content": format!("note {at}"), "project_id": id})));
        world.call("POST", "/api/v2/activities", Some(&json!({"subject": format!("visit {at}"), "project_id": id})));
    }
    for (at, task) in tasks.iter().enumerate().step_by(3) {
        world.call("POST", "/v1/notes", Some(&json!({"content": format!("task {at}"), "task_id": task["id"]})));
    }
}

/// What rows say once ids are replaced by what they stand for.
fn said(judge: &Value, kind: &str, fields: &[&str]) -> Vec<String> {
    let by_id = |kind: &str, by: &str| -> BTreeMap<String, Value> {
        let rows = judge[kind].as_array().expect("rows").iter();
        rows.map(|row| (row["id"].to_string(), row[by].clone())).collect()
    };
    let names = BTreeMap::from([
        ("project_id", by_id("Projects", "title")),
        ("board_id", by_id("ProjectBoards", "name")),
        ("phase_id", by_id("ProjectPhases", "name")),
        ("parent_task_id", by_id("Tasks", "title")),
        ("task_id", by_id("Tasks", "title")),
        ("deal_ids", by_id("Deals", "title")),
        ("person_ids", by_id("Persons", "name")),
        ("org_ids", by_id("Organizations", "name")),
    ]);
    let named = |field: &str, value: &Value| -> Value {
        let name = |id: &Value| names.get(field).and_then(|names| names.get(&id.to_string())).unwrap_or(id).clone();
        match value {
            Value::Array(ids) => ids.iter().map(name).collect(),
            one => name(one),
        }
    };
    let mut said: Vec<String> = alive(judge, kind)
        .iter()
        .map(|row| fields.iter().map(|field| format!("{field}={} ", named(field, &row[*field]))).collect())
        .collect();
    said.sort();
    said
}

const COMPARED: &[(&str, &[&str])] = &[
    ("ProjectBoards", &["name", "order_nr"]),
    ("ProjectPhases", &["name", "board_id", "order_nr"]),
    (
        "Projects",
        &[
            "title",
            "description",
            "status",
            "board_id",
            "phase_id",
            "owner_id",
            "start_date",
            "end_date",
            "label_ids",
            "deal_ids",
            "person_ids",
            "org_ids",
            "custom_fields",
        ],
    ),
    (
        "Tasks",
        &[
            "title",
            "description",
            "project_id",
            "parent_task_id",
            "assignee_ids",
            "is_done",
            "is_milestone",
            "start_date",
            "due_date",
        ],
    ),
    ("Notes", &["content", "project_id", "task_id"]),
    ("Activities", &["subject", "project_id"]),
];

fn archived(judge: &Value) -> Vec<Value> {
    let mut titles: Vec<Value> = alive(judge, "Projects")
        .iter()
        .filter(|row| row["archive_time"].is_string())
        .map(|row| row["title"].clone())
        .collect();
    titles.sort_by_key(Value::to_string);
    titles
}

/// Half of everything is deleted, the other half edited.
fn vandalise(world: &World) {
    let judge = world.judge();
    let each = |kind: &str, path: &str, edit: &Value| {
        for (at, row) in alive(&judge, kind).iter().enumerate() {
            let path = format!("/api/v2/{path}/{}", row["id"]);
            // A subtask may have gone with the task above it.
            let (status, answer) = match at % 2 {
                0 => world.attempt("DELETE", &path, None),
                _ => world.attempt("PATCH", &path, Some(edit)),
            };
            assert!(status < 300 || kind == "Tasks" || status == 403, "{path}: {answer}");
        }
    };
    each("Tasks", "tasks", &json!({"title": "x", "done": 1, "milestone": 1, "parent_task_id": null}));
    each("Projects", "projects", &json!({"title": "x", "person_ids": [], "org_ids": [], "description": "oops"}));
    each("ProjectPhases", "phases", &json!({"name": "x"}));
    each("ProjectBoards", "boards", &json!({"name": "x", "order_nr": 9}));
    for row in alive(&judge, "Notes").iter().filter(|row| row["project_id"].is_number() || row["task_id"].is_number()) {
        world.call("DELETE", &format!("/v1/notes/{}", row["id"]), None);
    }
    for row in alive(&judge, "Deals").iter().filter(|row| row["is_archived"] == json!(false)).step_by(3) {
        world.attempt("DELETE", &format!("/api/v2/deals/{}", row["id"]), None);
    }
}

#[test]
fn every_row_of_the_add_on_is_captured_and_an_unchanged_account_costs_only_its_lists() {
    let world = World::of(3_000);
    attach(&world);
    let first = world.snapshot_of(&with_plans());
    assert_holds_the_truth(&world, &first);
    for object in OBJECTS.iter().chain(&["projectGroups", "projectPlans"]) {
        assert_eq!(contents(&first, object).coverage, Coverage::Whole, "{object}");
        assert!(contents(&first, object).records > 0, "{object}");
    }
    // A phase that moves to another board while the rest stays, and one that goes.
    let judge = world.judge();
    let (phases, boards) = (alive(&judge, "ProjectPhases"), alive(&judge, "ProjectBoards"));
    let away = boards.iter().find(|board| board["id"] != phases[0]["board_id"]).expect("another board");
    world.call("PATCH", &format!("/api/v2/phases/{}", phases[0]["id"]), Some(&json!({"board_id": away["id"]})));
    world.call("DELETE", &format!("/api/v2/phases/{}", phases[1]["id"]), None);
    let second = world.snapshot_of(&with_plans());
    assert_holds_the_truth(&world, &second);
    assert_eq!(contents(&second, "projectPhases").records, phases.len() as u64 - 1);
}

fn coverage(manifest: &Manifest, object: &str) -> &'static str {
    match contents(manifest, object).coverage {
        Coverage::Whole => "whole",
        Coverage::Part { .. } => "part",
        Coverage::NotOffered { .. } => "not offered",
        Coverage::LeftOut { .. } => "left out",
    }
}

#[test]
fn an_account_without_the_add_on_is_told_so_and_what_was_there_yesterday_is_not_deleted() {
    for status in [402, 403, 404, 410, 415] {
        let world = World::of(300);
        let first = world.snapshot_of(&with_plans());
        let paths = ["projects*", "boards*", "phases*", "tasks*", "projectTemplates*", "projectFields*"];
        let faults: Vec<String> =
            paths.iter().map(|path| format!("GET /api/v2/{path} times=1000 status={status}")).collect();
        world.order(&faults.iter().map(String::as_str).collect::<Vec<_>>());
        let second = world.snapshot_of(&with_plans());
        for object in OBJECTS.iter().chain(&["projectGroups", "projectPlans"]) {
            assert_eq!(coverage(&second, object), "not offered", "{status} {object}");
            assert_eq!(contents(&second, object).records, contents(&first, object).records, "{status} {object}");
        }
        // One call a list, and none for what hangs on it.
        let asked = world.call("GET", "/sandbox/log", None).as_array().expect("a log").clone();
        let refused = asked
            .iter()
            .filter(|line| line["status"] == json!(status) && line["path"].to_string().contains("/v2/"))
            .count();
        assert_eq!(refused, 6, "{status}");
        assert_eq!(left(&world, &first, &Policy::default()), Vec::<String>::new());
    }
}

#[test]
fn projects_come_back_with_boards_phases_tasks_and_everything_that_hangs_on_them() {
    let world = World::of(1_500);
    attach(&world);
    let goal = world.snapshot();
    let before = world.judge();
    vandalise(&world);
    let plan = planned(&world, &goal, &Policy::default());
    let replayed = replayed(&world, &plan);
    assert_eq!(replayed.stopped, None);
    assert!(total(&replayed).is_clean());
    let after = world.judge();
    for (kind, fields) in COMPARED {
        assert_eq!(said(&after, kind, fields), said(&before, kind, fields), "{kind}");
    }
    assert_eq!(archived(&after), archived(&before));
    assert_eq!(left(&world, &goal, &Policy::default()), Vec::<String>::new());
}

#[test]
fn lost_answers_make_no_board_phase_project_or_task_twice() {
    let world = World::of(300);
    let goal = world.snapshot();
    let before = world.judge();
    vandalise(&world);
    let plan = planned(&world, &goal, &Policy::default());
    world.order(&["POST /api/v2/* after=0 times=40 lose-answer", "PATCH /api/v2/* after=0 times=9 lose-answer"]);
    let mut last = replayed(&world, &plan);
    for _ in 0..60 {
        if last.stopped.is_none() {
            break;
        }
        last = replayed(&world, &plan);
    }
    world.clear_faults();
    assert_eq!(last.stopped, None);
    assert!(total(&last).is_clean());
    let after = world.judge();
    for kind in ["ProjectBoards", "ProjectPhases", "Projects", "Tasks"] {
        assert_eq!(alive(&after, kind).len(), alive(&before, kind).len(), "{kind}");
    }
}

#[test]
fn a_project_that_was_archived_since_stays_there_and_the_plan_says_so() {
    for answer in ["yes", "no"] {
        let assume = format!("archived-project-edit={answer}").parse().expect("an assumption");
        let world = World::with(Options { records: 300, assume, ..Options::default() });
        let goal = world.snapshot();
        let judge = world.judge();
        let open = alive(&judge, "Projects").into_iter().find(|row| row["archive_time"].is_null()).expect("one");
        world.call("PATCH", &format!("/api/v2/projects/{}", open["id"]), Some(&json!({"title": "x"})));
        world.call("POST", &format!("/api/v2/projects/{}/archive", open["id"]), None);
        let plan = planned(&world, &goal, &Policy::default());
        let said = |field: &str| plan.left_out.iter().any(|left| left.field.as_deref() == Some(field));
        assert!(said("archive_time"), "{:?}", plan.left_out);
        let replayed = replayed(&world, &plan);
        let row =
            world.judge()["Projects"].as_array().expect("rows").iter().find(|row| row["id"] == open["id"]).cloned();
        let title = row.expect("it is there")["title"].clone();
        if answer == "yes" {
            assert!(total(&replayed).is_clean());
            assert_eq!(title, open["title"]);
        } else {
            // A refusal is told, nothing else is touched, and nothing stops.
            assert_eq!(replayed.report.expect("a report").total.failed, 1);
            assert_eq!(title, json!("x"));
        }
    }
}
