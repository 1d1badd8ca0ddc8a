//! A status as Prometheus reads it: the text format, version 0.0.4.
//!
//! Labels name objects, targets of the configuration and numbers of companies; no name
//! of a person or company and no record leaves the archive this way.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::Path;

use chrono::{DateTime, Utc};

use super::{Company, Level, Status, Taken};

/// Labels of a sample, and its value.
type Sample<'a> = (Vec<(&'a str, String)>, f64);

/// A name, what it means, and how it is read from a snapshot.
type Fact = (&'static str, &'static str, fn(&Taken) -> f64);

/// What every name begins with.
const PREFIX: &str = "pdbak_";

/// The text, grown one family after the other.
#[derive(Default)]
struct Page(String);

impl Page {
    /// One gauge with all its samples; a family without samples is left out.
    fn gauge<'a>(&mut self, name: &str, help: &str, samples: impl IntoIterator<Item = Sample<'a>>) {
        let mut samples = samples.into_iter().peekable();
        if samples.peek().is_none() {
            return;
        }
        // Writing to a string cannot fail.
        let _ = writeln!(self.0, "# HELP {PREFIX}{name} {help}\n# TYPE {PREFIX}{name} gauge");
        for (labels, value) in samples {
            let labels: Vec<String> =
                labels.iter().map(|(key, value)| format!("{key}=\"{}\"", escaped(value))).collect();
            let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
            let _ = writeln!(self.0, "{PREFIX}{name}{labels} {value}");
        }
    }

    fn one(&mut self, name: &str, help: &str, value: Option<f64>) {
        self.gauge(name, help, value.map(|value| (Vec::new(), value)));
    }
}

/// The value of a label as the format wants it.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

fn seconds(at: DateTime<Utc>) -> f64 {
    at.timestamp() as f64
}

fn of_company(company: u64) -> Vec<(&'static str, String)> {
    vec![("company", company.to_string())]
}

impl Status {
    /// The status as Prometheus reads it.
    pub(crate) fn metrics(&self) -> String {
        let mut page = Page::default();
        let level = match self.level {
            Level::Fine => 0.0,
            Level::Warning => 1.0,
            Level::Critical => 2.0,
        };
        page.one("status", "0 fine, 1 warnings, 2 critical, as pdbak status tells it.", Some(level));
        page.one("status_timestamp_seconds", "When all of this was looked at.", Some(seconds(self.at)));
        let archive = &self.archive;
        page.one("archive_bytes", "Stored bytes of the archive.", Some(archive.bytes as f64));
        page.one("archive_files", "Files of the archive.", Some(archive.files as f64));
        page.one("archive_snapshots", "Snapshots of the archive.", archive.snapshots.map(|all| all as f64));
        page.one("archive_keys", "Keys that open the archive.", archive.encrypted.then_some(archive.keys as f64));
        page.one("alarms_open", "Alarms about far more changes than usual.", self.alarms.map(|open| open as f64));
        self.snapshots(&mut page);
        self.proofs_of(&mut page);
        self.copies_of(&mut page);
        if let Some(schedule) = &self.schedule {
            page.one("schedule_next_run_timestamp_seconds", "When the next run is due.", schedule.next.map(seconds));
            page.one("schedule_last_run_timestamp_seconds", "When the last run began.", schedule.last.map(seconds));
            page.one("schedule_missed", "Times that have passed without a run.", Some(schedule.missed as f64));
        }
        page.0
    }

    fn snapshots(&self, page: &mut Page) {
        let good: Vec<(&Company, &Taken)> =
            self.companies.iter().filter_map(|company| Some((company, company.last_good.as_ref()?))).collect();
        let facts: [Fact; 6] = [
            ("last_good_snapshot_timestamp_seconds", "When the last good snapshot was taken.", |taken| {
                seconds(taken.at)
            }),
            ("last_good_snapshot_age_seconds", "Its age when this was looked at.", |taken| taken.age_seconds as f64),
            ("last_good_snapshot_tokens", "Tokens that it cost.", |taken| taken.tokens as f64),
            ("last_good_snapshot_requests", "Requests that it took.", |taken| taken.requests as f64),
            ("last_good_snapshot_bytes", "Bytes that it added.", |taken| taken.bytes_added as f64),
            ("last_good_snapshot_gaps", "Objects that it could not read wholly.", |taken| taken.gaps as f64),
        ];
        for (name, help, value) in facts {
            page.gauge(name, help, good.iter().map(|(company, taken)| (of_company(company.company), value(taken))));
        }
        let by_object = good.iter().flat_map(|(company, taken)| {
            taken.objects.iter().map(|(object, records)| {
                let labels = [of_company(company.company), vec![("object", object.clone())]].concat();
                (labels, *records as f64)
            })
        });
        page.gauge("records", "Records of the last good snapshot.", by_object);
        page.one("capture_unfinished", "1 while a capture waits to be gone on with.", Some(f64::from(self.unfinished)));
    }

