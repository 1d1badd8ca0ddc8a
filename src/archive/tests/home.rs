//! Stories about archives that live in a store: cut off at every request, read and written by several machines.

use chrono::TimeDelta;

use super::retention::expect_sound;
use super::town::{Fault, KEPT, Line, Town};
use super::*;
use crate::archive::run::DEAD_AFTER;

fn some() -> Vec<Record> {
    (1..=40).map(|number| deal(number, &format!("deal {number}"))).collect()
}

fn more() -> Vec<Record> {
    (1..=45).map(|number| deal(number, &format!("deal {}", number / 2))).collect()
}

fn problems(archive: &Archive) -> Vec<String> {
    let mut problems = Vec::new();
    let mut tell = |problem: Problem| problems.push(format!("{:?}: {}", problem.file, problem.text));
    archive.check(true, &mut tell).unwrap();
    problems
}

#[test]
fn a_machine_with_an_empty_folder_reads_what_another_wrote_and_goes_on_with_it() {
    let town = Town::new();
    let first = snapshot_of(&town.on("one"), &some());
    let other = town.on("two");
    assert_eq!(records_of(&other, &first.id), some());
    let second = snapshot_of(&other, &more());
    assert_eq!(second.contents[0].new, 5, "what is there already is not stored again");
    drop(other);
    for machine in ["one", "two", "three"] {
        let archive = town.on(machine);
        expect_sound(&archive);
        assert_eq!((records_of(&archive, &first.id), records_of(&archive, &second.id)), (some(), more()), "{machine}");
    }
    assert!(town.bucket.names("runs/").is_empty() && town.bucket.names("index").is_empty());
}

#[test]
fn a_folder_that_was_emptied_costs_a_way_there_and_nothing_else() {
    let town = Town::new();
    let first = snapshot_of(&town.on("one"), &some());
    std::fs::remove_dir_all(town.folder("one")).unwrap();
    let archive = town.on("one");
    assert_eq!(records_of(&archive, &first.id), some());
    snapshot_of(&archive, &more());
    Archive::reindex(archive.shelf(), &Passphrase("none needed"), Clock::Fixed(noon())).unwrap();
    expect_sound(&archive);
}

/// A capture that ends as a process does whose store does not answer any more.
fn capture(archive: &Archive) -> Result<Manifest, Error> {
    let mut writer = archive.begin(source())?;
    writer.take(&more()[..20])?;
    writer.blob(&mut &b"contents of a file"[..])?;
    writer.checkpoint(&Value::Null)?;
    writer.take(&more()[20..])?;
    writer.close(&deals(), whole())?;
    writer.finish(tally())
}

/// Plays something with the line cut at every request in turn, until one play needs fewer; looks at what is left from the
/// same machine and from another.
fn at_every_request(
    fault: Fault,
    begin: impl Fn(&Town),
    play: impl Fn(&Archive) -> Result<(), Error>,
    look: impl Fn(&Archive, bool, &str),
) -> u64 {
    for at in 1.. {
        let town = Town::new();
        begin(&town);
        let line = town.line(fault, at);
        let outcome = town.over("one", Arc::clone(&line)).and_then(|archive| play(&archive));
        let whole = outcome.is_ok();
        for machine in ["two", "one"] {
            // Whoever died is not waited for: its note grows old.
            *town.bucket.later.lock().unwrap() += DEAD_AFTER * 2;
            let told = format!("after request {at}, on machine {machine}");
            let archive = town.on(machine);
            assert_eq!(problems(&archive), Vec::<String>::new(), "{told}");
            look(&archive, whole, &told);
            play(&archive).unwrap_or_else(|error| panic!("{told}: {error}"));
            assert_eq!(problems(&archive), Vec::<String>::new(), "{told}");
        }
        if line.done.load(Ordering::SeqCst) < at {
            assert!(whole);
            return at;
        }
    }
    unreachable!("the loop ends when no request is left to fail")
}

