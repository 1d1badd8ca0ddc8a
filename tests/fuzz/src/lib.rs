//! What strangers may hand to pdbak, read as pdbak reads it: it ends in a value or an error, never in a panic, and with
//! memory that the length of the input bounds.
//!
//! Each function is a target of its own under cargo-fuzz (`run.sh`), and `tests/hostile.rs` feeds all of them with the
//! committed seeds and what chance makes of these, so that every run of the tests guards them.

use std::fs;
use std::path::Path;

use pdbak::account::{Ask, Page, Position};
use pdbak::archive::{Form, HeaderFacts, Shelf, inspect};
use pdbak::catalogue::{Listing, ObjectName, find};
use pdbak::cli::check_config;
use pdbak::diff::Filter;
use pdbak::offsite::{Amount, Progress, unbundle};
use pdbak::record::{Key, Record};
use pdbak::restore::Plan;

/// Reads input; answers whether it was taken for what it claims to be.
pub type Target = fn(&[u8]) -> bool;

/// All targets, by the names of their folders in `seeds`.
pub static TARGETS: &[(&str, Target)] = &[
    ("segment", segment),
    ("manifest", manifest),
    ("small", small),
    ("config", config),
    ("answer", answer),
    ("filter", filter),
    ("plan", plan),
    ("bundle", bundle),
];

/// The archive that the seeds are of.
const ARCHIVE: &str = "1500e422724d8d7e75eceae63f539904";
/// The journal among them.
const JOURNAL: &str = "977933d7497de3a4";
/// How zstd's frames begin, and those that it skips.
const ZSTD: [u8; 4] = [0x28, 0xB5, 0x2F, 0xFD];
const SKIPPABLE: u32 = 0x184D_2A5D;
/// What tar writes in blocks of.
const BLOCK: usize = 512;

fn archived(form: Form, bytes: Vec<u8>) -> bool {
    inspect(form, ARCHIVE, bytes).is_ok()
}

