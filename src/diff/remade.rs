//! Compares a state with one that was made from it in another account: no number is the same, and everything should be.
//!
//! The numbers of both are brought together by pairs, one for each record, and by the
//! labels of options; then every field is compared. Nothing here is shared with the
//! planner or with the report of a restore, so that a drill does not repeat a mistake
//! of theirs: what they forgot to write is missed here.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::{Map, Value};

use super::keys::{Field, definitions};
use crate::archive::{Error, Snapshot};
use crate::catalogue::{self, KeyIn, Object, ObjectName, Restore, Target};
use crate::record::{Key, Record, RecordId};

/// How many letters the key of a custom field has.
const KEY: usize = 40;

/// Stamps that every write sets: a record that differs in nothing else is equal.
const STAMPS: &[&str] = &["id", "update_time", "last_update_user_id", "modified"];

/// Parts of composite values that the service derives from the others (api/custom-fields.md, time and address).
const DERIVED: &[&str] = &["id", "product_id", "field_id", "formatted_address", "timezone_id"];

/// Which record of the one state is which of the other.
pub type Pairs = HashMap<RecordId, RecordId>;

/// A record of the earlier state, and what became of it.
#[derive(Clone, PartialEq, Debug)]
pub struct Remade {
    /// The record as it was.
    pub before: RecordId,
    /// What stands for it now; none when nothing does.
    pub after: Option<RecordId>,
    /// Fields that differ, with the earlier value in today's numbers.
    pub fields: Vec<Off>,
}

/// One field that differs.
#[derive(Clone, PartialEq, Debug)]
pub struct Off {
    /// Its name; `custom_fields.<key>` for a custom one, by its earlier key.
    pub field: String,
    /// What it said, in today's numbers.
    pub before: Value,
    /// What it says.
    pub after: Value,
    /// Whether a restore can write it.
    pub writable: bool,
}

