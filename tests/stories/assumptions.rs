//! Whatever the service turns out to answer to an open question, a restore holds: every answer that is not the default.

use std::collections::BTreeSet;
use std::sync::Mutex;

use pdbak::restore::{Finding, Plan, Policy, Reason, Step, Verdict};
use pdbak::sandbox::{ASSUMPTIONS, Options};
use serde_json::{Value, json};

use super::capture::ids;
use super::restore::{left, planned, replayed, vandalise};
use super::restore_settings::{make_filters, unsettle};
use crate::support::World;

/// Stories that run at one time: they mostly wait for the disk.
const AT_ONCE: usize = 4;

/// As few as there can be with some of everything that the accidents take.
const RECORDS: u64 = 150;

/// What cannot come back under an answer, and what the report has to say of each such record.
fn expected(answer: &str, plan: &Plan) -> (&'static str, BTreeSet<String>) {
    let of = |wanted: &dyn Fn(&Step) -> bool| {
        plan.steps.iter().filter(|step| wanted(step)).map(|step| step.record().to_string()).collect()
    };
    match answer {
        // Nothing takes a record out of the archive, so what has to leave it stays as it is.
        "unarchive=no" => ("cannot be edited", of(&|step| step.reason == Reason::Unarchive)),
        // Nothing but this machine can be reached from a sandbox.
        "webhook-check=yes" => {
            ("invalid or non-reachable URL", of(&|step| step.record().object.as_str() == "webhooks"))
        }
        _ => ("", BTreeSet::new()),
    }
}

/// Everything that went wrong under one answer, in words.
fn troubles(answer: &str) -> Vec<String> {
    let assume = answer.parse().expect("an answer");
    let world = World::with(Options { records: RECORDS, assume, ..Options::default() });
    make_filters(&world);
    let goal = world.snapshot();
    vandalise(&world);
    unsettle(&world);
    let policy = Policy { delete_added: true, ..Policy::default() };
    let plan = planned(&world, &goal, &policy);
    let replayed = replayed(&world, &plan);
    let Some(report) = replayed.report else { return vec![format!("it stopped: {:?}", replayed.stopped)] };
    let (words, mut lost) = expected(answer, &plan);
    let bad = report.findings.iter().filter(|one| matches!(one.verdict, Verdict::Failed | Verdict::Conflict));
    let failed: Vec<&Finding> =
        bad.filter(|one| !lost.contains(&one.record) || !one.words.iter().any(|said| said.contains(words))).collect();
    let left = left(&world, &goal, &policy).into_iter();
    let left: Vec<String> = left.filter(|step| step.split(' ').next().is_none_or(|id| !lost.contains(id))).collect();
    for one in &report.findings {
        lost.remove(&one.record);
    }
    let failed = failed
        .into_iter()
        .map(|one| format!("{} {:?} {}", one.record, one.words, serde_json::to_string(&one.fields).expect("JSON")));
    // Where every write stamps the zone of the token's user, the restore's does, too.
    let stamped = |step: &String| answer == "lead-zone=no" && step.contains("_timezone_id");
    let left = left.into_iter().filter(|step| !stamped(step)).map(|step| format!("left: {step}"));
    failed.chain(left).chain(lost.into_iter().map(|record| format!("not told: {record}"))).collect()
}

#[test]
fn whatever_the_service_answers_to_an_open_question_a_restore_brings_everything_back() {
    let answers: Vec<String> = ASSUMPTIONS
        .iter()
        .flat_map(|one| one.answers[1..].iter().map(|answer| format!("{}={answer}", one.name)))
        .collect();
    let waiting = Mutex::new(answers);
    let wrong = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let Some(answer) = waiting.lock().expect("nobody panics with it").pop() else { return };
                    let troubles = std::panic::catch_unwind(|| troubles(&answer))
                        .unwrap_or_else(|_| vec!["it could not be told to its end".to_owned()]);
                    let told = troubles.into_iter().take(6).map(|trouble| format!("{answer}: {trouble}"));
                    wrong.lock().expect("nobody panics with it").extend(told);
                }
            });
        }
    });
    let wrong = wrong.into_inner().expect("nobody panics with it");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_the_service_does_not_let_go_of_is_told_and_never_called_equal() {
    for answer in ["null-clears=yes", "null-clears=no"] {
        let assume = answer.parse().expect("an answer");
        let world = World::with(Options { records: RECORDS, assume, ..Options::default() });
        let person = ids(&world, "Persons")[0];
        let make =
            |title: &str| world.call("POST", "/api/v2/deals", Some(&json!({"title": title})))["data"]["id"].clone();
        let deals = [make("a link only"), make("a link and a title")];
        let call = json!({"subject": "a text", "type": "call"});
        let activity = world.call("POST", "/api/v2/activities", Some(&call))["data"]["id"].clone();
        let goal = world.snapshot();
        let accidents = [json!({"person_id": person}), json!({"person_id": person, "title": "oops"})];
        for (deal, accident) in deals.iter().zip(&accidents) {
            world.call("PATCH", &format!("/api/v2/deals/{deal}"), Some(accident));
        }
        let accident = json!({"subject": "oops", "note": "oops"});
        world.call("PATCH", &format!("/api/v2/activities/{activity}"), Some(&accident));
        let report = replayed(&world, &planned(&world, &goal, &Policy::default())).report.expect("a report");
        let equal = if answer == "null-clears=yes" { 3 } else { 1 };
        assert_eq!((report.total.equal + report.total.by_nature, report.total.failed), (equal, 3 - equal));
        let judge = world.judge();
        // What null does not empty, "" does where a text stands.
        let mut rows = judge["Activities"].as_array().expect("activities").iter();
        let row = rows.find(|row| row["id"] == activity).expect("an activity");
        assert_eq!(row["subject"], json!("a text"), "{answer}");
        assert!(row["note"].as_str().unwrap_or_default().is_empty(), "{answer}: {row}");
        for (deal, title) in deals.iter().zip(["a link only", "a link and a title"]) {
            let mut rows = judge["Deals"].as_array().expect("deals").iter();
            let row = rows.find(|row| row["id"] == *deal).expect("a deal");
            let finding = report.findings.iter().find(|one| one.record == format!("deals/{deal}"));
            // What can be written is, beside what cannot be emptied.
            assert_eq!(row["title"], json!(title), "{answer}");
            let came_back = row["person_id"] == Value::Null;
            assert_eq!(came_back, answer == "null-clears=yes", "{row}");
            if came_back {
                assert!(finding.is_none_or(|one| one.verdict != Verdict::Failed), "{answer}: {finding:?}");
                continue;
            }
            let finding = finding.expect("it is told");
            assert_eq!(finding.verdict, Verdict::Failed);
            assert!(finding.words.iter().any(|said| said.contains("person_id: must not be null")), "{finding:?}");
        }
    }
}
