//! A capture of a company over the wire: complete the first time, cheap afterwards, and honest about what was not seen.

use pdbak::archive::Coverage;
use pdbak::capture::Wanted;
use pdbak::catalogue::{self, ObjectName};
use pdbak::sandbox::Options;
use serde_json::{Value, json};

use crate::support::{World, assert_holds_the_truth, bytes_in, contents};

/// The ids of the living rows of a kind, by the judge.
pub(super) fn ids(world: &World, kind: &str) -> Vec<u64> {
    let judge = world.judge();
    let rows = judge[kind].as_array().expect("rows");
    let living = rows.iter().filter(|row| row["is_deleted"] != json!(true) && row["is_archived"] != json!(true));
    living.filter_map(|row| row["id"].as_u64()).collect()
}

#[test]
fn a_first_snapshot_holds_every_record_of_the_account_and_nothing_else() {
    let world = World::of(1_500);
    let first = world.snapshot();
    assert_holds_the_truth(&world, &first);
    for object in catalogue::ALL {
        let seen = contents(&first, object.name);
        if object.on_request || object.is_removed() {
            let known = matches!(seen.coverage, Coverage::LeftOut { .. } | Coverage::NotOffered { .. });
            assert!(known, "{}", object.name);
            continue;
        }
        assert_eq!((&seen.coverage, seen.gaps.len()), (&Coverage::Whole, 0), "{}: {:?}", object.name, seen.gaps);
    }
}

#[test]
fn a_second_snapshot_of_an_unchanged_account_stores_nothing_and_costs_less() {
    // Tokens are scarce: what is cheap on a large plan is not looked at again here.
    let world = World::with(Options { records: 1_500, daily_tokens: 15_000, ..Options::default() });
    let first = world.snapshot();
    let before = bytes_in(&world.path("archive/segments")) + bytes_in(&world.path("archive/blobs"));
    let second = world.snapshot();
    let after = bytes_in(&world.path("archive/segments")) + bytes_in(&world.path("archive/blobs"));
    assert_eq!(before, after);
    assert!(second.bytes_added < 10_000, "{} bytes", second.bytes_added);
    for seen in &second.contents {
        assert_eq!((seen.new, seen.changed, seen.deleted), (0, 0, 0), "{}", seen.object);
    }
    assert!(second.tokens < first.tokens / 2, "{} of {}", second.tokens, first.tokens);
    assert_holds_the_truth(&world, &second);
}

#[test]
fn what_was_added_edited_and_deleted_is_seen_by_the_next_snapshot() {
    let world = World::of(1_000);
    world.snapshot();
    // Somebody edits a deal, deletes an organization, adds a person and a note.
    let deal = ids(&world, "Deals")[3];
    world.call("PATCH", &format!("/api/v2/deals/{deal}"), Some(&json!({"title": "renamed"})));
    let organization = ids(&world, "Organizations")[0];
    world.call("DELETE", &format!("/api/v2/organizations/{organization}"), None);
    world.call("POST", "/api/v2/persons", Some(&json!({"name": "New Person"})));
    world.call("POST", "/v1/notes", Some(&json!({"content": "seen", "deal_id": deal})));
    let next = world.snapshot();
    assert_eq!(contents(&next, "persons").new, 1);
    assert_eq!(contents(&next, "notes").new, 1);
    assert!(contents(&next, "deals").changed >= 1);
    assert_eq!(contents(&next, "organizations").deleted, 1);
    assert_holds_the_truth(&world, &next);
}

#[test]
fn followers_and_lines_that_came_and_went_are_seen_by_their_parents_counters() {
    let world = World::of(1_000);
    world.snapshot();
    let judge = world.judge();
    let line = &judge["DealProducts"][0];
    world.call("DELETE", &format!("/api/v2/deals/{}/products/{}", line["deal_id"], line["id"]), None);
    let user = ids(&world, "Users")[0];
    let followed = |id: &u64| {
        judge["PersonFollowers"].as_array().is_some_and(|rows| rows.iter().any(|row| row["person_id"] == json!(id)))
    };
    let person = ids(&world, "Persons").into_iter().find(|id| !followed(id)).expect("a person without followers");
    world.call("POST", &format!("/api/v2/persons/{person}/followers"), Some(&json!({"user_id": user})));
    let next = world.snapshot();
    assert_eq!(contents(&next, "personFollowers").new, 1);
    assert_eq!(contents(&next, "dealProducts").deleted, 1);
    assert_holds_the_truth(&world, &next);
}

#[test]
fn a_deal_that_is_archived_moves_from_one_list_to_the_other() {
    let world = World::of(1_000);
    let first = world.snapshot();
    let deal = ids(&world, "Deals")[5];
    world.call("PATCH", &format!("/api/v2/deals/{deal}"), Some(&json!({"is_archived": true})));
    let next = world.snapshot();
    assert_eq!(contents(&next, "deals").records + 1, contents(&first, "deals").records);
    assert_eq!(contents(&next, "archivedDeals").records, contents(&first, "archivedDeals").records + 1);
    assert_holds_the_truth(&world, &next);
}

