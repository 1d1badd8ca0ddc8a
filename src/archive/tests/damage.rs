//! Every flipped byte, every cut, every removal is found, and nothing wrong is ever given out.

use super::*;

/// An archive of two snapshots, one blob and one log.
fn small(encrypted: bool) -> (World, Vec<(SnapshotId, Vec<Record>)>) {
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
    (world, vec![(one.id, first), (two.id, second)])
}

fn replace(path: &Path, bytes: &[u8]) {
    std::fs::remove_file(path).unwrap();
    std::fs::write(path, bytes).unwrap();
}

/// How many problems a check with every byte finds; an archive that will not open counts as one.
fn problems(world: &World) -> usize {
    let mut problems = 0;
    match Archive::open(&world.root, &Passphrase("open sesame"), world.clock) {
        Ok(archive) => {
            archive.check(true, &mut |_| problems += 1).unwrap();
        }
        Err(_) => problems += 1,
    }
    problems
}

fn flips(encrypted: bool, step: usize) {
    let (world, _) = small(encrypted);
    assert_eq!(problems(&world), 0);
    let mut tried = 0;
    for path in files(&world.root) {
        let good = std::fs::read(&path).unwrap();
        for at in (0..good.len()).step_by(step) {
            let mut bad = good.clone();
            bad[at] ^= 1 << (at % 8);
            replace(&path, &bad);
            assert!(problems(&world) > 0, "bit {} of byte {at} of {}", at % 8, path.display());
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
    // Opening costs a passphrase each time, so one byte stands for its neighbours here.
    flips(true, 17);
}

#[test]
fn every_truncated_emptied_or_removed_file_is_found() {
    let (world, _) = small(false);
    for path in files(&world.root) {
        let good = std::fs::read(&path).unwrap();
        // A journal may end after any whole entry: only its inside can be judged.
        let is_log = path.parent().unwrap().ends_with("restores");
        for length in [0, 1, good.len() / 3, good.len() - 1] {
            if is_log && length == 0 {
                continue;
            }
            replace(&path, &good[..length]);
            assert!(problems(&world) > 0, "{} cut to {length}", path.display());
        }
        replace(&path, &[&good[..], b"x"].concat());
        assert!(problems(&world) > 0, "{} with one byte more", path.display());
        std::fs::remove_file(&path).unwrap();
        assert!(is_log || problems(&world) > 0, "{} removed", path.display());
        std::fs::write(&path, &good).unwrap();
    }
    assert_eq!(problems(&world), 0);
}

#[test]
fn swapped_files_and_strangers_are_found() {
    let (world, snapshots) = small(false);
    let path = |id: &SnapshotId| world.root.join("snapshots").join(&id.0);
    let (one, two) = (path(&snapshots[0].0), path(&snapshots[1].0));
    let (first, second) = (std::fs::read(&one).unwrap(), std::fs::read(&two).unwrap());
    replace(&one, &second);
    replace(&two, &first);
    assert!(problems(&world) > 0);
    replace(&one, &first);
    replace(&two, &second);
    assert_eq!(problems(&world), 0);
    std::fs::write(world.root.join("stranger"), b"").unwrap();
    assert!(problems(&world) > 0);
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
