//! Conflicts of a plan: what was edited again, what the snapshot has, and who wins.

use std::io::{self, Write};

use chrono::DateTime;
use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use crate::archive::{Archive, Error};
use crate::cli::show::records::title;
use crate::cli::show::{View, brief, count, cut, moment, number};
use crate::diff::Names;
use crate::restore::{Past, Plan, Side};

/// How many conflicts are told one by one.
const TOLD: usize = 12;

/// One conflict under human names.
pub(crate) struct ConflictView {
    pub(crate) record: String,
    /// What the account's record is called.
    pub(crate) title: String,
    /// Its key; `*` for the whole record.
    pub(crate) field: String,
    /// What people call the field.
    pub(crate) name: String,
    /// In the snapshot, in between, in the account.
    pub(crate) values: [Value; 3],
    /// The same as people read them.
    pub(crate) said: [String; 3],
    pub(crate) when: Option<String>,
    pub(crate) who: Option<String>,
    pub(crate) winner: Side,
}

impl Serialize for ConflictView {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let [goal, between, account] = &self.values;
        json!({
            "record": self.record, "title": self.title, "field": self.field, "name": self.name, "goal": goal,
            "between": between, "account": account, "when": self.when, "who": self.who, "winner": self.winner,
        })
        .serialize(serializer)
    }
}

impl View for ConflictView {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let title = if self.title.is_empty() { String::new() } else { format!(" \"{}\"", self.title) };
        let [goal, between, account] = &self.said;
        writeln!(out, "    {}{title}  {}", self.record, self.name)?;
        if self.field != "*" {
            writeln!(out, "        snapshot  {goal}\n        then      {between}")?;
        }
        writeln!(out, "        now       {account}{}", self.written())
    }
}

impl ConflictView {
    /// When and by whom the account's value was written, as far as anything tells.
    fn written(&self) -> String {
        match (&self.when, &self.who) {
            (Some(when), Some(who)) => format!("   written {} by {who}", told(when)),
            (Some(when), None) => format!("   the record was written {}", told(when)),
            (None, Some(who)) => format!("   written by {who}"),
            (None, None) => String::new(),
        }
    }

    /// All of it on a line.
    fn line(&self) -> String {
        let [goal, between, account] = &self.said;
        match self.field.as_str() {
            "*" => format!("{}: the whole record", self.record),
            _ => format!("{} {}: snapshot {goal}, then {between}, now {account}", self.record, self.name),
        }
    }
}

/// A time of the service to the minute; as it is where it is none.
fn told(when: &str) -> String {
    let whole = format!("{}Z", when.replacen(' ', "T", 1).trim_end_matches('Z'));
    DateTime::parse_from_rfc3339(&whole)
        .map_or_else(|_| when.to_owned(), |time| format!("{} UTC", moment(time.to_utc())))
}

/// The conflicts of a plan under the names of the two states it was made from.
pub(crate) fn views(archive: &Archive, plan: &Plan) -> Result<Vec<ConflictView>, Error> {
    if plan.conflicts.is_empty() {
        return Ok(Vec::new());
    }
    let (goal, seen) = (archive.snapshot(&plan.goal)?, archive.snapshot(&plan.seen)?);
    let (then, now) = (Names::of(&goal)?, Names::of(&seen)?);
    let view = |conflict: &crate::restore::Conflict| {
        let (object, field) = (&conflict.record.object, conflict.field.as_str());
        // A field that was made again is known under its key of today.
        let (old, new) = (if then.knows(object, field) { &then } else { &now }, &now);
        let say = |names: &Names<'_>, value: &Value| match value {
            Value::Null => brief(value),
            value => cut(&names.value(object, field, value)),
        };
        let known = seen.find(&conflict.record)?.or(goal.find(&conflict.record)?);
        let user = |number: &String| now.value(object, "owner_id", &json!(number));
        let values = [conflict.goal.clone(), conflict.between.clone(), conflict.account.clone()];
        let whole = field == "*";
        let said = [(old, &values[0]), (old, &values[1]), (new, &values[2])].map(|(names, value)| match value {
            Value::Object(_) if whole => "edited again".to_owned(),
            value => say(names, value),
        });
        Ok(ConflictView {
            record: conflict.record.to_string(),
            title: known.as_ref().map(title).unwrap_or_default(),
            field: field.to_owned(),
            name: if whole { "the whole record".to_owned() } else { old.field(object, field) },
            values,
            said,
            when: conflict.when.clone(),
            who: conflict.who.as_ref().map(user),
            winner: conflict.winner,
        })
    };
    plan.conflicts.iter().map(view).collect()
}

/// Every conflict of a plan, whole.
#[derive(Serialize)]
pub(crate) struct AllConflicts {
    pub(crate) plan: String,
    pub(crate) conflicts: Vec<ConflictView>,
}

impl View for AllConflicts {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        if self.conflicts.is_empty() {
            return writeln!(out, "no conflicts: nothing that would be written was edited again");
        }
        writeln!(out, "{} in plan {}", count(self.conflicts.len() as u64, "conflict", "conflicts"), self.plan)?;
        self.conflicts.iter().try_for_each(|conflict| conflict.text(out))?;
        writeln!(
            out,
            "decide with --theirs or --ours, one by one at a terminal, or by each \"winner\" in the file of --plan"
        )
    }
}

/// Which way a plan goes to its snapshot.
pub(crate) fn way(plan: &Plan) -> String {
    match &plan.past {
        Some(Past::Until(end)) => format!("undo what happened until snapshot {}, since", end.short()),
        Some(Past::Undone(restore)) => format!("undo restore {}, to", &restore[..restore.len().min(8)]),
        Some(Past::Between(_)) | None => "back to snapshot".to_owned(),
    }
}

/// Conflicts, the kept ones first.
pub(crate) fn text(conflicts: &[ConflictView], out: &mut dyn Write) -> io::Result<()> {
    for (side, word) in [
        (Side::Account, "edited again since, kept as they are"),
        (Side::Snapshot, "edited again since, the snapshot's value is written over it"),
    ] {
        let all: Vec<&ConflictView> = conflicts.iter().filter(|conflict| conflict.winner == side).collect();
        if all.is_empty() {
            continue;
        }
        writeln!(out, "  ! {:>6}  conflict     {word}", number(all.len() as u64))?;
        for conflict in all.iter().take(TOLD) {
            writeln!(out, "  {:20} {}", "", conflict.line())?;
        }
        let more = all.len().saturating_sub(TOLD);
        if more > 0 {
            let more = count(more as u64, "conflict", "conflicts");
            writeln!(out, "  {:20} and {more} more; --conflicts lists all", "")?;
        }
    }
    Ok(())
}
