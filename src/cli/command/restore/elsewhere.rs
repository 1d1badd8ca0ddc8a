//! `pdbak restore --to PROFILE`: into the company of another profile.
//!
//! What is there already is matched by what people call it, and the matches can be
//! written to a file, edited, and read back: who stands for whom is a question for a
//! person, not for a program.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use clap::Args;

use crate::archive::{Snapshot, SnapshotId};
use crate::catalogue::{self, ObjectName};
use crate::cli::command::live::{self, Looking};
use crate::cli::command::replay::Work;
use crate::cli::complain::Failure;
use crate::cli::session::Session;
use crate::cli::show::number;
use crate::restore::{self, Fate, Mapping, Plan, Policy};

/// Arguments of a restore into another company.
#[derive(Args, Debug, Default)]
pub(crate) struct Elsewhere {
    /// Restore into the company of this profile of the configuration file, beside what is there
    #[arg(long, value_name = "PROFILE", conflicts_with_all = ["delete_added", "since", "until", "field", "by_user"])]
    pub(super) to: Option<String>,
    /// Which record there stands for which of the snapshot: read from FILE, or written to it if there is none
    #[arg(long, value_name = "FILE", requires = "to", conflicts_with_all = ["from_plan", "resume"])]
    mapping: Option<PathBuf>,
    /// Also change what was matched there, where it differs from the snapshot
    #[arg(long, requires = "to")]
    pub(super) change_matched: bool,
    /// Also make webhooks there, which call the receivers of the first company
    #[arg(long, requires = "to")]
    pub(super) with_webhooks: bool,
}

impl Elsewhere {
    /// The session whose account is restored into.
    pub(super) fn session(&self, session: &Session) -> Result<Option<Session>, Failure> {
        self.to.as_deref().map(|profile| session.elsewhere(profile)).transpose()
    }

    /// Reads the other company, finds what is there, and plans the rest.
    pub(super) async fn make(
        &self,
        work: &Work<'_>,
        goal: &SnapshotId,
        policy: &Policy,
        full: bool,
    ) -> Result<Plan, Failure> {
        let goal = work.archive.snapshot(goal)?;
        let (from, to) = (goal.manifest().source.company_id, work.account.identity().company_id);
        if from == to {
            return Err(Failure::usage(format!("snapshot {} is of company {to} itself", goal.manifest().id.short()))
                .hint("leave --to away to restore into the same company"));
        }
        let looking = Looking { full, aside: true, ..Looking::default() };
        let seen = live::capture_from(work.session, work.archive, work.account, looking).await?;
        let seen = work.archive.snapshot(&seen.id)?;
        let mapping = self.mapping(work, (&goal, &seen), policy)?;
        tell(work.session, &mapping);
        let plan = restore::plan_elsewhere(&goal, &seen, policy, &mapping)?;
        work.check(&plan, &goal, &seen)?;
        Ok(plan)
    }

    /// The mapping: from the file as far as it has lines, found by names for the rest.
    fn mapping(
        &self,
        work: &Work<'_>,
        states: (&Snapshot<'_>, &Snapshot<'_>),
        policy: &Policy,
    ) -> Result<Mapping, Failure> {
        let (goal, seen) = states;
        let (from, to) = (goal.manifest().source.company_id, seen.manifest().source.company_id);
        let read = match &self.mapping {
            Some(path) => read(path)?,
            None => None,
        };
        let edited = read.is_some();
        let begun = read.unwrap_or_else(|| Mapping::between(from, to));
        let unfit = |error: restore::NotAMapping| {
            let file = self.mapping.as_deref().unwrap_or(Path::new("the mapping"));
            Failure::usage(error).while_doing(format_args!("use {}", file.display()))
        };
        begun.check(goal, seen).map_err(unfit)?;
        let carried = restore::carried(work.archive, from, to)?;
        let mapping = restore::propose(states, begun, &carried, policy.with_webhooks)?;
        mapping.check(goal, seen).map_err(unfit)?;
        if let Some(path) = self.mapping.as_deref().filter(|_| !edited) {
            write(path, &mapping)?;
            work.session.say(&format!("the mapping is in {}: edit it and run the same command again", path.display()));
        }
        Ok(mapping)
    }
}

/// Reads a mapping; none when there is no such file.
fn read(path: &Path) -> Result<Option<Mapping>, Failure> {
    let doing = || format!("read {}", path.display());
    match fs::read_to_string(path) {
        Ok(text) => Mapping::read(&text).map(Some).map_err(|error| Failure::usage(error).while_doing(doing())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Failure::from(error).while_doing(doing())),
    }
}

/// Writes a mapping to a new file: it names people.
fn write(path: &Path, mapping: &Mapping) -> Result<(), Failure> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options.open(path).and_then(|mut file| file.write_all(mapping.to_text().as_bytes()));
    written.map_err(|error| Failure::from(error).while_doing(format_args!("write {}", path.display())))
}

/// What was found there and what was not, object by object.
fn tell(session: &Session, mapping: &Mapping) {
    let mut found: BTreeMap<&ObjectName, [u64; 3]> = BTreeMap::new();
    for (id, entry) in mapping.entries() {
        let counts = found.entry(&id.object).or_default();
        counts[match entry.fate {
            Fate::Is(_) => 0,
            Fate::Create => 1,
            Fate::Skip(_) => 2,
        }] += 1;
    }
    for object in catalogue::ALL {
        let Some([matched, missing, skipped]) = found.get(&ObjectName::known(object.name)) else { continue };
        let counted = [(matched, "matched"), (missing, "not there"), (skipped, "left out")];
        let counted = counted.iter().filter(|(count, _)| **count > 0);
        let words: Vec<String> = counted.map(|(count, word)| format!("{} {word}", number(**count))).collect();
        session.say(&format!("  {:24} {}", ObjectName::known(object.name).title(), words.join(", ")));
    }
}
