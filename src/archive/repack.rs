//! Packs segments anew of which little is needed, and puts many small ones into one.
//!
//! A segment can only go as a whole, so one that a single line keeps alive costs
//! what it always did; and a year of daily snapshots is a year of small files.
//! What is needed of such segments is copied into new ones, object by object, and a
//! list says where each line went (`moves`). The old ones are then needed by nothing
//! and leave like everything else: listed first, removed a day later.

use std::collections::{BTreeMap, BTreeSet};

use roaring::RoaringBitmap;

use super::Inner;
use super::error::Error;
use super::moves::Move;
use super::reader::{Block, parse_line};
use super::segment::{BLOCK_BYTES, BlockFacts, Growing, RawBlock, SEGMENT_BYTES, SEGMENTS, SegmentFile};
use super::store::Store;
use crate::catalogue::ObjectName;
use crate::record::Key;

/// A segment of less is small.
const SMALL: u64 = 1 << 20;
/// So many small ones are put together: fewer are no burden, and each time costs a copy elsewhere their bytes again.
const MANY: usize = 32;

/// Which segments are worth packing anew.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Worth {
    /// None.
    Nothing,
    /// Those of whose bytes at least this percentage is not needed, and small ones where there are many.
    Dead(u8),
}

/// Segments that were packed anew, or would be.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Packed {
    /// How many.
    pub files: u64,
    /// Their stored bytes.
    pub bytes: u64,
    /// The bytes that what is needed of them takes; before it is packed, what it takes of them.
    pub needed: u64,
}

/// A segment with what is needed of it.
struct Candidate {
    name: String,
    lines: RoaringBitmap,
    blocks: Vec<BlockFacts>,
    stored: u64,
    /// Stored bytes that the lines nobody needs take, by their share of each block.
    dead: u64,
}

impl Candidate {
    fn dead_percent(&self) -> u64 {
        let lines: u64 = self.blocks.iter().map(|block| block.stored).sum();
        self.dead * 100 / lines.max(1)
    }
}

impl Inner {
    /// What packing anew would give, or has given if `really`. The caller has the right to write.
    pub(super) fn repack(
        &self,
        needed: &BTreeMap<String, RoaringBitmap>,
        worth: Worth,
        really: bool,
    ) -> Result<Packed, Error> {
        let Worth::Dead(percent) = worth else { return Ok(Packed::default()) };
        // A capture that goes on knows the places of what it stored so far, and nobody tells it of new ones.
        if self.index().unfinished()?.is_some() {
            return Ok(Packed::default());
        }
        let chosen = chosen(self.candidates(needed)?, percent);
        let mut packed = Packed { files: chosen.len() as u64, ..Packed::default() };
        packed.bytes = chosen.iter().map(|one| one.stored).sum();
        packed.needed = packed.bytes - chosen.iter().map(|one| one.dead).sum::<u64>();
        if really && !chosen.is_empty() {
            let mut anew = Anew::new(self)?;
            match anew.pack(&chosen) {
                // What is damaged and was not known to be is for a check and a repair to tell: all stays as it is.
                Err(Error::Damaged { .. } | Error::Missing(_)) => return Ok(Packed::default()),
                done => done?,
            }
            packed.needed = anew.bytes;
            self.place_moves(anew.moves, anew.directories)?;
        }
        Ok(packed)
    }

    /// Segments that are needed, as their directories tell. One that is damaged stays as it is: a check says more of it.
    fn candidates(&self, needed: &BTreeMap<String, RoaringBitmap>) -> Result<Vec<Candidate>, Error> {
        let mut candidates = Vec::new();
        let (bad, index) = (self.mending()?, self.index().segments()?);
        let hurt = |name: &str| index.iter().any(|(number, known)| known == name && bad.bad.lines(*number).is_some());
        for (name, lines) in needed.iter().filter(|(name, _)| !hurt(name)) {
            let read = self.open_segment(name).and_then(|mut file| file.directory());
            let blocks = match read {
                Ok(directory) => directory.blocks,
                Err(Error::Damaged { .. } | Error::Missing(_) | Error::File { .. }) => continue,
                Err(error) => return Err(error),
            };
            let (mut dead, mut first) = (0, 0);
            for block in &blocks {
                let alive = lines.range_cardinality(first..first + block.lines);
                dead += block.stored * (u64::from(block.lines) - alive) / u64::from(block.lines.max(1));
                first += block.lines;
            }
            let stored = self.store.length(&Store::spread(SEGMENTS, name))?;
            candidates.push(Candidate { name: name.clone(), lines: lines.clone(), blocks, stored, dead });
        }
        Ok(candidates)
    }

    fn open_segment(&self, name: &str) -> Result<SegmentFile, Error> {
        SegmentFile::open(&self.store, name, &self.header.archive, &self.secrets.data)
    }
}

