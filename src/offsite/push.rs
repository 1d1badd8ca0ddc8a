//! Sends what a target has not.

use std::collections::HashMap;

use futures_util::{StreamExt, stream};
use serde::Serialize;

use crate::archive::{self, FileName, HeaderFacts, Part, Shelf, StoredFile};
use crate::offsite::error::Trouble;
use crate::offsite::pace::Pace;
use crate::offsite::place::{Listing, Place, Proof};
use crate::offsite::{Amount, Error, Fault, Haul, Progress, Target};

/// So many files that cannot be sent in a row are enough to know that none can.
const GIVE_UP_AFTER: usize = 5;

/// What a push did.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize)]
pub struct Pushed {
    /// The archive's id.
    pub archive: String,
    /// What travelled.
    pub sent: Amount,
    /// What was there already.
    pub there: Amount,
    /// Files proven by the store's checksum of what it received.
    pub by_checksum: u64,
    /// Files proven by reading them back.
    pub read_back: u64,
    /// Damaged files at the target that were sent again.
    pub mended: u64,
    /// Whether the target refuses to replace what it has.
    pub create_only: bool,
    /// Until when the target holds on to what it was given.
    pub locked_until: Option<String>,
    /// Snapshots that wait because files before them did not arrive.
    pub held_back: u64,
    /// What could not be sent, or lies there damaged.
    pub faults: Vec<Fault>,
}

impl Pushed {
    /// Whether the target has all that is here.
    pub fn is_whole(&self) -> bool {
        self.faults.is_empty() && self.held_back == 0
    }
}

/// A file that has to travel.
struct Errand {
    file: StoredFile,
    /// Its name is free at the target.
    create: bool,
}

/// Sends an archive's files to a target; with `verify` every file there is read and damaged ones are sent again.
pub async fn push(
    from: &Shelf,
    target: &Target,
    haul: Haul,
    verify: bool,
    progress: &dyn Progress,
) -> Result<Pushed, Error> {
    push_to(Place::open(target)?, from, target, (haul, verify), progress).await
}

/// The same where the target is open.
async fn push_to(
    place: Place,
    from: &Shelf,
    target: &Target,
    (haul, verify): (Haul, bool),
    progress: &dyn Progress,
) -> Result<Pushed, Error> {
    let header = from.header()?.ok_or_else(|| archive::Error::NotAnArchive(from.root().to_owned()))?;
    let (place, create_only, rotation) = claim(place, target, &header, progress).await?;
    // Ours before theirs: what comes to the target meanwhile is found there rather than sent twice.
    let files = from.files()?;
    let listing = place.list().await?;
    let mut push = Push {
        from,
        place: &place,
        upload: Pace::new(haul.upload),
        download: Pace::new(haul.download),
        transfers: haul.transfers.max(1),
        progress,
        create_only,
        rotated: rotation.is_some_and(|rotation| rotation < header.rotation),
        done: Pushed { archive: header.archive.clone(), create_only, ..Pushed::default() },
    };
    let errands = push.errands(files, &listing, verify).await?;
    progress.expects(errands.iter().map(|errand| errand.file.bytes).collect());
    let last = errands.last().map(|errand| errand.file.name.clone()).unwrap_or_else(FileName::header);
    push.run(errands).await?;
    if push.done.is_whole() {
        push.done.locked_until = place.locked_until(last.as_str()).await?;
        if target.lock.is_some() && push.done.locked_until.is_none() {
            progress.warned("the target took the object lock without an error, and does not hold it");
        }
    }
    push.done.faults.sort();
    Ok(push.done)
}

