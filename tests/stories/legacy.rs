//! What the service has taken away: read where an account still answers, told as not offered where it does not.

use std::collections::BTreeMap;

use pdbak::archive::Coverage;
use pdbak::capture::Wanted;
use pdbak::restore::Policy;
use pdbak::sandbox::Options;
use serde_json::{Map, Value, json};

use super::restore::{left, planned_from, replayed, total};
use crate::support::{World, assert_holds_the_truth, contents};

const OBJECTS: [&str; 3] = ["subscriptions", "subscriptionPayments", "globalMessages"];

fn with(legacy: bool, assume: &str) -> World {
    let assume = assume.parse().expect("assumptions");
    World::with(Options { records: 1_200, legacy, assume, ..Options::default() })
}

fn living(judge: &Value, kind: &str) -> Vec<Map<String, Value>> {
    let rows = judge[kind].as_array().expect("rows").iter().filter_map(Value::as_object);
    rows.filter(|row| row.get("is_deleted") != Some(&json!(true))).cloned().collect()
}

#[test]
fn an_account_that_no_longer_answers_is_known_after_one_question_each() {
    for removed in ["404", "410"] {
        let world = with(false, &format!("removed={removed}"));
        let first = world.snapshot();
        for object in OBJECTS {
            let seen = contents(&first, object);
            assert!(matches!(seen.coverage, Coverage::NotOffered { .. }), "{object}: {:?}", seen.coverage);
            assert_eq!((seen.records, seen.gaps.len()), (0, 0), "{object}");
        }
        let log = world.call("GET", "/sandbox/log", None).as_array().expect("a log").clone();
        let asked = |word: &str| log.iter().filter(|line| line["path"].to_string().contains(word)).count();
        assert_eq!((asked("subscriptions"), asked("globalMessages")), (1, 1));
        assert_eq!(left(&world, &first, &Policy::default()), Vec::<String>::new());
    }
}

#[test]
fn what_was_answered_yesterday_and_is_404_today_is_kept_and_not_called_deleted() {
    let world = with(true, "no-subscription=404");
    let first = world.snapshot();
    assert_holds_the_truth(&world, &first);
    assert!(OBJECTS.iter().all(|object| contents(&first, object).records > 1));
    for status in [404, 410] {
        world.order(&[
            &format!("GET /api/v1/subscriptions* times=9999 status={status}"),
            &format!("GET /api/v1/globalMessages times=9999 status={status}"),
        ]);
        let second = world.snapshot_of(&pdbak::capture::Wanted { full: true, ..Default::default() });
        for object in OBJECTS {
            let (was, is) = (contents(&first, object), contents(&second, object));
            assert!(matches!(is.coverage, Coverage::NotOffered { .. }), "{object}: {:?}", is.coverage);
            assert_eq!((is.records, is.deleted), (was.records, 0), "{object}");
        }
        world.clear_faults();
    }
    // Back again, everything is compared as before.
    let third = world.snapshot_of(&pdbak::capture::Wanted { full: true, ..Default::default() });
    assert_holds_the_truth(&world, &third);
}

#[test]
fn a_deleted_subscription_is_seen_as_long_as_another_one_is_shown() {
    for answer in ["404", "null"] {
        let world = with(true, &format!("no-subscription={answer}"));
        world.snapshot();
        let subscriptions = living(&world.judge(), "Subscriptions");
        let full = pdbak::capture::Wanted { full: true, ..Default::default() };
        world.call("DELETE", &format!("/v1/subscriptions/{}", subscriptions[0]["id"]), None);
        let second = world.snapshot_of(&full);
        assert_holds_the_truth(&world, &second);
        assert_eq!(contents(&second, "subscriptions").deleted, 1);
        for row in &subscriptions[1..] {
            world.call("DELETE", &format!("/v1/subscriptions/{}", row["id"]), None);
        }
        // Nothing is shown at all: gone or taken away, nobody can tell, so nothing is called deleted.
        let third = world.snapshot_of(&full);
        assert_eq!(contents(&third, "subscriptions").deleted, 0);
        assert!(matches!(contents(&third, "subscriptions").coverage, Coverage::Part { .. }));
    }
}

