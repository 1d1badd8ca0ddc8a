//! Which records are made again, and in which order.
//!
//! A record that needs another one which is nowhere cannot be made; those that
//! need it in turn fall with it, so the list is narrowed until it holds.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::catalogue::{Listing, Object, ObjectName, Restore};
use crate::record::RecordId;
use crate::restore::cases::{Case, object_of, parent_key};
use crate::restore::fill::Fill;
use crate::restore::links::Link;
use crate::restore::plan::{LeftOut, Upload};
use crate::restore::planner::{Planner, home, order_of, place};
use crate::restore::policy::Missing;
use crate::restore::rules;
use crate::restore::state::State;
use crate::restore::translate::Lost;

/// A record that is made again.
pub(super) struct Make {
    /// The record as the goal names it.
    pub(super) id: RecordId,
    /// The object whose call makes it.
    pub(super) home: &'static Object,
    /// The goal's fields.
    pub(super) fields: Map<String, Value>,
    /// Contents sent with it.
    pub(super) contents: Option<Upload>,
}

impl<S: State> Planner<'_, S> {
    /// The records that are made again, what is pointed to first.
    pub(super) fn makes(&mut self) -> Vec<Make> {
        let mut makes = Vec::new();
        for id in &self.chosen.records {
            let (Some(Case::Deleted(record)), Some(object)) = (self.cases.all.get(id), object_of(id)) else { continue };
            // What it shows comes back with what it shows it of; a field that has another key now is there.
            if matches!(object.restore, Restore::Mirror(_)) || self.fields.has_moved(id) {
                continue;
            }
            let fields = record.fields();
            match self.make(object, id, fields) {
                Ok(make) => makes.push(make),
                Err(why) => self.said.left_out.push(LeftOut::record(id, why)),
            }
        }
        makes.sort_by_cached_key(|make| (place(make.home), order_of(&make.fields), make.id.clone()));
        for make in &makes {
            self.links.make(&make.id, &make.fields);
            self.fields.make(&make.id);
        }
        self.narrow(&mut makes);
        self.say_left_out(&makes);
        makes
    }

    /// Fields that the snapshot was told to leave out do not come back, and no row shows that they are missing.
    fn say_left_out(&mut self, makes: &[Make]) {
        let objects: BTreeSet<&ObjectName> = makes.iter().map(|make| &make.id.object).collect();
        for object in objects {
            let without = self.goal.contents(object).map(|contents| contents.without.clone()).unwrap_or_default();
            for field in without {
                let why = "the snapshot was taken without it";
                self.said.left_out.push(LeftOut { field: Some(field), ..LeftOut::object(object, why) });
            }
        }
    }

    fn make(&self, object: &'static Object, id: &RecordId, fields: Map<String, Value>) -> Result<Make, String> {
        let home = home(object);
        match object.restore {
            Restore::OnRequest(why) if !self.policy.with_fields => return Err(self.on_request(id, &fields, why)),
            Restore::Recreate | Restore::OnRequest(_) => {}
            Restore::Mirror(of) => return Err(format!("it comes back with {of}")),
            Restore::MatchBy(_) => return Err(format!("{} are never made by a restore", object.name)),
            Restore::ByHand(why) => return Err(why.to_owned()),
        }
        if !object.dml.insert || home.create.is_none() {
            return Err("the service does not let such a record be made".to_owned());
        }
        if let Some(why) = rules::cannot_make(home.name, &fields) {
            return Err(why.to_owned());
        }
        let contents = match object.contents {
            Some(contents) => Some(self.upload(contents.object, id, &fields)?),
            None => None,
        };
        Ok(Make { id: id.clone(), home, fields, contents })
    }

    /// Why a field is not made, by the name that people know it by.
    fn on_request(&self, id: &RecordId, fields: &Map<String, Value>, why: &str) -> String {
        let name = fields.get("field_name").and_then(Value::as_str);
        name.map_or_else(
            || format!("{id}: {why}"),
            |name| format!("the field \"{name}\" does not exist any more: {why}"),
        )
    }

    /// The contents of a record as the goal holds them.
    pub(super) fn upload(
        &self,
        object: &'static str,
        id: &RecordId,
        fields: &Map<String, Value>,
    ) -> Result<Upload, String> {
        let missing = || "the snapshot does not hold its contents".to_owned();
        let record = self.goal.find(&RecordId::new(ObjectName::known(object), id.key.clone()));
        let record = record.map_err(|error| error.to_string())?.ok_or_else(missing)?;
        let blob = serde_json::from_value(Value::Object(record.fields())).map_err(|_| missing())?;
        let name =
            ["name", "file_name"].iter().find_map(|name| fields.get(*name)?.as_str().filter(|name| !name.is_empty()));
        Ok(Upload { name: name.unwrap_or("file").to_owned(), blob })
    }

    fn narrow(&mut self, makes: &mut Vec<Make>) {
        loop {
            let before = makes.len();
            let mut dropped: BTreeMap<RecordId, String> = BTreeMap::new();
            for make in makes.iter() {
                if let Some(why) = self.lacks(make) {
                    self.links.unmake(&make.id);
                    self.fields.unmake(&make.id);
                    dropped.insert(make.id.clone(), why);
                }
            }
            makes.retain(|make| !dropped.contains_key(&make.id));
            self.said.left_out.extend(dropped.into_iter().map(|(id, why)| LeftOut::record(&id, why)));
            if makes.len() == before {
                return;
            }
        }
    }

    /// What a record cannot be made without, and what is not there.
    fn lacks(&self, make: &Make) -> Option<String> {
        let write = make.home.create?;
        if let Some(Err(why)) = self.under(make.home, &make.id) {
            return Some(why);
        }
        let wanted = rules::for_create(make.home.name, &make.id.key, &make.fields, &self.facts);
        let translator = self.translator();
        let translated = |name: &str| wanted.get(name).map(|value| translator.field(make.home, name, value));
        for required in write.required {
            match translated(required) {
                Some(field) if field.fill.is_none() => {
                    let why = field.lost.first().map_or("it is not there", Lost::words);
                    return Some(format!("it cannot be made without {required}: {why}"));
                }
                Some(_) => {}
                None => return Some(format!("it cannot be made without {required}, which the snapshot does not have")),
            }
        }
        let one_of = rules::one_of(make.home.name);
        if !one_of.is_empty() && !one_of.iter().any(|name| translated(name).is_some_and(|field| field.fill.is_some())) {
            return Some(format!("it cannot be made without one of {}", one_of.join(", ")));
        }
        if self.policy.missing == Missing::Skip {
            let mut fields = wanted.keys().filter(|name| write.fields.contains(&name.as_str()));
            let lost =
                fields.find_map(|name| translated(name)?.lost.into_iter().find(|lost| matches!(lost, Lost::Record(_))));
            return lost.map(|lost| lost.words().to_owned());
        }
        None
    }

    /// The parent a record is made under: none for a flat list, an error when it is nowhere.
    pub(super) fn under(&self, object: &'static Object, id: &RecordId) -> Option<Result<Fill, String>> {
        if matches!(object.listing, Listing::Flat(_) | Listing::Derived { .. }) || object.is_shared() {
            return None;
        }
        let Some(key) = parent_key(id) else { return Some(Err("the snapshot does not name its parent".to_owned())) };
        Some(match self.links.find(object.parents(), &key) {
            Link::Made(record) => Ok(Fill::IdOf(record)),
            Link::Live(key) => Ok(Fill::Is(crate::restore::fill::key_value(&key))),
            Link::Missing => {
                let parent = object.parents().first().copied().unwrap_or("parent");
                Err(format!("{parent}/{key}, to which it belongs, is not in the account and does not come back"))
            }
        })
    }
}