/// Those that are mostly dead; and with them the small ones, where these are many.
fn chosen(candidates: Vec<Candidate>, percent: u8) -> Vec<Candidate> {
    let many = candidates.iter().filter(|one| one.stored < SMALL).count() >= MANY;
    let worth = |one: &Candidate| one.dead_percent() >= u64::from(percent.max(1)) || (many && one.stored < SMALL);
    candidates.into_iter().filter(worth).collect()
}

/// New segments, growing.
struct Anew<'a> {
    inner: &'a Inner,
    growing: Growing,
    block: Option<RawBlock>,
    /// Lines in the growing segment, those of the open block included.
    lines: u32,
    /// What went to the growing segment: from where, which lines, and the number of the first.
    went: Vec<(String, RoaringBitmap, u32)>,
    moves: Vec<Move>,
    /// What the directories of the new segments hash to.
    directories: BTreeMap<String, String>,
    /// Stored bytes of the new segments.
    bytes: u64,
}

impl<'a> Anew<'a> {
    fn new(inner: &'a Inner) -> Result<Anew<'a>, Error> {
        let growing = Growing::anew(&inner.header.archive);
        let (went, moves, directories) = (Vec::new(), Vec::new(), BTreeMap::new());
        Ok(Anew { inner, growing, block: None, lines: 0, went, moves, directories, bytes: 0 })
    }

    /// Object by object, so that what is alike lies together.
    fn pack(&mut self, chosen: &[Candidate]) -> Result<(), Error> {
        let objects: BTreeSet<&str> =
            chosen.iter().flat_map(|one| &one.blocks).map(|block| block.object.as_str()).collect();
        for object in objects {
            for candidate in chosen {
                self.copy(candidate, &ObjectName::new(object))?;
            }
            self.end_block()?;
        }
        self.end_segment()
    }

    /// Copies what is needed of an object in a segment.
    fn copy(&mut self, candidate: &Candidate, object: &ObjectName) -> Result<(), Error> {
        let (mut file, mut first) = (None, 0);
        for facts in &candidate.blocks {
            let mut lines = RoaringBitmap::new();
            lines.insert_range(first..first + facts.lines);
            lines &= &candidate.lines;
            if facts.object == object.as_str() && !lines.is_empty() {
                let opened = match &mut file {
                    Some(opened) => opened,
                    none => none.insert(self.inner.open_segment(&candidate.name)?),
                };
                let block = Block::new(opened.block(facts)?).filter(|block| block.lines() == facts.lines as usize);
                let block = block.ok_or_else(|| self.damaged(candidate, "a block with other lines than it counts"))?;
                self.copy_lines(candidate, object, &block, first, lines)?;
            }
            first += facts.lines;
        }
        Ok(())
    }

    fn copy_lines(
        &mut self,
        candidate: &Candidate,
        object: &ObjectName,
        block: &Block,
        first: u32,
        lines: RoaringBitmap,
    ) -> Result<(), Error> {
        self.went.push((candidate.name.clone(), lines.clone(), self.lines));
        for number in &lines {
            let line = block.line((number - first) as usize);
            let parsed = line.and_then(|line| Some((line, parse_line(line, object)?.0)));
            let (line, key) = parsed.ok_or_else(|| self.damaged(candidate, "a line that is no record"))?;
            self.add(object, line, key)?;
        }
        // Lines that went together lie in one segment, so it ends here or not at all.
        if self.growing.stored_bytes() >= SEGMENT_BYTES { self.end_segment() } else { Ok(()) }
    }

    fn add(&mut self, object: &ObjectName, line: &str, key: Key) -> Result<(), Error> {
        let block = self.block.get_or_insert_with(|| RawBlock {
            object: object.as_str().to_owned(),
            text: Vec::new(),
            lines: 0,
            first: key.clone(),
            last: key.clone(),
        });
        block.text.extend_from_slice(line.as_bytes());
        block.text.push(b'\n');
        block.lines += 1;
        if key < block.first {
            block.first = key;
        } else if key > block.last {
            block.last = key;
        }
        self.lines += 1;
        if block.text.len() >= BLOCK_BYTES { self.end_block() } else { Ok(()) }
    }

    fn end_block(&mut self) -> Result<(), Error> {
        self.block.take().map_or(Ok(()), |block| self.growing.add(block))
    }

    fn end_segment(&mut self) -> Result<(), Error> {
        self.end_block()?;
        if self.went.is_empty() {
            return Ok(());
        }
        let inner = self.inner;
        let (placed, directory) =
            self.growing.store(&inner.store, inner.data_recipient.as_ref(), &inner.secrets.data)?;
        self.bytes += placed.bytes;
        self.directories.insert(placed.name.clone(), directory.hash());
        let went = std::mem::take(&mut self.went).into_iter();
        self.moves.extend(went.map(|(from, lines, first)| Move::new(from, &lines, placed.name.clone(), first)));
        self.growing.clear();
        self.lines = 0;
        Ok(())
    }

    fn damaged(&self, candidate: &Candidate, fact: &str) -> Error {
        Error::damaged(&self.inner.store.path(&Store::spread(SEGMENTS, &candidate.name)), fact)
    }
}
