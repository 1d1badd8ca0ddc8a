//! The account: its rows, its clock, its luck, and what every handler needs of them.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, TimeDelta, Utc};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use serde_json::{Map, Value};

use crate::sandbox::answer::{Answer, invalid, not_found};
use crate::sandbox::assume::Assumptions;
use crate::sandbox::check::Rigour;
use crate::sandbox::clock::{self, Clock};
use crate::sandbox::contract::Contract;
use crate::sandbox::counters;
use crate::sandbox::kinds::{KINDS, Kind, position};
use crate::sandbox::row::{Content, Id, Sink};
use crate::sandbox::store::{Store, id_of};

/// How long a soft-deleted row stays. api/objects.md: purged after 30 days.
const KEPT_DAYS: i64 = 30;

/// The account of one sandbox.
pub(super) struct Account {
    pub(super) store: Store,
    pub(super) contents: HashMap<(&'static str, Id), Content>,
    pub(super) clock: Clock,
    pub(super) assume: Assumptions,
    pub(super) tolerant: bool,
    /// Answers the calls that were taken away.
    pub(super) legacy: bool,
    /// The number of the company.
    pub(super) company: u64,
    /// The user whom the token belongs to.
    pub(super) me: u64,
    /// Call logs that were deleted: they answer 410.
    pub(super) gone_calls: BTreeSet<String>,
    /// Where the sandbox answers, for addresses inside answers.
    pub(super) url: String,
    /// What was changed in deals, persons and organizations, oldest first.
    pub(super) history: HashMap<(&'static str, Id), Vec<Value>>,
    chance: ChaCha8Rng,
    next: BTreeMap<&'static str, u64>,
    purged: DateTime<Utc>,
}

impl Account {
    /// An account without any row.
    pub(super) fn empty(contract: &Contract, seed: u64, now: DateTime<Utc>, assume: Assumptions) -> Self {
        let odd = assume.yes("odd").then_some(seed);
        Self {
            store: Store::new(odd, |kind| contract.optional(kind)),
            contents: HashMap::new(),
            clock: Clock::starting(now),
            assume,
            tolerant: false,
            legacy: false,
            company: 0,
            me: 0,
            gone_calls: BTreeSet::new(),
            url: String::new(),
            history: HashMap::new(),
            chance: ChaCha8Rng::seed_from_u64(seed ^ 0x5eed),
            next: BTreeMap::new(),
            purged: now,
        }
    }

    /// Finds the user of the token: the first administrator, as the one who made the account.
    pub(super) fn sign_in(&mut self) {
        let users = &self.store.table("users").rows;
        let mine = users.iter().find(|(_, row)| row.member("is_you") == Some("true")).or_else(|| users.iter().next());
        self.me = mine.and_then(|(_, row)| row.number("id")).unwrap_or(1);
    }

    /// How strictly requests are checked.
    pub(super) fn rigour(&self) -> Rigour<'_> {
        Rigour { assume: &self.assume, tolerant: self.tolerant }
    }

    /// The time as rows of the kind write it.
    pub(super) fn stamp(&self, kind: &str) -> String {
        clock::written(self.clock.now(), facts(kind).times)
    }

    /// A number that nobody can guess but the seed.
    pub(super) fn random(&mut self) -> u64 {
        self.chance.next_u64()
    }

    /// Random hex digits.
    pub(super) fn random_hex(&mut self, digits: usize) -> String {
        let mut bytes = vec![0; digits.div_ceil(2)];
        self.chance.fill_bytes(&mut bytes);
        hex::encode(bytes)[..digits].to_owned()
    }

    /// A random UUID.
    pub(super) fn random_uuid(&mut self) -> String {
        let mut bytes = [0; 16];
        self.chance.fill_bytes(&mut bytes);
        uuid::Builder::from_random_bytes(bytes).into_uuid().to_string()
    }

    /// An id that was never used. The first of a table starts somewhere, so that an id of one account never means a row of another.
    pub(super) fn next_id(&mut self, kind: &str) -> u64 {
        let used = self.next.get(kind).copied().max(self.store.table(kind).highest);
        let next = match used {
            Some(used) => used + 1 + self.random() % 3,
            None => 100 + self.random() % 9_000,
        };
        self.next.insert(facts(kind).name, next);
        next
    }

    /// The row, or 404.
    pub(super) fn row(&self, kind: &str, id: &Id) -> Result<Map<String, Value>, Answer> {
        self.store.get(kind, id).ok_or_else(|| not_found(facts(kind)))
    }

    /// The row if it is not deleted, or 404.
    pub(super) fn live(&self, kind: &str, id: &Id) -> Result<Map<String, Value>, Answer> {
        if self.is_live(kind, id) { self.row(kind, id) } else { Err(not_found(facts(kind))) }
    }

    /// Whether there is such a row, not deleted.
    pub(super) fn is_live(&self, kind: &str, id: &Id) -> bool {
        self.store.table(kind).rows.get(id).is_some_and(|row| !row.deleted)
    }

    /// Refuses ids that point to nothing, unless the sandbox assumes that nobody checks.
    pub(super) fn check_link(&self, member: &str, kind: &str, value: &Value) -> Result<(), Answer> {
        if value.is_null() || self.assume.is("references", "unchecked") {
            return Ok(());
        }
        match id_of(value) {
            Some(id) if self.is_live(kind, &id) => Ok(()),
            _ => Err(invalid(member, &format!("{} does not exist", facts(kind).one))),
        }
    }

    /// Writes a row and brings the counters of everything it points to (and pointed to) up to date.
    pub(super) fn write(&mut self, kind: &str, id: &Id, row: &Map<String, Value>) {
        let mut touched = self.parents(kind, id);
        self.store.put(kind, id.clone(), row);
        touched.extend(self.parents(kind, id));
        self.recount(kind, touched);
    }

    /// Takes a row out for good, counters included.
    pub(super) fn erase(&mut self, kind: &str, id: &Id) {
        let touched = self.parents(kind, id);
        self.store.remove(kind, id);
        self.contents.remove(&(facts(kind).name, id.clone()));
        self.recount(kind, touched);
    }

    fn recount(&mut self, kind: &str, mut parents: Vec<(&'static str, Id)>) {
        parents.sort();
        parents.dedup();
        for (parent_kind, parent) in parents {
            counters::recount(self, parent_kind, &parent, kind);
        }
    }

    /// The rows that a row points to.
    fn parents(&self, kind: &str, id: &Id) -> Vec<(&'static str, Id)> {
        let table = self.store.table(kind);
        let Some(row) = table.rows.get(id) else { return Vec::new() };
        let target = |(member, target): &(&'static str, &'static str)| {
            if let Id::Pair(parent, _) = id {
                return Some((*target, Id::Number(*parent)));
            }
            let value: Value = serde_json::from_str(row.member(member)?).ok()?;
            Some((*target, id_of(&value)?))
        };
        table.kind.links.iter().filter_map(target).collect()
    }

    /// The contents of a row of the kind.
    pub(super) fn bytes(&self, kind: &'static str, id: &Id) -> Option<bytes::Bytes> {
        Some(match self.contents.get(&(kind, id.clone()))? {
            Content::Bytes(bytes) => bytes.clone(),
            Content::Made { seed, size, mime } => crate::sandbox::made_bytes(*seed, *size, mime),
        })
    }

    /// Takes out what was deleted 30 days ago. Asked before every request; looks once an hour of the sandbox's time.
    pub(super) fn purge(&mut self) {
        let now = self.clock.now();
        if (now - self.purged).abs() < TimeDelta::hours(1) {
            return;
        }
        self.purged = now;
        let last = (now - TimeDelta::days(KEPT_DAYS)).timestamp();
        for kind in KINDS {
            let table = self.store.table(kind.name);
            let due: Vec<Id> = table.deleted.iter().filter(|id| table.rows[*id].updated <= last).cloned().collect();
            for id in due {
                self.erase_whole(kind.name, &id);
            }
        }
    }

    /// Takes a row out with everything that cannot live without it.
    pub(super) fn erase_whole(&mut self, kind: &str, id: &Id) {
        for child_kind in KINDS.iter().filter(|child| child.links.first().is_some_and(|(_, target)| *target == kind)) {
            if !dies_with_parent(child_kind.name) {
                continue;
            }
            for (member, _) in child_kind.links.iter().filter(|(_, target)| *target == kind) {
                let children: Vec<Id> = self.store.children(child_kind.name, member, id).cloned().collect();
                for child in children {
                    self.store.remove(child_kind.name, &child);
                    self.contents.remove(&(child_kind.name, child));
                }
            }
        }
        self.erase(kind, id);
    }
}

/// Kinds whose rows are parts of another row, followers apart.
const UNDER: &[&str] = &[
    "dealProducts",
    "dealParticipants",
    "mailMessages",
    "dealDiscounts",
    "dealInstallments",
    "organizationRelationships",
    "personPictures",
    "productVariations",
    "productImages",
    "noteComments",
];

/// Whether rows of the kind go with the row they hang on (their first link).
pub(super) fn dies_with_parent(kind: &str) -> bool {
    UNDER.contains(&kind) || kind.ends_with("Followers")
}

/// The facts of a kind that is known to exist.
pub(super) fn facts(kind: &str) -> &'static Kind {
    &KINDS[position(kind).unwrap_or_else(|| panic!("`{kind}` is not a kind of the sandbox"))]
}

impl Sink for Account {
    fn row(&mut self, kind: &'static str, id: Id, row: &Map<String, Value>) {
        self.store.put(kind, id, row);
    }

    fn content(&mut self, kind: &'static str, id: Id, content: Content) {
        self.contents.insert((kind, id), content);
    }
}
