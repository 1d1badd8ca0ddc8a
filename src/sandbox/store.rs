//! The rows of the account, kept as compact JSON text.
//!
//! A million rows must fit in under 2 GiB and be paged faster than a client can read them. So a row is one piece of text, cut where its
//! custom fields and its optional members begin: a page is made by copying text, and only a request that changes a row parses it.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use serde_json::{Map, Value};

use crate::sandbox::clock;
use crate::sandbox::kinds::{Gone, KINDS, Kind, position};
use crate::sandbox::row::Id;
use crate::sandbox::scan;

/// One row.
#[derive(Debug)]
pub(super) struct Row {
    /// Main members, then the inside of `custom_fields`, then the optional members.
    text: Box<str>,
    /// Where the inside of `custom_fields` begins.
    custom_at: u32,
    /// Where the optional members begin.
    optional_at: u32,
    /// When it was changed last, in seconds.
    pub(super) updated: i64,
    /// Whether it is deleted.
    pub(super) deleted: bool,
    /// Whether it is on the archived list.
    pub(super) archived: bool,
}

impl Row {
    /// Members without custom fields and optional ones.
    pub(super) fn main(&self) -> &str {
        &self.text[..self.custom_at as usize]
    }

    /// The inside of `custom_fields`.
    pub(super) fn custom(&self) -> &str {
        &self.text[self.custom_at as usize..self.optional_at as usize]
    }

    /// Members that are shown on request only.
    pub(super) fn optional(&self) -> &str {
        &self.text[self.optional_at as usize..]
    }

    /// The value text of a member, wherever it is.
    pub(super) fn member(&self, key: &str) -> Option<&str> {
        scan::member(self.main(), key).or_else(|| scan::member(self.optional(), key))
    }

    /// A member that is a string without escapes.
    pub(super) fn word(&self, key: &str) -> Option<&str> {
        self.member(key).and_then(scan::plain_string)
    }

    /// A member that is a number.
    pub(super) fn number(&self, key: &str) -> Option<u64> {
        self.member(key)?.parse().ok()
    }
}

/// All rows of one kind.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) kind: &'static Kind,
    pub(super) rows: BTreeMap<Id, Row>,
    /// (when changed, which): the order of `updated_since` and of `sort=update_time`.
    pub(super) updates: BTreeSet<(i64, Id)>,
    /// (when made, which), for kinds that are listed oldest first although their ids have no order.
    pub(super) births: BTreeSet<(i64, Id)>,
    /// (number of the link, hash of the row it points to, which).
    children: BTreeSet<(u8, u64, Id)>,
    /// Deleted rows that wait for their purge.
    pub(super) deleted: BTreeSet<Id>,
    /// The highest number that a row ever had: a purge must not let it be given again.
    pub(super) highest: Option<u64>,
    /// Members that are shown on request only.
    optional: BTreeSet<String>,
}

/// Every table.
#[derive(Debug)]
pub(super) struct Store {
    tables: Vec<Table>,
    /// Turns the order of keys in a row; none keeps them sorted.
    odd: Option<u64>,
}

impl Store {
    /// An empty store. `optional` names the members of a kind that are shown on request only.
    pub(super) fn new(odd: Option<u64>, optional: impl Fn(&str) -> BTreeSet<String>) -> Self {
        let table = |kind: &'static Kind| Table {
            kind,
            rows: BTreeMap::new(),
            updates: BTreeSet::new(),
            births: BTreeSet::new(),
            children: BTreeSet::new(),
            deleted: BTreeSet::new(),
            highest: None,
            optional: optional(kind.name),
        };
        Self { tables: KINDS.iter().map(table).collect(), odd }
    }

    /// The table of a kind.
    pub(super) fn table(&self, kind: &str) -> &Table {
        &self.tables[place(kind)]
    }

    /// The row as a JSON object, optional members included.
    pub(super) fn get(&self, kind: &str, id: &Id) -> Option<Map<String, Value>> {
        let table = self.table(kind);
        table.rows.get(id).map(|row| parsed(table.kind, row))
    }

    /// Puts a row in, in place of the one with this id.
    pub(super) fn put(&mut self, kind: &str, id: Id, row: &Map<String, Value>) {
        let odd = self.odd;
        let table = &mut self.tables[place(kind)];
        table.forget(&id);
        let made = table.made(&id, row, odd);
        table.updates.insert((made.updated, id.clone()));
        match id {
            Id::Text(_) => drop(table.births.insert((moment(row, &["add_time"]), id.clone()))),
            Id::Number(number) => table.highest = table.highest.max(Some(number)),
            Id::Pair(..) => {}
        }
        if made.deleted {
            table.deleted.insert(id.clone());
        }
        for (number, (member, _)) in table.kind.links.iter().enumerate() {
            if let Some(target) = link_hash(&id, row.get(*member)) {
                table.children.insert((link_number(number), target, id.clone()));
            }
        }
        table.rows.insert(id, made);
    }

    /// Takes a row out for good.
    pub(super) fn remove(&mut self, kind: &str, id: &Id) {
        let table = &mut self.tables[place(kind)];
        table.forget(id);
        table.rows.remove(id);
    }

    /// Ids of the rows whose `member` points to `target`, in id order.
    pub(super) fn children<'a>(
        &'a self,
        kind: &str,
        member: &str,
        target: &Id,
    ) -> impl Iterator<Item = &'a Id> + use<'a> {
        let table = self.table(kind);
        let number = table.kind.links.iter().position(|(name, _)| *name == member);
        let number = link_number(number.expect("asked for a link that the kind has"));
        let hash = id_hash(target);
        table
            .children
            .range((number, hash, Id::Number(0))..)
            .take_while(move |(found, target, _)| *found == number && *target == hash)
            .map(|(_, _, id)| id)
    }
}

