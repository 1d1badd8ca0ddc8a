//! Restores of a plan of two hundred steps and more with random faults in their way: nothing twice, nothing lost.
//!
//! `PDBAK_FAULTS=500 cargo test --test tests histories::faults` has so many strike; fewer do when nobody asks.

use pdbak::account::{Allowance, Consent};
use pdbak::monitor::Silent;
use pdbak::restore::{self, Journal, Policy, Site};
use serde_json::{Value, json};

use super::dice::Dice;
use super::number;
use super::play::{Calamity, closely, fault};
use super::truth::Heirs;
use super::verdict::Seen;
use crate::stories::restore::{clock, living, planned_from, vandalise};
use crate::stories::restore_settings::unsettle;
use crate::support::World;

/// Faults that strike when nobody asks for more.
const STRUCK: u64 = 30;

/// Faults under way at the same time: more, and no request would come through.
const AT_ONCE: usize = 30;

/// The fewest steps of a plan.
const STEPS: usize = 200;

/// An accident that takes a plan of more than two hundred steps to mend.
pub(crate) fn large_accident(world: &World) {
    vandalise(world);
    unsettle(world);
    for kind in ["organizations", "persons", "deals"] {
        let list = world.call("GET", &format!("/api/v2/{kind}?limit=500"), None);
        for row in list["data"].as_array().expect("rows").iter().step_by(4) {
            if kind == "deals" {
                hide(world, &row["id"]);
            }
            world.attempt("DELETE", &format!("/api/v2/{kind}/{}", row["id"]), None);
        }
    }
    let junk = json!({"title": "junk", "value": 3});
    for _ in 0..5 {
        world.call("POST", "/api/v2/deals", Some(&junk));
    }
}

/// Adds to a deal what nobody sees once it is deleted.
fn hide(world: &World, deal: &Value) {
    let first = |path: &str| world.call("GET", path, None)["data"][0]["id"].clone();
    let line = json!({"product_id": first("/api/v2/products?limit=1"), "item_price": 7, "quantity": 1});
    world.attempt("POST", &format!("/api/v2/deals/{deal}/products"), Some(&line));
    let person = json!({"person_id": first("/api/v2/persons?limit=1")});
    world.attempt("POST", &format!("/v1/deals/{deal}/participants"), Some(&person));
}

#[test]
fn whatever_the_wire_does_a_restore_makes_no_record_twice_and_leaves_none_out() {
    let wanted = number("PDBAK_FAULTS").unwrap_or(STRUCK);
    let mut dice = Dice::of(number("PDBAK_HISTORY_SEED").unwrap_or(1));
    let (mut struck, mut restores) = (0, 0);
    while struck < wanted {
        let world = World::with(pdbak::sandbox::Options {
            records: 260,
            seed: dice.next() % 1_000,
            assume: (*dice.pick(&["undelete=no", "odd=yes", "undelete=v1put"]).expect("one")).parse().expect("answers"),
            ..Default::default()
        });
        let goal = world.snapshot();
        let truth = world.judge();
        large_accident(&world);
        let policy = Policy { delete_added: true, ..Policy::default() };
        let before = world.judge();
        let plan = planned_from(&world, &goal, &policy, &closely());
        assert!(plan.steps.len() >= STEPS, "{} steps", plan.steps.len());
        let orders: Vec<String> = (0..AT_ONCE.min((wanted - struck) as usize)).map(|_| fault(&mut dice, 150)).collect();
        let ordered: u64 = orders.iter().map(|order| times(order)).sum();
        let calamity = Calamity { orders, deaths: Vec::new() };
        let (replayed, lives, left) = calamity.survived(&world, &plan);
        let report = replayed.report.expect("a report");
        let after = world.judge();
        let (heirs, report) = (&Heirs::new(), &report);
        let seen = Seen { goal: &truth, before: &before, after: &after, policy: &policy, plan: &plan, report, heirs };
        assert_eq!(seen.faults(&seen.places()), Vec::<String>::new(), "{calamity:?}");
        struck += ordered - left;
        restores += 1;
        eprintln!("{struck} faults in {restores} restores; {} steps, {lives} lives", plan.steps.len());
    }
}

/// How often an order strikes.
fn times(order: &str) -> u64 {
    let word = order.split_whitespace().find_map(|word| word.strip_prefix("times="));
    word.and_then(|times| times.parse().ok()).unwrap_or(1)
}

#[test]
fn creations_whose_answers_are_all_lost_together_are_found_together() {
    for assume in ["undelete=no", "undelete=no,odd=no"] {
        let assume = assume.parse().expect("answers");
        let world = World::with(pdbak::sandbox::Options { records: 260, assume, ..Default::default() });
        let goal = world.snapshot();
        let truth = world.judge();
        large_accident(&world);
        let policy = Policy { delete_added: true, ..Policy::default() };
        let before = world.judge();
        let plan = planned_from(&world, &goal, &policy, &closely());
        // Every answer to a creation, however many are under way.
        let calamity = Calamity { orders: vec!["POST * times=100000 lose-answer".to_owned()], deaths: Vec::new() };
        let (replayed, _, _) = calamity.survived(&world, &plan);
        let report = replayed.report.expect("a report");
        assert!(report.total.is_clean(), "{:?}", report.findings);
        let after = world.judge();
        let (heirs, report) = (&Heirs::new(), &report);
        let seen = Seen { goal: &truth, before: &before, after: &after, policy: &policy, plan: &plan, report, heirs };
        assert_eq!(seen.faults(&seen.places()), Vec::<String>::new());
    }
}

#[test]
fn a_journal_that_is_being_replayed_is_nobody_elses() {
    let world = World::of(150);
    let goal = world.snapshot();
    vandalise(&world);
    let plan = planned_from(&world, &goal, &Policy::default(), &closely());
    let archive = world.archive();
    let mut journal = Journal::create(&archive, &plan, clock()).expect("a journal");
    let name = plan.digest()[..16].to_owned();
    let account = world.account_with(Allowance::Unlimited);
    let writer = account.writer(&Consent::given());
    let site = Site { account: &account, writer: &writer, archive: &archive };
    let second = || world.pdbak(&["restore", "--from-plan", &name, "--yes"]);
    // While somebody writes to the account, nobody else does.
    let held = archive.turn().expect("nobody writes yet");
    let refused = second();
    assert_eq!(refused.code, 11, "{}{}", refused.stdout, refused.stderr);
    drop(held);
    let (mut stale, _) = Journal::resume(&archive, &name, clock()).expect("a journal");
    let replayed = world.run(restore::replay(&plan, &mut journal, &site, &Silent)).expect("a replay");
    assert!(replayed.report.expect("a report").total.is_clean());
    let after = living(&world);
    // Who had opened the journal before knows nothing of what took place since, and may not go on.
    let refused = world.run(restore::replay(&plan, &mut stale, &site, &Silent));
    assert!(matches!(refused, Err(restore::Error::WentOn { .. })), "{refused:?}");
    let second = second();
    assert_eq!(second.code, 0, "{}{}", second.stdout, second.stderr);
    assert_eq!(living(&world), after);
}
