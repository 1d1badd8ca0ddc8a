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
    let mut journals = Vec::new();
    for name in archive.logs()? {
        let entries = archive.read_log(&name)?.entries;
        let begun = entries.first().and_then(|entry| entry.get("at")).map(ToString::to_string).unwrap_or_default();
        let pairs: Vec<_> = entries.iter().flat_map(journal::identities).collect();
        journals.push((begun, pairs));
    }
    // A record that was made twice is where the later restore made it, and the names of journals have no order.
    journals.sort();
    let mut lineage = Lineage::default();
    journals.into_iter().flat_map(|(_, pairs)| pairs).for_each(|(old, new)| lineage.learn(old, new));
    Ok(lineage)
}
