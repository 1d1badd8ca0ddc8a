//! `pdbak status`: is everything all right?

use std::path::PathBuf;

use clap::Args;

use crate::archive::Span;
use crate::cli::complain::Failure;
use crate::cli::exit::Exit;
use crate::cli::session::Session;
use crate::cli::status::{Level, Status as Standing, Tolerance};

pub(crate) const EXAMPLES: &str = "\
Examples:
  pdbak status                                   ten lines
  pdbak status --max-age 26h                     critical when the last good snapshot is older
  pdbak status --prometheus /var/lib/node_exporter/pdbak.prom
                                                 the same for a monitor that collects files

It ends with 0 when all is fine, 3 when there are warnings, 1 when something is critical: no good snapshot or one
too old, an open alarm, a check that found damage. Nothing is asked of the account, and any key will do.

In pdbak.toml, with the defaults (that of max_age only where there is a [schedule]):
  [status]
  max_age = \"26h\"
  max_check_age = \"35d\"
  max_drill_age = \"100d\"
  [metrics]
  file = \"/var/lib/node_exporter/pdbak.prom\"     written after each run of the schedule
  listen = \"127.0.0.1:9187\"                     /metrics is served there by \"pdbak schedule run\"";

/// Arguments of `pdbak status`.
#[derive(Args, Debug)]
pub(crate) struct Status {
    /// How old the last good snapshot may be, such as 26h or 2d
    #[arg(long, value_name = "TIME")]
    max_age: Option<Span>,
    /// How old the last check may be
    #[arg(long, value_name = "TIME")]
    max_check_age: Option<Span>,
    /// How old the last drill may be
    #[arg(long, value_name = "TIME")]
    max_drill_age: Option<Span>,
    /// Also write it to FILE as Prometheus reads it
    #[arg(long, value_name = "FILE")]
    prometheus: Option<PathBuf>,
}

impl Status {
    pub(crate) fn run(self, session: &Session) -> Result<Exit, Failure> {
        let set = session.tolerance();
        let tolerance = Tolerance {
            max_age: self.max_age.or(set.max_age),
            max_check_age: self.max_check_age.or(set.max_check_age),
            max_drill_age: self.max_drill_age.or(set.max_drill_age),
        };
        let status = Standing::gather(session, tolerance)?;
        if let Some(file) = &self.prometheus {
            status
                .write_metrics(file)
                .map_err(|error| Failure::from(error).while_doing(format_args!("write {}", file.display())))?;
        }
        session.show(&status)?;
        Ok(match status.level() {
            Level::Fine => Exit::Done,
            Level::Warning => Exit::Gaps,
            Level::Critical => Exit::Failed,
        })
    }
}
