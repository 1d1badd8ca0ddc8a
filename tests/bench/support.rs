//! What the benches share: the sandbox in a process of its own, roles of the bench in further ones, and what the kernel counted of them.

#![allow(dead_code, reason = "each bench uses its part")]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use pdbak::account::{Account, Allowance, Endpoint, Token};
use pdbak::archive::{Archive, Protection, Unlock};
use pdbak::clock::Clock;
use serde_json::{Value, json};

const TOKEN: &str = "bench-token";

/// The words after `cargo bench --bench NAME --`.
pub(crate) fn words() -> Vec<String> {
    std::env::args().skip(1).filter(|argument| argument != "--bench").collect()
}

/// Starts a sandbox; answers it and its address.
pub(crate) fn start_sandbox(arguments: &[&str]) -> (Child, String) {
    let mut sandbox = Command::new(env!("CARGO_BIN_EXE_pdbak"))
        .args(["sandbox", "--listen", "127.0.0.1:0", "--token", TOKEN, "--json", "--quiet"])
        .args(arguments)
        .stdout(Stdio::piped())
        .spawn()
        .expect("the sandbox starts");
    let mut line = String::new();
    let stdout = sandbox.stdout.take().expect("its output is a pipe");
    BufReader::new(stdout).read_line(&mut line).expect("it says where it answers");
    let said: Value = serde_json::from_str(&line).expect("one line of JSON");
    (sandbox, said["url"].as_str().expect("an address").to_owned())
}

/// Ends it.
pub(crate) fn end(sandbox: &mut Child) {
    sandbox.kill().expect("the sandbox ends");
    sandbox.wait().expect("the sandbox ended");
}

/// Runs this program in a role and reads its figures.
pub(crate) fn role(arguments: &[&str]) -> Value {
    let own = std::env::current_exe().expect("this program's path");
    let output = Command::new(own).arg("role").args(arguments).stderr(Stdio::inherit()).output().expect("it runs");
    serde_json::from_slice(&output.stdout).expect("figures")
}

/// Prints the figures of a role with this process's own.
pub(crate) fn report(mut figures: Value) {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("what the kernel counted");
    let after_name: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split(' ').collect();
    let ticks: f64 = [11, 12].iter().map(|at| after_name[*at].parse::<f64>().expect("ticks")).sum();
    let status = std::fs::read_to_string("/proc/self/status").expect("what the kernel counted");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("peak memory");
    let peak: f64 = peak.trim().trim_end_matches(" kB").parse().expect("kilobytes");
    // The kernel counts hundredths of a second on every Linux that pdbak is built for.
    figures["cpu"] = json!(ticks / 100.0);
    figures["peak"] = json!(peak / 1024.0);
    println!("{figures}");
}

/// A figure among others.
pub(crate) fn number(figures: &Value, name: &str) -> f64 {
    figures[name].as_f64().unwrap_or(f64::NAN)
}

struct Secret;

impl Unlock for Secret {
    fn passphrase(&self) -> Result<zeroize::Zeroizing<String>, pdbak::archive::Error> {
        Ok(zeroize::Zeroizing::new("bench".to_owned()))
    }
}

/// Opens the archive of the bench, or makes it.
pub(crate) fn archive(root: &Path) -> Archive {
    if root.exists() {
        return Archive::open(root, &Secret, Clock::System).expect("an archive");
    }
    let passphrase = zeroize::Zeroizing::new("bench".to_owned());
    Archive::create(root, Protection::Encrypted { passphrase, recovery: None }, Clock::System).expect("an archive")
}

/// Opens the sandbox's account with everything to spend.
pub(crate) async fn account(url: &str) -> Account {
    let endpoint = Endpoint::parse(url).expect("an address");
    let token = Token::new(TOKEN.to_owned());
    Account::connect(endpoint, token, Allowance::Unlimited, Clock::System).await.expect("an account")
}

/// A client beside pdbak's own.
pub(crate) fn client() -> reqwest::Client {
    // Opening an account installs it as well; this may be the first time.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::new()
}

/// Asks the sandbox itself.
pub(crate) fn get(url: &str, method: &str, path: &str) -> Value {
    runtime().block_on(async {
        let request = client().request(method.parse().expect("a method"), format!("{url}{path}"));
        request.send().await.expect("an answer").json().await.unwrap_or_default()
    })
}

/// A request as the account takes it.
pub(crate) fn signed(client: &reqwest::Client, verb: &str, address: String) -> reqwest::RequestBuilder {
    client.request(verb.parse().expect("a method"), address).header("x-api-token", TOKEN)
}

/// Sends one request as often as it takes.
pub(crate) async fn insist(client: &reqwest::Client, url: &str, (verb, path, body): (&str, String, Option<Value>)) {
    loop {
        let request = signed(client, verb, format!("{url}{path}"));
        let request = match &body {
            Some(body) => request.json(body),
            None => request,
        };
        let status = request.send().await.expect("an answer").status().as_u16();
        if status != 429 {
            // What went with its parent is gone already, and a lead without person and organization takes no edit.
            assert!(status < 300 || matches!(status, 400 | 404 | 410), "{verb} {path}: {status}");
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Two threads, like the program's own.
pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime")
}
