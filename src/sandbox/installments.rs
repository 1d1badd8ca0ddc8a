//! Installments of deals: parts of what a deal brings, each with the day on which it is billed.
//!
//! api/restore-hazards.md, "Deal products": they need a one-time line and bear no recurring one; only some plans have them.

use serde_json::{Map, Value, json};

use crate::sandbox::account::{Account, facts};
use crate::sandbox::answer::{Answer, Outcome, invalid, not_found, refusal, single};
use crate::sandbox::call::Call;
use crate::sandbox::check;
use crate::sandbox::lines;
use crate::sandbox::row::Id;

const KIND: &str = "dealInstallments";

/// One request about installments.
pub(super) fn serve(account: &mut Account, call: &Call<'_>) -> Outcome {
    if account.assume.is("installments-plan", "no") {
        return Err(refusal(403, "This feature is not available in your plan."));
    }
    if call.operation.path == "/deals/installments" {
        return lines::page(account, call, (KIND, "deal_id"), &lines::asked_deals(account, call)?);
    }
    let deal = call.number("id")?;
    account.live("deals", &Id::Number(deal))?;
    if call.operation.method == "POST" {
        return add(account, call, deal);
    }
    let id = Id::Number(call.number("installment_id")?);
    let mut row = account.row(KIND, &id)?;
    if row.get("deal_id") != Some(&json!(deal)) {
        return Err(not_found(facts(KIND)));
    }
    if call.operation.method == "DELETE" {
        account.erase(KIND, &id);
        return single(200, json!({"id": row["id"]}));
    }
    row.extend(positive(check::body(call, account.rigour())?)?);
    account.write(KIND, &id, &row);
    single(200, row)
}

fn add(account: &mut Account, call: &Call<'_>, deal: u64) -> Outcome {
    let mut row = positive(check::body(call, account.rigour())?)?;
    let lines = lines::lines_of(account, deal);
    if lines.iter().any(|(_, line)| is_recurring(line)) || !lines.iter().any(|(_, line)| is_enabled(line)) {
        return Err(refusal(400, "Installments need a one-time product and no recurring one."));
    }
    let id = account.next_id(KIND);
    row.insert("id".into(), json!(id));
    row.insert("deal_id".into(), json!(deal));
    account.write(KIND, &Id::Number(id), &row);
    single(201, row)
}

/// What was sent, if its amount is one.
pub(super) fn positive(sent: Map<String, Value>) -> Result<Map<String, Value>, Answer> {
    match sent.get("amount").and_then(Value::as_f64) {
        Some(amount) if amount <= 0.0 => Err(invalid("amount", "must be greater than 0")),
        _ => Ok(sent),
    }
}

/// What a line may not become while its deal has installments. One that is so already, because the others went, takes other
/// changes (UNCONFIRMED; the rule speaks of disabling and enabling alone: api/restore-hazards.md 4, Deal products).
pub(super) fn allow(
    account: &Account,
    line: &Map<String, Value>,
    sent: &Map<String, Value>,
    others: &[(Id, Map<String, Value>)],
) -> Result<(), Answer> {
    let deal = Id::Number(line["deal_id"].as_u64().unwrap_or_default());
    if account.store.children(KIND, "deal_id", &deal).next().is_none() {
        return Ok(());
    }
    let becomes = |field: &str| sent.contains_key(field);
    if is_recurring(line) && is_enabled(line) && (becomes("billing_frequency") || becomes("is_enabled")) {
        return Err(refusal(400, "A deal with installments cannot have recurring products."));
    }
    if !is_enabled(line) && becomes("is_enabled") && !others.iter().any(|(_, other)| is_enabled(other)) {
        return Err(refusal(400, "The last product of a deal with installments cannot be disabled."));
    }
    Ok(())
}

fn is_recurring(line: &Map<String, Value>) -> bool {
    line["billing_frequency"] != json!("one-time")
}

fn is_enabled(line: &Map<String, Value>) -> bool {
    line["is_enabled"] != json!(false)
}