/// A segment: as it is stored, or a directory in one line with the text of all its blocks behind it, which are packed
/// here because chance does not find its way through a compressor.
pub fn segment(bytes: &[u8]) -> bool {
    if bytes.starts_with(&SKIPPABLE.to_le_bytes()) {
        return archived(Form::Segment, bytes.to_vec());
    }
    let end = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
    let (directory, text) = (&bytes[..end], bytes.get(end + 1..).unwrap_or_default());
    let header = format!(r#"{{"pdbak":1,"archive":"{ARCHIVE}","kind":"segment"}}"#);
    let tail = [directory, format!("{:08}\n", directory.len()).as_bytes()].concat();
    let block = zstd::bulk::compress(text, 1).expect("memory takes every byte");
    archived(Form::Segment, [skippable(header.as_bytes()), block, skippable(&tail)].concat())
}

fn skippable(payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("inputs are small");
    [&SKIPPABLE.to_le_bytes()[..], &length.to_le_bytes()[..], payload].concat()
}

/// As it is stored, or packed here.
fn packed(bytes: &[u8]) -> Vec<u8> {
    match bytes.starts_with(&ZSTD) {
        true => bytes.to_vec(),
        false => zstd::bulk::compress(bytes, 1).expect("memory takes every byte"),
    }
}

/// A manifest under its seal.
pub fn manifest(bytes: &[u8]) -> bool {
    archived(Form::Manifest, packed(bytes))
}

/// The small files of an archive; the first byte says which.
pub fn small(bytes: &[u8]) -> bool {
    let Some((form, rest)) = bytes.split_first() else { return false };
    match form {
        b'h' => {
            let facts = HeaderFacts::parse(rest, Path::new("archive.json"));
            archived(Form::Header, rest.to_vec()) && facts.is_ok()
        }
        b'k' => archived(Form::Holder, rest.to_vec()),
        b'l' => archived(Form::Label, rest.to_vec()),
        b'm' => archived(Form::Moved, packed(rest)),
        b'j' => archived(Form::Log(JOURNAL), rest.to_vec()),
        _ => false,
    }
}

/// `pdbak.toml`.
pub fn config(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_ok_and(|text| check_config(text).is_ok())
}

/// A page of a list: a letter that says where it begins, the object up to the end of the line, and the body.
pub fn answer(bytes: &[u8]) -> bool {
    let Some((position, rest)) = bytes.split_first() else { return false };
    let Some(end) = rest.iter().position(|byte| *byte == b'\n') else { return false };
    let (object, body) = (String::from_utf8_lossy(&rest[..end]), &rest[end + 1..]);
    let Some(object) = find(&ObjectName::new(&object)) else { return false };
    let parents = match object.listing {
        Listing::Under { .. } | Listing::Bulk { .. } => vec![Key::Number(7)],
        Listing::Flat(_) | Listing::Within { .. } | Listing::Derived { .. } => Vec::new(),
    };
    let position = match position {
        b'c' => Position::Cursor("abc".to_owned()),
        b'o' => Position::Offset(100),
        _ => Position::Start,
    };
    let ask = Ask { parents: &parents, position, ..Ask::first(object) };
    let Ok(Page { rows, .. }) = ask.read(body.to_vec()) else { return false };
    for row in rows {
        let Ok(record) = Record::read(object, parents.first(), &row) else { continue };
        // Half a letter is kept as it came, and read as one that nobody knows.
        assert!(!record.fields().is_empty(), "a record that nothing reads again: {}", record.text());
    }
    true
}

/// What is typed after `--filter`.
pub fn filter(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    match Filter::parse(text) {
        Ok(filter) => {
            assert_eq!(filter.text(), text);
            true
        }
        Err(error) => {
            assert!(!error.to_string().is_empty());
            false
        }
    }
}

/// The file of a plan; one that is read is written as what it was read from.
pub fn plan(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let Ok(plan) = Plan::from_json(text) else { return false };
    let again = Plan::from_json(&plan.to_json()).expect("what was written can be read");
    assert_eq!(again.digest(), plan.digest());
    true
}

/// A bundle, taken out into an empty folder: nothing may appear beside it, and no link in it.
pub fn bundle(bytes: &[u8]) -> bool {
    let scratch = tempfile::tempdir().expect("a folder");
    let (file, folder) = (scratch.path().join("bundle.tar"), scratch.path().join("a/b/archive"));
    fs::create_dir_all(folder.parent().expect("two above it")).expect("a folder");
    fs::write(&file, summed(bytes)).expect("a file");
    let now = chrono::DateTime::UNIX_EPOCH;
    let taken = unbundle(&file, &Shelf::at(&folder), now, &Deaf).is_ok();
    let names = |folder: &Path| {
        let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").file_name());
        let mut names: Vec<String> = entries.map(|name| name.to_string_lossy().into_owned()).collect();
        names.sort();
        names
    };
    assert_eq!(names(scratch.path()), ["a", "bundle.tar"]);
    assert_eq!(names(&scratch.path().join("a")), ["b"]);
    assert!(names(&scratch.path().join("a/b")).iter().all(|name| name == "archive"));
    no_links(scratch.path());
    taken
}

fn no_links(folder: &Path) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let kind = fs::symlink_metadata(&path).expect("what was just listed").file_type();
        assert!(kind.is_dir() || kind.is_file(), "{} is neither file nor folder", path.display());
        if kind.is_dir() {
            no_links(&path);
        }
    }
}

/// The same tar file with right checksums: with wrong ones nothing behind them would be looked at.
fn summed(bytes: &[u8]) -> Vec<u8> {
    let (mut tar, mut at) = (bytes.to_vec(), 0);
    while let Some(header) = tar.get_mut(at..at + BLOCK).filter(|header| header.iter().any(|byte| *byte != 0)) {
        header[148..156].fill(b' ');
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        let digits = header[124..136].iter().take_while(|byte| (b'0'..=b'7').contains(byte));
        let size = digits.fold(0usize, |size, digit| size.wrapping_mul(8).wrapping_add(usize::from(digit - b'0')));
        at = at.saturating_add(BLOCK).saturating_add(size.min(tar.len()).next_multiple_of(BLOCK));
    }
    tar
}

/// Hears nothing.
struct Deaf;

impl Progress for Deaf {
    fn expects(&self, _: Amount) {}
    fn did(&self, _: Amount) {}
    fn warned(&self, _: &str) {}
}
