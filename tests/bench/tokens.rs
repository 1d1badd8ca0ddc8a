//! What captures of a company cost in tokens, object by object, beside the least that is possible.
//!
//! `cargo bench --bench tokens [-- SHARE]` starts a sandbox with 10,000 deals, 10,000
//! persons, 5,000 organizations, 30,000 activities, 20,000 notes and 5,000 files (or
//! that many divided by SHARE) and takes three snapshots: the first, one of the
//! unchanged company, and one after 1 % of the records were edited, 0.1 % deleted and
//! 0.1 % added. What was spent is read off the sandbox's meter. The floor is what the
//! truth of the sandbox asks for: full pages of each list, one call for each parent
//! whose row does not say that it has no children, one for each file. Tokens do not
//! depend on the machine.
//!
//! `cargo bench --bench tokens -- burst` measures how much of a burst limit a capture
//! uses that may spend everything, and that none of its requests is refused; it is the
//! last part of a run without words, too. It takes half a minute and a quiet machine.

mod support;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use futures_util::stream::{self, StreamExt};
use pdbak::capture::{self, Outcome, Wanted};
use pdbak::catalogue::{self, Listing, Object, ObjectName, Paging, Version};
use pdbak::clock::Clock;
use pdbak::monitor::Silent;
use serde_json::{Value, json};
use support::{account, archive, client, end, get, insist, report, role, runtime};

/// The first snapshot over its floor, and an unchanged second one over the first.
const MUST: (f64, f64) = (1.15, 0.05);
/// Requests in two seconds of the plans from Lite to Ultimate, and the least share of them that a capture uses.
const BURSTS: [u64; 3] = [20, 40, 120];
const BURST_MUST: f64 = 0.90;
/// Companies whose captures take some ten seconds each at these limits.
const BURST_RECORDS: [u64; 3] = [60, 300, 1_500];
/// The company: kinds and how many.
const COMPANY: [(&str, u64); 6] = [
    ("deals", 10_000),
    ("persons", 10_000),
    ("organizations", 5_000),
    ("activities", 30_000),
    ("notes", 20_000),
    ("files", 5_000),
];
/// The first snapshot of other tools: the issue and rivals' own sources, by the prices of August 2026.
const OTHERS: [(&str, u64); 5] = [
    ("the four big lists and nothing else", 1_140),
    ("tap-pipedrive, without deal flow", 5_900),
    ("pipedrive-cli", 11_180),
    ("dlt, with followers and products", 201_120),
    ("Airbyte", 722_000),
];

fn main() {
    let arguments = support::words();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["role", "capture", url, root] => report(capture_once(url, Path::new(root))),
        ["burst"] => bursts(),
        [] => {
            measure(1);
            bursts();
        }
        [share] => measure(share.parse().expect("a number to divide by")),
        other => panic!("cannot make sense of {other:?}"),
    }
}

/// What one call costs, and what was spent on it by each snapshot.
#[derive(Default)]
struct Line {
    names: Vec<String>,
    floor: u64,
    spent: [(u64, u64); 3],
    /// True when nothing says which parents have children.
    blind: bool,
}

fn measure(share: u64) {
    let counts: Vec<String> =
        COMPANY.iter().map(|(kind, number)| format!("--count={kind}={}", number / share)).collect();
    let records = (80_000 / share).to_string();
    let mut arguments = vec!["--records", records.as_str()];
    arguments.extend(counts.iter().map(String::as_str));
    let (mut sandbox, url) = support::start_sandbox(&arguments);
    let home = tempfile::tempdir().expect("a folder");
    let root = home.path().join("archive");
    let root = root.to_str().expect("a path in UTF-8");
    let mut lines = floor(&url);
    for run in 0..3 {
        if run == 2 {
            println!("changed before the third: {}", change(&url));
        }
        get(&url, "DELETE", "/sandbox/meter");
        role(&["capture", &url, root]);
        let meter = get(&url, "GET", "/sandbox/meter");
        assert_eq!(meter["refused"], json!(0), "nothing was refused");
        for (call, used) in meter["by_endpoint"].as_object().expect("calls") {
            let line = lines.entry(plain(call)).or_default();
            line.spent[run] = (used["tokens"].as_u64().unwrap_or(0), used["requests"].as_u64().unwrap_or(0));
        }
    }
    end(&mut sandbox);
    print(lines);
}

