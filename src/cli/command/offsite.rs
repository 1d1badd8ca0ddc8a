//! `pdbak offsite`: copies of the archive elsewhere.

use std::num::NonZeroU64;

use clap::{Args, Subcommand};

use crate::archive::{Share, Shelf};
use crate::cli::command::target;
use crate::cli::complain::Failure;
use crate::cli::exit::Exit;
use crate::cli::home::Dwelling;
use crate::cli::session::{Session, wait};
use crate::cli::show::copies::{Fetched, Looked, Sent, There};
use crate::cli::status::facts;
use crate::cli::way;
use crate::offsite::{self, Haul, Pushed};

pub(crate) const EXAMPLES: &str = "\
Examples:
  pdbak offsite push                      send what is missing to every target of pdbak.toml
  pdbak offsite push s3://acme/crm        to one place
  pdbak offsite check vault --read-data-subset 1/7
                                          compare the copy, and hash a seventh of it
  pdbak offsite pull vault --archive new  bring the archive back into a new folder
  pdbak offsite list vault                what is there";

/// Arguments of `pdbak offsite`.
#[derive(Args, Debug)]
pub(crate) struct Offsite {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand, Debug)]
enum What {
    /// Send what a target has not; nothing is ever removed there
    Push(Push),
    /// Fetch what is missing here, into a new folder or a damaged archive
    Pull(Pull),
    /// Compare a copy with the archive, and with its own hashes
    Check(Check),
    /// List the targets, or what one of them holds
    List(List),
}

/// How files travel.
#[derive(Args, Debug)]
struct Way {
    /// How many files travel at once
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=64))]
    transfers: u8,
    /// The most bytes a second to the target, such as 500k or 2M
    #[arg(long, value_name = "RATE", value_parser = way::rate)]
    limit_upload: Option<NonZeroU64>,
    /// The most bytes a second from the target
    #[arg(long, value_name = "RATE", value_parser = way::rate)]
    limit_download: Option<NonZeroU64>,
}

impl Way {
    /// The flags, and what the configuration says of the target where they are silent.
    fn to(&self, chosen: &target::Chosen) -> Haul {
        Haul {
            transfers: self.transfers.into(),
            upload: self.limit_upload.or(chosen.upload),
            download: self.limit_download.or(chosen.download),
        }
    }
}

#[derive(Args, Debug)]
struct Push {
    /// A target of pdbak.toml, a folder, or s3://, gs://, az://, sftp:// [default: all of pdbak.toml]
    target: Vec<String>,
    /// Read back every file that is there, and send the damaged ones again
    #[arg(long)]
    verify: bool,
    #[command(flatten)]
    way: Way,
}

#[derive(Args, Debug)]
struct Pull {
    /// A target of pdbak.toml, a folder, or s3://, gs://, az://, sftp:// [default: the only one of pdbak.toml]
    target: Option<String>,
    #[command(flatten)]
    way: Way,
}

#[derive(Args, Debug)]
struct Check {
    /// A target of pdbak.toml, a folder, or s3://, gs://, az://, sftp:// [default: all of pdbak.toml]
    target: Vec<String>,
    /// Fetch and hash every file
    #[arg(long)]
    read_data: bool,
    /// Fetch and hash one of several equal shares, such as 1/7
    #[arg(long, value_name = "N/M", conflicts_with = "read_data")]
    read_data_subset: Option<Share>,
    #[command(flatten)]
    way: Way,
}

#[derive(Args, Debug)]
struct List {
    /// A target of pdbak.toml, a folder, or s3://, gs://, az://, sftp://
    target: Option<String>,
}

impl Offsite {
    pub(crate) fn run(self, session: &Session) -> Result<Exit, Failure> {
        match self.what {
            What::Push(push) => {
                let from = session.shelf()?;
                each(session, target::all(session, &push.target)?, |chosen| push.run(session, &from, chosen))
            }
            What::Pull(pull) => pull.run(session),
            What::Check(check) => {
                each(session, target::all(session, &check.target)?, |chosen| check.run(session, chosen))
            }
            What::List(List { target: Some(name) }) => {
                let chosen = target::one(session, Some(&name))?;
                let held = wait(async { Ok(offsite::list(&chosen.target).await?) })?;
                session.show(&There { target: chosen.name, held })?;
                Ok(Exit::Done)
            }
            What::List(List { target: None }) => {
                let targets = target::known(session)?;
                session.stream(targets.into_iter().map(Ok))?;
                Ok(Exit::Done)
            }
        }
    }
}

