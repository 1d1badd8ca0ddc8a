//! A capture gone through in thought: what it costs if nothing has changed.
//!
//! The capture itself decides, by the same notes and the same code: which way a list is read (`way.rs`), which parents
//! are asked (`family.rs`), which fields and contents are fetched again (`extended.rs`, `contents.rs`), and what share
//! of the budget that leaves. Only what the pages would say is said by what is known already: the notes of a capture
//! that is not at its end, the snapshot below, or the two ends of a list (`counting.rs`). Nothing is asked, and the notes are
//! afterwards as they were.

use std::collections::{HashMap, HashSet};

use serde::Serialize;

use super::Error;
use super::counting::{Bound, Counted};
use super::family::parents_a_call;
use super::heads::Heads;
use super::held::Held;
use super::notes::Phase;
use super::run::{Run, follows_twin, is_flat};
use super::shape;
use super::way::{self, Way};
use crate::archive::{self, Coverage};
use crate::catalogue::{self, Deletions, KeyIn, Listing, Object, ObjectName, Paging};
use crate::record::{Key, RecordId};

/// Keys of records that nobody has seen yet; no service gives out such numbers.
const IMAGINED: u64 = 1 << 52;

/// How the price of an object is known, from the surest to the least sure.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Basis {
    /// It does not depend on how much there is, or it was counted already.
    Known,
    /// The last snapshot says how much there was.
    Snapshot,
    /// The two ends of a list were looked at.
    Counted,
    /// At most: no parent has told yet whether there is anything under it.
    AtMost,
    /// At least: how much there is nobody can tell before it is read.
    AtLeast,
}

/// What one object will cost.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Expected {
    /// The object.
    pub object: &'static str,
    /// Its requests.
    pub requests: u64,
    /// Their tokens.
    pub tokens: u64,
    /// How that is known.
    pub basis: Basis,
    /// Tokens of parents that have their first look in later snapshots.
    pub later: u64,
}

/// Requests and their tokens.
#[derive(Clone, Copy, Default)]
struct Price {
    requests: u64,
    tokens: u64,
}

impl Price {
    fn add(&mut self, requests: u64, price: u32) {
        self.requests += requests;
        self.tokens += requests * u64::from(price);
    }
}

/// A rehearsal under way.
struct Rehearsal<'r, 'a> {
    run: &'r Run<'a>,
    counted: &'r Counted,
    bound: Bound,
    /// How the number of an object's records is known.
    known: HashMap<&'static str, Basis>,
    /// Contents to be fetched, by the object that has them.
    awaited: HashMap<&'static str, u64>,
    expected: Vec<Expected>,
}

impl Run<'_> {
    /// What is left of this capture, object by object in the order of the catalogue.
    pub(super) fn rehearse(&self, counted: &Counted, bound: Bound) -> Result<Vec<Expected>, Error> {
        let notes = self.desk().notes.clone();
        let (known, awaited, expected) = (HashMap::new(), HashMap::new(), Vec::new());
        let expected = Rehearsal { run: self, counted, bound, known, awaited, expected }.everything();
        self.desk().notes = notes;
        self.foreseen.set(0);
        let mut expected = expected?;
        expected.sort_by_key(|expected| catalogue::ALL.iter().position(|object| object.name == expected.object));
        Ok(expected)
    }
}

impl Rehearsal<'_, '_> {
    fn everything(mut self) -> Result<Vec<Expected>, Error> {
        let run = self.run;
        let wanted = || catalogue::ALL.iter().copied().filter(|object| run.wants(object));
        for later in [false, true] {
            for object in wanted().filter(|object| is_flat(object) && follows_twin(object) == later) {
                self.list(object)?;
            }
        }
        for object in wanted() {
            match object.listing {
                Listing::Flat(_) | Listing::Within { .. } => {}
                Listing::Under { .. } | Listing::Bulk { .. } => self.children(object)?,
                Listing::Derived { from } => self.contents(object, from)?,
            }
        }
        Ok(self.expected)
    }

    /// Goes on as if this were spent.
    fn expect(&mut self, object: &'static Object, price: Price, basis: Basis, later: u64) {
        let run = self.run;
        run.desk().notes.progress(object.name).phase = Phase::Read;
        run.foreseen.set(run.foreseen.get() + price.tokens);
        let Price { requests, tokens } = price;
        // What may cost something is named, too.
        self.expected.extend((requests + later > 0 || basis == Basis::AtLeast).then_some(Expected {
            object: object.name,
            requests,
            tokens,
            basis,
            later,
        }));
    }

