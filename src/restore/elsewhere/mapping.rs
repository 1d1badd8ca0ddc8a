//! Which record of another company stands for which of the goal, as a file that people read and edit.
//!
//! One JSON object a line, so that `jq` reads it, `sort` and `diff` compare two of them,
//! and a line can be changed without counting brackets. The first line says between
//! which companies; each other line names a record and what becomes of it: the id of
//! one that is there, `create` or `skip`. What has no line is recognised by its name, or made.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::archive;
use crate::catalogue::{self, ObjectName};
use crate::record::{Key, RecordId};
use crate::restore::fill::value_key;
use crate::restore::state::State;

/// The version of the file.
const FORMAT: u32 = 1;
const CREATE: &str = "create";
const SKIP: &str = "skip";

/// What becomes of a record of the goal.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Fate {
    /// This record of the other company stands for it.
    Is(RecordId),
    /// It is made.
    Create,
    /// It is left out, for this reason.
    Skip(String),
}

/// A record of the goal, what people call it, and what becomes of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// What people call it.
    pub name: String,
    /// What becomes of it.
    pub fate: Fate,
}

/// Which record of another company stands for which of the goal.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Mapping {
    /// The company of the goal.
    pub from: u64,
    /// The company to restore into.
    pub to: u64,
    entries: BTreeMap<RecordId, Entry>,
}

/// Why a text is no mapping, or none that fits.
#[derive(Debug, thiserror::Error)]
pub enum NotAMapping {
    /// A line does not read.
    #[error("line {line}: {fact}")]
    Line {
        /// Its number, from 1.
        line: usize,
        /// What is wrong with it.
        fact: String,
    },
    /// It was written by a later version.
    #[error("it has format {0}, this version reads format {FORMAT}")]
    Newer(u32),
    /// It was made for two other companies.
    #[error("it leads from company {from} to company {to}, not from {wanted_from} to {wanted_to}")]
    OtherCompanies {
        /// The company that it leads from.
        from: u64,
        /// The company that it leads to.
        to: u64,
        /// The company of the snapshot.
        wanted_from: u64,
        /// The company of the account.
        wanted_to: u64,
    },
    /// It does not fit the two states.
    #[error("{record}: {fact}")]
    Misfit {
        /// The record of the line.
        record: String,
        /// Why it does not fit.
        fact: String,
    },
    /// The archive cannot be read.
    #[error(transparent)]
    Archive(#[from] archive::Error),
}

/// The first line.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    mapping: u32,
    from: u64,
    to: u64,
}

/// Each other line.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    object: String,
    id: String,
    #[serde(default)]
    name: String,
    becomes: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    why: String,
}

impl Mapping {
    /// An empty one: everything is made.
    pub fn between(from: u64, to: u64) -> Mapping {
        Mapping { from, to, ..Mapping::default() }
    }

    /// Says what becomes of a record.
    pub fn set(&mut self, id: RecordId, entry: Entry) {
        self.entries.insert(id, entry);
    }

    /// Whether the record has a line.
    pub fn says(&self, id: &RecordId) -> bool {
        self.entries.contains_key(id)
    }

    /// What becomes of a record.
    pub fn fate(&self, id: &RecordId) -> &Fate {
        self.entries.get(id).map_or(&Fate::Create, |entry| &entry.fate)
    }

    /// The record of the other company that stands for this one.
    pub fn live(&self, id: &RecordId) -> Option<&RecordId> {
        match self.fate(id) {
            Fate::Is(live) => Some(live),
            Fate::Create | Fate::Skip(_) => None,
        }
    }

    /// Every record that has a line, in the order of ids.
    pub fn entries(&self) -> impl Iterator<Item = (&RecordId, &Entry)> {
        self.entries.iter()
    }

    /// Records of the goal with those that stand for them.
    pub fn matched(&self) -> impl Iterator<Item = (&RecordId, &RecordId)> {
        self.entries.keys().filter_map(|id| Some((id, self.live(id)?)))
    }

    /// Records that are left out, and why.
    pub fn skipped(&self) -> impl Iterator<Item = (&RecordId, &str)> {
        self.entries.iter().filter_map(|(id, entry)| match &entry.fate {
            Fate::Skip(why) => Some((id, why.as_str())),
            Fate::Is(_) | Fate::Create => None,
        })
    }

