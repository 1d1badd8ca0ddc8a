//! Boards of projects and their phases: short lists without pages, in an order that can be written.
//!
//! api/objects.md, Project boards and Project phases: active ones only, `order_nr` writable, phases listed for one board at a time.

use serde_json::{Value, json};

use crate::sandbox::account::Account;
use crate::sandbox::answer::{Answer, Outcome, not_found};
use crate::sandbox::call::Call;
use crate::sandbox::records::Draft;
use crate::sandbox::row::Id;

/// Every board, or every phase of one.
pub(super) fn list(account: &Account, call: &Call<'_>) -> Outcome {
    let kind = if call.operation.path == "/boards" { "boards" } else { "phases" };
    let board = call.asked_number("board_id")?;
    // What a board that is gone answers is not told; every other unknown parent is 404.
    if board.is_some_and(|board| !account.is_live("boards", &Id::Number(board))) {
        return Err(not_found(crate::sandbox::account::facts("boards")));
    }
    let rows = account.store.table(kind).rows.iter();
    let wanted = rows.filter(|(_, row)| !row.deleted && (kind == "boards" || row.number("board_id") == board));
    let mut rows: Vec<_> = wanted.map(|(id, row)| (row.number("order_nr"), id, row.main())).collect();
    rows.sort_by_key(|(order, id, _)| (*order, (*id).clone()));
    let text: Vec<String> = rows.iter().map(|(.., text)| format!("{{{text}}}")).collect();
    // api/wire.md, Irregular shapes: additional_data is null here.
    let body = format!("{{\"success\":true,\"data\":[{}],\"additional_data\":null}}", text.join(","));
    Ok(Answer::text(200, body))
}

/// Without a place of its own a new one goes to the end.
pub(super) fn settle(account: &Account, draft: &mut Draft, kind: &str) -> Result<(), Answer> {
    if draft.row.get("order_nr").is_none_or(Value::is_null) {
        let board = draft.number("board_id");
        let rows = account.store.table(kind).rows.values();
        let beside = rows.filter(|row| !row.deleted && (kind == "boards" || row.number("board_id") == board));
        let last = beside.filter_map(|row| row.number("order_nr")).max();
        draft.set("order_nr", json!(last.map_or(1, |last| last + 1)));
    }
    Ok(())
}
