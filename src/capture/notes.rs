//! What a capture knows of itself, kept with each checkpoint: a killed run is taken up from here.

use std::collections::{BTreeMap, VecDeque};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::Wanted;
use super::heads::Heads;
use super::sweep::Looked;
use super::way::Way;
use crate::account::Position;
use crate::catalogue::Object;

/// More gaps than this are counted, not listed.
const GAPS_LISTED: usize = 100;

/// The notes of an unfinished capture.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Notes {
    /// What was asked for; another question begins anew.
    pub(super) asked: Asked,
    /// When the capture began.
    pub(super) started: DateTime<Utc>,
    /// When these notes were put on disk.
    pub(super) saved: DateTime<Utc>,
    /// Requests and tokens of the runs before this one.
    pub(super) requests: u64,
    pub(super) tokens: u64,
    /// It stands on nothing, or on what it published itself when its budget was spent.
    #[serde(default)]
    pub(super) first: bool,
    /// The lists were read and caught up with; from here on they stay as they are.
    pub(super) lists_settled: bool,
    /// How far each object is, by its name.
    pub(super) objects: BTreeMap<String, Progress>,
    /// What parents said of their children: child's name, parent's name.
    pub(super) heads: BTreeMap<String, BTreeMap<String, Heads>>,
    /// Contents still to be fetched, by the object that has them.
    pub(super) downloads: BTreeMap<String, VecDeque<Download>>,
}

/// The part of [`Wanted`] on which the meaning of what was stored depends.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Asked {
    objects: Vec<String>,
    #[serde(default)]
    anew: Vec<String>,
    #[serde(default)]
    also: Vec<String>,
    full: bool,
    custom_fields: bool,
    extended: bool,
    contents: bool,
}

impl Asked {
    pub(super) fn of(wanted: &Wanted) -> Asked {
        let Wanted { objects, anew, also, full, custom_fields, extended, contents, sweep: _, aside: _, on_the_way: _ } =
            wanted;
        let names = |objects: &[&Object]| objects.iter().map(|object| object.name.to_owned()).collect();
        Asked {
            objects: names(objects),
            anew: names(anew),
            also: names(also),
            full: *full,
            custom_fields: *custom_fields,
            extended: *extended,
            contents: *contents,
        }
    }
}

impl Notes {
    /// The notes of a capture that begins.
    pub(super) fn new(wanted: &Wanted, now: DateTime<Utc>) -> Notes {
        Notes {
            asked: Asked::of(wanted),
            started: now,
            saved: now,
            requests: 0,
            tokens: 0,
            first: false,
            lists_settled: false,
            objects: BTreeMap::new(),
            heads: BTreeMap::new(),
            downloads: BTreeMap::new(),
        }
    }

    /// How far an object is.
    pub(super) fn progress(&mut self, object: &str) -> &mut Progress {
        self.objects.entry(object.to_owned()).or_default()
    }

    /// True once nothing more is to be read of the object.
    pub(super) fn is_read(&self, object: &str) -> bool {
        self.objects.get(object).is_some_and(|progress| progress.phase == Phase::Read)
    }
}

/// How far one object is.
#[derive(Clone, Default, Debug, Serialize, Deserialize)]
pub(super) struct Progress {
    pub(super) phase: Phase,
    pub(super) way: Option<Way>,
    /// When its list was begun; the next increment's watermark follows from it.
    pub(super) started: Option<DateTime<Utc>>,
    /// Which of the catalogue's questions the list is being asked.
    #[serde(default)]
    pub(super) question: usize,
    /// The next page, if the list was left in the middle.
    pub(super) position: Option<Position>,
    /// The part of the list that is being read.
    #[serde(default)]
    pub(super) part: usize,
    pub(super) pages: u64,
    /// Records met, each once.
    pub(super) listed: u64,
    /// Records carried over without being looked at.
    pub(super) carried: u64,
    /// Rows that were no records.
    pub(super) bad: u64,
    /// Parents whose lists could not be read, and records whose extended fields could not.
    pub(super) unread: u64,
    /// The last parent whose children were read.
    pub(super) after: Option<String>,
    /// How many parents the sweep takes this time, decided once.
    #[serde(default)]
    pub(super) sweep: Option<usize>,
    /// Parents that were never asked, and are not asked this time either.
    #[serde(default)]
    pub(super) ahead: u64,
    /// Parents whose children could not be read: the next sweep begins with them.
    #[serde(default)]
    pub(super) owed: Vec<String>,
    /// Records of two parents that one of them does not show: to be asked for one by one.
    #[serde(default)]
    pub(super) missing: Vec<String>,
    /// When the parents were looked at, once they were.
    #[serde(default)]
    pub(super) looked: Option<Looked>,
    pub(super) gaps: Vec<String>,
    /// Gaps beyond those listed.
    pub(super) more_gaps: u64,
    pub(super) failure: Option<Failure>,
}

impl Progress {
    /// Records something that could not be stored.
    pub(super) fn gap(&mut self, text: String) {
        if self.gaps.len() < GAPS_LISTED {
            self.gaps.push(text);
        } else {
            self.more_gaps += 1;
        }
    }

    /// The gaps as a snapshot lists them.
    pub(super) fn all_gaps(&self) -> Vec<String> {
        let more = (self.more_gaps > 0).then(|| format!("and {} more", self.more_gaps));
        self.gaps.iter().cloned().chain(more).collect()
    }
}

/// What is done about an object next.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) enum Phase {
    /// Nothing was asked yet.
    #[default]
    Waiting,
    /// Its records are being listed.
    Rows,
    /// Its deleted records are being listed.
    Deleted,
    /// Nothing more, be it that it is complete or that it failed.
    Read,
}

/// Why an object could not be read to its end.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) enum Failure {
    /// The account does not have it.
    NotOffered(String),
    /// The service answered something that is no list.
    Part(String),
    /// No answer came; it may be asked again.
    Unreachable(String),
}

impl Failure {
    /// The reason in words.
    pub(super) fn reason(&self) -> &str {
        match self {
            Failure::NotOffered(reason) | Failure::Part(reason) | Failure::Unreachable(reason) => reason,
        }
    }
}

/// Contents to fetch, with the facts by which a newer version is told from this one.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Download {
    /// The record's key, as printed.
    pub(super) key: String,
    pub(super) version: [serde_json::Value; 2],
    /// Where they are, if the row says so.
    #[serde(default)]
    pub(super) address: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_gaps_the_first_are_listed_and_the_rest_counted() {
        let mut progress = Progress::default();
        (0..150).for_each(|at| progress.gap(format!("row {at}")));
        let gaps = progress.all_gaps();
        assert_eq!((gaps.len(), gaps.last().map(String::as_str)), (101, Some("and 50 more")));
    }

    #[test]
    fn notes_survive_a_checkpoint() {
        let mut notes = Notes::new(&Wanted::default(), "2026-11-02T02:00:00Z".parse().expect("a time"));
        notes.progress("deals").position = Some(Position::Cursor("eyJ".into()));
        let value = serde_json::to_value(&notes).expect("notes are JSON");
        let mut again: Notes = serde_json::from_value(value).expect("notes");
        assert_eq!(again.progress("deals").position, Some(Position::Cursor("eyJ".into())));
        assert!(again.asked == notes.asked && !again.is_read("deals"));
    }
}
