//! Calls that the service has taken away and that some accounts may still answer: served with `--legacy` only.
//!
//! The published description no longer has them, so what they take stands here, from api/objects.md (Subscriptions, SubscriptionPayments,
//! GlobalMessages) and api/restore-hazards.md 4; prices are the usual ones of v1. Without `--legacy` they answer what `removed` assumes.

use serde_json::{Map, Value, json};

use crate::sandbox::account::{Account, facts};
use crate::sandbox::answer::{Answer, Outcome, not_found, offset_page, refusal, single};
use crate::sandbox::call::Call;
use crate::sandbox::check;
use crate::sandbox::contract::Operation;
use crate::sandbox::row::Id;

type Row = Map<String, Value>;

/// Verb, path, price, and of a write the fields that must be there and the others, each with its type.
type Described = (&'static str, &'static str, u64, &'static [&'static str], &'static [&'static str]);

const OPERATIONS: &[Described] = &[
    ("GET", "/subscriptions/find/{dealId}", 2, &[], &[]),
    ("GET", "/subscriptions/{id}", 2, &[], &[]),
    ("GET", "/subscriptions/{id}/payments", 20, &[], &[]),
    (
        "POST",
        "/subscriptions/recurring",
        10,
        &["deal_id:integer", "currency:string", "cadence_type:string", "cycle_amount:number", "start_date:string"],
        &[
            "cycles_count:integer",
            "infinite:boolean",
            "description:string",
            "payments:array",
            "update_deal_value:boolean",
        ],
    ),
    (
        "POST",
        "/subscriptions/installment",
        10,
        &["deal_id:integer", "currency:string", "payments:array"],
        &["update_deal_value:boolean"],
    ),
    (
        "PUT",
        "/subscriptions/recurring/{id}",
        10,
        &["effective_date:string"],
        &["description:string", "cycle_amount:number", "payments:array", "update_deal_value:boolean"],
    ),
    ("PUT", "/subscriptions/installment/{id}", 10, &["payments:array"], &["update_deal_value:boolean"]),
    ("PUT", "/subscriptions/recurring/{id}/cancel", 10, &[], &["end_date:string"]),
    ("DELETE", "/subscriptions/{id}", 6, &[], &[]),
    ("GET", "/globalMessages", 20, &[], &[]),
    ("DELETE", "/globalMessages/{id}", 6, &[], &[]),
];

/// Writing permission sets and their assignments, as last described: unknown calls where nothing is left of the old.
const WRITES: &str = r#"[
    {"version": "v1", "method": "PUT", "path": "/permissionSets/{id}", "tokens": 10,
     "body": {"as": "json", "type": "object",
              "fields": {"name": {"type": "string"}, "description": {"type": "string"}, "contents": {"type": "array"}}}},
    {"version": "v1", "method": "POST", "path": "/permissionSets/{id}/assignments", "tokens": 10,
     "body": {"as": "json", "type": "object", "fields": {"user_id": {"type": "integer"}}, "required": ["user_id"]}}
]"#;

/// The operations in the form of the contract.
pub(super) fn operations(legacy: bool) -> Vec<Operation> {
    let writes: Vec<Operation> = serde_json::from_str(WRITES).expect("the removed calls are read by a test");
    described().chain(writes.into_iter().filter(|_| legacy)).collect()
}

fn described() -> impl Iterator<Item = Operation> {
    OPERATIONS.iter().map(|(method, path, tokens, required, others)| {
        let named = |field: &&&'static str| field.split(':').next().unwrap_or_default();
        let fact = |field: &&'static str| {
            let (name, shape) = field.split_once(':').unwrap_or((field, "any"));
            (name.to_owned(), json!({"type": shape}))
        };
        let fields: Row = required.iter().chain(*others).map(fact).collect();
        let names: Vec<&str> = required.iter().map(|field| named(&field)).collect();
        let mut operation = json!({"version": "v1", "method": method, "path": path, "tokens": tokens});
        if !fields.is_empty() {
            operation["body"] = json!({"as": "json", "type": "object", "fields": fields, "required": names});
        }
        serde_json::from_value(operation).expect("the table above is in the form of the contract")
    })
}

