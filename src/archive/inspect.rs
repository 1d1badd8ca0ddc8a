//! What the bytes of one file say, taken for themselves.
//!
//! Files of an archive are read by whoever has its keys, and written by whoever can write
//! to its folder. Neither a key nor another file is asked here, so nothing is proven but
//! that reading ends: in a count or in an error, with memory that the length of the bytes
//! bounds. It is the same reading that every other part of the archive does; what is sealed has to be
//! unsealed before.

use std::io::Cursor;
use std::path::Path;

use super::absorb::records_in;
use super::error::Error;
use super::header::Header;
use super::keys::Wrapped;
use super::labels::Label;
use super::log::{Of, walk};
use super::manifest::{Line, MapLine};
use super::map::from_runs;
use super::moves::MovedLine;
use super::segment::{BlockFacts, SegmentFile};
use super::signed::read_unproven;
use crate::catalogue::ObjectName;

/// What bytes are taken for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    /// `archive.json`; counts the features it demands of a reader.
    Header,
    /// The inside of a file in `keys/`; counts the keys that open records.
    Holder,
    /// A file in `labels/`; counts itself.
    Label,
    /// A file in `snapshots/`; counts the lines that its map names.
    Manifest,
    /// A file in `moves/`; counts the lines that were moved.
    Moved,
    /// A file in `restores/` that has this name; counts its whole entries.
    Log(&'static str),
    /// A file in `segments/`; counts its records.
    Segment,
}

/// Reads the bytes of a file of the archive with this id.
pub fn inspect(form: Form, archive: &str, bytes: Vec<u8>) -> Result<u64, Error> {
    let path = Path::new("what is inspected");
    let garbled = |fact: &str| Error::damaged(path, fact.to_owned());
    match form {
        Form::Header => Ok(Header::from_bytes(&bytes, path)?.requires.read.len() as u64),
        Form::Holder => Ok(Wrapped::parse(&bytes, path)?.secrets(path)?.data.len() as u64),
        Form::Label => {
            let name = blake3::hash(&bytes).to_hex();
            Label::parse(name.as_str(), &bytes).map(|_| 1).ok_or_else(|| garbled("no label"))
        }
        Form::Manifest => {
            let line: Line = read_unproven(&bytes, path)?;
            lines_of(&line.map).ok_or_else(|| garbled("runs beyond the last line"))
        }
        Form::Moved => {
            let line: MovedLine = read_unproven(&bytes, path)?;
            line.lines().ok_or_else(|| garbled("runs beyond the last line"))
        }
        Form::Log(log) => Ok(walk(&mut &bytes[..], &Of { archive, log, path }, &[], &mut |_| {})?.entries),
        Form::Segment => records(archive, bytes, path),
    }
}

/// How many lines a map names.
fn lines_of(map: &MapLine) -> Option<u64> {
    let lines = |runs: &[u32]| from_runs(runs).map(|lines| lines.len());
    match map {
        MapLine::Full { segments } => segments.iter().map(|part| lines(&part.alive)).sum(),
        MapLine::Delta { segments, .. } => {
            segments.iter().map(|part| Some(lines(&part.added)? + lines(&part.removed)?)).sum()
        }
    }
}

/// How many records the blocks of a segment hold, each of which has to be one.
fn records(archive: &str, bytes: Vec<u8>, path: &Path) -> Result<u64, Error> {
    let mut file = SegmentFile::over(Box::new(Cursor::new(bytes)), path.to_owned(), archive, &[])?;
    let mut all = 0;
    for facts in file.directory()?.blocks {
        let BlockFacts { object, lines, .. } = &facts;
        let (text, object) = (file.block(&facts)?, ObjectName::new(object));
        let found = records_in(&text, &object).take_while(Option::is_some).count() as u64;
        if found != u64::from(*lines) {
            return Err(Error::damaged(path, format!("{found} records in a block of {lines}")));
        }
        all += found;
    }
    Ok(all)
}
