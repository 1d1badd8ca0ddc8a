//! Values of custom fields: what each of the 16 types takes, and the two forms in which records carry them.
//!
//! api/custom-fields.md, "Value shapes by type". v2 refuses a whole write when one value is invalid and names the field; v1 (leads) spreads
//! composite values over suffixed keys and ignores what it does not know.

use serde_json::{Map, Value, json};

use crate::sandbox::account::Account;
use crate::sandbox::answer::{Answer, invalid};
use crate::sandbox::clock;
use crate::sandbox::company::ZONES;

/// Parts of an address. api/custom-fields.md: a part that is left out becomes null.
pub(super) const ADDRESS: &[&str] = &[
    "street_number",
    "route",
    "subpremise",
    "sublocality",
    "locality",
    "admin_area_level_1",
    "admin_area_level_2",
    "country",
    "postal_code",
    "formatted_address",
];

/// Types that can be created. v1 takes `visible_to` as well.
pub(super) const CREATABLE: &[&str] = &[
    "varchar",
    "varchar_auto",
    "text",
    "double",
    "monetary",
    "enum",
    "set",
    "user",
    "org",
    "people",
    "phone",
    "date",
    "daterange",
    "time",
    "timerange",
    "address",
];

/// Suffixes of composite values in v1, by type.
const SUFFIXES: &[(&str, &[&str])] = &[
    ("monetary", &["currency"]),
    ("daterange", &["until"]),
    ("time", &["timezone_id"]),
    ("timerange", &["until", "timezone_id"]),
    ("address", ADDRESS),
];

/// A field definition, as far as values need it.
#[derive(Clone, Debug)]
pub(super) struct Field {
    /// The key in records.
    pub(super) code: String,
    /// The type.
    pub(super) shape: String,
    /// Whether somebody made it.
    pub(super) is_custom: bool,
    /// Ids and labels.
    pub(super) options: Vec<(Value, String)>,
    /// The number in v1 and in filters.
    pub(super) number: u64,
}

impl Field {
    /// The value with labels beside option ids, for `include_option_labels`.
    pub(super) fn labelled(&self, text: &str) -> Option<Value> {
        let label = |id: &Value| {
            let found = self.options.iter().find(|(option, _)| option == id)?;
            Some(json!({"id": id, "label": found.1}))
        };
        match serde_json::from_str(text).ok()? {
            Value::Array(ids) if self.shape == "set" => Some(ids.iter().filter_map(label).collect()),
            id if self.shape == "enum" => label(&id),
            _ => None,
        }
    }
}

/// The live field definitions of a table.
pub(super) fn fields(account: &Account, table: &str) -> Vec<Field> {
    let rows = &account.store.table(table).rows;
    let live = rows.iter().filter(|(_, row)| !row.deleted);
    live.filter_map(|(id, _)| account.store.get(table, id)).filter_map(|row| field(&row)).collect()
}

fn field(row: &Map<String, Value>) -> Option<Field> {
    let options = row.get("options").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let option = |one: &Value| Some((one.get("id")?.clone(), one.get("label")?.as_str()?.to_owned()));
    Some(Field {
        code: row.get("field_code")?.as_str()?.to_owned(),
        shape: row.get("field_type")?.as_str()?.to_owned(),
        is_custom: row.get("is_custom_field") == Some(&Value::Bool(true)),
        options: options.iter().filter_map(option).collect(),
        number: row.get("id").and_then(Value::as_u64).unwrap_or_default(),
    })
}

/// Lays the `custom_fields` of a v2 write over those of the row.
pub(super) fn apply(account: &Account, table: &str, row: &mut Map<String, Value>, sent: Value) -> Result<(), Answer> {
    let Value::Object(sent) = sent else { return Err(invalid("custom_fields", "must be an object")) };
    let known = fields(account, table);
    let mut kept = match row.remove("custom_fields") {
        Some(Value::Object(kept)) => kept,
        _ => Map::new(),
    };
    for (code, value) in sent {
        let named = format!("custom_fields.{code}");
        let field = known.iter().find(|field| field.is_custom && field.code == code);
        let field = field.ok_or_else(|| invalid(&named, "unknown field"))?;
        match stored(account, field, value, &named)? {
            Value::Null => kept.remove(&code),
            value => kept.insert(code, value),
        };
    }
    row.insert("custom_fields".into(), Value::Object(kept));
    Ok(())
}

