//! Into another company: what is there is found, the rest is made with its links, and neither company is taken for the other.

use std::collections::BTreeMap;
use std::fs;

use pdbak::sandbox::Options;
use serde_json::Value;

use crate::support::{Output, World};

/// The number of the second company.
const OTHER: u64 = 77;

/// A company with a snapshot, and another one that its configuration calls `test`.
fn two_companies(records: u64) -> (World, World) {
    let (world, other) =
        (World::of(300), World::with(Options { records, seed: 99, company: OTHER, ..Options::default() }));
    world.snapshot();
    fs::write(world.path("token"), "sandbox-token").expect("a token");
    let profiles =
        format!("[profiles.acme]\n[profiles.test]\nbase_url = \"{}\"\napi_token_file = \"token\"\n", other.url());
    fs::write(world.path("pdbak.toml"), profiles).expect("a configuration");
    (world, other)
}

fn restore(world: &World, arguments: &[&str]) -> Output {
    let all = [&["--profile", "acme", "restore", "--to", "test", "--budget", "all"], arguments].concat();
    world.pdbak(&all)
}

/// Rows that are not deleted.
fn alive<'t>(truth: &'t Value, object: &str) -> Vec<&'t Value> {
    let rows = truth[object].as_array().expect("an object of the judge").iter();
    rows.filter(|row| row["is_deleted"] != true && row["active_flag"] != false).collect()
}

fn names(truth: &Value, object: &str, name: &str) -> BTreeMap<String, String> {
    let rows = alive(truth, object).into_iter();
    rows.map(|row| (row["id"].to_string(), row[name].as_str().unwrap_or_default().to_owned())).collect()
}

/// Every deal by its title with the names of what it points to.
fn deals(truth: &Value) -> Vec<String> {
    let (organizations, persons) = (names(truth, "Organizations", "name"), names(truth, "Persons", "name"));
    let (stages, pipelines) = (names(truth, "Stages", "name"), names(truth, "Pipelines", "name"));
    let of = |names: &BTreeMap<String, String>, id: &Value| names.get(&id.to_string()).cloned().unwrap_or_default();
    let told = |deal: &&Value| {
        let title = deal["title"].as_str().unwrap_or_default();
        let links = [
            of(&organizations, &deal["org_id"]),
            of(&persons, &deal["person_id"]),
            of(&pipelines, &deal["pipeline_id"]),
            of(&stages, &deal["stage_id"]),
        ];
        format!("{title} {links:?} {} {} {}", deal["value"], deal["status"], deal["close_time"])
    };
    let mut told: Vec<String> = alive(truth, "Deals").iter().map(told).collect();
    told.sort();
    told
}

#[test]
fn a_company_is_made_in_an_empty_one_with_its_links() {
    let (world, other) = two_companies(0);
    let output = restore(&world, &["latest", "--yes", "--json"]);
    assert_eq!(output.code, 0, "{}{}", output.stdout, output.stderr);
    let (before, after) = (world.judge(), other.judge());
    for object in ["Deals", "Persons", "Organizations", "Activities", "Notes", "Products", "Leads", "DealProducts"] {
        assert_eq!(alive(&before, object).len(), alive(&after, object).len(), "{object}");
    }
    assert_eq!(deals(&before), deals(&after));
    // Nobody was invited, and no webhook calls the receivers of the first company.
    assert_eq!(alive(&after, "Users").len(), 1);
    assert_eq!(alive(&after, "Webhooks").len(), 0);
    // What was made is known, so that it is not made again.
    let again = restore(&world, &["latest", "--dry-run", "--json"]);
    assert_eq!(again.json()["steps"].as_array().map(Vec::len), Some(0), "{}", again.stdout);
}

#[test]
fn the_other_company_is_never_taken_for_the_first() {
    let (world, _other) = two_companies(0);
    let goal = world.archive().snapshots().expect("one")[0].id.clone();
    assert_eq!(restore(&world, &["latest", "--yes", "--json"]).code, 0);
    let archive = world.archive();
    assert_eq!(archive.resolve("latest").expect("a snapshot"), goal, "the newest of its own company");
    let aside = archive.snapshots().expect("two")[1].clone();
    assert_eq!((aside.source.company_id, aside.source.is_aside()), (OTHER, true));
    // Nothing of what was carried across counts as made again at home.
    let plan = world.pdbak(&["--profile", "acme", "restore", "latest", "--dry-run", "--json"]).json();
    assert_eq!(plan["steps"].as_array().map(Vec::len), Some(0), "{plan}");
    let stat = world.pdbak(&["--profile", "acme", "diff", "latest", "live", "--stat", "--exit-code"]);
    assert_eq!(stat.code, 0, "{}", stat.stdout);
    let across = world.pdbak(&["--profile", "acme", "diff", "latest", &aside.id.0]);
    assert_eq!(across.code, 2, "{}", across.stdout);
}

