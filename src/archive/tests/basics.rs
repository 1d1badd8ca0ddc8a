//! What goes in comes out, and counting is right.

use super::*;

#[test]
fn records_come_back_in_key_order_as_they_were() {
    let (world, archive) = World::encrypted();
    let records: Vec<Record> = [3, 1, 200, 10].map(|number| deal(number, "x")).into();
    let manifest = snapshot_of(&archive, &records);
    let mut sorted = records;
    sorted.sort_by(|left, right| left.id().cmp(right.id()));
    assert_eq!(records_of(&archive, &manifest.id), sorted);
    drop(archive);
    assert_eq!(records_of(&world.open(), &manifest.id), sorted);
}

#[test]
fn only_new_and_changed_records_are_stored() {
    let (_world, archive) = World::encrypted();
    let first: Vec<Record> = (1..=100).map(|number| deal(number, "old")).collect();
    snapshot_of(&archive, &first);
    let mut writer = archive.begin(source()).unwrap();
    let mut second = first.clone();
    second[4] = deal(5, "new");
    second.push(deal(101, "more"));
    second.remove(0);
    let took = writer.take(&second).unwrap();
    assert_eq!(took.iter().filter(|took| **took == Took::Same).count(), 98);
    assert_eq!(took.iter().filter(|took| **took == Took::Changed).count(), 1);
    assert_eq!(took.last(), Some(&Took::New));
    let contents = writer.close(&deals(), whole()).unwrap();
    assert_eq!((contents.records, contents.new, contents.changed, contents.deleted), (100, 1, 1, 1));
    let manifest = writer.finish(tally()).unwrap();
    assert_eq!(manifest.sequence, 2);
    assert_eq!(records_of(&archive, &manifest.id), second);
    assert_eq!(records_of(&archive, &manifest.parent.unwrap()), first);
}

#[test]
fn an_unchanged_snapshot_writes_little() {
    let (world, archive) = World::encrypted();
    let records: Vec<Record> = (1..=5000).map(|number| deal(number, "same")).collect();
    snapshot_of(&archive, &records);
    let size = |root: &Path| files(root).iter().map(|file| std::fs::metadata(file).unwrap().len()).sum::<u64>();
    let before = size(&world.root);
    let manifest = snapshot_of(&archive, &records);
    assert_eq!(manifest.bytes_added, 0);
    assert!(size(&world.root) - before < 10_000);
    assert_eq!(records_of(&archive, &manifest.id), records);
}

#[test]
fn a_record_that_returns_to_an_old_version_is_found_again() {
    let (_world, archive) = World::encrypted();
    let first = snapshot_of(&archive, &[deal(1, "a")]);
    snapshot_of(&archive, &[deal(1, "b")]);
    let third = snapshot_of(&archive, &[deal(1, "a")]);
    assert_eq!(third.bytes_added, 0);
    assert_eq!(third.contents[0].root, first.contents[0].root);
    assert_eq!(third.contents[0].changed, 1);
}

#[test]
fn of_a_record_taken_twice_the_last_counts() {
    let (_world, archive) = World::encrypted();
    let mut writer = archive.begin(source()).unwrap();
    assert_eq!(writer.take(&[deal(1, "a"), deal(2, "b"), deal(1, "c")]).unwrap(), [Took::New, Took::New, Took::Again]);
    assert_eq!(writer.take(&[deal(2, "b")]).unwrap(), [Took::Again]);
    let contents = writer.close(&deals(), whole()).unwrap();
    assert_eq!((contents.records, contents.new, contents.changed), (2, 2, 0));
    let manifest = writer.finish(tally()).unwrap();
    assert_eq!(records_of(&archive, &manifest.id), [deal(1, "c"), deal(2, "b")]);
}

#[test]
fn what_was_not_seen_is_kept_unless_the_whole_list_was_walked() {
    let (_world, archive) = World::encrypted();
    snapshot_of(&archive, &[deal(1, "a"), deal(2, "b"), deal(3, "c")]);
    let mut writer = archive.begin(source()).unwrap();
    writer.take(&[deal(1, "changed")]).unwrap();
    writer.gone(&id(2)).unwrap();
    assert!(writer.keep(&id(3)).unwrap());
    assert!(!writer.keep(&id(4)).unwrap());
    let contents = writer.close(&deals(), in_part()).unwrap();
    assert_eq!((contents.records, contents.new, contents.changed, contents.deleted), (2, 0, 1, 1));
    let manifest = writer.finish(tally()).unwrap();
    assert_eq!(records_of(&archive, &manifest.id), [deal(1, "changed"), deal(3, "c")]);
    // An object that a later run never meets stays as it was.
    let empty = archive.begin(source()).unwrap().finish(tally()).unwrap();
    assert_eq!(records_of(&archive, &empty.id).len(), 2);
    assert_eq!(empty.contents[0].deleted, 0);
}