impl Table {
    fn forget(&mut self, id: &Id) {
        let Some(old) = self.rows.get(id) else { return };
        self.updates.remove(&(old.updated, id.clone()));
        self.deleted.remove(id);
        if let Id::Text(_) = id {
            let born = old.word("add_time").and_then(clock::read).map_or(0, |time| time.timestamp_millis());
            self.births.remove(&(born, id.clone()));
        }
        for (number, (member, _)) in self.kind.links.iter().enumerate() {
            let target: Option<Value> = old.member(member).and_then(|text| serde_json::from_str(text).ok());
            if let Some(hash) = link_hash(id, target.as_ref()) {
                self.children.remove(&(link_number(number), hash, id.clone()));
            }
        }
    }

    fn made(&self, id: &Id, row: &Map<String, Value>, odd: Option<u64>) -> Row {
        let turn = odd.map_or(0, |seed| (id_hash(id) ^ seed) as usize % row.len().max(1));
        let (mut text, mut late) = (Vec::with_capacity(1024), Vec::new());
        for (key, value) in row.iter().skip(turn).chain(row.iter().take(turn)) {
            let own_place = key == "custom_fields" && self.kind.fields.is_some();
            let unseen = key == "is_deleted" && self.kind.gone != Gone::Marked;
            if self.optional.contains(key) {
                late.push((key, value));
            } else if !own_place && !unseen {
                push(&mut text, 0, key, value);
            }
        }
        let custom_at = text.len();
        if let (Some(Value::Object(custom)), Some(_)) = (row.get("custom_fields"), self.kind.fields) {
            // A field that is not set is not kept; whether an answer shows it as null is decided there (`unset-custom`).
            let set = custom.iter().filter(|(_, value)| !value.is_null());
            set.for_each(|(key, value)| push(&mut text, custom_at, key, value));
        }
        let optional_at = text.len();
        late.into_iter().for_each(|(key, value)| push(&mut text, optional_at, key, value));
        Row {
            text: String::from_utf8(text).expect("JSON is UTF-8").into_boxed_str(),
            custom_at: cut(custom_at),
            optional_at: cut(optional_at),
            updated: moment(row, &["update_time", "modified", "add_time"]).div_euclid(1000),
            deleted: is_deleted(self.kind, row),
            // A project has no flag: the time says it (contract, GET /projects/{id}).
            archived: row.get("is_archived") == Some(&Value::Bool(true))
                || (self.kind.name == "projects" && row.get("archive_time").is_some_and(Value::is_string)),
        }
    }
}

/// The row as a JSON object in store shape.
pub(super) fn parsed(kind: &Kind, row: &Row) -> Map<String, Value> {
    let mut text = String::with_capacity(row.text.len() + 32);
    write_row(&mut text, kind, row);
    let Ok(Value::Object(mut map)) = serde_json::from_str(&text) else { unreachable!("the store writes its own text") };
    if kind.gone != Gone::Marked && row.deleted {
        map.insert("is_deleted".into(), Value::Bool(true));
    }
    map
}

