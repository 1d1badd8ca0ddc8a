//! Stories of forgetting and pruning: what is kept is whole, whatever happens in between.

use chrono::TimeDelta;

use super::*;

/// Ten snapshots: most deals never change, some do each time, and one file comes in the first.
pub(super) fn grown(archive: &Archive) -> Vec<(Manifest, Vec<Record>)> {
    (0..10)
        .map(|version| {
            let records: Vec<Record> = (1..=30u64)
                .map(
                    |number| {
                        if number <= 3 { deal(number, &format!("version {version}")) } else { deal(number, "same") }
                    },
                )
                .collect();
            (snapshot_of(archive, &records), records)
        })
        .collect()
}

fn day(days: i64) -> TimeDelta {
    TimeDelta::days(days)
}

impl World {
    fn open_at(&self, days: i64) -> Archive {
        Archive::open(&self.root, &Passphrase("open sesame"), Clock::Fixed(noon() + day(days))).unwrap()
    }
}

pub(super) fn expect_sound(archive: &Archive) {
    archive.check(true, &mut |problem| panic!("{problem:?}")).unwrap();
}

fn last(count: u32) -> Policy {
    Policy { last: count, ..Policy::default() }
}

#[test]
fn what_is_kept_reads_whole_after_its_bases_were_pruned() {
    let (world, archive) = World::encrypted();
    let all = grown(&archive);
    let decisions = archive.forget(&last(2)).unwrap();
    assert_eq!(decisions.iter().filter(|decision| decision.reasons.is_empty()).count(), 8);
    assert_eq!(archive.snapshots().unwrap().len(), 2);
    expect_sound(&archive);
    let told = archive.prune(day(1), Worth::Nothing, true).unwrap();
    assert_eq!(
        (told.removed, archive.prune(day(1), Worth::Nothing, false).unwrap()),
        (Amount::default(), told.clone())
    );
    assert!(told.waiting.files > 0);
    drop(archive);
    let archive = world.open_at(1);
    let told = archive.prune(day(1), Worth::Nothing, true).unwrap();
    // Lists of what goes are sealed and signed, and so not always of the same length.
    let bytes = || -> u64 {
        let files = files(&world.root).into_iter().filter(|file| !file.starts_with(world.root.join(prune::DOOMED)));
        files.map(|file| file.metadata().unwrap().len()).sum()
    };
    let before = bytes();
    let done = archive.prune(day(1), Worth::Nothing, false).unwrap();
    assert_eq!(told, done);
    assert!(done.removed.files >= 7, "{done:?}");
    assert_eq!(before - bytes(), done.removed.bytes, "the bytes told are the bytes freed");
    for (manifest, records) in &all[8..] {
        assert_eq!(records_of(&archive, &manifest.id), *records);
    }
    expect_sound(&archive);
    drop(archive);
    std::fs::remove_file(world.root.join(index::INDEX)).unwrap();
    let archive = world.open_at(1);
    for (manifest, records) in &all[8..] {
        assert_eq!(records_of(&archive, &manifest.id), *records);
    }
    expect_sound(&archive);
    // What was pruned is stored anew when it comes back.
    let again = snapshot_of(&archive, &all[3].1);
    assert_eq!(records_of(&archive, &again.id), all[3].1);
    expect_sound(&archive);
}

#[test]
fn a_snapshot_that_was_taken_away_is_not_one_that_was_forgotten() {
    let (world, archive) = World::encrypted();
    let all = grown(&archive);
    archive.forget_these(&[all[2].0.id.clone()], false).unwrap();
    let path = |at: usize| world.root.join(SNAPSHOTS).join(&all[at].0.id.0);
    std::fs::remove_file(path(5)).unwrap();
    let mut problems = Vec::new();
    archive.check(false, &mut |problem| problems.push(problem.text)).unwrap();
    assert!(problems.iter().any(|text| text.contains("is gone")), "{problems:?}");
    assert!(!problems.iter().any(|text| text.contains(all[2].0.id.short())), "{problems:?}");
}

#[test]
fn newest_pinned_and_held_snapshots_cannot_be_forgotten_until_they_are_let_go() {
    let (world, archive) = World::encrypted();
    let all = grown(&archive);
    let ids: Vec<SnapshotId> = all.iter().map(|(manifest, _)| manifest.id.clone()).collect();
    archive.mark(&[&all[1].0], Mark::Pinned { on: true }).unwrap();
    archive.mark(&[&all[2].0], Mark::Held { until: Some(noon() + day(3)) }).unwrap();
    for stays in [1, 2, 9] {
        let refused = archive.forget_these(&[ids[0].clone(), ids[stays].clone()], false).unwrap_err();
        assert!(matches!(refused, Error::HasToStay { .. }), "{refused}");
    }
    assert_eq!(archive.snapshots().unwrap().len(), 10);
    archive.mark(&[&all[1].0], Mark::Pinned { on: false }).unwrap();
    drop(archive);
    let archive = world.open_at(3);
    archive.forget_these(&ids[1..3], false).unwrap();
    assert_eq!(archive.snapshots().unwrap().len(), 8);
}

