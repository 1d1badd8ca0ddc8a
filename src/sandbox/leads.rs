//! Leads: v1 only, UUIDs for ids, custom fields of deals spread flat over the row.

use serde_json::{Map, Value, json};

use crate::sandbox::account::{Account, facts};
use crate::sandbox::answer::{Answer, Outcome, not_found, refusal, single};
use crate::sandbox::call::{Body, Call};
use crate::sandbox::check;
use crate::sandbox::clock;
use crate::sandbox::custom;
use crate::sandbox::filters::Condition;
use crate::sandbox::mail;
use crate::sandbox::offset::{self, List};
use crate::sandbox::row::Id;
use crate::sandbox::show;
use crate::sandbox::store::Row;

const KIND: &str = "leads";
const SORTABLE: &[&str] = &[
    "id",
    "title",
    "owner_id",
    "creator_id",
    "was_seen",
    "expected_close_date",
    "next_activity_id",
    "add_time",
    "update_time",
];

/// One request about leads.
pub(super) fn serve(account: &mut Account, call: &Call<'_>) -> Outcome {
    match (call.operation.method.as_str(), call.operation.path.as_str()) {
        ("GET", "/leads") => list(account, call, false),
        ("GET", "/leads/archived") => list(account, call, true),
        ("POST", _) => create(account, call),
        (method, _) => {
            let id = Id::Text(call.value("id").into());
            let row = account.live(KIND, &id)?;
            match method {
                "GET" => single(200, shown(account, &id)),
                "PATCH" => update(account, call, &id, row),
                _ => delete(account, &id, row),
            }
        }
    }
}

fn list(account: &Account, call: &Call<'_>, archived: bool) -> Outcome {
    let since = match call.asked("updated_since") {
        Some(text) => Some(
            clock::read_since(text).ok_or_else(|| refusal(400, "updated_since must be an ISO 8601 time"))?.timestamp(),
        ),
        None => None,
    };
    let condition = call.asked_number("filter_id")?.map(|id| Condition::of(account, KIND, id)).transpose()?;
    let names = ["owner_id", "person_id", "organization_id"].into_iter().filter(|_| condition.is_none());
    let equal: Vec<(&str, &str)> = names.filter_map(|name| Some((name, call.asked(name)?))).collect();
    let keep = |_: &Id, row: &Row| {
        !row.deleted
            && row.archived == archived
            // api/objects.md, archived leads: no updated_since there; v1 ignores what it does not know.
            && (archived || since.is_none_or(|since| row.updated >= since))
            && equal.iter().all(|(name, value)| row.member(name) == Some(value))
            && condition.as_ref().is_none_or(|condition| condition.holds(row))
    };
    // Oldest first: contract, GET /leads.
    let list = List { largest: 500, sort: "add_time ASC", sortable: SORTABLE, keep: &keep };
    offset::page(account, call, KIND, &list, &|out, _, row| show::write_v1(out, row))
}

fn shown(account: &Account, id: &Id) -> Value {
    Value::Object(account.store.get(KIND, id).unwrap_or_default())
}

fn sent_object(call: &Call<'_>) -> Map<String, Value> {
    if let Body::Json(Value::Object(sent)) = &call.body { sent.clone() } else { Map::new() }
}

fn create(account: &mut Account, call: &Call<'_>) -> Outcome {
    let sent = check::body(call, account.rigour())?;
    let now = account.stamp(KIND);
    let id = account.random_uuid();
    let firsts = json!({
        "id": id, "title": null, "owner_id": account.me, "creator_id": account.me, "label_ids": [], "person_id": null,
        "organization_id": null, "source_name": "API", "origin": "API", "origin_id": null, "channel": null, "channel_id": null,
        "is_archived": false, "was_seen": false, "value": null, "expected_close_date": null, "next_activity_id": null,
        "add_time": now, "update_time": now, "visible_to": "3", "source_deal_id": null,
        "cc_email": format!("sandbox+lead{}@pipedrivemail.example", &id[..8]),
    });
    let mut row = firsts.as_object().cloned().unwrap_or_default();
    settle(account, &mut row, sent, &sent_object(call))?;
    account.write(KIND, &Id::Text(id.as_str().into()), &row);
    single(201, shown(account, &Id::Text(id.into())))
}

fn update(account: &mut Account, call: &Call<'_>, id: &Id, mut row: Map<String, Value>) -> Outcome {
    let sent = check::body(call, account.rigour())?;
    let was_archived = row.get("is_archived") == Some(&json!(true));
    let leaves = sent.get("is_archived") == Some(&json!(false)) && account.assume.yes("unarchive");
    // api/changes.md, 2025-04-15: archived leads are not editable.
    if was_archived && !leaves {
        return Err(refusal(403, "Archived leads cannot be edited."));
    }
    settle(account, &mut row, sent, &sent_object(call))?;
    row.insert("update_time".into(), account.stamp(KIND).into());
    account.write(KIND, id, &row);
    single(200, shown(account, id))
}

fn settle(
    account: &Account,
    row: &mut Map<String, Value>,
    sent: Map<String, Value>,
    raw: &Map<String, Value>,
) -> Result<(), Answer> {
    for (member, value) in sent {
        let target = match member.as_str() {
            "owner_id" => Some("users"),
            "person_id" => Some("persons"),
            "organization_id" => Some("organizations"),
            _ => None,
        };
        if let Some(kind) = target {
            account.check_link(&member, kind, &value).map_err(|_| not_found(facts(kind)))?;
        }
        match member.as_str() {
            "label_ids" => {
                let unknown =
                    |id: &&Value| !account.is_live("leadLabels", &Id::Text(id.as_str().unwrap_or_default().into()));
                if value.as_array().is_some_and(|ids| ids.iter().any(|id| unknown(&id))) {
                    return Err(not_found(facts("leadLabels")));
                }
            }
            "value" if !value.is_null() && !custom::is_currency(account, &value["currency"]) => {
                return Err(refusal(400, "value.currency is not a currency of the company"));
            }
            _ => {}
        }
        let value = if member == "label_ids" && value.is_null() { json!([]) } else { value };
        row.insert(member, value);
    }
    if row.get("title").and_then(Value::as_str).is_none_or(str::is_empty) {
        return Err(refusal(400, "title is required"));
    }
    if row["person_id"].is_null() && row["organization_id"].is_null() {
        return Err(refusal(400, "A lead must be linked to a person or an organization."));
    }
    custom::apply_flat(account, "dealFields", row, raw);
    Ok(())
}

fn delete(account: &mut Account, id: &Id, mut row: Map<String, Value>) -> Outcome {
    row.insert("is_deleted".into(), json!(true));
    row.insert("update_time".into(), account.stamp(KIND).into());
    account.write(KIND, id, &row);
    mail::unlink(account, KIND, id);
    single(200, json!({"id": row["id"]}))
}
