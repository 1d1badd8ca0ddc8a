//! Segments: lines of records under zstd, in blocks that can be read one by one.
//!
//! Inside its seal a segment is a plain zstd file (`age -d … | zstd -d` prints
//! all lines): a skippable frame that says what it is, one frame a block, and a
//! skippable frame with the directory of the blocks, found from the end.

use std::io::{Read, Seek, SeekFrom, Write};
use std::path::PathBuf;

use age::x25519;
use serde::{Deserialize, Serialize};

use super::disk::{Ahead, Partial};
use super::error::Error;
use super::map::MOST_LINES;
use super::press::{AHEAD, Press, Pressed, cores};
use super::seal::{Opened, Sealing};
use super::store::{Placed, Store};
use crate::record::Key;

/// Raw bytes after which a block is cut: larger blocks save 3 % more and cost more at a bad sector.
pub(super) const BLOCK_BYTES: usize = 1 << 20;
/// Stored bytes after which a segment is closed.
pub(super) const SEGMENT_BYTES: u64 = 8 << 20;
/// Where segments lie.
pub(super) const SEGMENTS: &str = "segments";
/// One of the sixteen frame numbers that zstd skips.
const SKIPPABLE: u32 = 0x184D_2A5D;
/// The directory's length in decimal and a line's end: `tail -c 9`.
const TRAILER_BYTES: u64 = 9;
/// A directory of more is not read into memory.
const DIRECTORY_LIMIT: u64 = 16 << 20;
/// A block of more is not unpacked into memory: neither an answer nor a line of an import is as long.
const RAW_LIMIT: u64 = 128 << 20;
/// What a seal reads before and behind what is asked for: its chunks are of 64 KiB.
const SEAL_AHEAD: u64 = 2 << 16;
/// How much work compressing is worth. Of 206 MB of records level 5 makes 27.1 MB at 230 MB/s, 6 makes 25.4 at 165, and 12
/// makes 23.6 at 84 (`zstd -b5 -e12 -B1MB --zstd=mml=6`, one thread).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Effort {
    /// Records come as fast as they are parsed, and somebody waits.
    Quick,
    /// They come over a line, or were here before: nobody waits for it.
    Thorough,
}

impl Effort {
    pub(super) fn level(self) -> i32 {
        match self {
            Effort::Quick => 6,
            Effort::Thorough => 12,
        }
    }
}

/// What stands in front of a file's contents, under its seal.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct FileHeader {
    pub(super) pdbak: u32,
    pub(super) archive: String,
    pub(super) kind: String,
    /// By chance, where lines were packed anew: the same lines must not make the name of a segment that they left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) anew: Option<String>,
}

/// One block of a segment, as its directory lists it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct BlockFacts {
    pub(super) object: String,
    /// Where the zstd frame begins in the unsealed file, and how long it is.
    pub(super) offset: u64,
    pub(super) stored: u64,
    pub(super) raw: u64,
    pub(super) lines: u32,
    /// The least and the greatest key.
    pub(super) first: String,
    pub(super) last: String,
    /// Hex BLAKE3 of the raw lines.
    pub(super) blake3: String,
}

/// The last frame of a segment.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Directory {
    pub(super) blocks: Vec<BlockFacts>,
}

impl Directory {
    /// Hex BLAKE3 of it as it is stored.
    pub(super) fn hash(&self) -> String {
        blake3::hash(&serde_json::to_vec(self).expect("a directory always serialises")).to_hex().to_string()
    }

    pub(super) fn lines(&self) -> u64 {
        self.blocks.iter().map(|block| u64::from(block.lines)).sum()
    }
}

/// Lines of one object, not compressed yet.
#[derive(Debug)]
pub(super) struct RawBlock {
    pub(super) object: String,
    pub(super) text: Vec<u8>,
    pub(super) lines: u32,
    pub(super) first: Key,
    pub(super) last: Key,
}

/// A frame that zstd skips.
pub(super) fn skippable(payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("headers and directories are small");
    [&SKIPPABLE.to_le_bytes()[..], &length.to_le_bytes()[..], payload].concat()
}

