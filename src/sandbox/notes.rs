//! Notes: HTML that the service cleans, pinned to what they hang on.
//!
//! api/objects.md, Notes; api/restore-hazards.md, "Notes".

use serde_json::{Map, Value, json};

use crate::sandbox::account::{Account, facts};
use crate::sandbox::answer::{Answer, Outcome, not_found, refusal, single};
use crate::sandbox::call::Call;
use crate::sandbox::check;
use crate::sandbox::clock;
use crate::sandbox::kinds::Times;
use crate::sandbox::offset::{self, List};
use crate::sandbox::row::Id;
use crate::sandbox::store::Row;

const KIND: &str = "notes";
const LONGEST: usize = 100_000;
/// Member, the kind it points to, the pin that needs it.
const PARENTS: &[(&str, &str, &str)] = &[
    ("deal_id", "deals", "pinned_to_deal_flag"),
    ("lead_id", "leads", "pinned_to_lead_flag"),
    ("person_id", "persons", "pinned_to_person_flag"),
    ("org_id", "organizations", "pinned_to_organization_flag"),
    ("project_id", "projects", "pinned_to_project_flag"),
    ("task_id", "tasks", "pinned_to_task_flag"),
];

/// One request about notes.
pub(super) fn serve(account: &mut Account, call: &Call<'_>) -> Outcome {
    match (call.operation.method.as_str(), call.value("id")) {
        ("GET", "") => list(account, call),
        ("POST", _) => create(account, call),
        (method, _) => {
            let id = Id::Number(call.number("id")?);
            let row = account.live(KIND, &id)?;
            match method {
                "GET" => single(200, shown(account, &id)),
                "PUT" => update(account, call, &id, row),
                _ => delete(account, &id, row),
            }
        }
    }
}

fn list(account: &Account, call: &Call<'_>) -> Outcome {
    let since = match call.asked("updated_since") {
        Some(text) => Some(
            clock::read_since(text).ok_or_else(|| refusal(400, "updated_since must be an RFC3339 time"))?.timestamp(),
        ),
        None => None,
    };
    let mut equal: Vec<(&str, String)> = Vec::new();
    for name in ["user_id", "deal_id", "person_id", "org_id", "lead_id", "project_id", "task_id"] {
        if let Some(value) = call.asked(name) {
            equal.push((name, if name == "lead_id" { format!("\"{value}\"") } else { value.to_owned() }));
        }
    }
    for (_, _, pin) in PARENTS {
        if let Some(value) = call.asked(pin) {
            equal.push((pin, (value == "1").to_string()));
        }
    }
    let (first, last) = (call.asked("start_date"), call.asked("end_date"));
    let keep = |_: &Id, row: &Row| {
        let day = || row.word("add_time").and_then(|time| time.get(..10)).unwrap_or_default();
        !row.deleted
            && since.is_none_or(|since| row.updated >= since)
            && equal.iter().all(|(name, value)| row.member(name) == Some(value))
            && first.is_none_or(|first| day() >= first)
            && last.is_none_or(|last| day() <= last)
    };
    // The default order is not promised: api/wire.md, "v1 sorting".
    let sort = if account.assume.yes("odd") { "update_time DESC" } else { "id ASC" };
    let list = List { largest: 500, sort, sortable: &[], keep: &keep };
    offset::page(account, call, KIND, &list, &|out, _, row| write(account, out, row))
}

/// The row with what is derived from the rows it points to.
fn write(account: &Account, out: &mut String, row: &Row) {
    out.push('{');
    out.push_str(row.main());
    for (member, kind, name, inner) in [
        ("deal", "deals", "deal_id", "title"),
        ("person", "persons", "person_id", "name"),
        ("organization", "organizations", "org_id", "name"),
        ("project", "projects", "project_id", "title"),
        ("task", "tasks", "task_id", "title"),
    ] {
        let target = row.number(name).and_then(|id| account.store.table(kind).rows.get(&Id::Number(id)));
        match target.and_then(|target| target.member(inner)) {
            Some(text) => out.push_str(&format!(",\"{member}\":{{\"{inner}\":{text}}}")),
            None => out.push_str(&format!(",\"{member}\":null")),
        }
    }
    let user = row.number("user_id").and_then(|id| account.store.table("users").rows.get(&Id::Number(id)));
    match user {
        Some(user) => {
            let part = |name: &str| user.member(name).unwrap_or("null");
            let is_you = user.number("id") == Some(account.me);
            let (email, icon, name) = (part("email"), part("icon_url"), part("name"));
            out.push_str(&format!(
                ",\"user\":{{\"email\":{email},\"icon_url\":{icon},\"is_you\":{is_you},\"name\":{name}}}"
            ));
        }
        None => out.push_str(",\"user\":null"),
    }
    out.push('}');
}

