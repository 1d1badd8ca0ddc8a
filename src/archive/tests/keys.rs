//! Who holds keys, what a rotation changes, and what nobody can do with a lesser key.

use super::*;
use crate::archive::labels::{LABELS, LabelLine};

fn passphrase(text: &str) -> Holder {
    Holder::Passphrase(Zeroizing::new(text.to_owned()))
}

fn open(world: &World, passphrase: &'static str) -> Result<Archive, Error> {
    Archive::open(&world.root, &Passphrase(passphrase), world.clock)
}

fn rotate(archive: Archive, known: &[&dyn Unlock]) -> Result<Vec<KeyFacts>, Error> {
    let succession = archive.succession(known)?;
    assert_eq!(succession.left, [], "everybody goes on");
    archive.rotate(&succession.heirs)
}

/// Every record version and mark that was stored before, by an archive opened anew.
fn expect_sound(archive: &Archive) {
    archive.check(true, &mut |problem| panic!("{problem:?}")).unwrap();
}

/// Keys that change while the disk may fail: one is added, one removed, all are replaced.
pub(super) struct Story {
    world: World,
    identity: PathBuf,
    snapshot: SnapshotId,
}

impl Story {
    pub(super) fn begin() -> Story {
        let (world, archive) = World::encrypted();
        let identity = world.root.parent().unwrap().join("recovery.key");
        archive.add_identity(Role::Restore, &identity, Some("recovery".to_owned())).unwrap();
        archive.add_key(Role::Put, &passphrase("old shift"), Some("to be removed".to_owned())).unwrap();
        let snapshot = snapshot_of(&archive, &[deal(1, "a"), deal(2, "b")]).id;
        Story { world, identity, snapshot }
    }

    /// The same archive in another folder: to make one takes longer than to copy it.
    pub(super) fn again(&self) -> Story {
        let world = World::new();
        copy(&self.world.root, &world.root);
        Story { world, identity: self.identity.clone(), snapshot: self.snapshot.clone() }
    }

    pub(super) fn root(&self) -> &Path {
        &self.world.root
    }

    /// As somebody would who tries again until all is done.
    pub(super) fn play(&self, disk: Arc<dyn Disk>) -> Result<(), Error> {
        let open = |disk: &Arc<dyn Disk>| {
            Archive::open_on(Arc::clone(disk), &self.world.root, &Passphrase("open sesame"), self.world.clock)
        };
        let archive = open(&disk)?;
        let named = |archive: &Archive, name: &str| -> Result<Vec<KeyFacts>, Error> {
            Ok(archive.keys()?.into_iter().filter(|key| key.name.as_deref() == Some(name)).collect())
        };
        if named(&archive, "added")?.is_empty() {
            archive.add_key(Role::List, &passphrase("librarian"), Some("added".to_owned()))?;
        }
        for key in named(&archive, "to be removed")? {
            archive.remove_key(&key.id)?;
        }
        let known: [&dyn Unlock; 2] = [&Passphrase("open sesame"), &Passphrase("librarian")];
        let succession = archive.succession(&known)?;
        assert_eq!(succession.left, [], "whatever was interrupted leaves no key that nobody knows");
        archive.rotate(&succession.heirs)?;
        let archive = open(&disk)?;
        let mut writer = archive.begin(source())?;
        writer.take(&[deal(1, "a"), deal(2, "c")])?;
        writer.close(&deals(), whole())?;
        writer.finish(tally()).map(drop)
    }

    /// Whatever happened, who could read still can.
    pub(super) fn expect_whole(&self, when: &str) {
        let openers: [&dyn Unlock; 2] = [&Passphrase("open sesame"), &IdentityFile(self.identity.clone())];
        for unlock in openers {
            let archive = Archive::open(&self.world.root, unlock, self.world.clock)
                .unwrap_or_else(|error| panic!("{when}: {error}"));
            assert_eq!(records_of(&archive, &self.snapshot), [deal(1, "a"), deal(2, "b")], "{when}");
            archive.snapshots().unwrap();
        }
    }

    /// Once all went well nothing is left of what was before.
    pub(super) fn expect_changed(&self) {
        self.expect_whole("at the end");
        let archive = open(&self.world, "open sesame").unwrap();
        assert!(archive.inner.header.rotation > 0);
        assert_eq!(
            archive.inner.store.read("archive.json").unwrap(),
            archive.inner.store.read("keys/archive.json").unwrap()
        );
        assert!(matches!(open(&self.world, "old shift"), Err(Error::WrongKey | Error::Superseded(_))));
        assert_eq!(open(&self.world, "librarian").unwrap().role(), Role::List);
        assert_eq!((archive.keys().unwrap().len(), archive.inner.restorers().unwrap().len()), (3, 2));
        expect_sound(&archive);
    }
}

