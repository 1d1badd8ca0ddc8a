//! Blocks that are known by the directory of their segment only: their lines have no rows yet.

use rusqlite::params;

use super::{BlockRow, Index, Place};
use crate::archive::error::Error;

impl Index {
    /// Notes that no line of a segment has a row.
    pub(in crate::archive) fn put_pending(&self, segment: u32) -> Result<(), Error> {
        self.db.execute("INSERT INTO pending SELECT segment, block FROM blocks WHERE segment=?1", [segment])?;
        Ok(())
    }

    /// The blocks of an object whose lines have no rows: segment and number of the block, and what the directory says.
    pub(in crate::archive) fn pending(&self, object: &str) -> Result<Vec<(Place, BlockRow)>, Error> {
        let Some(object) = self.known_object(object)? else { return Ok(Vec::new()) };
        let mut statement = self.db.prepare_cached(
            "SELECT segment, block, first, facts, tag FROM pending JOIN blocks USING (segment, block) WHERE object=?1 \
             ORDER BY segment, block",
        )?;
        let mut rows = statement.query([object])?;
        let mut pending = Vec::new();
        while let Some(row) = rows.next()? {
            let segment: u32 = row.get(0)?;
            pending.push(((segment, row.get(1)?), BlockRow::read(row, segment, 2)?));
        }
        Ok(pending)
    }

    /// The lines of a block have their rows.
    pub(in crate::archive) fn entered(&self, (segment, block): Place) -> Result<(), Error> {
        self.open_transaction()?;
        let mut statement = self.db.prepare_cached("DELETE FROM pending WHERE segment=?1 AND block=?2")?;
        statement.execute(params![segment, block])?;
        Ok(())
    }

    /// Segments of which some lines have no rows, by number and name.
    pub(in crate::archive) fn pending_segments(&self) -> Result<Vec<(u32, String)>, Error> {
        let mut statement =
            self.db.prepare("SELECT number, name FROM segments WHERE number IN (SELECT segment FROM pending)")?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}