fn shown(account: &Account, id: &Id) -> Value {
    let Some(row) = account.store.table(KIND).rows.get(id) else { return Value::Null };
    let mut text = String::new();
    write(account, &mut text, row);
    serde_json::from_str(&text).unwrap_or(Value::Null)
}

fn create(account: &mut Account, call: &Call<'_>) -> Outcome {
    let sent = check::body(call, account.rigour())?;
    let now = account.stamp(KIND);
    let mut row = Map::new();
    for (member, _, pin) in PARENTS {
        row.insert((*member).to_owned(), Value::Null);
        row.insert((*pin).to_owned(), json!(false));
    }
    let firsts = [
        ("active_flag", json!(true)),
        ("add_time", json!(now)),
        ("update_time", json!(now)),
        ("user_id", json!(account.me)),
    ];
    firsts.into_iter().for_each(|(member, first)| drop(row.insert(member.to_owned(), first)));
    settle(account, &mut row, sent)?;
    if PARENTS.iter().all(|(member, ..)| row[*member].is_null()) {
        return Err(refusal(400, "A note must be linked to a lead, deal, person, organization, project or task."));
    }
    let id = account.next_id(KIND);
    row.insert("id".into(), json!(id));
    account.write(KIND, &Id::Number(id), &row);
    single(200, shown(account, &Id::Number(id)))
}

fn update(account: &mut Account, call: &Call<'_>, id: &Id, mut row: Map<String, Value>) -> Outcome {
    let sent = check::body(call, account.rigour())?;
    settle(account, &mut row, sent)?;
    row.insert("update_time".into(), account.stamp(KIND).into());
    account.write(KIND, id, &row);
    single(200, shown(account, id))
}

fn settle(account: &Account, row: &mut Map<String, Value>, sent: Map<String, Value>) -> Result<(), Answer> {
    for (member, kind, pin) in PARENTS {
        if let Some(value) = sent.get(*member).filter(|value| !value.is_null()) {
            account.check_link(member, kind, value).map_err(|_| not_found(facts(kind)))?;
        }
        // A pin needs the id of what it is pinned to in the same body.
        let pinned = sent.get(*pin).is_some_and(|flag| *flag == json!(1));
        if pinned && sent.get(*member).is_none_or(Value::is_null) {
            return Err(refusal(400, format!("{pin} requires {member} in the same request.")));
        }
    }
    for (member, value) in sent {
        let value = match member.as_str() {
            "content" => {
                let content = ammonia::clean(value.as_str().unwrap_or_default());
                if content.trim().is_empty() || content.chars().count() > LONGEST {
                    return Err(refusal(400, "content must have 1 to 100000 characters."));
                }
                json!(content)
            }
            "add_time" => {
                let time =
                    value.as_str().and_then(clock::read).ok_or_else(|| refusal(400, "add_time must be a time."))?;
                json!(clock::written(time, Times::Plain))
            }
            pin if pin.starts_with("pinned_to_") => json!(value == json!(1)),
            "user_id" => {
                account.check_link("user_id", "users", &value).map_err(|_| not_found(facts("users")))?;
                value
            }
            _ => value,
        };
        row.insert(member, value);
    }
    row.insert("last_update_user_id".into(), json!(account.me));
    Ok(())
}

/// api/wire.md: deleting a note answers `data: true`.
fn delete(account: &mut Account, id: &Id, mut row: Map<String, Value>) -> Outcome {
    row.insert("active_flag".into(), json!(false));
    row.insert("update_time".into(), account.stamp(KIND).into());
    account.write(KIND, id, &row);
    single(200, true)
}