/// The first frame of a file of this kind.
pub(super) fn header_frame(archive: &str, kind: &str) -> Vec<u8> {
    frame_of(archive, kind, None)
}

fn frame_of(archive: &str, kind: &str, anew: Option<String>) -> Vec<u8> {
    let header = FileHeader { pdbak: super::header::FORMAT, archive: archive.to_owned(), kind: kind.to_owned(), anew };
    skippable(&serde_json::to_vec(&header).expect("a header always serialises"))
}

/// Reads the first frame and refuses a file of another archive, kind or format.
pub(super) fn read_header(
    reader: &mut impl Read,
    archive: &str,
    kind: &str,
    path: &std::path::Path,
) -> Result<(), Error> {
    let mut head = [0; 8];
    reader.read_exact(&mut head).map_err(Error::file("read", path))?;
    let (magic, length) = (
        u32::from_le_bytes(head[..4].try_into().expect("four bytes")),
        u32::from_le_bytes(head[4..].try_into().expect("four bytes")),
    );
    if magic != SKIPPABLE || length > 4096 {
        return Err(Error::damaged(path, format!("no header of a {kind}")));
    }
    let mut payload = vec![0; length as usize];
    reader.read_exact(&mut payload).map_err(Error::file("read", path))?;
    let header: FileHeader =
        serde_json::from_slice(&payload).map_err(|error| Error::damaged(path, error.to_string()))?;
    if header.pdbak > super::header::FORMAT {
        return Err(Error::NewerFormat { path: path.to_owned(), found: header.pdbak, known: super::header::FORMAT });
    }
    if header.archive != archive || header.kind != kind {
        return Err(Error::damaged(
            path,
            format!("a {} of archive {}, expected a {kind} of archive {archive}", header.kind, header.archive),
        ));
    }
    Ok(())
}

/// A segment growing in memory: at most `SEGMENT_BYTES` and the blocks that are on their way.
pub(super) struct Growing {
    body: Vec<u8>,
    /// Of the body, so that storing it once more does not hash it anew.
    hasher: blake3::Hasher,
    header_bytes: usize,
    directory: Directory,
    press: Press,
}

impl Growing {
    pub(super) fn new(archive: &str, effort: Effort) -> Growing {
        // What comes over a line is no work for more.
        let threads = if effort == Effort::Quick { cores() } else { 1 };
        Growing::begun_with(header_frame(archive, "segment"), Press::start(effort, threads))
    }

    /// For lines of other segments, under a name that no segment had.
    pub(super) fn anew(archive: &str) -> Growing {
        let chance = uuid::Uuid::new_v4().simple().to_string();
        Growing::begun_with(frame_of(archive, "segment", Some(chance)), Press::start(Effort::Thorough, cores()))
    }

    fn begun_with(body: Vec<u8>, press: Press) -> Growing {
        let directory = Directory { blocks: Vec::new() };
        Growing { hasher: hasher_of(&body), header_bytes: body.len(), body, directory, press }
    }

    /// Of the blocks that are certainly done: `AHEAD` more may be on their way.
    pub(super) fn stored_bytes(&self) -> u64 {
        self.body.len() as u64
    }

    /// Begins another segment, after this one was stored.
    pub(super) fn clear(&mut self) {
        debug_assert_eq!(self.press.on_their_way(), 0);
        self.body.truncate(self.header_bytes);
        self.hasher = hasher_of(&self.body);
        self.directory.blocks.clear();
    }

    /// Has a block compressed.
    pub(super) fn add(&mut self, block: RawBlock) -> Result<(), Error> {
        self.press.give(block)?;
        self.append_until(AHEAD)
    }

    /// Appends what is compressed until so many blocks are on their way.
    fn append_until(&mut self, on_their_way: usize) -> Result<(), Error> {
        while self.press.on_their_way() > on_their_way {
            let Some(pressed) = self.press.next() else { break };
            let Pressed { stored, facts } = pressed?;
            self.directory.blocks.push(BlockFacts { offset: self.body.len() as u64, ..facts });
            self.hasher.update(&stored);
            self.body.extend_from_slice(&stored);
        }
        Ok(())
    }

