//! Rows that hang on others: lines, followers, participants, notes, files, leads; and the counters that follow them.

use serde_json::{Value, json};

use super::Desk;

fn deal_with_counters(desk: &Desk, deal: u64) -> Value {
    let counters = "products_count,notes_count,followers_count,participants_count,activities_count,undone_activities_count,next_activity_id";
    desk.get(&format!("/api/v2/deals/{deal}?include_fields={counters}"))
}

#[test]
fn the_value_of_a_deal_follows_its_lines() {
    let desk = Desk::new();
    let product = desk.ok("POST", "/api/v2/products", json!({"name": "Anvil"}))["id"].clone();
    let deal = desk.deal(json!({"title": "a", "value": 5}));
    let lines = format!("/api/v2/deals/{deal}/products");
    let line =
        desk.ok("POST", &lines, json!({"product_id": product, "item_price": 30.23, "quantity": 2, "discount": 10}));
    assert_eq!((&line["sum"], &line["name"], &line["order_nr"]), (&json!(54.41), &json!("Anvil"), &json!(10)));
    desk.ok(
        "POST",
        &lines,
        json!({"product_id": product, "item_price": 10, "quantity": 1, "tax": 20, "tax_method": "exclusive"}),
    );
    let row = deal_with_counters(&desk, deal);
    assert_eq!((&row["products_count"], &row["value"]), (&json!(2), &json!(66.41)));
    assert_eq!(desk.get(&lines)[0]["tax_method"], "exclusive");
    desk.ok("PATCH", &format!("/api/v2/deals/{deal}"), json!({"value": 1}));
    assert_eq!(deal_with_counters(&desk, deal)["value"], json!(66.41));
    assert_eq!(desk.get(&format!("/api/v2/deals/products?deal_ids={deal}")).as_array().map(Vec::len), Some(2));
    desk.ok("DELETE", &format!("{lines}/{}", line["id"]), Value::Null);
    assert_eq!(deal_with_counters(&desk, deal)["value"], json!(12));
    desk.refused(
        400,
        "POST",
        &lines,
        json!({"product_id": product, "item_price": 1, "quantity": 1, "billing_frequency": "weekly"}),
    );
}

#[test]
fn lines_of_a_deleted_deal_are_seen_again_with_it() {
    let desk = Desk::new();
    let product = desk.ok("POST", "/api/v2/products", json!({"name": "Anvil"}))["id"].clone();
    let deal = desk.deal(json!({"title": "a"}));
    desk.ok(
        "POST",
        &format!("/api/v2/deals/{deal}/products/bulk"),
        json!({"data": [{"product_id": product, "item_price": 1, "quantity": 1}]}),
    );
    let bulk = format!("/api/v2/deals/products?deal_ids={deal}");
    desk.ok("DELETE", &format!("/api/v2/deals/{deal}"), Value::Null);
    assert_eq!(desk.get(&bulk), json!([]));
    desk.ok("PATCH", &format!("/api/v2/deals/{deal}"), json!({"is_deleted": false}));
    assert_eq!(desk.get(&bulk).as_array().map(Vec::len), Some(1));
}

#[test]
fn an_owner_follows_and_a_person_takes_part_if_assumed() {
    for (assume, count) in [("odd=no", 1), ("odd=no,owner-follows=no,person-participates=no", 0)] {
        let desk = Desk::assuming(assume);
        let person = desk.person("Ada");
        let deal = desk.deal(json!({"title": "a", "person_id": person}));
        let row = deal_with_counters(&desk, deal);
        assert_eq!((&row["followers_count"], &row["participants_count"]), (&json!(count), &json!(count)), "{assume}");
    }
}

#[test]
fn adding_a_follower_twice_is_refused_in_v2_and_taken_in_v1() {
    let desk = Desk::new();
    let me = desk.get("/v1/users/me")["id"].clone();
    let deal = desk.deal(json!({"title": "a"}));
    desk.refused(400, "POST", &format!("/api/v2/deals/{deal}/followers"), json!({"user_id": me}));
    desk.ok("POST", &format!("/v1/deals/{deal}/followers"), json!({"user_id": me}));
    assert_eq!(desk.get(&format!("/api/v2/deals/{deal}/followers"))[0]["user_id"], me);
    desk.ok("DELETE", &format!("/api/v2/deals/{deal}/followers/{me}"), Value::Null);
    assert_eq!(deal_with_counters(&desk, deal)["followers_count"], 0);
}

#[test]
fn participants_nest_the_person_and_are_deleted_by_their_own_id() {
    let desk = Desk::new();
    let person = desk.person("Ada Lovelace");
    let deal = desk.deal(json!({"title": "a"}));
    let path = format!("/v1/deals/{deal}/participants");
    assert_eq!(desk.get(&path), Value::Null);
    let row = desk.ok("POST", &path, json!({"person_id": person}));
    assert_eq!((&row["person_id"]["value"], &row["person"]["name"]), (&json!(person), &json!("Ada Lovelace")));
    desk.refused(404, "DELETE", &format!("{path}/{}", row["id"].as_u64().unwrap() + 1), Value::Null);
    desk.ok("DELETE", &format!("{path}/{}", row["id"]), Value::Null);
    assert_eq!(deal_with_counters(&desk, deal)["participants_count"], 0);
}

