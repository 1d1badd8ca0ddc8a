//! Lists that show the newest first and can neither be sorted nor asked for changes: mail threads.
//!
//! Walked, such a list has a trap that lists in the order of ids have not: a record that becomes the newest while the
//! list is read jumps from where the walk has not been to where it was already, and would seem to be gone. So after
//! more than one page the top is looked at again, until a page shows nothing new.
//!
//! Where a walk is dear, two pages of each part tell nearly as much. The top: below a record that is as it was stand
//! only records with older news. And the tail: if as many records stand below as the snapshot has, the last of them
//! is in its place, and none is after it. If anything is in another place, something was deleted, moved or added in
//! the middle, and the list is walked after all. What the two pages cannot show (a flag of an old thread that was
//! changed) the next walk shows, at the latest after a week (`way.rs`).

use std::collections::HashSet;

use super::lists::{Listed, Rows};
use super::run::{Run, Trouble};
use super::way::Way;
use crate::account::{Ask, Page, Position};
use crate::archive::Outline;
use crate::catalogue::{Object, ObjectName, Parts};
use crate::record::{Key, Record};

/// One part of a list as the query names it; none for a list that comes whole.
pub(super) type Part = Option<(&'static str, &'static str)>;

/// What the top of one part showed.
struct Top {
    value: &'static str,
    shown: HashSet<Key>,
    /// The list ended with it.
    ended: bool,
}

impl Run<'_> {
    /// Reads every part of a list.
    pub(super) async fn read_newest(&self, object: &'static Object, way: Way) -> Result<(), Trouble> {
        if way == Way::Top {
            if self.tops_and_tails_agree(object).await? {
                return Ok(());
            }
            let mut desk = self.desk();
            let progress = desk.notes.progress(object.name);
            progress.way = Some(Way::Walk);
        }
        let parts = parts(object);
        loop {
            let at = self.desk().notes.progress(object.name).part;
            let Some(part) = parts.get(at) else { return Ok(()) };
            let pages = self.read_pages(object, None, Rows::Records, *part).await?;
            if pages > 1 && object.newest_first {
                self.look_at_the_top_again(object, *part).await?;
            }
            let mut desk = self.desk();
            let progress = desk.notes.progress(object.name);
            progress.part = at + 1;
            progress.position = None;
        }
    }

    async fn look_at_the_top_again(&self, object: &'static Object, part: Part) -> Result<(), Trouble> {
        let mut position = Position::Start;
        loop {
            let Listed { keys, fresh, next, .. } = self.read_page(object, part, position).await?;
            match next {
                // A page on which some record was met before joins what was read before.
                Some(next) if fresh > 0 && fresh == keys.len() => position = next,
                _ => return Ok(()),
            }
        }
    }

    /// Reads the top of every part and looks at its tail; true when nothing is elsewhere than it was.
    async fn tops_and_tails_agree(&self, object: &'static Object) -> Result<bool, Trouble> {
        let Some(parts) = object.parts else { return Ok(false) };
        let mut tops = Vec::with_capacity(parts.values.len());
        // A record that stands in two parts is met as known in the first.
        let mut unchanged = HashSet::new();
        for value in parts.values {
            tops.push(self.read_top(object, (parts.parameter, *value), &mut unchanged).await?);
        }
        for top in &tops {
            if !self.tail_agrees(object, parts, top).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn read_top(
        &self,
        object: &'static Object,
        part: (&'static str, &'static str),
        unchanged: &mut HashSet<Key>,
    ) -> Result<Top, Trouble> {
        let mut top = Top { value: part.1, shown: HashSet::new(), ended: false };
        let mut position = Position::Start;
        loop {
            let Listed { keys, same, next, .. } = self.read_page(object, Some(part), position).await?;
            unchanged.extend(same);
            let known = keys.iter().any(|key| unchanged.contains(key));
            top.shown.extend(keys);
            match next {
                None => return Ok(Top { ended: true, ..top }),
                Some(_) if known => return Ok(top),
                Some(next) => position = next,
            }
        }
    }

    async fn tail_agrees(&self, object: &'static Object, parts: Parts, top: &Top) -> Result<bool, Trouble> {
        let below = self.held_in(object, parts, top)?;
        if top.ended || below.is_empty() {
            return Ok(top.ended && below.is_empty());
        }
        let last = (top.shown.len() + below.len() - 1) as u64;
        let extra = [(parts.parameter, top.value.to_owned())];
        let ask = Ask { extra: &extra, position: Position::Offset(last), ..Ask::first(object) };
        let Page { rows, next } = self.judged(self.account.page(&ask).await)?;
        self.turn_page(object, None, rows.len())?;
        let read: Vec<Key> = rows
            .iter()
            .filter_map(|row| Record::read(object, None, row).ok())
            .map(|row| row.id().key.clone())
            .collect();
        Ok(next.is_none() && rows.len() == 1 && read.iter().all(|key| below.contains(key)))
    }

    /// Records of the snapshot below that stand in this part and were not shown at its top.
    fn held_in(&self, object: &'static Object, parts: Parts, top: &Top) -> Result<HashSet<Key>, super::Error> {
        let mut held = HashSet::new();
        let Some(base) = &self.base else { return Ok(held) };
        for outline in base.outlines(&ObjectName::known(object.name))? {
            let Outline { key, fields } = outline?;
            let stands = fields
                .get(parts.field)
                .and_then(|found| found.as_array())
                .is_some_and(|found| found.iter().any(|value| value.as_str() == Some(top.value)));
            if stands && !self.is_foreign(object, &fields) && !top.shown.contains(&key) {
                held.insert(key);
            }
        }
        Ok(held)
    }
}

/// The parts of a list; one without a name for a list that comes whole.
fn parts(object: &Object) -> Vec<Part> {
    object
        .parts
        .map_or_else(|| vec![None], |parts| parts.values.iter().map(|value| Some((parts.parameter, *value))).collect())
}
