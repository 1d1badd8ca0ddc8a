//! Content roots: one hash that stands for all records of an object.
//!
//! A Merkle tree over record versions in key order, so that the root depends on
//! the records alone and not on how segments pack them: what was restored can
//! be compared with a manifest without the archive.

use crate::record::Digest;

/// Builds a root from leaves as they come; holds one hash a level.
#[derive(Clone, Default)]
pub(super) struct Merkle {
    /// Roots of complete subtrees, the largest first, with their heights.
    peaks: Vec<(u32, Node)>,
}

type Node = [u8; 32];

impl Merkle {
    pub(super) fn push(&mut self, leaf: &Digest) {
        self.push_by(leaf, |_, left, right| join(left, right));
    }

    /// With a way of its own to join two nodes of a height.
    fn push_by(&mut self, leaf: &Digest, mut join: impl FnMut(usize, &Node, &Node) -> Node) {
        let mut node = (0, leaf.0);
        while let Some(&(height, left)) = self.peaks.last().filter(|(height, _)| *height == node.0) {
            self.peaks.pop();
            node = (height + 1, join(height as usize, &left, &node.1));
        }
        self.peaks.push(node);
    }

    /// The root as hex; that of no leaves is the hash of nothing.
    pub(super) fn root(mut self) -> String {
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

/// Trees of versions of one list, as the snapshots of a year are: a node that several of them have is hashed once.
pub(super) struct Forest {
    trees: Vec<Merkle>,
    /// By height the two nodes that were joined last, and what came of it.
    joined: Vec<Option<(Node, Node, Node)>>,
}

impl Forest {
    pub(super) fn of(trees: usize) -> Forest {
        Forest { trees: vec![Merkle::default(); trees], joined: vec![None; 64] }
    }

    /// Gives one of the trees its next leaf. Told leaf by leaf rather than tree by tree, most is hashed once.
    pub(super) fn push(&mut self, tree: usize, leaf: &Digest) {
        let joined = &mut self.joined;
        self.trees[tree].push_by(leaf, |height, left, right| match &joined[height] {
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

    #[test]
    fn trees_of_a_forest_have_the_roots_that_they_have_alone() {
        let lists: [&[u8]; 4] = [&[1, 2, 3, 4, 5, 6, 7], &[1, 2, 9, 4, 5, 6, 7, 8], &[2, 3, 4, 5, 6, 7], &[]];
        let mut forest = Forest::of(lists.len());
        for leaf in 1..=9 {
            for (tree, list) in lists.iter().enumerate() {
                list.get(leaf - 1).into_iter().for_each(|leaf| forest.push(tree, &Digest([*leaf; 32])));
            }
        }
        assert_eq!(forest.roots(), lists.map(root));
    }

    #[test]
    fn the_root_of_nothing_is_the_hash_of_nothing() {
        assert_eq!(root(&[]), blake3::hash(b"").to_hex().to_string());
    }
}
