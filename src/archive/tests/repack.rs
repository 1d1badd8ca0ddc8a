//! Stories of packing anew: records move, and no snapshot notices.

use std::collections::HashMap;

use chrono::TimeDelta;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng as Dice;

use super::retention::{expect_sound, grown};
use super::*;

const AT_ONCE: TimeDelta = TimeDelta::zero();

fn segments(archive: &Archive) -> usize {
    archive.inner.store.list_spread(segment::SEGMENTS).unwrap().len()
}

fn keep(archive: &Archive, last: u32) {
    archive.forget(&Policy { last, ..Policy::default() }).unwrap();
}

#[test]
fn what_is_mostly_dead_is_packed_anew_and_everything_reads_as_before() {
    let (world, archive) = World::encrypted();
    // Ten versions of most records, so that the first nine segments are dead but for a few lines.
    let versions: Vec<Vec<Record>> = (0..10)
        .map(|version: u64| {
            (1..=200u64)
                .map(|number| deal(number, &format!("version {}", if number < 10 { 0 } else { version })))
                .collect()
        })
        .collect();
    let all: Vec<Manifest> = versions.iter().map(|records| snapshot_of(&archive, records)).collect();
    keep(&archive, 2);
    let told = archive.prune(TimeDelta::days(1), Worth::Dead(50), true).unwrap();
    let done = archive.prune(TimeDelta::days(1), Worth::Dead(50), false).unwrap();
    assert_eq!((told.packed.files, told.packed.bytes), (1, done.packed.bytes));
    assert!(done.packed.needed < done.packed.bytes, "{:?}", done.packed);
    assert!(segments(&archive) > 3, "what was packed anew stays for a day");
    // What is read through the old places still is, by whoever opened it before and whoever opens it now.
    for archive in [&archive, &world.open()] {
        for (manifest, records) in all.iter().zip(&versions).skip(8) {
            assert_eq!(records_of(archive, &manifest.id), *records);
        }
        expect_sound(archive);
    }
    archive.prune(AT_ONCE, Worth::Dead(50), false).unwrap();
    assert_eq!(segments(&archive), 3);
    expect_sound(&archive);
    // Snapshots after it stand on maps from before it, and a version that comes back is no change.
    let next = snapshot_of(&archive, &versions[9]);
    assert_eq!((next.contents[0].new, next.contents[0].changed, next.contents[0].deleted), (0, 0, 0));
    let back = snapshot_of(&archive, &versions[8]);
    assert_eq!(back.contents[0].changed, 191);
    assert_eq!(records_of(&archive, &back.id), versions[8]);
    drop(archive);
    Archive::reindex(&world.root, &Passphrase("open sesame"), world.clock).unwrap();
    let archive = world.open();
    assert_eq!(records_of(&archive, &all[8].id), versions[8]);
    expect_sound(&archive);
    let (old, new) = (archive.snapshot(&all[8].id).unwrap(), archive.snapshot(&back.id).unwrap());
    assert_eq!(old.differences(&new, &deals()).unwrap().count(), 0, "the same versions, wherever they lie");
}

#[test]
fn many_small_segments_become_one() {
    let (_world, archive) = World::clear();
    let mut records: Vec<Record> = (1..=40u64).map(|number| deal(number, "as it was")).collect();
    let mut all = Vec::new();
    for number in 0..40 {
        records[number] = deal(number as u64 + 1, "changed");
        all.push((snapshot_of(&archive, &records), records.clone()));
    }
    assert_eq!(segments(&archive), 40);
    let done = archive.prune(AT_ONCE, Worth::Dead(50), false).unwrap();
    assert_eq!((done.packed.files, segments(&archive)), (40, 1));
    for (manifest, records) in &all {
        assert_eq!(records_of(&archive, &manifest.id), *records);
    }
    expect_sound(&archive);
    assert_eq!(archive.prune(AT_ONCE, Worth::Dead(50), false).unwrap().packed, Packed::default());
}

/// Lines that come together again would otherwise make the segment that they once left, and move in a circle.
#[test]
fn a_segment_packed_anew_has_a_name_that_none_had() {
    let (_world, archive) = World::clear();
    let names: Vec<String> = (0..2)
        .map(|_| {
            let mut growing = segment::Growing::anew(archive.id());
            growing.store(&archive.inner.store, None, &[]).unwrap().0.name
        })
        .collect();
    assert_ne!(names[0], names[1]);
}

#[test]
fn a_capture_that_goes_on_tomorrow_finds_its_lines_where_it_left_them() {
    let (_world, archive) = World::clear();
    let all = grown(&archive);
    keep(&archive, 1);
    let mut writer = archive.begin(source()).unwrap();
    writer.take(&[deal(1, "half-way")]).unwrap();
    writer.checkpoint(&json!({"at": 1})).unwrap();
    drop(writer);
    assert_eq!(archive.prune(AT_ONCE, Worth::Dead(1), false).unwrap().packed, Packed::default());
    let mut writer = archive.begin(source()).unwrap();
    assert!(writer.resumed().is_some());
    writer.close(&deals(), in_part()).unwrap();
    let finished = writer.finish(tally()).unwrap();
    let mut expected = all[9].1.clone();
    expected[0] = deal(1, "half-way");
    assert_eq!(records_of(&archive, &finished.id), expected);
    assert!(archive.prune(AT_ONCE, Worth::Dead(1), false).unwrap().packed.files > 0);
    assert_eq!(records_of(&archive, &finished.id), expected);
}

