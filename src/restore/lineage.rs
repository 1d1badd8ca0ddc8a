//! What the journals of an archive know of records that were made again.
//!
//! A restore that had to create a record gave it a new number. Read together, the
//! journals say where a record lives now, so that a later restore changes it
//! there instead of making it a third time, and a comparison tells it as itself.

use crate::archive::{Archive, Error};
use crate::diff::Lineage;
use crate::restore::journal;

/// Reads the lineage from every journal of the archive, finished or not: what was created exists.
pub fn lineage(archive: &Archive) -> Result<Lineage, Error> {
    let mut lineage = Lineage::default();
    for name in archive.logs()? {
        for entry in archive.read_log(&name)?.entries {
            journal::identities(&entry).into_iter().for_each(|(old, new)| lineage.learn(old, new));
        }
    }
    Ok(lineage)
}
