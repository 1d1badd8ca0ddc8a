//! Filters: saved conditions, checked as the service checks them, and applied to lists by `filter_id`.
//!
//! api/restore-hazards.md, "Filters": one top group glued `and` with exactly two groups, the first `and`, the second `or`, at most 16
//! conditions; field ids are the numbers that only v1 field lists show.

use serde_json::{Map, Value, json};

use crate::sandbox::account::{Account, facts};
use crate::sandbox::answer::{Answer, Outcome, not_found, offset_page, refusal, single};
use crate::sandbox::call::Call;
use crate::sandbox::check;
use crate::sandbox::custom::{self, Field};
use crate::sandbox::row::Id;
use crate::sandbox::scan;
use crate::sandbox::store::Row;

const MOST_CONDITIONS: usize = 16;
/// api/restore-hazards.md: these can be read in old filters but not written.
const REMOVED: &[&str] = &["LIKE '%$'", "NOT LIKE '%$%'", "NOT LIKE '%$'"];

/// The kind of rows and the field table of a filter type.
fn of_type(filter_type: &str) -> Option<(&'static str, &'static str)> {
    match filter_type {
        "deals" => Some(("deals", "dealFields")),
        "leads" => Some(("leads", "dealFields")),
        "org" => Some(("organizations", "organizationFields")),
        "people" => Some(("persons", "personFields")),
        "products" => Some(("products", "productFields")),
        "activity" => Some(("activities", "activityFields")),
        _ => None,
    }
}

/// One request about filters.
pub(super) fn serve(account: &mut Account, call: &Call<'_>) -> Outcome {
    match (call.operation.method.as_str(), call.operation.path.as_str()) {
        ("GET", "/filters") => list(account, call),
        ("GET", _) => {
            let row = account.live("filters", &Id::Number(call.number("id")?))?;
            single(200, with_codes(account, call, row))
        }
        ("POST", _) => create(account, call),
        ("PUT", _) => update(account, call),
        ("DELETE", "/filters") => {
            let ids: Vec<u64> =
                call.asked_list("ids").unwrap_or_default().iter().filter_map(|id| id.parse().ok()).collect();
            ids.iter().try_for_each(|id| delete(account, *id))?;
            single(200, json!({"id": ids}))
        }
        _ => {
            let id = call.number("id")?;
            delete(account, id)?;
            single(200, json!({"id": id}))
        }
    }
}

fn list(account: &Account, call: &Call<'_>) -> Outcome {
    let wanted = call.asked("type");
    let table = account.store.table("filters");
    let kept = table
        .rows
        .iter()
        .filter(|(_, row)| !row.deleted && wanted.is_none_or(|wanted| row.word("type") == Some(wanted)));
    let rows = kept.filter_map(|(id, _)| account.store.get("filters", id)).map(|mut row| {
        row.remove("conditions");
        Value::Object(row).to_string()
    });
    offset_page(&rows.collect::<Vec<_>>().join(","), None, None)
}

fn create(account: &mut Account, call: &Call<'_>) -> Outcome {
    let sent = check::body(call, account.rigour())?;
    let filter_type = sent.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
    let conditions = checked(account, &sent["conditions"])?;
    let id = account.next_id("filters");
    let now = account.stamp("filters");
    let row = json!({
        "id": id, "name": sent["name"], "filter_code": null, "is_editable": true, "active_flag": true, "type": filter_type,
        "temporary_flag": false, "user_id": account.me, "add_time": now, "update_time": now, "visible_to": "1",
        "last_used_time": null, "custom_view_id": null, "conditions": conditions,
    });
    let row = row.as_object().cloned().unwrap_or_default();
    account.write("filters", &Id::Number(id), &row);
    single(200, with_codes(account, call, row))
}

