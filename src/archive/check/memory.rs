//! What a check tells the index: which lines can be trusted, which files were here, when each was read.
//!
//! A mark, a note or a journal that is taken away whole leaves no gap in the archive, and a journal
//! cut between two entries looks like one that ended there. So the index remembers what was here.
//! It is told only while nobody writes; what is not written down today is met again tomorrow.

use super::{Check, Problem, Reading, Remedy};
use crate::archive::error::Error;
use crate::archive::excerpt::EXCERPTS;
use crate::archive::losses::LOSSES;
use crate::archive::marks::MARKS;
use crate::archive::subset::{FAILED, read_as_of};

/// One thing to write down.
pub(super) enum Memo {
    /// These lines of a segment cannot be read, and all others can: first line and how many.
    Bad(u32, Vec<(u32, u32)>),
    /// A file was read whole and is what it should be.
    Verified(String, u64),
    /// A file was read and is not.
    Failed(String),
    /// A file is there.
    Saw(String, u64),
}

impl Check<'_> {
    /// Files of which only the index can say that they are gone, or were longer.
    pub(super) fn missed_files(&mut self) -> Result<(), Error> {
        for folder in [MARKS, EXCERPTS, LOSSES] {
            for name in self.inner.store.list(folder)? {
                // Their names say what they hold; only of logs the length tells anything.
                self.memos.push(Memo::Saw(format!("{folder}/{name}"), 0));
            }
        }
        let seen = self.inner.index().seen_files()?;
        for (file, bytes) in
            seen.iter().filter(|(file, _)| !file.starts_with("segments/") && !file.starts_with("blobs/"))
        {
            match self.inner.store.length(file) {
                Ok(length) if length >= *bytes => {}
                Ok(length) => {
                    let known = self.loss_of(file).is_some();
                    let text = format!("had {bytes} bytes here before and has {length} now");
                    self.found(Problem { known, ..Problem::of(file, Remedy::Log, text) });
                }
                Err(_) => {
                    // A log is wanted from a copy as well; there is nothing left to cut.
                    let (known, text) = (self.is_known_gone(file), "was seen here before and is gone");
                    self.found(Problem { known, ..Problem::of(file, Remedy::Fetch, text) });
                }
            }
        }
        // Remembered as they were: what is missed now is missed until it is back.
        let hurt = &self.hurt;
        self.memos.retain(|memo| match memo {
            Memo::Saw(file, bytes) => !hurt.contains(file) && seen.get(file).is_none_or(|known| known < bytes),
            _ => true,
        });
        Ok(())
    }

    /// Tells the index.
    pub(super) fn remember(&mut self) -> Result<(), Error> {
        let (memos, now) = (std::mem::take(&mut self.memos), self.inner.clock.now().timestamp());
        if memos.is_empty() {
            return Ok(());
        }
        self.inner.index().when_free(|index| {
            for memo in memos {
                match memo {
                    Memo::Saw(file, bytes) => index.saw_file(&file, bytes)?,
                    Memo::Verified(file, bytes) => index.verify(&file, bytes, now)?,
                    Memo::Failed(file) => index.verify(&file, 0, FAILED)?,
                    Memo::Bad(segment, lines) => {
                        index.clear_bad(segment)?;
                        lines.iter().try_for_each(|(first, lines)| index.mark_bad(segment, *first, *lines))?;
                    }
                }
            }
            Ok(())
        })?;
        self.inner.look_again();
        Ok(())
    }

    /// As of when every byte was read, but for what is known to be lost; asked only after a part, for it looks at each file.
    pub(super) fn read_as_of(&self) -> Result<Option<i64>, Error> {
        if !matches!(self.reading, Reading::Some(_)) {
            return Ok(None);
        }
        let mut files = self.inner.read_whole()?;
        files.retain(|one| one.verified.is_some_and(|at| at > FAILED) || self.loss_of(&one.file).is_none());
        Ok(read_as_of(&files))
    }
}
