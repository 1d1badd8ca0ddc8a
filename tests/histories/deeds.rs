//! What people do to an account: the deeds of a history, over the wire, on whatever is there.
//!
//! The service may refuse any of them (a merge with itself, a line without a product): then nothing has happened,
//! and the history goes on.

use serde_json::{Map, Value, json};

use super::dice::{Deed, Dice};
use crate::support::World;

/// The rows of a kind that are alive.
pub(super) fn living(judge: &Value, kind: &str) -> Vec<Value> {
    let rows = judge[kind].as_array().into_iter().flatten();
    let alive = |row: &&Value| {
        row["is_deleted"] != json!(true)
            && (row["active_flag"] != json!(false) || matches!(kind, "Users" | "Currencies" | "DealParticipants"))
    };
    rows.filter(alive).cloned().collect()
}

/// A kind that is edited and deleted by its id: where it is, its verb, its text, and what one may take from another.
struct Plain(&'static str, &'static str, &'static str, &'static str, &'static [&'static str]);

const PLAIN: &[Plain] = &[
    Plain(
        "Organizations",
        "/api/v2/organizations",
        "PATCH",
        "name",
        &["owner_id", "address", "label_ids", "visible_to", "website"],
    ),
    Plain(
        "Persons",
        "/api/v2/persons",
        "PATCH",
        "name",
        &["owner_id", "org_id", "emails", "phones", "label_ids", "birthday"],
    ),
    Plain(
        "Deals",
        "/api/v2/deals",
        "PATCH",
        "title",
        &["owner_id", "person_id", "org_id", "stage_id", "value", "expected_close_date", "label_ids", "status"],
    ),
    Plain(
        "Leads",
        "/v1/leads",
        "PATCH",
        "title",
        &["owner_id", "person_id", "organization_id", "label_ids", "value", "expected_close_date"],
    ),
    Plain(
        "Activities",
        "/api/v2/activities",
        "PATCH",
        "subject",
        &["owner_id", "deal_id", "org_id", "due_date", "done", "type", "participants", "note"],
    ),
    Plain("Notes", "/v1/notes", "PUT", "content", &["deal_id", "person_id", "org_id", "user_id"]),
    Plain(
        "Products",
        "/api/v2/products",
        "PATCH",
        "name",
        &["owner_id", "unit", "tax", "code", "description", "visible_to"],
    ),
    Plain(
        "Projects",
        "/api/v2/projects",
        "PATCH",
        "title",
        &["owner_id", "deal_ids", "person_ids", "org_ids", "start_date"],
    ),
    Plain("Tasks", "/api/v2/tasks", "PATCH", "title", &["due_date"]),
    Plain("Stages", "/api/v2/stages", "PATCH", "name", &["deal_probability"]),
    Plain("Pipelines", "/api/v2/pipelines", "PATCH", "name", &[]),
    Plain("LeadLabels", "/v1/leadLabels", "PATCH", "name", &["color"]),
    Plain("ActivityTypes", "/v1/activityTypes", "PUT", "name", &["icon_key"]),
    Plain("Files", "/v1/files", "PUT", "name", &["description"]),
    Plain("Filters", "/v1/filters", "PUT", "name", &[]),
    Plain("OrganizationRelationships", "/v1/organizationRelationships", "PUT", "", &["type"]),
];

/// How much oftener than others a kind is met.
const OFTEN: &[&str] = &["Organizations", "Persons", "Deals", "Leads", "Activities", "Notes", "Products"];

/// Does one deed; answers in words what took place.
pub(super) fn perform(world: &World, deed: Deed, dice: &mut Dice) -> String {
    let judge = world.judge();
    let request = match deed {
        Deed::Create => create(&judge, dice),
        Deed::Edit => edit(&judge, dice),
        Deed::Link => link(&judge, dice),
        Deed::Delete => delete(&judge, dice),
        Deed::Merge => merge(&judge, dice),
        Deed::Wait => {
            let seconds = 60 + dice.below(86_400) as u64;
            world.advance_seconds(seconds);
            return format!("{seconds} s pass");
        }
        Deed::Snapshot | Deed::Restore => unreachable!("no deed of people"),
    };
    // Everything takes time: what happens later has a later stamp.
    world.advance_seconds(1 + dice.below(120) as u64);
    let Some((verb, path, body)) = request else { return "nothing to do it to".to_owned() };
    let (status, _) = world.attempt(verb, &path, body.as_ref());
    assert!(status < 500, "{verb} {path} {body:?}: {status}");
    format!("{verb} {path} {} -> {status}", body.map_or_else(String::new, |body| body.to_string()))
}

