//! Products attached to deals: their sums, their order, and the rules that hold between the lines of one deal.
//!
//! api/restore-hazards.md, "Deal products".

use serde_json::{Map, Value, json};

use crate::sandbox::account::{Account, facts};
use crate::sandbox::answer::{Answer, Outcome, cursor_page, invalid, not_found, refusal, single};
use crate::sandbox::call::Call;
use crate::sandbox::check;
use crate::sandbox::clock;
use crate::sandbox::counters::money;
use crate::sandbox::cursor::Cursor;
use crate::sandbox::installments;
use crate::sandbox::list::{odd_size, page_size};
use crate::sandbox::row::Id;

const KIND: &str = "dealProducts";
/// Most lines that one bulk call adds or deletes.
const BULK: usize = 100;
const MOST_RECURRING: usize = 20;
const MOST_CYCLES: u64 = 208;

/// One request about lines.
pub(super) fn serve(account: &mut Account, call: &Call<'_>) -> Outcome {
    match (call.operation.method.as_str(), call.operation.path.as_str()) {
        ("GET", "/deals/products") => of_deals(account, call),
        ("GET", _) => {
            let deal = open_deal(account, call)?;
            page(account, call, (KIND, "deal_id"), &[deal])
        }
        ("POST", "/deals/{id}/products/bulk") => add_many(account, call),
        ("POST", _) => {
            let deal = open_deal(account, call)?;
            let sent = check::body(call, account.rigour())?;
            let id = add(account, deal, sent)?;
            single(201, account.row(KIND, &id)?)
        }
        ("PATCH", _) => update(account, call),
        ("DELETE", "/deals/{id}/products") => delete_many(account, call),
        _ => {
            let (_, id) = own_line(account, call)?;
            account.erase(KIND, &id);
            single(200, json!({"id": call.number("product_attachment_id")?}))
        }
    }
}

fn open_deal(account: &Account, call: &Call<'_>) -> Result<u64, Answer> {
    let deal = call.number("id")?;
    account.live("deals", &Id::Number(deal))?;
    Ok(deal)
}

fn own_line(account: &Account, call: &Call<'_>) -> Result<(u64, Id), Answer> {
    let deal = open_deal(account, call)?;
    let id = Id::Number(call.number("product_attachment_id")?);
    let row = account.row(KIND, &id)?;
    if row.get("deal_id") == Some(&json!(deal)) { Ok((deal, id)) } else { Err(not_found(facts(KIND))) }
}

fn of_deals(account: &Account, call: &Call<'_>) -> Outcome {
    page(account, call, (KIND, "deal_id"), &asked_deals(account, call)?)
}

/// api/objects.md, DealProducts: up to 100 deal ids a call; deals that are gone are left out.
pub(super) fn asked_deals(account: &Account, call: &Call<'_>) -> Result<Vec<u64>, Answer> {
    let ids = call.asked_list("deal_ids").unwrap_or_default();
    if ids.len() > 100 {
        return Err(invalid("deal_ids", "at most 100 ids"));
    }
    let number = |text: &str| text.parse::<u64>().map_err(|_| invalid("deal_ids", "must be numbers"));
    let mut deals = ids.into_iter().map(number).collect::<Result<Vec<_>, _>>()?;
    deals.sort_unstable();
    deals.dedup();
    deals.retain(|deal| account.is_live("deals", &Id::Number(*deal)));
    Ok(deals)
}

