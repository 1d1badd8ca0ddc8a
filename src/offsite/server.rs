//! A folder on a server that speaks SFTP.
//!
//! SFTP has no checksums, so every file is read back and hashed before it gets its name. A name is
//! given by renaming, which by the protocol replaces nothing; whether the server keeps to that is tried out.

use std::collections::HashSet;
use std::io::SeekFrom;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt};
use russh_sftp::client::error::Error as Refusal;
use russh_sftp::client::fs::File;
use russh_sftp::protocol::StatusCode;
use tokio::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};

use crate::archive::{DRAFT_IS_DEAD_AFTER, FileName, Shelf, StoredFile};
use crate::offsite::error::Trouble;
use crate::offsite::pace::Pace;
use crate::offsite::place::{CLAIM, DRAFTS, Listing, PIECE, Proof, whole};
use crate::offsite::ssh::{self, Line, Way, tidy};
use crate::offsite::{Address, Error, Target};

/// Names of an archive have at most so many parts; a server that shows deeper folders is not followed.
const DEPTH: usize = 3;
/// Folders that are listed at once.
const LISTED_AT_ONCE: usize = 16;

/// A server, and the folder on it.
pub(super) struct Server {
    label: String,
    root: String,
    way: Way,
    /// Folders that are known to be there.
    made: Mutex<HashSet<String>>,
}

impl Server {
    /// Opens a place on a server; nothing is asked of it yet.
    pub(super) fn open(target: &Target) -> Result<Server, Error> {
        let Address::Server { user, host, port, path } = &target.address else {
            return Err(Error::Address { address: target.address.to_string(), fact: "it is no server".to_owned() });
        };
        let command = target.ssh_command.as_deref().unwrap_or("ssh");
        Ok(Server {
            label: target.address.to_string(),
            way: Way::new(ssh::words(command, user.as_deref(), host, *port)),
            // What begins with a tilde is below the user's own folder, which is where relative paths begin.
            root: match path.strip_prefix("/~") {
                Some(own) if own.is_empty() || own == "/" => ".".to_owned(),
                Some(own) => own.trim_start_matches('/').to_owned(),
                None => path.clone(),
            },
            made: Mutex::default(),
        })
    }

    fn path(&self, name: &str) -> String {
        if name.is_empty() { self.root.clone() } else { format!("{}/{name}", self.root.trim_end_matches('/')) }
    }

    /// The connection, made where there is none.
    async fn line(&self) -> Result<Arc<Line>, Error> {
        self.way.line().await.map_err(|fact| Error::Unreached { target: self.label.clone(), fact })
    }

    /// Does something over a connection, and again over another where that one broke on the way.
    async fn over_a_line<T, E: From<Error>>(&self, work: impl AsyncFn(&Arc<Line>) -> Result<T, E>) -> Result<T, E> {
        let mut broke = None;
        loop {
            let line = match self.line().await {
                Ok(line) => line,
                Err(error) => return Err(broke.unwrap_or_else(|| error.into())),
            };
            match work(&line).await {
                Err(error) if self.way.has_lost(&line).await => broke = Some(error),
                Err(error) => return Err(error),
                Ok(done) => {
                    self.way.arrived().await;
                    return Ok(done);
                }
            }
        }
    }

    /// What went wrong. A connection that is of no use any more is let go.
    async fn error(&self, line: &Arc<Line>, doing: &'static str, name: &str, refusal: &Refusal) -> Error {
        let target = if name.is_empty() { self.label.clone() } else { format!("{}/{name}", self.label) };
        if let Refusal::Status(status) = refusal {
            let fact = tidy(&format!("{} ({})", status.error_message, status.status_code));
            return match status.status_code {
                StatusCode::PermissionDenied => Error::Denied { target: self.label.clone(), doing, fact },
                _ => Error::Store { doing, target, fact },
            };
        }
        let fact = line.last_words().unwrap_or_else(|| tidy(&format!("the connection broke: {refusal}")));
        self.way.lose(line, fact.clone()).await;
        Error::Store { doing, target, fact }
    }

    /// Everything below the folder.
    pub(super) async fn list(&self) -> Result<Listing, Error> {
        self.over_a_line(async |line| self.list_over(line).await).await
    }

