//! Creating, changing and deleting the records that live in v2: what all of them share.
//!
//! The order is always: check the body against the contract, lay it over the row, let the kind's own rules settle what follows from it,
//! write, let the counters follow. The rules of a kind are in its own file.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::sandbox::account::{Account, facts};
use crate::sandbox::answer::{Answer, Outcome, invalid, refusal, single};
use crate::sandbox::call::Call;
use crate::sandbox::contract::{Contract, Version};
use crate::sandbox::row::Id;
use crate::sandbox::{
    activities, boards, check, contacts, custom, deals, followers, history, mail, pipelines, products, projects, roles,
    show,
};

/// Kinds that share these operations.
pub(super) const RECORDS: &[&str] = &[
    "deals",
    "persons",
    "organizations",
    "activities",
    "products",
    "pipelines",
    "stages",
    "projects",
    "tasks",
    "boards",
    "phases",
];

/// A row before and during a write.
#[derive(Debug)]
pub(super) struct Draft {
    /// The row as it was; none on creation.
    pub(super) old: Option<Map<String, Value>>,
    /// The row as it will be.
    pub(super) row: Map<String, Value>,
    /// What was sent, checked.
    pub(super) sent: Map<String, Value>,
}

impl Draft {
    /// Whether the write says something about a member.
    pub(super) fn says(&self, member: &str) -> bool {
        self.sent.contains_key(member)
    }

    /// Whether the member is another than before.
    pub(super) fn changes(&self, member: &str) -> bool {
        self.old.as_ref().and_then(|old| old.get(member)) != self.row.get(member)
    }

    /// Puts a member.
    pub(super) fn set(&mut self, member: &str, value: impl Into<Value>) {
        self.row.insert(member.to_owned(), value.into());
    }

    /// The text of a member.
    pub(super) fn word(&self, member: &str) -> Option<&str> {
        self.row.get(member).and_then(Value::as_str)
    }

    /// The number of a member.
    pub(super) fn number(&self, member: &str) -> Option<u64> {
        self.row.get(member).and_then(Value::as_u64)
    }
}

/// POST: a new record.
pub(super) fn create(account: &mut Account, contract: &Contract, call: &Call<'_>, kind: &'static str) -> Outcome {
    let sent = check::body(call, account.rigour())?;
    let row = blank(account, contract, kind);
    let mut draft = Draft { old: None, row, sent };
    overlay(account, kind, &mut draft)?;
    settle(account, kind, &mut draft)?;
    let id = account.next_id(kind);
    draft.set("id", id);
    let id = Id::Number(id);
    if kind == "products" {
        products::own_prices(&id, &mut draft.row);
    }
    account.write(kind, &id, &draft.row);
    followers::welcome(account, kind, &id, &draft.row);
    match kind {
        "deals" => crate::sandbox::participants::welcome(account, &id, &draft),
        "pipelines" => {
            pipelines::default_stages(account, &id);
            roles::welcome(account, &id);
        }
        _ => {}
    }
    // These answer 201 and the others 200: the documented statuses.
    let status = if ["products", "projects", "tasks"].contains(&kind) { 201 } else { 200 };
    single(status, show::value(account, facts(kind), &id))
}

/// PATCH: changes of a record.
pub(super) fn update(account: &mut Account, call: &Call<'_>, kind: &'static str) -> Outcome {
    let id = Id::Number(call.number("id")?);
    let old = account.row(kind, &id)?;
    let sent = check::body(call, account.rigour())?;
    let mut draft = Draft { row: old.clone(), old: Some(old), sent };
    if kind == "deals" {
        if let Some(outcome) = deals::back_from_the_dead(account, &id, &mut draft)? {
            return Ok(outcome);
        }
        deals::may_edit(account, &draft)?;
    } else if !account.is_live(kind, &id) {
        return Err(crate::sandbox::answer::not_found(facts(kind)));
    }
    if kind == "projects" {
        projects::may_edit(account, &draft)?;
    }
    overlay(account, kind, &mut draft)?;
    settle(account, kind, &mut draft)?;
    if kind == "products" {
        products::own_prices(&id, &mut draft.row);
    }
    if Some(&draft.row) != draft.old.as_ref() {
        history::note(account, kind, &id, &draft);
        draft.set("update_time", account.stamp(kind));
    }
    account.write(kind, &id, &draft.row);
    if kind == "deals" {
        crate::sandbox::participants::welcome(account, &id, &draft);
    }
    single(200, show::value(account, facts(kind), &id))
}

/// DELETE: the record is marked and waits for its purge.
pub(super) fn delete(account: &mut Account, call: &Call<'_>, kind: &'static str) -> Outcome {
    let id = Id::Number(call.number("id")?);
    let mut row = account.live(kind, &id)?;
    if kind == "deals" && row.get("is_archived") == Some(&json!(true)) && !account.assume.yes("archived-delete") {
        return Err(refusal(403, "Archived deals cannot be deleted."));
    }
    if ["stages", "pipelines"].contains(&kind) {
        pipelines::may_delete(account, kind, &id)?;
    }
    row.insert("is_deleted".into(), json!(true));
    row.insert("update_time".into(), account.stamp(kind).into());
    account.write(kind, &id, &row);
    match kind {
        "tasks" => projects::take_along(account, ("tasks", "parent_task_id"), &id),
        // Not told; a phase is only ever listed under its board, so nobody could see one that stayed.
        "boards" => projects::take_along(account, ("phases", "board_id"), &id),
        _ => {}
    }
    if ["persons", "organizations"].contains(&kind) {
        contacts::orphan(account, kind, &id);
    }
    if kind == "deals" {
        mail::unlink(account, kind, &id);
    }
    if kind == "pipelines" {
        roles::forget(account, &id);
    }
    single(200, json!({"id": row["id"]}))
}

