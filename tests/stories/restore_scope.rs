//! What exactly comes back: by what is in a record, with what it needs, and as far as somebody wanted it.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::capture::ids;
use crate::support::{Output, World};

fn world() -> World {
    let world = World::of(400);
    drop(world.archive());
    world
}

fn ran(world: &World, arguments: &[&str], code: i32) -> Output {
    let output = world.pdbak(arguments);
    assert_eq!(output.code, code, "{arguments:?}: {}{}", output.stdout, output.stderr);
    output
}

fn snapshot(world: &World) -> String {
    ran(world, &["snapshot", "--json"], 0).json()["snapshot"].as_str().expect("an id").to_owned()
}

fn rows(world: &World, kind: &str) -> Vec<Value> {
    world.judge()[kind].as_array().expect("rows").clone()
}

fn row(world: &World, kind: &str, id: u64) -> Value {
    rows(world, kind).into_iter().find(|row| row["id"] == json!(id)).expect("a row")
}

fn is_gone(world: &World, kind: &str, id: u64) -> bool {
    row(world, kind, id)["is_deleted"] == json!(true)
}

fn rename(world: &World, deal: u64, title: &str) {
    world.call("PATCH", &format!("/api/v2/deals/{deal}"), Some(&json!({"title": title})));
}

/// Living deals that the judge says are like this.
fn deals_that(world: &World, like: impl Fn(&Value) -> bool) -> Vec<u64> {
    let living = ids(world, "Deals");
    let rows = rows(world, "Deals");
    let wanted = rows.iter().filter(|row| row["id"].as_u64().is_some_and(|id| living.contains(&id)) && like(row));
    wanted.filter_map(|row| row["id"].as_u64()).collect()
}

/// The numbers in JSON lines.
fn listed(output: &Output) -> Vec<u64> {
    let ids = output.stdout.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON")["id"].clone());
    ids.map(|id| id.as_str().expect("an id").parse().expect("a number")).collect()
}

#[test]
fn a_filter_finds_what_the_judge_knows_and_a_slip_of_the_pen_is_told() {
    let world = world();
    let goal = snapshot(&world);
    let found = listed(&ran(&world, &["ls", "latest", "Deals", "--filter", "value > 10000", "--json"], 0));
    let wanted = deals_that(&world, |row| row["value"].as_f64().is_some_and(|value| value > 10_000.0));
    assert!(!wanted.is_empty() && found == wanted, "{found:?} {wanted:?}");

    // By the names that people read: a stage, and the linked person.
    let deal = &deals_that(&world, |row| !row["person_id"].is_null())[0];
    let deal = row(&world, "Deals", *deal);
    let stage = row(&world, "Stages", deal["stage_id"].as_u64().expect("a stage"))["name"].clone();
    let person = row(&world, "Persons", deal["person_id"].as_u64().expect("a person"))["name"].clone();
    let expression = format!("Stage = {stage} and \"Contact person\" = {person} and value = {}", deal["value"]);
    let found = listed(&ran(&world, &["ls", &goal, "Deals", "--filter", &expression, "--json"], 0));
    assert!(found.contains(&deal["id"].as_u64().expect("an id")), "{expression}: {found:?}");

    let slip = ran(&world, &["restore", &goal, "--object", "Deals", "--filter", "vlaue > 1", "--dry-run"], 2);
    assert!(slip.stderr.contains("unknown field vlaue of Deals; did you mean value?"), "{}", slip.stderr);
    let slip = ran(&world, &["restore", &goal, "--object", "Deals", "--filter", "value >", "--dry-run"], 2);
    assert!(slip.stderr.contains("a value was expected, not the end\n    value >\n           ^"), "{}", slip.stderr);
    ran(&world, &["restore", &goal, "--filter", "value > 1", "--dry-run"], 2);
}

