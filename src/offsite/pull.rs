//! Fetches what is missing here: a whole archive into a new folder, or a few files into a damaged one.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::io::Seek;

use chrono::{DateTime, Utc};
use futures_util::{StreamExt, stream};
use serde::Serialize;

use crate::archive::{FileName, Part, Shelf, StoredFile, in_order_of_copying};
use crate::offsite::error::Trouble;
use crate::offsite::pace::Pace;
use crate::offsite::place::Place;
use crate::offsite::{Amount, Error, Fault, Haul, Progress, Target};

/// What a pull did.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize)]
pub struct Pulled {
    /// The archive's id.
    pub archive: String,
    /// What travelled.
    pub fetched: Amount,
    /// What was here already.
    pub there: Amount,
    /// What could not be fetched, or is another file here.
    pub faults: Vec<Fault>,
}

/// Fetches the files of a copy that are missing in a folder; what is there is not touched.
pub async fn pull(
    target: &Target,
    to: &Shelf,
    haul: Haul,
    now: DateTime<Utc>,
    progress: &dyn Progress,
) -> Result<Pulled, Error> {
    let (place, label) = (Place::open(target)?, target.address.to_string());
    let listing = place.list().await?;
    let Some(header) = place.header().await? else {
        return Err(if listing.claims.is_empty() { Error::NoCopy(label) } else { Error::HalfCopy(label) });
    };
    to.prepare()?;
    let mut newer = Ordering::Equal;
    match to.header()? {
        Some(own) if own.archive != header.archive => {
            return Err(Error::OtherArchive { target: label, found: header.archive, expected: own.archive });
        }
        Some(own) => newer = header.rotation.cmp(&own.rotation),
        None => {
            if let Some(found) = to.stranger()? {
                return Err(Error::Occupied { target: to.root().display().to_string(), found });
            }
        }
    }
    let _turn = to.turn(now)?;
    let mut done = Pulled { archive: header.archive, ..Pulled::default() };
    let wanted = missing(listing.files, to, newer, &mut done)?;
    progress.expects(wanted.iter().map(|file| file.bytes).collect());
    let pull = Pull { place: &place, to, pace: Pace::new(haul.download), transfers: haul.transfers.max(1), progress };
    pull.run(wanted, &mut done).await?;
    done.faults.sort();
    Ok(done)
}

/// The files to fetch, in the order of copying; `newer` says how the keys there compare with those here.
fn missing(theirs: Vec<StoredFile>, to: &Shelf, newer: Ordering, done: &mut Pulled) -> Result<Vec<StoredFile>, Error> {
    let ours: HashMap<FileName, u64> = to.files()?.into_iter().map(|file| (file.name, file.bytes)).collect();
    let mut wanted = Vec::new();
    for file in theirs {
        match ours.get(&file.name) {
            None => wanted.push(file),
            // Headers are the only files that change: when keys are rotated.
            Some(_) if is_header(&file.name) && newer.is_gt() => wanted.push(file),
            Some(_) if is_header(&file.name) && newer.is_lt() => done.there.add(Amount::one(file.bytes)),
            Some(bytes) if *bytes == file.bytes => done.there.add(Amount::one(file.bytes)),
            Some(bytes) if file.name.part() == Part::Log && *bytes < file.bytes => wanted.push(file),
            // A journal that was carried on here is the newer one.
            Some(_) if file.name.part() == Part::Log => done.there.add(Amount::one(file.bytes)),
            Some(bytes) => done.faults.push(Fault {
                file: file.name.to_string(),
                problem: format!("has {bytes} bytes here and {} in the copy; move it away and pull again", file.bytes),
            }),
        }
    }
    in_order_of_copying(&mut wanted);
    Ok(wanted)
}

fn is_header(name: &FileName) -> bool {
    matches!(name.part(), Part::Header | Part::HeaderCopy)
}

struct Pull<'a> {
    place: &'a Place,
    to: &'a Shelf,
    pace: Pace,
    transfers: usize,
    progress: &'a dyn Progress,
}

impl Pull<'_> {
    async fn run(&self, wanted: Vec<StoredFile>, done: &mut Pulled) -> Result<(), Error> {
        let (contents, rest): (Vec<StoredFile>, Vec<StoredFile>) =
            wanted.into_iter().partition(|file| matches!(file.name.part(), Part::Segment | Part::Blob));
        let mut arrived = true;
        {
            let fetches = contents.iter().map(|file| async move { (file, self.fetch(file).await) });
            let mut fetches = stream::iter(fetches).buffer_unordered(self.transfers);
            while let Some((file, fetched)) = fetches.next().await {
                arrived &= self.ended(file, fetched, done);
            }
        }
        self.to.settle()?;
        for file in &rest {
            if !arrived && file.name.part() >= Part::Snapshot {
                // Without its header the folder is no archive, and a manifest promises what it names.
                let problem = "waits until all before it has arrived".to_owned();
                done.faults.push(Fault { file: file.name.to_string(), problem });
                continue;
            }
            let fetched = self.fetch(file).await;
            arrived &= self.ended(file, fetched, done);
        }
        Ok(())
    }

    /// Notes how a file fared; false if the way was broken. A file damaged in the copy holds nothing up:
    /// all that is whole there must come back.
    fn ended(&self, file: &StoredFile, fetched: Result<(), Trouble>, done: &mut Pulled) -> bool {
        self.progress.did(Amount::one(file.bytes));
        let (problem, goes_on) = match fetched {
            Ok(()) => {
                done.fetched.add(Amount::one(file.bytes));
                return true;
            }
            Err(Trouble::Damaged(fact)) => (format!("is damaged in the copy: {fact}"), true),
            Err(Trouble::Gone) => ("is gone from the copy".to_owned(), true),
            Err(Trouble::Failed(error)) => (error.to_string(), false),
        };
        done.faults.push(Fault { file: file.name.to_string(), problem });
        goes_on
    }

    async fn fetch(&self, file: &StoredFile) -> Result<(), Trouble> {
        let name = &file.name;
        if name.part() == Part::Log {
            let spooled = |error: std::io::Error| Error::Store {
                doing: "read",
                target: name.to_string(),
                fact: error.to_string(),
            };
            let mut spool = tempfile::tempfile().map_err(spooled)?;
            self.place.fetch(name, &mut spool, &self.pace).await?;
            spool.rewind().map_err(spooled)?;
            tokio::task::block_in_place(|| self.to.extend_log(name, spool))?;
            return Ok(());
        }
        let mut arrival = self.to.receive()?;
        self.place.fetch(name, &mut arrival, &self.pace).await?;
        if is_header(name) && self.to.file(name)?.is_some() {
            // One of the two headers is there at any moment.
            self.to.set_aside(name)?;
        }
        tokio::task::block_in_place(|| arrival.shelve(name))?;
        Ok(())
    }
}
