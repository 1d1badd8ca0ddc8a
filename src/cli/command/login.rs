//! `pdbak login`: keeps what opens the account, after trying it.

use std::io::{self, Write};
use std::time::Duration;

use clap::Args;
use serde::Serialize;
use zeroize::Zeroizing;

use crate::account::oauth::{Application, SERVICE};
use crate::account::{Account, Allowance, Endpoint, Identity, Token};
use crate::cli::complain::Failure;
use crate::cli::exit::Exit;
use crate::cli::loopback::Loopback;
use crate::cli::safe::{Held, Login as Kept};
use crate::cli::session::{Session, wait};
use crate::cli::show::View;

pub(crate) const EXAMPLES: &str = "\
Examples:
  pdbak login --base-url https://acme.pipedrive.com     asks for the API token and keeps it in a file of yours
  pdbak login --keyring                                 keeps it in the system's keyring
  pdbak login --oauth --client-id 1a2b                  a user allows an OAuth application in the browser
  pdbak login --forget                                  removes what was kept";

/// How long somebody may take to allow pdbak in the browser.
const PATIENCE: Duration = Duration::from_secs(300);

/// Arguments of `pdbak login`.
#[derive(Args, Debug)]
pub(crate) struct Login {
    /// Let a user allow an OAuth application instead of taking an API token
    #[arg(long, conflicts_with = "forget")]
    oauth: bool,
    /// The id of the OAuth application; its secret comes from PDBAK_CLIENT_SECRET, ..._FILE, ..._COMMAND or a prompt
    #[arg(long, value_name = "ID", env = "PDBAK_CLIENT_ID", hide_env_values = true)]
    client_id: Option<String>,
    /// The port of this machine to which the browser comes back; 0 takes a free one
    #[arg(long, value_name = "PORT", default_value_t = 8643)]
    port: u16,
    /// Where users allow applications [default: https://oauth.pipedrive.com, or the sandbox at a local --base-url]
    #[arg(long, value_name = "URL", env = "PDBAK_OAUTH_URL", hide_env_values = true)]
    oauth_url: Option<String>,
    /// Keep the login in the system's keyring instead of a file
    #[arg(long)]
    keyring: bool,
    /// Remove the login that was kept
    #[arg(long)]
    forget: bool,
}

/// Who was logged in, and where that is kept.
#[derive(Serialize)]
struct LoggedIn {
    company_id: u64,
    company_name: String,
    base_url: String,
    user_id: u64,
    user_name: String,
    is_admin: bool,
    kept_in: String,
}

impl View for LoggedIn {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let Self { company_name, company_id, user_name, kept_in, .. } = self;
        writeln!(out, "{company_name} (company {company_id}) as {user_name}; the login is kept in {kept_in}")
    }
}

impl Login {
    pub(crate) fn run(self, session: &Session) -> Result<Exit, Failure> {
        let safe = session.safe()?;
        if self.forget {
            let there = safe.forget()?;
            session.say(if there { "the login is forgotten" } else { "there was no login" });
            return Ok(Exit::Done);
        }
        wait(async {
            let login = if self.oauth { self.allowed(session).await? } else { given(session)? };
            let who = tried(session, &login).await?;
            safe.keep(&login, self.keyring)?;
            let file = safe.path().display();
            let kept_in = if self.keyring { "the system's keyring".to_owned() } else { file.to_string() };
            session.show(&LoggedIn {
                company_id: who.company_id,
                company_name: who.company_name,
                base_url: login.base_url().to_owned(),
                user_id: who.user_id,
                user_name: who.user_name,
                is_admin: who.is_admin,
                kept_in,
            })?;
            if !who.is_admin {
                session.say("this user is no admin: a snapshot will hold only what the user may see");
            }
            session.say("next: pdbak doctor");
            Ok(Exit::Done)
        })
    }

    /// Has a user allow the application, and takes what the service gives for that.
    async fn allowed(&self, session: &Session) -> Result<Kept, Failure> {
        let (profile_id, secret) = session.application();
        let client_id = self.client_id.clone().or(profile_id).ok_or_else(|| {
            Failure::usage("no OAuth application was named").hint(
                "give --client-id ID of an application from Pipedrive's developer hub and run \"pdbak login --oauth\" again",
            )
        })?;
        let client_secret = secret.read_or_ask()?;
        let authority = self.authority(session);
        let application = Application::new(&authority, client_id.clone(), Token::new(client_secret.to_string()))?;
        let loopback = Loopback::open(self.port).await?;
        let redirect = loopback.redirect();
        session.say(&format!(
            "open this address in your browser and allow the application ({redirect} must be its callback):\n  {}",
            application.consent_page(&redirect, loopback.state())
        ));
        let code = loopback.code(PATIENCE).await?;
        let grant = application.redeem(&code, &redirect, session.clock()).await?;
        Ok(Kept::OAuth { authority, client_id, client_secret, grant })
    }

    fn authority(&self, session: &Session) -> String {
        let local = session.base_url().filter(|address| address.starts_with("http://"));
        self.oauth_url.clone().or(local).unwrap_or_else(|| SERVICE.to_owned())
    }
}

/// An API token from its sources, or typed.
fn given(session: &Session) -> Result<Kept, Failure> {
    let base_url = session.base_url().ok_or_else(|| {
        Failure::usage("no account was named").hint("run \"pdbak login --base-url https://YOURCOMPANY.pipedrive.com\"")
    })?;
    let endpoint = Endpoint::parse(&base_url)?;
    let api_token = Zeroizing::new(session.token().read_or_ask()?.trim().to_owned());
    Ok(Kept::ApiToken { base_url: endpoint.to_string(), api_token })
}

/// Who the login is, as the service says: a login that opens nothing is not kept.
async fn tried(session: &Session, login: &Kept) -> Result<Identity, Failure> {
    let endpoint = Endpoint::parse(login.base_url())?;
    let account =
        Account::connect(endpoint, login.credential(Held::new)?, Allowance::Unlimited, session.clock()).await?;
    Ok(account.identity().clone())
}
