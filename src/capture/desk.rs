//! The one place where a capture writes: the snapshot being made and the notes about it.
//!
//! Several lists are read at once but only one of them writes at a time, between
//! two of its requests. What a kill can cost is bounded: after so many bytes,
//! seconds or tokens everything is put on disk together with the notes.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};

use super::Error;
use super::notes::Notes;
use crate::account::Spent;
use crate::archive::{SnapshotWriter, Took};
use crate::record::{Record, RecordId};

/// What a kill may cost at most, roughly. A checkpoint stores the growing segment again, so one every few requests
/// would cost more than the pages; the tokens are a fifteenth of the least that an account may spend a day.
const BYTES_AT_RISK: u64 = 8 << 20;
const TIME_AT_RISK: Duration = Duration::from_secs(30);
const TOKENS_AT_RISK: u64 = 2_000;

/// Writer and notes.
pub(super) struct Desk<'a> {
    pub(super) writer: SnapshotWriter<'a>,
    pub(super) notes: Notes,
    bytes: u64,
    saved: Instant,
    tokens: u64,
}

impl<'a> Desk<'a> {
    pub(super) fn new(writer: SnapshotWriter<'a>, notes: Notes) -> Desk<'a> {
        Desk { writer, notes, bytes: 0, saved: Instant::now(), tokens: 0 }
    }

    /// Stores the records of one page and counts those this capture had not met before.
    pub(super) fn take(&mut self, object: &str, records: &[Record]) -> Result<Vec<Took>, Error> {
        if records.is_empty() {
            return Ok(Vec::new());
        }
        let took = self.writer.take(records)?;
        for (record, took) in records.iter().zip(&took) {
            if matches!(took, Took::New | Took::Changed) {
                self.bytes += record.text().len() as u64;
            }
        }
        self.notes.progress(object).listed += took.iter().filter(|took| **took != Took::Again).count() as u64;
        Ok(took)
    }

    /// Counts bytes that were stored besides records.
    pub(super) fn grew(&mut self, bytes: u64) {
        self.bytes += bytes;
    }

    /// Marks a record as gone.
    pub(super) fn gone(&mut self, id: &RecordId) -> Result<(), Error> {
        Ok(self.writer.gone(id)?)
    }

    /// Saves when there is enough to lose.
    pub(super) fn save_if_due(&mut self, spent: Spent, now: DateTime<Utc>) -> Result<(), Error> {
        let tokens = spent.tokens - self.tokens;
        let due = self.bytes >= BYTES_AT_RISK || self.saved.elapsed() >= TIME_AT_RISK || tokens >= TOKENS_AT_RISK;
        if due { self.save(spent, now) } else { Ok(()) }
    }

    /// Puts everything so far on disk, so that the next run goes on from here.
    pub(super) fn save(&mut self, spent: Spent, now: DateTime<Utc>) -> Result<(), Error> {
        let before = (self.notes.requests, self.notes.tokens);
        self.notes.requests += spent.requests;
        self.notes.tokens += spent.tokens;
        self.notes.saved = now;
        let saved = self.writer.checkpoint(&self.notes);
        // In memory the notes count earlier runs only; this run's share is known to the account.
        (self.notes.requests, self.notes.tokens) = before;
        saved?;
        self.bytes = 0;
        self.saved = Instant::now();
        self.tokens = spent.tokens;
        Ok(())
    }
}
