//! Files: their rows, their uploads, and their contents at once or through a signed address.

use serde_json::{Map, Value, json};

use crate::sandbox::account::{Account, facts};
use crate::sandbox::answer::{Answer, Outcome, not_found, refusal, single};
use crate::sandbox::call::{Body, Call};
use crate::sandbox::check;
use crate::sandbox::counters::link_to;
use crate::sandbox::offset::{self, List};
use crate::sandbox::row::{Content, Id};
use crate::sandbox::store::Row;

const KIND: &str = "files";
/// api/objects.md: files lists end at 100 since 2025-01-15.
const LARGEST: usize = 100;
/// Member, kind, the derived name and the member it is taken from.
const PARENTS: &[(&str, &str, &str, &str)] = &[
    ("deal_id", "deals", "deal_name", "title"),
    ("person_id", "persons", "person_name", "name"),
    ("org_id", "organizations", "org_name", "name"),
    ("product_id", "products", "product_name", "name"),
    ("lead_id", "leads", "lead_name", "title"),
    ("activity_id", "activities", "", ""),
    ("project_id", "projects", "project_name", "title"),
];

/// One request about files.
pub(super) fn serve(account: &mut Account, call: &Call<'_>) -> Outcome {
    match (call.operation.method.as_str(), call.operation.path.as_str()) {
        ("GET", "/files") => list(account, call, &|_, _| true),
        ("POST", _) => upload(account, call),
        (method, path) => {
            let id = Id::Number(call.number("id")?);
            let row = account.live(KIND, &id)?;
            match method {
                "GET" if path.ends_with("/download") => download(account, &id),
                "GET" => single(200, shown(account, &id)),
                "PUT" => update(account, call, &id, row),
                _ => delete(account, &id, row),
            }
        }
    }
}

/// The files of one record.
pub(super) fn of_parent(account: &mut Account, call: &Call<'_>, kind: &'static str) -> Outcome {
    let parent = call.number("id")?;
    account.live(kind, &Id::Number(parent))?;
    let member = link_to(kind);
    list(account, call, &|_, row| row.number(member) == Some(parent))
}

fn list(account: &Account, call: &Call<'_>, wanted: &dyn Fn(&Id, &Row) -> bool) -> Outcome {
    let keep = |id: &Id, row: &Row| !row.deleted && wanted(id, row);
    // The default order is not promised: api/wire.md, "v1 sorting".
    let sort = if account.assume.yes("odd") { "update_time DESC" } else { "id ASC" };
    let list = List { largest: LARGEST, sort, sortable: &["id", "update_time"], keep: &keep };
    offset::page(account, call, KIND, &list, &|out, id, row| write(account, out, id, row))
}

/// The row with the names of what it hangs on, and where it can be fetched.
fn write(account: &Account, out: &mut String, id: &Id, row: &Row) {
    out.push('{');
    out.push_str(row.main());
    for (member, kind, name, inner) in PARENTS.iter().filter(|(_, _, name, _)| !name.is_empty()) {
        let target = match row.member(member) {
            Some(text) if text != "null" => match text.parse() {
                Ok(number) => account.store.table(kind).rows.get(&Id::Number(number)),
                Err(_) => account.store.table(kind).rows.get(&Id::Text(text.trim_matches('"').into())),
            },
            _ => None,
        };
        let text = target.and_then(|target| target.member(inner)).unwrap_or("\"\"");
        out.push_str(&format!(",\"{name}\":{text}"));
    }
    if let Id::Number(id) = id {
        out.push_str(&format!(",\"url\":\"{}/v1/files/{id}/download\"", account.url));
    }
    out.push('}');
}

fn shown(account: &Account, id: &Id) -> Value {
    let Some(row) = account.store.table(KIND).rows.get(id) else { return Value::Null };
    let mut text = String::new();
    write(account, &mut text, id, row);
    serde_json::from_str(&text).unwrap_or(Value::Null)
}

