//! Field definitions: one row a field, shown the way each version shows it.
//!
//! api/custom-fields.md, "Definitions". A new field gets a random key of 40 hex digits and a new number; a deleted one takes its values
//! along.

use serde_json::{Map, Value, json};

use crate::sandbox::account::{Account, facts};
use crate::sandbox::answer::{Answer, Outcome, cursor_page, invalid, not_found, offset_page, refusal, single};
use crate::sandbox::call::Call;
use crate::sandbox::check;
use crate::sandbox::cursor::Cursor;
use crate::sandbox::custom::CREATABLE;
use crate::sandbox::kinds::KINDS;
use crate::sandbox::list::page_size;
use crate::sandbox::offset::Window;
use crate::sandbox::row::Id;

const MOST_OPTIONS: usize = 10_000;
/// Members of a v2 definition that come on request.
const NAMESPACES: &[&str] = &["ui_visibility", "important_fields", "required_fields"];
/// What v1 shows of a definition beside its own names for id, key and name: member and value where the row has none.
const V1_FLAGS: &[(&str, bool)] = &[
    ("index_visible_flag", true),
    ("details_visible_flag", true),
    ("add_visible_flag", true),
    ("important_flag", false),
    ("bulk_edit_allowed", true),
    ("searchable_flag", false),
    ("filtering_allowed", true),
    ("sortable_flag", true),
];