/// A subscription by the title of its deal, with the payments that somebody chose.
fn said(judge: &Value) -> BTreeMap<String, String> {
    let deals: BTreeMap<String, String> =
        living(judge, "Deals").iter().map(|deal| (deal["id"].to_string(), deal["title"].to_string())).collect();
    let payments = living(judge, "SubscriptionPayments");
    let chosen = |id: &Value| -> Vec<String> {
        let own =
            payments.iter().filter(|row| row["subscription_id"] == *id && row["payment_type"] != json!("recurring"));
        let mut said: Vec<String> =
            own.map(|row| format!("{} {} {}", row["amount"], row["due_at"], row["description"])).collect();
        said.sort();
        said
    };
    let fields = ["description", "currency", "cadence_type", "cycle_amount", "cycles_count", "start_date"];
    living(judge, "Subscriptions")
        .iter()
        .map(|row| {
            let own: Vec<String> =
                fields.iter().map(|field| row.get(*field).unwrap_or(&Value::Null).to_string()).collect();
            (deals[&row["deal_id"].to_string()].clone(), format!("{own:?} {:?}", chosen(&row["id"])))
        })
        .collect()
}

#[test]
fn subscriptions_come_back_with_their_payments_and_added_messages_are_dismissed() {
    let world = with(true, "no-subscription=404");
    let judge = world.judge();
    let message = living(&judge, "GlobalMessages")[0].clone();
    let goal = world.snapshot();
    let before = said(&world.judge());
    let subscriptions = living(&judge, "Subscriptions");
    assert!(subscriptions.iter().any(|row| row.contains_key("cadence_type")));
    let change = json!({"description": "oops", "cycle_amount": 1, "effective_date": "2026-01-01"});
    for (at, row) in subscriptions.iter().enumerate() {
        let path = format!("/v1/subscriptions/{}", row["id"]);
        match (at < 2, row.contains_key("cadence_type")) {
            (true, _) => drop(world.call("DELETE", &path, None)),
            (_, true) => {
                drop(world.call("PUT", &format!("/v1/subscriptions/recurring/{}", row["id"]), Some(&change)));
            }
            _ => {}
        }
    }
    // An edit of a subscription shows nowhere but in its own answer.
    let policy = Policy { delete_added: true, ..Policy::default() };
    let plan = planned_from(&world, &goal, &policy, &Wanted { full: true, ..Wanted::default() });
    let replayed = replayed(&world, &plan);
    assert_eq!(replayed.stopped, None);
    assert!(total(&replayed).is_clean());
    assert_eq!(said(&world.judge()), before);
    // What was there stays; nothing in the plan may touch it.
    assert!(living(&world.judge(), "GlobalMessages").iter().any(|row| row["id"] == message["id"]));
    let again = planned_from(&world, &goal, &policy, &Wanted { full: true, ..Wanted::default() });
    assert!(again.is_empty(), "{again:?}");
}

#[test]
fn a_subscription_comes_back_with_its_deleted_deal_whatever_kind_it_is() {
    let world = with(true, "no-subscription=404");
    let goal = world.snapshot();
    let judge = world.judge();
    let before = said(&judge);
    for row in living(&judge, "Subscriptions") {
        world.call("DELETE", &format!("/api/v2/deals/{}", row["deal_id"]), None);
    }
    let full = Wanted { full: true, ..Wanted::default() };
    let replayed = replayed(&world, &planned_from(&world, &goal, &Policy::default(), &full));
    assert!(total(&replayed).is_clean(), "{:?}", replayed.report);
    assert_eq!(said(&world.judge()), before);
}
