//! A wire between client and sandbox on which every exchange passes through somebody's hands.
//!
//! What is dropped, cut or late on one side is so on the other. The recorder writes exchanges down, the forger changes answers.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{HeaderMap, Method, Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

type Reply = Response<UnsyncBoxBody<Bytes, std::io::Error>>;

/// What concerns one connection only, and what each side writes itself.
const OF_THE_CONNECTION: [&str; 4] = ["host", "connection", "transfer-encoding", "expect"];

/// Whoever sees the exchanges.
pub(super) trait Hands: Send + Sync + 'static {
    /// An exchange took place; the answer goes on as it is left, after the errand.
    fn pass(&self, asked: &Asked, answer: &mut Answer) -> Option<Errand>;
}

/// A request that somebody else sends meanwhile, with the same right.
pub(super) struct Errand {
    pub(super) method: Method,
    pub(super) path: String,
}

/// What was asked, kept until it is answered.
pub(super) struct Asked {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) query: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// An answer, as far as it came.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    pub(super) is_cut: bool,
}

/// A wire to a sandbox; answers where clients find the account. To be called within a runtime.
pub(super) async fn before(sandbox: String, hands: Arc<dyn Hands>) -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build();
    let relay = Arc::new(Relay { sandbox, client: client.expect("a client"), hands });
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let relay = Arc::clone(&relay);
            tokio::spawn(async move {
                let service = service_fn(move |request| pass(Arc::clone(&relay), request));
                let mut server = http1::Builder::new();
                // An error is a client that went away, or a connection that was ordered to end.
                let _ended = server.auto_date_header(false).serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
    url
}

struct Relay {
    sandbox: String,
    client: reqwest::Client,
    hands: Arc<dyn Hands>,
}

async fn pass(relay: Arc<Relay>, request: Request<Incoming>) -> Result<Reply, std::io::Error> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(std::io::Error::other)?.to_bytes();
    let asked = Asked {
        path: head.uri.path().to_owned(),
        query: head.uri.query().unwrap_or_default().to_owned(),
        method: head.method,
        headers: head.headers,
        body,
    };
    // A request that arrived takes place, whoever waits for its answer.
    let forwarded = tokio::spawn(async move {
        let mut answer = relay.forward(&asked).await?;
        if let Some(Errand { method, path }) = relay.hands.pass(&asked, &mut answer) {
            let errand = Asked { method, path, query: String::new(), body: Bytes::new(), headers: asked.headers };
            let done = relay.forward(&errand).await?.status;
            assert!((200..300).contains(&done), "{}: {done}", errand.path);
        }
        Ok(answer)
    });
    // An error is a connection that the sandbox dropped, and so does the wire.
    let answer: Result<Answer, reqwest::Error> = forwarded.await.expect("nothing panics on the wire");
    Ok(answer.map_err(std::io::Error::other)?.into_reply())
}

impl Answer {
    fn into_reply(self) -> Reply {
        let mut builder = Response::builder().status(self.status);
        for (name, value) in self.headers.iter().filter(|(name, _)| !OF_THE_CONNECTION.contains(&name.as_str())) {
            builder = builder.header(name, value);
        }
        let body = if self.is_cut {
            let pieces = [Ok(Frame::data(self.body)), Err(std::io::Error::other("cut where the sandbox cut it"))];
            StreamBody::new(futures_util::stream::iter(pieces)).boxed_unsync()
        } else {
            Full::new(self.body).map_err(|never| match never {}).boxed_unsync()
        };
        builder.body(body).expect("an answer like the sandbox's")
    }
}

impl Relay {
    async fn forward(&self, asked: &Asked) -> Result<Answer, reqwest::Error> {
        let address = if asked.query.is_empty() {
            format!("{}{}", self.sandbox, asked.path)
        } else {
            format!("{}{}?{}", self.sandbox, asked.path, asked.query)
        };
        let mut headers = asked.headers.clone();
        OF_THE_CONNECTION.iter().for_each(|name| drop(headers.remove(*name)));
        let request = self.client.request(asked.method.clone(), address).headers(headers).body(asked.body.clone());
        let answer = request.send().await?;
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let (mut body, mut is_cut) = (Vec::new(), false);
        let mut pieces = answer.bytes_stream();
        while let Some(piece) = pieces.next().await {
            match piece {
                Ok(piece) => body.extend_from_slice(&piece),
                Err(_) => is_cut = true,
            }
        }
        Ok(Answer { status, headers, body: body.into(), is_cut })
    }
}
