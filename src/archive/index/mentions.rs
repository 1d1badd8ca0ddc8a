//! What the blocks of segments say of contents of files: a row for each block that was looked into, and none for others.

use std::collections::HashMap;

use rusqlite::params;

use super::{Index, Place, tag_of};
use crate::archive::error::Error;
use crate::archive::mentions::Mention;

impl Index {
    /// The blocks of a segment that were looked into, with what they mention. A damaged row is as good as none: the block is
    /// looked into again.
    pub(in crate::archive) fn mentions(&self, segment: u32) -> Result<HashMap<u32, Vec<Mention>>, Error> {
        let mut statement = self.db.prepare_cached("SELECT block, found, tag FROM mentions WHERE segment=?1")?;
        let mut rows = statement.query([segment])?;
        let mut mentions = HashMap::new();
        while let Some(row) = rows.next()? {
            let (block, found): (u32, String) = (row.get(0)?, row.get(1)?);
            let is_whole = row.get::<_, Vec<u8>>(2)? == tag((segment, block), &found);
            let found = serde_json::from_str(&found).ok().filter(|_| is_whole);
            found.map(|found| mentions.insert(block, found));
        }
        Ok(mentions)
    }

    /// Remembers all that a block mentions.
    pub(in crate::archive) fn put_mentions(&self, place: Place, mentions: &[Mention]) -> Result<(), Error> {
        let found = serde_json::to_string(mentions).expect("mentions always serialise");
        let mut statement = self.db.prepare_cached("INSERT OR REPLACE INTO mentions VALUES (?1, ?2, ?3, ?4)")?;
        statement.execute(params![place.0, place.1, found, tag(place, &found)])?;
        Ok(())
    }
}

/// What a damaged row does not match.
fn tag((segment, block): Place, found: &str) -> [u8; 4] {
    tag_of(&[&segment.to_le_bytes(), &block.to_le_bytes(), found.as_bytes()])
}