/// Does something for several targets: one that fails does not keep the others from being served.
fn each(
    session: &Session,
    targets: Vec<target::Chosen>,
    mut work: impl FnMut(&target::Chosen) -> Result<Exit, Failure>,
) -> Result<Exit, Failure> {
    let (mut worst, mut failed, several) = (Exit::Done, Vec::new(), targets.len() > 1);
    for chosen in &targets {
        match work(chosen) {
            Ok(exit) if exit.number() > worst.number() => worst = exit,
            Ok(_) => {}
            Err(failure) if several => {
                session.say(failure.text().trim_end());
                failed.push(chosen.name.clone());
            }
            Err(failure) => return Err(failure),
        }
    }
    match failed.is_empty() {
        true => Ok(worst),
        false => Err(Failure::new(
            Exit::Failed,
            format!("{} of {} targets failed: {}", failed.len(), targets.len(), failed.join(", ")),
        )
        .hint("the others are done; run the same command again for these: it goes on with what is missing")),
    }
}

impl Push {
    fn run(&self, session: &Session, from: &Shelf, chosen: &target::Chosen) -> Result<Exit, Failure> {
        let pushed = wait(send(session, from, chosen, (self.way.to(chosen), self.verify)))?;
        let whole = pushed.is_whole();
        session.show(&Sent { target: chosen.name.clone(), pushed })?;
        Ok(if whole { Exit::Done } else { Exit::Gaps })
    }
}

/// Sends what a target has not, and with `verify` looks at what it has.
async fn send(
    session: &Session,
    from: &Shelf,
    chosen: &target::Chosen,
    (haul, verify): (Haul, bool),
) -> Result<Pushed, Failure> {
    let (traffic, begun) = (session.traffic(), session.clock().now());
    let pushed = offsite::push(from, &chosen.target, haul, verify, &traffic).await?;
    facts::Push { begun, whole: pushed.is_whole() }.note(session, from, &chosen.name);
    Ok(pushed)
}

/// Sends what a target of the configuration has not, as it is sent without any wish.
pub(crate) async fn send_to(session: &Session, name: &str) -> Result<Pushed, Failure> {
    let chosen = target::one(session, Some(name))?;
    let haul = Haul { upload: chosen.upload, download: chosen.download, ..Haul::default() };
    send(session, &session.shelf()?, &chosen, (haul, false)).await
}

impl Pull {
    fn run(self, session: &Session) -> Result<Exit, Failure> {
        let Dwelling::Folder(folder) = session.dwelling()? else {
            return Err(Failure::usage("a copy is fetched into a folder, and this archive lives in a store").hint(
                "give --archive DIR; \"pdbak offsite push s3://…\" from there brings it to a store, where it can live",
            ));
        };
        let chosen = target::one(session, self.target.as_deref())?;
        let (traffic, haul) = (session.traffic(), self.way.to(&chosen));
        let to = Shelf::at(&folder);
        let now = session.clock().now();
        let pulled = wait(async { Ok(offsite::pull(&chosen.target, &to, haul, now, &traffic).await?) })?;
        drop(traffic);
        let whole = pulled.faults.is_empty();
        session.show(&Fetched { target: chosen.name, folder, pulled })?;
        Ok(if whole { Exit::Done } else { Exit::Gaps })
    }
}

impl Check {
    fn run(&self, session: &Session, chosen: &target::Chosen) -> Result<Exit, Failure> {
        // A copy can be checked where there is no archive: its names are hashes.
        let here = match session.named() {
            Ok(_) => Some(session.shelf()?).filter(|shelf| !matches!(shelf.header(), Ok(None))),
            Err(_) => None,
        };
        let read = self.read_data.then(Share::all).or(self.read_data_subset);
        let (traffic, haul) = (session.traffic(), self.way.to(chosen));
        let compared = wait(async { Ok(offsite::check(here.as_ref(), &chosen.target, read, haul, &traffic).await?) })?;
        drop(traffic);
        let sound = compared.faults.is_empty();
        session.show(&Looked { target: chosen.name.clone(), compared_with_archive: here.is_some(), compared })?;
        match sound {
            true => Ok(Exit::Done),
            false => Err(Failure::new(Exit::Failed, format!("the copy in {} is not whole", chosen.name))
                .hint("run \"pdbak offsite push\" to send what is missing, with --verify to mend what is damaged")),
        }
    }
}
