//! The sandbox's own endpoints: never metered, no token asked. See the module documentation for the list.

use std::sync::Arc;

use bytes::Bytes;
use chrono::TimeDelta;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::Response;
use hyper::body::Frame;
use serde_json::{Value, json};

use crate::sandbox::clock;
use crate::sandbox::delivery;
use crate::sandbox::fault::{FaultError, FaultOrder};
use crate::sandbox::http::{Asked, Reply, Shared, locked};
use crate::sandbox::judge::Telling;
use crate::sandbox::row::Id;

/// Answers a request below `/sandbox`.
pub(super) fn reply(shared: &Arc<Shared>, asked: &Asked) -> Reply {
    let told = match (asked.method.as_str(), asked.path.trim_start_matches("/sandbox")) {
        ("GET", "/judge") => return judge(shared, asked),
        ("GET", "/meter") => (200, locked(&shared.meter).told()),
        ("DELETE", "/meter") => {
            locked(&shared.meter).reset();
            (200, json!({"reset": true}))
        }
        ("GET", "/log") => (200, locked(&shared.log).iter().cloned().collect()),
        ("DELETE", "/log") => {
            locked(&shared.log).clear();
            (200, json!([]))
        }
        ("GET", "/faults") => (200, left(shared)),
        ("POST", "/faults") => order(shared, &asked.body),
        ("DELETE", "/faults") => {
            locked(&shared.faults).orders.clear();
            (200, json!([]))
        }
        ("GET", "/clock") => (200, json!({"now": locked(&shared.account).clock.now().to_rfc3339()})),
        ("POST", "/oauth") => revoke(shared, &asked.body),
        ("POST", "/clock") => set_clock(shared, &asked.body),
        ("POST", "/mail") => deliver(shared, &asked.body),
        ("POST", "/user") => set_user(shared, &asked.body),
        _ => (404, json!({"error": "no such endpoint of the sandbox"})),
    };
    let body = Full::new(Bytes::from(told.1.to_string())).map_err(|never| match never {}).boxed_unsync();
    let answer = Response::builder().status(told.0).header("content-type", "application/json").body(body);
    answer.expect("the status is valid")
}

fn judge(shared: &Arc<Shared>, asked: &Asked) -> Reply {
    let only = asked.query.iter().find(|(name, _)| name == "object").map(|(_, value)| value.as_str());
    let telling = Telling::of(Arc::clone(shared), only);
    let pieces = futures_util::stream::unfold(telling, |mut telling| async move {
        let piece = telling.next_piece()?;
        Some((Ok(Frame::data(piece)), telling))
    });
    let answer =
        Response::builder().header("content-type", "application/json").body(StreamBody::new(pieces).boxed_unsync());
    answer.expect("the header is valid")
}

fn left(shared: &Shared) -> Value {
    locked(&shared.faults).orders.iter().map(FaultOrder::to_json).collect()
}

/// One order, or an array of them.
fn order(shared: &Shared, body: &[u8]) -> (u16, Value) {
    let orders = match serde_json::from_slice(body) {
        Ok(Value::Array(orders)) => orders,
        Ok(order) => vec![order],
        Err(_) => return (400, json!({"error": "the body is not JSON"})),
    };
    let read: Result<Vec<FaultOrder>, FaultError> = orders.iter().map(FaultOrder::of_json).collect();
    match read {
        Ok(orders) => {
            locked(&shared.faults).orders.extend(orders);
            (200, left(shared))
        }
        Err(error) => (400, json!({"error": error.to_string()})),
    }
}

fn deliver(shared: &Shared, body: &[u8]) -> (u16, Value) {
    let sent: Value = serde_json::from_slice(body).unwrap_or_default();
    match delivery::deliver(&mut locked(&shared.account), &sent) {
        Ok(threads) => (200, threads),
        Err(error) => (400, json!({"error": error})),
    }
}

/// Makes the token another user's.
fn set_user(shared: &Shared, body: &[u8]) -> (u16, Value) {
    let sent: Value = serde_json::from_slice(body).unwrap_or_default();
    let mut account = locked(&shared.account);
    match sent.get("id").and_then(Value::as_u64).filter(|id| account.is_live("users", &Id::Number(*id))) {
        Some(id) => {
            account.me = id;
            (200, json!({"id": id}))
        }
        None => (400, json!({"error": "send {\"id\":N} with the id of a user"})),
    }
}

fn revoke(shared: &Shared, body: &[u8]) -> (u16, Value) {
    let sent: Value = serde_json::from_slice(body).unwrap_or_default();
    match sent["revoke"].as_str() {
        Some(which @ ("access" | "all")) => shared.oauth.revoke(which == "all"),
        _ => return (400, json!({"error": "send {\"revoke\":\"access\"} or {\"revoke\":\"all\"}"})),
    }
    (200, sent)
}

fn set_clock(shared: &Shared, body: &[u8]) -> (u16, Value) {
    let sent: Value = serde_json::from_slice(body).unwrap_or_default();
    let mut account = locked(&shared.account);
    let by = sent.get("advance_seconds").and_then(Value::as_i64).and_then(TimeDelta::try_seconds);
    let to = sent.get("now").and_then(Value::as_str).and_then(clock::read);
    let now = account.clock.now();
    let Some(now) = to.or_else(|| by.and_then(|by| now.checked_add_signed(by))) else {
        return (400, json!({"error": "send {\"advance_seconds\":N} or {\"now\":\"…\"}"}));
    };
    account.clock.set(now);
    account.purge();
    (200, json!({"now": now.to_rfc3339()}))
}