    fn list(&mut self, object: &'static Object) -> Result<(), Error> {
        let run = self.run;
        let turned = run.desk().notes.progress(object.name).pages;
        if !run.set_out(object) {
            self.known.insert(object.name, Basis::Known);
            return Ok(());
        }
        let way = run.desk().notes.progress(object.name).way.unwrap_or(Way::Walk);
        let (basis, records) = self.records(object);
        self.known.insert(object.name, basis);
        let mut price = Price::default();
        match way {
            Way::Walk => price.add(way::pages(object, records).saturating_sub(turned).max(1), object.price),
            Way::Since(_) => price.add(1 + u64::from(matches!(object.deletions, Deletions::Listed(..))), object.price),
            // Top and tail of each part.
            Way::Top => price.add(2 * object.parts.map_or(1, |parts| parts.values.len()) as u64, object.price),
        }
        let mut sure = basis;
        if way == Way::Walk {
            self.extended_of_list(object, basis, &mut price)?;
            self.note_parents(object, basis, records)?;
            self.await_contents(object, basis, records)?;
            let one_page = matches!(way::paging(object), Paging::Whole | Paging::One);
            if one_page && object.extended.is_empty() {
                sure = Basis::Known;
            }
        }
        self.expect(object, price, sure, 0);
        Ok(())
    }

    /// How many records a list has, and how that is known.
    fn records(&self, object: &Object) -> (Basis, u64) {
        let below = self.run.held(object.name);
        let below = below.filter(|below| !matches!(below.coverage, Coverage::LeftOut { .. }) || below.records > 0);
        match (below, self.counted.get(object.name)) {
            (Some(below), _) => (Basis::Snapshot, below.records),
            (None, Some(ends)) => {
                let records = ends.records(self.bound);
                let exact = ends.records(Bound::AtLeast) == ends.records(Bound::AtMost);
                (if exact { Basis::Known } else { Basis::Counted }, records)
            }
            (None, None) => (Basis::AtLeast, 0),
        }
    }

    /// The calls for each row that bring what a list leaves out.
    fn extended_of_list(&self, object: &'static Object, basis: Basis, price: &mut Price) -> Result<(), Error> {
        let run = self.run;
        let Some(base) = run.base.as_ref().filter(|_| !object.extended.is_empty() && basis == Basis::Snapshot) else {
            return Ok(());
        };
        let mut asked = 0;
        let name = ObjectName::known(object.name);
        for record in base.records(&name)? {
            let below = match record {
                // What is stored a key that only puts may not read, so it asks for every row.
                Err(archive::Error::NeedsKey { .. }) if run.wanted.extended => {
                    asked = base.contents(&name).map_or(0, |contents| contents.records);
                    break;
                }
                Err(archive::Error::NeedsKey { .. }) => break,
                below => below?,
            };
            let row = shape::without_extended(&below, object.extended);
            asked += u64::from(run.wanted.extended && !run.still_holds(object, &below, &row));
        }
        object.extended.iter().for_each(|extended| price.add(asked, extended.price));
        Ok(())
    }

    /// Notes what the rows of a list would say of their children.
    fn note_parents(&self, object: &'static Object, basis: Basis, records: u64) -> Result<(), Error> {
        let run = self.run;
        let children = catalogue::ALL.iter().filter(|child| child.parents().contains(&object.name) && run.wants(child));
        for child in children {
            let heads = match (basis, self.counted.get(object.name)) {
                (Basis::Snapshot, _) => self.parents_below(object, child)?,
                (_, Some(ends)) => {
                    let told = ends.counts.iter().find(|(name, _)| *name == child.name);
                    imagined(told.map_or(&[][..], |(_, counts)| counts), records)
                }
                _ => continue,
            };
            let mut desk = run.desk();
            let noted = desk.notes.heads.entry(child.name.to_owned()).or_default();
            noted.entry(object.name.to_owned()).or_default().join(heads);
        }
        Ok(())
    }

    /// The parents in the snapshot below. Their counters are not kept, so the children held are counted.
    fn parents_below(&self, parent: &Object, child: &'static Object) -> Result<Heads, Error> {
        let (run, mut heads) = (self.run, Heads::default());
        let Some(base) = &run.base else { return Ok(heads) };
        let teller = teller(child).filter(|teller| self.was_read(teller));
        let mut held = Held::default();
        if let Some(teller) = teller {
            for (parent, key) in run.parent_in(teller, base)? {
                parent.into_iter().for_each(|parent| held.note(parent, key.clone()));
            }
            held.settle();
        }
        for key in base.keys(&ObjectName::known(parent.name))? {
            let key = key?;
            let count = teller.map(|_| held.count(&key) as u32);
            let count = count.filter(|count| child.counter().is_some() || *count == 0);
            heads.note(&key, count, false);
        }
        Ok(heads)
    }

