//! Which contents of files the records in a segment speak of.
//!
//! A manifest lists what its own run stored; what an earlier one had stored is needed as long as a record
//! names it, so whoever removes or misses contents has to look into records. A block never changes: each is
//! read once on a machine for this, and the index remembers what it says, or that it says nothing.

use std::collections::HashMap;

use roaring::RoaringBitmap;
use serde::{Deserialize, Serialize};

use super::Inner;
use super::error::Error;
use super::reader::Block;
use super::segment::{BlockFacts, SEGMENTS, SegmentFile};
use super::store::Store;

/// What stands before the name of a blob in the record of a file's contents, and after it: keys are sorted.
const REFERENCE: (&str, &str) = ("\"blob\":\"", "\",\"bytes\":");
/// Letters of a hash in hex.
const HASH_LETTERS: usize = 64;

/// Something in a line that may be the name of contents.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Mention {
    /// In its segment.
    pub(super) line: u32,
    /// Hex.
    pub(super) hash: String,
    /// Whether it stands where the name of contents stands. What does not is none as far as this version knows: enough to
    /// leave contents alone, not enough to miss any.
    pub(super) is_name: bool,
}

impl Inner {
    /// Tells what these lines of a segment mention.
    pub(super) fn mentions(
        &self,
        segment: &str,
        lines: &RoaringBitmap,
        tell: &mut dyn FnMut(&Mention),
    ) -> Result<(), Error> {
        let known = self.blocks_known(segment)?;
        // What the index says of blocks is enough to read one of them.
        let open = || {
            let open = if known.is_some() { SegmentFile::open_in_part } else { SegmentFile::open };
            open(&self.store, segment, &self.header.archive, &self.secrets.data)
        };
        let mut opened = None;
        let (number, blocks) = match &known {
            Some((number, blocks)) => (Some(*number), blocks.clone()),
            None => (None, opened.insert(open()?).directory()?.blocks),
        };
        let mut known = number.map_or_else(|| Ok(HashMap::new()), |number| self.index().mentions(number, &blocks))?;
        let (mut first, mut learnt) = (0, Vec::new());
        for (block, facts) in (0u32..).zip(&blocks) {
            let end = first + facts.lines;
            if lines.range_cardinality(first..end) > 0 {
                let mentions = match known.remove(&block) {
                    Some(mentions) => mentions,
                    None => {
                        let file = match &mut opened {
                            Some(file) => file,
                            None => opened.insert(open()?),
                        };
                        let mentions = self.mentions_in(file, segment, facts, first)?;
                        learnt.push((block, facts, mentions.clone()));
                        mentions
                    }
                };
                mentions.iter().filter(|mention| lines.contains(mention.line)).for_each(&mut *tell);
            }
            first = end;
        }
        if let Some(number) = number.filter(|_| !learnt.is_empty()) {
            self.index().when_free(|index| {
                let mut each = learnt.iter();
                each.try_for_each(|(block, facts, mentions)| index.put_mentions((number, *block), facts, mentions))
            })?;
        }
        Ok(())
    }

    /// Number and blocks of a segment, where the index has them and can be believed.
    fn blocks_known(&self, segment: &str) -> Result<Option<(u32, Vec<BlockFacts>)>, Error> {
        let index = self.index();
        let Some(number) = index.segment(segment)? else { return Ok(None) };
        match index.blocks(number) {
            Ok(rows) => Ok(Some((number, rows.into_iter().map(|row| row.facts).collect()))),
            Err(error) if error.is_index_damage() => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn mentions_in(
        &self,
        file: &mut SegmentFile,
        segment: &str,
        facts: &BlockFacts,
        first: u32,
    ) -> Result<Vec<Mention>, Error> {
        let block = Block::new(file.block(facts)?).filter(|block| block.lines() == facts.lines as usize);
        let path = self.store.path(&Store::spread(SEGMENTS, segment));
        let block = block.ok_or_else(|| Error::damaged(&path, "a block with other lines than it counts"))?;
        let numbered = (first..).zip((0..block.lines()).filter_map(|at| block.line(at)));
        Ok(numbered.flat_map(|(line, text)| hashes(text).map(move |at| mention(text, at, line))).collect())
    }
}

/// The names of blobs that a record's text refers to; text that people typed has its quotes escaped.
pub(super) fn blobs_in(text: &str) -> impl Iterator<Item = &str> {
    hashes(text).filter(|at| is_name(text, *at)).map(|at| &text[at..at + HASH_LETTERS])
}

fn mention(text: &str, at: usize, line: u32) -> Mention {
    Mention { line, hash: text[at..at + HASH_LETTERS].to_owned(), is_name: is_name(text, at) }
}

fn is_name(text: &str, at: usize) -> bool {
    let (before, after) = REFERENCE;
    text[..at].ends_with(before) && text[at + HASH_LETTERS..].starts_with(after)
}

/// Where runs of letters begin that are as long as a hash in hex.
fn hashes(text: &str) -> impl Iterator<Item = usize> {
    let parts = text.as_bytes().split(|letter| !letter.is_ascii_hexdigit());
    let placed = parts.scan(0, |next, part| {
        let at = *next;
        *next += part.len() + 1;
        Some((at, part.len()))
    });
    placed.filter(|(_, length)| *length == HASH_LETTERS).map(|(at, _)| at)
}

#[cfg(test)]
mod tests {
    use super::{blobs_in, hashes, mention};

    #[test]
    fn contents_are_named_where_their_record_says_so_and_nowhere_else() {
        let (name, other) = ("ab".repeat(32), "12".repeat(32));
        let record =
            format!("{{\"content\":{{\"blob\":\"{name}\",\"bytes\":7}},\"note\":\"\\\"blob\\\":\\\"{other}\\\",\"}}");
        assert_eq!(blobs_in(&record).collect::<Vec<_>>(), [&name]);
        let met: Vec<_> = hashes(&record).map(|at| mention(&record, at, 3)).collect();
        assert_eq!(
            met.iter().map(|met| (&met.hash, met.is_name)).collect::<Vec<_>>(),
            [(&name, true), (&other, false)]
        );
        for none in [&name[1..], &format!("{name}0"), "", "ü"] {
            assert_eq!(hashes(none).count(), 0, "{none}");
        }
    }
}
