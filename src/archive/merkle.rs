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
    peaks: Vec<(u32, [u8; 32])>,
}

impl Merkle {
    pub(super) fn push(&mut self, leaf: &Digest) {
        let mut node = (0, leaf.0);
        while let Some(&(height, left)) = self.peaks.last().filter(|(height, _)| *height == node.0) {
            self.peaks.pop();
            node = (height + 1, join(&left, &node.1));
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

fn join(left: &[u8; 32], right: &[u8; 32]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(left).update(right);
    *hasher.finalize().as_bytes()
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
    fn the_root_of_nothing_is_the_hash_of_nothing() {
        assert_eq!(root(&[]), blake3::hash(b"").to_hex().to_string());
    }
}
