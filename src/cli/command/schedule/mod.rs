//! `pdbak schedule`: an archive that somebody can forget about.

mod endpoint;
mod install;
mod notify;
mod run;
mod show;
mod steps;
mod stop;
mod tell;

use clap::{Args, Subcommand};

use crate::cli::complain::Failure;
use crate::cli::exit::Exit;
use crate::cli::session::Session;
use crate::schedule as below;

pub(crate) const EXAMPLES: &str = "\
Examples:
  pdbak schedule show          when the next run is, what it does, and how the last ones ended
  pdbak schedule run           stay and run when it is time, until somebody stops it
  pdbak schedule run --once    do what is due now, then end; for timers and cron
  pdbak schedule run --now     run now, whatever the time is
  pdbak schedule install --user --dry-run
                               what would be written for systemd; without --dry-run, write it
  pdbak schedule notify --test does a message arrive?

pdbak.toml says when and what; \"pdbak man\" describes it:
  [schedule]
  cron = \"15 2 * * *\"
  time_zone = \"Europe/Tallinn\"
  [schedule.forget]
  keep_daily = 7";

/// Arguments of `pdbak schedule`.
#[derive(Args, Debug)]
pub(crate) struct Schedule {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand, Debug)]
enum What {
    /// Run when it is time: snapshot, forget, prune, check, drill, copies; one run at a time
    Run(run::Run),
    /// Show when the next run is, what it does, and how the last ones ended
    Show(show::Show),
    /// Show who is told how a run ended, and send a test
    Notify(notify::Notify),
    /// Write units of systemd, or a line of cron, that run what is due
    Install(install::Install),
    /// Remove what install has written
    Uninstall(install::Uninstall),
}

impl Schedule {
    pub(crate) fn run(self, session: &Session) -> Result<Exit, Failure> {
        match self.what {
            What::Run(run) => run.run(session),
            What::Show(show) => show.run(session),
            What::Notify(notify) => notify.run(session),
            What::Install(install) => install.run(session),
            What::Uninstall(uninstall) => uninstall.run(session),
        }
    }
}

/// What the configuration says, read.
pub(crate) fn read(session: &Session) -> Result<below::Schedule, Failure> {
    let targets: Vec<String> = session.targets().keys().cloned().collect();
    let settings = session.schedule()?;
    let mut schedule = settings.read(&targets).map_err(|error| {
        Failure::usage(error)
            .hint("\"pdbak man\" describes [schedule]; \"pdbak schedule show\" tells what was understood")
    })?;
    // Archives of one schedule do not all begin in the same minute.
    schedule.when = schedule.when.seeded(&session.named()?.to_string_lossy());
    Ok(schedule)
}