#[test]
fn a_capture_cut_off_at_any_request_loses_no_finished_snapshot_and_the_next_goes_on() {
    for fault in [Fault::Cut, Fault::AnswerLost] {
        let begin = |town: &Town| drop(snapshot_of(&town.on("one"), &some()));
        let requests = at_every_request(
            fault,
            begin,
            |archive| capture(archive).map(drop),
            |archive, whole, told| {
                let snapshots = archive.snapshots().unwrap();
                assert_eq!(records_of(archive, &snapshots[0].id), some(), "{told}");
                for later in &snapshots[1..] {
                    assert_eq!(records_of(archive, &later.id), more(), "{told}");
                }
                assert!(!whole || snapshots.len() > 1, "{told}: reported as done and not there");
            },
        );
        assert!(requests > 10, "{requests} requests");
    }
}

#[test]
fn forgetting_and_pruning_cut_off_at_any_request_leave_what_is_kept_whole() {
    for fault in [Fault::Cut, Fault::AnswerLost] {
        let begin = |town: &Town| {
            let archive = town.on("one");
            [some(), more(), some()].iter().for_each(|records| drop(snapshot_of(&archive, records)));
        };
        let play = |archive: &Archive| {
            archive.forget(&Policy { last: 1, ..Policy::default() })?;
            archive.prune(TimeDelta::zero(), Worth::Dead(1), false).map(drop)
        };
        let requests = at_every_request(fault, begin, play, |archive, _, told| {
            let left = archive.snapshots().unwrap();
            assert!(left.len() == 1 || left.len() == 3, "{told}: {}", left.len());
            assert_eq!(records_of(archive, &left[left.len() - 1].id), some(), "{told}");
        });
        assert!(requests > 20, "{requests} requests");
    }
}

#[test]
fn what_was_stored_before_the_cut_is_kept_here_and_sent_by_the_next_run() {
    let town = Town::new();
    drop(snapshot_of(&town.on("one"), &some()));
    let line = town.line(Fault::Cut, u64::MAX);
    let archive = town.over("one", Arc::clone(&line)).unwrap();
    let mut writer = archive.begin(source()).unwrap();
    writer.take(&more()).unwrap();
    line.cut();
    let error = writer.checkpoint(&Value::Null).unwrap_err();
    drop(writer);
    assert!(matches!(&error, Error::Home(_)) && error.to_string().contains("the line is cut"), "{error}");
    assert_eq!(archive.snapshots().unwrap().len(), 1, "a manifest that is not in the store is no snapshot");
    drop(archive);
    let archive = town.on("one");
    let finished = capture(&archive).unwrap();
    assert_eq!(records_of(&town.on("two"), &finished.id), more());
}

#[test]
fn a_damaged_file_in_the_store_is_found_although_a_whole_one_was_fetched_before() {
    let town = Town::new();
    let archive = town.on("one");
    let taken = snapshot_of(&archive, &some());
    assert_eq!(records_of(&archive, &taken.id), some());
    let segment = town.bucket.only("segments/");
    town.bucket.objects().get_mut(&segment).unwrap().0[100] ^= 1;
    let found = problems(&town.on("one"));
    assert!(found.len() == 1 && found[0].contains(&segment) && found[0].contains("hash to"), "{found:?}");
    let found = problems(&town.on("two"));
    assert!(found.iter().any(|problem| problem.contains(&segment)), "{found:?}");
    let other = town.on("three");
    let read =
        other.snapshot(&taken.id).unwrap().records(&deals()).and_then(|records| records.collect::<Result<Vec<_>, _>>());
    assert!(matches!(read, Err(Error::Damaged { .. })), "what is not what its name says is not read");
}

