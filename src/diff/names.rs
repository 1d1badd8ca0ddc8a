//! Human names, as they were on the day of a snapshot.
//!
//! Fields and options are known by keys that stay and shown by names that
//! change; both come from the field definitions the snapshot itself holds, so
//! that a diff of last year reads as last year's screens did.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Map, Value};

use crate::archive::{Error, Snapshot};
use crate::catalogue::{self, ObjectName, Target};
use crate::record::{Key, Record, RecordId};

/// Fields whose value is a user, whatever the definitions say.
const USER_FIELDS: [&str; 5] = ["owner_id", "user_id", "creator_user_id", "created_by_user_id", "assigned_to_user_id"];
/// Objects so small that their names are read at once.
const NAMED_FROM_THE_START: [&str; 3] = ["users", "stages", "pipelines"];
/// What stands for no value.
const NOTHING: &str = "(empty)";

/// Records of one object that may fail while they are read.
pub type Rows<'a> = Box<dyn Iterator<Item = Result<Record, Error>> + 'a>;

/// Where definitions and linked records are looked up.
pub trait Book {
    /// The objects it holds.
    fn objects(&self) -> Vec<ObjectName>;
    /// All records of an object; none of one that it does not hold.
    fn rows(&self, object: &ObjectName) -> Result<Rows<'_>, Error>;
    /// One record.
    fn row(&self, id: &RecordId) -> Result<Option<Record>, Error>;
}

impl Book for Snapshot<'_> {
    fn objects(&self) -> Vec<ObjectName> {
        self.manifest().contents.iter().map(|contents| contents.object.clone()).collect()
    }

    fn rows(&self, object: &ObjectName) -> Result<Rows<'_>, Error> {
        match self.contents(object) {
            Some(_) => Ok(Box::new(self.records(object)?)),
            None => Ok(Box::new(std::iter::empty())),
        }
    }

    fn row(&self, id: &RecordId) -> Result<Option<Record>, Error> {
        self.find(id)
    }
}

/// One field's definition.
#[derive(Default)]
struct Field {
    name: String,
    kind: String,
    options: HashMap<String, String>,
}

/// Human names of fields, options, users, stages and pipelines, and of the records that links point to.
pub struct Names<'a> {
    /// Where linked records are looked up: there are too many to hold their names.
    book: &'a dyn Book,
    /// Fields by code, by the object that defines them.
    fields: HashMap<String, HashMap<String, Field>>,
    users: HashMap<String, String>,
    stages: HashMap<String, String>,
    pipelines: HashMap<String, String>,
}

