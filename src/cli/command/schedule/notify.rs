//! `pdbak schedule notify`: who is told what, and whether it arrives.

use std::io::{self, Write};

use clap::Args;
use serde::Serialize;

use crate::cli::complain::Failure;
use crate::cli::exit::Exit;
use crate::cli::notify::{Message, Notify as Settings, Signal};
use crate::cli::session::{Session, wait};
use crate::cli::show::View;

/// Arguments of `pdbak schedule notify`.
#[derive(Args, Debug)]
pub(super) struct Notify {
    /// Send a test by every way that is configured; a dead man's switch gets the sign of success
    #[arg(long)]
    test: bool,
}

/// A way by which somebody is told.
#[derive(Serialize)]
struct Way {
    way: &'static str,
    /// Whether the test arrived; none without a test.
    arrived: Option<bool>,
    why: Option<String>,
}

/// All ways.
#[derive(Serialize)]
struct Ways {
    on: Vec<&'static str>,
    ways: Vec<Way>,
}

impl View for Ways {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "told: {}", self.on.join(", "))?;
        for Way { way, arrived, why } in &self.ways {
            let how = match (arrived, why) {
                (None, _) => "configured; --test sends a test".to_owned(),
                (Some(true), _) => "a test arrived".to_owned(),
                (Some(false), why) => format!("FAILED: {}", why.as_deref().unwrap_or_default()),
            };
            writeln!(out, "{way:8} {how}")?;
        }
        Ok(())
    }
}

impl Notify {
    pub(super) fn run(self, session: &Session) -> Result<Exit, Failure> {
        let notify = session.notify().filter(|notify| !notify.is_silent()).ok_or_else(|| {
            Failure::usage("nobody is told anything: there is no [notify] in the configuration").hint(
                "write [notify.webhook], [notify.mail] or [notify.ping] to pdbak.toml; \"pdbak man\" describes them",
            )
        })?;
        let ways = wait(async { Ok(self.ways(session, notify).await) })?;
        let lost = ways.iter().filter(|way| way.arrived == Some(false)).count();
        session.show(&Ways { on: notify.on().iter().map(|verdict| verdict.word()).collect(), ways })?;
        match lost {
            0 => Ok(Exit::Done),
            _ => Err(Failure::new(Exit::Failed, format!("{lost} of the tests did not arrive"))
                .hint("mend [notify] in pdbak.toml, then run \"pdbak schedule notify --test\" again")),
        }
    }

    async fn ways(&self, session: &Session, notify: &Settings) -> Vec<Way> {
        let archive = session.title().unwrap_or_default();
        let title = format!("pdbak {archive}: a test");
        let text = format!("{title}\nWho reads this is told how the runs of pdbak end.\n");
        let message = Message { event: "test".to_owned(), archive, at: session.clock().now(), title, text, run: None };
        let mut ways = Vec::new();
        for channel in notify.channels() {
            let sent = if self.test { Some(notify.send_by(channel, &message).await) } else { None };
            ways.push(way(channel.word(), sent));
        }
        if notify.pings() {
            let sent = if self.test { Some(notify.ping(Signal::Success, &message.title).await) } else { None };
            ways.push(way("ping", sent));
        }
        ways
    }
}

fn way(way: &'static str, sent: Option<Result<(), Failure>>) -> Way {
    let arrived = sent.as_ref().map(Result::is_ok);
    Way { way, arrived, why: sent.and_then(Result::err).map(|failure| failure.line()) }
}
