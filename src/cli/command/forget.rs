//! `pdbak forget`: lets snapshots go that no rule keeps.

use std::io::{self, Write};

use clap::Args;
use serde::Serialize;

use crate::archive::{Archive, Decision, Manifest, Policy, Span};
use crate::cli::command::brake;
use crate::cli::complain::Failure;
use crate::cli::exit::Exit;
use crate::cli::session::Session;
use crate::cli::show::{View, count, moment};

pub(crate) const EXAMPLES: &str = "\
Examples:
  pdbak forget --keep-daily 7 --keep-weekly 5 --keep-monthly 12 --keep-yearly all --dry-run
                              what would go, and what keeps the others
  pdbak forget --keep-within 30d --keep-tag audit
  pdbak forget 3fa9 1c02      these two
  pdbak prune                 gives the room back";

/// Arguments of `pdbak forget`.
#[derive(Args, Debug)]
pub(crate) struct Forget {
    /// Forget these, by id, date or "latest~2"; the newest, pinned and held ones cannot be
    #[arg(value_name = "SNAPSHOT", conflicts_with = "rules")]
    snapshots: Vec<String>,
    #[command(flatten)]
    keep: Keep,
    /// Say what would go and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Without a rule that keeps any: forget all but the newest, pinned and held ones
    #[arg(long)]
    unsafe_allow_remove_all: bool,
}

/// The rules; each counts on its own.
#[derive(Args, Debug)]
#[group(id = "rules", multiple = true)]
struct Keep {
    /// Keep the newest N, or "all"
    #[arg(long, value_name = "N", value_parser = amount)]
    keep_last: Option<u32>,
    /// Keep the newest of each of N hours
    #[arg(long, value_name = "N", value_parser = amount)]
    keep_hourly: Option<u32>,
    /// Keep the newest of each of N days (UTC)
    #[arg(long, value_name = "N", value_parser = amount)]
    keep_daily: Option<u32>,
    /// Keep the newest of each of N weeks, Monday to Sunday
    #[arg(long, value_name = "N", value_parser = amount)]
    keep_weekly: Option<u32>,
    /// Keep the newest of each of N months
    #[arg(long, value_name = "N", value_parser = amount)]
    keep_monthly: Option<u32>,
    /// Keep the newest of each of N years
    #[arg(long, value_name = "N", value_parser = amount)]
    keep_yearly: Option<u32>,
    /// Keep what is at most this much older than the newest: 2y5m7d3h
    #[arg(long, value_name = "TIME")]
    keep_within: Option<Span>,
    /// Keep what has this tag, or all of these with commas between; may be repeated
    #[arg(long, value_name = "TAG[,TAG]")]
    keep_tag: Vec<String>,
}

fn amount(text: &str) -> Result<u32, String> {
    match text {
        "all" | "unlimited" => Ok(u32::MAX),
        number => number.parse().map_err(|_| "give a number, or \"all\"".to_owned()),
    }
}

impl Keep {
    fn policy(self) -> Policy {
        let tags = self.keep_tag.iter().map(|list| list.split(',').map(str::to_owned).collect());
        Policy {
            last: self.keep_last.unwrap_or(0),
            hourly: self.keep_hourly.unwrap_or(0),
            daily: self.keep_daily.unwrap_or(0),
            weekly: self.keep_weekly.unwrap_or(0),
            monthly: self.keep_monthly.unwrap_or(0),
            yearly: self.keep_yearly.unwrap_or(0),
            within: self.keep_within,
            tags: tags.collect(),
        }
    }
}

/// One snapshot, and what becomes of it.
#[derive(Serialize)]
struct Fate {
    snapshot: String,
    finished: String,
    kept: bool,
    incomplete: bool,
    reasons: Vec<String>,
}

/// What became of all of them.
#[derive(Serialize)]
pub(crate) struct Report {
    dry_run: bool,
    pub(crate) forgotten: u64,
    snapshots: Vec<Fate>,
}

