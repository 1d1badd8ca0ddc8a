//! What can be repaired without a copy, and how what cannot is written down.
//!
//! Nothing is made worse: what is replaced or taken out of the way is kept under `quarantine`, and a
//! damaged segment stays where it is as long as any of its blocks can be read. Each step is whole by itself,
//! so that a repair that is killed is one that has more to do the next time.

use std::collections::BTreeSet;
use std::io::Write;

use super::check::{Kind, Problem, Remedy};
use super::error::Error;
use super::header::{HEADER, HEADER_COPY, Header};
use super::log::whole_entries;
use super::losses::LostLine;
use super::manifest::SNAPSHOTS;
use super::marks::{MARK, MARKS, MarkLine};
use super::segment::{Directory, SegmentFile};
use super::store::hash_of;
use super::{Archive, FileName, Inner, Part};

/// What a repair did here.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Repaired {
    /// Files that were written again from what is here.
    pub rewritten: Vec<String>,
    /// Files that are known to be damaged or gone from now on.
    pub noted: Vec<String>,
    /// Where what was replaced or taken away is kept.
    pub quarantined: Vec<String>,
}

impl Archive {
    /// Brings header and copy, and the ends of logs, in order; what no copy has is written down as lost.
    ///
    /// `problems` are those of a check that was made after everything was fetched that copies have. Whoever calls has
    /// the right to write.
    pub fn repair(&self, problems: &[Problem]) -> Result<Repaired, Error> {
        self.inner.header.writable()?;
        let mut done = Repaired::default();
        let mut seen = BTreeSet::new();
        for problem in problems.iter().filter(|problem| !problem.known) {
            let name = problem.name(self.root());
            let file = match (&name, problem.kind) {
                (Some(name), _) => name.to_string(),
                // Lists of a prune are not copied and so have no name for copies.
                (None, Kind::List) => self.below(problem),
                (None, _) => String::new(),
            };
            if problem.remedy != Remedy::FetchMarks && (file.is_empty() || !seen.insert(file.clone())) {
                continue;
            }
            match problem.remedy {
                Remedy::Header => self.mend_header(&mut done)?,
                Remedy::Log => self.cut_log(&file, &mut done)?,
                Remedy::Drop => done.quarantined.extend(self.inner.store.banish(&file)?),
                Remedy::Fetch => self.give_up(&file, problem, &mut done)?,
                Remedy::FetchMarks => self.give_up_marks(&mut done)?,
                Remedy::MoveOut | Remedy::None => {}
            }
        }
        Ok(done)
    }

    /// Tells the index that files came back.
    pub fn brought_back(&self, files: &[FileName]) -> Result<(), Error> {
        if self.inner.reads_data() {
            for name in files.iter().filter(|name| name.part() == Part::Segment) {
                name.hash().map_or(Ok(()), |hash| self.inner.absorb_again(hash))?;
            }
        }
        self.inner.forget_numbers();
        Ok(())
    }

    fn below(&self, problem: &Problem) -> String {
        let below = problem.file.as_ref().and_then(|file| file.strip_prefix(self.root()).ok());
        below.and_then(|below| below.to_str()).map(|below| below.replace('\\', "/")).unwrap_or_default()
    }

    /// Writes the header that opened the archive where it is not.
    fn mend_header(&self, done: &mut Repaired) -> Result<(), Error> {
        let store = &self.inner.store;
        let bytes = match Header::parse(store, HEADER) {
            Ok(header) if header == self.inner.header => store.read(HEADER)?,
            _ => self.inner.header.to_bytes(),
        };
        for name in [HEADER, HEADER_COPY] {
            if store.read(name).ok().as_ref() != Some(&bytes) {
                let mut draft = store.draft()?;
                draft.write_all(&bytes).map_err(Error::file("write", &store.path(name)))?;
                done.quarantined.extend(draft.place_over(name)?);
                done.rewritten.push(name.to_owned());
            }
        }
        Ok(())
    }

