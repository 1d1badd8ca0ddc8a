//! What the token's user alone sees, and the fixed list of sources: read-only, all of it v1.

use serde_json::{Map, Value};

use crate::sandbox::account::Account;
use crate::sandbox::answer::{Outcome, offset_page, single};

/// The members of an object that is kept as one row a member.
fn members(account: &Account, kind: &str, name: &str, value: &str) -> Map<String, Value> {
    let rows = account.store.table(kind).rows.keys().filter_map(|id| account.store.get(kind, id));
    rows.filter_map(|row| Some((row.get(name)?.as_str()?.to_owned(), row.get(value)?.clone()))).collect()
}

/// The user's settings: one object.
pub(super) fn settings(account: &Account) -> Outcome {
    single(200, members(account, "userSettings", "setting", "value"))
}

/// The user's connections to other services: one object.
pub(super) fn connections(account: &Account) -> Outcome {
    single(200, members(account, "userConnections", "service", "connection"))
}

/// Where leads may come from.
pub(super) fn sources(account: &Account) -> Outcome {
    let rows = account.store.table("leadSources").rows.keys().filter_map(|id| account.store.get("leadSources", id));
    let text: Vec<String> = rows.map(|row| Value::Object(row).to_string()).collect();
    offset_page(&text.join(","), None, None)
}
