//! What strangers may hand to pdbak: the targets of `tests/fuzz`, fed with the committed seeds and what chance makes of them.
//!
//! cargo-fuzz needs another toolchain and time; this is what every run of the tests can do. The name of a seed says what
//! becomes of it: `taken-…` is read, `refused-…` is an error.

/// The targets as cargo-fuzz runs them.
#[path = "fuzz/src/lib.rs"]
#[allow(unreachable_pub, reason = "a library there, a module here")]
mod targets;

use std::fs;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::source::root;

/// Numbers at which counts and lengths go wrong.
const ABSURD: [&str; 8] = [
    "0",
    "-1",
    "4294967295",
    "4294967296",
    "9223372036854775807",
    "18446744073709551615",
    "1e999",
    "99999999999999999999",
];
/// What is made of each seed.
const CHANGED: usize = 300;

/// The seeds of a target by their names.
fn seeds(target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = root().join("tests/fuzz/seeds").join(target);
    let entries = fs::read_dir(folder).expect("seeds").map(|entry| entry.expect("a seed"));
    let mut seeds: Vec<_> = entries
        .map(|entry| (entry.file_name().to_string_lossy().into_owned(), fs::read(entry.path()).expect("a seed")))
        .collect();
    seeds.sort();
    seeds
}

/// The seed with a bit, a range or a number of it changed, up to three times.
fn changed(dice: &mut ChaCha8Rng, seed: &[u8], other: &[u8]) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..dice.random_range(1..=3) {
        let at = dice.random_range(0..bytes.len().max(1));
        let end = (at + dice.random_range(0..64)).min(bytes.len());
        match dice.random_range(0..6) {
            0 if at < bytes.len() => bytes[at] ^= 1 << dice.random_range(0..8),
            1 => drop(bytes.drain(at.min(end)..end)),
            2 => bytes.truncate(at),
            3 => {
                let from = dice.random_range(0..other.len().max(1));
                let piece = other[from.min(other.len())..(from + 48).min(other.len())].to_vec();
                drop(bytes.splice(at.min(end)..at.min(end), piece));
            }
            _ => absurd(dice, &mut bytes),
        }
    }
    bytes
}

/// Puts an absurd number in the place of one that is there.
fn absurd(dice: &mut ChaCha8Rng, bytes: &mut Vec<u8>) {
    let starts = |at: &usize| bytes[*at].is_ascii_digit() && (*at == 0 || !bytes[*at - 1].is_ascii_digit());
    let numbers: Vec<usize> = (0..bytes.len()).filter(starts).collect();
    if numbers.is_empty() {
        return;
    }
    let at = numbers[dice.random_range(0..numbers.len())];
    let end = (at..bytes.len()).find(|end| !bytes[*end].is_ascii_digit()).unwrap_or(bytes.len());
    let number = ABSURD[dice.random_range(0..ABSURD.len())];
    drop(bytes.splice(at..end, number.bytes()));
}

#[test]
fn seeds_are_taken_or_refused_as_their_names_say() {
    let mut wrong = Vec::new();
    for (name, target) in targets::TARGETS {
        for (seed, bytes) in seeds(name) {
            let became = if target(&bytes) { "taken-" } else { "refused-" };
            if !seed.starts_with(became) {
                wrong.push(format!("{name}/{seed} is {became}"));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn whatever_chance_makes_of_the_seeds_ends_in_a_value_or_an_error() {
    let mut dice = ChaCha8Rng::seed_from_u64(7);
    for (name, target) in targets::TARGETS {
        let seeds = seeds(name);
        // Every bundle is taken out onto a disk.
        let times = if *name == "bundle" { CHANGED / 10 } else { CHANGED };
        // What unpacks to a great deal takes its time, and is asked once above.
        for (_, seed) in seeds.iter().filter(|(seed, _)| !seed.ends_with("bomb")) {
            for _ in 0..times {
                let other = &seeds[dice.random_range(0..seeds.len())].1;
                target(&changed(&mut dice, seed, other));
            }
        }
    }
}
