//! What goes wrong while an account is read: a clear error or a recorded gap, and what was not seen is never "deleted".

use pdbak::archive::{Contents, Coverage};
use pdbak::capture::{Outcome, Wanted};
use pdbak::monitor::Silent;
use pdbak::sandbox::Options;

use super::capture::ids;
use crate::support::{World, assert_holds_the_truth, contents};

#[test]
fn errors_limits_and_cut_streams_in_between_do_not_show_in_the_snapshot() {
    let world = World::of(1_000);
    world.order(&[
        "GET /api/v2/deals status=500",
        "GET /api/v2/persons status=503",
        "GET /api/v2/organizations status=429 retry-after=0",
        "GET /api/v2/activities cut=200",
        "GET /api/v2/products malformed",
    ]);
    let first = world.snapshot();
    let complete = |seen: &Contents| !matches!(seen.coverage, Coverage::Part { .. }) && seen.gaps.is_empty();
    assert!(first.contents.iter().all(complete));
    assert_holds_the_truth(&world, &first);
}

#[test]
fn a_list_that_answers_no_list_is_read_in_part_and_nothing_of_it_is_deleted() {
    for fault in ["html", "malformed", "cut=100", "status=400", "status=500 retry-after=0"] {
        let world = World::of(500);
        let first = world.snapshot();
        let person = ids(&world, "Persons")[0];
        world.call("DELETE", &format!("/api/v2/persons/{person}"), None);
        world.order(&[&format!("GET /api/v2/persons times=1000 {fault}")]);
        let next = world.snapshot();
        let seen = contents(&next, "persons");
        assert!(
            matches!(seen.coverage, Coverage::Part { .. } | Coverage::NotOffered { .. }),
            "{fault}: {:?}",
            seen.coverage
        );
        assert_eq!((seen.records, seen.deleted), (contents(&first, "persons").records, 0), "{fault}");
        assert_eq!(contents(&next, "personFollowers").deleted, 0, "{fault}");
        assert_eq!(contents(&next, "deals").coverage, Coverage::Whole, "{fault}");
        // Once it answers again, the truth is found out.
        world.clear_faults();
        let after = world.snapshot();
        assert_eq!(contents(&after, "persons").deleted, 1, "{fault}");
        assert_holds_the_truth(&world, &after);
    }
}

#[test]
fn an_object_the_account_does_not_offer_is_not_deleted() {
    let world = World::of(500);
    let first = world.snapshot();
    world.order(&["GET /v1/webhooks times=1000 status=402", "GET /api/v1/webhooks times=1000 status=402"]);
    let next = world.snapshot();
    let seen = contents(&next, "webhooks");
    assert!(matches!(seen.coverage, Coverage::NotOffered { .. }), "{:?}", seen.coverage);
    assert_eq!((seen.records, seen.deleted), (contents(&first, "webhooks").records, 0));
}

#[test]
fn a_page_that_repeats_records_changes_nothing() {
    let world = World::of(500);
    world.order(&["GET /api/v2/deals times=3 repeat-page", "GET /v1/notes times=3 repeat-page"]);
    assert_holds_the_truth(&world, &world.snapshot());
}

#[test]
fn a_row_that_is_no_record_is_a_gap_and_may_be_any_of_those_that_seem_to_be_missing() {
    for fault in ["no-id", "wrong-type"] {
        let world = World::of(500);
        let first = world.snapshot();
        world.order(&[&format!("GET /api/v2/organizations times=1 {fault}")]);
        let next = world.snapshot();
        let seen = contents(&next, "organizations");
        assert_eq!(seen.gaps.len(), 1, "{fault}");
        assert!(seen.gaps[0].starts_with("row 1 of page 1 has "), "{}", seen.gaps[0]);
        assert!(matches!(seen.coverage, Coverage::Part { .. }));
        assert_eq!((seen.records, seen.deleted), (contents(&first, "organizations").records, 0), "{fault}");
        assert_eq!(contents(&next, "organizationFollowers").deleted, 0, "{fault}");
        assert_holds_the_truth(&world, &world.snapshot());
    }
}

#[test]
fn a_download_that_fails_is_a_gap_and_is_made_up_for_the_next_time() {
    let world = World::of(1_000);
    let file = ids(&world, "Files")[0];
    world.order(&[&format!("GET /*files/{file}/download times=100 status=404")]);
    let first = world.snapshot();
    let seen = contents(&first, "fileContents");
    assert_eq!(seen.gaps.len(), 1, "{:?}", seen.gaps);
    assert!(matches!(seen.coverage, Coverage::Part { .. }));
    world.clear_faults();
    let next = contents(&world.snapshot(), "fileContents").clone();
    assert_eq!((next.new, next.gaps.len(), next.coverage), (1, 0, Coverage::Whole));
}

#[test]
fn a_capture_whose_budget_is_spent_goes_on_the_next_day() {
    let world = World::with(Options { records: 1_000, daily_tokens: 700, ..Options::default() });
    let mut days = 1;
    let manifest = loop {
        match world.capture(&Wanted { sweep: 100, ..Wanted::default() }, &Silent).expect("no error") {
            Outcome::Finished(manifest) => break manifest,
            Outcome::Paused { .. } => days += 1,
        }
        assert!(days < 60, "it does not come to an end");
        world.advance_seconds(24 * 3600);
    };
    assert!(days > 1);
    assert_holds_the_truth(&world, &manifest);
}

#[test]
fn a_capture_that_is_killed_at_any_page_goes_on_where_it_stood() {
    let world = World::of(1_000);
    let mut pages = 1;
    while !world.capture_until_page(pages) {
        pages += 3;
        assert!(pages < 2_000, "it does not come to an end");
    }
    let archive = world.archive();
    let manifest = archive.snapshots().expect("snapshots").pop().expect("one");
    assert_holds_the_truth(&world, &manifest);
    let mut problems = Vec::new();
    archive.check(true, &mut |problem| problems.push(problem.text)).expect("a check");
    assert_eq!(problems, Vec::<String>::new());
}
