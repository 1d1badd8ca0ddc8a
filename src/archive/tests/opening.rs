//! Who may open an archive, and what for; who may write at the same time, and what a killed run leaves.

use super::*;
use crate::monitor::Silent;

#[test]
fn a_folder_that_is_no_archive_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let outcome = Archive::open(folder.path(), &Passphrase("x"), Clock::System);
    assert!(matches!(outcome, Err(Error::NotAnArchive(path)) if path == folder.path()));
    std::fs::write(folder.path().join("letter.txt"), b"dear").unwrap();
    let outcome = Archive::create(folder.path(), Protection::Clear, Clock::System);
    assert!(matches!(outcome, Err(Error::CannotCreate { .. })));
}

#[test]
fn a_wrong_passphrase_is_told_apart_from_damage() {
    let (world, archive) = World::encrypted();
    drop(archive);
    assert!(matches!(Archive::open(&world.root, &Passphrase("open barley"), world.clock), Err(Error::WrongKey)));
    let again = Archive::create(&world.root, Protection::Clear, world.clock);
    assert!(matches!(again, Err(Error::CannotCreate { .. })));
}

#[test]
fn a_newer_format_or_an_unknown_feature_is_named() {
    let (world, archive) = World::clear();
    drop(archive);
    let change = |from: &str, to: &str| {
        for name in ["archive.json", "keys/archive.json"] {
            let path = world.root.join(name);
            let text = std::fs::read_to_string(&path).unwrap().replace(from, to);
            std::fs::remove_file(&path).unwrap();
            std::fs::write(&path, text).unwrap();
        }
    };
    change("\"format\": 1", "\"format\": 9");
    assert!(matches!(
        Archive::open(&world.root, &Passphrase(""), world.clock),
        Err(Error::NewerFormat { found: 9, .. })
    ));
    change("\"format\": 9", "\"format\": 1");
    change("\"write\": []", "\"write\": [\"sharding\"]");
    let archive = world.open();
    assert!(matches!(archive.begin(source()), Err(Error::UnknownFeature { feature, .. }) if feature == "sharding"));
    change("\"read\": []", "\"read\": [\"folding\"]");
    assert!(
        matches!(Archive::open(&world.root, &Passphrase(""), world.clock), Err(Error::UnknownFeature { feature, .. }) if feature == "folding")
    );
}

#[test]
fn a_recovery_identity_opens_without_the_passphrase() {
    let world = World::new();
    let identity = world.root.parent().unwrap().join("recovery.txt");
    let protection =
        Protection::Encrypted { passphrase: Zeroizing::new("forgotten".to_owned()), recovery: Some(identity.clone()) };
    let archive = Archive::create(&world.root, protection, world.clock).unwrap();
    let manifest = snapshot_of(&archive, &[deal(1, "a")]);
    drop(archive);
    #[cfg(unix)]
    assert_eq!(
        std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&identity).unwrap().permissions()) & 0o777,
        0o600
    );
    let archive = Archive::open(&world.root, &IdentityFile(identity), world.clock).unwrap();
    assert_eq!(records_of(&archive, &manifest.id), [deal(1, "a")]);
}

#[test]
fn one_lost_header_costs_nothing() {
    let (world, archive) = World::encrypted();
    let manifest = snapshot_of(&archive, &[deal(1, "a")]);
    drop(archive);
    std::fs::remove_file(world.root.join("archive.json")).unwrap();
    assert_eq!(records_of(&world.open(), &manifest.id), [deal(1, "a")]);
}

#[test]
fn a_put_key_takes_snapshots_and_reads_nothing() {
    let (world, archive) = World::encrypted();
    archive.add_key(Role::Put, &Holder::Passphrase(Zeroizing::new("night shift".to_owned())), None).unwrap();
    archive.add_key(Role::List, &Holder::Passphrase(Zeroizing::new("librarian".to_owned())), None).unwrap();
    let first: Vec<Record> = (1..=20).map(|number| deal(number, "a")).collect();
    snapshot_of(&archive, &first);
    drop(archive);

    let put = Archive::open(&world.root, &Passphrase("night shift"), world.clock).unwrap();
    assert_eq!(put.role(), Role::Put);
    let mut second = first.clone();
    second[0] = deal(1, "b");
    let manifest = snapshot_of(&put, &second);
    assert_eq!((manifest.sequence, manifest.contents[0].changed, manifest.contents[0].new), (2, 1, 0));
    let snapshot = put.snapshot(&manifest.id).unwrap();
    assert!(matches!(snapshot.find(&id(1)), Err(Error::NeedsKey { role: "put", .. })));
    let checked = put.check(true, &mut |problem| panic!("{problem:?}")).unwrap();
    assert_eq!((checked.problems, checked.records), (0, 0));
    drop(put);

    let list = Archive::open(&world.root, &Passphrase("librarian"), world.clock).unwrap();
    assert_eq!(list.snapshots().unwrap().len(), 2);
    assert!(matches!(list.begin(source()), Err(Error::NeedsKey { role: "list", .. })));
    drop(list);

    // Its index lost, it stores everything again, and hides no snapshot by that.
    std::fs::remove_file(world.root.join("index.sqlite")).unwrap();
    let put = Archive::open(&world.root, &Passphrase("night shift"), world.clock).unwrap();
    let third = snapshot_of(&put, &second);
    assert_eq!((third.sequence, third.parent.clone(), third.contents[0].new), (3, None, 20));
    drop(put);
    let archive = world.open();
    assert_eq!(archive.check(true, &mut |problem| panic!("{problem:?}")).unwrap().snapshots, 3);
    assert_eq!(records_of(&archive, &third.id), second);
    assert_eq!(archive.snapshots().unwrap().last().map(|manifest| manifest.id.clone()), Some(third.id));
}

