//! Which parents are asked for their children, and what becomes of the children held.
//!
//! The parents' counters, noted while they were listed (`heads.rs`), decide:
//!
//! 1. A parent that counts no children is not asked; what was held under it is gone.
//! 2. A parent that is new or changed is asked.
//! 3. A parent whose counter differs from what the snapshot below holds is asked.
//! 4. Of all other parents the sweep takes a share, those looked at longest ago first (`sweep.rs`, `way.rs`).
//!    Of parents that say nothing and were never asked it takes all, or what half of the day's budget bears.
//! 5. What is left is carried over, and the snapshot says how much was not looked at again, and since when.
//!
//! What nobody can write, such as mails, is not swapped behind an equal counter, so it is not swept; and an edit of a
//! deal says nothing about its mails. Parents that could not be read the last time are asked again.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use super::Error;
use super::heads::{Head, Heads};
use super::held::Held;
use super::notes::Failure;
use super::outline::to_parents;
use super::run::Run;
use super::sweep::Looked;
use super::way::{self, Way};
use crate::archive::{Outline, Snapshot};
use crate::catalogue::{self, Dml, Listing, Object, ObjectName};
use crate::record::Key;

/// What is done about the children of one object.
pub(super) struct Family {
    /// When every parent will have been looked at, after this; none when that is not known.
    pub(super) looked: Option<Looked>,
    /// The parents to ask, in key order.
    pub(super) ask: Vec<Key>,
    /// What the snapshot below holds under each of them.
    pub(super) held: Held,
    /// Held children that are gone because their parent is, or has none.
    pub(super) gone: Vec<Key>,
    /// Held children of two parents, one of which is gone.
    pub(super) widowed: Vec<Key>,
    /// Held children that are carried over without being looked at.
    pub(super) carried: u64,
}

