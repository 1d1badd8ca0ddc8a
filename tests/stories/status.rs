//! What a monitor and an admin are told of an archive that nobody looks at.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use pdbak::archive::{Archive, Holder, Role, Unlock};
use pdbak::clock::Clock;
use zeroize::Zeroizing;

use crate::support::{Output, Program, World};

/// A folder with an archive that imports fill.
struct Desk {
    home: tempfile::TempDir,
}

struct Passphrase(&'static str);

impl Unlock for Passphrase {
    fn passphrase(&self) -> Result<Zeroizing<String>, pdbak::archive::Error> {
        Ok(Zeroizing::new(self.0.to_owned()))
    }
}

impl Desk {
    fn with(init: &[&str]) -> Desk {
        let desk = Desk { home: tempfile::tempdir().expect("a folder") };
        fs::create_dir(desk.home.path().join("export")).expect("a folder");
        assert_eq!(desk.pdbak(init, "horse").code, 0);
        desk
    }

    fn pdbak(&self, arguments: &[&str], passphrase: &str) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pdbak"));
        command.args(arguments).current_dir(self.home.path()).env_clear().env("PATH", "/usr/bin:/bin");
        command.env("HOME", self.home.path()).env("PDBAK_ARCHIVE", "archive").env("PDBAK_PASSPHRASE", passphrase);
        Program(command).run()
    }

    fn status(&self, more: &[&str]) -> Output {
        self.pdbak(&[&["status"], more].concat(), "horse")
    }

    /// The files of its segments.
    fn segments(&self) -> Vec<PathBuf> {
        let below = |folder: PathBuf| {
            let entries = fs::read_dir(folder).expect("a folder");
            entries.map(|entry| entry.expect("an entry").path()).collect::<Vec<_>>()
        };
        below(self.home.path().join("archive/segments")).into_iter().flat_map(below).collect()
    }

    fn import(&self, deals: u64) {
        let lines: String = (1..=deals).map(|id| format!("{{\"id\":{id},\"title\":\"deal\"}}\n")).collect();
        fs::write(self.home.path().join("export/deals.ndjson"), lines).expect("an export");
        let taken = self.pdbak(&["import", "export"], "horse");
        assert!([0, 7].contains(&taken.code), "{}", taken.stderr);
    }
}

/// Samples of the text format by name and labels; every family has its HELP and TYPE before its first sample.
fn samples(text: &str) -> BTreeMap<String, f64> {
    assert!(text.ends_with('\n'), "the last line ends, too");
    let (mut family, mut found) = (String::new(), BTreeMap::new());
    for line in text.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, words) = help.split_once(' ').expect("words");
            assert!(!words.is_empty() && text.matches(&format!("# HELP {name} ")).count() == 1, "{line}");
            name.clone_into(&mut family);
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            assert_eq!(kind, format!("{family} gauge"));
        } else {
            let (name, value) = line.rsplit_once(' ').expect("a value");
            let bare = name.split('{').next().expect("a name");
            assert_eq!(bare, family, "{line}");
            assert!(bare.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{line}");
            let value: f64 = value.parse().unwrap_or_else(|error| panic!("{line}: {error}"));
            assert!(found.insert(name.to_owned(), value).is_none(), "{line} is told twice");
        }
    }
    found
}

#[test]
fn shares_that_follow_one_another_come_to_every_byte() {
    let desk = Desk::with(&["init", "--no-encryption"]);
    desk.import(3);
    desk.import(4);
    for segment in desk.segments() {
        let file = fs::File::options().append(true).open(segment).expect("a segment");
        file.set_modified(SystemTime::now() - Duration::from_secs(3600)).expect("a time");
    }
    let check = |of: u64| {
        let checked = desk.pdbak(&["check", "--read-data-subset", "1"], "horse");
        assert!(checked.stdout.contains(&format!("1 of {of} files read back")), "{}", checked.stdout);
        desk.status(&[]).stdout
    };
    let told = check(2);
    assert!(told.contains(": sound  ·  never every byte"), "{told}");
    // What was never read comes first, so this is the other one.
    let told = check(2);
    assert!(told.contains(": sound  ·  every byte "), "{told}");
    // What came since then does not take that back.
    desk.import(5);
    assert_eq!(desk.pdbak(&["check"], "horse").code, 0);
    let told = desk.status(&[]).stdout;
    assert!(told.contains(": sound  ·  every byte "), "{told}");
}

