//! `pdbak schedule show`: when the next run is, what it does, and how the last ones ended.

use clap::Args;

use crate::cli::complain::Failure;
use crate::cli::exit::Exit;
use crate::cli::session::Session;
use crate::cli::show::schedules::ScheduleView;
use crate::schedule::State;

/// Arguments of `pdbak schedule show`.
#[derive(Args, Debug)]
pub(super) struct Show {
    /// How many of the last runs are shown
    #[arg(long, value_name = "N", default_value = "5")]
    runs: usize,
}

impl Show {
    pub(super) fn run(self, session: &Session) -> Result<Exit, Failure> {
        let (schedule, now) = (super::read(session)?, session.clock().now());
        let (state, broken) = State::load(&session.folder()?);
        if let Some(broken) = broken {
            session.warn(&broken);
        }
        session.show(&ScheduleView::new(&schedule, &state, self.runs, now))?;
        Ok(Exit::Done)
    }
}
