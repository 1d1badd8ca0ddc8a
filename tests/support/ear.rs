//! Somebody who listens: a server for HTTP that writes down what it is told, and one for mail.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use super::Authority;

/// What was told over HTTP.
#[derive(Clone, Debug)]
pub(crate) struct Heard {
    pub(crate) path: String,
    /// The lines of the head, in small letters up to the colon.
    pub(crate) head: Vec<String>,
    pub(crate) body: String,
}

/// A server on this machine; it lasts as long as the test.
pub(crate) struct Ear<T> {
    port: u16,
    heard: Arc<Mutex<Vec<T>>>,
    deaf: Arc<AtomicBool>,
}

impl<T: Clone + Send + 'static> Ear<T> {
    /// What is heard is there before whoever told it has its answer.
    fn listening(listen: impl Fn(TcpStream, bool, &dyn Fn(T)) -> Option<()> + Send + 'static) -> Ear<T> {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let (heard, deaf) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let (into, is_deaf) = (Arc::clone(&heard), Arc::clone(&deaf));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let hear = |told| into.lock().expect("nobody panics while holding it").push(told);
                // A connection that breaks off has said nothing more.
                let _ended = listen(stream, is_deaf.load(Ordering::SeqCst), &hear);
            }
        });
        Ear { port, heard, deaf }
    }

    /// The port.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// What was heard since somebody asked.
    pub(crate) fn take(&self) -> Vec<T> {
        std::mem::take(&mut *self.heard.lock().expect("nobody panics while holding it"))
    }

    /// Whether it refuses everything.
    pub(crate) fn set_deaf(&self, deaf: bool) {
        self.deaf.store(deaf, Ordering::SeqCst);
    }
}

impl Ear<Heard> {
    /// One that understands HTTP.
    pub(crate) fn http() -> Ear<Heard> {
        Ear::listening(|stream, deaf, hear| {
            let mut reader = BufReader::new(stream.try_clone().ok()?);
            let mut head = Vec::new();
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).ok()?;
                match line.trim_end() {
                    "" => break,
                    line => head.push(line.to_owned()),
                }
            }
            let length =
                head.iter().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
            let mut body = vec![0; length.unwrap_or(0)];
            reader.read_exact(&mut body).ok()?;
            if !deaf {
                let path = head.first()?.split(' ').nth(1)?.to_owned();
                hear(Heard { path, head, body: String::from_utf8_lossy(&body).into_owned() });
            }
            let status = if deaf { "503 Service Unavailable" } else { "200 OK" };
            let mut stream = stream;
            write!(stream, "HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").ok()
        })
    }
}

impl Ear<String> {
    /// One that takes mail in the clear, and knows of nothing else.
    pub(crate) fn smtp() -> Ear<String> {
        Ear::listening(|stream, _, hear| converse(greet(stream)?, "", hear).map(drop))
    }

    /// One that takes mail under TLS from the first byte, with a certificate of this authority.
    pub(crate) fn smtp_in_tls(authority: &Authority) -> Ear<String> {
        let guard = authority.guard();
        Ear::listening(move |stream, _, hear| converse(greet(guard(stream))?, "AUTH PLAIN", hear).map(drop))
    }

    /// One that offers TLS after a greeting in the clear.
    pub(crate) fn smtp_starting_tls(authority: &Authority) -> Ear<String> {
        let guard = authority.guard();
        Ear::listening(move |stream, _, hear| {
            let stream = converse(greet(stream)?, STARTTLS, hear)?;
            converse(BufReader::new(guard(stream)), "AUTH PLAIN", hear).map(drop)
        })
    }
}

/// The word that asks for TLS.
const STARTTLS: &str = "STARTTLS";

fn greet<S: Read + Write>(mut stream: S) -> Option<BufReader<S>> {
    stream.write_all(b"220 ear\r\n").ok()?;
    Some(BufReader::new(stream))
}

/// Takes mail until there is no more, or until TLS is asked for where it is offered: then the stream is returned.
fn converse<S: Read + Write>(mut stream: BufReader<S>, offer: &str, hear: &dyn Fn(String)) -> Option<S> {
    let (mut letter, mut in_letter) = (String::new(), false);
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let word = line.trim_end();
        let answer = match (in_letter, word) {
            (true, ".") => {
                hear(std::mem::take(&mut letter));
                "250 taken".to_owned()
            }
            (true, _) => {
                letter.push_str(&line);
                continue;
            }
            (false, "DATA") => "354 go on".to_owned(),
            (false, "QUIT") => "221 bye".to_owned(),
            (false, _) if word.starts_with("EHLO") && !offer.is_empty() => format!("250-ear\r\n250 {offer}"),
            (false, _) if word.starts_with("AUTH") => "235 welcome".to_owned(),
            (false, _) => "250 ok".to_owned(),
        };
        in_letter = answer.starts_with("354");
        stream.get_mut().write_all(format!("{answer}\r\n").as_bytes()).ok()?;
        if word == STARTTLS && offer == STARTTLS {
            return Some(stream.into_inner());
        }
    }
}
