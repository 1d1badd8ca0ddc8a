//! Mail: the mailbox of the token's user, and the messages that records show of everybody's shared threads.
//!
//! api/objects.md, MailThreads, MailMessages, DealMailMessages; api/restore-hazards.md, "Mail". Nothing can be made here: threads come
//! from the mail provider. A message keeps, out of sight, the deal, person and organization it is shown under.

use serde_json::{Map, Value, json};

use crate::sandbox::account::{Account, facts};
use crate::sandbox::answer::{Answer, Outcome, bad, not_found, refusal};
use crate::sandbox::call::{Body, Call};
use crate::sandbox::check;
use crate::sandbox::clock;
use crate::sandbox::contract::Version;
use crate::sandbox::counters::link_to;
use crate::sandbox::offset::{self, List, Window};
use crate::sandbox::row::Id;
use crate::sandbox::store::Row;

const THREADS: &str = "mailThreads";
const MESSAGES: &str = "mailMessages";
const FOLDERS: &[&str] = &["inbox", "drafts", "sent", "archive"];
/// Members of a message that are shown on request or never.
pub(super) const UNSHOWN: &[&str] = &["body", "deal_id", "person_id", "org_id"];

/// One request about the mailbox.
pub(super) fn serve(account: &mut Account, call: &Call<'_>) -> Outcome {
    let (method, path) = (call.operation.method.as_str(), call.operation.path.as_str());
    if path == "/mailbox/mailThreads" {
        return list(account, call);
    }
    let id = Id::Number(call.number("id")?);
    if path == "/mailbox/mailMessages/{id}" {
        return message(account, call, &id);
    }
    let thread = account.live(THREADS, &id)?;
    if thread.get("user_id") != Some(&json!(account.me)) {
        return Err(not_found(facts(THREADS)));
    }
    match method {
        "GET" if path.ends_with("/mailMessages") => messages(account, &id),
        "GET" => plain(&shown(account, &id)),
        "PUT" => update(account, call, &id, thread),
        _ => delete(account, &id, thread),
    }
}

/// The threads of one folder, the one with the newest message first.
fn list(account: &Account, call: &Call<'_>) -> Outcome {
    let folder = call.asked("folder").filter(|folder| FOLDERS.contains(folder));
    let folder = folder.ok_or_else(|| bad(Version::V1, "folder", "must be one of the allowed values"))?;
    let folder = format!("\"{folder}\"");
    let keep = |_: &Id, row: &Row| {
        !row.deleted
            && row.number("user_id") == Some(account.me)
            && row.member("folders").is_some_and(|folders| folders.contains(&folder))
    };
    let newest_first = "last_message_timestamp DESC";
    let list = List { largest: 500, sort: newest_first, sortable: &["last_message_timestamp"], keep: &keep };
    let (rows, pagination) = offset::rows(account, call, THREADS, &list, &|out, _, row| write(account, out, row))?;
    // The description shows no additional_data here.
    let told = account.assume.is("mail-pages", "told").then(|| json!({"pagination": pagination}));
    Ok(page(&rows, told))
}

fn page(rows: &str, additional: Option<Value>) -> Answer {
    let additional = additional.map_or_else(String::new, |told| format!(",\"additional_data\":{told}"));
    Answer::text(200, format!("{{\"success\":true,\"data\":[{rows}]{additional}}}"))
}

/// The row with the status of the deal it is linked to.
fn write(account: &Account, out: &mut String, row: &Row) {
    let deal = row.number("deal_id").and_then(|id| account.store.table("deals").rows.get(&Id::Number(id)));
    let status = deal.and_then(|deal| deal.member("status")).unwrap_or("null");
    out.push_str(&format!("{{{},\"deal_status\":{status}}}", row.main()));
}

fn shown(account: &Account, id: &Id) -> String {
    let mut text = String::new();
    if let Some(row) = account.store.table(THREADS).rows.get(id) {
        write(account, &mut text, row);
    }
    text
}

fn plain(data: &str) -> Outcome {
    Ok(Answer::text(200, format!("{{\"success\":true,\"data\":{data}}}")))
}

