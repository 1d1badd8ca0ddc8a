//! Where in a list a walk is, and whether the list can be trusted.
//!
//! Offset lists shift while they are read: a record deleted before the current
//! offset moves every later one up, and one row is never shown (api/wire.md,
//! "Hazards while paging", 1). So pages overlap by a few rows. A page that has
//! no row in common with the one before shows that more was deleted than the
//! overlap covers, and the walk steps back a page until it meets known ground.

use crate::account::Position;
use crate::record::Key;

/// Rows that an offset page shares with the one before.
const OVERLAP: u64 = 2;
/// So many pages without a single new record mean that the list does not end.
const IDLE_PAGES: u32 = 20;

/// The place of a walk in one list.
pub(super) struct Trail {
    at: Option<Position>,
    limit: u64,
    /// The keys of the last page, to recognise the overlap.
    known: Vec<Key>,
    idle: u32,
}

impl Trail {
    /// A walk that begins, or goes on where another was left.
    pub(super) fn from(left: Option<&Position>, limit: u64) -> Trail {
        let at = match left {
            // What the last page held is not known any more: the page is read again for its overlap.
            Some(Position::Offset(start)) => Position::Offset(start.saturating_sub(limit)),
            Some(other) => other.clone(),
            None => Position::Start,
        };
        Trail { at: Some(at), limit, known: Vec::new(), idle: 0 }
    }

    /// The page to ask for; `None` at the end.
    pub(super) fn position(&self) -> Option<&Position> {
        self.at.as_ref()
    }

    /// Learns what the page held: the keys of its rows, how many of them were new to this capture, what comes next.
    /// Fails with the reason when the list does not end.
    pub(super) fn learn(&mut self, keys: Vec<Key>, fresh: usize, next: Option<Position>) -> Result<(), &'static str> {
        let at = self.at.take().unwrap_or(Position::Start);
        if next.as_ref() == Some(&at) {
            return Err("the list points back to the same page");
        }
        self.idle = if fresh == 0 { self.idle + 1 } else { 0 };
        if self.idle > IDLE_PAGES && next.is_some() {
            return Err("the list repeats itself without end");
        }
        self.at = match at {
            Position::Offset(start) if start > 0 && self.has_shifted(&keys) => {
                if self.idle > IDLE_PAGES {
                    return Err("the list shifts faster than it can be read");
                }
                return self.step_back(start);
            }
            Position::Offset(start) => overlapped(next, start),
            Position::Start => overlapped(next, 0),
            Position::Cursor(_) => next,
        };
        self.known = keys;
        Ok(())
    }

    /// True when the page has nothing in common with the one before, though it should.
    fn has_shifted(&self, keys: &[Key]) -> bool {
        !self.known.is_empty() && !keys.iter().any(|key| self.known.contains(key))
    }

    fn step_back(&mut self, start: u64) -> Result<(), &'static str> {
        self.at = Some(Position::Offset(start.saturating_sub(self.limit)));
        Ok(())
    }
}

/// The next offset, moved back by the overlap but always forward of the last.
fn overlapped(next: Option<Position>, start: u64) -> Option<Position> {
    match next? {
        Position::Offset(next) => Some(Position::Offset(next.saturating_sub(OVERLAP).max(start + 1))),
        other => Some(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Walks a list of numbers by pages of `limit`; `meanwhile` changes the list after each page.
    fn walk(mut list: Vec<u64>, limit: u64, mut meanwhile: impl FnMut(usize, &mut Vec<u64>)) -> (Vec<u64>, usize) {
        let mut trail = Trail::from(None, limit);
        let (mut seen, mut pages) = (Vec::new(), 0);
        while let Some(position) = trail.position() {
            let start = match position {
                Position::Offset(start) => *start as usize,
                _ => 0,
            };
            let rows: Vec<u64> = list.iter().copied().skip(start).take(limit as usize).collect();
            let end = start + rows.len();
            let next = (end < list.len()).then_some(Position::Offset(end as u64));
            let fresh = rows.iter().filter(|row| !seen.contains(*row)).count();
            seen.extend(rows.iter().filter(|row| !seen.contains(*row)).copied().collect::<Vec<_>>());
            trail.learn(rows.into_iter().map(Key::Number).collect(), fresh, next).expect("it ends");
            pages += 1;
            meanwhile(pages, &mut list);
        }
        (seen, pages)
    }

    #[test]
    fn an_offset_list_at_rest_costs_hardly_more_than_its_pages() {
        let (seen, pages) = walk((0..1000).collect(), 100, |_, _| ());
        assert_eq!((seen.len(), pages), (1000, 11));
    }

    #[test]
    fn deletions_while_a_list_is_read_hide_no_other_row() {
        for gone in [1, 2, 5, 60, 150] {
            let (seen, _) = walk((0..1000).collect(), 100, |pages, list| {
                if pages == 3 {
                    list.drain(0..gone);
                }
            });
            assert_eq!(seen.len(), 1000, "{gone} deleted");
        }
    }

    #[test]
    fn a_list_that_points_to_itself_or_repeats_itself_is_not_followed_for_ever() {
        let cursor = || Some(Position::Cursor("a".into()));
        let mut trail = Trail::from(cursor().as_ref(), 500);
        assert!(trail.learn(vec![Key::Number(1)], 1, cursor()).is_err());
        let mut trail = Trail::from(None, 500);
        let turns = (0..100)
            .find(|turn| trail.learn(vec![Key::Number(1)], 0, Some(Position::Cursor(turn.to_string()))).is_err());
        assert_eq!(turns, Some(20));
    }

    #[test]
    fn a_walk_taken_up_again_reads_its_last_page_again() {
        assert_eq!(Trail::from(Some(&Position::Offset(998)), 500).position(), Some(&Position::Offset(498)));
        let cursor = Position::Cursor("x".into());
        assert_eq!(Trail::from(Some(&cursor), 500).position(), Some(&cursor));
    }
}
