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

use std::collections::{BTreeMap, HashMap, HashSet};

use chrono::TimeDelta;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::account::{Account, Ask, Error, Walk};
use crate::archive::Snapshot;
use crate::catalogue::{Listing, Object, ObjectName, Version};
use crate::record::{Key, RecordId, legible};
use crate::restore::fill::value_key;
use crate::restore::journal::{Journal, Was};
use crate::restore::request::{Request, Verb, as_made, identity, is_deleted, shows};
use crate::restore::state::State;

/// How long a request can take place after its answer was given up. UNCONFIRMED: nothing says how long the service goes on
/// with a request whose connection is gone; gateways in front of such services give up after 30 seconds.
pub(super) const SETTLING: TimeDelta = TimeDelta::seconds(30);

/// How long an answer is waited for before it counts as lost: of a request of a dead process only its beginning is known.
pub(super) const WAITED: TimeDelta = TimeDelta::seconds(60);

/// A list that records are made in: its object, and the parent it is under.
pub(super) type Place = (&'static str, Option<Key>);

/// The list that a request makes a record in; none when sending it twice makes nothing twice.
pub(super) fn place(request: &Request) -> Option<Place> {
    match &request.verb {
        // Reviving reads before it writes; only making the record anew must not happen twice.
        Verb::Create { under, .. } | Verb::Revive { under, .. } => {
            Some((request.object.name, under.clone().or_else(|| named(request))))
        }
        Verb::Update { .. }
        | Verb::AddOptions { .. }
        | Verb::Delete { .. }
        | Verb::Expel { .. }
        | Verb::Trim { .. } => None,
    }
}

/// The first parent that a record names which is listed under each of them.
fn named(request: &Request) -> Option<Key> {
    request.object.parent_field().and_then(|field| value_key(request.body.get(field)?))
}

/// What looking has shown.
pub(super) enum Truth {
    /// It took place: the record's identity and its row.
    Took(Was, RecordId, Map<String, Value>),
    /// It did not, and may be sent again.
    NotTaken,
}

/// Looks whether requests took place whose answers were lost together; one after the other where the order cannot matter.
///
/// Creations in the same list are looked at together: a row may show all that two of them sent, and each row is given
/// to one request so that as many as possible have theirs. Given to the wrong one, the other would be sent again.
pub(super) async fn truths(
    requests: Vec<Request>,
    account: &Account,
    journal: &Journal,
    seen: &Snapshot<'_>,
) -> Vec<(Request, Result<Truth, Error>)> {
    let mut truths = Vec::new();
    let (creations, rest) = by_place(requests);
    for request in rest {
        let truth = match &request.verb {
            Verb::Update { live } => match read(account, request.object, &live.key).await {
                Ok(Some(row)) if shows(&row, &request.body) => Ok(Truth::Took(Was::Done, live.clone(), row)),
                Ok(_) => Ok(Truth::NotTaken),
                Err(error) => Err(error),
            },
            Verb::AddOptions { live } => {
                let has =
                    |row: &Map<String, Value>| labels(&request.body).all(|label| labels(row).any(|own| own == label));
                match read(account, request.object, &live.key).await {
                    Ok(Some(row)) if has(&row) => Ok(Truth::Took(Was::Done, live.clone(), row)),
                    Ok(_) => Ok(Truth::NotTaken),
                    Err(error) => Err(error),
                }
            }
            // All others look again before they are sent again.
            _ => Ok(Truth::NotTaken),
        };
        truths.push((request, truth));
    }
    for ((_, parent), requests) in creations {
        let object = requests.first().expect("a group has the request it was made for").object;
        match unclaimed(object, parent.as_ref(), (account, journal, seen)).await {
            Ok(rows) => truths.extend(matched(requests, rows).into_iter().map(|(request, truth)| (request, Ok(truth)))),
            Err(error) => {
                let same = error.to_string();
                let mut first = Some(error);
                truths.extend(
                    requests.into_iter().map(|request| {
                        (request, Err(first.take().unwrap_or_else(|| Error::Unreachable(same.clone()))))
                    }),
                );
            }
        }
    }
    truths
}

/// Records that the account has once more than it should, each beside the record whose request made it: rows that show
/// what one of these requests sends, and that nobody knew before or claims now.
pub(super) async fn twins(
    requests: Vec<Request>,
    account: &Account,
    journal: &Journal,
    seen: &Snapshot<'_>,
) -> Result<Vec<(RecordId, RecordId)>, Error> {
    let mut twins = Vec::new();
    for ((_, parent), mut requests) in by_place(requests).0 {
        let object = requests.first().expect("a group has the request it was made for").object;
        // Who sent more is shown by fewer rows: a twin of it is told as its twin.
        requests.sort_by_key(|request| std::cmp::Reverse(request.body.len()));
        for (twin, row) in unclaimed(object, parent.as_ref(), (account, journal, seen)).await? {
            let made_it = requests.iter().find(|request| shows(&row, &sent(request)));
            twins.extend(made_it.map(|request| (request.record.clone(), twin)));
        }
    }
    Ok(twins)
}

/// Requests by the list they make a record in, and those that make none.
fn by_place(requests: Vec<Request>) -> (BTreeMap<Place, Vec<Request>>, Vec<Request>) {
    let (mut creations, mut rest) = (BTreeMap::<Place, Vec<Request>>::new(), Vec::new());
    for request in requests {
        match place(&request) {
            Some(place) => creations.entry(place).or_default().push(request),
            None => rest.push(request),
        }
    }
    (creations, rest)
}

/// Gives each creation a row that shows what it sent, as many as can have one.
fn matched(requests: Vec<Request>, rows: Vec<(RecordId, Map<String, Value>)>) -> Vec<(Request, Truth)> {
    let fits: Vec<Vec<usize>> = requests
        .iter()
        .map(|request| {
            let sent = sent(request);
            (0..rows.len()).filter(|row| shows(&rows[*row].1, &sent)).collect()
        })
        .collect();
    // Who sent more is harder to please, and comes first.
    let mut order: Vec<usize> = (0..requests.len()).collect();
    order.sort_by_key(|request| (std::cmp::Reverse(requests[*request].body.len()), *request));
    let mut owners: Vec<Option<usize>> = vec![None; rows.len()];
    for request in order {
        seat(request, &fits, &mut owners, &mut vec![false; rows.len()]);
    }
    let mut rows: Vec<Option<(RecordId, Map<String, Value>)>> = rows.into_iter().map(Some).collect();
    let truth = |request: usize| {
        let row = owners.iter().position(|owner| *owner == Some(request)).and_then(|row| rows[row].take());
        row.map_or(Truth::NotTaken, |(id, row)| Truth::Took(Was::Adopted, id, row))
    };
    let truths: Vec<Truth> = (0..requests.len()).map(truth).collect();
    requests.into_iter().zip(truths).collect()
}

/// Finds the request a row, if need be by giving another one's row for a different one to that other.
fn seat(request: usize, fits: &[Vec<usize>], owners: &mut [Option<usize>], tried: &mut [bool]) -> bool {
    // A row that nobody has comes first: alike creations get theirs in the order of the plan.
    if let Some(row) = fits[request].iter().find(|row| owners[**row].is_none()) {
        owners[*row] = Some(request);
        return true;
    }
    for row in &fits[request] {
        if std::mem::replace(&mut tried[*row], true) {
            continue;
        }
        if owners[*row].is_some_and(|owner| seat(owner, fits, owners, tried)) {
            owners[*row] = Some(request);
            return true;
        }
    }
    false
}

/// What a creation would show, had it taken place.
fn sent(request: &Request) -> Map<String, Value> {
    // A field's settings can be refused, and it is made without them.
    let mut sent = if request.object.options.is_some() { as_made(&request.body) } else { request.body.clone() };
    if let Verb::Create { upload: Some(upload), .. } = &request.verb {
        sent.insert("name".to_owned(), Value::String(upload.name.clone()));
        sent.insert("file_size".to_owned(), Value::from(upload.blob.bytes));
    }
    sent
}

/// The labels of a body's or a row's options.
pub(super) fn labels(body: &Map<String, Value>) -> impl Iterator<Item = &str> {
    let options = body.get("options").and_then(Value::as_array).into_iter().flatten();
    options.filter_map(|option| option.get("label")?.as_str())
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
            let parent = key.parent().filter(|_| !object.parents().is_empty());
            let rows = list(account, object, parent.as_ref()).await?;
            rows.into_iter().find(|row| identity(object, parent.as_ref(), row).is_some_and(|id| id.key == *key))
        }
    };
    Ok(row.filter(|row| !is_deleted(object, row)))
}

