//! Reads lines back: block by block, each unpacked once, by as many threads as help.
//!
//! Asked for rows in key order, it groups them by block, so that a snapshot
//! spread over hundreds of small increments still costs one unpacking a block
//! and window, and memory stays at a few blocks.

use std::collections::VecDeque;
use std::ops::Range;
use std::str;
use std::sync::{Arc, Mutex};

use super::error::Error;
use super::index::{BlockRow, Row};
use super::segment::{SEGMENTS, SegmentFile};
use super::store::Store;
use super::{Inner, Role};
use crate::catalogue::ObjectName;
use crate::record::{Key, Record, RecordId};

/// Unpacked blocks kept for the next window.
const CACHE_BYTES: usize = 12 << 20;
/// Blocks unpacked at a time.
pub(super) const AT_ONCE: usize = 8;

/// One unpacked block.
pub(super) struct Block {
    text: String,
    /// Where each line begins, and after the last one the end.
    starts: Vec<u32>,
}

impl Block {
    pub(super) fn new(text: Vec<u8>) -> Option<Block> {
        let text = String::from_utf8(text).ok()?;
        let mut starts = vec![0];
        starts.extend(text.match_indices('\n').map(|(at, _)| at as u32 + 1));
        (*starts.last()? as usize == text.len()).then_some(Block { text, starts })
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn lines(&self) -> usize {
        self.starts.len() - 1
    }

    pub(super) fn line(&self, at: usize) -> Option<&str> {
        let range = *self.starts.get(at)? as usize..*self.starts.get(at + 1)? as usize;
        self.text[range].strip_suffix('\n')
    }
}

/// A line taken apart: object, id and the record's own text.
pub(super) fn parse_line<'a>(line: &'a str, object: &ObjectName) -> Option<(Key, &'a str)> {
    let rest = line.strip_prefix("{\"object\":\"")?.strip_prefix(object.as_str())?.strip_prefix("\",\"id\":")?;
    let mut ids = serde_json::Deserializer::from_str(rest).into_iter::<std::borrow::Cow<'a, str>>();
    let id = ids.next()?.ok()?;
    let body = rest[ids.byte_offset()..].strip_prefix(",\"record\":")?.strip_suffix('}')?;
    Some((Key::parse(&id), body))
}

/// Recently unpacked blocks, the oldest first.
#[derive(Default)]
pub(super) struct Cache {
    blocks: VecDeque<((u32, u32), Arc<Block>)>,
    bytes: usize,
}

impl Cache {
    fn get(&self, at: (u32, u32)) -> Option<Arc<Block>> {
        self.blocks.iter().find(|(place, _)| *place == at).map(|(_, block)| Arc::clone(block))
    }

    fn put(&mut self, at: (u32, u32), block: &Arc<Block>) {
        self.bytes += block.text.len();
        self.blocks.push_back((at, Arc::clone(block)));
        while self.bytes > CACHE_BYTES && self.blocks.len() > 1 {
            let Some((_, oldest)) = self.blocks.pop_front() else { break };
            self.bytes -= oldest.text.len();
        }
    }
}

/// A block that rows of a window lie in: its place, facts, and which of the sorted rows.
pub(super) struct Wanted {
    pub(super) place: (u32, u32),
    pub(super) row: BlockRow,
    pub(super) rows: Range<usize>,
}

impl Inner {
    /// The records at these places, in this order.
    pub(super) fn records_at(&self, object: &ObjectName, rows: &[Row]) -> Result<Vec<Record>, Error> {
        if self.header.recipients.is_some() && self.secrets.data.is_empty() {
            return Err(self.secrets.needs("read records", Role::Restore));
        }
        let records = self.try_records_at(object, rows);
        if matches!(records, Err(Error::Damaged { .. } | Error::Missing(_) | Error::File { .. })) {
            let mending = self.mending()?;
            if let Some(row) = rows.iter().find(|row| !mending.trusts(row.segment, row.line)) {
                let key = Key::from_bytes(&row.key).map(|key| key.to_string()).unwrap_or_default();
                return Err(self.damaged_segment(row.segment, format!("it held {object}/{key}, which is lost")));
            }
        }
        records
    }

    fn try_records_at(&self, object: &ObjectName, rows: &[Row]) -> Result<Vec<Record>, Error> {
        let mut order: Vec<usize> = (0..rows.len()).collect();
        order.sort_by_key(|&at| (rows[at].segment, rows[at].line));
        let wanted = self.wanted(rows, &order)?;
        let mut records: Vec<Option<Record>> = vec![None; rows.len()];
        for some in wanted.chunks(AT_ONCE) {
            for (wanted, block) in some.iter().zip(self.unpack(some)?) {
                for &at in &order[wanted.rows.clone()] {
                    records[at] = Some(self.record_in(object, &rows[at], wanted, &block)?);
                }
            }
        }
        Ok(records.into_iter().flatten().collect())
    }

