//! The program as scripts meet it: what is on stdout, how it ends, and what it says when something is wrong.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::support::{Output, Program, World};

/// A world whose archive exists, with one snapshot.
fn with_snapshot(records: u64) -> (World, Value) {
    let world = World::of(records);
    assert_eq!(world.pdbak(&["init", "--no-encryption"]).code, 0);
    let taken = world.pdbak(&["snapshot", "--json"]);
    assert_eq!(taken.code, 0, "{}", taken.stderr);
    let taken = taken.json();
    (world, taken)
}

/// The program in a world that has neither account nor archive.
fn bare(arguments: &[&str], home: &std::path::Path) -> Program {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pdbak"));
    command.args(arguments).current_dir(home).env_clear().env("PATH", "/usr/bin:/bin").env("HOME", home);
    Program(command)
}

fn lines(output: &Output) -> Vec<Value> {
    output.stdout.lines().map(|line| serde_json::from_str(line).expect("a JSON document a line")).collect()
}

#[test]
fn a_snapshot_tells_scripts_what_the_design_promises() {
    let (_world, taken) = with_snapshot(300);
    assert!(taken["snapshot"].as_str().is_some_and(|id| id.len() == 64), "{taken}");
    for counter in ["requests", "tokens", "bytes_added"] {
        assert!(taken[counter].as_u64() > Some(0), "{counter}: {taken}");
    }
    let deals = &taken["objects"]["Deals"];
    for counter in ["records", "new", "changed", "deleted"] {
        assert!(deals[counter].is_u64(), "{counter}: {deals}");
    }
    assert_eq!(deals["coverage"], "whole");
    assert_eq!(deals["records"], deals["new"]);
}

#[test]
fn a_diff_is_one_json_document_a_change() {
    let (world, _) = with_snapshot(300);
    let deals = lines(&world.pdbak(&["ls", "latest", "Deals", "--json"]));
    let id = deals[0]["id"].as_str().expect("an id").to_owned();
    world.call("PATCH", &format!("/api/v2/deals/{id}"), Some(&serde_json::json!({"title": "Renamed"})));
    world.call("POST", "/api/v2/deals", Some(&serde_json::json!({"title": "Brand new"})));
    world.call("DELETE", &format!("/api/v2/deals/{}", deals[1]["id"].as_str().expect("an id")), None);

    let diff = world.pdbak(&["diff", "latest", "live", "--json", "--object", "Deals", "--exit-code"]);
    assert_eq!(diff.code, 6, "{}", diff.stderr);
    let changes = lines(&diff);
    let of =
        |op: &str| changes.iter().find(|change| change["op"] == op).unwrap_or_else(|| panic!("no {op}: {changes:?}"));
    assert_eq!((of("update")["object"].as_str(), of("update")["id"].as_str()), (Some("deals"), Some(id.as_str())));
    assert_eq!(of("update")["fields"]["title"]["after"], "Renamed");
    assert_eq!(of("update")["fields"]["title"]["before"], deals[0]["record"]["title"]);
    assert_eq!(of("insert")["title"], "Brand new");
    assert_eq!(of("delete")["id"], deals[1]["id"]);

    let stat = world.pdbak(&["diff", "latest", "live", "--stat", "--object", "Deals", "--json"]).json();
    assert_eq!(stat["objects"]["Deals"], serde_json::json!({"insert": 1, "update": 1, "delete": 1}));
    let one = lines(&world.pdbak(&["diff", "latest", "live", "--record", &format!("deals/{id}"), "--json"]));
    assert_eq!(one.len(), 1, "{one:?}");
    assert_eq!(world.pdbak(&["diff", "latest", "latest", "--exit-code"]).code, 0);
}

