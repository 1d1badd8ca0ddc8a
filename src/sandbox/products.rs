//! The rules of products: prices are replaced as a whole, one a currency, and a product never starts without one.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::sandbox::account::Account;
use crate::sandbox::answer::{Answer, invalid};
use crate::sandbox::custom;
use crate::sandbox::records::Draft;
use crate::sandbox::row::Id;

/// Settles what follows from the members that were sent.
pub(super) fn settle(account: &Account, draft: &mut Draft) -> Result<(), Answer> {
    if draft.old.is_none() {
        let firsts = [("code", Value::Null), ("unit", json!("")), ("tax", json!(0)), ("is_linkable", json!(true))];
        let late = [("billing_frequency", json!("one-time")), ("billing_frequency_cycles", Value::Null)];
        for (member, first) in firsts.into_iter().chain(late) {
            if draft.row.get(member).is_none_or(Value::is_null) {
                draft.set(member, first);
            }
        }
        // contract, POST /products: without prices a price of 0 in the user's currency.
        if !draft.says("prices") {
            draft.set("prices", json!([{"price": 0, "currency": custom::default_currency(account), "cost": 0}]));
        }
    }
    // api/restore-hazards.md: category is a number on write, a string on read.
    if let Some(Value::Number(category)) = draft.sent.get("category") {
        let text = category.to_string();
        draft.set("category", text);
    }
    let prices = draft.row.get("prices").and_then(Value::as_array).cloned().unwrap_or_default();
    let mut seen = BTreeSet::new();
    let mut whole = Vec::new();
    for (at, price) in prices.iter().enumerate() {
        let named = |member: &str| format!("prices[{at}].{member}");
        let currency = price.get("currency").cloned().unwrap_or(Value::Null);
        if !custom::is_currency(account, &currency) {
            return Err(invalid(&named("currency"), "unknown currency"));
        }
        if !seen.insert(currency.to_string()) {
            return Err(invalid(&named("currency"), "only one price per currency"));
        }
        for member in ["price", "cost", "direct_cost"] {
            let value = price.get(member).unwrap_or(&Value::Null);
            if !value.is_number() && !value.is_null() {
                return Err(invalid(&named(member), "must be a number"));
            }
        }
        whole.push(whole_price(price, currency));
    }
    draft.set("prices", whole);
    Ok(())
}

fn whole_price(price: &Value, currency: Value) -> Value {
    let number =
        |member: &str| price.get(member).filter(|value| value.is_number()).cloned().unwrap_or_else(|| json!(0));
    let notes = price.get("notes").filter(|value| value.is_string()).cloned().unwrap_or_else(|| json!(""));
    json!({
        "price": number("price"), "currency": currency, "cost": number("cost"),
        "direct_cost": price.get("direct_cost").cloned().unwrap_or(Value::Null), "notes": notes,
    })
}

/// Prices repeat the id of their product.
pub(super) fn own_prices(id: &Id, row: &mut Map<String, Value>) {
    let Id::Number(id) = id else { return };
    for price in row.get_mut("prices").and_then(Value::as_array_mut).into_iter().flatten() {
        price["product_id"] = json!(id);
    }
}
