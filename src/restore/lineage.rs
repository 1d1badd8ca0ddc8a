//! What the journals of an archive know of records that were made again.
//!
//! A restore that had to create a record gave it a new number. Read together, the
//! journals say where a record lives now, so that a later restore changes it
//! there instead of making it a third time, and a comparison tells it as itself.

//! A number means something within its company only, so what a restore carried into
//! another company is a lineage of its own.

use std::collections::HashMap;

use serde_json::Value;

use crate::archive::{Archive, Error};
use crate::diff::Lineage;
use crate::record::RecordId;
use crate::restore::journal;

/// Reads the lineage of one company from every journal of the archive, finished or not: what was created exists.
pub fn lineage(archive: &Archive, company: u64) -> Result<Lineage, Error> {
    let mut lineage = Lineage::default();
    each(archive, (company, company), &mut |old, new| lineage.learn(old, new))?;
    Ok(lineage)
}

/// What restores carried from one company into another.
///
/// Old and new numbers are of two companies, so one never leads on from the other as in a [`Lineage`]: where a record
/// went since is told by the lineage of its own company.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Carried {
    pairs: HashMap<RecordId, Vec<RecordId>>,
    home: Lineage,
    there: Lineage,
}

impl Carried {
    /// Records of the first company that were made in the second.
    pub fn records(&self) -> impl Iterator<Item = &RecordId> {
        self.pairs.keys()
    }

    /// Whatever may stand for the record in the second company: what was made last stands last.
    pub fn heirs(&self, id: &RecordId) -> Vec<&RecordId> {
        let names = std::iter::once(id).chain(self.home.before(id));
        let made = names.filter_map(|name| self.pairs.get(name)).flatten();
        made.flat_map(|made| std::iter::once(made).chain(self.there.after(made))).collect()
    }
}

/// Reads what restores carried from one company into another.
pub fn carried(archive: &Archive, from: u64, to: u64) -> Result<Carried, Error> {
    let (home, there) = (lineage(archive, from)?, lineage(archive, to)?);
    let mut carried = Carried { pairs: HashMap::new(), home, there };
    each(archive, (from, to), &mut |old, new| carried.pairs.entry(old).or_default().push(new))?;
    Ok(carried)
}

/// Every old and new identity that the journals between two companies tell, the earlier restores first.
fn each(archive: &Archive, between: (u64, u64), tell: &mut dyn FnMut(RecordId, RecordId)) -> Result<(), Error> {
    let mut journals = Vec::new();
    for name in archive.logs()? {
        let (mut begun, mut pairs) = (None, Vec::new());
        archive.walk_log(&name, &mut |entry| match &begun {
            None => begun = Some((companies(&entry) == Some(between), entry["at"].to_string())),
            Some((true, _)) => pairs.extend(journal::identities(&entry)),
            Some((false, _)) => {}
        })?;
        if let Some((true, at)) = begun {
            journals.push((at, pairs));
        }
    }
    // A record that was made twice is where the later restore made it, and the names of journals have no order.
    journals.sort();
    journals.into_iter().flat_map(|(_, pairs)| pairs).for_each(|(old, new)| tell(old, new));
    Ok(())
}

/// The company of the goal and the company that is written to, as a journal's first entry says.
fn companies(first: &Value) -> Option<(u64, u64)> {
    let plan = first.get("plan")?;
    let to = plan.get("company")?.as_u64()?;
    Some((plan.get("from").and_then(Value::as_u64).unwrap_or(to), to))
}
