//! Answers: the envelopes of both versions, and the error bodies as they were documented or seen.
//!
//! api/wire.md, "Envelopes" and "Status codes and bodies". The shapes differ from endpoint to endpoint, and a client must bear all of them.

use bytes::Bytes;
use serde_json::{Map, Value, json};

use crate::sandbox::contract::Version;

const INFO: &str = "Please check developers.pipedrive.com";

/// One answer, before faults and headers of the meter.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Bytes,
    pub(super) mime: &'static str,
    pub(super) headers: Vec<(&'static str, String)>,
}

/// What a handler gives: an answer either way, so that `?` can leave early with a refusal.
pub(super) type Outcome = Result<Answer, Answer>;

impl Answer {
    /// A JSON answer.
    pub(super) fn json(status: u16, value: &Value) -> Self {
        Self::text(status, value.to_string())
    }

    /// JSON that is text already.
    pub(super) fn text(status: u16, text: String) -> Self {
        Self { status, body: Bytes::from(text), mime: "application/json; charset=utf-8", headers: Vec::new() }
    }

    /// The contents of a file.
    pub(super) fn file(body: Bytes) -> Self {
        Self { status: 200, body, mime: "application/octet-stream", headers: Vec::new() }
    }

    /// The body as JSON, for tests and faults.
    pub(super) fn value(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// Adds a header.
    pub(super) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// `{"success":true,"data":…}`.
pub(super) fn single(status: u16, data: impl Into<Value>) -> Outcome {
    Ok(Answer::json(status, &json!({"success": true, "data": data.into()})))
}

/// A page of a v2 list, from rows that are text already.
pub(super) fn cursor_page(rows: &str, next: Option<String>) -> Outcome {
    let next = next.map_or(Value::Null, Value::String);
    Ok(Answer::text(
        200,
        format!("{{\"success\":true,\"data\":[{rows}],\"additional_data\":{{\"next_cursor\":{next}}}}}"),
    ))
}

/// A page of a v1 list. api/wire.md: an empty list is `"data": null`.
pub(super) fn offset_page(rows: &str, pagination: Option<Value>, related: Option<Value>) -> Outcome {
    let data = if rows.is_empty() { "null".to_owned() } else { format!("[{rows}]") };
    let mut text = format!("{{\"success\":true,\"data\":{data}");
    if let Some(pagination) = pagination {
        text.push_str(&format!(",\"additional_data\":{{\"pagination\":{pagination}}}"));
    }
    if let Some(related) = related {
        text.push_str(&format!(",\"related_objects\":{related}"));
    }
    text.push('}');
    Ok(Answer::text(200, text))
}

/// The generic error.
pub(super) fn refusal(status: u16, error: impl Into<String>) -> Answer {
    Answer::json(status, &generic(error.into()))
}

fn generic(error: String) -> Value {
    json!({"success": false, "error": error, "error_info": INFO, "data": null, "additional_data": null})
}

/// 400 of a v2 endpoint: names the parameter.
pub(super) fn invalid(parameter: &str, fact: &str) -> Answer {
    let mut body = generic(format!("Validation failed: {parameter}: {fact}"));
    body["code"] = json!("ERR_SCHEMA_VALIDATION_FAILED");
    Answer::json(400, &body)
}

/// 400 in the form of the version.
pub(super) fn bad(version: Version, parameter: &str, fact: &str) -> Answer {
    match version {
        Version::V1 => refusal(400, format!("Bad request: {parameter} {fact}")),
        Version::V2 => invalid(parameter, fact),
    }
}

/// 404 of a kind.
pub(super) fn not_found(kind: &'static crate::sandbox::kinds::Kind) -> Answer {
    match kind.name {
        "leads" | "leadLabels" => {
            let mut body = generic(format!("requested {} not found", kind.one.to_lowercase()));
            body["error_info"] = json!("Object was not found.");
            Answer::json(404, &body)
        }
        "users" => Answer::json(404, &json!({"success": false, "error": "User not found or not accessible."})),
        "webhooks" => Answer::json(404, &json!({"status": "error", "success": false, "errors": {"id": ["not found"]}})),
        _ => refusal(404, format!("{} not found", kind.one)),
    }
}

/// 401 as seen at the gateway.
pub(super) fn unauthorized() -> Answer {
    Answer::json(401, &json!({"success": false, "error": "unauthorized access", "errorCode": 401, "error_info": INFO}))
        .with("x-401-by-gw", "true")
}

/// 404 for a verb that a path does not know. api/wire.md: the table promises 405, a live account answered this.
pub(super) fn unknown_method() -> Answer {
    refusal(404, "Unknown method .")
}

/// 429, with a wait if one is told.
pub(super) fn too_many(retry_after: Option<u64>) -> Answer {
    let answer = refusal(429, "request over limit");
    match retry_after {
        Some(seconds) => answer.with("retry-after", seconds.to_string()),
        None => answer,
    }
}

/// The Cloudflare page that clients get that hammer on.
pub(super) fn block_page() -> Answer {
    let page = "<!DOCTYPE html>\n<html lang=\"en-US\"><head><title>Attention Required! | Cloudflare</title></head>\
                <body><h1>Sorry, you have been blocked</h1><p>You are unable to access api.pipedrive.com</p></body></html>\n";
    Answer {
        status: 403,
        body: Bytes::from_static(page.as_bytes()),
        mime: "text/html; charset=UTF-8",
        headers: Vec::new(),
    }
}

/// An object from pairs, for handlers that build rows.
pub(super) fn object<const N: usize>(pairs: [(&str, Value); N]) -> Map<String, Value> {
    pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}
