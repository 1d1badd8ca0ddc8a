//! How records look: a line in a list, and one of them whole under human names.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde::ser::{Error as _, SerializeStruct};
use serde::{Serialize, Serializer};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::cli::show::{View, brief, cut};
use crate::diff::Names;
use crate::record::{Record, peek};

/// Fields by which people know a record, in the order of trust.
const NAMING: &[&str] = &["name", "title", "subject", "field_name", "content", "subscription_url", "code", "label"];

/// The words by which a person knows the record; empty if it has none.
pub(crate) fn title(record: &Record) -> String {
    let found = peek(record.text(), NAMING);
    let texts = found.into_iter().flatten().filter_map(|value| serde_json::from_str::<String>(value.get()).ok());
    texts.map(|text| plain(&text)).find(|text| !text.is_empty()).unwrap_or_default()
}

/// A text without its HTML tags, cut to a line.
fn plain(text: &str) -> String {
    let mut inside = false;
    let kept: String = text
        .chars()
        .map(|letter| match letter {
            '<' => {
                inside = true;
                ' '
            }
            '>' if inside => {
                inside = false;
                ' '
            }
            _ if inside => ' ',
            letter => letter,
        })
        .collect();
    cut(&kept)
}

/// A record as a line of a list: as JSON the same line as in the archive with the columns derived from it, as text its id
/// and what it is called.
pub(crate) struct RecordLine {
    pub(crate) record: Record,
    /// `<Name>Id` of fields that point to a user, an organization or a person.
    pub(crate) derived: BTreeMap<String, Value>,
}

impl Serialize for RecordLine {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let id = self.record.id();
        let record: &RawValue = serde_json::from_str(self.record.text()).map_err(S::Error::custom)?;
        let mut line = serializer.serialize_struct("RecordLine", 4)?;
        line.serialize_field("object", id.object.as_str())?;
        line.serialize_field("id", &id.key.to_string())?;
        line.serialize_field("record", record)?;
        if self.derived.is_empty() {
            line.skip_field("derived")?;
        } else {
            line.serialize_field("derived", &self.derived)?;
        }
        line.end()
    }
}

impl View for RecordLine {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let id = self.record.id().to_string();
        writeln!(out, "{}", format!("{id:24} {}", title(&self.record)).trim_end())
    }
}

/// A field as people read it.
struct FieldLine {
    name: String,
    value: String,
}

/// One record whole.
#[derive(Serialize)]
pub(crate) struct RecordView {
    object: String,
    id: String,
    snapshot: String,
    record: Box<RawValue>,
    /// `<Name>Id` of fields that point to a user, an organization or a person.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    derived: BTreeMap<String, Value>,
    #[serde(skip)]
    title: String,
    #[serde(skip)]
    fields: Vec<FieldLine>,
}

impl RecordView {
    /// The record of a snapshot, its fields under the names they had that day.
    pub(crate) fn new(record: &Record, snapshot: &str, names: &Names<'_>) -> Result<RecordView, serde_json::Error> {
        let id = record.id();
        let fields = record.fields();
        let mut lines = Vec::new();
        for (key, value) in &fields {
            match value {
                Value::Object(custom) if key == "custom_fields" => {
                    lines.extend(
                        custom.iter().map(|(key, value)| line(names, record, &format!("custom_fields.{key}"), value)),
                    );
                }
                value => lines.push(line(names, record, key, value)),
            }
        }
        let derived = names.id_columns(record);
        lines.extend(derived.iter().map(|(name, id)| FieldLine { name: name.clone(), value: brief(id) }));
        Ok(RecordView {
            object: id.object.to_string(),
            id: id.key.to_string(),
            snapshot: snapshot.to_owned(),
            record: RawValue::from_string(record.text().to_owned())?,
            derived,
            title: title(record),
            fields: lines,
        })
    }
}

fn line(names: &Names<'_>, record: &Record, path: &str, value: &Value) -> FieldLine {
    let object = &record.id().object;
    let said = match value {
        Value::Null => brief(value),
        value => names.value(object, path, value),
    };
    FieldLine { name: names.field(object, path), value: said }
}

impl View for RecordView {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let snapshot = &self.snapshot[..self.snapshot.len().min(8)];
        writeln!(out, "{}/{}  {}  ·  snapshot {snapshot}", self.object, self.id, self.title)?;
        let width = self.fields.iter().map(|field| field.name.chars().count()).max().unwrap_or(0).min(40);
        for field in self.fields.iter().filter(|field| field.value != "—") {
            writeln!(out, "  {:width$}  {}", field.name, field.value)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::title;
    use crate::catalogue::ObjectName;
    use crate::record::{Key, Record, RecordId};

    fn of(value: Value) -> String {
        let id = RecordId::new(ObjectName::new("deals"), Key::Number(4));
        title(&Record::new(id, value.as_object().unwrap()))
    }

    #[test]
    fn a_record_is_known_by_its_name_else_by_its_words() {
        assert_eq!(of(json!({"name": "Ada", "title": "Dr"})), "Ada");
        assert_eq!(of(json!({"name": "", "title": "Big deal"})), "Big deal");
        assert_eq!(of(json!({"content": "<p>Called <b>twice</b></p>"})), "Called twice");
        assert_eq!(of(json!({"content": "a < b"})), "a");
        assert_eq!(of(json!({"id": 4})), "");
    }
}
