//! A state of an account that exists only in memory, for tests of the planner.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use crate::archive::{Contents, Coverage, Difference, Error, Manifest, SnapshotId, Source};
use crate::catalogue::{self, ObjectName};
use crate::record::{Key, Record, RecordId};
use crate::restore::{Rows, State};

/// A state of an account that exists only in memory.
#[derive(Clone)]
pub(super) struct World {
    pub(super) manifest: Manifest,
    pub(super) records: BTreeMap<RecordId, Map<String, Value>>,
}

impl World {
    /// Records as `deals/42` and their fields; the key is added to them.
    pub(super) fn of(rows: &[(&str, Value)]) -> World {
        let records = rows.iter().map(|(id, row)| {
            let id = RecordId::parse(id).expect("an id");
            let mut fields = row.as_object().cloned().expect("fields");
            if let Key::Number(number) = &id.key {
                fields.insert("id".to_owned(), json!(number));
            }
            (id, fields)
        });
        let contents = catalogue::ALL.iter().map(|object| contents(object.name)).collect();
        World { manifest: manifest(contents), records: records.collect() }
    }

    pub(super) fn with(mut self, id: &str, row: Value) -> World {
        self.records.extend(World::of(&[(id, row)]).records);
        self
    }

    pub(super) fn without(mut self, id: &str) -> World {
        self.records.remove(&RecordId::parse(id).expect("an id"));
        self
    }

    pub(super) fn set(mut self, id: &str, field: &str, value: Value) -> World {
        let record = self.records.get_mut(&RecordId::parse(id).expect("an id")).expect("a record");
        record.insert(field.to_owned(), value);
        self
    }

    fn record(&self, id: &RecordId) -> Option<Record> {
        self.records.get(id).map(|fields| Record::new(id.clone(), fields))
    }

    fn of_object<'a>(&'a self, object: &'a ObjectName) -> impl Iterator<Item = &'a RecordId> {
        self.records.keys().filter(move |id| id.object == *object)
    }
}

fn contents(name: &str) -> Contents {
    Contents {
        object: ObjectName::new(name),
        records: 0,
        new: 0,
        changed: 0,
        deleted: 0,
        root: String::new(),
        coverage: Coverage::Whole,
        gaps: Vec::new(),
        seen_at: noon(),
        deletions_seen_at: Some(noon()),
        watermark: None,
        without: Vec::new(),
        certificate: None,
    }
}

fn noon() -> DateTime<Utc> {
    DateTime::from_timestamp(1_780_000_000, 0).expect("a time")
}

fn manifest(contents: Vec<Contents>) -> Manifest {
    let source = Source {
        company_id: 7,
        company_name: "Acme".to_owned(),
        company_domain: "acme".to_owned(),
        user_id: 1,
        user_name: "Kim".to_owned(),
        is_admin: true,
        kind: "api".to_owned(),
    };
    Manifest {
        id: SnapshotId("5".repeat(64)),
        sequence: 1,
        parent: None,
        source,
        started: noon(),
        finished: noon(),
        contents,
        requests: 0,
        tokens: 0,
        bytes_added: 0,
        version: String::new(),
        notes: Value::Null,
    }
}

impl State for World {
    fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    fn contents(&self, object: &ObjectName) -> Option<&Contents> {
        self.manifest.contents.iter().find(|contents| contents.object == *object)
    }

    fn find(&self, id: &RecordId) -> Result<Option<Record>, Error> {
        Ok(self.record(id))
    }

    fn records(&self, object: &ObjectName) -> Result<Rows<'_, Record>, Error> {
        let records: Vec<_> = self.of_object(object).filter_map(|id| self.record(id)).map(Ok).collect();
        Ok(Box::new(records.into_iter()))
    }

    fn keys(&self, object: &ObjectName) -> Result<Rows<'_, Key>, Error> {
        let keys: Vec<_> = self.of_object(object).map(|id| Ok(id.key.clone())).collect();
        Ok(Box::new(keys.into_iter()))
    }

    fn differences<'b>(&'b self, after: &'b Self, object: &ObjectName) -> Result<Rows<'b, Difference>, Error> {
        let mut ids: Vec<&RecordId> = self.of_object(object).chain(after.of_object(object)).collect();
        ids.sort();
        ids.dedup();
        let differences = ids.into_iter().map(|id| Difference { before: self.record(id), after: after.record(id) });
        let differences: Vec<_> = differences.filter(|one| one.before != one.after).map(Ok).collect();
        Ok(Box::new(differences.into_iter()))
    }
}
