//! The rules of deals: stage and pipeline, status and its times, value, archive, and the way back from deletion.
//!
//! api/restore-hazards.md, sections 3 and 4.

use serde_json::{Value, json};

use crate::sandbox::account::{Account, facts};
use crate::sandbox::answer::{Answer, Outcome, invalid, refusal, single};
use crate::sandbox::call::{Body, Call};
use crate::sandbox::clock;
use crate::sandbox::custom;
use crate::sandbox::kinds::Times;
use crate::sandbox::records::Draft;
use crate::sandbox::row::Id;
use crate::sandbox::show;

/// Settles what follows from the members that were sent.
pub(super) fn settle(account: &Account, draft: &mut Draft) -> Result<(), Answer> {
    if draft.old.is_none() {
        if draft.word("currency").is_none() {
            draft.set("currency", custom::default_currency(account));
        }
        if draft.row.get("value").is_none_or(Value::is_null) {
            draft.set("value", 0);
        }
        draft.set("origin", "API");
        draft.set("is_archived", draft.row.get("is_archived") == Some(&json!(true)));
        if draft.word("status").is_none() {
            draft.set("status", "open");
        }
    }
    if !custom::is_currency(account, &draft.row["currency"]) {
        return Err(invalid("currency", "unknown currency"));
    }
    if draft.sent.get("is_deleted") == Some(&json!(true)) {
        return Err(invalid("is_deleted", "a deal cannot be deleted by writing it"));
    }
    place(account, draft)?;
    status(account, draft)?;
    value(account, draft);
    archive(account, draft)
}

/// The stage decides the pipeline; a pipeline alone means its first stage. api/restore-hazards.md, "Deals".
fn place(account: &Account, draft: &mut Draft) -> Result<(), Answer> {
    let stages = &account.store.table("stages").rows;
    let new_pipeline = draft.says("pipeline_id") && draft.changes("pipeline_id");
    if (!draft.says("stage_id") && new_pipeline) || draft.number("stage_id").is_none() {
        let pipelines = &account.store.table("pipelines").rows;
        let first = pipelines.iter().find(|(_, row)| !row.deleted).and_then(|(_, row)| row.number("id"));
        let pipeline = draft.number("pipeline_id").or(first).ok_or_else(|| invalid("pipeline_id", "no pipeline"))?;
        let of_pipeline = stages.values().filter(|row| !row.deleted && row.number("pipeline_id") == Some(pipeline));
        let stage = of_pipeline.min_by_key(|row| row.number("order_nr")).and_then(|row| row.number("id"));
        draft.set("stage_id", stage.ok_or_else(|| invalid("pipeline_id", "the pipeline has no stages"))?);
    }
    let stage = draft.number("stage_id").and_then(|id| stages.get(&Id::Number(id)));
    if let Some(pipeline) = stage.and_then(|row| row.number("pipeline_id")) {
        draft.set("pipeline_id", pipeline);
    }
    if draft.changes("stage_id") {
        draft.set("stage_change_time", account.stamp("deals"));
    }
    Ok(())
}

/// won_time only when won, lost_time only when lost, close_time with either.
fn status(account: &Account, draft: &mut Draft) -> Result<(), Answer> {
    let status = draft.word("status").unwrap_or_default().to_owned();
    if !["open", "won", "lost"].contains(&status.as_str()) {
        return Err(invalid("status", "must be one of open, won, lost"));
    }
    for (member, allowed) in [("won_time", &["won"][..]), ("lost_time", &["lost"]), ("close_time", &["won", "lost"])] {
        let Some(sent) = draft.sent.get(member).filter(|value| !value.is_null()) else { continue };
        if !allowed.contains(&status.as_str()) {
            return Err(invalid(member, &format!("can only be set when the deal is {}", allowed.join(" or "))));
        }
        let time = written_time(account, member, sent)?;
        draft.set(member, time);
    }
    if status != "lost" && draft.says("lost_reason") && !draft.row["lost_reason"].is_null() {
        return Err(invalid("lost_reason", "can only be set when the deal is lost"));
    }
    let now = account.stamp("deals");
    if draft.changes("status") || draft.old.is_none() {
        for member in ["won_time", "lost_time", "close_time"] {
            if !draft.says(member) {
                draft.set(member, Value::Null);
            }
        }
        if status != "lost" {
            draft.set("lost_reason", Value::Null);
        }
        let stamped: &[&str] = match status.as_str() {
            "won" => &["won_time", "close_time"],
            "lost" => &["lost_time", "close_time"],
            _ => &[],
        };
        for member in stamped {
            if draft.word(member).is_none() {
                draft.set(member, now.clone());
            }
        }
    }
    if status == "won" && draft.word("first_won_time").is_none() {
        draft.set("first_won_time", draft.row["won_time"].clone());
    }
    for (day, time) in
        [("local_won_date", "won_time"), ("local_lost_date", "lost_time"), ("local_close_date", "close_time")]
    {
        let text = draft.word(time).and_then(|time| time.get(..10)).map(str::to_owned);
        draft.set(day, text);
    }
    Ok(())
}

