//! Requests whose answer was lost: did they take place?
//!
//! Answered by looking, never by sending again in hope: an update or a deletion
//! by reading the record by its id, a creation by walking the newest rows of its
//! list down to what was known before the plan. Search is never used: it lags
//! behind writes by seconds (api/wire.md). A row counts as the lost one when it
//! shows everything that was sent, was not there when the plan was made, and was
//! not claimed by another step.
//!
//! A request whose answer is lost may still be on its way: what is not there now
//! may be there in a moment. So a creation that was not found is looked for again
//! once it has had [time to settle](SETTLING), and only then sent again. Should it
//! take place later still there are twins: whatever was sent twice is looked for
//! once more when all is done, and a twin is told ([`twins`]).

use std::collections::HashSet;

use chrono::TimeDelta;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::account::{Account, Ask, Error, Walk};
use crate::archive::Snapshot;
use crate::catalogue::{Object, ObjectName, Version};
use crate::record::{Key, RecordId};
use crate::restore::journal::{Journal, Was};
use crate::restore::request::{Request, Verb, identity, is_deleted, shows};
use crate::restore::state::State;

/// How long a request can take place after its answer was given up. UNCONFIRMED: nothing says how long the service goes on
/// with a request whose connection is gone; gateways in front of such services give up after 30 seconds.
pub(super) const SETTLING: TimeDelta = TimeDelta::seconds(30);

/// How long an answer is waited for before it counts as lost: of a request of a dead process only its beginning is known.
pub(super) const WAITED: TimeDelta = TimeDelta::seconds(60);

/// What looking has shown.
pub(super) enum Truth {
    /// It took place: the record's identity and its row.
    Took(Was, RecordId, Map<String, Value>),
    /// It did not, and may be sent again.
    NotTaken,
}

/// Looks whether a request took place.
pub(super) async fn truth(
    request: &Request,
    account: &Account,
    journal: &Journal,
    seen: &Snapshot<'_>,
) -> Result<Truth, Error> {
    match &request.verb {
        // Both look again before they are sent again.
        Verb::Delete { .. } | Verb::Expel { .. } => Ok(Truth::NotTaken),
        Verb::Update { live } => {
            let row = read(account, request.object, &live.key).await?;
            Ok(match row.filter(|row| shows(row, &request.body)) {
                Some(row) => Truth::Took(Was::Done, live.clone(), row),
                None => Truth::NotTaken,
            })
        }
        // Reviving reads before it writes; only making the record anew must not happen twice.
        Verb::Create { .. } | Verb::Revive { .. } => {
            let found = twins(request, account, journal, seen).await?.into_iter().next();
            Ok(found.map_or(Truth::NotTaken, |(id, row)| Truth::Took(Was::Adopted, id, row)))
        }
    }
}

/// A record by its id, unless it is gone or deleted.
pub(super) async fn read(
    account: &Account,
    object: &'static Object,
    key: &Key,
) -> Result<Option<Map<String, Value>>, Error> {
    let row = match object.single {
        Some(_) => account.one(object, key).await?.and_then(|row| fields(&row)),
        None => {
            let parent = parent(key).filter(|_| !object.parents().is_empty());
            let rows = list(account, object, parent.as_ref(), &mut |_| true).await?;
            rows.into_iter().find(|row| identity(object, parent.as_ref(), row).is_some_and(|id| id.key == *key))
        }
    };
    Ok(row.filter(|row| !is_deleted(row)))
}

/// The rows under a parent.
pub(super) async fn under(
    account: &Account,
    object: &'static Object,
    parent: &Key,
) -> Result<Vec<Map<String, Value>>, Error> {
    list(account, object, Some(parent), &mut |_| true).await
}

