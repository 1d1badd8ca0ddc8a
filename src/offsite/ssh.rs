//! The way to a server: the `ssh` of this machine.
//!
//! It knows the user's keys, agent, hosts and jumps, and is what people have tried before they
//! come here; what it says is repeated. It is never asked a question by way of this program: an
//! unknown host or a missing key is an error, not a run that waits for an answer.

use std::io;
use std::pin::Pin;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use russh_sftp::client::error::Error as Refusal;
use russh_sftp::client::fs::{File, Metadata, ReadDir};
use russh_sftp::client::{Config, SftpSession};
use russh_sftp::extensions::Statvfs;
use russh_sftp::protocol::{OpenFlags, Status, StatusCode};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader, ReadBuf};
use tokio::process::{Child, ChildStderr, ChildStdout, Command};
use tokio::sync::watch;

/// What `ssh` is told before it is told where to go: to ask nobody, and to notice a line that swallows everything.
const OPTIONS: [&str; 8] =
    ["-o", "BatchMode=yes", "-o", "ConnectTimeout=20", "-o", "ServerAliveInterval=20", "-o", "ServerAliveCountMax=3"];
/// A first answer that takes longer comes no more, with all that `ssh` has to agree on before it.
const HELLO_TIMEOUT: Duration = Duration::from_secs(60);
/// An answer that takes longer comes no more; sixteen pieces of 32 KiB may be under way on a slow line.
const ANSWER_TIMEOUT: u64 = 90;
/// What `ssh` said last is at most so many lines, and so long.
const LINES_KEPT: usize = 5;
const SHOWN: usize = 300;

/// So many connections that broke one after the other, with nothing arrived between them, are made again: after a
/// second, after two, after four, after eight.
const LINES_LOST: u32 = 4;

/// The way to a server: its connection, which is made again when it broke.
pub(super) struct Way {
    /// The command that connects, and what follows it.
    words: Vec<String>,
    state: tokio::sync::Mutex<State>,
}

#[derive(Default)]
struct State {
    line: Option<Arc<Line>>,
    /// Connections that broke, or could not be made again, since something arrived.
    lost: u32,
    /// What was said of the last one.
    fact: String,
}

impl State {
    fn lose(&mut self, fact: String) {
        (self.line, self.lost, self.fact) = (None, self.lost + 1, fact);
    }
}

impl Way {
    pub(super) fn new(words: Vec<String>) -> Way {
        Way { words, state: tokio::sync::Mutex::default() }
    }

    /// The connection, made where there is none; where there is no way, says why. Whoever else wants it waits for it.
    pub(super) async fn line(&self) -> Result<Arc<Line>, String> {
        let mut state = self.state.lock().await;
        if let Some(line) = state.line.take_if(|line| line.has_ended()) {
            state.lose(line.last_words().unwrap_or_else(|| "the connection broke".to_owned()));
        }
        loop {
            if let Some(line) = &state.line {
                return Ok(Arc::clone(line));
            }
            if state.lost > LINES_LOST {
                return Err(state.fact.clone());
            }
            if let Some(power) = state.lost.checked_sub(1) {
                tokio::time::sleep(Duration::from_secs(1 << power)).await;
            }
            match Line::connect(&self.words).await {
                Ok(line) => state.line = Some(Arc::new(line)),
                // What never worked is wrong, not broken.
                Err(fact) if state.lost == 0 => return Err(fact),
                Err(fact) => state.lose(fact),
            }
        }
    }

    /// A connection is of no use any more; the next one who wants it makes another.
    pub(super) async fn lose(&self, line: &Arc<Line>, fact: String) {
        let mut state = self.state.lock().await;
        if state.line.as_ref().is_some_and(|current| Arc::ptr_eq(current, line)) {
            state.lose(fact);
        }
    }

    /// Whether a connection is one of those that broke.
    pub(super) async fn has_lost(&self, line: &Arc<Line>) -> bool {
        !self.state.lock().await.line.as_ref().is_some_and(|current| Arc::ptr_eq(current, line))
    }

    /// Something arrived: the way is not broken for good.
    pub(super) async fn arrived(&self) {
        let mut state = self.state.lock().await;
        // What was still on its way when the connection broke says nothing of the next one.
        if state.line.is_some() {
            state.lost = 0;
        }
    }
}

/// A connection.
pub(super) struct Line {
    sftp: SftpSession,
    said: Arc<Mutex<Vec<String>>>,
    ended: watch::Receiver<bool>,
    /// Ends with the connection.
    _ssh: Child,
}

/// What comes from the server. Who waits for an answer hears of its end at once, not when he has waited long enough.
struct Answers {
    from: ChildStdout,
    ended: watch::Sender<bool>,
}

impl AsyncRead for Answers {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.from).poll_read(context, buffer);
        if matches!(&polled, Poll::Ready(read) if read.is_err() || buffer.filled().len() == before) {
            self.ended.send_replace(true);
        }
        polled
    }
}

/// The command that connects to a machine, with all that follows it.
pub(super) fn words(command: &str, user: Option<&str>, host: &str, port: Option<u16>) -> Vec<String> {
    let port = port.map(|port| ["-p".to_owned(), port.to_string()]);
    let destination = user.map_or_else(|| host.to_owned(), |user| format!("{user}@{host}"));
    let first = command.split_whitespace().chain(OPTIONS).map(str::to_owned);
    first
        .chain(port.into_iter().flatten())
        .chain(["-s".to_owned(), "--".to_owned(), destination, "sftp".to_owned()])
        .collect()
}