fn update(account: &mut Account, call: &Call<'_>) -> Outcome {
    let id = Id::Number(call.number("id")?);
    let mut row = account.live("filters", &id)?;
    let sent = check::body(call, account.rigour())?;
    row.insert("conditions".into(), checked(account, &sent["conditions"])?);
    if let Some(name) = sent.get("name").filter(|name| name.is_string()) {
        row.insert("name".into(), name.clone());
    }
    row.insert("update_time".into(), account.stamp("filters").into());
    account.write("filters", &id, &row);
    single(200, with_codes(account, call, row))
}

fn delete(account: &mut Account, id: u64) -> Result<(), Answer> {
    let id = Id::Number(id);
    let mut row = account.live("filters", &id)?;
    row.insert("active_flag".into(), json!(false));
    row.insert("update_time".into(), account.stamp("filters").into());
    account.write("filters", &id, &row);
    Ok(())
}

/// The two groups of conditions.
fn groups(conditions: &Value) -> Option<(&Vec<Value>, &Vec<Value>)> {
    let groups = conditions.get("conditions")?.as_array()?;
    let glued = |group: &Value, glue: &str| group.get("glue").and_then(Value::as_str) == Some(glue);
    match groups.as_slice() {
        [all, any] if glued(conditions, "and") && glued(all, "and") && glued(any, "or") => {
            Some((all.get("conditions")?.as_array()?, any.get("conditions")?.as_array()?))
        }
        _ => None,
    }
}

fn checked(account: &Account, conditions: &Value) -> Result<Value, Answer> {
    let (all, any) = groups(conditions).ok_or_else(|| refusal(400, "Filter conditions have an invalid structure"))?;
    if all.len() + any.len() > MOST_CONDITIONS {
        return Err(refusal(400, "Filter is allowed to have at most 16 conditions"));
    }
    let known = every_field(account);
    let mut kept = [Vec::new(), Vec::new()];
    for (group, conditions) in kept.iter_mut().zip([all, any]) {
        for condition in conditions {
            group.push(condition_checked(&known, condition)?);
        }
    }
    let [all, any] = kept;
    Ok(json!({"glue": "and", "conditions": [{"glue": "and", "conditions": all}, {"glue": "or", "conditions": any}]}))
}

/// A filter of one type may look at fields of the others, so every table is asked.
fn every_field(account: &Account) -> Vec<(&'static str, Field)> {
    let tables = [
        ("deal", "dealFields"),
        ("person", "personFields"),
        ("organization", "organizationFields"),
        ("product", "productFields"),
        ("activity", "activityFields"),
        ("lead", "dealFields"),
    ];
    tables
        .into_iter()
        .flat_map(|(object, table)| custom::fields(account, table).into_iter().map(move |field| (object, field)))
        .collect()
}

