//! Roles: their tree, who has which, what they make visible by default, which pipelines they see.
//!
//! Who has a role is kept in the users' `role_id` and nowhere else, so a list of users and a list of assignments cannot disagree.

use serde_json::{Map, Value, json};

use crate::sandbox::account::Account;
use crate::sandbox::answer::{Answer, Outcome, offset_page, refusal, single};
use crate::sandbox::call::Call;
use crate::sandbox::check;
use crate::sandbox::offset::Window;
use crate::sandbox::row::Id;

type Row = Map<String, Value>;

const KIND: &str = "roles";
const SETTINGS: &str = "roleSettings";
const PIPELINES: &str = "rolePipelines";
/// "(Unassigned users)" receives whoever loses a role. api/restore-hazards.md 4, Roles.
pub(super) const DEFAULT: u64 = 1;
/// Largest page. api/objects.md, O500.
const LARGEST: usize = 500;
/// What a role decides about new records, and what it decides if nobody said otherwise.
pub(super) const KEYS: &[(&str, u64)] = &[
    ("deal_default_visibility", 3),
    ("lead_default_visibility", 3),
    ("org_default_visibility", 3),
    ("person_default_visibility", 3),
    ("product_default_visibility", 3),
];

/// One request about roles.
pub(super) fn serve(account: &mut Account, call: &Call<'_>, steps: &[&str]) -> Outcome {
    match (call.operation.method.as_str(), steps) {
        ("GET", ["roles"]) => list(account, call),
        ("GET", ["roles", "{id}"]) => one(account, call),
        ("POST", ["roles"]) => create(account, call),
        ("PUT", ["roles", "{id}"]) => update(account, call),
        ("DELETE", ["roles", "{id}"]) => delete(account, call),
        ("GET", [_, _, "settings"]) => single(200, settings(account, role(account, call)?)),
        ("POST", [_, _, "settings"]) => set(account, call),
        ("GET", [_, _, "assignments"]) => assignments(account, call),
        (_, [_, _, "assignments"]) => assign(account, call),
        ("GET", [_, _, "pipelines"]) => {
            let role = role(account, call)?;
            seen(account, role, call.asked("visible") != Some("false"))
        }
        _ => see(account, call),
    }
}

/// The role in the path, if there is one.
fn role(account: &Account, call: &Call<'_>) -> Result<u64, Answer> {
    let id = call.number("id")?;
    account.live(KIND, &Id::Number(id))?;
    Ok(id)
}

/// A role as answers show it: counts are texts in v1, and follow from the other rows.
fn shown(account: &Account, id: u64) -> Row {
    let mut row = account.store.get(KIND, &Id::Number(id)).unwrap_or_default();
    row.remove("is_deleted");
    let users = account.store.table("users").rows.values().filter(|row| row.number("role_id") == Some(id)).count();
    let below = children(account, id).len();
    row.insert("assignment_count".into(), json!(users.to_string()));
    row.insert("sub_role_count".into(), json!(below.to_string()));
    row
}

fn live(account: &Account) -> Vec<u64> {
    let rows = account.store.table(KIND).rows.iter().filter(|(_, row)| !row.deleted);
    rows.filter_map(|(_, row)| row.number("id")).collect()
}

/// The roles right below a role; the first one stands above all and names itself.
fn children(account: &Account, id: u64) -> Vec<u64> {
    let table = account.store.table(KIND);
    let below = |role: &u64| {
        *role != id && table.rows.get(&Id::Number(*role)).is_some_and(|row| row.number("parent_role_id") == Some(id))
    };
    live(account).into_iter().filter(below).collect()
}

/// Steps from the top. The example of the published list counts from 1 on the two upper ones alike.
fn level(account: &Account, id: u64) -> u64 {
    let table = account.store.table(KIND);
    let parent = |id: u64| table.rows.get(&Id::Number(id)).and_then(|row| row.number("parent_role_id"));
    let mut at = id;
    (0..).take_while(|_| parent(at).filter(|up| *up != at).inspect(|up| at = *up).is_some()).count().max(1) as u64
}

fn list(account: &Account, call: &Call<'_>) -> Outcome {
    let window = Window::read(call, LARGEST)?;
    let mut ids = live(account);
    if account.assume.yes("deleted-listed") {
        ids = account.store.table(KIND).rows.values().filter_map(|row| row.number("id")).collect();
    }
    let row = |id: &u64| {
        let mut row = shown(account, *id);
        row.insert("level".into(), json!(level(account, *id)));
        Value::Object(row).to_string()
    };
    let text: Vec<String> = window.of(&ids).iter().map(row).collect();
    offset_page(&text.join(","), Some(window.pagination(account, ids.len())), None)
}

