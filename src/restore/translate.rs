//! Values of the goal as the account takes them: ids, options, custom fields, conditions.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::catalogue::{Object, Target, Version};
use crate::record::Key;
use crate::restore::conditions::{self, Meaning};
use crate::restore::definitions::Definitions;
use crate::restore::fields::{Fields, Place};
use crate::restore::fill::{Fill, key_value, value_key};
use crate::restore::links::{self, Link, Links, linked, segments};

/// Turns the goal's values into fills.
pub(super) struct Translator<'a, 'l> {
    /// Definitions on the day of the goal.
    pub(super) then: &'a Definitions,
    /// Definitions of today.
    pub(super) now: &'a Definitions,
    /// Where fields are.
    pub(super) fields: &'a Fields,
    /// Where records are.
    pub(super) links: &'a Links<'l>,
    /// The user who takes over what belonged to users who are gone.
    pub(super) stand_in: Option<&'a Key>,
}

/// Why a value, or a part of it, cannot be written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Lost {
    /// It points to a record of this object that is not there.
    Record(&'static str, String),
    /// Its field or its option is not there.
    Word(String),
}

impl Lost {
    /// In words.
    pub(super) fn words(self) -> String {
        match self {
            Lost::Record(_, words) | Lost::Word(words) => words,
        }
    }
}

/// A value's fill, and what got lost on the way.
pub(super) struct Translated {
    /// None when nothing is left of the value.
    pub(super) fill: Option<Fill>,
    /// Why something is missing.
    pub(super) lost: Vec<Lost>,
}

