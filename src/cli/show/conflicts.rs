//! Conflicts of a plan: what was edited again, what the snapshot has, and who wins.

use std::io::{self, Write};

use crate::cli::show::{brief, count, number};
use crate::restore::{Conflict, Past, Plan, Side};

/// How many conflicts are told one by one.
const TOLD: usize = 12;

/// Which way a plan goes to its snapshot.
pub(crate) fn way(plan: &Plan) -> String {
    match &plan.past {
        Some(Past::Until(end)) => format!("undo what happened until snapshot {}, since", end.short()),
        Some(Past::Undone(restore)) => format!("undo restore {}, to", &restore[..restore.len().min(8)]),
        Some(Past::Between(_)) | None => "back to snapshot".to_owned(),
    }
}

/// Conflicts, the kept ones first.
pub(crate) fn text(plan: &Plan, out: &mut dyn Write) -> io::Result<()> {
    for (side, word) in [
        (Side::Account, "edited again since, kept as they are"),
        (Side::Snapshot, "edited again since, the snapshot's value is written over it"),
    ] {
        let all: Vec<&Conflict> = plan.conflicts.iter().filter(|conflict| conflict.winner == side).collect();
        if all.is_empty() {
            continue;
        }
        writeln!(out, "  ! {:>6}  conflict     {word}", number(all.len() as u64))?;
        for conflict in all.iter().take(TOLD) {
            writeln!(out, "  {:20} {}", "", line(conflict))?;
        }
        let more = all.len().saturating_sub(TOLD);
        if more > 0 {
            let more = count(more as u64, "conflict", "conflicts");
            writeln!(out, "  {:20} and {more} more, in the plan's JSON form", "")?;
        }
    }
    Ok(())
}

/// One conflict: which field, what the snapshot has, what it was changed to, what it is now.
pub(crate) fn line(conflict: &Conflict) -> String {
    match conflict.field.as_str() {
        "*" => format!("{}: the whole record", conflict.record),
        field => {
            let [goal, between, account] = [&conflict.goal, &conflict.between, &conflict.account].map(brief);
            format!("{} {field}: snapshot {goal}, then {between}, now {account}", conflict.record)
        }
    }
}
