//! Deals, persons, organizations, activities and products: what their writes bring about.

use serde_json::{Value, json};

use super::Desk;

#[test]
fn a_deal_is_made_changed_deleted_and_brought_back() {
    let desk = Desk::new();
    let deal = desk.ok("POST", "/api/v2/deals", json!({"title": "Anvils", "value": 12.5}));
    let path = format!("/api/v2/deals/{}", deal["id"]);
    assert_eq!(
        (&deal["status"], &deal["is_deleted"], &deal["currency"]),
        (&json!("open"), &json!(false), &json!("EUR"))
    );
    let won = desk.ok("PATCH", &path, json!({"status": "won"}));
    assert_eq!(won["won_time"], won["close_time"]);
    assert!(won["won_time"].is_string());
    desk.ok("DELETE", &path, Value::Null);
    assert_eq!(desk.get("/api/v2/deals"), json!([]));
    assert_eq!(desk.get("/api/v2/deals?status=deleted")[0]["id"], deal["id"]);
    assert_eq!(desk.get(&path)["is_deleted"], true);
    desk.refused(404, "PATCH", &path, json!({"title": "Anvil"}));
    assert_eq!(desk.ok("PATCH", &path, json!({"is_deleted": false}))["is_deleted"], false);
}

#[test]
fn v2_refuses_what_it_does_not_know_and_names_it() {
    let desk = Desk::new();
    for (body, named) in [
        (json!({"title": "x", "colour": "red"}), "colour"),
        (json!({"title": "x", "add_time": "2024-01-01T00:00:00Z"}), "add_time"),
        (json!({"title": "x", "value": "12"}), "value"),
        (json!({"title": "x", "person_id": 4}), "person_id"),
        (json!({"title": "x", "custom_fields": {"abc": 1}}), "custom_fields.abc"),
        (json!({}), "title"),
    ] {
        let error = desk.refused(400, "POST", "/api/v2/deals", body);
        assert!(error.contains(named), "{error} does not name {named}");
    }
    assert!(desk.refused(400, "GET", "/api/v2/deals?colour=red", Value::Null).contains("colour"));
    assert!(
        desk.refused(400, "GET", "/api/v2/deals?updated_since=2024-01-01T00:00:00.5Z", Value::Null)
            .contains("updated_since")
    );
    assert!(desk.refused(400, "GET", "/api/v2/persons?status=deleted", Value::Null).contains("status"));
}

#[test]
fn an_answer_of_the_other_kind_is_given_when_told_so() {
    for (answer, status) in [("no", 404), ("v1put", 404)] {
        let desk = Desk::assuming(&format!("odd=no,undelete={answer}"));
        let deal = desk.deal(json!({"title": "Anvils"}));
        desk.ok("DELETE", &format!("/api/v2/deals/{deal}"), Value::Null);
        desk.refused(status, "PATCH", &format!("/api/v2/deals/{deal}"), json!({"is_deleted": false}));
        let (found, _) = desk.ask("PUT", &format!("/v1/deals/{deal}"), json!({"status": "open"}));
        assert_eq!(found, if answer == "v1put" { 200 } else { 404 });
    }
}

#[test]
fn a_deleted_record_is_purged_after_30_days_with_its_children() {
    let desk = Desk::new();
    let person = desk.person("Ada Lovelace");
    let deal = desk.deal(json!({"title": "Anvils", "person_id": person}));
    desk.ok("DELETE", &format!("/api/v2/deals/{deal}"), Value::Null);
    desk.later(29);
    assert_eq!(desk.get(&format!("/api/v2/deals/{deal}"))["is_deleted"], true);
    desk.later(2);
    desk.refused(404, "GET", &format!("/api/v2/deals/{deal}"), Value::Null);
    let account = crate::sandbox::http::locked(&desk.shared.account);
    assert!(account.store.table("dealParticipants").rows.is_empty());
    assert!(account.store.table("dealFollowers").rows.is_empty());
}

#[test]
fn times_of_winning_belong_to_won_deals() {
    let desk = Desk::new();
    let deal = desk.deal(json!({"title": "a", "status": "won", "won_time": "2025-05-01 10:00:00"}));
    let row = desk.get(&format!("/api/v2/deals/{deal}?include_fields=first_won_time"));
    assert_eq!((&row["won_time"], &row["local_won_date"]), (&json!("2025-05-01T10:00:00Z"), &json!("2025-05-01")));
    assert_eq!(row["first_won_time"], row["won_time"]);
    desk.refused(400, "POST", "/api/v2/deals", json!({"title": "b", "won_time": "2025-05-01T10:00:00Z"}));
    desk.refused(400, "POST", "/api/v2/deals", json!({"title": "b", "lost_reason": "price"}));
    let reopened = desk.ok("PATCH", &format!("/api/v2/deals/{deal}"), json!({"status": "open"}));
    assert_eq!((&reopened["won_time"], &reopened["close_time"]), (&Value::Null, &Value::Null));
    let strict = Desk::assuming("odd=no,won-time=rfc3339");
    strict.refused(
        400,
        "POST",
        "/api/v2/deals",
        json!({"title": "a", "status": "won", "won_time": "2025-05-01 10:00:00"}),
    );
}

