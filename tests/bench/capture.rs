//! What a capture costs the client beside merely downloading and parsing the same pages.
//!
//! `cargo bench --bench capture [-- RECORDS [pages|all]]` starts a sandbox in another
//! process, captures its lists in a second one (with `pages`: also what hangs under
//! single parents; with `all`: contents, too), and lets a third ask for exactly the same pages
//! and parse them. Printed are the processes' own figures: CPU time and peak
//! memory as the kernel counted them, beside what they must be. Nothing here is
//! a test: the figures depend on the machine and on who else uses it.
//!
//! On file systems without a journal, folders from which many files were deleted
//! minutes ago make new files dear (ext4 looks at each of them): let some minutes
//! pass between two runs.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use futures_util::stream::{self, StreamExt};
use pdbak::account::{Account, Allowance, Endpoint, Token};
use pdbak::archive::{Archive, Protection, Unlock};
use pdbak::capture::{self, Outcome, Wanted};
use pdbak::catalogue::{self, Listing};
use pdbak::clock::Clock;
use pdbak::monitor::Silent;
use serde_json::{Value, json};

const TOKEN: &str = "bench-token";
/// CPU of a first snapshot over that of downloading and parsing its pages.
const MUST_CPU: f64 = 3.0;
/// Peak memory in MiB up to 100,000 records, and of more.
const MUST_PEAK: (f64, f64) = (150.0, 200.0);

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["role", "capture", url, root, scope] => report(capture_once(url, Path::new(root), scope)),
        ["role", "replay", url, pages] => report(replay(url, Path::new(pages))),
        [] => measure(100_000, "lists"),
        [records] => measure(records.parse().expect("a number of records"), "lists"),
        [records, scope] => measure(records.parse().expect("a number of records"), scope),
        other => panic!("cannot make sense of {other:?}"),
    }
}

/// Runs the three processes and prints what they cost.
fn measure(records: u64, scope: &str) {
    let (mut sandbox, url) = start_sandbox(records);
    let home = tempfile::tempdir().expect("a folder");
    let root = home.path().join("archive");
    let root = root.to_str().expect("a path in UTF-8");
    get(&url, "DELETE", "/sandbox/log");
    let first = role(&["capture", &url, root, scope]);
    let log = get(&url, "GET", "/sandbox/log");
    let pages = home.path().join("pages");
    std::fs::write(&pages, log.to_string()).expect("a list of pages");
    let plain = role(&["replay", &url, pages.to_str().expect("a path in UTF-8")]);
    let second = role(&["capture", &url, root, scope]);
    sandbox.kill().expect("the sandbox ends");
    sandbox.wait().expect("the sandbox ended");
    println!("{:<28}{:>10}{:>10}{:>10}{:>12}{:>10}", "", "CPU s", "wall s", "MiB peak", "requests", "tokens");
    for (name, figures) in [("download and parse", &plain), ("first snapshot", &first), ("second, unchanged", &second)]
    {
        println!(
            "{name:<28}{:>10.2}{:>10.2}{:>10.1}{:>12}{:>10}",
            number(figures, "cpu"),
            number(figures, "wall"),
            number(figures, "peak"),
            figures["requests"].to_string(),
            figures["tokens"].to_string()
        );
    }
    println!("records {}, bytes added {}, then {}", first["records"], first["bytes"], second["bytes"]);
    let must_peak = if records <= 100_000 { MUST_PEAK.0 } else { MUST_PEAK.1 };
    bar("CPU of a first snapshot over download and parse", number(&first, "cpu") / number(&plain, "cpu"), MUST_CPU);
    bar("MiB peak of both snapshots", number(&first, "peak").max(number(&second, "peak")), must_peak);
}

/// A measured figure beside the most that it may be.
fn bar(name: &str, measured: f64, must: f64) {
    let verdict = if measured <= must { "met" } else { "missed" };
    println!("{name:<48}{measured:>8.2}   must {must:.1}   {verdict}");
}

fn number(figures: &Value, name: &str) -> f64 {
    figures[name].as_f64().unwrap_or(f64::NAN)
}

