//! `pdbak sandbox`: a made-up Pipedrive account on this machine.

use std::io::{self, Write};
use std::net::SocketAddr;

use chrono::{DateTime, Utc};
use clap::Args;
use serde::Serialize;

use crate::cli::complain::Failure;
use crate::cli::exit::Exit;
use crate::cli::session::{Session, wait};
use crate::cli::show::View;
use crate::sandbox::{ASSUMPTIONS, Assumptions, Count, FaultOrder, Options, Sandbox as Account};

pub(crate) const EXAMPLES: &str = "\
Examples:
  pdbak sandbox --listen 127.0.0.1:8642 --records 5000      a company of 5,000 records
  PDBAK_BASE_URL=http://127.0.0.1:8642 PDBAK_API_TOKEN=sandbox pdbak snapshot
                                                            back it up from another terminal
  pdbak sandbox --fault 'GET /api/v2/deals status=503'      misbehave once
  pdbak sandbox --assume undelete=no                        answer an open question the other way
  curl http://127.0.0.1:8642/sandbox/judge                  the whole truth about it";

/// Arguments of `pdbak sandbox`.
#[derive(Args, Debug)]
pub(crate) struct Sandbox {
    /// Where to listen; this machine only. Port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8642")]
    listen: SocketAddr,
    /// The API token it takes; no secret, because there is nothing to protect
    #[arg(long, value_name = "TOKEN", default_value = "sandbox")]
    token: String,
    /// Decides everything that is left to chance: the same company from the same seed
    #[arg(long, value_name = "NUMBER", default_value_t = 7)]
    seed: u64,
    /// How many records its company has; 0 is an account that was just made
    #[arg(long, value_name = "NUMBER", default_value_t = 5_000)]
    records: u64,
    /// The number of its company; two sandboxes that are to be two companies need two
    #[arg(long, value_name = "NUMBER")]
    company: Option<u64>,
    /// So many rows of one kind instead of its share, such as deals=10000: organizations, persons, products, deals, leads,
    /// activities, notes, files or mailThreads; may be repeated
    #[arg(long, value_name = "KIND=NUMBER")]
    count: Vec<Count>,
    /// Order a fault: 'METHOD PATH [after=N] [times=N] FAULT', FAULT one of status=CODE, cut=BYTES, lose-answer, lose-field=NAME, forget,
    /// late=REQUESTS, drop, slow=MILLISECONDS, html, malformed, repeat-page, no-id, wrong-type; may be repeated
    #[arg(long, value_name = "FAULT")]
    fault: Vec<FaultOrder>,
    /// Answer an open question about the service: NAME=ANSWER; may be repeated. "--assume list" lists them
    #[arg(long, value_name = "NAME=ANSWER")]
    assume: Vec<String>,
    /// Tokens a day; 0 is without limit
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    daily_tokens: u64,
    /// Requests in two seconds; 0 is without limit
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    burst: u32,
    /// The OAuth application it knows; its consent page is at /oauth/authorize
    #[arg(long, value_name = "ID:SECRET")]
    oauth: Option<String>,
    /// Also take what real clients send against the published description
    #[arg(long)]
    tolerant: bool,
    /// Also answer calls that the service has taken away: subscriptions, global messages, writing permission sets
    #[arg(long)]
    legacy: bool,
    /// Start its clock at this time instead of the machine's
    #[arg(long, value_name = "TIME")]
    now: Option<DateTime<Utc>>,
}

/// Where it answers.
#[derive(Serialize)]
struct Answering {
    url: String,
    token: String,
}

impl View for Answering {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "the account answers at {} and takes the token {}", self.url, self.token)
    }
}

/// The open questions, with their answers; the first is the default.
#[derive(Serialize)]
struct Question {
    name: &'static str,
    question: &'static str,
    answers: &'static [&'static str],
}

impl View for Question {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{:20} {}: {}", self.name, self.question, self.answers.join(", "))
    }
}

impl Sandbox {
    pub(crate) fn run(self, session: &Session) -> Result<Exit, Failure> {
        if self.assume.iter().any(|pair| pair == "list") {
            let question = |one: &'static crate::sandbox::Assumption| {
                Ok(Question { name: one.name, question: one.question, answers: one.answers })
            };
            session.stream(ASSUMPTIONS.iter().map(question))?;
            return Ok(Exit::Done);
        }
        let options = self.options()?;
        wait(async {
            let mut running =
                Account::start(options).await.map_err(|error| Failure::from_error(Exit::Failed, &error))?;
            session.show(&Answering { url: running.url(), token: running.token().to_owned() })?;
            session.say("press Ctrl-C to end it; nothing of it is kept");
            tokio::select! {
                () = running.wait() => Err(Failure::new(Exit::Failed, "the sandbox ended by itself")),
                _ = tokio::signal::ctrl_c() => Ok(Exit::Done),
            }
        })
    }

    fn options(self) -> Result<Options, Failure> {
        let mut assume = Assumptions::default();
        for pair in &self.assume {
            assume.set(pair).map_err(|error| {
                Failure::usage(error).hint("run \"pdbak sandbox --assume list\" to see every question and its answers")
            })?;
        }
        Ok(Options {
            listen: self.listen,
            token: self.token,
            seed: self.seed,
            records: self.records,
            company: self.company.unwrap_or(Options::default().company),
            counts: self.count,
            faults: self.fault,
            assume,
            oauth: self.oauth.map(|application| (application, String::new())),
            tolerant: self.tolerant,
            legacy: self.legacy,
            now: self.now,
            daily_tokens: self.daily_tokens,
            burst: self.burst,
            ..Options::default()
        })
    }
}
