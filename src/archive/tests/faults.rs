//! A disk that fails, tears or stops at the n-th operation, for every n, under all that writes.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use super::faulty::{FaultyDisk, Script, expect_told};
use super::*;
use crate::archive::store::DRAFTS;

fn first() -> Vec<Record> {
    (1..=40).map(|number| deal(number, "first")).collect()
}

fn second() -> Vec<Record> {
    (1..=45).map(|number| deal(number, if number % 3 == 0 { "second" } else { "first" })).collect()
}

/// A capture with checkpoints and contents, which saves what it has when something fails.
fn capture(archive: &Archive) -> Result<Manifest, Error> {
    let mut writer = archive.begin(source())?;
    let filled = fill(&mut writer);
    if let Err(error) = filled {
        // A second try must not enter in the index what the first could not store.
        let _ = writer.checkpoint(&Value::Null);
        return Err(error);
    }
    writer.finish(tally())
}

fn fill(writer: &mut SnapshotWriter<'_>) -> Result<(), Error> {
    let records = second();
    writer.take(&records[..20])?;
    writer.blob(&mut &b"contents of a file"[..])?;
    writer.checkpoint(&Value::Null)?;
    writer.take(&records[20..])?;
    writer.checkpoint(&Value::Null)?;
    writer.close(&deals(), whole())?;
    Ok(())
}

/// Lets the second snapshot meet the fault at every operation, and expects the first intact and the next run to succeed.
fn at_every_operation(script: Script) -> u64 {
    for at in 1.. {
        let world = World::new();
        let sound = || FaultyDisk::new(script, u64::MAX).0;
        let archive = Archive::create_on(sound(), &world.root, Protection::Clear, world.clock).unwrap();
        let before = snapshot_of(&archive, &first());
        drop(archive);
        let (disk, done) = FaultyDisk::new(script, at);
        let open =
            |disk: Arc<dyn Disk>| Archive::open_on(disk, &world.root, &Passphrase("none needed"), world.clock).unwrap();
        let outcome = {
            let archive = open(disk);
            capture(&archive)
        };
        let archive = open(sound());
        let mut problems = Vec::new();
        archive.check(true, &mut |problem| problems.push(problem)).unwrap();
        assert_eq!(problems, [], "after a fault at operation {at}");
        assert_eq!(records_of(&archive, &before.id), first(), "after a fault at operation {at}");
        for finished in archive.snapshots().unwrap().iter().filter(|finished| finished.id != before.id) {
            assert_eq!(records_of(&archive, &finished.id), second(), "after a fault at operation {at}");
        }
        let struck = done.load(Ordering::SeqCst) >= at;
        match &outcome {
            Ok(finished) => {
                let there = archive.snapshots().unwrap().iter().any(|manifest| manifest.id == finished.id);
                assert!(there, "a snapshot reported as done is there");
                assert!(!struck || !script.must_be_told(), "nobody was told of the fault at operation {at}");
            }
            Err(error) => expect_told(script, error, &world.root),
        }
        let again =
            capture(&archive).unwrap_or_else(|error| panic!("the run after a fault at operation {at}: {error}"));
        assert_eq!(records_of(&archive, &again.id), second());
        let checked =
            archive.check(true, &mut |problem| panic!("after the run after operation {at}: {problem:?}")).unwrap();
        assert_eq!(checked.problems, 0);
        assert_eq!(archive.inner.store.list(DRAFTS).unwrap(), [""; 0], "left behind by operation {at}");
        if !struck {
            return at;
        }
    }
    unreachable!("the loop ends when no operation is left to fail")
}

