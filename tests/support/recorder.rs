//! A wire between client and sandbox that writes down what passes, for the check against the published description.
//!
//! It stands there only when `PDBAK_RECORD` names a folder (`tests/contract/run.sh` does), so that other runs go straight to the sandbox.
//! What is dropped, cut or late on one side is so on the other. The stories exchange far more than anybody wants to check: an exchange is
//! written down when something about it is new for its operation (`novelty.rs`), and of a long list only the rows that have something new.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use bytes::Bytes;
use futures_util::StreamExt;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{HeaderMap, Method, Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::novelty::Novelty;
use super::operations;

type Reply = Response<UnsyncBoxBody<Bytes, std::io::Error>>;

/// What concerns one connection only, and what each side writes itself.
const OF_THE_CONNECTION: [&str; 4] = ["host", "connection", "transfer-encoding", "expect"];

/// The wire of one world.
pub(crate) struct Recorder {
    url: String,
    wire: Arc<Wire>,
}

struct Wire {
    sandbox: String,
    client: reqwest::Client,
    story: String,
    /// Whether faults were ordered: an answer may then be anything.
    spoiled: AtomicBool,
    passed: AtomicU64,
}

/// Where everything is written: one file for all worlds of this process.
struct Book {
    file: File,
    novelty: Novelty,
}

/// What was asked, kept until it is answered.
struct Asked {
    method: Method,
    path: String,
    query: String,
    headers: HeaderMap,
    body: Bytes,
}

fn book() -> Option<&'static Mutex<Book>> {
    static BOOK: OnceLock<Option<Mutex<Book>>> = OnceLock::new();
    let opened = BOOK.get_or_init(|| {
        let folder = PathBuf::from(std::env::var_os("PDBAK_RECORD")?);
        std::fs::create_dir_all(&folder).expect("a folder for the record");
        std::fs::write(folder.join("operations.json"), operations::all().to_string()).expect("the operations");
        let file = File::create(folder.join("exchanges.ndjson")).expect("the record");
        Some(Mutex::new(Book { file, novelty: Novelty::default() }))
    });
    opened.as_ref()
}

impl Recorder {
    /// A wire to a sandbox, if anybody wants a record; to be called within a runtime.
    pub(crate) async fn before(sandbox: String, spoiled: bool) -> Option<Recorder> {
        book()?;
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build();
        let wire = Arc::new(Wire {
            sandbox,
            client: client.expect("a client"),
            story: std::thread::current().name().unwrap_or_default().to_owned(),
            spoiled: AtomicBool::new(spoiled),
            passed: AtomicU64::new(0),
        });
        let shared = Arc::clone(&wire);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let wire = Arc::clone(&shared);
                tokio::spawn(async move {
                    let service = service_fn(move |request| pass(Arc::clone(&wire), request));
                    let mut server = http1::Builder::new();
                    // An error is a client that went away, or a connection that was ordered to end.
                    let _ended = server.auto_date_header(false).serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        Some(Recorder { url, wire })
    }

    /// Where clients find the account.
    pub(crate) fn url(&self) -> String {
        self.url.clone()
    }
}

impl Drop for Recorder {
    /// The tally, by which the check knows how much it stands for.
    fn drop(&mut self) {
        let passed = self.wire.passed.load(Ordering::Relaxed);
        write(|_| Some(json!({"story": self.wire.story, "passed": passed})));
    }
}

async fn pass(wire: Arc<Wire>, request: Request<Incoming>) -> Result<Reply, std::io::Error> {
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
        let answer = wire.forward(&asked).await?;
        wire.note(&asked, &answer);
        Ok(answer)
    });
    let answer = forwarded.await.expect("nothing panics on the wire").map_err(|error: reqwest::Error| {
        // The sandbox dropped the connection, and so does the wire.
        std::io::Error::other(error)
    })?;
    Ok(answer.into_reply())
}

/// An answer, as far as it came.
struct Answer {
    status: u16,
    headers: HeaderMap,
    body: Bytes,
    is_cut: bool,
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

impl Wire {
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

    /// Writes the exchange down if it is one of the API and has something new.
    fn note(&self, asked: &Asked, answer: &Answer) {
        if asked.path == "/sandbox/faults" {
            self.spoiled.store(asked.method == Method::POST, Ordering::SeqCst);
        }
        if !["/v1/", "/api/"].iter().any(|base| asked.path.starts_with(base)) {
            return;
        }
        self.passed.fetch_add(1, Ordering::Relaxed);
        let text = |headers: &HeaderMap, name: &str| {
            headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
        };
        let sent = text(&asked.headers, "content-type");
        let exchange = json!({
            "story": self.story,
            "by_pdbak": text(&asked.headers, "user-agent").starts_with("pdbak/"),
            "method": asked.method.as_str(),
            "path": asked.path,
            "query": form_urlencoded::parse(asked.query.as_bytes()).into_owned().collect::<Vec<_>>(),
            "sent": sent,
            "body": body(&sent, &asked.body),
            "status": answer.status,
            "mime": text(&answer.headers, "content-type"),
            // Under a fault an answer proves nothing.
            "spoiled": self.spoiled.load(Ordering::SeqCst) || answer.is_cut,
            "answer": serde_json::from_slice::<Value>(&answer.body).ok(),
        });
        write(|novelty| novelty.of(exchange));
    }
}

/// A body as a description sees it: JSON, a form's fields, or the names of an upload's parts and their texts.
fn body(sent: &str, body: &Bytes) -> Value {
    if body.is_empty() {
        return Value::Null;
    }
    if sent.starts_with("application/x-www-form-urlencoded") {
        return form_urlencoded::parse(body).into_owned().map(|(name, value)| (name, Value::String(value))).collect();
    }
    if let Ok(boundary) = multer::parse_boundary(sent) {
        return parts(boundary, body.clone());
    }
    serde_json::from_slice(body).unwrap_or_else(|_| json!("not JSON"))
}

/// The parts of an upload that is there whole.
fn parts(boundary: String, body: Bytes) -> Value {
    let stream = futures_util::stream::iter([Ok::<_, std::convert::Infallible>(body)]);
    let mut parts = multer::Multipart::new(stream, boundary);
    let mut found = serde_json::Map::new();
    let read = async {
        while let Ok(Some(part)) = parts.next_field().await {
            let (name, is_file) = (part.name().unwrap_or_default().to_owned(), part.file_name().is_some());
            let text = part.text().await.unwrap_or_default();
            found.insert(name, if is_file { json!("contents") } else { json!(text) });
        }
    };
    futures_util::FutureExt::now_or_never(read).expect("nothing of it has to be waited for");
    Value::Object(found)
}

/// Writes what is made of it as one line, if anything is.
fn write(line: impl FnOnce(&mut Novelty) -> Option<Value>) {
    let Some(book) = book() else { return };
    let mut book = book.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some(line) = line(&mut book.novelty) {
        writeln!(book.file, "{line}").expect("room for the record");
    }
}
