//! Fields that only a request for each record brings: asked for where the record is new or changed, else taken from below.
//!
//! A record is compared by what its list shows. If that is as it was, the fields
//! of the stored version still hold; so an increment asks for the few that
//! changed. A version is stored with its fields or not at all: an old field on a
//! new version would be a lie that no later increment finds out. Times of the
//! service have whole seconds, so what changed shortly before it was last read
//! may have changed again unseen, and is asked for once more.

use futures_util::stream::{self, StreamExt};
use serde_json::{Map, Value};

use super::lists::Row;
use super::run::{Run, Trouble};
use super::{shape, way};
use crate::account::AT_ONCE;
use crate::archive;
use crate::catalogue::Object;
use crate::record::{Record, peek};

/// What becomes of one row.
enum Fate {
    Store(Row),
    /// Its fields could not be read: the version below stays.
    Keep(Record, String),
}

impl Run<'_> {
    /// Completes the rows of a page; rows that cannot be completed are carried over as they were and told.
    pub(super) async fn extend(&self, object: &'static Object, rows: Vec<Row>) -> Result<Vec<Row>, Trouble> {
        let mut fates = stream::iter(rows).map(|row| self.fate(object, row)).buffered(AT_ONCE);
        let mut complete = Vec::new();
        while let Some(fate) = fates.next().await {
            match fate? {
                Fate::Store(row) => complete.push(row),
                Fate::Keep(record, reason) => {
                    let mut desk = self.desk();
                    let parent = record.id().key.parent().map(|parent| parent.to_string());
                    if !desk.writer.keep(record.id()).map_err(super::Error::from)? {
                        // Better without these fields than not at all; the next increment asks for them.
                        desk.take(object.name, std::slice::from_ref(&record))?;
                    }
                    let progress = desk.notes.progress(object.name);
                    progress.unread += 1;
                    progress.owed.extend(parent);
                    progress.gap(format!("{} without its extended fields: {reason}", record.id().key));
                }
            }
        }
        Ok(complete)
    }

    async fn fate(&self, object: &'static Object, row: Row) -> Result<Fate, Trouble> {
        let below = match &self.base {
            Some(base) => match base.find(row.record.id()) {
                // A key that may not read what is stored asks the account again, whether it changed or not.
                Err(archive::Error::NeedsKey { .. }) => None,
                below => below.map_err(super::Error::from)?,
            },
            None => None,
        };
        if let Some(below) = below.filter(|below| self.still_holds(object, below, &row.record)) {
            let record = shape::with_those_of(&row.record, &below, object.extended);
            return Ok(Fate::Store(row.with(record)));
        }
        if !self.wanted.extended {
            return Ok(Fate::Store(row));
        }
        match self.extended_fields(object, &row.record).await? {
            Ok(fields) => {
                let record = shape::with(&row.record, &fields);
                Ok(Fate::Store(row.with(record)))
            }
            Err(reason) => Ok(Fate::Keep(row.record, reason)),
        }
    }

    /// True when the stored version's extended fields belong to the row as it is now.
    pub(super) fn still_holds(&self, object: &Object, below: &Record, row: &Record) -> bool {
        // Without a time that an edit moves, what the list leaves out may change unseen.
        if self.wanted.extended && !object.computed.contains(&"update_time") {
            return false;
        }
        let same = shape::without_extended(below, object.extended).text() == row.text();
        // Where nothing is asked for, what is known of an unchanged row is kept; a changed one is stored without.
        let asks_again = self.wanted.full && self.wanted.extended;
        same && !asks_again && shape::is_extended(below, object.extended) && !self.is_fresh(object, row)
    }

    /// True when the row may have changed once more, within the same second, after the snapshot below read it.
    fn is_fresh(&self, object: &Object, row: &Record) -> bool {
        let Some(read) = self.held(object.name).filter(|_| self.wanted.extended) else { return false };
        let changed = peek(row.text(), &["update_time"])[0].and_then(|time| serde_json::from_str(time.get()).ok());
        // v1 writes a space where v2 has a T; both tell UTC, and whole seconds come first.
        let changed = changed.map(|time: String| time.replacen('T', " ", 1));
        changed.is_some_and(|time| time >= way::watermark(read.seen_at).format("%Y-%m-%d %H:%M:%S").to_string())
    }

    async fn extended_fields(
        &self,
        object: &'static Object,
        record: &Record,
    ) -> Result<Result<Map<String, Value>, String>, Trouble> {
        let mut fields = Map::new();
        for extended in object.extended {
            match self.judged(self.account.extended(object, extended, &record.id().key).await) {
                Ok(found) => fields.extend(found),
                Err(Trouble::Stop(stop)) => return Err(Trouble::Stop(stop)),
                Err(Trouble::Gone) => return Ok(Err("it is gone".into())),
                Err(Trouble::Object(failure)) => return Ok(Err(failure.reason().to_owned())),
            }
        }
        Ok(Ok(fields))
    }
}
