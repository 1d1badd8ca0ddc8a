//! Where lines lie today that a prune packed anew.
//!
//! A manifest never changes, so the positions in it stay those of the day it was
//! written. What moved since is written down beside it, line by line, and every
//! map is read through that. Each line moves to one place and no two to the same,
//! so maps from before and after a move still stand on each other.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use roaring::RoaringBitmap;
use serde::{Deserialize, Serialize};

use super::Inner;
use super::error::Error;
use super::header::FORMAT;
use super::map::{MOST_LINES, from_runs, to_runs};
use super::signed::{Kind, Signer};

/// Where the lists of moved lines lie.
pub(super) const MOVES: &str = "moves";
/// How they are stored.
pub(super) const MOVED: Kind = Kind { folder: MOVES, word: "moved", signer: Signer::Marking };
/// A line that moved more often than this did not move: no archive is pruned so often.
const MOST_MOVES: usize = 4096;

/// The line of a list.
#[derive(Serialize, Deserialize)]
pub(super) struct MovedLine {
    format: u32,
    archive: String,
    made: DateTime<Utc>,
    pub(super) moves: Vec<Move>,
    /// What the directories of the segments hash to that the lines went to.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) directories: BTreeMap<String, String>,
}

/// Lines of one segment that lie one after the other in another.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(super) struct Move {
    /// The segment they lay in.
    pub(super) from: String,
    /// Which of its lines, as runs.
    lines: Vec<u32>,
    /// The segment they lie in.
    pub(super) to: String,
    /// The number of the first of them there.
    first: u32,
}

impl Move {
    pub(super) fn new(from: String, lines: &RoaringBitmap, to: String, first: u32) -> Move {
        Move { from, lines: to_runs(lines), to, first }
    }

    /// The segment they lay in and where they went; `None` where that is beyond the last line there can be.
    fn gone(self) -> Option<(String, Gone)> {
        let Move { from, lines, to, first } = self;
        let lines = from_runs(&lines)?;
        (u64::from(first) + lines.len() <= u64::from(MOST_LINES)).then_some((from, Gone { lines, to, first }))
    }
}

impl MovedLine {
    /// How many lines it moves; `None` where one of them lies beyond the last line there can be.
    pub(super) fn lines(self) -> Option<u64> {
        self.moves.into_iter().map(|one| Some(one.gone()?.1.lines.len())).sum()
    }
}

/// Lines that went to one place.
struct Gone {
    lines: RoaringBitmap,
    to: String,
    first: u32,
}

/// All that moved, by the segment it lay in.
#[derive(Default)]
pub(super) struct Moves {
    /// The lists they were read from.
    names: Vec<String>,
    gone: HashMap<String, Vec<Gone>>,
    /// What the directories of segments hash to that lines went to.
    pub(super) directories: HashMap<String, String>,
}

impl Moves {
    /// Where these lines of a segment lie today, told by segment; those that never moved lie where they lay.
    pub(super) fn today(
        &self,
        segment: &str,
        lines: RoaringBitmap,
        tell: &mut dyn FnMut(&str, RoaringBitmap),
    ) -> Result<(), Error> {
        let mut open = vec![(segment, lines, 0)];
        while let Some((segment, mut lines, moved)) = open.pop() {
            if moved > MOST_MOVES {
                return Err(Error::damaged(MOVES.as_ref(), "lines that move in a circle"));
            }
            for gone in self.gone.get(segment).into_iter().flatten() {
                let went = &lines & &gone.lines;
                if !went.is_empty() {
                    lines -= &went;
                    open.push((&gone.to, gone.places(&went), moved + 1));
                }
            }
            if !lines.is_empty() {
                tell(segment, lines);
            }
        }
        Ok(())
    }
}

impl Gone {
    /// The places of some of the lines.
    fn places(&self, lines: &RoaringBitmap) -> RoaringBitmap {
        let ranked = self.lines.iter().zip(self.first..);
        ranked.filter(|(line, _)| lines.contains(*line)).map(|(_, place)| place).collect()
    }
}

