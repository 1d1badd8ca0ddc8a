//! `pdbak drill`: does the backup restore? Tried on an account that exists only on this machine.
//!
//! The account of the snapshot is never met: no token is read and no address but the
//! sandbox's. A sandbox that has nothing but its owner plays another company, the whole
//! snapshot is restored into it over HTTP as `restore --to` would, then it is captured
//! again and compared record by record, by code that shares nothing with the restore.

mod rehearsal;
mod score;

use clap::Args;

use crate::archive::Archive;
use crate::cli::command::drill::rehearsal::Rehearsal;
use crate::cli::command::show::SNAPSHOT_HELP;
use crate::cli::complain::Failure;
use crate::cli::exit::Exit;
use crate::cli::session::{Session, wait};
use crate::cli::show::drills::Drill as Score;
use crate::cli::status::facts;
use crate::sandbox::FaultOrder;

pub(crate) const EXAMPLES: &str = "\
Examples:
  pdbak drill                                  the newest snapshot
  pdbak drill latest~7 --json                  another one, for a script
  pdbak drill --daily-tokens 360000            how long it would take with so many tokens a day
  pdbak drill --fault 'PATCH /api/v2/deals/* status=500'
                                               see that the drill notices when something goes wrong

Nothing is asked of the account, so no token is needed. The drill ends with 5 when anything that
can be written did not come back.";

/// Arguments of `pdbak drill`.
#[derive(Args, Debug)]
pub(crate) struct Drill {
    #[arg(value_name = "SNAPSHOT", default_value = "latest", help = SNAPSHOT_HELP)]
    snapshot: String,
    /// Tokens a day of the real account [default: 30,000 for each active user, as the smallest plan has]
    #[arg(long, value_name = "NUMBER")]
    daily_tokens: Option<u64>,
    /// Order a fault in the sandbox, as "pdbak sandbox" takes them; may be repeated
    #[arg(long, value_name = "FAULT")]
    fault: Vec<FaultOrder>,
}

impl Drill {
    pub(crate) fn run(self, session: &Session) -> Result<Exit, Failure> {
        let archive = session.archive()?;
        let rehearsal = Rehearsal { session, archive: &archive, faults: self.fault, daily_tokens: self.daily_tokens };
        let result = wait(rehearse(&rehearsal, &self.snapshot))?;
        session.show(&result)?;
        Ok(if result.restorable { Exit::Done } else { Exit::LeftOver })
    }
}

/// Rehearses the restore of a snapshot, and keeps what came of it.
async fn rehearse(rehearsal: &Rehearsal<'_>, snapshot: &str) -> Result<Score, Failure> {
    let goal = rehearsal.archive.resolve(snapshot)?;
    let result = rehearsal.of(&goal).await?;
    rehearsal.archive.keep_drill(&result.drill, &serde_json::to_value(&result)?)?;
    facts::Drill::of(&result).note(rehearsal.session, rehearsal.archive);
    Ok(result)
}

/// The drill of the newest snapshot, as it is done without any wish.
pub(crate) async fn newest(session: &Session, archive: &Archive) -> Result<Score, Failure> {
    rehearse(&Rehearsal { session, archive, faults: Vec::new(), daily_tokens: None }, "latest").await
}
