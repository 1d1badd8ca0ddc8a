//! An archive that somebody has forgotten about: runs at their times, what failed and what was missed.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::Value;

use crate::support::{Authority, Ear, Output, World};

/// A world with an empty archive and a schedule whose times come every night.
fn scheduled(more: &str) -> World {
    let world = World::of(0);
    assert_eq!(world.pdbak(&["init", "--no-encryption"]).code, 0);
    let text = format!("[schedule]\ncron = \"15 2 * * *\"\ntime_zone = \"Europe/Tallinn\"\n{more}");
    fs::write(world.path("pdbak.toml"), text).expect("a file");
    world
}

/// So many seconds after now it is noon, when no time of the schedule is near.
fn until_noon() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a time").as_secs();
    (86_400 + 43_200 - now % 86_400) % 86_400
}

fn once(world: &World) -> Output {
    world.pdbak(&["schedule", "run", "--once", "--json"])
}

/// The steps of a run with how they ended.
fn outcomes(run: &Value) -> Vec<(String, String)> {
    let steps = run["steps"].as_array().expect("steps");
    let word = |step: &Value, name: &str| step[name].as_str().expect("a word").to_owned();
    steps.iter().map(|step| (word(step, "step"), word(step, "outcome"))).collect()
}

pub(crate) fn outcome(run: &Value, step: &str) -> String {
    let outcomes = outcomes(run);
    let found = outcomes.iter().find(|(name, _)| name == step);
    found.unwrap_or_else(|| panic!("no {step}: {run}")).1.clone()
}

fn shown(world: &World) -> Value {
    let shown = world.pdbak(&["schedule", "show", "--json"]);
    assert_eq!(shown.code, 0, "{}", shown.stderr);
    shown.json()
}

/// Waits until something is so.
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_secs(120), "it never came: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

pub(crate) fn signal(child: &Child, name: &str) {
    let sent = std::process::Command::new("kill").args([format!("-{name}"), child.id().to_string()]).status();
    assert!(sent.expect("kill runs").success());
}

#[test]
fn a_run_does_every_step_and_the_next_one_waits_for_its_time() {
    let world = scheduled(
        "drill = \"always\"\ntags = [\"nightly\"]\n[schedule.forget]\nkeep_daily = 7\n[offsite.disk]\nurl = \"./copy\"\n",
    );
    let first = once(&world);
    assert_eq!(first.code, 0, "{}{}", first.stdout, first.stderr);
    let steps = ["snapshot", "forget", "prune", "check", "drill", "push disk"];
    let expected: Vec<(String, String)> = steps.map(|step| (step.to_owned(), "done".to_owned())).into();
    assert_eq!(outcomes(&first.json()), expected, "{}", first.stdout);
    assert_eq!(world.pdbak(&["tag", "latest", "--json"]).json()["tags"], serde_json::json!(["nightly"]));
    // Nothing is due any more, and the state belongs to the archive without travelling with it.
    let second = once(&world);
    assert_eq!((second.code, second.stdout.as_str()), (0, ""), "{}", second.stderr);
    assert!(second.stderr.contains("nothing is due before"), "{}", second.stderr);
    assert!(world.path("archive/schedule/state.json").exists() && !world.path("copy/schedule").exists());
    assert_eq!(world.pdbak(&["check", "--read-data"]).code, 0);
    assert_eq!(world.pdbak(&["offsite", "check", "disk", "--read-data"]).code, 0);
    let shown = shown(&world);
    assert_eq!((shown["due"].as_bool(), shown["runs"][0]["verdict"].as_str()), (Some(false), Some("success")));
    assert!(shown["next"].is_string() && shown["steps"][0]["done"].is_string(), "{shown}");
    // Whoever asks for a run gets one.
    let now = world.pdbak(&["schedule", "run", "--once", "--now", "--json"]);
    assert_eq!((now.code, outcome(&now.json(), "snapshot")), (0, "done".to_owned()), "{}", now.stderr);
}

