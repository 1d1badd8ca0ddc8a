//! A first capture that the budget spreads over several days: each day leaves a snapshot that is usable and says what it lacks.

use pdbak::archive::{Coverage, Manifest};
use pdbak::capture::{NOT_READ, Outcome, Wanted};
use pdbak::monitor::Silent;
use pdbak::sandbox::Options;
use serde_json::{Value, json};

use super::capture::ids;
use crate::support::{Output, World, assert_holds_the_truth, contents};

const RECORDS: u64 = 1_000;
const A_DAY: u64 = 24 * 3600;

/// What a first capture costs where there is no need to stop.
fn price() -> u64 {
    World::of(RECORDS).snapshot().tokens
}

/// A company that allows so many hundredths of the price a day.
fn scarce(price: u64, percent: u64) -> World {
    let daily_tokens = price * percent / 100;
    World::with(Options { records: RECORDS, daily_tokens, ..Options::default() })
}

/// Captures until the budget is spent, and what that leaves.
fn stopped(world: &World) -> Option<Manifest> {
    match world.capture(&everything(), &Silent).expect("no error") {
        Outcome::Paused { partial, .. } => partial.map(|partial| *partial),
        Outcome::Finished(_) => panic!("the budget was enough"),
    }
}

/// Captures day after day to the end; the partial snapshots and the last one.
fn to_the_end(world: &World) -> (Vec<Manifest>, Manifest) {
    let mut partials = Vec::new();
    for _ in 0..20 {
        match world.capture(&everything(), &Silent).expect("no error") {
            Outcome::Finished(manifest) => return (partials, manifest),
            Outcome::Paused { partial, .. } => partials.extend(partial.map(|partial| *partial)),
        }
        world.advance_seconds(A_DAY);
    }
    panic!("it does not come to an end");
}

/// Everything at once, so that nothing goes by turns and the end is the whole truth.
fn everything() -> Wanted {
    Wanted { sweep: 100, ..Wanted::default() }
}

/// That each object says truly how far it was read; how many were not.
fn assert_is_honest(world: &World, partial: &Manifest) -> usize {
    assert!(partial.is_unfinished());
    for seen in &partial.contents {
        if seen.coverage == (Coverage::Part { reason: NOT_READ.to_owned() }) {
            assert_eq!(seen.records, 0, "{}", seen.object);
        }
        assert_eq!((seen.changed, seen.deleted), (0, 0), "{}", seen.object);
    }
    let deals = contents(partial, "deals");
    if deals.coverage == Coverage::Whole {
        assert_eq!(deals.records, ids(world, "Deals").len() as u64);
    }
    partial.contents.iter().filter(|seen| matches!(seen.coverage, Coverage::Part { .. })).count()
}

fn assert_is_sound(world: &World) {
    let mut problems = Vec::new();
    world.archive().check(true, &mut |problem| problems.push(problem.text)).expect("a check");
    assert_eq!(problems, Vec::<String>::new());
}

#[test]
fn each_of_three_days_leaves_more_and_the_last_one_everything() {
    let price = price();
    let world = scarce(price, 40);
    let (partials, last) = to_the_end(&world);
    assert_eq!(partials.len(), 2, "two days and a bit");
    let lacking: Vec<usize> = partials.iter().map(|partial| assert_is_honest(&world, partial)).collect();
    assert!(lacking[0] > lacking[1] && lacking[1] > 0, "{lacking:?}");
    assert!(!last.is_unfinished());
    assert_holds_the_truth(&world, &last);
    assert_is_sound(&world);
    let archive = world.archive();
    assert_eq!(archive.snapshots().expect("snapshots").len(), 3);
    // Nothing is paid for twice, and each snapshot tells its own share.
    let told: u64 = partials.iter().chain([&last]).map(|manifest| manifest.tokens).sum();
    let spent = world.meter()["tokens"].as_u64().expect("tokens");
    assert!(told <= spent && spent * 100 <= price * 110, "{told} told, {spent} spent, {price} at once");
    let bytes: u64 = partials.iter().map(|manifest| manifest.bytes_added).sum();
    assert!(bytes > 0 && last.bytes_added < bytes, "{} after {bytes}", last.bytes_added);
}

#[test]
fn a_kill_on_the_second_day_costs_neither_the_first_nor_the_end() {
    let world = scarce(price(), 40);
    let first = stopped(&world).expect("a partial snapshot");
    world.advance_seconds(A_DAY);
    assert!(!world.capture_until_page(8), "it was killed");
    let newest = world.archive().snapshots().expect("snapshots").pop().expect("one");
    assert_eq!(newest.id, first.id);
    let (partials, last) = to_the_end(&world);
    for partial in &partials {
        assert_is_honest(&world, partial);
    }
    assert_holds_the_truth(&world, &last);
    assert_is_sound(&world);
}

