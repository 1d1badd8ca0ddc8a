//! A service of one test: it answers with a queue and remembers what it was asked.
//!
//! It speaks bare HTTP over a socket, because what matters here is what a decent
//! server library would never do: cut an answer, or hang up instead of answering.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;

/// One answer of the queue.
#[derive(Clone, Debug)]
pub(super) struct Reply {
    head: String,
    body: Vec<u8>,
    /// Bytes that are announced and never sent.
    missing: usize,
}

impl Reply {
    pub(super) fn json(status: u16, body: &str) -> Reply {
        Reply {
            head: format!("HTTP/1.1 {status} X\r\ncontent-type: application/json\r\n"),
            body: body.into(),
            missing: 0,
        }
    }

    /// An answer that went well.
    pub(super) fn good(body: &str) -> Reply {
        Reply::json(200, body)
    }

    pub(super) fn html(status: u16) -> Reply {
        let head = format!("HTTP/1.1 {status} X\r\ncontent-type: text/html; charset=UTF-8\r\n");
        Reply { head, body: b"<!DOCTYPE html><html>Ray ID: secret</html>".to_vec(), missing: 0 }
    }

    /// The connection is closed instead.
    pub(super) fn hang_up() -> Reply {
        Reply { head: String::new(), body: Vec::new(), missing: 0 }
    }

    pub(super) fn with(mut self, header: &str, value: &str) -> Reply {
        self.head.push_str(&format!("{header}: {value}\r\n"));
        self
    }

    pub(super) fn body(mut self, body: Vec<u8>) -> Reply {
        self.body = body;
        self
    }

    /// Ends before it should.
    pub(super) fn cut(mut self) -> Reply {
        self.missing = 100;
        self
    }

    fn bytes(&self) -> Vec<u8> {
        if self.head.is_empty() {
            return Vec::new();
        }
        let length = self.body.len() + self.missing;
        let head = format!("{}content-length: {length}\r\nconnection: close\r\n\r\n", self.head);
        [head.as_bytes(), &self.body].concat()
    }
}

/// A request as it arrived.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    /// `GET /api/v2/deals?limit=500`.
    pub(super) line: String,
    /// All headers, in lower case.
    pub(super) headers: String,
    pub(super) body: String,
}

/// The service.
pub(super) struct Scripted {
    pub(super) url: String,
    replies: Arc<Mutex<VecDeque<Reply>>>,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Scripted {
    /// Answers with these, one a request; after the last it hangs up.
    pub(super) async fn new(replies: impl IntoIterator<Item = Reply>) -> Scripted {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let replies = Arc::new(Mutex::new(replies.into_iter().collect::<VecDeque<_>>()));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (queue, seen) = (replies.clone(), asked.clone());
        tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                serve(&mut socket, &queue, &seen).await;
            }
        });
        Scripted { url, replies, asked }
    }

    pub(super) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().expect("not poisoned").clone()
    }

    pub(super) fn lines(&self) -> Vec<String> {
        self.asked().into_iter().map(|asked| asked.line).collect()
    }

    pub(super) fn left(&self) -> usize {
        self.replies.lock().expect("not poisoned").len()
    }
}

/// Reads one request and answers it with the next reply.
pub(super) async fn serve(
    socket: &mut (impl AsyncRead + AsyncWrite + Unpin),
    replies: &Mutex<VecDeque<Reply>>,
    seen: &Mutex<Vec<Asked>>,
) {
    let Some(asked) = read(socket).await else { return };
    seen.lock().expect("not poisoned").push(asked);
    let reply = replies.lock().expect("not poisoned").pop_front().unwrap_or_else(Reply::hang_up);
    // The client may have hung up first; that is its right.
    let _sent = socket.write_all(&reply.bytes()).await;
    let _closed = socket.shutdown().await;
}

async fn read(socket: &mut (impl AsyncRead + Unpin)) -> Option<Asked> {
    let mut bytes = Vec::new();
    loop {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
        if let Some(end) = end {
            let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
            let headers = head.to_ascii_lowercase();
            let length = headers.lines().find_map(|line| line.strip_prefix("content-length: "));
            let length: usize = length.and_then(|text| text.trim().parse().ok()).unwrap_or(0);
            if bytes.len() >= end + 4 + length {
                let body = String::from_utf8_lossy(&bytes[end + 4..]).into_owned();
                let line = head.lines().next().unwrap_or_default().trim_end_matches(" HTTP/1.1").to_owned();
                return Some(Asked { line, headers, body });
            }
        }
        if socket.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}