    /// Seals the blocks so far and puts them on disk under their hash.
    ///
    /// A machine that can read unseals what was written and compares it; one that may only put
    /// compares the stored bytes, and every block was unpacked before it was sealed.
    pub(super) fn store(
        &mut self,
        store: &Store,
        recipient: Option<&x25519::Recipient>,
        identities: &[x25519::Identity],
    ) -> Result<(Placed, Directory), Error> {
        self.append_until(0)?;
        let path = store.path(SEGMENTS);
        let json = serde_json::to_vec(&self.directory).expect("a directory always serialises");
        let tail = skippable(&[&json[..], format!("{:08}\n", json.len()).as_bytes()].concat());
        let refused = || Error::file("write", &path);
        let mut sealing = Sealing::new(recipient, store.draft()?).map_err(refused())?;
        sealing.write_all(&self.body).and_then(|()| sealing.write_all(&tail)).map_err(refused())?;
        let draft = sealing.finish().map_err(refused())?;
        let expected = self.hasher.clone().update(&tail).finalize();
        let placed = draft.place(SEGMENTS, |input| {
            if recipient.is_some() && identities.is_empty() {
                return Ok(());
            }
            let opened = Opened::new(identities, input).map_err(refused())?;
            let mut hasher = blake3::Hasher::new();
            hasher.update_reader(opened).map_err(refused())?;
            if hasher.finalize() == expected {
                Ok(())
            } else {
                Err(Error::damaged(&path, "a segment does not unseal to what was sealed"))
            }
        })?;
        Ok((placed, self.directory.clone()))
    }
}

fn hasher_of(bytes: &[u8]) -> blake3::Hasher {
    let mut hasher = blake3::Hasher::new();
    hasher.update(bytes);
    hasher
}

/// A stored segment, open for reading blocks.
pub(super) struct SegmentFile {
    path: PathBuf,
    opened: Opened,
    /// Where to say what is read next, of a file that nobody has proven.
    ahead: Option<Ahead>,
    decompressor: zstd::bulk::Decompressor<'static>,
}

impl SegmentFile {
    pub(super) fn open(
        store: &Store,
        name: &str,
        archive: &str,
        identities: &[x25519::Identity],
    ) -> Result<SegmentFile, Error> {
        let file = Store::spread(SEGMENTS, name);
        SegmentFile::over(store.open(&file)?, store.path(&file), archive, identities)
    }

    /// The same where few of its blocks are wanted, and whoever reads them knows their hashes.
    pub(super) fn open_in_part(
        store: &Store,
        name: &str,
        archive: &str,
        identities: &[x25519::Identity],
    ) -> Result<SegmentFile, Error> {
        let file = Store::spread(SEGMENTS, name);
        let Partial { input, ahead } = store.open_in_part(&file)?;
        Ok(SegmentFile { ahead, ..SegmentFile::over(input, store.path(&file), archive, identities)? })
    }

    /// Whether nobody has proven that all of it is what its name says.
    pub(super) fn is_in_part(&self) -> bool {
        self.ahead.is_some()
    }

    /// Over bytes that are already at hand.
    pub(super) fn over(
        input: Box<dyn super::disk::Input>,
        path: PathBuf,
        archive: &str,
        identities: &[x25519::Identity],
    ) -> Result<SegmentFile, Error> {
        let mut opened = Opened::new(identities, input).map_err(Error::file("read", &path))?;
        read_header(&mut opened, archive, "segment", &path)?;
        let decompressor = zstd::bulk::Decompressor::new().map_err(Error::file("read", &path))?;
        Ok(SegmentFile { path, opened, ahead: None, decompressor })
    }

    /// For who compares the hash of each block: zstd's own checksum would tell nothing more.
    pub(super) fn without_checksums(mut self) -> Result<SegmentFile, Error> {
        let ignore = zstd::zstd_safe::DParameter::ForceIgnoreChecksum(true);
        self.decompressor.set_parameter(ignore).map_err(Error::file("read", &self.path))?;
        Ok(self)
    }