fn upload(account: &mut Account, call: &Call<'_>) -> Outcome {
    let Body::Upload(upload) = &call.body else { return Err(refusal(400, "No files were uploaded")) };
    let Some((name, bytes)) = upload.file.clone() else { return Err(refusal(400, "No files were uploaded")) };
    let mut row = Map::new();
    for (member, kind, ..) in PARENTS {
        let sent = upload.parts.iter().find(|(key, value)| key == member && !value.is_empty());
        let value = sent.map(|(_, value)| value.parse::<u64>().map_or_else(|_| json!(value), |number| json!(number)));
        if let Some(value) = &value {
            account.check_link(member, kind, value).map_err(|_| not_found(facts(kind)))?;
        }
        row.insert((*member).to_owned(), value.unwrap_or(Value::Null));
    }
    let (stem, ending) = name.rsplit_once('.').map_or((name.as_str(), ""), |(stem, ending)| (stem, ending));
    let now = account.stamp(KIND);
    let id = account.next_id(KIND);
    let firsts = json!({
        "id": id, "user_id": account.me, "log_id": null, "add_time": now, "update_time": now,
        "file_name": format!("{stem}_{}.{ending}", account.random_hex(40)), "file_type": file_type(ending), "file_size": bytes.len(),
        "active_flag": true, "inline_flag": false, "remote_location": "s3", "remote_id": name, "cid": "", "s3_bucket": "",
        "mail_message_id": "", "mail_template_id": "", "name": name, "description": "",
    });
    row.extend(firsts.as_object().cloned().unwrap_or_default());
    account.contents.insert((KIND, Id::Number(id)), Content::Bytes(bytes));
    account.write(KIND, &Id::Number(id), &row);
    single(200, shown(account, &Id::Number(id)))
}

fn file_type(ending: &str) -> &'static str {
    match ending.to_ascii_lowercase().as_str() {
        "png" | "jpg" | "jpeg" | "gif" => "img",
        "pdf" => "pdf",
        "txt" | "csv" => "txt",
        "doc" | "docx" => "doc",
        "xls" | "xlsx" => "xls",
        _ => "file",
    }
}

/// Name and description only.
fn update(account: &mut Account, call: &Call<'_>, id: &Id, mut row: Map<String, Value>) -> Outcome {
    let sent = check::body(call, account.rigour())?;
    row.extend(sent.into_iter().filter(|(_, value)| value.is_string()));
    row.insert("update_time".into(), account.stamp(KIND).into());
    account.write(KIND, id, &row);
    single(200, shown(account, id))
}

fn delete(account: &mut Account, id: &Id, mut row: Map<String, Value>) -> Outcome {
    row.insert("active_flag".into(), json!(false));
    row.insert("update_time".into(), account.stamp(KIND).into());
    account.write(KIND, id, &row);
    single(200, json!({"id": row["id"]}))
}

/// api/objects.md, downloads: once seen leading to a signed address, today unconfirmed.
fn download(account: &Account, id: &Id) -> Outcome {
    let bytes = account.bytes(KIND, id).ok_or_else(|| not_found(facts(KIND)))?;
    if account.assume.is("download", "direct") {
        return Ok(Answer::file(bytes));
    }
    let Id::Number(number) = id else { return Err(not_found(facts(KIND))) };
    let address = format!("{}/signed/{number}-{}", account.url, signature(account, *number));
    Ok(Answer::json(302, &Value::Null).with("location", address))
}

fn signature(account: &Account, id: u64) -> String {
    let hash = blake3::hash(format!("{} {id}", account.url).as_bytes()).to_hex();
    hash[..40].to_owned()
}

/// The contents that a signed address means.
pub(super) fn by_signature(account: &Account, signed: &str) -> Option<Answer> {
    if !signed.starts_with(|first: char| first.is_ascii_digit()) {
        return crate::sandbox::pictures::by_signature(account, signed);
    }
    let (id, sent) = signed.split_once('-')?;
    let id: u64 = id.parse().ok()?;
    let good = sent == signature(account, id) && account.is_live(KIND, &Id::Number(id));
    if good { account.bytes(KIND, &Id::Number(id)).map(Answer::file) } else { None }
}
