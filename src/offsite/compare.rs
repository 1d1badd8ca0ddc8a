//! Compares a copy with what is here, and with its own names.

use std::collections::{BTreeMap, HashMap};

use futures_util::{StreamExt, stream};
use serde::Serialize;

use crate::archive::{FileName, Part, Share, Shelf, StoredFile};
use crate::offsite::error::Trouble;
use crate::offsite::pace::Pace;
use crate::offsite::place::Place;
use crate::offsite::{Amount, Error, Fault, Haul, Progress, Target};

/// What a comparison found.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize)]
pub struct Compared {
    /// The archive's id.
    pub archive: String,
    /// Files of the copy.
    pub there: Amount,
    /// Files that were read and hashed.
    pub hashed: Amount,
    /// Files that the copy has and the archive here has not: forgotten here, or of another machine.
    pub only_there: u64,
    /// Files that are missing in the copy, differ, or are damaged.
    pub faults: Vec<Fault>,
}

/// What a copy holds.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize)]
pub struct Held {
    /// The archive's id.
    pub archive: String,
    /// Whether its files are sealed.
    pub encrypted: bool,
    /// Ids of its snapshots, oldest first as far as the target knows.
    pub snapshots: Vec<String>,
    /// Files and bytes by kind.
    pub parts: BTreeMap<&'static str, Amount>,
}

/// Compares names and lengths, and with a subset the bytes; without an archive here only with the copy's own names.
pub async fn check(
    here: Option<&Shelf>,
    target: &Target,
    read: Option<Share>,
    haul: Haul,
    progress: &dyn Progress,
) -> Result<Compared, Error> {
    let place = Place::open(target)?;
    // Ours first: what is written here meanwhile cannot be missing there.
    let ours = here.map(Shelf::files).transpose()?;
    let (header, theirs) = opened(&place, target).await?;
    let mut done = Compared { archive: header.archive.clone(), ..Compared::default() };
    if let Some(own) = here.map(Shelf::header).transpose()?.flatten().filter(|own| own.archive != header.archive) {
        return Err(Error::OtherArchive {
            target: target.address.to_string(),
            found: header.archive,
            expected: own.archive,
        });
    }
    done.there = theirs.iter().map(|file| file.bytes).collect();
    lengths(ours.unwrap_or_default(), &theirs, here.is_some(), &mut done);
    if let Some(share) = read {
        let pace = Pace::new(haul.download);
        let chosen: Vec<&StoredFile> =
            theirs.iter().filter(|file| file.name.hash().is_some() && share.has(&file.name)).collect();
        progress.expects(chosen.iter().map(|file| file.bytes).collect());
        let (place, pace) = (&place, &pace);
        let reads =
            chosen.iter().map(|file| async move { (file, place.fetch(&file.name, &mut std::io::sink(), pace).await) });
        let mut reads = stream::iter(reads).buffer_unordered(haul.transfers.max(1));
        while let Some((file, found)) = reads.next().await {
            progress.did(Amount::one(file.bytes));
            let problem = match found {
                Ok(found) if file.name.hash() == Some(found.as_str()) => {
                    done.hashed.add(Amount::one(file.bytes));
                    continue;
                }
                Ok(found) => format!("is damaged: its bytes hash to {}", &found[..16]),
                Err(Trouble::Gone) => "is listed and not there".to_owned(),
                Err(Trouble::Damaged(fact)) => fact,
                Err(Trouble::Failed(error)) => error.to_string(),
            };
            done.faults.push(Fault { file: file.name.to_string(), problem });
        }
    }
    done.faults.sort();
    Ok(done)
}

async fn opened(place: &Place, target: &Target) -> Result<(crate::archive::HeaderFacts, Vec<StoredFile>), Error> {
    let (listing, label) = (place.list().await?, target.address.to_string());
    match place.header().await? {
        Some(header) => Ok((header, listing.files)),
        None if listing.claims.is_empty() => Err(Error::NoCopy(label)),
        None => Err(Error::HalfCopy(label)),
    }
}

fn lengths(ours: Vec<StoredFile>, theirs: &[StoredFile], compare: bool, done: &mut Compared) {
    let mut there: HashMap<&FileName, u64> = theirs.iter().map(|file| (&file.name, file.bytes)).collect();
    for file in ours {
        let problem = match there.remove(&file.name) {
            None => "is missing in the copy".to_owned(),
            Some(bytes) if bytes == file.bytes => continue,
            Some(bytes) => format!("has {bytes} bytes in the copy and {} here", file.bytes),
        };
        done.faults.push(Fault { file: file.name.to_string(), problem });
    }
    done.only_there = if compare { there.len() as u64 } else { 0 };
}

/// What a copy holds, by its listing and its header.
pub async fn list(target: &Target) -> Result<Held, Error> {
    let (header, mut files) = opened(&Place::open(target)?, target).await?;
    crate::archive::in_order_of_copying(&mut files);
    let mut held = Held { archive: header.archive, encrypted: header.encrypted, ..Held::default() };
    for file in files {
        let part = match file.name.part() {
            Part::Segment => "segments",
            Part::Blob => "blobs",
            Part::Holder => "keys",
            Part::Log => "logs",
            Part::Mark | Part::Doomed => "marks",
            Part::Snapshot => "snapshots",
            Part::HeaderCopy | Part::Header => "header",
        };
        held.parts.entry(part).or_default().add(Amount::one(file.bytes));
        if file.name.part() == Part::Snapshot {
            held.snapshots.extend(file.name.hash().map(str::to_owned));
        }
    }
    Ok(held)
}
