//! What is answered without the API token: OAuth tokens, and downloads at signed addresses.

use std::sync::Mutex;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use crate::sandbox::answer::{Answer, refusal};
use crate::sandbox::http::{Asked, Shared, locked};

/// Secrets of the OAuth client and what was given out for them.
#[derive(Debug, Default)]
pub(super) struct Secrets {
    /// `client_id:client_secret`; none switches OAuth off.
    pub(super) client: Option<String>,
    /// The refresh token that is good.
    pub(super) refresh: String,
    /// Access tokens that are good.
    pub(super) access: Mutex<Vec<String>>,
}

impl Secrets {
    /// Whether a Bearer was given out here.
    pub(super) fn is_access(&self, bearer: &str) -> bool {
        locked(&self.access).iter().any(|token| token == bearer)
    }
}

/// The answer, if the path is one of ours.
pub(super) fn reply(shared: &Shared, asked: &Asked) -> Option<Answer> {
    let path = asked.path.trim_end_matches('/');
    if path == "/oauth/token" || path == "/v1/oauth/token" {
        return Some(token(shared, asked).unwrap_or_else(|answer| answer));
    }
    let signature = path.strip_prefix("/signed/")?;
    Some(download(shared, asked, signature).unwrap_or_else(|answer| answer))
}

/// api/wire.md, "Authentication": client as HTTP Basic, form body, an hour.
fn token(shared: &Shared, asked: &Asked) -> Result<Answer, Answer> {
    let refuse =
        |error: &str, message: &str| Answer::json(400, &json!({"success": false, "error": error, "message": message}));
    let sent: Vec<(String, String)> = form_urlencoded::parse(&asked.body).into_owned().collect();
    let value = |name: &str| sent.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value.as_str());
    let basic = asked.header("authorization").and_then(|value| value.strip_prefix("Basic "));
    let client = basic.and_then(|text| STANDARD.decode(text).ok()).and_then(|bytes| String::from_utf8(bytes).ok());
    if shared.oauth.client.is_none() || client != shared.oauth.client {
        return Err(refuse("invalid_client", "Invalid client: client is invalid"));
    }
    match value("grant_type") {
        "refresh_token" if value("refresh_token") == shared.oauth.refresh => {}
        "refresh_token" => return Err(refuse("invalid_grant", "Invalid grant: refresh token is invalid")),
        _ => return Err(refuse("unsupported_grant_type", "Unsupported grant type: `grant_type` is invalid")),
    }
    let (access, url) = {
        let mut account = locked(&shared.account);
        (format!("v1u:{}", account.random_hex(40)), account.url.clone())
    };
    locked(&shared.oauth.access).push(access.clone());
    Ok(Answer::json(
        200,
        &json!({"access_token": access, "token_type": "Bearer", "expires_in": 3599, "refresh_token": shared.oauth.refresh,
                "scope": "base", "api_domain": url}),
    ))
}

/// A file at its signed address. A client that sends its token along has leaked it, so that is refused.
fn download(shared: &Shared, asked: &Asked, signature: &str) -> Result<Answer, Answer> {
    if asked.header("x-api-token").is_some() || asked.header("authorization").is_some() {
        return Err(refusal(400, "Only one auth mechanism allowed"));
    }
    let account = locked(&shared.account);
    crate::sandbox::files::by_signature(&account, signature).ok_or_else(|| refusal(403, "Request has expired"))
}