/// Refuses a target that is something else, and finds out what it promises, and which keys it has.
async fn claim(
    mut place: Place,
    target: &Target,
    own: &HeaderFacts,
    progress: &dyn Progress,
) -> Result<(Place, bool, Option<u64>), Error> {
    let (label, archive) = (target.address.to_string(), own.archive.as_str());
    let mut rotation = None;
    let other = |found: String| Error::OtherArchive { target: label.clone(), found, expected: archive.to_owned() };
    match place.header().await? {
        Some(header) if header.archive != archive => return Err(other(header.archive)),
        Some(header) if header.rotation > own.rotation => return Err(Error::NewerKeys(label)),
        Some(header) => rotation = Some(header.rotation),
        None => {
            let Listing { files, claims, stranger, .. } = place.list().await?;
            if let Some(found) = claims.iter().find(|claim| *claim != archive) {
                return Err(other(found.clone()));
            }
            let unclaimed = files.into_iter().find(|_| claims.is_empty()).map(|file| file.name.to_string());
            if let Some(found) = stranger.or(unclaimed) {
                return Err(Error::Occupied { target: label, found });
            }
        }
    }
    let claimed = match place.claim(archive).await {
        Err(error @ Error::Store { .. }) if target.lock.is_some() => {
            place = Place::open(&Target { lock: None, ..target.clone() })?;
            let claimed = place.claim(archive).await?;
            progress.warned(&format!("files are sent without an object lock, which the target refused: {error}"));
            Ok(claimed)
        }
        claimed => claimed,
    };
    let create_only = claimed?;
    if !create_only {
        progress.warned(&format!(
            "the target {}: it lets whoever has the credentials replace what is there, also by mistake",
            place.weakness()
        ));
    }
    Ok((place, create_only, rotation))
}

struct Push<'a> {
    from: &'a Shelf,
    place: &'a Place,
    upload: Pace,
    download: Pace,
    transfers: usize,
    progress: &'a dyn Progress,
    create_only: bool,
    /// The keys were replaced here since the last push: the header there is to be replaced, too.
    rotated: bool,
    done: Pushed,
}

