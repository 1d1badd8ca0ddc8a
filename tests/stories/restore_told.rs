//! What a restore tells of itself, field by field, and that it is told again later.

use std::fs;

use serde_json::{Value, json};

use super::capture::ids;
use crate::support::World;

#[test]
fn the_report_counts_every_field_and_is_shown_again_with_the_servers_words() {
    let world = World::of(300);
    drop(world.archive());
    let goal = world.snapshot();
    let deals: Vec<u64> = ids(&world, "Deals").into_iter().take(3).collect();
    for deal in &deals {
        world.call("PATCH", &format!("/api/v2/deals/{deal}"), Some(&json!({"title": "oops", "probability": 7})));
    }
    world.order(&[&format!("PATCH /api/v2/deals/{} times=100 status=403", deals[1])]);
    let restored = world.pdbak(&["restore", goal.id.short(), "--yes", "--json"]);
    assert_eq!(restored.code, 5, "{}{}", restored.stdout, restored.stderr);
    let report = restored.json();
    let fields = &report["fields"]["Deals"];
    // Two came back; of the refused one, what was sent in vain is counted and nothing else.
    for field in ["title", "probability"] {
        assert_eq!(fields[field], json!({"equal": 2, "by_nature": 0, "failed": 1, "conflicts": 0}), "{field}");
    }
    assert_eq!(fields["currency"], json!({"equal": 2, "by_nature": 0, "failed": 0, "conflicts": 0}));
    let custom: Vec<&String> =
        fields.as_object().expect("fields").keys().filter(|field| field.starts_with("custom_fields.")).collect();
    assert!(!custom.is_empty(), "{fields}");
    for code in custom.iter().filter_map(|field| field.strip_prefix("custom_fields.")) {
        assert!(report["names"][code].is_string(), "{code} has no name");
    }

    let told = world.pdbak(&["restores", "latest", "--json"]).json();
    assert_eq!(told["report"], report);
    assert_eq!((&told["state"], &told["steps"]), (&json!("complete"), &json!(3)));

    let words = world.pdbak(&["restores", report["journal"].as_str().expect("an id")]);
    assert_eq!(words.code, 0, "{}", words.stderr);
    let line = |start: &[&str]| {
        let wanted = |line: &&str| line.split_whitespace().take(start.len()).eq(start.iter().copied());
        words.stdout.lines().find(wanted).map(str::to_owned)
    };
    assert!(line(&["Deals", "title", "2", "0", "1", "0"]).is_some(), "{}", words.stdout);
    assert!(line(&["Deals", "currency", "2", "0", "0", "0"]).is_some(), "{}", words.stdout);
    let failed = line(&["failed:", &format!("deals/{}", deals[1])]).expect("the failed one");
    assert!(failed.contains("Something went wrong"), "{failed}");
    assert!(!words.stdout.contains("custom_fields."), "{}", words.stdout);

    let unknown = world.pdbak(&["restores", "zzzz"]);
    assert_eq!((unknown.code, unknown.stdout.as_str()), (2, ""), "{}", unknown.stderr);
}

#[test]
fn a_restore_that_was_only_planned_says_so() {
    let world = World::of(150);
    drop(world.archive());
    let goal = world.snapshot();
    let deal = ids(&world, "Deals")[0];
    world.call("PATCH", &format!("/api/v2/deals/{deal}"), Some(&json!({"title": "oops"})));
    let plan = world.pdbak(&["restore", goal.id.short(), "--dry-run", "--json"]);
    assert_eq!(plan.code, 0, "{}", plan.stderr);
    let told = world.pdbak(&["restores", "latest"]);
    assert!(told.stdout.contains("nothing has been written"), "{}{}", told.stdout, told.stderr);
    assert_eq!(world.pdbak(&["restores", "latest", "--json"]).json()["report"], Value::Null);
}

#[test]
fn a_journal_that_was_cut_while_its_plan_was_written_down_is_in_nobodys_way_and_is_written_to_its_end() {
    let world = World::of(150);
    drop(world.archive());
    let goal = world.snapshot();
    let deal = ids(&world, "Deals")[0];
    world.call("PATCH", &format!("/api/v2/deals/{deal}"), Some(&json!({"title": "oops"})));
    let file = world.path("plan.json");
    let file = file.to_str().expect("a path in UTF-8");
    let planned = world.pdbak(&["restore", goal.id.short(), "--plan", file]);
    assert_eq!(planned.code, 0, "{}", planned.stderr);
    let journals = world.path("archive").join("restores");
    let journal = fs::read_dir(&journals).expect("a folder").next().expect("a journal").expect("a file").path();
    let whole = fs::read(&journal).expect("the journal");
    let first: usize = std::str::from_utf8(&whole[..15]).expect("digits").parse().expect("a length");
    // Before the first step, in the middle of an entry, and before anything.
    for cut in [81 + first, 81 + first + 40, 100, 0] {
        fs::write(&journal, &whole[..cut]).expect("a journal that was cut");
        assert_eq!(world.pdbak(&["restores", "--json"]).json(), json!([]), "{cut}");
        let name = journal.file_name().and_then(|name| name.to_str()).expect("a name");
        let refused = world.pdbak(&["restore", "--from-plan", name, "--yes"]);
        assert_eq!(refused.code, 2, "{}", refused.stderr);
        assert!(refused.stderr.contains("nothing of it was sent"), "{}", refused.stderr);
        let shown = world.pdbak(&["restore", "--from-plan", file, "--dry-run", "--json"]);
        assert_eq!(shown.code, 0, "{cut}: {}", shown.stderr);
        assert_eq!(world.pdbak(&["restores", "--json"]).json()[0]["steps"], json!(1));
    }
    let restored = world.pdbak(&["restore", "--from-plan", file, "--yes", "--json"]);
    assert_eq!((restored.code, &restored.json()["total"]["equal"]), (0, &json!(1)), "{}", restored.stderr);
}
