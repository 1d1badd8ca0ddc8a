//! Variations of products: a name, and prices of their own.

use serde_json::{Map, Value, json};

use crate::sandbox::account::{Account, facts};
use crate::sandbox::answer::{Answer, Outcome, invalid, not_found, single};
use crate::sandbox::call::Call;
use crate::sandbox::check;
use crate::sandbox::custom;
use crate::sandbox::lines;
use crate::sandbox::row::Id;

const KIND: &str = "productVariations";
/// api/objects.md, Product variations: a name of at most 255 letters.
const LONGEST: usize = 255;

/// One request about the variations of a product.
pub(super) fn serve(account: &mut Account, call: &Call<'_>) -> Outcome {
    let product = call.number("id")?;
    account.live("products", &Id::Number(product))?;
    match (call.operation.method.as_str(), call.operation.path.as_str()) {
        ("GET", _) => lines::page(account, call, (KIND, "product_id"), &[product]),
        ("POST", _) => {
            let sent = check::body(call, account.rigour())?;
            let mut row = Map::from_iter([("product_id".to_owned(), json!(product)), ("prices".to_owned(), json!([]))]);
            settle(account, &mut row, sent)?;
            let id = account.next_id(KIND);
            row.insert("id".into(), json!(id));
            account.write(KIND, &Id::Number(id), &row);
            single(201, row)
        }
        (method, _) => {
            let id = Id::Number(call.number("product_variation_id")?);
            let mut row = account.row(KIND, &id)?;
            if row.get("product_id") != Some(&json!(product)) {
                return Err(not_found(facts(KIND)));
            }
            if method == "DELETE" {
                account.erase(KIND, &id);
                return single(200, json!({"id": row["id"]}));
            }
            let sent = check::body(call, account.rigour())?;
            settle(account, &mut row, sent)?;
            account.write(KIND, &id, &row);
            single(200, row)
        }
    }
}

fn settle(account: &Account, row: &mut Map<String, Value>, sent: Map<String, Value>) -> Result<(), Answer> {
    if sent.get("name").and_then(Value::as_str).is_some_and(|name| name.is_empty() || name.chars().count() > LONGEST) {
        return Err(invalid("name", "must have 1 to 255 characters"));
    }
    for (member, value) in sent {
        let value = if member == "prices" { prices(account, &row["prices"], &value)? } else { value };
        row.insert(member, value);
    }
    Ok(())
}

/// Whether a PATCH replaces the prices or merges them is not confirmed (`variation-prices`).
fn prices(account: &Account, old: &Value, sent: &Value) -> Result<Value, Answer> {
    let mut whole: Vec<Value> = Vec::new();
    for (at, price) in sent.as_array().into_iter().flatten().enumerate() {
        let currency = price.get("currency").cloned().unwrap_or_default();
        if !custom::is_currency(account, &currency) {
            return Err(invalid(&format!("prices[{at}].currency"), "unknown currency"));
        }
        if whole.iter().any(|known| known["currency"] == currency) {
            return Err(invalid(&format!("prices[{at}].currency"), "only one price per currency"));
        }
        let number = |member: &str| price.get(member).filter(|value| value.is_number()).cloned();
        whole.push(json!({
            "currency": currency, "price": number("price").unwrap_or_else(|| json!(0)),
            "cost": number("cost").unwrap_or_else(|| json!(0)), "direct_cost": number("direct_cost"),
            "notes": price.get("notes").filter(|notes| notes.is_string()).cloned().unwrap_or_else(|| json!("")),
        }));
    }
    if account.assume.is("variation-prices", "merge") {
        let kept = old.as_array().into_iter().flatten();
        let kept: Vec<Value> =
            kept.filter(|old| !whole.iter().any(|new| new["currency"] == old["currency"])).cloned().collect();
        whole.extend(kept);
    }
    Ok(Value::Array(whole))
}
