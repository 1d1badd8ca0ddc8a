//! Looks for damage, reports what it finds, changes nothing that is not derived.
//!
//! Without `read_data`: names, headers, directories, signatures, the chain of
//! snapshots and whatever it names. With it: every stored byte, every line and
//! every content root again from the records themselves. A logged problem must
//! never end as a success, so every finding goes through one counter.

mod blobs;
mod chain;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::PathBuf;

use super::drills::DRILLS;
use super::error::Error;
use super::header::{HEADER, HEADER_COPY, Header};
use super::index::{INDEX, Row};
use super::keys::holders;
use super::log::LOGS;
use super::manifest::{Line, SNAPSHOTS};
use super::map::Map;
use super::merkle::Merkle;
use super::segment::{Directory, SEGMENTS, SegmentFile};
use super::shelf::belongs;
use super::store::{Store, hash_of};
use super::{Archive, Inner, SnapshotId, rows_of};
use crate::catalogue::ObjectName;

/// Something that is not as it should be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Problem {
    /// The file it was found in.
    pub file: Option<PathBuf>,
    /// What is wrong.
    pub text: String,
    /// Snapshots that need what is damaged.
    pub snapshots: Vec<SnapshotId>,
}

/// What a check looked at.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Checked {
    /// Manifests read.
    pub snapshots: u64,
    /// Segments looked at.
    pub segments: u64,
    /// Blobs looked at.
    pub blobs: u64,
    /// Snapshots that came in a bundle without the ones before them.
    pub alone: u64,
    /// Record versions read back from their bytes.
    pub records: u64,
    /// Stored bytes read whole.
    pub bytes_read: u64,
    /// Problems told.
    pub problems: u64,
}

impl Archive {
    /// Checks the structure, with `read_data` every byte. Problems are told as they are found; the report counts what was looked at.
    pub fn check(&self, read_data: bool, problem: &mut dyn FnMut(Problem)) -> Result<Checked, Error> {
        self.inner.header.checkable()?;
        let mut check = Check {
            inner: &self.inner,
            read_data,
            tell: problem,
            done: Checked::default(),
            snapshots: Vec::new(),
            needs: HashMap::new(),
            forgotten: HashMap::new(),
            alone: HashSet::new(),
        };
        check.headers()?;
        check.marks()?;
        check.excerpts()?;
        check.moves()?;
        check.manifests()?;
        check.maps()?;
        let index_is_right = check.segments()?;
        check.blobs()?;
        check.logs()?;
        check.strangers()?;
        if read_data && self.inner.reads_data() && self.inner.reads_manifests() {
            if !index_is_right {
                check.found(
                    Some(INDEX),
                    "does not agree with the segments; it has been thrown away and is made again".to_owned(),
                    Vec::new(),
                );
                self.inner.discard_index()?;
            }
            check.roots()?;
        }
        Ok(check.done)
    }
}

/// A snapshot under check; without a map once a problem with it was told.
struct Seen {
    id: SnapshotId,
    line: Line,
    readable: bool,
}

struct Check<'c> {
    inner: &'c Inner,
    read_data: bool,
    tell: &'c mut dyn FnMut(Problem),
    done: Checked,
    snapshots: Vec<Seen>,
    /// Snapshots by the name of a segment they need.
    needs: HashMap<String, Vec<SnapshotId>>,
    /// Numbers of snapshots that were forgotten: these may be gone.
    forgotten: HashMap<SnapshotId, u64>,
    /// Snapshots that came without those before them.
    alone: HashSet<SnapshotId>,
}

