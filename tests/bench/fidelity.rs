//! What comes back of a company that lost much of itself, object by object, as the account itself tells it.
//!
//! `cargo bench --bench fidelity [-- RECORDS]` (20,000 unless told) deletes a fifth of
//! the records of every object that can be deleted, edits another fifth, every custom
//! field included, and adds a twentieth; then it restores with what was added deleted,
//! and compares the truth of before with that of after at the sandbox's judge: every
//! field that can be written, every link, every record. Further words: `seed=N` is
//! another company, `legacy` one with the calls that the service has taken away,
//! `NAME=ANSWER` the other answer to an open question of the sandbox. The same for a
//! whole account into an empty one is what `pdbak drill` does. Nothing here is a test:
//! it prints the table.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use futures_util::stream::{self, StreamExt};
use pdbak::account::{Account, Allowance, Consent, Endpoint, Token};
use pdbak::archive::{Archive, Manifest, Protection};
use pdbak::capture::{self, Outcome, Wanted};
use pdbak::catalogue::{self, Object, ObjectName, Target};
use pdbak::clock::Clock;
use pdbak::monitor::Silent;
use pdbak::record::{Key, RecordId};
use pdbak::restore::{self, Journal, Plan, Policy, Site};
use pdbak::sandbox::{Options, Sandbox};
use serde_json::{Map, Value, json};

type Row = Map<String, Value>;

