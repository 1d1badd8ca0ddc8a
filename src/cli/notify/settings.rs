//! `[notify]` of the configuration file. It holds no secret, only where one comes from.

use std::path::PathBuf;

use serde::Deserialize;

use crate::cli::complain::Failure;
use crate::cli::secret::{Secret, Source};
use crate::schedule::Verdict;

/// Who is told what.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Notify {
    on: Option<Vec<Verdict>>,
    pub(super) webhook: Option<Webhook>,
    pub(super) mail: Option<Mail>,
    pub(super) ping: Option<Ping>,
}

/// `[notify.webhook]`: gets each message as JSON.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Webhook {
    url: Option<String>,
    url_file: Option<PathBuf>,
    url_command: Option<String>,
    /// The header that carries the secret.
    header: Option<String>,
    secret_file: Option<PathBuf>,
    secret_command: Option<String>,
}

/// `[notify.mail]`: by a server, or by a command that takes the whole message.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Mail {
    pub(super) from: String,
    pub(super) to: Vec<String>,
    pub(super) server: Option<String>,
    pub(super) port: Option<u16>,
    #[serde(default)]
    pub(super) security: Security,
    pub(super) user: Option<String>,
    password_file: Option<PathBuf>,
    password_command: Option<String>,
    pub(super) command: Option<String>,
}

/// How the way to a mail server is protected.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Security {
    /// From the first byte.
    #[default]
    Tls,
    /// After a greeting in the clear; without it nothing is sent.
    StartTls,
    /// Not at all: for a server on this machine.
    None,
}

/// `[notify.ping]`: the addresses of a dead man's switch.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Ping {
    url: Option<String>,
    url_file: Option<PathBuf>,
    url_command: Option<String>,
    start: Option<String>,
    success: Option<String>,
    fail: Option<String>,
}

impl Notify {
    /// What is told; failures and warnings unless somebody says otherwise.
    pub(crate) fn on(&self) -> &[Verdict] {
        self.on.as_deref().unwrap_or(&[Verdict::Failure, Verdict::Warning])
    }

    /// Whether nobody is told anything.
    pub(crate) fn is_silent(&self) -> bool {
        self.channels().is_empty() && self.ping.is_none()
    }

    /// Whether there is a dead man's switch.
    pub(crate) fn pings(&self) -> bool {
        self.ping.is_some()
    }

    /// Commands that it wants to run.
    pub(crate) fn commands(&self) -> impl Iterator<Item = &String> {
        let webhook = self.webhook.iter().flat_map(|webhook| [&webhook.url_command, &webhook.secret_command]);
        let mail = self.mail.iter().flat_map(|mail| [&mail.password_command, &mail.command]);
        let ping = self.ping.iter().map(|ping| &ping.url_command);
        webhook.chain(mail).chain(ping).flatten()
    }

    /// Files that it names.
    pub(crate) fn files(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        let webhook = self.webhook.iter_mut().flat_map(|webhook| [&mut webhook.url_file, &mut webhook.secret_file]);
        let mail = self.mail.iter_mut().map(|mail| &mut mail.password_file);
        let ping = self.ping.iter_mut().map(|ping| &mut ping.url_file);
        webhook.chain(mail).chain(ping).flatten()
    }
}

impl Webhook {
    /// Where messages go.
    pub(super) fn url(&self) -> Result<Secret, Failure> {
        address(
            &self.url,
            "webhook",
            Source::of("address of the webhook", "PDBAK_WEBHOOK_URL", &self.url_file, &self.url_command),
        )
    }

    /// The header with its secret, if there is one.
    pub(super) fn secret(&self) -> Result<Option<(&str, Secret)>, Failure> {
        let source =
            Source::of("secret of the webhook", "PDBAK_WEBHOOK_SECRET", &self.secret_file, &self.secret_command);
        let name = self.header.as_deref().unwrap_or("Authorization");
        Ok(source.read()?.map(|secret| (name, secret)))
    }
}

impl Mail {
    /// What opens the mail server, if it wants something.
    pub(super) fn password(&self) -> Result<Option<Secret>, Failure> {
        Source::of("password of the mail server", "PDBAK_MAIL_PASSWORD", &self.password_file, &self.password_command)
            .read()
    }
}

impl Ping {
    /// The address of a sign: its own, or the common one with an ending as healthchecks has it.
    pub(super) fn address(&self, own: Option<&String>, ending: &str) -> Result<Secret, Failure> {
        if let Some(own) = own {
            return Ok(Secret::new(own.clone()));
        }
        let source = Source::of("address of the ping", "PDBAK_PING_URL", &self.url_file, &self.url_command);
        let common = address(&self.url, "ping", source)?;
        Ok(Secret::new(format!("{}{ending}", common.trim_end_matches('/'))))
    }

    /// The sign that a run begins.
    pub(super) fn start(&self) -> Result<Secret, Failure> {
        self.address(self.start.as_ref(), "/start")
    }

    /// The sign that a snapshot was taken and nothing failed.
    pub(super) fn success(&self) -> Result<Secret, Failure> {
        self.address(self.success.as_ref(), "")
    }

    /// The sign that something failed.
    pub(super) fn fail(&self) -> Result<Secret, Failure> {
        self.address(self.fail.as_ref(), "/fail")
    }
}

/// An address that stands in the file, or elsewhere because whoever knows it may use it.
fn address(url: &Option<String>, table: &str, source: Source) -> Result<Secret, Failure> {
    let found = match url {
        Some(url) => Some(Secret::new(url.clone())),
        None => source.read()?,
    };
    found.ok_or_else(|| {
        Failure::usage(format!("[notify.{table}] has no address"))
            .hint("write url, url_file or url_command to it in pdbak.toml; \"pdbak man\" describes it")
    })
}