    /// Makes a log end behind its last whole entry.
    fn cut_log(&self, file: &str, done: &mut Repaired) -> Result<(), Error> {
        let store = &self.inner.store;
        let bytes = match store.read(file) {
            Err(Error::Missing(_)) => return Ok(()),
            bytes => bytes?,
        };
        let (entries, length) = whole_entries(&bytes);
        let reads = file.split_once('/').map(|(folder, name)| self.inner.read_in(folder, name));
        if length == bytes.len() && reads.is_none_or(|read| read.is_err()) {
            return self.give_up_log(file, &format!("its {entries} entries are not those of this log"), done);
        }
        let mut draft = store.draft()?;
        if length < bytes.len() {
            draft.write_all(&bytes[..length]).map_err(Error::file("write", &store.path(file)))?;
            done.quarantined.extend(draft.place_over(file)?);
            done.rewritten.push(file.to_owned());
        }
        self.inner.index().forget_file(file)?;
        let fact = format!("was cut behind its entry {entries}; what followed could not be read");
        let left = Some(blake3::hash(&bytes[..length]).to_hex().to_string());
        self.inner.note_loss(self.inner.loss(file, left, &fact))
    }

    fn give_up_log(&self, file: &str, fact: &str, done: &mut Repaired) -> Result<(), Error> {
        done.quarantined.extend(self.inner.store.banish(file)?);
        self.inner.note_loss(self.inner.loss(file, None, fact))?;
        done.noted.push(file.to_owned());
        Ok(())
    }

    /// Writes down that a file is lost, or what of it is.
    fn give_up(&self, file: &str, problem: &Problem, done: &mut Repaired) -> Result<(), Error> {
        let inner = &self.inner;
        if problem.kind == Kind::Segment {
            return self.give_up_segment(file, problem, done);
        }
        let mut note = inner.loss(file, None, &problem.text);
        if let Some(id) = file.strip_prefix(SNAPSHOTS).and_then(|rest| rest.strip_prefix('/')) {
            let known = inner.index().snapshots()?;
            note.sequence = known.into_iter().find(|(known, _)| known.0 == id).map(|(_, sequence)| sequence);
        }
        // Noted before it is moved: a manifest that is merely gone would be missed as one that somebody removed.
        inner.note_loss(note)?;
        done.quarantined.extend(inner.store.banish(file)?);
        done.noted.push(file.to_owned());
        Ok(())
    }

    fn give_up_segment(&self, file: &str, problem: &Problem, done: &mut Repaired) -> Result<(), Error> {
        let inner = &self.inner;
        let name = file.rsplit('/').next().unwrap_or_default();
        let opened = SegmentFile::open(&inner.store, name, &inner.header.archive, inner.secrets.data.as_ref());
        let directory = opened.and_then(|mut opened| opened.directory());
        let hash = inner.store.open(file).and_then(|input| hash_of(input, &inner.store.path(file)));
        let number = inner.index().segment(name)?;
        // What cannot even be hashed, or has no directory, gives no record any more.
        let left = hash.ok().filter(|_| directory.is_ok());
        let mut note = inner.loss(file, left.clone(), &problem.text);
        note.directory = match directory {
            Ok(directory) => Some(directory),
            Err(_) => {
                number.map(|number| inner.directory_known(number)).transpose()?.filter(|known| !known.blocks.is_empty())
            }
        };
        if let Some(number) = number {
            if left.is_none() {
                let lines = inner.index().lines_in(number)?;
                inner.index().mark_bad(number, 0, lines)?;
            }
            inner.look_again();
            let mending = inner.mending()?;
            let held = inner.index().held(number)?.into_iter();
            note.lines = held.filter(|held| mending.bad.contains(number, held.line)).map(LostLine::of).collect();
        }
        let gone = left.is_none();
        inner.note_loss(note)?;
        if gone {
            done.quarantined.extend(inner.store.banish(file)?);
        }
        done.noted.push(file.to_owned());
        Ok(())
    }

    /// Marks of which nothing is known but that they were there.
    fn give_up_marks(&self, done: &mut Repaired) -> Result<(), Error> {
        let mut numbers = BTreeSet::new();
        for name in self.inner.store.list(MARKS)? {
            if let Ok(line) = self.inner.read_signed::<MarkLine>(&MARK, &name) {
                numbers.insert(line.number);
            }
        }
        let last = numbers.last().copied().unwrap_or(0);
        for number in (1..last).filter(|number| !numbers.contains(number)) {
            let file = format!("{MARKS}/number-{number}");
            self.inner.note_loss(self.inner.loss(&file, None, "is gone, and no copy has it"))?;
            done.noted.push(file);
        }
        Ok(())
    }
}

impl Inner {
    /// A segment's blocks as the index knows them.
    pub(super) fn directory_known(&self, number: u32) -> Result<Directory, Error> {
        let blocks = self.index().blocks(number)?.into_iter().map(|block| block.facts).collect();
        Ok(Directory { blocks })
    }
}
