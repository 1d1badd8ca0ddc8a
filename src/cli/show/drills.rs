//! How a drill ended: what came back, what did not, and how long the real thing would take.

use std::collections::BTreeMap;
use std::io::{self, Write};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::account::WRITES_A_DAY;
use crate::archive::SnapshotId;
use crate::cli::show::snapshots::ago;
use crate::cli::show::{View, count, number, print, table};

/// How many reasons and findings are told one by one.
const TOLD: usize = 12;
/// Requests a second that every plan of the service allows (api/wire.md, Rate limits).
const REQUESTS_A_SECOND: u64 = 10;

/// Records of one object, or of all.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Tally {
    pub(crate) equal: u64,
    pub(crate) by_nature: u64,
    pub(crate) left_out: u64,
    pub(crate) different: u64,
    pub(crate) missing: u64,
    /// Rows that nobody asked for.
    pub(crate) extra: u64,
}

/// A record that did not come back as it was.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) struct Finding {
    pub(crate) record: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) now: Option<String>,
    pub(crate) what: String,
}

/// Why records of an object do not come back.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) struct LeftOut {
    pub(crate) object: String,
    pub(crate) why: String,
    pub(crate) records: u64,
}

/// What the same restore would take in a real account.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Real {
    pub(crate) requests: u64,
    pub(crate) tokens: u64,
    pub(crate) tokens_a_day: u64,
    pub(crate) days: u64,
    pub(crate) seconds: u64,
}

/// What a drill found.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) struct Drill {
    pub(crate) drill: String,
    pub(crate) snapshot: String,
    pub(crate) taken: DateTime<Utc>,
    pub(crate) at: DateTime<Utc>,
    pub(crate) seconds: f64,
    pub(crate) restorable: bool,
    pub(crate) total: Tally,
    pub(crate) objects: BTreeMap<String, Tally>,
    pub(crate) left_out: Vec<LeftOut>,
    pub(crate) findings: Vec<Finding>,
    pub(crate) real: Real,
}

impl Real {
    /// What so many requests and tokens take where so many tokens a day are allowed.
    pub(crate) fn new((requests, tokens): (u64, u64), writes: u64, tokens_a_day: u64) -> Real {
        let days = tokens.div_ceil(tokens_a_day).max(writes.div_ceil(WRITES_A_DAY)).max(1);
        Real { requests, tokens, tokens_a_day, days, seconds: requests.div_ceil(REQUESTS_A_SECOND) }
    }
}

/// What the newest drill of a snapshot found, and how long ago.
#[derive(Serialize)]
pub(crate) struct Drilled {
    at: DateTime<Utc>,
    age_seconds: i64,
    restorable: bool,
    total: Tally,
    #[serde(skip)]
    pub(crate) words: String,
}

impl Drilled {
    pub(crate) fn of(drill: &Drill, now: DateTime<Utc>) -> Drilled {
        let Drill { at, restorable, total, .. } = *drill;
        let ended = match total.wrong() {
            0 => "whole".to_owned(),
            wrong => format!("{} wrong", number(wrong)),
        };
        let words = format!("drilled {}: {ended}", ago(now - at));
        Drilled { at, age_seconds: (now - at).num_seconds(), restorable, total, words }
    }
}

impl Tally {
    /// Both together.
    pub(crate) fn and(self, other: Tally) -> Tally {
        Tally {
            equal: self.equal + other.equal,
            by_nature: self.by_nature + other.by_nature,
            left_out: self.left_out + other.left_out,
            different: self.different + other.different,
            missing: self.missing + other.missing,
            extra: self.extra + other.extra,
        }
    }

    /// Records that came back.
    pub(crate) fn came_back(self) -> u64 {
        self.equal + self.by_nature
    }

    /// Records that are not what the snapshot has.
    pub(crate) fn wrong(self) -> u64 {
        self.different + self.missing + self.extra
    }

    fn cells(self) -> [String; 6] {
        [self.equal, self.by_nature, self.left_out, self.different, self.missing, self.extra].map(number)
    }
}

impl View for Drill {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let header = ["object", "equal", "by nature", "left out", "different", "missing", "extra"];
        let mut lines = table(&header, &[1, 2, 3, 4, 5, 6]);
        for (title, tally) in
            self.objects.iter().map(|(title, tally)| (title.as_str(), tally)).chain([("in all", &self.total)])
        {
            let [equal, nature, left, different, missing, extra] = tally.cells();
            lines.add_row([title.to_owned(), equal, nature, left, different, missing, extra]);
        }
        print(&lines, out)?;
        for LeftOut { object, why, records } in self.left_out.iter().take(TOLD) {
            writeln!(out, "  left out   {object} ({}): {why}", number(*records))?;
        }
        if self.left_out.len() > TOLD {
            writeln!(
                out,
                "  left out   and {} more reasons, with --json",
                number((self.left_out.len() - TOLD) as u64)
            )?;
        }
        for Finding { record, what, .. } in self.findings.iter().take(TOLD) {
            writeln!(out, "  WRONG      {record}: {what}")?;
        }
        if self.findings.len() > TOLD {
            writeln!(out, "  WRONG      and {} more, with --json", number((self.findings.len() - TOLD) as u64))?;
        }
        let came = self.total.came_back();
        let verdict = match self.restorable {
            true => format!("{} came back as they were", count(came, "record", "records")),
            false => format!("{} came back as they were, and not everything did", count(came, "record", "records")),
        };
        let snapshot = SnapshotId(self.snapshot.clone());
        writeln!(out, "drill of {} in {} s: {verdict}", snapshot.short(), self.seconds)?;
        let Real { requests, tokens, tokens_a_day, days, seconds } = self.real;
        writeln!(
            out,
            "  the real thing: {} in {}, {} at the rate every plan allows, {} with {} tokens a day",
            count(tokens, "token", "tokens"),
            count(requests, "request", "requests"),
            span(seconds),
            count(days, "day", "days"),
            number(tokens_a_day)
        )
    }
}

/// A span of time in words.
fn span(seconds: u64) -> String {
    match seconds {
        0..=119 => count(seconds.max(1), "second", "seconds"),
        120..=7_199 => count(seconds.div_ceil(60), "minute", "minutes"),
        _ => count(seconds.div_ceil(3_600), "hour", "hours"),
    }
}
