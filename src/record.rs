//! One row, with an identity that cannot be confused.
//!
//! A record keeps its body as canonical JSON text: keys sorted at every depth,
//! strings escaped one way, numbers exactly as the service wrote them. Equal
//! records are equal bytes, so comparing and hashing need no parsing, and a
//! page of records costs one pass over its text.

mod canonical;
mod digests;
mod legible;
mod peek;

use std::fmt;

use serde_json::value::RawValue;
use serde_json::{Map, Value};

pub use self::digests::Versions;
pub(crate) use self::digests::hash_pairs;
pub use self::legible::legible;
pub use self::peek::peek;

use self::canonical::Fields;
use crate::catalogue::{KeyIn, Object, ObjectName};

/// A row's identity within its object, in the account it was read from.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Key {
    /// Most objects: `4711`.
    Number(u64),
    /// A row that is known by its parent and one more id: `4711:12`.
    Pair(u64, u64),
    /// UUIDs, field codes and other words.
    Text(Box<str>),
}

impl Key {
    /// Reads a key as it is printed. Every text is some key.
    pub fn parse(text: &str) -> Key {
        if let Some(number) = number(text) {
            return Key::Number(number);
        }
        let pair = text.split_once(':').and_then(|(first, second)| Some((number(first)?, number(second)?)));
        pair.map_or_else(|| Key::Text(text.into()), |(first, second)| Key::Pair(first, second))
    }

    /// The parent that the key of a child names; `None` where it names none.
    pub fn parent(&self) -> Option<Key> {
        match self {
            Key::Pair(parent, _) => Some(Key::Number(*parent)),
            Key::Text(text) => text.split_once(':').map(|(parent, _)| Key::parse(parent)),
            Key::Number(_) => None,
        }
    }

    /// The key as bytes whose order is the order of keys.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(9);
        self.append_to(&mut bytes);
        bytes
    }

    /// Writes the same bytes behind others.
    pub fn append_to(&self, bytes: &mut Vec<u8>) {
        let mut append = |kind, parts: &[&[u8]]| {
            bytes.push(kind);
            parts.iter().for_each(|part| bytes.extend_from_slice(part));
        };
        match self {
            Key::Number(number) => append(1, &[&number.to_be_bytes()]),
            Key::Pair(first, second) => append(2, &[&first.to_be_bytes(), &second.to_be_bytes()]),
            Key::Text(text) => append(3, &[text.as_bytes()]),
        }
    }

    /// Reads what [`Key::to_bytes`] wrote; `None` for anything else.
    pub fn from_bytes(bytes: &[u8]) -> Option<Key> {
        let (kind, rest) = bytes.split_first()?;
        match kind {
            1 => Some(Key::Number(u64::from_be_bytes(rest.try_into().ok()?))),
            2 => {
                let (first, second) = rest.split_at_checked(8)?;
                Some(Key::Pair(u64::from_be_bytes(first.try_into().ok()?), u64::from_be_bytes(second.try_into().ok()?)))
            }
            3 => Some(Key::Text(std::str::from_utf8(rest).ok()?.into())),
            _ => None,
        }
    }
}

/// A decimal number without sign and without leading zeros, so that printing gives the same text.
fn number(text: &str) -> Option<u64> {
    let plain = text == "0" || !text.starts_with('0');
    (plain && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok()).flatten()
}

impl fmt::Display for Key {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Key::Number(number) => write!(out, "{number}"),
            Key::Pair(first, second) => write!(out, "{first}:{second}"),
            Key::Text(text) => out.write_str(text),
        }
    }
}

/// A record's identity as archived: prints as `deals/4711`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct RecordId {
    /// The object it belongs to.
    pub object: ObjectName,
    /// Its key there.
    pub key: Key,
}

impl RecordId {
    /// A record of the object with the key.
    pub fn new(object: ObjectName, key: Key) -> RecordId {
        RecordId { object, key }
    }

    /// Reads `deals/4711`; `None` without both parts.
    pub fn parse(text: &str) -> Option<RecordId> {
        let (object, key) = text.split_once('/')?;
        (!object.is_empty() && !key.is_empty()).then(|| RecordId::new(ObjectName::new(object), Key::parse(key)))
    }
}

impl fmt::Display for RecordId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/{}", self.object, self.key)
    }
}