impl Check<'_> {
    fn found(&mut self, file: Option<&str>, text: String, snapshots: Vec<SnapshotId>) {
        self.done.problems += 1;
        (self.tell)(Problem { file: file.map(|name| self.inner.store.path(name)), text, snapshots });
    }

    /// Tells damage as a problem of the file; anything else ends the check.
    fn damage<T>(
        &mut self,
        file: &str,
        result: Result<T, Error>,
        snapshots: &[SnapshotId],
    ) -> Result<Option<T>, Error> {
        let text = match result {
            Ok(value) => return Ok(Some(value)),
            Err(Error::Damaged { fact, .. }) => fact,
            Err(Error::Missing(_)) => "is missing".to_owned(),
            Err(Error::File { source, .. }) => source.to_string(),
            Err(error @ (Error::NewerFormat { .. } | Error::UnknownFeature { .. })) => error.to_string(),
            Err(error) => return Err(error),
        };
        self.found(Some(file), text, snapshots.to_vec());
        Ok(None)
    }

    fn headers(&mut self) -> Result<(), Error> {
        let store = &self.inner.store;
        let header = self.damage(HEADER, Header::parse(store, HEADER), &[])?;
        let copy = self.damage(HEADER_COPY, Header::parse(store, HEADER_COPY), &[])?;
        if header.is_some() && copy.is_some() && store.read(HEADER)? != store.read(HEADER_COPY)? {
            self.found(Some(HEADER), format!("differs from its copy {HEADER_COPY}"), Vec::new());
        }
        for file in holders(store)? {
            self.name_is_hash(&file, &[])?;
        }
        Ok(())
    }

    /// Reads a whole file and compares its hash with its name.
    fn name_is_hash(&mut self, file: &str, snapshots: &[SnapshotId]) -> Result<bool, Error> {
        let path = self.inner.store.path(file);
        let found = self.inner.store.open(file).and_then(|input| hash_of(input, &path));
        self.done.bytes_read += self.inner.store.length(file).unwrap_or(0);
        let Some(found) = self.damage(file, found, snapshots)? else { return Ok(false) };
        let right = file.rsplit('/').next() == Some(found.as_str());
        if !right {
            self.found(Some(file), format!("its bytes hash to {}", &found[..16]), snapshots.to_vec());
        }
        Ok(right)
    }

    /// Positions exist and are as many as the manifest counts.
    fn maps(&mut self) -> Result<(), Error> {
        for at in 0..self.snapshots.len() {
            let (id, file) = (self.snapshots[at].id.clone(), format!("{SNAPSHOTS}/{}", self.snapshots[at].id.0));
            if self.inner.reads_manifests() {
                let named = self.inner.lines_by_name(&id);
                let Some(named) = self.damage(&file, named, std::slice::from_ref(&id))? else {
                    self.snapshots[at].readable = false;
                    continue;
                };
                named.into_keys().for_each(|segment| self.need(segment, &id));
            }
            if !self.inner.reads_data() {
                continue;
            }
            let map = self.inner.healing(|inner| inner.map(&id));
            let Some(map) = self.damage(&file, map, std::slice::from_ref(&id))? else {
                self.snapshots[at].readable = false;
                continue;
            };
            self.counts(at, &map)?;
        }
        Ok(())
    }

    fn need(&mut self, segment: String, id: &SnapshotId) {
        let needing = self.needs.entry(segment).or_default();
        if needing.last() != Some(id) {
            needing.push(id.clone());
        }
    }

    fn counts(&mut self, at: usize, map: &Map) -> Result<(), Error> {
        let mut in_objects = 0;
        let mut problems = Vec::new();
        for contents in &self.snapshots[at].line.contents {
            let found = map.and(&self.inner.index().extent(contents.object.as_str())?).len();
            in_objects += found;
            if found != contents.records {
                problems.push(format!("{} {} counted, {found} found", contents.records, contents.object));
            }
        }
        if in_objects != map.len() {
            problems.push(format!("{} positions, {in_objects} of them in its objects", map.len()));
        }
        let id = self.snapshots[at].id.clone();
        for text in problems {
            self.found(Some(&format!("{SNAPSHOTS}/{}", id.0)), text, vec![id.clone()]);
        }
        Ok(())
    }

    /// Returns whether the index agrees with all that was read.
    fn segments(&mut self) -> Result<bool, Error> {
        let on_disk = self.inner.store.list_spread(SEGMENTS)?;
        let there: HashSet<String> = on_disk.iter().map(|(_, name)| name.clone()).collect();
        let missing: BTreeSet<String> = self.needs.keys().filter(|name| !there.contains(*name)).cloned().collect();
        for name in missing {
            let snapshots = self.needs[&name].clone();
            self.found(Some(&Store::spread(SEGMENTS, &name)), "is missing".to_owned(), snapshots);
        }
        let rows = if self.read_data { self.inner.index().versions_of_segment()? } else { HashMap::new() };
        let mut index_is_right = true;
        for (file, name) in on_disk {
            let snapshots = self.needs.get(&name).cloned().unwrap_or_default();
            // A running capture replaces its growing segment by a longer one, which no snapshot needs yet.
            if snapshots.is_empty() && !self.inner.store.exists(&file) {
                continue;
            }
            self.done.segments += 1;
            if file != Store::spread(SEGMENTS, &name) {
                self.found(Some(&file), "lies in the wrong folder".to_owned(), snapshots.clone());
            }
            if self.read_data && !self.name_is_hash(&file, &snapshots)? {
                continue;
            }
            if !self.inner.reads_data() {
                continue;
            }
            let opened = SegmentFile::open(
                &self.inner.store,
                &name,
                &self.inner.header.archive,
                self.inner.secrets.data.as_ref(),
            );
            let opened = opened.and_then(|mut opened| opened.directory().map(|directory| (opened, directory)));
            let Some((opened, directory)) = self.damage(&file, opened, &snapshots)? else { continue };
            if self.read_data {
                let number = self.inner.index().segment(&name)?;
                let agrees = self.lines(&file, opened, &directory, number);
                // A segment that no snapshot needs may not have been entered yet.
                let complete = number.is_none_or(|number| rows.get(&number).copied().unwrap_or(0) == directory.lines());
                index_is_right &= complete && self.damage(&file, agrees, &snapshots)?.unwrap_or(true);
            }
        }
        Ok(index_is_right)
    }

    /// Reads every line of a segment; returns whether the index has the same digests at the same places.
    fn lines(
        &mut self,
        file: &str,
        mut opened: SegmentFile,
        directory: &Directory,
        number: Option<u32>,
    ) -> Result<bool, Error> {
        let (path, digest) = (self.inner.store.path(file), &self.inner.secrets.digest);
        let (outbox, inbox) = std::sync::mpsc::sync_channel::<(String, Vec<Row>)>(2);
        std::thread::scope(|scope| {
            let reader = scope.spawn(move || {
                let mut first = 0;
                for facts in &directory.blocks {
                    let text = opened.block(facts)?;
                    let object = ObjectName::new(&facts.object);
                    let rows: Option<Vec<Row>> = rows_of(&text, &object, number.unwrap_or(0), first, digest).collect();
                    let rows = rows.ok_or_else(|| Error::damaged(&path, "a line that is no record"))?;
                    let range = rows.iter().map(|row| &row.key).min().zip(rows.iter().map(|row| &row.key).max());
                    let ends = range.map(|(least, greatest)| (key_text(least), key_text(greatest)));
                    if blake3::hash(&text).to_hex().as_str() != facts.blake3
                        || rows.len() as u64 != u64::from(facts.lines)
                        || ends != Some((facts.first.clone(), facts.last.clone()))
                    {
                        return Err(Error::damaged(
                            &path,
                            format!("the block at {} is not what the directory says", facts.offset),
                        ));
                    }
                    first += facts.lines;
                    if outbox.send((facts.object.clone(), rows)).is_err() {
                        return Ok(());
                    }
                }
                Ok(())
            });
            let mut agrees = true;
            for (object, rows) in inbox {
                self.done.records += rows.len() as u64;
                agrees &= number.is_none() || self.index_has(&object, rows)?;
            }
            reader.join().unwrap_or(Err(Error::PackerEnded)).map(|()| agrees)
        })
    }

    fn index_has(&self, object: &str, mut rows: Vec<Row>) -> Result<bool, Error> {
        rows.sort_by(|left, right| left.key.cmp(&right.key));
        let mut keys: Vec<Vec<u8>> = rows.iter().map(|row| row.key.clone()).collect();
        keys.dedup();
        let index = self.inner.index();
        let Some(number) = index.known_object(object)? else { return Ok(false) };
        let mut found = 0;
        let looked_up = index.look_up(number, &keys, &mut |at, row| {
            let of_key = rows.partition_point(|own| own.key < keys[at]);
            found += usize::from(rows[of_key..].iter().take_while(|own| own.key == row.key).any(|own| *own == row));
        });
        match looked_up {
            Err(error) if error.is_index_damage() => Ok(false),
            looked_up => looked_up.map(|()| found == rows.len()),
        }
    }

    fn logs(&mut self) -> Result<(), Error> {
        if !self.inner.reads_data() {
            return Ok(());
        }
        for folder in [LOGS, DRILLS] {
            for name in self.inner.store.list(folder)? {
                let file = format!("{folder}/{name}");
                let read = self.inner.walk_in(folder, &name, &mut |_| {});
                if self.damage(&file, read, &[])?.is_some_and(|read| read.torn) {
                    self.found(Some(&file), "its last entry is torn".to_owned(), Vec::new());
                }
            }
        }
        Ok(())
    }

    /// Files that no archive has.
    fn strangers(&mut self) -> Result<(), Error> {
        for name in self.inner.store.list("")? {
            if !belongs(&name) {
                self.found(Some(&name), "does not belong to an archive".to_owned(), Vec::new());
            }
        }
        Ok(())
    }

    /// Content roots again, from digests that were compared with the records.
    fn roots(&mut self) -> Result<(), Error> {
        let mut maps = Vec::new();
        for seen in self.snapshots.iter().filter(|seen| seen.readable) {
            match self.inner.map(&seen.id) {
                Ok(map) => maps.push((seen, map)),
                Err(Error::Damaged { .. } | Error::Missing(_) | Error::File { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        let objects: BTreeSet<&ObjectName> =
            maps.iter().flat_map(|(seen, _)| seen.line.contents.iter().map(|contents| &contents.object)).collect();
        let mut problems = Vec::new();
        for object in objects {
            let mut roots = vec![Merkle::default(); maps.len()];
            let index = self.inner.index();
            if let Some(number) = index.known_object(object.as_str())? {
                index.walk(number, &mut |segment, line, digest| {
                    for ((_, map), root) in maps.iter().zip(&mut roots) {
                        if map.contains(segment, line) {
                            root.push(digest);
                        }
                    }
                })?;
            }
            for ((seen, _), root) in maps.iter().zip(roots) {
                let expected = seen
                    .line
                    .contents
                    .iter()
                    .find(|contents| contents.object == *object)
                    .map(|contents| &contents.root);
                if expected.is_some_and(|expected| *expected != root.root()) {
                    problems.push((seen.id.clone(), format!("its {object} have another root than it says")));
                }
            }
        }
        for (id, text) in problems {
            self.found(Some(&format!("{SNAPSHOTS}/{}", id.0)), text, vec![id]);
        }
        Ok(())
    }
}

fn key_text(key: &[u8]) -> String {
    crate::record::Key::from_bytes(key).map(|key| key.to_string()).unwrap_or_default()
}
