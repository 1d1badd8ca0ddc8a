//! The rolling sweep: what nothing announces is found by turns, at a price that stays small, and its age is told.

use chrono::{DateTime, TimeDelta, Utc};
use pdbak::archive::{Coverage, Manifest};
use pdbak::capture::{self, Wanted};
use pdbak::catalogue::ObjectName;
use serde_json::json;

use crate::support::{World, contents};

fn oldest(manifest: &Manifest) -> DateTime<Utc> {
    let carried = capture::carried(manifest, &ObjectName::known("noteComments")).expect("comments are carried over");
    carried.oldest_looked_at.expect("an age")
}

#[test]
fn an_edited_comment_is_found_within_the_days_of_a_sweep_and_until_then_its_age_is_told() {
    let world = World::of(1_000);
    let wanted = Wanted { sweep: 12, ..Wanted::default() };
    let first = world.snapshot_of(&wanted);
    let judge = world.judge();
    let comment = judge["NoteComments"].as_array().expect("comments").last().expect("a comment");
    let path = format!("/v1/notes/{}/comments/{}", comment["note_id"], comment["uuid"].as_str().expect("a text"));
    world.call("PUT", &path, Some(&json!({"content": "edited behind everybody's back"})));
    let mut found = None;
    let mut last = first.clone();
    for day in 1..=10 {
        world.advance_seconds(24 * 60 * 60);
        last = world.snapshot_of(&wanted);
        let comments = contents(&last, "noteComments");
        assert_eq!((comments.deleted, &comments.coverage), (0, &Coverage::Whole), "day {day}");
        assert!(last.tokens < first.tokens * 30 / 100, "day {day}: {} of {}", last.tokens, first.tokens);
        if comments.changed == 1 {
            assert_eq!(found, None, "an edit is found once");
            found = Some(day);
        }
    }
    assert!(found.is_some(), "ten times 12 % is all of it");
    let age = last.started - oldest(&last);
    assert!(age > TimeDelta::days(7) && age <= TimeDelta::days(9), "{age}");
    assert_eq!(contents(&last, "noteComments").deletions_seen_at, Some(oldest(&last)));
}

#[test]
fn an_unchanged_second_snapshot_costs_less_than_a_twentieth_of_the_first() {
    let world = World::of(8_000);
    let (first, second) = (world.snapshot(), world.snapshot());
    eprintln!("first {} tokens, unchanged second {}", first.tokens, second.tokens);
    assert!(second.tokens * 20 < first.tokens, "{} of {}", second.tokens, first.tokens);
    assert!(second.contents.iter().all(|contents| contents.deleted == 0 && contents.new == 0));
    assert_eq!(
        second.contents.iter().map(|contents| contents.records).sum::<u64>(),
        first.contents.iter().map(|contents| contents.records).sum::<u64>()
    );
}

#[test]
fn children_of_a_changed_parent_are_read_at_once_and_a_full_capture_reads_all() {
    let world = World::of(1_000);
    world.snapshot();
    let judge = world.judge();
    let comment = &judge["NoteComments"][0];
    let note = format!("/v1/notes/{}", comment["note_id"]);
    let path = format!("{note}/comments/{}", comment["uuid"].as_str().expect("a text"));
    world.call("DELETE", &path, None);
    world.call("PUT", &note, Some(&json!({"content": "edited"})));
    let never = Wanted { sweep: 0, ..Wanted::default() };
    assert_eq!(contents(&world.snapshot_of(&never), "noteComments").deleted, 1);
    let other =
        judge["NoteComments"].as_array().expect("comments").iter().find(|one| one["note_id"] != comment["note_id"]);
    let other = other.expect("a comment on another note");
    world.call(
        "DELETE",
        &format!("/v1/notes/{}/comments/{}", other["note_id"], other["uuid"].as_str().expect("a text")),
        None,
    );
    assert_eq!(contents(&world.snapshot_of(&never), "noteComments").deleted, 0);
    let all = world.snapshot_of(&Wanted { full: true, ..Wanted::default() });
    assert_eq!(contents(&all, "noteComments").deleted, 1);
    assert!(capture::carried(&all, &ObjectName::known("noteComments")).is_none());
}

#[test]
fn a_parent_that_could_not_be_read_is_asked_first_the_next_time_and_nothing_else_is_read_again() {
    let world = World::of(1_000);
    let judge = world.judge();
    let note = judge["NoteComments"][0]["note_id"].clone();
    world.order(&[&format!("GET /api/v1/notes/{note}/comments times=9 status=400")]);
    let first = world.snapshot();
    assert!(matches!(contents(&first, "noteComments").coverage, Coverage::Part { .. }));
    world.clear_faults();
    let second = world.snapshot_of(&Wanted { sweep: 0, ..Wanted::default() });
    let comments = contents(&second, "noteComments");
    assert_eq!(comments.coverage, Coverage::Whole);
    assert!(comments.new > 0 && second.tokens * 4 < first.tokens);
}

#[test]
fn a_relationship_that_moved_to_another_organization_is_not_gone() {
    let world = World::of(1_000);
    let first = world.snapshot();
    let judge = world.judge();
    let relation = judge["OrganizationRelationships"]
        .as_array()
        .expect("rows")
        .iter()
        .find(|row| row["is_deleted"] != json!(true));
    let relation = relation.expect("a relationship");
    let id = relation["id"].as_u64().expect("an id");
    let taken = [&relation["rel_owner_org_id"], &relation["rel_linked_org_id"]];
    let other = judge["Organizations"].as_array().expect("rows").iter().find(|row| !taken.contains(&&row["id"]));
    let other = other.expect("another organization")["id"].clone();
    world.call("PUT", &format!("/v1/organizationRelationships/{id}"), Some(&json!({"rel_owner_org_id": other})));
    // Its old owner is edited, and so asked at once; the new one is not.
    let owner = &relation["rel_owner_org_id"];
    world.call("PATCH", &format!("/api/v2/organizations/{owner}"), Some(&json!({"name": "Renamed"})));
    let second = world.snapshot_of(&Wanted { sweep: 0, ..Wanted::default() });
    let relations = contents(&second, "organizationRelationships");
    assert_eq!((relations.changed, relations.deleted), (1, 0));
    assert_eq!(relations.records, contents(&first, "organizationRelationships").records);
}

#[test]
fn what_a_restore_made_again_behind_the_sweep_is_not_made_once_more_by_the_next() {
    let world = World::of(1_000);
    let run = |arguments: &[&str]| {
        let ended = world.pdbak(arguments);
        assert_eq!(ended.code, 0, "{arguments:?}: {}", ended.stderr);
        ended
    };
    run(&["init", "--no-encryption"]);
    let goal = run(&["snapshot", "--json"]).json()["snapshot"].as_str().expect("an id").to_owned();
    let comments = || {
        let judge = world.judge();
        let rows = judge["NoteComments"].as_array().expect("comments");
        rows.iter().filter(|row| row["active_flag"] != json!(false)).count()
    };
    let before = comments();
    let judge = world.judge();
    let comment = judge["NoteComments"].as_array().expect("comments").last().expect("a comment").clone();
    let path = format!("/v1/notes/{}/comments/{}", comment["note_id"], comment["uuid"].as_str().expect("a text"));
    world.call("DELETE", &path, None);
    run(&["snapshot", "--full"]);
    run(&["restore", &goal, "--yes"]);
    assert_eq!(comments(), before);
    // The comment's note did not change, and the sweep has not come by again.
    run(&["restore", &goal, "--yes"]);
    assert_eq!(comments(), before, "made twice");
}
