//! Stories of what was damaged: healed by what comes later, fetched from a copy, or written down as lost.

use super::damage::{found, replace, small};
use super::*;
use crate::archive::disk::Disk;

fn objects() -> [ObjectName; 3] {
    ["deals", "notes", "persons"].map(ObjectName::known)
}

/// A snapshot of three objects, each in a block of its own.
fn three(archive: &Archive, version: &str) -> Manifest {
    let mut writer = archive.begin(source()).unwrap();
    for object in objects() {
        let name: &'static str =
            ["deals", "notes", "persons"].into_iter().find(|name| *name == object.as_str()).unwrap();
        let records: Vec<Record> =
            (1..=20u64).map(|number| record(name, number, json!({ "title": format!("{version} {number}") }))).collect();
        writer.take(&records).unwrap();
        writer.close(&object, whole()).unwrap();
    }
    writer.finish(tally()).unwrap()
}

fn read(archive: &Archive, id: &SnapshotId, object: &ObjectName) -> Result<usize, Error> {
    Ok(archive.snapshot(id)?.records(object)?.collect::<Result<Vec<_>, _>>()?.len())
}

/// Flips a bit in the middle of the block of an object.
fn damage_block(world: &World, archive: &Archive, segment: &Path, object: &ObjectName) {
    let name = segment.file_name().unwrap().to_str().unwrap();
    let mut file =
        segment::SegmentFile::open(&archive.inner.store, name, archive.id(), archive.inner.secrets.data.as_ref())
            .unwrap();
    let directory = file.directory().unwrap();
    let facts = directory.blocks.iter().find(|block| block.object == object.as_str()).unwrap();
    let mut bytes = std::fs::read(segment).unwrap();
    bytes[(facts.offset + facts.stored / 2) as usize] ^= 4;
    replace(segment, &bytes);
    assert!(segment.starts_with(&world.root));
}

fn segment(world: &World) -> PathBuf {
    files(&world.root.join("segments")).remove(0)
}

fn check(archive: &Archive) -> Vec<Problem> {
    let mut problems = Vec::new();
    archive.check(true, &mut |problem| problems.push(problem)).unwrap();
    problems
}

/// Checks, gives up what is hurt, and expects nothing but known losses afterwards.
fn give_up(archive: &Archive) {
    let problems = check(archive);
    archive.repair(&problems).unwrap();
    let left = check(archive);
    assert!(left.iter().all(|problem| problem.known), "{left:?}");
}

#[test]
fn the_next_snapshot_stores_what_is_damaged_again_and_heals_the_earlier_ones() {
    for object in objects() {
        for reindexed in [false, true] {
            let (world, archive) = World::clear();
            let one = three(&archive, "first");
            damage_block(&world, &archive, &segment(&world), &object);
            let problems = check(&archive);
            assert_eq!((problems.len(), &problems[0].objects), (1, &vec![object.clone()]), "{problems:?}");
            let lost = archive.lost().unwrap();
            let ids: Vec<String> = (1..=20).map(|number: u64| number.to_string()).collect();
            assert_eq!((lost.len(), &lost[0].object, &lost[0].ids), (1, &object, &ids));
            assert_eq!(archive.hurt(&one.id).unwrap(), std::slice::from_ref(&object));
            for other in objects() {
                assert_eq!(read(&archive, &one.id, &other).is_ok(), other != object, "{other}");
            }
            let two = three(&archive, "first");
            let contents = two.contents.iter().find(|contents| contents.object == object).unwrap();
            assert_eq!(
                (contents.new, contents.changed, contents.deleted),
                (0, 0, 0),
                "nothing happened to the records"
            );
            for id in [&one.id, &two.id] {
                objects().iter().for_each(|object| assert_eq!(read(&archive, id, object).unwrap(), 20));
            }
            assert_eq!(archive.lost().unwrap(), []);
            give_up(&archive);
            drop(archive);
            if reindexed {
                std::fs::remove_file(world.root.join("index.sqlite")).unwrap();
            }
            let archive = world.open();
            for id in [&one.id, &two.id] {
                objects().iter().for_each(|object| assert_eq!(read(&archive, id, object).unwrap(), 20, "{object}"));
            }
            assert!(check(&archive).iter().all(|problem| problem.known));
            assert_eq!(archive.lost().unwrap(), []);
            let (before, after) = (archive.snapshot(&one.id).unwrap(), archive.snapshot(&two.id).unwrap());
            assert_eq!(before.differences(&after, &object).unwrap().count(), 0);
        }
    }
}

