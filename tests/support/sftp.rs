//! A small SFTP server over a folder that misbehaves on order: hangs up, writes something else, renames over files.
//!
//! It knows none of OpenSSH's extensions; the real OpenSSH of `tests/offsite/run.sh` does. Its `ssh` is a script that
//! connects without a question, or says what it is told to say and ends.

use std::collections::HashMap;
use std::fs::{self, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};

use russh_sftp::protocol::{Attrs, Data, File, FileAttributes, Handle, Name, OpenFlags, Status, StatusCode};
use russh_sftp::server::{self, Handler};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;

/// What the server does wrong.
pub(crate) struct Faults {
    /// Hangs up whenever so many bytes more came and went.
    pub(crate) hangs_up_after: AtomicU64,
    /// So many times.
    pub(crate) hangs_up: AtomicU64,
    /// Renames files over others.
    pub(crate) replaces: AtomicBool,
    /// Keeps something else than what comes.
    pub(crate) garbles: AtomicBool,
    /// Opens files and refuses to read them.
    pub(crate) refuses_reads: AtomicBool,
}

/// The server; gone when dropped.
pub(crate) struct Sftp {
    pub(crate) faults: Arc<Faults>,
    /// What it shows.
    pub(crate) root: PathBuf,
    tools: tempfile::TempDir,
    _runtime: Runtime,
}

impl Sftp {
    pub(crate) fn start() -> Sftp {
        let runtime = Runtime::new().expect("threads");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let faults = Arc::new(Faults {
            hangs_up_after: AtomicU64::new(u64::MAX),
            hangs_up: AtomicU64::new(0),
            replaces: AtomicBool::new(false),
            garbles: AtomicBool::new(false),
            refuses_reads: AtomicBool::new(false),
        });
        let tools = tempfile::tempdir().expect("a folder");
        let root = tools.path().join("root");
        fs::create_dir(&root).expect("a folder");
        let (own, shown) = (Arc::clone(&faults), root.clone());
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (left, faults) = (own.hangs_up_after.load(Ordering::SeqCst), Arc::clone(&own));
                let line = Line { stream, left, is_cut: false, faults };
                let folder = Folder { root: shown.clone(), faults: Arc::clone(&own), open: HashMap::new(), next: 0 };
                server::run(line, folder).await;
            }
        });
        let sftp = Sftp { faults, root, tools, _runtime: runtime };
        sftp.ssh(&format!("exec 3<>/dev/tcp/127.0.0.1/{port}; cat <&3 & exec cat >&3"));
        sftp
    }

    /// What stands for `ssh`.
    pub(crate) fn command(&self) -> PathBuf {
        self.tools.path().join("ssh")
    }

    /// Has `ssh` do something else; its words stand in a file beside it.
    pub(crate) fn ssh(&self, script: &str) {
        let text =
            format!("#!/bin/bash\nprintf '%s\\n' \"$@\" >\"${{0%/*}}/words\"\necho >>\"${{0%/*}}/calls\"\n{script}\n");
        fs::write(self.command(), text).expect("a script");
        fs::set_permissions(self.command(), fs::Permissions::from_mode(0o755)).expect("a script");
    }

    /// The words that `ssh` was given last.
    pub(crate) fn words(&self) -> Vec<String> {
        let words = fs::read_to_string(self.tools.path().join("words")).expect("it was called");
        words.lines().map(str::to_owned).collect()
    }

    /// How often it was called.
    pub(crate) fn calls(&self) -> u64 {
        fs::read(self.tools.path().join("calls")).expect("it was called").len() as u64
    }

    /// Hangs up so many times, each time after so many bytes.
    pub(crate) fn hang_up(&self, times: u64, after: u64) {
        self.faults.hangs_up_after.store(after, Ordering::SeqCst);
        self.faults.hangs_up.store(times, Ordering::SeqCst);
    }
}

/// A connection that may end in the middle of what comes and goes.
struct Line {
    stream: TcpStream,
    left: u64,
    is_cut: bool,
    faults: Arc<Faults>,
}

impl Line {
    /// How many of so many bytes pass before it hangs up.
    fn passing(&mut self, wanted: usize) -> io::Result<usize> {
        if self.left == 0 && !self.is_cut {
            let times = &self.faults.hangs_up;
            self.is_cut = times.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |times| times.checked_sub(1)).is_ok();
            self.left = u64::MAX;
        }
        if self.is_cut {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(wanted.min(usize::try_from(self.left).unwrap_or(usize::MAX)))
    }
}

impl AsyncRead for Line {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut piece = [0; 4096];
        let most = self.passing(buffer.remaining().min(piece.len()))?;
        let mut part = ReadBuf::new(&mut piece[..most]);
        let polled = Pin::new(&mut self.stream).poll_read(context, &mut part);
        buffer.put_slice(part.filled());
        self.left -= part.filled().len() as u64;
        polled
    }
}