impl Line {
    /// Connects. Where there is no SFTP, says why.
    async fn connect(words: &[String]) -> Result<Line, String> {
        let (program, arguments) = words.split_first().ok_or("no command to connect with")?;
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut ssh = command.spawn().map_err(|error| format!("{program}: {error}"))?;
        let (Some(to), Some(from), Some(words)) = (ssh.stdin.take(), ssh.stdout.take(), ssh.stderr.take()) else {
            return Err(format!("{program} has no input or output"));
        };
        let said: Arc<Mutex<Vec<String>>> = Arc::default();
        let listener = tokio::spawn(listen(words, Arc::clone(&said)));
        let config = Config { request_timeout_secs: ANSWER_TIMEOUT, ..Config::default() };
        let (end, ended) = watch::channel(false);
        let hello = SftpSession::new_with_config(tokio::io::join(Answers { from, ended: end }, to), config);
        match tokio::time::timeout(HELLO_TIMEOUT, hello).await.unwrap_or(Err(Refusal::Timeout)) {
            Ok(sftp) => Ok(Line { sftp, said, ended, _ssh: ssh }),
            Err(error) => {
                // It has ended, or is about to; what it said says why.
                let _in_time = tokio::time::timeout(Duration::from_secs(2), listener).await;
                Err(last_words(&said).unwrap_or_else(|| format!("there is no SFTP: {error}")))
            }
        }
    }

    pub(super) async fn read_dir(&self, path: String) -> Result<ReadDir, Refusal> {
        self.ask(self.sftp.read_dir(path)).await
    }

    pub(super) async fn metadata(&self, path: String) -> Result<Metadata, Refusal> {
        self.ask(self.sftp.metadata(path)).await
    }

    /// All of a small file.
    pub(super) async fn read(&self, path: String) -> Result<Vec<u8>, Refusal> {
        let (mut file, mut bytes) = (self.open(path).await?, Vec::new());
        self.ask_of(file.read_to_end(&mut bytes)).await?;
        Ok(bytes)
    }

    pub(super) async fn open(&self, path: String) -> Result<File, Refusal> {
        self.ask(self.sftp.open(path)).await
    }

    /// Makes a file that must not be there.
    pub(super) async fn create(&self, path: String) -> Result<File, Refusal> {
        self.ask(self.sftp.open_with_flags(path, OpenFlags::WRITE | OpenFlags::CREATE | OpenFlags::EXCLUDE)).await
    }

    pub(super) async fn create_dir(&self, path: String) -> Result<(), Refusal> {
        self.ask(self.sftp.create_dir(path)).await
    }

    /// By the protocol, an error where there is a file of that name.
    pub(super) async fn rename(&self, from: String, to: String) -> Result<(), Refusal> {
        self.ask(self.sftp.rename(from, to)).await
    }

    pub(super) async fn remove_file(&self, path: String) -> Result<(), Refusal> {
        self.ask(self.sftp.remove_file(path)).await
    }

    /// How much room there is, where the server tells.
    pub(super) async fn fs_info(&self, path: String) -> Result<Option<Statvfs>, Refusal> {
        self.ask(self.sftp.fs_info(path)).await
    }

    /// Waits for an answer as long as there is a connection.
    async fn ask<T>(&self, answer: impl Future<Output = Result<T, Refusal>>) -> Result<T, Refusal> {
        let mut ended = self.ended.clone();
        tokio::select! {
            biased;
            answered = answer => answered,
            _ = ended.wait_for(|ended| *ended) => Err(Refusal::IO("it was closed".to_owned())),
        }
    }

    /// Waits likewise for what reads and writes a file.
    pub(super) async fn ask_of<T>(&self, answer: impl Future<Output = io::Result<T>>) -> Result<T, Refusal> {
        self.ask(async { answer.await.map_err(refusal_in) }).await
    }

    fn has_ended(&self) -> bool {
        *self.ended.borrow()
    }

    /// What `ssh` said, if it said anything.
    pub(super) fn last_words(&self) -> Option<String> {
        last_words(&self.said)
    }
}

/// Keeps the last lines of what is said.
async fn listen(words: ChildStderr, said: Arc<Mutex<Vec<String>>>) {
    let mut lines = BufReader::new(words).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
        said.push(tidy(&line));
        let surplus = said.len().saturating_sub(LINES_KEPT);
        said.drain(..surplus);
    }
}

fn last_words(said: &Mutex<Vec<String>>) -> Option<String> {
    let said = said.lock().unwrap_or_else(PoisonError::into_inner);
    let lines: Vec<&str> = said.iter().map(String::as_str).filter(|line| !line.is_empty()).collect();
    (!lines.is_empty()).then(|| lines.join(" "))
}

/// In one line, without what a terminal would obey.
pub(super) fn tidy(text: &str) -> String {
    text.trim().chars().filter(|letter| !letter.is_control()).take(SHOWN).collect()
}

/// What the server said, out of what reading and writing make of it: of a refusal they keep the words alone.
fn refusal_in(error: io::Error) -> Refusal {
    match error.get_ref() {
        Some(inner) => inner.downcast_ref::<Refusal>().cloned().unwrap_or_else(|| refused(inner.to_string())),
        None => Refusal::IO(error.to_string()),
    }
}

fn refused(words: String) -> Refusal {
    let (status_code, language_tag) = (StatusCode::Failure, String::new());
    Refusal::Status(Status { id: 0, status_code, error_message: words, language_tag })
}