#[test]
fn what_nobody_has_is_named_and_the_rest_stays_readable() {
    for (encrypted, reindexed) in [(false, false), (false, true), (true, false)] {
        let (world, archive) = if encrypted { World::encrypted() } else { World::clear() };
        let one = three(&archive, "first");
        let path = segment(&world);
        if encrypted {
            let mut bytes = std::fs::read(&path).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            replace(&path, &bytes);
        } else {
            damage_block(&world, &archive, &path, &objects()[1]);
        }
        give_up(&archive);
        drop(archive);
        if reindexed {
            Archive::reindex(&world.root, &Passphrase("none needed"), world.clock).unwrap();
        }
        let archive = world.open();
        let lost = archive.lost().unwrap();
        let ids: u64 = lost.iter().map(|lost| lost.ids.len() as u64 + lost.unknown).sum();
        assert!(lost.iter().all(|lost| lost.snapshot == one.id && lost.unknown == 0), "{lost:?}");
        // age seals 64 KiB at a time: what is damaged there may be all of a small segment.
        assert_eq!(ids, if encrypted { 60 } else { 20 }, "{lost:?}");
        let told = read(&archive, &one.id, &objects()[1]).unwrap_err().to_string();
        assert!(told.contains("which is lost") && told.contains("notes/1"), "{told}");
        if !encrypted {
            assert_eq!(read(&archive, &one.id, &objects()[0]).unwrap(), 20);
            assert!(path.exists(), "what can be read of it stays where it is");
        }
        // New damage of the same file is news.
        if !encrypted {
            damage_block(&world, &archive, &path, &objects()[0]);
            assert!(check(&archive).iter().any(|problem| !problem.known));
        }
    }
}