#[test]
fn a_mark_that_was_taken_away_or_damaged_is_told_and_nothing_is_forgotten_on_a_guess() {
    let (world, archive) = World::encrypted();
    let all = grown(&archive);
    for (manifest, _) in &all[..3] {
        archive.mark(&[manifest], Mark::Pinned { on: true }).unwrap();
    }
    let marks: Vec<PathBuf> =
        std::fs::read_dir(world.root.join("marks")).unwrap().map(|entry| entry.unwrap().path()).collect();
    let first = marks.iter().find(|path| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        archive.inner.read_signed::<marks::MarkLine>(&marks::MARK, &name).unwrap().number == 1
    });
    let first = first.unwrap();
    let kept = std::fs::read(first).unwrap();
    std::fs::remove_file(first).unwrap();
    let problems = |archive: &Archive| {
        let mut problems = Vec::new();
        archive.check(false, &mut |problem| problems.push(problem.text)).unwrap();
        problems
    };
    assert!(problems(&archive).iter().any(|text| text.contains("mark 1 is gone")));
    std::fs::write(first, &kept[..kept.len() - 1]).unwrap();
    assert!(!problems(&archive).is_empty());
    assert!(archive.forget(&last(1)).is_err());
    assert_eq!(archive.snapshots().unwrap().len(), 10);
    assert!(archive.prune(day(0), Worth::Nothing, false).is_err());
}

#[test]
fn contents_that_a_kept_record_mentions_stay_although_only_a_forgotten_snapshot_stored_them() {
    let (_world, archive) = World::encrypted();
    let mut writer = archive.begin(source()).unwrap();
    let kept = writer.blob(&mut &b"mentioned"[..]).unwrap();
    let unkept = writer.blob(&mut &b"mentioned by nobody"[..]).unwrap();
    let records = [record("deals", 1, json!({ "held": serde_json::to_value(&kept).unwrap() }))];
    writer.take(&records).unwrap();
    writer.close(&deals(), whole()).unwrap();
    let first = writer.finish(tally()).unwrap();
    snapshot_of(&archive, &records);
    archive.forget_these(std::slice::from_ref(&first.id), false).unwrap();
    archive.prune(day(0), Worth::Nothing, false).unwrap();
    assert_eq!(archive.read_blob(&kept, &mut std::io::sink()).unwrap(), 9);
    assert!(archive.read_blob(&unkept, &mut std::io::sink()).is_err());
    expect_sound(&archive);
}

#[test]
fn a_capture_that_goes_on_tomorrow_keeps_what_it_has_stored() {
    let (_world, archive) = World::clear();
    snapshot_of(&archive, &[deal(1, "a")]);
    let mut writer = archive.begin(source()).unwrap();
    writer.take(&[deal(1, "b"), deal(2, "b")]).unwrap();
    writer.checkpoint(&json!("half way")).unwrap();
    drop(writer);
    assert_eq!(archive.prune(day(0), Worth::Nothing, false).unwrap().removed, Amount::default());
    let writer = archive.begin(source()).unwrap();
    assert_eq!(writer.resumed(), Some(&json!("half way")));
}

#[test]
fn a_prune_waits_for_a_running_snapshot_and_the_other_way_round() {
    let (_world, archive) = World::clear();
    let writer = archive.begin(source()).unwrap();
    assert!(matches!(archive.prune(day(0), Worth::Nothing, false), Err(Error::Busy(_))));
    assert!(matches!(archive.forget(&last(1)), Err(Error::Busy(_))));
    archive.prune(day(0), Worth::Nothing, true).unwrap();
    drop(writer);
    archive.prune(day(0), Worth::Nothing, false).unwrap();
}

#[test]
fn what_is_needed_again_after_it_was_listed_waits_anew() {
    let (world, archive) = World::clear();
    let all = grown(&archive);
    archive.forget(&last(1)).unwrap();
    archive.prune(day(1), Worth::Nothing, false).unwrap();
    // The old versions come back before anything was removed, and go again.
    snapshot_of(&archive, &all[0].1);
    archive.prune(day(1), Worth::Nothing, false).unwrap();
    drop(archive);
    let archive = world.open_at(1);
    snapshot_of(&archive, &all[9].1);
    archive.forget(&last(1)).unwrap();
    let told = archive.prune(day(1), Worth::Nothing, true).unwrap();
    assert!(told.waiting.files > 0 && told.next == Some(noon() + day(2)), "{told:?}");
}

