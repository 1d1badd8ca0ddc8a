//! Lists: cursors, offsets, sorting, filters of the query, and what is odd about them.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::Desk;

fn ids(page: &Value) -> Vec<u64> {
    page["data"].as_array().unwrap().iter().map(|row| row["id"].as_u64().unwrap()).collect()
}

/// Every page of a v2 list.
fn all(desk: &Desk, path: &str) -> Vec<Vec<u64>> {
    let (mut pages, mut next) = (Vec::new(), String::new());
    loop {
        let (_, page) = desk.ask("GET", &format!("{path}{next}"), Value::Null);
        pages.push(ids(&page));
        match page["additional_data"]["next_cursor"].as_str() {
            Some(cursor) => next = format!("&cursor={cursor}"),
            None => return pages,
        }
    }
}

fn with_deals(assume: &str, count: u64) -> (Desk, Vec<u64>) {
    let desk = Desk::assuming(assume);
    let made = (0..count).map(|at| desk.deal(json!({"title": format!("deal {at}")}))).collect();
    (desk, made)
}

#[test]
fn a_cursor_survives_deletions_and_insertions_elsewhere() {
    let (desk, made) = with_deals("odd=no", 6);
    let (_, first) = desk.ask("GET", "/api/v2/deals?limit=2", Value::Null);
    assert_eq!(ids(&first), made[..2]);
    desk.ok("DELETE", &format!("/api/v2/deals/{}", made[0]), Value::Null);
    let cursor = first["additional_data"]["next_cursor"].as_str().unwrap();
    let (_, second) = desk.ask("GET", &format!("/api/v2/deals?limit=2&cursor={cursor}"), Value::Null);
    assert_eq!(ids(&second), made[2..4]);
    desk.refused(400, "GET", "/api/v2/deals?cursor=nonsense", Value::Null);
    desk.refused(400, "GET", "/api/v2/deals?limit=501", Value::Null);
}

#[test]
fn every_sorting_meets_every_row_once() {
    let (desk, made) = with_deals("odd=no", 9);
    desk.later(1);
    desk.ok("PATCH", &format!("/api/v2/deals/{}", made[0]), json!({"title": "changed"}));
    for sort in ["id", "update_time", "add_time"] {
        for direction in ["asc", "desc"] {
            let met = all(&desk, &format!("/api/v2/deals?limit=2&sort_by={sort}&sort_direction={direction}")).concat();
            assert_eq!(met.iter().collect::<BTreeSet<_>>().len(), 9, "{sort} {direction}");
            assert_eq!(met.len(), 9, "{sort} {direction}");
            if sort == "update_time" {
                assert_eq!(*if direction == "asc" { met.last() } else { met.first() }.unwrap(), made[0]);
            }
        }
    }
}

#[test]
fn updated_since_is_inclusive_and_until_is_not() {
    let (desk, made) = with_deals("odd=no", 2);
    desk.later(1);
    let row = desk.ok("PATCH", &format!("/api/v2/deals/{}", made[1]), json!({"title": "changed"}));
    let time = row["update_time"].as_str().unwrap();
    assert_eq!(all(&desk, &format!("/api/v2/deals?updated_since={time}")), [vec![made[1]]]);
    assert_eq!(all(&desk, &format!("/api/v2/deals?updated_until={time}")), [vec![made[0]]]);
}

#[test]
fn ids_are_an_existence_check() {
    let (desk, made) = with_deals("odd=no", 3);
    assert_eq!(all(&desk, &format!("/api/v2/deals?ids={},99999999,{}", made[2], made[0])), [vec![made[0], made[2]]]);
    let many = vec!["1"; 101].join(",");
    desk.refused(400, "GET", &format!("/api/v2/deals?ids={many}"), Value::Null);
}

#[test]
fn statuses_are_combined_with_commas() {
    let (desk, made) = with_deals("odd=no", 3);
    desk.ok("PATCH", &format!("/api/v2/deals/{}", made[0]), json!({"status": "lost"}));
    desk.ok("DELETE", &format!("/api/v2/deals/{}", made[1]), Value::Null);
    assert_eq!(all(&desk, "/api/v2/deals?status=lost,deleted").concat(), made[..2]);
    assert_eq!(all(&desk, "/api/v2/deals?status=open").concat(), made[2..]);
    desk.refused(400, "GET", "/api/v2/deals?status=sold", Value::Null);
}

#[test]
fn counters_come_on_request_only() {
    let (desk, _) = with_deals("odd=no", 1);
    assert!(desk.get("/api/v2/deals")[0].get("notes_count").is_none());
    let row = desk.get("/api/v2/deals?include_fields=notes_count,files_count");
    assert!(row[0]["notes_count"] == 0 && row[0].get("products_count").is_none());
    desk.refused(400, "GET", "/api/v2/deals?include_fields=sums_count", Value::Null);
}

#[test]
fn parents_narrow_a_list() {
    let desk = Desk::new();
    let person = desk.person("Ada");
    let own = desk.deal(json!({"title": "a", "person_id": person}));
    desk.deal(json!({"title": "b"}));
    assert_eq!(all(&desk, &format!("/api/v2/deals?person_id={person}")).concat(), [own]);
    assert_eq!(all(&desk, &format!("/api/v2/persons?deal_id={own}")).concat(), [person]);
}

#[test]
fn an_odd_account_keeps_its_promises() {
    let (odd, made) = with_deals("odd=yes", 300);
    let pages = all(&odd, "/api/v2/deals?limit=20");
    assert_eq!(pages.concat(), made);
    assert!(pages.len() > 15, "no page was shorter than asked");
    let (_, whole) = odd.ask("GET", "/api/v2/deals?limit=500", Value::Null);
    assert!(whole["data"].as_array().unwrap().iter().any(|row| row.get("preview_score").is_some()));
}

#[test]
fn offset_lists_page_by_position_and_end() {
    let desk = Desk::new();
    let person = desk.person("Ada");
    for at in 0..5 {
        desk.ok("POST", "/v1/notes", json!({"content": format!("note {at}"), "person_id": person}));
    }
    let (_, first) = desk.ask("GET", "/v1/notes?limit=3&sort=id ASC", Value::Null);
    let pagination = &first["additional_data"]["pagination"];
    assert_eq!((&pagination["more_items_in_collection"], &pagination["next_start"]), (&json!(true), &json!(3)));
    let (_, last) = desk.ask("GET", "/v1/notes?limit=3&start=3&sort=id ASC", Value::Null);
    assert_eq!(
        (ids(&last).len(), &last["additional_data"]["pagination"]["more_items_in_collection"]),
        (2, &json!(false))
    );
    let (_, down) = desk.ask("GET", "/v1/notes?sort=id DESC", Value::Null);
    assert!(ids(&down).is_sorted_by(|one, two| one > two));
}

#[test]
fn files_lists_end_at_100() {
    let desk = Desk::new();
    for at in 0..101 {
        desk.upload(&format!("{at}.txt"), b"x", &[]);
    }
    let (_, page) = desk.ask("GET", "/v1/files?limit=500&sort=id", Value::Null);
    assert_eq!((ids(&page).len(), &page["additional_data"]["pagination"]["next_start"]), (100, &json!(100)));
    desk.refused(400, "GET", "/v1/files?sort=name", Value::Null);
}
