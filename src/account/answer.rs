//! What an answer means: records, or one of the errors.
//!
//! The service says why in four places and two spellings (api/wire.md, Status codes
//! and bodies), and a gateway in front of it says it in HTML. Its words are shown to
//! people; a page of HTML is only named.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::Error;
use super::exchange::Answer;

/// The longest words of the service that are repeated.
const WORDS_LIMIT: usize = 300;

/// What was asked, which decides what a refusal means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Asked {
    /// A flat list.
    List,
    /// A list under a parent.
    ListUnder,
    /// A list under a parent that the service may have taken away altogether.
    Retired,
    /// One record.
    One,
    /// To make a record.
    Create,
    /// To change or delete a record.
    Change,
}

/// An answer in JSON, both versions.
#[derive(Debug, Deserialize)]
#[serde(bound = "T: Deserialize<'de>")]
pub(super) struct Envelope<T> {
    pub(super) success: Option<Value>,
    /// Outer `None`: the answer has no data at all, which no list and no record of the service looks like.
    #[serde(default, deserialize_with = "present")]
    pub(super) data: Option<Option<T>>,
    pub(super) additional_data: Option<Additional>,
}

/// What an answer says about the pages after it.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Additional {
    pub(super) next_cursor: Option<String>,
    pub(super) pagination: Option<Pagination>,
    /// Stands here and not within `pagination` where records show their mails: openapi v1.
    pub(super) more_items_in_collection: Option<bool>,
    /// What an endpoint puts beside its data.
    #[serde(flatten)]
    pub(super) others: Map<String, Value>,
}

/// v1's paging.
#[derive(Debug, Deserialize)]
pub(super) struct Pagination {
    pub(super) more_items_in_collection: Option<bool>,
    pub(super) next_start: Option<u64>,
}

fn present<'de, D, T>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Deserialize<'de>,
{
    Option::deserialize(deserializer).map(Some)
}

/// Reads the body of an answer that says it went well.
pub(super) fn open<T: DeserializeOwned>(answer: &Answer) -> Result<Envelope<T>, Error> {
    if answer.html {
        return Err(Error::Garbled("an HTML page instead of JSON".to_owned()));
    }
    let text = std::str::from_utf8(&answer.body).map_err(|_| Error::Garbled("the answer is not UTF-8".to_owned()))?;
    let envelope: Envelope<T> = serde_json::from_str(text).map_err(|error| Error::Garbled(without_values(&error)))?;
    if envelope.success == Some(Value::Bool(false)) {
        return Err(refused(answer));
    }
    Ok(envelope)
}

/// Says where a body is wrong without repeating what it holds.
fn without_values(error: &serde_json::Error) -> String {
    let what = match error.classify() {
        serde_json::error::Category::Eof => "the JSON ends too early",
        serde_json::error::Category::Syntax => "the JSON is malformed",
        serde_json::error::Category::Data => "the JSON has another shape than expected",
        serde_json::error::Category::Io => "the JSON cannot be read",
    };
    format!("{what} at line {} column {}", error.line(), error.column())
}

/// What an answer with another status than success means for what was asked.
pub(super) fn failure(answer: &Answer, asked: Asked) -> Error {
    let status = answer.status;
    let told = || format!("{status}: {}", Words::of(answer).message);
    match (status, asked) {
        (401, _) => Error::Unauthorised(Words::of(answer).message),
        // The block page for clients that ignored 429, and whatever else stands before the service.
        (403 | 400 | 402 | 415 | 422, _) if answer.html => {
            Error::Garbled(format!("status {status} with an HTML page instead of JSON"))
        }
        (300..400, _) => Error::Garbled(format!("status {status} leads elsewhere, which no such call does")),
        // Whether a parent has none or nobody answers any more is told by the words alone, if at all: who is still
        // there names what is missing. UNCONFIRMED, api/objects.md Subscriptions.
        (404, Asked::Retired) if Words::of(answer).names_something() => Error::Gone,
        (402 | 403 | 404 | 405 | 410 | 415 | 501, Asked::Retired) => Error::NotOffered(told()),
        (404 | 410, Asked::ListUnder | Asked::One | Asked::Change) => Error::Gone,
        (402 | 403 | 404 | 405 | 410 | 415 | 501, Asked::List | Asked::ListUnder) => Error::NotOffered(told()),
        (402 | 405 | 415 | 501, Asked::One) => Error::NotOffered(told()),
        (408 | 500.., Asked::Create) if status != 501 => Error::InDoubt(told()),
        (408 | 500.., _) if status != 501 => Error::Unreachable(told()),
        _ => refused(answer),
    }
}

fn refused(answer: &Answer) -> Error {
    let Words { message, code, field } = Words::of(answer);
    Error::Refused { status: answer.status, code, message, field }
}

/// What the service says about a refusal.
#[derive(Debug, PartialEq)]
pub(super) struct Words {
    message: String,
    code: Option<String>,
    field: Option<String>,
}

impl Words {
    /// Whether the words name what was not found, as those about a single record do, and not a call.
    fn names_something(&self) -> bool {
        let words = self.message.to_lowercase();
        ["subscription", "deal"].iter().any(|thing| words.contains(thing)) && !words.contains("method")
    }