impl Run<'_> {
    /// The parent that a held record belongs to: its key names it, or the field that points to it.
    pub(super) fn parent_in(
        &self,
        object: &'static Object,
        base: &Snapshot<'_>,
    ) -> Result<Vec<(Option<Key>, Key)>, Error> {
        let name = ObjectName::known(object.name);
        let mut found = Vec::new();
        let Some(field) = object.parent_field() else {
            for key in base.keys(&name)? {
                let key = key?;
                found.push((key.parent(), key));
            }
            return Ok(found);
        };
        for outline in base.outlines(&name)? {
            let Outline { key, fields } = outline?;
            let parent = fields.get(field).and_then(|value| match value {
                Value::Number(number) => number.as_u64().map(Key::Number),
                Value::String(text) => Some(Key::parse(text)),
                _ => None,
            });
            found.push((parent, key));
        }
        Ok(found)
    }

    /// Decides which parents are asked and what becomes of the children held.
    pub(super) fn family(&self, object: &'static Object) -> Result<Family, Error> {
        let (heads, complete) = self.heads(object)?;
        let now = self.now();
        let below = self.below(object);
        let mut family = self.nest(object, &heads, complete)?;
        let started = self.desk().notes.progress(object.name).started.unwrap_or(now);
        let anew = self.fully(object) || self.wanted.anew.iter().any(|one| one.name == object.name);
        // Of parents that say nothing, the first look may take more than a day.
        let first = below.is_none() && !anew && self.may_roll(object);
        let (mut looked, all) = match below {
            Some(looked) if !anew => (looked, false),
            _ if first => (Looked::none(), false),
            _ => (Looked::all(started), true),
        };
        let counter_alone = counter_alone(object);
        let (mut due, mut idle) = (Vec::new(), Vec::new());
        for head in heads.iter() {
            let children = family.held.count(&head.key);
            // A gate says that there is likely nothing to find, a counter that there is nothing.
            if head.count == Some(0) && (object.gate.is_none() || children == 0) {
                family.gone.extend(family.held.under(&head.key));
            } else if all || !first && must_ask(&head, children, counter_alone) || looked.owes(&head.key) {
                due.push(head.key);
            } else {
                idle.push(head.key);
            }
        }
        let taken = self.swept(object, &mut looked, (&due, &idle), started);
        let taken_set: HashSet<&Key> = taken.iter().collect();
        let left = idle.iter().filter(|parent| !taken_set.contains(parent));
        family.carried += left.map(|parent| family.held.count(parent) as u64).sum::<u64>();
        self.desk().notes.progress(object.name).ahead = looked.ahead(&idle) as u64;
        due.extend(taken);
        due.sort_unstable();
        family.ask = due;
        // Where not every parent is known, the ranges of keys say nothing of the others.
        family.looked = Some(looked).filter(|_| complete || object.gate.is_none());
        Ok(family)
    }

    /// When the parents were looked at, as far as an increment can stand on the snapshot below.
    fn below(&self, object: &'static Object) -> Option<Looked> {
        let base = self.held(object.name)?;
        let looked = self.base.as_ref().and_then(|base| Looked::of(base.manifest(), object.name));
        let since = base.deletions_seen_at.unwrap_or(base.seen_at);
        let whole = way::stands(base, &self.without(object)).then(|| Looked::all(since));
        // Where some parents could not be read, the ranges say which.
        looked.filter(|_| base.without == self.without(object)).or(whole)
    }

    /// Whether the first look may be taken by turns: at parents that say nothing, of which nothing is held.
    fn may_roll(&self, object: &'static Object) -> bool {
        let held = self.held(object.name).is_some_and(|base| base.records > 0);
        let under = matches!(object.listing, Listing::Under { .. });
        under && !held && !is_hinted(object) && !object.is_removed() && !self.wanted.aside
    }

    /// The share of idle parents that is looked at again.
    fn swept(
        &self,
        object: &'static Object,
        looked: &mut Looked,
        (due, idle): (&[Key], &[Key]),
        now: DateTime<Utc>,
    ) -> Vec<Key> {
        let calls = |parents: usize| parents.div_ceil(parents_a_call(object)) as u64 * u64::from(object.price);
        let price = calls(due.len() + idle.len());
        let stays = object.dml == Dml::NOTHING && is_hinted(object);
        let (spendable, percent) = (self.spendable(), self.wanted.sweep);
        let again = if stays { 0 } else { way::sweep(object, price, spendable, percent) };
        let tokens = again.max(way::first_look(calls(looked.ahead(idle)), spendable, percent));
        let count = if tokens >= price {
            idle.len()
        } else {
            tokens.div_ceil(u64::from(object.price).max(1)) as usize * parents_a_call(object)
        };
        let mut desk = self.desk();
        // Decided once: a capture that is taken up again must take the same parents.
        let count = *desk.notes.progress(object.name).sweep.get_or_insert(count);
        looked.take(idle, count, now)
    }

    /// What the snapshot below holds under each parent, and what has none any more.
    fn nest(&self, object: &'static Object, heads: &Heads, complete: bool) -> Result<Family, Error> {
        let mut family = Family {
            looked: None,
            ask: Vec::new(),
            held: Held::default(),
            gone: Vec::new(),
            widowed: Vec::new(),
            carried: 0,
        };
        let name = ObjectName::known(object.name);
        let Some(base) = self.base.as_ref().filter(|base| base.contents(&name).is_some()) else { return Ok(family) };
        if object.is_shared() {
            for outline in base.outlines(&name)? {
                let Outline { key, fields } = outline?;
                let parents = parents_in(object, &fields);
                let (known, unknown): (Vec<Key>, Vec<Key>) =
                    parents.into_iter().partition(|parent| heads.find(parent).is_some());
                if complete && !unknown.is_empty() {
                    family.widowed.push(key.clone());
                }
                known.into_iter().for_each(|parent| family.held.note(parent, key.clone()));
            }
        } else {
            let foreign = self.foreign_parents(object)?;
            for (parent, key) in self.parent_in(object, base)? {
                match parent {
                    Some(parent) if foreign.contains(&parent) => family.carried += 1,
                    Some(parent) if heads.find(&parent).is_some() => family.held.note(parent, key),
                    Some(_) if complete => family.gone.push(key),
                    _ => family.carried += 1,
                }
            }
        }
        family.held.settle();
        Ok(family)
    }

    /// What is known of the parents, and whether that is all of them.
    pub(super) fn heads(&self, object: &'static Object) -> Result<(Heads, bool), Error> {
        let mut desk = self.desk();
        let mut all = Heads::default();
        let mut complete = true;
        let mut offered = Vec::new();
        for parent in object.parents() {
            let progress = desk.notes.progress(parent);
            if !matches!(progress.failure, Some(Failure::NotOffered(_))) {
                offered.push(ObjectName::known(parent));
            }
            complete &= progress.way == Some(Way::Walk) && progress.failure.is_none() && progress.bad == 0;
        }
        for heads in desk.notes.heads.get(object.name).into_iter().flat_map(|by_parent| by_parent.values()) {
            all.join(heads.clone());
        }
        drop(desk);
        all.settle();
        if !complete && !is_hinted(object) {
            // Parents that were not listed this time have children all the same, unless they are not offered any more.
            for parent in offered {
                let Some(base) = self.base.as_ref().filter(|base| base.contents(&parent).is_some()) else { continue };
                let mut unlisted = Heads::default();
                for key in base.keys(&parent)? {
                    let key = key?;
                    if all.find(&key).is_none() {
                        unlisted.note(&key, None, false);
                    }
                }
                all.join(unlisted);
                all.settle();
            }
        }
        Ok((all, complete))
    }
}