#[test]
fn a_snapshot_with_an_object_left_open_is_refused() {
    let (_world, archive) = World::encrypted();
    let mut writer = archive.begin(source()).unwrap();
    writer.take(&[deal(1, "a")]).unwrap();
    assert!(matches!(writer.finish(tally()), Err(Error::NotClosed(object)) if object == deals()));
    assert!(archive.snapshots().unwrap().is_empty());
}

#[test]
fn one_record_is_found_without_reading_the_others() {
    let (_world, archive) = World::encrypted();
    let first = snapshot_of(&archive, &[deal(1, "a"), deal(2, "b")]);
    let second = snapshot_of(&archive, &[deal(1, "z")]);
    let find = |snapshot: &SnapshotId, number| archive.snapshot(snapshot).unwrap().find(&id(number)).unwrap();
    assert_eq!(find(&first.id, 1), Some(deal(1, "a")));
    assert_eq!(find(&second.id, 1), Some(deal(1, "z")));
    assert_eq!(find(&second.id, 2), None);
}

#[test]
fn differences_pair_the_versions_of_a_key() {
    let (_world, archive) = World::encrypted();
    let first = snapshot_of(&archive, &[deal(1, "a"), deal(2, "b"), deal(3, "c")]);
    let second = snapshot_of(&archive, &[deal(1, "a"), deal(2, "z"), deal(4, "d")]);
    let (first, second) = (archive.snapshot(&first.id).unwrap(), archive.snapshot(&second.id).unwrap());
    let differences: Vec<Difference> = first.differences(&second, &deals()).unwrap().collect::<Result<_, _>>().unwrap();
    let expected = [(Some(deal(2, "b")), Some(deal(2, "z"))), (Some(deal(3, "c")), None), (None, Some(deal(4, "d")))];
    assert_eq!(differences, expected.map(|(before, after)| Difference { before, after }));
}

#[test]
fn many_segments_and_chains_of_maps_read_back() {
    let (world, archive) = World::encrypted();
    let mut records: Vec<Record> = (1..=300).map(|number| deal(number, "v0")).collect();
    let mut snapshots = vec![(snapshot_of(&archive, &records).id, records.clone())];
    for version in 1..=40u64 {
        for number in (version..=300).step_by(37) {
            records[number as usize - 1] = deal(number, &format!("v{version}"));
        }
        snapshots.push((snapshot_of(&archive, &records).id, records.clone()));
    }
    for (id, records) in &snapshots {
        assert_eq!(&records_of(&archive, id), records);
    }
    // Read one upon the other, oldest first, positions are those that each has alone; and upon one that it does not stand on.
    let mut below = None;
    for (id, _) in &snapshots {
        let lines = archive.inner.lines_upon(below.as_ref(), id).unwrap();
        assert_eq!(lines, archive.inner.lines_by_name(id).unwrap());
        below = Some((id.clone(), lines));
    }
    let (first, last) = (&snapshots[0].0, &snapshots[40].0);
    assert_eq!(archive.inner.lines_upon(below.as_ref(), first).unwrap(), archive.inner.lines_by_name(first).unwrap());
    assert_ne!(below.unwrap(), (last.clone(), archive.inner.lines_by_name(first).unwrap()));
    // The index is derived: without it everything is still there.
    drop(archive);
    std::fs::remove_file(world.root.join("index.sqlite")).unwrap();
    let archive = world.open();
    for (id, records) in &snapshots {
        assert_eq!(&records_of(&archive, id), records);
    }
}

#[test]
fn objects_of_one_small_snapshot_share_a_segment() {
    let (world, archive) = World::encrypted();
    let mut writer = archive.begin(source()).unwrap();
    for object in ["deals", "persons", "leads"] {
        writer.take(&[record(object, 1, json!({"name": object}))]).unwrap();
        writer.close(&ObjectName::known(object), whole()).unwrap();
        writer.checkpoint(&Value::Null).unwrap();
    }
    writer.finish(tally()).unwrap();
    assert_eq!(files(&world.root.join("segments")).len(), 1);
}

