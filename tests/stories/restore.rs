//! A restore over the wire: an accident, a plan, a replay, and the truth afterwards.

use chrono::DateTime;
use pdbak::account::{Allowance, Consent};
use pdbak::archive::Manifest;
use pdbak::capture::Wanted;
use pdbak::clock::Clock;
use pdbak::monitor::Silent;
use pdbak::restore::{self, Journal, Plan, Policy, Replayed, Site, Standing, Stop, Tally};
use pdbak::sandbox::Options;
use serde_json::json;

use super::capture::ids;
use crate::support::World;

/// Plans the way back to a snapshot, from a snapshot of the account as it is.
pub(super) fn planned(world: &World, goal: &Manifest, policy: &Policy) -> Plan {
    planned_from(world, goal, policy, &Wanted::default())
}

/// The same from a snapshot that looks closer.
pub(crate) fn planned_from(world: &World, goal: &Manifest, policy: &Policy, wanted: &Wanted) -> Plan {
    let seen = world.snapshot_of(wanted);
    let archive = world.archive();
    let (goal, seen) = (archive.snapshot(&goal.id).expect("the goal"), archive.snapshot(&seen.id).expect("the state"));
    let lineage = restore::lineage(&archive, goal.manifest().source.company_id).expect("the journals");
    let plan = restore::plan(&goal, &seen, policy, &lineage).expect("a plan");
    assert_eq!(restore::check_against(&plan, &goal, &seen).expect("both states"), []);
    plan
}

/// A clock for replays in whose way are faults: nobody waits for requests that may still be under way, since none is.
pub(crate) fn clock() -> Clock {
    Clock::Fixed(DateTime::UNIX_EPOCH)
}

/// Replays a plan once, from the beginning or from where it stood.
pub(super) fn replayed(world: &World, plan: &Plan) -> Replayed {
    let (account, archive) = (world.account(), world.archive());
    let name = &plan.digest()[..16];
    let known = archive.logs().expect("the journals").iter().any(|log| log == name);
    let mut journal = if known {
        let (journal, own) = Journal::resume(&archive, name, clock()).expect("a journal");
        assert_eq!(&own, plan);
        journal
    } else {
        Journal::create(&archive, plan, clock()).expect("a journal")
    };
    let writer = account.writer(&Consent::given());
    let site = Site { account: &account, writer: &writer, archive: &archive };
    let replayed = world.run(restore::replay(plan, &mut journal, &site, &Silent)).expect("a replay");
    assert_eq!(journal.standing() == Standing::Complete, replayed.report.is_some());
    replayed
}

pub(super) fn total(replayed: &Replayed) -> Tally {
    let report = replayed.report.as_ref().expect("a report");
    if !report.total.is_clean() {
        eprintln!("{}", serde_json::to_string_pretty(&report.findings).expect("JSON"));
    }
    report.total
}

/// What is left to do afterwards, in words.
pub(super) fn left(world: &World, goal: &Manifest, policy: &Policy) -> Vec<String> {
    let plan = planned(world, goal, policy);
    plan.steps
        .iter()
        .map(|step| {
            format!("{} {:?} {}", step.record(), step.reason, serde_json::to_string(&step.body()).expect("JSON"))
        })
        .collect()
}

/// An accident: edited deals, deleted organizations and deals, an edited product, junk.
pub(crate) fn vandalise(world: &World) {
    for deal in ids(world, "Deals").iter().step_by(7).take(12) {
        world.call("PATCH", &format!("/api/v2/deals/{deal}"), Some(&json!({"title": "oops", "value": 1})));
    }
    for organization in ids(world, "Organizations").iter().step_by(9).take(6) {
        world.call("DELETE", &format!("/api/v2/organizations/{organization}"), None);
    }
    for person in ids(world, "Persons").iter().step_by(11).take(6) {
        world.call("DELETE", &format!("/api/v2/persons/{person}"), None);
    }
    for deal in ids(world, "Deals").iter().step_by(10).take(6) {
        world.call("DELETE", &format!("/api/v2/deals/{deal}"), None);
    }
    for note in ids(world, "Notes").iter().step_by(8).take(8) {
        world.call("DELETE", &format!("/v1/notes/{note}"), None);
    }
    for activity in ids(world, "Activities").iter().step_by(13).take(8) {
        world.call("DELETE", &format!("/api/v2/activities/{activity}"), None);
    }
    for file in ids(world, "Files").iter().step_by(5).take(3) {
        world.call("DELETE", &format!("/v1/files/{file}"), None);
    }
    let product = ids(world, "Products")[0];
    world.call("PATCH", &format!("/api/v2/products/{product}"), Some(&json!({"name": "Broken", "unit": "box"})));
    let organization = world.call("POST", "/api/v2/organizations", Some(&json!({"name": "Junk"})));
    world.call("POST", "/v1/notes", Some(&json!({"content": "junk", "org_id": organization["data"]["id"]})));
}