/// Lays what was sent over the row. Custom fields, links and option ids are checked on the way.
fn overlay(account: &Account, kind: &'static str, draft: &mut Draft) -> Result<(), Answer> {
    for (member, value) in draft.sent.clone() {
        match member.as_str() {
            "custom_fields" => {
                let table = facts(kind).fields.ok_or_else(|| invalid("custom_fields", "is not allowed"))?;
                custom::apply(account, table, &mut draft.row, value)?;
            }
            "owner_id" | "person_id" | "org_id" | "stage_id" | "pipeline_id" | "deal_id" | "project_id"
            | "board_id" | "phase_id" | "parent_task_id" => {
                account.check_link(&member, target(&member), &value)?;
                draft.row.insert(member, value);
            }
            "lead_id" => {
                account.check_link(&member, "leads", &value)?;
                draft.row.insert(member, value);
            }
            "label_ids" => {
                check_labels(account, kind, &value)?;
                draft.row.insert(member, if value.is_null() { json!([]) } else { value });
            }
            "visible_to" if ![1, 3, 5, 7].iter().any(|one| value == json!(one)) => {
                return Err(invalid("visible_to", "must be one of the allowed values"));
            }
            "address" | "location" | "postal_address" if !value.is_null() => {
                let whole = custom::address(value, &member)?;
                draft.row.insert(member, whole);
            }
            _ => drop(draft.row.insert(member, value)),
        }
    }
    Ok(())
}

fn target(member: &str) -> &'static str {
    match member {
        "owner_id" => "users",
        "person_id" => "persons",
        "org_id" => "organizations",
        "stage_id" => "stages",
        "pipeline_id" => "pipelines",
        "project_id" => "projects",
        "board_id" => "boards",
        "phase_id" => "phases",
        "parent_task_id" => "tasks",
        _ => "deals",
    }
}

/// Labels are option ids of the built-in label field. api/custom-fields.md, "Special cases".
fn check_labels(account: &Account, kind: &str, value: &Value) -> Result<(), Answer> {
    let Some(table) = facts(kind).fields else { return Ok(()) };
    let known = custom::fields(account, table);
    let Some(labels) = known.iter().find(|field| field.code == "label_ids" || field.code == "label") else {
        return Ok(());
    };
    let unknown = |id: &Value| !labels.options.iter().any(|(option, _)| option == id);
    match value.as_array().and_then(|ids| ids.iter().find(|id| unknown(id))) {
        Some(id) if account.assume.is("references", "checked") => {
            Err(invalid("label_ids", &format!("unknown label {id}")))
        }
        _ => Ok(()),
    }
}

fn settle(account: &Account, kind: &str, draft: &mut Draft) -> Result<(), Answer> {
    match kind {
        "deals" => deals::settle(account, draft),
        "persons" => contacts::settle_person(draft),
        "activities" => activities::settle(account, draft),
        "products" => products::settle(account, draft),
        "stages" => pipelines::settle_stage(account, draft),
        "pipelines" => pipelines::settle_pipeline(account, draft),
        "projects" => projects::settle(account, draft),
        "tasks" => projects::settle_task(account, draft),
        "boards" => boards::settle(account, draft, "boards"),
        "phases" => boards::settle(account, draft, "phases"),
        _ => Ok(()),
    }
}

/// A row in which every member that the contract returns has its first value.
fn blank(account: &Account, contract: &Contract, kind: &'static str) -> Map<String, Value> {
    let path = format!("/{kind}/{{id}}");
    let operation = contract.operation(Version::V2, "GET", &path);
    let described: BTreeMap<String, String> = operation.map(|one| one.returned.clone()).unwrap_or_default();
    let mut row: Map<String, Value> = described
        .into_iter()
        // The stray members of the organization example (api/objects.md, Organizations).
        .filter(|(name, _)| kind != "organizations" || (name != "org_id" && name != "picture_id"))
        .map(|(name, shape)| (name, if shape == "array" { json!([]) } else { Value::Null }))
        .collect();
    for name in contract.optional(kind) {
        let first = if name.ends_with("_count") {
            json!(0)
        } else if name == "attendees" {
            json!([])
        } else {
            Value::Null
        };
        row.insert(name, first);
    }
    let now = account.stamp(kind);
    let firsts = [
        ("add_time", json!(now)),
        ("update_time", json!(now)),
        ("is_deleted", json!(false)),
        ("owner_id", json!(account.me)),
        ("creator_user_id", json!(account.me)),
        ("visible_to", json!(3)),
    ];
    for (name, first) in firsts {
        if row.contains_key(name) {
            row.insert(name.to_owned(), first);
        }
    }
    if facts(kind).fields.is_some() {
        row.insert("custom_fields".into(), json!({}));
    }
    row
}