    /// The file.
    pub fn to_text(&self) -> String {
        let json = |value: serde_json::Result<String>| value.expect("it has only text keys") + "\n";
        let mut text = json(serde_json::to_string(&Head { mapping: FORMAT, from: self.from, to: self.to }));
        for (id, Entry { name, fate }) in &self.entries {
            let (becomes, why) = match fate {
                Fate::Is(live) => (live.key.to_string(), String::new()),
                Fate::Create => (CREATE.to_owned(), String::new()),
                Fate::Skip(why) => (SKIP.to_owned(), why.clone()),
            };
            let (object, id) = (id.object.to_string(), id.key.to_string());
            text.push_str(&json(serde_json::to_string(&Line { object, id, name: name.clone(), becomes, why })));
        }
        text
    }

    /// Reads a file.
    pub fn read(text: &str) -> Result<Mapping, NotAMapping> {
        let mut lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
        let at = |line: usize, fact: String| NotAMapping::Line { line: line + 1, fact };
        let (first, head) = lines.next().ok_or_else(|| at(0, "it is empty".to_owned()))?;
        let head: Head = serde_json::from_str(head).map_err(|error| at(first, error.to_string()))?;
        if head.mapping > FORMAT {
            return Err(NotAMapping::Newer(head.mapping));
        }
        let mut mapping = Mapping::between(head.from, head.to);
        for (number, line) in lines {
            let line: Line = serde_json::from_str(line).map_err(|error| at(number, error.to_string()))?;
            let object = catalogue::find(&ObjectName::new(&line.object));
            let object = object.ok_or_else(|| at(number, format!("no object is called {}", line.object)))?;
            let id = RecordId::new(ObjectName::known(object.name), Key::parse(&line.id));
            if mapping.entries.contains_key(&id) {
                return Err(at(number, format!("{id} has a line already")));
            }
            let fate = match line.becomes.as_str() {
                CREATE => Fate::Create,
                SKIP if line.why.is_empty() => Fate::Skip("the mapping leaves it out".to_owned()),
                SKIP => Fate::Skip(line.why),
                key => Fate::Is(RecordId::new(id.object.clone(), Key::parse(key))),
            };
            mapping.set(id, Entry { name: line.name, fate });
        }
        Ok(mapping)
    }

    /// Whether it fits: between these companies, from records of the goal to records that are there.
    pub fn check<S: State>(&self, goal: &S, seen: &S) -> Result<(), NotAMapping> {
        let (from, to) = (goal.manifest().source.company_id, seen.manifest().source.company_id);
        if (self.from, self.to) != (from, to) {
            let Mapping { from: own_from, to: own_to, .. } = *self;
            return Err(NotAMapping::OtherCompanies { from: own_from, to: own_to, wanted_from: from, wanted_to: to });
        }
        let misfit = |id: &RecordId, fact: String| NotAMapping::Misfit { record: id.to_string(), fact };
        let has = |state: &S, id: &RecordId| -> Result<bool, archive::Error> {
            Ok(state.contents(&id.object).is_some() && state.find(id)?.is_some())
        };
        let mut taken: BTreeSet<&RecordId> = BTreeSet::new();
        for id in self.entries.keys() {
            if !has(goal, id)? {
                return Err(misfit(id, "the snapshot does not have it".to_owned()));
            }
        }
        for (id, live) in self.matched() {
            if !has(seen, live)? {
                return Err(misfit(id, format!("the account has no {live} that could stand for it")));
            }
            // Two users may become one, as may two labels; two deals would be one deal with the links of both.
            if !taken.insert(live) && !super::matching::may_become_one(&id.object) {
                return Err(misfit(id, format!("{live} stands for another record already")));
            }
        }
        self.check_within(goal, seen)
    }

    /// A stage must belong to the pipeline that stands for its own, and a phase to such a board.
    fn check_within<S: State>(&self, goal: &S, seen: &S) -> Result<(), NotAMapping> {
        for (object, parent, field) in super::matching::within() {
            for (id, live) in self.matched().filter(|(id, _)| id.object.as_str() == object) {
                let parent_of = |state: &S, id: &RecordId| -> Result<Option<RecordId>, archive::Error> {
                    let key = state.find(id)?.and_then(|record| value_key(record.fields().get(field)?));
                    Ok(key.map(|key| RecordId::new(ObjectName::known(parent), key)))
                };
                let (then, now) = (parent_of(goal, id)?, parent_of(seen, live)?);
                let wanted = then.as_ref().and_then(|then| self.live(then));
                if wanted != now.as_ref() {
                    let fact = format!("{live} belongs to {}, which does not stand for its own", named(now.as_ref()));
                    return Err(NotAMapping::Misfit { record: id.to_string(), fact });
                }
            }
        }
        Ok(())
    }
}

fn named(id: Option<&RecordId>) -> String {
    id.map_or_else(|| "nothing".to_owned(), ToString::to_string)
}