/// One role, with what it makes visible beside it.
fn one(account: &Account, call: &Call<'_>) -> Outcome {
    let id = role(account, call)?;
    let (data, settings) = (shown(account, id), settings(account, id));
    Ok(Answer::json(200, &json!({"success": true, "data": data, "additional_data": {"settings": settings}})))
}

fn create(account: &mut Account, call: &Call<'_>) -> Outcome {
    let sent = check::body(call, account.rigour())?;
    let parent = sent.get("parent_role_id").cloned().filter(|parent| !parent.is_null()).unwrap_or(json!(DEFAULT));
    account.check_link("parent_role_id", KIND, &parent)?;
    let id = account.next_id(KIND);
    let row = json!({"id": id, "parent_role_id": parent, "name": sent["name"], "active_flag": true});
    account.write(KIND, &Id::Number(id), row.as_object().expect("a role is an object"));
    for (key, value) in KEYS {
        write_setting(account, id, key, &json!(value));
    }
    if account.assume.is("new-role-sees", "all") {
        for pipeline in pipelines(account) {
            show(account, id, pipeline, true);
        }
    }
    single(200, json!({"id": id}))
}

fn update(account: &mut Account, call: &Call<'_>) -> Outcome {
    let id = role(account, call)?;
    let sent = check::body(call, account.rigour())?;
    if let Some(parent) = sent.get("parent_role_id").filter(|parent| !parent.is_null()) {
        account.check_link("parent_role_id", KIND, parent)?;
        let mut above = parent.as_u64();
        // A role below itself would be above nothing.
        while let Some(up) = above.filter(|up| *up != DEFAULT) {
            if up == id {
                return Err(refusal(400, "A role cannot be below itself."));
            }
            above = account.store.table(KIND).rows.get(&Id::Number(up)).and_then(|row| row.number("parent_role_id"));
        }
    }
    let mut row = account.row(KIND, &Id::Number(id))?;
    row.extend(sent);
    account.write(KIND, &Id::Number(id), &row);
    single(200, json!({"id": id}))
}

/// api/objects.md, Roles: "marks as deleted". Its users fall back to the default role; the roles below it move up (UNCONFIRMED).
fn delete(account: &mut Account, call: &Call<'_>) -> Outcome {
    let id = role(account, call)?;
    if id == DEFAULT {
        return Err(refusal(403, "The default role cannot be deleted."));
    }
    let mut row = account.row(KIND, &Id::Number(id))?;
    let above = row.get("parent_role_id").cloned().unwrap_or(json!(DEFAULT));
    for child in children(account, id) {
        let mut child_row = account.row(KIND, &Id::Number(child))?;
        child_row.insert("parent_role_id".into(), above.clone());
        account.write(KIND, &Id::Number(child), &child_row);
    }
    for user in holders(account, id) {
        give(account, user, DEFAULT)?;
    }
    for (key, _) in KEYS {
        account.erase(SETTINGS, &setting_id(id, key));
    }
    for pipeline in pipelines(account) {
        show(account, id, pipeline, false);
    }
    row.insert("active_flag".into(), json!(false));
    account.write(KIND, &Id::Number(id), &row);
    single(200, json!({"id": id}))
}

fn setting_id(role: u64, key: &str) -> Id {
    Id::Text(format!("{role}:{key}").into())
}

fn settings(account: &Account, role: u64) -> Row {
    let value = |key: &str, first: u64| {
        let row = account.store.get(SETTINGS, &setting_id(role, key));
        row.and_then(|row| row.get("value").cloned()).unwrap_or(json!(first))
    };
    KEYS.iter().map(|(key, first)| ((*key).to_owned(), value(key, *first))).collect()
}

fn write_setting(account: &mut Account, role: u64, key: &str, value: &Value) {
    let row = json!({"role_id": role, "setting_key": key, "value": value});
    account.write(SETTINGS, &setting_id(role, key), row.as_object().expect("a setting is an object"));
}

fn set(account: &mut Account, call: &Call<'_>) -> Outcome {
    let id = role(account, call)?;
    let sent = check::body(call, account.rigour())?;
    let key = sent["setting_key"].as_str().unwrap_or_default().to_owned();
    write_setting(account, id, &key, &sent["value"]);
    single(200, json!({"id": id, key: sent["value"]}))
}

fn holders(account: &Account, role: u64) -> Vec<u64> {
    let users = account.store.table("users").rows.values().filter(|row| row.number("role_id") == Some(role));
    users.filter_map(|row| row.number("id")).collect()
}