/// A page of the rows of a kind that point with `member` at one of the parents.
pub(super) fn page(
    account: &Account,
    call: &Call<'_>,
    (kind, member): (&'static str, &str),
    parents: &[u64],
) -> Outcome {
    let after = match call.asked("cursor") {
        Some(text) => Some(Cursor::read(text).ok_or_else(|| invalid("cursor", "is not valid"))?),
        None => None,
    };
    let sort = call.asked("sort_by").unwrap_or("id");
    let down = call.asked("sort_direction") == Some("desc");
    let rows = &account.store.table(kind).rows;
    let key = |id: &Id| {
        let value = rows[id].member(sort).unwrap_or_default().trim_matches('"').to_owned();
        if value.bytes().all(|byte| byte.is_ascii_digit()) { format!("{value:0>20}") } else { value }
    };
    let lines = parents.iter().flat_map(|parent| account.store.children(kind, member, &Id::Number(*parent)));
    let mut keyed: Vec<(String, &Id)> = lines.map(|id| (key(id), id)).collect();
    keyed.sort_unstable();
    if down {
        keyed.reverse();
    }
    if let Some(cursor) = &after {
        let last = (cursor.value.clone(), Id::Number(cursor.id));
        keyed.retain(|(value, id)| {
            let order = (value.as_str(), *id).cmp(&(last.0.as_str(), &last.1));
            if down { order.is_lt() } else { order.is_gt() }
        });
    }
    let size = odd_size(account, page_size(account, call)?, after.map_or(0, |cursor| cursor.id));
    let more = keyed.len() > size;
    keyed.truncate(size);
    let text: Vec<String> = keyed.iter().map(|(_, id)| format!("{{{}}}", rows[*id].main())).collect();
    let cursor = |(value, id): &(String, &Id)| {
        let id = if let Id::Number(id) = id { *id } else { 0 };
        Cursor { field: sort.to_owned(), value: value.clone(), down, id }.written()
    };
    cursor_page(&text.join(","), keyed.last().filter(|_| more).map(cursor))
}

fn add_many(account: &mut Account, call: &Call<'_>) -> Outcome {
    let deal = open_deal(account, call)?;
    let mut sent = check::body(call, account.rigour())?;
    let Some(Value::Array(lines)) = sent.remove("data") else { return Err(invalid("data", "must be an array")) };
    if lines.is_empty() || lines.len() > BULK {
        return Err(invalid("data", "must hold 1 to 100 products"));
    }
    // All or nothing: every line is checked before the first is written.
    for line in &lines {
        made(account, deal, line.as_object().cloned().unwrap_or_default())?;
    }
    let mut added = Vec::new();
    for line in lines {
        let id = add(account, deal, line.as_object().cloned().unwrap_or_default())?;
        added.push(Value::Object(account.row(KIND, &id)?));
    }
    single(201, added)
}

fn add(account: &mut Account, deal: u64, sent: Map<String, Value>) -> Result<Id, Answer> {
    let mut row = made(account, deal, sent)?;
    let id = account.next_id(KIND);
    row.insert("id".into(), json!(id));
    account.write(KIND, &Id::Number(id), &row);
    spread_tax_method(account, deal, &row);
    Ok(Id::Number(id))
}

pub(super) fn lines_of(account: &Account, deal: u64) -> Vec<(Id, Map<String, Value>)> {
    let ids = account.store.children(KIND, "deal_id", &Id::Number(deal));
    ids.filter_map(|id| Some((id.clone(), account.store.get(KIND, id)?))).collect()
}

/// A new line with everything that was not sent.
fn made(account: &Account, deal: u64, sent: Map<String, Value>) -> Result<Map<String, Value>, Answer> {
    let others = lines_of(account, deal);
    let last = others.iter().filter_map(|(_, row)| row.get("order_nr")?.as_u64()).max();
    let method =
        others.first().and_then(|(_, row)| row.get("tax_method")).cloned().unwrap_or_else(|| json!("inclusive"));
    let now = account.stamp(KIND);
    let deal_row = account.live("deals", &Id::Number(deal))?;
    let firsts = json!({
        "id": null, "sum": 0, "tax": 0, "deal_id": deal, "name": null, "product_id": null, "product_variation_id": null,
        "order_nr": last.unwrap_or(0) + 10, "add_time": now, "update_time": now, "comments": "", "currency": deal_row["currency"],
        "discount": 0, "quantity": 1, "item_price": 0, "tax_method": method, "discount_type": "percentage", "is_enabled": true,
        "billing_frequency": "one-time", "billing_frequency_cycles": null, "billing_start_date": null,
    });
    let mut row = firsts.as_object().cloned().unwrap_or_default();
    row.extend(sent.clone());
    settle(account, &mut row, &sent, &others)?;
    Ok(row)
}

fn update(account: &mut Account, call: &Call<'_>) -> Outcome {
    let (deal, id) = own_line(account, call)?;
    let sent = check::body(call, account.rigour())?;
    let mut row = account.row(KIND, &id)?;
    row.extend(sent.clone());
    row.insert("update_time".into(), account.stamp(KIND).into());
    let others: Vec<_> = lines_of(account, deal).into_iter().filter(|(other, _)| *other != id).collect();
    settle(account, &mut row, &sent, &others)?;
    account.write(KIND, &id, &row);
    spread_tax_method(account, deal, &row);
    single(200, account.row(KIND, &id)?)
}

/// The rules of one line, and its sum.
fn settle(
    account: &Account,
    row: &mut Map<String, Value>,
    sent: &Map<String, Value>,
    others: &[(Id, Map<String, Value>)],
) -> Result<(), Answer> {
    if sent.contains_key("product_id") {
        account.check_link("product_id", "products", &row["product_id"])?;
        let product = row["product_id"].as_u64().and_then(|id| account.store.get("products", &Id::Number(id)));
        let name = product.and_then(|product| product.get("name").cloned());
        row.insert("name".into(), name.unwrap_or(Value::Null));
    }
    variation(account, row, sent)?;
    if row["comments"].is_null() {
        row.insert("comments".into(), json!(""));
    }
    let frequency = row["billing_frequency"].as_str().unwrap_or("one-time").to_owned();
    let cycles = row["billing_frequency_cycles"].as_u64();
    match (frequency.as_str(), cycles) {
        ("one-time", Some(_)) => return Err(invalid("billing_frequency_cycles", "must be null for one-time products")),
        ("weekly", None) => return Err(invalid("billing_frequency_cycles", "is required for weekly products")),
        (_, Some(cycles)) if cycles == 0 || cycles > MOST_CYCLES => {
            return Err(invalid("billing_frequency_cycles", "must be between 1 and 208"));
        }
        _ => {}
    }
    let recurring = |row: &Map<String, Value>| row["billing_frequency"] != json!("one-time");
    if recurring(row) && others.iter().filter(|(_, row)| recurring(row)).count() >= MOST_RECURRING {
        return Err(refusal(400, "A deal can have at most 20 recurring products."));
    }
    installments::allow(account, row, sent, others)?;
    if row["billing_start_date"].as_str().is_some_and(|day| !clock::is_day(day)) {
        return Err(invalid("billing_start_date", "must be a date"));
    }
    let sum = sum(row);
    row.insert("sum".into(), sum);
    Ok(())
}

/// A line takes a variation of its own product only.
fn variation(account: &Account, row: &Map<String, Value>, sent: &Map<String, Value>) -> Result<(), Answer> {
    if !sent.contains_key("product_variation_id") && !sent.contains_key("product_id") {
        return Ok(());
    }
    let variation = &row["product_variation_id"];
    account.check_link("product_variation_id", "productVariations", variation)?;
    let of = variation.as_u64().and_then(|id| account.store.get("productVariations", &Id::Number(id)));
    match of {
        Some(of) if of["product_id"] != row["product_id"] => {
            Err(invalid("product_variation_id", "belongs to another product"))
        }
        _ => Ok(()),
    }
}

/// Price times quantity, less the discount, with the tax that is not in the price.
fn sum(row: &Map<String, Value>) -> Value {
    let number = |member: &str| row.get(member).and_then(Value::as_f64).unwrap_or_default();
    let gross = number("item_price") * number("quantity");
    let net = match row["discount_type"].as_str() {
        Some("amount") => gross - number("discount"),
        _ => gross * (1.0 - number("discount") / 100.0),
    };
    money(if row["tax_method"] == "exclusive" { net * (1.0 + number("tax") / 100.0) } else { net })
}

/// `tax_method` on one line changes all lines of the deal.
pub(super) fn spread_tax_method(account: &mut Account, deal: u64, row: &Map<String, Value>) {
    for (id, mut other) in lines_of(account, deal) {
        if other["tax_method"] != row["tax_method"] {
            other.insert("tax_method".into(), row["tax_method"].clone());
            let sum = sum(&other);
            other.insert("sum".into(), sum);
            account.write(KIND, &id, &other);
        }
    }
}

/// Without ids it removes up to 100 lines.
fn delete_many(account: &mut Account, call: &Call<'_>) -> Outcome {
    let deal = open_deal(account, call)?;
    let asked: Option<Vec<u64>> =
        call.asked_list("ids").map(|ids| ids.iter().filter_map(|id| id.parse().ok()).collect());
    let mut lines: Vec<u64> = lines_of(account, deal).iter().filter_map(|(_, row)| row["id"].as_u64()).collect();
    if let Some(asked) = asked {
        lines.retain(|id| asked.contains(id));
    }
    let more = lines.len() > BULK;
    lines.truncate(BULK);
    lines.iter().for_each(|id| account.erase(KIND, &Id::Number(*id)));
    Ok(Answer::json(
        200,
        &json!({"success": true, "data": {"ids": lines}, "additional_data": {"more_items_in_collection": more}}),
    ))
}
