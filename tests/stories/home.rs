//! An archive that lives in an object store, as people meet it: from several machines, cut off, damaged, and offline.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use hyper::Method;
use serde_json::Value;

use crate::support::s3::S3;
use crate::support::{Output, Program, World};

/// What a machine knows of the store.
fn at_store(command: &mut Command, s3: &S3) {
    command.env("PDBAK_ARCHIVE", "s3://acme/crm").env("PDBAK_ARCHIVE_ENDPOINT", s3.url());
    command.env("PDBAK_ARCHIVE_REGION", "here").env("PDBAK_ARCHIVE_CREDENTIALS", "AKIDEXAMPLE:hunter2hunter2");
}

/// Machines that share a store and nothing else.
struct Town {
    s3: S3,
    machines: tempfile::TempDir,
}

impl Town {
    fn new() -> Town {
        Town { s3: S3::start(), machines: tempfile::tempdir().expect("a folder") }
    }

    /// With an archive that holds some deals.
    fn with_archive() -> Town {
        let town = Town::new();
        town.expect("one", 0, &["init", "--no-encryption"]);
        town.import("one", 0);
        town
    }

    /// The folder of a machine, which is all it has.
    fn folder(&self, machine: &str) -> PathBuf {
        let folder = self.machines.path().join(machine);
        fs::create_dir_all(&folder).expect("a folder");
        folder
    }

    fn command(&self, machine: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pdbak"));
        let folder = self.folder(machine);
        command.args(arguments).current_dir(&folder).env_clear().env("PATH", "/usr/bin:/bin").env("HOME", &folder);
        command.env("PDBAK_PASSPHRASE", "correct horse");
        at_store(&mut command, &self.s3);
        command
    }

    fn pdbak(&self, machine: &str, arguments: &[&str]) -> Output {
        let output = Program(self.command(machine, arguments)).run();
        assert!(!output.stderr.contains("hunter2") && !output.stdout.contains("hunter2"), "a secret was printed");
        output
    }

    /// Runs it and expects an end.
    fn expect(&self, machine: &str, code: i32, arguments: &[&str]) -> Value {
        let arguments = [arguments, &["--json"]].concat();
        let output = self.pdbak(machine, &arguments);
        assert_eq!(output.code, code, "{machine}: {arguments:?}\n{}\n{}", output.stdout, output.stderr);
        if output.stdout.is_empty() { Value::Null } else { output.json() }
    }

    /// Writes a version of three hundred deals.
    fn export(&self, machine: &str, version: u64) {
        let folder = self.folder(machine).join("export");
        fs::create_dir_all(&folder).expect("a folder");
        let lines = (1..=300).map(|id| format!("{{\"id\":{id},\"title\":\"deal {id} of {}\"}}\n", version * (id % 7)));
        fs::write(folder.join("deals.ndjson"), lines.collect::<String>()).expect("an export");
    }

    fn import(&self, machine: &str, version: u64) -> Value {
        self.export(machine, version);
        self.expect(machine, 0, &["import", "export"])
    }

    fn snapshots(&self, machine: &str) -> usize {
        self.expect(machine, 0, &["snapshots"]).as_array().expect("a list").len()
    }

    /// The names in the store below a folder of the archive.
    fn names(&self, folder: &str) -> Vec<String> {
        let folder = format!("crm/{folder}");
        self.s3.state().objects.keys().filter(|name| name.starts_with(&folder)).cloned().collect()
    }
}