/// One request.
pub(super) fn serve(account: &mut Account, call: &Call<'_>) -> Outcome {
    if !account.legacy {
        return Err(match account.assume.is("removed", "410") {
            true => refusal(410, "Gone"),
            false => refusal(404, "Not found"),
        });
    }
    let path = call.operation.path.as_str();
    match (call.operation.method.as_str(), path) {
        ("GET", "/globalMessages") => listed(account, "globalMessages", &|_| true),
        ("DELETE", "/globalMessages/{id}") => {
            let id = Id::Number(call.number("id")?);
            let row = account.live("globalMessages", &id)?;
            account.erase("globalMessages", &id);
            single(200, json!({"id": row["id"]}))
        }
        ("GET", "/subscriptions/find/{dealId}") => find(account, call.number("dealId")?),
        ("POST", _) => create(account, call),
        _ => {
            let id = Id::Number(call.number("id")?);
            let row = account.live("subscriptions", &id)?;
            match (call.operation.method.as_str(), path.ends_with("/payments"), path.ends_with("/cancel")) {
                ("GET", true, _) => {
                    listed(account, "subscriptionPayments", &|row| row["subscription_id"] == json!(number(&id)))
                }
                ("GET", false, _) => single(200, row),
                ("PUT", _, true) => cancel(account, call, &id, row),
                ("PUT", ..) => update(account, call, &id, row),
                _ => delete(account, &id, row),
            }
        }
    }
}

fn number(id: &Id) -> u64 {
    if let Id::Number(number) = id { *number } else { 0 }
}

fn rows(account: &Account, kind: &str, keep: &dyn Fn(&Row) -> bool) -> Vec<Row> {
    let live = account.store.table(kind).rows.iter().filter(|(_, row)| !row.deleted);
    live.filter_map(|(id, _)| account.store.get(kind, id)).filter(keep).collect()
}

fn listed(account: &Account, kind: &str, keep: &dyn Fn(&Row) -> bool) -> Outcome {
    let text: Vec<String> = rows(account, kind, keep).into_iter().map(|row| Value::Object(row).to_string()).collect();
    offset_page(&text.join(","), None, None)
}

/// The subscription of a deal; what a deal without one answers is not told (`no-subscription`).
fn find(account: &Account, deal: u64) -> Outcome {
    account.live("deals", &Id::Number(deal))?;
    match rows(account, "subscriptions", &|row| row["deal_id"] == json!(deal)).pop() {
        Some(row) => single(200, row),
        None if account.assume.is("no-subscription", "null") => single(200, Value::Null),
        None => Err(not_found(facts("subscriptions"))),
    }
}

fn create(account: &mut Account, call: &Call<'_>) -> Outcome {
    let sent = check::body(call, account.rigour())?;
    let deal = sent["deal_id"].as_u64().unwrap_or_default();
    account.live("deals", &Id::Number(deal))?;
    if !rows(account, "subscriptions", &|row| row["deal_id"] == json!(deal)).is_empty() {
        return Err(refusal(400, "The deal already has a subscription."));
    }
    let recurring = call.operation.path.ends_with("/recurring");
    let endless = sent.get("infinite") == Some(&json!(true));
    if recurring && endless == sent.get("cycles_count").is_some_and(Value::is_number) {
        return Err(refusal(400, "Exactly one of cycles_count and infinite is required."));
    }
    let (id, now) = (account.next_id("subscriptions"), account.stamp("subscriptions"));
    let part = |name: &str| sent.get(name).cloned().unwrap_or(Value::Null);
    // One in installments begins with the first of them.
    let start = if recurring { part("start_date") } else { sent["payments"][0]["due_at"].clone() };
    let mut row = json!({
        "id": id, "user_id": account.me, "deal_id": deal, "description": part("description"), "is_active": true,
        "cycles_count": part("cycles_count"), "cycle_amount": part("cycle_amount"), "infinite": endless, "currency": part("currency"),
        "start_date": start, "end_date": null, "lifetime_value": part("cycle_amount"), "final_status": null,
        "add_time": now, "update_time": now,
    });
    if recurring {
        row["cadence_type"] = part("cadence_type");
    }
    let row = row.as_object().cloned().unwrap_or_default();
    account.write("subscriptions", &Id::Number(id), &row);
    if recurring {
        pay(account, &row, &json!({"amount": row["cycle_amount"], "due_at": row["start_date"]}), "recurring");
    }
    let word = if recurring { "additional" } else { "installment" };
    for payment in sent.get("payments").and_then(Value::as_array).into_iter().flatten() {
        pay(account, &row, payment, word);
    }
    single(200, row)
}