/// Lets forgetting and pruning meet the fault at every operation; what stays is whole, and the next run ends the work.
fn forget_and_prune_at_every_operation(script: Script) -> u64 {
    let forget_and_prune = |archive: &Archive| -> Result<(), Error> {
        archive.forget(&Policy { last: 2, ..Policy::default() })?;
        archive.prune(chrono::TimeDelta::zero(), Worth::Dead(1), false).map(drop)
    };
    for at in 1.. {
        let world = World::new();
        let sound = || FaultyDisk::new(script, u64::MAX).0;
        let archive = Archive::create_on(sound(), &world.root, Protection::Clear, world.clock).unwrap();
        let all = super::retention::grown(&archive);
        drop(archive);
        let (disk, done) = FaultyDisk::new(script, at);
        let open =
            |disk: Arc<dyn Disk>| Archive::open_on(disk, &world.root, &Passphrase("none needed"), world.clock).unwrap();
        let outcome = forget_and_prune(&open(disk));
        outcome.as_ref().err().into_iter().for_each(|error| expect_told(script, error, &world.root));
        let archive = open(sound());
        let expect_whole = |archive: &Archive, most: usize| {
            archive.check(true, &mut |problem| panic!("after a fault at operation {at}: {problem:?}")).unwrap();
            let left = archive.snapshots().unwrap();
            assert!((2..=most).contains(&left.len()), "{} left after a fault at operation {at}", left.len());
            for manifest in left {
                let (_, records) = all.iter().find(|(known, _)| known.id == manifest.id).unwrap();
                assert_eq!(records_of(archive, &manifest.id), *records, "after a fault at operation {at}");
            }
        };
        expect_whole(&archive, 10);
        forget_and_prune(&archive).unwrap_or_else(|error| panic!("the run after operation {at}: {error}"));
        expect_whole(&archive, 2);
        assert_eq!(archive.inner.store.list(DRAFTS).unwrap(), [""; 0], "left behind by operation {at}");
        if done.load(Ordering::SeqCst) < at {
            outcome.unwrap();
            return at;
        }
    }
    unreachable!("the loop ends when no operation is left to fail")
}

/// Lets a change of keys meet the fault at every operation; the archive opens all the while, and the next try succeeds.
fn change_of_keys_at_every_operation(script: Script) -> u64 {
    let first = super::keys::Story::begin();
    for at in 1.. {
        let story = first.again();
        let (disk, done) = FaultyDisk::new(script, at);
        let outcome = story.play(disk);
        outcome.as_ref().err().into_iter().for_each(|error| expect_told(script, error, story.root()));
        story.expect_whole(&format!("after a fault at operation {at}"));
        story.play(FaultyDisk::new(script, u64::MAX).0).unwrap_or_else(|error| panic!("after operation {at}: {error}"));
        story.expect_changed();
        if done.load(Ordering::SeqCst) < at {
            outcome.unwrap();
            return at;
        }
    }
    unreachable!("the loop ends when no operation is left to fail")
}

#[test]
fn a_crash_at_any_operation_of_a_change_of_keys_leaves_an_archive_that_opens() {
    assert!(change_of_keys_at_every_operation(Script::Crash) > 60);
}

#[test]
fn a_full_disk_at_any_operation_of_a_change_of_keys_leaves_an_archive_that_opens() {
    assert!(change_of_keys_at_every_operation(Script::Fail(io::ErrorKind::StorageFull)) > 60);
}

#[test]
fn a_crash_at_any_operation_of_forget_and_prune_loses_nothing_that_is_kept() {
    assert!(forget_and_prune_at_every_operation(Script::Crash) > 25);
}

#[test]
fn a_bad_disk_at_any_operation_of_forget_and_prune_loses_nothing_that_is_kept() {
    assert!(forget_and_prune_at_every_operation(Script::Fail(io::ErrorKind::Other)) > 25);
}

#[test]
fn a_full_disk_at_any_operation_leaves_every_snapshot_intact() {
    assert!(at_every_operation(Script::Fail(io::ErrorKind::StorageFull)) > 40);
}

#[test]
fn a_bad_disk_at_any_operation_leaves_every_snapshot_intact() {
    assert!(at_every_operation(Script::Fail(io::ErrorKind::Other)) > 40);
}

#[test]
fn a_crash_at_any_operation_leaves_every_snapshot_intact() {
    assert!(at_every_operation(Script::Crash) > 40);
}

#[test]
fn what_sqlite_gave_up_on_a_full_disk_is_not_entered_in_parts() {
    let (_world, archive) = World::clear();
    let before = snapshot_of(&archive, &first());
    let mut writer = archive.begin(source()).unwrap();
    writer.take(&second()[..20]).unwrap();
    // On a full disk SQLite ends the transaction by itself.
    archive.inner.roll_back();
    assert!(matches!(writer.take(&second()), Err(Error::TransactionLost)));
    assert!(matches!(writer.checkpoint(&Value::Null), Err(Error::TransactionLost)));
    drop(writer);
    let after = capture(&archive).unwrap();
    assert_eq!(records_of(&archive, &before.id), first());
    assert_eq!(records_of(&archive, &after.id), second());
    assert_eq!(archive.check(true, &mut |problem| panic!("{problem:?}")).unwrap().problems, 0);
}