/// True when a change of the parent itself says nothing about its children.
fn counter_alone(object: &Object) -> bool {
    let Listing::Under { parents, counter: Some(counter), .. } = object.listing else { return false };
    let parents = parents.iter().filter_map(|name| catalogue::find(&ObjectName::known(name)));
    let in_record = |parent: &Object| parent.computed.contains(&counter);
    object.dml == Dml::NOTHING && !parents.into_iter().any(in_record)
}

/// True when a parent's children may be others than those held.
fn must_ask(head: &Head, held: usize, counter_alone: bool) -> bool {
    let told = counter_alone && head.count.is_some();
    head.touched && !told || head.count.is_some_and(|count| u64::from(count) != held as u64)
}

/// Whether a field of the parent tells that there is nothing to read.
fn is_hinted(object: &Object) -> bool {
    object.counter().or(object.gate).is_some()
}

/// The parents that a record of two parents names.
fn parents_in(object: &Object, fields: &Map<String, Value>) -> Vec<Key> {
    let key = |value: &Value| value.as_u64().map(Key::Number).or_else(|| value.as_str().map(Key::parse));
    let mut parents: Vec<Key> = to_parents(object).filter_map(|reference| key(fields.get(reference.field)?)).collect();
    parents.dedup();
    parents
}

/// How many parents one call takes.
pub(super) fn parents_a_call(object: &Object) -> usize {
    match object.listing {
        Listing::Bulk { batch, .. } => batch.max(1),
        Listing::Under { .. } | Listing::Flat(_) | Listing::Derived { .. } | Listing::Within { .. } => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::specimen;

    #[test]
    fn a_parent_is_asked_when_it_changed_or_its_counter_differs() {
        let head = |count, touched| Head { key: Key::Number(1), count, touched };
        assert!(must_ask(&head(Some(2), true), 2, false));
        assert!(must_ask(&head(Some(3), false), 2, false));
        assert!(!must_ask(&head(Some(2), false), 2, false));
        assert!(must_ask(&head(None, true), 0, false));
        assert!(!must_ask(&head(None, false), 5, false));
    }

    #[test]
    fn an_edit_of_a_deal_says_nothing_about_its_mails_and_one_of_a_thread_does() {
        let head = |count, touched| Head { key: Key::Number(1), count, touched };
        assert!(!must_ask(&head(Some(2), true), 2, true));
        assert!(must_ask(&head(Some(3), true), 2, true) && must_ask(&head(None, true), 2, true));
        let alone = |name: &'static str| counter_alone(specimen::object(name));
        assert!(alone("dealMailMessages") && !alone("mailMessages") && !alone("dealFollowers"));
    }
}
