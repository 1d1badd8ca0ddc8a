//! Which target of copies is meant: one of the configuration, or an address.

use std::io::{self, Write};
use std::num::NonZeroU64;

use serde::Serialize;

use crate::cli::complain::Failure;
use crate::cli::config::OffsiteTarget;
use crate::cli::secret::Source;
use crate::cli::session::Session;
use crate::cli::show::View;
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
        .hint("give a folder or an address such as s3://BUCKET/PREFIX, or write [offsite.NAME] to pdbak.toml; \"pdbak man\" describes it")
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
    let limit = |text: &Option<String>| text.as_deref().map(rate).transpose().map_err(Failure::usage);
    let target = Target {
        address: Address::parse(&one.url)?,
        endpoint: one.endpoint.clone(),
        region: one.region.clone(),
        account: one.account.clone(),
        credentials: Source::credentials(name, one).read()?,
        lock: lock(name, one)?,
    };
    Ok(Chosen {
        name: name.to_owned(),
        target,
        upload: limit(&one.limit_upload)?,
        download: limit(&one.limit_download)?,
    })
}

fn lock(name: &str, one: &OffsiteTarget) -> Result<Option<Lock>, Failure> {
    let compliance = match one.lock.as_deref() {
        None => return Ok(None),
        Some("governance") => false,
        Some("compliance") => true,
        Some(other) => {
            return Err(Failure::usage(format!("the target {name} wants the object lock {other}"))
                .hint("write lock = \"governance\" or lock = \"compliance\" to pdbak.toml"));
        }
    };
    match one.lock_days.filter(|days| (1..=36_500).contains(days)) {
        Some(days) => Ok(Some(Lock { compliance, days })),
        None => Err(Failure::usage(format!("the target {name} wants an object lock for no time"))
            .hint("write lock_days = 30 to pdbak.toml, or as many days as nobody may remove a copy")),
    }
}

/// Reads bytes a second: `800`, `500k`, `2M`, `1G`.
pub(crate) fn rate(text: &str) -> Result<NonZeroU64, String> {
    let refuse = || format!("{text} is no rate such as 500k or 2M bytes a second");
    let (digits, unit) = match text.chars().last() {
        Some('k' | 'K') => (&text[..text.len() - 1], 1_000),
        Some('M') => (&text[..text.len() - 1], 1_000_000),
        Some('G') => (&text[..text.len() - 1], 1_000_000_000),
        _ => (text, 1),
    };
    let number: u64 = digits.parse().map_err(|_| refuse())?;
    number.checked_mul(unit).and_then(NonZeroU64::new).ok_or_else(refuse)
}

#[cfg(test)]
mod tests {
    use super::rate;

    #[test]
    fn a_rate_is_a_number_with_a_unit() {
        let rate = |text: &str| rate(text).ok().map(u64::from);
        assert_eq!(
            [rate("800"), rate("500k"), rate("2M"), rate("1G")],
            [Some(800), Some(500_000), Some(2_000_000), Some(1_000_000_000)]
        );
        for text in ["", "0", "k", "-1", "1.5M", "99999999999G", "2 M"] {
            assert_eq!(rate(text), None, "{text}");
        }
    }
}
