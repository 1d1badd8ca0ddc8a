//! Mail: captured cheaply, damaged, linked and marked again; what cannot come back is told.

use pdbak::archive::{Coverage, Manifest};
use pdbak::capture::Wanted;
use pdbak::catalogue::{self, Object, ObjectName};
use pdbak::restore::Policy;
use pdbak::sandbox::Options;
use serde_json::{Value, json};

use super::capture::ids;
use super::restore::{left, planned, replayed, total};
use crate::support::{World, assert_holds_the_truth, contents};

const MAIL: [&str; 5] =
    ["mailThreads", "mailMessages", "dealMailMessages", "personMailMessages", "organizationMailMessages"];

fn object(name: &str) -> &'static Object {
    catalogue::find(&ObjectName::new(name)).expect("an object")
}

fn only(names: &[&str]) -> Wanted {
    Wanted { objects: names.iter().map(|name| object(name)).collect(), ..Wanted::default() }
}

fn world(assume: &str) -> World {
    World::with(Options { records: 600, assume: assume.parse().expect("assumptions"), ..Options::default() })
}

/// Living threads of the token's user.
fn threads(world: &World) -> Vec<Value> {
    let judge = world.judge();
    let me =
        judge["Users"].as_array().expect("rows").iter().find(|user| user["is_you"] == true).expect("one")["id"].clone();
    let rows = judge["MailThreads"].as_array().expect("rows").iter();
    rows.filter(|row| row["user_id"] == me && row["is_deleted"] != true).cloned().collect()
}

fn thread(world: &World, id: &Value) -> Value {
    threads(world).into_iter().find(|thread| thread["id"] == *id).expect("it is alive")
}

fn put(world: &World, thread: &Value, body: Value) {
    world.call("PUT", &format!("/v1/mailbox/mailThreads/{}", thread["id"]), Some(&body));
}

/// Requests that the mail service answered so far, by endpoint.
fn asked(world: &World, part: &str) -> u64 {
    let meter = world.meter();
    let endpoints = meter["by_endpoint"].as_object().expect("endpoints");
    let matching = endpoints.iter().filter(|(name, _)| name.contains(part));
    matching.map(|(_, told)| told["requests"].as_u64().unwrap_or_default()).sum()
}

fn news(manifest: &Manifest, object: &str) -> (u64, u64, u64) {
    let contents = contents(manifest, object);
    (contents.new, contents.changed, contents.deleted)
}

#[test]
fn a_mailbox_is_captured_whole_and_looked_at_again_for_a_page_a_folder() {
    for assume in ["mail-pages=told", "mail-pages=silent,record-mail-pages=wrapped"] {
        let world = world(assume);
        let first = world.snapshot();
        assert_holds_the_truth(&world, &first);
        assert!(MAIL.iter().all(|object| contents(&first, object).coverage == Coverage::Whole));
        assert_eq!(first.notes["only"]["mailThreads"], "only your own mailbox");
        world.call("DELETE", "/sandbox/meter", None);
        let second = world.snapshot();
        assert!(MAIL.iter().all(|object| news(&second, object) == (0, 0, 0)));
        assert_eq!((asked(&world, "mailThreads"), asked(&world, "mailMessages")), (4, 0), "{assume}");
    }
}

#[test]
fn a_reply_and_a_new_thread_cost_their_messages_and_no_others() {
    let world = world("");
    world.snapshot();
    let old = threads(&world).swap_remove(0);
    world.call("POST", "/sandbox/mail", Some(&json!({"thread_id": old["id"]})));
    world.call("POST", "/sandbox/mail", Some(&json!({"count": 1})));
    world.call("DELETE", "/sandbox/meter", None);
    let second = world.snapshot_of(&only(&["mailThreads", "mailMessages"]));
    assert_eq!((news(&second, "mailThreads"), news(&second, "mailMessages")), ((1, 1, 0), (2, 0, 0)));
    assert_eq!((asked(&world, "mailThreads/{id}/mailMessages"), asked(&world, "mailbox/mailMessages/{id}")), (2, 2));
}

#[test]
fn an_edited_deal_is_not_asked_for_its_mails_and_one_with_more_of_them_is() {
    let world = world("");
    let first = world.snapshot();
    for deal in ids(&world, "Deals") {
        world.call("PATCH", &format!("/api/v2/deals/{deal}"), Some(&json!({"expected_close_date": "2027-01-01"})));
    }
    let linked = threads(&world).into_iter().find(|thread| thread["deal_id"].is_number()).expect("a linked thread");
    world.call("POST", "/sandbox/mail", Some(&json!({"thread_id": linked["id"]})));
    world.call("DELETE", "/sandbox/meter", None);
    let second = world.snapshot();
    assert!(contents(&second, "deals").changed > 50 && contents(&first, "dealMailMessages").records > 5);
    assert_eq!((news(&second, "dealMailMessages"), asked(&world, "deals/{id}/mailMessages")), ((1, 0, 0), 1));
    assert_holds_the_truth(&world, &second);
}

