//! Sums and counters: each is counted again from the rows.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Collected, Row, company};
use crate::sandbox::row::Id;

fn hundredths(value: &Value) -> i64 {
    (value.as_f64().unwrap() * 100.0).round() as i64
}

#[test]
fn the_value_of_a_deal_is_the_sum_of_its_lines_less_its_discount() {
    let made = company(7, 5000);
    let percent = |discount: &Row| (discount["deal_id"].as_u64().unwrap(), discount["amount"].as_i64().unwrap());
    let discounts: BTreeMap<u64, i64> = made.kind("dealDiscounts").map(percent).collect();
    assert!(discounts.len() > 10);
    let mut sums: BTreeMap<u64, (u64, i64)> = BTreeMap::new();
    for line in made.kind("dealProducts") {
        let whole = line["item_price"].as_f64().unwrap() * line["quantity"].as_f64().unwrap();
        let discount = line["discount"].as_f64().unwrap();
        let less = if line["discount_type"] == "percentage" { whole * discount / 100.0 } else { discount };
        let tax = if line["tax_method"] == "exclusive" { line["tax"].as_f64().unwrap() } else { 0.0 };
        let sum = (whole - less) * (1.0 + tax / 100.0);
        assert_eq!((sum * 100.0).round() as i64, hundredths(&line["sum"]), "{line:?}");
        let deal = sums.entry(line["deal_id"].as_u64().unwrap()).or_default();
        deal.0 += 1;
        deal.1 += if line["is_enabled"] == true { hundredths(&line["sum"]) } else { 0 };
    }
    assert!(sums.len() > 50);
    for deal in made.kind("deals") {
        let sum = sums.get(&deal["id"].as_u64().unwrap());
        assert_eq!(deal["products_count"], sum.map_or(0, |sum| sum.0));
        if let Some((_, sum)) = sum {
            let less = discounts.get(&deal["id"].as_u64().unwrap()).copied().unwrap_or(0);
            assert_eq!(hundredths(&deal["value"]), (sum * (100 - less) + 50).div_euclid(100));
        }
    }
}

/// How many rows of a kind point to each id by a member.
fn tally(made: &Collected, kind: &str, member: &str, counts: impl Fn(&Row) -> bool) -> BTreeMap<u64, u64> {
    let mut tally = BTreeMap::new();
    for row in made.kind(kind).filter(|row| counts(row)) {
        if let Some(id) = row[member].as_u64() {
            *tally.entry(id).or_default() += 1;
        }
    }
    tally
}

#[test]
fn counters_are_what_can_be_counted() {
    let made = company(7, 5000);
    let all = |_: &Row| true;
    let children = [
        ("deals", "deal_id", "dealFollowers"),
        ("persons", "person_id", "personFollowers"),
        ("organizations", "org_id", "organizationFollowers"),
    ];
    for (kind, member, followers) in children {
        let counted = [
            ("followers_count", tally(&made, followers, member, all)),
            ("notes_count", tally(&made, "notes", member, all)),
            ("files_count", tally(&made, "files", member, all)),
            ("activities_count", tally(&made, "activities", member, all)),
            ("done_activities_count", tally(&made, "activities", member, |row| row["done"] == true)),
            ("undone_activities_count", tally(&made, "activities", member, |row| row["done"] == false)),
        ];
        agree(&made, kind, &counted);
    }
    agree(&made, "deals", &[("participants_count", tally(&made, "dealParticipants", "deal_id", all))]);
    agree(&made, "organizations", &[("people_count", tally(&made, "persons", "org_id", all))]);
    for (kind, member) in [("persons", "person_id"), ("organizations", "org_id")] {
        let counted = [
            ("open_deals_count", tally(&made, "deals", member, |row| row["status"] == "open")),
            ("won_deals_count", tally(&made, "deals", member, |row| row["status"] == "won")),
            ("lost_deals_count", tally(&made, "deals", member, |row| row["status"] == "lost")),
            ("closed_deals_count", tally(&made, "deals", member, |row| row["status"] != "open")),
        ];
        agree(&made, kind, &counted);
    }
}

