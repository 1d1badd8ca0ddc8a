//! OAuth 2: an application that a user allowed, and the tokens the service gave it.
//!
//! The access token lives for an hour, the refresh token dies after 60 days without
//! use (api/wire.md, Authentication). Whether a refresh changes the refresh token is not
//! stated, so whatever the answer holds is kept, and it is kept on disk before it is
//! used: a refresh token that was exchanged and then lost would lock the owner out.
//! Several runs may share one grant; a lock on the vault's file makes them take turns,
//! and whoever comes second uses what the first one got.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use reqwest::header::HeaderValue;
use reqwest::{Client, Response, Url};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;
use zeroize::Zeroizing;

use super::endpoint::is_this_machine;
use super::{Error, Token};
use crate::clock::Clock;

/// Where the service's users allow an application, and where its tokens come from.
pub const SERVICE: &str = "https://oauth.pipedrive.com";
/// The access token is renewed when it has less than this to live.
const MARGIN: TimeDelta = TimeDelta::minutes(5);
/// How long the service may take to answer about tokens.
const WITHIN: Duration = Duration::from_secs(30);

/// An application as it is registered in the service's developer hub, and the server that knows it.
#[derive(Clone, Debug)]
pub struct Application {
    authority: Url,
    id: String,
    secret: Token,
}

/// What the service gave the application: the tokens, and where they are good.
#[derive(Clone, Serialize, Deserialize)]
pub struct Grant {
    access_token: Zeroizing<String>,
    refresh_token: Zeroizing<String>,
    expires: DateTime<Utc>,
    /// The account's address, `https://company.pipedrive.com`.
    pub api_domain: String,
    /// What the user allowed, separated by spaces or commas; scopes are chosen in the developer hub.
    pub scope: String,
}

/// Where a grant is kept between runs.
///
/// Both must be atomic: a reader sees the old grant or the new one.
pub trait Vault: Send + Sync {
    /// The newest grant.
    fn load(&self) -> Result<Grant, std::io::Error>;
    /// Replaces the grant.
    fn store(&self, grant: &Grant) -> Result<(), std::io::Error>;
    /// Takes turns with other processes until the guard is dropped.
    fn lock(&self) -> Result<Box<dyn Send>, std::io::Error>;
}

impl Application {
    /// An application of the service, or of a sandbox on this machine.
    pub fn new(authority: &str, id: String, secret: Token) -> Result<Application, Error> {
        let bad = |why: String| Error::BadEndpoint(why);
        let authority = Url::parse(authority).map_err(|error| bad(error.to_string()))?;
        if authority.scheme() != "https" && !is_this_machine(&authority) {
            return Err(bad("http would show the application's secret to everybody on the way; use https".into()));
        }
        Ok(Application { authority, id, secret })
    }

    /// The page on which a user allows the application. `state` comes back with the answer and proves that it is one.
    pub fn consent_page(&self, redirect: &str, state: &str) -> String {
        let mut url = self.call("authorize");
        url.query_pairs_mut()
            .append_pair("client_id", &self.id)
            .append_pair("redirect_uri", redirect)
            .append_pair("state", state);
        url.into()
    }

    /// Exchanges the code that came back for a grant. A code lives five minutes and is good once.
    pub async fn redeem(&self, code: &str, redirect: &str, clock: Clock) -> Result<Grant, Error> {
        let client = self.client()?;
        let form = [("grant_type", "authorization_code"), ("code", code), ("redirect_uri", redirect)];
        self.ask(&client, &form, clock.now()).await
    }

    async fn renew(&self, client: &Client, grant: &Grant, now: DateTime<Utc>) -> Result<Grant, Error> {
        let form = [("grant_type", "refresh_token"), ("refresh_token", grant.refresh_token.as_str())];
        self.ask(client, &form, now).await
    }

    async fn ask(&self, client: &Client, form: &[(&str, &str)], now: DateTime<Utc>) -> Result<Grant, Error> {
        let request = client.post(self.call("token")).timeout(WITHIN);
        let request = request.basic_auth(&self.id, Some(self.secret.text())).form(form);
        let lost = |_: reqwest::Error| Error::Unreachable("no answer about the tokens".to_owned());
        let response = request.send().await.map_err(lost)?;
        given(response, now).await
    }