/// Why a row of the service is no record.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Malformed {
    /// It is not a JSON object.
    #[error("row is not a JSON object: {0}")]
    NotAnObject(String),
    /// A value in it that nothing could read again: archived as it is, its record would look empty.
    #[error("row has {0}")]
    Illegible(&'static str),
    /// It does not say who it is.
    #[error("row has no {0}")]
    NoKey(String),
    /// Its identity is neither a number nor a text.
    #[error("row has a {field} that is no id: {found}")]
    OddKey {
        /// The field that should hold the identity.
        field: String,
        /// What kind of value it holds.
        found: &'static str,
    },
}

/// What a keyed hash of records is made with; an archive's own, so that nobody can confirm a guess.
#[derive(Clone)]
pub struct DigestKey(pub [u8; 32]);

impl DigestKey {
    /// The digest of a version as it lies in an archive: the bytes of its key ([`Key::to_bytes`]), and its body.
    pub fn digest(&self, object: &ObjectName, key: &[u8], body: &str) -> Digest {
        let mut hasher = blake3::Hasher::new_keyed(&self.0);
        hasher.update(object.as_str().as_bytes());
        hasher.update(b"\0");
        hasher.update(key);
        hasher.update(b"\0");
        hasher.update(body.as_bytes());
        Digest(*hasher.finalize().as_bytes())
    }
}

/// The keyed BLAKE3 of a record version.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; 32]);

impl fmt::Display for Digest {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Digest({self})")
    }
}

/// One version of one row: identity and canonical body.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Record {
    id: RecordId,
    body: Box<str>,
}

impl Record {
    /// Reads a row of a listing: finds its key, drops the object's volatile fields, brings it into canonical form.
    ///
    /// `parent` is the key under which the row was listed, for objects whose rows do not name it.
    pub fn read(object: &Object, parent: Option<&Key>, row: &RawValue) -> Result<Record, Malformed> {
        let mut fields = fields(row)?;
        let (named, own) = match object.key {
            KeyIn::Field(name) => (None, Some(key(&fields, name)?)),
            KeyIn::ParentAnd(name) => (parent.cloned(), Some(key(&fields, name)?)),
            KeyIn::ParentAndAll(names) => {
                let parts = names.iter().map(|name| Ok(key(&fields, name)?.to_string()));
                let own = parts.collect::<Result<Vec<_>, Malformed>>()?.join(":");
                (parent.cloned(), Some(Key::Text(own.into())))
            }
            KeyIn::ParentAndDigest => (parent.cloned(), None),
            KeyIn::Both { parent, own } => (Some(key(&fields, parent)?), Some(key(&fields, own)?)),
        };
        for field in object.nested {
            fields.unnest(field);
        }
        fields.drop(object.volatile);
        let body = fields.canonical();
        let key = match (named, own.unwrap_or_else(|| digest_key(&body))) {
            (Some(Key::Number(parent)), Key::Number(own)) => Key::Pair(parent, own),
            (Some(parent), own) => Key::Text(format!("{parent}:{own}").into()),
            (None, own) => own,
        };
        Ok(Record { id: RecordId::new(ObjectName::known(object.name), key), body })
    }

    /// A record of an object that the catalogue may not know, from any JSON object with the key in `field`.
    pub fn import(object: ObjectName, field: &str, row: &str) -> Result<Record, Malformed> {
        let row = serde_json::from_str(row).map_err(|error| Malformed::NotAnObject(error.to_string()))?;
        let fields = fields(row)?;
        let key = key(&fields, field)?;
        Ok(Record { id: RecordId::new(object, key), body: fields.canonical() })
    }

    /// A record from a body that is put into canonical form; for records that pdbak itself makes.
    pub fn new(id: RecordId, body: &Map<String, Value>) -> Record {
        // serde_json sorts the keys of a Map: this text is canonical as it is.
        let body = serde_json::to_string(body).expect("a map with text keys always serialises");
        Record { id, body: body.into() }
    }

    /// A record as an archive holds it: the body is canonical already.
    pub fn stored(id: RecordId, body: Box<str>) -> Record {
        Record { id, body }
    }

    /// Who it is.
    pub fn id(&self) -> &RecordId {
        &self.id
    }

    /// The body as canonical JSON text.
    pub fn text(&self) -> &str {
        &self.body
    }

    /// The body as fields. Parses; keep the result when it is needed twice.
    pub fn fields(&self) -> Map<String, Value> {
        // What is no object was refused when the record was made.
        legible(&self.body).unwrap_or_default()
    }

