//! How everything stands: gathered from manifests, marks and what commands noted, judged by age.
//!
//! No segment is read and no data key needed, so it answers at once and may run every
//! minute, on the machine that takes snapshots or on the one that decides what stays.
//! What the key in use cannot see is said and not guessed.

pub(crate) mod facts;
pub(crate) mod metrics;
mod problems;
mod text;

use std::collections::BTreeMap;
use std::path::PathBuf;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Deserializer, Serialize};

use crate::archive::{Alarm, Archive, Error, Manifest, Span, keys_in};
use crate::cli::command::key::restorers;
use crate::cli::complain::Failure;
use crate::cli::session::Session;
use crate::cli::show::drills;
use crate::schedule::{Due, State, Verdict};

/// How old things may become.
#[derive(Clone, Copy, Default, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tolerance {
    /// The last good snapshot.
    #[serde(default, deserialize_with = "span")]
    pub(crate) max_age: Option<Span>,
    /// The last check.
    #[serde(default, deserialize_with = "span")]
    pub(crate) max_check_age: Option<Span>,
    /// The last drill.
    #[serde(default, deserialize_with = "span")]
    pub(crate) max_drill_age: Option<Span>,
}

fn span<'de, D: Deserializer<'de>>(input: D) -> Result<Option<Span>, D::Error> {
    let text = Option::<String>::deserialize(input)?;
    text.map(|text| text.parse().map_err(serde::de::Error::custom)).transpose()
}

/// How bad something is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Level {
    /// Nothing is wrong.
    Fine,
    /// Somebody should look at it some day soon.
    Warning,
    /// The backup does not do what it is there for.
    Critical,
}

/// Something that is not as it should be.
#[derive(Serialize)]
pub(crate) struct Problem {
    level: Level,
    /// What, and what to do.
    text: String,
}

/// The folder.
#[derive(Serialize)]
struct Folder {
    path: PathBuf,
    encrypted: bool,
    files: u64,
    bytes: u64,
    keys: u64,
    /// Of the keys, those that open everything, or do not say what they may.
    restoring: u64,
    /// What the key in use may do.
    role: &'static str,
    snapshots: Option<u64>,
}

/// A snapshot, as far as its age and size go.
#[derive(Serialize)]
struct Taken {
    snapshot: String,
    at: DateTime<Utc>,
    age_seconds: i64,
    records: u64,
    tokens: u64,
    requests: u64,
    bytes_added: u64,
    /// Objects that were read in part, or of which something could not be read.
    gaps: u64,
    objects: BTreeMap<String, u64>,
}

/// One company.
#[derive(Serialize)]
struct Company {
    company: u64,
    name: String,
    kind: String,
    /// The newest whole snapshot that no open alarm is about.
    last_good: Option<Taken>,
    /// The newest snapshot is one that is gone on with.
    partial: bool,
}

/// A copy elsewhere.
#[derive(Serialize)]
struct Copy {
    pushed: Option<DateTime<Utc>>,
    whole: bool,
    /// Snapshots that it has not.
    behind: Option<u64>,
    /// When the newest good snapshot that it has was taken, by company.
    last_good: BTreeMap<u64, DateTime<Utc>>,
}

/// The schedule of the configuration.
#[derive(Serialize)]
struct Timetable {
    /// When something is due next.
    next: Option<DateTime<Utc>>,
    /// When the last run began, and how good it was.
    last: Option<DateTime<Utc>>,
    verdict: Option<Verdict>,
    /// Times of the schedule that have passed without a run.
    missed: u64,
}

/// How everything stands.
#[derive(Serialize)]
pub(crate) struct Status {
    level: Level,
    problems: Vec<Problem>,
    at: DateTime<Utc>,
    archive: Folder,
    companies: Vec<Company>,
    alarms: Option<u64>,
    /// A capture waits to be gone on with; from when on it can, if that is known.
    unfinished: bool,
    goes_on: Option<DateTime<Utc>>,
    check: Option<facts::Look>,
    check_data: Option<facts::Look>,
    drill: Option<facts::Drill>,
    offsite: BTreeMap<String, Copy>,
    schedule: Option<Timetable>,
    /// What the key in use could not see.
    unseen: Vec<&'static str>,
}