/// Some answers of the mail service show its own status. api/wire.md, "Irregular shapes".
fn by_service(data: &str) -> Outcome {
    let head = "\"success\":true,\"statusCode\":2000,\"statusText\":\"Success\",\"service\":\"email-api\"";
    Ok(Answer::text(200, format!("{{{head},\"data\":{data}}}")))
}

/// A message as a list shows it: its body is behind an address that is another each time.
fn write_message(account: &Account, out: &mut String, id: &Id, row: &Row, with_body: bool) {
    let Id::Number(id) = id else { return };
    let now = account.clock.now().timestamp();
    out.push_str(&format!("{{{},\"body_url\":\"{}/mail-body/{id}?expires={now}\"", row.main(), account.url));
    if with_body {
        out.push_str(&format!(",\"body\":{}", row.member("body").unwrap_or("null")));
    }
    out.push('}');
}

fn alive<'a>(account: &'a Account, member: &str, parent: &Id) -> impl Iterator<Item = (&'a Id, &'a Row)> {
    let rows = &account.store.table(MESSAGES).rows;
    account.store.children(MESSAGES, member, parent).map(|id| (id, &rows[id])).filter(|(_, row)| !row.deleted)
}

fn messages(account: &Account, thread: &Id) -> Outcome {
    let written = |(id, row): (&Id, &Row)| {
        let mut text = String::new();
        write_message(account, &mut text, id, row, false);
        text
    };
    let rows: Vec<String> = alive(account, "mail_thread_id", thread).map(written).collect();
    Ok(page(&rows.join(","), None))
}

fn message(account: &Account, call: &Call<'_>, id: &Id) -> Outcome {
    let row = account.store.table(MESSAGES).rows.get(id).filter(|row| !row.deleted && is_seen(account, row));
    let row = row.ok_or_else(|| not_found(facts(MESSAGES)))?;
    let mut text = String::new();
    write_message(account, &mut text, id, row, call.asked("include_body") == Some("1"));
    by_service(&text)
}

/// Whether the token's user sees a message: it is in the own mailbox or in a shared thread.
pub(super) fn is_seen(account: &Account, message: &Row) -> bool {
    let thread = message.number("mail_thread_id").map(Id::Number);
    let thread = thread.and_then(|id| account.store.table(THREADS).rows.get(&id));
    thread
        .is_some_and(|thread| thread.number("user_id") == Some(account.me) || thread.member("shared_flag") == Some("1"))
}

/// The messages that are shown under a record.
pub(super) fn under(account: &Account, kind: &str, id: &Id) -> Vec<Id> {
    let seen = alive(account, link_to(kind), id).filter(|(_, row)| is_seen(account, row));
    seen.map(|(id, _)| id.clone()).collect()
}

/// The messages of one record, each wrapped.
pub(super) fn of_parent(account: &Account, call: &Call<'_>, kind: &'static str) -> Outcome {
    let parent = Id::Number(call.number("id")?);
    account.live(kind, &parent)?;
    let window = Window::read(call, 500)?;
    let (rows, with_body) = (&account.store.table(MESSAGES).rows, call.asked("include_body") == Some("1"));
    let found = under(account, kind, &parent);
    let wrapped = |id: &Id| {
        let row = &rows[id];
        let at = row.word("message_time").and_then(clock::read).unwrap_or_default();
        let mut text =
            format!("{{\"object\":\"mailMessage\",\"timestamp\":\"{}\",\"data\":", at.format("%Y-%m-%d %H:%M:%S"));
        write_message(account, &mut text, id, row, with_body);
        text.push('}');
        text
    };
    let text = window.of(&found).iter().map(wrapped).collect::<Vec<_>>().join(",");
    let pagination = window.pagination(account, found.len());
    // The description shows the pagination without its wrapper and without a next start.
    let told = match account.assume.is("record-mail-pages", "bare") {
        true => json!({"start": pagination["start"], "limit": pagination["limit"],
            "more_items_in_collection": found.len() > window.end()}),
        false => json!({"pagination": pagination}),
    };
    Ok(page(&text, Some(told)))
}