/// How much of a burst limit a capture uses: the least time in which the limit lets its requests through, over the time it took.
fn bursts() {
    println!("{:<28}{:>10}{:>10}{:>10}{:>10}", "burst limit", "requests", "wall s", "used", "refused");
    for (limit, records) in BURSTS.into_iter().zip(BURST_RECORDS) {
        let (burst, records) = (limit.to_string(), records.to_string());
        let (mut sandbox, url) = support::start_sandbox(&["--records", &records, "--burst", &burst]);
        let home = tempfile::tempdir().expect("a folder");
        let root = home.path().join("archive");
        get(&url, "DELETE", "/sandbox/meter");
        let figures = role(&["capture", &url, root.to_str().expect("a path in UTF-8")]);
        let meter = get(&url, "GET", "/sandbox/meter");
        end(&mut sandbox);
        let (requests, wall) = (support::number(&figures, "requests"), support::number(&figures, "wall"));
        // A window lets its requests through at its begin, so the last request waits for all whole windows before it.
        let least = 2.0 * ((requests - 1.0) / limit as f64).floor();
        let used = least / wall;
        let refused = meter["refused"].as_u64().expect("a count");
        println!("{limit:<28}{requests:>10}{wall:>10.1}{:>9.0}%{refused:>10}", used * 100.0);
        assert_eq!(refused, 0, "nothing is refused");
        let verdict = if used >= BURST_MUST { "met" } else { "missed" };
        println!("{:<40}{used:>8.3}   must {BURST_MUST:.2}   {verdict}", format!("share of {limit} in two seconds"));
    }
}

/// What each call costs at least, by the truth of the sandbox.
fn floor(url: &str) -> BTreeMap<String, Line> {
    let mut lines: BTreeMap<String, Line> = BTreeMap::new();
    let mut add = |call: String, name: String, floor: u64, blind: bool| {
        let line = lines.entry(call).or_default();
        line.names.push(name);
        line.floor += floor;
        line.blind |= blind && floor > 0;
    };
    let wanted = |object: &&&Object| !object.on_request && !object.is_removed();
    for object in catalogue::ALL.iter().filter(wanted) {
        let title = ObjectName::known(object.name).title();
        let rows = alive(url, object.name);
        let (calls, blind) = calls(url, object, rows.len() as u64);
        add(called(object.version, object.path), title.clone(), calls * u64::from(object.price), blind);
        for one in object.extended {
            let price = rows.len() as u64 * u64::from(one.price);
            add(called(one.version, one.path), format!("{title}.{}", one.name), price, false);
        }
        if let Some(contents) = object.contents.filter(|contents| contents.at.is_none()) {
            // Pipedrive's own files have a remote id, too: where they stand tells whether they can be downloaded.
            let own = |row: &&Value| matches!(row["remote_location"].as_str(), None | Some("" | "s3"));
            let has = rows.iter().filter(own).count() as u64;
            add(
                called(Version::V1, contents.path),
                format!("{title} contents"),
                has * u64::from(contents.price),
                false,
            );
        }
    }
    lines
}

/// How many calls an object takes at least, and whether they are made blindly.
fn calls(url: &str, object: &Object, rows: u64) -> (u64, bool) {
    let pages = |paging: Paging, rows: u64| match paging {
        Paging::Whole | Paging::One => 1,
        Paging::Cursor { limit } | Paging::Offset { limit } => rows.div_ceil(u64::from(limit)).max(1),
    };
    let parents = |names: &[&str], counter: Option<&str>| -> u64 {
        let has = |row: &Value| {
            counter.is_none_or(|counter| !matches!(&row[counter], Value::Null) && row[counter] != json!(0))
        };
        names.iter().map(|name| alive(url, name).iter().filter(|row| has(row)).count() as u64).sum()
    };
    match object.listing {
        Listing::Flat(paging) => {
            let least = object.parts.map_or(1, |parts| parts.values.len()).max(object.questions.len()) as u64;
            (pages(paging, rows).max(least), false)
        }
        Listing::Under { parents: names, counter, .. } => {
            let tells = counter.or(object.gate);
            (parents(names, tells), tells.is_none())
        }
        Listing::Bulk { parents: names, counter, batch, paging, .. } => {
            let calls = parents(names, counter.or(object.gate)).div_ceil(batch as u64);
            (calls.max(if rows > 0 { pages(paging, rows) } else { 0 }), false)
        }
        Listing::Derived { .. } | Listing::Within { .. } => (0, false),
    }
}

/// The rows of an object that are there.
fn alive(url: &str, name: &str) -> Vec<Value> {
    let title = ObjectName::new(name).title();
    let judge = get(url, "GET", &format!("/sandbox/judge?object={title}"));
    let rows = judge[&title].as_array().cloned().unwrap_or_default();
    let gone = |row: &Value| row["is_deleted"] == json!(true) || row["active_flag"] == json!(false);
    rows.into_iter().filter(|row| !gone(row)).collect()
}

/// A call as the meter names it, without the names of its parameters.
fn called(version: Version, path: &str) -> String {
    let root = match version {
        Version::V1 => "/v1",
        Version::V2 => "/api/v2",
    };
    plain(&format!("GET {root}{path}"))
}

fn plain(call: &str) -> String {
    let part = |part: &str| if part.starts_with('{') { "{}".to_owned() } else { part.to_owned() };
    call.split('/').map(part).collect::<Vec<_>>().join("/")
}

