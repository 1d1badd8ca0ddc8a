//! Which lines of which segments belong to a snapshot.
//!
//! In memory a bitmap a segment; on disk runs of line numbers that any JSON
//! reader can follow. Lists of hashes would be 100 times as large.

use std::collections::BTreeMap;

use roaring::RoaringBitmap;

/// More lines than fit into a segment, however well they compress: who says so lies, and would fill the memory.
pub(super) const MOST_LINES: u32 = 1 << 28;

/// Lines by segment; segments by the number they have in the index.
#[derive(Clone, Default, PartialEq, Debug)]
pub(super) struct Map(BTreeMap<u32, RoaringBitmap>);

impl Map {
    pub(super) fn contains(&self, segment: u32, line: u32) -> bool {
        self.0.get(&segment).is_some_and(|lines| lines.contains(line))
    }

    pub(super) fn insert(&mut self, segment: u32, line: u32) -> bool {
        self.0.entry(segment).or_default().insert(line)
    }

    pub(super) fn insert_range(&mut self, segment: u32, first: u32, lines: u32) {
        self.0.entry(segment).or_default().insert_range(first..first + lines);
    }

    pub(super) fn remove(&mut self, segment: u32, line: u32) -> bool {
        self.0.get_mut(&segment).is_some_and(|lines| lines.remove(line))
    }

    pub(super) fn len(&self) -> u64 {
        self.0.values().map(RoaringBitmap::len).sum()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.values().all(RoaringBitmap::is_empty)
    }

    pub(super) fn segments(&self) -> impl Iterator<Item = (u32, &RoaringBitmap)> {
        self.0.iter().filter(|(_, lines)| !lines.is_empty()).map(|(segment, lines)| (*segment, lines))
    }

    pub(super) fn lines(&self, segment: u32) -> Option<&RoaringBitmap> {
        self.0.get(&segment)
    }

    pub(super) fn set(&mut self, segment: u32, lines: RoaringBitmap) {
        self.0.insert(segment, lines);
    }

    /// What is here and not there.
    pub(super) fn minus(&self, other: &Map) -> Map {
        let rest = self.0.iter().map(|(segment, lines)| match other.0.get(segment) {
            Some(others) => (*segment, lines - others),
            None => (*segment, lines.clone()),
        });
        Map(rest.filter(|(_, lines)| !lines.is_empty()).collect())
    }

    /// What is in both.
    pub(super) fn and(&self, other: &Map) -> Map {
        let both = self.0.iter().filter_map(|(segment, lines)| Some((*segment, lines & other.0.get(segment)?)));
        Map(both.filter(|(_, lines)| !lines.is_empty()).collect())
    }

    /// Adds what is there.
    pub(super) fn add(&mut self, other: &Map) {
        for (segment, lines) in &other.0 {
            *self.0.entry(*segment).or_default() |= lines;
        }
    }

    /// For the index and the unfinished capture.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (segment, lines) in self.segments() {
            bytes.extend_from_slice(&segment.to_le_bytes());
            lines.serialize_into(&mut bytes).expect("memory takes every byte");
        }
        bytes
    }

    /// Reads what [`Map::to_bytes`] wrote; `None` for anything else.
    pub(super) fn from_bytes(mut bytes: &[u8]) -> Option<Map> {
        let mut map = Map::default();
        while !bytes.is_empty() {
            let (segment, mut rest) = bytes.split_at_checked(4)?;
            let lines = RoaringBitmap::deserialize_from(&mut rest).ok()?;
            map.0.insert(u32::from_le_bytes(segment.try_into().ok()?), lines);
            bytes = rest;
        }
        Some(map)
    }
}

/// Alternating lengths, beginning with lines that are in: `[3, 1, 2]` is lines 0, 1, 2, 4 and 5.
pub(super) fn to_runs(lines: &RoaringBitmap) -> Vec<u32> {
    let mut runs = Vec::new();
    let mut next = 0;
    let mut ranges = lines.iter();
    while let Some(range) = ranges.next_range() {
        let (first, last) = (*range.start(), *range.end());
        if runs.is_empty() && first > 0 {
            runs.push(0);
        }
        if first > next {
            runs.push(first - next);
        }
        runs.push(last - first + 1);
        next = last + 1;
    }
    runs
}

/// Reads what [`to_runs`] wrote; `None` when the runs pass the last possible line.
pub(super) fn from_runs(runs: &[u32]) -> Option<RoaringBitmap> {
    let mut lines = RoaringBitmap::new();
    let mut next = 0u32;
    for (at, run) in runs.iter().enumerate() {
        let end = next.checked_add(*run).filter(|end| *end <= MOST_LINES)?;
        if at % 2 == 0 {
            lines.insert_range(next..end);
        }
        next = end;
    }
    Some(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_alternate_and_begin_with_what_is_in() {
        let lines: RoaringBitmap = [0, 1, 2, 4, 5].into_iter().collect();
        assert_eq!(to_runs(&lines), [3, 1, 2]);
        let later: RoaringBitmap = [2, 3, 9].into_iter().collect();
        assert_eq!(to_runs(&later), [0, 2, 2, 5, 1]);
        assert_eq!(from_runs(&[3, 1, 2]), Some(lines));
        assert_eq!(from_runs(&[0, 2, 2, 5, 1]), Some(later));
        assert_eq!(to_runs(&RoaringBitmap::new()), [0; 0]);
    }

    #[test]
    fn runs_that_pass_the_last_line_are_refused() {
        assert_eq!(from_runs(&[u32::MAX, 1, 1]), None);
        assert_eq!(from_runs(&[MOST_LINES]).map(|lines| lines.len()), Some(u64::from(MOST_LINES)));
        assert_eq!(from_runs(&[MOST_LINES, 1]), None);
    }

    #[test]
    fn a_map_survives_its_bytes() {
        let mut map = Map::default();
        map.insert_range(3, 10, 100_000);
        map.insert(7, 1);
        assert_eq!(Map::from_bytes(&map.to_bytes()), Some(map));
        assert_eq!(Map::from_bytes(&[1, 2]), None);
    }
}