#[test]
fn every_command_works_on_it_from_a_machine_that_has_nothing_but_a_cache() {
    let town = Town::new();
    assert_eq!(town.pdbak("one", &["snapshots"]).code, 10, "there is none yet");
    assert_eq!(town.expect("one", 0, &["init"])["archive"], "s3://acme/crm");
    town.import("one", 0);
    // The second machine has the credentials and the passphrase, and goes on.
    town.import("two", 1);
    for machine in ["one", "two", "three"] {
        assert_eq!(town.snapshots(machine), 2, "{machine}");
        assert_eq!(town.pdbak(machine, &["check", "--read-data"]).code, 0, "{machine}");
    }
    let changes = town.pdbak("three", &["diff", "latest~1", "latest", "--json"]);
    assert_eq!(changes.stdout.lines().count(), 258, "six of seven deals");
    assert_eq!(town.pdbak("three", &["ls", "latest", "deals", "--json"]).stdout.lines().count(), 300);
    assert!(town.pdbak("three", &["get", "deals/3"]).stdout.contains("deal 3 of 3"));
    assert_eq!(town.expect("three", 0, &["show", "latest"])["objects"]["Deals"]["records"], 300);
    town.expect("three", 0, &["tag", "latest", "--add", "kept"]);
    assert_eq!(town.expect("one", 0, &["snapshots"])[1]["tags"][0], "kept");
    town.expect("two", 0, &["forget", "latest~1"]);
    town.expect("one", 0, &["prune", "--grace", "0"]);
    assert_eq!((town.snapshots("two"), town.names("snapshots/").len()), (1, 1), "it is gone from the store");
    let identity = town.folder("two").join("second.key");
    town.expect("two", 0, &["key", "add", "--write-identity", identity.to_str().expect("text")]);
    assert_eq!(town.expect("one", 0, &["key", "list"]).as_array().map(Vec::len), Some(2));
    town.expect("one", 0, &["key", "rotate"]);
    assert_eq!(town.pdbak("two", &["key", "check"]).code, 0, "the passphrase still opens it");
    town.import("three", 2);
    town.expect("one", 0, &["reindex"]);
    assert_eq!(town.expect("one", 0, &["status"])["archive"]["path"], "s3://acme/crm");
    assert_eq!(town.pdbak("four", &["check", "--read-data"]).code, 0);
    assert!(town.names("runs/").is_empty() && town.names("index").is_empty(), "what is of a machine stays there");
}

#[test]
fn what_captures_restores_and_undoes_does_so_from_a_store() {
    let (s3, world) = (S3::start(), World::of(120));
    let pdbak = |machine: &str, arguments: &[&str]| {
        let Program(mut command) = world.pdbak_command(arguments);
        at_store(command.env("HOME", world.path(machine)), &s3);
        let output = Program(command).run();
        assert_eq!(output.code, 0, "{arguments:?}: {}{}", output.stdout, output.stderr);
        output
    };
    pdbak("one", &["init", "--no-encryption"]);
    pdbak("one", &["snapshot"]);
    let deal = world.judge()["Deals"][0].clone();
    let path = format!("/api/v2/deals/{}", deal["id"]);
    world.call("PATCH", &path, Some(&serde_json::json!({ "title": "overwritten" })));
    // Another machine, which has never seen the archive, brings it back.
    s3.state().denies = Some("/restores/");
    let restore = ["restore", "latest", "--object", "Deals", "--yes", "--quiet"];
    let Program(mut command) = world.pdbak_command(&restore);
    at_store(command.env("HOME", world.path("two")), &s3);
    let refused = Program(command).run();
    assert!(refused.code == 1 && refused.stderr.contains("warning: restores/"), "{}", refused.stderr);
    s3.state().denies = None;
    pdbak("two", &restore);
    assert_eq!(world.judge()["Deals"][0]["title"], deal["title"]);
    // And a third one knows of it, and takes it back.
    pdbak("three", &["undo", "latest", "--yes"]);
    assert_eq!(world.judge()["Deals"][0]["title"], "overwritten");
    pdbak("four", &["check", "--read-data"]);
}

#[test]
fn a_run_killed_at_any_upload_is_gone_on_with_from_the_same_machine_and_from_another() {
    let uploads = {
        let town = Town::with_archive();
        let before = town.s3.state().uploads;
        town.import("one", 1);
        town.s3.state().uploads - before
    };
    assert!(uploads >= 3, "its note, a segment and a manifest");
    for number in 1..=uploads {
        let town = Town::with_archive();
        town.export("one", 1);
        town.s3.state().holds = Some((Method::PUT, number));
        let mut running = town.command("one", &["import", "export"]);
        let mut running = running.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it runs");
        town.s3.wait_until_it_holds();
        running.kill().expect("it runs");
        running.wait().expect("it is gone");
        town.s3.state().holds = None;
        assert_eq!(town.snapshots("two"), 1, "killed at upload {number}: no half snapshot");
        assert_eq!(town.pdbak("two", &["check", "--read-data"]).code, 0, "killed at upload {number}");
        town.expect("one", 0, &["import", "export"]);
        assert_eq!(town.snapshots("two"), 2, "killed at upload {number}");
        assert_eq!(town.pdbak("two", &["check", "--read-data"]).code, 0, "killed at upload {number}");
    }
}