#[test]
fn nothing_is_forgotten_after_a_failed_snapshot_and_copies_are_made_all_the_same() {
    let world = scheduled(
        "drill = \"never\"\n[schedule.forget]\nkeep_last = 1\n[offsite.disk]\nurl = \"./copy\"\n[offsite.gone]\nurl = \"/dev/null/copy\"\n",
    );
    world.snapshot();
    world.snapshot();
    let mut command = world.pdbak_command(&["schedule", "run", "--once", "--json"]);
    let noon = until_noon();
    command.0.env("PDBAK_BASE_URL", "http://127.0.0.1:1").env("PDBAK_CLOCK_SHIFT", noon.to_string());
    let failed = command.run();
    assert_eq!(failed.code, 1, "{}", failed.stderr);
    let run = failed.json();
    assert_eq!((run["verdict"].as_str(), outcome(&run, "snapshot")), (Some("failure"), "failed".to_owned()));
    assert_eq!((outcome(&run, "forget"), outcome(&run, "push gone")), ("skipped".to_owned(), "failed".to_owned()));
    assert_eq!((outcome(&run, "check"), outcome(&run, "push disk")), ("done".to_owned(), "done".to_owned()));
    assert_eq!(world.archive().snapshots().expect("snapshots").len(), 2);
    // An hour later it is tried again: what had failed, what waited for it, and copies of what is new.
    let mut command = world.pdbak_command(&["schedule", "run", "--once", "--json"]);
    command.0.env("PDBAK_CLOCK_SHIFT", (noon + 3700).to_string());
    let again = command.run();
    let names: Vec<String> = outcomes(&again.json()).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["snapshot", "forget", "push disk", "push gone"], "{}", again.stderr);
    assert_eq!(outcome(&again.json(), "forget"), "done");
    assert_eq!(world.archive().snapshots().expect("snapshots").len(), 1);
}

#[test]
fn a_second_schedule_beside_the_first_is_refused_and_a_request_to_end_is_followed() {
    let world = scheduled("");
    let mut command = world.pdbak_command(&["schedule", "run"]).0;
    let service = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    // Nobody asked for a run, so it waits for its first time.
    until("it waits", || world.path("archive/schedule/state.json").exists());
    let second = world.pdbak(&["schedule", "run", "--once"]);
    assert_eq!(second.code, 11, "{}", second.stderr);
    signal(&service, "TERM");
    let ended = service.wait_with_output().expect("it ends");
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    assert_eq!(world.archive().snapshots().expect("snapshots").len(), 0);
}

/// A run of the program in which the account takes its time, with a snapshot under way.
fn under_way(world: &World) -> Child {
    world.order(&["GET /* after=5 times=1000000 slow=300"]);
    let mut command = world.pdbak_command(&["schedule", "run", "--once", "--json"]).0;
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    let before = world.meter()["requests"].as_u64();
    until("the snapshot is under way", || world.meter()["requests"].as_u64() > before.map(|before| before + 5));
    child
}

#[test]
fn a_run_that_is_killed_is_told_and_gone_on_with_and_nothing_has_to_be_unlocked() {
    let world = scheduled("drill = \"never\"\n");
    let child = under_way(&world);
    signal(&child, "KILL");
    child.wait_with_output().expect("it ends");
    world.clear_faults();
    let next = once(&world);
    assert_eq!(next.code, 0, "{}", next.stderr);
    let told: Vec<Value> = next.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!((told.len(), &told[0]["finished"], told[0]["verdict"].as_str()), (2, &Value::Null, Some("failure")));
    assert_eq!(outcome(&told[1], "snapshot"), "done");
    assert_eq!(world.archive().snapshots().expect("snapshots").len(), 1);
    assert_eq!(shown(&world)["runs"].as_array().map(Vec::len), Some(2));
}

