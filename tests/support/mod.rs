//! A world for a story: a folder of its own, a sandbox that answers on this machine, and an archive.
//!
//! A story speaks to the library (`account`, `archive`, `snapshot`) or to the
//! program (`pdbak`), edits the account as somebody else would (`call`), and
//! compares with the truth as the sandbox tells it (`judge`). Nothing sleeps and
//! nothing is left to chance: the company follows from its seed.

mod ear;
mod forger;
mod killer;
mod mail;
mod novelty;
mod operations;
mod recorder;
mod relay;
pub(crate) mod s3;
pub(crate) mod sftp;
mod tap;
mod tls;
mod truth;

use std::path::{Path, PathBuf};
use std::process::Command;

use pdbak::account::{self, Account, Allowance, Endpoint, Token};
use pdbak::archive::{Archive, Contents, Manifest, Protection, Snapshot, Unlock};
use pdbak::capture::{self, Outcome, Wanted};
use pdbak::catalogue::ObjectName;
use pdbak::clock::Clock;
use pdbak::monitor::{Monitor, Silent};
use pdbak::sandbox::{Options, Running, Sandbox};
use serde_json::Value;
use tokio::runtime::Runtime;

pub(crate) use ear::{Ear, Heard};
pub(crate) use forger::Forged;
pub(crate) use killer::Killer;
use recorder::Recorder;
pub(crate) use tap::Tap;
pub(crate) use tls::Authority;
pub(crate) use truth::{assert_holds_the_truth, held};

/// What the program answered.
pub(crate) struct Output {
    /// The exit code.
    pub(crate) code: i32,
    /// Data.
    pub(crate) stdout: String,
    /// Talk.
    pub(crate) stderr: String,
}

impl Output {
    /// The data as one JSON value.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {}{}", self.stdout, self.stderr))
    }
}

/// An archive without encryption needs no secret.
pub(crate) struct NoSecret;

impl Unlock for NoSecret {
    fn passphrase(&self) -> Result<zeroize::Zeroizing<String>, pdbak::archive::Error> {
        Ok(zeroize::Zeroizing::new(String::new()))
    }
}

/// A folder, a sandbox and an archive.
pub(crate) struct World {
    home: tempfile::TempDir,
    sandbox: Option<Running>,
    recorder: Option<Recorder>,
    client: reqwest::Client,
    runtime: Runtime,
}

impl World {
    /// A company of about so many records.
    pub(crate) fn of(records: u64) -> World {
        World::with(Options { records, ..Options::default() })
    }

    /// A sandbox started in a certain way.
    pub(crate) fn with(options: Options) -> World {
        // Another story may have installed it already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let threads = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = threads.expect("a runtime");
        let spoiled = !options.faults.is_empty();
        // Whoever allows an application is told the account's own address, so that nothing may stand before it.
        let is_met_directly = options.oauth.is_some();
        let sandbox = runtime.block_on(Sandbox::start(options)).expect("a sandbox");
        let recorder = runtime.block_on(Recorder::before(sandbox.url(), spoiled)).filter(|_| !is_met_directly);
        let home = tempfile::tempdir().expect("a folder");
        World { home, sandbox: Some(sandbox), recorder, client: reqwest::Client::new(), runtime }
    }

    /// A path in the world's folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// Where the account answers: the sandbox, or the wire before it that keeps a record.
    pub(crate) fn url(&self) -> String {
        let sandbox = || self.sandbox.as_ref().expect("it runs as long as the world").url();
        self.recorder.as_ref().map_or_else(sandbox, Recorder::url)
    }

    /// A wire to the account on which answers are forged: where the program finds it.
    pub(crate) fn forged(&self, forge: impl Fn(&str, &str) -> Option<Forged> + Send + Sync + 'static) -> String {
        self.run(forger::before(self.url(), Box::new(forge)))
    }

    /// Runs a future to its end.
    pub(crate) fn run<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    /// The live account; only one that may spend everything.
    pub(crate) fn account(&self) -> Account {
        self.account_with(Allowance::Unlimited)
    }