#[test]
fn an_archived_deal_is_on_its_own_list_and_takes_no_change_but_one() {
    let desk = Desk::new();
    let deal = desk.deal(json!({"title": "a", "is_archived": true, "archive_time": "2025-05-01 10:00:00"}));
    let path = format!("/api/v2/deals/{deal}");
    assert_eq!(desk.get("/api/v2/deals"), json!([]));
    assert_eq!(desk.get("/api/v2/deals/archived")[0]["archive_time"], "2025-05-01T10:00:00Z");
    desk.refused(403, "PATCH", &path, json!({"title": "b"}));
    let back = desk.ok("PATCH", &path, json!({"is_archived": false}));
    assert_eq!((&back["is_archived"], &back["archive_time"]), (&json!(false), &Value::Null));
    let stubborn = Desk::assuming("odd=no,unarchive=no");
    let deal = stubborn.deal(json!({"title": "a", "is_archived": true}));
    stubborn.refused(403, "PATCH", &format!("/api/v2/deals/{deal}"), json!({"is_archived": false}));
}

#[test]
fn a_stage_decides_the_pipeline() {
    let desk = Desk::new();
    let pipeline = desk.ok("POST", "/api/v2/pipelines", json!({"name": "Second"}))["id"].clone();
    desk.refused(400, "POST", "/api/v2/deals", json!({"title": "a", "pipeline_id": pipeline}));
    let stage = desk.ok("POST", "/api/v2/stages", json!({"name": "One", "pipeline_id": pipeline}))["id"].clone();
    let deal = desk.deal(json!({"title": "a", "stage_id": stage}));
    assert_eq!(desk.get(&format!("/api/v2/deals/{deal}"))["pipeline_id"], pipeline);
    desk.refused(400, "PATCH", &format!("/api/v2/pipelines/{pipeline}"), json!({"order_nr": 1}));
}

#[test]
fn a_person_gets_its_names_and_labels_from_the_server() {
    let desk = Desk::new();
    let sent = json!({"name": "Anna Maria Smith", "emails": [{"value": "a@b.example"}, {"value": "c@d.example", "label": "home"}]});
    let row = desk.ok("POST", "/api/v2/persons", sent);
    assert_eq!((&row["first_name"], &row["last_name"]), (&json!("Anna"), &json!("Maria Smith")));
    assert_eq!(row["emails"][0], json!({"value": "a@b.example", "primary": true, "label": "work"}));
    assert_eq!(row["emails"][1]["primary"], false);
    let less =
        desk.ok("PATCH", &format!("/api/v2/persons/{}", row["id"]), json!({"emails": [{"value": "e@f.example"}]}));
    assert_eq!(less["emails"].as_array().map(Vec::len), Some(1));
}

#[test]
fn an_address_loses_the_parts_that_are_not_sent() {
    let desk = Desk::new();
    let row = desk.ok(
        "POST",
        "/api/v2/organizations",
        json!({"name": "Acme", "address": {"value": "1 Main St", "country": "US"}}),
    );
    assert_eq!((&row["address"]["country"], &row["address"]["locality"]), (&json!("US"), &Value::Null));
    let path = format!("/api/v2/organizations/{}", row["id"]);
    let row = desk.ok("PATCH", &path, json!({"address": {"value": "2 Main St"}}));
    assert_eq!(row["address"]["country"], Value::Null);
}

#[test]
fn the_deletion_of_an_organization_leaves_its_people_behind() {
    for (assume, left) in [("odd=no", false), ("odd=no,orphans=keep", true)] {
        let desk = Desk::assuming(assume);
        let org = desk.ok("POST", "/api/v2/organizations", json!({"name": "Acme"}))["id"].clone();
        let person = desk.ok("POST", "/api/v2/persons", json!({"name": "Ada", "org_id": org}))["id"].clone();
        desk.ok("DELETE", &format!("/api/v2/organizations/{org}"), Value::Null);
        let row = desk.get(&format!("/api/v2/persons/{person}"));
        assert_eq!(row["org_id"] == org, left, "{assume}");
    }
}