#[test]
fn before_the_days_reset_nothing_is_added_and_right_after_it_the_capture_goes_on() {
    let world = scarce(price(), 60);
    let account = world.account();
    let (now, wanted) = (account.now(), everything());
    let Outcome::Paused { until, partial: Some(first), .. } = world.capture(&wanted, &Silent).expect("no error") else {
        panic!("no partial snapshot")
    };
    let wait = u64::try_from((until - now).num_seconds()).expect("it lies ahead");
    assert!(wait <= A_DAY, "{wait}");
    // Too early: what is left of the day is not worth another snapshot.
    assert_eq!(stopped(&world), None);
    world.advance_seconds(wait + 1);
    let last = world.snapshot_of(&everything());
    assert_eq!((last.parent.as_ref(), last.sequence), (Some(&first.id), 2));
    assert_holds_the_truth(&world, &last);
}

/// The program, day after day, until the capture is at its end; what it said each day.
fn days_of_the_program(world: &World) -> Vec<Output> {
    let mut days = Vec::new();
    while days.len() < 20 {
        let day = world.pdbak(&["snapshot", "--budget", "all", "--sweep", "all"]);
        let code = day.code;
        days.push(day);
        world.advance_seconds(A_DAY);
        match code {
            0 => return days,
            code => assert_eq!(code, 4, "{}", days[days.len() - 1].stderr),
        }
    }
    panic!("it does not come to an end");
}

#[test]
fn a_partial_snapshot_is_labelled_wherever_it_is_shown() {
    let world = scarce(price(), 40);
    assert_eq!(world.pdbak(&["init", "--no-encryption"]).code, 0);
    let days = days_of_the_program(&world);
    assert!(
        days[0].stdout.contains(" partial  ·  ") && days[0].stdout.contains("  not read yet: "),
        "{}",
        days[0].stdout
    );
    assert!(days[0].stderr.contains("goes on from here"), "{}", days[0].stderr);
    let list = world.pdbak(&["snapshots"]).stdout;
    assert_eq!(list.matches("partial: ").count(), days.len() - 1, "{list}");
    let list = world.pdbak(&["snapshots", "--json"]).json();
    let labels: Vec<Value> = list.as_array().expect("snapshots").iter().map(|one| one["partial"].clone()).collect();
    assert_eq!((&labels[0], labels.last()), (&json!(true), Some(&Value::Null)));
    let oldest = list[0]["snapshot"].as_str().expect("an id");
    let page = world.pdbak(&["show", oldest]).stdout;
    assert!(page.contains("not read yet, ") && page.contains("part: not read yet"), "{page}");
}

#[test]
fn what_a_partial_snapshot_lacks_is_neither_added_nor_deleted() {
    let world = scarce(price(), 40);
    let (partials, last) = to_the_end(&world);
    let (first, last) = (partials[0].id.to_string(), last.id.to_string());
    for [before, after] in [[&first, &last], [&last, &first]] {
        let output = world.pdbak(&["diff", before, after, "--json"]);
        assert_eq!(output.code, 0, "{}", output.stderr);
        assert_eq!(output.stdout, "", "nobody changed anything");
    }
}

#[test]
fn one_record_comes_back_from_a_partial_snapshot_which_says_what_it_lacks() {
    let world = scarce(price(), 60);
    let (partials, _) = to_the_end(&world);
    assert_eq!(contents(&partials[0], "deals").coverage, Coverage::Whole);
    let deal = ids(&world, "Deals")[3];
    let title = |world: &World| {
        let judge = world.judge();
        let deals = judge["Deals"].as_array().expect("deals").clone();
        deals.into_iter().find(|row| row["id"] == json!(deal)).expect("the deal")["title"].clone()
    };
    let before = title(&world);
    world.advance_seconds(A_DAY);
    world.call("PATCH", &format!("/api/v2/deals/{deal}"), Some(&json!({"title": "mishap"})));
    let (first, record) = (partials[0].id.to_string(), format!("deals/{deal}"));
    let output = world.pdbak(&["restore", &first, "--record", &record, "--budget", "all", "--yes"]);
    assert_eq!(output.code, 0, "{}", output.stderr);
    assert_eq!(title(&world), before);
    assert!(output.stderr.contains("is partial; not or not wholly read: "), "{}", output.stderr);
    world.advance_seconds(A_DAY);
    // What the partial snapshot had not read is not taken for added.
    let all = world.pdbak(&["restore", &first, "--delete-added", "--budget", "all", "--dry-run", "--json"]);
    assert_eq!(all.code, 0, "{}", all.stderr);
    assert!(!all.stdout.contains("\"delete\""), "{}", all.stdout);
}