fn update(account: &mut Account, call: &Call<'_>, id: &Id, mut thread: Map<String, Value>) -> Outcome {
    let sent = check::body(&emptied(account, call), account.rigour())?;
    for (member, kind) in [("deal_id", "deals"), ("lead_id", "leads")] {
        let Some(value) = sent.get(member) else { continue };
        account.check_link(member, kind, value).map_err(|_| not_found(facts(kind)))?;
        thread.insert(member.to_owned(), value.clone());
    }
    if sent.get("archived_flag").is_some_and(|flag| *flag != thread["archived_flag"]) {
        file_away(&mut thread, sent["archived_flag"] == json!(1))?;
    }
    for flag in ["shared_flag", "read_flag", "archived_flag"] {
        if let Some(value) = sent.get(flag) {
            thread.insert(flag.to_owned(), value.clone());
        }
    }
    settle(account, id, thread);
    plain(&shown(account, id))
}

/// A form cannot say null: an empty value may mean it (assumption `mail-unlink`).
fn emptied<'a>(account: &Account, call: &Call<'a>) -> Call<'a> {
    let body = match &call.body {
        Body::Form(pairs) if account.assume.is("mail-unlink", "empty") => {
            let value = |name: &str, text: &str| match text {
                "" if name.ends_with("_id") => Value::Null,
                text => json!(text),
            };
            Body::Json(pairs.iter().map(|(name, text)| (name.clone(), value(name, text))).collect())
        }
        other => other.clone(),
    };
    Call { operation: call.operation, values: call.values.clone(), query: call.query.clone(), body }
}

/// api: only threads in the inbox can be archived; they leave it.
fn file_away(thread: &mut Map<String, Value>, away: bool) -> Result<(), Answer> {
    let (from, to) = if away { ("inbox", "archive") } else { ("archive", "inbox") };
    let folders = thread.get("folders").and_then(Value::as_array).cloned().unwrap_or_default();
    if !folders.contains(&json!(from)) {
        return Err(refusal(400, "Only threads in the inbox can be archived."));
    }
    let moved = FOLDERS.iter().map(|folder| json!(folder));
    let moved: Vec<Value> =
        moved.filter(|folder| *folder == json!(to) || (*folder != json!(from) && folders.contains(folder))).collect();
    thread.insert("folders".into(), moved.into());
    Ok(())
}

/// Writes a changed thread, and what of it its messages repeat.
fn settle(account: &mut Account, id: &Id, mut thread: Map<String, Value>) {
    let now = account.stamp(THREADS);
    let version = thread.get("version").and_then(Value::as_u64).unwrap_or_default() + 1;
    thread.insert("version".into(), json!(version));
    thread.insert("update_time".into(), json!(now));
    account.write(THREADS, id, &thread);
    let children: Vec<Id> = account.store.children(MESSAGES, "mail_thread_id", id).cloned().collect();
    for child in children {
        let Some(mut row) = account.store.get(MESSAGES, &child) else { continue };
        let before = row.clone();
        row.insert("deal_id".into(), thread["deal_id"].clone());
        if thread["read_flag"] == json!(1) || row["sent_flag"] == json!(0) {
            row.insert("read_flag".into(), thread["read_flag"].clone());
        }
        if thread["deleted_flag"] == json!(1) {
            row.extend([("deleted_flag".to_owned(), json!(1)), ("is_deleted".to_owned(), json!(true))]);
        }
        if row != before {
            row.insert("update_time".into(), json!(now));
            account.write(MESSAGES, &child, &row);
        }
    }
}

fn delete(account: &mut Account, id: &Id, mut thread: Map<String, Value>) -> Outcome {
    thread.extend([("deleted_flag".to_owned(), json!(1)), ("is_deleted".to_owned(), json!(true))]);
    let told = json!({"id": thread["id"]}).to_string();
    settle(account, id, thread);
    by_service(&told)
}

/// Threads of a deleted deal or lead lose its id, or keep it (assumption `mail-links`).
pub(super) fn unlink(account: &mut Account, kind: &'static str, id: &Id) {
    if account.assume.is("mail-links", "keep") {
        return;
    }
    let member = link_to(kind);
    let threads: Vec<Id> = account.store.children(THREADS, member, id).cloned().collect();
    for thread in threads {
        let Some(mut row) = account.store.get(THREADS, &thread) else { continue };
        row.insert(member.to_owned(), Value::Null);
        settle(account, &thread, row);
    }
}
