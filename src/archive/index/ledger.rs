//! The whole index in one pass: what a check compares with segments and manifests.
//!
//! Of a block it keeps a sum, so that a check of ten million versions holds no more than one of ten.

use std::collections::{BTreeMap, BTreeSet};

use super::{Index, Place, Proven, proven, wrong_type};
use crate::archive::error::Error;
use crate::record::Digest;

/// A sum over versions at their places, in whatever order they come: other versions, or the same elsewhere, have another.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(in crate::archive) struct Sum {
    /// How many.
    pub(in crate::archive) versions: u64,
    sum: u128,
}

impl Sum {
    pub(in crate::archive) fn add(&mut self, key: &[u8], (segment, line): Place, digest: &Digest) {
        let half = |half: &[u8]| u128::from_le_bytes(half.try_into().expect("half of 32 bytes"));
        let (one, other) = digest.0.split_at(16);
        let place = u128::from(segment) << 32 | u128::from(line);
        let key = key.iter().fold(0_u128, |sum, byte| sum.wrapping_mul(257).wrapping_add(u128::from(*byte) + 1));
        // The halves of a digest are as good as random: times odd numbers they tell places and keys apart.
        let (at, of) = (half(one).wrapping_mul(2 * place + 1), half(other).wrapping_mul(key << 1 | 1));
        self.versions += 1;
        self.sum = self.sum.wrapping_add(at).wrapping_add(of);
    }
}

/// A block as the index has it.
pub(in crate::archive) struct BlockSum {
    segment: u32,
    object: u32,
    pub(in crate::archive) first: u32,
    pub(in crate::archive) lines: u32,
    pub(in crate::archive) sum: Sum,
}

/// All blocks, and what the index says of the versions in them.
pub(in crate::archive) struct Ledger {
    objects: BTreeMap<u32, String>,
    /// By segment and first line.
    blocks: Vec<BlockSum>,
    /// Segments of which it has versions where no block of their object is.
    astray: BTreeSet<u32>,
}

impl Ledger {
    /// The name of an object.
    pub(in crate::archive) fn object(&self, number: u32) -> Option<&str> {
        self.objects.get(&number).map(String::as_str)
    }

    /// The blocks of a segment with the names of their objects; `None` where a version lies outside of them.
    pub(in crate::archive) fn blocks_of(&self, segment: u32) -> Option<Vec<(&str, &BlockSum)>> {
        let begin = self.blocks.partition_point(|block| block.segment < segment);
        let blocks = self.blocks[begin..].iter().take_while(|block| block.segment == segment);
        let named = blocks.map(|block| Some((self.object(block.object)?, block)));
        named.collect::<Option<_>>().filter(|_| !self.astray.contains(&segment))
    }

    fn add(&mut self, near: &mut usize, (object, key): (u32, &[u8]), version: &Proven) {
        let (segment, line) = (version.segment, version.line);
        let holds = |block: &BlockSum| {
            let after = line.checked_sub(block.first);
            block.segment == segment && block.object == object && after.is_some_and(|after| after < block.lines)
        };
        // The next version mostly lies where the last one did.
        if !self.blocks.get(*near).is_some_and(holds) {
            *near = self.blocks.partition_point(|block| (block.segment, block.first) <= (segment, line)).max(1) - 1;
        }
        match self.blocks.get_mut(*near).filter(|block| holds(block)) {
            Some(block) => block.sum.add(key, (segment, line), &version.digest),
            None => {
                self.astray.insert(segment);
            }
        }
    }
}

