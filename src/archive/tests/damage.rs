//! Every flipped byte, every cut, every removal is found, and nothing wrong is ever given out.

use super::*;
use crate::archive::index::{Index, Row};
use crate::record::Digest;

/// Snapshots with their records.
pub(super) type Kept = Vec<(SnapshotId, Vec<Record>)>;

/// An archive of two snapshots, one blob, and one of every other kind of file.
pub(super) fn small(encrypted: bool) -> (World, Kept) {
    let (world, archive) = if encrypted { World::encrypted() } else { World::clear() };
    let first: Vec<Record> = (1..=6).map(|number| deal(number, "first")).collect();
    let mut second = first.clone();
    second[2] = deal(3, "second");
    let mut writer = archive.begin(source()).unwrap();
    writer.take(&first).unwrap();
    writer.blob(&mut &b"contents of a file"[..]).unwrap();
    writer.close(&deals(), whole()).unwrap();
    let one = writer.finish(tally()).unwrap();
    let two = snapshot_of(&archive, &second);
    let mut log = archive.create_log("journal").unwrap();
    log.append(&json!({"step": 1})).unwrap();
    log.append(&json!({"step": 2})).unwrap();
    archive.keep_drill("20261102-drill", &json!({"equal": 6})).unwrap();
    for word in ["kept", "seen"] {
        archive.mark(&[&one], Mark::Tagged { add: vec![word.to_owned()], remove: Vec::new() }).unwrap();
    }
    (world, vec![(one.id, first), (two.id, second)])
}

pub(super) fn replace(path: &Path, bytes: &[u8]) {
    let _ = std::fs::remove_file(path);
    std::fs::write(path, bytes).unwrap();
}

/// What a check with every byte finds; nothing of an archive that does not open.
pub(super) fn found(world: &World) -> Option<Vec<Problem>> {
    let archive = Archive::open_on(Arc::new(Swift), &world.root, &Passphrase("open sesame"), world.clock).ok()?;
    let mut problems = Vec::new();
    archive.check(true, &mut |problem| problems.push(problem)).unwrap();
    Some(problems)
}

/// How many problems a check with every byte finds; an archive that will not open counts as one.
fn problems(world: &World) -> usize {
    found(world).map_or(1, |problems| problems.len())
}

/// Every snapshot that no problem names reads whole, and no other reads as anything but what it was.
fn expect_the_rest_whole(world: &World, snapshots: &Kept, what: &str) {
    let Some(problems) = found(world) else { return };
    let archive = world.open();
    for (id, records) in snapshots {
        let hurt = problems.iter().any(|problem| problem.snapshots.contains(id));
        let read = archive.snapshot(id).and_then(|snapshot| snapshot.records(&deals())?.collect::<Result<Vec<_>, _>>());
        match read {
            Ok(read) => assert_eq!(&read, records, "{what}"),
            Err(error) => assert!(hurt, "{what}: {error} in spite of {problems:?}"),
        }
    }
}

fn flips(encrypted: bool, step: usize) {
    let (world, snapshots) = small(encrypted);
    assert_eq!(problems(&world), 0);
    let mut tried = 0;
    for path in files(&world.root) {
        let good = std::fs::read(&path).unwrap();
        for at in (tried % step..good.len()).step_by(step) {
            let mut bad = good.clone();
            bad[at] ^= 1 << (at % 8);
            replace(&path, &bad);
            let what = format!("bit {} of byte {at} of {}", at % 8, path.display());
            assert!(problems(&world) > 0, "{what}");
            if at % 11 == 0 {
                expect_the_rest_whole(&world, &snapshots, &what);
            }
            tried += 1;
        }
        replace(&path, &good);
    }
    assert!(tried > 1000 / step);
    assert_eq!(problems(&world), 0);
}

#[test]
fn every_flipped_byte_of_a_clear_archive_is_found() {
    flips(false, 1);
}

