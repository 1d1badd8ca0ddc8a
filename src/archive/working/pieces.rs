//! Files of the store that are read in part: pieces come as they are wanted, and stay as copies do.
//!
//! The name of a file is the hash of all of it, so a piece proves nothing: whoever reads in part has to
//! know by other means what he reads, and reads the whole file where that is not it. On this machine each
//! piece has its own hash in front, so that one that decays here is no damage there.

use std::fs;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::sync::Arc;

use super::Desk;
use super::fetched::at_once;
use crate::archive::disk::{Ahead, Input, Partial};
use crate::archive::shelf::{FileName, Part};

/// Where pieces are cut. The first holds what opens a file, the last the directory of a segment.
const PIECE: u64 = 128 << 10;
/// A file that is no longer comes whole: it costs one request as well, and proves itself.
const WHOLE: u64 = 4 * PIECE;
/// At most so much comes at once, whatever is said of what will be read.
const AT_MOST: u64 = 16 << 20;
/// Where more than this share of a file came in pieces, the rest is likely to be wanted, too.
const RATHER_WHOLE: u64 = 2;

impl Desk {
    /// Opens a file of which only some is going to be read.
    pub(super) fn open_in_part(self: &Arc<Self>, name: &FileName) -> io::Result<Partial> {
        if let Some(bytes) = self.in_pieces(name) {
            let ahead = Ahead::default();
            let input = InPieces {
                desk: Arc::clone(self),
                name: name.clone(),
                bytes,
                at: 0,
                ahead: ahead.clone(),
                held: Held { from: 0, bytes: Vec::new() },
                whole: None,
            };
            return Ok(Partial { input: Box::new(input), ahead: Some(ahead) });
        }
        Ok(Partial { input: self.open(name)?, ahead: None })
    }

    /// How long a file is that is worth reading in part: one that is only in the store, and large.
    fn in_pieces(&self, name: &FileName) -> Option<u64> {
        let is_candidate =
            name.part() == Part::Segment && !self.is_unsent(name) && !self.fetched(name.as_str()).exists();
        self.length_there(name).filter(|bytes| is_candidate && *bytes > WHOLE)
    }

    /// Fetches these files, or what opens each of them, several at a time. What cannot be had is met again by whoever
    /// reads it.
    pub(super) fn fetch_ahead(self: &Arc<Self>, names: &[FileName], whole: bool) -> io::Result<()> {
        at_once(names, |name| {
            let fetched = if whole { self.open(name).map(drop) } else { self.fetch_ends(name) };
            match fetched {
                Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::InvalidData) => Ok(()),
                fetched => fetched,
            }
        })
    }

    fn fetch_ends(self: &Arc<Self>, name: &FileName) -> io::Result<()> {
        let Partial { mut input, ahead } = self.open_in_part(name)?;
        if ahead.is_some() {
            input.read_exact(&mut [0])?;
            input.seek(SeekFrom::End(-1))?;
            input.read_exact(&mut [0])?;
        }
        Ok(())
    }

    fn piece(&self, name: &FileName, number: u64) -> PathBuf {
        self.fetched(&format!("{name}.{number}"))
    }

    /// A piece that is here, and is what came.
    fn piece_here(&self, name: &FileName, number: u64) -> Option<Vec<u8>> {
        let mut bytes = fs::read(self.piece(name, number)).ok()?;
        let hash: [u8; 32] = bytes.get(..32)?.try_into().ok()?;
        bytes.drain(..32);
        (blake3::hash(&bytes) == hash).then_some(bytes)
    }

    /// Keeps a piece; one that cannot be kept comes again.
    fn keep_piece(&self, name: &FileName, number: u64, bytes: &[u8]) {
        let Ok(draft) = self.draft() else { return };
        let proven = [blake3::hash(bytes).as_bytes(), bytes].concat();
        match fs::write(&draft, proven) {
            Ok(()) => self.keep_copy(&draft, &self.piece(name, number)),
            Err(_) => drop(fs::remove_file(&draft)),
        }
    }

    /// Lets the pieces of a file go, of which there is a whole copy now.
    fn drop_pieces(&self, name: &FileName, bytes: u64) {
        for number in 0..=number_of(bytes, bytes) {
            let _not_here = fs::remove_file(self.piece(name, number));
        }
    }
}

/// Which piece a place of a file lies in: the last one is the longer for what does not fill another.
fn number_of(at: u64, bytes: u64) -> u64 {
    (at / PIECE).min((bytes / PIECE).saturating_sub(1))
}

