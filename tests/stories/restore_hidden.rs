//! What was added to a deal before it was deleted: no list shows it while the plan is made, and it comes back with the deal.

use pdbak::restore::{Action, Plan, Policy};
use pdbak::sandbox::Options;
use serde_json::{Value, json};

use super::restore::{planned_from, replayed, total};
use super::restore_parts::closely;
use crate::support::World;

const PARTS: &[&str] = &["DealProducts", "DealDiscounts", "DealInstallments", "DealParticipants", "DealFollowers"];

/// What a deal has, by whom or what it names; and what it is worth.
fn of_deal(world: &World, title: &Value) -> Vec<String> {
    let judge = world.judge();
    let rows = |kind: &str| judge[kind].as_array().expect("rows").clone();
    let living = |row: &Value| row["is_deleted"] != json!(true);
    let deals: Vec<Value> = rows("Deals").into_iter().filter(|deal| deal["title"] == *title && living(deal)).collect();
    let [deal] = deals.as_slice() else { panic!("{} deals are called {title}", deals.len()) };
    let told = ["product_id", "quantity", "amount", "description", "person_id", "user_id"];
    let mut has = vec![format!("Deals {} {}", deal["value"], deal["is_archived"])];
    for kind in PARTS {
        let own = rows(kind).into_iter().filter(|row| row["deal_id"] == deal["id"] && living(row));
        has.extend(own.map(|row| format!("{kind} {:?}", told.map(|field| row[field].to_string()))));
    }
    has.sort();
    has
}

/// Deals that are open, in the archive, and without a line; what they have bears an installment.
fn deals(world: &World) -> [Value; 3] {
    let judge = world.judge();
    let lines = judge["DealProducts"].as_array().expect("lines");
    let has_lines = |deal: &Value| lines.iter().any(|line| line["deal_id"] == deal["id"]);
    let recurs = |deal: &Value| {
        lines.iter().any(|line| line["deal_id"] == deal["id"] && line["billing_frequency"] != json!("one-time"))
    };
    let find = |archived: bool, lines: bool| {
        let mut deals = judge["Deals"].as_array().expect("deals").iter();
        let is = |deal: &Value, field: &str, value: bool| deal[field] == json!(value);
        let fits = |deal: &&Value| {
            is(deal, "is_archived", archived)
                && is(deal, "is_deleted", false)
                && has_lines(deal) == lines
                && !recurs(deal)
        };
        deals.find(fits).expect("such a deal").clone()
    };
    [find(false, true), find(true, true), find(false, false)]
}

/// Adds one of each part to a deal and deletes it.
fn added_and_deleted(world: &World, deal: &Value) {
    let (judge, id) = (world.judge(), &deal["id"]);
    let not_there = |kind: &str, part: &str, field: &str| {
        let parts = judge[part].as_array().expect("rows");
        let has = |one: &Value| parts.iter().any(|row| row["deal_id"] == *id && row[field] == one["id"]);
        let mut all = judge[kind].as_array().expect("rows").iter();
        let free = |one: &&Value| one["is_deleted"] != json!(true) && !has(one);
        all.find(free).expect("one that is free")["id"].clone()
    };
    let path = |part: &str| format!("/api/v2/deals/{id}/{part}");
    let archived = deal["is_archived"] == json!(true);
    if archived {
        world.call("PATCH", &format!("/api/v2/deals/{id}"), Some(&json!({"is_archived": false})));
    }
    let product = not_there("Products", "DealProducts", "product_id");
    let line = json!({"product_id": product, "item_price": 77, "quantity": 3});
    world.call("POST", &path("products"), Some(&line));
    let discount = json!({"description": "junk", "amount": 5, "type": "percentage"});
    world.call("POST", &path("discounts"), Some(&discount));
    let installment = json!({"description": "junk", "amount": 5, "billing_date": "2026-12-01"});
    world.call("POST", &path("installments"), Some(&installment));
    let person = not_there("Persons", "DealParticipants", "person_id");
    world.call("POST", &format!("/v1/deals/{id}/participants"), Some(&json!({"person_id": person})));
    let user = not_there("Users", "DealFollowers", "user_id");
    world.call("POST", &path("followers"), Some(&json!({"user_id": user})));
    if archived {
        world.call("PATCH", &format!("/api/v2/deals/{id}"), Some(&json!({"is_archived": true})));
    }
    world.call("DELETE", &format!("/api/v2/deals/{id}"), None);
}

fn trims(plan: &Plan) -> usize {
    plan.steps().iter().filter(|step| matches!(step.action, Action::Trim(_))).count()
}

#[test]
fn what_was_added_before_the_deletion_goes_where_that_was_asked_for_and_stays_where_it_was_not() {
    for (assume, comes_back) in
        [("undelete=yes", true), ("undelete=yes,deal-value=writable", true), ("undelete=no", false)]
    {
        let assume = assume.parse().expect("assumptions");
        let world = World::with(Options { records: 1_500, assume, ..Options::default() });
        let deals = deals(&world);
        let had: Vec<Vec<String>> = deals.iter().map(|deal| of_deal(&world, &deal["title"])).collect();
        let goal = world.snapshot_of(&closely());
        deals.iter().for_each(|deal| added_and_deleted(&world, deal));

        let kept = planned_from(&world, &goal, &Policy::default(), &closely());
        assert_eq!(trims(&kept), 0, "nobody asked");
        let policy = Policy { delete_added: true, ..Policy::default() };
        let plan = planned_from(&world, &goal, &policy, &closely());
        assert_eq!(trims(&plan), 3);
        let replayed = replayed(&world, &plan);
        assert!(total(&replayed).is_clean());
        let removed = replayed.report.as_ref().expect("a report").trimmed.len();
        assert_eq!(removed, if comes_back { 15 } else { 0 });
        for (deal, had) in deals.iter().zip(&had) {
            assert_eq!(of_deal(&world, &deal["title"]), *had);
        }
        let left = planned_from(&world, &goal, &policy, &closely());
        assert!(left.is_empty(), "{:?}", left.steps());
    }
}
