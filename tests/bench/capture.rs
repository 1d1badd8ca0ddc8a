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

mod support;

use std::path::Path;

use futures_util::stream::{self, StreamExt};
use pdbak::capture::{self, Outcome, Wanted};
use pdbak::catalogue::{self, Listing};
use pdbak::clock::Clock;
use pdbak::monitor::Silent;
use serde_json::{Value, json};
use support::{account, archive, client, end, get, number, report, role, runtime, signed};

/// CPU of a first snapshot over that of downloading and parsing its pages.
const MUST_CPU: f64 = 3.0;
/// Peak memory in MiB up to 100,000 records, and of more.
const MUST_PEAK: (f64, f64) = (150.0, 200.0);

fn main() {
    let arguments = support::words();
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
    let (mut sandbox, url) = support::start_sandbox(&["--records", &records.to_string()]);
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
    end(&mut sandbox);
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

fn capture_once(url: &str, root: &Path, scope: &str) -> Value {
    let begun = std::time::Instant::now();
    let archive = archive(root);
    let lists = |object: &&'static catalogue::Object| matches!(object.listing, Listing::Flat(_) | Listing::Bulk { .. });
    let objects = if scope == "lists" { catalogue::ALL.iter().copied().filter(lists).collect() } else { Vec::new() };
    let wanted = Wanted { objects, contents: scope == "all", ..Wanted::default() };
    let outcome = runtime().block_on(async {
        let account = account(url).await;
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
    let answer = signed(client, "GET", path).send().await.expect("an answer");
    let body = answer.bytes().await.expect("a body");
    serde_json::from_slice(&body).unwrap_or_default()
}

fn path(url: &str, seen: &Value) -> String {
    let query = seen["query"].as_str().unwrap_or_default().trim_start_matches('?');
    format!("{url}{}?{query}", seen["path"].as_str().expect("a path"))
}
