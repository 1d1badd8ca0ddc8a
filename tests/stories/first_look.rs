//! A first look that is more than a day's budget bears: it goes by turns, says so, and takes nothing unseen for gone.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::support::World;

/// A snapshot of comments that may spend so much: its exit code and what it says.
fn snapshot(world: &World, more: &[&str]) -> (i32, Value) {
    let ended = world.pdbak(&[&["snapshot", "--object", "NoteComments", "--json"], more].concat());
    (ended.code, serde_json::from_str(&ended.stdout).unwrap_or(Value::Null))
}

fn number(snapshot: &Value, field: &str) -> u64 {
    snapshot["objects"]["NoteComments"][field].as_u64().expect("a number")
}

fn comments(world: &World) -> u64 {
    let judge = world.judge();
    let rows = judge["NoteComments"].as_array().expect("comments").iter();
    rows.filter(|row| row["active_flag"] != Value::Bool(false)).count() as u64
}

#[test]
fn a_first_look_over_several_days_is_labelled_goes_on_and_calls_nothing_gone_or_added() {
    let world = World::of(1_000);
    assert_eq!(world.pdbak(&["init", "--no-encryption"]).code, 0);
    let (code, first) = snapshot(&world, &["--budget", "600"]);
    let coverage = first["objects"]["NoteComments"]["coverage"].as_str().expect("words").to_owned();
    assert_eq!(code, 3, "{first}");
    assert!(coverage.starts_with("part: ") && coverage.contains("Notes not looked at yet"), "{coverage}");
    let mut labels = BTreeSet::from([coverage]);
    let (mut held, mut whole) = (number(&first, "records"), None);
    let truth = comments(&world);
    assert!(held < truth, "{held} of {truth}");
    for _ in 0..60 {
        let (code, next) = snapshot(&world, &["--budget", "600"]);
        let told = ["changed", "deleted"].map(|field| number(&next, field));
        assert_eq!((told, number(&next, "records")), ([0, 0], held + number(&next, "new")));
        held = number(&next, "records");
        let coverage = next["objects"]["NoteComments"]["coverage"].as_str().expect("words").to_owned();
        if coverage == "whole" {
            assert_eq!(code, 0);
            whole = Some(next);
            break;
        }
        assert!(labels.insert(coverage), "each looks at others than those before");
    }
    let whole = whole.expect("all had their turn");
    assert_eq!(held, truth);
    let name = |snapshot: &Value| snapshot["snapshot"].as_str().expect("an id").to_owned();
    let (first, whole) = (name(&first), name(&whole));
    for order in [[&first, &whole], [&whole, &first]] {
        let diff = world.pdbak(&["diff", order[0], order[1], "--object", "NoteComments", "--json"]);
        assert_eq!((diff.code, diff.stdout.matches("\"op\"").count()), (0, 0), "{}", diff.stdout);
    }
    let dry = world.pdbak(&["restore", &first, "--object", "NoteComments", "--delete-added", "--dry-run", "--json"]);
    assert!(!dry.stdout.contains("\"delete\""), "{}{}", dry.stdout, dry.stderr);
    assert_eq!(comments(&world), truth);
}

#[test]
fn a_sweep_of_all_reads_everything_at_once_and_one_that_the_budget_bears_does_so_by_itself() {
    let world = World::of(1_000);
    assert_eq!(world.pdbak(&["init", "--no-encryption"]).code, 0);
    assert_eq!(snapshot(&world, &["--sweep", "all", "--budget", "600"]).0, 4, "it goes on the next day");
    let (code, all) = snapshot(&world, &["--sweep", "all", "--budget", "all"]);
    assert_eq!((code, number(&all, "records")), (0, comments(&world)));
    assert_eq!(all["objects"]["NoteComments"]["coverage"], "whole");
    let other = World::of(1_000);
    let by_itself = other.snapshot();
    let found = crate::support::contents(&by_itself, "noteComments");
    assert_eq!((found.records, &found.coverage), (comments(&other), &pdbak::archive::Coverage::Whole));
    assert_eq!(other.pdbak(&["snapshot", "--sweep", "101"]).code, 2);
}