#[test]
fn a_full_disk_is_told_with_operation_and_file() {
    let (world, archive) = World::clear();
    drop(archive);
    let (disk, _) = FaultyDisk::new(Script::Fail(io::ErrorKind::StorageFull), 9);
    let archive = Archive::open_on(disk, &world.root, &Passphrase("none needed"), world.clock).unwrap();
    let error = capture(&archive).unwrap_err().to_string();
    assert!(error.starts_with("cannot ") && error.contains(&*world.root.to_string_lossy()), "{error}");
}

#[test]
fn a_log_survives_a_crash_while_appending() {
    for at in 1..12 {
        let (world, archive) = World::clear();
        drop(archive);
        let (disk, _) = FaultyDisk::new(Script::Crash, at);
        let appended = {
            let archive = Archive::open_on(disk, &world.root, &Passphrase("none needed"), world.clock).unwrap();
            let mut appended = 0;
            if let Ok(mut log) = archive.create_log("one") {
                while appended < 3 && log.append(&json!(appended)).is_ok() {
                    appended += 1;
                }
            }
            appended
        };
        let archive = world.open();
        if archive.logs().unwrap().is_empty() {
            assert_eq!(appended, 0);
            continue;
        }
        // What was reported as appended is there; one more may be, torn or whole.
        let read = archive.read_log("one").unwrap();
        assert!(read.entries.len() >= appended && read.entries.len() <= appended + 1);
        let mut log = archive.open_log("one").unwrap();
        log.append(&json!("after")).unwrap();
        let again = archive.read_log("one").unwrap();
        assert_eq!(again.entries.last(), Some(&json!("after")));
        assert!(!again.torn);
    }
}

/// All that writes; each is of so many operations at least, or the faults struck nothing.
fn every_work_at_every_operation(script: Script, least: u64) {
    assert!(at_every_operation(script) > least);
    assert!(forget_and_prune_at_every_operation(script) > least);
    assert!(change_of_keys_at_every_operation(script) > least);
    assert!(super::repair::at_every_operation(repair_disk(script)) > least);
}

#[test]
fn a_disk_that_stays_bad_from_any_operation_on_loses_nothing() {
    every_work_at_every_operation(Script::Stick(io::ErrorKind::Other), 25);
}

#[test]
fn a_permission_that_is_missing_at_any_operation_loses_nothing() {
    every_work_at_every_operation(Script::Fail(io::ErrorKind::PermissionDenied), 25);
}

#[test]
fn what_a_disk_did_not_keep_and_said_so_once_is_not_counted_on() {
    every_work_at_every_operation(Script::LoseAtSync, 10);
}

#[test]
fn a_write_that_takes_half_or_is_interrupted_is_no_fault() {
    every_work_at_every_operation(Script::Short, 5);
    every_work_at_every_operation(Script::Interrupt, 5);
}

fn repair_disk(script: Script) -> impl Fn(u64) -> (Arc<dyn Disk>, Arc<AtomicU64>) {
    move |at| {
        let (disk, done) = FaultyDisk::new(script, at);
        (disk, done)
    }
}

#[test]
fn a_full_disk_at_any_operation_of_a_repair_leaves_all_as_it_was_or_better() {
    assert!(super::repair::at_every_operation(repair_disk(Script::Fail(io::ErrorKind::StorageFull))) > 30);
}

#[test]
fn a_bad_disk_at_any_operation_of_a_repair_leaves_all_as_it_was_or_better() {
    assert!(super::repair::at_every_operation(repair_disk(Script::Fail(io::ErrorKind::Other))) > 30);
}

#[test]
fn a_crash_at_any_operation_of_a_repair_leaves_all_as_it_was_or_better() {
    assert!(super::repair::at_every_operation(repair_disk(Script::Crash)) > 30);
}
