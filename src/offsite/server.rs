//! A folder on a server that speaks SFTP.
//!
//! SFTP has no checksums, so every file is read back and hashed before it gets its name. A name is
//! given by renaming, which by the protocol replaces nothing; whether the server keeps to that is tried out.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt};
use russh_sftp::client::error::Error as Refusal;
use russh_sftp::protocol::StatusCode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::archive::{FileName, Shelf, StoredFile};
use crate::offsite::error::Trouble;
use crate::offsite::pace::Pace;
use crate::offsite::place::{CLAIM, DRAFTS, Listing, PIECE, Proof, whole};
use crate::offsite::ssh::{self, Line, tidy};
use crate::offsite::{Address, Error, Target};

/// An answer that takes longer comes no more; sixteen pieces of 32 KiB may be under way on a slow line.
const ANSWER_TIMEOUT: u64 = 90;
/// So many connections that broke are made again in one run: after a second, after two, after four, after eight.
const LINES_LOST: u32 = 4;
/// Names of an archive have at most so many parts; a server that shows deeper folders is not followed.
const DEPTH: usize = 3;
/// Folders that are listed at once.
const LISTED_AT_ONCE: usize = 16;
/// A draft of this age belongs to a copy that died.
const DRAFT_IS_DEAD_AFTER: Duration = Duration::from_secs(24 * 3600);