#[test]
fn a_run_that_is_asked_to_end_ends_in_order_and_goes_on_at_the_next_start() {
    let world = scheduled("drill = \"never\"\n");
    let child = under_way(&world);
    signal(&child, "INT");
    let ended = child.wait_with_output().expect("it ends");
    let run: Value = serde_json::from_slice(&ended.stdout).expect("a report");
    assert_eq!((ended.status.code(), outcome(&run, "snapshot")), (Some(1), "stopped".to_owned()), "{run}");
    assert!(run["finished"].is_string(), "{run}");
    world.clear_faults();
    let next = once(&world);
    assert_eq!((next.code, outcome(&next.json(), "snapshot")), (0, "done".to_owned()), "{}", next.stderr);
}

#[test]
fn a_broken_state_costs_no_run() {
    let world = scheduled("drill = \"never\"\ncheck = \"structure\"\n");
    assert_eq!(once(&world).code, 0);
    fs::write(world.path("archive/schedule/state.json"), "{\"form\":").expect("a file");
    let next = once(&world);
    let run = next.json();
    assert_eq!((next.code, run["verdict"].as_str()), (0, Some("warning")), "{}", next.stderr);
    assert!(run["warnings"][0].as_str().is_some_and(|text| text.contains("is lost")), "{run}");
    assert_eq!(once(&world).stdout, "");
}

#[test]
fn what_makes_no_sense_is_refused_before_anything_runs() {
    let world = scheduled("drill = \"never\"\n");
    let ran = |text: &str| {
        fs::write(world.path("pdbak.toml"), text).expect("a file");
        let output = world.pdbak(&["schedule", "run", "--once"]);
        (output.code, output.stderr)
    };
    for text in
        ["", "[schedule]\ncron = \"99 2 * * *\"\n", "[schedule]\ncron = \"0 0 30 2 *\"\n", "[schedule]\nevery = 1\n"]
    {
        let (code, told) = ran(text);
        assert_eq!(code, 2, "{text}: {told}");
        assert!(["schedule", "never comes", "unknown field"].iter().any(|word| told.contains(word)), "{told}");
    }
    let nowhere = world.pdbak(&["schedule", "run", "--once", "--archive", "nowhere", "--config", "none.toml"]);
    assert_eq!(nowhere.code, 2, "{}", nowhere.stderr);
    ran("[schedule]\ncron = \"@daily\"\n");
    assert_eq!(world.pdbak(&["schedule", "run", "--once", "--archive", "nowhere"]).code, 10);
    assert!(!world.path("nowhere").exists());
}

/// Where systemd is, it finds nothing to say about the units; what it says of others is not ours.
fn systemd_understands(units: &Path) {
    let mut verify = Command::new("systemd-analyze");
    verify
        .args(["verify", "--man=no"])
        .args(["service", "timer"].map(|kind| units.join(format!("pdbak-archive.{kind}"))));
    if let Ok(judged) = verify.output() {
        let said = String::from_utf8_lossy(&judged.stderr);
        assert!(judged.status.success() && !said.contains("pdbak"), "{said}");
    }
}

#[test]
fn units_are_written_only_where_nothing_of_somebody_else_lies_and_name_no_secret() {
    let world = scheduled("");
    let units = world.path(".config/systemd/user");
    let install = |more: &[&str]| world.pdbak(&[&["schedule", "install", "--user"], more].concat());
    let shown = install(&["--dry-run"]);
    assert_eq!(shown.code, 0, "{}", shown.stderr);
    assert!(shown.stdout.contains("OnCalendar=*-*-* 02:15:00 Europe/Tallinn") && !units.exists(), "{}", shown.stdout);
    let done = install(&[]);
    assert!(done.code == 0 && done.stdout.contains("systemctl --user daemon-reload"), "{}{}", done.stdout, done.stderr);
    let service = fs::read_to_string(units.join("pdbak-archive.service")).expect("a unit");
    assert!(service.contains("schedule run --once") && service.contains("pdbak.toml"), "{service}");
    assert!(!service.contains("sandbox"), "no token is in it: {service}");
    systemd_understands(&units);
    assert_eq!(install(&[]).code, 0, "its own are replaced");
    fs::write(units.join("pdbak-archive.timer"), "[Timer]\n").expect("a file");
    let refused = install(&[]);
    assert!(refused.code == 1 && refused.stderr.contains("did not write it"), "{}", refused.stderr);
    assert_eq!(world.pdbak(&["schedule", "uninstall", "--user"]).code, 1);
    fs::remove_file(units.join("pdbak-archive.timer")).expect("the file");
    assert_eq!(world.pdbak(&["schedule", "uninstall", "--user"]).code, 0);
    assert_eq!(fs::read_dir(&units).expect("a folder").count(), 0);
    let cron = install(&["--cron"]);
    assert!(cron.code == 0 && cron.stdout.contains("*/15 * * * * '"), "{}", cron.stdout);
}

