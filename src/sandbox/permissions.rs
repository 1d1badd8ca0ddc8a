//! Permission sets and who has them: read-only today; `--legacy` answers the writes of old.
//!
//! Who has a set is kept in the users' `access` and nowhere else. The forms of the removed writes are not published any more
//! (UNCONFIRMED): one set is changed by PUT, a user is assigned by POST with `user_id`, as roles still do it.

use serde_json::{Map, Value, json};

use crate::sandbox::account::Account;
use crate::sandbox::answer::{Outcome, offset_page, single};
use crate::sandbox::call::Call;
use crate::sandbox::check;
use crate::sandbox::offset::Window;
use crate::sandbox::row::Id;

const KIND: &str = "permissionSets";
const LARGEST: usize = 500;

/// One request about permission sets.
pub(super) fn serve(account: &mut Account, call: &Call<'_>, steps: &[&str]) -> Outcome {
    match (call.operation.method.as_str(), steps) {
        ("GET", [_]) => list(account, call),
        ("GET", [_, _]) => {
            let id = set(call);
            account.live(KIND, &id)?;
            // api/wire.md, Irregular shapes: the example wraps the one set in an array.
            let row = shown(account, &id, true);
            let data = if account.assume.yes("set-in-array") { json!([row]) } else { json!(row) };
            single(200, data)
        }
        ("GET", [_, _, "assignments"]) => assignments(account, call),
        ("PUT", [_, _]) => update(account, call),
        _ => assign(account, call),
    }
}

fn set(call: &Call<'_>) -> Id {
    Id::Text(call.value("id").into())
}

fn word(id: &Id) -> &str {
    if let Id::Text(text) = id { text } else { "" }
}

/// The users who have a set.
fn holders(account: &Account, id: &Id) -> Vec<(u64, String)> {
    let users = account.store.table("users").rows.keys().filter_map(|user| account.store.get("users", user));
    let has = |user: &Map<String, Value>| {
        let access = user.get("access").and_then(Value::as_array);
        access.is_some_and(|access| access.iter().any(|one| one["permission_set_id"] == json!(word(id))))
    };
    let named = |user: &Map<String, Value>| (user["id"].as_u64(), user["name"].as_str().unwrap_or_default().to_owned());
    users.filter(has).map(|user| named(&user)).filter_map(|(id, name)| Some((id?, name))).collect()
}

fn shown(account: &Account, id: &Id, contents: bool) -> Map<String, Value> {
    let mut row = account.store.get(KIND, id).unwrap_or_default();
    row.insert("assignment_count".into(), json!(holders(account, id).len()));
    if contents {
        row.remove("type");
    } else {
        row.remove("contents");
    }
    row
}

fn list(account: &Account, call: &Call<'_>) -> Outcome {
    let wanted = |id: &&Id| {
        let app = account.store.table(KIND).rows[*id].word("app");
        call.asked("app").is_none_or(|asked| app == Some(asked))
    };
    let ids = account.store.table(KIND).rows.keys().filter(wanted);
    let text: Vec<String> = ids.map(|id| Value::Object(shown(account, id, false)).to_string()).collect();
    offset_page(&text.join(","), None, None)
}

fn assignments(account: &Account, call: &Call<'_>) -> Outcome {
    let id = set(call);
    account.live(KIND, &id)?;
    let window = Window::read(call, LARGEST)?;
    let users = holders(account, &id);
    let row = |(user, name): &(u64, String)| {
        json!({"user_id": user, "permission_set_id": word(&id), "name": name}).to_string()
    };
    let text: Vec<String> = window.of(&users).iter().map(row).collect();
    offset_page(&text.join(","), Some(window.pagination(account, users.len())), None)
}

fn update(account: &mut Account, call: &Call<'_>) -> Outcome {
    let id = set(call);
    let mut row = account.live(KIND, &id)?;
    row.extend(check::body(call, account.rigour())?);
    account.write(KIND, &id, &row);
    single(200, shown(account, &id, true))
}

/// A user has one set of each app: the new one takes the place of the old one.
fn assign(account: &mut Account, call: &Call<'_>) -> Outcome {
    let id = set(call);
    let app = account.live(KIND, &id)?["app"].clone();
    let sent = check::body(call, account.rigour())?;
    let user = Id::Number(sent.get("user_id").and_then(Value::as_u64).unwrap_or_default());
    let mut row: Map<String, Value> = account.row("users", &user)?;
    let admin = account.store.table(KIND).rows[&id].word("type") == Some("admin");
    let access = row.entry("access").or_insert_with(|| json!([]));
    if let Some(access) = access.as_array_mut() {
        access.retain(|one| one["app"] != app);
        access.push(json!({"app": app, "admin": admin, "permission_set_id": word(&id)}));
    }
    account.write("users", &user, &row);
    single(200, json!({"user_id": row["id"], "permission_set_id": word(&id), "app": app}))
}
