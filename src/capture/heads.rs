//! What parents said about their children when they were listed.
//!
//! A list under each parent is the dearest thing a capture reads, and a counter
//! in the parent's row tells for nothing where there is anything to read. Of
//! each parent only its id, its counter and whether it is new or changed are
//! kept: a few bytes, so that a million records do not fill the memory, and so
//! that a killed capture finds them in its notes instead of listing again.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::record::Key;

/// A counter that the row did not have.
const UNKNOWN: u32 = u32::MAX >> 1;

/// One parent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Head {
    pub(super) key: Key,
    /// How many children its row counted; `None` when it did not say.
    pub(super) count: Option<u32>,
    /// New or changed since the snapshot below.
    pub(super) touched: bool,
}

/// The parents of one kind, as far as they were listed.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub(super) struct Heads {
    /// Parents with numbers for keys; count and touched share a word.
    numbers: Vec<(u64, u32)>,
    /// The few with other keys.
    others: Vec<(Key, u32)>,
}

impl Heads {
    /// Notes a parent; one that is listed twice counts as it was listed last, and stays touched.
    pub(super) fn note(&mut self, key: &Key, count: Option<u32>, touched: bool) {
        let word = count.map_or(UNKNOWN, |count| count.min(UNKNOWN - 1)) << 1 | u32::from(touched);
        match key {
            Key::Number(number) => self.numbers.push((*number, word)),
            other => self.others.push((other.clone(), word)),
        }
    }

    /// Takes all parents of another kind in.
    pub(super) fn join(&mut self, other: Heads) {
        self.numbers.extend(other.numbers);
        self.others.extend(other.others);
    }

    /// Brings the parents into key order, each once.
    pub(super) fn settle(&mut self) {
        settle(&mut self.numbers);
        settle(&mut self.others);
    }

    /// What is known of one parent; only after [`Heads::settle`].
    pub(super) fn find(&self, key: &Key) -> Option<Head> {
        let word = match key {
            Key::Number(number) => find(&self.numbers, number)?,
            other => find(&self.others, other)?,
        };
        Some(head(key.clone(), word))
    }

    /// All of them, numbers first.
    pub(super) fn iter(&self) -> impl Iterator<Item = Head> + '_ {
        let numbers = self.numbers.iter().map(|(number, word)| head(Key::Number(*number), *word));
        numbers.chain(self.others.iter().map(|(key, word)| head(key.clone(), *word)))
    }

    fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.numbers.len() * 3 + 8);
        put(&mut bytes, self.numbers.len() as u64);
        let mut before = 0;
        for (number, word) in &self.numbers {
            // Wrapping: parents come in the order they were listed until they are settled.
            put(&mut bytes, number.wrapping_sub(before));
            put(&mut bytes, u64::from(*word));
            before = *number;
        }
        for (key, word) in &self.others {
            let key = key.to_bytes();
            put(&mut bytes, key.len() as u64);
            bytes.extend_from_slice(&key);
            put(&mut bytes, u64::from(*word));
        }
        bytes
    }

    fn from_bytes(mut bytes: &[u8]) -> Option<Heads> {
        let mut heads = Heads::default();
        let mut before = 0u64;
        for _ in 0..get(&mut bytes)? {
            before = before.wrapping_add(get(&mut bytes)?);
            heads.numbers.push((before, u32::try_from(get(&mut bytes)?).ok()?));
        }
        while !bytes.is_empty() {
            let length = usize::try_from(get(&mut bytes)?).ok()?;
            let (key, rest) = bytes.split_at_checked(length)?;
            bytes = rest;
            heads.others.push((Key::from_bytes(key)?, u32::try_from(get(&mut bytes)?).ok()?));
        }
        Some(heads)
    }
}

fn head(key: Key, word: u32) -> Head {
    let count = word >> 1;
    Head { key, count: (count != UNKNOWN).then_some(count), touched: word & 1 == 1 }
}

fn settle<K: Ord>(list: &mut Vec<(K, u32)>) {
    list.sort_by(|left, right| left.0.cmp(&right.0));
    list.dedup_by(|later, kept| {
        let same = later.0 == kept.0;
        if same {
            kept.1 = later.1 | kept.1 & 1;
        }
        same
    });
    list.shrink_to_fit();
}

fn find<K: Ord>(list: &[(K, u32)], key: &K) -> Option<u32> {
    list.binary_search_by(|entry| entry.0.cmp(key)).ok().map(|at| list[at].1)
}

/// Appends a number, seven bits a byte.
fn put(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

fn get(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

impl Serialize for Heads {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode(self.to_bytes()))
    }
}

impl<'de> Deserialize<'de> for Heads {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Heads, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = hex::decode(text).map_err(de::Error::custom)?;
        Heads::from_bytes(&bytes).ok_or_else(|| de::Error::custom("parents cut short"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noted(parents: &[(&str, Option<u32>, bool)]) -> Heads {
        let mut heads = Heads::default();
        for (key, count, touched) in parents {
            heads.note(&Key::parse(key), *count, *touched);
        }
        heads
    }

    #[test]
    fn a_parent_listed_twice_counts_as_listed_last_and_stays_touched() {
        let mut heads = noted(&[("7", Some(1), true), ("3", None, false), ("7", Some(2), false)]);
        heads.settle();
        assert_eq!(heads.iter().count(), 2);
        assert_eq!(heads.find(&Key::Number(7)), Some(Head { key: Key::Number(7), count: Some(2), touched: true }));
        assert_eq!(heads.find(&Key::Number(3)), Some(Head { key: Key::Number(3), count: None, touched: false }));
        assert_eq!(heads.find(&Key::Number(4)), None);
    }

    #[test]
    fn parents_survive_the_notes_of_a_checkpoint() {
        let heads = noted(&[("900", Some(0), true), ("3", None, false), ("a-b", Some(70_000), true)]);
        let text = serde_json::to_string(&heads).expect("text");
        assert_eq!(serde_json::from_str::<Heads>(&text).expect("parents"), heads);
        assert!(serde_json::from_str::<Heads>("\"0280\"").is_err());
    }

    #[test]
    fn a_hundred_thousand_parents_take_a_few_bytes_each() {
        let mut heads = Heads::default();
        (0..100_000).for_each(|id| heads.note(&Key::Number(50_000 + id * 3), Some(2), false));
        assert!(heads.to_bytes().len() < 250_000);
    }
}