#[test]
fn activities_count_for_all_they_are_linked_to() {
    let desk = Desk::new();
    let deal = desk.deal(json!({"title": "a"}));
    let late =
        desk.ok("POST", "/api/v2/activities", json!({"subject": "late", "deal_id": deal, "due_date": "2026-05-01"}));
    let soon =
        desk.ok("POST", "/api/v2/activities", json!({"subject": "soon", "deal_id": deal, "due_date": "2026-04-01"}));
    let row = deal_with_counters(&desk, deal);
    assert_eq!((&row["activities_count"], &row["next_activity_id"]), (&json!(2), &soon["id"]));
    desk.ok("DELETE", &format!("/api/v2/activities/{}", soon["id"]), Value::Null);
    assert_eq!(deal_with_counters(&desk, deal)["next_activity_id"], late["id"]);
}

#[test]
fn a_note_is_cleaned_and_pinned_only_with_what_it_is_pinned_to() {
    let desk = Desk::new();
    let deal = desk.deal(json!({"title": "Anvils"}));
    let sent = json!({"content": "<b>hi</b><script>x()</script>", "deal_id": deal, "add_time": "2020-01-02 03:04:05", "pinned_to_deal_flag": 1});
    let note = desk.ok("POST", "/v1/notes", sent);
    assert_eq!((&note["content"], &note["deal"]["title"]), (&json!("<b>hi</b>"), &json!("Anvils")));
    assert_eq!((&note["add_time"], &note["pinned_to_deal_flag"]), (&json!("2020-01-02 03:04:05"), &json!(true)));
    desk.refused(400, "PUT", &format!("/v1/notes/{}", note["id"]), json!({"pinned_to_deal_flag": 1}));
    desk.refused(400, "POST", "/v1/notes", json!({"content": "alone"}));
    assert_eq!(deal_with_counters(&desk, deal)["notes_count"], 1);
    assert_eq!(desk.ok("DELETE", &format!("/v1/notes/{}", note["id"]), Value::Null), json!(true));
    assert_eq!(deal_with_counters(&desk, deal)["notes_count"], 0);
    assert_eq!(desk.get("/v1/notes"), Value::Null);
}

#[test]
fn a_lead_is_v1_through_and_through() {
    let desk = Desk::new();
    let person = desk.person("Ada");
    desk.refused(400, "POST", "/v1/leads", json!({"title": "x"}));
    let label = desk.ok("POST", "/v1/leadLabels", json!({"name": "Hot", "color": "red"}))["id"].clone();
    let sent = json!({"title": "x", "person_id": person, "label_ids": [label], "visible_to": "3", "value": {"amount": 9, "currency": "EUR"}, "nonsense": 1});
    let lead = desk.ok("POST", "/v1/leads", sent);
    assert!(lead.get("nonsense").is_none());
    let path = format!("/v1/leads/{}", lead["id"].as_str().unwrap());
    assert!(desk.ok("PATCH", &path, json!({"value": null}))["value"].is_null());
    desk.ok("PATCH", &path, json!({"is_archived": true}));
    assert_eq!(desk.get("/v1/leads"), Value::Null);
    assert_eq!(desk.get("/v1/leads/archived")[0]["id"], lead["id"]);
    desk.refused(403, "PATCH", &path, json!({"title": "y"}));
    desk.ok("PATCH", &path, json!({"is_archived": false}));
    desk.ok("DELETE", &format!("/v1/leadLabels/{}", label.as_str().unwrap()), Value::Null);
    assert_eq!(desk.get(&path)["label_ids"], json!([]));
    desk.ok("DELETE", &path, Value::Null);
    let (status, body) = desk.ask("GET", &path, Value::Null);
    assert_eq!((status, body["error"].as_str()), (404, Some("requested lead not found")));
}

#[test]
fn a_file_is_uploaded_renamed_counted_and_fetched() {
    for assume in ["odd=no", "odd=no,download=redirect"] {
        let desk = Desk::assuming(assume);
        let deal = desk.deal(json!({"title": "Anvils"}));
        let file = desk.upload("plan.pdf", b"%PDF", &[("deal_id", &deal.to_string())]);
        assert_eq!(
            (&file["file_size"], &file["file_type"], &file["deal_name"]),
            (&json!(4), &json!("pdf"), &json!("Anvils"))
        );
        let path = format!("/v1/files/{}", file["id"]);
        assert_eq!(desk.ok("PUT", &path, json!({"name": "better.pdf"}))["name"], "better.pdf");
        assert_eq!(desk.get(&format!("/v1/deals/{deal}/files"))[0]["id"], file["id"]);
        let answer = desk.answer("GET", &format!("{path}/download"), Value::Null);
        let moved = answer.headers.iter().find(|(name, _)| *name == "location").map(|(_, address)| address.clone());
        match moved {
            None => assert_eq!((answer.status, &answer.body[..]), (200, &b"%PDF"[..])),
            Some(address) => {
                let account = crate::sandbox::http::locked(&desk.shared.account);
                let signed = address.rsplit('/').next().unwrap();
                let fetched = crate::sandbox::files::by_signature(&account, signed).unwrap();
                assert_eq!((answer.status, &fetched.body[..]), (302, &b"%PDF"[..]));
                assert!(crate::sandbox::files::by_signature(&account, &format!("{signed}0")).is_none());
            }
        }
        desk.ok("DELETE", &path, Value::Null);
        desk.refused(404, "GET", &format!("{path}/download"), Value::Null);
    }
}