    /// Reads the directory from the end, and checks that the blocks fill the file without a gap.
    pub(super) fn directory(&mut self) -> Result<Directory, Error> {
        let path = self.path.clone();
        let read = || Error::file("read", &path);
        let begin = self.opened.stream_position().map_err(read())?.max(1);
        let end = self.opened.seek(SeekFrom::End(0)).map_err(read())?;
        let trailer_at = end.checked_sub(TRAILER_BYTES).ok_or_else(|| Error::damaged(&path, "too short"))?;
        let trailer = self.bytes(trailer_at, TRAILER_BYTES)?;
        let length = std::str::from_utf8(&trailer)
            .ok()
            .and_then(|text| text.strip_suffix('\n'))
            .and_then(|text| text.parse::<u64>().ok());
        let length = length
            .filter(|length| *length <= DIRECTORY_LIMIT)
            .ok_or_else(|| Error::damaged(&path, "no directory at the end"))?;
        let at = trailer_at.checked_sub(length).ok_or_else(|| Error::damaged(&path, "no directory at the end"))?;
        let directory: Directory = serde_json::from_slice(&self.bytes(at, length)?)
            .map_err(|error| Error::damaged(&path, error.to_string()))?;
        if directory.lines() > u64::from(MOST_LINES) {
            return Err(Error::damaged(&path, "directory lists more lines than can be"));
        }
        let mut next = directory.blocks.first().map_or(begin, |block| block.offset);
        for block in &directory.blocks {
            let end = next.checked_add(block.stored).filter(|end| *end <= at);
            next = end.filter(|_| block.offset == next && block.raw <= RAW_LIMIT).ok_or_else(|| {
                Error::damaged(&path, format!("directory lists a block at {}, expected at {next}", block.offset))
            })?;
        }
        let frame = skippable(&[]).len() as u64;
        if next + frame != at {
            return Err(Error::damaged(&path, format!("blocks end at {next}, directory begins at {at}")));
        }
        Ok(directory)
    }

    /// The directory, if it is the one that a manifest or a list of moves names by this hash.
    pub(super) fn directory_named(&mut self, hash: &str) -> Result<Directory, Error> {
        let directory = self.directory()?;
        match directory.hash() == hash {
            true => Ok(directory),
            false => Err(Error::damaged(&self.path, "another directory than manifests name")),
        }
    }

    fn bytes(&mut self, at: u64, length: u64) -> Result<Vec<u8>, Error> {
        let mut bytes = vec![0; usize::try_from(length).expect("lengths are limited before they are read")];
        self.opened
            .seek(SeekFrom::Start(at))
            .and_then(|_| self.opened.read_exact(&mut bytes))
            .map_err(Error::file("read", &self.path))?;
        Ok(bytes)
    }

    /// Unpacks one block; zstd's own checksum and the seal vouch for it, and its hash where the file is read in part.
    pub(super) fn block(&mut self, facts: &BlockFacts) -> Result<Vec<u8>, Error> {
        let mut text = Vec::new();
        self.block_into(&mut text, facts)?;
        Ok(text)
    }

    /// Unpacks one block in the place of what was read before: memory that is there already costs nothing.
    pub(super) fn block_into(&mut self, text: &mut Vec<u8>, facts: &BlockFacts) -> Result<(), Error> {
        if facts.raw > RAW_LIMIT || facts.stored > RAW_LIMIT {
            return Err(Error::damaged(&self.path, "a block of impossible length"));
        }
        if let Some(ahead) = &self.ahead {
            ahead.set(facts.stored + facts.stored / 1024 + SEAL_AHEAD);
        }
        let stored = self.bytes(facts.offset, facts.stored)?;
        let raw = usize::try_from(facts.raw).expect("the length was limited above");
        text.clear();
        text.reserve_exact(raw);
        self.decompressor
            .decompress_to_buffer(&stored, text)
            .map_err(|error| Error::damaged(&self.path, error.to_string()))?;
        if text.len() != raw {
            return Err(Error::damaged(&self.path, format!("a block of {} bytes, expected {raw}", text.len())));
        }
        if self.is_in_part() && blake3::hash(text).to_hex().as_str() != facts.blake3 {
            return Err(Error::damaged(&self.path, "a block of other records than its directory lists"));
        }
        Ok(())
    }
}
