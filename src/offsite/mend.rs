//! Fetches whole files in the place of damaged or missing ones.
//!
//! Only what is asked for is fetched, each file is proven before it takes a name, and what had the name is
//! kept. A copy may be damaged as well: then the next one is asked.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use futures_util::{StreamExt, stream};
use serde::Serialize;

use crate::archive::{FileName, HeaderFacts, Part, Shelf, StoredFile, in_order_of_copying};
use crate::offsite::bundle;
use crate::offsite::error::Trouble;
use crate::offsite::pace::Pace;
use crate::offsite::place::Place;
use crate::offsite::{Amount, Error, Fault, Haul, Progress, Target};

/// Logs and headers of more are not read into memory.
const SMALL: u64 = 256 << 20;

/// Where whole files may be.
#[derive(Clone, Debug)]
pub enum Origin {
    /// A copy in a folder or an object store.
    Copy(Box<Target>),
    /// A bundle.
    Bundle(PathBuf),
}

/// Which files are meant.
pub type Wanted<'w> = &'w (dyn Fn(&FileName) -> bool + Sync);

/// A file that was mended.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Mend {
    /// Its name below the root.
    #[serde(serialize_with = "as_text")]
    pub file: FileName,
    /// Its length.
    pub bytes: u64,
    /// Where what it replaced is kept.
    pub kept: Vec<String>,
}

fn as_text<S: serde::Serializer>(name: &FileName, out: S) -> Result<S::Ok, S::Error> {
    out.serialize_str(name.as_str())
}

/// What was mended from one copy.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Mended {
    /// Files that are whole now.
    pub mended: Vec<Mend>,
    /// Files that are damaged there as well.
    pub faults: Vec<Fault>,
}

/// The wanted files that a copy has; `archive` is whose copy it has to be, where that is known.
pub async fn offers(origin: &Origin, archive: Option<&str>, wanted: Wanted<'_>) -> Result<Vec<StoredFile>, Error> {
    let other = |label: String, found: String| match archive {
        Some(expected) if expected != found => {
            Err(Error::OtherArchive { target: label, found, expected: expected.to_owned() })
        }
        _ => Ok(()),
    };
    let mut files = match origin {
        Origin::Copy(target) => {
            let (place, label) = (Place::open(target)?, target.address.to_string());
            let header = place.header().await?.ok_or_else(|| Error::NoCopy(label.clone()))?;
            other(label, header.archive)?;
            place.list().await?.files
        }
        Origin::Bundle(path) => {
            let (found, files) = tokio::task::block_in_place(|| bundle::files(path))?;
            other(path.display().to_string(), found)?;
            files
        }
    };
    files.retain(|file| wanted(&file.name));
    in_order_of_copying(&mut files);
    Ok(files)
}

/// Puts files of a copy in the place of those here.
pub async fn mend(
    origin: &Origin,
    to: &Shelf,
    files: &[StoredFile],
    haul: Haul,
    progress: &dyn Progress,
) -> Result<Mended, Error> {
    progress.expects(files.iter().map(|file| file.bytes).collect());
    let mut done = Mended::default();
    match origin {
        Origin::Copy(target) => {
            let (place, pace) = (Place::open(target)?, Pace::new(haul.download));
            let (place, pace) = (&place, &pace);
            let fetches = files.iter().map(|file| async move { (file, fetch(place, to, file, pace).await) });
            let mut fetches = stream::iter(fetches).buffered(haul.transfers.max(1));
            while let Some((file, fetched)) = fetches.next().await {
                progress.did(Amount::one(file.bytes));
                done.ended(file, fetched)?;
            }
        }
        Origin::Bundle(path) => tokio::task::block_in_place(|| unpack(path, to, files, progress, &mut done))?,
    }
    done.faults.sort();
    Ok(done)
}

impl Mended {
    /// Notes how a file fared; what is wrong on this side ends the work.
    fn ended(&mut self, file: &StoredFile, fetched: Result<Option<Vec<String>>, Trouble>) -> Result<(), Error> {
        let problem = match fetched {
            Ok(Some(kept)) => {
                self.mended.push(Mend { file: file.name.clone(), bytes: file.bytes, kept });
                return Ok(());
            }
            // A journal that is no longer there than here is of no use.
            Ok(None) => return Ok(()),
            Err(Trouble::Damaged(fact)) => format!("is damaged there as well: {fact}"),
            Err(Trouble::Gone) => "is listed there and gone".to_owned(),
            Err(Trouble::Failed(Error::Archive(error))) => return Err(error.into()),
            Err(Trouble::Failed(error)) => error.to_string(),
        };
        self.faults.push(Fault { file: file.name.to_string(), problem });
        Ok(())
    }
}

async fn fetch(place: &Place, to: &Shelf, file: &StoredFile, pace: &Pace) -> Result<Option<Vec<String>>, Trouble> {
    let name = &file.name;
    if name.hash().is_none() {
        if file.bytes > SMALL {
            return Err(Trouble::Damaged("it is of absurd length".to_owned()));
        }
        let mut bytes = Vec::new();
        place.fetch(name, &mut bytes, pace).await?;
        return tokio::task::block_in_place(|| small(to, name, &bytes));
    }
    let mut arrival = to.receive()?;
    place.fetch(name, &mut arrival, pace).await?;
    let kept = tokio::task::block_in_place(|| arrival.mend(name))?;
    Ok(Some(kept.into_iter().collect()))
}

/// Puts a log or a header in place, if it is any better than what is here.
fn small(to: &Shelf, name: &FileName, bytes: &[u8]) -> Result<Option<Vec<String>>, Trouble> {
    if name.part() == Part::Log {
        return Ok(to.mend_log(name, bytes)?.map(|kept| kept.into_iter().collect()));
    }
    HeaderFacts::parse(bytes, Path::new(name.as_str()))?;
    Ok(Some(to.mend_header(bytes)?))
}

/// Takes wanted files out of a bundle.
fn unpack(
    path: &Path,
    to: &Shelf,
    files: &[StoredFile],
    progress: &dyn Progress,
    done: &mut Mended,
) -> Result<(), Error> {
    let refused = |error: std::io::Error| bundle::refused(path, error.to_string());
    let mut tar = tar::Archive::new(BufReader::with_capacity(256 << 10, File::open(path).map_err(refused)?));
    for entry in tar.entries().map_err(refused)?.raw(true) {
        let mut entry = entry.map_err(refused)?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let Some(file) = files.iter().find(|file| file.name.as_str() == name) else { continue };
        progress.did(Amount::one(file.bytes));
        let mended = take(to, file, &mut entry).map_err(|trouble| match trouble {
            Trouble::Failed(Error::Store { fact, .. }) => Trouble::Damaged(fact),
            other => other,
        });
        done.ended(file, mended)?;
    }
    Ok(())
}

fn take(to: &Shelf, file: &StoredFile, entry: &mut impl Read) -> Result<Option<Vec<String>>, Trouble> {
    let cut = |error: std::io::Error| Trouble::Damaged(error.to_string());
    if file.name.hash().is_none() {
        let mut bytes = Vec::new();
        entry.take(SMALL).read_to_end(&mut bytes).map_err(cut)?;
        return small(to, &file.name, &bytes);
    }
    let mut arrival = to.receive()?;
    std::io::copy(entry, &mut arrival).map_err(cut)?;
    Ok(Some(arrival.mend(&file.name)?.into_iter().collect()))
}
