//! The brake: far more changes than usual are told, and nothing is let go until somebody has looked.

use std::fmt::Write as _;
use std::fs;
use std::process::Command;

use serde_json::{Value, json};

use super::capture::ids;
use crate::support::{Output, Program, World};

/// A folder with an archive that only imports fill.
struct Desk {
    home: tempfile::TempDir,
}

impl Desk {
    fn new() -> Desk {
        let desk = Desk { home: tempfile::tempdir().expect("a folder") };
        fs::create_dir(desk.home.path().join("export")).expect("a folder");
        assert_eq!(desk.pdbak(&["init", "--no-encryption"]).code, 0);
        desk
    }

    fn pdbak(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pdbak"));
        command.args(arguments).current_dir(self.home.path()).env_clear().env("PATH", "/usr/bin:/bin");
        command.env("HOME", self.home.path()).env("PDBAK_ARCHIVE", "archive");
        Program(command).run()
    }

    /// Records from 1 on; each of the first so many has a value of its own this time.
    fn import(&self, day: u64, objects: &[(&str, u64, u64)]) -> Output {
        for (object, records, edited) in objects {
            let mut text = String::new();
            for id in 1..=*records {
                let value = if id <= *edited { format!("edited {day}") } else { "as ever".to_owned() };
                writeln!(text, "{}", json!({"id": id, "title": value})).expect("a line");
            }
            fs::write(self.home.path().join(format!("export/{object}.ndjson")), text).expect("a file");
        }
        self.pdbak(&["import", "export", "--json"])
    }

    /// A company of 200 deals and 300 persons in which a few change every day.
    fn of_days(days: u64) -> Desk {
        let desk = Desk::new();
        for day in 0..=days {
            let output = desk.import(day, &[("deals", 200, 3 + day % 3), ("persons", 300, 2)]);
            assert_eq!(output.code, 0, "day {day}: {}{}", output.stdout, output.stderr);
        }
        desk
    }
}

fn short(id: &Value) -> String {
    id.as_str().expect("an id")[..8].to_owned()
}

