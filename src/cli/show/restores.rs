//! How restores look in a list, and one of them by itself.

use std::io::{self, Write};

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::cli::show::reports::ReportView;
use crate::cli::show::{View, moment, number, print, table};
use crate::restore::{Journal, Past, Plan, Report, Standing, Tally};

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

    /// Where it goes.
    fn what(&self) -> String {
        match &self.undoes {
            Some(restore) => format!("takes back {}", short(restore)),
            None => format!("to {}", short(&self.goal)),
        }
    }
}

/// One restore with everything that is known of how it went.
#[derive(Serialize)]
pub(crate) struct OneRestore<'a> {
    #[serde(flatten)]
    pub(crate) restore: RestoreView,
    /// None until it has ended.
    pub(crate) report: Option<&'a Report>,
}

impl View for OneRestore<'_> {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let RestoreView { restore, begun, state, done, steps, .. } = &self.restore;
        let (id, planned) = (short(restore), moment(*begun));
        writeln!(out, "restore {id}  ·  {}  ·  planned {planned} UTC  ·  {state}", self.restore.what())?;
        if let Some(report) = self.report {
            return ReportView::whole(report).text(out);
        }
        let (done, steps) = (number(*done as u64), number(*steps as u64));
        match *state {
            "planned" => writeln!(out, "nothing has been written. To replay it: pdbak restore --from-plan {id}"),
            "interrupted" => {
                writeln!(out, "{done} of {steps} steps are done. To go on: pdbak restore --from-plan {id}")
            }
            _ => writeln!(out, "{done} of {steps} steps had been done when it was taken back"),
        }
    }
}

fn short(id: &str) -> String {
    id[..id.len().min(8)].to_owned()
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
        for one in &self.0 {
            let steps = match one.state {
                "interrupted" | "taken back" => format!("{} of {}", number(one.done as u64), number(one.steps as u64)),
                _ => number(one.steps as u64),
            };
            let told = |of: fn(&Tally) -> u64| one.total.as_ref().map_or_else(String::new, |total| number(of(total)));
            let (failed, conflicts) = (told(|total| total.failed), told(|total| total.conflicts));
            lines.add_row([
                short(&one.restore),
                moment(one.begun),
                one.what(),
                one.state.to_owned(),
                steps,
                failed,
                conflicts,
            ]);
        }
        print(&lines, out)
    }
}