#[test]
fn flipped_bytes_of_a_sealed_archive_are_found() {
    // Opening costs a passphrase each time, so one byte stands for its neighbours unless all are asked for.
    flips(true, if std::env::var_os("PDBAK_EVERY_BYTE").is_some() { 1 } else { 17 });
}

#[test]
fn every_truncated_emptied_lengthened_or_removed_file_is_found() {
    let (world, snapshots) = small(false);
    assert_eq!(problems(&world), 0);
    let every = std::env::var_os("PDBAK_EVERY_BYTE").is_some();
    for path in files(&world.root) {
        let good = std::fs::read(&path).unwrap();
        let lengths: Vec<usize> = match every {
            true => (0..good.len()).collect(),
            false => vec![0, 1, good.len() / 3, good.len() / 2, good.len() - 1],
        };
        let mut states: Vec<Vec<u8>> = lengths.into_iter().map(|length| good[..length].to_vec()).collect();
        states.push([&good[..], b"x"].concat());
        states.push([&good[..], &good[..]].concat());
        for state in states {
            replace(&path, &state);
            let what = format!("{} with {} of {} bytes", path.display(), state.len(), good.len());
            assert!(problems(&world) > 0, "{what}");
            expect_the_rest_whole(&world, &snapshots, &what);
        }
        std::fs::remove_file(&path).unwrap();
        assert!(problems(&world) > 0, "{} removed", path.display());
        expect_the_rest_whole(&world, &snapshots, &format!("{} removed", path.display()));
        std::fs::write(&path, &good).unwrap();
    }
    assert_eq!(problems(&world), 0);
}

#[test]
fn any_two_files_in_each_others_place_are_found_and_so_is_one_in_the_place_of_another() {
    let (world, snapshots) = small(false);
    assert_eq!(problems(&world), 0);
    let all: Vec<(PathBuf, Vec<u8>)> =
        files(&world.root).into_iter().map(|path| (path.clone(), std::fs::read(path).unwrap())).collect();
    for (at, (one, first)) in all.iter().enumerate() {
        for (other, second) in all[at + 1..].iter().filter(|(_, second)| second != first) {
            let what = format!("{} and {}", one.display(), other.display());
            replace(one, second);
            assert!(problems(&world) > 0, "{what}: the second twice");
            replace(other, first);
            assert!(problems(&world) > 0, "{what}");
            expect_the_rest_whole(&world, &snapshots, &what);
            replace(one, first);
            assert!(problems(&world) > 0, "{what}: the first twice");
            replace(other, second);
        }
        // The same bytes under a name that nothing has.
        let twin = one.with_file_name("0".repeat(64));
        std::fs::write(&twin, first).unwrap();
        assert!(problems(&world) > 0, "{} once more", one.display());
        std::fs::remove_file(twin).unwrap();
        found(&world);
    }
}

#[test]
fn damaged_lists_of_a_prune_and_notes_of_bundles_are_found() {
    let (world, archive) = World::clear();
    let all = super::retention::grown(&archive);
    archive.forget(&Policy { last: 2, ..Policy::default() }).unwrap();
    archive.prune(chrono::TimeDelta::days(1), Worth::Dead(1), false).unwrap();
    let shelf = Shelf::at(&world.root);
    let absent = FileName::parse(&format!("snapshots/{}", "7".repeat(64))).unwrap();
    shelf.note_excerpt(archive.id(), &[absent]).unwrap();
    drop(archive);
    assert_eq!(found(&world), Some(Vec::new()));
    for folder in [prune::DOOMED, excerpt::EXCERPTS, marks::MARKS, moves::MOVES] {
        let path = files(&world.root.join(folder)).remove(0);
        let good = std::fs::read(&path).unwrap();
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1 << (at % 8);
            replace(&path, &bad);
            assert!(problems(&world) > 0, "byte {at} of {}", path.display());
        }
        replace(&path, &good);
    }
    for (manifest, records) in &all[8..] {
        assert_eq!(records_of(&world.open(), &manifest.id), *records);
    }
}