impl Status {
    pub(crate) fn level(&self) -> Level {
        self.level
    }

    /// Looks at the archive of the session.
    pub(crate) fn gather(session: &Session, tolerance: Tolerance) -> Result<Status, Failure> {
        let archive = session.archive()?;
        let now = session.clock().now();
        let (manifests, alarms) = (seen(archive.snapshots())?, seen(archive.alarms())?);
        let mut unseen = Vec::new();
        unseen.extend(manifests.is_none().then_some("snapshots"));
        unseen.extend(alarms.is_none().then_some("alarms"));
        let noted_drill = fact(&archive, facts::DRILL)?;
        let drill = match seen(archive.drills())? {
            Some(results) => newest_drill(results).or(noted_drill),
            None => {
                unseen.push("drills of other machines");
                noted_drill
            }
        };
        let open: Option<u64> = alarms.as_ref().map(|all| all.iter().filter(|alarm| alarm.is_open()).count() as u64);
        let known = manifests.as_deref().unwrap_or_default();
        let unfinished = archive.has_unfinished()?;
        let goes_on = fact::<facts::Pause>(&archive, facts::PAUSE)?.map(|pause| pause.until);
        let mut status = Status {
            level: Level::Fine,
            problems: Vec::new(),
            at: now,
            archive: folder(&archive, manifests.as_ref().map(|all| all.len() as u64))?,
            companies: companies(known, alarms.as_deref().unwrap_or_default(), now),
            alarms: open,
            unfinished,
            goes_on: goes_on.filter(|_| unfinished),
            check: fact(&archive, facts::CHECK)?,
            check_data: fact(&archive, facts::CHECK_DATA)?,
            drill,
            offsite: copies(session, &archive, manifests.as_deref())?,
            schedule: timetable(session, now)?,
            unseen,
        };
        status.judge(tolerance, known.first().map(|first| first.finished));
        Ok(status)
    }
}

/// What a key may not read is not seen.
fn seen<T>(read: Result<T, Error>) -> Result<Option<T>, Failure> {
    match read {
        Err(Error::NeedsKey { .. }) => Ok(None),
        read => Ok(Some(read?)),
    }
}

/// What the schedule of the configuration has done and will do; none where there is no schedule.
fn timetable(session: &Session, now: DateTime<Utc>) -> Result<Option<Timetable>, Failure> {
    if session.schedule().is_err() {
        return Ok(None);
    }
    let schedule = crate::cli::command::schedule::read(session)?;
    let (state, _) = State::load(&session.folder()?);
    let missed = match schedule.when.due(&state, schedule.catch_up, true, now) {
        Due::Run { missed: Some(missed), .. } | Due::Skip(missed) => missed.count,
        _ => 0,
    };
    let again = state.again.as_ref().map(|again| again.at);
    let next = [schedule.when.next(now), again].into_iter().flatten().min();
    let last = state.runs.last();
    let verdict = last.map(|run| run.verdict);
    Ok(Some(Timetable { next, last: last.map(|run| run.started), verdict, missed }))
}

/// The fact of exactly this name.
fn fact<T: serde::de::DeserializeOwned>(archive: &Archive, name: &str) -> Result<Option<T>, Failure> {
    let noted = archive.noted(name)?;
    Ok(noted.into_iter().find(|(rest, _)| rest.is_empty()).map(|(_, fact)| fact))
}

fn newest_drill(results: Vec<serde_json::Value>) -> Option<facts::Drill> {
    let read = results.into_iter().filter_map(|result| serde_json::from_value::<drills::Drill>(result).ok());
    read.map(|drill| facts::Drill::of(&drill)).max_by_key(|drill| drill.at)
}

