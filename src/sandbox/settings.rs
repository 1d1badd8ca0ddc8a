//! Users, currencies, activity types and lead labels: what an account is set up with, all of it v1.

use serde_json::{Map, Value, json};

use crate::sandbox::account::Account;
use crate::sandbox::answer::{Answer, Outcome, offset_page, refusal, single};
use crate::sandbox::call::Call;
use crate::sandbox::check;
use crate::sandbox::row::Id;

type Row = Map<String, Value>;

fn rows(account: &Account, kind: &str, deleted_too: bool) -> Vec<Row> {
    let table = account.store.table(kind);
    let kept = table.rows.iter().filter(|(_, row)| deleted_too || !row.deleted);
    kept.filter_map(|(id, _)| account.store.get(kind, id)).collect()
}

fn listed(rows: Vec<Row>) -> Outcome {
    let text: Vec<String> = rows.into_iter().map(|row| Value::Object(row).to_string()).collect();
    offset_page(&text.join(","), None, None)
}

/// Currencies; `term` searches name and code.
pub(super) fn currencies(account: &Account, call: &Call<'_>) -> Outcome {
    let term = call.asked("term").map(str::to_lowercase);
    let named = |row: &Row, term: &str| {
        ["name", "code"].iter().any(|member| {
            row.get(*member).and_then(Value::as_str).is_some_and(|text| text.to_lowercase().contains(term))
        })
    };
    let kept = rows(account, "currencies", false)
        .into_iter()
        .filter(|row| term.as_deref().is_none_or(|term| named(row, term)));
    listed(kept.collect())
}

/// Users: listed, invited, switched off; never deleted.
pub(super) fn users(account: &mut Account, call: &Call<'_>) -> Outcome {
    match (call.operation.method.as_str(), call.operation.path.as_str()) {
        ("GET", "/users") => {
            let me = account.me;
            let own = |mut row: Row| {
                row.insert("is_you".into(), json!(row.get("id") == Some(&json!(me))));
                row
            };
            listed(rows(account, "users", true).into_iter().map(own).collect())
        }
        ("GET", "/users/me") => {
            let mut row = account.row("users", &Id::Number(account.me))?;
            let company = json!({
                "company_id": account.company, "company_name": "Sandbox", "company_domain": "sandbox", "company_country": "EE",
                "company_industry": "IT Services", "language": {"language_code": "en", "country_code": "US"},
            });
            row.extend(company.as_object().cloned().unwrap_or_default());
            single(200, row)
        }
        ("GET", _) => {
            let row = account.row("users", &Id::Number(call.number("id")?))?;
            single(200, row)
        }
        ("POST", _) => invite(account, call),
        _ => {
            let id = Id::Number(call.number("id")?);
            let mut row = account.row("users", &id)?;
            let sent = check::body(call, account.rigour())?;
            row.extend(sent);
            row.insert("modified".into(), account.stamp("users").into());
            account.write("users", &id, &row);
            single(200, row)
        }
    }
}

fn invite(account: &mut Account, call: &Call<'_>) -> Outcome {
    let sent = check::body(call, account.rigour())?;
    let email = sent["email"].as_str().unwrap_or_default().to_owned();
    let taken = account.store.table("users").rows.values().any(|row| row.word("email") == Some(email.as_str()));
    if taken || !email.contains('@') {
        return Err(refusal(400, "The email address is not valid or already in use."));
    }
    let now = account.stamp("users");
    let id = account.next_id("users");
    let row = json!({
        "id": id, "name": email.split('@').next(), "default_currency": crate::sandbox::custom::default_currency(account), "locale": "en_US",
        "lang": 1, "email": email, "phone": null, "activated": false, "last_login": null, "created": now, "modified": now,
        "has_created_company": false, "access": sent.get("access").cloned().unwrap_or_else(|| json!([{"app": "sales", "admin": false}])),
        "active_flag": sent.get("active_flag").cloned().unwrap_or(json!(true)), "timezone_name": "UTC", "timezone_offset": "+00:00",
        "role_id": 1, "icon_url": null, "is_you": false, "is_deleted": false,
    });
    let row = row.as_object().cloned().unwrap_or_default();
    account.write("users", &Id::Number(id), &row);
    single(200, row)
}

