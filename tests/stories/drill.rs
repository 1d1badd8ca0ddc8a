//! A drill: the backup is restored where nobody is harmed, and what did not come back is noticed.

use pdbak::archive::{Archive, Protection};
use pdbak::clock::Clock;
use serde_json::Value;

use crate::support::{Output, World};

/// The program without any way to the account: a drill needs none.
fn drill(world: &World, arguments: &[&str]) -> Output {
    let mut command = world.pdbak_command(&[&["drill", "--json"], arguments].concat());
    command.0.env_remove("PDBAK_API_TOKEN").env_remove("PDBAK_BASE_URL");
    command.run()
}

fn wrong(result: &Value) -> u64 {
    let total = &result["total"];
    ["different", "missing", "extra"].iter().filter_map(|word| total[word].as_u64()).sum()
}

#[test]
fn everything_that_can_be_written_comes_back() {
    let world = World::of(300);
    let goal = world.snapshot();
    world.call("DELETE", "/sandbox/log", None);
    let output = drill(&world, &[]);
    let result = output.json();
    assert_eq!(output.code, 0, "{}", result["findings"]);
    assert_eq!((result["restorable"].as_bool(), wrong(&result)), (Some(true), 0));
    let came = result["total"]["equal"].as_u64().unwrap_or_default()
        + result["total"]["by_nature"].as_u64().unwrap_or_default();
    let left_out = result["total"]["left_out"].as_u64().unwrap_or_default();
    assert!(came > 300 && left_out < came, "{}", result["total"]);
    assert!(result["real"]["tokens"].as_u64() > Some(1_000), "{}", result["real"]);
    // The account was not asked anything.
    assert_eq!(world.call("GET", "/sandbox/log", None).as_array().map(Vec::len), Some(0));
    // The result is kept, shown, and covered by a check; no journal and no snapshot of the sandbox is.
    let shown = world.pdbak(&["snapshots", "--json"]).json();
    assert_eq!(shown.as_array().map(Vec::len), Some(1));
    assert_eq!(shown[0]["drill"]["restorable"], true, "{shown}");
    assert!(world.pdbak(&["snapshots"]).stdout.contains("drilled"));
    assert!(world.archive().logs().expect("journals").is_empty());
    assert_eq!(world.archive().drills().expect("results").len(), 1);
    assert_eq!(world.pdbak(&["check", "--read-data"]).code, 0);
    assert_eq!(world.archive().resolve("latest").expect("a snapshot"), goal.id);
}

#[test]
fn a_restore_that_loses_something_is_noticed() {
    let world = World::of(300);
    world.snapshot();
    let faults = [
        ("POST /api/v2/persons after=2 forget", "persons/", "is missing"),
        ("POST /api/v2/deals times=1000 lose-field=expected_close_date", "deals/", "expected_close_date"),
        ("POST /*/notes times=30 lose-field=deal_id", "notes/", "deal_id"),
        ("POST /api/v2/organizations times=1000 lose-field=name", "organizations/", "is missing"),
    ];
    for (fault, record, what) in faults {
        let output = drill(&world, &["--fault", fault]);
        let result = output.json();
        assert_eq!((output.code, result["restorable"].as_bool()), (5, Some(false)), "{fault}");
        let findings = result["findings"].as_array().expect("findings");
        let told = |finding: &Value| {
            finding["record"].as_str().is_some_and(|id| id.starts_with(record))
                && finding["what"].as_str().is_some_and(|words| words.contains(what))
        };
        assert!(findings.iter().any(told), "{fault}: {findings:?}");
    }
}

#[test]
fn what_a_drill_found_is_as_secret_as_the_rest() {
    let world = World::of(100);
    let root = world.path("archive");
    let passphrase = "correct horse".to_owned();
    let protection = Protection::Encrypted { passphrase: passphrase.clone().into(), recovery: None };
    drop(Archive::create(&root, protection, Clock::System).expect("an archive"));
    let run = |arguments: &[&str]| {
        let mut command = world.pdbak_command(arguments);
        command.0.env("PDBAK_PASSPHRASE", &passphrase);
        command.run()
    };
    assert_eq!(run(&["snapshot"]).code, 0);
    assert_eq!(run(&["drill", "--fault", "POST /api/v2/persons after=2 forget"]).code, 5);
    for entry in std::fs::read_dir(root.join("drills")).expect("results") {
        let bytes = std::fs::read(entry.expect("a result").path()).expect("a file");
        let text = String::from_utf8_lossy(&bytes);
        assert!(text.contains("age-encryption.org") && !text.contains("persons/"));
    }
    assert!(run(&["snapshots"]).stdout.contains("wrong"));
}