    /// Appends the line a segment holds, without the line's end.
    pub fn write_line(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"object\":");
        quote(self.id.object.as_str(), out);
        out.extend_from_slice(b",\"id\":");
        quote(&self.id.key.to_string(), out);
        out.extend_from_slice(b",\"record\":");
        out.extend_from_slice(self.body.as_bytes());
        out.push(b'}');
    }

    /// The keyed hash of identity and body.
    pub fn digest(&self, key: &DigestKey) -> Digest {
        key.digest(&self.id.object, &self.id.key.to_bytes(), &self.body)
    }
}

/// Appends a text as a JSON string.
fn quote(text: &str, out: &mut Vec<u8>) {
    serde_json::to_writer(out, text).expect("a text always serialises");
}

/// Identity from the whole row. The letter keeps it from being read as a number.
fn digest_key(body: &str) -> Key {
    Key::Text(format!("x{}", &blake3::hash(body.as_bytes()).to_hex()[..24]).into())
}

/// Identity from a field's value.
fn key(fields: &Fields<'_>, field: &str) -> Result<Key, Malformed> {
    let value = fields.last(field).ok_or_else(|| Malformed::NoKey(field.to_owned()))?;
    let odd = |found| Malformed::OddKey { field: field.to_owned(), found };
    match value.as_bytes().first() {
        Some(b'"') => {
            let text: String = serde_json::from_str(value).map_err(|_| odd("text"))?;
            if text.is_empty() { Err(odd("empty text")) } else { Ok(Key::parse(&text)) }
        }
        Some(b'0'..=b'9') => number(value).map(Key::Number).ok_or_else(|| odd("number")),
        Some(b'-') => Err(odd("number")),
        Some(b'n') => Err(odd("null")),
        Some(b't' | b'f') => Err(odd("boolean")),
        Some(b'[') => Err(odd("array")),
        _ => Err(odd("object")),
    }
}

