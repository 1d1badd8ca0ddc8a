//! Content roots: one hash that stands for all records of an object.
//!
//! A Merkle tree over record versions in key order, so that the root depends on
//! the records alone and not on how segments pack them: what was restored can
//! be compared with a manifest without the archive.

use crate::record::{Digest, hash_pairs};

type Node = [u8; 32];

/// So many levels from the leaves up are joined at once, for pairs that are hashed side by side cost a fraction each.
const LEVELS: u32 = 6;
const LEAVES: usize = 1 << LEVELS;

/// Builds a root from leaves as they come; holds one hash a level, and the leaves of the subtree that is not complete.
#[derive(Clone, Default)]
pub(super) struct Merkle {
    /// Roots of complete subtrees, the largest first, with their heights.
    peaks: Vec<(u32, Node)>,
    /// Leaves behind them, fewer than a subtree of `LEVELS` has.
    leaves: Vec<Node>,
}

impl Merkle {
    pub(super) fn push(&mut self, leaf: &Digest) {
        self.push_by(leaf, subtree, |_, left, right| join(left, right));
    }

    /// With ways of its own to make a node of a subtree's leaves, and to join two nodes of a height.
    fn push_by(
        &mut self,
        leaf: &Digest,
        subtree: impl FnOnce(&[Node]) -> Node,
        join: impl FnMut(usize, &Node, &Node) -> Node,
    ) {
        self.leaves.push(leaf.0);
        if self.leaves.len() == LEAVES {
            let node = subtree(&self.leaves);
            self.leaves.clear();
            self.rise((LEVELS, node), join);
        }
    }

    /// Adds a node, which joins those of its height.
    fn rise(&mut self, mut node: (u32, Node), mut join: impl FnMut(usize, &Node, &Node) -> Node) {
        while let Some((height, left)) = self.peaks.pop_if(|(height, _)| *height == node.0) {
            node = (height + 1, join(height as usize, &left, &node.1));
        }
        self.peaks.push(node);
    }

    /// The root as hex; that of no leaves is the hash of nothing.
    pub(super) fn root(mut self) -> String {
        for leaf in std::mem::take(&mut self.leaves) {
            self.rise((0, leaf), |_, left, right| join(left, right));
        }
        let Some((_, mut root)) = self.peaks.pop() else { return blake3::hash(b"").to_hex().to_string() };
        while let Some((_, left)) = self.peaks.pop() {
            root = join(&left, &root);
        }
        hex::encode(root)
    }
}

fn join(left: &Node, right: &Node) -> Node {
    let mut both = [0; 64];
    both[..32].copy_from_slice(left);
    both[32..].copy_from_slice(right);
    *blake3::hash(&both).as_bytes()
}

/// The root of as many leaves as a power of two.
fn subtree(leaves: &[Node]) -> Node {
    let mut nodes = leaves.to_vec();
    while nodes.len() > 1 {
        nodes = hash_pairs(&nodes);
    }
    nodes[0]
}

/// Trees of versions of one list, as the snapshots of a year are: a node that several of them have is hashed once.
pub(super) struct Forest {
    trees: Vec<Merkle>,
    /// The subtree of leaves that was hashed last, and its root.
    last: (Vec<Node>, Node),
    /// By height the two nodes that were joined last, and what came of it.
    joined: Vec<Option<(Node, Node, Node)>>,
}

impl Forest {
    pub(super) fn of(trees: usize) -> Forest {
        Forest { trees: vec![Merkle::default(); trees], last: (Vec::new(), [0; 32]), joined: vec![None; 64] }
    }

    /// Gives one of the trees its next leaf. Told leaf by leaf rather than tree by tree, most is hashed once.
    pub(super) fn push(&mut self, tree: usize, leaf: &Digest) {
        let (last, joined) = (&mut self.last, &mut self.joined);
        let subtree = |leaves: &[Node]| {
            if last.0 != leaves {
                *last = (leaves.to_vec(), subtree(leaves));
            }
            last.1
        };
        self.trees[tree].push_by(leaf, subtree, |height, left, right| match &joined[height] {
            Some((same, twin, node)) if same == left && twin == right => *node,
            _ => {
                let node = join(left, right);
                joined[height] = Some((*left, *right, node));
                node
            }
        });
    }

    /// The root of each.
    pub(super) fn roots(self) -> Vec<String> {
        self.trees.into_iter().map(Merkle::root).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root(leaves: &[u8]) -> String {
        let mut merkle = Merkle::default();
        leaves.iter().for_each(|leaf| merkle.push(&Digest([*leaf; 32])));
        merkle.root()
    }

    #[test]
    fn a_root_is_the_tree_of_its_leaves_in_order() {
        let (one, two, three) = ([1; 32], [2; 32], [3; 32]);
        assert_eq!(root(&[1]), hex::encode(one));
        assert_eq!(root(&[1, 2, 3]), hex::encode(join(&join(&one, &two), &three)));
        assert_ne!(root(&[1, 2, 3]), root(&[2, 1, 3]));
        assert_ne!(root(&[1, 2, 3]), root(&[1, 2]));
    }

    /// The tree by its definition: the largest complete subtree is on the left.
    fn plain(leaves: &[Node]) -> Node {
        match leaves {
            [leaf] => *leaf,
            _ => {
                let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
                join(&plain(left), &plain(right))
            }
        }
    }

    #[test]
    fn a_root_is_that_of_the_plain_tree_at_every_length() {
        let leaves: Vec<Node> = (0..300_u32).map(|leaf| *blake3::hash(&leaf.to_le_bytes()).as_bytes()).collect();
        let mut merkle = Merkle::default();
        for length in 1..=leaves.len() {
            merkle.push(&Digest(leaves[length - 1]));
            assert_eq!(merkle.clone().root(), hex::encode(plain(&leaves[..length])), "{length} leaves");
        }
    }

    #[test]
    fn trees_of_a_forest_have_the_roots_that_they_have_alone() {
        let all: Vec<u8> = (1..=255).collect();
        let changed: Vec<u8> = all.iter().map(|leaf| if *leaf == 100 { 0 } else { *leaf }).collect();
        let lists: [&[u8]; 6] = [&all, &changed, &all[1..], &all[..130], &[1, 2, 9, 4], &[]];
        let mut forest = Forest::of(lists.len());
        for leaf in 0..all.len() {
            for (tree, list) in lists.iter().enumerate() {
                list.get(leaf).into_iter().for_each(|leaf| forest.push(tree, &Digest([*leaf; 32])));
            }
        }
        assert_eq!(forest.roots(), lists.map(root));
    }

    #[test]
    fn the_root_of_nothing_is_the_hash_of_nothing() {
        assert_eq!(root(&[]), blake3::hash(b"").to_hex().to_string());
    }
}
