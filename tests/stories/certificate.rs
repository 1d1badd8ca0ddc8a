//! The certificate of completeness: its numbers beside the judge's, and beside faults that make them differ.

use std::collections::BTreeSet;

use chrono::Utc;
use pdbak::archive::{Coverage, Ending, Manifest, Source, Tally};
use pdbak::catalogue::ObjectName;
use pdbak::record::{Key, Record, RecordId};
use serde_json::{Map, Value, json};

use crate::support::{World, held};

fn world(records: u64) -> World {
    let world = World::of(records);
    assert_eq!(world.pdbak(&["init", "--no-encryption"]).code, 0);
    world
}

/// The whole snapshot that a run of the program leaves, as `show` tells it.
fn snapshot(world: &World) -> Value {
    let output = world.pdbak(&["snapshot", "--budget", "all", "--sweep", "all"]);
    assert!(matches!(output.code, 0 | 3), "{}", output.stderr);
    assert!(output.stdout.contains("  certificate: "), "{}", output.stdout);
    world.pdbak(&["show", "latest", "--json"]).json()
}

fn newest(world: &World) -> Manifest {
    world.archive().snapshots().expect("snapshots").pop().expect("a snapshot")
}

fn number(of: &Value, field: &str) -> u64 {
    of[field].as_u64().unwrap_or_else(|| panic!("{field} in {of}"))
}

#[test]
fn the_certificate_of_a_full_capture_counts_what_the_judge_counts() {
    let world = world(2_000);
    let shown = snapshot(&world);
    let mut compared = 0;
    for (object, truth) in held(&world, &newest(&world)) {
        let line = &shown["objects"][&object];
        if !line["coverage"].as_str().is_some_and(|coverage| coverage == "whole" || coverage.contains("your own")) {
            continue;
        }
        let certificate = &line["certificate"];
        let told = ["listed", "stored", "read_back", "read_back_now"].map(|field| number(certificate, field));
        // Leads inherit the fields of deals: their list shows more than the judge keeps for them.
        let rows = if object == "LeadFields" { truth.records } else { truth.rows } as u64;
        assert_eq!((told, &certificate["agrees"]), ([rows; 4], &json!(true)), "{object}");
        compared += 1;
    }
    assert!(compared > 40, "{compared} objects");
    let sum = &shown["certificate"];
    assert_eq!((&sum["listed"], &sum["agrees"]), (&shown["records"], &json!(true)));
    let again = world.pdbak(&["show", "--verify"]);
    assert_eq!(again.code, 0, "{}", again.stdout);
    assert!(again.stdout.contains("number and root of every object are those of the manifest"), "{}", again.stdout);
    assert!(again.stdout.contains("not in it: what belongs to other users"), "{}", again.stdout);
}

#[test]
fn an_increment_says_what_it_carried_over_and_what_was_read_back_before() {
    let world = world(1_000);
    snapshot(&world);
    let deal = world.judge()["Deals"][0]["id"].clone();
    world.call("PATCH", &format!("/api/v2/deals/{deal}"), Some(&json!({"title": "another"})));
    assert_eq!(world.pdbak(&["snapshot", "--budget", "all", "--sweep", "0"]).code, 0);
    let shown = world.pdbak(&["show", "--json"]).json();
    let sum = &shown["certificate"];
    let [listed, carried, gone] = ["listed", "carried", "withdrawn"].map(|field| number(sum, field));
    assert!(carried > 0 && gone == 0, "{sum}");
    assert_eq!([listed + carried, number(sum, "stored"), number(sum, "read_back")], [number(&shown, "records"); 3]);
    assert_eq!(number(&shown["objects"]["Deals"]["certificate"], "read_back_now"), 1);
    assert_eq!(number(&shown["objects"]["NoteComments"]["certificate"], "listed"), 0);
}

#[test]
fn a_refusal_and_a_lost_row_show_in_just_their_objects() {
    let (sound, world) = (world(1_000), world(1_000));
    let sound = snapshot(&sound);
    world.order(&["GET /api/v2/tasks times=1000 status=403", "GET /api/v1/callLogs times=1 no-id"]);
    let shown = snapshot(&world);
    let facts = |line: &Value| (line["coverage"].clone(), line["certificate"]["stored"].clone(), line["gaps"].clone());
    let objects = shown["objects"].as_object().expect("objects");
    let differ = objects.iter().filter(|(title, line)| facts(line) != facts(&sound["objects"][title.as_str()]));
    let differ: BTreeSet<&str> = differ.map(|(title, _)| title.as_str()).collect();
    assert_eq!(differ, BTreeSet::from(["CallLogs", "Tasks"]), "{shown}");
    let (tasks, calls) = (&objects["Tasks"], &objects["CallLogs"]);
    assert_eq!((&tasks["coverage"], number(&tasks["certificate"], "listed")), (&json!("not offered"), 0));
    assert_eq!(calls["coverage"], "part: 1 row was no record");
    // The row without a number was handed out, but is no record: it is told, and the rest adds up.
    let before = number(&sound["objects"]["CallLogs"]["certificate"], "listed");
    assert_eq!((number(&calls["certificate"], "listed"), &calls["certificate"]["agrees"]), (before - 1, &json!(true)));
    assert_eq!(shown["complete"], false);
}

#[test]
fn numbers_that_contradict_each_other_are_told_and_end_with_a_code_of_their_own() {
    let world = World::of(50);
    let archive = world.archive();
    let source = Source {
        company_id: 7,
        company_name: "Acme".to_owned(),
        company_domain: "acme".to_owned(),
        user_id: 1,
        user_name: "Kim".to_owned(),
        is_admin: false,
        kind: "api".to_owned(),
    };
    let mut writer = archive.begin(source).expect("a writer");
    let deal = |number: u64| {
        let body = Map::from_iter([("id".to_owned(), json!(number))]);
        Record::new(RecordId::new(ObjectName::known("deals"), Key::Number(number)), &body)
    };
    writer.take(&[deal(1), deal(2)]).expect("two deals");
    let now = Utc::now();
    let ending = Ending {
        coverage: Coverage::Whole,
        unseen_is_deleted: true,
        // Three were handed out, and one was lost on its way.
        listed: Some(3),
        gaps: Vec::new(),
        seen_at: now,
        deletions_seen_at: Some(now),
        watermark: None,
        without: Vec::new(),
    };
    writer.close(&ObjectName::known("deals"), ending).expect("an end");
    writer.finish(Tally { started: now, requests: 1, tokens: 10, notes: json!({}) }).expect("a snapshot");
    drop(archive);
    let told = world.pdbak(&["show"]);
    assert_eq!(told.code, 3, "{}", told.stdout);
    assert!(told.stdout.contains("error in Deals: the numbers contradict each other: 3 listed"), "{}", told.stdout);
    assert!(
        told.stdout.contains("make 3; 2 are stored") && told.stdout.contains("hidden pipelines"),
        "{}",
        told.stdout
    );
    let json = world.pdbak(&["show", "--json"]).json();
    assert_eq!((&json["complete"], &json["certificate"]["agrees"]), (&json!(false), &json!(false)));
}
