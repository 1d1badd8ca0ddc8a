//! Teams, deprecated and still described: listed whole, deleted and brought back by a flag that can be written.

use serde_json::{Map, Value, json};

use crate::sandbox::account::Account;
use crate::sandbox::answer::{Answer, Outcome, offset_page, refusal, single};
use crate::sandbox::call::Call;
use crate::sandbox::check;
use crate::sandbox::row::Id;

const KIND: &str = "legacyTeams";

/// One request about teams.
pub(super) fn serve(account: &mut Account, call: &Call<'_>, steps: &[&str]) -> Outcome {
    match (call.operation.method.as_str(), steps) {
        ("GET", [_]) => list(account, call),
        ("GET", [_, "{id}"]) => single(200, shown(account.row(KIND, &Id::Number(call.number("id")?))?)),
        ("POST", [_]) => create(account, call),
        ("PUT", [_, "{id}"]) => update(account, call),
        _ => Err(refusal(501, "The sandbox does not offer this.")),
    }
}

/// The flag is kept as `is_deleted`; the wire knows it as a number.
fn shown(mut row: Map<String, Value>) -> Map<String, Value> {
    let deleted = row.remove("is_deleted") == Some(json!(true));
    row.insert("deleted_flag".into(), json!(u8::from(deleted)));
    row
}

fn list(account: &Account, call: &Call<'_>) -> Outcome {
    let table = account.store.table(KIND);
    let kept = table.rows.iter().filter(|(_, row)| !row.deleted || account.assume.yes("deleted-listed"));
    let row = |id: &Id| {
        let mut row = shown(account.store.get(KIND, id).unwrap_or_default());
        if call.asked("skip_users") == Some("1") {
            row.remove("users");
        }
        Value::Object(row).to_string()
    };
    let text: Vec<String> = kept.map(|(id, _)| row(id)).collect();
    offset_page(&text.join(","), None, None)
}

fn check_people(account: &Account, sent: &Map<String, Value>) -> Result<(), Answer> {
    if let Some(manager) = sent.get("manager_id") {
        account.check_link("manager_id", "users", manager)?;
    }
    let users = sent.get("users").and_then(Value::as_array);
    users.into_iter().flatten().try_for_each(|user| account.check_link("users", "users", user))
}

fn create(account: &mut Account, call: &Call<'_>) -> Outcome {
    let sent = check::body(call, account.rigour())?;
    check_people(account, &sent)?;
    let (id, now) = (account.next_id(KIND), account.stamp(KIND));
    let part = |name: &str, first: Value| sent.get(name).cloned().unwrap_or(first);
    let row = json!({
        "id": id, "name": sent["name"], "description": part("description", Value::Null), "manager_id": sent["manager_id"],
        "users": part("users", json!([])), "active_flag": 1, "is_deleted": false, "add_time": now, "created_by_user_id": account.me,
    });
    let row = row.as_object().cloned().unwrap_or_default();
    account.write(KIND, &Id::Number(id), &row);
    single(200, shown(row))
}

/// api/objects.md, Legacy teams: `deleted_flag` may be written with both values; that 0 brings one back is UNCONFIRMED.
fn update(account: &mut Account, call: &Call<'_>) -> Outcome {
    let id = Id::Number(call.number("id")?);
    let mut row = account.row(KIND, &id)?;
    let mut sent = check::body(call, account.rigour())?;
    check_people(account, &sent)?;
    let deleted = sent.remove("deleted_flag").and_then(|flag| flag.as_u64());
    if !account.is_live(KIND, &id) && (deleted != Some(0) || account.assume.is("undelete", "no")) {
        return Err(refusal(404, "Team not found"));
    }
    row.extend(sent);
    if let Some(flag) = deleted {
        row.insert("is_deleted".into(), json!(flag == 1));
    }
    account.write(KIND, &id, &row);
    single(200, shown(row))
}