#[test]
fn a_stranger_is_found() {
    let (world, _) = small(false);
    std::fs::write(world.root.join("stranger"), b"").unwrap();
    assert!(problems(&world) > 0);
}

#[test]
fn one_damaged_manifest_hides_no_other_snapshot_and_stops_no_backup() {
    let (world, snapshots) = small(false);
    for (at, (hurt, _)) in snapshots.iter().enumerate() {
        let path = world.root.join(SNAPSHOTS).join(&hurt.0);
        let good = std::fs::read(&path).unwrap();
        replace(&path, b"garbage");
        let archive = world.open();
        let (readable, damaged) = archive.listed().unwrap();
        assert_eq!((readable.len(), damaged.len()), (1, 1));
        assert!(archive.resolve("latest").is_err(), "the newest cannot be told");
        let other = &snapshots[1 - at];
        let whole = archive
            .resolve(other.0.short())
            .and_then(|id| archive.snapshot(&id)?.records(&deals())?.collect::<Result<Vec<_>, _>>());
        // The second one's map may stand on the first one's.
        if at == 1 {
            assert_eq!(whole.unwrap(), other.1);
        }
        let taken = snapshot_of(&archive, &snapshots[1].1);
        assert_eq!(records_of(&archive, &taken.id), snapshots[1].1);
        replace(&path, &good);
        assert_eq!(found(&world), Some(Vec::new()), "the chain is whole again once the file is back");
        std::fs::remove_file(world.root.join(SNAPSHOTS).join(&taken.id.0)).unwrap();
        std::fs::remove_file(world.root.join("index.sqlite")).unwrap();
    }
}

#[test]
fn a_removed_newest_snapshot_is_missed_even_after_reindexing() {
    let (world, snapshots) = small(false);
    std::fs::remove_file(world.root.join("snapshots").join(&snapshots[1].0.0)).unwrap();
    assert!(problems(&world) > 0);
    Archive::reindex(&world.root, &Passphrase("none needed"), world.clock).unwrap();
    assert!(problems(&world) > 0);
}

#[test]
fn a_forged_manifest_is_found_although_its_name_is_right() {
    let (world, snapshots) = small(false);
    let path = world.root.join("snapshots").join(&snapshots[1].0.0);
    let text = String::from_utf8(zstd::decode_all(&std::fs::read(&path).unwrap()[..]).unwrap()).unwrap();
    let forged = zstd::encode_all(text.replace("\"records\":6", "\"records\":5").as_bytes(), 3).unwrap();
    std::fs::remove_file(&path).unwrap();
    std::fs::write(world.root.join("snapshots").join(blake3::hash(&forged).to_hex().as_str()), &forged).unwrap();
    assert!(problems(&world) >= 2, "the old one is gone and the new one is not signed");
}

#[test]
fn damage_in_one_segment_costs_only_the_snapshots_that_need_it() {
    let (world, archive) = World::clear();
    let first: Vec<Record> = (1..=6).map(|number| deal(number, "first")).collect();
    let one = snapshot_of(&archive, &first);
    let before = files(&world.root.join("segments"));
    let two = snapshot_of(&archive, &[deal(1, "second")]);
    drop(archive);
    let new = files(&world.root.join("segments")).into_iter().find(|file| !before.contains(file)).unwrap();
    let mut bytes = std::fs::read(&new).unwrap();
    // In the middle of the only block, behind the header's frame.
    let frame = bytes.windows(4).position(|window| window == [0x28, 0xB5, 0x2F, 0xFD]).unwrap();
    bytes[frame + 20] ^= 1;
    replace(&new, &bytes);
    let archive = world.open();
    let mut problems = Vec::new();
    archive.check(true, &mut |problem| problems.push(problem)).unwrap();
    assert!(
        problems.iter().any(|problem| problem.file.as_ref() == Some(&new) && problem.snapshots == [two.id.clone()]),
        "{problems:?}"
    );
    assert_eq!(records_of(&archive, &one.id), first);
    let snapshot = archive.snapshot(&two.id).unwrap();
    assert!(snapshot.records(&deals()).unwrap().any(|record| record.is_err()));
}