impl AsyncWrite for Line {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let most = self.passing(bytes.len())?;
        let polled = Pin::new(&mut self.stream).poll_write(context, &bytes[..most]);
        if let Poll::Ready(Ok(written)) = polled {
            self.left -= written as u64;
        }
        polled
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// What a handle stands for.
enum Opened {
    File(fs::File),
    /// Entries that were not told yet.
    Folder(Vec<File>),
}

/// A folder as one connection sees it: the root is where its paths begin.
struct Folder {
    root: PathBuf,
    faults: Arc<Faults>,
    open: HashMap<String, Opened>,
    next: u32,
}

impl Folder {
    fn path(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    fn handle(&mut self, id: u32, opened: Opened) -> Handle {
        self.next += 1;
        self.open.insert(self.next.to_string(), opened);
        Handle { id, handle: self.next.to_string() }
    }

    fn file(&mut self, handle: &str) -> Result<&mut fs::File, StatusCode> {
        match self.open.get_mut(handle) {
            Some(Opened::File(file)) => Ok(file),
            _ => Err(StatusCode::BadMessage),
        }
    }
}

fn refusal(error: io::Error) -> StatusCode {
    match error.kind() {
        io::ErrorKind::NotFound => StatusCode::NoSuchFile,
        io::ErrorKind::PermissionDenied => StatusCode::PermissionDenied,
        _ => StatusCode::Failure,
    }
}

fn done(id: u32) -> Status {
    Status { id, status_code: StatusCode::Ok, error_message: String::new(), language_tag: String::new() }
}

fn facts(path: &Path) -> Result<FileAttributes, StatusCode> {
    Ok(FileAttributes::from(&fs::symlink_metadata(path).map_err(refusal)?))
}

impl Handler for Folder {
    type Error = StatusCode;

    fn unimplemented(&self) -> StatusCode {
        StatusCode::OpUnsupported
    }

    async fn open(&mut self, id: u32, name: String, flags: OpenFlags, _: FileAttributes) -> Result<Handle, StatusCode> {
        let mut options = OpenOptions::new();
        options.read(flags.contains(OpenFlags::READ)).write(flags.contains(OpenFlags::WRITE));
        options.create_new(flags.contains(OpenFlags::CREATE | OpenFlags::EXCLUDE));
        let file = options.open(self.path(&name)).map_err(refusal)?;
        Ok(self.handle(id, Opened::File(file)))
    }

    async fn close(&mut self, id: u32, handle: String) -> Result<Status, StatusCode> {
        self.open.remove(&handle).map(|_| done(id)).ok_or(StatusCode::BadMessage)
    }

    async fn read(&mut self, id: u32, handle: String, offset: u64, length: u32) -> Result<Data, StatusCode> {
        if self.faults.refuses_reads.load(Ordering::SeqCst) {
            return Err(StatusCode::Failure);
        }
        let file = self.file(&handle)?;
        // Less than was asked for is an answer as well.
        let mut data = vec![0; length.min(20_000) as usize];
        file.seek(SeekFrom::Start(offset)).map_err(refusal)?;
        let read = file.read(&mut data).map_err(refusal)?;
        data.truncate(read);
        if data.is_empty() { Err(StatusCode::Eof) } else { Ok(Data { id, data }) }
    }

    async fn write(&mut self, id: u32, handle: String, offset: u64, mut data: Vec<u8>) -> Result<Status, StatusCode> {
        if self.faults.garbles.load(Ordering::SeqCst) {
            data[0] ^= 1;
        }
        self.file(&handle)?.write_all_at(&data, offset).map_err(refusal)?;
        Ok(done(id))
    }

    async fn opendir(&mut self, id: u32, path: String) -> Result<Handle, StatusCode> {
        let mut files = Vec::new();
        for entry in fs::read_dir(self.path(&path)).map_err(refusal)? {
            let entry = entry.map_err(refusal)?;
            files.push(File::new(entry.file_name().to_string_lossy(), facts(&entry.path())?));
        }
        Ok(self.handle(id, Opened::Folder(files)))
    }

    async fn readdir(&mut self, id: u32, handle: String) -> Result<Name, StatusCode> {
        let Some(Opened::Folder(files)) = self.open.get_mut(&handle) else { return Err(StatusCode::BadMessage) };
        let files: Vec<File> = files.drain(..files.len().min(3)).collect();
        if files.is_empty() { Err(StatusCode::Eof) } else { Ok(Name { id, files }) }
    }

    async fn stat(&mut self, id: u32, path: String) -> Result<Attrs, StatusCode> {
        Ok(Attrs { id, attrs: facts(&self.path(&path))? })
    }

    async fn mkdir(&mut self, id: u32, path: String, _: FileAttributes) -> Result<Status, StatusCode> {
        fs::create_dir(self.path(&path)).map(|()| done(id)).map_err(refusal)
    }

    async fn remove(&mut self, id: u32, path: String) -> Result<Status, StatusCode> {
        fs::remove_file(self.path(&path)).map(|()| done(id)).map_err(refusal)
    }

    async fn rename(&mut self, id: u32, from: String, to: String) -> Result<Status, StatusCode> {
        let (from, to) = (self.path(&from), self.path(&to));
        if to.exists() && !self.faults.replaces.load(Ordering::SeqCst) {
            return Err(StatusCode::Failure);
        }
        fs::rename(from, to).map(|()| done(id)).map_err(refusal)
    }
}
