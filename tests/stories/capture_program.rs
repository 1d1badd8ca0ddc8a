//! The program `pdbak snapshot`: what it answers, and how it ends when something goes wrong.

use std::process::Stdio;

use crate::support::{World, assert_holds_the_truth};

fn initialised(records: u64) -> World {
    let world = World::of(records);
    let init = world.pdbak(&["init", "--no-encryption"]);
    assert_eq!(init.code, 0, "{}", init.stderr);
    world
}

#[test]
fn a_snapshot_answers_its_figures_as_json() {
    let world = initialised(500);
    let output = world.pdbak(&["snapshot", "--json"]);
    assert_eq!(output.code, 0, "{}", output.stderr);
    let answer = output.json();
    assert!(answer["objects"]["Deals"]["records"].as_u64().is_some_and(|records| records > 0), "{answer}");
    let spent = world.meter();
    assert_eq!(answer["tokens"], spent["tokens"], "{spent}");
    // The token is in no answer and in no file.
    assert!(!output.stdout.contains("sandbox-token") && !output.stderr.contains("sandbox-token"));
}

#[test]
fn a_snapshot_with_gaps_is_kept_and_told_by_the_exit_code() {
    let world = initialised(500);
    world.order(&["GET /api/v2/persons times=1000 html"]);
    assert_eq!(world.pdbak(&["snapshot"]).code, 3);
    world.clear_faults();
    assert_eq!(world.pdbak(&["snapshot"]).code, 0);
}

#[test]
fn a_snapshot_killed_in_the_middle_is_taken_up_by_the_next() {
    let world = initialised(500);
    // The answer never comes: there is all the time of the world to kill the process while it waits.
    world.order(&["GET /api/v2/activities slow=3600000"]);
    let mut command = world.pdbak_command(&["snapshot"]).0;
    let mut process = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the program runs");
    while !world.call("GET", "/sandbox/log", None).to_string().contains("activities") {
        assert!(process.try_wait().expect("it is ours").is_none(), "it ended");
    }
    process.kill().expect("it dies");
    process.wait().expect("it died");
    world.clear_faults();
    let output = world.pdbak(&["snapshot", "--json"]);
    assert_eq!(output.code, 0, "{}", output.stderr);
    let archive = world.archive();
    let snapshots = archive.snapshots().expect("snapshots");
    assert_eq!(snapshots.len(), 1);
    assert_holds_the_truth(&world, &snapshots[0]);
}
