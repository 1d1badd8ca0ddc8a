//! The chain of snapshots, and the marks that say which of them may be gone.

use std::collections::{HashMap, HashSet};

use serde::de::IgnoredAny;

use super::{Check, Problem, Remedy, Seen, fact_of};
use crate::archive::SnapshotId;
use crate::archive::error::Error;
use crate::archive::excerpt::EXCERPTS;
use crate::archive::losses::LOSS;
use crate::archive::manifest::SNAPSHOTS;
use crate::archive::marks::{MARK, MARKS, MarkLine};
use crate::archive::moves::{MOVED, MOVES, MovedLine};
use crate::archive::prune::LIST;

impl Check<'_> {
    /// Every mark is what it was, and none in between is gone.
    pub(super) fn marks(&mut self) -> Result<(), Error> {
        let mut numbers = Vec::new();
        for name in self.inner.store.list(MARKS)? {
            let file = format!("{MARKS}/{name}");
            if !self.inner.reads_manifests() {
                self.name_is_hash(&file, &[])?;
                continue;
            }
            let line = self.inner.read_signed::<MarkLine>(&MARK, &name);
            if let Some(line) = self.damage(&file, line, &[])? {
                numbers.push(line.number);
            }
        }
        numbers.sort_unstable();
        // Marks that a repair could not bring back leave as many gaps.
        let lost = self.losses.iter().filter(|note| note.file.starts_with(MARKS) && note.left.is_none()).count() as u64;
        let twice = numbers.windows(2).find(|pair| pair[0] == pair[1]).map(|pair| pair[0]);
        let distinct: HashSet<u64> = numbers.iter().copied().collect();
        let gaps = numbers.last().map_or(0, |last| last.saturating_sub(distinct.len() as u64));
        if twice.is_some() || gaps > lost {
            let first = (1..).find(|number| !numbers.contains(number)).unwrap_or_default();
            let text = format!("mark {} is gone, or there twice", twice.unwrap_or(first));
            self.found(Problem::of(MARKS, Remedy::FetchMarks, text));
        }
        self.forgotten = self.inner.readable_standings()?.forgotten;
        Ok(())
    }

    /// Which snapshots came here alone, what is known to be lost, and what a prune will remove.
    pub(super) fn notes(&mut self) -> Result<(), Error> {
        for name in self.inner.store.list(EXCERPTS)? {
            let file = format!("{EXCERPTS}/{name}");
            let noted = self.inner.excerpt(&file);
            let noted = self.damage(&file, noted, &[])?;
            self.alone.extend(noted.into_iter().flatten());
        }
        for (kind, remedy) in [(&LOSS, Remedy::Fetch), (&LIST, Remedy::Drop)] {
            for name in self.inner.store.list(kind.folder)? {
                let file = format!("{}/{name}", kind.folder);
                if !self.inner.reads_manifests() {
                    self.name_is_hash(&file, &[])?;
                    continue;
                }
                if let Err(error) = self.inner.read_signed::<IgnoredAny>(kind, &name) {
                    let text = fact_of(error)?;
                    self.found(Problem::of(&file, remedy, text));
                }
            }
        }
        Ok(())
    }

    /// Every list of lines that were packed anew is what it was.
    pub(super) fn moves(&mut self) -> Result<(), Error> {
        for name in self.inner.store.list(MOVES)? {
            let file = format!("{MOVES}/{name}");
            if self.inner.reads_manifests() {
                let line = self.inner.read_signed::<MovedLine>(&MOVED, &name);
                let line = self.damage(&file, line, &[])?;
                self.said(line.iter().flat_map(|line| &line.directories));
            } else {
                self.name_is_hash(&file, &[])?;
            }
        }
        Ok(())
    }

    /// Keeps in mind what directories of segments hash to.
    fn said<'a>(&mut self, directories: impl Iterator<Item = (&'a String, &'a String)>) {
        self.directories.extend(directories.map(|(segment, hash)| (segment.clone(), hash.clone())));
    }

    pub(super) fn manifests(&mut self) -> Result<(), Error> {
        let names = self.inner.store.list(SNAPSHOTS)?;
        let on_disk: HashSet<&str> = names.iter().map(String::as_str).collect();
        for (id, sequence) in self.inner.index().snapshots()? {
            if !on_disk.contains(id.0.as_str()) && !self.forgotten.contains_key(&id) {
                let (file, text) = (file_of(&id), format!("snapshot {sequence} was seen here before and is gone"));
                let known = self.is_known_gone(&file);
                self.found(Problem { known, ..Problem::of(&file, Remedy::Fetch, text).hurting(&[id]) });
            }
        }
        for name in &names {
            let (file, id) = (format!("{SNAPSHOTS}/{name}"), SnapshotId(name.clone()));
            if !self.inner.reads_manifests() {
                self.name_is_hash(&file, &[id])?;
                continue;
            }
            // What a forgotten snapshot needs may be gone, but a map may stand on its own file.
            if self.forgotten.contains_key(&id) {
                self.done.bytes_read += self.inner.store.length(&file).unwrap_or(0);
                let line = self.inner.line(&id);
                let line = self.damage(&file, line, &[])?;
                self.said(line.iter().flat_map(|line| line.map.directories()));
                continue;
            }
            let line = self.inner.line(&id);
            if let Some(line) = self.damage(&file, line, std::slice::from_ref(&id))? {
                self.done.snapshots += 1;
                self.done.bytes_read += self.inner.store.length(&file).unwrap_or(0);
                self.said(line.map.directories());
                self.snapshots.push(Seen { id, line: line.without_positions(), readable: true });
            }
        }
        self.snapshots.sort_by(|left, right| (left.line.sequence, &left.id).cmp(&(right.line.sequence, &right.id)));
        self.chain(&names.into_iter().collect())
    }

    /// Every snapshot stands on one that is there, and no two stand at the same place.
    fn chain(&mut self, on_disk: &HashSet<String>) -> Result<(), Error> {
        let mut sequences: HashMap<&SnapshotId, u64> =
            self.snapshots.iter().map(|seen| (&seen.id, seen.line.sequence)).collect();
        sequences.extend(self.forgotten.iter().map(|(id, sequence)| (id, *sequence)));
        let (mut problems, mut gone, mut alone) = (Vec::new(), Vec::new(), HashSet::new());
        let mut places: HashMap<u64, &SnapshotId> = HashMap::new();
        for Seen { id, line, .. } in &self.snapshots {
            let mut wrong = |text: String| problems.push((id.clone(), text));
            for before in line.parent.iter().chain(&line.follows) {
                if on_disk.contains(&before.0) || self.forgotten.contains_key(before) {
                    continue;
                }
                if self.alone.contains(id) {
                    alone.insert(id);
                } else if !self.is_known_gone(&file_of(before)) {
                    gone.push((before.clone(), id.clone()));
                }
            }
            match &line.parent {
                Some(parent) if line.follows.is_empty() => match sequences.get(parent) {
                    Some(sequence) if sequence + 1 != line.sequence => {
                        wrong(format!("is number {} and stands on number {sequence}", line.sequence))
                    }
                    _ => {}
                },
                None if line.follows.is_empty() && line.sequence != 1 => {
                    wrong(format!("is number {} and stands on nothing", line.sequence))
                }
                _ => {}
            }
            if let Some(other) = places.insert(line.sequence, id) {
                wrong(format!("is number {}, and so is {}", line.sequence, other.short()));
            }
        }
        self.done.alone = alone.len() as u64;
        for (id, text) in problems {
            self.found(Problem::of(&file_of(&id), Remedy::None, text).hurting(&[id]));
        }
        for (before, id) in gone {
            // Named as the file that is missing: with it back nothing is wrong with the one that stands on it.
            let text = format!("is gone, and snapshot {} stands on it", id.short());
            self.found(Problem::of(&file_of(&before), Remedy::Fetch, text).hurting(&[before, id]));
        }
        Ok(())
    }
}

fn file_of(id: &SnapshotId) -> String {
    format!("{SNAPSHOTS}/{}", id.0)
}