#[test]
fn keys_are_listed_without_opening_anything() {
    let (world, archive) = World::encrypted();
    archive.add_key(Role::Put, &passphrase("night shift"), Some("nightly".to_owned())).unwrap();
    let identity = world.root.parent().unwrap().join("list.key");
    let added = archive.add_identity(Role::List, &identity, None).unwrap();
    drop(archive);
    let keys = keys_in(&world.root).unwrap();
    let facts = |key: &KeyFacts| (key.kind, key.role, key.name.clone());
    let mut found: Vec<_> = keys.iter().map(facts).collect();
    found.sort_by_key(|(_, role, _)| role.map(Role::as_str));
    assert_eq!(
        found,
        [
            (Some(KeyKind::Recipient), Some(Role::List), None),
            (Some(KeyKind::Passphrase), Some(Role::Put), Some("nightly".to_owned())),
            (Some(KeyKind::Passphrase), Some(Role::Restore), None),
        ]
    );
    let text = std::fs::read_to_string(identity).unwrap();
    assert!(text.contains(&added.recipient.unwrap()) && text.contains("AGE-SECRET-KEY-"));
    // An archive from before there were labels still says of each holder what opens it.
    std::fs::remove_dir_all(world.root.join(LABELS)).unwrap();
    let keys = keys_in(&world.root).unwrap();
    assert_eq!(keys.len(), 3);
    assert!(keys.iter().all(|key| key.kind.is_some() && key.role.is_none()));
    expect_sound(&world.open());
}

#[test]
fn an_archive_without_encryption_has_no_keys() {
    let (world, archive) = World::clear();
    assert!(matches!(keys_in(&world.root), Err(Error::NotEncrypted)));
    assert!(matches!(archive.add_key(Role::Put, &passphrase("x"), None), Err(Error::NotEncrypted)));
    assert!(matches!(archive.succession(&[]), Err(Error::NotEncrypted)));
}

#[test]
fn the_last_key_that_restores_stays_and_a_lesser_one_hands_nothing_on() {
    let (world, archive) = World::encrypted();
    let own = archive.keys().unwrap()[0].id.clone();
    let put = archive.add_key(Role::Put, &passphrase("night shift"), None).unwrap();
    assert!(matches!(archive.remove_key(&own), Err(Error::LastKey(id)) if id == own));
    let other = archive.add_key(Role::Restore, &passphrase("second"), None).unwrap();
    assert_eq!(archive.restorers_without(&own).unwrap(), 1);
    for (name, refused) in [("night shift", "put"), ("second", "restore")] {
        let archive = open(&world, name).unwrap();
        assert_eq!(archive.role().as_str(), refused);
    }
    let lesser = open(&world, "night shift").unwrap();
    for denied in [
        lesser.add_key(Role::Put, &passphrase("x"), None).map(drop),
        lesser.remove_key(&other.id),
        lesser.succession(&[]).map(drop),
    ] {
        assert!(matches!(denied, Err(Error::NeedsKey { role: "put", needs: "restore", .. })), "{denied:?}");
    }
    archive.remove_key(&put.id).unwrap();
    assert!(matches!(open(&world, "night shift"), Err(Error::WrongKey)));
    archive.remove_key(&own).unwrap();
    assert!(matches!(open(&world, "open sesame"), Err(Error::WrongKey)));
    assert!(matches!(open(&world, "second").unwrap().remove_key(&other.id), Err(Error::LastKey(_))));
}

