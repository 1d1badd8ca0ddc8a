//! Random histories: creations, edits, links, deletions, merges, snapshots and restores that die and go on, compared with the truth.
//!
//! A history follows from its seed. `cargo test histories` plays a few; any number, from any seed, is played by
//!
//!     PDBAK_HISTORIES=1000 PDBAK_HISTORY_SEED=1 cargo test --test tests histories -- --nocapture
//!
//! A failure is shrunk by leaving steps out as long as it stays one, and prints the line that plays it again:
//!
//!     PDBAK_HISTORY=17:0,3,9 cargo test --test tests histories -- --nocapture

mod deeds;
mod dice;
mod faults;
mod play;
mod truth;
mod verdict;

use std::panic::{AssertUnwindSafe, catch_unwind};

pub(crate) use faults::large_accident;

use dice::{Step, steps};
use play::Play;

/// How many histories are played when nobody asks for more.
const PLAYED: u64 = 6;

/// Plays these steps of a seed's history; what happened, and what did not hold.
fn play(seed: u64, steps: &[Step]) -> (Vec<String>, Vec<String>) {
    let mut told = Vec::new();
    let played = catch_unwind(AssertUnwindSafe(|| {
        let mut play = Play::of(seed);
        let mut faults = Vec::new();
        for step in steps {
            faults = play.step(step);
            told.clone_from(&play.told);
            if !faults.is_empty() {
                break;
            }
        }
        faults
    }));
    let faults = played.unwrap_or_else(|panic| {
        let words = panic.downcast_ref::<String>().cloned();
        vec![format!("panic: {}", words.unwrap_or_else(|| "without words".to_owned()))]
    });
    (told, faults)
}

/// Leaves out what does not matter to the failure.
fn shrunk(seed: u64, mut kept: Vec<usize>, all: &[Step]) -> Vec<usize> {
    let chosen = |kept: &[usize]| -> Vec<Step> { kept.iter().map(|at| all[*at]).collect() };
    let mut size = kept.len() / 2;
    while size > 0 {
        let mut from = 0;
        while from < kept.len() {
            let fewer: Vec<usize> = kept
                .iter()
                .enumerate()
                .filter(|(at, _)| !(from..from + size).contains(at))
                .map(|(_, at)| *at)
                .collect();
            if play(seed, &chosen(&fewer)).1.is_empty() { from += size } else { kept = fewer }
        }
        size /= 2;
    }
    kept
}

/// Plays a history whole, or what is kept of it; in words, why it failed.
fn failure(seed: u64, kept: Option<Vec<usize>>) -> Option<String> {
    let all = steps(seed);
    let whole = kept.is_none();
    let kept = kept.unwrap_or_else(|| (0..all.len()).collect());
    let chosen: Vec<Step> = kept.iter().map(|at| all[*at]).collect();
    let (_, faults) = play(seed, &chosen);
    if faults.is_empty() {
        return None;
    }
    let least = if whole { shrunk(seed, kept, &all) } else { kept };
    let chosen: Vec<Step> = least.iter().map(|at| all[*at]).collect();
    let (told, again) = play(seed, &chosen);
    let faults = if again.is_empty() { faults } else { again };
    let indexes: Vec<String> = least.iter().map(ToString::to_string).collect();
    Some(format!(
        "history {seed} fails:\n  {}\nafter\n  {}\nplay it again: PDBAK_HISTORY={seed}:{} cargo test --test tests histories -- --nocapture",
        faults.join("\n  "),
        told.join("\n  "),
        indexes.join(",")
    ))
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is no number: {text}")))
}

#[test]
fn after_each_restore_of_a_random_history_the_account_is_what_the_truth_says() {
    if let Ok(one) = std::env::var("PDBAK_HISTORY") {
        let (seed, kept) = one.split_once(':').map_or((one.as_str(), None), |(seed, kept)| (seed, Some(kept)));
        let kept = kept.map(|kept| kept.split(',').map(|at| at.parse().expect("the number of a step")).collect());
        let failed = failure(seed.parse().expect("a seed"), kept);
        return assert!(failed.is_none(), "{}", failed.unwrap_or_default());
    }
    let (many, first) = (number("PDBAK_HISTORIES").unwrap_or(PLAYED), number("PDBAK_HISTORY_SEED").unwrap_or(1));
    let mut failed = 0;
    for seed in first..first + many {
        if let Some(words) = failure(seed, None) {
            eprintln!("{words}\n");
            failed += 1;
        }
    }
    assert_eq!(failed, 0, "{failed} of {many} histories failed");
}
