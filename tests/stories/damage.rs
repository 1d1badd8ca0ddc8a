//! Damage, as people meet it: found, mended from a copy, from a bundle or from the account, or written down.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::support::{Output, Program, World};

/// A folder with an archive of two snapshots, and a copy of it.
struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Home {
        let home = Home(tempfile::tempdir().expect("a folder"));
        assert_eq!(home.pdbak(&["init", "--no-encryption"]).code, 0);
        fs::create_dir(home.path("export")).expect("a folder");
        for version in 0..2 {
            let lines =
                (1..=50).map(|id| format!("{{\"id\":{id},\"title\":\"deal {id} of {}\"}}\n", version * (id % 2)));
            fs::write(home.path("export/deals.ndjson"), lines.collect::<String>()).expect("an export");
            assert_eq!(home.pdbak(&["import", "export"]).code, 0);
        }
        home.expect(0, &["tag", "latest", "--add", "kept"]);
        home.expect(0, &["offsite", "push", "./copy"]);
        home.expect(0, &["bundle", "create", "all.tar", "--all"]);
        home.expect(0, &["check", "--read-data"]);
        home
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn pdbak(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pdbak"));
        command.args(arguments).current_dir(self.0.path()).env_clear();
        command.env("PATH", "/usr/bin:/bin").env("HOME", self.0.path()).env("PDBAK_ARCHIVE", self.path("archive"));
        Program(command).run()
    }

    fn expect(&self, code: i32, arguments: &[&str]) -> Value {
        let output = self.pdbak(&[arguments, &["--json"]].concat());
        assert_eq!(output.code, code, "{arguments:?}\n{}\n{}", output.stdout, output.stderr);
        output.json()
    }

    fn deals(&self) -> String {
        let newest = self.pdbak(&["ls", "latest", "deals", "--json"]).stdout;
        newest + &self.pdbak(&["ls", "latest~1", "deals", "--json"]).stdout
    }
}

/// The files under a part of an archive.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

fn damage(file: &Path) {
    let mut bytes = fs::read(file).expect("a file");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::remove_file(file).expect("a file");
    fs::write(file, bytes).expect("a file");
}

fn hurt(home: &Home) {
    for part in ["segments", "snapshots", "marks"] {
        damage(&files(&home.path("archive").join(part))[0]);
    }
    fs::remove_file(files(&home.path("archive/segments"))[1].as_path()).expect("a file");
    fs::write(home.path("archive/keys/none"), "").expect("a file");
    fs::remove_file(home.path("archive/keys/none")).expect("a file");
}

#[test]
fn damaged_and_missing_files_come_back_from_a_copy_or_a_bundle_and_nothing_is_thrown_away() {
    for from in ["./copy", "all.tar"] {
        let home = Home::new();
        let before = home.deals();
        hurt(&home);
        let checked = home.expect(1, &["check", "--read-data"]);
        let problems = checked["problems"].as_array().expect("problems");
        // The manifest that is damaged may be the one that needs the segment that is missing.
        assert!(problems.len() >= 3 && problems.iter().all(|one| one["next"].as_str().is_some()), "{checked}");
        assert!(problems.iter().any(|one| one["kind"] == "segment"), "{checked}");
        let planned = home.expect(5, &["repair", "--from", from, "--dry-run"]);
        let steps = planned["plan"]["steps"].as_array().expect("steps");
        assert!(steps.len() >= 3 && planned["fetched"] == json!([]), "{planned}");
        let refused = home.pdbak(&["repair", "--from", from]);
        assert_eq!(refused.code, 5, "nobody consented: {}", refused.stderr);
        assert!(!home.path("archive/quarantine").exists());
        let repaired = home.expect(0, &["repair", "--from", from, "--yes"]);
        assert_eq!((&repaired["sound"], &repaired["lost"], &repaired["noted"]), (&json!(true), &json!([]), &json!([])));
        assert_eq!(repaired["fetched"].as_array().map(Vec::len), Some(4), "{repaired}");
        assert_eq!(files(&home.path("archive/quarantine")).len(), 3, "the three that were damaged are kept");
        assert_eq!(home.deals(), before);
        assert_eq!(home.expect(0, &["check", "--read-data"])["quarantined"], 3);
        let again = home.pdbak(&["repair", "--from", from, "--yes"]);
        assert_eq!((again.code, again.stdout.trim()), (0, "sound: nothing to repair"));
    }
}

