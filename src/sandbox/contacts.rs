//! The rules of persons and organizations: names, addresses of mail and phone, and who loses them when they are deleted.

use serde_json::{Value, json};

use crate::sandbox::account::Account;
use crate::sandbox::answer::{Answer, invalid};
use crate::sandbox::records::Draft;
use crate::sandbox::row::Id;

/// Splits the name and orders mails and phones.
pub(super) fn settle_person(draft: &mut Draft) -> Result<(), Answer> {
    let name = draft.word("name").unwrap_or_default().trim().to_owned();
    if name.is_empty() {
        return Err(invalid("name", "is required"));
    }
    // The server splits, so a first name of two words comes back differently: api/restore-hazards.md, "Persons".
    let (first, last) = name.split_once(' ').map_or((name.as_str(), None), |(first, last)| (first, Some(last)));
    draft.set("first_name", first);
    draft.set("last_name", last);
    for member in ["emails", "phones", "im"] {
        let list = match draft.row.get(member) {
            Some(Value::Array(list)) => list.clone(),
            _ if member == "im" => continue,
            _ => Vec::new(),
        };
        draft.set(member, reached(list));
    }
    Ok(())
}

/// api/custom-fields.md: only the value is needed, the label defaults to `work`, at most one is primary, the first wins if none is.
fn reached(list: Vec<Value>) -> Value {
    let mut chosen = list.iter().position(|one| one.get("primary") == Some(&json!(true))).unwrap_or(0);
    let kept = list
        .into_iter()
        .enumerate()
        .filter(|(_, one)| one.get("value").and_then(Value::as_str).is_some_and(|v| !v.is_empty()));
    let kept: Vec<(usize, Value)> = kept.collect();
    if !kept.iter().any(|(at, _)| *at == chosen) {
        chosen = kept.first().map_or(0, |(at, _)| *at);
    }
    let whole = |(at, one): &(usize, Value)| {
        let label = one.get("label").filter(|label| label.is_string()).cloned().unwrap_or_else(|| json!("work"));
        json!({"value": one["value"], "primary": *at == chosen, "label": label})
    };
    kept.iter().map(whole).collect()
}

/// What points at a deleted person or organization loses its id, or keeps it (assumption `orphans`).
///
/// Notes, files and activities keep theirs either way: nothing described touches them, and their history names the record.
pub(super) fn orphan(account: &mut Account, kind: &'static str, id: &Id) {
    if account.assume.is("orphans", "keep") {
        return;
    }
    let places: &[(&str, &str)] = match kind {
        "persons" => &[("deals", "person_id"), ("leads", "person_id")],
        _ => &[("deals", "org_id"), ("leads", "organization_id"), ("persons", "org_id")],
    };
    for (child_kind, member) in places {
        let children: Vec<Id> = account.store.children(child_kind, member, id).cloned().collect();
        for child in children {
            let Some(mut row) = account.store.get(child_kind, &child) else { continue };
            row.insert((*member).to_owned(), Value::Null);
            row.insert("update_time".into(), account.stamp(child_kind).into());
            account.write(child_kind, &child, &row);
        }
    }
}
