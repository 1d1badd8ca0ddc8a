//! What every command starts from: the settings, and what they open.
//!
//! A command asks for the archive or the account when it needs it, so a command
//! that needs neither runs without any configuration.

use std::collections::BTreeMap;
use std::future::Future;
use std::io::{BufWriter, Write, stderr, stdout};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use chrono::TimeDelta;
use serde::Serialize;
use tokio::runtime::Builder;

use crate::account::{Account, Allowance, Credential, Endpoint, Token};
use crate::archive::{Archive, Shelf};
use crate::brake::{Limit, Limits};
use crate::cli::complain::Failure;
use crate::cli::config::{self, Flags, Metrics, OffsiteTarget, Profile};
use crate::cli::exit::Exit;
use crate::cli::home::Dwelling;
use crate::cli::notify::Notify;
use crate::cli::safe::{Login, Safe};
use crate::cli::secret::{Keyring, Source};
use crate::cli::show::View;
use crate::cli::status::Tolerance;
use crate::cli::terminal::Terminal;
use crate::cli::traffic::Traffic;
use crate::clock::Clock;
use crate::schedule;

/// How much of the tokens left today a run spends when nobody says otherwise.
const USUAL_SHARE: f64 = 0.5;

/// The settings of one run, and where its words go.
pub(crate) struct Session {
    flags: Flags,
    profile: Profile,
    clock: Clock,
    /// The account is that of another profile than the archive's.
    elsewhere: bool,
    /// The files of the archive, once somebody asked for them.
    shelf: OnceLock<Shelf>,
}

impl Session {
    /// Reads the configuration.
    pub(crate) fn new(flags: Flags) -> Result<Session, Failure> {
        let profile = config::profile(&flags)?;
        Ok(Session { flags, profile, clock: clock(), elsewhere: false, shelf: OnceLock::new() })
    }

    /// The same settings with the account of another profile: what names the first account does not count there.
    pub(crate) fn elsewhere(&self, profile: &str) -> Result<Session, Failure> {
        let flags =
            Flags { profile: Some(profile.to_owned()), base_url: None, api_token_file: None, ..self.flags.clone() };
        Ok(Session { elsewhere: true, ..Session::new(flags)? })
    }

    /// What time it is.
    pub(crate) fn clock(&self) -> Clock {
        self.clock
    }

    /// Whether stdout gets JSON.
    pub(crate) fn json(&self) -> bool {
        self.flags.json
    }

    /// The archive as it was named: a folder, or an address in a store.
    pub(crate) fn named(&self) -> Result<PathBuf, Failure> {
        let named = self.flags.archive.clone().or_else(|| self.profile.archive.clone());
        named.ok_or_else(|| {
            Failure::usage("no archive was named")
                .hint("set PDBAK_ARCHIVE or give --archive DIR; \"pdbak init --archive DIR\" makes a new one")
        })
    }

    /// Where the archive lives.
    pub(crate) fn dwelling(&self) -> Result<Dwelling, Failure> {
        Dwelling::of(&self.named()?, &self.profile)
    }

    /// The files of the archive, wherever they lie.
    pub(crate) fn shelf(&self) -> Result<Shelf, Failure> {
        if let Some(shelf) = self.shelf.get() {
            return Ok(shelf.clone());
        }
        let shelf = self.dwelling()?.shelf()?;
        Ok(self.shelf.get_or_init(|| shelf).clone())
    }

    /// The folder of the archive, or the one in which this machine works for an archive in a store.
    pub(crate) fn folder(&self) -> Result<PathBuf, Failure> {
        match self.dwelling()? {
            Dwelling::Folder(folder) => Ok(folder),
            Dwelling::Store(_) => Ok(self.shelf()?.root().to_owned()),
        }
    }

    /// Says what this run could not send to the store that the archive lives in, and what came to light about it.
    pub(crate) fn tell_unsent(&self) {
        if let Some(remark) = self.shelf.get().and_then(Shelf::remark) {
            self.warn(&remark);
        }
        for file in self.shelf.get().iter().flat_map(|shelf| shelf.unsent()) {
            self.warn(&format!("{file} is on this machine only; the next run that writes sends it"));
        }
    }

    /// Whether the configuration file names the archive, and nobody named another.
    pub(crate) fn has_archive_of_its_own(&self) -> bool {
        self.flags.archive.is_none() && self.profile.archive.is_some()
    }

    /// Where the archive's passphrase comes from.
    pub(crate) fn passphrase(&self) -> Source {
        Source::passphrase(&self.flags, &self.profile)
    }