#[test]
fn a_copy_that_decays_on_this_machine_is_fetched_again_and_what_was_torn_before_it_was_sent_is_not_sent() {
    let town = Town::new();
    let taken = snapshot_of(&town.on("one"), &some());
    let segment = town.bucket.only("segments/");
    for file in [town.bucket.only("snapshots/"), segment.clone()] {
        let copy = town.folder("one").join("fetched").join(file);
        let mut bytes = std::fs::read(&copy).unwrap();
        bytes[50] ^= 1;
        std::fs::remove_file(&copy).unwrap();
        std::fs::write(&copy, bytes).unwrap();
    }
    let archive = town.on("one");
    assert_eq!(records_of(&archive, &taken.id), some());
    let torn = format!("segments/00/00{}", &segment[segment.len() - 62..]);
    std::fs::create_dir_all(town.folder("one").join("segments/00")).unwrap();
    std::fs::write(town.folder("one").join(&torn), b"torn").unwrap();
    drop(archive.turn().unwrap());
    assert!(!town.bucket.objects().contains_key(&torn));
    expect_sound(&archive);
}

#[test]
fn a_file_that_is_gone_from_the_store_is_missed_although_a_copy_was_fetched_before() {
    for folder in ["segments/", "snapshots/"] {
        let town = Town::new();
        drop(snapshot_of(&town.on("one"), &some()));
        let gone = town.bucket.only(folder);
        town.bucket.objects().remove(&gone);
        let found = problems(&town.on("one"));
        assert!(found.iter().any(|problem| problem.contains(&gone)), "{folder}: {found:?}");
    }
}

#[test]
fn one_machine_writes_at_a_time_and_one_that_died_is_not_waited_for_for_ever() {
    let town = Town::new();
    let (one, two) = (town.on("one"), town.on("two"));
    let turn = one.turn().unwrap();
    let busy = two.turn().unwrap_err();
    assert!(matches!(&busy, Error::Busy(told) if told.contains("has been writing since")), "{busy}");
    assert_eq!(two.snapshots().unwrap().len(), 0, "whoever reads does not wait");
    drop(turn);
    drop(two.turn().unwrap());
    // A machine that died leaves its note.
    let note = br#"{"host":"gone","process":1,"since":"2026-11-02T12:00:00Z","turn":"x"}"#;
    town.bucket.put("runs/0f0f", note);
    assert!(matches!(two.turn(), Err(Error::Busy(_))));
    *town.bucket.later.lock().unwrap() += DEAD_AFTER * 2;
    drop(two.turn().unwrap());
    assert!(town.bucket.names("runs/").is_empty());
}

#[test]
fn whoever_misses_what_another_machine_pruned_looks_again() {
    let town = Town::new();
    let one = town.on("one");
    let all: Vec<SnapshotId> = [some(), more()].iter().map(|records| snapshot_of(&one, records).id).collect();
    let two = town.on("two");
    one.forget(&Policy { last: 1, ..Policy::default() }).unwrap();
    one.prune(TimeDelta::zero(), Worth::Dead(1), false).unwrap();
    assert_eq!(two.shelf().files().unwrap().iter().filter(|file| file.name.part() == Part::Mark).count(), 0);
    let read =
        two.snapshot(&all[0]).unwrap().records(&deals()).and_then(|records| records.collect::<Result<Vec<_>, _>>());
    assert!(matches!(read, Err(Error::Missing(_))), "its segment was packed anew");
    assert!(two.shelf().files().unwrap().iter().any(|file| file.name.part() == Part::Mark), "it knows of the decision");
    assert_eq!(records_of(&two, &all[1]), more());
}

#[test]
fn a_writer_that_was_silent_for_too_long_says_nothing_that_another_may_have_gone_beyond() {
    let town = Town::new();
    let first = snapshot_of(&town.on("one"), &some());
    let (one, two) = (town.on("one"), town.on("two"));
    let mut writer = one.begin(source()).unwrap();
    writer.take(&more()).unwrap();
    writer.close(&deals(), whole()).unwrap();
    let mut log = one.create_log("20261102-7f3c").unwrap();
    *town.bucket.later.lock().unwrap() += DEAD_AFTER * 2;
    let second = snapshot_of(&two, &more()[..10]);
    assert!(matches!(log.append(&1), Err(Error::Busy(_))), "a restore does not go on beside another");
    let late = writer.finish(tally()).unwrap_err();
    assert!(matches!(&late, Error::Busy(told) if told.contains("another one went on")), "{late}");
    let archive = town.on("three");
    let ids: Vec<SnapshotId> = archive.snapshots().unwrap().into_iter().map(|manifest| manifest.id).collect();
    assert_eq!(ids, [first.id, second.id]);
    expect_sound(&archive);
}

