//! OAuth 2 as the service speaks it: a page to allow an application, codes, tokens that expire.
//!
//! api/wire.md, "Authentication": client as HTTP Basic, form bodies, a code for five minutes and one use, an access token for an hour,
//! a refresh token that dies after 60 days without use. Whether a refresh changes the refresh token is not stated: `--assume`.

use std::collections::BTreeMap;
use std::sync::Mutex;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;

use crate::sandbox::answer::Answer;
use crate::sandbox::http::{Asked, Shared, locked};

const CODE_LIVES: TimeDelta = TimeDelta::minutes(5);
const ACCESS_LIVES: TimeDelta = TimeDelta::seconds(3_599);
const REFRESH_LIVES: TimeDelta = TimeDelta::days(60);

/// The application that is registered, and what was given out to it.
#[derive(Debug, Default)]
pub(super) struct Desk {
    /// `client_id:client_secret`; none switches OAuth off.
    pub(super) application: Option<String>,
    pub(super) given: Mutex<Given>,
}

/// Codes and tokens that are good, each until its time.
#[derive(Debug, Default)]
pub(super) struct Given {
    codes: BTreeMap<String, (String, DateTime<Utc>)>,
    access: BTreeMap<String, DateTime<Utc>>,
    pub(super) refresh: BTreeMap<String, DateTime<Utc>>,
}

impl Desk {
    /// A desk that knows an application and has given it a refresh token before.
    pub(super) fn new(oauth: Option<(String, String)>, now: DateTime<Utc>) -> Desk {
        let (application, refresh) = oauth.unzip();
        let refresh = refresh.filter(|token| !token.is_empty()).map(|token| (token, now + REFRESH_LIVES));
        let given = Given { refresh: refresh.into_iter().collect(), ..Given::default() };
        Desk { application, given: Mutex::new(given) }
    }

    /// Whether a Bearer was given out here and still lives.
    pub(super) fn is_access(&self, bearer: &str, now: DateTime<Utc>) -> bool {
        locked(&self.given).access.get(bearer).is_some_and(|until| now < *until)
    }

    /// Forgets all access tokens, as an admin does who suspects a leak.
    pub(super) fn revoke(&self, refresh_too: bool) {
        let mut given = locked(&self.given);
        given.access.clear();
        if refresh_too {
            given.refresh.clear();
        }
    }
}

/// The answer, if the path is one of ours.
pub(super) fn reply(shared: &Shared, asked: &Asked) -> Option<Answer> {
    let path = asked.path.trim_end_matches('/');
    let answer = match path.strip_prefix("/v1").unwrap_or(path) {
        "/oauth/authorize" => page(shared, asked),
        "/oauth/authorize/allow" => decided(shared, asked, true),
        "/oauth/authorize/deny" => decided(shared, asked, false),
        "/oauth/token" => token(shared, asked),
        _ => return None,
    };
    Some(answer.unwrap_or_else(|refusal| refusal))
}

fn refuse(error: &str, message: &str) -> Answer {
    Answer::json(400, &json!({"success": false, "error": error, "message": message}))
}

fn asked_for<'a>(asked: &'a Asked, name: &str) -> &'a str {
    asked.query.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value.as_str())
}

fn check_application(shared: &Shared, asked: &Asked) -> Result<(), Answer> {
    let id = shared.oauth.application.as_deref().and_then(|pair| pair.split(':').next());
    if id.is_none() || id != Some(asked_for(asked, "client_id")) {
        return Err(refuse("invalid_client", "Invalid client: client is invalid"));
    }
    if !asked_for(asked, "redirect_uri").starts_with("http") {
        return Err(refuse("invalid_request", "Invalid request: `redirect_uri` is invalid"));
    }
    Ok(())
}

/// The page on which a person decides.
fn page(shared: &Shared, asked: &Asked) -> Result<Answer, Answer> {
    check_application(shared, asked)?;
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(&asked.query).finish();
    let query = query.replace('&', "&amp;").replace('"', "&quot;");
    let text = format!(
        "<!doctype html><title>Sandbox</title><p>An application wants to see and change everything.</p>\
         <p><a href=\"/oauth/authorize/allow?{query}\">Allow and install</a> <a href=\"/oauth/authorize/deny?{query}\">Cancel</a></p>"
    );
    Ok(Answer { mime: "text/html; charset=utf-8", ..Answer::text(200, text) })
}

/// Back to the application, with a code or without.
fn decided(shared: &Shared, asked: &Asked, allowed: bool) -> Result<Answer, Answer> {
    check_application(shared, asked)?;
    let redirect = asked_for(asked, "redirect_uri").to_owned();
    let mut answer = form_urlencoded::Serializer::new(String::new());
    if allowed {
        let (code, now) = {
            let mut account = locked(&shared.account);
            (account.random_hex(40), account.clock.now())
        };
        locked(&shared.oauth.given).codes.insert(code.clone(), (redirect.clone(), now + CODE_LIVES));
        answer.append_pair("code", &code);
    } else {
        answer.append_pair("error", "user_denied");
    }
    let state = asked_for(asked, "state");
    if !state.is_empty() {
        answer.append_pair("state", state);
    }
    let glue = if redirect.contains('?') { '&' } else { '?' };
    let location = format!("{redirect}{glue}{}", answer.finish());
    Ok(Answer { headers: vec![("location", location)], ..Answer::text(302, String::new()) })
}

fn token(shared: &Shared, asked: &Asked) -> Result<Answer, Answer> {
    let sent: Vec<(String, String)> = form_urlencoded::parse(&asked.body).into_owned().collect();
    let value = |name: &str| sent.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value.as_str());
    let basic = asked.header("authorization").and_then(|value| value.strip_prefix("Basic "));
    let client = basic.and_then(|text| STANDARD.decode(text).ok()).and_then(|bytes| String::from_utf8(bytes).ok());
    if shared.oauth.application.is_none() || client != shared.oauth.application {
        return Err(refuse("invalid_client", "Invalid client: client is invalid"));
    }
    let (access, fresh, url, now, rotates) = {
        let mut account = locked(&shared.account);
        let (access, fresh) = (format!("v1u:{}", account.random_hex(40)), format!("1:1:{}", account.random_hex(40)));
        (access, fresh, account.url.clone(), account.clock.now(), account.assume.yes("refresh-rotates"))
    };
    let mut given = locked(&shared.oauth.given);
    let refresh = match value("grant_type") {
        "authorization_code" => {
            let good =
                given.codes.remove(value("code")).filter(|(to, until)| now < *until && to == value("redirect_uri"));
            good.ok_or_else(|| refuse("invalid_grant", "Invalid grant: authorization code is invalid"))?;
            fresh
        }
        "refresh_token" => {
            let old = value("refresh_token").to_owned();
            let good = given.refresh.remove(&old).filter(|until| now < *until);
            good.ok_or_else(|| refuse("invalid_grant", "Invalid grant: refresh token is invalid"))?;
            if rotates { fresh } else { old }
        }
        _ => return Err(refuse("unsupported_grant_type", "Unsupported grant type: `grant_type` is invalid")),
    };
    given.refresh.insert(refresh.clone(), now + REFRESH_LIVES);
    given.access.insert(access.clone(), now + ACCESS_LIVES);
    Ok(Answer::json(
        200,
        &json!({"access_token": access, "token_type": "Bearer", "expires_in": ACCESS_LIVES.num_seconds(), "refresh_token": refresh,
                "scope": "base,deals:full,contacts:full,activities:full,leads:full,products:full,users:read,admin", "api_domain": url}),
    ))
}