/// Activity types: the key comes from the name and never changes.
pub(super) fn activity_types(account: &mut Account, call: &Call<'_>) -> Outcome {
    const KIND: &str = "activityTypes";
    match (call.operation.method.as_str(), call.value("id")) {
        ("GET", _) => {
            let mut rows = rows(account, KIND, account.assume.yes("deleted-listed"));
            rows.iter_mut().for_each(|row| drop(row.remove("is_deleted")));
            rows.sort_by_key(|row| row.get("order_nr").and_then(Value::as_u64));
            listed(rows)
        }
        ("POST", _) => {
            let sent = check::body(call, account.rigour())?;
            let row = new_type(account, &sent)?;
            let id = Id::Number(row["id"].as_u64().unwrap_or_default());
            account.write(KIND, &id, &row);
            single(200, row)
        }
        ("DELETE", "") => Err(refusal(501, "The sandbox does not offer this.")),
        (method, _) => {
            let id = Id::Number(call.number("id")?);
            let mut row = account.live(KIND, &id)?;
            if method == "PUT" {
                row.extend(check::body(call, account.rigour())?);
            } else {
                row.insert("active_flag".into(), json!(false));
            }
            row.insert("update_time".into(), account.stamp(KIND).into());
            account.write(KIND, &id, &row);
            single(200, row)
        }
    }
}

fn new_type(account: &mut Account, sent: &Row) -> Result<Row, Answer> {
    let name = sent["name"].as_str().unwrap_or_default().to_owned();
    let base: String = name.to_lowercase().chars().map(|one| if one.is_alphanumeric() { one } else { '_' }).collect();
    let known = rows(account, "activityTypes", true);
    let taken = |key: &str| known.iter().any(|row| row.get("key_string") == Some(&json!(key)));
    let key = (1_u32..).map(|at| if at == 1 { base.clone() } else { format!("{base}{at}") }).find(|key| !taken(key));
    let last = known.iter().filter_map(|row| row.get("order_nr")?.as_u64()).max().unwrap_or(0);
    let now = account.stamp("activityTypes");
    let row = json!({
        "id": account.next_id("activityTypes"), "order_nr": last + 1, "name": name, "key_string": key, "icon_key": sent["icon_key"],
        "active_flag": true, "color": sent.get("color").cloned().unwrap_or(json!("FFFFFF")), "is_custom_flag": true,
        "add_time": now, "update_time": now,
    });
    Ok(row.as_object().cloned().unwrap_or_default())
}

/// Lead labels.
pub(super) fn lead_labels(account: &mut Account, call: &Call<'_>) -> Outcome {
    const KIND: &str = "leadLabels";
    let id = Id::Text(call.value("id").into());
    match call.operation.method.as_str() {
        "GET" => listed(rows(account, KIND, false)),
        "POST" => {
            let sent = check::body(call, account.rigour())?;
            let (id, now) = (account.random_uuid(), account.stamp(KIND));
            let row =
                json!({"id": id, "name": sent["name"], "color": sent["color"], "add_time": now, "update_time": now});
            let row = row.as_object().cloned().unwrap_or_default();
            account.write(KIND, &Id::Text(id.into()), &row);
            single(200, row)
        }
        "PATCH" => {
            let mut row = account.live(KIND, &id)?;
            row.extend(check::body(call, account.rigour())?);
            row.insert("update_time".into(), account.stamp(KIND).into());
            account.write(KIND, &id, &row);
            single(200, row)
        }
        _ => {
            let row = account.live(KIND, &id)?;
            account.erase(KIND, &id);
            unlabel(account, &row["id"]);
            single(200, json!({"id": row["id"]}))
        }
    }
}

/// A label that is gone is on no lead any more.
fn unlabel(account: &mut Account, label: &Value) {
    let text = label.to_string();
    let leads = account.store.table("leads").rows.iter();
    let holders: Vec<Id> = leads
        .filter(|(_, row)| row.member("label_ids").is_some_and(|ids| ids.contains(&text)))
        .map(|(id, _)| id.clone())
        .collect();
    for id in holders {
        let Some(mut row) = account.store.get("leads", &id) else { continue };
        if let Some(ids) = row.get_mut("label_ids").and_then(Value::as_array_mut) {
            ids.retain(|one| one != label);
        }
        account.store.put("leads", id, &row);
    }
}
