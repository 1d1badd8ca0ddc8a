//! Checks a request against the contract, as strictly as each version does.
//!
//! v2 refuses what it does not know and what has the wrong type; v1 ignores the one and bends the other. `--tolerant` also takes what
//! `FAULTS.md` ("What real clients send that the descriptions forbid") lists.

use serde_json::{Map, Value};

use crate::sandbox::answer::{Answer, bad, invalid, refusal};
use crate::sandbox::assume::Assumptions;
use crate::sandbox::call::{Body, Call};
use crate::sandbox::clock;
use crate::sandbox::contract::{Fact, Version};

/// Parameters that real clients send although an endpoint does not describe them. FAULTS.md.
const TOLERATED: &[&str] = &["sort_by", "sort_direction", "limit", "start", "items", "api_token"];

/// How strictly values are taken.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rigour<'a> {
    pub(super) assume: &'a Assumptions,
    pub(super) tolerant: bool,
}

/// Checks the query of a call.
pub(super) fn query(call: &Call<'_>, rigour: Rigour<'_>) -> Result<(), Answer> {
    let operation = call.operation;
    let missing = operation.query.iter().find(|(name, fact)| fact.needed && call.asked_list(name).is_none());
    if let Some((name, _)) = missing {
        return Err(bad(operation.version, name, "is required"));
    }
    if operation.version == Version::V1 {
        return Ok(());
    }
    for (key, value) in &call.query {
        let name = key.strip_suffix("[]").unwrap_or(key);
        let Some(fact) = operation.query.get(name) else {
            if (rigour.tolerant && TOLERATED.contains(&name))
                || (name == "api_token" && rigour.assume.yes("query-token"))
            {
                continue;
            }
            return Err(invalid(name, "unknown parameter"));
        };
        query_value(name, value, fact)?;
    }
    Ok(())
}

fn query_value(name: &str, value: &str, fact: &Fact) -> Result<(), Answer> {
    let fits = match fact.shape.as_str() {
        "integer" | "number" => value.parse::<u64>().is_ok(),
        "boolean" => value == "true" || value == "false",
        _ => true,
    };
    if !fits {
        return Err(invalid(name, &format!("must be a {}", fact.shape)));
    }
    // FAULTS.md 3: comma lists are described as one value of an enum.
    let known = |one: &str| fact.choices.iter().any(|choice| choice.as_str() == Some(one));
    if fact.shape == "string" && !fact.choices.is_empty() && !value.split(',').map(str::trim).all(known) {
        return Err(invalid(name, "must be one of the allowed values"));
    }
    if name.starts_with("updated_") && clock::read_since(value).is_none() {
        return Err(invalid(name, "must be an RFC3339 time without fractional seconds"));
    }
    Ok(())
}

/// The members of a JSON or form body that the contract accepts, each of its type.
pub(super) fn body(call: &Call<'_>, rigour: Rigour<'_>) -> Result<Map<String, Value>, Answer> {
    let version = call.version();
    let Some(described) = &call.operation.body else { return Ok(Map::new()) };
    let sent = match &call.body {
        Body::Json(Value::Object(map)) => map.clone(),
        Body::Form(pairs) => pairs.iter().map(|(key, value)| (key.clone(), Value::String(value.clone()))).collect(),
        Body::Empty => Map::new(),
        Body::Json(_) | Body::Upload(_) => return Err(bad(version, "body", "must be an object")),
    };
    let required: &[String] = &described.fact.required;
    if let Some(name) = required.iter().find(|name| sent.get(*name).is_none_or(Value::is_null)) {
        return Err(bad(version, name, "is required"));
    }
    let mut taken = Map::new();
    for (name, value) in sent {
        let Some(fact) = described.fact.fields.get(&name) else {
            if version == Version::V1 {
                continue;
            }
            let read_only = call.operation.returned.contains_key(&name);
            let fact = if read_only { "is read-only and not allowed" } else { "is not allowed" };
            return Err(invalid(&name, fact));
        };
        let keeps_value = required.contains(&name) || ["title", "name"].contains(&name.as_str());
        let clears = value.is_null() && !keeps_value && (version == Version::V1 || rigour.assume.yes("null-clears"));
        let value = if clears { value } else { fitted(&name, value, fact, version, rigour)? };
        taken.insert(name, value);
    }
    Ok(taken)
}

