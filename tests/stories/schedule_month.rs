//! Thirty days in which nobody looks: nights that fail, nights that are slept through, and who was told of each.

use std::collections::BTreeMap;
use std::fs;
use std::process::Stdio;

use chrono::{DateTime, TimeDelta, Timelike, Utc};
use serde_json::{Value, json};

use crate::stories::schedule::{outcome, signal, until};
use crate::support::s3::S3;
use crate::support::{Ear, Heard, Output, Program, World};

const DAY: i64 = 24 * 3600;
const HOUR: i64 = 3600;

/// The machine, those who are told, and what was ever kept.
struct Month {
    world: World,
    webhook: Ear<Heard>,
    mail: Ear<String>,
    ping: Ear<Heard>,
    vault: S3,
    /// Every snapshot that was ever there, and when it was finished.
    taken: BTreeMap<String, String>,
    /// What was told, as it should be: the day and the event.
    expected: Vec<(i64, &'static str)>,
    told: Vec<(i64, String)>,
    mails: usize,
    signs: BTreeMap<String, usize>,
}

impl Month {
    fn begin() -> Month {
        let world = World::of(0);
        let (webhook, mail, ping) = (Ear::http(), Ear::smtp(), Ear::http());
        assert_eq!(world.pdbak(&["init", "--no-encryption"]).code, 0);
        fs::write(world.path("secret"), "Bearer sesame\n").expect("a file");
        fs::write(world.path("vault-key"), "AKIDEXAMPLE:hunter2hunter2\n").expect("a file");
        let month = Month {
            world,
            webhook,
            mail,
            ping,
            vault: S3::start(),
            taken: BTreeMap::new(),
            expected: Vec::new(),
            told: Vec::new(),
            mails: 0,
            signs: BTreeMap::new(),
        };
        month.configure("all");
        month
    }

    fn configure(&self, budget: &str) {
        // The time of the schedule was a minute ago, whenever the test is run.
        let time = Utc::now() - TimeDelta::minutes(1);
        let known = fs::read_to_string(self.world.path("cron")).ok();
        let cron = known.unwrap_or_else(|| format!("{} {} * * *", time.minute(), time.hour()));
        fs::write(self.world.path("cron"), &cron).expect("a file");
        let (webhook, mail, ping) = (self.webhook.port(), self.mail.port(), self.ping.port());
        let vault = self.vault.url();
        let text = format!(
            "[schedule]\ncron = \"{cron}\"\ntime_zone = \"UTC\"\nbudget = \"{budget}\"\n[schedule.forget]\nkeep_daily = 7\n\
             [offsite.disk]\nurl = \"./mount/copy\"\n\
             [offsite.vault]\nurl = \"s3://acme/crm\"\nendpoint = \"{vault}\"\nregion = \"here\"\ncredentials_file = \"vault-key\"\n\
             [brake]\ndefault = \"off\"\n\
             [notify.webhook]\nurl = \"http://127.0.0.1:{webhook}/hook\"\nsecret_file = \"secret\"\n\
             [notify.mail]\nfrom = \"pdbak@example.com\"\nto = [\"kim@example.com\"]\nserver = \"127.0.0.1\"\nport = {mail}\nsecurity = \"none\"\n\
             [notify.ping]\nurl = \"http://127.0.0.1:{ping}/switch\"\n"
        );
        fs::write(self.world.path("pdbak.toml"), text).expect("a file");
    }

    /// The program so long after the begin.
    fn program(&self, seconds: i64) -> Program {
        let mut program = self.world.pdbak_command(&["schedule", "run", "--once", "--json"]);
        program.0.env("PDBAK_CLOCK_SHIFT", seconds.to_string());
        program
    }

    /// Takes in what was told on a day.
    fn listen(&mut self, day: i64) {
        for heard in self.webhook.take() {
            assert!(heard.head.iter().any(|line| line.to_lowercase() == "authorization: bearer sesame"), "{heard:?}");
            let message: Value = serde_json::from_str(&heard.body).expect("JSON");
            self.told.push((day, message["event"].as_str().expect("an event").to_owned()));
        }
        for mail in self.mail.take() {
            assert!(mail.contains("Auto-Submitted: auto-generated") && mail.contains("To: kim@example.com"), "{mail}");
            self.mails += 1;
        }
        for heard in self.ping.take() {
            assert_eq!(heard.path.ends_with("/start"), heard.body.ends_with(" begins"), "{}", heard.body);
            *self.signs.entry(heard.path).or_default() += 1;
        }
        for snapshot in self.world.pdbak(&["snapshots", "--json"]).json().as_array().expect("snapshots") {
            let text = |name: &str| snapshot[name].as_str().expect("a text").to_owned();
            self.taken.insert(text("snapshot"), text("finished"));
        }
    }

