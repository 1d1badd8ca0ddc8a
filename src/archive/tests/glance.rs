//! Stories about looking into an archive in a store from a machine that has nothing of it.

use zeroize::Zeroizing;

use super::retention::expect_sound;
use super::town::{Fault, Line, Town};
use super::*;

/// What does not get shorter when it is packed, so that segments are long.
fn noise(number: u64) -> String {
    let mut bytes = [0; 2560];
    blake3::Hasher::new().update(&number.to_le_bytes()).finalize_xof().fill(&mut bytes);
    hex::encode(bytes)
}

fn many() -> Vec<Record> {
    (1..=2000).map(|number| deal(number, &noise(number))).collect()
}

/// A store with a long segment of deals, and who took it.
fn town(protection: Protection) -> (Town, SnapshotId) {
    let town = Town::protected(protection);
    let taken = snapshot_of(&town.on("maker"), &many()).id;
    (town, taken)
}

/// A machine that has nothing, and its line.
fn stranger(town: &Town, machine: &str) -> (Archive, Arc<Line>) {
    let line = town.line(Fault::Cut, u64::MAX);
    (town.over(machine, Arc::clone(&line)).unwrap(), line)
}

fn find(archive: &Archive, id: &SnapshotId, number: u64) -> Result<Option<Record>, Error> {
    archive.snapshot(id)?.find(&RecordId::new(deals(), Key::Number(number)))
}

fn stored(town: &Town) -> u64 {
    town.bucket.objects().values().map(|(bytes, _)| bytes.len() as u64).sum()
}

#[test]
fn one_record_costs_a_stranger_the_ends_of_segments_and_one_block() {
    let sealed = Protection::Encrypted { passphrase: Zeroizing::new("none needed".to_owned()), recovery: None };
    for protection in [Protection::Clear, sealed] {
        let (town, taken) = town(protection);
        let (archive, line) = stranger(&town, "stranger");
        assert_eq!(find(&archive, &taken, 1711).unwrap(), Some(deal(1711, &noise(1711))));
        assert_eq!(find(&archive, &taken, 2001).unwrap(), None);
        let came = line.came.load(Ordering::SeqCst);
        assert!(came < stored(&town) / 4, "{came} of {} bytes", stored(&town));
        // What came stays, and so does what was learnt of it.
        drop(archive);
        let (archive, line) = stranger(&town, "stranger");
        assert_eq!(find(&archive, &taken, 1711).unwrap(), Some(deal(1711, &noise(1711))));
        assert!(line.came.load(Ordering::SeqCst) < 10_000, "{}", line.came.load(Ordering::SeqCst));
    }
}

#[test]
fn what_a_glance_left_out_is_there_for_whoever_needs_all_of_it() {
    let (town, taken) = town(Protection::Clear);
    for machine in ["reader", "checker", "writer", "comparer"] {
        find(&stranger(&town, machine).0, &taken, 1).unwrap();
    }
    let reader = town.on("reader");
    assert_eq!(records_of(&reader, &taken), many());
    expect_sound(&town.on("checker"));
    let mut changed = many();
    changed[17] = deal(18, "another");
    let second = snapshot_of(&town.on("writer"), &changed);
    assert_eq!((second.contents[0].new, second.contents[0].changed), (0, 1));
    let (comparer, line) = stranger(&town, "comparer");
    let (before, after) = (comparer.snapshot(&taken).unwrap(), comparer.snapshot(&second.id).unwrap());
    let differences: Vec<_> = before.differences(&after, &deals()).unwrap().collect::<Result<_, _>>().unwrap();
    assert_eq!(differences, [Difference { before: Some(deal(18, &noise(18))), after: Some(deal(18, "another")) }]);
    assert!(line.came.load(Ordering::SeqCst) < stored(&town) / 4, "only what differs is read");
    for machine in ["reader", "checker", "writer", "comparer", "fifth"] {
        expect_sound(&town.on(machine));
    }
}

#[test]
fn what_is_damaged_or_forged_in_the_store_is_not_shown_to_who_reads_it_in_part() {
    let (town, taken) = town(Protection::Clear);
    let segment =
        town.bucket.names("segments/").into_iter().max_by_key(|name| town.bucket.objects()[name].0.len()).unwrap();
    let whole = town.bucket.objects()[&segment].0.clone();
    let lines = whole.windows(9).rposition(|window| window.starts_with(b"\"lines\":")).unwrap() + 8;
    // In the midst of a block, in the directory where it stays readable, and in what opens the file.
    for (at, byte) in [(whole.len() / 2, whole[whole.len() / 2] ^ 1), (lines, whole[lines] ^ 1), (3, whole[3] ^ 1)] {
        town.bucket.objects().get_mut(&segment).unwrap().0[at] = byte;
        let (archive, _) = stranger(&town, &format!("met {at}"));
        let found: Vec<_> = (1..=2000).step_by(50).map(|number| (number, find(&archive, &taken, number))).collect();
        assert!(found.iter().any(|(_, found)| matches!(found, Err(Error::Damaged { .. }))), "byte {at}");
        for (number, found) in found {
            match found {
                Ok(record) => assert_eq!(record, Some(deal(number, &noise(number))), "byte {at}"),
                Err(error) => assert!(matches!(error, Error::Damaged { .. }), "byte {at}: {error}"),
            }
        }
        town.bucket.objects().get_mut(&segment).unwrap().0.clone_from(&whole);
        assert_eq!(records_of(&town.on(&format!("met {at}")), &taken), many(), "it is whole again");
    }
}

