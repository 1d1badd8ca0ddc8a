//! Copies elsewhere, as people meet them: pushed, interrupted, damaged, fetched back.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use hyper::Method;
use serde_json::Value;

use crate::support::s3::S3;
use crate::support::{Output, Program};

/// A machine with an archive of a few hundred records in two snapshots.
pub(super) struct Machine {
    home: tempfile::TempDir,
    endpoint: Option<String>,
}

impl Machine {
    pub(super) fn with_archive() -> Machine {
        Machine::with(&["init", "--no-encryption"])
    }

    fn with(init: &[&str]) -> Machine {
        let machine = Machine { home: tempfile::tempdir().expect("a folder"), endpoint: None };
        assert_eq!(machine.pdbak(init).code, 0);
        for version in 0..2 {
            let folder = machine.path("export");
            fs::create_dir_all(&folder).expect("a folder");
            let lines =
                (1..=300).map(|id| format!("{{\"id\":{id},\"title\":\"deal {id} of {}\"}}\n", version * (id % 7)));
            fs::write(folder.join("deals.ndjson"), lines.collect::<String>()).expect("an export");
            let taken = machine.pdbak(&["import", "export"]);
            assert_eq!(taken.code, 0, "{}", taken.stderr);
        }
        machine
    }

    fn at(mut self, s3: &S3) -> Machine {
        self.endpoint = Some(s3.url());
        self.configure("");
        self
    }

    fn configure(&self, more: &str) {
        let endpoint = self.endpoint.as_deref().expect("a server");
        let text =
            format!("[offsite.vault]\nurl = \"s3://acme/crm\"\nendpoint = \"{endpoint}\"\nregion = \"here\"\n{more}");
        fs::write(self.path("pdbak.toml"), text).expect("a configuration");
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    pub(super) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pdbak"));
        command.args(arguments).current_dir(self.home.path()).env_clear();
        command.env("PATH", "/usr/bin:/bin").env("HOME", self.home.path()).env("PDBAK_ARCHIVE", self.path("archive"));
        command.env("PDBAK_OFFSITE_VAULT", "AKIDEXAMPLE:hunter2hunter2");
        command
    }

    pub(super) fn pdbak(&self, arguments: &[&str]) -> Output {
        let output = Program(self.command(arguments)).run();
        assert!(!output.stderr.contains("hunter2") && !output.stdout.contains("hunter2"), "a secret was printed");
        output
    }

    /// Runs it and expects an end.
    pub(super) fn expect(&self, code: i32, arguments: &[&str]) -> Value {
        let arguments = [arguments, &["--json"]].concat();
        let output = self.pdbak(&arguments);
        assert_eq!(output.code, code, "{arguments:?}\n{}\n{}", output.stdout, output.stderr);
        if output.stdout.is_empty() { Value::Null } else { output.json() }
    }