/// The value as it is stored, if the type takes it.
fn stored(account: &Account, field: &Field, value: Value, named: &str) -> Result<Value, Answer> {
    if value.is_null() {
        return Ok(value);
    }
    let refuse = |fact: &str| Err(invalid(named, fact));
    match field.shape.as_str() {
        "varchar" | "varchar_auto" | "phone" => text(value, 255, named),
        "text" => text(value, 65_000, named),
        "double" | "int" if !value.is_number() => refuse("must be a number"),
        "enum" => option(field, value, named),
        "set" => match value {
            Value::Array(ids) if ids.is_empty() => refuse("must not be an empty array, use null to clear"),
            Value::Array(ids) => ids.into_iter().map(|id| option(field, id, named)).collect(),
            _ => refuse("must be an array of option ids"),
        },
        "user" => linked(account, "users", value, named),
        "org" => linked(account, "organizations", value, named),
        "people" => linked(account, "persons", value, named),
        "date" if !value.as_str().is_some_and(clock::is_day) => refuse("must be a date"),
        "monetary" => money(account, value, named),
        "daterange" => range(value, clock::is_day, named),
        "time" => zoned(account, composite(value, &["value"], named)?, named),
        "timerange" => zoned(account, range(value, is_time, named)?, named),
        "address" => address(value, named),
        _ => Ok(value),
    }
}

fn text(value: Value, longest: usize, named: &str) -> Result<Value, Answer> {
    match value.as_str() {
        None => Err(invalid(named, "must be a string")),
        Some("") => Err(invalid(named, "must be a non-empty string, use null to clear")),
        Some(text) if text.chars().count() > longest => Err(invalid(named, "is too long")),
        Some(_) => Ok(value),
    }
}

fn option(field: &Field, id: Value, named: &str) -> Result<Value, Answer> {
    if !id.is_number() {
        return Err(invalid(named, "must be an option id"));
    }
    if field.options.iter().any(|(option, _)| *option == id) {
        Ok(id)
    } else {
        Err(invalid(named, "unknown option id"))
    }
}

fn linked(account: &Account, kind: &str, value: Value, named: &str) -> Result<Value, Answer> {
    if !value.is_u64() {
        return Err(invalid(named, "must be an id"));
    }
    account.check_link(named, kind, &value)?;
    Ok(value)
}

/// An object that has these members.
fn composite(value: Value, needed: &[&str], named: &str) -> Result<Map<String, Value>, Answer> {
    let Value::Object(value) = value else { return Err(invalid(named, "must be an object")) };
    match needed.iter().find(|member| value.get(**member).is_none_or(Value::is_null)) {
        Some(missing) => Err(invalid(&format!("{named}.{missing}"), "is required")),
        None => Ok(value),
    }
}

fn money(account: &Account, value: Value, named: &str) -> Result<Value, Answer> {
    let mut value = composite(value, &["value"], named)?;
    if !value["value"].is_number() {
        return Err(invalid(&format!("{named}.value"), "must be a number"));
    }
    let currency = value.entry("currency").or_insert_with(|| default_currency(account).into());
    if !is_currency(account, currency) {
        return Err(invalid(&format!("{named}.currency"), "unknown currency"));
    }
    Ok(Value::Object(value))
}

fn range(value: Value, part: fn(&str) -> bool, named: &str) -> Result<Value, Answer> {
    let value = composite(value, &["value", "until"], named)?;
    let fits = |member: &str| value[member].as_str().is_some_and(part);
    if fits("value") && fits("until") {
        Ok(Value::Object(value))
    } else {
        Err(invalid(named, "has a part of the wrong form"))
    }
}

fn is_time(text: &str) -> bool {
    chrono::NaiveTime::parse_from_str(text, "%H:%M:%S")
        .or_else(|_| chrono::NaiveTime::parse_from_str(text, "%H:%M"))
        .is_ok()
}

/// Stamps the zone of the user where none is sent. api/custom-fields.md: without a zone the current user's zone is stamped.
fn zoned(account: &Account, value: impl Into<Value>, named: &str) -> Result<Value, Answer> {
    let Value::Object(mut value) = value.into() else { return Err(invalid(named, "must be an object")) };
    if !value["value"].as_str().is_some_and(is_time) {
        return Err(invalid(&format!("{named}.value"), "must be a time"));
    }
    let name = value.get("timezone_name").filter(|name| name.is_string()).cloned();
    let name = name.unwrap_or_else(|| own_zone_name(account));
    value.insert("timezone_id".into(), json!(zone_number(name.as_str().unwrap_or_default())));
    value.insert("timezone_name".into(), name);
    Ok(Value::Object(value))
}