#[test]
fn damage_that_a_full_check_found_is_told_until_its_file_is_read_and_right() {
    let desk = Desk::with(&["init", "--no-encryption"]);
    desk.import(3);
    assert_eq!(desk.pdbak(&["check", "--read-data"], "horse").code, 0);
    let segment = desk.segments().remove(0);
    let sound = fs::read(&segment).expect("a segment");
    let mut damaged = sound.clone();
    // In its block: a look at the structure sees nothing of it.
    let block = sound.windows(4).position(|bytes| bytes == [0x28, 0xB5, 0x2F, 0xFD]).expect("a frame");
    damaged[block + 12] ^= 1;
    fs::set_permissions(&segment, fs::Permissions::from_mode(0o644)).expect("a segment");
    fs::write(&segment, damaged).expect("a segment");
    let problems = || {
        assert!([0, 1, 3].contains(&desk.status(&["--prometheus", "metrics"]).code));
        let told = fs::read_to_string(desk.home.path().join("metrics")).expect("metrics");
        samples(&told)["pdbak_check_problems{depth=\"data\"}"]
    };
    assert_eq!(problems(), 0.0);
    assert_eq!(desk.pdbak(&["check", "--read-data"], "horse").code, 1);
    assert_eq!(problems(), 1.0);
    // These read nothing, or nothing of it.
    desk.import(4);
    desk.pdbak(&["check"], "horse");
    assert_eq!(desk.pdbak(&["check", "--read-data-subset", "1"], "horse").code, 0);
    assert_eq!(problems(), 1.0);
    fs::write(&segment, sound).expect("a segment");
    assert_eq!(desk.pdbak(&["check", "--read-data-subset", "100%"], "horse").code, 0);
    assert_eq!(problems(), 0.0);
}

#[test]
fn a_new_archive_is_critical_until_it_has_a_snapshot_and_then_says_what_it_lacks() {
    let desk = Desk::with(&["init", "--no-encryption"]);
    let empty = desk.status(&[]);
    assert_eq!(empty.code, 1, "{}", empty.stdout);
    assert!(empty.stdout.contains("CRITICAL  there is no snapshot yet"), "{}", empty.stdout);
    desk.import(100);
    let fine = desk.status(&[]);
    assert_eq!((fine.code, fine.stdout.ends_with("\nfine\n")), (0, true), "{}{}", fine.stdout, fine.stderr);
    assert!(fine.stdout.contains("check     never on this machine"), "{}", fine.stdout);
    assert!(fine.stdout.lines().count() <= 12, "{}", fine.stdout);
    assert_eq!(desk.pdbak(&["check", "--read-data"], "horse").code, 0);
    let told = desk.status(&["--json"]).json();
    assert_eq!(told["level"], "fine");
    assert_eq!(told["check_data"]["problems"], 0);
    assert_eq!(told["companies"][0]["last_good"]["records"], 100);
    assert_eq!(told["archive"]["snapshots"], 1);
}

#[test]
fn copies_are_told_by_how_far_they_are_behind() {
    let desk = Desk::with(&["init", "--no-encryption"]);
    desk.import(100);
    fs::write(desk.home.path().join("pdbak.toml"), "[offsite.vault]\nurl = \"copy\"\n").expect("a configuration");
    let never = desk.status(&[]);
    assert_eq!(never.code, 3, "{}", never.stdout);
    assert!(
        never.stdout.contains("nothing was ever copied to vault: \"pdbak offsite push vault\""),
        "{}",
        never.stdout
    );
    let pushed = desk.pdbak(&["offsite", "push"], "horse");
    assert_eq!(pushed.code, 0, "{}", pushed.stderr);
    let there = desk.status(&[]);
    assert_eq!(
        (there.code, there.stdout.contains("vault: less than a minute ago, up to date")),
        (0, true),
        "{}",
        there.stdout
    );
    desk.import(101);
    assert!(desk.status(&[]).stdout.contains("1 snapshot behind"), "told, and no reason to worry yet");
}