fn written_time(account: &Account, member: &str, sent: &Value) -> Result<String, Answer> {
    let text = sent.as_str().unwrap_or_default();
    let plain = !text.contains('T');
    let refused = if plain { account.assume.is("won-time", "rfc3339") } else { account.assume.is("won-time", "plain") };
    match clock::read(text) {
        Some(time) if !refused => Ok(clock::written(time, Times::Zoned)),
        _ => Err(invalid(member, "is not a time of the expected form")),
    }
}

/// With lines attached the value follows them; what was sent is not taken.
fn value(account: &Account, draft: &mut Draft) {
    let has_lines = draft.number("products_count").is_some_and(|count| count > 0);
    if draft.row["value"].is_null() {
        draft.set("value", 0);
    }
    if let (true, Some(old)) = (has_lines && account.assume.is("deal-value", "follows"), &draft.old) {
        let value = old["value"].clone();
        draft.set("value", value);
    }
}

fn archive(account: &Account, draft: &mut Draft) -> Result<(), Answer> {
    let archived = draft.row.get("is_archived") == Some(&json!(true));
    if let Some(sent) = draft.sent.get("archive_time").filter(|value| !value.is_null()) {
        let time = sent.as_str().and_then(clock::read).ok_or_else(|| invalid("archive_time", "must be a time"))?;
        draft.set("archive_time", clock::written(time, Times::Zoned));
    }
    if !archived {
        draft.set("archive_time", Value::Null);
    } else if draft.word("archive_time").is_none() {
        draft.set("archive_time", account.stamp("deals"));
    }
    Ok(())
}

/// Archived deals take one change: to leave the archive. api/changes.md, 2025-04-15.
pub(super) fn may_edit(account: &Account, draft: &Draft) -> Result<(), Answer> {
    let was_archived = draft.old.as_ref().is_some_and(|old| old.get("is_archived") == Some(&json!(true)));
    let leaves = draft.sent.get("is_archived") == Some(&json!(false));
    if was_archived && !(leaves && account.assume.yes("unarchive")) {
        return Err(refusal(403, "Archived deals cannot be edited."));
    }
    Ok(())
}

/// A deleted deal takes one change: to come back. Its lines, followers and participants never left and are seen again.
pub(super) fn back_from_the_dead(account: &mut Account, id: &Id, draft: &mut Draft) -> Result<Option<Answer>, Answer> {
    if account.is_live("deals", id) {
        return Ok(None);
    }
    let revives = draft.sent.get("is_deleted") == Some(&json!(false));
    if !revives || !account.assume.is("undelete", "yes") {
        return Err(crate::sandbox::answer::not_found(facts("deals")));
    }
    revive(account, id, draft).map(Some)
}

fn revive(account: &mut Account, id: &Id, draft: &mut Draft) -> Outcome {
    draft.set("is_deleted", false);
    draft.set("update_time", account.stamp("deals"));
    account.write("deals", id, &draft.row);
    single(200, show::value(account, facts("deals"), id))
}

/// `PUT /v1/deals/{id}` under `--assume undelete=v1put`: restoring is the one change it takes.
pub(super) fn old_restore(account: &mut Account, call: &Call<'_>) -> Outcome {
    if !account.assume.is("undelete", "v1put") {
        return Err(crate::sandbox::answer::unknown_method());
    }
    let id = Id::Number(call.number("id")?);
    let row = account.row("deals", &id)?;
    let status = match &call.body {
        Body::Json(body) => body.get("status").and_then(Value::as_str).map(str::to_owned),
        _ => None,
    };
    let living = status.is_some_and(|status| ["open", "won", "lost"].contains(&status.as_str()));
    if account.is_live("deals", &id) || !living {
        return Err(refusal(410, "This endpoint is out of support."));
    }
    let mut draft = Draft { old: None, row, sent: serde_json::Map::new() };
    revive(account, &id, &mut draft)
}
