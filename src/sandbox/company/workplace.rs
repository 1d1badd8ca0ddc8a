//! What a company has before it has customers: users, currencies, pipelines, types, labels, filters, webhooks.

use serde_json::{Map, Value, json};

use crate::sandbox::company::facts::{ACTIVE_CURRENCIES, CURRENCIES, Company, LEAD_LABELS};
use crate::sandbox::company::time::{self, DAY};
use crate::sandbox::company::{fields, people, rows, texts};
use crate::sandbox::row::{Id, Sink};

/// Fills all of it.
pub(super) fn fill(company: &Company, sink: &mut dyn Sink) {
    users(company, sink);
    currencies(company, sink);
    pipelines(company, sink);
    definitions(company, sink);
    types_and_labels(company, sink);
    filters(company, sink);
    webhooks(company, sink);
}

fn put(sink: &mut dyn Sink, kind: &'static str, id: u64, row: Value) {
    sink.row(kind, Id::Number(id), &rows::object(row));
}

fn users(company: &Company, sink: &mut dyn Sink) {
    let [regular, admins, global] = people::set_ids(company);
    for (index, user) in company.users.iter().enumerate() {
        let mut dice = company.dice("user row", index as u64);
        let admin = index == 0;
        let created = company.added("users", index as u64, company.users.len() as u64);
        let modified = company.updated(&mut dice, created);
        let seen = modified.max(company.now - dice.below(20 * DAY as u64) as i64);
        let sales = if admin { &admins } else { &regular };
        let zone =
            dice.pick(&[("Europe/Berlin", "+01:00"), ("Europe/Tallinn", "+02:00"), ("America/New_York", "-05:00")]);
        let row = json!({
            "id": user.id, "name": user.name, "default_currency": "EUR", "locale": "en_GB", "lang": 1, "email": user.email,
            "phone": dice.chance(500).then(|| texts::phone(&mut dice)), "activated": true, "last_login": time::plain(seen),
            "created": time::plain(created), "modified": time::plain(modified), "has_created_company": admin,
            "access": [
                {"app": "sales", "admin": admin, "permission_set_id": sales},
                {"app": "global", "admin": admin, "permission_set_id": global},
            ],
            "active_flag": user.active, "timezone_name": zone.0, "timezone_offset": zone.1, "role_id": people::role_of(company, index), "icon_url": null,
            "is_you": admin, "is_deleted": false,
        });
        put(sink, "users", user.id, row);
    }
}

fn currencies(company: &Company, sink: &mut dyn Sink) {
    for ((code, name, symbol, _), index) in CURRENCIES.iter().zip(0..) {
        let id = company.id_of("currencies", index);
        let decimals = if *code == "JPY" { 0 } else { 2 };
        let row = json!({
            "id": id, "code": code, "name": name, "decimal_points": decimals, "symbol": symbol,
            "active_flag": index < ACTIVE_CURRENCIES, "is_custom_flag": false,
        });
        put(sink, "currencies", id, row);
    }
}

fn pipelines(company: &Company, sink: &mut dyn Sink) {
    for (pipeline, order) in company.pipelines.iter().zip(1..) {
        let time = time::rfc3339(company.born + (order - 1) * DAY * 40);
        let row = json!({
            "id": pipeline.id, "name": pipeline.name, "order_nr": order, "is_deleted": false, "is_deal_probability_enabled": order != 2,
            "add_time": time, "update_time": time,
        });
        put(sink, "pipelines", pipeline.id, row);
        for ((id, name, probability), order) in pipeline.stages.iter().zip(1..) {
            let rotten = order == 3;
            let row = json!({
                "id": id, "order_nr": order, "name": name, "is_deleted": false, "deal_probability": probability,
                "pipeline_id": pipeline.id, "is_deal_rot_enabled": rotten, "days_to_rotten": rotten.then_some(30),
                "add_time": time, "update_time": time,
            });
            put(sink, "stages", *id, row);
        }
    }
}

fn definitions(company: &Company, sink: &mut dyn Sink) {
    for (kind, definitions) in &company.fields {
        for (field, order) in definitions.iter().zip(0..) {
            sink.row(kind, Id::Number(field.id), &fields::definition(company, kind, field, order));
        }
    }
}

fn types_and_labels(company: &Company, sink: &mut dyn Sink) {
    let born = time::plain(company.born);
    for ((name, key, icon, custom), index) in company.activity_types.iter().zip(0..) {
        let id = company.id_of("activityTypes", index);
        let row = json!({
            "id": id, "order_nr": index + 1, "name": name, "key_string": key, "icon_key": icon, "active_flag": true,
            "color": if *custom { "FFAA00" } else { "FFFFFF" }, "is_custom_flag": custom, "add_time": born, "update_time": born,
        });
        put(sink, "activityTypes", id, row);
    }
    for (id, (name, color)) in company.lead_labels.iter().zip(LEAD_LABELS) {
        let time = time::millis(company.born, 0);
        let row = json!({"id": id, "name": name, "color": color, "add_time": time, "update_time": time});
        sink.row("leadLabels", Id::Text(id.as_str().into()), &rows::object(row));
    }
}