#[test]
fn custom_fields_that_were_left_out_are_recorded_as_left_out() {
    let world = World::of(500);
    world.snapshot();
    let wanted = Wanted { custom_fields: false, ..Wanted::default() };
    let next = world.snapshot_of(&wanted);
    assert_eq!(contents(&next, "deals").without, ["custom_fields"]);
    assert_eq!(contents(&next, "deals").deleted, 0);
    world.read(&next, |snapshot| {
        let mut deals = snapshot.records(&ObjectName::known("deals")).expect("deals");
        assert!(deals.all(|deal| deal.expect("a deal").fields().get("custom_fields").is_none()));
    });
    // The next one with them stands on nothing less than the service.
    assert_holds_the_truth(&world, &world.snapshot());
}

#[test]
fn conditions_of_filters_stay_as_they_were_when_they_are_not_asked_for() {
    let world = World::of(500);
    let first = world.snapshot();
    let wanted = Wanted { extended: false, ..Wanted::default() };
    let next = world.snapshot_of(&wanted);
    assert_eq!(contents(&next, "filters").without, ["conditions"]);
    assert_eq!(contents(&next, "filters").root, contents(&first, "filters").root);
}

#[test]
fn conditions_that_change_in_the_second_of_a_snapshot_are_read_by_the_next() {
    let world = World::of(500);
    let filter = ids(&world, "Filters")[0];
    let second = world.call("GET", "/sandbox/clock", None)["now"].clone();
    // Two edits with one `update_time`, a snapshot between them: the list shows the filter unchanged.
    let [first, next] = [5, 7].map(|value| {
        world.call("POST", "/sandbox/clock", Some(&json!({"now": second})));
        let test =
            json!({"object": "deal", "field_id": number(&world, "value"), "operator": ">", "value": value.to_string()});
        let conditions = json!({"glue": "and", "conditions": [
            {"glue": "and", "conditions": [test]}, {"glue": "or", "conditions": []}]});
        world.call("PUT", &format!("/v1/filters/{filter}"), Some(&json!({"name": "Big", "conditions": conditions})));
        world.snapshot()
    });
    assert_eq!(contents(&next, "filters").records, contents(&first, "filters").records);
    assert_eq!(contents(&next, "filters").changed, 1);
    assert_holds_the_truth(&world, &next);
}

#[test]
fn a_discount_that_outlives_the_last_product_of_its_deal_is_not_taken_for_deleted() {
    let world = World::of(1_500);
    let first = world.snapshot();
    let judge = world.judge();
    let deal = judge["DealDiscounts"][0]["deal_id"].clone();
    for line in judge["DealProducts"].as_array().expect("lines").iter().filter(|line| line["deal_id"] == deal) {
        world.attempt("DELETE", &format!("/api/v2/deals/{deal}/products/{}", line["id"]), None);
    }
    let next = world.snapshot();
    assert!(contents(&next, "dealProducts").deleted > 0);
    assert_eq!(contents(&next, "dealDiscounts").records, contents(&first, "dealDiscounts").records);
    assert_holds_the_truth(&world, &next);
}

/// The number of a field of deals.
fn number(world: &World, code: &str) -> Value {
    let fields = world.call("GET", "/v1/dealFields?limit=500", None);
    let mut fields = fields["data"].as_array().expect("fields").iter();
    fields.find(|field| field["key"] == json!(code)).expect("a field")["id"].clone()
}

#[test]
fn objects_that_were_not_asked_for_are_carried_over() {
    let world = World::of(500);
    let first = world.snapshot();
    let persons = ids(&world, "Persons");
    world.call("DELETE", &format!("/api/v2/persons/{}", persons[0]), None);
    let only = catalogue::find(&ObjectName::known("products")).expect("an object");
    let next = world.snapshot_of(&Wanted { objects: vec![only], ..Wanted::default() });
    let seen = contents(&next, "persons");
    assert!(matches!(seen.coverage, Coverage::LeftOut { .. }));
    assert_eq!((seen.records, seen.deleted), (contents(&first, "persons").records, 0));
    assert_eq!(contents(&next, "products").coverage, Coverage::Whole);
    assert_eq!(contents(&world.snapshot(), "persons").deleted, 1);
}

#[test]
fn contents_of_files_are_stored_as_the_account_has_them_and_fetched_once() {
    let world = World::of(1_500);
    let first = world.snapshot();
    let judge = world.judge();
    let hashes: Vec<(String, Value)> = judge["Files"]
        .as_array()
        .expect("files")
        .iter()
        .filter(|file| file["active_flag"] != json!(false))
        .map(|file| (file["id"].to_string(), file["content_blake3"].clone()))
        .collect();
    assert!(!hashes.is_empty());
    world.read(&first, |snapshot| {
        for (id, hash) in &hashes {
            let name = format!("fileContents/{id}");
            let id = pdbak::record::RecordId::parse(&name).expect("an id");
            let record = snapshot.find(&id).expect("a look").expect("contents");
            assert_eq!(&record.fields()["blake3"], hash, "{name}");
        }
    });
    world.call("DELETE", "/sandbox/log", None);
    world.snapshot();
    let log = world.call("GET", "/sandbox/log", None).to_string();
    assert!(!log.contains("/download"), "contents were fetched again");
}