#[test]
fn only_what_the_filter_lets_through_comes_back_as_the_snapshot_has_it() {
    let world = world();
    let open = deals_that(&world, |row| row["status"] == json!("open"));
    let closed = deals_that(&world, |row| row["status"] != json!("open"));
    let titles: Vec<Value> = open.iter().take(2).map(|id| row(&world, "Deals", *id)["title"].clone()).collect();
    let goal = snapshot(&world);
    world.advance_seconds(5);
    rename(&world, open[0], "import");
    rename(&world, closed[0], "import");
    world.call("DELETE", &format!("/api/v2/deals/{}", open[1]), None);
    world.call("DELETE", &format!("/api/v2/deals/{}", closed[1]), None);
    // What it is now does not count: it was open.
    world.call("PATCH", &format!("/api/v2/deals/{}", open[0]), Some(&json!({"status": "lost"})));
    let junk = |status: &str| {
        let body = json!({"title": "junk", "status": status});
        world.call("POST", "/api/v2/deals", Some(&body))["data"]["id"].as_u64().expect("an id")
    };
    let (junk_open, junk_won) = (junk("open"), junk("won"));

    let changed = ["diff", &goal, "live", "--object", "Deals", "--filter", "status = 'open'", "--json"];
    let changed: BTreeSet<u64> = listed(&ran(&world, &changed, 0)).into_iter().collect();
    assert_eq!(changed, BTreeSet::from([open[0], open[1], junk_open]));

    let filter = ["restore", &goal, "--object", "Deals", "--filter", "status = 'open'", "--delete-added"];
    let shown = ran(&world, &[&filter[..], &["--dry-run"]].concat(), 0).stdout;
    assert!(shown.contains("in scope             Deals: 3 of 6 that differ pass the filter"), "{shown}");
    let plan = ran(&world, &[&filter[..], &["--dry-run", "--json"]].concat(), 0).json();
    assert_eq!(plan["policy"]["scope"]["filter"], json!("status = 'open'"), "{plan}");
    ran(&world, &[&filter[..], &["--yes"]].concat(), 0);
    let back = row(&world, "Deals", open[0]);
    assert_eq!((&back["title"], &back["status"]), (&titles[0], &json!("open")));
    assert_eq!(row(&world, "Deals", open[1])["title"], titles[1]);
    assert!(!is_gone(&world, "Deals", open[1]));
    assert!(is_gone(&world, "Deals", closed[1]) && is_gone(&world, "Deals", junk_open));
    assert!(!is_gone(&world, "Deals", junk_won));
    assert_eq!(row(&world, "Deals", closed[0])["title"], json!("import"));
}

/// That the deal has its person again and that its organization, by the names they had, under whatever numbers.
fn assert_linked(world: &World, deal: u64, names: &[Value; 2]) {
    assert!(!is_gone(world, "Deals", deal));
    let person = row(world, "Persons", row(world, "Deals", deal)["person_id"].as_u64().expect("a person"));
    let organization = row(world, "Organizations", person["org_id"].as_u64().expect("an organization"));
    assert_eq!([&person["name"], &organization["name"]], [&names[0], &names[1]]);
    assert!(person["is_deleted"] != json!(true) && organization["is_deleted"] != json!(true));
}

/// What a person and an organization are called.
fn names(world: &World, [_, person, organization]: [u64; 3]) -> [Value; 2] {
    [row(world, "Persons", person)["name"].clone(), row(world, "Organizations", organization)["name"].clone()]
}

/// A company in which a deal, its person and that person's organization are gone; their numbers.
fn bereft(world: &World) -> [u64; 3] {
    let persons = rows(world, "Persons");
    let org = |deal: &Value| {
        let person = persons.iter().find(|person| person["id"] == deal["person_id"])?;
        person["org_id"].as_u64().filter(|_| person["is_deleted"] != json!(true))
    };
    let living = ids(world, "Deals");
    let deal = rows(world, "Deals").into_iter().find(|deal| {
        living.contains(&deal["id"].as_u64().expect("an id")) && deal["org_id"].is_null() && org(deal).is_some()
    });
    // Where every deal names its organization, too, that is the one that goes.
    let deal = deal.unwrap_or_else(|| {
        let deals = rows(world, "Deals").into_iter();
        let mut alike = deals.filter(|deal| living.contains(&deal["id"].as_u64().expect("an id")));
        alike.find(|deal| org(deal).is_some() && deal["org_id"].as_u64() == org(deal)).expect("a deal with both")
    });
    let numbers = [deal["id"].as_u64(), deal["person_id"].as_u64(), org(&deal)].map(|id| id.expect("a number"));
    for (path, id) in ["deals", "persons", "organizations"].iter().zip(numbers) {
        world.call("DELETE", &format!("/api/v2/{path}/{id}"), None);
    }
    numbers
}

#[test]
fn what_a_record_refers_to_is_left_empty_comes_along_or_keeps_it_out() {
    let world = world();
    let goal = snapshot(&world);
    let gone @ [deal, person, organization] = bereft(&world);
    let (record, called) = (format!("deals/{deal}"), names(&world, gone));
    let asked = |missing: &str| {
        let arguments = ["restore", &goal, "--record", &record, "--missing", missing, "--dry-run", "--json"];
        ran(&world, &arguments, 0).json()
    };
    let written = |plan: &Value| -> BTreeSet<String> {
        let steps = plan["steps"].as_array().expect("steps").iter();
        steps.filter_map(|step| step["action"]["create"]["record"].as_str().map(str::to_owned)).collect()
    };
    let empty = asked("empty");
    assert_eq!(written(&empty), BTreeSet::from([record.clone()]), "{empty}");
    assert_eq!(empty["dangling"]["persons"], json!({"records": 1, "from": 1}), "{empty}");
    let skip = asked("skip");
    assert_eq!(written(&skip), BTreeSet::new(), "{skip}");
    assert!(skip["left_out"].as_array().expect("a list").iter().any(|left| left["key"] == json!(deal.to_string())));
    let create = asked("create");
    let all = BTreeSet::from([record.clone(), format!("persons/{person}"), format!("organizations/{organization}")]);
    assert_eq!(written(&create), all, "{create}");
    assert_eq!((&create["drawn"]["persons"]["needed"], &create["dangling"]), (&json!(1), &Value::Null), "{create}");

    // Nobody is there to ask.
    let arguments = ["restore", &goal, "--record", &record, "--missing", "ask"];
    let refused = ran(&world, &arguments, 5);
    assert!(refused.stderr.contains("Persons: 1 is gone, 1 record refers to it"), "{}", refused.stderr);
    assert!(refused.stderr.contains("--missing create"), "{}", refused.stderr);

    let shown = ran(&world, &["restore", &goal, "--record", &record, "--dry-run"], 0).stdout;
    assert!(shown.contains("not in scope         Persons: 1 is gone, 1 record refers to it; see --missing"), "{shown}");
    ran(&world, &["restore", &goal, "--record", &record, "--missing", "create", "--yes"], 0);
    assert_linked(&world, deal, &called);
}