/// Two states and what brings their numbers together.
pub struct Remaking<'a> {
    before: &'a Snapshot<'a>,
    after: &'a Snapshot<'a>,
    pairs: &'a Pairs,
    /// What stands for rows under a parent, by their own numbers.
    own: HashMap<(ObjectName, Key), &'a RecordId>,
    /// By the object that defines fields and the earlier code: today's code.
    codes: HashMap<(&'static str, String), String>,
    /// By the same: what the field is.
    kinds: HashMap<(&'static str, String), String>,
    /// By the same: earlier option to today's.
    options: HashMap<(&'static str, String), HashMap<String, String>>,
    /// Words by which records are known, by object and field: earlier to today's.
    words: HashMap<(&'static str, &'static str), HashMap<String, String>>,
}

impl<'a> Remaking<'a> {
    /// Reads what brings the two together.
    pub fn between(before: &'a Snapshot<'a>, after: &'a Snapshot<'a>, pairs: &'a Pairs) -> Result<Remaking<'a>, Error> {
        let (codes, kinds, options, words) = Default::default();
        let under = |(id, heir): (&RecordId, &'a RecordId)| match id.key {
            Key::Pair(_, own) => Some(((id.object.clone(), Key::Number(own)), heir)),
            _ => None,
        };
        let own = pairs.iter().filter_map(under).collect();
        let mut remaking = Remaking { before, after, pairs, own, codes, kinds, options, words };
        for object in catalogue::ALL {
            if let Some(custom) = object.custom {
                remaking.read_fields(custom.fields)?;
            }
            for reference in object.references {
                match reference.to {
                    Target::Choice { fields, .. } => remaking.read_fields(fields)?,
                    Target::Named { object, by } => remaking.read_words(object, by)?,
                    _ => {}
                }
            }
        }
        Ok(remaking)
    }

    fn read_fields(&mut self, fields: &'static str) -> Result<(), Error> {
        if self.kinds.keys().any(|(known, _)| *known == fields) {
            return Ok(());
        }
        let name = ObjectName::known(fields);
        let (then, now) = (definitions(self.before, &name)?, definitions(self.after, &name)?);
        for (code, Field { kind, options }) in then {
            let heir = self.pairs.get(&RecordId::new(name.clone(), Key::parse(&code)));
            let today = heir.map_or_else(|| code.clone(), |heir| heir.key.to_string());
            if let Some(new) = now.get(&today) {
                self.options.insert((fields, code.clone()), alike(&options, &new.options));
            }
            self.codes.insert((fields, code.clone()), today);
            self.kinds.insert((fields, code), kind);
        }
        Ok(())
    }

    fn read_words(&mut self, object: &'static str, by: &'static str) -> Result<(), Error> {
        let name = ObjectName::known(object);
        if self.words.contains_key(&(object, by)) || self.before.contents(&name).is_none() {
            return Ok(());
        }
        let mut words = HashMap::new();
        let word = |record: &Record| record.fields().get(by).and_then(Value::as_str).map(str::to_owned);
        for record in self.before.records(&name)? {
            let record = record?;
            let heir = self.pairs.get(record.id()).map(|heir| self.after.find(heir)).transpose()?.flatten();
            if let (Some(then), Some(now)) = (word(&record), heir.as_ref().and_then(word)) {
                words.insert(then, now);
            }
        }
        self.words.insert((object, by), words);
        Ok(())
    }

    /// Whether records of the object can be compared: not copies of others, and seen in both states.
    pub fn compares(&self, object: &Object) -> bool {
        let name = ObjectName::known(object.name);
        let seen = |state: &Snapshot<'_>| state.contents(&name).is_some();
        !matches!(object.restore, Restore::Mirror(_)) && seen(self.before)
    }

    /// Every record of the object in the earlier state, and what became of it.
    pub fn object(
        &'a self,
        object: &'static Object,
    ) -> Result<impl Iterator<Item = Result<Remade, Error>> + 'a, Error> {
        let records = self.before.records(&ObjectName::known(object.name))?;
        Ok(records.map(move |record| self.record(object, &record?)))
    }

    fn record(&self, object: &'static Object, record: &Record) -> Result<Remade, Error> {
        let Some(found) = self.heir(record.id())? else {
            return Ok(Remade { before: record.id().clone(), after: None, fields: Vec::new() });
        };
        let fields = self.compare(object, (record.id(), &record.fields()), (found.id(), &found.fields()));
        Ok(Remade { before: record.id().clone(), after: Some(found.id().clone()), fields })
    }

    /// The record that stands for this one.
    fn heir(&self, id: &RecordId) -> Result<Option<Record>, Error> {
        // Contents are known by what they belong to.
        let owner =
            catalogue::ALL.iter().find(|one| one.contents.is_some_and(|held| held.object == id.object.as_str()));
        let paired = match owner {
            Some(owner) => self.pairs.get(&RecordId::new(ObjectName::known(owner.name), id.key.clone())),
            None => self.pairs.get(id),
        };
        let natural = if paired.is_none() && owner.is_none() { self.natural(id) } else { None };
        let Some(heir) = paired.or(natural.as_ref()) else { return Ok(None) };
        let twin = catalogue::find(&id.object).and_then(|object| object.twin);
        for list in std::iter::once(id.object.clone()).chain(twin.map(ObjectName::known)) {
            if self.after.contents(&list).is_some()
                && let Some(found) = self.after.find(&RecordId::new(list, heir.key.clone()))?
            {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// The name that a record has by what it is, where no pair says it: a field of the service's own has the same code
    /// everywhere, and a row that links two records is known by both.
    fn natural(&self, id: &RecordId) -> Option<RecordId> {
        let object = catalogue::find(&id.object)?;
        if object.name.ends_with("Fields") {
            return (!is_flat(&id.key.to_string())).then(|| id.clone());
        }
        let own = match object.key {
            KeyIn::Both { own, .. } | KeyIn::ParentAnd(own) => own,
            KeyIn::Field("user_id") => {
                let heir = self.pairs.get(&RecordId::new(ObjectName::known("users"), id.key.clone()))?;
                return Some(RecordId::new(id.object.clone(), heir.key.clone()));
            }
            _ => return None,
        };
        let targets = object.references.iter().find_map(|reference| match reference.to {
            Target::Record(targets) if reference.field == own => Some(targets),
            _ => None,
        });
        let heir = |targets: &[&'static str], key: &str| {
            let id = |name: &&'static str| RecordId::new(ObjectName::known(name), Key::parse(key));
            targets.iter().find_map(|name| self.pairs.get(&id(name))).map(|heir| heir.key.to_string())
        };
        let text = id.key.to_string();
        let (parent, own) = text.split_once(':')?;
        let own = targets.map_or_else(|| Some(own.to_owned()), |targets| heir(targets, own))?;
        let key = format!("{}:{own}", heir(object.parents(), parent)?);
        Some(RecordId::new(id.object.clone(), Key::parse(&key)))
    }

    fn compare(
        &self,
        object: &'static Object,
        (id, then): (&RecordId, &Map<String, Value>),
        (heir, now): (&RecordId, &Map<String, Value>),
    ) -> Vec<Off> {
        let mut off = Vec::new();
        // Another list is another state of the record: archived, or not.
        if id.object != heir.object {
            let (before, after) = (Value::from(id.object.to_string()), Value::from(heir.object.to_string()));
            off.push(Off { field: "list".to_owned(), before, after, writable: true });
        }
        let writable = writable(object);
        let expected = self.translated(object, then);
        let nested = object.custom.is_some();
        for (field, before) in &expected {
            let passed = STAMPS.contains(&field.as_str()) || object.volatile.contains(&field.as_str());
            if passed || (nested && field == "custom_fields") || is_own_key(object, field) {
                continue;
            }
            let after = now.get(field).unwrap_or(&Value::Null);
            if object.options.is_some() && field == "options" && labels(before) == labels(after) {
                continue;
            }
            if !same(before, after) {
                let writable = writable.contains(field.as_str()) || is_flat(field);
                off.push(Off { field: field.clone(), before: before.clone(), after: after.clone(), writable });
            }
        }
        let values = |row: &Map<String, Value>| row.get("custom_fields").and_then(Value::as_object).cloned();
        let (before, after) = (values(&expected).unwrap_or_default(), values(now).unwrap_or_default());
        for code in before.keys().chain(after.keys()).collect::<BTreeSet<_>>().into_iter().filter(|_| nested) {
            let (before, after) = (before.get(code).unwrap_or(&Value::Null), after.get(code).unwrap_or(&Value::Null));
            if !same(before, after) {
                let (before, after) = (before.clone(), after.clone());
                off.push(Off { field: format!("custom_fields.{code}"), before, after, writable: true });
            }
        }
        off
    }

    /// The row in today's numbers, words and keys.
    fn translated(&self, object: &'static Object, row: &Map<String, Value>) -> Map<String, Value> {
        let mut row = row.clone();
        for reference in object.references {
            let Some(value) = row.get_mut(reference.top()) else { continue };
            let path: Vec<&str> = reference
                .field
                .split('.')
                .flat_map(|part| match part.strip_suffix("[]") {
                    Some(name) => vec![name, "[]"],
                    None => vec![part],
                })
                .skip(1)
                .collect();
            match reference.to {
                Target::Record(targets) => leaves(value, &path, &|leaf| self.renumber(leaf, targets)),
                Target::Named { object, by } => leaves(value, &path, &|leaf| self.reword(leaf, (object, by))),
                Target::Choice { fields, code } => leaves(value, &path, &|leaf| self.choose(leaf, fields, code)),
                Target::Typed(types) => self.retype(value, types),
                Target::Conditions => self.conditions(value),
            }
        }
        if let Some(custom) = object.custom {
            if let Some(Value::Object(values)) = row.get_mut("custom_fields") {
                *values = std::mem::take(values).into_iter().map(|(n, v)| self.custom(custom.fields, n, v)).collect();
            }
            row = row
                .into_iter()
                .map(
                    |(name, value)| {
                        if is_flat(&name) { self.custom(custom.fields, name, value) } else { (name, value) }
                    },
                )
                .collect();
        }
        row
    }

    /// A link under today's number; one that leads nowhere by the name it had.
    fn renumber(&self, leaf: &mut Value, targets: &[&'static str]) {
        let Some(key) = key_of(leaf) else { return };
        let twins = targets.iter().flat_map(|name| {
            let twin = catalogue::find(&ObjectName::known(name)).and_then(|object| object.twin);
            std::iter::once(*name).chain(twin)
        });
        let ids: Vec<RecordId> = twins.map(|name| RecordId::new(ObjectName::known(name), key.clone())).collect();
        let exact = ids.iter().find_map(|id| self.pairs.get(id));
        // A row under a parent is pointed to by its own number alone.
        let own = || targets.iter().find_map(|name| self.own.get(&(ObjectName::known(name), key.clone())));
        match exact.or_else(|| own().copied()).map(|heir| &heir.key) {
            Some(Key::Number(number) | Key::Pair(_, number)) if !leaf.is_string() => *leaf = Value::from(*number),
            Some(key) => *leaf = Value::from(key.to_string()),
            None => *leaf = Value::from(ids.first().map_or_else(|| key.to_string(), ToString::to_string)),
        }
    }

    fn reword(&self, leaf: &mut Value, known: (&'static str, &'static str)) {
        let today = leaf.as_str().and_then(|word| self.words.get(&known)?.get(word));
        if let Some(today) = today {
            *leaf = Value::from(today.clone());
        }
    }

    fn choose(&self, leaf: &mut Value, fields: &'static str, code: &str) {
        let Some(options) = self.options.get(&(fields, code.to_owned())) else { return };
        match leaf {
            Value::Array(list) => list.iter_mut().for_each(|one| self.choose(one, fields, code)),
            Value::Number(id) => {
                if let Some(today) = options.get(&id.to_string()).and_then(|today| today.parse::<u64>().ok()) {
                    *leaf = Value::from(today);
                }
            }
            Value::String(ids) => {
                let today: Vec<&str> = ids.split(',').map(|id| options.get(id).map_or(id, String::as_str)).collect();
                *leaf = Value::from(today.join(","));
            }
            _ => {}
        }
    }

    fn retype(&self, value: &mut Value, types: &[(&str, &'static str)]) {
        let named = value.get("type").and_then(Value::as_str);
        let object = named.and_then(|named| types.iter().find(|(name, _)| *name == named)).map(|(_, object)| *object);
        if let (Some(object), Some(id)) = (object, value.get_mut("id")) {
            self.renumber(id, &[object]);
        }
    }

    fn custom(&self, fields: &'static str, name: String, mut value: Value) -> (String, Value) {
        let (code, ending) = name.split_at_checked(KEY).unwrap_or((&name, ""));
        let known = (fields, code.to_owned());
        if ending.is_empty() {
            match self.kinds.get(&known).map(String::as_str) {
                Some("user") => self.renumber(&mut value, &["users"]),
                Some("org") => self.renumber(&mut value, &["organizations"]),
                Some("people") => self.renumber(&mut value, &["persons"]),
                Some("enum" | "set") => self.choose(&mut value, fields, code),
                _ => {}
            }
        }
        match self.codes.get(&known) {
            Some(today) => (format!("{today}{ending}"), value),
            None => (name, value),
        }
    }

    /// The fields that conditions look at, under today's codes; numbers of fields are the service's.
    fn conditions(&self, value: &mut Value) {
        match value {
            Value::Array(list) => list.iter_mut().for_each(|one| self.conditions(one)),
            Value::Object(part) if part.contains_key("field_code") => self.condition(part),
            Value::Object(group) => group.values_mut().for_each(|one| self.conditions(one)),
            _ => {}
        }
    }

    fn condition(&self, part: &mut Map<String, Value>) {
        let text = |name: &str| part.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (object, code) = (text("object"), text("field_code"));
        let definers: &[&'static str] =
            &["dealFields", "personFields", "organizationFields", "productFields", "activityFields", "projectFields"];
        let word = if object == "lead" { "deal" } else { object.as_str() };
        let fields = definers.iter().find(|name| name.strip_suffix("Fields") == Some(word)).copied();
        let linked: &[&'static str] = match code.as_str() {
            "owner_id" | "user_id" | "creator_user_id" => &["users"],
            "org_id" => &["organizations"],
            "person_id" => &["persons"],
            "stage_id" => &["stages"],
            "pipeline_id" => &["pipelines"],
            _ => &[],
        };
        if let Some(value) = part.get_mut("value").filter(|value| !value.is_null()) {
            if !linked.is_empty() {
                self.renumber(value, linked);
            } else if let Some(fields) = fields {
                let (_, moved) = self.custom(fields, code.clone(), std::mem::take(value));
                *value = moved;
                if !is_flat(&code) {
                    self.choose(value, fields, &code);
                }
            }
        }
        part.remove("field_id");
        let today = fields.and_then(|fields| self.codes.get(&(fields, code)));
        if let Some(today) = today {
            part.insert("field_code".to_owned(), Value::from(today.clone()));
        }
    }
}

/// Options of the same label; of several alike, the first for the first.
fn alike(then: &[(String, String)], now: &[(String, String)]) -> HashMap<String, String> {
    let mut free: Vec<&(String, String)> = now.iter().collect();
    let mut found = HashMap::new();
    for (id, label) in then {
        if let Some(at) = free.iter().position(|(_, other)| other == label) {
            found.insert(id.clone(), free.remove(at).0.clone());
        }
    }
    found
}

/// What people call the options, in their order: numbers and stamps are the service's.
fn labels(options: &Value) -> Vec<&str> {
    let options = options.as_array().into_iter().flatten();
    options.filter_map(|option| option.get("label")?.as_str()).collect()
}

/// Every field that a restore can send, under the name that rows have it by.
fn writable(object: &'static Object) -> BTreeSet<&'static str> {
    let twin = object.twin.and_then(|twin| catalogue::find(&ObjectName::known(twin)));
    let of = |object: &'static Object| object.writable().filter(|field| !object.computed.contains(field));
    of(object).chain(twin.into_iter().flat_map(of)).collect()
}

/// Whether the field is a part of the row's key, which pairs bring together.
fn is_own_key(object: &Object, field: &str) -> bool {
    match object.key {
        KeyIn::Field(own) => own == field && own != "user_id",
        KeyIn::Both { own, .. } => own == field && own == "id",
        KeyIn::ParentAnd(own) => own == field && matches!(own, "id" | "uuid"),
        KeyIn::ParentAndAll(_) | KeyIn::ParentAndDigest => false,
    }
}

/// Whether a name is that of a custom field, or of a part of its value, beside the others of a row.
fn is_flat(name: &str) -> bool {
    name.split_at_checked(KEY).is_some_and(|(code, rest)| {
        code.bytes().all(|byte| byte.is_ascii_hexdigit()) && (rest.is_empty() || rest.starts_with('_'))
    })
}

fn key_of(leaf: &Value) -> Option<Key> {
    match leaf {
        Value::Number(number) => number.as_u64().map(Key::Number),
        Value::String(text) if !text.is_empty() => Some(Key::parse(text)),
        _ => None,
    }
}

fn leaves(value: &mut Value, path: &[&str], change: &dyn Fn(&mut Value)) {
    match (path.split_first(), value) {
        (None, leaf) => change(leaf),
        (Some((&"[]", rest)), Value::Array(list)) => list.iter_mut().for_each(|one| leaves(one, rest, change)),
        (Some((name, rest)), Value::Object(fields)) => {
            if let Some(value) = fields.get_mut(*name) {
                leaves(value, rest, change);
            }
        }
        _ => {}
    }
}

/// Whether two values of accounts of the same service say the same: nothing is written in several ways, lists have no
/// order, and parts that are numbers of their own say nothing.
fn same(before: &Value, after: &Value) -> bool {
    plain(before) == plain(after)
}

fn plain(value: &Value) -> Value {
    match value {
        Value::String(text) if text.is_empty() => Value::Null,
        Value::Array(list) => {
            let mut list: Vec<Value> = list.iter().map(plain).filter(|one| !one.is_null()).collect();
            list.sort_by_cached_key(ToString::to_string);
            if list.is_empty() { Value::Null } else { Value::Array(list) }
        }
        Value::Object(parts) => {
            let parts: BTreeMap<&String, Value> = parts
                .iter()
                .filter(|(name, _)| !DERIVED.contains(&name.as_str()))
                .map(|(name, value)| (name, plain(value)))
                .filter(|(_, value)| !value.is_null())
                .collect();
            let parts: Map<String, Value> = parts.into_iter().map(|(name, value)| (name.clone(), value)).collect();
            if parts.is_empty() { Value::Null } else { Value::Object(parts) }
        }
        Value::Number(number) => number.as_f64().map_or_else(|| value.clone(), Value::from),
        other => other.clone(),
    }
}
