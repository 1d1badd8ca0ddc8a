//! Removes what came back with a record that was brought back, though it was added since.
//!
//! The record's counters tell whether its lists are worth their price. What is removed
//! is in the journal's intent before it goes; to be sent again it is looked at again.

use std::collections::HashSet;

use serde_json::{Map, Value};

use crate::account::Error;
use crate::catalogue::Object;
use crate::record::{Key, RecordId};
use crate::restore::cases::object_of;
use crate::restore::fill::value_key;
use crate::restore::journal::{Outcome, Was};
use crate::restore::parts::known_by;
use crate::restore::plan::{LiveId, Step};
use crate::restore::planner::place;
use crate::restore::replay::reads::Ahead;
use crate::restore::replay::{Row, Run, Sent, Stop, stop};
use crate::restore::request::{Request, Verb, entry, identity};

impl Run<'_> {
    /// Looks which rows came back that the goal had not; the request names them from here on.
    pub(super) async fn came_back(&self, step: &Step, request: &mut Request) -> Result<Option<Outcome>, Stop> {
        let Verb::Trim { live, .. } = request.verb.clone() else { return Ok(None) };
        let Some(host) = self.reads.row(Ahead::Hosts, step.number, &live).await?.flatten() else {
            return Ok(Some(request.ended(Was::Equal, "")));
        };
        let keeps = std::mem::take(&mut request.body);
        let mut parts: Vec<(&'static Object, &Value)> =
            keeps.iter().filter_map(|(part, kept)| Some((entry(part)?, kept))).collect();
        // What rests on lines goes before the lines.
        parts.sort_by_key(|(part, _)| std::cmp::Reverse(place(part)));
        let (mut added, mut before) = (Vec::new(), Map::new());
        for (part, kept) in parts {
            let rows = kept.as_array().into_iter().flatten();
            if has_no_more(&host, part, rows.clone().count()) {
                continue;
            }
            let kept: HashSet<Key> = rows.filter_map(Value::as_array).flatten().filter_map(value_key).collect();
            for row in self.reads.under(part, &live.key, Ahead::Hosts).await?.iter() {
                let Some(id) = identity(part, Some(&live.key), row) else { continue };
                if known_by(part, &id, row).is_some_and(|key| !kept.contains(&key)) {
                    before.insert(id.to_string(), Value::Object(row.clone()));
                    added.push(id);
                }
            }
        }
        let ended = added.is_empty().then(|| request.ended(Was::Equal, ""));
        request.before = Some(before);
        request.verb = Verb::Trim { live, added };
        Ok(ended)
    }

    /// Removes the rows one after the other: what one rests on goes after it.
    pub(super) async fn trim(&self, request: &Request, added: &[RecordId]) -> Sent {
        let (mut removed, mut refused) = (Vec::new(), Vec::new());
        for id in added {
            let Some(object) = object_of(id) else { continue };
            let row = request.before.as_ref().and_then(|rows| rows.get(&id.to_string())).and_then(Value::as_object);
            match self.site.writer.delete(object, &id.key, row.unwrap_or(&Row::new())).await {
                Ok(_) => removed.push(LiveId(id.clone())),
                Err(Error::InDoubt(_) | Error::Garbled(_)) => return Sent::Lost,
                Err(error) => match stop(&error) {
                    Some(stop) => return Sent::Stopped(stop),
                    None => refused.push(format!("{id} came back with it, was added since, and stays: {error}")),
                },
            }
        }
        let was = if refused.is_empty() { Was::Done } else { Was::Refused };
        Sent::Ended(Outcome { removed, ..request.ended(was, refused.join("; ")) })
    }
}

/// Whether the record's own counters say that it has no more of these rows than are kept.
fn has_no_more(host: &Row, part: &Object, kept: usize) -> bool {
    let counted = |name: &str| host.get(name).and_then(Value::as_u64);
    part.counter().and_then(counted).is_some_and(|own| own <= kept as u64) || part.gate.and_then(counted) == Some(0)
}
