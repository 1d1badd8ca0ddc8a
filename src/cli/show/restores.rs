//! How restores look in a list.

use std::io::{self, Write};

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::cli::show::{View, moment, number, print, table};
use crate::restore::{Journal, Past, Plan, Standing, Tally};

/// One restore, or a plan that was only shown.
#[derive(Serialize)]
pub(crate) struct RestoreView {
    /// Its id.
    pub(crate) restore: String,
    /// When its plan was made.
    pub(crate) begun: DateTime<Utc>,
    /// The snapshot it goes to.
    goal: String,
    /// The restore it takes back.
    undoes: Option<String>,
    /// The restore that took it back before its end.
    undone_by: Option<String>,
    /// How far it came.
    state: &'static str,
    done: usize,
    steps: usize,
    /// What came of it.
    total: Option<Tally>,
}

impl RestoreView {
    pub(crate) fn of(journal: &Journal, plan: &Plan) -> RestoreView {
        let state = match journal.standing() {
            Standing::Fresh => "planned",
            Standing::Partly { .. } | Standing::InDoubt(_) => "interrupted",
            Standing::Complete => "complete",
            Standing::TakenBack => "taken back",
        };
        let undoes = match &plan.past {
            Some(Past::Undone(restore)) => Some(restore.clone()),
            _ => None,
        };
        RestoreView {
            restore: journal.name().to_owned(),
            begun: journal.begun(),
            goal: plan.goal.to_string(),
            undoes,
            undone_by: journal.undone().map(str::to_owned),
            state,
            done: journal.done(),
            steps: plan.steps().len(),
            total: journal.report().map(|report| report.total),
        }
    }
}

/// All of them.
#[derive(Serialize)]
#[serde(transparent)]
pub(crate) struct RestoreList(pub(crate) Vec<RestoreView>);

impl View for RestoreList {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        if self.0.is_empty() {
            return writeln!(out, "no restore was planned yet");
        }
        let mut lines = table(&["restore", "planned", "what", "state", "steps", "failed", "conflicts"], &[4, 5, 6]);
        let short = |id: &str| id[..id.len().min(8)].to_owned();
        for one in &self.0 {
            let what = match &one.undoes {
                Some(restore) => format!("takes back {}", short(restore)),
                None => format!("to {}", short(&one.goal)),
            };
            let steps = match one.state {
                "interrupted" | "taken back" => format!("{} of {}", number(one.done as u64), number(one.steps as u64)),
                _ => number(one.steps as u64),
            };
            let told = |of: fn(&Tally) -> u64| one.total.as_ref().map_or_else(String::new, |total| number(of(total)));
            let (failed, conflicts) = (told(|total| total.failed), told(|total| total.conflicts));
            lines.add_row([
                short(&one.restore),
                moment(one.begun),
                what,
                one.state.to_owned(),
                steps,
                failed,
                conflicts,
            ]);
        }
        print(&lines, out)
    }
}