#[test]
fn a_test_message_says_whether_it_arrives() {
    let world = scheduled("");
    assert_eq!(world.pdbak(&["schedule", "notify", "--test"]).code, 2, "nobody is told anything");
    let (ear, config) = (Ear::http(), world.path("pdbak.toml"));
    let text = format!(
        "[schedule]\ncron = \"@daily\"\n[notify.webhook]\nurl = \"http://127.0.0.1:{}/hook\"\n\
         [notify.mail]\nfrom = \"a@example.com\"\nto = [\"b@example.com\"]\ncommand = \"cat >> mails\"\n\
         [notify.ping]\nurl = \"http://127.0.0.1:1/secret-path\"\n",
        ear.port()
    );
    fs::write(&config, text).expect("a file");
    assert_eq!(world.pdbak(&["schedule", "notify"]).code, 2, "a file that merely lies there may not run commands");
    let config = config.to_str().expect("a path");
    let tested = world.pdbak(&["schedule", "notify", "--test", "--json", "--config", config]);
    assert_eq!(tested.code, 1, "{}", tested.stderr);
    let arrived: Vec<Value> =
        tested.json()["ways"].as_array().expect("ways").iter().map(|way| way["arrived"].clone()).collect();
    assert_eq!(arrived, [true, true, false], "{}", tested.stdout);
    assert!(!tested.stdout.contains("secret-path") && !tested.stderr.contains("secret-path"), "{}", tested.stdout);
    assert_eq!(ear.take()[0].path, "/hook");
    assert!(fs::read_to_string(world.path("mails")).expect("a mail").contains("Subject: pdbak archive: a test"));
}

#[test]
fn a_mail_goes_under_tls_to_whom_this_machine_trusts_and_nowhere_else() {
    let (world, authority) = (scheduled(""), Authority::of_one_test());
    fs::write(world.path("roots.pem"), &authority.root).expect("a file");
    fs::write(world.path("password"), "hunter2\n").expect("a file");
    let arrives = |ear: &Ear<String>, security: &str, trusted: bool| {
        let port = ear.port();
        let text = format!(
            "[schedule]\ncron = \"@daily\"\n[notify.mail]\nfrom = \"a@example.com\"\nto = [\"b@example.com\"]\n\
             server = \"127.0.0.1\"\nport = {port}\nsecurity = \"{security}\"\nuser = \"kim\"\npassword_file = \"password\"\n"
        );
        fs::write(world.path("pdbak.toml"), text).expect("a file");
        let mut program = world.pdbak_command(&["schedule", "notify", "--test", "--json"]);
        if trusted {
            program.0.env("SSL_CERT_FILE", world.path("roots.pem"));
        }
        let output = program.run();
        assert!(!output.stderr.contains("hunter2") && !output.stdout.contains("hunter2"), "{}", output.stderr);
        let arrived = output.json()["ways"][0]["arrived"] == true;
        assert_eq!((arrived, output.code), (!ear.take().is_empty(), i32::from(!arrived)), "{}", output.stdout);
        arrived
    };
    let ways = [("tls", Ear::smtp_in_tls(&authority)), ("starttls", Ear::smtp_starting_tls(&authority))];
    for (security, ear) in &ways {
        assert!(arrives(ear, security, true), "{security}");
        assert!(!arrives(ear, security, false), "{security} with a certificate of nobody who is trusted");
        assert!(!arrives(&Ear::smtp(), security, true), "{security} where there is none");
    }
}