fn folder(archive: &Archive, snapshots: Option<u64>) -> Result<Folder, Failure> {
    let shelf = archive.shelf();
    let files = shelf.files()?;
    let keys = if archive.is_encrypted() { keys_in(shelf.clone())? } else { Vec::new() };
    Ok(Folder {
        path: shelf.label(),
        encrypted: archive.is_encrypted(),
        files: files.len() as u64,
        bytes: files.iter().map(|file| file.bytes).sum(),
        keys: keys.len() as u64,
        restoring: restorers(&keys) as u64,
        role: archive.role().as_str(),
        snapshots,
    })
}

/// Whose data a snapshot is: company and kind.
fn owner(manifest: &Manifest) -> (u64, &str) {
    (manifest.source.company_id, &manifest.source.kind)
}

fn is_good(manifest: &Manifest, alarms: &[Alarm]) -> bool {
    let alarming = alarms.iter().any(|alarm| alarm.is_open() && alarm.snapshot == manifest.id);
    !manifest.is_unfinished() && !manifest.source.is_aside() && !alarming
}

fn companies(manifests: &[Manifest], alarms: &[Alarm], now: DateTime<Utc>) -> Vec<Company> {
    let mut newest: BTreeMap<(u64, &str), &Manifest> = BTreeMap::new();
    for manifest in manifests.iter().filter(|manifest| !manifest.source.is_aside()) {
        newest.insert(owner(manifest), manifest);
    }
    let company = |(id, newest): ((u64, &str), &Manifest)| {
        let good = manifests.iter().rev().find(|manifest| owner(manifest) == id && is_good(manifest, alarms));
        Company {
            company: id.0,
            name: newest.source.company_name.clone(),
            kind: id.1.to_owned(),
            last_good: good.map(|good| Taken::of(good, now)),
            partial: newest.is_unfinished(),
        }
    };
    newest.into_iter().map(company).collect()
}

impl Taken {
    fn of(manifest: &Manifest, now: DateTime<Utc>) -> Taken {
        use crate::archive::{Contents, Coverage};
        let lacks = |one: &&Contents| matches!(one.coverage, Coverage::Part { .. }) || !one.gaps.is_empty();
        let objects = manifest.contents.iter().map(|one| (one.object.title(), one.records)).collect();
        Taken {
            snapshot: manifest.id.0.clone(),
            at: manifest.finished,
            age_seconds: (now - manifest.finished).num_seconds(),
            records: manifest.contents.iter().map(|one| one.records).sum(),
            tokens: manifest.tokens,
            requests: manifest.requests,
            bytes_added: manifest.bytes_added,
            gaps: manifest.contents.iter().filter(lacks).count() as u64,
            objects,
        }
    }
}

/// Copies that the configuration names: what arrived there is what was here when the last push began.
fn copies(
    session: &Session,
    archive: &Archive,
    manifests: Option<&[Manifest]>,
) -> Result<BTreeMap<String, Copy>, Failure> {
    let pushed: BTreeMap<String, facts::Push> = archive.noted(facts::PUSH)?.into_iter().collect();
    let copy = |name: &String| {
        let push = pushed.get(name);
        let has = |manifest: &&Manifest| push.is_some_and(|push| manifest.finished <= push.begun);
        let behind = manifests.map(|all| all.iter().filter(|manifest| !has(manifest)).count() as u64);
        let whole = manifests.into_iter().flatten().filter(|manifest| is_good(manifest, &[])).filter(has);
        let last_good = whole.map(|manifest| (manifest.source.company_id, manifest.finished)).collect();
        let copy =
            Copy { pushed: push.map(|push| push.begun), whole: push.is_some_and(|push| push.whole), behind, last_good };
        (name.clone(), copy)
    };
    Ok(session.targets().keys().map(copy).collect())
}
