//! Followers of deals, persons, organizations and products: rows without an id of their own, (parent, user).

use serde_json::{Map, Value, json};

use crate::sandbox::account::{Account, facts};
use crate::sandbox::answer::{Answer, Outcome, bad, cursor_page, offset_page, refusal, single};
use crate::sandbox::call::Call;
use crate::sandbox::check;
use crate::sandbox::contract::Version;
use crate::sandbox::counters::link_to;
use crate::sandbox::cursor::Cursor;
use crate::sandbox::list::page_size;
use crate::sandbox::row::Id;

/// The follower table of a parent kind.
pub(super) fn table(parent: &str) -> Option<&'static str> {
    match parent {
        "deals" => Some("dealFollowers"),
        "persons" => Some("personFollowers"),
        "organizations" => Some("organizationFollowers"),
        "products" => Some("productFollowers"),
        _ => None,
    }
}

/// One request about followers.
pub(super) fn serve(account: &mut Account, call: &Call<'_>, parent: &'static str) -> Outcome {
    let id = call.number("id")?;
    account.live(parent, &Id::Number(id))?;
    match call.operation.method.as_str() {
        "GET" if call.version() == Version::V1 => v1_list(account, parent, id),
        "GET" => v2_list(account, call, parent, id),
        "POST" => add(account, call, parent, id),
        _ => remove(account, call, parent, id),
    }
}

/// The owner follows a new record, if the sandbox assumes so.
pub(super) fn welcome(account: &mut Account, kind: &'static str, id: &Id, row: &Map<String, Value>) {
    let owner = row.get("owner_id").and_then(Value::as_u64);
    if let (Some(table), Some(owner), Id::Number(id), true) =
        (table(kind), owner, id, account.assume.yes("owner-follows"))
    {
        put(account, table, kind, *id, owner);
    }
}

fn put(account: &mut Account, table: &'static str, parent: &str, id: u64, user: u64) -> Value {
    let row = json!({"user_id": user, "add_time": account.stamp(table), link_to(parent): id});
    account.write(table, &Id::Pair(id, user), row.as_object().expect("a follower is an object"));
    row
}

fn shown(account: &Account, table: &str, id: &Id) -> Value {
    let row = account.store.get(table, id).unwrap_or_default();
    json!({"user_id": row.get("user_id"), "add_time": row.get("add_time")})
}

fn users(account: &Account, table: &str, parent: u64) -> Vec<u64> {
    let range = account.store.table(table).rows.range(Id::Pair(parent, 0)..=Id::Pair(parent, u64::MAX));
    range.filter_map(|(id, _)| if let Id::Pair(_, user) = id { Some(*user) } else { None }).collect()
}

fn v2_list(account: &Account, call: &Call<'_>, parent: &'static str, id: u64) -> Outcome {
    let table = table(parent).unwrap_or_default();
    let size = page_size(account, call)?;
    let after = match call.asked("cursor") {
        Some(text) => Cursor::read(text).ok_or_else(|| crate::sandbox::answer::invalid("cursor", "is not valid"))?.id,
        None => 0,
    };
    let mut left: Vec<u64> = users(account, table, id).into_iter().filter(|user| *user > after).collect();
    let more = left.len() > size;
    left.truncate(size);
    let rows: Vec<String> = left.iter().map(|user| shown(account, table, &Id::Pair(id, *user)).to_string()).collect();
    let cursor = |last: &u64| Cursor { field: "id".into(), value: last.to_string(), down: false, id: *last }.written();
    cursor_page(&rows.join(","), left.last().filter(|_| more).map(cursor))
}

fn v1_list(account: &Account, parent: &'static str, id: u64) -> Outcome {
    let table = table(parent).unwrap_or_default();
    let row = |(at, user): (usize, &u64)| {
        let mut row = shown(account, table, &Id::Pair(id, *user));
        row["id"] = json!(at + 1);
        row[link_to(parent)] = json!(id);
        row.to_string()
    };
    let rows: Vec<String> = users(account, table, id).iter().enumerate().map(row).collect();
    let pagination = json!({"start": 0, "limit": 100, "more_items_in_collection": false});
    offset_page(&rows.join(","), Some(pagination), None)
}

fn add(account: &mut Account, call: &Call<'_>, parent: &'static str, id: u64) -> Outcome {
    let sent = check::body(call, account.rigour())?;
    let table = table(parent).unwrap_or_default();
    let user =
        sent.get("user_id").and_then(Value::as_u64).ok_or_else(|| bad(call.version(), "user_id", "must be an id"))?;
    account.check_link("user_id", "users", &json!(user))?;
    let known = account.is_live(table, &Id::Pair(id, user));
    // api/objects.md, DealFollowers: adding an existing follower is 400 in v2, 200 in v1.
    if known && call.version() == Version::V2 {
        return Err(refusal(400, "The user is already a follower."));
    }
    if !known {
        put(account, table, parent, id, user);
    }
    single(if call.version() == Version::V2 { 201 } else { 200 }, shown(account, table, &Id::Pair(id, user)))
}

fn remove(account: &mut Account, call: &Call<'_>, parent: &'static str, id: u64) -> Outcome {
    let follower = call.number("follower_id")?;
    let table = table(parent).unwrap_or_default();
    // v1 deletes by a row id instead of the user's: the position in the v1 list.
    let user = match call.version() {
        Version::V2 => Some(follower),
        Version::V1 => users(account, table, id).get((follower as usize).wrapping_sub(1)).copied(),
    };
    let row = user.map(|user| Id::Pair(id, user)).filter(|row| account.is_live(table, row));
    let row = row.ok_or_else(|| -> Answer { crate::sandbox::answer::not_found(facts(table)) })?;
    account.erase(table, &row);
    single(200, if call.version() == Version::V2 { json!({"user_id": user}) } else { json!({"id": follower}) })
}
