//! Whether a record is what a bound filter asks for.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use super::Unbound;
use super::fields::Place;
use super::parse::{Expr, Literal, Side, Test, Wanted, time};
use crate::catalogue::ObjectName;
use crate::diff::Names;

/// An expression whose fields were found.
#[derive(Clone, Debug)]
pub(super) enum Bound {
    All(Vec<Bound>),
    Any(Vec<Bound>),
    Not(Box<Bound>),
    Test(Place, Wanted),
}

/// Finds each field of an expression.
pub(super) fn bind(expr: &Expr, find: &mut dyn FnMut(&Test) -> Result<Place, Unbound>) -> Result<Bound, Unbound> {
    let mut each = |parts: &[Expr]| parts.iter().map(|part| bind(part, find)).collect::<Result<Vec<_>, _>>();
    Ok(match expr {
        Expr::All(parts) => Bound::All(each(parts)?),
        Expr::Any(parts) => Bound::Any(each(parts)?),
        Expr::Not(part) => Bound::Not(Box::new(bind(part, find)?)),
        Expr::Test(test) => Bound::Test(find(test)?, test.wanted.clone()),
    })
}

impl Bound {
    pub(super) fn passes(&self, names: &Names<'_>, object: &ObjectName, row: &Map<String, Value>) -> bool {
        match self {
            Bound::All(parts) => parts.iter().all(|part| part.passes(names, object, row)),
            Bound::Any(parts) => parts.iter().any(|part| part.passes(names, object, row)),
            Bound::Not(part) => !part.passes(names, object, row),
            Bound::Test(place, wanted) => {
                let value = place.value(row);
                let read = |value: &Value| {
                    // A part of a field is shown as it is: names belong to the whole.
                    if place.part.is_empty() { names.words(object, &place.key, value) } else { Vec::new() }
                };
                Field { value, read: &read }.is(wanted)
            }
        }
    }
}

impl Place {
    /// The value in a row, custom fields included; null where there is none.
    fn value<'r>(&self, row: &'r Map<String, Value>) -> &'r Value {
        let custom = || row.get("custom_fields").and_then(|custom| custom.get(&self.key));
        let whole = row.get(&self.key).or_else(custom);
        let part = whole.and_then(|whole| self.part.iter().try_fold(whole, |value, part| value.get(part)));
        part.unwrap_or(&Value::Null)
    }
}

/// A value, and how people read it.
struct Field<'v> {
    value: &'v Value,
    read: &'v dyn Fn(&Value) -> Vec<String>,
}

impl Field<'_> {
    fn is(&self, wanted: &Wanted) -> bool {
        match wanted {
            Wanted::OneOf(literals) => literals.iter().any(|literal| self.equals(self.value, literal)),
            Wanted::Contains(part) => self.contains(self.value, &part.to_lowercase()),
            Wanted::Beside(side, than) => lies(self.value, *side, than),
        }
    }

    fn equals(&self, value: &Value, literal: &Literal) -> bool {
        match (value, literal) {
            (value, Literal::Nothing) => is_empty(value),
            (Value::Array(items), _) => items.iter().any(|item| self.equals(item, literal)),
            (Value::Object(parts), _) => telling(parts).any(|part| self.equals(part, literal)),
            (Value::Bool(own), Literal::Truth(wanted)) => own == wanted,
            (value, Literal::Truth(wanted)) => number(value) == Some(f64::from(u8::from(*wanted))),
            (value, Literal::Number(wanted)) => number(value) == Some(*wanted),
            (value, Literal::Time(from, to)) => moment(value).is_some_and(|at| *from <= at && at < *to),
            (value, Literal::Text(wanted)) => {
                let wanted = wanted.to_lowercase();
                texts(value).any(|text| text.to_lowercase() == wanted)
                    || (self.read)(value).iter().any(|text| text.to_lowercase() == wanted)
            }
        }
    }

    fn contains(&self, value: &Value, part: &str) -> bool {
        match value {
            Value::Array(items) => items.iter().any(|item| self.contains(item, part)),
            Value::Object(parts) => telling(parts).any(|value| self.contains(value, part)),
            value => {
                texts(value).any(|text| text.to_lowercase().contains(part))
                    || (self.read)(value).iter().any(|text| text.to_lowercase().contains(part))
            }
        }
    }
}

/// Whether a number or a time lies on this side of another; what is neither lies nowhere.
fn lies(value: &Value, side: Side, than: &Literal) -> bool {
    match (value, than) {
        (Value::Object(parts), _) => telling(parts).any(|part| lies(part, side, than)),
        (value, Literal::Number(than)) => number(value).is_some_and(|own| match side {
            Side::Below => own < *than,
            Side::UpTo => own <= *than,
            Side::From => own >= *than,
            Side::Above => own > *than,
        }),
        (value, Literal::Time(from, to)) => moment(value).is_some_and(|at| match side {
            Side::Below => at < *from,
            Side::UpTo => at < *to,
            Side::From => at >= *from,
            Side::Above => at >= *to,
        }),
        _ => false,
    }
}

/// The parts of a composite value by which it is known: an amount, an address, a linked row's number and name.
fn telling(parts: &Map<String, Value>) -> impl Iterator<Item = &Value> {
    ["value", "id", "name", "label", "amount"].into_iter().filter_map(|name| parts.get(name))
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.iter().all(is_empty),
        Value::Object(parts) => parts.values().all(is_empty),
        _ => false,
    }
}

fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        // v1 answers amounts as texts.
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

/// The moment at which a day or a time begins.
fn moment(value: &Value) -> Option<DateTime<Utc>> {
    time(value.as_str()?).map(|(from, _)| from)
}

/// A value as text.
fn texts(value: &Value) -> impl Iterator<Item = String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
    .into_iter()
}