#[test]
fn an_open_alarm_and_found_damage_are_critical() {
    let desk = Desk::with(&["init", "--no-encryption"]);
    desk.import(100);
    desk.import(40);
    let alarmed = desk.status(&["--json"]);
    assert_eq!((alarmed.code, alarmed.json()["alarms"].as_u64()), (1, Some(1)), "{}", alarmed.stdout);
    assert_eq!(alarmed.json()["companies"][0]["last_good"]["records"], 100, "the one before is the good one");
    assert_eq!(desk.pdbak(&["brake", "--acknowledge"], "horse").code, 0);
    assert_eq!(desk.status(&[]).code, 0);
    let segments = fs::read_dir(desk.home.path().join("archive/segments")).expect("segments");
    for folder in segments {
        fs::remove_dir_all(folder.expect("a folder").path()).expect("a way to lose it");
    }
    assert_eq!(desk.pdbak(&["check"], "horse").code, 1);
    let damaged = desk.status(&[]);
    assert_eq!(
        (damaged.code, damaged.stdout.contains("CRITICAL  the last check found")),
        (1, true),
        "{}",
        damaged.stdout
    );
}

#[test]
fn lesser_keys_see_what_they_may_and_say_what_they_do_not() {
    let desk = Desk::with(&["init"]);
    desk.import(100);
    let alone = "warning   only one key can restore";
    assert!(desk.status(&[]).stdout.contains(alone));
    let archive = Archive::open(&desk.home.path().join("archive"), &Passphrase("horse"), Clock::System).expect("open");
    for (role, word) in [(Role::List, "list"), (Role::Put, "put")] {
        archive.add_key(role, &Holder::Passphrase(Zeroizing::new(word.to_owned())), None).expect("a key");
    }
    assert!(desk.status(&[]).stdout.contains(alone), "keys that cannot restore save nobody");
    archive.add_key(Role::Restore, &Holder::Passphrase(Zeroizing::new("second".to_owned())), None).expect("a key");
    drop(archive);
    let whole = desk.status(&["--json"]);
    let keys = |name: &str| whole.json()["archive"][name].as_u64();
    assert_eq!((whole.code, keys("keys"), keys("restoring")), (0, Some(4), Some(2)), "{}", whole.stdout);
    let list = desk.pdbak(&["status", "--json"], "list");
    assert_eq!((list.code, list.json()["archive"]["snapshots"].as_u64()), (0, Some(1)), "{}", list.stdout);
    let put = desk.pdbak(&["status"], "put");
    assert!(put.stdout.contains("not seen  alarms: the key in use"), "{}{}", put.stdout, put.stderr);
    fs::remove_file(desk.home.path().join("archive/index.sqlite")).expect("a machine that took no snapshot itself");
    let put = desk.pdbak(&["status"], "put");
    assert!(put.stdout.contains("not seen  snapshots, alarms: the key in use"), "{}{}", put.stdout, put.stderr);
}

#[test]
fn a_monitor_reads_the_same_from_a_file_that_is_never_half_there() {
    let world = World::of(200);
    assert_eq!(world.pdbak(&["init", "--no-encryption"]).code, 0);
    assert_eq!(world.pdbak(&["snapshot"]).code, 0);
    fs::write(world.path("pdbak.toml"), "[offsite.\"the \\\"vault\\\"\"]\nurl = \"copy\"\n").expect("a configuration");
    assert_eq!(world.pdbak(&["offsite", "push"]).code, 0);
    assert_eq!(world.pdbak(&["check"]).code, 0);
    for _ in 0..2 {
        let told = world.pdbak(&["status", "--prometheus", "pdbak.prom", "--json"]);
        assert_eq!(told.code, 0, "{}{}", told.stdout, told.stderr);
        let text = fs::read_to_string(world.path("pdbak.prom")).expect("metrics");
        let (told, samples) = (told.json(), samples(&text));
        let company = told["companies"][0]["company"].as_u64().expect("a number");
        let deals = told["companies"][0]["last_good"]["objects"]["Deals"].as_u64().expect("a number");
        assert_eq!(samples[&format!("pdbak_records{{company=\"{company}\",object=\"Deals\"}}")], deals as f64);
        assert_eq!((samples["pdbak_status"], samples["pdbak_alarms_open"]), (0.0, 0.0));
        assert_eq!(samples["pdbak_offsite_snapshots_behind{target=\"the \\\"vault\\\"\"}"], 0.0);
        assert!(samples["pdbak_check_timestamp_seconds{depth=\"structure\"}"] > 1.0e9);
        let name = told["companies"][0]["name"].as_str().expect("a name");
        assert!(!text.contains(name), "no name of a company leaves the archive this way");
    }
    let lost = world.pdbak(&["status", "--prometheus", "nowhere/pdbak.prom"]);
    assert_eq!((lost.code, lost.stderr.contains("cannot write nowhere/pdbak.prom")), (1, true), "{}", lost.stderr);
    let drafts = fs::read_dir(world.path("")).expect("a folder").flatten();
    assert!(drafts.into_iter().all(|entry| !entry.file_name().to_string_lossy().starts_with(".pdbak")));
}