fn print(lines: BTreeMap<String, Line>) {
    let mut lines: Vec<(String, Line)> =
        lines.into_iter().filter(|(_, line)| line.spent[0].0 > 0 || line.floor > 0).collect();
    lines.sort_by_key(|(call, line)| (std::cmp::Reverse(line.spent[0].0), call.clone()));
    println!("{:<58}{:>9}{:>9}{:>7}{:>10}{:>9}", "tokens", "floor", "first", "ratio", "unchanged", "1 %");
    for (call, line) in &lines {
        let name = if line.names.is_empty() { call.clone() } else { line.names.join(", ") };
        let name: String = name.chars().take(52).collect::<String>() + if line.blind { " *" } else { "" };
        row(&name, line.floor, line.spent.map(|spent| spent.0));
    }
    let sum = |of: &dyn Fn(&Line) -> bool| {
        let chosen = || lines.iter().map(|(_, line)| line).filter(|line| of(line));
        let spent = [0, 1, 2].map(|run| chosen().map(|line| line.spent[run].0).sum::<u64>());
        (chosen().map(|line| line.floor).sum::<u64>(), spent)
    };
    let (floor, all) = sum(&|_| true);
    row("in all", floor, all);
    let (seen, told) = sum(&|line| !line.blind);
    row("without those marked *: no row tells who has any", seen, told);
    let requests = [0, 1, 2].map(|run| lines.iter().map(|(_, line)| line.spent[run].1).sum::<u64>());
    println!("requests: {} first, {} unchanged, {} after 1 %", requests[0], requests[1], requests[2]);
    bar("first over floor", all[0] as f64 / floor as f64, MUST.0);
    bar("unchanged over first", all[1] as f64 / all[0] as f64, MUST.1);
    for (tool, tokens) in OTHERS {
        println!("  other tools: {tokens:>9}  {tool}");
    }
}

fn row(name: &str, floor: u64, spent: [u64; 3]) {
    let ratio = if floor > 0 { format!("{:.2}", spent[0] as f64 / floor as f64) } else { "-".to_owned() };
    println!("{name:<58}{floor:>9}{:>9}{ratio:>7}{:>10}{:>9}", spent[0], spent[1], spent[2]);
}

fn bar(name: &str, measured: f64, must: f64) {
    let verdict = if measured <= must { "met" } else { "missed" };
    println!("{name:<40}{measured:>8.3}   must {must:.2}   {verdict}");
}

/// Edits 1 %, deletes 0.1 % and adds 0.1 % of the large objects; says how many of each.
fn change(url: &str) -> String {
    let targets = [
        ("deals", "/api/v2/deals", "PATCH", json!({"title": "edited"}), json!({"title": "added"})),
        ("persons", "/api/v2/persons", "PATCH", json!({"name": "edited"}), json!({"name": "added"})),
        ("organizations", "/api/v2/organizations", "PATCH", json!({"name": "edited"}), json!({"name": "added"})),
        ("activities", "/api/v2/activities", "PATCH", json!({"subject": "edited"}), json!({"subject": "added"})),
        ("notes", "/v1/notes", "PUT", json!({"content": "edited"}), Value::Null),
    ];
    let mut orders: Vec<(&str, String, Option<Value>)> = Vec::new();
    let mut done = [0; 3];
    for (name, path, verb, edit, new) in targets {
        let rows = alive(url, name);
        for (at, row) in rows.iter().filter(|row| row["is_archived"] != json!(true)).enumerate() {
            let id = &row["id"];
            match at % 1_000 {
                500 => orders.push(("DELETE", format!("{path}/{id}"), None)),
                hundredth if hundredth % 100 == 7 => orders.push((verb, format!("{path}/{id}"), Some(edit.clone()))),
                250 if !new.is_null() => orders.push(("POST", path.to_owned(), Some(new.clone()))),
                _ => {}
            }
        }
    }
    for (verb, _, _) in &orders {
        done[match *verb {
            "DELETE" => 1,
            "POST" => 2,
            _ => 0,
        }] += 1;
    }
    runtime().block_on(async {
        let client = client();
        let all = stream::iter(orders).map(|order| insist(&client, url, order)).buffer_unordered(8);
        all.for_each(|()| async {}).await;
    });
    format!("{} edited, {} deleted, {} added", done[0], done[1], done[2])
}

fn capture_once(url: &str, root: &Path) -> Value {
    let archive = archive(root);
    let (outcome, begun) = runtime().block_on(async {
        let account = account(url).await;
        let begun = Instant::now();
        let wanted = Wanted::default();
        (capture::capture(&account, &archive, &wanted, Clock::System, &Silent).await.expect("a capture"), begun)
    });
    let Outcome::Finished(manifest) = outcome else { panic!("the sandbox has no budget") };
    json!({"requests": manifest.requests, "tokens": manifest.tokens, "wall": begun.elapsed().as_secs_f64()})
}