/// The table that a path means; leads have the fields of deals.
fn table_of(call: &Call<'_>) -> &'static str {
    let named = call.operation.path.split('/').nth(1).unwrap_or_default();
    let named = if named == "leadFields" { "dealFields" } else { named };
    facts(named).name
}

type Row = Map<String, Value>;

fn rows(account: &Account, table: &str) -> Vec<Row> {
    let live = account.store.table(table).rows.iter().filter(|(_, row)| !row.deleted);
    live.filter_map(|(id, _)| account.store.get(table, id)).collect()
}

fn number(row: &Row) -> u64 {
    row.get("id").and_then(Value::as_u64).unwrap_or_default()
}

/// One v2 request about definitions.
pub(super) fn serve_v2(account: &mut Account, call: &Call<'_>) -> Outcome {
    let table = table_of(call);
    let is_options = call.operation.path.ends_with("/options");
    match (call.operation.method.as_str(), call.value("field_code")) {
        ("GET", "") => v2_list(account, call, table),
        ("POST", "") => create(account, call, table),
        (method, code) => {
            let row = rows(account, table)
                .into_iter()
                .find(|row| row.get("field_code").and_then(Value::as_str) == Some(code));
            let row = row.ok_or_else(|| not_found(facts(table)))?;
            match method {
                "GET" => single(200, v2_shown(call, table, &row)),
                _ if is_options => options(account, call, table, row),
                "PATCH" => update(account, call, table, row),
                _ => {
                    let shown = v2_shown(call, table, &row);
                    delete(account, table, row)?;
                    single(200, shown)
                }
            }
        }
    }
}

fn v2_list(account: &Account, call: &Call<'_>, table: &'static str) -> Outcome {
    let after = match call.asked("cursor") {
        Some(text) => Cursor::read(text).ok_or_else(|| invalid("cursor", "is not valid"))?.id,
        None => 0,
    };
    let size = page_size(account, call)?;
    let mut left: Vec<Row> = rows(account, table).into_iter().filter(|row| number(row) > after).collect();
    let more = left.len() > size;
    left.truncate(size);
    let text: Vec<String> = left.iter().map(|row| v2_shown(call, table, row).to_string()).collect();
    let cursor = |row: &Row| {
        Cursor { field: "id".into(), value: number(row).to_string(), down: false, id: number(row) }.written()
    };
    cursor_page(&text.join(","), left.last().filter(|_| more).map(cursor))
}

/// A definition as v2 shows it: without number and times.
fn v2_shown(call: &Call<'_>, table: &str, row: &Row) -> Value {
    let part = |name: &str| row.get(name).cloned().unwrap_or(Value::Null);
    let mut shown = json!({
        "field_name": part("field_name"), "field_code": part("field_code"), "field_type": part("field_type"),
        "options": part("options"), "subfields": part("subfields"),
        "is_custom_field": row.get("is_custom_field") == Some(&json!(true)),
        "is_optional_response_field": row.get("is_optional_response_field") == Some(&json!(true)),
    });
    let described = &call.operation.returned;
    if described.contains_key("description") {
        shown["description"] = part("description");
    }
    let asked = call.asked_list("include_fields").unwrap_or_default();
    // Where they cannot be asked for, they come unasked.
    let unasked = !call.operation.query.contains_key("include_fields");
    let wanted = |name: &&&str| (unasked || asked.contains(*name)) && described.contains_key(**name);
    for namespace in NAMESPACES.iter().filter(wanted) {
        if let Some(first) = first_namespace(table, namespace) {
            shown[*namespace] = row.get(*namespace).cloned().unwrap_or(first);
        }
    }
    shown
}

/// A namespace of settings as a new field has it; fields of products and activities know only ui_visibility.
fn first_namespace(table: &str, namespace: &str) -> Option<Value> {
    let is_deal = table == "dealFields";
    match namespace {
        "ui_visibility" if is_deal => Some(json!({
            "add_visible_flag": true, "details_visible_flag": true, "projects_detail_visible_flag": false,
            "show_in_pipelines": {"show_in_all": true, "pipeline_ids": []},
        })),
        "ui_visibility" => Some(json!({"add_visible_flag": true, "details_visible_flag": true})),
        _ if ["productFields", "activityFields"].contains(&table) => None,
        "important_fields" => Some(json!({"enabled": false, "stage_ids": []})),
        _ if is_deal => Some(json!({"enabled": false, "stage_ids": [], "statuses": {}})),
        _ => Some(json!({"enabled": false})),
    }
}

fn create(account: &mut Account, call: &Call<'_>, table: &'static str) -> Outcome {
    let sent = check::body(call, account.rigour())?;
    check_settings(account, &sent)?;
    let name = sent["field_name"].as_str().unwrap_or_default().to_owned();
    let shape = sent["field_type"].as_str().unwrap_or_default().to_owned();
    let labels = labels(sent.get("options"));
    let mut row = new_row(account, table, &name, &shape, labels)?;
    row.extend(sent.into_iter().filter(|(member, _)| NAMESPACES.contains(&member.as_str()) || member == "description"));
    account.write(table, &Id::Number(number(&row)), &row);
    single(200, v2_shown(call, table, &row))
}

fn labels(options: Option<&Value>) -> Vec<String> {
    let label = |one: &Value| one.get("label").or(Some(one)).and_then(Value::as_str).map(str::to_owned);
    options.and_then(Value::as_array).into_iter().flatten().filter_map(label).collect()
}

fn new_row(
    account: &mut Account,
    table: &'static str,
    name: &str,
    shape: &str,
    labels: Vec<String>,
) -> Result<Row, Answer> {
    if name.is_empty() || name.chars().count() > 255 {
        return Err(invalid("field_name", "must have 1 to 255 characters"));
    }
    if !CREATABLE.contains(&shape) && shape != "visible_to" {
        return Err(invalid("field_type", "must be one of the allowed values"));
    }
    let has_options = ["enum", "set"].contains(&shape);
    if has_options == labels.is_empty() {
        return Err(invalid(
            "options",
            if has_options { "are required for this type" } else { "are not allowed for this type" },
        ));
    }
    let id = account.next_id(table);
    let order = rows(account, table).iter().filter_map(|row| row.get("order_nr")?.as_u64()).max().unwrap_or(0);
    let first = next_option(account);
    let option = |(at, label): (usize, String)| json!({"id": first + at as u64, "label": label});
    let options: Vec<Value> = labels.into_iter().enumerate().map(option).collect();
    let now = account.stamp(table);
    let row = json!({
        "id": id, "field_code": account.random_hex(40), "field_name": name, "field_type": shape, "description": null,
        "options": if has_options { json!(options) } else { Value::Null }, "subfields": subfields(shape, name),
        "is_custom_field": true, "is_optional_response_field": false, "add_time": now, "update_time": now, "order_nr": order + 1,
        "mandatory_flag": false, "active_flag": true, "edit_flag": true, "created_by_user_id": account.me,
    });
    Ok(row.as_object().cloned().unwrap_or_default())
}

/// Option ids are never used twice in the account. api/custom-fields.md: a label that is added again gets a new id.
fn next_option(account: &Account) -> u64 {
    let tables = KINDS.iter().filter(|kind| kind.name.ends_with("Fields"));
    let every = tables
        .flat_map(|kind| account.store.table(kind.name).rows.keys().filter_map(|id| account.store.get(kind.name, id)));
    let ids = every.flat_map(|row| {
        let lists = ["options", "options_deleted"].into_iter().filter_map(|name| row.get(name)?.as_array().cloned());
        lists.flatten().filter_map(|option| option.get("id")?.as_u64()).collect::<Vec<_>>()
    });
    ids.max().unwrap_or(0) + 1
}

fn subfields(shape: &str, name: &str) -> Value {
    let parts: &[(&str, &str, &str)] = match shape {
        "monetary" => &[("value", "Amount of", "double"), ("currency", "Currency of", "varchar")],
        "daterange" => &[("value", "Start of", "date"), ("until", "End of", "date")],
        "time" => &[("value", "Time of", "time"), ("timezone_id", "Timezone of", "int")],
        "timerange" => {
            &[("value", "Start of", "time"), ("until", "End of", "time"), ("timezone_id", "Timezone of", "int")]
        }
        "address" => {
            &[("value", "Full", "address"), ("locality", "City of", "varchar"), ("country", "Country of", "varchar")]
        }
        _ => return Value::Null,
    };
    parts.iter().map(|(code, word, shape)| json!({"field_code": code, "field_name": format!("{word} {name}"), "field_type": shape})).collect()
}

/// Settings name pipelines and stages that must exist. api/custom-fields.md.
fn check_settings(account: &Account, sent: &Row) -> Result<(), Answer> {
    let ids = |path: &[&str]| -> Vec<Value> {
        let found = path[1..].iter().fold(sent.get(path[0]), |value, step| value.and_then(|value| value.get(*step)));
        found.and_then(Value::as_array).cloned().unwrap_or_default()
    };
    for id in ids(&["ui_visibility", "show_in_pipelines", "pipeline_ids"]) {
        account.check_link("ui_visibility.show_in_pipelines.pipeline_ids", "pipelines", &id)?;
    }
    for namespace in ["important_fields", "required_fields"] {
        for id in ids(&[namespace, "stage_ids"]) {
            account.check_link(&format!("{namespace}.stage_ids"), "stages", &id)?;
        }
    }
    Ok(())
}

fn update(account: &mut Account, call: &Call<'_>, table: &'static str, mut row: Row) -> Outcome {
    let sent = check::body(call, account.rigour())?;
    check_settings(account, &sent)?;
    row.extend(sent);
    row.insert("update_time".into(), account.stamp(table).into());
    account.write(table, &Id::Number(number(&row)), &row);
    single(200, v2_shown(call, table, &row))
}

/// Options of a field: all or nothing, any unknown id fails the lot.
fn options(account: &mut Account, call: &Call<'_>, table: &'static str, mut row: Row) -> Outcome {
    let sent = check::array_body(call, account.rigour())?;
    let is_custom = row.get("is_custom_field") == Some(&json!(true));
    let Some(mut options) = row.get("options").and_then(Value::as_array).cloned() else {
        return Err(refusal(400, "The field does not support options."));
    };
    if !is_custom && account.assume.is("builtin-options", "no") {
        return Err(refusal(400, "Options of this field cannot be changed."));
    }
    let known = |one: &Row| options.iter().any(|option| option.get("id") == one.get("id"));
    if call.operation.method != "POST" && !sent.iter().all(known) {
        return Err(invalid("id", "unknown option id"));
    }
    let mut touched = Vec::new();
    let mut gone = row.get("options_deleted").and_then(Value::as_array).cloned().unwrap_or_default();
    match call.operation.method.as_str() {
        "POST" => {
            let first = next_option(account);
            touched.extend(
                sent.iter().enumerate().map(|(at, one)| json!({"id": first + at as u64, "label": one["label"]})),
            );
            options.extend(touched.iter().cloned());
        }
        "PATCH" => {
            for one in &sent {
                let option = options.iter_mut().find(|option| option.get("id") == one.get("id"));
                if let Some(option) = option {
                    option["label"] = one["label"].clone();
                    touched.push(option.clone());
                }
            }
        }
        _ => {
            let leaves = |option: &Value| sent.iter().any(|one| one.get("id") == option.get("id"));
            touched = options.iter().filter(|option| leaves(option)).cloned().collect();
            options.retain(|option| !leaves(option));
            gone.extend(touched.iter().cloned());
        }
    }
    if options.len() > MOST_OPTIONS {
        return Err(refusal(400, "A field can have at most 10000 options."));
    }
    row.insert("options".into(), json!(options));
    row.insert("options_deleted".into(), json!(gone));
    row.insert("update_time".into(), account.stamp(table).into());
    account.write(table, &Id::Number(number(&row)), &row);
    Ok(Answer::json(200, &json!({"success": true, "data": touched, "additional_data": null})))
}

/// The definition is marked, its values go from every record. api/custom-fields.md: values may be lost for good.
fn delete(account: &mut Account, table: &'static str, mut row: Row) -> Result<(), Answer> {
    if row.get("is_custom_field") != Some(&json!(true)) {
        return Err(refusal(403, "This field cannot be deleted."));
    }
    let code = row["field_code"].as_str().unwrap_or_default().to_owned();
    row.insert("is_deleted".into(), json!(true));
    row.insert("update_time".into(), account.stamp(table).into());
    account.write(table, &Id::Number(number(&row)), &row);
    let owners = KINDS.iter().filter(|kind| kind.fields == Some(table)).map(|kind| kind.name);
    for kind in owners.chain((table == "dealFields").then_some("leads")) {
        let rows = account.store.table(kind).rows.iter();
        let holders: Vec<Id> = rows
            .filter(|(_, row)| row.custom().contains(&code) || row.main().contains(&code))
            .map(|(id, _)| id.clone())
            .collect();
        for id in holders {
            let Some(mut record) = account.store.get(kind, &id) else { continue };
            record.retain(|member, _| !member.starts_with(&code));
            if let Some(custom) = record.get_mut("custom_fields").and_then(Value::as_object_mut) {
                custom.remove(&code);
            }
            account.store.put(kind, id, &record);
        }
    }
    Ok(())
}

/// One v1 request about definitions.
pub(super) fn serve_v1(account: &mut Account, call: &Call<'_>) -> Outcome {
    let table = table_of(call);
    match (call.operation.method.as_str(), call.value("id")) {
        ("GET", "") => v1_list(account, call, table),
        ("POST", _) => {
            let sent = check::body(call, account.rigour())?;
            let text = |name: &str| sent.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
            let row = new_row(account, table, &text("name"), &text("field_type"), labels(sent.get("options")))?;
            account.write(table, &Id::Number(number(&row)), &row);
            single(200, v1_shown(&row))
        }
        ("DELETE", "") => {
            let ids: Vec<u64> =
                call.asked_list("ids").unwrap_or_default().iter().filter_map(|id| id.parse().ok()).collect();
            for id in &ids {
                let row = account.live(table, &Id::Number(*id))?;
                delete(account, table, row)?;
            }
            single(200, json!({"id": ids}))
        }
        (method, _) => {
            let id = Id::Number(call.number("id")?);
            let row = account.live(table, &id)?;
            match method {
                "GET" => single(200, v1_shown(&row)),
                "PUT" => v1_update(account, call, table, row),
                _ => {
                    let id = row["id"].clone();
                    delete(account, table, row)?;
                    single(200, json!({"id": id}))
                }
            }
        }
    }
}

fn v1_list(account: &Account, call: &Call<'_>, table: &'static str) -> Outcome {
    let window = Window::read(call, 500)?;
    let mut shown = Vec::new();
    for row in rows(account, table) {
        shown.push(v1_shown(&row));
        shown.extend(v1_subfields(&row));
    }
    let text: Vec<String> = window.of(&shown).iter().map(Value::to_string).collect();
    offset_page(&text.join(","), Some(window.pagination(account, shown.len())), None)
}

/// A definition as v1 shows it: with number and times, without the v2 settings.
fn v1_shown(row: &Row) -> Value {
    let part = |name: &str| row.get(name).cloned().unwrap_or(Value::Null);
    let is_custom = row.get("is_custom_field") == Some(&json!(true));
    let mut shown = json!({
        "id": part("id"), "key": part("field_code"), "name": part("field_name"), "field_type": part("field_type"),
        "order_nr": part("order_nr"), "add_time": part("add_time"), "update_time": part("update_time"),
        "created_by_user_id": part("created_by_user_id"), "last_updated_by_user_id": part("created_by_user_id"),
        "active_flag": true, "edit_flag": is_custom, "mandatory_flag": part("mandatory_flag"), "is_subfield": false,
    });
    for (flag, first) in V1_FLAGS {
        shown[*flag] = row.get(*flag).cloned().unwrap_or(json!(first));
    }
    for list in ["options", "options_deleted"] {
        if let Some(options) = row.get(list).filter(|options| options.is_array()) {
            shown[list] = options.clone();
        }
    }
    shown
}

/// v1 lists the parts of a composite field as rows of their own, without a number.
fn v1_subfields(row: &Row) -> Vec<Value> {
    let code = row.get("field_code").and_then(Value::as_str).unwrap_or_default();
    let parts = row.get("subfields").and_then(Value::as_array).cloned().unwrap_or_default();
    let is_custom = row.get("is_custom_field") == Some(&json!(true));
    let parts = parts.into_iter().filter(|part| is_custom && part["field_code"] != "value");
    let shown = |part: Value| {
        json!({"id": null, "key": format!("{code}_{}", part["field_code"].as_str().unwrap_or_default()), "name": part["field_name"],
               "field_type": part["field_type"], "active_flag": true, "edit_flag": false, "is_subfield": true})
    };
    parts.map(shown).collect()
}

/// v1 PUT: `options` must list every surviving option with its id; an omitted one is removed.
fn v1_update(account: &mut Account, call: &Call<'_>, table: &'static str, mut row: Row) -> Outcome {
    let sent = check::body(call, account.rigour())?;
    if let Some(name) = sent.get("name").filter(|name| name.is_string()) {
        row.insert("field_name".into(), name.clone());
    }
    if let Some(flag) = sent.get("add_visible_flag") {
        row.insert("add_visible_flag".into(), flag.clone());
    }
    if let Some(Value::Array(listed)) = sent.get("options") {
        let old = row.get("options").and_then(Value::as_array).cloned().unwrap_or_default();
        let mut next = next_option(account);
        let mut kept = Vec::new();
        for one in listed {
            let known = old.iter().find(|option| one.get("id").is_some() && option.get("id") == one.get("id"));
            let mut option = known.cloned().unwrap_or_else(|| json!({"id": next}));
            next += u64::from(known.is_none());
            option["label"] = one["label"].clone();
            kept.push(option);
        }
        let mut gone = row.get("options_deleted").and_then(Value::as_array).cloned().unwrap_or_default();
        gone.extend(old.into_iter().filter(|option| !kept.iter().any(|one| one["id"] == option["id"])));
        row.insert("options".into(), json!(kept));
        row.insert("options_deleted".into(), json!(gone));
    }
    row.insert("update_time".into(), account.stamp(table).into());
    account.write(table, &Id::Number(number(&row)), &row);
    single(200, v1_shown(&row))
}