/// An archive with nothing but the files that one snapshot needs.
fn taken_out(world: &World, archive: &Archive, id: &SnapshotId) -> Archive {
    let elsewhere = world.root.with_file_name("elsewhere");
    let (shelf, here) = (Shelf::at(&elsewhere), Shelf::at(&world.root));
    shelf.prepare().unwrap();
    let is_key = |file: &StoredFile| matches!(file.name.part(), Part::Holder | Part::Header | Part::HeaderCopy);
    let keys = here.files().unwrap().into_iter().filter(is_key).map(|file| file.name);
    let files = archive.files_of(id).unwrap();
    shelf.note_excerpt(archive.id(), &files).unwrap();
    for name in files.into_iter().chain(keys) {
        let mut arrival = shelf.receive().unwrap();
        std::io::copy(&mut here.open(&name).unwrap(), &mut arrival).unwrap();
        arrival.shelve(&name).unwrap();
    }
    Archive::open(&elsewhere, &Passphrase("none needed"), world.clock).unwrap()
}

#[test]
fn a_bundle_of_a_snapshot_that_stands_on_forgotten_ones_does_without_what_these_alone_needed() {
    let (world, archive) = World::clear();
    // Every version changes other records, so that maps grow long and stand on each other.
    let version = |version: u64| -> Vec<Record> {
        let title = |number: u64| if number % 19 <= version { number % 19 } else { 99 };
        (1..=400).map(|number| deal(number, &format!("of {}", title(number)))).collect()
    };
    let all: Vec<Manifest> = (0..12).map(|number| snapshot_of(&archive, &version(number))).collect();
    let newest = archive.inner.line(&all[11].id).unwrap();
    assert!(matches!(newest.map, manifest::MapLine::Delta { .. }), "{:?}", newest.map);
    keep(&archive, 1);
    archive.prune(AT_ONCE, Worth::Nothing, false).unwrap();
    let copy = taken_out(&world, &archive, &all[11].id);
    assert_eq!(records_of(&copy, &all[11].id), version(11));
    assert_eq!(copy.snapshots().unwrap().len(), 1, "what was forgotten is forgotten there, too");
    expect_sound(&copy);
}

#[test]
fn a_bundle_of_one_snapshot_has_what_its_lines_moved_to() {
    let (world, archive) = World::clear();
    let all = grown(&archive);
    keep(&archive, 2);
    archive.prune(AT_ONCE, Worth::Dead(1), false).unwrap();
    let copy = taken_out(&world, &archive, &all[9].0.id);
    assert_eq!(records_of(&copy, &all[9].0.id), all[9].1);
    let here = Shelf::at(&world.root);
    let lists = here.files().unwrap().into_iter().filter(|file| file.name.as_str().starts_with(moves::MOVES));
    assert_eq!(lists.count(), 1, "a copy of everything has the list, too");
}

/// Plays a history of snapshots, forgetting, pruning and new indexes against a naive copy of what each snapshot held.
fn play(seed: u64) {
    let mut dice = Dice::seed_from_u64(seed);
    let (world, mut archive) = World::clear();
    let mut live: Vec<Record> = (1..=60u64).map(|number| deal(number, "as it was")).collect();
    let mut held: HashMap<SnapshotId, Vec<Record>> = HashMap::new();
    for step in 0..60 {
        match dice.random_range(0..10) {
            0..5 => {
                for _ in 0..dice.random_range(0..30) {
                    let at = dice.random_range(0..live.len());
                    // Few titles, so that versions come back that were dead for a while.
                    live[at] = deal(at as u64 + 1, &format!("title {}", dice.random_range(0..4)));
                }
                let manifest = snapshot_of(&archive, &live);
                held.insert(manifest.id, live.clone());
            }
            5 | 6 => {
                if !held.is_empty() {
                    keep(&archive, dice.random_range(1..6));
                    let left: Vec<SnapshotId> = archive.snapshots().unwrap().into_iter().map(|one| one.id).collect();
                    held.retain(|id, _| left.contains(id));
                }
            }
            7 | 8 => {
                let grace = if dice.random_bool(0.5) { AT_ONCE } else { TimeDelta::days(1) };
                archive.prune(grace, Worth::Dead(dice.random_range(1..80)), false).unwrap();
            }
            _ => {
                drop(archive);
                if dice.random_bool(0.5) {
                    Archive::reindex(&world.root, &Passphrase("none needed"), world.clock).unwrap();
                }
                archive = world.open();
            }
        }
        for (id, records) in &held {
            assert_eq!(records_of(&archive, id), *records, "seed {seed}, step {step}");
        }
    }
    expect_sound(&archive);
}

#[test]
fn random_histories_read_back_as_they_were() {
    let histories = std::env::var("PDBAK_HISTORIES").ok().and_then(|text| text.parse().ok()).unwrap_or(12);
    (0..histories).for_each(play);
}
