//! A snapshot being made.
//!
//! Order of what reaches the disk: segments and blobs, then the manifest, then
//! the index. A crash anywhere leaves every finished snapshot as it was and, at
//! most, files that no manifest names; the next run finds and uses them.
//!
//! Records go through one look-up in the index a page; what is not there yet
//! becomes a line of the growing segment. Nothing is held by record.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::blob::BlobPacker;
use super::error::Error;
use super::index::Row;
use super::manifest::{MANIFEST, Manifest, UNFINISHED};
use super::map::Map;
use super::outline::{self, Outlined};
use super::packer::Packer;
use super::progress::{Progress, Took};
use super::run::Turn;
use super::segment::{BLOCK_BYTES, RawBlock, SEGMENT_BYTES, SEGMENTS};
use super::snapshot::Snapshot;
use super::store::Store;
use super::{Archive, BlobRef, Certificate, Contents, Coverage, Ending, SnapshotId, Source, Tally};
use crate::catalogue::ObjectName;
use crate::record::{Record, RecordId};

/// A growing segment of more is finished at a checkpoint; a smaller one is stored and goes on growing,
/// so that many checkpoints do not make many small files.
const FINISH_AT_CHECKPOINT: u64 = 2 << 20;

/// A snapshot being made. Dropped without [`SnapshotWriter::finish`] there is no snapshot, but what reached the disk is used by the next run.
pub struct SnapshotWriter<'a> {
    pub(super) archive: &'a Archive,
    pub(super) head: Head<'a>,
    pub(super) source: Source,
    pub(super) outlined: Outlined,
    pub(super) objects: HashMap<ObjectName, Progress>,
    /// Objects in the order in which they were first met.
    pub(super) order: Vec<ObjectName>,
    /// Contents of this snapshot, by the names of their files.
    pub(super) blobs: BTreeMap<String, BlobRef>,
    pub(super) blob_packer: BlobPacker,
    pub(super) resumed: Option<Value>,
    pub(super) bytes_added: u64,
    /// Segments from this number on are written by this run.
    pub(super) first_segment: u32,
    pub(super) packing: Packing,
    /// Held until the end; the last field, so that it is given back last.
    pub(super) _turn: Turn,
}

/// Where the new snapshot belongs.
pub(super) struct Head<'a> {
    /// The newest snapshot; the chain goes on from it.
    pub(super) newest: Option<Snapshot<'a>>,
    /// The newest snapshot of the same account; records are compared with its.
    pub(super) parent: Option<Snapshot<'a>>,
    pub(super) sequence: u64,
    /// Snapshots that are known by name only.
    pub(super) follows: Vec<super::SnapshotId>,
    /// It stands on none of the snapshots that there are, because the key in use may not read them.
    pub(super) forgot: bool,
}

/// The segment that grows.
pub(super) struct Packing {
    pub(super) packer: Packer,
    pub(super) block: Option<RawBlock>,
    pub(super) segment: u32,
    /// Lines in it, those of the open block included.
    pub(super) lines: u32,
    /// Lines of it that are on disk.
    pub(super) lines_stored: u32,
    /// Where the growing segment was stored at the last checkpoint, and its length.
    pub(super) provisional: Option<(String, u64)>,
    /// Files that a longer one replaces as soon as the index says so.
    pub(super) superseded: Vec<String>,
}

/// The state of an unfinished capture, as the index keeps it.
#[derive(Serialize, Deserialize)]
pub(super) struct Unfinished<Notes> {
    pub(super) source: Source,
    pub(super) parent: Option<super::SnapshotId>,
    pub(super) notes: Notes,
    pub(super) bytes_added: u64,
    pub(super) blobs: Vec<BlobRef>,
    pub(super) objects: Vec<UnfinishedObject>,
}