#[test]
fn a_vandalised_company_comes_back() {
    let world = World::of(1_500);
    let goal = world.snapshot();
    vandalise(&world);
    let policy = Policy { delete_added: true, ..Policy::default() };
    let plan = planned(&world, &goal, &policy);
    eprintln!("{:#?}", plan.summary());
    let replayed = replayed(&world, &plan);
    assert_eq!(replayed.stopped, None);
    let total = total(&replayed);
    eprintln!("{total:?} {:#?}", replayed.report.as_ref().expect("a report").fields);
    assert!(total.is_clean(), "{total:?}");
    // Owners that follow what was made and persons that take part in it were removed again.
    assert!(replayed.report.as_ref().expect("a report").expelled > 0);
    let bill = replayed.report.as_ref().expect("a report").bill;
    // What the plan said it would cost is what it did cost, give or take a tenth.
    assert!(bill.spent.tokens.abs_diff(bill.planned.tokens) * 10 <= bill.spent.tokens, "{bill:?}");
    assert_eq!(left(&world, &goal, &policy), Vec::<String>::new());
}

/// Rows of every kind that are alive, by the judge.
pub(crate) fn living(world: &World) -> Vec<(String, usize)> {
    let judge = world.judge();
    let kinds = judge.as_object().expect("kinds").iter();
    let alive = |row: &&serde_json::Value| row["is_deleted"] != json!(true) && row["active_flag"] != json!(false);
    kinds
        .map(|(kind, rows)| (kind.clone(), rows.as_array().map_or(0, |rows| rows.iter().filter(alive).count())))
        .collect()
}

/// Goes back after the accident with faults in the way, run after run until it is done; the truth must be the same
/// as without faults.
fn with_faults(faults: &[&str]) -> (Vec<(String, usize)>, usize) {
    let world = World::of(600);
    let goal = world.snapshot();
    vandalise(&world);
    let plan = planned(&world, &goal, &Policy::default());
    world.order(faults);
    let mut runs = 1;
    let mut last = replayed(&world, &plan);
    while last.stopped.is_some() && runs < 100 {
        last = replayed(&world, &plan);
        runs += 1;
    }
    world.clear_faults();
    assert_eq!(last.stopped, None);
    assert!(total(&last).is_clean());
    (living(&world), runs)
}

#[test]
fn lost_answers_make_no_record_twice_and_leave_none_out() {
    let (plain, runs) = with_faults(&[]);
    assert_eq!(runs, 1);
    for fault in [
        "POST * after=1 times=25 lose-answer",
        "PATCH * after=0 times=9 lose-answer",
        "POST * after=3 times=6 cut=10",
        "POST * after=5 times=5 drop",
        "POST * after=2 times=3 status=500",
    ] {
        let (faulty, _) = with_faults(&[fault]);
        assert_eq!(faulty, plain, "{fault}");
    }
}

/// A future that dies when it was polled so many times, as a process dies: at any await.
struct Mortal<F> {
    body: std::pin::Pin<Box<F>>,
    polls: usize,
}

impl<F: Future> Future for Mortal<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: std::pin::Pin<&mut Self>, context: &mut std::task::Context<'_>) -> std::task::Poll<Self::Output> {
        if self.polls == 0 {
            return std::task::Poll::Ready(None);
        }
        self.polls -= 1;
        self.body.as_mut().poll(context).map(Some)
    }
}

