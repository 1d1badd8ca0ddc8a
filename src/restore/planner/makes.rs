//! Which records are made again, and in which order.
//!
//! A record that needs another one which is nowhere cannot be made; those that
//! need it in turn fall with it, so the list is narrowed until it holds.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::archive;
use crate::catalogue::{Inline, Listing, Object, ObjectName, Restore, find};
use crate::record::{Key, Record, RecordId};
use crate::restore::cases::{Case, Cases, object_of};
use crate::restore::fill::{Fill, value_key};
use crate::restore::links::Link;
use crate::restore::plan::{LeftOut, Upload};
use crate::restore::planner::{Planner, home, order_of, place};
use crate::restore::policy::Missing;
use crate::restore::rules;
use crate::restore::state::State;
use crate::restore::translate::Lost;

/// Why a discount or an installment does not come back alone; nothing would show it afterwards.
const HOVERS: &str = "its deal has no products, on which it rests";

/// A record that is made again.
pub(super) struct Make<'a> {
    /// The record as the goal names it.
    pub(super) id: RecordId,
    /// The object whose call makes it.
    pub(super) home: &'static Object,
    /// Where the goal's record is. Its fields are read when they are needed: all of them at once would not fit into little memory.
    cases: &'a Cases,
    /// A field that no list shows.
    inlined: Option<(&'static str, Value)>,
    /// The place among its siblings.
    pub(super) order: i64,
    /// Contents sent with it.
    pub(super) contents: Option<Box<Upload>>,
}

impl Make<'_> {
    /// The goal's fields.
    pub(super) fn fields(&self) -> Map<String, Value> {
        let mut fields = self.cases.goal(&self.id).map(|goal| goal.fields()).unwrap_or_default();
        fields.extend(self.inlined.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        fields
    }
}