#[test]
fn a_second_writer_is_told_who_writes_and_a_dead_one_is_in_nobodys_way() {
    let (world, archive) = World::encrypted();
    let writer = archive.begin(source()).unwrap();
    let other = world.open();
    assert!(matches!(other.begin(source()), Err(Error::Busy(who)) if who.contains("has been writing since")));
    // Readers and checks are not in the way of anybody.
    assert_eq!(other.snapshots().unwrap().len(), 0);
    other.check(true, &mut |problem| panic!("{problem:?}")).unwrap();
    drop(writer);
    // A file whose owner died without a word is no lock.
    std::fs::write(world.root.join("runs/dead"), b"{").unwrap();
    drop(other.begin(source()).unwrap());
    assert!(!world.root.join("runs/dead").exists());
}

#[test]
fn a_killed_capture_is_taken_up_at_its_last_checkpoint() {
    let (world, archive) = World::encrypted();
    let first: Vec<Record> = (1..=30).map(|number| deal(number, "a")).collect();
    snapshot_of(&archive, &first);
    let changed: Vec<Record> = (1..=10).map(|number| deal(number, "b")).collect();
    let mut writer = archive.begin(source()).unwrap();
    assert_eq!(writer.resumed(), None);
    writer.take(&changed).unwrap();
    writer.gone(&id(30)).unwrap();
    writer.checkpoint(&json!({"page": 2})).unwrap();
    writer.take(&[deal(11, "lost with the process")]).unwrap();
    drop(writer);
    drop(archive);

    let archive = world.open();
    let mut writer = archive.begin(source()).unwrap();
    assert_eq!(writer.resumed(), Some(&json!({"page": 2})));
    let contents = writer.close(&deals(), in_part()).unwrap();
    assert_eq!((contents.records, contents.new, contents.changed, contents.deleted), (29, 0, 10, 1));
    let manifest = writer.finish(tally()).unwrap();
    let expected: Vec<Record> = changed.into_iter().chain(first[10..29].iter().cloned()).collect();
    assert_eq!(records_of(&archive, &manifest.id), expected);
    assert_eq!(archive.begin(source()).unwrap().resumed(), None);
}

#[test]
fn an_unfinished_capture_of_another_account_is_not_taken_up() {
    let (_world, archive) = World::encrypted();
    let mut writer = archive.begin(source()).unwrap();
    writer.take(&[deal(1, "a")]).unwrap();
    writer.checkpoint(&json!(1)).unwrap();
    drop(writer);
    let other = Source { company_id: 1, ..source() };
    let mut writer = archive.begin(other).unwrap();
    assert_eq!(writer.resumed(), None);
    writer.take(&[deal(1, "theirs")]).unwrap();
    writer.close(&deals(), whole()).unwrap();
    let theirs = writer.finish(tally()).unwrap();
    // Neither account's records are compared with the other's.
    let ours = snapshot_of(&archive, &[deal(2, "ours")]);
    assert_eq!((ours.sequence, ours.parent, ours.contents[0].deleted), (2, Some(theirs.id), 0));
}

#[test]
fn logs_are_read_back_and_keep_to_their_names() {
    let (world, archive) = World::encrypted();
    let mut log = archive.create_log("2026-11-02-7f3c").unwrap();
    log.append(&json!({"intent": 1})).unwrap();
    drop(log);
    archive.open_log("2026-11-02-7f3c").unwrap().append(&json!({"outcome": 1})).unwrap();
    assert_eq!(archive.logs().unwrap(), ["2026-11-02-7f3c"]);
    let read = archive.read_log("2026-11-02-7f3c").unwrap();
    assert_eq!(read, LogEntries { entries: vec![json!({"intent": 1}), json!({"outcome": 1})], torn: false });
    for name in ["../x", "", ".hidden", "a/b"] {
        assert!(matches!(archive.create_log(name), Err(Error::Log { .. })), "{name}");
    }
    // An entry cannot be passed off as one of another log.
    std::fs::copy(world.root.join("restores/2026-11-02-7f3c"), world.root.join("restores/other")).unwrap();
    assert!(matches!(archive.read_log("other"), Err(Error::Damaged { .. })));
}

#[test]
fn an_import_keeps_what_it_can_read_and_tells_the_rest() {
    let (world, archive) = World::encrypted();
    let folder = world.root.parent().unwrap().join("in");
    std::fs::create_dir(&folder).unwrap();
    let write = |text: &[u8]| std::fs::write(folder.join("deals.ndjson"), text).unwrap();
    write(b"{\"id\":2,\"title\":\"b\"}\n\n{\"id\":1}\n{\"title\":\"nobody\"}\n[1]\n\xff\xfe\n{\"id\":3");
    let manifest = import(&archive, &folder, &Silent).unwrap();
    let contents = &manifest.contents[0];
    assert_eq!(contents.records, 2);
    let lines: Vec<&str> = contents.gaps.iter().map(|gap| gap.split(':').next().unwrap()).collect();
    assert_eq!(lines, ["line 4", "line 5", "line 6", "line 7"]);
    assert!(matches!(contents.coverage, Coverage::Part { .. }));
    write(b"{\"id\":1}\nno json\n");
    assert_eq!(
        import(&archive, &folder, &Silent).unwrap().contents[0].records,
        2,
        "a bad line may be the missing record"
    );
    write(b"{\"id\":1}\n");
    let whole = import(&archive, &folder, &Silent).unwrap();
    assert_eq!((whole.contents[0].records, whole.contents[0].deleted), (1, 1));
    assert!(matches!(import(&archive, &world.root.join("keys"), &Silent), Err(Error::Import { .. })));
}