fn start_sandbox(records: u64) -> (Child, String) {
    let mut sandbox = Command::new(env!("CARGO_BIN_EXE_pdbak"))
        .args(["sandbox", "--listen", "127.0.0.1:0", "--token", TOKEN, "--records", &records.to_string(), "--json"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("the sandbox starts");
    let mut line = String::new();
    let stdout = sandbox.stdout.take().expect("its output is a pipe");
    BufReader::new(stdout).read_line(&mut line).expect("it says where it answers");
    let said: Value = serde_json::from_str(&line).expect("one line of JSON");
    (sandbox, said["url"].as_str().expect("an address").to_owned())
}

/// Runs this program in a role and reads its figures.
fn role(arguments: &[&str]) -> Value {
    let own = std::env::current_exe().expect("this program's path");
    let output = Command::new(own).arg("role").args(arguments).stderr(Stdio::inherit()).output().expect("it runs");
    serde_json::from_slice(&output.stdout).expect("figures")
}

fn report(mut figures: Value) {
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

struct NoSecret;

impl Unlock for NoSecret {
    fn passphrase(&self) -> Result<zeroize::Zeroizing<String>, pdbak::archive::Error> {
        Ok(zeroize::Zeroizing::new("bench".to_owned()))
    }
}

fn capture_once(url: &str, root: &Path, scope: &str) -> Value {
    let begun = std::time::Instant::now();
    let archive = if root.exists() {
        Archive::open(root, &NoSecret, Clock::System).expect("an archive")
    } else {
        let passphrase = zeroize::Zeroizing::new("bench".to_owned());
        Archive::create(root, Protection::Encrypted { passphrase, recovery: None }, Clock::System).expect("an archive")
    };
    let lists = |object: &&'static catalogue::Object| matches!(object.listing, Listing::Flat(_) | Listing::Bulk { .. });
    let objects = if scope == "lists" { catalogue::ALL.iter().copied().filter(lists).collect() } else { Vec::new() };
    let wanted = Wanted { objects, contents: scope == "all", ..Wanted::default() };
    let endpoint = Endpoint::parse(url).expect("an address");
    let outcome = runtime().block_on(async {
        let token = Token::new(TOKEN.to_owned());
        let account = Account::connect(endpoint, token, Allowance::Unlimited, Clock::System).await.expect("an account");
        capture::capture(&account, &archive, &wanted, Clock::System, &Silent).await.expect("a capture")
    });
    let Outcome::Finished(manifest) = outcome else { panic!("the sandbox has no budget") };
    let records: u64 = manifest.contents.iter().map(|contents| contents.records).sum();
    json!({
        "wall": begun.elapsed().as_secs_f64(), "requests": manifest.requests, "tokens": manifest.tokens,
        "records": records, "bytes": manifest.bytes_added,
    })
}

/// Asks for the same pages, as many at once as a capture does, and parses each.
fn replay(url: &str, pages: &Path) -> Value {
    let begun = std::time::Instant::now();
    let log: Value = serde_json::from_slice(&std::fs::read(pages).expect("a list of pages")).expect("a list of pages");
    let log = log.as_array().or_else(|| log["requests"].as_array()).expect("requests").clone();
    let paths: Vec<String> =
        log.iter().filter(|seen| seen["status"] == json!(200)).map(|seen| path(url, seen)).collect();
    let requests = paths.len();
    runtime().block_on(async {
        let client = client();
        let rows = stream::iter(paths).map(|path| one(&client, path)).buffer_unordered(4);
        rows.for_each(|value| async move { drop(value) }).await;
    });
    json!({"wall": begun.elapsed().as_secs_f64(), "requests": requests, "tokens": 0})
}

async fn one(client: &reqwest::Client, path: String) -> Value {
    let answer = client.get(path).header("x-api-token", TOKEN).send().await.expect("an answer");
    let body = answer.bytes().await.expect("a body");
    serde_json::from_slice(&body).unwrap_or_default()
}

fn path(url: &str, seen: &Value) -> String {
    let query = seen["query"].as_str().unwrap_or_default().trim_start_matches('?');
    format!("{url}{}?{query}", seen["path"].as_str().expect("a path"))
}

fn client() -> reqwest::Client {
    // A second role in the same process does not exist, so this is the first time.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::new()
}

fn get(url: &str, method: &str, path: &str) -> Value {
    runtime().block_on(async {
        let request = client().request(method.parse().expect("a method"), format!("{url}{path}"));
        request.send().await.expect("an answer").json().await.unwrap_or_default()
    })
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime")
}
