//! What the snapshot below holds under each parent, as flat as it can be kept.
//!
//! An account may have millions of children, most of them never looked at
//! again. Nearly all are known by two numbers: sixteen bytes each in one list,
//! found by halving it.

use crate::record::Key;

/// Held children by their parents.
#[derive(Default)]
pub(super) struct Held {
    /// Parent and own number.
    pairs: Vec<(u64, u64)>,
    /// The few with other keys: the parent's, and the whole key.
    others: Vec<(Key, Key)>,
}

impl Held {
    /// Notes a child.
    pub(super) fn note(&mut self, parent: Key, child: Key) {
        match child {
            Key::Pair(parent, own) => self.pairs.push((parent, own)),
            other => self.others.push((parent, other)),
        }
    }

    /// Brings the children into the order of their parents; before this none is found.
    pub(super) fn settle(&mut self) {
        self.pairs.sort_unstable();
        self.others.sort_unstable();
    }

    /// How many children a parent has.
    pub(super) fn count(&self, parent: &Key) -> usize {
        self.pairs_of(parent).len() + self.others_of(parent).len()
    }

    /// The keys of a parent's children.
    pub(super) fn under(&self, parent: &Key) -> impl Iterator<Item = Key> + '_ {
        let pairs = self.pairs_of(parent).iter().map(|(parent, own)| Key::Pair(*parent, *own));
        pairs.chain(self.others_of(parent).iter().map(|(_, child)| child.clone()))
    }

    fn pairs_of(&self, parent: &Key) -> &[(u64, u64)] {
        match parent {
            Key::Number(parent) => run(&self.pairs, parent),
            Key::Pair(..) | Key::Text(_) => &[],
        }
    }

    fn others_of(&self, parent: &Key) -> &[(Key, Key)] {
        run(&self.others, parent)
    }
}

/// The entries of one parent in a list in the order of parents.
fn run<'a, P: Ord, C>(list: &'a [(P, C)], parent: &P) -> &'a [(P, C)] {
    let begin = list.partition_point(|entry| entry.0 < *parent);
    let length = list[begin..].partition_point(|entry| entry.0 == *parent);
    &list[begin..begin + length]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn children_are_found_under_their_parents_whatever_their_keys() {
        let mut held = Held::default();
        for (parent, child) in [("7", "7:2"), ("a-b", "a-b:1"), ("3", "3:9"), ("a", "a:x"), ("7", "7:1")] {
            held.note(Key::parse(parent), Key::parse(child));
        }
        held.settle();
        let under = |parent: &str| held.under(&Key::parse(parent)).map(|key| key.to_string()).collect::<Vec<_>>();
        assert_eq!(under("7"), ["7:1", "7:2"]);
        assert_eq!(under("a"), ["a:x"]);
        assert_eq!(under("a-b"), ["a-b:1"]);
        assert_eq!(under("8"), [""; 0]);
        assert_eq!([held.count(&Key::Number(3)), held.count(&Key::Number(4))], [1, 0]);
    }
}