#[test]
fn after_a_rotation_old_and_new_read_and_everybody_keeps_his_key() {
    let (world, archive) = World::encrypted();
    let file = |name: &str| world.root.parent().unwrap().join(name);
    archive.add_identity(Role::Restore, &file("recovery.key"), None).unwrap();
    archive.add_identity(Role::Put, &file("put.key"), None).unwrap();
    archive.add_key(Role::List, &passphrase("librarian"), None).unwrap();
    let first = snapshot_of(&archive, &[deal(1, "a")]);
    archive.mark(&[&first], Mark::Pinned { on: true }).unwrap();
    let mut log = archive.create_log("one").unwrap();
    log.append(&json!("before")).unwrap();
    drop(log);
    let before = archive.inner.header.clone();

    // Who only knows a passphrase has to be asked; recipients need not be.
    let succession = archive.succession(&[&Passphrase("open sesame")]).unwrap();
    assert_eq!((succession.heirs.len(), succession.left.len()), (3, 1));
    assert_eq!(succession.left[0].role, Some(Role::List));
    let known: [&dyn Unlock; 2] = [&Passphrase("open sesame"), &Passphrase("librarian")];
    rotate(archive, &known).unwrap();
    rotate(world.open(), &known).unwrap();

    let archive = world.open();
    let after = archive.inner.header.clone();
    assert_eq!((after.rotation, &after.archive), (2, &before.archive));
    assert!(after.recipients != before.recipients && after.signing_key != before.signing_key);
    assert_eq!(records_of(&archive, &first.id), [deal(1, "a")]);
    assert!(archive.standing(&first.id).unwrap().pinned);
    let mut log = archive.open_log("one").unwrap();
    log.append(&json!("after")).unwrap();
    assert_eq!(archive.read_log("one").unwrap().entries, [json!("before"), json!("after")]);
    drop((log, archive));

    let put = Archive::open(&world.root, &IdentityFile(file("put.key")), world.clock).unwrap();
    let second = snapshot_of(&put, &[deal(1, "a"), deal(2, "b")]);
    assert_eq!((second.sequence, second.contents[0].new), (2, 1), "what was there is not stored again");
    drop(put);
    let list = open(&world, "librarian").unwrap();
    assert_eq!(list.snapshots().unwrap().len(), 2);
    list.mark(&[&second], Mark::Pinned { on: true }).unwrap();
    drop(list);
    let archive = Archive::open(&world.root, &IdentityFile(file("recovery.key")), world.clock).unwrap();
    assert_eq!(records_of(&archive, &second.id), [deal(1, "a"), deal(2, "b")]);
    expect_sound(&archive);
    let reindexed = Archive::reindex(&world.root, &Passphrase("open sesame"), world.clock).unwrap();
    assert_eq!((reindexed.snapshots, reindexed.segments), (2, 2));
}

#[test]
fn the_old_keys_open_nothing_that_was_written_since_and_sign_nothing() {
    let (world, archive) = World::encrypted();
    let first = snapshot_of(&archive, &[deal(1, "a")]);
    let old = world.root.parent().unwrap().join("old");
    copy(&world.root, &old);
    rotate(archive, &[&Passphrase("open sesame")]).unwrap();
    let archive = world.open();
    let second = snapshot_of(&archive, &[deal(1, "b")]);

    // The thief has the archive as it was, its keys, and from now on every file that is added.
    std::fs::copy(world.root.join("snapshots").join(&second.id.0), old.join("snapshots").join(&second.id.0)).unwrap();
    let thief = Archive::open(&old, &Passphrase("open sesame"), world.clock).unwrap();
    assert_eq!(records_of(&thief, &first.id), [deal(1, "a")], "what was exposed remains exposed");
    assert!(matches!(thief.snapshot(&second.id), Err(Error::Damaged { .. })));
    std::fs::remove_file(old.join("snapshots").join(&second.id.0)).unwrap();
    // What he signs with the old key is not believed.
    let forged = snapshot_of(&thief, &[deal(1, "forged")]);
    std::fs::copy(old.join("snapshots").join(&forged.id.0), world.root.join("snapshots").join(&forged.id.0)).unwrap();
    assert!(matches!(archive.snapshot(&forged.id), Err(Error::Damaged { fact, .. }) if fact.contains("signature")));
    // Nor are his holder files, should he put them back.
    for name in std::fs::read_dir(old.join("keys")).unwrap().map(|entry| entry.unwrap().file_name()) {
        if name != "archive.json" {
            std::fs::copy(old.join("keys").join(&name), world.root.join("keys").join(&name)).unwrap();
        }
    }
    assert_eq!(world.open().inner.header.rotation, 1);
}

/// Copies a folder with all that is in it.
#[test]
fn a_forged_label_gets_no_keys() {
    let (world, archive) = World::encrypted();
    let mallory = world.root.parent().unwrap().join("mallory.key");
    let recipient = holders::write_identity(&mallory, Role::Restore).unwrap();
    // A put key may write to the folder, and has every secret but those that read.
    archive.add_key(Role::Put, &passphrase("night shift"), None).unwrap();
    let holder = archive.keys().unwrap().into_iter().find(|key| key.role == Some(Role::Put)).unwrap();
    let line = LabelLine {
        archive: archive.id().to_owned(),
        holder: holder.id,
        kind: KeyKind::Recipient,
        role: Role::Restore,
        recipient: Some(recipient),
        name: None,
        added: noon(),
        rotation: 0,
    };
    labels::write(&archive.inner.store, &crate::archive::keys::random(), &line).unwrap();
    assert_eq!(archive.inner.restorers().unwrap().len(), 1);
    let succession = archive.succession(&[&Passphrase("open sesame"), &Passphrase("night shift")]).unwrap();
    assert_eq!(succession.heirs.iter().map(|heir| heir.role.as_str()).filter(|role| *role == "restore").count(), 1);
    archive.rotate(&succession.heirs).unwrap();
    assert!(matches!(Archive::open(&world.root, &IdentityFile(mallory), world.clock), Err(Error::WrongKey)));
    assert_eq!(open(&world, "night shift").unwrap().role(), Role::Put);
}

