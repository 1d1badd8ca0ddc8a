//! Values of custom fields in bodies: one key a field, or a key for each part of a value in flat rows.
//!
//! A flat value is written whole or not at all: the service gives a part that is
//! not sent its own default, the currency and the time zone of the user
//! (api/custom-fields.md, "Value shapes by type").

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::catalogue::{Custom, Shape};
use crate::record::RecordId;
use crate::restore::fields::{Place, field_id};
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
                let (name, fill) = self.keyed(custom, name, fill);
                body.insert(name, fill);
            }
        }
        (body, lost)
    }

    /// The custom values that the goal has empty, in fields that are there today.
    pub(super) fn empty_customs(&self, id: &RecordId, custom: Custom, then: &Map<String, Value>) -> Body {
        if self.is_unknown(id, "custom_fields") {
            return Body::new();
        }
        let filled = |code: &str| !is_empty(&nested(then, code));
        let codes = self.then.of_object(custom.fields).map(|(code, _)| code);
        let empty = codes.filter(|code| code.len() == KEY && is_flat(code) && !filled(code));
        let today = empty.filter_map(|code| match self.fields.place(&self.now, custom.fields, code) {
            Place::Live(today) => Some((today, Fill::Is(Value::Null))),
            Place::Made(_) | Place::Gone => None,
        });
        today.collect()
    }

    /// The custom values that differ.
    pub(super) fn custom_delta(
        &self,
        custom: Custom,
        then: &Map<String, Value>,
        now: &Map<String, Value>,
        delta: &mut Delta,
    ) {
        let code = |name: &str| name.get(..KEY).filter(|_| custom.shape == Shape::Flat).map_or(name.len(), str::len);
        let mut codes: BTreeSet<&str> = values(custom, then).map(|(name, _)| &name[..code(name)]).collect();
        // What stands under the key of today is the same value; what is younger than the goal is none of its business.
        let own = |code: &&str| {
            let id = field_id(custom.fields, code);
            !self.fields.is_heir(&id) && !self.then.lack(custom.fields, code)
        };
        codes.extend(values(custom, now).map(|(name, _)| &name[..code(name)]).filter(own));
        let mut body = Body::new();
        for code in codes {
            let mut one = Delta { body: Body::new(), lost: Vec::new() };
            let today = self.today(custom, code);
            match custom.shape {
                Shape::Nested => self.one_differs(custom, code, (nested(then, code), nested(now, &today)), &mut one),
                Shape::Flat => self.parts_differ(custom, (code, &today), (then, now), &mut one),
            }
            body.extend(one.body.into_iter().map(|(name, fill)| self.keyed(custom, &name, fill)));
            delta.lost.extend(one.lost);
        }
        match custom.shape {
            Shape::Nested if body.is_empty() => {}
            Shape::Nested => drop(delta.body.insert("custom_fields".to_owned(), Fill::fields(body))),
            Shape::Flat => delta.body.extend(body),
        }
    }

    fn one_differs(&self, custom: Custom, name: &str, (before, after): (Value, Value), delta: &mut Delta) {
        // Options have no order (api/custom-fields.md, set); flat rows hold them as one text.
        let kind = self.then.find(custom.fields, name).map_or("", |field| field.kind.as_str());
        if kind == "set" && sorted(&before).is_some_and(|before| sorted(&after) == Some(before)) {
            return;
        }
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
        (code, today): (&str, &str),
        (then, now): (&Map<String, Value>, &Map<String, Value>),
        delta: &mut Delta,
    ) {
        let ending = |name: &str, code: &str| name.strip_prefix(code).filter(|_| is_flat(name)).map(str::to_owned);
        let endings: BTreeSet<String> = then
            .keys()
            .filter_map(|name| ending(name, code))
            .chain(now.keys().filter_map(|name| ending(name, today)))
            .filter(|ending| ending != FORMATTED)
            .collect();
        let value = |row: &Map<String, Value>, code: &str, ending: &str| {
            row.get(&format!("{code}{ending}")).cloned().unwrap_or_default()
        };
        for ending in &endings {
            let pair = (value(then, code, ending), value(now, today, ending));
            self.one_differs(custom, &format!("{code}{ending}"), pair, delta);
        }
        if delta.body.is_empty() {
            return;
        }
        for ending in &endings {
            let (name, before) = (format!("{code}{ending}"), value(then, code, ending));
            if let Some(fill) = self.custom(custom, &name, &before).fill.filter(|_| !is_empty(&before)) {
                delta.body.entry(name).or_insert(fill);
            }
        }
    }

    /// The key of today.
    fn today(&self, custom: Custom, code: &str) -> String {
        match self.fields.place(&self.now, custom.fields, code) {
            Place::Live(today) => today,
            Place::Made(_) | Place::Gone => code.to_owned(),
        }
    }

    /// A value under the key that its field has, or will get.
    fn keyed(&self, custom: Custom, name: &str, fill: Fill) -> (String, Fill) {
        let code = name.get(..KEY).unwrap_or(name);
        match self.fields.place(&self.now, custom.fields, code) {
            Place::Live(today) => (format!("{today}{}", &name[code.len()..]), fill),
            Place::Made(field) => (name.to_owned(), Fill::Under(field, Box::new(fill))),
            Place::Gone => (name.to_owned(), fill),
        }
    }

    /// One custom value; a part of a flat one follows the field it belongs to.
    pub(super) fn custom(&self, custom: Custom, name: &str, value: &Value) -> Translated {
        let code = name.get(..KEY).unwrap_or(name);
        if code == name {
            return self.translator().custom(custom.fields, name, value);
        }
        let exists = self.fields.place(&self.now, custom.fields, code) != Place::Gone;
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

/// The options of a flat set.
fn sorted(value: &Value) -> Option<Vec<&str>> {
    let mut ids: Vec<&str> = value.as_str()?.split(',').map(str::trim).collect();
    ids.sort_unstable();
    Some(ids)
}

fn nested(fields: &Map<String, Value>, code: &str) -> Value {
    fields.get("custom_fields").and_then(|values| values.get(code)).cloned().unwrap_or_default()
}

/// Whether a name is that of a custom field or of a part of its value.
fn is_flat(name: &str) -> bool {
    name.get(..KEY).is_some_and(is_custom)
        && name.get(KEY..).is_some_and(|rest| rest.is_empty() || rest.starts_with('_'))
}
