//! The mailbox: folders, links, what records show of it, and what is refused.

use serde_json::{Value, json};

use super::Desk;

fn folder(desk: &Desk, folder: &str) -> Vec<Value> {
    let rows = desk.get(&format!("/v1/mailbox/mailThreads?folder={folder}&limit=500"));
    rows.as_array().cloned().unwrap_or_default()
}

fn thread(desk: &Desk, wanted: impl Fn(&Value) -> bool) -> Value {
    folder(desk, "inbox").into_iter().find(wanted).expect("such a thread")
}

fn put(desk: &Desk, thread: &Value, body: Value) -> Value {
    desk.ok("PUT", &format!("/v1/mailbox/mailThreads/{}", thread["id"]), body)
}

#[test]
fn the_newest_message_comes_first_and_other_mailboxes_are_not_shown() {
    let desk = Desk::of_company(500);
    let me = desk.get("/v1/users/me")["id"].clone();
    for name in ["inbox", "drafts", "sent", "archive"] {
        let rows = folder(&desk, name);
        let times: Vec<&str> = rows.iter().filter_map(|row| row["last_message_timestamp"].as_str()).collect();
        assert!(!times.is_empty() && times.windows(2).all(|pair| pair[0] >= pair[1]), "{name}");
        assert!(
            rows.iter().all(|row| row["user_id"] == me && row["folders"].as_array().unwrap().contains(&json!(name)))
        );
    }
    desk.refused(400, "GET", "/v1/mailbox/mailThreads", Value::Null);
    desk.refused(400, "GET", "/v1/mailbox/mailThreads?folder=spam", Value::Null);
}

#[test]
fn an_archived_thread_leaves_the_inbox_and_comes_back() {
    let desk = Desk::of_company(500);
    let one = thread(&desk, |_| true);
    let there = |name: &str| folder(&desk, name).iter().any(|row| row["id"] == one["id"]);
    assert_eq!(put(&desk, &one, json!({"archived_flag": 1}))["archived_flag"], 1);
    assert!(!there("inbox") && there("archive"));
    put(&desk, &one, json!({"archived_flag": 0}));
    assert!(there("inbox") && !there("archive"));
    let draft = folder(&desk, "drafts").into_iter().find(|row| !row["folders"].to_string().contains("inbox"));
    if let Some(draft) = draft {
        desk.refused(400, "PUT", &format!("/v1/mailbox/mailThreads/{}", draft["id"]), json!({"archived_flag": 1}));
    }
}

#[test]
fn a_link_moves_the_messages_from_deal_to_deal_with_the_counters() {
    let desk = Desk::of_company(500);
    let one = thread(&desk, |row| row["deal_id"].is_number());
    let (old, new) = (one["deal_id"].clone(), desk.deal(json!({"title": "other"})));
    let count = |deal: &Value| {
        desk.get(&format!("/api/v2/deals/{deal}?include_fields=email_messages_count"))["email_messages_count"].clone()
    };
    let before = count(&old).as_u64().unwrap();
    put(&desk, &one, json!({"deal_id": new}));
    let letters = desk.get(&format!("/v1/mailbox/mailThreads/{}/mailMessages", one["id"])).as_array().unwrap().len();
    assert_eq!((count(&json!(new)), count(&old)), (json!(letters), json!(before - letters as u64)));
    let shown = desk.get(&format!("/v1/deals/{new}/mailMessages?include_body=1"));
    assert_eq!(shown.as_array().unwrap().len(), letters);
    assert!(shown[0]["object"] == "mailMessage" && shown[0]["data"]["body"].as_str().unwrap().starts_with("<html>"));
    desk.ok("DELETE", &format!("/api/v2/deals/{new}"), Value::Null);
    assert!(desk.get(&format!("/v1/mailbox/mailThreads/{}", one["id"]))["deal_id"].is_null());
    desk.refused(404, "PUT", &format!("/v1/mailbox/mailThreads/{}", one["id"]), json!({"deal_id": 1}));
}

#[test]
fn a_message_shows_its_body_when_asked_and_is_gone_with_its_thread() {
    let desk = Desk::of_company(500);
    let one = thread(&desk, |_| true);
    let letters = desk.get(&format!("/v1/mailbox/mailThreads/{}/mailMessages", one["id"]));
    let message = format!("/v1/mailbox/mailMessages/{}", letters[0]["id"]);
    assert!(letters[0].get("body").is_none() && desk.get(&message).get("body").is_none());
    assert!(desk.get(&format!("{message}?include_body=1"))["body"].is_string());
    assert!(letters[0].get("person_id").is_none(), "where it is shown is nobody's business");
    desk.ok("DELETE", &format!("/v1/mailbox/mailThreads/{}", one["id"]), Value::Null);
    desk.refused(404, "GET", &message, Value::Null);
    desk.refused(404, "GET", &format!("/v1/mailbox/mailThreads/{}/mailMessages", one["id"]), Value::Null);
    assert!(!folder(&desk, "inbox").iter().any(|row| row["id"] == one["id"]));
}