#[test]
fn a_segment_that_is_gone_stops_no_backup_and_comes_back_with_the_records() {
    let (world, archive) = World::clear();
    let one = three(&archive, "first");
    let path = segment(&world);
    let bytes = std::fs::read(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    let two = three(&archive, "first");
    for id in [&one.id, &two.id] {
        objects().iter().for_each(|object| assert_eq!(read(&archive, id, object).unwrap(), 20));
    }
    give_up(&archive);
    archive.prune(chrono::TimeDelta::zero(), Worth::Dead(1), false).unwrap();
    objects().iter().for_each(|object| assert_eq!(read(&archive, &one.id, object).unwrap(), 20));
    // The file turns up again: the note on it is of no consequence any more.
    std::fs::write(&path, bytes).unwrap();
    archive
        .brought_back(&Shelf::at(&world.root).files().unwrap().into_iter().map(|file| file.name).collect::<Vec<_>>())
        .unwrap();
    assert_eq!(check(&archive), []);
}

#[test]
fn an_increment_on_top_of_damage_carries_it_over_rather_than_losing_it_silently() {
    let (world, archive) = World::clear();
    three(&archive, "first");
    damage_block(&world, &archive, &segment(&world), &objects()[0]);
    check(&archive);
    let mut writer = archive.begin(source()).unwrap();
    writer.take(&[deal(3, "seen")]).unwrap();
    let contents = writer.close(&deals(), in_part()).unwrap();
    assert_eq!((contents.records, contents.changed, contents.deleted), (20, 1, 0));
    let two = writer.finish(tally()).unwrap();
    let lost = archive.lost().unwrap();
    assert_eq!(lost.iter().find(|lost| lost.snapshot == two.id).unwrap().ids.len(), 19);
    assert!(read(&archive, &two.id, &deals()).is_err());
    assert_eq!(archive.snapshot(&two.id).unwrap().leniently().records(&deals()).unwrap().count(), 1);
}

#[test]
fn whatever_is_damaged_beyond_copies_a_repair_leaves_an_archive_that_knows_what_it_lost() {
    type State = fn(&[u8]) -> Option<Vec<u8>>;
    let states: [State; 4] = [
        |good| Some([&good[..good.len() / 2], &[good[good.len() / 2] ^ 1], &good[good.len() / 2 + 1..]].concat()),
        |good| Some(good[..good.len() / 2].to_vec()),
        |_| Some(Vec::new()),
        |_| None,
    ];
    let probe = files(&small(false).0.root).len();
    for at in 0..probe {
        for state in states {
            let (world, snapshots) = small(false);
            assert_eq!(found(&world), Some(Vec::new()));
            let path = files(&world.root).remove(at);
            let good = std::fs::read(&path).unwrap();
            match state(&good) {
                Some(bytes) => replace(&path, &bytes),
                None => std::fs::remove_file(&path).unwrap(),
            }
            let what = path.strip_prefix(&world.root).unwrap().display().to_string();
            // The only key of an archive without encryption: nothing opens it but a copy.
            let Some(problems) = found(&world) else {
                assert!(what.starts_with("keys/"), "{what}");
                continue;
            };
            assert!(!problems.is_empty(), "{what}");
            let archive = world.open();
            archive.repair(&problems).unwrap();
            // What was unreadable because of what is moved away now may be told once more.
            let again = check(&archive);
            archive.repair(&again).unwrap();
            let left = check(&archive);
            assert!(left.iter().all(|problem| problem.known), "{what}: {left:?}");
            let mut whole = 0;
            for (id, records) in &snapshots {
                let read = archive.snapshot(id).and_then(|one| one.records(&deals())?.collect::<Result<Vec<_>, _>>());
                match read {
                    Ok(read) => {
                        assert_eq!(read, *records, "{what}");
                        whole += 1;
                    }
                    Err(_) => assert!(what.starts_with("segments/") || what.starts_with("snapshots/"), "{what}"),
                }
            }
            assert!(whole == 2 || left.iter().any(|problem| problem.known), "{what}");
            let taken = snapshot_of(&archive, &snapshots[1].1);
            assert_eq!(records_of(&archive, &taken.id), snapshots[1].1, "{what}");
            assert!(check(&archive).iter().all(|problem| problem.known), "{what}");
        }
    }
}

/// Puts whole files of a copy in the place of those here, as a repair does.
fn mend(disk: Arc<dyn Disk>, world: &World, copy: &Path) -> Result<(), Error> {
    let shelf = Shelf::on(Arc::clone(&disk), &world.root);
    let archive = Archive::open_on(disk, &world.root, &Passphrase("none needed"), world.clock)?;
    let mut problems = check(&archive);
    let mut came = Vec::new();
    for name in problems
        .iter()
        .filter(|problem| problem.remedy == Remedy::Fetch && problem.kind != Kind::Journal)
        .filter_map(|one| one.name(&world.root))
    {
        let mut arrival = shelf.receive()?;
        let bytes = std::fs::read(copy.join(name.as_str())).unwrap();
        arrival.write_all(&bytes).map_err(Error::file("write", copy))?;
        arrival.mend(&name)?;
        came.push(name);
    }
    archive.brought_back(&came)?;
    problems = check(&archive);
    archive.repair(&problems).map(drop)
}

/// Hurts a segment, a blob, the newest manifest, a mark, the header's copy and the end of a log.
fn hurt_much(world: &World) {
    for folder in ["segments", "blobs", "snapshots", "marks", "restores"] {
        let path = files(&world.root.join(folder)).pop().unwrap();
        let mut bytes = std::fs::read(&path).unwrap();
        let last = bytes.len() - 3;
        bytes[last] ^= 1;
        replace(&path, &bytes);
    }
    replace(&world.root.join("keys/archive.json"), b"{");
}

pub(super) fn copy_of(world: &World) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    for path in files(&world.root) {
        let to = copy.path().join(path.strip_prefix(&world.root).unwrap());
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::copy(path, to).unwrap();
    }
    copy
}