#[test]
fn a_thread_that_moves_is_changed_and_one_that_is_deleted_is_gone_with_its_messages() {
    let world = world("");
    world.snapshot();
    let inbox: Vec<Value> =
        threads(&world).into_iter().filter(|thread| thread["folders"].to_string().contains("inbox")).collect();
    put(&world, &inbox[0], json!({"archived_flag": 1}));
    world.call("DELETE", &format!("/v1/mailbox/mailThreads/{}", inbox[1]["id"]), None);
    let second = world.snapshot();
    assert_eq!(news(&second, "mailThreads"), (0, 1, 1));
    let (new, _, deleted) = news(&second, "mailMessages");
    assert_eq!((new, json!(deleted)), (0, inbox[1]["message_count"].clone()));
    assert_holds_the_truth(&world, &second);
}

#[test]
fn what_another_user_s_token_does_not_show_is_not_gone() {
    let world = world("");
    let first = world.snapshot();
    let users = ids(&world, "Users");
    let me = world.call("GET", "/v1/users/me", None)["data"]["id"].as_u64().expect("an id");
    let other = *users.iter().find(|user| **user != me).expect("a colleague");
    world.call("POST", "/sandbox/user", Some(&json!({"id": other})));
    let second = world.snapshot();
    assert_eq!((news(&second, "mailThreads").2, news(&second, "mailMessages").2), (0, 0));
    // Back at the first desk: what is the other's stays, what is one's own is judged again.
    world.call("POST", "/sandbox/user", Some(&json!({"id": me})));
    let gone = threads(&world).into_iter().find(|thread| thread["user_id"] == me).expect("a thread");
    world.call("DELETE", &format!("/v1/mailbox/mailThreads/{}", gone["id"]), None);
    let third = world.snapshot_of(&Wanted { full: true, ..Wanted::default() });
    assert_eq!(news(&third, "mailThreads"), (0, 0, 1));
    assert_eq!(contents(&third, "mailThreads").records, contents(&second, "mailThreads").records - 1);
    assert!(contents(&second, "mailThreads").records > contents(&first, "mailThreads").records);
    assert_eq!(json!(news(&third, "mailMessages").2), gone["message_count"]);
}

#[test]
fn a_dear_mailbox_is_looked_at_from_both_ends_until_something_moved() {
    // With so few tokens a day, walking the mailbox costs more than a fiftieth of what is left.
    let world = World::with(Options { records: 600, daily_tokens: 8_000, ..Options::default() });
    world.call("POST", "/sandbox/mail", Some(&json!({"count": 4_200})));
    let wanted = only(&["mailThreads"]);
    let first = world.snapshot_of(&wanted);
    let second = world.snapshot_of(&wanted);
    assert_eq!(news(&second, "mailThreads"), (0, 0, 0));
    assert!(second.tokens * 2 < first.tokens, "{} of {}", second.tokens, first.tokens);
    assert_eq!(contents(&second, "mailThreads").deletions_seen_at, contents(&first, "mailThreads").deletions_seen_at);
    let oldest = threads(&world).swap_remove(3);
    world.advance_seconds(60);
    world.call("POST", "/sandbox/mail", Some(&json!({"thread_id": oldest["id"]})));
    let third = world.snapshot_of(&wanted);
    assert_eq!((news(&third, "mailThreads"), third.tokens < first.tokens / 2), ((0, 1, 0), true));
    let middle = threads(&world).swap_remove(2_000);
    world.call("DELETE", &format!("/v1/mailbox/mailThreads/{}", middle["id"]), None);
    let fourth = world.snapshot_of(&wanted);
    assert_eq!(news(&fourth, "mailThreads"), (0, 0, 1));
    assert_eq!(contents(&fourth, "mailThreads").records, threads(&world).len() as u64);
}

#[test]
fn a_thread_that_vanishes_between_its_list_and_its_messages_is_a_gap_and_asked_for_alone() {
    let world = world("");
    world.order(&["GET /api/v1/mailbox/mailThreads/*/mailMessages after=3 times=1 status=404"]);
    world.order(&["GET /api/v1/mailbox/mailMessages/* after=5 times=1 status=404"]);
    let wanted = only(&["mailThreads", "mailMessages"]);
    let first = world.snapshot_of(&wanted);
    let seen = contents(&first, "mailMessages");
    assert!(
        matches!(&seen.coverage, Coverage::Part { reason } if reason == "2 could not be read"),
        "{:?}",
        seen.coverage
    );
    assert_eq!(seen.gaps.len(), 2);
    world.call("DELETE", "/sandbox/meter", None);
    let second = world.snapshot_of(&wanted);
    assert_eq!(contents(&second, "mailMessages").coverage, Coverage::Whole);
    assert!(asked(&world, "mailThreads/{id}/mailMessages") <= 2);
    assert_eq!(contents(&second, "mailMessages").deleted, 0);
}

