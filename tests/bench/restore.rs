//! How fast a vandalised company comes back, and what that costs.
//!
//! `cargo bench --bench restore [-- RECORDS]` (20,000 unless told) starts a sandbox
//! in another process, takes a snapshot, deletes a fifth of the records, edits
//! another and adds a twentieth, and restores with the added ones deleted: once as
//! fast as it goes, and once, with a tenth of the records, under a burst limit. A
//! third part plans the way back of a company of 100,000 records that lost
//! everything, and goes it. `-- burst RECORDS` does the second part alone, `-- lost RECORDS` the third. Every part of a restore runs in a process of its own, so that CPU
//! time and peak memory are that part's, as the kernel counted them. Nothing here
//! is a test: it prints the figures and the bar beside each, it does not judge.

mod support;

use std::path::Path;
use std::sync::Mutex;
use std::time::Instant;

use futures_util::stream::{self, StreamExt};
use pdbak::account::{Account, Consent, Spent};
use pdbak::capture::{self, Outcome, Wanted};
use pdbak::catalogue::ObjectName;
use pdbak::clock::Clock;
use pdbak::monitor::{Monitor, Silent};
use pdbak::restore::{self, Journal, Plan, Policy, Replayed, Site};
use serde_json::{Map, Value, json};
use support::{account, archive, client, end, get, insist, number, report, role, runtime};

/// Requests in two seconds of the largest plan's API token (api/wire.md, Rate limits).
const BURST: u32 = 120;

/// An object to vandalise: its name at the judge, where single ones are changed, how, an edit, and a new one.
type Target = (&'static str, &'static str, &'static str, Value, Value);

fn main() {
    let arguments = support::words();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["role", "capture", url, root] => report(capture_once(url, Path::new(root), false)),
        ["role", "capture full", url, root] => report(capture_once(url, Path::new(root), true)),
        ["role", "plan", root] => report(plan_once(Path::new(root))),
        ["role", "replay", url, root, name] => report(replay_once(url, Path::new(root), name)),
        ["burst", records] => limited(records.parse().expect("a number of records")),
        ["lost", records] => lost(records.parse().expect("a number of records")),
        [] => measure(20_000),
        [records] => measure(records.parse().expect("a number of records")),
        other => panic!("cannot make sense of {other:?}"),
    }
}

fn measure(records: u64) {
    println!("a company of {records} records, no limit");
    restored(records, 0);
    limited(records / 10);
    lost(records * 5);
}

fn limited(records: u64) {
    println!("\na company of {records} records, {BURST} requests in two seconds allowed");
    restored(records, BURST);
}

/// Vandalises a company, brings it back, and prints what that cost.
fn restored(records: u64, burst: u32) {
    let (mut sandbox, url) = start_sandbox(records, burst);
    let home = tempfile::tempdir().expect("a folder");
    let root = home.path().join("archive");
    let root = root.to_str().expect("a path in UTF-8");
    role(&["capture", &url, root]);
    let done = vandalise(&url);
    role(&["capture", &url, root]);
    let plan = role(&["plan", root]);
    get(&url, "DELETE", "/sandbox/meter");
    let replay = role(&["replay", &url, root, plan["name"].as_str().expect("a name")]);
    let meter = get(&url, "GET", "/sandbox/meter");
    end(&mut sandbox);
    println!("  vandalised: {done}; the plan: {} steps", plan["steps"]);
    let writes = by_kind(&meter);
    let (steps, wall) = (number(&replay, "steps_wall"), number(&replay, "wall"));
    line("writes a second", writes as f64 / steps, if burst == 0 { ">= 300" } else { "" });
    if burst > 0 {
        // A window lets its requests through at its begin, so the last request waits for all whole windows before it.
        // The meter does not count calls that the service has removed, the limit does.
        let least = 2.0 * ((number(&replay, "requests") - 1.0) / f64::from(burst)).floor();
        line("least time over the time taken, %", 100.0 * least / wall, ">= 95");
    }
    line("refused with 429", number(&meter, "refused"), "0");
    line("wall, s (with reading back)", wall, "");
    line("CPU of the replay, s", number(&replay, "cpu"), "");
    line("peak of the replay, MiB", number(&replay, "peak"), "");
    line("CPU of the plan, s", number(&plan, "cpu"), "");
    line("peak of the plan, MiB", number(&plan, "peak"), "< 200");
    line("tokens", number(&meter, "tokens"), &format!("planned {}", plan["tokens"]));
    line("requests", number(&meter, "requests"), &format!("planned {}", plan["requests"]));
    line("planned over spent, %", 100.0 * number(&plan, "tokens") / number(&meter, "tokens"), "90 to 110");
    line("reading back, tokens", number(&replay, "back_tokens"), "");
    line("reading back, requests", number(&replay, "back_requests"), "");
    println!("  came back: {}", replay["total"]);
}

