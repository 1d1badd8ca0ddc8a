//! What costs nothing and what costs a call for each record: views and changelogs.

use pdbak::archive::Coverage;
use pdbak::capture::Wanted;
use pdbak::catalogue::{self, ObjectName};
use pdbak::restore::Policy;
use serde_json::{Value, json};

use super::capture::ids;
use super::restore::left;
use crate::support::{World, contents};

const HISTORY: [&str; 6] =
    ["dealChangelog", "personChangelog", "organizationChangelog", "dealFlow", "personFlow", "organizationFlow"];

fn with_history() -> Wanted {
    let also = HISTORY.map(|name| catalogue::find(&ObjectName::new(name)).expect("an entry"));
    Wanted { also: also.to_vec(), ..Wanted::default() }
}

#[test]
fn history_is_left_out_until_somebody_asks_and_then_grows_by_what_is_new() {
    let world = World::of(200);
    let plain = world.snapshot();
    for object in HISTORY {
        assert!(matches!(contents(&plain, object).coverage, Coverage::LeftOut { .. }), "{object}");
        assert_eq!(contents(&plain, object).records, 0, "{object}");
    }
    let first = world.snapshot_of(&with_history());
    let records = |object: &str| contents(&first, object).records;
    assert_eq!(contents(&first, "dealChangelog").coverage, Coverage::Whole);
    let (living, archived) = (records("deals"), records("archivedDeals"));
    assert_eq!(records("dealChangelog"), living + archived);
    assert_eq!(records("personFlow"), records("persons"));
    // More than a page of changes, so that the second time a page must be enough.
    let deal = ids(&world, "Deals")[0];
    for at in 0..510 {
        world.call("PATCH", &format!("/api/v2/deals/{deal}"), Some(&json!({"title": format!("title {at}")})));
    }
    let second = world.snapshot_of(&with_history());
    assert_eq!(contents(&second, "dealChangelog").new, 510);
    world.call("PATCH", &format!("/api/v2/deals/{deal}"), Some(&json!({"title": "last"})));
    world.call("DELETE", "/sandbox/log", None);
    let third = world.snapshot_of(&with_history());
    assert_eq!((contents(&third, "dealChangelog").new, contents(&third, "dealChangelog").deleted), (1, 0));
    let log = world.call("GET", "/sandbox/log", None);
    let of_deal = format!("/api/v1/deals/{deal}/changelog");
    let pages = log.as_array().expect("a log").iter().filter(|line| line["path"] == json!(of_deal)).count();
    assert_eq!(pages, 1, "the first row that is known ends the walk");
    // Without being asked for it stays as it was, and no restore ever writes it.
    let fourth = world.snapshot();
    assert_eq!(contents(&fourth, "dealChangelog").records, contents(&third, "dealChangelog").records);
    assert_eq!(left(&world, &fourth, &Policy::default()), Vec::<String>::new());
}

#[test]
fn views_show_what_deals_and_participants_and_persons_say_and_cost_nothing() {
    let world = World::of(400);
    let manifest = world.snapshot();
    let judge = world.judge();
    let living = |kind: &str| -> Vec<Value> {
        let rows = judge[kind].as_array().expect("rows").iter();
        rows.filter(|row| row["is_deleted"] != json!(true)).cloned().collect()
    };
    let mut told: Vec<String> = living("Deals")
        .iter()
        .map(|deal| (deal["id"].clone(), deal["person_id"].clone()))
        .chain(living("DealParticipants").iter().map(|row| (row["deal_id"].clone(), row["person_id"].clone())))
        .filter(|(_, person)| person.is_number())
        .map(|(deal, person)| format!("{deal}:{person}"))
        .collect();
    told.sort();
    told.dedup();
    let mut employed: Vec<String> = living("Persons")
        .iter()
        .filter(|person| person["org_id"].is_number())
        .map(|person| format!("{}:{}", person["org_id"], person["id"]))
        .collect();
    employed.sort();
    for (object, expected) in [("DealPersons", told), ("OrganizationPersons", employed)] {
        let listed = world.pdbak(&["ls", "latest", object, "--json"]);
        assert_eq!(listed.code, 0, "{}", listed.stderr);
        let rows: Vec<Value> = listed.stdout.lines().map(|line| serde_json::from_str(line).expect("a line")).collect();
        let mut found: Vec<String> = rows.iter().map(|row| row["id"].as_str().expect("an id").to_owned()).collect();
        found.sort();
        assert_eq!(found, expected, "{object}");
        let one = world.pdbak(&["get", &format!("{object}/{}", expected[0]), "--json"]).json();
        assert!(one["record"]["name"].is_string(), "{one}");
        assert!(manifest.contents.iter().all(|seen| seen.object != ObjectName::new(object)));
    }
    let objects = world.pdbak(&["objects"]);
    assert!(objects.stdout.contains("DealPersons") && objects.stdout.contains("derived"));
}