    fn wanted(&self, rows: &[Row], order: &[usize]) -> Result<Vec<Wanted>, Error> {
        let index = self.index();
        let mut wanted: Vec<Wanted> = Vec::new();
        let mut blocks: (u32, Vec<BlockRow>) = (0, Vec::new());
        for (at, &row) in order.iter().enumerate() {
            let Row { segment, line, .. } = rows[row];
            if let Some(last) =
                wanted.last_mut().filter(|last| last.place.0 == segment && line < last.row.first + last.row.facts.lines)
            {
                last.rows.end = at + 1;
                continue;
            }
            if blocks.0 != segment {
                blocks = (segment, index.blocks(segment)?);
            }
            let number = blocks.1.partition_point(|block| block.first <= line).checked_sub(1);
            let row =
                number.and_then(|number| blocks.1.get(number)).filter(|block| line < block.first + block.facts.lines);
            let row = row.ok_or_else(|| Error::IndexDamaged(format!("no block with line {line}")))?.clone();
            wanted.push(Wanted { place: (segment, number.unwrap_or_default() as u32), row, rows: at..at + 1 });
        }
        Ok(wanted)
    }

    /// Unpacks blocks, on two threads where there is work for them.
    pub(super) fn unpack(&self, wanted: &[Wanted]) -> Result<Vec<Arc<Block>>, Error> {
        let mut blocks: Vec<Option<Arc<Block>>> = {
            let cache = self.cache();
            wanted.iter().map(|wanted| cache.get(wanted.place)).collect()
        };
        let missing: Vec<usize> = (0..wanted.len()).filter(|&at| blocks[at].is_none()).collect();
        let (left, right) = missing.split_at(missing.len().div_ceil(2));
        let read =
            |places: &[usize]| places.iter().map(|&at| self.read_block(&wanted[at])).collect::<Result<Vec<_>, _>>();
        let (first, second) = if right.is_empty() {
            (read(left)?, Vec::new())
        } else {
            std::thread::scope(|scope| {
                let second = scope.spawn(|| read(right));
                let first = read(left);
                let second = second.join().unwrap_or(Err(Error::PackerEnded));
                Ok::<_, Error>((first?, second?))
            })?
        };
        let mut cache = self.cache();
        for (&at, block) in missing.iter().zip(first.into_iter().chain(second)) {
            cache.put(wanted[at].place, &block);
            blocks[at] = Some(block);
        }
        Ok(blocks.into_iter().flatten().collect())
    }

    fn read_block(&self, wanted: &Wanted) -> Result<Arc<Block>, Error> {
        let segment = wanted.place.0;
        let mut file = match self.take_file(segment) {
            Some(file) => file,
            None => {
                let name = self
                    .index()
                    .segment_name(segment)?
                    .ok_or_else(|| Error::IndexDamaged(format!("no segment {segment}")))?;
                SegmentFile::open_in_part(&self.store, &name, &self.header.archive, &self.secrets.data)?
            }
        };
        let text = match file.block(&wanted.row.facts) {
            // All of the file says whether it is damaged, or only what came of it.
            Err(error) if file.is_in_part() && !matches!(error, Error::Home(_)) => {
                let name = self.index().segment_name(segment)?.ok_or(error)?;
                file = SegmentFile::open(&self.store, &name, &self.header.archive, &self.secrets.data)?;
                file.block(&wanted.row.facts)?
            }
            text => text?,
        };
        self.put_file(segment, file);
        let block = Block::new(text).filter(|block| block.lines() == wanted.row.facts.lines as usize);
        block.map(Arc::new).ok_or_else(|| {
            self.damaged_segment(
                segment,
                format!("a block has not the {} lines its directory counts", wanted.row.facts.lines),
            )
        })
    }

    fn record_in(&self, object: &ObjectName, row: &Row, wanted: &Wanted, block: &Block) -> Result<Record, Error> {
        let line = block.line((row.line - wanted.row.first) as usize);
        let parsed = line.and_then(|line| parse_line(line, object));
        match (parsed, Key::from_bytes(&row.key)) {
            (Some((key, body)), Some(expected)) if key == expected => {
                Ok(Record::stored(RecordId::new(object.clone(), key), body.into()))
            }
            _ => Err(self
                .damaged_segment(row.segment, format!("line {} is not the record that the index expects", row.line))),
        }
    }

    pub(super) fn damaged_segment(&self, segment: u32, fact: String) -> Error {
        let name = self.index().segment_name(segment).ok().flatten().unwrap_or_else(|| segment.to_string());
        Error::damaged(&self.store.path(&Store::spread(SEGMENTS, &name)), fact)
    }

    pub(super) fn take_file(&self, segment: u32) -> Option<SegmentFile> {
        let mut files = self.files();
        let at = files.iter().position(|(number, _)| *number == segment)?;
        files.remove(at).map(|(_, file)| file)
    }

    pub(super) fn put_file(&self, segment: u32, file: SegmentFile) {
        let mut files = self.files();
        files.push_back((segment, file));
        while files.len() > OPEN_FILES {
            files.pop_front();
        }
    }
}

/// Segments kept open.
const OPEN_FILES: usize = 16;
/// Open segments, the longest unused first.
pub(super) type Files = Mutex<VecDeque<(u32, SegmentFile)>>;