#[test]
fn a_restore_is_shown_then_kept_then_replayed_and_reported() {
    let (world, _) = with_snapshot(300);
    let deals = lines(&world.pdbak(&["ls", "latest", "Deals", "--json"]));
    let path = format!("/api/v2/deals/{}", deals[0]["id"].as_str().expect("an id"));
    world.call("PATCH", &path, Some(&serde_json::json!({"title": "Overwritten"})));
    let title = |world: &World| world.call("GET", &path, None)["data"]["title"].clone();

    // A dry run writes nothing, and its JSON is a plan that can be replayed.
    let plan = world.pdbak(&["restore", "latest", "--object", "Deals", "--dry-run", "--json"]);
    assert_eq!(plan.code, 0, "{}", plan.stderr);
    assert!(plan.json()["steps"].as_array().is_some_and(|steps| steps.len() == 1), "{}", plan.stdout);
    assert_eq!(title(&world), "Overwritten");

    // Without a terminal nobody consented: nothing is written, and the hint says how to go on.
    fs::write(world.path("plan.json"), &plan.stdout).expect("a file");
    let refused = world.pdbak(&["restore", "--from-plan", "plan.json"]);
    assert_eq!(refused.code, 5, "{}", refused.stderr);
    assert!(refused.stderr.contains("nothing has been written"), "{}", refused.stderr);
    assert_eq!(title(&world), "Overwritten");

    let report = world.pdbak(&["restore", "--from-plan", "plan.json", "--yes", "--json"]);
    assert_eq!(report.code, 0, "{}", report.stderr);
    let deals_report = &report.json()["objects"]["Deals"];
    let sum = |names: &[&str]| names.iter().filter_map(|name| deals_report[*name].as_u64()).sum::<u64>();
    assert_eq!((sum(&["equal", "by_nature"]), sum(&["failed", "conflicts"])), (1, 0), "{deals_report}");
    assert_eq!(title(&world), deals[0]["record"]["title"]);
}

#[test]
fn records_files_and_snapshots_can_be_read() {
    let (world, taken) = with_snapshot(600);
    let id = taken["snapshot"].as_str().expect("an id");
    let snapshots = world.pdbak(&["snapshots", "--json"]).json();
    assert_eq!(snapshots[0]["snapshot"], id);
    assert_eq!(world.pdbak(&["show", &id[..6], "--json"]).json()["snapshot"], id);

    let files = lines(&world.pdbak(&["ls", "latest", "Files", "--json"]));
    let record = format!("files/{}", files[0]["id"].as_str().expect("an id"));
    let got = world.pdbak(&["get", &record, "--json"]).json();
    assert_eq!(got["record"]["id"].to_string(), files[0]["id"].as_str().expect("an id"));
    let written = world.pdbak(&["get", &record, "--output", "offer"]);
    assert_eq!(written.code, 0, "{}", written.stderr);
    let size = fs::metadata(world.path("offer")).expect("the file").len();
    assert_eq!(Some(size), got["record"]["file_size"].as_u64(), "{got}");
    assert_eq!(world.pdbak(&["get", &record, "--output", "offer"]).code, 1, "what lies there stays");

    assert_eq!(world.pdbak(&["check", "--read-data", "--json"]).json()["sound"], true);
    assert!(world.pdbak(&["reindex", "--json"]).json()["versions"].as_u64() > Some(0));
}

#[test]
fn snapshots_are_tagged_forgotten_and_pruned() {
    let (world, first) = with_snapshot(200);
    assert_eq!(world.pdbak(&["snapshot", "--tag", "audit", "--json"]).code, 0);
    assert_eq!(world.pdbak(&["snapshot"]).code, 0);
    let stands = world.pdbak(&["tag", "latest~1", "--json"]).json();
    assert_eq!(stands["tags"], serde_json::json!(["audit"]));
    assert_eq!(world.pdbak(&["forget"]).code, 2);
    assert_eq!(world.pdbak(&["forget", "--keep-tag", "audti"]).code, 2);
    // A hold that holds nothing is none, and a day beyond all days does not let go.
    for day in ["2020-01-01", "262142-12-31", "tomorrow"] {
        assert_eq!(world.pdbak(&["hold", "latest", "--until", day]).code, 2, "{day}");
    }
    assert_eq!(world.pdbak(&["forget", "latest"]).code, 1);
    let rules = ["forget", "--keep-last", "1", "--keep-tag", "audit", "--json"];
    let told = world.pdbak(&[&rules[..], &["--dry-run"]].concat()).json();
    assert_eq!(world.pdbak(&["snapshots", "--json"]).json().as_array().map(Vec::len), Some(3));
    let done = world.pdbak(&rules).json();
    assert_eq!((&told["snapshots"], &done["forgotten"]), (&done["snapshots"], &serde_json::json!(1)));
    assert_eq!(done["snapshots"][2]["snapshot"], first["snapshot"]);
    assert_eq!(world.pdbak(&["snapshots", "--json"]).json().as_array().map(Vec::len), Some(2));
    let told = world.pdbak(&["prune", "--grace", "0", "--dry-run", "--json"]).json();
    let done = world.pdbak(&["prune", "--grace", "0", "--json"]).json();
    assert_eq!(told["removed"], done["removed"]);
    let checked = world.pdbak(&["check", "--read-data"]);
    assert_eq!(checked.code, 0, "{}", checked.stdout);
}

