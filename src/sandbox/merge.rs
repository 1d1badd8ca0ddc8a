//! Merging two deals, persons or organizations: one survives with everything that hung on both.
//!
//! The record named by `merge_with_id` survives and its values win. The other disappears like a deleted one, but for good:
//! api/restore-hazards.md, "Merges".

use serde_json::{Map, Value, json};

use crate::sandbox::account::{Account, facts};
use crate::sandbox::answer::{Outcome, refusal, single};
use crate::sandbox::call::Call;
use crate::sandbox::check;
use crate::sandbox::counters;
use crate::sandbox::followers;
use crate::sandbox::kinds::KINDS;
use crate::sandbox::lines;
use crate::sandbox::row::Id;

/// Serves `PUT /v1/{deals,persons,organizations}/{id}/merge`.
pub(super) fn serve(account: &mut Account, call: &Call<'_>, kind: &'static str) -> Outcome {
    let what = Id::Number(call.number("id")?);
    let sent = check::body(call, account.rigour())?;
    let survivor = sent["merge_with_id"].as_u64().unwrap_or_default();
    let with = Id::Number(survivor);
    if what == with {
        return Err(refusal(400, "A record cannot be merged with itself."));
    }
    let gone = account.live(kind, &what)?;
    let mut row = account.live(kind, &with)?;
    complete(&mut row, &gone);
    row.insert("update_time".into(), account.stamp(kind).into());
    account.write(kind, &with, &row);
    let line = if kind == "deals" { lines::lines_of(account, survivor).pop() } else { None };
    move_children(account, kind, &what, &with);
    // A deal has one way of taxing: api/restore-hazards.md 4, Deal products.
    if let Some((_, line)) = line {
        lines::spread_tax_method(account, survivor, &line);
    }
    move_followers(account, kind, &what, &with);
    account.erase_whole(kind, &what);
    for child in KINDS.iter().filter(|child| child.links.iter().any(|(_, target)| *target == kind)) {
        counters::recount(account, facts(kind).name, &with, child.name);
    }
    let mut answer = account.row(kind, &with)?;
    // A call of v1: who may see it is a text, and a picture stands there with its row (v1.yaml, the answers of merges).
    answer.insert("merge_what_id".into(), gone["id"].clone());
    if let Some(group) = answer.get("visible_to").and_then(Value::as_u64) {
        answer.insert("visible_to".into(), json!(group.to_string()));
    }
    if let Some(picture) = answer.get("picture_id").and_then(Value::as_u64) {
        answer.insert("picture_id".into(), json!(account.store.get("personPictures", &Id::Number(picture))));
    }
    single(200, answer)
}

/// What a deal only has beside its status, which is the survivor's: api/restore-hazards.md 3 (lost_time only when lost).
const OF_STATUS: &[&str] = &[
    "won_time",
    "lost_time",
    "close_time",
    "lost_reason",
    "first_won_time",
    "local_won_date",
    "local_lost_date",
    "local_close_date",
    "archive_time",
];

/// What the survivor lacks comes from the other.
fn complete(row: &mut Map<String, Value>, gone: &Map<String, Value>) {
    let lacks = |value: Option<&Value>| match value {
        None | Some(Value::Null) => true,
        Some(Value::Array(list)) => list.is_empty(),
        Some(_) => false,
    };
    for (member, value) in
        gone.iter().filter(|(member, _)| *member != "custom_fields" && !OF_STATUS.contains(&member.as_str()))
    {
        if lacks(row.get(member)) {
            row.insert(member.clone(), value.clone());
        }
    }
    if let (Some(Value::Object(own)), Some(Value::Object(other))) =
        (row.get_mut("custom_fields"), gone.get("custom_fields"))
    {
        for (code, value) in other {
            own.entry(code.clone()).or_insert_with(|| value.clone());
        }
    }
}

fn move_children(account: &mut Account, kind: &'static str, what: &Id, with: &Id) {
    let Id::Number(with_number) = with else { return };
    for child_kind in KINDS.iter().filter(|child| !child.name.ends_with("Followers")) {
        for (member, _) in child_kind.links.iter().filter(|(_, target)| *target == kind) {
            let children: Vec<Id> = account.store.children(child_kind.name, member, what).cloned().collect();
            for id in children {
                let Some(mut row) = account.store.get(child_kind.name, &id) else { continue };
                if child_kind.name == "dealParticipants" && participates(account, member, &row, with) {
                    account.erase(child_kind.name, &id);
                    continue;
                }
                // A person has one picture: the survivor's, if it had one.
                let shown = || account.store.get(kind, with)?.get("picture_id")?.as_u64().map(Id::Number);
                if child_kind.name == "personPictures" && shown().as_ref() != Some(&id) {
                    account.erase(child_kind.name, &id);
                    continue;
                }
                row.insert((*member).to_owned(), json!(with_number));
                // An organization is not related to itself.
                if child_kind.name == "organizationRelationships" && row["rel_owner_org_id"] == row["rel_linked_org_id"]
                {
                    account.erase(child_kind.name, &id);
                    continue;
                }
                move_participant(&mut row, what, with_number);
                account.write(child_kind.name, &id, &row);
            }
        }
    }
}

/// Whether the survivor has the same participant already.
fn participates(account: &Account, member: &str, row: &Map<String, Value>, with: &Id) -> bool {
    let other = if member == "deal_id" { "person_id" } else { "deal_id" };
    let rows = &account.store.table("dealParticipants").rows;
    let mut of_survivor = account.store.children("dealParticipants", member, with);
    of_survivor.any(|id| rows[id].number(other) == row.get(other).and_then(Value::as_u64))
}

/// Activities name their persons twice.
fn move_participant(row: &mut Map<String, Value>, what: &Id, with: &u64) {
    let Id::Number(what) = what else { return };
    for one in row.get_mut("participants").and_then(Value::as_array_mut).into_iter().flatten() {
        if one.get("person_id") == Some(&json!(what)) {
            one["person_id"] = json!(with);
        }
    }
}

fn move_followers(account: &mut Account, kind: &'static str, what: &Id, with: &Id) {
    let (Some(table), Id::Number(what), Id::Number(with)) = (followers::table(kind), what, with) else { return };
    let range = account.store.table(table).rows.range(Id::Pair(*what, 0)..=Id::Pair(*what, u64::MAX));
    let moved: Vec<Id> = range.map(|(id, _)| id.clone()).collect();
    for id in moved {
        let (Id::Pair(_, user), Some(mut row)) = (&id, account.store.get(table, &id)) else { continue };
        let target = Id::Pair(*with, *user);
        if !account.is_live(table, &target) {
            row.insert(counters::link_to(kind).to_owned(), json!(with));
            account.write(table, &target, &row);
        }
        account.erase(table, &id);
    }
}