    /// What opens the archive.
    pub(crate) fn keyring(&self) -> Keyring {
        let passphrase = self.passphrase();
        // The environment wins over the configuration, whichever of the two opens.
        let from_profile = self.profile.key_file.clone().filter(|_| !passphrase.is_set_for_this_run());
        Keyring::new(passphrase, self.flags.key_file.clone().or(from_profile))
    }

    /// Opens the archive.
    pub(crate) fn archive(&self) -> Result<Archive, Failure> {
        self.archive_with(&self.keyring())
    }

    /// Opens the archive with what opens more than once.
    pub(crate) fn archive_with(&self, keyring: &Keyring) -> Result<Archive, Failure> {
        let known = self.shelf.get().is_some();
        let shelf = self.shelf()?;
        if known {
            // Other machines may have written since.
            shelf.look_again()?;
        }
        Archive::open(shelf, keyring, self.clock).map_err(|error| keyring.explain(error))
    }

    /// What the login's user allowed, if it is one by OAuth.
    pub(crate) fn scope(&self) -> Result<Option<String>, Failure> {
        Ok(match (self.token().read()?, self.safe()?.load()?) {
            (None, Some(Login::OAuth { grant, .. })) => Some(grant.scope),
            _ => None,
        })
    }

    /// Connects to the account; this costs two tokens.
    pub(crate) async fn account(&self, budget: Option<Allowance>) -> Result<Account, Failure> {
        let (endpoint, credential) = self.way_in()?;
        Ok(Account::connect(endpoint, credential, self.allowance(budget)?, self.clock).await?)
    }

    /// The account's address and what opens it: a token that was named, the login that was kept, or a person's answer.
    fn way_in(&self) -> Result<(Endpoint, Credential), Failure> {
        let token = self.token().read()?;
        let login = match token {
            Some(_) => None,
            None => self.safe()?.load()?,
        };
        let address = self.base_url().or(login.as_ref().map(|login| login.base_url().to_owned()));
        let address = address.filter(|address| !address.is_empty()).ok_or_else(|| {
            Failure::usage("no account was named").hint(
                "set PDBAK_BASE_URL or give --base-url https://YOURCOMPANY.pipedrive.com, or run \"pdbak login\"; \"pdbak demo\" needs none",
            )
        })?;
        let endpoint = Endpoint::parse(&address)?;
        let credential = match (token, login) {
            (Some(token), _) => Token::new(token.to_string()).into(),
            // A token goes to no other address than the one it was checked at.
            (None, Some(login)) if Endpoint::parse(login.base_url())? == endpoint => self.safe()?.credential(&login)?,
            _ => Token::new(self.token().read_or_ask()?.to_string()).into(),
        };
        Ok((endpoint, credential))
    }

    /// Where the API token comes from.
    pub(crate) fn token(&self) -> Source {
        match self.elsewhere {
            true => Source::token_elsewhere(&self.profile),
            false => Source::token(&self.flags, &self.profile),
        }
    }

    /// Where the secret of the OAuth application comes from, and the application's id.
    pub(crate) fn application(&self) -> (Option<String>, Source) {
        (self.profile.client_id.clone(), Source::client_secret(&self.profile))
    }

    /// The account's address, if one was named.
    pub(crate) fn base_url(&self) -> Option<String> {
        self.flags.base_url.clone().or_else(|| self.profile.base_url.clone())
    }

    /// Where the login is kept.
    pub(crate) fn safe(&self) -> Result<Safe, Failure> {
        Safe::of(&self.profile)
    }

    /// The share of a capture's sweep, in percent, as far as it is set.
    pub(crate) fn sweep(&self) -> Option<u8> {
        self.profile.sweep.map(|percent| percent.min(100))
    }

    /// What raises an alarm, unless a flag says otherwise for all objects.
    pub(crate) fn limits(&self, flag: Option<Limit>) -> Limits {
        match flag {
            Some(default) => Limits { default, ..Limits::default() },
            None => self.profile.brake.clone(),
        }
    }

    /// Where metrics go while the schedule runs.
    pub(crate) fn metrics(&self) -> &Metrics {
        &self.profile.metrics
    }

    /// How old things may become before a status minds.
    pub(crate) fn tolerance(&self) -> Tolerance {
        self.profile.status
    }