/// A company whose mailbox somebody made a mess of; the goal, and the linked, marked and deleted threads as they were.
fn damaged(world: &World) -> (Manifest, Vec<Value>) {
    let goal = world.snapshot();
    let mut linked = threads(world).into_iter().filter(|thread| thread["deal_id"].is_number());
    let (of_deleted, unlinked, gone) =
        (linked.next().expect("one"), linked.next().expect("two"), linked.next().expect("three"));
    let other: Vec<Value> = threads(world)
        .into_iter()
        .filter(|thread| thread["deal_id"].is_null() && thread["folders"] == json!(["inbox"]))
        .collect();
    let marked = other[0].clone();
    put(world, &marked, json!({"read_flag": 1 - marked["read_flag"].as_u64().expect("a flag"), "archived_flag": 1}));
    put(world, &marked, json!({"shared_flag": 1 - marked["shared_flag"].as_u64().expect("a flag")}));
    world.call("DELETE", &format!("/v1/mailbox/mailThreads/{}", gone["id"]), None);
    world.call("DELETE", &format!("/api/v2/deals/{}", of_deleted["deal_id"]), None);
    let elsewhere = ids(world, "Deals").into_iter().find(|deal| json!(deal) != unlinked["deal_id"]).expect("a deal");
    put(world, &unlinked, json!({"deal_id": elsewhere}));
    (goal, vec![of_deleted, unlinked, marked, gone])
}

#[test]
fn threads_are_linked_and_marked_again_and_deleted_ones_are_told() {
    for assume in ["undelete=no", "undelete=no,mail-links=keep", "undelete=yes"] {
        let world = world(assume);
        let (goal, was) = damaged(&world);
        let policy = Policy { delete_added: true, ..Policy::default() };
        let plan = planned(&world, &goal, &policy);
        let told = |object: &str, key: &Value| {
            plan.left_out.iter().find(|left| left.object == object && left.key.as_deref() == Some(&key.to_string()))
        };
        let why = &told("mailThreads", &was[3]["id"]).expect("it is told").why;
        assert_eq!(why, "a thread comes from the mail provider only");
        let replayed = replayed(&world, &plan);
        assert!(total(&replayed).is_clean(), "{assume}");
        for before in &was[1..3] {
            let now = thread(&world, &before["id"]);
            for field in ["deal_id", "lead_id", "read_flag", "shared_flag", "archived_flag", "folders"] {
                assert_eq!(now[field], before[field], "{assume} {field}");
            }
        }
        // The deal came back, with its old number or a new one: the thread is under it.
        let deal = &thread(&world, &was[0]["id"])["deal_id"];
        let title = |judge: &Value, id: &Value| {
            let deals = judge["Deals"].as_array().expect("rows").iter();
            deals.clone().find(|deal| deal["id"] == *id && deal["is_deleted"] != true).map(|deal| deal["title"].clone())
        };
        let judge = world.judge();
        assert_eq!(*deal == was[0]["deal_id"], assume == "undelete=yes");
        assert!(title(&judge, deal).is_some(), "{assume}: {deal} lives");
        assert_eq!(left(&world, &goal, &policy), Vec::<String>::new());
    }
}

#[test]
fn a_thread_that_was_linked_since_loses_its_link_where_the_service_can_take_it() {
    for (assume, equal) in [("mail-unlink=empty", true), ("mail-unlink=no", false)] {
        let world = world(assume);
        let goal = world.snapshot();
        let free =
            threads(&world).into_iter().find(|thread| thread["deal_id"].is_null() && thread["lead_id"].is_null());
        let free = free.expect("a thread that hangs on nothing");
        put(&world, &free, json!({"deal_id": ids(&world, "Deals")[0]}));
        let plan = planned(&world, &goal, &Policy::default());
        let replayed = replayed(&world, &plan);
        assert_eq!(thread(&world, &free["id"])["deal_id"].is_null(), equal, "{assume}");
        assert_eq!(replayed.report.expect("a report").total.is_clean(), equal, "{assume}");
    }
}

#[test]
fn added_threads_are_deleted_when_asked_and_messages_never() {
    let world = world("");
    let goal = world.snapshot();
    world.call("POST", "/sandbox/mail", Some(&json!({"count": 2})));
    let plan = planned(&world, &goal, &Policy::default());
    assert!(plan.steps.is_empty(), "{:?}", plan.steps);
    let plan = planned(&world, &goal, &Policy { delete_added: true, ..Policy::default() });
    let objects: Vec<&str> = plan.steps.iter().map(|step| step.record().object.as_str()).collect();
    assert_eq!(objects, ["mailThreads", "mailThreads"]);
    assert!(total(&replayed(&world, &plan)).is_clean());
    assert_eq!(threads(&world).iter().filter(|thread| thread["account_id"] == "delivered").count(), 0);
}
