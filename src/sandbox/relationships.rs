//! Relationships between organizations: one row that is listed under both, nested on reads and plain on writes.
//!
//! api/objects.md, OrganizationRelationships: `org_id` is required to list; `active_flag` is a text.

use serde_json::{Map, Value, json};

use crate::sandbox::account::{Account, facts};
use crate::sandbox::answer::{Answer, Outcome, not_found, offset_page, refusal, single};
use crate::sandbox::call::Call;
use crate::sandbox::check;
use crate::sandbox::offset::Window;
use crate::sandbox::row::Id;

const KIND: &str = "organizationRelationships";
const ENDS: [&str; 2] = ["rel_owner_org_id", "rel_linked_org_id"];

/// One request about relationships.
pub(super) fn serve(account: &mut Account, call: &Call<'_>) -> Outcome {
    match (call.operation.method.as_str(), call.operation.path.as_str()) {
        ("GET", "/organizationRelationships") => list(account, call),
        ("POST", _) => create(account, call),
        (method, _) => {
            let id = Id::Number(call.number("id")?);
            let row = visible(account, &id).ok_or_else(|| not_found(facts(KIND)))?;
            match method {
                "GET" => single(200, shown(account, &row, call.asked_number("org_id")?)),
                "PUT" => update(account, call, &id, row),
                _ => {
                    account.erase(KIND, &id);
                    single(200, json!({"id": row["id"]}))
                }
            }
        }
    }
}

/// The row, while both ends are there.
fn visible(account: &Account, id: &Id) -> Option<Map<String, Value>> {
    let row = account.store.get(KIND, id)?;
    let there = |end: &str| row[end].as_u64().is_some_and(|id| account.is_live("organizations", &Id::Number(id)));
    ENDS.iter().all(|end| there(end)).then_some(row)
}

fn list(account: &Account, call: &Call<'_>) -> Outcome {
    let organization = call.asked_number("org_id")?.unwrap_or_default();
    account.live("organizations", &Id::Number(organization))?;
    let mut ids: Vec<&Id> = ENDS
        .iter()
        .flat_map(|end| account.store.children(KIND, end, &Id::Number(organization)))
        .filter(|id| visible(account, id).is_some())
        .collect();
    ids.sort();
    ids.dedup();
    // The answer shows pagination, but no parameter for it is described: whether there are pages is not known.
    let paged = account.assume.is("relation-pages", "paged");
    let window = Window::read(call, if paged { 2 } else { usize::MAX })?;
    let page = if paged { window.of(&ids) } else { &ids[..] };
    let row =
        |id: &&Id| shown(account, &account.store.get(KIND, id).unwrap_or_default(), Some(organization)).to_string();
    let rows: Vec<String> = page.iter().map(row).collect();
    let pagination = if paged {
        window.pagination(account, ids.len())
    } else {
        json!({"start": 0, "limit": 100, "more_items_in_collection": false})
    };
    offset_page(&rows.join(","), Some(pagination), None)
}

/// The row as one of its organizations sees it.
fn shown(account: &Account, row: &Map<String, Value>, seen_from: Option<u64>) -> Value {
    let nested = |end: &str| {
        let id = row[end].as_u64()?;
        let organization = account.store.get("organizations", &Id::Number(id))?;
        Some(json!({
            "name": organization.get("name"), "people_count": organization.get("people_count"),
            "owner_id": organization.get("owner_id"), "address": null, "cc_email": null, "value": id,
        }))
    };
    let [owner, linked] = ENDS.map(nested);
    let is_owner = seen_from.is_none_or(|id| row[ENDS[0]] == json!(id));
    let other = if is_owner { &linked } else { &owner };
    let role = match (row["type"].as_str(), is_owner) {
        (Some("parent"), true) => "daughter",
        (Some("parent"), false) => "parent",
        _ => "related",
    };
    json!({
        "id": row["id"], "type": row["type"], "rel_owner_org_id": owner, "rel_linked_org_id": linked,
        "add_time": row["add_time"], "update_time": row["update_time"], "active_flag": "true",
        "calculated_type": role, "calculated_related_org_id": other.as_ref().map(|other| other["value"].clone()),
        "related_organization_name": other.as_ref().map(|other| other["name"].clone()),
    })
}

fn create(account: &mut Account, call: &Call<'_>) -> Outcome {
    let sent = check::body(call, account.rigour())?;
    let now = account.stamp(KIND);
    let mut row = Map::from_iter(["add_time", "update_time"].map(|time| (time.to_owned(), json!(now))));
    settle(account, &mut row, sent, None)?;
    let id = account.next_id(KIND);
    row.insert("id".into(), json!(id));
    account.write(KIND, &Id::Number(id), &row);
    single(200, shown(account, &row, None))
}

fn update(account: &mut Account, call: &Call<'_>, id: &Id, mut row: Map<String, Value>) -> Outcome {
    let sent = check::body(call, account.rigour())?;
    settle(account, &mut row, sent, Some(id))?;
    row.insert("update_time".into(), account.stamp(KIND).into());
    account.write(KIND, id, &row);
    single(200, shown(account, &row, None))
}

/// Two organizations that are there, not the same, and not related so already.
fn settle(
    account: &Account,
    row: &mut Map<String, Value>,
    sent: Map<String, Value>,
    own: Option<&Id>,
) -> Result<(), Answer> {
    row.extend(sent.into_iter().filter(|(member, value)| member != "org_id" && !value.is_null()));
    for end in ENDS {
        account.check_link(end, "organizations", &row[end]).map_err(|_| not_found(facts("organizations")))?;
    }
    if row[ENDS[0]] == row[ENDS[1]] {
        return Err(refusal(400, "An organization cannot be related to itself."));
    }
    let owner = Id::Number(row[ENDS[0]].as_u64().unwrap_or_default());
    let rows = &account.store.table(KIND).rows;
    let twin = account.store.children(KIND, ENDS[0], &owner).any(|id| {
        Some(id) != own
            && rows[id].number(ENDS[1]) == row[ENDS[1]].as_u64()
            && rows[id].word("type") == row["type"].as_str()
    });
    if twin { Err(refusal(400, "The organizations are related already.")) } else { Ok(()) }
}