impl<'a> Names<'a> {
    /// Reads the names that a snapshot holds.
    pub fn of(book: &'a dyn Book) -> Result<Names<'a>, Error> {
        let (fields, users, stages, pipelines) = Default::default();
        let mut names = Names { book, fields, users, stages, pipelines };
        for object in book.objects() {
            let word = object.as_str();
            if !word.ends_with("Fields") && !NAMED_FROM_THE_START.contains(&word) {
                continue;
            }
            for record in book.rows(&object)? {
                let row = record?.fields();
                match word {
                    "users" => name_row(&row, &mut names.users),
                    "stages" => name_row(&row, &mut names.stages),
                    "pipelines" => name_row(&row, &mut names.pipelines),
                    _ => define(&row, names.fields.entry(word.to_owned()).or_default()),
                }
            }
        }
        Ok(names)
    }

    /// The name of a field by its path; the path itself where nothing defines it.
    pub fn field(&self, object: &ObjectName, path: &str) -> String {
        let path = path.strip_prefix("custom_fields.").unwrap_or(path);
        let (code, rest) = path.split_once('.').unwrap_or((path, ""));
        if let Some(field) = self.definition(object, code) {
            return if rest.is_empty() { field.name.clone() } else { format!("{} ({rest})", field.name) };
        }
        // Flat rows spread a custom field over suffixed keys: api/custom-fields.md, "Where they live".
        let parts = code.split_once('_').filter(|(key, _)| key.len() == 40);
        match parts.and_then(|(key, part)| Some((self.definition(object, key)?, part))) {
            Some((field, part)) => format!("{} ({part})", field.name),
            None => path.to_owned(),
        }
    }

    /// Columns derived from custom fields that point to a user, an organization or a person: `<Name>Id` and the number.
    ///
    /// They are read only: a restore writes the field itself, for which the number is enough.
    pub fn id_columns(&self, record: &Record) -> BTreeMap<String, Value> {
        let mut columns = BTreeMap::new();
        let object = catalogue::find(&record.id().object);
        let fields = object.and_then(|object| self.fields.get(object.custom?.fields)).into_iter().flatten();
        let mut pointing = fields.filter(|(_, field)| matches!(field.kind.as_str(), "user" | "org" | "people"));
        // Most records hold none: they need not be read as JSON.
        if !pointing.any(|(code, _)| record.text().contains(code.as_str())) {
            return columns;
        }
        let row = record.fields();
        let nested = row.get("custom_fields").and_then(Value::as_object).into_iter().flatten();
        for (code, value) in nested.chain(&row).filter(|(code, _)| code.len() >= 40) {
            let field = self.definition(&record.id().object, code);
            let field = field.filter(|field| matches!(field.kind.as_str(), "user" | "org" | "people"));
            // v1 may answer the row that it points to instead of its number.
            let id = value.get("value").or_else(|| value.get("id")).unwrap_or(value);
            if let (Some(field), false) = (field, id.is_null()) {
                let name = format!("{}Id", field.name);
                // Two fields may have one name.
                let name = if columns.contains_key(&name) { format!("{name} ({code})") } else { name };
                columns.insert(name, id.clone());
            }
        }
        columns
    }

    /// Whether a custom field of this path is defined here; what the service has itself always is.
    pub fn knows(&self, object: &ObjectName, path: &str) -> bool {
        let code = path.strip_prefix("custom_fields.").unwrap_or(path);
        code.len() < 40 || self.definition(object, code.get(..40).unwrap_or(code)).is_some()
    }

    /// A value for people: labels for option ids, names for users, stages, pipelines and linked records.
    pub fn value(&self, object: &ObjectName, path: &str, value: &Value) -> String {
        let code = path.strip_prefix("custom_fields.").unwrap_or(path);
        match self.linked(object, code, value) {
            Some((name, number)) => format!("{name} ({number})"),
            None => show(value, self.known(object, code)),
        }
    }

    /// What people read where a field holds this: labels of options, or the name of what is linked; none where they read
    /// the value itself.
    pub(super) fn words(&self, object: &ObjectName, code: &str, value: &Value) -> Vec<String> {
        if let Some((name, _)) = self.linked(object, code, value) {
            return vec![name];
        }
        let (Some(known), text) = (self.known(object, code), plain(value)) else { return Vec::new() };
        // v1 joins the ids of several options with commas.
        text.split(',').filter_map(|id| known.get(id)).cloned().collect()
    }

    /// The keys and names of the fields that are defined for an object.
    pub(super) fn fields_of(&self, object: &ObjectName) -> impl Iterator<Item = (&str, &str)> {
        let fields = self.fields.get(&defining(object));
        fields.into_iter().flatten().map(|(code, field)| (code.as_str(), field.name.as_str()))
    }

    /// The records of an object, as far as it is held.
    pub(super) fn rows(&self, object: &ObjectName) -> Result<Rows<'_>, Error> {
        self.book.rows(object)
    }

    /// The words that stand for the ids which a field may hold.
    fn known(&self, object: &ObjectName, code: &str) -> Option<&HashMap<String, String>> {
        let field = self.definition(object, code);
        let kind = field.map_or("", |field| field.kind.as_str());
        match code {
            _ if kind == "user" || USER_FIELDS.contains(&code) => Some(&self.users),
            _ if kind == "stage" || code == "stage_id" => Some(&self.stages),
            _ if kind == "pipeline" || code == "pipeline_id" => Some(&self.pipelines),
            _ => field.map(|field| &field.options),
        }
    }

