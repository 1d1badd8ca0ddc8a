//! A restore that the budget spreads over days: it says so beforehand, stops cleanly, and goes on the next day.

use pdbak::sandbox::Options;
use serde_json::{Value, json};

use super::capture::ids;
use crate::support::World;

const RECORDS: u64 = 600;
const A_DAY: u64 = 24 * 3600;
/// Tokens a run may spend: about half of what the plan costs.
const A_RUN: &str = "250";

fn titles(world: &World) -> Vec<Value> {
    let judge = world.judge();
    judge["Deals"].as_array().expect("deals").iter().map(|row| row["title"].clone()).collect()
}

/// How often a deal was written.
fn writes(world: &World) -> u64 {
    world.meter()["by_endpoint"]["PATCH /api/v2/deals/{id}"]["requests"].as_u64().expect("a number")
}

#[test]
fn what_costs_more_than_a_day_allows_is_restored_over_several_days_each_write_once() {
    let price = World::of(RECORDS).snapshot().tokens;
    let world = World::with(Options { records: RECORDS, daily_tokens: price * 2, ..Options::default() });
    drop(world.archive());
    let before = titles(&world);
    world.snapshot();
    world.advance_seconds(A_DAY);
    let deals = ids(&world, "Deals");
    for deal in &deals {
        world.call("PATCH", &format!("/api/v2/deals/{deal}"), Some(&json!({"title": "import"})));
    }
    world.advance_seconds(A_DAY);
    let written = writes(&world);

    let plan = world.pdbak(&["restore", "latest", "--object", "Deals", "--dry-run", "--budget", "all"]);
    assert_eq!(plan.code, 0, "{}", plan.stderr);
    assert!(!plan.stdout.contains("  takes "), "{}", plan.stdout);
    let name = plan.stdout.split_whitespace().nth(1).expect("the plan's id").to_owned();
    let plan = world.pdbak(&["restore", "--from-plan", &name, "--dry-run", "--budget", A_RUN]);
    let told =
        plan.stdout.lines().find(|line| line.starts_with("  takes ")).unwrap_or_else(|| panic!("{}", plan.stdout));
    assert!(told.contains(" days: ") && told.contains(" today, up to 250 a day afterwards; "), "{told}");

    world.advance_seconds(A_DAY);
    let mut days = vec![world.pdbak(&["restore", "--from-plan", &name, "--yes", "--budget", A_RUN])];
    while days.last().is_some_and(|day| day.code == 4) && days.len() < 10 {
        let day = days.last().expect("a day");
        assert!(day.stderr.contains("run \"pdbak restore --resume --yes\" after "), "{}", day.stderr);
        world.advance_seconds(A_DAY);
        days.push(world.pdbak(&["restore", "--resume", "--yes", "--budget", A_RUN]));
    }
    let last = days.last().expect("a day");
    assert_eq!(last.code, 0, "{}", last.stderr);
    assert!(days.len() > 1, "one day was enough: {told}");
    assert_eq!(titles(&world), before);
    assert_eq!(writes(&world) - written, deals.len() as u64, "what was done the day before is not done again");
}