fn assignments(account: &Account, call: &Call<'_>) -> Outcome {
    let id = role(account, call)?;
    let window = Window::read(call, LARGEST)?;
    let (users, role) = (holders(account, id), account.row(KIND, &Id::Number(id))?);
    let row = |user: &u64| {
        json!({"user_id": user, "role_id": id, "parent_role_id": role["parent_role_id"], "name": role["name"],
               "active_flag": role["active_flag"], "type": "1"})
        .to_string()
    };
    let text: Vec<String> = window.of(&users).iter().map(row).collect();
    offset_page(&text.join(","), Some(window.pagination(account, users.len())), None)
}

/// POST gives the role to a user; DELETE, with the user in a JSON body, takes it away.
fn assign(account: &mut Account, call: &Call<'_>) -> Outcome {
    let id = role(account, call)?;
    let sent = check::body(call, account.rigour())?;
    let user = sent.get("user_id").and_then(Value::as_u64).unwrap_or_default();
    let held = account.row("users", &Id::Number(user))?.get("role_id").and_then(Value::as_u64);
    if call.operation.method == "POST" {
        give(account, user, id)?;
        return single(200, json!({"user_id": user, "role_id": id}));
    }
    if held != Some(id) {
        return Err(refusal(404, "Role assignment not found"));
    }
    give(account, user, DEFAULT)?;
    single(200, json!({"id": id}))
}

fn give(account: &mut Account, user: u64, role: u64) -> Result<(), Answer> {
    let id = Id::Number(user);
    let mut row = account.row("users", &id)?;
    row.insert("role_id".into(), json!(role));
    account.write("users", &id, &row);
    Ok(())
}

fn pipelines(account: &Account) -> Vec<u64> {
    let rows = account.store.table("pipelines").rows.values().filter(|row| !row.deleted);
    rows.filter_map(|row| row.number("id")).collect()
}

fn show(account: &mut Account, role: u64, pipeline: u64, visible: bool) {
    let id = Id::Pair(role, pipeline);
    if visible {
        let row = json!({"role_id": role, "pipeline_id": pipeline});
        account.write(PIPELINES, &id, row.as_object().expect("a pair is an object"));
    } else if account.is_live(PIPELINES, &id) {
        account.erase(PIPELINES, &id);
    }
}

/// A new pipeline is seen by whom the sandbox assumes.
pub(super) fn welcome(account: &mut Account, pipeline: &Id) {
    let Id::Number(pipeline) = pipeline else { return };
    if account.assume.is("new-pipeline-seen-by", "all") {
        for role in live(account) {
            show(account, role, *pipeline, true);
        }
    }
}

/// A pipeline that is gone is seen by nobody.
pub(super) fn forget(account: &mut Account, pipeline: &Id) {
    let Id::Number(pipeline) = pipeline else { return };
    for role in live(account) {
        show(account, role, *pipeline, false);
    }
}

fn seen(account: &Account, role: u64, visible: bool) -> Outcome {
    let shows = |pipeline: &u64| account.is_live(PIPELINES, &Id::Pair(role, *pipeline)) == visible;
    let ids: Vec<u64> = pipelines(account).into_iter().filter(shows).collect();
    single(200, json!({"pipeline_ids": ids, "visible": visible}))
}

/// PUT: the two lists come as texts in the published example, `"[1]"`; whether lists are taken is an assumption.
fn see(account: &mut Account, call: &Call<'_>) -> Outcome {
    let id = role(account, call)?;
    let sent = check::body(call, account.rigour())?;
    let listed = |name: &str| -> Result<Vec<u64>, Answer> {
        let bad = || refusal(400, format!("visible_pipeline_ids.{name} is not valid"));
        let list = match (&sent["visible_pipeline_ids"][name], account.assume.is("pipeline-lists", "text")) {
            (Value::Null, _) => return Ok(Vec::new()),
            (Value::String(text), true) => serde_json::from_str(text).map_err(|_| bad())?,
            (list @ Value::Array(_), false) => list.clone(),
            _ => return Err(bad()),
        };
        serde_json::from_value(list).map_err(|_| bad())
    };
    let (add, remove) = (listed("add")?, listed("remove")?);
    for pipeline in &add {
        account.check_link("visible_pipeline_ids", "pipelines", &json!(pipeline))?;
        show(account, id, *pipeline, true);
    }
    for pipeline in &remove {
        show(account, id, *pipeline, false);
    }
    seen(account, id, true)
}
