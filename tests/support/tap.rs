//! A wire between program and sandbox that knows when the program dies: at every request, before it went on and after it took place.
//!
//! A request that writes strikes twice. The first time it gets no further than here, the second time it takes place and its answer
//! stays here; each time the program is killed at that moment. A request that reads strikes once: nobody can tell its sides apart. What
//! else the program had sent by then arrives, as it would from a dead process; so every life ends at one request and no other.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{HeaderMap, Method, Request, Response, Uri};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, Semaphore};

/// How many connections and requests can be under way; whoever holds all of them knows that none is.
const PLACES: u32 = 10_000;
/// How long anything may take to come to rest.
const REST: Duration = Duration::from_secs(20);

/// The wire.
pub(crate) struct Tap {
    url: String,
    wire: Arc<Wire>,
}

struct Wire {
    sandbox: String,
    client: reqwest::Client,
    /// Requests that have killed already, and at which side of them.
    struck: Mutex<HashSet<(u64, Side)>>,
    /// Whether this life's end has come.
    dying: AtomicBool,
    strike: Notify,
    places: Arc<Semaphore>,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Side {
    Before,
    After,
}

impl Tap {
    /// A wire to a sandbox; to be called within a runtime.
    pub(crate) async fn to(sandbox: String) -> Tap {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let wire = Arc::new(Wire {
            sandbox,
            client: reqwest::Client::new(),
            struck: Mutex::default(),
            dying: AtomicBool::new(false),
            strike: Notify::new(),
            places: Arc::new(Semaphore::new(PLACES as usize)),
        });
        let shared = Arc::clone(&wire);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(Arc::clone(&shared), stream));
            }
        });
        Tap { url, wire }
    }

    /// Where the program finds the account.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Waits for a request that kills; whoever drops the program then has killed it.
    pub(crate) async fn strikes(&self) {
        self.wire.strike.notified().await;
    }

    /// Waits until everything that a dead program has sent has arrived; the next one may live then.
    pub(crate) async fn rests(&self) {
        let all = tokio::time::timeout(REST, self.wire.places.acquire_many(PLACES)).await;
        drop(all.expect("its connections end with the program").expect("it is never closed"));
        self.wire.dying.store(false, Ordering::SeqCst);
    }

    /// How often it has struck.
    pub(crate) fn strikes_so_far(&self) -> usize {
        self.wire.struck.lock().expect("nobody panics with it").len()
    }
}

async fn serve(wire: Arc<Wire>, stream: TcpStream) {
    let _place = Arc::clone(&wire.places).acquire_owned().await.expect("it is never closed");
    let service = service_fn(|request| pass(Arc::clone(&wire), request));
    // An error is a program that went away.
    let _ended = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

async fn pass(wire: Arc<Wire>, request: Request<Incoming>) -> hyper::Result<Response<Full<Bytes>>> {
    let (head, body) = request.into_parts();
    // What was not sent whole was not sent; the server waits for an answer and would not notice that its peer is gone.
    let body = body.collect().await?.to_bytes();
    let key = key(&head.method, &head.uri, &head.headers, &body);
    if head.method != Method::GET && wire.is_struck(key, Side::Before) {
        return std::future::pending().await;
    }
    // It takes place whoever waits for it.
    let place = Arc::clone(&wire.places).acquire_owned().await.expect("it is never closed");
    let sent = Arc::clone(&wire);
    let forwarded = tokio::spawn(async move {
        let answer = sent.forward(head.method, &head.uri, &head.headers, body).await;
        drop(place);
        answer
    });
    let answer = forwarded.await.expect("the sandbox answers");
    if wire.is_struck(key, Side::After) {
        return std::future::pending().await;
    }
    Ok(answer)
}

/// What a request is known by: its method, its address and its body. The boundary of an upload is another one each time.
fn key(method: &Method, uri: &Uri, headers: &HeaderMap, body: &Bytes) -> u64 {
    let mut hasher = DefaultHasher::new();
    (method, uri).hash(&mut hasher);
    let kind = headers.get("content-type").and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if kind.starts_with("multipart/") {
        body.len().hash(&mut hasher)
    } else {
        body.hash(&mut hasher)
    }
    hasher.finish()
}

impl Wire {
    /// Whether the request kills here and now.
    fn is_struck(&self, key: u64, side: Side) -> bool {
        let mut struck = self.struck.lock().expect("nobody panics with it");
        let strikes = !self.dying.load(Ordering::SeqCst) && struck.insert((key, side));
        if strikes {
            self.dying.store(true, Ordering::SeqCst);
            self.strike.notify_one();
        }
        strikes
    }

    async fn forward(&self, method: Method, uri: &Uri, headers: &HeaderMap, body: Bytes) -> Response<Full<Bytes>> {
        let request = self.client.request(method, format!("{}{uri}", self.sandbox)).body(body);
        let names = ["x-api-token", "content-type", "user-agent"];
        let request = names
            .iter()
            .filter_map(|name| Some((name, headers.get(*name)?)))
            .fold(request, |request, (name, value)| request.header(*name, value));
        let answer = request.send().await.expect("an answer");
        let mut builder = Response::builder().status(answer.status());
        for (name, value) in
            answer.headers().iter().filter(|(name, _)| !matches!(name.as_str(), "content-length" | "transfer-encoding"))
        {
            builder = builder.header(name, value);
        }
        builder.body(Full::new(answer.bytes().await.expect("a body"))).expect("an answer like the sandbox's")
    }
}