/// The name of the zone of the token's user.
fn own_zone_name(account: &Account) -> Value {
    let own = account.store.get("users", &crate::sandbox::row::Id::Number(account.me));
    own.and_then(|user| user.get("timezone_name").cloned()).unwrap_or_else(|| "UTC".into())
}

/// The number of a zone. It means nothing outside the service and no endpoint maps it; the same name always has the same one.
fn zone_number(name: &str) -> u64 {
    let known = ZONES.iter().find(|(_, known)| *known == name).map(|(number, _)| *number);
    known.unwrap_or_else(|| 1_000 + name.bytes().fold(7, |sum, byte| (sum * 31 + u64::from(byte)) % 9_000))
}

/// An address with all its parts.
pub(super) fn address(value: Value, named: &str) -> Result<Value, Answer> {
    let mut value = composite(value, &["value"], named)?;
    let spoken = value["value"].clone();
    if let Some(odd) = value.iter().find(|(_, part)| !part.is_string() && !part.is_null()) {
        return Err(invalid(&format!("{named}.{}", odd.0), "must be a string"));
    }
    for part in ADDRESS {
        value.entry(*part).or_insert(Value::Null);
    }
    value.insert("formatted_address".into(), spoken);
    Ok(Value::Object(value))
}

/// The currency of the token's user.
pub(super) fn default_currency(account: &Account) -> String {
    let users = &account.store.table("users").rows;
    let own = users.get(&crate::sandbox::row::Id::Number(account.me)).and_then(|row| row.word("default_currency"));
    own.unwrap_or("EUR").to_owned()
}

/// Whether the account has this currency, active.
pub(super) fn is_currency(account: &Account, code: &Value) -> bool {
    let rows = account.store.table("currencies").rows.values();
    let code = code.as_str();
    rows.into_iter().any(|row| row.word("code") == code && code.is_some() && row.member("active_flag") != Some("false"))
}

/// Takes the flat custom keys of a v1 write; keys of no living field are ignored.
///
/// A value that is written takes its parts along: those that are not sent start anew (api/custom-fields.md: the currency of the user, the
/// zone of the user, parts of an address become null).
pub(super) fn apply_flat(account: &Account, table: &str, row: &mut Map<String, Value>, sent: &Map<String, Value>) {
    for field in fields(account, table).iter().filter(|field| field.is_custom) {
        let parts = SUFFIXES.iter().find(|(shape, _)| *shape == field.shape).map_or(&[][..], |(_, parts)| *parts);
        let own_zone = |part: &str| part == "timezone_id" && !account.assume.yes("lead-zone");
        let said = |part: &str| sent.get(&format!("{}_{part}", field.code)).filter(|_| !own_zone(part));
        if let Some(value) = sent.get(&field.code) {
            parts.iter().for_each(|part| drop(row.remove(&format!("{}_{part}", field.code))));
            if is_nothing(value) {
                row.remove(&field.code);
                continue;
            }
            row.insert(field.code.clone(), flat(field, value));
            match field.shape.as_str() {
                "monetary" => drop(row.insert(format!("{}_currency", field.code), default_currency(account).into())),
                "time" | "timerange" => {
                    let zone = zone_number(own_zone_name(account).as_str().unwrap_or_default());
                    row.insert(format!("{}_timezone_id", field.code), zone.into());
                }
                "address" => drop(row.insert(format!("{}_formatted_address", field.code), value.clone())),
                _ => {}
            }
        } else if !row.contains_key(&field.code) {
            continue;
        }
        for part in parts {
            match said(part) {
                Some(value) if is_nothing(value) => drop(row.remove(&format!("{}_{part}", field.code))),
                Some(value) => drop(row.insert(format!("{}_{part}", field.code), value.clone())),
                None => {}
            }
        }
    }
}

fn is_nothing(value: &Value) -> bool {
    value.is_null() || value == "" || value.as_array().is_some_and(Vec::is_empty)
}

/// v1 shows option ids as text, a set as one comma list. api/custom-fields.md.
fn flat(field: &Field, value: &Value) -> Value {
    let word = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    match (field.shape.as_str(), value) {
        ("enum", Value::Number(_)) => word(value).into(),
        ("double", Value::String(text)) => text.parse().map_or_else(|_| value.clone(), Value::Number),
        ("set", Value::Array(ids)) => ids.iter().map(word).collect::<Vec<_>>().join(",").into(),
        _ => value.clone(),
    }
}
