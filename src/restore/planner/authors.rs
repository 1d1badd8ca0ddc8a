//! Who changed what, as far as the data tells.
//!
//! Three places tell: captured changelogs (field by field, for deals, persons and
//! organizations), the user a row names as the last who edited it, and the user it
//! names as the one who made it. Nothing tells who deleted a record. What is not told
//! is left out and said so: a guess would undo somebody else's work.

use std::collections::HashMap;

use serde_json::{Map, Value};

use crate::archive;
use crate::catalogue::ObjectName;
use crate::record::{Key, Record, RecordId};
use crate::restore::cases::{Case, object_of};
use crate::restore::fill::value_key;
use crate::restore::past::Between;
use crate::restore::plan::LeftOut;
use crate::restore::planner::Planner;
use crate::restore::state::State;

/// Changelogs and the objects whose records they are of.
const CHANGELOGS: &[(&str, &str)] =
    &[("dealChangelog", "deals"), ("personChangelog", "persons"), ("organizationChangelog", "organizations")];

/// Fields that name the last who edited a row.
const EDITORS: &[&str] = &["update_user_id", "last_update_user_id", "updated_by", "updated_by_user_id"];

/// Fields that name the one who made a row.
const CREATORS: &[&str] = &["creator_user_id", "creator_id", "added_by_user_id", "created_by_user_id", "created_by"];

/// What changelogs call a field that has another name elsewhere (api/objects.md: changelogs are v1, rows are v2).
const ALIASES: &[(&str, &str)] =
    &[("owner_id", "user_id"), ("label_ids", "label"), ("emails", "email"), ("phones", "phone")];

/// The last who changed a field since the goal, by record and field.
#[derive(Default)]
pub(super) struct Authors(HashMap<(RecordId, String), (String, Key)>);

impl Authors {
    /// Reads what changelogs tell since the goal: up to the end of the window, if there is one.
    pub(super) fn since<S: State>(
        goal: &S,
        between: Option<&Between<'_, S>>,
        seen: &S,
    ) -> Result<Authors, archive::Error> {
        let begin = goal.manifest().started.format("%Y-%m-%d %H:%M:%S").to_string();
        let mut authors = Authors::default();
        for (changelog, object) in CHANGELOGS {
            let (changelog, object) = (ObjectName::known(changelog), ObjectName::known(object));
            let mut read = |rows: crate::restore::Rows<'_, Record>| -> Result<(), archive::Error> {
                for row in rows {
                    authors.learn(&object, &row?, &begin);
                }
                Ok(())
            };
            match between {
                Some(Between::End(_, end)) => read(end.records(&changelog)?)?,
                Some(Between::Through(_, states)) => {
                    for state in states.iter().filter(|state| state.contents(&changelog).is_some()) {
                        read(State::records(state, &changelog)?)?;
                    }
                }
                None => {}
            }
            if between.is_none_or(|between| between.end().is_none()) && seen.contents(&changelog).is_some() {
                read(State::records(seen, &changelog)?)?;
            }
        }
        Ok(authors)
    }

    fn learn(&mut self, object: &ObjectName, row: &Record, begin: &str) {
        let fields = row.fields();
        let text = |name: &str| fields.get(name).and_then(Value::as_str).unwrap_or_default();
        let time = text("time").replace('T', " ");
        let (Some(parent), Some(actor)) = (row.id().key.parent(), fields.get("actor_user_id").and_then(value_key))
        else {
            return;
        };
        if time.as_str() < begin {
            return;
        }
        let place = (RecordId::new(object.clone(), parent), text("field_key").to_owned());
        let last = self.0.entry(place).or_insert_with(|| (time.clone(), actor.clone()));
        if last.0 <= time {
            *last = (time, actor);
        }
    }

    fn of(&self, record: &RecordId, field: &str) -> Option<&Key> {
        self.last(record, field).map(|(_, actor)| actor)
    }

    /// When a field was last changed, and by whom.
    fn last(&self, record: &RecordId, field: &str) -> Option<&(String, Key)> {
        let key = field.strip_prefix("custom_fields.").unwrap_or(field);
        let alias = ALIASES.iter().find(|(name, _)| *name == key).map(|(_, alias)| *alias);
        std::iter::once(key).chain(alias).find_map(|key| self.0.get(&(record.clone(), key.to_owned())))
    }
}

impl<S: State> Planner<'_, S> {
    /// Says of each conflict when the later edit was made and by whom, as far as anything tells.
    pub(super) fn attribute(&mut self) -> Result<(), archive::Error> {
        if self.said.conflicts.is_empty() {
            return Ok(());
        }
        let authors = Authors::since(self.goal, None, self.seen)?;
        let mut conflicts = std::mem::take(&mut self.said.conflicts);
        for conflict in &mut conflicts {
            let live = match self.cases.all.get(&conflict.record) {
                Some(Case::Changed { live, .. } | Case::Added(live)) => Record::clone(live),
                // Of an added record the account's own identity is told.
                _ => match self.seen.find(&conflict.record)? {
                    Some(live) => live,
                    None => continue,
                },
            };
            let row = live.fields();
            let last = authors.last(live.id(), &conflict.field);
            conflict.when = last
                .map(|(time, _)| time.clone())
                .or_else(|| row.get("update_time").and_then(Value::as_str).map(str::to_owned));
            let editor = || EDITORS.iter().find_map(|name| row.get(*name).and_then(value_key));
            conflict.who = last.map(|(_, actor)| actor.clone()).or_else(editor).map(|key| key.to_string());
        }
        self.said.conflicts = conflicts;
        Ok(())
    }

    /// Whether a record that was deleted or added is one that the user asked about; unsaid, and said so, where nothing tells.
    pub(super) fn is_by_user(&mut self, id: &RecordId, case: &Case) -> bool {
        let Some(user) = self.by_user.clone() else { return true };
        let why = match case {
            Case::Changed { .. } => return true,
            Case::Deleted(_) => "nothing tells who deleted it",
            Case::Added(live) => match maker(live) {
                Some(maker) => return maker == user,
                None => "nothing tells who added it",
            },
        };
        self.said.left_out.push(LeftOut::record(id, why));
        false
    }

    /// Whether the user asked about changed a field; none where nothing tells.
    pub(super) fn is_edit_of_user(&self, live: &RecordId, row: &Map<String, Value>, field: &str) -> Option<bool> {
        let Some(user) = &self.by_user else { return Some(true) };
        let editor = || EDITORS.iter().find_map(|name| row.get(*name).and_then(value_key));
        let author = self.authors.of(live, field).cloned().or_else(editor)?;
        Some(author == *user)
    }
}

/// Who made a record.
fn maker(live: &Record) -> Option<Key> {
    let fields = live.fields();
    // Notes and files name no maker, but the user they are of.
    let own = object_of(live.id()).filter(|object| ["notes", "files"].contains(&object.name)).map(|_| "user_id");
    CREATORS.iter().copied().chain(own).find_map(|name| fields.get(name).and_then(value_key))
}