/// Where a piece ends.
fn end_of(number: u64, bytes: u64) -> u64 {
    if number == number_of(bytes, bytes) { bytes } else { (number + 1) * PIECE }
}

/// Pieces at hand, one after the other.
struct Held {
    from: u64,
    bytes: Vec<u8>,
}

/// A file of the store, read piece by piece.
struct InPieces {
    desk: Arc<Desk>,
    name: FileName,
    bytes: u64,
    at: u64,
    ahead: Ahead,
    held: Held,
    /// The file itself, where so much of it was wanted that it came.
    whole: Option<Box<dyn Input>>,
}

impl InPieces {
    /// What follows the place to be read, of what is at hand.
    fn at_hand(&self) -> &[u8] {
        let begin = self.at.checked_sub(self.held.from).and_then(|begin| usize::try_from(begin).ok());
        begin.and_then(|begin| self.held.bytes.get(begin..)).unwrap_or_default()
    }

    /// Brings the piece that is to be read, and with it those that are going to be.
    fn bring(&mut self) -> io::Result<()> {
        let first = number_of(self.at, self.bytes);
        let from = first * PIECE;
        if let Some(bytes) = self.desk.piece_here(&self.name, first) {
            self.held = Held { from, bytes };
            return Ok(());
        }
        let until = self.at.saturating_add(self.ahead.take().min(AT_MOST)).min(self.bytes - 1);
        let mut last = first;
        while last < number_of(until, self.bytes) && !self.desk.piece(&self.name, last + 1).exists() {
            last += 1;
        }
        if self.came() + (last - first) * PIECE > self.bytes / RATHER_WHOLE {
            return self.bring_whole();
        }
        let bytes = self.desk.home.fetch_part(&self.name, from..end_of(last, self.bytes))?;
        let Some(bytes) = bytes else {
            self.desk.miss(&self.name)?;
            return Err(io::ErrorKind::NotFound.into());
        };
        if bytes.len() as u64 != end_of(last, self.bytes) - from {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the store gave another part than was asked for"));
        }
        for number in first..=last {
            let begin = (number * PIECE - from) as usize;
            let end = (end_of(number, self.bytes) - from) as usize;
            self.desk.keep_piece(&self.name, number, &bytes[begin..end]);
        }
        self.desk.make_room(bytes.len() as u64);
        self.held = Held { from, bytes };
        Ok(())
    }

    /// How many bytes of the file came in pieces and are here.
    fn came(&self) -> u64 {
        let pieces = 0..=number_of(self.bytes, self.bytes);
        pieces.filter(|number| self.desk.piece(&self.name, *number).exists()).count() as u64 * PIECE
    }

    fn bring_whole(&mut self) -> io::Result<()> {
        let mut whole = self.desk.open(&self.name)?;
        whole.seek(SeekFrom::Start(self.at))?;
        self.whole = Some(whole);
        self.desk.drop_pieces(&self.name, self.bytes);
        Ok(())
    }
}

impl Read for InPieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.whole.is_none() && self.at < self.bytes && self.at_hand().is_empty() {
            self.bring()?;
        }
        let read = match &mut self.whole {
            Some(whole) => whole.read(buffer)?,
            None => self.at_hand().read(buffer)?,
        };
        self.at += read as u64;
        Ok(read)
    }
}

impl Seek for InPieces {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let place = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
            SeekFrom::End(by) => self.bytes.checked_add_signed(by),
        };
        self.at = place.ok_or(io::ErrorKind::InvalidInput)?;
        if let Some(whole) = &mut self.whole {
            whole.seek(SeekFrom::Start(self.at))?;
        }
        Ok(self.at)
    }
}

#[cfg(test)]
mod tests {
    use super::{PIECE, end_of, number_of};

    #[test]
    fn pieces_fill_a_file_and_the_last_is_no_short_one() {
        let bytes = 5 * PIECE + 7;
        assert_eq!([0, PIECE - 1, PIECE, 5 * PIECE, bytes - 1].map(|at| number_of(at, bytes)), [0, 0, 1, 4, 4]);
        assert_eq!((end_of(0, bytes), end_of(3, bytes), end_of(4, bytes)), (PIECE, 4 * PIECE, bytes));
        assert_eq!((number_of(10, 20), end_of(0, 20)), (0, 20));
    }
}
