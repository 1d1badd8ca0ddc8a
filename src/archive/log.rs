//! Logs under `restores/`: sealed entries, each on disk before the next step.
//!
//! A journal must survive the machine that writes it, so every entry is sealed
//! by itself and appended with fsync. In front of each stands a line with its
//! length as 15 digits and its BLAKE3: `head`, `tail` and `age` are enough to
//! read it, and `b3sum` to check it.

use std::io::{BufReader, Read, Write};
use std::path::Path;

use age::x25519;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::disk::Output;
use super::error::Error;
use super::{Archive, Inner, Role, seal};

/// Where logs lie.
pub(super) const LOGS: &str = "restores";
/// 15 digits, a space, 64 letters of a hash and a line's end.
const PREFIX: usize = 15 + 1 + 64 + 1;

/// A log, open for appending.
pub struct Log {
    inner: std::sync::Arc<Inner>,
    folder: &'static str,
    name: String,
    output: Box<dyn Output>,
    entries: u64,
    /// How long the file is.
    bytes: u64,
    /// Where its whole entries end, if a crash has cut the one behind them.
    cut: Option<u64>,
    /// Set when an append failed: what the file ends with is not known any more.
    broken: bool,
}

/// What a log holds.
#[derive(Clone, PartialEq, Debug)]
pub struct LogEntries {
    /// The entries in order.
    pub entries: Vec<Value>,
    /// The last entry was cut by a crash and is left out.
    pub torn: bool,
}

/// What is sealed: an entry that cannot be moved to another place or another log.
#[derive(Serialize, Deserialize)]
struct Entry<T> {
    archive: String,
    log: String,
    number: u64,
    entry: T,
}

/// How far a log could be read.
pub(super) struct Walked {
    /// Its whole entries.
    pub(super) entries: u64,
    /// How many bytes they fill.
    bytes: u64,
    /// Whether a crash has cut the one behind them.
    pub(super) torn: bool,
}

impl Log {
    /// Appends an entry; it is on disk when this returns.
    pub fn append(&mut self, entry: &impl Serialize) -> Result<(), Error> {
        let path = self.inner.store.path(&file_of(self.folder, &self.name));
        if self.broken {
            return Err(Error::Log { doing: "append to", name: self.name.clone(), fact: "an earlier append failed" });
        }
        let entry = Entry {
            archive: self.inner.header.archive.clone(),
            log: bound(self.folder, &self.name),
            number: self.entries,
            entry,
        };
        let text = serde_json::to_vec(&entry).expect("an entry always serialises");
        let sealed = seal::seal(self.inner.data_recipient.as_ref(), &text).map_err(Error::file("write", &path))?;
        drop(text);
        let before = format!("{:015} {}\n", sealed.len(), blake3::hash(&sealed).to_hex());
        self.broken = true;
        // Not before: of somebody who is still writing, an entry that is under way looks the same.
        if let Some(whole) = self.cut.take() {
            self.inner.store.truncate(&file_of(self.folder, &self.name), whole)?;
            self.bytes = whole;
        }
        self.output
            .write_all(before.as_bytes())
            .and_then(|()| self.output.write_all(&sealed))
            .and_then(|()| self.output.flush())
            .and_then(|()| self.output.sync())
            .map_err(Error::file("write", &path))?;
        self.broken = false;
        self.entries += 1;
        self.bytes += (before.len() + sealed.len()) as u64;
        Ok(())
    }

    /// How many entries it has.
    pub fn entries(&self) -> u64 {
        self.entries
    }

    /// Whether nobody else has appended since it was opened.
    pub fn is_current(&self) -> Result<bool, Error> {
        Ok(length(&self.inner, &file_of(self.folder, &self.name))? == self.bytes)
    }
}

impl Archive {
    /// Creates an append-only, sealed log under `restores/`.
    pub fn create_log(&self, name: &str) -> Result<Log, Error> {
        self.create_in(LOGS, name)
    }