#[test]
fn damage_and_loss_in_the_store_are_found_where_everything_was_fetched_before() {
    let town = Town::with_archive();
    assert_eq!(town.pdbak("one", &["check", "--read-data"]).code, 0);
    let segment = town.names("segments/").remove(0);
    let whole = town.s3.state().objects[&segment].clone();
    let mut damaged = whole.to_vec();
    damaged[100] ^= 1;
    town.s3.state().objects.insert(segment.clone(), damaged.into());
    for machine in ["one", "two"] {
        let checked = town.pdbak(machine, &["check", "--read-data"]);
        assert_eq!(checked.code, 1, "{machine}: {}", checked.stdout);
        assert!(checked.stdout.contains(segment.trim_start_matches("crm/")), "{}", checked.stdout);
    }
    assert_ne!(town.pdbak("three", &["ls", "latest", "deals"]).code, 0, "damaged records are not shown as whole ones");
    town.s3.state().objects.remove(&segment);
    let checked = town.pdbak("one", &["check"]);
    assert!(checked.code == 1 && checked.stdout.contains("missing"), "{}", checked.stdout);
    town.s3.state().objects.insert(segment, whole);
    assert_eq!(town.pdbak("one", &["check", "--read-data"]).code, 0);
}

#[test]
fn a_copy_elsewhere_mends_what_is_damaged_in_the_store() {
    let town = Town::with_archive();
    town.expect("one", 0, &["offsite", "push", "./copy"]);
    let segment = town.names("segments/").remove(0);
    town.s3.state().objects.insert(segment.clone(), vec![0; 100].into());
    town.expect("one", 0, &["repair", "--from", "./copy", "--yes"]);
    assert_eq!(town.pdbak("two", &["check", "--read-data"]).code, 0);
    town.s3.state().objects.remove(&segment);
    town.expect("one", 0, &["repair", "--from", "./copy", "--yes"]);
    assert_eq!(town.pdbak("two", &["check", "--read-data"]).code, 0);
}

#[test]
fn it_is_copied_and_bundled_and_a_copy_that_was_pushed_is_lived_in() {
    let town = Town::with_archive();
    assert_eq!(town.expect("one", 0, &["offsite", "push", "./copy"])["faults"].as_array().map(Vec::len), Some(0));
    assert_eq!(town.pdbak("one", &["check", "--read-data", "--archive", "copy"]).code, 0);
    town.expect("one", 0, &["offsite", "check", "./copy", "--read-data"]);
    town.expect("one", 0, &["bundle", "create", "acme.tar"]);
    town.expect("one", 0, &["bundle", "import", "acme.tar", "--archive", "out"]);
    for arguments in [&["offsite", "pull", "./copy"][..], &["bundle", "import", "acme.tar"]] {
        let refused = town.pdbak("one", arguments);
        assert_eq!(refused.code, 2, "{arguments:?}");
        assert!(refused.stderr.contains("this archive lives in a store") && refused.stderr.contains("--archive DIR"));
    }
    // From a folder into a store by a push, and on from there.
    town.s3.state().objects.clear();
    let config =
        format!("[offsite.new]\nurl = \"s3://acme/crm\"\nendpoint = \"{}\"\nregion = \"here\"\n", town.s3.url());
    fs::write(town.folder("one").join("pdbak.toml"), config).expect("a configuration");
    let mut push = town.command("one", &["offsite", "push", "new", "--archive", "copy"]);
    push.env("PDBAK_OFFSITE_NEW", "AKIDEXAMPLE:hunter2hunter2");
    assert_eq!(Program(push).run().code, 0);
    town.import("two", 1);
    assert_eq!(town.snapshots("three"), 2);
}

#[test]
fn without_a_line_it_is_said_what_failed_and_what_to_do() {
    let town = Town::with_archive();
    let mut command = town.command("one", &["snapshots"]);
    command.env("PDBAK_ARCHIVE_ENDPOINT", "https://127.0.0.1:9");
    // Whoever listens on no port is asked again for a while; a name that is refused at once is not.
    command.env("PDBAK_ARCHIVE_CREDENTIALS", "no-colon-hunter2");
    let refused = Program(command).run();
    assert!(refused.code == 2 && refused.stderr.contains("ID:SECRET"), "{}", refused.stderr);
    assert!(!refused.stderr.contains("hunter2"));
    town.export("one", 1);
    town.s3.state().denies = Some("/segments/");
    let cut = town.pdbak("one", &["import", "export"]);
    assert_eq!(cut.code, 1, "{}", cut.stderr);
    for said in [
        "s3://acme/crm",
        "refuses the credentials when asked to write",
        "hint: check PDBAK_ARCHIVE_CREDENTIALS",
        "is sent then",
    ] {
        assert!(cut.stderr.contains(said), "{}", cut.stderr);
    }
    assert_eq!(town.snapshots("one"), 1);
    town.s3.state().denies = None;
    town.expect("one", 0, &["import", "export"]);
    assert_eq!(town.snapshots("two"), 2);
}

