//! A machine that takes snapshots every night and cannot read one of them.

use serde_json::{Value, json};

use crate::support::{Output, World};

/// Runs the program with a key: a passphrase, or a key file in the world's folder.
fn pdbak(world: &World, key: &str, arguments: &[&str]) -> Output {
    let mut program = world.pdbak_command(arguments);
    match key {
        "PASSPHRASE" => program.0.env("PDBAK_PASSPHRASE", "correct horse"),
        file => program.0.env("PDBAK_KEY_FILE", world.path(file)),
    };
    program.run()
}

fn expect(world: &World, key: &str, arguments: &[&str]) -> Value {
    let output = pdbak(world, key, &[arguments, &["--json"]].concat());
    assert!(matches!(output.code, 0 | 3), "{arguments:?}\n{}\n{}", output.stdout, output.stderr);
    output.json()
}

/// Objects of a snapshot of which something is new, changed or gone.
fn moved(snapshot: &Value) -> Vec<String> {
    let objects = snapshot["objects"].as_object().expect("objects");
    let some = |contents: &&Value| ["new", "changed", "deleted"].iter().any(|what| contents[*what] != 0);
    objects.iter().filter(|(_, contents)| some(contents)).map(|(name, _)| name.clone()).collect()
}

#[test]
fn a_put_key_takes_full_and_incremental_snapshots_and_reads_none() {
    let world = World::of(600);
    // The same company, seen by somebody who may read everything.
    let twin = World::of(600);
    for world in [&world, &twin] {
        assert_eq!(pdbak(world, "PASSPHRASE", &["init"]).code, 0);
    }
    let added = pdbak(&world, "PASSPHRASE", &["key", "add", "--role", "put", "--write-identity", "put.key"]);
    assert_eq!(added.code, 0, "{}", added.stderr);

    let take = || (expect(&world, "put.key", &["snapshot"]), expect(&twin, "PASSPHRASE", &["snapshot"]));
    let (first, _) = take();
    let deal = world.call("GET", "/api/v2/deals?limit=1", None)["data"][0]["id"].as_u64().expect("a deal");
    for world in [&world, &twin] {
        world.call("PATCH", &format!("/api/v2/deals/{deal}"), Some(&json!({"title": "seen by nobody"})));
    }
    let (second, by_reader) = take();
    assert!(second["tokens"].as_u64() < Some(first["tokens"].as_u64().expect("a number") / 2), "{second}");
    assert_eq!(second["objects"]["Deals"]["changed"], 1, "{second}");
    assert_eq!(moved(&second), moved(&by_reader), "it notices what a reader notices");
    // What only a request for each record brings (the conditions of filters) it asks for again.
    let price = |taken: &Value| taken["tokens"].as_u64().expect("a number");
    assert!(price(&second) < price(&by_reader) + 100, "{} and {}", price(&second), price(&by_reader));
    assert!(second["bytes_added"].as_u64() < Some(100_000), "{second}");

    let record = format!("deals/{deal}");
    for arguments in [
        &["ls", "latest", "deals"][..],
        &["get", &record],
        &["diff", "latest~1", "latest"],
        &["restore", "latest", "--record", &record, "--dry-run"],
    ] {
        let denied = pdbak(&world, "put.key", arguments);
        assert_eq!(denied.code, 12, "{arguments:?}: {}", denied.stderr);
        assert!(denied.stderr.contains("this takes a restore key"), "{}", denied.stderr);
    }
    assert_eq!(pdbak(&world, "put.key", &["snapshots"]).stdout.lines().count(), 3, "a heading and two snapshots");
    assert_eq!(pdbak(&world, "put.key", &["check", "--read-data"]).code, 0);

    // Read where the other key is.
    let read = pdbak(&world, "PASSPHRASE", &["get", &record]);
    assert!(read.stdout.contains("seen by nobody"), "{}", read.stdout);
    assert_eq!(pdbak(&world, "PASSPHRASE", &["check", "--read-data"]).code, 0);
    let changes = pdbak(&world, "PASSPHRASE", &["diff", "latest~1", "latest", "--stat"]);
    assert!(changes.stdout.contains("Deals"), "{}", changes.stdout);
}

#[test]
fn a_put_key_that_lost_its_memory_reads_everything_again_and_stores_nothing_twice() {
    let world = World::of(300);
    assert_eq!(pdbak(&world, "PASSPHRASE", &["init"]).code, 0);
    let added = pdbak(&world, "PASSPHRASE", &["key", "add", "--role", "put", "--write-identity", "put.key"]);
    assert_eq!(added.code, 0, "{}", added.stderr);
    expect(&world, "put.key", &["snapshot"]);
    // Somebody with a key that reads makes the index again: versions and digests, but not what a capture remembers.
    assert_eq!(pdbak(&world, "PASSPHRASE", &["reindex"]).code, 0);
    let second = pdbak(&world, "put.key", &["snapshot"]);
    assert!(matches!(second.code, 0 | 3), "{}", second.stderr);
    assert!(second.stderr.contains("everything is read again"), "{}", second.stderr);
    let third = expect(&world, "put.key", &["snapshot"]);
    assert!(third["bytes_added"].as_u64() < Some(100_000), "{third}");
    assert_eq!(pdbak(&world, "PASSPHRASE", &["check", "--read-data"]).code, 0);
}
