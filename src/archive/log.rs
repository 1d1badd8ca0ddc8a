//! Logs under `restores/`: sealed entries, each on disk before the next step.
//!
//! A journal must survive the machine that writes it, so every entry is sealed
//! by itself and appended with fsync. In front of each stands a line with its
//! length as 15 digits and its BLAKE3: `head`, `tail` and `age` are enough to
//! read it, and `b3sum` to check it.

use std::io::Write;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::disk::Output;
use super::error::Error;
use super::{Archive, Inner, seal};

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
struct Entry {
    archive: String,
    log: String,
    number: u64,
    entry: Value,
}

impl Log {
    /// Appends an entry; it is on disk when this returns.
    pub fn append(&mut self, entry: &Value) -> Result<(), Error> {
        let path = self.inner.store.path(&file_of(self.folder, &self.name));
        if self.broken {
            return Err(Error::Log { doing: "append to", name: self.name.clone(), fact: "an earlier append failed" });
        }
        let entry = Entry {
            archive: self.inner.header.archive.clone(),
            log: bound(self.folder, &self.name),
            number: self.entries,
            entry: entry.clone(),
        };
        let text = serde_json::to_vec(&entry).expect("an entry always serialises");
        let sealed = seal::seal(self.inner.data_recipient.as_ref(), &text).map_err(Error::file("write", &path))?;
        let bytes = [format!("{:015} {}\n", sealed.len(), blake3::hash(&sealed).to_hex()).as_bytes(), &sealed].concat();
        self.broken = true;
        // Not before: of somebody who is still writing, an entry that is under way looks the same.
        if let Some(whole) = self.cut.take() {
            self.inner.store.truncate(&file_of(self.folder, &self.name), whole)?;
            self.bytes = whole;
        }
        self.output
            .write_all(&bytes)
            .and_then(|()| self.output.flush())
            .and_then(|()| self.output.sync())
            .map_err(Error::file("write", &path))?;
        self.broken = false;
        self.entries += 1;
        self.bytes += bytes.len() as u64;
        Ok(())
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
        let (read, whole) = self.inner.read_in(LOGS, name)?;
        let output = self.inner.store.append(&file)?;
        Ok(Log {
            inner: self.inner.clone(),
            folder: LOGS,
            name: name.to_owned(),
            output,
            entries: read.entries.len() as u64,
            bytes,
            cut: read.torn.then_some(whole),
            broken: false,
        })
    }

    /// All entries; a torn last entry (crash while appending) is left out and told.
    pub fn read_log(&self, name: &str) -> Result<LogEntries, Error> {
        checked(LOGS, name, "read")?;
        Ok(self.inner.read_in(LOGS, name)?.0)
    }

    /// The names of all logs.
    pub fn logs(&self) -> Result<Vec<String>, Error> {
        self.inner.store.list(LOGS)
    }
}

/// How long a log's file is.
fn length(inner: &Inner, file: &str) -> Result<u64, Error> {
    let path = inner.store.path(file);
    Ok(std::fs::metadata(&path).map_err(Error::file("read", &path))?.len())
}

impl Inner {
    /// Entries, and how many bytes they fill.
    pub(super) fn read_in(&self, folder: &'static str, name: &str) -> Result<(LogEntries, u64), Error> {
        let (path, log) = (self.store.path(&file_of(folder, name)), bound(folder, name));
        if self.data_recipient.is_some() && self.secrets.data.is_none() {
            return Err(Error::NeedsKey { doing: "read logs", role: self.secrets.role.as_str() });
        }
        let bytes = self.store.read(&file_of(folder, name))?;
        let (mut rest, mut entries) = (&bytes[..], Vec::new());
        while !rest.is_empty() {
            let Some((sealed, hash, after)) = cut(rest) else {
                // A crash leaves a beginning of an entry; anything else at this place is damage.
                return match torn(rest, self.data_recipient.is_some()) {
                    true => Ok((LogEntries { entries, torn: true }, (bytes.len() - rest.len()) as u64)),
                    false => Err(Error::damaged(&path, format!("no length before entry {}", entries.len()))),
                };
            };
            if blake3::hash(sealed).to_hex().as_str() != hash {
                return Err(Error::damaged(
                    &path,
                    format!("entry {} has another hash than the line before it says", entries.len()),
                ));
            }
            let text = seal::open(self.secrets.data.as_ref(), sealed.to_vec()).map_err(Error::file("read", &path))?;
            let entry: Entry =
                serde_json::from_slice(&text).map_err(|error| Error::damaged(&path, error.to_string()))?;
            if entry.archive != self.header.archive || entry.log != log || entry.number != entries.len() as u64 {
                return Err(Error::damaged(
                    &path,
                    format!("entry {} of log \"{}\" in place of entry {}", entry.number, entry.log, entries.len()),
                ));
            }
            entries.push(entry.entry);
            rest = after;
        }
        Ok((LogEntries { entries, torn: false }, bytes.len() as u64))
    }
}

/// One sealed entry, its hash and what follows it; `None` if it is not whole.
fn cut(bytes: &[u8]) -> Option<(&[u8], &str, &[u8])> {
    let (prefix, rest) = bytes.split_at_checked(PREFIX)?;
    let (length, hash) = std::str::from_utf8(prefix).ok()?.strip_suffix('\n')?.split_once(' ')?;
    let (sealed, rest) = rest.split_at_checked(length.parse().ok()?)?;
    Some((sealed, hash, rest))
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