/// The value, if it is of the described type; v1 and tolerant sandboxes bend what can be bent.
pub(super) fn fitted(
    name: &str,
    value: Value,
    fact: &Fact,
    version: Version,
    rigour: Rigour<'_>,
) -> Result<Value, Answer> {
    if value.is_null() {
        return if fact.null { Ok(value) } else { Err(bad(version, name, "must not be null")) };
    }
    let value = if version == Version::V1 || rigour.tolerant { bent(value, fact) } else { value };
    let fits = match fact.shape.as_str() {
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => true,
    };
    if !fits {
        return Err(bad(version, name, &format!("must be a {}", fact.shape)));
    }
    if !fact.choices.is_empty() && !fact.choices.iter().any(|choice| same(choice, &value)) {
        return Err(bad(version, name, "must be one of the allowed values"));
    }
    if fact.format.as_deref() == Some("date") && !value.as_str().is_some_and(clock::is_day) {
        return Err(bad(version, name, "must be a date"));
    }
    if fact.max.zip(value.as_u64()).is_some_and(|(max, value)| value > max) {
        return Err(bad(version, name, "is too large"));
    }
    inside(name, value, fact, version, rigour)
}

/// Checks the elements of an array and the members of an object.
fn inside(name: &str, value: Value, fact: &Fact, version: Version, rigour: Rigour<'_>) -> Result<Value, Answer> {
    match (value, &fact.items) {
        (Value::Array(elements), Some(items)) => {
            let element = |(at, one): (usize, Value)| fitted(&format!("{name}[{at}]"), one, items, version, rigour);
            Ok(Value::Array(elements.into_iter().enumerate().map(element).collect::<Result<_, _>>()?))
        }
        (Value::Object(members), _) if !fact.fields.is_empty() => {
            if let Some(missing) = fact.required.iter().find(|key| !members.contains_key(*key)) {
                return Err(bad(version, &format!("{name}.{missing}"), "is required"));
            }
            let mut taken = Map::new();
            for (key, one) in members {
                let path = format!("{name}.{key}");
                match fact.fields.get(&key) {
                    Some(_) if one.is_null() && version == Version::V1 && !fact.required.contains(&key) => {
                        taken.insert(key, one);
                    }
                    Some(inner) => {
                        taken.insert(key, fitted(&path, one, inner, version, rigour)?);
                    }
                    None if version == Version::V1 || rigour.tolerant => {}
                    None => return Err(invalid(&path, "is not allowed")),
                }
            }
            Ok(Value::Object(taken))
        }
        (value, _) => Ok(value),
    }
}

/// v1 takes numbers and flags as text. api/wire.md: v1 mixes true/false, 0/1, "1".
fn bent(value: Value, fact: &Fact) -> Value {
    match (fact.shape.as_str(), &value) {
        ("integer" | "number", Value::String(text)) => match text.to_ascii_lowercase().as_str() {
            "true" => 1.into(),
            "false" => 0.into(),
            text => text.parse::<serde_json::Number>().map_or(value, Value::Number),
        },
        ("integer" | "number", Value::Bool(flag)) => u64::from(*flag).into(),
        ("boolean", Value::Number(number)) => match number.as_u64() {
            Some(0) => false.into(),
            Some(1) => true.into(),
            _ => value,
        },
        ("boolean", Value::String(text)) => match text.to_ascii_lowercase().as_str() {
            "1" | "true" => true.into(),
            "0" | "false" => false.into(),
            _ => value,
        },
        ("string", Value::Number(number)) => number.to_string().into(),
        _ => value,
    }
}

fn same(choice: &Value, value: &Value) -> bool {
    choice == value || (choice.as_f64().is_some() && choice.as_f64() == value.as_f64())
}

/// The elements of a body that is an array of objects (field options).
pub(super) fn array_body(call: &Call<'_>, rigour: Rigour<'_>) -> Result<Vec<Map<String, Value>>, Answer> {
    let Some(described) = &call.operation.body else { return Err(refusal(400, "no body is described")) };
    let Body::Json(sent @ Value::Array(_)) = &call.body else { return Err(invalid("body", "must be an array")) };
    match fitted("body", sent.clone(), &described.fact, call.version(), rigour)? {
        Value::Array(elements) if !elements.is_empty() => {
            Ok(elements.into_iter().filter_map(|one| one.as_object().cloned()).collect())
        }
        _ => Err(invalid("body", "must not be empty")),
    }
}