    /// Whether the snapshot below tells how many there are.
    fn was_read(&self, object: &Object) -> bool {
        self.run.held(object.name).is_some_and(|below| match below.coverage {
            Coverage::Whole | Coverage::Part { .. } => true,
            // What an earlier snapshot saw is carried over.
            Coverage::LeftOut { .. } => below.records > 0 || below.deletions_seen_at.is_some(),
            Coverage::NotOffered { .. } => false,
        })
    }

    /// Whether the first question is likely to be the last: it was refused before, or the service has removed it.
    fn is_refused(&self, object: &Object) -> bool {
        self.was_refused(object) || self.is_untried(object)
    }

    fn was_refused(&self, object: &Object) -> bool {
        self.run.held(object.name).is_some_and(|below| matches!(below.coverage, Coverage::NotOffered { .. }))
    }

    /// Whether nobody has tried yet if this account still answers for it.
    fn is_untried(&self, object: &Object) -> bool {
        object.is_removed() && !self.was_read(object) && !self.was_refused(object)
    }

    fn children(&mut self, object: &'static Object) -> Result<(), Error> {
        let run = self.run;
        if !run.set_out(object) {
            self.known.insert(object.name, Basis::Known);
            return Ok(());
        }
        let family = run.family(object)?;
        let heads = run.heads(object)?.0;
        let (after, ahead) = {
            let mut desk = run.desk();
            let progress = desk.notes.progress(object.name);
            (progress.after.as_deref().map(Key::parse), progress.ahead)
        };
        let ask: Vec<&Key> = family.ask.iter().filter(|key| after.as_ref().is_none_or(|after| *key > after)).collect();
        let of = |key: &Key| {
            let told = heads.find(key).and_then(|head| head.count).map_or(0, u64::from);
            told.max(family.held.count(key) as u64)
        };
        let mut price = Price::default();
        for chunk in ask.chunks(parents_a_call(object)) {
            price.add(pages_under(object, chunk.iter().map(|key| of(key)).sum()), object.price);
        }
        if self.is_refused(object) {
            // The first question tells that it still is.
            price = Price::default();
            price.add(u64::from(!ask.is_empty()), object.price);
        }
        let basis = self.basis_under(object);
        self.known.insert(object.name, basis);
        if run.wanted.extended && !object.extended.is_empty() {
            let rows = self.extended_under(object, &ask, &family.held)?;
            let rows = if run.held(object.name).is_some() { rows } else { ask.iter().map(|key| of(key)).sum() };
            object.extended.iter().for_each(|extended| price.add(rows, extended.price));
        }
        self.await_contents_under(object, &ask, &family.held)?;
        self.note_grandparents(object, &ask, &family.held);
        self.expect(object, price, basis, ahead * u64::from(object.price));
        Ok(())
    }

    /// How the price of children is known: as their parents are, unless nobody ever looked under these.
    fn basis_under(&self, object: &'static Object) -> Basis {
        let parents = object.parents().iter().filter_map(|parent| self.known.get(parent));
        let basis = parents.copied().max().unwrap_or(Basis::Known);
        let told = teller(object).is_none_or(|teller| basis != Basis::Snapshot || self.was_read(teller));
        match told {
            _ if self.is_untried(object) => Basis::AtLeast,
            true => basis,
            false => basis.max(Basis::AtMost),
        }
    }

    /// Rows under parents that are asked for what their list leaves out.
    fn extended_under(&self, object: &'static Object, ask: &[&Key], held: &Held) -> Result<u64, Error> {
        let (run, mut rows) = (self.run, 0);
        let Some(base) = &run.base else { return Ok(0) };
        for key in ask.iter().flat_map(|parent| held.under(parent)) {
            let below = match base.find(&RecordId::new(ObjectName::known(object.name), key)) {
                Err(archive::Error::NeedsKey { .. }) => {
                    rows += 1;
                    continue;
                }
                below => below?,
            };
            let Some(below) = below else { continue };
            let row = shape::without_extended(&below, object.extended);
            rows += u64::from(!run.still_holds(object, &below, &row));
        }
        Ok(rows)
    }