#[test]
fn a_creation_cut_off_at_any_request_leaves_no_archive_or_a_whole_one() {
    for fault in [Fault::Cut, Fault::AnswerLost] {
        for at in 1.. {
            let town = Town { bucket: Arc::default(), machines: tempfile::tempdir().unwrap() };
            let create = |line: Arc<Line>, folder: &str| {
                let shelf = Shelf::to_home(line, &town.machines.path().join(folder), KEPT)?;
                Archive::create(shelf, Protection::Clear, Clock::Fixed(noon())).map(drop)
            };
            let line = town.line(fault, at);
            let whole = create(Arc::clone(&line), "maker").is_ok();
            let again = create(town.line(Fault::Cut, u64::MAX), "other");
            let there = matches!(&again, Err(Error::CannotCreate { fact, .. }) if fact.contains("an archive already"));
            assert!(there || (again.is_ok() && !whole), "after request {at}: {again:?}");
            snapshot_of(&town.on("one"), &some());
            expect_sound(&town.on("two"));
            if line.done.load(Ordering::SeqCst) < at {
                assert!(whole && at > 4);
                break;
            }
        }
    }
}

#[test]
fn a_store_that_holds_something_else_becomes_no_archive() {
    let town = Town { bucket: Arc::default(), machines: tempfile::tempdir().unwrap() };
    town.bucket.put("holiday.jpg", b"x");
    let line = || town.line(Fault::Cut, u64::MAX);
    let opened = Shelf::of_home(line(), town.machines.path(), KEPT);
    assert!(matches!(opened.map(drop), Err(Error::NotAnArchive(place)) if place == Path::new("memory://acme")));
    let shelf = Shelf::to_home(line(), &town.machines.path().join("maker"), KEPT).unwrap();
    let made = Archive::create(shelf, Protection::Clear, Clock::System).map(drop).unwrap_err().to_string();
    assert_eq!(made, "cannot create an archive in memory://acme: it is not empty");
}

#[test]
fn a_journal_grows_in_the_store_is_read_elsewhere_and_gone_on_with_where_it_began() {
    let town = Town::new();
    let one = town.on("one");
    let mut log = one.create_log("20261102-7f3c").unwrap();
    (1..=3).for_each(|entry| log.append(&entry).unwrap());
    drop(log);
    let two = town.on("two");
    assert_eq!(two.logs().unwrap(), ["20261102-7f3c"]);
    // What machine one did last might not be in the store yet: nobody else does it again.
    let refused = two.open_log("20261102-7f3c").map(drop);
    assert!(matches!(&refused, Err(Error::BegunElsewhere(log)) if log == "20261102-7f3c"), "{refused:?}");
    let one = town.on("one");
    let mut log = one.open_log("20261102-7f3c").unwrap();
    log.append(&4).unwrap();
    drop(log);
    let two = town.on("two");
    assert_eq!(two.read_log("20261102-7f3c").unwrap().entries, [1, 2, 3, 4].map(Value::from));
    assert!(one.shelf().unsent().is_empty());
}

#[test]
fn a_journal_that_cannot_be_sent_is_kept_here_told_and_sent_by_the_next_writer() {
    let town = Town::new();
    let line = town.line(Fault::Cut, u64::MAX);
    let archive = town.over("one", Arc::clone(&line)).unwrap();
    line.cut();
    let mut log = archive.create_log("20261102-7f3c").unwrap();
    (1..=3).for_each(|entry| log.append(&entry).unwrap());
    drop(log);
    assert_eq!(archive.shelf().unsent(), ["restores/20261102-7f3c"]);
    drop(archive);
    assert!(town.bucket.names("restores/").is_empty());
    let archive = town.on("one");
    assert_eq!(archive.read_log("20261102-7f3c").unwrap().entries.len(), 3);
    drop(archive.turn().unwrap());
    assert_eq!(town.on("two").read_log("20261102-7f3c").unwrap().entries.len(), 3);
}
