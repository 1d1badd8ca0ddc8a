//! Which files are read whole: all, a share by their names, or those that were not read for the longest.
//!
//! Names are hashes, so shares by name are about equal and need no memory: seven days of 1/7 to 7/7
//! cover every file. A percentage or an amount takes those whose last reading is the longest ago, as
//! the index remembers it, and so covers everything in turn as well.

use std::str::FromStr;

use super::FileName;

/// A part of the files.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Subset {
    /// One of several equal shares, by name.
    Share(Share),
    /// So many hundredths of the bytes.
    Percent(f64),
    /// So many bytes.
    Bytes(u64),
}

/// One of several equal shares of the files, by their names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Share {
    share: u32,
    of: u32,
}

impl Share {
    /// Every file.
    pub fn all() -> Share {
        Share { share: 1, of: 1 }
    }

    /// Whether a file belongs to the share; names are hashes, so shares are about equal.
    pub fn has(self, name: &FileName) -> bool {
        self.has_hash(name.hash().unwrap_or_default())
    }

    pub(super) fn has_hash(self, hash: &str) -> bool {
        let number = hash.get(..8).and_then(|start| u32::from_str_radix(start, 16).ok()).unwrap_or(0);
        number % self.of == self.share - 1
    }
}

impl FromStr for Share {
    type Err = String;

    fn from_str(text: &str) -> Result<Share, String> {
        let parts = text.split_once('/').and_then(|(share, of)| Some((share.parse().ok()?, of.parse().ok()?)));
        match parts {
            Some((share, of)) if share >= 1 && share <= of => Ok(Share { share, of }),
            _ => Err(format!("{text} is no share such as 1/7")),
        }
    }
}

impl FromStr for Subset {
    type Err = String;

    fn from_str(text: &str) -> Result<Subset, String> {
        let refuse = || format!("{text} is no share such as 1/7, no percentage such as 10% and no size such as 5G");
        if text.contains('/') {
            return text.parse().map(Subset::Share);
        }
        if let Some(percent) = text.strip_suffix('%') {
            let percent: f64 = percent.parse().map_err(|_| refuse())?;
            return if percent > 0.0 && percent <= 100.0 { Ok(Subset::Percent(percent)) } else { Err(refuse()) };
        }
        bytes_in(text).filter(|bytes| *bytes > 0).map(Subset::Bytes).ok_or_else(refuse)
    }
}

/// Reads a number of bytes: `800`, `500k`, `2M`, `5G`, `1T`.
pub fn bytes_in(text: &str) -> Option<u64> {
    let (digits, unit) = match text.chars().last() {
        Some('k' | 'K') => (&text[..text.len() - 1], 1_000),
        Some('M') => (&text[..text.len() - 1], 1_000_000),
        Some('G') => (&text[..text.len() - 1], 1_000_000_000),
        Some('T') => (&text[..text.len() - 1], 1_000_000_000_000),
        _ => (text, 1),
    };
    digits.parse::<u64>().ok()?.checked_mul(unit)
}

/// In place of a time: the last reading found damage.
pub(super) const FAILED: i64 = 0;

/// A file that may be read. Times are seconds since 1970.
pub(super) struct Candidate {
    pub(super) file: String,
    pub(super) bytes: u64,
    /// When it was last read whole, or `FAILED`.
    pub(super) verified: Option<i64>,
    /// When it came here, as far as anybody knows.
    pub(super) written: Option<i64>,
}

/// The last moment of which it is true that everything that was there then has been read whole since, and found right.
pub(super) fn read_as_of(files: &[Candidate]) -> Option<i64> {
    // What came later than that does not matter; whoever wrote it read it back.
    let as_of = files.iter().map(|one| one.verified.or(one.written)).min().flatten().filter(|at| *at > FAILED)?;
    let was_there = |one: &Candidate| one.verified.is_some() && one.written.is_none_or(|written| written < as_of);
    files.iter().any(was_there).then_some(as_of)
}