/// Plans the way back of a company of which nothing is left, and goes it.
fn lost(records: u64) {
    println!("\na company of {records} records that lost everything");
    let home = tempfile::tempdir().expect("a folder");
    let root = home.path().join("archive");
    let root = root.to_str().expect("a path in UTF-8");
    let (mut sandbox, url) = start_sandbox(records, 0);
    role(&["capture", &url, root]);
    end(&mut sandbox);
    let (mut sandbox, url) = start_sandbox(0, 0);
    // Another sandbox counts and stamps from its own beginning: nothing but a look at everything tells what is gone.
    role(&["capture full", &url, root]);
    let plan = role(&["plan", root]);
    line("steps", number(&plan, "steps"), "");
    line("CPU of the plan, s", number(&plan, "cpu"), "");
    line("peak of the plan, MiB", number(&plan, "peak"), "< 200");
    // A user has 10,000 POST and PUT a day; each day is a run that goes on where the one before stood.
    let (mut days, mut peak, mut wall, mut cpu) = (0, 0.0_f64, 0.0, 0.0);
    let replay = loop {
        get(&url, "DELETE", "/sandbox/meter");
        let replay = role(&["replay", &url, root, plan["name"].as_str().expect("a name")]);
        days += 1;
        (peak, wall, cpu) =
            (peak.max(number(&replay, "peak")), wall + number(&replay, "wall"), cpu + number(&replay, "cpu"));
        if replay["done"].is_null() {
            break replay;
        }
    };
    end(&mut sandbox);
    line("days, each a run", f64::from(days), "");
    line("wall, s (with reading back)", wall, "");
    line("CPU of the replay, s", cpu, "");
    line("peak of the replay, MiB", peak, "< 200");
    println!("  came back: {}", replay["total"]);
}

fn line(name: &str, figure: f64, bar: &str) {
    println!("  {name:<32}{figure:>12.1}   {bar}");
}

/// Prints the requests by kind; answers how many wrote.
fn by_kind(meter: &Value) -> u64 {
    let mut writes = 0;
    let mut rows: Vec<(&String, u64, u64)> = Vec::new();
    for (name, used) in meter["by_endpoint"].as_object().expect("endpoints") {
        let (requests, tokens) = (used["requests"].as_u64().unwrap_or(0), used["tokens"].as_u64().unwrap_or(0));
        writes += if name.starts_with("GET") { 0 } else { requests };
        rows.push((name, requests, tokens));
    }
    rows.sort_by_key(|(_, _, tokens)| std::cmp::Reverse(*tokens));
    for (name, requests, tokens) in rows {
        println!("  {name:<52}{requests:>8} requests {tokens:>8} tokens");
    }
    writes
}

fn targets() -> Vec<Target> {
    vec![
        ("Deals", "/api/v2/deals", "PATCH", json!({"title": "oops", "value": 1}), json!({"title": "Junk"})),
        ("Persons", "/api/v2/persons", "PATCH", json!({"name": "Oops"}), json!({"name": "Junk"})),
        ("Organizations", "/api/v2/organizations", "PATCH", json!({"name": "Oops"}), json!({"name": "Junk"})),
        ("Products", "/api/v2/products", "PATCH", json!({"name": "Oops", "unit": "box"}), json!({"name": "Junk"})),
        ("Activities", "/api/v2/activities", "PATCH", json!({"subject": "oops"}), json!({"subject": "junk"})),
        ("Notes", "/v1/notes", "PUT", json!({"content": "oops"}), Value::Null),
        ("Leads", "/v1/leads", "PATCH", json!({"title": "oops"}), Value::Null),
        ("Files", "/v1/files", "PUT", json!({"description": "oops"}), Value::Null),
    ]
}

fn start_sandbox(records: u64, burst: u32) -> (std::process::Child, String) {
    support::start_sandbox(&["--records", &records.to_string(), "--burst", &burst.to_string()])
}