impl Inner {
    /// All that moved; read again when there is another list.
    pub(super) fn moves(&self) -> Result<Arc<Moves>, Error> {
        let mut names = self.store.list(MOVES)?;
        names.sort();
        if let Some(known) = self.known_moves().as_ref().filter(|known| known.names == names) {
            return Ok(Arc::clone(known));
        }
        let (mut moves, mut whole) = (Moves { names, ..Moves::default() }, true);
        for name in &moves.names {
            let path = self.store.path(&format!("{MOVES}/{name}"));
            let list = match self.read_signed::<MovedLine>(&MOVED, name) {
                Ok(line) => {
                    moves.directories.extend(line.directories);
                    line.moves
                }
                // It costs the lines that it moved and no other: a check tells of it, and a prune does nothing without it.
                Err(Error::Damaged { .. } | Error::Missing(_) | Error::File { .. }) => {
                    whole = false;
                    continue;
                }
                Err(error) => return Err(error),
            };
            for one in list {
                let (from, gone) = one.gone().ok_or_else(|| Error::damaged(&path, "runs beyond the last line"))?;
                moves.gone.entry(from).or_default().push(gone);
            }
        }
        let moves = Arc::new(moves);
        *self.known_moves() = whole.then(|| Arc::clone(&moves));
        Ok(moves)
    }

    /// Puts a list in place: from here on every map is read through it. What it moves lies in its new place already.
    pub(super) fn place_moves(&self, moves: Vec<Move>, directories: BTreeMap<String, String>) -> Result<String, Error> {
        let (archive, made) = (self.header.archive.clone(), self.clock.now());
        let line = MovedLine { format: FORMAT, archive, made, moves, directories };
        self.place_signed(&MOVED, &line)
    }

    /// The lists through which maps that name these segments are read.
    pub(super) fn needed_moves(&self, mut named: HashSet<String>) -> Result<HashSet<String>, Error> {
        let mut lists = Vec::new();
        for name in self.store.list(MOVES)? {
            let moves = self.read_signed::<MovedLine>(&MOVED, &name)?.moves;
            lists.push((name, moves));
        }
        let mut needed = HashSet::new();
        loop {
            let before = needed.len();
            for (name, moves) in &lists {
                if !needed.contains(name) && moves.iter().any(|one| named.contains(&one.from)) {
                    needed.insert(name.clone());
                    named.extend(moves.iter().map(|one| one.to.clone()));
                }
            }
            if needed.len() == before {
                return Ok(needed);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(numbers: &[u32]) -> RoaringBitmap {
        numbers.iter().copied().collect()
    }

    fn told(moves: &Moves, segment: &str, some: &[u32]) -> Vec<(String, Vec<u32>)> {
        let mut told = Vec::new();
        let tell = &mut |segment: &str, lines: RoaringBitmap| told.push((segment.to_owned(), lines.iter().collect()));
        moves.today(segment, lines(some), tell).unwrap();
        told.sort();
        told
    }

    #[test]
    fn a_line_is_found_through_every_move_and_one_that_stayed_where_it_lay() {
        let mut moves = Moves::default();
        let gone = |numbers: &[u32], to: &str, first| Gone { lines: lines(numbers), to: to.to_owned(), first };
        moves.gone.insert("a".to_owned(), vec![gone(&[2, 5, 9], "c", 10), gone(&[3], "b", 0)]);
        moves.gone.insert("c".to_owned(), vec![gone(&[11], "d", 7)]);
        assert_eq!(
            told(&moves, "a", &[2, 3, 4, 5]),
            [
                ("a".to_owned(), vec![4]),
                ("b".to_owned(), vec![0]),
                ("c".to_owned(), vec![10]),
                ("d".to_owned(), vec![7])
            ]
        );
        assert_eq!(told(&moves, "b", &[0]), [("b".to_owned(), vec![0])]);
        moves.gone.insert("d".to_owned(), vec![gone(&[7], "c", 11)]);
        let circle = moves.today("a", lines(&[5]), &mut |_, _| {});
        assert!(circle.unwrap_err().to_string().contains("circle"));
    }
}