impl Push<'_> {
    /// What has to travel, in the order of copying.
    async fn errands(&mut self, files: Vec<StoredFile>, listing: &Listing, verify: bool) -> Result<Vec<Errand>, Error> {
        let there: HashMap<&FileName, u64> = listing.files.iter().map(|file| (&file.name, file.bytes)).collect();
        let (mut errands, mut present) = (Vec::new(), Vec::new());
        for file in files {
            match there.get(&file.name) {
                None => errands.push(Errand { file, create: true }),
                Some(bytes) => present.push((*bytes, file)),
            }
        }
        let looked_at: Vec<(StoredFile, Result<bool, Trouble>)> = {
            let this = &*self;
            let looks = present.into_iter().map(|(bytes, file)| async move {
                let same = this.is_same(&file, bytes, verify).await;
                (file, same)
            });
            stream::iter(looks).buffer_unordered(self.transfers).collect().await
        };
        for (file, same) in looked_at {
            match same {
                Ok(true) => self.done.there.add(Amount::one(file.bytes)),
                // A longer journal replaces a shorter one, a newer header an older one, and a whole file a damaged one.
                Ok(false) if file.name.part() == Part::Log || verify || self.renews(&file.name) => {
                    errands.push(Errand { file, create: false });
                }
                Ok(false) => self.fault(&file.name, "is another file at the target; \"push --verify\" sends it again"),
                Err(trouble) => self.trouble(&file.name, trouble),
            }
        }
        errands.sort_by(|left, right| {
            let since = |errand: &Errand| errand.file.since.filter(|_| errand.file.name.part() == Part::Snapshot);
            let key = |errand: &Errand| (errand.file.name.part(), since(errand));
            (key(left), &left.file.name).cmp(&(key(right), &right.file.name))
        });
        Ok(errands)
    }

    /// Whether the file there is of before a rotation: headers are the only files that change.
    fn renews(&self, name: &FileName) -> bool {
        self.rotated && matches!(name.part(), Part::Header | Part::HeaderCopy)
    }

    /// Whether the target has the same file, as far as its length says, or its bytes where they are asked for.
    async fn is_same(&self, file: &StoredFile, bytes: u64, verify: bool) -> Result<bool, Trouble> {
        let whole = match file.name.part() {
            Part::Header | Part::HeaderCopy => true,
            // A journal that is longer there has been carried on by another machine: it is not touched.
            Part::Log if bytes > file.bytes => return Err(Trouble::Damaged("is longer at the target".to_owned())),
            _ => verify,
        };
        if bytes != file.bytes {
            return Ok(false);
        }
        if !whole {
            return Ok(true);
        }
        let found = match self.place.fetch(&file.name, &mut std::io::sink(), &self.download).await {
            // Listed and not there: it is missing like any other.
            Err(Trouble::Gone) => return Ok(false),
            found => found?,
        };
        let expected = match file.name.hash() {
            Some(hash) => hash.to_owned(),
            None => tokio::task::block_in_place(|| self.from.hash(&file.name))?,
        };
        Ok(found == expected)
    }

    async fn run(&mut self, errands: Vec<Errand>) -> Result<(), Error> {
        let (contents, rest): (Vec<Errand>, Vec<Errand>) =
            errands.into_iter().partition(|errand| matches!(errand.file.name.part(), Part::Segment | Part::Blob));
        let mut arrived = self.send_all(contents, self.transfers).await;
        self.place.settle()?;
        for errand in rest {
            // What names others waits until they are there.
            let (part, name) = (errand.file.name.part(), errand.file.name.clone());
            if !arrived && part >= Part::Snapshot {
                self.done.held_back += u64::from(part == Part::Snapshot);
                if part != Part::Snapshot {
                    self.fault(&name, "waits until all before it has arrived");
                }
                continue;
            }
            arrived &= self.send_all(vec![errand], 1).await;
        }
        Ok(())
    }

    /// Sends files side by side; false if the way was broken for one of them.
    async fn send_all(&mut self, errands: Vec<Errand>, at_once: usize) -> bool {
        let (mut all, mut failures) = (true, 0);
        let (from, place, pace, create_only) = (self.from, self.place, &self.upload, self.create_only);
        let mut ended = Vec::new();
        {
            let sends = errands.iter().map(|errand| async move {
                (errand, place.send(from, &errand.file, errand.create && create_only, pace).await)
            });
            let mut sends = stream::iter(sends).buffer_unordered(at_once);
            while let Some((errand, sent)) = sends.next().await {
                self.progress.did(Amount::one(errand.file.bytes));
                failures = if matches!(sent, Err(Trouble::Failed(_))) { failures + 1 } else { 0 };
                ended.push((errand, sent));
                if failures == GIVE_UP_AFTER {
                    all = false;
                    break;
                }
            }
        }
        for (errand, sent) in ended {
            match sent {
                Ok(proof) => self.sent(errand, proof),
                Err(trouble) => {
                    all &= !matches!(trouble, Trouble::Failed(_));
                    self.trouble(&errand.file.name, trouble);
                }
            }
        }
        all
    }

    fn sent(&mut self, errand: &Errand, proof: Proof) {
        self.done.sent.add(Amount::one(errand.file.bytes));
        let name = &errand.file.name;
        self.done.mended += u64::from(!errand.create && name.part() != Part::Log && !self.renews(name));
        match proof {
            Proof::Checksum => self.done.by_checksum += 1,
            Proof::ReadBack => self.done.read_back += 1,
        }
    }

    fn trouble(&mut self, name: &FileName, trouble: Trouble) {
        match trouble {
            Trouble::Damaged(fact) => self.fault(name, &fact),
            // A growing segment is replaced by a longer one, and retention removes: the next push sends what is then there.
            Trouble::Gone => {}
            Trouble::Failed(error) => self.fault(name, &error.to_string()),
        }
    }

    fn fault(&mut self, name: &FileName, problem: &str) {
        self.done.faults.push(Fault { file: name.to_string(), problem: problem.to_owned() });
    }
}

#[cfg(test)]
mod tests;
