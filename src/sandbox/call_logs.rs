//! Call logs: the token's user's only, made and deleted, never changed; each belongs to an activity.

use serde_json::{Map, Value, json};

use crate::sandbox::account::Account;
use crate::sandbox::answer::{Answer, Outcome, offset_page, refusal, single};
use crate::sandbox::call::Call;
use crate::sandbox::check;
use crate::sandbox::offset::Window;
use crate::sandbox::row::Id;

const KIND: &str = "callLogs";
/// Largest page. api/wire.md: 50 for call logs.
const LARGEST: usize = 50;

/// One request about call logs.
pub(super) fn serve(account: &mut Account, call: &Call<'_>) -> Outcome {
    match (call.operation.method.as_str(), call.value("id")) {
        ("GET", "") => list(account, call),
        ("GET", _) => single(200, own(account, call)?.1),
        ("POST", "") => create(account, call),
        ("DELETE", _) => {
            let (id, _) = own(account, call)?;
            account.erase(KIND, &id);
            account.gone_calls.insert(call.value("id").to_owned());
            Ok(Answer::json(200, &json!({"success": true})))
        }
        _ => Err(refusal(501, "The sandbox does not offer this.")),
    }
}

/// The call log in the path. One that is gone answers 410: api/wire.md, Status codes.
fn own(account: &Account, call: &Call<'_>) -> Result<(Id, Map<String, Value>), Answer> {
    let id = Id::Text(call.value("id").into());
    if account.gone_calls.contains(call.value("id")) {
        return Err(refusal(410, "Call log is gone"));
    }
    let row = account.live(KIND, &id)?;
    Ok((id, row))
}

/// Newest first.
fn list(account: &Account, call: &Call<'_>) -> Outcome {
    let window = Window::read(call, LARGEST)?;
    let ids = account.store.table(KIND).rows.keys();
    let mut rows: Vec<Map<String, Value>> = ids.filter_map(|id| account.store.get(KIND, id)).collect();
    rows.retain(|row| row["user_id"] == json!(account.me));
    rows.sort_by_key(|row| std::cmp::Reverse((row["start_time"].to_string(), row["id"].to_string())));
    let text: Vec<String> = window.of(&rows).iter().map(|row| Value::Object(row.clone()).to_string()).collect();
    offset_page(&text.join(","), Some(window.pagination(account, rows.len())), None)
}

fn create(account: &mut Account, call: &Call<'_>) -> Outcome {
    let sent = check::body(call, account.rigour())?;
    let part = |name: &str| sent.get(name).cloned().unwrap_or(Value::Null);
    for (name, kind) in [
        ("deal_id", "deals"),
        ("lead_id", "leads"),
        ("person_id", "persons"),
        ("org_id", "organizations"),
        ("user_id", "users"),
        ("activity_id", "activities"),
    ] {
        account.check_link(name, kind, &part(name))?;
    }
    if !part("deal_id").is_null() && !part("lead_id").is_null() {
        return Err(refusal(400, "A call log belongs to a deal or to a lead, not to both."));
    }
    let activity = match part("activity_id") {
        // api/restore-hazards.md 4, Call logs: without an activity one is made as well.
        Value::Null => activity_for(account, &sent),
        given => given,
    };
    let id = format!("CA{}", account.random_hex(30));
    let user = Some(part("user_id")).filter(|user| !user.is_null()).unwrap_or(json!(account.me));
    let row = json!({
        "id": id, "activity_id": activity, "person_id": part("person_id"), "org_id": part("org_id"), "deal_id": part("deal_id"),
        "lead_id": part("lead_id"), "subject": part("subject"), "duration": part("duration"), "outcome": part("outcome"),
        "from_phone_number": part("from_phone_number"), "to_phone_number": part("to_phone_number"), "has_recording": false,
        "start_time": part("start_time"), "end_time": part("end_time"), "user_id": user, "company_id": account.company,
        "note": part("note"),
    });
    let row = row.as_object().cloned().unwrap_or_default();
    account.write(KIND, &Id::Text(id.into()), &row);
    single(200, row)
}

fn activity_for(account: &mut Account, sent: &Map<String, Value>) -> Value {
    let (id, now) = (account.next_id("activities"), account.stamp("activities"));
    let part = |name: &str| sent.get(name).cloned().unwrap_or(Value::Null);
    let subject = sent.get("subject").cloned().unwrap_or(json!("Call"));
    let row = json!({
        "id": id, "subject": subject, "type": "call", "owner_id": account.me, "creator_user_id": account.me, "is_deleted": false,
        "add_time": now, "update_time": now, "deal_id": part("deal_id"), "lead_id": part("lead_id"), "person_id": part("person_id"),
        "org_id": part("org_id"), "project_id": null, "due_date": null, "due_time": null, "duration": null, "busy": false, "done": true,
        "marked_as_done_time": now, "location": null, "participants": [], "attendees": [], "conference_meeting_client": null,
        "conference_meeting_url": null, "conference_meeting_id": null, "public_description": null, "priority": null, "note": null,
    });
    account.write("activities", &Id::Number(id), row.as_object().expect("an activity is an object"));
    json!(id)
}