#[test]
fn what_is_related_comes_along_as_far_as_was_asked_for_and_is_counted() {
    let world = world();
    let goal = snapshot(&world);
    let gone @ [deal, person, _] = bereft(&world);
    let (record, called) = (format!("deals/{deal}"), names(&world, gone));
    let plan = |depth: &[&str]| {
        let arguments =
            [&["restore", &goal, "--record", &record, "--related"], depth, &["--dry-run", "--json"]].concat();
        ran(&world, &arguments, 0).json()
    };
    let far = plan(&[]);
    assert_eq!(far["drawn"]["deals"]["chosen"], json!(1), "{far}");
    assert_eq!(far["drawn"]["persons"]["needed"], json!(1), "{far}");
    let near = plan(&["--depth", "0"]);
    let only: Vec<&Value> = near["steps"].as_array().expect("steps").iter().map(|step| &step["action"]).collect();
    assert!(only.iter().all(|action| action["create"]["record"] != json!(format!("persons/{person}"))), "{near}");
    assert_eq!(near["drawn"]["persons"]["beyond"], json!(1), "{near}");
    let shown = ran(&world, &["restore", &goal, "--record", &record, "--related", "--dry-run"], 0).stdout;
    assert!(shown.contains("in scope             Persons: 1 needed by what comes back"), "{shown}");
    ran(&world, &["restore", &goal, "--record", &record, "--related", "--yes"], 0);
    assert_linked(&world, deal, &called);
    ran(&world, &["restore", &goal, "--record", &record, "--depth", "1", "--dry-run"], 2);
}

#[test]
fn a_look_at_the_account_does_not_change_what_latest_means() {
    let world = world();
    let goal = snapshot(&world);
    let deal = ids(&world, "Deals")[0];
    let title = row(&world, "Deals", deal)["title"].clone();
    world.advance_seconds(5);
    rename(&world, deal, "import");
    let record = format!("deals/{deal}");
    let restore = ["restore", "latest", "--record", &record];
    ran(&world, &["diff", "latest", "live", "--stat"], 0);
    for _ in 0..2 {
        let plan = ran(&world, &[&restore[..], &["--dry-run", "--json"]].concat(), 0).json();
        assert_eq!(plan["goal"].as_str(), Some(goal.as_str()), "{plan}");
        assert_eq!(plan["steps"].as_array().map(Vec::len), Some(1), "{plan}");
    }
    ran(&world, &[&restore[..], &["--yes"]].concat(), 0);
    assert_eq!(row(&world, "Deals", deal)["title"], title);
    let list = ran(&world, &["snapshots"], 0).stdout;
    assert!(list.contains("  read to compare with"), "{list}");
    let newest = ran(&world, &["show", "latest", "--json"], 0).json()["snapshot"].clone();
    assert_eq!(newest, json!(goal));
}

#[test]
fn conflicts_are_listed_under_human_names_and_nothing_is_written() {
    let world = world();
    let goal = snapshot(&world);
    let deal = ids(&world, "Deals")[0];
    let title = row(&world, "Deals", deal)["title"].clone();
    world.advance_seconds(5);
    rename(&world, deal, "import");
    snapshot(&world);
    world.advance_seconds(5);
    rename(&world, deal, "by hand");
    let before = world.judge();
    let told = ran(&world, &["restore", &goal, "--object", "Deals", "--conflicts", "--json"], 0).json();
    let one = &told["conflicts"][0];
    let values = ["record", "name", "goal", "between", "account", "winner"].map(|name| one[name].clone());
    let record = json!(format!("deals/{deal}"));
    assert_eq!(values, [record, json!("Title"), title, json!("import"), json!("by hand"), json!("account")], "{told}");
    assert!(one["when"].is_string(), "{told}");
    let shown = ran(&world, &["restore", &goal, "--object", "Deals", "--conflicts"], 0).stdout;
    assert!(shown.starts_with("1 conflict in plan ") && shown.contains("\"by hand\"  Title\n"), "{shown}");
    assert!(
        shown.contains("        now       by hand   the record was written ") && shown.contains(" UTC\n"),
        "{shown}"
    );
    assert_eq!(world.judge()["Deals"], before["Deals"]);
    let none = ran(&world, &["restore", "latest~1", "--object", "Persons", "--conflicts"], 0).stdout;
    assert!(none.starts_with("no conflicts"), "{none}");
}