/// Deletes a fifth of the records, edits another, adds a twentieth; says how many of each.
fn vandalise(url: &str) -> String {
    let mut orders: Vec<(&str, String, Option<Value>)> = Vec::new();
    let (mut deleted, mut edited, mut added) = (0, 0, 0);
    for (kind, path, verb, edit, new) in targets() {
        let judge = get(url, "GET", &format!("/sandbox/judge?object={kind}"));
        let alive = |row: &&Value| row["is_deleted"] != json!(true) && row["is_archived"] != json!(true);
        for (at, row) in judge[kind].as_array().expect("rows").iter().filter(alive).enumerate() {
            let id = row["id"].as_str().map_or_else(|| row["id"].to_string(), str::to_owned);
            match at % 5 {
                0 => orders.push(("DELETE", format!("{path}/{id}"), None)),
                1 => orders.push((verb, format!("{path}/{id}"), Some(edit.clone()))),
                _ => {}
            }
            (deleted, edited) = (deleted + u32::from(at % 5 == 0), edited + u32::from(at % 5 == 1));
            if at % 20 == 2 && !new.is_null() {
                orders.push(("POST", path.to_owned(), Some(new.clone())));
                added += 1;
            }
        }
    }
    runtime().block_on(async {
        let client = client();
        let all = stream::iter(orders).map(|order| insist(&client, url, order)).buffer_unordered(8);
        all.for_each(|()| async {}).await;
    });
    format!("{deleted} deleted, {edited} edited, {added} added")
}

fn capture_once(url: &str, root: &Path, full: bool) -> Value {
    let archive = archive(root);
    let outcome = runtime().block_on(async {
        let account = account(url).await;
        let wanted = Wanted { full, ..Wanted::default() };
        capture::capture(&account, &archive, &wanted, Clock::System, &Silent).await.expect("a capture")
    });
    let Outcome::Finished(manifest) = outcome else { panic!("the sandbox has no budget") };
    json!({"requests": manifest.requests, "tokens": manifest.tokens})
}

/// Plans from the newest snapshot back to the one before it.
fn plan_once(root: &Path) -> Value {
    let archive = archive(root);
    let ids: Vec<_> = archive.snapshots().expect("snapshots").into_iter().map(|manifest| manifest.id).collect();
    let [.., before, after] = ids.as_slice() else { panic!("two snapshots were taken") };
    let (goal, seen) = (archive.snapshot(before).expect("the goal"), archive.snapshot(after).expect("the state"));
    let lineage = restore::lineage(&archive, goal.manifest().source.company_id).expect("the journals");
    let policy = Policy { delete_added: true, ..Policy::default() };
    let plan = restore::plan(&goal, &seen, &policy, &lineage).expect("a plan");
    let price = plan.price();
    let journal = Journal::create(&archive, &plan, Clock::System).expect("a journal");
    json!({"steps": plan.steps().len(), "name": journal.name(), "tokens": price.tokens(), "requests": price.requests})
}

/// Knows what had been spent when the last step ended: what comes after is reading back.
struct Watch<'a> {
    account: &'a Account,
    begun: Instant,
    last: Mutex<(f64, Spent)>,
}

impl Monitor for Watch<'_> {
    fn began(&self, _object: &ObjectName, _expected: Option<u64>) {}

    fn advanced(&self, _object: &ObjectName, _records: u64, _tokens: u64) {
        *self.last.lock().expect("nobody panics") = (self.begun.elapsed().as_secs_f64(), self.account.spent());
    }

    fn ended(&self, _object: &ObjectName, _outcome: &str) {}

    fn warned(&self, text: &str) {
        eprintln!("{text}");
    }
}

fn replay_once(url: &str, root: &Path, name: &str) -> Value {
    let archive = archive(root);
    let (mut journal, plan): (Journal, Plan) = Journal::resume(&archive, name, Clock::System).expect("a journal");
    runtime().block_on(async {
        let account = account(url).await;
        let writer = account.writer(&Consent::given());
        let site = Site { account: &account, writer: &writer, archive: &archive };
        let watch = Watch { account: &account, begun: Instant::now(), last: Mutex::default() };
        let replayed = restore::replay(&plan, &mut journal, &site, &watch).await.expect("a replay");
        let wall = watch.begun.elapsed().as_secs_f64();
        let (steps_wall, spent) = *watch.last.lock().expect("nobody panics");
        let report = match replayed {
            Replayed { report: Some(report), .. } => report,
            Replayed { stopped: Some(restore::Stop::BudgetSpent(_)), done, .. } => {
                return json!({"wall": wall, "done": done});
            }
            Replayed { stopped, .. } => panic!("{stopped:?}"),
        };
        let total = serde_json::to_value(report.total).unwrap_or_default();
        json!({
            "wall": wall, "steps_wall": steps_wall, "total": Map::from_iter(total.as_object().cloned().unwrap_or_default()),
            "requests": account.spent().requests,
            "back_tokens": account.spent().tokens - spent.tokens,
            "back_requests": account.spent().requests - spent.requests,
        })
    })
}