#[test]
fn contents_that_only_a_forgotten_snapshot_lists_are_missed_when_a_kept_one_needs_them() {
    for pruned in [false, true] {
        let (world, archive) = World::encrypted();
        let mut writer = archive.begin(source()).unwrap();
        let kept = writer.blob(&mut &b"mentioned"[..]).unwrap();
        let records = [
            record("deals", 1, json!({ "held": serde_json::to_value(&kept).unwrap() })),
            record("deals", 2, json!({ "typed": format!("\"blob\":\"{}\",\"bytes\":1", "a".repeat(64)) })),
        ];
        writer.take(&records).unwrap();
        writer.close(&deals(), whole()).unwrap();
        let first = writer.finish(tally()).unwrap();
        let second = snapshot_of(&archive, &records);
        archive.forget_these(std::slice::from_ref(&first.id), false).unwrap();
        if pruned {
            archive.prune(day(0), Worth::Nothing, false).unwrap();
        }
        expect_sound(&archive);
        std::fs::remove_file(world.root.join(store::Store::spread(blob::BLOBS, &kept.blob))).unwrap();
        // From the records, from what the index remembers of them, and where that is damaged from the records again.
        for (read_data, damaged) in [(false, false), (true, false), (false, true)] {
            if damaged {
                let index = rusqlite::Connection::open(world.root.join("index.sqlite")).unwrap();
                let rows = index.execute("UPDATE mentions SET found='[]'", []).unwrap();
                assert_eq!(rows, 1, "the block was looked into and remembered");
            }
            let mut problems = Vec::new();
            archive.check(read_data, &mut |problem| problems.push((problem.text, problem.snapshots))).unwrap();
            assert_eq!(problems, [("is missing".to_owned(), vec![second.id.clone()])]);
        }
    }
}

fn excess(count: u64) -> Excess {
    Excess { object: deals(), what: What::Changed, count, of: 30, allowed: 20, usual: Some(3) }
}

#[test]
fn an_alarm_pins_the_last_good_snapshot_and_holds_everything_until_it_is_acknowledged() {
    let (world, archive) = World::encrypted();
    let all = grown(&archive);
    archive.forget(&last(8)).unwrap();
    archive.raise(&all[9].0, Some(&all[8].0), vec![excess(30)]).unwrap();
    drop(archive);
    let archive = world.open_at(3);
    let ids = std::slice::from_ref(&all[3].0.id);
    let refused = [
        archive.forget(&last(1)).map(drop).unwrap_err(),
        archive.forget_these(ids, false).unwrap_err(),
        archive.prune(day(0), Worth::Nothing, false).map(drop).unwrap_err(),
    ];
    for error in refused {
        assert!(matches!(&error, Error::Alarmed { .. }) && error.to_string().contains(all[9].0.id.short()), "{error}");
    }
    archive.forget_these(ids, true).unwrap();
    archive.prune(day(0), Worth::Nothing, true).unwrap();
    let standing = |at: usize| archive.standing(&all[at].0.id).unwrap();
    assert!(standing(8).pinned && standing(9).alarmed && !standing(9).pinned);
    expect_sound(&archive);

    let alarms = archive.alarms().unwrap();
    assert_eq!((alarms.len(), &alarms[0].excesses[..], alarms[0].is_open()), (1, &[excess(30)][..], true));
    archive.acknowledge(&[&alarms[0]], false).unwrap();
    assert!(!archive.alarms().unwrap()[0].is_open() && !standing(9).alarmed);
    archive.forget(&last(1)).unwrap();
    archive.prune(day(0), Worth::Nothing, false).unwrap();
    let left: Vec<SnapshotId> = archive.snapshots().unwrap().into_iter().map(|manifest| manifest.id).collect();
    assert_eq!(left, [all[8].0.id.clone(), all[9].0.id.clone()], "what was pinned stays");
    expect_sound(&archive);
}

#[test]
fn marks_of_a_later_version_let_nothing_go_and_are_no_damage() {
    let (_world, archive) = World::encrypted();
    grown(&archive);
    let line = serde_json::json!({
        "format": 1, "archive": archive.id(), "number": 1, "made": noon(), "snapshots": [],
        "mark": {"is": "sold", "to": "somebody"},
    });
    archive.inner.place_signed(&marks::MARK, &line).unwrap();
    for error in [
        archive.forget(&last(1)).map(drop).unwrap_err(),
        archive.prune(day(0), Worth::Nothing, false).map(drop).unwrap_err(),
    ] {
        assert!(matches!(error, Error::UnknownFeature { .. }), "{error}");
    }
    assert_eq!(archive.snapshots().unwrap().len(), 10);
    expect_sound(&archive);
}

#[test]
fn what_this_machine_noted_outlives_its_index() {
    let (world, archive) = World::encrypted();
    grown(&archive);
    archive.note("push vault", &7u64).unwrap();
    archive.note("push vault", &8u64).unwrap();
    archive.note("check", &"sound").unwrap();
    drop(archive);
    Archive::reindex(&world.root, &Passphrase("open sesame"), world.clock).unwrap();
    // Nor is it lost with tables of another release.
    let index = rusqlite::Connection::open(world.root.join("index.sqlite")).unwrap();
    index.pragma_update(None, "user_version", 1).unwrap();
    drop(index);
    let archive = world.open();
    assert_eq!(archive.noted::<u64>("push ").unwrap(), [("vault".to_owned(), 8)]);
    assert_eq!(archive.noted::<u64>("check").unwrap(), [], "what reads as something else is passed over");
}