    fn proofs_of(&self, page: &mut Page) {
        let checks = [("structure", self.check), ("data", self.check_data)];
        let checks: Vec<_> = checks.into_iter().filter_map(|(depth, check)| Some((depth, check?))).collect();
        let labels = |depth: &str| vec![("depth", depth.to_owned())];
        let at = checks.iter().map(|(depth, check)| (labels(depth), seconds(check.at)));
        page.gauge("check_timestamp_seconds", "When the archive was last checked.", at);
        let problems = checks.iter().map(|(depth, check)| (labels(depth), check.problems as f64));
        page.gauge("check_problems", "Problems that the last check found.", problems);
        let drill = self.drill;
        page.one("drill_timestamp_seconds", "When the last drill ended.", drill.map(|drill| seconds(drill.at)));
        let score = drill.map(|drill| match drill.came_back + drill.wrong {
            0 => 1.0,
            all => drill.came_back as f64 / all as f64,
        });
        page.one("drill_score", "Share of records that came back in it, from 0 to 1.", score);
    }

    fn copies_of(&self, page: &mut Page) {
        let labels = |name: &String| vec![("target", name.clone())];
        let pushed = self.offsite.iter().filter_map(|(name, copy)| Some((labels(name), seconds(copy.pushed?))));
        page.gauge("offsite_push_timestamp_seconds", "When the last push to the target began.", pushed);
        let behind = self.offsite.iter().filter_map(|(name, copy)| Some((labels(name), copy.behind? as f64)));
        page.gauge("offsite_snapshots_behind", "Snapshots that the target has not.", behind);
        let whole = self.offsite.iter().map(|(name, copy)| (labels(name), f64::from(copy.whole)));
        page.gauge("offsite_whole", "1 if the last push left nothing out.", whole);
        let good = self.offsite.iter().flat_map(|(name, copy)| {
            copy.last_good.iter().map(|(company, at)| ([of_company(*company), labels(name)].concat(), seconds(*at)))
        });
        let help = "When the newest whole snapshot at the target was taken.";
        page.gauge("offsite_last_good_snapshot_timestamp_seconds", help, good);
    }

    /// Writes the metrics for a collector that reads files: as a whole or not at all, and readable by others.
    pub(crate) fn write_metrics(&self, file: &Path) -> io::Result<()> {
        let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        // A collector takes what ends with .prom, and must not meet a draft.
        let mut draft = tempfile::Builder::new().prefix(".pdbak").tempfile_in(folder)?;
        draft.write_all(self.metrics().as_bytes())?;
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            draft.as_file().set_permissions(std::fs::Permissions::from_mode(0o644))?;
        }
        draft.as_file().sync_all()?;
        draft.persist(file).map(drop).map_err(|failed| failed.error)
    }
}

#[cfg(test)]
mod tests {
    use super::{Page, escaped};

    #[test]
    fn labels_are_escaped_and_families_without_samples_left_out() {
        assert_eq!(escaped("a\\b\"c\nd"), "a\\\\b\\\"c\\nd");
        let mut page = Page::default();
        page.one("nothing", "Nothing.", None);
        page.gauge("some", "Some.", [(vec![("target", "the \"vault\"".to_owned()), ("depth", "x".to_owned())], 2.5)]);
        let expected = "# HELP pdbak_some Some.\n# TYPE pdbak_some gauge\npdbak_some{target=\"the \\\"vault\\\"\",depth=\"x\"} 2.5\n";
        assert_eq!(page.0, expected);
    }
}