    /// Runs it and kills it when the server holds a request.
    fn kill_at(&self, s3: &S3, method: Method, number: u32, arguments: &[&str]) {
        s3.state().holds = Some((method, number));
        let mut running = self.command(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it runs");
        s3.wait_until_it_holds();
        running.kill().expect("it runs");
        running.wait().expect("it is gone");
        s3.state().holds = None;
    }

    /// Any file of a part of the archive.
    pub(super) fn a_file_of(&self, root: &str, part: &str) -> PathBuf {
        fn first(folder: &Path) -> PathBuf {
            let entry = fs::read_dir(folder).expect("a folder").next().expect("a file").expect("an entry").path();
            if entry.is_dir() { first(&entry) } else { entry }
        }
        first(&self.path(root).join(part))
    }
}

pub(super) fn damage(file: &Path) {
    let mut bytes = fs::read(file).expect("a file");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::remove_file(file).expect("a file");
    fs::write(file, bytes).expect("a file");
}

#[test]
fn a_copy_in_a_folder_is_an_archive_and_the_second_push_sends_nothing() {
    let machine = Machine::with_archive();
    let sent = machine.expect(0, &["offsite", "push", "./copy"]);
    assert_eq!((sent["sent"]["files"].as_u64(), sent["there"]["files"].as_u64()), (Some(7), Some(0)), "{sent}");
    assert_eq!((sent["read_back"].as_u64(), sent["create_only"].as_bool()), (Some(7), Some(true)), "{sent}");
    let again = machine.expect(0, &["offsite", "push", "./copy"]);
    assert_eq!((again["sent"]["files"].as_u64(), again["there"]["files"].as_u64()), (Some(0), Some(7)), "{again}");
    assert!(!machine.path("copy/index.sqlite").exists(), "the index stays at home");
    assert_eq!(machine.pdbak(&["check", "--read-data", "--archive", "copy"]).code, 0);
    let looked = machine.expect(0, &["offsite", "check", "./copy", "--read-data"]);
    assert_eq!((looked["there"]["files"].as_u64(), looked["hashed"]["files"].as_u64()), (Some(7), Some(5)), "{looked}");
    assert_eq!(machine.expect(0, &["offsite", "list", "./copy"])["snapshots"].as_array().map(Vec::len), Some(2));
}

#[test]
fn what_was_decided_about_snapshots_travels_and_what_a_prune_will_remove_does_not() {
    let machine = Machine::with_archive();
    machine.expect(0, &["offsite", "push", "./copy"]);
    machine.expect(0, &["tag", "latest", "--add", "kept"]);
    machine.expect(0, &["forget", "latest~1"]);
    machine.expect(0, &["prune"]);
    let sent = machine.expect(0, &["offsite", "push", "./copy"]);
    assert_eq!(sent["sent"]["files"], 4, "two marks, a segment packed anew and the list that says so: {sent}");
    assert!(machine.path("archive/doomed").exists() && !machine.path("copy/doomed").exists());
    machine.expect(0, &["prune", "--grace", "0"]);
    machine.expect(0, &["offsite", "push", "./copy"]);
    machine.expect(0, &["offsite", "push", "./fresh"]);
    for copy in ["copy", "fresh"] {
        assert_eq!(machine.pdbak(&["check", "--read-data", "--archive", copy]).code, 0, "{copy}");
    }
    let listed = machine.expect(0, &["snapshots", "--archive", "copy"]);
    assert_eq!(listed.as_array().map(Vec::len), Some(1), "what was forgotten stays forgotten in the copy: {listed}");
    assert_eq!(listed[0]["tags"][0], "kept", "{listed}");
    machine.expect(0, &["offsite", "pull", "./copy"]);
    assert_eq!(machine.expect(0, &["snapshots"]).as_array().map(Vec::len), Some(1));
    assert_eq!(machine.pdbak(&["check", "--read-data"]).code, 0);
}

#[test]
fn an_encrypted_archive_is_copied_checked_and_fetched_without_its_key() {
    let machine = Machine { home: tempfile::tempdir().expect("a folder"), endpoint: None };
    let secret = |arguments: &[&str]| {
        let mut command = machine.command(arguments);
        command.env("PDBAK_PASSPHRASE", "correct horse");
        Program(command).run()
    };
    assert_eq!(secret(&["init"]).code, 0);
    fs::create_dir(machine.path("export")).expect("a folder");
    fs::write(machine.path("export/deals.ndjson"), "{\"id\":1,\"title\":\"one\"}\n").expect("an export");
    assert_eq!(secret(&["import", "export"]).code, 0);
    machine.expect(0, &["offsite", "push", "./copy"]);
    machine.expect(0, &["offsite", "check", "./copy", "--read-data"]);
    machine.expect(0, &["offsite", "pull", "./copy", "--archive", "new"]);
    assert_eq!(secret(&["check", "--read-data", "--archive", "new"]).code, 0);
    assert_eq!(secret(&["ls", "latest", "deals", "--archive", "new"]).code, 0);
}

#[test]
fn a_push_killed_at_any_upload_leaves_no_archive_and_the_next_one_completes_it() {
    let whole = { Machine::with_archive().expect(0, &["offsite", "push", "./copy"])["sent"]["files"].as_u64() };
    for number in 1..=u32::try_from(whole.expect("files") + 1).expect("few") {
        let s3 = S3::start();
        let machine = Machine::with_archive().at(&s3);
        machine.kill_at(&s3, Method::PUT, number, &["offsite", "push", "--transfers", "1"]);
        assert!(!s3.state().objects.contains_key("crm/archive.json"), "killed at upload {number}");
        let half = machine.pdbak(&["offsite", "pull", "--archive", "new"]);
        let copy_header = s3.state().objects.contains_key("crm/keys/archive.json");
        assert!(copy_header || half.code == 10, "killed at upload {number}: {}", half.stderr);
        machine.expect(0, &["offsite", "push"]);
        machine.expect(0, &["offsite", "check", "--read-data"]);
    }
}

#[test]
fn a_pull_killed_at_any_download_goes_on_and_the_archive_is_sound() {
    let s3 = S3::start();
    let machine = Machine::with_archive().at(&s3);
    machine.expect(0, &["offsite", "push"]);
    // The header is read first, to know whose copy it is.
    for number in 1..=8 {
        let folder = format!("new{number}");
        machine.kill_at(&s3, Method::GET, number, &["offsite", "pull", "--archive", &folder, "--transfers", "1"]);
        assert!(!machine.path(&folder).join("archive.json").exists(), "killed at download {number}");
        machine.expect(0, &["offsite", "pull", "--archive", &folder]);
        let checked = machine.pdbak(&["check", "--read-data", "--archive", &folder]);
        assert_eq!(checked.code, 0, "killed at download {number}: {}{}", checked.stdout, checked.stderr);
    }
}

#[test]
fn a_busy_server_and_lost_answers_cost_patience_and_nothing_else() {
    let s3 = S3::start();
    let machine = Machine::with_archive().at(&s3);
    s3.state().busy = 3;
    s3.state().hangs_up = 2;
    let sent = machine.expect(0, &["offsite", "push"]);
    assert_eq!((sent["sent"]["files"].as_u64(), sent["faults"].as_array().map(Vec::len)), (Some(7), Some(0)), "{sent}");
    machine.expect(0, &["offsite", "check", "--read-data"]);
}

#[test]
fn snapshots_wait_until_what_they_name_has_arrived() {
    let s3 = S3::start();
    let machine = Machine::with_archive().at(&s3);
    s3.state().denies = Some("/segments/");
    let sent = machine.expect(3, &["offsite", "push"]);
    assert_eq!(sent["held_back"], 2, "{sent}");
    let promises = |name: &String| name.contains("snapshots") || name.ends_with("archive.json");
    assert!(!s3.state().objects.keys().any(promises), "a manifest without its segments");
    assert_eq!(machine.pdbak(&["offsite", "pull", "--archive", "new"]).code, 10);
    s3.state().denies = None;
    machine.expect(0, &["offsite", "push"]);
    machine.expect(0, &["offsite", "check", "--read-data"]);
}

#[test]
fn a_store_that_forgets_conditions_is_found_out_and_told() {
    let s3 = S3::start();
    let machine = Machine::with_archive().at(&s3);
    assert_eq!(machine.expect(0, &["offsite", "push"])["create_only"], true);
    s3.state().forgets_conditions = true;
    let pushed = machine.pdbak(&["offsite", "push", "--json"]);
    assert_eq!((pushed.code, &pushed.json()["create_only"]), (0, &Value::Bool(false)));
    assert!(pushed.stderr.contains("ignores \"If-None-Match\""), "{}", pushed.stderr);
}

#[test]
fn a_clock_that_is_off_is_told_as_such() {
    let s3 = S3::start();
    let machine = Machine::with_archive().at(&s3);
    s3.state().other_clock = true;
    let failed = machine.pdbak(&["offsite", "push"]);
    assert_eq!(failed.code, 1, "{}", failed.stderr);
    assert!(
        failed.stderr.contains("clock") && failed.stderr.contains("hint: set this machine's clock"),
        "{}",
        failed.stderr
    );
}

#[test]
fn damage_at_the_target_is_found_by_check_and_mended_by_push_verify() {
    let s3 = S3::start();
    let machine = Machine::with_archive().at(&s3);
    machine.expect(0, &["offsite", "push"]);
    let (name, bytes) = {
        let state = s3.state();
        let (name, bytes) = state.objects.iter().find(|(name, _)| name.contains("segments")).expect("a segment");
        (name.clone(), bytes.clone())
    };
    let mut other = bytes.to_vec();
    other[9] ^= 1;
    s3.state().objects.insert(name.clone(), other.into());
    machine.expect(0, &["offsite", "check"]);
    let looked = machine.expect(1, &["offsite", "check", "--read-data"]);
    assert!(name.ends_with(looked["faults"][0]["file"].as_str().expect("a file")), "{looked}");
    let fetched = machine.expect(3, &["offsite", "pull", "--archive", "new"]);
    assert!(
        fetched["faults"][0]["problem"].as_str().is_some_and(|text| text.contains("damaged in the copy")),
        "{fetched}"
    );
    assert_eq!(machine.expect(0, &["offsite", "push", "--verify"])["mended"], 1);
    assert_eq!(s3.state().objects.get(&name), Some(&bytes));
    machine.expect(0, &["offsite", "check", "--read-data"]);
    machine.expect(0, &["offsite", "pull", "--archive", "new"]);
    assert_eq!(machine.pdbak(&["check", "--read-data", "--archive", "new"]).code, 0);
}

#[test]
fn damage_in_a_folder_is_mended_and_nothing_is_thrown_away() {
    let machine = Machine::with_archive();
    machine.expect(0, &["offsite", "push", "./copy"]);
    damage(&machine.a_file_of("copy", "segments"));
    assert_eq!(machine.expect(0, &["offsite", "push", "./copy", "--verify"])["mended"], 1);
    machine.expect(0, &["offsite", "check", "./copy", "--read-data"]);
    assert_eq!(fs::read_dir(machine.path("copy/tmp")).expect("drafts").count(), 2, "claim and the damaged file");
}

#[test]
fn what_a_killed_copy_was_writing_in_a_folder_is_gone_the_day_after() {
    let machine = Machine::with_archive();
    machine.expect(0, &["offsite", "push", "./copy"]);
    let drafts = |age: u64, names: &[&str]| {
        for name in names {
            let file = fs::File::create(machine.path(&format!("copy/tmp/{name}"))).expect("a draft");
            let then = std::time::SystemTime::now() - std::time::Duration::from_secs(age * 3600);
            file.set_modified(then).expect("an old file");
        }
    };
    let (old, young) = ("0d9ba07b-8ad5-4a4e-a4a2-32ba33d3ba3f", "6c2b3ed2-52ee-4c2c-a0ba-06ae9b3f9cf6");
    drafts(25, &[old, "note-of-somebody-else"]);
    drafts(23, &[young]);
    machine.expect(0, &["offsite", "push", "./copy"]);
    let mut left: Vec<String> = fs::read_dir(machine.path("copy/tmp"))
        .expect("drafts")
        .map(|entry| entry.expect("a draft").file_name().to_string_lossy().into_owned())
        .collect();
    left.sort();
    assert_eq!(left.len(), 3, "{left:?}");
    assert!(left[0] == young && left[1].starts_with("claim-") && left[2] == "note-of-somebody-else", "{left:?}");
}

#[test]
fn damage_here_is_told_and_never_sent() {
    let machine = Machine::with_archive();
    let file = machine.a_file_of("archive", "segments");
    damage(&file);
    let sent = machine.expect(3, &["offsite", "push", "./copy"]);
    assert!(sent["faults"][0]["problem"].as_str().is_some_and(|text| text.contains("damaged here")), "{sent}");
    assert!(machine.path("copy/archive.json").exists(), "all that can be saved is saved");
    let looked = machine.expect(1, &["offsite", "check", "./copy"]);
    assert_eq!(looked["faults"].as_array().map(Vec::len), Some(1), "{looked}");
}

#[test]
fn what_is_missing_here_is_fetched_and_what_is_here_is_not_touched() {
    let machine = Machine::with_archive();
    machine.expect(0, &["offsite", "push", "./copy"]);
    let lost = machine.a_file_of("archive", "segments");
    fs::remove_file(&lost).expect("a file");
    assert_ne!(machine.pdbak(&["check"]).code, 0);
    let fetched = machine.expect(0, &["offsite", "pull", "./copy"]);
    assert_eq!(
        (fetched["fetched"]["files"].as_u64(), fetched["there"]["files"].as_u64()),
        (Some(1), Some(6)),
        "{fetched}"
    );
    assert_eq!(machine.pdbak(&["check", "--read-data"]).code, 0);
}

#[test]
fn two_pushes_at_once_make_one_whole_copy() {
    let s3 = S3::start();
    let machine = Machine::with_archive().at(&s3);
    let both: Vec<_> = (0..2)
        .map(|_| {
            machine.command(&["offsite", "push"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it runs")
        })
        .collect();
    for mut one in both {
        assert!(one.wait().expect("it ends").success());
    }
    machine.expect(0, &["offsite", "check", "--read-data"]);
}

#[test]
fn a_target_with_something_else_is_refused_and_left_alone() {
    let (machine, other) = (Machine::with_archive(), Machine::with_archive());
    machine.expect(0, &["offsite", "push", "./copy"]);
    let copy = machine.path("copy").display().to_string();
    let refused = other.pdbak(&["offsite", "push", &copy]);
    assert!(refused.code == 2 && refused.stderr.contains("holds a copy of archive"), "{}", refused.stderr);
    let refused = other.pdbak(&["offsite", "pull", &copy]);
    assert!(refused.code == 2 && refused.stderr.contains("holds a copy of archive"), "{}", refused.stderr);
    fs::create_dir(machine.path("photos")).expect("a folder");
    fs::write(machine.path("photos/cat.jpg"), "miaow").expect("a file");
    let refused = machine.pdbak(&["offsite", "push", "./photos"]);
    assert!(refused.code == 2 && refused.stderr.contains("cat.jpg"), "{}", refused.stderr);
    assert_eq!(fs::read_dir(machine.path("photos")).expect("a folder").count(), 1);
    assert_eq!(machine.pdbak(&["offsite", "pull", "./nowhere"]).code, 10);
}

#[test]
fn an_object_lock_is_asked_for_and_told_or_its_refusal_is() {
    let s3 = S3::start();
    let machine = Machine::with_archive().at(&s3);
    machine.configure("lock = \"governance\"\nlock_days = 30\n");
    let refused = machine.pdbak(&["offsite", "push", "--json"]);
    assert!(refused.stderr.contains("without an object lock, which the target refused"), "{}", refused.stderr);
    assert_eq!((refused.code, &refused.json()["locked_until"]), (0, &Value::Null));
    s3.state().objects.clear();
    s3.state().locks = true;
    let locked = machine.expect(0, &["offsite", "push"]);
    assert!(locked["locked_until"].as_str().is_some_and(|until| until.ends_with("(governance)")), "{locked}");
    assert_eq!(s3.state().locked.len(), 8, "seven files and the claim");
}

#[test]
fn journals_travel_as_far_as_they_have_grown() {
    let machine = Machine::with_archive();
    let restores = machine.path("archive/restores");
    fs::create_dir(&restores).expect("a folder");
    fs::write(restores.join("one"), "first ").expect("a journal");
    machine.expect(0, &["offsite", "push", "./copy"]);
    fs::write(restores.join("one"), "first second").expect("a journal");
    assert_eq!(machine.expect(0, &["offsite", "push", "./copy"])["sent"]["files"], 1);
    assert_eq!(fs::read(machine.path("copy/restores/one")).expect("a journal"), b"first second");
}

#[test]
fn a_target_is_named_by_word_address_or_not_at_all() {
    let s3 = S3::start();
    let machine = Machine::with_archive().at(&s3);
    let unknown = machine.pdbak(&["offsite", "push", "vautl"]);
    assert!(unknown.code == 2 && unknown.stderr.contains("choose one of these: vault"), "{}", unknown.stderr);
    let secret = machine.pdbak(&["offsite", "push", "s3://id:hunter2@acme/crm"]);
    assert_eq!(secret.code, 2, "{}", secret.stderr);
    assert_eq!(machine.expect(0, &["offsite", "list"])["url"], "s3://acme/crm");
    machine.configure("credentials_command = \"echo a:b\"\n");
    let untrusted = machine.pdbak(&["offsite", "push"]);
    assert!(untrusted.code == 2 && untrusted.stderr.contains("nobody named that file"), "{}", untrusted.stderr);
}