    /// Finds the words in whichever place this endpoint puts them.
    pub(super) fn of(answer: &Answer) -> Words {
        if answer.html {
            return Words { message: "an HTML page".to_owned(), code: None, field: None };
        }
        let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let errors = body["errors"].as_object();
        let first = errors.and_then(|errors| errors.iter().next());
        let listed = first.map(|(field, reasons)| {
            let reason = reasons.as_array().and_then(|reasons| reasons.first()).unwrap_or(reasons);
            format!("{field}: {}", reason.as_str().unwrap_or("refused"))
        });
        let texts = [&body["error"], &body["message"], &body["error"]["message"], &body["error_info"]];
        let named = texts.iter().find_map(|text| text.as_str().filter(|text| !text.is_empty()));
        let message = named.map(str::to_owned).or(listed).unwrap_or_else(|| "no reason given".to_owned());
        let codes = [&body["code"], &body["errorCode"], &body["error"]["code"]];
        let code = codes.iter().find_map(|code| match code {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        });
        let fields = [&body["field_code"], &body["field"], &body["error"]["field_code"]];
        let field = fields.iter().find_map(|field| field.as_str()).or(first.map(|(field, _)| field.as_str()));
        Words { message: tidy(&message), code: code.map(|code| tidy(&code)), field: field.map(tidy) }
    }
}

/// Shortens, and takes out what would move a terminal's cursor.
fn tidy(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_control()).take(WORDS_LIMIT).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::budget::Limits;

    fn answer(status: u16, body: &str) -> Answer {
        let html = body.starts_with('<');
        Answer { status, limits: Limits::default(), html, body: body.to_owned().into() }
    }

    fn said(status: u16, body: &str, asked: Asked) -> String {
        failure(&answer(status, body), asked).to_string()
    }

    #[test]
    fn the_reason_is_found_wherever_it_stands() {
        let words = |body| Words::of(&answer(400, body));
        let generic =
            words(r#"{"success":false,"error":"Filter is allowed to have at most 16 conditions","error_info":"x"}"#);
        assert_eq!(generic.message, "Filter is allowed to have at most 16 conditions");
        let capped = words(r#"{"error":"Open deals limit reached.","code":"feature_capping_deals_limit"}"#);
        assert_eq!(capped.code.as_deref(), Some("feature_capping_deals_limit"));
        let hook = words(r#"{"status":"error","errors":{"subscription_url":["invalid or non-reachable URL"]}}"#);
        assert_eq!(hook.message, "subscription_url: invalid or non-reachable URL");
        assert_eq!(hook.field.as_deref(), Some("subscription_url"));
        assert_eq!(words(r#"{"success":false,"message":"Forbidden"}"#).message, "Forbidden");
        assert_eq!(words(r#"{"error":"unauthorized access","errorCode":401}"#).code.as_deref(), Some("401"));
        assert_eq!(words("nonsense").message, "no reason given");
    }

    #[test]
    fn words_are_shortened_and_cannot_move_the_cursor() {
        let long = Words::of(&answer(400, &format!(r#"{{"error":"\u001b[2J{}"}}"#, "x".repeat(1_000))));
        assert_eq!(long.message.len(), WORDS_LIMIT);
        assert!(long.message.starts_with("[2Jx"));
    }

    #[test]
    fn a_page_of_html_is_named_and_not_repeated() {
        let page = "<html><body>secret ray id</body></html>";
        let blocked = said(403, page, Asked::List);
        assert_eq!(blocked, "garbled answer: status 403 with an HTML page instead of JSON");
        assert_eq!(said(404, page, Asked::List), "not offered: 404: an HTML page");
        let error = open::<Value>(&answer(200, page)).expect_err("no JSON").to_string();
        assert_eq!(error, "garbled answer: an HTML page instead of JSON");
    }

    #[test]
    fn the_same_status_means_another_thing_for_another_question() {
        let missing = r#"{"success":false,"error":"not found"}"#;
        assert!(matches!(failure(&answer(404, missing), Asked::List), Error::NotOffered(_)));
        for asked in [Asked::ListUnder, Asked::One, Asked::Change] {
            assert!(matches!(failure(&answer(410, missing), asked), Error::Gone), "{asked:?}");
        }
        assert!(matches!(failure(&answer(404, missing), Asked::Create), Error::Refused { status: 404, .. }));
        for status in [402, 403, 405, 415, 501] {
            assert!(matches!(failure(&answer(status, missing), Asked::List), Error::NotOffered(_)), "{status}");
        }
        assert!(matches!(failure(&answer(403, missing), Asked::Change), Error::Refused { status: 403, .. }));
        assert!(matches!(failure(&answer(401, missing), Asked::Change), Error::Unauthorised(_)));
        assert!(matches!(failure(&answer(503, missing), Asked::Create), Error::InDoubt(_)));
        assert!(matches!(failure(&answer(503, missing), Asked::List), Error::Unreachable(_)));
        assert!(matches!(failure(&answer(302, ""), Asked::List), Error::Garbled(_)));
    }

    #[test]
    fn a_malformed_body_is_placed_and_not_repeated() {
        let told = |body| open::<Vec<Value>>(&answer(200, body)).expect_err("malformed").to_string();
        assert_eq!(told(r#"{"data":[{"name":"Kim""#), "garbled answer: the JSON ends too early at line 1 column 22");
        assert!(told(r#"{"data":"Kim"}"#).starts_with("garbled answer: the JSON has another shape than expected"));
        assert_eq!(told(r#"{"success":false,"error":"no"}"#), "refused: no");
    }

    #[test]
    fn no_data_and_null_are_two_things() {
        assert!(open::<Vec<Value>>(&answer(200, "{}")).expect("json").data.is_none());
        assert!(matches!(open::<Vec<Value>>(&answer(200, r#"{"data":null}"#)).expect("json").data, Some(None)));
    }
}
