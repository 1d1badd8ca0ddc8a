//! Randomness that can be drawn again: a stream of numbers for each (seed, purpose, index).
//!
//! A company's counters must agree with rows that are made much later, and nothing made may be kept. So each row draws from its own
//! stream, and whoever needs a fact of a row throws the same dice again. A generator with a state to carry (`rand_chacha`) would have
//! to be wound forward or set up anew for each row, which costs more than the row; SplitMix64 is set up by two multiplications, and
//! nothing here needs to be unguessable.

/// One stream of numbers.
#[derive(Clone, Debug)]
pub(super) struct Dice(u64);

/// The increment of SplitMix64: 2^64 divided by the golden ratio.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// The finaliser of SplitMix64 (variant 13 of Stafford's mixers).
const fn mix(mut word: u64) -> u64 {
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

impl Dice {
    /// The stream of the `index`th thing for one purpose; equal arguments give an equal stream.
    pub(super) fn of(seed: u64, purpose: &str, index: u64) -> Dice {
        let salt = purpose.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        Dice(mix(mix(seed ^ salt).wrapping_add(index.wrapping_mul(GOLDEN))))
    }

    /// The next number.
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(GOLDEN);
        mix(self.0)
    }

    /// A number below `bound`; 0 when the bound is 0.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(bound)) >> 64) as u64
    }

    /// A number from `low` to `high`, both included.
    pub(super) fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high - low + 1)
    }

    /// A number below `bound` that is small more often than large: few organizations have many deals.
    pub(super) fn skewed(&mut self, bound: u64) -> u64 {
        let first = self.below(bound);
        let second = self.below(bound);
        first.min(second)
    }

    /// True in `permille` of 1,000 cases.
    pub(super) fn chance(&mut self, permille: u64) -> bool {
        self.below(1000) < permille
    }

    /// One of the choices.
    pub(super) fn pick<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.below(choices.len() as u64) as usize]
    }

    /// `digits` hexadecimal digits.
    pub(super) fn hex(&mut self, digits: usize) -> String {
        let mut text = String::with_capacity(digits + 16);
        while text.len() < digits {
            text.push_str(&format!("{:016x}", self.next()));
        }
        text.truncate(digits);
        text
    }

    /// A UUID of version 4.
    pub(super) fn uuid(&mut self) -> String {
        let bits = (u128::from(self.next()) << 64) | u128::from(self.next());
        uuid::Builder::from_random_bytes(bits.to_be_bytes()).into_uuid().to_string()
    }
}
