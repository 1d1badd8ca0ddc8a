//! Goals: found by criteria, shown with a name for people, written with a name for machines.
//!
//! api/objects.md, Goals, and the description of `GET /goals/find`: without a criterion that names a kind of goal only the caller's own
//! come, and only the active ones unless `is_active` says otherwise.

use serde_json::{Map, Value, json};

use crate::sandbox::account::Account;
use crate::sandbox::answer::{Answer, Outcome, refusal};
use crate::sandbox::call::Call;
use crate::sandbox::check;
use crate::sandbox::clock;
use crate::sandbox::row::Id;

type Row = Map<String, Value>;

const KIND: &str = "goals";
/// Kinds of goals as writes name them; reads show them to people. `revenue_forecast` is in the text, not in the enumeration of the search.
const TYPES: &[&str] =
    &["deals_won", "deals_progressed", "activities_completed", "activities_added", "deals_started", "revenue_forecast"];
/// Criteria that bring everyone's goals.
const EVERYONES: &[&str] = &[
    "type.name",
    "assignee.type",
    "expected_outcome.target",
    "expected_outcome.tracking_metric",
    "expected_outcome.currency_id",
    "type.params.pipeline_id",
    "type.params.stage_id",
    "type.params.activity_type_id",
];

/// One request about goals.
pub(super) fn serve(account: &mut Account, call: &Call<'_>) -> Outcome {
    match call.operation.method.as_str() {
        "GET" if call.operation.path == "/goals/find" => find(account, call),
        "POST" => create(account, call),
        "PUT" => update(account, call),
        "DELETE" => {
            let id = goal(call);
            account.live(KIND, &id)?;
            account.erase(KIND, &id);
            Ok(Answer::json(200, &envelope(None)))
        }
        _ => Err(refusal(501, "The sandbox does not offer this.")),
    }
}

fn goal(call: &Call<'_>) -> Id {
    Id::Text(call.value("id").into())
}

/// api/wire.md, Irregular shapes.
fn envelope(data: Option<Value>) -> Value {
    let mut body = json!({"success": true, "statusCode": 20000, "statusText": "OK", "service": "statistics-goals-api"});
    if let Some(data) = data {
        body["data"] = data;
    }
    body
}

fn is_active(account: &Account, row: &Row) -> bool {
    let today = account.clock.now().format("%Y-%m-%d").to_string();
    row["duration"]["end"].as_str().is_none_or(|end| end >= today.as_str())
}

fn shown(account: &Account, row: &Row) -> Value {
    let mut row = row.clone();
    let name = row["type"]["name"].as_str().unwrap_or_default().replace('_', " ");
    let mut letters = name.chars();
    let name: String = letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect();
    row["type"]["name"] = json!(name);
    row.insert("is_active".into(), json!(is_active(account, &row)));
    Value::Object(row)
}

fn find(account: &Account, call: &Call<'_>) -> Outcome {
    let everyones = EVERYONES.iter().any(|name| call.asked(name).is_some());
    let active = call.asked("is_active") != Some("false");
    let ids = account.store.table(KIND).rows.keys();
    let rows = ids.filter_map(|id| account.store.get(KIND, id));
    let kept = rows.filter(|row| {
        let own = row["assignee"]["type"] == "person" && row["assignee"]["id"] == json!(account.me);
        is_active(account, row) == active
            && (everyones || call.asked("assignee.id").is_some() || own)
            && call.query.iter().all(|(name, value)| meets(row, name, value))
    });
    let rows: Vec<Value> = kept.map(|row| shown(account, &row)).collect();
    Ok(Answer::json(200, &envelope(Some(json!({"goals": rows})))))
}

/// Whether a goal has this value in a field named in dot notation; what is no such field asks nothing.
fn meets(row: &Row, name: &str, value: &str) -> bool {
    if name == "is_active" || name.starts_with("period.") {
        return true;
    }
    let whole = Value::Object(row.clone());
    let pointer = format!("/{}", name.replace('.', "/"));
    match whole.pointer(&pointer) {
        Some(Value::Array(all)) => all.iter().any(|one| *one == number(&Value::from(value))),
        Some(Value::String(text)) => text == value,
        Some(other) => *other == number(&Value::from(value)),
        None => false,
    }
}

fn create(account: &mut Account, call: &Call<'_>) -> Outcome {
    let sent = check::body(call, account.rigour())?;
    check_goal(account, &sent)?;
    let id = account.random_hex(32);
    let report = account.random_hex(32);
    let mut row = sent;
    row.entry("title").or_insert(Value::Null);
    row.insert("id".into(), json!(id));
    row.insert("owner_id".into(), json!(account.me));
    // A report is made beside each goal: api/restore-hazards.md 4, Goals.
    row.insert("report_ids".into(), json!([report]));
    account.write(KIND, &Id::Text(id.into()), &row);
    Ok(Answer::json(200, &envelope(Some(json!({"goal": shown(account, &row)})))))
}

fn update(account: &mut Account, call: &Call<'_>) -> Outcome {
    let id = goal(call);
    let mut row = account.live(KIND, &id)?;
    row.extend(check::body(call, account.rigour())?);
    check_goal(account, &row)?;
    account.write(KIND, &id, &row);
    Ok(Answer::json(200, &envelope(Some(json!({"goal": shown(account, &row)})))))
}

/// What the description says of the three objects inside a goal.
fn check_goal(account: &Account, row: &Row) -> Result<(), Answer> {
    let bad = |what: &str| refusal(400, format!("Bad request: {what} is not valid"));
    let kind = row["type"]["name"].as_str().filter(|name| TYPES.contains(name)).ok_or_else(|| bad("type.name"))?;
    let params = &row["type"]["params"];
    if !params["stage_id"].is_null() && kind != "deals_progressed" {
        return Err(bad("type.params.stage_id"));
    }
    for (name, table) in [("pipeline_id", "pipelines"), ("activity_type_id", "activityTypes")] {
        match &params[name] {
            Value::Null => {}
            Value::Array(ids) => ids.iter().try_for_each(|id| account.check_link(name, table, id))?,
            _ => return Err(bad(&format!("type.params.{name}"))),
        }
    }
    account.check_link("stage_id", "stages", &params["stage_id"])?;
    let (who, id) = (&row["assignee"]["type"], &row["assignee"]["id"]);
    match who.as_str() {
        Some("person") => account.check_link("assignee.id", "users", &number(id))?,
        Some("team") => account.check_link("assignee.id", "legacyTeams", &number(id))?,
        Some("company") => {}
        _ => return Err(bad("assignee.type")),
    }
    let outcome = &row["expected_outcome"];
    match (outcome["tracking_metric"].as_str(), &outcome["currency_id"]) {
        (Some("quantity"), Value::Null) => {}
        (Some("sum"), currency) => account.check_link("currency_id", "currencies", &number(currency))?,
        _ => return Err(bad("expected_outcome")),
    }
    if outcome["target"].is_null() {
        return Err(bad("expected_outcome.target"));
    }
    let day = |name: &str| row["duration"][name].as_str();
    if !day("start").is_some_and(clock::is_day) || day("end").is_some_and(|end| !clock::is_day(end)) {
        return Err(bad("duration"));
    }
    Ok(())
}

/// Ids come as texts, too: the description writes `"id": "1"`.
fn number(id: &Value) -> Value {
    id.as_str().and_then(|text| text.parse::<u64>().ok()).map_or_else(|| id.clone(), Value::from)
}
