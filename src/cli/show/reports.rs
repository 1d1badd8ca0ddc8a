//! How a restore ended: what is equal again, what differs by nature, what failed.

use std::io::{self, Write};

use serde::Serialize;

use crate::cli::show::{View, brief, count, number, print, table};
use crate::restore::{FieldTally, Finding, Report, Tally, Verdict};

/// How many records that are not as they were are told one by one.
const TOLD: usize = 20;

/// The fidelity report.
#[derive(Serialize)]
#[serde(transparent)]
pub(crate) struct ReportView<'a> {
    report: &'a Report,
    /// Whether every field and every finding is told.
    #[serde(skip)]
    whole: bool,
}

impl<'a> ReportView<'a> {
    /// As it is shown after a restore: by object, and what is not as it was.
    pub(crate) fn brief(report: &'a Report) -> ReportView<'a> {
        ReportView { report, whole: false }
    }

    /// With every field.
    pub(crate) fn whole(report: &'a Report) -> ReportView<'a> {
        ReportView { report, whole: true }
    }
}

impl View for ReportView<'_> {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let report = self.report;
        let Tally { equal, by_nature, failed, conflicts, deleted } = report.total;
        if equal + by_nature + failed + conflicts + deleted == 0 {
            return writeln!(out, "nothing had to be written");
        }
        let mut lines = table(&["object", "equal", "by nature", "failed", "conflicts", "deleted"], &[1, 2, 3, 4, 5]);
        for (title, one) in &report.objects {
            let Tally { equal, by_nature, failed, conflicts, deleted } = *one;
            let [equal, by_nature, failed, conflicts, deleted] =
                [equal, by_nature, failed, conflicts, deleted].map(number);
            lines.add_row([title.clone(), equal, by_nature, failed, conflicts, deleted]);
        }
        print(&lines, out)?;
        self.fields(out)?;
        self.findings(out)?;
        let back = count(equal + by_nature, "record", "records");
        writeln!(
            out,
            "restore {}: {back} read back and as the snapshot had them",
            &report.journal[..report.journal.len().min(8)]
        )?;
        if by_nature > 0 {
            writeln!(
                out,
                "  by nature: {} came back with what the service sets itself: {}",
                number(by_nature),
                self.nature()
            )?;
        }
        if report.expelled > 0 {
            let rows = count(report.expelled, "follower or participant", "followers and participants");
            writeln!(out, "  removed: {rows} that the service had added by itself")?;
        }
        if !report.trimmed.is_empty() {
            let rows = count(report.trimmed.len() as u64, "record", "records");
            writeln!(out, "  removed: {rows} that came back with deleted ones and had been added since")?;
        }
        let (spent, planned) = (report.bill.spent, report.bill.planned);
        writeln!(
            out,
            "  cost: {} in {}; the plan said {}",
            count(spent.tokens, "token", "tokens"),
            count(spent.requests, "request", "requests"),
            number(planned.tokens)
        )?;
        if failed + conflicts > 0 {
            writeln!(out, "  left: {} failed, {} were edited since and kept", number(failed), number(conflicts))?;
        }
        Ok(())
    }
}

impl ReportView<'_> {
    /// The fields that the service sets itself, of all objects, the most frequent first.
    fn nature(&self) -> String {
        let mut fields: Vec<(&String, u64)> = Vec::new();
        for (field, FieldTally { by_nature, .. }) in
            self.report.fields.values().flatten().filter(|(_, one)| one.by_nature > 0)
        {
            match fields.iter_mut().find(|(name, _)| *name == field) {
                Some((_, sum)) => *sum += by_nature,
                None => fields.push((field, *by_nature)),
            }
        }
        fields.sort_by_key(|(_, records)| std::cmp::Reverse(*records));
        let told: Vec<&str> = fields.iter().take(8).map(|(field, _)| field.as_str()).collect();
        let more = if fields.len() > told.len() { ", …" } else { "" };
        if told.is_empty() { "the id".to_owned() } else { format!("{}{more}", told.join(", ")) }
    }

    /// The fields that are not as they were, or all of them.
    fn fields(&self, out: &mut dyn Write) -> io::Result<()> {
        let all = self.report.fields.iter().flat_map(|(title, fields)| fields.iter().map(move |one| (title, one)));
        let wanted = |tally: &FieldTally| self.whole || tally.failed + tally.conflicts > 0;
        let told: Vec<_> = all.filter(|(_, (_, tally))| wanted(tally)).collect();
        if told.is_empty() {
            return Ok(());
        }
        let mut lines = table(&["object", "field", "equal", "by nature", "failed", "conflicts"], &[2, 3, 4, 5]);
        for (title, (field, tally)) in told {
            let FieldTally { equal, by_nature, failed, conflicts } = *tally;
            let [equal, by_nature, failed, conflicts] = [equal, by_nature, failed, conflicts].map(number);
            lines.add_row([title.clone(), self.name(field), equal, by_nature, failed, conflicts]);
        }
        print(&lines, out)
    }

    /// What people call a field.
    fn name(&self, field: &str) -> String {
        let code = field.strip_prefix("custom_fields.").unwrap_or(field);
        let known = code.get(..40).and_then(|code| self.report.names.get(code));
        known.map_or_else(|| field.to_owned(), |name| format!("{name}{}", code.get(40..).unwrap_or_default()))
    }

    fn findings(&self, out: &mut dyn Write) -> io::Result<()> {
        let bad = |finding: &&Finding| matches!(finding.verdict, Verdict::Failed | Verdict::Conflict);
        let all = self.report.findings.iter().filter(bad).count();
        let told = if self.whole { all } else { TOLD };
        for finding in self.report.findings.iter().filter(bad).take(told) {
            let word = if finding.verdict == Verdict::Conflict { "conflict" } else { "failed" };
            writeln!(out, "{word}: {}  {}", finding.record, finding.words.join("; "))?;
            for field in finding.fields.list().iter().filter(|field| !field.by_nature) {
                writeln!(out, "    {}  wanted {}, found {}", field.field, brief(&field.wanted), brief(&field.found))?;
            }
        }
        match all.saturating_sub(told) {
            0 => Ok(()),
            more => {
                let restore = &self.report.journal[..self.report.journal.len().min(8)];
                writeln!(out, "and {} more; pdbak restores {restore} tells them all", number(more as u64))
            }
        }
    }
}