/// Writes the whole row as an object.
fn write_row(out: &mut String, kind: &Kind, row: &Row) {
    out.push('{');
    out.push_str(row.main());
    if kind.fields.is_some() {
        out.push_str(",\"custom_fields\":{");
        out.push_str(row.custom());
        out.push('}');
    }
    if !row.optional().is_empty() {
        out.push(',');
        out.push_str(row.optional());
    }
    out.push('}');
}

fn push(text: &mut Vec<u8>, from: usize, key: &str, value: &Value) {
    if text.len() > from {
        text.push(b',');
    }
    text.push(b'"');
    text.extend_from_slice(key.as_bytes());
    text.extend_from_slice(b"\":");
    serde_json::to_writer(text, value).expect("writing to memory does not fail");
}

/// The first of these members that is a time, in milliseconds.
fn moment(row: &Map<String, Value>, members: &[&str]) -> i64 {
    let times = members.iter().filter_map(|key| row.get(*key)?.as_str());
    times.into_iter().find_map(clock::read).map_or(0, |time| time.timestamp_millis())
}

fn is_deleted(kind: &Kind, row: &Map<String, Value>) -> bool {
    row.get("is_deleted") == Some(&Value::Bool(true))
        || (kind.gone == Gone::Inactive && row.get("active_flag") == Some(&Value::Bool(false)))
}

fn place(kind: &str) -> usize {
    position(kind).unwrap_or_else(|| panic!("`{kind}` is not a kind of the sandbox"))
}

fn cut(at: usize) -> u32 {
    u32::try_from(at).expect("a row is far smaller than 4 GiB")
}

fn link_number(number: usize) -> u8 {
    u8::try_from(number).expect("a kind has a handful of links")
}

/// The id that a JSON value means.
pub(super) fn id_of(value: &Value) -> Option<Id> {
    match value {
        Value::Number(number) => number.as_u64().map(Id::Number),
        Value::String(text) => Some(Id::Text(text.as_str().into())),
        _ => None,
    }
}

/// A number that stands for an id in an index.
pub(super) fn id_hash(id: &Id) -> u64 {
    match id {
        Id::Number(number) => *number,
        other => {
            let mut hasher = DefaultHasher::new();
            other.hash(&mut hasher);
            hasher.finish()
        }
    }
}

/// What a row's link points to. A follower's parent is the first half of its id; its row need not repeat it.
fn link_hash(id: &Id, value: Option<&Value>) -> Option<u64> {
    match id {
        Id::Pair(parent, _) => Some(*parent),
        _ => value.and_then(id_of).as_ref().map(id_hash),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::{Map, Value, json};

    use super::{Store, parsed};
    use crate::sandbox::row::Id;

    fn object(value: Value) -> Map<String, Value> {
        value.as_object().cloned().unwrap()
    }

    fn store() -> Store {
        Store::new(Some(3), |kind| match kind {
            "deals" => BTreeSet::from(["notes_count".to_owned()]),
            _ => BTreeSet::new(),
        })
    }

    #[test]
    fn a_row_comes_back_as_it_went_in() {
        let mut store = store();
        let row = object(
            json!({"id": 7, "title": "x", "custom_fields": {"k": {"value": 1}}, "notes_count": 2, "is_deleted": false}),
        );
        store.put("deals", Id::Number(7), &row);
        assert_eq!(store.get("deals", &Id::Number(7)), Some(row));
        let kept = &store.table("deals").rows[&Id::Number(7)];
        assert_eq!(kept.optional(), "\"notes_count\":2");
        assert_eq!(kept.custom(), "\"k\":{\"value\":1}");
    }

    #[test]
    fn links_follow_a_change() {
        let mut store = store();
        store.put("deals", Id::Number(7), &object(json!({"id": 7, "person_id": 3})));
        assert_eq!(store.children("deals", "person_id", &Id::Number(3)).count(), 1);
        store.put("deals", Id::Number(7), &object(json!({"id": 7, "person_id": null})));
        assert_eq!(store.children("deals", "person_id", &Id::Number(3)).count(), 0);
    }

    #[test]
    fn a_deleted_note_says_so_to_the_judge_only() {
        let mut store = store();
        store.put("notes", Id::Number(1), &object(json!({"id": 1, "active_flag": false})));
        let table = store.table("notes");
        let row = &table.rows[&Id::Number(1)];
        assert!(row.deleted && !row.main().contains("is_deleted"));
        assert_eq!(parsed(table.kind, row)["is_deleted"], true);
    }
}
