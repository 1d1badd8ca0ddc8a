//! Whoever is told how a run ended: a webhook, somebody's mail, and a dead man's switch.
//!
//! What leaves this machine is a report of words and numbers, no record of anybody.
//! Secrets come from files and commands and appear in no message. A message that
//! does not arrive fails no backup: it is kept, told, and sent again by the next run.
//! The switch is the one that notices when nothing runs at all: it hears of a run's
//! begin and of its end, and its silence is somebody else's alarm.

mod http;
mod mail;
mod settings;

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::cli::complain::Failure;
use crate::schedule::{RunReport, Verdict};

pub(crate) use self::settings::Notify;

/// Pauses between the tries of one message.
const PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(4)];

/// One message, as a webhook gets it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) struct Message {
    /// `success`, `warning`, `failure` or `test`.
    pub(crate) event: String,
    /// What the archive is called.
    pub(crate) archive: String,
    pub(crate) at: DateTime<Utc>,
    pub(crate) title: String,
    /// All of it in lines, the title first.
    pub(crate) text: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) run: Option<RunReport>,
}

/// A way by which messages travel.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Channel {
    Webhook,
    Mail,
}

impl Channel {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Channel::Webhook => "webhook",
            Channel::Mail => "mail",
        }
    }
}

/// What the dead man's switch hears.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Signal {
    Start,
    Success,
    Fail,
}

/// A message that did not arrive.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) struct Letter {
    pub(crate) channel: Channel,
    pub(crate) why: String,
    pub(crate) message: Message,
}

impl Notify {
    /// The ways that are configured.
    pub(crate) fn channels(&self) -> Vec<Channel> {
        let ways = [(self.webhook.is_some(), Channel::Webhook), (self.mail.is_some(), Channel::Mail)];
        ways.into_iter().filter(|(is_there, _)| *is_there).map(|(_, channel)| channel).collect()
    }

    /// Whether somebody wants to hear of this; who hears of failures also hears that they are over.
    pub(crate) fn wants(&self, verdict: Verdict, before: Option<Verdict>) -> bool {
        let is_wanted = |verdict: Verdict| self.on().contains(&verdict);
        let is_over = verdict < Verdict::Failure && before == Some(Verdict::Failure) && is_wanted(Verdict::Failure);
        is_wanted(verdict) || is_over
    }

    /// Sends a message by all ways; what did not arrive comes back.
    pub(crate) async fn send(&self, message: &Message) -> Vec<Letter> {
        let mut lost = Vec::new();
        for channel in self.channels() {
            if let Err(failure) = self.send_by(channel, message).await {
                lost.push(Letter { channel, why: failure.line(), message: message.clone() });
            }
        }
        lost
    }

    /// Sends a message by one way, trying a few times.
    pub(crate) async fn send_by(&self, channel: Channel, message: &Message) -> Result<(), Failure> {
        patiently(async || match channel {
            Channel::Webhook => match &self.webhook {
                Some(webhook) => http::post(webhook, message).await,
                None => Ok(()),
            },
            Channel::Mail => match &self.mail {
                Some(mail) => tokio::task::block_in_place(|| mail::send(mail, message)),
                None => Ok(()),
            },
        })
        .await
    }

    /// Gives the dead man's switch a sign, with a few words for its log.
    pub(crate) async fn ping(&self, signal: Signal, words: &str) -> Result<(), Failure> {
        match &self.ping {
            Some(ping) => patiently(async || http::ping(ping, signal, words).await).await,
            None => Ok(()),
        }
    }
}

/// Tries again what may have failed by chance.
async fn patiently(work: impl AsyncFn() -> Result<(), Failure>) -> Result<(), Failure> {
    for pause in PAUSES {
        match work().await {
            Ok(()) => return Ok(()),
            Err(_) => tokio::time::sleep(pause).await,
        }
    }
    work().await
}
