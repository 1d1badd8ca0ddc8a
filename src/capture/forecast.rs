//! What the next capture will cost, told by the last snapshot without asking the service anything.
//!
//! Lists are priced by their last number of records and the way the next capture
//! would choose. What changed meanwhile is not known: children and contents are
//! priced as if nothing had changed, so a forecast is the least a capture costs.

use chrono::Utc;

use super::way::{self, Terms, Way};
use super::{Error, Wanted};
use crate::archive::Archive;
use crate::catalogue::{self, Deletions, Listing, Object, ObjectName};

/// Price of the next capture, and what it is made of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Forecast {
    /// Tokens in all.
    pub tokens: u64,
    /// Requests in all.
    pub requests: u64,
    /// Object by object, in the order of the catalogue; objects that cost nothing are left out.
    pub objects: Vec<Expected>,
}

/// What one object will cost.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Expected {
    /// The object.
    pub object: &'static str,
    /// Its tokens.
    pub tokens: u64,
    /// Its requests.
    pub requests: u64,
}

/// Price of the next capture by the last snapshot; `None` when there is none.
pub fn forecast(archive: &Archive, wanted: &Wanted) -> Result<Option<Forecast>, Error> {
    let snapshots = archive.snapshots()?;
    let Some(last) = snapshots.last() else { return Ok(None) };
    let mut forecast = Forecast { tokens: 0, requests: 0, objects: Vec::new() };
    let asked =
        |object: &&&Object| wanted.objects.is_empty() || wanted.objects.iter().any(|one| one.name == object.name);
    for object in catalogue::ALL.iter().filter(asked) {
        let name = ObjectName::known(object.name);
        let below = last.contents.iter().find(|contents| contents.object == name);
        let terms = Terms { full: wanted.full, now: Utc::now(), spendable: None };
        let requests = match object.listing {
            Listing::Flat(_) => list_requests(object, below, terms),
            Listing::Under { .. } | Listing::Bulk { .. } | Listing::Derived { .. } | Listing::Within { .. } => 0,
        };
        let tokens = requests * u64::from(object.price);
        forecast.requests += requests;
        forecast.tokens += tokens;
        forecast.objects.extend((requests > 0).then_some(Expected { object: object.name, tokens, requests }));
    }
    Ok(Some(forecast))
}

fn list_requests(object: &Object, below: Option<&crate::archive::Contents>, terms: Terms) -> u64 {
    match way::choose(object, below, &[], terms) {
        Way::Walk => way::pages(object, below.map_or(0, |below| below.records)),
        Way::Since(_) if matches!(object.deletions, Deletions::Listed(..)) => 2,
        Way::Since(_) => 1,
        // Top and tail of each part.
        Way::Top => 2 * object.parts.map_or(1, |parts| parts.values.len()) as u64,
    }
}