    fn allowance(&self, budget: Option<Allowance>) -> Result<Allowance, Failure> {
        match (budget, &self.profile.budget) {
            (Some(budget), _) => Ok(budget),
            (None, Some(text)) => config::allowance(text).map_err(Failure::usage),
            (None, None) => Ok(Allowance::Share(USUAL_SHARE)),
        }
    }

    /// When pdbak runs by itself, as the configuration says it.
    pub(crate) fn schedule(&self) -> Result<&schedule::Settings, Failure> {
        self.profile.schedule.as_ref().ok_or_else(|| {
            Failure::usage("there is no [schedule] in the configuration")
                .hint("write [schedule] with cron = \"15 2 * * *\" to pdbak.toml; \"pdbak man\" describes it")
        })
    }

    /// What the archive is called: its profile, or its folder.
    pub(crate) fn title(&self) -> Result<String, Failure> {
        let folder = self.named()?;
        let name = folder.file_name().map(|name| name.to_string_lossy().into_owned());
        Ok(self.profile.name.clone().or(name).unwrap_or_else(|| folder.display().to_string()))
    }

    /// Who is told how a run ended, if anybody is.
    pub(crate) fn notify(&self) -> Option<&Notify> {
        self.profile.notify.as_ref()
    }

    /// The configuration file, and the profile that somebody chose.
    pub(crate) fn configuration(&self) -> (Option<&Path>, Option<&str>) {
        (self.profile.file.as_deref(), self.profile.name.as_deref())
    }

    /// Whoever hears of progress.
    pub(crate) fn monitor(&self) -> Terminal {
        Terminal::new(self.flags.quiet)
    }

    /// The targets of copies that the configuration names.
    pub(crate) fn targets(&self) -> &BTreeMap<String, OffsiteTarget> {
        &self.profile.offsite
    }

    /// Whoever hears how copying goes on.
    pub(crate) fn traffic(&self) -> Traffic {
        Traffic::new(self.flags.quiet)
    }

    /// Talks to the person, on stderr.
    pub(crate) fn say(&self, text: &str) {
        if !self.flags.quiet {
            // When stderr is gone there is nobody left to talk to.
            let _unheard = writeln!(stderr(), "{text}");
        }
    }

    /// Says what somebody should know, however quiet it was to be.
    pub(crate) fn warn(&self, text: &str) {
        let _unheard = writeln!(stderr(), "warning: {text}");
    }

    /// Puts a line on stdout.
    pub(crate) fn print(&self, text: &str) -> Result<(), Failure> {
        Ok(writeln!(stdout().lock(), "{text}")?)
    }

    /// Puts a value on stdout, as text or as one JSON document.
    pub(crate) fn show(&self, view: &impl View) -> Result<(), Failure> {
        let mut out = BufWriter::new(stdout().lock());
        if self.json() {
            serde_json::to_writer(&mut out, view)?;
            writeln!(out)?;
        } else {
            view.text(&mut out)?;
        }
        Ok(out.flush()?)
    }

    /// Tells a value on stderr, when stdout is for something else.
    pub(crate) fn tell(&self, view: &impl View) -> Result<(), Failure> {
        if !self.flags.quiet {
            view.text(&mut stderr().lock())?;
        }
        Ok(())
    }

    /// Puts many values on stdout one by one, as text or as one JSON document a line.
    pub(crate) fn stream<V: View>(&self, views: impl IntoIterator<Item = Result<V, Failure>>) -> Result<u64, Failure> {
        let mut out = BufWriter::new(stdout().lock());
        let mut count = 0;
        for view in views {
            let view = view?;
            if self.json() {
                serde_json::to_writer(&mut out, &view)?;
                writeln!(out)?;
            } else {
                view.text(&mut out)?;
            }
            count += 1;
        }
        out.flush()?;
        Ok(count)
    }

    /// Puts one JSON document on stdout, whatever the settings are.
    pub(crate) fn document(&self, value: &impl Serialize) -> Result<(), Failure> {
        let mut out = stdout().lock();
        serde_json::to_writer(&mut out, value)?;
        writeln!(out)?;
        Ok(out.flush()?)
    }
}

/// The machine's clock; shifted by so many seconds if a test says so.
fn clock() -> Clock {
    let shift = std::env::var("PDBAK_CLOCK_SHIFT").ok().and_then(|seconds| seconds.parse().ok());
    shift.and_then(TimeDelta::try_seconds).map_or(Clock::System, Clock::Shifted)
}

/// Runs work that waits for the network.
pub(crate) fn wait<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::from_error(Exit::Failed, &error).while_doing("start working"))?;
    runtime.block_on(work)
}