impl Subset {
    /// The files to read.
    pub(super) fn choose(self, mut candidates: Vec<Candidate>) -> Vec<Candidate> {
        let all: u64 = candidates.iter().map(|one| one.bytes).sum();
        let wanted = match self {
            Subset::Share(share) => {
                candidates.retain(|one| share.has_hash(one.file.rsplit('/').next().unwrap_or_default()));
                return candidates;
            }
            Subset::Percent(percent) => (all as f64 * percent / 100.0).ceil() as u64,
            Subset::Bytes(bytes) => bytes,
        };
        // Never read comes first; names decide among equals, so that the choice can be foretold.
        candidates.sort_by(|left, right| (left.verified, &left.file).cmp(&(right.verified, &right.file)));
        let mut taken = 0;
        candidates.retain(|one| {
            let more = taken < wanted;
            taken += if more { one.bytes } else { 0 };
            more
        });
        candidates
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_in_exactly_one_share() {
        let shares: Vec<Share> = (1..=7).map(|share| format!("{share}/7").parse().unwrap()).collect();
        for number in 0..1000_u64 {
            let hash = blake3::hash(&number.to_be_bytes()).to_hex();
            let name = FileName::parse(&format!("snapshots/{hash}")).unwrap();
            assert_eq!(shares.iter().filter(|share| share.has(&name)).count(), 1);
        }
    }

    #[test]
    fn a_subset_is_a_share_a_percentage_or_a_size() {
        assert_eq!("10%".parse(), Ok(Subset::Percent(10.0)));
        assert_eq!("5G".parse(), Ok(Subset::Bytes(5_000_000_000)));
        assert_eq!("1/1".parse(), Ok(Subset::Share(Share::all())));
        for text in ["0/7", "8/7", "1/0", "x/7", "1/7/2", "-1/7", "", "0%", "101%", "NaN%", "0", "G", "-5G", "1.5G"] {
            assert!(text.parse::<Subset>().is_err(), "{text}");
        }
    }

    #[test]
    fn what_was_not_read_for_the_longest_is_read_until_there_is_enough() {
        let one = |file: &str, verified| Candidate { file: file.to_owned(), bytes: 10, verified, written: None };
        let files = || vec![one("a", Some(5)), one("b", None), one("c", Some(1)), one("d", None)];
        let chosen = |subset: Subset| subset.choose(files()).into_iter().map(|one| one.file).collect::<Vec<_>>();
        assert_eq!(chosen(Subset::Bytes(11)), ["b", "d"]);
        assert_eq!(chosen(Subset::Percent(75.0)), ["b", "d", "c"]);
        assert_eq!(chosen(Subset::Percent(0.1)), ["b"]);
    }

    #[test]
    fn every_byte_was_read_as_of_the_oldest_reading_unless_something_was_there_before_it() {
        let one = |verified, written| Candidate { file: String::new(), bytes: 10, verified, written };
        let cases = [
            ("nothing is there", vec![], None),
            ("nothing was read", vec![one(None, Some(1)), one(None, Some(2))], None),
            ("all was read", vec![one(Some(9), Some(1)), one(Some(7), Some(2))], Some(7)),
            ("what came later waits for its turn", vec![one(Some(9), Some(1)), one(None, Some(10))], Some(9)),
            ("what came between two turns", vec![one(Some(9), Some(1)), one(None, Some(5))], Some(5)),
            ("the oldest was never read", vec![one(None, Some(1)), one(Some(9), Some(5))], None),
            ("nobody knows when it came", vec![one(None, None), one(Some(9), Some(5))], None),
            ("the last reading found damage", vec![one(Some(FAILED), Some(1)), one(Some(9), Some(5))], None),
        ];
        for (what, files, expected) in cases {
            assert_eq!(read_as_of(&files), expected, "{what}");
        }
    }
}
