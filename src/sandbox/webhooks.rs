//! Webhooks: listed, made, deleted; never changed, never delivered.

use serde_json::{Value, json};

use crate::sandbox::account::{Account, facts};
use crate::sandbox::answer::{Answer, Outcome, not_found};
use crate::sandbox::call::Call;
use crate::sandbox::check;
use crate::sandbox::row::Id;

const KIND: &str = "webhooks";
/// A third-party summary says 40 a user (api/restore-hazards.md, "Webhooks"); the limit itself answers 422.
const MOST: usize = 40;

/// One request about webhooks.
pub(super) fn serve(account: &mut Account, call: &Call<'_>) -> Outcome {
    match call.operation.method.as_str() {
        "GET" => {
            let table = account.store.table(KIND);
            let rows: Vec<Value> =
                table.rows.keys().filter_map(|id| account.store.get(KIND, id)).map(Value::Object).collect();
            answered(200, json!(rows))
        }
        "POST" => create(account, call),
        _ => {
            let id = Id::Number(call.number("id").map_err(|_| not_found(facts(KIND)))?);
            account.live(KIND, &id)?;
            account.erase(KIND, &id);
            Ok(Answer::json(200, &json!({"status": "ok", "success": true})))
        }
    }
}

fn answered(status: u16, data: Value) -> Outcome {
    Ok(Answer::json(status, &json!({"status": "ok", "success": true, "data": data})))
}

fn create(account: &mut Account, call: &Call<'_>) -> Outcome {
    let refused = |member: &str, fact: &str| {
        Answer::json(400, &json!({"status": "error", "success": false, "errors": {member: [fact]}}))
    };
    let sent = check::body(call, account.rigour())?;
    let url = sent["subscription_url"].as_str().unwrap_or_default().to_owned();
    let host = url.split_once("://").filter(|(scheme, _)| ["http", "https"].contains(scheme)).map(|(_, rest)| rest);
    let host = host.map(|rest| rest.split(['/', ':', '?']).next().unwrap_or_default()).filter(|host| !host.is_empty());
    // Only this machine can be reached from a sandbox.
    let reached = |host: &str| ["127.0.0.1", "localhost"].contains(&host) || account.assume.is("webhook-check", "no");
    if !host.is_some_and(reached) {
        return Err(refused("subscription_url", "invalid or non-reachable URL"));
    }
    if account.store.table(KIND).rows.len() >= MOST {
        return Err(Answer::json(
            422,
            &json!({"status": "error", "success": false, "message": "Webhook limit reached"}),
        ));
    }
    let part = |name: &str, first: Value| sent.get(name).cloned().unwrap_or(first);
    let now = account.stamp(KIND);
    let user = part("user_id", json!(account.me));
    let id = account.next_id(KIND);
    let row = json!({
        "id": id, "company_id": account.company, "owner_id": account.me, "user_id": user, "event_action": sent["event_action"],
        "event_object": sent["event_object"], "subscription_url": url, "version": part("version", json!("2.0")), "is_active": 1,
        "add_time": now, "remove_time": null, "type": "general", "http_auth_user": part("http_auth_user", Value::Null),
        "http_auth_password": part("http_auth_password", Value::Null), "remove_reason": null, "last_delivery_time": null,
        "last_http_status": null, "admin_id": account.me, "name": sent["name"],
    });
    account.write(KIND, &Id::Number(id), row.as_object().expect("a webhook is an object"));
    answered(201, row)
}