/// One object of it; maps as hex.
#[derive(Serialize, Deserialize)]
pub(super) struct UnfinishedObject {
    pub(super) object: String,
    pub(super) settled: String,
    pub(super) seen: String,
    pub(super) kept: String,
    pub(super) withdrawn: u64,
    pub(super) new: u64,
    pub(super) changed: u64,
    pub(super) closed: Option<Contents>,
}

impl<'a> SnapshotWriter<'a> {
    /// The snapshot this one is compared with: the newest of the same account.
    pub fn parent(&self) -> Option<&Snapshot<'a>> {
        self.head.parent.as_ref()
    }

    /// The capture's own notes from the last checkpoint of an unfinished run, if this run takes it up.
    pub fn resumed(&self) -> Option<&Value> {
        self.resumed.as_ref()
    }

    /// Forgets what an unfinished run that was taken up had seen; what it stored is found again.
    pub fn start_over(&mut self) {
        self.objects.clear();
        self.order.clear();
        self.resumed = None;
    }

    /// Stores the records of one page that are new or changed and marks all of them as seen. One look-up in the index a page.
    pub fn take(&mut self, records: &[Record]) -> Result<Vec<Took>, Error> {
        let mut took = Vec::with_capacity(records.len());
        for page in records.chunk_by(|left, right| left.id().object == right.id().object) {
            let object = page[0].id().object.clone();
            self.open_object(&object)?;
            let taken = self.take_page(&object, page);
            took.extend(self.guarded(taken)?);
        }
        Ok(took)
    }

    fn take_page(&mut self, object: &ObjectName, page: &[Record]) -> Result<Vec<Took>, Error> {
        let archive = self.archive;
        let mending = archive.inner.mending()?;
        let mut index = archive.inner.index();
        let number = index.object(object.as_str())?;
        let mut keys: Vec<Vec<u8>> = page.iter().map(|record| record.id().key.to_bytes()).collect();
        let unsorted = keys.clone();
        keys.sort();
        keys.dedup();
        let mut versions: Vec<Vec<Row>> = vec![Vec::new(); keys.len()];
        index.look_up(number, &keys, &mut |at, row| versions[at].push(row))?;
        let mut took = Vec::with_capacity(page.len());
        let fields = (self.outlined)(object);
        let bodies = page.iter().map(Record::text);
        let digests = archive.inner.secrets.digest.digests(object, unsorted.iter().zip(bodies));
        for ((record, key), digest) in page.iter().zip(unsorted).zip(digests) {
            let at = keys.binary_search(&key).expect("the keys are those of the page");
            let progress = self.objects.get_mut(object).expect("the object was opened above");
            let same = versions[at].iter().filter(|row| row.digest == digest).map(|row| (row.segment, row.line));
            // Nothing new may count on what cannot be read: the version is stored again.
            let (known, bad): (Vec<_>, Vec<_>) = same.partition(|place| mending.trusts(place.0, place.1));
            // Packed anew, a version lies in two places for a while: where the parent has it, or else in the newer one.
            let known = known.into_iter().max_by_key(|place| (progress.parent.contains(place.0, place.1), place.0));
            let position = match known {
                Some(position) => position,
                None => {
                    let position = self.packing.add(object, record)?;
                    let row = Row { key, segment: position.0, line: position.1, digest };
                    index.insert(number, &row)?;
                    versions[at].push(row);
                    bad.iter().for_each(|bad| progress.stand_in(*bad, position));
                    position
                }
            };
            if !fields.is_empty() {
                index.put_outline(number, &keys[at], position, &outline::of(record, &fields))?;
            }
            took.push(progress.see(&versions[at], position));
        }
        Ok(took)
    }

    /// Carries a record of the parent over without having seen it (increments). False when the parent has none.
    pub fn keep(&mut self, id: &RecordId) -> Result<bool, Error> {
        self.open_object(&id.object)?;
        let versions = self.versions(id)?;
        let progress = self.objects.get_mut(&id.object).expect("the object was opened above");
        let Some((segment, line)) = progress.position_in_parent(&versions) else { return Ok(false) };
        progress.keep(segment, line);
        Ok(true)
    }

    /// Carries over all records of the object that were not taken, kept or dropped so far.
    pub fn keep_rest(&mut self, object: &ObjectName) -> Result<u64, Error> {
        self.open_object(object)?;
        Ok(self.objects.get_mut(object).expect("the object was opened above").keep_rest())
    }

    /// The record is known to be gone (the service said so).
    pub fn gone(&mut self, id: &RecordId) -> Result<(), Error> {
        self.open_object(&id.object)?;
        let versions = self.versions(id)?;
        self.objects.get_mut(&id.object).expect("the object was opened above").drop_record(&versions);
        Ok(())
    }

    fn versions(&mut self, id: &RecordId) -> Result<Vec<Row>, Error> {
        let versions = {
            let mut index = self.archive.inner.index();
            let number = index.object(id.object.as_str())?;
            index.versions(number, &id.key.to_bytes())
        };
        self.guarded(versions)
    }

    /// Ends an object. What the parent had and this run neither took, kept nor saw gone is a deletion
    /// if `ending.unseen_is_deleted`, else it is carried over.
    pub fn close(&mut self, object: &ObjectName, ending: Ending) -> Result<Contents, Error> {
        self.open_object(object)?;
        let progress = self.objects.get_mut(object).expect("the object was opened above");
        if !ending.unseen_is_deleted {
            progress.keep_rest();
        }
        let (records, new, changed) = (progress.seen.len(), progress.new, progress.changed);
        let deleted = progress.parent.len() - (records - new);
        let blank = progress.blank.len();
        let unchanged = new == 0 && changed == 0 && deleted == 0 && blank == 0;
        let parents_root =
            self.head.parent.as_ref().and_then(|parent| parent.contents(object)).map(|contents| contents.root.clone());
        let root = match parents_root {
            Some(root) if unchanged => root,
            _ => {
                let root = self.root(object);
                self.guarded(root)?
            }
        };
        let (carried, withdrawn) = (self.objects[object].kept.len(), self.objects[object].withdrawn);
        let Ending {
            mut coverage,
            listed,
            mut gaps,
            seen_at,
            deletions_seen_at,
            watermark,
            without,
            unseen_is_deleted,
        } = ending;
        if blank > 0 && !unseen_is_deleted {
            let reason = format!("{blank} records of the snapshot before were lost in the archive and not read again");
            gaps.push(reason.clone());
            coverage = Coverage::Part { reason };
        }
        let contents = Contents {
            object: object.clone(),
            records,
            new,
            changed,
            deleted,
            root,
            coverage,
            gaps,
            seen_at,
            deletions_seen_at,
            watermark,
            without,
            certificate: Some(Certificate { listed, carried, withdrawn, ..Certificate::default() }),
        };
        self.objects.get_mut(object).expect("the object was opened above").closed = Some(contents.clone());
        Ok(contents)
    }

    fn root(&self, object: &ObjectName) -> Result<String, Error> {
        self.objects[object].root(object, &mut self.archive.inner.index())
    }

    /// Puts everything so far on disk together with the capture's notes, so that a killed run can be taken up here.
    pub fn checkpoint(&mut self, notes: &impl Serialize) -> Result<(), Error> {
        let go_on = self.packing.packer.growing_bytes < FINISH_AT_CHECKPOINT;
        self.store_segments(go_on)?;
        let state = serde_json::to_string(&self.unfinished(notes)).expect("the state always serialises");
        self.commit(|index| index.set_unfinished(Some(&state)))?;
        self.archive.inner.index().begin()
    }

    fn unfinished<'n, Notes>(&self, notes: &'n Notes) -> Unfinished<&'n Notes> {
        let objects = self.order.iter().map(|object| {
            let Progress { settled, seen, kept, withdrawn, new, changed, closed, parent: _, blank: _ } =
                &self.objects[object];
            let hex = |map: &Map| hex::encode(map.to_bytes());
            UnfinishedObject {
                object: object.as_str().to_owned(),
                settled: hex(settled),
                seen: hex(seen),
                kept: hex(kept),
                withdrawn: *withdrawn,
                new: *new,
                changed: *changed,
                closed: closed.clone(),
            }
        });
        Unfinished {
            source: self.source.clone(),
            parent: self.head.parent.as_ref().map(|parent| parent.manifest().id.clone()),
            notes,
            bytes_added: self.bytes_added,
            blobs: self.blobs.values().cloned().collect(),
            objects: objects.collect(),
        }
    }

    /// Whether there is anything in this snapshot that its parent has not, or the other way round.
    pub fn has_news(&self) -> bool {
        let moved = |progress: &Progress| progress.new > 0 || progress.seen.len() != progress.parent.len();
        self.objects.values().any(|progress| progress.changed > 0 || moved(progress))
    }

    /// Writes the manifest: from here on the snapshot exists.
    pub fn finish(self, tally: Tally) -> Result<Manifest, Error> {
        self.put_in_place(tally, None)
    }

    /// Writes the manifest of a capture that is not at its end; the next run goes on on top of it, with the notes.
    pub fn publish(self, mut tally: Tally, notes: &impl Serialize) -> Result<Manifest, Error> {
        tally.notes[UNFINISHED] = Value::Bool(true);
        let notes = serde_json::to_value(notes).expect("notes always serialise");
        self.put_in_place(tally, Some(notes))
    }

    fn put_in_place(mut self, tally: Tally, goes_on: Option<Value>) -> Result<Manifest, Error> {
        if let Some(object) = self.order.iter().find(|object| self.objects[*object].closed.is_none()) {
            return Err(Error::NotClosed(object.clone()));
        }
        self.carry_over_the_rest()?;
        self.store_segments(false)?;
        self.certify()?;
        let (line, map) = self.line(tally)?;
        let inner = Arc::clone(&self.archive.inner);
        // The manifest comes after all it names: a crash before this line leaves no half snapshot.
        let id = SnapshotId(inner.place_signed(&MANIFEST, &line)?);
        let text = serde_json::to_string(&line).expect("a manifest always serialises");
        let state = goes_on.map(|notes| self.gone_on_from(&id, &notes));
        self.commit(|index| {
            index.set_unfinished(state.as_deref())?;
            index.keep_snapshot(&id, line.sequence, &text, &map)
        })?;
        Ok(line.manifest(&id))
    }

    /// The state of this capture once its snapshot is the parent: all that it saw is what the parent has.
    fn gone_on_from(&self, id: &SnapshotId, notes: &Value) -> String {
        let mut state = self.unfinished(notes);
        for object in &mut state.objects {
            object.settled.clone_from(&object.seen);
            (object.new, object.changed, object.closed) = (0, 0, None);
        }
        let state = Unfinished { parent: Some(id.clone()), bytes_added: 0, blobs: Vec::new(), ..state };
        serde_json::to_string(&state).expect("the state always serialises")
    }

    /// Objects of the parent that this run never met stay as they were.
    fn carry_over_the_rest(&mut self) -> Result<(), Error> {
        let contents: Vec<Contents> =
            self.head.parent.iter().flat_map(|parent| parent.manifest().contents.clone()).collect();
        for contents in contents {
            if !self.objects.contains_key(&contents.object) {
                self.open_object(&contents.object)?;
                let progress = self.objects.get_mut(&contents.object).expect("the object was opened above");
                let blank = std::mem::take(&mut progress.blank);
                let carried = progress.keep_rest() + blank.len();
                progress.seen.add(&blank);
                let certificate = Some(Certificate { listed: Some(0), carried, ..Certificate::default() });
                progress.closed = Some(Contents { new: 0, changed: 0, deleted: 0, certificate, ..contents });
            }
        }
        Ok(())
    }

    fn commit(&mut self, last: impl FnOnce(&mut super::index::Index) -> Result<(), Error>) -> Result<(), Error> {
        let mut index = self.archive.inner.index();
        last(&mut index)?;
        index.commit()?;
        drop(index);
        self.archive.inner.look_again();
        for name in std::mem::take(&mut self.packing.superseded) {
            self.archive.inner.store.remove(&Store::spread(SEGMENTS, &name))?;
        }
        Ok(())
    }

    /// Has the growing segment stored, waits for all that is on its way, and enters it in the index.
    fn store_segments(&mut self, go_on: bool) -> Result<(), Error> {
        self.archive.inner.store.settle()?;
        let packing = &mut self.packing;
        packing.cut()?;
        if packing.lines > packing.lines_stored {
            packing.store(go_on)?;
        }
        for stored in packing.packer.settle()? {
            if let Some((name, bytes)) = packing.provisional.take() {
                self.bytes_added -= bytes;
                packing.superseded.push(name);
            }
            let mut index = self.archive.inner.index();
            index.put_segment(stored.number, &stored.placed.name, &stored.directory)?;
            self.bytes_added += stored.placed.bytes;
            if stored.number == packing.segment {
                packing.provisional = Some((stored.placed.name, stored.placed.bytes));
            }
        }
        Ok(())
    }

    /// Makes the object's progress, with what the parent has of it.
    fn open_object(&mut self, object: &ObjectName) -> Result<(), Error> {
        if let Some(progress) = self.objects.get_mut(object) {
            progress.closed = None;
            return Ok(());
        }
        let parent = self.head.parent.as_ref().map(|parent| parent.map_of(object)).transpose();
        let parent = self.guarded(parent)?.unwrap_or_default();
        let blank = parent.and(&self.archive.inner.mending()?.blank);
        let parent = parent.minus(&blank);
        self.objects.insert(object.clone(), Progress { parent, blank, ..Progress::default() });
        self.order.push(object.clone());
        Ok(())
    }

    /// Throws a damaged index away, so that the next run begins with a good one.
    fn guarded<T>(&self, result: Result<T, Error>) -> Result<T, Error> {
        if result.as_ref().is_err_and(Error::is_index_damage) {
            self.archive.inner.discard_index()?;
        }
        result
    }
}

