//! Discounts of deals, known by a UUID; the deal's value follows them.

use serde_json::{Value, json};

use crate::sandbox::account::{Account, facts};
use crate::sandbox::answer::{Outcome, not_found, single};
use crate::sandbox::call::Call;
use crate::sandbox::check;
use crate::sandbox::installments::positive;
use crate::sandbox::row::Id;

const KIND: &str = "dealDiscounts";

/// One request about the discounts of a deal.
pub(super) fn serve(account: &mut Account, call: &Call<'_>) -> Outcome {
    let deal = call.number("id")?;
    account.live("deals", &Id::Number(deal))?;
    if call.operation.path == "/deals/{id}/discounts" {
        return if call.operation.method == "GET" { list(account, deal) } else { add(account, call, deal) };
    }
    let id = Id::Text(call.value("discount_id").into());
    let mut row = account.row(KIND, &id)?;
    if row.get("deal_id") != Some(&json!(deal)) {
        return Err(not_found(facts(KIND)));
    }
    if call.operation.method == "DELETE" {
        account.erase(KIND, &id);
        return single(200, json!({"id": row["id"]}));
    }
    row.extend(positive(check::body(call, account.rigour())?)?);
    row.insert("updated_at".into(), account.stamp(KIND).into());
    row.insert("updated_by".into(), json!(account.me));
    account.write(KIND, &id, &row);
    single(200, row)
}

fn list(account: &Account, deal: u64) -> Outcome {
    let ids = account.store.children(KIND, "deal_id", &Id::Number(deal));
    let rows: Vec<Value> = ids.filter_map(|id| account.store.get(KIND, id)).map(Value::Object).collect();
    single(200, rows)
}

fn add(account: &mut Account, call: &Call<'_>, deal: u64) -> Outcome {
    let mut row = positive(check::body(call, account.rigour())?)?;
    let (id, now) = (account.random_uuid(), account.stamp(KIND));
    let firsts = [
        ("id", json!(id)),
        ("deal_id", json!(deal)),
        ("created_at", json!(now)),
        ("created_by", json!(account.me)),
        ("updated_at", json!(now)),
        ("updated_by", json!(account.me)),
    ];
    firsts.into_iter().for_each(|(member, first)| drop(row.insert(member.to_owned(), first)));
    account.write(KIND, &Id::Text(id.into()), &row);
    single(201, row)
}
