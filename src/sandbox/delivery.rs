//! Mail that arrives while the sandbox runs: the one way in which a mailbox grows.

use serde_json::{Map, Value, json};

use crate::sandbox::account::Account;
use crate::sandbox::row::Id;

const THREADS: &str = "mailThreads";
const MESSAGES: &str = "mailMessages";

/// `{"count":N}` are so many new threads, `{"thread_id":N}` is one more message in a thread; both in the mailbox of the
/// token's user. Answers the ids of the threads.
pub(super) fn deliver(account: &mut Account, sent: &Value) -> Result<Value, &'static str> {
    if let Some(id) = sent.get("thread_id").and_then(Value::as_u64) {
        let thread = account.live(THREADS, &Id::Number(id)).map_err(|_| "there is no such thread")?;
        arrive(account, thread);
        return Ok(json!([id]));
    }
    let count = sent.get("count").and_then(Value::as_u64).ok_or("send {\"count\":N} or {\"thread_id\":N}")?;
    let ids = (0..count).map(|number| {
        let thread = begun(account, number);
        let id = thread["id"].clone();
        arrive(account, thread);
        id
    });
    Ok(ids.collect())
}

/// A thread without messages.
fn begun(account: &mut Account, number: u64) -> Map<String, Value> {
    let (id, now) = (account.next_id(THREADS), account.stamp(THREADS));
    let row = json!({
        "id": id, "user_id": account.me, "account_id": "delivered", "subject": format!("Delivered {number}"), "version": 0,
        "message_count": 0, "parties": {"from": [], "to": []}, "drafts_parties": [], "folders": ["inbox"],
        "snippet": "", "snippet_draft": null, "snippet_sent": "", "first_message_timestamp": now,
        "last_message_sent_timestamp": null, "add_time": now, "deal_id": null, "lead_id": null,
        "archived_flag": 0, "deleted_flag": 0, "shared_flag": 0, "synced_flag": 1, "external_deleted_flag": 0,
        "smart_bcc_flag": 0, "first_message_to_me_flag": 1, "mail_link_tracking_enabled_flag": 0, "mail_tracking_status": null,
        "has_attachments_flag": 0, "has_inline_attachments_flag": 0, "has_real_attachments_flag": 0,
        "has_draft_flag": 0, "has_sent_flag": 0, "all_messages_sent_flag": 0,
    });
    row.as_object().cloned().unwrap_or_default()
}

/// One more message: the thread is unread, and the newest.
fn arrive(account: &mut Account, mut thread: Map<String, Value>) {
    let (id, now) = (account.next_id(MESSAGES), account.stamp(THREADS));
    let number = |member: &str| thread.get(member).and_then(Value::as_u64).unwrap_or_default();
    let party = json!({"id": 1, "email_address": "someone@mail.example", "name": "", "linked_person_id": null,
        "linked_person_name": "", "mail_message_party_id": id});
    let message = json!({
        "id": id, "mail_thread_id": thread["id"], "user_id": thread["user_id"], "account_id": thread["account_id"],
        "from": [party], "to": [], "cc": [], "bcc": [], "subject": thread["subject"], "snippet": "It arrived.",
        "body": format!("<html><body><p>It arrived as {id}.</p></body></html>"), "draft": null, "draft_flag": 0, "sent_flag": 0,
        "sent_from_pipedrive_flag": 0, "read_flag": 0, "mail_tracking_status": null, "mail_link_tracking_enabled_flag": 0,
        "synced_flag": 1, "deleted_flag": 0, "has_body_flag": 1, "smart_bcc_flag": 0, "has_attachments_flag": 0,
        "has_inline_attachments_flag": 0, "has_real_attachments_flag": 0, "message_time": now, "add_time": now,
        "update_time": now, "deal_id": thread["deal_id"], "person_id": null, "org_id": null,
    });
    let news = json!({
        "version": number("version") + 1, "message_count": number("message_count") + 1, "read_flag": 0,
        "snippet": "It arrived.", "last_message_timestamp": now, "last_message_received_timestamp": now, "update_time": now,
    });
    thread.extend(news.as_object().cloned().unwrap_or_default());
    let thread_id = Id::Number(number_of(&thread));
    account.write(THREADS, &thread_id, &thread);
    account.write(MESSAGES, &Id::Number(id), message.as_object().expect("it is written as an object"));
}

fn number_of(thread: &Map<String, Value>) -> u64 {
    thread.get("id").and_then(Value::as_u64).unwrap_or_default()
}
