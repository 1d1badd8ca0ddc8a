//! Messages and signs over HTTP. What a library says of a failure loses the address: it may be a secret.

use std::sync::LazyLock;
use std::time::Duration;

use reqwest::header::{HeaderName, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Client, RequestBuilder};

use crate::cli::complain::Failure;
use crate::cli::exit::Exit;
use crate::cli::notify::settings::{Ping, Webhook};
use crate::cli::notify::{Message, Signal};

static CLIENT: LazyLock<Client> = LazyLock::new(|| {
    // Somebody may have installed it before.
    let _already_there = rustls::crypto::ring::default_provider().install_default();
    let builder = Client::builder().connect_timeout(Duration::from_secs(10)).timeout(Duration::from_secs(20));
    // A redirect would carry the secret to somebody else.
    builder.redirect(Policy::none()).build().expect("settings that are valid")
});

/// Posts a message.
pub(super) async fn post(webhook: &Webhook, message: &Message) -> Result<(), Failure> {
    let mut request = CLIENT.post(webhook.url()?.as_str()).json(message);
    if let Some((name, secret)) = webhook.secret()? {
        let name: HeaderName =
            name.parse().map_err(|_| Failure::usage(format!("[notify.webhook] header: {name} is no header")))?;
        let mut value: HeaderValue =
            secret.parse().map_err(|_| Failure::usage("the secret of the webhook does not fit into a header"))?;
        value.set_sensitive(true);
        request = request.header(name, value);
    }
    sent(request, "send a message to the webhook").await
}

/// Gives a sign.
pub(super) async fn ping(ping: &Ping, signal: Signal, words: &str) -> Result<(), Failure> {
    let address = match signal {
        Signal::Start => ping.start(),
        Signal::Success => ping.success(),
        Signal::Fail => ping.fail(),
    }?;
    sent(CLIENT.post(address.as_str()).body(words.to_owned()), "ping the dead man's switch").await
}

async fn sent(request: RequestBuilder, doing: &str) -> Result<(), Failure> {
    let failed = |error: reqwest::Error| Failure::from_error(Exit::Failed, &error.without_url()).while_doing(doing);
    let status = request.send().await.map_err(failed)?.status();
    match status.is_success() {
        true => Ok(()),
        false => Err(Failure::new(Exit::Failed, format!("it answered {status}")).while_doing(doing)),
    }
}