fn agree(made: &Collected, kind: &str, counted: &[(&str, BTreeMap<u64, u64>)]) {
    for (counter, counts) in counted {
        assert!(!counts.is_empty(), "{kind}.{counter} is never more than 0");
        for row in made.kind(kind) {
            let count = counts.get(&row["id"].as_u64().unwrap()).copied().unwrap_or(0);
            assert_eq!(row[*counter], count, "{kind} {} {counter}", row["id"]);
        }
    }
}

#[test]
fn mail_counters_count_what_the_token_s_user_sees() {
    let made = company(7, 5000);
    let me = made.kind("users").find(|user| user["is_you"] == true).expect("one of them")["id"].clone();
    let seen = |message: &Row| {
        let thread = &made.rows["mailThreads"][&Id::Number(message["mail_thread_id"].as_u64().unwrap())];
        thread["user_id"] == me || thread["shared_flag"] == 1
    };
    for (kind, member) in [("deals", "deal_id"), ("persons", "person_id"), ("organizations", "org_id")] {
        agree(&made, kind, &[("email_messages_count", tally(&made, "mailMessages", member, seen))]);
    }
    let messages: BTreeMap<u64, u64> = tally(&made, "mailMessages", "mail_thread_id", |_| true);
    agree(&made, "mailThreads", &[("message_count", messages)]);
    let folders: std::collections::BTreeSet<String> = made
        .kind("mailThreads")
        .flat_map(|thread| thread["folders"].as_array().unwrap())
        .map(Value::to_string)
        .collect();
    assert_eq!(folders.len(), 4, "{folders:?}");
    assert!(made.kind("mailThreads").all(|thread| !thread["folders"].as_array().unwrap().is_empty()));
    assert!(made.kind("files").any(|file| file["mail_message_id"] != ""));
}

#[test]
fn related_deals_are_those_of_the_firm_and_of_its_people() {
    let made = company(7, 2000);
    let deals: Vec<&Row> = made.kind("deals").collect();
    let employer = |person: &Value| person.as_u64().map(|id| made.rows["persons"][&Id::Number(id)]["org_id"].clone());
    let open = |deal: &&&Row| deal["status"] == "open";
    for person in made.kind("persons") {
        let org = &person["org_id"];
        let related = deals
            .iter()
            .filter(open)
            .filter(|deal| !org.is_null() && deal["org_id"] == *org && deal["person_id"] != person["id"]);
        assert_eq!(person["related_open_deals_count"], related.count());
    }
    for org in made.kind("organizations") {
        let of_people =
            |deal: &&&Row| deal["org_id"] != org["id"] && employer(&deal["person_id"]).as_ref() == Some(&org["id"]);
        assert_eq!(org["related_open_deals_count"], deals.iter().filter(open).filter(of_people).count());
    }
}

#[test]
fn the_next_activity_is_due_first_and_the_last_was_due_last() {
    let made = company(7, 5000);
    let due = |row: &Row| {
        (row["due_date"].clone().to_string(), row["due_time"].as_str().unwrap_or("").to_owned(), row["id"].as_u64())
    };
    for deal in made.kind("deals").take(300) {
        let of_deal: Vec<&Row> = made.kind("activities").filter(|row| row["deal_id"] == deal["id"]).collect();
        let next = of_deal.iter().filter(|row| row["done"] == false).min_by_key(|row| due(row));
        let last = of_deal.iter().filter(|row| row["done"] == true).max_by_key(|row| due(row));
        assert_eq!(deal["next_activity_id"], next.map_or(Value::Null, |row| row["id"].clone()));
        assert_eq!(deal["last_activity_id"], last.map_or(Value::Null, |row| row["id"].clone()));
    }
}