#[test]
fn a_snapshot_that_cannot_be_read_hides_no_other() {
    let home = tempfile::tempdir().expect("a folder");
    let pdbak = |arguments: &[&str]| bare(&[&["--archive", "a"], arguments].concat(), home.path()).run();
    fs::create_dir(home.path().join("export")).expect("a folder");
    assert_eq!(pdbak(&["init", "--no-encryption"]).code, 0);
    let mut taken = Vec::new();
    for title in ["A", "B"] {
        fs::write(home.path().join("export/deals.ndjson"), format!("{{\"id\":1,\"title\":\"{title}\"}}\n"))
            .expect("a file");
        taken.push(pdbak(&["import", "export", "--json"]).json()["snapshot"].as_str().expect("an id").to_owned());
    }
    let manifest = home.path().join("a/snapshots").join(&taken[1]);
    fs::remove_file(&manifest).expect("it is there");
    fs::write(&manifest, "torn").expect("a file");
    let listed = pdbak(&["snapshots", "--json"]);
    assert_eq!(listed.code, 3, "{}", listed.stderr);
    let ids: Vec<String> =
        listed.json().as_array().expect("snapshots").iter().map(|one| one["snapshot"].to_string()).collect();
    assert_eq!(ids, [format!("\"{}\"", taken[0])]);
    assert!(listed.stderr.contains(&taken[1][..8]) && listed.stderr.contains("pdbak repair"), "{}", listed.stderr);
}

#[test]
fn files_of_other_tools_become_a_snapshot() {
    let home = tempfile::tempdir().expect("a folder");
    let pdbak = |arguments: &[&str]| bare(&[&["--archive", "a"], arguments].concat(), home.path()).run();
    fs::create_dir(home.path().join("export")).expect("a folder");
    fs::write(home.path().join("export/deals.ndjson"), "{\"id\":1,\"title\":\"A\"}\n{\"id\":2}\n").expect("a file");
    assert_eq!(pdbak(&["init", "--no-encryption"]).code, 0);
    let first = pdbak(&["import", "export", "--json"]);
    assert_eq!((first.code, first.json()["objects"]["Deals"]["records"].as_u64()), (0, Some(2)), "{}", first.stderr);

    fs::write(home.path().join("export/deals.ndjson"), "{\"id\":1,\"title\":\"B\"}\nnot a record\n").expect("a file");
    let second = pdbak(&["import", "export", "--json"]);
    assert_eq!(second.code, 3, "a line that is no record is a gap: {}", second.stdout);
    let deals = second.json()["objects"]["Deals"].clone();
    assert_eq!((deals["changed"].as_u64(), deals["deleted"].as_u64()), (Some(1), Some(0)), "{deals}");
    assert!(deals["coverage"].as_str().is_some_and(|coverage| coverage.starts_with("part: ")), "{deals}");
}