#[test]
fn a_put_key_cannot_say_that_a_snapshot_may_go_and_a_list_key_cannot_make_one_up() {
    let (world, archive) = World::encrypted();
    archive.add_key(Role::Put, &passphrase("night shift"), None).unwrap();
    archive.add_key(Role::List, &passphrase("librarian"), None).unwrap();
    let first = snapshot_of(&archive, &[deal(1, "a")]);
    snapshot_of(&archive, &[deal(1, "b")]);
    drop(archive);
    let put = open(&world, "night shift").unwrap();
    assert!(matches!(
        put.forget_these(std::slice::from_ref(&first.id), false),
        Err(Error::NeedsKey { needs: "list", .. })
    ));
    assert!(matches!(
        put.prune(chrono::TimeDelta::zero(), Worth::Dead(50), false),
        Err(Error::NeedsKey { needs: "list", .. })
    ));
    // Even with another program: the key that signs such decisions is not among its secrets.
    assert!(put.inner.secrets.marking.is_none() && put.inner.secrets.data.is_empty());
    drop(put);
    let list = open(&world, "librarian").unwrap();
    assert!(list.inner.secrets.signing.is_none() && list.inner.secrets.data.is_empty());
    list.forget_these(std::slice::from_ref(&first.id), false).unwrap();
    let pruned = list.prune(chrono::TimeDelta::zero(), Worth::Dead(50), false).unwrap();
    assert!(pruned.removed.files >= 1 && pruned.contents_stay, "{pruned:?}");
    list.check(true, &mut |problem| panic!("{problem:?}")).unwrap();
    drop(list);
    let archive = world.open();
    assert_eq!(archive.snapshots().unwrap().len(), 1);
    expect_sound(&archive);
}

#[test]
fn whoever_opened_before_a_rotation_seals_nothing_for_the_old_keys() {
    let (world, archive) = World::encrypted();
    let waiting = world.open();
    rotate(archive, &[&Passphrase("open sesame")]).unwrap();
    assert!(matches!(waiting.begin(source()), Err(Error::KeysReplaced)));
    assert!(matches!(waiting.add_key(Role::Put, &passphrase("x"), None), Err(Error::KeysReplaced)));
}

#[test]
fn a_check_that_began_before_a_rotation_does_not_take_what_was_sealed_since_for_damage() {
    let (world, archive) = World::encrypted();
    snapshot_of(&archive, &[deal(1, "before")]);
    let checking = world.open();
    rotate(archive, &[&Passphrase("open sesame")]).unwrap();
    checking.check(true, &mut |problem| panic!("{problem:?}")).unwrap();
    snapshot_of(&world.open(), &[deal(1, "after")]);
    let checked = checking.check(true, &mut |problem| panic!("{problem:?}"));
    assert!(matches!(checked, Err(Error::KeysReplaced)), "{checked:?}");
}

#[test]
fn a_check_of_keys_tells_what_opens_and_what_is_damaged() {
    let (world, archive) = World::encrypted();
    let added = archive.add_key(Role::Put, &passphrase("night shift"), None).unwrap();
    drop(archive);
    let given: [&dyn Unlock; 2] = [&Passphrase("night shift"), &Passphrase("nobody's")];
    let check = Archive::check_keys(&world.root, &given).unwrap();
    assert_eq!(check.opened, [Some(OpenedKey { id: added.id.clone(), role: Role::Put }), None]);
    assert_eq!((check.not_tried.len(), check.problems.len()), (1, 0));
    let path = world.root.join("keys").join(&added.id);
    let mut bytes = std::fs::read(&path).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, bytes).unwrap();
    let check = Archive::check_keys(&world.root, &given).unwrap();
    assert_eq!((check.opened, check.problems.len()), (vec![None, None], 1));
    // It costs nothing while another opens.
    world.open();
}
