//! Requests that take place after everybody has given them up.

use std::sync::{Arc, Mutex};

use pdbak::account::Consent;
use pdbak::catalogue::ObjectName;
use pdbak::monitor::Monitor;
use pdbak::restore::{self, Journal, Policy, Report, Site, Stop, Verdict};
use pdbak::sandbox::Options;
use serde_json::{Value, json};

use super::capture::ids;
use super::restore::{clock, left, living, planned, replayed, total};
use crate::support::World;

/// Keeps what is said.
#[derive(Default)]
struct Listening(Mutex<Vec<String>>);

impl Monitor for Listening {
    fn began(&self, _object: &ObjectName, _expected: Option<u64>) {}

    fn advanced(&self, _object: &ObjectName, _records: u64, _tokens: u64) {}

    fn ended(&self, _object: &ObjectName, _outcome: &str) {}

    fn warned(&self, text: &str) {
        self.0.lock().expect("nobody panics with it").push(text.to_owned());
    }
}

/// Deletes a note and brings it back while its POST comes late: after so many more requests.
fn late(requests: u64) -> (Report, Vec<String>, World, Vec<(String, usize)>) {
    let world = World::of(200);
    let goal = world.snapshot();
    let before = living(&world);
    // A note that nobody commented on comes back by one request.
    let judge = world.judge();
    let commented: Vec<&Value> =
        judge["NoteComments"].as_array().expect("comments").iter().map(|row| &row["note_id"]).collect();
    let quiet = |id: &u64| !commented.iter().any(|note| note.as_u64() == Some(*id));
    let note = ids(&world, "Notes").into_iter().find(quiet).expect("a note without comments");
    world.call("DELETE", &format!("/v1/notes/{note}"), None);
    let plan = planned(&world, &goal, &Policy::default());
    assert_eq!(plan.steps.len(), 1, "{:?}", plan.steps);
    world.order(&[&format!("POST * late={requests}")]);
    let (account, archive, listening) = (world.account(), world.archive(), Listening::default());
    let mut journal = Journal::create(&archive, &plan, clock()).expect("a journal");
    let writer = account.writer(&Consent::given());
    let site = Site { account: &account, writer: &writer, archive: &archive };
    let replayed = world.run(restore::replay(&plan, &mut journal, &site, &listening)).expect("a replay");
    if requests < 3 {
        assert_eq!(left(&world, &goal, &Policy { delete_added: true, ..Policy::default() }), Vec::<String>::new());
    }
    let said = listening.0.into_inner().expect("nobody panics with it");
    (Arc::unwrap_or_clone(replayed.report.expect("a report")), said, world, before)
}

#[test]
fn a_request_that_takes_place_after_it_was_looked_for_is_waited_for_and_not_sent_again() {
    // Looking costs one request: the write takes place right after it.
    let (report, said, world, before) = late(1);
    assert!(report.total.is_clean(), "{report:?}");
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].ends_with("no answer came; looking again in 30 s before it is sent again"), "{said:?}");
    assert_eq!(living(&world), before);
}

#[test]
fn a_request_that_takes_place_after_it_was_sent_again_is_told_as_a_twin() {
    // Two looks and the second try: the first write takes place behind them all, and before the last look.
    let (report, _, world, before) = late(3);
    assert_eq!(living(&world).len(), before.len());
    let notes = |rows: &[(String, usize)]| rows.iter().find(|(kind, _)| kind == "Notes").map(|(_, many)| *many);
    assert_eq!(notes(&living(&world)), notes(&before).map(|many| many + 1));
    assert_eq!((report.total.failed, report.findings.len()), (1, 1), "{report:?}");
    let finding = &report.findings[0];
    assert_eq!(finding.verdict, Verdict::Failed);
    let made = finding.live.as_ref().expect("it was made").0.to_string();
    let judge = world.judge();
    let rows = judge["Notes"].as_array().expect("notes").iter().filter(|row| row["active_flag"] == json!(true));
    let newest = rows.filter_map(|row| row["id"].as_u64()).max().expect("a note");
    assert_ne!(made, format!("notes/{newest}"));
    assert!(finding.words[0].starts_with(&format!("notes/{newest} shows the same")), "{finding:?}");
}

#[test]
fn an_update_that_took_place_while_none_of_its_tries_was_answered_is_known_again_by_the_next_run() {
    let world = World::of(200);
    let goal = world.snapshot();
    let deal = ids(&world, "Deals")[0];
    world.call("PATCH", &format!("/api/v2/deals/{deal}"), Some(&json!({"title": "oops"})));
    let plan = planned(&world, &goal, &Policy::default());
    assert_eq!(plan.steps.len(), 1);
    // The first try takes place; the second is told to come back later than anybody waits.
    world.advance_seconds(60);
    world.order(&["PATCH * lose-answer", "PATCH * status=503 retry-after=3600"]);
    let stopped = replayed(&world, &plan).stopped;
    assert!(matches!(stopped, Some(Stop::Unreachable(_))), "{stopped:?}");
    world.clear_faults();
    let again = replayed(&world, &plan);
    assert_eq!(again.stopped, None);
    let report = again.report.expect("a report");
    assert_eq!((report.total.equal, report.total.conflicts), (1, 0), "{:?}", report.findings);
}

#[test]
fn a_record_that_somebody_else_has_put_right_since_the_plan_is_no_conflict() {
    let world = World::of(200);
    let deal = ids(&world, "Deals")[0];
    let at = format!("/api/v2/deals/{deal}");
    let title = world.call("GET", &at, None)["data"]["title"].clone();
    let goal = world.snapshot();
    world.call("PATCH", &at, Some(&json!({"title": "oops"})));
    let plan = planned(&world, &goal, &Policy::default());
    world.advance_seconds(60);
    world.call("PATCH", &at, Some(&json!({"title": title})));
    let report = replayed(&world, &plan).report.expect("a report");
    assert_eq!((report.total.equal, report.total.conflicts), (1, 0), "{:?}", report.findings);
}

#[test]
fn a_list_that_cannot_be_read_after_a_lost_answer_ends_the_run_and_not_the_step() {
    let world =
        World::with(Options { records: 400, assume: "undelete=no".parse().expect("answers"), ..Options::default() });
    let goal = world.snapshot();
    let before = living(&world);
    let note = world.judge()["Notes"][0]["id"].clone();
    world.call("DELETE", &format!("/v1/notes/{note}"), None);
    let plan = planned(&world, &goal, &Policy::default());
    // The note is made and nobody hears of it; whoever looks gets half a list, in this run and in the next.
    for _ in 0..2 {
        world.order(&["POST /api/v1/notes times=1 lose-answer", "GET /api/v1/notes times=50 malformed"]);
        let stopped = replayed(&world, &plan);
        assert!(matches!(stopped.stopped, Some(Stop::Unreachable(_))), "{:?}", stopped.stopped);
    }
    world.clear_faults();
    assert!(total(&replayed(&world, &plan)).is_clean());
    assert_eq!(living(&world), before);
}