/// A server, and the folder on it.
pub(super) struct Server {
    label: String,
    /// The command that connects, and what follows it.
    command: Vec<String>,
    root: String,
    /// The connection, once there is one.
    line: tokio::sync::Mutex<Option<Arc<Line>>>,
    /// Connections that broke.
    lost: AtomicU32,
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
            command: ssh::words(command, user.as_deref(), host, *port),
            // What begins with a tilde is below the user's own folder, which is where relative paths begin.
            root: match path.strip_prefix("/~") {
                Some(own) if own.is_empty() || own == "/" => ".".to_owned(),
                Some(own) => own.trim_start_matches('/').to_owned(),
                None => path.clone(),
            },
            line: tokio::sync::Mutex::default(),
            lost: AtomicU32::new(0),
            made: Mutex::default(),
        })
    }

    fn path(&self, name: &str) -> String {
        if name.is_empty() { self.root.clone() } else { format!("{}/{name}", self.root.trim_end_matches('/')) }
    }

    /// The connection, made where there is none.
    async fn line(&self) -> Result<Arc<Line>, Error> {
        let mut line = self.line.lock().await;
        if let Some(line) = &*line {
            return Ok(Arc::clone(line));
        }
        let failed = |fact| Error::Unreached { target: self.label.clone(), fact };
        let made = Arc::new(Line::connect(&self.command, ANSWER_TIMEOUT).await.map_err(failed)?);
        *line = Some(Arc::clone(&made));
        Ok(made)
    }

    /// What went wrong. A connection that is of no use any more is let go, so that the next one who wants it makes another.
    async fn error(&self, line: &Arc<Line>, doing: &'static str, name: &str, refusal: &Refusal) -> Error {
        let target = if name.is_empty() { self.label.clone() } else { format!("{}/{name}", self.label) };
        if let Refusal::Status(status) = refusal {
            let fact = tidy(&format!("{} ({})", status.error_message, status.status_code));
            return match status.status_code {
                StatusCode::PermissionDenied => Error::Denied { target: self.label.clone(), doing, fact },
                _ => Error::Store { doing, target, fact },
            };
        }
        if self.line.lock().await.take_if(|current| Arc::ptr_eq(current, line)).is_some() {
            self.lost.fetch_add(1, Ordering::SeqCst);
        }
        let fact = line.last_words().unwrap_or_else(|| tidy(&format!("the connection broke: {refusal}")));
        Error::Store { doing, target, fact }
    }

    /// Everything below the folder.
    pub(super) async fn list(&self) -> Result<Listing, Error> {
        let (line, mut listing) = (self.line().await?, Listing::default());
        let mut folders = vec![String::new()];
        while !folders.is_empty() {
            let listed: Vec<_> = stream::iter(std::mem::take(&mut folders))
                .map(|folder| {
                    let (path, line) = (self.path(&folder), &line);
                    async move { (line.read_dir(path).await, folder) }
                })
                .buffer_unordered(LISTED_AT_ONCE)
                .collect()
                .await;
            for (entries, folder) in listed {
                let entries = match entries {
                    Err(refusal) if is_gone(&refusal) => continue,
                    Err(refusal) => return Err(self.error(&line, "list", &folder, &refusal).await),
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
        let line = self.line().await?;
        match line.read(self.path(name)).await {
            Ok(bytes) => Ok(Some(bytes.into())),
            Err(refusal) if is_gone(&refusal) => Ok(None),
            Err(refusal) => Err(self.error(&line, "read", name, &refusal).await),
        }
    }

    /// A file in pieces; `None` if it is not there.
    pub(super) async fn stream(
        &self,
        name: &FileName,
    ) -> Result<Option<BoxStream<'static, Result<Bytes, Error>>>, Error> {
        let line = self.line().await?;
        let file = match line.open(self.path(name.as_str())).await {
            Ok(file) => file,
            Err(refusal) if is_gone(&refusal) => return Ok(None),
            Err(refusal) => return Err(self.error(&line, "read", name.as_str(), &refusal).await),
        };
        let target = format!("{}/{name}", self.label);
        // The line is held until the last piece has come.
        let pieces = stream::try_unfold((file, line), move |(mut file, line)| {
            let target = target.clone();
            async move {
                let mut piece = Vec::with_capacity(PIECE);
                let read = line.ask_of((&mut file).take(PIECE as u64).read_to_end(&mut piece)).await;
                read.map_err(|refusal| Error::Store { doing: "read", target, fact: tidy(&refusal.to_string()) })?;
                Ok((!piece.is_empty()).then(|| (Bytes::from(piece), (file, line))))
            }
        });
        Ok(Some(pieces.boxed()))
    }

    /// Writes the claim, and tries to put another in its place; true when the server kept it from being replaced.
    pub(super) async fn claim(&self, archive: &str) -> Result<bool, Error> {
        let line = self.line().await?;
        self.make_folder(&line, DRAFTS.trim_end_matches('/')).await?;
        self.clear_old_drafts(&line).await;
        let claim = format!("{CLAIM}{archive}");
        for _ in 0..2 {
            let draft = draft();
            self.put(&line, &draft, archive.as_bytes()).await?;
            if line.rename(self.path(&draft), self.path(&claim)).await.is_err() {
                let is_there = line.metadata(self.path(&claim)).await;
                let removed = line.remove_file(self.path(&draft)).await;
                return match is_there.map(drop).and(removed) {
                    Ok(()) => Ok(true),
                    Err(refusal) => Err(self.error(&line, "write", &claim, &refusal).await),
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
        let mut line = self.line().await?;
        loop {
            let sent = self.send_over(&line, from, file, create, pace).await;
            let is_broken = matches!(sent, Err(Trouble::Failed(Error::Store { .. }))) && !self.goes_on(&line).await;
            let lost = self.lost.load(Ordering::SeqCst);
            if !is_broken || lost > LINES_LOST {
                return sent;
            }
            tokio::time::sleep(Duration::from_secs(1 << lost.saturating_sub(1))).await;
            match self.line().await {
                Ok(another) => line = another,
                Err(_) => drop(self.lost.fetch_add(1, Ordering::SeqCst)),
            }
        }
    }

    /// Whether a connection is still the one that is used.
    async fn goes_on(&self, line: &Arc<Line>) -> bool {
        self.line.lock().await.as_ref().is_some_and(|current| Arc::ptr_eq(current, line))
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

/// A name for a file that is on its way.
fn draft() -> String {
    format!("{DRAFTS}{}", uuid::Uuid::new_v4())
}

fn is_gone(refusal: &Refusal) -> bool {
    matches!(refusal, Refusal::Status(status) if status.status_code == StatusCode::NoSuchFile)
}