#[test]
fn without_the_word_another_company_is_refused() {
    let (world, other) = two_companies(0);
    let mut command = world.pdbak_command(&["restore", "latest", "--dry-run"]);
    command.0.env("PDBAK_BASE_URL", other.url());
    let output = command.run();
    assert!(output.code != 0 && output.stderr.contains("ids mean other records there"), "{}", output.stderr);
    let itself = format!("[profiles.test]\nbase_url = \"{}\"\napi_token_file = \"token\"\n", world.url());
    fs::write(world.path("pdbak.toml"), itself).expect("a configuration");
    let output = world.pdbak(&["restore", "latest", "--to", "test", "--dry-run"]);
    assert!(output.code == 2 && output.stderr.contains("itself"), "{}", output.stderr);
}

#[test]
fn a_mapping_is_written_edited_and_checked() {
    let (world, other) = two_companies(200);
    let map = world.path("map.jsonl");
    let dry = ["latest", "--mapping", "map.jsonl", "--dry-run", "--json"];
    let first = restore(&world, &dry).json();
    let text = fs::read_to_string(&map).expect("a mapping");
    let line = |object: &str, becomes: &str| {
        text.lines().any(|line| line.contains(&format!("\"{object}\"")) && line.contains(becomes))
    };
    assert!(
        line("users", "\"create\"") && line("webhooks", "\"skip\"") && line("pipelines", "\"becomes\":\""),
        "{text}"
    );
    let lost = |plan: &Value| plan["left_out"].to_string().matches("owner_id").count();
    assert!(lost(&first) > 0);
    // Everybody becomes the one user who is there.
    let user = alive(&other.judge(), "Users")[0]["id"].to_string();
    let edit = |line: &str| match line.contains("\"object\":\"users\"") {
        true => line.replace("\"create\"", &format!("\"{user}\"")),
        false => line.to_owned(),
    };
    let edited: Vec<String> = text.lines().map(edit).collect();
    fs::write(&map, edited.join("\n")).expect("an edit");
    assert_eq!(lost(&restore(&world, &dry).json()), 0);
    for (wrong, why) in [
        ("{\"object\":\"users\",\"id\":\"1\",\"becomes\":\"2\"}", "the snapshot does not have it"),
        ("{\"object\":\"nothing\",\"id\":\"1\",\"becomes\":\"2\"}", "no object is called nothing"),
        ("{\"object\":\"users\"", "EOF"),
    ] {
        fs::write(&map, format!("{}\n{wrong}\n", edited.join("\n"))).expect("a mistake");
        let output = restore(&world, &dry);
        assert!(output.code == 2 && output.stderr.contains(why), "{}", output.stderr);
    }
    let head = text.lines().next().unwrap_or_default().replace("77", "78");
    fs::write(&map, head).expect("a mistake");
    let output = restore(&world, &dry);
    assert!(output.code == 2 && output.stderr.contains("to company 78"), "{}", output.stderr);
}

#[test]
fn a_record_comes_with_what_it_needs() {
    let (world, other) = two_companies(0);
    let truth = world.judge();
    let deal = alive(&truth, "Deals").into_iter().find(|deal| deal["person_id"].is_u64() && deal["org_id"].is_u64());
    let deal = deal.expect("a deal with a person and an organization");
    let record = format!("deals/{}", deal["id"]);
    let output = restore(&world, &["latest", "--record", &record, "--related", "--yes", "--json"]);
    assert_eq!(output.code, 0, "{}{}", output.stdout, output.stderr);
    let made = other.judge();
    let (all, told) = (deals(&truth), deals(&made));
    let title = deal["title"].as_str().unwrap_or_default();
    assert!(told.iter().any(|one| one.starts_with(title)) && told.iter().all(|one| all.contains(one)), "{told:?}");
    // Not the whole company.
    assert!(told.len() < all.len() / 2 && alive(&made, "Persons").len() < alive(&truth, "Persons").len());
}