impl View for Report {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        for fate in &self.snapshots {
            let word = if fate.kept { "keep  " } else { "forget" };
            let lesser = if fate.incomplete { "  (saw less than usual)" } else { "" };
            let id = fate.snapshot.get(..8).unwrap_or(&fate.snapshot);
            writeln!(
                out,
                "{}",
                format!("{word}  {id}  {}  {}{lesser}", fate.finished, fate.reasons.join(", ")).trim_end()
            )?;
        }
        let told = count(self.forgotten, "snapshot", "snapshots");
        match (self.dry_run, self.forgotten) {
            (true, _) => writeln!(out, "{told} would be forgotten; nothing has been changed"),
            (false, 0) => writeln!(out, "nothing to forget"),
            (false, _) => writeln!(out, "{told} forgotten; \"pdbak prune\" gives the room back"),
        }
    }
}

impl Forget {
    pub(crate) fn run(self, session: &Session) -> Result<Exit, Failure> {
        let archive = session.archive()?;
        brake::before_letting_go(session, &archive, self.dry_run)?;
        if !self.snapshots.is_empty() {
            let known = archive.snapshots()?;
            let ids = archive.resolve_all(&self.snapshots)?;
            archive.forget_these(&ids, self.dry_run)?;
            let gone = known.iter().filter(|manifest| ids.contains(&manifest.id));
            let snapshots: Vec<Fate> = gone.map(|manifest| fate(manifest, None)).collect();
            session.show(&Report { dry_run: self.dry_run, forgotten: snapshots.len() as u64, snapshots })?;
            return Ok(Exit::Done);
        }
        let policy = self.keep.policy();
        if policy.is_empty() && !self.unsafe_allow_remove_all {
            return Err(Failure::usage("no rule says what to keep")
                .hint("give at least one, such as --keep-daily 7, and try it with --dry-run first"));
        }
        session.show(&by_rules(&archive, &policy, self.dry_run)?)?;
        Ok(Exit::Done)
    }
}

/// Forgets what no rule keeps, or says what that would be.
pub(crate) fn by_rules(archive: &Archive, policy: &Policy, dry_run: bool) -> Result<Report, Failure> {
    let known = archive.snapshots()?;
    expect_tags(archive, policy, &known)?;
    let decisions = if dry_run { archive.judge(policy)? } else { archive.forget(policy)? };
    let find = |decision: &Decision| known.iter().find(|manifest| manifest.id == decision.snapshot);
    let snapshots: Vec<Fate> =
        decisions.iter().filter_map(|decision| find(decision).map(|manifest| fate(manifest, Some(decision)))).collect();
    let forgotten = snapshots.iter().filter(|fate| !fate.kept).count() as u64;
    Ok(Report { dry_run, forgotten, snapshots })
}

fn fate(manifest: &Manifest, decision: Option<&Decision>) -> Fate {
    let reasons = decision.map(|decision| decision.reasons.clone()).unwrap_or_default();
    Fate {
        snapshot: manifest.id.to_string(),
        finished: moment(manifest.finished),
        kept: !reasons.is_empty(),
        incomplete: decision.is_some_and(|decision| decision.incomplete),
        reasons,
    }
}

/// Tags alone that keep nothing are a slip of the pen that would cost everything.
fn expect_tags(archive: &Archive, policy: &Policy, known: &[Manifest]) -> Result<(), Failure> {
    let only_tags = Policy { tags: Vec::new(), ..policy.clone() }.is_empty() && !policy.tags.is_empty();
    if !only_tags {
        return Ok(());
    }
    for manifest in known {
        let standing = archive.standing(&manifest.id)?;
        if policy.tags.iter().any(|tags| tags.iter().all(|tag| standing.tags.contains(tag))) {
            return Ok(());
        }
    }
    Err(Failure::usage("no snapshot has such a tag, and no other rule says what to keep")
        .hint("\"pdbak tag SNAPSHOT\" shows the tags of a snapshot"))
}
