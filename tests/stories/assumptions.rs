//! Whatever the service turns out to answer to an open question, a restore holds: every answer that is not the default.

use std::sync::Mutex;

use pdbak::restore::{Policy, Verdict};
use pdbak::sandbox::{ASSUMPTIONS, Options};

use super::restore::{left, planned, replayed, vandalise};
use super::restore_settings::{make_filters, unsettle};
use crate::support::World;

/// Stories that run at one time: they mostly wait for the disk.
const AT_ONCE: usize = 4;

/// What is allowed to stay different under an answer, each record with its reason in the plan or in the report.
fn is_explained(answer: &str, record: &str) -> bool {
    match answer {
        // Nothing takes a record out of the archive, so it cannot be edited or deleted.
        "unarchive=no" => record.contains("rchived") || record.contains("deals/") || record.contains("leads/"),
        // Every write stamps the zone of the token's user, the restore's too.
        "lead-zone=no" => record.contains("_timezone_id"),
        // Nothing but this machine can be reached from a sandbox.
        "webhook-check=yes" => record.contains("webhooks/"),
        _ => false,
    }
}

/// Everything that went wrong under one answer, in words.
fn troubles(answer: &str) -> Vec<String> {
    let assume = answer.parse().expect("an answer");
    let world = World::with(Options { records: 300, assume, ..Options::default() });
    make_filters(&world);
    let goal = world.snapshot();
    vandalise(&world);
    unsettle(&world);
    let policy = Policy { delete_added: true, ..Policy::default() };
    let plan = planned(&world, &goal, &policy);
    let replayed = replayed(&world, &plan);
    let Some(report) = replayed.report else { return vec![format!("it stopped: {:?}", replayed.stopped)] };
    let bad = report.findings.iter().filter(|one| matches!(one.verdict, Verdict::Failed | Verdict::Conflict));
    let failed = bad
        .filter(|one| !is_explained(answer, &one.record) || one.words.is_empty())
        .map(|one| format!("{} {:?} {}", one.record, one.words, serde_json::to_string(&one.fields).expect("JSON")));
    let left = left(&world, &goal, &policy).into_iter().filter(|step| !is_explained(answer, step));
    failed.chain(left.map(|step| format!("left: {step}"))).collect()
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