#[test]
fn a_piece_that_decays_on_this_machine_comes_again() {
    let (town, taken) = town(Protection::Clear);
    find(&town.on("reader"), &taken, 1711).unwrap();
    let mut decayed = 0;
    for file in files(&town.folder("reader").join("fetched/segments")) {
        let mut bytes = std::fs::read(&file).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(&file, bytes).unwrap();
        decayed += 1;
    }
    assert!(decayed > 2);
    assert_eq!(find(&town.on("reader"), &taken, 1711).unwrap(), Some(deal(1711, &noise(1711))));
}

#[test]
fn a_look_cut_off_at_any_request_shows_nothing_wrong_and_the_next_one_goes_on() {
    let (town, taken) = town(Protection::Clear);
    for at in 1.. {
        let machine = format!("cut {at}");
        let line = town.line(Fault::Cut, at);
        let looked = town.over(&machine, Arc::clone(&line)).and_then(|archive| find(&archive, &taken, 1711));
        let whole = looked.is_ok();
        match looked {
            Ok(found) => assert_eq!(found, Some(deal(1711, &noise(1711)))),
            Err(error) => assert!(matches!(error, Error::Home(_)), "{at}: {error}"),
        }
        assert_eq!(find(&town.on(&machine), &taken, 1711).unwrap(), Some(deal(1711, &noise(1711))), "{at}");
        if line.done.load(Ordering::SeqCst) < at {
            assert!(whole && at > 5);
            return;
        }
    }
}

#[test]
fn what_a_prune_packed_anew_is_looked_into_as_well() {
    let (town, _) = town(Protection::Clear);
    let writer = town.on("maker");
    let mut half = many();
    half.iter_mut()
        .step_by(2)
        .enumerate()
        .for_each(|(at, record)| *record = deal(2 * at as u64 + 1, &noise(at as u64)));
    let kept = snapshot_of(&writer, &half).id;
    writer.forget(&Policy { last: 1, ..Policy::default() }).unwrap();
    assert!(writer.prune(chrono::TimeDelta::zero(), Worth::Dead(1), false).unwrap().packed.files > 0);
    let (archive, line) = stranger(&town, "stranger");
    assert_eq!(find(&archive, &kept, 1712).unwrap(), Some(deal(1712, &noise(1712))));
    assert!(line.came.load(Ordering::SeqCst) < stored(&town) / 3, "{}", line.came.load(Ordering::SeqCst));
}

/// What a check finds, and how many bytes it fetched.
fn checked(town: &Town, machine: &str, reading: Reading) -> (Vec<String>, u64) {
    let (archive, line) = stranger(town, machine);
    let mut problems = Vec::new();
    archive.check(reading, &mut |problem| problems.push(problem.text)).unwrap();
    (problems, line.came.load(Ordering::SeqCst))
}

#[test]
fn a_check_of_the_structure_or_of_a_share_fetches_no_more_than_it_reads() {
    let sealed = Protection::Encrypted { passphrase: Zeroizing::new("none needed".to_owned()), recovery: None };
    for protection in [Protection::Clear, sealed] {
        let (town, _) = town(protection);
        let mut records = many();
        records.truncate(400);
        for version in 1..=5 {
            records.iter_mut().zip(1..).for_each(|(record, id)| *record = deal(id, &noise(version * 10_000 + id)));
            snapshot_of(&town.on("maker"), &records);
        }
        let (problems, came) = checked(&town, "stranger", Reading::Structure);
        assert!(problems.is_empty() && came < stored(&town) / 4, "{problems:?}: {came} of {}", stored(&town));
        // Whoever wrote it knows what is in it, and has copies until they are read anew.
        let smallest = Reading::Some(Subset::Bytes(1));
        let (problems, came) = checked(&town, "maker", smallest);
        assert!(problems.is_empty() && came < stored(&town) * 3 / 4, "{problems:?}: {came} of {}", stored(&town));
    }
}

#[test]
fn a_check_of_the_structure_believes_no_directory_that_no_manifest_names() {
    let (town, taken) = town(Protection::Clear);
    assert_eq!(records_of(&town.on("reader"), &taken).len(), 2000);
    std::fs::remove_dir_all(town.folder("reader").join("fetched")).unwrap();
    let segment = town.bucket.only("segments/");
    let place = town.bucket.objects()[&segment].0.windows(9).rposition(|window| window.starts_with(b"\"lines\":"));
    town.bucket.objects().get_mut(&segment).unwrap().0[place.unwrap() + 9] ^= 1;
    for machine in ["reader", "stranger"] {
        let (problems, _) = checked(&town, machine, Reading::Structure);
        assert_eq!(problems.last().map(String::as_str), Some("another directory than manifests name"), "{machine}");
    }
}