/// An object at the judge, where single ones are changed and deleted, an edit, and a new one.
type Prey = (&'static str, &'static str, &'static str, Value, Value);

#[tokio::main(worker_threads = 2)]
async fn main() {
    let options = options(std::env::args().skip(1));
    let records = options.records;
    rustls::crypto::ring::default_provider().install_default().expect("nobody installed another");
    let sandbox = Sandbox::start(options).await.expect("a sandbox");
    let (url, token) = (sandbox.url(), sandbox.token().to_owned());
    let home = tempfile::tempdir().expect("a folder");
    let archive = Archive::create(&home.path().join("archive"), Protection::Clear, Clock::System).expect("an archive");
    let goal = capture(&url, &token, &archive).await;
    let before = judge(&url).await;
    println!("a company of {records} records: {}", vandalise(&url, &token, &before).await);
    let seen = capture(&url, &token, &archive).await;
    let (plan, failed) = restored(&url, &token, &archive, [&goal, &seen]).await;
    let lineage = restore::lineage(&archive, plan.company).expect("the journals");
    let after = judge(&url).await;
    let goal = archive.snapshot(&goal.id).expect("the goal");
    let held = |id: &RecordId| goal.contents(&id.object).is_some() && goal.find(id).expect("a record").is_some();
    let moved = |id: &RecordId| lineage.after(id).last().map(|heir| heir.key.clone());
    table(&Comparison { before: &before, after: &after, moved: &moved, held: &held, plan: &plan }, &failed);
    drop(home);
    sandbox.stop().await;
}

fn options(words: impl Iterator<Item = String>) -> Options {
    let mut options = Options { records: 20_000, ..Options::default() };
    for word in words.filter(|word| word != "--bench") {
        match (word.parse(), word.strip_prefix("seed=")) {
            (Ok(records), _) => options.records = records,
            (_, Some(seed)) => options.seed = seed.parse().expect("a number"),
            _ if word == "legacy" => options.legacy = true,
            _ => options.assume.set(&word).expect("a question and its answer"),
        }
    }
    options
}

async fn account(url: &str, token: &str) -> Account {
    let endpoint = Endpoint::parse(url).expect("an address");
    Account::connect(endpoint, Token::new(token.to_owned()), Allowance::Unlimited, Clock::System)
        .await
        .expect("an account")
}

async fn capture(url: &str, token: &str, archive: &Archive) -> Manifest {
    let (account, wanted) = (account(url, token).await, Wanted { full: true, ..Wanted::default() });
    match capture::capture(&account, archive, &wanted, Clock::System, &Silent).await.expect("a capture") {
        Outcome::Finished(manifest) => manifest,
        Outcome::Paused { .. } => panic!("the sandbox has no budget"),
    }
}

async fn judge(url: &str) -> Value {
    let answer = reqwest::get(format!("{url}/sandbox/judge")).await.expect("an answer");
    answer.json().await.expect("the truth")
}

/// Plans and replays the way back; what failed, by record.
async fn restored(
    url: &str,
    token: &str,
    archive: &Archive,
    [goal, seen]: [&Manifest; 2],
) -> (Plan, BTreeMap<String, String>) {
    let plan = {
        let (goal, seen) =
            (archive.snapshot(&goal.id).expect("the goal"), archive.snapshot(&seen.id).expect("a state"));
        let policy = Policy { delete_added: true, with_fields: true, ..Policy::default() };
        let lineage = restore::lineage(archive, goal.manifest().source.company_id).expect("the journals");
        restore::plan(&goal, &seen, &policy, &lineage).expect("a plan")
    };
    let mut journal = Journal::create(archive, &plan, Clock::System).expect("a journal");
    let consent = Consent::given();
    let replayed = loop {
        let account = account(url, token).await;
        let writer = account.writer(&consent);
        let site = Site { account: &account, writer: &writer, archive };
        let replayed = restore::replay(&plan, &mut journal, &site, &Silent).await.expect("a replay");
        if replayed.stopped.is_none() {
            break replayed;
        }
        // A token may write so often a day.
        let day = json!({"advance_seconds": 24 * 60 * 60});
        reqwest::Client::new().post(format!("{url}/sandbox/clock")).json(&day).send().await.expect("another day");
    };
    let report = replayed.report.expect("a report");
    println!("{} steps: {:?}", plan.steps().len(), report.total);
    let failed = |finding: &restore::Finding| finding.verdict != restore::Verdict::ByNature;
    let findings = report.findings.iter().filter(|finding| failed(finding));
    (plan, findings.map(|one| (one.record.clone(), format!("{:?} {:?}", one.words, one.fields))).collect())
}

fn prey() -> Vec<Prey> {
    vec![
        (
            "Deals",
            "/api/v2/deals",
            "PATCH",
            json!({"title": "oops", "value": 1, "org_id": null}),
            json!({"title": "Junk"}),
        ),
        (
            "Persons",
            "/api/v2/persons",
            "PATCH",
            json!({"name": "Oops", "org_id": null, "emails": []}),
            json!({"name": "Junk"}),
        ),
        (
            "Organizations",
            "/api/v2/organizations",
            "PATCH",
            json!({"name": "Oops", "label_ids": []}),
            json!({"name": "Junk"}),
        ),
        ("Products", "/api/v2/products", "PATCH", json!({"name": "Oops", "unit": "box"}), json!({"name": "Junk"})),
        (
            "Activities",
            "/api/v2/activities",
            "PATCH",
            json!({"subject": "oops", "note": "x"}),
            json!({"subject": "junk"}),
        ),
        ("Projects", "/api/v2/projects", "PATCH", json!({"title": "oops", "description": "x"}), Value::Null),
        ("Tasks", "/api/v2/tasks", "PATCH", json!({"title": "oops", "description": "x"}), Value::Null),
        ("Notes", "/v1/notes", "PUT", json!({"content": "oops"}), Value::Null),
        ("Leads", "/v1/leads", "PATCH", json!({"title": "oops", "value": null}), Value::Null),
        ("Files", "/v1/files", "PUT", json!({"description": "oops"}), Value::Null),
        ("Filters", "/v1/filters", "", Value::Null, Value::Null),
        ("Goals", "/v1/goals", "PUT", json!({"title": "oops"}), Value::Null),
        (
            "ActivityTypes",
            "/v1/activityTypes",
            "PUT",
            json!({"name": "Oops"}),
            json!({"name": "Junk", "icon_key": "car"}),
        ),
        ("LeadLabels", "/v1/leadLabels", "PATCH", json!({"name": "Oops"}), json!({"name": "Junk", "color": "red"})),
        ("CallLogs", "/v1/callLogs", "", Value::Null, Value::Null),
        ("OrganizationRelationships", "/v1/organizationRelationships", "", Value::Null, Value::Null),
        ("LegacyTeams", "/v1/legacyTeams", "PUT", json!({"name": "Oops"}), Value::Null),
        ("Webhooks", "/v1/webhooks", "", Value::Null, Value::Null),
    ]
}

/// Deletes a fifth, edits another, adds a twentieth; says how many.
async fn vandalise(url: &str, token: &str, truth: &Value) -> String {
    let mut orders: Vec<(&str, String, Option<Value>)> = Vec::new();
    for (kind, path, verb, edit, new) in prey() {
        let alive = |row: &&Value| is_there(row) && row["is_archived"] != true;
        for (at, row) in truth[kind].as_array().into_iter().flatten().filter(alive).enumerate() {
            let id = row["id"].as_str().map_or_else(|| row["id"].to_string(), str::to_owned);
            if at % 5 == 0 {
                orders.push(("DELETE", format!("{path}/{id}"), None));
            } else if at % 5 == 1 && !verb.is_empty() {
                orders.push((verb, format!("{path}/{id}"), Some(emptied(&edit, row))));
            }
            if at % 20 == 2 && !new.is_null() {
                orders.push(("POST", path.to_owned(), Some(new.clone())));
            }
        }
    }
    let client = reqwest::Client::new();
    let sent = stream::iter(orders).map(|(verb, path, body)| {
        let request = client.request(verb.parse().expect("a method"), format!("{url}{path}"));
        let request = request.header("x-api-token", token);
        let request = if let Some(body) = &body { request.json(body) } else { request };
        async move { (verb, request.send().await.expect("an answer").status().is_success()) }
    });
    let mut counts: BTreeMap<(&str, bool), u64> = BTreeMap::new();
    let mut sent = sent.buffer_unordered(8);
    while let Some(done) = sent.next().await {
        *counts.entry(done).or_default() += 1;
    }
    let told =
        counts.iter().map(|((verb, took), count)| format!("{count} {verb}{}", if *took { "" } else { " refused" }));
    told.collect::<Vec<_>>().join(", ")
}

/// The edit, with every custom field of the row taken away.
fn emptied(edit: &Value, row: &Value) -> Value {
    let mut edit = edit.clone();
    let codes = row["custom_fields"].as_object().into_iter().flatten();
    let nothing: Row =
        codes.filter(|(_, value)| !value.is_null()).map(|(code, _)| (code.clone(), Value::Null)).collect();
    if !nothing.is_empty() {
        edit["custom_fields"] = Value::Object(nothing);
    }
    edit
}

fn is_there(row: &Value) -> bool {
    row["is_deleted"] != true && row["active_flag"] != false && row["deleted_flag"] != 1 && row["deleted_flag"] != true
}

/// The truth of before and after, and what connects them.
struct Comparison<'a> {
    before: &'a Value,
    after: &'a Value,
    moved: &'a dyn Fn(&RecordId) -> Option<Key>,
    /// Whether the snapshot holds a record: a token does not see everything, such as other people's call logs.
    held: &'a dyn Fn(&RecordId) -> bool,
    plan: &'a Plan,
}