    /// The name and number of the person, organization, deal or other record that a link points to.
    fn linked(&self, object: &ObjectName, code: &str, value: &Value) -> Option<(String, String)> {
        let kind = self.definition(object, code).map_or("", |field| field.kind.as_str());
        let references = catalogue::find(object)?.references;
        let targets = match (references.iter().find(|reference| reference.field == code).map(|found| found.to), kind) {
            (Some(Target::Record(targets)), _) => targets,
            (_, "people") => &["persons"],
            (_, "org") => &["organizations"],
            _ => return None,
        };
        let text = Some(plain(value)).filter(|text| !text.is_empty() && (value.is_number() || value.is_string()))?;
        let twin = |target: &&'static str| catalogue::find(&ObjectName::known(target)).and_then(|object| object.twin);
        let places = targets.iter().copied().chain(targets.iter().filter_map(twin));
        let ids = places
            .filter(|target| !NAMED_FROM_THE_START.contains(target))
            .map(|target| RecordId::new(ObjectName::known(target), Key::parse(&text)));
        let record = ids.into_iter().find_map(|id| self.book.row(&id).ok().flatten())?;
        Some((text_of(&record.fields(), &["name", "title", "subject"])?.to_owned(), text))
    }

    fn definition(&self, object: &ObjectName, code: &str) -> Option<&Field> {
        self.fields.get(&defining(object))?.get(code)
    }
}

/// The object that defines the fields of another.
fn defining(object: &ObjectName) -> String {
    match catalogue::find(object).and_then(|object| object.custom) {
        Some(custom) => custom.fields.to_owned(),
        None => singular_fields(object.as_str()),
    }
}

/// `deals` are defined by `dealFields`, `activities` by `activityFields`.
fn singular_fields(object: &str) -> String {
    let singular = object.strip_suffix("ies").map(|stem| format!("{stem}y"));
    let singular = singular.unwrap_or_else(|| object.strip_suffix('s').unwrap_or(object).to_owned());
    format!("{singular}Fields")
}

fn text_of<'v>(row: &'v Map<String, Value>, names: &[&str]) -> Option<&'v str> {
    names.iter().find_map(|name| row.get(*name)?.as_str())
}

fn name_row(row: &Map<String, Value>, names: &mut HashMap<String, String>) {
    if let (Some(id), Some(name)) = (row.get("id"), text_of(row, &["name"])) {
        names.insert(plain(id), name.to_owned());
    }
}

/// Reads a definition: v2 rows say `field_code`, v1 rows say `key`.
fn define(row: &Map<String, Value>, fields: &mut HashMap<String, Field>) {
    let (Some(code), Some(name)) = (text_of(row, &["field_code", "key"]), text_of(row, &["field_name", "name"])) else {
        return;
    };
    let options = row.get("options").and_then(Value::as_array).into_iter().flatten();
    let options = options.filter_map(|option| Some((plain(option.get("id")?), plain(option.get("label")?)))).collect();
    let kind = text_of(row, &["field_type"]).unwrap_or_default().to_owned();
    fields.insert(code.to_owned(), Field { name: name.to_owned(), kind, options });
}

fn show(value: &Value, known: Option<&HashMap<String, String>>) -> String {
    let one = |text: &str| known.and_then(|known| known.get(text)).cloned().unwrap_or_else(|| text.to_owned());
    match value {
        Value::Null => NOTHING.to_owned(),
        Value::Array(items) if items.is_empty() => NOTHING.to_owned(),
        Value::Array(items) => items.iter().map(|item| show(item, known)).collect::<Vec<_>>().join(", "),
        // v1 joins the ids of several options with commas.
        Value::String(text)
            if known.is_some_and(|known| !known.is_empty() && text.split(',').all(|id| known.contains_key(id))) =>
        {
            text.split(',').map(one).collect::<Vec<_>>().join(", ")
        }
        Value::Object(parts) => show_parts(parts),
        value => one(&plain(value)),
    }
}

/// Values of several parts: an amount with its currency, a range, an address, a labelled number.
fn show_parts(parts: &Map<String, Value>) -> String {
    let part = |name| parts.get(name).filter(|value| !value.is_null()).map(plain);
    match (part("value"), part("currency"), part("until")) {
        (Some(value), Some(currency), _) => format!("{value} {currency}"),
        (Some(value), _, Some(until)) => format!("{value} to {until}"),
        (Some(value), ..) => value,
        _ => Value::Object(parts.clone()).to_string(),
    }
}

/// A value without quotes.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
