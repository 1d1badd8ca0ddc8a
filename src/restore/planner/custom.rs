//! Values of custom fields in bodies: one key a field, or a key for each part of a value in flat rows.
//!
//! A flat value is written whole or not at all: the service gives a part that is
//! not sent its own default, the currency and the time zone of the user
//! (api/custom-fields.md, "Value shapes by type").

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::catalogue::{Custom, Shape};
use crate::restore::fill::{Body, Fill};
use crate::restore::links::is_custom;
use crate::restore::planner::Planner;
use crate::restore::planner::updates::Delta;
use crate::restore::same::is_empty;
use crate::restore::state::State;
use crate::restore::translate::{Lost, Translated};

/// How many letters the key of a custom field has.
const KEY: usize = 40;
/// The part of a flat value that the service makes of the others.
const FORMATTED: &str = "_formatted_address";

impl<S: State> Planner<'_, S> {
    /// The custom values that make a record.
    pub(super) fn filled_custom(&self, custom: Custom, wanted: &Map<String, Value>) -> (Body, Vec<(String, Lost)>) {
        let (mut body, mut lost) = (Body::new(), Vec::new());
        for (name, value) in values(custom, wanted).filter(|(_, value)| !is_empty(value)) {
            let Translated { fill, lost: gone } = self.custom(custom, name, value);
            lost.extend(gone.into_iter().map(|gone| (name.clone(), gone)));
            if let Some(fill) = fill.filter(|fill| !fill.clears()) {
                body.insert(name.clone(), fill);
            }
        }
        (body, lost)
    }

    /// The custom values that differ.
    pub(super) fn custom_delta(
        &self,
        custom: Custom,
        then: &Map<String, Value>,
        now: &Map<String, Value>,
        delta: &mut Delta,
    ) {
        let code = |name: &'_ str| name.get(..KEY).filter(|_| custom.shape == Shape::Flat).map_or(name.len(), str::len);
        let both = values(custom, then).chain(values(custom, now));
        let codes: BTreeSet<&str> = both.map(|(name, _)| &name[..code(name)]).collect();
        let mut body = Body::new();
        for code in codes {
            let mut one = Delta { body: Body::new(), lost: Vec::new() };
            match custom.shape {
                Shape::Nested => self.one_differs(custom, code, (nested(then, code), nested(now, code)), &mut one),
                Shape::Flat => self.parts_differ(custom, code, (then, now), &mut one),
            }
            body.extend(one.body);
            delta.lost.extend(one.lost);
        }
        match custom.shape {
            Shape::Nested if body.is_empty() => {}
            Shape::Nested => drop(delta.body.insert("custom_fields".to_owned(), Fill::fields(body))),
            Shape::Flat => delta.body.extend(body),
        }
    }

    fn one_differs(&self, custom: Custom, name: &str, (before, after): (Value, Value), delta: &mut Delta) {
        let translated = self.custom(custom, name, &before);
        delta.compare((name, &before, &after), translated.fill, translated.lost);
        // api/custom-fields.md: [] is refused in a set, null clears it.
        if let Some(fill) = delta.body.get_mut(name).filter(|fill| fill.clears()) {
            *fill = Fill::Is(Value::Null);
        }
    }

    /// A flat value with all its parts, if one of them differs.
    fn parts_differ(
        &self,
        custom: Custom,
        code: &str,
        (then, now): (&Map<String, Value>, &Map<String, Value>),
        delta: &mut Delta,
    ) {
        let names: BTreeSet<&String> =
            then.keys().chain(now.keys()).filter(|name| name.starts_with(code) && is_flat(name)).collect();
        let value = |row: &Map<String, Value>, name: &str| row.get(name).cloned().unwrap_or_default();
        for name in &names {
            if !name.ends_with(FORMATTED) {
                self.one_differs(custom, name, (value(then, name), value(now, name)), delta);
            }
        }
        if delta.body.is_empty() {
            return;
        }
        // Nothing is left of a value without its first part.
        let whole = names.iter().filter(|name| !name.ends_with(FORMATTED) && !is_empty(&value(then, name)));
        for name in whole {
            let before = value(then, name);
            if let Some(fill) = self.custom(custom, name, &before).fill {
                delta.body.entry((*name).clone()).or_insert(fill);
            }
        }
    }

    /// One custom value; a part of a flat one follows the field it belongs to.
    pub(super) fn custom(&self, custom: Custom, name: &str, value: &Value) -> Translated {
        let code = name.get(..KEY).unwrap_or(name);
        if code == name {
            return self.translator().custom(custom.fields, name, value);
        }
        let exists = self.now.find(custom.fields, code).is_some() || !self.now.know(custom.fields);
        Translated { fill: exists.then(|| Fill::Is(value.clone())), lost: Vec::new() }
    }
}

/// The custom values of a row, by code; of a flat row, by code and part.
fn values(custom: Custom, fields: &Map<String, Value>) -> Box<dyn Iterator<Item = (&String, &Value)> + '_> {
    match custom.shape {
        Shape::Nested => Box::new(fields.get("custom_fields").and_then(Value::as_object).into_iter().flatten()),
        Shape::Flat => Box::new(fields.iter().filter(|(name, _)| is_flat(name) && !name.ends_with(FORMATTED))),
    }
}

fn nested(fields: &Map<String, Value>, code: &str) -> Value {
    fields.get("custom_fields").and_then(|values| values.get(code)).cloned().unwrap_or_default()
}

/// Whether a name is that of a custom field or of a part of its value.
fn is_flat(name: &str) -> bool {
    name.get(..KEY).is_some_and(is_custom)
        && name.get(KEY..).is_some_and(|rest| rest.is_empty() || rest.starts_with('_'))
}
