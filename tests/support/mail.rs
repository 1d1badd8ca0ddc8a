//! What a mailbox holds, and what records show of mail, as the judge tells it.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::truth::Rows;

/// Living rows of a judge's object.
fn living<'a>(judge: &'a Value, object: &str) -> impl Iterator<Item = &'a Map<String, Value>> {
    let rows = judge[object].as_array().expect("rows").iter().filter_map(Value::as_object);
    rows.filter(|row| row.get("is_deleted") != Some(&Value::Bool(true)))
}

/// The objects of mail as the token's user sees them: own threads and messages, and what records show of shared ones.
pub(super) fn objects(judge: &Value) -> BTreeMap<String, Rows> {
    let me = &living(judge, "Users").find(|user| user["is_you"] == true).expect("one of them")["id"];
    let own = |thread: &Map<String, Value>| thread["user_id"] == *me;
    let threads: BTreeMap<String, &Map<String, Value>> =
        living(judge, "MailThreads").map(|thread| (thread["id"].to_string(), thread)).collect();
    let mut objects: BTreeMap<String, Rows> = BTreeMap::new();
    let mut add = |object: &str, key: String, row: &Map<String, Value>| {
        objects.entry(object.to_owned()).or_default().insert(key, row.clone());
    };
    for (key, thread) in threads.iter().filter(|(_, thread)| own(thread)) {
        add("MailThreads", key.clone(), thread);
    }
    for message in living(judge, "MailMessages") {
        let thread = threads[&message["mail_thread_id"].to_string()];
        if own(thread) {
            add("MailMessages", format!("{}:{}", thread["id"], message["id"]), message);
        }
        for (object, parents, member) in [
            ("DealMailMessages", "Deals", "deal_id"),
            ("PersonMailMessages", "Persons", "person_id"),
            ("OrganizationMailMessages", "Organizations", "org_id"),
        ] {
            let lives = living(judge, parents).any(|parent| parent["id"] == message[member]);
            if lives && (own(thread) || thread["shared_flag"] == 1) {
                add(object, format!("{}:{}", message[member], message["id"]), message);
            }
        }
    }
    objects
}