#[test]
fn a_store_that_is_full_is_told_at_once_and_what_was_read_is_sent_when_there_is_room() {
    let town = Town::with_archive();
    town.export("one", 1);
    town.s3.state().full_by_status = true;
    let before = town.s3.state().requests;
    let full = town.pdbak("one", &["import", "export"]);
    assert_eq!(full.code, 1, "{}", full.stderr);
    for said in ["s3://acme/crm", "there is no room left", "hint: make room in the archive's store"] {
        assert!(full.stderr.contains(said), "{}", full.stderr);
    }
    assert!(town.s3.state().requests - before < 12, "nobody makes room while it is asked again");
    town.s3.state().full_by_status = false;
    town.expect("one", 0, &["import", "export"]);
    assert_eq!(town.snapshots("two"), 2);
}

#[test]
fn an_address_that_leads_nowhere_is_told_as_such() {
    let town = Town::with_archive();
    for arguments in [&["snapshots"][..], &["init", "--no-encryption"]] {
        let mut command = town.command("one", arguments);
        command.env("PDBAK_ARCHIVE", "s3://acne/crm");
        let refused = Program(command).run();
        assert_eq!(refused.code, 1, "{}", refused.stderr);
        for said in ["there is no such bucket", "s3://acne/crm", "hint: check the bucket"] {
            assert!(refused.stderr.contains(said), "{}", refused.stderr);
        }
    }
    town.s3.state().other_region = true;
    let elsewhere = town.pdbak("one", &["snapshots"]);
    assert!(elsewhere.code == 1 && elsewhere.stderr.contains("it lies in another region"), "{}", elsewhere.stderr);
    town.s3.state().other_region = false;
    town.s3.state().other_clock = true;
    let clock = town.pdbak("one", &["snapshots"]);
    assert!(clock.code == 1 && clock.stderr.contains("hint: set this machine's clock"), "{}", clock.stderr);
}

/// Writes the configuration of a machine, with more about its store.
fn configure(town: &Town, machine: &str, more: &str) {
    let text = format!("[profiles.acme]\narchive = \"s3://acme/crm\"\n[profiles.acme.store]\n{more}\n");
    fs::write(town.folder(machine).join("pdbak.toml"), text).expect("a configuration");
}

#[test]
fn a_store_holds_on_to_what_it_is_given_where_the_configuration_asks_for_it() {
    let town = Town::new();
    town.s3.state().locks = true;
    configure(&town, "one", "lock = \"governance\"\nlock_days = 30");
    let made = town.pdbak("one", &["init", "--no-encryption"]);
    assert!(made.code == 0 && made.stderr.contains("holds on to what it is given"), "{}", made.stderr);
    town.import("one", 0);
    let locked: Vec<String> = town.s3.state().locked.keys().cloned().collect();
    assert!(
        town.names("").iter().filter(|name| !name.contains("/tmp/")).all(|name| locked.contains(name)),
        "{locked:?}"
    );
    assert!(!locked.iter().any(|name| name.contains("/runs/")), "what is put every minute is not kept: {locked:?}");
    // A bucket without locks refuses them, and nothing is stored that was to be protected.
    town.s3.state().locks = false;
    town.export("one", 1);
    let refused = town.pdbak("one", &["import", "export"]);
    assert!(refused.code == 1 && refused.stderr.contains("InvalidRequest"), "{}", refused.stderr);
    // One that takes them and forgets them is told of, with every snapshot.
    town.s3.state().forgets_locks = true;
    let taken = town.pdbak("one", &["import", "export", "--quiet"]);
    assert!(taken.code == 0 && taken.stderr.contains("does not hold it"), "{}", taken.stderr);
    configure(&town, "one", "lock = \"for ever\"");
    assert_eq!(town.pdbak("one", &["snapshots"]).code, 2);
}

