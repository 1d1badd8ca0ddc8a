//! Where the browser comes back to after a user allowed an application: one answer on this machine, then gone.
//!
//! The state proves that the answer belongs to the question: a page of somebody else
//! cannot make pdbak use an account that its user never chose.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use crate::cli::complain::Failure;
use crate::cli::exit::Exit;

/// Where the service sends the browser.
const PATH: &str = "/callback";

/// What the browser brought.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Brought {
    Code(String),
    /// The user said no, or the service did.
    Denied(String),
    /// The answer to a question that pdbak did not ask.
    Strange,
}

/// A listener that waits for one answer.
pub(crate) struct Loopback {
    listener: TcpListener,
    address: SocketAddr,
    state: String,
}

impl Loopback {
    /// Listens on a port of this machine; 0 takes a free one.
    pub(crate) async fn open(port: u16) -> Result<Loopback, Failure> {
        let doing = || format!("listen on port {port} for the answer of the browser");
        let failed = |error: std::io::Error| {
            Failure::from_error(Exit::Failed, &error).while_doing(doing()).hint(
                "run \"pdbak login --oauth --port N\" with another port; its address must be among the application's redirect addresses",
            )
        };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Loopback { listener, address, state: hex::encode(rand::random::<[u8; 16]>()) })
    }

    /// The address that must be registered with the application.
    pub(crate) fn redirect(&self) -> String {
        format!("http://{}{PATH}", self.address)
    }

    /// What must come back unchanged.
    pub(crate) fn state(&self) -> &str {
        &self.state
    }

    /// Waits until the browser comes back with a code.
    pub(crate) async fn code(self, patience: Duration) -> Result<String, Failure> {
        let answer = tokio::time::timeout(patience, self.answer()).await;
        match answer {
            Ok(Ok(Brought::Code(code))) => Ok(code),
            Ok(Ok(Brought::Denied(why))) => Err(Failure::new(Exit::Failed, format!("pdbak was not allowed: {why}"))
                .hint("run \"pdbak login --oauth\" again and choose \"Allow and install\"; nothing was stored")),
            Ok(Ok(Brought::Strange)) => Err(Failure::new(
                Exit::Failed,
                "the answer of the browser does not belong to this login: its state is another one",
            )
            .hint("close other tabs with logins and run \"pdbak login --oauth\" again; nothing was stored")),
            Ok(Err(error)) => {
                Err(Failure::from_error(Exit::Failed, &error).while_doing("read the answer of the browser"))
            }
            Err(_) => Err(Failure::new(Exit::Failed, "nobody allowed pdbak in time")
                .hint("run \"pdbak login --oauth\" again and open the address it prints")),
        }
    }

    async fn answer(&self) -> std::io::Result<Brought> {
        loop {
            let (stream, _) = self.listener.accept().await?;
            let brought = Arc::new(Mutex::new(None));
            let seen = Arc::clone(&brought);
            let service = service_fn(move |request: Request<Incoming>| {
                let found = read(request.uri().path(), request.uri().query().unwrap_or_default(), &self.state);
                let page = page(found.as_ref());
                *seen.lock().expect("nobody panics while holding it") = found;
                async move { Ok::<_, Infallible>(page) }
            });
            // A browser that goes away before it read the page has told what it had to tell.
            let _gone = http1::Builder::new().keep_alive(false).serve_connection(TokioIo::new(stream), service).await;
            if let Some(brought) = brought.lock().expect("nobody panics while holding it").take() {
                return Ok(brought);
            }
        }
    }
}

/// What a request of the browser brings; none when it is for something else, such as an icon.
fn read(path: &str, query: &str, state: &str) -> Option<Brought> {
    if path != PATH {
        return None;
    }
    let pairs: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let value = |name: &str| pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
    if value("state").as_deref() != Some(state) {
        return Some(Brought::Strange);
    }
    let why = value("error").unwrap_or_else(|| "the answer holds no code".to_owned());
    let why: String = why.chars().filter(|letter| !letter.is_control()).take(100).collect();
    Some(value("code").filter(|code| !code.is_empty()).map_or(Brought::Denied(why), Brought::Code))
}

fn page(brought: Option<&Brought>) -> Response<Full<Bytes>> {
    let (status, text) = match brought {
        Some(Brought::Code(_)) => (200, "pdbak is allowed. This page can be closed."),
        Some(Brought::Denied(_)) => (200, "pdbak is not allowed. This page can be closed."),
        Some(Brought::Strange) => (400, "This answer does not belong to the login that pdbak waits for."),
        None => (404, "pdbak waits for something else."),
    };
    let page = Response::builder().status(status).header("content-type", "text/plain; charset=utf-8");
    page.body(Full::new(Bytes::from(text))).expect("a status and a header that are valid")
}

#[cfg(test)]
mod tests {
    use super::{Brought, read};

    #[test]
    fn only_the_answer_to_our_question_counts() {
        let answer = |query: &str| read("/callback", query, "s1");
        assert_eq!(answer("code=c&state=s1"), Some(Brought::Code("c".into())));
        assert_eq!(answer("code=c&state=s2"), Some(Brought::Strange));
        assert_eq!(answer("code=c"), Some(Brought::Strange));
        assert_eq!(answer("error=user_denied&state=s1"), Some(Brought::Denied("user_denied".into())));
        assert_eq!(answer("code=&state=s1"), Some(Brought::Denied("the answer holds no code".into())));
        assert_eq!(read("/favicon.ico", "", "s1"), None);
    }
}