fn condition_checked(known: &[(&'static str, Field)], condition: &Value) -> Result<Value, Answer> {
    let refuse = |fact: &str| refusal(400, format!("Filter condition {fact}"));
    let object = condition.get("object").and_then(Value::as_str).ok_or_else(|| refuse("has no object"))?;
    let number = field_number(condition).ok_or_else(|| refuse("has no field_id"))?;
    let operator = condition.get("operator").and_then(Value::as_str).ok_or_else(|| refuse("has no operator"))?;
    if REMOVED.contains(&operator) {
        return Err(refuse("uses an operator that is no longer supported"));
    }
    if !known.iter().any(|(of, field)| *of == object && field.number == number) {
        return Err(refuse("refers to a field that does not exist"));
    }
    let part = |name: &str| condition.get(name).cloned().unwrap_or(Value::Null);
    Ok(json!({
        "object": object, "field_id": number.to_string(), "operator": operator, "value": part("value"),
        "extra_value": part("extra_value"), "json_value_flag": false,
    }))
}

fn field_number(condition: &Value) -> Option<u64> {
    match condition.get("field_id")? {
        Value::String(text) => text.parse().ok(),
        number => number.as_u64(),
    }
}

fn with_codes(account: &Account, call: &Call<'_>, mut row: Map<String, Value>) -> Value {
    if call.asked("include_field_code") == Some("true") {
        let known = every_field(account);
        let groups = row.get_mut("conditions").and_then(|top| top["conditions"].as_array_mut()).into_iter().flatten();
        for condition in groups.filter_map(|group| group["conditions"].as_array_mut()).flatten() {
            let number = field_number(condition);
            let object = condition["object"].as_str().unwrap_or_default().to_owned();
            let found = known.iter().find(|(of, field)| *of == object && Some(field.number) == number);
            condition["field_code"] = json!(found.map(|(_, field)| &field.code));
        }
    }
    Value::Object(row)
}

/// A filter, ready to be asked about rows.
#[derive(Debug)]
pub(super) struct Condition {
    all: Vec<Test>,
    any: Vec<Test>,
}

#[derive(Debug)]
struct Test {
    code: String,
    operator: String,
    value: String,
}

impl Condition {
    /// The filter of a list. A filter of another kind, or one with a condition on another object, is answered honestly as not offered.
    pub(super) fn of(account: &Account, kind: &str, id: u64) -> Result<Self, Answer> {
        let row = account.live("filters", &Id::Number(id)).map_err(|_| not_found(facts("filters")))?;
        let (of_kind, table) = row["type"].as_str().and_then(of_type).unwrap_or_default();
        if of_kind != kind {
            return Err(refusal(400, "The filter is of another type."));
        }
        let known = custom::fields(account, table);
        let (all, any) =
            groups(&row["conditions"]).ok_or_else(|| refusal(400, "Filter conditions have an invalid structure"))?;
        let test = |condition: &Value| Test::of(&known, condition);
        let tests = |group: &[Value]| group.iter().map(test).collect::<Option<Vec<_>>>();
        match (tests(all), tests(any)) {
            (Some(all), Some(any)) => Ok(Self { all, any }),
            _ => Err(refusal(501, "The sandbox does not apply filters that look at other objects.")),
        }
    }

    /// Whether a row passes.
    pub(super) fn holds(&self, row: &Row) -> bool {
        self.all.iter().all(|test| test.holds(row))
            && (self.any.is_empty() || self.any.iter().any(|test| test.holds(row)))
    }
}

impl Test {
    fn of(known: &[Field], condition: &Value) -> Option<Self> {
        let number = field_number(condition)?;
        let field = known.iter().find(|field| field.number == number)?;
        let value = match condition.get("value") {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Null) | None => String::new(),
            Some(other) => other.to_string(),
        };
        let operator = condition["operator"].as_str()?.to_owned();
        let offered = ["=", "!=", ">", "<", ">=", "<=", "IS NULL", "IS NOT NULL", "LIKE '$%'", "LIKE '%$%'"];
        offered.contains(&operator.as_str()).then_some(Self { code: field.code.clone(), operator, value })
    }

    fn holds(&self, row: &Row) -> bool {
        let text =
            row.member(&self.code).or_else(|| scan::member(row.custom(), &self.code)).filter(|text| *text != "null");
        let Some(text) = text else { return self.operator == "IS NULL" || self.operator == "!=" };
        let plain = text.trim_matches('"');
        let order = match (plain.parse::<f64>(), self.value.parse::<f64>()) {
            (Ok(one), Ok(two)) => one.total_cmp(&two),
            _ => plain.cmp(self.value.as_str()),
        };
        match self.operator.as_str() {
            "=" => order.is_eq(),
            "!=" => order.is_ne(),
            ">" => order.is_gt(),
            "<" => order.is_lt(),
            ">=" => order.is_ge(),
            "<=" => order.is_le(),
            "LIKE '$%'" => plain.to_lowercase().starts_with(&self.value.to_lowercase()),
            "LIKE '%$%'" => plain.to_lowercase().contains(&self.value.to_lowercase()),
            operator => operator == "IS NOT NULL",
        }
    }
}