    /// What the children that are read say of what hangs on them in turn.
    fn note_grandparents(&self, object: &'static Object, ask: &[&Key], held: &Held) {
        let run = self.run;
        for child in catalogue::ALL.iter().filter(|child| child.parents().contains(&object.name) && run.wants(child)) {
            let mut heads = Heads::default();
            ask.iter().flat_map(|parent| held.under(parent)).for_each(|key| heads.note(&key, None, false));
            let mut desk = run.desk();
            let noted = desk.notes.heads.entry(child.name.to_owned()).or_default();
            noted.entry(object.name.to_owned()).or_default().join(heads);
        }
    }

    /// Contents of the records of a list.
    fn await_contents(&mut self, object: &'static Object, basis: Basis, records: u64) -> Result<(), Error> {
        let run = self.run;
        let Some(contents) = object.contents.filter(|_| run.wanted.contents) else { return Ok(()) };
        let awaited = match (&run.base, basis) {
            (Some(base), Basis::Snapshot) if !run.wanted.full => {
                let stored = self.contents_below(contents.object)?;
                let mut awaited = 0;
                for key in base.keys(&ObjectName::known(object.name))? {
                    awaited += u64::from(!stored.contains(&key?));
                }
                awaited
            }
            _ => records,
        };
        self.awaited.insert(object.name, awaited);
        Ok(())
    }

    /// Contents of the children of the parents that are asked.
    fn await_contents_under(&mut self, object: &'static Object, ask: &[&Key], held: &Held) -> Result<(), Error> {
        let run = self.run;
        let Some(contents) = object.contents.filter(|_| run.wanted.contents) else { return Ok(()) };
        let stored = if run.wanted.full { HashSet::new() } else { self.contents_below(contents.object)? };
        let keys = ask.iter().flat_map(|parent| held.under(parent));
        let awaited = match run.held(object.name) {
            Some(_) => keys.filter(|key| !stored.contains(key)).count(),
            // Each that is asked has at most one.
            None => ask.len(),
        };
        self.awaited.insert(object.name, awaited as u64);
        Ok(())
    }

    /// Of which records the snapshot below has the contents.
    fn contents_below(&self, object: &'static str) -> Result<HashSet<Key>, Error> {
        let Some(base) = &self.run.base else { return Ok(HashSet::new()) };
        Ok(base.keys(&ObjectName::known(object))?.collect::<Result<_, _>>()?)
    }

    fn contents(&mut self, object: &'static Object, from: &'static str) -> Result<(), Error> {
        let run = self.run;
        let owner = catalogue::find(&ObjectName::known(from));
        let Some((owner, contents)) = owner.and_then(|owner| Some((owner, owner.contents.as_ref()?))) else {
            return Ok(());
        };
        if !run.set_out(object) {
            return Ok(());
        }
        let listed = run.kept_and_missing(object, owner, contents)?.1.len() as u64;
        let mut price = Price::default();
        price.add(listed + self.awaited.remove(from).unwrap_or(0), contents.price);
        let basis = self.known.get(from).copied().unwrap_or(Basis::Known);
        self.expect(object, price, basis, 0);
        Ok(())
    }
}

/// The object whose records the field counts by which a parent tells that there is nothing to read under it.
fn teller(child: &'static Object) -> Option<&'static Object> {
    let Some(gate) = child.gate.filter(|_| child.counter().is_none()) else { return child.counter().map(|_| child) };
    let counts = |other: &&&Object| other.counter() == Some(gate) && other.parents() == child.parents();
    Some(catalogue::ALL.iter().find(counts).copied().unwrap_or(child))
}

/// Parents that nobody has seen, who count as those do that were seen.
fn imagined(counts: &[Option<u32>], records: u64) -> Heads {
    let mut heads = Heads::default();
    for at in 0..records {
        let count = counts.get(at as usize % counts.len().max(1)).copied().flatten();
        heads.note(&Key::Number(IMAGINED + at), count, true);
    }
    heads
}

/// Pages of one call's list of so many children.
fn pages_under(object: &Object, children: u64) -> u64 {
    match way::paging(object) {
        // What is known of a history ends its first page.
        _ if object.key == KeyIn::ParentAndDigest => 1,
        Paging::Cursor { limit } | Paging::Offset { limit } => children.div_ceil(u64::from(limit).max(1)).max(1),
        Paging::Whole | Paging::One => 1,
    }
}
