//! Changelogs and flow: what was changed in a record, newest first.
//!
//! api/objects.md, changelog and flow. Only changes made through the sandbox are remembered; of what was there before, each record tells
//! that it was added.

use serde_json::{Value, json};

use crate::sandbox::account::Account;
use crate::sandbox::answer::{Outcome, bad, offset_page};
use crate::sandbox::call::Call;
use crate::sandbox::contract::Version;
use crate::sandbox::cursor::Cursor;
use crate::sandbox::offset::Window;
use crate::sandbox::records::Draft;
use crate::sandbox::row::Id;

/// Largest page: api/wire.md, Pagination.
const LARGEST: usize = 500;

/// Remembers what a write changes.
pub(super) fn note(account: &mut Account, kind: &'static str, id: &Id, draft: &Draft) {
    let Some(old) = &draft.old else { return };
    if !["deals", "persons", "organizations"].contains(&kind) {
        return;
    }
    let now = account.stamp("users");
    let text = |value: Option<&Value>| match value {
        None | Some(Value::Null) => Value::Null,
        Some(Value::String(text)) => json!(text),
        Some(other) => json!(other.to_string()),
    };
    let changed = draft.row.iter().filter(|(member, value)| old.get(*member) != Some(value));
    let rows: Vec<Value> = changed
        .map(|(member, value)| change(account.me, &now, (member, text(old.get(member)), text(Some(value)))))
        .collect();
    account.history.entry((kind, id.clone())).or_default().extend(rows);
}

fn change(user: u64, time: &str, (field, old, new): (&str, Value, Value)) -> Value {
    json!({
        "field_key": field, "old_value": old, "new_value": new, "actor_user_id": user, "time": time, "change_source": "api",
        "change_source_user_agent": null, "is_bulk_update_flag": false,
    })
}

/// One page of a record's history.
pub(super) fn serve(account: &Account, call: &Call<'_>, kind: &'static str) -> Outcome {
    let id = Id::Number(call.number("id")?);
    let row = account.row(kind, &id)?;
    let added = row["add_time"].as_str().unwrap_or_default().replace('T', " ").replace('Z', "");
    let first = change(account.me, &added, ("add_time", Value::Null, json!(added)));
    let kept = account.history.get(&(kind, id)).into_iter().flatten();
    let mut rows: Vec<&Value> = std::iter::once(&first).chain(kept).collect();
    rows.reverse();
    if call.operation.path.ends_with("/flow") {
        let word = format!("{}Change", kind.trim_end_matches('s'));
        let shown = |row: &&Value| json!({"object": word, "timestamp": row["time"], "data": row}).to_string();
        let window = Window::read(call, LARGEST)?;
        let text: Vec<String> = window.of(&rows).iter().map(shown).collect();
        return offset_page(&text.join(","), Some(window.pagination(account, rows.len())), None);
    }
    let start = match call.asked("cursor") {
        Some(text) => Cursor::read(text).ok_or_else(|| bad(Version::V1, "cursor", "is not valid"))?.id as usize,
        None => 0,
    };
    let size = (call.asked_number("limit")?.unwrap_or(100) as usize).clamp(1, LARGEST);
    let end = (start + size).min(rows.len());
    let text: Vec<String> = rows[start.min(end)..end].iter().map(|row| row.to_string()).collect();
    let at = |id: usize| Cursor { field: "time".into(), value: id.to_string(), down: true, id: id as u64 }.written();
    let next = (end < rows.len()).then(|| at(end)).map_or(Value::Null, Value::String);
    let data = text.join(",");
    let body = format!("{{\"success\":true,\"data\":[{data}],\"additional_data\":{{\"next_cursor\":{next}}}}}");
    Ok(crate::sandbox::answer::Answer::text(200, body))
}