#[test]
fn killed_again_and_again_a_restore_makes_no_record_twice_and_leaves_none_out() {
    let (plain, _) = with_faults(&[]);
    let world = World::of(600);
    let goal = world.snapshot();
    vandalise(&world);
    let plan = planned(&world, &goal, &Policy::default());
    let name = plan.digest()[..16].to_owned();
    let archive = world.archive();
    drop(Journal::create(&archive, &plan, clock()).expect("a journal"));
    let mut kills = 0;
    loop {
        let (mut journal, _) = Journal::resume(&archive, &name, clock()).expect("a journal");
        let account = world.account();
        let writer = account.writer(&Consent::given());
        let site = Site { account: &account, writer: &writer, archive: &archive };
        let body = Box::pin(restore::replay(&plan, &mut journal, &site, &Silent));
        // Every run lives a little longer or shorter than the one before.
        let ended = world.run(Mortal { body, polls: 12 + (kills * 7) % 31 });
        if let Some(replayed) = ended {
            assert!(total(&replayed.expect("a replay")).is_clean());
            break;
        }
        kills += 1;
        assert!(kills < 2_000, "it never ends");
        // The request that was on its way arrives before anybody can start the program again.
        world.judge();
    }
    eprintln!("killed {kills} times over {} steps", plan.steps.len());
    assert!(kills > 5);
    assert_eq!(living(&world), plain);
}

#[test]
fn a_record_that_was_edited_since_the_plan_is_left_as_it_is() {
    let world = World::of(600);
    let goal = world.snapshot();
    let deals = ids(&world, "Deals");
    for deal in &deals[..3] {
        world.call("PATCH", &format!("/api/v2/deals/{deal}"), Some(&json!({"title": "oops"})));
    }
    let plan = planned(&world, &goal, &Policy::default());
    // A colleague repairs one by hand, and deletes another, between plan and replay.
    world.advance_seconds(60);
    world.call("PATCH", &format!("/api/v2/deals/{}", deals[0]), Some(&json!({"title": "by hand"})));
    world.call("DELETE", &format!("/api/v2/deals/{}", deals[1]), None);
    let replayed = replayed(&world, &plan);
    let report = replayed.report.expect("a report");
    assert_eq!((report.total.conflicts, report.total.equal, report.total.failed), (2, 1, 0), "{:?}", report.findings);
    let judge = world.judge();
    let row =
        |id: u64| judge["Deals"].as_array().expect("deals").iter().find(|row| row["id"] == json!(id)).expect("a deal");
    assert_eq!(row(deals[0])["title"], json!("by hand"));
    assert_ne!(row(deals[2])["title"], json!("oops"));
}

#[test]
fn a_spent_budget_stops_the_restore_and_the_next_day_goes_on() {
    let world = World::of(600);
    let goal = world.snapshot();
    vandalise(&world);
    let plan = planned(&world, &goal, &Policy::default());
    let archive = world.archive();
    let mut journal = Journal::create(&archive, &plan, clock()).expect("a journal");
    let account = world.account_with(Allowance::Tokens(60));
    let writer = account.writer(&Consent::given());
    let site = Site { account: &account, writer: &writer, archive: &archive };
    let stopped = world.run(restore::replay(&plan, &mut journal, &site, &Silent)).expect("a replay");
    assert!(matches!(stopped.stopped, Some(Stop::BudgetSpent(_))), "{:?}", stopped.stopped);
    assert!(stopped.done < stopped.steps && stopped.report.is_none());
    assert!(matches!(journal.standing(), Standing::Partly { .. } | Standing::Fresh));
    drop(journal);
    let ended = replayed(&world, &plan);
    assert!(ended.stopped.is_none() && total(&ended).is_clean());
}

#[test]
fn whatever_the_service_answers_to_the_open_questions_a_restore_holds() {
    let assumptions = [
        "undelete=no",
        "undelete=v1put,orphans=keep",
        "owner-follows=no,person-participates=no",
        "unset-custom=null,won-time=plain",
        "touch-parent=yes,done-stamps=no,archived-single=no",
        "references=unchecked,null-clears=no",
    ];
    for assumption in assumptions {
        let assume = assumption.parse().expect("assumptions");
        let world = World::with(Options { records: 600, assume, ..Options::default() });
        let goal = world.snapshot();
        vandalise(&world);
        let plan = planned(&world, &goal, &Policy::default());
        let replayed = replayed(&world, &plan);
        assert!(total(&replayed).is_clean(), "{assumption}");
        let left = left(&world, &goal, &Policy::default());
        assert_eq!(left, Vec::<String>::new(), "{assumption}");
    }
}