/// One condition of a filter: object, field code, operator, value.
type Condition = (&'static str, &'static str, &'static str, Value);

/// Filters that refer to numeric field ids, option ids, users and stages: what a restore has to translate.
fn filters(company: &Company, sink: &mut dyn Sink) {
    let user = company.users[company.users.len() / 2].id.to_string();
    let stage = company.pipelines[0].stages[2].0.to_string();
    let label = company.options("dealFields", "label_ids")[0].to_string();
    let mut all: Vec<(&str, &str, Vec<Condition>, Vec<Condition>)> = vec![
        ("All open deals", "deals", vec![("deal", "status", "=", "open".into())], vec![]),
        ("All won deals", "deals", vec![("deal", "status", "=", "won".into())], vec![]),
        ("People without organization", "people", vec![("person", "org_id", "IS NULL", Value::Null)], vec![]),
    ];
    if !company.newborn {
        let past = vec![("activity", "done", "=", "0".into()), ("activity", "due_date", "<", "2025-01-01".into())];
        let named = vec![("organization", "name", "LIKE '%$%'", "GmbH".into())];
        all.push((
            "Meine \"heißen\" Deals",
            "deals",
            vec![("deal", "owner_id", "=", user.into())],
            vec![("deal", "label_ids", "=", label.into()), ("deal", "stage_id", "=", stage.into())],
        ));
        all.push(("Überfällige Aktivitäten", "activity", past, vec![]));
        all.push(("GmbHs", "org", named, vec![]));
        all.push(("Sellable products", "products", vec![("product", "is_linkable", "=", "1".into())], vec![]));
        all.push(("Leads in use", "leads", vec![("deal", "title", "IS NOT NULL", Value::Null)], vec![]));
    }
    for ((name, kind, every, any), index) in all.into_iter().zip(0..) {
        let (mut every, any) = (conditions(company, every), conditions(company, any));
        if kind == "deals" && index > 2 {
            every.extend(by_custom_options(company));
        }
        let id = company.id_of("filters", index);
        let mut dice = company.dice("filter", index);
        let add = (company.born + index as i64 * 20 * DAY).min(company.now);
        let owner = if index < 3 { company.users[0].id } else { dice.pick(&company.users).id };
        let row = json!({
            "id": id, "name": name, "filter_code": null, "is_editable": true, "active_flag": true, "type": kind, "temporary_flag": null,
            "user_id": owner, "add_time": time::plain(add), "update_time": time::plain(add), "visible_to": "7",
            "last_used_time": (!company.newborn).then(|| time::plain(company.now - DAY)), "custom_view_id": null,
            "conditions": {"glue": "and", "conditions": [
                {"glue": "and", "conditions": every}, {"glue": "or", "conditions": any},
            ]},
        });
        put(sink, "filters", id, row);
    }
}

/// A condition on the first custom field with options: its field number and an option number.
fn by_custom_options(company: &Company) -> Option<Value> {
    let field = company.fields("dealFields").iter().find(|field| field.custom && !field.options.is_empty())?;
    Some(json!({
        "object": "deal", "field_id": field.id.to_string(), "operator": "=", "value": field.options[1].0.to_string(),
        "extra_value": null, "json_value_flag": false,
    }))
}

fn conditions(company: &Company, from: Vec<Condition>) -> Vec<Value> {
    let number = |object: &str, code: &str| {
        let kind = format!("{object}Fields");
        let field = company.fields(&kind).iter().find(|field| field.code == code);
        field.expect("filters name built-in fields that every account has").id.to_string()
    };
    let condition = |(object, code, operator, value): Condition| {
        json!({
            "object": object, "field_id": number(object, code), "operator": operator, "value": value, "extra_value": null,
            "json_value_flag": false,
        })
    };
    from.into_iter().map(condition).collect()
}

fn webhooks(company: &Company, sink: &mut dyn Sink) {
    if company.newborn {
        return;
    }
    let all = [("change", "deal", "erp"), ("create", "person", "newsletter"), ("*", "*", "data-lake")];
    for ((action, object, path), index) in all.iter().zip(0..) {
        let id = company.id_of("webhooks", index);
        let owner = company.users[index as usize % company.users.len()].id;
        let add = time::millis(company.born + (index as i64 + 1) * 90 * DAY, 0);
        let delivered = time::millis(company.now - DAY / 24, 120);
        let row: Map<String, Value> = rows::object(json!({
            "id": id, "company_id": company.id, "owner_id": owner, "user_id": owner, "event_action": action, "event_object": object,
            "subscription_url": format!("https://hooks.{}/pipedrive/{path}", company.domain()), "version": "2.0", "is_active": 1,
            "add_time": add, "remove_time": null, "type": "general", "http_auth_user": null, "http_auth_password": null,
            "remove_reason": null, "last_delivery_time": delivered, "last_http_status": 200, "admin_id": owner,
            "name": format!("{path} hook"),
        }));
        sink.row("webhooks", Id::Number(id), &row);
    }
}
