//! A snapshot from a folder: one NDJSON file an object, its stem the object's name, the key in `id`.
//!
//! The way into the archive for data that no API call can fetch any more, and
//! the way the benchmark measures it without a network. One thread reads lines, others
//! parse them by turns, this one looks up and stores, the packing thread compresses;
//! a few pages are in memory at any time, sorted or not.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use serde_json::json;

use super::error::Error;
use super::manifest::Manifest;
use super::writer::SnapshotWriter;
use super::{Archive, Contents, Coverage, Ending, Source, Tally};
use crate::catalogue::ObjectName;
use crate::monitor::Monitor;
use crate::record::Record;

/// Records handed over at a time.
const PAGE: usize = 500;
/// Pages between two threads.
const PAGES_AHEAD: usize = 2;
/// Threads that parse where little is new: a page takes one of them longer than looking it up takes this one.
const PARSERS: usize = 2;
/// A line of more is no record.
const LINE_LIMIT: u64 = 64 << 20;
/// Bad lines that are listed one by one.
const GAPS_LISTED: usize = 1000;

/// Lines as they stand in the file.
#[derive(Default)]
struct Lines {
    text: Vec<u8>,
    /// The number of the first.
    first: u64,
    /// Where each ends in the text; nothing of one that is too long is there.
    ends: Vec<Option<usize>>,
}

/// Records, and what was wrong with lines between them.
#[derive(Default)]
struct Page {
    records: Vec<Record>,
    gaps: Vec<String>,
}

/// Takes a snapshot of the files in a folder.
///
/// A line that is no record becomes a gap with its number; then nothing counts as deleted from that
/// object, since the bad line may have been any record.
pub fn import(archive: &Archive, folder: &Path, monitor: &dyn Monitor) -> Result<Manifest, Error> {
    let refused = |path: &Path, fact: String| Error::Import { path: path.to_owned(), fact };
    let mut files: Vec<PathBuf> = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(|error| refused(folder, error.to_string()))? {
        let path = entry.map_err(|error| refused(folder, error.to_string()))?.path();
        if path.extension().is_some_and(|extension| extension == "ndjson") {
            files.push(path);
        }
    }
    files.sort();
    if files.is_empty() {
        return Err(refused(folder, "it has no .ndjson file".to_owned()));
    }
    let started = archive.inner.clock.now();
    let mut writer = archive.begin(imported())?;
    for file in files {
        let object = ObjectName::new(&file.file_stem().unwrap_or_default().to_string_lossy());
        monitor.began(&object, None);
        let contents = import_file(&mut writer, &file, &object, monitor)?;
        monitor.ended(
            &object,
            &format!(
                "{} records, {} new, {} changed, {} gone",
                contents.records, contents.new, contents.changed, contents.deleted
            ),
        );
    }
    writer.finish(Tally { started, requests: 0, tokens: 0, notes: json!({ "imported": true }) })
}

/// Imports have no account behind them.
fn imported() -> Source {
    Source {
        company_id: 0,
        company_name: String::new(),
        company_domain: String::new(),
        user_id: 0,
        user_name: String::new(),
        is_admin: true,
        kind: "import".to_owned(),
    }
}

