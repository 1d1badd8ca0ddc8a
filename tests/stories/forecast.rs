//! A forecast beside what the capture then costs, by the account's own meter.

use chrono::{DateTime, Utc};
use pdbak::sandbox::Options;
use serde_json::{Value, json};

use crate::support::World;

const A_DAY: u64 = 24 * 3600;

/// What a snapshot with these options is said to cost; asking spends next to nothing and captures nothing.
fn forecast(world: &World, options: &[&str]) -> Value {
    let before = (spent(world), snapshots(world));
    let output = world.pdbak(&[&["snapshot", "--forecast", "--json"], options].concat());
    assert_eq!(output.code, 0, "{}", output.stderr);
    let forecast = output.json();
    let asked = spent(world) - before.0;
    assert_eq!(forecast["asking"]["tokens"], json!(asked));
    assert!(asked <= 2 || forecast["by_snapshot"].is_null() && asked <= 250, "{asked} tokens for asking");
    assert_eq!(snapshots(world), before.1);
    forecast
}

/// What it does cost, and how it ends.
fn cost(world: &World, options: &[&str]) -> (u64, i32) {
    let before = spent(world);
    let output = world.pdbak(&[&["snapshot", "--json"], options].concat());
    assert!(matches!(output.code, 0 | 3 | 4), "{}", output.stderr);
    // Who the token is was asked by the forecast, too.
    (spent(world) - before - 2, output.code)
}

fn spent(world: &World) -> u64 {
    world.meter()["tokens"].as_u64().expect("tokens")
}

fn snapshots(world: &World) -> usize {
    world.pdbak(&["snapshots", "--json"]).json().as_array().expect("snapshots").len()
}

fn tokens(forecast: &Value, field: &str) -> u64 {
    forecast[field].as_u64().expect("tokens")
}

fn assert_is_near(forecast: &Value, cost: u64, what: &str) {
    let told = tokens(forecast, "tokens");
    eprintln!("{what}: {told} tokens forecast, {cost} spent");
    assert!(told.abs_diff(cost) * 10 <= cost, "{what}: {told} forecast, {cost} spent: {forecast}");
}

fn world(records: u64) -> World {
    let world = World::of(records);
    assert_eq!(world.pdbak(&["init", "--no-encryption"]).code, 0);
    world
}

#[test]
fn the_forecast_of_an_unchanged_account_is_what_it_then_costs() {
    let world = world(3_000);
    cost(&world, &["--budget", "all", "--sweep", "all"]);
    for options in [
        &["--budget", "all"][..],
        &[],
        &["--sweep", "0"],
        &["--sweep", "20", "--budget", "all"],
        &["--object", "NoteComments", "--object", "Deals", "--sweep", "5"],
        &["--no-contents", "--budget", "3000"],
        &["--full", "--budget", "all"],
        &["--full", "--no-contents", "--suppress-extended", "--budget", "all"],
    ] {
        let told = forecast(&world, options);
        assert_eq!(told["at_most"], Value::Null, "what changed comes on top");
        assert_is_near(&told, cost(&world, options).0, &options.join(" "));
    }
}

#[test]
fn what_costs_a_call_for_each_record_is_forecast_before_it_is_asked_for() {
    let world = world(1_000);
    cost(&world, &["--budget", "all", "--sweep", "all"]);
    for options in [&["--changelogs", "--budget", "all"][..], &["--with", "ProjectPlans", "--budget", "all"]] {
        assert_is_near(&forecast(&world, options), cost(&world, options).0, options[0]);
    }
}

#[test]
fn a_first_forecast_says_at_least_what_it_cannot_know_and_names_the_objects() {
    for records in [500, 6_000] {
        let world = world(records);
        let options = &["--budget", "all", "--sweep", "all"][..];
        let told = forecast(&world, options);
        let (cost, _) = cost(&world, options);
        eprintln!("first of {records}: {} forecast, not less than {}, {cost} spent", told["tokens"], told["at_least"]);
        assert!(tokens(&told, "at_least") <= cost, "{told}");
        assert!(tokens(&told, "tokens").abs_diff(cost) * 4 <= cost, "{cost}: {told}");
        let leads = &told["objects"]["Leads"];
        assert!(leads["basis"] == "at_least" && leads["reason"].as_str().expect("why").starts_with("at least"));
        assert!(told["objects"]["Deals"]["basis"] == if records > 2_000 { "counted" } else { "known" }, "{told}");
    }
}

#[test]
fn an_unfinished_capture_is_forecast_by_what_is_left_of_it() {
    let world = world(1_000);
    let options = &["--budget", "3000", "--sweep", "all"][..];
    assert_eq!(cost(&world, options).1, 4);
    let rest = &["--budget", "all", "--sweep", "all"][..];
    let told = forecast(&world, rest);
    assert_eq!(told["goes_on"], true);
    assert_is_near(&told, cost(&world, rest).0, "the rest");
}

#[test]
fn the_day_on_which_a_long_capture_ends_is_told_beforehand() {
    let daily_tokens = 3_000;
    let world = World::with(Options { records: 1_000, daily_tokens, ..Options::default() });
    assert_eq!(world.pdbak(&["init", "--no-encryption"]).code, 0);
    let options = &["--budget", "80%", "--sweep", "all"][..];
    let told = forecast(&world, options);
    assert_eq!((&told["today"]["limit"], &told["today"]["budget_a_day"]), (&json!(daily_tokens), &json!(2_400)));
    let text = world.pdbak(&[&["snapshot", "--forecast"], options].concat()).stdout;
    assert!(text.contains("run \"pdbak snapshot\" again each day") && text.contains("stay untouched"), "{text}");
    let now = world.account().now();
    let mut days = 1;
    let mut before = spent(&world);
    while cost(&world, options).1 == 4 {
        // The reserve is never touched.
        assert!(spent(&world) - before <= daily_tokens * 8 / 10, "{} on day {days}", spent(&world) - before);
        before = spent(&world);
        world.advance_seconds(A_DAY);
        days += 1;
        assert!(days < 20, "it does not come to an end");
    }
    let ends: DateTime<Utc> = told["ends"].as_str().expect("a time").parse().expect("a time");
    assert_eq!(tokens(&told, "days"), days, "{told}");
    assert_eq!((ends.date_naive() - now.date_naive()).num_days() as u64, days - 1);
}
