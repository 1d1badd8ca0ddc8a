//! How a restore ended: what is equal again, what differs by nature, what failed.

use std::io::{self, Write};

use serde::Serialize;

use crate::cli::show::{View, brief, count, number, print, table};
use crate::restore::{Finding, Report, Tally, Verdict};

/// How many records that are not as they were are told one by one.
const TOLD: usize = 20;

/// The fidelity report.
#[derive(Serialize)]
#[serde(transparent)]
pub(crate) struct ReportView<'a>(pub(crate) &'a Report);

impl View for ReportView<'_> {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let report = self.0;
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
        for (field, records) in self.0.nature.values().flatten() {
            match fields.iter_mut().find(|(name, _)| *name == field) {
                Some((_, sum)) => *sum += records,
                None => fields.push((field, *records)),
            }
        }
        fields.sort_by_key(|(_, records)| std::cmp::Reverse(*records));
        let told: Vec<&str> = fields.iter().take(8).map(|(field, _)| field.as_str()).collect();
        let more = if fields.len() > told.len() { ", …" } else { "" };
        if told.is_empty() { "the id".to_owned() } else { format!("{}{more}", told.join(", ")) }
    }

    fn findings(&self, out: &mut dyn Write) -> io::Result<()> {
        let bad = |finding: &&Finding| matches!(finding.verdict, Verdict::Failed | Verdict::Conflict);
        let all = self.0.findings.iter().filter(bad).count();
        for finding in self.0.findings.iter().filter(bad).take(TOLD) {
            let word = if finding.verdict == Verdict::Conflict { "conflict" } else { "failed" };
            writeln!(out, "{word}: {}  {}", finding.record, finding.words.join("; "))?;
            for field in finding.fields.iter().filter(|field| !field.by_nature) {
                writeln!(out, "    {}  wanted {}, found {}", field.field, brief(&field.wanted), brief(&field.found))?;
            }
        }
        match all.saturating_sub(TOLD) {
            0 => Ok(()),
            more => writeln!(out, "and {} more, all in --json", number(more as u64)),
        }
    }
}
