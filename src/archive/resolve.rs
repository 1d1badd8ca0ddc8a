//! The names by which people call a snapshot.

use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};

use super::error::Error;
use super::{Archive, Manifest, SnapshotId};

impl Archive {
    /// `latest`, `latest~2`, an id prefix, a date (`2026-11-02`, `2026-11-02T10:00`: the newest not after it).
    ///
    /// What was read only to restore into it has an id and no other name: it is no state of the archive's own company.
    /// What was read on the way to a comparison is no `latest` either, but for a date it tells the state of that time.
    pub fn resolve(&self, name: &str) -> Result<SnapshotId, Error> {
        let (manifests, mut damaged) = self.listed()?;
        resolve_among(name, &manifests, &mut damaged)
    }

    /// The same of several names, in their order; the manifests are read once for all of them.
    pub fn resolve_all(&self, names: &[String]) -> Result<Vec<SnapshotId>, Error> {
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let (manifests, mut damaged) = self.listed()?;
        names.iter().map(|name| resolve_among(name, &manifests, &mut damaged)).collect()
    }
}

/// Among manifests that can be read, and those that cannot.
fn resolve_among(
    name: &str,
    manifests: &[Manifest],
    damaged: &mut Vec<(SnapshotId, Error)>,
) -> Result<SnapshotId, Error> {
    let is_meant = |id: &SnapshotId| !name.is_empty() && id.0.starts_with(name);
    // Which one is the newest cannot be said while one of them cannot be read; an id means what it says.
    let by_id = manifests.iter().any(|manifest| is_meant(&manifest.id));
    if let Some(at) = damaged.iter().position(|(id, _)| !by_id || is_meant(id)) {
        return Err(damaged.swap_remove(at).1);
    }
    let none = || Error::NoSnapshot(name.to_owned());
    let own: Vec<&Manifest> = manifests.iter().filter(|manifest| !manifest.source.is_aside()).collect();
    if let Some(back) = generations_back(name) {
        let own: Vec<&&Manifest> = own.iter().filter(|manifest| !manifest.is_on_the_way()).collect();
        let at = own.len().checked_sub(1).and_then(|last| last.checked_sub(back));
        return at.map(|at| own[at].id.clone()).ok_or_else(none);
    }
    if let Some(until) = end_of(name) {
        return own
            .iter()
            .rev()
            .find(|manifest| manifest.finished <= until)
            .map(|manifest| manifest.id.clone())
            .ok_or_else(none);
    }
    let matching: Vec<&Manifest> = manifests.iter().filter(|manifest| is_meant(&manifest.id)).collect();
    match matching[..] {
        [] => Err(none()),
        [one] => Ok(one.id.clone()),
        _ => {
            let matches = matching.iter().map(|manifest| manifest.id.short()).collect::<Vec<_>>().join(", ");
            Err(Error::AmbiguousSnapshot { name: name.to_owned(), matches })
        }
    }
}

fn generations_back(name: &str) -> Option<usize> {
    match name.strip_prefix("latest")? {
        "" => Some(0),
        rest => rest.strip_prefix('~')?.parse().ok(),
    }
}

/// The last moment that a date or time names.
fn end_of(name: &str) -> Option<DateTime<Utc>> {
    if let Ok(time) = DateTime::parse_from_rfc3339(name) {
        return Some(time.with_timezone(&Utc));
    }
    let (day, time) = name.split_once(['T', ' ']).unwrap_or((name, "23:59:59.999999999"));
    let day = NaiveDate::parse_from_str(day, "%Y-%m-%d").ok()?;
    let (clock, rest) = (format!("{day} {time}"), format!("{day} {time}:59.999999999"));
    let time = NaiveDateTime::parse_from_str(&clock, "%Y-%m-%d %H:%M:%S%.f")
        .or_else(|_| NaiveDateTime::parse_from_str(&rest, "%Y-%m-%d %H:%M:%S%.f"));
    time.ok().map(|time| time.and_utc())
}