#[test]
fn the_way_to_a_store_is_as_narrow_and_the_cache_as_small_as_the_configuration_says() {
    let town = Town::with_archive();
    town.pdbak("two", &["ls", "latest", "deals"]);
    let segments = |machine: &str| {
        let folder = town.folder(machine).join(".cache/pdbak/archives");
        let mut files = Vec::new();
        let mut folders = vec![folder];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                match entry.path().is_dir() {
                    true => folders.push(entry.path()),
                    false => files.push(entry.path()),
                }
            }
        }
        files.into_iter().filter(|file| file.to_string_lossy().contains("/fetched/segments/")).count()
    };
    assert_ne!(segments("two"), 0);
    configure(&town, "three", "cache = \"0\"");
    assert_eq!(town.pdbak("three", &["ls", "latest", "deals"]).code, 0);
    assert_eq!(segments("three"), 0, "what was read does not stay");
    configure(&town, "three", "limit_download = \"2k\"");
    let begun = std::time::Instant::now();
    assert_eq!(town.pdbak("three", &["ls", "latest", "deals"]).code, 0);
    assert!(begun.elapsed() > std::time::Duration::from_millis(500), "some thousand bytes at two thousand a second");
    for wrong in ["limit_upload = \"fast\"", "cache = \"much\"", "lock_days = 3"] {
        configure(&town, "three", wrong);
        assert_eq!(town.pdbak("three", &["snapshots"]).code, 2, "{wrong}");
    }
}

#[test]
fn one_record_costs_a_new_machine_a_block_and_from_a_store_without_ranges_it_comes_all_the_same() {
    let town = Town::new();
    town.expect("one", 0, &["init"]);
    town.export("one", 0);
    // What cannot be packed.
    let noise = |id: u64| {
        let mut bytes = [0; 512];
        blake3::Hasher::new().update(&id.to_le_bytes()).finalize_xof().fill(&mut bytes);
        hex::encode(bytes)
    };
    let lines = (1..=8000).map(|id| format!("{{\"id\":{id},\"title\":\"{}\"}}\n", noise(id)));
    fs::write(town.folder("one").join("export/deals.ndjson"), lines.collect::<String>()).expect("an export");
    town.expect("one", 0, &["import", "export"]);
    let stored: usize = town.s3.state().objects.values().map(bytes::Bytes::len).sum();
    let title = noise(4242);
    for (machine, gives_all) in [("two", false), ("three", true)] {
        town.s3.state().gives_all = gives_all;
        town.s3.state().downloads.clear();
        let got = town.pdbak(machine, &["get", "deals/4242"]);
        assert!(got.code == 0 && got.stdout.contains(&title), "{}", got.stderr);
        let came: usize = town.s3.state().downloads.iter().map(|(_, bytes)| bytes).sum();
        assert!(gives_all || came < stored / 2, "{came} of {stored} bytes");
    }
    town.expect("two", 0, &["check", "--read-data"]);
}

#[test]
fn a_machine_that_writes_keeps_others_from_writing_and_nobody_from_reading() {
    let town = Town::with_archive();
    town.export("one", 1);
    town.import("two", 0);
    town.s3.state().holds = Some((Method::PUT, 2));
    let mut running = town.command("one", &["import", "export"]);
    let mut running = running.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it runs");
    town.s3.wait_until_it_holds();
    let busy = town.pdbak("two", &["import", "export"]);
    assert!(busy.code == 11 && busy.stderr.contains("has been writing since"), "{}", busy.stderr);
    assert_eq!(town.snapshots("two"), 2);
    running.kill().expect("it runs");
    running.wait().expect("it is gone");
}

#[test]
fn a_store_that_lets_names_be_replaced_is_told_when_an_archive_is_made_there() {
    let town = Town::new();
    town.s3.state().forgets_conditions = true;
    let made = town.pdbak("one", &["init", "--no-encryption"]);
    assert!(made.code == 0 && made.stderr.contains("ignores \"If-None-Match\""), "{}", made.stderr);
    town.import("one", 0);
    assert_eq!(town.snapshots("two"), 1);
    let town = Town::new();
    town.s3.state().objects.insert("crm/holiday.jpg".to_owned(), vec![1].into());
    let made = town.pdbak("one", &["init", "--no-encryption"]);
    assert!(made.code == 1 && made.stderr.contains("it is not empty"), "{}", made.stderr);
}