    async fn list_over(&self, line: &Arc<Line>) -> Result<Listing, Error> {
        let mut listing = Listing::default();
        let mut folders = vec![String::new()];
        while !folders.is_empty() {
            let listed: Vec<_> = stream::iter(std::mem::take(&mut folders))
                .map(|folder| {
                    let path = self.path(&folder);
                    async move { (line.read_dir(path).await, folder) }
                })
                .buffer_unordered(LISTED_AT_ONCE)
                .collect()
                .await;
            for (entries, folder) in listed {
                let entries = match entries {
                    Err(refusal) if is_gone(&refusal) => continue,
                    Err(refusal) => return Err(self.error(line, "list", &folder, &refusal).await),
                    Ok(entries) => entries,
                };
                for entry in entries {
                    let own = entry.file_name();
                    let name = if folder.is_empty() { own } else { format!("{folder}/{own}") };
                    let facts = entry.metadata();
                    if facts.is_dir() && name.split('/').count() < DEPTH {
                        folders.push(name);
                        continue;
                    }
                    match FileName::parse(&name) {
                        Some(name) => {
                            listing.files.push(StoredFile { name, bytes: facts.len(), since: facts.modified().ok() })
                        }
                        None => listing.other(&name),
                    }
                }
            }
        }
        Ok(listing)
    }

    /// A small file as a whole; `None` if it is not there.
    pub(super) async fn read(&self, name: &str) -> Result<Option<Bytes>, Error> {
        let read = async |line: &Arc<Line>| match line.read(self.path(name)).await {
            Ok(bytes) => Ok(Some(bytes.into())),
            Err(refusal) if is_gone(&refusal) => Ok(None),
            Err(refusal) => Err(self.error(line, "read", name, &refusal).await),
        };
        self.over_a_line(read).await
    }

