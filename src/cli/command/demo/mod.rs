//! `pdbak demo`: the whole story on an embedded account.
//!
//! Nothing is staged: the account answers over HTTP, a colleague's own small
//! client causes the accident, the steps are those of the commands, and at the
//! end the account itself is asked whether everything is back. When it is not,
//! the demo says so and fails.

mod colleague;
mod folder;
mod judge;
mod story;

use std::path::PathBuf;

use clap::Args;

use crate::cli::command::demo::folder::Folder;
use crate::cli::command::demo::story::Story;
use crate::cli::complain::Failure;
use crate::cli::exit::Exit;
use crate::cli::session::{Session, wait};
use crate::sandbox::{Options, Sandbox};

pub(crate) const EXAMPLES: &str = "\
Examples:
  pdbak demo                     takes some seconds, needs no network and no account
  pdbak demo --folder /tmp/try   keeps its archive there";

/// Tokens a day that the account of the demo has: two seats of the smallest plan.
const DAILY_TOKENS: u64 = 60_000;

/// Arguments of `pdbak demo`.
#[derive(Args, Debug)]
pub(crate) struct Demo {
    /// Where to keep the archive; made anew if an earlier demo made it
    #[arg(long, value_name = "DIR", default_value = "pdbak-demo")]
    folder: PathBuf,
    /// How many records the made-up company has
    #[arg(long, value_name = "NUMBER", default_value_t = 5_000)]
    records: u64,
    /// Decides everything that is left to chance
    #[arg(long, value_name = "NUMBER", default_value_t = 7)]
    seed: u64,
}

impl Demo {
    pub(crate) fn run(self, session: &Session) -> Result<Exit, Failure> {
        let folder = Folder::make(&self.folder)?;
        wait(async {
            let options =
                Options { seed: self.seed, records: self.records, daily_tokens: DAILY_TOKENS, ..Options::default() };
            let sandbox = Sandbox::start(options).await.map_err(|error| Failure::from_error(Exit::Failed, &error))?;
            let ended = Story { session, folder: &folder, url: sandbox.url(), token: sandbox.token() }.tell().await;
            sandbox.stop().await;
            ended
        })
    }
}