/// A world with a schedule that has run once, and metrics in `pdbak.prom`.
fn scheduled(more: &str) -> World {
    let world = World::of(100);
    assert_eq!(world.pdbak(&["init", "--no-encryption"]).code, 0);
    let text =
        "[schedule]\ncron = \"15 2 * * *\"\ndrill = \"never\"\ncheck = \"never\"\n[metrics]\nfile = \"pdbak.prom\"\n";
    fs::write(world.path("pdbak.toml"), format!("{text}{more}")).expect("a configuration");
    let run = world.pdbak(&["schedule", "run", "--once", "--now"]);
    assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
    world
}

#[test]
fn a_schedule_that_stops_is_noticed_by_who_looks_and_its_runs_write_metrics() {
    let world = scheduled("");
    let written = samples(&fs::read_to_string(world.path("pdbak.prom")).expect("metrics of the run"));
    let (next, last) = ("pdbak_schedule_next_run_timestamp_seconds", "pdbak_schedule_last_run_timestamp_seconds");
    assert!(written[next] > written[last] && written["pdbak_status"] == 0.0, "{written:?}");
    let now = world.pdbak(&["status"]);
    assert_eq!((now.code, now.stdout.contains("schedule  next run ")), (0, true), "{}", now.stdout);
    let mut later = world.pdbak_command(&["status"]);
    later.0.env("PDBAK_CLOCK_SHIFT", (60 * 3600).to_string());
    let later = later.run();
    assert_eq!(later.code, 1, "{}", later.stdout);
    assert!(later.stdout.contains("CRITICAL  the last good snapshot of "), "{}", later.stdout);
    assert!(later.stdout.contains(" passed without a run"), "{}", later.stdout);
    let mut borne = world.pdbak_command(&["status", "--max-age", "9d"]);
    borne.0.env("PDBAK_CLOCK_SHIFT", (60 * 3600).to_string());
    assert_eq!(borne.run().code, 3, "the missed runs are left");
}

/// What an endpoint answers; none while nobody listens.
fn asked(address: SocketAddr, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect(address).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nhost: monitor\r\nconnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer)
}

#[test]
fn the_service_answers_a_monitor_that_asks() {
    let address = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a free port");
    let world = scheduled(&format!("listen = \"{address}\"\n"));
    let mut service = world.pdbak_command(&["schedule", "run"]);
    let mut service = service.0.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it runs");
    let begun = Instant::now();
    let answer = loop {
        match asked(address, "/metrics").filter(|answer| answer.contains("pdbak_status")) {
            Some(answer) => break answer,
            None => assert!(begun.elapsed() < Duration::from_secs(60), "it never answered"),
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    let other = asked(address, "/").expect("an answer");
    service.kill().and_then(|()| service.wait()).expect("it ends");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    assert!(head.starts_with("HTTP/1.1 200 ") && head.contains("text/plain; version=0.0.4"), "{head}");
    assert_eq!(samples(body)["pdbak_status"], 0.0);
    assert!(other.starts_with("HTTP/1.1 404 "), "{other}");
}
