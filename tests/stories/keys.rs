//! Keys, as whoever looks after an archive meets them: added, lost, replaced, checked, and used on another machine.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use crate::support::{Output, Program};

/// A machine with an encrypted archive of one snapshot.
struct Machine {
    home: tempfile::TempDir,
}

impl Machine {
    fn new() -> Machine {
        let machine = Machine { home: tempfile::tempdir().expect("a folder") };
        machine.expect(0, "PASSPHRASE", &["init"]);
        machine.import("first");
        machine
    }

    fn import(&self, title: &str) {
        fs::create_dir_all(self.path("export")).expect("a folder");
        let lines = (1..=50).map(|id| format!("{{\"id\":{id},\"title\":\"{title} {}\"}}\n", id % 7));
        fs::write(self.path("export/deals.ndjson"), lines.collect::<String>()).expect("an export");
        self.expect(0, "PASSPHRASE", &["import", "export"]);
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// Runs it with a key: `PASSPHRASE`, or the name of a key file.
    fn pdbak(&self, key: &str, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pdbak"));
        command.args(arguments).current_dir(self.home.path()).env_clear();
        command.env("PATH", "/usr/bin:/bin").env("HOME", self.home.path()).env("PDBAK_ARCHIVE", self.path("archive"));
        match key {
            "PASSPHRASE" => command.env("PDBAK_PASSPHRASE", "correct horse"),
            "" => &mut command,
            file => command.env("PDBAK_KEY_FILE", self.path(file)),
        };
        command.env("PDBAK_NEW_PASSPHRASE", "battery staple");
        let output = Program(command).run();
        for secret in ["correct horse", "battery staple", "AGE-SECRET"] {
            assert!(!output.stdout.contains(secret) && !output.stderr.contains(secret), "a secret was printed");
        }
        output
    }

    fn expect(&self, code: i32, key: &str, arguments: &[&str]) -> Output {
        let output = self.pdbak(key, arguments);
        assert_eq!(output.code, code, "{arguments:?}\n{}\n{}", output.stdout, output.stderr);
        output
    }

    fn keys(&self) -> Vec<Value> {
        self.expect(0, "", &["key", "list", "--json"]).json().as_array().cloned().expect("a list")
    }

    fn key_of(&self, role: &str) -> String {
        let keys = self.keys();
        let key = keys.iter().find(|key| key["role"] == role).unwrap_or_else(|| panic!("no {role} key"));
        key["key"].as_str().expect("an id").to_owned()
    }
}

#[test]
fn a_new_archive_says_that_one_lost_passphrase_is_enough_and_how_to_mend_that() {
    let machine = Machine { home: tempfile::tempdir().expect("a folder") };
    let made = machine.expect(0, "PASSPHRASE", &["init"]);
    assert!(
        made.stderr.contains("Only one key can restore") && made.stderr.contains("pdbak key add"),
        "{}",
        made.stderr
    );
    assert!(machine.expect(0, "", &["key", "list"]).stderr.contains("Only one key can restore"));
    let added = machine.expect(0, "PASSPHRASE", &["key", "add", "--write-identity", "recovery.key", "--name", "safe"]);
    assert!(added.stdout.contains("\"safe\" (recipient), role restore"), "{}", added.stdout);
    let listed = machine.expect(0, "", &["key", "list"]);
    assert!(!listed.stderr.contains("Only one key"), "{}", listed.stderr);
    // A key file that is there is somebody's key, and is not written over.
    assert_eq!(machine.pdbak("PASSPHRASE", &["key", "add", "--write-identity", "recovery.key"]).code, 1);
    assert_eq!(machine.keys().len(), 2);
    assert_eq!(machine.expect(0, "recovery.key", &["snapshots", "--json"]).json(), serde_json::json!([]));
}

#[test]
fn the_last_key_that_restores_cannot_be_removed_and_the_last_but_one_wants_a_word() {
    let machine = Machine::new();
    let own = machine.key_of("restore");
    let refused = machine.expect(5, "PASSPHRASE", &["key", "remove", &own, "--yes"]);
    assert!(refused.stderr.contains("no other key is known to restore"), "{}", refused.stderr);
    machine.expect(0, "PASSPHRASE", &["key", "add", "--new-passphrase", "--name", "second"]);
    let asked = machine.expect(5, "PASSPHRASE", &["key", "remove", &own[..8]]);
    assert!(asked.stderr.contains("nothing has been changed") && asked.stderr.contains("--yes"), "{}", asked.stderr);
    machine.expect(2, "PASSPHRASE", &["key", "remove", "nobody"]);
    machine.expect(0, "PASSPHRASE", &["key", "remove", &own[..8], "--yes"]);
    let locked_out = machine.expect(12, "PASSPHRASE", &["snapshots"]);
    assert!(locked_out.stderr.starts_with("error: wrong key"), "{}", locked_out.stderr);
    fs::write(machine.path("second.pass"), "battery staple\n").expect("a file");
    machine.expect(0, "", &["ls", "latest", "deals", "--passphrase-file", "second.pass"]);
}

#[test]
fn each_role_may_what_it_is_for_and_is_told_which_key_the_rest_takes() {
    let machine = Machine::new();
    for role in ["put", "list"] {
        let file = format!("{role}.key");
        machine.expect(0, "PASSPHRASE", &["key", "add", "--role", role, "--write-identity", &file]);
    }
    machine.import("second");
    machine.import("third");
    for key in ["put.key", "list.key"] {
        for denied in [
            &["ls", "latest", "deals"][..],
            &["get", "deals/1"],
            &["diff", "latest~1", "latest"],
            &["export-nothing"],
            &["key", "add", "--new-passphrase"],
            &["key", "rotate"],
            &["reindex"],
        ] {
            let code = if denied[0] == "export-nothing" { 2 } else { 12 };
            let output = machine.expect(code, key, denied);
            let told =
                code == 2 || output.stderr.contains("this takes a restore key") && output.stderr.contains("hint: ");
            assert!(told, "{denied:?}: {}", output.stderr);
        }
        assert_eq!(machine.expect(0, key, &["check", "--read-data", "--json"]).json()["sound"], true);
        machine.expect(0, key, &["offsite", "push", &format!("./copy-of-{key}")]);
    }
    assert_eq!(machine.expect(0, "put.key", &["snapshots", "--json"]).json().as_array().map(Vec::len), Some(3));
    machine.expect(0, "put.key", &["import", "export"]);
    let denied = machine.expect(12, "put.key", &["forget", "--keep-last", "1"]);
    assert!(denied.stderr.contains("this takes a list key"), "{}", denied.stderr);
    machine.expect(12, "list.key", &["import", "export"]);
    machine.expect(0, "list.key", &["pin", "latest~3"]);
    machine.expect(0, "list.key", &["forget", "--keep-last", "1"]);
    let pruned = machine.expect(0, "list.key", &["prune", "--grace", "0"]);
    assert!(pruned.stdout.contains("contents of files stay as they are"), "{}", pruned.stdout);
    assert_eq!(machine.expect(0, "list.key", &["snapshots", "--json"]).json().as_array().map(Vec::len), Some(2));
    assert_eq!(machine.expect(0, "PASSPHRASE", &["check", "--read-data", "--json"]).json()["sound"], true);
}

#[test]
fn a_rotation_asks_for_what_it_cannot_know_and_everybody_goes_on_with_the_key_he_has() {
    let machine = Machine::new();
    machine.expect(0, "PASSPHRASE", &["key", "add", "--write-identity", "recovery.key"]);
    machine.expect(0, "PASSPHRASE", &["key", "add", "--role", "list", "--new-passphrase", "--name", "librarian"]);
    machine.expect(0, "PASSPHRASE", &["offsite", "push", "./copy"]);
    let undecided = machine.expect(5, "PASSPHRASE", &["key", "rotate"]);
    let told = ["nothing has been changed", "librarian", "--keep-passphrase-file", "--drop"];
    assert!(told.iter().all(|word| undecided.stderr.contains(word)), "{}", undecided.stderr);
    fs::write(machine.path("list.pass"), "battery staple\n").expect("a file");
    let before = machine.keys();
    let rotated = machine.expect(0, "PASSPHRASE", &["key", "rotate", "--keep-passphrase-file", "list.pass"]);
    assert!(rotated.stderr.contains("can read it still"), "what a rotation does not do is told: {}", rotated.stderr);
    let after = machine.keys();
    assert_eq!((before.len(), after.len()), (3, 3));
    assert!(after.iter().all(|key| before.iter().all(|old| old["key"] != key["key"])), "the files are new");

    machine.import("after the rotation");
    for key in ["PASSPHRASE", "recovery.key"] {
        assert!(machine.expect(0, key, &["get", "deals/7"]).stdout.contains("after the rotation"));
        assert!(machine.expect(0, key, &["get", "deals/7", "--snapshot", "latest~1"]).stdout.contains("first"));
    }
    machine.expect(0, "PASSPHRASE", &["check", "--read-data"]);
    let opens = machine.expect(0, "PASSPHRASE", &["key", "check", "recovery.key", "--json"]).json();
    assert_eq!(
        (opens["given"].as_array().map(Vec::len), opens["not_tried"].as_array().map(Vec::len)),
        (Some(2), Some(1))
    );

    // The copy gets the new header, and opens with the new keys and with nothing else at hand.
    let pushed = machine.expect(0, "", &["offsite", "push", "./copy", "--json"]).json();
    assert_eq!((pushed["mended"].as_u64(), pushed["faults"].as_array().map(Vec::len)), (Some(0), Some(0)), "{pushed}");
    assert_eq!(fs::read(machine.path("copy/archive.json")).ok(), fs::read(machine.path("archive/archive.json")).ok());
    machine.expect(0, "", &["offsite", "pull", "./copy", "--archive", "new"]);
    machine.expect(0, "recovery.key", &["check", "--read-data", "--archive", "new"]);
    let found = machine.expect(0, "recovery.key", &["get", "deals/7", "--archive", "new"]);
    assert!(found.stdout.contains("after the rotation"), "{}", found.stdout);

    // Dropped by name, a key opens nothing any more; what was fetched before gets the new header from the copy.
    let librarian = machine.key_of("list");
    machine.expect(0, "PASSPHRASE", &["key", "rotate", "--drop", &librarian]);
    assert_eq!(machine.keys().len(), 2);
    machine.expect(0, "", &["offsite", "push", "./copy"]);
    machine.expect(0, "", &["offsite", "pull", "./copy", "--archive", "new"]);
    assert_eq!(fs::read(machine.path("new/archive.json")).ok(), fs::read(machine.path("archive/archive.json")).ok());
    let superseded = machine.expect(12, "", &["snapshots", "--archive", "new", "--passphrase-file", "list.pass"]);
    assert!(superseded.stderr.contains("no longer one of the archive"), "{}", superseded.stderr);
    // Whoever rotates a copy is told before two archives go on under one name.
    machine.expect(
        0,
        "recovery.key",
        &["key", "rotate", "--archive", "copy", "--drop", &machine.key_of("restore"), "--yes"],
    );
    let other = machine.expect(2, "", &["offsite", "push", "./copy"]);
    assert!(other.stderr.contains("newer keys"), "{}", other.stderr);
}

#[test]
fn a_key_that_opens_nothing_and_one_that_is_damaged_are_told_apart() {
    let machine = Machine::new();
    machine.expect(0, "PASSPHRASE", &["key", "add", "--write-identity", "recovery.key"]);
    let stranger = Machine::new();
    stranger.expect(0, "PASSPHRASE", &["key", "add", "--write-identity", "other.key"]);
    fs::copy(stranger.path("other.key"), machine.path("other.key")).expect("a file");
    let checked = machine.expect(12, "PASSPHRASE", &["key", "check", "other.key"]);
    assert!(checked.stdout.contains("the passphrase opens the archive"), "{}", checked.stdout);
    assert!(checked.stdout.contains("other.key opens nothing here"), "{}", checked.stdout);
    let recipient = machine.keys().into_iter().find(|key| key["kind"] == "recipient").expect("a recipient");
    let file = machine.path("archive/keys").join(recipient["key"].as_str().expect("an id"));
    let mut bytes = fs::read(&file).expect("a file");
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::remove_file(&file).expect("a file");
    fs::write(&file, bytes).expect("a file");
    let damaged = machine.expect(1, "PASSPHRASE", &["key", "check", "recovery.key"]);
    assert!(damaged.stdout.contains("problem: keys/"), "{}", damaged.stdout);
    machine.expect(0, "PASSPHRASE", &["ls", "latest"]);
}

#[test]
fn an_archive_without_encryption_says_that_no_key_guards_it() {
    let machine = Machine { home: tempfile::tempdir().expect("a folder") };
    machine.expect(0, "", &["init", "--no-encryption"]);
    for arguments in [&["key", "list"][..], &["key", "check"], &["key", "rotate"]] {
        let output = machine.expect(2, "PASSPHRASE", arguments);
        assert!(output.stderr.contains("not encrypted"), "{}", output.stderr);
    }
}