    /// The live account; one that may spend so much.
    pub(crate) fn account_with(&self, allowance: Allowance) -> Account {
        self.run(self.connect(&self.url(), allowance)).expect("an account")
    }

    /// The live account, met at some address.
    pub(crate) async fn connect(&self, url: &str, allowance: Allowance) -> Result<Account, account::Error> {
        let endpoint = Endpoint::parse(url).expect("the sandbox's address");
        let token = Token::new(self.sandbox.as_ref().expect("it runs").token().to_owned());
        Account::connect(endpoint, token, allowance, Clock::System).await
    }

    /// The archive, without encryption; made when there is none.
    pub(crate) fn archive(&self) -> Archive {
        let root = self.path("archive");
        if root.exists() {
            Archive::open(&root, &NoSecret, Clock::System).expect("an archive")
        } else {
            Archive::create(&root, Protection::Clear, Clock::System).expect("a new archive")
        }
    }

    /// Takes a snapshot of everything; it has to be finished.
    pub(crate) fn snapshot(&self) -> Manifest {
        self.snapshot_of(&Wanted::default())
    }

    /// Takes a snapshot; it has to be finished.
    pub(crate) fn snapshot_of(&self, wanted: &Wanted) -> Manifest {
        match self.capture(wanted, &Silent).expect("a snapshot") {
            Outcome::Finished(manifest) => {
                for one in &manifest.contents {
                    let certificate = one.certificate.expect("every capture counts");
                    assert_eq!(certificate.mismatch(one.records), None, "{}: {certificate:?}", one.object);
                }
                manifest
            }
            Outcome::Paused { until, .. } => panic!("the budget is spent until {until}"),
        }
    }

    /// Captures once, however it ends.
    pub(crate) fn capture(&self, wanted: &Wanted, monitor: &dyn Monitor) -> Result<Outcome, capture::Error> {
        let (account, archive) = (self.account(), self.archive());
        self.run(capture::capture(&account, &archive, wanted, Clock::System, monitor))
    }

    /// Begins a capture that is killed after so many pages; true when it was finished before.
    pub(crate) fn capture_until_page(&self, pages: u64) -> bool {
        let (account, archive, killer) = (self.account(), self.archive(), Killer::after(pages));
        let wanted = Wanted::default();
        self.run(async {
            tokio::select! {
                biased;
                () = killer.strikes() => false,
                outcome = capture::capture(&account, &archive, &wanted, Clock::System, &killer) => {
                    outcome.expect("a snapshot");
                    true
                }
            }
        })
    }