#[test]
fn blobs_are_stored_once_and_read_back() {
    let (world, archive) = World::encrypted();
    let contents: Vec<u8> = (0..300_000u32).map(|at| (at % 251 * at % 253) as u8).collect();
    let mut writer = archive.begin(source()).unwrap();
    let one = writer.blob(&mut &contents[..]).unwrap();
    let two = writer.blob(&mut &contents[..]).unwrap();
    let empty = writer.blob(&mut std::io::empty()).unwrap();
    assert_eq!(one, two);
    writer.finish(tally()).unwrap();
    let mut writer = archive.begin(source()).unwrap();
    assert_eq!(writer.blob(&mut &contents[..]).unwrap(), one);
    writer.finish(tally()).unwrap();
    let mut read = Vec::new();
    assert_eq!(archive.read_blob(&one, &mut read).unwrap(), 300_000);
    assert_eq!(read, contents);
    assert_eq!(archive.read_blob(&empty, &mut Vec::new()).unwrap(), 0);
    assert_eq!(files(&world.root.join("blobs")).len(), 2);
}

#[test]
fn snapshots_answer_to_prefix_age_and_date() {
    let (_world, archive) = World::encrypted();
    let first = snapshot_of(&archive, &[deal(1, "a")]);
    let second = snapshot_of(&archive, &[deal(1, "b")]);
    assert_eq!(archive.resolve("latest").unwrap(), second.id);
    assert_eq!(archive.resolve("latest~1").unwrap(), first.id);
    assert_eq!(archive.resolve(first.id.short()).unwrap(), first.id);
    assert_eq!(archive.resolve("2026-11-02").unwrap(), second.id);
    assert_eq!(archive.resolve("2026-11-02T12:00").unwrap(), second.id);
    assert!(matches!(archive.resolve("2026-11-02T11:59"), Err(Error::NoSnapshot(_))));
    assert!(matches!(archive.resolve("latest~2"), Err(Error::NoSnapshot(_))));
    assert!(matches!(archive.resolve("nothing"), Err(Error::NoSnapshot(_))));
    let names = ["latest~1", second.id.short(), "2026-11-02"].map(str::to_owned);
    assert_eq!(archive.resolve_all(&names).unwrap(), [first.id, second.id.clone(), second.id]);
    assert!(matches!(archive.resolve_all(&["latest".to_owned(), "none".to_owned()]), Err(Error::NoSnapshot(_))));
}

#[test]
fn a_sound_archive_checks_clean_and_reindexes_to_the_same() {
    let (world, archive) = World::encrypted();
    let records: Vec<Record> = (1..=50).map(|number| deal(number, "a")).collect();
    let first = snapshot_of(&archive, &records);
    snapshot_of(&archive, &records[3..]);
    for read_data in [false, true] {
        let mut problems = Vec::new();
        let checked = archive.check(read_data, &mut |problem| problems.push(problem)).unwrap();
        assert_eq!(problems, []);
        assert_eq!((checked.snapshots, checked.segments, checked.problems), (2, 1, 0));
        assert_eq!(checked.records, if read_data { 50 } else { 0 });
    }
    drop(archive);
    let done = Archive::reindex(&world.root, &Passphrase("open sesame"), world.clock).unwrap();
    assert_eq!(done, Reindexed { snapshots: 2, segments: 1, versions: 50, unreadable: Vec::new() });
    assert_eq!(records_of(&world.open(), &first.id), records);
}

#[test]
fn damaged_contents_are_never_given_out_to_their_end() {
    let (_world, archive) = World::clear();
    let mut writer = archive.begin(source()).unwrap();
    let blob = writer.blob(&mut &b"contents of a file"[..]).unwrap();
    writer.finish(tally()).unwrap();
    let mut out = Vec::new();
    let other = BlobRef { blake3: "0".repeat(64), ..blob };
    assert!(matches!(archive.read_blob(&other, &mut out), Err(Error::Damaged { .. })));
    assert!(out.is_empty());
}

#[test]
fn an_archive_may_be_used_by_many_threads_and_a_writer_may_move_between_them() {
    fn shared<T: Send + Sync>() {}
    fn moved<T: Send>() {}
    shared::<Archive>();
    shared::<Snapshot<'_>>();
    moved::<SnapshotWriter<'_>>();
    moved::<Log>();
}