impl<'a, S: State> Planner<'a, S> {
    /// The records that are made again, what is pointed to first.
    pub(super) fn makes(&mut self) -> Result<Vec<Make<'a>>, archive::Error> {
        let (mut makes, cases) = (Vec::new(), self.cases);
        for id in &self.chosen.records {
            let (Some(Case::Deleted(_)), Some(object)) = (cases.all.get(id), object_of(id)) else { continue };
            // What it shows comes back with what it shows it of; a field that has another key now is there.
            if matches!(object.restore, Restore::Mirror(_)) || self.fields.has_moved(id) {
                continue;
            }
            let Some(goal) = cases.goal(id) else { continue };
            match self.make(object, &goal) {
                Ok(make) => makes.push(make),
                Err(why) => self.said.left_out.push(LeftOut::record(id, why)),
            }
        }
        makes.sort_by_cached_key(|make| (place(make.home), make.order, make.id.clone()));
        for make in &makes {
            self.links.make(&make.id, &make.fields());
            self.fields.make(&make.id);
        }
        let standing = self.standing(&makes)?;
        self.narrow(&mut makes, &standing);
        self.say_left_out(&makes);
        Ok(makes)
    }

    /// Parents that keep rows on which others rest.
    fn standing(&self, makes: &[Make<'_>]) -> Result<BTreeSet<Key>, archive::Error> {
        let mut standing = BTreeSet::new();
        let below: BTreeSet<&'static str> = makes.iter().filter_map(|make| rules::rests_on(make.home.name)).collect();
        for name in below.into_iter().map(ObjectName::known) {
            if self.seen.contents(&name).is_none() {
                continue;
            }
            for key in self.seen.keys(&name)? {
                let id = RecordId::new(name.clone(), key?);
                let added = matches!(self.cases.all.get(&id), Some(Case::Added(_)));
                standing.extend(id.key.parent().filter(|_| !(added && self.removes(&id))));
            }
        }
        Ok(standing)
    }

    /// Fields that the snapshot was told to leave out do not come back, and no row shows that they are missing.
    fn say_left_out(&mut self, makes: &[Make<'_>]) {
        let objects: BTreeSet<&ObjectName> = makes.iter().map(|make| &make.id.object).collect();
        for object in objects {
            let without = self.goal.contents(object).map(|contents| contents.without.clone()).unwrap_or_default();
            for field in without {
                let why = "the snapshot was taken without it";
                self.said.left_out.push(LeftOut { field: Some(field), ..LeftOut::object(object, why) });
            }
        }
    }

    fn make(&self, object: &'static Object, goal: &Record) -> Result<Make<'a>, String> {
        let (home, id, mut fields) = (home(object), goal.id(), goal.fields());
        let mut inlined = None;
        if let Some(inline) = home.inline {
            let held = held(self.goal, inline, &id.key).map_err(|error| error.to_string())?;
            fields.insert(inline.field.to_owned(), held.clone());
            inlined = Some((inline.field, held));
        }
        match object.restore {
            Restore::OnRequest(why) if !self.policy.with_fields => return Err(self.on_request(id, &fields, why)),
            Restore::Recreate | Restore::OnRequest(_) => {}
            Restore::Mirror(of) => return Err(format!("it comes back with {of}")),
            Restore::MatchBy(mark) => self.may_invite(object, mark, &fields)?,
            Restore::ByHand(why) => return Err(why.to_owned()),
        }
        if !object.dml.insert || home.create.is_none() {
            return Err("the service does not let such a record be made".to_owned());
        }
        if self.comes_invited(home, &fields) {
            return Err("it comes with the invitation of its user".to_owned());
        }
        if let Some(why) = rules::cannot_make(home.name, &fields) {
            return Err(why.to_owned());
        }
        let contents = match object.contents {
            Some(contents) => Some(self.upload(contents.object, id, &fields)?),
            None => None,
        };
        Ok(Make { id: id.clone(), home, cases: self.cases, inlined, order: order_of(&fields), contents })
    }

    /// Records that are matched are made only if that was asked for, and if there is no counterpart.
    fn may_invite(&self, object: &'static Object, mark: &str, fields: &Map<String, Value>) -> Result<(), String> {
        if object.create.is_none() || !object.dml.insert {
            return Err(format!("{} are never made by a restore", object.name));
        }
        if !self.policy.invite_users {
            return Err("a user is invited only if that is asked for: it sends a mail and takes a paid seat".to_owned());
        }
        let marked = |fields: &Map<String, Value>| fields.get(mark).and_then(Value::as_str).map(str::to_lowercase);
        let Some(wanted) = marked(fields) else { return Err(format!("the snapshot does not have its {mark}")) };
        let failed = |error: crate::archive::Error| error.to_string();
        for record in self.seen.records(&ObjectName::known(object.name)).map_err(failed)? {
            let record = record.map_err(failed)?;
            if marked(&record.fields()).as_ref() == Some(&wanted) {
                return Err(format!("{} has the same {mark} and takes its place", record.id()));
            }
        }
        Ok(())
    }

    /// Whether it says what a user may do whom this plan invites: access is given with the invitation
    /// (api/restore-hazards.md 4, Users).
    fn comes_invited(&self, home: &'static Object, fields: &Map<String, Value>) -> bool {
        let user = || Some(RecordId::new(ObjectName::known("users"), fields.get("user_id").and_then(value_key)?));
        let missing = |id: RecordId| {
            self.chosen.records.contains(&id) && matches!(self.cases.all.get(&id), Some(Case::Deleted(_)))
        };
        home.name == "permissionSetsAssignments" && self.policy.invite_users && user().is_some_and(missing)
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
    ) -> Result<Box<Upload>, String> {
        let missing = || "the snapshot does not hold its contents".to_owned();
        let record = self.goal.find(&RecordId::new(ObjectName::known(object), id.key.clone()));
        let record = record.map_err(|error| error.to_string())?.ok_or_else(missing)?;
        let blob = serde_json::from_value(Value::Object(record.fields())).map_err(|_| missing())?;
        let name =
            ["name", "file_name"].iter().find_map(|name| fields.get(*name)?.as_str().filter(|name| !name.is_empty()));
        Ok(Box::new(Upload { name: name.unwrap_or("file").to_owned(), blob }))
    }

    fn narrow(&mut self, makes: &mut Vec<Make<'_>>, standing: &BTreeSet<Key>) {
        loop {
            let before = makes.len();
            let mut dropped: BTreeMap<RecordId, String> = BTreeMap::new();
            let bases = makes.iter().filter(|make| rules::is_rested_on(make.home.name));
            let bases: BTreeSet<(&str, Key)> =
                bases.filter_map(|make| Some((make.home.name, make.id.key.parent()?))).collect();
            for make in makes.iter() {
                let hovers = || self.hovers(make, &bases, standing).then(|| HOVERS.to_owned());
                if let Some(why) = self.lacks(make).or_else(hovers) {
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

    /// Whether a record rests on others under its parent, of which none will be there.
    fn hovers(&self, make: &Make<'_>, bases: &BTreeSet<(&str, Key)>, standing: &BTreeSet<Key>) -> bool {
        let Some((below, parent)) = rules::rests_on(make.home.name).zip(make.id.key.parent()) else { return false };
        let stands = match self.links.find(make.home.parents(), &parent) {
            Link::Live(now) => standing.contains(&now),
            Link::Made(_) | Link::Missing => false,
        };
        !stands && !bases.contains(&(below, parent))
    }

    /// What a record cannot be made without, and what is not there.
    fn lacks(&self, make: &Make<'_>) -> Option<String> {
        let write = make.home.create?;
        if let Some(Err(why)) = self.under(make.home, &make.id) {
            return Some(why);
        }
        let wanted = rules::for_create(make.home.name, &make.id.key, &make.fields(), &self.facts);
        let translator = self.translator();
        let translated = |name: &str| wanted.get(name).map(|value| translator.field(make.home, name, value));
        for required in write.required {
            match translated(required) {
                Some(field) if field.fill.is_none() => {
                    let why = field.lost.into_iter().next().map_or_else(|| "it is not there".to_owned(), Lost::words);
                    return Some(format!("it cannot be made without {required}: {why}"));
                }
                Some(_) => {}
                None => return Some(format!("it cannot be made without {required}, which the snapshot does not have")),
            }
        }
        let beside = rules::beside_which_another_is_made(make.home.name).iter();
        if let Some(name) = beside.copied().find(|name| translated(name).is_some_and(|field| field.fill.is_none())) {
            return Some(format!("its {name} is not there, and without it the service would make another one"));
        }
        let one_of = rules::one_of(make.home.name);
        if !one_of.is_empty() && !one_of.iter().any(|name| translated(name).is_some_and(|field| field.fill.is_some())) {
            return Some(format!("it cannot be made without one of {}", one_of.join(", ")));
        }
        if self.policy.says(Missing::Skip) {
            let skips =
                |lost: &Lost| matches!(lost, Lost::Record(object, _) if self.policy.missing(object) == Missing::Skip);
            let mut fields = wanted.keys().filter(|name| write.fields.contains(&name.as_str()));
            let lost = fields.find_map(|name| translated(name)?.lost.into_iter().find(skips));
            return lost.map(|lost| lost.words().to_owned());
        }
        None
    }

    /// The parent a record is made under: none where its call names none, an error when it is nowhere.
    pub(super) fn under(&self, object: &'static Object, id: &RecordId) -> Option<Result<Fill, String>> {
        let alone = object.parents().is_empty() || object.is_shared() || !object.is_under_parent();
        if alone || matches!(object.listing, Listing::Flat(_) | Listing::Derived { .. }) {
            return None;
        }
        let Some(key) = id.key.parent() else { return Some(Err("the snapshot does not name its parent".to_owned())) };
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

/// The value of a field that no list shows, from the records that the snapshot has of it.
fn held<S: State>(goal: &S, inline: Inline, parent: &Key) -> Result<Value, archive::Error> {
    let name = ObjectName::known(inline.from);
    let link = find(&name).and_then(|object| object.parent_field()).unwrap_or_default();
    let mut taken = Vec::new();
    if goal.contents(&name).is_some() {
        for record in goal.records(&name)? {
            let fields = record?.fields();
            let (field, values) = inline.only;
            let wanted = fields.get(field).and_then(Value::as_str).is_some_and(|value| values.contains(&value));
            if wanted && fields.get(link).and_then(value_key).as_ref() == Some(parent) {
                let parts =
                    inline.take.iter().filter_map(|name| Some(((*name).to_owned(), fields.get(*name)?.clone())));
                taken.push(Value::Object(parts.collect()));
            }
        }
    }
    Ok(Value::Array(taken))
}