/// Lets a repair meet a fault at every operation: it makes nothing worse, and the next one ends the work.
pub(super) fn at_every_operation(disk: impl Fn(u64) -> (Arc<dyn Disk>, Arc<AtomicU64>)) -> u64 {
    for at in 1.. {
        let (world, snapshots) = small(false);
        assert_eq!(found(&world), Some(Vec::new()));
        let copy = copy_of(&world);
        hurt_much(&world);
        let readable = |archive: &Archive| {
            let whole = |(id, records): &(SnapshotId, Vec<Record>)| {
                let read = archive.snapshot(id).and_then(|one| one.records(&deals())?.collect::<Result<Vec<_>, _>>());
                read.inspect(|read| assert_eq!(read, records)).is_ok()
            };
            snapshots.iter().map(whole).collect::<Vec<bool>>()
        };
        let before = readable(&world.open());
        let (faulty, done) = disk(at);
        let outcome = mend(faulty, &world, copy.path());
        if let Err(error) = &outcome {
            assert!(error.to_string().starts_with("cannot "), "operation {at}: {error}");
        }
        let after = readable(&world.open());
        assert!(
            before.iter().zip(&after).all(|(before, after)| !before || *after),
            "operation {at}: {before:?} {after:?}"
        );
        mend(Arc::new(Swift), &world, copy.path()).unwrap_or_else(|error| panic!("after operation {at}: {error}"));
        assert_eq!(readable(&world.open()), [true, true], "after operation {at}");
        let left = found(&world).unwrap();
        assert!(left.iter().all(|problem| problem.known), "after operation {at}: {left:?}");
        if done.load(Ordering::SeqCst) < at {
            outcome.unwrap();
            return at;
        }
    }
    unreachable!("the loop ends when no operation is left to fail")
}

#[test]
fn an_index_that_is_gone_old_damaged_or_anothers_is_made_again_the_same() {
    let (world, snapshots) = small(false);
    assert_eq!(found(&world), Some(Vec::new()));
    let index = world.root.join("index.sqlite");
    let export = |archive: &Archive| snapshots.iter().map(|(id, _)| records_of(archive, id)).collect::<Vec<_>>();
    let old = std::fs::read(&index).unwrap();
    let archive = world.open();
    let three = snapshot_of(&archive, &[deal(1, "third")]);
    let before = export(&archive);
    drop(archive);
    let (stranger, other) = World::clear();
    snapshot_of(&other, &[deal(1, "stranger")]);
    drop(other);
    let theirs = std::fs::read(stranger.root.join("index.sqlite")).unwrap();
    for (what, bytes) in
        [("none", None), ("old", Some(old)), ("garbage", Some(vec![7; 5000])), ("another's", Some(theirs))]
    {
        for reindexed in [false, true] {
            let _ = std::fs::remove_file(&index);
            if let Some(bytes) = &bytes {
                std::fs::write(&index, bytes).unwrap();
            }
            if reindexed {
                let done = Archive::reindex(&world.root, &Passphrase("none needed"), world.clock).unwrap();
                assert_eq!((done.snapshots, done.versions, done.unreadable.len()), (3, 8, 0), "{what}");
            }
            let archive = world.open();
            assert_eq!(export(&archive), before, "{what}");
            assert_eq!(records_of(&archive, &three.id), [deal(1, "third")], "{what}");
            let problems = check(&archive);
            assert!(problems.iter().all(|problem| problem.kind == Kind::Index), "{what}: {problems:?}");
            assert_eq!(check(&archive), [], "{what}");
        }
    }
}

#[test]
fn seven_shares_read_every_file_once_and_a_size_reads_what_was_not_read_for_the_longest() {
    let (_world, archive) = World::clear();
    for version in 0..12 {
        let mut writer = archive.begin(source()).unwrap();
        writer.take(&[deal(1, &format!("version {version}"))]).unwrap();
        writer.blob(&mut format!("contents {version}").as_bytes()).unwrap();
        writer.close(&deals(), whole()).unwrap();
        writer.finish(tally()).unwrap();
    }
    let read = |reading: Reading| archive.check(reading, &mut |problem| panic!("{problem:?}")).unwrap();
    let all = read(Reading::All);
    assert_eq!((all.read, all.records), (24, 12));
    let shares: Vec<Checked> =
        (1..=7).map(|share| read(Reading::Some(format!("{share}/7").parse().unwrap()))).collect();
    assert_eq!(shares.iter().map(|one| one.read).sum::<u64>(), 24);
    assert_eq!(shares.iter().map(|one| one.records).sum::<u64>(), 12);
    assert!(shares.iter().all(|one| one.to_read == 24 && one.read < 24));
    let some = read(Reading::Some("30%".parse().unwrap()));
    assert!((3..24).contains(&some.read), "{some:?}");
    assert_eq!(read(Reading::Some("1".parse().unwrap())).read, 1);
}
