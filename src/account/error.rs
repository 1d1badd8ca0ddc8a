//! What can go wrong with the service, grouped by what the caller can do about it.
//!
//! A message may carry the service's own words about a refusal, shortened and with
//! control characters taken out, but never a URL's query, a body, a page of HTML or
//! the token.

use chrono::{DateTime, Utc};

/// Errors of the account, by what the caller can do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Today's tokens, the run's share of them, or today's writes are spent. The time is when the service is believed to give new
    /// ones: it does so at midnight of its own zone, which it does not tell, so midnight UTC is the estimate.
    #[error("token budget spent until {0}")]
    BudgetSpent(DateTime<Utc>),
    /// The service does not know the token, or the token may not use the API.
    #[error("unauthorised: {0}")]
    Unauthorised(String),
    /// The user's consent has ended: the refresh token is too old, was used before, or the application is not known.
    #[error("logged out: {0}")]
    LoggedOut(String),
    /// This account or this token does not get the list: 402, 403, 404, 405, 410, 415, 501.
    #[error("not offered: {0}")]
    NotOffered(String),
    /// The record, or the parent under which was asked, is not there (any more).
    #[error("gone")]
    Gone,
    /// The service understood and said no.
    #[error("refused: {message}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// The service's code, such as `feature_capping_deals_limit`.
        code: Option<String>,
        /// The service's words.
        message: String,
        /// The field it complains about, if it names one.
        field: Option<String>,
    },
    /// The answer cannot be what the service meant: HTML, cut, malformed, oversized, of another type.
    #[error("garbled answer: {0}")]
    Garbled(String),
    /// No connection, or no usable answer in spite of trying again.
    #[error("cannot reach the service: {0}")]
    Unreachable(String),
    /// A request that creates was sent and no answer came: it may have taken place.
    #[error("no answer: {0}")]
    InDoubt(String),
    /// A file of this machine could not be read or written.
    #[error("cannot {doing}: {source}")]
    Local {
        /// What was being done.
        doing: &'static str,
        /// What the system says.
        source: std::io::Error,
    },
    /// The catalogue has no such call for the object, or the key does not fit it.
    #[error("cannot {doing} {object}: {why}")]
    NoSuchCall {
        /// `list`, `update` and so on.
        doing: &'static str,
        /// The object's name.
        object: &'static str,
        /// What is missing.
        why: &'static str,
    },
    /// The address of the service is none.
    #[error("address of the account: {0}")]
    BadEndpoint(String),
}
