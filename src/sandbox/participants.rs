//! Participants of a deal: v1 rows that nest the person they stand for.

use serde_json::{Map, Value, json};

use crate::sandbox::account::{Account, facts};
use crate::sandbox::answer::{Outcome, not_found, offset_page, refusal, single};
use crate::sandbox::call::Call;
use crate::sandbox::check;
use crate::sandbox::offset;
use crate::sandbox::records::Draft;
use crate::sandbox::row::Id;

/// One request about the participants of a deal.
pub(super) fn serve(account: &mut Account, call: &Call<'_>) -> Outcome {
    let deal = call.number("id")?;
    account.live("deals", &Id::Number(deal))?;
    match call.operation.method.as_str() {
        "GET" => list(account, call, deal),
        "POST" => add(account, call, deal),
        _ => {
            let id = Id::Number(call.number("deal_participant_id")?);
            let row = account.row("dealParticipants", &id)?;
            if row.get("deal_id") != Some(&json!(deal)) {
                return Err(not_found(facts("dealParticipants")));
            }
            account.erase("dealParticipants", &id);
            single(200, json!({"id": row["id"]}))
        }
    }
}

/// The deal's person takes part in it, if the sandbox assumes so. api/objects.md, DealParticipants.
pub(super) fn welcome(account: &mut Account, deal: &Id, draft: &Draft) {
    let person = draft.number("person_id");
    if let (Some(person), Id::Number(deal), true) = (person, deal, account.assume.yes("person-participates"))
        && draft.changes("person_id")
        && !takes_part(account, *deal, person)
    {
        put(account, *deal, person);
    }
}

fn takes_part(account: &Account, deal: u64, person: u64) -> bool {
    let rows = &account.store.table("dealParticipants").rows;
    let mut participants = account.store.children("dealParticipants", "deal_id", &Id::Number(deal));
    participants.any(|id| rows[id].number("person_id") == Some(person))
}

fn put(account: &mut Account, deal: u64, person: u64) -> Id {
    let id = account.next_id("dealParticipants");
    let row = json!({
        "id": id, "deal_id": deal, "person_id": person, "added_by_user_id": account.me,
        "add_time": account.stamp("dealParticipants"), "active_flag": true,
    });
    account.write("dealParticipants", &Id::Number(id), row.as_object().expect("a participant is an object"));
    Id::Number(id)
}

fn add(account: &mut Account, call: &Call<'_>, deal: u64) -> Outcome {
    let sent = check::body(call, account.rigour())?;
    let person = sent.get("person_id").and_then(Value::as_u64).unwrap_or_default();
    account.live("persons", &Id::Number(person))?;
    if takes_part(account, deal, person) {
        return Err(refusal(400, "The person is already a participant."));
    }
    let id = put(account, deal, person);
    single(200, shown(account, &id))
}

fn list(account: &Account, call: &Call<'_>, deal: u64) -> Outcome {
    let ids: Vec<&Id> = account.store.children("dealParticipants", "deal_id", &Id::Number(deal)).collect();
    let window = offset::Window::read(call, 500)?;
    let rows: Vec<String> = window.of(&ids).iter().map(|id| shown(account, id).to_string()).collect();
    offset_page(&rows.join(","), Some(window.pagination(account, ids.len())), Some(json!({})))
}

fn shown(account: &Account, id: &Id) -> Value {
    let row = account.store.get("dealParticipants", id).unwrap_or_default();
    let person = nested(account, "persons", row.get("person_id"));
    let short = person.as_ref().map(|(id, person)| {
        json!({"active_flag": person.get("is_deleted") != Some(&json!(true)), "name": person.get("name"),
               "email": person.get("emails"), "phone": person.get("phones"), "value": id})
    });
    let deal = nested(account, "deals", row.get("deal_id"));
    json!({
        "id": row.get("id"), "person_id": short, "add_time": row.get("add_time"), "active_flag": true,
        "related_item_data": deal.as_ref().map(|(id, deal)| json!({"deal_id": id, "title": deal.get("title")})),
        "person": person.map(|(_, person)| whole(account, person)),
        "added_by_user_id": user(account, row.get("added_by_user_id")),
        "related_item_type": "deal", "related_item_id": row.get("deal_id"),
    })
}

fn nested(account: &Account, kind: &str, id: Option<&Value>) -> Option<(u64, Map<String, Value>)> {
    let id = id.and_then(Value::as_u64)?;
    account.store.get(kind, &Id::Number(id)).map(|row| (id, row))
}

fn user(account: &Account, id: Option<&Value>) -> Option<Value> {
    nested(account, "users", id).map(|(id, user)| {
        json!({"id": id, "name": user.get("name"), "email": user.get("email"), "has_pic": 0, "pic_hash": null,
               "active_flag": user.get("active_flag"), "value": id})
    })
}

/// The person as v1 shows it: what it points to is nested, lists have v1's names, and who may see it is a text.
fn whole(account: &Account, mut person: Map<String, Value>) -> Value {
    let organization = nested(account, "organizations", person.get("org_id")).map(|(id, organization)| {
        json!({"name": organization.get("name"), "people_count": organization.get("people_count"),
               "owner_id": organization.get("owner_id"), "address": null, "cc_email": null,
               "active_flag": organization.get("is_deleted") != Some(&json!(true)), "value": id})
    });
    let picture = nested(account, "personPictures", person.get("picture_id")).map(|(_, picture)| picture);
    let owner = user(account, person.get("owner_id"));
    let deleted = person.remove("is_deleted") == Some(json!(true));
    for (name, old) in [("emails", "email"), ("phones", "phone")] {
        let list = person.remove(name).unwrap_or_default();
        person.insert(old.to_owned(), list);
    }
    let seen_by = person.get("visible_to").and_then(Value::as_u64).map(|group| group.to_string());
    let shown = [
        ("org_id", json!(organization)),
        ("owner_id", json!(owner)),
        ("picture_id", json!(picture)),
        ("visible_to", json!(seen_by)),
        ("active_flag", json!(!deleted)),
    ];
    person.extend(shown.map(|(name, value)| (name.to_owned(), value)));
    person.remove("custom_fields");
    Value::Object(person)
}