impl Index {
    /// Adds all versions up. `each` hears of them by object and key: object, place, digest.
    pub(in crate::archive) fn ledger(&self, each: &mut dyn FnMut(u32, Place, &Digest)) -> Result<Ledger, Error> {
        let mut ledger = Ledger { objects: BTreeMap::new(), blocks: Vec::new(), astray: BTreeSet::new() };
        let mut statement = self.db.prepare("SELECT number, name FROM objects")?;
        let objects = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        ledger.objects = objects.collect::<Result<_, _>>()?;
        let mut statement =
            self.db.prepare("SELECT segment, object, first, lines FROM blocks ORDER BY segment, first")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let (segment, object) = (row.get(0)?, row.get(1)?);
            let (first, lines, sum) = (row.get(2)?, row.get(3)?, Sum::default());
            ledger.blocks.push(BlockSum { segment, object, first, lines, sum });
        }
        let mut statement = self
            .db
            .prepare("SELECT key, segment, line, digest, object FROM versions ORDER BY object, key, segment, line")?;
        let (mut rows, mut near) = (statement.query([])?, 0);
        while let Some(row) = rows.next()? {
            let (object, version) = (row.get(4)?, proven(row)?);
            let key = row.get_ref(0)?.as_blob().map_err(wrong_type)?;
            ledger.add(&mut near, (object, key), &version);
            each(object, (version.segment, version.line), &version.digest);
        }
        Ok(ledger)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::index::Row;
    use crate::archive::segment::{BlockFacts, Directory};

    fn block(object: &str, lines: u32) -> BlockFacts {
        let (first, last) = ("1".to_owned(), "9".to_owned());
        BlockFacts {
            object: object.to_owned(),
            offset: 0,
            stored: 1,
            raw: 1,
            lines,
            first,
            last,
            blake3: String::new(),
        }
    }

    fn row(key: u8, line: u32, digest: u8) -> Row {
        Row { key: vec![key], segment: 1, line, digest: Digest([digest; 32]) }
    }

    fn sum(rows: &[Row]) -> Sum {
        let mut sum = Sum::default();
        rows.iter().for_each(|row| sum.add(&row.key, (row.segment, row.line), &row.digest));
        sum
    }

    #[test]
    fn a_sum_tells_versions_and_places_apart_and_no_order() {
        let rows = [row(1, 0, 7), row(2, 1, 8)];
        let same = sum(&[rows[1].clone(), rows[0].clone()]);
        assert_eq!(sum(&rows), same);
        let mut second_half = rows.clone();
        second_half[1].digest.0[31] = 0;
        for others in
            [&[row(1, 1, 7), row(2, 0, 8)], &[row(2, 0, 7), row(1, 1, 8)], &[row(1, 0, 8), row(2, 1, 7)], &second_half]
        {
            assert_ne!(sum(others), same, "{others:?}");
        }
        assert_ne!(sum(&rows[..1]), same);
    }

    #[test]
    fn versions_are_added_up_by_block_and_told_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let mut index = Index::open(&folder.path().join("index.sqlite"), "one").unwrap();
        index.begin().unwrap();
        let blocks = vec![block("deals", 2), block("notes", 1), block("deals", 1)];
        index.put_segment(1, "segment", &Directory { blocks }).unwrap();
        let (deals, notes) = (index.object("deals").unwrap(), index.object("notes").unwrap());
        for row in [row(3, 0, 1), row(1, 1, 2), row(2, 3, 3)] {
            index.insert(deals, &row).unwrap();
        }
        index.insert(notes, &row(1, 2, 4)).unwrap();
        let mut told = Vec::new();
        let ledger = index.ledger(&mut |object, place, digest| told.push((object, place, digest.0[0]))).unwrap();
        assert_eq!(told, [(deals, (1, 1), 2), (deals, (1, 3), 3), (deals, (1, 0), 1), (notes, (1, 2), 4)]);
        let blocks = ledger.blocks_of(1).unwrap();
        let sums: Vec<_> =
            blocks.iter().map(|(object, block)| (*object, block.first, block.lines, block.sum)).collect();
        let expected = [
            ("deals", 0, 2, sum(&[row(3, 0, 1), row(1, 1, 2)])),
            ("notes", 2, 1, sum(&[row(1, 2, 4)])),
            ("deals", 3, 1, sum(&[row(2, 3, 3)])),
        ];
        assert_eq!(sums, expected);
        assert!(ledger.blocks_of(2).unwrap().is_empty());
        index.insert(notes, &row(1, 3, 4)).unwrap();
        assert!(index.ledger(&mut |_, _, _| {}).unwrap().blocks_of(1).is_none(), "a note among deals");
    }
}
