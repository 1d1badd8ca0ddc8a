//! The rules of activities: one of deal, lead and project; the person through a primary participant; the stamp of being done.

use serde_json::{Value, json};

use crate::sandbox::account::Account;
use crate::sandbox::answer::{Answer, invalid};
use crate::sandbox::clock;
use crate::sandbox::records::Draft;

/// Settles what follows from the members that were sent.
pub(super) fn settle(account: &Account, draft: &mut Draft) -> Result<(), Answer> {
    // api/objects.md: person_id is read-only in v2, although the description lists it.
    if draft.says("person_id") && !account.tolerant {
        return Err(invalid("person_id", "is read-only, set a primary participant"));
    }
    kind(account, draft)?;
    times(draft)?;
    // api/changes.md, 2024-02-08: deal wins over lead, lead over project.
    if !draft.row["deal_id"].is_null() {
        draft.set("lead_id", Value::Null);
    }
    if !draft.row["deal_id"].is_null() || !draft.row["lead_id"].is_null() {
        draft.set("project_id", Value::Null);
    }
    participants(account, draft)?;
    for (member, first) in [("done", json!(false)), ("busy", json!(false))] {
        if draft.row[member].is_null() {
            draft.set(member, first);
        }
    }
    if draft.changes("done") || draft.old.is_none() {
        let done = draft.row["done"] == json!(true) && account.assume.yes("done-stamps");
        draft.set("marked_as_done_time", done.then(|| account.stamp("activities")));
    }
    Ok(())
}

fn kind(account: &Account, draft: &mut Draft) -> Result<(), Answer> {
    let types = &account.store.table("activityTypes").rows;
    let living = || types.values().filter(|row| !row.deleted);
    if draft.word("type").is_none() {
        let first = living().min_by_key(|row| row.number("order_nr")).and_then(|row| row.word("key_string"));
        draft.set("type", first.unwrap_or("call"));
    }
    let known = living().any(|row| row.word("key_string") == draft.word("type"));
    if draft.says("type") && !known {
        return Err(invalid("type", "unknown activity type"));
    }
    if draft.word("subject").is_none_or(str::is_empty) {
        let named = living().find(|row| row.word("key_string") == draft.word("type")).and_then(|row| row.word("name"));
        draft.set("subject", named.unwrap_or("Activity"));
    }
    Ok(())
}

fn times(draft: &mut Draft) -> Result<(), Answer> {
    if draft.sent.get("due_date").and_then(Value::as_str).is_some_and(|day| !clock::is_day(day)) {
        return Err(invalid("due_date", "must be a date"));
    }
    for member in ["due_time", "duration"] {
        let Some(text) = draft.sent.get(member).and_then(Value::as_str) else { continue };
        let parts: Vec<&str> = text.split(':').collect();
        let numeric = parts.iter().all(|part| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit()));
        match (numeric, parts.len()) {
            (true, 2) => draft.row.insert(member.to_owned(), json!(format!("{text}:00"))),
            (true, 3) => continue,
            _ => return Err(invalid(member, "must be HH:MM or HH:MM:SS")),
        };
    }
    Ok(())
}

fn participants(account: &Account, draft: &mut Draft) -> Result<(), Answer> {
    let Some(Value::Array(list)) = draft.row.get("participants").cloned() else {
        draft.set("participants", json!([]));
        draft.set("person_id", Value::Null);
        return Ok(());
    };
    for (at, one) in list.iter().enumerate() {
        let person = one.get("person_id").cloned().unwrap_or(Value::Null);
        if draft.says("participants") {
            account.check_link(&format!("participants[{at}].person_id"), "persons", &person)?;
        }
    }
    let primary = list.iter().position(|one| one.get("primary") == Some(&json!(true))).unwrap_or(0);
    let person = list.get(primary).and_then(|one| one.get("person_id")).cloned().unwrap_or(Value::Null);
    let whole = |(at, one): (usize, &Value)| json!({"person_id": one["person_id"], "primary": at == primary});
    let list: Vec<Value> = list.iter().enumerate().map(whole).collect();
    draft.set("participants", list);
    draft.set("person_id", person);
    Ok(())
}
