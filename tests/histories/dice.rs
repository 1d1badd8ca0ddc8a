//! What a history is made of, drawn from its seed: kinds of steps, each with dice of its own.
//!
//! A step names nothing but its dice and meets whatever is there when its turn comes. So steps can be left out without
//! changing those that stay, and a failing history shrinks to the few steps that matter.

use std::fmt;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;

/// One thing that happens to the account.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Deed {
    Create,
    Edit,
    Link,
    Delete,
    Merge,
    /// Time passes: up to a day.
    Wait,
    Snapshot,
    Restore,
}

/// A deed, and the seed of its dice.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    pub(super) deed: Deed,
    pub(super) dice: u64,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}({:x})", self.deed, self.dice)
    }
}

/// Dice that fall the same way each time.
pub(super) struct Dice(ChaCha8Rng);

impl Dice {
    pub(super) fn of(seed: u64) -> Dice {
        Dice(ChaCha8Rng::seed_from_u64(seed))
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A number below the bound; the bound is small, and what the remainder favours does not matter here.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }

    /// True so often in a hundred.
    pub(super) fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub(super) fn pick<'a, T>(&mut self, choices: &'a [T]) -> Option<&'a T> {
        let at = self.below(choices.len());
        choices.get(at)
    }

    /// One of the rows' values of a field.
    pub(super) fn value(&mut self, rows: &[Value], field: &str) -> Value {
        self.pick(rows).map_or(Value::Null, |row| row[field].clone())
    }
}

/// The steps of a history: what happens, a snapshot, what happens then, a restore; once or twice.
pub(super) fn steps(seed: u64) -> Vec<Step> {
    let mut dice = Dice::of(seed);
    let mut steps = Vec::new();
    let happens = |dice: &mut Dice, steps: &mut Vec<Step>, most: usize| {
        for _ in 0..2 + dice.below(most) {
            let deed = match dice.below(100) {
                0..28 => Deed::Create,
                28..52 => Deed::Edit,
                52..66 => Deed::Link,
                66..90 => Deed::Delete,
                90..96 => Deed::Merge,
                _ => Deed::Wait,
            };
            steps.push(Step { deed, dice: dice.next() });
        }
    };
    for _ in 0..1 + dice.below(2) {
        happens(&mut dice, &mut steps, 10);
        steps.push(Step { deed: Deed::Snapshot, dice: dice.next() });
        happens(&mut dice, &mut steps, 18);
        steps.push(Step { deed: Deed::Restore, dice: dice.next() });
    }
    steps
}