fn pay(account: &mut Account, of: &Row, payment: &Value, word: &str) {
    let (id, now) = (account.next_id("subscriptionPayments"), account.stamp("subscriptionPayments"));
    let row = json!({
        "id": id, "subscription_id": of["id"], "deal_id": of["deal_id"], "is_active": true, "amount": payment["amount"],
        "currency": of["currency"], "change_amount": payment["amount"], "due_at": payment["due_at"], "revenue_movement_type": "new",
        "payment_type": word, "description": payment["description"], "add_time": now, "update_time": now,
    });
    account.write("subscriptionPayments", &Id::Number(id), &row.as_object().cloned().unwrap_or_default());
}

/// A recurring one takes amount and description from a date on; either kind takes a new list of its own payments.
fn update(account: &mut Account, call: &Call<'_>, id: &Id, mut row: Row) -> Outcome {
    let sent = check::body(call, account.rigour())?;
    let recurring = call.operation.path.contains("/recurring/");
    if recurring != row.get("cadence_type").is_some_and(Value::is_string) {
        return Err(not_found(facts("subscriptions")));
    }
    for name in ["description", "cycle_amount"] {
        if let Some(value) = sent.get(name) {
            row.insert(name.to_owned(), value.clone());
        }
    }
    row.insert("update_time".into(), account.stamp("subscriptions").into());
    account.write("subscriptions", id, &row);
    if let Some(payments) = sent.get("payments").and_then(Value::as_array) {
        let word = if recurring { "additional" } else { "installment" };
        let own = |payment: &Row| payment["subscription_id"] == row["id"] && payment["payment_type"] == json!(word);
        for old in rows(account, "subscriptionPayments", &own) {
            account.erase("subscriptionPayments", &Id::Number(old["id"].as_u64().unwrap_or_default()));
        }
        payments.iter().for_each(|payment| pay(account, &row, payment, word));
    }
    single(200, row)
}

fn cancel(account: &mut Account, call: &Call<'_>, id: &Id, mut row: Row) -> Outcome {
    let sent = check::body(call, account.rigour())?;
    let today = account.stamp("subscriptions").get(..10).map(str::to_owned);
    row.insert("end_date".into(), sent.get("end_date").cloned().unwrap_or(json!(today)));
    row.insert("is_active".into(), json!(false));
    row.insert("update_time".into(), account.stamp("subscriptions").into());
    account.write("subscriptions", id, &row);
    single(200, row)
}

/// "marks as deleted"; its payments are not shown any more either.
fn delete(account: &mut Account, id: &Id, mut row: Row) -> Result<Answer, Answer> {
    row.insert("is_deleted".into(), json!(true));
    row.insert("update_time".into(), account.stamp("subscriptions").into());
    account.write("subscriptions", id, &row);
    for payment in rows(account, "subscriptionPayments", &|payment| payment["subscription_id"] == row["id"]) {
        account.erase("subscriptionPayments", &Id::Number(payment["id"].as_u64().unwrap_or_default()));
    }
    single(200, json!({"id": row["id"]}))
}

#[cfg(test)]
mod tests {
    use super::operations;

    #[test]
    fn every_removed_call_has_a_price_and_some_are_known_to_legacy_accounts_only() {
        assert!(operations(true).iter().all(|operation| operation.tokens > 0));
        assert!(operations(false).len() < operations(true).len());
    }
}