    /// A file in pieces; `None` if it is not there.
    pub(super) async fn stream<'a>(
        &'a self,
        name: &'a FileName,
    ) -> Result<Option<BoxStream<'a, Result<Bytes, Error>>>, Error> {
        let Some((line, file)) = self.open_at(name.as_str(), 0).await? else { return Ok(None) };
        let reading = Reading { server: self, name: name.as_str(), line, file, at: 0 };
        let pieces = stream::try_unfold(reading, async |mut reading: Reading| {
            let piece = reading.piece().await?;
            Ok((!piece.is_empty()).then(|| (Bytes::from(piece), reading)))
        });
        Ok(Some(pieces.boxed()))
    }

    /// A file opened where its first bytes are known; `None` if it is not there.
    async fn open_at(&self, name: &str, at: u64) -> Result<Option<(Arc<Line>, File)>, Error> {
        // Not by `over_a_line`: what calls a closure cannot be sent between threads, and pieces are.
        loop {
            let line = self.line().await?;
            let opened = async {
                let mut file = line.open(self.path(name)).await?;
                line.ask_of(file.seek(SeekFrom::Start(at))).await?;
                Ok(file)
            };
            let refusal = match opened.await {
                Ok(file) => return Ok(Some((line, file))),
                Err(refusal) if is_gone(&refusal) => return Ok(None),
                Err(refusal) => refusal,
            };
            let error = self.error(&line, "read", name, &refusal).await;
            if !self.way.has_lost(&line).await {
                return Err(error);
            }
        }
    }

    /// Writes the claim, and tries to put another in its place; true when the server kept it from being replaced.
    pub(super) async fn claim(&self, archive: &str) -> Result<bool, Error> {
        self.over_a_line(async |line| self.claim_over(line, archive).await).await
    }

    async fn claim_over(&self, line: &Arc<Line>, archive: &str) -> Result<bool, Error> {
        self.make_folder(line, DRAFTS.trim_end_matches('/')).await?;
        self.clear_old_drafts(line).await;
        let claim = format!("{CLAIM}{archive}");
        for _ in 0..2 {
            let draft = draft();
            self.put(line, &draft, archive.as_bytes()).await?;
            if line.rename(self.path(&draft), self.path(&claim)).await.is_err() {
                let is_there = line.metadata(self.path(&claim)).await;
                let removed = line.remove_file(self.path(&draft)).await;
                return match is_there.map(drop).and(removed) {
                    Ok(()) => Ok(true),
                    Err(refusal) => Err(self.error(line, "write", &claim, &refusal).await),
                };
            }
        }
        Ok(false)
    }

    /// Removes what copies that died were writing a day ago; what cannot be removed stays.
    async fn clear_old_drafts(&self, line: &Line) {
        let Ok(entries) = line.read_dir(self.path(DRAFTS.trim_end_matches('/'))).await else { return };
        for entry in entries {
            let name = format!("{DRAFTS}{}", entry.file_name());
            let age = entry.metadata().modified().ok().and_then(|since| SystemTime::now().duration_since(since).ok());
            if !name.starts_with(CLAIM) && age.is_some_and(|age| age > DRAFT_IS_DEAD_AFTER) {
                let _stays = line.remove_file(self.path(&name)).await;
            }
        }
    }

    /// Makes a folder and those above it.
    async fn make_folder(&self, line: &Arc<Line>, folder: &str) -> Result<(), Error> {
        let path = self.path(folder);
        if self.made.lock().unwrap_or_else(PoisonError::into_inner).contains(&path) {
            return Ok(());
        }
        let ends = path.char_indices().filter(|(at, letter)| *letter == '/' && *at > 0).map(|(at, _)| at);
        for end in ends.chain([path.len()]) {
            let part = &path[..end];
            // Servers say of a folder that is there, or that is above what they show, what they please.
            if let Err(refusal) = line.create_dir(part.to_owned()).await {
                let is_there = line.metadata(part.to_owned()).await.is_ok_and(|facts| facts.is_dir());
                if !is_there && end == path.len() {
                    return Err(self.error(line, "create", folder, &refusal).await);
                }
            }
        }
        self.made.lock().unwrap_or_else(PoisonError::into_inner).insert(path);
        Ok(())
    }

    async fn put(&self, line: &Arc<Line>, name: &str, bytes: &[u8]) -> Result<(), Error> {
        let written = match line.create(self.path(name)).await {
            Ok(mut file) => {
                let all = async { file.write_all(bytes).await.and(file.flush().await).and(file.close().await) };
                line.ask_of(all).await
            }
            Err(refusal) => Err(refusal),
        };
        match written {
            Ok(()) => Ok(()),
            Err(refusal) => Err(self.error(line, "write", name, &refusal).await),
        }
    }

    /// Sends a file, reads it back, and gives it its name; anew where the connection broke on the way.
    pub(super) async fn send(
        &self,
        from: &Shelf,
        file: &StoredFile,
        create: bool,
        pace: &Pace,
    ) -> Result<Proof, Trouble> {
        self.over_a_line(async |line| self.send_over(line, from, file, create, pace).await).await
    }

    async fn send_over(
        &self,
        line: &Arc<Line>,
        from: &Shelf,
        file: &StoredFile,
        create: bool,
        pace: &Pace,
    ) -> Result<Proof, Trouble> {
        let (name, draft) = (file.name.as_str(), draft());
        let folder = name.rsplit_once('/').map_or("", |(folder, _)| folder);
        self.make_folder(line, folder).await?;
        let sent = match self.upload(line, from, file, &draft, pace).await {
            Ok(sent) => sent,
            Err(trouble) => {
                let _lies_there = line.remove_file(self.path(&draft)).await;
                return Err(trouble);
            }
        };
        if self.hash(line, &draft).await? != sent {
            let fact = "what is there is not what was sent".to_owned();
            return Err(Error::Store { doing: "write", target: format!("{}/{name}", self.label), fact }.into());
        }
        self.name(line, &draft, name, create, &sent).await?;
        Ok(Proof::ReadBack)
    }

    /// Writes a draft of a file, and returns the hash of what was sent; refuses to send what is not what its name says.
    async fn upload(
        &self,
        line: &Arc<Line>,
        from: &Shelf,
        file: &StoredFile,
        draft: &str,
        pace: &Pace,
    ) -> Result<String, Trouble> {
        // A log may grow while it is copied: what is copied is what it was when it was listed.
        let mut input = std::io::Read::take(from.open(&file.name)?, file.bytes);
        let mut hasher = blake3::Hasher::new();
        let mut output = match line.create(self.path(draft)).await {
            Ok(output) => output,
            Err(refusal) => return Err(self.error(line, "write", draft, &refusal).await.into()),
        };
        let mut piece = vec![0; PIECE];
        let written = loop {
            let unread = |error: std::io::Error| Error::Store {
                doing: "read",
                target: file.name.to_string(),
                fact: error.to_string(),
            };
            let read = std::io::Read::read(&mut input, &mut piece).map_err(unread)?;
            if read == 0 {
                break line.ask_of(async { output.flush().await.and(output.close().await) }).await;
            }
            pace.allow(read as u64).await;
            hasher.update(&piece[..read]);
            if let Err(refusal) = line.ask_of(output.write_all(&piece[..read])).await {
                break Err(refusal);
            }
        };
        if let Err(refusal) = written {
            let error = self.error(line, "write", file.name.as_str(), &refusal).await;
            return Err(self.full(line, file.bytes).await.unwrap_or(error).into());
        }
        let hash = hasher.finalize().to_hex().to_string();
        whole(&file.name, &hash)?;
        Ok(hash)
    }

    /// Servers have no word for a disk that is full, but some tell how much room there is.
    async fn full(&self, line: &Line, wanted: u64) -> Option<Error> {
        let room = line.fs_info(self.root.clone()).await.ok()??;
        let left = room.blocks_avail.saturating_mul(room.fragment_size.max(1));
        (left < wanted).then(|| Error::Full { target: self.label.clone(), fact: format!("{left} bytes are left") })
    }

    async fn hash(&self, line: &Arc<Line>, name: &str) -> Result<String, Error> {
        let mut hasher = blake3::Hasher::new();
        let mut file = match line.open(self.path(name)).await {
            Ok(file) => file,
            Err(refusal) => return Err(self.error(line, "read", name, &refusal).await),
        };
        let mut piece = vec![0; PIECE];
        loop {
            match line.ask_of(file.read(&mut piece)).await {
                Ok(0) => return Ok(hasher.finalize().to_hex().to_string()),
                Ok(read) => hasher.update(&piece[..read]),
                Err(refusal) => return Err(self.error(line, "read", name, &refusal).await),
            };
        }
    }

    /// Gives a draft its name. What has the name already is taken aside first where it is to be replaced, and where not is
    /// right if it has the same bytes: somebody else sent it, or the answer to an earlier try was lost.
    async fn name(&self, line: &Arc<Line>, draft: &str, name: &str, create: bool, sent: &str) -> Result<(), Error> {
        let aside = (!create).then(self::draft);
        if let Some(aside) = &aside {
            match line.rename(self.path(name), self.path(aside)).await {
                Err(refusal) if !is_gone(&refusal) => {
                    return Err(self.error(line, "replace", name, &refusal).await);
                }
                _ => {}
            }
        }
        let Err(refusal) = line.rename(self.path(draft), self.path(name)).await else {
            if let Some(aside) = &aside {
                let _goes_in_a_day = line.remove_file(self.path(aside)).await;
            }
            return Ok(());
        };
        if let Some(aside) = &aside {
            let _lies_aside = line.rename(self.path(aside), self.path(name)).await;
        } else if self.hash(line, name).await.is_ok_and(|there| there == sent) {
            let _goes_in_a_day = line.remove_file(self.path(draft)).await;
            return Ok(());
        }
        Err(self.error(line, "write", name, &refusal).await)
    }
}