#[derive(Default)]
struct Line {
    records: u64,
    equal: u64,
    announced: u64,
    different: u64,
    wrong_links: u64,
    missing: u64,
    left_over: u64,
    unseen: u64,
}

/// Prints a line for each object, and what is wrong.
fn table(both: &Comparison<'_>, failed: &BTreeMap<String, String>) {
    println!(
        "{:<28}{:>9}{:>9}{:>11}{:>11}{:>13}{:>9}{:>11}{:>8}",
        "object", "records", "equal", "announced", "different", "wrong links", "missing", "left over", "unseen"
    );
    let announced: BTreeSet<(String, Option<String>)> = both
        .plan
        .left_out()
        .iter()
        .filter_map(|left| Some((format!("{}/{}", left.object, left.key.as_ref()?), left.field.clone())))
        .collect();
    let kept: BTreeSet<String> = both.plan.kept.iter().map(|kept| kept.record.to_string()).collect();
    let mut told: Vec<String> = Vec::new();
    for (title, rows) in both.before.as_object().expect("objects") {
        let Some(object) = catalogue::find(&ObjectName::new(title)).filter(|object| object.create.is_some()) else {
            continue;
        };
        let line = both.object(object, (rows, &both.after[title]), (&announced, &kept), &mut told);
        if line.records + line.left_over > 0 {
            let Line { records, equal, announced, different, wrong_links, missing, left_over, unseen } = line;
            println!(
                "{title:<28}{records:>9}{equal:>9}{announced:>11}{different:>11}{wrong_links:>13}{missing:>9}{left_over:>11}{unseen:>8}"
            );
        }
    }
    told.iter().take(60).for_each(|line| println!("  {line}"));
    println!("  {} records in all that are not as they were", told.len());
    failed.iter().take(40).for_each(|(record, words)| println!("  failed: {record} {words}"));
    println!("  {} steps failed", failed.len());
}

