//! Which target of copies is meant: one of the configuration, or an address.

use std::io::{self, Write};
use std::num::NonZeroU64;

use serde::Serialize;

use crate::cli::complain::Failure;
use crate::cli::config::OffsiteTarget;
use crate::cli::secret::Source;
use crate::cli::session::Session;
use crate::cli::show::View;
use crate::cli::way;
use crate::offsite::{Address, Lock, Target};

/// A target that somebody chose.
pub(crate) struct Chosen {
    /// As it was called.
    pub(crate) name: String,
    pub(crate) target: Target,
    /// The limits that the configuration sets for it.
    pub(crate) upload: Option<NonZeroU64>,
    pub(crate) download: Option<NonZeroU64>,
}

/// A target of the configuration, as it is listed.
#[derive(Serialize)]
pub(crate) struct Known {
    name: String,
    url: String,
    lock: Option<String>,
}

impl View for Known {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let lock = self.lock.as_ref().map(|lock| format!("  (object lock: {lock})")).unwrap_or_default();
        writeln!(out, "{}  {}{lock}", self.name, self.url)
    }
}

/// The targets of the configuration.
pub(crate) fn known(session: &Session) -> Result<Vec<Known>, Failure> {
    let targets = session.targets().iter().map(|(name, one)| {
        let address = Address::parse(&one.url).map_err(Failure::from)?;
        let lock = lock(name, one)?
            .map(|lock| format!("{}, {} days", if lock.compliance { "compliance" } else { "governance" }, lock.days));
        Ok(Known { name: name.clone(), url: address.to_string(), lock })
    });
    let targets: Vec<Known> = targets.collect::<Result<_, Failure>>()?;
    if targets.is_empty() { Err(none()) } else { Ok(targets) }
}

/// The targets that were named, or all of the configuration.
pub(crate) fn all(session: &Session, names: &[String]) -> Result<Vec<Chosen>, Failure> {
    let names: Vec<&String> =
        if names.is_empty() { session.targets().keys().collect() } else { names.iter().collect() };
    if names.is_empty() {
        return Err(none());
    }
    names.into_iter().map(|name| choose(session, name)).collect()
}

/// The target that was named, or the only one of the configuration.
pub(crate) fn one(session: &Session, name: Option<&str>) -> Result<Chosen, Failure> {
    if let Some(name) = name {
        return choose(session, name);
    }
    let names: Vec<&str> = session.targets().keys().map(String::as_str).collect();
    match names[..] {
        [only] => choose(session, only),
        [] => Err(none()),
        _ => Err(Failure::usage("more than one target is configured, and none was named")
            .hint(format!("name one of these: {}", names.join(", ")))),
    }
}

fn none() -> Failure {
    Failure::usage("no target was named")
        .hint("give a folder or an address such as s3://BUCKET/PREFIX or sftp://HOST/PATH, or write [offsite.NAME] to pdbak.toml; \"pdbak man\" describes it")
}

fn choose(session: &Session, name: &str) -> Result<Chosen, Failure> {
    let Some(one) = session.targets().get(name) else {
        // A bare word is more often a name that was mistyped than a folder.
        if !name.contains(['/', '\\', '.']) {
            let known: Vec<&str> = session.targets().keys().map(String::as_str).collect();
            return Err(Failure::usage(format!("no target is called {name}")).hint(match known.is_empty() {
                true => format!("write ./{name} if you mean a folder"),
                false => format!("choose one of these: {}; or write ./{name} if you mean a folder", known.join(", ")),
            }));
        }
        let target = Target::at(Address::parse(name)?);
        return Ok(Chosen { name: target.address.to_string(), target, upload: None, download: None });
    };
    let target = Target {
        address: Address::parse(&one.url)?,
        endpoint: one.endpoint.clone(),
        region: one.region.clone(),
        account: one.account.clone(),
        credentials: Source::credentials(name, one).read()?,
        lock: lock(name, one)?,
        ssh_command: one.ssh_command.clone(),
    };
    Ok(Chosen {
        name: name.to_owned(),
        target,
        upload: way::limit(one.limit_upload.as_deref())?,
        download: way::limit(one.limit_download.as_deref())?,
    })
}

fn lock(name: &str, one: &OffsiteTarget) -> Result<Option<Lock>, Failure> {
    way::lock(&format!("the target {name}"), one.lock.as_deref(), one.lock_days)
}