/// Looks for rows that show what a request sends to make a record, and that nobody knew before or claims now.
pub(super) async fn twins(
    request: &Request,
    account: &Account,
    journal: &Journal,
    seen: &Snapshot<'_>,
) -> Result<Vec<(RecordId, Map<String, Value>)>, Error> {
    let (parent, upload) = match &request.verb {
        Verb::Create { under, upload } => (under.as_ref(), upload.as_ref()),
        Verb::Revive { under, .. } => (under.as_ref(), None),
        Verb::Update { .. } | Verb::Delete { .. } | Verb::Expel { .. } => return Ok(Vec::new()),
    };
    let (object, mut sent) = (request.object, request.body.clone());
    if let Some(upload) = upload {
        sent.insert("name".to_owned(), Value::String(upload.name.clone()));
        sent.insert("file_size".to_owned(), Value::from(upload.blob.bytes));
    }
    let name = ObjectName::known(object.name);
    let known: HashSet<Key> = match State::contents(seen, &name) {
        Some(_) => {
            State::keys(seen, &name).and_then(Iterator::collect).map_err(|error| Error::Garbled(error.to_string()))?
        }
        None => HashSet::new(),
    };
    let id = |row: &Map<String, Value>| identity(object, parent, row);
    // Newest first: once everything on a page was known before, nothing newer follows.
    let mut more =
        |page: &[Map<String, Value>]| !page.iter().all(|row| id(row).is_some_and(|id| known.contains(&id.key)));
    let rows = list(account, object, parent, &mut more).await?;
    let mut found: Vec<(RecordId, Map<String, Value>)> = rows
        .into_iter()
        .filter(|row| !is_deleted(row) && shows(row, &sent))
        .filter_map(|row| Some((id(&row)?, row)))
        .filter(|(id, _)| !known.contains(&id.key) && !journal.claims(id))
        .collect();
    found.sort_by(|one, other| one.0.cmp(&other.0));
    Ok(found)
}

/// Whether the pages after this one are wanted.
type Wanted<'w> = dyn FnMut(&[Map<String, Value>]) -> bool + Send + 'w;

/// Walks a list as long as `more` of its pages are wanted, the newest rows first where the list can be sorted.
async fn list(
    account: &Account,
    object: &'static Object,
    parent: Option<&Key>,
    more: &mut Wanted<'_>,
) -> Result<Vec<Map<String, Value>>, Error> {
    let parents: Vec<Key> = parent.into_iter().cloned().collect();
    let extra = newest_first(object);
    let mut walk = Walk::default();
    let mut rows = Vec::new();
    while let Some(position) = walk.position() {
        let page = account.page(&Ask { object, parents: &parents, since: None, extra: &extra, position }).await?;
        let page_rows: Vec<Map<String, Value>> = page.rows.iter().filter_map(|row| fields(row)).collect();
        let sorted_out = !extra.is_empty() && !page_rows.is_empty() && !more(&page_rows);
        rows.extend(page_rows);
        walk.turn(page.next.filter(|_| !sorted_out))?;
    }
    Ok(rows)
}

/// What turns a list around, where the catalogue says that it can be sorted.
fn newest_first(object: &'static Object) -> Vec<(&'static str, String)> {
    let sorts = |name: &str| object.query.iter().any(|(parameter, _)| *parameter == name);
    match object.version {
        Version::V2 if sorts("sort_direction") && object.parents().is_empty() => {
            vec![("sort_direction", "desc".to_owned())]
        }
        // Ids of leads are random: only their time has an order.
        Version::V1 if sorts("sort") && object.custom.is_some() => vec![("sort", "add_time DESC".to_owned())],
        Version::V1 if sorts("sort") => vec![("sort", "id DESC".to_owned())],
        _ => Vec::new(),
    }
}

/// A row as fields.
pub(super) fn fields(row: &RawValue) -> Option<Map<String, Value>> {
    serde_json::from_str(row.get()).ok()
}

/// The parent's key in the key of a row.
pub(super) fn parent(key: &Key) -> Option<Key> {
    match key {
        Key::Pair(parent, _) => Some(Key::Number(*parent)),
        Key::Text(text) => text.split_once(':').map(|(parent, _)| Key::parse(parent)),
        Key::Number(_) => None,
    }
}