impl Comparison<'_> {
    fn object(
        &self,
        object: &'static Object,
        (before, after): (&Value, &Value),
        (announced, kept): (&BTreeSet<(String, Option<String>)>, &BTreeSet<String>),
        told: &mut Vec<String>,
    ) -> Line {
        let rows = |truth: &Value| -> Vec<Row> {
            let rows = truth.as_array().into_iter().flatten().filter(|row| is_there(row));
            rows.filter_map(|row| row.as_object().cloned()).collect()
        };
        let mut line = Line::default();
        let mut now: HashMap<RecordId, Row> =
            rows(after).into_iter().filter_map(|row| Some((identity(object, &row)?, row))).collect();
        for then in rows(before) {
            let Some(own) = identity(object, &then) else { continue };
            // A record of the archive is at the judge beside the others.
            let twin = twin(object.name).map(|twin| RecordId::new(ObjectName::known(twin), own.key.clone()));
            if !(self.held)(&own) && !twin.as_ref().is_some_and(self.held) {
                now.remove(&own);
                line.unseen += 1;
                continue;
            }
            line.records += 1;
            let id = own.to_string();
            let expected = self.translated(object, &then);
            let moved = (self.moved)(&own).or_else(|| (self.moved)(&twin?));
            let heir = moved.map(|key| RecordId::new(own.object.clone(), key));
            let Some(found) = now.remove(&heir.unwrap_or(own)) else {
                match announced.contains(&(id.clone(), None)) {
                    true => line.announced += 1,
                    false => {
                        line.missing += 1;
                        told.push(format!("{id} is missing"));
                    }
                }
                continue;
            };
            let off = self.off(object, &expected, &found);
            let (said, wrong): (Vec<_>, Vec<_>) = off
                .into_iter()
                .partition(|(field, ..)| kept.contains(&id) || announced.contains(&(id.clone(), Some(field.clone()))));
            let links = wrong.iter().any(|(field, ..)| object.references.iter().any(|one| one.top() == field));
            match (wrong.is_empty(), links, said.is_empty()) {
                (true, _, true) => line.equal += 1,
                (true, _, false) => line.announced += 1,
                (false, true, _) => line.wrong_links += 1,
                (false, false, _) => line.different += 1,
            }
            if !wrong.is_empty() {
                told.push(format!("{id}: {wrong:?}").chars().take(400).collect());
            }
        }
        line.left_over = now.len() as u64;
        told.extend(now.keys().map(|key| format!("{}: {key} is left over", object.name)));
        line
    }

    /// Fields that can be written and differ.
    fn off(&self, object: &'static Object, then: &Row, now: &Row) -> Vec<(String, Value, Value)> {
        let takes: BTreeSet<&str> =
            object.writable().filter(|name| !object.computed.contains(name) && *name != "id").collect();
        let value = |row: &Row, name: &str| plain(row.get(name).unwrap_or(&Value::Null));
        let names = then.keys().filter(|name| takes.contains(name.as_str()) || name.as_str() == "custom_fields");
        names
            .filter(|name| value(then, name) != value(now, name))
            .map(|name| (name.clone(), value(then, name), value(now, name)))
            .collect()
    }

    /// The row with the numbers that its links have now.
    fn translated(&self, object: &'static Object, row: &Row) -> Row {
        let mut row = row.clone();
        let product = row.get("product_id").cloned().unwrap_or_default();
        for reference in object.references {
            let Some(value) = row.get_mut(reference.top()) else { continue };
            if let Target::Named { object, by } = reference.to {
                self.reword(value, object, by);
            }
            let Target::Record(targets) = reference.to else { continue };
            // A variation is known by its product and a number of its own.
            if let ["productVariations"] = targets {
                let own = format!("{}:{}", key(&product), key(value));
                let id = RecordId::new(ObjectName::known("productVariations"), Key::parse(&own));
                *value = self.today(&[id]).unwrap_or(value.take());
                continue;
            }
            let path: Vec<&str> = reference.field.split(['.', '[']).skip(1).collect();
            self.follow(value, &path, targets);
        }
        self.custom(object, &mut row);
        row
    }

    /// The word that a record goes by which was made again under another one.
    fn reword(&self, value: &mut Value, object: &'static str, by: &str) {
        let title = ObjectName::known(object).title();
        let known = |truth: &Value, field: &str, wanted: &Value| -> Option<Row> {
            let rows = truth[&title].as_array()?.iter();
            rows.filter(|row| is_there(row)).find(|row| row[field] == *wanted)?.as_object().cloned()
        };
        let today = known(self.before, by, value).and_then(|row| {
            let id = RecordId::new(ObjectName::known(object), key(row.get("id")?));
            known(self.after, "id", &self.today(&[id])?)?.get(by).cloned()
        });
        if let Some(today) = today {
            *value = today;
        }
    }

    /// Links in custom fields, by the type of the field.
    fn custom(&self, object: &'static Object, row: &mut Row) {
        let (Some(custom), Some(Value::Object(values))) = (object.custom, row.get_mut("custom_fields")) else { return };
        let definitions = &self.before[ObjectName::known(custom.fields).title()];
        for field in definitions.as_array().into_iter().flatten() {
            let targets: &[&'static str] = match field["field_type"].as_str() {
                Some("org") => &["organizations"],
                Some("people") => &["persons"],
                _ => continue,
            };
            let code = field["field_code"].as_str().unwrap_or_default();
            if let Some(value) = values.get_mut(code) {
                self.follow(value, &[], targets);
            }
        }
    }

    fn follow(&self, value: &mut Value, path: &[&str], targets: &[&'static str]) {
        match (path.split_first(), value) {
            (None, leaf) => {
                let ids = targets.iter().flat_map(|name| [*name].into_iter().chain(twin(name)));
                let ids: Vec<RecordId> = ids.map(|name| RecordId::new(ObjectName::known(name), key(leaf))).collect();
                if let Some(today) = self.today(&ids).filter(|_| !leaf.is_null()) {
                    *leaf = today;
                }
            }
            (Some((&"]", rest)), Value::Array(list)) => list.iter_mut().for_each(|one| self.follow(one, rest, targets)),
            (Some((name, rest)), Value::Object(parts)) => {
                if let Some(value) = parts.get_mut(*name) {
                    self.follow(value, rest, targets);
                }
            }
            _ => {}
        }
    }

    fn today(&self, ids: &[RecordId]) -> Option<Value> {
        ids.iter().find_map(|id| (self.moved)(id)).map(|key| match key {
            Key::Number(number) | Key::Pair(_, number) => json!(number),
            Key::Text(text) => json!(text),
        })
    }
}