/// The rows under a parent.
pub(super) async fn under(
    account: &Account,
    object: &'static Object,
    parent: &Key,
) -> Result<Vec<Map<String, Value>>, Error> {
    let mut rows = list(account, object, Some(parent)).await?;
    // Rows that stand inside those of another object come with those of every parent.
    if matches!(object.listing, Listing::Within { .. }) {
        let under = |row: &Map<String, Value>| identity(object, Some(parent), row).and_then(|id| id.key.parent());
        rows.retain(|row| under(row).as_ref() == Some(parent));
    }
    Ok(rows)
}

/// Rows of the list that nobody knew before the plan and that no step has claimed.
async fn unclaimed(
    object: &'static Object,
    parent: Option<&Key>,
    (account, journal, seen): (&Account, &Journal, &Snapshot<'_>),
) -> Result<Vec<(RecordId, Map<String, Value>)>, Error> {
    let name = ObjectName::known(object.name);
    let known: HashSet<Key> = match State::contents(seen, &name) {
        Some(_) => {
            State::keys(seen, &name).and_then(Iterator::collect).map_err(|error| Error::Garbled(error.to_string()))?
        }
        None => HashSet::new(),
    };
    let extra = newest_first(object);
    let mut found = Vec::new();
    walk(account, object, (parent, &extra), &mut |rows| {
        let size = rows.len();
        let named = rows.into_iter().filter_map(|row| Some((identity(object, parent, &row)?, row)));
        let new: Vec<_> = named.filter(|(id, _)| !known.contains(&id.key)).collect();
        // Newest first: once everything on a page was known before, nothing newer follows.
        let more = extra.is_empty() || size == 0 || !new.is_empty();
        found.extend(new.into_iter().filter(|(id, row)| !is_deleted(object, row) && !journal.claims(id)));
        more
    })
    .await?;
    found.sort_by(|one, other| one.0.cmp(&other.0));
    found.dedup_by(|one, other| one.0 == other.0);
    Ok(found)
}

/// The rows of these keys, from one walk over a flat list.
pub(super) async fn listed(
    account: &Account,
    object: &'static Object,
    wanted: &HashSet<Key>,
) -> Result<HashMap<Key, Map<String, Value>>, Error> {
    let mut found = HashMap::new();
    walk(account, object, (None, &[]), &mut |rows| {
        let named = rows.into_iter().filter_map(|row| Some((identity(object, None, &row)?.key, row)));
        found.extend(named.filter(|(key, row)| wanted.contains(key) && !is_deleted(object, row)));
        true
    })
    .await?;
    Ok(found)
}

async fn list(
    account: &Account,
    object: &'static Object,
    parent: Option<&Key>,
) -> Result<Vec<Map<String, Value>>, Error> {
    let mut all = Vec::new();
    walk(account, object, (parent, &[]), &mut |rows| {
        all.extend(rows);
        true
    })
    .await?;
    Ok(all)
}

/// Takes the rows of a page; answers whether the page after it is wanted.
type Visit<'w> = dyn FnMut(Vec<Map<String, Value>>) -> bool + 'w;

/// Walks a list page by page, as long as it is wanted.
async fn walk(
    account: &Account,
    object: &'static Object,
    (parent, extra): (Option<&Key>, &[(&'static str, String)]),
    visit: &mut Visit<'_>,
) -> Result<(), Error> {
    let parents: Vec<Key> = parent.into_iter().cloned().collect();
    let unasked: &[&[(&str, &str)]] = &[&[]];
    for question in if object.questions.is_empty() { unasked } else { object.questions } {
        let asked = question.iter().map(|(name, value)| (*name, (*value).to_owned()));
        let extra: Vec<(&str, String)> = extra.iter().cloned().chain(asked).collect();
        let mut way = Walk::default();
        while let Some(position) = way.position() {
            let page = account.page(&Ask { object, parents: &parents, since: None, extra: &extra, position }).await?;
            let wanted = visit(page.rows.iter().filter_map(|row| fields(row)).collect());
            way.turn(page.next.filter(|_| wanted))?;
        }
    }
    Ok(())
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
    legible(row.get())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::restore::request::entry;

    fn row(id: u64, fields: Value) -> (RecordId, Map<String, Value>) {
        let id = RecordId::new(ObjectName::known("deals"), Key::Number(id));
        (id, fields.as_object().expect("a row").clone())
    }

    fn creation(step: u32, body: Value) -> Request {
        let (record, body) = row(900 + u64::from(step), body);
        let verb = Verb::Create { under: None, upload: None };
        let object = entry("deals").expect("deals");
        Request { step, record, object, verb, body, before: None }
    }

    fn found(requests: Vec<Request>, rows: Vec<(RecordId, Map<String, Value>)>) -> Vec<(u32, Option<u64>)> {
        let id = |truth| match truth {
            Truth::Took(_, RecordId { key: Key::Number(id), .. }, _) => Some(id),
            _ => None,
        };
        matched(requests, rows).into_iter().map(|(request, truth)| (request.step, id(truth))).collect()
    }

    #[test]
    fn of_two_creations_lost_together_each_gets_the_row_that_only_it_can_have_made() {
        let plain = || creation(0, json!({"title": "Junk", "status": "open"}));
        let dear = || creation(1, json!({"title": "Junk", "value": 5}));
        // The dear one was made first: it shows all that the plain one sent.
        let rows = || {
            vec![
                row(1, json!({"title": "Junk", "status": "open", "value": 5})),
                row(2, json!({"title": "Junk", "status": "open", "value": 0})),
            ]
        };
        assert_eq!(found(vec![plain(), dear()], rows()), [(0, Some(2)), (1, Some(1))]);
        // Only one took place: nobody is given a second row.
        let one = found(vec![plain(), dear()], rows().into_iter().take(1).collect());
        assert_eq!(one.iter().filter(|(_, id)| id.is_some()).count(), 1);
    }

    #[test]
    fn two_alike_that_took_place_are_both_found_and_one_that_did_not_is_sent_again() {
        let alike = |step| creation(step, json!({"title": "Junk"}));
        let rows = vec![row(1, json!({"title": "Junk"})), row(2, json!({"title": "Junk"}))];
        let found = found(vec![alike(0), alike(1), alike(2)], rows);
        assert_eq!(found, [(0, Some(1)), (1, Some(2)), (2, None)]);
    }
}
