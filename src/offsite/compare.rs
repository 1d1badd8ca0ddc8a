//! Compares a copy with what is here, and with its own names.

use std::collections::{BTreeMap, HashMap};
use std::str::FromStr;

use futures_util::{StreamExt, stream};
use serde::Serialize;

use crate::archive::{FileName, Part, Shelf, StoredFile};
use crate::offsite::error::Trouble;
use crate::offsite::pace::Pace;
use crate::offsite::place::Place;
use crate::offsite::{Amount, Error, Fault, Haul, Progress, Target};

/// One of several equal shares of the files, by their names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Subset {
    share: u32,
    of: u32,
}

impl Subset {
    /// Every file.
    pub fn all() -> Subset {
        Subset { share: 1, of: 1 }
    }

    /// Whether a file belongs to the share; names are hashes, so shares are about equal.
    fn has(self, name: &FileName) -> bool {
        let number = name.hash().and_then(|hash| u32::from_str_radix(&hash[..8], 16).ok()).unwrap_or(0);
        number % self.of == self.share - 1
    }
}

impl FromStr for Subset {
    type Err = String;

    fn from_str(text: &str) -> Result<Subset, String> {
        let parts = text.split_once('/').and_then(|(share, of)| Some((share.parse().ok()?, of.parse().ok()?)));
        match parts {
            Some((share, of)) if share >= 1 && share <= of => Ok(Subset { share, of }),
            _ => Err(format!("{text} is no share such as 1/7")),
        }
    }
}

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
    read: Option<Subset>,
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
    if let Some(subset) = read {
        let pace = Pace::new(haul.download);
        let chosen: Vec<&StoredFile> =
            theirs.iter().filter(|file| file.name.hash().is_some() && subset.has(&file.name)).collect();
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
            Part::Mark => "marks",
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

#[cfg(test)]
mod tests {
    use super::Subset;
    use crate::archive::FileName;

    #[test]
    fn every_file_is_in_exactly_one_share() {
        let shares: Vec<Subset> = (1..=7).map(|share| format!("{share}/7").parse().unwrap()).collect();
        for number in 0..1000_u64 {
            let hash = blake3::hash(&number.to_be_bytes()).to_hex();
            let name = FileName::parse(&format!("snapshots/{hash}")).unwrap();
            assert_eq!(shares.iter().filter(|share| share.has(&name)).count(), 1);
        }
    }

    #[test]
    fn a_share_is_written_as_a_fraction_up_to_one() {
        for text in ["0/7", "8/7", "1", "1/0", "x/7", "1/7/2", "-1/7"] {
            assert!(text.parse::<Subset>().is_err(), "{text}");
        }
        assert_eq!("1/1".parse(), Ok(Subset::all()));
    }
}
