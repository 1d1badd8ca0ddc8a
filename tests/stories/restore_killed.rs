//! A restore that is killed at every one of its requests, before and after each, and goes on each time.

use std::fs::OpenOptions;
use std::io::Write;

use pdbak::account::{Allowance, Consent};
use pdbak::archive::Archive;
use pdbak::monitor::Silent;
use pdbak::restore::{self, Journal, Plan, Policy, Replayed, Site};

use super::restore::{clock, left, living, planned, replayed, total};
use super::restore_settings::{COMPARED, said};
use crate::histories::large_accident;
use crate::support::{Tap, World};

/// One life of the program: it goes on where the journal stands and is killed at a request, or it comes to its end.
fn live(world: &World, archive: &Archive, plan: &Plan, tap: &Tap) -> Option<Replayed> {
    let (mut journal, own) = Journal::resume(archive, &plan.digest()[..16], clock()).expect("a journal");
    assert_eq!(&own, plan);
    let ended = world.run(async {
        let life = async {
            let account = world.connect(tap.url(), Allowance::Unlimited).await.expect("an account");
            let writer = account.writer(&Consent::given());
            let site = Site { account: &account, writer: &writer, archive };
            restore::replay(plan, &mut journal, &site, &Silent).await.expect("a replay")
        };
        tokio::select! {
            biased;
            () = tap.strikes() => None,
            replayed = life => Some(replayed),
        }
    });
    world.run(tap.rests());
    ended
}

/// The journal as a kill in the middle of an append leaves it. One that is torn already stays as it is: the next append
/// begins by cutting the torn end, so no run of the program leaves two.
fn tear(world: &World, plan: &Plan) {
    const HALF: &[u8] = b"000000000000512 5a5a";
    let path = world.path("archive").join("restores").join(&plan.digest()[..16]);
    if !std::fs::read(&path).expect("the journal").ends_with(HALF) {
        let mut log = OpenOptions::new().append(true).open(path).expect("the journal");
        log.write_all(HALF).expect("half of an entry");
    }
}

#[test]
fn killed_before_and_after_each_of_its_requests_a_restore_makes_no_record_twice_and_leaves_none_out() {
    let policy = Policy { delete_added: true, ..Policy::default() };
    let accident = || {
        let world = World::of(260);
        let goal = world.snapshot();
        let before = world.judge();
        large_accident(&world);
        let plan = planned(&world, &goal, &policy);
        (world, goal, before, plan)
    };
    let (plain, _, _, plan) = accident();
    assert!(total(&replayed(&plain, &plan)).is_clean());

    let (world, goal, before, plan) = accident();
    let archive = world.archive();
    drop(Journal::create(&archive, &plan, clock()).expect("a journal"));
    let tap = world.run(Tap::to(world.url()));
    let mut kills = 0;
    let ended = loop {
        match live(&world, &archive, &plan, &tap) {
            Some(replayed) => break replayed,
            None => kills += 1,
        }
        assert!(kills < 3_000, "it never ends");
        if kills % 3 == 0 {
            tear(&world, &plan);
        }
    };
    eprintln!("killed {kills} times over {} steps", plan.steps.len());
    assert!(plan.steps.len() >= 200, "{} steps", plan.steps.len());
    // Nothing was waved through: what was written was struck before and after.
    assert_eq!(kills, tap.strikes_so_far());
    assert_eq!(ended.stopped, None);
    assert!(total(&ended).is_clean(), "{:?}", ended.report);
    assert_eq!(living(&world), living(&plain));
    let after = world.judge();
    for (kind, fields) in COMPARED {
        assert_eq!(said(&after, kind, fields), said(&before, kind, fields), "{kind}");
    }
    assert_eq!(left(&world, &goal, &policy), Vec::<String>::new());
}