    /// Opens a snapshot of the archive.
    pub(crate) fn read<T>(&self, manifest: &Manifest, look: impl FnOnce(&Snapshot<'_>) -> T) -> T {
        let archive = self.archive();
        let snapshot = archive.snapshot(&manifest.id).expect("a snapshot");
        look(&snapshot)
    }

    /// The whole truth: object name to rows.
    pub(crate) fn judge(&self) -> Value {
        self.call("GET", "/sandbox/judge", None)
    }

    /// Requests and tokens so far.
    pub(crate) fn meter(&self) -> Value {
        self.call("GET", "/sandbox/meter", None)
    }

    /// Orders faults, each as `METHOD PATH [after=N] [times=N] FAULT`.
    pub(crate) fn order(&self, faults: &[&str]) {
        self.call("POST", "/sandbox/faults", Some(&serde_json::json!(faults)));
    }

    /// Takes all faults back.
    pub(crate) fn clear_faults(&self) {
        self.call("DELETE", "/sandbox/faults", None);
    }

    /// Moves the sandbox's clock.
    pub(crate) fn advance_seconds(&self, seconds: u64) {
        self.call("POST", "/sandbox/clock", Some(&serde_json::json!({"advance_seconds": seconds})));
    }

    /// One request, as somebody else's client sends it; the answer's body.
    pub(crate) fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Value {
        let (status, answer) = self.attempt(method, path, body);
        assert!((200..300).contains(&status), "{path}: {status}: {answer}");
        answer
    }

    /// One request that the service may refuse; the answer's status and body.
    pub(crate) fn attempt(&self, method: &str, path: &str, body: Option<&Value>) -> (u16, Value) {
        let sandbox = self.sandbox.as_ref().expect("it runs as long as the world");
        self.run(async {
            let method = method.parse().expect("a method");
            let request = self.client.request(method, format!("{}{path}", self.url()));
            let request = request.header("x-api-token", sandbox.token());
            let request = if let Some(body) = body { request.json(body) } else { request };
            let answer = request.send().await.expect("an answer");
            let status = answer.status().as_u16();
            let text = answer.text().await.expect("a body");
            (status, serde_json::from_str(&text).unwrap_or(Value::Null))
        })
    }

    /// Uploads contents as the given part.
    pub(crate) fn upload(&self, path: &str, part: &'static str, bytes: Vec<u8>) {
        let sandbox = self.sandbox.as_ref().expect("it runs as long as the world");
        self.run(async {
            let contents = reqwest::multipart::Part::bytes(bytes).file_name("other.png");
            let request = self.client.post(format!("{}{path}", self.url())).header("x-api-token", sandbox.token());
            let form = reqwest::multipart::Form::new().part(part, contents);
            let answer = request.multipart(form).send().await.expect("an answer");
            assert!(answer.status().is_success(), "{path}: {}", answer.status());
        });
    }

    /// The contents of a file, as anybody downloads them.
    pub(crate) fn download(&self, file: u64) -> Vec<u8> {
        let sandbox = self.sandbox.as_ref().expect("it runs as long as the world");
        self.run(async {
            let request = self.client.get(format!("{}/v1/files/{file}/download", self.url()));
            let answer = request.header("x-api-token", sandbox.token()).send().await.expect("an answer");
            assert!(answer.status().is_success(), "{file}: {}", answer.status());
            answer.bytes().await.expect("contents").to_vec()
        })
    }

    /// Runs the program on this world's account and archive.
    pub(crate) fn pdbak(&self, arguments: &[&str]) -> Output {
        self.pdbak_command(arguments).run()
    }

    /// Runs the program on the account as it is met at some address.
    pub(crate) fn pdbak_at(&self, url: &str, arguments: &[&str]) -> Output {
        let mut program = self.pdbak_command(arguments);
        program.0.env("PDBAK_BASE_URL", url);
        program.run()
    }

    /// The program, ready to run on this world's account and archive.
    pub(crate) fn pdbak_command(&self, arguments: &[&str]) -> Program {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pdbak"));
        command.args(arguments).current_dir(self.home.path()).env_clear();
        command.env("PATH", "/usr/bin:/bin").env("HOME", self.home.path());
        command.env("PDBAK_BASE_URL", self.url()).env("PDBAK_ARCHIVE", self.path("archive"));
        command.env("PDBAK_API_TOKEN", self.sandbox.as_ref().expect("it runs").token());
        Program(command)
    }
}

/// The program before it runs.
pub(crate) struct Program(pub(crate) Command);

impl Program {
    /// Runs it to its end.
    pub(crate) fn run(mut self) -> Output {
        let output = self.0.output().expect("the program runs");
        Output {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// What a snapshot says of an object.
pub(crate) fn contents<'m>(manifest: &'m Manifest, object: &str) -> &'m Contents {
    let name = ObjectName::new(object);
    let found = manifest.contents.iter().find(|contents| contents.object == name);
    found.unwrap_or_else(|| panic!("{object} is not in the snapshot"))
}

/// All files below a folder and their sizes together.
pub(crate) fn bytes_in(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| {
            if entry.path().is_dir() {
                bytes_in(&entry.path())
            } else {
                entry.metadata().map_or(0, |facts| facts.len())
            }
        })
        .sum()
}
