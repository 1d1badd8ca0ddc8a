//! `pdbak diff`: what changed between two snapshots, or between one and the live account.

use clap::Args;

use crate::archive::{Archive, Snapshot, SnapshotId};
use crate::catalogue::ObjectName;
use crate::cli::command::get::record_id;
use crate::cli::command::live;
use crate::cli::command::restore::FILTER_HELP;
use crate::cli::complain::Failure;
use crate::cli::exit::Exit;
use crate::cli::session::Session;
use crate::cli::show::changes::{ChangeStat, ChangeView};
use crate::diff::{self, Change, Filter, Lineage, Names, Sieve};
use crate::record::RecordId;
use crate::restore::{self, CannotPlan};

pub(crate) const EXAMPLES: &str = r#"Examples:
  pdbak diff                              what the newest snapshot found
  pdbak diff 2026-11-02 latest --stat     counted by object
  pdbak diff latest live                  what happened since; takes an incremental snapshot first
  pdbak diff latest~3 --record deals/42   what became of one record
  pdbak diff latest~1 --object Deals --filter 'owner_id = "Kim"'
                                          what changed of deals that were Kim's
  pdbak diff latest~1 --json              one JSON document a change"#;

/// Arguments of `pdbak diff`.
#[derive(Args, Debug)]
pub(crate) struct Diff {
    /// The older snapshot: latest~1, the beginning of its id, or a date
    #[arg(value_name = "A", default_value = "latest~1")]
    before: String,
    /// The newer snapshot, or "live" for the account as it is now
    #[arg(value_name = "B", default_value = "latest")]
    after: String,
    /// Only this object; may be repeated
    #[arg(long, value_name = "OBJECT")]
    object: Vec<String>,
    #[arg(long, value_name = "EXPR", value_parser = Filter::parse, requires = "object", help = FILTER_HELP)]
    filter: Option<Filter>,
    /// Only this record, such as deals/42; may be repeated
    #[arg(long, value_name = "RECORD", value_parser = record_id)]
    record: Vec<RecordId>,
    /// Count instead of listing
    #[arg(long)]
    stat: bool,
    /// End with exit code 6 when there are differences
    #[arg(long)]
    exit_code: bool,
}

/// The company that both are of: a number of one company means another record in the next.
fn same_company(before: &Snapshot<'_>, after: &Snapshot<'_>) -> Result<u64, Failure> {
    let (then, now) = (&before.manifest().source, &after.manifest().source);
    let imported = [then, now].iter().any(|source| source.kind == "import");
    if then.company_id != now.company_id && !imported {
        let (then, now) = (then.company_id, now.company_id);
        return Err(Failure::usage(format!("one snapshot is of company {then}, the other of company {now}"))
            .hint("choose two of one company with \"pdbak snapshots\""));
    }
    Ok(then.company_id)
}

/// Whether the older version of a record passes, or the only one of what was added.
fn sift(sieve: &Sieve, change: &Change, [older, newer]: [&Names<'_>; 2]) -> bool {
    match change {
        Change::Update { before, .. } | Change::Delete(before) => sieve.passes(older, before),
        Change::Insert(after) => sieve.passes(newer, after),
    }
}

impl Diff {
    pub(crate) fn run(self, session: &Session) -> Result<Exit, Failure> {
        let archive = session.archive()?;
        archive.may_read("compare records")?;
        let before = archive.snapshot(&archive.resolve(&self.before)?)?;
        let after = archive.snapshot(&self.after(session, &archive)?)?;
        let company = same_company(&before, &after)?;
        let lineage = restore::lineage(&archive, company)?;
        let stat = self.compare(session, [&before, &after], &lineage)?;
        if self.stat {
            session.show(&stat)?;
        } else {
            session.say(&stat.sentence());
        }
        Ok(if self.exit_code && stat.total() > 0 { Exit::Different } else { Exit::Done })
    }

    fn after(&self, session: &Session, archive: &Archive) -> Result<SnapshotId, Failure> {
        match self.after.as_str() {
            "live" => live::capture(session, archive).map(|manifest| manifest.id),
            name => Ok(archive.resolve(name)?),
        }
    }

    /// Lists the changes, unless they are only counted.
    fn compare(
        &self,
        session: &Session,
        [before, after]: [&Snapshot<'_>; 2],
        lineage: &Lineage,
    ) -> Result<ChangeStat, Failure> {
        let (older, newer) = (Names::of(before)?, Names::of(after)?);
        let mut stat = ChangeStat::default();
        for object in self.objects(before, after) {
            let comparison = diff::compare(before, after, &object, lineage)?;
            // What the earlier one does not hold cannot be missing.
            let held = before.contents(&object).is_some_and(|contents| contents.records > 0);
            if let Some(why) = comparison.unseen.as_ref().filter(|_| held) {
                session.say(&format!("{}: a missing record is not called deleted here: {why}", object.title()));
            }
            let sieve = self.sieve(&object, [&older, &newer])?;
            let passes = |change: &Change| sieve.as_ref().is_none_or(|sieve| sift(sieve, change, [&older, &newer]));
            let wants = |change: &Change| self.wants(change) && passes(change);
            let wanted = comparison.changes.filter(|change| change.as_ref().map_or(true, wants));
            let counted = wanted.map(|change| change.inspect(|change| stat.add(change)));
            if self.stat {
                for change in counted {
                    change?;
                }
            } else {
                session.stream(counted.map(|change| Ok(ChangeView::new(&change?, &older, &newer))))?;
            }
        }
        Ok(stat)
    }

    fn objects(&self, before: &Snapshot<'_>, after: &Snapshot<'_>) -> Vec<ObjectName> {
        let named: Vec<ObjectName> = self.object.iter().map(|name| ObjectName::new(name)).collect();
        let mut objects = diff::objects(before, after);
        objects.retain(|object| named.is_empty() || named.contains(object));
        objects.retain(|object| self.record.is_empty() || self.record.iter().any(|record| record.object == *object));
        objects
    }

    /// The filter for an object, by the fields that either snapshot knows.
    fn sieve(&self, object: &ObjectName, [older, newer]: [&Names<'_>; 2]) -> Result<Option<Sieve>, Failure> {
        let Some(filter) = &self.filter else { return Ok(None) };
        let sieve = filter.on(older, object).or_else(|_| filter.on(newer, object));
        Ok(Some(sieve.map_err(CannotPlan::from)?))
    }

    fn wants(&self, change: &Change) -> bool {
        self.record.is_empty() || self.record.contains(change.id())
    }
}