#[test]
fn a_wiped_index_row_is_never_taken_for_fewer_records() {
    let (world, snapshots) = small(false);
    let db = rusqlite::Connection::open(world.root.join("index.sqlite")).unwrap();
    db.execute("DELETE FROM versions WHERE line=1", []).unwrap();
    drop(db);
    let archive = world.open();
    let snapshot = archive.snapshot(&snapshots[0].0).unwrap();
    let outcome: Result<Vec<Record>, Error> = snapshot.records(&deals()).unwrap().collect();
    assert!(matches!(outcome, Err(Error::Incomplete { .. })), "{outcome:?}");
    assert!(snapshot.keys(&deals()).unwrap().any(|key| key.is_err()));
    assert!(problems(&world) > 0);
    assert_eq!(problems(&world), 0, "the check had it made again");
}

#[test]
fn an_index_that_says_other_things_than_the_segments_is_found_and_made_again() {
    let key = deal(3, "").id().key.to_bytes();
    let known = |index: &Index, number| index.versions(number, &key).unwrap();
    // Rows that match their own checksum, so that only a comparison tells: another version, one at another's line, one too many.
    for change in [
        (|rows| rows[0].digest = Digest([7; 32])) as fn(&mut Vec<Row>),
        |rows| rows.push(Row { line: rows[0].line + 1, ..rows[0].clone() }),
        |rows| rows.push(Row { line: 1000, ..rows[0].clone() }),
    ] {
        let (world, snapshots) = small(false);
        let archive = world.open();
        let mut index = Index::open(&world.root.join("index.sqlite"), archive.id()).unwrap();
        drop(archive);
        let number = index.known_object(deals().as_str()).unwrap().unwrap();
        let mut rows = known(&index, number);
        change(&mut rows);
        index.begin().unwrap();
        rows.iter().for_each(|row| index.insert(number, row).unwrap());
        index.commit().unwrap();
        drop(index);
        let told = found(&world).unwrap();
        assert!(told.iter().all(|problem| problem.file == Some(world.root.join("index.sqlite"))), "{told:?}");
        assert_eq!(told.len(), 1, "{rows:?}");
        assert_eq!(problems(&world), 0, "the check had it made again");
        assert_eq!(records_of(&world.open(), &snapshots[1].0), snapshots[1].1);
    }
}

#[test]
fn a_damaged_index_is_made_again_without_asking() {
    let (world, snapshots) = small(false);
    let path = world.root.join("index.sqlite");
    let good = std::fs::read(&path).unwrap();
    for at in (0..good.len()).step_by(97) {
        let mut bad = good.clone();
        bad[at] ^= 0x55;
        std::fs::write(&path, &bad).unwrap();
        let archive = world.open();
        for (id, records) in &snapshots {
            let snapshot = archive.snapshot(id).unwrap();
            match snapshot.records(&deals()).unwrap().collect::<Result<Vec<_>, _>>() {
                Ok(read) => assert_eq!(&read, records),
                Err(error) => assert!(
                    matches!(error, Error::Incomplete { .. } | Error::Damaged { .. } | Error::Index(_)),
                    "byte {at}: {error:?}"
                ),
            }
        }
        drop(archive);
        for suffix in ["-wal", "-shm"] {
            let _ = std::fs::remove_file(world.root.join(format!("index.sqlite{suffix}")));
        }
    }
    std::fs::write(&path, b"no database at all").unwrap();
    assert_eq!(records_of(&world.open(), &snapshots[1].0), snapshots[1].1);
}