    fn call(&self, name: &str) -> Url {
        let mut url = self.authority.clone();
        let path = url.path().trim_end_matches('/').trim_end_matches("/oauth").to_owned();
        url.set_path(&format!("{path}/oauth/{name}"));
        url
    }

    fn client(&self) -> Result<Client, Error> {
        super::exchange::client(Client::builder(), is_this_machine(&self.authority))
    }
}

/// Reads what the service says about tokens; its words hold no token when it refuses (api/wire.md).
async fn given(response: Response, now: DateTime<Utc>) -> Result<Grant, Error> {
    #[derive(Deserialize)]
    struct Given {
        access_token: Zeroizing<String>,
        refresh_token: Zeroizing<String>,
        expires_in: i64,
        #[serde(default)]
        api_domain: String,
        #[serde(default)]
        scope: String,
    }
    let status = response.status();
    let body = response.bytes().await.map_err(|_| Error::Unreachable("the answer about the tokens is cut".into()))?;
    if status.is_server_error() || status.as_u16() == 429 {
        return Err(Error::Unreachable(format!("{status} when asked for tokens")));
    }
    if !status.is_success() {
        let said: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
        let words = said["message"].as_str().or(said["error"].as_str()).unwrap_or("no reason given");
        let words: String = words.chars().filter(|letter| !letter.is_control()).take(200).collect();
        return Err(Error::LoggedOut(words));
    }
    let given: Given = serde_json::from_slice(&body)
        .map_err(|_| Error::Garbled("the answer about the tokens has another shape than expected".into()))?;
    let life = TimeDelta::try_seconds(given.expires_in.clamp(0, 86_400)).unwrap_or_default();
    Ok(Grant {
        access_token: given.access_token,
        refresh_token: given.refresh_token,
        expires: now + life,
        api_domain: given.api_domain,
        scope: given.scope,
    })
}

impl std::fmt::Debug for Grant {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Grant {{ ***, expires: {}, api_domain: {} }}", self.expires, self.api_domain)
    }
}

/// A grant in use: renewed before it expires, and once more when the service does not take it.
pub(super) struct Session {
    application: Application,
    vault: Box<dyn Vault>,
    clock: Clock,
    client: Client,
    grant: Mutex<Grant>,
}

impl Session {
    pub(super) fn open(application: Application, vault: Box<dyn Vault>, clock: Clock) -> Result<Session, Error> {
        let grant = vault.load().map_err(|source| Error::Local { doing: "read the login", source })?;
        let client = application.client()?;
        Ok(Session { application, vault, clock, client, grant: Mutex::new(grant) })
    }

    /// The header's value of a token that has some time to live.
    pub(super) async fn header(&self) -> Result<HeaderValue, Error> {
        let mut grant = self.grant.lock().await;
        if grant.expires - self.clock.now() < MARGIN {
            *grant = self.renewed(&grant).await?;
        }
        bearer(&grant)
    }

    /// The header's value after the service did not take this one.
    pub(super) async fn header_instead_of(&self, refused: &HeaderValue) -> Result<HeaderValue, Error> {
        let mut grant = self.grant.lock().await;
        if bearer(&grant)? == *refused {
            *grant = self.renewed(&grant).await?;
        }
        bearer(&grant)
    }

    async fn renewed(&self, old: &Grant) -> Result<Grant, Error> {
        let local = |doing| move |source| Error::Local { doing, source };
        let _turn = self.vault.lock().map_err(local("wait for another run that renews the login"))?;
        let kept = self.vault.load().map_err(local("read the login"))?;
        // Another run was faster.
        if kept.access_token != old.access_token && kept.expires - self.clock.now() >= MARGIN {
            return Ok(kept);
        }
        let new = self.application.renew(&self.client, &kept, self.clock.now()).await?;
        let new = Grant { api_domain: kept.api_domain, ..new };
        self.vault.store(&new).map_err(local("keep the login"))?;
        Ok(new)
    }
}

fn bearer(grant: &Grant) -> Result<HeaderValue, Error> {
    let value = HeaderValue::from_str(&Zeroizing::new(format!("Bearer {}", *grant.access_token)));
    let mut value = value.map_err(|_| Error::Garbled("the access token has letters that no token has".into()))?;
    value.set_sensitive(true);
    Ok(value)
}
