//! A restore taken back: the account as it was before, what was edited since kept.

use pdbak::account::{Allowance, Consent};
use pdbak::monitor::Silent;
use pdbak::restore::{self, Journal, Policy, Site, Stop};
use serde_json::{Value, json};

use super::capture::ids;
use super::restore::{clock, planned, vandalise};
use super::restore_settings::{COMPARED, said};
use crate::support::{Output, World};

fn ran(world: &World, arguments: &[&str], code: i32) -> Output {
    let output = world.pdbak(arguments);
    assert_eq!(output.code, code, "{arguments:?}: {}{}", output.stdout, output.stderr);
    output
}

/// The newest restore, as the list of restores tells it.
fn newest(world: &World) -> Value {
    let restores = ran(world, &["restores", "--json"], 0).json();
    restores.as_array().and_then(|all| all.last()).expect("a restore").clone()
}

fn row(world: &World, kind: &str, id: u64) -> Value {
    let judge = world.judge();
    let rows = judge[kind].as_array().expect("rows");
    rows.iter().find(|row| row["id"] == json!(id)).expect("a row").clone()
}

/// A vandalised company, restored; what it was like before the restore.
fn restored(records: u64) -> (World, Value) {
    let world = World::of(records);
    drop(world.archive());
    let goal = world.snapshot();
    vandalise(&world);
    let before = world.judge();
    ran(&world, &["restore", goal.id.short(), "--delete-added", "--yes"], 0);
    (world, before)
}

/// The truth with one name for all deals that are deleted: what a deleted one is called is nobody's business, but
/// activities that were left behind still show it.
fn settled(mut judge: Value) -> Value {
    for deal in judge["Deals"].as_array_mut().expect("deals") {
        if deal["is_deleted"] == json!(true) {
            deal["title"] = json!("(deleted)");
        }
    }
    judge
}

fn assert_as_before(world: &World, before: &Value) {
    let (before, after) = (settled(before.clone()), settled(world.judge()));
    for (kind, fields) in COMPARED {
        assert_eq!(said(&after, kind, fields), said(&before, kind, fields), "{kind}");
    }
}

#[test]
fn a_restore_that_is_taken_back_leaves_the_account_as_it_was_and_so_does_taking_that_back() {
    let (world, before) = restored(600);
    let between = world.judge();
    let restore = newest(&world);
    let undone = world.pdbak(&["undo", "latest", "--yes", "--json"]);
    let report = undone.json();
    assert_eq!(undone.code, 0, "{}", serde_json::to_string_pretty(&report["findings"]).expect("JSON"));
    assert_as_before(&world, &before);
    let undo = newest(&world);
    assert_eq!(undo["undoes"], restore["restore"]);
    ran(&world, &["undo", undo["restore"].as_str().expect("an id"), "--yes"], 0);
    assert_as_before(&world, &between);
}

#[test]
fn what_was_edited_or_attached_since_the_restore_stays_and_is_listed() {
    let (world, before) = restored(300);
    let oops = |kind: &str| -> Vec<u64> {
        let rows = before[kind].as_array().expect("rows").iter();
        rows.filter(|row| row["title"] == json!("oops") && row["is_deleted"] != json!(true))
            .map(|row| row["id"].as_u64().expect("an id"))
            .collect()
    };
    let deals = oops("Deals");
    let back = row(&world, "Deals", deals[1])["title"].clone();
    assert_ne!(back, json!("oops"));
    world.advance_seconds(60);
    world.call("PATCH", &format!("/api/v2/deals/{}", deals[0]), Some(&json!({"title": "by hand"})));
    // A person that the restore brought back gets a note from a colleague.
    let alive = |judge: &Value, id: u64| {
        let persons = judge["Persons"].as_array().expect("persons");
        persons.iter().any(|row| row["id"] == json!(id) && row["is_deleted"] != json!(true))
    };
    let judge = world.judge();
    let person = ids(&world, "Persons").into_iter().find(|id| !alive(&before, *id) && alive(&judge, *id));
    let person = person.expect("a person that came back");
    world.call("POST", "/v1/notes", Some(&json!({"content": "called", "person_id": person})));

    let plan = ran(&world, &["undo", "latest", "--dry-run", "--json"], 0).json();
    let contested: Vec<(&Value, &Value)> = plan["conflicts"]
        .as_array()
        .expect("conflicts")
        .iter()
        .map(|conflict| (&conflict["record"], &conflict["field"]))
        .collect();
    assert!(contested.contains(&(&json!(format!("deals/{}", deals[0])), &json!("title"))), "{contested:?}");
    assert!(contested.contains(&(&json!(format!("persons/{person}")), &json!("*"))), "{contested:?}");
    assert_eq!(contested.len(), 2, "{contested:?}");
    let report = ran(&world, &["undo", "latest", "--yes", "--json"], 5).json();
    assert_eq!((&report["total"]["failed"], &report["total"]["conflicts"]), (&json!(0), &json!(2)), "{report}");
    assert_eq!(row(&world, "Deals", deals[0])["title"], json!("by hand"));
    assert_eq!(row(&world, "Deals", deals[1])["title"], json!("oops"));
    assert!(alive(&world.judge(), person));
}

