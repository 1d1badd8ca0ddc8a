//! A wire on which answers are forged: what no sandbox says, some proxy, plug-in or bug of a service says one day.

use std::sync::Arc;

use hyper::Method;

use super::relay::{self, Answer, Asked, Errand, Hands};

/// What becomes of an answer.
pub(crate) enum Forged {
    /// This text in its place.
    Text(String),
    /// A page of HTML with status 200, under this content type.
    Html(&'static str),
    /// The answer as it is, and this request of somebody else's before it arrives.
    Meanwhile(Method, String),
}

/// Sees method and address of a request and the text of its answer.
pub(super) type Forge = Box<dyn Fn(&str, &str) -> Option<Forged> + Send + Sync>;

struct Forger(Forge);

/// A wire to a sandbox with a forger on it; answers where clients find the account. To be called within a runtime.
pub(super) async fn before(sandbox: String, forge: Forge) -> String {
    relay::before(sandbox, Arc::new(Forger(forge))).await
}

impl Hands for Forger {
    fn pass(&self, asked: &Asked, answer: &mut Answer) -> Option<Errand> {
        let question = if asked.query.is_empty() { "" } else { "?" };
        let request = format!("{} {}{question}{}", asked.method, asked.path, asked.query);
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        let (kind, text) = match (self.0)(&request, &text)? {
            Forged::Meanwhile(method, path) => return Some(Errand { method, path }),
            Forged::Text(text) => ("application/json; charset=utf-8", text),
            Forged::Html(kind) => (kind, "<!DOCTYPE html><html><body>Please log in</body></html>".to_owned()),
        };
        answer.headers.insert("content-type", kind.parse().expect("a content type"));
        answer.headers.remove("content-length");
        answer.body = text.into();
        None
    }
}
