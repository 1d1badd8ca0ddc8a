//! How a planned write ends: shown only, written to a file, or asked about and replayed.
//!
//! One set of flags for every command that writes to an account, so that `--dry-run`
//! and consent mean the same in each.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use clap::Args;

use crate::account::Allowance;
use crate::cli::command::consent;
use crate::cli::command::replay::Work;
use crate::cli::complain::Failure;
use crate::cli::config::allowance;
use crate::cli::exit::Exit;
use crate::cli::show::plans::short;
use crate::restore::{Journal, Plan, Standing};

/// Arguments of every command that replays a plan.
#[derive(Args, Debug)]
pub(crate) struct Ending {
    /// Show the plan and keep it, but write nothing to the account
    #[arg(long)]
    dry_run: bool,
    /// Write the plan to FILE, but nothing to the account
    #[arg(long, value_name = "FILE")]
    plan: Option<PathBuf>,
    /// Consent beforehand, however many writes the plan has; for scripts, best with --expect
    #[arg(long, short = 'y')]
    yes: bool,
    /// Refuse, before anything is written, unless the plan has exactly so many writes
    #[arg(long, value_name = "WRITES")]
    expect: Option<usize>,
    /// Send no write before the one before it was answered: slower, and easier to follow
    #[arg(long)]
    one_at_a_time: bool,
    /// How much to spend: a share of the tokens left today, a number of tokens, or "all" [default: 50%]
    #[arg(long, value_name = "SHARE", value_parser = allowance)]
    budget: Option<Allowance>,
}

impl Ending {
    /// How much may be spent.
    pub(crate) fn budget(&self) -> Option<Allowance> {
        self.budget
    }

    /// Whether no write leaves before the one before it was answered.
    pub(crate) fn one_at_a_time(&self) -> bool {
        self.one_at_a_time
    }

    /// Whether nobody is asked anything: the plan is only shown, or agreed to beforehand.
    pub(crate) fn goes_on_unasked(&self) -> bool {
        self.yes || self.only_shown()
    }

    /// Whether the plan is only shown.
    pub(crate) fn only_shown(&self) -> bool {
        self.dry_run || self.plan.is_some()
    }

    /// Shows the plan, and unless only that was asked for, writes it; `begins` is called once somebody has consented.
    pub(crate) async fn go_on(
        &self,
        work: &Work<'_>,
        plan: &Plan,
        mut journal: Journal,
        begins: impl FnOnce(&Journal) -> Result<(), Failure>,
    ) -> Result<Exit, Failure> {
        work.show(plan, self.only_shown() || !self.yes)?;
        if let Some(path) = &self.plan {
            write_plan(plan, path)?;
        }
        if self.only_shown() {
            let name = self.plan.as_ref().map_or_else(|| short(plan), |path| path.display().to_string());
            work.session.say(&format!("nothing has been written.  To go on: pdbak restore --from-plan {name}"));
            return Ok(Exit::Done);
        }
        if let Standing::Partly { done } = journal.standing() {
            work.session.say(&format!("going on after {done} of {} steps", plan.steps().len()));
        }
        consent::expect(plan, self.expect)?;
        // A plan without writes needs no consent to them.
        let consent = consent::ask(plan, self.yes || plan.is_empty())?;
        begins(&journal)?;
        work.replay(plan, &mut journal, &consent).await
    }
}

/// Writes a plan to a new file.
fn write_plan(plan: &Plan, path: &Path) -> Result<(), Failure> {
    let write = || -> io::Result<()> {
        let mut file = BufWriter::new(File::create(path)?);
        plan.write(&mut file)?;
        writeln!(file)?;
        file.flush()
    };
    write().map_err(|error| Failure::from(error).while_doing(format_args!("write {}", path.display())))
}