    /// Creates a log in one of the folders that hold some.
    pub(super) fn create_in(&self, folder: &'static str, name: &str) -> Result<Log, Error> {
        let file = checked(folder, name, "create")?;
        if self.inner.store.exists(&file) {
            return Err(Error::Log { doing: "create", name: name.to_owned(), fact: "it exists" });
        }
        self.inner.store.create_log_file(&file)?;
        Ok(Log {
            inner: self.inner.clone(),
            folder,
            name: name.to_owned(),
            output: self.inner.store.append(&file)?,
            entries: 0,
            bytes: 0,
            cut: None,
            broken: false,
        })
    }

    /// Opens a log for more entries; a torn end is cut off before the first of them.
    pub fn open_log(&self, name: &str) -> Result<Log, Error> {
        let file = checked(LOGS, name, "open")?;
        // Measured first: what is appended while it is read shows as such.
        let bytes = length(&self.inner, &file)?;
        let read = self.inner.walk_in(LOGS, name, &mut |_| {})?;
        let output = self.inner.store.append(&file)?;
        Ok(Log {
            inner: self.inner.clone(),
            folder: LOGS,
            name: name.to_owned(),
            output,
            entries: read.entries,
            bytes,
            cut: read.torn.then_some(read.bytes),
            broken: false,
        })
    }

    /// All entries; a torn last entry (crash while appending) is left out and told.
    pub fn read_log(&self, name: &str) -> Result<LogEntries, Error> {
        checked(LOGS, name, "read")?;
        self.inner.read_in(LOGS, name)
    }

    /// Hands over one entry after the other, so that no more than one is in memory; a torn last one is left out.
    pub fn walk_log(&self, name: &str, take: &mut dyn FnMut(Value)) -> Result<(), Error> {
        checked(LOGS, name, "read")?;
        self.inner.walk_in(LOGS, name, take).map(drop)
    }

    /// The names of all logs.
    pub fn logs(&self) -> Result<Vec<String>, Error> {
        self.inner.store.list(LOGS)
    }
}

/// How long a log's file is.
fn length(inner: &Inner, file: &str) -> Result<u64, Error> {
    inner.store.length(file)
}

impl Inner {
    /// All entries.
    pub(super) fn read_in(&self, folder: &str, name: &str) -> Result<LogEntries, Error> {
        let mut entries = Vec::new();
        let Walked { torn, .. } = self.walk_in(folder, name, &mut |entry| entries.push(entry))?;
        Ok(LogEntries { entries, torn })
    }

    /// One entry after the other.
    pub(super) fn walk_in(&self, folder: &str, name: &str, take: &mut dyn FnMut(Value)) -> Result<Walked, Error> {
        let (path, log) = (self.store.path(&file_of(folder, name)), bound(folder, name));
        if self.data_recipient.is_some() && self.secrets.data.is_empty() {
            return Err(self.secrets.needs("read logs", Role::Restore));
        }
        let mut input = BufReader::new(self.store.open(&file_of(folder, name))?);
        let of = Of { archive: &self.header.archive, log: &log, path: &path };
        walk(&mut input, &of, &self.secrets.data, take)
    }
}

/// Which log is read.
pub(super) struct Of<'a> {
    pub(super) archive: &'a str,
    /// What its entries say that they belong to.
    pub(super) log: &'a str,
    /// For messages.
    pub(super) path: &'a Path,
}

/// One entry after the other; without a key they are read as they are.
pub(super) fn walk(
    input: &mut impl Read,
    of: &Of<'_>,
    identities: &[x25519::Identity],
    take: &mut dyn FnMut(Value),
) -> Result<Walked, Error> {
    let Of { archive, log, path } = *of;
    let mut walked = Walked { entries: 0, bytes: 0, torn: false };
    loop {
        let (sealed, hash) = match cut(input).map_err(Error::file("read", path))? {
            Cut::End => return Ok(walked),
            Cut::Whole { sealed, hash } => (sealed, hash),
            // A crash leaves a beginning of an entry; anything else at this place is damage.
            Cut::Rest(rest) if torn(&rest, !identities.is_empty()) => return Ok(Walked { torn: true, ..walked }),
            Cut::Rest(_) => {
                return Err(Error::damaged(path, format!("no length before entry {}", walked.entries)));
            }
        };
        if blake3::hash(&sealed).to_hex().as_str() != hash {
            let fact = format!("entry {} has another hash than the line before it says", walked.entries);
            return Err(Error::damaged(path, fact));
        }
        walked.bytes += (PREFIX + sealed.len()) as u64;
        let text = seal::open(identities, sealed).map_err(Error::file("read", path))?;
        let entry: Entry<Value> =
            serde_json::from_slice(&text).map_err(|error| Error::damaged(path, error.to_string()))?;
        drop(text);
        if entry.archive != archive || entry.log != log || entry.number != walked.entries {
            let fact = format!("entry {} of log \"{}\" in place of entry {}", entry.number, entry.log, walked.entries);
            return Err(Error::damaged(path, fact));
        }
        walked.entries += 1;
        take(entry.entry);
    }
}