#[test]
fn a_restore_that_stopped_half_way_is_taken_back_and_nobody_goes_on_with_it() {
    let world = World::of(300);
    drop(world.archive());
    let goal = world.snapshot();
    vandalise(&world);
    let before = world.judge();
    let plan = planned(&world, &goal, &Policy { delete_added: true, ..Policy::default() });
    let archive = world.archive();
    let mut journal = Journal::create(&archive, &plan, clock()).expect("a journal");
    let account = world.account_with(Allowance::Tokens(300));
    let writer = account.writer(&Consent::given());
    let site = Site { account: &account, writer: &writer, archive: &archive };
    let stopped = world.run(restore::replay(&plan, &mut journal, &site, &Silent)).expect("a replay");
    assert!(matches!(stopped.stopped, Some(Stop::BudgetSpent(_))), "{:?}", stopped.stopped);
    drop(journal);
    let half = newest(&world);
    assert_eq!(half["state"], json!("interrupted"), "{half}");
    assert!(half["done"].as_u64() > Some(0));
    ran(&world, &["undo", half["restore"].as_str().expect("an id"), "--yes"], 0);
    assert_as_before(&world, &before);
    let nothing = ran(&world, &["restore", "--resume"], 2);
    assert!(nothing.stderr.contains("no restore was interrupted"), "{}", nothing.stderr);
}

#[test]
fn what_was_never_begun_cannot_be_taken_back() {
    let world = World::of(60);
    drop(world.archive());
    let goal = world.snapshot();
    world.call("PATCH", &format!("/api/v2/deals/{}", ids(&world, "Deals")[0]), Some(&json!({"title": "oops"})));
    ran(&world, &["restore", goal.id.short(), "--dry-run"], 0);
    let refused = ran(&world, &["undo", "latest"], 2);
    assert!(refused.stderr.contains("has written anything"), "{}", refused.stderr);
    assert_eq!(newest(&world)["state"], json!("planned"));
    let plan = planned(&world, &goal, &Policy::default());
    let count = plan.steps().len().to_string();
    ran(&world, &["restore", goal.id.short(), "--yes", "--expect", "7"], 5);
    assert_eq!(row(&world, "Deals", ids(&world, "Deals")[0])["title"], json!("oops"));
    ran(&world, &["restore", goal.id.short(), "--yes", "--expect", &count], 0);
}

#[test]
fn what_a_restore_was_planned_with_may_be_pruned_and_the_next_restore_goes_on() {
    let world = World::of(120);
    drop(world.archive());
    let person = ids(&world, "Persons")[0];
    world.call("PATCH", &format!("/api/v2/persons/{person}"), Some(&json!({"name": "Nobody's Namesake"})));
    let goal = world.snapshot();
    world.call("DELETE", &format!("/api/v2/persons/{person}"), None);
    ran(&world, &["restore", goal.id.short(), "--yes"], 0);
    let first = newest(&world);
    let planned_with: Vec<String> =
        snapshots(&world).into_iter().filter(|id| !id.starts_with(goal.id.short())).collect();
    world.snapshot();
    assert!(!planned_with.is_empty(), "the account was captured before it was written to");
    for id in &planned_with {
        ran(&world, &["forget", id], 0);
    }
    ran(&world, &["prune", "--grace", "0"], 0);
    ran(&world, &["prune", "--grace", "0"], 0);

    // The person has another number now, and is the same: it comes back once more, and is nobody's twin.
    let named = row(&world, "Persons", person)["name"].clone();
    let alive = |world: &World| -> Vec<u64> {
        let judge = world.judge();
        let rows = judge["Persons"].as_array().expect("rows").iter();
        let same = rows.filter(|row| row["is_deleted"] != json!(true) && row["name"] == named);
        same.filter_map(|row| row["id"].as_u64()).collect()
    };
    let [heir] = alive(&world)[..] else { panic!("one person of this name: {:?}", alive(&world)) };
    world.call("PATCH", &format!("/api/v2/persons/{heir}"), Some(&json!({"name": "Oops"})));
    ran(&world, &["restore", goal.id.short(), "--yes"], 0);
    assert_eq!(alive(&world), [heir]);

    let refused = ran(&world, &["undo", first["restore"].as_str().expect("a name"), "--yes"], 1);
    assert!(refused.stderr.contains("cannot be taken back"), "{}", refused.stderr);
    assert!(refused.stderr.contains("was forgotten"), "{}", refused.stderr);
}

/// The snapshots of the archive.
fn snapshots(world: &World) -> Vec<String> {
    let listed = ran(world, &["snapshots", "--json"], 0).json();
    let all = listed.as_array().expect("snapshots");
    all.iter().map(|one| one["snapshot"].as_str().expect("an id").to_owned()).collect()
}