type Request = Option<(&'static str, String, Option<Value>)>;

/// A row's id in a path.
fn text(id: &Value) -> String {
    id.as_str().map_or_else(|| id.to_string(), str::to_owned)
}

fn some_plain(judge: &Value, dice: &mut Dice) -> Option<(&'static Plain, Vec<Value>, Value)> {
    let kind = if dice.chance(70) {
        let name = dice.pick(OFTEN)?;
        PLAIN.iter().find(|plain| plain.0 == *name)?
    } else {
        dice.pick(PLAIN)?
    };
    let rows = living(judge, kind.0);
    let row = dice.pick(&rows)?.clone();
    Some((kind, rows, row))
}

fn create(judge: &Value, dice: &mut Dice) -> Request {
    let mark = format!("made {:04x}", dice.below(0x10000));
    let mut one = |kind: &str, field: &str| {
        let rows = living(judge, kind);
        dice.value(&rows, field)
    };
    let (person, org, deal, lead) =
        (one("Persons", "id"), one("Organizations", "id"), one("Deals", "id"), one("Leads", "id"));
    let (user, stage, product, project) =
        (one("Users", "id"), one("Stages", "id"), one("Products", "id"), one("Projects", "id"));
    let (label, kind, note, pipeline) =
        (one("LeadLabels", "id"), one("ActivityTypes", "key_string"), one("Notes", "id"), one("Pipelines", "id"));
    let post = |path: &str, body: Value| Some(("POST", path.to_owned(), Some(body)));
    let parent =
        [("deal_id", &deal), ("person_id", &person), ("org_id", &org), ("lead_id", &lead), ("project_id", &project)];
    let parent = parent[dice.below(parent.len())];
    match dice.below(16) {
        0 => post("/api/v2/organizations", json!({"name": mark, "owner_id": user})),
        1 => post(
            "/api/v2/persons",
            json!({"name": mark, "org_id": org, "emails": [{"value": format!("{}@made.example", mark.replace(' ', ".")), "primary": true, "label": "work"}]}),
        ),
        2 | 3 => post(
            "/api/v2/deals",
            json!({"title": mark, "stage_id": stage, "person_id": person, "org_id": org, "value": dice.below(5_000), "owner_id": user}),
        ),
        4 => post("/v1/leads", json!({"title": mark, "person_id": person, "label_ids": [label]})),
        5 => post("/v1/leads", json!({"title": mark, "organization_id": org})),
        6 | 7 => post(
            "/api/v2/activities",
            json!({"subject": mark, "type": kind, parent.0: parent.1, "participants": [{"person_id": person, "primary": true}]}),
        ),
        8 | 9 => post("/v1/notes", json!({"content": mark, parent.0: parent.1})),
        10 => {
            post("/api/v2/products", json!({"name": mark, "prices": [{"currency": "EUR", "price": dice.below(900)}]}))
        }
        11 => post(
            &format!("/api/v2/deals/{deal}/products"),
            json!({"product_id": product, "item_price": dice.below(900), "quantity": 1 + dice.below(4)}),
        ),
        12 => post(&format!("/v1/notes/{note}/comments"), json!({"content": mark})),
        13 => post("/v1/leadLabels", json!({"name": mark, "color": "blue"})),
        14 => post("/api/v2/stages", json!({"name": mark, "pipeline_id": pipeline})),
        _ => post("/v1/activityTypes", json!({"name": mark, "icon_key": "task"})),
    }
}

fn edit(judge: &Value, dice: &mut Dice) -> Request {
    let (kind, rows, row) = some_plain(judge, dice)?;
    let path = format!("{}/{}", kind.1, text(&row["id"]));
    let mut body = Map::new();
    for _ in 0..1 + dice.below(2) {
        match (dice.below(4), dice.pick(kind.4)) {
            (0, _) if !kind.3.is_empty() => {
                body.insert(kind.3.to_owned(), json!(format!("edited {:04x}", dice.below(0x10000))));
            }
            (1, _) if row["custom_fields"].is_object() => {
                body.insert("custom_fields".to_owned(), custom(&rows, dice));
            }
            (_, Some(field)) => drop(body.insert((*field).to_owned(), dice.value(&rows, field))),
            _ => {}
        }
    }
    (!body.is_empty()).then_some((kind.2, path, Some(Value::Object(body))))
}

/// A custom value of one of the rows, or none.
fn custom(rows: &[Value], dice: &mut Dice) -> Value {
    let other = dice.value(rows, "custom_fields");
    let fields: Vec<(&String, &Value)> = other.as_object().into_iter().flatten().collect();
    let Some((code, value)) = dice.pick(&fields) else { return json!({}) };
    if dice.chance(30) { json!({code.as_str(): null}) } else { json!({code.as_str(): value}) }
}

fn link(judge: &Value, dice: &mut Dice) -> Request {
    let mut one = |kind: &str| {
        let rows = living(judge, kind);
        dice.value(&rows, "id")
    };
    let (person, org, other, deal, user, product) =
        (one("Persons"), one("Organizations"), one("Organizations"), one("Deals"), one("Users"), one("Products"));
    let post = |path: String, body: Value| Some(("POST", path, Some(body)));
    let follower = json!({"user_id": user});
    match dice.below(12) {
        0 => post(format!("/api/v2/deals/{deal}/followers"), follower),
        1 => post(format!("/api/v2/persons/{person}/followers"), follower),
        2 => post(format!("/api/v2/organizations/{org}/followers"), follower),
        3 => post(format!("/api/v2/products/{product}/followers"), follower),
        4 => post(format!("/v1/deals/{deal}/participants"), json!({"person_id": person})),
        5 => post(
            "/v1/organizationRelationships".to_owned(),
            json!({"type": "related", "rel_owner_org_id": org, "rel_linked_org_id": other}),
        ),
        6 => {
            let row = dice.pick(&living(judge, "DealParticipants"))?.clone();
            Some(("DELETE", format!("/v1/deals/{}/participants/{}", row["deal_id"], row["id"]), None))
        }
        7 | 8 => {
            let (kind, path, parent) = *dice.pick(&[
                ("DealFollowers", "deals", "deal_id"),
                ("PersonFollowers", "persons", "person_id"),
                ("OrganizationFollowers", "organizations", "org_id"),
                ("ProductFollowers", "products", "product_id"),
            ])?;
            let row = dice.pick(&living(judge, kind))?.clone();
            Some(("DELETE", format!("/api/v2/{path}/{}/followers/{}", row[parent], row["user_id"]), None))
        }
        9 => Some(("PATCH", format!("/api/v2/persons/{person}"), Some(json!({"org_id": org})))),
        10 => Some(("PATCH", format!("/api/v2/deals/{deal}"), Some(json!({"person_id": person, "org_id": org})))),
        _ => {
            let row = dice.pick(&living(judge, "Notes"))?.clone();
            Some(("PUT", format!("/v1/notes/{}", row["id"]), Some(json!({"deal_id": deal, "pinned_to_deal_flag": 1}))))
        }
    }
}

fn delete(judge: &Value, dice: &mut Dice) -> Request {
    let gone = |path: String| Some(("DELETE", path, None));
    match dice.below(20) {
        0 | 1 => {
            let row = dice.pick(&living(judge, "DealProducts"))?.clone();
            gone(format!("/api/v2/deals/{}/products/{}", row["deal_id"], row["id"]))
        }
        2 => {
            let row = dice.pick(&living(judge, "NoteComments"))?.clone();
            gone(format!("/v1/notes/{}/comments/{}", row["note_id"], text(&row["uuid"])))
        }
        3 => {
            let row = dice.pick(&living(judge, "ProductVariations"))?.clone();
            gone(format!("/api/v2/products/{}/variations/{}", row["product_id"], row["id"]))
        }
        _ => {
            let (kind, _, row) = some_plain(judge, dice)?;
            gone(format!("{}/{}", kind.1, text(&row["id"])))
        }
    }
}

fn merge(judge: &Value, dice: &mut Dice) -> Request {
    let kind = *dice.pick(&["Persons", "Organizations", "Deals"])?;
    let rows = living(judge, kind);
    let (what, with) = (dice.value(&rows, "id"), dice.value(&rows, "id"));
    Some(("PUT", format!("/v1/{}/{what}/merge", kind.to_lowercase()), Some(json!({"merge_with_id": with}))))
}