/// How many entries at the beginning of a log are whole, and how many bytes they fill; asks for no key.
pub(super) fn whole_entries(bytes: &[u8]) -> (u64, usize) {
    let (mut rest, mut entries, mut filled) = (bytes, 0, 0);
    while let Ok(Cut::Whole { sealed, hash }) = cut(&mut rest) {
        if blake3::hash(&sealed).to_hex().as_str() != hash {
            break;
        }
        entries += 1;
        filled += PREFIX + sealed.len();
    }
    (entries, filled)
}

/// What comes next in a log.
enum Cut {
    End,
    /// A sealed entry, and the hash that the line before it says.
    Whole {
        sealed: Vec<u8>,
        hash: String,
    },
    /// Everything that is left, which is no whole entry.
    Rest(Vec<u8>),
}

/// The next sealed entry.
fn cut(input: &mut impl Read) -> std::io::Result<Cut> {
    let mut prefix = Vec::new();
    input.by_ref().take(PREFIX as u64).read_to_end(&mut prefix)?;
    if prefix.is_empty() {
        return Ok(Cut::End);
    }
    let line = std::str::from_utf8(&prefix).ok().and_then(|line| line.strip_suffix('\n')?.split_once(' '));
    let line = line.and_then(|(length, hash)| Some((length.parse::<u64>().ok()?, hash.to_owned())));
    let Some((length, hash)) = line else {
        input.read_to_end(&mut prefix)?;
        return Ok(Cut::Rest(prefix));
    };
    let mut sealed = Vec::new();
    input.by_ref().take(length).read_to_end(&mut sealed)?;
    match sealed.len() as u64 == length {
        true => Ok(Cut::Whole { sealed, hash }),
        false => Ok(Cut::Rest([prefix, sealed].concat())),
    }
}

/// Whether these bytes can be the beginning of one entry, and of no more than one.
fn torn(bytes: &[u8], sealed: bool) -> bool {
    let prefix = &bytes[..bytes.len().min(PREFIX)];
    let fits = |(at, byte): (usize, &u8)| match at {
        0..15 => byte.is_ascii_digit(),
        15 => *byte == b' ',
        _ if at == PREFIX - 1 => *byte == b'\n',
        _ => byte.is_ascii_hexdigit(),
    };
    // With a damaged length the rest of the log would look like one long entry, and must not be cut off.
    let mark: &[u8] = if sealed { b"age-encryption.org/v1" } else { b"{\"archive\":" };
    prefix.iter().enumerate().all(fits) && bytes.windows(mark.len()).filter(|window| *window == mark).count() <= 1
}

fn file_of(folder: &str, name: &str) -> String {
    format!("{folder}/{name}")
}

/// What an entry says it belongs to: a journal says its name, another log its folder as well.
fn bound(folder: &str, name: &str) -> String {
    if folder == LOGS { name.to_owned() } else { file_of(folder, name) }
}

/// Whether a log can have this name: one that means the same in every file system.
pub(super) fn is_log_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with('.')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

/// A name that is one plain file name, as its path in the archive.
fn checked(folder: &str, name: &str, doing: &'static str) -> Result<String, Error> {
    if is_log_name(name) {
        Ok(file_of(folder, name))
    } else {
        Err(Error::Log { doing, name: name.to_owned(), fact: "a name may have letters, digits, '-', '_' and '.'" })
    }
}
