//! What the blocks of segments say of contents of files: a row for each block that was looked into, and none for others.

use std::collections::HashMap;

use rusqlite::params;

use super::{Index, Place, tag_of};
use crate::archive::error::Error;
use crate::archive::mentions::Mention;
use crate::archive::segment::BlockFacts;

impl Index {
    /// Those of a segment's blocks that were looked into, by their numbers, with what they mention. A row that is damaged, or
    /// of another block that had the number, is as good as none: the block is looked into again.
    pub(in crate::archive) fn mentions(
        &self,
        segment: u32,
        blocks: &[BlockFacts],
    ) -> Result<HashMap<u32, Vec<Mention>>, Error> {
        let mut statement = self.db.prepare_cached("SELECT block, found, tag FROM mentions WHERE segment=?1")?;
        let mut rows = statement.query([segment])?;
        let mut mentions = HashMap::new();
        while let Some(row) = rows.next()? {
            let (block, found): (u32, String) = (row.get(0)?, row.get(1)?);
            let Some(facts) = blocks.get(block as usize) else { continue };
            let is_of_it = row.get::<_, Vec<u8>>(2)? == tag((segment, block), facts, &found);
            let found = serde_json::from_str(&found).ok().filter(|_| is_of_it);
            found.map(|found| mentions.insert(block, found));
        }
        Ok(mentions)
    }

    /// Remembers all that a block mentions.
    pub(in crate::archive) fn put_mentions(
        &self,
        place: Place,
        facts: &BlockFacts,
        mentions: &[Mention],
    ) -> Result<(), Error> {
        let found = serde_json::to_string(mentions).expect("mentions always serialise");
        let mut statement = self.db.prepare_cached("INSERT OR REPLACE INTO mentions VALUES (?1, ?2, ?3, ?4)")?;
        statement.execute(params![place.0, place.1, found, tag(place, facts, &found)])?;
        Ok(())
    }
}

/// What a damaged row does not match, nor one of other contents.
fn tag((segment, block): Place, facts: &BlockFacts, found: &str) -> [u8; 4] {
    tag_of(&[&segment.to_le_bytes(), &block.to_le_bytes(), facts.blake3.as_bytes(), found.as_bytes()])
}
