//! Segments in a store of which nobody here wants to know everything.
//!
//! Whoever looks one record up on a machine without an index need not fetch an archive for
//! it. A manifest is signed and says what the directory of each of its segments hashes to, and a
//! directory says that of each block: so directories and single blocks prove themselves, and the
//! index learns of the lines in a block when somebody wants one of them. Whoever writes, repairs or
//! reads all there is counts on all of them, and has them entered first.

use std::collections::{BTreeMap, HashMap, HashSet};

use roaring::RoaringBitmap;

use super::error::Error;
use super::index::BlockRow;
use super::manifest::MapLine;
use super::reader::{AT_ONCE, Wanted};
use super::segment::{SEGMENTS, SegmentFile};
use super::store::Store;
use super::{Inner, SnapshotId, absorb::rows_of};
use crate::catalogue::ObjectName;

impl BlockRow {
    /// Whether some of these lines of its segment are in the block.
    pub(super) fn has_any(&self, lines: Option<&RoaringBitmap>) -> bool {
        lines.is_some_and(|lines| lines.range_cardinality(self.first..self.first + self.facts.lines) > 0)
    }
}

impl Inner {
    /// Enters the segments of a snapshot that the index does not know, by their directories alone where that can be.
    pub(super) fn glance(&self, id: &SnapshotId) -> Result<(), Error> {
        if self.may_glance() { self.glance_at(id, self.lines_by_name(id)?.keys()) } else { Ok(()) }
    }

    fn may_glance(&self) -> bool {
        self.reads_data() && self.reads_manifests() && !self.store.has_turn() && self.store.is_far()
    }

    /// The same, where it is known which segments the snapshot has lines in.
    pub(super) fn glance_at<'n>(&self, id: &SnapshotId, names: impl Iterator<Item = &'n String>) -> Result<(), Error> {
        if !self.may_glance() {
            return Ok(());
        }
        let known: HashSet<String> = self.index().segments()?.into_iter().map(|(_, name)| name).collect();
        let unknown: Vec<String> = names.filter(|name| !known.contains(*name)).cloned().collect();
        if unknown.is_empty() {
            return Ok(());
        }
        let directories = self.directories(id)?;
        let said: Vec<(String, &String)> =
            unknown.into_iter().filter_map(|name| directories.get(&name).map(|hash| (name, hash))).collect();
        let files: Vec<String> = said.iter().map(|(name, _)| Store::spread(SEGMENTS, name)).collect();
        self.store.fetch_ahead(&files, false)?;
        for (name, hash) in said {
            match self.enter_directory(&name, hash) {
                // All of the file says more about what is wrong with it.
                Err(Error::Damaged { .. } | Error::Missing(_)) => {}
                entered => entered?,
            }
        }
        Ok(())
    }

    /// What the directories of segments hash to, as far as the manifests that a snapshot stands on and the lists of what
    /// moved say so.
    fn directories(&self, id: &SnapshotId) -> Result<HashMap<String, String>, Error> {
        let mut directories = self.moves()?.directories.clone();
        let mut below = Some(id.clone());
        while let Some(id) = below {
            let line = self.line(&id)?;
            below = line.parent.filter(|_| matches!(line.map, MapLine::Delta { .. }));
            let said = line.map.directories();
            directories.extend(said.map(|(segment, hash)| (segment.clone(), hash.clone())));
        }
        Ok(directories)
    }

    /// Enters a segment of which nothing is read but its directory; one that is here as a whole is left to others.
    fn enter_directory(&self, name: &str, hash: &str) -> Result<(), Error> {
        let mut file = SegmentFile::open_in_part(&self.store, name, &self.header.archive, &self.secrets.data)?;
        if !file.is_in_part() {
            return Ok(());
        }
        let directory = file.directory_named(hash)?;
        let mut index = self.index();
        index.begin()?;
        let number = index.next_segment();
        let entered = number.and_then(|number| match index.segment(name)? {
            // Another process was faster.
            Some(number) => Ok(number),
            None => {
                index.put_segment(number, name, &directory)?;
                index.put_pending(number)?;
                Ok(number)
            }
        });
        let entered = entered.and_then(|number| index.commit().map(|()| number));
        if entered.is_err() {
            index.roll_back();
        }
        drop(index);
        self.put_file(entered?, file);
        Ok(())
    }

    /// Enters the lines of an object's blocks that the index knows by their directories so far, of those that are wanted.
    pub(super) fn bring_in(&self, object: &ObjectName, wanted: &dyn Fn(u32, &BlockRow) -> bool) -> Result<(), Error> {
        let pending = self.index().pending(object.as_str())?.into_iter();
        let wanted: Vec<Wanted> = pending
            .filter(|(place, row)| wanted(place.0, row))
            .map(|(place, row)| Wanted { place, row, rows: 0..0 })
            .collect();
        self.fetch_wanted(&wanted)?;
        for some in wanted.chunks(AT_ONCE) {
            let blocks = self.unpack(some)?;
            let mut rows = Vec::new();
            for (Wanted { place, row, .. }, block) in some.iter().zip(&blocks) {
                let text = block.text().as_bytes();
                let of_block = rows_of(text, object, (place.0, row.first), &self.secrets.digest);
                rows.push(
                    of_block.ok_or_else(|| self.damaged_segment(place.0, "a line that is no record".to_owned()))?,
                );
            }
            let mut index = self.index();
            index.begin()?;
            let number = index.object(object.as_str())?;
            let entered = rows.iter().flatten().try_for_each(|row| index.insert(number, row));
            let entered = entered.and_then(|()| some.iter().try_for_each(|wanted| index.entered(wanted.place)));
            if let Err(error) = entered.and_then(|()| index.commit()) {
                index.roll_back();
                return Err(error);
            }
        }
        Ok(())
    }

    /// Fetches the segments as a whole of which most is wanted: many pieces cost many ways there and back.
    fn fetch_wanted(&self, wanted: &[Wanted]) -> Result<(), Error> {
        let mut stored: BTreeMap<u32, u64> = BTreeMap::new();
        for Wanted { place, row, .. } in wanted {
            *stored.entry(place.0).or_default() += row.facts.stored;
        }
        let mut files = Vec::new();
        for (segment, stored) in stored {
            let all: u64 = self.directory_known(segment)?.blocks.iter().map(|block| block.stored).sum();
            let name = self.index().segment_name(segment)?.filter(|_| stored > all / 2);
            if let Some(name) = name {
                // What is open of it is open in part.
                drop(self.take_file(segment));
                files.push(Store::spread(SEGMENTS, &name));
            }
        }
        self.store.fetch_ahead(&files, true)
    }

    /// Enters everything of the segments that are known by their directories so far.
    pub(super) fn enter_all(&self) -> Result<(), Error> {
        let pending = if self.reads_data() { self.index().pending_segments()? } else { Vec::new() };
        for (number, name) in pending {
            match self.absorb_again(&name) {
                // As if nobody had ever heard of it: a check says more about it.
                Err(Error::Damaged { .. } | Error::Missing(_)) => {
                    self.index().forget_segment(number)?;
                    self.forget_numbers();
                }
                entered => entered?,
            }
        }
        Ok(())
    }
}
