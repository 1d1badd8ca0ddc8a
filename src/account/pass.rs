//! What opens the account: an API token that never changes, or a grant that is renewed on the way.
//!
//! The two go into different headers: an API token as Bearer is refused (api/wire.md,
//! Authentication).

use reqwest::header::{AUTHORIZATION, HeaderName, HeaderValue};

use super::oauth::{self, Application, Vault};
use super::{Error, Token};
use crate::clock::Clock;

const TOKEN_HEADER: HeaderName = HeaderName::from_static("x-api-token");

/// What a caller opens the account with.
pub enum Credential {
    /// A user's API token.
    Token(Token),
    /// What a user allowed an application, kept in a vault.
    Grant(Application, Box<dyn Vault>),
}

impl From<Token> for Credential {
    fn from(token: Token) -> Credential {
        Credential::Token(token)
    }
}

/// A credential in use.
pub(super) enum Pass {
    Token { token: Token, header: HeaderValue },
    Grant(Box<oauth::Session>),
}

impl Pass {
    pub(super) fn new(credential: Credential, clock: Clock) -> Result<Pass, Error> {
        Ok(match credential {
            Credential::Token(token) => Pass::Token { header: token.header()?, token },
            Credential::Grant(application, vault) => {
                Pass::Grant(Box::new(oauth::Session::open(application, vault, clock)?))
            }
        })
    }

    /// The header that a request carries now.
    pub(super) async fn header(&self) -> Result<(HeaderName, HeaderValue), Error> {
        Ok(match self {
            Pass::Token { header, .. } => (TOKEN_HEADER, header.clone()),
            Pass::Grant(session) => (AUTHORIZATION, session.header().await?),
        })
    }

    /// The header to try again with after this one was not taken; none when there is no other.
    pub(super) async fn header_instead_of(&self, refused: &HeaderValue) -> Result<Option<HeaderValue>, Error> {
        match self {
            Pass::Token { .. } => Ok(None),
            Pass::Grant(session) => session.header_instead_of(refused).await.map(Some),
        }
    }

    /// Takes the secret out of words that somebody else chose.
    pub(super) fn redact(&self, text: &str) -> String {
        match self {
            Pass::Token { token, .. } => token.redact(text),
            // The service would have to repeat a token of forty letters that lives for an hour.
            Pass::Grant(_) => {
                text.split(' ').map(|word| if word.len() > 30 { "***" } else { word }).collect::<Vec<_>>().join(" ")
            }
        }
    }
}