#[test]
fn a_header_and_its_copy_come_back_from_a_copy_elsewhere() {
    let home = Home::new();
    let before = home.deals();
    fs::remove_file(home.path("archive/archive.json")).expect("a file");
    damage(&home.path("archive/keys/archive.json"));
    fs::write(home.path("archive/keys/archive.json"), "garbage").expect("a file");
    assert_ne!(home.pdbak(&["snapshots"]).code, 0);
    assert_eq!(home.expect(0, &["repair", "--from", "./copy", "--yes"])["sound"], true);
    assert_eq!(home.deals(), before);
    // One of the two is made from the other, without any copy.
    fs::write(home.path("archive/archive.json"), "garbage").unwrap_or_else(|_| {
        fs::remove_file(home.path("archive/archive.json")).expect("a file");
    });
    let repaired = home.expect(0, &["repair", "--yes"]);
    assert_eq!(repaired["rewritten"], json!(["archive.json"]), "{repaired}");
    home.expect(0, &["check", "--read-data"]);
}

#[test]
fn what_nobody_has_is_named_in_every_answer_and_never_passed_over() {
    let home = Home::new();
    let first = files(&home.path("archive/segments"));
    first.iter().for_each(|file| damage(file));
    let repaired = home.expect(3, &["repair", "--yes"]);
    assert_eq!(repaired["sound"], true, "{repaired}");
    assert_eq!(repaired["noted"].as_array().map(Vec::len), Some(first.len()), "{repaired}");
    let lost = repaired["lost"].as_array().expect("losses");
    assert_eq!((lost.len(), &lost[0]["object"]), (2, &json!("deals")), "{repaired}");
    let ids: usize = lost.iter().map(|one| one["ids"].as_array().map_or(0, Vec::len)).sum();
    assert_eq!(ids, 100, "both snapshots, all deals: {repaired}");
    let told = home.pdbak(&["check", "--read-data"]);
    assert_eq!(told.code, 3, "{}", told.stdout);
    assert!(told.stdout.contains("lost: snapshot") && told.stdout.contains("sound but for"), "{}", told.stdout);
    for command in [&["ls", "latest", "deals"][..], &["get", "deals/7"], &["diff", "latest~1", "latest"]] {
        let told = home.pdbak(command);
        assert!(told.code == 1 && told.stderr.contains("which is lost"), "{command:?}: {}{}", told.stdout, told.stderr);
    }
    // The account gives the same records once more: the snapshots that have them are whole again.
    home.expect(0, &["import", "export"]);
    let healed = home.expect(3, &["check", "--read-data"]);
    let lost: Vec<&Value> = healed["lost"].as_array().expect("losses").iter().collect();
    assert_eq!((lost.len(), lost[0]["records"].as_u64()), (1, Some(25)), "what changed since stays lost: {healed}");
    assert_eq!(home.pdbak(&["ls", "latest~1", "deals"]).code, 0);
    // A copy turns up after all.
    assert_eq!(home.expect(0, &["repair", "--from", "all.tar", "--yes"])["lost"], json!([]));
    home.expect(0, &["check", "--read-data"]);
    assert_eq!(home.pdbak(&["reindex"]).code, 0);
}

#[test]
fn records_that_no_copy_has_come_back_from_the_account_where_they_are_unchanged() {
    let world = World::of(300);
    assert_eq!(world.pdbak(&["init", "--no-encryption"]).code, 0);
    assert_eq!(world.pdbak(&["snapshot"]).code, 0);
    let before = world.pdbak(&["ls", "latest", "persons", "--json"]).stdout;
    let folder = world.path("archive");
    for file in files(&folder.join("segments")) {
        damage(&file);
    }
    let repaired = world.pdbak(&["repair", "--live", "--yes", "--json"]);
    let told = repaired.json();
    assert!(repaired.code == 0 || repaired.code == 3, "{told} {}", repaired.stderr);
    assert_eq!((&told["sound"], told["snapshot"].is_string()), (&json!(true), true), "{told}");
    assert_eq!(told["lost"], json!([]), "nothing has changed in the account: {told}");
    // What was read on the way is a snapshot of its own, and never the latest.
    assert!(world.pdbak(&["ls", "latest", "persons", "--json"]).stdout == before, "persons read as before");
}