#[test]
fn an_activity_has_its_person_through_the_primary_participant() {
    let desk = Desk::new();
    let (one, two) = (desk.person("One"), desk.person("Two"));
    desk.refused(400, "POST", "/api/v2/activities", json!({"subject": "x", "person_id": one}));
    let participants = json!([{"person_id": one}, {"person_id": two, "primary": true}]);
    let row = desk.ok(
        "POST",
        "/api/v2/activities",
        json!({"type": "call", "participants": participants, "due_time": "09:30"}),
    );
    assert_eq!(
        (&row["person_id"], &row["due_time"], &row["subject"]),
        (&json!(two), &json!("09:30:00"), &json!("Call"))
    );
    assert_eq!(desk.get(&format!("/api/v2/activities?person_id={two}"))[0]["id"], row["id"]);
    let done = desk.ok("PATCH", &format!("/api/v2/activities/{}", row["id"]), json!({"done": true}));
    assert!(done["marked_as_done_time"].is_string());
    desk.refused(400, "POST", "/api/v2/activities", json!({"type": "skydiving"}));
}

#[test]
fn a_patch_of_prices_replaces_them_all() {
    let desk = Desk::new();
    let bare = desk.ok("POST", "/api/v2/products", json!({"name": "Anvil"}));
    assert_eq!((&bare["prices"][0]["price"], &bare["prices"][0]["currency"]), (&json!(0), &json!("EUR")));
    assert_eq!(bare["prices"][0]["product_id"], bare["id"]);
    let path = format!("/api/v2/products/{}", bare["id"]);
    let row = desk.ok("PATCH", &path, json!({"prices": [{"currency": "USD", "price": 9}]}));
    assert_eq!(row["prices"].as_array().map(Vec::len), Some(1));
    let twice = json!([{"currency": "USD", "price": 9}, {"currency": "USD", "price": 8}]);
    desk.refused(400, "PATCH", &path, json!({"prices": twice}));
}

#[test]
fn a_merge_moves_everything_to_the_survivor() {
    let desk = Desk::new();
    let (one, two) = (desk.person("One"), desk.person("Two"));
    let deal = desk.deal(json!({"title": "a", "person_id": one}));
    desk.ok("POST", "/v1/notes", json!({"content": "hello", "person_id": one}));
    let merged = desk.ok("PUT", &format!("/v1/persons/{one}/merge"), json!({"merge_with_id": two}));
    assert_eq!((&merged["id"], &merged["merge_what_id"]), (&json!(two), &json!(one)));
    assert_eq!((&merged["notes_count"], &merged["open_deals_count"]), (&json!(1), &json!(1)));
    assert_eq!(desk.get(&format!("/api/v2/deals/{deal}"))["person_id"], json!(two));
    desk.refused(404, "GET", &format!("/api/v2/persons/{one}"), Value::Null);
}

#[test]
fn a_tolerant_account_takes_what_real_clients_send() {
    let desk = Desk::tolerant();
    let deal = desk.deal(json!({"title": "a", "value": "120"}));
    assert_eq!(desk.get(&format!("/api/v2/deals/{deal}"))["value"], 120);
    desk.get(&format!("/api/v2/deals/{deal}/followers?sort_by=id&sort_direction=asc"));
    desk.get("/v1/leads?sort=update_time DESC");
    desk.refused(400, "GET", &format!("/api/v2/deals/{deal}/followers?colour=red"), Value::Null);
}

#[test]
fn null_clears_a_link_but_never_a_title() {
    let desk = Desk::new();
    let person = desk.person("Ada");
    let deal = desk.deal(json!({"title": "a", "person_id": person}));
    let row = desk.ok("PATCH", &format!("/api/v2/deals/{deal}"), json!({"person_id": null}));
    assert_eq!((&row["person_id"], &row["title"]), (&Value::Null, &json!("a")));
    desk.refused(400, "PATCH", &format!("/api/v2/deals/{deal}"), json!({"title": null}));
    let strict = Desk::assuming("odd=no,null-clears=no");
    let deal = strict.deal(json!({"title": "a"}));
    strict.refused(400, "PATCH", &format!("/api/v2/deals/{deal}"), json!({"person_id": null}));
}

#[test]
fn the_number_of_a_purged_record_is_never_given_again() {
    let desk = Desk::of_company(200);
    let page = desk.get("/api/v2/deals?sort_direction=desc&limit=1");
    let last = page[0]["id"].as_u64().unwrap();
    desk.ok("DELETE", &format!("/api/v2/deals/{last}"), Value::Null);
    desk.later(31);
    desk.refused(404, "GET", &format!("/api/v2/deals/{last}"), Value::Null);
    assert!(desk.deal(json!({"title": "a"})) > last);
}