/// A file that is being read, over another connection from where it was when one breaks.
struct Reading<'a> {
    server: &'a Server,
    name: &'a str,
    line: Arc<Line>,
    file: File,
    /// Where the next piece begins.
    at: u64,
}

impl Reading<'_> {
    /// What comes next; nothing after the end.
    async fn piece(&mut self) -> Result<Vec<u8>, Error> {
        let (way, mut piece) = (&self.server.way, Vec::with_capacity(PIECE));
        loop {
            let mut rest = (&mut self.file).take((PIECE - piece.len()) as u64);
            let Err(refusal) = self.line.ask_of(rest.read_to_end(&mut piece)).await else {
                way.arrived().await;
                self.at += piece.len() as u64;
                return Ok(piece);
            };
            let error = self.server.error(&self.line, "read", self.name, &refusal).await;
            if !way.has_lost(&self.line).await {
                return Err(error);
            }
            // What came before it broke is right: what is asked for in its name is hashed in the end.
            let opened = self.server.open_at(self.name, self.at + piece.len() as u64).await?;
            (self.line, self.file) = opened.ok_or(error)?;
        }
    }
}

/// A name for a file that is on its way.
fn draft() -> String {
    format!("{DRAFTS}{}", uuid::Uuid::new_v4())
}

fn is_gone(refusal: &Refusal) -> bool {
    matches!(refusal, Refusal::Status(status) if status.status_code == StatusCode::NoSuchFile)
}