#[test]
fn a_bulk_edit_after_ordinary_days_pins_the_last_good_snapshot_and_holds_retention() {
    let desk = Desk::of_days(20);
    let good = short(&desk.pdbak(&["snapshots", "--json"]).json()[20]["snapshot"]);
    let taken = desk.import(99, &[("deals", 200, 80)]);
    assert_eq!(taken.code, 7, "{}{}", taken.stdout, taken.stderr);
    let alarm = &taken.json()["alarms"][0];
    let told = &alarm["objects"][0];
    assert_eq!((told["object"].as_str(), told["what"].as_str()), (Some("Deals"), Some("changed")), "{alarm}");
    assert_eq!((told["records"].as_u64(), told["of"].as_u64(), &told["usual"]), (Some(80), Some(200), &json!(5)));
    assert_eq!(short(&alarm["last_good"]), good);

    for letting_go in [&["forget", "--keep-last", "1"][..], &["forget", "latest~3"], &["prune", "--grace", "0"]] {
        let refused = desk.pdbak(letting_go);
        assert_eq!(refused.code, 7, "{}", refused.stdout);
        assert!(refused.stderr.contains("pdbak brake --acknowledge"), "{}", refused.stderr);
    }
    let dry = desk.pdbak(&["forget", "--keep-last", "1", "--dry-run"]);
    assert_eq!((dry.code, dry.stderr.contains("an alarm is open")), (0, true), "{}", dry.stderr);
    assert!(dry.stdout.contains("pinned"), "{}", dry.stdout);

    let page = desk.pdbak(&["brake"]);
    assert_eq!(page.code, 7);
    let bad = short(&taken.json()["snapshot"]);
    for line in [
        "80 of 200 Deals changed  (usually up to 5, alarm above 20)".to_owned(),
        format!("pdbak diff {good} {bad} --stat"),
        format!("pdbak restore --since {good} --until {bad} --dry-run"),
    ] {
        assert!(page.stdout.contains(&line), "{line}: {}", page.stdout);
    }
    let stat = desk.pdbak(&["diff", &good, &bad, "--stat"]);
    assert_eq!(stat.code, 0, "{}", stat.stderr);
    let again = desk.import(99, &[("deals", 200, 80)]);
    assert_eq!((again.code, again.stderr.contains("still open")), (0, true), "it is told once: {}", again.stderr);

    let done = desk.pdbak(&["brake", "--acknowledge"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert!(done.stdout.contains(&format!("pdbak pin {good} --off")), "{}", done.stdout);
    assert_eq!(desk.pdbak(&["brake"]).stdout, "no alarm is open\n");
    assert_eq!(desk.pdbak(&["forget", "--keep-last", "1"]).code, 0);
    let left = desk.pdbak(&["snapshots", "--json"]).json();
    let left: Vec<String> = left.as_array().expect("snapshots").iter().map(|one| short(&one["snapshot"])).collect();
    assert_eq!((left.len(), &left[0]), (2, &good), "what was pinned stays");
    assert_eq!(desk.pdbak(&["check", "--read-data"]).code, 0);
    let history = desk.pdbak(&["brake", "--history", "--json"]).json();
    assert_eq!((&history["open"], history["alarms"].as_array().map(Vec::len)), (&json!(0), Some(1)), "{history}");
}

#[test]
fn a_tenth_of_the_persons_gone_is_an_alarm_and_a_changed_pipeline_is_none() {
    let desk = Desk::of_days(8);
    desk.import(9, &[("pipelines", 3, 0)]);
    let ordinary = desk.import(10, &[("pipelines", 3, 1)]);
    assert_eq!(ordinary.code, 0, "{}", ordinary.stdout);
    let taken = desk.import(11, &[("persons", 270, 2)]);
    assert_eq!(taken.code, 7, "{}", taken.stdout);
    let told = &taken.json()["alarms"][0]["objects"][0];
    assert_eq!((&told["object"], &told["what"], &told["records"]), (&json!("Persons"), &json!("deleted"), &json!(30)));
}

#[test]
fn limits_are_set_by_flag_and_by_configuration() {
    let desk = Desk::new();
    desk.import(0, &[("deals", 200, 0)]);
    desk.import(1, &[("deals", 200, 30)]);
    assert_eq!(desk.pdbak(&["brake"]).code, 0, "too little is known");
    fs::write(desk.home.path().join("pdbak.toml"), "[brake]\nDeals = \"10%\"\n").expect("a file");
    assert_eq!(desk.import(2, &[("deals", 200, 30)]).code, 7);
    desk.pdbak(&["brake", "--acknowledge", "--usual"]);
    desk.import(3, &[("deals", 200, 30)]);
    assert_eq!(desk.pdbak(&["import", "export", "--brake", "off"]).code, 0);
    let wrong = desk.pdbak(&["import", "export", "--brake", "much"]);
    assert_eq!((wrong.code, wrong.stderr.contains("nor \"learned\"")), (2, true), "{}", wrong.stderr);
    fs::write(desk.home.path().join("pdbak.toml"), "[brake]\nDeal = \"10%\"\n").expect("a file");
    let wrong = desk.pdbak(&["snapshots"]);
    assert_eq!((wrong.code, wrong.stderr.contains("no such object")), (2, true), "{}", wrong.stderr);
}

#[test]
fn what_a_restore_writes_back_is_no_alarm() {
    let world = World::of(400);
    fs::write(world.path("pdbak.toml"), "[brake]\nDeals = \"5%\"\n").expect("a file");
    assert_eq!(world.pdbak(&["init", "--no-encryption"]).code, 0);
    let good = world.pdbak(&["snapshot", "--json"]);
    assert_eq!(good.code, 0, "{}", good.stderr);
    let good = short(&good.json()["snapshot"]);
    let deals = ids(&world, "Deals");
    for id in &deals[..deals.len() / 4] {
        world.call("PATCH", &format!("/api/v2/deals/{id}"), Some(&json!({"title": "Oops"})));
    }
    let bad = world.pdbak(&["snapshot"]);
    assert_eq!(bad.code, 7, "{}{}", bad.stdout, bad.stderr);
    assert!(bad.stdout.contains("ALARM: far more changed than usual"), "{}", bad.stdout);
    assert!(world.pdbak(&["snapshots"]).stdout.contains("  ALARM"), "the list shows it");
    let back = world.pdbak(&["restore", &good, "--object", "Deals", "--yes"]);
    assert_eq!(back.code, 0, "{}{}", back.stdout, back.stderr);
    assert_eq!(world.pdbak(&["brake", "--acknowledge"]).code, 0);
    let after = world.pdbak(&["snapshot"]);
    assert_eq!(after.code, 0, "{}{}", after.stdout, after.stderr);
    assert!(after.stderr.contains("since a restore wrote it"), "{}", after.stderr);
}