impl Drop for SnapshotWriter<'_> {
    fn drop(&mut self) {
        self.archive.inner.roll_back();
    }
}

impl Packing {
    /// Appends a record's line, and returns where it will be.
    fn add(&mut self, object: &ObjectName, record: &Record) -> Result<(u32, u32), Error> {
        // A block holds lines of one object: it is cut where another begins.
        if self.block.as_ref().is_some_and(|block| block.object != object.as_str() || block.text.len() >= BLOCK_BYTES) {
            self.cut()?;
            if self.packer.growing_bytes >= SEGMENT_BYTES {
                self.store(false)?;
            }
        }
        let key = &record.id().key;
        let block = self.block.get_or_insert_with(|| RawBlock {
            object: object.as_str().to_owned(),
            text: Vec::with_capacity(BLOCK_BYTES + 4096),
            lines: 0,
            first: key.clone(),
            last: key.clone(),
        });
        record.write_line(&mut block.text);
        block.text.push(b'\n');
        block.lines += 1;
        if *key < block.first {
            block.first = key.clone();
        } else if *key > block.last {
            block.last = key.clone();
        }
        let position = (self.segment, self.lines);
        self.lines += 1;
        Ok(position)
    }

    fn cut(&mut self) -> Result<(), Error> {
        self.block.take().map_or(Ok(()), |block| self.packer.add(block))
    }

    fn store(&mut self, go_on: bool) -> Result<(), Error> {
        self.packer.store(self.segment, go_on)?;
        self.lines_stored = self.lines;
        if !go_on {
            self.segment += 1;
            self.lines = 0;
            self.lines_stored = 0;
        }
        Ok(())
    }
}
