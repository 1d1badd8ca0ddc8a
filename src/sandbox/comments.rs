//! Comments on notes: known by a UUID, written by whoever calls.
//!
//! api/objects.md, Note comments: author and time are the caller's and now.

use serde_json::{Map, Value, json};

use crate::sandbox::account::{Account, facts};
use crate::sandbox::answer::{Answer, Outcome, not_found, offset_page, refusal, single};
use crate::sandbox::call::Call;
use crate::sandbox::check;
use crate::sandbox::offset::Window;
use crate::sandbox::row::Id;

const KIND: &str = "noteComments";

/// One request about the comments of a note.
pub(super) fn serve(account: &mut Account, call: &Call<'_>) -> Outcome {
    let note = call.number("id")?;
    account.live("notes", &Id::Number(note))?;
    if call.operation.path == "/notes/{id}/comments" {
        return if call.operation.method == "GET" { list(account, call, note) } else { add(account, call, note) };
    }
    let id = Id::Text(call.value("commentId").into());
    let mut row = account.row(KIND, &id)?;
    if row.get("note_id") != Some(&json!(note)) {
        return Err(not_found(facts(KIND)));
    }
    match call.operation.method.as_str() {
        "GET" => single(200, shown(&row)),
        "PUT" => {
            let content = content(account, call)?;
            row.insert("content".into(), json!(content));
            row.insert("update_time".into(), account.stamp(KIND).into());
            row.insert("updater_id".into(), json!(account.me));
            account.write(KIND, &id, &row);
            single(200, shown(&row))
        }
        _ => {
            account.erase(KIND, &id);
            single(200, true)
        }
    }
}

fn list(account: &Account, call: &Call<'_>, note: u64) -> Outcome {
    let mut rows: Vec<Map<String, Value>> = account
        .store
        .children(KIND, "note_id", &Id::Number(note))
        .filter_map(|id| account.store.get(KIND, id))
        .collect();
    rows.sort_by_key(|row| row["add_time"].to_string());
    let window = Window::read(call, 500)?;
    let page: Vec<String> = window.of(&rows).iter().map(|row| shown(row).to_string()).collect();
    offset_page(&page.join(","), Some(window.pagination(account, rows.len())), None)
}

/// The row as the service shows it: the note's id is a text.
fn shown(row: &Map<String, Value>) -> Value {
    let mut row = row.clone();
    let note = row.remove("note_id").unwrap_or_default();
    row.insert("object_id".into(), json!(note.to_string()));
    row.insert("object_type".into(), json!("note"));
    Value::Object(row)
}

fn content(account: &Account, call: &Call<'_>) -> Result<String, Answer> {
    let sent = check::body(call, account.rigour())?;
    let content = ammonia::clean(sent.get("content").and_then(Value::as_str).unwrap_or_default());
    if content.trim().is_empty() { Err(refusal(400, "content must not be empty.")) } else { Ok(content) }
}

fn add(account: &mut Account, call: &Call<'_>, note: u64) -> Outcome {
    let content = content(account, call)?;
    let (uuid, now) = (account.random_uuid(), account.stamp(KIND));
    let row = crate::sandbox::answer::object([
        ("uuid", json!(uuid)),
        ("note_id", json!(note)),
        ("content", json!(content)),
        ("active_flag", json!(true)),
        ("add_time", json!(now)),
        ("update_time", json!(now)),
        ("user_id", json!(account.me)),
        ("updater_id", json!(account.me)),
        ("company_id", json!(1)),
    ]);
    account.write(KIND, &Id::Text(uuid.into()), &row);
    single(200, shown(&row))
}