/// The fields of a row.
fn fields(row: &RawValue) -> Result<Fields<'_>, Malformed> {
    let fields = Fields::of(row).ok_or_else(|| Malformed::NotAnObject("no fields with names in text".to_owned()))?;
    fields.illegible().map_or(Ok(fields), |what| Err(Malformed::Illegible(what)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_names_its_parent() {
        assert_eq!(Key::Pair(7, 9).parent(), Some(Key::Number(7)));
        assert_eq!(Key::parse("a-b:9").parent(), Some(Key::parse("a-b")));
        assert_eq!(Key::Number(9).parent(), None);
    }

    fn imported(row: &str) -> Record {
        Record::import(ObjectName::new("deals"), "id", row).expect("a record")
    }

    #[test]
    fn equal_records_have_equal_bytes_however_their_keys_were_ordered() {
        let one = imported(r#"{"id":1,"b":{"y":[{"q":1,"p":2}],"x":null},"a":"\u00e9\/\n"}"#);
        let two = imported(r#"{ "a": "é/\n", "b": {"x": null, "y": [ {"p":2, "q":1} ]}, "id": 1 }"#);
        assert_eq!(one, two);
        assert_eq!(one.text(), r#"{"a":"é/\n","b":{"x":null,"y":[{"p":2,"q":1}]},"id":1}"#);
    }

    #[test]
    fn numbers_stay_as_the_service_wrote_them() {
        let record = imported(r#"{"id":1,"value":12345678901234567890.10,"rate":1e-7}"#);
        assert_eq!(record.text(), r#"{"id":1,"rate":1e-7,"value":12345678901234567890.10}"#);
    }

    #[test]
    fn half_a_surrogate_pair_is_kept() {
        assert_eq!(imported(r#"{"id":1,"a":"\ud83d"}"#).text(), r#"{"a":"\ud83d","id":1}"#);
    }

    #[test]
    fn of_a_repeated_field_the_last_counts() {
        assert_eq!(imported(r#"{"id":1,"a":1,"a":2}"#).text(), r#"{"a":2,"id":1}"#);
    }

    #[test]
    fn what_nothing_could_read_again_is_no_record() {
        let read =
            |value: String| Record::import(ObjectName::new("deals"), "id", &format!(r#"{{"id":1,"a":{value}}}"#));
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        for (value, what) in [
            ("1e400".to_owned(), "row has a number beyond all numbers"),
            (format!("[{{\"b\":-{}}}]", "9".repeat(400)), "row has a number beyond all numbers"),
            (nested(127), "row has values nested too deep"),
            (nested(100_000), "row has values nested too deep"),
        ] {
            assert_eq!(read(value).unwrap_err().to_string(), what);
        }
        for value in
            [nested(120), "123456789012345678901234567890".to_owned(), "1e308".to_owned(), "\"\\ud83d\"".to_owned()]
        {
            let record = read(value.clone()).expect("a record");
            assert_eq!(record.text(), format!(r#"{{"a":{value},"id":1}}"#));
            assert_eq!(record.fields().len(), 2, "{value}");
        }
    }

    #[test]
    fn a_deeply_nested_value_is_kept_without_recursion() {
        let row = format!(r#"{{"id":1,"a":{}{}}}"#, "[".repeat(100), "]".repeat(100));
        assert_eq!(imported(&row).text(), format!(r#"{{"a":{}{},"id":1}}"#, "[".repeat(100), "]".repeat(100)));
    }

    #[test]
    fn a_row_without_an_id_is_no_record() {
        let read = |row| Record::import(ObjectName::new("deals"), "id", row).unwrap_err().to_string();
        assert_eq!(read(r#"{"a":1}"#), "row has no id");
        assert_eq!(read(r#"{"id":null}"#), "row has a id that is no id: null");
        assert_eq!(read(r#"{"id":-4}"#), "row has a id that is no id: number");
        assert!(read("[]").starts_with("row is not a JSON object"));
    }

    #[test]
    fn keys_print_parse_and_sort_as_their_bytes() {
        let mut keys: Vec<Key> = ["9", "10", "4:7", "4:30", "007", "3f9b-11", ""].map(Key::parse).into();
        for key in &keys {
            assert_eq!(&Key::parse(&key.to_string()), key);
            assert_eq!(Key::from_bytes(&key.to_bytes()).as_ref(), Some(key));
        }
        keys.sort();
        let mut bytes: Vec<Vec<u8>> = keys.iter().map(Key::to_bytes).collect();
        bytes.sort();
        assert_eq!(bytes, keys.iter().map(Key::to_bytes).collect::<Vec<_>>());
    }

    #[test]
    fn a_digest_depends_on_key_identity_and_body() {
        let key = DigestKey([7; 32]);
        let record = imported(r#"{"id":1}"#);
        let other = Record::import(ObjectName::new("persons"), "id", r#"{"id":1}"#).expect("a record");
        assert_eq!(record.digest(&key), imported(r#"{ "id": 1 }"#).digest(&key));
        assert_ne!(record.digest(&key), other.digest(&key));
        assert_ne!(record.digest(&key), record.digest(&DigestKey([8; 32])));
    }

    #[test]
    fn a_line_names_object_and_id() {
        let mut line = Vec::new();
        imported(r#"{"id":42,"t":"x"}"#).write_line(&mut line);
        assert_eq!(line, br#"{"object":"deals","id":"42","record":{"id":42,"t":"x"}}"#);
    }

    #[test]
    fn a_row_that_names_its_parent_is_known_by_both() {
        let lines = crate::catalogue::find(&ObjectName::known("dealProducts")).expect("deal products");
        let row: Box<RawValue> = serde_json::from_str(r#"{"id":12,"deal_id":4711}"#).expect("json");
        let record = Record::read(lines, None, &row).expect("a record");
        assert_eq!(record.id().key, Key::Pair(4711, 12));
        let row: Box<RawValue> = serde_json::from_str(r#"{"id":12,"deal_id":null}"#).expect("json");
        assert_eq!(Record::read(lines, None, &row).unwrap_err().to_string(), "row has a deal_id that is no id: null");
    }

    #[test]
    fn a_copy_of_the_row_pointed_to_is_archived_as_its_id() {
        let participants = crate::catalogue::find(&ObjectName::known("dealParticipants")).expect("participants");
        let read = |row: &str| {
            let row: Box<RawValue> = serde_json::from_str(row).expect("json");
            Record::read(participants, Some(&Key::Number(7)), &row).expect("a record")
        };
        let record = read(r#"{"id":1,"person_id":{"name":"Peter","value":1598},"person":{"name":"Peter"}}"#);
        assert_eq!(record.text(), r#"{"id":1,"person_id":1598}"#);
        assert_eq!(record.id().key, Key::Pair(7, 1));
        assert_eq!(read(r#"{"id":1,"person_id":1598}"#).text(), r#"{"id":1,"person_id":1598}"#);
        assert_eq!(read(r#"{"id":1,"person_id":null}"#).text(), r#"{"id":1,"person_id":null}"#);
    }
}
