//! A restore with the account's webhooks out of the way: nothing is delivered meanwhile, and they come back.

use pdbak::account::{Allowance, Consent};
use pdbak::monitor::Silent;
use pdbak::restore::{self, Action, Journal, Policy, Site};
use serde_json::json;

use super::restore::{clock, planned, replayed, total, vandalise};
use super::restore_settings::said;
use crate::support::World;

/// What makes a webhook the same one.
const FIELDS: &[&str] = &["name", "subscription_url", "event_action", "event_object", "user_id", "version"];

fn webhooks(world: &World) -> Vec<String> {
    said(&world.judge(), "Webhooks", FIELDS)
}

fn policy() -> Policy {
    Policy { pause_webhooks: true, ..Policy::default() }
}

#[test]
fn webhooks_are_gone_while_a_restore_writes_and_back_when_it_is_over() {
    let world = World::of(300);
    let goal = world.snapshot();
    vandalise(&world);
    let before = webhooks(&world);
    let plan = planned(&world, &goal, &policy());
    let archive = world.archive();
    let mut journal = Journal::create(&archive, &plan, clock()).expect("a journal");
    let account = world.account_with(Allowance::Tokens(200));
    let writer = account.writer(&Consent::given());
    let site = Site { account: &account, writer: &writer, archive: &archive };
    let stopped = world.run(restore::replay(&plan, &mut journal, &site, &Silent)).expect("a replay");
    drop(journal);
    assert!(stopped.done > before.len() && stopped.done < stopped.steps, "{} of {}", stopped.done, stopped.steps);
    assert_eq!(webhooks(&world), Vec::<String>::new());
    assert!(total(&replayed(&world, &plan)).is_clean());
    assert_eq!(webhooks(&world), before);
}

#[test]
fn paused_webhooks_are_the_same_ones_afterwards_also_those_the_snapshot_does_not_know() {
    let world = World::of(300);
    drop(world.archive());
    let goal = world.snapshot();
    vandalise(&world);
    let late = json!({"subscription_url": "http://127.0.0.1:9/late", "event_action": "*", "event_object": "*",
        "name": "late", "http_auth_user": "me", "http_auth_password": "secret"});
    world.call("POST", "/v1/webhooks", Some(&late));
    let before = webhooks(&world);
    let ran = world.pdbak(&["restore", goal.id.short(), "--object", "Deals", "--pause-webhooks", "--yes"]);
    let told = format!("{}{}", ran.stdout, ran.stderr);
    assert_eq!(ran.code, 0, "{told}");
    let pauses = told.lines().any(|line| line.contains(" pause ") && line.ends_with("Webhooks 4"));
    assert!(pauses && !told.contains("4 webhooks"), "{told}");
    assert_eq!(webhooks(&world), before);
    // A snapshot finds the late one new and none gone.
    let seen = world.snapshot();
    let changes = world.pdbak(&["diff", goal.id.short(), seen.id.short(), "--object", "Webhooks", "--stat"]);
    assert!(changes.stdout.contains("1") && !changes.stdout.contains("4"), "{}", changes.stdout);

    let undone = world.pdbak(&["undo", "latest", "--yes"]);
    assert_eq!(undone.code, 0, "{}{}", undone.stdout, undone.stderr);
    assert_eq!(webhooks(&world), before);
}

#[test]
fn a_webhook_that_cannot_be_removed_is_not_made_a_second_time() {
    let world = World::of(300);
    let goal = world.snapshot();
    vandalise(&world);
    let before = webhooks(&world);
    let plan = planned(&world, &goal, &policy());
    let removes = |step: &&pdbak::restore::Step| {
        matches!(step.action, Action::Delete { .. }) && step.record().object.as_str() == "webhooks"
    };
    let removed = plan.steps().iter().filter(removes).count();
    assert_eq!(removed, before.len());
    assert_eq!(plan.side_effects().webhooks, 0);
    world.order(&["DELETE /*webhooks/* times=1 status=403"]);
    let report = replayed(&world, &plan).report.expect("a report");
    assert_eq!(webhooks(&world), before);
    assert_eq!(report.total.failed, 1, "{:?}", report.findings);
}
