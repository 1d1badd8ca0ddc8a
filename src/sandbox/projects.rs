//! Projects, their tasks and their plan: the add-on's rows.
//!
//! api/objects.md, Projects to Project plan; api/restore-hazards.md 4, Projects. Into the archive leads a call of its own, out of it none.

use serde_json::{Value, json};

use crate::sandbox::account::{Account, facts};
use crate::sandbox::answer::{Answer, Outcome, invalid, not_found, offset_page, refusal, single};
use crate::sandbox::call::Call;
use crate::sandbox::records::Draft;
use crate::sandbox::row::Id;
use crate::sandbox::{check, show};

/// api/objects.md, Project tasks.
const MOST_ASSIGNEES: usize = 10;
/// Lists of ids in a project, and what they point to.
const LINKED: &[(&str, &str)] = &[("deal_ids", "deals"), ("person_ids", "persons"), ("org_ids", "organizations")];

/// Settles what follows from the members that were sent.
pub(super) fn settle(account: &Account, draft: &mut Draft) -> Result<(), Answer> {
    draft.row.remove("template_id");
    for (member, kind) in LINKED {
        let sent = draft.sent.get(*member).and_then(Value::as_array).cloned();
        for id in sent.iter().flatten() {
            account.check_link(member, kind, id)?;
        }
        if draft.row.get(*member).is_none_or(Value::is_null) {
            draft.set(member, json!([]));
        }
    }
    let board = draft.number("phase_id").and_then(|phase| {
        let row = account.store.table("phases").rows.get(&Id::Number(phase))?;
        row.number("board_id")
    });
    match (board, draft.number("board_id")) {
        (Some(of), Some(board)) if of != board => return Err(invalid("phase_id", "belongs to another board")),
        (Some(of), None) => draft.set("board_id", of),
        _ => {}
    }
    if draft.word("status").is_none() {
        draft.set("status", "open");
    }
    if draft.changes("status") {
        let now = draft.old.is_some().then(|| account.stamp("projects"));
        draft.set("status_change_time", now);
    }
    Ok(())
}

/// Whether an archived project takes a change is not told (`archived-project-edit`).
pub(super) fn may_edit(account: &Account, draft: &Draft) -> Result<(), Answer> {
    let archived = draft.word("archive_time").is_some();
    if archived && !account.assume.yes("archived-project-edit") {
        return Err(refusal(403, "Archived projects cannot be changed."));
    }
    Ok(())
}

/// Into the archive; there is no way back.
pub(super) fn archive(account: &mut Account, call: &Call<'_>) -> Outcome {
    let id = Id::Number(call.number("id")?);
    let mut row = account.live("projects", &id)?;
    if row.get("archive_time").is_none_or(Value::is_null) {
        let now = account.stamp("projects");
        row.insert("archive_time".into(), json!(now));
        row.insert("update_time".into(), json!(now));
        account.write("projects", &id, &row);
    }
    single(200, show::value(account, facts("projects"), &id))
}

/// Settles a task: `done` and `milestone` are written as 0 and 1 and read as flags under other names.
pub(super) fn settle_task(account: &Account, draft: &mut Draft) -> Result<(), Answer> {
    for (sent, shown) in [("done", "is_done"), ("milestone", "is_milestone")] {
        if let Some(value) = draft.row.remove(sent) {
            draft.set(shown, value == json!(1));
        }
        if draft.row.get(shown).is_none_or(Value::is_null) {
            draft.set(shown, false);
        }
    }
    if let Some(one) = draft.row.remove("assignee_id").filter(|one| !one.is_null()) {
        draft.set("assignee_ids", json!([one]));
    }
    let assignees = draft.row.get("assignee_ids").and_then(Value::as_array).cloned().unwrap_or_default();
    if assignees.len() > MOST_ASSIGNEES {
        return Err(invalid("assignee_ids", "at most 10 assignees"));
    }
    if draft.says("assignee_ids") {
        for user in &assignees {
            account.check_link("assignee_ids", "users", user)?;
        }
    }
    draft.set("assignee_ids", json!(assignees));
    let parent = draft.number("parent_task_id").and_then(|id| account.store.get("tasks", &Id::Number(id)));
    if parent.is_some_and(|parent| parent.get("parent_task_id").is_some_and(Value::is_number)) {
        return Err(invalid("parent_task_id", "a subtask cannot have subtasks"));
    }
    if draft.old.is_none() {
        draft.set("creator_id", account.me);
    }
    if draft.changes("is_done") {
        let done = draft.row["is_done"] == json!(true);
        draft.set("marked_as_done_time", done.then(|| account.stamp("tasks")));
    }
    Ok(())
}

/// Deleting a task takes its subtasks with it, and so on.
pub(super) fn take_along(account: &mut Account, (kind, member): (&'static str, &str), parent: &Id) {
    let children: Vec<Id> = account.store.children(kind, member, parent).cloned().collect();
    for child in children {
        let Some(mut row) = account.store.get(kind, &child) else { continue };
        row.insert("is_deleted".into(), json!(true));
        row.insert("update_time".into(), account.stamp(kind).into());
        account.write(kind, &child, &row);
    }
}

/// The plan of a project: where its tasks and activities stand; and its groups, which nobody can write.
pub(super) fn plan(account: &mut Account, call: &Call<'_>) -> Outcome {
    let project = Id::Number(call.number("id")?);
    account.live("projects", &project)?;
    match (call.operation.method.as_str(), call.operation.path.ends_with("/groups")) {
        ("GET", true) => listed(account, "projectGroups", &project, &["id", "name", "order_nr"]),
        ("GET", false) => listed(account, "projectPlans", &project, &["item_id", "item_type", "phase_id", "group_id"]),
        _ => place(account, call, &project),
    }
}

fn listed(account: &Account, kind: &str, project: &Id, members: &[&str]) -> Outcome {
    let table = account.store.table(kind);
    let row = |id: &Id| {
        let member = |name: &&str| format!("\"{name}\":{}", table.rows[id].member(name).unwrap_or("null"));
        format!("{{{}}}", members.iter().map(member).collect::<Vec<_>>().join(","))
    };
    let rows: Vec<String> = account.store.children(kind, "project_id", project).map(row).collect();
    offset_page(&rows.join(","), None, None)
}

fn place(account: &mut Account, call: &Call<'_>, project: &Id) -> Outcome {
    let (kind, word, item) = match call.operation.path.contains("/tasks/") {
        true => ("tasks", "task", call.number("taskId")?),
        false => ("activities", "activity", call.number("activityId")?),
    };
    let row = account.live(kind, &Id::Number(item))?;
    let Id::Number(number) = project else { return Err(not_found(facts("projects"))) };
    if row.get("project_id") != Some(&json!(number)) {
        return Err(not_found(facts(kind)));
    }
    let sent = check::body(call, account.rigour())?;
    let id = Id::Text(format!("{word}:{item}").into());
    let fresh = json!({"item_id": item, "item_type": word, "phase_id": null, "group_id": null, "project_id": number});
    let mut placed = account.store.get("projectPlans", &id).or_else(|| fresh.as_object().cloned()).unwrap_or_default();
    for (member, kind) in [("phase_id", "phases"), ("group_id", "projectGroups")] {
        if let Some(value) = sent.get(member) {
            account.check_link(member, kind, value)?;
            placed.insert(member.to_owned(), value.clone());
        }
    }
    account.write("projectPlans", &id, &placed);
    placed.remove("project_id");
    single(200, placed)
}