    /// A night on which somebody worked the day before; the last report, and how the program ended.
    fn night(&mut self, day: i64, program: Program) -> (Value, Output) {
        let output = program.run();
        self.listen(day);
        let last = output.stdout.lines().last().map(|line| serde_json::from_str(line).expect("JSON"));
        (last.unwrap_or(Value::Null), output)
    }

    fn pass(&self, day: i64) {
        self.world.advance_seconds(DAY.unsigned_abs());
        self.world.call("POST", "/api/v2/deals", Some(&json!({"title": format!("of day {day}")})));
    }

    /// An ordinary night: the whole run succeeds, and with these warnings or none.
    fn ordinary(&mut self, day: i64, verdict: &str) -> Value {
        let (run, output) = self.night(day, self.program(day * DAY));
        assert_eq!(run["verdict"], verdict, "day {day}: {}{}", output.stdout, output.stderr);
        for step in ["snapshot", "push disk", "push vault"] {
            assert_eq!(outcome(&run, step), "done", "{run}");
        }
        run
    }

    fn expect(&mut self, day: i64, events: &[&'static str]) {
        self.expected.extend(events.iter().map(|event| (day, *event)));
        assert_eq!(self.told, self.expected.iter().map(|(day, event)| (*day, (*event).to_owned())).collect::<Vec<_>>());
    }
}

/// The account cannot be reached, and an hour later it can.
fn account_down(month: &mut Month, day: i64) {
    let mut program = month.program(day * DAY);
    program.0.env("PDBAK_BASE_URL", "http://127.0.0.1:1");
    let before = month.taken.len();
    let (run, _) = month.night(day, program);
    assert_eq!((outcome(&run, "snapshot"), outcome(&run, "forget")), ("failed".into(), "skipped".into()), "{run}");
    assert_eq!(month.taken.len(), before);
    month.expect(day, &["failure"]);
    let (run, _) = month.night(day, month.program(day * DAY + HOUR + 60));
    assert_eq!((outcome(&run, "snapshot"), run["verdict"].as_str()), ("done".into(), Some("success")), "{run}");
    month.expect(day, &["success"]);
}

/// The disk with the copy is not plugged in.
fn target_away(month: &mut Month, day: i64) {
    let (mount, away) = (month.world.path("mount"), month.world.path("away"));
    fs::rename(&mount, &away).expect("it was there");
    fs::write(&mount, "").expect("a file");
    let (run, _) = month.night(day, month.program(day * DAY));
    assert_eq!((outcome(&run, "snapshot"), outcome(&run, "push disk")), ("done".into(), "failed".into()), "{run}");
    month.expect(day, &["failure"]);
    fs::remove_file(&mount).expect("the file");
    fs::rename(&away, &mount).expect("it comes back");
}

/// The store with the other copy has no room left: nothing else waits for it.
fn target_full(month: &mut Month, day: i64) {
    month.vault.state().full = true;
    let (run, _) = month.night(day, month.program(day * DAY));
    for (step, ended) in [("snapshot", "done"), ("forget", "done"), ("push disk", "done"), ("push vault", "failed")] {
        assert_eq!(outcome(&run, step), ended, "{run}");
    }
    let step = run["steps"].as_array().expect("steps").last().expect("a step");
    assert_eq!(step["says"], "s3://acme/crm has no room left: QuotaExceeded: as ordered", "{run}");
    assert!(step["hint"].as_str().is_some_and(|hint| hint.starts_with("make room there")), "{run}");
    month.expect(day, &["failure"]);
    month.vault.state().full = false;
}

/// The program is killed in the middle of the capture; a timer calls it again.
fn killed(month: &mut Month, day: i64) {
    month.world.order(&["GET /* after=5 times=1000000 slow=300"]);
    let before = month.world.meter()["requests"].as_u64().expect("a number");
    let mut command = month.program(day * DAY).0;
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
    until("the capture is under way", || month.world.meter()["requests"].as_u64() > Some(before + 5));
    signal(&child, "KILL");
    child.wait().expect("it ends");
    month.world.clear_faults();
    let (run, output) = month.night(day, month.program(day * DAY + HOUR));
    assert_eq!((outcome(&run, "snapshot"), output.stdout.lines().count()), ("done".into(), 2), "{}", output.stdout);
    month.expect(day, &["failure", "success"]);
}

/// No file may grow beyond 4 KiB: the run goes on, and what is known of the schedule cannot be written down.
fn nothing_written_down(month: &mut Month, day: i64) {
    let program = month.program(day * DAY).0;
    let mut limited = std::process::Command::new("sh");
    limited
        .args(["-c", "trap '' XFSZ; ulimit -f 8; exec \"$0\" \"$@\""])
        .arg(program.get_program())
        .args(program.get_args());
    limited.env_clear().current_dir(program.get_current_dir().expect("a folder"));
    limited.envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let (run, output) = month.night(day, Program(limited));
    assert_eq!((output.code, run["verdict"].as_str()), (0, Some("warning")), "{}{}", output.stdout, output.stderr);
    assert!(run["warnings"].to_string().contains("cannot write down"), "{run}");
    month.expect(day, &["warning"]);
}

/// The account and the webhook are both away: what was to be told comes the day after.
fn webhook_down(month: &mut Month, day: i64) {
    month.webhook.set_deaf(true);
    let mut program = month.program(day * DAY);
    program.0.env("PDBAK_BASE_URL", "http://127.0.0.1:1");
    let mails = month.mails;
    let (run, output) = month.night(day, program);
    assert_eq!(outcome(&run, "snapshot"), "failed");
    assert!(output.stderr.contains("sends it again by webhook"), "{}", output.stderr);
    month.expect(day, &[]);
    assert_eq!(month.mails, mails + 1);
    month.webhook.set_deaf(false);
}

/// The budget does not suffice: nothing is forgotten, and the next day goes on.
fn budget_spent(month: &mut Month, day: i64) {
    month.configure("20");
    let (run, output) = month.night(day, month.program(day * DAY));
    assert_eq!((output.code, outcome(&run, "snapshot")), (4, "paused".into()), "{}{}", output.stdout, output.stderr);
    assert_eq!(outcome(&run, "forget"), "skipped");
    month.expect(day, &["warning"]);
    month.configure("all");
}

#[test]
fn thirty_days_without_a_look_lose_nothing_and_hide_nothing() {
    let mut month = Month::begin();
    for day in 0..30 {
        if day > 0 {
            month.pass(day);
        }
        match day {
            3 => account_down(&mut month, day),
            6 => target_away(&mut month, day),
            9 => killed(&mut month, day),
            12..15 => {}
            15 => {
                let run = month.ordinary(day, "warning");
                assert_eq!(run["missed"]["count"], 3, "{run}");
                month.expect(day, &["warning"]);
            }
            18 => nothing_written_down(&mut month, day),
            19 => {
                // Of the night before nothing could be written down.
                let run = month.ordinary(day, "warning");
                assert_eq!(run["missed"]["count"], 1, "{run}");
                month.expect(day, &["warning"]);
            }
            21 => webhook_down(&mut month, day),
            22 => {
                month.ordinary(day, "success");
                month.expect(day, &["failure", "success"]);
            }
            24 => budget_spent(&mut month, day),
            27 => target_full(&mut month, day),
            _ => {
                month.ordinary(day, "success");
                month.expect(day, if [7, 28].contains(&day) { &["success"] } else { &[] });
            }
        }
    }
    everything_is_known(&month);
    the_right_ones_are_kept(&month);
}

/// Each night that was not as it should be stands in the state, and those who listen for signs had theirs.
fn everything_is_known(month: &Month) {
    let shown = month.world.pdbak(&["schedule", "show", "--runs", "100", "--json"]).json();
    let runs = shown["runs"].as_array().expect("runs");
    let count = |verdict: &str| runs.iter().filter(|run| run["verdict"] == verdict).count();
    // Nights 3, 6, 9, 21 and 27 failed; 15, 19 and 24 are warnings.
    assert_eq!((count("failure"), count("warning"), shown["undelivered"].as_u64()), (5, 3, Some(0)), "{shown}");
    assert_eq!(month.mails, month.told.len());
    let sign = |path: &str| month.signs.get(path).copied().unwrap_or(0);
    assert_eq!(sign("/switch/fail"), 5, "{:?}", month.signs);
    // Each run began with a sign, and each but the failed ones and the one without a snapshot ended with one.
    assert_eq!(sign("/switch/start"), sign("/switch") + 6, "{:?}", month.signs);
}

/// Of each of the last seven days with a snapshot the newest one, and nothing else.
fn the_right_ones_are_kept(month: &Month) {
    let mut by_day: BTreeMap<String, (DateTime<Utc>, String)> = BTreeMap::new();
    for (id, finished) in &month.taken {
        let finished: DateTime<Utc> = finished.parse().expect("a time");
        let newest = by_day.entry(finished.date_naive().to_string()).or_insert((finished, id.clone()));
        *newest = (finished, id.clone()).max(newest.clone());
    }
    let mut expected: Vec<String> = by_day.into_values().rev().take(7).map(|(_, id)| id).collect();
    let archive = month.world.archive();
    let mut kept: Vec<String> =
        archive.snapshots().expect("snapshots").iter().map(|manifest| manifest.id.to_string()).collect();
    expected.sort();
    kept.sort();
    assert_eq!(kept, expected);
    for check in
        [&["check", "--read-data"][..], &["offsite", "check", "disk", "--read-data"], &["offsite", "check", "vault"]]
    {
        let output = month.world.pdbak(check);
        assert_eq!(output.code, 0, "{}{}", output.stdout, output.stderr);
    }
}