/// A reference and the rest of its path below the value at hand.
type Below<'p> = (&'p [&'static str], Target);

impl Translator<'_, '_> {
    /// One top-level field.
    pub(super) fn field(&self, object: &'static Object, name: &str, value: &Value) -> Translated {
        let paths: Vec<(Vec<&'static str>, Target)> = object
            .references
            .iter()
            .filter(|reference| reference.top() == name)
            .map(|reference| (segments(reference.field).skip(1).collect(), reference.to))
            .collect();
        let below: Vec<Below<'_>> = paths.iter().map(|(path, to)| (path.as_slice(), *to)).collect();
        let mut lost = Vec::new();
        let value = if object.version == Version::V2 { &told(value) } else { value };
        let fill = self.fill(value, &below, &mut lost);
        // Owning can be taken over; following, taking part or having a role cannot.
        match self.stand_in.filter(|_| name == "owner_id" && fill.is_none() && !lost.is_empty()) {
            Some(user) => {
                let gone = value_key(value).map(|key| key.to_string()).unwrap_or_default();
                let words = format!("users/{gone} is not in the account: users/{user} takes over");
                Translated { fill: Some(Fill::Is(key_value(user))), lost: vec![Lost::Word(words)] }
            }
            None => Translated { fill, lost },
        }
    }

    fn fill(&self, value: &Value, below: &[Below<'_>], lost: &mut Vec<Lost>) -> Option<Fill> {
        if let Some((_, to)) = below.iter().find(|(path, _)| path.is_empty()) {
            return self.leaf(value, *to, lost);
        }
        match value {
            Value::Array(list) if !below.is_empty() => {
                let items = step(below, "[]");
                let mut kept: Vec<(&Value, Fill)> =
                    list.iter().filter_map(|item| Some((item, self.fill(item, &items, lost)?))).collect();
                // Somebody is the primary one of those who are left. UNCONFIRMED for participants: the service makes
                // the first of a list without one so, as it does with addresses (api/custom-fields.md).
                let headless = list.iter().any(is_primary) && !kept.iter().any(|(item, _)| is_primary(item));
                if let Some((_, first)) = kept.first_mut().filter(|_| headless) {
                    first.put("primary", Value::Bool(true));
                }
                Some(Fill::list(kept.into_iter().map(|(_, fill)| fill).collect()))
            }
            Value::Object(fields) if !below.is_empty() => {
                let mut filled = BTreeMap::new();
                let before = lost.len();
                for (name, value) in fields {
                    if let Some(fill) = self.fill(value, &step(below, name), lost) {
                        filled.insert(name.clone(), fill);
                    }
                }
                // A participant without a person is nobody; an attendee without one still has an address.
                let nobody = lost.len() > before && !filled.contains_key("email");
                (!nobody).then(|| Fill::fields(filled))
            }
            other => Some(Fill::Is(other.clone())),
        }
    }

    fn leaf(&self, value: &Value, to: Target, lost: &mut Vec<Lost>) -> Option<Fill> {
        if value.is_null() {
            return Some(Fill::Is(Value::Null));
        }
        match to {
            Target::Record(objects) => self.record(value, objects, lost),
            Target::Named { object, by } => {
                let Some(name) = value.as_str() else { return Some(Fill::Is(value.clone())) };
                let today = || Fill::Is(self.links.renamed(object, by, name).unwrap_or(value).clone());
                if self.links.is_unknown(object, by, name) {
                    let words = format!("{object} \"{name}\" is not in the account and does not come back");
                    lost.push(Lost::Record(object, words));
                    return None;
                }
                let made = self.links.named(object, by, name);
                Some(made.map_or_else(today, |made| Fill::FieldOf(made.clone(), by.to_owned())))
            }
            Target::Choice { fields, code } => self.choice(value, fields, code, lost),
            Target::Conditions => self.conditions(value, lost),
            Target::Typed(types) => self.typed(value, types, lost),
        }
    }

    fn record(&self, value: &Value, objects: &[&'static str], lost: &mut Vec<Lost>) -> Option<Fill> {
        let Some(key) = value_key(value) else { return Some(Fill::Is(value.clone())) };
        match self.links.find(objects, &key) {
            Link::Live(key) => Some(Fill::Is(key_value(&key))),
            Link::Made(record) => Some(Fill::IdOf(record)),
            Link::Missing => {
                let object = objects.first().copied().unwrap_or("record");
                let words = format!("{object}/{key} is not in the account and does not come back");
                lost.push(Lost::Record(object, words));
                None
            }
        }
    }

    /// An object that names the type of what its id points to; without that record it says nothing.
    fn typed(&self, value: &Value, types: &[(&str, &'static str)], lost: &mut Vec<Lost>) -> Option<Fill> {
        let Value::Object(parts) = value else { return Some(Fill::Is(value.clone())) };
        let objects = links::typed(parts, types);
        let fill = |(name, value): (&String, &Value)| {
            let fill = match objects.filter(|_| name == "id") {
                Some(object) => self.record(value, &[object], lost)?,
                None => Fill::Is(value.clone()),
            };
            Some((name.clone(), fill))
        };
        parts.iter().map(fill).collect::<Option<_>>().map(Fill::fields)
    }

    /// An option by its id, or by its label when the id is gone.
    fn choice(&self, value: &Value, fields: &str, code: &str, lost: &mut Vec<Lost>) -> Option<Fill> {
        let then = self.then.find(fields, code);
        let today = match self.fields.place(self.now, fields, code) {
            Place::Live(today) => today,
            Place::Made(field) => {
                let option = then.and_then(|then| then.labelled_place(value));
                let fill = option.map(|(label, nth)| Fill::OptionOf(field, label.to_owned(), nth));
                return fill.or_else(|| self.no_option(value, fields, code, lost));
            }
            Place::Gone => return self.no_option(value, fields, code, lost),
        };
        let Some(now) = self.now.find(fields, &today).filter(|now| now.has_options()) else {
            return Some(Fill::Is(value.clone()));
        };
        if today == code && now.has(value) && !self.fields.is_strict() {
            return Some(Fill::Is(number(value)));
        }
        // Some built-in fields answer the label itself; a number is always an id.
        let word = value.as_str().filter(|text| text.parse::<u64>().is_err());
        let label = then.and_then(|then| then.label(value)).or(word);
        if let Some(id) = label.and_then(|label| now.labelled(label)) {
            return Some(Fill::Is(number(id)));
        }
        match label.and_then(|label| Some((self.fields.adds(fields, code, label)?, label))) {
            Some((field, label)) => Some(Fill::OptionOf(field, label.to_owned(), 0)),
            None => self.no_option(value, fields, code, lost),
        }
    }

    fn no_option(&self, value: &Value, fields: &str, code: &str, lost: &mut Vec<Lost>) -> Option<Fill> {
        let then = self.then.find(fields, code);
        let label = then.and_then(|then| then.label(value)).or_else(|| value.as_str());
        let label = label.map_or_else(|| value.to_string(), |label| format!("\"{label}\""));
        let field = then.map_or(code, |then| then.name.as_str());
        lost.push(Lost::Word(format!("the option {label} of \"{field}\" does not exist any more")));
        None
    }

    /// One value of a custom field, in the form in which it is stored.
    pub(super) fn custom(&self, fields: &str, code: &str, value: &Value) -> Translated {
        let mut lost = Vec::new();
        let fill = self.custom_fill(fields, code, value, &mut lost);
        Translated { fill, lost }
    }

    fn custom_fill(&self, fields: &str, code: &str, value: &Value, lost: &mut Vec<Lost>) -> Option<Fill> {
        let definition = match self.fields.place(self.now, fields, code) {
            Place::Live(today) => self.now.find(fields, &today),
            Place::Made(_) => self.then.find(fields, code),
            Place::Gone => {
                let name = self.then.find(fields, code).map_or(code, |field| field.name.as_str());
                lost.push(Lost::Word(format!("the custom field \"{name}\" does not exist any more")));
                return None;
            }
        };
        let kind = definition.map_or("", |definition| definition.kind.as_str());
        // api/custom-fields.md: "" and [] are refused, null clears.
        if crate::restore::same::is_empty(value) {
            return Some(Fill::Is(Value::Null));
        }
        if let Some(objects) = linked(kind) {
            return self.record(value, objects, lost);
        }
        match (kind, value) {
            ("enum", value) => self.choice(value, fields, code, lost),
            ("set", Value::Array(list)) => {
                let list: Vec<Fill> = list.iter().filter_map(|id| self.choice(id, fields, code, lost)).collect();
                (!list.is_empty()).then(|| Fill::list(list))
            }
            // Leads hold the options of a set as one text: "12,34".
            ("set", Value::String(text)) => {
                let ids = text.split(',').map(|id| Value::String(id.trim().to_owned()));
                let ids: Vec<Fill> = ids.filter_map(|id| self.choice(&id, fields, code, lost)).collect();
                let known: Option<Vec<String>> = ids.iter().map(text_of).collect();
                match known {
                    _ if ids.is_empty() => None,
                    Some(known) => Some(Fill::Is(Value::String(known.join(",")))),
                    None => Some(Fill::TextOf(Box::new(Fill::list(ids)))),
                }
            }
            (_, Value::Object(parts)) => Some(Fill::Is(Value::Object(without_derived(parts)))),
            (_, value) => Some(Fill::Is(value.clone())),
        }
    }

    /// Ids, options and fields inside the conditions of a filter; nothing when one looks at a field that is not there.
    fn conditions(&self, value: &Value, lost: &mut Vec<Lost>) -> Option<Fill> {
        match value {
            Value::Array(list) => {
                list.iter().map(|value| self.conditions(value, lost)).collect::<Option<Vec<_>>>().map(Fill::list)
            }
            Value::Object(part) if conditions::is_condition(part) => self.condition(part, lost),
            Value::Object(group) => {
                let fill = |(name, value): (&String, &Value)| Some((name.clone(), self.conditions(value, lost)?));
                group.iter().map(fill).collect::<Option<_>>().map(Fill::fields)
            }
            other => Some(Fill::Is(other.clone())),
        }
    }

    /// A value that means nothing any more stays as it is: without it the filter would show other records.
    fn condition(&self, condition: &Map<String, Value>, lost: &mut Vec<Lost>) -> Option<Fill> {
        // The field's code is what reading adds for us; the service takes its number.
        let mut parts: BTreeMap<String, Fill> = condition
            .iter()
            .filter(|(name, _)| name.as_str() != "field_code")
            .map(|(name, value)| (name.clone(), Fill::Is(value.clone())))
            .collect();
        if let Some(number) = self.condition_field(condition, lost)? {
            parts.insert("field_id".to_owned(), number);
        }
        let value = condition.get("value").filter(|value| !value.is_null());
        if let (Meaning::Id(objects), Some(value), true) =
            (conditions::meaning(condition, self.then), value, self.fields.is_strict())
        {
            // In another company the old number may be somebody else's.
            let fill = conditions::key(Some(value)).map(|key| (self.links.find(objects, &key), key));
            if let Some((Link::Missing, key)) = fill {
                let object = objects.first().copied().unwrap_or("record");
                let words = format!("it looks for {object}/{key}, which is not in the account");
                lost.push(Lost::Record(object, words));
                return None;
            }
        }
        let fill = match (conditions::meaning(condition, self.then), value) {
            (Meaning::Id(objects), Some(value)) => {
                conditions::key(Some(value)).and_then(|key| match self.links.find(objects, &key) {
                    Link::Made(record) => Some(Fill::IdTextOf(record)),
                    Link::Live(now) if now != key => Some(Fill::Is(Value::String(now.to_string()))),
                    Link::Live(_) | Link::Missing => None,
                })
            }
            (Meaning::Option { fields, code }, Some(value)) => self.choice(value, fields, code, lost).map(in_text),
            _ => None,
        };
        parts.extend(fill.map(|fill| ("value".to_owned(), fill)));
        Some(Fill::fields(parts))
    }

    /// The number of a field that has another one today, if it has; nothing at all when the field is not there.
    fn condition_field(&self, condition: &Map<String, Value>, lost: &mut Vec<Lost>) -> Option<Option<Fill>> {
        let Some((fields, code)) = conditions::field(condition) else { return Some(None) };
        let name = self.then.find(fields, code).map_or(code, |field| field.name.as_str());
        match self.fields.place(self.now, fields, code) {
            Place::Live(today) if today == code && !self.fields.is_strict() => Some(None),
            Place::Live(today) => match self.now.find(fields, &today).and_then(|field| field.number.clone()) {
                Some(number) => Some(Some(Fill::Is(Value::String(number)))),
                None => {
                    lost.push(Lost::Word(format!(
                        "nothing tells by which number filters know the field \"{name}\" now"
                    )));
                    None
                }
            },
            Place::Made(field) => Some(Some(Fill::TextOf(Box::new(Fill::FieldOf(field, "id".to_owned()))))),
            Place::Gone => {
                lost.push(Lost::Word(format!(
                    "it looks at the custom field \"{name}\", which does not exist any more"
                )));
                None
            }
        }
    }
}

/// A value of v2 without the empty parts inside it: what is left out becomes null there (api/objects.md Organizations), and of
/// no part the description says that it takes null.
fn told(value: &Value) -> Value {
    match value {
        Value::Array(list) => list.iter().map(told).collect(),
        Value::Object(parts) if !parts.is_empty() => {
            let parts = parts.iter().map(|(name, part)| (name.clone(), told(part)));
            let parts: Map<String, Value> = parts.filter(|(_, part)| !part.is_null()).collect();
            if parts.is_empty() { Value::Null } else { Value::Object(parts) }
        }
        other => other.clone(),
    }
}

fn step<'p>(below: &[Below<'p>], name: &str) -> Vec<Below<'p>> {
    let next = |(path, to): &Below<'p>| {
        let (first, rest) = path.split_first()?;
        (*first == name).then_some((rest, *to))
    };
    below.iter().filter_map(next).collect()
}

/// Option ids are numbers for v2, though some reads give them as text.
fn number(id: &Value) -> Value {
    id.as_str().and_then(|text| text.parse::<u64>().ok()).map_or_else(|| id.clone(), Value::from)
}

fn text_of(fill: &Fill) -> Option<String> {
    match fill {
        Fill::Is(Value::String(text)) => Some(text.clone()),
        Fill::Is(value) => Some(value.to_string()),
        _ => None,
    }
}

/// An id as conditions hold it.
fn in_text(fill: Fill) -> Fill {
    match text_of(&fill) {
        Some(text) => Fill::Is(Value::String(text)),
        None => Fill::TextOf(Box::new(fill)),
    }
}

fn is_primary(item: &Value) -> bool {
    item["primary"] == Value::Bool(true)
}

/// A composite value without the parts no write takes: api/custom-fields.md, time and address.
pub(super) fn without_derived(parts: &Map<String, Value>) -> Map<String, Value> {
    let derived = ["timezone_id", "formatted_address"];
    parts.iter().filter(|(name, _)| !derived.contains(&name.as_str())).map(|(n, v)| (n.clone(), v.clone())).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::told;

    #[test]
    fn empty_parts_are_left_out_and_empty_objects_stay() {
        let address = json!({"value": "Tartu mnt 1", "subpremise": null, "route": ""});
        assert_eq!(told(&address), json!({"value": "Tartu mnt 1", "route": ""}));
        assert_eq!(told(&json!({"value": null, "route": null})), json!(null));
        let settings = json!({"enabled": false, "statuses": {}, "stage_ids": [], "order": {"at": null}});
        assert_eq!(told(&settings), json!({"enabled": false, "statuses": {}, "stage_ids": []}));
        assert_eq!(told(&json!([{"email": "a@b", "user_id": null}])), json!([{"email": "a@b"}]));
    }
}
