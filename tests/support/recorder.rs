//! Writes down what passes between client and sandbox, for the check against the published description.
//!
//! Only when `PDBAK_RECORD` names a folder (`tests/contract/run.sh` does); other runs go straight to the sandbox. The stories exchange far
//! more than anybody wants to check: an exchange is written down when something about it is new for its operation (`novelty.rs`), and of
//! a long list only the rows that have something new.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use bytes::Bytes;
use hyper::{HeaderMap, Method};
use serde_json::{Value, json};

use super::novelty::Novelty;
use super::operations;
use super::relay::{self, Answer, Asked, Errand, Hands};

/// The wire of one world.
pub(crate) struct Recorder {
    url: String,
    notes: Arc<Notes>,
}

struct Notes {
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
        let notes = Arc::new(Notes {
            story: std::thread::current().name().unwrap_or("a thread of a story").to_owned(),
            spoiled: AtomicBool::new(spoiled),
            passed: AtomicU64::new(0),
        });
        let url = relay::before(sandbox, Arc::<Notes>::clone(&notes)).await;
        Some(Recorder { url, notes })
    }

    /// Where clients find the account.
    pub(crate) fn url(&self) -> String {
        self.url.clone()
    }
}

impl Drop for Recorder {
    /// The tally, by which the check knows how much it stands for.
    fn drop(&mut self) {
        let passed = self.notes.passed.load(Ordering::Relaxed);
        write(|_| Some(json!({"story": self.notes.story, "passed": passed})));
    }
}

impl Hands for Notes {
    /// Writes the exchange down if it is one of the API and has something new.
    fn pass(&self, asked: &Asked, answer: &mut Answer) -> Option<Errand> {
        if asked.path == "/sandbox/faults" {
            self.spoiled.store(asked.method == Method::POST, Ordering::SeqCst);
        }
        if !["/v1/", "/api/"].iter().any(|base| asked.path.starts_with(base)) {
            return None;
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
        None
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
