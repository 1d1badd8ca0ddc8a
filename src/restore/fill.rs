//! What a step sends: values, and places for ids that an earlier step will bring.
//!
//! The only things a replay may not know beforehand are ids and names that the
//! service gives to records the plan makes. Everything else is a value, so a
//! plan can be read by a person before anything is written.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

use crate::record::{Key, RecordId};

/// The fields a step sends.
pub type Body = BTreeMap<String, Fill>;

/// A body while many of them are kept: as text, a tenth of what its fields take.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BodyText(Box<str>);

impl BodyText {
    /// Its fields. Parses; keep the result when it is needed twice.
    pub fn fields(&self) -> Body {
        serde_json::from_str(&self.0).expect("it was written from fields")
    }
}

impl From<Body> for BodyText {
    fn from(body: Body) -> BodyText {
        BodyText(serde_json::to_string(&body).expect("a body has only text keys").into())
    }
}

impl Serialize for BodyText {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.fields().serialize(to)
    }
}

impl<'de> Deserialize<'de> for BodyText {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<BodyText, D::Error> {
        Body::deserialize(from).map(BodyText::from)
    }
}

/// One value of a body.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fill {
    /// It is known.
    Is(Value),
    /// The id that the account has for a record of the goal.
    IdOf(#[serde(with = "text")] RecordId),
    /// The same as text, as the conditions of filters hold ids.
    IdTextOf(#[serde(with = "text")] RecordId),
    /// The value of a field of a record that an earlier step makes: a name that the service chooses.
    FieldOf(#[serde(with = "text")] RecordId, String),
    /// The same as text; of a list, with commas between, as flat rows hold the options of a set.
    TextOf(Box<Fill>),
    /// The id of the option with this label in a field that a step makes or adds options to; of several with the label,
    /// the one after so many.
    OptionOf(#[serde(with = "text")] RecordId, String, usize),
    /// A value that is sent under the key which the service gives to a field that an earlier step makes: the key that it
    /// stands under is the goal's.
    Under(#[serde(with = "text")] RecordId, Box<Fill>),
    /// A list with unknown places in it.
    List(Vec<Fill>),
    /// An object with unknown places in it.
    Fields(BTreeMap<String, Fill>),
}

/// What is known about a record of the goal while a plan is replayed.
pub(super) trait Known {
    /// Its id in the account.
    fn id(&self, record: &RecordId) -> Option<Key>;
    /// A field of the row that the service answered when the record was made.
    fn field(&self, record: &RecordId, field: &str) -> Option<Value>;
}

impl Fill {
    /// The value, if everything in it is known.
    pub(super) fn value(&self, known: &dyn Known) -> Result<Value, RecordId> {
        match self {
            Fill::Is(value) => Ok(value.clone()),
            Fill::IdOf(record) => known.id(record).map(|key| key_value(&key)).ok_or_else(|| record.clone()),
            Fill::IdTextOf(record) => {
                known.id(record).map(|key| Value::String(key.to_string())).ok_or_else(|| record.clone())
            }
            Fill::FieldOf(record, field) => known.field(record, field).ok_or_else(|| record.clone()),
            Fill::TextOf(fill) => fill.value(known).map(|value| Value::String(in_words(&value))),
            Fill::OptionOf(field, label, nth) => {
                let options = known.field(field, "options");
                let named = |option: &&Value| option.get("label").and_then(Value::as_str) == Some(label);
                let mut alike = options.iter().filter_map(Value::as_array).flatten().filter(named);
                let id = alike.nth(*nth).and_then(|option| option.get("id")).cloned();
                id.ok_or_else(|| field.clone())
            }
            Fill::Under(field, fill) => match known.id(field) {
                Some(_) => fill.value(known),
                None => Err(field.clone()),
            },
            Fill::List(list) => some_of(list, known),
            Fill::Fields(fields) => Ok(Value::Object(values(fields, known)?)),
        }
    }

    /// Sets a part of an object; what is none has no parts.
    pub(super) fn put(&mut self, name: &str, value: Value) {
        match self {
            Fill::Is(Value::Object(parts)) => drop(parts.insert(name.to_owned(), value)),
            Fill::Fields(parts) => drop(parts.insert(name.to_owned(), Fill::Is(value))),
            _ => {}
        }
    }

    /// Every record of the goal whose id or name is needed.
    pub fn needs(&self) -> Vec<&RecordId> {
        let mut found = Vec::new();
        self.collect(&mut found);
        found
    }

    fn collect<'a>(&'a self, found: &mut Vec<&'a RecordId>) {
        match self {
            Fill::Is(_) => {}
            Fill::IdOf(record) | Fill::IdTextOf(record) | Fill::FieldOf(record, _) | Fill::OptionOf(record, ..) => {
                found.push(record);
            }
            Fill::TextOf(fill) => fill.collect(found),
            Fill::Under(field, fill) => {
                found.push(field);
                fill.collect(found);
            }
            Fill::List(list) => list.iter().for_each(|fill| fill.collect(found)),
            Fill::Fields(fields) => fields.values().for_each(|fill| fill.collect(found)),
        }
    }

    /// Whether it takes a value away.
    pub(super) fn clears(&self) -> bool {
        match self {
            Fill::Is(Value::Null) => true,
            Fill::Is(Value::Array(list)) => list.is_empty(),
            Fill::List(list) => list.is_empty(),
            _ => false,
        }
    }

    /// Whether it needs this field of this record.
    pub(super) fn asks(&self, of: &RecordId, name: &str) -> bool {
        match self {
            Fill::FieldOf(record, field) => record == of && field == name,
            Fill::TextOf(fill) | Fill::Under(_, fill) => fill.asks(of, name),
            Fill::List(list) => list.iter().any(|fill| fill.asks(of, name)),
            Fill::Fields(fields) => fields.values().any(|fill| fill.asks(of, name)),
            _ => false,
        }
    }

    /// Whether a part of it may be left out when its field or option was not made: that costs a value, not the record.
    fn may_lack(&self) -> bool {
        match self {
            Fill::Under(..) | Fill::OptionOf(..) => true,
            Fill::TextOf(list) => matches!(**list, Fill::List(_)) && list.may_lack(),
            Fill::List(list) => list.iter().any(Fill::may_lack),
            Fill::Fields(fields) => fields.values().any(Fill::may_lack),
            _ => false,
        }
    }

    /// A list that is a plain value when nothing in it is unknown.
    pub(super) fn list(list: Vec<Fill>) -> Fill {
        if list.iter().all(|fill| matches!(fill, Fill::Is(_))) {
            Fill::Is(Value::Array(list.into_iter().filter_map(Fill::known).collect()))
        } else {
            Fill::List(list)
        }
    }

    /// An object that is a plain value when nothing in it is unknown.
    pub(super) fn fields(fields: BTreeMap<String, Fill>) -> Fill {
        if fields.values().all(|fill| matches!(fill, Fill::Is(_))) {
            let known = fields.into_iter().filter_map(|(name, fill)| Some((name, fill.known()?)));
            Fill::Is(Value::Object(known.collect()))
        } else {
            Fill::Fields(fields)
        }
    }

    fn known(self) -> Option<Value> {
        match self {
            Fill::Is(value) => Some(value),
            _ => None,
        }
    }
}

/// A body's values under the keys of today; the record that is not known otherwise.
///
/// Values of fields and options that were not made are left out, unless nothing else is left.
pub(super) fn values(body: &Body, known: &dyn Known) -> Result<Map<String, Value>, RecordId> {
    let (mut values, mut lacking) = (Map::new(), None);
    for (name, fill) in body {
        match fill.value(known) {
            Ok(value) => drop(values.insert(key_now(name, fill, known), value)),
            Err(field) if fill.may_lack() => lacking = Some(field),
            Err(record) => return Err(record),
        }
    }
    lacking.filter(|_| values.is_empty()).map_or(Ok(values), Err)
}

/// The key that the service gave to a field that was made again; a part of a flat value keeps its ending.
fn key_now(name: &str, fill: &Fill, known: &dyn Known) -> String {
    let Fill::Under(field, _) = fill else { return name.to_owned() };
    let (old, new) = (field.key.to_string(), known.id(field));
    let ending = name.strip_prefix(old.as_str());
    ending.zip(new).map_or_else(|| name.to_owned(), |(ending, new)| format!("{new}{ending}"))
}

/// A list without the options that were not made, unless nothing else is left.
fn some_of(list: &[Fill], known: &dyn Known) -> Result<Value, RecordId> {
    let (mut values, mut lacking) = (Vec::new(), None);
    for fill in list {
        match fill.value(known) {
            Ok(value) => values.push(value),
            Err(field) if fill.may_lack() => lacking = Some(field),
            Err(record) => return Err(record),
        }
    }
    lacking.filter(|_| values.is_empty()).map_or(Ok(Value::Array(values)), Err)
}

/// A value without quotes, a list with commas.
fn in_words(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(list) => list.iter().map(in_words).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}

/// An id as the service writes it: numbers as numbers, words as texts.
pub(super) fn key_value(key: &Key) -> Value {
    match key {
        Key::Number(number) => Value::from(*number),
        Key::Pair(_, own) => Value::from(*own),
        Key::Text(text) => Value::String(text.to_string()),
    }
}

/// The id in a value: plain, as text, or inside an object as v1 answers nest it.
pub(super) fn value_key(value: &Value) -> Option<Key> {
    match value {
        Value::Number(number) => number.as_u64().map(Key::Number),
        Value::String(text) if !text.is_empty() => Some(Key::parse(text)),
        Value::Object(fields) => {
            fields.get("value").or_else(|| fields.get("id")).filter(|inner| !inner.is_object()).and_then(value_key)
        }
        _ => None,
    }
}

/// Record ids as texts: `deals/42`.
pub(super) mod text {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::record::RecordId;

    pub(in crate::restore) fn serialize<S: Serializer>(id: &RecordId, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(id)
    }

    pub(in crate::restore) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<RecordId, D::Error> {
        let text = String::deserialize(from)?;
        RecordId::parse(&text).ok_or_else(|| D::Error::custom(format!("no record id: {text}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_sent_as_they_were_read() {
        for number in ["90", "0.1", "1930.0600000000002", "37.433125956118964", "1e-7", "12345678901234567890"] {
            let written = format!("{{\"value\":{{\"is\":{number}}}}}");
            let body: Body = serde_json::from_str(&written).expect("a body");
            assert_eq!(serde_json::to_string(&BodyText::from(body)).expect("JSON"), written);
        }
    }
}