fn twin(name: &str) -> Option<&'static str> {
    catalogue::find(&ObjectName::new(name))?.twin
}

fn key(value: &Value) -> Key {
    value.as_str().map_or_else(|| Key::parse(&value.to_string()), Key::parse)
}

/// The number of a row at the judge, as snapshots have it; none of rows that snapshots know otherwise.
fn identity(object: &Object, row: &Row) -> Option<RecordId> {
    let text = |name: &str| row.get(name).map(|value| key(value).to_string());
    let parents = ["deal_id", "note_id", "person_id", "org_id", "product_id", "item_id", "object_id"];
    let key = match object.key {
        catalogue::KeyIn::Field(own) => text(own)?,
        catalogue::KeyIn::Both { parent, own } => format!("{}:{}", text(parent)?, text(own)?),
        catalogue::KeyIn::ParentAnd(own) => format!("{}:{}", parents.iter().find_map(|name| text(name))?, text(own)?),
        _ => return None,
    };
    Some(RecordId::new(ObjectName::known(object.name), Key::parse(&key)))
}

/// One form for what says the same.
fn plain(value: &Value) -> Value {
    match value {
        Value::String(text) if text.is_empty() => Value::Null,
        Value::Array(list) => {
            let mut list: Vec<Value> = list.iter().map(plain).collect();
            list.sort_by_cached_key(ToString::to_string);
            if list.is_empty() { Value::Null } else { Value::Array(list) }
        }
        Value::Object(parts) => {
            let derived = ["id", "product_id", "formatted_address", "timezone_id"];
            let parts = parts.iter().filter(|(name, value)| !derived.contains(&name.as_str()) && !value.is_null());
            Value::Object(parts.map(|(name, value)| (name.clone(), plain(value))).collect())
        }
        Value::Number(number) => number.as_f64().map_or_else(|| value.clone(), Value::from),
        other => other.clone(),
    }
}