fn import_file(
    writer: &mut SnapshotWriter<'_>,
    path: &Path,
    object: &ObjectName,
    monitor: &dyn Monitor,
) -> Result<Contents, Error> {
    let file = File::open(path).map_err(|error| Error::Import { path: path.to_owned(), fact: error.to_string() })?;
    let seen_at = writer.archive.inner.clock.now();
    let (mut gaps, mut unlisted) = (Vec::new(), 0u64);
    std::thread::scope(|scope| {
        // Where all is new, everybody waits for the packing thread, and one more only keeps it from its work.
        let parsers = if writer.parent().is_some() { PARSERS } else { 1 };
        let mut ends = Vec::new();
        let parsed: Vec<Receiver<Page>> = (0..parsers)
            .map(|_| {
                let ((lines, inbox), (outbox, pages)) = (sync_channel(PAGES_AHEAD), sync_channel(PAGES_AHEAD));
                ends.push(lines);
                scope.spawn(move || parse(object, &inbox, &outbox));
                pages
            })
            .collect();
        let reader = scope.spawn(move || read(file, &ends));
        // In the order of the file: each parser gets one page in turn, and gives one.
        for page in parsed.iter().cycle().map_while(|pages| pages.recv().ok()) {
            writer.take(&page.records)?;
            monitor.advanced(object, page.records.len() as u64, 0);
            for gap in page.gaps {
                if gaps.len() < GAPS_LISTED { gaps.push(gap) } else { unlisted += 1 }
            }
        }
        match reader.join() {
            Ok(read) => read.map_err(|error| Error::Import { path: path.to_owned(), fact: error.to_string() }),
            Err(_) => Err(Error::PackerEnded),
        }
    })?;
    if unlisted > 0 {
        gaps.push(format!("and {unlisted} more lines"));
    }
    let whole = gaps.is_empty();
    let coverage = if whole {
        Coverage::Whole
    } else {
        Coverage::Part { reason: format!("{} lines are no records", gaps.len() as u64 + unlisted.saturating_sub(1)) }
    };
    let deletions_seen_at = whole.then_some(seen_at);
    writer.close(
        object,
        Ending {
            coverage,
            unseen_is_deleted: whole,
            listed: None,
            gaps,
            seen_at,
            deletions_seen_at,
            watermark: None,
            without: Vec::new(),
        },
    )
}

/// Deals out pages of lines until the file ends or nobody wants more.
fn read(file: File, parsers: &[SyncSender<Lines>]) -> std::io::Result<()> {
    let mut input = BufReader::with_capacity(256 * 1024, file);
    let (mut next, mut length) = (1, 0);
    for parser in parsers.iter().cycle() {
        // Pages of a file are about equally long.
        let lines = Lines::read(&mut input, next, length + length / 8)?;
        next += lines.ends.len() as u64;
        length = lines.text.len();
        if lines.ends.is_empty() || parser.send(lines).is_err() {
            break;
        }
    }
    Ok(())
}

impl Lines {
    fn read(input: &mut impl BufRead, first: u64, expected: usize) -> std::io::Result<Lines> {
        let mut lines = Lines { text: Vec::with_capacity(expected), first, ends: Vec::with_capacity(PAGE) };
        while lines.ends.len() < PAGE {
            let begin = lines.text.len();
            let read = input.by_ref().take(LINE_LIMIT).read_until(b'\n', &mut lines.text)?;
            if read == 0 {
                break;
            }
            if read as u64 == LINE_LIMIT && lines.text.last() != Some(&b'\n') {
                input.skip_until(b'\n')?;
                lines.text.truncate(begin);
                lines.ends.push(None);
            } else {
                lines.ends.push(Some(lines.text.len()));
            }
        }
        Ok(lines)
    }
}

/// Makes records of lines until there are no more or nobody wants them.
fn parse(object: &ObjectName, inbox: &Receiver<Lines>, outbox: &SyncSender<Page>) {
    for lines in inbox {
        let mut page = Page { records: Vec::with_capacity(lines.ends.len()), gaps: Vec::new() };
        let mut begin = 0;
        for (number, end) in (lines.first..).zip(&lines.ends) {
            let Some(end) = *end else {
                page.gaps.push(format!("line {number}: longer than {LINE_LIMIT} bytes"));
                continue;
            };
            match std::str::from_utf8(&lines.text[begin..end]).map(str::trim) {
                Ok("") => {}
                Ok(text) => match Record::import(object.clone(), "id", text) {
                    Ok(record) => page.records.push(record),
                    Err(malformed) => page.gaps.push(format!("line {number}: {malformed}")),
                },
                Err(_) => page.gaps.push(format!("line {number}: it is not UTF-8")),
            }
            begin = end;
        }
        if outbox.send(page).is_err() {
            return;
        }
    }
}