#[test]
fn each_failure_has_its_exit_code_and_a_hint() {
    let home = tempfile::tempdir().expect("a folder");
    let run = |arguments: &[&str]| bare(arguments, home.path()).run();
    assert_eq!(run(&["snapshots", "--archive", "nowhere"]).code, 10);
    assert_eq!(run(&["snapshots"]).code, 2, "no archive was named");
    assert_eq!(run(&["fly"]).code, 2);

    let with_passphrase = |arguments: &[&str], passphrase: &str| {
        let mut program = bare(arguments, home.path());
        program.0.env("PDBAK_PASSPHRASE", passphrase).env("PDBAK_ARCHIVE", "sealed");
        program.run()
    };
    assert_eq!(with_passphrase(&["init"], "horse").code, 0);
    let wrong = with_passphrase(&["snapshots"], "donkey");
    assert_eq!(wrong.code, 12, "{}", wrong.stderr);
    assert!(wrong.stderr.contains("hint: ") && !wrong.stderr.contains("donkey"), "{}", wrong.stderr);
    assert_eq!(with_passphrase(&["snapshots"], "horse").code, 0);
    assert_eq!(with_passphrase(&["init"], "horse").code, 1, "an archive is not made over another");
    assert_eq!(run(&["snapshots", "--archive", "sealed"]).code, 2, "nobody can be asked for the passphrase");
}

#[test]
fn a_wrong_token_and_an_unknown_host_are_told_without_naming_the_token() {
    let world = World::of(0);
    assert_eq!(world.pdbak(&["init", "--no-encryption"]).code, 0);
    let mut wrong = world.pdbak_command(&["snapshot"]);
    wrong.0.env("PDBAK_API_TOKEN", "not-the-token");
    let wrong = wrong.run();
    assert_eq!(wrong.code, 1, "{}", wrong.stderr);
    assert!(wrong.stderr.contains("PDBAK_API_TOKEN") && !wrong.stderr.contains("not-the-token"), "{}", wrong.stderr);

    let odd = world.pdbak(&["snapshot", "--base-url", "http://example.com"]);
    assert_eq!(odd.code, 2, "a token never travels in the clear: {}", odd.stderr);
}

#[test]
fn a_spent_budget_ends_with_its_own_code_and_the_next_run_goes_on() {
    let world = World::of(300);
    assert_eq!(world.pdbak(&["init", "--no-encryption"]).code, 0);
    let spent = world.pdbak(&["snapshot", "--budget", "60"]);
    assert_eq!(spent.code, 4, "{}", spent.stderr);
    assert!(spent.stderr.contains("pdbak snapshot"), "{}", spent.stderr);
    assert_eq!(world.pdbak(&["snapshot", "--budget", "all"]).code, 0);
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let (world, _) = with_snapshot(600);
    let mut listing = world.pdbak_command(&["ls", "latest", "Activities"]).0;
    let mut child = listing.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program runs");
    let mut first = String::new();
    BufReader::with_capacity(16, child.stdout.take().expect("a pipe")).read_line(&mut first).expect("a line");
    assert!(first.starts_with("activities/"), "{first}");
    let ended = child.wait_with_output().expect("it ends");
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
}

#[test]
fn the_configuration_file_names_archive_and_secrets_and_flags_win() {
    let world = World::of(0);
    let text =
        format!("[profiles.acme]\narchive = \"store\"\nbase_url = \"{}\"\npassphrase_file = \"pass\"\n", world.url());
    fs::write(world.path("pdbak.toml"), text).expect("a file");
    fs::write(world.path("pass"), "horse\n").expect("a file");
    let run = |arguments: &[&str]| {
        let mut program = world.pdbak_command(arguments);
        program.0.env_remove("PDBAK_ARCHIVE").env_remove("PDBAK_BASE_URL");
        program.run()
    };
    assert_eq!(run(&["init"]).code, 0);
    assert!(world.path("store").join("archive.json").exists());
    let taken = run(&["snapshot"]);
    assert_eq!(taken.code, 0, "{}", taken.stderr);
    assert_eq!(run(&["snapshots", "--archive", "elsewhere"]).code, 10, "the flag wins");

    fs::write(world.path("pdbak.toml"), "[profiles.acme]\narchive = \"store\"\npassphrase_command = \"touch ran\"\n")
        .expect("a file");
    assert_eq!(run(&["snapshots"]).code, 2, "a file that merely lies there may not run commands");
    assert!(!world.path("ran").exists());
}
