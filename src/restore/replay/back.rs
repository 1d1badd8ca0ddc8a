//! Reads back what was touched, by the cheapest way the service has for each object.
//!
//! Records that can be asked for by a hundred ids are. Of the others the answer to the
//! last write is as good as a reading where it shows all that can be written
//! (api/restore-hazards.md 6); the rest is read one by one, or from one walk over the
//! list where that is cheaper.

use std::collections::{BTreeMap, HashMap, HashSet};

use futures_util::stream::{self, StreamExt};

use crate::archive::Snapshot;
use crate::catalogue::{Listing, Object, ObjectName, Paging};
use crate::record::{Key, RecordId};
use crate::restore::doubt;
use crate::restore::journal::Journal;
use crate::restore::plan::Action;
use crate::restore::readback;
use crate::restore::replay::{Row, Run, Stop, unseen};
use crate::restore::request::{entry, identity};
use crate::restore::row::RowText;

/// Records read before the next are asked for: their rows are kept as text, and only these few as fields.
const AT_ONCE: usize = 1_000;

/// Rows by the record's name in the goal.
type Rows = HashMap<RecordId, RowText>;

impl Run<'_> {
    /// The rows of every touched record, by its name in the goal.
    pub(super) async fn read_back(&self, journal: &Journal, goal: &Snapshot<'_>) -> Result<Rows, Stop> {
        let mut rows = Rows::new();
        for (name, records) in readback::touched(self.plan, journal) {
            let Some(object) = entry(name) else { continue };
            if object.bulk_ids.is_some() {
                rows.extend(self.by_ids(object, records, journal).await?);
                continue;
            }
            let mut rest = Vec::new();
            for (record, now) in records {
                let answered = journal.row(&record);
                match answered.filter(|row| readback::is_whole(goal, object, &record, &row.fields())) {
                    Some(row) => drop(rows.insert(record, row.clone())),
                    None => rest.push((record, now)),
                }
            }
            if self.list_is_cheaper(object, rest.len() as u64) {
                let wanted: HashSet<Key> = rest.iter().map(|(_, now)| now.clone()).collect();
                let mut listed = doubt::listed(self.site.account, object, &wanted).await.or_else(unseen)?;
                for (record, now) in rest {
                    rows.extend(listed.remove(&now).map(|row| (record.clone(), kept(journal, &record, &row))));
                }
                continue;
            }
            let reading = rest.into_iter().map(|(record, now)| async move {
                let answered = journal.row(&record);
                Ok((record, self.read_one(object, &now, answered).await?))
            });
            let mut reading = stream::iter(reading).buffered(self.site.writer.at_once());
            while let Some(read) = reading.next().await {
                let (record, row) = read?;
                rows.extend(row.map(|row| (record.clone(), kept(journal, &record, &row))));
            }
        }
        Ok(rows)
    }

    async fn by_ids(
        &self,
        object: &'static Object,
        records: Vec<(RecordId, Key)>,
        journal: &Journal,
    ) -> Result<Rows, Stop> {
        // In order: the same restore asks the same questions each time.
        let goals: BTreeMap<Key, RecordId> = records.into_iter().map(|(record, now)| (now, record)).collect();
        let keys: Vec<Key> = goals.keys().cloned().collect();
        let mut rows = Rows::new();
        for keys in keys.chunks(AT_ONCE) {
            let read = self.site.account.many(object, keys).await.or_else(unseen)?;
            rows.extend(read.iter().filter_map(|row| {
                let row = doubt::fields(row)?;
                let record = goals.get(&identity(object, None, &row)?.key)?;
                Some((record.clone(), kept(journal, record, &row)))
            }));
        }
        Ok(rows)
    }

    /// Whether one walk over the list costs less than asking for so many records.
    fn list_is_cheaper(&self, object: &'static Object, records: u64) -> bool {
        let Listing::Flat(paging) = object.listing else { return false };
        let seen = self.seen.contents(&ObjectName::known(object.name)).map_or(0, |contents| contents.records);
        let made =
            |action: &Action| matches!(action, Action::Create(create) if create.record.object.as_str() == object.name);
        let made = self.plan.steps.iter().filter(|step| made(&step.action)).count() as u64;
        let pages = match paging {
            Paging::Whole | Paging::One => 1,
            Paging::Cursor { limit } | Paging::Offset { limit } => (seen + made).div_ceil(u64::from(limit)),
        };
        let single = object.single.map_or(u64::MAX, |single| u64::from(single.price));
        object.extended.is_empty() && pages * u64::from(object.price) < records.saturating_mul(single)
    }

    /// One record with everything its list leaves out.
    async fn read_one(
        &self,
        object: &'static Object,
        key: &Key,
        answered: Option<&RowText>,
    ) -> Result<Option<Row>, Stop> {
        let mut row = match object.single {
            Some(_) => {
                match self.site.account.one(object, key).await.or_else(unseen)?.as_deref().and_then(doubt::fields) {
                    Some(row) => row,
                    None => return Ok(None),
                }
            }
            None => match doubt::read(self.site.account, object, key).await.or_else(unseen)? {
                Some(row) => row,
                None => answered.map(RowText::fields).unwrap_or_default(),
            },
        };
        for extended in object.extended {
            row.extend(self.site.account.extended(object, extended, key).await.or_else(unseen)?);
        }
        Ok(Some(row))
    }
}

/// A row that was read; what the last write answered already is kept once.
fn kept(journal: &Journal, record: &RecordId, row: &Row) -> RowText {
    let row = RowText::of(row);
    journal.row(record).filter(|answered| **answered == row).cloned().unwrap_or(row)
}
