//! A status in about ten lines.

use std::io::{self, Write};

use chrono::{DateTime, Utc};

use super::{Company, Level, Status};
use crate::archive::SnapshotId;
use crate::cli::show::snapshots::ago;
use crate::cli::show::{View, count, moment, number, size};

impl Status {
    fn ago(&self, at: DateTime<Utc>) -> String {
        ago(self.at - at)
    }

    fn company(&self, company: &Company, out: &mut dyn Write) -> io::Result<()> {
        let whose = match company.kind.as_str() {
            "import" => "imported".to_owned(),
            _ => format!("{} ({})", company.name, company.company),
        };
        let partial = if company.partial { "  ·  the newest is partial" } else { "" };
        let Some(good) = &company.last_good else {
            return writeln!(out, "snapshot  {whose}: none is good{partial}");
        };
        let id = SnapshotId(good.snapshot.clone());
        let gaps = if good.gaps == 0 { "whole".to_owned() } else { count(good.gaps, "gap", "gaps") };
        let (records, tokens) = (count(good.records, "record", "records"), count(good.tokens, "token", "tokens"));
        let taken = format!("{}  {}", id.short(), self.ago(good.at));
        writeln!(out, "snapshot  {taken}  ·  {whose}  ·  {records}, {gaps}  ·  {tokens}{partial}")
    }

    fn proofs(&self, out: &mut dyn Write) -> io::Result<()> {
        let found =
            |problems: u64| if problems == 0 { "sound".to_owned() } else { count(problems, "problem", "problems") };
        match (self.check, self.check_data) {
            (None, _) => writeln!(out, "check     never on this machine")?,
            (Some(check), None) => {
                writeln!(out, "check     {}: {}  ·  never every byte", self.ago(check.at), found(check.problems))?;
            }
            (Some(check), Some(data)) => {
                let every = format!("every byte {}", self.ago(data.at));
                writeln!(out, "check     {}: {}  ·  {every}", self.ago(check.at), found(check.problems))?;
            }
        }
        match self.drill {
            None => writeln!(out, "drill     never"),
            Some(drill) => {
                let came = count(drill.came_back, "record", "records");
                writeln!(out, "drill     {}: {came} came back, {} wrong", self.ago(drill.at), number(drill.wrong))
            }
        }
    }

    fn schedule_line(&self, out: &mut dyn Write) -> io::Result<()> {
        let Some(schedule) = &self.schedule else {
            return writeln!(out, "schedule  none: [schedule] in pdbak.toml says when pdbak runs by itself");
        };
        let next = schedule.next.map_or_else(|| "never".to_owned(), |next| format!("{} UTC", moment(next)));
        let ended = schedule.verdict.map(|verdict| format!(", {}", verdict.word())).unwrap_or_default();
        let last =
            schedule.last.map_or_else(|| "never ran".to_owned(), |last| format!("last run {}{ended}", self.ago(last)));
        let missed =
            if schedule.missed > 0 { format!("  ·  {} missed", number(schedule.missed)) } else { String::new() };
        writeln!(out, "schedule  next run {next}  ·  {last}{missed}")
    }

    fn copies(&self, out: &mut dyn Write) -> io::Result<()> {
        if self.offsite.is_empty() {
            writeln!(out, "offsite   no copies: [offsite.NAME] in pdbak.toml names where they go")?;
        }
        for (name, copy) in &self.offsite {
            let Some(pushed) = copy.pushed else {
                writeln!(out, "offsite   {name}: never")?;
                continue;
            };
            let behind = match copy.behind {
                None => "how far behind cannot be seen".to_owned(),
                Some(0) => "up to date".to_owned(),
                Some(behind) => format!("{} behind", count(behind, "snapshot", "snapshots")),
            };
            let whole = if copy.whole { "" } else { ", not whole" };
            writeln!(out, "offsite   {name}: {}, {behind}{whole}", self.ago(pushed))?;
        }
        Ok(())
    }
}

impl View for Status {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let archive = &self.archive;
        let sealed = if archive.encrypted { "encrypted" } else { "not encrypted" };
        let held = archive
            .snapshots
            .map_or_else(|| "snapshots not seen".to_owned(), |all| count(all, "snapshot", "snapshots"));
        let stored = format!("{} in {}", size(archive.bytes), count(archive.files, "file", "files"));
        writeln!(out, "archive   {}  ·  {sealed}  ·  {held}  ·  {stored}", archive.path.display())?;
        for company in &self.companies {
            self.company(company, out)?;
        }
        if self.unfinished {
            let from = self.goes_on.filter(|until| *until > self.at);
            let from = from.map_or_else(|| "now".to_owned(), |until| format!("after {} UTC", moment(until)));
            writeln!(out, "capture   not at its end; it can go on {from}")?;
        }
        match self.alarms {
            None => writeln!(out, "alarms    not seen")?,
            Some(0) => writeln!(out, "alarms    none open")?,
            Some(open) => writeln!(out, "alarms    {} open", number(open))?,
        }
        self.proofs(out)?;
        self.copies(out)?;
        self.schedule_line(out)?;
        if archive.encrypted {
            writeln!(out, "keys      {}; this one may {}", count(archive.keys, "holder", "holders"), archive.role)?;
        }
        if !self.unseen.is_empty() {
            writeln!(out, "not seen  {}: the key in use may not read them", self.unseen.join(", "))?;
        }
        for problem in &self.problems {
            let word = if problem.level == Level::Critical { "CRITICAL" } else { "warning " };
            writeln!(out, "{word}  {}", problem.text)?;
        }
        if self.problems.is_empty() { writeln!(out, "fine") } else { Ok(()) }
    }
}
